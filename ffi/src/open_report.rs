//! What opening a store found and did.

use std::ffi::{CString, c_char};
use std::path::Path;

use engine::{OpenReport, Status};

use crate::args::{Figures, Out};
use crate::error::{Failure, bitcask_error, c_string};
use crate::guard::guard;
use crate::handles::enter_here;
use crate::reports::{free_report, give, lend_text, reports, tell};
use crate::store::bitcask_db;

/// Index into the figures of an opening: data files found.
pub const BITCASK_OPEN_FILES: usize = 0;
/// Files whose index entries came from a hint, at least in part.
pub const BITCASK_OPEN_FILES_FROM_HINT: usize = 1;
/// Records read from hints.
pub const BITCASK_OPEN_HINT_RECORDS: usize = 2;
/// 1 if a saved index was used, so that only what follows BITCASK_OPEN_INDEX_SEQ was read; else 0.
pub const BITCASK_OPEN_INDEX_USED: usize = 3;
/// Sequence number of the last commit that this index had.
pub const BITCASK_OPEN_INDEX_SEQ: usize = 4;
/// Records read from data files.
pub const BITCASK_OPEN_SCANNED_RECORDS: usize = 5;
/// Sequence number of the last commit found.
pub const BITCASK_OPEN_LAST_SEQ: usize = 6;
/// Number of the data file that new records go to; 0 for a store that is opened for reading only.
pub const BITCASK_OPEN_ACTIVE_FILE: usize = 7;
/// How many findings of BITCASK_OPEN_DAMAGE there are.
pub const BITCASK_OPEN_DAMAGED_PLACES: usize = 8;
/// How many of BITCASK_OPEN_TORN_TAIL.
pub const BITCASK_OPEN_TORN_TAILS: usize = 9;
/// How many of BITCASK_OPEN_UNUSABLE_HINT.
pub const BITCASK_OPEN_UNUSABLE_HINTS: usize = 10;
/// How many figures of an opening this header knows. A later library may know more.
pub const BITCASK_OPEN_COUNT: usize = 11;

/// For bitcask_open_report_finding: a place in a file that holds no valid record where one should be. Reading a key that is hit is
/// BITCASK_CORRUPTED. len bytes lie between offset and the next valid record, or the end of the file; text says what is wrong.
pub const BITCASK_OPEN_DAMAGE: i32 = 0;
/// A torn tail that opening cut off (or, opened for reading only, left out): the log ends at offset now, and len bytes were behind it.
/// text is the path of a copy of these bytes if valid records were among them, else "".
pub const BITCASK_OPEN_TORN_TAIL: i32 = 1;
/// A hint that could not be used, which only took longer. text says why; offset and len are 0.
pub const BITCASK_OPEN_UNUSABLE_HINT: i32 = 2;

/// What opening a store found and did. Owned by the caller, who frees it with bitcask_open_report_free; it outlives the store. It never
/// changes, so threads may share it.
#[derive(Debug)]
pub struct bitcask_open_report {
    _opaque: (),
}

/// Something that opening found. The strings belong to the report; they are never NULL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bitcask_finding {
    /// The file, NUL-terminated, as the operating system takes it.
    pub path: *const c_char,
    /// Where in that file, in bytes from its beginning.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// What is to be said of it, NUL-terminated.
    pub text: *const c_char,
}

#[derive(Debug)]
pub(crate) struct Finding {
    path: CString,
    offset: u64,
    len: u64,
    text: CString,
}

/// What a `bitcask_open_report` stands for.
#[derive(Debug)]
pub(crate) struct Opened {
    figures: [u64; BITCASK_OPEN_COUNT],
    /// By what they are: damage, torn tails, unusable hints.
    findings: [Vec<Finding>; 3],
    unusable_index: CString,
}

reports!(bitcask_open_report, Opened, "open report");

fn path(path: &Path) -> CString {
    c_string(path.as_os_str().as_encoded_bytes().to_vec())
}

fn text(text: &str) -> CString {
    c_string(text.as_bytes().to_vec())
}

