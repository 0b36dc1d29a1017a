//! Handles: what a C caller holds instead of pointers. A handle is a number (type, slot, generation) in a pointer's
//! clothes; it is looked up and never dereferenced. One that was freed, is of another type or was made up is found out
//! and refused, whatever the caller's other threads do at the time.

use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::{Error, Status};

use crate::error::Failure;
use crate::table::{Entered, GENERATION_BITS, INDEX_BITS, Table};

pub(crate) use crate::stripes::{One, Striped, Users};

/// The tag is in the topmost bits: where pointers have 64, no address of a process looks like that, so that a real
/// pointer is refused by its tag alone, and a handle does not look like an address to a garbage collector.
pub(crate) const TAG_BITS: u32 = 4;

/// A C handle type and the table behind it.
pub(crate) trait Handle: Sized + 'static {
    /// What the handle stands for.
    type Object: Send + Sync + 'static;
    /// [`Striped`] for objects that many threads use at once.
    type Users: Users;
    /// 1 to 15, another for each type.
    const TAG: usize;
    /// For messages.
    const NAME: &'static str;
    /// The one table of this type.
    fn table() -> &'static Table<Self::Object, Self::Users>;
}

/// A handle's object, lent for the length of a call.
pub(crate) type Lent<H> = Entered<'static, <H as Handle>::Object, <H as Handle>::Users>;

/// Makes a handle for an object; `None` if all are taken (2^28 of a type, 2^16 where pointers have 32 bits).
pub(crate) fn insert<H: Handle>(object: H::Object) -> Option<*mut H> {
    let (index, generation) = H::table().insert(object).ok()?;
    let number = (H::TAG << (INDEX_BITS + GENERATION_BITS)) | (generation << INDEX_BITS) | index;
    Some(std::ptr::without_provenance_mut(number))
}

/// As [`insert`], where a failure can be told.
pub(crate) fn new_handle<H: Handle>(object: H::Object) -> Result<*mut H, Failure> {
    insert(object).ok_or_else(|| Failure::new(Status::Internal, format!("too many {} handles are in use", H::NAME)))
}

/// The object behind a handle. It stays until the result is dropped, whoever frees the handle meanwhile.
pub(crate) fn enter<H: Handle>(handle: *const H) -> Result<Lent<H>, Failure> {
    let (index, generation) = decode(handle)?;
    H::table().enter(index, generation).ok_or_else(invalid::<H>)
}

/// As [`enter`], for what a child process must not touch: [`Error::Forked`] if the object is a parent's.
pub(crate) fn enter_here<H: Handle>(handle: *const H) -> Result<Lent<H>, Failure> {
    enter(handle).and_then(here::<H>)
}

fn here<H: Handle>(lent: Lent<H>) -> Result<Lent<H>, Failure> {
    if lent.is_here() { Ok(lent) } else { Err(Error::Forked.into()) }
}

/// As [`enter`], and makes the handle invalid for everybody else. The object goes when all calls on it have ended.
pub(crate) fn take<H: Handle>(handle: *const H) -> Result<Lent<H>, Failure> {
    let (index, generation) = decode(handle)?;
    H::table().close(index, generation).ok_or_else(invalid::<H>)
}

/// As [`take`], for what a child process must not touch; the handle is invalid there too.
pub(crate) fn take_here<H: Handle>(handle: *const H) -> Result<Lent<H>, Failure> {
    take(handle).and_then(here::<H>)
}

/// Frees a handle. Nothing can be told of one that is NULL or invalid, nor of a panic while the object is dropped.
pub(crate) fn free<H: Handle>(handle: *const H) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(take(handle))));
}

fn decode<H: Handle>(handle: *const H) -> Result<(usize, usize), Failure> {
    let number = handle.addr();
    if number == 0 {
        return Err(Failure::null(H::NAME));
    }
    if number >> (INDEX_BITS + GENERATION_BITS) != H::TAG {
        return Err(invalid::<H>());
    }
    Ok((number & ((1 << INDEX_BITS) - 1), (number >> INDEX_BITS) & ((1 << GENERATION_BITS) - 1)))
}

#[cold]
pub(crate) fn invalid<H: Handle>() -> Failure {
    Failure::new(Status::InvalidHandle, format!("no such {}: freed, closed, or not one", H::NAME))
}
