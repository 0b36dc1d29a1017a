//! Expiry against a model, on a clock that jumps in both directions: every call at every moment shows what has not expired, and nothing
//! else. Then what is hard about it: openings of every kind, crashes, merges and sweeps, readers beside a writer.
//!
//! `BITCASK_EXPIRY_SEED=n` repeats the one history that failed; every failure names its own.

mod common;
#[path = "expiry/world.rs"]
mod world;

use std::time::{Duration, Instant};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, Short, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{
    BulkOptions, Db, Durability, Error, IndexKind, IoKind, IterOptions, MergeOptions, Options, Timestamp, Ttl,
    WriteOptions,
};

use common::{Counter, IO_KINDS, KINDS, Rng, factor, number_from_env, open, parallel, quiet, remove_hints, report};
use world::World;

const START: u64 = 1_700_000_000_000;

fn disk() -> SimVfs {
    let disk = SimVfs::new(3);
    disk.set_now(Timestamp(START));
    disk
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn text(db: &Db, key: &str) -> Option<String> {
    db.get(key.as_bytes()).expect("get").map(|value| String::from_utf8(value.into_vec()).expect("text"))
}

fn ttl(n: u64) -> WriteOptions {
    WriteOptions::new().ttl(ms(n))
}

/// Random histories under every kind of index and of I/O, with and without a store-wide expiry.
#[test]
fn whatever_the_clock_does_every_call_shows_what_has_not_expired() {
    let (begun, steps) = (Instant::now(), Counter::default());
    let seeds: Vec<u64> = match number_from_env("BITCASK_EXPIRY_SEED") {
        Some(seed) => vec![seed as u64],
        None => (0..(40 * factor()) as u64).collect(),
    };
    parallel(seeds.len(), |i| {
        let seed = seeds[i];
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed, disk());
            let mut rng = Rng(seed ^ 0xE9);
            for _ in 0..200 {
                world.step(&mut rng);
            }
            world.check();
        });
        if let Err(cause) = run {
            report("expiry", format_args!("BITCASK_EXPIRY_SEED={seed} repeats it, which failed"), begun);
            std::panic::resume_unwind(cause);
        }
        steps.add(200);
    });
    report("expiry", format_args!("{} steps", steps.get()), begun);
}

/// The flag that lets other stores look at no record is right after every way of opening: what has expired is seen by calls that would not
/// have to look at records.
#[test]
fn every_way_of_opening_knows_that_something_may_expire() {
    for index in KINDS {
        for io in IO_KINDS {
            for way in 0..6 {
                let disk = disk();
                let options = quiet().index(index).io(io).max_file_size(1 << 20);
                let db = open(disk.clone(), &options).expect("it opens");
                db.put(b"stays", b"1").expect("put");
                db.put_with_ttl(b"goes", b"2", ms(10)).expect("put");
                let next = match way {
                    0 => disk.kill(),
                    5 => {
                        // The saved index names the record, and nothing behind it tells of an expiry.
                        db.close().expect("close");
                        let db = open(disk.clone(), &options).expect("it opens");
                        let is_saved = matches!(index, IndexKind::BTree | IndexKind::Hash | IndexKind::BPTree);
                        assert_eq!(db.open_report().index_from.is_some(), is_saved, "{index:?}");
                        db.put(b"more", b"3").expect("put");
                        db.delete(b"more").expect("delete");
                        db.close().expect("close");
                        disk.copy()
                    }
                    _ => {
                        if way == 3 {
                            db.merge(&MergeOptions::new().everything(true)).expect("merge");
                        }
                        db.close().expect("close");
                        disk.copy()
                    }
                };
                if way == 2 || way == 4 {
                    remove_hints(&next);
                }
                next.set_now(Timestamp(START + 10));
                let options = if way == 4 { options.read_only(true) } else { options };
                let db = open(next, &options).expect("it opens");
                let what = format!("{index:?} {io:?} {way}");
                assert!(!db.contains(b"goes").expect("contains") && db.contains(b"stays").expect("contains"), "{what}");
                let keys = db.iter(&IterOptions::new().keys_only(true)).expect("iter").count();
                assert_eq!((keys, db.count(&IterOptions::new()).expect("count")), (1, 1), "{what}");
                assert_eq!(db.random_key().expect("random"), Some(b"stays".to_vec()), "{what}");
                assert_eq!(db.len().expect("len"), 2, "{what}: it counts until it is swept");
            }
        }
    }
}

