//! The boundary: no panic passes it, and failures become a status and an error object here and nowhere else.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use engine::Status;

use crate::error::{Failure, bitcask_error, new_error};

/// What a call comes to: a status that is no error (or [`Status::BufferTooSmall`], which has no error object), or a failure.
pub(crate) type Outcome = Result<Status, Failure>;

/// Runs a call and gives its status.
///
/// # Safety
/// `error` is NULL or may be written.
pub(crate) unsafe fn guard(error: *mut *mut bitcask_error, call: impl FnOnce() -> Outcome) -> i32 {
    // Nothing that the closure borrowed is looked at after a panic: handles' objects have their own lock, which tells.
    let outcome = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(internal(&*panic)));
    let (status, object) = match outcome {
        Ok(status) => (status, std::ptr::null_mut()),
        Err(failure) => (failure.status(), if error.is_null() { std::ptr::null_mut() } else { new_error(failure) }),
    };
    if !error.is_null() {
        // SAFETY: the caller's promise.
        unsafe { error.write(object) };
    }
    status as i32
}

#[cold]
fn internal(panic: &(dyn Any + Send)) -> Failure {
    let what = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let place = PLACE.take();
    let message = format!("a bug in libbitcask, please report it: {}{place}", what.unwrap_or("panic"));
    Failure::new(Status::Internal, message)
}

thread_local!(static PLACE: RefCell<String> = const { RefCell::new(String::new()) });

/// Has panics remember their place for the error's message, instead of printing it: a library prints nothing. The hook
/// is that of the standard library inside of this one, and of no other Rust code in the process.
pub(crate) fn quiet_panics() {
    static SET: Once = Once::new();
    if cfg!(not(test)) {
        SET.call_once(|| {
            std::panic::set_hook(Box::new(|panic| {
                let place = panic.location().map(|at| format!(" ({at})")).unwrap_or_default();
                let _ = PLACE.try_with(|last| last.replace(place));
            }));
        });
    }
}
