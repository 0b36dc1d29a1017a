//! The file system as those see it who know no gate: a sync of a directory goes through it all the same.
//!
//! For an index that has files of its own. What it is told of a failure is its own affair; that there was one stays known (`sync_gate`).

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::sync_gate::SyncGate;
use crate::error::Error;
use crate::vfs::{OpenMode, Vfs, VfsFile};

/// A file system whose directories are synced through a store's gate.
#[derive(Debug)]
pub(crate) struct GatedVfs {
    inner: Arc<dyn Vfs>,
    gate: Arc<SyncGate>,
}

impl GatedVfs {
    pub(crate) fn new(inner: &Arc<dyn Vfs>, gate: &Arc<SyncGate>) -> GatedVfs {
        GatedVfs { inner: Arc::clone(inner), gate: Arc::clone(gate) }
    }
}

impl Vfs for GatedVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        self.inner.open(path, mode)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // The caller says which directory.
        let plain =
            |error: Error| error.os_error().map_or_else(|| io::Error::other(error), io::Error::from_raw_os_error);
        self.gate.sync_dir(self.inner.as_ref(), dir).map_err(plain)
    }

    fn open_threads(&self, bytes: u64) -> usize {
        self.inner.open_threads(bytes)
    }

    crate::pass_on!(list rename remove create_dir entry_kind canonicalize lock free_bytes now random process_id process_generation);
}
