//! Writing by copying into a mapping, where a full disk can't turn that into a signal.
//!
//! Blocks that `fallocate` reserved are there when a page of them is first written to, on file systems that overwrite in place. One that
//! writes elsewhere (btrfs, ZFS, a network's; XFS, where a copy shares the file's blocks) may find no room then, and all it could do
//! is to send SIGBUS; so those that are known to be safe are listed, and all others get no window.

use std::fs::File;
use std::io;

use super::space::Kind;
use crate::vfs::Window;

/// See [`VfsFile::window`](crate::vfs::VfsFile::window).
pub(super) fn open(file: &File, offset: u64, len: u64) -> io::Result<Box<dyn Window>> {
    let Ok(size) = usize::try_from(len) else { return Err(io::ErrorKind::Unsupported.into()) };
    if cfg!(not(target_pointer_width = "64")) || !Kind::of(file)?.keeps_what_it_reserved() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let map = memmap2::MmapOptions::new().offset(offset).len(size).map_raw(file)?;
    Ok(Box::new(OsWindow { map, offset, ready: 0 }))
}

/// Bytes that are made ready at a time. Each page costs the same from a few on (some 2 microseconds), and one write in many waits for all of them.
const STEP: usize = 16 << 10;

#[derive(Debug)]
struct OsWindow {
    map: memmap2::MmapRaw,
    offset: u64,
    /// Bytes from the window's beginning whose pages were made ready to be written to.
    ready: usize,
}

impl OsWindow {
    /// Has the kernel fetch the pages up to `end` in one go, which takes a fraction of what a fault for each does. An error in that, of the disk
    /// say, is an error and not the signal that a fault would be.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn make_ready(&mut self, end: usize) -> bool {
        const PAGE: usize = 4096;
        let to = end.max(self.ready + STEP).min(self.map.len());
        let address = self.map.as_mut_ptr().addr();
        // Mappings begin at a page, and this one's first byte may lie within it. Pages may be larger: then the call refuses.
        let start = (address + self.ready) & !(PAGE - 1);
        let len = address + to - start;
        let start = self.map.as_mut_ptr().with_addr(start);
        // SAFETY: the range lies within the mapping's pages, and filling page tables changes no bytes.
        let done = unsafe { libc::madvise(start.cast(), len, libc::MADV_POPULATE_WRITE) } == 0;
        // A kernel before 5.14 does not know it; pages are then faulted in as they are written to.
        let unknown = !done && io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
        if done || unknown {
            self.ready = if unknown { self.map.len() } else { to };
        }
        done || unknown
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn make_ready(&mut self, _: usize) -> bool {
        true
    }
}

impl Window for OsWindow {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let Some(start) = offset.checked_sub(self.offset).and_then(|start| usize::try_from(start).ok()) else {
            return false;
        };
        let Some(end) = start.checked_add(bytes.len()).filter(|&end| end <= self.map.len()) else { return false };
        if end > self.ready && !self.make_ready(end) {
            return false;
        }
        // SAFETY: the range lies within the mapping, as was just checked, and within the file, as whoever made the window promised.
        // Nobody has a reference to these bytes: readers make theirs of bytes before the end of the log, through a mapping
        // of their own, and the source is not the file's.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.as_mut_ptr().add(start), bytes.len()) };
        true
    }
}