/// A store in which nothing can expire reads no record to answer what the index can.
#[test]
fn without_expiry_no_record_is_read_for_it() {
    let disk = disk();
    let faults = FaultVfs::over_sim(&disk);
    let options = quiet().max_file_size(1 << 20).index(IndexKind::SkipList).io(IoKind::File);
    let db = open(faults.clone(), &options).expect("it opens");
    for n in 0..100 {
        db.put(format!("key{n}").as_bytes(), b"value").expect("put");
    }
    let reads = || faults.count(Fault::ShortRead(Short::Half), &Filter::any().suffix(".data"));
    let ask = || {
        assert!(db.contains(b"key1").expect("contains"));
        let keys = db.iter(&IterOptions::new().keys_only(true)).expect("iter").filter(|key| key.is_ok()).count();
        (
            keys,
            db.count(&IterOptions::new().prefix(b"key")).expect("count"),
            db.count(&IterOptions::new()).expect("count"),
        )
    };
    let before = reads();
    assert_eq!(ask(), (100, 100, 100));
    assert_eq!(reads(), before);
    assert!(!db.delete(b"none").expect("delete") && db.delete(b"key5").expect("delete"));
    db.put(b"key6", b"new").expect("put");
    db.put_if_absent(b"none", b"new").expect("put");
    assert_eq!(db.sweep_expired().expect("sweep"), 0);
    assert_eq!(reads(), before);
    db.put_with_ttl(b"other", b"goes", ms(1)).expect("put");
    assert_eq!(ask(), (101, 99, 101));
    assert!(reads() > before + 300, "where something may expire, they are");
}

/// A sweep that fails in the midst, at any operation, leaves what a sweep may leave, and the next one does the rest.
#[test]
fn a_sweep_that_fails_is_done_by_the_next() {
    for (kind, stops) in [(OpKind::Read, false), (OpKind::Write, false), (OpKind::SetLen, true)] {
        for nth in 0..12 {
            let disk = disk();
            let faults = FaultVfs::over_sim(&disk);
            let options = quiet().index(KINDS[nth as usize % KINDS.len()]).io(IoKind::File);
            let db = open(faults.clone(), &options).expect("it opens");
            for n in 0..100 {
                let key = format!("key{n:02}");
                let time = if n % 2 == 0 { 10 } else { 1000 };
                db.put_with_ttl(key.as_bytes(), &[n; 200], ms(time)).expect("put");
            }
            disk.advance(10);
            faults.inject(Plan::once(Fault::Error(errno::EIO), nth).of(Filter::any().kinds(&[kind])));
            let swept = db.sweep_expired();
            assert!(faults.fired() || swept.is_ok());
            faults.reset();
            let (db, rest) = match db.sweep_expired() {
                Ok(rest) => (db, rest),
                Err(Error::WritesStopped { .. }) if stops || swept.is_err() => {
                    drop(db);
                    let db = open(disk.kill(), &options).expect("it opens");
                    let rest = db.sweep_expired().expect("sweep");
                    (db, rest)
                }
                Err(error) => panic!("{kind:?} {nth}: {error}"),
            };
            assert!(
                rest <= 50 && swept.as_ref().is_ok_and(|&swept| swept == 50) != swept.is_err(),
                "{kind:?} {nth}: {swept:?} {rest}"
            );
            assert_eq!((db.len().expect("len"), db.count(&IterOptions::new()).expect("count")), (50, 50));
        }
    }
}

