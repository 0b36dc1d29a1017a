//! Who does for the log's writer what no write is to wait for.
//!
//! Two threads, for a sync that has begun can't be broken off, and space has to be there before the writer is: `quick` does what waits for no sync, reserves space,
//! fetches and drops windows, and writes what a hint has so far; `slow` syncs what was sealed, makes the next file and finishes hints. Each does its jobs in the order in
//! which they were given. No job takes the log's lock, so that who holds it can wait for them.

use std::sync::Arc;

use crate::util::worker::Worker;
use crate::vfs::Helpers;

/// The threads. They are started by what they are first needed for.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(super) quick: Worker,
    pub(super) slow: Worker,
    in_turn: bool,
}

impl Beside {
    pub(crate) fn new(helpers: Helpers) -> Option<Arc<Beside>> {
        let (quick, slow) = match helpers {
            Helpers::None => return None,
            Helpers::InTurn => (Worker::at_once(), Worker::late()),
            Helpers::Threads => (Worker::new("bitcask-space"), Worker::new("bitcask-log")),
        };
        Some(Arc::new(Beside { quick, slow, in_turn: helpers == Helpers::InTurn }))
    }

    /// Has something done that syncs, and that the writer will need.
    pub(super) fn ahead(&self, job: impl FnOnce() + Send + 'static) {
        let worker = if self.in_turn { &self.quick } else { &self.slow };
        worker.give(job);
    }

    /// Waits until all files that are sealed by now are left alone: their hints are written, or given up, and no window of them is mapped.
    pub(crate) fn wait(&self) {
        self.slow.wait();
        self.quick.wait();
    }

    /// Waits until everything is done, and ends the threads. What comes later is done by who brings it.
    pub(crate) fn stop(&self) {
        self.quick.stop();
        self.slow.stop();
    }
}
