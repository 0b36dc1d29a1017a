//! The slotted page: the one place that knows what the bytes of a page mean.
//!
//! All numbers are little-endian and no bytes depend on where the page lies.
//!
//! ```text
//! 0  kind u8      1 leaf, 2 inner (0: free, see the arena)
//! 1  level u8     0 for leaves, a parent is one above its children
//! 2  count u16    entries
//! 4  prefix u16   length of the prefix that all keys of the page share
//! 6  heap u16     where the heap begins; it ends with the prefix
//! 8  dead u16     bytes of the heap that belong to no entry
//! 12 link u32     leaf: next leaf; inner: the child left of the first separator
//! 16 back u32     leaf: previous leaf
//! 24 heads        u32 each: the first four bytes of the key's suffix (the key behind the prefix), zeros if it
//!                 is shorter, as the big-endian number they are, so that comparing numbers compares bytes
//!    offsets      u16 each: where the entry's cell is
//!    ... free ...
//!    cells        payload (leaf: location u64; inner: child u32), length of the suffix, suffix from byte 4 on
//!    prefix bytes
//! ```
//! The length is one byte up to 253; 254 and a u16; or 255 for a long key, whose u32 number follows in place of a suffix.
//! Heads lie side by side for one pass of vector instructions, which finds the place among a hundred without a
//! branch, and at a fixed place, so that their cache misses wait neither for each other nor for the header's.

use super::long::LongKeys;
use crate::index::arena::{NO_PAGE, PAGE_SIZE, Page};
use std::cmp::Ordering;

/// Bytes of a page behind its header.
pub(super) const USABLE: usize = PAGE_SIZE - HEADER;
/// Keys longer than this are kept out of pages. At least five entries fit in any page.
pub(super) const MAX_INLINE: usize = PAGE_SIZE / 8;
/// Longest prefix that is cut.
pub(super) const MAX_PREFIX: usize = PAGE_SIZE / 8;

/// Most entries of a leaf: those of one-byte keys.
pub(super) const MAX_ENTRIES: usize = USABLE / (SLOT + 8 + 1);

const HEADER: usize = 24;
const KIND: usize = 0;
const LEVEL: usize = 1;
const COUNT: usize = 2;
const PREFIX: usize = 4;
const HEAP: usize = 6;
const DEAD: usize = 8;
const LINK: usize = 12;
const BACK: usize = 16;

const LEAF: u8 = 1;
const INNER: u8 = 2;
/// Head and offset.
const SLOT: usize = 6;
const HEAD: usize = 4;
/// Heads that are counted rather than halved: all of most leaves.
const COUNTED: usize = 128;
const LONG_LENGTH: u8 = 254;
const LONG_KEY: u8 = 255;

/// Where a key is in a page, or belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Position of the first entry that is not less.
    pub(super) pos: usize,
    /// That entry is the key.
    pub(super) exact: bool,
}

/// An entry without the page's prefix.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    /// First four bytes of the suffix.
    pub(super) head: [u8; HEAD],
    /// How many of them there are.
    pub(super) head_len: usize,
    /// The suffix from the fifth byte on.
    pub(super) rest: &'a [u8],
    /// Number of a long key; then head and rest don't count.
    pub(super) long: Option<u32>,
    pub(super) payload: u64,
}

/// A key to store: its whole bytes and, if it is long, its number.
#[derive(Clone, Copy)]
pub(super) struct NewKey<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) long: Option<u32>,
}

/// Bytes that a key takes in a page with this prefix, slot included.
pub(super) fn cost(level: u8, key_len: usize, long: bool, prefix: usize) -> usize {
    let suffix = key_len - prefix;
    let key = match (long, suffix > 253) {
        (true, _) => 5,
        (false, true) => 3 + suffix - HEAD,
        (false, false) => 1 + suffix.saturating_sub(HEAD),
    };
    SLOT + width(level) + key
}

/// Length of the prefix that two keys share, as far as prefixes are cut.
pub(super) fn shared_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take(MAX_PREFIX).take_while(|(x, y)| x == y).count()
}

fn width(level: u8) -> usize {
    if level == 0 { 8 } else { 4 }
}

fn head_of(suffix: &[u8]) -> u32 {
    if let Some(head) = suffix.first_chunk::<HEAD>() {
        return u32::from_be_bytes(*head);
    }
    let mut head = [0; HEAD];
    head[..suffix.len()].copy_from_slice(suffix);
    u32::from_be_bytes(head)
}

