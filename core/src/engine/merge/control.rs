//! How a merge is slowed down, paused, watched and stopped.
//!
//! A merge tells [`Pace`] of all bytes that it reads and writes: there, and nowhere else, it waits, and there it learns that the store was closed.
//! It waits for moments only, so that nothing has to wake it.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::stats::MergeProgress;
use crate::util::lock::{Condvar, Mutex};

use super::super::store::Store;
use super::MergeOptions;

/// Longest wait between two looks at the store.
const MOMENT: Duration = Duration::from_millis(20);
/// Bytes between two looks.
const STEP: u64 = 256 << 10;

/// Whether merges are paused.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    paused: Mutex<bool>,
    changed: Condvar,
}

impl Pause {
    pub(crate) fn set(&self, paused: bool) {
        *self.paused.lock() = paused;
        self.changed.notify_all();
    }

    pub(crate) fn is_set(&self) -> bool {
        *self.paused.lock()
    }

    /// Waits for the end of a pause, but no longer than a moment.
    fn wait(&self) {
        drop(self.changed.wait_timeout_while(self.paused.lock(), MOMENT, |paused| *paused));
    }
}

/// The pace of one merge.
pub(super) struct Pace<'a> {
    store: &'a Store,
    options: &'a MergeOptions,
    pub(super) progress: MergeProgress,
    /// Bytes since the last look.
    unseen: u64,
    /// It is the background's, and whether it gives way.
    background: Option<bool>,
}

impl<'a> Pace<'a> {
    pub(super) fn new(store: &'a Store, options: &'a MergeOptions) -> Pace<'a> {
        Pace { store, options, progress: MergeProgress::default(), unseen: 0, background: None }
    }

    /// The pace of a merge that nobody waits for.
    pub(super) fn in_background(store: &'a Store, options: &'a MergeOptions) -> Pace<'a> {
        Pace { background: Some(true), ..Pace::new(store, options) }
    }

    /// Whether a merge in the background ends from here on when another is to have its turn.
    pub(super) fn gives_way(&mut self, yes: bool) {
        self.background = self.background.map(|_| yes);
    }

    /// Fails if the merge is to stop.
    pub(super) fn check(&self) -> Result<()> {
        self.store.check_usable()?;
        self.background.map_or(Ok(()), |gives_way| self.store.check_background(gives_way))
    }

    /// So many bytes were read.
    pub(super) fn read(&mut self, bytes: u64) -> Result<()> {
        self.progress.bytes_read += bytes;
        self.step(bytes)
    }

    /// So many bytes were written.
    pub(super) fn wrote(&mut self, bytes: u64) -> Result<()> {
        self.progress.bytes_written += bytes;
        self.step(bytes)
    }

    fn step(&mut self, bytes: u64) -> Result<()> {
        self.unseen += bytes;
        if self.unseen < STEP { Ok(()) } else { self.look() }
    }

    /// Tells of the progress, waits as long as merges are paused or too fast, and fails if the merge is to stop.
    pub(super) fn look(&mut self) -> Result<()> {
        let bytes = std::mem::take(&mut self.unseen);
        self.ask()?;
        // Work takes time too, so that the rate stays below what was asked for.
        let rate = self.options.bytes_per_second;
        // What can't give way any more is over the sooner.
        let hurries = self.background == Some(false) && self.store.check_background(true).is_err();
        let mut owed = match rate {
            _ if hurries => Duration::ZERO,
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(bytes as f64 / rate as f64),
        };
        while !owed.is_zero() {
            let now = owed.min(MOMENT);
            std::thread::sleep(now);
            owed -= now;
            if owed.is_zero() {
                self.check()?;
            } else {
                self.ask()?;
            }
        }
        while self.store.merging.pause.is_set() {
            self.store.merging.pause.wait();
            self.ask()?;
        }
        Ok(())
    }

    /// Tells of the progress, and fails if the merge is to stop. While it waits too, so that a merge that is slow or paused can be stopped.
    fn ask(&self) -> Result<()> {
        self.check()?;
        if let Some(callback) = &self.options.progress
            && let ControlFlow::Break(()) = callback(&self.progress)
        {
            return Err(Error::Cancelled);
        }
        // A process that was forked in the callback goes no step further.
        self.check()
    }
}
