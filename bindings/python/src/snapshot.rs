//! `bitcask.Snapshot`: a store at one moment, as a mapping that never changes.

use std::sync::{Arc, Mutex};

use bitcask::Status;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::call::{detached, detached_locked, locked};
use crate::convert::{Count, Input};
use crate::errors::of_status;
use crate::iter::{Range, Scan, Yields};
use crate::store::Store;
use crate::{many, no_pickle, source, views};

/// A store at one moment: a mapping of bytes to bytes that shows the same, whatever is written meanwhile.
///
/// Made by Store.snapshot(), at no cost but that the first change of each key after it is remembered. Thread-safe. Close
/// it, or use it in a with block, to give that back early. Iterators made from it live by themselves.
#[pyclass(module = "bitcask", frozen, mapping, weakref)]
pub(crate) struct Snapshot {
    store: Py<Store>,
    seq: u64,
    /// The core's snapshot, until it is closed. Calls take a share of it and leave the lock.
    inner: Mutex<Option<Arc<bitcask::Snapshot>>>,
}

impl Snapshot {
    pub(crate) fn new(store: Bound<'_, Store>) -> PyResult<Snapshot> {
        let db = &store.get().db;
        let snapshot = detached(store.py(), || db.snapshot())?;
        Ok(Snapshot { seq: snapshot.seq().0, store: store.unbind(), inner: Mutex::new(Some(Arc::new(snapshot))) })
    }

    fn share(&self, py: Python<'_>) -> PyResult<Option<Arc<bitcask::Snapshot>>> {
        let store = self.store.get();
        locked(py, &self.inner, || store.alive(), |inner| Ok(inner.clone()))
    }

    /// Makes a call on the snapshot. The last share of one that is closed meanwhile is let go of detached.
    fn read<R>(&self, py: Python<'_>, call: impl FnOnce(&bitcask::Snapshot) -> PyResult<R>) -> PyResult<R> {
        let Some(inner) = self.share(py)? else {
            return Err(of_status(py, Status::Closed, "the snapshot is closed"));
        };
        let outcome = call(&inner);
        if Arc::strong_count(&inner) == 1 {
            py.detach(|| drop(inner));
        }
        outcome
    }

    fn scan(&self, py: Python<'_>, yields: Yields, range: &Range<'_>) -> PyResult<Scan> {
        self.read(py, |snapshot| Scan::new(self.store.bind(py).clone(), snapshot, yields, range))
    }
}

impl Drop for Snapshot {
    /// Detached: giving back what it kept takes the core's locks.
    fn drop(&mut self) {
        let inner = self.inner.get_mut().map_or_else(|poisoned| poisoned.into_inner().take(), Option::take);
        if let Some(inner) = inner {
            crate::call::drop_detached(inner);
        }
    }
}

#[pymethods]
impl Snapshot {
    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let input = key.extract::<Input<'_, '_>>()?;
        self.read(py, |snapshot| source::lookup(snapshot, py, &input))?
            .ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __contains__(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<bool> {
        let key = &*key;
        self.read(py, |snapshot| detached(py, || snapshot.contains(key)))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.read(py, |snapshot| source::len(snapshot, py))
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Scan> {
        self.scan(py, Yields::Keys, &Range::default())
    }

    fn __reversed__(&self, py: Python<'_>) -> PyResult<Scan> {
        self.scan(py, Yields::Keys, &Range { reverse: true, ..Range::default() })
    }

    /// The value of a key, or default.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Input<'_, 'py>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.read(py, |snapshot| source::lookup(snapshot, py, &key))?.map(Bound::into_any).or(default))
    }

    /// The values of many keys, in the order of the keys: a list with None for each that is missing.
    #[pyo3(signature = (keys, /))]
    fn multi_get<'py>(&self, py: Python<'py>, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.read(py, |snapshot| many::multi_get(snapshot, py, keys))
    }

    /// Length of a key's value in bytes, or None if there is no such key. Reads no value.
    fn value_size(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<Option<u64>> {
        let key = &*key;
        self.read(py, |snapshot| detached(py, || snapshot.value_size(key)))
    }

    /// The pair with the least key, or None if there is none.
    fn first<'py>(&self, py: Python<'py>) -> PyResult<Option<source::Pair<'py>>> {
        self.read(py, |snapshot| source::first(snapshot, py))
    }

    /// The pair with the greatest key, or None if there is none.
    fn last<'py>(&self, py: Python<'py>) -> PyResult<Option<source::Pair<'py>>> {
        self.read(py, |snapshot| source::last(snapshot, py))
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

    /// Iterate over pairs of key and value in key order. As Store.range().
    #[pyo3(signature = (
        start=None, end=None, *, prefix=None, start_inclusive=true, end_inclusive=false, reverse=false, limit=None,
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
    fn range(
        &self,
        py: Python<'_>,
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
        self.scan(py, Yields::Items, &range)
    }

    /// As range(), of keys alone. Reads no values.
    #[pyo3(signature = (
        start=None, end=None, *, prefix=None, start_inclusive=true, end_inclusive=false, reverse=false, limit=None,
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
    fn range_keys(
        &self,
        py: Python<'_>,
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
        self.scan(py, Yields::Keys, &range)
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
        self.read(py, |snapshot| detached(py, || snapshot.count(&range)))
    }

    /// Iterate over the pairs whose key begins with prefix.
    #[pyo3(signature = (prefix, *, reverse=false, limit=None))]
    fn prefix(&self, py: Python<'_>, prefix: Input<'_, '_>, reverse: bool, limit: Option<Count>) -> PyResult<Scan> {
        self.scan(py, Yields::Items, &Range { prefix: Some(&prefix), reverse, limit, ..Range::default() })
    }

    /// Iterate over values in key order. What values() is made of.
    #[pyo3(signature = (*, reverse=false))]
    fn _values(&self, py: Python<'_>, reverse: bool) -> PyResult<Scan> {
        self.scan(py, Yields::Values, &Range { reverse, ..Range::default() })
    }

    /// Number of the last commit that it shows.
    #[getter]
    fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether the snapshot was closed.
    #[getter]
    fn closed(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.share(py)?.is_none())
    }

    /// Give back what the snapshot keeps. Closing again does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let store = self.store.get();
        detached_locked(
            py,
            &self.inner,
            || store.alive_or_closed(),
            |inner| {
                *inner = None;
                Ok(())
            },
        )
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

    fn __repr__(&self) -> String {
        format!("<bitcask.Snapshot seq={}>", self.seq)
    }

    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(no_pickle("Snapshot", "make another from the store, or dict(snapshot)"))
    }
}
