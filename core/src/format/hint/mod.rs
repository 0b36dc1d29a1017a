//! Hint files (FORMAT 4): the entries of a data file without its values, so that opening need not read them.
//!
//! A hint is advisory, so every doubt is an error and the data file is read instead. Blocks are checksummed one by
//! one with the data file's nonce and their number: a block of another file or at another place is never taken.

mod block;
mod entries;
#[cfg(test)]
mod tests;

use std::fmt;

pub use block::{BLOCK_HEADER_LEN, BLOCK_TARGET, HintBlock, HintBlockBuilder, MAX_BLOCK_LEN, block_len};
pub use entries::{HintEntries, HintEntry};

use super::bytes::{Reader, Writer};
use super::header::{DATA_START, DataHeader, HEADER_LEN, HeaderError};
use crate::types::{SeqNo, Timestamp};

/// Length of a hint file's header with the copy of the data file's header, in bytes: where the first block begins.
pub const HINT_HEADER_LEN: usize = OWN_HEADER_LEN + HEADER_LEN;

/// Length of the header alone: what its length field says.
const OWN_HEADER_LEN: usize = 80;
const MAGIC: [u8; 8] = *b"BITCASKh";
const VERSION: u16 = 1;
const CRC_AT: usize = 12;
const FLAG_SEALED: u32 = 1;

/// Why a hint is not to be used, wholly or from a block on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HintError {
    /// Too short, or magic or checksum of the header are wrong.
    NotAHint,
    /// The checksum is right and the version is not one that this release knows.
    Version(u16),
    /// The copy of the data file's header is none that this release reads.
    DataHeader(HeaderError),
    /// The checksum is right and this field has a value that the format does not allow.
    BadField(&'static str),
    /// The bytes end before the block does.
    Truncated,
    /// The checksum of a block is wrong: damaged, or of another file or place.
    BadCrc,
    /// The checksum is right and an entry is not what the format allows: this part of it.
    BadEntry(&'static str),
}

impl fmt::Display for HintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HintError::NotAHint => f.write_str("no intact hint header"),
            HintError::Version(version) => write!(f, "unknown version {version} of the hint format"),
            HintError::DataHeader(e) => write!(f, "copy of the data file's header: {e}"),
            HintError::BadField(field) => write!(f, "{field} in a hint that is not allowed"),
            HintError::Truncated => f.write_str("a hint block is cut off by the end of the file"),
            HintError::BadCrc => f.write_str("wrong checksum of a hint block"),
            HintError::BadEntry(part) => write!(f, "{part} of a hint entry that is not allowed"),
        }
    }
}

/// What a hint says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HintHeader {
    /// The header of the data file that it belongs to.
    pub data: DataHeader,
    /// It speaks for the data file's bytes from 128 up to here.
    pub covered: u64,
    /// Number of entries in all blocks.
    pub entries: u64,
    /// Smallest sequence number of the entries; zero if there are none.
    pub min_seq: SeqNo,
    /// Largest sequence number of all records covered, marks included.
    pub max_seq: SeqNo,
    /// Number of blocks.
    pub blocks: u64,
    /// The data file is sealed and `covered` is its length.
    pub sealed: bool,
    /// Smallest timestamp of the entries' records; zero if there are none.
    pub min_time: Timestamp,
    /// Largest timestamp of the entries' records; zero if there are none.
    pub max_time: Timestamp,
}

impl HintHeader {
    /// The first 144 bytes of the hint file.
    #[must_use]
    pub fn encode(&self) -> [u8; HINT_HEADER_LEN] {
        let mut out = [0; HINT_HEADER_LEN];
        Writer::new(&mut out)
            .put(&MAGIC)
            .put(&VERSION.to_le_bytes())
            .put(&(OWN_HEADER_LEN as u16).to_le_bytes())
            .put(&[0; 4])
            .put(&self.covered.to_le_bytes())
            .put(&self.entries.to_le_bytes())
            .put(&self.min_seq.0.to_le_bytes())
            .put(&self.max_seq.0.to_le_bytes())
            .put(&self.blocks.to_le_bytes())
            .put(&(u32::from(self.sealed) * FLAG_SEALED).to_le_bytes())
            .put(&[0; 4])
            .put(&self.min_time.0.to_le_bytes())
            .put(&self.max_time.0.to_le_bytes())
            .put(&self.data.encode());
        let crc = crc32fast::hash(&out);
        Writer::new(&mut out[CRC_AT..]).put(&crc.to_le_bytes());
        out
    }

    /// Reads the first 144 bytes of a hint file (more are ignored).
    ///
    /// That [`data`](HintHeader::data) is the data file's header, and that the file is long enough, is the caller's
    /// to check.
    pub fn decode(bytes: &[u8]) -> Result<HintHeader, HintError> {
        let fixed: &[u8; HINT_HEADER_LEN] = bytes.first_chunk().ok_or(HintError::NotAHint)?;
        let mut blank = *fixed;
        let mut crc = [0; 4];
        crc.swap_with_slice(&mut blank[CRC_AT..CRC_AT + 4]);
        if !fixed.starts_with(&MAGIC) || crc32fast::hash(&blank) != u32::from_le_bytes(crc) {
            return Err(HintError::NotAHint);
        }
        read_fields(&mut Reader(&fixed[MAGIC.len()..])).unwrap_or(Err(HintError::NotAHint))
    }
}

/// `None` if the bytes end early, which they don't: the header has a fixed length.
fn read_fields(r: &mut Reader<'_>) -> Option<Result<HintHeader, HintError>> {
    let version = r.u16()?;
    if version != VERSION {
        return Some(Err(HintError::Version(version)));
    }
    let header_len = r.u16()?;
    let _crc = r.u32()?;
    let (covered, entries) = (r.u64()?, r.u64()?);
    let (min_seq, max_seq) = (SeqNo(r.u64()?), SeqNo(r.u64()?));
    let blocks = r.u64()?;
    let (flags, reserved) = (r.u32()?, r.u32()?);
    let (min_time, max_time) = (Timestamp(r.u64()?), Timestamp(r.u64()?));
    let data = match DataHeader::decode(&r.array()?) {
        Ok(data) => data,
        Err(e) => return Some(Err(HintError::DataHeader(e))),
    };

    let bad = |field| Some(Err(HintError::BadField(field)));
    if usize::from(header_len) != OWN_HEADER_LEN {
        return bad("header length");
    }
    if covered < DATA_START || !covered.is_multiple_of(4) {
        return bad("covered");
    }
    if (entries == 0) != (blocks == 0) || blocks > entries {
        return bad("number of blocks");
    }
    if min_seq > max_seq || (entries == 0 && min_seq != SeqNo::ZERO) {
        return bad("smallest sequence number");
    }
    if min_time > max_time || (entries == 0 && max_time != Timestamp(0)) {
        return bad("timestamps");
    }
    if flags & !FLAG_SEALED != 0 {
        return bad("flags");
    }
    if reserved != 0 {
        return bad("reserved");
    }
    let sealed = flags & FLAG_SEALED != 0;
    Some(Ok(HintHeader { data, covered, entries, min_seq, max_seq, blocks, sealed, min_time, max_time }))
}
