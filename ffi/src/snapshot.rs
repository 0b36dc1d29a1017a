//! Snapshots: the store at one moment, to be read by any number of threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use engine::{Error, Snapshot, Status};

use crate::args::{Out, array, buffer, bytes, check_apart, copied, found};
use crate::child::Child;
use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::{Handle, Lent, Striped, enter_here, free, new_handle};
use crate::iter::{Pages, bitcask_entry, bitcask_iter};
use crate::iter_options::{bitcask_iter_options, to_core};
use crate::store::bitcask_db;
use crate::table::Table;
use crate::value::{bitcask_value, give_record, give_value};
use crate::values::{bitcask_lookup, bitcask_values, find, packed};

/// The store at one moment: every read shows the effect of the same commits, whatever is written meanwhile. Owned by the
/// caller, who frees it with bitcask_snapshot_free; iterators made from it live by themselves. Thread-safe. It keeps nobody from
/// writing; what is overwritten while it lives costs memory (the key and about 150 bytes) until it is freed.
#[derive(Debug)]
pub struct bitcask_snapshot {
    _opaque: (),
}

/// What a `bitcask_snapshot` handle stands for.
#[derive(Debug)]
pub(crate) struct Moment {
    closed: Arc<AtomicBool>,
    snapshot: Snapshot,
}

static SNAPSHOTS: Table<Moment, Striped> = Table::new();

impl Handle for bitcask_snapshot {
    type Object = Moment;
    type Users = Striped;
    const TAG: usize = 9;
    const NAME: &'static str = "snapshot";
    fn table() -> &'static Table<Moment, Striped> {
        &SNAPSHOTS
    }
}

/// The snapshot behind a handle, if its store is open in this process.
fn open(snapshot: *const bitcask_snapshot) -> Result<Lent<bitcask_snapshot>, Failure> {
    let moment = enter_here(snapshot)?;
    if moment.closed.load(Relaxed) { Err(Error::Closed.into()) } else { Ok(moment) }
}

/// Takes a snapshot of the store as it is now, in O(1). Any number may live.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_new(
    db: *mut bitcask_db,
    snapshot: *mut *mut bitcask_snapshot,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `snapshot` and `error`.
    unsafe {
        guard(error, || {
            let (place, store) = (Out::new(snapshot, "snapshot")?, enter_here(db)?);
            let moment = Moment { closed: Arc::clone(&store.closed), snapshot: store.db.snapshot()? };
            place.set(new_handle::<bitcask_snapshot>(moment)?);
            Ok(Status::Ok)
        })
    }
}

/// Reads a value without copying it, as bitcask_get does.
///
/// Errors: as bitcask_get; BITCASK_CLOSED once the store is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_get(
    snapshot: *const bitcask_snapshot,
    key: *const u8,
    key_len: usize,
    value: *mut *mut bitcask_value,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(value, "value")?, bytes(key, key_len, "key")?);
            give_value(place, open(snapshot)?.snapshot.get(key)?)
        })
    }
}

/// Copies a value into the caller's buffer, as bitcask_get_into does.
///
/// Errors: as bitcask_snapshot_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_get_into(
    snapshot: *const bitcask_snapshot,
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
            Ok(copied(place, open(snapshot)?.snapshot.get_into(key, buf)?, capacity))
        })
    }
}

