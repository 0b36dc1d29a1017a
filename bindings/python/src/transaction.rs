//! `bitcask.Transaction`: reads of one moment and writes on top of them, committed if nothing that was read has changed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bitcask::{Error, Status, Value, WriteOptions};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call::{attached, detached, detached_locked, drop_detached, locked};
use crate::convert::{Count, Input, bytes};
use crate::errors::{of_status, to_python};
use crate::expiry::{Ttl, left};
use crate::iter::{Range, Scan, Yields};
use crate::no_pickle;
use crate::savepoint::Savepoint;
use crate::source::touch;
use crate::store::Store;

/// Reads of one moment, and writes on top of them that take effect together if nothing that was read has changed.
///
/// Made by Store.transaction(). As a context manager it commits at the end of the block, which raises ConflictError if
/// another commit changed something that was read (then nothing was written: begin a new one, or let Store.transact() do
/// so), and rolls back if an exception leaves the block. Committed transactions are as if made one after the other.
/// Read means: looked up, there or not, or gone past by an iterator.
#[pyclass(module = "bitcask", frozen)]
pub(crate) struct Transaction {
    store: Py<Store>,
    sync: bool,
    state: Mutex<State>,
}

struct State {
    inner: bitcask::Transaction,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Committed,
    Conflict,
    RolledBack,
}

/// What became of a commit.
pub(crate) enum Outcome {
    Committed(u64),
    Conflict,
    /// The transaction was over before.
    Over,
}

impl Transaction {
    pub(crate) fn new(store: Bound<'_, Store>, sync: bool) -> PyResult<Transaction> {
        let db = &store.get().db;
        let inner = detached(store.py(), || db.transaction())?;
        Ok(Transaction { store: store.unbind(), sync, state: Mutex::new(State { inner, end: None }) })
    }

    /// Makes a call that may read from the disk.
    fn read<R: Send>(
        &self,
        py: Python<'_>,
        read: impl FnOnce(&mut bitcask::Transaction) -> bitcask::Result<R> + Send,
    ) -> PyResult<R> {
        let store = self.store.get();
        let outcome = detached_locked(
            py,
            &self.state,
            || store.alive(),
            |state| if state.end.is_some() { Ok(None) } else { read(&mut state.inner).map(Some) },
        )?;
        outcome.map_or_else(|| Err(self.over(py)?), Ok)
    }

    /// Makes a call that only remembers something.
    pub(crate) fn note<R: Send>(
        &self,
        py: Python<'_>,
        note: impl FnOnce(&mut bitcask::Transaction) -> bitcask::Result<R> + Send,
    ) -> PyResult<R> {
        let store = self.store.get();
        let outcome = locked(
            py,
            &self.state,
            || store.alive(),
            |state| if state.end.is_some() { Ok(None) } else { note(&mut state.inner).map(Some) },
        )?;
        outcome.map_or_else(|| Err(self.over(py)?), Ok)
    }

    /// Why a transaction that is over takes no call; that the store is closed comes first, as it does in the core.
    fn over(&self, py: Python<'_>) -> PyResult<PyErr> {
        let store = self.store.get();
        attached(py, || store.alive())?;
        Ok(match self.end(py)? {
            Some(End::RolledBack) => {
                of_status(py, Status::TransactionFinished, "the transaction was rolled back; begin a new one")
            }
            _ => to_python(py, &Error::TransactionFinished),
        })
    }

