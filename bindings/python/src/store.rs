//! `bitcask.Store`: an open store as a mutable mapping of bytes to bytes.
//!
//! Owns the core's handle. Short methods are here; those made of several operations are in `mapping`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bitcask::{Db, Error, Value, WriteOptions};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList};

use crate::batch::Batch;
use crate::call::detached;
use crate::convert::{Count, Input, Maybe, bytes};
use crate::iter::{Range, Scan, Yields};
use crate::{fork, many, mapping, no_pickle, report};

/// An open store: a mutable mapping of bytes to bytes, in bytewise key order.
///
/// Made by bitcask.open(). Thread-safe. Keys have 1 to 65,535 bytes, values up to 4 GiB - 1; both can be any
/// bytes-like object and come back as bytes. Equality is identity: comparing contents would read all of them.
#[pyclass(module = "bitcask", frozen, mapping, weakref)]
pub(crate) struct Store {
    pub(crate) db: Db,
    closed: AtomicBool,
    forks: u32,
    /// Held by those operations that read and then write, so that they are atomic among themselves. No other takes it.
    pub(crate) read_modify_write: Mutex<()>,
}

impl Store {
    pub(crate) fn new(db: Db) -> Store {
        Store { db, closed: AtomicBool::new(false), forks: fork::count(), read_modify_write: Mutex::new(()) }
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

    /// The core's own word on the same: it also knows of forks that went past Python. May wait for a writer.
    pub(crate) fn alive(&self) -> bitcask::Result<()> {
        self.db.len().map(drop)
    }

    #[inline]
    pub(crate) fn lookup<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let value = detached(py, || {
            let value = self.db.get(key)?;
            value.as_deref().map(touch);
            Ok(value)
        })?;
        match value {
            Some(value) => bytes(py, &value).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn put_bytes(&self, py: Python<'_>, key: &[u8], value: &[u8], sync: bool) -> PyResult<()> {
        detached(py, || self.db.put_with(key, value, WriteOptions::new().sync(sync)))
    }

    pub(crate) fn delete_bytes(&self, py: Python<'_>, key: &[u8], sync: bool) -> PyResult<bool> {
        detached(py, || self.db.delete_with(key, WriteOptions::new().sync(sync)))
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

type Pair<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

fn pair(py: Python<'_>, record: Option<(Vec<u8>, Value)>) -> PyResult<Option<Pair<'_>>> {
    record.map(|(key, value)| Ok((bytes(py, &key)?, bytes(py, &value)?))).transpose()
}

/// Reads a byte of each page of memory, so that a value which is lent from a file is in memory when it is copied, attached.
#[inline]
fn touch(value: &[u8]) {
    let bytes = value.iter().step_by(4096).chain(value.last());
    std::hint::black_box(bytes.fold(0, |sum, byte| sum ^ byte));
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
        self.lookup(py, &key.extract::<Input<'_, '_>>()?)?.ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __setitem__(&self, py: Python<'_>, key: Input<'_, '_>, value: Input<'_, '_>) -> PyResult<()> {
        self.put_bytes(py, &key, &value, false)
    }

    fn __delitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.delete_bytes(py, &key.extract::<Input<'_, '_>>()?, false)? {
            return Ok(());
        }
        Err(PyKeyError::new_err(key.clone().unbind()))
    }

    fn __contains__(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<bool> {
        let key = &*key;
        detached(py, || self.db.contains(key))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(usize::try_from(detached(py, || self.db.len())?)?)
    }

    fn __iter__(slf: Bound<'_, Self>) -> PyResult<Scan> {
        Scan::new(slf, Yields::Keys, &Range::default())
    }

    fn __reversed__(slf: Bound<'_, Self>) -> PyResult<Scan> {
        Scan::new(slf, Yields::Keys, &Range { reverse: true, ..Range::default() })
    }

    /// The value of a key, or default.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Input<'_, 'py>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.lookup(py, &key)?.map(Bound::into_any).or(default))
    }

    /// The values of many keys as of one moment, in the order of the keys: a list with None for each that is missing.
    ///
    /// keys is any iterable of bytes-like objects; a key may be given twice. Faster than a get for each: the store is
    /// asked once, and reads the records in the order in which they lie.
    #[pyo3(signature = (keys, /))]
    fn multi_get<'py>(&self, py: Python<'py>, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        many::multi_get(self, py, keys)
    }

    /// Length of a key's value in bytes, or None if there is no such key. Reads no value.
    fn value_size(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<Option<u64>> {
        let key = &*key;
        detached(py, || self.db.value_size(key))
    }

    /// The pair with the least key, or None if the store is empty.
    fn first<'py>(&self, py: Python<'py>) -> PyResult<Option<Pair<'py>>> {
        pair(py, detached(py, || self.db.first())?)
    }

    /// The pair with the greatest key, or None if the store is empty.
    fn last<'py>(&self, py: Python<'py>) -> PyResult<Option<Pair<'py>>> {
        pair(py, detached(py, || self.db.last())?)
    }

    /// A key at random, each with the same chance, or None if the store is empty.
    fn random_key<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        detached(py, || self.db.random_key())?.map(|key| bytes(py, &key)).transpose()
    }

    /// Store a value under a key, replacing any other. With sync, return when it is on stable storage.
    #[pyo3(signature = (key, value, *, sync=false))]
    fn put(&self, py: Python<'_>, key: Input<'_, '_>, value: Input<'_, '_>, sync: bool) -> PyResult<()> {
        self.put_bytes(py, &key, &value, sync)
    }

    /// Remove a key and tell whether it was there. With sync, return when that is on stable storage.
    #[pyo3(signature = (key, *, sync=false))]
    fn delete(&self, py: Python<'_>, key: Input<'_, '_>, sync: bool) -> PyResult<bool> {
        self.delete_bytes(py, &key, sync)
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
    fn popitem<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
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
        static VIEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        VIEW.import(slf.py(), "bitcask._views", "StoreKeysView")?.call1((slf,))
    }

    /// A view of the values.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        static VIEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        VIEW.import(slf.py(), "bitcask._views", "StoreValuesView")?.call1((slf,))
    }

    /// A view of the pairs of key and value.
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        static VIEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        VIEW.import(slf.py(), "bitcask._views", "StoreItemsView")?.call1((slf,))
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
        Scan::new(slf, Yields::Items, &range)
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
        Scan::new(slf, Yields::Keys, &range)
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
        Scan::new(slf, Yields::Items, &range)
    }

    /// Iterate over values in key order. What values() is made of.
    #[pyo3(signature = (*, reverse=false))]
    fn _values(slf: Bound<'_, Self>, reverse: bool) -> PyResult<Scan> {
        Scan::new(slf, Yields::Values, &Range { reverse, ..Range::default() })
    }

    /// An empty batch: writes that take effect together or not at all. With sync, its commit returns when they are on
    /// stable storage.
    #[pyo3(signature = (*, sync=false))]
    fn batch(slf: Bound<'_, Self>, sync: bool) -> Batch {
        Batch::new(slf, sync)
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
