//! What readers and the writer share, and how readers look.
//!
//! A lookup reads the number of segments, the version of the segment that follows from it, the number of segments once more,
//! then descriptor and block, and the version again. The number is to a segment what a parent is to its child
//! (`index/optimistic.rs`, invariant 3): while it changes, the segments that split or merge are locked.

use super::directory::{Directory, PAGE};
use super::saved::Saved;
use super::segment::{Descriptor, MOST, Segment, Shape};
use super::slab::Memory;
use crate::error::Result;
use crate::index::below;
use crate::index::optimistic::Seen;
use crate::types::Location;
use crate::util::page::PAGE_SIZE;
use crate::util::prefetch::prefetch;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The table behind the lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) directory: Directory,
    pub(super) memory: Memory,
    /// Changed only with the state held exclusively.
    pub(super) spill: BTreeMap<u128, u64>,
}

/// A segment under a reader's look.
#[derive(Clone, Copy)]
struct View<'a> {
    descriptor: &'a Descriptor,
    shape: Shape,
    seen: Seen,
}

/// Keys whose lines are fetched together.
const GROUP: usize = 32;

impl State {
    pub(super) fn new() -> State {
        State { directory: Directory::new(), memory: Memory::default(), spill: BTreeMap::new() }
    }

    /// What was saved.
    pub(super) fn resume(saved: Arc<Saved>, spill: BTreeMap<u128, u64>) -> State {
        State { directory: Directory::resume(Arc::clone(&saved)), memory: Memory::resume(saved), spill }
    }

    /// Fetches all of what was saved; false if not all is there, or it was told to stop.
    pub(super) fn fetch_all(&self, stop: &AtomicBool) -> bool {
        let Some(saved) = &self.memory.saved else { return true };
        let goes_on = || !stop.load(Ordering::Relaxed);
        (0..self.directory.capacity()).step_by(PAGE).all(|i| goes_on() && self.directory.get(i).is_some())
            && (0..saved.numbers() as u32).all(|number| {
                saved.chunks().span(number).is_none() || (goes_on() && !self.memory.words(number).is_empty())
            })
    }

    /// An error if pages were found damaged.
    #[inline]
    pub(super) fn verdict(&self) -> Result<()> {
        self.memory.saved.as_ref().map_or(Ok(()), |saved| saved.check())
    }

    /// Bytes of saved pages that are memory of this process: all of those that were read, and the changed ones of those that are mapped.
    pub(super) fn saved_memory(&self) -> usize {
        let Some(saved) = &self.memory.saved else { return 0 };
        let (mut read, mut last) = (0, std::ptr::null());
        for run in self.directory.lent().chain(self.memory.lent()) {
            // In the order of the image, so that what lies in the same pages comes one after the other.
            if !run.is_mapped() && !std::ptr::eq(last, run.as_ptr()) {
                read += run.len() * PAGE_SIZE;
                last = run.as_ptr();
            }
        }
        read + saved.private_bytes() + saved.memory()
    }

    /// The location bits of a fingerprint.
    #[inline]
    pub(super) fn get(&self, fingerprint: u128) -> Option<u64> {
        loop {
            let view = self.view(fingerprint);
            let found = self.find(view.descriptor.get(), view.shape, fingerprint);
            if view.descriptor.valid(view.seen) {
                return found.or_else(|| self.spilled(fingerprint));
            }
        }
    }

    /// The location bits of each fingerprint, many cache misses at a time (group prefetching: Chen et al., ICDE 2004).
    pub(super) fn get_many(&self, fingerprints: &[u128], out: &mut [Option<Location>]) {
        for (fingerprints, out) in fingerprints.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
            self.prefetch(fingerprints);
            for (&fingerprint, out) in fingerprints.iter().zip(out) {
                *out = self.get(fingerprint).map(Location::from_bits);
            }
        }
    }

    /// Asks for the lines that lookups of these fingerprints will read.
    pub(super) fn prefetch(&self, fingerprints: &[u128]) {
        let count = self.directory.count();
        for &fingerprint in fingerprints {
            prefetch(self.directory.descriptor(count.address(fingerprint)));
        }
        for &fingerprint in fingerprints {
            let i = count.address(fingerprint);
            let (segment, shape) = (self.directory.descriptor(i).get(), Shape::new(count.depth(i)));
            let group = shape.group(fingerprint);
            let start = segment.start(group);
            let bytes = shape.at(start)..shape.at(start + segment.count(group));
            self.memory.block_on(segment.place).prefetch(bytes);
        }
    }

    #[inline]
    fn view(&self, fingerprint: u128) -> View<'_> {
        loop {
            let count = self.directory.count();
            let i = count.address(fingerprint);
            let descriptor = self.directory.descriptor(i);
            let seen = descriptor.enter();
            if self.directory.is_still(count) {
                return View { descriptor, shape: Shape::new(count.depth(i)), seen };
            }
        }
    }

    #[inline]
    fn find(&self, segment: Segment, shape: Shape, fingerprint: u128) -> Option<u64> {
        let group = shape.group(fingerprint);
        let count = segment.count(group);
        if count == 0 {
            return None;
        }
        let block = self.memory.block_on(segment.place);
        shape.find(block, segment.start(group), count, fingerprint).map(|i| shape.location(block, i))
    }

    #[inline]
    fn spilled(&self, fingerprint: u128) -> Option<u64> {
        if self.spill.is_empty() { None } else { self.spill.get(&fingerprint).copied() }
    }

    /// Appends the locations of segment number `position`, or, behind the last segment, up to `max` of the spill.
    /// Returns the next position, or `None` at the end.
    pub(super) fn walk(&self, position: u64, max: usize, out: &mut Vec<Location>) -> Option<u64> {
        let count = self.directory.count();
        let segments = u64::from(count.0);
        if position < segments {
            let (i, before) = (position as u32, out.len());
            let descriptor = self.directory.descriptor(i);
            loop {
                let seen = descriptor.enter();
                let (segment, shape) = (descriptor.get(), Shape::new(count.depth(i)));
                let block = self.memory.block_on(segment.place);
                let locations = (0..segment.len()).map(|i| shape.location(block, i));
                out.extend(locations.map(Location::from_bits));
                if descriptor.valid(seen) {
                    break;
                }
                out.truncate(before);
            }
            return (position + 1 < segments || !self.spill.is_empty()).then_some(position + 1);
        }
        let skip = (position - segments) as usize;
        out.extend(self.spill.values().skip(skip).take(max).copied().map(Location::from_bits));
        (skip.saturating_add(max) < self.spill.len()).then(|| position + max as u64)
    }

    /// One of [`MOST`] places in one of the segments, or one in the spill: what is there, if anything.
    pub(super) fn sample(&self, random: &mut dyn FnMut() -> u64) -> Option<u64> {
        let count = self.directory.count();
        let places = u64::from(count.0) * MOST as u64;
        let place = below(random(), places + self.spill.len() as u64);
        if let Some(spilled) = place.checked_sub(places) {
            return self.spill.values().nth(spilled as usize).copied();
        }
        let (i, entry) = ((place / MOST as u64) as u32, place as usize % MOST);
        let descriptor = self.directory.descriptor(i);
        let seen = descriptor.enter();
        if !self.directory.is_still(count) {
            return None;
        }
        let (segment, shape) = (descriptor.get(), Shape::new(count.depth(i)));
        let found = (entry < segment.len()).then(|| shape.location(self.memory.block_on(segment.place), entry));
        if descriptor.valid(seen) { found } else { None }
    }
}
