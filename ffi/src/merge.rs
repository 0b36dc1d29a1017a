//! Merges: running one, whether one would be worth it, and holding them up.

use std::ffi::{CString, c_char};

use engine::{FileId, MergeNeed, MergeReport, Status};

use crate::args::{Figures, Out, set_unless_null};
use crate::error::{Failure, bitcask_error, c_string, new_error};
use crate::guard::guard;
use crate::handles::enter_here;
use crate::merge_options::{bitcask_merge_options, to_core};
use crate::reports::{free_report, give, lend_files, lend_text, reports, tell};
use crate::store::bitcask_db;

/// Index into the figures of a merge's report: length of the data files that were merged and are gone, in bytes.
pub const BITCASK_MERGE_REMOVED_BYTES: usize = 0;
/// Length of the data files that were made of them, in bytes.
pub const BITCASK_MERGE_CREATED_BYTES: usize = 1;
/// Live records that were copied.
pub const BITCASK_MERGE_COPIED_RECORDS: usize = 2;
/// Of these, records that were still the newest of their key when all were copied.
pub const BITCASK_MERGE_INSTALLED_RECORDS: usize = 3;
/// Overwritten and deleted records that are gone.
pub const BITCASK_MERGE_DROPPED_RECORDS: usize = 4;
/// Deletes that were copied, because something older may be left that they hide.
pub const BITCASK_MERGE_COPIED_TOMBSTONES: usize = 5;
/// Deletes that are gone.
pub const BITCASK_MERGE_DROPPED_TOMBSTONES: usize = 6;
/// Bytes read.
pub const BITCASK_MERGE_BYTES_READ: usize = 7;
/// Bytes written.
pub const BITCASK_MERGE_BYTES_WRITTEN: usize = 8;
/// Keys that had expired and were deleted before anything was merged.
pub const BITCASK_MERGE_SWEPT_KEYS: usize = 9;
/// How many figures of a merge's report this header knows. A later library may know more.
pub const BITCASK_MERGE_COUNT: usize = 10;

/// For bitcask_merge_report_files: data files that were merged and are gone.
pub const BITCASK_MERGE_REMOVED_FILES: i32 = 0;
/// Data files that were made of them.
pub const BITCASK_MERGE_CREATED_FILES: i32 = 1;
/// Data files that were to be merged and were not; bitcask_merge_report_reason tells why.
pub const BITCASK_MERGE_SKIPPED_FILES: i32 = 2;

/// Index into the figures of a need: bytes that a merge would give back, about.
pub const BITCASK_MERGE_NEED_RECLAIMABLE_BYTES: usize = 0;
/// 1 if the hour is one at which merges should run (bitcask_options_set_merge_window), else 0.
pub const BITCASK_MERGE_NEED_IN_WINDOW: usize = 1;
/// How many figures of a need this header knows. A later library may know more.
pub const BITCASK_MERGE_NEED_COUNT: usize = 2;

/// What a merge did. Owned by the caller, who frees it with bitcask_merge_report_free; it outlives the store. It never changes, so threads
/// may share it.
#[derive(Debug)]
pub struct bitcask_merge_report {
    _opaque: (),
}

/// Why a merge would be worth its while, and of which files. As bitcask_merge_report.
#[derive(Debug)]
pub struct bitcask_merge_need {
    _opaque: (),
}

/// What a `bitcask_merge_report` stands for.
#[derive(Debug)]
pub(crate) struct Done {
    figures: [u64; BITCASK_MERGE_COUNT],
    removed: Vec<u32>,
    created: Vec<u32>,
    skipped: Vec<u32>,
    reasons: Vec<CString>,
}

/// What a `bitcask_merge_need` stands for.
#[derive(Debug)]
pub(crate) struct Need {
    figures: [u64; BITCASK_MERGE_NEED_COUNT],
    files: Vec<u32>,
    reason: CString,
}

reports!(bitcask_merge_report, Done, "merge report");
reports!(bitcask_merge_need, Need, "merge need");

fn ids(files: &[FileId]) -> Vec<u32> {
    files.iter().map(|id| id.0).collect()
}

