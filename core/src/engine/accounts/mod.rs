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

mod exact;
mod recount;
mod saved;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::format::hint::HintEntry;
use crate::format::record::RecordHeader;
use crate::index::Change;
use crate::types::{FileId, Location, SeqNo, Timestamp};
use crate::util::lock::{Mutex, MutexGuard};

/// Dead records of one file whose length is to be read, and of all files: 8 bytes each.
const MAX_LISTED: usize = 1 << 16;
const MAX_LISTED_IN_ALL: usize = 1 << 20;

/// Size classes that there are.
const CLASSES: usize = 64;

/// The puts of one size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Class {
    records: u64,
    bytes: u64,
    /// Lengths of the shortest and the longest of them.
    shortest: u64,
    longest: u64,
    live: u64,
    /// The dead ones whose length is known.
    dead: u64,
    dead_bytes: u64,
}

impl Class {
    fn add(&mut self, len: u64) {
        self.shortest = if self.records == 0 { len } else { self.shortest.min(len) };
        self.longest = self.longest.max(len);
        self.records += 1;
        self.bytes += len;
    }

    /// One that was alive, or was thought to become so, is dead. Whether its length is known.
    fn died(&mut self) -> bool {
        let is_known = self.shortest == self.longest;
        // One that is told twice was among them before.
        if is_known && self.dead < self.dead_records() {
            self.dead += 1;
            self.dead_bytes += self.shortest;
        }
        is_known
    }

    /// So many are alive. Whether one of them was taken for dead: a copy of a merge before it was installed. Then nothing is known of the dead.
    fn revived(&mut self, count: u64) -> bool {
        self.live += count;
        let is_unsure = self.records < self.live + self.dead;
        if is_unsure {
            (self.dead, self.dead_bytes) = (0, 0);
        }
        is_unsure
    }

    fn dead_records(&self) -> u64 {
        self.records.saturating_sub(self.live)
    }

    /// Dead records whose length is not known.
    fn unknown(&self) -> u64 {
        self.dead_records().saturating_sub(self.dead)
    }

    /// Exact if `unknown` is 0, all are dead, or all are of one length.
    fn dead_bytes(&self) -> u64 {
        let (all, dead) = (self.dead_records(), self.dead.min(self.dead_records()));
        if all == self.records {
            return self.bytes;
        }
        if self.shortest == self.longest {
            return all * self.shortest;
        }
        let others = u128::from(self.bytes.saturating_sub(self.dead_bytes));
        let estimate = (others * u128::from(all - dead)).checked_div(u128::from(self.records - dead)).unwrap_or(0);
        self.dead_bytes.saturating_add(estimate as u64).min(self.bytes)
    }

    fn is_exact(&self) -> bool {
        self.unknown() == 0 || self.live == 0 || self.shortest == self.longest
    }
}

/// The puts of a file that expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Expiring {
    records: u64,
    bytes: u64,
    /// When the first and the last of them do.
    first: Timestamp,
    last: Timestamp,
}

impl Expiring {
    fn add(&mut self, len: u64, at: Timestamp) {
        self.first = if self.records == 0 { at } else { self.first.min(at) };
        self.last = self.last.max(at);
        self.records += 1;
        self.bytes += len;
    }
}

/// The smallest and the largest of some numbers. No `Option` of two: compilers compare what is not there before they ask whether it is, which
/// does no harm and which valgrind takes for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seqs {
    min: SeqNo,
    max: SeqNo,
}

impl Default for Seqs {
    fn default() -> Seqs {
        Seqs { min: SeqNo(u64::MAX), max: SeqNo::ZERO }
    }
}

impl Seqs {
    fn of(seqs: Option<(SeqNo, SeqNo)>) -> Seqs {
        seqs.map_or_else(Seqs::default, |(min, max)| Seqs { min, max })
    }

    fn saw(&mut self, seq: SeqNo) {
        self.min = self.min.min(seq);
        self.max = self.max.max(seq);
    }

    fn get(self) -> Option<(SeqNo, SeqNo)> {
        (self.min <= self.max).then_some((self.min, self.max))
    }
}

/// The account of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// By size class, as far as there are records.
    puts: Vec<Class>,
    tombstones: u64,
    tombstone_bytes: u64,
    seqs: Seqs,
    expiring: Expiring,
    /// Dead records whose length is to be read.
    listed: Vec<Location>,
    /// There are others, which are not listed.
    is_lost: bool,
    /// While somebody goes through the file: what died or came to life since.
    events: Option<Vec<(Location, bool)>>,
}

/// An account in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Named by the index, expired or not.
    pub(crate) live_records: u64,
    pub(crate) live_bytes: u64,
    pub(crate) dead_records: u64,
    pub(crate) dead_bytes: u64,
    pub(crate) tombstones: u64,
    pub(crate) tombstone_bytes: u64,
}

