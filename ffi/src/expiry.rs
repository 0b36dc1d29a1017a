//! Keys that expire. Times are in milliseconds.

use std::ffi::c_void;
use std::time::Duration;

use engine::{Error, Status, Ttl, WriteOptions};

use crate::args::{Out, bytes, set_unless_null, write_options};
use crate::batch::bitcask_batch;
use crate::bulk::bitcask_bulk;
use crate::child::with;
use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::enter_here;
use crate::later::{Target, bitcask_write_callback};
use crate::options::{bitcask_options, set};
use crate::store::bitcask_db;
use crate::transaction::bitcask_txn;

/// What bitcask_ttl and its like say of a key that does not expire.
pub const BITCASK_NO_EXPIRY: u64 = u64::MAX;

/// The options of a write that gives its value so long to live.
fn options_until(flags: u32, ttl_ms: u64) -> Result<WriteOptions, Failure> {
    Ok(write_options(flags)?.ttl(Duration::from_millis(ttl_ms)))
}

/// The status and the number for what is left of a key.
fn told(ttl: Ttl, place: Out<u64>) -> Status {
    let left = match ttl {
        Ttl::NoKey => return Status::NotFound,
        Ttl::NoExpiry => BITCASK_NO_EXPIRY,
        Ttl::Remaining(left) => u64::try_from(left.as_millis()).unwrap_or(u64::MAX).min(BITCASK_NO_EXPIRY - 1),
    };
    place.set(left);
    Status::Ok
}

/// Records count as absent so many milliseconds after they were written, by the clock, unless they have an expiry of their own
/// (bitcask_put_ttl, bitcask_expire). Nothing of it is stored: it holds for this opening, for all that the store has. 0, the
/// default, is none.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_expiry(
    options: *mut bitcask_options,
    milliseconds: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.update(|options| match milliseconds {
                0 => options.no_expiry(),
                age => options.expiry(Duration::from_millis(age)),
            });
            Ok(())
        })
    }
}

