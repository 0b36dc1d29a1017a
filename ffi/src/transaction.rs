//! Optimistic transactions.

use engine::{Savepoint, Status, Transaction};

use crate::args::{Out, bytes, found, half_open, set_unless_null, write_options};
use crate::child::{Child, with, with_child, with_or_closed};
use crate::error::bitcask_error;
use crate::guard::guard;
use crate::handles::{Handle, One, enter_here, free, new_handle};
use crate::iter::{Pages, bitcask_iter};
use crate::iter_options::{bitcask_iter_options, to_core};
use crate::store::bitcask_db;
use crate::table::Table;
use crate::value::{bitcask_value, give_value};

/// A transaction: reads show the store at its beginning with its own writes laid over, bitcask_txn_commit makes the writes if
/// nothing that was read has changed. Committed transactions are serializable, in the order of their sequence numbers; keys that were
/// only written are not read. Owned by the caller, who frees it with bitcask_txn_free, which discards one that was not committed. For one
/// thread at a time; nobody waits for it.
#[derive(Debug)]
pub struct bitcask_txn {
    _opaque: (),
}

static TRANSACTIONS: Table<Child<Transaction>, One> = Table::new();

impl Handle for bitcask_txn {
    type Object = Child<Transaction>;
    type Users = One;
    const TAG: usize = 10;
    const NAME: &'static str = "transaction";
    fn table() -> &'static Table<Child<Transaction>, One> {
        &TRANSACTIONS
    }
}

/// Begins a transaction: it reads the store as it is now.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_new(
    db: *mut bitcask_db,
    txn: *mut *mut bitcask_txn,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `txn` and `error`.
    unsafe {
        guard(error, || {
            let (place, store) = (Out::new(txn, "txn")?, enter_here(db)?);
            place.set(new_handle::<bitcask_txn>(Child::new(&store, store.db.transaction()?))?);
            Ok(Status::Ok)
        })
    }
}

/// The value of a key, as bitcask_get: the transaction's own write, or else what the store had at its beginning, which the commit then
/// rests on.
///
/// Errors: BITCASK_TRANSACTION_FINISHED after a commit, conflict or rollback; BITCASK_INVALID_ARGUMENT if another thread is using the
/// transaction; else as bitcask_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_get(
    txn: *mut bitcask_txn,
    key: *const u8,
    key_len: usize,
    value: *mut *mut bitcask_value,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(value, "value")?, bytes(key, key_len, "key")?);
            give_value(place, with(txn, |txn| Ok(txn.get(key)?))?)
        })
    }
}

/// Makes an iterator over what the transaction sees now; later writes change nothing of it. The commit rests on what the library has read
/// for the iterator: pages that it has given, and what bitcask_iter_next has read ahead (up to 64 records; use
/// bitcask_iter_next_page to say how many). options as for bitcask_iter_new.
///
/// Errors: BITCASK_TRANSACTION_FINISHED; else as bitcask_iter_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_iter_new(
    txn: *mut bitcask_txn,
    options: *const bitcask_iter_options,
    iter: *mut *mut bitcask_iter,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `iter` and `error`.
    unsafe {
        guard(error, || {
            let (place, options) = (Out::new(iter, "iter")?, to_core(options)?);
            let pages = with_child(txn, |child, txn| Ok(Child::of(child.closed(), Pages::new(txn.iter(&options)?))))?;
            place.set(new_handle::<bitcask_iter>(pages)?);
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_txn_get, and the commit rests on the key in any case, also where the transaction wrote it before without having read it.
///
/// Errors: as bitcask_txn_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_get_for_update(
    txn: *mut bitcask_txn,
    key: *const u8,
    key_len: usize,
    value: *mut *mut bitcask_value,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(value, "value")?, bytes(key, key_len, "key")?);
            give_value(place, with(txn, |txn| Ok(txn.get_for_update(key)?))?)
        })
    }
}

/// Whether a key is there: BITCASK_OK or BITCASK_NOT_FOUND. As bitcask_txn_get, but reads no value.
///
/// Errors: as bitcask_txn_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_contains(
    txn: *mut bitcask_txn,
    key: *const u8,
    key_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key` and `error`.
    unsafe {
        guard(error, || {
            let key = bytes(key, key_len, "key")?;
            let there = with(txn, |txn| Ok(txn.contains(key)?))?;
            Ok(found(there))
        })
    }
}

/// Adds a put. Key and value are copied.
///
/// Errors: BITCASK_TRANSACTION_FINISHED, BITCASK_KEY_EMPTY, BITCASK_KEY_TOO_LARGE, BITCASK_VALUE_TOO_LARGE, BITCASK_CLOSED, BITCASK_FORKED,
/// BITCASK_INVALID_ARGUMENT if another thread is using the transaction.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_put(
    txn: *mut bitcask_txn,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value` and `error`.
    unsafe {
        guard(error, || {
            let (key, value) = (bytes(key, key_len, "key")?, bytes(value, value_len, "value")?);
            with(txn, |txn| Ok(txn.put(key, value)?))?;
            Ok(Status::Ok)
        })
    }
}

