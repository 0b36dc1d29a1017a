//! The ordered index in memory: a B+tree of slotted pages.
//!
//! Pages of 4 KiB lie in an [arena](super::arena) and name each other by number: their bytes mean the same wherever
//! they lie. A leaf holds keys and locations, an inner page separators and children; leaves are linked both ways. What
//! keeps a key small and a search short:
//!
//! - The prefix that all keys of a page share is stored once, separators are cut to the bytes that separate
//!   (Bayer and Unterauer, "Prefix B-trees", TODS 1977). The prefix is that of the keys that are there, not of
//!   all that may come: a key without it has the page rewritten, or gets one of its own.
//! - The first four bytes behind the prefix lie side by side as numbers ("poor man's normalized keys": Graefe,
//!   "Modern B-tree techniques", 2011, section 3.4; LeanStore: Leis et al., ICDE 2018) and are not repeated in the entry.
//! - A full leaf first shifts entries to a sibling; ascending inserts leave full pages behind. What is built of keys that came in no order is left
//!   room for more of that kind.
//! - A change that is announced (`warm`) has its leaf asked for, and begins there.
//! - All that a search reads before the entry itself lies at a fixed place and is asked for as soon as the page's number is
//!   known, so that a cold leaf costs the time of two cache misses (prefetching within pages: Chen, Gibbons, Mowry, SIGMOD 2001).
//!
//! Layout of a page: `page`, to change it `change`. What readers and the writer share, and a reader's way to a key: `search`.
//! Changes: `insert`, where a leaf is full `deal`, `remove`, of many keys `erase`, of places alone `relocate`, and, of nothing into a whole tree, `build`, on `run`s of entries taken out of pages, through the writer's hold on pages, `edit`. Ordered reads:
//! `scan`. Many lookups at once: `many`. Keys too long for a page: `long`. Images to be saved, and what is made of a saved one: `imaged`;
//! what is demanded of that: `sound`.
//!
//! Invariants (1 to 6 are what the tests' `check` verifies after each step):
//! 1. Keys ascend strictly within a page and from leaf to leaf; the links visit all leaves in order.
//! 2. Keys left of a separator are less, keys right of it are not. Separators ascend strictly.
//! 3. All keys of a page share its prefix. Nothing is said of keys that are searched for.
//! 4. No leaf is empty, all leaves are at level 0, a parent is one level above its children. An inner page may have a
//!    single child and no separator; the root has at least one.
//! 5. Each allocated page is in the tree once, each long key in one entry.
//! 6. A page's heap is its entries' cells and `dead` words.
//! 7. What holds the lock waits for nothing.
//! 8. A page that readers can reach is stored to only while it is locked, or without readers.
//!
//! Locking: readers share a lock (sharded, so that they write to no memory of each other's) with the writer's single changes, and
//! check the versions of the pages they look at instead (`index/optimistic.rs`). A change locks the pages that it stores to,
//! splits, merges, shifts and a new root included, till all are changed; a reader waits for such a page, some hundred
//! nanoseconds, and for nothing else. The lock is held exclusively for what readers must see at once or not be in the
//! middle of: `apply` of several changes; changes of long keys, whose table isn't versioned, and of more than a leaf while there are
//! any, and the beginning of an image; a longer table of chunks (each time twice as long); and giving chunks back, which waits for readers only if more than
//! a fifth of the memory is empty. `len` is stored under the lock and read without.

mod build;
mod change;
mod deal;
mod edit;
mod erase;
mod imaged;
mod insert;
mod long;
mod many;
mod page;
mod relocate;
mod remove;
mod run;
mod scan;
mod search;
mod sound;

#[cfg(test)]
mod check;
#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;

