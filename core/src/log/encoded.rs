//! One commit as bytes, ready but for what the log alone knows: numbers and places.
//!
//! Callers encode before they queue: keys and values are copied and hashed outside of any lock. The leader then fills in
//! the headers ([`Encoded::place`]), a few dozen nanoseconds a record.

use crate::format::payload::{BatchDigest, COMMIT_LEN};
use crate::format::record::{Body, HEADER_LEN, RecordFields, RecordKind, encode_body, encode_header, header_len};
use crate::types::{Location, SeqNo, Timestamp};
use crate::util::few::Few;

use super::data_file::DataFile;

/// A put or delete within [`Encoded`].
#[derive(Clone, Copy, Debug)]
struct Span {
    /// Where its header begins in the bytes.
    start: usize,
    is_put: bool,
    has_expiry: bool,
    /// Without an expiry the end of time. No option: the least of several is found by comparing all, and what an option without contents has there is
    /// nothing that a checker of memory lets pass.
    expires_at: Timestamp,
    body: Body,
    /// Set when it is placed.
    location: Option<Location>,
}

impl Span {
    fn len(&self) -> usize {
        self.body.record_len(self.has_expiry) as usize
    }

    fn header_len(&self) -> usize {
        header_len(self.has_expiry)
    }

    fn expiry(&self) -> Option<Timestamp> {
        self.has_expiry.then_some(self.expires_at)
    }
}

/// The records of one commit, headers not filled in.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    spans: Few<Span>,
    is_batch: bool,
    has_deletes: bool,
    /// One of the records has an expiry.
    expires: bool,
    /// The time that its records say, once they are placed: the earliest.
    written_at: Option<Timestamp>,
}

/// One record of a placed commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) is_put: bool,
    pub(crate) value_len: u32,
    pub(crate) offset: u64,
    pub(crate) expiry: Option<Timestamp>,
}

impl AsMut<Encoded> for Encoded {
    fn as_mut(&mut self) -> &mut Encoded {
        self
    }
}

impl Encoded {
    /// A single put, or with `None` a delete.
    pub(crate) fn single(key: &[u8], value: Option<&[u8]>) -> Option<Encoded> {
        Encoded::single_until(key, value, None)
    }

    /// The same of a put that expires.
    pub(crate) fn single_until(key: &[u8], value: Option<&[u8]>, expiry: Option<Timestamp>) -> Option<Encoded> {
        let mut commit = Encoded::default();
        let len = header_len(expiry.is_some()) + key.len() + value.map_or(0, <[u8]>::len) + 3;
        commit.bytes.reserve_exact(len);
        commit.push_until(key, value, expiry)?;
        Some(commit)
    }

    /// A batch, without its records yet. `content` is about how many bytes of keys and values will come.
    pub(crate) fn batch(records: usize, content: u64) -> Encoded {
        let mut commit = Encoded { is_batch: true, ..Encoded::default() };
        let content = usize::try_from(content).unwrap_or(0);
        commit.bytes.reserve(content.saturating_add(records * (HEADER_LEN + 3) + HEADER_LEN + COMMIT_LEN));
        commit.spans.reserve(records);
        commit
    }

    /// Adds a record. `None` if key or value is too long.
    pub(crate) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Option<()> {
        self.push_until(key, value, None)
    }

    /// The same of a put that expires. A delete does not.
    pub(crate) fn push_until(&mut self, key: &[u8], value: Option<&[u8]>, expiry: Option<Timestamp>) -> Option<()> {
        let expiry = expiry.filter(|_| value.is_some());
        let start = self.bytes.len();
        let body = encode_body(&mut self.bytes, expiry.is_some(), key, value.unwrap_or_default())?;
        self.has_deletes |= value.is_none();
        let (has_expiry, expires_at) = (expiry.is_some(), expiry.unwrap_or(Timestamp(u64::MAX)));
        self.spans.push(Span { start, is_put: value.is_some(), has_expiry, expires_at, body, location: None });
        self.expires |= expiry.is_some();
        Some(())
    }

    /// Number of puts and deletes.
    pub(crate) fn count(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn is_batch(&self) -> bool {
        self.is_batch
    }

    /// Bytes that the commit takes in the log: none if it has no records.
    pub(crate) fn log_len(&self) -> u64 {
        let commit = if self.is_batch && !self.spans.is_empty() { (HEADER_LEN + COMMIT_LEN) as u64 } else { 0 };
        self.content_len() as u64 + commit
    }

    pub(crate) fn has_deletes(&self) -> bool {
        self.has_deletes
    }

    /// Key of each record, and whether it is a put.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (&[u8], bool)> {
        self.spans.iter().map(|span| (self.key(span), span.is_put))
    }