/// Number of heads less than `head`: halves without branches, then counts what is left with vector instructions.
fn lower_bound(mut heads: &[[u8; HEAD]], head: u32) -> usize {
    let mut base = 0;
    while heads.len() > COUNTED {
        let half = heads.len() / 2;
        let (low, high) = heads.split_at(half);
        let below = u32::from_le_bytes(low[half - 1]) < head;
        heads = if below { high } else { low };
        base += if below { half } else { 0 };
    }
    let less: u32 = heads.iter().map(|h| u32::from(u32::from_le_bytes(*h) < head)).sum();
    base + less as usize
}

/// Reading.
impl Page {
    pub(super) fn is_leaf(&self) -> bool {
        self.bytes[KIND] == LEAF
    }

    pub(super) fn level(&self) -> u8 {
        self.bytes[LEVEL]
    }

    pub(super) fn count(&self) -> usize {
        self.u16_at(COUNT)
    }

    pub(super) fn prefix(&self) -> &[u8] {
        &self.bytes[PAGE_SIZE - self.u16_at(PREFIX)..]
    }

    /// Leaf: the next leaf, or [`NO_PAGE`].
    pub(super) fn next(&self) -> u32 {
        self.u32_at(LINK)
    }

    /// Leaf: the previous leaf, or [`NO_PAGE`].
    pub(super) fn prev(&self) -> u32 {
        self.u32_at(BACK)
    }

    /// Inner: the child behind `i` separators.
    pub(super) fn child(&self, i: usize) -> u32 {
        match i.checked_sub(1) {
            None => self.u32_at(LINK),
            Some(pos) => self.u32_at(self.offset(pos)),
        }
    }

    /// Bytes that entries and prefix take, of [`USABLE`].
    pub(super) fn used(&self) -> usize {
        self.count() * SLOT + PAGE_SIZE - self.u16_at(HEAP) - self.u16_at(DEAD)
    }

    pub(super) fn payload(&self, pos: usize) -> u64 {
        self.payload_at(self.offset(pos))
    }

