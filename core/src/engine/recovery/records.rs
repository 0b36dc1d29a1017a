//! What each record of the log does: to the index, to the batch that the log is in the midst of, and to what is known of the stable point.

use crate::error::Result;
use crate::format::payload::SyncPoint;
use crate::format::record::{RecordHeader, RecordKind};
use crate::log::{DataFile, LogPosition};
use crate::types::{Location, SeqNo};

use super::super::accounts::Counted;
use super::batch::OpenBatch;
use super::replay::{InFile, Replay};

impl Replay<'_> {
    pub(super) fn record(
        &mut self,
        file: &DataFile,
        offset: u64,
        header: &RecordHeader,
        key: &[u8],
        progress: &mut InFile,
    ) -> Result<()> {
        let position = LogPosition { file: file.id(), offset };
        if header.synced {
            self.stable_to(position);
        }
        self.expires(header.expiry.is_some());
        progress.sealed = header.kind == RecordKind::Seal;
        progress.is_marked = false;
        progress.witness = offset;
        if header.seq.0 > 0 {
            self.proves(SeqNo(header.seq.0 - 1))?;
        }
        match header.kind {
            RecordKind::Put | RecordKind::Delete => self.change(file, offset, header, key)?,
            RecordKind::BatchPut | RecordKind::BatchDelete if header.seq <= self.complete_seq => {
                self.change(file, offset, header, key)?;
            }
            RecordKind::BatchPut | RecordKind::BatchDelete => {
                let location = location(file, offset, header);
                self.open_batch.get_or_insert_with(|| OpenBatch::new(header.seq, position)).push(
                    key,
                    location,
                    Counted::new(file.id(), offset, header),
                    header.crc,
                );
            }
            RecordKind::BatchCommit => {
                if self.open_batch.as_ref().is_some_and(|batch| batch.is_completed_by(key)) {
                    self.complete()?;
                }
            }
            RecordKind::SyncMark => {
                self.proves(header.seq)?;
                if let Some(point) = SyncPoint::decode(key) {
                    let point = LogPosition { file: point.file, offset: point.offset };
                    self.stable_to(point.min(position));
                    progress.is_marked = point == position && progress.hinted_to == offset;
                }
            }
            RecordKind::Seal => {}
        }
        if header.kind.has_key() {
            progress.tell(offset, header, key);
        }
        self.saw(header.seq);
        Ok(())
    }

    /// A number in the log.
    pub(super) fn saw(&mut self, seq: SeqNo) {
        self.log_seq = self.log_seq.max(seq);
        self.last_seq = self.last_seq.max(seq);
    }

    pub(super) fn change(&mut self, file: &DataFile, offset: u64, header: &RecordHeader, key: &[u8]) -> Result<()> {
        let new = location(file, offset, header);
        self.applier.change(key, new, Counted::new(file.id(), offset, header))
    }

    /// Something that was written after every commit up to `seq`: an open batch among them is complete.
    pub(super) fn proves(&mut self, seq: SeqNo) -> Result<()> {
        if self.open_batch.as_ref().is_some_and(|batch| batch.seq <= seq) { self.complete() } else { Ok(()) }
    }

    pub(super) fn complete(&mut self) -> Result<()> {
        if let Some(batch) = self.open_batch.take() {
            for (key, new, record) in batch.records() {
                self.applier.change(key, new, record)?;
            }
        }
        Ok(())
    }
}

/// Where a put is; `None` for a delete.
fn location(file: &DataFile, offset: u64, header: &RecordHeader) -> Option<Location> {
    if header.kind.is_put() { Location::new(file.id(), offset, header.record_len()) } else { None }
}
