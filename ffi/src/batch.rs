//! Batches: writes that take effect together.

use engine::{Batch, Savepoint, Status};

use crate::args::{Out, bytes, half_open, write_options};
use crate::child::{Child, with, with_child};
use crate::error::bitcask_error;
use crate::guard::guard;
use crate::handles::{Handle, One, enter_here, free, new_handle};
use crate::iter::{Pages, bitcask_iter};
use crate::iter_options::{bitcask_iter_options, to_core};
use crate::store::bitcask_db;
use crate::table::Table;
use crate::value::{bitcask_value, give_value};

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

/// Deletes all keys from start on and before end: those that the batch has put so far, and those that are in the store when
/// it is committed. Keys that it puts afterwards stay. An empty start is the first key; end may be NULL: up to the last (and is
/// not, if it is only empty: no key is before that). The commit finds the keys and deletes them one by one, which takes memory for all of
/// them for a moment; with BITCASK_INDEX_HASH it reads all keys of the store for it.
///
/// Errors: as bitcask_batch_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_delete_range(
    batch: *mut bitcask_batch,
    start: *const u8,
    start_len: usize,
    end: *const u8,
    end_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `start`, `end` and `error`.
    unsafe {
        guard(error, || {
            let (low, high) = half_open((start, start_len), (end, end_len))?;
            with(batch, |batch| Ok(batch.delete_range(low, high)?))?;
            Ok(Status::Ok)
        })
    }
}

/// Deletes all keys that begin with prefix, as bitcask_batch_delete_range. An empty prefix: all keys of the store.
///
/// Errors: as bitcask_batch_delete_range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_delete_prefix(
    batch: *mut bitcask_batch,
    prefix: *const u8,
    prefix_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `prefix` and `error`.
    unsafe {
        guard(error, || {
            let prefix = bytes(prefix, prefix_len, "prefix")?;
            with(batch, |batch| Ok(batch.delete_prefix(prefix)?))?;
            Ok(Status::Ok)
        })
    }
}

/// Marks the present state of the batch's writes; *savepoint is a number for bitcask_batch_rollback_to and bitcask_batch_release.
///
/// Errors: as bitcask_batch_delete_range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_savepoint(
    batch: *mut bitcask_batch,
    savepoint: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `savepoint` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(savepoint, "savepoint")?;
            place.set(with(batch, |batch| Ok(batch.savepoint()?.to_raw()))?);
            Ok(Status::Ok)
        })
    }
}

/// Takes back all writes since a savepoint. It can be rolled back to again; later ones are gone.
///
/// Errors: BITCASK_INVALID_ARGUMENT if there is no such savepoint (any more); else as bitcask_batch_delete_range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_rollback_to(
    batch: *mut bitcask_batch,
    savepoint: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `error`.
    unsafe {
        guard(error, || {
            with(batch, |batch| Ok(batch.rollback_to(Savepoint::from_raw(savepoint))?))?;
            Ok(Status::Ok)
        })
    }
}

/// Forgets a savepoint and later ones, and keeps all writes.
///
/// Errors: as bitcask_batch_rollback_to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_release(
    batch: *mut bitcask_batch,
    savepoint: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `error`.
    unsafe {
        guard(error, || {
            with(batch, |batch| Ok(batch.release(Savepoint::from_raw(savepoint))?))?;
            Ok(Status::Ok)
        })
    }
}

/// The value that a key would have if the batch were committed now: the batch's own write, else what the store has. As bitcask_get.
///
/// Errors: BITCASK_BATCH_FINISHED after a commit; else as bitcask_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_get(
    batch: *mut bitcask_batch,
    key: *const u8,
    key_len: usize,
    value: *mut *mut bitcask_value,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(value, "value")?, bytes(key, key_len, "key")?);
            give_value(place, with(batch, |batch| Ok(batch.get(key)?))?)
        })
    }
}

/// Makes an iterator over what the store would be if the batch were committed now; later writes change nothing of it. options as
/// for bitcask_iter_new.
///
/// Errors: BITCASK_BATCH_FINISHED after a commit; else as bitcask_iter_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_iter_new(
    batch: *mut bitcask_batch,
    options: *const bitcask_iter_options,
    iter: *mut *mut bitcask_iter,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `iter` and `error`.
    unsafe {
        guard(error, || {
            let (place, options) = (Out::new(iter, "iter")?, to_core(options)?);
            let pages =
                with_child(batch, |child, batch| Ok(Child::of(child.closed(), Pages::new(batch.iter(&options)?))))?;
            place.set(new_handle::<bitcask_iter>(pages)?);
            Ok(Status::Ok)
        })
    }
}

/// Forgets all writes added so far, with all savepoints. The store is as it was; to delete all of its keys is bitcask_batch_delete_prefix
/// with an empty prefix.
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

/// The number of different keys written so far, without those that ranges delete; 0 after a commit.
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

/// Bytes of all keys and values written so far, in *size.
///
/// Errors: as bitcask_batch_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_byte_len(
    batch: *mut bitcask_batch,
    size: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `size` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(size, "size")?;
            place.set(with(batch, |batch| Ok(batch.byte_len()))?);
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
