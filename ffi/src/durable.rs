//! Sequence numbers: which commit a write was, which are on stable storage, and waiting for one to be.

use std::time::Duration;

use engine::{SeqNo, Status};

use crate::args::{Out, bytes, set_unless_null, write_options};
use crate::batch::bitcask_batch;
use crate::child::with;
use crate::error::bitcask_error;
use crate::guard::guard;
use crate::handles::enter_here;
use crate::store::bitcask_db;

/// For timeout_ms: as long as it takes.
pub const BITCASK_NO_TIMEOUT: i64 = -1;

/// As bitcask_put, and tells the commit's sequence number in *seq, for bitcask_wait_durable.
///
/// Errors: as bitcask_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_put_seq(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    flags: u32,
    seq: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `value`, `seq` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(seq, "seq")?;
            let (key, value) = (bytes(key, key_len, "key")?, bytes(value, value_len, "value")?);
            let written = enter_here(db)?.db.put_seq(key, value, write_options(flags)?)?;
            place.set(written.seq.0);
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_delete, and tells the commit's sequence number in *seq, for bitcask_wait_durable. If the key was not there,
/// nothing is written, and the number is that of the last commit before, on which that rests. existed may be NULL.
///
/// Errors: as bitcask_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_delete_seq(
    db: *mut bitcask_db,
    key: *const u8,
    key_len: usize,
    flags: u32,
    existed: *mut bool,
    seq: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key`, `existed`, `seq` and `error`.
    unsafe {
        guard(error, || {
            let (place, key) = (Out::new(seq, "seq")?, bytes(key, key_len, "key")?);
            let written = enter_here(db)?.db.delete_seq(key, write_options(flags)?)?;
            set_unless_null(existed, written.existed);
            place.set(written.seq.0);
            Ok(Status::Ok)
        })
    }
}

/// As bitcask_batch_commit, and tells the commit's sequence number in *seq, for bitcask_wait_durable; of an empty batch
/// that of the last commit before.
///
/// Errors: as bitcask_batch_commit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_batch_commit_seq(
    batch: *mut bitcask_batch,
    flags: u32,
    seq: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `seq` and `error`.
    unsafe {
        guard(error, || {
            let (place, options) = (Out::new(seq, "seq")?, write_options(flags)?);
            place.set(with(batch, |batch| Ok(batch.commit_seq(options)?))?.seq.0);
            Ok(Status::Ok)
        })
    }
}

/// The sequence number of the last commit that readers see, in *seq; 0 if there was none yet.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_last_seq(db: *mut bitcask_db, seq: *mut u64, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promises for `seq` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(seq, "seq")?;
            place.set(enter_here(db)?.db.last_seq()?.0);
            Ok(Status::Ok)
        })
    }
}

/// All commits up to *seq are on stable storage, whatever the store's durability. Never above bitcask_last_seq, and
/// never falls. Causes no I/O.
///
/// Errors: BITCASK_READ_ONLY (what a writer in another process has synced is not known), BITCASK_CLOSED, BITCASK_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_durable_seq(
    db: *mut bitcask_db,
    seq: *mut u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `seq` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(seq, "seq")?;
            place.set(enter_here(db)?.db.durable_seq()?.0);
            Ok(Status::Ok)
        })
    }
}

/// Waits until a commit, and all before it, is on stable storage, and syncs if nobody does: so a caller can write
/// without sync, go on, and wait later. Any number of threads that wait share syncs, and writers go on meanwhile.
///
/// timeout_ms: BITCASK_NO_TIMEOUT, or how many milliseconds to wait at most. *durable tells whether the commit is there; without a
/// timeout it always is, and durable may be NULL. When the time is up the sync goes on, in another thread, which the
/// store starts when it is first needed. In a callback of this store there is no limit.
///
/// Errors: BITCASK_INVALID_ARGUMENT for a number that no commit has yet, or another negative timeout; BITCASK_WRITES_STOPPED if
/// the sync failed, or one before it; BITCASK_READ_ONLY, BITCASK_CLOSED, BITCASK_FORKED; BITCASK_NULL_ARGUMENT if
/// durable is NULL with a timeout.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_wait_durable(
    db: *mut bitcask_db,
    seq: u64,
    timeout_ms: i64,
    durable: *mut bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `durable` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(durable, "durable");
            let timeout = match u64::try_from(timeout_ms) {
                Ok(ms) => Some(Duration::from_millis(ms)),
                Err(_) if timeout_ms == BITCASK_NO_TIMEOUT => None,
                Err(_) => return Err(crate::error::Failure::invalid(format!("timeout_ms is {timeout_ms}"))),
            };
            let place = if timeout.is_some() { Some(place?) } else { place.ok() };
            let is_durable = enter_here(db)?.db.wait_durable(SeqNo(seq), timeout)?;
            place.into_iter().for_each(|place| place.set(is_durable));
            Ok(Status::Ok)
        })
    }
}
