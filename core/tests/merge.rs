//! Merges, of any files in any order: no key is lost and none comes back (P3).
//!
//! `BITCASK_MERGE_SCHEDULES=n` sets the number of random schedules, `BITCASK_MERGE_SEED=n` the first of them; a failure names its seed.

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bitcask::vfs::EntryKind;
use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Error, FileId, IndexKind, IterOptions, MergeOptions, MergePolicy, OnDamage, Options};

use common::damage::{data_files, records};
use common::history::merge_options;
use common::{
    Counter, IO_KINDS, KINDS, Map, Rng, at, check_accounts, dump, factor, index, number_from_env, open, parallel,
    quiet, remove_hints, report,
};

fn all() -> MergeOptions {
    MergeOptions::new().everything(true)
}

fn key(n: usize) -> Vec<u8> {
    format!("key{n:04}").into_bytes()
}

fn put(db: &Db, state: &mut Map, key: Vec<u8>, value: Vec<u8>) {
    db.put(&key, &value).expect("it writes");
    state.insert(key, value);
}

/// Writes over and over, with deletes, into many files.
fn fill(db: &Db, state: &mut Map, seed: u64, writes: usize) {
    let mut rng = Rng(seed);
    for n in 0..writes {
        let key = key(rng.below(100));
        if rng.below(4) == 0 {
            assert_eq!(db.delete(&key).expect("it writes"), state.remove(&key).is_some());
        } else {
            put(db, state, key, format!("{seed}.{n}").repeat(1 + rng.below(30)).into_bytes());
        }
    }
}

fn check(db: &Db, state: &Map, what: &str) {
    let found = dump(db).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(found == *state, "{what}: other contents");
    for n in 0..100 {
        let got = db.get(&key(n)).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(got.as_deref(), state.get(&key(n)).map(Vec::as_slice), "{what}: key {n}");
    }
    check_accounts(db);
}

/// Bytes of all data files and hints.
fn space(disk: &SimVfs) -> usize {
    let ours = |path: &std::path::Path| path.extension().is_some_and(|e| e == "data" || e == "hint" || e == "tmp");
    disk.files().iter().filter(|(path, _)| ours(path)).map(|(_, bytes)| bytes.len()).sum()
}

/// Under every kind of index and I/O: what is dead goes, at once, and nothing else.
#[test]
fn what_is_dead_is_given_back() {
    for (kind, io) in KINDS.into_iter().flat_map(|kind| IO_KINDS.map(|io| (kind, io))) {
        let what = format!("{kind:?}, {io:?}");
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let options = quiet().index(kind).io(io);
        let db = open(disk.clone(), &options).expect("it opens");
        fill(&db, &mut state, 1, 1500);
        let before = space(&disk);
        let report = db.merge(&all()).expect("it merges");
        check(&db, &state, &what);
        let live: usize = state.iter().map(|(key, value)| 31 + key.len() + value.len()).sum();
        assert_eq!(common::dead(&db), (0, 0), "{what}");
        assert!(space(&disk) < live * 5 / 4 + 2000 && before > live * 5, "{what}: {} for {live}", space(&disk));
        assert_eq!(report.installed_records, state.len() as u64, "{what}: {report:?}");
        assert!(report.skipped_files.is_empty() && report.dropped_tombstones > 100, "{what}: {report:?}");
        assert!(report.created_bytes * 4 < report.removed_bytes, "{what}: {report:?}");
        fill(&db, &mut state, 2, 300);
        check(&db, &state, &what);
        db.close().expect("it closes");
        for n in 0..10 {
            let copy = disk.copy();
            if n % 2 == 1 {
                remove_hints(&copy);
            }
            let db = open(copy, &options.clone().index(index(n))).expect("it opens again");
            assert!(db.open_report().damage.is_empty() && db.open_report().unusable_hints.is_empty(), "{what}");
            check(&db, &state, &what);
            // The numbers go on where they were.
            db.put(b"x", b"y").expect("it writes");
        }
        let db = open(disk.clone(), &options).expect("it opens again");
        let used = db.open_report().index_from.is_some();
        assert!(used || !matches!(kind, IndexKind::BPTree), "{what}: {:?}", db.open_report());
        drop(db);
        // Delete everything, and nothing is left but an empty log.
        let db = open(disk.clone(), &options).expect("it opens again");
        for key in state.keys() {
            db.delete(key).expect("it writes");
        }
        db.merge(&all()).expect("it merges");
        assert_eq!((db.len().expect("len"), db.file_stats().expect("figures").len()), (0, 1), "{what}");
        assert!(db.merge(&all()).expect("it merges").removed_files.is_empty(), "{what}");
    }
}

