//! Bulk loads beside everything else: other writers, readers and snapshots, other loads, a close, a drop, a full disk, and cuts and faults
//! while others write. The workload suites have loads by themselves.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{BulkLoader, BulkOptions, Db, Error, IterOptions, Options};

use common::history::{History, NEVER};
use common::workload::{Change, value};
use common::{IO_KINDS, KINDS, Map, Rng, dump, index, is_io, open, quiet};

/// All combinations of index and I/O kind, with files so small that a load of a few KiB takes several.
fn each_way(test: impl Fn(&Options)) {
    for kind in KINDS {
        for io in IO_KINDS {
            test(&quiet().index(kind).io(io));
        }
    }
}

fn key(n: usize) -> Vec<u8> {
    format!("key{n:04}").into_bytes()
}

/// `n` puts of keys of which every other load has half, values of 400 bytes.
fn puts(load: usize, n: usize) -> Vec<Change> {
    let put = |i: usize| {
        let key = key(i * 7 % n + load * n / 2);
        (key.clone(), Some(value(&key, load * 1000 + i, 400)))
    };
    (0..n).map(put).collect()
}

fn begin(db: &Db) -> BulkLoader {
    db.bulk_load(BulkOptions::new()).expect("a load")
}

fn fill(load: &mut BulkLoader, changes: &[Change]) -> bitcask::Result<()> {
    changes.iter().try_for_each(|(key, value)| load.put(key, value.as_deref().unwrap_or_default()))
}

fn state_of(changes: &[Change]) -> Map {
    let mut map = Map::new();
    common::history::apply(&mut map, changes);
    map
}

fn temporary(disk: &SimVfs) -> usize {
    disk.files().iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "tmp")).count()
}

#[test]
fn others_write_while_a_load_is_under_way() {
    each_way(|options| {
        let disk = SimVfs::new(3);
        let db = open(disk.clone(), options).expect("a new store");
        let (pairs, mut state) = (puts(0, 40), Map::new());
        let mut load = begin(&db);
        for (i, change) in pairs.iter().enumerate() {
            fill(&mut load, std::slice::from_ref(change)).expect("put");
            // Keys of the load too: it comes later, so its values stay.
            let (key, value) = (key(i * 3), value(b"other", i, 300));
            db.put(&key, &value).expect("put");
            state.insert(key, value);
            assert_eq!(dump(&db).expect("read"), state, "nothing of a load is seen before its end");
        }
        assert!(temporary(&disk) > 3, "it goes to files of its own");
        load.finish().expect("finish");
        state.extend(state_of(&pairs));
        assert_eq!(dump(&db).expect("read"), state);
        assert_eq!(temporary(&disk), 0);
        db.put(b"later", b"1").expect("put");
        db.delete(&key(0)).expect("delete");
        state.insert(b"later".to_vec(), b"1".to_vec());
        state.remove(&key(0));
        // By the log alone, and by the hints.
        for disk in [disk.kill(), {
            db.close().expect("close");
            disk
        }] {
            let again = open(disk, options).expect("it opens");
            assert!(again.open_report().damage.is_empty() && again.open_report().torn.is_empty());
            assert_eq!(dump(&again).expect("read"), state);
        }
    });
}

#[test]
fn snapshots_show_the_moment_before_it_and_nobody_a_part() {
    each_way(|options| {
        let db = open(SimVfs::new(3), options).expect("a new store");
        for round in 0..3 {
            let before = dump(&db).expect("read");
            let held = db.iter(&IterOptions::new()).expect("an iterator");
            // Twice the same key: the last counts, also for the snapshot.
            let mut pairs = puts(round, 30);
            pairs.extend(
                puts(round, 30).into_iter().step_by(3).map(|(k, _)| (k.clone(), Some(value(&k, 77 + round, 50)))),
            );
            let mut load = begin(&db);
            fill(&mut load, &pairs).expect("put");
            let done = AtomicBool::new(false);
            let mut after = before.clone();
            after.extend(state_of(&pairs));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        let iter = db.iter(&IterOptions::new()).expect("an iterator");
                        let seen: Map = iter.map(|r| r.expect("a record")).map(|(k, v)| (k, v.into_vec())).collect();
                        assert!(seen == before || seen == after, "a part is seen: {} keys", seen.len());
                    }
                });
                load.finish().expect("finish");
                done.store(true, Ordering::SeqCst);
            });
            let held: Map = held.map(|r| r.expect("a record")).map(|(k, v)| (k, v.into_vec())).collect();
            assert_eq!(held, before);
            assert_eq!(dump(&db).expect("read"), after);
        }
    });
}