/// As bitcask_put; the key counts as absent after ttl_ms milliseconds from now on, for every call and without anybody doing anything for it. With 0 the
/// key is deleted instead; what goes beyond the range of times is for ever. A later put without ttl has no expiry; bitcask_fetch_add keeps it.
///
/// Times are those of the system's clock: if it jumps, forwards or back, that changes what has expired, and nothing else. Snapshots, iterators and
/// transactions go by the time at which they began.
///
/// Errors: as bitcask_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_put_ttl(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    ttl_ms: u64,
    flags: u32,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (key, value) = (bytes(key, key_len, "key")?, bytes(value, value_len, "value")?);
            let options = options_until(flags, ttl_ms)?;
            enter_here(db)?.db.put_with(key, value, options)?;
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_put_if_absent, with a ttl as in bitcask_put_ttl: so a lock that nobody keeps for ever.
///
/// Errors: as bitcask_put_if_absent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_put_if_absent_ttl(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    ttl_ms: u64,
    flags: u32,
    stored: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for the inputs, `stored` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(stored, "stored")?, bytes(key, key_len, "key")?);
            let value = bytes(value, value_len, "value")?;
            let options = options_until(flags, ttl_ms)?;
            place.set(enter_here(db)?.db.put_if_absent_with(key, value, options)?);
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_put_seq, with a ttl as in bitcask_put_ttl.
///
/// Errors: as bitcask_put_seq.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_put_seq_ttl(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    ttl_ms: u64,
    flags: u32,
    seq: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value`, `seq` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(seq, "seq")?;
            let (key, value) = (bytes(key, key_len, "key")?, bytes(value, value_len, "value")?);
            let options = options_until(flags, ttl_ms)?;
            place.set(enter_here(db)?.db.put_seq(key, value, options)?.seq.0);
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_compare_and_swap to a new value, which has a ttl as in bitcask_put_ttl: so a lock is prolonged by who holds it.
///
/// Errors: as bitcask_compare_and_swap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_compare_and_swap_ttl(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    expected_there: bool,
    expected: *const u8,
    expected_len: usize,
    new_value: *const u8,
    new_len: usize,
    ttl_ms: u64,
    flags: u32,
    swapped: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for the inputs, `swapped` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(swapped, "swapped")?, bytes(key, key_len, "key")?);
            let expected = if expected_there { Some(bytes(expected, expected_len, "expected")?) } else { None };
            let new = bytes(new_value, new_len, "new_value")?;
            let options = options_until(flags, ttl_ms)?;
            place.set(enter_here(db)?.db.compare_and_swap_with(key, expected, Some(new), options)?);
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_fetch_add; the counter has a ttl as in bitcask_put_ttl from now on, in place of its expiry.
///
/// Errors: as bitcask_fetch_add.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_fetch_add_ttl(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    delta: i64,
    ttl_ms: u64,
    flags: u32,
    before: *mut i64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `before` and `error`.
    unsafe {
        guard(error, || {
            let key = bytes(key, key_len, "key")?;
            let options = options_until(flags, ttl_ms)?;
            let found = enter_here(db)?.db.fetch_add_with(key, delta, options)?;
            set_unless_null(before, found);
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_put_async, with a ttl as in bitcask_put_ttl, which counts from this call on.
///
/// Errors: as bitcask_put_async.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_put_ttl_async(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    ttl_ms: u64,
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
            let options = options_until(flags, ttl_ms)?;
            enter_here(db)?.db.put_async(key, value, options, move |outcome| target.call(outcome))?;
            Ok(Status::Ok)
        })
    }
}

/// Has a key expire ttl_ms milliseconds from now on, in place of when it would have; with 0 it is deleted. Tells in *found (which may be NULL) whether
/// the key is there. The record is written anew, with its value. flags as for bitcask_put.
///
/// Errors: as bitcask_compare_and_swap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_expire(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    ttl_ms: u64,
    flags: u32,
    found: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `found` and `error`.
    unsafe {
        guard(error, || {
            let (key, options) = (bytes(key, key_len, "key")?, write_options(flags)?);
            let is_there = enter_here(db)?.db.expire_with(key, Duration::from_millis(ttl_ms), options)?;
            set_unless_null(found, is_there);
            Ok(Status::Ok)
        })
    }
}

/// Takes away a key's own expiry, and tells in *had (which may be NULL) whether it had one. The record is written anew, with its value, if it had. flags as for
/// bitcask_put.
///
/// Errors: as bitcask_compare_and_swap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_persist(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    flags: u32,
    had: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `had` and `error`.
    unsafe {
        guard(error, || {
            let (key, options) = (bytes(key, key_len, "key")?, write_options(flags)?);
            let had_one = enter_here(db)?.db.persist_with(key, options)?;
            set_unless_null(had, had_one);
            Ok(Status::Ok)
        })
    }
}

/// Tells in *ttl_ms how many milliseconds a key is left, by its own expiry or bitcask_options_set_expiry; BITCASK_NO_EXPIRY if it does not
/// expire. Reads no value.
///
/// Errors: BITCASK_NOT_FOUND (without an error object) if there is no such key, or it has expired; else as bitcask_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_ttl(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    ttl_ms: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `ttl_ms` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(ttl_ms, "ttl_ms")?, bytes(key, key_len, "key")?);
            Ok(told(enter_here(db)?.db.ttl(key)?, place))
        })
    }
}

/// Deletes what has expired by now, and tells in *keys (which may be NULL) how many keys that were. Nothing needs it but bitcask_len, which counts what
/// has expired until it is swept, and the disk: a merge can give back only what is deleted, and begins with a sweep of its own. Writes go on beside it,
/// and a key that is written meanwhile stays. It looks at the header of every record, unless nothing can have expired since the last one.
///
/// Errors: as bitcask_delete; what was swept until then stays so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_sweep_expired(
    db: *mut bitcask_db,
    keys: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `keys` and `error`.
    unsafe {
        guard(error, || {
            let swept = enter_here(db)?.db.sweep_expired()?;
            set_unless_null(keys, swept);
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_batch_put, with a ttl as in bitcask_put_ttl, which counts from this call on.
///
/// Errors: as bitcask_batch_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_put_ttl(
    batch: *mut bitcask_batch,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    ttl_ms: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (key, value) = (bytes(key, key_len, "key")?, bytes(value, value_len, "value")?);
            with(batch, |batch| Ok(batch.put_with_ttl(key, value, Duration::from_millis(ttl_ms))?))?;
            Ok(Status::Ok)
        })
    }
}

/// Puts the value that a key has now (of the batch, else of the store) once more, to expire ttl_ms milliseconds from this call on; with 0 it is deleted.
/// Tells in *found (which may be NULL) whether the key is there. What others write until the commit is overwritten.
///
/// Errors: as bitcask_batch_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_expire(
    batch: *mut bitcask_batch,
    key: *const u8,
    key_len: usize,
    ttl_ms: u64,
    found: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `found` and `error`.
    unsafe {
        guard(error, || {
            let key = bytes(key, key_len, "key")?;
            let is_there = with(batch, |batch| Ok(batch.expire(key, Duration::from_millis(ttl_ms))?))?;
            set_unless_null(found, is_there);
            Ok(Status::Ok)
        })
    }
}

/// Puts the value that a key has now once more, without an expiry of its own, and tells in *had (which may be NULL) whether it had one. As
/// bitcask_batch_expire.
///
/// Errors: as bitcask_batch_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_persist(
    batch: *mut bitcask_batch,
    key: *const u8,
    key_len: usize,
    had: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `had` and `error`.
    unsafe {
        guard(error, || {
            let key = bytes(key, key_len, "key")?;
            let had_one = with(batch, |batch| Ok(batch.persist(key)?))?;
            set_unless_null(had, had_one);
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_ttl, of what the store would be if the batch were committed now.
///
/// Errors: as bitcask_batch_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_ttl(
    batch: *mut bitcask_batch,
    key: *const u8,
    key_len: usize,
    ttl_ms: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `ttl_ms` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(ttl_ms, "ttl_ms")?, bytes(key, key_len, "key")?);
            Ok(told(with(batch, |batch| Ok(batch.ttl(key)?))?, place))
        })
    }
}

/// As bitcask_txn_put, with a ttl as in bitcask_put_ttl, which counts from this call on. The transaction's own reads go by the time at which it began.
///
/// Errors: as bitcask_txn_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_put_ttl(
    txn: *mut bitcask_txn,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    ttl_ms: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (key, value) = (bytes(key, key_len, "key")?, bytes(value, value_len, "value")?);
            with(txn, |txn| Ok(txn.put_with_ttl(key, value, Duration::from_millis(ttl_ms))?))?;
            Ok(Status::Ok)
        })
    }
}

/// Reads a key as bitcask_txn_get_for_update does and puts it once more, to expire ttl_ms milliseconds from this call on; with 0 it is deleted. Tells in
/// *found (which may be NULL) whether the key is there.
///
/// Errors: as bitcask_txn_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_expire(
    txn: *mut bitcask_txn,
    key: *const u8,
    key_len: usize,
    ttl_ms: u64,
    found: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `found` and `error`.
    unsafe {
        guard(error, || {
            let key = bytes(key, key_len, "key")?;
            let is_there = with(txn, |txn| Ok(txn.expire(key, Duration::from_millis(ttl_ms))?))?;
            set_unless_null(found, is_there);
            Ok(Status::Ok)
        })
    }
}

/// Reads a key as bitcask_txn_get_for_update does and takes away its own expiry. Tells in *had (which may be NULL) whether it had one.
///
/// Errors: as bitcask_txn_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_persist(
    txn: *mut bitcask_txn,
    key: *const u8,
    key_len: usize,
    had: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `had` and `error`.
    unsafe {
        guard(error, || {
            let key = bytes(key, key_len, "key")?;
            let had_one = with(txn, |txn| Ok(txn.persist(key)?))?;
            set_unless_null(had, had_one);
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_ttl, from the time on at which the transaction began. Reads the key as bitcask_txn_get does.
///
/// Errors: as bitcask_txn_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_ttl(
    txn: *mut bitcask_txn,
    key: *const u8,
    key_len: usize,
    ttl_ms: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `ttl_ms` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(ttl_ms, "ttl_ms")?, bytes(key, key_len, "key")?);
            Ok(told(with(txn, |txn| Ok(txn.ttl(key)?))?, place))
        })
    }
}

/// As bitcask_bulk_put, with a ttl as in bitcask_put_ttl, which counts from this call on and is at least 1.
///
/// Errors: as bitcask_bulk_put; BITCASK_INVALID_ARGUMENT if ttl_ms is 0, after which the load goes on without the pair.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_bulk_put_ttl(
    bulk: *mut bitcask_bulk,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    ttl_ms: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (key, value) = (bytes(key, key_len, "key")?, bytes(value, value_len, "value")?);
            let ttl = Duration::from_millis(ttl_ms);
            with(bulk, |load| Ok(load.as_mut().ok_or(Error::BatchFinished)?.put_with_ttl(key, value, ttl)?))?;
            Ok(Status::Ok)
        })
    }
}