/// Copies are in the order of the keys where the index has one.
#[test]
fn copies_are_in_the_order_of_the_keys() {
    for kind in KINDS.into_iter().filter(|&kind| kind != IndexKind::Hash) {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let db = open(disk.clone(), &quiet().index(kind)).expect("it opens");
        fill(&db, &mut state, 1, 800);
        db.merge(&all()).expect("it merges");
        let copied: Vec<_> = data_files(&disk).iter().flat_map(|(_, bytes)| records(bytes)).map(|r| r.key).collect();
        let copied: Vec<_> = copied.into_iter().filter(|key| !key.is_empty()).collect();
        assert!(copied.iter().eq(state.keys()), "{kind:?}");
        // And where few of the keys are in the sources, which are read then.
        for n in 0..1000 {
            put(&db, &mut state, format!("other{n}").into_bytes(), Vec::new());
        }
        db.merge(&all()).expect("it merges");
        for n in 0..30 {
            put(&db, &mut state, key(n * 37 % 100), vec![7; 100]);
        }
        let stats = db.file_stats().expect("figures");
        let source = stats.iter().filter(|file| !file.is_merged).max_by_key(|file| file.live_records).expect("a file");
        assert!((10..100).contains(&source.live_records), "{stats:?}");
        let made = db.merge(&MergeOptions::new().files(&[source.id])).expect("it merges").created_files;
        let path = at(&format!("{}.data", made[0].0));
        let copied: Vec<_> = records(&disk.bytes(&path).expect("the output")).into_iter().map(|r| r.key).collect();
        assert!(copied[..copied.len() - 1].is_sorted() && copied.len() as u64 == source.live_records + 1, "{kind:?}");
        check(&db, &state, "a small merge");
    }
}

/// What a schedule does with a store whose every write is on stable storage.
struct Schedule {
    rng: Rng,
    disk: SimVfs,
    db: Db,
    state: Map,
    writes: usize,
    log: Vec<String>,
}

impl Schedule {
    fn options(&mut self) -> Options {
        let io = IO_KINDS[self.rng.below(2)];
        // With the index saved all the time, or as a rule, or at the end alone.
        let checkpoint = [0, 1, 3000][self.rng.below(3)];
        quiet().index(index(self.rng.below(5))).io(io).checkpoint_bytes(checkpoint)
    }

    fn write(&mut self) {
        self.writes += 1;
        // Few keys, and in many files: what may come back is everywhere.
        let key = key(self.rng.below(8));
        match self.rng.below(10) {
            0..=3 => {
                self.db.delete(&key).expect("it writes");
                self.state.remove(&key);
            }
            4 => {
                let mut batch = self.db.batch();
                for n in 0..2 + self.rng.below(3) {
                    let key = format!("key{n:04}").into_bytes();
                    if self.rng.below(2) == 0 {
                        let value = vec![self.writes as u8; 900 + n];
                        batch.put(&key, &value).expect("it takes it");
                        self.state.insert(key, value);
                    } else {
                        batch.delete(&key).expect("it takes it");
                        self.state.remove(&key);
                    }
                }
                batch.commit().expect("it writes");
            }
            _ => {
                let value = format!("{} ", self.writes).repeat(1 + self.rng.below(250)).into_bytes();
                self.db.put(&key, &value).expect("it writes");
                self.state.insert(key, value);
            }
        }
    }

    fn choice(&mut self, disk: &SimVfs, at: usize) -> CrashChoice {
        match self.rng.below(6) {
            0 => CrashChoice::LoseUnsynced,
            1 => CrashChoice::KeepAll,
            2 => CrashChoice::DropOne(self.rng.below(disk.unsynced_ops(at))),
            3 => CrashChoice::Pages { seed: self.rng.next(), unit: 512 },
            _ => CrashChoice::Entries(self.rng.next()),
        }
    }

