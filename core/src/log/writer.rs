//! The end of the log: appends commits, rotates files, marks what is on stable storage.
//!
//! One thread at a time (the commit leader) uses this. It takes [`Encoded`] commits and gives places; what the records
//! mean is not its business. Batches that take several files: `over_files`; loads that bring files of their own: `install`. How bytes get into the active file, and the
//! space that is reserved for them: `space`.
//!
//! Invariants:
//! 1. Between calls the active file's records end at `end`, and nothing but zeros is behind it.
//! 2. After an error of [`LogWriter::append`] the log is what it was before the call (cut back, and the cut synced), or `stopped` holds the cause
//!    and no call writes any more.
//! 3. A sync that failed is never tried again: it stops the writer.
//! 4. A record carries SYNCED, and a mark is written, only for what a successful sync has covered.
//! 5. Sequence numbers of failed appends are not used again.
//! 6. A window lies over reserved space that is in the file: what is copied into it has its blocks.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, FileKind};
use crate::format::hint::HintEntry;
use crate::format::payload::{BatchDigest, Seal, SyncPoint};
use crate::format::record::RecordKind;
use crate::types::{FileId, SeqNo, Timestamp};
use crate::vfs::{Vfs, Window};

use super::data_file::{DataFile, NewFile};
use super::encoded::{Encoded, Place, marker};
use super::hint_file::HintWriter;
use super::sync_gate::{BackgroundSync, SyncGate};

mod install;
mod over_files;
mod space;
#[cfg(test)]
mod tests;

/// Of a group that failed, so many commits may fail by themselves before the others are not tried.
const MAX_FAILURES: u32 = 4;

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
    /// Onto reserved space of the active file. Gone before that is cut off.
    window: Option<Box<dyn Window>>,
    /// Tells others whether there is one.
    is_copying: Arc<AtomicBool>,
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
    gate: Arc<SyncGate>,
    buf: Vec<u8>,
}

/// What became of commits of one call that were tried by themselves. Each has its own outcome: on a full disk what is smaller may fit. But
/// each attempt that fails costs a cut and a sync. So what is not smaller than one that failed is not tried, and after a few nothing is.
#[derive(Debug, Default)]
struct Attempts {
    failures: u32,
    /// Of the last that failed, and its length.
    failed: Option<(Error, u64)>,
}

