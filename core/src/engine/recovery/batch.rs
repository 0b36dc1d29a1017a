//! A batch whose records were read and whose completeness is not known yet (FORMAT 3.1).

use std::ops::Range;

use crate::format::payload::{BatchCommit, BatchDigest};
use crate::log::LogPosition;
use crate::types::{Location, SeqNo};

use super::super::accounts::Counted;

/// Records of the batch that the log is in the midst of.
#[derive(Debug)]
pub(super) struct OpenBatch {
    pub(super) seq: SeqNo,
    /// Where its first record begins.
    pub(super) start: LogPosition,
    digest: BatchDigest,
    keys: Vec<u8>,
    records: Vec<(Range<usize>, Option<Location>, Counted)>,
}

impl OpenBatch {
    pub(super) fn new(seq: SeqNo, start: LogPosition) -> OpenBatch {
        OpenBatch { seq, start, digest: BatchDigest::new(), keys: Vec::new(), records: Vec::new() }
    }

    /// Adds a put (with its location) or delete.
    pub(super) fn push(&mut self, key: &[u8], new: Option<Location>, record: Counted, crc: u32) {
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        self.records.push((start..self.keys.len(), new, record));
        self.digest.push(crc);
    }

    /// Whether this is the commit of exactly these records.
    pub(super) fn is_completed_by(&self, payload: &[u8]) -> bool {
        BatchCommit::decode(payload).is_some_and(|commit| commit == self.digest.commit())
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (&[u8], Option<Location>, Counted)> {
        self.records.iter().map(|(key, new, record)| (self.keys.get(key.clone()).unwrap_or_default(), *new, *record))
    }
}
