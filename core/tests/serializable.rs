//! Transactions from several threads at once, and whether what they saw is serial.
//!
//! The checker needs no search. Each transaction that wrote has a number, which the store claims to be its place in a serial
//! order, and one that only read has that of its beginning. So the claim is checked itself: committed transactions are done
//! again in the order of their numbers, by a map, and everything that each of them saw must be what the map has then.
//! That they are serializable follows, for here is the order; a store that is serializable by another order only is
//! refused, and rightly: the log is in this one, and recovery would give another result. It is strict if besides no
//! transaction has a place before one that was acknowledged before it began; that is checked by the numbers seen at
//! the beginning. Values are never written twice, so that a read can't be right by chance.
//!
//! `BITCASK_SERIAL_ROUNDS=n` sets the transactions of a thread.

mod common;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Error, IndexKind, IterOptions, Options, SeqNo, Transaction};

use common::{IO_KINDS, KINDS, Map, Rng, dump, factor, number_from_env, open, quiet, report};

const THREADS: usize = 4;
const KEYS: usize = 12;

/// What a transaction did, in its order.
#[derive(Debug)]
enum Did {
    Read(Vec<u8>, Option<Vec<u8>>),
    /// From a key on, at most so many, and what there was.
    Walked(Vec<u8>, usize, bool, Vec<(Vec<u8>, Vec<u8>)>),
    Wrote(Vec<u8>, Option<Vec<u8>>),
    Deleted(Vec<u8>, Vec<u8>),
}

#[derive(Debug)]
struct Done {
    /// The last commit that it saw at its beginning.
    begun: SeqNo,
    /// Its place.
    place: SeqNo,
    wrote: bool,
    did: Vec<Did>,
}

fn key(n: usize) -> Vec<u8> {
    format!("k{n:02}").into_bytes()
}

/// Does a random transaction up to its commit. `None` if it was refused.
fn random(db: &Db, rng: &mut Rng, writes: &AtomicU64) -> Option<Done> {
    let mut txn = db.transaction().expect("it begins");
    let (begun, mut did) = (txn.seq().expect("it has begun"), Vec::new());
    for _ in 0..1 + rng.below(6) {
        did.push(act(&mut txn, rng, writes));
        if rng.below(4) == 0 {
            std::thread::yield_now();
        }
    }
    let wrote = !txn.is_empty();
    if wrote {
        // Deletes of what is not there write nothing and get no number of their own.
        let value = format!("{}", writes.fetch_add(1, Ordering::Relaxed)).into_bytes();
        txn.put(b"last", &value).expect("it takes it");
        did.push(Did::Wrote(b"last".to_vec(), Some(value)));
    }
    match txn.commit() {
        Ok(place) => Some(Done { begun, place, wrote, did }),
        Err(Error::Conflict) => None,
        Err(error) => panic!("{error}"),
    }
}

fn act(txn: &mut Transaction, rng: &mut Rng, writes: &AtomicU64) -> Did {
    let key = key(rng.below(KEYS));
    match rng.below(12) {
        0..=4 => {
            let value = txn.get(&key).expect("it reads").map(bitcask::Value::into_vec);
            Did::Read(key, value)
        }
        5 | 6 => {
            let (limit, reverse) = (1 + rng.below(4), rng.below(2) == 0);
            let options = IterOptions::new().reverse(reverse).limit(limit as u64);
            let mut iter = txn.iter(&options).expect("it iterates");
            iter.seek(&key);
            let seen = iter.map(|record| record.expect("a record")).map(|(k, v)| (k, v.into_vec())).collect();
            Did::Walked(key, limit, reverse, seen)
        }
        7..=9 => {
            let value = format!("{}", writes.fetch_add(1, Ordering::Relaxed)).into_bytes();
            txn.put(&key, &value).expect("it takes it");
            Did::Wrote(key, Some(value))
        }
        10 => {
            txn.delete(&key).expect("it takes it");
            Did::Wrote(key, None)
        }
        _ => {
            let end = [&key[..], &[0xFF]].concat();
            txn.delete_range(Bound::Included(&key), Bound::Excluded(&end)).expect("it takes it");
            Did::Deleted(key, end)
        }
    }
}

