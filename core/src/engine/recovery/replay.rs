//! Reads the files into the index and finds where the log ends (FORMAT 5). Reads only, but for the hints that it
//! collects for a writer on the way.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::format::header::{DATA_START, FileKind};
use crate::format::hint::{HintEntry, HintHeader};
use crate::format::payload::{Seal, SyncPoint};
use crate::format::record::{Invalid, RecordHeader, RecordKind};
use crate::index::Index;
use crate::log::{DataFile, HintReader, HintWriter, Item, LogPosition, Scanner};
use crate::stats::{Damage, OpenReport, TornTail};
use crate::types::{FileId, Location, OnDamage, SeqNo};
use crate::vfs::Vfs;

use super::apply::Applier;
use super::batch::OpenBatch;
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
}

/// Reads all files of a survey into an empty index, or the log from a place on into one that has what is before it.
pub(crate) fn replay(survey: &Survey, index: &dyn Index, config: ReplayConfig<'_>) -> Result<Replayed> {
    // Whatever a merged file holds is older than the place that an index goes to.
    let merged: Vec<_> = if config.start.is_some() { Vec::new() } else { survey.merged_files().collect() };
    let by_id: HashMap<_, _> = merged.iter().map(|file| (file.id(), Arc::clone(file))).collect();
    let mut replay = Replay {
        logs: survey.log_files().cloned().collect(),
        applier: Applier::new(index, by_id),
        stable: LogPosition { file: FileId(0), offset: 0 },
        looked_ahead: false,
        open_batch: None,
        last_seq: SeqNo::ZERO,
        log_seq: SeqNo::ZERO,
        complete_seq: SeqNo::ZERO,
        hints: Vec::new(),
        report: OpenReport { files: survey.files.len() as u64, ..OpenReport::default() },
        config,
    };
    replay.report.damage = survey.damage.clone();
    replay.begin();
    // Records of merged files are compared with what the index has.
    let build = replay.config.start.is_none() && merged.is_empty();
    if build {
        index.begin_build();
    }
    for file in merged {
        replay.merged_file(file)?;
    }
    replay.applier.merged_files_done();
    let end = replay.log()?;
    replay.applier.flush()?;
    if build {
        index.end_build()?;
    }
    replay.report.last_seq = replay.last_seq;
    Ok(Replayed { report: replay.report, end, stable: replay.stable, hints: replay.hints })
}

struct Replay<'a> {
    logs: Vec<Arc<DataFile>>,
    applier: Applier<'a>,
    config: ReplayConfig<'a>,
    stable: LogPosition,
    /// The whole log was searched for evidence of a later stable point.
    looked_ahead: bool,
    open_batch: Option<OpenBatch>,
    last_seq: SeqNo,
    /// The number below which none may follow in the log.
    log_seq: SeqNo,
    /// Batches up to this number are complete, for a hint covers a part of the last one at least.
    complete_seq: SeqNo,
    hints: Vec<SealedHint>,
    report: OpenReport,
}

/// One file while it is read.
struct Progress {
    seal: Seal,
    hint: Option<HintWriter>,
    sealed: bool,
    is_marked: bool,
    /// Up to where the hint spoke; 0 without one.
    hinted_to: u64,
    at: u64,
    /// Offset of the record last seen, or 0.
    witness: u64,
}

