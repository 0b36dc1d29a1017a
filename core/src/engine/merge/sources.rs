//! Which files a merge takes, and what it has to know of them before it begins.
//!
//! Rules, each for a reason that docs/MERGE.md gives:
//! 1. Never the file that the log ends in, nor one of whose records a batch goes on in that file.
//! 2. Never a file with bytes that can't be accounted for: it is kept, reported, and passed over. All records of a source are read and verified.
//! 3. Sources are taken away one after the other, in the order of their smallest sequence numbers.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, FileKind};
use crate::format::record::RecordKind;
use crate::log::{DataFile, Item, Scanner};
use crate::types::{FileId, SeqNo};

use super::super::store::Store;
use super::control::Pace;
use super::{Account, Ledger};

/// Files that are not merged, and why.
pub(super) type Skipped = Vec<(FileId, String)>;

/// A file that is merged.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) file: Arc<DataFile>,
    pub(super) min_seq: SeqNo,
    pub(super) max_seq: SeqNo,
    pub(super) tombstones: u64,
    /// A delete of this file with a number below this one hides nothing that could be left when the file is gone.
    pub(super) hides_nothing_below: SeqNo,
}

impl Store {
    /// The sources among these files, in the order in which they are to go, and why others are none.
    pub(super) fn sources(&self, wanted: &BTreeSet<FileId>) -> Result<(Vec<Source>, Skipped)> {
        let Some(log) = &self.log else { return Err(Error::ReadOnly) };
        // All of one moment between two commits: an account of a file that went on being written to would lack deletes.
        let (ledger, files, active, base_seq) = loop {
            // What a load makes forget meanwhile is counted anew.
            self.ledger()?;
            let log = log.lock();
            if let Some(ledger) = self.accounts.look(Ledger::clone) {
                break (ledger, self.files.load(), log.active().id(), log.active().header().base_seq);
            }
        };
        let (mut sources, mut skipped) = (Vec::new(), Vec::new());
        for file in files.all().iter().filter(|file| wanted.contains(&file.id())) {
            let Some(account) = ledger.get(file.id()) else { continue };
            let (min_seq, max_seq) = account.seqs().unwrap_or_default();
            let why = if file.id() >= active && file.header().kind == FileKind::Log {
                "the log ends in it"
            } else if file.header().kind == FileKind::Log && max_seq > base_seq {
                "a batch goes on from it in the file that the log ends in"
            } else if self.is_damaged(file) {
                "it has bytes that no record accounts for"
            } else {
                let tombstones = account.totals().tombstones;
                let (file, hides_nothing_below) = (Arc::clone(file), SeqNo::ZERO);
                sources.push(Source { file, min_seq, max_seq, tombstones, hides_nothing_below });
                continue;
            };
            skipped.push((file.id(), why.to_owned()));
        }
        sources.sort_by_key(|source| (source.min_seq, source.file.id()));
        Ok((sources, skipped))
    }

    /// Whether damage is known in a file.
    pub(super) fn is_damaged(&self, file: &DataFile) -> bool {
        self.open_report().damage.iter().any(|damage| damage.path == file.path())
            || self.merging.damaged.lock().contains(&file.id())
    }

    /// Reads a file from end to end. Whether all its bytes are accounted for.
    pub(super) fn is_whole(&self, file: &DataFile, pace: &mut Pace<'_>) -> Result<bool> {
        let mut scanner = Scanner::new(file, DATA_START, SeqNo::ZERO);
        let mut sealed_to = 0;
        loop {
            match scanner.next()? {
                Item::Record { offset, header } => {
                    sealed_to = if header.kind == RecordKind::Seal { offset + header.record_len() } else { 0 };
                    pace.read(header.record_len())?;
                }
                Item::Damage { .. } => return Ok(false),
                Item::End { offset } => return Ok(sealed_to == offset && offset == file.end()),
            }
        }
    }

    /// Says of each source which of its deletes hide nothing any more: those older than everything outside of the merge, and in the sources that
    /// go after it.
    pub(super) fn judge_deletes(&self, sources: &mut [Source]) -> Result<()> {
        let ledger = self.ledger()?;
        let files = self.files.load();
        let is_source = |file: &DataFile| sources.iter().any(|source| source.file.id() == file.id());
        let mut bound = SeqNo(u64::MAX);
        if self.open_report().damage.iter().any(|damage| damage.offset == 0) {
            // A file whose header is damaged is not among them, and may hold anything.
            bound = SeqNo::ZERO;
        }
        for file in files.all().iter().filter(|file| !is_source(file)) {
            bound = match ledger.get(file.id()).map(Account::seqs) {
                // What is damaged may be older than all that can be read.
                _ if self.is_damaged(file) => SeqNo::ZERO,
                Some(Some((min, _))) => bound.min(min),
                // It has records; should it have no account all the same, then they may be older.
                _ if file.header().kind == FileKind::Merged => SeqNo::ZERO,
                // Without records, or begun since: what is in it is newer than all that is merged.
                Some(None) | None => bound,
            };
        }
        for source in sources.iter_mut().rev() {
            source.hides_nothing_below = bound;
            if source.min_seq > SeqNo::ZERO {
                bound = bound.min(source.min_seq);
            }
        }
        Ok(())
    }

    /// Checks that the store has these files.
    pub(super) fn check_ids(&self, wanted: &[FileId]) -> Result<()> {
        let files = self.files.load();
        match wanted.iter().find(|&&id| files.all().iter().all(|file| file.id() != id)) {
            Some(id) => Err(Error::invalid(format!("there is no data file {id} to be merged"))),
            None => Ok(()),
        }
    }
}
