//! The files that a merge writes, one after the other, each with its account.
//!
//! Knows nothing of what is copied. A file is begun when there is something for it. Of files that are full, few are open: a merge may have many outputs,
//! and a process few descriptors.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::log::{Finished, Output, OutputConfig, Sealed};

use super::super::store::Store;
use super::Account;

/// Files that the disk may be at work on before the first is waited for.
const WAITING: usize = 8;

/// Outputs of one kind, of which the last is being written.
pub(super) struct Outputs<'a> {
    store: &'a Store,
    config: OutputConfig,
    current: Option<(Output, Account)>,
    /// [`WAITING`] at most, in their order.
    sealed: VecDeque<(Sealed, Account)>,
    finished: Vec<(Finished, Account)>,
}

impl<'a> Outputs<'a> {
    pub(super) fn new(store: &'a Store, config: OutputConfig) -> Outputs<'a> {
        Outputs { store, config, current: None, sealed: VecDeque::new(), finished: Vec::new() }
    }

    /// The output that a record of this length goes to.
    pub(super) fn for_record(&mut self, len: u64) -> Result<&mut (Output, Account)> {
        if self.current.as_ref().is_some_and(|(output, _)| !output.has_room(len)) {
            self.close()?;
        }
        if self.current.is_none() {
            let id = match &self.store.log {
                Some(log) => log.lock().take_id()?,
                None => return Err(Error::ReadOnly),
            };
            self.current = Some((Output::create(self.config.clone(), id)?, Account::default()));
        }
        self.current.as_mut().ok_or_else(|| Error::Internal { what: "an output that was made is not there".into() })
    }

    /// All of them, on stable storage. The disk has been at work on those before the last since they were sealed, and of few outputs none is waited for
    /// before.
    pub(super) fn finish(mut self) -> Result<Vec<(Finished, Account)>> {
        self.close()?;
        self.sync_all_but(0)?;
        Ok(self.finished)
    }

    /// Brings the oldest of those that are sealed to stable storage, until no more than so many are left.
    fn sync_all_but(&mut self, left: usize) -> Result<()> {
        while self.sealed.len() > left
            && let Some((sealed, account)) = self.sealed.pop_front()
        {
            self.finished.push((sealed.sync()?, account));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if let Some((output, account)) = self.current.take() {
            self.sealed.push_back((output.seal()?, account));
        }
        self.sync_all_but(WAITING)
    }
}
