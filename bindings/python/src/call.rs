//! Calls into the core: detached from the interpreter, panics caught, errors turned into exceptions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use pyo3::prelude::*;

use crate::errors;

/// Makes a call that may block: on the disk, on the core's locks, on another thread.
pub(crate) fn detached<T: Send>(py: Python<'_>, call: impl FnOnce() -> bitcask::Result<T> + Send) -> PyResult<T> {
    finish(py, py.detach(|| catch_unwind(AssertUnwindSafe(call))))
}

/// Makes a call that ends in a fraction of a microsecond, less than detaching takes when threads compete for the GIL.
pub(crate) fn attached<T>(py: Python<'_>, call: impl FnOnce() -> bitcask::Result<T>) -> PyResult<T> {
    finish(py, catch_unwind(AssertUnwindSafe(call)))
}

#[inline]
fn finish<T>(py: Python<'_>, outcome: std::thread::Result<bitcask::Result<T>>) -> PyResult<T> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(errors::to_python(py, &error)),
        Err(panic) => Err(errors::internal(py, panic.as_ref())),
    }
}

/// Makes a short call on what one of our locks guards. If another thread has the lock, waits for it detached.
///
/// Errors become exceptions after the lock is free again: making an exception runs Python code, which may come back here.
/// `alive` has to fail in a forked child, where a lock that another thread of the parent held is never freed.
pub(crate) fn locked<T: Send, R: Send>(
    py: Python<'_>,
    mutex: &Mutex<T>,
    alive: impl FnOnce() -> bitcask::Result<()> + Send,
    call: impl FnOnce(&mut T) -> bitcask::Result<R> + Send,
) -> PyResult<R> {
    let free = match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    };
    match free {
        Some(mut guard) => {
            let outcome = catch_unwind(AssertUnwindSafe(|| call(&mut guard)));
            drop(guard);
            finish(py, outcome)
        }
        None => detached_locked(py, mutex, alive, call),
    }
}

/// Makes a call that may block on what one of our locks guards. As [`locked`] otherwise.
pub(crate) fn detached_locked<T: Send, R: Send>(
    py: Python<'_>,
    mutex: &Mutex<T>,
    alive: impl FnOnce() -> bitcask::Result<()> + Send,
    call: impl FnOnce(&mut T) -> bitcask::Result<R> + Send,
) -> PyResult<R> {
    detached(py, || {
        alive()?;
        call(&mut own(mutex))
    })
}

/// Lets go of something whose end takes the core's locks or touches the disk: detached, if the interpreter still runs. For `Drop`.
pub(crate) fn drop_detached<T: Send>(what: T) {
    let mut what = Some(what);
    if Python::try_attach(|py| py.detach(|| drop(what.take()))).is_none() {
        drop(what);
    }
}

/// Waits for a lock. Panics are caught outside of these locks, and what they guard is whole after each call of the core.
fn own<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
