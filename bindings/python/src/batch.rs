//! `bitcask.Batch`: writes that take effect together, as a context manager.

use std::sync::Mutex;

use bitcask::{Error, Status, WriteOptions};
use pyo3::prelude::*;

use crate::call::{detached_locked, locked};
use crate::convert::Input;
use crate::errors::{of_status, to_python};
use crate::no_pickle;
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
    Open(bitcask::Batch),
    Committed,
    Discarded,
}

impl Batch {
    pub(crate) fn new(store: Bound<'_, Store>, sync: bool) -> Batch {
        let state = Mutex::new(State::Open(store.get().db.batch()));
        Batch { store: store.unbind(), sync, state }
    }

    fn state<R: Send>(&self, py: Python<'_>, look: impl FnOnce(&mut State) -> R + Send) -> PyResult<R> {
        let store = self.store.get();
        locked(py, &self.state, || store.alive(), |state| Ok(look(state)))
    }

    fn write(
        &self,
        py: Python<'_>,
        write: impl FnOnce(&mut bitcask::Batch) -> bitcask::Result<()> + Send,
    ) -> PyResult<()> {
        let store = self.store.get();
        let written = locked(
            py,
            &self.state,
            || store.alive(),
            |state| match state {
                State::Open(batch) => write(batch).map(|()| true),
                State::Committed | State::Discarded => Ok(false),
            },
        )?;
        if written { Ok(()) } else { Err(self.finished(py)?) }
    }

    /// Commits, and tells whether there was something to commit.
    fn commit_if_open(&self, py: Python<'_>, sync: bool) -> PyResult<bool> {
        let (store, options) = (self.store.get(), WriteOptions::new().sync(sync || self.sync));
        detached_locked(
            py,
            &self.state,
            || store.alive(),
            |state| {
                let State::Open(batch) = state else { return Ok(false) };
                batch.commit_with(options)?;
                *state = State::Committed;
                Ok(true)
            },
        )
    }

    fn finished(&self, py: Python<'_>) -> PyResult<PyErr> {
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
    /// Add a put.
    fn put(&self, py: Python<'_>, key: Input<'_, '_>, value: Input<'_, '_>) -> PyResult<()> {
        let (key, value) = (&*key, &*value);
        self.write(py, |batch| batch.put(key, value))
    }

    /// Add a delete; the key need not exist.
    fn delete(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<()> {
        let key = &*key;
        self.write(py, |batch| batch.delete(key))
    }

    /// Forget all writes added so far.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.write(py, bitcask::Batch::clear)
    }

    /// Make all writes. With sync (here or in Store.batch()), return when they are on stable storage.
    ///
    /// After an error nothing was written, and the commit may be tried again.
    #[pyo3(signature = (*, sync=false))]
    fn commit(&self, py: Python<'_>, sync: bool) -> PyResult<()> {
        if self.commit_if_open(py, sync)? { Ok(()) } else { Err(self.finished(py)?) }
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
        self.put(py, key, value)
    }

    fn __delitem__(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<()> {
        self.delete(py, key)
    }

    /// Number of different keys written so far.
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.state(py, |state| match state {
            State::Open(batch) => batch.len(),
            State::Committed | State::Discarded => 0,
        })
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
