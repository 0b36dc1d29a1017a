//! Writes for callers with an event loop of their own: the call queues the write, and a callback gets the outcome.

use std::ffi::c_void;

use engine::{Result, Status, Written};

use crate::args::{bytes, write_options};
use crate::batch::bitcask_batch;
use crate::child::with;
use crate::error::{Failure, bitcask_error, new_error};
use crate::guard::guard;
use crate::handles::{enter_here, free};
use crate::store::bitcask_db;

/// Bytes of log (and 256 for each write) that may be queued and unanswered. Who brings more waits in the call until there
/// is room; an event loop that must never wait keeps count of what it has under way.
pub const BITCASK_ASYNC_BYTES: u64 = 67108864;

/// Gets the outcome of a queued write, exactly once.
///
/// status is what the call that waits would have returned, seq the commit's sequence number (see bitcask_put_seq), existed whether the
/// key was there before (false for a batch). On errors seq is 0, and error tells more; it is lent until the callback
/// returns and must not be freed. On success it is NULL.
///
/// It is called from a thread of the store, which is started by the first such write and ends with the store; one after the other, so it
/// should be short: hand the outcome to the event loop. It may call anything of this library, bitcask_close of its own store and
/// further writes included, and then never waits for room. It must not throw or jump out.
pub type bitcask_write_callback = Option<
    unsafe extern "C" fn(user_data: *mut c_void, status: i32, seq: u64, existed: bool, error: *const bitcask_error),
>;

/// As bitcask_put, without waiting: callback gets the outcome when the write is made, and is as durable as flags and the store's
/// durability say. Key and value are copied before this returns.
///
/// What one thread queues takes effect in that order, and writes share appends and syncs. A write that another call makes
/// meanwhile may come before what is queued.
///
/// Returns BITCASK_OK if the write was queued: then the callback is called exactly once, with BITCASK_CLOSED if the store is closed
/// before the write was made. After an error it is never called, and user_data is still the caller's. bitcask_close returns
/// after the last callback did, so don't hold a lock over it that a callback takes. In a forked child no callback of the parent's is
/// called.
///
/// Errors: those of bitcask_put that are known at once; BITCASK_NULL_ARGUMENT without callback; BITCASK_UNSUPPORTED if the
/// thread can't be started. The callback gets the others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_put_async(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    flags: u32,
    callback: bitcask_write_callback,
    user_data: *mut c_void,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value`, `callback` and `error`.
    unsafe {
        guard(error, || {
            let target = Target::new(callback, user_data)?;
            let (key, value) = (bytes(key, key_len, "key")?, bytes(value, value_len, "value")?);
            enter_here(db)?.db.put_async(key, value, write_options(flags)?, move |outcome| target.call(outcome))?;
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_delete, without waiting: see bitcask_put_async.
///
/// Errors: as bitcask_put_async.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_delete_async(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    flags: u32,
    callback: bitcask_write_callback,
    user_data: *mut c_void,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `callback` and `error`.
    unsafe {
        guard(error, || {
            let (target, key) = (Target::new(callback, user_data)?, bytes(key, key_len, "key")?);
            enter_here(db)?.db.delete_async(key, write_options(flags)?, move |outcome| target.call(outcome))?;
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_batch_commit, without waiting: see bitcask_put_async. If the commit was queued, the batch is finished, whatever the
/// callback gets; it must still be freed, which may be done at once.
///
/// Errors: BITCASK_BATCH_FINISHED the second time; else as bitcask_put_async.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_commit_async(
    batch: *mut bitcask_batch,
    flags: u32,
    callback: bitcask_write_callback,
    user_data: *mut c_void,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `callback` and `error`.
    unsafe {
        guard(error, || {
            let (target, options) = (Target::new(callback, user_data)?, write_options(flags)?);
            with(batch, |batch| Ok(batch.commit_async(options, move |outcome| target.call(outcome))?))?;
            Ok(Status::Ok)
        })
    }
}

/// Whom to tell.
pub(crate) struct Target {
    callback: unsafe extern "C" fn(*mut c_void, i32, u64, bool, *const bitcask_error),
    user_data: *mut c_void,
}

// SAFETY: the pointer is not used here but given back; that it goes to another thread is what the caller asked for.
unsafe impl Send for Target {}

impl Target {
    pub(crate) fn new(callback: bitcask_write_callback, user_data: *mut c_void) -> Result<Target, Failure> {
        Ok(Target { callback: callback.ok_or_else(|| Failure::null("callback"))?, user_data })
    }

    pub(crate) fn call(self, outcome: Result<Written>) {
        let (status, seq, existed, error) = match outcome {
            Ok(written) => (Status::Ok, written.seq.0, written.existed, std::ptr::null_mut()),
            Err(error) => (error.status(), 0, false, new_error(error.into())),
        };
        // SAFETY: the caller's promise: a function of this type that may be called from any thread, once.
        unsafe { (self.callback)(self.user_data, status as i32, seq, existed, error) };
        free(error);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_constant_is_the_cores() {
        assert_eq!(super::BITCASK_ASYNC_BYTES, engine::Db::ASYNC_BYTES);
    }
}
