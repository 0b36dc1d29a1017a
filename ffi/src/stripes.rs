//! Counters of users spread over cache lines, so that threads which only read the same store don't fight for one line.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

/// Enough that two threads of a busy program seldom share one.
pub(crate) const STRIPES: usize = 16;

/// This thread's stripe: threads are dealt out in turn.
pub(crate) fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: Cell<usize> = const { Cell::new(usize::MAX) });
    let mine = MINE.get();
    if mine != usize::MAX {
        return mine;
    }
    let dealt = NEXT.fetch_add(1, Relaxed) % STRIPES;
    MINE.set(dealt);
    dealt
}

/// Counts who is using an object. All zero bytes mean nobody.
pub(crate) trait Users: Send + Sync + 'static {
    /// The counter that this thread uses.
    fn mine(&self) -> &AtomicU32;
    /// Whether every counter was seen at zero, each at some moment.
    fn none(&self) -> bool;
}

/// For objects of one thread at a time.
pub(crate) struct One(AtomicU32);

impl Users for One {
    fn mine(&self) -> &AtomicU32 {
        &self.0
    }

    fn none(&self) -> bool {
        self.0.load(SeqCst) == 0
    }
}

/// For objects of many threads.
pub(crate) struct Striped([Line; STRIPES]);

#[repr(align(64))]
struct Line(AtomicU32);

impl Users for Striped {
    fn mine(&self) -> &AtomicU32 {
        &self.0[stripe()].0
    }

    fn none(&self) -> bool {
        self.0.iter().all(|line| line.0.load(SeqCst) == 0)
    }
}
