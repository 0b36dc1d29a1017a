//! `bitcask.BulkLoad`: any number of pairs at once, as a context manager.

use std::sync::Mutex;

use bitcask::{BulkLoader, BulkOptions, Status};
use pyo3::prelude::*;

use crate::call::{detached, detached_locked, drop_detached, locked};
use crate::convert::Input;
use crate::errors::of_status;
use crate::expiry::Ttl;
use crate::store::Store;
use crate::{mapping, no_pickle};

/// Bytes of keys and values that update() hands over at a time, about.
const CHUNK: usize = 1 << 20;

/// A load of many pairs that is under way.
///
/// Made by Store.bulk_load(). As a context manager it finishes at the end of the block, and is abandoned if an exception
/// leaves the block. Pairs come in any order (ascending keys are the fastest); a key that comes twice keeps its last value.
#[pyclass(module = "bitcask", frozen)]
pub(crate) struct BulkLoad {
    store: Py<Store>,
    state: Mutex<State>,
}

enum State {
    Open(Box<BulkLoader>),
    Finished,
    Abandoned,
}

/// Pairs that wait to be handed over.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// Lengths of the keys and values in `bytes`.
    lens: Vec<(usize, usize)>,
}

impl Chunk {
    fn put_all(&self, loader: &mut BulkLoader) -> bitcask::Result<()> {
        let mut rest = &self.bytes[..];
        for &(key_len, value_len) in &self.lens {
            let (key, behind) = rest.split_at(key_len);
            let (value, behind) = behind.split_at(value_len);
            loader.put(key, value)?;
            rest = behind;
        }
        Ok(())
    }
}

impl BulkLoad {
    pub(crate) fn new(store: Bound<'_, Store>, atomic: bool, sync: bool) -> PyResult<BulkLoad> {
        let options = BulkOptions::new().atomic(atomic).sync(sync);
        let db = &store.get().db;
        let loader = detached(store.py(), || db.bulk_load(options))?;
        Ok(BulkLoad { store: store.unbind(), state: Mutex::new(State::Open(Box::new(loader))) })
    }

    /// Adds pairs. It may write to the disk.
    fn add(&self, py: Python<'_>, add: impl FnOnce(&mut BulkLoader) -> bitcask::Result<()> + Send) -> PyResult<()> {
        let store = self.store.get();
        let is_open = detached_locked(
            py,
            &self.state,
            || store.alive(),
            |state| match state {
                State::Open(loader) => add(loader).map(|()| true),
                State::Finished | State::Abandoned => Ok(false),
            },
        )?;
        if is_open { Ok(()) } else { Err(self.over(py)?) }
    }

    fn over(&self, py: Python<'_>) -> PyResult<PyErr> {
        let store = self.store.get();
        let is_finished = locked(py, &self.state, || store.alive(), |state| Ok(matches!(state, State::Finished)))?;
        let what = if is_finished { "the load was finished already" } else { "the load was abandoned" };
        Ok(of_status(py, Status::BatchFinished, &format!("{what}; begin a new one")))
    }

    /// Finishes, and tells whether there was something to finish.
    fn finish_if_open(&self, py: Python<'_>) -> PyResult<bool> {
        let store = self.store.get();
        detached_locked(
            py,
            &self.state,
            || store.alive(),
            |state| match std::mem::replace(state, State::Abandoned) {
                State::Open(loader) => {
                    loader.finish()?;
                    *state = State::Finished;
                    Ok(true)
                }
                over => {
                    *state = over;
                    Ok(false)
                }
            },
        )
    }
}

impl Drop for BulkLoad {
    /// Abandons the load, detached: its files are removed.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let State::Open(loader) = std::mem::replace(state, State::Abandoned) {
            drop_detached(loader);
        }
    }
}

#[pymethods]
impl BulkLoad {
    /// Add a pair. Key and value are copied. With ttl, a timedelta or a number of seconds, the key counts as absent after that
    /// time from this call on.
    #[pyo3(signature = (key, value, *, ttl=None))]
    fn put(&self, py: Python<'_>, key: Input<'_, '_>, value: Input<'_, '_>, ttl: Option<Ttl>) -> PyResult<()> {
        let (key, value) = (&*key, &*value);
        self.add(py, |loader| match ttl {
            Some(Ttl(ttl)) => loader.put_with_ttl(key, value, ttl),
            None => loader.put(key, value),
        })
    }

    fn __setitem__(&self, py: Python<'_>, key: Input<'_, '_>, value: Input<'_, '_>) -> PyResult<()> {
        self.put(py, key, value, None)
    }

    /// Add all pairs of a mapping, or of an iterable of pairs. The fastest way: many are handed over at a time.
    ///
    /// After an error, some of the pairs before it may have been added.
    #[pyo3(signature = (other, /))]
    fn update(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut chunk = Chunk::default();
        mapping::each_pair(other, &mut |key, value| {
            let (key, value) = (key.extract::<Input<'_, '_>>()?, value.extract::<Input<'_, '_>>()?);
            if value.len() >= CHUNK {
                // In its turn, and without another copy.
                self.add(py, |loader| chunk.put_all(loader))?;
                chunk = Chunk::default();
                let (key, value) = (&*key, &*value);
                return self.add(py, |loader| loader.put(key, value));
            }
            chunk.bytes.extend_from_slice(&key);
            chunk.bytes.extend_from_slice(&value);
            chunk.lens.push((key.len(), value.len()));
            if chunk.bytes.len() + chunk.lens.len() * size_of::<(usize, usize)>() >= CHUNK {
                self.add(py, |loader| chunk.put_all(loader))?;
                chunk.bytes.clear();
                chunk.lens.clear();
            }
            Ok(())
        })?;
        self.add(py, |loader| chunk.put_all(loader))
    }

    /// Make all pairs visible. After an error an atomic load did not happen.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        if self.finish_if_open(py)? { Ok(()) } else { Err(self.over(py)?) }
    }

    /// Give the load up. Does nothing to one that is over.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        let store = self.store.get();
        detached_locked(
            py,
            &self.state,
            || store.alive_or_closed(),
            |state| {
                if let State::Open(_) = state {
                    *state = State::Abandoned;
                }
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
        error: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if !error.is_none() {
            return self.abandon(py);
        }
        self.finish_if_open(py).map(drop)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let store = self.store.get();
        let what = |state: &mut State| {
            Ok(match state {
                State::Open(_) => "open",
                State::Finished => "finished",
                State::Abandoned => "abandoned",
            })
        };
        Ok(format!("<bitcask.BulkLoad {}>", locked(py, &self.state, || store.alive(), what)?))
    }

    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(no_pickle("BulkLoad", "finish it where it was made"))
    }
}
