//! Pinned values: bytes that stay where the store keeps them for as long as the handle lives.

use engine::{Status, Value};

use crate::args::Out;
use crate::error::{Failure, bitcask_error};
use crate::handles::{Handle, One, enter, free, new_handle};
use crate::table::Table;

/// A value that was read. Owned by the caller, who frees it with bitcask_value_free; it outlives the store. It never
/// changes, so threads may share it.
#[derive(Debug)]
pub struct bitcask_value {
    _opaque: (),
}

static VALUES: Table<Value, One> = Table::new();

impl Handle for bitcask_value {
    type Object = Value;
    type Users = One;
    const TAG: usize = 3;
    const NAME: &'static str = "value";
    fn table() -> &'static Table<Value, One> {
        &VALUES
    }
}

pub(crate) fn new_value(value: Value) -> Result<*mut bitcask_value, Failure> {
    new_handle(value)
}

/// Where a value's bytes are. They can be read until the value is freed. *data is never NULL, also of an empty value.
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
            data.set(value.as_ptr());
            len.set(value.len());
            Ok(Status::Ok)
        })
    }
}

/// Frees a value: its bytes must not be read any more. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_value_free(value: *mut bitcask_value) {
    free(value);
}
