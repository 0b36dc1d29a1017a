//! Tests of the fingerprint table: against models, at every size, and with fingerprints that no keyed hash would give.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::table::Table;
use super::*;

fn location(n: u64) -> Location {
    Location::from_bits(n)
}

fn index() -> HashIndex {
    HashIndex::new(*b"sixteen key byte")
}

fn set(index: &HashIndex, key: &[u8], new: Option<u64>) -> Option<u64> {
    let mut change = [Change { key, new: new.map(location), old: None }];
    index.apply(&mut change).unwrap();
    change[0].old.map(Location::to_bits)
}

fn walk_all(index: &HashIndex, max: usize) -> Vec<u64> {
    let (mut position, mut out) = (WalkPosition::default(), Vec::new());
    while index.walk(&mut position, max, &mut out).unwrap() {}
    out.into_iter().map(Location::to_bits).collect()
}

/// A number's bits mixed (splitmix64), as a hash would.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn fingerprint(n: u64) -> u128 {
    (u128::from(mix(n)) << 64) | u128::from(mix(!n))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Calls of several changes each, keys drawn from few so that they meet again, in phases that grow and shrink.
    #[test]
    fn it_agrees_with_a_map(
        phases in prop::collection::vec((0u8..10, prop::collection::vec((0u16..3000, 0u8..10), 0..1500)), 1..6),
        per_call in 1usize..40,
    ) {
        let (index, mut model) = (index(), BTreeMap::new());
        let mut n = 0;
        for (deletes, operations) in phases {
            for call in operations.chunks(per_call) {
                let keys: Vec<_> = call.iter().map(|(key, _)| key.to_string()).collect();
                let mut changes: Vec<_> = call
                    .iter()
                    .zip(&keys)
                    .map(|(&(_, dice), key)| {
                        n += 1;
                        Change { key: key.as_bytes(), new: (dice >= deletes).then(|| location(n)), old: None }
                    })
                    .collect();
                index.apply(&mut changes).unwrap();
                for change in &changes {
                    let old = match change.new {
                        Some(new) => model.insert(change.key.to_vec(), new),
                        None => model.remove(change.key),
                    };
                    prop_assert_eq!(change.old, old);
                }
                prop_assert_eq!(index.len(), model.len() as u64);
            }
            index.table.check();
            for key in 0u16..3000 {
                let key = key.to_string();
                prop_assert_eq!(index.get(key.as_bytes()).unwrap(), model.get(key.as_bytes()).copied());
            }
            let mut walked = walk_all(&index, per_call);
            walked.sort_unstable();
            let mut expected: Vec<_> = model.values().map(|l| l.to_bits()).collect();
            expected.sort_unstable();
            prop_assert_eq!(walked, expected);
        }
    }

    /// Fingerprints of which only chosen bits vary: the table may spill, but stays right.
    #[test]
    fn it_agrees_with_a_map_whatever_the_fingerprints(
        mask in prop_oneof![Just(0xffu128), Just(0xfff0), Just(0xfff << 116), Just(0xfff << 20), Just(0xf000_000f), any::<u128>()],
        base in any::<u128>(),
        operations in prop::collection::vec((any::<u64>(), 0u8..10), 0..4000),
    ) {
        let (table, mut model) = (Table::new(), HashMap::new());
        for (i, (seed, dice)) in operations.into_iter().enumerate() {
            let f = (base & !mask) | (fingerprint(seed % 5000) & mask);
            if dice < 3 {
                prop_assert_eq!(table.set(f, None).unwrap(), model.remove(&f));
            } else {
                prop_assert_eq!(table.set(f, Some(seed)).unwrap(), model.insert(f, seed));
            }
            if i % 500 == 0 {
                table.check();
            }
        }
        table.check();
        for (&f, &l) in &model {
            prop_assert_eq!(table.read().get(f), Some(l));
        }
        prop_assert_eq!(table.len(), model.len() as u64);
    }
}

#[test]
fn a_key_changed_twice_in_one_call_sees_its_first_change() {
    let index = index();
    let change = |new: Option<u64>| Change { key: b"k", new: new.map(location), old: None };
    let mut changes = [change(Some(1)), change(Some(2)), change(None), change(None), change(Some(3))];
    index.apply(&mut changes).unwrap();
    let olds: Vec<_> = changes.iter().map(|c| c.old.map(Location::to_bits)).collect();
    assert_eq!(olds, [None, Some(1), Some(2), None, None]);
    assert_eq!((index.len(), index.get(b"k").unwrap()), (1, Some(location(3))));
}

