//! How often this process is a fork of the one that loaded the module, as Python knows it.
//!
//! The core finds out by itself, in each of its calls. This is for what is served without calling it: the rest of a page that
//! an iterator read before the fork.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

static FORKS: AtomicU32 = AtomicU32::new(0);

#[inline]
pub(crate) fn count() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Asks to be told of forks.
pub(crate) fn watch(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let arguments = PyDict::new(py);
    arguments.set_item("after_in_child", wrap_pyfunction!(_forked, module)?)?;
    py.import("os")?.getattr("register_at_fork")?.call((), Some(&arguments)).map(drop)
}

#[pyfunction]
fn _forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
