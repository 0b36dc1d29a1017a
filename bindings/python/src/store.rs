//! `bitcask.Store`: an open store as a mutable mapping of bytes to bytes.
//!
//! Owns the core's handle. Short methods are here; those made of several operations are in `mapping`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitcask::{Db, Error, SeqNo, WriteOptions};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList};

use crate::batch::Batch;
use crate::bulk::BulkLoad;
use crate::call::detached;
use crate::convert::{Count, Input, Maybe, bytes, seconds};
use crate::expiry::{Ttl, how, left};
use crate::iter::{Range, Scan, Yields};
use crate::later::Mailbox;
use crate::snapshot::Snapshot;
use crate::transaction::Transaction;
use crate::{atomic, fork, many, mapping, merge, no_pickle, report, source, views};

/// An open store: a mutable mapping of bytes to bytes, in bytewise key order.
///
/// Made by bitcask.open(). Thread-safe. Keys have 1 to 65,535 bytes, values up to 4 GiB - 1; both can be any
/// bytes-like object and come back as bytes. Equality is identity: comparing contents would read all of them.
#[pyclass(module = "bitcask", frozen, mapping, weakref)]
pub(crate) struct Store {
    pub(crate) db: Db,
    closed: AtomicBool,
    forks: u32,
}

impl Store {
    pub(crate) fn new(db: Db) -> Store {
        Store { db, closed: AtomicBool::new(false), forks: fork::count() }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Fails if the store is closed or a parent's, at no cost: for those who serve from memory what they read earlier.
    #[inline]
    pub(crate) fn check(&self) -> bitcask::Result<()> {
        if fork::count() != self.forks {
            return Err(Error::Forked);
        }
        if self.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }

    /// The core's own word on the same: it also knows of forks that went past Python. Waits for no write: at most for
    /// the moment in which an index is replaced.
    pub(crate) fn alive(&self) -> bitcask::Result<()> {
        self.db.len().map(drop)
    }

    /// As `alive`, for what is done with a closed store too.
    pub(crate) fn alive_or_closed(&self) -> bitcask::Result<()> {
        match self.alive() {
            Err(Error::Closed) => Ok(()),
            outcome => outcome,
        }
    }

    fn scan(slf: &Bound<'_, Self>, yields: Yields, range: &Range<'_>) -> PyResult<Scan> {
        Scan::new(slf.clone(), &slf.get().db, yields, range)
    }

    fn shut(&self) -> bitcask::Result<()> {
        match self.db.close() {
            Err(Error::Forked) => Err(Error::Forked),
            Err(Error::Closed) => Ok(()),
            outcome => {
                self.closed.store(true, Ordering::Relaxed);
                outcome
            }
        }
    }
}

impl Drop for Store {
    /// Closes, detached: it may sync. Iterators and batches keep the store alive, so nobody is using it.
    fn drop(&mut self) {
        if !self.is_closed() && Python::try_attach(|py| py.detach(|| self.shut().ok())).is_none() {
            self.shut().ok();
        }
    }
}

#[pymethods]
impl Store {
    #[inline]
    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        source::lookup(&self.db, py, &key.extract::<Input<'_, '_>>()?)?
            .ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __setitem__(&self, py: Python<'_>, key: Input<'_, '_>, value: Input<'_, '_>) -> PyResult<()> {
        let (key, value) = (&*key, &*value);
        detached(py, || self.db.put(key, value))
    }

    fn __delitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let input = key.extract::<Input<'_, '_>>()?;
        let bytes = &*input;
        if detached(py, || self.db.delete(bytes))? {
            return Ok(());
        }
        Err(PyKeyError::new_err(key.clone().unbind()))
    }

    fn __contains__(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<bool> {
        let key = &*key;
        detached(py, || self.db.contains(key))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        source::len(&self.db, py)
    }

    fn __iter__(slf: Bound<'_, Self>) -> PyResult<Scan> {
        Store::scan(&slf, Yields::Keys, &Range::default())
    }

    fn __reversed__(slf: Bound<'_, Self>) -> PyResult<Scan> {
        Store::scan(&slf, Yields::Keys, &Range { reverse: true, ..Range::default() })
    }

    /// The value of a key, or default.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Input<'_, 'py>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(source::lookup(&self.db, py, &key)?.map(Bound::into_any).or(default))
    }

