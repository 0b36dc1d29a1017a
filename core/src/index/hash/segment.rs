//! One segment: its descriptor, and the layout of entries in its block.
//!
//! A segment's entries are packed without gaps, in 8 groups. The descriptor counts each group, so that a group's
//! bytes are found by adding up at most 7 counts, and are the only ones searched. In a segment of depth `d` the group
//! is bits `d .. d + 3` of the fingerprint, the segment's number bits `0 .. d`: `d + 3` bits are implied by position, and
//! of these whole bytes are left out of the entry (quotienting: Knuth, TAOCP 3, exercise 6.4-13; Cleary 1984).
//!
//! Entry: the fingerprint's bytes from [`Shape::implied`] on, then the location's 8 bytes, both little-endian.
//! Block: owner's number (4 bytes, see `slab`), entries of group 0, 1, ... 7, unused bytes to the end of the unit.
//! The order of entries in a group means nothing: so an entry comes and goes by moving one entry of each later group from
//! one end of the group to the other.
//!
//! A block is read and changed by atomic words of 64 bits, in which entries begin at any byte. A descriptor carries the version
//! (`index/optimistic.rs`) of itself and of its block.

use super::slab::{OWNER_BYTES, Place, UNIT};
use crate::index::optimistic::{self, Seen};
use crate::util::prefetch::{LINE, prefetch};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Groups a segment, and the bits that select one.
pub(super) const GROUPS: usize = 8;
const GROUP_BITS: u32 = 3;
/// Most units a block. At twice the mean fill a segment is ten standard deviations away from it.
pub(super) const MAX_UNITS: usize = 56;
const FINGERPRINT_BYTES: usize = 16;
const LOCATION_BYTES: usize = 8;
/// Most bytes left out of an entry: those that all shapes up to 2^28 segments imply.
const MAX_IMPLIED: usize = 4;
/// Most entries that any segment can have.
pub(super) const MOST: usize = (MAX_UNITS * UNIT - OWNER_BYTES) / (FINGERPRINT_BYTES - MAX_IMPLIED + LOCATION_BYTES);

/// Words in which a group is searched without asking each time whether they are there: one more than a power of two ...
const WINDOW: usize = 65;
/// ... and how many entries surely lie in them.
const WINDOW_ENTRIES: usize = (WINDOW - 2) * 8 / (FINGERPRINT_BYTES + LOCATION_BYTES);
/// Number of no entry.
const NOWHERE: usize = usize::MAX;

/// A fingerprint and the bits of a location.
pub(super) type Entry = (u128, u64);

/// How many entries each group of a segment has, and where they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// One byte a group.
    counts: u64,
    /// [`Place::NONE`] if there are no entries.
    pub(super) place: Place,
}

impl Segment {
    pub(super) const EMPTY: Segment = Segment { counts: 0, place: Place::NONE };

    /// Number of entries.
    #[inline]
    pub(super) fn len(self) -> usize {
        sum(self.counts)
    }

    /// Entries of a group.
    #[inline]
    pub(super) fn count(self, group: usize) -> usize {
        (self.counts >> (8 * group)) as usize & 0xff
    }

    /// Position of a group's first entry.
    #[inline]
    pub(super) fn start(self, group: usize) -> usize {
        // Two shifts, since one by all 64 bits is not allowed.
        sum((self.counts << 8) << (8 * (GROUPS - 1 - group)))
    }

    /// REQUIRES: the group has fewer than 255 entries.
    pub(super) fn add(&mut self, group: usize) {
        self.counts += 1 << (8 * group);
    }

    /// REQUIRES: the group has entries.
    pub(super) fn subtract(&mut self, group: usize) {
        self.counts -= 1 << (8 * group);
    }
}

/// Bytes of a descriptor.
pub(super) const DESCRIPTOR_BYTES: usize = 16;

/// A segment as readers find it.
#[derive(Debug)]
#[repr(C, align(16))]
pub(super) struct Descriptor {
    counts: AtomicU64,
    place: AtomicU32,
    version: AtomicU32,
}

