//! Reports: what the library tells of something once, in figures and lists that never change. Each kind is a C type of its own; all live in one
//! table, because numbers of types are few, and each call looks whether the report is of the type that it is for.

use std::any::Any;
use std::ffi::{CStr, CString, c_char};

use crate::args::Out;
use crate::error::{Failure, bitcask_error};
use crate::guard::{Outcome, guard};
use crate::handles::{Handle, One, enter, free, invalid, new_handle};
use crate::table::Table;

pub(crate) type Report = Box<dyn Any + Send + Sync>;

static REPORTS: Table<Report, One> = Table::new();

pub(crate) fn table() -> &'static Table<Report, One> {
    &REPORTS
}

/// The tag that all reports have.
pub(crate) const TAG: usize = 11;

/// A C type of reports.
pub(crate) trait Tells: Handle<Object = Report, Users = One> {
    /// What is told.
    type What: Any + Send + Sync;
}

/// Makes a C type one of reports.
macro_rules! reports {
    ($handle:ty, $what:ty, $name:literal) => {
        impl $crate::handles::Handle for $handle {
            type Object = $crate::reports::Report;
            type Users = $crate::handles::One;
            const TAG: usize = $crate::reports::TAG;
            const NAME: &'static str = $name;
            fn table() -> &'static $crate::table::Table<$crate::reports::Report, $crate::handles::One> {
                $crate::reports::table()
            }
        }

        impl $crate::reports::Tells for $handle {
            type What = $what;
        }
    };
}
pub(crate) use reports;

/// Gives a report to the caller.
pub(crate) fn give<H: Tells>(what: H::What) -> Result<*mut H, Failure> {
    let report: Report = Box::new(what);
    new_handle(report)
}

/// Looks into a report.
pub(crate) fn look<H: Tells, R>(
    report: *const H,
    call: impl FnOnce(&H::What) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let report = enter(report)?;
    call(report.downcast_ref().ok_or_else(invalid::<H>)?)
}

/// Runs a call on a report that can tell of a failure by its status alone.
pub(crate) fn tell<H: Tells>(report: *const H, call: impl FnOnce(&H::What) -> Outcome) -> i32 {
    // SAFETY: NULL is allowed.
    unsafe { guard(std::ptr::null_mut::<*mut bitcask_error>(), || look(report, call)) }
}

/// Frees a report if it is of this type.
pub(crate) fn free_report<H: Tells>(report: *const H) {
    if look(report, |_| Ok(())).is_ok() {
        free(report);
    }
}

/// Lends a list of numbers of data files.
///
/// # Safety
/// Unless they are NULL, `files` and `count` can be written until the call ends.
pub(crate) unsafe fn lend_files(list: &[u32], files: *mut *const u32, count: *mut usize) -> Result<(), Failure> {
    // SAFETY: the caller's promises.
    let (files, count) = unsafe { (Out::new(files, "files")?, Out::new(count, "count")?) };
    files.set(list.as_ptr());
    count.set(list.len());
    Ok(())
}

/// Lends a text of a report; "" if there is none.
pub(crate) fn lend_text<H: Tells>(
    report: *const H,
    text: impl for<'a> FnOnce(&'a H::What) -> Option<&'a CString>,
) -> *const c_char {
    let lent = look(report, |what| Ok(text(what).map(|text| text.as_ptr())));
    lent.ok().flatten().unwrap_or(CStr::as_ptr(c""))
}