    fn step(&mut self) {
        let what = self.rng.below(100);
        match what {
            0..=59 => self.write(),
            60..=84 => {
                let set = if self.rng.below(5) == 0 { u64::MAX } else { self.rng.next() };
                self.db.sync().expect("it syncs");
                let before = self.disk.op_count();
                let options = merge_options(&self.db, set).expect("figures");
                let report = self.db.merge(&options).expect("it merges");
                self.log.push(format!("merged {:?} to {:?}", report.removed_files, report.created_files));
                if self.rng.below(3) == 0 {
                    let at = before + self.rng.below(self.disk.op_count() - before + 1);
                    let choice = self.choice(&self.disk.clone(), at);
                    self.log.push(format!("cut at {at} of {before}..{}: {choice:?}", self.disk.op_count()));
                    let disk = self.disk.crash(at, &choice);
                    self.reopen(disk);
                }
            }
            85..=88 => {
                self.log.push("killed".into());
                let disk = self.disk.kill();
                self.reopen(disk);
            }
            89..=92 => {
                self.db.sync().expect("it syncs");
                let at = self.disk.op_count();
                let choice = self.choice(&self.disk.clone(), at);
                self.log.push(format!("power cut: {choice:?}"));
                let disk = self.disk.crash(at, &choice);
                self.reopen(disk);
            }
            _ => {
                self.db.close().expect("it closes");
                self.log.push("closed".into());
                let disk = self.disk.copy();
                self.reopen(disk);
            }
        }
    }

    fn reopen(&mut self, disk: SimVfs) {
        if self.rng.below(2) == 0 {
            for (path, _) in disk.files() {
                if path.extension().is_some_and(|e| e == "hint") && self.rng.below(2) == 0 {
                    disk.uproot(&path);
                }
            }
        }
        let options = self.options();
        self.db = open(disk.clone(), &options).expect("it opens again");
        self.disk = disk;
        assert!(self.db.open_report().damage.is_empty(), "{:?}", self.db.open_report());
        assert_eq!(dump(&self.db).expect("it reads"), self.state, "after a reopen");
        check_accounts(&self.db);
    }
}

#[test]
fn random_schedules_lose_no_key_and_bring_none_back() {
    let schedules = number_from_env("BITCASK_MERGE_SCHEDULES").unwrap_or(2000 * factor());
    let first = number_from_env("BITCASK_MERGE_SEED").unwrap_or(0);
    let (since, steps) = (Instant::now(), Counter::default());
    parallel(schedules, |n| {
        let seed = first + n;
        let outcome = std::panic::catch_unwind(|| {
            let disk = SimVfs::new(seed as u64);
            let mut rng = Rng(seed as u64);
            let options = quiet().index(index(rng.below(5)));
            let db = open(disk.clone(), &options).expect("it opens");
            let (state, log) = (Map::new(), Vec::new());
            let mut schedule = Schedule { rng, disk, db, state, writes: 0, log };
            for _ in 0..60 {
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| schedule.step()));
                if let Err(panic) = outcome {
                    report("merge", format!("seed {seed}: {:#?}", schedule.log), since);
                    std::panic::resume_unwind(panic);
                }
            }
            let disk = schedule.disk.kill();
            schedule.reopen(disk);
            steps.add(61);
        });
        assert!(outcome.is_ok(), "BITCASK_MERGE_SEED={seed} BITCASK_MERGE_SCHEDULES=1");
    });
    report("merge", format!("{schedules} schedules, {} steps", steps.get()), since);
}

