//! The table as it was at one moment, read while the writer goes on.
//!
//! Copy on write, by parts of 4 KiB of the directory or of one chunk: before the writer first changes a part that was not read yet it keeps a
//! copy (`index/kept.rs`). A bit for each part says which of the two was first, as in `index/snapshot.rs`, whose argument holds here too; it needs no versions,
//! for as long as the bit is free nobody has changed anything in the part since the moment. Memory that is given back counts as changed.
//!
//! Knows where in an image each part lies (`saved.rs`) and what follows the pages in it: the tail.
//!
//! Locking: those of `kept`, and `tail` for a moment.

use super::directory::{Count, Directory};
use super::saved::chunks_start;
use super::segment::DESCRIPTOR_BYTES;
use super::slab::{Memory, Slab, Span, UNIT};
use super::state::State;
use crate::index::kept::Kept;
use crate::util::lock::Mutex;
use crate::util::page::{PAGE_SIZE, Page};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Bytes of a part; the last of a chunk or of the directory may have fewer.
const PART: usize = PAGE_SIZE;
const PART_DESCRIPTORS: usize = PART / DESCRIPTOR_BYTES;

/// What a part is of.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// From this descriptor on.
    Descriptors(u32),
    /// From this byte of a chunk on.
    Chunk(u32, usize),
}

/// A part, and where in the image it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    number: u32,
    source: Source,
    at: usize,
    len: usize,
}

/// One moment's table.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Descriptors in the image.
    descriptors: u32,
    /// By number: where each chunk is, and its first part.
    chunks: Vec<(Span, u32)>,
    pages: u32,
    /// Their number.
    parts: u32,
    kept: Kept,
    tail: Mutex<Vec<u8>>,
}

impl Snapshot {
    /// Of this moment. REQUIRES: the state is held exclusively, and from here on the writer calls [`Snapshot::keep`] and its like.
    pub(super) fn new(state: &State, slab: &Slab, key: [u8; 16]) -> Snapshot {
        let count = state.directory.count();
        let descriptors = Directory::room_for(count.0);
        let (spans, end) = slab.layout(chunks_start(count));
        let mut parts = (descriptors as usize).div_ceil(PART_DESCRIPTORS) as u32;
        let mut chunks = Vec::with_capacity(spans.len());
        for span in spans {
            chunks.push((span, parts));
            parts += (span.units as usize * UNIT).div_ceil(PART) as u32;
        }
        let mut tail = key.to_vec();
        slab.write_tail(&mut tail);
        for (fingerprint, location) in &state.spill {
            tail.extend_from_slice(&fingerprint.to_le_bytes());
            tail.extend_from_slice(&location.to_le_bytes());
        }
        let pages = (end as usize * UNIT).div_ceil(PAGE_SIZE) as u32;
        Snapshot { descriptors, chunks, pages, parts, kept: Kept::new(parts), tail: Mutex::new(tail) }
    }

    /// Number of the image's pages.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// What follows them; to be asked for once.
    pub(super) fn take_tail(&self) -> Vec<u8> {
        std::mem::take(&mut self.tail.lock())
    }

    /// Called by the writer before it changes bytes of a chunk.
    #[inline]
    pub(super) fn keep(&self, memory: &Memory, chunk: u32, bytes: Range<usize>) {
        let Some(&(span, first)) = self.chunks.get(chunk as usize) else { return };
        let end = bytes.end.min(span.units as usize * UNIT);
        for i in bytes.start / PART..end.div_ceil(PART) {
            if !self.kept.is_taken(first + i as u32) {
                let len = PART.min(span.units as usize * UNIT - i * PART);
                self.kept.keep(first + i as u32, copied(len, |out| copy_chunk(memory, chunk, i * PART, out)));
            }
        }
    }

