//! art

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

use super::{Capabilities, Change, Direction, Index, IndexKind, KeyPage, Start, WalkPosition};
use crate::error::{Error, Result};
use crate::types::{Location, MAX_KEY_LEN};
use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};
use parking_lot::Mutex;
use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use tree::{GROUP, Tree};
use writer::Writer;

/// Walk position behind the last chunk.
const WALK_OVER: u64 = u64::MAX;

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

    /// The locations of several keys, in their order: less time than one by one, where the tree is larger than
    /// the processor's caches.
    ///
    /// REQUIRES: `out` is as long as `keys`.
    pub fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) {
        for (keys, out) in keys.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
            let mut found = [None; GROUP];
            self.read().get_group(keys, &mut found);
            out.iter_mut().zip(found).for_each(|(out, found)| *out = found.map(Location::from_bits));
        }
    }

    /// The location of an entry picked by chance, each with the same; `None` if the attempt met none.
    pub fn sample(&self, random: &mut dyn FnMut() -> u64) -> Option<Location> {
        self.read().sample(random).map(Location::from_bits)
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
        for change in changes {
            while let Err(need) = tree.change(writer, change) {
                if !writer.make_room(&mut tree, need, change, for_puts) {
                    debug_assert!(false, "what was reckoned with was not enough");
                    result = Err(out_of_numbers());
                    break;
                }
            }
        }
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

    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()> {
        self.read().scan(start, direction, max, page);
        Ok(())
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        let next = self.read().walk(position.0, max, out);
        position.0 = next.unwrap_or(WALK_OVER);
        Ok(next.is_some())
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
