//! The mapping's operations that are made of several of the store's.

use bitcask::WriteOptions;
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping};

use crate::call::{attached, detached};
use crate::convert::{Input, bytes};
use crate::source::Pair;
use crate::store::Store;

pub(crate) fn pop<'py>(store: &Store, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let value = detached(py, || {
        // Another writer may change the value between reading and deleting; then there is another one to pop.
        while let Some(value) = store.db.get(key)? {
            if store.db.compare_and_swap(key, Some(&value), None)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    })?;
    value.map(|value| bytes(py, &value)).transpose()
}

pub(crate) fn popitem<'py>(store: &Store, py: Python<'py>) -> PyResult<Pair<'py>> {
    let last = detached(py, || {
        while let Some((key, value)) = store.db.last()? {
            if store.db.compare_and_swap(&key, Some(&value), None)? {
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
    let there = detached(py, || {
        loop {
            let there = store.db.get(key)?;
            if there.is_some() || store.db.put_if_absent(key, default)? {
                return Ok(there);
            }
        }
    })?;
    bytes(py, there.as_deref().unwrap_or(default))
}

pub(crate) fn update(store: &Store, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut batch = store.db.batch();
    let mut put = |key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>| {
        let (key, value) = (key.extract::<Input<'_, '_>>()?, value.extract::<Input<'_, '_>>()?);
        attached(py, || batch.put(&key, &value))
    };
    // A dict that changes in the midst of this is the caller's bug: nothing here lets another thread in.
    if let Ok(dict) = other.cast_exact::<PyDict>() {
        for (key, value) in dict {
            put(&key, &value)?;
        }
    } else {
        each_pair(other, &mut put)?;
    }
    detached(py, || batch.commit_with(WriteOptions::new()))
}

/// Puts each pair of a mapping, or of an iterable of pairs, as `dict.update` takes them.
pub(crate) fn each_pair(
    other: &Bound<'_, PyAny>,
    put: &mut impl FnMut(&Bound<'_, PyAny>, &Bound<'_, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    let py = other.py();
    if let Ok(mapping) = other.cast::<PyMapping>() {
        pairs(mapping.call_method0(intern!(py, "items"))?.as_any(), put)?;
    } else if other.hasattr(intern!(py, "keys"))? {
        for key in other.call_method0(intern!(py, "keys"))?.try_iter()? {
            let key = key?;
            put(&key, &other.get_item(&key)?)?;
        }
    } else {
        pairs(other, put)?;
    }
    Ok(())
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
    batch.delete_all()?;
    batch.commit()
}