#[test]
fn times_at_the_ends_of_their_range_are_defined() {
    let disk = disk();
    let db = open(disk.clone(), &quiet()).expect("it opens");
    // No time at all is a delete.
    db.put(b"a", b"1").expect("put");
    db.put_with_ttl(b"a", b"2", Duration::ZERO).expect("put");
    assert_eq!((text(&db, "a"), db.len().expect("len")), (None, 0));
    db.put(b"a", b"1").expect("put");
    assert!(db.expire(b"a", Duration::ZERO).expect("expire") && db.ttl(b"a").expect("ttl") == Ttl::NoKey);
    assert!(!db.expire(b"a", ms(5)).expect("expire") && !db.persist(b"a").expect("persist"));
    let written = db.put_seq(b"a", b"1", ttl(0)).expect("put");
    assert!(!written.existed && text(&db, "a").is_none());
    // A part of a millisecond is one.
    db.put_with_ttl(b"b", b"1", Duration::from_nanos(1)).expect("put");
    assert_eq!(db.ttl(b"b").expect("ttl"), Ttl::Remaining(ms(1)));
    disk.advance(1);
    assert_eq!(db.ttl(b"b").expect("ttl"), Ttl::NoKey);
    // What is beyond all numbers is for ever.
    db.put_with_ttl(b"c", b"1", Duration::MAX).expect("put");
    disk.set_now(Timestamp::MAX);
    assert!(matches!(db.ttl(b"c").expect("ttl"), Ttl::Remaining(left) if left > Duration::from_secs(1 << 40)));
    // A clock before 1970 says 0.
    disk.set_now(Timestamp(0));
    db.put_with_ttl(b"d", b"1", ms(1)).expect("put");
    assert_eq!(text(&db, "d").as_deref(), Some("1"));
    assert_eq!(text(&db, "b").as_deref(), Some("1"), "the clock went back, and with it what has expired");
    disk.set_now(Timestamp(1));
    assert_eq!(text(&db, "d"), None);
    assert!(matches!(Options::new().expiry(Duration::from_micros(999)).validate(), Err(Error::InvalidArgument { .. })));
    // A ttl of what puts nothing.
    assert!(matches!(db.delete_with(b"c", ttl(5)), Err(Error::InvalidArgument { .. })));
    // A swap may keep what a plain write does not look at.
    let keep = WriteOptions::new().keep_expiry(true);
    db.put_with(b"kept", b"1", ttl(3_600_000)).expect("it writes");
    assert!(db.compare_and_swap_with(b"kept", Some(b"1"), Some(b"2"), keep).expect("it writes"));
    assert!(matches!(db.ttl(b"kept").expect("it is open"), Ttl::Remaining(left) if left.as_millis() > 3_000_000));
    assert!(db.put_if_absent_with(b"new", b"1", keep).expect("it writes"));
    assert_eq!(db.ttl(b"new").expect("it is open"), Ttl::NoExpiry);
    assert!(db.delete(b"kept").expect("it writes") && db.delete(b"new").expect("it writes"));
    assert!(matches!(db.put_with(b"c", b"1", keep), Err(Error::InvalidArgument { .. })));
    assert!(matches!(db.put_seq(b"c", b"1", keep), Err(Error::InvalidArgument { .. })));
    assert!(matches!(db.put_async(b"c", b"1", keep, |_| {}), Err(Error::InvalidArgument { .. })));
    assert!(matches!(db.delete_with(b"c", keep), Err(Error::InvalidArgument { .. })));
    assert!(matches!(db.batch().commit_with(ttl(5)), Err(Error::InvalidArgument { .. })));
    assert!(matches!(db.transaction().expect("txn").commit_with(ttl(5)), Err(Error::InvalidArgument { .. })));
    let mut load = db.bulk_load(BulkOptions::new()).expect("load");
    assert!(matches!(load.put_with_ttl(b"x", b"1", Duration::ZERO), Err(Error::InvalidArgument { .. })));
    load.put_with_ttl(b"x", b"1", ms(5)).expect("put");
    load.finish().expect("finish");
    assert_eq!(db.ttl(b"x").expect("ttl"), Ttl::Remaining(ms(5)));
}

