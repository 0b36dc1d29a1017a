//! The store handle: open, close, single reads and writes, figures.

use std::ffi::c_char;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use engine::{Db, Status};

use crate::args::{Figures, Out, buffer, bytes, check_apart, copied, found, os_path, set_unless_null, write_options};
use crate::error::bitcask_error;
use crate::fork;
use crate::guard::{guard, quiet_panics};
use crate::handles::{Handle, Striped, enter_here, new_handle, take_here};
use crate::options::{bitcask_options, to_core};
use crate::table::Table;
use crate::value::{bitcask_value, give_value};

/// For flags: the store's own durability.
pub const BITCASK_WRITE_DEFAULT: u32 = 0;
/// For flags: return only when this write is on stable storage, whatever the store's durability.
pub const BITCASK_WRITE_SYNC: u32 = 1;
/// For flags of bitcask_compare_and_swap: the new value expires when the one that it replaces would have. Other calls refuse it with
/// BITCASK_INVALID_ARGUMENT.
pub const BITCASK_WRITE_KEEP_EXPIRY: u32 = 2;

/// Index into the figures of bitcask_stats: keys that are there.
pub const BITCASK_STAT_KEYS: usize = 0;
/// Data files.
pub const BITCASK_STAT_FILES: usize = 1;
/// Bytes of log in the data files, without preallocated space.
pub const BITCASK_STAT_DATA_BYTES: usize = 2;
/// Bytes of memory that the index holds.
pub const BITCASK_STAT_INDEX_BYTES: usize = 3;
/// Sequence number of the last commit.
pub const BITCASK_STAT_LAST_SEQ: usize = 4;
/// Damaged places that were found at open.
pub const BITCASK_STAT_DAMAGED_PLACES: usize = 5;
/// Bytes in them.
pub const BITCASK_STAT_DAMAGED_BYTES: usize = 6;
/// Data files that are read through a memory map: none with BITCASK_IO_FILE, and fewer than all where the system would not
/// map one.
pub const BITCASK_STAT_MAPPED_FILES: usize = 7;
/// 1 if appends are copied into mapped space at the moment; 0 if they are written by calls: with BITCASK_IO_FILE or
/// BITCASK_DURABILITY_ALWAYS, and where the file system does not promise that reserved space can be written.
pub const BITCASK_STAT_MAPPED_APPENDS: usize = 8;
/// Merges in the background (bitcask_options_set_background_merge) that were completed since the opening.
pub const BITCASK_STAT_BACKGROUND_MERGES: usize = 9;
/// Those that failed; bitcask_last_background_merge says why the last did.
pub const BITCASK_STAT_BACKGROUND_MERGE_FAILURES: usize = 10;
/// 1 if one runs, else 0.
pub const BITCASK_STAT_MERGING_IN_BACKGROUND: usize = 11;
/// How many figures this header knows. A later library may know more.
pub const BITCASK_STAT_COUNT: usize = 12;

/// An open store. Thread-safe: any number of threads may use it at once, and one may close it meanwhile.
#[derive(Debug)]
pub struct bitcask_db {
    _opaque: (),
}

/// What a `bitcask_db` handle stands for.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) db: Db,
    /// Shared with batches and iterators, which outlive the handle.
    pub(crate) closed: Arc<AtomicBool>,
}

static STORES: Table<Store, Striped> = Table::new();

impl Handle for bitcask_db {
    type Object = Store;
    type Users = Striped;
    const TAG: usize = 1;
    const NAME: &'static str = "store";
    fn table() -> &'static Table<Store, Striped> {
        &STORES
    }
}

