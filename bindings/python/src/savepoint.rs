//! `bitcask.Savepoint`: a place in a batch or transaction to roll back to.

use bitcask::{Error, Result};
use pyo3::prelude::*;

use crate::batch::Batch;
use crate::no_pickle;
use crate::transaction::Transaction;

/// A place in a batch or transaction to roll back to.
///
/// Made by their savepoint(). As a context manager it rolls back if an exception leaves the block, and is released at its
/// end otherwise; one that is gone by then is left alone.
#[pyclass(module = "bitcask", frozen)]
pub(crate) struct Savepoint {
    owner: Owner,
    mark: bitcask::Savepoint,
}

enum Owner {
    Batch(Py<Batch>),
    Transaction(Py<Transaction>),
}

impl Savepoint {
    pub(crate) fn of_batch(batch: Py<Batch>, mark: bitcask::Savepoint) -> Savepoint {
        Savepoint { owner: Owner::Batch(batch), mark }
    }

    pub(crate) fn of_transaction(transaction: Py<Transaction>, mark: bitcask::Savepoint) -> Savepoint {
        Savepoint { owner: Owner::Transaction(transaction), mark }
    }

    /// Rolls back or releases. `lenient`: unless the savepoint is gone.
    fn end(&self, py: Python<'_>, back: bool, lenient: bool) -> PyResult<()> {
        let mark = self.mark;
        let pardon = move |outcome: Result<()>| match outcome {
            Err(Error::InvalidArgument { .. }) if lenient => Ok(()),
            outcome => outcome,
        };
        let done = match &self.owner {
            Owner::Batch(batch) => batch
                .get()
                .write(py, move |batch| pardon(if back { batch.rollback_to(mark) } else { batch.release(mark) })),
            Owner::Transaction(transaction) => transaction.get().note(py, move |transaction| {
                pardon(if back { transaction.rollback_to(mark) } else { transaction.release(mark) })
            }),
        };
        match done {
            Err(_) if lenient && self.owner_is_over(py)? => Ok(()),
            done => done,
        }
    }

    fn owner_is_over(&self, py: Python<'_>) -> PyResult<bool> {
        match &self.owner {
            Owner::Batch(batch) => batch.get().is_over(py),
            Owner::Transaction(transaction) => transaction.get().is_over(py),
        }
    }
}

#[pymethods]
impl Savepoint {
    /// Take back all writes since. The savepoint stays, and later ones are gone.
    fn rollback(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, true, false)
    }

    /// Forget the savepoint and later ones, and keep all writes.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, false, false)
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
            self.end(py, true, true)?;
        }
        self.end(py, false, true)
    }

    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(no_pickle("Savepoint", "it belongs to its batch or transaction"))
    }
}
