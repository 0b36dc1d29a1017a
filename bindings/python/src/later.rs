//! Writes that an event loop waits for. `python/bitcask/_aio.py` makes the awaitables; here is how outcomes reach the loop.
//!
//! The core tells an outcome from a thread of its own. That thread never touches the interpreter: it puts the outcome into a
//! mailbox and rings a socket that the loop listens to. So it can't hang or crash at the interpreter's end, needs no GIL, and
//! outcomes that come together are delivered together.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use bitcask::{Result, Written};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::call::attached;
use crate::errors::to_python;
use crate::no_pickle;

/// Outcomes of writes on their way to an event loop.
#[pyclass(module = "bitcask._bitcask", name = "_Mailbox", frozen)]
pub(crate) struct Mailbox {
    shared: Arc<Shared>,
}

/// Both ends of the socket live as long as anybody may ring, so that ringing never meets a closed end (and its signal).
struct Shared {
    arrived: Mutex<Vec<(u64, Result<Written>)>>,
    listening: UnixStream,
    ringing: UnixStream,
}

impl Shared {
    fn post(&self, ticket: u64, outcome: Result<Written>) {
        let was_empty = {
            let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            arrived.push((ticket, outcome));
            arrived.len() == 1
        };
        if was_empty {
            self.ring();
        }
    }

    fn ring(&self) {
        loop {
            match (&self.ringing).write(&[1]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A full socket rings already; nothing else can happen to a pair of which both ends are open.
                _ => return,
            }
        }
    }

    fn silence(&self) {
        let mut bytes = [0; 64];
        loop {
            match (&self.listening).read(&mut bytes) {
                Ok(read) if read == bytes.len() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

impl Mailbox {
    /// What puts the outcome of one write in.
    pub(crate) fn slot(&self, ticket: u64) -> impl FnOnce(Result<Written>) + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move |outcome| shared.post(ticket, outcome)
    }
}

#[pymethods]
impl Mailbox {
    #[new]
    fn new() -> PyResult<Mailbox> {
        let (listening, ringing) = UnixStream::pair()?;
        listening.set_nonblocking(true)?;
        ringing.set_nonblocking(true)?;
        Ok(Mailbox { shared: Arc::new(Shared { arrived: Mutex::default(), listening, ringing }) })
    }

    /// The socket that can be read when there is something.
    fn fileno(&self) -> i32 {
        self.shared.listening.as_raw_fd()
    }

    /// All that arrived: triples of ticket, sequence number and whether the key existed; or pairs of ticket and exception.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let arrived = attached(py, || {
            // In this order: what comes between the two rings again.
            self.shared.silence();
            Ok(std::mem::take(&mut *self.shared.arrived.lock().unwrap_or_else(PoisonError::into_inner)))
        })?;
        let list = PyList::empty(py);
        for (ticket, outcome) in arrived {
            let told: Bound<'py, PyTuple> = match outcome {
                Ok(written) => (ticket, written.seq.0, written.existed).into_pyobject(py)?,
                Err(error) => (ticket, to_python(py, &error)).into_pyobject(py)?,
            };
            list.append(told)?;
        }
        Ok(list)
    }

    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(no_pickle("_Mailbox", "it belongs to an event loop"))
    }
}
