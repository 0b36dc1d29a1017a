//! Removing, and giving back what falls empty: a leaf without keys is freed, neighbours that fit together are merged.
//!
//! Merging begins well below a full page, so that removing and inserting about a full page doesn't merge and split
//! in turn.

use super::edit::{Editor, NeedsRebuild, Step};
use super::page::{USABLE, slot_bytes};
use super::run::Run;
use crate::index::arena::NO_PAGE;

/// A page with less in it than this is merged with a sibling if it can be.
pub(super) const UNDERFULL: usize = USABLE / 2;
/// What merged pages may take.
const MERGED: usize = USABLE * 7 / 8;

impl Editor<'_> {
    /// Removes a key and returns its payload; nothing is done if that takes more than [`Editor::may_rebuild`] allows.
    pub(super) fn remove(&mut self, key: &[u8]) -> Result<Option<u64>, NeedsRebuild> {
        let Some((leaf, found)) = self.place(key) else { return Ok(None) };
        let page = self.page(leaf);
        if !found.exact {
            return Ok(None);
        }
        let left =
            page.used() - page.cell(found.pos).words() * 4 - (slot_bytes(page.count()) - slot_bytes(page.count() - 1));
        if left < UNDERFULL && !self.may_rebuild() {
            return Err(NeedsRebuild);
        }
        let old = page.payload(found.pos);
        self.remove_entry(leaf, found.pos);
        self.writer.len -= 1;
        debug_assert_eq!(page.used(), left);
        if left < UNDERFULL {
            self.mend(key);
        }
        Ok(Some(old))
    }

    /// Removes an entry of a page, and its long key.
    pub(super) fn remove_entry(&mut self, no: u32, pos: usize) {
        let page = self.page_mut(no);
        if let Err(long) = page.cell(pos).len {
            self.remove_long(long);
        }
        page.remove(pos);
    }

    /// Frees or merges the pages on the way to a key, from the leaf up, as long as one has too little in it.
    pub(super) fn mend(&mut self, key: &[u8]) {
        for level in 0..=self.page(self.root()).level() {
            let step = self.step(key, level);
            let Some((parent, index)) = step.parent else { return self.mend_root() };
            if self.is_empty_page(step.page) {
                self.unlink(step.page);
                self.free_page(step.page);
                self.remove_child(parent, index);
            } else if !self.merge_with_sibling(step, parent, index) {
                return;
            }
        }
    }

    fn is_empty_page(&self, no: u32) -> bool {
        let page = self.page(no);
        page.count() == 0 && (page.is_leaf() || page.child(0) == NO_PAGE)
    }

    /// Makes the neighbours of a leaf each other's.
    fn unlink(&mut self, no: u32) {
        let page = self.page(no);
        if page.is_leaf() {
            self.link(page.prev(), page.next());
        }
    }

    /// Takes a freed child out of its parent, which may be left with none.
    fn remove_child(&mut self, parent: u32, index: usize) {
        if index > 0 {
            return self.remove_entry(parent, index - 1);
        }
        let page = self.page(parent);
        let first = if page.count() > 0 { page.child(1) } else { NO_PAGE };
        if page.count() > 0 {
            self.remove_entry(parent, 0);
        }
        self.page_mut(parent).set_first_child(first);
    }

    fn mend_root(&mut self) {
        while self.root() != NO_PAGE && self.page(self.root()).count() == 0 {
            let (old, page) = (self.root(), self.page(self.root()));
            let child = if page.is_leaf() { NO_PAGE } else { page.child(0) };
            self.page_mut(old);
            if child != NO_PAGE {
                self.page_mut(child);
            }
            self.set_root(child);
            self.free_page(old);
        }
        if self.root() == NO_PAGE {
            self.writer.run = Run::default();
        }
    }

    fn merge_with_sibling(&mut self, step: Step, parent: u32, index: usize) -> bool {
        if self.page(step.page).used() >= UNDERFULL {
            return false;
        }
        (index < self.page(parent).count() && self.merge(parent, index)) || (index > 0 && self.merge(parent, index - 1))
    }

    /// Merges the children left and right of a separator, if they fit in one page.
    fn merge(&mut self, parent: u32, separator: usize) -> bool {
        let page = self.page(parent);
        let (left, right) = (page.child(separator), page.child(separator + 1));
        if self.page(left).used() + self.page(right).used() > MERGED {
            return false;
        }
        let level = self.page(left).level();
        let mut run = std::mem::take(&mut self.writer.run);
        run.clear();
        run.gather(self.page(left));
        if level > 0 {
            // The separator comes down between the two.
            run.gather_one(self.page(parent), separator, u64::from(self.page(right).child(0)));
        }
        run.gather(self.page(right));
        let fits = run.size(level, 0..run.len(), self.longs()) <= MERGED;
        if fits {
            run.write(0..run.len(), self.page_mut(left), self.longs());
        }
        self.writer.run = run;
        if !fits {
            return false;
        }
        if level == 0 {
            let next = self.page(right).next();
            self.link(left, next);
            self.remove_entry(parent, separator);
        } else {
            // If it is long, its key belongs to the merged page now.
            self.page_mut(parent).remove(separator);
        }
        self.free_page(right);
        true
    }
}
