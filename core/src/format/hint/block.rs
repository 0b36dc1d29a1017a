//! Blocks: the checksummed unit of a hint file, small enough to be held in memory whatever the file's size.

use crc32fast::Hasher;

use super::entries::Cursor;
use super::{HintEntries, HintEntry, HintError, HintHeader};
use crate::format::bytes::{Reader, Writer};
use crate::format::header::DataHeader;
use crate::types::{SeqNo, Timestamp};

/// Length of a block's header in bytes.
pub const BLOCK_HEADER_LEN: usize = 28;
/// The entry by which a block's entries reach this many bytes is its last.
pub const BLOCK_TARGET: usize = 64 * 1024;
/// Longest entry: tag, gap, key length, value length, sequence number, expiry, key.
const MAX_ENTRY_LEN: usize = 1 + 5 + 3 + 5 + 10 + 10 + 65_535;
const MAX_ENTRIES_LEN: usize = BLOCK_TARGET - 1 + MAX_ENTRY_LEN;
/// Longest block with its header, in bytes; one that says it is longer is none.
pub const MAX_BLOCK_LEN: usize = BLOCK_HEADER_LEN + MAX_ENTRIES_LEN;
/// Where the part of a block begins that its checksum covers.
const HASHED_FROM: usize = 4;

/// Turns entries into blocks, and counts what the hint's header says of them.
#[derive(Clone, Debug)]
pub struct HintBlockBuilder {
    data: DataHeader,
    /// The open block: room for its header, then its entries.
    buf: Vec<u8>,
    count: u32,
    start: Cursor,
    cursor: Cursor,
    entries: u64,
    blocks: u64,
    min_seq: SeqNo,
    max_seq: SeqNo,
}

impl HintBlockBuilder {
    /// For the hint of the data file with this header.
    #[must_use]
    pub fn new(data: &DataHeader) -> HintBlockBuilder {
        let start = Cursor { end: 0, seq: SeqNo::ZERO };
        HintBlockBuilder {
            data: *data,
            buf: Vec::new(),
            count: 0,
            start,
            cursor: start,
            entries: 0,
            blocks: 0,
            min_seq: SeqNo::ZERO,
            max_seq: SeqNo::ZERO,
        }
    }

    /// Goes on behind the blocks of the hint with this header, so that they can be copied as they are, their bytes unread, and blocks
    /// for what the data file has got since then be appended.
    ///
    /// `end` is where the last record of the old entries ends in the data file, or anything from there up to where the
    /// next entry begins, such as the old `covered`.
    #[must_use]
    pub fn resume(header: &HintHeader, end: u64) -> HintBlockBuilder {
        HintBlockBuilder {
            cursor: Cursor { end, seq: SeqNo::ZERO },
            entries: header.entries,
            blocks: header.blocks,
            min_seq: header.min_seq,
            max_seq: header.max_seq,
            ..HintBlockBuilder::new(&header.data)
        }
    }

    /// The data file has got this header. Its nonce must be the one that it had: blocks are bound to that alone.
    pub fn rebind(&mut self, data: &DataHeader) {
        debug_assert_eq!(self.data.nonce, data.nonce, "the same file");
        self.data = *data;
    }

    /// Adds the next entry in file order. Batch kinds are written as puts and deletes.
    ///
    /// Gives false, and adds nothing, if the entry is not behind the last one or no record can be like it: then the
    /// hint would be wrong and should be given up.
    #[must_use]
    pub fn push(&mut self, entry: &HintEntry<'_>) -> bool {
        let mut cursor = self.cursor;
        if self.count == 0 {
            if entry.offset < self.cursor.end || !entry.offset.is_multiple_of(4) {
                return false;
            }
            cursor = Cursor { end: entry.offset, seq: entry.seq };
            self.buf.clear();
            self.buf.resize(BLOCK_HEADER_LEN, 0);
        }
        let start = cursor;
        if cursor.put(&mut self.buf, entry).is_none() {
            return false;
        }
        if self.count == 0 {
            self.start = start;
        }
        self.cursor = cursor;
        self.min_seq = if self.entries == 0 { entry.seq } else { self.min_seq.min(entry.seq) };
        self.max_seq = self.max_seq.max(entry.seq);
        self.entries += 1;
        self.count += 1;
        true
    }

