//! The tree against an ordered map, its memory and its file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::vfs::sim::SimVfs;

mod disk;
mod faults;

type Map = BTreeMap<Vec<u8>, u64>;

const NAME: &str = "index.bptree";

fn path() -> PathBuf {
    Path::new("/").join(NAME)
}

/// Opens with a cache of so many pages.
fn open_on(vfs: Arc<dyn Vfs>, pages: usize) -> (BPTree, Option<String>) {
    BPTree::open_pages(Place::new(vfs, "/".into(), NAME), pages)
}

fn open(disk: &SimVfs, pages: usize) -> BPTree {
    let (tree, why) = open_on(Arc::new(disk.clone()), pages);
    assert_eq!(why, None);
    tree
}

fn covered(n: u8) -> Covered {
    Covered([n; Covered::LEN])
}

fn location(n: u64) -> Location {
    Location::from_bits(n)
}

/// Does changes on both and compares what they found.
fn apply(tree: &BPTree, map: &mut Map, batch: &[(Vec<u8>, Option<u64>)]) {
    tree.reserve(&mut batch.iter().map(|(key, _)| &key[..])).expect("room");
    let mut changes: Vec<Change<'_>> =
        batch.iter().map(|(key, new)| Change { key, new: new.map(location), old: None }).collect();
    tree.apply(&mut changes).expect("apply");
    for change in &changes {
        let old = match change.new {
            Some(new) => map.insert(change.key.to_vec(), new.to_bits()),
            None => map.remove(change.key),
        };
        assert_eq!(change.old.map(Location::to_bits), old, "what was there before");
    }
}

fn entries(page: &KeyPage) -> Vec<(Vec<u8>, u64)> {
    (0..page.len()).filter_map(|i| page.get(i)).map(|(key, at)| (key.to_vec(), at.to_bits())).collect()
}

fn all(tree: &BPTree, direction: Direction, step: usize) -> Vec<(Vec<u8>, u64)> {
    let (mut found, mut page) = (Vec::<(Vec<u8>, u64)>::new(), KeyPage::new());
    loop {
        page.clear();
        let last = found.last().map(|(key, _)| key.clone());
        let start = last.as_ref().map_or(Start::Edge, |key| Start::After(key));
        tree.scan(start, direction, step, &mut page).expect("scan");
        if page.is_empty() {
            return found;
        }
        found.extend(entries(&page));
    }
}

/// Everything that can be asked.
fn compare(tree: &BPTree, map: &Map) {
    tree.check();
    assert_eq!(tree.len(), map.len() as u64);
    let mut want: Vec<_> = map.iter().map(|(key, at)| (key.clone(), *at)).collect();
    assert_eq!(all(tree, Direction::Forward, 7), want);
    let mut walked = Vec::new();
    let mut position = WalkPosition::default();
    while tree.walk(&mut position, 3, &mut walked).expect("walk") {}
    let mut locations: Vec<u64> = walked.into_iter().map(Location::to_bits).collect();
    let mut wanted: Vec<u64> = map.values().copied().collect();
    locations.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(locations, wanted);
    want.reverse();
    assert_eq!(all(tree, Direction::Reverse, 5), want);
}

fn probe(tree: &BPTree, map: &Map, key: &[u8]) {
    assert_eq!(tree.get(key).expect("get").map(Location::to_bits), map.get(key).copied());
    for (start, direction) in [
        (Start::At(key), Direction::Forward),
        (Start::After(key), Direction::Forward),
        (Start::At(key), Direction::Reverse),
        (Start::After(key), Direction::Reverse),
    ] {
        let mut page = KeyPage::new();
        tree.scan(start, direction, 3, &mut page).expect("scan");
        let at = matches!(start, Start::At(_));
        let copy = |(key, at): (&Vec<u8>, &u64)| (key.clone(), *at);
        let want: Vec<_> = match direction {
            Direction::Forward => {
                map.iter().map(copy).filter(|(k, _)| &k[..] > key || (at && k == key)).take(3).collect()
            }
            Direction::Reverse => {
                map.iter().rev().map(copy).filter(|(k, _)| &k[..] < key || (at && k == key)).take(3).collect()
            }
        };
        assert_eq!(entries(&page), want);
    }
}