impl Descriptor {
    /// Of an empty segment.
    pub(super) const fn new() -> Descriptor {
        let (counts, place) = (AtomicU64::new(0), AtomicU32::new(Place::NONE.bits()));
        Descriptor { counts, place, version: AtomicU32::new(0) }
    }

    #[inline]
    pub(super) fn get(&self) -> Segment {
        let (counts, place) = (self.counts.load(Ordering::Relaxed), self.place.load(Ordering::Relaxed));
        Segment { counts, place: Place::from_bits(place) }
    }

    /// REQUIRES: locked, or no readers.
    #[inline]
    pub(super) fn set(&self, segment: Segment) {
        self.counts.store(segment.counts, Ordering::Relaxed);
        self.place.store(segment.place.bits(), Ordering::Relaxed);
    }

    /// Whether nobody is changing it.
    pub(super) fn is_at_rest(&self) -> bool {
        optimistic::enter(&self.version).is_some()
    }

    /// As bytes, in the machine's order.
    pub(super) fn copy_to(&self, out: &mut [u8; DESCRIPTOR_BYTES]) {
        let [a, b, c, d, e, f, g, h] = self.counts.load(Ordering::Relaxed).to_ne_bytes();
        let [i, j, k, l] = self.place.load(Ordering::Relaxed).to_ne_bytes();
        let [m, n, o, p] = self.version.load(Ordering::Relaxed).to_ne_bytes();
        *out = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
    }

    /// Begins a look, see [`optimistic::enter`].
    #[inline]
    pub(super) fn enter(&self) -> Seen {
        optimistic::enter_waiting(&self.version)
    }

    /// Whether what was read of segment and block since [`Descriptor::enter`] belongs together.
    #[inline]
    pub(super) fn valid(&self, seen: Seen) -> bool {
        optimistic::valid(&self.version, seen)
    }

    /// Begins a change; `false` if it has begun already.
    #[inline]
    pub(super) fn lock(&self) -> bool {
        optimistic::lock(&self.version)
    }

    /// Ends a change.
    #[inline]
    pub(super) fn unlock(&self) {
        optimistic::unlock(&self.version);
    }
}

/// Sum of 8 bytes: pairs to 16-bit lanes (at most 510), lanes added up by a multiplication (at most 2,040).
#[inline]
fn sum(bytes: u64) -> usize {
    const LANES: u64 = 0x00ff_00ff_00ff_00ff;
    const ONES: u64 = 0x0001_0001_0001_0001;
    let lanes = (bytes & LANES) + ((bytes >> 8) & LANES);
    (lanes.wrapping_mul(ONES) >> 48) as usize
}

/// The words of a block. Words beyond it read as zero: a reader may hold a count that isn't the block's.
#[derive(Clone, Copy)]
pub(super) struct Block<'a>(pub(super) &'a [AtomicU64]);

/// Bytes of an entry as numbers: what is in its first 8 bytes, in the next 8, and in the rest.
pub(super) type Raw = [u64; 3];

