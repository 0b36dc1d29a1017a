//! Building a tree, or its end, from the bottom up, of keys that come in order: each page is written once.
//!
//! Pages are full, or, where later keys are expected between these, left some room: else each of the next inserts would split a page. How
//! much differs from page to page, so that they don't all fill up at the same time either (Glombiewski, Seeger, Graefe: "Waves of misery after index creation", BTW 2019).

use super::change::NewKey;
use super::edit::Editor;
use super::insert::shortest_separator;
use super::page::{USABLE, cell_bytes, prefix_bytes, shared_prefix, slot_bytes};
use crate::index::Packing;
use crate::index::arena::{NO_PAGE, Page};
use crate::types::Location;
use std::iter::Peekable;

/// At least so many entries fit in any page, so that a bound of the number of pages is known.
const FEWEST: u64 = 4;

/// No more pages are taken for so many keys: the levels above the leaves are a fourth, a sixteenth, ... of them, rounded up.
pub(super) fn most_pages(keys: u64) -> u64 {
    keys / (FEWEST - 1) + 64
}

/// Entries that are to be one page.
struct Filling<'k> {
    level: u8,
    entries: Vec<(NewKey<'k>, u64)>,
    /// Length of what they begin with, if there are two of them.
    prefix: usize,
    /// Bytes of their cells.
    cells: usize,
    packing: Packing,
    /// Bytes that are not to be used, and pages so far.
    room: usize,
    pages: u32,
}

impl<'k> Filling<'k> {
    fn new(level: u8, packing: Packing) -> Filling<'k> {
        let room = room(packing, 0);
        Filling { level, entries: Vec::new(), prefix: 0, cells: 0, packing, room, pages: 0 }
    }

    /// Adds an entry behind the others, if it fits.
    fn push(&mut self, key: NewKey<'k>, payload: u64) -> bool {
        let prefix = self.entries.first().map_or(0, |(first, _)| shared_prefix(first.bytes, key.bytes));
        let cell = |key: &NewKey<'_>| cell_bytes(self.level, key.bytes.len(), key.long.is_some(), prefix);
        // It only ever gets shorter, a few times a page, but from one entry to two.
        let others =
            if prefix == self.prefix { self.cells } else { self.entries.iter().map(|(key, _)| cell(key)).sum() };
        let cells = others + cell(&key);
        if prefix_bytes(prefix) + slot_bytes(self.entries.len() + 1) + cells > USABLE - self.room {
            return false;
        }
        (self.prefix, self.cells) = (prefix, cells);
        self.entries.push((key, payload));
        true
    }

    /// Writes the page and begins another.
    fn write(&mut self, page: &Page) {
        let prefix = self.entries.first().map_or(&[][..], |(key, _)| &key.bytes[..self.prefix]);
        page.clear(prefix);
        page.fill(self.entries.len(), self.entries.drain(..));
        (self.prefix, self.cells) = (0, 0);
        self.pages = self.pages.wrapping_add(1);
        self.room = room(self.packing, self.pages);
    }
}

/// Bytes that a page is left: from a sixteenth of it to three, all about as often.
fn room(packing: Packing, page: u32) -> usize {
    /// 2^32 by the golden ratio: its multiples lie evenly, wherever one stops.
    const GOLDEN: u32 = 0x9e37_79b9;
    match packing {
        Packing::Tight => 0,
        Packing::Roomy => USABLE / 16 + ((USABLE / 8 * (page.wrapping_mul(GOLDEN) >> 16) as usize) >> 16),
    }
}

/// A page, and what separates it from the one before.
type Child = (Vec<u8>, u32);

