//! All stores give the same answers in all phases: a run of a few pairs on each, whose checks must be equal.

use std::path::PathBuf;

use bitcask_bench::engine::{self, ENGINES};
use bitcask_bench::phases::{Scale, Workload};
use bitcask_bench::results::{self, Sample};
use bitcask_bench::ycsb::Workloads;

fn fresh(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("bitcask-bench-{}-{}", std::process::id(), name.replace(':', "-")));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn agree(name: &str, run: impl Fn(&str, &PathBuf) -> Vec<Sample>) -> Vec<results::Row> {
    let samples = ENGINES.iter().map(|engine| {
        let dir = fresh(&format!("{name}-{}", engine.id));
        let samples = run(engine.id, &dir);
        std::fs::remove_dir_all(dir).unwrap();
        (engine.id.to_owned(), samples)
    });
    results::rows(&samples.collect::<Vec<_>>()).unwrap()
}

#[test]
fn all_stores_do_the_same_in_all_phases() {
    let rows = agree("phases", |id, dir| engine::with(id, Workload { scale: Scale::of(2000), dir }).unwrap());
    for row in &rows {
        for engine in ENGINES {
            let cell = row.cells.get(engine.id).unwrap_or_else(|| panic!("{}: no row {}", engine.id, row.row));
            assert!(cell.median.is_some_and(|m| m > 0.0) || cell.note.is_some(), "{}: {}", engine.id, row.row);
        }
    }
    assert!(rows.len() > 20);
}

#[test]
fn all_stores_do_the_same_in_ycsb() {
    let rows = agree("ycsb", |id, dir| engine::with(id, Workloads { records: 2000, dir }).unwrap());
    assert_eq!(rows.iter().filter(|row| row.unit.more_is_better()).count(), 6);
}
