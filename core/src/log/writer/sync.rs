//! What is on stable storage, and what the log says of it.

use std::sync::Arc;

use crate::error::Result;
use crate::format::header::DATA_START;
use crate::format::payload::SyncPoint;
use crate::format::record::RecordKind;
use crate::log::encoded::marker;
use crate::log::sync_gate::BackgroundSync;

use super::{LogPosition, LogWriter};

impl LogWriter {
    /// Brings everything appended so far to stable storage.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.check()?;
        if self.synced != self.position() {
            self.sync_active()?;
            self.ahead.synced();
        }
        Ok(())
    }

    pub(super) fn sync_active(&mut self) -> Result<()> {
        let mut all = self.behind.iter().try_for_each(|behind| behind.sync());
        if all.is_ok() {
            all = self.config.gate.sync(&self.active);
        }
        all.map_err(|error| self.stop(error))?;
        self.behind.clear();
        (self.synced, self.witness) = (self.position(), self.last_record);
        self.synced_seq = self.last_seq;
        Ok(())
    }

    /// The sync that a thread of its own should run, if there is anything to sync.
    pub(crate) fn background_sync(&self) -> Option<BackgroundSync> {
        let dirty = self.check().is_ok() && self.synced != self.position();
        dirty.then(|| BackgroundSync {
            gate: Arc::clone(&self.config.gate),
            behind: self.behind.iter().cloned().collect(),
            file: Arc::clone(&self.active),
            position: self.position(),
            record: self.last_record,
            seq: self.last_seq,
        })
    }

    /// Takes the outcome of such a sync, and writes it down in the log.
    pub(crate) fn synced_to(&mut self, sync: &BackgroundSync, outcome: Result<()>) -> Result<()> {
        self.check()?;
        if let Err(error) = outcome {
            return Err(self.stop(error));
        }
        let before = self.synced;
        self.take_over()?;
        if sync.position > self.synced {
            (self.synced, self.witness) = (sync.position, sync.record);
            self.synced_seq = sync.seq;
        }
        self.mark_since(before)
    }

    /// Takes the outcomes of syncs of sealed files that are over, and writes them down in the log.
    ///
    /// REQUIRES: the log does not end in the midst of a batch.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.check()?;
        let before = self.synced;
        self.take_over()?;
        self.mark_since(before)
    }

    /// Writes down what is on stable storage, if it is more than `before`, and the next record is not to say it.
    fn mark_since(&mut self, before: LogPosition) -> Result<()> {
        if self.synced != before && self.synced != self.position() { self.mark() } else { Ok(()) }
    }

    /// The same without writing them down.
    fn take_over(&mut self) -> Result<()> {
        while let Some(behind) = self.behind.front().filter(|behind| behind.is_over()).cloned() {
            behind.sync().map_err(|error| self.stop(error))?;
            self.behind.pop_front();
            let start = LogPosition { file: behind.next(), offset: DATA_START };
            if start > self.synced {
                (self.synced, self.witness) = (start, 0);
                self.synced_seq = self.synced_seq.max(behind.seq);
            }
        }
        Ok(())
    }

    /// Makes sure that all before the active file is on stable storage.
    pub(crate) fn sync_behind(&mut self) -> Result<()> {
        self.check()?;
        for behind in self.behind.clone() {
            behind.sync().map_err(|error| self.stop(error))?;
        }
        self.settle()
    }

    /// Writes down what recovery brought to stable storage, so that the next open need not do it again.
    pub(crate) fn mark_recovered(&mut self) -> Result<()> {
        let is_new = self.end == DATA_START;
        if is_new || self.ends_as_found() { Ok(()) } else { self.mark() }
    }

    /// Appends a sync mark. It is information for a later open, so that a failure is none unless the log can't be mended.
    pub(super) fn mark(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        let point = SyncPoint { file: self.synced.file, offset: self.synced.offset };
        let place = self.place(self.end, self.last_seq, self.config.vfs.now());
        marker(&mut bytes, RecordKind::SyncMark, &point.encode(), &place);
        if let Err(error) = self.write(&bytes) {
            self.cut_back(self.end, error);
            return self.check();
        }
        self.last_record = self.end;
        self.set_end(self.end + bytes.len() as u64);
        Ok(())
    }

    /// Syncs everything, marks it as synced, gives reserved space back and writes the hint. Whatever of this fails, the rest
    /// is tried if it makes sense. Nothing of the writer touches the directory behind it, also where it fails: another process may have that then.
    pub(crate) fn close(&mut self) -> Result<()> {
        // From here on the writer does what is to be done itself, and makes no next file.
        if let Some(beside) = self.config.beside.take() {
            beside.stop();
        }
        self.next.clear();
        let outcome = self.close_log();
        self.hint = None;
        self.call_off();
        outcome
    }

    fn close_log(&mut self) -> Result<()> {
        self.check()?;
        let covered = self.end;
        // Else the mark at the end says it already.
        if !self.ends_as_found() {
            self.sync()?;
            self.mark()?;
            if let Some(hint) = self.hint.take() {
                // Advisory, and its errors with it.
                let times = (self.seal.min_time, self.seal.max_time);
                let _ = hint.finish(covered, self.last_seq, false, times);
            }
        }
        self.trim()
    }
}
