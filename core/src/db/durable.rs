//! Sequence numbers: which commit a write was, which are on stable storage, and waiting for one to be.

use std::time::Duration;

use crate::error::Result;
use crate::options::WriteOptions;
use crate::types::{SeqNo, Written};

use super::{Batch, Db, check_key, check_value};

impl Db {
    /// As [`Db::put_with`], and tells the commit's number, for [`Db::wait_durable`], and whether the key was there before.
    ///
    /// # Errors
    /// As [`Db::put`].
    pub fn put_seq(&self, key: &[u8], value: &[u8], options: WriteOptions) -> Result<Written> {
        options.check_put()?;
        check_key(key)?;
        check_value(value)?;
        self.store().put(key, value, options.sync, options.ttl)
    }

    /// As [`Db::delete_with`], and tells the commit's number, for [`Db::wait_durable`], and whether the key was there.
    ///
    /// # Errors
    /// As [`Db::put`].
    pub fn delete_seq(&self, key: &[u8], options: WriteOptions) -> Result<Written> {
        options.check_no_ttl()?;
        check_key(key)?;
        self.store().delete(key, options.sync)
    }

    /// Number of the last commit that readers see; [`SeqNo::ZERO`] if there was none yet.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed), [`Error::Forked`](crate::Error::Forked).
    pub fn last_seq(&self) -> Result<SeqNo> {
        self.store().last_seq()
    }

    /// All commits up to this one are on stable storage, whatever the store's durability. Never above [`Db::last_seq`], and never falls. What
    /// opening found is durable. Causes no I/O.
    ///
    /// # Errors
    /// [`Error::ReadOnly`](crate::Error::ReadOnly): what a writer in another process has synced is not known here;
    /// [`Error::Closed`](crate::Error::Closed), [`Error::Forked`](crate::Error::Forked).
    pub fn durable_seq(&self) -> Result<SeqNo> {
        self.store().durable_seq()
    }

    /// Waits until a commit, and all before it, is on stable storage, and syncs if nobody does: so a caller can write without
    /// sync, go on, and wait later. Any number of threads that wait share syncs, and writers go on meanwhile.
    ///
    /// `true`: it is there. `false`: the time was up before; the sync goes on (another thread runs it, which a store starts when it is
    /// first needed). Without `timeout` the answer is always `true`, and the calling thread may be the one that syncs. In the callback
    /// of a write (see [`Db::put_async`]) there is no limit: it would wait for itself.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a number that no commit has yet;
    /// [`Error::WritesStopped`](crate::Error::WritesStopped) if the sync failed, or one before it;
    /// [`Error::ReadOnly`](crate::Error::ReadOnly), [`Error::Forked`](crate::Error::Forked),
    /// [`Error::Closed`](crate::Error::Closed) (a call under way when the store is closed may succeed, for close syncs).
    pub fn wait_durable(&self, seq: SeqNo, timeout: Option<Duration>) -> Result<bool> {
        self.store().wait_durable(seq, timeout)
    }
}

impl Batch {
    /// As [`Batch::commit_with`], and tells the commit's number, for [`Db::wait_durable`].
    ///
    /// # Errors
    /// As [`Batch::commit`].
    pub fn commit_seq(&mut self, options: WriteOptions) -> Result<Written> {
        self.commit_now(options)
    }
}
