//! What goes on beside a merge: writers, readers, snapshots, iterators and lent values, callbacks, forks.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bitcask::vfs::sim::SimVfs;
use bitcask::{Error, IterOptions};

use super::common::history::merge_options;
use super::common::{IO_KINDS, KINDS, Map, Rng, at, check_accounts, dump, index, open, quiet, report};
use super::{all, check, fill, key};

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
