//! Entries in key order, taken out of pages and merged with changes, to be dealt out to pages again.
//!
//! A run of leaf entries is what it says. A run of an inner level is a list of children, each with the separator left of
//! it; the first one's separator belongs to the level above and is not written.

use std::ops::Range;

use crate::index::order::shared_len;

use super::page::{Cell, Long, MAX_PREFIX, NewKey, Page, Ptr, USABLE, cost};

/// Pages are dealt out for so much in each; with more the last would often be left with an entry or two.
const FILL: usize = USABLE * 15 / 16;

/// A key's place in `Run::bytes`, and what is stored with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    begin: u32,
    len: u32,
    pub(super) long: Option<Long>,
    pub(super) payload: u64,
}

/// Entries in key order.
#[derive(Debug, Default)]
pub(super) struct Run {
    bytes: Vec<u8>,
    pub(super) items: Vec<Item>,
}

/// A separator: its bytes, or those that are known of a long one.
#[derive(Clone, Debug, Default)]
pub(super) struct Separator {
    pub(super) known: Vec<u8>,
    pub(super) long: Option<Long>,
}

impl Run {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// About what the entries take in pages.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + self.items.len() * 11
    }

    /// Appends an entry.
    pub(super) fn push(&mut self, key: NewKey<'_>, payload: u64) {
        let begin = self.bytes.len() as u32;
        self.bytes.extend_from_slice(key.known);
        self.items.push(Item { begin, len: key.known.len() as u32, long: key.long, payload });
    }

    /// Appends the entry of a leaf, or the child right of the separator, at a position.
    pub(super) fn take(&mut self, page: &Page, pos: usize) {
        let begin = self.bytes.len() as u32;
        let long = match page.cell(pos) {
            Cell::Suffix(suffix) => {
                self.bytes.extend_from_slice(page.prefix());
                self.bytes.extend_from_slice(suffix);
                None
            }
            Cell::Long(head, long) => {
                self.bytes.extend_from_slice(head);
                Some(long)
            }
        };
        let len = self.bytes.len() as u32 - begin;
        self.items.push(Item { begin, len, long, payload: page.payload(pos) });
    }

    /// Appends all entries of a page; of an inner page all children, the first of which gets this separator.
    pub(super) fn take_all(&mut self, page: &Page, separator: &Separator) {
        if page.level() > 0 {
            self.push(separator.as_key(), page.first().0);
        }
        (0..page.count()).for_each(|pos| self.take(page, pos));
    }

    /// Appends the entries of another run; the first gets this separator if they are children.
    pub(super) fn append(&mut self, level: u8, other: &Run, separator: &Separator) {
        for (i, item) in other.items.iter().enumerate() {
            if i == 0 && level > 0 {
                self.push(separator.as_key(), item.payload);
            } else {
                self.push(other.key(i), item.payload);
            }
        }
    }

    pub(super) fn key(&self, i: usize) -> NewKey<'_> {
        let item = &self.items[i];
        NewKey { known: &self.bytes[item.begin as usize..(item.begin + item.len) as usize], long: item.long }
    }

    /// The separator of a child.
    pub(super) fn separator(&self, i: usize) -> Separator {
        let key = self.key(i);
        Separator { known: key.known.to_vec(), long: key.long }
    }

    pub(super) fn child(&self, i: usize) -> Ptr {
        Ptr(self.items[i].payload)
    }

    /// Bytes that these entries take in a page of their own, of [`USABLE`].
    pub(super) fn size(&self, level: u8, range: Range<usize>) -> usize {
        let range = written(level, range);
        let prefix = self.prefix(&range);
        prefix + range.map(|i| self.cost(i, prefix)).sum::<usize>()
    }

    /// Deals the entries out to pages: about evenly, or `packed`, each as full as it gets but the last.
    pub(super) fn deal(&self, level: u8, packed: bool) -> Vec<Range<usize>> {
        let n = self.len();
        let total = self.size(level, 0..n);
        if n == 0 || total <= USABLE {
            return std::iter::once(0..n).filter(|range| !range.is_empty()).collect();
        }
        let target = if packed { USABLE } else { total.div_ceil(total.div_ceil(FILL)) };
        let mut ranges = Vec::new();
        let mut start = 0;
        while start < n {
            // A child whose separator goes up costs nothing here.
            let first = start + usize::from(level > 0);
            // Bytes without a prefix, and how many of the keys one would be cut off: long ones stay as they are.
            let (mut end, mut whole, mut cuttable, mut before) = (first, 0, 0, 0);
            while end < n {
                whole += self.cost(end, 0);
                cuttable += usize::from(self.items[end].long.is_none());
                let prefix = if end == first { 0 } else { self.shared(first, end) };
                let size = whole - cuttable * prefix + prefix;
                if size > USABLE || before >= target {
                    break;
                }
                before = size;
                end += 1;
            }
            ranges.push(start..end);
            start = end;
        }
        ranges
    }

    /// Writes these entries into a new page.
    ///
    /// REQUIRES: they fit.
    pub(super) fn page(&self, level: u8, range: Range<usize>) -> Page {
        let entries = written(level, range.clone());
        let prefix = self.prefix(&entries);
        let bytes = if prefix == 0 { &[][..] } else { &self.key(entries.start).known[..prefix] };
        let mut page = Page::new(level, bytes);
        if level > 0 {
            page.set_first(self.child(range.start));
        }
        entries.for_each(|i| page.push(self.key(i), self.items[i].payload));
        page
    }

    fn cost(&self, i: usize, prefix: usize) -> usize {
        let item = &self.items[i];
        cost(item.len as usize, item.long.is_some(), prefix.min(item.len as usize))
    }

    fn prefix(&self, range: &Range<usize>) -> usize {
        if range.len() < 2 { 0 } else { self.shared(range.start, range.end - 1) }
    }

    fn shared(&self, a: usize, b: usize) -> usize {
        let (a, b) = (self.key(a).known, self.key(b).known);
        shared_len(&a[..a.len().min(MAX_PREFIX)], b)
    }
}

impl Separator {
    pub(super) fn as_key(&self) -> NewKey<'_> {
        NewKey { known: &self.known, long: self.long }
    }
}

/// The entries that are written of a range: not an inner page's first child, which stands in its header.
fn written(level: u8, range: Range<usize>) -> Range<usize> {
    if level > 0 { range.start + 1..range.end.max(range.start + 1) } else { range }
}

/// Length of the shortest key above `left` and not above `right` that is a beginning of `right` (suffix truncation: Bayer
/// and Unterauer 1977).
pub(super) fn separator_len(left: &[u8], right: &[u8]) -> usize {
    right.len().min(shared_len(left, right) + 1)
}
