//! Which files a merge takes, and what it has to know of them before it begins.
//!
//! Rules, each for a reason that docs/MERGE.md gives:
//! 1. Never the file that the log ends in, nor one of whose records a batch goes on in that file.
//! 2. Never a file with bytes that can't be accounted for: it is kept, reported, and passed over. All records of a source are read and verified.
//! 3. Sources are taken away one after the other, in the order of the smallest sequence numbers of their puts.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, FileKind};
use crate::format::record::{RecordKind, record_len};
use crate::log::{DataFile, Item, Scanner};
use crate::types::{FileId, SeqNo};

use super::super::store::Store;
use super::control::Pace;
use super::outside::{Outside, Pin};
use super::{Account, Seqs, policy};

/// Why files with damage are left alone.
const DAMAGED: &str = "it has bytes that can't be read, or that no record accounts for";

/// Files that are not merged, and why.
pub(super) type Skipped = Vec<(FileId, String)>;

/// A file that is merged, and what was read in it: of what decides over its deletes nothing is taken from its account, which may have been kept beside
/// an index, and be wrong.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) file: Arc<DataFile>,
    /// Smallest and largest number of its puts.
    pub(super) puts: Seqs,
    pub(super) tombstones: u64,
    /// Largest number of its deletes.
    pub(super) last_delete: SeqNo,
    /// The smallest number of a put in the sources that go after it. A delete of this file up to that hides nothing of theirs.
    pub(super) later_puts: SeqNo,
}

/// What a reading of a file from end to end has found.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    puts: Seqs,
    tombstones: u64,
    last_delete: SeqNo,
}

/// The commit behind which all puts of a file were the newest records of their keys; 0 if it is not known.
pub(super) fn born(file: &DataFile) -> SeqNo {
    match file.header().kind {
        FileKind::Merged => file.header().base_seq,
        FileKind::Log => SeqNo::ZERO,
    }
}

impl Store {
    /// The sources among these files, read, in the order in which they are to go, and why others are none.
    pub(super) fn sources(&self, wanted: &BTreeSet<FileId>, pace: &mut Pace<'_>) -> Result<(Vec<Source>, Skipped)> {
        // All of one moment between two commits; what is written later is in files of which none is wanted.
        let (files, active, base_seq) =
            self.with_log(|log| Ok((self.files.load(), log.active().id(), log.active().header().base_seq)))?;
        let (mut sources, mut skipped) = (Vec::new(), Vec::new());
        for file in files.all().iter().filter(|file| wanted.contains(&file.id())) {
            let is_log = file.header().kind == FileKind::Log;
            let why = if is_log && file.id() >= active {
                "the log ends in it"
            } else if self.is_damaged(file) {
                DAMAGED
            } else {
                pace.look()?;
                match self.read_through(file, pace) {
                    // A disk that can't read it does not keep other files from being merged.
                    Ok(None) | Err(Error::Io { .. }) => {
                        self.merging.damaged.lock().insert(file.id());
                        DAMAGED
                    }
                    Err(error) => return Err(error),
                    Ok(Some(Reading { puts, last_delete, .. })) if is_log && puts.max.max(last_delete) > base_seq => {
                        "a batch goes on from it in the file that the log ends in"
                    }
                    Ok(Some(Reading { puts, tombstones, last_delete })) => {
                        let (file, later_puts) = (Arc::clone(file), SeqNo::ZERO);
                        sources.push(Source { file, puts, tombstones, last_delete, later_puts });
                        continue;
                    }
                }
            };
            skipped.push((file.id(), why.to_owned()));
        }
        sources.sort_by_key(|source| (source.puts.min, source.file.id()));
        let mut later_puts = SeqNo(u64::MAX);
        for source in sources.iter_mut().rev() {
            source.later_puts = later_puts;
            later_puts = later_puts.min(source.puts.min);
        }
        Ok((sources, skipped))
    }

    /// Whether damage is known in a file.
    pub(super) fn is_damaged(&self, file: &DataFile) -> bool {
        self.open_report().damage.iter().any(|damage| damage.path == file.path())
            || self.merging.damaged.lock().contains(&file.id())
    }

    /// Whether there are data files that are not among the store's, for their headers are damaged.
    pub(super) fn misses_files(&self) -> bool {
        self.open_report().damage.iter().any(|damage| damage.offset == 0)
    }

    /// Reads a file from end to end. `None` if bytes of it are not accounted for.
    fn read_through(&self, file: &DataFile, pace: &mut Pace<'_>) -> Result<Option<Reading>> {
        let mut scanner = Scanner::of_sealed(file);
        let (mut found, mut sealed_to) = (Reading::default(), 0);
        loop {
            match scanner.next()? {
                Item::Record { offset, header } => {
                    sealed_to = if header.kind == RecordKind::Seal { offset + header.record_len() } else { 0 };
                    if header.kind.is_put() {
                        found.puts.saw(header.seq);
                    } else if header.kind.is_delete() {
                        found.tombstones += 1;
                        found.last_delete = found.last_delete.max(header.seq);
                    }
                    pace.read(header.record_len())?;
                }
                Item::Damage { .. } => return Ok(None),
                Item::End { offset } => {
                    return Ok((sealed_to == offset && offset == file.end()).then_some(found));
                }
            }
        }
    }

    /// What deletes of the sources may have to hide in other files, of which the accounts tell, as of one moment between two commits.
    pub(super) fn outside(&self, sources: &[Source]) -> Result<Outside> {
        // Before the accounts are looked at, so that they know all of what is sealed.
        let active = self.with_log(|log| Ok(log.active().id()))?;
        let ledger = self.ledger()?;
        let files = self.files.load();
        let is_source = |file: &DataFile| sources.iter().any(|source| source.file.id() == file.id());
        let others = files.all().iter().filter(|file| !is_source(file));
        let pins = others.filter_map(|file| self.pin(file, ledger.get(file.id()), active)).collect();
        // What is not among the files may hold anything.
        Ok(Outside::new(pins, self.misses_files(), sources.iter().map(|source| source.file.end()).sum()))
    }

    /// A file, if a delete may have something to hide in it.
    fn pin(&self, file: &Arc<DataFile>, account: Option<&Account>, active: FileId) -> Option<Pin> {
        let is_merged = file.header().kind == FileKind::Merged;
        let known = account.and_then(|account| account.seqs().map(|(min, _)| (account, min)));
        let (first_death, records) = match known {
            // What is damaged may be older than all that can be read.
            _ if self.is_damaged(file) => (SeqNo::ZERO, None),
            Some((account, _)) if !account.has_dead_puts() => return None,
            Some((account, min)) => {
                let totals = account.totals();
                let records = totals.live_records + totals.dead_records + totals.tombstones;
                (policy::first_death(min, born(file)), Some(records))
            }
            // It has records; should it have no account all the same, then they may be older.
            None if is_merged => (SeqNo::ZERO, None),
            // It has no records, which costs next to nothing to ask, or an account that is missing.
            None if file.id() < active => {
                (SeqNo(1), Some(file.end().saturating_sub(DATA_START) / record_len(1, 0, false)))
            }
            // What is in it is newer than all that is merged.
            None => return None,
        };
        Some(Pin { file: Arc::clone(file), first_death, records })
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
