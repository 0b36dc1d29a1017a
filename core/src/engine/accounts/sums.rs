//! Sums over the records of one file: by size class, of those that expire, of their numbers.

use crate::types::{SeqNo, Timestamp};

/// The puts of one size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Lengths of the shortest and the longest of them.
    pub(super) shortest: u64,
    pub(super) longest: u64,
    pub(super) live: u64,
    /// The dead ones whose length is known.
    pub(super) dead: u64,
    pub(super) dead_bytes: u64,
}

impl Class {
    pub(super) fn add(&mut self, len: u64) {
        self.absorb(&Class { records: 1, bytes: len, shortest: len, longest: len, ..Class::default() });
    }

    /// Records that were counted elsewhere; which of them are alive is told apart from that.
    pub(super) fn absorb(&mut self, new: &Class) {
        if new.records == 0 {
            return;
        }
        self.shortest = if self.records == 0 { new.shortest } else { self.shortest.min(new.shortest) };
        self.longest = self.longest.max(new.longest);
        self.records += new.records;
        self.bytes += new.bytes;
    }

    /// One that was alive, or was thought to become so, is dead. Whether its length is known.
    pub(super) fn died(&mut self) -> bool {
        let is_known = self.shortest == self.longest;
        // One that is told twice was among them before.
        if is_known && self.dead < self.dead_records() {
            self.dead += 1;
            self.dead_bytes += self.shortest;
        }
        is_known
    }

    /// So many are alive. Whether one of them was taken for dead: a copy of a merge before it was installed. Then nothing is known of the dead.
    pub(super) fn revived(&mut self, count: u64) -> bool {
        self.live += count;
        let is_unsure = self.records < self.live + self.dead;
        if is_unsure {
            (self.dead, self.dead_bytes) = (0, 0);
        }
        is_unsure
    }

    pub(super) fn dead_records(&self) -> u64 {
        self.records.saturating_sub(self.live)
    }

    /// Dead records whose length is not known.
    pub(super) fn unknown(&self) -> u64 {
        self.dead_records().saturating_sub(self.dead)
    }

    /// Exact if `unknown` is 0, all are dead, or all are of one length.
    pub(super) fn dead_bytes(&self) -> u64 {
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

    pub(super) fn is_exact(&self) -> bool {
        self.unknown() == 0 || self.live == 0 || self.shortest == self.longest
    }
}

/// The puts of a file that expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Expiring {
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// When the first and the last of them do.
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

impl Expiring {
    pub(super) fn add(&mut self, len: u64, at: Timestamp) {
        self.absorb(&Expiring { records: 1, bytes: len, first: at, last: at });
    }

    pub(super) fn absorb(&mut self, new: &Expiring) {
        if new.records == 0 {
            return;
        }
        self.first = if self.records == 0 { new.first } else { self.first.min(new.first) };
        self.last = self.last.max(new.last);
        self.records += new.records;
        self.bytes += new.bytes;
    }
}

/// The smallest and the largest of some numbers. No `Option` of two: compilers compare what is not there before they ask whether it is, which
/// does no harm and which valgrind takes for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seqs {
    pub(crate) min: SeqNo,
    pub(crate) max: SeqNo,
}

impl Default for Seqs {
    fn default() -> Seqs {
        Seqs { min: SeqNo(u64::MAX), max: SeqNo::ZERO }
    }
}

impl Seqs {
    pub(super) fn of(seqs: Option<(SeqNo, SeqNo)>) -> Seqs {
        seqs.map_or_else(Seqs::default, |(min, max)| Seqs { min, max })
    }

    pub(crate) fn saw(&mut self, seq: SeqNo) {
        self.min = self.min.min(seq);
        self.max = self.max.max(seq);
    }

    pub(super) fn get(self) -> Option<(SeqNo, SeqNo)> {
        (self.min <= self.max).then_some((self.min, self.max))
    }
}
