//! Snapshots: the store at one moment.

use std::sync::Arc;

use crate::engine::{self, Store, Value, ValuePage};
use crate::error::Result;
use crate::types::SeqNo;

use super::{Iter, IterOptions, check_key};

/// The store at the moment of [`Db::snapshot`](crate::Db::snapshot): every read shows the effect of the same commits, whatever is
/// written, rotated or merged meanwhile. Thread-safe; share it by reference or in an `Arc`.
///
/// It keeps nobody from writing. While it lives, the first change of each key after it costs the key's bytes and about 150 more
/// (and every further change of the key too, if younger snapshots live that need it), and files that it may
/// read are kept; all of it is given back when the last snapshot that needs it is dropped. Iterators made from it live
/// by themselves. Closing the store ends it: every call gives [`Error::Closed`](crate::Error::Closed) then.
#[derive(Debug)]
pub struct Snapshot {
    inner: engine::Snapshot,
}

impl Snapshot {
    pub(super) fn new(store: &Arc<Store>) -> Result<Snapshot> {
        Ok(Snapshot { inner: engine::Snapshot::new(store)? })
    }

    /// Number of the last commit that it shows.
    #[must_use]
    pub fn seq(&self) -> SeqNo {
        self.inner.seq()
    }

    /// The value of a key, or `None`.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        check_key(key)?;
        self.inner.get(key)
    }

    /// As [`Db::get_into`](crate::Db::get_into).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn get_into(&self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        check_key(key)?;
        self.inner.get_into(key, buf)
    }

    /// Whether a key was there. Reads no value.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        check_key(key)?;
        self.inner.contains(key)
    }

    /// Length of a key's value in bytes, or `None` if there was no such key. Reads no value, and so finds no damage in it.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn value_size(&self, key: &[u8]) -> Result<Option<u64>> {
        check_key(key)?;
        self.inner.value_size(key)
    }

    /// The values of many keys, in the order of the keys. As [`Db::multi_get`](crate::Db::multi_get).
    ///
    /// # Errors
    /// As [`Db::multi_get`](crate::Db::multi_get).
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        keys.iter().try_for_each(|key| check_key(key.as_ref()))?;
        self.inner.multi_get(keys)
    }

    /// As [`Db::multi_get_into`](crate::Db::multi_get_into).
    ///
    /// # Errors
    /// As [`Db::multi_get`](crate::Db::multi_get); the page is empty then.
    pub fn multi_get_into<K: AsRef<[u8]>>(&self, keys: &[K], page: &mut ValuePage) -> Result<()> {
        page.clear();
        keys.iter().try_for_each(|key| check_key(key.as_ref()))?;
        self.inner.multi_get_into(keys, page)
    }

    /// An iterator over it, which keeps the moment also when this is dropped.
    ///
    /// # Errors
    /// As [`Db::iter`](crate::Db::iter).
    pub fn iter(&self, options: &IterOptions) -> Result<Iter> {
        Ok(Iter::over(self.inner.cursor(options.inner.clone())?))
    }

    /// All keys in order. Takes the memory of all of them.
    ///
    /// # Errors
    /// As [`Db::iter`](crate::Db::iter).
    pub fn list_keys(&self) -> Result<Vec<Vec<u8>>> {
        self.iter(&IterOptions::new().keys_only(true))?.map(|record| Ok(record?.0)).collect()
    }

    /// The record with the least key, or `None` if there is none. Without order (`hash`) this reads all keys.
    ///
    /// # Errors
    /// As [`Db::iter`](crate::Db::iter).
    pub fn first(&self) -> Result<Option<(Vec<u8>, Value)>> {
        self.inner.edge(false)
    }

    /// The record with the greatest key, or `None` if there is none. Without order (`hash`) this reads all keys.
    ///
    /// # Errors
    /// As [`Db::iter`](crate::Db::iter).
    pub fn last(&self) -> Result<Option<(Vec<u8>, Value)>> {
        self.inner.edge(true)
    }

    /// Number of keys that an iterator with these options gives. As [`Db::count`](crate::Db::count).
    ///
    /// # Errors
    /// As [`Db::count`](crate::Db::count).
    pub fn count(&self, options: &IterOptions) -> Result<u64> {
        self.inner.count(options.inner.clone())
    }

    /// Number of keys, in O(1). What had expired counts if it had not been swept; [`Snapshot::count`] counts what was there.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed), [`Error::Forked`](crate::Error::Forked).
    pub fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    /// Whether there are no keys.
    ///
    /// # Errors
    /// As [`Snapshot::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
}
