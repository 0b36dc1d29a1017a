//! Decoding: the checks of FORMAT 3.3, in its order.

use std::fmt;
use std::ops::Range;

use crc32fast::Hasher;

use super::sums::{Sums, words};
use super::{ALIGN, Body, FLAG_EXPIRY, FLAG_SYNCED, HASHED_FROM, HEADER_LEN, MAX_HEADER_LEN, Placer, RecordKind};
use super::{finish_crc, record_len, unfinish_crc};
use crate::format::bytes::Reader;
use crate::types::{Location, SeqNo, Timestamp};

/// Why there is no valid record at a place. In the order in which it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invalid {
    /// Fewer bytes are left than a header takes.
    Short,
    /// The kind is 0, as in preallocated space.
    ZeroKind,
    /// The kind is none that this release knows.
    BadKind,
    /// A flag that is unknown, or that the kind does not allow.
    BadFlags,
    /// Lengths that the kind does not allow.
    BadLengths,
    /// No record of this kind may begin at this offset.
    BadPlace,
    /// The header's checksum is wrong.
    BadCheck,
    /// The header is right and the record goes on beyond the end of the file.
    Truncated,
    /// The header is right and the record's checksum is wrong.
    BadCrc,
    /// The checksum is right and the padding is not zero.
    BadPadding,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invalid::Short => "too few bytes for a record header",
            Invalid::ZeroKind => "zeros where a record should begin",
            Invalid::BadKind => "unknown record kind",
            Invalid::BadFlags => "record flags that are not allowed",
            Invalid::BadLengths => "record lengths that are not allowed",
            Invalid::BadPlace => "a record at an offset where none may begin",
            Invalid::BadCheck => "wrong checksum of a record header",
            Invalid::Truncated => "the record is cut off by the end of the file",
            Invalid::BadCrc => "wrong checksum of a record",
            Invalid::BadPadding => "record padding that is not zero",
        })
    }
}

/// A header whose `check` was right: lengths may be followed. Made by [`peek_header`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// The crc field; [`verify_body`] compares it.
    pub crc: u32,
    /// The check field.
    pub check: u16,
    /// What it is.
    pub kind: RecordKind,
    /// Length of the key in bytes; 0 for the kinds that have none.
    pub key_len: u16,
    /// Length of the value in bytes.
    pub value_len: u32,
    /// When it was written.
    pub timestamp: Timestamp,
    /// The commit's sequence number.
    pub seq: SeqNo,
    /// From when on it counts as absent.
    pub expiry: Option<Timestamp>,
    /// Every byte of the log before this record is on stable storage.
    pub synced: bool,
    /// H of FORMAT 3.2, which the crc depends on.
    pub(super) h: u32,
}

impl RecordHeader {
    /// Length of the header: 28, or 36 with expiry.
    #[must_use]
    pub fn header_len(&self) -> usize {
        if self.expiry.is_some() { MAX_HEADER_LEN } else { HEADER_LEN }
    }

    /// Length of the whole record, padding included.
    #[must_use]
    pub fn record_len(&self) -> u64 {
        record_len(self.key_len, self.value_len, self.expiry.is_some())
    }

    /// Where the key is, from the beginning of the record.
    #[must_use]
    pub fn key_range(&self) -> Range<u64> {
        let start = self.header_len() as u64;
        start..start + u64::from(self.key_len)
    }

    /// Where the value is, from the beginning of the record.
    #[must_use]
    pub fn value_range(&self) -> Range<u64> {
        let start = self.key_range().end;
        start..start + u64::from(self.value_len)
    }
}

impl RecordHeader {
    /// What sums up key, value and padding, by the checksum: without another look at them.
    ///
    /// REQUIRES: the record's checksum was compared.
    #[must_use]
    pub fn body(&self) -> Body {
        Body { key_len: self.key_len, value_len: self.value_len, crc: unfinish_crc(self.crc, self.h) }
    }
}

