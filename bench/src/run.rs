//! Runs a comparison: a process for each subject and round, in a fresh directory, by turns.
//!
//! A process of its own, so that no store finds another's memory, threads or mappings; by turns (A B C, A B C, ...), so
//! that a busy minute of the machine hits all; medians over the rounds.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::cli::Args;
use crate::engine::{ENGINES, Known};
use crate::machine::{self, Machine};
use crate::results::{self, Comparison, Sample, Subject};
use crate::{Result, report};

/// What is compared.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Name of the file that keeps the results, without `.json`.
    pub name: &'a str,
    /// A command that has to run before, if any.
    pub before: Option<String>,
    /// The program's name.
    pub bin: &'a str,
    /// The word on its command line.
    pub what: &'a str,
    /// The program that measures one subject, and its first arguments.
    pub one: Vec<OsString>,
    /// Pairs or keys.
    pub keys: u64,
    /// What the stores are called from, if that isn't this program.
    pub runtime: Option<String>,
    /// What is compared, ours first.
    pub subjects: Vec<Subject>,
    /// What can't be.
    pub left_out: Vec<String>,
}

/// This program, measuring one subject at this word.
///
/// # Errors
/// If it doesn't know where it is.
pub fn this_program(one: &str) -> Result<Vec<OsString>> {
    Ok(vec![std::env::current_exe()?.into(), one.into()])
}

/// The stores that are asked for.
#[must_use]
pub fn engines(args: &Args) -> Vec<Subject> {
    let subject = |engine: &Known| Subject {
        id: engine.id.into(),
        name: engine.name.into(),
        ours: engine.ours,
        ordered: engine.ordered,
        version: machine::version(engine.package),
    };
    ENGINES.iter().filter(|engine| args.wants(engine.id)).map(subject).collect()
}

/// Measures everything, prints the table and keeps the results.
///
/// # Errors
/// If a process fails, or its answers differ from another's.
pub fn compare(
    args: &Args,
    plan: Plan<'_>,
    ratios: impl FnOnce(&mut Comparison),
    mut progress: impl FnMut(&str),
) -> Result<Comparison> {
    if let Some(unknown) = args.only.iter().find(|only| plan.subjects.iter().all(|subject| subject.id != **only)) {
        return Err(format!("nothing here is called {unknown}").into());
    }
    fs::create_dir_all(&args.out)?;
    fs::create_dir_all(&args.dir)?;
    let (date, machine) = (machine::date(), Machine::here(&args.dir));
    let mut samples = Vec::new();
    for round in 1..=args.rounds {
        for subject in &plan.subjects {
            let start = Instant::now();
            samples.push((subject.id.clone(), measure(args, &plan, &subject.id)?));
            let seconds = start.elapsed().as_secs_f64();
            progress(&format!("round {round} of {}: {} ({seconds:.0} s)", args.rounds, subject.name));
        }
    }
    let mut comparison = Comparison {
        command: plan.before.map(|before| before + " && ").unwrap_or_default()
            + &args.command(plan.bin, plan.what, plan.keys),
        date,
        machine,
        runtime: plan.runtime,
        keys: plan.keys,
        rounds: args.rounds,
        subjects: plan.subjects,
        left_out: plan.left_out,
        rows: results::rows(&samples)?,
        ratios: Default::default(),
    };
    ratios(&mut comparison);
    let path = args.out.join(format!("{}.json", plan.name));
    fs::write(&path, serde_json::to_string_pretty(&comparison)? + "\n")?;
    progress(&format!("\n{}", report::terminal(&comparison)));
    Ok(comparison)
}

/// Measures one subject once in a process of its own.
fn measure(args: &Args, plan: &Plan<'_>, id: &str) -> Result<Vec<Sample>> {
    let dir = args.dir.join(id.replace(':', "-"));
    remove(&dir)?;
    fs::create_dir(&dir)?;
    // What an earlier process left to be written must not cost this one.
    Command::new("sync").status()?;
    let (program, first) = plan.one.split_first().ok_or("no program measures")?;
    let output = Command::new(program)
        .args(first)
        .args([id, "--keys", &plan.keys.to_string(), "--dir"])
        .arg(&dir)
        .stderr(Stdio::inherit())
        .output()?;
    remove(&dir)?;
    if !output.status.success() {
        return Err(format!("measuring {id} failed ({})", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
