//! Readers beside a writer. A location carries a check of its key, so that a torn or foreign one shows.

use super::*;
use crate::index::testing::mix;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The `round`th location of a key: both halves depend on the key and on each other.
fn location(key: &[u8], round: u64) -> Location {
    let hash = key.iter().fold(round & 0xff, |h, b| mix(h ^ u64::from(*b)));
    Location::from_bits(hash & !0xff | round & 0xff)
}

fn is_of(location: Location, key: &[u8]) -> bool {
    self::location(key, location.to_bits() & 0xff) == location
}

/// Key number `n`; lengths and prefixes vary, order is that of `n`'s scrambled bits.
fn key(n: u64) -> Vec<u8> {
    let mut key = format!("{:04x}", mix(n) & 0xffff).into_bytes();
    key.extend(std::iter::repeat_n(b'p', (mix(n) >> 20) as usize % 40));
    key.extend(n.to_be_bytes());
    key
}

const KEYS: u64 = 6000;

/// Every tenth key stays as it is.
fn stays(n: u64) -> bool {
    n.is_multiple_of(10)
}

fn apply_one(tree: &BTree, key: &[u8], new: Option<Location>) {
    tree.apply(&mut [Change { key, new, old: None }]).unwrap();
}

/// A tree and what stays in it, in order.
fn filled() -> (BTree, Vec<Vec<u8>>) {
    let tree = BTree::new();
    for n in 0..KEYS {
        apply_one(&tree, &key(n), Some(location(&key(n), 0)));
    }
    let mut staying: Vec<_> = (0..KEYS).filter(|n| stays(*n)).map(key).collect();
    staying.sort_unstable();
    (tree, staying)
}

/// Inserts, replaces and removes the keys that don't stay, in phases that fill the tree and empty it.
fn write(tree: &BTree, rounds: u64) {
    for round in 1..=rounds {
        for i in 0..KEYS {
            let n = mix(round << 32 | i) % KEYS;
            // With every key but those that stay gone, pages merge; with all there, they split.
            let put = mix(i ^ round) % 10 < if round % 2 == 0 { 9 } else { 1 };
            if !stays(n) {
                let key = key(n);
                apply_one(tree, &key, put.then(|| location(&key, round)));
            }
        }
    }
}

fn read_points(tree: &BTree, staying: &[Vec<u8>], mut seed: u64) {
    for _ in 0..200 {
        seed = mix(seed);
        let keys: Vec<_> = (0..40).map(|i| &staying[(mix(seed ^ i) % staying.len() as u64) as usize][..]).collect();
        let changing = key(seed % KEYS);
        for key in &keys {
            let found = tree.get(key).unwrap().expect("a key that stays");
            assert_eq!(found, location(key, 0));
        }
        assert!(tree.get(&changing).unwrap().is_none_or(|l| is_of(l, &changing)));
        let mut many = vec![None; keys.len()];
        tree.get_many(&keys, &mut many).unwrap();
        assert!(keys.iter().zip(many).all(|(key, found)| found == Some(location(key, 0))));
    }
}

fn scan_all(tree: &BTree, direction: Direction, max: usize) -> Vec<(Vec<u8>, Location)> {
    let (mut all, mut page) = (Vec::<(Vec<u8>, Location)>::new(), KeyPage::new());
    loop {
        page.clear();
        let start = all.last().map_or(Start::Edge, |(key, _)| Start::After(key));
        tree.scan(start, direction, max, &mut page).unwrap();
        if page.is_empty() {
            return all;
        }
        let own = (0..page.len()).filter_map(|i| page.get(i)).map(|(key, location)| (key.to_vec(), location));
        let own: Vec<_> = own.collect();
        all.extend(own);
    }
}