    /// Key of each record, and where it was placed if it is a put.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&[u8], Option<Location>)> {
        self.spans.iter().map(|span| (self.key(span), span.location.filter(|_| span.is_put)))
    }

    /// When it was written, of a commit that was placed.
    pub(crate) fn written_at(&self) -> Option<Timestamp> {
        self.written_at
    }

    /// The earliest expiry of its records.
    pub(crate) fn first_expiry(&self) -> Option<Timestamp> {
        let expiring = self.spans.iter().filter(|span| span.has_expiry);
        if self.expires { expiring.map(|span| span.expires_at).min() } else { None }
    }

    /// Key, value and expiry of each record; no value for deletes.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8], Option<Timestamp>)> {
        self.spans.iter().map(|span| {
            let key = self.key(span);
            let start = span.start + span.header_len() + key.len();
            (key, &self.bytes[start..start + span.body.value_len as usize], span.expiry())
        })
    }

    /// Each record that was placed: where, its whole length, whether it is a put, and its expiry.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Option<Location>, u64, bool, Option<Timestamp>)> {
        self.spans.iter().map(|span| (span.location, span.len() as u64, span.is_put, span.expiry()))
    }

    /// Drops the records at which `keep` is false.
    pub(crate) fn retain(&mut self, keep: &[bool]) {
        let Encoded { is_batch, has_deletes, expires, .. } = *self;
        let mut kept = Encoded { is_batch, has_deletes, expires, ..Encoded::default() };
        for (span, _) in self.spans.iter().zip(keep).filter(|(_, keep)| **keep) {
            let start = kept.bytes.len();
            kept.bytes.extend_from_slice(&self.bytes[span.start..span.start + span.len()]);
            kept.spans.push(Span { start, ..*span });
        }
        *self = kept;
    }

    /// How many records, from the first on, fit into `room` bytes of log, a commit record not counted.
    pub(crate) fn count_fitting(&self, room: u64) -> usize {
        self.spans.iter().take_while(|span| (span.start + span.len()) as u64 <= room).count()
    }

    /// Splits off the records from the one at `at` on.
    pub(crate) fn split_off(&mut self, at: usize) -> Encoded {
        let start = self.spans.get(at).map_or(self.content_len(), |span| span.start);
        let bytes = self.bytes.split_off(start);
        let spans = self.spans.split_off(at.min(self.spans.len()));
        let spans = spans.into_iter().map(|span| Span { start: span.start - start, ..span }).collect();
        let Encoded { is_batch, has_deletes, expires, .. } = *self;
        Encoded { bytes, spans, is_batch, has_deletes, expires, written_at: None }
    }

    /// Takes back what was split off.
    pub(crate) fn absorb(&mut self, other: &Encoded) {
        let shift = self.content_len();
        self.written_at = [self.written_at, other.written_at].into_iter().flatten().min();
        self.bytes.truncate(shift);
        self.bytes.extend_from_slice(&other.bytes[..other.content_len()]);
        self.spans.extend(other.spans.iter().map(|span| Span { start: span.start + shift, ..*span }));
    }

    /// Bytes of the puts and deletes.
    fn content_len(&self) -> usize {
        self.spans.last().map_or(0, |span| span.start + span.len())
    }

    /// Fills in the headers for the place that the commit gets, and gives its bytes. The records are added to `digest`; with `last` a batch's
    /// commit record is appended.
    pub(crate) fn place(&mut self, at: Place<'_>, digest: &mut BatchDigest, last: bool) -> &[u8] {
        // A second attempt places anew.
        self.bytes.truncate(self.content_len());
        self.written_at = Some(at.timestamp);
        let kinds = match self.is_batch {
            false => (RecordKind::Put, RecordKind::Delete),
            true => (RecordKind::BatchPut, RecordKind::BatchDelete),
        };
        for (i, span) in self.spans.iter_mut().enumerate() {
            let fields = RecordFields {
                kind: if span.is_put { kinds.0 } else { kinds.1 },
                seq: at.seq,
                timestamp: at.timestamp,
                expiry: span.expiry(),
                synced: at.synced && i == 0,
            };
            let header = encode_header(&fields, &span.body, at.file.placer(), at.offset + span.start as u64);
            self.bytes[span.start..span.start + span.header_len()].copy_from_slice(header.as_slice());
            span.location = Location::new(at.file.id(), at.offset + span.start as u64, span.len() as u64);
            if self.is_batch {
                digest.push(header.crc());
            }
        }
        if self.is_batch && last {
            let synced = at.synced && self.spans.is_empty();
            let offset = at.offset + self.bytes.len() as u64;
            let payload = digest.commit().encode();
            marker(&mut self.bytes, RecordKind::BatchCommit, &payload, &Place { offset, synced, ..at });
        }
        &self.bytes
    }

    /// The records of a commit that was placed at `offset`.
    pub(crate) fn placed(&self, offset: u64) -> impl Iterator<Item = Placed<'_>> {
        self.spans.iter().map(move |span| Placed {
            key: self.key(span),
            is_put: span.is_put,
            value_len: span.body.value_len,
            offset: offset + span.start as u64,
            expiry: span.expiry(),
        })
    }

    /// Where the last record begins, of a commit that was placed: a batch's commit record if it has it.
    pub(crate) fn last_start(&self) -> Option<usize> {
        let content = self.content_len();
        if self.bytes.len() > content { Some(content) } else { self.spans.last().map(|span| span.start) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn key(&self, span: &Span) -> &[u8] {
        let start = span.start + span.header_len();
        &self.bytes[start..start + usize::from(span.body.key_len)]
    }
}

/// Where and when a commit is placed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a DataFile,
    pub(crate) offset: u64,
    pub(crate) seq: SeqNo,
    pub(crate) timestamp: Timestamp,
    /// Everything in the log before the offset is on stable storage.
    pub(crate) synced: bool,
}

/// Appends a record without key: a batch commit, a sync mark, a seal.
pub(crate) fn marker(out: &mut Vec<u8>, kind: RecordKind, payload: &[u8], at: &Place<'_>) {
    let fields = RecordFields { kind, seq: at.seq, timestamp: at.timestamp, expiry: None, synced: at.synced };
    // Payloads are a few bytes; `None` would need one beyond 4 GiB.
    let _ = crate::format::record::encode_record(out, &fields, &[], payload, at.file.placer(), at.offset);
}
