//! The data file header (FORMAT 2.1), of which a file holds two copies.
//!
//! A copy counts if its magic and checksum are right; only then are version, features and fields looked at, so that a
//! damaged sector is never taken for a newer version.

use std::fmt;

use super::bytes::{Reader, Writer};
use crate::types::{FileId, SeqNo, Timestamp};

/// Length of one copy of the header, in bytes.
pub const HEADER_LEN: usize = 64;
/// Where the first record of a data file begins: behind both copies of the header.
pub const DATA_START: u64 = 128;
/// The version of the format that this release reads and writes.
pub const VERSION: u16 = 1;
/// Required features that the format names: bit number and name.
pub const FEATURES: &[(u32, &str)] = &[(0, "compression")];
/// Required features that this release can read, as a bit set: none.
pub const KNOWN_REQUIRED: u32 = 0;

const MAGIC: [u8; 8] = *b"BITCASKd";
const CRC_AT: usize = 28;
const FLAG_EARLIER_SYNCED: u8 = 1;

/// The two kinds of data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FileKind {
    /// Written by commits, in the order of their sequence numbers.
    Log = 1,
    /// Written by a merge, in any order.
    Merged = 2,
}

/// What a data file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DataHeader {
    /// Features that a reader must know, as a bit set ([`FEATURES`]).
    pub required: u32,
    /// Features that a reader may ignore, as a bit set. Kept as read.
    pub optional: u32,
    /// Log or merged.
    pub kind: FileKind,
    /// When this file was created, every earlier byte of the log was on stable storage.
    pub earlier_synced: bool,
    /// The number in the file's name.
    pub file_id: FileId,
    /// The same in all files of a store.
    pub store_id: u64,
    /// Random, of this file alone; enters every checksum of the file.
    pub nonce: u64,
    /// When the file was created. Decides nothing.
    pub created: Timestamp,
    /// Every commit up to this one was complete in the log before this file was created. In a merged file it was on stable storage too, and each
    /// put of the file was the newest record of its key behind it; zero if that is not known.
    pub base_seq: SeqNo,
}

/// Which of two header copies is not as it should be. The other one was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CopyDamage {
    /// The copy at offset 0 is damaged.
    First,
    /// The copy at offset 64 is damaged.
    Second,
    /// Both have the right checksum and they differ; the first was used.
    Differ,
}

impl CopyDamage {
    /// Where in the file the damaged copy begins.
    #[must_use]
    pub fn offset(self) -> u64 {
        match self {
            CopyDamage::First => 0,
            CopyDamage::Second | CopyDamage::Differ => HEADER_LEN as u64,
        }
    }
}

/// Why bytes are no usable header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HeaderError {
    /// There are fewer bytes than the header takes, or no copy has the right magic and checksum.
    NotAHeader,
    /// The checksum is right and the version is not one that this release knows.
    Version(u16),
    /// A required feature that this release does not know: its name, or `bit N`.
    Feature(String),
    /// The checksum is right and this field has a value that the format does not allow.
    BadField(&'static str),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::NotAHeader => f.write_str("no intact data file header"),
            HeaderError::Version(version) => write!(f, "unknown version {version} of the format"),
            HeaderError::Feature(name) => write!(f, "unknown required feature: {name}"),
            HeaderError::BadField(field) => write!(f, "{field} in the header that is not allowed"),
        }
    }
}

