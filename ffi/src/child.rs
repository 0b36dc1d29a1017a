//! What batches, iterators and transactions have in common: they are for one thread at a time, belong to a store, and outlive its handle.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use engine::{Error, Status};

use crate::error::Failure;
use crate::handles::{Handle, enter_here};
use crate::store::Store;

/// A store's child. Two threads in one at once is the caller's mistake, and told rather than waited out: a lock that was
/// held at a fork would never open in the child.
#[derive(Debug)]
pub(crate) struct Child<T> {
    closed: Arc<AtomicBool>,
    object: Mutex<T>,
}

impl<T> Child<T> {
    pub(crate) fn new(store: &Store, object: T) -> Child<T> {
        Child::of(&store.closed, object)
    }

    /// A child of the store with this flag.
    pub(crate) fn of(closed: &Arc<AtomicBool>, object: T) -> Child<T> {
        Child { closed: Arc::clone(closed), object: Mutex::new(object) }
    }

    /// The store's flag.
    pub(crate) fn closed(&self) -> &Arc<AtomicBool> {
        &self.closed
    }
}

/// Runs a call on a child, if its store is open in this process and nobody else is in it.
pub(crate) fn with<H, T, R>(handle: *const H, call: impl FnOnce(&mut T) -> Result<R, Failure>) -> Result<R, Failure>
where
    H: Handle<Object = Child<T>>,
    T: Send + 'static,
{
    with_child(handle, |_, object| call(object))
}

/// As [`with`], for calls that make a child of the same store.
pub(crate) fn with_child<H, T, R>(
    handle: *const H,
    call: impl FnOnce(&Child<T>, &mut T) -> Result<R, Failure>,
) -> Result<R, Failure>
where
    H: Handle<Object = Child<T>>,
    T: Send + 'static,
{
    let child = enter_here(handle)?;
    if child.closed.load(Relaxed) {
        return Err(Error::Closed.into());
    }
    call(&child, &mut *lock(&child.object, H::NAME)?)
}

/// As [`with`], for what is done with the children of a closed store too.
pub(crate) fn with_or_closed<H, T, R>(
    handle: *const H,
    call: impl FnOnce(&mut T) -> Result<R, Failure>,
) -> Result<R, Failure>
where
    H: Handle<Object = Child<T>>,
    T: Send + 'static,
{
    let child = enter_here(handle)?;
    call(&mut *lock(&child.object, H::NAME)?)
}

/// An object of one thread at a time, for the length of a call.
pub(crate) fn lock<'a, T>(object: &'a Mutex<T>, name: &str) -> Result<MutexGuard<'a, T>, Failure> {
    object.try_lock().map_err(|refused| match refused {
        TryLockError::WouldBlock => Failure::in_use(name),
        TryLockError::Poisoned(_) => {
            Failure::new(Status::Internal, format!("an earlier call on this {name} hit a bug; free it"))
        }
    })
}
