//! Ordered scans along the leaves' links, the walk over all leaves in the arena's order, and samples.
//!
//! A leaf's entries are appended and taken back if its version has moved. From a leaf the scan passes on to its neighbour as
//! a reader passes from parent to child: this leaf's version is looked at once more with the neighbour's in hand, so
//! at that moment the two were neighbours and nothing lay between them. If the neighbour changes before it has been read,
//! entries may have moved across the border between the two: the scan finds its place again by the last key that it gave out.

use super::page::{Found, MAX_COUNT};
use super::search::{State, View};
use crate::index::arena::{NO_PAGE, Page};
use crate::index::{Direction, KeyPage, Start, below};
use crate::types::Location;

/// Cells of a leaf that are asked for before the first is read.
const CELLS: usize = 24;

impl State {
    /// Appends up to `max` entries from `start` on.
    pub(super) fn scan(&self, start: Start<'_>, direction: Direction, max: usize, out: &mut KeyPage) {
        let forward = direction == Direction::Forward;
        let (begin, mut last) = (out.len(), Vec::new());
        let end = begin.saturating_add(max);
        // Entries of one look at most. A leaf that changes all the time is read in ever shorter stretches, of which one gets through.
        let mut stretch = usize::MAX;
        while out.len() < end {
            let from = if out.len() == begin { start } else { Start::After(&last) };
            let stop = end.min(out.len().saturating_add(stretch));
            if self.scan_run(from, forward, stop, out) {
                if out.len() < stop || stop == end {
                    return;
                }
                stretch = stretch.saturating_mul(2);
            } else {
                stretch = (stretch.min(MAX_COUNT) / 2).max(1);
            }
            last.clear();
            last.extend_from_slice(out.last().map_or(&[], |(key, _)| key));
        }
    }

    /// Appends entries of leaf after leaf; `false` if a leaf that wasn't read yet has changed.
    fn scan_run(&self, start: Start<'_>, forward: bool, end: usize, out: &mut KeyPage) -> bool {
        let at = match start {
            Start::Edge => None,
            Start::At(key) => Some((key, false)),
            Start::After(key) => Some((key, true)),
        };
        let leaf = match at {
            None => self.edge_leaf(!forward),
            Some((key, _)) => self.leaf(key),
        };
        let Some(mut leaf) = leaf else { return true };
        // The first to take forward, the one behind the last in reverse; none means the leaf's edge.
        let mut pos = at.map(|(key, skip)| {
            let found = self.find_asking(leaf.page, key, forward, end.saturating_sub(out.len()));
            found.pos + usize::from(found.exact && forward == skip)
        });
        let (begin, untrusted) = (out.len(), self.pages.is_untrusted());
        loop {
            let before = out.len();
            let (page, count) = (leaf.page, leaf.page.count());
            let (from, to) = if forward { (pos.unwrap_or(0), count) } else { (0, pos.unwrap_or(count)) };
            let take = to.saturating_sub(from).min(end - before);
            let next = if forward { page.next() } else { page.prev() };
            let more = before + take < end && next != NO_PAGE;
            if more {
                self.pages.page(next).prefetch();
            }
            // Cells lie on the page in the order in which they came: each may be a cache miss. Of the first leaf they were asked for.
            if pos.is_none() {
                let first = if forward { from } else { to - take.min(CELLS) };
                (first..first + take.min(CELLS)).for_each(|i| page.prefetch_cell(i));
            }
            let prefix = page.prefix_len();
            if forward {
                (from..from + take).for_each(|i| self.copy(page, i, prefix, out));
            } else {
                (to - take..to).rev().for_each(|i| self.copy(page, i, prefix, out));
            }
            // Every leaf has keys, and ascends; that each begins behind the one before has to be seen of saved ones.
            if untrusted && !self.goes_on(page, forward, (begin, before), at.map(|(key, _)| key), out) {
                out.truncate(before);
                if !leaf.holds() {
                    // The tree was looked at as a whole since this began, and is being changed.
                    return false;
                }
                return self.fail::<()>("leaves are linked that do not follow each other").is_none();
            }
            let next = if more { leaf.hand_over(self.pages.page(next)) } else { leaf.holds().then_some(leaf) };
            match next {
                None => {
                    out.truncate(before);
                    return false;
                }
                Some(_) if !more => return true,
                Some(next) => (leaf, pos) = (next, None),
            }
        }
    }

    /// Whether the keys that were appended of a leaf, from `at.1` on, follow those that this run of the scan appended from `at.0` on, or the
    /// one that it began with; else the tree is damaged, if the page still holds.
    fn goes_on(&self, page: &Page, forward: bool, at: (usize, usize), start: Option<&[u8]>, out: &KeyPage) -> bool {
        let key = |i: usize| out.get(i).map_or(&[][..], |(key, _)| key);
        let follows = |before: &[u8], key: &[u8]| if forward { before < key } else { before > key };
        let first = start
            .filter(|_| at.0 == at.1)
            .is_none_or(|start| at.1 == out.len() || start == key(at.1) || follows(start, key(at.1)));
        let all = (at.1.max(at.0 + 1)..out.len()).all(|i| follows(key(i - 1), key(i)));
        page.is_leaf() && first && all
    }

    /// The place of a key, from which on up to `take` entries are wanted: their cells are asked for before the one is waited for that says
    /// whether it is the key's.
    #[inline]
    fn find_asking(&self, page: &Page, key: &[u8], forward: bool, take: usize) -> Found {
        match page.strip_prefix(key) {
            Ok(suffix) => {
                let low = page.lower_bound(suffix);
                let take = take.min(CELLS);
                let cells = if forward { low..low + take } else { low.saturating_sub(take)..low + 1 };
                (cells.start..cells.end.min(page.count())).for_each(|i| page.prefetch_cell(i));
                page.find_from(low, suffix, key.len() - suffix.len(), &self.longs)
            }
            Err(pos) => Found { pos, exact: false },
        }
    }

    #[inline]
    fn copy(&self, page: &Page, pos: usize, prefix: usize, out: &mut KeyPage) {
        let cell = page.cell(pos);
        let location = Location::from_bits(page.payload_at(cell.at));
        match cell.len {
            Ok(len) => {
                let prefix = (prefix, |i| page.prefix_word(prefix, i));
                out.push_words(prefix, (len, |i| page.suffix_word(pos, cell, i)), location);
            }
            Err(long) => out.push(self.longs.get(long), &[], location),
        }
    }

    /// Appends the locations of whole leaves from page `from` on, until there are `max`; returns the page to go on
    /// from, or nothing at the end.
    pub(super) fn walk(&self, from: u32, max: usize, out: &mut Vec<Location>) -> Option<u32> {
        let wanted = out.len().saturating_add(max);
        for no in from..self.pages.end() {
            if out.len() >= wanted {
                return Some(no);
            }
            let before = out.len();
            loop {
                let view = View::of(self.pages.page(no));
                if view.page.is_leaf() {
                    out.extend((0..view.page.count()).map(|i| Location::from_bits(view.page.payload(i))));
                }
                if view.holds() {
                    break;
                }
                out.truncate(before);
            }
        }
        None
    }

    /// One of [`MAX_COUNT`] places on one of all pages that there could be: the entry that is there, if any.
    pub(super) fn sample(&self, random: &mut dyn FnMut() -> u64) -> Option<u64> {
        let view = View::of(self.pages.page(below(random(), u64::from(self.pages.end())) as u32));
        let pos = below(random(), MAX_COUNT as u64) as usize;
        let found = (view.page.is_leaf() && pos < view.page.count()).then(|| view.page.payload(pos));
        if view.holds() { found } else { None }
    }
}