/// Does a transaction again, over the state at its place, and compares what it saw.
fn replay(state: &mut Map, done: &Done) {
    let mut own = state.clone();
    for did in &done.did {
        match did {
            Did::Read(key, seen) => assert_eq!(own.get(key), seen.as_ref(), "{done:?}"),
            Did::Walked(from, limit, reverse, seen) => {
                let there: Vec<_> = if *reverse {
                    own.range(..=from.clone()).rev().take(*limit).collect()
                } else {
                    own.range(from.clone()..).take(*limit).collect()
                };
                assert!(there.into_iter().eq(seen.iter().map(|(key, value)| (key, value))), "{done:?} at {own:?}");
            }
            Did::Wrote(key, Some(value)) => _ = own.insert(key.clone(), value.clone()),
            Did::Wrote(key, None) => _ = own.remove(key),
            Did::Deleted(from, end) => own.retain(|key, _| !(from..end).contains(&key)),
        }
    }
    *state = own;
}

fn histories(kind: IndexKind, seed: u64) {
    let rounds = number_from_env("BITCASK_SERIAL_ROUNDS").unwrap_or(1000 * factor());
    for (n, io) in IO_KINDS.into_iter().enumerate() {
        let since = Instant::now();
        let disk = SimVfs::new(3);
        // Small files, so that it rotates all the time.
        let options = quiet().index(kind).io(io).max_file_size(Options::MIN_MAX_FILE_SIZE);
        let db = open(disk.clone(), &options).expect("it opens");
        let (all, refused, writes) = (Mutex::new(Vec::new()), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (db, all, refused, writes) = (&db, &all, &refused, &writes);
                scope.spawn(move || {
                    let mut rng = Rng(seed * 1000 + (n * THREADS + thread) as u64);
                    let (mut mine, mut last) = (Vec::new(), SeqNo::ZERO);
                    for _ in 0..rounds {
                        match random(db, &mut rng, writes) {
                            Some(done) => {
                                assert!(
                                    done.begun >= last,
                                    "it began before one that this thread had finished: {done:?}"
                                );
                                last = last.max(done.place);
                                mine.push(done);
                            }
                            None => _ = refused.fetch_add(1, Ordering::Relaxed),
                        }
                    }
                    all.lock().expect("no panic").append(&mut mine);
                });
            }
        });
        let mut all = all.into_inner().expect("no panic");
        // Those that only read stand behind the commit that they saw.
        all.sort_by_key(|done| (done.place, !done.wrote));
        let mut state = Map::new();
        for done in &all {
            assert!(!done.wrote || done.begun <= done.place, "{done:?}");
            replay(&mut state, done);
        }
        assert_eq!(dump(&db).expect("it reads"), state);
        let left = open(disk.kill(), &quiet()).expect("it opens");
        assert_eq!(dump(&left).expect("it reads"), state, "recovery");
        let (committed, refused) = (all.len(), refused.into_inner());
        assert!(committed > 0 && refused > 0, "{committed} committed, {refused} refused: nothing was tested");
        report(
            "serializable",
            format!("{kind:?}, {io:?}: {committed} committed, {refused} refused, seed {seed}"),
            since,
        );
    }
}

#[test]
fn what_transactions_saw_is_serial() {
    for (n, kind) in KINDS.into_iter().enumerate() {
        histories(kind, 11 + n as u64);
    }
}

fn store(kind: IndexKind) -> Db {
    let db = open(SimVfs::new(3), &quiet().index(kind)).expect("it opens");
    for (key, value) in [(&b"a"[..], &b"1"[..]), (b"b", b"1"), (b"m", b"1")] {
        db.put(key, value).expect("it writes");
    }
    db
}

fn is_conflict(outcome: &bitcask::Result<SeqNo>) -> bool {
    matches!(outcome, Err(Error::Conflict))
}

/// Each reads what the other writes: one of them must not commit.
#[test]
fn write_skew_is_a_conflict() {
    for kind in KINDS {
        let db = store(kind);
        let (mut one, mut two) = (db.transaction().expect("it begins"), db.transaction().expect("it begins"));
        for txn in [&one, &two] {
            assert!(txn.get(b"a").expect("it reads").is_some() && txn.get(b"b").expect("it reads").is_some());
        }
        one.put(b"a", b"2").expect("it takes it");
        two.put(b"b", b"2").expect("it takes it");
        one.commit().expect("nothing has changed");
        assert!(is_conflict(&two.commit()));
        assert_eq!(db.get(b"b").expect("it reads").as_deref(), Some(&b"1"[..]));
        assert!(matches!(two.commit(), Err(Error::TransactionFinished)));
    }
}

