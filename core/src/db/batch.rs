//! A batch of writes that takes effect as a whole.

use std::ops::Bound;
use std::sync::Arc;

use crate::engine::{Answer, Cursor, Found, KeyRange, Mark, Overlay, Pending, Share, Store, Value, range};
use crate::error::{Error, Result};
use crate::options::WriteOptions;
use crate::types::Written;

use super::{Iter, IterOptions, check_key, check_value};

/// Writes that take effect together, or not at all, after any crash; readers see all of them or none.
///
/// A key that is written twice keeps its last write. Nothing reaches the store before [`Batch::commit`]; dropping a batch
/// discards it. For one thread at a time.
///
/// When the store is closed, every call but [`Batch::len`], [`Batch::is_empty`] and [`Batch::byte_len`] gives [`Error::Closed`].
#[derive(Debug)]
pub struct Batch {
    pub(super) store: Share,
    pub(super) pending: Pending,
    finished: bool,
}

/// A place in a batch or transaction to roll back to. Of use in the one that gave it only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint(pub(super) Mark);

impl Savepoint {
    /// As a number, for bindings.
    #[doc(hidden)]
    #[must_use]
    pub fn to_raw(self) -> u64 {
        self.0.0
    }

    /// The reverse. A number that is none is found out when it is used.
    #[doc(hidden)]
    #[must_use]
    pub fn from_raw(raw: u64) -> Savepoint {
        Savepoint(Mark(raw))
    }
}

/// The range between two bounds; `None` if no key is between them.
pub(super) fn bounded(start: Bound<&[u8]>, end: Bound<&[u8]>) -> Option<KeyRange> {
    KeyRange::new(start, end)
}

/// The range of a prefix.
pub(super) fn prefixed(prefix: &[u8]) -> Option<KeyRange> {
    let (low, high) = range(prefix, Bound::Unbounded, Bound::Unbounded);
    KeyRange::new(low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice))
}

impl Batch {
    pub(super) fn new(store: &Arc<Store>) -> Batch {
        Batch { store: Share::of(store), pending: Pending::default(), finished: false }
    }

    /// Adds a put. Key and value are copied.
    ///
    /// # Errors
    /// [`Error::BatchFinished`] after a commit; [`Error::KeyEmpty`], [`Error::KeyTooLarge`], [`Error::ValueTooLarge`].
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_open()?;
        check_key(key)?;
        check_value(value)?;
        self.pending.put(key, value, None);
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

    /// Deletes all keys between two bounds: those that this batch has put so far, and those that are in the store *at the commit*,
    /// whoever put them. Keys that the batch puts afterwards stay. A bound need not be a valid key; a range whose end lies before
    /// its start is empty.
    ///
    /// The commit finds the keys and deletes them one by one. That takes memory for all of them for a moment, about 100 bytes and twice
    /// the key for each, as much of the log as single deletes, and meanwhile no other commit is made. Where the index has no order
    /// (`hash`) all keys of the store are read for it.
    ///
    /// # Errors
    /// [`Error::BatchFinished`]. The commit fails with [`Error::Corrupted`] where keys must be read and one can't be: it may be one that is to
    /// be deleted.
    pub fn delete_range(&mut self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<()> {
        self.delete_in(bounded(start, end))
    }

    /// Deletes all keys that begin with these bytes, as [`Batch::delete_range`]. Empty: all keys.
    ///
    /// # Errors
    /// As [`Batch::delete_range`].
    pub fn delete_prefix(&mut self, prefix: &[u8]) -> Result<()> {
        self.delete_in(prefixed(prefix))
    }

    /// Deletes all keys of the store, as [`Batch::delete_range`]. ([`Batch::clear`] is another thing.)
    ///
    /// # Errors
    /// As [`Batch::delete_range`].
    pub fn delete_all(&mut self) -> Result<()> {
        self.delete_in(prefixed(b""))
    }

    fn delete_in(&mut self, range: Option<KeyRange>) -> Result<()> {
        self.check_open()?;
        if let Some(range) = range {
            self.pending.delete_range(range);
        }
        Ok(())
    }

    /// The value that a key would have if the batch were committed now: the batch's own write, else what the store has.
    ///
    /// # Errors
    /// [`Error::BatchFinished`]; else as [`Db::get`](crate::Db::get).
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.check_open()?;
        check_key(key)?;
        match self.pending.get(key) {
            Some(own) => Ok(own.and_then(|new| self.store.found_now(new)).map(|found| found.value)),
            None => self.store.get(key),
        }
    }

