//! The protocol between readers and the writer under every interleaving, and every outcome that the memory model
//! allows, that a model checker finds within a bound. It runs the tree itself over the checker's atomics.
//!
//! `cargo test -p bitcask --lib index::art::model`; `LOOM_MAX_PREEMPTIONS=3` for more (minutes).

use super::slots::Slots;
use super::store::Word;
use super::tree::Tree;
use super::writer::Writer;
use crate::index::{Change, Direction, KeyPage, Start};
use crate::types::Location;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, RwLock};

impl Word for AtomicU64 {
    const FIRST_CHUNK: usize = 1;

    fn new(value: u64) -> AtomicU64 {
        AtomicU64::new(value)
    }
    fn load(&self) -> u64 {
        self.load(Ordering::Acquire)
    }
    fn load_relaxed(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }
    fn publish(&self, value: u64) {
        self.store(value, Ordering::Release);
    }
    fn store_relaxed(&self, value: u64) {
        self.store(value, Ordering::Relaxed);
    }
}

type Shared = Arc<RwLock<Tree<AtomicU64>>>;

/// The steps of [`Art`](super::Art) for one change, with the checker's lock in place of the real one.
fn set(tree: &Shared, writer: &mut Writer, key: &[u8], new: Option<u64>) {
    let mut change = Change { key, new: new.map(Location::from_bits), old: None };
    loop {
        let done = tree.read().unwrap().change(writer, &mut change);
        let Err(need) = done else { return };
        assert!(writer.make_room(&mut tree.write().unwrap(), need, &change, 0));
    }
}

fn reclaim(tree: &Shared, writer: &mut Writer) {
    drop(tree.write().unwrap());
    writer.slots.free_retired(&tree.read().unwrap().store);
    if writer.slots.any_emptied() {
        writer.give_back(&mut tree.write().unwrap());
    }
}

/// Keys that come and go.
type Changes = &'static [(&'static [u8], Option<u64>)];

/// Keys and locations that stay; changes made one by one; and what a reader of another key may see.
fn model(stay: &'static [(&[u8], u64)], changes: Changes, other: &'static [u8]) {
    model_after(&[], stay, changes, other);
}

/// The same in a tree whose slots have been used before.
fn model_after(first: Changes, stay: &'static [(&[u8], u64)], changes: Changes, other: &'static [u8]) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&runs);
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut writer = Writer { slots: Slots::new(u32::MAX), ..Writer::new() };
        let tree: Shared = Arc::new(RwLock::new(Tree::new()));
        for (key, new) in first {
            set(&tree, &mut writer, key, *new);
            reclaim(&tree, &mut writer);
        }
        for (key, location) in stay {
            set(&tree, &mut writer, key, Some(*location));
        }
        let before = tree.read().unwrap().get(other);
        let reader = {
            let tree = Arc::clone(&tree);
            loom::thread::spawn(move || {
                let inside = tree.read().unwrap();
                for (key, location) in stay.iter().filter(|(key, _)| *key != other) {
                    assert_eq!(inside.get(key), Some(*location), "a key that stays");
                }
                let seen = inside.get(other);
                let made = changes.iter().filter(|(key, _)| *key == other).map(|(_, new)| *new);
                assert!(seen == before || made.into_iter().any(|new| new == seen), "{seen:?}");
            })
        };
        for (key, new) in changes {
            set(&tree, &mut writer, key, *new);
            reclaim(&tree, &mut writer);
        }
        reader.join().unwrap();
        let inside = tree.read().unwrap();
        let mut page = KeyPage::new();
        inside.scan(Start::Edge, Direction::Forward, 100, &mut page);
        assert_eq!(page.len() as u64, writer.len);
    });
    let runs = runs.load(std::sync::atomic::Ordering::Relaxed);
    assert!(runs > 10, "{runs} runs look at nothing");
}

/// An entry is added in place.
#[test]
fn an_entry_appears_whole() {
    model(&[(b"a1", 1), (b"b2", 2)], &[(b"c3", Some(3))], b"c3");
}

/// An entry is added where something else is left of the slot's last owner.
#[test]
fn an_entry_appears_whole_where_another_was() {
    let first: Changes =
        &[(b"z", Some(9)), (b"a1", Some(1)), (b"a2", Some(2)), (b"a3", Some(3)), (b"a2", None), (b"a3", None)];
    model_after(first, &[(b"c1", 4), (b"c2", 5)], &[(b"c\0", Some(6))], b"c\0");
}

/// Its place is empty for a while and taken again by its byte, and by another's leaf after reclamation.
#[test]
fn an_entry_goes_and_comes_back() {
    model(&[(b"a", 1), (b"b", 2), (b"c", 3)], &[(b"c", None), (b"c", Some(4))], b"c");
}

/// A leaf is copied to make room for another; its old slot is used again for something else.
#[test]
fn a_leaf_moves_down() {
    model(&[(b"a1", 1), (b"b", 2)], &[(b"a2", Some(3)), (b"d", Some(4))], b"a2");
}

/// A node goes, and the leaf under it moves up.
#[test]
fn a_leaf_moves_up() {
    model(&[(b"a1", 1), (b"a2", 2), (b"b", 3)], &[(b"a2", None)], b"a2");
}

/// A prefix is split around a key that ends within it.
#[test]
fn a_prefix_is_split() {
    model(&[(b"xyz1", 1), (b"xyz2", 2)], &[(b"xy", Some(3))], b"xy");
}

/// A full node is replaced by a larger one.
#[test]
fn a_node_grows() {
    model(&[(b"a", 1), (b"b", 2), (b"c", 3), (b"d", 4)], &[(b"e", Some(5))], b"e");
}

/// A location is changed where it is, and after a move.
#[test]
fn a_location_is_changed() {
    model(&[(b"a", 1), (b"b1", 2)], &[(b"b1", Some(5)), (b"b2", Some(6)), (b"b1", Some(7))], b"b1");
}
