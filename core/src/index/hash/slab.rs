//! Storage of segments: blocks of whole units, named by number, densely packed by size.
//!
//! A block of `u` units is one of many in a chunk of about [`CHUNK_UNITS`] (32 KiB). All chunks of a size form a stack, of which
//! only the last chunk has free blocks: freeing one moves the last block of that size into the hole. So nothing
//! is ever lost to fragments, whatever sizes come and go. The first four bytes of a block name its owner, which the
//! slab writes and the caller is told of when the block moves; the other bytes are the caller's.
//!
//! [`Memory`] is what readers and the writer share, [`Slab`] what the writer knows of it.
//!
//! Invariants:
//! 1. In a size's stack, all chunks but the last are full of used blocks; the last has at least one.
//! 2. A chunk's number stays while it lives; numbers of freed chunks are in `free` and are given out again.
//! 3. A new chunk holds at most a tenth of the blocks that its size has already, so that the slack is bounded at
//!    any size of the table.
//! 4. A chunk's memory is published once, while others read. It is given back, and the table of chunks made larger or
//!    smaller, only with the memory held exclusively. Till then a chunk that fell empty is idle, and is used again
//!    before its size gets another.
//! 5. Chunks of full size lie on huge pages, but for about as many as one page has and those of small tables
//!    (`util/pieces.rs`). With the memory held exclusively, chunks move there and back; their numbers stay.

use super::saved::Saved;
use super::segment::Block;
use super::snapshot::Snapshot;
use crate::util::page::PageRun;
use crate::util::pieces::{Piece, Pool};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

mod tail;

pub(super) use tail::{Chunks, Span};

/// Unit of block sizes: a cache line. With two, blocks would move half as often, and each key take a byte more.
pub(super) const UNIT: usize = 64;
/// Bytes at the start of a block that hold its owner's number.
pub(super) const OWNER_BYTES: usize = 4;
pub(super) const UNIT_WORDS: usize = UNIT / 8;
const UNIT_BITS: u32 = 9;
/// Most units a chunk.
pub(super) const CHUNK_UNITS: usize = 1 << UNIT_BITS;

/// A block's name: chunk number and, in the low 9 bits, the block's first unit in the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// No block.
    pub(super) const NONE: Place = Place(u32::MAX);

    fn new(chunk: u32, unit: u32) -> Place {
        Place((chunk << UNIT_BITS) | unit)
    }

    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    #[inline]
    pub(super) fn from_bits(bits: u32) -> Place {
        Place(bits)
    }

    #[inline]
    pub(super) fn chunk(self) -> u32 {
        self.0 >> UNIT_BITS
    }

    #[inline]
    pub(super) fn unit(self) -> usize {
        self.0 as usize % CHUNK_UNITS
    }
}

pub(super) type Words = Piece<AtomicU64>;

/// The memory of chunks, by number.
#[derive(Debug, Default)]
pub(super) struct Memory {
    chunks: Vec<OnceLock<Words>>,
    /// The image under way. Comes and goes with the memory held exclusively.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// Chunks that are not there may come from here.
    pub(super) saved: Option<Arc<Saved>>,
}

impl Memory {
    /// The words from a block's beginning on, those of the blocks behind it included; none of a place that is nowhere.
    #[inline]
    pub(super) fn block_on(&self, place: Place) -> Block<'_> {
        let words = match self.chunks.get(place.chunk() as usize).and_then(OnceLock::get) {
            Some(words) => words,
            None => self.absent(place.chunk()),
        };
        Block(words.get(place.unit() * UNIT_WORDS..).unwrap_or(&[]))
    }

    /// A chunk that is not there: it is fetched, if it was saved.
    #[cold]
    fn absent(&self, number: u32) -> &[AtomicU64] {
        let (Some(saved), Some(slot)) = (&self.saved, self.chunks.get(number as usize)) else { return &[] };
        if let Some(words) = saved.words(number) {
            // Another reader may have been faster.
            let _ = slot.set(words);
        }
        slot.get().map_or(&[], |words| &words[..])
    }

    /// The chunks that were saved, to be fetched when they are asked for.
    pub(super) fn resume(saved: Arc<Saved>) -> Memory {
        let mut chunks = Vec::new();
        chunks.resize_with(saved.numbers(), OnceLock::new);
        Memory { chunks, snapshot: None, saved: Some(saved) }
    }

    /// All words of a chunk, fetched if need be; none if there is no such chunk.
    pub(super) fn words(&self, number: u32) -> &[AtomicU64] {
        match self.chunks.get(number as usize).and_then(OnceLock::get) {
            Some(words) => words,
            None => self.absent(number),
        }
    }

    /// Told before these bytes of a block are changed.
    #[inline]
    pub(super) fn before_change(&self, place: Place, bytes: Range<usize>) {
        let at = place.unit() * UNIT;
        let bytes = at + bytes.start..at + bytes.end;
        if let Some(snapshot) = &self.snapshot {
            snapshot.keep(self, place.chunk(), bytes.clone());
        }
        if let Some(saved) = &self.saved {
            saved.touch(place.chunk(), bytes);
        }
    }

    /// Takes a chunk's memory away. REQUIRES: no block of it is used.
    fn take(&mut self, number: u32) -> Option<Words> {
        if let Some(snapshot) = &self.snapshot {
            snapshot.keep(self, number, 0..CHUNK_UNITS * UNIT);
        }
        if let Some(saved) = &self.saved {
            saved.forget(number);
        }
        self.chunks.get_mut(number as usize)?.take()
    }

    /// The saved pages that chunks lie in.
    pub(super) fn lent(&self) -> impl Iterator<Item = &PageRun> {
        self.chunks.iter().filter_map(|chunk| chunk.get()?.lent())
    }

    /// The words of a block of so many units.
    pub(super) fn block(&self, place: Place, units: usize) -> Block<'_> {
        let Block(words) = self.block_on(place);
        Block(words.get(..units * UNIT_WORDS).unwrap_or(words))
    }
}

