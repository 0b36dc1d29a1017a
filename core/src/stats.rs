//! Figures that a store tells of itself, and the report of its opening. Plain data.

use std::path::PathBuf;

use crate::error::Result;
use crate::types::{FileId, SeqNo, Timestamp};

/// The store in figures, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys that are there. What has expired counts until it is swept.
    pub keys: u64,
    /// Data files.
    pub files: u64,
    /// Data files that are read through a memory map: none with [`IoKind::File`](crate::IoKind::File), and fewer than `files` where the
    /// system would not map one.
    pub mapped_files: u64,
    /// Whether appends are copied into mapped space at the moment. They are written by calls with
    /// [`IoKind::File`](crate::IoKind::File) or [`Durability::Always`](crate::Durability::Always), and where the file system does not
    /// promise that reserved space can be written.
    pub mapped_appends: bool,
    /// Bytes of log in the data files, without preallocated space.
    pub data_bytes: u64,
    /// Bytes of memory that the index holds. Of a saved index only pages that were changed since it was opened count, where it is mapped: the
    /// others are the page cache's.
    pub index_bytes: u64,
    /// Sequence number of the last commit.
    pub last_seq: u64,
    /// Damaged places that are known, found at open.
    pub damaged_places: u64,
    /// Bytes in them.
    pub damaged_bytes: u64,
    /// Merges in the background that were completed since the opening.
    pub background_merges: u64,
    /// Those that failed; [`Db::last_background_merge`](crate::Db::last_background_merge) says why the last did.
    pub background_merge_failures: u64,
    /// Whether one runs.
    pub is_merging_in_background: bool,
}

/// A data file in figures, at one moment, exact but for damage of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileStats {
    /// Its number.
    pub id: FileId,
    /// It was written by a merge, and not as part of the log.
    pub is_merged: bool,
    /// The log ends in it. `false` for all files of a store that is opened for reading only.
    pub is_active: bool,
    /// Opening found damage in it. No merge takes it.
    pub is_damaged: bool,
    /// When it was created.
    pub created: Timestamp,
    /// Its length without reserved space: records, commits of batches, marks, headers and damage.
    pub bytes: u64,
    /// Puts that are the newest of their key. What has expired counts until it is swept.
    pub live_records: u64,
    /// Bytes of these with their headers.
    pub live_bytes: u64,
    /// Puts that are not the newest of their key.
    pub dead_records: u64,
    /// Bytes of these.
    pub dead_bytes: u64,
    /// Of the live ones those that have expired, by the clock that decides expiry. No sweep has deleted them yet.
    pub expired_records: u64,
    /// Bytes of these.
    pub expired_bytes: u64,
    /// Deletes, whether or not something older is left that they hide.
    pub tombstones: u64,
    /// Bytes of these.
    pub tombstone_bytes: u64,
    /// Smallest sequence number of its puts and deletes; 0 without any.
    pub min_seq: SeqNo,
    /// Largest sequence number of these.
    pub max_seq: SeqNo,
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

/// What [`Db::refresh`](crate::Db::refresh) came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refreshed {
    /// Records that are shown now and were not before: puts and deletes. Where all was loaded anew, all that were read for it.
    pub records: u64,
    /// All was loaded anew, because files came or went or the writer took something back.
    pub reloaded: bool,
    /// Sequence number of the last commit that is shown.
    pub last_seq: SeqNo,
}

impl Refreshed {
    /// Whether anything may be shown that was not before.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.records > 0 || self.reloaded
    }
}

/// What an opening is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenPhase {
    /// Hints and data files are read into the index.
    Read,
    /// All was read. What is left depends on little but what the last process was in the midst of.
    Finish,
}

/// How far an opening is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenProgress {
    /// What it is at.
    pub phase: OpenPhase,
    /// Bytes of data files that the index has by now, whether from the files themselves, from their hints or because it had them before.
    pub bytes_done: u64,
    /// Bytes of all data files, preallocated space included.
    pub bytes_total: u64,
    /// Records read so far.
    pub records: u64,
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
    /// The index was there already: it had what all commits up to this number did, and only what follows was read.
    pub index_from: Option<SeqNo>,
    /// Why an index that was there was not used and was built anew.
    pub unusable_index: Option<String>,
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

/// Why a merge would be worth its while.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeNeed {
    /// What started it, in words.
    pub reason: String,
    /// The data files that it would take.
    pub files: Vec<FileId>,
    /// Bytes that would be given back, about.
    pub reclaimable_bytes: u64,
    /// Whether the hour is one at which merges should run, by [`MergePolicy::window`](crate::MergePolicy::window).
    pub is_in_window: bool,
}

/// How far a merge is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeProgress {
    /// Bytes of the data files that are merged.
    pub bytes_total: u64,
    /// Bytes that were read. Files are read more than once: to be checked, and for what is alive in them; and copies are read back.
    pub bytes_read: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
}

/// What a merge in the background came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackgroundMerge {
    /// When it ended.
    pub ended: Timestamp,
    /// What it did, or why it failed. Of a merge that failed all is as it was, but for files that were done already.
    pub outcome: Result<MergeReport>,
}

/// What a merge did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    /// Keys that had expired and were deleted before anything was merged.
    pub swept_keys: u64,
    /// Data files that were merged and are gone.
    pub removed_files: Vec<FileId>,
    /// Their length together.
    pub removed_bytes: u64,
    /// Data files that were made of them.
    pub created_files: Vec<FileId>,
    /// Their length together.
    pub created_bytes: u64,
    /// Data files that were to be merged and were not, with the reason.
    pub skipped_files: Vec<(FileId, String)>,
    /// Live records that were copied.
    pub copied_records: u64,
    /// Of these, records that were still the newest of their key when all were copied.
    pub installed_records: u64,
    /// Overwritten and deleted records that are gone.
    pub dropped_records: u64,
    /// Deletes that were copied, because something older may be left that they hide.
    pub copied_tombstones: u64,
    /// Deletes that are gone.
    pub dropped_tombstones: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
}
