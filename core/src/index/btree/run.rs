//! Entries of neighbouring pages taken out in order, to be dealt out to pages again.
//!
//! Splits, shifts to a sibling, merges and changes of a page's prefix are all one thing: gather, choose where pages
//! begin, write. A run's memory is kept by the tree from one use to the next.

use super::change::NewKey;
use super::long::LongKeys;
use super::page::{KeyBytes, NO_KEY_BYTES, USABLE, cell_bytes, prefix_bytes, shared_prefix, slot_bytes};
use crate::index::arena::Page;
use std::ops::Range;

#[derive(Clone, Copy)]
struct Item {
    /// The whole key's place in `Run::bytes`, unless it is long.
    begin: u32,
    len: u32,
    long: Option<u32>,
    payload: u64,
}

/// Entries in key order.
#[derive(Default)]
pub(super) struct Run {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

impl Run {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> u64 {
        (self.bytes.capacity() + self.items.capacity() * size_of::<Item>()) as u64
    }

    /// Appends the entries of a page.
    pub(super) fn gather(&mut self, page: &Page) {
        let mut key = NO_KEY_BYTES;
        let prefix = page.copy_prefix(&mut key);
        for i in 0..page.count() {
            let item = self.copy(page, i, prefix, &mut key);
            self.items.push(item);
        }
    }

    /// Puts the entries of a page before all others.
    pub(super) fn gather_before(&mut self, page: &Page) {
        let old = self.items.len();
        self.gather(page);
        self.items.rotate_left(old);
    }

    /// Appends one entry of a page with another payload; a long key is shared with the page then.
    pub(super) fn gather_one(&mut self, page: &Page, pos: usize, payload: u64) {
        let mut key = NO_KEY_BYTES;
        let prefix = page.copy_prefix(&mut key);
        let item = self.copy(page, pos, prefix, &mut key);
        self.items.push(Item { payload, ..item });
    }

    /// Forgets the entries outside of a range.
    pub(super) fn keep(&mut self, range: Range<usize>) {
        self.items.truncate(range.end);
        self.items.drain(..range.start);
    }

    /// Inserts one entry.
    pub(super) fn insert(&mut self, pos: usize, key: NewKey<'_>, payload: u64) {
        let begin = self.bytes.len() as u32;
        if key.long.is_none() {
            self.bytes.extend_from_slice(key.bytes);
        }
        self.items.insert(pos, Item { begin, len: key.bytes.len() as u32, long: key.long, payload });
    }

    pub(super) fn key<'a>(&'a self, i: usize, longs: &'a LongKeys) -> NewKey<'a> {
        let item = &self.items[i];
        let bytes = match item.long {
            Some(no) => longs.get(no),
            None => &self.bytes[item.begin as usize..(item.begin + item.len) as usize],
        };
        NewKey { bytes, long: item.long }
    }

    pub(super) fn payload(&self, i: usize) -> u64 {
        self.items[i].payload
    }

    /// Length of the prefix that a page of these entries shares. One entry shares what it does with its neighbour in
    /// the run, which is likely what later ones will.
    pub(super) fn prefix(&self, range: &Range<usize>, longs: &LongKeys) -> usize {
        if range.is_empty() {
            return 0;
        }
        let (mut first, mut last) = (range.start, range.end - 1);
        if first >= last {
            first = first.saturating_sub(1);
            last = (first + 1).min(self.len().saturating_sub(1));
        }
        if first >= last {
            return 0;
        }
        shared_prefix(self.key(first, longs).bytes, self.key(last, longs).bytes)
    }

    /// Bytes that these entries take in a page of their own, of [`USABLE`].
    pub(super) fn size(&self, level: u8, range: Range<usize>, longs: &LongKeys) -> usize {
        let prefix = self.prefix(&range, longs);
        prefix_bytes(prefix) + slot_bytes(range.len()) + self.cells(level, range, prefix).sum::<usize>()
    }

    /// Whether these entries fit in a page.
    pub(super) fn fits(&self, level: u8, range: Range<usize>, longs: &LongKeys) -> bool {
        self.size(level, range, longs) <= USABLE
    }

    /// Where to cut the run so that both sides fit in a page and take about the same.
    /// With `gap`, the entry at the cut goes to neither side.
    pub(super) fn cut(&self, level: u8, gap: usize, longs: &LongKeys) -> Option<usize> {
        let n = self.len();
        let prefix = self.prefix(&(0..n), longs);
        let each = slot_bytes(2) / 2;
        let half = (self.cells(level, 0..n, prefix).sum::<usize>() + n * each) / 2;
        let mut sum = 0;
        let middle = self.cells(level, 0..n, prefix).take_while(|c| {
            sum += c + each;
            sum <= half
        });
        let middle = middle.count();
        // Long prefixes on one side of the run only can make the middle impossible.
        let ok = |b: usize| self.fits(level, 0..b, longs) && self.fits(level, b + gap..n, longs);
        let lowest = 1 - gap;
        (0..n).find_map(|d| {
            let down = middle.checked_sub(d).filter(|b| *b >= lowest && *b < n && ok(*b));
            down.or_else(|| Some(middle + d).filter(|b| *b >= lowest && *b < n && ok(*b)))
        })
    }

    /// Writes these entries into a page in place of what it has; its links stay.
    ///
    /// REQUIRES: they fit.
    pub(super) fn write(&self, range: Range<usize>, page: &Page, longs: &LongKeys) {
        debug_assert!(self.fits(page.level(), range.clone(), longs));
        let prefix = self.prefix(&range, longs);
        page.clear(if prefix == 0 { &[] } else { &self.key(range.start, longs).bytes[..prefix] });
        page.fill(range.len(), range.map(|i| (self.key(i, longs), self.payload(i))));
    }

    fn cells(&self, level: u8, range: Range<usize>, prefix: usize) -> impl Iterator<Item = usize> {
        self.items[range].iter().map(move |item| cell_bytes(level, item.len as usize, item.long.is_some(), prefix))
    }

    /// Takes over an entry of a page whose prefix is in `key`.
    fn copy(&mut self, page: &Page, pos: usize, prefix: usize, key: &mut KeyBytes) -> Item {
        let (cell, payload) = (page.cell(pos), page.any_payload(pos));
        let begin = self.bytes.len() as u32;
        if let Err(long) = cell.len {
            // A long key's length makes no difference to its cost.
            return Item { begin, len: u32::MAX, long: Some(long), payload };
        }
        let len = page.copy_suffix(pos, cell, prefix, key);
        self.bytes.extend_from_slice(&key[..len]);
        Item { begin, len: len as u32, long: None, payload }
    }
}
