//! The store's keys without an iterator: the first, the last, how many, and one at random.

use engine::Status;

use crate::args::Out;
use crate::error::bitcask_error;
use crate::guard::guard;
use crate::handles::enter_here;
use crate::iter::bitcask_entry;
use crate::iter_options::{bitcask_iter_options, to_core};
use crate::store::bitcask_db;
use crate::value::{bitcask_value, give_record, new_key};

/// The record with the least key. *value is owned by the caller, who frees it with bitcask_value_free; *entry has the
/// record's key and value, whose bytes live as long as *value. They stay what they are, as with bitcask_get.
///
/// Returns BITCASK_NOT_FOUND, and leaves both alone, if the store is empty. An index without order (BITCASK_INDEX_HASH)
/// reads all keys for this.
///
/// Errors: BITCASK_CORRUPTED if the record is damaged, BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_first(
    db: *mut bitcask_db,
    value: *mut *mut bitcask_value,
    entry: *mut bitcask_entry,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { give_record(value, entry, error, || Ok(enter_here(db)?.db.first()?)) }
}

/// The record with the greatest key; else as bitcask_first.
///
/// Errors: as bitcask_first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_last(
    db: *mut bitcask_db,
    value: *mut *mut bitcask_value,
    entry: *mut bitcask_entry,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { give_record(value, entry, error, || Ok(enter_here(db)?.db.last()?)) }
}

/// How many records an iterator with these options would give now, in *count. options may be NULL for all records, which
/// is O(1). Reads no values, and no keys where the index keeps them.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED; BITCASK_IO and BITCASK_CORRUPTED where the index keeps no keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_count(
    db: *mut bitcask_db,
    options: *const bitcask_iter_options,
    count: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `count` and `error`.
    unsafe {
        guard(error, || {
            let (place, store) = (Out::new(count, "count")?, enter_here(db)?);
            place.set(store.db.count(&to_core(options)?)?);
            Ok(Status::Ok)
        })
    }
}

/// A key at random, each with the same chance. *key is owned by the caller, who looks at it with bitcask_value_bytes and
/// frees it with bitcask_value_free.
///
/// Returns BITCASK_NOT_FOUND, and leaves *key alone, if the store is empty.
///
/// Errors: BITCASK_CORRUPTED if the key that was picked is damaged, BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_random_key(
    db: *mut bitcask_db,
    key: *mut *mut bitcask_value,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(key, "key")?;
            let Some(key) = enter_here(db)?.db.random_key()? else { return Ok(Status::NotFound) };
            place.set(new_key(key)?);
            Ok(Status::Ok)
        })
    }
}
