//! A batch of writes that takes effect as a whole.

use std::sync::Arc;

use crate::engine::{Answer, Pending, Store};
use crate::error::{Error, Result};
use crate::options::WriteOptions;
use crate::types::Written;

use super::{check_key, check_value};

/// Writes that take effect together, or not at all, after any crash; readers see all of them or none.
///
/// A key that is written twice keeps its last write. Nothing reaches the store before [`Batch::commit`]; dropping a batch
/// discards it. For one thread at a time.
#[derive(Debug)]
pub struct Batch {
    store: Arc<Store>,
    pending: Pending,
    finished: bool,
}

impl Batch {
    pub(super) fn new(store: Arc<Store>) -> Batch {
        Batch { store, pending: Pending::default(), finished: false }
    }

    /// Adds a put. Key and value are copied.
    ///
    /// # Errors
    /// [`Error::BatchFinished`] after a commit; [`Error::KeyEmpty`], [`Error::KeyTooLarge`], [`Error::ValueTooLarge`].
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_open()?;
        check_key(key)?;
        check_value(value)?;
        self.pending.put(key, value);
        Ok(())
    }

    /// Adds a delete; the key need not exist.
    ///
    /// # Errors
    /// As [`Batch::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.check_open()?;
        check_key(key)?;
        self.pending.delete(key);
        Ok(())
    }

    /// Forgets all writes added so far.
    ///
    /// # Errors
    /// [`Error::BatchFinished`].
    pub fn clear(&mut self) -> Result<()> {
        self.check_open()?;
        self.pending.clear();
        Ok(())
    }

    /// Number of different keys written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes all writes, atomically. An empty batch writes nothing. After an error nothing was written and the commit may be tried again,
    /// unless the store is closed or stopped writing.
    ///
    /// # Errors
    /// [`Error::BatchFinished`] the second time; else as [`Db::put`](crate::Db::put).
    pub fn commit(&mut self) -> Result<()> {
        self.commit_with(WriteOptions::new())
    }

    /// As [`Batch::commit`], with options.
    ///
    /// # Errors
    /// As [`Batch::commit`].
    pub fn commit_with(&mut self, options: WriteOptions) -> Result<()> {
        self.commit_seq(options).map(|_| ())
    }

    pub(super) fn commit_now(&mut self, options: WriteOptions) -> Result<Written> {
        self.check_open()?;
        let written = self.store.commit(&self.pending, options.sync)?;
        self.finish();
        Ok(written)
    }

    pub(super) fn commit_later(&mut self, options: WriteOptions, answer: Answer) -> Result<()> {
        self.check_open()?;
        self.store.commit_later(&self.pending, options.sync, answer)?;
        self.finish();
        Ok(())
    }

    fn finish(&mut self) {
        self.finished = true;
        self.pending = Pending::default();
    }

    fn check_open(&self) -> Result<()> {
        if self.finished { Err(Error::BatchFinished) } else { Ok(()) }
    }
}
