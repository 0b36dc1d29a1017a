//! The account of one file. What it means is said in the module above.

use crate::format::hint::HintEntry;
use crate::format::record::RecordHeader;
use crate::types::{FileId, Location, SeqNo, Timestamp};

use super::sums::{Class, Expiring, Seqs};

/// Dead records of one file whose length is to be read: 8 bytes each.
pub(super) const MAX_LISTED: usize = 1 << 16;

/// The account of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// By size class, as far as there are records.
    pub(super) puts: Vec<Class>,
    pub(super) tombstones: u64,
    pub(super) tombstone_bytes: u64,
    pub(super) seqs: Seqs,
    pub(super) expiring: Expiring,
    /// Dead records whose length is to be read.
    pub(super) listed: Vec<Location>,
    /// There are others, which are not listed.
    pub(super) is_lost: bool,
    /// While somebody goes through the file: what died or came to life since.
    pub(super) events: Option<Vec<(Location, bool)>>,
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

    pub(super) fn class(&mut self, location: Location) -> &mut Class {
        let class = location.size_class();
        if self.puts.len() <= class {
            self.puts.resize(class + 1, Class::default());
        }
        &mut self.puts[class]
    }

    pub(super) fn saw(&mut self, seq: SeqNo) {
        self.seqs.saw(seq);
    }

    /// Records that were counted elsewhere.
    pub(super) fn absorb(&mut self, counted: &Account) {
        if self.puts.len() < counted.puts.len() {
            self.puts.resize(counted.puts.len(), Class::default());
        }
        self.puts.iter_mut().zip(&counted.puts).for_each(|(class, new)| class.absorb(new));
        self.tombstones += counted.tombstones;
        self.tombstone_bytes += counted.tombstone_bytes;
        if let Some((min, max)) = counted.seqs() {
            self.saw(min);
            self.saw(max);
        }
        self.expiring.absorb(&counted.expiring);
    }

    /// The index names this record now.
    pub(super) fn revive(&mut self, location: Location) {
        let is_unsure = self.class(location).revived(1);
        self.is_lost |= is_unsure;
        if let Some(events) = &mut self.events {
            events.push((location, true));
        }
    }

    /// The index names it no more. By how much the list became longer.
    pub(super) fn kill(&mut self, location: Location, may_list: bool) -> isize {
        let class = self.class(location);
        class.live = class.live.saturating_sub(1);
        self.died(location, may_list)
    }

    /// A record is dead that the index never named, or names no more.
    pub(super) fn died(&mut self, location: Location, may_list: bool) -> isize {
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

    /// Whether a put is among its records that the index does not name, as far as is known.
    pub(crate) fn has_dead_puts(&self) -> bool {
        self.puts.iter().any(|class| class.live != class.records)
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
    pub(super) fn is_exact(&self) -> bool {
        self.puts.iter().all(Class::is_exact)
    }

    /// Whether reading the lengths of those on the list makes it exact.
    pub(super) fn is_listed(&self) -> bool {
        let unknown: u64 = self.puts.iter().map(Class::unknown).sum();
        !self.is_lost && unknown == self.listed.len() as u64
    }

    /// Counts a dead record whose length was read.
    pub(super) fn resolve(&mut self, location: Location, len: u64) {
        let class = self.class(location);
        class.dead += 1;
        class.dead_bytes += len;
    }
}
