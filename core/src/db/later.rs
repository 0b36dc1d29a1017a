//! Writes for callers with an event loop of their own: the call queues the write, and a callback gets the outcome.

use crate::engine::{self, Answer};
use crate::error::Result;
use crate::options::WriteOptions;
use crate::types::Written;

use super::{Batch, Db, WriteFuture, check_key, check_value, future};

impl Db {
    /// Bytes of log (and 256 for each write) that may be queued and unanswered: 64 MiB. Who brings more waits in the call until
    /// there is room; an event loop that must never wait keeps count of what it has under way.
    pub const ASYNC_BYTES: u64 = engine::MAX_IN_FLIGHT;

    /// As [`Db::put_with`], without waiting: `callback` gets the outcome when the write is made, and is as durable as the options and
    /// the store's durability say. Key and value are copied before this returns.
    ///
    /// What is queued by one thread takes effect in that order, and groups share appends and syncs. A write that another call makes
    /// meanwhile may come before what is queued.
    ///
    /// **The callback** is called exactly once if this returns `Ok`, and dropped uncalled if it does not. It is called from a thread of
    /// the store, which is started by the first such write and ends with the store; one after the other, so it should be short: hand the
    /// outcome to the event loop. It may call the store, [`Db::close`] and further writes included, and then never waits for room. If
    /// the store is closed before the write was made, the outcome is [`Error::Closed`](crate::Error::Closed). [`Db::close`] returns
    /// after the last callback did, so don't hold a lock over it that a callback takes. A callback that panics is a bug of the caller's, and
    /// does not keep others from being called.
    ///
    /// Dropping the last [`Db`] closes the store when the writes under way are made, in that thread if need be; those still queued
    /// get `Closed`. In a forked child no callback of the parent's is called.
    ///
    /// # Errors
    /// Of this call: those of [`Db::put`] that are known at once (the key, the value, [`Error::Closed`](crate::Error::Closed),
    /// [`Error::ReadOnly`](crate::Error::ReadOnly), [`Error::Forked`](crate::Error::Forked)), and
    /// [`Error::Unsupported`](crate::Error::Unsupported) if the thread can't be started. The callback gets the others.
    pub fn put_async<F>(&self, key: &[u8], value: &[u8], options: WriteOptions, callback: F) -> Result<()>
    where
        F: FnOnce(Result<Written>) + Send + 'static,
    {
        self.put_later(key, value, options, Box::new(callback))
    }

    /// As [`Db::delete_with`], without waiting: see [`Db::put_async`].
    ///
    /// # Errors
    /// As [`Db::put_async`].
    pub fn delete_async<F>(&self, key: &[u8], options: WriteOptions, callback: F) -> Result<()>
    where
        F: FnOnce(Result<Written>) + Send + 'static,
    {
        self.delete_later(key, options, Box::new(callback))
    }

    /// As [`Db::put_async`], as a future. It needs no particular runtime; whoever polled it is woken from the store's thread. Dropping it
    /// does not take the write back. An error of the call is the future's.
    pub fn put_future(&self, key: &[u8], value: &[u8], options: WriteOptions) -> WriteFuture {
        future::of(|answer| self.put_later(key, value, options, answer))
    }

    /// As [`Db::delete_async`], as a future: see [`Db::put_future`].
    pub fn delete_future(&self, key: &[u8], options: WriteOptions) -> WriteFuture {
        future::of(|answer| self.delete_later(key, options, answer))
    }

    fn put_later(&self, key: &[u8], value: &[u8], options: WriteOptions, answer: Answer) -> Result<()> {
        options.check_put()?;
        check_key(key)?;
        check_value(value)?;
        self.store().put_later(key, value, options.sync, options.ttl, answer)
    }

    fn delete_later(&self, key: &[u8], options: WriteOptions, answer: Answer) -> Result<()> {
        options.check_no_ttl()?;
        check_key(key)?;
        self.store().delete_later(key, options.sync, answer)
    }
}

impl Batch {
    /// As [`Batch::commit_with`], without waiting: see [`Db::put_async`]. When this returns `Ok` the batch is finished, whatever the
    /// callback gets.
    ///
    /// # Errors
    /// [`Error::BatchFinished`](crate::Error::BatchFinished); else as [`Db::put_async`].
    pub fn commit_async<F>(&mut self, options: WriteOptions, callback: F) -> Result<()>
    where
        F: FnOnce(Result<Written>) + Send + 'static,
    {
        self.commit_later(options, Box::new(callback))
    }

    /// As [`Batch::commit_async`], as a future: see [`Db::put_future`].
    pub fn commit_future(&mut self, options: WriteOptions) -> WriteFuture {
        future::of(|answer| self.commit_later(options, answer))
    }
}