    /// The values of many keys as of one moment, in the order of the keys: a list with None for each that is missing.
    ///
    /// keys is any iterable of bytes-like objects; a key may be given twice. Faster than a get for each: the store is
    /// asked once, and reads the records in the order in which they lie.
    #[pyo3(signature = (keys, /))]
    fn multi_get<'py>(&self, py: Python<'py>, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        many::multi_get(&self.db, py, keys)
    }

    /// Length of a key's value in bytes, or None if there is no such key. Reads no value.
    fn value_size(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<Option<u64>> {
        let key = &*key;
        detached(py, || self.db.value_size(key))
    }

    /// The pair with the least key, or None if the store is empty.
    fn first<'py>(&self, py: Python<'py>) -> PyResult<Option<source::Pair<'py>>> {
        source::first(&self.db, py)
    }

    /// The pair with the greatest key, or None if the store is empty.
    fn last<'py>(&self, py: Python<'py>) -> PyResult<Option<source::Pair<'py>>> {
        source::last(&self.db, py)
    }

    /// A key at random, each with the same chance, or None if the store is empty.
    fn random_key<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        detached(py, || self.db.random_key())?.map(|key| bytes(py, &key)).transpose()
    }

    /// Store a value under a key, replacing any other, and return the commit's number. With sync, return when it is on
    /// stable storage. With ttl, a timedelta or a number of seconds, the key counts as absent after that time; no time at
    /// all is a delete.
    #[pyo3(signature = (key, value, *, sync=false, ttl=None))]
    fn put(
        &self,
        py: Python<'_>,
        key: Input<'_, '_>,
        value: Input<'_, '_>,
        sync: bool,
        ttl: Option<Ttl>,
    ) -> PyResult<u64> {
        let (key, value, options) = (&*key, &*value, how(sync, ttl));
        Ok(detached(py, || self.db.put_seq(key, value, options))?.seq.0)
    }

    /// Remove a key and tell whether it was there. With sync, return when that is on stable storage.
    #[pyo3(signature = (key, *, sync=false))]
    fn delete(&self, py: Python<'_>, key: Input<'_, '_>, sync: bool) -> PyResult<bool> {
        let (key, options) = (&*key, WriteOptions::new().sync(sync));
        detached(py, || self.db.delete_with(key, options))
    }

    /// As put(), with all that is known of the write: its number, and whether the key was there before.
    #[pyo3(signature = (key, value, *, sync=false, ttl=None))]
    fn put_seq<'py>(
        &self,
        py: Python<'py>,
        key: Input<'_, '_>,
        value: Input<'_, '_>,
        sync: bool,
        ttl: Option<Ttl>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (key, value, options) = (&*key, &*value, how(sync, ttl));
        report::written(py, &detached(py, || self.db.put_seq(key, value, options))?)
    }

    /// As delete(), with all that is known of the write: its number, and whether the key was there before.
    #[pyo3(signature = (key, *, sync=false))]
    fn delete_seq<'py>(&self, py: Python<'py>, key: Input<'_, '_>, sync: bool) -> PyResult<Bound<'py, PyAny>> {
        let (key, options) = (&*key, WriteOptions::new().sync(sync));
        report::written(py, &detached(py, || self.db.delete_seq(key, options))?)
    }

    /// As put_seq(), for asyncio: an awaitable of what put_seq() returns. The write is made also if nobody awaits it.
    #[pyo3(signature = (key, value, *, sync=false, ttl=None))]
    fn put_async<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        sync: bool,
        ttl: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        static PUT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        PUT.import(slf.py(), "bitcask._aio", "put")?.call1((slf, key, value, sync, ttl))
    }

    /// As delete_seq(), for asyncio: an awaitable of what delete_seq() returns.
    #[pyo3(signature = (key, *, sync=false))]
    fn delete_async<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>, sync: bool) -> PyResult<Bound<'py, PyAny>> {
        static DELETE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        DELETE.import(slf.py(), "bitcask._aio", "delete")?.call1((slf, key, sync))
    }

    /// Queue a put whose outcome goes to a mailbox.
    #[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
    fn _put_later(
        &self,
        py: Python<'_>,
        mailbox: &Mailbox,
        ticket: u64,
        key: Input<'_, '_>,
        value: Input<'_, '_>,
        sync: bool,
        ttl: Option<Ttl>,
    ) -> PyResult<()> {
        let (key, value, options, slot) = (&*key, &*value, how(sync, ttl), mailbox.slot(ticket));
        detached(py, || self.db.put_async(key, value, options, slot))
    }

    /// Queue a delete whose outcome goes to a mailbox.
    fn _delete_later(
        &self,
        py: Python<'_>,
        mailbox: &Mailbox,
        ticket: u64,
        key: Input<'_, '_>,
        sync: bool,
    ) -> PyResult<()> {
        let (key, options, slot) = (&*key, WriteOptions::new().sync(sync), mailbox.slot(ticket));
        detached(py, || self.db.delete_async(key, options, slot))
    }

    /// Have a key expire after a timedelta or a number of seconds from now on, and tell whether it is there. No time at all
    /// removes it.
    #[pyo3(signature = (key, ttl, *, sync=false))]
    fn expire(&self, py: Python<'_>, key: Input<'_, '_>, ttl: Ttl, sync: bool) -> PyResult<bool> {
        let (key, options) = (&*key, WriteOptions::new().sync(sync));
        detached(py, || self.db.expire_with(key, ttl.0, options))
    }

    /// Take away a key's own expiry, and tell whether it had one.
    #[pyo3(signature = (key, *, sync=false))]
    fn persist(&self, py: Python<'_>, key: Input<'_, '_>, sync: bool) -> PyResult<bool> {
        let (key, options) = (&*key, WriteOptions::new().sync(sync));
        detached(py, || self.db.persist_with(key, options))
    }

    /// How long a key is left, as a timedelta; None if it does not expire. KeyError if there is no such key. Reads no value.
    fn ttl(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
        let input = key.extract::<Input<'_, '_>>()?;
        let bytes = &*input;
        left(key, detached(py, || self.db.ttl(bytes))?)
    }

    /// Delete what has expired by now, and return how many keys that were. Only len() and the disk need it; a merge begins
    /// with it.
    fn sweep_expired(&self, py: Python<'_>) -> PyResult<u64> {
        detached(py, || self.db.sweep_expired())
    }

    /// Number of the last commit.
    #[getter]
    fn last_seq(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(detached(py, || self.db.last_seq())?.0)
    }

    /// All commits up to this one are on stable storage.
    #[getter]
    fn durable_seq(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(detached(py, || self.db.durable_seq())?.0)
    }

    /// Wait until the commit of a number, and all before it, is on stable storage, and sync if nobody does.
    ///
    /// Returns False if it takes longer than timeout seconds; the sync goes on then.
    #[pyo3(signature = (seq, timeout=None))]
    fn wait_durable(&self, py: Python<'_>, seq: u64, timeout: Option<f64>) -> PyResult<bool> {
        // As elsewhere in Python, a time that is over already is no time.
        let timeout = timeout.map(|timeout| seconds(py, "timeout", if timeout < 0.0 { 0.0 } else { timeout }));
        let timeout = timeout.transpose()?;
        detached(py, || self.db.wait_durable(SeqNo(seq), timeout))
    }

    /// Replace a key's value if it is what is expected, and tell whether it was. None is "not there", for both.
    ///
    /// The new value has a ttl as of put(), so that a lock is prolonged by who holds it; or, with keep_expiry, that of the
    /// value that it replaces; else none.
    #[pyo3(signature = (key, expected, new, *, sync=false, ttl=None, keep_expiry=false))]
    #[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
    fn compare_and_swap(
        &self,
        py: Python<'_>,
        key: Input<'_, '_>,
        expected: Option<Input<'_, '_>>,
        new: Option<Input<'_, '_>>,
        sync: bool,
        ttl: Option<Ttl>,
        keep_expiry: bool,
    ) -> PyResult<bool> {
        let (key, expected, new) = (&*key, expected.as_deref(), new.as_deref());
        let options = how(sync, ttl).keep_expiry(keep_expiry);
        detached(py, || self.db.compare_and_swap_with(key, expected, new, options))
    }

    /// Store a value if the key is not there, and tell whether it was stored. With a ttl as of put(): a lock that nobody keeps
    /// for ever.
    #[pyo3(signature = (key, value, *, sync=false, ttl=None))]
    fn put_if_absent(
        &self,
        py: Python<'_>,
        key: Input<'_, '_>,
        value: Input<'_, '_>,
        sync: bool,
        ttl: Option<Ttl>,
    ) -> PyResult<bool> {
        let (key, value, options) = (&*key, &*value, how(sync, ttl));
        detached(py, || self.db.put_if_absent_with(key, value, options))
    }

    /// Add to a counter and return what it was before: int.from_bytes(store[key], "little", signed=True), of 8 bytes. A key
    /// that is not there counts as 0. With a ttl as of put() it has that from now on, else its expiry stays.
    #[pyo3(signature = (key, delta=1, *, sync=false, ttl=None))]
    fn fetch_add(&self, py: Python<'_>, key: Input<'_, '_>, delta: i64, sync: bool, ttl: Option<Ttl>) -> PyResult<i64> {
        let (key, options) = (&*key, how(sync, ttl));
        detached(py, || self.db.fetch_add_with(key, delta, options))
    }

    /// Replace a key's value by what change(value) returns, and return that. None is "not there", for both.
    ///
    /// Atomic: change is called again if another writer changed the value meanwhile. An exception of it changes nothing. A
    /// key that expires goes on to do so when it would have.
    #[pyo3(signature = (key, change, /, *, sync=false))]
    fn modify<'py>(
        &self,
        py: Python<'py>,
        key: Input<'_, '_>,
        change: &Bound<'py, PyAny>,
        sync: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        atomic::modify(self, py, &key, change, sync)
    }

    /// Remove a key and return its value, or default if there is none; KeyError without a default.
    #[pyo3(signature = (key, default=Maybe::Missing, /))]
    fn pop<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>, default: Maybe<'py>) -> PyResult<Bound<'py, PyAny>> {
        match (mapping::pop(self, py, &key.extract::<Input<'_, '_>>()?)?, default) {
            (Some(value), _) => Ok(value.into_any()),
            (None, Maybe::Given(default)) => Ok(default),
            (None, Maybe::Missing) => Err(PyKeyError::new_err(key.clone().unbind())),
        }
    }

    /// Remove the last pair in key order and return it; KeyError if the store is empty.
    fn popitem<'py>(&self, py: Python<'py>) -> PyResult<source::Pair<'py>> {
        mapping::popitem(self, py)
    }

    /// The value of a key, after storing default if there is none.
    #[pyo3(signature = (key, default, /))]
    fn setdefault<'py>(
        &self,
        py: Python<'py>,
        key: Input<'_, 'py>,
        default: Input<'_, 'py>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        mapping::setdefault(self, py, &key, &default)
    }

    /// Store all pairs of a mapping, or of an iterable of pairs, as one batch: all of them or, after an error, none.
    #[pyo3(signature = (other=Maybe::Missing, /))]
    fn update(&self, py: Python<'_>, other: Maybe<'_>) -> PyResult<()> {
        match other {
            Maybe::Given(other) => mapping::update(self, py, &other),
            Maybe::Missing => Ok(()),
        }
    }

    /// Remove all keys, as one batch.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || mapping::clear(self))
    }

    /// A view of the keys.
    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        views::keys(slf.as_any())
    }

    /// A view of the values.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        views::values(slf.as_any())
    }

    /// A view of the pairs of key and value.
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        views::items(slf.as_any())
    }

    /// Iterate over pairs of key and value in key order, as they are now, whatever is written meanwhile.
    ///
    /// start and end bound the keys, prefix says what they begin with, limit how many there are at most. They can be
    /// combined. reverse gives descending order; start stays the lower bound.
    #[pyo3(signature = (
        start=None, end=None, *, prefix=None, start_inclusive=true, end_inclusive=false, reverse=false, limit=None,
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
    fn range(
        slf: Bound<'_, Self>,
        start: Option<Input<'_, '_>>,
        end: Option<Input<'_, '_>>,
        prefix: Option<Input<'_, '_>>,
        start_inclusive: bool,
        end_inclusive: bool,
        reverse: bool,
        limit: Option<Count>,
    ) -> PyResult<Scan> {
        let (start, end, prefix) = (start.as_deref(), end.as_deref(), prefix.as_deref());
        let range = Range { start, end, prefix, start_inclusive, end_inclusive, reverse, limit };
        Store::scan(&slf, Yields::Items, &range)
    }

    /// As range(), of keys alone. Reads no values.
    #[pyo3(signature = (
        start=None, end=None, *, prefix=None, start_inclusive=true, end_inclusive=false, reverse=false, limit=None,
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
    fn range_keys(
        slf: Bound<'_, Self>,
        start: Option<Input<'_, '_>>,
        end: Option<Input<'_, '_>>,
        prefix: Option<Input<'_, '_>>,
        start_inclusive: bool,
        end_inclusive: bool,
        reverse: bool,
        limit: Option<Count>,
    ) -> PyResult<Scan> {
        let (start, end, prefix) = (start.as_deref(), end.as_deref(), prefix.as_deref());
        let range = Range { start, end, prefix, start_inclusive, end_inclusive, reverse, limit };
        Store::scan(&slf, Yields::Keys, &range)
    }

    /// How many keys range() would give with the same arguments. Reads no values, and gives none of the keys to Python.
    #[pyo3(signature = (
        start=None, end=None, *, prefix=None, start_inclusive=true, end_inclusive=false, reverse=false, limit=None,
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
    fn count(
        &self,
        py: Python<'_>,
        start: Option<Input<'_, '_>>,
        end: Option<Input<'_, '_>>,
        prefix: Option<Input<'_, '_>>,
        start_inclusive: bool,
        end_inclusive: bool,
        reverse: bool,
        limit: Option<Count>,
    ) -> PyResult<u64> {
        let (start, end, prefix) = (start.as_deref(), end.as_deref(), prefix.as_deref());
        let range = Range { start, end, prefix, start_inclusive, end_inclusive, reverse, limit }.options();
        detached(py, || self.db.count(&range))
    }

    /// Iterate over the pairs whose key begins with prefix.
    #[pyo3(signature = (prefix, *, reverse=false, limit=None))]
    fn prefix(slf: Bound<'_, Self>, prefix: Input<'_, '_>, reverse: bool, limit: Option<Count>) -> PyResult<Scan> {
        let range = Range { prefix: Some(&prefix), reverse, limit, ..Range::default() };
        Store::scan(&slf, Yields::Items, &range)
    }

    /// Iterate over values in key order. What values() is made of.
    #[pyo3(signature = (*, reverse=false))]
    fn _values(slf: Bound<'_, Self>, reverse: bool) -> PyResult<Scan> {
        Store::scan(&slf, Yields::Values, &Range { reverse, ..Range::default() })
    }

    /// An empty batch: writes that take effect together or not at all. With sync, its commit returns when they are on
    /// stable storage.
    #[pyo3(signature = (*, sync=false))]
    fn batch(slf: Bound<'_, Self>, sync: bool) -> Batch {
        Batch::new(slf, sync)
    }

    /// A snapshot: a read-only mapping that shows the store as it is now, whatever is written later.
    fn snapshot(slf: Bound<'_, Self>) -> PyResult<Snapshot> {
        Snapshot::new(slf)
    }

    /// A transaction: reads of this moment, and writes that take effect together if nothing that was read has changed.
    ///
    /// With sync, its commit returns when they are on stable storage.
    #[pyo3(signature = (*, sync=false))]
    fn transaction(slf: Bound<'_, Self>, sync: bool) -> PyResult<Transaction> {
        Transaction::new(slf, sync)
    }

    /// Call work(transaction) and commit, again and again until there is no conflict; return what work returned.
    ///
    /// attempts: after so many conflicts, raise the last ConflictError. An exception of work rolls back.
    #[pyo3(signature = (work, /, *, attempts=None, sync=false))]
    fn transact<'py>(
        slf: Bound<'py, Self>,
        work: &Bound<'py, PyAny>,
        attempts: Option<u64>,
        sync: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        atomic::transact(&slf, work, attempts, sync)
    }

    /// A load of any number of pairs, in the memory of their keys, as a context manager.
    ///
    /// atomic: all of it or nothing, after any crash and for every reader; else it becomes visible as it goes. With sync, it is
    /// on stable storage when the load is finished.
    #[pyo3(signature = (*, atomic=true, sync=false))]
    fn bulk_load(slf: Bound<'_, Self>, atomic: bool, sync: bool) -> PyResult<BulkLoad> {
        BulkLoad::new(slf, atomic, sync)
    }

    /// Give the space of overwritten and deleted records back: copy what is alive out of some data files into new ones, and
    /// remove them. Reads and writes go on meanwhile.
    ///
    /// Without arguments it takes the files that the store's MergePolicy finds worth it, and does nothing if there are none.
    /// files: these, by their numbers; everything: all. bytes_per_second: read and write at most so many together. progress
    /// is called with a MergeProgress now and then: False gives the merge up with CancelledError, an exception with that.
    #[pyo3(signature = (*, files=None, everything=false, bytes_per_second=0, progress=None))]
    fn merge<'py>(
        &self,
        py: Python<'py>,
        files: Option<Vec<u32>>,
        everything: bool,
        bytes_per_second: u64,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        merge::merge(&self.db, py, files, everything, bytes_per_second, progress)
    }

    /// Whether, and why, a merge would be worth its while by the store's MergePolicy; None if not.
    fn merge_needed<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        merge::needed(py, detached(py, || self.db.merge_needed())?.as_ref())
    }

    /// What the last merge in the background came to; None before the first. How many there were is in stats().
    fn last_background_merge<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let last = detached(py, || self.db.last_background_merge())?;
        merge::background(py, last.as_ref())
    }

    /// Make merges wait where they are, those that come later too.
    fn pause_merge(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.db.pause_merge())
    }

    /// Let merges go on.
    fn resume_merge(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.db.resume_merge())
    }

    /// Figures of each data file as it is now, by ascending number.
    ///
    /// They are kept; lengths of overwritten records, and what has expired, are read from the files by this call, beside
    /// writers. Only where the index had to be made anew does the next call count all files, while writers wait.
    fn file_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        merge::file_stats(py, &detached(py, || self.db.file_stats())?)
    }

    /// file_stats() counted anew: reads every record, while writers wait. For checking.
    fn recount<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        merge::file_stats(py, &detached(py, || self.db.recount())?)
    }

    /// Opened read_only: catch up with the writer in another process.
    ///
    /// What was written and acknowledged there before is shown from now on; iterators and snapshots go on showing what they
    /// showed. In a store that is open for writing it does nothing.
    fn refresh<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report::refreshed(py, &detached(py, || self.db.refresh())?)
    }

    /// Bring everything written so far to stable storage.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.db.sync())
    }

    /// Sync, close and unlock. Calls under way in other threads end first. Closing again does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.shut())
    }

    /// Figures of the store as it is now.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report::stats(py, &detached(py, || self.db.stats())?)
    }

    /// What opening found and did.
    fn open_report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report::open_report(py, self.db.open_report())
    }

    /// Whether the store was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.is_closed()
    }

    /// The directory, as a pathlib.Path.
    #[getter]
    fn path(&self) -> &std::path::Path {
        self.db.path()
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _type: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let path = self.db.path().into_pyobject(py)?.str()?.repr()?;
        Ok(match py.detach(|| self.db.len()) {
            Ok(keys) => format!("<bitcask.Store {path} keys={keys}>"),
            Err(Error::Closed) => format!("<bitcask.Store {path} closed>"),
            Err(_) => format!("<bitcask.Store {path}>"),
        })
    }

    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(no_pickle("Store", "open its path where it is needed, or read_only in another process"))
    }
}
