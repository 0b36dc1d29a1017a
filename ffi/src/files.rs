//! The data files in figures.

use engine::{FileStats, Status};

use crate::args::{Figures, Out};
use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::enter_here;
use crate::reports::{free_report, give, reports, tell};
use crate::store::{Store, bitcask_db};

/// Index into the figures of a data file: its number.
pub const BITCASK_FILE_ID: usize = 0;
/// 1 if it was written by a merge, and not as part of the log; else 0.
pub const BITCASK_FILE_MERGED: usize = 1;
/// 1 if the log ends in it, else 0; 0 for all files of a store that is opened for reading only.
pub const BITCASK_FILE_ACTIVE: usize = 2;
/// 1 if opening found damage in it, else 0. No merge takes it then.
pub const BITCASK_FILE_DAMAGED: usize = 3;
/// When it was created, in milliseconds since 1970 (UTC).
pub const BITCASK_FILE_CREATED_MS: usize = 4;
/// Its length in bytes without reserved space: records, commits of batches, marks, headers and damage.
pub const BITCASK_FILE_BYTES: usize = 5;
/// Puts that are the newest of their key. What has expired counts until it is swept.
pub const BITCASK_FILE_LIVE_RECORDS: usize = 6;
/// Bytes of these with their headers.
pub const BITCASK_FILE_LIVE_BYTES: usize = 7;
/// Puts that are not.
pub const BITCASK_FILE_DEAD_RECORDS: usize = 8;
/// Bytes of these.
pub const BITCASK_FILE_DEAD_BYTES: usize = 9;
/// Of the live ones those that have expired, by the clock that decides expiry. No sweep has deleted them yet.
pub const BITCASK_FILE_EXPIRED_RECORDS: usize = 10;
/// Bytes of these.
pub const BITCASK_FILE_EXPIRED_BYTES: usize = 11;
/// Deletes, whether or not something older is left that they hide.
pub const BITCASK_FILE_TOMBSTONES: usize = 12;
/// Bytes of these.
pub const BITCASK_FILE_TOMBSTONE_BYTES: usize = 13;
/// Smallest sequence number of its puts and deletes; 0 without any.
pub const BITCASK_FILE_MIN_SEQ: usize = 14;
/// Largest sequence number of these.
pub const BITCASK_FILE_MAX_SEQ: usize = 15;
/// How many figures of a data file this header knows. A later library may know more.
pub const BITCASK_FILE_COUNT: usize = 16;

/// Data files in figures, at one moment, exact but for damage of the file. Owned by the caller, who frees it with bitcask_files_free; it outlives the store. It never changes,
/// so threads may share it.
#[derive(Debug)]
pub struct bitcask_files {
    _opaque: (),
}

reports!(bitcask_files, Vec<[u64; BITCASK_FILE_COUNT]>, "files");

fn figures_of(file: &FileStats) -> [u64; BITCASK_FILE_COUNT] {
    let mut figures = [0; BITCASK_FILE_COUNT];
    figures[BITCASK_FILE_ID] = file.id.0.into();
    figures[BITCASK_FILE_MERGED] = file.is_merged.into();
    figures[BITCASK_FILE_ACTIVE] = file.is_active.into();
    figures[BITCASK_FILE_DAMAGED] = file.is_damaged.into();
    figures[BITCASK_FILE_CREATED_MS] = file.created.0;
    figures[BITCASK_FILE_BYTES] = file.bytes;
    figures[BITCASK_FILE_LIVE_RECORDS] = file.live_records;
    figures[BITCASK_FILE_LIVE_BYTES] = file.live_bytes;
    figures[BITCASK_FILE_DEAD_RECORDS] = file.dead_records;
    figures[BITCASK_FILE_DEAD_BYTES] = file.dead_bytes;
    figures[BITCASK_FILE_EXPIRED_RECORDS] = file.expired_records;
    figures[BITCASK_FILE_EXPIRED_BYTES] = file.expired_bytes;
    figures[BITCASK_FILE_TOMBSTONES] = file.tombstones;
    figures[BITCASK_FILE_TOMBSTONE_BYTES] = file.tombstone_bytes;
    figures[BITCASK_FILE_MIN_SEQ] = file.min_seq.0;
    figures[BITCASK_FILE_MAX_SEQ] = file.max_seq.0;
    figures
}

/// Figures of each data file as it is now, by ascending number: *files is owned by the caller, who asks it with bitcask_files_figures and frees
/// it with bitcask_files_free; *count is the number of files. They are kept while the store is written; what is not, lengths of overwritten
/// records and what has expired, is read from hints and data files by this call, beside writers. Only where the index had to be made anew
/// does the next call count all files, while writers wait.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_file_stats(
    db: *mut bitcask_db,
    files: *mut *mut bitcask_files,
    count: *mut usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { give_files(db, files, count, error, |store| store.db.file_stats()) }
}

/// bitcask_file_stats counted anew: reads every record of every file, while writers wait. For checking.
///
/// Errors: as bitcask_file_stats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_recount(
    db: *mut bitcask_db,
    files: *mut *mut bitcask_files,
    count: *mut usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { give_files(db, files, count, error, |store| store.db.recount()) }
}

/// # Safety
/// Unless they are NULL, `files`, `count` and `error` can be written until the call ends.
unsafe fn give_files(
    db: *mut bitcask_db,
    files: *mut *mut bitcask_files,
    count: *mut usize,
    error: *mut *mut bitcask_error,
    ask: impl FnOnce(&Store) -> engine::Result<Vec<FileStats>>,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        guard(error, || {
            let (place, count) = (Out::new(files, "files")?, Out::new(count, "count")?);
            let files: Vec<_> = ask(&*enter_here(db)?)?.iter().map(figures_of).collect();
            let known = files.len();
            place.set(give::<bitcask_files>(files)?);
            count.set(known);
            Ok(Status::Ok)
        })
    }
}

/// The figures of the data file at an index, which is below the count that came with files: writes at most capacity of them to figures, where
/// BITCASK_FILE_ID and so on are the indexes, and tells in *count how many this library knows. figures may be NULL if capacity is 0.
///
/// Errors: BITCASK_INVALID_ARGUMENT for an index that is none, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_files_figures(
    files: *const bitcask_files,
    index: usize,
    figures: *mut u64,
    capacity: usize,
    count: *mut usize,
) -> i32 {
    tell(files, |files| {
        let known = files.get(index);
        let known =
            known.ok_or_else(|| Failure::invalid(format!("there are {} files, and no {index}", files.len())))?;
        // SAFETY: the caller's promises for `figures` and `count`.
        unsafe { Figures::new(figures, capacity, count)? }.set(known);
        Ok(Status::Ok)
    })
}

/// Frees figures of data files. Does nothing for NULL, or if they were freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_files_free(files: *mut bitcask_files) {
    free_report(files);
}
