//! What is alive in each data file: the account that is kept of every file, record by record, from the opening on.
//!
//! Knows no bytes of files and no keys. An index knows of an overwritten record its size class and not its length, and to read that from the
//! file would cost every overwrite a cache miss, or an access to the disk. So a record that dies goes into its class's sum at once if all
//! records of the class that came so far are of one length, and else onto a list of those whose length is to be read when somebody asks for exact
//! bytes ([`exact`]). A list that grows too long is given up; then the file is gone through when somebody asks. Until then the bytes of
//! the dead are estimated by the average of their class (lengths in a class differ by less than half), which is enough to say what to merge.
//!
//! Invariants, at any moment between two commits:
//! 1. `records` and `bytes` are those of all puts and deletes in the file, `seqs` their smallest and largest numbers. So they don't depend on
//!    how the store was opened.
//! 2. `live` of a class is the number of index entries that name the file with this class.
//! 3. `dead` and `dead_bytes` are of records that the index does not name. If the list is kept, it has the other ones.
//!
//! Locking: one lock for all accounts, taken for moments and never across I/O. `turn` is held, outside of all locks of the store, by who makes them exact.

mod account;
mod exact;
mod recount;
mod saved;
mod sums;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::format::hint::HintEntry;
use crate::format::record::RecordHeader;
use crate::index::Change;
use crate::types::{FileId, Location, SeqNo, Timestamp};
use crate::util::lock::{Mutex, MutexGuard};

pub(crate) use account::{Account, Totals};
use sums::Class;
pub(crate) use sums::Seqs;

/// Dead records of all files whose length is to be read.
const MAX_LISTED_IN_ALL: usize = 1 << 20;

/// Size classes that there are.
const CLASSES: usize = 64;

/// Ids are small numbers that differ in their low bits.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, n: u32) {
        self.0 = (self.0 ^ u64::from(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A put or delete of the log, or of a merged file, as far as the accounts need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) file: FileId,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) seq: SeqNo,
    pub(crate) expiry: Option<Timestamp>,
}

impl Counted {
    pub(crate) fn new(file: FileId, offset: u64, header: &RecordHeader) -> Counted {
        Counted { file, offset, len: header.record_len(), seq: header.seq, expiry: header.expiry }
    }

    pub(crate) fn hinted(file: FileId, entry: &HintEntry<'_>) -> Counted {
        Counted { file, offset: entry.offset, len: entry.record_len(), seq: entry.seq, expiry: entry.expiry }
    }
}

/// The accounts of files that are being read or written, by file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    accounts: HashMap<FileId, Account, BuildHasherDefault<IdHasher>>,
    /// Records on all lists.
    listed: usize,
}

impl Ledger {
    pub(crate) fn of(&mut self, file: FileId) -> &mut Account {
        self.accounts.entry(file).or_default()
    }

    pub(crate) fn get(&self, file: FileId) -> Option<&Account> {
        self.accounts.get(&file)
    }

    /// A put with its place, or a delete.
    pub(crate) fn count(&mut self, put: Option<Location>, counted: &Counted) {
        let account = self.of(counted.file);
        match put {
            Some(location) => account.put(location, counted.len, counted.seq, counted.expiry),
            None => account.delete(counted.len, counted.seq),
        }
    }

    /// Records of a file that were counted elsewhere.
    pub(crate) fn absorb(&mut self, file: FileId, counted: &Account) {
        self.of(file).absorb(counted);
    }