/// A key that comes into a range that was gone through, or goes out of it, or was missing when it was looked up.
#[test]
fn phantoms_are_conflicts_and_what_lies_outside_is_none() {
    let walk = |db: &Db, options: &IterOptions, records: usize| {
        let txn = db.transaction().expect("it begins");
        let seen = txn.iter(options).expect("it iterates").take(records).count();
        (txn, seen)
    };
    // A change, and whether it is a conflict for whoever has seen `a` and `b` alone, from below, or all up to `c`.
    let put = |key: &'static [u8]| move |db: &Db| db.put(key, b"new").expect("it writes");
    type Change = Box<dyn Fn(&Db)>;
    let cases: Vec<(Change, bool, bool)> = vec![
        (Box::new(put(b"aa")), true, true),
        (Box::new(put(b"b")), true, true),
        (Box::new(put(b"\0")), true, true),
        (Box::new(put(b"b\0")), false, true),
        (Box::new(put(b"bb")), false, true),
        (Box::new(put(b"c")), false, false),
        (Box::new(put(b"z")), false, false),
        (Box::new(|db| assert!(db.delete(b"a").expect("it writes"))), true, true),
        // Nothing is there to be deleted.
        (Box::new(|db| assert!(!db.delete(b"ab").expect("it writes"))), false, false),
        (
            Box::new(|db| {
                let mut batch = db.batch();
                batch.delete_prefix(b"b").expect("it takes it");
                batch.commit().expect("it writes");
            }),
            true,
            true,
        ),
    ];
    for kind in KINDS {
        for (n, (change, two, to_c)) in cases.iter().enumerate() {
            let db = store(kind);
            let (mut some, seen) = walk(&db, &IterOptions::new(), 2);
            let (mut all, all_seen) = walk(&db, &IterOptions::new().end(Bound::Excluded(b"c")), 9);
            let (mut back, back_seen) = walk(&db, &IterOptions::new().end(Bound::Excluded(b"c")).reverse(true), 9);
            assert_eq!((seen, all_seen, back_seen), (2, 2, 2));
            let (mut none, _) = walk(&db, &IterOptions::new(), 0);
            let mut missing = db.transaction().expect("it begins");
            assert!(missing.get(b"bb").expect("it reads").is_none());
            change(&db);
            for txn in [&mut some, &mut all, &mut back, &mut none, &mut missing] {
                txn.put(b"out", b"1").expect("it takes it");
            }
            assert_eq!(is_conflict(&some.commit()), *two, "{kind:?}, case {n}, two records");
            assert_eq!(is_conflict(&all.commit()), *to_c, "{kind:?}, case {n}, up to c");
            assert_eq!(is_conflict(&back.commit()), *to_c, "{kind:?}, case {n}, down from c");
            assert!(!is_conflict(&none.commit()), "an iterator that gave nothing has read nothing");
            assert_eq!(is_conflict(&missing.commit()), n == 4);
        }
    }
}

/// Who writes without reading never conflicts; who asks for it does.
#[test]
fn blind_writes_commit_and_get_for_update_makes_them_depend() {
    for kind in KINDS {
        let db = store(kind);
        let [mut blind, mut asks, mut reads_own] = [0; 3].map(|_| db.transaction().expect("it begins"));
        for txn in [&mut blind, &mut asks, &mut reads_own] {
            txn.put(b"a", b"mine").expect("it takes it");
        }
        assert_eq!(reads_own.get(b"a").expect("it reads").as_deref(), Some(&b"mine"[..]));
        assert_eq!(asks.get_for_update(b"a").expect("it reads").as_deref(), Some(&b"mine"[..]));
        db.put(b"a", b"2").expect("it writes");
        let first = blind.commit().expect("it read nothing");
        assert!(is_conflict(&asks.commit()));
        assert!(reads_own.commit().expect("its own write is not the store's") > first);
        // One that wrote nothing is as if made at its beginning.
        let mut reader = db.transaction().expect("it begins");
        reader.get(b"a").expect("it reads");
        db.put(b"a", b"3").expect("it writes");
        assert_eq!(reader.commit().expect("it wrote nothing"), first.next());
        assert!(matches!(reader.get(b"a"), Err(Error::TransactionFinished)));
    }
}

