//! `bitcask.Batch`: writes that take effect together, as a context manager.

use std::sync::Mutex;
use std::time::Duration;

use bitcask::{Error, Status, WriteOptions};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::call::{attached, detached_locked, locked};
use crate::convert::{Count, Input, bytes};
use crate::errors::{of_status, to_python};
use crate::expiry::{Ttl, left};
use crate::iter::{Range, Scan, Yields};
use crate::later::Mailbox;
use crate::no_pickle;
use crate::savepoint::Savepoint;
use crate::source::touch;
use crate::store::Store;

/// Writes that take effect together, or not at all, after any crash; readers see all of them or none.
///
/// Made by Store.batch(). As a context manager it commits at the end of the block, and discards its writes if an
/// exception leaves the block. A key that is written twice keeps its last write.
#[pyclass(module = "bitcask", frozen)]
pub(crate) struct Batch {
    store: Py<Store>,
    sync: bool,
    state: Mutex<State>,
}

enum State {
    Open(Box<bitcask::Batch>),
    Committed,
    Discarded,
}

impl State {
    fn open(&mut self) -> Option<&mut bitcask::Batch> {
        match self {
            State::Open(batch) => Some(batch),
            State::Committed | State::Discarded => None,
        }
    }
}

impl Batch {
    pub(crate) fn new(store: Bound<'_, Store>, sync: bool) -> Batch {
        let state = Mutex::new(State::Open(Box::new(store.get().db.batch())));
        Batch { store: store.unbind(), sync, state }
    }

    fn state<R: Send>(&self, py: Python<'_>, look: impl FnOnce(&mut State) -> R + Send) -> PyResult<R> {
        let store = self.store.get();
        locked(py, &self.state, || store.alive(), |state| Ok(look(state)))
    }

    pub(crate) fn is_over(&self, py: Python<'_>) -> PyResult<bool> {
        self.state(py, |state| !matches!(state, State::Open(_)))
    }

    /// Makes a call that only remembers something.
    pub(crate) fn write<R: Send>(
        &self,
        py: Python<'_>,
        write: impl FnOnce(&mut bitcask::Batch) -> bitcask::Result<R> + Send,
    ) -> PyResult<R> {
        let store = self.store.get();
        let written = locked(py, &self.state, || store.alive(), |state| state.open().map(write).transpose())?;
        written.map_or_else(|| Err(self.finished(py)?), Ok)
    }

    /// Makes a call that may read from the disk, or wait.
    fn read<R: Send>(
        &self,
        py: Python<'_>,
        read: impl FnOnce(&mut bitcask::Batch) -> bitcask::Result<R> + Send,
    ) -> PyResult<R> {
        let store = self.store.get();
        let read = detached_locked(py, &self.state, || store.alive(), |state| state.open().map(read).transpose())?;
        read.map_or_else(|| Err(self.finished(py)?), Ok)
    }

    fn scan(&self, py: Python<'_>, yields: Yields, range: &Range<'_>) -> PyResult<Scan> {
        let options = range.options().keys_only(yields == Yields::Keys);
        let records = self.read(py, |batch| batch.iter(&options))?;
        Ok(Scan::by_pages(self.store.clone_ref(py), records, yields))
    }

    /// Commits, and gives the commit's number if there was something to commit.
    fn commit_if_open(&self, py: Python<'_>, sync: bool) -> PyResult<Option<u64>> {
        let (store, options) = (self.store.get(), WriteOptions::new().sync(sync || self.sync));
        detached_locked(
            py,
            &self.state,
            || store.alive(),
            |state| {
                let State::Open(batch) = state else { return Ok(None) };
                let written = batch.commit_seq(options)?;
                *state = State::Committed;
                Ok(Some(written.seq.0))
            },
        )
    }

    /// Why a batch that is over takes no call; that the store is closed comes first, as it does in the core.
    fn finished(&self, py: Python<'_>) -> PyResult<PyErr> {
        let store = self.store.get();
        attached(py, || store.alive())?;
        let discarded = self.state(py, |state| matches!(state, State::Discarded))?;
        Ok(if discarded {
            of_status(py, Status::BatchFinished, "the batch was discarded; make a new one")
        } else {
            to_python(py, &Error::BatchFinished)
        })
    }
}

#[pymethods]
impl Batch {
    /// Add a put. With ttl, a timedelta or a number of seconds, the key counts as absent after that time from this call on.
    #[pyo3(signature = (key, value, *, ttl=None))]
    fn put(&self, py: Python<'_>, key: Input<'_, '_>, value: Input<'_, '_>, ttl: Option<Ttl>) -> PyResult<()> {
        let (key, value) = (&*key, &*value);
        self.write(py, |batch| match ttl {
            Some(Ttl(ttl)) => batch.put_with_ttl(key, value, ttl),
            None => batch.put(key, value),
        })
    }

    /// Put the value that a key has now once more, to expire after that time from this call on, and tell whether the key is
    /// there. What others write until the commit is overwritten.
    fn expire(&self, py: Python<'_>, key: Input<'_, '_>, ttl: Ttl) -> PyResult<bool> {
        let key = &*key;
        self.read(py, |batch| batch.expire(key, ttl.0))
    }

