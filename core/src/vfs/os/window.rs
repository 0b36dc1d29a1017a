//! Writing by copying into a mapping, where a full disk can't turn that into a signal.
//!
//! Blocks that `fallocate` reserved are there when a page of them is first written to, on file systems that overwrite in place. One that
//! writes elsewhere (btrfs, ZFS, a network's; XFS, where a copy shares the file's blocks) may find no room then, and all it could do
//! is to send SIGBUS; so those that are known to be safe are listed, and all others get no window.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::space::Kind;
use crate::vfs::{Window, WindowPages};

/// See [`VfsFile::window`](crate::vfs::VfsFile::window).
pub(super) fn open(file: &File, offset: u64, len: u64) -> io::Result<Box<dyn Window>> {
    let Ok(size) = usize::try_from(len) else { return Err(io::ErrorKind::Unsupported.into()) };
    if cfg!(not(target_pointer_width = "64")) || !Kind::of(file)?.keeps_what_it_reserved() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let map = memmap2::MmapOptions::new().offset(offset).len(size).map_raw(file)?;
    Ok(Box::new(OsWindow { pages: Arc::new(Pages { map, offset, ready: AtomicUsize::new(0) }) }))
}

/// Bytes that are made ready at a time by who writes. Each page costs the same from a few on (some 2 microseconds), and one write in many waits for all of them.
const STEP: usize = 16 << 10;
/// The same where nobody waits for it but who changes the process's mappings meanwhile.
const LONG_STEP: usize = 64 << 10;

/// The one that writes.
#[derive(Debug)]
struct OsWindow {
    pages: Arc<Pages>,
}

#[derive(Debug)]
struct Pages {
    map: memmap2::MmapRaw,
    offset: u64,
    /// Bytes from the window's beginning whose pages were made ready to be written to, by whomever: to do it twice changes nothing.
    ready: AtomicUsize,
}

impl Pages {
    fn is_ready(&self, end: usize) -> bool {
        end <= self.ready.load(Ordering::Relaxed)
    }

    /// Has the kernel fetch the pages up to `end` in one go, which takes a fraction of what a fault for each does. An error in that, of the disk
    /// say, is an error and not the signal that a fault would be.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn make_ready(&self, end: usize) -> bool {
        const PAGE: usize = 4096;
        let ready = self.ready.load(Ordering::Relaxed);
        let to = end.max(ready + STEP).min(self.map.len());
        if to <= ready {
            return true;
        }
        let address = self.map.as_mut_ptr().addr();
        // Mappings begin at a page, and this one's first byte may lie within it. Pages may be larger: then the call refuses.
        let start = (address + ready) & !(PAGE - 1);
        let len = address + to - start;
        let start = self.map.as_mut_ptr().with_addr(start);
        // SAFETY: the range lies within the mapping's pages, and filling page tables changes no bytes.
        let done = unsafe { libc::madvise(start.cast(), len, libc::MADV_POPULATE_WRITE) } == 0;
        // A kernel before 5.14 does not know it; pages are then faulted in as they are written to.
        let unknown = !done && io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
        if done || unknown {
            self.ready.fetch_max(if unknown { self.map.len() } else { to }, Ordering::Relaxed);
        }
        done || unknown
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn make_ready(&self, _: usize) -> bool {
        self.ready.store(self.map.len(), Ordering::Relaxed);
        true
    }
}

impl WindowPages for Pages {
    fn fetch(&self, to: u64) {
        let to = usize::try_from(to.saturating_sub(self.offset)).unwrap_or(usize::MAX).min(self.map.len());
        while !self.is_ready(to) {
            let next = self.ready.load(Ordering::Relaxed).saturating_add(LONG_STEP).min(to);
            if !self.make_ready(next) {
                return;
            }
        }
    }
}

impl Window for OsWindow {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let pages = &*self.pages;
        let Some(start) = offset.checked_sub(pages.offset).and_then(|start| usize::try_from(start).ok()) else {
            return false;
        };
        let Some(end) = start.checked_add(bytes.len()).filter(|&end| end <= pages.map.len()) else { return false };
        if !pages.is_ready(end) && !pages.make_ready(end) {
            return false;
        }
        // SAFETY: the range lies within the mapping, as was just checked, and within the file, as whoever made the window promised.
        // Nobody has a reference to these bytes: readers make theirs of bytes before the end of the log, through a mapping
        // of their own, and the source is not the file's.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pages.map.as_mut_ptr().add(start), bytes.len()) };
        true
    }

    fn pages(&self) -> Option<Arc<dyn WindowPages>> {
        Some(Arc::<Pages>::clone(&self.pages))
    }
}
