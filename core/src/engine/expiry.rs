//! When a record counts as absent: its own expiry, else the store's for its age.
//!
//! Owns the one answer to "may anything expire here?", which decides whether reads that need no record otherwise (whether a key is there,
//! keys alone, counts) have to look at records. Knows no files and no index.
//!
//! Invariants:
//! 1. `records` is set before an index names a record that has an expiry, wherever it comes from: a commit, a load, a replay, a saved index (of which
//!    `Covered` says it). So who finds a record in the index, and the flag not set, has found one without. It is never taken back.
//! 2. `next.due` is no later than the time at which the first of the records that the index names expires. It serves sweeps alone: what has expired is decided record by record.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::format::record::RecordHeader;
use crate::log::View;
use crate::types::Timestamp;
use crate::util::lock::Mutex;

/// What a store knows of expiry.
#[derive(Debug)]
pub(super) struct Expiry {
    /// Milliseconds after which a record without an expiry of its own has expired.
    max_age: Option<u64>,
    /// A record may have an expiry of its own.
    records: AtomicBool,
    next: Mutex<Next>,
}

/// When the next sweep has something to do.
#[derive(Debug)]
struct Next {
    /// Not before this time.
    due: u64,
    /// The first expiry that came since the last sweep began.
    coming: u64,
    /// Sweeps that began.
    begun: u64,
    /// Where the last of them stopped, if it came to no end and none goes on with it.
    cut: Option<Cut>,
}

/// A sweep that came to no end, of an index with an order.
#[derive(Debug)]
pub(super) struct Cut {
    /// It looked at the keys up to this one.
    pub(super) last: Vec<u8>,
    /// Of what it saw and left the first expires then.
    pub(super) first: u64,
}

impl Expiry {
    pub(super) fn new(max_age: Option<Duration>, records: bool) -> Expiry {
        let next = Next { due: 0, coming: u64::MAX, begun: 0, cut: None };
        Expiry { max_age: max_age.map(millis), records: AtomicBool::new(records), next: Mutex::new(next) }
    }

    /// Whether anything in this store can expire.
    #[inline]
    pub(super) fn is_possible(&self) -> bool {
        self.max_age.is_some() || self.has_records()
    }

    /// Whether records expire by their age.
    #[inline]
    pub(super) fn is_by_age(&self) -> bool {
        self.max_age.is_some()
    }

    /// Whether a record may have an expiry of its own.
    #[inline]
    pub(super) fn has_records(&self) -> bool {
        // What an index names was published behind the flag.
        self.records.load(Ordering::Relaxed)
    }

    /// For who reads records into the index.
    pub(super) fn records_flag(&self) -> &AtomicBool {
        &self.records
    }

    /// Records are about to be named by the index, of which one has this expiry and none an earlier one, and which were written at that time.
    #[inline]
    pub(super) fn comes(&self, expiry: Option<Timestamp>, written: Option<Timestamp>) {
        if expiry.is_some() {
            self.records.store(true, Ordering::Relaxed);
        }
        let by_age = written.zip(self.max_age).map(|(written, age)| written.0.saturating_add(age));
        if let Some(end) = [expiry.map(|expiry| expiry.0), by_age].into_iter().flatten().min() {
            let mut next = self.next.lock();
            next.due = next.due.min(end);
            next.coming = next.coming.min(end);
        }
    }

    /// From when on a record counts as absent, if ever.
    #[inline]
    pub(super) fn end(&self, expiry: Option<Timestamp>, written: impl FnOnce() -> Timestamp) -> Option<Timestamp> {
        match (expiry, self.max_age) {
            (Some(_), _) => expiry,
            (None, Some(age)) => Some(Timestamp(written().0.saturating_add(age))),
            (None, None) => None,
        }
    }

    /// The same of a record that was read.
    #[inline]
    pub(super) fn end_of(&self, view: &View<'_>) -> Option<Timestamp> {
        self.end(view.header.expiry, || view.timestamp())
    }

    /// The same of a record's header.
    #[inline]
    pub(super) fn end_of_header(&self, header: &RecordHeader) -> Option<Timestamp> {
        self.end(header.expiry, || header.timestamp)
    }

    /// Whether a sweep may find anything.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.is_possible() && now.0 >= self.next.lock().due
    }

    /// A sweep begins that will look at all records that the index names now, or goes on with one that was cut off. Gives its number, and where to go on.
    pub(super) fn begin_sweep(&self) -> (u64, Option<Cut>) {
        let mut next = self.next.lock();
        let cut = next.cut.take();
        if cut.is_none() {
            next.coming = u64::MAX;
            next.begun += 1;
        }
        (next.begun, cut)
    }

    /// It came to its end; of what it saw and left the first expires then. One during which another began, which knows more, tells nothing.
    pub(super) fn end_sweep(&self, number: u64, first: u64) {
        let mut next = self.next.lock();
        if next.begun == number {
            next.due = next.coming.min(first);
        }
    }

    /// It came to no end: the next one goes on with it, unless another began meanwhile.
    pub(super) fn cut_sweep(&self, number: u64, cut: Cut) {
        let mut next = self.next.lock();
        if next.begun == number {
            next.cut = Some(cut);
        }
    }
}

