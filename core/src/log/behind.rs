//! Sealed files of the log that the writer has left behind before they were on stable storage.
//!
//! Whoever comes first brings one there: the thread that does such things, or who is to say that something behind it is on stable storage. It is done
//! once, and whoever comes later gets the same outcome: a sync that failed is not tried again.
//!
//! Locking: a lock for each file, held over the syncs, under any other; [`SyncGate`]'s is taken under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;
use crate::types::{FileId, SeqNo};
use crate::util::lock::Mutex;

use super::data_file::DataFile;
use super::sync_gate::SyncGate;

/// A sealed file, and the one behind it.
#[derive(Debug)]
pub(super) struct Behind {
    pub(super) gate: Arc<SyncGate>,
    pub(super) sealed: Arc<DataFile>,
    pub(super) next: Arc<DataFile>,
    /// Number of the last commit in the sealed one.
    pub(super) seq: SeqNo,
    pub(super) synced: Mutex<Option<Result<()>>>,
    pub(super) is_over: AtomicBool,
}

impl Behind {
    /// The file that the log goes on in.
    pub(super) fn next(&self) -> FileId {
        self.next.id()
    }

    /// Brings all of the sealed file to stable storage, and the next one's headers.
    pub(super) fn sync(&self) -> Result<()> {
        let mut outcome = self.synced.lock();
        let outcome = outcome.get_or_insert_with(|| {
            self.gate.sync(&self.next)?;
            self.gate.sync(&self.sealed)
        });
        self.is_over.store(true, Ordering::Release);
        outcome.clone()
    }

    /// Whether [`Behind::sync`] has an outcome: then it says it at once.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}