    /// Whether the block must be finished before the next entry.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.buf.len() >= BLOCK_HEADER_LEN + BLOCK_TARGET
    }

    /// Whether the block has no entries; such a block is not written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The finished block, to be appended to the hint file; the next entry begins another. Empty if there are no entries.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        if self.count == 0 {
            return Vec::new();
        }
        let mut block = std::mem::take(&mut self.buf);
        let entries_len = (block.len() - BLOCK_HEADER_LEN) as u32;
        Writer::new(&mut block[HASHED_FROM..])
            .put(&entries_len.to_le_bytes())
            .put(&self.count.to_le_bytes())
            .put(&self.start.end.to_le_bytes())
            .put(&self.start.seq.0.to_le_bytes());
        let crc = checksum(self.data.nonce, self.blocks, &block[HASHED_FROM..]);
        Writer::new(&mut block).put(&crc.to_le_bytes());
        self.blocks += 1;
        self.count = 0;
        block
    }

    /// The header for the blocks finished so far. `max_seq` is the largest of all records covered, if larger than that of the
    /// entries; `times` are the smallest and the largest timestamp of the entries' records, those of a resumed hint
    /// among them, and count for nothing if there are no entries.
    #[must_use]
    pub fn header(&self, covered: u64, max_seq: SeqNo, sealed: bool, times: (Timestamp, Timestamp)) -> HintHeader {
        let entries = self.entries - u64::from(self.count);
        let (min_time, max_time) = if entries == 0 { Default::default() } else { times };
        HintHeader {
            data: self.data,
            covered,
            entries,
            min_seq: self.min_seq,
            max_seq: self.max_seq.max(max_seq),
            blocks: self.blocks,
            sealed,
            min_time,
            max_time,
        }
    }
}

/// Length of the block that begins with these bytes, header included, at most [`MAX_BLOCK_LEN`]. Not to be believed for more than
/// reading that many bytes.
pub fn block_len(bytes: &[u8]) -> Result<usize, HintError> {
    let mut r = Reader(bytes);
    let (_crc, len) = r.u32().zip(r.u32()).ok_or(HintError::Truncated)?;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if len == 0 || len > MAX_ENTRIES_LEN {
        return Err(HintError::BadField("length of the block"));
    }
    Ok(BLOCK_HEADER_LEN + len)
}

/// A block whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub struct HintBlock<'a> {
    entries: &'a [u8],
    count: u32,
    start: Cursor,
    covered: u64,
}

impl<'a> HintBlock<'a> {
    /// Reads the block at the beginning of `bytes`, the one with this number (from 0) of the hint with this header.
    pub fn decode(bytes: &'a [u8], hint: &HintHeader, number: u64) -> Result<HintBlock<'a>, HintError> {
        let block = bytes.get(..block_len(bytes)?).ok_or(HintError::Truncated)?;
        let hashed = block.get(HASHED_FROM..).ok_or(HintError::Truncated)?;
        let (crc, count, end, seq, entries) = fields(block).ok_or(HintError::Truncated)?;
        if checksum(hint.data.nonce, number, hashed) != crc {
            return Err(HintError::BadCrc);
        }
        if count == 0 {
            return Err(HintError::BadField("number of entries"));
        }
        if !end.is_multiple_of(4) {
            return Err(HintError::BadField("position"));
        }
        Ok(HintBlock { entries, count, start: Cursor { end, seq: SeqNo(seq) }, covered: hint.covered })
    }

    /// Length of the block with its header: the next one begins there.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        BLOCK_HEADER_LEN + self.entries.len()
    }

    /// How many entries it says it has.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Goes through all entries, so that none of a bad block is used. `from` is the end of the block before it, or 128. Gives the
    /// end of its last record in the data file: `from` of the next block.
    pub fn check(&self, from: u64) -> Result<u64, HintError> {
        if self.start.end < from {
            return Err(HintError::BadEntry("place"));
        }
        let mut entries = self.entries();
        for entry in entries.by_ref() {
            entry?;
        }
        Ok(entries.end())
    }

    /// Its entries.
    #[must_use]
    pub fn entries(&self) -> HintEntries<'a> {
        HintEntries {
            bytes: Reader(self.entries),
            left: self.count,
            first: true,
            cursor: self.start,
            covered: self.covered,
        }
    }
}

/// crc, number of entries, position, seq and the bytes of the entries.
fn fields(block: &[u8]) -> Option<(u32, u32, u64, u64, &[u8])> {
    let mut r = Reader(block);
    let (crc, _len, count) = (r.u32()?, r.u32()?, r.u32()?);
    Some((crc, count, r.u64()?, r.u64()?, r.0))
}

fn checksum(nonce: u64, number: u64, hashed: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&nonce.to_le_bytes());
    hasher.update(&(number as u32).to_le_bytes());
    hasher.update(hashed);
    hasher.finalize()
}