use super::arena::NO_PAGE;
use super::image::Imaged;
use super::{Capabilities, Change, Direction, Index, IndexKind, KeyPage, Packing, Start, WalkPosition, order};
use crate::error::{Error, Result};
use crate::types::Location;
use crate::util::lock::{Mutex, MutexGuard};
use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};
use edit::{Editor, NeedsRebuild, PAGES_PER_CHANGE, Writer, is_long};
use many::GROUP;
use search::State;
use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Changes between two attempts to give back memory that readers may be looking at.
const PATIENCE: u32 = 64;
/// Keys from which on a tree is larger than the processor's caches that are near.
const LARGE: u64 = if cfg!(test) { 1 << 6 } else { 1 << 16 };
/// Of so many keys a packet of changes has one: their memory is small against the tree's.
const CHANGES_OF_KEYS: u64 = 16;
/// Bounds of a packet.
const SMALLEST_PACKET: usize = 2048;
const LARGEST_PACKET: usize = 1 << 20;
/// With fewer changes than this building gains nothing.
const WORTH_BUILDING: usize = 256;
/// Keys that a leaf has, about.
const KEYS_A_LEAF: u64 = 100;

/// See the module.
pub struct BTree {
    state: ShardedLock<State>,
    writer: Mutex<Writer>,
    len: AtomicU64,
    /// Nothing is left to be looked at of what the tree was made of. If not, `writer` knows of no free page.
    is_ready: AtomicBool,
    /// Held by who looks at it, and taken before the other locks.
    trusting: Mutex<()>,
    /// A guess at the leaf where the key belongs that [`Index::warm`] was last told of, until a change is made: it may be any page, or none.
    warm_leaf: AtomicU32,
}

impl BTree {
    /// An index without keys. Takes memory with the first.
    #[must_use]
    pub fn new() -> BTree {
        let (state, writer) = (ShardedLock::new(State::new()), Mutex::new(Writer::new()));
        BTree {
            state,
            writer,
            len: AtomicU64::new(0),
            is_ready: AtomicBool::new(true),
            trusting: Mutex::new(()),
            warm_leaf: AtomicU32::new(NO_PAGE),
        }
    }

    /// A panic elsewhere leaves no page locked and is no reason for another here.
    #[inline]
    fn read(&self) -> ShardedLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> ShardedLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one change beside readers, if that can be.
    fn apply_shared(&self, writer: &mut Writer, change: &mut Change<'_>) -> Result<(), NeedsRebuild> {
        if is_long(change.key) || !writer.arena.is_ready(PAGES_PER_CHANGE) || !writer.budget.spend() {
            return Err(NeedsRebuild);
        }
        let state = self.read();
        // Of this change it was said, most likely; of the next it says nothing.
        let likely = self.warm_leaf.swap(NO_PAGE, Ordering::Relaxed);
        make(Editor::shared(&state, writer).likely_in(likely), change)
    }

