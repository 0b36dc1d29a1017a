//! What readers and the writer share, and a reader's way from the root to a key.
//!
//! Optimistic lock coupling: a page is read between two looks at its version, and before its child is read, the page's
//! version is looked at once more, with the child's in hand (`index/optimistic.rs`, invariant 3). Whatever doesn't
//! hold sends the reader back to the root; that happens only if the writer has got on meanwhile. The root's number is the
//! first parent: it is stored while the old root and the new are locked, so that a look at the root's version and then at
//! the number again shows whether both belong together.

use super::long::LongKeys;
use crate::error::Result;
use crate::index::arena::{NO_PAGE, Page, Pages};
use crate::index::optimistic::Seen;
use crate::index::saved::SavedPages;
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// The tree behind the lock.
pub(super) struct State {
    pub(super) pages: Pages,
    /// Changed only with the state held exclusively.
    pub(super) longs: LongKeys,
    /// [`NO_PAGE`] if there are no keys.
    pub(super) root: AtomicU32,
}

/// A page under a reader's look.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) page: &'a Page,
    seen: Seen,
}

impl<'a> View<'a> {
    #[inline]
    pub(super) fn of(page: &'a Page) -> View<'a> {
        View { page, seen: page.enter() }
    }

    /// Whether all that was read from the page up to now belongs together.
    #[inline]
    pub(super) fn holds(&self) -> bool {
        self.page.valid(self.seen)
    }

    /// Passes on to a page whose number was read from this one; nothing if this one has changed.
    #[inline]
    pub(super) fn hand_over(&self, next: &'a Page) -> Option<View<'a>> {
        next.prefetch();
        self.pass_to(next)
    }

    /// The same without asking for the page's lines.
    #[inline]
    pub(super) fn pass_to(&self, next: &'a Page) -> Option<View<'a>> {
        let next = View::of(next);
        self.holds().then_some(next)
    }
}

impl State {
    pub(super) fn new() -> State {
        State { pages: Pages::default(), longs: LongKeys::default(), root: AtomicU32::new(NO_PAGE) }
    }

    /// The payload of a key.
    #[inline]
    pub(super) fn get(&self, key: &[u8]) -> Option<u64> {
        loop {
            let leaf = self.leaf(key)?;
            let found = leaf.page.find(key, &self.longs);
            let payload = found.exact.then(|| leaf.page.payload(found.pos));
            if leaf.holds() {
                return payload;
            }
        }
    }

    /// An error if what the tree was made of was found damaged. Asked behind each look.
    #[inline]
    pub(super) fn verdict(&self) -> Result<()> {
        self.pages.saved().map_or(Ok(()), SavedPages::check)
    }

    /// Gives up a look at pages that are not what they must be.
    #[cold]
    pub(super) fn fail<T>(&self, what: &str) -> Option<T> {
        self.pages.saved().and_then(|saved| saved.fail(what))
    }

    /// The root; none in an empty tree.
    #[inline]
    pub(super) fn root(&self) -> Option<View<'_>> {
        loop {
            let no = self.root.load(Ordering::Acquire);
            if no == NO_PAGE {
                return None;
            }
            let root = View::of(self.pages.page(no));
            fence(Ordering::Acquire);
            if self.root.load(Ordering::Relaxed) == no {
                return Some(root);
            }
        }
    }

    /// The leaf where a key is or belongs; none in an empty tree.
    #[inline]
    pub(super) fn leaf(&self, key: &[u8]) -> Option<View<'_>> {
        self.descend(|page| page.child_index(key, &self.longs))
    }

    /// Asks for the lines of the leaf where a key is or belongs, and gives its number without waiting for it; [`NO_PAGE`] if there is none or it can't be
    /// told. The number is a guess: of the leaf's parent it is not asked again whether it has changed meanwhile, so that any page may have it, or none.
    pub(super) fn ask_for_leaf(&self, key: &[u8]) -> u32 {
        let mut view = if self.pages.is_untrusted() { None } else { self.root() };
        while let Some(View { page, .. }) = view {
            let (level, child) = (page.level(), page.child(page.child_index(key, &self.longs)));
            let next = self.pages.page(child);
            next.prefetch();
            view = match level {
                0 => None,
                1 => return child,
                _ => view.and_then(|parent| parent.pass_to(next)),
            };
        }
        NO_PAGE
    }

    /// The first leaf, or the last.
    pub(super) fn edge_leaf(&self, last: bool) -> Option<View<'_>> {
        self.descend(|page| if last { page.count() } else { 0 })
    }