#[test]
fn loads_that_end_in_another_order_than_they_began() {
    each_way(|options| {
        let disk = SimVfs::new(3);
        let db = open(disk.clone(), options).expect("a new store");
        db.put(b"before", b"1").expect("put");
        let mut state = dump(&db).expect("read");
        let mut loads: Vec<_> = (0..4).map(|n| (begin(&db), puts(n, 30))).collect();
        for i in 0..30 {
            loads.iter_mut().for_each(|(load, pairs)| fill(load, &pairs[i..=i]).expect("put"));
        }
        let mut last = db.stats().expect("stats").last_seq;
        for at in [1, 2, 0, 0] {
            let (load, pairs) = loads.remove(at);
            load.finish().expect("finish");
            state.extend(state_of(&pairs));
            assert_eq!(dump(&db).expect("read"), state);
            let seq = db.stats().expect("stats").last_seq;
            assert!(seq > last, "numbers ascend");
            last = seq;
        }
        db.put(b"after", b"2").expect("put");
        state.insert(b"after".to_vec(), b"2".to_vec());
        let killed = disk.kill();
        db.close().expect("close");
        for disk in [killed, disk] {
            let again = open(disk, options).expect("it opens");
            assert!(again.open_report().damage.is_empty(), "{:?}", again.open_report().damage);
            assert_eq!(dump(&again).expect("read"), state);
        }
    });
}

/// A reader in another process follows the writer through loads: all of one or nothing.
#[test]
fn a_reader_in_another_process_follows() {
    each_way(|options| {
        let disk = SimVfs::new(3);
        let db = open(disk.clone(), options).expect("a new store");
        db.put(b"before", b"1").expect("put");
        let reader = open(disk.other_process(), &options.clone().read_only(true)).expect("it opens");
        let mut state = dump(&db).expect("read");
        for (round, n) in [(0, 40), (1, 1), (2, 30)] {
            let pairs = puts(round, n);
            let mut load = begin(&db);
            fill(&mut load, &pairs).expect("put");
            reader.refresh().expect("refresh");
            assert_eq!(dump(&reader).expect("read"), state);
            load.finish().expect("finish");
            state.extend(state_of(&pairs));
            assert_ne!(dump(&reader).expect("read"), state);
            reader.refresh().expect("refresh");
            assert_eq!(dump(&reader).expect("read"), state);
        }
    });
}

#[test]
fn one_that_is_dropped_leaves_nothing() {
    each_way(|options| {
        let disk = SimVfs::new(3);
        let db = open(disk.clone(), options).expect("a new store");
        let files = disk.files().len();
        for n in [0, 1, 40] {
            let mut load = begin(&db);
            fill(&mut load, &puts(0, n)).expect("put");
            assert_eq!(n == 40, disk.files().len() > files);
            drop(load);
            assert_eq!(disk.files().len(), files, "after {n} pairs");
        }
        begin(&db).finish().expect("nothing is a load too");
        assert_eq!((db.len().expect("len"), disk.files().len()), (0, files));
    });
}

#[test]
fn a_store_that_is_closed_under_a_load() {
    each_way(|options| {
        let disk = SimVfs::new(3);
        let db = open(disk.clone(), options).expect("a new store");
        let (mut small, mut large, mut full) = (begin(&db), begin(&db), begin(&db));
        fill(&mut small, &puts(0, 1)).expect("put");
        fill(&mut large, &puts(0, 40)).expect("put");
        fill(&mut full, &puts(0, 40)).expect("put");
        db.close().expect("close");
        let left = disk.files().len();
        assert!(matches!(fill(&mut large, &puts(0, 40)), Err(Error::Closed)));
        assert!(matches!(small.finish(), Err(Error::Closed)));
        assert!(matches!(full.finish(), Err(Error::Closed)));
        // Another process may have the directory now: nothing in it is touched.
        drop(large);
        assert_eq!(disk.files().len(), left);
        assert!(temporary(&disk) > 0);
        let db = open(disk.clone(), options).expect("it opens");
        assert_eq!((temporary(&disk), db.len().expect("len")), (0, 0));
        assert!(db.bulk_load(BulkOptions::new()).is_ok());
        db.close().expect("close");
        assert!(matches!(db.bulk_load(BulkOptions::new()), Err(Error::Closed)));
        let reader = open(disk, &options.clone().read_only(true)).expect("it opens");
        assert!(matches!(reader.bulk_load(BulkOptions::new()), Err(Error::ReadOnly)));
    });
}

