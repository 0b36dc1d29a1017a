//! What can be read: a store, or a snapshot of it. What both have in Python and takes more than a line is made here, once.

use bitcask::{Db, Iter, IterOptions, Result, Snapshot, Value, ValuePage};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call::detached;
use crate::convert::bytes;

/// The core's reading methods, as far as they are needed here.
pub(crate) trait Source: Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Value>>;
    fn multi_get_into(&self, keys: &[&[u8]], page: &mut ValuePage) -> Result<()>;
    fn first(&self) -> Result<Option<(Vec<u8>, Value)>>;
    fn last(&self) -> Result<Option<(Vec<u8>, Value)>>;
    fn len(&self) -> Result<u64>;
    fn iter(&self, options: &IterOptions) -> Result<Iter>;
}

macro_rules! source {
    ($type:ty) => {
        impl Source for $type {
            #[inline]
            fn get(&self, key: &[u8]) -> Result<Option<Value>> {
                self.get(key)
            }

            fn multi_get_into(&self, keys: &[&[u8]], page: &mut ValuePage) -> Result<()> {
                self.multi_get_into(keys, page)
            }

            fn first(&self) -> Result<Option<(Vec<u8>, Value)>> {
                self.first()
            }

            fn last(&self) -> Result<Option<(Vec<u8>, Value)>> {
                self.last()
            }

            fn len(&self) -> Result<u64> {
                self.len()
            }

            fn iter(&self, options: &IterOptions) -> Result<Iter> {
                self.iter(options)
            }
        }
    };
}

source!(Db);
source!(Snapshot);

pub(crate) type Pair<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

fn pair(py: Python<'_>, record: Option<(Vec<u8>, Value)>) -> PyResult<Option<Pair<'_>>> {
    record.map(|(key, value)| Ok((bytes(py, &key)?, bytes(py, &value)?))).transpose()
}

pub(crate) fn first<'py>(source: &impl Source, py: Python<'py>) -> PyResult<Option<Pair<'py>>> {
    pair(py, detached(py, || source.first())?)
}

pub(crate) fn last<'py>(source: &impl Source, py: Python<'py>) -> PyResult<Option<Pair<'py>>> {
    pair(py, detached(py, || source.last())?)
}

pub(crate) fn len(source: &impl Source, py: Python<'_>) -> PyResult<usize> {
    Ok(usize::try_from(detached(py, || source.len())?)?)
}

#[inline]
pub(crate) fn lookup<'py>(source: &impl Source, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let value = detached(py, || {
        let value = source.get(key)?;
        value.as_deref().map(touch);
        Ok(value)
    })?;
    match value {
        Some(value) => bytes(py, &value).map(Some),
        None => Ok(None),
    }
}

/// Reads a byte of each page of memory, so that a value which is lent from a file is in memory when it is copied, attached.
#[inline]
pub(crate) fn touch(value: &[u8]) {
    let bytes = value.iter().step_by(4096).chain(value.last());
    std::hint::black_box(bytes.fold(0, |sum, byte| sum ^ byte));
}