/// Checks and reads the header at the beginning of `bytes`.
///
/// `offset` is its place in the file, `remaining_in_file` the number of bytes from there to the file's end; `bytes`
/// are the first of these, and as many as there are up to 36.
#[inline]
pub fn peek_header(bytes: &[u8], placer: Placer, offset: u64, remaining_in_file: u64) -> Result<RecordHeader, Invalid> {
    let left = usize::try_from(remaining_in_file).unwrap_or(usize::MAX).min(bytes.len());
    let bytes = bytes.get(..left).unwrap_or(bytes);
    let header = parse(bytes, placer, offset)?;
    if header.record_len() > remaining_in_file {
        return Err(Invalid::Truncated);
    }
    Ok(header)
}

#[inline]
fn parse(bytes: &[u8], placer: Placer, offset: u64) -> Result<RecordHeader, Invalid> {
    let fixed: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(Invalid::Short)?;
    let raw = Raw::read(fixed).ok_or(Invalid::Short)?;
    if raw.kind == 0 {
        return Err(Invalid::ZeroKind);
    }
    let kind = RecordKind::from_code(raw.kind).ok_or(Invalid::BadKind)?;
    let has_expiry = raw.flags & FLAG_EXPIRY != 0;
    // COMPRESSED is among the unknown ones: a file that may hold it is refused for its required feature.
    if raw.flags & !(FLAG_EXPIRY | FLAG_SYNCED) != 0 || (has_expiry && !kind.is_put()) {
        return Err(Invalid::BadFlags);
    }
    if !kind.allows(raw.key_len, raw.value_len) {
        return Err(Invalid::BadLengths);
    }
    if !offset.is_multiple_of(ALIGN) || (kind.has_key() && offset >= Location::OFFSET_LIMIT) {
        return Err(Invalid::BadPlace);
    }
    let header_len = if has_expiry { MAX_HEADER_LEN } else { HEADER_LEN };
    let hashed = bytes.get(HASHED_FROM..header_len).ok_or(Invalid::Short)?;
    let expiry = match has_expiry {
        true => Some(Timestamp(Reader(bytes.get(HEADER_LEN..).unwrap_or_default()).u64().ok_or(Invalid::Short)?)),
        false => None,
    };
    let h = placer.hash(offset, hashed);
    if h as u16 != raw.check {
        return Err(Invalid::BadCheck);
    }
    Ok(RecordHeader {
        crc: raw.crc,
        check: raw.check,
        kind,
        key_len: raw.key_len,
        value_len: raw.value_len,
        timestamp: Timestamp(raw.timestamp),
        seq: SeqNo(raw.seq),
        expiry,
        synced: raw.flags & FLAG_SYNCED != 0,
        h,
    })
}

/// The fields as they stand there, believed by nobody yet.
struct Raw {
    crc: u32,
    check: u16,
    kind: u8,
    flags: u8,
    key_len: u16,
    value_len: u32,
    timestamp: u64,
    seq: u64,
}

impl Raw {
    fn read(bytes: &[u8; HEADER_LEN]) -> Option<Raw> {
        let mut r = Reader(bytes);
        Some(Raw {
            crc: r.u32()?,
            check: r.u16()?,
            kind: r.u8()?,
            flags: r.u8()?,
            key_len: r.u16()?,
            value_len: r.u32()?,
            timestamp: r.u48()?,
            seq: r.u64()?,
        })
    }
}

/// Checks key, value and padding of the record whose header was peeked. `record` begins with that header; bytes behind
/// the record are ignored.
///
/// Gives what is needed to write the same key and value elsewhere without hashing them again.
pub fn verify_body(header: &RecordHeader, record: &[u8]) -> Result<Body, Invalid> {
    let end = usize::try_from(header.record_len()).map_err(|_| Invalid::Truncated)?;
    let body = record.get(header.header_len()..end).ok_or(Invalid::Truncated)?;
    let mut hasher = BodyHasher::new(header);
    hasher.update(body);
    hasher.finish()
}