impl Replay<'_> {
    /// Takes over what is known at the place where reading begins.
    fn begin(&mut self) {
        let Some(start) = self.config.start else { return };
        self.report.index_from = Some(start.seq);
        self.stable_to(start.position);
        self.last_seq = start.seq;
        self.complete_seq = start.seq;
    }

    fn log(&mut self) -> Result<Option<LogEndFound>> {
        let logs = self.logs.clone();
        let mut found = None;
        for (i, file) in logs.iter().enumerate() {
            if self.config.start.is_some_and(|start| file.id() < start.position.file) {
                continue;
            }
            let is_last = i + 1 == logs.len();
            let end = self.log_file(file, i, is_last)?;
            let stop = end.as_ref().is_some_and(|end| end.torn);
            found = end.or(found);
            if stop {
                break;
            }
        }
        // Nothing behind it says that it was completed.
        if let (Some(batch), Some(end)) = (self.open_batch.take(), &mut found)
            && batch.start < end.position
        {
            end.torn = true;
            let moved = batch.start.file != end.position.file;
            end.position = batch.start;
            end.witness = 0;
            // Those of files that are cut off or removed now.
            self.hints.retain(|hint| hint.file < batch.start.file);
            end.sealed = false;
            end.is_marked = false;
            end.hint = None;
            if moved || end.seal.max_seq >= batch.seq {
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
        self.proves(file.header().base_seq)?;
        self.saw(file.header().base_seq);
        let mut progress = match self.config.start.filter(|start| start.position.file == file.id()) {
            Some(start) => self.begin_in(file, start),
            None => self.read_hint(file)?,
        };
        let mut scanner = Scanner::new(file, progress.at, self.log_seq);
        loop {
            let end = match scanner.next()? {
                Item::Record { offset, header } => {
                    self.report.scanned_records += u64::from(header.kind.has_key());
                    self.record(file, offset, &header, scanner.key(), &mut progress)?;
                    continue;
                }
                Item::Damage { offset, len, why } => {
                    let position = LogPosition { file: file.id(), offset };
                    if self.is_stable(position, i)? {
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
                    if !is_last && !progress.sealed {
                        if self.is_stable(position, i)? {
                            self.lost_end(file, offset)?;
                            progress.hint = None;
                        } else {
                            // The file ends without a seal, and another follows.
                            return Ok(Some(Self::end(position, true, progress)));
                        }
                    }
                    if !is_last {
                        self.collect(file, progress);
                        return Ok(None);
                    }
                    (position, false)
                }
            };
            return Ok(Some(Self::end(end.0, end.1, progress)));
        }
    }

    fn end(position: LogPosition, torn: bool, progress: Progress) -> LogEndFound {
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

    /// Takes a hint of a sealed file that had none.
    fn collect(&mut self, file: &DataFile, progress: Progress) {
        if let Some(writer) = progress.hint {
            self.hints.push(SealedHint { file: file.id(), writer, covered: file.end(), seal: progress.seal });
        }
    }

    fn record(
        &mut self,
        file: &DataFile,
        offset: u64,
        header: &RecordHeader,
        key: &[u8],
        progress: &mut Progress,
    ) -> Result<()> {
        let position = LogPosition { file: file.id(), offset };
        if header.synced {
            self.stable_to(position);
        }
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
                    file.id(),
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
            progress.seal.add(header.seq, header.timestamp);
            if let Some(hint) = &mut progress.hint {
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
        self.saw(header.seq);
        Ok(())
    }

    /// A number in the log.
    fn saw(&mut self, seq: SeqNo) {
        self.log_seq = self.log_seq.max(seq);
        self.last_seq = self.last_seq.max(seq);
    }

    fn change(&mut self, file: &DataFile, offset: u64, header: &RecordHeader, key: &[u8]) -> Result<()> {
        let new = location(file, offset, header);
        self.applier.change(key, new, header.seq, file.id())
    }

    /// Something that was written after every commit up to `seq`: an open batch among them is complete.
    fn proves(&mut self, seq: SeqNo) -> Result<()> {
        if self.open_batch.as_ref().is_some_and(|batch| batch.seq <= seq) { self.complete() } else { Ok(()) }
    }

    fn complete(&mut self) -> Result<()> {
        if let Some(batch) = self.open_batch.take() {
            for (key, new, file) in batch.records() {
                self.applier.change(key, new, batch.seq, file)?;
            }
        }
        Ok(())
    }

    fn stable_to(&mut self, position: LogPosition) {
        self.stable = self.stable.max(position);
    }

    /// Whether damage at a position of the `i`th log file is before the stable point. Looks ahead if need be.
    fn is_stable(&mut self, position: LogPosition, i: usize) -> Result<bool> {
        if position < self.stable {
            return Ok(true);
        }
        if !self.looked_ahead {
            self.looked_ahead = true;
            let later: Vec<_> = self.logs.iter().skip(i).cloned().collect();
            for file in later {
                if file.header().earlier_synced {
                    self.stable_to(LogPosition { file: file.id(), offset: 0 });
                }
                let start = if file.id() == position.file { position.offset } else { DATA_START };
                self.look_ahead(&file, start)?;
            }
        }
        Ok(position < self.stable)
    }

    fn look_ahead(&mut self, file: &DataFile, start: u64) -> Result<()> {
        let mut scanner = Scanner::new(file, start, self.log_seq);
        loop {
            match scanner.next()? {
                Item::Record { offset, header } => {
                    let here = LogPosition { file: file.id(), offset };
                    if header.synced {
                        self.stable_to(here);
                    }
                    if header.kind == RecordKind::SyncMark
                        && let Some(point) = SyncPoint::decode(scanner.key())
                    {
                        self.stable_to(here.min(LogPosition { file: point.file, offset: point.offset }));
                    }
                }
                Item::Damage { .. } => {}
                Item::End { .. } => return Ok(()),
            }
        }
    }

    fn damaged(&mut self, file: &DataFile, offset: u64, len: u64, why: Invalid) -> Result<()> {
        self.damage(file, offset, len, &why.to_string())
    }

    fn lost_end(&mut self, file: &DataFile, offset: u64) -> Result<()> {
        self.damage(file, offset, 0, "the file ends without its seal: its last records are missing")
    }

    fn damage(&mut self, file: &DataFile, offset: u64, len: u64, what: &str) -> Result<()> {
        if self.config.on_damage == OnDamage::Refuse {
            return Err(crate::log::damage_error(file, offset, len, what));
        }
        self.report.damage.push(Damage { path: file.path().to_owned(), offset, len, what: what.into() });
        Ok(())
    }

    /// Uses a file's hint as far as it goes, and says from where the file itself is to be read.
    fn read_hint(&mut self, file: &Arc<DataFile>) -> Result<Progress> {
        let mut progress = Progress {
            seal: Seal::default(),
            hint: None,
            sealed: false,
            is_marked: false,
            hinted_to: 0,
            at: DATA_START,
            witness: 0,
        };
        match HintReader::open(self.config.vfs.as_ref(), self.config.dir, file) {
            Ok(Some(reader)) => self.use_hint(file, reader, &mut progress)?,
            Ok(None) => {}
            Err(reason) => self.unusable_hint(file, reason),
        }
        if progress.at == DATA_START && self.config.collect_hints {
            progress.hint = Some(HintWriter::new(self.config.vfs, self.config.dir, file));
        }
        Ok(progress)
    }

    /// The file in which reading begins, behind its hint if that does not go further than the index: the hint's entries need not be read for
    /// it to be continued.
    fn begin_in(&mut self, file: &Arc<DataFile>, start: Start) -> Progress {
        let mut progress = Progress {
            seal: start.seal,
            hint: None,
            sealed: false,
            is_marked: false,
            hinted_to: 0,
            at: start.position.offset,
            witness: start.witness,
        };
        match HintReader::open(self.config.vfs.as_ref(), self.config.dir, file) {
            Ok(Some(mut reader)) => {
                let header = *reader.header();
                progress.hinted_to = header.covered;
                if !header.sealed && header.covered <= progress.at {
                    progress.at = header.covered;
                    progress.seal = summary(&header);
                    self.saw(header.max_seq);
                    if self.config.collect_hints && reader.skip().is_ok() {
                        progress.hint = Some(HintWriter::resume(self.config.vfs, self.config.dir, file, &reader));
                    }
                    return progress;
                }
            }
            Ok(None) if progress.at == DATA_START && self.config.collect_hints => {
                progress.hint = Some(HintWriter::new(self.config.vfs, self.config.dir, file));
            }
            Ok(None) => {}
            Err(reason) => self.unusable_hint(file, reason),
        }
        self.saw(start.seq);
        progress
    }

    fn use_hint(&mut self, file: &Arc<DataFile>, mut reader: HintReader, progress: &mut Progress) -> Result<()> {
        let header = *reader.header();
        if file.header().kind == FileKind::Log {
            // A hint never covers an incomplete batch: those of earlier files that reach into it are complete too.
            self.proves(header.max_seq)?;
            self.complete_seq = self.complete_seq.max(header.max_seq);
        }
        progress.hinted_to = header.covered;
        let mut entries = 0;
        loop {
            let block = match reader.next_block() {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(reason) => {
                    // What it told so far is true and is read once more from the file, to the same effect.
                    self.unusable_hint(file, reason);
                    return Ok(());
                }
            };
            for entry in block.entries().map_while(Result::ok) {
                let new =
                    if entry.kind.is_put() { Location::new(file.id(), entry.offset, entry.record_len()) } else { None };
                self.applier.change(entry.key, new, entry.seq, file.id())?;
                entries += 1;
            }
        }
        if entries != header.entries {
            let reason = format!("it says that it has {} entries and has {entries}", header.entries);
            self.unusable_hint(file, reason);
            return Ok(());
        }
        self.report.files_from_hint += 1;
        self.report.hint_records += entries;
        match file.header().kind {
            FileKind::Log => self.saw(header.max_seq),
            FileKind::Merged => self.last_seq = self.last_seq.max(header.max_seq),
        }
        progress.at = header.covered;
        progress.sealed = header.sealed;
        progress.seal = summary(&header);
        if self.config.collect_hints && !header.sealed {
            progress.hint = Some(HintWriter::resume(self.config.vfs, self.config.dir, file, &reader));
        }
        Ok(())
    }

    fn unusable_hint(&mut self, file: &DataFile, reason: String) {
        let path = HintReader::path_of(self.config.dir, file.id());
        self.report.unusable_hints.push((path, reason));
    }

    /// Reads the output of a merge: complete by its nature, so that all damage is corruption.
    fn merged_file(&mut self, file: &Arc<DataFile>) -> Result<()> {
        let mut progress = self.read_hint(file)?;
        let mut scanner = Scanner::new(file, progress.at, SeqNo::ZERO);
        loop {
            match scanner.next()? {
                Item::Record { offset, header } => {
                    self.report.scanned_records += u64::from(header.kind.has_key());
                    progress.sealed = header.kind == RecordKind::Seal;
                    if header.kind.has_key() {
                        progress.seal.add(header.seq, header.timestamp);
                        self.change(file, offset, &header, scanner.key())?;
                    }
                    self.last_seq = self.last_seq.max(header.seq);
                }
                Item::Damage { offset, len, why } => self.damaged(file, offset, len, why)?,
                Item::End { offset, .. } => {
                    if !progress.sealed {
                        self.lost_end(file, offset)?;
                    }
                    return Ok(());
                }
            }
        }
    }
}

/// What a hint says of the records that it covers.
fn summary(header: &HintHeader) -> Seal {
    Seal {
        count: header.entries,
        min_seq: header.min_seq,
        max_seq: if header.entries == 0 { SeqNo::ZERO } else { header.max_seq },
        min_time: header.min_time,
        max_time: header.max_time,
        length: 0,
    }
}

/// Where a put is; `None` for a delete.
fn location(file: &DataFile, offset: u64, header: &RecordHeader) -> Option<Location> {
    if header.kind.is_put() { Location::new(file.id(), offset, header.record_len()) } else { None }
}