/// What the writer knows of a chunk.
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    /// Of a block.
    units: u32,
    /// Blocks; 0 if the memory was given back.
    slots: u32,
}

impl Chunk {
    /// Of its memory. A chunk that is as long as can be is a full piece, in which less than a block is left over.
    fn words(self) -> usize {
        let (units, slots) = (self.units as usize, self.slots as usize);
        (if slots > 0 && slots == CHUNK_UNITS / units { CHUNK_UNITS } else { units * slots }) * UNIT_WORDS
    }

    fn bytes(self) -> usize {
        self.words() * 8
    }
}

/// The chunks of one block size.
#[derive(Debug, Default)]
struct Class {
    chunks: Vec<u32>,
    /// Chunks without used blocks.
    idle: Vec<u32>,
    /// Blocks used in the last chunk.
    used: u32,
    /// Blocks used in all.
    blocks: u32,
}

/// Which blocks are used.
#[derive(Debug)]
pub(super) struct Slab {
    pool: Pool<AtomicU64>,
    chunks: Vec<Chunk>,
    free: Vec<u32>,
    /// By units - 1.
    classes: Vec<Class>,
    /// Bytes of all chunks.
    bytes: usize,
    /// Bytes of the idle ones.
    idle: usize,
}

impl Default for Slab {
    fn default() -> Slab {
        let (chunks, free, classes) = (Vec::new(), Vec::new(), Vec::new());
        Slab { pool: Pool::of_movable(CHUNK_UNITS * UNIT_WORDS), chunks, free, classes, bytes: 0, idle: 0 }
    }
}

impl Slab {
    /// Whether `blocks` more can be had beside readers; else [`Slab::grow_table`] first.
    #[inline]
    pub(super) fn is_ready(&self, memory: &Memory, blocks: usize) -> bool {
        self.free.len() + memory.chunks.len() - self.chunks.len() >= blocks
    }

    /// Makes the table of chunks longer.
    pub(super) fn grow_table(&mut self, memory: &mut Memory) {
        let more =
            (memory.chunks.len() / 8).max(8).min((Place::NONE.chunk() as usize).saturating_sub(memory.chunks.len()));
        memory.chunks.reserve_exact(more);
        memory.chunks.resize_with(memory.chunks.len() + more, OnceLock::new);
        self.chunks.reserve_exact(memory.chunks.len() - self.chunks.len());
    }

    /// A block of `units` (from 1), its content undefined but for the owner. `None` when all numbers are taken
    /// (some 256 GiB), or the table isn't ready.
    pub(super) fn alloc(&mut self, memory: &Memory, units: usize, owner: u32) -> Option<Place> {
        if self.classes.len() < units {
            self.classes.reserve_exact(units - self.classes.len());
            self.classes.resize_with(units, Class::default);
        }
        let class = &mut self.classes[units - 1];
        if class.chunks.last().is_none_or(|&last| class.used == self.chunks[last as usize].slots) {
            let number = match class.idle.pop() {
                Some(number) => {
                    self.idle -= self.chunks[number as usize].bytes();
                    number
                }
                None => {
                    let slots = (class.blocks as usize / 10).clamp(1, CHUNK_UNITS / units);
                    let number = match self.free.pop() {
                        Some(number) => number,
                        None if self.chunks.len() < memory.chunks.len() => {
                            self.chunks.push(Chunk::default());
                            self.chunks.len() as u32 - 1
                        }
                        None => return None,
                    };
                    let chunk = Chunk { units: units as u32, slots: slots as u32 };
                    let words = chunk.words();
                    let fresh = || self.pool.take(words, || AtomicU64::new(0));
                    memory.chunks.get(number as usize)?.get_or_init(fresh);
                    self.chunks[number as usize] = chunk;
                    self.bytes += chunk.bytes();
                    number
                }
            };
            class.chunks.push(number);
            class.used = 0;
        }
        let place = Place::new(*class.chunks.last()?, class.used * units as u32);
        class.used += 1;
        class.blocks += 1;
        memory.before_change(place, 0..units * UNIT);
        memory.block(place, units).set_owner(owner);
        Some(place)
    }

