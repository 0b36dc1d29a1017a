//! The file system as those see it who know no gate: a sync of a directory goes through it all the same.
//!
//! For an index that has files of its own. What it is told of a failure is its own affair; that there was one stays known (`sync_gate`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sync_gate::SyncGate;
use crate::error::Error;
use crate::types::Timestamp;
use crate::vfs::{DirEntry, EntryKind, LockError, LockGuard, OpenMode, Vfs, VfsFile};

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

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn entry_kind(&self, path: &Path) -> io::Result<EntryKind> {
        self.inner.entry_kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonicalize(path)
    }

    fn lock(&self, path: &Path, note: &str) -> Result<Box<dyn LockGuard>, LockError> {
        self.inner.lock(path, note)
    }

    fn free_bytes(&self, dir: &Path) -> Option<u64> {
        self.inner.free_bytes(dir)
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn random(&self, buf: &mut [u8]) -> io::Result<()> {
        self.inner.random(buf)
    }

    fn process_id(&self) -> u32 {
        self.inner.process_id()
    }

    fn process_generation(&self) -> u64 {
        self.inner.process_generation()
    }
}
