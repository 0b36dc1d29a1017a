//! For a file system that stands before another: the operations in which it changes nothing.

/// Writes the named methods of [`Vfs`](crate::vfs::Vfs), or of [`VfsFile`](crate::vfs::VfsFile), in an `impl`: each calls the same of
/// `self.inner`.
#[macro_export]
#[doc(hidden)]
macro_rules! pass_on {
    ($($method:ident)+) => { $($crate::pass_on!(@ $method);)+ };
    (@ list) => {
        fn list(&self, dir: &std::path::Path) -> std::io::Result<Vec<$crate::vfs::DirEntry>> {
            self.inner.list(dir)
        }
    };
    (@ rename) => {
        fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
            self.inner.rename(from, to)
        }
    };
    (@ remove) => {
        fn remove(&self, path: &std::path::Path) -> std::io::Result<()> {
            self.inner.remove(path)
        }
    };
    (@ create_dir) => {
        fn create_dir(&self, path: &std::path::Path) -> std::io::Result<()> {
            self.inner.create_dir(path)
        }
    };
    (@ sync_dir) => {
        fn sync_dir(&self, dir: &std::path::Path) -> std::io::Result<()> {
            self.inner.sync_dir(dir)
        }
    };
    (@ entry_kind) => {
        fn entry_kind(&self, path: &std::path::Path) -> std::io::Result<$crate::vfs::EntryKind> {
            self.inner.entry_kind(path)
        }
    };
    (@ canonicalize) => {
        fn canonicalize(&self, path: &std::path::Path) -> std::io::Result<std::path::PathBuf> {
            self.inner.canonicalize(path)
        }
    };
    (@ lock) => {
        fn lock(&self, path: &std::path::Path, note: &str) -> Result<Box<dyn $crate::vfs::LockGuard>, $crate::vfs::LockError> {
            self.inner.lock(path, note)
        }
    };
    (@ free_bytes) => {
        fn free_bytes(&self, dir: &std::path::Path) -> Option<u64> {
            self.inner.free_bytes(dir)
        }
    };
    (@ now) => {
        fn now(&self) -> $crate::Timestamp {
            self.inner.now()
        }
    };
    (@ random) => {
        fn random(&self, buf: &mut [u8]) -> std::io::Result<()> {
            self.inner.random(buf)
        }
    };
    (@ process_id) => {
        fn process_id(&self) -> u32 {
            self.inner.process_id()
        }
    };
    (@ process_generation) => {
        fn process_generation(&self) -> u64 {
            self.inner.process_generation()
        }
    };
    (@ read_at) => {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
            self.inner.read_at(buf, offset)
        }
    };
    (@ write_at) => {
        fn write_at(&self, buf: &[u8], offset: u64) -> std::io::Result<usize> {
            self.inner.write_at(buf, offset)
        }
    };
    (@ len) => {
        fn len(&self) -> std::io::Result<u64> {
            self.inner.len()
        }
    };
    (@ set_len) => {
        fn set_len(&self, len: u64) -> std::io::Result<()> {
            self.inner.set_len(len)
        }
    };
    (@ allocate) => {
        fn allocate(&self, offset: u64, len: u64) -> std::io::Result<()> {
            self.inner.allocate(offset, len)
        }
    };
    (@ fill) => {
        fn fill(&self, offset: u64, len: u64) -> std::io::Result<()> {
            self.inner.fill(offset, len)
        }
    };
    (@ sync_data) => {
        fn sync_data(&self) -> std::io::Result<()> {
            self.inner.sync_data()
        }
    };
    (@ map) => {
        fn map(&self, len: u64) -> std::io::Result<std::sync::Arc<dyn $crate::vfs::Mapping>> {
            self.inner.map(len)
        }
    };
    (@ map_private) => {
        fn map_private(&self, offset: u64, pages: usize) -> std::io::Result<$crate::vfs::PageRun> {
            self.inner.map_private(offset, pages)
        }
    };
    (@ window) => {
        fn window(&self, offset: u64, len: u64) -> std::io::Result<Box<dyn $crate::vfs::Window>> {
            self.inner.window(offset, len)
        }
    };
}
