//! Changes of single keys that depend on what they were.

use crate::engine::Decision;
use crate::error::{Error, Result};
use crate::options::WriteOptions;

use super::{Db, check_key, check_value};

impl Db {
    /// Replaces a key's value if it is what is expected, and tells whether it was: atomic whoever else writes. `None` is "not there", for
    /// both: so `(None, Some(new))` creates and `(Some(old), None)` removes.
    ///
    /// # Errors
    /// As [`Db::put`] and [`Db::get`].
    pub fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        self.compare_and_swap_with(key, expected, new, WriteOptions::new())
    }

    /// As [`Db::compare_and_swap`], with options for the write. Without a [`ttl`](WriteOptions::ttl) or
    /// [`keep_expiry`](WriteOptions::keep_expiry) the new value has no expiry.
    ///
    /// # Errors
    /// As [`Db::compare_and_swap`].
    pub fn compare_and_swap_with(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
        options: WriteOptions,
    ) -> Result<bool> {
        check_key(key)?;
        new.map_or(Ok(()), check_value)?;
        let store = self.store();
        store.modify(key, options.sync, |present| {
            Ok(match new {
                _ if present.map(|found| &found.value[..]) != expected => (Decision::Keep, false),
                Some(new) => {
                    let kept = present.filter(|_| options.keep_expiry).and_then(|found| found.expiry);
                    (store.decide_put(new.to_vec(), options.ttl, kept), true)
                }
                None => (Decision::Delete, true),
            })
        })
    }

    /// Stores a value if the key is not there, and tells whether it did.
    ///
    /// # Errors
    /// As [`Db::compare_and_swap`].
    pub fn put_if_absent(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        self.put_if_absent_with(key, value, WriteOptions::new())
    }

    /// As [`Db::put_if_absent`], with options for the write: with a [`ttl`](WriteOptions::ttl) this is a lock that nobody keeps for ever.
    ///
    /// # Errors
    /// As [`Db::put_if_absent`].
    pub fn put_if_absent_with(&self, key: &[u8], value: &[u8], options: WriteOptions) -> Result<bool> {
        self.compare_and_swap_with(key, None, Some(value), options)
    }

    /// Adds to a counter and gives what it was before: a value of 8 bytes, a signed number with its lowest byte first. A key that is
    /// not there counts as 0. A key that expires goes on to do so when it would have.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the value is not of 8 bytes, or the sum is beyond 64 bits: then nothing is changed. Else as
    /// [`Db::compare_and_swap`].
    pub fn fetch_add(&self, key: &[u8], delta: i64) -> Result<i64> {
        self.fetch_add_with(key, delta, WriteOptions::new())
    }

    /// As [`Db::fetch_add`], with options for the write. A [`ttl`](WriteOptions::ttl) takes the place of the key's expiry.
    ///
    /// # Errors
    /// As [`Db::fetch_add`].
    pub fn fetch_add_with(&self, key: &[u8], delta: i64, options: WriteOptions) -> Result<i64> {
        check_key(key)?;
        let store = self.store();
        store.modify(key, options.sync, |found| {
            let present = match found.map(|found| &found.value[..]) {
                None => 0,
                Some(value) => i64::from_le_bytes(value.try_into().map_err(|_| {
                    Error::invalid(format!("the key's value has {} bytes; a counter has 8", value.len()))
                })?),
            };
            let sum = present.checked_add(delta).ok_or_else(|| {
                Error::invalid(format!("the counter is {present}; adding {delta} goes beyond 64 bits"))
            })?;
            let kept = found.and_then(|found| found.expiry);
            Ok((store.decide_put(sum.to_le_bytes().to_vec(), options.ttl, kept), present))
        })
    }

    /// Replaces a key's value by what `change` makes of it, and gives that; `None` is "not there", for both. `change` is called again if
    /// another writer changed the key meanwhile, so it should have no effects of its own. It runs in this thread, without locks, and
    /// may use the store. A key that expires goes on to do so when it would have.
    ///
    /// # Errors
    /// As [`Db::compare_and_swap`], and [`Error::ValueTooLarge`].
    pub fn update(&self, key: &[u8], change: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        self.update_with(key, WriteOptions::new(), change)
    }

    /// As [`Db::update`], with options for the write. A [`ttl`](WriteOptions::ttl) takes the place of the key's expiry.
    ///
    /// # Errors
    /// As [`Db::update`].
    pub fn update_with(
        &self,
        key: &[u8],
        options: WriteOptions,
        mut change: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>>,
    ) -> Result<Option<Vec<u8>>> {
        check_key(key)?;
        let store = self.store();
        store.modify(key, options.sync, |found| match change(found.map(|found| &found.value[..])) {
            Some(new) => {
                check_value(&new)?;
                let kept = found.and_then(|found| found.expiry);
                Ok((store.decide_put(new.clone(), options.ttl, kept), Some(new)))
            }
            None => Ok((Decision::Delete, None)),
        })
    }
}
