//! A file system that lets somebody look between any two operations of a program, and in the midst of each write: of a write by a call when
//! a part of it is there, of a copy into a window when its later half is there and its earlier half is not.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bitcask::vfs::{OpenMode, Vfs, VfsFile, Window};

type Look = Box<dyn FnMut() + Send>;

/// Who looks. Nobody, while they do it themselves.
#[derive(Clone, Default)]
pub(crate) struct Watcher(Arc<Mutex<Option<Look>>>);

impl Watcher {
    pub(crate) fn set(&self, look: impl FnMut() + Send + 'static) {
        *self.0.lock().expect("the watcher") = Some(Box::new(look));
    }

    pub(crate) fn clear(&self) {
        *self.0.lock().expect("the watcher") = None;
    }

    pub(crate) fn look(&self) {
        let look = self.0.lock().expect("the watcher").take();
        if let Some(mut look) = look {
            look();
            let mut place = self.0.lock().expect("the watcher");
            if place.is_none() {
                *place = Some(look);
            }
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

#[derive(Clone, Debug)]
pub(crate) struct WatchedVfs {
    pub(crate) inner: Arc<dyn Vfs>,
    pub(crate) watcher: Watcher,
}

impl WatchedVfs {
    fn then<T>(&self, outcome: T) -> T {
        self.watcher.look();
        outcome
    }
}

impl Vfs for WatchedVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let inner = self.then(self.inner.open(path, mode))?;
        Ok(Arc::new(WatchedFile { inner, watcher: self.watcher.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.then(self.inner.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.then(self.inner.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.then(self.inner.sync_dir(dir))
    }

    bitcask::pass_on!(list create_dir entry_kind canonicalize lock free_bytes now random process_id process_generation);
}

#[derive(Debug)]
struct WatchedFile {
    inner: Arc<dyn VfsFile>,
    watcher: Watcher,
}

impl WatchedFile {
    fn then<T>(&self, outcome: T) -> T {
        self.watcher.look();
        outcome
    }
}

impl VfsFile for WatchedFile {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        // The caller goes on with the rest.
        let piece = &buf[..(buf.len() / 3).max(1).min(buf.len())];
        self.then(self.inner.write_at(piece, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.then(self.inner.set_len(len))
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.then(self.inner.allocate(offset, len))
    }

    fn fill(&self, offset: u64, len: u64) -> io::Result<()> {
        self.then(self.inner.fill(offset, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.then(self.inner.sync_data())
    }

    fn window(&self, offset: u64, len: u64) -> io::Result<Box<dyn Window>> {
        let inner = self.inner.window(offset, len)?;
        Ok(Box::new(WatchedWindow { inner, watcher: self.watcher.clone() }))
    }

    bitcask::pass_on!(read_at len map);
}

#[derive(Debug)]
struct WatchedWindow {
    inner: Box<dyn Window>,
    watcher: Watcher,
}

impl Window for WatchedWindow {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        if !self.inner.write(offset + first.len() as u64, second) {
            return false;
        }
        self.watcher.look();
        let done = self.inner.write(offset, first);
        self.watcher.look();
        done
    }
}