    pub(crate) fn is_over(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.end(py)?.is_some())
    }

    fn end(&self, py: Python<'_>) -> PyResult<Option<End>> {
        let store = self.store.get();
        locked(py, &self.state, || store.alive(), |state| Ok(state.end))
    }

    pub(crate) fn try_commit(&self, py: Python<'_>, sync: bool) -> PyResult<Outcome> {
        let (store, options) = (self.store.get(), WriteOptions::new().sync(sync || self.sync));
        detached_locked(
            py,
            &self.state,
            || store.alive(),
            |state| {
                if state.end.is_some() {
                    return Ok(Outcome::Over);
                }
                match state.inner.commit_with(options) {
                    Ok(seq) => {
                        state.end = Some(End::Committed);
                        Ok(Outcome::Committed(seq.0))
                    }
                    Err(Error::Conflict) => {
                        state.end = Some(End::Conflict);
                        Ok(Outcome::Conflict)
                    }
                    Err(error) => Err(error),
                }
            },
        )
    }

    pub(crate) fn roll_back(&self, py: Python<'_>) -> PyResult<()> {
        let store = self.store.get();
        detached_locked(
            py,
            &self.state,
            || store.alive_or_closed(),
            |state| {
                if state.end.is_none() {
                    state.end = Some(End::RolledBack);
                    // Gives an error for one that is over, which this is not.
                    state.inner.rollback()?;
                }
                Ok(())
            },
        )
    }

    fn scan(&self, py: Python<'_>, yields: Yields, range: &Range<'_>) -> PyResult<Scan> {
        let options = range.options().keys_only(yields == Yields::Keys);
        let records = self.read(py, |txn| txn.iter(&options))?;
        Ok(Scan::one_by_one(self.store.clone_ref(py), records, yields))
    }

    fn lookup<'py>(&self, py: Python<'py>, key: &[u8], for_update: bool) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let value = self.read(py, |txn| {
            let value = if for_update { txn.get_for_update(key)? } else { txn.get(key)? };
            value.as_deref().map(touch);
            Ok(value)
        })?;
        value.map(|value: Value| bytes(py, &value)).transpose()
    }
}

impl Drop for Transaction {
    /// Detached: giving back what it kept takes the core's locks.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.end.is_none() {
            // What it keeps is given back; one that is not over can always be rolled back.
            drop_detached(Rollback(&mut state.inner));
        }
    }
}

/// Rolls back when it is dropped.
struct Rollback<'a>(&'a mut bitcask::Transaction);

impl Drop for Rollback<'_> {
    fn drop(&mut self) {
        self.0.rollback().ok();
    }
}

#[pymethods]
impl Transaction {
    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let input = key.extract::<Input<'_, '_>>()?;
        self.lookup(py, &input, false)?.ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __setitem__(&self, py: Python<'_>, key: Input<'_, '_>, value: Input<'_, '_>) -> PyResult<()> {
        self.put(py, key, value, None)
    }

    fn __delitem__(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<()> {
        self.delete(py, key)
    }

    fn __contains__(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<bool> {
        let key = &*key;
        self.read(py, |txn| txn.contains(key))
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Scan> {
        self.scan(py, Yields::Keys, &Range::default())
    }

    /// The value of a key, or default: the transaction's own write, or else what the store had at its beginning.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Input<'_, 'py>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.lookup(py, &key, false)?.map(Bound::into_any).or(default))
    }

    /// As get(), and the commit rests on the key in any case: also if the transaction wrote it without having read it.
    #[pyo3(signature = (key, default=None))]
    fn get_for_update<'py>(
        &self,
        py: Python<'py>,
        key: Input<'_, 'py>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.lookup(py, &key, true)?.map(Bound::into_any).or(default))
    }

    /// Add a put.
    #[pyo3(signature = (key, value, *, ttl=None))]
    fn put(&self, py: Python<'_>, key: Input<'_, '_>, value: Input<'_, '_>, ttl: Option<Ttl>) -> PyResult<()> {
        let (key, value) = (&*key, &*value);
        self.note(py, |txn| match ttl {
            Some(Ttl(ttl)) => txn.put_with_ttl(key, value, ttl),
            None => txn.put(key, value),
        })
    }

    /// Read a key and put it once more, to expire after that time from this call on. Tells whether it is there.
    fn expire(&self, py: Python<'_>, key: Input<'_, '_>, ttl: Ttl) -> PyResult<bool> {
        let key = &*key;
        self.read(py, |txn| txn.expire(key, ttl.0))
    }

