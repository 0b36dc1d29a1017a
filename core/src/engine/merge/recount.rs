//! The accounts as figures, and counted anew from the files.

use std::sync::Arc;

use crate::error::Result;
use crate::format::header::{DATA_START, FileKind};
use crate::index::WalkPosition;
use crate::log::{DataFile, HintReader, Item, Scanner};
use crate::stats::FileStats;
use crate::types::{FileId, Location, SeqNo};

use super::super::store::Store;
use super::{Account, Ledger};

/// Locations that are taken from the index at once to be counted.
const WALK_STEP: usize = 1 << 16;

impl Store {
    /// Figures of each data file, by ascending id.
    pub(crate) fn file_stats(&self) -> Result<Vec<FileStats>> {
        self.check_usable()?;
        let ledger = self.ledger()?;
        Ok(self.figures(self.files.load().all(), &ledger))
    }

    /// The same from a reading of all records and the whole index. Writers wait for it.
    pub(crate) fn recount(&self) -> Result<Vec<FileStats>> {
        self.check_usable()?;
        self.index.ready()?;
        let _log = self.log.as_ref().map(|log| log.lock());
        let _gate = self.gate.read();
        let ledger = self.count(false)?;
        Ok(self.figures(self.files.load().all(), &ledger))
    }

    /// The accounts as they are now. The first time, and where they were forgotten, they are counted from hints and index; writers wait for that.
    pub(super) fn ledger(&self) -> Result<Ledger> {
        if let Some(ledger) = self.accounts.look(Ledger::clone) {
            return Ok(ledger);
        }
        self.index.ready()?;
        let _log = self.log.as_ref().map(|log| log.lock());
        let _gate = self.gate.read();
        let ledger = self.count(true)?;
        self.accounts.set(ledger.clone());
        Ok(ledger)
    }

    /// Counts what is in the files, from their hints as far as they go if they may be used, and what of it the index names.
    ///
    /// REQUIRES: the index does not change meanwhile.
    fn count(&self, hints: bool) -> Result<Ledger> {
        let files = self.files.load();
        let mut ledger = Ledger::default();
        for file in files.all() {
            let hint = if hints { self.count_hint(file) } else { None };
            let (mut account, from) = hint.unwrap_or((Account::default(), DATA_START));
            if !count_records(file, from, &mut account)? {
                self.merging.damaged.lock().insert(file.id());
            }
            *ledger.of(file.id()) = account;
        }
        let (mut position, mut locations) = (WalkPosition::default(), Vec::new());
        loop {
            locations.clear();
            let more = self.index.walk(&mut position, WALK_STEP, &mut locations)?;
            locations.iter().for_each(|&location| ledger.moved(None, Some(location)));
            if !more {
                return Ok(ledger);
            }
        }
    }

    /// What a file's hint says, and up to where. `None` if it can't be used.
    fn count_hint(&self, file: &DataFile) -> Option<(Account, u64)> {
        let mut reader = HintReader::open(self.vfs.as_ref(), self.path(), file).ok()??;
        let (mut account, mut entries) = (Account::default(), 0);
        while let Some(block) = reader.next_block().ok()? {
            for entry in block.entries() {
                let entry = entry.ok()?;
                if entry.kind.is_put() {
                    account.put(
                        Location::new(file.id(), entry.offset, entry.record_len())?,
                        entry.record_len(),
                        entry.seq,
                    );
                } else {
                    account.delete(entry.record_len(), entry.seq);
                }
                entries += 1;
            }
        }
        (entries == reader.header().entries).then(|| (account, reader.header().covered))
    }

    fn figures(&self, files: &[Arc<DataFile>], ledger: &Ledger) -> Vec<FileStats> {
        let none = Account::default();
        let active = self.active_file();
        let damage = &self.open_report().damage;
        let figures = |file: &Arc<DataFile>| {
            let account = ledger.get(file.id()).unwrap_or(&none);
            let totals = account.totals();
            FileStats {
                id: file.id(),
                is_merged: file.header().kind == FileKind::Merged,
                is_active: active == Some(file.id()),
                is_damaged: damage.iter().any(|damage| damage.path == file.path()),
                created: file.header().created,
                bytes: file.end(),
                live_records: totals.live_records,
                live_bytes: totals.live_bytes,
                dead_records: totals.dead_records,
                dead_bytes: totals.dead_bytes,
                tombstones: totals.tombstones,
                tombstone_bytes: totals.tombstone_bytes,
                min_seq: account.seqs().map_or(SeqNo::ZERO, |(min, _)| min),
                max_seq: account.seqs().map_or(SeqNo::ZERO, |(_, max)| max),
            }
        };
        files.iter().map(figures).collect()
    }

    /// The file that the log ends in: the log file with the greatest id. `None` if nothing is written here.
    pub(super) fn active_file(&self) -> Option<FileId> {
        self.log.as_ref()?;
        let files = self.files.load();
        files.all().iter().rev().find(|file| file.header().kind == FileKind::Log).map(|file| file.id())
    }
}

/// Counts a file's records from an offset on. Whether there are no others than those that could be read.
fn count_records(file: &DataFile, from: u64, account: &mut Account) -> Result<bool> {
    let mut scanner = Scanner::new(file, from, SeqNo::ZERO);
    let mut is_whole = true;
    loop {
        match scanner.next()? {
            Item::Record { offset, header } if header.kind.is_put() => {
                if let Some(location) = Location::new(file.id(), offset, header.record_len()) {
                    account.put(location, header.record_len(), header.seq);
                }
            }
            Item::Record { header, .. } if header.kind.is_delete() => account.delete(header.record_len(), header.seq),
            Item::Record { .. } => {}
            Item::Damage { .. } => is_whole = false,
            Item::End { .. } => return Ok(is_whole),
        }
    }
}
