//! The native module of the Python package `bitcask`, on the public API of the core crate and nothing else.
//!
//! What a user sees is put together in `python/bitcask/__init__.py`; exceptions, views and reports are plain Python
//! there, because they are never on a fast path. Here is what has to be fast or has to talk to the core.
//!
//! Threads: every class is frozen and safe to share, with the GIL or without it. The rules that keep it so:
//! 1. A thread that waits for anything (the disk, a lock of the core, a lock of ours) has detached from the
//!    interpreter first. So a thread that holds one of our locks can always attach again.
//! 2. Detached code borrows only from immutable `bytes`, kept alive by the call's arguments, or from copies.
//! 3. The core calls Python in one place: callbacks that are told of progress (`progress`), in the thread that made the call.
//!    Its own threads never do; what they have to tell an event loop goes through a mailbox (`later`).
//! 4. So nobody who is attached may wait for a lock of the core, not even to drop something (`call::drop_detached`).

mod atomic;
mod batch;
mod bulk;
mod call;
mod convert;
mod errors;
mod expiry;
mod fork;
mod iter;
mod later;
mod many;
mod mapping;
mod merge;
mod open;
mod progress;
mod report;
mod savepoint;
mod snapshot;
mod source;
mod store;
mod transaction;
mod views;

use pyo3::prelude::*;

/// The native part of `bitcask`; import that.
#[pymodule(gil_used = false, name = "_bitcask")]
mod native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::batch::Batch;
    #[pymodule_export]
    use crate::bulk::BulkLoad;
    #[pymodule_export]
    use crate::errors::_statuses;
    #[pymodule_export]
    use crate::iter::Scan;
    #[pymodule_export]
    use crate::later::Mailbox;
    #[pymodule_export]
    use crate::open::{_index_kinds, open};
    #[pymodule_export]
    use crate::savepoint::Savepoint;
    #[pymodule_export]
    use crate::snapshot::Snapshot;
    #[pymodule_export]
    use crate::store::Store;
    #[pymodule_export]
    use crate::transaction::Transaction;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::fork::watch(module)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("MAX_KEY_LEN", bitcask::MAX_KEY_LEN)?;
        module.add("MAX_VALUE_LEN", bitcask::MAX_VALUE_LEN)
    }
}

/// The one place that says why a class can't be pickled or copied.
fn no_pickle(class: &str, instead: &str) -> PyErr {
    pyo3::exceptions::PyTypeError::new_err(format!("cannot pickle or copy a bitcask.{class}: {instead}"))
}
