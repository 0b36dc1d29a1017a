//! Encoding, in two steps: [`Body`] costs a pass over key and value and needs neither number nor place, so that
//! writers compute it before they queue; [`encode_header`] hashes some 40 bytes and is done in the queue's order.

use crc32fast::Hasher;

use super::sums::{self, Sums};
use super::{
    FLAG_EXPIRY, FLAG_SYNCED, HASHED_FROM, HEADER_LEN, MAX_HEADER_LEN, Placer, RecordKind, finish_crc, header_len,
    padding, record_len,
};
use crate::format::bytes::Writer;
use crate::types::{SeqNo, Timestamp};

/// Lengths of a key and a value, and the CRC over both and their padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// Length of the key in bytes.
    pub key_len: u16,
    /// Length of the value in bytes.
    pub value_len: u32,
    /// CRC32 of key, value and padding.
    pub crc: u32,
}

impl Body {
    /// Hashes. `None` if the key or the value is longer than a record can hold. The key is empty for the kinds
    /// that have none.
    #[must_use]
    pub fn new(key: &[u8], value: &[u8]) -> Option<Body> {
        let key_len = u16::try_from(key.len()).ok()?;
        let value_len = u32::try_from(value.len()).ok()?;
        let mut hasher = Hasher::new();
        hasher.update(key);
        hasher.update(value);
        hasher.update(padding(key_len, value_len));
        Some(Body { key_len, value_len, crc: hasher.finalize() })
    }

    /// The zeros to be written behind the value.
    #[must_use]
    pub fn padding(&self) -> &'static [u8] {
        padding(self.key_len, self.value_len)
    }

    /// Length of the whole record, header and padding included.
    #[must_use]
    pub fn record_len(&self, has_expiry: bool) -> u64 {
        record_len(self.key_len, self.value_len, has_expiry)
    }
}

/// Appends key, value and padding behind room for the record's header, and sums them up in one piece, from where they lie now: a checksum of three
/// pieces costs twice as much. `None`, and nothing is appended, if key or value is too long.
pub fn encode_body(out: &mut Vec<u8>, has_expiry: bool, key: &[u8], value: &[u8]) -> Option<Body> {
    let (key_len, value_len) = (u16::try_from(key.len()).ok()?, u32::try_from(value.len()).ok()?);
    out.extend_from_slice(&[0; MAX_HEADER_LEN][..header_len(has_expiry)]);
    let begin = out.len();
    for part in [key, value, padding(key_len, value_len)] {
        out.extend_from_slice(part);
    }
    let content = &out[begin..];
    let crc = sums::body_sum(content).unwrap_or_else(|| crc32fast::hash(content));
    Some(Body { key_len, value_len, crc })
}

/// What a record's header says beyond its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordFields {
    /// What it is.
    pub kind: RecordKind,
    /// The commit's sequence number.
    pub seq: SeqNo,
    /// When it was written. Later than [`Timestamp::MAX`] is stored as that.
    pub timestamp: Timestamp,
    /// From when on it counts as absent. Puts of both sorts only.
    pub expiry: Option<Timestamp>,
    /// Every byte of the log before this record is on stable storage.
    pub synced: bool,
}

/// An encoded header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderBytes {
    buf: [u8; MAX_HEADER_LEN],
    len: usize,
    crc: u32,
}

impl HeaderBytes {
    /// The bytes: 28, or 36 with expiry.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.buf[..self.len]
    }

    /// The record's crc field, which the batch digest is made of.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.crc
    }
}

/// The header of a record at its place.
///
/// The caller sees to it that the kind allows the lengths and the expiry; a record that it doesn't allow is invalid
/// to every reader.
#[must_use]
pub fn encode_header(fields: &RecordFields, body: &Body, placer: Placer, offset: u64) -> HeaderBytes {
    debug_assert!(fields.kind.allows(body.key_len, body.value_len), "{fields:?} {body:?}");
    debug_assert!(fields.expiry.is_none() || fields.kind.is_put(), "{fields:?}");
    let mut flags = 0_u64;
    if fields.expiry.is_some() {
        flags |= u64::from(FLAG_EXPIRY);
    }
    if fields.synced {
        flags |= u64::from(FLAG_SYNCED);
    }
    let (key_len, value_len) = (u64::from(body.key_len), u64::from(body.value_len));
    let (kind, time) = (u64::from(fields.kind as u8), fields.timestamp.min(Timestamp::MAX).0);
    // Behind the crc. In words: what was put into memory in pieces is waited for when it is summed up.
    let mut words =
        [kind << 16 | flags << 24 | key_len << 32 | value_len << 48, value_len >> 16 | time << 16, fields.seq.0];
    let fast = if fields.expiry.is_none() { Sums::of_header(placer.state, offset, words, body.crc) } else { None };
    let Sums { h, crc } = fast.unwrap_or_else(|| {
        let (buf, len) = header_bytes(0, words, fields.expiry);
        let h = placer.hash(offset, &buf[HASHED_FROM..len]);
        Sums { h, crc: finish_crc(body.crc, h) }
    });
    words[0] |= u64::from(h as u16);
    let (buf, len) = header_bytes(crc, words, fields.expiry);
    HeaderBytes { buf, len, crc }
}

/// A header and its length.
fn header_bytes(crc: u32, words: [u64; 3], expiry: Option<Timestamp>) -> ([u8; MAX_HEADER_LEN], usize) {
    let mut buf = [0; MAX_HEADER_LEN];
    let mut w = Writer::new(&mut buf);
    w.put(&crc.to_le_bytes());
    for word in words {
        w.put(&word.to_le_bytes());
    }
    debug_assert_eq!(w.len(), HEADER_LEN);
    if let Some(expiry) = expiry {
        w.put(&expiry.0.to_le_bytes());
    }
    let len = w.len();
    (buf, len)
}

/// Appends a whole record: header, key, value and padding. Gives its crc field, or `None` (and appends nothing) if key
/// or value is too long.
pub fn encode_record(
    out: &mut Vec<u8>,
    fields: &RecordFields,
    key: &[u8],
    value: &[u8],
    placer: Placer,
    offset: u64,
) -> Option<u32> {
    let body = Body::new(key, value)?;
    let header = encode_header(fields, &body, placer, offset);
    for part in [header.as_slice(), key, value, body.padding()] {
        out.extend_from_slice(part);
    }
    Some(header.crc())
}
