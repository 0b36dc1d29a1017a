//! Times to live: from Python's timedelta or seconds, and back.

use std::time::Duration;

use bitcask::WriteOptions;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;

use crate::convert::seconds;

/// How long a key is to be left: a timedelta, or a number of seconds.
#[derive(Clone, Copy)]
pub(crate) struct Ttl(pub(crate) Duration);

impl<'py> FromPyObject<'_, 'py> for Ttl {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Ttl> {
        let py = object.py();
        let given = object.extract::<f64>().or_else(|_| object.call_method0("total_seconds")?.extract::<f64>());
        let Ok(given) = given else {
            let name = object.get_type().qualname()?;
            return Err(PyTypeError::new_err(format!("a ttl is a timedelta or a number of seconds, not '{name}'")));
        };
        seconds(py, "ttl", given).map(Ttl)
    }
}

/// How to make a write.
pub(crate) fn how(sync: bool, ttl: Option<Ttl>) -> WriteOptions {
    let options = WriteOptions::new().sync(sync);
    ttl.map_or(options, |Ttl(ttl)| options.ttl(ttl))
}

/// The longest timedelta, in whole days.
const LONGEST: Duration = Duration::from_secs(999_999_999 * 86_400);

/// What is left of a key, in Python's terms: `None` is for ever. What is longer than a timedelta can be is the longest there is.
pub(crate) fn left(key: &Bound<'_, PyAny>, ttl: bitcask::Ttl) -> PyResult<Option<Duration>> {
    match ttl {
        bitcask::Ttl::NoKey => Err(PyKeyError::new_err(key.clone().unbind())),
        bitcask::Ttl::NoExpiry => Ok(None),
        bitcask::Ttl::Remaining(left) => Ok(Some(left.min(LONGEST))),
    }
}
