//! A file system that lets the store's threads work beside its callers, and on which chosen syncs take their time: what the threads do then comes at any
//! moment between a writer's operations, and late.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bitcask::vfs::{Helpers, OpenMode, Vfs, VfsFile};

/// Which files, by a part of the names that they are opened by, are slow to sync, and how slow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slow(pub(crate) &'static str, pub(crate) Duration);

#[derive(Clone, Debug)]
pub(crate) struct ThreadsVfs {
    inner: Arc<dyn Vfs>,
    helpers: Helpers,
    slow: Slow,
}

impl ThreadsVfs {
    pub(crate) fn over(inner: impl Vfs + 'static, slow: Slow) -> ThreadsVfs {
        ThreadsVfs { inner: Arc::new(inner), helpers: Helpers::Threads, slow }
    }

    /// The writer does what threads would, late and in an order that is the same each time.
    pub(crate) fn in_turn(inner: impl Vfs + 'static) -> ThreadsVfs {
        ThreadsVfs { inner: Arc::new(inner), helpers: Helpers::InTurn, slow: Slow("no such file", Duration::ZERO) }
    }
}

impl Vfs for ThreadsVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let inner = self.inner.open(path, mode)?;
        let is_slow = path.to_string_lossy().contains(self.slow.0);
        Ok(Arc::new(ThreadsFile { inner, wait: if is_slow { self.slow.1 } else { Duration::ZERO } }))
    }

    fn helpers(&self) -> Helpers {
        self.helpers
    }

    bitcask::pass_on!(list rename remove create_dir sync_dir entry_kind canonicalize lock free_bytes now random process_id process_generation);
}

#[derive(Debug)]
struct ThreadsFile {
    inner: Arc<dyn VfsFile>,
    wait: Duration,
}

impl VfsFile for ThreadsFile {
    fn sync_data(&self) -> io::Result<()> {
        std::thread::sleep(self.wait);
        self.inner.sync_data()
    }

    bitcask::pass_on!(read_at write_at len set_len allocate fill map window);
}
