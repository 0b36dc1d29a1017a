//! Reads the files into the index and finds where the log ends (FORMAT 5). Reads only, but for the hints that it
//! collects for a writer on the way.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::format::header::DATA_START;
use crate::format::hint::HintEntry;
use crate::format::payload::Seal;
use crate::format::record::{RecordHeader, RecordKind};
use crate::index::Index;
use crate::log::{DataFile, HintWriter, Item, LogPosition, Scanner, Witness};
use crate::stats::{OpenReport, TornTail};
use crate::types::{FileId, OnDamage, SeqNo};
use crate::vfs::Vfs;

use super::super::accounts::Ledger;
use super::ahead::Ahead;
use super::apply::{Applier, Live};
use super::batch::OpenBatch;
use super::progress::Progress;
use super::start::Start;
use super::survey::Survey;

/// What reading found, beyond the index.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) report: OpenReport,
    /// Where the log ends; `None` if there is no log file.
    pub(crate) end: Option<LogEndFound>,
    /// Everything before this is on stable storage.
    pub(crate) stable: LogPosition,
    /// Hints of sealed files that had none.
    pub(crate) hints: Vec<SealedHint>,
    /// The last record that was read of what counts, if records were read and not a hint alone; for a reader beside a writer.
    pub(crate) last: Option<Witness>,
    /// Number of the last commit that the index has.
    pub(crate) applied: SeqNo,
    /// The accounts, if they were counted.
    pub(crate) ledger: Option<Ledger>,
}

impl Replayed {
    /// The report for an opener that changes nothing: the torn tail is left where it is, and left out.
    pub(crate) fn into_report(mut self, survey: &Survey) -> OpenReport {
        let Some(end) = &self.end else { return self.report };
        for file in survey.log_files().filter(|file| file.id() >= end.position.file) {
            let offset = if file.id() == end.position.file { end.position.offset } else { 0 };
            if end.torn && file.end() > offset {
                let len = file.end() - offset;
                self.report.torn.push(TornTail { path: file.path().to_owned(), offset, len, kept_as: None });
            }
            file.set_end(offset);
        }
        self.report
    }
}

/// The end of the log.
#[derive(Debug)]
pub(crate) struct LogEndFound {
    pub(crate) position: LogPosition,
    /// The log goes no further although bytes follow: a torn tail, or an incomplete batch.
    pub(crate) torn: bool,
    /// The last record is a seal: nothing can be appended to this file.
    pub(crate) sealed: bool,
    /// The last record is a mark that says that all before it is stable, and the hint covers all before it.
    pub(crate) is_marked: bool,
    /// Summary of the last file, and its hint so far. Both are for the file up to the end.
    pub(crate) seal: Seal,
    pub(crate) hint: Option<HintWriter>,
    /// Offset of a record in the last file before the end, or 0.
    pub(crate) witness: u64,
}

/// A finished collection for a sealed file.
#[derive(Debug)]
pub(crate) struct SealedHint {
    pub(crate) file: FileId,
    pub(crate) writer: HintWriter,
    pub(crate) covered: u64,
    pub(crate) seal: Seal,
}

/// How to read.
#[derive(Clone, Debug)]
pub(crate) struct ReplayConfig<'a> {
    pub(crate) vfs: &'a Arc<dyn Vfs>,
    pub(crate) dir: &'a Path,
    pub(crate) on_damage: OnDamage,
    /// Collect hints for files that have none.
    pub(crate) collect_hints: bool,
    /// The index has everything before this.
    pub(crate) start: Option<Start>,
    /// A writer in another process may append meanwhile.
    pub(crate) beside: bool,
    /// The last record before `start`, if that is not known to be on stable storage.
    pub(crate) last: Option<Witness>,
    /// The index is read meanwhile.
    pub(crate) live: Option<&'a dyn Live>,
    pub(crate) progress: Progress,
    /// Commits behind this are not for the index.
    pub(crate) until: SeqNo,
    /// Commits up to this are known to be in the log: where it goes wrong before it had them, it is damaged and does not end. 0 if nobody knows.
    pub(crate) owed: SeqNo,
    /// The accounts of what is before `start`; empty ones without it. Without them none are kept. A live index keeps them itself.
    pub(crate) ledger: Option<Ledger>,
    /// Is set before the index gets a record that has an expiry, and perhaps for one that it does not get.
    pub(crate) expires: &'a AtomicBool,
}

