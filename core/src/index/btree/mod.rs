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
//! - A full leaf first shifts entries to a sibling; ascending inserts leave full pages behind.
//!
//! Layout of a page: `page`. Changes: `insert` and `remove`, on `run`s of entries taken out of pages. Way to a key:
//! `search`. Ordered reads: `scan`. Keys too long for a page: `long`.
//!
//! Invariants (all but the last are what the tests' `check` verifies after each step):
//! 1. Keys ascend strictly within a page and from leaf to leaf; the links visit all leaves in order.
//! 2. Keys left of a separator are less, keys right of it are not. Separators ascend strictly.
//! 3. All keys of a page share its prefix. Nothing is said of keys that are searched for.
//! 4. No leaf is empty, all leaves are at level 0, a parent is one level above its children. An inner page may have a
//!    single child and no separator; the root has at least one.
//! 5. Each allocated page is in the tree once, each long key in one entry.
//! 6. A page's heap is its entries' cells and `dead` bytes.
//! 7. What holds the lock waits for nothing.
//!
//! Locking: one lock, shared by readers, exclusive for a call of `apply`.

mod insert;
mod long;
mod page;
mod remove;
mod run;
mod scan;
mod search;

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;

use super::{Capabilities, Change, Direction, Index, IndexKind, KeyPage, Start, WalkPosition};
use crate::error::{Error, Result};
use crate::types::{Location, MAX_KEY_LEN};
use parking_lot::RwLock;
use search::Tree;
use std::fmt;

/// Pages that a change may take at most: two a level, of which there are far fewer.
const PAGES_PER_CHANGE: u64 = 64;
/// Walk position behind the last page.
const WALK_OVER: u64 = u64::MAX;

/// See the module.
pub struct BTree {
    tree: RwLock<Tree>,
}

impl BTree {
    /// An index without keys. Takes memory with the first.
    #[must_use]
    pub fn new() -> BTree {
        BTree { tree: RwLock::new(Tree::new()) }
    }
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
        Ok(self.tree.read().get(key).map(Location::from_bits))
    }

    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        Ok(self.tree.read().sample(random).map(Location::from_bits))
    }

    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()> {
        for change in changes.iter() {
            match change.key.len() {
                0 => return Err(Error::KeyEmpty),
                len if len > MAX_KEY_LEN => return Err(Error::KeyTooLarge { len }),
                _ => {}
            }
        }
        let mut tree = self.tree.write();
        // The one thing that can fail is asked for before the first change.
        if !tree.arena.has_room((changes.len() as u64 + 1).saturating_mul(PAGES_PER_CHANGE)) {
            return Err(Error::Unsupported { what: "the index has as many pages as it can number (16 TiB)".into() });
        }
        for change in changes {
            let old = match change.new {
                Some(location) => tree.insert(change.key, location.to_bits()),
                None => tree.remove(change.key),
            };
            change.old = old.map(Location::from_bits);
        }
        Ok(())
    }

    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()> {
        self.tree.read().scan(start, direction, max, page);
        Ok(())
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        let Ok(from) = u32::try_from(position.0) else { return Ok(false) };
        let next = self.tree.read().walk(from, max, out);
        position.0 = next.map_or(WALK_OVER, u64::from);
        Ok(next.is_some())
    }

    fn len(&self) -> u64 {
        self.tree.read().len
    }

    fn memory(&self) -> u64 {
        self.tree.read().memory()
    }
}
