//! Appending commits to the active file: as many as fit with one write, each with its own outcome.

use crate::error::{Error, Result};
use crate::format::header::DATA_START;
use crate::format::hint::HintEntry;
use crate::format::payload::BatchDigest;
use crate::format::record::RecordKind;
use crate::log::encoded::Encoded;
use crate::types::{SeqNo, Timestamp};
use crate::util::few::Few;

use super::{LogWriter, NewFiles};

/// Of a group that failed, so many commits may fail by themselves before the others are not tried.
pub(super) const MAX_FAILURES: u32 = 4;

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

impl LogWriter {
    /// Appends commits in order with as few writes as possible, and gives for each its sequence number or why it failed. Where a
    /// write of several fails, they are tried one by one, as far as [`Attempts`] go. Commits without records are passed over. New files are
    /// added to `files`.
    pub(crate) fn append<C: AsMut<Encoded>>(&mut self, commits: &mut [C], files: &mut NewFiles) -> Few<Result<SeqNo>> {
        let (mut outcomes, mut attempts) = (Few::new(), Attempts::default());
        outcomes.reserve(commits.len());
        if !self.behind.is_empty() {
            // A failure stops the writer, which each commit is told.
            let _ = self.settle();
        }
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
                if attempts.failures > 0 || self.append_here(group, |seq| outcomes.push(Ok(seq))).is_err() {
                    for commit in group.iter_mut().map(AsMut::as_mut) {
                        outcomes.push(attempts.make(commit, |commit| self.append_alone(commit)));
                    }
                }
            }
            rest = others;
        }
        outcomes
    }

    pub(super) fn append_alone(&mut self, commit: &mut Encoded) -> Result<SeqNo> {
        let mut number = self.last_seq;
        self.append_here(&mut [commit], |seq| number = seq)?;
        Ok(number)
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
                // One without records needs no room, also where the file is longer than its limit.
                commit.log_len() == 0 || end <= self.config.max_file_size || (empty && !commit.is_batch())
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

    /// Writes commits behind the end of the active file, with one write, and tells their numbers when all are there.
    fn append_here<C: AsMut<Encoded>>(&mut self, commits: &mut [C], mut each: impl FnMut(SeqNo)) -> Result<()> {
        self.check()?;
        let timestamp = self.config.vfs.now();
        let mut at = self.end;
        let mut buf = std::mem::take(&mut self.buf);
        buf.clear();
        let alone = commits.len() == 1;
        let mut used = self.used_seq;
        for commit in commits.iter_mut().map(AsMut::as_mut) {
            if commit.count() > 0 {
                self.take_number()?;
                let place = self.place(at, self.used_seq, timestamp);
                let bytes = commit.place(place, &mut BatchDigest::new(), true);
                at += bytes.len() as u64;
                if !alone {
                    buf.extend_from_slice(bytes);
                }
            }
        }
        if at != self.end {
            self.fill_ahead(at - self.end);
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
        for commit in commits.iter_mut().map(AsMut::as_mut) {
            // An empty commit has the number of the one before it: what it says rests on that.
            if commit.count() > 0 {
                used = used.next();
                self.last_seq = used;
                self.note(commit, offset, used, timestamp);
                offset += commit.log_len();
            }
            each(self.last_seq);
        }
        self.set_end(at);
        Ok(())
    }

    /// Takes the next sequence number. They end only where somebody made a file that says so.
    pub(super) fn take_number(&mut self) -> Result<()> {
        if self.used_seq.0 == u64::MAX {
            return Err(Error::Unsupported { what: "all sequence numbers are used up".into() });
        }
        self.used_seq = self.used_seq.next();
        Ok(())
    }

    /// Takes records that are in the log now into the file's summary and hint.
    pub(super) fn note(&mut self, commit: &Encoded, offset: u64, seq: SeqNo, timestamp: Timestamp) {
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
}
