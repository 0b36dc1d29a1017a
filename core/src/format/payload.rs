//! What is in the values of commit, sync mark and seal records (FORMAT 3.1, 3.4).

use crc32fast::Hasher;

use super::bytes::{Reader, Writer};
use crate::types::{FileId, SeqNo, Timestamp};

/// Length of a commit record's value, in bytes.
pub const COMMIT_LEN: usize = 16;
/// Length of a sync mark's value, in bytes.
pub const SYNC_POINT_LEN: usize = 16;
/// Length of a seal's value, in bytes.
pub const SEAL_LEN: usize = 48;

/// The value of a batch commit: what the batch's records must amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchCommit {
    /// Number of the batch's records, the commit not among them.
    pub count: u64,
    /// CRC32 over their crc fields, in order.
    pub digest: u32,
}

impl BatchCommit {
    /// The 16 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; COMMIT_LEN] {
        let mut out = [0; COMMIT_LEN];
        Writer::new(&mut out).put(&self.count.to_le_bytes()).put(&self.digest.to_le_bytes());
        out
    }

    /// `None` if the length is not 16 or the reserved bytes are not zero.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<BatchCommit> {
        let mut r = Reader(value);
        let commit = BatchCommit { count: r.u64()?, digest: r.u32()? };
        (r.u32()? == 0 && r.0.is_empty()).then_some(commit)
    }
}

/// Accumulates over a batch's records, in order, what its commit says.
#[derive(Clone, Debug, Default)]
pub struct BatchDigest {
    count: u64,
    hasher: Hasher,
}

impl BatchDigest {
    /// Of no records.
    #[must_use]
    pub fn new() -> BatchDigest {
        BatchDigest::default()
    }

    /// Adds the batch's next record by its crc field.
    pub fn push(&mut self, record_crc: u32) {
        self.count = self.count.wrapping_add(1);
        self.hasher.update(&record_crc.to_le_bytes());
    }

    /// What the commit must say.
    #[must_use]
    pub fn commit(&self) -> BatchCommit {
        BatchCommit { count: self.count, digest: self.hasher.clone().finalize() }
    }
}

/// The value of a sync mark: every byte of the log before this place was on stable storage when the mark was written.
///
/// Ordered as places of the log are: file first. A mark can speak of no place behind its own; readers take the
/// smaller of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncPoint {
    /// The log file that the place is in.
    pub file: FileId,
    /// Its offset in that file.
    pub offset: u64,
}

impl SyncPoint {
    /// The 16 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SYNC_POINT_LEN] {
        let mut out = [0; SYNC_POINT_LEN];
        Writer::new(&mut out).put(&self.offset.to_le_bytes()).put(&self.file.0.to_le_bytes());
        out
    }

    /// `None` if the length is not 16, the file id is none, or the reserved bytes are not zero.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<SyncPoint> {
        let mut r = Reader(value);
        let (offset, file) = (r.u64()?, FileId(r.u32()?));
        let ends = r.u32()? == 0 && r.0.is_empty();
        (ends && file.0 != 0 && file <= FileId::MAX).then_some(SyncPoint { file, offset })
    }
}

/// The value of a seal: a summary of the file before it. Zeros where there are no put and delete records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Seal {
    /// Number of put and delete records of both sorts.
    pub count: u64,
    /// Their smallest sequence number.
    pub min_seq: SeqNo,
    /// Their largest sequence number.
    pub max_seq: SeqNo,
    /// Their smallest timestamp.
    pub min_time: Timestamp,
    /// Their largest timestamp.
    pub max_time: Timestamp,
    /// Length of the file before the seal: the seal's own offset.
    pub length: u64,
}

impl Seal {
    /// Counts one put or delete record.
    pub fn add(&mut self, seq: SeqNo, timestamp: Timestamp) {
        let first = self.count == 0;
        self.count = self.count.wrapping_add(1);
        self.min_seq = if first { seq } else { self.min_seq.min(seq) };
        self.max_seq = self.max_seq.max(seq);
        self.min_time = if first { timestamp } else { self.min_time.min(timestamp) };
        self.max_time = self.max_time.max(timestamp);
    }

