//! The part of a store's options that says when files are worth a merge, and which, and whether merges run in the background.

use engine::MergePolicy;

use crate::error::{Failure, bitcask_error};
use crate::options::{bitcask_options, set};

/// For both hours of bitcask_options_set_merge_window: merges are needed at any hour.
pub const BITCASK_MERGE_ANY_HOUR: i32 = -1;

/// Changes the policy inside of the guard.
///
/// # Safety
/// `error` is NULL or may be written.
unsafe fn change(
    options: *mut bitcask_options,
    error: *mut *mut bitcask_error,
    change: impl FnOnce(MergePolicy) -> Result<MergePolicy, Failure>,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        set(options, error, |chosen| {
            chosen.merge = change(chosen.merge)?;
            Ok(())
        })
    }
}

/// Above 100 all percentages say the same: never.
fn percentage(percent: u32) -> u8 {
    u8::try_from(percent).unwrap_or(u8::MAX)
}

/// Share of a data file's records, by bytes and in percent, from which on it starts a merge if they are dead: one file beyond a trigger starts a
/// merge, all files beyond a threshold join it. 60 unless it is set; above 100 never.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_frag_merge_trigger(
    options: *mut bitcask_options,
    percent: u32,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { change(options, error, |policy| Ok(policy.frag_merge_trigger(percentage(percent)))) }
}

/// Dead bytes of a data file from which on it starts a merge. 512 MiB unless it is set.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_dead_bytes_merge_trigger(
    options: *mut bitcask_options,
    bytes: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { change(options, error, |policy| Ok(policy.dead_bytes_merge_trigger(bytes))) }
}

/// Dead share in percent from which on a data file joins a merge. 40 unless it is set; above 100 never.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_frag_threshold(
    options: *mut bitcask_options,
    percent: u32,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { change(options, error, |policy| Ok(policy.frag_threshold(percentage(percent)))) }
}

/// Dead bytes from which on a data file joins a merge. 128 MiB unless it is set.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_dead_bytes_threshold(
    options: *mut bitcask_options,
    bytes: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { change(options, error, |policy| Ok(policy.dead_bytes_threshold(bytes))) }
}

/// Data files shorter than this join a merge. 10 MiB unless it is set; 0 for none.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_small_file_threshold(
    options: *mut bitcask_options,
    bytes: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { change(options, error, |policy| Ok(policy.small_file_threshold(bytes))) }
}

/// Whether a thread of the store merges by itself what is worth it, if the store is opened for writing; bitcask_last_background_merge tells what came of it.
/// true unless it is set; with false space is given back by bitcask_merge alone. The thread is started when there is a second data file, and sleeps until
/// files come or records die; no read and no write fails because of it. In a forked child there is none.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_background_merge(
    options: *mut bitcask_options,
    yes: bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.update(|options| options.background_merge(yes));
            Ok(())
        })
    }
}

/// Merges in the background read and write at most so many bytes a second together; 0, the default, is without limit. For merges by hand there is
/// bitcask_merge_options_set_bytes_per_second.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_merge_bytes_per_second(
    options: *mut bitcask_options,
    bytes_per_second: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { change(options, error, |policy| Ok(policy.bytes_per_second(bytes_per_second))) }
}

/// The first and the last hour of the day (UTC, 0 to 23) in which merges should run, and those in the background do; over midnight if the last is the
/// smaller one: from 22 to 4 is from 22:00 to 4:59. BITCASK_MERGE_ANY_HOUR for both, the default, is always.
///
/// Errors: BITCASK_INVALID_ARGUMENT for other hours, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_merge_window(
    options: *mut bitcask_options,
    from_hour: i32,
    to_hour: i32,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        change(options, error, |policy| {
            let hour = |hour| u8::try_from(hour).ok().filter(|hour| *hour < 24);
            match (hour(from_hour), hour(to_hour)) {
                (Some(from), Some(to)) => Ok(policy.window(Some((from, to)))),
                _ if (from_hour, to_hour) == (BITCASK_MERGE_ANY_HOUR, BITCASK_MERGE_ANY_HOUR) => {
                    Ok(policy.window(None))
                }
                _ => Err(Failure::invalid(format!(
                    "the merge window is from {from_hour} to {to_hour}; hours are 0 to 23"
                ))),
            }
        })
    }
}
