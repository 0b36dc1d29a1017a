//! Pinned values: bytes that stay where the store keeps them for as long as the handle lives. Keys that are given out by
//! themselves, and whole records, are owned by the same kind of handle.

use engine::{Status, Value};

use crate::args::Out;
use crate::error::{Failure, bitcask_error};
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

pub(crate) fn new_value(value: Value) -> Result<*mut bitcask_value, Failure> {
    new_handle(Held::Value(value))
}

pub(crate) fn new_key(key: Vec<u8>) -> Result<*mut bitcask_value, Failure> {
    new_handle(Held::Key(key))
}

/// A handle that owns a record, and the record as C sees it.
pub(crate) fn new_record(key: Vec<u8>, value: Value) -> Result<(*mut bitcask_value, bitcask_entry), Failure> {
    let record = Box::new((key, value));
    let (key, value) = (&record.0, &record.1);
    let entry = bitcask_entry { key: key.as_ptr(), key_len: key.len(), value: value.as_ptr(), value_len: value.len() };
    Ok((new_handle(Held::Record(record))?, entry))
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
        crate::guard::guard(std::ptr::null_mut::<*mut bitcask_error>(), || {
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
