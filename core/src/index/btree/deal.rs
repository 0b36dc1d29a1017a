//! A full leaf's entries dealt out to a neighbour as they are.
//!
//! Where leaves share a prefix their cells mean the same in both, and what goes from one to the other is copied word for word; what stays
//! isn't touched. Where another prefix would save something, or the key lies at the leaf's edge, it is said that nothing was done, and `insert` takes the leaf apart
//! and writes it anew.

use super::change::NewKey;
use super::edit::Editor;
use super::insert::shortest_separator;
use super::page::{NO_KEY_BYTES, USABLE, cell_bytes, head_at, prefix_bytes, rest_words, slot_bytes};
use crate::index::arena::Page;
use std::ops::Range;

/// A sibling with less free space than this isn't worth shifting entries to: an eighth saves 0.7 bytes of 43 a key and
/// costs a tenth of the insert's time, a quarter is the reverse.
const WORTH_SHIFTING: usize = USABLE / 5;
/// Bytes of a leaf that another prefix must save, to be worth writing the leaf anew.
const WORTH_WRITING: usize = USABLE / 32;

/// A leaf's neighbour under the same parent.
#[derive(Clone, Copy)]
pub(super) struct Sibling {
    pub(super) page: u32,
    pub(super) parent: u32,
    /// Position of what separates the two there.
    pub(super) separator: usize,
    pub(super) is_left: bool,
}

