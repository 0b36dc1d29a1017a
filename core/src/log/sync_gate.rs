//! All syncs that an open store relies on go through here, of its data files as soon as they have their names, and of its directory.
//!
//! The system tells a failed write-back to one caller only: of two syncs of the same file, or directory, at the same time the second
//! would succeed although bytes, or names, were lost. And a sync after a failed one may succeed too, for what was lost counts as clean.
//! So syncs of data go one at a time, and those of the directory, and after one failure of either none is tried any more, whoever asks:
//! the log takes no more writes ([`LogWriter::check`](super::LogWriter::check) looks here), and nothing that is to be done behind a sync is done.
//!
//! Nobody else may sync the directory while the store is open, for what he is told this would never hear. What nothing relies on (the name of a hint
//! or of a saved index) waits for the next sync that is made for something else.
//!
//! Locking: a lock for each of the two, held over the call to the disk, under any other. Whether something failed is read without.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::behind::Behind;
use super::data_file::DataFile;
use super::writer::LogPosition;
use crate::error::{Error, Result};
use crate::types::SeqNo;
use crate::util::lock::Mutex;
use crate::vfs::{KeptDir, Vfs, lacks_descriptor};

#[cfg(test)]
mod tests;

/// What failed, in words.
const SYNC_DIR: &str = "sync of the directory";

/// Serialises syncs and remembers the first failure.
#[derive(Debug, Default)]
pub(crate) struct SyncGate {
    failed: OnceLock<Arc<Error>>,
    data: Mutex<()>,
    names: Mutex<()>,
    /// The store's directory.
    dir: OnceLock<Box<dyn KeptDir>>,
}

impl SyncGate {
    /// Opens the store's directory, for its syncs: a process that has no descriptor left is to lose a write by that, and not the store.
    pub(crate) fn keep_dir(&self, vfs: &dyn Vfs, dir: &Path) -> Result<()> {
        if let Some(kept) = vfs.keep_dir(dir).map_err(|e| Error::io("open", dir, None, e))? {
            let _ = self.dir.set(kept);
        }
        Ok(())
    }

    /// The failure since which nothing is synced any more, if there was one.
    pub(crate) fn check(&self) -> Result<()> {
        match self.failed.get() {
            Some(cause) => Err(Error::WritesStopped { cause: Arc::clone(cause) }),
            None => Ok(()),
        }
    }

    /// Brings a data file's bytes to stable storage.
    pub(crate) fn sync(&self, file: &DataFile) -> Result<()> {
        let _turn = self.data.lock();
        self.check()?;
        file.file().sync_data().map_err(|e| self.fail(Error::io("sync", file.path(), None, e)))
    }

    /// Brings the names in the store's directory to stable storage, and that names are there no more.
    pub(crate) fn sync_dir(&self, vfs: &dyn Vfs, dir: &Path) -> Result<()> {
        let _turn = self.names.lock();
        self.check()?;
        let outcome = self.dir.get().map_or_else(|| vfs.sync_dir(dir), |kept| kept.sync());
        outcome.map_err(|e| {
            // It may have to be opened for it. Where there was no descriptor the disk was asked for nothing, and has lost nothing.
            let is_lost = !lacks_descriptor(&e);
            let error = Error::io(SYNC_DIR, dir, None, e);
            if is_lost { self.fail(error) } else { error }
        })
    }

    fn fail(&self, error: Error) -> Error {
        let cause = Arc::clone(self.failed.get_or_init(|| Arc::new(error)));
        Error::WritesStopped { cause }
    }
}

/// A sync that is to run beside writers.
#[derive(Debug)]
pub(crate) struct BackgroundSync {
    pub(super) gate: Arc<SyncGate>,
    /// What is to come first.
    pub(super) behind: Vec<Arc<Behind>>,
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
        self.behind.iter().try_for_each(|behind| behind.sync())?;
        self.gate.sync(&self.file)
    }
}
