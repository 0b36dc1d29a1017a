//! libbitcask from Python and from Go, beside the stores that users of these languages would pick instead.
//!
//! The workload is measured by a program in each language, below `bench/languages/`, which `bench/languages/build.sh` builds with its peers. It
//! tells what it can measure, and then measures one store in a process, as this program does with the stores in Rust. A peer that could
//! not be installed is left out, and the results say so.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::cli::Args;
use crate::results::{Comparison, Row, Subject, Unit};
use crate::run::Plan;
use crate::{Result, machine, ratios, run};

/// A language whose binding is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Language {
    /// On command lines, and the name of the file of results.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
}

/// All of them.
pub const LANGUAGES: [Language; 2] = [Language { id: "python", name: "Python" }, Language { id: "go", name: "Go" }];

/// What is aimed at in a row. Only rows that have ratios, or compare a store with itself, have aims.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    /// At most so much.
    Most(f64),
    /// At least so much.
    Least(f64),
    /// So many times better than the best peer.
    Ratio(f64),
}

/// Language, row, index kind, what is aimed at.
const AIMS: &[(&str, &str, &str, Bound)] = &[
    ("python", "put, no sync", "btree", Bound::Most(700.0)),
    ("python", "put, no sync", "hash", Bound::Most(700.0)),
    ("python", "get", "btree", Bound::Most(500.0)),
    ("python", "get", "hash", Bound::Most(500.0)),
    ("python", "get, 1000 keys a call", "btree", Bound::Most(350.0)),
    ("python", "get, 1000 keys a call", "hash", Bound::Most(350.0)),
    ("python", "get, 4 threads against one", "btree", Bound::Least(1.0)),
    ("python", "get, 4 threads against one", "hash", Bound::Least(1.0)),
    ("python", "range of 10", "btree", Bound::Most(2000.0)),
    ("python", "iteration, compacted", "btree", Bound::Least(8e6)),
    ("python", "open, clean, to the first get", "btree", Bound::Most(1e6)),
    ("python", "open, clean, to the first get", "hash", Bound::Most(1e6)),
    ("go", "put, no sync", "btree", Bound::Most(600.0)),
    ("go", "put, no sync", "hash", Bound::Most(600.0)),
    ("go", "get", "hash", Bound::Most(500.0)),
    ("go", "get, 4 goroutines", "btree", Bound::Ratio(2.0)),
    ("go", "get, 4 goroutines", "hash", Bound::Ratio(2.0)),
    ("go", "range of 10", "btree", Bound::Most(1200.0)),
    ("go", "iteration, compacted", "btree", Bound::Least(25e6)),
    ("go", "open, clean, to the first get", "btree", Bound::Most(1e6)),
    ("go", "open, clean, to the first get", "hash", Bound::Most(1e6)),
];

impl Language {
    /// The language with this id.
    #[must_use]
    pub fn of(id: &str) -> Option<Language> {
        LANGUAGES.into_iter().find(|language| language.id == id)
    }

    /// Measures it, prints the table and keeps the results.
    ///
    /// # Errors
    /// If its program was not built or fails, or answers of its stores differ.
    pub fn compare(self, args: &Args, mut progress: impl FnMut(&str)) -> Result<Comparison> {
        let mut program = self.program(args)?;
        let Offer { runtime, subjects } = offered(&program)?;
        program.push("one".into());
        let mut left_out = Vec::new();
        let mut there = Vec::new();
        for Offered { mut subject, missing } in subjects.into_iter().filter(|offered| args.wants(&offered.subject.id)) {
            match missing {
                Some(why) => left_out.push(format!("{} ({why})", subject.name)),
                None => {
                    if subject.ours {
                        subject.version = machine::version("bitcask");
                    }
                    there.push(subject);
                }
            }
        }
        for peer in &left_out {
            progress(&format!("left out: {peer}"));
        }
        let plan = Plan {
            name: self.id,
            before: Some(format!("bench/languages/build.sh {}", self.id)),
            bin: "bench",
            what: self.id,
            one: program,
            keys: args.keys.unwrap_or(1_000_000),
            runtime: Some(runtime),
            subjects: there,
            left_out,
        };
        run::compare(args, plan, ratios::fill, progress)
    }

