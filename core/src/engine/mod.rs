//! The engine: opening and recovery, the commit queue, writing, reading, iteration.
//!
//! Joins the two siblings below it, the log and the index. [`store`] has the locking order.

mod bulk;
mod cursor;
mod files;
mod history;
mod interval;
mod multi;
mod page;
mod pending;
mod queue;
mod range;
mod read;
mod reader;
mod recovery;
mod refresh;
mod snapshot;
mod store;
mod unordered;
mod write;

pub use crate::log::Value;
pub(crate) use bulk::Bulk;
pub(crate) use cursor::{Cursor, CursorOptions};
pub use page::{EntryPage, ValuePage};
pub(crate) use pending::Pending;
pub(crate) use reader::{Handle, State};
pub(crate) use snapshot::Snapshot;
pub(crate) use store::{Config, Store};