impl Block<'_> {
    #[inline(always)]
    fn word(self, i: usize) -> u64 {
        self.0.get(i).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// The 8 bytes at `at`, as far as they are in the block.
    #[inline(always)]
    fn bytes(self, at: usize) -> u64 {
        let pair = u128::from(self.word(at / 8)) | u128::from(self.word(at / 8 + 1)) << 64;
        (pair >> (at % 8 * 8)) as u64
    }

    /// The words from one on, if there are as many.
    #[inline(always)]
    fn window(&self, first: usize) -> Option<&[AtomicU64; WINDOW]> {
        self.0.get(first..)?.first_chunk()
    }

    /// The entry of `width` bytes (17 to 24) at `at`.
    #[inline]
    fn raw(self, at: usize, width: usize) -> Raw {
        [self.bytes(at), self.bytes(at + 8), self.bytes(at + 16) & low_bytes(width - 16)]
    }

    /// Writes an entry of `width` bytes (17 to 24) at `at`.
    fn set_raw(self, at: usize, width: usize, raw: Raw) {
        let Some(words) = self.0.get(at / 8..) else { return };
        let shift = at % 8 * 8;
        // The entry shifted to where it begins in its first word, and of which bytes it consists.
        let shifted = |parts: Raw| {
            let [a, b, c] = parts.map(|part| u128::from(part) << shift);
            [a as u64, (a >> 64) as u64 | b as u64, (b >> 64) as u64 | c as u64, (c >> 64) as u64]
        };
        let (values, masks) = (shifted(raw), shifted([u64::MAX, u64::MAX, low_bytes(width - 16)]));
        for ((word, value), mask) in words.iter().zip(values).zip(masks) {
            if mask != 0 {
                word.store(word.load(Ordering::Relaxed) & !mask | value, Ordering::Relaxed);
            }
        }
    }

    /// Asks for the lines of these bytes.
    #[inline]
    pub(super) fn prefetch(self, bytes: Range<usize>) {
        for line in bytes.start / LINE..=bytes.end / LINE {
            if let Some(word) = self.0.get(line * LINE / 8) {
                prefetch(word);
            }
        }
    }

    /// The owner's number.
    pub(super) fn owner(self) -> u32 {
        self.word(0) as u32
    }

    pub(super) fn set_owner(self, owner: u32) {
        if let Some(word) = self.0.first() {
            word.store(word.load(Ordering::Relaxed) & !low_bytes(4) | u64::from(owner), Ordering::Relaxed);
        }
    }

    /// Takes over words of another block, all but the owner.
    pub(super) fn copy_from(self, other: Block<'_>) {
        let owner = self.owner();
        for (to, from) in self.0.iter().zip(other.0) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.set_owner(owner);
    }
}

/// A mask of the low `n` bytes, up to 8.
#[inline]
fn low_bytes(n: usize) -> u64 {
    if n >= 8 { u64::MAX } else { (1 << (8 * n)) - 1 }
}

/// What a segment's depth says about its entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    depth: u32,
    /// Bytes of the fingerprint that are left out.
    implied: usize,
}

impl Shape {
    #[inline]
    pub(super) fn new(depth: u32) -> Shape {
        Shape { depth, implied: (((depth + GROUP_BITS) / 8) as usize).min(MAX_IMPLIED) }
    }

    /// Bytes an entry.
    #[inline]
    pub(super) fn width(self) -> usize {
        FINGERPRINT_BYTES - self.implied + LOCATION_BYTES
    }

    /// Units of a block that holds `n` entries; 0 for none.
    #[inline]
    pub(super) fn units(self, n: usize) -> usize {
        if n == 0 { 0 } else { (OWNER_BYTES + n * self.width()).div_ceil(UNIT) }
    }

    /// Most entries a segment.
    pub(super) fn most(self) -> usize {
        (MAX_UNITS * UNIT - OWNER_BYTES) / self.width()
    }

    /// Where entry number `i` begins in a block.
    #[inline]
    pub(super) fn at(self, i: usize) -> usize {
        OWNER_BYTES + i * self.width()
    }

    /// The group of a fingerprint.
    #[inline]
    pub(super) fn group(self, fingerprint: u128) -> usize {
        (fingerprint as u64 >> self.depth) as usize % GROUPS
    }

    /// The number of the entry with this fingerprint, among the `count` from number `start` on, which are its group.
    #[inline]
    pub(super) fn find(self, block: Block<'_>, start: usize, count: usize, fingerprint: u128) -> Option<usize> {
        let (low, at) = (self.low(fingerprint), self.at(start));
        let found = match block.window(at / 8) {
            Some(window) if count <= WINDOW_ENTRIES => self.find_low(window, at % 8, count, low),
            _ => (0..count).rev().find(|&i| block.bytes(self.at(start + i)) == low).unwrap_or(NOWHERE),
        };
        if found == NOWHERE {
            return None;
        }
        let found = start + found;
        // One that has these 64 bits is the one, unless somebody chose fingerprints.
        if self.has_high(block, found, fingerprint) {
            return Some(found);
        }
        (start..found).find(|&i| block.bytes(self.at(i)) == low && self.has_high(block, i, fingerprint))
    }