    /// How its program is started.
    fn program(self, args: &Args) -> Result<Vec<OsString>> {
        let built = args.languages.join(self.id);
        let program: Vec<PathBuf> = match self.id {
            "python" => {
                let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("languages/python/main.py");
                vec![built.join("bin/python"), source]
            }
            _ => vec![built.join("languages")],
        };
        match program.iter().find(|path| !path.exists()) {
            Some(path) => {
                let (path, id) = (path.display(), self.id);
                Err(format!("{path} is not there; bench/languages/build.sh {id} builds it").into())
            }
            None => Ok(program.into_iter().map(PathBuf::into_os_string).collect()),
        }
    }

    /// What is aimed at with one of ours in a row, against the best peer: an absolute aim is turned into the ratio that meets it.
    #[must_use]
    pub fn aim(self, comparison: &Comparison, row: &Row, id: &str) -> Option<f64> {
        match self.bound(&row.row, id)? {
            Bound::Ratio(ratio) => Some(ratio),
            _ if row.unit == Unit::Times => None,
            Bound::Most(value) | Bound::Least(value) => {
                let (_, peer) = row.best(|id| comparison.subject(id).is_some_and(|subject| !subject.ours))?;
                Some(row.ratio(value, peer))
            }
        }
    }

    /// What is aimed at, for people, with what was measured, and whether that meets it.
    pub(crate) fn verdicts(self, comparison: &Comparison) -> Vec<Verdict<'_>> {
        let of_row = |row| {
            let ours = comparison.subjects.iter().filter(|subject| subject.ours);
            ours.filter_map(move |subject| {
                let value = row_value(row, &subject.id)?;
                let (measured, aim, most, ratio) = match self.bound(&row.row, &subject.id)? {
                    Bound::Most(aim) => (value, aim, true, false),
                    Bound::Least(aim) => (value, aim, false, false),
                    Bound::Ratio(aim) => (ratios::of(comparison, row, &subject.id)?, aim, false, true),
                };
                let met = if most { measured <= aim } else { measured >= aim };
                Some(Verdict { row, subject, measured, aim, most, ratio, met })
            })
        };
        comparison.rows.iter().flat_map(of_row).collect()
    }

    fn bound(self, row: &str, id: &str) -> Option<Bound> {
        let kind = id.split_once(':')?.1;
        let aim = AIMS.iter().find(|(language, name, of, _)| (*language, *name, *of) == (self.id, row, kind))?;
        Some(aim.3)
    }
}

fn row_value(row: &Row, id: &str) -> Option<f64> {
    row.cells.get(id)?.median
}

/// An aim beside what was measured.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    pub(crate) row: &'a Row,
    pub(crate) subject: &'a Subject,
    pub(crate) measured: f64,
    pub(crate) aim: f64,
    /// At most, and not at least.
    pub(crate) most: bool,
    /// Both are ratios to the best peer, and not of the row's unit.
    pub(crate) ratio: bool,
    pub(crate) met: bool,
}

/// What a language's program says that it can measure.
#[derive(Debug, Deserialize)]
struct Offer {
    runtime: String,
    subjects: Vec<Offered>,
}

#[derive(Debug, Deserialize)]
struct Offered {
    #[serde(flatten)]
    subject: Subject,
    /// Why it can't be measured.
    #[serde(default)]
    missing: Option<String>,
}

fn offered(program: &[OsString]) -> Result<Offer> {
    let (first, rest) = program.split_first().ok_or("no program")?;
    let output = Command::new(first).args(rest).arg("subjects").stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{} subjects failed ({})", first.display(), output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[cfg(test)]
mod tests;
