//! An embedded key-value store on the Bitcask model (Sheehy and Smith, 2010): all writes append to a log of data
//! files, and an index, the keydir, maps each key to its newest record.
//!
//! ```
//! # fn main() -> bitcask::Result<()> {
//! # let dir = std::env::temp_dir().join(format!("bitcask-doc-{}", std::process::id()));
//! use bitcask::{Db, IterOptions, Options};
//!
//! let db = Db::open(&dir, &Options::new())?;
//! db.put(b"user:1", b"Ada")?;
//! assert_eq!(db.get(b"user:1")?.as_deref(), Some(&b"Ada"[..]));
//!
//! let mut batch = db.batch();
//! batch.put(b"user:2", b"Grace")?;
//! batch.delete(b"user:1")?;
//! batch.commit()?;
//!
//! for record in db.iter(&IterOptions::new().prefix(b"user:"))? {
//!     let (key, value) = record?;
//!     assert_eq!((&key[..], &value[..]), (&b"user:2"[..], &b"Grace"[..]));
//! }
//! db.close()?;
//! # std::fs::remove_dir_all(&dir).ok();
//! # Ok(())
//! # }
//! ```

mod db;
mod engine;
pub mod error;
#[doc(hidden)]
pub mod format;
#[doc(hidden)]
pub mod index;
mod log;
mod options;
mod stats;
mod types;
mod util;
pub mod vfs;

pub use db::{
    Batch, BulkLoader, BulkOptions, Db, EntryPage, Iter, IterOptions, Savepoint, Snapshot, Transaction, Value,
    ValuePage, WriteFuture,
};
pub use engine::{MergeOptions, MergePolicy};
pub use error::{Error, Result, Status};
pub use index::IndexKind;
pub use options::{Options, WriteOptions};
pub use stats::{
    BackgroundMerge, Damage, FileStats, MergeNeed, MergeProgress, MergeReport, OpenPhase, OpenProgress, OpenReport,
    Refreshed, Stats, TornTail,
};
pub use types::{
    Durability, FileId, IoKind, Location, MAX_KEY_LEN, MAX_VALUE_LEN, OnDamage, SeqNo, Timestamp, Ttl, Written,
};
