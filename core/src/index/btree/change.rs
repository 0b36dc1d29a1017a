//! The slotted page, for changing. For the layout see `page`.
//!
//! REQUIRES, everywhere: the caller is the writer, and has the page locked if readers can reach it.

use super::page::{
    BACK, HEADER, INNER, KIND, LEAF, LINK, LONG_KEY, OWN_LENGTH, PLACE_BITS, SLOT_PAIR, SPACE, cell_bytes, head_at,
    payload_words, rest_words, slot_at, slot_bytes, word_of,
};
use crate::index::arena::{NO_PAGE, Page, WORDS};
use std::ops::Range;

/// A key to store: its whole bytes and, if it is long, its number.
#[derive(Clone, Copy)]
pub(super) struct NewKey<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) long: Option<u32>,
}

impl Page {
    /// Makes an empty page of it, with no prefix and no links.
    pub(super) fn init(&self, level: u8) {
        self.set_word(KIND, if level == 0 { LEAF } else { INNER } | u32::from(level) << 8);
        self.set_next(NO_PAGE);
        self.set_prev(NO_PAGE);
        self.clear(&[]);
    }

    /// Removes all entries and sets the prefix; links stay.
    pub(super) fn clear(&self, prefix: &[u8]) {
        let heap = WORDS - prefix.len().div_ceil(4);
        for (i, part) in prefix.chunks(4).enumerate() {
            self.set_word(heap + i, word_of(part));
        }
        self.set_space(prefix.len(), heap, 0);
        self.set_count(0);
    }

    /// Takes over all that another page has but its links.
    pub(super) fn copy_from(&self, other: &Page) {
        let heap = other.heap();
        self.set_word(KIND, other.word(KIND));
        self.set_word(SPACE, other.word(SPACE));
        for at in (HEADER..HEADER + slot_bytes(other.count()) / 4).chain(heap..WORDS) {
            self.set_word(at, other.word(at));
        }
    }

    pub(super) fn set_next(&self, no: u32) {
        self.set_word(LINK, no);
    }

    pub(super) fn set_prev(&self, no: u32) {
        self.set_word(BACK, no);
    }

    /// Inner: sets the child left of all separators.
    pub(super) fn set_first_child(&self, no: u32) {
        self.set_word(LINK, no);
    }

    /// Leaf: replaces an entry's location bits.
    pub(super) fn set_payload(&self, pos: usize, payload: u64) {
        self.write_payload(self.slot(pos).0, payload);
    }

    /// Whether [`Page::insert`] would succeed.
    pub(super) fn has_room(&self, key: NewKey<'_>) -> bool {
        let prefix = self.prefix_len();
        if self.strip_prefix(key.bytes).is_err() {
            return false;
        }
        let need = cell_bytes(self.level(), key.bytes.len(), key.long.is_some(), prefix) / 4;
        HEADER + slot_bytes(self.count() + 1) / 4 + need <= self.heap() + self.dead()
    }

    /// Inserts an entry at the position that `find` gave.
    ///
    /// REQUIRES: `has_room`.
    pub(super) fn insert(&self, pos: usize, key: NewKey<'_>, payload: u64) {
        let (prefix, count) = (self.prefix_len(), self.count());
        let suffix = key.bytes.get(prefix..).unwrap_or(&[]);
        let need = cell_bytes(self.level(), key.bytes.len(), key.long.is_some(), prefix) / 4;
        if HEADER + slot_bytes(count + 1) / 4 + need > self.heap() {
            self.compact();
        }
        let at = self.heap() - need;
        let slot = self.write_cell(at, suffix, key.long, payload);
        self.open_slot(pos, word_of(suffix), slot);
        self.set_space(prefix, at, self.dead());
        self.set_count(count + 1);
    }

    /// Puts a head and a slot before those at `pos`, which move by half a pair: pair by pair, from the last.
    fn open_slot(&self, pos: usize, head: u32, slot: u32) {
        let (first, mut pair) = (head_at(pos & !1), head_at(self.count() & !1));
        let (mut even, mut slots) = (self.word(pair), self.word(pair + 2));
        while pair > first {
            let before = pair - SLOT_PAIR;
            let (even_before, slots_before) = (self.word(before), self.word(before + 2));
            self.set_word(pair, self.word(before + 1));
            self.set_word(pair + 1, even);
            self.set_word(pair + 2, slots << 16 | slots_before >> 16);
            (pair, even, slots) = (before, even_before, slots_before);
        }
        if pos.is_multiple_of(2) {
            self.set_word(pair, head);
            self.set_word(pair + 1, even);
            self.set_word(pair + 2, slots << 16 | slot);
        } else {
            self.set_word(pair + 1, head);
            self.set_word(pair + 2, slots & 0xffff | slot << 16);
        }
    }

