//! The structures that are compared, each with the loops that are measured.

use std::collections::BTreeMap;

use bitcask::Location;
use bitcask::index::art::Art;
use bitcask::index::btree::BTree;
use bitcask::index::hash::HashIndex;
use bitcask::index::skiplist::SkipList;
use bitcask::index::{Change, Direction, Index, KeyPage, Start};
use crossbeam_skiplist::SkipMap;

use super::counters::cpu_nanos;
use super::keys::Keys;
use crate::Result;

/// A filled map.
pub(super) trait Map {
    /// Gets every key once; the sum of what was found.
    fn get_all(&self, keys: &Keys) -> u64;
    /// Walks over all in order; the sum of what was found. `None` without order.
    fn scan(&self) -> Option<u64>;
}

/// A structure, before it is filled.
pub(super) struct Structure {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) ours: bool,
    pub(super) ordered: bool,
    pub(super) package: Option<&'static str>,
    /// Fills one with all keys.
    pub(super) build: fn(&Keys) -> Result<Filled>,
}

/// A map with all keys, and the nanoseconds that filling it took.
pub(super) type Filled = (Box<dyn Map>, f64);

const OURS: Structure = Structure {
    id: "bitcask:btree",
    name: "btree",
    ours: true,
    ordered: true,
    package: Some("bitcask"),
    build: |keys| ours(BTree::new(), keys),
};
const OTHER: Structure = Structure {
    id: "std",
    name: "std BTreeMap",
    ours: false,
    ordered: true,
    package: None,
    build: |keys| {
        fill(BTreeMap::<Box<[u8]>, u64>::new(), keys, |map, key, value| {
            map.insert(key.into(), value);
        })
    },
};

/// All of them, ours first. A kind of index that the library gains is a line here.
pub(super) const STRUCTURES: &[Structure] = &[
    OURS,
    Structure {
        id: "bitcask:hash",
        name: "hash",
        ordered: false,
        build: |keys| ours(HashIndex::new(*b"a key of 16 byte"), keys),
        ..OURS
    },
    Structure { id: "bitcask:art", name: "art", build: |keys| ours(Art::new(), keys), ..OURS },
    Structure { id: "bitcask:skiplist", name: "skiplist", build: |keys| ours(SkipList::new(1), keys), ..OURS },
    OTHER,
    Structure {
        id: "skipmap",
        name: "crossbeam SkipMap",
        package: Some("crossbeam-skiplist"),
        build: |keys| {
            fill(SkipMap::<Box<[u8]>, u64>::new(), keys, |map, key, value| drop(map.insert(key.into(), value)))
        },
        ..OTHER
    },
    Structure {
        id: "hashbrown",
        name: "hashbrown",
        ordered: false,
        package: Some("hashbrown"),
        build: |keys| {
            let map = hashbrown::HashMap::<Box<[u8]>, u64>::new();
            fill(map, keys, |map, key, value| {
                map.insert(key.into(), value);
            })
        },
        ..OTHER
    },
    Structure {
        id: "scc",
        name: "scc TreeIndex",
        package: Some("scc"),
        build: |keys| {
            let map = scc::TreeIndex::<Box<[u8]>, u64>::new();
            fill(map, keys, |map, key, value| drop(map.insert_sync(key.into(), value)))
        },
        ..OTHER
    },
    Structure {
        id: "blart",
        name: "blart (ART)",
        package: Some("blart"),
        build: |keys| {
            let map = blart::TreeMap::<Box<[u8]>, u64>::new();
            fill(map, keys, |map, key, value| drop(map.try_insert(key.into(), value)))
        },
        ..OTHER
    },
];

fn fill<M: Map + 'static>(mut map: M, keys: &Keys, mut insert: impl FnMut(&mut M, &[u8], u64)) -> Result<Filled> {
    let nanos = cpu_nanos(|| keys.inserts().for_each(|(key, location)| insert(&mut map, key, location)));
    Ok((Box::new(map), nanos))
}

fn ours<I: Index + 'static>(index: I, keys: &Keys) -> Result<Filled> {
    let mut outcome = Ok(());
    let filled = fill(Ours(index), keys, |ours, key, value| {
        let mut change = [Change { key, new: Some(Location::from_bits(value)), old: None }];
        if let Err(error) = ours.0.apply(&mut change) {
            outcome = Err(error);
        }
    });
    outcome?;
    filled
}

/// One of the library's indexes, as the engine calls it.
struct Ours<I>(I);

impl<I: Index> Map for Ours<I> {
    fn get_all(&self, keys: &Keys) -> u64 {
        keys.gets().map(|key| self.0.get(key).ok().flatten().map_or(0, Location::to_bits)).sum()
    }

    fn scan(&self) -> Option<u64> {
        if !self.0.capabilities().ordered {
            return None;
        }
        let (mut page, mut last, mut sum) = (KeyPage::new(), Vec::new(), 0);
        loop {
            page.clear();
            let from = if last.is_empty() { Start::Edge } else { Start::After(&last) };
            self.0.scan(from, Direction::Forward, 1024, &mut page).ok()?;
            let Some((key, _)) = page.len().checked_sub(1).and_then(|i| page.get(i)) else { return Some(sum) };
            last.clear();
            last.extend_from_slice(key);
            sum += (0..page.len()).filter_map(|i| page.get(i)).map(|(_, location)| location.to_bits()).sum::<u64>();
        }
    }
}

impl Map for BTreeMap<Box<[u8]>, u64> {
    fn get_all(&self, keys: &Keys) -> u64 {
        keys.gets().map(|key| self.get(key).copied().unwrap_or(0)).sum()
    }

    fn scan(&self) -> Option<u64> {
        Some(self.values().sum())
    }
}

impl Map for SkipMap<Box<[u8]>, u64> {
    fn get_all(&self, keys: &Keys) -> u64 {
        keys.gets().map(|key| self.get(key).map_or(0, |entry| *entry.value())).sum()
    }

    fn scan(&self) -> Option<u64> {
        Some(self.iter().map(|entry| *entry.value()).sum())
    }
}

impl Map for hashbrown::HashMap<Box<[u8]>, u64> {
    fn get_all(&self, keys: &Keys) -> u64 {
        keys.gets().map(|key| self.get(key).copied().unwrap_or(0)).sum()
    }

    fn scan(&self) -> Option<u64> {
        None
    }
}

impl Map for scc::TreeIndex<Box<[u8]>, u64> {
    fn get_all(&self, keys: &Keys) -> u64 {
        keys.gets().map(|key| self.peek_with(key, |_, value| *value).unwrap_or(0)).sum()
    }

    fn scan(&self) -> Option<u64> {
        let guard = scc::Guard::new();
        Some(self.iter(&guard).map(|(_, value)| *value).sum())
    }
}

impl Map for blart::TreeMap<Box<[u8]>, u64> {
    fn get_all(&self, keys: &Keys) -> u64 {
        keys.gets().map(|key| self.get(key).copied().unwrap_or(0)).sum()
    }

    fn scan(&self) -> Option<u64> {
        Some(self.values().sum())
    }
}