    #[inline]
    fn descend(&self, child_index: impl Fn(&Page) -> usize) -> Option<View<'_>> {
        'again: loop {
            let mut view = self.root()?;
            while !view.page.is_leaf() {
                let (level, child) = (view.page.level(), view.page.child(child_index(view.page)));
                match view.hand_over(self.pages.page(child)) {
                    // Down at each step, whatever saved pages say of each other.
                    Some(next) if self.pages.is_untrusted() && next.page.level() + 1 != level => {
                        if !next.holds() {
                            // The tree was looked at as a whole meanwhile, and is being changed.
                            continue 'again;
                        }
                        return self.fail("a page is not one level below its parent");
                    }
                    Some(next) => view = next,
                    None => continue 'again,
                }
            }
            return Some(view);
        }
    }
}

impl Page {
    /// Which child a key belongs to. Keys equal to a separator are right of it.
    #[inline]
    pub(super) fn child_index(&self, key: &[u8], longs: &LongKeys) -> usize {
        let found = self.find(key, longs);
        found.pos + usize::from(found.exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::btree::BTree;
    use crate::index::{Change, Index};
    use crate::types::Location;

    /// The pages on the way to a key, with what a reader saw of each.
    fn path(state: &State, key: &[u8]) -> Vec<(u32, Seen)> {
        let mut path = Vec::new();
        let mut no = state.root.load(Ordering::Relaxed);
        loop {
            let view = View::of(state.pages.page(no));
            path.push((no, view.seen));
            if view.page.is_leaf() {
                return path;
            }
            no = view.page.child(view.page.child_index(key, &state.longs));
        }
    }

    /// A reader stands on a page with its child's number in hand, and the writer makes a change. If the page seems unchanged to the reader
    /// then, the child must still be the way to the key.
    #[test]
    fn a_page_that_speaks_for_other_keys_than_before_has_another_version() {
        let tree = BTree::new();
        // Long enough that few fit in a leaf, and soon many leaves have to be told apart.
        let key = |n: u64| [n.to_be_bytes(); 24].concat();
        let mut recent = Vec::new();
        for i in 0..16_000_u64 {
            // Nearly ascending: now and then a key behind the newest.
            let n = i / 16 * 16 + (15 - i % 16);
            recent.push(n);
            let probes = &recent[recent.len().saturating_sub(24)..recent.len() - 1];
            let before: Vec<_> = probes.iter().map(|&n| path(&tree.read(), &key(n))).collect();
            tree.apply(&mut [Change { key: &key(n), new: Some(Location::from_bits(n)), old: None }]).unwrap();
            let state = tree.read();
            for (&probe, before) in probes.iter().zip(before) {
                let now = path(&state, &key(probe));
                for pair in before.windows(2) {
                    let unchanged = state.pages.page(pair[0].0).valid(pair[0].1);
                    let goes_on = now.windows(2).any(|step| (step[0].0, step[1].0) == (pair[0].0, pair[1].0));
                    assert!(
                        !unchanged || goes_on,
                        "page {} leads to {} no more, and looks as before",
                        pair[0].0,
                        pair[1].0
                    );
                }
            }
        }
        assert!(path(&tree.read(), &key(0)).len() >= 3, "inner pages were split");
    }
}
