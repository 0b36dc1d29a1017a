//! Encoding, in two steps: [`Body`] costs a pass over key and value and needs neither number nor place, so that
//! writers compute it before they queue; [`encode_header`] hashes some 40 bytes and is done in the queue's order.

use crc32fast::Hasher;

use super::{
    FLAG_EXPIRY, FLAG_SYNCED, HASHED_FROM, HEADER_LEN, MAX_HEADER_LEN, Placer, RecordKind, finish_crc, padding,
    record_len,
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

    /// The same of what is to be written: key, value and [`padding`](Body::padding), in one piece. Only the lengths can be too long.
    #[must_use]
    pub fn of_content(key_len: usize, value_len: usize, content: &[u8]) -> Option<Body> {
        let (key_len, value_len) = (u16::try_from(key_len).ok()?, u32::try_from(value_len).ok()?);
        debug_assert_eq!(content.len(), usize::from(key_len) + value_len as usize + padding(key_len, value_len).len());
        Some(Body { key_len, value_len, crc: crc32fast::hash(content) })
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
    let mut flags = 0;
    if fields.expiry.is_some() {
        flags |= FLAG_EXPIRY;
    }
    if fields.synced {
        flags |= FLAG_SYNCED;
    }
    let [t0, t1, t2, t3, t4, t5, ..] = fields.timestamp.min(Timestamp::MAX).0.to_le_bytes();
    let mut buf = [0; MAX_HEADER_LEN];
    let mut w = Writer::new(&mut buf);
    w.put(&[0; HASHED_FROM])
        .put(&[fields.kind as u8, flags])
        .put(&body.key_len.to_le_bytes())
        .put(&body.value_len.to_le_bytes())
        .put(&[t0, t1, t2, t3, t4, t5])
        .put(&fields.seq.0.to_le_bytes());
    debug_assert_eq!(w.len(), HEADER_LEN);
    if let Some(expiry) = fields.expiry {
        w.put(&expiry.0.to_le_bytes());
    }
    let len = w.len();
    let h = placer.hash(offset, &buf[HASHED_FROM..len]);
    let crc = finish_crc(body.crc, h);
    Writer::new(&mut buf).put(&crc.to_le_bytes()).put(&(h as u16).to_le_bytes());
    HeaderBytes { buf, len, crc }
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