fn read_scans(tree: &BTree, staying: &[Vec<u8>], seed: u64) {
    for (direction, max) in [
        (Direction::Forward, 1 << 20),
        (Direction::Reverse, 1 << 20),
        (Direction::Forward, 70),
        (Direction::Reverse, 70),
    ] {
        let mut all = scan_all(tree, direction, max + seed as usize % 9);
        if direction == Direction::Reverse {
            all.reverse();
        }
        assert!(all.is_sorted_by(|a, b| a.0 < b.0), "order");
        assert!(all.iter().all(|(key, l)| is_of(*l, key)), "a foreign location");
        let kept: Vec<_> = all.iter().map(|(key, _)| key).filter(|key| staying.binary_search(key).is_ok()).collect();
        assert_eq!(kept.len(), staying.len(), "keys that stay, in a scan");
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

fn check(tree: &BTree) {
    let writer = tree.writer.lock();
    tree.read().check(&writer);
}

#[test]
fn keys_that_stay_are_found_beside_a_writer() {
    let (tree, staying) = filled();
    beside(3, || write(&tree, 12), |seed| read_points(&tree, &staying, seed));
    check(&tree);
}

#[test]
fn scans_are_ordered_and_complete_beside_a_writer() {
    let (tree, staying) = filled();
    beside(3, || write(&tree, 12), |seed| read_scans(&tree, &staying, seed));
    check(&tree);
}

/// The whole tree comes and goes, so that its root changes and chunks of memory are given back beside readers.
#[test]
fn a_tree_that_comes_and_goes_gives_no_foreign_location() {
    let tree = BTree::new();
    let keys: Vec<_> = (0..20_000).map(key).collect();
    let write = || {
        for round in 0..4 {
            keys.iter().for_each(|key| apply_one(&tree, key, Some(location(key, round))));
            keys.iter().for_each(|key| apply_one(&tree, key, None));
            assert!(tree.is_empty());
        }
    };
    beside(3, write, |mut seed| {
        for _ in 0..1000 {
            seed = mix(seed);
            let key = &keys[seed as usize % keys.len()];
            assert!(tree.get(key).unwrap().is_none_or(|l| is_of(l, key)));
            let drawn = tree.sample(&mut || mix(seed)).unwrap();
            assert!(drawn.is_none_or(|l| l.to_bits() & 0xff < 4));
        }
    });
    check(&tree);
    assert!(tree.memory() < 2 << 20, "{}", tree.memory());
}

#[test]
fn batches_are_seen_whole_beside_single_changes() {
    let (tree, _) = filled();
    let pair = [b"0-first".to_vec(), b"z-last".to_vec()];
    let write = || {
        for round in 0..2000 {
            let new = (round % 7 != 0).then(|| location(&pair[0], round));
            let mut changes = [&pair[0], &pair[1]].map(|key| Change { key, new, old: None });
            tree.apply(&mut changes).unwrap();
            let single = key(round);
            apply_one(&tree, &single, if round % 3 == 0 { None } else { Some(location(&single, round)) });
        }
    };
    beside(2, write, |_| {
        let mut page = KeyPage::new();
        tree.scan(Start::Edge, Direction::Forward, usize::MAX, &mut page).unwrap();
        let all: Vec<_> = (0..page.len()).filter_map(|i| page.get(i)).collect();
        let of = |key: &[u8]| all.iter().find(|(k, _)| *k == key).map(|(_, l)| *l);
        assert_eq!(of(&pair[0]), of(&pair[1]), "half a batch");
    });
    check(&tree);
}

/// Long keys, which are changed without readers, among others.
#[test]
fn long_keys_come_and_go_beside_readers() {
    let (tree, staying) = filled();
    let long = |n: u64| [key(n), vec![b'l'; 600 + n as usize]].concat();
    let write = || {
        for round in 0..3 {
            (0..300).for_each(|n| apply_one(&tree, &long(n), Some(location(&long(n), round))));
            super::stress::write(&tree, 1);
            (0..300).for_each(|n| apply_one(&tree, &long(n), None));
        }
    };
    beside(2, write, |seed| {
        read_points(&tree, &staying, seed);
        read_scans(&tree, &staying, seed);
        assert!(tree.get(&long(seed % 300)).unwrap().is_none_or(|l| is_of(l, &long(seed % 300))));
    });
    check(&tree);
}

/// A look must not outlast 2^32 changes of a page: the writer takes the lock exclusively long before.
#[test]
fn the_budget_of_versions_is_refilled_by_an_exclusive_hold() {
    let (tree, _) = filled();
    tree.writer.lock().budget.exhaust();
    apply_one(&tree, b"k", Some(location(b"k", 1)));
    assert!(tree.writer.lock().budget.spend());
    assert_eq!(tree.get(b"k").unwrap(), Some(location(b"k", 1)));
}

#[test]
fn samples_are_even() {
    let tree = BTree::new();
    assert_eq!(tree.sample(&mut || 7).unwrap(), None);
    // Leaves of very different fill: keys of 8 and of 300 bytes.
    let key = |n: u64| [n.to_be_bytes().to_vec(), vec![7; if n < 2000 { 0 } else { 300 }]].concat();
    (0..4000).for_each(|n| apply_one(&tree, &key(n), Some(Location::from_bits(n))));
    let (mut seed, mut drawn) = (1, vec![0u32; 4000]);
    let mut hits = 0;
    while hits < 400_000 {
        let mut random = || {
            seed = mix(seed);
            seed
        };
        if let Some(found) = tree.sample(&mut random).unwrap() {
            drawn[found.to_bits() as usize] += 1;
            hits += 1;
        }
    }
    // A hundred each; 5 standard deviations, and the halves against each other.
    assert!(drawn.iter().all(|n| (50..150).contains(n)), "{:?}", drawn.iter().minmax());
    let short: u32 = drawn[..2000].iter().sum();
    assert!(short.abs_diff(200_000) < 2000, "{short}");
}

trait MinMax: Iterator {
    fn minmax(self) -> (Option<Self::Item>, Option<Self::Item>)
    where
        Self: Sized + Clone,
        Self::Item: Ord,
    {
        (self.clone().min(), self.max())
    }
}

impl<I: Iterator> MinMax for I {}

#[test]
fn many_lookups_are_what_single_ones_are() {
    let (tree, _) = filled();
    let keys: Vec<_> = (0..KEYS * 2).map(|n| if n % 3 == 0 { vec![n as u8; 700] } else { key(n) }).collect();
    let keys: Vec<_> = keys.iter().map(Vec::as_slice).chain([&b""[..]]).collect();
    for size in [0, 1, 2, 15, 16, 17, 1000, keys.len()] {
        for part in keys.chunks(size.max(1)).take(if size == 0 { 0 } else { 50 }) {
            let mut out = vec![Some(Location::from_bits(1)); part.len()];
            tree.get_many(part, &mut out).unwrap();
            assert!(part.iter().zip(out).all(|(key, found)| tree.get(key).unwrap() == found));
        }
    }
    let mut out = [Some(Location::from_bits(1)); 2];
    BTree::new().get_many(&[b"a", b"b"], &mut out).unwrap();
    assert_eq!(out, [None, None]);
}

/// A leaf that never stays as it is long enough to be read whole is read in pieces.
#[test]
fn a_scan_ends_beside_a_key_that_changes_all_the_time() {
    let (tree, staying) = filled();
    let (done, changed) = (AtomicBool::new(false), &staying[staying.len() / 2]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                apply_one(&tree, changed, Some(location(changed, round)));
                if done.load(Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..50 {
            for direction in [Direction::Forward, Direction::Reverse] {
                let mut page = KeyPage::new();
                tree.scan(Start::Edge, direction, usize::MAX, &mut page).unwrap();
                assert_eq!(page.len() as u64, KEYS);
            }
        }
        done.store(true, Relaxed);
    });
}