    /// The same with what is known of its expiry.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<Found>> {
        self.check_open()?;
        check_key(key)?;
        match self.pending.get(key) {
            Some(own) => Ok(own.and_then(|new| self.store.found_now(new))),
            None => self.store.find(key),
        }
    }

    /// An iterator over what the store would be if the batch were committed now. Later writes of the batch, or to the store, change
    /// nothing of it.
    ///
    /// # Errors
    /// [`Error::BatchFinished`]; else as [`Db::iter`](crate::Db::iter).
    pub fn iter(&self, options: &IterOptions) -> Result<Iter> {
        self.check_open()?;
        let cursor = |options| Cursor::new(&self.store, options);
        Ok(Iter::laid(Overlay::new(&self.store, &self.pending, options.inner.clone(), None, cursor)?))
    }

    /// Forgets all writes added so far, and all savepoints. The store is as it was. ([`Batch::delete_all`] is another thing.)
    ///
    /// # Errors
    /// [`Error::BatchFinished`].
    pub fn clear(&mut self) -> Result<()> {
        self.check_open()?;
        self.pending.clear();
        Ok(())
    }

    /// Marks the present state of the batch. While there are savepoints, each write keeps what it replaces.
    ///
    /// # Errors
    /// [`Error::BatchFinished`].
    pub fn savepoint(&mut self) -> Result<Savepoint> {
        self.check_open()?;
        Ok(Savepoint(self.pending.mark()))
    }

    /// Takes back all writes since a savepoint. It can be rolled back to again; later ones are gone.
    ///
    /// # Errors
    /// [`Error::BatchFinished`]; [`Error::InvalidArgument`] if there is no such savepoint: it was rolled back past, released or cleared.
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.check_open()?;
        self.pending.back_to(savepoint.0)
    }

    /// Forgets a savepoint and later ones, and keeps all writes.
    ///
    /// # Errors
    /// As [`Batch::rollback_to`].
    pub fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        self.check_open()?;
        self.pending.forget(savepoint.0)
    }

    /// Number of different keys written so far, without those that ranges delete.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Bytes of all keys and values written so far, without what ranges delete.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.pending.bytes()
    }

    /// Makes all writes, atomically. An empty batch writes nothing. After an error nothing was written and the commit may be tried again,
    /// unless the store is closed or stopped writing.
    ///
    /// # Errors
    /// [`Error::BatchFinished`] the second time; else as [`Db::put`](crate::Db::put), and see [`Batch::delete_range`].
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
        options.check_no_ttl()?;
        let written = self.store.commit(&self.pending, options.sync)?;
        self.finish();
        Ok(written)
    }

    pub(super) fn commit_later(&mut self, options: WriteOptions, answer: Answer) -> Result<()> {
        self.check_open()?;
        options.check_no_ttl()?;
        self.store.commit_later(&self.pending, options.sync, answer)?;
        self.finish();
        Ok(())
    }

    fn finish(&mut self) {
        self.finished = true;
        self.pending = Pending::default();
    }

    /// Every call begins with this, those too that only remember something: nobody is to go on with what can't be committed any more.
    pub(super) fn check_open(&self) -> Result<()> {
        self.store.check_usable()?;
        if self.finished { Err(Error::BatchFinished) } else { Ok(()) }
    }
}
