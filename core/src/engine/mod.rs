//! The engine: opening and recovery, the commit queue, writing, reading, iteration.
//!
//! Joins the two siblings below it, the log and the index. [`store`] has the locking order.

mod accounts;
mod ahead;
mod atomic;
mod before;
mod bulk;
mod checkpoint;
mod committer;
mod cursor;
mod delta;
#[cfg(test)]
mod delta_tests;
mod durable;
#[cfg(test)]
mod durable_tests;
mod expiry;
mod files;
mod healing;
mod history;
mod home;
mod indexed;
mod interval;
mod merge;
#[cfg(test)]
mod model_tests;
mod multi;
mod overlay;
mod page;
mod pending;
mod plan;
mod queue;
#[cfg(test)]
mod queue_tests;
mod quick;
mod range;
mod ranges;
mod read;
mod reader;
mod reads;
mod recovery;
mod refresh;
mod share;
mod snapshot;
mod store;
mod sweep;
mod sync;
mod transaction;
mod unordered;
mod wait;
mod walk;
mod write;

// By this name for the files that `model_tests` compiles over other locks.
use crate::util::lock;

pub use crate::log::Value;
pub(crate) use atomic::{Decision, Found};
pub(crate) use bulk::Bulk;
pub(crate) use committer::{Answer, MAX_IN_FLIGHT};
pub(crate) use cursor::{Cursor, CursorOptions};
pub use merge::{MergeOptions, MergePolicy};
pub(crate) use overlay::Overlay;
pub use page::{EntryPage, ValuePage};
pub(crate) use pending::{Mark, Pending};
pub(crate) use range::range;
pub(crate) use ranges::KeyRange;
pub(crate) use reader::{Handle, State};
pub(crate) use share::Share;
pub(crate) use snapshot::Snapshot;
pub(crate) use store::{Config, Store};
pub(crate) use transaction::Transaction;