/// As [`verify_body`], for who wants the verdict alone: one pass, one hasher.
#[inline]
pub fn check_body(header: &RecordHeader, record: &[u8]) -> Result<(), Invalid> {
    let end = usize::try_from(header.record_len()).map_err(|_| Invalid::Truncated)?;
    let body = record.get(header.header_len()..end).ok_or(Invalid::Truncated)?;
    // The CRC of the body goes on over H, as `finish_crc` has it.
    let mut hasher = Hasher::new();
    hasher.update(body);
    hasher.update(&header.h.to_le_bytes());
    if hasher.finalize() != header.crc {
        return Err(Invalid::BadCrc);
    }
    let content = usize::from(header.key_len) + header.value_len as usize;
    if body.get(content..).is_some_and(|padding| padding.iter().any(|&b| b != 0)) {
        return Err(Invalid::BadPadding);
    }
    Ok(())
}

/// What a reader of a put wants of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brief {
    /// What it is.
    pub kind: RecordKind,
    /// Length of the key in bytes.
    pub key_len: u16,
    /// Length of the value in bytes.
    pub value_len: u32,
    /// From when on it counts as absent.
    pub expiry: Option<Timestamp>,
}

impl Brief {
    /// Where the key is, from the beginning of the record.
    #[must_use]
    #[inline]
    pub fn key_range(&self) -> Range<usize> {
        let start = if self.expiry.is_some() { MAX_HEADER_LEN } else { HEADER_LEN };
        start..start + usize::from(self.key_len)
    }

    /// Where the value is, from the beginning of the record.
    #[must_use]
    #[inline]
    pub fn value_range(&self) -> Range<usize> {
        let start = self.key_range().end;
        start..start.saturating_add(usize::try_from(self.value_len).unwrap_or(usize::MAX))
    }
}

impl From<&RecordHeader> for Brief {
    fn from(header: &RecordHeader) -> Brief {
        let RecordHeader { kind, key_len, value_len, expiry, .. } = *header;
        Brief { kind, key_len, value_len, expiry }
    }
}

/// When a record was written, of one whose header is known to be valid.
#[inline]
#[must_use]
pub fn timestamp_of(record: &[u8]) -> Timestamp {
    /// Where the field is: 48 bits.
    const AT: usize = 14;
    let field = record.get(AT..).and_then(|field| field.first_chunk()).copied().unwrap_or_default();
    let [t0, t1, t2, t3, t4, t5] = field;
    Timestamp(u64::from_le_bytes([t0, t1, t2, t3, t4, t5, 0, 0]))
}

/// [`peek_header`] and, with `verify`, [`check_body`] for who reads puts by the million: whether `record` begins with a valid put that
/// lies in it as a whole. `None` is no verdict: those two tell what it is instead.
///
/// Everything is taken from where it lies. Bytes that were put together first and then read at once would have the processor wait until all
/// before them is done, and with it for the memory of the records before. For the same reason what nearly all records are is made a part of the
/// caller's loop, where the answer comes in registers.
#[inline(always)]
#[must_use]
pub fn check_put(record: &[u8], placer: Placer, offset: u64, verify: bool) -> Option<Brief> {
    if verify && let Some(brief) = check_plain_put(record, placer, offset) {
        return Some(brief);
    }
    check_put_with_h(record, placer, offset, verify).map(|(brief, ..)| brief)
}

/// What the header of a put at `offset` says, but for its flags and what they stand for.
#[inline(always)]
fn begin_put(record: &[u8], offset: u64) -> Option<(Fixed, Brief)> {
    let fixed = Fixed::load(record.first_chunk()?);
    let kind = match fixed.kind() {
        1 => RecordKind::Put,
        3 => RecordKind::BatchPut,
        _ => return None,
    };
    let brief = Brief { kind, key_len: fixed.key_len(), value_len: fixed.value_len(), expiry: None };
    let is_place = offset.is_multiple_of(ALIGN) && offset < Location::OFFSET_LIMIT;
    (brief.key_len != 0 && is_place).then_some((fixed, brief))
}

/// All of a record, if it is there, and its padding as a number.
#[inline(always)]
fn whole_put<'a>(record: &'a [u8], brief: &Brief) -> Option<(&'a [u8], u64)> {
    let content = brief.value_range().end;
    let end = content.checked_next_multiple_of(ALIGN as usize)?;
    let whole = record.get(..end)?;
    // What stands behind the content in the last four bytes, of which there are at least one of content.
    Some((whole, u64::from(u32::from_le_bytes(*whole.last_chunk()?)) >> (32 - 8 * (end - content))))
}

