//! The mapping's operations that are made of several of the store's.

use bitcask::{EntryPage, IterOptions, WriteOptions};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping};

use crate::call::{attached, detached, detached_locked};
use crate::convert::{Input, bytes};
use crate::store::Store;

/// Keys that one page of an internal scan holds.
const PAGE_KEYS: usize = 1024;
/// Bytes that one page of an internal scan holds, about.
const PAGE_BYTES: usize = 1 << 20;

/// Makes a call that reads and then writes, while no other of its kind runs.
fn exclusive<T: Send>(store: &Store, py: Python<'_>, call: impl FnOnce() -> bitcask::Result<T> + Send) -> PyResult<T> {
    detached_locked(py, &store.read_modify_write, || store.alive(), |()| call())
}

pub(crate) fn pop<'py>(store: &Store, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let value = exclusive(store, py, || {
        let value = store.db.get(key)?;
        Ok(if value.is_some() && store.db.delete(key)? { value } else { None })
    })?;
    value.map(|value| bytes(py, &value)).transpose()
}

pub(crate) fn popitem<'py>(store: &Store, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let last = exclusive(store, py, || {
        // Another thread's delete may come between reading and deleting; then there is another last one.
        while let Some((key, value)) = store.db.last()? {
            if store.db.delete(&key)? {
                return Ok(Some((key, value)));
            }
        }
        Ok(None)
    })?;
    let (key, value) = last.ok_or_else(|| PyKeyError::new_err("popitem(): the store is empty"))?;
    Ok((bytes(py, &key)?, bytes(py, &value)?))
}

pub(crate) fn setdefault<'py>(
    store: &Store,
    py: Python<'py>,
    key: &[u8],
    default: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let there = exclusive(store, py, || {
        let there = store.db.get(key)?;
        if there.is_none() {
            store.db.put(key, default)?;
        }
        Ok(there)
    })?;
    bytes(py, there.as_deref().unwrap_or(default))
}

pub(crate) fn update(store: &Store, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut batch = store.db.batch();
    let mut put = |key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>| {
        let (key, value) = (key.extract::<Input<'_, '_>>()?, value.extract::<Input<'_, '_>>()?);
        attached(py, || batch.put(&key, &value))
    };
    if let Ok(dict) = other.cast_exact::<PyDict>() {
        for (key, value) in dict {
            put(&key, &value)?;
        }
    } else if let Ok(mapping) = other.cast::<PyMapping>() {
        pairs(mapping.call_method0(intern!(py, "items"))?.as_any(), &mut put)?;
    } else if other.hasattr(intern!(py, "keys"))? {
        for key in other.call_method0(intern!(py, "keys"))?.try_iter()? {
            let key = key?;
            put(&key, &other.get_item(&key)?)?;
        }
    } else {
        pairs(other, &mut put)?;
    }
    detached(py, || batch.commit_with(WriteOptions::new()))
}

/// Puts each pair of an iterable. The errors are those of `dict.update`.
fn pairs(
    iterable: &Bound<'_, PyAny>,
    put: &mut impl FnMut(&Bound<'_, PyAny>, &Bound<'_, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    for (i, pair) in iterable.try_iter()?.enumerate() {
        let pair = pair?;
        if let Ok((key, value)) = pair.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>() {
            put(&key, &value)?;
            continue;
        }
        let parts = pair
            .try_iter()
            .map_err(|_| PyTypeError::new_err(format!("update element #{i} is not a pair of key and value")))?
            .collect::<PyResult<Vec<_>>>()?;
        let [key, value] = &parts[..] else {
            let what = format!("update element #{i} has length {}; 2 is required", parts.len());
            return Err(PyValueError::new_err(what));
        };
        put(key, value)?;
    }
    Ok(())
}

pub(crate) fn clear(store: &Store) -> bitcask::Result<()> {
    let mut batch = store.db.batch();
    let mut keys = store.db.iter(&IterOptions::new().keys_only(true))?;
    let mut page = EntryPage::new();
    loop {
        keys.next_page(&mut page, PAGE_KEYS, PAGE_BYTES)?;
        if page.is_empty() {
            return batch.commit();
        }
        for i in 0..page.len() {
            if let Some((key, _)) = page.get(i) {
                batch.delete(key)?;
            }
        }
    }
}
