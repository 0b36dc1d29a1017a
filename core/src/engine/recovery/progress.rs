//! Tells the caller of an opening how far it is, and hears whether to go on.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::stats::{OpenPhase, OpenProgress};

/// The callback is called once in so many bytes of data files: with each tenth of a second or so.
const STEP: u64 = 8 << 20;

/// What the caller gave.
pub(crate) type Callback = dyn Fn(&OpenProgress) -> ControlFlow<()> + Send + Sync;

/// How far an opening is. Called by the opening thread alone.
#[derive(Clone, Default)]
pub(crate) struct Progress {
    callback: Option<Arc<Callback>>,
    total: u64,
    /// Bytes of the files that are done.
    before: u64,
    /// The callback is called again from here on.
    next: u64,
}

impl Progress {
    pub(crate) fn new(callback: Option<Arc<Callback>>) -> Progress {
        Progress { callback, ..Progress::default() }
    }

    /// All begins, of so many bytes of data files.
    pub(super) fn begin(&mut self, total: u64) -> Result<()> {
        self.total = total;
        (self.before, self.next) = (0, STEP);
        self.tell(OpenPhase::Read, 0, 0)
    }

    /// The present file was read up to an offset, and so many records in all.
    pub(super) fn at(&mut self, offset: u64, records: u64) -> Result<()> {
        let done = self.before.saturating_add(offset);
        if done < self.next {
            return Ok(());
        }
        self.next = done.saturating_add(STEP);
        self.tell(OpenPhase::Read, done, records)
    }

    /// A file of that length is done.
    pub(super) fn file_done(&mut self, len: u64) {
        self.before = self.before.saturating_add(len);
    }

    /// All was read, and nothing was changed yet.
    pub(super) fn finish(&mut self, records: u64) -> Result<()> {
        self.tell(OpenPhase::Finish, self.total, records)
    }

    fn tell(&self, phase: OpenPhase, done: u64, records: u64) -> Result<()> {
        let Some(callback) = &self.callback else { return Ok(()) };
        let progress = OpenProgress { phase, bytes_done: done.min(self.total), bytes_total: self.total, records };
        match callback(&progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("total", &self.total).field("before", &self.before).finish_non_exhaustive()
    }
}