impl DataHeader {
    /// One copy of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        Writer::new(&mut out)
            .put(&MAGIC)
            .put(&VERSION.to_le_bytes())
            .put(&(HEADER_LEN as u16).to_le_bytes())
            .put(&self.required.to_le_bytes())
            .put(&self.optional.to_le_bytes())
            .put(&[self.kind as u8, u8::from(self.earlier_synced) * FLAG_EARLIER_SYNCED, 0, 0])
            .put(&self.file_id.0.to_le_bytes())
            .put(&[0; 4])
            .put(&self.store_id.to_le_bytes())
            .put(&self.nonce.to_le_bytes())
            .put(&self.created.0.to_le_bytes())
            .put(&self.base_seq.0.to_le_bytes());
        let crc = crc32fast::hash(&out);
        Writer::new(&mut out[CRC_AT..]).put(&crc.to_le_bytes());
        out
    }

    /// Both copies: the first [`DATA_START`] bytes of a data file.
    #[must_use]
    pub fn encode_pair(&self) -> [u8; 2 * HEADER_LEN] {
        let copy = self.encode();
        let mut out = [0; 2 * HEADER_LEN];
        Writer::new(&mut out).put(&copy).put(&copy);
        out
    }

    /// Reads the first [`DATA_START`] bytes of a data file (more are ignored) and says which copy is damaged, if one is.
    pub fn decode_pair(bytes: &[u8]) -> Result<(DataHeader, Option<CopyDamage>), HeaderError> {
        let mut r = Reader(bytes);
        let copies = r.array::<HEADER_LEN>().zip(r.array::<HEADER_LEN>());
        let (first, second) = copies.ok_or(HeaderError::NotAHeader)?;
        let (copy, damage) = match (intact(&first), intact(&second)) {
            (true, true) if first == second => (first, None),
            (true, true) => (first, Some(CopyDamage::Differ)),
            (true, false) => (first, Some(CopyDamage::Second)),
            (false, true) => (second, Some(CopyDamage::First)),
            (false, false) => return Err(HeaderError::NotAHeader),
        };
        Ok((fields(&copy)?, damage))
    }

    /// Reads one copy, such as the one in a hint file.
    pub fn decode(copy: &[u8; HEADER_LEN]) -> Result<DataHeader, HeaderError> {
        if intact(copy) { fields(copy) } else { Err(HeaderError::NotAHeader) }
    }
}

/// Magic and checksum are right.
fn intact(copy: &[u8; HEADER_LEN]) -> bool {
    let mut blank = *copy;
    let mut crc = [0; 4];
    crc.swap_with_slice(&mut blank[CRC_AT..CRC_AT + 4]);
    copy.starts_with(&MAGIC) && crc32fast::hash(&blank) == u32::from_le_bytes(crc)
}

/// The fields of an intact copy.
fn fields(copy: &[u8; HEADER_LEN]) -> Result<DataHeader, HeaderError> {
    read_fields(&mut Reader(&copy[MAGIC.len()..])).unwrap_or(Err(HeaderError::NotAHeader))
}

/// `None` if the bytes end early, which they don't: a copy has a fixed length.
fn read_fields(r: &mut Reader<'_>) -> Option<Result<DataHeader, HeaderError>> {
    let version = r.u16()?;
    if version != VERSION {
        return Some(Err(HeaderError::Version(version)));
    }
    let header_len = r.u16()?;
    let required = r.u32()?;
    let unknown = required & !KNOWN_REQUIRED;
    if unknown != 0 {
        return Some(Err(HeaderError::Feature(feature_name(unknown.trailing_zeros()))));
    }
    let optional = r.u32()?;
    let kind = match r.u8()? {
        1 => Some(FileKind::Log),
        2 => Some(FileKind::Merged),
        _ => None,
    };
    let flags = r.u8()?;
    let reserved = r.u16()?;
    let file_id = FileId(r.u32()?);
    let _crc = r.u32()?;
    let (store_id, nonce) = (r.u64()?, r.u64()?);
    let (created, base_seq) = (Timestamp(r.u64()?), SeqNo(r.u64()?));

    let bad = |field| Some(Err(HeaderError::BadField(field)));
    if usize::from(header_len) != HEADER_LEN {
        return bad("header length");
    }
    let Some(kind) = kind else { return bad("kind") };
    if flags & !FLAG_EARLIER_SYNCED != 0 {
        return bad("flags");
    }
    if reserved != 0 {
        return bad("reserved");
    }
    if file_id.0 == 0 || file_id > FileId::MAX {
        return bad("file id");
    }
    let earlier_synced = flags & FLAG_EARLIER_SYNCED != 0;
    Some(Ok(DataHeader { required, optional, kind, earlier_synced, file_id, store_id, nonce, created, base_seq }))
}

fn feature_name(bit: u32) -> String {
    let named = FEATURES.iter().find(|(b, _)| *b == bit);
    named.map_or_else(|| format!("bit {bit}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests;
