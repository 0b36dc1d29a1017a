//! Arguments from Python and results to it.

use std::ops::Deref;
use std::time::Duration;

use bitcask::Status;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};

use crate::errors::of_status;

/// A key or value as the caller gave it: any bytes-like object.
///
/// `bytes` are borrowed. Everything else could be changed by another thread while we are detached, so it is copied, once.
pub(crate) enum Input<'a, 'py> {
    Borrowed(&'a [u8]),
    Copied(Bound<'py, PyBytes>),
    CopiedVec(Vec<u8>),
}

impl Deref for Input<'_, '_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Input::Borrowed(bytes) => bytes,
            Input::Copied(bytes) => bytes.as_bytes(),
            Input::CopiedVec(bytes) => bytes,
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Input<'a, 'py> {
    type Error = PyErr;

    #[inline]
    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Input<'a, 'py>> {
        if object.is_instance_of::<PyBytes>() {
            return Ok(Input::Borrowed(object.extract::<&[u8]>()?));
        }
        copied(&object)
    }
}

#[cold]
fn copied<'py>(object: &Bound<'py, PyAny>) -> PyResult<Input<'static, 'py>> {
    if let Ok(array) = object.cast::<PyByteArray>() {
        return Ok(Input::CopiedVec(array.to_vec()));
    }
    if object.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("keys and values are bytes, not str; encode it first: text.encode()"));
    }
    let Ok(view) = PyMemoryView::from(object) else {
        let name = object.get_type().qualname()?;
        return Err(PyTypeError::new_err(format!("a bytes-like object is required, not '{name}'")));
    };
    let bytes = view.call_method0("tobytes")?;
    view.call_method0("release")?;
    Ok(Input::Copied(bytes.cast_into::<PyBytes>()?))
}

/// An argument that may be left out, where `None` is a value like any other.
pub(crate) enum Maybe<'py> {
    Missing,
    Given(Bound<'py, PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Maybe<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Maybe<'py>> {
        Ok(Maybe::Given(object.to_owned()))
    }
}

/// A number of records, of which there can't be more than fit.
#[derive(Clone, Copy)]
pub(crate) struct Count(pub(crate) u64);

impl FromPyObject<'_, '_> for Count {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Count> {
        match object.extract() {
            Ok(count) => Ok(Count(count)),
            Err(error) if !error.is_instance_of::<PyOverflowError>(object.py()) => Err(error),
            Err(_) if object.gt(0)? => Ok(Count(u64::MAX)),
            Err(_) => {
                let what = format!("limit is {}; it can't be negative", object.str()?);
                Err(of_status(object.py(), Status::InvalidArgument, &what))
            }
        }
    }
}

/// A time in seconds, as an argument of this name has it.
pub(crate) fn seconds(py: Python<'_>, name: &str, given: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(given)
        .map_err(|error| of_status(py, Status::InvalidArgument, &format!("{name} is {given}: {error}")))
}

/// From this length on, running out of memory is to be expected, and must be a `MemoryError`.
const LARGE: usize = 1 << 20;

/// A `bytes` object with these contents.
#[inline]
pub(crate) fn bytes<'py>(py: Python<'py>, contents: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    if contents.len() < LARGE {
        return Ok(PyBytes::new(py, contents));
    }
    PyBytes::new_with(py, contents.len(), |buffer| {
        buffer.copy_from_slice(contents);
        Ok(())
    })
}