/// Counters, swaps and updates from several threads: none is lost, and of many that create a key one does.
#[test]
fn changes_of_one_key_are_atomic() {
    for (n, kind) in KINDS.into_iter().enumerate() {
        let disk = SimVfs::new(n as u64);
        let db = open(disk.clone(), &quiet().index(kind)).expect("it opens");
        let rounds = 200 * factor() as i64;
        let (created, swapped) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..THREADS as i64 {
                let (db, created, swapped) = (&db, &created, &swapped);
                scope.spawn(move || {
                    let mut last = i64::MIN;
                    for round in 0..rounds {
                        let before = db.fetch_add(b"counter", 1 + thread).expect("it adds");
                        assert!(before > last, "a counter that only grows");
                        last = before;
                        let name = format!("one{round}");
                        let won = db.put_if_absent(name.as_bytes(), &[thread as u8]).expect("it puts");
                        created.fetch_add(u64::from(won), Ordering::Relaxed);
                        if won {
                            let (old, new) = ([thread as u8], [thread as u8, 1]);
                            assert!(db.compare_and_swap(name.as_bytes(), Some(&old), Some(&new)).expect("it swaps"));
                        }
                        let taken = db.compare_and_swap(b"token", None, Some(&[thread as u8])).expect("it swaps");
                        if taken {
                            swapped.fetch_add(1, Ordering::Relaxed);
                            assert!(db.compare_and_swap(b"token", Some(&[thread as u8]), None).expect("it is ours"));
                        }
                        db.update(b"list", |list| Some([list.unwrap_or_default(), &[thread as u8]].concat()))
                            .expect("it updates");
                    }
                });
            }
        });
        let sum: i64 = (1..=THREADS as i64).sum::<i64>() * rounds;
        assert_eq!(db.fetch_add(b"counter", 0).expect("it reads"), sum);
        assert_eq!(created.into_inner(), rounds as u64);
        assert!(swapped.into_inner() > 0 && !db.contains(b"token").expect("it looks"));
        let list = db.get(b"list").expect("it reads").expect("it is there");
        let mut counts = BTreeMap::new();
        list.iter().for_each(|thread| *counts.entry(*thread).or_insert(0) += 1);
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [rounds; THREADS]);
        let all = dump(&db).expect("it reads");
        assert_eq!(dump(&open(disk.kill(), &quiet()).expect("it opens")).expect("it reads"), all);
    }
}

#[test]
fn changes_of_one_key_say_what_they_found() {
    for kind in KINDS {
        let db = store(kind);
        assert!(!db.compare_and_swap(b"a", Some(b"2"), Some(b"3")).expect("it compares"));
        assert!(!db.compare_and_swap(b"a", None, Some(b"3")).expect("it compares"));
        assert!(!db.compare_and_swap(b"new", Some(b""), Some(b"3")).expect("an empty value is not none"));
        assert!(db.compare_and_swap(b"new", None, None).expect("it compares"));
        assert!(db.compare_and_swap(b"a", Some(b"1"), Some(b"")).expect("it swaps"));
        assert!(!db.put_if_absent(b"a", b"x").expect("an empty value is there"));
        assert!(db.compare_and_swap(b"a", Some(b""), None).expect("it removes"));
        assert!(db.get(b"a").expect("it reads").is_none());
        assert!(matches!(db.fetch_add(b"b", 1), Err(Error::InvalidArgument { .. })), "not of 8 bytes");
        assert_eq!(db.fetch_add(b"n", i64::MAX).expect("it adds"), 0);
        assert!(matches!(db.fetch_add(b"n", 1), Err(Error::InvalidArgument { .. })), "it overflows");
        assert_eq!(db.fetch_add(b"n", i64::MIN).expect("it adds"), i64::MAX);
        assert_eq!(db.get(b"n").expect("it reads").as_deref(), Some(&(-1_i64).to_le_bytes()[..]));
        assert_eq!(db.update(b"m", |_| None).expect("it removes"), None);
        assert!(!db.contains(b"m").expect("it looks"));
        assert!(matches!(db.update(b"", |_| None), Err(Error::KeyEmpty)));
        // Inside of the closure the store is free.
        let nested =
            db.update(b"u", |_| db.get(b"n").ok().flatten().map(bitcask::Value::into_vec)).expect("it updates");
        assert_eq!(nested, Some((-1_i64).to_le_bytes().to_vec()));
        db.close().expect("it closes");
        assert!(matches!(db.fetch_add(b"n", 1), Err(Error::Closed)));
    }
}
