//! The thread behind `Durability::Interval`: syncs when time or bytes are up.
//!
//! It shares the log, and whom to tell of syncs, and nothing else of the store, so that it never keeps one open, and is stopped and joined by close.
//! A sync that fails stops the log, which tells every later write; a log that stopped ends the thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::log::LogWriter;

use super::durable::Durable;
use super::lock::{Condvar, Mutex};
use super::sync::{ALL, sync_beside};

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
            let mut state = self.state.lock();
            if !state.full {
                state.full = true;
                self.changed.notify_one();
            }
        }
    }

    /// Waits for time or bytes; false when it is over.
    fn wait(&self, every: Duration) -> bool {
        let state = self.state.lock();
        let mut state = self.changed.wait_timeout_while(state, every, |state| !state.full && !state.stop);
        state.full = false;
        self.unsynced.store(0, Ordering::Relaxed);
        !state.stop
    }
}

impl IntervalSync {
    pub(crate) fn start(
        log: &Arc<Mutex<LogWriter>>,
        durable: &Arc<Durable>,
        every: Duration,
        bytes: u64,
    ) -> Result<IntervalSync> {
        let pressure = Arc::new(Pressure {
            limit: bytes,
            unsynced: AtomicU64::new(0),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        });
        let (theirs, log, durable) = (Arc::clone(&pressure), Arc::clone(log), Arc::clone(durable));
        let run = move || run(&theirs, &log, &durable, every);
        let thread = std::thread::Builder::new().name("bitcask-sync".into()).spawn(run).map_err(|e| {
            Error::Unsupported { what: format!("the thread that syncs in the interval did not start: {e}") }
        })?;
        Ok(IntervalSync { pressure, thread })
    }

    pub(crate) fn pressure(&self) -> &Arc<Pressure> {
        &self.pressure
    }

    /// Stops the thread and waits for it.
    pub(crate) fn stop(self) {
        self.pressure.state.lock().stop = true;
        self.pressure.changed.notify_one();
        // It can't panic but by a bug, which then shows in the log's state.
        let _ = self.thread.join();
    }

    /// Lets go of a thread that a fork left behind in the parent.
    pub(crate) fn forget(self) {
        std::mem::forget(self.thread);
    }
}

fn run(pressure: &Pressure, log: &Mutex<LogWriter>, durable: &Durable, every: Duration) {
    while pressure.wait(every) {
        if sync_beside(log, durable, ALL).is_err() {
            return;
        }
    }
}
