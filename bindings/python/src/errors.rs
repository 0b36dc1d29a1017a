//! The core's errors as Python exceptions.
//!
//! The classes are in `python/bitcask/_errors.py`, one for each status that a Python caller can meet. This file hands
//! over what the core knows: status, message, path, offset, error number, cause.

use std::any::Any;
use std::ffi::OsStr;

use bitcask::{Error, Status};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception for an error of the core.
#[cold]
pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    exception(py, error).map_or_else(|failure| failure, PyErr::from_value)
}

/// The exception for an error that is found on this side of the core.
#[cold]
pub(crate) fn of_status(py: Python<'_>, status: Status, message: &str) -> PyErr {
    make(py, status, message, |_| Ok(())).map_or_else(|failure| failure, PyErr::from_value)
}

/// The exception for a panic.
#[cold]
pub(crate) fn internal(py: Python<'_>, panic: &(dyn Any + Send)) -> PyErr {
    let what = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    of_status(py, Status::Internal, &format!("a bug in bitcask, please report it: {what}"))
}

fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    make(py, error.status(), &error.to_string(), |details| {
        if let Some(path) = error.path() {
            // As a str, the way the os module names files that are no UTF-8.
            details.set_item(intern!(py, "path"), AsRef::<OsStr>::as_ref(path))?;
        }
        if let Some(offset) = error.offset() {
            details.set_item(intern!(py, "offset"), offset)?;
        }
        if let Some(number) = error.os_error() {
            details.set_item(intern!(py, "os_error"), number)?;
        }
        match error {
            Error::Locked { pid: Some(pid), .. } => details.set_item(intern!(py, "pid"), pid),
            Error::WritesStopped { cause } => details.set_item(intern!(py, "cause"), exception(py, cause)?),
            _ => Ok(()),
        }
    })
}

fn make<'py>(
    py: Python<'py>,
    status: Status,
    message: &str,
    fill: impl FnOnce(&Bound<'py, PyDict>) -> PyResult<()>,
) -> PyResult<Bound<'py, PyAny>> {
    let details = PyDict::new(py);
    fill(&details)?;
    MAKE.import(py, "bitcask._errors", "_make")?.call((status.name(), message), Some(&details))
}

/// Every status of the core, as name and number: what the exception classes are tested against.
#[pyfunction]
pub(crate) fn _statuses() -> Vec<(&'static str, i32)> {
    Status::ALL.iter().map(|&status| (status.name(), status as i32)).collect()
}
