//! Memory addressed by number: chunks of slots, each of one class.
//!
//! A number is that of a slot's first word, counted over all chunks: the chunk's number times [`CHUNK_WORDS`] and
//! the word in it. Words are all of one size, since accesses of different sizes must not race. Readers see a
//! [`Store`]; which of its slots are free is the writer's, in [`Slots`](super::slots::Slots).
//!
//! Invariants:
//! 1. A slot never moves, and a chunk comes and goes only while no reader is inside.
//! 2. Chunk 0 has no slots: number 0 names nothing.
//! 3. The mark of a leaf's slot is set while the leaf is in the tree.
//!
//! Locking: whoever changes the set of chunks has the store to itself; words are shared.

use super::class::{Class, Kind};
use crate::util::pieces::{Piece, Pool};
use crate::util::prefetch::prefetch;
use std::sync::atomic::{AtomicU64, Ordering};

/// The one size in which memory is read and written. A trait, so that a model checker's atomics can take its place.
pub(super) trait Word: Send + Sync + 'static {
    /// Words of a class's first chunk, at least.
    const FIRST_CHUNK: usize;

    fn new(value: u64) -> Self;
    /// Sees all that was written before what it reads was [published](Word::publish).
    fn load(&self) -> u64;
    /// For bytes that never change while they can be reached, and for the writer, who wrote them.
    fn load_relaxed(&self) -> u64;
    fn publish(&self, value: u64);
    /// For words that no reader can reach yet.
    fn store_relaxed(&self, value: u64);
}

impl Word for AtomicU64 {
    const FIRST_CHUNK: usize = 512;

    fn new(value: u64) -> AtomicU64 {
        AtomicU64::new(value)
    }
    #[inline]
    fn load(&self) -> u64 {
        self.load(Ordering::Acquire)
    }
    #[inline]
    fn load_relaxed(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }
    #[inline]
    fn publish(&self, value: u64) {
        self.store(value, Ordering::Release);
    }
    #[inline]
    fn store_relaxed(&self, value: u64) {
        self.store(value, Ordering::Relaxed);
    }
}

/// Most words of a chunk: 256 KiB.
pub(super) const CHUNK_WORDS: usize = 1 << 15;
/// All chunks' numbers are below this: 32 GiB.
pub(super) const CHUNKS: u32 = 1 << (32 - CHUNK_WORDS.trailing_zeros());
/// Number of nothing.
pub(super) const NONE: u32 = 0;

/// Lines of it.
const CHUNK_LINES: usize = CHUNK_WORDS / 8;
/// A chunk that lacks fewer lines than this gets them too, for the sake of huge pages: one of 64 at most.
const FEW_LINES: usize = CHUNK_LINES / 64;

/// A cache line.
#[repr(align(64))]
struct Line<W>([W; 8]);

impl<W: Word> Line<W> {
    fn new() -> Line<W> {
        Line(std::array::from_fn(|_| W::new(0)))
    }
}

/// Slots with consecutive numbers.
struct Chunk<W> {
    lines: Piece<Line<W>>,
    kind: Kind,
    /// Words of a slot.
    words: u16,
}

/// One mark for each slot of a chunk of leaves.
struct Marks<W> {
    slots: u32,
    bits: Box<[W]>,
}

/// All chunks.
pub(super) struct Store<W> {
    chunks: Vec<Chunk<W>>,
    /// By chunk, beside them: lookups need no marks. Empty for chunks that don't hold leaves.
    marks: Vec<Marks<W>>,
    /// At least the slots of any chunk of leaves.
    most_leaves: u32,
    pool: Pool<Line<W>>,
    /// Bytes of marks.
    bytes: u64,
}

/// A slot.
pub(super) struct At<'a, W> {
    lines: &'a [Line<W>],
    start: usize,
    pub(super) kind: Kind,
    /// Words of the slot.
    pub(super) words: usize,
}

impl<'a, W: Word> At<'a, W> {
    /// Its `i`th word.
    #[inline]
    pub(super) fn word(&self, i: usize) -> &'a W {
        let i = self.start + i;
        &self.lines[i / 8].0[i % 8]
    }
}

impl<W: Word> Store<W> {
    pub(super) fn new() -> Store<W> {
        let pool = Pool::new(CHUNK_LINES);
        let mut store = Store { chunks: Vec::new(), marks: Vec::new(), most_leaves: 0, pool, bytes: 0 };
        store.push();
        store
    }

