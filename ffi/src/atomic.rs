//! Changes of single keys that depend on what they were.

use engine::Status;

use crate::args::{Out, bytes, set_unless_null, write_options};
use crate::error::bitcask_error;
use crate::guard::guard;
use crate::handles::enter_here;
use crate::store::bitcask_db;

/// Replaces a key's value if it is what is expected, and tells in *swapped whether it was: atomic whoever else writes. With
/// expected_there false the key must not be there; with new_there false it is removed. The bytes that go with false are not
/// looked at. flags as for bitcask_put; also BITCASK_WRITE_KEEP_EXPIRY, without which the new value has no expiry.
///
/// Errors: as bitcask_put, and as bitcask_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_compare_and_swap(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    expected_there: bool,
    expected: *const u8,
    expected_len: usize,
    new_there: bool,
    new_value: *const u8,
    new_len: usize,
    flags: u32,
    swapped: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for the inputs, `swapped` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(swapped, "swapped")?, bytes(key, key_len, "key")?);
            let expected = if expected_there { Some(bytes(expected, expected_len, "expected")?) } else { None };
            let new = if new_there { Some(bytes(new_value, new_len, "new_value")?) } else { None };
            let options = write_options(flags)?;
            place.set(enter_here(db)?.db.compare_and_swap_with(key, expected, new, options)?);
            Ok(Status::Ok)
        })
    }
}

/// Stores a value if the key is not there, and tells in *stored whether it did. flags as for bitcask_put.
///
/// Errors: as bitcask_compare_and_swap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_put_if_absent(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    flags: u32,
    stored: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for the inputs, `stored` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(stored, "stored")?, bytes(key, key_len, "key")?);
            let (value, options) = (bytes(value, value_len, "value")?, write_options(flags)?);
            place.set(enter_here(db)?.db.put_if_absent_with(key, value, options)?);
            Ok(Status::Ok)
        })
    }
}

/// Adds to a counter, and tells in *before (which may be NULL) what it was before: a value of 8 bytes, a signed number with its lowest byte
/// first. A key that is not there counts as 0. flags as for bitcask_put.
///
/// Errors: BITCASK_INVALID_ARGUMENT if the value is not of 8 bytes, or the sum is beyond 64 bits: then nothing is changed. Else as
/// bitcask_compare_and_swap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_fetch_add(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    delta: i64,
    flags: u32,
    before: *mut i64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `before` and `error`.
    unsafe {
        guard(error, || {
            let (key, options) = (bytes(key, key_len, "key")?, write_options(flags)?);
            let found = enter_here(db)?.db.fetch_add_with(key, delta, options)?;
            set_unless_null(before, found);
            Ok(Status::Ok)
        })
    }
}
