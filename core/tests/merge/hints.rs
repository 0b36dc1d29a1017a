//! Hints of merged files, and those of files that are gone.

use std::path::Path;
use std::time::Duration;

use bitcask::vfs::sim::SimVfs;
use bitcask::vfs::{EntryKind, Vfs};

use super::common::threads::{Slow, ThreadsVfs};
use super::common::{DIR, KINDS, Map, at, open, quiet, remove_hints};
use super::{all, check, fill};

/// Hints of merged files that are lost are written again, by the next opening that writes.
#[test]
fn lost_hints_of_merged_files_are_made_again() {
    for kind in KINDS {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let options = quiet().index(kind);
        let db = open(disk.clone(), &options).expect("it opens");
        fill(&db, &mut state, 1, 600);
        let made = db.merge(&all()).expect("it merges").created_files;
        fill(&db, &mut state, 2, 50);
        db.close().expect("it closes");
        let hints: Vec<_> = made.iter().map(|id| at(&format!("{}.hint", id.0))).collect();
        assert!(hints.len() > 1);
        let before: Vec<_> = hints.iter().map(|path| disk.bytes(path).expect("a hint")).collect();
        remove_hints(&disk);
        disk.uproot(&at("index.bptree"));
        let reader = open(disk.other_process(), &options.clone().read_only(true)).expect("it opens");
        check(&reader, &state, "to be read");
        assert!(hints.iter().all(|path| disk.bytes(path).is_err()), "{kind:?}: a reader writes nothing");
        let db = open(disk.clone(), &options).expect("it opens");
        check(&db, &state, "without hints");
        db.close().expect("it closes");
        let after: Vec<_> = hints.iter().map(|path| disk.bytes(path).expect("a hint")).collect();
        assert!(before == after, "{kind:?}: other hints than the merge wrote");
        disk.uproot(&at("index.bptree"));
        let db = open(disk, &options).expect("it opens");
        assert!(db.open_report().scanned_records == 0, "{kind:?}: {:?}", db.open_report());
        check(&db, &state, "with hints that were made again");
    }
}

/// A hint whose data file is gone is of no use to anybody, and goes.
#[test]
fn hints_without_their_files_are_removed() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk.clone(), &quiet()).expect("it opens");
    fill(&db, &mut state, 1, 300);
    let hint = disk.bytes(&at("1.hint")).expect("a hint");
    db.merge(&all()).expect("it merges");
    db.close().expect("it closes");
    assert!(disk.bytes(&at("1.hint")).is_err() && disk.bytes(&at("1.data")).is_err());
    disk.plant(&at("1.hint"), &hint);
    disk.plant(&at("900.hint"), b"of a file that came to nothing");
    disk.plant_kind(&at("901.hint"), EntryKind::Directory);
    let reader = open(disk.other_process(), &quiet().read_only(true)).expect("it opens");
    check(&reader, &state, "to be read");
    assert!(disk.bytes(&at("1.hint")).is_ok(), "who reads removes nothing");
    let db = open(disk.clone(), &quiet()).expect("it opens");
    assert!(disk.bytes(&at("1.hint")).is_err() && disk.bytes(&at("900.hint")).is_err());
    assert!(disk.tree().iter().any(|(path, _)| *path == at("901.hint")), "what is no file is none of ours");
    fill(&db, &mut state, 2, 300);
    check(&db, &state, "behind them");
    let last = db.file_stats().expect("figures").iter().map(|file| file.id.0).max();
    assert!(last > Some(901), "no number is used that a name had when the store was opened");
}

/// A thread of the store's finishes the hints of files that are sealed, and is late: none comes behind its file, which a merge has removed by then.
#[test]
fn no_hint_comes_behind_its_file() {
    let sim = SimVfs::new(5);
    let slow = ThreadsVfs::over(sim.clone(), Slow(".hint.tmp", Duration::from_millis(30)));
    let db = open(slow, &quiet()).expect("a new store opens");
    let mut state = Map::new();
    fill(&db, &mut state, 5, 200);
    let report = db.merge(&all()).expect("it merges");
    assert!(report.removed_files.len() > 3, "{report:?}");
    check(&db, &state, "merged");
    db.close().expect("close");
    let names: Vec<_> = sim.list(Path::new(DIR)).expect("list").into_iter().filter_map(|entry| entry.name).collect();
    for id in report.removed_files {
        let own = format!("{}.", id.0);
        assert!(!names.iter().any(|name| name.starts_with(&own)), "something of file {id} is left: {names:?}");
    }
    assert!(!names.iter().any(|name| name.ends_with(".tmp")), "{names:?}");
    sim.uproot(&at("index.checkpoint"));
    let db = open(sim, &quiet()).expect("it opens again");
    assert!(db.open_report().files_from_hint >= 1, "{:?}", db.open_report());
    check(&db, &state, "opened again");
}
