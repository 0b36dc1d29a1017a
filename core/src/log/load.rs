//! A large load before it is part of the log: one batch in files of its own, under temporary names.
//!
//! Other writers go on meanwhile. All of the batch's bytes have their final form as soon as they are written: its sequence number is
//! claimed ahead, greater than what others will use till it is done, and no checksum of a record depends on a file's number. What is missing are the
//! files' headers, which say where in the log the files stand; [`LogWriter::install`](super::LogWriter::install) writes them and gives the files their names.
//!
//! Invariants:
//! 1. Of a file nobody but the load knows: its headers are zeros, and opening removes what has such a name.
//! 2. All parts but the last are sealed and on stable storage; after [`Load::complete`] the last is too, and ends with the commit record.
//! 3. After an error the load is good for nothing but [`Load::remove`] or [`Load::leave`].

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, DataHeader};
use crate::format::hint::HintEntry;
use crate::format::payload::{BatchDigest, Seal};
use crate::format::record::{
    self, Body, MAX_HEADER_LEN, Placer, RecordFields, RecordHeader, RecordKind, encode_body, encode_header,
    encode_record,
};
use crate::types::{FileId, Location, SeqNo, Timestamp};
use crate::vfs::{Vfs, VfsFile, read_full_at, write_all_at};

use super::hint_file::HintWriter;

/// Bytes are written when so many have come together.
const WRITE_LEN: usize = 1 << 20;

/// And the disk begins with them when so many have been written: what a sync waits for in the end is short then.
const START_LEN: u64 = 8 << 20;

/// One file of a load.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: Arc<dyn VfsFile>,
    /// Its name till it is installed.
    pub(super) temp: PathBuf,
    /// Without its place in the log.
    pub(super) header: DataHeader,
    pub(super) hint: Option<HintWriter>,
    /// Where its records end, those that are not written yet among them.
    pub(super) end: u64,
    /// Summary of its records.
    pub(super) seal: Seal,
    /// Where its last record begins.
    pub(super) last_record: u64,
    /// The disk has begun with what is before this.
    started: u64,
    placer: Placer,
}

impl Part {
    pub(super) fn new(file: Arc<dyn VfsFile>, temp: PathBuf, header: DataHeader, hint: HintWriter) -> Part {
        Part {
            file,
            temp,
            hint: Some(hint),
            end: DATA_START,
            seal: Seal::default(),
            last_record: 0,
            started: DATA_START,
            placer: Placer::new(header.nonce),
            header,
        }
    }

    pub(super) fn failed(&self, op: &'static str, offset: Option<u64>, source: std::io::Error) -> Error {
        Error::io(op, &self.temp, offset, source)
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| self.failed("sync", None, e))
    }
}

/// The load.
#[derive(Debug)]
pub(crate) struct Load {
    pub(super) seq: SeqNo,
    timestamp: Timestamp,
    max_file_size: u64,
    digest: BatchDigest,
    pub(super) parts: Vec<Part>,
    /// Bytes of the last part that are not written yet.
    buf: Vec<u8>,
    first_expiry: Option<Timestamp>,
}

impl Load {
    pub(super) fn new(seq: SeqNo, timestamp: Timestamp, max_file_size: u64) -> Load {
        let (digest, parts, buf, first_expiry) = (BatchDigest::new(), Vec::new(), Vec::new(), None);
        Load { seq, timestamp, max_file_size, digest, parts, buf, first_expiry }
    }

    /// The number of the commit that it is to be.
    pub(crate) fn seq(&self) -> SeqNo {
        self.seq
    }

    /// The earliest expiry of its records.
    pub(crate) fn first_expiry(&self) -> Option<Timestamp> {
        self.first_expiry
    }

    /// The time that its records say.
    pub(crate) fn written_at(&self) -> Timestamp {
        self.timestamp
    }

    /// Bytes of all its files.
    pub(crate) fn len(&self) -> u64 {
        self.parts.iter().map(|part| part.end).sum()
    }