    /// Put the value that a key has now once more, without an expiry of its own, and tell whether it had one. As expire().
    fn persist(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<bool> {
        let key = &*key;
        self.read(py, |batch| batch.persist(key))
    }

    /// How long a key would be left if the batch were committed now. As Store.ttl().
    fn ttl(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
        let input = key.extract::<Input<'_, '_>>()?;
        let bytes = &*input;
        left(key, self.read(py, |batch| batch.ttl(bytes))?)
    }

    /// Add a delete; the key need not exist.
    fn delete(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<()> {
        let key = &*key;
        self.write(py, |batch| batch.delete(key))
    }

    /// Delete all keys between two bounds: those that the batch has put so far, and those in the store at the commit.
    ///
    /// Keys that the batch puts afterwards stay. Without bounds: all keys.
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
        self.write(py, |batch| batch.delete_range(low, high))
    }

    /// Delete all keys that begin with prefix, as delete_range().
    fn delete_prefix(&self, py: Python<'_>, prefix: Input<'_, '_>) -> PyResult<()> {
        let prefix = &*prefix;
        self.write(py, |batch| batch.delete_prefix(prefix))
    }

    /// The value that a key would have if the batch were committed now, or default.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Input<'_, 'py>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let key = &*key;
        let value = self.read(py, |batch| {
            let value = batch.get(key)?;
            value.as_deref().map(touch);
            Ok(value)
        })?;
        Ok(value.map(|value| bytes(py, &value)).transpose()?.map(Bound::into_any).or(default))
    }

    /// Iterate over what the store would be if the batch were committed now. As Store.range().
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

    /// Forget all writes added so far, and all savepoints. (delete_range() without bounds deletes all keys.)
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.write(py, bitcask::Batch::clear)
    }

    /// Mark the present state of the batch, to roll back to.
    fn savepoint(slf: Bound<'_, Self>) -> PyResult<Savepoint> {
        let mark = slf.get().write(slf.py(), bitcask::Batch::savepoint)?;
        Ok(Savepoint::of_batch(slf.unbind(), mark))
    }

    /// Make all writes, and return the commit's number. With sync (here or in Store.batch()), return when they are on
    /// stable storage.
    ///
    /// After an error nothing was written, and the commit may be tried again.
    #[pyo3(signature = (*, sync=false))]
    fn commit(&self, py: Python<'_>, sync: bool) -> PyResult<u64> {
        match self.commit_if_open(py, sync)? {
            Some(seq) => Ok(seq),
            None => Err(self.finished(py)?),
        }
    }

    /// As commit(), for asyncio: an awaitable of the commit's number. The batch is finished when this returns.
    #[pyo3(signature = (*, sync=false))]
    fn commit_async<'py>(slf: &Bound<'py, Self>, sync: bool) -> PyResult<Bound<'py, PyAny>> {
        static COMMIT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        COMMIT.import(slf.py(), "bitcask._aio", "commit")?.call1((slf, sync))
    }

    /// Queue a commit whose outcome goes to a mailbox.
    fn _commit_later(&self, py: Python<'_>, mailbox: &Mailbox, ticket: u64, sync: bool) -> PyResult<()> {
        let (store, options) = (self.store.get(), WriteOptions::new().sync(sync || self.sync));
        let slot = mailbox.slot(ticket);
        let queued = detached_locked(
            py,
            &self.state,
            || store.alive(),
            |state| {
                let State::Open(batch) = state else { return Ok(false) };
                batch.commit_async(options, slot)?;
                *state = State::Committed;
                Ok(true)
            },
        )?;
        if queued { Ok(()) } else { Err(self.finished(py)?) }
    }

    /// Forget all writes and finish the batch. Does nothing to a finished one.
    fn discard(&self, py: Python<'_>) -> PyResult<()> {
        self.state(py, |state| {
            if let State::Open(_) = state {
                *state = State::Discarded;
            }
        })
    }

    fn __setitem__(&self, py: Python<'_>, key: Input<'_, '_>, value: Input<'_, '_>) -> PyResult<()> {
        self.put(py, key, value, None)
    }

    fn __delitem__(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<()> {
        self.delete(py, key)
    }

    /// Number of different keys written so far, without those that ranges delete.
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.state(py, |state| match state {
            State::Open(batch) => batch.len(),
            State::Committed | State::Discarded => 0,
        })
    }

    /// Bytes of all keys and values written so far, without what ranges delete.
    #[getter]
    fn byte_len(&self, py: Python<'_>) -> PyResult<u64> {
        self.state(py, |state| state.open().map_or(0, |batch| batch.byte_len()))
    }

    /// A batch is true, however empty: `if batch:` asks whether there is one.
    fn __bool__(&self) -> bool {
        true
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
            return self.discard(py);
        }
        self.commit_if_open(py, false).map(drop)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.state(py, |state| match state {
            State::Open(batch) => format!("<bitcask.Batch keys={}>", batch.len()),
            State::Committed => "<bitcask.Batch committed>".to_owned(),
            State::Discarded => "<bitcask.Batch discarded>".to_owned(),
        })
    }

    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(no_pickle("Batch", "commit it where it was made"))
    }
}