/// Who keeps an expiry, and who does not.
#[test]
fn a_plain_put_ends_an_expiry_and_changes_of_a_value_keep_it() {
    let disk = disk();
    let db = open(disk.clone(), &quiet()).expect("it opens");
    db.put_with_ttl(b"n", &7_i64.to_le_bytes(), ms(100)).expect("put");
    disk.advance(40);
    assert_eq!(db.fetch_add(b"n", 1).expect("add"), 7);
    assert_eq!(db.ttl(b"n").expect("ttl"), Ttl::Remaining(ms(60)));
    db.update(b"n", |old| Some(old.expect("it is there").to_vec())).expect("update");
    assert_eq!(db.ttl(b"n").expect("ttl"), Ttl::Remaining(ms(60)));
    assert_eq!(db.fetch_add_with(b"n", 1, ttl(500)).expect("add"), 8);
    assert_eq!(db.ttl(b"n").expect("ttl"), Ttl::Remaining(ms(500)));
    assert!(db.compare_and_swap(b"n", Some(&9_i64.to_le_bytes()), Some(b"x")).expect("swap"));
    assert_eq!(db.ttl(b"n").expect("ttl"), Ttl::NoExpiry);
    assert!(db.expire(b"n", ms(10)).expect("expire") && db.persist(b"n").expect("persist"));
    assert!(!db.persist(b"n").expect("persist"), "it has none any more");
    db.put_with_ttl(b"n", b"y", ms(10)).expect("put");
    db.put(b"n", b"z").expect("put");
    assert_eq!(db.ttl(b"n").expect("ttl"), Ttl::NoExpiry);
    // A lock that nobody keeps for ever.
    assert!(db.put_if_absent_with(b"lock", b"me", ttl(10)).expect("lock"));
    assert!(!db.put_if_absent_with(b"lock", b"you", ttl(10)).expect("lock"));
    disk.advance(10);
    assert!(db.put_if_absent_with(b"lock", b"you", ttl(10)).expect("lock"));
    assert_eq!(text(&db, "lock").as_deref(), Some("you"));
    disk.advance(10);
    assert_eq!(db.fetch_add(b"lock", 5).expect("an expired counter begins at 0"), 0);
    assert_eq!(db.ttl(b"lock").expect("ttl"), Ttl::NoExpiry);
    assert!(db.delete(b"lock").expect("delete"));
    db.put_with_ttl(b"k", b"v", ms(10)).expect("put");
    disk.advance(10);
    assert!(!db.delete(b"k").expect("delete"), "what has expired was not there");
    disk.set_now(Timestamp(START));
    assert_eq!(text(&db, "k"), None, "and what was deleted all the same does not come back with the clock");
}