/// Snapshots, iterators and lent values show what they showed, through merges of all that they name; what they need is readable as long as they
/// live, and gone after.
#[test]
fn snapshots_iterators_and_values_outlive_a_merge() {
    for (kind, io) in KINDS.into_iter().flat_map(|kind| IO_KINDS.map(|io| (kind, io))) {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let db = open(disk.clone(), &quiet().index(kind).io(io)).expect("it opens");
        fill(&db, &mut state, 1, 700);
        let old = state.clone();
        let snapshot = db.snapshot().expect("a snapshot");
        let mut iter = db.iter(&IterOptions::new()).expect("an iterator");
        let mut seen: Vec<_> = iter.by_ref().take(5).map(|record| record.expect("a record")).collect();
        let lent: Vec<_> = (0..100).map(|n| db.get(&key(n)).expect("it reads")).collect();
        for round in 0..4 {
            fill(&db, &mut state, 10 + round, 300);
            db.merge(&all()).expect("it merges");
            check(&db, &state, "beside a snapshot");
            let found: Map = snapshot
                .iter(&IterOptions::new())
                .expect("an iterator")
                .map(|record| record.map(|(key, value)| (key, value.into_vec())).expect("a record"))
                .collect();
            assert!(found == old, "{kind:?} {io:?}: round {round}");
            assert!(old.iter().all(|(key, value)| snapshot.get(key).expect("it reads").as_deref() == Some(&value[..])));
            seen.extend(iter.by_ref().take(5).map(|record| record.expect("a record")));
        }
        seen.extend(iter.map(|record| record.expect("a record")));
        assert!(seen.iter().map(|(key, value)| (&key[..], &value[..])).eq(old.iter().map(|(k, v)| (&k[..], &v[..]))));
        drop(snapshot);
        for (n, value) in lent.iter().enumerate() {
            assert_eq!(value.as_deref(), old.get(&key(n)).map(Vec::as_slice), "{kind:?} {io:?}: lent {n}");
        }
        check(&db, &state, "after it");
    }
}

/// Writers, deleters and readers of all sorts beside merges without end: each key has one writer, who knows what is there.
#[test]
fn everything_goes_on_beside_merges() {
    let since = Instant::now();
    for kind in KINDS {
        let disk = SimVfs::new(8);
        let db = open(disk.clone(), &quiet().index(kind).max_file_size(20_000)).expect("it opens");
        let (over, merges, reads) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicU64::new(0));
        let states: Vec<Map> = std::thread::scope(|scope| {
            let (db, over, merges, reads) = (&db, &over, &merges, &reads);
            let writers: Vec<_> = (0..3)
                .map(|writer: usize| {
                    scope.spawn(move || {
                        let (mut rng, mut state) = (Rng(writer as u64), Map::new());
                        for n in (0..).take_while(|&n| n < 1500 || merges.load(Ordering::Relaxed) < 10) {
                            let key = format!("{writer}:{:03}", rng.below(60)).into_bytes();
                            if rng.below(3) == 0 {
                                assert_eq!(db.delete(&key).expect("it writes"), state.remove(&key).is_some());
                            } else {
                                let value = format!("{writer}:{n}").repeat(1 + rng.below(20)).into_bytes();
                                db.put(&key, &value).expect("it writes");
                                state.insert(key.clone(), value);
                            }
                            assert_eq!(db.get(&key).expect("it reads").as_deref(), state.get(&key).map(Vec::as_slice));
                        }
                        state
                    })
                })
                .collect();
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let set = merges.fetch_add(1, Ordering::Relaxed) as u64;
                    let options =
                        merge_options(db, if set.is_multiple_of(3) { u64::MAX } else { set * 7 }).expect("figures");
                    match db.merge(&options) {
                        Ok(_) => {}
                        Err(error) => panic!("{kind:?}: {error}"),
                    }
                }
            });
            for reader in 0..2 {
                scope.spawn(move || {
                    let mut rng = Rng(reader + 77);
                    while !over.load(Ordering::Relaxed) {
                        let keys: Vec<_> =
                            (0..20).map(|_| format!("{}:{:03}", rng.below(3), rng.below(60)).into_bytes()).collect();
                        for (key, value) in keys.iter().zip(db.multi_get(&keys).expect("it reads")) {
                            assert!(value.is_none_or(|value| value.starts_with(&key[..2])));
                        }
                        let snapshot = db.snapshot().expect("a snapshot");
                        let listed: Vec<_> = snapshot
                            .iter(&IterOptions::new())
                            .expect("an iterator")
                            .map(|r| r.expect("a record"))
                            .collect();
                        assert_eq!(listed.len() as u64, snapshot.len().expect("len"));
                        for (key, value) in listed {
                            assert_eq!(snapshot.get(&key).expect("it reads").as_deref(), Some(&value[..]));
                            assert!(value.starts_with(&key[..2]));
                        }
                        db.random_key().expect("it reads");
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let states = writers.into_iter().map(|writer| writer.join().expect("no panic")).collect();
            over.store(true, Ordering::Relaxed);
            states
        });
        let state: Map = states.into_iter().flatten().collect();
        assert!(dump(&db).expect("it reads") == state, "{kind:?}");
        check_accounts(&db);
        let killed = disk.kill();
        assert!(dump(&open(killed, &quiet()).expect("it opens again")).expect("it reads") == state, "{kind:?}");
        report(
            "merge",
            format!("{kind:?}: {} merges, {} snapshots read", merges.into_inner(), reads.into_inner()),
            since,
        );
    }
}

