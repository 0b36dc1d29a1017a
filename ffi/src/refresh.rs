//! Stores that are opened for reading only beside a writer in another process: catching up with it.

use engine::{Refreshed, Status};

use crate::args::{Figures, set_unless_null};
use crate::error::bitcask_error;
use crate::guard::guard;
use crate::handles::enter_here;
use crate::store::bitcask_db;

/// Index into the figures of bitcask_refresh_figures: puts and deletes that are shown now and were not before. Where all was loaded anew, all
/// that were read for it.
pub const BITCASK_REFRESH_RECORDS: usize = 0;
/// 1 if all was loaded anew, because files came or went or the writer took something back; else 0.
pub const BITCASK_REFRESH_RELOADED: usize = 1;
/// Sequence number of the last commit that is shown.
pub const BITCASK_REFRESH_LAST_SEQ: usize = 2;
/// How many figures this header knows. A later library may know more.
pub const BITCASK_REFRESH_COUNT: usize = 3;

/// Catches up with the writer in another process, if the store was opened for reading only
/// (bitcask_options_set_read_only): what was acknowledged there before this call is shown from now on, each commit whole.
/// *changed tells whether anything new may be shown; changed may be NULL. bitcask_refresh_figures tells more.
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
            let refreshed = enter_here(db)?.db.refresh()?;
            set_unless_null(changed, refreshed.is_changed());
            Ok(Status::Ok)
        })
    }
}

/// Catches up as bitcask_refresh does, and tells in figures what that came to: writes at most capacity of them to figures, where
/// BITCASK_REFRESH_RECORDS and so on are the indexes, and tells in *count how many this library knows. figures may be NULL if capacity is 0.
/// Something new may be shown if there are records or all was loaded anew.
///
/// Errors: as bitcask_refresh, and BITCASK_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_refresh_figures(
    db: *mut bitcask_db,
    figures: *mut u64,
    capacity: usize,
    count: *mut usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `figures`, `count` and `error`.
    unsafe {
        guard(error, || {
            let place = Figures::new(figures, capacity, count)?;
            place.set(&figures_of(enter_here(db)?.db.refresh()?));
            Ok(Status::Ok)
        })
    }
}

fn figures_of(refreshed: Refreshed) -> [u64; BITCASK_REFRESH_COUNT] {
    let mut figures = [0; BITCASK_REFRESH_COUNT];
    figures[BITCASK_REFRESH_RECORDS] = refreshed.records;
    figures[BITCASK_REFRESH_RELOADED] = refreshed.reloaded.into();
    figures[BITCASK_REFRESH_LAST_SEQ] = refreshed.last_seq.0;
    figures
}