    /// Called by the writer before it changes a descriptor.
    #[inline]
    pub(super) fn keep_descriptor(&self, directory: &Directory, i: u32) {
        let part = i / PART_DESCRIPTORS as u32;
        if i < self.descriptors && !self.kept.is_taken(part) {
            let first = part * PART_DESCRIPTORS as u32;
            let len = PART_DESCRIPTORS.min((self.descriptors - first) as usize) * DESCRIPTOR_BYTES;
            self.kept.keep(part, copied(len, |out| copy_descriptors(directory, first, out)));
        }
    }

    /// Called by the reader before it reads parts, of which this is the first.
    pub(super) fn make_ready(&self, first: &Part) {
        self.kept.make_ready(self.parts - first.number);
    }

    /// The parts in these bytes of the image, which begin and end at multiples of 32 KiB or at the image's end.
    pub(super) fn parts(&self, bytes: &Range<usize>) -> Vec<Part> {
        let end = self.descriptors as usize * DESCRIPTOR_BYTES;
        let mut parts: Vec<Part> = (bytes.start.min(end)..bytes.end.min(end))
            .step_by(PART)
            .map(|at| Part {
                number: (at / PART) as u32,
                source: Source::Descriptors((at / DESCRIPTOR_BYTES) as u32),
                at,
                len: PART.min(end - at),
            })
            .collect();
        let first = self.chunks.partition_point(|(span, _)| (span.at as usize * UNIT) < bytes.start);
        let inside = self.chunks[first..].iter().zip(first as u32..);
        for (&(span, part), chunk) in inside.take_while(|((span, _), _)| (span.at as usize * UNIT) < bytes.end) {
            let len = span.units as usize * UNIT;
            parts.extend((0..len).step_by(PART).map(|from| Part {
                number: part + (from / PART) as u32,
                source: Source::Chunk(chunk, from),
                at: span.at as usize * UNIT + from,
                len: PART.min(len - from),
            }));
        }
        parts
    }

    /// Writes a part as it was to where it lies in bytes of the image from `start` on. To be asked once for each. REQUIRES: no exclusive change
    /// meanwhile.
    pub(super) fn read(&self, state: &State, part: &Part, start: usize, out: &mut [u8]) {
        let Some(out) = part.at.checked_sub(start).and_then(|at| out.get_mut(at..at + part.len)) else { return };
        if !self.kept.is_taken(part.number) {
            match part.source {
                Source::Descriptors(first) => copy_descriptors(&state.directory, first, out),
                Source::Chunk(chunk, from) => copy_chunk(&state.memory, chunk, from, out),
            }
            if self.kept.take(part.number) {
                return;
            }
        }
        let was_kept = self.kept.fetch(part.number, |kept| {
            let mut bytes = [0; PART];
            kept.copy_to(&mut bytes);
            out.copy_from_slice(&bytes[..part.len]);
        });
        debug_assert!(was_kept, "part {} asked for twice", part.number);
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.kept.memory() as usize + self.chunks.len() * size_of::<(Span, u32)>()
    }
}

/// Copies the bytes of a part to a page.
fn copied(len: usize, copy: impl FnOnce(&mut [u8])) -> impl FnOnce(&Page) -> bool {
    move |page| {
        let mut bytes = [0; PART];
        copy(&mut bytes[..len]);
        page.copy_from_bytes(&bytes);
        true
    }
}

fn copy_descriptors(directory: &Directory, first: u32, out: &mut [u8]) {
    for (out, i) in out.as_chunks_mut().0.iter_mut().zip(first..) {
        directory.descriptor(i).copy_to(out);
    }
}

fn copy_chunk(memory: &Memory, chunk: u32, from: usize, out: &mut [u8]) {
    let words = memory.words(chunk).get(from / 8..).unwrap_or(&[]);
    for (out, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
        *out = word.load(Ordering::Relaxed).to_ne_bytes();
    }
}

/// Number of segments as an image's head has it.
pub(super) fn head_count(own: &[u8]) -> Option<Count> {
    let (count, rest) = own.split_first_chunk()?;
    let count = u32::from_le_bytes(*count);
    let is_one = (1..=super::directory::MAX_SEGMENTS).contains(&count) && rest.iter().all(|&byte| byte == 0);
    is_one.then_some(Count(count))
}
