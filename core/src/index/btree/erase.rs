//! Removing many keys in their order: those of a leaf leave it together.
//!
//! A removal by itself goes down the tree, moves the entries behind the one that goes, and mends a leaf that has too little
//! in it. A call that removes every other key, or all keys of a range, would do that many times over for the same leaf.

use super::edit::Editor;
use super::page::MAX_COUNT;
use super::remove::UNDERFULL;
use crate::index::{Change, order};
use crate::types::Location;

/// Positions of entries that are to go, ascending.
struct Gone {
    positions: [u16; MAX_COUNT],
    len: usize,
}

impl Gone {
    fn as_slice(&self) -> &[u16] {
        &self.positions[..self.len]
    }

    fn push(&mut self, pos: usize) {
        debug_assert!(self.len < MAX_COUNT, "a page has no more entries");
        if let Some(place) = self.positions.get_mut(self.len) {
            *place = pos as u16;
            self.len += 1;
        }
    }
}

impl Editor<'_> {
    /// Makes the change at `from` of those in this order (or as they stand), which is a removal, and those behind it that are removals from the
    /// same leaf in ascending order of keys. Returns how many were made.
    ///
    /// REQUIRES: nobody reads.
    pub(super) fn erase(&mut self, changes: &mut [Change<'_>], order: Option<&[u32]>, from: usize) -> usize {
        let at = |i: usize| order.map_or(i, |order| order[i] as usize);
        let key = changes[at(from)].key;
        let Some(leaf) = self.leaf(key) else {
            changes[at(from)].old = None;
            return 1;
        };
        let page = self.page(leaf);
        let mut gone = Gone { positions: [0; MAX_COUNT], len: 0 };
        // Entries before this position are less than the keys to come.
        let (mut low, mut made, mut last) = (0, 0, key);
        for i in from..changes.len() {
            // For the first the caller has asked.
            if let Some(order) = order.filter(|_| i > from) {
                order::ask_ahead(changes, order, i);
            }
            let change = &mut changes[at(i)];
            if change.new.is_some() || (made > 0 && change.key <= last) {
                break;
            }
            let found = page.find_behind(low, change.key, self.longs());
            // What comes behind all that the leaf has may be of another leaf; the first is not.
            if found.pos == page.count() && made > 0 {
                break;
            }
            change.old = found.exact_pos().map(|pos| Location::from_bits(page.payload(pos)));
            low = found.pos;
            if found.exact {
                gone.push(found.pos);
                low += 1;
            }
            last = change.key;
            made += 1;
        }
        if gone.len > 0 {
            let page = self.page_mut(leaf);
            if !self.longs().is_empty() {
                for &pos in gone.as_slice() {
                    if let Err(long) = page.cell(pos.into()).len {
                        self.remove_long(long);
                    }
                }
            }
            page.remove_all(gone.as_slice());
            self.writer.len -= gone.len as u64;
            if page.used() < UNDERFULL {
                self.mend(last);
            }
        }
        made
    }
}