/// Keys that are made to be confused, and long ones.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let tail = |base: Vec<u8>| vec(any::<u8>(), 0..3).prop_map(move |tail| [&base[..], &tail].concat());
    prop_oneof![
        8 => vec(any::<u8>(), 1..24),
        4 => vec(prop::sample::select(vec![0, 1, 0x7F, 0x80, 0xFE, 0xFF]), 1..5),
        4 => (1..60_usize).prop_map(|n| b"ab".repeat(30)[..n].to_vec()),
        2 => (1..40_usize).prop_map(|n| vec![0xFF; n]),
        2 => (1..40_usize).prop_map(|n| vec![0; n]),
        4 => tail(b"a prefix that many keys share, of some length:".to_vec()),
        2 => tail(vec![b'p'; 300]),
        2 => tail(vec![b'q'; 510]),
        1 => tail(vec![b'q'; 600]),
        1 => tail(vec![0xFF; 5000]),
        1 => prop::sample::select(vec![vec![7; 65_535], vec![7; 65_534], [vec![7; 65_000], vec![8]].concat()]),
        1 => vec(any::<u8>(), 500..530),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<(Vec<u8>, Option<u64>)>),
    /// Changes to keys that are there.
    Again(Vec<(prop::sample::Index, Option<u64>)>),
    /// Removes a share of all keys, in order.
    Thin(u8),
    Probe(Vec<u8>),
    Checkpoint,
    /// With a checkpoint or without.
    Reopen(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let new = || prop::option::weighted(0.7, any::<u64>());
    prop_oneof![
        8 => vec((key(), new()), 1..4).prop_map(Step::Apply),
        3 => vec((key(), new()), 1..200).prop_map(Step::Apply),
        6 => vec((any::<prop::sample::Index>(), new()), 1..60).prop_map(Step::Again),
        1 => (0..=4_u8).prop_map(Step::Thin),
        6 => key().prop_map(Step::Probe),
        1 => Just(Step::Checkpoint),
        1 => any::<bool>().prop_map(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Random histories on a cache of a few pages, with checkpoints and reopenings.
    #[test]
    fn histories(steps in vec(step(), 200), pages in 16..80_usize) {
        let disk = SimVfs::new(3);
        let (mut tree, _) = open_on(Arc::new(disk.clone()), pages);
        let (mut map, mut durable) = (Map::new(), Map::new());
        let mut generation = 0;
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Apply(batch) => apply(&tree, &mut map, batch),
                Step::Again(picks) => {
                    let keys: Vec<Vec<u8>> = map.keys().cloned().collect();
                    if !keys.is_empty() {
                        let batch: Vec<_> = picks.iter().map(|(i, new)| (i.get(&keys).clone(), *new)).collect();
                        apply(&tree, &mut map, &batch);
                    }
                }
                Step::Thin(keep) => {
                    let gone = |i: usize| *keep == 0 || i % 5 >= usize::from(*keep);
                    let batch: Vec<_> =
                        map.keys().enumerate().filter(|(i, _)| gone(*i)).map(|(_, key)| (key.clone(), None)).collect();
                    apply(&tree, &mut map, &batch);
                }
                Step::Probe(key) => probe(&tree, &map, key),
                Step::Checkpoint | Step::Reopen(true) => {
                    generation += 1;
                    tree.checkpoint(&covered(generation)).expect("a checkpoint");
                    durable = map.clone();
                }
                Step::Reopen(false) => {}
            }
            if let Step::Reopen(_) = step {
                drop(tree);
                if durable.is_empty() && generation == 0 {
                    tree = open_on(Arc::new(disk.clone()), pages).0;
                } else {
                    tree = open(&disk, pages);
                    // A checkpoint of what did not change is none.
                    assert!(tree.covered().is_some());
                }
                map = durable.clone();
            }
            if n % 40 == 0 || matches!(step, Step::Thin(_) | Step::Reopen(_)) {
                compare(&tree, &map);
            }
        }
        compare(&tree, &map);
        // Down to nothing, and full again.
        let batch: Vec<_> = map.keys().map(|key| (key.clone(), None)).collect();
        apply(&tree, &mut map, &batch);
        compare(&tree, &map);
        let batch: Vec<_> = (0..500_u64).map(|n| (n.to_be_bytes().to_vec(), Some(n))).collect();
        apply(&tree, &mut map, &batch);
        compare(&tree, &map);
    }
}

/// A tree built of sorted changes is the one that they would have made one by one.
#[test]
fn a_tree_is_built_from_the_leaves_up() {
    for (pages, count) in [(16, 0_u64), (16, 1), (64, 300), (16, 4000), (40, 30_000)] {
        let disk = SimVfs::new(3);
        let (tree, _) = open_on(Arc::new(disk.clone()), pages);
        let mut map = Map::new();
        assert!(tree.begin_build());
        let changes: Vec<(Vec<u8>, Option<u64>)> = (0..count)
            .map(|n| {
                let k = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
                let key = match k % 400 {
                    7 => [vec![b'l'; 4500], k.to_be_bytes().to_vec()].concat(),
                    8 => [vec![b'm'; 600], k.to_be_bytes().to_vec()].concat(),
                    9..40 => [vec![b'm'; 480], k.to_be_bytes().to_vec()].concat(),
                    _ => k.to_string().into_bytes(),
                };
                (key, (n % 7 != 3).then_some(n))
            })
            .collect();
        for part in changes.chunks(100) {
            let mut part: Vec<_> =
                part.iter().map(|(key, new)| Change { key, new: new.map(location), old: None }).collect();
            tree.apply(&mut part).expect("room");
        }
        for (key, new) in changes {
            match new {
                Some(new) => map.insert(key, new),
                None => map.remove(&key),
            };
        }
        assert!(tree.is_empty(), "nothing is shown yet");
        let mut told = std::collections::BTreeSet::new();
        tree.end_build(&mut |at| assert!(told.insert(at), "each once")).expect("it is built");
        assert!(told.into_iter().eq(map.values().map(|&n| location(n)).collect::<std::collections::BTreeSet<_>>()));
        compare(&tree, &map);
        let batch: Vec<_> = (0..500_u64).map(|n| (format!("7{n}").into_bytes(), (n % 3 > 0).then_some(n))).collect();
        apply(&tree, &mut map, &batch);
        compare(&tree, &map);
        tree.checkpoint(&covered(1)).expect("a checkpoint");
        compare(&open(&disk, pages), &map);
    }
}