/// [`check_put`] of a whole put that never ends, by a processor that has the instructions.
#[inline(always)]
fn check_plain_put(record: &[u8], placer: Placer, offset: u64) -> Option<Brief> {
    let (fixed, brief) = begin_put(record, offset)?;
    if fixed.flags() & !FLAG_SYNCED != 0 {
        return None;
    }
    let (whole, padding) = whole_put(record, &brief)?;
    let sums = Sums::of_all(placer.state, offset, whole)?;
    (sums.h as u16 == fixed.check() && sums.crc == fixed.crc && padding == 0).then_some(brief)
}

/// [`check_put`] of the whole record, for who wants all that its header says.
#[inline]
#[must_use]
pub fn check_whole_put(record: &[u8], placer: Placer, offset: u64) -> Option<RecordHeader> {
    let (Brief { kind, key_len, value_len, expiry }, fixed, h) = check_put_with_h(record, placer, offset, true)?;
    let synced = fixed.flags() & FLAG_SYNCED != 0;
    let (crc, check, timestamp, seq) = (fixed.crc, fixed.check(), fixed.timestamp(), fixed.seq());
    Some(RecordHeader { crc, check, kind, key_len, value_len, timestamp, seq, expiry, synced, h })
}

/// The part of a header that each has, loaded once: a byte that changes in a mapping meanwhile is no other to the sum than to who reads the field.
#[derive(Clone, Copy)]
struct Fixed {
    crc: u32,
    /// What stands behind it.
    words: [u64; 3],
}

impl Fixed {
    #[inline]
    fn load(bytes: &[u8; HEADER_LEN]) -> Fixed {
        let crc = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Fixed { crc, words: words(bytes) }
    }

    #[inline]
    fn check(&self) -> u16 {
        self.words[0] as u16
    }

    #[inline]
    fn kind(&self) -> u8 {
        (self.words[0] >> 16) as u8
    }

    #[inline]
    fn flags(&self) -> u8 {
        (self.words[0] >> 24) as u8
    }

    #[inline]
    fn key_len(&self) -> u16 {
        (self.words[0] >> 32) as u16
    }

    #[inline]
    fn value_len(&self) -> u32 {
        (self.words[0] >> 48) as u32 | ((self.words[1] as u32) << 16)
    }

    #[inline]
    fn timestamp(&self) -> Timestamp {
        Timestamp(self.words[1] >> 16)
    }

    #[inline]
    fn seq(&self) -> SeqNo {
        SeqNo(self.words[2])
    }
}

#[inline]
fn check_put_with_h(record: &[u8], placer: Placer, offset: u64, verify: bool) -> Option<(Brief, Fixed, u32)> {
    let (fixed, mut brief) = begin_put(record, offset)?;
    brief.expiry = match fixed.flags() & !FLAG_SYNCED {
        0 => None,
        FLAG_EXPIRY => Some(Timestamp(u64::from_le_bytes(*record.get(HEADER_LEN..)?.first_chunk()?))),
        _ => return None,
    };
    let (record, padding) = whole_put(record, &brief)?;
    let sums =
        if verify && brief.expiry.is_none() { Sums::of(placer.state, offset, fixed.words, record) } else { None };
    let (h, crc) = match sums {
        Some(sums) => (sums.h, Some(sums.crc)),
        None => {
            let (header, body) = record.split_at(brief.key_range().start);
            match verify {
                true => general_sums(&fixed, brief.expiry, body, placer, offset),
                // For who reads nothing of the header but what a brief has.
                false => (general_h(header, placer, offset), None),
            }
        }
    };
    let is_right = h as u16 == fixed.check() && crc.is_none_or(|crc| crc == fixed.crc) && (padding == 0 || !verify);
    is_right.then_some((brief, fixed, h))
}