/// Snapshots, iterators and transactions go by the time at which they began.
#[test]
fn a_moment_has_its_own_time() {
    for index in KINDS {
        let disk = disk();
        let db = open(disk.clone(), &quiet().index(index)).expect("it opens");
        db.put_with_ttl(b"a", b"1", ms(10)).expect("put");
        db.put(b"b", b"2").expect("put");
        let (early, mut iter) =
            (db.snapshot().expect("a snapshot"), db.iter(&IterOptions::new()).expect("an iterator"));
        let mut txn = db.transaction().expect("a transaction");
        let mut batch = db.batch();
        txn.put_with_ttl(b"c", b"3", ms(10)).expect("put");
        batch.put_with_ttl(b"c", b"3", ms(10)).expect("put");
        disk.advance(10);
        let late = db.snapshot().expect("a snapshot");
        assert!(early.contains(b"a").expect("contains") && !late.contains(b"a").expect("contains"));
        let count = |snapshot: &bitcask::Snapshot| snapshot.count(&IterOptions::new()).expect("count");
        assert_eq!((count(&early), count(&late)), (2, 1));
        assert_eq!(iter.next().expect("a record").expect("it reads").0, b"a");
        assert!(txn.get(b"a").expect("get").is_some() && txn.get(b"c").expect("get").is_some());
        assert_eq!(txn.ttl(b"a").expect("ttl"), Ttl::Remaining(ms(10)), "from its beginning on");
        assert!(batch.get(b"a").expect("get").is_none() && batch.get(b"c").expect("get").is_none());
        assert_eq!(batch.ttl(b"c").expect("ttl"), Ttl::NoKey);
        assert_eq!(batch.iter(&IterOptions::new()).expect("an iterator").count(), 1, "an own write that has expired");
        // A sweep changes nothing of what the old moment shows.
        assert_eq!(db.sweep_expired().expect("sweep"), 1);
        assert!(early.contains(b"a").expect("contains") && early.get(b"a").expect("get").is_some());
        assert_eq!((count(&early), db.len().expect("len")), (2, 1));
        disk.set_now(Timestamp(START));
        assert!(!db.contains(b"a").expect("contains"), "swept is gone, whatever the clock says");
        assert!(batch.get(b"c").expect("get").is_some(), "the batch's own write was never swept");
        assert!(matches!(txn.commit(), Err(Error::Conflict)), "the sweep deleted what it had read");
        batch.commit().expect("commit");
        assert_eq!(db.ttl(b"c").expect("ttl"), Ttl::Remaining(ms(10)));
    }
}

/// A store-wide expiry is by the age of records, concerns those without one of their own, and is what this opening says.
#[test]
fn an_expiry_by_age_holds_for_this_opening() {
    for index in KINDS {
        let disk = disk();
        let aged = quiet().index(index).expiry(ms(100));
        let db = open(disk.clone(), &aged).expect("it opens");
        db.put(b"a", b"1").expect("put");
        db.put_with_ttl(b"long", b"2", ms(1000)).expect("put");
        db.put_with_ttl(b"short", b"3", ms(10)).expect("put");
        assert_eq!(db.ttl(b"a").expect("ttl"), Ttl::Remaining(ms(100)));
        disk.advance(50);
        assert_eq!((text(&db, "short"), db.ttl(b"long").expect("ttl")), (None, Ttl::Remaining(ms(950))));
        // A merge renews nothing.
        db.merge(&MergeOptions::new().everything(true)).expect("merge");
        assert_eq!(db.ttl(b"a").expect("ttl"), Ttl::Remaining(ms(50)));
        disk.advance(50);
        assert_eq!((text(&db, "a"), text(&db, "long").as_deref()), (None, Some("2")));
        assert!(db.persist(b"long").expect("persist"));
        assert_eq!(db.ttl(b"long").expect("ttl"), Ttl::Remaining(ms(100)), "by its age from then on");
        db.close().expect("close");
        let db = open(disk.clone(), &quiet().index(index)).expect("it opens");
        assert_eq!((text(&db, "a").as_deref(), db.ttl(b"a").expect("ttl")), (Some("1"), Ttl::NoExpiry));
        db.close().expect("close");
        let db = open(disk.clone(), &quiet().index(index).expiry(ms(30))).expect("it opens");
        disk.advance(30);
        assert_eq!((text(&db, "long"), db.count(&IterOptions::new()).expect("count")), (None, 0));
        assert_eq!((db.sweep_expired().expect("sweep"), db.len().expect("len")), (2, 0));
        db.close().expect("close");
        let db = open(disk, &quiet().index(index)).expect("it opens");
        assert_eq!((text(&db, "a"), db.len().expect("len")), (None, 0), "swept is gone");
    }
}

