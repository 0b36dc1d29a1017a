//! The table of fingerprints: finds, inserts and removes entries, and splits and merges segments by their number.
//!
//! Knows neither keys nor locks. An entry whose segment has no room (which no distribution of a keyed hash brings
//! about, see `segment::MAX_UNITS`) goes to the spill, an ordinary tree, where it stays until it is removed.

use std::collections::BTreeMap;

use super::directory::Directory;
use super::segment::{Entry, GROUPS, MAX_ENTRIES, Segment, Shape};
use super::slab::{Place, Slab};
use crate::index::below;

/// Entries a segment, on average over all. In the course of a round of splits, unsplit ones grow to twice this.
const MEAN: u64 = 64;
/// Bytes a spilled entry, about: what a B-tree node holds for it, at two thirds full.
const SPILL_BYTES: usize = 40;

/// The table.
#[derive(Debug)]
pub(super) struct Table {
    directory: Directory,
    slab: Slab,
    spill: BTreeMap<u128, u64>,
    len: u64,
}

impl Table {
    pub(super) fn new() -> Table {
        Table { directory: Directory::new(), slab: Slab::new(), spill: BTreeMap::new(), len: 0 }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The location bits of a fingerprint.
    #[inline]
    pub(super) fn get(&self, fingerprint: u128) -> Option<u64> {
        let i = self.directory.address(fingerprint);
        let segment = self.directory.get(i);
        let shape = Shape::new(self.directory.depth(i));
        let group = shape.group(fingerprint);
        let count = segment.counts[group] as usize;
        if count > 0 {
            let start = segment.start(group);
            let entries = &self.slab.block(segment.place)[shape.bytes(start, start + count)];
            if let Some(at) = shape.find(entries, fingerprint) {
                return Some(shape.location(&entries[at * shape.width()..(at + 1) * shape.width()]));
            }
        }
        if self.spill.is_empty() { None } else { self.spill.get(&fingerprint).copied() }
    }

    /// Reads a byte of the group where a fingerprint is or would be, so that it is in the cache.
    #[inline]
    pub(super) fn touch(&self, fingerprint: u128) -> u8 {
        let i = self.directory.address(fingerprint);
        let segment = self.directory.get(i);
        let shape = Shape::new(self.directory.depth(i));
        let start = segment.start(shape.group(fingerprint));
        if segment.place == Place::NONE {
            return 0;
        }
        // An empty last group may begin at the very end of its block.
        self.slab.block(segment.place).get(shape.bytes(0, start).end).copied().unwrap_or(0)
    }

    /// Inserts or replaces; returns the location bits that were there.
    pub(super) fn set(&mut self, fingerprint: u128, location: u64) -> Option<u64> {
        let i = self.directory.address(fingerprint);
        let shape = Shape::new(self.directory.depth(i));
        if let Some((_, at)) = self.find(i, shape, fingerprint) {
            let place = self.directory.get(i).place;
            let entry = &mut self.slab.block_mut(place)[shape.bytes(at, at + 1)];
            let old = shape.location(entry);
            shape.set_location(entry, location);
            return Some(old);
        }
        if !self.spill.is_empty()
            && let Some(old) = self.spill.get_mut(&fingerprint)
        {
            return Some(std::mem::replace(old, location));
        }
        self.insert(i, shape, (fingerprint, location));
        self.len += 1;
        if self.len > MEAN * u64::from(self.directory.len()) {
            self.split();
        }
        None
    }

    /// Removes; returns the location bits that were there.
    pub(super) fn remove(&mut self, fingerprint: u128) -> Option<u64> {
        let i = self.directory.address(fingerprint);
        let shape = Shape::new(self.directory.depth(i));
        let old = match self.find(i, shape, fingerprint) {
            Some((group, at)) => self.take(i, shape, group, at),
            None => self.spill.remove(&fingerprint)?,
        };
        self.len -= 1;
        // An eighth below the mean, so that a table that breathes doesn't split and merge all the time.
        if self.len < MEAN * 7 / 8 * u64::from(self.directory.len() - 1) {
            self.merge();
        }
        Some(old)
    }

    /// Gives `sink` the locations of segment number `position`, or, behind the last segment, up to `max` of the spill.
    /// Returns the next position, or `None` at the end.
    pub(super) fn walk(&self, position: u64, max: usize, mut sink: impl FnMut(u64)) -> Option<u64> {
        let segments = u64::from(self.directory.len());
        if position < segments {
            let i = position as u32;
            let segment = self.directory.get(i);
            let shape = Shape::new(self.directory.depth(i));
            if segment.place != Place::NONE {
                let entries = &self.slab.block(segment.place)[shape.bytes(0, segment.len())];
                entries.chunks_exact(shape.width()).for_each(|entry| sink(shape.location(entry)));
            }
            return (position + 1 < segments || !self.spill.is_empty()).then_some(position + 1);
        }
        let skip = (position - segments) as usize;
        self.spill.values().skip(skip).take(max).for_each(|&location| sink(location));
        (skip.saturating_add(max) < self.spill.len()).then(|| position + max as u64)
    }

    /// The location bits at a random position, if there is an entry: every entry has the same chance.
    pub(super) fn sample(&self, random: &mut dyn FnMut() -> u64) -> Option<u64> {
        // Each segment has as many positions as the fullest could use; the spill's entries stand behind them.
        let positions = u64::from(self.directory.len()) * MAX_ENTRIES as u64;
        let at = below(random(), positions + self.spill.len() as u64);
        if let Some(skip) = at.checked_sub(positions) {
            return self.spill.values().nth(skip as usize).copied();
        }
        let (i, slot) = ((at / MAX_ENTRIES as u64) as u32, (at % MAX_ENTRIES as u64) as usize);
        let segment = self.directory.get(i);
        if slot >= segment.len() {
            return None;
        }
        let shape = Shape::new(self.directory.depth(i));
        Some(shape.location(&self.slab.block(segment.place)[shape.bytes(slot, slot + 1)]))
    }

    /// Bytes allocated, this struct not included.
    pub(super) fn memory(&self) -> usize {
        self.directory.memory() + self.slab.memory() + self.spill.len() * SPILL_BYTES
    }

    /// Group and position of a fingerprint in its segment.
    #[inline]
    fn find(&self, i: u32, shape: Shape, fingerprint: u128) -> Option<(usize, usize)> {
        let segment = self.directory.get(i);
        let group = shape.group(fingerprint);
        let count = segment.counts[group] as usize;
        if count == 0 {
            return None;
        }
        let start = segment.start(group);
        let entries = &self.slab.block(segment.place)[shape.bytes(start, start + count)];
        Some((group, start + shape.find(entries, fingerprint)?))
    }

    /// Adds an entry that is nowhere in the table to segment `i`, or to the spill.
    fn insert(&mut self, i: u32, shape: Shape, entry: Entry) {
        let group = shape.group(entry.0);
        let segment = self.directory.get(i);
        let (n, at) = (segment.len(), segment.start(group) + segment.counts[group] as usize);
        if n >= shape.most() || segment.counts[group] == u8::MAX || !self.resize(i, shape, n, n + 1) {
            self.spill.insert(entry.0, entry.1);
            return;
        }
        let segment = self.directory.get_mut(i);
        segment.counts[group] += 1;
        let block = self.slab.block_mut(segment.place);
        block.copy_within(shape.bytes(at, n), shape.bytes(at + 1, n).start);
        shape.write(&mut block[shape.bytes(at, at + 1)], entry);
    }

    /// Removes the entry at position `at` of segment `i`; returns its location bits.
    fn take(&mut self, i: u32, shape: Shape, group: usize, at: usize) -> u64 {
        let segment = self.directory.get_mut(i);
        let n = segment.len();
        segment.counts[group] -= 1;
        let block = self.slab.block_mut(segment.place);
        let old = shape.location(&block[shape.bytes(at, at + 1)]);
        block.copy_within(shape.bytes(at + 1, n), shape.bytes(at, n).start);
        self.resize(i, shape, n, n - 1);
        old
    }

    /// Moves segment `i` to a block for `to` entries where that is another size than for `from`; `false` if there
    /// is none left. Entries beyond the smaller number are not kept.
    fn resize(&mut self, i: u32, shape: Shape, from: usize, to: usize) -> bool {
        let units = shape.units(to);
        if units == shape.units(from) {
            return true;
        }
        let new = match units {
            0 => Some(Place::NONE),
            _ => self.slab.alloc(units, i),
        };
        let Some(new) = new else { return false };
        let old = std::mem::replace(&mut self.directory.get_mut(i).place, new);
        if old != Place::NONE {
            if new != Place::NONE {
                self.slab.copy(old, new, shape.bytes(0, from.min(to)).end);
            }
            self.free(old);
        }
        true
    }

    fn free(&mut self, place: Place) {
        if let Some(owner) = self.slab.free(place) {
            self.directory.get_mut(owner).place = place;
        }
    }

    fn split(&mut self) {
        let Some(i) = self.directory.next_split() else { return };
        let mut entries = Vec::new();
        self.drain(i, &mut entries);
        self.directory.split();
        let (low, high) = (Shape::new(self.directory.depth(i)), self.directory.len() - 1);
        let middle = partition(&mut entries, |&(fingerprint, _)| self.directory.address(fingerprint) == i);
        self.fill(i, low, &entries[..middle]);
        self.fill(high, low, &entries[middle..]);
    }

    fn merge(&mut self) {
        let Some(i) = self.directory.next_merge() else { return };
        let mut entries = Vec::new();
        self.drain(i, &mut entries);
        self.drain(self.directory.len() - 1, &mut entries);
        self.directory.merge();
        self.fill(i, Shape::new(self.directory.depth(i)), &entries);
    }

    /// Moves all entries of segment `i` to `out`.
    fn drain(&mut self, i: u32, out: &mut Vec<Entry>) {
        let shape = Shape::new(self.directory.depth(i));
        let segment = std::mem::replace(self.directory.get_mut(i), Segment::EMPTY);
        if segment.place == Place::NONE {
            return;
        }
        out.reserve_exact(segment.len());
        let block = self.slab.block(segment.place);
        for group in 0..GROUPS {
            let start = segment.start(group);
            let bytes = shape.bytes(start, start + segment.counts[group] as usize);
            out.extend(block[bytes].chunks_exact(shape.width()).map(|entry| shape.read(entry, i, group)));
        }
        self.free(segment.place);
    }

    /// Puts entries into the empty segment `i`, what has no room there into the spill.
    fn fill(&mut self, i: u32, shape: Shape, entries: &[Entry]) {
        let mut segment = Segment::EMPTY;
        let (mut n, mut spilled) = (0, false);
        for &(fingerprint, _) in entries {
            let count = &mut segment.counts[shape.group(fingerprint)];
            if *count < u8::MAX && n < shape.most() {
                (*count, n) = (*count + 1, n + 1);
            } else {
                spilled = true;
            }
        }
        let place = if n == 0 { None } else { self.slab.alloc(shape.units(n), i) };
        let Some(place) = place else {
            self.spill.extend(entries.iter().copied());
            return;
        };
        segment.place = place;
        let mut ends: [usize; GROUPS] = std::array::from_fn(|group| segment.start(group));
        let block = self.slab.block_mut(place);
        for &entry in entries {
            let group = shape.group(entry.0);
            let at = ends[group];
            if spilled && at == segment.start(group) + segment.counts[group] as usize {
                self.spill.insert(entry.0, entry.1);
                continue;
            }
            shape.write(&mut block[shape.bytes(at, at + 1)], entry);
            ends[group] += 1;
        }
        *self.directory.get_mut(i) = segment;
    }

    /// Verifies the invariants.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let (mut len, mut blocks) = (self.spill.len(), 0);
        for i in 0..self.directory.len() {
            let (segment, shape) = (self.directory.get(i), Shape::new(self.directory.depth(i)));
            assert_eq!(segment.place == Place::NONE, segment.len() == 0);
            if segment.place == Place::NONE {
                continue;
            }
            let block = self.slab.block(segment.place);
            assert_eq!(block[..4], i.to_le_bytes());
            assert_eq!(block.len(), shape.units(segment.len()) * super::slab::UNIT);
            let mut seen = std::collections::BTreeSet::new();
            for group in 0..GROUPS {
                let start = segment.start(group);
                let bytes = shape.bytes(start, start + segment.counts[group] as usize);
                for entry in block[bytes].chunks_exact(shape.width()) {
                    let (fingerprint, location) = shape.read(entry, i, group);
                    assert_eq!(self.directory.address(fingerprint), i);
                    assert_eq!(shape.group(fingerprint), group);
                    assert!(seen.insert(fingerprint) && !self.spill.contains_key(&fingerprint));
                    assert_eq!(self.get(fingerprint), Some(location));
                }
            }
            len += segment.len();
            blocks += 1;
        }
        assert_eq!(len as u64, self.len);
        assert_eq!(self.slab.check(), blocks);
        let segments = u64::from(self.directory.len());
        assert!(segments == 1 || self.len <= MEAN * segments && self.len >= MEAN * 7 / 8 * (segments - 1));
    }

    /// Entries in the spill.
    #[cfg(test)]
    pub(super) fn spilled(&self) -> usize {
        self.spill.len()
    }
}

/// Orders a slice so that those that hold come first; returns their number.
fn partition<T>(slice: &mut [T], holds: impl Fn(&T) -> bool) -> usize {
    let mut end = 0;
    for i in 0..slice.len() {
        if holds(&slice[i]) {
            slice.swap(i, end);
            end += 1;
        }
    }
    end
}