/// Whether a key was there: BITCASK_OK or BITCASK_NOT_FOUND. Reads no value.
///
/// Errors: as bitcask_snapshot_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_contains(
    snapshot: *const bitcask_snapshot,
    key: *const u8,
    key_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key` and `error`.
    unsafe {
        guard(error, || {
            let there = open(snapshot)?.snapshot.contains(bytes(key, key_len, "key")?)?;
            Ok(found(there))
        })
    }
}

/// The length of a value in bytes, in *size, as bitcask_value_size.
///
/// Errors: as bitcask_value_size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_value_size(
    snapshot: *const bitcask_snapshot,
    key: *const u8,
    key_len: usize,
    size: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `size` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(size, "size")?, bytes(key, key_len, "key")?);
            let Some(size) = open(snapshot)?.snapshot.value_size(key)? else { return Ok(Status::NotFound) };
            place.set(size);
            Ok(Status::Ok)
        })
    }
}

/// Reads the values of many keys, as bitcask_multi_get.
///
/// Errors: as bitcask_multi_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_multi_get(
    snapshot: *const bitcask_snapshot,
    keys: *const *const u8,
    key_lens: *const usize,
    count: usize,
    values: *mut bitcask_values,
    lookups: *mut *const bitcask_lookup,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `keys` and what is in it, `key_lens`, `lookups` and `error`.
    unsafe {
        guard(error, || {
            let lookups = Out::new(lookups, "lookups")?;
            let (keys, lens) = (array(keys, count, "keys")?, array(key_lens, count, "key_lens")?);
            let keys = keys.iter().zip(lens).map(|(&key, &len)| bytes(key, len, "key"));
            let moment = open(snapshot)?;
            find(|keys, page| moment.snapshot.multi_get_into(keys, page), values, lookups, keys)
        })
    }
}

/// As bitcask_snapshot_multi_get, with the keys one behind the other, as bitcask_multi_get_packed.
///
/// Errors: as bitcask_multi_get_packed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_multi_get_packed(
    snapshot: *const bitcask_snapshot,
    keys: *const u8,
    keys_len: usize,
    key_lens: *const usize,
    count: usize,
    values: *mut bitcask_values,
    lookups: *mut *const bitcask_lookup,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `keys`, `key_lens`, `lookups` and `error`.
    unsafe {
        guard(error, || {
            let lookups = Out::new(lookups, "lookups")?;
            let keys = packed(keys, keys_len, array(key_lens, count, "key_lens")?)?;
            let moment = open(snapshot)?;
            find(|keys, page| moment.snapshot.multi_get_into(keys, page), values, lookups, keys)
        })
    }
}

/// Makes an iterator over the snapshot, which keeps its moment also when the snapshot is freed. options as for bitcask_iter_new.
///
/// Errors: as bitcask_iter_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_iter_new(
    snapshot: *const bitcask_snapshot,
    options: *const bitcask_iter_options,
    iter: *mut *mut bitcask_iter,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `iter` and `error`.
    unsafe {
        guard(error, || {
            let (place, moment) = (Out::new(iter, "iter")?, open(snapshot)?);
            let pages = Pages::new(moment.snapshot.iter(&to_core(options)?)?);
            place.set(new_handle::<bitcask_iter>(Child::of(&moment.closed, pages))?);
            Ok(Status::Ok)
        })
    }
}

/// The number of keys, in O(1).
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_len(
    snapshot: *const bitcask_snapshot,
    keys: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `keys` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(keys, "keys")?;
            place.set(open(snapshot)?.snapshot.len()?);
            Ok(Status::Ok)
        })
    }
}

/// How many records an iterator with these options gives, as bitcask_count.
///
/// Errors: as bitcask_count.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_count(
    snapshot: *const bitcask_snapshot,
    options: *const bitcask_iter_options,
    count: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `count` and `error`.
    unsafe {
        guard(error, || {
            let (place, moment) = (Out::new(count, "count")?, open(snapshot)?);
            place.set(moment.snapshot.count(&to_core(options)?)?);
            Ok(Status::Ok)
        })
    }
}

/// The sequence number of the last commit that it shows, in *seq.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_seq(
    snapshot: *const bitcask_snapshot,
    seq: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `seq` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(seq, "seq")?;
            place.set(open(snapshot)?.snapshot.seq().0);
            Ok(Status::Ok)
        })
    }
}

/// The record with the least key, as bitcask_first.
///
/// Errors: as bitcask_first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_first(
    snapshot: *const bitcask_snapshot,
    value: *mut *mut bitcask_value,
    entry: *mut bitcask_entry,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { give_record(value, entry, error, || Ok(open(snapshot)?.snapshot.first()?)) }
}

/// The record with the greatest key, as bitcask_last.
///
/// Errors: as bitcask_last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_snapshot_last(
    snapshot: *const bitcask_snapshot,
    value: *mut *mut bitcask_value,
    entry: *mut bitcask_entry,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { give_record(value, entry, error, || Ok(open(snapshot)?.snapshot.last()?)) }
}

/// Frees a snapshot. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_snapshot_free(snapshot: *mut bitcask_snapshot) {
    free(snapshot);
}
