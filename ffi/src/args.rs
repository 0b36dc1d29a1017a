//! Checks of what callers hand in: buffers, strings, flags and out-parameters.

use std::ffi::{CStr, OsStr, c_char};
use std::ops::Bound;
use std::path::Path;

use engine::{Status, WriteOptions};

use crate::error::Failure;
use crate::store::{BITCASK_WRITE_KEEP_EXPIRY, BITCASK_WRITE_SYNC};
use crate::values::BITCASK_MAX_MULTI_GET;

/// An input buffer. NULL is allowed with length 0.
///
/// # Safety
/// Unless it is NULL, `len` bytes can be read from `data` and don't change until the call ends.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize, name: &str) -> Result<&'a [u8], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    check_buffer(data, len, name)?;
    // SAFETY: not NULL, not too long, and the caller's promise for the rest.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// An output buffer, as [`bytes`].
///
/// # Safety
/// Unless it is NULL, `capacity` bytes can be written to `data`, and nobody else uses them until the call ends.
pub(crate) unsafe fn buffer<'a>(data: *mut u8, capacity: usize, name: &str) -> Result<&'a mut [u8], Failure> {
    if capacity == 0 {
        return Ok(&mut []);
    }
    check_buffer(data, capacity, name)?;
    // SAFETY: as above. What the bytes hold beforehand is not known to be anything, and is not read.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, capacity) })
}

fn check_buffer(data: *const u8, len: usize, name: &str) -> Result<(), Failure> {
    if data.is_null() {
        return Err(Failure::null(name));
    }
    // No object is larger than half of the address space; a greater length is a negative number that lost its sign.
    if len > isize::MAX as usize || data.addr().checked_add(len).is_none() {
        return Err(Failure::invalid(format!("{name} has {len} bytes, more than there can be in memory")));
    }
    Ok(())
}

/// An input array, as [`bytes`]. What a count that no array can have would lead to is not tried.
///
/// # Safety
/// Unless it is NULL, `count` elements can be read from `data` and don't change until the call ends.
pub(crate) unsafe fn array<'a, T>(data: *const T, count: usize, name: &str) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    check_buffer(data.cast(), count.saturating_mul(size_of::<T>()), name)?;
    if count > BITCASK_MAX_MULTI_GET as usize {
        return Err(Failure::invalid(format!(
            "{name} has {count} elements; at most {BITCASK_MAX_MULTI_GET} are allowed"
        )));
    }
    if !data.is_aligned() {
        return Err(Failure::invalid(format!("{name} is not aligned")));
    }
    // SAFETY: not NULL, aligned, not too long, and the caller's promise for the rest.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

/// An out-parameter that must be there.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// # Safety
    /// Unless it is NULL, `place` can be written until the call ends.
    pub(crate) unsafe fn new(place: *mut T, name: &str) -> Result<Out<T>, Failure> {
        if place.is_null() { Err(Failure::null(name)) } else { Ok(Out(place)) }
    }

    pub(crate) fn set(self, value: T) {
        // SAFETY: not NULL, and the promise made to `new`.
        unsafe { self.0.write(value) }
    }
}

/// Where as many figures go as the caller has room for, and how many there are.
pub(crate) struct Figures {
    figures: *mut u64,
    capacity: usize,
    count: Out<usize>,
}

impl Figures {
    /// # Safety
    /// Until the call ends, `capacity` figures can be written at `figures`, and one at `count` unless it is NULL.
    pub(crate) unsafe fn new(figures: *mut u64, capacity: usize, count: *mut usize) -> Result<Figures, Failure> {
        // SAFETY: the promises above.
        let count = unsafe { Out::new(count, "count")? };
        if capacity > 0 && figures.is_null() {
            Err(Failure::null("figures"))
        } else {
            Ok(Figures { figures, capacity, count })
        }
    }

    pub(crate) fn set(self, known: &[u64]) {
        // SAFETY: the promise made to `new`, of which no more is written; and the caller's memory is not the engine's.
        unsafe { std::ptr::copy_nonoverlapping(known.as_ptr(), self.figures, self.capacity.min(known.len())) };
        self.count.set(known.len());
    }
}

/// Writes a value where the caller wants it, if anywhere.
///
/// # Safety
/// As [`Out::new`].
pub(crate) unsafe fn set_unless_null<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: not NULL, and the promise above.
        unsafe { place.write(value) }
    }
}

/// Two buffers that the engine takes as a shared and an exclusive one must not overlap.
pub(crate) fn check_apart(input: &[u8], output: &[u8], names: &str) -> Result<(), Failure> {
    let (a, b) = (input.as_ptr_range(), output.as_ptr_range());
    if a.start < b.end && b.start < a.end && !input.is_empty() && !output.is_empty() {
        return Err(Failure::invalid(format!("{names} overlap")));
    }
    Ok(())
}

/// The keys from `start` on and before `end`; where that is NULL, up to the last.
///
/// # Safety
/// As [`bytes`], of both.
#[expect(clippy::type_complexity, reason = "as the core takes it")]
pub(crate) unsafe fn half_open<'a>(
    (start, start_len): (*const u8, usize),
    (end, end_len): (*const u8, usize),
) -> Result<(Bound<&'a [u8]>, Bound<&'a [u8]>), Failure> {
    // SAFETY: the caller's promises.
    let (start, stop) = unsafe { (bytes(start, start_len, "start")?, bytes(end, end_len, "end")?) };
    Ok((Bound::Included(start), if end.is_null() { Bound::Unbounded } else { Bound::Excluded(stop) }))
}

/// What a call says that asks whether a key is there.
pub(crate) fn found(there: bool) -> Status {
    if there { Status::Ok } else { Status::NotFound }
}

/// What a call says that copies a value, of which it tells the length, into a buffer.
pub(crate) fn copied(place: Out<usize>, len: Option<usize>, capacity: usize) -> Status {
    let Some(len) = len else { return Status::NotFound };
    place.set(len);
    if len > capacity { Status::BufferTooSmall } else { Status::Ok }
}

/// A path from a C string, as the operating system takes it.
///
/// # Safety
/// Unless it is NULL, `path` is NUL-terminated and doesn't change until the call ends.
pub(crate) unsafe fn os_path<'a>(path: *const c_char) -> Result<&'a Path, Failure> {
    if path.is_null() {
        return Err(Failure::null("path"));
    }
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) };
    if path.is_empty() {
        return Err(Failure::invalid("the path is empty"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Ok(Path::new(OsStr::from_bytes(path.to_bytes())))
    }
    #[cfg(not(unix))]
    path.to_str().map(|path| Path::new(OsStr::new(path))).map_err(|_| Failure::invalid("the path is not UTF-8"))
}

/// The options that a write's flags stand for. Unknown flags are refused, so that they can get a meaning later.
pub(crate) fn write_options(flags: u32) -> Result<WriteOptions, Failure> {
    const KNOWN: u32 = BITCASK_WRITE_SYNC | BITCASK_WRITE_KEEP_EXPIRY;
    if flags & !KNOWN != 0 {
        return Err(Failure::invalid(format!("flags are {flags:#x}, of which this release knows only {KNOWN:#x}")));
    }
    let has = |flag: u32| flags & flag != 0;
    Ok(WriteOptions::new().sync(has(BITCASK_WRITE_SYNC)).keep_expiry(has(BITCASK_WRITE_KEEP_EXPIRY)))
}
