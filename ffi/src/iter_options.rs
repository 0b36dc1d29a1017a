//! What an iterator covers and how.

use std::ops::Bound;
use std::sync::RwLock;

use engine::{IterOptions, Status};

use crate::args::bytes;
use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::{Handle, One, enter, free, insert};
use crate::table::Table;

/// What an iterator covers and how; all of it can be combined. Owned by the caller, who frees it with
/// bitcask_iter_options_free; an iterator keeps nothing of it. For one thread at a time while it is being set; then
/// threads may share it.
#[derive(Debug)]
pub struct bitcask_iter_options {
    _opaque: (),
}

static ITER_OPTIONS: Table<RwLock<IterOptions>, One> = Table::new();

impl Handle for bitcask_iter_options {
    type Object = RwLock<IterOptions>;
    type Users = One;
    const TAG: usize = 6;
    const NAME: &'static str = "iterator options";
    fn table() -> &'static Table<RwLock<IterOptions>, One> {
        &ITER_OPTIONS
    }
}

/// The core's options of a handle; those of NULL are the defaults.
pub(crate) fn to_core(options: *const bitcask_iter_options) -> Result<IterOptions, Failure> {
    if options.is_null() {
        return Ok(IterOptions::new());
    }
    let options = enter(options)?;
    let options = options.try_read().map_err(|_| Failure::in_use(bitcask_iter_options::NAME))?;
    Ok(options.clone())
}

/// Changes options inside of the guard.
///
/// # Safety
/// `error` is NULL or may be written.
unsafe fn set(
    options: *mut bitcask_iter_options,
    error: *mut *mut bitcask_error,
    change: impl FnOnce(IterOptions) -> Result<IterOptions, Failure>,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let options = enter(options)?;
            let mut options = options.try_write().map_err(|_| Failure::in_use(bitcask_iter_options::NAME))?;
            *options = change(options.clone())?;
            Ok(Status::Ok)
        })
    }
}

/// Options at their defaults: all keys with their values, ascending. NULL only if there are no handles left.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_iter_options_new() -> *mut bitcask_iter_options {
    insert(RwLock::new(IterOptions::new())).unwrap_or(std::ptr::null_mut())
}

/// Frees options. Does nothing for NULL, or if they were freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_iter_options_free(options: *mut bitcask_iter_options) {
    free(options);
}

/// Only keys that begin with these bytes, which are copied. None: all.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_options_set_prefix(
    options: *mut bitcask_iter_options,
    prefix: *const u8,
    prefix_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `prefix` and `error`.
    unsafe { set(options, error, |options| Ok(options.prefix(bytes(prefix, prefix_len, "prefix")?))) }
}

/// Only keys above a bound, or at it if inclusive. The bound is copied and need not be a valid key. The direction
/// does not change which bound is which.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_options_set_start(
    options: *mut bitcask_iter_options,
    key: *const u8,
    key_len: usize,
    inclusive: bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key` and `error`.
    unsafe { set(options, error, |options| Ok(options.start(bound(bytes(key, key_len, "key")?, inclusive)))) }
}

/// Only keys below a bound, or at it if inclusive, as with bitcask_iter_options_set_start. A range whose end lies
/// before its start is empty.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_options_set_end(
    options: *mut bitcask_iter_options,
    key: *const u8,
    key_len: usize,
    inclusive: bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key` and `error`.
    unsafe { set(options, error, |options| Ok(options.end(bound(bytes(key, key_len, "key")?, inclusive)))) }
}

fn bound(key: &[u8], inclusive: bool) -> Bound<&[u8]> {
    if inclusive { Bound::Included(key) } else { Bound::Excluded(key) }
}

/// Descending order.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_options_set_reverse(
    options: *mut bitcask_iter_options,
    yes: bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { set(options, error, |options| Ok(options.reverse(yes))) }
}

/// At most so many records, from each bitcask_iter_rewind or bitcask_iter_seek on.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_options_set_limit(
    options: *mut bitcask_iter_options,
    records: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { set(options, error, |options| Ok(options.limit(records))) }
}

/// Keys without values: values are never read, and are given as empty.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_options_set_keys_only(
    options: *mut bitcask_iter_options,
    yes: bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { set(options, error, |options| Ok(options.keys_only(yes))) }
}