impl From<&OpenReport> for Opened {
    fn from(report: &OpenReport) -> Opened {
        let mut figures = [0; BITCASK_OPEN_COUNT];
        figures[BITCASK_OPEN_FILES] = report.files;
        figures[BITCASK_OPEN_FILES_FROM_HINT] = report.files_from_hint;
        figures[BITCASK_OPEN_HINT_RECORDS] = report.hint_records;
        figures[BITCASK_OPEN_INDEX_USED] = report.index_from.is_some().into();
        figures[BITCASK_OPEN_INDEX_SEQ] = report.index_from.map_or(0, |seq| seq.0);
        figures[BITCASK_OPEN_SCANNED_RECORDS] = report.scanned_records;
        figures[BITCASK_OPEN_LAST_SEQ] = report.last_seq.0;
        figures[BITCASK_OPEN_ACTIVE_FILE] = report.active_file.map_or(0, |id| id.0.into());
        figures[BITCASK_OPEN_DAMAGED_PLACES] = report.damage.len() as u64;
        figures[BITCASK_OPEN_TORN_TAILS] = report.torn.len() as u64;
        figures[BITCASK_OPEN_UNUSABLE_HINTS] = report.unusable_hints.len() as u64;
        let damage = report.damage.iter().map(|place| Finding {
            path: path(&place.path),
            offset: place.offset,
            len: place.len,
            text: text(&place.what),
        });
        let torn = report.torn.iter().map(|tail| Finding {
            path: path(&tail.path),
            offset: tail.offset,
            len: tail.len,
            text: tail.kept_as.as_deref().map(path).unwrap_or_default(),
        });
        let hints = report.unusable_hints.iter().map(|(file, why)| Finding {
            path: path(file),
            offset: 0,
            len: 0,
            text: text(why),
        });
        let unusable_index = report.unusable_index.as_deref().map(text).unwrap_or_default();
        Opened { figures, findings: [damage.collect(), torn.collect(), hints.collect()], unusable_index }
    }
}

/// What opening the store found and did, which never changes: *report is owned by the caller, who frees it with bitcask_open_report_free.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_report_of_opening(
    db: *mut bitcask_db,
    report: *mut *mut bitcask_open_report,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `report` and `error`.
    unsafe {
        guard(error, || {
            let (place, store) = (Out::new(report, "report")?, enter_here(db)?);
            place.set(give::<bitcask_open_report>(store.db.open_report().into())?);
            Ok(Status::Ok)
        })
    }
}

/// An opening in figures: writes at most capacity of them to figures, where BITCASK_OPEN_FILES and so on are the indexes, and tells in *count
/// how many this library knows. figures may be NULL if capacity is 0.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_open_report_figures(
    report: *const bitcask_open_report,
    figures: *mut u64,
    capacity: usize,
    count: *mut usize,
) -> i32 {
    tell(report, |opened| {
        // SAFETY: the caller's promises for `figures` and `count`.
        unsafe { Figures::new(figures, capacity, count)? }.set(&opened.figures);
        Ok(Status::Ok)
    })
}

/// Something that opening found: which is BITCASK_OPEN_DAMAGE, _TORN_TAIL or _UNUSABLE_HINT, and index is below their number among the
/// figures. The strings of *finding live as long as the report.
///
/// Errors: BITCASK_INVALID_ARGUMENT for another kind or an index that is none, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_open_report_finding(
    report: *const bitcask_open_report,
    which: i32,
    index: usize,
    finding: *mut bitcask_finding,
) -> i32 {
    tell(report, |opened| {
        // SAFETY: the caller's promise for `finding`.
        let place = unsafe { Out::new(finding, "finding")? };
        let kind = usize::try_from(which).ok().and_then(|which| opened.findings.get(which));
        let found = kind.ok_or_else(|| Failure::unknown("finding", which))?;
        let found = found
            .get(index)
            .ok_or_else(|| Failure::invalid(format!("there are {} of them, and no {index}", found.len())))?;
        place.set(bitcask_finding {
            path: found.path.as_ptr(),
            offset: found.offset,
            len: found.len,
            text: found.text.as_ptr(),
        });
        Ok(Status::Ok)
    })
}

/// Why a saved index that was there was not used, in English, NUL-terminated UTF-8; "" if there was none or it was used, and for NULL or a freed
/// report. It lives as long as the report.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_open_report_unusable_index(report: *const bitcask_open_report) -> *const c_char {
    lend_text(report, |opened| Some(&opened.unusable_index))
}

/// Frees a report, with the strings in it. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_open_report_free(report: *mut bitcask_open_report) {
    free_report(report);
}
