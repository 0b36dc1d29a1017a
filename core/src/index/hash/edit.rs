//! The writer's changes: entries come, go and are replaced, segments split and merge by their number.
//!
//! A change reads without looking at versions, since nobody else changes anything, and locks a segment when it first
//! wants to store to its descriptor or its block. All locks are held to the end of the change, when [`Editor`] is dropped.
//! With the state held exclusively there are no readers, and nothing is locked. A block that moves to a free place is
//! copied before its owner is locked: no segment names that place, and who named it before was locked and changed.
//!
//! An entry whose segment has no room (which no distribution of a keyed hash brings about, see `segment::MAX_UNITS`) goes
//! to the spill, an ordinary tree, where it stays until it is removed; never beside readers.

use super::directory::{Count, Directory};
use super::segment::{Block, Descriptor, Entry, GROUPS, Segment, Shape};
use super::slab::{Memory, Place, Slab};
use super::state::State;
use crate::index::optimistic::Budget;
use std::collections::BTreeMap;

/// Entries a segment, on average over all. In the course of a round of splits, unsplit ones grow to twice this.
pub(super) const MEAN: u64 = 36;
/// Blocks that a change may ask for: one for an entry, two for a split.
const BLOCKS_PER_CHANGE: usize = 3;
/// Bytes a spilled entry, about: what a B-tree node holds for it, at two thirds full.
const SPILL_BYTES: usize = 40;

/// What the writer keeps from one change to the next.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) slab: Slab,
    pub(super) len: u64,
    pub(super) budget: Budget,
    /// Calls since the writer last tried to give memory back.
    pub(super) patience: u32,
    /// The directory has more room than it needs.
    pub(super) sparse: bool,
    /// A split or merge is due that can't be made beside readers.
    pub(super) overdue: bool,
    locked: Vec<u32>,
    entries: Vec<Entry>,
}

impl Writer {
    pub(super) fn new() -> Writer {
        let (slab, budget) = (Slab::default(), Budget::new());
        Writer {
            slab,
            len: 0,
            budget,
            patience: 0,
            sparse: false,
            overdue: false,
            locked: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Whether a change can be made beside readers; or, if `state` is held exclusively, what [`Writer::make_ready`] is for.
    #[inline]
    pub(super) fn is_ready(&self, state: &State) -> bool {
        state.directory.capacity() > state.directory.count().0 && self.slab.is_ready(&state.memory, BLOCKS_PER_CHANGE)
    }

    /// Makes room in the tables for the next change.
    pub(super) fn make_ready(&mut self, state: &mut State) {
        if state.directory.capacity() <= state.directory.count().0 {
            state.directory.grow();
        }
        if !self.slab.is_ready(&state.memory, BLOCKS_PER_CHANGE) {
            self.slab.grow_table(&mut state.memory);
        }
    }

    /// Whether there is something worth giving back.
    #[inline]
    pub(super) fn is_untidy(&self) -> bool {
        let (idle, used) = self.slab.idle();
        idle * 64 > used || self.sparse || self.slab.is_unsettled()
    }

    /// Gives back what isn't used.
    pub(super) fn give_back(&mut self, state: &mut State) {
        self.budget.refill();
        self.slab.give_back(&mut state.memory);
        if self.slab.is_unsettled() {
            self.slab.settle(&mut state.memory);
        }
        if state.directory.is_sparse() {
            state.directory.shrink();
        }
        self.sparse = false;
        if self.len == 0 {
            (self.locked, self.entries) = (Vec::new(), Vec::new());
        }
    }

    /// Bytes allocated, those of the state included.
    pub(super) fn memory(&self, state: &State) -> usize {
        let own = self.locked.capacity() * size_of::<u32>() + self.entries.capacity() * size_of::<Entry>();
        let snapshot = state.memory.snapshot.as_ref().map_or(0, |snapshot| snapshot.memory());
        let shared = state.directory.memory() + self.slab.memory(&state.memory) + state.saved_memory();
        own + shared + snapshot + state.spill.len() * SPILL_BYTES
    }
}

/// The change needs what only an exclusive hold on the state allows. It has done nothing.
#[derive(Debug)]
pub(super) struct NeedsRebuild;

enum Spill<'a> {
    /// Readers may be looking.
    Shared,
    Own(&'a mut BTreeMap<u128, u64>),
}

/// One change.
pub(super) struct Editor<'a> {
    directory: &'a Directory,
    memory: &'a Memory,
    spill: Spill<'a>,
    writer: &'a mut Writer,
}

impl<'a> Editor<'a> {
    /// Beside readers. REQUIRES: the spill is empty and the writer ready.
    pub(super) fn shared(state: &'a State, writer: &'a mut Writer) -> Editor<'a> {
        debug_assert!(state.spill.is_empty(), "spilled entries are changed without readers");
        Editor { directory: &state.directory, memory: &state.memory, spill: Spill::Shared, writer }
    }

