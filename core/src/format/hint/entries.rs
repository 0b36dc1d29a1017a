//! The entries of a block whose checksum is right. They are still not believed: each must be in canonical form, in
//! file order and within the part of the data file that the hint covers.

use super::HintError;
use crate::format::bytes::Reader;
use crate::format::header::DATA_START;
use crate::format::record::{RecordKind, record_len};
use crate::format::varint;
use crate::types::{Location, SeqNo, Timestamp};

const KIND_MASK: u8 = 7;
const TAG_EXPIRY: u8 = 8;
const TAG_GAP: u8 = 16;

/// What the index needs to know of one put or delete record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HintEntry<'a> {
    /// [`RecordKind::Put`] or [`RecordKind::Delete`]; batch records become these when they are written.
    pub kind: RecordKind,
    /// Where in the data file the record begins.
    pub offset: u64,
    /// Length of its value in bytes; 0 in deletes.
    pub value_len: u32,
    /// Its sequence number.
    pub seq: SeqNo,
    /// From when on it counts as absent.
    pub expiry: Option<Timestamp>,
    /// Its key, 1 to 65,535 bytes.
    pub key: &'a [u8],
}

impl HintEntry<'_> {
    /// Length of the record with header and padding.
    #[must_use]
    pub fn record_len(&self) -> u64 {
        let key_len = u16::try_from(self.key.len()).unwrap_or(u16::MAX);
        record_len(key_len, self.value_len, self.expiry.is_some())
    }

    /// Where in the data file the record ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.record_len())
    }
}

/// Where the difference coding of a block stands: behind this offset, from this sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) end: u64,
    pub(super) seq: SeqNo,
}

impl Cursor {
    /// Appends one entry. `None`, appending nothing, if no reader would take it.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, entry: &HintEntry<'_>) -> Option<()> {
        let is_put = entry.kind.is_put();
        let key_len = u16::try_from(entry.key.len()).ok().filter(|&len| len != 0)?;
        let gap = entry.offset.checked_sub(self.end)?;
        let in_place = gap.is_multiple_of(4) && entry.offset < Location::OFFSET_LIMIT;
        if !in_place || !entry.kind.has_key() || (!is_put && (entry.value_len != 0 || entry.expiry.is_some())) {
            return None;
        }
        let mut tag = if is_put { RecordKind::Put as u8 } else { RecordKind::Delete as u8 };
        if entry.expiry.is_some() {
            tag |= TAG_EXPIRY;
        }
        if gap != 0 {
            tag |= TAG_GAP;
        }
        out.push(tag);
        if gap != 0 {
            varint::put(out, gap / 4);
        }
        varint::put(out, u64::from(key_len));
        if is_put {
            varint::put(out, u64::from(entry.value_len));
        }
        varint::put(out, varint::zigzag(entry.seq.0.wrapping_sub(self.seq.0)));
        if let Some(expiry) = entry.expiry {
            varint::put(out, expiry.0);
        }
        out.extend_from_slice(entry.key);
        *self = Cursor { end: entry.end(), seq: entry.seq };
        Some(())
    }

    fn take<'a>(&mut self, r: &mut Reader<'a>, first: bool, covered: u64) -> Result<HintEntry<'a>, HintError> {
        let bad = HintError::BadEntry;
        let tag = r.u8().ok_or(bad("tag"))?;
        let kind = match tag & KIND_MASK {
            1 => RecordKind::Put,
            2 => RecordKind::Delete,
            _ => return Err(bad("tag")),
        };
        let is_put = kind.is_put();
        let (has_expiry, has_gap) = (tag & TAG_EXPIRY != 0, tag & TAG_GAP != 0);
        if tag & !(KIND_MASK | TAG_EXPIRY | TAG_GAP) != 0 || (has_expiry && !is_put) || (has_gap && first) {
            return Err(bad("tag"));
        }
        let mut offset = self.end;
        if has_gap {
            let gap = varint::take(r).filter(|&gap| gap != 0).and_then(|gap| gap.checked_mul(4)).ok_or(bad("gap"))?;
            offset = offset.checked_add(gap).ok_or(bad("gap"))?;
        }
        let key_len = varint::take(r).and_then(|n| u16::try_from(n).ok()).filter(|&n| n != 0);
        let key_len = key_len.ok_or(bad("key length"))?;
        let mut value_len = 0;
        if is_put {
            value_len = varint::take(r).and_then(|n| u32::try_from(n).ok()).ok_or(bad("value length"))?;
        }
        let difference = varint::take(r).map(varint::unzigzag).ok_or(bad("seq"))?;
        let seq = SeqNo(self.seq.0.wrapping_add(difference));
        let expiry = match has_expiry {
            true => Some(Timestamp(varint::take(r).ok_or(bad("expiry"))?)),
            false => None,
        };
        let key = r.slice(usize::from(key_len)).ok_or(bad("key"))?;
        let entry = HintEntry { kind, offset, value_len, seq, expiry, key };
        if !(DATA_START..Location::OFFSET_LIMIT).contains(&offset) || entry.end() > covered {
            return Err(bad("place"));
        }
        *self = Cursor { end: entry.end(), seq };
        Ok(entry)
    }
}

/// The entries of one block, in file order. An error is the last item.
#[derive(Clone, Debug)]
pub struct HintEntries<'a> {
    pub(super) bytes: Reader<'a>,
    pub(super) left: u32,
    pub(super) first: bool,
    pub(super) cursor: Cursor,
    pub(super) covered: u64,
}

impl<'a> HintEntries<'a> {
    /// Where in the data file the last entry's record ends; where the block says the first begins if none was given yet.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.cursor.end
    }

    fn stop(&mut self) {
        self.bytes = Reader(&[]);
        self.left = 0;
    }
}

impl<'a> Iterator for HintEntries<'a> {
    type Item = Result<HintEntry<'a>, HintError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let over = !self.bytes.0.is_empty();
            self.stop();
            return over.then_some(Err(HintError::BadEntry("number of entries")));
        }
        let item = self.cursor.take(&mut self.bytes, self.first, self.covered);
        self.first = false;
        match item {
            Ok(_) => self.left -= 1,
            Err(_) => self.stop(),
        }
        Some(item)
    }
}