#[test]
fn memory_follows_the_number_of_keys_up_and_down() {
    const N: u64 = 300_000;
    let (index, empty) = (index(), index().memory());
    let per_key = |n: u64| index.memory() as f64 / n as f64;
    for round in 0..2 {
        for n in 1..=N {
            assert_eq!(set(&index, &n.to_le_bytes(), Some(n + round)), None);
            let bound = if n >= 50_000 { 27.5 } else { 34.0 };
            assert!(n < 1000 || per_key(n) <= bound, "{n} keys: {}", per_key(n));
        }
        assert_eq!(index.table.read().spill.len(), 0);
        index.table.check();
        let mut walked = walk_all(&index, 1000);
        walked.sort_unstable();
        assert!(walked.into_iter().eq((1..=N).map(|n| n + round)));
        for n in 1..=N {
            assert_eq!(index.get(&n.to_le_bytes()).unwrap(), Some(location(n + round)));
        }
        for n in (1..=N).rev() {
            assert_eq!(set(&index, &n.to_le_bytes(), None), Some(n + round));
            // A size's last chunk, made when there was more, may be nearly empty, and the table of chunks stays long.
            assert!(index.memory() < empty + 27 * n + (96 << 10), "{n} keys: {}", index.memory());
        }
        index.table.check();
        assert_eq!((index.len(), index.get(&1u64.to_le_bytes()).unwrap()), (0, None));
        assert!(index.memory() < empty + 600, "{} bytes for nothing", index.memory());
    }
}

/// Tables that lie on huge pages: what is left of them lies on few, wherever the keys were that went.
#[test]
fn a_large_table_gives_memory_back_in_any_order() {
    const N: u64 = 700_000;
    /// Prime to N, so that its multiples are all numbers below it.
    const STEP: u64 = 433_003;
    let index = index();
    for n in 0..N {
        assert_eq!(set(&index, &n.to_le_bytes(), Some(n)), None);
    }
    assert!(index.memory() < 27 * N, "{} bytes", index.memory());
    for left in (0..N).rev() {
        let n = left * STEP % N;
        assert_eq!(set(&index, &n.to_le_bytes(), None), Some(n));
        if left % 10_000 == 0 {
            let bound = 27 * left + 3 * left + (5 << 19);
            assert!(index.memory() < bound, "{left} keys: {}", index.memory());
            assert_eq!(index.get(&n.to_le_bytes()).unwrap(), None);
            for i in (0..left).step_by(1009) {
                let n = i * STEP % N;
                assert_eq!(index.get(&n.to_le_bytes()).unwrap(), Some(location(n)));
            }
        }
    }
}

#[test]
fn equal_low_bits_neither_split_for_ever_nor_lose_entries() {
    for shift in [64, 20, 4] {
        let table = Table::new();
        let f = |n: u64| u128::from(n) << shift;
        for n in 0..20_000 {
            assert_eq!(table.set(f(n), Some(n)).unwrap(), None);
        }
        table.check();
        assert!(!table.read().spill.is_empty());
        for n in 0..20_000 {
            assert_eq!(table.set(f(n), Some(n + 1)).unwrap(), Some(n));
            assert_eq!(table.read().get(f(n) | 1), None);
        }
        let (mut position, mut walked) = (0, Vec::new());
        while let Some(next) = table.read().walk(position, 100, &mut walked) {
            position = next;
        }
        walked.sort_unstable();
        assert!(walked.into_iter().map(Location::to_bits).eq(1..=20_000));
        for n in 0..20_000 {
            assert_eq!(table.set(f(n), None).unwrap(), Some(n + 1));
        }
        table.check();
        assert_eq!((table.len(), table.read().spill.len()), (0, 0));
    }
}

/// All entries in group 0 of a few segments, of every fill: the other groups begin where the entries end.
#[test]
fn a_group_may_begin_at_the_end_of_a_full_block() {
    let table = Table::new();
    for n in 0..2_000u64 {
        let f = (u128::from(n) << 64) | u128::from(n % 8);
        table.set(f, Some(n)).unwrap();
        for bit in 3..12 {
            table.read().prefetch(&[f | (15 << bit)]);
            assert_eq!(table.read().get(f | (15 << bit)), None);
        }
    }
    table.check();
}

