//! The ordered index with the fastest point reads: an adaptive radix tree in memory.
//!
//! Leis, Kemper and Neumann, "The Adaptive Radix Tree: ARTful Indexing for Main-Memory Databases", ICDE 2013. A key's bytes
//! lead from node to node, one byte a level; nodes are of a size that fits their number of children; a path without
//! branches is one step, and a key that shares no more bytes with any other is a leaf.
//!
//! ```text
//!            root                        number = chunk (17 bits) | word in the chunk (15 bits)
//!             |
//!     prefix "https://www."              leaf     location | rest of the key | its length
//!             |                          prefix   child | length | bytes
//!     node of 10: 'a' 'b' ... 'w'        node     header | key bytes | children    (4, 10, 24, 48)
//!        |              |                         header | children by byte        (256)
//!     leaf ".org/1"   node of 4
//!                     ends here: leaf ""
//!                     "/" ... ":" ...
//! ```
//!
//! What differs from the paper, and why:
//! - Nodes name each other by number, not by pointer: their bytes mean the same wherever they lie, so that a checkpoint can
//!   map them. A chunk (`store`) holds slots of one `class`, so the number alone tells what it leads to: a step reads
//!   the line with the child and nothing else of a node with 256 children, two lines of one with 48.
//! - A leaf holds what is left of its key behind the bytes that led to it, and a prefix of any length is a node of
//!   its own that holds all of it. Nothing is compared twice or fetched to be compared late, and keys that share
//!   60 KiB share them once. A leaf is copied when it moves up or down.
//! - A key that ends where another goes on is a leaf without bytes that the inner node's header names.
//! - Sizes: 10 for decimal digits, in one cache line; 48 with its key bytes in the header's line, without the paper's index of 256
//!   bytes, which would be four more lines and most of the node. Children are in the order of their coming, which
//!   scans sort.
//!
//! A get on 3 million random keys goes over two levels of 256 (cached, 260 KiB), a node of 48 or 256 and its leaf: three lines
//! from memory, or four. Beyond some megabytes chunks lie on huge pages (`util/pieces.rs`), so that each is a wait for a line
//! and not for a walk of the page table too. A scan asks for a node's children before it visits the first of them.
//!
//! # Invariants
//!
//! 1. Each node but the root is named once. A prefix leads to an inner node; an inner node has two entries at
//!    least (children, and the leaf that ends there).
//! 2. Nodes and leaves are of the class that fits them; inner nodes shrink with a margin.
//! 3. What a reader reached stays as it was, but for a leaf's location, an inner node's header and children, and a prefix's child,
//!    each of which is one word.
//! 4. A number that readers may hold is not given out again, nor its chunk given back.
//! 5. A leaf's mark (`store`) is set while it is in the tree: `walk` and `sample` go by marks.
//!
//! The first, second and fifth are what the tests' `check` verifies.
//!
//! # Readers and the writer
//!
//! Readers hold the lock shared for one call; it is sharded, so that they write to no memory that other threads' readers use.
//! One writer at a time is inside `writer`. For a single change it holds the lock *shared* too, and changes the tree as
//! Leis, Scheibner, Kemper and Neumann describe it ("The ART of Practical Synchronization", DaMoN 2016, section 3.2: readers
//! never restart nor wait), with copies where the paper's node types would have them wait:
//! - In place (`node`), where one store makes it: a location, a new child at a free position, an entry's end.
//! - Else new nodes are built aside, published with one store of a number in the node above (or the root), and what they replace
//!   is retired. A reader inside a retired node sees the state of a moment ago, which was true during its call.
//!
//! Retired slots are freed after a grace period: having the lock alone for a moment, which tells that all who were inside
//! have left. That happens once for a thousand slots. The lock is held alone for longer only while a chunk is added (256 KiB at
//! most) or given back, and for an `apply` of several changes, which readers must see whole.
//!
//! All this needs no unsafe code: memory is read and written as 64-bit atomics, relaxed where publication orders.
//!
//! Who holds the lock waits for nothing. Order: `writer`, then `tree`.

mod class;
mod insert;
mod node;
mod remove;
mod scan;
mod slots;
mod store;
mod string;
mod tree;
mod writer;

#[cfg(test)]
mod check;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use super::{Capabilities, Change, Direction, Index, IndexKind, KeyPage, Start, WalkPosition, order};
use crate::error::{Error, Result};
use crate::types::{Location, MAX_KEY_LEN};
use crate::util::lock::Mutex;
use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};
use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use tree::{GROUP, Tree};
use writer::Writer;

/// See the module.
pub struct Art {
    tree: ShardedLock<Tree<AtomicU64>>,
    writer: Mutex<Writer>,
    len: AtomicU64,
    /// Bytes of the writer's own tables, as of the last time that chunks came or went.
    tables: AtomicU64,
}