    /// Frees a block. The last block of that size moves into its place: returns the owner of the moved one, if any,
    /// which the caller has to tell before it asks for another block.
    pub(super) fn free(&mut self, memory: &Memory, place: Place) -> Option<(u32, Place)> {
        let units = self.chunks.get(place.chunk() as usize)?.units;
        let class = self.classes.get_mut((units as usize).checked_sub(1)?)?;
        let &last_chunk = class.chunks.last()?;
        class.used -= 1;
        class.blocks -= 1;
        let last = Place::new(last_chunk, class.used * units);
        let mut moved = None;
        if last != place {
            memory.before_change(place, 0..units as usize * UNIT);
            let (from, to) = (memory.block(last, units as usize), memory.block(place, units as usize));
            to.copy_from(from);
            to.set_owner(from.owner());
            moved = Some((from.owner(), place));
        }
        if class.used == 0 {
            class.chunks.pop();
            class.used = class.chunks.last().map_or(0, |&c| self.chunks[c as usize].slots);
            class.idle.push(last_chunk);
            self.idle += self.chunks[last_chunk as usize].bytes();
        }
        moved
    }

    /// Bytes of all chunks.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that [`Slab::give_back`] would free, and bytes in use.
    #[inline]
    pub(super) fn idle(&self) -> (usize, usize) {
        (self.idle, self.bytes - self.idle)
    }

    /// Frees the memory of idle chunks.
    pub(super) fn give_back(&mut self, memory: &mut Memory) {
        for class in &mut self.classes {
            for number in class.idle.drain(..) {
                if let Some(words) = memory.take(number) {
                    self.pool.give(words);
                }
                self.bytes -= self.chunks[number as usize].bytes();
                self.chunks[number as usize] = Chunk::default();
                self.free.push(number);
            }
            if class.idle.capacity() > 16 {
                class.idle.shrink_to(4);
            }
            if class.chunks.capacity() > 4 * (class.chunks.len() + 1) {
                class.chunks.shrink_to(2 * class.chunks.len());
            }
        }
        self.idle = 0;
        if self.bytes == 0 {
            (*self, memory.chunks) = (Slab::default(), Vec::new());
        }
    }

    /// Whether [`Slab::settle`] would move chunks.
    #[inline]
    pub(super) fn is_unsettled(&self) -> bool {
        self.pool.is_unsettled()
    }

    /// Moves chunks onto huge pages or off them, as many as there are of them demand. Their numbers stay.
    pub(super) fn settle(&mut self, memory: &mut Memory) {
        self.pool.settle(&mut memory.chunks, |word| AtomicU64::new(word.load(Ordering::Relaxed)));
    }

    /// Bytes allocated, the chunks' included but for those that lie in saved pages.
    pub(super) fn memory(&self, memory: &Memory) -> usize {
        let stacks: usize = self.classes.iter().map(|c| c.chunks.capacity() + c.idle.capacity()).sum();
        let numbers = (stacks + self.free.capacity()) * size_of::<u32>();
        let tables = self.chunks.capacity() * size_of::<Chunk>()
            + memory.chunks.capacity() * size_of::<OnceLock<Words>>()
            + self.classes.capacity() * size_of::<Class>();
        self.pool.memory() + numbers + tables
    }

    /// Verifies the invariants; returns the number of blocks used.
    #[cfg(test)]
    pub(super) fn check(&self, memory: &Memory) -> usize {
        let (mut blocks, mut bytes, mut idle, mut live) = (0, 0, 0, 0);
        for (i, class) in self.classes.iter().enumerate() {
            let mut room = 0;
            for &number in class.chunks.iter().chain(&class.idle) {
                let chunk = self.chunks[number as usize];
                assert_eq!(chunk.units as usize, i + 1);
                assert_eq!(memory.chunks[number as usize].get().map_or(0, |words| words.len() * 8), chunk.bytes());
                bytes += chunk.bytes();
                live += 1;
            }
            room += class.chunks.iter().map(|&c| self.chunks[c as usize].slots).sum::<u32>();
            idle += class.idle.iter().map(|&c| self.chunks[c as usize].bytes()).sum::<usize>();
            let last = class.chunks.last().map_or(0, |&c| self.chunks[c as usize].slots);
            assert!(class.used <= last && (class.used > 0 || last == 0));
            assert_eq!(class.blocks, room - last + class.used);
            blocks += class.blocks as usize;
        }
        assert_eq!((bytes, idle), (self.bytes, self.idle));
        assert_eq!(live + self.free.len(), self.chunks.len());
        blocks
    }
}
