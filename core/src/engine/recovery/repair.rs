//! Makes the directory agree with what was read (FORMAT 7): the only step of opening that changes anything.
//!
//! Every step may be cut off by a crash; the next open finds the same end and goes on.
//! 1. Bytes behind the end that hold a valid record are kept as evidence before they are cut off.
//! 2. Later files go first, the newest before the older, so that what is left is always a log with the same end.
//! 3. Bytes between the stable point and the end are written again as they are and synced: after a failed sync the page
//!    cache may show what the disk does not have, and a sync of pages that count as clean would not mend that.
//! 4. A file in which nothing was written yet is given its name again, for the same reason. Others had theirs before their records.
//!
//! Where a writer closed the log, its last mark is all that there is behind the stable point: it is written again, and synced by whoever writes
//! behind it. So opening waits for no disk then.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, FileKind};
use crate::format::names;
use crate::format::payload::Seal;
use crate::log::{DataFile, HintWriter, Item, LogConfig, LogEnd, LogPosition, NewFile, Scanner, SyncGate};
use crate::stats::{OpenReport, TornTail};
use crate::types::{FileId, SeqNo};
use crate::vfs::{EntryKind, OpenMode, Vfs, VfsFile, read_full_at, write_all_at};

use super::replay::{LogEndFound, Replayed};
use super::survey::Survey;

const COPY_LEN: usize = 1 << 20;

/// Repairs the directory and gives the end of the log, ready to be appended to, and the report.
pub(crate) fn repair(survey: &mut Survey, replayed: Replayed, config: &LogConfig) -> Result<(LogEnd, OpenReport)> {
    let Replayed { mut report, end, stable, hints, .. } = replayed;
    let repair = Repair { vfs: config.vfs.as_ref(), dir: &config.dir, gate: &config.gate };
    if let Some(path) = &survey.unfinished {
        repair.remove(path)?;
    }
    for (path, _) in &report.unusable_hints {
        // One that covers more than the file has would be believed once the file has grown past it. What is no file never is.
        if matches!(repair.vfs.entry_kind(path), Ok(EntryKind::File)) {
            repair.remove(path)?;
        }
    }
    if survey.unfinished.is_some() {
        // Before there is a later file, behind which a file without header is damage.
        repair.sync_dir()?;
    }
    if !report.damage.is_empty() {
        // Damage may hide numbers, which must not be used again: as many as there can be records in it.
        let hidden = report.damage.iter().map(|damage| damage.len.max(1 << 32) / 28 + 1).sum();
        report.last_seq = SeqNo(report.last_seq.0.saturating_add(hidden));
    }
    let log_end = match end {
        Some(found) => repair.existing(survey, found, stable, &mut report, config)?,
        None => repair.first_file(survey, report.last_seq, config)?,
    };
    for hint in hints {
        // Advisory: without it the next open scans again. Files behind the end have none here.
        let times = (hint.seal.min_time, hint.seal.max_time);
        let _ = hint.writer.finish(hint.covered, hint.seal.max_seq, true, times);
    }
    report.active_file = Some(log_end.active.id());
    Ok((log_end, report))
}

struct Repair<'a> {
    vfs: &'a dyn Vfs,
    dir: &'a Path,
    gate: &'a SyncGate,
}

