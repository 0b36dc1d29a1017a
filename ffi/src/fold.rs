//! All records, or keys, of one moment through a callback, and whether there are any.

use std::ffi::c_void;

use engine::{EntryPage, Error, Status};

use crate::args::Out;
use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::enter_here;
use crate::iter::bitcask_entry;
use crate::iter_options::{bitcask_iter_options, to_core};
use crate::store::bitcask_db;

/// Records and bytes fetched at once.
const PAGE: (usize, usize) = (1024, 256 << 10);

/// Gets a record, whose bytes are lent until it returns: not even their addresses are good afterwards. Returns 0 to go on, anything else to end.
/// It must not throw or jump out.
pub type bitcask_fold_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, record: *const bitcask_entry) -> i32>;

/// Calls callback with each record that the options say (NULL: all, ascending), as of one moment and in their order. With
/// bitcask_iter_options_set_keys_only values are empty and are not read. What an iterator gives step by step, by one call. The store may be read, written
/// and closed in callback.
///
/// Errors: BITCASK_CANCELLED if callback returned something else than 0, BITCASK_NULL_ARGUMENT without callback, else as bitcask_iter_new and
/// bitcask_iter_next_page.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_fold(
    db: *mut bitcask_db,
    options: *const bitcask_iter_options,
    callback: bitcask_fold_fn,
    user_data: *mut c_void,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `callback` and `error`.
    unsafe {
        guard(error, || {
            let callback = callback.ok_or_else(|| Failure::null("callback"))?;
            let (mut records, mut page) = (enter_here(db)?.db.iter(&to_core(options)?)?, EntryPage::new());
            loop {
                records.next_page(&mut page, PAGE.0, PAGE.1)?;
                if page.is_empty() {
                    return Ok(Status::Ok);
                }
                for (key, value) in page.iter() {
                    let record = bitcask_entry {
                        key: key.as_ptr(),
                        key_len: key.len(),
                        value: value.as_ptr(),
                        value_len: value.len(),
                    };
                    if callback(user_data, &record) != 0 {
                        return Err(Error::Cancelled.into());
                    }
                }
            }
        })
    }
}

/// Whether the store has no keys, in *empty, in O(1).
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_is_empty(
    db: *mut bitcask_db,
    empty: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `empty` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(empty, "empty")?;
            place.set(enter_here(db)?.db.is_empty()?);
            Ok(Status::Ok)
        })
    }
}