/// Files and space stay what they are over many merges.
#[test]
fn nothing_piles_up() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk.clone(), &quiet()).expect("it opens");
    let mut most = (0, 0);
    for round in 0..200 {
        fill(&db, &mut state, round, 60);
        db.merge(&all()).expect("it merges");
        let now = (disk.files().len(), space(&disk));
        if round < 20 {
            most = (most.0.max(now.0), most.1.max(now.1));
        }
        assert!(now.0 <= most.0 + 4 && now.1 <= most.1 * 2, "round {round}: {now:?} after {most:?}");
    }
    check(&db, &state, "after all");
}

/// Stopped by its callback, by closing, by a full disk or a failed sync of its output, a merge leaves a store that goes on, and a later merge works.
#[test]
fn a_merge_that_is_cut_short_costs_nothing() {
    let calls = {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let db = open(disk, &quiet()).expect("it opens");
        fill(&db, &mut state, 1, 500);
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let count = move |_: &_| {
            counter.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        db.merge(&all().progress(count)).expect("it merges");
        calls.load(Ordering::Relaxed)
    };
    assert!(calls > 20, "{calls}");
    for stop in 0..calls {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let db = open(disk.clone(), &quiet().index(index(stop))).expect("it opens");
        fill(&db, &mut state, 1, 500);
        let (n, closing) = (AtomicUsize::new(0), (stop % 3 == 0).then(|| db.clone()));
        let outcome = db.merge(&all().progress(move |_| {
            if n.fetch_add(1, Ordering::Relaxed) < stop {
                return ControlFlow::Continue(());
            }
            match &closing {
                // From another thread, which waits for the merge to end.
                Some(db) => {
                    let db = db.clone();
                    std::thread::spawn(move || db.close());
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(()),
            }
        }));
        let db = if stop % 3 == 0 {
            // It may have been over before it saw.
            assert!(matches!(outcome, Ok(_) | Err(Error::Closed)), "{outcome:?}");
            while !matches!(db.get(b"k"), Err(Error::Closed)) {
                std::thread::yield_now();
            }
            drop(db);
            loop {
                match open(disk.clone(), &quiet()) {
                    Err(Error::Locked { .. }) => std::thread::yield_now(),
                    outcome => break outcome.expect("it opens again"),
                }
            }
        } else {
            assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
            db
        };
        check(&db, &state, "cut short");
        assert!(disk.files().iter().all(|(path, _)| path.extension().is_none_or(|e| e != "tmp")), "left behind");
        fill(&db, &mut state, 2, 100);
        let report = db.merge(&all()).expect("a later one works");
        assert!(report.skipped_files.is_empty());
        check(&db, &state, "after a later one");
        assert_eq!(common::dead(&db).0, 0);
    }
}

/// A full disk stops a merge, not the store.
#[test]
fn a_full_disk_stops_a_merge_and_nothing_else() {
    for (n, filter) in [
        Filter::any().kinds(&[OpKind::Write]).suffix(".data.tmp"),
        Filter::any().kinds(&[OpKind::Create]).suffix(".data.tmp"),
        Filter::any().kinds(&[OpKind::SyncData]).suffix(".data.tmp"),
        Filter::any().kinds(&[OpKind::Rename]).suffix(".data.tmp"),
    ]
    .into_iter()
    .enumerate()
    {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), &quiet()).expect("it opens");
        fill(&db, &mut state, 1, 500);
        let fault = if n == 2 { Fault::SyncFailureDroppingPages } else { Fault::Error(errno::ENOSPC) };
        vfs.inject(Plan { fault, filter, nth: 1, forever: true });
        let before = space(&disk);
        let error = db.merge(&all()).expect_err("the disk is full");
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        assert!(space(&disk) < before + 4096, "{n}: outputs were left: {} of {before}", space(&disk));
        check(&db, &state, "on a full disk");
        put(&db, &mut state, b"more".to_vec(), b"v".to_vec());
        vfs.heal();
        db.merge(&all()).expect("there is room again");
        check(&db, &state, "after it");
        assert_eq!(common::dead(&db).0, 0);
        drop(db);
        check(&open(disk.kill(), &quiet()).expect("it opens again"), &state, "reopened");
    }
}

