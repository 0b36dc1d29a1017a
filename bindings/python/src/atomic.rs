//! Changes that depend on what is there: of one key by a function, and of any number of keys by a transaction that is
//! begun anew at each conflict.

use bitcask::{Error, Status, WriteOptions};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call::detached;
use crate::convert::{Input, bytes};
use crate::errors::{of_status, to_python};
use crate::source::lookup;
use crate::store::Store;
use crate::transaction::{Outcome, Transaction};

/// Replaces a key's value by what `change` makes of it. Nothing is held while `change` runs: it may do what it likes.
pub(crate) fn modify<'py>(
    store: &Store,
    py: Python<'py>,
    key: &[u8],
    change: &Bound<'py, PyAny>,
    sync: bool,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    loop {
        let present = lookup(&store.db, py, key)?;
        let wanted = change.call1((present.as_ref(),))?;
        let new = if wanted.is_none() { None } else { Some(wanted.extract::<Input<'_, '_>>()?) };
        let (present, new) = (present.as_ref().map(|value| value.as_bytes()), new.as_deref());
        let options = WriteOptions::new().sync(sync).keep_expiry(true);
        if detached(py, || store.db.compare_and_swap_with(key, present, new, options))? {
            return match wanted.cast_exact::<PyBytes>() {
                Ok(same) => Ok(Some(same.clone())),
                Err(_) => new.map(|value| bytes(py, value)).transpose(),
            };
        }
    }
}

/// Runs a function in transactions until one of them commits.
pub(crate) fn transact<'py>(
    store: &Bound<'py, Store>,
    work: &Bound<'py, PyAny>,
    attempts: Option<u64>,
    sync: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let py = store.py();
    if attempts == Some(0) {
        return Err(of_status(py, Status::InvalidArgument, "attempts is 0; at least one is needed"));
    }
    let mut left = attempts;
    loop {
        let transaction = Bound::new(py, Transaction::new(store.clone(), sync)?)?;
        let result = match work.call1((&transaction,)) {
            Ok(result) => result,
            Err(error) => {
                transaction.get().roll_back(py)?;
                return Err(error);
            }
        };
        match transaction.get().try_commit(py, false)? {
            Outcome::Committed(_) | Outcome::Over => return Ok(result),
            Outcome::Conflict => {}
        }
        left = left.map(|left| left - 1);
        if left == Some(0) {
            return Err(to_python(py, &Error::Conflict));
        }
        py.check_signals()?;
    }
}