impl Editor<'_> {
    /// Makes a tree of these entries.
    ///
    /// REQUIRES: there is none; no reader is there; the arena has [`most_pages`]; keys ascend strictly and can be keys.
    pub(super) fn build(&mut self, packing: Packing, entries: &mut dyn Iterator<Item = (&[u8], Location)>) {
        let mut children = self.build_leaves(NO_PAGE, Vec::new(), packing, entries);
        let mut level = 1;
        while children.len() > 1 {
            children = self.build_level(level, packing, &children);
            level += 1;
        }
        if let Some((_, root)) = children.first() {
            self.set_root(*root);
        }
    }

    /// Makes leaves of these entries behind the last one, if all of them come behind what is there; what the levels above are to be told of them
    /// is the caller's to tell them, in order.
    ///
    /// REQUIRES: no reader is there; the arena has [`most_pages`]; keys ascend strictly and can be keys.
    pub(super) fn append_leaves(
        &mut self,
        packing: Packing,
        entries: &mut Peekable<&mut dyn Iterator<Item = (&[u8], Location)>>,
    ) -> Option<Vec<Child>> {
        let (leaf, last) = self.last()?;
        let (first, _) = entries.peek().filter(|(key, _)| *key > &last[..])?;
        let separator = shortest_separator(&last, first);
        Some(self.build_leaves(leaf, separator, packing, entries))
    }

    /// The last leaf and the last key.
    fn last(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut no = self.root();
        if no == NO_PAGE {
            return None;
        }
        while !self.page(no).is_leaf() {
            no = self.page(no).child(self.page(no).count());
        }
        let page = self.page(no);
        let pos = page.count().checked_sub(1)?;
        let mut run = std::mem::take(&mut self.writer.run);
        run.clear();
        run.gather_one(page, pos, 0);
        let key = run.key(0, self.longs()).bytes.to_vec();
        self.writer.run = run;
        Some((no, key))
    }

    /// Leaves behind `before`, which `separator` separates from the first of them.
    fn build_leaves(
        &mut self,
        before: u32,
        mut separator: Vec<u8>,
        packing: Packing,
        entries: &mut dyn Iterator<Item = (&[u8], Location)>,
    ) -> Vec<Child> {
        let mut children: Vec<Child> = Vec::new();
        let mut leaf = Filling::new(0, packing);
        for (key, location) in entries {
            let (new, payload) = (self.new_key(key), location.to_bits());
            if !leaf.push(new, payload) {
                let last = leaf.entries.last().map_or(&[][..], |(key, _)| key.bytes);
                let next = shortest_separator(last, key);
                self.end_leaf(&mut leaf, before, &mut children, std::mem::replace(&mut separator, next));
                leaf.push(new, payload);
            }
            self.writer.len += 1;
        }
        if !leaf.entries.is_empty() {
            self.end_leaf(&mut leaf, before, &mut children, separator);
        }
        children
    }

    fn end_leaf(&mut self, leaf: &mut Filling<'_>, before: u32, children: &mut Vec<Child>, separator: Vec<u8>) {
        let no = self.new_page(0);
        leaf.write(self.page_mut(no));
        self.link(children.last().map_or(before, |(_, no)| *no), no);
        children.push((separator, no));
    }

    /// The level above these pages.
    fn build_level(&mut self, level: u8, packing: Packing, below: &[Child]) -> Vec<Child> {
        let mut pages = Vec::new();
        let mut filling = Filling::new(level, packing);
        let mut open: Option<Child> = None;
        for (separator, child) in below {
            if let Some(begun) = &open {
                // A long separator has its number only once its page is known.
                let key = self.new_key(separator);
                if filling.push(key, u64::from(*child)) {
                    continue;
                }
                if let Some(long) = key.long {
                    self.remove_long(long);
                }
                filling.write(self.page_mut(begun.1));
                pages.extend(open.take());
            }
            // It goes up a level, and its child is the first of a page.
            let no = self.new_page(level);
            self.page_mut(no).set_first_child(*child);
            open = Some((separator.clone(), no));
        }
        if let Some(begun) = open {
            filling.write(self.page_mut(begun.1));
            pages.push(begun);
        }
        pages
    }
}
