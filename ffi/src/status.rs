//! The status codes as C constants, and the two functions that need no handle. The numbers are the core's: a test
//! compares both lists.

use std::ffi::{CStr, c_char};

use engine::Status;

/// It worked.
pub const BITCASK_OK: i32 = 0;
/// The key is not in the store, or the iterator is at its end. No error: there is no error object.
pub const BITCASK_NOT_FOUND: i32 = 1;
/// An argument or option is out of range.
pub const BITCASK_INVALID_ARGUMENT: i32 = 10;
/// A pointer that must not be NULL is.
pub const BITCASK_NULL_ARGUMENT: i32 = 11;
/// The key has no bytes.
pub const BITCASK_KEY_EMPTY: i32 = 12;
/// The key is longer than BITCASK_MAX_KEY_LEN.
pub const BITCASK_KEY_TOO_LARGE: i32 = 13;
/// The value is longer than BITCASK_MAX_VALUE_LEN.
pub const BITCASK_VALUE_TOO_LARGE: i32 = 14;
/// The caller's buffer is too small; the needed size was told.
pub const BITCASK_BUFFER_TOO_SMALL: i32 = 15;
/// The store was closed.
pub const BITCASK_CLOSED: i32 = 20;
/// No such handle: freed, closed, of another type, or never one of ours.
pub const BITCASK_INVALID_HANDLE: i32 = 21;
/// The store belongs to a parent process; this one must open it itself.
pub const BITCASK_FORKED: i32 = 22;
/// The batch was committed already.
pub const BITCASK_BATCH_FINISHED: i32 = 23;
/// Another commit changed what the transaction had read. It wrote nothing and is over; begin a new one.
pub const BITCASK_CONFLICT: i32 = 24;
/// The transaction was committed already, or ended by a conflict.
pub const BITCASK_TRANSACTION_FINISHED: i32 = 25;
/// The store is open for writing elsewhere, or in this process.
pub const BITCASK_LOCKED: i32 = 30;
/// There is no store there.
pub const BITCASK_NO_STORE: i32 = 31;
/// The store was opened for reading only.
pub const BITCASK_READ_ONLY: i32 = 32;
/// The callback that is told of the progress of an opening or a merge stopped it.
pub const BITCASK_CANCELLED: i32 = 33;
/// A reader knows of a record that the writer in another process took back; bitcask_refresh forgets it.
pub const BITCASK_STALE: i32 = 34;
/// An operating-system call failed.
pub const BITCASK_IO: i32 = 40;
/// The disk or a quota is full.
pub const BITCASK_DISK_FULL: i32 = 41;
/// The store stopped writing after a failure; it can be read; reopen it to write.
pub const BITCASK_WRITES_STOPPED: i32 = 42;
/// Damage on disk.
pub const BITCASK_CORRUPTED: i32 = 50;
/// A newer version of the format.
pub const BITCASK_UNSUPPORTED_VERSION: i32 = 51;
/// A feature that this release lacks.
pub const BITCASK_UNSUPPORTED_FEATURE: i32 = 52;
/// A file of another store is in the directory.
pub const BITCASK_FOREIGN_FILE: i32 = 53;
/// The index kind can't do this.
pub const BITCASK_UNSUPPORTED: i32 = 60;
/// A bug in this library was caught at the boundary; please report it.
pub const BITCASK_INTERNAL: i32 = 70;

/// Longest key, in bytes. The shortest is one byte.
pub const BITCASK_MAX_KEY_LEN: u32 = 65535;
/// Longest value, in bytes: 4 GiB - 1. The shortest is empty.
pub const BITCASK_MAX_VALUE_LEN: u64 = 4294967295;

/// The library's version, such as "0.1.0".
///
/// The string is static. Never fails; may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_version() -> *const c_char {
    const { c_literal(concat!(env!("CARGO_PKG_VERSION"), "\0")) }.as_ptr()
}

/// The name of a status without its prefix, such as "KEY_EMPTY"; "UNKNOWN" for a number that is none.
///
/// The string is static. Never fails; may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_status_name(status: i32) -> *const c_char {
    Status::from_code(status).map_or(c"UNKNOWN", c_name).as_ptr()
}

const fn c_literal(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("a literal without a NUL, or with two"),
    }
}

/// Name, number and NUL-terminated name of each status, for [`bitcask_status_name`] and the test below.
macro_rules! names {
    ($($name:ident $constant:ident,)*) => {
        const CONSTANTS: &[(i32, &CStr)] = &[$(($constant, c_literal(concat!(stringify!($name), "\0"))),)*];
    };
}

names! {
    OK BITCASK_OK,
    NOT_FOUND BITCASK_NOT_FOUND,
    INVALID_ARGUMENT BITCASK_INVALID_ARGUMENT,
    NULL_ARGUMENT BITCASK_NULL_ARGUMENT,
    KEY_EMPTY BITCASK_KEY_EMPTY,
    KEY_TOO_LARGE BITCASK_KEY_TOO_LARGE,
    VALUE_TOO_LARGE BITCASK_VALUE_TOO_LARGE,
    BUFFER_TOO_SMALL BITCASK_BUFFER_TOO_SMALL,
    CLOSED BITCASK_CLOSED,
    INVALID_HANDLE BITCASK_INVALID_HANDLE,
    FORKED BITCASK_FORKED,
    BATCH_FINISHED BITCASK_BATCH_FINISHED,
    CONFLICT BITCASK_CONFLICT,
    TRANSACTION_FINISHED BITCASK_TRANSACTION_FINISHED,
    LOCKED BITCASK_LOCKED,
    NO_STORE BITCASK_NO_STORE,
    READ_ONLY BITCASK_READ_ONLY,
    CANCELLED BITCASK_CANCELLED,
    STALE BITCASK_STALE,
    IO BITCASK_IO,
    DISK_FULL BITCASK_DISK_FULL,
    WRITES_STOPPED BITCASK_WRITES_STOPPED,
    CORRUPTED BITCASK_CORRUPTED,
    UNSUPPORTED_VERSION BITCASK_UNSUPPORTED_VERSION,
    UNSUPPORTED_FEATURE BITCASK_UNSUPPORTED_FEATURE,
    FOREIGN_FILE BITCASK_FOREIGN_FILE,
    UNSUPPORTED BITCASK_UNSUPPORTED,
    INTERNAL BITCASK_INTERNAL,
}

fn c_name(status: Status) -> &'static CStr {
    CONSTANTS.iter().find(|(code, _)| *code == status as i32).map_or(c"UNKNOWN", |(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_cores_statuses() {
        let ours: Vec<_> = CONSTANTS.iter().map(|(code, name)| (*code, name.to_str().unwrap())).collect();
        let cores: Vec<_> = Status::ALL.iter().map(|status| (*status as i32, status.name())).collect();
        assert_eq!(ours, cores);
        assert_eq!(BITCASK_MAX_KEY_LEN as usize, engine::MAX_KEY_LEN);
        assert_eq!(BITCASK_MAX_VALUE_LEN, engine::MAX_VALUE_LEN as u64);
    }
}
