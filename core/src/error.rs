//! The one error type of the engine and the one table of its stable status codes.
//!
//! Every variant says what failed and where; `Display` also says what to do where the caller can do something.
//! [`Status`] is what the C ABI returns, what Python's exception classes and Go's sentinels are named after: a test
//! in each binding compares its own list with [`Status::ALL`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Result of the engine's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. Cheap to clone: a store that stopped writing hands its cause to every later writer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// An argument or option is out of range.
    InvalidArgument {
        /// Which one, what is wrong with it and what is allowed.
        what: String,
    },
    /// Keys have at least one byte.
    KeyEmpty,
    /// The key is longer than [`MAX_KEY_LEN`](crate::MAX_KEY_LEN).
    KeyTooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// The value is longer than [`MAX_VALUE_LEN`](crate::MAX_VALUE_LEN).
    ValueTooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// The store was closed.
    Closed,
    /// The store was opened by a parent process; this one must open it itself (after the parent closed it).
    Forked,
    /// The batch was committed already.
    BatchFinished,
    /// Something that the transaction read was changed by another commit meanwhile. It wrote nothing and is over: begin a new one.
    Conflict,
    /// The transaction was committed, or ended by a conflict.
    TransactionFinished,
    /// Another process, or this one, has the store open for writing.
    Locked {
        /// The store's directory.
        path: PathBuf,
        /// The holder's process id, as far as it can be known.
        pid: Option<u32>,
    },
    /// There is no store in the directory and the options say not to create one.
    NoStore {
        /// The directory.
        path: PathBuf,
    },
    /// The store was opened for reading only.
    ReadOnly,
    /// The callback that is told of an opening's progress stopped it. Nothing was changed that an opening would not change, and
    /// nothing is locked.
    Cancelled,
    /// A store that is opened for reading only knows of a record that the writer in the other process took back, after an append
    /// that failed: it was never acknowledged. [`Db::refresh`](crate::Db::refresh) forgets it.
    Stale {
        /// The file.
        path: PathBuf,
        /// Where the record was.
        offset: u64,
    },
    /// An operating-system call failed. Nothing that was acknowledged is lost.
    Io {
        /// The call: open, read, write, sync, ...
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Where in the file, where that has a meaning.
        offset: Option<u64>,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The store stopped writing after a failure that could not be undone; it can still be read.
    /// Reopen it to write again.
    WritesStopped {
        /// The failure.
        cause: Arc<Error>,
    },
    /// The bytes in a file are not what was written.
    Corrupted {
        /// The file.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The file was written in a version of the format that this release does not know.
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// The file needs a feature that this release does not have.
    UnsupportedFeature {
        /// The file.
        path: PathBuf,
        /// The feature's name in FORMAT, or its bit number.
        feature: String,
    },
    /// A file of another store is in the directory.
    ForeignFile {
        /// The file.
        path: PathBuf,
    },
    /// A bug in this library. Please report it.
    Internal {
        /// What happened.
        what: String,
    },
    /// The index kind can't do this, or not within its limits.
    Unsupported {
        /// What, and what can.
        what: String,
    },
}

/// Defines [`Status`]: variant = number, C name. The numbers are part of the ABI and never change.
macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// Stable numbers and names of outcomes, the same in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        #[non_exhaustive]
        pub enum Status { $($(#[$doc])* $variant = $code,)* }

        impl Status {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Status] = &[$(Status::$variant,)*];

            /// The name without prefix, such as `KEY_EMPTY`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Status::$variant => $name,)* }
            }

            /// The status with this number.
            #[must_use]
            pub fn from_code(code: i32) -> Option<Status> {
                match code { $($code => Some(Status::$variant),)* _ => None }
            }
        }
    };
}

