//! Readers beside a writer. A location carries a check of its key, so that a torn or foreign one shows.

use super::*;
use crate::index::testing::mix;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The `round`th location of key `n`: all bits depend on both.
fn location(n: u64, round: u64) -> Location {
    Location::from_bits(mix(n << 8 | round & 0xff) & !0xff | round & 0xff)
}

fn is_of(found: Location, n: u64) -> bool {
    location(n, found.to_bits() & 0xff) == found
}

const KEYS: u64 = 20_000;

fn key(n: u64) -> [u8; 8] {
    n.to_be_bytes()
}

/// Every tenth key stays as it is.
fn stays(n: u64) -> bool {
    n.is_multiple_of(10)
}

fn apply_one(index: &HashIndex, n: u64, new: Option<Location>) {
    index.apply(&mut [Change { key: &key(n), new, old: None }]).unwrap();
}

fn filled() -> HashIndex {
    let index = HashIndex::new(*b"sixteen key byte");
    (0..KEYS).for_each(|n| apply_one(&index, n, Some(location(n, 0))));
    index
}

/// Inserts, replaces and removes the keys that don't stay, in phases that grow the table and shrink it.
fn write(index: &HashIndex, rounds: u64) {
    for round in 1..=rounds {
        for i in 0..KEYS {
            let n = mix(round << 32 | i) % KEYS;
            let put = mix(i ^ round) % 10 < if round % 2 == 0 { 9 } else { 1 };
            if !stays(n) {
                apply_one(index, n, put.then(|| location(n, round)));
            }
        }
    }
}

fn read(index: &HashIndex, mut seed: u64) {
    for _ in 0..200 {
        seed = mix(seed);
        let staying: Vec<_> = (0..40).map(|i| mix(seed ^ i) % (KEYS / 10) * 10).collect();
        for &n in &staying {
            assert_eq!(index.get(&key(n)).unwrap(), Some(location(n, 0)), "a key that stays");
        }
        let changing = seed % KEYS;
        assert!(index.get(&key(changing)).unwrap().is_none_or(|l| is_of(l, changing)));
        let keys: Vec<_> = staying.iter().map(|&n| key(n)).collect();
        let keys: Vec<_> = keys.iter().map(|key| &key[..]).collect();
        let mut many = vec![None; keys.len()];
        index.get_many(&keys, &mut many).unwrap();
        assert!(staying.iter().zip(many).all(|(&n, found)| found == Some(location(n, 0))));
        assert!(index.get(&key(KEYS + seed % KEYS)).unwrap().is_none());
    }
}

/// Runs readers beside `write` until it ends.
fn beside(readers: usize, write: impl FnOnce() + Send, read: impl Fn(u64) + Sync) {
    let (stop, seeds) = (AtomicBool::new(false), AtomicUsize::new(1));
    std::thread::scope(|s| {
        let readers: Vec<_> = (0..readers)
            .map(|_| {
                s.spawn(|| {
                    while !stop.load(Relaxed) {
                        read(seeds.fetch_add(1, Relaxed) as u64);
                    }
                })
            })
            .collect();
        s.spawn(write).join().expect("writer");
        stop.store(true, Relaxed);
        readers.into_iter().for_each(|r| r.join().expect("reader"));
    });
}

#[test]
fn keys_that_stay_are_found_beside_a_writer() {
    let index = filled();
    beside(3, || write(&index, 12), |seed| read(&index, seed));
    index.table.check();
}

/// The whole table comes and goes: all splits and merges from one segment on, and memory given back beside readers.
#[test]
fn a_table_that_comes_and_goes_gives_no_foreign_location() {
    let index = HashIndex::new(*b"sixteen key byte");
    let empty = index.memory();
    let write = || {
        for round in 0..6 {
            (0..KEYS).for_each(|n| apply_one(&index, n, Some(location(n, round))));
            (0..KEYS).for_each(|n| apply_one(&index, n, None));
            assert!(index.is_empty());
        }
    };
    beside(3, write, |mut seed| {
        for _ in 0..1000 {
            seed = mix(seed);
            let n = seed % KEYS;
            assert!(index.get(&key(n)).unwrap().is_none_or(|l| is_of(l, n)));
            let drawn = index.sample(&mut || mix(seed)).unwrap();
            assert!(drawn.is_none_or(|l| l.to_bits() & 0xff < 6));
        }
    });
    index.table.check();
    // What readers were in the way of is given back by a later change.
    apply_one(&index, 1, Some(location(1, 0)));
    apply_one(&index, 1, None);
    assert!(index.memory() < empty + 1200, "{} bytes for nothing", index.memory());
}

