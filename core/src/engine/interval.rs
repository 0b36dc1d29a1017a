//! The thread behind `Durability::Interval`: syncs when time or bytes are up.
//!
//! It shares the log and nothing else of the store, so that it never keeps one open, and is stopped and joined by close.
//! The sync itself runs beside writers: only the question what to sync and the answer take the log's lock.
//!
//! The thread waits on a lock of the standard library, which has nothing outside of itself. parking_lot keeps all waiters of the process
//! in one table with locks of its own; if a thread was at one of them at a fork, the child can wait on nothing that falls
//! to it, ever. And this thread waits all the time, also in a child that opens a store of its own and does nothing else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::log::LogWriter;

/// The running thread.
#[derive(Debug)]
pub(crate) struct IntervalSync {
    pressure: Arc<Pressure>,
    thread: JoinHandle<()>,
}

/// What writers and the thread share.
#[derive(Debug)]
pub(crate) struct Pressure {
    limit: u64,
    unsynced: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stop: bool,
    full: bool,
}

impl Pressure {
    /// Counts bytes that were appended without a sync, and wakes the thread if they are enough.
    pub(crate) fn appended(&self, bytes: u64) {
        if self.unsynced.fetch_add(bytes, Ordering::Relaxed) + bytes >= self.limit {
            let mut state = self.lock();
            if !state.full {
                state.full = true;
                self.changed.notify_one();
            }
        }
    }

    /// Waits for time or bytes; false when it is over.
    fn wait(&self, every: Duration) -> bool {
        let mut state = self.lock();
        if !state.full && !state.stop {
            state = self.changed.wait_timeout(state, every).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.full = false;
        self.unsynced.store(0, Ordering::Relaxed);
        !state.stop
    }

    /// Nothing that could panic happens under this lock, so that it is never poisoned.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IntervalSync {
    pub(crate) fn start(log: &Arc<parking_lot::Mutex<LogWriter>>, every: Duration, bytes: u64) -> Result<IntervalSync> {
        let pressure = Arc::new(Pressure {
            limit: bytes,
            unsynced: AtomicU64::new(0),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        });
        let (theirs, log) = (Arc::clone(&pressure), Arc::clone(log));
        let thread =
            std::thread::Builder::new().name("bitcask-sync".into()).spawn(move || run(&theirs, &log, every)).map_err(
                |e| Error::Unsupported { what: format!("the thread that syncs in the interval did not start: {e}") },
            )?;
        Ok(IntervalSync { pressure, thread })
    }

    pub(crate) fn pressure(&self) -> &Arc<Pressure> {
        &self.pressure
    }

    /// Stops the thread and waits for it.
    pub(crate) fn stop(self) {
        self.pressure.lock().stop = true;
        self.pressure.changed.notify_one();
        // It can't panic but by a bug, which then shows in the log's state.
        let _ = self.thread.join();
    }

    /// Lets go of a thread that a fork left behind in the parent.
    pub(crate) fn forget(self) {
        std::mem::forget(self.thread);
    }
}

fn run(pressure: &Pressure, log: &parking_lot::Mutex<LogWriter>, every: Duration) {
    while pressure.wait(every) {
        let Some(sync) = log.lock().background_sync() else { continue };
        let outcome = sync.run();
        // A failure stops the writer, which tells every later write.
        if log.lock().synced_to(&sync, outcome).is_err() {
            return;
        }
    }
}
