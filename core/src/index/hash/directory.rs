//! Which segment a fingerprint belongs to: linear hashing (Litwin 1980), and the segments' descriptors by number.
//!
//! With `s` segments and `2^d <= s < 2^(d+1)`, a fingerprint's low `d + 1` bits are its segment's number; if there is
//! no such segment yet, its low `d` bits are. Segments split in the order of their numbers, `s - 2^d` being next, and
//! merge in the reverse order. So the directory has no table of its own and its depth is bounded by the number of
//! keys, however their fingerprints are distributed.
//!
//! Invariants:
//! 1. There is at least one segment.
//! 2. All fingerprints in segment `i` have the low [`Directory::depth`]`(i)` bits of `i`.

use super::paged::Paged;
use super::segment::Segment;

/// Most segments. At some 64 keys each it isn't reached in any memory.
const MAX_SEGMENTS: usize = 1 << 27;

/// The segments' descriptors.
#[derive(Debug)]
pub(super) struct Directory {
    segments: Paged<Segment>,
}

impl Directory {
    /// One empty segment.
    pub(super) fn new() -> Directory {
        let mut segments = Paged::new();
        segments.push(Segment::EMPTY);
        Directory { segments }
    }

    pub(super) fn len(&self) -> u32 {
        self.segments.len() as u32
    }

    /// The number of the segment that a fingerprint belongs to.
    #[inline]
    pub(super) fn address(&self, fingerprint: u128) -> u32 {
        let len = self.len();
        let whole = fingerprint as u32 & low_bits(len.ilog2() + 1);
        if whole < len { whole } else { fingerprint as u32 & low_bits(len.ilog2()) }
    }

    /// How many low bits the fingerprints in segment `i` share.
    #[inline]
    pub(super) fn depth(&self, i: u32) -> u32 {
        let d = self.len().ilog2();
        let split = self.len() - (1 << d);
        if i < split || i >> d != 0 { d + 1 } else { d }
    }

    #[inline]
    pub(super) fn get(&self, i: u32) -> &Segment {
        self.segments.get(i)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, i: u32) -> &mut Segment {
        self.segments.get_mut(i)
    }

    /// The segment that splits next; the new one gets the number `len`.
    pub(super) fn next_split(&self) -> Option<u32> {
        let len = self.len();
        (self.segments.len() < MAX_SEGMENTS).then(|| len - (1 << len.ilog2()))
    }

    /// The segment into which the last one merges.
    pub(super) fn next_merge(&self) -> Option<u32> {
        let last = self.len().checked_sub(1).filter(|&last| last > 0)?;
        Some(last - (1 << last.ilog2()))
    }

    /// Appends an empty segment. The caller has emptied the one that splits, and deals the entries out anew.
    pub(super) fn split(&mut self) {
        self.segments.push(Segment::EMPTY);
    }

    /// Removes the last segment. The caller has emptied it and its partner.
    pub(super) fn merge(&mut self) {
        debug_assert!(self.len() > 1, "the last segment stays");
        self.segments.pop();
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.segments.memory()
    }
}

/// A mask of the low `n` bits.
#[inline]
fn low_bits(n: u32) -> u32 {
    (1u32 << n) - 1
}
