//! The ordered index whose readers take no lock that its writer holds: a skip list.
//!
//! W. Pugh, "Skip Lists: A Probabilistic Alternative to Balanced Trees", CACM 33(6), 1990. One writer and readers beside it,
//! with the links' memory order of LevelDB's and RocksDB's lists in memory; the memory of a node is of one piece, as in
//! RocksDB's InlineSkipList.
//!
//! # Structure
//! ```text
//! level 2  head ─────────────────────────> fig ──────────────────> end
//! level 1  head ────────> banana ────────> fig ─────────> kiwi ──> end
//! level 0  head ─> apple ─> banana ─> date ─> fig ─> grape ─> kiwi ─> end
//! ```
//! A key is one node: its links, location, length and bytes in words of 64 bits side by side, in an arena, where nodes name
//! each other by number (`arena`, `node`): the words mean the same wherever they lie. One key in four has a second
//! link, and each further level half of those below: 1.5 links a key. A quarter everywhere (Pugh's choice for memory) saves
//! 1.6 bytes a key and costs a third more steps; a half everywhere costs 3.7 bytes more and saves two steps of about twenty.
//! High nodes, which every search comes through, have chunks of their own (`alloc`).
//!
//! # Links that decide by themselves
//! A search is a chain of cache misses, one a node that it looks at. So a link is 64 bits of which 32 name the next node; the
//! others say in how many bytes the two nodes' keys agree, and the two bytes of the next one's key behind those. A
//! search knows in how many bytes its key agrees with the node where it is. If a link's keys agree in more, the
//! next node is before the key as well; if in less, it is behind; if in as many, the two bytes decide unless they are the same
//! (Manber and Myers, "Suffix Arrays", 1993, section 2 search so; Bohannon et al., "Main-memory Index Structures with
//! Fixed-size Partial Keys", SIGMOD 2001, in trees). Only nodes that the search goes to are touched, keys are compared about once a
//! search, and shared prefixes cost nothing. Keys don't change and a word is read whole: what a link says stays true,
//! whatever is linked in between, and whether its node is still in the list or not.
//!
//! # Invariants
//! The tests' `check` verifies all but 6 and 7 after each step.
//! 1. Level 0 has all nodes, in strictly ascending order of keys. Each level has those nodes of the one below that are
//!    higher, in the same order.
//! 2. A link's `shared` and `head` are right for the keys of its two nodes.
//! 3. `len` is the number of nodes; each has its bit in the arena, and nothing else has.
//! 4. Blocks of nodes, retired nodes, free blocks and unused ends of chunks don't overlap.
//! 5. The writer's `tails` are the last nodes of the levels.
//! 6. A node is written before the first link to it, and linked from level 0 upwards. It leaves from the highest level
//!    down. A node that has left keeps its links, key and location until no reader can be there.
//! 7. Every link leads to a greater key, whether its node is in the list or has left. So whoever follows links comes to an end,
//!    and meets each node that is there from the beginning of his call to the end of it, if he started before it.
//!
//! # Locking
//! `writer` is held for a whole `apply`. `list` is a sharded lock: readers hold it for reading, each thread its own
//! shard, and so does the writer for a call of one change, which is made with atomic stores beside them: neither waits. The
//! writer takes it for writing
//! - for a call of several changes, which makes them atomic;
//! - to add a chunk, made beforehand, and to take one away;
//! - for a moment and for nothing else, when enough nodes are retired: whoever comes in later can't find them, whoever was
//!   inside has left. It tries so without waiting for long before it insists. Their words are made free after that, again beside
//!   readers.
//!
//! The seed decides the nodes' heights. It is secret, since whoever knows the heights can delete the high nodes.

mod alloc;
mod arena;
mod list;
mod node;
mod scan;

#[cfg(test)]
mod check;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;

use self::arena::{Chunk, Word};
use self::list::{List, Writer};
use self::node::{HIGH, MAX_HEIGHT, node_words};
use super::{Capabilities, Change, Direction, Index, IndexKind, KeyPage, Start, WalkPosition, order};
use crate::error::{Error, Result};
use crate::types::Location;
use crate::util::lock::Mutex;
use crossbeam_utils::CachePadded;
use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};

/// Retired nodes, or words of them, from which on the writer tries to get rid of them, and those from which on it waits for it.
const RETIRED: (usize, u64) = (256, 1 << 14);
const RETIRED_MOST: (usize, u64) = (4096, 1 << 18);
/// A try is made with each so many removals.
const TRY_EACH: usize = 32;
/// Bytes of a sharded lock: eight locks, each in cache lines of its own.
const LOCK_BYTES: usize = 8 * size_of::<CachePadded<[u64; 4]>>();

type Memory = AtomicU64;

/// See the module.
pub struct SkipList {
    list: ShardedLock<List<Memory>>,
    writer: Mutex<Writer>,
}

impl SkipList {
    /// An index without keys. Takes memory with the first. `seed` must be random and secret.
    #[must_use]
    pub fn new(seed: u64) -> SkipList {
        SkipList { list: ShardedLock::new(List::new()), writer: Mutex::new(Writer::new(seed)) }
    }