    /// Changes of the index that all lead to one file, in their order.
    pub(crate) fn moved_to(&mut self, file: FileId, changes: &[Change<'_>]) {
        let mut revived = [0; CLASSES];
        for location in changes.iter().filter_map(|change| change.new) {
            revived[location.size_class()] += 1;
        }
        let account = self.of(file);
        for (class, revived) in account.puts.iter_mut().zip(revived) {
            account.is_lost |= class.revived(revived);
        }
        changes.iter().filter(|change| change.old.is_some()).for_each(|change| self.moved(change.old, None));
    }

    /// A key of the index went from one record to another, came, or left.
    ///
    /// REQUIRES: both records were counted.
    pub(crate) fn moved(&mut self, old: Option<Location>, new: Option<Location>) {
        if old == new {
            return;
        }
        if let Some(new) = new {
            self.of(new.file()).revive(new);
        }
        if let Some(old) = old {
            let may_list = self.listed < MAX_LISTED_IN_ALL;
            let longer = self.of(old.file()).kill(old, may_list);
            self.listed = self.listed.saturating_add_signed(longer);
        }
    }

    /// A copy of a merge that was not installed, because its key has a newer record.
    pub(crate) fn never_lived(&mut self, copy: Location) {
        let may_list = self.listed < MAX_LISTED_IN_ALL;
        let longer = self.of(copy.file()).died(copy, may_list);
        self.listed = self.listed.saturating_add_signed(longer);
    }

    pub(crate) fn put_in(&mut self, file: FileId, account: Account) {
        self.remove(file);
        self.listed += account.listed.len();
        self.accounts.insert(file, account);
    }

    pub(crate) fn remove(&mut self, file: FileId) {
        if let Some(account) = self.accounts.remove(&file) {
            self.listed -= account.listed.len();
        }
    }

    /// The accounts of files whose ids have become higher by so much, and whose records have got this number.
    pub(crate) fn into_renumbered(self, shift: u32, seq: SeqNo) -> impl Iterator<Item = (FileId, Account)> {
        self.accounts.into_iter().map(move |(id, account)| {
            let seqs = Seqs::of(account.seqs().map(|_| (seq, seq)));
            (FileId(id.0 + shift), Account { seqs, ..account })
        })
    }

    /// All entries of the index were counted as they came, and no record as it died.
    pub(crate) fn names_are_counted(&mut self) {
        for account in self.accounts.values_mut() {
            account.is_lost |= !account.is_listed();
        }
    }

    /// What a file's records are is told once more from the beginning; what of them is alive stays.
    pub(crate) fn count_anew(&mut self, file: FileId) {
        let Some(account) = self.accounts.get_mut(&file) else { return };
        self.listed -= account.listed.len();
        let puts = account.puts.iter().map(|class| Class { live: class.live, ..Class::default() }).collect();
        *account = Account { puts, is_lost: true, ..Account::default() };
    }

    /// All of a file's records were told once more. Which of them had died meanwhile, and how long these are, nobody knows.
    pub(crate) fn counted_anew(&mut self, file: FileId) {
        let Some(account) = self.accounts.get_mut(&file) else { return };
        self.listed -= std::mem::take(&mut account.listed).len();
        account.puts.iter_mut().for_each(|class| (class.dead, class.dead_bytes) = (0, 0));
        account.is_lost = true;
    }
}

/// The accounts of an open store. They are unknown only where an index was taken over without them, or was made anew: then who asks has
/// them counted.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    ledger: Mutex<Option<Ledger>>,
    turn: Mutex<()>,
}

impl Accounts {
    pub(crate) fn new(ledger: Option<Ledger>) -> Accounts {
        Accounts { ledger: Mutex::new(ledger), turn: Mutex::default() }
    }

    /// Changes them if they are known; what is done at once is seen at once.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Ledger)) {
        if let Some(ledger) = &mut *self.ledger.lock() {
            change(ledger);
        }
    }

    /// Looks at them, if they are known.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Ledger) -> R) -> Option<R> {
        self.ledger.lock().as_ref().map(look)
    }

    /// As they are kept with the index: nothing where they are unknown.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.look(Ledger::encode).unwrap_or_default()
    }

    pub(crate) fn set(&self, ledger: Ledger) {
        *self.ledger.lock() = Some(ledger);
    }

    /// They are to be counted anew.
    pub(crate) fn forget(&self) {
        *self.ledger.lock() = None;
    }

    /// Held by who makes them exact.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock()
    }
}

#[cfg(test)]
mod tests;
