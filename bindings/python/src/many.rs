//! Many keys in one call: the interpreter is left once, and the core reads the records in the order in which they lie.

use std::cell::Cell;

use bitcask::ValuePage;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyString, PyTuple};

use crate::call::detached;
use crate::convert::{Input, bytes};
use crate::source::Source;

/// A page that holds more than so many bytes is not kept for the next call.
const KEEP: usize = 1 << 20;

thread_local! {
    /// The page of this thread's last call, for its next one: a short list of keys is read without allocating.
    static PAGE: Cell<ValuePage> = Cell::default();
}

pub(crate) fn multi_get<'py>(
    source: &impl Source,
    py: Python<'py>,
    keys: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyList>> {
    // Each would pass for an iterable of wrong keys or, if it is empty, of none.
    if keys.is_instance_of::<PyBytes>() || keys.is_instance_of::<PyString>() || keys.is_instance_of::<PyByteArray>() {
        return Err(PyTypeError::new_err("multi_get takes an iterable of keys, not one key"));
    }
    // A tuple can't be changed by another thread while we are detached, so that it keeps alive what is borrowed from it.
    let keys = match (keys.cast_exact::<PyList>(), keys.cast_exact::<PyTuple>()) {
        (Ok(list), _) => list.to_tuple(),
        (_, Ok(tuple)) => tuple.clone(),
        _ => py.get_type::<PyTuple>().call1((keys,))?.cast_into::<PyTuple>()?,
    };
    let inputs = keys.iter_borrowed().map(|key| key.extract()).collect::<PyResult<Vec<Input<'_, '_>>>>()?;
    let slices: Vec<&[u8]> = inputs.iter().map(|input| &**input).collect();
    let page = detached(py, || {
        let mut page = PAGE.take();
        source.multi_get_into(&slices, &mut page).map(|()| page)
    })?;
    let values = PyList::new(py, (0..page.len()).map(|i| Found(page.get(i))));
    if page.bytes().len() + page.len() * size_of::<[usize; 6]>() <= KEEP {
        PAGE.set(page);
    }
    values
}

/// A value as Python has it: bytes, or None.
struct Found<'a>(Option<&'a [u8]>);

impl<'py> IntoPyObject<'py> for Found<'_> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    #[inline]
    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.0 {
            Some(value) => bytes(py, value).map(Bound::into_any),
            None => Ok(py.None().into_bound(py)),
        }
    }
}
