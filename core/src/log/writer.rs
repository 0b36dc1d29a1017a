//! The end of the log: appends commits, rotates files, marks what is on stable storage.
//!
//! One thread at a time (the commit leader) uses this. It takes commits (`Encoded`) and gives places; what the records
//! mean is not its business. Here are what it knows and how it takes back what failed. Appending: `append`; batches that take several files: `over_files`; loads that
//! bring files of their own: `install`; from file to file: `rotate`, `next`; what is on stable storage: `sync`. How bytes get into the active file, and the space
//! that is reserved for them: `space`, by another thread: `reserve`, and filled ahead: `ahead`.
//!
//! Invariants:
//! 1. Between calls the active file's records end at `end`, and nothing but zeros is behind it.
//! 2. After an error of [`LogWriter::append`] the log is what it was before the call (cut back, and the cut synced), or `stopped` holds the cause
//!    and no call writes any more.
//! 3. A sync that failed, of data of the log or of the directory, is never tried again: it stops the writer, whoever asked for it (`sync_gate`). A file that
//!    has no name in the log yet, as the next one, is given up instead: nothing relies on it.
//! 4. A record carries SYNCED, and a mark is written, only for what a successful sync has covered, with all files before it.
//! 5. Sequence numbers of failed appends are not used again.
//! 6. A window lies over reserved space that is in the file: what is copied into it has its blocks.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::error::{Error, Result, Status};
use crate::format::payload::Seal;
use crate::types::{FileId, SeqNo, Timestamp};
use crate::vfs::{Vfs, Window};

use super::behind::Behind;
use super::beside::Beside;
use super::data_file::DataFile;
use super::encoded::Place;
use super::hint_file::HintWriter;
use super::sync_gate::SyncGate;

use reserve::Reserve;

mod ahead;
mod append;
#[cfg(test)]
mod behind_tests;
#[cfg(test)]
mod beside_tests;
mod install;
#[cfg(test)]
mod let_go_tests;
mod next;
mod over_files;
mod reserve;
mod rotate;
mod space;
mod sync;
#[cfg(test)]
mod tests;

/// What stays the same as long as a store is open.
#[derive(Clone, Debug)]
pub(crate) struct LogConfig {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) dir: PathBuf,
    pub(crate) store_id: u64,
    pub(crate) max_file_size: u64,
    /// Bytes to map of a new file; 0 for none.
    pub(crate) map_len: u64,
    /// Append by copying into mapped, reserved space where the file system allows, and not by a system call.
    pub(crate) copies: bool,
    /// The store's.
    pub(crate) gate: Arc<SyncGate>,
    /// Who does what no write is to wait for; without, writes do.
    pub(crate) beside: Option<Arc<Beside>>,
}

/// Where recovery left the log.
#[derive(Debug)]
pub(crate) struct LogEnd {
    pub(crate) active: Arc<DataFile>,
    pub(crate) last_seq: SeqNo,
    /// The greatest id of any file in the directory.
    pub(crate) last_id: FileId,
    /// Summary of the active file so far.
    pub(crate) seal: Seal,
    pub(crate) hint: Option<HintWriter>,
    /// Offset of the active file's last record, which ends where the file does, if it is known; else 0.
    pub(crate) witness: u64,
    /// The log ends with a mark that says that all before it is on stable storage, and the hint covers that.
    pub(crate) is_marked: bool,
    /// Offset in the active file before which all is on stable storage: its end, or where the mark begins at which it ends.
    pub(crate) synced: u64,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogPosition {
    pub(crate) file: FileId,
    pub(crate) offset: u64,
}

/// The writer.
#[derive(Debug)]
pub(crate) struct LogWriter {
    config: LogConfig,
    active: Arc<DataFile>,
    end: u64,
    /// Length of the active file with reserved space; `u64::MAX` if reserving does not work there.
    allocated: u64,
    marks: space::Marks,
    reserve: Arc<Reserve>,
    /// Onto reserved space of the active file. Not used any more when that is cut off.
    window: Option<Box<dyn Window>>,
    ahead: ahead::Ahead,
    /// Tells others whether there is one.
    is_copying: Arc<AtomicBool>,
    next: Arc<next::Slot>,
    /// Sealed files that may not be on stable storage yet, in the log's order. `synced` is before the end of the first of them.
    behind: VecDeque<Arc<Behind>>,
    /// Everything before this is on stable storage.
    synced: LogPosition,
    /// Number of the last commit of which that is known.
    synced_seq: SeqNo,
    last_seq: SeqNo,
    /// Greatest number handed out, by failed appends too.
    used_seq: SeqNo,
    last_id: FileId,
    seal: Seal,
    hint: Option<HintWriter>,
    /// Where the log last ended behind a mark that says that all before it is on stable storage, and the hint covers that.
    marked: Option<LogPosition>,
    /// Offset of the record of the active file that ends at `end`; 0 if there is none or it is not known.
    last_record: u64,
    /// The same of the one that ends at `synced`.
    witness: u64,
    stopped: Option<Arc<Error>>,
    claims: install::Claims,
    buf: Vec<u8>,
}

/// A place of the log, and what is to be known of it.
#[derive(Debug)]
pub(crate) struct LogCovered {
    pub(crate) position: LogPosition,
    /// Number of the last commit before it.
    pub(crate) seq: SeqNo,
    /// Summary of the file up to it.
    pub(crate) seal: Seal,
    pub(crate) file: Arc<DataFile>,
    /// Offset of the record that ends there, or 0.
    pub(crate) witness: u64,
}

/// Files that came into being or were sealed during a call, for the table of files.
pub(crate) type NewFiles = Vec<Arc<DataFile>>;

impl LogWriter {
    /// REQUIRES: the log up to `end.synced` is on stable storage, there is no commit behind it, and the file is as long as `end.active.end()` says.
    pub(crate) fn new(config: LogConfig, end: LogEnd) -> LogWriter {
        let at = end.active.end();
        let position = LogPosition { file: end.active.id(), offset: at };
        let witness = if end.synced == at { end.witness } else { 0 };
        LogWriter {
            synced: LogPosition { offset: end.synced, ..position },
            allocated: at,
            marks: space::Marks::new(at, config.beside.as_ref().map_or(u64::MAX, |_| config.max_file_size / 2)),
            reserve: Arc::default(),
            window: None,
            ahead: ahead::Ahead::default(),
            is_copying: Arc::default(),
            next: Arc::default(),
            behind: VecDeque::new(),
            synced_seq: end.last_seq,
            end: at,
            active: end.active,
            last_seq: end.last_seq,
            used_seq: end.last_seq,
            last_id: end.last_id,
            seal: end.seal,
            hint: end.hint.map(|hint| hint.beside(config.beside.as_ref())),
            marked: end.is_marked.then_some(position),
            last_record: end.witness,
            witness,
            config,
            stopped: None,
            claims: install::Claims::default(),
            buf: Vec::new(),
        }
    }