    /// Without readers. REQUIRES: the writer is ready.
    pub(super) fn exclusive(state: &'a mut State, writer: &'a mut Writer) -> Editor<'a> {
        let State { directory, memory, spill } = state;
        Editor { directory, memory, spill: Spill::Own(spill), writer }
    }

    /// Inserts, replaces or removes; returns the location bits that were there.
    pub(super) fn change(&mut self, fingerprint: u128, new: Option<u64>) -> Result<Option<u64>, NeedsRebuild> {
        let count = self.directory.count();
        let i = count.address(fingerprint);
        let shape = Shape::new(count.depth(i));
        let segment = self.directory.descriptor(i).get();
        let group = shape.group(fingerprint);
        let block = self.memory.block_on(segment.place);
        // An entry that comes or goes moves one of each later group.
        block.prefetch(shape.at(segment.start(group))..shape.at(segment.len()));
        let found = shape.find(block, segment.start(group), segment.count(group), fingerprint);
        match (found, new) {
            (Some(at), Some(new)) => {
                let old = shape.location(block, at);
                self.lock(i);
                self.memory.before_change(segment.place, shape.at(at)..shape.at(at + 1));
                shape.set_location(block, at, new);
                Ok(Some(old))
            }
            (Some(at), None) => {
                let old = shape.location(block, at);
                self.take(i, shape, segment, group, at);
                self.removed();
                Ok(Some(old))
            }
            (None, new) => self.change_spilled(i, shape, segment, fingerprint, new),
        }
    }

    /// Changes what is in no segment.
    fn change_spilled(
        &mut self,
        i: u32,
        shape: Shape,
        segment: Segment,
        fingerprint: u128,
        new: Option<u64>,
    ) -> Result<Option<u64>, NeedsRebuild> {
        if let Spill::Own(spill) = &mut self.spill
            && let Some(old) = spill.get(&fingerprint).copied()
        {
            match new {
                Some(new) => drop(spill.insert(fingerprint, new)),
                None => {
                    spill.remove(&fingerprint);
                    self.removed();
                }
            }
            return Ok(Some(old));
        }
        let Some(new) = new else { return Ok(None) };
        self.insert(i, shape, segment, (fingerprint, new))?;
        self.writer.len += 1;
        if self.is_crowded() {
            self.writer.overdue |= !self.split();
        }
        Ok(None)
    }

    fn removed(&mut self) {
        self.writer.len -= 1;
        if self.is_sparse() {
            self.writer.overdue |= !self.merge();
        }
    }

    /// Makes the splits and merges that are due.
    pub(super) fn catch_up(&mut self) {
        if self.is_crowded() {
            self.split();
        } else if self.is_sparse() {
            self.merge();
        }
        self.writer.overdue = false;
    }

    fn is_crowded(&self) -> bool {
        self.writer.len > MEAN * u64::from(self.directory.count().0)
    }

    /// An eighth below the mean, so that a table that breathes doesn't split and merge all the time.
    fn is_sparse(&self) -> bool {
        self.writer.len < MEAN * 7 / 8 * u64::from(self.directory.count().0 - 1)
    }

    fn is_exclusive(&self) -> bool {
        matches!(self.spill, Spill::Own(_))
    }

    /// A segment's descriptor, locked for the rest of the change.
    fn lock(&mut self, i: u32) -> &'a Descriptor {
        let descriptor = self.directory.descriptor(i);
        if let Some(snapshot) = &self.memory.snapshot {
            snapshot.keep_descriptor(self.directory, i);
        }
        if let Some(saved) = &self.memory.saved {
            saved.touch_descriptor(i);
        }
        if !self.is_exclusive() && descriptor.lock() {
            self.writer.locked.push(i);
        }
        descriptor
    }

    fn spill(&mut self, entry: Entry) -> Result<(), NeedsRebuild> {
        match &mut self.spill {
            Spill::Own(spill) => drop(spill.insert(entry.0, entry.1)),
            Spill::Shared => return Err(NeedsRebuild),
        }
        Ok(())
    }

    /// Adds an entry that is nowhere in the table to segment `i`, or to the spill.
    fn insert(&mut self, i: u32, shape: Shape, mut segment: Segment, entry: Entry) -> Result<(), NeedsRebuild> {
        let (group, n, old) = (shape.group(entry.0), segment.len(), segment.place);
        if n >= shape.most() || segment.count(group) == u8::MAX.into() {
            return self.spill(entry);
        }
        // Before anything is written: a new block may be one that readers of another segment still look at.
        let descriptor = self.lock(i);
        let moves = shape.units(n) != shape.units(n + 1);
        if moves {
            let Some(place) = self.writer.slab.alloc(self.memory, shape.units(n + 1), i) else {
                return self.spill(entry);
            };
            self.memory.block(place, shape.units(n + 1)).copy_from(self.memory.block(old, shape.units(n)));
            segment.place = place;
        } else {
            self.memory.before_change(old, shape.at(segment.start(group))..shape.at(n + 1));
        }
        let block = self.memory.block(segment.place, shape.units(n + 1));
        // From the last group on, each gives its first place to the one before it.
        let mut end = n;
        for later in (group + 1..GROUPS).rev() {
            let start = end - segment.count(later);
            shape.copy(block, start, end);
            end = start;
        }
        shape.write(block, end, entry);
        segment.add(group);
        descriptor.set(segment);
        if moves && old != Place::NONE {
            self.free(old);
        }
        Ok(())
    }

    /// Removes entry number `at` of a group of segment `i`.
    fn take(&mut self, i: u32, shape: Shape, mut segment: Segment, group: usize, at: usize) {
        let (n, old) = (segment.len(), segment.place);
        let descriptor = self.lock(i);
        self.memory.before_change(old, shape.at(segment.start(group))..shape.at(n));
        let block = self.memory.block(old, shape.units(n));
        // The group's last entry fills the hole, and the last of each later group the place before its first.
        let mut end = segment.start(group) + segment.count(group) - 1;
        shape.copy(block, end, at);
        for later in group + 1..GROUPS {
            let last = end + segment.count(later);
            shape.copy(block, last, end);
            end = last;
        }
        segment.subtract(group);
        let units = shape.units(n - 1);
        if units == shape.units(n) {
            return descriptor.set(segment);
        }
        segment.place = Place::NONE;
        if units > 0 {
            // Without a number for another block, which only a table of terabytes lacks, the segment stays where it is.
            let Some(place) = self.writer.slab.alloc(self.memory, units, i) else {
                segment.place = old;
                return descriptor.set(segment);
            };
            self.memory.block(place, units).copy_from(block);
            segment.place = place;
        }
        descriptor.set(segment);
        self.free(old);
    }

    /// Frees a block. REQUIRES: its owner names another already.
    fn free(&mut self, place: Place) {
        if let Some((owner, place)) = self.writer.slab.free(self.memory, place) {
            let descriptor = self.lock(owner);
            let mut segment = descriptor.get();
            segment.place = place;
            descriptor.set(segment);
        }
    }

    /// Deals the entries of the segment that is next to split out to it and a new one; `false` if that can't be done here.
    fn split(&mut self) -> bool {
        let count = self.directory.count();
        let Some(i) = count.next_split() else { return true };
        let new = Count(count.0 + 1);
        if new.0 > self.directory.capacity() {
            return false;
        }
        let mut entries = std::mem::take(&mut self.writer.entries);
        entries.clear();
        self.gather(i, count, &mut entries);
        let middle = partition(&mut entries, |&(fingerprint, _)| new.address(fingerprint) == i);
        let (low, high) = entries.split_at(middle);
        let shape = Shape::new(new.depth(i));
        let done = self.is_exclusive() || (fits(shape, low) && fits(shape, high));
        if done {
            // The number comes last: till then nobody asks for the new segment, and then both are locked.
            self.fill(i, shape, low);
            self.fill(count.0, shape, high);
            self.directory.set_count(new.0);
        }
        self.writer.entries = entries;
        done
    }

    /// Puts the entries of the last segment into the one that it once split from; `false` if that can't be done here.
    fn merge(&mut self) -> bool {
        let count = self.directory.count();
        let Some(i) = count.next_merge() else { return true };
        let new = Count(count.0 - 1);
        let mut entries = std::mem::take(&mut self.writer.entries);
        entries.clear();
        self.gather(i, count, &mut entries);
        self.gather(new.0, count, &mut entries);
        let shape = Shape::new(new.depth(i));
        let done = self.is_exclusive() || fits(shape, &entries);
        if done {
            self.fill(i, shape, &entries);
            self.fill(new.0, shape, &[]);
            self.directory.set_count(new.0);
            self.writer.sparse |= self.directory.is_sparse();
        }
        self.writer.entries = entries;
        done
    }

    /// Appends all entries of segment `i`.
    fn gather(&self, i: u32, count: Count, out: &mut Vec<Entry>) {
        let (segment, shape) = (self.directory.descriptor(i).get(), Shape::new(count.depth(i)));
        let block = self.memory.block_on(segment.place);
        let mut at = 0;
        for group in 0..GROUPS {
            let end = at + segment.count(group);
            out.extend((at..end).map(|at| shape.read(block, at, i, group)));
            at = end;
        }
    }

    /// Gives segment `i` these entries in place of what it has, and what has no room there to the spill.
    fn fill(&mut self, i: u32, shape: Shape, entries: &[Entry]) {
        let descriptor = self.lock(i);
        let old = descriptor.get().place;
        let (mut segment, mut spilled) = (Segment::EMPTY, false);
        for &(fingerprint, _) in entries {
            let group = shape.group(fingerprint);
            if segment.count(group) < u8::MAX.into() && segment.len() < shape.most() {
                segment.add(group);
            } else {
                spilled = true;
            }
        }
        let units = shape.units(segment.len());
        let place = if units == 0 { None } else { self.writer.slab.alloc(self.memory, units, i) };
        match place {
            Some(place) => {
                segment.place = place;
                self.write(self.memory.block(place, units), shape, segment, entries, spilled);
            }
            None => {
                segment = Segment::EMPTY;
                for &entry in entries {
                    let kept = self.spill(entry);
                    debug_assert!(kept.is_ok(), "no block beside readers");
                }
            }
        }
        descriptor.set(segment);
        if old != Place::NONE {
            self.free(old);
        }
    }

    /// Writes entries into a segment's block, as many of each group as are counted.
    fn write(&mut self, block: Block<'_>, shape: Shape, segment: Segment, entries: &[Entry], spilled: bool) {
        let mut ends: [usize; GROUPS] = std::array::from_fn(|group| segment.start(group));
        for &entry in entries {
            let group = shape.group(entry.0);
            let at = ends[group];
            if spilled && at == segment.start(group) + segment.count(group) {
                let kept = self.spill(entry);
                debug_assert!(kept.is_ok(), "asked before");
                continue;
            }
            shape.write(block, at, entry);
            ends[group] += 1;
        }
    }
}

impl Drop for Editor<'_> {
    /// The end of the change.
    fn drop(&mut self) {
        for i in self.writer.locked.drain(..) {
            self.directory.descriptor(i).unlock();
        }
    }
}

/// Whether a segment can take all of these entries.
fn fits(shape: Shape, entries: &[Entry]) -> bool {
    // Only with more entries than a group can count is a closer look needed, which no keyed hash brings about.
    entries.len() <= shape.most().min(u8::MAX.into())
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