#[test]
fn in_pieces_it_is_seen_as_it_goes_and_keeps_what_it_has_committed() {
    each_way(|options| {
        let disk = SimVfs::new(3);
        let db = open(disk.clone(), options).expect("a new store");
        let pairs = puts(0, 40);
        let mut load = db.bulk_load(BulkOptions::new().atomic(false)).expect("a load");
        fill(&mut load, &pairs[..31]).expect("put");
        let seen = dump(&db).expect("read");
        assert!((20..31).contains(&seen.len()), "{} of 31 are there", seen.len());
        let rest = state_of(&pairs);
        assert!(seen.iter().all(|(key, value)| rest.get(key) == Some(value)));
        drop(load);
        assert_eq!(dump(&db).expect("read"), seen);
        let mut load = db.bulk_load(BulkOptions::new().atomic(false).sync(true)).expect("a load");
        fill(&mut load, &pairs).expect("put");
        load.finish().expect("finish");
        assert_eq!(dump(&db).expect("read"), rest);
        let cut = disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced);
        assert_eq!(dump(&open(cut, options).expect("it opens")).expect("read"), rest, "it was synced");
    });
}

#[test]
fn pairs_that_can_not_be_are_left_out() {
    let db = open(SimVfs::new(3), &quiet()).expect("a new store");
    let mut load = begin(&db);
    for (i, (key, value)) in puts(0, 20).into_iter().enumerate() {
        load.put(&key, &value.expect("a put")).expect("put");
        assert!(matches!(load.put(b"", b"x"), Err(Error::KeyEmpty)));
        assert!(matches!(load.put(&vec![1; 65_536], b"x"), Err(Error::KeyTooLarge { .. })));
        if i == 10 {
            // More than is copied into the buffer, and than a file holds.
            load.put(b"large", &vec![9; 3 << 20]).expect("put");
        }
    }
    load.finish().expect("finish");
    assert_eq!(db.len().expect("len"), 21);
    assert_eq!(db.get(b"large").expect("get").expect("it is there")[..], vec![9; 3 << 20]);
}

/// Every operation of a load fails, once and for ever, while others write: it says so, leaves nothing, and the others' writes and the store
/// go on.
#[test]
fn a_disk_that_fails_it() {
    let pairs = puts(0, 40);
    let run = |options: &Options, plans: Vec<Plan>| -> (FaultVfs, SimVfs, bool) {
        let disk = SimVfs::new(3);
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), options).expect("a new store");
        db.put(b"before", b"1").expect("put");
        let name = format!("{plans:?}");
        plans.into_iter().for_each(|plan| vfs.inject(plan));
        let outcome = db.bulk_load(BulkOptions::new()).and_then(|mut load| match fill(&mut load, &pairs) {
            Ok(()) => load.finish(),
            Err(error) => {
                let again = load.put(b"k", b"v").expect_err("a load that failed goes on failing");
                assert_eq!(again.to_string(), error.to_string());
                assert_eq!(load.finish().expect_err("and does not end").to_string(), error.to_string());
                Err(error)
            }
        });
        vfs.heal();
        let mut state = Map::from([(b"before".to_vec(), b"1".to_vec())]);
        let stopped = matches!(outcome, Err(Error::WritesStopped { .. }));
        match &outcome {
            Ok(()) => state.extend(state_of(&pairs)),
            Err(error) => assert!(is_io(error), "{name}: {error:?}"),
        }
        assert_eq!(dump(&db).expect("read"), state, "{name}");
        match db.put(b"after", b"2") {
            Ok(()) if !stopped => drop(state.insert(b"after".to_vec(), b"2".to_vec())),
            Err(Error::WritesStopped { .. }) if stopped => {}
            other => panic!("{name}: {other:?} after {outcome:?}"),
        }
        if !stopped {
            let killed = disk.kill();
            db.close().expect("close");
            for disk in [killed, disk.clone()] {
                let again = open(disk, options).expect("it opens");
                assert!(again.open_report().damage.is_empty(), "{name}: {:?}", again.open_report());
                assert_eq!(dump(&again).expect("read"), state, "{name}");
            }
        }
        (vfs, disk, outcome.is_err())
    };
    for kind in KINDS {
        let options = quiet().index(kind);
        let (vfs, _, failed) = run(&options, Vec::new());
        assert!(!failed);
        let mut failures = 0;
        for n in 0..vfs.total() {
            for plan in [Plan::once(Fault::Error(errno::EIO), n), Plan::forever(Fault::Error(errno::ENOSPC), n)] {
                failures += usize::from(run(&options, vec![plan]).2);
            }
        }
        assert!(failures > 40, "{failures} of {} plans made it fail", vfs.total() * 2);
    }
    // A disk that is full for files: the load is given up and its space is there again.
    let options = quiet();
    let full = Plan {
        fault: Fault::Error(errno::ENOSPC),
        filter: Filter::any().kinds(&[OpKind::Write]).suffix(".data.tmp"),
        nth: 3,
        forever: true,
    };
    let (_, disk, failed) = run(&options, vec![full]);
    assert!(failed);
    assert_eq!(temporary(&disk), 0);
}

