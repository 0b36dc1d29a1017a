//! The indexes alone, without a log, beside maps that programs use: three sets of keys, one thread.
//!
//! Times are this thread's processor time, which on a quiet machine is the time that passes and on a busy one suffers less.
//! Bytes are what a counting allocator saw a structure take and not give back: keys, nodes, 8 bytes of location each.
//! Instructions and cache misses come from the processor's counters, where the kernel lets a program read them.

mod counters;
mod keys;
mod maps;

use std::hint::black_box;

use crate::Result;
use crate::results::{Comparison, Sample, Subject, Unit};
use counters::Counters;
pub use keys::SETS;
use keys::{Keys, Set};
use maps::{Map, STRUCTURES, Structure};

/// The median of so many passes counts for gets and scans.
const PASSES: usize = 3;

/// What is aimed at: structure, row without the set, set, at most.
pub const AIMS: &[(&str, &str, Option<&str>, f64)] = &[
    ("bitcask:btree", "insert", Some("random 24 B"), 900.0),
    ("bitcask:btree", "get", Some("random 24 B"), 600.0),
    ("bitcask:hash", "insert", Some("random 24 B"), 250.0),
    ("bitcask:hash", "get", Some("random 24 B"), 150.0),
    ("bitcask:art", "insert", Some("random 24 B"), 700.0),
    ("bitcask:art", "get", Some("random 24 B"), 350.0),
    ("bitcask:btree", "bytes a key", None, 45.0),
    ("bitcask:hash", "bytes a key", None, 24.0),
    ("bitcask:art", "bytes a key", Some("random 24 B"), 70.0),
    ("bitcask:skiplist", "bytes a key", None, 80.0),
];

/// The structures that are asked for.
#[must_use]
pub fn subjects(wants: impl Fn(&str) -> bool) -> Vec<Subject> {
    let subject = |structure: &Structure| Subject {
        id: structure.id.into(),
        name: structure.name.into(),
        ours: structure.ours,
        ordered: structure.ordered,
        version: structure.package.map_or_else(|| "of the compiler".into(), crate::machine::version),
    };
    STRUCTURES.iter().filter(|structure| wants(structure.id)).map(subject).collect()
}

/// Measures one structure with all sets of keys. `live` tells the bytes that are allocated.
pub fn measure(id: &str, count: u64, live: fn() -> usize) -> Result<Vec<Sample>> {
    let structure = STRUCTURES.iter().find(|structure| structure.id == id);
    let structure = structure.ok_or_else(|| format!("no structure is called {id}"))?;
    let mut samples = Vec::new();
    for set in &SETS {
        let keys = Keys::new(set, count);
        let before = live();
        let (map, insert) = (structure.build)(&keys)?;
        let bytes = live().saturating_sub(before);
        queries(&*map, set, &keys, &mut samples, insert, bytes)?;
    }
    Ok(samples)
}

fn queries(map: &dyn Map, set: &Set, keys: &Keys, samples: &mut Vec<Sample>, insert: f64, bytes: usize) -> Result<()> {
    let count = keys.len() as f64;
    let mut push = |row: &str, unit, value: Option<f64>, check, note: Option<&str>| {
        samples.push(Sample { row: row_name(row, set.name), unit, value, check, note: note.map(str::to_owned) });
    };
    push("insert", Unit::Nanos, Some(insert / count), 0, None);

    let mut counters = Counters::new();
    let (nanos, sum) = passes(|| {
        counters.start();
        let sum = map.get_all(keys);
        counters.stop();
        sum
    });
    if sum != keys.sum() {
        return Err(format!("{}: a get gave another location than was inserted", set.name).into());
    }
    push("get", Unit::Nanos, Some(nanos / count), sum | 1, None);
    push("bytes a key", Unit::Bytes, Some(bytes as f64 / count), 0, None);

    let (nanos, scanned) = passes(|| map.scan().unwrap_or_default());
    if scanned == 0 {
        push("scan", Unit::Nanos, None, 0, Some("keeps no order"));
    } else if scanned == keys.sum() {
        push("scan", Unit::Nanos, Some(nanos / count), scanned | 1, None);
    } else {
        return Err(format!("{}: a scan gave other locations than were inserted", set.name).into());
    }
    if let Some((instructions, misses)) = counters.read() {
        let gets = count * PASSES as f64;
        push("instructions a get", Unit::Count, Some(instructions / gets), 0, None);
        push("cache misses a get", Unit::Count, Some(misses / gets), 0, None);
    }
    Ok(())
}

/// The median time of some passes, and what the last one gave.
fn passes(mut pass: impl FnMut() -> u64) -> (f64, u64) {
    let mut result = 0;
    let nanos: Vec<f64> = (0..PASSES).map(|_| counters::cpu_nanos(|| result = black_box(pass()))).collect();
    (crate::results::median(&nanos).unwrap_or(f64::NAN), result)
}

/// Name of a row for a set of keys.
#[must_use]
pub fn row_name(row: &str, set: &str) -> String {
    format!("{set}: {row}")
}

/// What is aimed at in a row with one of ours.
#[must_use]
pub fn aim(row: &str, id: &str) -> Option<f64> {
    let (set, row) = row.split_once(": ")?;
    let fits = |aim: &&(&str, &str, Option<&str>, f64)| aim.0 == id && aim.1 == row && aim.2.is_none_or(|s| s == set);
    AIMS.iter().find(fits).map(|aim| aim.3)
}

/// Ours against the best other map, by row and kind.
pub fn ratios(comparison: &mut Comparison) {
    let mut ratios = Vec::new();
    for row in &comparison.rows {
        for subject in comparison.subjects.iter().filter(|subject| subject.ours) {
            if let Some(ratio) = crate::ratios::of(comparison, row, &subject.id) {
                let name = format!("{} {}", row.row, subject.id.trim_start_matches("bitcask:"));
                let name: String =
                    name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
                ratios.push((format!("index_{}", name.replace("__", "_")), ratio));
            }
        }
    }
    comparison.ratios.extend(ratios);
}
