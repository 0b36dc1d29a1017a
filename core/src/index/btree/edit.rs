//! The writer's hold on the tree: which pages a change has locked, and what it may do besides.
//!
//! A change reads without looking at versions, since nobody else changes anything, and locks a page when it first
//! wants to store to it. All locks are held to the end of the change, when [`Editor`] is dropped: then readers see all of it.
//! With the state held exclusively there are no readers, and nothing is locked.

use super::change::NewKey;
use super::long::LongKeys;
use super::page::{Found, MAX_INLINE};
use super::run::Run;
use super::search::State;
use crate::index::arena::{Arena, NO_PAGE, Page, Pages};
use crate::index::optimistic::Budget;
use crate::index::snapshot::Snapshot;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Pages that a change may take at most: two a level, of which there are far fewer.
pub(super) const PAGES_PER_CHANGE: u32 = 64;

/// What the writer keeps from one change to the next.
pub(super) struct Writer {
    pub(super) arena: Arena,
    pub(super) run: Run,
    pub(super) len: u64,
    pub(super) budget: Budget,
    /// Calls since the writer last tried to give memory back.
    pub(super) patience: u32,
    /// The image under way.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    locked: Vec<u32>,
    /// The leaf of the last change, if it is still one.
    last_leaf: u32,
}

impl Writer {
    pub(super) fn new() -> Writer {
        let (arena, run, budget) = (Arena::default(), Run::default(), Budget::new());
        Writer { arena, run, len: 0, budget, patience: 0, snapshot: None, locked: Vec::new(), last_leaf: NO_PAGE }
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> u64 {
        let snapshot = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.memory());
        self.arena.memory() + self.run.memory() + self.locked.capacity() as u64 * 4 + snapshot
    }
}

/// The change needs what only an exclusive hold on the state allows. It has done nothing.
#[derive(Debug)]
pub(super) struct NeedsRebuild;

/// A page on the way to a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) page: u32,
    /// Its parent, and which child of it it is; none for the root.
    pub(super) parent: Option<(u32, usize)>,
}

enum Longs<'a> {
    /// Readers may be looking keys up.
    Shared(&'a LongKeys),
    Own(&'a mut LongKeys),
}

/// One change, or all changes of a call.
pub(super) struct Editor<'a> {
    pages: &'a Pages,
    root: &'a AtomicU32,
    longs: Longs<'a>,
    pub(super) writer: &'a mut Writer,
    /// See [`Editor::nearby`].
    is_nearby: bool,
}

