//! What of the slab is saved besides the chunks' bytes, and where in an image these are.
//!
//! Positions are in units. A chunk lies in an image without a gap in it and across no multiple of [`CHUNK_UNITS`], so that the piece of pages
//! that is verified together has all of it. Chunks are in the order of their numbers, so that their lengths tell where they are.

use super::{CHUNK_UNITS, Chunk, Class, Place, Slab, UNIT};
use crate::index::hash::segment::MAX_UNITS;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where a chunk is in an image.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::index::hash) struct Span {
    /// Its first unit.
    pub(in crate::index::hash) at: u32,
    /// Units of its memory; 0 if it is not in the image.
    pub(in crate::index::hash) units: u32,
}

/// A chunk that was saved.
#[derive(Debug, Default)]
struct Known {
    /// As in [`Span`]; [`NOWHERE`] if it was not saved, or is gone.
    at: AtomicU32,
    units: u32,
    /// Of a block.
    block: u16,
    /// Blocks used.
    used: u16,
}

const NOWHERE: u32 = u32::MAX;

/// The chunks that were saved, by number.
#[derive(Debug)]
pub(in crate::index::hash) struct Chunks(Vec<Known>);

impl Chunks {
    /// As many numbers as are known, those of no chunk included.
    pub(in crate::index::hash) fn numbers(&self) -> usize {
        self.0.len()
    }

    /// Where a chunk is.
    pub(in crate::index::hash) fn span(&self, number: u32) -> Option<Span> {
        let known = self.0.get(number as usize)?;
        let at = known.at.load(Ordering::Relaxed);
        (at != NOWHERE).then_some(Span { at, units: known.units })
    }

    /// It is nowhere any more.
    pub(in crate::index::hash) fn forget(&self, number: u32) {
        if let Some(known) = self.0.get(number as usize) {
            known.at.store(NOWHERE, Ordering::Relaxed);
        }
    }

    /// Whether a used block of so many units was there.
    pub(in crate::index::hash) fn has_block(&self, place: Place, units: usize) -> bool {
        let unit = place.unit();
        self.0.get(place.chunk() as usize).is_some_and(|known| {
            units > 0
                && usize::from(known.block) == units
                && unit.is_multiple_of(units)
                && unit / units < usize::from(known.used)
        })
    }

    /// Number of used blocks.
    pub(in crate::index::hash) fn blocks(&self) -> u64 {
        self.0.iter().map(|known| u64::from(known.used)).sum()
    }

    /// Bytes allocated.
    pub(in crate::index::hash) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<Known>()
    }
}

impl Slab {
    /// Where all chunks are in an image that has room for them from unit `start` on, by number, and where the last one ends.
    pub(in crate::index::hash) fn layout(&self, start: u32) -> (Vec<Span>, u32) {
        let mut spans = vec![Span::default(); self.chunks.len()];
        for &number in self.classes.iter().flat_map(|class| &class.chunks) {
            spans[number as usize].units = (self.chunks[number as usize].bytes() / UNIT) as u32;
        }
        let mut end = start;
        for span in &mut spans {
            span.at = fit(end, span.units);
            end = span.at + span.units;
        }
        (spans, end)
    }

    /// Appends what [`Slab::resume`] makes the slab of.
    pub(in crate::index::hash) fn write_tail(&self, out: &mut Vec<u8>) {
        let idle = || self.classes.iter().flat_map(|class| &class.idle);
        let mut put = |number: u32| out.extend_from_slice(&number.to_le_bytes());
        put((self.free.len() + idle().count()) as u32);
        self.free.iter().chain(idle()).for_each(|&number| put(number));
        put(self.classes.len() as u32);
        for class in &self.classes {
            put(class.chunks.len() as u32);
            put(class.used);
            for &number in &class.chunks {
                put(number);
                put(self.chunks[number as usize].slots);
            }
        }
    }

    /// A slab, its chunks in an image from unit `start` to `end`, and what is left of the bytes. `None` if they say what can't be.
    pub(in crate::index::hash) fn resume(mut bytes: &[u8], start: u32, end: u64) -> Option<(Slab, Chunks, &[u8])> {
        let mut take = || {
            let (number, rest) = bytes.split_first_chunk()?;
            bytes = rest;
            Some(u32::from_le_bytes(*number))
        };
        let mut slab = Slab::default();
        let mut stacked = Vec::new();
        for _ in 0..take()? {
            slab.free.push(take()?);
        }
        let classes = take()? as usize;
        if classes > MAX_UNITS {
            return None;
        }
        for units in 1..=classes {
            let (len, used) = (take()?, take()?);
            let mut class = Class { used, ..Class::default() };
            let mut slots = 0;
            for _ in 0..len {
                class.blocks = class.blocks.checked_add(slots)?;
                let number = take()?;
                slots = take()?;
                if slots == 0 || slots as usize > CHUNK_UNITS / units {
                    return None;
                }
                class.chunks.push(number);
                stacked.push((number, Chunk { units: units as u32, slots }, slots));
            }
            if used > slots || (used == 0) != (len == 0) {
                return None;
            }
            class.blocks = class.blocks.checked_add(used)?;
            if let Some((_, _, blocks)) = stacked.last_mut().filter(|_| len > 0) {
                *blocks = used;
            }
            slab.classes.push(class);
        }
        let numbers = slab.free.len() + stacked.len();
        if numbers > Place::NONE.chunk() as usize {
            return None;
        }
        // Each number once, and none left out.
        let mut seen = vec![false; numbers];
        let mut is_new = |number: u32| seen.get_mut(number as usize).is_some_and(|seen| !std::mem::replace(seen, true));
        if !slab.free.iter().chain(stacked.iter().map(|(number, ..)| number)).all(|&number| is_new(number)) {
            return None;
        }
        slab.chunks.resize(numbers, Chunk::default());
        let mut known: Vec<Known> = Vec::new();
        known.resize_with(numbers, Known::default);
        for (number, chunk, used) in stacked {
            slab.bytes += chunk.bytes();
            slab.chunks[number as usize] = chunk;
            let known = &mut known[number as usize];
            known.units = (chunk.bytes() / UNIT) as u32;
            (known.block, known.used) = (chunk.units as u16, used as u16);
        }
        let mut at = start;
        for known in &mut known {
            let first = fit(at, known.units);
            at = first.checked_add(known.units)?;
            *known.at.get_mut() = if known.units > 0 { first } else { NOWHERE };
        }
        (u64::from(at) <= end).then_some((slab, Chunks(known), bytes))
    }
}

/// The first place from one on at which so many units lie across no multiple of [`CHUNK_UNITS`].
fn fit(at: u32, units: u32) -> u32 {
    let left = CHUNK_UNITS as u32 - at % CHUNK_UNITS as u32;
    if units > left { at.saturating_add(left) } else { at }
}
