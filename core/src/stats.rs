//! Figures that a store tells of itself, and the report of its opening. Plain data.

use std::path::PathBuf;

use crate::types::{FileId, SeqNo};

/// The store in figures, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys that are there.
    pub keys: u64,
    /// Data files.
    pub files: u64,
    /// Data files that are read through a memory map: none with [`IoKind::File`](crate::IoKind::File), and fewer than `files` where the
    /// system would not map one.
    pub mapped_files: u64,
    /// Bytes of log in the data files, without preallocated space.
    pub data_bytes: u64,
    /// Bytes of memory that the index holds.
    pub index_bytes: u64,
    /// Sequence number of the last commit.
    pub last_seq: u64,
    /// Damaged places that are known, found at open.
    pub damaged_places: u64,
    /// Bytes in them.
    pub damaged_bytes: u64,
}

/// A place in a file that holds no valid record where one should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// Bytes up to the next valid record, or to the end of the file.
    pub len: u64,
    /// What is wrong.
    pub what: String,
}

/// A torn tail that opening cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// The file.
    pub path: PathBuf,
    /// Where the log ends now.
    pub offset: u64,
    /// Bytes behind it that were not zeros' end of the file.
    pub len: u64,
    /// A copy of the bytes, if valid records were among them.
    pub kept_as: Option<PathBuf>,
}

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Data files found.
    pub files: u64,
    /// Files whose index entries came from a hint, at least in part.
    pub files_from_hint: u64,
    /// Records read from hints.
    pub hint_records: u64,
    /// Records read from data files.
    pub scanned_records: u64,
    /// Sequence number of the last commit found.
    pub last_seq: SeqNo,
    /// The data file that new records go to.
    pub active_file: Option<FileId>,
    /// Damage. Reading a key that is hit gives an error; see [`OnDamage`](crate::OnDamage).
    pub damage: Vec<Damage>,
    /// Torn tails that were cut off. Opened for reading only, they are left out; what a writer in another process is in the midst of
    /// looks the same.
    pub torn: Vec<TornTail>,
    /// Hints that could not be used, with the reason. They are only slower.
    pub unusable_hints: Vec<(PathBuf, String)>,
}