impl Attempts {
    fn make(&mut self, commit: &mut Encoded, attempt: impl FnOnce(&mut Encoded) -> Result<SeqNo>) -> Result<SeqNo> {
        let len = commit.log_len();
        match &self.failed {
            Some((error, too_long)) if self.failures >= MAX_FAILURES || len >= *too_long => return Err(error.clone()),
            _ => {}
        }
        attempt(commit).inspect_err(|error| {
            self.failures += 1;
            self.failed = Some((error.clone(), len));
        })
    }
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
            window: None,
            is_copying: Arc::default(),
            synced_seq: end.last_seq,
            end: at,
            active: end.active,
            last_seq: end.last_seq,
            used_seq: end.last_seq,
            last_id: end.last_id,
            seal: end.seal,
            hint: end.hint,
            marked: end.is_marked.then_some(position),
            last_record: end.witness,
            witness,
            config,
            stopped: None,
            claims: install::Claims::default(),
            gate: Arc::new(SyncGate::default()),
            buf: Vec::new(),
        }
    }

    /// The failure since which nothing is written any more.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.stopped {
            Some(cause) => Err(Error::WritesStopped { cause: Arc::clone(cause) }),
            None => Ok(()),
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
        Ok(self.last_id)
    }

    fn next_id(&self) -> Result<FileId> {
        let id = FileId(self.last_id.0.saturating_add(1));
        if id > FileId::MAX {
            return Err(Error::Unsupported { what: "all file ids of the format are used up".into() });
        }
        Ok(id)
    }

    /// Seals the active file and begins another, unless there is nothing in it.
    pub(crate) fn begin_file(&mut self, files: &mut NewFiles) -> Result<()> {
        self.check()?;
        if self.end == DATA_START { Ok(()) } else { self.rotate(self.last_seq, files) }
    }

    /// Stops all writing for good.
    pub(crate) fn stop(&mut self, cause: Error) -> Error {
        let cause = match cause {
            Error::WritesStopped { cause } => cause,
            other => Arc::new(other),
        };
        Error::WritesStopped { cause: Arc::clone(self.stopped.get_or_insert(cause)) }
    }

    /// Appends commits in order with as few writes as possible, and gives for each its sequence number or why it failed. Where a
    /// write of several fails, they are tried one by one, as far as [`Attempts`] go. Commits without records are passed over. New files are
    /// added to `files`.
    pub(crate) fn append<C: AsMut<Encoded>>(&mut self, commits: &mut [C], files: &mut NewFiles) -> Vec<Result<SeqNo>> {
        let (mut outcomes, mut attempts) = (Vec::with_capacity(commits.len()), Attempts::default());
        let mut rest = commits;
        while !rest.is_empty() {
            let fitting = self.count_fitting(rest);
            if fitting == 0 {
                let (first, others) = rest.split_at_mut(1);
                for commit in first.iter_mut().map(AsMut::as_mut) {
                    outcomes.push(attempts.make(commit, |commit| self.append_in_new_file(commit, files)));
                }
                rest = others;
                continue;
            }
            let (group, others) = rest.split_at_mut(fitting);
            if let [only] = group {
                outcomes.push(attempts.make(only.as_mut(), |commit| self.append_alone(commit)));
            } else {
                let done = outcomes.len();
                if attempts.failures > 0 || self.append_here(group, &mut outcomes).is_err() {
                    outcomes.truncate(done);
                    for commit in group.iter_mut().map(AsMut::as_mut) {
                        outcomes.push(attempts.make(commit, |commit| self.append_alone(commit)));
                    }
                }
            }
            rest = others;
        }
        outcomes
    }

    fn append_alone(&mut self, commit: &mut Encoded) -> Result<SeqNo> {
        let mut outcomes = Vec::with_capacity(1);
        self.append_here(&mut [commit], &mut outcomes)?;
        outcomes.pop().unwrap_or(Ok(self.last_seq))
    }

    /// How many of the commits, from the first on, fit into the active file.
    fn count_fitting<C: AsMut<Encoded>>(&self, commits: &mut [C]) -> usize {
        let mut end = self.end;
        commits
            .iter_mut()
            .map(AsMut::as_mut)
            .take_while(|commit| {
                let empty = end == DATA_START;
                end = end.saturating_add(commit.log_len());
                end <= self.config.max_file_size || (empty && !commit.is_batch())
            })
            .count()
    }

    /// Appends a commit that does not fit: in the next file, or, a large batch, over several.
    fn append_in_new_file(&mut self, commit: &mut Encoded, files: &mut NewFiles) -> Result<SeqNo> {
        self.check()?;
        let fits_empty = DATA_START + commit.log_len() <= self.config.max_file_size;
        if commit.is_batch() && !fits_empty {
            return self.append_over_files(commit, files);
        }
        self.rotate(self.last_seq, files)?;
        self.append_alone(commit)
    }

    /// Writes commits behind the end of the active file, with one write, and adds their numbers to `outcomes`.
    fn append_here<C: AsMut<Encoded>>(&mut self, commits: &mut [C], outcomes: &mut Vec<Result<SeqNo>>) -> Result<()> {
        self.check()?;
        let timestamp = self.config.vfs.now();
        let mut at = self.end;
        let mut buf = std::mem::take(&mut self.buf);
        buf.clear();
        let alone = commits.len() == 1;
        // An empty commit has the number of the one before it: what it says rests on that.
        let mut last = self.last_seq;
        for commit in commits.iter_mut().map(AsMut::as_mut) {
            if commit.count() > 0 {
                self.take_number()?;
                last = self.used_seq;
                let place = self.place(at, self.used_seq, timestamp);
                let bytes = commit.place(place, &mut BatchDigest::new(), true);
                at += bytes.len() as u64;
                if !alone {
                    buf.extend_from_slice(bytes);
                }
            }
            outcomes.push(Ok(last));
        }
        let written = match commits {
            [only] => self.write(only.as_mut().bytes()),
            _ => self.write(&buf),
        };
        self.buf = buf;
        if let Err(error) = written {
            return Err(self.cut_back(self.end, error));
        }
        let mut offset = self.end;
        let first = outcomes.len() - commits.len();
        for (commit, seq) in commits.iter_mut().map(AsMut::as_mut).zip(&outcomes[first..]) {
            if let Ok(seq) = seq {
                self.note(commit, offset, *seq, timestamp);
            }
            offset += commit.log_len();
        }
        if at != self.end {
            self.last_seq = self.used_seq;
        }
        self.set_end(at);
        Ok(())
    }

    /// Takes the next sequence number. They end only where somebody made a file that says so.
    fn take_number(&mut self) -> Result<()> {
        if self.used_seq.0 == u64::MAX {
            return Err(Error::Unsupported { what: "all sequence numbers are used up".into() });
        }
        self.used_seq = self.used_seq.next();
        Ok(())
    }

    /// Closes the active file with a seal and begins another.
    ///
    /// REQUIRES: `base_seq` is the number of the last complete commit.
    fn rotate(&mut self, base_seq: SeqNo, files: &mut NewFiles) -> Result<()> {
        let (sealed, hint, seal) = (Arc::clone(&self.active), self.hint.take(), self.seal);
        match self.rotate_to(base_seq, files) {
            Ok(()) => {
                finish_hint(hint, &sealed, &seal);
                Ok(())
            }
            Err(error) => {
                self.hint = hint;
                Err(error)
            }
        }
    }

    /// Ends the active file with a seal, gives reserved space back and syncs it; gives where the seal begins.
    fn seal_active(&mut self, base_seq: SeqNo) -> Result<u64> {
        let unsealed = self.end;
        let seal = Seal { length: self.end, ..self.seal };
        let mut bytes = Vec::new();
        // The number of the last record before it, which in the midst of a batch is not a complete commit's.
        let seq = self.seal.max_seq.max(base_seq);
        marker(&mut bytes, RecordKind::Seal, &seal.encode(), &self.place(self.end, seq, self.config.vfs.now()));
        if let Err(error) = self.write(&bytes) {
            return Err(self.cut_back(unsealed, error));
        }
        self.set_end(self.end + bytes.len() as u64);
        if let Err(error) = self.trim() {
            return Err(self.cut_back(unsealed, error));
        }
        self.sync_active()?;
        Ok(unsealed)
    }

    fn rotate_to(&mut self, base_seq: SeqNo, files: &mut NewFiles) -> Result<()> {
        self.check()?;
        let id = self.next_id()?;
        let unsealed = self.seal_active(base_seq)?;
        // A number is not used twice, also if creating the file fails half-way.
        self.last_id = id;
        let new = NewFile { id, kind: FileKind::Log, store_id: self.config.store_id, base_seq, earlier_synced: true };
        let vfs = self.config.vfs.as_ref();
        match DataFile::create(vfs, &self.config.dir, new, self.config.map_len) {
            Ok(file) => {
                if let Err(error) = file.sync_created(vfs, &self.config.dir) {
                    // Open recognises the file as empty.
                    return Err(self.stop(error));
                }
                let file = Arc::new(file);
                self.hint = Some(HintWriter::new(&self.config.vfs, &self.config.dir, &file));
                files.push(Arc::clone(&file));
                self.active = file;
                self.set_window(None);
                (self.last_record, self.witness) = (0, 0);
                self.end = DATA_START;
                self.allocated = DATA_START;
                self.synced = LogPosition { file: id, offset: DATA_START };
                self.seal = Seal::default();
                Ok(())
            }
            Err(error) => {
                // What is left of it would be damage once a later file stands behind it.
                let left = vfs.entry_kind(&DataFile::path_of(&self.config.dir, id));
                let gone = left.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound);
                if !gone || vfs.sync_dir(&self.config.dir).is_err() {
                    return Err(self.stop(error));
                }
                Err(self.cut_back(unsealed, error))
            }
        }
    }

    /// Brings everything appended so far to stable storage.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.check()?;
        if self.synced == self.position() { Ok(()) } else { self.sync_active() }
    }

    fn sync_active(&mut self) -> Result<()> {
        self.gate.sync(&self.active).map_err(|error| self.stop(error))?;
        (self.synced, self.witness) = (self.position(), self.last_record);
        self.synced_seq = self.last_seq;
        Ok(())
    }

    /// The sync that a thread of its own should run, if there is anything to sync.
    pub(crate) fn background_sync(&self) -> Option<BackgroundSync> {
        let dirty = self.stopped.is_none() && self.synced != self.position();
        dirty.then(|| BackgroundSync {
            gate: Arc::clone(&self.gate),
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
        if sync.position > self.synced {
            (self.synced, self.witness) = (sync.position, sync.record);
            self.synced_seq = sync.seq;
            if self.synced != self.position() {
                return self.mark();
            }
        }
        Ok(())
    }

    /// Writes down what recovery brought to stable storage, so that the next open need not do it again.
    pub(crate) fn mark_recovered(&mut self) -> Result<()> {
        let is_new = self.end == DATA_START;
        if is_new || self.ends_as_found() { Ok(()) } else { self.mark() }
    }

    /// Appends a sync mark. It is information for a later open, so that a failure is none unless the log can't be mended.
    fn mark(&mut self) -> Result<()> {
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
    /// is tried if it makes sense.
    pub(crate) fn close(&mut self) -> Result<()> {
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

    /// Takes records that are in the log now into the file's summary and hint.
    fn note(&mut self, commit: &Encoded, offset: u64, seq: SeqNo, timestamp: Timestamp) {
        if let Some(start) = commit.last_start() {
            self.last_record = offset + start as u64;
        }
        for record in commit.placed(offset) {
            self.seal.add(seq, timestamp);
            if let Some(hint) = &mut self.hint {
                hint.push(&HintEntry {
                    kind: if record.is_put { RecordKind::Put } else { RecordKind::Delete },
                    offset: record.offset,
                    value_len: record.value_len,
                    seq,
                    expiry: record.expiry,
                    key: record.key,
                });
            }
        }
    }

    /// Takes the log back to `end` after `error`, for good: what was written of the failed append must not come back after a crash.
    fn cut_back(&mut self, end: u64, error: Error) -> Error {
        if self.stopped.is_some() {
            return error;
        }
        self.set_end(end);
        self.set_window(None);
        self.allocated = end;
        let here = LogPosition { file: self.active.id(), offset: end };
        if let Err(e) = self.active.file().set_len(end) {
            let cause = self.active.io_error("truncate", end, e);
            return self.stop(cause);
        }
        if let Err(cause) = self.gate.sync(&self.active) {
            return self.stop(cause);
        }
        // The sync covered all that is there.
        (self.synced, self.witness) = (here, self.last_record);
        self.synced_seq = self.last_seq;
        error
    }
}

fn finish_hint(hint: Option<HintWriter>, file: &DataFile, seal: &Seal) {
    if let Some(hint) = hint {
        // Advisory: a file without hint is scanned.
        let _ = hint.finish(file.end(), seal.max_seq, true, (seal.min_time, seal.max_time));
    }
}
