//! Sequence numbers as callers see them: the last commit, the last durable one, and waiting for a commit to be durable.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::types::SeqNo;

use super::store::Store;
use super::sync::sync_beside;

impl Store {
    pub(crate) fn last_seq(&self) -> Result<SeqNo> {
        self.check_usable()?;
        Ok(self.visible())
    }

    pub(crate) fn durable_seq(&self) -> Result<SeqNo> {
        self.check_writable()?;
        // A group is on stable storage a moment before it is seen.
        Ok(self.durable.covered().min(self.visible()))
    }

    /// Waits until all commits up to this one are on stable storage, with a limit also in vain: then it says `false`.
    pub(crate) fn wait_durable(self: &Arc<Self>, seq: SeqNo, timeout: Option<Duration>) -> Result<bool> {
        self.check_writable()?;
        let last = self.visible();
        if seq > last {
            return Err(Error::invalid(format!("there is no commit {seq} to wait for; the last one is {last}")));
        }
        match timeout {
            // Who answers can't be waited for by itself.
            Some(timeout) if !self.committer.is_own_thread() => {
                self.durable.wait_at_most(seq, timeout, |seq| self.sync_later(seq))
            }
            _ => self.durable.wait(seq, || self.sync_beside(seq)).map(|()| true),
        }
    }

    /// Syncs beside writers, unless `seq` was brought to stable storage meanwhile.
    fn sync_beside(&self, seq: SeqNo) -> Result<SeqNo> {
        self.check_usable()?;
        let Some(log) = &self.log else { return Err(Error::ReadOnly) };
        sync_beside(log, &self.durable, seq)
    }
}