impl From<MergeReport> for Done {
    fn from(report: MergeReport) -> Done {
        let mut figures = [0; BITCASK_MERGE_COUNT];
        figures[BITCASK_MERGE_REMOVED_BYTES] = report.removed_bytes;
        figures[BITCASK_MERGE_CREATED_BYTES] = report.created_bytes;
        figures[BITCASK_MERGE_COPIED_RECORDS] = report.copied_records;
        figures[BITCASK_MERGE_INSTALLED_RECORDS] = report.installed_records;
        figures[BITCASK_MERGE_DROPPED_RECORDS] = report.dropped_records;
        figures[BITCASK_MERGE_COPIED_TOMBSTONES] = report.copied_tombstones;
        figures[BITCASK_MERGE_DROPPED_TOMBSTONES] = report.dropped_tombstones;
        figures[BITCASK_MERGE_BYTES_READ] = report.bytes_read;
        figures[BITCASK_MERGE_BYTES_WRITTEN] = report.bytes_written;
        figures[BITCASK_MERGE_SWEPT_KEYS] = report.swept_keys;
        let (skipped, reasons) =
            report.skipped_files.into_iter().map(|(id, why)| (id.0, c_string(why.into_bytes()))).unzip();
        Done { figures, removed: ids(&report.removed_files), created: ids(&report.created_files), skipped, reasons }
    }
}

impl From<MergeNeed> for Need {
    fn from(need: MergeNeed) -> Need {
        let mut figures = [0; BITCASK_MERGE_NEED_COUNT];
        figures[BITCASK_MERGE_NEED_RECLAIMABLE_BYTES] = need.reclaimable_bytes;
        figures[BITCASK_MERGE_NEED_IN_WINDOW] = need.is_in_window.into();
        Need { figures, files: ids(&need.files), reason: c_string(need.reason.into_bytes()) }
    }
}

/// Reclaims what is dead: copies what is alive out of some data files into new ones, and removes them. Reads and writes go on beside it.
/// Returns when it is done, or at once if nothing is worth it. One merge of a store runs at a time; a second call waits for the first.
///
/// options may be NULL for the defaults. *report is owned by the caller, who frees it with bitcask_merge_report_free; report may be NULL.
/// A data file that has bytes which no record accounts for is left as it is, and told in the report.
///
/// Errors: BITCASK_CANCELLED by the callback of bitcask_merge_options_set_progress, BITCASK_INVALID_ARGUMENT for a file that is not there or
/// in such a callback of this store, BITCASK_READ_ONLY, BITCASK_CLOSED (also if the store is closed meanwhile), BITCASK_FORKED,
/// BITCASK_WRITES_STOPPED, BITCASK_CORRUPTED, BITCASK_IO, BITCASK_DISK_FULL. The store is as it was then, but for files that
/// are done already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_merge(
    db: *mut bitcask_db,
    options: *const bitcask_merge_options,
    report: *mut *mut bitcask_merge_report,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `report` and `error`.
    unsafe {
        guard(error, || {
            let (place, store) = (Out::new(report, "report").ok(), enter_here(db)?);
            let done = store.db.merge(&to_core(options)?)?;
            if let Some(place) = place {
                place.set(give::<bitcask_merge_report>(done.into())?);
            }
            Ok(Status::Ok)
        })
    }
}

/// Whether a merge would be worth its while by the store's policy (bitcask_options_set_frag_merge_trigger and the others):
/// BITCASK_OK or BITCASK_NOT_FOUND. *need tells why; it is owned by the caller, who frees it with bitcask_merge_need_free. need may be NULL.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_merge_needed(
    db: *mut bitcask_db,
    need: *mut *mut bitcask_merge_need,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `need` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(need, "need").ok();
            let Some(need) = enter_here(db)?.db.merge_needed()? else { return Ok(Status::NotFound) };
            if let Some(place) = place {
                place.set(give::<bitcask_merge_need>(need.into())?);
            }
            Ok(Status::Ok)
        })
    }
}

/// What the last merge in the background came to (bitcask_options_set_background_merge): *ended_ms is when it ended, in milliseconds since 1970 (UTC). If it
/// went well *report tells what it did; it is owned by the caller, who frees it with bitcask_merge_report_free. If it failed, *report is NULL, and *failure
/// tells why; it is owned by the caller, who frees it with bitcask_error_free; else it is NULL. Each of the three may be NULL.
///
/// Returns BITCASK_NOT_FOUND, and leaves them alone, before the first. How many there were is among the figures of bitcask_stats.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_last_background_merge(
    db: *mut bitcask_db,
    ended_ms: *mut u64,
    report: *mut *mut bitcask_merge_report,
    failure: *mut *mut bitcask_error,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `ended_ms`, `report`, `failure` and `error`.
    unsafe {
        guard(error, || {
            let (report, failure) = (Out::new(report, "report").ok(), Out::new(failure, "failure").ok());
            let Some(last) = enter_here(db)?.db.last_background_merge()? else { return Ok(Status::NotFound) };
            let (done, why) = match last.outcome {
                Ok(done) => (Some(done), None),
                Err(why) => (None, Some(why)),
            };
            if let Some(report) = report {
                report.set(match done {
                    Some(done) => give::<bitcask_merge_report>(done.into())?,
                    None => std::ptr::null_mut(),
                });
            }
            if let Some(failure) = failure {
                failure.set(why.map_or(std::ptr::null_mut(), |why| new_error(why.into())));
            }
            set_unless_null(ended_ms, last.ended.0);
            Ok(Status::Ok)
        })
    }
}