    /// Read a key and take away its own expiry. Tells whether it had one.
    fn persist(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<bool> {
        let key = &*key;
        self.read(py, |txn| txn.persist(key))
    }

    /// How long a key is left, from the time on at which the transaction began. As Store.ttl().
    fn ttl(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
        let input = key.extract::<Input<'_, '_>>()?;
        let bytes = &*input;
        left(key, self.read(py, |txn| txn.ttl(bytes))?)
    }

    /// Add a delete; the key need not exist, and is not read by this.
    fn delete(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<()> {
        let key = &*key;
        self.note(py, |txn| txn.delete(key))
    }

    /// Delete all keys between two bounds that are there at the commit. Reads none of them.
    #[pyo3(signature = (start=None, end=None, *, start_inclusive=true, end_inclusive=false))]
    fn delete_range(
        &self,
        py: Python<'_>,
        start: Option<Input<'_, '_>>,
        end: Option<Input<'_, '_>>,
        start_inclusive: bool,
        end_inclusive: bool,
    ) -> PyResult<()> {
        let (start, end) = (start.as_deref(), end.as_deref());
        let (low, high) = Range { start, end, start_inclusive, end_inclusive, ..Range::default() }.bounds();
        self.note(py, |txn| txn.delete_range(low, high))
    }

    /// Delete all keys that begin with prefix and are there at the commit. Reads none of them.
    fn delete_prefix(&self, py: Python<'_>, prefix: Input<'_, '_>) -> PyResult<()> {
        let prefix = &*prefix;
        self.note(py, |txn| txn.delete_prefix(prefix))
    }

    /// Iterate over what the transaction sees now. The commit rests on what the iterator has been through.
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

    /// Iterate over the pairs whose key begins with prefix. As range().
    #[pyo3(signature = (prefix, *, reverse=false, limit=None))]
    fn prefix(&self, py: Python<'_>, prefix: Input<'_, '_>, reverse: bool, limit: Option<Count>) -> PyResult<Scan> {
        self.scan(py, Yields::Items, &Range { prefix: Some(&prefix), reverse, limit, ..Range::default() })
    }

    /// Mark the present state of the writes. The savepoint rolls back to it; what was read stays read.
    fn savepoint(slf: Bound<'_, Self>) -> PyResult<Savepoint> {
        let mark = slf.get().note(slf.py(), bitcask::Transaction::savepoint)?;
        Ok(Savepoint::of_transaction(slf.unbind(), mark))
    }

    /// Make all writes if nothing that was read has changed, and return the commit's number.
    ///
    /// ConflictError: nothing was written, and the transaction is over. After another error nothing was written, and the
    /// commit may be tried again. With sync (here or in Store.transaction()), return when it is on stable storage.
    #[pyo3(signature = (*, sync=false))]
    fn commit(&self, py: Python<'_>, sync: bool) -> PyResult<u64> {
        match self.try_commit(py, sync)? {
            Outcome::Committed(seq) => Ok(seq),
            Outcome::Conflict => Err(to_python(py, &Error::Conflict)),
            Outcome::Over => Err(self.over(py)?),
        }
    }

    /// Forget all writes and finish the transaction. Does nothing to a finished one.
    fn rollback(&self, py: Python<'_>) -> PyResult<()> {
        self.roll_back(py)
    }

    /// Number of the last commit that the transaction sees.
    #[getter]
    fn seq(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.note(py, |txn| txn.seq())?.0)
    }

    /// Number of different keys written so far, without those that ranges delete; 0 when it is over.
    #[getter]
    fn writes(&self, py: Python<'_>) -> PyResult<usize> {
        let store = self.store.get();
        locked(py, &self.state, || store.alive(), |state| Ok(state.inner.len()))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        error: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if !error.is_none() {
            return self.roll_back(py);
        }
        match self.try_commit(py, false)? {
            Outcome::Conflict => Err(to_python(py, &Error::Conflict)),
            Outcome::Committed(_) | Outcome::Over => Ok(()),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let what = match self.end(py)? {
            None => return Ok(format!("<bitcask.Transaction writes={}>", self.writes(py)?)),
            Some(End::Committed) => "committed",
            Some(End::Conflict) => "ended by a conflict",
            Some(End::RolledBack) => "rolled back",
        };
        Ok(format!("<bitcask.Transaction {what}>"))
    }

    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(no_pickle("Transaction", "commit it where it was made"))
    }
}
