//! The tree's state, and the way from its root to a key.
//!
//! Every step reads one page through its number; nothing here keeps a reference to a page from one step to the next.

use super::long::LongKeys;
use super::run::Run;
use crate::index::arena::{Arena, NO_PAGE, Page};

/// The tree behind the lock.
pub(super) struct Tree {
    pub(super) arena: Arena,
    pub(super) longs: LongKeys,
    /// [`NO_PAGE`] if there are no keys.
    pub(super) root: u32,
    pub(super) len: u64,
    pub(super) run: Run,
}

/// A page on the way to a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) page: u32,
    /// Its parent, and which child of it it is; none for the root.
    pub(super) parent: Option<(u32, usize)>,
}

impl Tree {
    pub(super) fn new() -> Tree {
        let (arena, longs, run) = (Arena::default(), LongKeys::default(), Run::default());
        Tree { arena, longs, root: NO_PAGE, len: 0, run }
    }

    pub(super) fn page(&self, no: u32) -> &Page {
        self.arena.page(no)
    }

    pub(super) fn page_mut(&mut self, no: u32) -> &mut Page {
        self.arena.page_mut(no)
    }

    /// The payload of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<u64> {
        let page = self.page(self.leaf(key)?);
        let found = page.find(key, &self.longs);
        found.exact.then(|| page.payload(found.pos))
    }

    /// The leaf where a key is or belongs; none in an empty tree.
    pub(super) fn leaf(&self, key: &[u8]) -> Option<u32> {
        let mut no = self.root;
        if no == NO_PAGE {
            return None;
        }
        loop {
            let page = self.page(no);
            if page.is_leaf() {
                return Some(no);
            }
            no = page.child(self.child_index(page, key));
        }
    }

    /// The first leaf, or the last.
    pub(super) fn edge_leaf(&self, last: bool) -> Option<u32> {
        let mut no = self.root;
        if no == NO_PAGE {
            return None;
        }
        loop {
            let page = self.page(no);
            if page.is_leaf() {
                return Some(no);
            }
            no = page.child(if last { page.count() } else { 0 });
        }
    }

    /// The page of this level on the way to a key.
    ///
    /// REQUIRES: the tree is not empty and the level not above the root's.
    pub(super) fn step(&self, key: &[u8], level: u8) -> Step {
        let mut step = Step { page: self.root, parent: None };
        loop {
            let page = self.page(step.page);
            if page.level() <= level {
                return step;
            }
            let index = self.child_index(page, key);
            step = Step { page: page.child(index), parent: Some((step.page, index)) };
        }
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> u64 {
        self.arena.memory() + self.longs.memory() + self.run.memory()
    }

    /// Keys equal to a separator are right of it.
    fn child_index(&self, page: &Page, key: &[u8]) -> usize {
        let found = page.find(key, &self.longs);
        found.pos + usize::from(found.exact)
    }
}