/// Makes merges of a store wait where they are, those that come later too, until bitcask_resume_merge.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_pause_merge(db: *mut bitcask_db, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        guard(error, || {
            enter_here(db)?.db.pause_merge()?;
            Ok(Status::Ok)
        })
    }
}

/// Lets merges go on.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_resume_merge(db: *mut bitcask_db, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        guard(error, || {
            enter_here(db)?.db.resume_merge()?;
            Ok(Status::Ok)
        })
    }
}

/// What a merge did in figures: writes at most capacity of them to figures, where BITCASK_MERGE_REMOVED_BYTES and so on are the indexes, and
/// tells in *count how many this library knows. figures may be NULL if capacity is 0.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_merge_report_figures(
    report: *const bitcask_merge_report,
    figures: *mut u64,
    capacity: usize,
    count: *mut usize,
) -> i32 {
    tell(report, |done| {
        // SAFETY: the caller's promises for `figures` and `count`.
        unsafe { Figures::new(figures, capacity, count)? }.set(&done.figures);
        Ok(Status::Ok)
    })
}

/// The numbers of data files of which the report tells, *count in *files: which is BITCASK_MERGE_REMOVED_FILES, _CREATED_FILES or
/// _SKIPPED_FILES. They live as long as the report. *files is never NULL.
///
/// Errors: BITCASK_INVALID_ARGUMENT for another list, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_merge_report_files(
    report: *const bitcask_merge_report,
    which: i32,
    files: *mut *const u32,
    count: *mut usize,
) -> i32 {
    tell(report, |done| {
        let list = match which {
            BITCASK_MERGE_REMOVED_FILES => &done.removed,
            BITCASK_MERGE_CREATED_FILES => &done.created,
            BITCASK_MERGE_SKIPPED_FILES => &done.skipped,
            _ => return Err(Failure::unknown("list of files", which)),
        };
        // SAFETY: the caller's promises for `files` and `count`.
        unsafe { lend_files(list, files, count)? };
        Ok(Status::Ok)
    })
}

/// Why a data file was left as it is: that at this index of BITCASK_MERGE_SKIPPED_FILES. In English, NUL-terminated UTF-8; it lives as long
/// as the report. "" for an index that is none, NULL or a freed report.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_merge_report_reason(report: *const bitcask_merge_report, index: usize) -> *const c_char {
    lend_text(report, |done| done.reasons.get(index))
}

/// Frees a report, with the numbers and texts in it. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_merge_report_free(report: *mut bitcask_merge_report) {
    free_report(report);
}

/// What a merge would give in figures: BITCASK_MERGE_NEED_RECLAIMABLE_BYTES and so on are the indexes; else as
/// bitcask_merge_report_figures.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_merge_need_figures(
    need: *const bitcask_merge_need,
    figures: *mut u64,
    capacity: usize,
    count: *mut usize,
) -> i32 {
    tell(need, |need| {
        // SAFETY: the caller's promises for `figures` and `count`.
        unsafe { Figures::new(figures, capacity, count)? }.set(&need.figures);
        Ok(Status::Ok)
    })
}

/// The numbers of the data files that a merge would take, *count in *files. They live as long as the need. *files is never NULL.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_merge_need_files(
    need: *const bitcask_merge_need,
    files: *mut *const u32,
    count: *mut usize,
) -> i32 {
    tell(need, |need| {
        // SAFETY: the caller's promises for `files` and `count`.
        unsafe { lend_files(&need.files, files, count)? };
        Ok(Status::Ok)
    })
}

/// What makes a merge worth it, in English, NUL-terminated UTF-8; it lives as long as the need. "" for NULL or a freed need.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_merge_need_reason(need: *const bitcask_merge_need) -> *const c_char {
    lend_text(need, |need| Some(&need.reason))
}

/// Frees a need, with the numbers and the text in it. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_merge_need_free(need: *mut bitcask_merge_need) {
    free_report(need);
}
