//! Inserting, and making room: by another prefix, by shifting entries to a sibling, by splitting.
//!
//! A leaf is first rewritten, then the separators that changed are put into the level above, which may split
//! in turn. Filling siblings before splitting is the B*-tree's rule (Bayer and McCreight 1972; Knuth, volume 3, 6.2.4).

use super::change::NewKey;
use super::edit::{Editor, NeedsRebuild, is_long};
use super::page::Found;
use super::run::Run;
use crate::index::arena::NO_PAGE;
use crate::index::order::shared_len;
use std::ops::Range;

impl Editor<'_> {
    /// Sets a key's payload and returns the one it had; nothing is done if that takes more than [`Editor::may_rebuild`] allows.
    pub(super) fn insert(&mut self, key: &[u8], payload: u64) -> Result<Option<u64>, NeedsRebuild> {
        let (leaf, found) = match self.place(key) {
            Some(place) => place,
            None => (self.first_leaf(), Found { pos: 0, exact: false }),
        };
        let page = self.page(leaf);
        if found.exact {
            let old = page.payload(found.pos);
            self.page_mut(leaf).set_payload(found.pos, payload);
            return Ok(Some(old));
        }
        let fits = page.has_room(NewKey { bytes: key, long: is_long(key).then_some(0) });
        if !fits && !self.may_rebuild() {
            return Err(NeedsRebuild);
        }
        self.writer.len += 1;
        let new = self.new_key(key);
        if fits {
            self.page_mut(leaf).insert(found.pos, new, payload);
        } else if !self.deal(leaf, found.pos, new, payload) {
            self.insert_with_room(leaf, found.pos, new, payload);
        }
        Ok(None)
    }

    fn first_leaf(&mut self) -> u32 {
        let leaf = self.new_page(0);
        self.set_root(leaf);
        leaf
    }

    fn insert_with_room(&mut self, leaf: u32, pos: usize, key: NewKey<'_>, payload: u64) {
        let mut run = std::mem::take(&mut self.writer.run);
        run.clear();
        run.gather(self.page(leaf));
        run.insert(pos, key, payload);
        let n = run.len();
        if run.fits(0, 0..n, self.longs()) {
            run.write(0..n, self.page_mut(leaf), self.longs());
            self.writer.run = run;
            return;
        }
        // Ascending or descending inserts leave full pages behind.
        let page = self.page(leaf);
        let appends = pos + 1 == n && page.next() == NO_PAGE;
        let prepends = pos == 0 && page.prev() == NO_PAGE;
        self.writer.run = run;
        if appends || prepends || !self.shift(leaf, key.bytes) {
            self.split_leaf(leaf, pos);
        }
    }

    /// Deals the entries in the run out to the leaf and one of its siblings, if that has room.
    fn shift(&mut self, leaf: u32, key: &[u8]) -> bool {
        let Some(sibling) = self.roomy_sibling(key) else { return false };
        let (parent, separator, to_left) = (sibling.parent, sibling.separator, sibling.is_left);
        let (first, second) = if to_left { (sibling.page, leaf) } else { (leaf, sibling.page) };
        let mut run = std::mem::take(&mut self.writer.run);
        let before = run.len();
        if to_left {
            run.gather_before(self.page(first));
        } else {
            run.gather(self.page(second));
        }
        let Some(cut) = run.cut(0, 0, self.longs()) else {
            // Back to what split_leaf needs.
            run.keep(if to_left { run.len() - before..run.len() } else { 0..before });
            self.writer.run = run;
            return false;
        };
        run.write(0..cut, self.page_mut(first), self.longs());
        run.write(cut..run.len(), self.page_mut(second), self.longs());
        let middle = shortest_separator(run.key(cut - 1, self.longs()).bytes, run.key(cut, self.longs()).bytes);
        self.writer.run = run;
        self.remove_entry(parent, separator);
        self.insert_separator(middle, second, 1);
        true
    }

    /// Deals the entries in the run, the last inserted of which is at `pos`, out to the leaf and a new one behind it.
    fn split_leaf(&mut self, leaf: u32, pos: usize) {
        let right = self.new_page(0);
        let run = std::mem::take(&mut self.writer.run);
        let n = run.len();
        // An insert at the edge is likely the first of many: they get a page of their own, and this one stays as it
        // is, full. That always fits, even if the key has nothing of the long prefix that the others share. Within
        // the page the key shares the prefix, and halves fit even if their own prefixes are longer and save nothing.
        let cut = match pos {
            0 => 1,
            pos if pos + 1 == n => pos,
            pos => run.cut(0, 0, self.longs()).unwrap_or(pos),
        };
        self.write_halves(&run, leaf, right, pos, 0..cut, cut..n);
        let separator = shortest_separator(run.key(cut - 1, self.longs()).bytes, run.key(cut, self.longs()).bytes);
        self.writer.run = run;
        let next = self.page(leaf).next();
        self.link(leaf, right);
        self.link(right, next);
        self.insert_separator(separator, right, 1);
    }

    /// Puts a separator and the child right of it into the level.
    pub(super) fn insert_separator(&mut self, mut separator: Vec<u8>, mut child: u32, mut level: u8) {
        loop {
            let key = self.new_key(&separator);
            if level > self.page(self.root()).level() {
                let (old, root) = (self.root(), self.new_page(level));
                let page = self.page_mut(root);
                page.set_first_child(old);
                page.insert(0, key, u64::from(child));
                self.set_root(root);
                return;
            }
            let no = self.step(&separator, level).page;
            let found = self.page(no).find(&separator, self.longs());
            debug_assert!(!found.exact);
            if self.page(no).has_room(key) {
                self.page_mut(no).insert(found.pos, key, u64::from(child));
                return;
            }
            let mut run = std::mem::take(&mut self.writer.run);
            run.clear();
            run.gather(self.page(no));
            run.insert(found.pos, key, u64::from(child));
            let n = run.len();
            if run.fits(level, 0..n, self.longs()) {
                run.write(0..n, self.page_mut(no), self.longs());
                self.writer.run = run;
                return;
            }
            // The entry at the cut goes up. At the edges this always fits, see split_leaf.
            let cut = match found.pos {
                pos if pos == 0 || pos + 1 == n => pos,
                pos => run.cut(level, 1, self.longs()).unwrap_or(pos),
            };
            let right = self.new_page(level);
            let up = run.key(cut, self.longs());
            let up_bytes = up.bytes.to_vec();
            let up_long = up.long;
            self.write_halves(&run, no, right, found.pos, 0..cut, cut + 1..n);
            self.page_mut(right).set_first_child(run.payload(cut) as u32);
            self.writer.run = run;
            if let Some(long) = up_long {
                self.remove_long(long);
            }
            (separator, child, level) = (up_bytes, right, level + 1);
        }
    }

    /// Writes the run into a page that it came from and the one behind it. A page to which all entries but the new one
    /// at `pos` go gets its bytes as they are: written again, with a longer prefix, they might not fit.
    ///
    /// The left page is locked in any case. Also where none of its bytes change it speaks for fewer keys from now on, and a reader that
    /// has it in hand must notice.
    fn write_halves(&mut self, run: &Run, left: u32, right: u32, pos: usize, low: Range<usize>, high: Range<usize>) {
        let n = run.len();
        let left_page = self.page_mut(left);
        if pos == 0 && high.len() + 1 == n {
            self.page_mut(right).copy_from(left_page);
        } else {
            run.write(high, self.page_mut(right), self.longs());
        }
        if pos + 1 != n || low.len() + 1 != n {
            run.write(low, left_page, self.longs());
        }
    }

    /// Makes two leaves neighbours; either may be [`NO_PAGE`].
    pub(super) fn link(&mut self, left: u32, right: u32) {
        if left != NO_PAGE {
            self.page_mut(left).set_next(right);
        }
        if right != NO_PAGE {
            self.page_mut(right).set_prev(left);
        }
    }
}

/// The shortest key above `left` and not above `right` (suffix truncation: Bayer and Unterauer 1977).
pub(super) fn shortest_separator(left: &[u8], right: &[u8]) -> Vec<u8> {
    right[..right.len().min(shared_len(left, right) + 1)].to_vec()
}
