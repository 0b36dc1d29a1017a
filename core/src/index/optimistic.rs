//! The protocol of a version-checked page: one writer changes it while readers look at it and never wait for a lock.
//!
//! A page carries a version, a word that is odd while the page is being changed. A reader notes the version, reads
//! what it wants, looks at the version again, and throws away what it read if that has moved. This is a sequence lock a
//! page, and with [`valid`] asked of the parent once the child's version is known, *optimistic lock coupling* (Leis, Scheibner,
//! Kemper, Neumann: "The ART of practical synchronization", DaMoN 2016; Leis, Haubenschild, Neumann: "Optimistic lock
//! coupling", IEEE Data Eng. Bull. 42(1), 2019). Owns the order of loads, stores and fences; knows nothing of what
//! a page holds. Generic over the atomic word, so that the model in the tests runs the lines that the indexes run.
//!
//! Everything on a page is an atomic word, loaded and stored relaxed: what a reader sees in the middle of a change is
//! garbage, but a value, and not undefined. Whoever reads must bear any garbage without a panic or an endless loop.
//!
//! Invariants:
//! 1. One thread at a time changes pages (the indexes' writer). Only it sees an odd version and knows that it is its own.
//! 2. Between [`lock`] and [`unlock`] only, words of a page that readers can reach are stored.
//! 3. A change of several pages locks each before it stores to it, and unlocks none before it has locked and changed all
//!    (two-phase). So a reader that found a parent's version unmoved *after* it had the child's even version saw
//!    both before the change or both behind it: had the child been changed and the parent not yet, the parent's lock
//!    would have come before the child's unlock, thus before the reader's look at the parent.
//! 4. A version is a counter of 32 bits. Before it could come round under one look, the writer takes the index's lock
//!    exclusively, which no look outlives ([`Budget`]).

use std::sync::atomic::{AtomicU32, Ordering, fence};

/// The word that a version is kept in.
pub(crate) trait Word {
    fn load(&self, order: Ordering) -> u32;
    fn store(&self, value: u32, order: Ordering);
    fn fence(order: Ordering);
}

impl Word for AtomicU32 {
    #[inline]
    fn load(&self, order: Ordering) -> u32 {
        AtomicU32::load(self, order)
    }

    #[inline]
    fn store(&self, value: u32, order: Ordering) {
        AtomicU32::store(self, value, order);
    }

    #[inline]
    fn fence(order: Ordering) {
        fence(order);
    }
}

/// A version that a reader found even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen(u32);

/// Begins a look at a page; nothing while it is being changed.
#[inline]
pub(crate) fn enter<W: Word>(version: &W) -> Option<Seen> {
    // Acquire: what is read from here on is at least as new as this version.
    let seen = version.load(Ordering::Acquire);
    (seen & 1 == 0).then_some(Seen(seen))
}

/// Whether all that was read since [`enter`] belongs together.
#[inline]
pub(crate) fn valid<W: Word>(version: &W, seen: Seen) -> bool {
    // The fence pairs with the one in `lock`: having read a word of a later change means seeing its odd version here.
    W::fence(Ordering::Acquire);
    version.load(Ordering::Relaxed) == seen.0
}

/// Begins a change of a page; `false` if it has begun already.
#[inline]
pub(crate) fn lock<W: Word>(version: &W) -> bool {
    let old = version.load(Ordering::Relaxed);
    if old & 1 == 1 {
        return false;
    }
    version.store(old.wrapping_add(1), Ordering::Relaxed);
    W::fence(Ordering::Release);
    true
}

/// Ends the change.
#[inline]
pub(crate) fn unlock<W: Word>(version: &W) {
    let old = version.load(Ordering::Relaxed);
    debug_assert!(old & 1 == 1, "unlocked twice");
    version.store(old.wrapping_add(1), Ordering::Release);
}

/// Waits for the end of a change: some tens of nanoseconds unless the writer lost its processor in the middle.
#[inline]
pub(crate) fn enter_waiting(version: &AtomicU32) -> Seen {
    enter(version).unwrap_or_else(|| wait(version))
}

#[cold]
fn wait(version: &AtomicU32) -> Seen {
    /// About as long as a change of a page takes. Beyond that the writer probably waits for this very processor.
    const SPINS: u32 = 100;
    let mut spins = 0;
    loop {
        if let Some(seen) = enter(version) {
            return seen;
        }
        if spins < SPINS {
            spins += 1;
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// Changes that may still be made before a version could have come round under a reader's look; see invariant 4.
#[derive(Debug)]
pub(crate) struct Budget(u32);

impl Budget {
    const FULL: u32 = 1 << 29;

    pub(crate) fn new() -> Budget {
        Budget(Budget::FULL)
    }

    /// Counts one change of however many pages, each locked once; `false` if there were too many since [`Budget::refill`].
    #[inline]
    pub(crate) fn spend(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 > 0
    }

    /// The lock was held exclusively just now: no look is older.
    pub(crate) fn refill(&mut self) {
        self.0 = Budget::FULL;
    }

    #[cfg(test)]
    pub(crate) fn exhaust(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests;