/// A file with bytes that no record accounts for stays, with all that is readable in it; so do deletes that may hide what it holds.
#[test]
fn a_damaged_file_is_kept() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk.clone(), &quiet()).expect("it opens");
    fill(&db, &mut state, 1, 500);
    let ids: Vec<FileId> = db.file_stats().expect("figures").iter().map(|file| file.id).collect();
    let path = at(&format!("{}.data", ids[2].0));
    let records = records(&disk.bytes(&path).expect("the file"));
    // While it is open: the merge finds it.
    disk.flip_bit(&path, records[1].offset + 8, 3);
    let report = db.merge(&all()).expect("it merges");
    assert_eq!(report.skipped_files.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(report.removed_files.len(), ids.len() - 1);
    assert!(report.copied_tombstones > 0, "what they hide may be in the damaged place: {report:?}");
    let is_hit = |key: &Vec<u8>| *key == records[1].key;
    for (key, value) in state.iter().filter(|(key, _)| !is_hit(key)) {
        assert_eq!(db.get(key).expect("it reads").as_deref(), Some(&value[..]));
    }
    assert!(disk.bytes(&path).is_ok());
    db.close().expect("it closes");
    remove_hints(&disk);
    let db = open(disk, &quiet().on_damage(OnDamage::Serve)).expect("it opens");
    assert_eq!(db.open_report().damage.len(), 1);
    for n in (0..100).map(key).filter(|key| !is_hit(key)) {
        assert_eq!(db.get(&n).expect("it reads").as_deref(), state.get(&n).map(Vec::as_slice));
    }
    assert!(db.merge(&all()).expect("it merges").skipped_files.iter().any(|(id, _)| *id == ids[2]));
}

/// The policy finds what is worth it, and a merge of that leaves nothing to do.
#[test]
fn a_merge_by_policy_takes_what_is_worth_it() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let options = quiet().merge(MergePolicy::new().small_file_threshold(0));
    let db = open(disk.clone(), &options).expect("it opens");
    for n in 0..100 {
        put(&db, &mut state, key(n), vec![1; 400]);
    }
    assert_eq!(db.merge_needed().expect("figures"), None);
    assert!(db.merge(&MergeOptions::new()).expect("nothing to do").removed_files.is_empty());
    for n in 0..9 {
        put(&db, &mut state, key(n), vec![2; 400]);
    }
    let need = db.merge_needed().expect("figures").expect("the first file is dead");
    assert_eq!(need.files, [FileId(1)], "{need:?}");
    assert!(need.reclaimable_bytes > 3000 && need.reason.contains("data file 1"), "{need:?}");
    assert_eq!(db.merge(&MergeOptions::new()).expect("it merges").removed_files, need.files);
    assert_eq!(db.merge_needed().expect("figures"), None);
    check(&db, &state, "by policy");
}

/// Paused, a merge waits where it is; a store that is closed ends it, and so does its callback.
#[test]
fn a_paused_merge_waits() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk, &quiet()).expect("it opens");
    fill(&db, &mut state, 1, 500);
    db.pause_merge().expect("it pauses");
    let (calls, bytes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (merging, counter, read) = (db.clone(), Arc::clone(&calls), Arc::clone(&bytes));
    let merge = std::thread::spawn(move || {
        merging.merge(&all().bytes_per_second(1 << 30).progress(move |at| {
            counter.fetch_add(1, Ordering::Relaxed);
            read.store(at.bytes_read as usize, Ordering::Relaxed);
            ControlFlow::Continue(())
        }))
    });
    fill(&db, &mut state, 2, 100);
    // It is asked again and again, and comes no further.
    while calls.load(Ordering::Relaxed) < 4 {
        std::thread::yield_now();
    }
    assert_eq!(bytes.load(Ordering::Relaxed), 0, "it went on");
    db.resume_merge().expect("it resumes");
    let report = merge.join().expect("no panic").expect("it merges");
    assert!(!report.removed_files.is_empty());
    check(&db, &state, "resumed");
    db.pause_merge().expect("it pauses");
    let left = AtomicUsize::new(3);
    let outcome = db.merge(&all().progress(move |_| match left.fetch_sub(1, Ordering::Relaxed) {
        0 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }));
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    let merging = db.clone();
    let merge = std::thread::spawn(move || merging.merge(&all()));
    db.close().expect("it closes");
    let outcome = merge.join().expect("no panic");
    assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
}

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