    /// The 48 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SEAL_LEN] {
        let mut out = [0; SEAL_LEN];
        let mut w = Writer::new(&mut out);
        let times = [self.min_time.0, self.max_time.0];
        for field in [self.count, self.min_seq.0, self.max_seq.0, times[0], times[1], self.length] {
            w.put(&field.to_le_bytes());
        }
        out
    }

    /// `None` if the length is not 48.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Seal> {
        let mut r = Reader(value);
        let seal = Seal {
            count: r.u64()?,
            min_seq: SeqNo(r.u64()?),
            max_seq: SeqNo(r.u64()?),
            min_time: Timestamp(r.u64()?),
            max_time: Timestamp(r.u64()?),
            length: r.u64()?,
        };
        r.0.is_empty().then_some(seal)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_commit_says_what_its_batch_amounts_to() {
        let mut digest = BatchDigest::new();
        assert_eq!(digest.commit(), BatchCommit { count: 0, digest: 0 });
        digest.push(0x0403_0201);
        digest.push(0x0807_0605);
        let commit = digest.commit();
        assert_eq!(commit, BatchCommit { count: 2, digest: crc32fast::hash(&[1, 2, 3, 4, 5, 6, 7, 8]) });
        let bytes = commit.encode();
        assert_eq!((&bytes[..8], &bytes[12..]), (&2u64.to_le_bytes()[..], &[0; 4][..]));
        assert_eq!(BatchCommit::decode(&bytes), Some(commit));
    }

    #[test]
    fn a_commit_of_another_shape_is_none() {
        let good = BatchCommit { count: 2, digest: 3 }.encode();
        for len in 0..good.len() {
            assert_eq!(BatchCommit::decode(&good[..len]), None);
        }
        assert_eq!(BatchCommit::decode(&[&good[..], &[0]].concat()), None);
        for at in 12..16 {
            let mut bad = good;
            bad[at] = 1;
            assert_eq!(BatchCommit::decode(&bad), None);
        }
    }

    #[test]
    fn a_sync_point_is_offset_file_and_zeros() {
        let point = SyncPoint { file: FileId(0x0403_0201), offset: 0x0C0B_0A09_0807_0605 };
        let bytes = [5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 0, 0, 0, 0];
        assert_eq!(point.encode(), bytes);
        assert_eq!(SyncPoint::decode(&bytes), Some(point));
        for (file, offset) in [(1, 0), (1, u64::MAX), (FileId::MAX.0, 128)] {
            let point = SyncPoint { file: FileId(file), offset };
            assert_eq!(SyncPoint::decode(&point.encode()), Some(point));
        }
    }

    #[test]
    fn a_sync_point_of_another_shape_is_none() {
        let good = SyncPoint { file: FileId(2), offset: 128 }.encode();
        for len in 0..good.len() {
            assert_eq!(SyncPoint::decode(&good[..len]), None);
        }
        assert_eq!(SyncPoint::decode(&[&good[..], &[0]].concat()), None);
        for at in 12..16 {
            let mut bad = good;
            bad[at] = 1;
            assert_eq!(SyncPoint::decode(&bad), None);
        }
        for file in [0, FileId::MAX.0 + 1, u32::MAX] {
            assert_eq!(SyncPoint::decode(&SyncPoint { file: FileId(file), offset: 128 }.encode()), None);
        }
    }

    #[test]
    fn sync_points_are_ordered_as_the_log_is() {
        let at = |file, offset| SyncPoint { file: FileId(file), offset };
        assert!(at(1, u64::MAX) < at(2, 0) && at(2, 0) < at(2, 4));
    }

    #[test]
    fn a_seal_sums_up_puts_and_deletes() {
        let mut seal = Seal { length: 128, ..Seal::default() };
        assert_eq!(Seal::decode(&seal.encode()), Some(seal));
        for (seq, time) in [(5, 50), (3, 70), (9, 60)] {
            seal.add(SeqNo(seq), Timestamp(time));
        }
        let fields = [3, 3, 9, 50, 70, 128_u64].map(u64::to_le_bytes);
        assert_eq!(seal.encode(), *fields.as_flattened());
    }

    proptest! {
        #[test]
        fn round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(Seal::decode(&bytes).map(|s| s.encode().to_vec()), (bytes.len() == 48).then_some(bytes.clone()));
            if let Some(commit) = BatchCommit::decode(&bytes) {
                prop_assert_eq!(&commit.encode()[..], &bytes[..]);
            }
            if let Some(point) = SyncPoint::decode(&bytes) {
                prop_assert_eq!(&point.encode()[..], &bytes[..]);
            }
        }
    }
}
