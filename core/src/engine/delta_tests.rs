//! Index and delta together against a model, while changes come and are made in the index in between.

use std::collections::BTreeMap;

use super::delta::Delta;
use crate::index::btree::BTree;
use crate::index::{Change, Direction, Index, KeyPage, Start};
use crate::types::{FileId, Location};

/// splitmix64
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn location(n: u64) -> Location {
    Location::new(FileId(1), 64 + n % 100_000 * 8, 8).expect("a location")
}

type Model = BTreeMap<Vec<u8>, Location>;

fn assert_scans(delta: &Delta, index: &BTree, model: &Model, from: &[u8], max: usize) {
    for direction in [Direction::Forward, Direction::Reverse] {
        for start in [Start::Edge, Start::At(from), Start::After(from)] {
            let is_in = |key: &[u8]| match (start, direction) {
                (Start::Edge, _) => true,
                (Start::At(from), Direction::Forward) => key >= from,
                (Start::After(from), Direction::Forward) => key > from,
                (Start::At(from), Direction::Reverse) => key <= from,
                (Start::After(from), Direction::Reverse) => key < from,
            };
            let mut wanted: Vec<_> = model.iter().filter(|(key, _)| is_in(key)).collect();
            if direction == Direction::Reverse {
                wanted.reverse();
            }
            wanted.truncate(max);
            let mut page = KeyPage::new();
            page.push(b"before", b"", location(0));
            delta.scan(index, start, direction, max, &mut page).expect("a scan");
            assert_eq!(page.get(0), Some((&b"before"[..], location(0))));
            let found: Vec<_> = (1..page.len()).filter_map(|i| page.get(i)).collect();
            let wanted: Vec<_> = wanted.into_iter().map(|(key, location)| (&key[..], *location)).collect();
            assert_eq!(found, wanted, "{start:?} {direction:?} {max}");
        }
    }
}

#[test]
fn index_and_delta_are_one_index() {
    for seed in 0..30_u64 {
        let (index, mut delta, mut model) = (BTree::new(), Delta::default(), Model::new());
        let key = |n: u64| format!("{:03}", n % 120).into_bytes();
        for n in 0..60 {
            let (key, place) = (key(mix(seed << 32 | n)), location(n));
            index.apply(&mut [Change { key: &key, new: Some(place), old: None }]).expect("apply");
            model.insert(key, place);
        }
        for round in 0..200 {
            let n = mix(seed << 40 | 1 << 30 | round);
            let key = key(n >> 8);
            match n % 8 {
                0 => {
                    delta.settle(&index, n as usize >> 16 & 7).expect("settle");
                }
                // Noted and not changed: a commit that failed.
                1 => delta.expect(&key, index.get(&key).expect("get")),
                // Back to where it was.
                2 => {
                    if let Some(place) = delta.get(&key) {
                        let mut change = Change { key: &key, new: index.get(&key).expect("get"), old: None };
                        assert!(delta.change(&mut change));
                        assert_eq!(change.old, place, "seed {seed} round {round}");
                        match change.new {
                            Some(place) => model.insert(key.clone(), place),
                            None => model.remove(&key),
                        };
                    }
                }
                // The index may be changed again; the second change of a key finds the first.
                3 => {
                    let news = [location(n >> 16), location(n >> 24)];
                    let mut changes = news.map(|new| Change { key: &key, new: Some(new), old: None });
                    delta.apply(&index, &mut changes).expect("apply");
                    let olds = changes.map(|change| change.old);
                    assert_eq!(olds, [model.insert(key.clone(), news[1]), Some(news[0])], "seed {seed} round {round}");
                    assert_eq!(delta.get(&key), None);
                }
                _ => {
                    let mut change = Change { key: &key, new: (n % 8 > 4).then(|| location(n >> 16)), old: None };
                    if delta.get(&key).is_none() {
                        assert!(!delta.change(&mut change), "it was not noted");
                        delta.expect(&key, index.get(&key).expect("get"));
                    }
                    assert!(delta.change(&mut change));
                    let old = match change.new {
                        Some(place) => model.insert(key.clone(), place),
                        None => model.remove(&key),
                    };
                    assert_eq!(change.old, old, "seed {seed} round {round}");
                }
            }
            let found = delta.get(&key).unwrap_or_else(|| index.get(&key).expect("get"));
            assert_eq!(found, model.get(&key).copied(), "seed {seed} round {round}");
            assert_eq!(delta.len_with(index.len()), model.len() as u64, "seed {seed} round {round}");
            if round % 10 == 0 {
                assert_scans(&delta, &index, &model, &key, n as usize >> 20 & 31);
            }
        }
        assert_scans(&delta, &index, &model, b"06", usize::MAX);
        while !delta.is_empty() {
            delta.settle(&index, 7).expect("settle");
        }
        assert!(delta.is_same());
        assert_eq!((delta.memory(), delta.len_with(0)), (0, 0), "nothing is left");
        assert_scans(&delta, &index, &model, b"06", usize::MAX);
    }
}