/// In the callback of a merge another merge, or closing, would wait for itself for ever: they fail. All else works.
#[test]
fn a_callback_can_neither_merge_nor_close() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk, &quiet()).expect("it opens");
    fill(&db, &mut state, 1, 300);
    let (inner, calls) = (db.clone(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&calls);
    db.merge(&all().progress(move |_| {
        assert!(matches!(inner.merge(&all()), Err(Error::InvalidArgument { .. })));
        assert!(matches!(inner.close(), Err(Error::InvalidArgument { .. })));
        inner.put(b"beside", b"v").expect("it writes");
        inner.sync().expect("it syncs");
        inner.file_stats().expect("figures");
        counter.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    }))
    .expect("it merges");
    assert!(calls.load(Ordering::Relaxed) > 5);
    state.insert(b"beside".to_vec(), b"v".to_vec());
    check(&db, &state, "after it");
    db.merge(&all()).expect("it merges again");
    db.close().expect("it closes");
}

/// A process that is forked in a callback leaves the files of its parent's merge alone.
#[test]
fn a_child_that_was_forked_in_a_merge_touches_nothing() {
    for call in 0..60 {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let db = open(disk.clone(), &quiet().index(index(call))).expect("it opens");
        fill(&db, &mut state, 1, 300);
        let (n, forking, operations) = (AtomicUsize::new(0), disk.clone(), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&operations);
        let outcome = db.merge(&all().progress(move |_| {
            if n.fetch_add(1, Ordering::Relaxed) == call {
                forking.fork();
                seen.store(forking.op_count(), Ordering::Relaxed);
            }
            ControlFlow::Continue(())
        }));
        drop(db);
        match outcome {
            // It called less often.
            Ok(_) => assert_eq!(operations.load(Ordering::Relaxed), 0, "a child went on"),
            Err(Error::Forked) => {
                // The simulated lock knows of no forks.
                let done = operations.load(Ordering::Relaxed);
                let touched = disk.ops().split_off(done).into_iter().find(|op| op.path != at("LOCK"));
                assert!(touched.is_none(), "call {call}: {touched:?}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

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

/// The newest record of a key counts, whatever lies in which merged file and in what order: copies of one record, deletes, and logs that are
/// older than what was merged.
#[test]
fn merged_files_tell_the_newest_whatever_their_order() {
    for (n, kind) in KINDS.iter().cycle().take(10 * factor().max(2)).enumerate() {
        let (disk, mut state) = (SimVfs::new(n as u64), Map::new());
        let options = quiet().index(*kind);
        let db = open(disk.clone(), &options).expect("it opens");
        let mut rng = Rng(n as u64 * 7 + 1);
        for round in 0..6 {
            fill(&db, &mut state, n as u64 * 100 + round, 120);
            let files: Vec<FileId> = db.file_stats().expect("figures").iter().map(|file| file.id).collect();
            // Some of the files, so that older ones stay beside what is made of newer ones.
            let some: Vec<FileId> = files.into_iter().filter(|_| rng.below(3) == 0).collect();
            // Cut short when the copies have their names and the sources are still there.
            let is_cut = rng.below(2) == 0;
            let stop = if is_cut { rng.below(40) } else { usize::MAX };
            let told = AtomicUsize::new(0);
            let options = MergeOptions::new().files(&some).progress(move |_| {
                if told.fetch_add(1, Ordering::Relaxed) < stop {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
            match db.merge(&options) {
                Ok(_) | Err(Error::Cancelled) => {}
                Err(error) => panic!("{error}"),
            }
            for lost in [false, true] {
                let copy = disk.kill();
                if lost {
                    remove_hints(&copy);
                }
                let db = open(copy, &quiet().index(index(round as usize))).expect("it opens");
                check(&db, &state, "opened anew");
            }
        }
    }
}
