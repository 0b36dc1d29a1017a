//! The engine's vocabulary: numbers that must not be confused, the limits of the data model, and the choices that concern
//! several layers.
//!
//! Knows nothing of files or indexes. [`Location`] is the one packed form of "where a record is"; its layout is
//! in memory only (and in index checkpoints), never in data files.

use std::fmt;
use std::time::Duration;

/// Longest key, in bytes. The shortest is one byte.
pub const MAX_KEY_LEN: usize = 65_535;
/// Longest value, in bytes: 4 GiB - 1. The shortest is empty.
pub const MAX_VALUE_LEN: usize = 4_294_967_295;

/// Number of a data file, 1 to [`FileId::MAX`]. Later files of the log have greater numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

impl FileId {
    /// The greatest file id that the format allows: 2^28 - 1.
    pub const MAX: FileId = FileId((1 << 28) - 1);
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sequence number of a commit, from 1. [`SeqNo::ZERO`] stands before the first commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SeqNo(pub u64);

impl SeqNo {
    /// Before the first commit.
    pub const ZERO: SeqNo = SeqNo(0);

    /// The number after this one. Saturates, which at a billion commits a second takes 584 years.
    #[must_use]
    pub fn next(self) -> SeqNo {
        SeqNo(self.0.saturating_add(1))
    }
}

impl fmt::Display for SeqNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The commit's number. Of one that wrote nothing (the removal of a missing key, an empty batch) that of the last commit before
    /// it, on which it rests.
    pub seq: SeqNo,
    /// Of a single put or removal: whether the key was there before. `false` for a batch.
    pub existed: bool,
}

/// Milliseconds since 1970-01-01T00:00:00Z. Decides expiry and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The greatest time that a record's 48 bits hold.
    pub const MAX: Timestamp = Timestamp((1 << 48) - 1);
}

/// How long a key is left before it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// There is no such key, or it has expired.
    NoKey,
    /// The key is there and does not expire.
    NoExpiry,
    /// The key is there for so long, in whole milliseconds, if the clock does not jump.
    Remaining(Duration),
}

/// Where a record begins and about how long it is: 8 bytes, the whole payload of an index entry.
///
/// Bits 36-63 file id, bits 6-35 offset / 4, bits 0-5 size class. The size class lets a reader that has to issue
/// a system call fetch the record with one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location(u64);

impl Location {
    /// Records begin below this offset (FORMAT 2).
    pub const OFFSET_LIMIT: u64 = 1 << 32;

    /// Where the file's id begins in the packed form.
    pub(crate) const FILE_SHIFT: u32 = 36;

    /// Packs a place. `len` is the record's whole length with header and padding.
    ///
    /// Returns `None` if the offset is no multiple of 4, or it or the id is beyond what the format allows.
    #[must_use]
    pub fn new(file: FileId, offset: u64, len: u64) -> Option<Location> {
        if file > FileId::MAX || offset >= Self::OFFSET_LIMIT || !offset.is_multiple_of(4) {
            return None;
        }
        Some(Location((u64::from(file.0) << Self::FILE_SHIFT) | ((offset / 4) << 6) | size_class(len)))
    }

    /// The packed form, for index entries and checkpoints.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The reverse of [`Location::to_bits`]; every bit pattern is some location.
    #[must_use]
    pub fn from_bits(bits: u64) -> Location {
        Location(bits)
    }

    /// The file that holds the record.
    #[must_use]
    pub fn file(self) -> FileId {
        FileId((self.0 >> Self::FILE_SHIFT) as u32)
    }

    /// Where in the file the record begins.
    #[must_use]
    pub fn offset(self) -> u64 {
        ((self.0 >> 6) & ((1 << 30) - 1)) * 4
    }

    /// Which of the size classes the record's length is in.
    pub(crate) fn size_class(self) -> usize {
        (self.0 & 63) as usize
    }

    /// An upper bound of the record's length, less than 1.5 times it.
    #[must_use]
    pub fn len_bound(self) -> u64 {
        class_bound(self.0 & 63)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}(<={})", self.file(), self.offset(), self.len_bound())
    }
}

/// Smallest class whose bound is at least `len`. Bounds are 32, 48, 64, 96, 128, 192, ...
fn size_class(len: u64) -> u64 {
    if len <= 32 {
        return 0;
    }
    let top = 63 - u64::from((len - 1).leading_zeros()); // 2^top < len <= 2^(top+1)
    let middle = (1 << top) + (1 << (top - 1));
    let class = (top - 5) * 2 + if len <= middle { 1 } else { 2 };
    class.min(63)
}

fn class_bound(class: u64) -> u64 {
    let base = 32u64 << (class / 2);
    if class.is_multiple_of(2) { base } else { base + base / 2 }
}

/// When a write is on stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Acknowledged means in the operating system's page cache: survives the death of the process, not a loss of power.
    None,
    /// As `None`, and a background thread syncs when either limit is reached.
    Interval {
        /// Longest time that an acknowledged write stays unsynced. At least one millisecond.
        every: Duration,
        /// Most bytes of log that stay unsynced. At least 1.
        bytes: u64,
    },
    /// Acknowledged means on stable storage. Concurrent writers share one sync.
    Always,
}

/// How data files are read. Writing is the same under both, and so are the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IoKind {
    /// Through memory maps: a value is lent without a copy. The default on 64-bit machines. An I/O error of the disk under a
    /// mapped page is the signal SIGBUS.
    Mmap,
    /// By `pread`, into a buffer of the value's own: an I/O error is an error. Nothing is mapped. The default on 32-bit machines.
    File,
}

impl Default for IoKind {
    fn default() -> IoKind {
        if cfg!(target_pointer_width = "64") { IoKind::Mmap } else { IoKind::File }
    }
}

/// What open does with damage that hides which keys it touches (bytes that no hint describes and no checksum confirms).
///
/// Where the keys are known the store opens in any case, and reading such a key gives [`Corrupted`](crate::Error::Corrupted).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnDamage {
    /// Open fails with [`Corrupted`](crate::Error::Corrupted): an older value of a damaged key could otherwise pass for its newest.
    #[default]
    Refuse,
    /// Open succeeds and serves all that is undamaged; [`OpenReport::damage`](crate::OpenReport::damage) lists the rest.
    Serve,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_bound_their_lengths_tightly() {
        for len in (1..5000).chain([1 << 20, (1 << 20) + 1, (1 << 32) - 1, 1 << 32, (1 << 32) + 65_600]) {
            let bound = class_bound(size_class(len));
            assert!(bound >= len, "{len} -> {bound}");
            assert!(len <= 32 || bound * 2 < len * 3, "{len} -> {bound}");
        }
    }

    #[test]
    fn a_location_keeps_its_parts() {
        let last = Location::OFFSET_LIMIT - 4;
        for (id, offset, len) in [(1, 128, 28), (FileId::MAX.0, last, 1 << 32), (77, 4096, 204)] {
            let loc = Location::new(FileId(id), offset, len).unwrap();
            assert_eq!((loc.file(), loc.offset()), (FileId(id), offset));
            assert!(loc.len_bound() >= len);
            assert_eq!(Location::from_bits(loc.to_bits()), loc);
        }
        assert_eq!(Location::new(FileId(1), 130, 28), None);
        assert_eq!(Location::new(FileId(1), Location::OFFSET_LIMIT, 28), None);
        assert_eq!(Location::new(FileId(FileId::MAX.0 + 1), 128, 28), None);
    }
}
