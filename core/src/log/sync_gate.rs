//! All syncs of data files go through here, one at a time.
//!
//! The system tells a failed write-back to one caller only: of two syncs of the same file at the same time the second would
//! succeed although bytes were lost. And a sync after a failed one may succeed too, for the lost pages count as clean.
//! So after one failure no sync is tried any more, whoever asks.

use std::sync::Arc;

use super::data_file::DataFile;
use super::writer::LogPosition;
use crate::error::{Error, Result};
use crate::types::SeqNo;
use crate::util::lock::Mutex;

/// Serialises syncs and remembers the first failure.
#[derive(Debug, Default)]
pub(crate) struct SyncGate {
    failed: Mutex<Option<Arc<Error>>>,
}

impl SyncGate {
    /// Brings a data file's bytes to stable storage.
    pub(crate) fn sync(&self, file: &DataFile) -> Result<()> {
        let mut failed = self.failed.lock();
        if let Some(cause) = &*failed {
            return Err(Error::WritesStopped { cause: Arc::clone(cause) });
        }
        file.file().sync_data().map_err(|e| {
            let error = Error::io("sync", file.path(), None, e);
            *failed = Some(Arc::new(error.clone()));
            error
        })
    }
}

/// A sync that is to run beside writers.
#[derive(Debug)]
pub(crate) struct BackgroundSync {
    pub(super) gate: Arc<SyncGate>,
    pub(super) file: Arc<DataFile>,
    pub(super) position: LogPosition,
    /// Offset of the last record before it, or 0.
    pub(super) record: u64,
    /// Number of the last commit before it.
    pub(super) seq: SeqNo,
}

impl BackgroundSync {
    /// Runs it. The outcome is for [`LogWriter::synced_to`](super::LogWriter::synced_to).
    pub(crate) fn run(&self) -> Result<()> {
        self.gate.sync(&self.file)
    }
}
