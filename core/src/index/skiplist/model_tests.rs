//! The order of the writer's stores, model-checked: the same list over loom's memory, under all interleavings and all that
//! the memory model lets a load see (Norris and Demsky, "CDSChecker", OOPSLA 2013).
//!
//! The writer runs the production code. A sharded lock is modelled by two locks: its reader's shard and its own.

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, RwLock};

use super::arena::{Chunk, Word};
use super::list::{List, Writer};
use super::node::node_words;
use crate::index::{Direction, KeyPage, Start};

struct Modelled(AtomicU64);

impl Word for Modelled {
    fn new(value: u64) -> Modelled {
        Modelled(AtomicU64::new(value))
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }

    fn peek(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn put(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Words of the model's memory: the head and a few nodes.
const WORDS: u32 = 64;

struct Shared {
    list: List<Modelled>,
    /// The shard of the reader, and that of the writer.
    shards: [RwLock<()>; 2],
}

/// A list with some keys, whose location is their first byte.
fn list(keys: &[(&[u8], u32)]) -> (Arc<Shared>, Writer) {
    let (mut list, mut writer) = (List::new(), Writer::new(1));
    list.arena.install(0, Chunk::new(WORDS));
    writer.alloc.add_chunk(&list.arena, 0, WORDS);
    for (key, height) in keys {
        assert!(writer.alloc.has_room(node_words(*height, key.len())));
        writer.put(&list, key, key[0].into(), *height);
    }
    (Arc::new(Shared { list, shards: [RwLock::new(()), RwLock::new(())] }), writer)
}

fn all(list: &List<Modelled>, direction: Direction) -> Vec<(Vec<u8>, u64)> {
    let mut page = KeyPage::new();
    list.scan(Start::Edge, direction, 9, &mut page);
    let mut all: Vec<_> = (0..page.len()).filter_map(|i| page.get(i)).map(|(k, l)| (k.to_vec(), l.to_bits())).collect();
    if direction == Direction::Reverse {
        all.reverse();
    }
    all
}

/// What a reader may see of keys whose location is right: those that stay, and any of those that come or go.
fn assert_sound(seen: &[(Vec<u8>, u64)], stay: &[&[u8]], may: &[&[u8]]) {
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0), "{seen:?}");
    for (key, location) in seen {
        assert!(stay.iter().chain(may).any(|k| k == key), "{seen:?}");
        assert_eq!(*location, u64::from(key[0]), "{seen:?}");
    }
    assert!(stay.iter().all(|key| seen.iter().any(|(k, _)| k == key)), "{seen:?}");
}

/// Runs `write` beside `read`, each under its shard.
fn beside(
    keys: &'static [(&[u8], u32)],
    read: impl Fn(&List<Modelled>) + Send + Sync + Copy + 'static,
    write: impl Fn(&Shared, &mut Writer) + Send + Sync + Copy + 'static,
) {
    loom::model(move || {
        let (shared, mut writer) = list(keys);
        let reader = loom::thread::spawn({
            let shared = shared.clone();
            move || {
                let shard = shared.shards[0].read().unwrap();
                read(&shared.list);
                drop(shard);
            }
        });
        write(&shared, &mut writer);
        reader.join().unwrap();
        shared.list.check_levels(&writer.tails);
    });
}

fn change(shared: &Shared, writer: &mut Writer, key: &[u8], new: Option<u32>) {
    let _shard = shared.shards[1].read().unwrap();
    match new {
        Some(height) => writer.put(&shared.list, key, key[0].into(), height),
        None => writer.remove(&shared.list, key),
    };
}

/// What the writer does between the retirement of nodes and the reuse of their words.
fn grace(shared: &Shared, writer: &mut Writer) {
    drop((shared.shards[0].write().unwrap(), shared.shards[1].write().unwrap()));
    let _shard = shared.shards[1].read().unwrap();
    writer.reclaim(&shared.list);
}

#[test]
fn an_insert_is_seen_whole_or_not() {
    beside(
        &[(b"a", 1), (b"x", 2)],
        |list| {
            for key in [b"a", b"x"] {
                assert_eq!(list.get(key), Some(key[0].into()));
            }
            assert!(matches!(list.get(b"m"), None | Some(0x6d)));
            assert_sound(&all(list, Direction::Forward), &[b"a", b"x"], &[b"m"]);
        },
        |shared, writer| change(shared, writer, b"m", Some(2)),
    );
}

#[test]
fn a_node_that_left_leads_on() {
    beside(
        &[(b"a", 1), (b"m", 2), (b"n", 1), (b"x", 2)],
        |list| {
            assert_eq!(list.get(b"x"), Some(0x78));
            assert_sound(&all(list, Direction::Forward), &[b"a", b"x"], &[b"m", b"n"]);
        },
        |shared, writer| {
            change(shared, writer, b"m", None);
            change(shared, writer, b"n", None);
        },
    );
}

#[test]
fn scans_in_reverse_miss_nothing() {
    beside(
        &[(b"a", 1), (b"m", 2), (b"x", 1)],
        |list| assert_sound(&all(list, Direction::Reverse), &[b"a", b"x"], &[b"b", b"m"]),
        |shared, writer| {
            change(shared, writer, b"m", None);
            change(shared, writer, b"b", Some(1));
        },
    );
}

#[test]
fn words_are_used_again_when_no_reader_is_left() {
    beside(
        &[(b"a", 1), (b"m", 1), (b"x", 1)],
        |list| {
            assert!(matches!(list.get(b"m"), None | Some(0x6d)));
            assert_sound(&all(list, Direction::Forward), &[b"a", b"x"], &[b"m", b"b"]);
        },
        |shared, writer| {
            change(shared, writer, b"m", None);
            grace(shared, writer);
            // In the words of the node that left.
            change(shared, writer, b"b", Some(1));
        },
    );
}
