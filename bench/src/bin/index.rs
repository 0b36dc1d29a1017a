//! `index`: the library's indexes alone beside other maps. A program of its own, because its allocator counts.

use std::alloc::System;
use std::process::ExitCode;

use bitcask_bench::cli::Args;
use bitcask_bench::{Result, index, run};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    match act() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("index: {error}");
            ExitCode::FAILURE
        }
    }
}

fn act() -> Result<()> {
    let args = Args::parse(std::env::args().skip(1))?;
    let keys = args.keys.unwrap_or(3_000_000);
    if let [one, id] = args.rest.as_slice()
        && one == "one"
    {
        println!("{}", serde_json::to_string(&index::measure(id, keys, live)?)?);
        return Ok(());
    }
    if !args.rest.is_empty() {
        return Err("usage: index [--keys N] [--rounds N] [--only ID,...] [--out D]".into());
    }
    let subjects = index::subjects(|id| args.wants(id));
    let plan = run::Plan {
        name: "index",
        before: None,
        bin: "index",
        what: "",
        one: run::this_program("one")?,
        keys,
        runtime: None,
        subjects,
        left_out: Vec::new(),
    };
    run::compare(&args, plan, index::ratios, |line| println!("{line}"))?;
    Ok(())
}

/// Bytes that are allocated now.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}
