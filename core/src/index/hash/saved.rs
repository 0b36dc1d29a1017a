//! The table that was saved: its pages, of which descriptors and chunks are made when they are first asked for.
//!
//! Pages come by pieces, each verified once by whoever comes first; others who want of the same piece wait for that, so that nobody still
//! verifies what has been given out and may be changed already. What must be known before is in the tail: where chunks are, and of which
//! blocks they consist. Descriptors are looked at with their page: what one names is a used block of the right size.
//!
//! An image is the descriptors, those behind the last segment that fill its page of [`PAGE`] included if there are several pages, from the
//! next whole unit on the chunks (`slab/tail.rs`), and zeros to the end of the last page of 4 KiB.
//!
//! Locking: a piece's own, while it is fetched.

use super::directory::{Count, Directory, PAGE};
use super::segment::{DESCRIPTOR_BYTES, Descriptor, Shape};
use super::slab::{Chunks, Place, UNIT, Words};
use crate::error::Result;
use crate::index::PIECE_PAGES;
use crate::index::saved::SavedPages;
use crate::util::lock::Mutex;
use crate::util::page::PAGE_SIZE;
use crate::util::pieces::{Lender, Piece, Plain};
use std::ops::Range;

const PIECE_BYTES: usize = PIECE_PAGES * PAGE_SIZE;

/// The unit of an image from which on chunks are, under so many segments.
pub(super) fn chunks_start(count: Count) -> u32 {
    (Directory::room_for(count.0) as usize * DESCRIPTOR_BYTES).div_ceil(UNIT) as u32
}

/// See the module.
#[derive(Debug)]
pub(super) struct Saved {
    pages: SavedPages,
    pieces: Vec<Mutex<Option<Lender>>>,
    count: Count,
    chunks: Chunks,
}

impl Saved {
    pub(super) fn new(pages: SavedPages, count: Count, chunks: Chunks) -> Saved {
        let mut pieces = Vec::new();
        pieces.resize_with((pages.end() as usize).div_ceil(PIECE_PAGES), || Mutex::new(None));
        Saved { pages, pieces, count, chunks }
    }

    /// Number of segments.
    pub(super) fn count(&self) -> Count {
        self.count
    }

    /// Number of pages.
    pub(super) fn end(&self) -> u32 {
        self.pages.end()
    }

    /// Numbers of chunks, those without one included.
    pub(super) fn numbers(&self) -> usize {
        self.chunks.numbers()
    }

    /// The chunks that there were.
    pub(super) fn chunks(&self) -> &Chunks {
        &self.chunks
    }

    /// An error if anything was found damaged.
    pub(super) fn check(&self) -> Result<()> {
        self.pages.check()
    }

    /// Notes damage.
    pub(super) fn fail<T>(&self, what: &str) -> Option<T> {
        self.pages.fail(what)
    }

    /// A page of descriptors, if it is what it must be.
    pub(super) fn descriptors(&self, page: usize) -> Option<Piece<Descriptor>> {
        let first = page * PAGE;
        let len = PAGE.min((Directory::room_for(self.count.0) as usize).checked_sub(first)?);
        let descriptors = self.lend::<Descriptor>(first * DESCRIPTOR_BYTES, len)?;
        let bad = descriptors.iter().zip(first as u32..).find(|(descriptor, i)| !self.is_sound(descriptor, *i));
        match bad {
            None => Some(descriptors),
            Some((_, i)) => self.fail(&format!("segment {i} is none")),
        }
    }

    fn is_sound(&self, descriptor: &Descriptor, i: u32) -> bool {
        let segment = descriptor.get();
        let len = segment.len();
        if !descriptor.is_at_rest() || (i >= self.count.0 && len > 0) {
            return false;
        }
        if len == 0 {
            return segment.place == Place::NONE;
        }
        let shape = Shape::new(self.count.depth(i));
        len <= shape.most() && self.chunks.has_block(segment.place, shape.units(len))
    }

    /// A chunk.
    pub(super) fn words(&self, number: u32) -> Option<Words> {
        let span = self.chunks.span(number)?;
        self.lend(span.at as usize * UNIT, span.units as usize * (UNIT / 8))
    }

    /// Something that lies in one piece; nothing once all is trusted, for then it was lent before.
    fn lend<T: Plain>(&self, at: usize, len: usize) -> Option<Piece<T>> {
        let piece = at / PIECE_BYTES;
        let mut lender = self.pieces.get(piece)?.lock();
        if self.pages.is_trusted() {
            return None;
        }
        if lender.is_none() {
            *lender = self.pages.fetch(piece).map(Lender::new);
        }
        lender.as_ref()?.piece(at % PIECE_BYTES, len)
    }

    /// All is there, and was looked at. An error if something was found damaged before.
    pub(super) fn trust(&self) -> Result<()> {
        self.pages.trust()?;
        // From here on descriptors and chunks alone hold their pages.
        self.pieces.iter().for_each(|piece| *piece.lock() = None);
        Ok(())
    }

    /// Counts what is about to be changed of a chunk.
    #[inline]
    pub(super) fn touch(&self, number: u32, bytes: Range<usize>) {
        if let Some(span) = self.chunks.span(number) {
            self.touch_bytes(span.at as usize * UNIT + bytes.start..span.at as usize * UNIT + bytes.end);
        }
    }

    /// The same for a descriptor.
    #[inline]
    pub(super) fn touch_descriptor(&self, i: u32) {
        if i < Directory::room_for(self.count.0) {
            let at = i as usize * DESCRIPTOR_BYTES;
            self.touch_bytes(at..at + 1);
        }
    }

    fn touch_bytes(&self, bytes: Range<usize>) {
        for page in bytes.start / PAGE_SIZE..bytes.end.div_ceil(PAGE_SIZE) {
            self.pages.touch(page as u32);
        }
    }

    /// A chunk's memory was taken away.
    pub(super) fn forget(&self, number: u32) {
        self.chunks.forget(number);
    }

    /// Bytes of pages that were changed since they were mapped.
    pub(super) fn private_bytes(&self) -> usize {
        self.pages.private_pages() as usize * PAGE_SIZE
    }

    /// Bytes allocated besides pages.
    pub(super) fn memory(&self) -> usize {
        self.pages.memory() as usize
            + self.chunks.memory()
            + self.pieces.capacity() * size_of::<Mutex<Option<Lender>>>()
    }
}
