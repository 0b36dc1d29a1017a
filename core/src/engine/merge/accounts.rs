//! What is alive in each data file: the account that is kept of every file, record by record.
//!
//! Knows no bytes of files and no keys. Records are counted exactly. Of their bytes the account knows for each size class of
//! locations how many bytes its records have together, and how many of them are alive: an index knows of an overwritten record its class and not its
//! length, and to read that from the file would cost every overwrite an access to the disk. So the bytes of the living are those of the class
//! times their share of it. That is exact where the records of a class are of one length (a class spans lengths that differ by less than half),
//! and where all of a class are alive or none.
//!
//! Invariants, at any moment between two commits:
//! 1. `records` and `bytes` are those of all puts and deletes in the file, `min_seq` and `max_seq` their numbers.
//! 2. `live` of a class is the number of index entries that name the file with this class.
//!
//! Locking: one lock for all accounts, taken for moments and never across I/O.

use std::collections::BTreeMap;

use crate::util::lock::Mutex;

use crate::types::{FileId, Location, SeqNo};

/// The puts of one size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Class {
    records: u64,
    bytes: u64,
    live: u64,
}

/// The account of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// By size class, as far as there are records.
    puts: Vec<Class>,
    tombstones: u64,
    tombstone_bytes: u64,
    /// Smallest and largest number; `None` without records.
    seqs: Option<(SeqNo, SeqNo)>,
}

/// An account in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) live_records: u64,
    pub(crate) live_bytes: u64,
    pub(crate) dead_records: u64,
    pub(crate) dead_bytes: u64,
    pub(crate) tombstones: u64,
    pub(crate) tombstone_bytes: u64,
}

impl Account {
    /// A put with its whole length.
    pub(crate) fn put(&mut self, location: Location, len: u64, seq: SeqNo) {
        let class = self.class(location);
        class.records += 1;
        class.bytes += len;
        self.saw(seq);
    }

    pub(crate) fn delete(&mut self, len: u64, seq: SeqNo) {
        self.tombstones += 1;
        self.tombstone_bytes += len;
        self.saw(seq);
    }

    fn class(&mut self, location: Location) -> &mut Class {
        let class = location.size_class();
        if self.puts.len() <= class {
            self.puts.resize(class + 1, Class::default());
        }
        &mut self.puts[class]
    }

    fn saw(&mut self, seq: SeqNo) {
        let (min, max) = self.seqs.unwrap_or((seq, seq));
        self.seqs = Some((min.min(seq), max.max(seq)));
    }

    /// The index names this record now.
    fn revive(&mut self, location: Location) {
        self.class(location).live += 1;
    }

    /// The index names it no more.
    fn kill(&mut self, location: Location) {
        let class = self.class(location);
        class.live = class.live.saturating_sub(1);
    }

    /// Smallest and largest sequence number; `None` without records.
    pub(crate) fn seqs(&self) -> Option<(SeqNo, SeqNo)> {
        self.seqs
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals =
            Totals { tombstones: self.tombstones, tombstone_bytes: self.tombstone_bytes, ..Totals::default() };
        for class in &self.puts {
            let live = class.live.min(class.records);
            let bytes = match class.records {
                0 => 0,
                records => (u128::from(class.bytes) * u128::from(live) / u128::from(records)) as u64,
            };
            totals.live_records += live;
            totals.live_bytes += bytes;
            totals.dead_records += class.records - live;
            totals.dead_bytes += class.bytes - bytes;
        }
        totals
    }
}

/// The accounts of files that are being read or written, by file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger(BTreeMap<FileId, Account>);

impl Ledger {
    pub(crate) fn of(&mut self, file: FileId) -> &mut Account {
        self.0.entry(file).or_default()
    }

    pub(crate) fn get(&self, file: FileId) -> Option<&Account> {
        self.0.get(&file)
    }

    /// A key of the index went from one record to another, came, or left.
    pub(crate) fn moved(&mut self, old: Option<Location>, new: Option<Location>) {
        if let Some(new) = new {
            self.of(new.file()).revive(new);
        }
        if let Some(old) = old {
            self.of(old.file()).kill(old);
        }
    }

    pub(crate) fn remove(&mut self, file: FileId) {
        self.0.remove(&file);
    }
}

/// The accounts of an open store, once somebody has asked for them: counting takes a pass over hints and index, which an opening spares itself.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Mutex<Option<Ledger>>);

impl Accounts {
    /// Changes them if they are known; what is done at once is seen at once.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Ledger)) {
        if let Some(ledger) = &mut *self.0.lock() {
            change(ledger);
        }
    }

    /// Looks at them, if they are known.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Ledger) -> R) -> Option<R> {
        self.0.lock().as_ref().map(look)
    }

    pub(crate) fn set(&self, ledger: Ledger) {
        *self.0.lock() = Some(ledger);
    }

    /// They are to be counted anew.
    pub(crate) fn forget(&self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: u32, offset: u64, len: u64) -> Location {
        Location::new(FileId(file), offset, len).unwrap()
    }

    #[test]
    fn an_overwrite_kills_one_record_and_revives_another() {
        let mut ledger = Ledger::default();
        for (n, len) in [(0, 100), (1, 100), (2, 400)] {
            let location = at(1, 128 + n * 1000, len);
            ledger.of(FileId(1)).put(location, len, SeqNo(n + 5));
            ledger.moved(None, Some(location));
        }
        let new = at(2, 128, 60);
        ledger.of(FileId(2)).put(new, 60, SeqNo(9));
        ledger.moved(Some(at(1, 128, 100)), Some(new));
        ledger.of(FileId(2)).delete(32, SeqNo(10));
        ledger.moved(Some(at(1, 2128, 400)), None);
        let (one, two) = (ledger.get(FileId(1)).unwrap().clone(), ledger.get(FileId(2)).unwrap().clone());
        let totals = one.totals();
        assert_eq!((totals.live_records, totals.live_bytes), (1, 100));
        assert_eq!((totals.dead_records, totals.dead_bytes), (2, 500));
        assert_eq!(one.seqs(), Some((SeqNo(5), SeqNo(7))));
        let totals = two.totals();
        assert_eq!((totals.live_records, totals.live_bytes, totals.tombstones, totals.tombstone_bytes), (1, 60, 1, 32));
        assert_eq!(two.seqs(), Some((SeqNo(9), SeqNo(10))));
        ledger.remove(FileId(1));
        assert!(ledger.get(FileId(1)).is_none());
    }
}
