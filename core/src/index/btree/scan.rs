//! Ordered scans along the leaves' links, and the walk over all leaves in the arena's order.

use super::page::{MAX_ENTRIES, MAX_PREFIX};
use super::search::Tree;
use crate::index::arena::{NO_PAGE, Page};
use crate::index::{Direction, KeyPage, Start, below};
use crate::types::Location;
use std::ops::Range;

impl Tree {
    /// Appends up to `max` entries from `start` on.
    pub(super) fn scan(&self, start: Start<'_>, direction: Direction, mut max: usize, out: &mut KeyPage) {
        let forward = direction == Direction::Forward;
        let Some((mut no, mut pos)) = self.position(start, forward) else { return };
        while max > 0 && no != NO_PAGE {
            let leaf = self.page(no);
            let range = match (forward, pos) {
                (true, pos) => pos.unwrap_or(0)..leaf.count(),
                (false, pos) => 0..pos.unwrap_or(leaf.count()),
            };
            let take = range.len().min(max);
            if forward {
                self.copy(leaf, range.start..range.start + take, out);
                no = leaf.next();
            } else {
                self.copy_reversed(leaf, range.end - take..range.end, out);
                no = leaf.prev();
            }
            max -= take;
            pos = None;
        }
    }

    /// Appends the locations of whole leaves from page `from` on, until there are `max`; returns the page to go on
    /// from, or nothing at the end.
    pub(super) fn walk(&self, from: u32, max: usize, out: &mut Vec<Location>) -> Option<u32> {
        let wanted = out.len().saturating_add(max);
        for no in from..self.arena.end() {
            if out.len() >= wanted {
                return Some(no);
            }
            let page = self.page(no);
            if page.is_leaf() {
                out.extend((0..page.count()).map(|i| Location::from_bits(page.payload(i))));
            }
        }
        None
    }

    /// A random slot of a random page, if it is a leaf's and taken: every entry has the same chance.
    pub(super) fn sample(&self, random: &mut dyn FnMut() -> u64) -> Option<u64> {
        let page = self.page(below(random(), u64::from(self.arena.end())) as u32);
        let slot = below(random(), MAX_ENTRIES as u64) as usize;
        (page.is_leaf() && slot < page.count()).then(|| page.payload(slot))
    }

    /// The leaf to begin with, and the entry there: the first to take forward, the one behind the last in reverse.
    /// No entry means the leaf's edge.
    fn position(&self, start: Start<'_>, forward: bool) -> Option<(u32, Option<usize>)> {
        let (key, skip) = match start {
            Start::Edge => return Some((self.edge_leaf(!forward)?, None)),
            Start::At(key) => (key, false),
            Start::After(key) => (key, true),
        };
        let leaf = self.leaf(key)?;
        let found = self.page(leaf).find(key, &self.longs);
        Some((leaf, Some(found.pos + usize::from(found.exact && forward == skip))))
    }

    fn copy(&self, leaf: &Page, range: Range<usize>, out: &mut KeyPage) {
        let mut keys = Keys::new(leaf);
        range.for_each(|i| self.copy_one(leaf, i, &mut keys, out));
    }

    fn copy_reversed(&self, leaf: &Page, range: Range<usize>, out: &mut KeyPage) {
        let mut keys = Keys::new(leaf);
        range.rev().for_each(|i| self.copy_one(leaf, i, &mut keys, out));
    }

    fn copy_one(&self, leaf: &Page, i: usize, keys: &mut Keys, out: &mut KeyPage) {
        let cell = leaf.cell(i);
        let location = Location::from_bits(cell.payload);
        if let Some(long) = cell.long {
            return out.push(self.longs.get(long), &[], location);
        }
        let (prefix, head) = (keys.prefix, cell.head);
        keys.bytes[prefix..prefix + 4].copy_from_slice(&head);
        out.push(&keys.bytes[..prefix + cell.head_len], cell.rest, location);
    }
}

/// The leaf's prefix with room for a head behind it.
struct Keys {
    bytes: [u8; MAX_PREFIX + 4],
    prefix: usize,
}

impl Keys {
    fn new(leaf: &Page) -> Keys {
        let prefix = leaf.prefix();
        let mut keys = Keys { bytes: [0; MAX_PREFIX + 4], prefix: prefix.len() };
        keys.bytes[..prefix.len()].copy_from_slice(prefix);
        keys
    }
}
