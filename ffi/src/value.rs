//! Pinned values: bytes that stay where the store keeps them for as long as the handle lives. Keys that are given out by
//! themselves, and whole records, are owned by the same kind of handle.

use engine::{Status, Value};

use crate::args::Out;
use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::{Handle, One, enter, free, new_handle};
use crate::iter::bitcask_entry;
use crate::table::Table;

/// A value that was read (or a key, where that is said). Owned by the caller, who frees it with bitcask_value_free; it
/// outlives the store. It never changes, so threads may share it.
#[derive(Debug)]
pub struct bitcask_value {
    _opaque: (),
}

/// What a `bitcask_value` handle stands for. Its bytes are on the heap or in a file's mapping: they don't move with it.
#[derive(Debug)]
pub(crate) enum Held {
    Value(Value),
    Key(Vec<u8>),
    /// Boxed, so that values, which are many, don't carry the place for a key.
    Record(Box<(Vec<u8>, Value)>),
}

impl Held {
    fn bytes(&self) -> &[u8] {
        match self {
            Held::Value(value) => value,
            Held::Key(key) => key,
            Held::Record(record) => &record.1,
        }
    }
}

static VALUES: Table<Held, One> = Table::new();

impl Handle for bitcask_value {
    type Object = Held;
    type Users = One;
    const TAG: usize = 3;
    const NAME: &'static str = "value";
    fn table() -> &'static Table<Held, One> {
        &VALUES
    }
}

/// Gives a value that was looked for to the caller, if it was found.
pub(crate) fn give_value(place: Out<*mut bitcask_value>, found: Option<Value>) -> Result<Status, Failure> {
    let Some(value) = found else { return Ok(Status::NotFound) };
    place.set(new_handle(Held::Value(value))?);
    Ok(Status::Ok)
}

pub(crate) fn new_key(key: Vec<u8>) -> Result<*mut bitcask_value, Failure> {
    new_handle(Held::Key(key))
}

/// A record, if there is one.
pub(crate) type MaybeRecord = Option<(Vec<u8>, Value)>;

/// Finds a record and gives it to the caller: a handle that owns it, and the record as C sees it.
///
/// # Safety
/// Unless they are NULL, `value`, `entry` and `error` can be written until the call ends.
pub(crate) unsafe fn give_record(
    value: *mut *mut bitcask_value,
    entry: *mut bitcask_entry,
    error: *mut *mut bitcask_error,
    find: impl FnOnce() -> Result<MaybeRecord, Failure>,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        guard(error, || {
            let (place, entry) = (Out::new(value, "value")?, Out::new(entry, "entry")?);
            let Some(record) = find()? else { return Ok(Status::NotFound) };
            let record = Box::new(record);
            let (key, value) = (&record.0, &record.1);
            let as_c =
                bitcask_entry { key: key.as_ptr(), key_len: key.len(), value: value.as_ptr(), value_len: value.len() };
            place.set(new_handle(Held::Record(record))?);
            entry.set(as_c);
            Ok(Status::Ok)
        })
    }
}

/// Where a value's bytes are. They can be read until the value is freed. *data is never NULL, also of an empty value. Of
/// a record (bitcask_first) these are its value's.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_value_bytes(
    value: *const bitcask_value,
    data: *mut *const u8,
    len: *mut usize,
) -> i32 {
    // SAFETY: the caller's promises for `data` and `len`.
    unsafe {
        guard(std::ptr::null_mut::<*mut bitcask_error>(), || {
            let (data, len) = (Out::new(data, "data")?, Out::new(len, "len")?);
            let value = enter(value)?;
            data.set(value.bytes().as_ptr());
            len.set(value.bytes().len());
            Ok(Status::Ok)
        })
    }
}

/// Frees a value: its bytes must not be read any more. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_value_free(value: *mut bitcask_value) {
    free(value);
}
