//! The memory of the nodes: words of 64 bits, addressed by number.
//!
//! Owns the words and the bits that say where a live node is; knows nothing of what is in a node, nor which words are
//! free (that is `alloc`'s). Numbers, not pointers, lead from node to node, so that the words mean the same wherever they lie.
//!
//! Invariants:
//! 1. Word `n` is word `n % CHUNK_WORDS` of chunk `n / CHUNK_WORDS`. A number without memory reads as zero.
//! 2. All words are read and written as whole atomics of one size: no reader can see a part of one.
//! 3. A chunk's `count` is the number of its `live` bits.
//!
//! Locking: words are written by the one writer beside readers; the table of chunks changes under `&mut` only.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of a full chunk. Only the first may have fewer: it doubles until it is full.
pub(super) const CHUNK_WORDS: u32 = 1 << 16;

/// An atomic word. A trait, so that the protocol can be model-checked with another memory than the machine's.
pub(super) trait Word: Sized {
    fn new(value: u64) -> Self;
    /// Acquire: sees all that was written before the `set` of the value it gives.
    fn get(&self) -> u64;
    /// Release.
    fn set(&self, value: u64);
    /// Without order, for what is reached through a word that was got with order, and for the writer's own.
    fn peek(&self) -> u64;
    /// Without order, for what no reader can reach yet.
    fn put(&self, value: u64);
}

impl Word for AtomicU64 {
    fn new(value: u64) -> AtomicU64 {
        AtomicU64::new(value)
    }

    #[inline]
    fn get(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn set(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    #[inline]
    fn peek(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }

    #[inline]
    fn put(&self, value: u64) {
        self.store(value, Ordering::Relaxed);
    }
}

/// A run of words with consecutive numbers.
pub(super) struct Chunk<W> {
    words: Box<[W]>,
    /// A bit a word: a live node is here.
    live: Box<[W]>,
    count: W,
}

impl<W: Word> Chunk<W> {
    /// Words of zero.
    pub(super) fn new(words: u32) -> Chunk<W> {
        let zeros = |n: u32| (0..n).map(|_| W::new(0)).collect();
        Chunk { words: zeros(words), live: zeros(words.div_ceil(64)), count: W::new(0) }
    }

    fn copy_from(&self, other: &Chunk<W>) {
        let copy = |to: &[W], from: &[W]| to.iter().zip(from).for_each(|(to, from)| to.put(from.peek()));
        copy(&self.words, &other.words);
        copy(&self.live, &other.live);
        self.count.put(other.count.peek());
    }
}

/// Words by number.
pub(super) struct Arena<W> {
    chunks: Vec<Chunk<W>>,
    /// What numbers without memory read as.
    zero: W,
}

impl<W: Word> Arena<W> {
    pub(super) fn new() -> Arena<W> {
        Arena { chunks: Vec::new(), zero: W::new(0) }
    }

    /// The word of this number.
    #[inline]
    pub(super) fn word(&self, no: u32) -> &W {
        self.chunks.get((no / CHUNK_WORDS) as usize).and_then(|c| c.words.get(offset(no))).unwrap_or(&self.zero)
    }

    /// The words from this number to the end of its chunk.
    #[inline]
    pub(super) fn words_from(&self, no: u32) -> &[W] {
        self.chunks.get((no / CHUNK_WORDS) as usize).and_then(|c| c.words.get(offset(no)..)).unwrap_or(&[])
    }

    /// Says whether a live node is at this number. Writer only; returns the live nodes of the chunk.
    pub(super) fn mark(&self, no: u32, live: bool) -> u64 {
        let Some(chunk) = self.chunks.get((no / CHUNK_WORDS) as usize) else { return 0 };
        let Some(bits) = chunk.live.get(offset(no) / 64) else { return 0 };
        let bit = 1 << (no % 64);
        let (old, count) = (bits.peek(), chunk.count.peek());
        debug_assert_eq!(old & bit == 0, live, "node {no} marked twice");
        // Who finds the bit finds the node written.
        bits.set(if live { old | bit } else { old & !bit });
        let count = if live { count + 1 } else { count - 1 };
        chunk.count.put(count);
        count
    }

    /// The first live node at `from` or behind.
    pub(super) fn next_live(&self, from: u32) -> Option<u32> {
        let (mut index, mut from) = ((from / CHUNK_WORDS) as usize, offset(from));
        while let Some(chunk) = self.chunks.get(index) {
            let mut mask = u64::MAX << (from % 64);
            for (i, bits) in chunk.live.iter().enumerate().skip(from / 64) {
                let bits = bits.peek() & mask;
                if bits != 0 {
                    return Some(index as u32 * CHUNK_WORDS + i as u32 * 64 + bits.trailing_zeros());
                }
                mask = u64::MAX;
            }
            (index, from) = (index + 1, 0);
        }
        None
    }

    /// Live node number `nth` of a chunk; none if it has fewer.
    pub(super) fn nth_live(&self, index: u32, mut nth: u32) -> Option<u32> {
        for (i, bits) in self.chunks.get(index as usize)?.live.iter().enumerate() {
            let mut bits = bits.get();
            if nth < bits.count_ones() {
                (0..nth).for_each(|_| bits &= bits - 1);
                return Some(index * CHUNK_WORDS + i as u32 * 64 + bits.trailing_zeros());
            }
            nth -= bits.count_ones();
        }
        None
    }

    /// Number of chunks, those without memory included.
    pub(super) fn chunks(&self) -> u32 {
        self.chunks.len() as u32
    }

    /// Puts a chunk in its place. What was there is copied to it and returned.
    pub(super) fn install(&mut self, index: u32, chunk: Chunk<W>) -> Option<Chunk<W>> {
        let Some(place) = self.chunks.get_mut(index as usize) else {
            self.chunks.push(chunk);
            return None;
        };
        chunk.copy_from(place);
        Some(std::mem::replace(place, chunk))
    }

    /// Takes a chunk's memory away.
    pub(super) fn remove(&mut self, index: u32) -> Option<Chunk<W>> {
        self.chunks.get_mut(index as usize).map(|place| std::mem::replace(place, Chunk::new(0)))
    }

    /// Live nodes of the chunk that has the most.
    pub(super) fn most_live(&self) -> u64 {
        self.chunks.iter().map(|c| c.count.peek()).max().unwrap_or(0)
    }

    pub(super) fn into_chunks(self) -> Vec<Chunk<W>> {
        self.chunks
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        let words: usize = self.chunks.iter().map(|c| c.words.len() + c.live.len()).sum();
        words * size_of::<W>() + self.chunks.capacity() * size_of::<Chunk<W>>()
    }
}

#[inline]
fn offset(no: u32) -> usize {
    (no % CHUNK_WORDS) as usize
}