/// A sweep deletes what the index still names when the delete is committed: who writes the key in between keeps it. It passes over
/// what it can't read.
#[test]
fn a_sweep_races_with_writers_and_takes_nothing_of_theirs() {
    for index in KINDS {
        let disk = disk();
        let db = open(disk.clone(), &quiet().index(index).max_file_size(1 << 20)).expect("it opens");
        let keys: Vec<String> = (0..3000).map(|n| format!("key{n:04}")).collect();
        for key in &keys {
            db.put_with_ttl(key.as_bytes(), b"old", ms(10)).expect("put");
        }
        disk.advance(10);
        let swept = std::thread::scope(|scope| {
            let (db, keys) = (&db, &keys);
            let writer = scope.spawn(move || {
                for key in keys.iter().step_by(3) {
                    db.put(key.as_bytes(), b"new").expect("put");
                }
            });
            let other = scope.spawn(|| db.sweep_expired().expect("sweep"));
            let swept = db.sweep_expired().expect("sweep");
            writer.join().expect("it writes");
            swept + other.join().expect("it sweeps")
        });
        assert!((2000..=3000).contains(&swept), "{swept}");
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(text(&db, key).as_deref(), (n % 3 == 0).then_some("new"), "{key}");
        }
        assert_eq!(db.len().expect("len"), 1000);
        assert_eq!(db.sweep_expired().expect("sweep"), 0);
    }
}

/// A merge begins with a sweep, and gives back what had expired; its policy counts that as dead.
#[test]
fn a_merge_gives_back_what_has_expired() {
    for index in KINDS {
        let disk = disk();
        let db = open(disk.clone(), &quiet().index(index)).expect("it opens");
        for n in 0..200 {
            db.put_with_ttl(format!("goes{n:03}").as_bytes(), &[7; 100], ms(10)).expect("put");
        }
        db.put(b"stays", b"1").expect("put");
        assert_eq!(db.merge(&MergeOptions::new()).expect("merge").swept_keys, 0);
        disk.advance(10);
        let report = db.merge(&MergeOptions::new()).expect("merge");
        assert_eq!(report.swept_keys, 200);
        assert!(report.removed_bytes > 15_000, "the policy found it worth it: {report:?}");
        db.merge(&MergeOptions::new().everything(true)).expect("merge");
        db.merge(&MergeOptions::new().everything(true)).expect("merge");
        assert!(db.stats().expect("stats").data_bytes < 5000, "{:?}", db.stats());
        db.close().expect("close");
        remove_hints(&disk);
        disk.set_now(Timestamp(START));
        let db = open(disk.clone(), &quiet().index(index)).expect("it opens");
        assert_eq!((db.len().expect("len"), text(&db, "stays").as_deref()), (1, Some("1")));
    }
}

