//! `bench engines`: libbitcask beside its peers. `bench ycsb`: the YCSB workloads. `bench report`: table and plots for the
//! documentation from what was kept. `README.md` says more.

use std::process::ExitCode;

use bitcask_bench::cli::Args;
use bitcask_bench::phases::{Scale, Workload};
use bitcask_bench::{Result, engine, ratios, report, run, ycsb};

fn main() -> ExitCode {
    match act() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn act() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let what = words.next().unwrap_or_default();
    let args = Args::parse(words)?;
    let subjects = run::engines(&args);
    match what.as_str() {
        "engines" => {
            let keys = args.keys.unwrap_or(5_000_000);
            let plan = run::Plan { name: "engines", bin: "bench", what: "engines", one: "one", keys, subjects };
            run::compare(&args, plan, ratios::fill, |line| println!("{line}"))?;
        }
        "ycsb" => {
            let keys = args.keys.unwrap_or(1_000_000);
            let plan = run::Plan { name: "ycsb", bin: "bench", what: "ycsb", one: "one-ycsb", keys, subjects };
            run::compare(&args, plan, ratios::fill, |line| println!("{line}"))?;
        }
        "report" => println!("{}", report::write(&args)?),
        // One store in this process, as a comparison starts it; the samples go to standard output.
        "one" | "one-ycsb" => {
            let (Some(id), Some(keys)) = (args.rest.first(), args.keys) else {
                return Err(format!("{what} wants a store and --keys").into());
            };
            let samples = if what == "one" {
                engine::with(id, Workload { scale: Scale::of(keys), dir: &args.dir })?
            } else {
                engine::with(id, ycsb::Workloads { records: keys, dir: &args.dir })?
            };
            println!("{}", serde_json::to_string(&samples)?);
        }
        _ => {
            return Err(
                "usage: bench engines|ycsb|report [--keys N] [--rounds N] [--only ID,...] [--dir D] [--out D]".into()
            );
        }
    }
    Ok(())
}