impl Repair<'_> {
    fn existing(
        &self,
        survey: &mut Survey,
        found: LogEndFound,
        stable: LogPosition,
        report: &mut OpenReport,
        config: &LogConfig,
    ) -> Result<LogEnd> {
        let end = found.position;
        let later: Vec<_> = survey.log_files().filter(|file| file.id() > end.file).cloned().collect();
        for file in later.iter().rev() {
            self.set_aside(file, report)?;
            survey.files.retain(|kept| kept.id() != file.id());
        }
        let logs: Vec<_> = survey.log_files().cloned().collect();
        let Some(last) = logs.last() else { return self.first_file(survey, report.last_seq, config) };
        let is_clean = later.is_empty() && is_as_closed(survey, last, &found, stable, report);
        if is_clean {
            // As below, but whoever writes behind it syncs it.
            copy_again(last, stable.offset)?;
        } else {
            self.cut(last, end.offset, found.torn, report)?;
            if end.offset == DATA_START {
                self.name_again(last)?;
            }
            for file in &logs {
                let from = match file.id().cmp(&stable.file) {
                    Ordering::Less if file.id() < end.file => continue,
                    // Cut back to before the stable point, an incomplete batch's first file: the cut alone is not stable.
                    Ordering::Less => file.end(),
                    Ordering::Equal => stable.offset,
                    Ordering::Greater => 0,
                };
                file.give_back()?;
                self.rewrite(file, from)?;
            }
            // Names too may have been created and not synced.
            self.sync_dir()?;
        }
        let state = LogEnd {
            active: Arc::clone(last),
            last_seq: report.last_seq,
            last_id: FileId(survey.last_id),
            seal: found.seal,
            hint: found.hint,
            witness: found.witness,
            is_marked: found.is_marked,
            synced: if is_clean { stable.offset } else { end.offset },
        };
        // Damage up to an odd end leaves no place for a record.
        if !found.sealed && end.offset.is_multiple_of(4) {
            return Ok(state);
        }
        // Cut short between seal and new file, or the new file was cut off.
        if let Some(hint) = state.hint {
            let times = (state.seal.min_time, state.seal.max_time);
            let _ = hint.finish(end.offset, state.seal.max_seq, true, times);
        }
        self.first_file(survey, report.last_seq, config)
    }

    /// Gives a file without records its name anew. Whoever made it may have seen the sync of the name fail, and been told that it is there by every
    /// sync since (assumption 4): what is written to it now would be lost with it. Cut off in between, a file is missing that says nothing.
    fn name_again(&self, file: &DataFile) -> Result<()> {
        let temp = self.dir.join(names::temp(&names::data(file.id())));
        for (from, to) in [(file.path(), temp.as_path()), (temp.as_path(), file.path())] {
            self.vfs.rename(from, to).map_err(|e| Error::io("rename", from, None, e))?;
        }
        Ok(())
    }

    /// Begins a new file, of a new store or behind a sealed one.
    fn first_file(&self, survey: &mut Survey, last_seq: SeqNo, config: &LogConfig) -> Result<LogEnd> {
        let id = FileId(survey.last_id.saturating_add(1));
        if id > FileId::MAX {
            return Err(Error::Unsupported { what: "all file ids of the format are used up".into() });
        }
        let new =
            NewFile { id, kind: FileKind::Log, store_id: config.store_id, base_seq: last_seq, earlier_synced: true };
        let file = DataFile::create(self.vfs, self.dir, new, config.map_len)?;
        file.sync_created(self.gate, self.vfs, self.dir).map_err(not_opened)?;
        let active = Arc::new(file);
        survey.files.push(Arc::clone(&active));
        survey.files.sort_by_key(|file| file.id());
        survey.last_id = id.0;
        Ok(LogEnd {
            hint: Some(HintWriter::new(&config.vfs, self.dir, &active)),
            active,
            last_seq,
            last_id: id,
            seal: Seal::default(),
            witness: 0,
            is_marked: false,
            synced: DATA_START,
        })
    }

    /// Takes a file that lies wholly behind the end out of the log.
    fn set_aside(&self, file: &DataFile, report: &mut OpenReport) -> Result<()> {
        let len = file.end();
        let kept_as = if self.holds_record(file, DATA_START)? {
            let kept = self.dir.join(names::torn(file.id(), 0));
            self.vfs.rename(file.path(), &kept).map_err(|e| Error::io("rename", file.path(), None, e))?;
            Some(kept)
        } else {
            self.remove(file.path())?;
            None
        };
        self.sync_dir()?;
        report.torn.push(TornTail { path: file.path().to_owned(), offset: 0, len, kept_as });
        Ok(())
    }

    /// Cuts a file at the end of the log.
    fn cut(&self, file: &DataFile, end: u64, torn: bool, report: &mut OpenReport) -> Result<()> {
        let len = file.end();
        if torn {
            let kept_as = if self.holds_record(file, end)? { Some(self.keep(file, end, len)?) } else { None };
            report.torn.push(TornTail { path: file.path().to_owned(), offset: end, len: len - end.min(len), kept_as });
        }
        if len > end {
            file.file().set_len(end).map_err(|e| file.io_error("truncate", end, e))?;
            file.set_end(end);
        }
        Ok(())
    }

    fn holds_record(&self, file: &DataFile, from: u64) -> Result<bool> {
        let mut scanner = Scanner::new(file, from, SeqNo::ZERO);
        loop {
            match scanner.next()? {
                Item::Record { .. } => return Ok(true),
                Item::Damage { .. } => {}
                Item::End { .. } => return Ok(false),
            }
        }
    }

    /// Copies a file's bytes from an offset on into a file of their own, synced with its name.
    fn keep(&self, file: &DataFile, from: u64, len: u64) -> Result<PathBuf> {
        let kept = self.dir.join(names::torn(file.id(), from));
        if let Err(e) = self.vfs.remove(&kept)
            && e.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Error::io("remove", &kept, None, e));
        }
        let failed = |op, e| Error::io(op, &kept, None, e);
        let copy = self.vfs.open(&kept, OpenMode::CreateNew).map_err(|e| failed("create", e))?;
        copy_range(file.file().as_ref(), from, len, copy.as_ref(), 0).map_err(|e| failed("copy", e))?;
        copy.sync_data().map_err(|e| failed("sync", e))?;
        self.sync_dir()?;
        Ok(kept)
    }

    /// Writes a file's bytes from an offset on again, as they are, and syncs them.
    fn rewrite(&self, file: &DataFile, from: u64) -> Result<()> {
        copy_again(file, from)?;
        file.file().sync_data().map_err(|e| file.io_error("sync", from, e))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match self.vfs.remove(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, None, e)),
            _ => Ok(()),
        }
    }

    fn sync_dir(&self) -> Result<()> {
        self.gate.sync_dir(self.vfs, self.dir).map_err(not_opened)
    }
}

