//! Records (FORMAT 3): kinds, checksums at a place, encoding and decoding.
//!
//! A record is valid at one offset of one file only: a [`Placer`] carries the file's nonce into both checksums.
//! Decoding has two steps, because a length must not be followed before it is checked: [`peek_header`] on the first
//! 36 bytes, then [`verify_body`] on the whole record, or a [`BodyHasher`] fed in pieces where it is too big for that.

mod decode;
mod encode;
mod sums;
#[cfg(test)]
mod tests;

pub use decode::{
    BodyHasher, Brief, Invalid, Record, RecordHeader, check_body, check_put, check_whole_put, decode_record,
    peek_header, timestamp_of, verify_body,
};
pub use encode::{Body, HeaderBytes, RecordFields, encode_body, encode_header, encode_record};

use crc32fast::Hasher;

use super::payload::{COMMIT_LEN, SEAL_LEN, SYNC_POINT_LEN};

/// Length of a record's header without expiry, in bytes.
pub const HEADER_LEN: usize = 28;
/// Length of a record's header with expiry, in bytes: the longest.
pub const MAX_HEADER_LEN: usize = 36;
/// Records begin and end at multiples of this.
pub const ALIGN: u64 = 4;

const FLAG_EXPIRY: u8 = 1;
const FLAG_SYNCED: u8 = 2;
/// Where the part of the header begins that is hashed with the place: behind the two checksums.
const HASHED_FROM: usize = 6;
const ZEROS: [u8; ALIGN as usize] = [0; ALIGN as usize];

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// A key and its value.
    Put = 1,
    /// A key that is gone.
    Delete = 2,
    /// A put that counts when its batch is complete.
    BatchPut = 3,
    /// A delete that counts when its batch is complete.
    BatchDelete = 4,
    /// The end of a batch ([`BatchCommit`](super::payload::BatchCommit)).
    BatchCommit = 5,
    /// How far the log is on stable storage ([`SyncPoint`](super::payload::SyncPoint)); and it carries the SYNCED flag when
    /// there is nothing else to carry it.
    SyncMark = 6,
    /// The last record of a file ([`Seal`](super::payload::Seal)).
    Seal = 7,
}

impl RecordKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [RecordKind; 7] = [
        RecordKind::Put,
        RecordKind::Delete,
        RecordKind::BatchPut,
        RecordKind::BatchDelete,
        RecordKind::BatchCommit,
        RecordKind::SyncMark,
        RecordKind::Seal,
    ];

    /// The kind with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<RecordKind> {
        RecordKind::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// Whether it holds a key: puts and deletes of both sorts.
    #[must_use]
    pub fn has_key(self) -> bool {
        self <= RecordKind::BatchDelete
    }

    /// Whether it holds a value of the user: puts of both sorts. Only these may expire.
    #[must_use]
    pub fn is_put(self) -> bool {
        matches!(self, RecordKind::Put | RecordKind::BatchPut)
    }

    /// Whether it is a delete of either sort.
    #[must_use]
    pub fn is_delete(self) -> bool {
        matches!(self, RecordKind::Delete | RecordKind::BatchDelete)
    }

    /// Whether its effect depends on the batch's being complete.
    #[must_use]
    pub fn in_batch(self) -> bool {
        matches!(self, RecordKind::BatchPut | RecordKind::BatchDelete)
    }

    /// Whether a record of this kind may have these lengths.
    fn allows(self, key_len: u16, value_len: u32) -> bool {
        if self.has_key() != (key_len != 0) {
            return false;
        }
        match self {
            RecordKind::Put | RecordKind::BatchPut => true,
            RecordKind::Delete | RecordKind::BatchDelete => value_len == 0,
            RecordKind::BatchCommit => value_len as usize == COMMIT_LEN,
            RecordKind::SyncMark => value_len as usize == SYNC_POINT_LEN,
            RecordKind::Seal => value_len as usize == SEAL_LEN,
        }
    }
}

/// Binds checksums to one file. Cheap to make and to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placer {
    /// CRC32 of the nonce, from which every H of the file goes on.
    state: u32,
}

impl Placer {
    /// For the file whose header has this nonce.
    #[must_use]
    pub fn new(nonce: u64) -> Placer {
        Placer { state: crc32fast::hash(&nonce.to_le_bytes()) }
    }

    /// A hasher that goes on from the nonce.
    #[inline]
    fn hasher(self) -> Hasher {
        Hasher::new_with_initial(self.state)
    }

    /// H of FORMAT 3.2: of the header's bytes behind the checksums, at an offset of the file.
    fn hash(self, offset: u64, hashed: &[u8]) -> u32 {
        // In one piece: a hasher's calls cost more than so few bytes.
        let mut bytes = [0; 8 + MAX_HEADER_LEN - HASHED_FROM];
        let (place, header) = bytes.split_at_mut(8);
        place.copy_from_slice(&offset.to_le_bytes());
        let len = hashed.len().min(header.len());
        header[..len].copy_from_slice(&hashed[..len]);
        let mut h = self.hasher();
        h.update(&bytes[..8 + len]);
        h.finalize()
    }
}

/// Length of a record's header in bytes.
#[must_use]
pub(crate) fn header_len(has_expiry: bool) -> usize {
    if has_expiry { MAX_HEADER_LEN } else { HEADER_LEN }
}

/// Length of a record with header and padding. Can't overflow: the sum of its parts is below 2^33.
#[must_use]
pub fn record_len(key_len: u16, value_len: u32, has_expiry: bool) -> u64 {
    (header_len(has_expiry) as u64 + u64::from(key_len) + u64::from(value_len)).next_multiple_of(ALIGN)
}

/// The zeros behind a key and value of these lengths. Headers are multiples of 4 and don't matter.
pub(crate) fn padding(key_len: u16, value_len: u32) -> &'static [u8] {
    let over = (u64::from(key_len) + u64::from(value_len)) % ALIGN;
    let zeros = if over == 0 { 0 } else { ALIGN - over };
    &ZEROS[..zeros as usize]
}

/// The polynomial of FORMAT's CRC, its lowest power in the highest bit.
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// The bytes that a CRC takes in are in its state's highest byte, through this table.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (mut crc, mut bit) = (i as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// Which entry of [`CRC_TABLE`] has this highest byte: each of the 256 has another.
const CRC_ENTRIES: [u8; 256] = {
    let mut entries = [0; 256];
    let mut i = 0;
    while i < 256 {
        entries[(CRC_TABLE[i] >> 24) as usize] = i as u8;
        i += 1;
    }
    entries
};

/// The reverse of [`finish_crc`]: four bytes can be taken out of a CRC again, whatever came before them.
fn unfinish_crc(crc: u32, h: u32) -> u32 {
    let mut state = !crc;
    for byte in h.to_be_bytes() {
        let entry = CRC_ENTRIES[(state >> 24) as usize];
        state = (state ^ CRC_TABLE[usize::from(entry)]) << 8 | u32::from(entry ^ byte);
    }
    !state
}

/// `crc` of FORMAT 3.2, from the CRC of key, value and padding.
fn finish_crc(body_crc: u32, h: u32) -> u32 {
    let mut hasher = Hasher::new_with_initial(body_crc);
    hasher.update(&h.to_le_bytes());
    hasher.finalize()
}