    /// Removes an entry.
    pub(super) fn remove(&self, pos: usize) {
        let count = self.count();
        self.set_space(self.prefix_len(), self.heap(), self.dead() + self.cell(pos).words());
        for i in pos + 1..count {
            self.set_word(head_at(i - 1), self.word(head_at(i)));
        }
        let (mut at, shift) = slot_at(pos);
        let last = slot_at(count - 1).0;
        let following = |at: usize| if at < last { self.word(at + SLOT_PAIR) << 16 } else { 0 };
        let own = self.word(at);
        self.set_word(at, (if shift == 0 { own >> 16 } else { own & 0xffff }) | following(at));
        while at < last {
            at += SLOT_PAIR;
            self.set_word(at, self.word(at) >> 16 | following(at));
        }
        self.set_count(count - 1);
    }

    /// Removes the entries at these positions, which ascend.
    pub(super) fn remove_all(&self, gone: &[u16]) {
        let Some(&first) = gone.first() else { return };
        let dead: usize = gone.iter().map(|&pos| self.cell(pos.into()).words()).sum();
        self.set_space(self.prefix_len(), self.heap(), self.dead() + dead);
        let (first, mut gone) = (usize::from(first), gone.iter().peekable());
        let mut to = first;
        for from in first..self.count() {
            if gone.next_if(|&&pos| usize::from(pos) == from).is_some() {
                continue;
            }
            self.move_slot(from, to);
            to += 1;
        }
        self.set_count(to);
    }

    fn move_slot(&self, from: usize, to: usize) {
        self.set_word(head_at(to), self.word(head_at(from)));
        let (place, code) = self.slot(from);
        self.set_slot(to, (place | code << PLACE_BITS) as u32);
    }

    /// Whether another page has the same prefix.
    pub(super) fn has_prefix_of(&self, other: &Page) -> bool {
        let (own, others) = (self.prefix_len(), other.prefix_len());
        own == others && (WORDS - own.div_ceil(4)..WORDS).all(|at| self.word(at) == other.word(at))
    }

    /// Removes all entries and takes over another page's prefix; links stay.
    pub(super) fn clear_as(&self, other: &Page) {
        let (prefix, heap) = (other.prefix_len(), WORDS - other.prefix_len().div_ceil(4));
        (heap..WORDS).for_each(|at| self.set_word(at, other.word(at)));
        self.set_space(prefix, heap, 0);
        self.set_count(0);
    }

    /// Takes over entries of another page, word for word, and puts them before what is at `at`.
    ///
    /// REQUIRES: the pages are of one level and have the same prefix; there is room, dead words included.
    pub(super) fn take_over(&self, other: &Page, range: Range<usize>, at: usize) {
        let (count, more) = (self.count(), range.len());
        let words: usize = range.clone().map(|pos| other.cell(pos).words()).sum();
        if HEADER + slot_bytes(count + more) / 4 + words > self.heap() {
            self.compact();
        }
        (at..count).rev().for_each(|pos| self.move_slot(pos, pos + more));
        let mut heap = self.heap();
        for (to, from) in (at..).zip(range) {
            let (cell, code) = (other.cell(from), other.slot(from).1);
            heap -= cell.words();
            (0..cell.words()).for_each(|word| self.set_word(heap + word, other.word(cell.at + word)));
            self.set_word(head_at(to), other.word(head_at(from)));
            self.set_slot(to, (heap | code << PLACE_BITS) as u32);
        }
        self.set_space(self.prefix_len(), heap, self.dead());
        self.set_count(count + more);
    }

    /// Removes entries that another page has taken over: their long keys stay.
    pub(super) fn give_up(&self, range: Range<usize>) {
        let (count, less) = (self.count(), range.len());
        let dead: usize = range.clone().map(|pos| self.cell(pos).words()).sum();
        self.set_space(self.prefix_len(), self.heap(), self.dead() + dead);
        (range.end..count).for_each(|pos| self.move_slot(pos, pos - less));
        self.set_count(count - less);
    }

