//! Loading many pairs at once.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Bulk, Store};
use crate::error::{Error, Result};

use super::{check_key, check_value};

/// Options of [`Db::bulk_load`](crate::Db::bulk_load).
#[derive(Clone, Copy, Debug)]
pub struct BulkOptions {
    is_atomic: bool,
    sync: bool,
}

impl Default for BulkOptions {
    fn default() -> BulkOptions {
        BulkOptions { is_atomic: true, sync: false }
    }
}

impl BulkOptions {
    /// Atomic, with the store's own durability.
    #[must_use]
    pub fn new() -> BulkOptions {
        BulkOptions::default()
    }

    /// Whether the load takes effect as a whole or not at all, after any crash and for every reader (the default). If not, it
    /// becomes visible in commits of about a MiB each as it goes, and takes no memory beyond that; what a load that fails or is
    /// dropped has committed stays.
    #[must_use]
    pub fn atomic(mut self, yes: bool) -> BulkOptions {
        self.is_atomic = yes;
        self
    }

    /// Whether [`BulkLoader::finish`] returns only when all is on stable storage, whatever the store's durability. An atomic load of more
    /// than 16 MiB is on stable storage then in any case.
    #[must_use]
    pub fn sync(mut self, yes: bool) -> BulkOptions {
        self.sync = yes;
        self
    }
}

/// A load under way, made by [`Db::bulk_load`](crate::Db::bulk_load).
///
/// Pairs may come in any order; ascending keys are the fastest, and into an empty store an ordered index is then built without a search.
/// A key that comes twice keeps its last value. Others read and write meanwhile; an atomic load stands behind all that was
/// committed before [`BulkLoader::finish`]. Several loads may be under way at once. Values go to files of the load's own in the
/// store's directory as they come. Memory holds 16 bytes and the key for each pair, and about as much again for a while at the end (56
/// bytes a pair more where the index has pairs already or can't be built at once); up to 16 MiB the load is kept in memory.
///
/// Dropping it without [`BulkLoader::finish`] abandons the load. For one thread at a time.
#[derive(Debug)]
pub struct BulkLoader {
    bulk: Bulk,
}

impl BulkLoader {
    pub(super) fn new(store: &Arc<Store>, options: BulkOptions) -> Result<BulkLoader> {
        Ok(BulkLoader { bulk: Bulk::new(store, options.is_atomic, options.sync)? })
    }

    /// Adds a pair. Key and value are copied.
    ///
    /// # Errors
    /// [`Error::KeyEmpty`], [`Error::KeyTooLarge`], [`Error::ValueTooLarge`], after which the load goes on without the pair;
    /// [`Error::Closed`], [`Error::Forked`]; [`Error::Io`] or [`Error::WritesStopped`], after which the load is abandoned, and each
    /// further call gives the same error.
    ///
    /// [`Error::KeyEmpty`]: crate::Error::KeyEmpty
    /// [`Error::KeyTooLarge`]: crate::Error::KeyTooLarge
    /// [`Error::ValueTooLarge`]: crate::Error::ValueTooLarge
    /// [`Error::Closed`]: crate::Error::Closed
    /// [`Error::Forked`]: crate::Error::Forked
    /// [`Error::Io`]: crate::Error::Io
    /// [`Error::WritesStopped`]: crate::Error::WritesStopped
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check_key(key)?;
        check_value(value)?;
        self.bulk.put(key, value, None)
    }

    /// Adds a pair that counts as absent after so much time from this call on, at least a millisecond.
    ///
    /// # Errors
    /// As [`BulkLoader::put`]; [`Error::InvalidArgument`](crate::Error::InvalidArgument) for no time at all, after which the load goes on without
    /// the pair.
    pub fn put_with_ttl(&mut self, key: &[u8], value: &[u8], ttl: Duration) -> Result<()> {
        check_key(key)?;
        check_value(value)?;
        match self.bulk.deadline(ttl) {
            None => Err(Error::invalid("a load does not delete: the ttl is no time at all")),
            expiry => self.bulk.put(key, value, expiry),
        }
    }

    /// Makes all pairs visible. After an error an atomic load did not happen, as far as the open store is concerned.
    ///
    /// # Errors
    /// As [`BulkLoader::put`].
    pub fn finish(mut self) -> Result<()> {
        self.bulk.finish()
    }
}