/// What stops the writes of an open store keeps another from being opened: it is told what failed.
fn not_opened(error: Error) -> Error {
    match error {
        Error::WritesStopped { cause } => cause.as_ref().clone(),
        error => error,
    }
}

/// Whether the directory is as a writer left it that closed the log: nothing is to be repaired, and the log ends with a mark that was written
/// when all before it, and the names of all files, were on stable storage. The mark itself need not be there.
fn is_as_closed(
    survey: &Survey,
    last: &DataFile,
    found: &LogEndFound,
    stable: LogPosition,
    report: &OpenReport,
) -> bool {
    let end = found.position;
    found.is_marked
        && !found.sealed
        && stable == LogPosition { file: end.file, offset: found.witness }
        && (last.id(), last.end()) == (end.file, end.offset)
        && survey.unfinished.is_none()
        && report.damage.is_empty()
        && report.unusable_hints.is_empty()
}

/// Writes a file's bytes from an offset on again, as they are.
fn copy_again(file: &DataFile, from: u64) -> Result<()> {
    let handle = file.file().as_ref();
    copy_range(handle, from, file.end(), handle, from).map_err(|e| file.io_error("rewrite", from, e))
}

/// Copies `from..to` of one file to an offset of another, or the same.
fn copy_range(source: &dyn VfsFile, from: u64, to: u64, target: &dyn VfsFile, at: u64) -> std::io::Result<()> {
    let mut buf = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(COPY_LEN).min(COPY_LEN)];
    let mut done = from;
    while done < to {
        let want = usize::try_from(to - done).unwrap_or(usize::MAX).min(buf.len());
        let got = read_full_at(source, &mut buf[..want], done)?;
        if got == 0 {
            return Ok(());
        }
        write_all_at(target, &buf[..got], at + (done - from))?;
        done += got as u64;
    }
    Ok(())
}