/// Opens the store in a directory, creating it if the options say so, and recovers what is there.
///
/// path is NUL-terminated, its bytes as the operating system takes them. options may be NULL for the defaults; they may
/// be freed at once afterwards. *db is owned by the caller, who gives it to bitcask_close.
///
/// Errors: BITCASK_LOCKED if it is open for writing elsewhere or in this process (the message tells the process id),
/// BITCASK_NO_STORE, BITCASK_CORRUPTED (see bitcask_options_set_on_damage), BITCASK_UNSUPPORTED_VERSION,
/// BITCASK_UNSUPPORTED_FEATURE, BITCASK_FOREIGN_FILE, BITCASK_INVALID_ARGUMENT, BITCASK_IO, BITCASK_DISK_FULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_open(
    path: *const c_char,
    options: *const bitcask_options,
    db: *mut *mut bitcask_db,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `path`, `db` and `error`.
    unsafe {
        guard(error, || {
            let (place, path) = (Out::new(db, "db")?, os_path(path)?);
            let options = to_core(options)?;
            quiet_panics();
            fork::watch();
            let db = Db::open(path, &options)?;
            place.set(new_handle::<bitcask_db>(Store { db, closed: Arc::default() })?);
            Ok(Status::Ok)
        })
    }
}

/// Syncs, closes and unlocks a store. The handle is invalid afterwards, whatever is returned.
///
/// Calls under way in other threads end first. Snapshots, batches, transactions and iterators of the store give BITCASK_CLOSED from now on, values
/// stay readable; each must still be freed.
///
/// Errors: BITCASK_INVALID_HANDLE if it was closed before, BITCASK_FORKED in a child process (where nothing is
/// touched), or the failure of the last sync; the store is closed all the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_close(db: *mut bitcask_db, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        guard(error, || {
            let store = take_here(db)?;
            store.closed.store(true, Relaxed);
            store.db.close()?;
            Ok(Status::Ok)
        })
    }
}

/// Stores a value under a key, replacing any other. Key and value are copied. value may be NULL if value_len is 0: an empty
/// value, which is not the same as none.
///
/// flags: BITCASK_WRITE_DEFAULT or BITCASK_WRITE_SYNC.
///
/// Errors: BITCASK_KEY_EMPTY, BITCASK_KEY_TOO_LARGE, BITCASK_VALUE_TOO_LARGE, BITCASK_READ_ONLY, BITCASK_CLOSED,
/// BITCASK_FORKED, BITCASK_IO or BITCASK_DISK_FULL (the write did not happen; later ones may work),
/// BITCASK_WRITES_STOPPED, BITCASK_INVALID_ARGUMENT for unknown flags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_put(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    flags: u32,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (key, value) = (bytes(key, key_len, "key")?, bytes(value, value_len, "value")?);
            enter_here(db)?.db.put_with(key, value, write_options(flags)?)?;
            Ok(Status::Ok)
        })
    }
}

/// Removes a key, and tells in *existed (which may be NULL) whether it was there. Removing a missing key is no error
/// and writes nothing.
///
/// Errors: as bitcask_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_delete(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    flags: u32,
    existed: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `existed` and `error`.
    unsafe {
        guard(error, || {
            let key = bytes(key, key_len, "key")?;
            let was_there = enter_here(db)?.db.delete_with(key, write_options(flags)?)?;
            set_unless_null(existed, was_there);
            Ok(Status::Ok)
        })
    }
}

/// Whether a key is there: BITCASK_OK or BITCASK_NOT_FOUND. Reads no value.
///
/// Errors: as bitcask_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_contains(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key` and `error`.
    unsafe {
        guard(error, || {
            let there = enter_here(db)?.db.contains(bytes(key, key_len, "key")?)?;
            Ok(found(there))
        })
    }
}

/// Reads a value without copying it. *value is owned by the caller, who frees it with bitcask_value_free; it keeps the
/// bytes readable, also after later writes and after the store is closed, and keeps nobody from writing.
///
/// Returns BITCASK_NOT_FOUND, and leaves *value alone, if there is no such key.
///
/// Errors: BITCASK_CORRUPTED if the record is damaged, BITCASK_KEY_EMPTY, BITCASK_KEY_TOO_LARGE, BITCASK_CLOSED,
/// BITCASK_FORKED, BITCASK_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_get(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    value: *mut *mut bitcask_value,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(value, "value")?, bytes(key, key_len, "key")?);
            give_value(place, enter_here(db)?.db.get(key)?)
        })
    }
}

