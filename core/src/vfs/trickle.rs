//! A file system that moves a byte at a time and is interrupted again and again, around any other.
//!
//! What it does is what any system may do at any time; a caller that reads a record right through it never takes a short
//! read for the end of a file. Mappings are those of the file system inside and know no short reads.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{OpenMode, Vfs, VfsFile};

#[cfg(test)]
mod tests;

/// Wraps any file system. Clones count together.
#[derive(Clone, Debug)]
pub struct TrickleVfs {
    inner: Arc<dyn Vfs>,
    pace: Pace,
}

#[derive(Clone, Debug)]
struct Pace {
    bytes: usize,
    interrupt_every: u64,
    calls: Arc<AtomicU64>,
}

impl Pace {
    /// Counts a read or a write; gives how many bytes of it may be moved.
    fn step(&self, len: usize) -> io::Result<usize> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if self.interrupt_every > 0 && call.is_multiple_of(self.interrupt_every) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(len.min(self.bytes))
    }
}

impl TrickleVfs {
    /// Moves one byte a call, and every third call is interrupted.
    #[must_use]
    pub fn new(inner: Arc<dyn Vfs>) -> TrickleVfs {
        TrickleVfs::with(inner, 1, 3)
    }

    /// Moves at most `bytes` a call (0 counts as 1), and interrupts every `interrupt_every`-th call before it has done
    /// anything. 0 interrupts none; 1, with which nothing would ever be done, counts as 2.
    #[must_use]
    pub fn with(inner: Arc<dyn Vfs>, bytes: usize, interrupt_every: u64) -> TrickleVfs {
        let interrupt_every = if interrupt_every == 1 { 2 } else { interrupt_every };
        TrickleVfs { inner, pace: Pace { bytes: bytes.max(1), interrupt_every, calls: Arc::default() } }
    }

    /// Reads and writes so far, interrupted ones too.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.pace.calls.load(Ordering::Relaxed)
    }
}

impl Vfs for TrickleVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        Ok(Arc::new(TrickleFile { inner: self.inner.open(path, mode)?, pace: self.pace.clone() }))
    }

    crate::pass_on!(list rename remove create_dir sync_dir entry_kind canonicalize lock free_bytes now random process_id process_generation);
}

#[derive(Debug)]
struct TrickleFile {
    inner: Arc<dyn VfsFile>,
    pace: Pace,
}

impl VfsFile for TrickleFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let n = self.pace.step(buf.len())?;
        self.inner.read_at(&mut buf[..n], offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let n = self.pace.step(buf.len())?;
        self.inner.write_at(&buf[..n], offset)
    }

    crate::pass_on!(len set_len allocate fill sync_data map map_private window);
}
