//! Callbacks that are told how far a long call is, and can stop it.
//!
//! The core calls them in the thread of the call, which attaches for it.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;

/// The callback, if it can be called.
pub(crate) fn callable(progress: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    if progress.is_callable() {
        return Ok(progress);
    }
    Err(PyTypeError::new_err(format!("progress has to be callable, and not '{}'", progress.get_type().qualname()?)))
}

/// A callback and the exception that it stopped with.
pub(crate) struct Progress {
    callback: Py<PyAny>,
    raised: Mutex<Option<PyErr>>,
}

impl Progress {
    pub(crate) fn new(callback: Bound<'_, PyAny>) -> Arc<Progress> {
        Arc::new(Progress { callback: callback.unbind(), raised: Mutex::new(None) })
    }

    /// Calls the callback with what `make` makes. `False`, an exception or a signal's (Ctrl-C) stop the call.
    pub(crate) fn tell(&self, make: impl FnOnce(Python<'_>) -> PyResult<Bound<'_, PyAny>>) -> ControlFlow<()> {
        let told = Python::try_attach(|py| {
            let answer = make(py).and_then(|progress| self.callback.bind(py).call1((progress,)));
            let answer = answer.and_then(|answer| py.check_signals().map(|()| answer));
            match answer {
                Ok(answer) if answer.cast::<PyBool>().is_ok_and(|answer| !answer.is_true()) => ControlFlow::Break(()),
                Ok(_) => ControlFlow::Continue(()),
                Err(error) => {
                    *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        // The interpreter ends: nobody waits for the call any more.
        told.unwrap_or(ControlFlow::Break(()))
    }

    /// The outcome of the call: what the callback raised goes before what the core made of it.
    pub(crate) fn outcome<T>(progress: Option<&Arc<Progress>>, outcome: PyResult<T>) -> PyResult<T> {
        let raised =
            progress.and_then(|progress| progress.raised.lock().unwrap_or_else(PoisonError::into_inner).take());
        raised.map_or(outcome, Err)
    }
}