impl Account {
    /// A put with its whole length.
    pub(crate) fn put(&mut self, location: Location, len: u64, seq: SeqNo, expiry: Option<Timestamp>) {
        self.class(location).add(len);
        if let Some(at) = expiry {
            self.expiring.add(len, at);
        }
        self.saw(seq);
    }

    pub(crate) fn delete(&mut self, len: u64, seq: SeqNo) {
        self.tombstones += 1;
        self.tombstone_bytes += len;
        self.saw(seq);
    }

    /// A record of a file.
    pub(crate) fn record(&mut self, file: FileId, offset: u64, header: &RecordHeader) {
        let len = header.record_len();
        if header.kind.is_delete() {
            self.delete(len, header.seq);
        } else if header.kind.is_put()
            && let Some(location) = Location::new(file, offset, len)
        {
            self.put(location, len, header.seq, header.expiry);
        }
    }

    /// An entry of a file's hint.
    pub(crate) fn hinted(&mut self, file: FileId, entry: &HintEntry<'_>) {
        let len = entry.record_len();
        if !entry.kind.is_put() {
            self.delete(len, entry.seq);
        } else if let Some(location) = Location::new(file, entry.offset, len) {
            self.put(location, len, entry.seq, entry.expiry);
        }
    }

    fn class(&mut self, location: Location) -> &mut Class {
        let class = location.size_class();
        if self.puts.len() <= class {
            self.puts.resize(class + 1, Class::default());
        }
        &mut self.puts[class]
    }

    fn saw(&mut self, seq: SeqNo) {
        self.seqs.saw(seq);
    }

    /// Records that were counted elsewhere.
    fn absorb(&mut self, counted: &Account) {
        if self.puts.len() < counted.puts.len() {
            self.puts.resize(counted.puts.len(), Class::default());
        }
        for (class, new) in self.puts.iter_mut().zip(&counted.puts).filter(|(_, new)| new.records > 0) {
            class.shortest = if class.records == 0 { new.shortest } else { class.shortest.min(new.shortest) };
            class.longest = class.longest.max(new.longest);
            class.records += new.records;
            class.bytes += new.bytes;
        }
        self.tombstones += counted.tombstones;
        self.tombstone_bytes += counted.tombstone_bytes;
        if let Some((min, max)) = counted.seqs() {
            self.saw(min);
            self.saw(max);
        }
        let new = counted.expiring;
        if new.records > 0 {
            self.expiring.first =
                if self.expiring.records == 0 { new.first } else { self.expiring.first.min(new.first) };
            self.expiring.last = self.expiring.last.max(new.last);
            self.expiring.records += new.records;
            self.expiring.bytes += new.bytes;
        }
    }

    /// The index names this record now.
    fn revive(&mut self, location: Location) {
        let is_unsure = self.class(location).revived(1);
        self.is_lost |= is_unsure;
        if let Some(events) = &mut self.events {
            events.push((location, true));
        }
    }

    /// The index names it no more. By how much the list became longer.
    fn kill(&mut self, location: Location, may_list: bool) -> isize {
        let class = self.class(location);
        class.live = class.live.saturating_sub(1);
        self.died(location, may_list)
    }

    /// A record is dead that the index never named, or names no more.
    fn died(&mut self, location: Location, may_list: bool) -> isize {
        if let Some(events) = &mut self.events {
            events.push((location, false));
        }
        if self.class(location).died() || self.is_lost {
            return 0;
        }
        if may_list && self.listed.len() < MAX_LISTED {
            self.listed.push(location);
            return 1;
        }
        self.is_lost = true;
        -(std::mem::take(&mut self.listed).len() as isize)
    }

    /// Smallest and largest sequence number; `None` without records.
    pub(crate) fn seqs(&self) -> Option<(SeqNo, SeqNo)> {
        self.seqs.get()
    }

    /// Exact if [`Account::is_exact`].
    pub(crate) fn totals(&self) -> Totals {
        let mut totals =
            Totals { tombstones: self.tombstones, tombstone_bytes: self.tombstone_bytes, ..Totals::default() };
        for class in &self.puts {
            let dead_bytes = class.dead_bytes();
            totals.live_records += class.live.min(class.records);
            totals.live_bytes += class.bytes - dead_bytes;
            totals.dead_records += class.dead_records();
            totals.dead_bytes += dead_bytes;
        }
        totals
    }

    /// Whether the bytes of the living are known.
    fn is_exact(&self) -> bool {
        self.puts.iter().all(Class::is_exact)
    }

    /// Whether reading the lengths of those on the list makes it exact.
    fn is_listed(&self) -> bool {
        let unknown: u64 = self.puts.iter().map(Class::unknown).sum();
        !self.is_lost && unknown == self.listed.len() as u64
    }

    /// Counts a dead record whose length was read.
    fn resolve(&mut self, location: Location, len: u64) {
        let class = self.class(location);
        class.dead += 1;
        class.dead_bytes += len;
    }
}

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
