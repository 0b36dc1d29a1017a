//! Data files and hints as somebody might make them who means no good: right checksums around any lie.

use bitcask::format::header::{DATA_START, DataHeader, FileKind};
use bitcask::format::payload::{BatchCommit, BatchDigest};
use bitcask::format::record::{Body, Placer, RecordFields, RecordKind, encode_header, encode_record};
use bitcask::{FileId, SeqNo, Timestamp};

/// A data file in the making.
#[derive(Clone, Debug)]
pub(crate) struct Craft {
    pub(crate) header: DataHeader,
    pub(crate) bytes: Vec<u8>,
    digest: BatchDigest,
}

impl Craft {
    /// The headers of a log file of store 77.
    pub(crate) fn new(id: u32) -> Craft {
        Craft::with(DataHeader {
            required: 0,
            optional: 0,
            kind: FileKind::Log,
            earlier_synced: true,
            file_id: FileId(id),
            store_id: 77,
            nonce: u64::from(id).wrapping_mul(0x1234_5678_9ABC),
            created: Timestamp(0),
            base_seq: SeqNo::ZERO,
        })
    }

    pub(crate) fn with(header: DataHeader) -> Craft {
        Craft { header, bytes: header.encode_pair().to_vec(), digest: BatchDigest::new() }
    }

    pub(crate) fn placer(&self) -> Placer {
        Placer::new(self.header.nonce)
    }

    /// A valid record.
    pub(crate) fn record(mut self, kind: RecordKind, seq: u64, key: &[u8], value: &[u8]) -> Craft {
        let (placer, offset) = (self.placer(), self.bytes.len() as u64);
        let crc = encode_record(&mut self.bytes, &fields(kind, seq), key, value, placer, offset);
        self.digest.push(crc.expect("a record of ordinary size"));
        self
    }

    pub(crate) fn put(self, seq: u64, key: &[u8], value: &[u8]) -> Craft {
        self.record(RecordKind::Put, seq, key, value)
    }

    /// A put that expires.
    pub(crate) fn put_until(mut self, seq: u64, key: &[u8], value: &[u8], expiry: Option<Timestamp>) -> Craft {
        let (placer, offset) = (self.placer(), self.bytes.len() as u64);
        let fields = RecordFields { expiry, ..fields(RecordKind::Put, seq) };
        let crc = encode_record(&mut self.bytes, &fields, key, value, placer, offset);
        self.digest.push(crc.expect("a record of ordinary size"));
        self
    }

    /// The commit of the batch that all records so far are.
    pub(crate) fn commit(self, seq: u64) -> Craft {
        let commit = self.digest.commit();
        self.commit_saying(seq, commit)
    }

    pub(crate) fn commit_saying(self, seq: u64, commit: BatchCommit) -> Craft {
        self.record(RecordKind::BatchCommit, seq, &[], &commit.encode())
    }

    /// A record header whose check is right and whose lengths are these, and nothing behind it.
    pub(crate) fn declared(mut self, kind: RecordKind, seq: u64, key_len: u16, value_len: u32) -> Craft {
        let header = self.header_only(kind, seq, key_len, value_len);
        self.bytes.extend_from_slice(&header);
        self
    }

    /// The same bytes by themselves. The encoder asserts that the kind allows the lengths, so a lie about that is made from a put.
    pub(crate) fn header_only(&self, kind: RecordKind, seq: u64, key_len: u16, value_len: u32) -> Vec<u8> {
        let body = Body { key_len, value_len, crc: 0x0BAD_0BAD };
        encode_header(&fields(kind, seq), &body, self.placer(), self.bytes.len() as u64).as_slice().to_vec()
    }

    /// Any bytes.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Craft {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The header with bytes changed, and its checksum made right; both copies.
    pub(crate) fn header_bytes(mut self, at: usize, bytes: &[u8]) -> Craft {
        let mut copy = self.bytes[..64].to_vec();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        copy[28..32].fill(0);
        let crc = crc32fast::hash(&copy);
        copy[28..32].copy_from_slice(&crc.to_le_bytes());
        self.bytes[..64].copy_from_slice(&copy);
        self.bytes[64..DATA_START as usize].copy_from_slice(&copy);
        self
    }
}

fn fields(kind: RecordKind, seq: u64) -> RecordFields {
    RecordFields { kind, seq: SeqNo(seq), timestamp: Timestamp(5), expiry: None, synced: false }
}