impl Art {
    /// An index without keys.
    #[must_use]
    pub fn new() -> Art {
        let writer = Writer::new();
        let tables = AtomicU64::new(writer.memory());
        Art { tree: ShardedLock::new(Tree::new()), writer: Mutex::new(writer), len: AtomicU64::new(0), tables }
    }

    fn read(&self) -> ShardedLockReadGuard<'_, Tree<AtomicU64>> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no reader is inside.
    fn alone(&self) -> ShardedLockWriteGuard<'_, Tree<AtomicU64>> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one change beside readers.
    fn apply_one(&self, writer: &mut Writer, change: &mut Change<'_>) -> Result<()> {
        loop {
            // A statement of its own: a guard in a loop's condition would live through its body.
            let done = self.read().change(writer, change);
            let Err(need) = done else { break };
            if writer.slots.any_retired() {
                self.reclaim(writer);
            } else if !writer.make_room(&mut self.alone(), need, change, 0) {
                return Err(out_of_numbers());
            }
            self.count_tables(writer);
        }
        self.len.store(writer.len, Ordering::Release);
        writer.sparse = false;
        if writer.slots.many_retired() || writer.len == 0 {
            self.reclaim(writer);
        }
        Ok(())
    }

    /// Makes all changes while no reader is inside.
    fn apply_all(&self, writer: &mut Writer, changes: &mut [Change<'_>]) -> Result<()> {
        let puts = changes.iter().filter(|c| c.new.is_some()).map(|c| c.key.len());
        let for_puts = writer.chunks_for(puts, changes.iter().any(|c| c.new.is_none()));
        if writer.slots.chunks_left() < for_puts {
            return Err(out_of_numbers());
        }
        let mut tree = self.alone();
        writer.slots.free_retired(&tree.store);
        writer.slots.alone = true;
        let mut result = Ok(());
        let order = order::by_key(changes);
        order::for_each(changes, order.as_deref(), |change| {
            while let Err(need) = tree.change(writer, change) {
                if !writer.make_room(&mut tree, need, change, for_puts) {
                    debug_assert!(false, "what was reckoned with was not enough");
                    result = Err(out_of_numbers());
                    break;
                }
            }
        });
        writer.slots.alone = false;
        self.len.store(writer.len, Ordering::Release);
        self.give_back(writer, &mut tree);
        result
    }

    /// Waits until nobody can see what is retired, and reuses it.
    fn reclaim(&self, writer: &mut Writer) {
        // Whoever saw a retired node has left when the lock was had alone for a moment.
        drop(self.alone());
        writer.slots.free_retired(&self.read().store);
        if writer.slots.any_emptied() || writer.len == 0 {
            self.give_back(writer, &mut self.alone());
        }
    }

    fn give_back(&self, writer: &mut Writer, tree: &mut Tree<AtomicU64>) {
        writer.give_back(tree);
        self.count_tables(writer);
    }

    fn count_tables(&self, writer: &Writer) {
        self.tables.store(writer.memory(), Ordering::Relaxed);
    }
}

impl Default for Art {
    fn default() -> Art {
        Art::new()
    }
}

impl fmt::Debug for Art {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Art").field("len", &self.len()).field("memory", &self.memory()).finish()
    }
}

impl Index for Art {
    fn kind(&self) -> IndexKind {
        IndexKind::Art
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ordered: true, keeps_keys: true }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Location>> {
        Ok(self.read().get(key).map(Location::from_bits))
    }

    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()> {
        for change in changes.iter() {
            match change.key.len() {
                0 => return Err(Error::KeyEmpty),
                len if len > MAX_KEY_LEN => return Err(Error::KeyTooLarge { len }),
                _ => {}
            }
        }
        let mut writer = self.writer.lock();
        match changes {
            [] => Ok(()),
            [change] => self.apply_one(&mut writer, change),
            changes => self.apply_all(&mut writer, changes),
        }
    }

    fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) -> Result<()> {
        for (keys, out) in keys.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
            let mut found = [None; GROUP];
            self.read().get_group(keys, &mut found);
            out.iter_mut().zip(found).for_each(|(out, found)| *out = found.map(Location::from_bits));
        }
        Ok(())
    }

    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()> {
        self.read().scan(start, direction, max, page);
        Ok(())
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        let next = self.read().walk(position.0, max, out);
        position.0 = next.unwrap_or(WalkPosition::OVER);
        Ok(next.is_some())
    }

    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        Ok(self.read().sample(random).map(Location::from_bits))
    }

    fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    fn memory(&self) -> u64 {
        self.read().store.memory() + self.tables.load(Ordering::Relaxed)
    }
}

fn out_of_numbers() -> Error {
    Error::Unsupported { what: "the index has as many nodes as it can number (32 GiB)".into() }
}
