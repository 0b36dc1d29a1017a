//! Readers in other processes, whose files go.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitcask::vfs::fault::FaultVfs;
use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Error, MergeOptions};

use super::common::{KINDS, Map, dump, open, quiet};
use super::{all, fill};

/// A reader beside, in another process, sees all keys while the files under it are merged away, and when it opens in the midst of that.
#[test]
fn readers_in_other_processes_miss_nothing() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk.clone(), &quiet()).expect("it opens");
    fill(&db, &mut state, 1, 500);
    let reading = quiet().read_only(true);
    let reader = open(disk.other_process(), &reading).expect("it opens beside");
    let (other, expected) = (disk.other_process(), state.clone());
    let looking = reading.clone();
    db.merge(&all().progress(move |_| {
        let beside = open(other.clone(), &looking).expect("it opens beside a merge");
        assert!(dump(&beside).expect("it reads") == expected, "in the midst of a merge");
        ControlFlow::Continue(())
    }))
    .expect("it merges");
    assert!(dump(&reader).expect("it reads") == state, "the files that it has open are gone");
    assert!(matches!(reader.merge(&all()), Err(Error::ReadOnly)));
    assert!(dump(&open(disk.other_process(), &reading).expect("it opens")).expect("it reads") == state);
    // The list changes under a reader that has just read it.
    for n in 0..60 {
        let vfs = FaultVfs::over_sim(&disk.other_process());
        let (merging, stop) = (db.clone(), Arc::new(AtomicBool::new(false)));
        fill(&db, &mut state, n, 20);
        let stopped = Arc::clone(&stop);
        let merges = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                merging.merge(&all()).expect("it merges");
            }
        });
        let reader = open(vfs, &reading).expect("it opens beside merges");
        stop.store(true, Ordering::Relaxed);
        assert!(dump(&reader).expect("it reads") == state, "round {n}");
        merges.join().expect("no panic");
    }
}

/// Behind a merge a reader in another process goes on reading what is new, and does not read all anew each time.
#[test]
fn readers_go_on_behind_a_merge() {
    for kind in KINDS {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let options = quiet().index(kind).max_file_size(20_000);
        let db = open(disk.clone(), &options).expect("it opens");
        fill(&db, &mut state, 1, 300);
        let reader = open(disk.other_process(), &options.clone().read_only(true)).expect("it opens beside");
        let report = db.merge(&all()).expect("it merges");
        assert!(!report.created_files.is_empty());
        assert!(reader.refresh().expect("it refreshes").reloaded, "{kind:?}: the files are others");
        for n in 0..20 {
            fill(&db, &mut state, 10 + n, 5);
            let refreshed = reader.refresh().expect("it refreshes");
            assert!(!refreshed.reloaded && refreshed.is_changed(), "{kind:?}, {n}: {refreshed:?}");
            assert!(dump(&reader).expect("it reads") == state, "{kind:?}, {n}");
            assert_eq!(reader.last_seq().expect("a number"), db.last_seq().expect("a number"));
        }
    }
}

/// The last commit may be a delete that a merge has dropped: readers know its number all the same, and nobody waits for it in vain.
#[test]
fn readers_know_the_number_of_a_commit_that_was_merged_away() {
    for kind in KINDS {
        let disk = SimVfs::new(3);
        let options = quiet().index(kind);
        let db = open(disk.clone(), &options).expect("it opens");
        let reader = open(disk.other_process(), &options.clone().read_only(true)).expect("it opens beside");
        db.put(b"k", b"v").expect("it writes");
        db.delete(b"k").expect("it writes");
        db.merge(&all()).expect("it merges");
        let last = db.last_seq().expect("a number");
        assert_eq!(reader.refresh().expect("it refreshes").last_seq, last, "{kind:?}");
        let opened = open(disk.other_process(), &options.clone().read_only(true)).expect("it opens beside");
        assert_eq!(opened.last_seq().expect("a number"), last, "{kind:?}");
        db.put(b"k", b"w").expect("it writes");
        for reader in [reader, opened] {
            let refreshed = reader.refresh().expect("it refreshes");
            assert_eq!(refreshed.last_seq, db.last_seq().expect("a number"), "{kind:?}");
            assert_eq!(reader.get(b"k").expect("it reads").as_deref(), Some(&b"w"[..]));
        }
    }
}

/// A log file that came and was merged away since a reader last looked: what is behind it may not be shown without it.
#[test]
fn readers_pass_over_no_commit_of_a_file_that_is_gone() {
    let disk = SimVfs::new(3);
    let db = open(disk.clone(), &quiet()).expect("it opens");
    db.put(b"a", b"0").expect("it writes");
    let reading = quiet().read_only(true);
    let vfs = FaultVfs::over_sim(&disk.other_process());
    let reader = open(vfs.clone(), &reading).expect("it opens beside");
    let active = |db: &Db| {
        let files = db.file_stats().expect("figures");
        files.iter().find(|file| file.is_active).expect("one is written to").id
    };
    let next_file = |db: &Db| {
        let before = active(db);
        for n in 0.. {
            db.put(b"filler", &[n; 1000]).expect("it writes");
            if active(db) != before {
                return;
            }
        }
    };
    next_file(&db);
    let gone = active(&db);
    db.put(b"a", b"1").expect("it writes");
    next_file(&db);
    // Together with the next write it is all dead, and nothing of it is left.
    db.put(b"b", b"2").expect("it writes");
    db.put(b"filler", &vec![1; 3000]).expect("it writes");
    db.put(b"a", b"3").expect("it writes");
    let report = db.merge(&MergeOptions::new().files(&[gone])).expect("it merges");
    assert_eq!((report.removed_files, report.created_files), (vec![gone], vec![]));
    let refreshed = reader.refresh().expect("it refreshes");
    assert!(refreshed.reloaded, "it went over commits that it did not read: {refreshed:?}");
    assert_eq!(dump(&reader).expect("it reads"), dump(&db).expect("it reads"));
}