/// H, of any header, where it lies.
fn general_h(header: &[u8], placer: Placer, offset: u64) -> u32 {
    let mut hasher = placer.hasher();
    hasher.update(&offset.to_le_bytes());
    hasher.update(header.get(HASHED_FROM..).unwrap_or_default());
    hasher.finalize()
}

/// H and crc, of any header as it was loaded.
fn general_sums(
    fixed: &Fixed,
    expiry: Option<Timestamp>,
    body: &[u8],
    placer: Placer,
    offset: u64,
) -> (u32, Option<u32>) {
    let mut hasher = placer.hasher();
    hasher.update(&offset.to_le_bytes());
    let [first, second, third] = fixed.words.map(u64::to_le_bytes);
    // Behind `check`.
    hasher.update(&first[2..]);
    hasher.update(&second);
    hasher.update(&third);
    if let Some(at) = expiry {
        hasher.update(&at.0.to_le_bytes());
    }
    let h = hasher.clone().finalize();
    hasher.reset();
    hasher.update(body);
    hasher.update(&h.to_le_bytes());
    (h, Some(hasher.finalize()))
}

/// [`verify_body`] for a record that is read in pieces.
#[derive(Clone, Debug)]
pub struct BodyHasher {
    header: RecordHeader,
    hasher: Hasher,
    /// Bytes of key and value that have not been seen.
    content: u64,
    /// Bytes of padding that have not been seen.
    padding: u64,
    padding_zero: bool,
}

impl BodyHasher {
    /// For the record with this header.
    #[must_use]
    pub fn new(header: &RecordHeader) -> BodyHasher {
        let content = u64::from(header.key_len) + u64::from(header.value_len);
        BodyHasher {
            header: *header,
            hasher: Hasher::new(),
            content,
            padding: content.next_multiple_of(ALIGN) - content,
            padding_zero: true,
        }
    }

    /// How many bytes are still to be fed.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.content + self.padding
    }

    /// Takes the next bytes of key, value and padding; what goes beyond them is ignored.
    pub fn update(&mut self, piece: &[u8]) {
        let (content, rest) = piece.split_at(fitting(self.content, piece));
        let padding = &rest[..fitting(self.padding, rest)];
        self.hasher.update(content);
        self.hasher.update(padding);
        self.padding_zero &= padding.iter().all(|&b| b == 0);
        self.content -= content.len() as u64;
        self.padding -= padding.len() as u64;
    }

    /// The verdict, once everything was fed; [`Invalid::Truncated`] if something is missing.
    pub fn finish(self) -> Result<Body, Invalid> {
        if self.missing() != 0 {
            return Err(Invalid::Truncated);
        }
        let RecordHeader { key_len, value_len, crc, h, .. } = self.header;
        let body = Body { key_len, value_len, crc: self.hasher.finalize() };
        if finish_crc(body.crc, h) != crc {
            return Err(Invalid::BadCrc);
        }
        if !self.padding_zero {
            return Err(Invalid::BadPadding);
        }
        Ok(body)
    }
}

/// How much of `piece` is among the next `wanted` bytes.
fn fitting(wanted: u64, piece: &[u8]) -> usize {
    usize::try_from(wanted).unwrap_or(usize::MAX).min(piece.len())
}

/// A valid record, borrowed from the bytes that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its header.
    pub header: RecordHeader,
    /// Its key; empty for the kinds that have none.
    pub key: &'a [u8],
    /// Its value, without padding.
    pub value: &'a [u8],
}

/// Both steps at once, on bytes that hold the whole record, up to the end of the file or less.
pub fn decode_record(bytes: &[u8], placer: Placer, offset: u64) -> Result<Record<'_>, Invalid> {
    let header = peek_header(bytes, placer, offset, bytes.len() as u64)?;
    verify_body(&header, bytes)?;
    let mut r = Reader(bytes.get(header.header_len()..).unwrap_or_default());
    let key = r.slice(usize::from(header.key_len)).ok_or(Invalid::Truncated)?;
    let value_len = usize::try_from(header.value_len).map_err(|_| Invalid::Truncated)?;
    let value = r.slice(value_len).ok_or(Invalid::Truncated)?;
    Ok(Record { header, key, value })
}
