//! Open files and locks of a simulated disk.
//!
//! An open file is a number of an inode, so it goes on working when its name is changed or removed.

use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Disk;
use super::history::Op;
use super::image::Ino;
use super::mapping;
use crate::util::page::{PAGE_SIZE, PageRun};
use crate::vfs::{LockGuard, Mapping, VfsFile, Window, write_all_at};

// As on Linux; the standard library has no names for two of them.
const EBADF: i32 = 9;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;

/// An open file.
pub(super) struct SimFile {
    pub(super) disk: Arc<Mutex<Disk>>,
    pub(super) ino: Ino,
    pub(super) writable: bool,
}

impl SimFile {
    fn check_writable(&self, errno: i32) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
    }
}

/// The end of a range, if a file can be that long.
fn end(offset: u64, len: u64) -> io::Result<u64> {
    let end = offset.checked_add(len).filter(|end| i64::try_from(*end).is_ok());
    end.ok_or_else(|| io::Error::from_raw_os_error(EINVAL))
}

fn len_of(disk: &Disk, ino: Ino) -> u64 {
    disk.visible.content(ino).map_or(0, |content| content.len())
}

impl VfsFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        end(offset, 0)?;
        let disk = self.disk.lock();
        Ok(disk.visible.content(self.ino).map_or(0, |content| content.read(buf, offset)))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.check_writable(EBADF)?;
        if buf.is_empty() {
            return Ok(0);
        }
        let end = end(offset, buf.len() as u64)?;
        let mut disk = self.disk.lock();
        let len = len_of(&disk, self.ino);
        let grow = end.saturating_sub(len);
        let missing = usize::try_from(grow - disk.room(grow)).unwrap_or(usize::MAX);
        let fits = buf.len().saturating_sub(missing);
        if fits == 0 {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        disk.record(Op::Write { ino: self.ino, offset, bytes: Arc::from(&buf[..fits]) });
        Ok(fits)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(len_of(&self.disk.lock(), self.ino))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable(EINVAL)?;
        end(0, len)?;
        let mut disk = self.disk.lock();
        let grow = len.saturating_sub(len_of(&disk, self.ino));
        if disk.room(grow) < grow {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        disk.record(Op::SetLen { ino: self.ino, len });
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.check_writable(EBADF)?;
        let end = end(offset, len)?;
        let mut disk = self.disk.lock();
        let grow = end.saturating_sub(len_of(&disk, self.ino));
        if disk.room(grow) < grow {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        disk.record(Op::Allocate { ino: self.ino, offset, end });
        Ok(())
    }

    fn fill(&self, offset: u64, len: u64) -> io::Result<()> {
        let end = end(offset, len)?;
        let long = len_of(&self.disk.lock(), self.ino);
        assert!(end <= long, "zeros for {offset}..{end} in a file of {long} bytes: nothing is reserved there");
        let zeros = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?];
        write_all_at(self, &zeros, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.lock().record(Op::SyncData { ino: self.ino });
        Ok(())
    }

    fn map(&self, len: u64) -> io::Result<Arc<dyn Mapping>> {
        mapping::map(&self.disk, self.ino, len)
    }

    /// A copy: the file is not to be changed as long as it lives, so that nobody can tell it from a mapping.
    fn map_private(&self, offset: u64, pages: usize) -> io::Result<PageRun> {
        let disk = self.disk.lock();
        if end(offset, pages as u64 * PAGE_SIZE as u64)? > len_of(&disk, self.ino) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (run, mut bytes) = (PageRun::zeroed(pages), [0; PAGE_SIZE]);
        for (page, at) in run.iter().zip((offset..).step_by(PAGE_SIZE)) {
            let content = disk.visible.content(self.ino);
            let _read = content.map_or(0, |content| content.read(&mut bytes, at));
            page.copy_from_bytes(&bytes);
        }
        Ok(run)
    }

    fn window(&self, offset: u64, len: u64) -> io::Result<Box<dyn Window>> {
        self.check_writable(EACCES)?;
        end(offset, len)?;
        Ok(Box::new(SimWindow { disk: Arc::clone(&self.disk), ino: self.ino, offset, len }))
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("ino", &self.ino).finish_non_exhaustive()
    }
}

/// A range of a file to copy into: for the disk a write like any other, whose pages reach it one by one and in any order.
struct SimWindow {
    disk: Arc<Mutex<Disk>>,
    ino: Ino,
    offset: u64,
    len: u64,
}

impl Window for SimWindow {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let end = offset.saturating_add(bytes.len() as u64);
        if offset < self.offset || end > self.offset.saturating_add(self.len) {
            return false;
        }
        let mut disk = self.disk.lock();
        let len = len_of(&disk, self.ino);
        assert!(end <= len, "a copy to {offset}..{end} in a file of {len} bytes: on a real machine this is SIGBUS");
        if !bytes.is_empty() {
            disk.record(Op::Write { ino: self.ino, offset, bytes: Arc::from(bytes) });
        }
        true
    }
}

impl fmt::Debug for SimWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimWindow").field("ino", &self.ino).field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// A lock on an inode.
pub(super) struct SimLock {
    pub(super) disk: Arc<Mutex<Disk>>,
    pub(super) ino: Ino,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        // As on the real disk the holder takes its note with it.
        if disk.locks.remove(&self.ino) && len_of(&disk, self.ino) > 0 {
            disk.record(Op::SetLen { ino: self.ino, len: 0 });
        }
    }
}

impl LockGuard for SimLock {}

impl fmt::Debug for SimLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimLock").field("ino", &self.ino).finish_non_exhaustive()
    }
}