    /// The failure since which nothing is written any more: the log's own, or that of a sync that somebody else needed.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.stopped {
            Some(cause) => Err(Error::WritesStopped { cause: Arc::clone(cause) }),
            None => self.config.gate.check(),
        }
    }

    /// The end of what is known to be on stable storage, and what is to be known of it. Ends where the last commit does.
    ///
    /// REQUIRES: [`LogWriter::sync`] succeeded, or [`LogWriter::close`] where there was something to write, and nothing was appended since.
    pub(crate) fn covered(&self) -> LogCovered {
        LogCovered {
            position: self.synced,
            seq: self.last_seq,
            seal: self.seal,
            file: Arc::clone(&self.active),
            witness: self.witness,
        }
    }

    /// Number of the last commit of which it is known that it and all before it are on stable storage.
    pub(crate) fn synced_seq(&self) -> SeqNo {
        self.synced_seq
    }

    /// The end of the log, which may not be on stable storage yet, and what is to be known of it. Ends where the last commit does, or a mark.
    pub(crate) fn covers(&self) -> LogCovered {
        LogCovered {
            position: self.position(),
            seq: self.last_seq,
            seal: self.seal,
            file: Arc::clone(&self.active),
            witness: self.last_record,
        }
    }

    /// Whether the log ends with the mark that a writer left that closed it, and nothing was appended since.
    pub(crate) fn ends_as_found(&self) -> bool {
        self.marked == Some(self.position())
    }

    /// The file that the log ends in.
    pub(crate) fn active(&self) -> &Arc<DataFile> {
        &self.active
    }

    /// A number for a data file that is not of the log. Files of the log that are begun later have greater ones.
    pub(crate) fn take_id(&mut self) -> Result<FileId> {
        self.check()?;
        self.last_id = self.next_id()?;
        // It has got the number of the file that was made ahead.
        self.prepare_next(false);
        Ok(self.last_id)
    }

    fn next_id(&self) -> Result<FileId> {
        let id = FileId(self.last_id.0.saturating_add(1));
        if id > FileId::MAX {
            return Err(Error::Unsupported { what: "all file ids of the format are used up".into() });
        }
        Ok(id)
    }

    /// Stops all writing for good.
    pub(crate) fn stop(&mut self, cause: Error) -> Error {
        let cause = match cause {
            Error::WritesStopped { cause } => cause,
            other => Arc::new(other),
        };
        Error::WritesStopped { cause: Arc::clone(self.stopped.get_or_insert(cause)) }
    }

    fn position(&self) -> LogPosition {
        LogPosition { file: self.active.id(), offset: self.end }
    }

    fn place(&self, offset: u64, seq: SeqNo, timestamp: Timestamp) -> Place<'_> {
        let synced = self.synced == LogPosition { file: self.active.id(), offset };
        Place { file: &self.active, offset, seq, timestamp, synced }
    }

    fn set_end(&mut self, end: u64) {
        self.end = end;
        self.active.set_end(end);
    }

    /// Takes the log back to `end` after `error`, for good: what was written of the failed append must not come back after a crash.
    fn cut_back(&mut self, end: u64, error: Error) -> Error {
        if self.stopped.is_some() {
            return error;
        }
        if error.status() == Status::DiskFull {
            // It has space that others may need now, and is made when it is its turn.
            self.next.clear();
        }
        self.set_end(end);
        self.call_off();
        self.set_allocated(end);
        self.ahead.cut(end);
        let here = LogPosition { file: self.active.id(), offset: end };
        if let Err(e) = self.active.file().set_len(end) {
            let cause = self.active.io_error("truncate", end, e);
            return self.stop(cause);
        }
        // Covers all that is there.
        if let Err(cause) = self.sync_active() {
            return cause;
        }
        debug_assert_eq!(self.synced, here, "the end is what it was");
        error
    }
}