/// Adds a delete; the key need not exist, and is not read by this.
///
/// Errors: as bitcask_txn_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_delete(
    txn: *mut bitcask_txn,
    key: *const u8,
    key_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key` and `error`.
    unsafe {
        guard(error, || {
            let key = bytes(key, key_len, "key")?;
            with(txn, |txn| Ok(txn.delete(key)?))?;
            Ok(Status::Ok)
        })
    }
}

/// Deletes all keys from start on and before end: those that the transaction has put so far, and those that are in the store when
/// it is committed. Keys that it puts afterwards stay. An empty start is the first key; end may be NULL: up to the last (and is
/// not, if it is only empty: no key is before that). The commit finds the keys and deletes them one by one, which takes memory for all of
/// them for a moment; with BITCASK_INDEX_HASH it reads all keys of the store for it.
///
/// Errors: as bitcask_txn_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_delete_range(
    txn: *mut bitcask_txn,
    start: *const u8,
    start_len: usize,
    end: *const u8,
    end_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `start`, `end` and `error`.
    unsafe {
        guard(error, || {
            let (low, high) = half_open((start, start_len), (end, end_len))?;
            with(txn, |txn| Ok(txn.delete_range(low, high)?))?;
            Ok(Status::Ok)
        })
    }
}

/// Deletes all keys that begin with prefix, as bitcask_txn_delete_range. An empty prefix: all keys of the store.
///
/// Errors: as bitcask_txn_delete_range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_delete_prefix(
    txn: *mut bitcask_txn,
    prefix: *const u8,
    prefix_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `prefix` and `error`.
    unsafe {
        guard(error, || {
            let prefix = bytes(prefix, prefix_len, "prefix")?;
            with(txn, |txn| Ok(txn.delete_prefix(prefix)?))?;
            Ok(Status::Ok)
        })
    }
}

/// Marks the present state of the transaction's writes; *savepoint is a number for bitcask_txn_rollback_to and bitcask_txn_release.
///
/// Errors: as bitcask_txn_delete_range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_savepoint(
    txn: *mut bitcask_txn,
    savepoint: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `savepoint` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(savepoint, "savepoint")?;
            place.set(with(txn, |txn| Ok(txn.savepoint()?.to_raw()))?);
            Ok(Status::Ok)
        })
    }
}

/// Takes back all writes since a savepoint. It can be rolled back to again; later ones are gone.
///
/// Errors: BITCASK_INVALID_ARGUMENT if there is no such savepoint (any more); else as bitcask_txn_delete_range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_rollback_to(
    txn: *mut bitcask_txn,
    savepoint: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `error`.
    unsafe {
        guard(error, || {
            with(txn, |txn| Ok(txn.rollback_to(Savepoint::from_raw(savepoint))?))?;
            Ok(Status::Ok)
        })
    }
}

/// Forgets a savepoint and later ones, and keeps all writes.
///
/// Errors: as bitcask_txn_rollback_to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_release(
    txn: *mut bitcask_txn,
    savepoint: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `error`.
    unsafe {
        guard(error, || {
            with(txn, |txn| Ok(txn.release(Savepoint::from_raw(savepoint))?))?;
            Ok(Status::Ok)
        })
    }
}

/// The number of different keys written so far, without those that ranges delete; 0 when it is over.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_ARGUMENT if another thread is using the transaction.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_len(
    txn: *mut bitcask_txn,
    len: *mut usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `len` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(len, "len")?;
            place.set(with(txn, |txn| Ok(txn.len()))?);
            Ok(Status::Ok)
        })
    }
}

/// The sequence number of the last commit that the transaction sees, in *seq.
///
/// Errors: as bitcask_txn_len, and BITCASK_TRANSACTION_FINISHED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_seq(txn: *mut bitcask_txn, seq: *mut u64, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promises for `seq` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(seq, "seq")?;
            place.set(with(txn, |txn| Ok(txn.seq()?.0))?);
            Ok(Status::Ok)
        })
    }
}

/// Makes all writes, atomically, if nothing that was read has changed, and tells in *seq (which may be NULL) the commit's sequence number. The
/// transaction is over then; it must still be freed. flags as for bitcask_put.
///
/// Errors: BITCASK_CONFLICT if something that was read has changed: nothing was written, and the transaction is over; begin a new one.
/// BITCASK_TRANSACTION_FINISHED the second time. Else as bitcask_batch_commit: nothing was written, and it may be tried again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_commit(
    txn: *mut bitcask_txn,
    flags: u32,
    seq: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `seq` and `error`.
    unsafe {
        guard(error, || {
            let options = write_options(flags)?;
            let number = with(txn, |txn| Ok(txn.commit_with(options)?))?;
            set_unless_null(seq, number.0);
            Ok(Status::Ok)
        })
    }
}

/// Discards everything; the transaction is over then, and must still be freed. Of a closed store too.
///
/// Errors: BITCASK_TRANSACTION_FINISHED if it was over; else as bitcask_txn_len, without BITCASK_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_txn_rollback(txn: *mut bitcask_txn, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promises for `error`.
    unsafe {
        guard(error, || {
            with_or_closed(txn, |txn| Ok(txn.rollback()?))?;
            Ok(Status::Ok)
        })
    }
}

/// Frees a transaction; one that was not committed is discarded. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_txn_free(txn: *mut bitcask_txn) {
    free(txn);
}
