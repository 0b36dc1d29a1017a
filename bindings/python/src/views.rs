//! The views of a store's or a snapshot's keys, values and pairs. What they are is Python's: `bitcask._views`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

pub(crate) fn keys<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static VIEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    view(&VIEW, "StoreKeysView", mapping)
}

pub(crate) fn values<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static VIEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    view(&VIEW, "StoreValuesView", mapping)
}

pub(crate) fn items<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static VIEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    view(&VIEW, "StoreItemsView", mapping)
}

fn view<'py>(class: &PyOnceLock<Py<PyAny>>, name: &str, mapping: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    class.import(mapping.py(), "bitcask._views", name)?.call1((mapping,))
}