/// Whole milliseconds, not less than the duration.
pub(super) fn millis(duration: Duration) -> u64 {
    let parts = u64::from(duration.subsec_nanos().div_ceil(1_000_000));
    duration.as_secs().saturating_mul(1000).saturating_add(parts)
}

/// The time that is so much after another. Beyond what numbers hold it is the last one: never.
pub(super) fn after(now: Timestamp, ttl: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(millis(ttl)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_rounded_up_and_saturates() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(7)), 7);
        assert_eq!(millis(Duration::from_nanos(7_000_001)), 8);
        assert_eq!(millis(Duration::MAX), u64::MAX);
        assert_eq!(after(Timestamp(5), Duration::from_millis(6)), Timestamp(11));
        assert_eq!(after(Timestamp(5), Duration::MAX), Timestamp(u64::MAX));
        assert_eq!(after(Timestamp(0), Duration::from_nanos(1)), Timestamp(1), "a clock before 1970 says 0");
    }

    #[test]
    fn a_record_of_its_own_expiry_has_no_age() {
        let none = Expiry::new(None, false);
        assert!(!none.is_possible() && !none.is_due(Timestamp(u64::MAX)));
        assert_eq!(none.end(None, || Timestamp(3)), None);
        none.comes(Some(Timestamp(9)), Some(Timestamp(1)));
        assert!(none.is_possible() && none.end(Some(Timestamp(9)), || Timestamp(3)) == Some(Timestamp(9)));
        let aged = Expiry::new(Some(Duration::from_millis(10)), false);
        assert!(aged.is_possible() && !aged.has_records());
        assert_eq!(aged.end(None, || Timestamp(3)), Some(Timestamp(13)));
        assert_eq!(aged.end(Some(Timestamp(50)), || Timestamp(3)), Some(Timestamp(50)));
        assert_eq!(aged.end(None, || Timestamp(u64::MAX)), Some(Timestamp(u64::MAX)));
    }

    #[test]
    fn a_sweep_is_due_when_the_next_record_may_expire() {
        let expiry = Expiry::new(None, true);
        assert!(expiry.is_due(Timestamp(0)), "nothing is known yet");
        let (first, _) = expiry.begin_sweep();
        expiry.comes(Some(Timestamp(170)), Some(Timestamp(1)));
        assert!(expiry.is_due(Timestamp(100)), "it has not come to its end");
        expiry.end_sweep(first, 200);
        assert!(!expiry.is_due(Timestamp(169)) && expiry.is_due(Timestamp(170)));
        expiry.comes(Some(Timestamp(150)), Some(Timestamp(1)));
        assert!(!expiry.is_due(Timestamp(149)) && expiry.is_due(Timestamp(150)));
        let (second, _) = expiry.begin_sweep();
        expiry.comes(Some(Timestamp(140)), Some(Timestamp(1)));
        let (third, _) = expiry.begin_sweep();
        expiry.end_sweep(third, 160);
        expiry.end_sweep(second, 500);
        assert!(!expiry.is_due(Timestamp(159)) && expiry.is_due(Timestamp(160)));
        let aged = Expiry::new(Some(Duration::from_millis(10)), false);
        let (first, _) = aged.begin_sweep();
        aged.end_sweep(first, u64::MAX);
        aged.comes(None, Some(Timestamp(100)));
        assert!(!aged.has_records() && !aged.is_due(Timestamp(109)) && aged.is_due(Timestamp(110)));
        aged.comes(None, Some(Timestamp(50)));
        assert!(aged.is_due(Timestamp(60)), "the clock went back");
    }

    #[test]
    fn a_sweep_that_is_cut_off_goes_on_unless_another_began() {
        let expiry = Expiry::new(None, true);
        let cut = |last: &[u8], first| Cut { last: last.to_vec(), first };
        let (number, none) = expiry.begin_sweep();
        assert!(none.is_none());
        expiry.comes(Some(Timestamp(150)), None);
        expiry.cut_sweep(number, cut(b"k", 200));
        assert!(expiry.is_due(Timestamp(0)));
        let (same, rest) = expiry.begin_sweep();
        assert!(same == number && rest.is_some_and(|cut| cut.last == b"k" && cut.first == 200));
        expiry.end_sweep(same, 190);
        // What came while its first part ran counts.
        assert!(!expiry.is_due(Timestamp(149)) && expiry.is_due(Timestamp(150)));

        let (old, _) = expiry.begin_sweep();
        let (new, none) = expiry.begin_sweep();
        assert!(new != old && none.is_none(), "a sweep that runs is nobody else's");
        expiry.cut_sweep(old, cut(b"l", 200));
        assert!(expiry.begin_sweep().1.is_none());
    }
}
