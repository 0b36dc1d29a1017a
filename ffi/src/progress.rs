//! The callback that is told of an opening's progress, and may stop it.

use std::ffi::c_void;
use std::ops::ControlFlow;

use engine::{OpenPhase, OpenProgress};

use crate::error::bitcask_error;
use crate::options::{bitcask_options, set};

/// Hints and data files are read into the index.
pub const BITCASK_OPEN_READ: i32 = 0;
/// All was read; what is left is short.
pub const BITCASK_OPEN_FINISH: i32 = 1;

/// Is told how far an opening is. phase is BITCASK_OPEN_READ or BITCASK_OPEN_FINISH, or one that a later library knows; bytes_done of
/// bytes_total bytes of data files are in the index by now; records is the number of records read so far. Returns 0 to go on, anything
/// else to stop the opening, which then gives BITCASK_CANCELLED. It must not throw or jump out.
pub type bitcask_progress_fn = Option<
    unsafe extern "C" fn(user_data: *mut c_void, phase: i32, bytes_done: u64, bytes_total: u64, records: u64) -> i32,
>;

type Callback = unsafe extern "C" fn(*mut c_void, i32, u64, u64, u64) -> i32;

/// A callback with what it is given.
struct Told(Callback, *mut c_void);

// SAFETY: the caller of bitcask_options_set_progress promises that any thread that opens may call it.
unsafe impl Send for Told {}
// SAFETY: the same.
unsafe impl Sync for Told {}

impl Told {
    fn tell(&self, progress: &OpenProgress) -> ControlFlow<()> {
        let phase = match progress.phase {
            OpenPhase::Read => BITCASK_OPEN_READ,
            _ => BITCASK_OPEN_FINISH,
        };
        // SAFETY: the caller of bitcask_options_set_progress promises that it may be called with this.
        match unsafe { (self.0)(self.1, phase, progress.bytes_done, progress.bytes_total, progress.records) } {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

/// Has callback told of the progress of each opening with these options: when it begins, once in 8 MiB of data files, and when all was
/// read. NULL tells nobody, which is the default.
///
/// It is called inside of bitcask_open, by its thread. An opening that it stops has changed nothing that an opening would not change, and
/// leaves nothing locked. user_data is handed to it as it is, and must be good for as long as stores are opened with these options; if
/// several threads open with them at once, so must callback be for several threads. It may use other stores, and not these options.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_progress(
    options: *mut bitcask_options,
    callback: bitcask_progress_fn,
    user_data: *mut c_void,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.update(|options| match callback {
                Some(callback) => {
                    let told = Told(callback, user_data);
                    options.on_progress(move |progress| told.tell(progress))
                }
                None => options.no_progress(),
            });
            Ok(())
        })
    }
}