    /// Writes `keys`, in order, into the emptied page, behind [`Page::clear`].
    ///
    /// REQUIRES: they fit and share the prefix.
    pub(super) fn fill<'a>(&self, count: usize, keys: impl Iterator<Item = (NewKey<'a>, u64)>) {
        let (level, prefix) = (self.level(), self.prefix_len());
        let mut heap = self.heap();
        for (i, (key, payload)) in keys.take(count).enumerate() {
            let suffix = key.bytes.get(prefix..).unwrap_or(&[]);
            heap -= cell_bytes(level, key.bytes.len(), key.long.is_some(), prefix) / 4;
            self.set_word(head_at(i), word_of(suffix));
            let slot = self.write_cell(heap, suffix, key.long, payload);
            self.set_slot(i, slot);
        }
        self.set_space(prefix, heap, 0);
        self.set_count(count);
    }

    /// Closes the gaps in the heap: cells slide towards its end, the last first, so that none is overwritten before it moved.
    #[cold]
    fn compact(&self) {
        // Which entry's cell begins at a word, and where one does: sorted by being put there.
        let (mut entry_at, mut begins) = ([0_u16; WORDS], [0_u64; WORDS / 64]);
        for pos in 0..self.count() {
            let place = self.slot(pos).0 % WORDS;
            entry_at[place] = pos as u16;
            begins[place / 64] |= 1 << (place % 64);
        }
        let mut heap = WORDS - self.prefix_len().div_ceil(4);
        for (base, mut begins) in begins.into_iter().enumerate().rev() {
            while begins != 0 {
                let bit = begins.ilog2() as usize;
                begins ^= 1 << bit;
                let from = base * 64 + bit;
                let pos = usize::from(entry_at[from]);
                let (size, code) = (self.cell(pos).words(), self.slot(pos).1);
                heap -= size;
                (0..size).rev().for_each(|word| self.set_word(heap + word, self.word(from + word)));
                self.set_slot(pos, (heap | code << PLACE_BITS) as u32);
            }
        }
        self.set_space(self.prefix_len(), heap, 0);
    }

    /// Writes a cell and returns its slot.
    fn write_cell(&self, at: usize, suffix: &[u8], long: Option<u32>, payload: u64) -> u32 {
        self.write_payload(at, payload);
        let mut rest = at + payload_words(self.level());
        let code = match long {
            Some(no) => {
                self.set_word(rest, no);
                return at as u32 | (LONG_KEY as u32) << 10;
            }
            None if suffix.len() >= OWN_LENGTH => {
                self.set_word(rest, suffix.len() as u32);
                rest += 1;
                OWN_LENGTH
            }
            None => suffix.len(),
        };
        if rest_words(suffix.len()) > 0 {
            let (fours, tail) = suffix[4..].as_chunks::<4>();
            for (i, four) in fours.iter().enumerate() {
                self.set_word(rest + i, u32::from_be_bytes(*four));
            }
            if !tail.is_empty() {
                self.set_word(rest + fours.len(), word_of(tail));
            }
        }
        at as u32 | (code as u32) << 10
    }

    fn write_payload(&self, at: usize, payload: u64) {
        self.set_word(at, payload as u32);
        if self.is_leaf() {
            self.set_word(at + 1, (payload >> 32) as u32);
        }
    }

    fn set_slot(&self, pos: usize, slot: u32) {
        let (at, shift) = slot_at(pos);
        self.set_word(at, self.word(at) & !(0xffff << shift) | slot << shift);
    }

    fn set_count(&self, count: usize) {
        self.set_word(KIND, self.word(KIND) & 0xffff | (count as u32) << 16);
    }

    fn set_space(&self, prefix: usize, heap: usize, dead: usize) {
        self.set_word(SPACE, prefix as u32 | (heap as u32) << 10 | (dead as u32) << 21);
    }
}

#[cfg(test)]
impl Page {
    /// Panics if cells overlap, lie outside of the heap, or leave other gaps than the dead words.
    pub(super) fn check_heap(&self) {
        assert!(!self.is_locked(), "locked at rest");
        let slots_end = HEADER + slot_bytes(self.count()) / 4;
        assert!(slots_end <= self.heap() && self.used() <= super::page::USABLE, "slots and heap overlap");
        let mut cells: Vec<(usize, usize)> =
            (0..self.count()).map(|i| (self.slot(i).0, self.cell(i).words())).collect();
        cells.sort_unstable();
        let mut end = self.heap();
        let mut gaps = 0;
        for (at, size) in cells {
            assert!(at >= end, "cells overlap");
            gaps += at - end;
            end = at + size;
        }
        let heap_end = WORDS - self.prefix_len().div_ceil(4);
        assert!(end <= heap_end);
        assert_eq!(gaps + heap_end - end, self.dead(), "dead words");
    }
}
