//! Error objects: what failed and where, owned by the caller, and the type in which this crate carries failures.

use std::ffi::{CString, c_char};

use engine::{Error, Status};

use crate::handles::{Handle, One, enter, free, insert};
use crate::table::Table;

/// Why a call failed. Made by a call that was given a place for it; owned by the caller, who frees it with
/// bitcask_error_free. It never changes, so threads may share it.
#[derive(Debug)]
pub struct bitcask_error {
    _opaque: (),
}

/// A failure on its way to the caller. Boxed, so that calls that don't fail carry it around in a register.
#[derive(Debug)]
pub(crate) struct Failure(Box<Cause>);

/// The engine's, or one that only the boundary knows.
#[derive(Debug)]
enum Cause {
    Engine(Error),
    Boundary(Status, String),
}

impl From<Error> for Failure {
    #[cold]
    fn from(error: Error) -> Failure {
        Failure(Box::new(Cause::Engine(error)))
    }
}

impl Failure {
    #[cold]
    pub(crate) fn new(status: Status, message: String) -> Failure {
        Failure(Box::new(Cause::Boundary(status, message)))
    }

    #[cold]
    pub(crate) fn null(what: &str) -> Failure {
        Failure::new(Status::NullArgument, format!("{what} is NULL"))
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Failure {
        Failure::new(Status::InvalidArgument, format!("invalid argument: {}", what.into()))
    }

    /// A number that stands for nothing.
    pub(crate) fn unknown(what: &str, number: i32) -> Failure {
        Failure::invalid(format!("{number} is no {what} that this release knows"))
    }

    /// An object of one thread at a time was met in the middle of a call.
    pub(crate) fn in_use(what: &str) -> Failure {
        Failure::invalid(format!("the {what} handle is used by two threads at once"))
    }

    pub(crate) fn status(&self) -> Status {
        match &*self.0 {
            Cause::Engine(error) => error.status(),
            Cause::Boundary(status, _) => *status,
        }
    }
}

/// What a `bitcask_error` handle stands for.
#[derive(Debug)]
pub(crate) struct ErrorObject {
    status: Status,
    os_error: i32,
    offset: i64,
    message: CString,
    path: CString,
}

impl From<Failure> for ErrorObject {
    fn from(failure: Failure) -> ErrorObject {
        match *failure.0 {
            Cause::Boundary(status, message) => ErrorObject {
                status,
                os_error: 0,
                offset: -1,
                message: c_string(message.into_bytes()),
                path: CString::default(),
            },
            Cause::Engine(error) => ErrorObject {
                status: error.status(),
                os_error: error.os_error().unwrap_or(0),
                offset: error.offset().map_or(-1, |offset| i64::try_from(offset).unwrap_or(i64::MAX)),
                message: c_string(error.to_string().into_bytes()),
                path: error
                    .path()
                    .map(|path| c_string(path.as_os_str().as_encoded_bytes().to_vec()))
                    .unwrap_or_default(),
            },
        }
    }
}

/// A path can't contain a NUL; a message may quote something that does, and loses it.
pub(crate) fn c_string(mut bytes: Vec<u8>) -> CString {
    bytes.retain(|byte| *byte != 0);
    CString::new(bytes).unwrap_or_default()
}

static ERRORS: Table<ErrorObject, One> = Table::new();

impl Handle for bitcask_error {
    type Object = ErrorObject;
    type Users = One;
    const TAG: usize = 7;
    const NAME: &'static str = "error";
    fn table() -> &'static Table<ErrorObject, One> {
        &ERRORS
    }
}

/// Makes a handle for a failure; NULL if there are no handles left, as there is nobody to tell then.
pub(crate) fn new_error(failure: Failure) -> *mut bitcask_error {
    insert::<bitcask_error>(failure.into()).unwrap_or(std::ptr::null_mut())
}

/// The status that the failed call returned. BITCASK_NULL_ARGUMENT for NULL, BITCASK_INVALID_HANDLE for a freed error.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_error_status(error: *const bitcask_error) -> i32 {
    enter(error).map_or_else(|failure| failure.status(), |error| error.status) as i32
}

/// The operating system's error number (errno), or 0 if no system call failed.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_error_os_error(error: *const bitcask_error) -> i32 {
    enter(error).map_or(0, |error| error.os_error)
}

/// What failed, where, and what can be done, in English, NUL-terminated UTF-8. For people: programs look at the
/// status. The string lives as long as the error. "" for NULL or a freed error.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_error_message(error: *const bitcask_error) -> *const c_char {
    enter(error).map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// The file or directory that the error is about, NUL-terminated, as the operating system takes it; "" if there is
/// none. The string lives as long as the error.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_error_path(error: *const bitcask_error) -> *const c_char {
    enter(error).map_or(c"".as_ptr(), |error| error.path.as_ptr())
}

/// Where in that file, in bytes from its beginning; -1 if that has no meaning.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_error_offset(error: *const bitcask_error) -> i64 {
    enter(error).map_or(-1, |error| error.offset)
}

/// Frees an error with its strings. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_error_free(error: *mut bitcask_error) {
    free(error);
}