    /// Whether a put of so many bytes of key and value goes into another file than the last.
    pub(crate) fn needs_part(&self, content: u64) -> bool {
        // What is more than the file limit by itself has a file for itself.
        let fits = |part: &Part| part.end + content + MAX_HEADER_LEN as u64 <= self.max_file_size;
        !self.parts.last().is_some_and(|part| part.end == DATA_START || fits(part))
    }

    /// Goes on in another file. The one before it is sealed ([`Load::seal`]).
    pub(super) fn add(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// Ends the last file and brings it to stable storage.
    pub(crate) fn seal(&mut self) -> Result<()> {
        if let Some(last) = self.parts.last_mut() {
            let seal = Seal { length: last.end, ..last.seal };
            append(last, &mut self.buf, RecordKind::Seal, self.seq, self.timestamp, &seal.encode());
            self.flush()?;
        }
        self.parts.last().map_or(Ok(()), Part::sync)
    }

    /// Adds a put. Gives where it is, the file by its number within the load, from 1, and its length.
    ///
    /// REQUIRES: there is a part for it ([`Load::needs_part`]). Gives `None` if key or value is too long.
    pub(crate) fn put(
        &mut self,
        key: &[u8],
        value: &[u8],
        expiry: Option<Timestamp>,
    ) -> Result<Option<(Location, u64)>> {
        let number = FileId(u32::try_from(self.parts.len()).unwrap_or(u32::MAX));
        let Some(part) = self.parts.last_mut() else { return Ok(None) };
        let (seq, timestamp, offset) = (self.seq, self.timestamp, part.end);
        let (begun, is_copied) = (self.buf.len(), value.len() < WRITE_LEN);
        let body = match is_copied {
            true => encode_body(&mut self.buf, expiry.is_some(), key, value),
            false => Body::new(key, value),
        };
        let Some(body) = body else { return Ok(None) };
        let len = body.record_len(expiry.is_some());
        let Some(location) = Location::new(number, offset, len) else {
            self.buf.truncate(begun);
            return Ok(None);
        };
        let fields = RecordFields { kind: RecordKind::BatchPut, seq, timestamp, expiry, synced: false };
        let header = encode_header(&fields, &body, part.placer, offset);
        self.first_expiry = [self.first_expiry, expiry].into_iter().flatten().min();
        self.digest.push(header.crc());
        part.seal.add(seq, timestamp);
        if let Some(hint) = &mut part.hint {
            let kind = RecordKind::Put;
            hint.push(&HintEntry { kind, offset, value_len: body.value_len, seq, expiry, key });
        }
        (part.last_record, part.end) = (offset, offset + len);
        if is_copied {
            let header = header.as_slice();
            self.buf[begun..begun + header.len()].copy_from_slice(header);
        } else {
            // Only what is around the value.
            for bytes in [header.as_slice(), key] {
                self.buf.extend_from_slice(bytes);
            }
            let at = part.end - value.len() as u64 - body.padding().len() as u64;
            write_all_at(part.file.as_ref(), &self.buf, at - self.buf.len() as u64)
                .and_then(|()| write_all_at(part.file.as_ref(), value, at))
                .map_err(|e| part.failed("write", Some(at), e))?;
            self.buf.clear();
            self.buf.extend_from_slice(body.padding());
        }
        if self.buf.len() >= WRITE_LEN {
            self.flush()?;
        }
        Ok(Some((location, len)))
    }

    /// Ends the batch. What is left is to be installed.
    pub(crate) fn complete(&mut self) -> Result<()> {
        if let Some(last) = self.parts.last_mut() {
            append(
                last,
                &mut self.buf,
                RecordKind::BatchCommit,
                self.seq,
                self.timestamp,
                &self.digest.commit().encode(),
            );
        }
        self.flush()?;
        self.parts.last().map_or(Ok(()), Part::sync)
    }

    fn flush(&mut self) -> Result<()> {
        let Some(part) = self.parts.last_mut() else { return Ok(()) };
        let at = part.end - self.buf.len() as u64;
        write_all_at(part.file.as_ref(), &self.buf, at).map_err(|e| part.failed("write", Some(at), e))?;
        self.buf.clear();
        if part.end - part.started >= START_LEN {
            part.file.start_writing(part.started, part.end - part.started);
            part.started = part.end;
        }
        Ok(())
    }

    /// Gives the load, which is complete, another number: others have used its own or greater ones. Reads all of it and writes
    /// its records' headers anew. Hints are given up.
    pub(crate) fn renumber(&mut self, seq: SeqNo) -> Result<()> {
        (self.seq, self.digest) = (seq, BatchDigest::new());
        let mut record = Vec::new();
        for part in &mut self.parts {
            if let Some(hint) = part.hint.take() {
                hint.discard();
            }
            part.seal = Seal::default();
            let mut at = DATA_START;
            while at < part.end {
                let header = read_record(part, at, &mut record)?;
                let (timestamp, expiry) = (self.timestamp, header.expiry);
                let fields = RecordFields { kind: header.kind, seq, timestamp, expiry, synced: false };
                let mut bytes = Vec::new();
                match header.kind {
                    RecordKind::Seal => {
                        let payload = Seal { length: at, ..part.seal }.encode();
                        let _ = encode_record(&mut bytes, &fields, &[], &payload, part.placer, at);
                    }
                    RecordKind::BatchCommit => {
                        let payload = self.digest.commit().encode();
                        let _ = encode_record(&mut bytes, &fields, &[], &payload, part.placer, at);
                    }
                    _ => {
                        // Checked when it was read: these are the bytes that the old checksum was made of.
                        let of = |range: Range<u64>| record.get(range.start as usize..range.end as usize);
                        let parts = of(header.key_range()).zip(of(header.value_range()));
                        let body =
                            parts.and_then(|(key, value)| Body::new(key, value)).ok_or_else(|| torn(part, at))?;
                        let new = encode_header(&fields, &body, part.placer, at);
                        self.digest.push(new.crc());
                        part.seal.add(seq, timestamp);
                        bytes.extend_from_slice(new.as_slice());
                    }
                }
                write_all_at(part.file.as_ref(), &bytes, at).map_err(|e| part.failed("write", Some(at), e))?;
                at += header.record_len();
            }
            part.sync()?;
        }
        Ok(())
    }

    /// Removes all that was written and not installed.
    pub(crate) fn remove(self, vfs: &dyn Vfs) {
        for part in self.parts {
            // Opening removes what can't be removed now.
            let _ = vfs.remove(&part.temp);
        }
    }

    /// Leaves the files, which may belong to another process by now, as they are.
    pub(crate) fn leave(self) {
        for hint in self.parts.into_iter().filter_map(|part| part.hint) {
            hint.leave();
        }
    }
}

/// Appends a record without key to a part's buffered bytes.
fn append(part: &mut Part, buf: &mut Vec<u8>, kind: RecordKind, seq: SeqNo, timestamp: Timestamp, payload: &[u8]) {
    let fields = RecordFields { kind, seq, timestamp, expiry: None, synced: false };
    let before = buf.len();
    // Payloads are a few bytes; `None` would need one beyond 4 GiB.
    let _ = encode_record(buf, &fields, &[], payload, part.placer, part.end);
    part.last_record = part.end;
    part.end += (buf.len() - before) as u64;
}

/// Reads a whole record and compares its checksums.
fn read_record(part: &Part, at: u64, record: &mut Vec<u8>) -> Result<RecordHeader> {
    let left = part.end - at;
    read(part, at, left.min(MAX_HEADER_LEN as u64), record)?;
    let header = record::peek_header(record, part.placer, at, left).map_err(|_| torn(part, at))?;
    read(part, at, header.record_len(), record)?;
    record::check_body(&header, record).map_err(|_| torn(part, at))?;
    Ok(header)
}

fn read(part: &Part, at: u64, len: u64, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.clear();
    bytes.resize(usize::try_from(len).map_err(|_| torn(part, at))?, 0);
    let got = read_full_at(part.file.as_ref(), bytes, at).map_err(|e| part.failed("read", Some(at), e))?;
    bytes.truncate(got);
    Ok(())
}

fn torn(part: &Part, at: u64) -> Error {
    Error::corrupted(&part.temp, at, "what was just written of the load is not what is read")
}
