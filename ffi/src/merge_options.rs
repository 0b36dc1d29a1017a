//! How one merge runs: which files, how fast, and who is told.

use std::ffi::c_void;
use std::ops::ControlFlow;
use std::sync::RwLock;

use engine::{FileId, MergeOptions, MergeProgress, Status};

use crate::args::array;
use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::{Handle, One, enter, free, insert};
use crate::table::Table;

/// How one merge runs. Owned by the caller, who frees it with bitcask_merge_options_free. For one thread at a time while it is
/// being set; then threads may share it.
#[derive(Debug)]
pub struct bitcask_merge_options {
    _opaque: (),
}

static MERGE_OPTIONS: Table<RwLock<MergeOptions>, One> = Table::new();

impl Handle for bitcask_merge_options {
    type Object = RwLock<MergeOptions>;
    type Users = One;
    const TAG: usize = 13;
    const NAME: &'static str = "merge options";
    fn table() -> &'static Table<RwLock<MergeOptions>, One> {
        &MERGE_OPTIONS
    }
}

/// The core's options of a handle; those of NULL are the defaults.
pub(crate) fn to_core(options: *const bitcask_merge_options) -> Result<MergeOptions, Failure> {
    if options.is_null() {
        return Ok(MergeOptions::new());
    }
    let options = enter(options)?;
    let options = options.try_read().map_err(|_| Failure::in_use(bitcask_merge_options::NAME))?;
    Ok(options.clone())
}

/// Changes options inside of the guard.
///
/// # Safety
/// `error` is NULL or may be written.
unsafe fn set(
    options: *mut bitcask_merge_options,
    error: *mut *mut bitcask_error,
    change: impl FnOnce(MergeOptions) -> Result<MergeOptions, Failure>,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let options = enter(options)?;
            let mut options = options.try_write().map_err(|_| Failure::in_use(bitcask_merge_options::NAME))?;
            *options = change(options.clone())?;
            Ok(Status::Ok)
        })
    }
}

/// Options at their defaults: a merge of the files that the store's policy finds worth it, as fast as it goes. NULL only if there are no
/// handles left.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_merge_options_new() -> *mut bitcask_merge_options {
    insert(RwLock::new(MergeOptions::new())).unwrap_or(std::ptr::null_mut())
}

/// Frees options. Does nothing for NULL, or if they were freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_merge_options_free(options: *mut bitcask_merge_options) {
    free(options);
}

/// Merges these data files, of which files has the numbers (see bitcask_file_stats), and no others, whatever the policy finds. If the
/// log ends in one of them, it goes on in a new one. The numbers are copied; whether such files are there is checked by bitcask_merge.
/// files may be NULL if count is 0, which merges nothing.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE, BITCASK_INVALID_ARGUMENT for a count that no array can have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_merge_options_set_files(
    options: *mut bitcask_merge_options,
    files: *const u32,
    count: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `files` and `error`.
    unsafe {
        set(options, error, |options| {
            let files: Vec<_> = array(files, count, "files")?.iter().map(|&id| FileId(id)).collect();
            Ok(options.files(&files))
        })
    }
}

/// Whether to merge all data files, if none were chosen. The log goes on in a new one. Needs as much free space as the live records
/// take.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_merge_options_set_everything(
    options: *mut bitcask_merge_options,
    yes: bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { set(options, error, |options| Ok(options.everything(yes))) }
}

/// Reads and writes at most so many bytes a second together; 0, the default, is without limit.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_merge_options_set_bytes_per_second(
    options: *mut bitcask_merge_options,
    bytes: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe { set(options, error, |options| Ok(options.bytes_per_second(bytes))) }
}

/// Is told how far a merge is: of bytes_total bytes of data files that are merged, 0 while it sweeps what has expired and does not know yet. bytes_read and bytes_written are what it read and wrote
/// so far; files are read more than once, to be checked, and for what is alive in them, and copies are read back. Returns 0 to go on,
/// anything else to stop the merge, which then gives BITCASK_CANCELLED. It must not throw or jump out.
pub type bitcask_merge_progress_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, bytes_total: u64, bytes_read: u64, bytes_written: u64) -> i32>;

/// A callback with what it is given.
struct Told(unsafe extern "C" fn(*mut c_void, u64, u64, u64) -> i32, *mut c_void);

// SAFETY: the caller of bitcask_merge_options_set_progress promises that any thread that merges may call it.
unsafe impl Send for Told {}
// SAFETY: the same.
unsafe impl Sync for Told {}

impl Told {
    fn tell(&self, at: &MergeProgress) -> ControlFlow<()> {
        // SAFETY: the caller of bitcask_merge_options_set_progress promises that it may be called with this.
        match unsafe { (self.0)(self.1, at.bytes_total, at.bytes_read, at.bytes_written) } {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

/// Has callback told of the progress of each merge with these options: when it begins, and then now and then, at the least every 20 ms while
/// it is paused or slowed down, so that a merge can be stopped from there. NULL tells nobody, which is the default.
///
/// It is called inside of bitcask_merge, by its thread, and may use all stores; but another merge of this one, or closing it, would wait for the
/// merge, and is BITCASK_INVALID_ARGUMENT. user_data is handed to it as it is, and must be good for as long as stores are merged with
/// these options; if several threads merge with them at once, so must callback be for several threads.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_merge_options_set_progress(
    options: *mut bitcask_merge_options,
    callback: bitcask_merge_progress_fn,
    user_data: *mut c_void,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |options| {
            Ok(match callback {
                Some(callback) => {
                    let told = Told(callback, user_data);
                    options.progress(move |at| told.tell(at))
                }
                None => options.no_progress(),
            })
        })
    }
}