impl<'a> Editor<'a> {
    /// Beside readers.
    pub(super) fn shared(state: &'a State, writer: &'a mut Writer) -> Editor<'a> {
        Editor { pages: &state.pages, root: &state.root, longs: Longs::Shared(&state.longs), writer, is_nearby: false }
    }

    /// Without readers.
    pub(super) fn exclusive(state: &'a mut State, writer: &'a mut Writer) -> Editor<'a> {
        Editor { pages: &state.pages, root: &state.root, longs: Longs::Own(&mut state.longs), writer, is_nearby: false }
    }

    /// The key is likely one of this leaf, if it is one. It may be any page, or none.
    pub(super) fn likely_in(mut self, leaf: u32) -> Editor<'a> {
        self.writer.last_leaf = leaf;
        self.is_nearby = leaf != NO_PAGE;
        self
    }

    /// The key is likely one of the leaf that the last change was made in.
    pub(super) fn nearby(mut self, is_nearby: bool) -> Editor<'a> {
        self.is_nearby = is_nearby;
        self
    }

    fn is_exclusive(&self) -> bool {
        matches!(self.longs, Longs::Own(_))
    }

    /// Whether pages may be taken and entries moved from one to another. Beside readers, the arena must have the pages, and no
    /// long key may come or go, as it could with its entry.
    pub(super) fn may_rebuild(&self) -> bool {
        self.is_exclusive() || (self.longs().is_empty() && self.writer.arena.is_ready(PAGES_PER_CHANGE))
    }

    pub(super) fn longs(&self) -> &LongKeys {
        match &self.longs {
            Longs::Shared(longs) => longs,
            Longs::Own(longs) => longs,
        }
    }

    pub(super) fn page(&self, no: u32) -> &'a Page {
        self.pages.page(no)
    }

    /// The page, locked for the rest of the change.
    pub(super) fn page_mut(&mut self, no: u32) -> &'a Page {
        let page = self.pages.page(no);
        if let Some(snapshot) = &self.writer.snapshot {
            snapshot.keep(no, page);
        }
        self.pages.touch(no);
        if !self.is_exclusive() && page.lock() {
            self.writer.locked.push(no);
        }
        page
    }

    pub(super) fn root(&self) -> u32 {
        self.root.load(Ordering::Relaxed)
    }

    /// REQUIRES: the present root and the new one are locked, or there is none.
    pub(super) fn set_root(&self, no: u32) {
        let locked = |no| no == NO_PAGE || self.writer.locked.contains(&no);
        debug_assert!(
            self.is_exclusive() || (locked(self.root()) && locked(no)),
            "a root that readers can't see change"
        );
        self.root.store(no, Ordering::Release);
    }

    pub(super) fn new_page(&mut self, level: u8) -> u32 {
        let no = self.writer.arena.alloc(self.pages);
        self.page_mut(no).init(level);
        no
    }

    pub(super) fn free_page(&mut self, no: u32) {
        self.page_mut(no);
        self.writer.arena.free(self.pages, no);
    }

    pub(super) fn new_key<'k>(&mut self, key: &'k [u8]) -> NewKey<'k> {
        let long = match &mut self.longs {
            Longs::Own(longs) if is_long(key) => Some(longs.insert(key)),
            _ => None,
        };
        debug_assert_eq!(long.is_some(), is_long(key), "a long key beside readers");
        NewKey { bytes: key, long }
    }

    pub(super) fn remove_long(&mut self, long: u32) {
        debug_assert!(self.is_exclusive(), "a long key removed beside readers");
        if let Longs::Own(longs) = &mut self.longs {
            longs.remove(long);
        }
    }

    /// The leaf where a key is or belongs, and its place there; none in an empty tree.
    pub(super) fn place(&mut self, key: &[u8]) -> Option<(u32, Found)> {
        if self.is_nearby {
            let (leaf, page) = (self.writer.last_leaf, self.page(self.writer.last_leaf));
            // Whatever became of the page since: if it is a leaf that has the key, or keys on both sides of it, there is no other.
            if page.is_leaf() {
                page.prefetch_top();
                let found = page.find(key, self.longs());
                if found.exact || (1..page.count()).contains(&found.pos) {
                    return Some((leaf, found));
                }
            }
        }
        let leaf = self.leaf(key)?;
        let page = self.page(leaf);
        if self.is_nearby && page.next() != NO_PAGE {
            self.page(page.next()).prefetch();
        }
        self.writer.last_leaf = leaf;
        Some((leaf, page.find(key, self.longs())))
    }

    /// The leaf where a key is or belongs; none in an empty tree.
    pub(super) fn leaf(&self, key: &[u8]) -> Option<u32> {
        (self.root() != NO_PAGE).then(|| self.step(key, 0).page)
    }

    /// The page of this level on the way to a key.
    ///
    /// REQUIRES: the tree is not empty and the level not above the root's.
    pub(super) fn step(&self, key: &[u8], level: u8) -> Step {
        let mut step = Step { page: self.root(), parent: None };
        loop {
            let page = self.page(step.page);
            if page.level() <= level {
                return step;
            }
            let index = page.child_index(key, self.longs());
            step = Step { page: page.child(index), parent: Some((step.page, index)) };
            self.page(step.page).prefetch();
        }
    }
}

impl Drop for Editor<'_> {
    /// The end of the change.
    fn drop(&mut self) {
        for no in self.writer.locked.drain(..) {
            self.pages.page(no).unlock();
        }
    }
}

pub(super) fn is_long(key: &[u8]) -> bool {
    key.len() > MAX_INLINE
}