/// What has expired never uncovers what was there before, whatever is merged and lost in between.
#[test]
fn nothing_older_comes_back() {
    let cases = Counter::default();
    parallel(KINDS.len() * 12 * factor(), |case| {
        let mut rng = Rng(case as u64);
        let disk = disk();
        let options = quiet().index(KINDS[case % KINDS.len()]);
        let mut db = open(disk.clone(), &options).expect("it opens");
        let filler = vec![1; 900];
        for round in 0..6 {
            db.put(b"k", format!("old{round}").as_bytes()).expect("put");
            for n in 0..rng.below(8) {
                db.put(format!("filler{n}").as_bytes(), &filler).expect("put");
            }
        }
        db.put_with_ttl(b"k", b"last", ms(10)).expect("put");
        for n in 0..5 {
            db.put(format!("filler{n}").as_bytes(), &filler).expect("put");
        }
        disk.advance(10);
        let mut disk = disk;
        for _ in 0..8 {
            let what = rng.below(7);
            match what {
                0 => _ = db.sweep_expired().expect("sweep"),
                1 => {
                    let some: Vec<_> = db
                        .file_stats()
                        .expect("files")
                        .iter()
                        .map(|file| file.id)
                        .filter(|_| rng.below(2) == 0)
                        .collect();
                    db.merge(&MergeOptions::new().files(&some)).expect("merge");
                }
                2 => _ = db.merge(&MergeOptions::new().everything(true)).expect("merge"),
                3 | 4 => {
                    db.sync().expect("sync");
                    disk = disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced);
                }
                5 => {
                    db.close().expect("close");
                    disk = disk.copy();
                    remove_hints(&disk);
                }
                _ => db.put(b"filler1", &filler).expect("put"),
            }
            if (3..=5).contains(&what) {
                db = open(disk.clone(), &options).expect("it opens");
            }
            assert_eq!(text(&db, "k"), None, "case {case}");
        }
        db.sweep_expired().expect("sweep");
        disk.set_now(Timestamp(START));
        assert_eq!(text(&db, "k"), None, "case {case}: swept");
        cases.add(1);
    });
    assert!(cases.get() > 0);
}

/// A reader in another process sees expiries that it catches up with, and sweeps as the deletes that they are.
#[test]
fn a_reader_beside_catches_up_with_expiries() {
    for index in KINDS {
        let disk = disk();
        let db = open(disk.clone(), &quiet().index(index)).expect("it opens");
        db.put(b"a", b"1").expect("put");
        let reader = open(disk.other_process(), &quiet().index(index).read_only(true)).expect("a reader");
        assert!(reader.contains(b"a").expect("contains"));
        db.put_with_ttl(b"b", b"2", ms(10)).expect("put");
        reader.refresh().expect("refresh");
        assert!(reader.contains(b"b").expect("contains"));
        assert!(matches!(reader.sweep_expired(), Err(Error::ReadOnly)));
        disk.advance(10);
        assert!(!reader.contains(b"b").expect("contains") && reader.count(&IterOptions::new()).expect("count") == 1);
        assert_eq!(reader.len().expect("len"), 2);
        assert_eq!(db.sweep_expired().expect("sweep"), 1);
        reader.refresh().expect("refresh");
        assert_eq!(reader.len().expect("len"), 1);
        disk.set_now(Timestamp(START));
        assert!(!reader.contains(b"b").expect("contains"));
    }
}

/// Puts that are queued, and loads into files of their own, expire like others.
#[test]
fn every_way_of_putting_can_expire() {
    let disk = disk();
    let options = quiet().durability(Durability::None).max_file_size(1 << 16);
    let db = open(disk.clone(), &options).expect("it opens");
    let (tell, told) = std::sync::mpsc::channel();
    db.put_async(b"async", b"1", ttl(10), move |outcome| tell.send(outcome).expect("somebody listens")).expect("put");
    told.recv().expect("an answer").expect("it is written");
    for is_atomic in [true, false] {
        let mut load = db.bulk_load(BulkOptions::new().atomic(is_atomic)).expect("a load");
        for n in 0..400 {
            let key = format!("load{is_atomic}{n:03}");
            if n % 2 == 0 {
                load.put_with_ttl(key.as_bytes(), &[n as u8; 500], ms(10)).expect("put");
            } else {
                load.put(key.as_bytes(), &[n as u8; 500]).expect("put");
            }
        }
        load.finish().expect("finish");
    }
    let all = db.count(&IterOptions::new()).expect("count");
    disk.advance(10);
    assert_eq!((all, db.count(&IterOptions::new()).expect("count")), (801, 400));
    db.close().expect("close");
    remove_hints(&disk);
    let db = open(disk, &options).expect("it opens");
    assert_eq!(db.count(&IterOptions::new()).expect("count"), 400);
    assert_eq!((db.sweep_expired().expect("sweep"), db.len().expect("len")), (401, 400));
}
