//! `bench engines`: libbitcask beside its peers. `bench ycsb`: the YCSB workloads. `bench python`, `bench go`: from these languages. `bench report`: table and plots for the
//! documentation from what was kept. `README.md` says more.

use std::process::ExitCode;

use bitcask_bench::cli::Args;
use bitcask_bench::languages::Language;
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
    if let Some(language) = Language::of(&what) {
        language.compare(&args, |line| println!("{line}"))?;
        return Ok(());
    }
    let compare = |what, one, keys: u64| -> Result<()> {
        let plan = run::Plan {
            name: what,
            before: None,
            bin: "bench",
            what,
            one: run::this_program(one)?,
            keys: args.keys.unwrap_or(keys),
            runtime: None,
            subjects: run::engines(&args),
            left_out: Vec::new(),
        };
        run::compare(&args, plan, ratios::fill, |line| println!("{line}"))?;
        Ok(())
    };
    match what.as_str() {
        "engines" => compare("engines", "one", 5_000_000)?,
        "ycsb" => compare("ycsb", "one-ycsb", 1_000_000)?,
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
                "usage: bench engines|ycsb|python|go|report [--keys N] [--rounds N] [--only ID,...] [--dir D] [--out D]".into()
            );
        }
    }
    Ok(())
}