/// Reads all files of a survey into an empty index, or the log from a place on into one that has what is before it.
pub(crate) fn replay(survey: &Survey, index: &dyn Index, mut config: ReplayConfig<'_>) -> Result<Replayed> {
    // Whatever a merged file holds is older than the place that an index goes to.
    let merged: Vec<_> = if config.start.is_some() { Vec::new() } else { survey.merged_files().collect() };
    let by_id: HashMap<_, _> = merged.iter().map(|file| (file.id(), Arc::clone(file))).collect();
    let accounts = (config.ledger.take(), config.start.map(|start| start.position));
    // Of numbers up to these a merge relied on that none is used again. The log has them, unless files of it are lost.
    let relied_on = survey.merged_files().map(|file| file.header().base_seq).max().unwrap_or_default();
    if config.owed <= relied_on {
        config.owed = SeqNo::ZERO;
    }
    let mut replay = Replay {
        logs: survey.log_files().cloned().collect(),
        applier: Applier::new(index, config.live, by_id, config.until, accounts),
        stable: LogPosition { file: FileId(0), offset: 0 },
        looked_ahead: false,
        ahead: None,
        open_batch: None,
        last_seq: SeqNo::ZERO,
        log_seq: SeqNo::ZERO,
        complete_seq: SeqNo::ZERO,
        begun_at: SeqNo::ZERO,
        hints: Vec::new(),
        last: config.last.clone(),
        before_batch: None,
        report: OpenReport { files: survey.files.len() as u64, ..OpenReport::default() },
        config,
    };
    replay.report.damage = survey.damage.clone();
    replay.config.progress.begin(survey.files.iter().map(|file| file.end()).sum())?;
    replay.begin();
    // Records of merged files are compared with what the index has, and numbers that are read ahead are not compared with `until`.
    if replay.config.live.is_none() && replay.config.until == SeqNo(u64::MAX) && merged.is_empty() {
        let from = replay.config.start.map(|start| start.position.file);
        let files = replay.logs.iter().filter(|file| from.is_none_or(|from| file.id() > from)).cloned();
        let sorts = index.capabilities().ordered && !index.is_persistent();
        replay.ahead = Ahead::new(replay.config.vfs, replay.config.dir.to_owned(), files, sorts);
    }
    let build = replay.config.start.is_none() && merged.is_empty();
    if build && index.begin_build() {
        replay.applier.put_off();
    }
    for file in merged {
        replay.merged_file(file)?;
        replay.config.progress.file_done(file.end());
    }
    replay.applier.merged_files_done();
    let end = replay.log()?;
    replay.applier.flush()?;
    replay.config.progress.finish(replay.records())?;
    if build {
        replay.applier.end_build()?;
    }
    let of_merged = if replay.config.live.is_some() { SeqNo::ZERO } else { relied_on };
    replay.report.last_seq = replay.last_seq.max(of_merged);
    let began = replay.config.start.map_or(SeqNo::ZERO, |start| start.seq);
    let applied = replay.applier.applied().max(replay.begun_at).max(began);
    let Replay { report, stable, hints, last, applier, .. } = replay;
    Ok(Replayed { report, end, stable, hints, last, applied, ledger: applier.into_ledger() })
}

pub(super) struct Replay<'a> {
    pub(super) logs: Vec<Arc<DataFile>>,
    pub(super) applier: Applier<'a>,
    pub(super) config: ReplayConfig<'a>,
    pub(super) stable: LogPosition,
    /// The whole log was searched for evidence of a later stable point.
    pub(super) looked_ahead: bool,
    /// Threads that read hints.
    pub(super) ahead: Option<Ahead>,
    pub(super) open_batch: Option<OpenBatch>,
    pub(super) last_seq: SeqNo,
    /// The number below which none may follow in the log.
    pub(super) log_seq: SeqNo,
    /// Batches up to this number are complete, for a hint covers a part of the last one at least.
    pub(super) complete_seq: SeqNo,
    /// Of the files of the log the greatest number that one begins behind: a merge may have dropped the commit.
    pub(super) begun_at: SeqNo,
    pub(super) hints: Vec<SealedHint>,
    /// The last record that was read, and the one before the open batch. Kept beside a writer only.
    pub(super) last: Option<Witness>,
    pub(super) before_batch: Option<Witness>,
    pub(super) report: OpenReport,
}

