//! Batches: writes that take effect together.

use engine::{Batch, Status};

use crate::args::{Out, bytes, write_options};
use crate::child::{Child, with};
use crate::error::bitcask_error;
use crate::guard::guard;
use crate::handles::{Handle, One, enter_here, free, new_handle};
use crate::store::bitcask_db;
use crate::table::Table;

/// Writes that take effect together or not at all. Owned by the caller, who frees it with bitcask_batch_free. For one
/// thread at a time.
#[derive(Debug)]
pub struct bitcask_batch {
    _opaque: (),
}

static BATCHES: Table<Child<Batch>, One> = Table::new();

impl Handle for bitcask_batch {
    type Object = Child<Batch>;
    type Users = One;
    const TAG: usize = 4;
    const NAME: &'static str = "batch";
    fn table() -> &'static Table<Child<Batch>, One> {
        &BATCHES
    }
}

/// Makes an empty batch.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_new(
    db: *mut bitcask_db,
    batch: *mut *mut bitcask_batch,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `batch` and `error`.
    unsafe {
        guard(error, || {
            let (place, store) = (Out::new(batch, "batch")?, enter_here(db)?);
            place.set(new_handle::<bitcask_batch>(Child::new(&store, store.db.batch()))?);
            Ok(Status::Ok)
        })
    }
}

/// Adds a put. Key and value are copied. Nothing reaches the store before bitcask_batch_commit; a key that is written
/// twice keeps its last write.
///
/// Errors: BITCASK_BATCH_FINISHED after a commit, BITCASK_KEY_EMPTY, BITCASK_KEY_TOO_LARGE, BITCASK_VALUE_TOO_LARGE,
/// BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_ARGUMENT if another thread is using the batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_put(
    batch: *mut bitcask_batch,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (key, value) = (bytes(key, key_len, "key")?, bytes(value, value_len, "value")?);
            with(batch, |batch| Ok(batch.put(key, value)?))?;
            Ok(Status::Ok)
        })
    }
}

/// Adds a delete; the key need not exist.
///
/// Errors: as bitcask_batch_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_delete(
    batch: *mut bitcask_batch,
    key: *const u8,
    key_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key` and `error`.
    unsafe {
        guard(error, || {
            let key = bytes(key, key_len, "key")?;
            with(batch, |batch| Ok(batch.delete(key)?))?;
            Ok(Status::Ok)
        })
    }
}

/// Forgets all writes added so far.
///
/// Errors: as bitcask_batch_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_clear(batch: *mut bitcask_batch, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        guard(error, || {
            with(batch, |batch| Ok(batch.clear()?))?;
            Ok(Status::Ok)
        })
    }
}

/// The number of different keys written so far; 0 after a commit.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_ARGUMENT if another thread is using the batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_len(
    batch: *mut bitcask_batch,
    len: *mut usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `len` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(len, "len")?;
            place.set(with(batch, |batch| Ok(batch.len()))?);
            Ok(Status::Ok)
        })
    }
}

/// Makes all writes, atomically: readers, and whoever opens the store after a crash, see all of them or none. An empty batch
/// writes nothing. The batch can't be used again; it must still be freed. After an error nothing was written, and the
/// commit may be tried again unless the store is closed or stopped writing.
///
/// flags: BITCASK_WRITE_DEFAULT or BITCASK_WRITE_SYNC.
///
/// Errors: BITCASK_BATCH_FINISHED the second time; else as bitcask_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_commit(
    batch: *mut bitcask_batch,
    flags: u32,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        guard(error, || {
            let options = write_options(flags)?;
            with(batch, |batch| Ok(batch.commit_with(options)?))?;
            Ok(Status::Ok)
        })
    }
}

/// Frees a batch; one that was not committed is discarded. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_batch_free(batch: *mut bitcask_batch) {
    free(batch);
}
