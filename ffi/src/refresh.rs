//! Stores that are opened for reading only beside a writer in another process: catching up with it.

use engine::Status;

use crate::args::Out;
use crate::error::bitcask_error;
use crate::guard::guard;
use crate::handles::enter_here;
use crate::store::bitcask_db;

/// Catches up with the writer in another process, if the store was opened for reading only
/// (bitcask_options_set_read_only): what was acknowledged there before this call is shown from now on, each commit whole.
/// *changed tells whether anything new is shown; changed may be NULL.
///
/// What is new is read and nothing else; only where the writer took something back, or files came or went, all is loaded
/// anew, beside what is shown until that is done. Iterators and values go on showing what they showed. With nothing new it
/// costs a few system calls. In a store that is open for writing it does nothing. Threads that refresh at once wait for each
/// other; reads go on meanwhile.
///
/// Errors: BITCASK_CORRUPTED where the log is damaged (what was shown before still is), BITCASK_NO_STORE if the directory has
/// no data files any more, BITCASK_IO, BITCASK_CLOSED, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_refresh(
    db: *mut bitcask_db,
    changed: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `changed` and `error`.
    unsafe {
        guard(error, || {
            let place = if changed.is_null() { None } else { Some(Out::new(changed, "changed")?) };
            let refreshed = enter_here(db)?.db.refresh()?;
            if let Some(place) = place {
                place.set(refreshed.is_changed());
            }
            Ok(Status::Ok)
        })
    }
}