/// Every bit counts, whether it is kept in the entry or implied by its position.
#[test]
fn fingerprints_that_differ_in_one_bit_are_told_apart() {
    for fill in [0, 100, 2_000, 20_000, 300_000] {
        let table = Table::new();
        for n in 0..fill {
            table.set(fingerprint(n), Some(n)).unwrap();
        }
        let f = fingerprint(1 << 40);
        table.set(f, Some(1000)).unwrap();
        for bit in 0..128 {
            assert_eq!(table.read().get(f ^ (1 << bit)), None, "bit {bit}");
            assert_eq!(table.set(f ^ (1 << bit), Some(bit)).unwrap(), None, "bit {bit}");
        }
        for bit in 0..128 {
            assert_eq!(table.read().get(f ^ (1 << bit)), Some(bit));
        }
        assert_eq!(table.read().get(f), Some(1000));
        if fill < 300_000 {
            table.check();
        }
    }
}

#[test]
fn keys_that_collide_in_an_unkeyed_hash_are_like_any_others() {
    // Equal under any polynomial hash with 31 as its base: all strings of "Aa" and "BB".
    let index = index();
    let key = |n: u32| (0..16).map(|bit| if n >> bit & 1 == 0 { "Aa" } else { "BB" }).collect::<String>();
    for n in 0..1 << 16 {
        assert_eq!(set(&index, key(n).as_bytes(), Some(u64::from(n))), None);
    }
    assert_eq!(index.table.read().spill.len(), 0);
    index.table.check();
}

#[test]
fn the_key_decides_the_fingerprint_and_is_not_shown() {
    let (a, b) = (HashIndex::new([1; 16]), HashIndex::new([2; 16]));
    assert_ne!(a.fingerprint(b"x"), b.fingerprint(b"x"));
    assert_eq!(format!("{a:?}"), "HashIndex { len: 0, .. }");
}

#[test]
fn scans_are_refused_with_what_to_do_and_odd_arguments_are_harmless() {
    let index = index();
    let error = index.scan(Start::Edge, Direction::Forward, 1, &mut KeyPage::new()).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { what } if what.contains("btree")), "{error}");
    assert_eq!(index.capabilities(), Capabilities { ordered: false, keeps_keys: false });
    index.apply(&mut []).unwrap();
    let refused = index.apply(&mut [Change { key: b"", new: Some(location(7)), old: None }]);
    assert!(matches!(refused, Err(Error::KeyEmpty)) && index.is_empty());
    for max in [0, usize::MAX] {
        let (mut position, mut out) = (WalkPosition::default(), Vec::new());
        set(&index, b"a", Some(1));
        while index.walk(&mut position, max, &mut out).unwrap() {}
        assert!(!index.walk(&mut position, max, &mut out).unwrap());
        assert_eq!(out, [location(1)]);
    }
    let mut beyond = WalkPosition(u64::MAX - 3);
    assert!(!index.walk(&mut beyond, usize::MAX, &mut Vec::new()).unwrap());
}

/// Readers see each call whole: a pair of keys always changes together.
#[test]
fn readers_see_all_changes_of_a_call_or_none() {
    let index = index();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let mut out = Vec::new();
                let mut position = WalkPosition::default();
                index.walk(&mut position, usize::MAX, &mut out).unwrap();
                assert!(out.len().is_multiple_of(100), "{}", out.len());
                let (first, second) = (index.get(b"0").unwrap(), index.get(b"99").unwrap());
                assert!(first <= second, "{first:?} is newer than {second:?}");
            }
        });
        for n in 0..3000u64 {
            let keys: Vec<_> = (0..100).map(|i| format!("{}", i + n % 20 * 100)).collect();
            let new = (n / 20 % 3 != 2).then(|| location(n));
            let new = if n % 20 == 0 { Some(location(n)) } else { new };
            let mut changes: Vec<_> = keys.iter().map(|k| Change { key: k.as_bytes(), new, old: None }).collect();
            index.apply(&mut changes).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    index.table.check();
}