    /// A panic of the writer leaves what it was at half done at worst, never a link to what isn't there.
    fn read(&self) -> ShardedLockReadGuard<'_, List<Memory>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> ShardedLockWriteGuard<'_, List<Memory>> {
        self.list.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply_one(&self, writer: &mut Writer, change: &mut Change<'_>) {
        let mut list = self.read();
        let Some(location) = change.new else {
            change.old = writer.remove(&list, change.key).map(Location::from_bits);
            let emptied = list.len.peek() == 0;
            drop(list);
            return self.tidy(writer, emptied);
        };
        let height = writer.draw_height(&list);
        let words = node_words(height, change.key.len());
        if !writer.alloc.has_room(words, height >= HIGH) {
            drop(list);
            let (index, len) = writer.alloc.next_chunk(words);
            let chunk = Chunk::new(len);
            let former = self.write().arena.install(index, chunk);
            drop(former);
            list = self.read();
            writer.alloc.add_chunk(&list.arena, index, len, height >= HIGH);
        }
        change.old = writer.put(&list, change.key, location.to_bits(), height).map(Location::from_bits);
    }

    fn apply_many(&self, writer: &mut Writer, changes: &mut [Change<'_>]) {
        let mut list = self.write();
        writer.reclaim(&list);
        let order = order::by_key(changes);
        order::for_each(changes, order.as_deref(), |change| {
            let old = match change.new {
                Some(location) => {
                    let height = writer.draw_height(&list);
                    let words = node_words(height, change.key.len());
                    if !writer.alloc.has_room(words, height >= HIGH) {
                        let (index, len) = writer.alloc.next_chunk(words);
                        list.arena.install(index, Chunk::new(len));
                        writer.alloc.add_chunk(&list.arena, index, len, height >= HIGH);
                    }
                    writer.put(&list, change.key, location.to_bits(), height)
                }
                None => {
                    let old = writer.remove(&list, change.key);
                    writer.reclaim(&list);
                    old
                }
            };
            change.old = old.map(Location::from_bits);
        });
        let surplus = give_back(writer, &mut list);
        drop(list);
        drop(surplus);
    }

    /// Makes retired nodes' memory free, and gives back what is no longer needed.
    fn tidy(&self, writer: &mut Writer, emptied: bool) {
        let (nodes, words) = (writer.retired.len(), writer.retired_words);
        let over = |limit: (usize, u64)| nodes >= limit.0 || words >= limit.1;
        let emptied = emptied && writer.alloc.is_large();
        if over(RETIRED_MOST) || emptied {
            drop(self.write());
        } else if !over(RETIRED) || !nodes.is_multiple_of(TRY_EACH) || self.list.try_write().is_err() {
            return;
        }
        {
            let list = self.read();
            writer.reclaim(&list);
            list.most.put(list.arena.most_live());
        }
        if writer.alloc.has_surplus() || emptied {
            let surplus = give_back(writer, &mut self.write());
            drop(surplus);
        }
    }
}

/// Takes memory away that isn't needed, to be dropped when no lock is held.
///
/// REQUIRES: nothing is retired.
fn give_back(writer: &mut Writer, list: &mut List<Memory>) -> Vec<Chunk<Memory>> {
    if list.len.peek() == 0 && writer.alloc.is_large() {
        writer.clear();
        return list.clear();
    }
    std::iter::from_fn(|| writer.alloc.surplus()).filter_map(|index| list.arena.remove(index)).collect()
}

impl fmt::Debug for SkipList {
    /// Without the seed, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkipList").field("len", &self.len()).field("memory", &self.memory()).finish()
    }
}

impl Index for SkipList {
    fn kind(&self) -> IndexKind {
        IndexKind::SkipList
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ordered: true, keeps_keys: true }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Location>> {
        Ok(self.read().get(key).map(Location::from_bits))
    }

    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()> {
        super::check_keys(changes)?;
        let most = |change: &Change<'_>| u64::from(node_words(MAX_HEIGHT, change.key.len()));
        let words = changes.iter().map(|change| most(change) * 9 / 8).sum();
        let mut writer = self.writer.lock();
        // The one thing that can fail is asked for before the first change.
        if !writer.alloc.can_number(words) {
            return Err(Error::Unsupported { what: "the index has as many nodes as it can number (32 GiB)".into() });
        }
        match changes {
            [] => {}
            [change] => self.apply_one(&mut writer, change),
            changes => self.apply_many(&mut writer, changes),
        }
        Ok(())
    }

    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()> {
        self.read().scan(start, direction, max, page);
        Ok(())
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        let Ok(from) = u32::try_from(position.0) else { return Ok(false) };
        let next = self.read().walk(from, max.max(1), out);
        position.0 = next.map_or(WalkPosition::OVER, u64::from);
        Ok(next.is_some())
    }

    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        Ok(self.read().sample(random))
    }

    fn len(&self) -> u64 {
        self.read().len.peek()
    }

    fn memory(&self) -> u64 {
        let writer = self.writer.lock();
        let bytes = size_of::<SkipList>() + LOCK_BYTES + writer.memory() + self.read().arena.memory();
        bytes as u64
    }
}
