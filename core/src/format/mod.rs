//! The codecs of docs/FORMAT.md: bytes to values and back, and nothing else.
//!
//! Knows no files, no clock and no index; callers read the bytes, and add path and offset to the small errors given here.
//! FORMAT.md is the authority on every layout; section numbers in comments are its.
//!
//! Invariants of every decoder here:
//! 1. Any bytes whatever give a value or an error, never a panic.
//! 2. A length is believed only after the checksum over it, and no memory is allocated by a length that was read.
//! 3. What decodes encodes to the same bytes.

pub mod accounts;
mod bytes;
pub mod checkpoint;
pub mod covered;
pub mod header;
pub mod hint;
pub mod names;
pub mod payload;
pub mod record;
mod varint;