    /// The last of `count` entries from byte `at` of a window on whose first 64 bits are `low`, or [`NOWHERE`].
    #[inline(always)]
    fn find_low(self, window: &[AtomicU64; WINDOW], at: usize, count: usize, low: u64) -> usize {
        // No branch on what is compared: a wrong guess would wait for the cache miss and stop all later work with it.
        let (mut found, mut bit, width) = (NOWHERE, at * 8, self.width() * 8);
        for i in 0..count {
            let word = bit / 64 % (WINDOW - 1);
            let pair = [&window[word], &window[word + 1]].map(|word| u128::from(word.load(Ordering::Relaxed)));
            let bits = ((pair[0] | pair[1] << 64) >> (bit % 64)) as u64;
            found = if bits == low { i } else { found };
            bit += width;
        }
        found
    }

    /// The first 64 bits of an entry.
    #[inline(always)]
    fn low(self, fingerprint: u128) -> u64 {
        (fingerprint >> (8 * self.implied)) as u64
    }

    /// Whether entry number `i` has the last 64 bits of a fingerprint. With the first 64 that are kept, these are all: 12 to
    /// 16 bytes.
    #[inline]
    fn has_high(self, block: Block<'_>, i: usize, fingerprint: u128) -> bool {
        block.bytes(self.at(i) + FINGERPRINT_BYTES - self.implied - 8) == (fingerprint >> 64) as u64
    }

    /// The location bits of entry number `i`.
    #[inline]
    pub(super) fn location(self, block: Block<'_>, i: usize) -> u64 {
        block.bytes(self.at(i) + FINGERPRINT_BYTES - self.implied)
    }

    /// Entry number `i`, which belongs to a group of segment `owner`.
    #[inline]
    pub(super) fn read(self, block: Block<'_>, i: usize, owner: u32, group: usize) -> Entry {
        let at = self.at(i);
        let low = u128::from(block.bytes(at));
        let high = u128::from(block.bytes(at + FINGERPRINT_BYTES - self.implied - 8));
        // The two words overlap in what the implied bytes leave.
        let kept = low | high << (8 * (FINGERPRINT_BYTES - self.implied - 8));
        let position = u128::from(owner) & ((1 << self.depth) - 1) | ((group as u128) << self.depth);
        let implied = position & ((1 << (8 * self.implied)) - 1);
        ((kept << (8 * self.implied)) | implied, self.location(block, i))
    }

    /// Writes entry number `i`.
    #[inline]
    pub(super) fn write(self, block: Block<'_>, i: usize, (fingerprint, location): Entry) {
        let (kept, bits) = (fingerprint >> (8 * self.implied), 8 * (FINGERPRINT_BYTES - self.implied - 8));
        // 64 bits of the fingerprint, the `bits` that are left of it, and the location behind them.
        let rest = (kept >> 64) | u128::from(location) << bits;
        block.set_raw(self.at(i), self.width(), [kept as u64, rest as u64, (rest >> 64) as u64]);
    }

    /// Copies entry number `from` over number `to`.
    #[inline]
    pub(super) fn copy(self, block: Block<'_>, from: usize, to: usize) {
        if from != to {
            block.set_raw(self.at(to), self.width(), block.raw(self.at(from), self.width()));
        }
    }

    /// Replaces the location bits of entry number `i`.
    pub(super) fn set_location(self, block: Block<'_>, i: usize, location: u64) {
        let [low, rest, _] = block.raw(self.at(i), self.width());
        let bits = 8 * (FINGERPRINT_BYTES - self.implied - 8);
        let rest = u128::from(rest) & ((1 << bits) - 1) | u128::from(location) << bits;
        block.set_raw(self.at(i), self.width(), [low, rest as u64, (rest >> 64) as u64]);
    }
}