statuses! {
    /// It worked.
    Ok = 0, "OK";
    /// The key is not in the store. No error.
    NotFound = 1, "NOT_FOUND";
    /// An argument or option is out of range.
    InvalidArgument = 10, "INVALID_ARGUMENT";
    /// A pointer that must not be NULL is.
    NullArgument = 11, "NULL_ARGUMENT";
    /// The key has no bytes.
    KeyEmpty = 12, "KEY_EMPTY";
    /// The key is too long.
    KeyTooLarge = 13, "KEY_TOO_LARGE";
    /// The value is too long.
    ValueTooLarge = 14, "VALUE_TOO_LARGE";
    /// The caller's buffer is too small; the needed size was told.
    BufferTooSmall = 15, "BUFFER_TOO_SMALL";
    /// The store was closed.
    Closed = 20, "CLOSED";
    /// No such handle: freed, closed, or never one of ours.
    InvalidHandle = 21, "INVALID_HANDLE";
    /// The store belongs to a parent process.
    Forked = 22, "FORKED";
    /// The batch was committed already.
    BatchFinished = 23, "BATCH_FINISHED";
    /// Something that the transaction read was changed meanwhile; begin a new one.
    Conflict = 24, "CONFLICT";
    /// The transaction was committed, or ended by a conflict.
    TransactionFinished = 25, "TRANSACTION_FINISHED";
    /// The store is open elsewhere.
    Locked = 30, "LOCKED";
    /// There is no store there.
    NoStore = 31, "NO_STORE";
    /// The store was opened for reading only.
    ReadOnly = 32, "READ_ONLY";
    /// The progress callback stopped the opening.
    Cancelled = 33, "CANCELLED";
    /// The writer took a record back that this reader knows of; refresh.
    Stale = 34, "STALE";
    /// An operating-system call failed.
    Io = 40, "IO";
    /// The disk or a quota is full.
    DiskFull = 41, "DISK_FULL";
    /// The store stopped writing after a failure; reopen it.
    WritesStopped = 42, "WRITES_STOPPED";
    /// Damage on disk.
    Corrupted = 50, "CORRUPTED";
    /// A newer version of the format.
    UnsupportedVersion = 51, "UNSUPPORTED_VERSION";
    /// A feature that this release lacks.
    UnsupportedFeature = 52, "UNSUPPORTED_FEATURE";
    /// A file of another store.
    ForeignFile = 53, "FOREIGN_FILE";
    /// The index kind can't do this.
    Unsupported = 60, "UNSUPPORTED";
    /// A bug in this library was caught at the boundary; please report it.
    Internal = 70, "INTERNAL";
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Error {
    /// Wraps an operating-system error with what was being done.
    pub(crate) fn io(op: &'static str, path: &Path, offset: Option<u64>, source: io::Error) -> Error {
        Error::Io { op, path: path.to_owned(), offset, source: Arc::new(source) }
    }

    pub(crate) fn corrupted(path: &Path, offset: u64, what: impl Into<String>) -> Error {
        Error::Corrupted { path: path.to_owned(), offset, what: what.into() }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Error {
        Error::InvalidArgument { what: what.into() }
    }

    /// The stable status that stands for this error in every language.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Error::InvalidArgument { .. } => Status::InvalidArgument,
            Error::KeyEmpty => Status::KeyEmpty,
            Error::KeyTooLarge { .. } => Status::KeyTooLarge,
            Error::ValueTooLarge { .. } => Status::ValueTooLarge,
            Error::Closed => Status::Closed,
            Error::Forked => Status::Forked,
            Error::BatchFinished => Status::BatchFinished,
            Error::Conflict => Status::Conflict,
            Error::TransactionFinished => Status::TransactionFinished,
            Error::Locked { .. } => Status::Locked,
            Error::NoStore { .. } => Status::NoStore,
            Error::ReadOnly => Status::ReadOnly,
            Error::Cancelled => Status::Cancelled,
            Error::Stale { .. } => Status::Stale,
            Error::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    Status::DiskFull
                }
                _ => Status::Io,
            },
            Error::WritesStopped { .. } => Status::WritesStopped,
            Error::Corrupted { .. } => Status::Corrupted,
            Error::UnsupportedVersion { .. } => Status::UnsupportedVersion,
            Error::UnsupportedFeature { .. } => Status::UnsupportedFeature,
            Error::ForeignFile { .. } => Status::ForeignFile,
            Error::Internal { .. } => Status::Internal,
            Error::Unsupported { .. } => Status::Unsupported,
        }
    }

    /// The file or directory that the error is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Error::Locked { path, .. }
            | Error::NoStore { path }
            | Error::Io { path, .. }
            | Error::Corrupted { path, .. }
            | Error::Stale { path, .. }
            | Error::UnsupportedVersion { path, .. }
            | Error::UnsupportedFeature { path, .. }
            | Error::ForeignFile { path } => Some(path),
            Error::WritesStopped { cause } => cause.path(),
            _ => None,
        }
    }

    /// Where in that file.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self {
            Error::Io { offset, .. } => *offset,
            Error::Corrupted { offset, .. } | Error::Stale { offset, .. } => Some(*offset),
            Error::WritesStopped { cause } => cause.offset(),
            _ => None,
        }
    }

    /// The operating system's error number, where there is one.
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        match self {
            Error::Io { source, .. } => source.raw_os_error(),
            Error::WritesStopped { cause } => cause.os_error(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidArgument { what } => write!(f, "invalid argument: {what}"),
            Error::KeyEmpty => f.write_str("the key is empty; keys have 1 to 65535 bytes"),
            Error::KeyTooLarge { len } => write!(f, "the key has {len} bytes; at most 65535 are allowed"),
            Error::ValueTooLarge { len } => {
                write!(f, "the value has {len} bytes; at most 4294967295 are allowed")
            }
            Error::Closed => f.write_str("the store is closed"),
            Error::Forked => f.write_str("the store was opened before fork(); this process must open it itself"),
            Error::BatchFinished => f.write_str("the batch was committed already; make a new one"),
            Error::Conflict => f.write_str(
                "another commit changed what the transaction had read; nothing was written, begin a new one",
            ),
            Error::TransactionFinished => {
                f.write_str("the transaction was committed already or ended by a conflict; begin a new one")
            }
            Error::Locked { path, pid } => {
                write!(f, "{}: the store is open for writing", path.display())?;
                match pid {
                    Some(pid) => write!(f, " in process {pid}; close it there"),
                    None => f.write_str(" in another place; close it there"),
                }
            }
            Error::NoStore { path } => {
                write!(f, "{}: no store there, and the options say not to create one", path.display())
            }
            Error::ReadOnly => f.write_str("the store was opened for reading only"),
            Error::Cancelled => f.write_str("stopped by the callback that is told of its progress"),
            Error::Stale { path, offset } => {
                write!(
                    f,
                    "{}: the writer took the record at offset {offset} back since this reader saw it; refresh and read again",
                    path.display()
                )
            }
            Error::Io { op, path, offset, source } => {
                write!(f, "{}: {op} failed", path.display())?;
                if let Some(offset) = offset {
                    write!(f, " at offset {offset}")?;
                }
                write!(f, ": {source}")
            }
            Error::WritesStopped { cause } => {
                write!(f, "the store takes no more writes since this failed: {cause}; reopen it to write again")
            }
            Error::Corrupted { path, offset, what } => {
                write!(f, "{}: damage at offset {offset}: {what}", path.display())
            }
            Error::UnsupportedVersion { path, version } => write!(
                f,
                "{}: written in version {version} of the format, this release knows version 1; use a newer one",
                path.display()
            ),
            Error::UnsupportedFeature { path, feature } => write!(
                f,
                "{}: needs the feature {feature}, which this release does not have; use a newer one",
                path.display()
            ),
            Error::ForeignFile { path } => {
                write!(f, "{}: belongs to another store; move it out of this directory", path.display())
            }
            Error::Internal { what } => write!(f, "a bug in libbitcask, please report it: {what}"),
            Error::Unsupported { what } => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source.as_ref()),
            Error::WritesStopped { cause } => Some(cause.as_ref()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_by_its_number_and_names_are_unique() {
        let mut names = std::collections::BTreeSet::new();
        for &status in Status::ALL {
            assert_eq!(Status::from_code(status as i32), Some(status));
            assert!(names.insert(status.name()));
        }
        assert_eq!(Status::from_code(-1), None);
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let full = Error::io("write", Path::new("/x"), Some(7), io::Error::from_raw_os_error(28));
        assert_eq!(full.status(), Status::DiskFull);
        assert_eq!((full.offset(), full.os_error()), (Some(7), Some(28)));
        let bad = Error::io("write", Path::new("/x"), None, io::Error::from_raw_os_error(5));
        assert_eq!(bad.status(), Status::Io);
        assert!(bad.to_string().contains("/x"));
    }
}