    pub(super) fn cell(&self, pos: usize) -> Cell<'_> {
        let at = self.offset(pos);
        let (len, begin) = self.suffix_at(at);
        let head = u32::from_le_bytes(self.heads()[pos]).to_be_bytes();
        let payload = self.payload_at(at);
        match len {
            Ok(len) => {
                let rest = &self.bytes[begin..begin + len.saturating_sub(HEAD)];
                Cell { head, head_len: len.min(HEAD), rest, long: None, payload }
            }
            Err(long) => Cell { head, head_len: 0, rest: &[], long: Some(long), payload },
        }
    }

    /// The place of a key.
    pub(super) fn find(&self, key: &[u8], longs: &LongKeys) -> Found {
        let prefix = self.prefix();
        let Some(suffix) = key.strip_prefix(prefix) else {
            return Found { pos: if key < prefix { 0 } else { self.count() }, exact: false };
        };
        let head = head_of(suffix);
        let heads = self.heads();
        let mut low = lower_bound(heads, head);
        // Most often one entry has this head or none.
        let mut high = low;
        while heads.get(high).is_some_and(|h| u32::from_le_bytes(*h) == head) {
            high += 1;
            if high - low == 4 {
                high += heads[high..].partition_point(|h| u32::from_le_bytes(*h) == head);
                break;
            }
        }
        while low < high {
            let middle = low.midpoint(high);
            match self.compare(middle, suffix, prefix.len(), longs) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Found { pos: middle, exact: true },
                Ordering::Greater => high = middle,
            }
        }
        Found { pos: low, exact: false }
    }

    /// Compares an entry with a suffix of the same head.
    fn compare(&self, pos: usize, suffix: &[u8], prefix: usize, longs: &LongKeys) -> Ordering {
        match self.suffix_at(self.offset(pos)) {
            (Ok(len), begin) => {
                let rest = &self.bytes[begin..begin + len.saturating_sub(HEAD)];
                rest.cmp(suffix.get(HEAD..).unwrap_or(&[])).then(len.cmp(&suffix.len()))
            }
            (Err(long), _) => longs.get(long).get(prefix..).unwrap_or(&[]).cmp(suffix),
        }
    }

    fn heads(&self) -> &[[u8; HEAD]] {
        self.bytes[HEADER..HEADER + self.count() * HEAD].as_chunks().0
    }

    fn offset(&self, pos: usize) -> usize {
        self.u16_at(HEADER + self.count() * HEAD + pos * 2)
    }

    fn payload_at(&self, at: usize) -> u64 {
        if self.is_leaf() { self.u64_at(at) } else { u64::from(self.u32_at(at)) }
    }

    /// Length of the suffix, or a long key's number; and where the suffix's bytes begin.
    fn suffix_at(&self, at: usize) -> (Result<usize, u32>, usize) {
        let at = at + width(self.level());
        match self.bytes[at] {
            LONG_LENGTH => (Ok(self.u16_at(at + 1)), at + 3),
            LONG_KEY => (Err(self.u32_at(at + 1)), at + 5),
            len => (Ok(usize::from(len)), at + 1),
        }
    }

    fn cell_size(&self, at: usize) -> usize {
        let (len, begin) = self.suffix_at(at);
        begin - at + len.map_or(0, |len| len.saturating_sub(HEAD))
    }

    fn u16_at(&self, at: usize) -> usize {
        self.bytes[at..].first_chunk().map_or(0, |b| u16::from_le_bytes(*b).into())
    }

    fn u32_at(&self, at: usize) -> u32 {
        self.bytes[at..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
    }

    fn u64_at(&self, at: usize) -> u64 {
        self.bytes[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
    }
}

/// Changing.
impl Page {
    /// Makes an empty page of it, with this prefix and no links.
    pub(super) fn init(&mut self, level: u8, prefix: &[u8]) {
        self.bytes[..HEADER].fill(0);
        self.bytes[KIND] = if level == 0 { LEAF } else { INNER };
        self.bytes[LEVEL] = level;
        self.set_next(NO_PAGE);
        self.set_prev(NO_PAGE);
        self.clear(prefix);
    }

    /// Removes all entries and sets the prefix; links stay.
    pub(super) fn clear(&mut self, prefix: &[u8]) {
        self.set_u16(COUNT, 0);
        self.set_u16(DEAD, 0);
        self.set_u16(HEAP, PAGE_SIZE - prefix.len());
        self.set_u16(PREFIX, prefix.len());
        self.bytes[PAGE_SIZE - prefix.len()..].copy_from_slice(prefix);
    }

    pub(super) fn set_next(&mut self, no: u32) {
        self.set_u32(LINK, no);
    }

    pub(super) fn set_prev(&mut self, no: u32) {
        self.set_u32(BACK, no);
    }

    /// Inner: sets the child left of all separators.
    pub(super) fn set_first_child(&mut self, no: u32) {
        self.set_u32(LINK, no);
    }

    pub(super) fn set_payload(&mut self, pos: usize, payload: u64) {
        let at = self.offset(pos);
        self.write_payload(at, payload);
    }

    /// Inserts an entry at the position that `find` gave; `false` if it doesn't fit or doesn't share the prefix.
    pub(super) fn insert(&mut self, pos: usize, key: NewKey<'_>, payload: u64) -> bool {
        let (prefix, count) = (self.u16_at(PREFIX), self.count());
        let Some(suffix) = key.bytes.strip_prefix(self.prefix()) else { return false };
        let need = cost(self.level(), key.bytes.len(), key.long.is_some(), prefix);
        let slots_end = HEADER + count * SLOT;
        let free = self.u16_at(HEAP) - slots_end;
        if need > free {
            if need > free + self.u16_at(DEAD) {
                return false;
            }
            self.compact();
        }
        let at = self.u16_at(HEAP) - (need - SLOT);
        self.set_u16(HEAP, at);
        self.write_cell(at, suffix, key.long, payload);
        // Heads behind `pos` move by one head, offsets before it too, offsets behind it by a whole slot.
        let offsets = HEADER + count * HEAD;
        let (head_at, offset_at) = (HEADER + pos * HEAD, offsets + pos * 2);
        self.bytes.copy_within(offset_at..slots_end, offset_at + SLOT);
        self.bytes.copy_within(head_at..offset_at, head_at + HEAD);
        self.set_u32(head_at, head_of(suffix));
        self.set_u16(offset_at + HEAD, at);
        self.set_u16(COUNT, count + 1);
        true
    }

    /// Removes an entry.
    pub(super) fn remove(&mut self, pos: usize) {
        let count = self.count();
        let dead = self.u16_at(DEAD) + self.cell_size(self.offset(pos));
        self.set_u16(DEAD, dead);
        let offsets = HEADER + count * HEAD;
        let (head_at, offset_at) = (HEADER + pos * HEAD, offsets + pos * 2);
        self.bytes.copy_within(head_at + HEAD..offset_at, head_at);
        self.bytes.copy_within(offset_at + 2..offsets + count * 2, offset_at - HEAD);
        self.set_u16(COUNT, count - 1);
    }

    /// Writes `keys`, in order, into the emptied page, behind [`Page::clear`].
    ///
    /// REQUIRES: they fit and share the prefix.
    pub(super) fn fill<'a>(&mut self, count: usize, keys: impl Iterator<Item = (NewKey<'a>, u64)>) {
        let (level, prefix) = (self.level(), self.u16_at(PREFIX));
        let (heads, offsets) = (HEADER, HEADER + count * HEAD);
        let mut heap = PAGE_SIZE - prefix;
        for (i, (key, payload)) in keys.take(count).enumerate() {
            let suffix = key.bytes.get(prefix..).unwrap_or(&[]);
            heap -= cost(level, key.bytes.len(), key.long.is_some(), prefix) - SLOT;
            self.set_u32(heads + i * HEAD, head_of(suffix));
            self.set_u16(offsets + i * 2, heap);
            self.write_cell(heap, suffix, key.long, payload);
        }
        self.set_u16(COUNT, count);
        self.set_u16(HEAP, heap);
    }

    /// Closes the gaps in the heap.
    fn compact(&mut self) {
        let old = self.clone();
        let offsets = HEADER + self.count() * HEAD;
        let mut heap = PAGE_SIZE - self.u16_at(PREFIX);
        for i in 0..self.count() {
            let from = old.offset(i);
            let size = old.cell_size(from);
            heap -= size;
            self.bytes[heap..heap + size].copy_from_slice(&old.bytes[from..from + size]);
            self.set_u16(offsets + i * 2, heap);
        }
        self.set_u16(HEAP, heap);
        self.set_u16(DEAD, 0);
    }

    fn write_cell(&mut self, at: usize, suffix: &[u8], long: Option<u32>, payload: u64) {
        self.write_payload(at, payload);
        let at = at + width(self.level());
        if let Some(no) = long {
            self.bytes[at] = LONG_KEY;
            self.set_u32(at + 1, no);
            return;
        }
        let begin = if suffix.len() < usize::from(LONG_LENGTH) {
            self.bytes[at] = suffix.len() as u8;
            at + 1
        } else {
            self.bytes[at] = LONG_LENGTH;
            self.set_u16(at + 1, suffix.len());
            at + 3
        };
        let rest = suffix.get(HEAD..).unwrap_or(&[]);
        self.bytes[begin..begin + rest.len()].copy_from_slice(rest);
    }

    fn write_payload(&mut self, at: usize, payload: u64) {
        if self.is_leaf() {
            self.bytes[at..at + 8].copy_from_slice(&payload.to_le_bytes());
        } else {
            self.set_u32(at, payload as u32);
        }
    }

    fn set_u16(&mut self, at: usize, value: usize) {
        self.bytes[at..at + 2].copy_from_slice(&(value as u16).to_le_bytes());
    }

    fn set_u32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
impl Page {
    /// Panics if cells overlap, lie outside of the heap, or leave other gaps than the dead bytes.
    pub(super) fn check_heap(&self) {
        let slots_end = HEADER + self.count() * SLOT;
        assert!(slots_end <= self.u16_at(HEAP) && self.used() <= USABLE, "slots and heap overlap");
        let mut cells: Vec<(usize, usize)> =
            (0..self.count()).map(|i| (self.offset(i), self.cell_size(self.offset(i)))).collect();
        cells.sort_unstable();
        let mut end = self.u16_at(HEAP);
        let mut gaps = 0;
        for (at, size) in cells {
            assert!(at >= end, "cells overlap");
            gaps += at - end;
            end = at + size;
        }
        let heap_end = PAGE_SIZE - self.u16_at(PREFIX);
        assert!(end <= heap_end);
        assert_eq!(gaps + heap_end - end, self.u16_at(DEAD), "dead bytes");
    }
}