/// One file while it is read.
pub(super) struct InFile {
    pub(super) seal: Seal,
    pub(super) hint: Option<HintWriter>,
    pub(super) sealed: bool,
    pub(super) is_marked: bool,
    /// Up to where the hint spoke; 0 without one.
    pub(super) hinted_to: u64,
    pub(super) at: u64,
    /// Offset of the record last seen, or 0.
    pub(super) witness: u64,
}

impl InFile {
    /// At the place where the file itself is to be read from, with the summary of what is before it and the record that ends there.
    pub(super) fn at(at: u64, seal: Seal, witness: u64) -> InFile {
        InFile { seal, hint: None, sealed: false, is_marked: false, hinted_to: 0, at, witness }
    }

    /// Adds a put or delete to the summary and to the hint.
    pub(super) fn tell(&mut self, offset: u64, header: &RecordHeader, key: &[u8]) {
        self.seal.add(header.seq, header.timestamp);
        if let Some(hint) = &mut self.hint {
            hint.push(&HintEntry {
                kind: if header.kind.is_put() { RecordKind::Put } else { RecordKind::Delete },
                offset,
                value_len: header.value_len,
                seq: header.seq,
                expiry: header.expiry,
                key,
            });
        }
    }
}

impl Replay<'_> {
    /// Something that the index may get has an expiry.
    pub(super) fn expires(&self, it_does: bool) {
        if it_does {
            self.config.expires.store(true, Ordering::Relaxed);
        }
    }

    /// Takes over what is known at the place where reading begins.
    fn begin(&mut self) {
        let Some(start) = self.config.start else { return };
        self.report.index_from = Some(start.seq);
        self.expires(start.expires);
        self.stable_to(start.position);
        self.last_seq = start.seq;
        self.complete_seq = start.seq;
    }

    fn log(&mut self) -> Result<Option<LogEndFound>> {
        let logs = self.logs.clone();
        let mut found = None;
        for (i, file) in logs.iter().enumerate() {
            if self.config.start.is_some_and(|start| file.id() < start.position.file) {
                self.config.progress.file_done(file.end());
                continue;
            }
            let is_last = i + 1 == logs.len();
            let end = self.log_file(file, i, is_last)?;
            self.config.progress.file_done(file.end());
            let stop = end.as_ref().is_some_and(|end| end.torn);
            found = end.or(found);
            if stop {
                break;
            }
        }
        // What is left of one that was complete.
        self.proves(self.config.owed)?;
        // Nothing behind it says that it was completed.
        if let (Some(batch), Some(end)) = (self.open_batch.take(), &mut found)
            && batch.start < end.position
        {
            end.torn = true;
            self.last = self.before_batch.take();
            let moved = batch.start.file != end.position.file;
            end.position = batch.start;
            end.witness = 0;
            // Those of files that are cut off or removed now.
            self.hints.retain(|hint| hint.file < batch.start.file);
            end.sealed = false;
            end.is_marked = false;
            end.hint = None;
            if self.config.collect_hints && (moved || end.seal.max_seq >= batch.seq) {
                self.resummarise(end)?;
            }
        }
        Ok(found)
    }

    /// The summary of the last file without the batch that is taken off it.
    fn resummarise(&self, end: &mut LogEndFound) -> Result<()> {
        let Some(file) = self.logs.iter().find(|file| file.id() == end.position.file) else { return Ok(()) };
        end.seal = Seal::default();
        let mut scanner = Scanner::new(file, DATA_START, SeqNo::ZERO);
        loop {
            match scanner.next()? {
                Item::Record { offset, .. } if offset >= end.position.offset => return Ok(()),
                Item::Record { header, .. } if header.kind.has_key() => end.seal.add(header.seq, header.timestamp),
                Item::Record { .. } | Item::Damage { .. } => {}
                Item::End { .. } => return Ok(()),
            }
        }
    }

    /// Reads a file of the log. Gives the end if it is here, which it also is for the time being if the file is the last.
    fn log_file(&mut self, file: &Arc<DataFile>, i: usize, is_last: bool) -> Result<Option<LogEndFound>> {
        if file.header().earlier_synced {
            self.stable_to(LogPosition { file: file.id(), offset: 0 });
        }
        let base_seq = file.header().base_seq;
        if self.config.live.is_some() && base_seq > self.last_seq {
            // A merge took away what came between, and what is newer than that is to be read with it.
            return Err(Error::Stale { path: file.path().to_owned(), offset: 0 });
        }
        self.proves(base_seq)?;
        self.saw(base_seq);
        self.begun_at = self.begun_at.max(base_seq);
        let mut progress = match self.config.start.filter(|start| start.position.file == file.id()) {
            Some(start) => self.begin_in(file, start),
            None => self.read_hint(file)?,
        };
        let mut scanner = Scanner::new(file, progress.at, self.log_seq);
        let mut window = None;
        loop {
            let end = match scanner.next()? {
                Item::Record { offset, header } => {
                    self.report.scanned_records += u64::from(header.kind.has_key());
                    if self.config.beside {
                        let read_on = window.replace(scanner.window()) != Some(scanner.window());
                        self.follow(file, offset, &header, read_on)?;
                    }
                    self.config.progress.at(offset, self.records())?;
                    self.record(file, offset, &header, scanner.key(), &mut progress)?;
                    continue;
                }
                Item::Damage { offset, len, why } => {
                    let position = LogPosition { file: file.id(), offset };
                    if self.is_owed_more() || self.is_stable(position, i)? {
                        // A writer in another process may have been in the midst of it when it was read; what says that
                        // it is stable was written later, so that now it is all there or really damaged.
                        let mut again = Scanner::new(file, offset, self.log_seq);
                        if matches!(again.next()?, Item::Record { .. }) {
                            scanner = Scanner::new(file, offset, self.log_seq);
                            continue;
                        }
                        self.damaged(file, offset, len, why)?;
                        // A hint over it would hide it from the next open.
                        progress.hint = None;
                        progress.is_marked = false;
                        continue;
                    }
                    (position, true)
                }
                Item::End { offset, .. } => {
                    let position = LogPosition { file: file.id(), offset };
                    if !progress.sealed && (!is_last || self.is_owed_more()) {
                        if self.is_owed_more() || self.is_stable(position, i)? {
                            self.lost_end(file, offset)?;
                            progress.hint = None;
                        } else {
                            // The file ends without a seal, and another follows.
                            return Ok(Some(Self::end(position, true, progress)));
                        }
                    }
                    if !is_last {
                        if progress.sealed {
                            // Space that was reserved may be behind the seal: that it was given back was not on stable storage.
                            file.set_end(offset);
                        }
                        self.collect(file, progress);
                        return Ok(None);
                    }
                    (position, false)
                }
            };
            return Ok(Some(Self::end(end.0, end.1, progress)));
        }
    }

    fn end(position: LogPosition, torn: bool, progress: InFile) -> LogEndFound {
        LogEndFound {
            position,
            torn,
            sealed: progress.sealed,
            is_marked: progress.is_marked && !torn,
            seal: progress.seal,
            hint: progress.hint,
            witness: progress.witness,
        }
    }

    /// Records read so far.
    pub(super) fn records(&self) -> u64 {
        self.report.hint_records + self.report.scanned_records
    }

    /// Takes a hint of a sealed file that had none.
    pub(super) fn collect(&mut self, file: &DataFile, progress: InFile) {
        if let Some(writer) = progress.hint {
            self.hints.push(SealedHint { file: file.id(), writer, covered: file.end(), seal: progress.seal });
        }
    }
}
