//! Hints: what a file's hint tells is taken as if the file had been read up to there. Advisory: one that can't be used costs time only.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, FileKind};
use crate::format::hint::{HintEntry, HintHeader};
use crate::format::payload::Seal;
use crate::log::{DataFile, HintReader, HintWriter};
use crate::types::{FileId, Location, SeqNo};

use super::super::accounts::Counted;
use super::ahead::{Hearing, Said};
use super::replay::{InFile, Replay};
use super::start::Start;

impl Replay<'_> {
    /// Uses a file's hint as far as it goes, and says from where the file itself is to be read.
    pub(super) fn read_hint(&mut self, file: &Arc<DataFile>) -> Result<InFile> {
        let mut progress = InFile::at(DATA_START, Seal::default(), 0);
        match self.ahead.as_mut().and_then(|ahead| ahead.take(file.id())) {
            Some(hearing) => self.hear_hint(file, hearing, &mut progress)?,
            None => match HintReader::open(self.config.vfs.as_ref(), self.config.dir, file) {
                Ok(Some(reader)) if self.goes_too_far(file, reader.header()) => {}
                Ok(Some(reader)) => self.use_hint(file, reader, &mut progress)?,
                Ok(None) => {}
                Err(reason) => self.unusable_hint(file, reason),
            },
        }
        if progress.at == DATA_START && self.config.collect_hints {
            progress.hint = Some(HintWriter::new(self.config.vfs, self.config.dir, file));
        }
        Ok(progress)
    }

    /// The file in which reading begins, behind its hint if that does not go further than the index: the hint's entries need not be read for
    /// it to be continued.
    pub(super) fn begin_in(&mut self, file: &Arc<DataFile>, start: Start) -> InFile {
        let mut progress = InFile::at(start.position.offset, start.seal, start.witness);
        if !self.config.collect_hints {
            self.saw(start.seq);
            return progress;
        }
        match HintReader::open(self.config.vfs.as_ref(), self.config.dir, file) {
            Ok(Some(mut reader)) => {
                let header = *reader.header();
                progress.hinted_to = header.covered;
                if !header.sealed && header.covered <= progress.at {
                    progress.at = header.covered;
                    progress.seal = summary(&header);
                    self.saw(header.max_seq);
                    if reader.skip().is_ok() {
                        progress.hint = Some(HintWriter::resume(self.config.vfs, self.config.dir, file, &reader));
                    }
                    return progress;
                }
            }
            Ok(None) if progress.at == DATA_START => {
                progress.hint = Some(HintWriter::new(self.config.vfs, self.config.dir, file));
            }
            Ok(None) => {}
            Err(reason) => self.unusable_hint(file, reason),
        }
        self.saw(start.seq);
        progress
    }

    pub(super) fn use_hint(
        &mut self,
        file: &Arc<DataFile>,
        mut reader: HintReader,
        progress: &mut InFile,
    ) -> Result<()> {
        self.begin_hint(file, reader.header(), progress)?;
        let mut entries = 0;
        loop {
            let block = match reader.next_block() {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(reason) => {
                    // What it told so far is true and is read once more from the file, to the same effect.
                    self.applier.count_anew(file.id());
                    self.unusable_hint(file, reason);
                    return Ok(());
                }
            };
            for entry in block.entries().map_while(Result::ok) {
                self.expires(entry.expiry.is_some());
                self.applier.change(entry.key, hinted(file.id(), &entry), Counted::hinted(file.id(), &entry))?;
                entries += 1;
            }
            self.config.progress.at(reader.reached(), self.records() + entries)?;
        }
        self.end_hint(file, &reader, entries, progress);
        Ok(())
    }

    /// The same from the packets of a thread that reads ahead.
    fn hear_hint(&mut self, file: &Arc<DataFile>, mut hearing: Hearing, progress: &mut InFile) -> Result<()> {
        let mut entries = 0;
        loop {
            match hearing.next() {
                Some(Said::Nothing) => return Ok(()),
                Some(Said::Begins(header)) if self.goes_too_far(file, &header) => return Ok(()),
                Some(Said::Begins(header)) => self.begin_hint(file, &header, progress)?,
                Some(Said::Packet(packet)) => {
                    self.expires(packet.expires);
                    self.applier.packet(&packet)?;
                    entries += packet.len() as u64;
                    self.config.progress.at(packet.reached, self.records() + entries)?;
                }
                Some(Said::Ends(reader)) => {
                    self.end_hint(file, &reader, entries, progress);
                    return Ok(());
                }
                Some(Said::Unusable(reason)) => {
                    self.applier.count_anew(file.id());
                    self.unusable_hint(file, reason);
                    return Ok(());
                }
                None => return Err(Error::Internal { what: "a thread that reads hints ended too early".into() }),
            }
        }
    }

    fn begin_hint(&mut self, file: &DataFile, header: &HintHeader, progress: &mut InFile) -> Result<()> {
        if file.header().kind == FileKind::Log {
            // A hint never covers an incomplete batch: those of earlier files that reach into it are complete too.
            self.proves(header.max_seq)?;
            self.complete_seq = self.complete_seq.max(header.max_seq);
        }
        progress.hinted_to = header.covered;
        Ok(())
    }

    fn end_hint(&mut self, file: &DataFile, reader: &HintReader, entries: u64, progress: &mut InFile) {
        let header = *reader.header();
        if entries != header.entries {
            let reason = format!("it says that it has {} entries and has {entries}", header.entries);
            self.applier.count_anew(file.id());
            self.unusable_hint(file, reason);
            return;
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
            progress.hint = Some(HintWriter::resume(self.config.vfs, self.config.dir, file, reader));
        }
    }

    /// Whether a hint may rest on a file that the reader does not know of. Beside a writer the files are listed first and the hints looked for later: one
    /// that was written meanwhile says of a batch that it is complete, of which the end may be in a later file than those that were listed. Which
    /// commits these have is said by a file that begins behind them, or by a hint that ends in the midst of the last one.
    fn goes_too_far(&self, file: &DataFile, hint: &HintHeader) -> bool {
        if !self.config.beside || file.header().kind != FileKind::Log || !hint.sealed {
            return false;
        }
        let Some(last) = self.logs.last() else { return false };
        let is_behind = last.id() > file.id();
        let of_last = || match HintReader::open(self.config.vfs.as_ref(), self.config.dir, last) {
            Ok(Some(reader)) if !reader.header().sealed => reader.header().max_seq,
            _ => SeqNo::ZERO,
        };
        !is_behind || (last.header().base_seq < hint.max_seq && of_last() < hint.max_seq)
    }

    pub(super) fn unusable_hint(&mut self, file: &DataFile, reason: String) {
        let path = HintReader::path_of(self.config.dir, file.id());
        self.report.unusable_hints.push((path, reason));
    }
}

/// Where a hint says that a put is; `None` for a delete.
pub(super) fn hinted(file: FileId, entry: &HintEntry<'_>) -> Option<Location> {
    if entry.kind.is_put() { Location::new(file, entry.offset, entry.record_len()) } else { None }
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