/// Power cuts and kills at every operation while two loads and single writes are interleaved.
#[test]
fn cuts_while_others_write() {
    let mut states = 0;
    for (n, kind) in KINDS.into_iter().enumerate() {
        let options = quiet().index(kind);
        let disk = SimVfs::new(7 + n as u64);
        let db = open(disk.clone(), &options).expect("a new store");
        let mut history = History::default();
        let (first, second) = (puts(0, 24), puts(1, 24));
        let (mut a, mut b) = (begin(&db), begin(&db));
        for i in 0..24 {
            fill(&mut a, &first[i..=i]).expect("put");
            fill(&mut b, &second[i..=i]).expect("put");
            if i % 2 == 0 {
                let started = disk.op_count();
                let put = (key(i), Some(value(b"other", i, 200)));
                db.put(&put.0, put.1.as_deref().unwrap_or_default()).expect("put");
                history.push(vec![put], started, disk.op_count());
            }
        }
        // The later one ends first: the other is numbered anew.
        for (load, pairs) in [(b, second), (a, first)] {
            let started = disk.op_count();
            load.finish().expect("finish");
            history.push(pairs, started, disk.op_count());
            history.durable_at(disk.op_count());
            let started = disk.op_count();
            db.put(b"between", &value(b"between", started, 100)).expect("put");
            history.push(vec![(b"between".to_vec(), Some(value(b"between", started, 100)))], started, disk.op_count());
        }
        db.close().expect("close");
        history.durable_at(disk.op_count());
        let mut rng = Rng(n as u64);
        for at in 0..=disk.op_count() {
            let mut choices = vec![
                CrashChoice::LoseUnsynced,
                CrashChoice::KeepAll,
                CrashChoice::Pages { seed: rng.next(), unit: 512 },
                CrashChoice::Entries(rng.next()),
                CrashChoice::DropOne(rng.below(disk.unsynced_ops(at))),
            ];
            if let Some(len) = disk.last_write_len(at) {
                choices.push(CrashChoice::CutLastWrite(rng.below(len)));
            }
            for choice in choices {
                let from = match choice {
                    CrashChoice::KeepAll => history.acked(at),
                    _ => history.durable(at),
                };
                let to = history.started(at);
                let cut = disk.crash(at, &choice);
                let db = open(cut.clone(), &quiet().index(index(n + states))).expect("it opens");
                assert!(db.open_report().damage.is_empty(), "{choice:?} at {at}: {:?}", db.open_report());
                let found = dump(&db).expect("read");
                let prefix = history.prefix_of(&found, from, to);
                assert!(prefix.is_some(), "{choice:?} at {at}: {}", history.explain(&found, from, to));
                assert_eq!(temporary(&cut), 0);
                begin(&db).put(b"k", b"v").expect("writing goes on");
                db.put(b"k", b"v").expect("writing goes on");
                states += 1;
            }
        }
    }
    assert!(states > 2000 && NEVER > states, "{states} states");
}