#[test]
fn batches_are_seen_whole_beside_single_changes() {
    let index = filled();
    let write = || {
        for round in 0..20_000 {
            let keys = [key(KEYS), key(KEYS + 1)];
            let mut changes = keys.each_ref().map(|key| Change { key, new: Some(location(7, round)), old: None });
            index.apply(&mut changes).unwrap();
            apply_one(&index, round % KEYS, (round % 3 != 0).then(|| location(round % KEYS, round)));
        }
    };
    beside(2, write, |_| {
        // The second can't be older than the first, as long as the table is held between the two looks.
        let state = index.table.read();
        let (first, second) = (index.fingerprint(&key(KEYS)), index.fingerprint(&key(KEYS + 1)));
        for _ in 0..50 {
            assert_eq!(state.get(first), state.get(second), "half a batch");
        }
    });
    index.table.check();
}

/// Spilled entries are changed without readers; they come and go among others.
#[test]
fn a_spill_comes_and_goes_beside_readers() {
    let table = Table::new();
    let f = |n: u64| {
        if n.is_multiple_of(10) { (u128::from(mix(n)) << 64) | u128::from(mix(!n)) } else { u128::from(n) << 64 }
    };
    (0..2000)
        .filter(|n| stays(*n))
        .for_each(|n| assert_eq!(table.set(f(n), Some(location(n, 0).to_bits())).unwrap(), None));
    let write = || {
        for round in 1..10 {
            for new in [Some(round), None] {
                for n in (0..2000).filter(|n| !stays(*n)) {
                    table.set(f(n), new.map(|round| location(n, round).to_bits())).unwrap();
                }
                assert!(new.is_none() || !table.read().spill.is_empty());
            }
        }
    };
    beside(2, write, |seed| {
        for n in 0..2000 {
            let found = table.read().get(f(n)).map(Location::from_bits);
            assert!(found.is_none_or(|l| is_of(l, n)), "{seed}");
            assert!(found.is_some() || !stays(n));
        }
    });
    table.check();
}

/// A look must not outlast 2^32 changes of a segment: the writer takes the lock exclusively long before.
#[test]
fn the_budget_of_versions_is_refilled_by_an_exclusive_hold() {
    let index = filled();
    index.table.exhaust_budget();
    apply_one(&index, 1, Some(location(1, 1)));
    assert_eq!(index.get(&key(1)).unwrap(), Some(location(1, 1)));
    index.table.check();
}

#[test]
fn samples_are_even() {
    let index = HashIndex::new(*b"sixteen key byte");
    assert_eq!(index.sample(&mut || 7).unwrap(), None);
    // In the middle of a round of splits: some segments have twice the entries of others.
    (0..3000).for_each(|n| apply_one(&index, n, Some(Location::from_bits(n))));
    let (mut seed, mut drawn, mut hits) = (1, vec![0u32; 3000], 0);
    while hits < 300_000 {
        let mut random = || {
            seed = mix(seed);
            seed
        };
        if let Some(found) = index.sample(&mut random).unwrap() {
            drawn[found.to_bits() as usize] += 1;
            hits += 1;
        }
    }
    // A hundred each; 5 standard deviations.
    assert!(drawn.iter().all(|n| (50..150).contains(n)), "{:?}..{:?}", drawn.iter().min(), drawn.iter().max());
}

#[test]
fn many_lookups_are_what_single_ones_are() {
    let index = filled();
    let keys: Vec<_> = (0..KEYS * 2).map(key).collect();
    let keys: Vec<_> = keys.iter().map(|key| &key[..]).chain([&b""[..]]).collect();
    for size in [1, 2, 31, 32, 33, 1000, keys.len()] {
        for part in keys.chunks(size).take(50) {
            let mut out = vec![Some(location(0, 0)); part.len()];
            index.get_many(part, &mut out).unwrap();
            assert!(part.iter().zip(out).all(|(key, found)| index.get(key).unwrap() == found));
        }
    }
    let mut out = [Some(location(0, 0)); 2];
    HashIndex::new([7; 16]).get_many(&[b"a", b"b"], &mut out).unwrap();
    assert_eq!(out, [None, None]);
}
