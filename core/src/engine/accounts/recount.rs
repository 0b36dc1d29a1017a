//! The accounts counted anew from the files, and as figures.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::format::header::{DATA_START, FileKind};
use crate::index::WalkPosition;
use crate::log::{DataFile, HintReader, Item, Scanner};
use crate::stats::FileStats;
use crate::types::{FileId, Location, SeqNo};

use super::super::store::Store;
use super::exact::Expired;
use super::{Account, Ledger};

/// Locations that are taken from the index at once to be counted.
const WALK_STEP: usize = 1 << 16;

impl Store {
    /// The figures from a reading of all records and the whole index. Writers wait for it.
    pub(crate) fn recount(&self) -> Result<Vec<FileStats>> {
        self.check_usable()?;
        self.index.ready()?;
        let _log = self.log.as_ref().map(|log| log.lock());
        let _gate = self.gate.read();
        let (now, files) = (self.vfs.now(), self.files.load());
        let mut named: HashMap<FileId, Vec<u64>> = HashMap::new();
        self.each_location(|location| named.entry(location.file()).or_default().push(location.offset()))?;
        let (mut ledger, mut expired) = (Ledger::default(), HashMap::new());
        for file in files.all() {
            let mut live = named.remove(&file.id()).unwrap_or_default();
            live.sort_unstable();
            let mut gone = Expired::default();
            let account = ledger.of(file.id());
            let mut scanner = Scanner::new(file, DATA_START, SeqNo::ZERO);
            loop {
                let (offset, header) = match scanner.next()? {
                    Item::Record { offset, header } => (offset, header),
                    Item::Damage { .. } => continue,
                    Item::End { .. } => break,
                };
                let len = header.record_len();
                account.record(file.id(), offset, &header);
                let Some(location) = Location::new(file.id(), offset, len).filter(|_| header.kind.is_put()) else {
                    continue;
                };
                if live.binary_search(&offset).is_err() {
                    account.resolve(location, len);
                    continue;
                }
                account.revive(location);
                if self.expiry.end_of_header(&header).is_some_and(|at| at <= now) {
                    gone.records += 1;
                    gone.bytes += len;
                }
            }
            expired.insert(file.id(), gone);
        }
        Ok(self.figures(files.all(), &ledger, &expired))
    }

    /// The accounts as they are now. Where they are unknown they are counted from hints and index; writers wait for that.
    pub(crate) fn ledger(&self) -> Result<Ledger> {
        if let Some(ledger) = self.accounts.look(Ledger::clone) {
            return Ok(ledger);
        }
        self.index.ready()?;
        let _log = self.log.as_ref().map(|log| log.lock());
        let _gate = self.gate.read();
        let ledger = self.count()?;
        self.accounts.set(ledger.clone());
        Ok(ledger)
    }

    /// The figures as the accounts have them: bytes of living and dead records may be estimates, and nothing has expired.
    pub(crate) fn rough_stats(&self) -> Result<Vec<FileStats>> {
        let files = self.files.load();
        let figures = |ledger: &Ledger| self.figures(files.all(), ledger, &HashMap::new());
        // Without a copy, for this is asked often and the lists may be long.
        match self.accounts.look(figures) {
            Some(figures) => Ok(figures),
            None => Ok(figures(&self.ledger()?)),
        }
    }

    /// Counts what is in the files, from their hints as far as they go, and what of it the index names.
    ///
    /// REQUIRES: the index does not change meanwhile.
    fn count(&self) -> Result<Ledger> {
        let files = self.files.load();
        let mut ledger = Ledger::default();
        for file in files.all() {
            let (mut account, from) = self.count_hint(file).unwrap_or((Account::default(), DATA_START));
            if !count_records(file, from, &mut account)? {
                self.merging.note_damage(file.id());
            }
            ledger.put_in(file.id(), account);
        }
        self.each_location(|location| ledger.moved(None, Some(location)))?;
        ledger.names_are_counted();
        Ok(ledger)
    }

    fn each_location(&self, mut each: impl FnMut(Location)) -> Result<()> {
        let (mut position, mut locations) = (WalkPosition::default(), Vec::new());
        loop {
            locations.clear();
            let more = self.index.walk(&mut position, WALK_STEP, &mut locations)?;
            locations.iter().for_each(|&location| each(location));
            if !more {
                return Ok(());
            }
        }
    }

    /// What a file's hint says, and up to where. `None` if it can't be used.
    fn count_hint(&self, file: &DataFile) -> Option<(Account, u64)> {
        let mut reader = HintReader::open(self.vfs.as_ref(), self.path(), file).ok()??;
        let (mut account, mut entries) = (Account::default(), 0);
        while let Some(block) = reader.next_block().ok()? {
            for entry in block.entries() {
                account.hinted(file.id(), &entry.ok()?);
                entries += 1;
            }
        }
        (entries == reader.header().entries).then(|| (account, reader.header().covered))
    }

    pub(super) fn figures(
        &self,
        files: &[Arc<DataFile>],
        ledger: &Ledger,
        expired: &HashMap<FileId, Expired>,
    ) -> Vec<FileStats> {
        let none = Account::default();
        let active = self.active_file();
        let damage = &self.open_report().damage;
        let figures = |file: &Arc<DataFile>| {
            let account = ledger.get(file.id()).unwrap_or(&none);
            let (totals, gone) = (account.totals(), expired.get(&file.id()).copied().unwrap_or_default());
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
                expired_records: gone.records,
                expired_bytes: gone.bytes,
                tombstones: totals.tombstones,
                tombstone_bytes: totals.tombstone_bytes,
                min_seq: account.seqs().map_or(SeqNo::ZERO, |(min, _)| min),
                max_seq: account.seqs().map_or(SeqNo::ZERO, |(_, max)| max),
            }
        };
        files.iter().map(figures).collect()
    }

    /// The file that the log ends in: the log file with the greatest id. `None` if nothing is written here.
    pub(crate) fn active_file(&self) -> Option<FileId> {
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
            Item::Record { offset, header } => account.record(file.id(), offset, &header),
            Item::Damage { .. } => is_whole = false,
            Item::End { .. } => return Ok(is_whole),
        }
    }
}
