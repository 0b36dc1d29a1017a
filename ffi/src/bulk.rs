//! Bulk loads: many pairs at once.

use engine::{BulkLoader, BulkOptions, Error, Status};

use crate::args::{Out, bytes};
use crate::child::{Child, with};
use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::{Handle, One, enter_here, free, new_handle};
use crate::store::bitcask_db;
use crate::table::Table;

/// A bulk load under way. Owned by the caller, who frees it with bitcask_bulk_free. For one thread at a time.
#[derive(Debug)]
pub struct bitcask_bulk {
    _opaque: (),
}

/// A load that is atomic, with the store's own durability.
pub const BITCASK_BULK_DEFAULT: u32 = 0;
/// bitcask_bulk_finish returns when all is on stable storage, whatever the store's durability. An atomic load of more than 16 MiB is in
/// any case.
pub const BITCASK_BULK_SYNC: u32 = 1;
/// The load need not be atomic: it becomes visible in commits of about a MiB each as it goes.
pub const BITCASK_BULK_IN_PIECES: u32 = 2;

/// Nothing is left of a load that is finished.
type Load = Child<Option<BulkLoader>>;

static LOADS: Table<Load, One> = Table::new();

impl Handle for bitcask_bulk {
    type Object = Load;
    type Users = One;
    const TAG: usize = 12;
    const NAME: &'static str = "bulk load";
    fn table() -> &'static Table<Load, One> {
        &LOADS
    }
}

/// Begins to load many pairs at once: faster than a batch, and in the memory of their keys only, whatever their values take. Pairs may
/// come in any order; ascending keys are the fastest. A key that comes twice keeps its last value. Others read and write meanwhile, and
/// several loads may be under way at once; an atomic load stands behind all that was committed before bitcask_bulk_finish.
///
/// flags: BITCASK_BULK_DEFAULT, or BITCASK_BULK_SYNC and BITCASK_BULK_IN_PIECES or'ed.
///
/// Errors: BITCASK_READ_ONLY, BITCASK_CLOSED, BITCASK_INVALID_ARGUMENT for other flags, BITCASK_NULL_ARGUMENT,
/// BITCASK_INVALID_HANDLE, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_bulk_new(
    db: *mut bitcask_db,
    flags: u32,
    bulk: *mut *mut bitcask_bulk,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `bulk` and `error`.
    unsafe {
        guard(error, || {
            let (place, store, options) = (Out::new(bulk, "bulk")?, enter_here(db)?, options(flags)?);
            let load = store.db.bulk_load(options)?;
            place.set(new_handle::<bitcask_bulk>(Child::new(&store, Some(load)))?);
            Ok(Status::Ok)
        })
    }
}

/// Adds a pair. Key and value are copied. After BITCASK_IO or BITCASK_WRITES_STOPPED the load is abandoned, and each further call gives
/// the same error.
///
/// Errors: BITCASK_BATCH_FINISHED after bitcask_bulk_finish, BITCASK_KEY_EMPTY, BITCASK_KEY_TOO_LARGE, BITCASK_VALUE_TOO_LARGE,
/// BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO, BITCASK_WRITES_STOPPED, BITCASK_INVALID_ARGUMENT if another thread is using the load.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_bulk_put(
    bulk: *mut bitcask_bulk,
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
            with(bulk, |load| Ok(load.as_mut().ok_or(Error::BatchFinished)?.put(key, value)?))?;
            Ok(Status::Ok)
        })
    }
}

/// Makes all pairs visible; an atomic load at once, to readers and to whoever opens the store after a crash. The load can't be used again,
/// whatever comes of it; it must still be freed. After an error an atomic load did not happen.
///
/// Errors: as bitcask_bulk_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_bulk_finish(bulk: *mut bitcask_bulk, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        guard(error, || {
            with(bulk, |load| Ok(load.take().ok_or(Error::BatchFinished)?.finish()?))?;
            Ok(Status::Ok)
        })
    }
}

/// Frees a load; one that was not finished is abandoned, and what it wrote is removed. What one in pieces has committed stays. Does nothing for
/// NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_bulk_free(bulk: *mut bitcask_bulk) {
    free(bulk);
}

/// The options that flags stand for. Unknown flags are refused, so that they can get a meaning later.
fn options(flags: u32) -> Result<BulkOptions, Failure> {
    const KNOWN: u32 = BITCASK_BULK_SYNC | BITCASK_BULK_IN_PIECES;
    if flags & !KNOWN != 0 {
        return Err(Failure::invalid(format!("flags are {flags:#x}, of which this release knows only {KNOWN:#x}")));
    }
    let is_set = |flag| flags & flag != 0;
    Ok(BulkOptions::new().sync(is_set(BITCASK_BULK_SYNC)).atomic(!is_set(BITCASK_BULK_IN_PIECES)))
}
