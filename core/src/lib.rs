//! An embedded key-value store on the Bitcask model: an append-only log of data files, and an index that maps each
//! key to its newest record.

pub mod error;
pub mod format;
pub mod index;
mod types;
pub mod vfs;

pub use error::{Error, Result, Status};
pub use index::IndexKind;
pub use types::{FileId, Location, MAX_KEY_LEN, MAX_VALUE_LEN, SeqNo, Timestamp};
