//! One segment: its descriptor, and the layout of entries in its block.
//!
//! A segment's entries are packed without gaps, in 16 groups. The descriptor counts each group, so that a group's
//! bytes are found by adding up at most 15 counts, and are the only ones searched. In a segment of depth `d` the group
//! is bits `d .. d + 4` of the fingerprint, the segment's number bits `0 .. d`: `d + 4` bits are implied by position, and
//! of these whole bytes are left out of the entry (quotienting: Knuth, TAOCP 3, exercise 6.4-13; Cleary 1984).
//!
//! Entry: the fingerprint's bytes from [`Shape::implied`] on, then the location's 8 bytes, both little-endian.
//! Block: owner's number (4 bytes, see `slab`), entries of group 0, 1, ... 15, unused bytes to the end of the unit.

use super::slab::{OWNER_BYTES, Place, UNIT};

/// Groups a segment, and the bits that select one.
pub(super) const GROUPS: usize = 16;
const GROUP_BITS: u32 = 4;
/// Most units a block. At twice the mean fill a segment is ten standard deviations away from it.
pub(super) const MAX_UNITS: usize = 48;
const FINGERPRINT_BYTES: usize = 16;
const LOCATION_BYTES: usize = 8;
/// Most bytes left out of an entry: those that all shapes up to 2^28 segments imply.
const MAX_IMPLIED: usize = 4;

/// Most entries a segment of any shape.
pub(super) const MAX_ENTRIES: usize =
    (MAX_UNITS * UNIT - OWNER_BYTES) / (FINGERPRINT_BYTES - MAX_IMPLIED + LOCATION_BYTES);

/// A fingerprint and the bits of a location.
pub(super) type Entry = (u128, u64);

/// Descriptor of a segment: how many entries each group has, and where they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) counts: [u8; GROUPS],
    /// [`Place::NONE`] if there are no entries.
    pub(super) place: Place,
}

impl Segment {
    pub(super) const EMPTY: Segment = Segment { counts: [0; GROUPS], place: Place::NONE };

    /// Number of entries.
    #[inline]
    pub(super) fn len(&self) -> usize {
        sum(u128::from_le_bytes(self.counts))
    }

    /// Position of a group's first entry.
    #[inline]
    pub(super) fn start(&self, group: usize) -> usize {
        // Two shifts, since one by all 128 bits is not allowed.
        let before = (u128::from_le_bytes(self.counts) << 8) << (8 * (GROUPS - 1 - group));
        sum(before)
    }
}

/// Sum of 16 bytes: pairs to 16-bit lanes (at most 510), lanes added up by a multiplication (at most 4,080).
#[inline]
fn sum(bytes: u128) -> usize {
    const LANES: u64 = 0x00ff_00ff_00ff_00ff;
    const ONES: u64 = 0x0001_0001_0001_0001;
    let (low, high) = (bytes as u64, (bytes >> 64) as u64);
    let lanes = (low & LANES) + ((low >> 8) & LANES) + (high & LANES) + ((high >> 8) & LANES);
    (lanes.wrapping_mul(ONES) >> 48) as usize
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

    /// Lines of a block that holds `n` entries; 0 for none.
    pub(super) fn units(self, n: usize) -> usize {
        if n == 0 { 0 } else { (OWNER_BYTES + n * self.width()).div_ceil(UNIT) }
    }

    /// Most entries a segment.
    pub(super) fn most(self) -> usize {
        (MAX_UNITS * UNIT - OWNER_BYTES) / self.width()
    }

    /// Bytes of the entries `from .. to` in a block.
    #[inline]
    pub(super) fn bytes(self, from: usize, to: usize) -> std::ops::Range<usize> {
        OWNER_BYTES + from * self.width()..OWNER_BYTES + to * self.width()
    }

    /// The group of a fingerprint.
    #[inline]
    pub(super) fn group(self, fingerprint: u128) -> usize {
        (fingerprint >> self.depth) as usize % GROUPS
    }

    /// Index of the entry with this fingerprint among `entries`, which are those of its group.
    #[inline]
    pub(super) fn find(self, entries: &[u8], fingerprint: u128) -> Option<usize> {
        // The kept bytes are 12 to 16: two overlapping words cover them.
        let second = FINGERPRINT_BYTES - self.implied - 8;
        let low = (fingerprint >> (8 * self.implied)) as u64;
        let high = (fingerprint >> 64) as u64;
        // No branch on what is compared: a wrong guess would wait for the cache miss and stop all later work with it.
        let mut found = usize::MAX;
        for (i, entry) in entries.chunks_exact(self.width()).enumerate() {
            let differs = (word(entry, 0) ^ low) | (word(entry, second) ^ high);
            found = if differs == 0 { i } else { found };
        }
        (found != usize::MAX).then_some(found)
    }

    /// The location bits of an entry.
    #[inline]
    pub(super) fn location(self, entry: &[u8]) -> u64 {
        word(entry, FINGERPRINT_BYTES - self.implied)
    }

    /// Replaces the location bits of an entry.
    #[inline]
    pub(super) fn set_location(self, entry: &mut [u8], location: u64) {
        entry[FINGERPRINT_BYTES - self.implied..].copy_from_slice(&location.to_le_bytes());
    }

    /// Writes an entry.
    #[inline]
    pub(super) fn write(self, out: &mut [u8], (fingerprint, location): Entry) {
        let kept = FINGERPRINT_BYTES - self.implied;
        out[..kept].copy_from_slice(&fingerprint.to_le_bytes()[self.implied..]);
        out[kept..].copy_from_slice(&location.to_le_bytes());
    }

    /// Reads an entry of a group of segment `i`.
    #[inline]
    pub(super) fn read(self, entry: &[u8], i: u32, group: usize) -> Entry {
        let kept = FINGERPRINT_BYTES - self.implied;
        let mut bytes = [0; FINGERPRINT_BYTES];
        bytes[self.implied..].copy_from_slice(&entry[..kept]);
        let position = u64::from(i) & ((1 << self.depth) - 1) | ((group as u64) << self.depth);
        bytes[..self.implied].copy_from_slice(&position.to_le_bytes()[..self.implied]);
        (u128::from_le_bytes(bytes), self.location(entry))
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