    /// Makes changes without readers.
    fn apply_exclusive(&self, writer: &mut Writer, changes: &mut [Change<'_>], order: Option<&[u32]>) {
        let mut state = self.write();
        writer.budget.refill();
        let at = |i: usize| order.map_or(i, |order| order[i] as usize);
        if writer.len == 0 && self.build_of(&mut state, writer, changes, order) {
            return;
        }
        // Each has a leaf of its own to wait for, most likely, and few of them are near.
        let is_sparse = writer.len >= LARGE && changes.len() as u64 <= writer.len / KEYS_A_LEAF;
        // Of several in a leaf all but the first need not be led there.
        let is_dense = changes.len() > GROUP && changes.len() as u64 >= writer.len / (KEYS_A_LEAF / 4);
        let (mut i, mut warm) = (0, 0);
        while i < changes.len() {
            if is_sparse && i >= warm {
                let group = i..changes.len().min(i + GROUP);
                let mut keys = [&[][..]; GROUP];
                keys.iter_mut().zip(group.clone()).for_each(|(key, i)| *key = changes[at(i)].key);
                state.warm(&keys[..group.len()]);
                warm = group.end;
            }
            if let Some(order) = order {
                order::ask_ahead(changes, order, i);
            }
            if !writer.arena.is_ready(PAGES_PER_CHANGE) {
                writer.arena.grow_table(&mut state.pages, PAGES_PER_CHANGE.into());
            }
            let mut editor = Editor::exclusive(&mut state, writer).nearby(is_dense);
            let is_removal = |i: usize| i < changes.len() && changes[at(i)].new.is_none();
            if is_removal(i) && is_removal(i + 1) {
                i += editor.erase(changes, order, i);
            } else {
                let made = make(editor, &mut changes[at(i)]);
                debug_assert!(made.is_ok(), "nothing is forbidden");
                i += 1;
            }
        }
        writer.arena.give_back(&mut state.pages);
        // Inside the lock: who sees the number sees the keys.
        self.len.store(writer.len, Ordering::Release);
    }

    /// Makes changes of an empty tree by building it, if they are many puts of different keys.
    fn build_of(
        &self,
        state: &mut State,
        writer: &mut Writer,
        changes: &mut [Change<'_>],
        order: Option<&[u32]>,
    ) -> bool {
        let change = |i: usize| &changes[order.map_or(i, |order| order[i] as usize)];
        let ascends = |i: usize| i == 0 || change(i - 1).key < change(i).key;
        let pages = build::most_pages(changes.len() as u64);
        if changes.len() < WORTH_BUILDING
            || !(0..changes.len()).all(|i| change(i).new.is_some() && ascends(i))
            || !writer.arena.has_room(pages)
        {
            return false;
        }
        writer.arena.grow_table(&mut state.pages, pages);
        // What had to be sorted came in no order, and so will others.
        let packing = if order.is_some() { Packing::Roomy } else { Packing::Tight };
        let mut entries = (0..changes.len()).filter_map(|i| change(i).new.map(|location| (change(i).key, location)));
        Editor::exclusive(state, writer).build(packing, &mut entries);
        self.len.store(writer.len, Ordering::Release);
        changes.iter_mut().for_each(|change| change.old = None);
        true
    }

    /// Gives back memory, if no reader is in the way; waits for readers only if there is much of it.
    fn tidy(&self, mut writer: MutexGuard<'_, Writer>) {
        let Writer { arena, patience, .. } = &mut *writer;
        let state = if arena.surplus() > arena.in_use() / 4 {
            Some(self.write())
        } else if *patience == 0 {
            *patience = PATIENCE;
            self.state.try_write().ok()
        } else {
            *patience -= 1;
            None
        };
        if let Some(mut state) = state {
            writer.arena.give_back(&mut state.pages);
            writer.budget.refill();
        }
    }
}

fn make(mut editor: Editor<'_>, change: &mut Change<'_>) -> Result<(), NeedsRebuild> {
    let old = match change.new {
        Some(location) => editor.insert(change.key, location.to_bits())?,
        None => editor.remove(change.key)?,
    };
    change.old = old.map(Location::from_bits);
    Ok(())
}

impl Default for BTree {
    fn default() -> BTree {
        BTree::new()
    }
}

impl fmt::Debug for BTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BTree").field("len", &self.len()).field("memory", &self.memory()).finish()
    }
}

impl Index for BTree {
    fn kind(&self) -> IndexKind {
        IndexKind::BTree
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ordered: true, keeps_keys: true }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Location>> {
        let state = self.read();
        let found = state.get(key).map(Location::from_bits);
        state.verdict()?;
        Ok(found)
    }

    fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) -> Result<()> {
        let state = self.read();
        state.get_many(keys, out);
        state.verdict()
    }

    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()> {
        super::check_keys(changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        // Before the wait for who looks at what was saved.
        let order = order::by_key(changes);
        let mut writer = self.ready_writer()?;
        // The one thing that can fail is asked for before the first change.
        if !writer.arena.has_room((changes.len() as u64 + 1).saturating_mul(PAGES_PER_CHANGE.into())) {
            return Err(Error::Unsupported { what: "the index has as many pages as it can number (16 TiB)".into() });
        }
        match changes {
            [] => {}
            [change] => match self.apply_shared(&mut writer, change) {
                Ok(()) => {
                    self.len.store(writer.len, Ordering::Release);
                    if writer.arena.surplus() > 0 {
                        self.tidy(writer);
                    }
                }
                Err(NeedsRebuild) => self.apply_exclusive(&mut writer, changes, order.as_deref()),
            },
            _ => self.apply_exclusive(&mut writer, changes, order.as_deref()),
        }
        Ok(())
    }

    fn relocate(&self, changes: &mut [Change<'_>], is_old: &dyn Fn(Location) -> bool) -> Result<()> {
        super::check_keys(changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        let mut writer = self.ready_writer()?;
        let left = self.relocate_shared(&mut writer, changes, is_old);
        drop(writer);
        if left.is_empty() { Ok(()) } else { super::relocate_each(self, left, is_old) }
    }

    fn build(
        &self,
        len: usize,
        packing: Packing,
        entries: &mut dyn Iterator<Item = (&[u8], Location)>,
    ) -> Result<bool> {
        let mut writer = self.ready_writer()?;
        let pages = build::most_pages(len as u64);
        // Twice: levels that are there already are told of leaves one by one, which may split their pages.
        if !writer.arena.has_room(pages * 2) {
            return Ok(false);
        }
        let mut state = self.write();
        writer.arena.grow_table(&mut state.pages, pages);
        if writer.len == 0 {
            Editor::exclusive(&mut state, &mut writer).build(packing, entries);
        } else {
            let leaves = Editor::exclusive(&mut state, &mut writer).append_leaves(packing, &mut entries.peekable());
            let Some(leaves) = leaves else { return Ok(false) };
            for (separator, leaf) in leaves {
                if !writer.arena.is_ready(PAGES_PER_CHANGE) {
                    writer.arena.grow_table(&mut state.pages, PAGES_PER_CHANGE.into());
                }
                Editor::exclusive(&mut state, &mut writer).insert_separator(separator, leaf, 1);
            }
        }
        self.len.store(writer.len, Ordering::Release);
        Ok(true)
    }

    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()> {
        let (before, state) = (page.len(), self.read());
        state.scan(start, direction, max, page);
        state.verdict().inspect_err(|_| page.truncate(before))
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        let Ok(from) = u32::try_from(position.0) else { return Ok(false) };
        let (before, state) = (out.len(), self.read());
        let next = state.walk(from, max, out);
        state.verdict().inspect_err(|_| out.truncate(before))?;
        position.0 = next.map_or(WalkPosition::OVER, u64::from);
        Ok(next.is_some())
    }

    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        let state = self.read();
        let drawn = state.sample(random).map(Location::from_bits);
        state.verdict()?;
        Ok(drawn)
    }

    fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    fn memory(&self) -> u64 {
        let writer = self.writer.lock();
        let state = self.read();
        state.pages.memory() + state.longs.memory() + writer.memory()
    }

    fn imaged(&self) -> Option<&dyn Imaged> {
        Some(self)
    }

    fn ready(&self) -> Result<()> {
        if self.is_ready.load(Ordering::Acquire) { Ok(()) } else { self.trust(&AtomicBool::new(false)).map(|_| ()) }
    }

    fn reserve(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        // A replay that finds nothing has no need of it.
        if self.is_ready.load(Ordering::Acquire) || keys.next().is_none() { Ok(()) } else { self.ready() }
    }

    fn is_damaged(&self) -> bool {
        self.read().verdict().is_err()
    }

    fn warm(&self, key: &[u8]) {
        if self.len() >= LARGE {
            // The levels above are in the cache; the leaf comes while the caller does something else, and need not be looked for again.
            self.warm_leaf.store(self.read().ask_for_leaf(key), Ordering::Relaxed);
        }
    }

    fn packet(&self) -> usize {
        // Several changes a leaf: it is fetched, and where it is mapped copied, for all of them.
        ((self.len() / CHANGES_OF_KEYS) as usize).clamp(SMALLEST_PACKET, LARGEST_PACKET)
    }

    fn rebuild(&self, fill: &mut dyn FnMut(&dyn Index) -> Result<()>) -> Result<()> {
        let fresh = BTree::new();
        fill(&fresh)?;
        self.take_over(&fresh);
        Ok(())
    }
}