    /// The slot of this number. Of [`NONE`] and numbers of missing chunks: of kind [`Kind::Absent`], or nothing.
    #[inline]
    pub(super) fn at(&self, no: u32) -> Option<At<'_, W>> {
        let chunk = self.chunks.get(no as usize / CHUNK_WORDS)?;
        let start = no as usize % CHUNK_WORDS;
        Some(At { lines: &chunk.lines, start, kind: chunk.kind, words: chunk.words.into() })
    }

    /// The slot of a number that names one.
    #[inline]
    pub(super) fn slot(&self, no: u32) -> At<'_, W> {
        let chunk = &self.chunks[no as usize / CHUNK_WORDS];
        let start = no as usize % CHUNK_WORDS;
        At { lines: &chunk.lines, start, kind: chunk.kind, words: chunk.words.into() }
    }

    /// Asks for the lines of a slot: those that a step down reads, or all that a scan does.
    #[inline]
    pub(super) fn prefetch(&self, no: u32) {
        /// Lines of the longest node but that of 256, which is read one line after the other.
        const MOST: usize = 5;
        let Some(at) = self.at(no) else { return };
        let (first, last) = (at.start / 8, (at.start + at.words - 1) / 8);
        let lines = at.lines.get(first..=last).unwrap_or_default();
        let lines = if at.kind == Kind::Node256 { &lines[..0] } else { &lines[..lines.len().min(MOST)] };
        lines.iter().for_each(prefetch);
    }

    /// Adds a chunk of so many slots as number `chunk`, which is that of a missing one or the next.
    pub(super) fn add(&mut self, chunk: u32, class: Class, slots: u32) {
        if chunk as usize == self.chunks.len() {
            self.push();
        }
        let lines = (slots as usize * class.words()).div_ceil(8);
        let lines = if CHUNK_LINES - lines < FEW_LINES { CHUNK_LINES } else { lines };
        let lines = self.pool.take(lines, Line::new);
        let (kind, words) = (class.kind(), class.words() as u16);
        self.chunks[chunk as usize] = Chunk { lines, kind, words };
        if kind == Kind::Leaf {
            let bits = (0..slots.div_ceil(64)).map(|_| W::new(0)).collect();
            self.marks[chunk as usize] = Marks { slots, bits };
            self.most_leaves = self.most_leaves.max(slots);
        }
        self.bytes += self.mark_bytes(chunk);
    }

    /// Gives a chunk's memory back.
    pub(super) fn remove(&mut self, chunk: u32) {
        self.bytes -= self.mark_bytes(chunk);
        let slots = self.marks[chunk as usize].slots;
        let (chunk, marks) = (&mut self.chunks[chunk as usize], &mut self.marks[chunk as usize]);
        self.pool.give(std::mem::take(&mut chunk.lines));
        (*chunk, *marks) = absent();
        if slots == self.most_leaves {
            self.most_leaves = self.marks.iter().map(|m| m.slots).max().unwrap_or(0);
        }
    }

    /// Forgets all chunks.
    pub(super) fn clear(&mut self) {
        *self = Store::new();
    }

    /// Number of chunks, missing ones included.
    pub(super) fn len(&self) -> u32 {
        self.chunks.len() as u32
    }

    /// Sets or clears a leaf's mark.
    pub(super) fn mark(&self, no: u32, live: bool) {
        let chunk = no as usize / CHUNK_WORDS;
        let slot = no as usize % CHUNK_WORDS / usize::from(self.chunks[chunk].words);
        let word = &self.marks[chunk].bits[slot / 64];
        let bit = 1 << (slot % 64);
        word.publish(if live { word.load_relaxed() | bit } else { word.load_relaxed() & !bit });
    }

    /// The `i`th 64 marks of a chunk; nothing behind its end.
    pub(super) fn marks(&self, chunk: u32, i: usize) -> Option<u64> {
        Some(self.marks.get(chunk as usize)?.bits.get(i)?.load())
    }

    /// Number of a slot of a chunk.
    pub(super) fn number(&self, chunk: u32, slot: usize) -> u32 {
        chunk * CHUNK_WORDS as u32 + (slot * usize::from(self.chunks[chunk as usize].words)) as u32
    }

    /// A leaf's number, each that is in the tree with the same chance; `None` if chance didn't meet one.
    pub(super) fn random_leaf(&self, random: &mut dyn FnMut() -> u64) -> Option<u32> {
        let mut below = |n: u32| ((u128::from(random()) * u128::from(n)) >> 64) as u32;
        let (chunk, slot) = (below(self.len()), below(self.most_leaves) as usize);
        let live = self.marks(chunk, slot / 64)? >> (slot % 64) & 1 == 1;
        live.then(|| self.number(chunk, slot))
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> u64 {
        let tables = self.chunks.capacity() * size_of::<Chunk<W>>() + self.marks.capacity() * size_of::<Marks<W>>();
        self.bytes + (self.pool.memory() + tables) as u64
    }

    fn mark_bytes(&self, chunk: u32) -> u64 {
        size_of_val(&*self.marks[chunk as usize].bits) as u64
    }

    fn push(&mut self) {
        let (chunk, marks) = absent();
        self.chunks.push(chunk);
        self.marks.push(marks);
    }
}

fn absent<W>() -> (Chunk<W>, Marks<W>) {
    (Chunk { lines: Piece::default(), kind: Kind::Absent, words: 1 }, Marks { slots: 0, bits: Box::default() })
}