/// Copies a value into the caller's buffer, and tells its length in *len. buf may be NULL if capacity is 0, to ask for the
/// length only. Key and buffer must not overlap.
///
/// Returns BITCASK_NOT_FOUND, and leaves *len alone, if there is no such key. Returns BITCASK_BUFFER_TOO_SMALL, with
/// the needed size in *len and without an error object, if the value is longer than capacity; what the buffer holds
/// is unspecified then. (The one out-parameter that is written without success.)
///
/// Errors: as bitcask_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_get_into(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    buf: *mut u8,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `buf`, `len` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(len, "len")?, bytes(key, key_len, "key")?);
            let buf = buffer(buf, capacity, "buf")?;
            check_apart(key, buf, "key and buf")?;
            Ok(copied(place, enter_here(db)?.db.get_into(key, buf)?, capacity))
        })
    }
}

/// The length of a value in bytes, in *size. Reads no value, and so finds no damage in it.
///
/// Returns BITCASK_NOT_FOUND, and leaves *size alone, if there is no such key.
///
/// Errors: as bitcask_get; BITCASK_CORRUPTED only if the record's head or key is damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_value_size(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    size: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `size` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(size, "size")?, bytes(key, key_len, "key")?);
            let Some(size) = enter_here(db)?.db.value_size(key)? else { return Ok(Status::NotFound) };
            place.set(size);
            Ok(Status::Ok)
        })
    }
}

/// The number of keys, in O(1).
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_len(db: *mut bitcask_db, keys: *mut u64, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promises for `keys` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(keys, "keys")?;
            place.set(enter_here(db)?.db.len()?);
            Ok(Status::Ok)
        })
    }
}

/// Brings everything acknowledged so far to stable storage.
///
/// Errors: BITCASK_WRITES_STOPPED after a sync that failed, now or earlier; BITCASK_READ_ONLY, BITCASK_CLOSED,
/// BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_sync(db: *mut bitcask_db, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        guard(error, || {
            enter_here(db)?.db.sync()?;
            Ok(Status::Ok)
        })
    }
}

/// The store in figures, at one moment: writes at most capacity of them to figures, where BITCASK_STAT_KEYS and so on are
/// the indexes, and tells in *count how many this library knows. figures may be NULL if capacity is 0.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_stats(
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
            place.set(&figures_of(&enter_here(db)?.db)?);
            Ok(Status::Ok)
        })
    }
}

fn figures_of(db: &Db) -> Result<[u64; BITCASK_STAT_COUNT], engine::Error> {
    let stats = db.stats()?;
    let mut figures = [0; BITCASK_STAT_COUNT];
    figures[BITCASK_STAT_KEYS] = stats.keys;
    figures[BITCASK_STAT_FILES] = stats.files;
    figures[BITCASK_STAT_DATA_BYTES] = stats.data_bytes;
    figures[BITCASK_STAT_INDEX_BYTES] = stats.index_bytes;
    figures[BITCASK_STAT_LAST_SEQ] = stats.last_seq;
    figures[BITCASK_STAT_DAMAGED_PLACES] = stats.damaged_places;
    figures[BITCASK_STAT_DAMAGED_BYTES] = stats.damaged_bytes;
    figures[BITCASK_STAT_MAPPED_FILES] = stats.mapped_files;
    figures[BITCASK_STAT_MAPPED_APPENDS] = stats.mapped_appends.into();
    figures[BITCASK_STAT_BACKGROUND_MERGES] = stats.background_merges;
    figures[BITCASK_STAT_BACKGROUND_MERGE_FAILURES] = stats.background_merge_failures;
    figures[BITCASK_STAT_MERGING_IN_BACKGROUND] = stats.is_merging_in_background.into();
    Ok(figures)
}