impl Editor<'_> {
    /// Inserts a key into a leaf that has no room for it; `false` if that is not the way to do it, and nothing is done.
    pub(super) fn deal(&mut self, leaf: u32, pos: usize, key: NewKey<'_>, payload: u64) -> bool {
        let page = self.page(leaf);
        let n = page.count();
        if pos == 0 || pos == n || page.gains_by_prefix(0..n) {
            return false;
        }
        match self.roomy_sibling(key.bytes) {
            Some(sibling) => self.pass(leaf, sibling, pos, key, payload),
            None => self.halve(leaf, pos, key, payload),
        }
    }

    /// The emptier sibling of a key's leaf, if entries are worth being shifted there.
    pub(super) fn roomy_sibling(&self, key: &[u8]) -> Option<Sibling> {
        let (parent, index) = self.step(key, 0).parent?;
        let page = self.page(parent);
        let free = |i: usize| USABLE - self.page(page.child(i)).used();
        let left_free = if index > 0 { free(index - 1) } else { 0 };
        let right_free = if index < page.count() { free(index + 1) } else { 0 };
        if left_free.max(right_free) < WORTH_SHIFTING {
            return None;
        }
        let is_left = left_free > right_free;
        let (sibling, separator) = if is_left { (index - 1, index - 1) } else { (index + 1, index) };
        Some(Sibling { page: page.child(sibling), parent, separator, is_left })
    }

    /// Passes as many entries to a sibling that both have about the same then, and inserts the key.
    fn pass(&mut self, leaf: u32, sibling: Sibling, pos: usize, key: NewKey<'_>, payload: u64) -> bool {
        let (page, other) = (self.page(leaf), self.page(sibling.page));
        if !page.has_prefix_of(other) {
            return false;
        }
        let n = page.count();
        let need = cell_bytes(0, key.bytes.len(), key.long.is_some(), page.prefix_len());
        let wanted = (page.used() + need).saturating_sub(other.used()) / 2;
        let from_edge = |i: usize| if sibling.is_left { i } else { n - 1 - i };
        let count = page.count_of_bytes((0..n).map(from_edge), wanted).min(n - 1);
        // What goes, and whether the new one is among it.
        let (gone, goes, its_pos) = if sibling.is_left {
            (0..count, pos < count, if pos < count { other.count() + pos } else { pos - count })
        } else {
            (n - count..n, pos > n - count, if pos > n - count { pos - (n - count) } else { pos })
        };
        let moved = page.cell_bytes_of(gone.clone());
        let own_bytes = |is_its: bool| if is_its { need } else { 0 };
        let other_after =
            other.used() + moved + own_bytes(goes) + slot_bytes(other.count() + count + usize::from(goes))
                - slot_bytes(other.count());
        let after = page.used() - moved + own_bytes(!goes) + slot_bytes(n - count + usize::from(!goes)) - slot_bytes(n);
        if count == 0 || other_after > USABLE || after > USABLE {
            return false;
        }
        let (page, other) = (self.page_mut(leaf), self.page_mut(sibling.page));
        other.take_over(page, gone.clone(), if sibling.is_left { other.count() } else { 0 });
        page.give_up(gone);
        if goes { other } else { page }.insert(its_pos, key, payload);
        let (first, second) = if sibling.is_left { (other, page) } else { (page, other) };
        let middle = self.separator_between(first, second);
        self.remove_entry(sibling.parent, sibling.separator);
        self.insert_separator(middle, if sibling.is_left { leaf } else { sibling.page }, 1);
        true
    }

    /// Passes half of the entries to a new leaf behind it, and inserts the key.
    fn halve(&mut self, leaf: u32, pos: usize, key: NewKey<'_>, payload: u64) -> bool {
        let page = self.page(leaf);
        let n = page.count();
        let cut = page.count_of_bytes(0..n, page.used() / 2).clamp(1, n - 1);
        let need = slot_bytes(2) + cell_bytes(0, key.bytes.len(), key.long.is_some(), page.prefix_len());
        let fits = |range: Range<usize>| {
            prefix_bytes(page.prefix_len()) + slot_bytes(range.len()) + page.cell_bytes_of(range) + need <= USABLE
        };
        if page.gains_by_prefix(0..cut) || page.gains_by_prefix(cut..n) || !fits(0..cut) || !fits(cut..n) {
            return false;
        }
        let right = self.new_page(0);
        let (page, right_page) = (self.page_mut(leaf), self.page_mut(right));
        right_page.clear_as(page);
        right_page.take_over(page, cut..n, 0);
        page.give_up(cut..n);
        if pos > cut {
            right_page.insert(pos - cut, key, payload);
        } else {
            page.insert(pos, key, payload);
        }
        let next = page.next();
        self.link(leaf, right);
        self.link(right, next);
        let separator = self.separator_between(page, right_page);
        self.insert_separator(separator, right, 1);
        true
    }

    /// The shortest separator of two neighbours.
    fn separator_between(&self, left: &Page, right: &Page) -> Vec<u8> {
        let (mut last, mut first) = (NO_KEY_BYTES, NO_KEY_BYTES);
        shortest_separator(
            left.whole_key(left.count() - 1, &mut last, self.longs()),
            right.whole_key(0, &mut first, self.longs()),
        )
    }
}

impl Page {
    /// Whether writing these entries anew, with the prefix that they share, would save much.
    fn gains_by_prefix(&self, range: Range<usize>) -> bool {
        let Some(last) = range.end.checked_sub(1).filter(|last| *last > range.start) else { return false };
        let differ = self.word(head_at(range.start)) ^ self.word(head_at(last));
        let more = differ.leading_zeros() as usize / 8;
        let saved =
            |pos: usize| self.cell(pos).len.map_or(0, |len| rest_words(len) - rest_words(len.saturating_sub(more)));
        // With two bytes of a head that are the same in all heads, many heads are the same.
        more >= 2 || (more == 1 && range.map(saved).sum::<usize>() * 4 >= WORTH_WRITING)
    }

    /// Bytes of the cells of some entries.
    fn cell_bytes_of(&self, range: Range<usize>) -> usize {
        range.map(|pos| self.cell(pos).words() * 4).sum()
    }

    /// How many of the entries at these positions take about so many bytes.
    fn count_of_bytes(&self, positions: impl Iterator<Item = usize>, wanted: usize) -> usize {
        let mut bytes = 0;
        let taken = positions.take_while(|&pos| {
            bytes += self.cell(pos).words() * 4 + slot_bytes(2) / 2;
            bytes <= wanted
        });
        taken.count()
    }
}
