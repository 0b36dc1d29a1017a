//! Every operating-system call of the engine, behind two object-safe traits.
//!
//! Nothing else in this crate may name `std::fs`, `libc` or `SystemTime`; a check in the test run holds it.
//! Implementations: [`OsVfs`], the real one; and with the feature `testing` `sim`, a seeded disk in memory that can be
//! cut off the power at any operation, `fault`, which makes chosen operations fail, and `trickle`, which moves a byte
//! at a time. The last two wrap any other.
//!
//! Errors are plain [`io::Error`]s; callers add what they were doing and where. Short reads and writes are
//! allowed and are the caller's to continue ([`read_full_at`], [`write_all_at`]). Everything is thread-safe.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(any(test, feature = "testing"))]
pub mod fault;
#[cfg(any(test, feature = "testing"))]
pub mod op;
mod os;
mod pass_on;
#[cfg(any(test, feature = "testing"))]
pub mod sim;
#[cfg(test)]
#[path = "testdir_tests.rs"]
pub(crate) mod testdir;
#[cfg(any(test, feature = "testing"))]
pub mod trickle;

pub use os::OsVfs;

use crate::types::Timestamp;
use crate::util::page::PageRun;

/// How to open a file. Symbolic links are never followed, and only regular files are opened
/// (else [`io::ErrorKind::InvalidInput`]), without ever blocking on a FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A new file, for reading and writing; fails with `AlreadyExists` if the name is taken.
    CreateNew,
}

/// What a directory entry is, without following symbolic links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, FIFO, socket, device, ...
    Other,
}

/// Who does for a store what no write has to wait for: making files and reserving space ahead of its need, and bringing files to the disk behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helpers {
    /// Nobody: who writes does it when it is needed, and waits.
    None,
    /// The writer, who makes and reserves at once, and brings a file to the disk only when the next one is to be, or somebody waits for it. Files are in all
    /// the states then that they are in with threads, and each run sees the same operations in the same order.
    InTurn,
    /// Threads of the store.
    Threads,
}

/// One entry of a directory. Entries whose names are not UTF-8 are listed with `name` as `None`: never ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, if it is UTF-8.
    pub name: Option<String>,
    /// What it is.
    pub kind: EntryKind,
}

/// A file system, a clock and a source of random numbers.
pub trait Vfs: fmt::Debug + Send + Sync {
    /// Opens or creates a regular file. A created file's directory entry is durable after [`Vfs::sync_dir`].
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>>;

    /// All entries of a directory but `.` and `..`, in no particular order.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Renames a file, replacing `to` atomically if it is there. Durable after [`Vfs::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Durable after [`Vfs::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates one directory; its parent must exist. Durable after [`Vfs::sync_dir`] on the parent.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Brings the entries of a directory to stable storage.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Opens a directory whose entries are going to be brought to stable storage again and again, so that this takes no descriptor each time: a process may
    /// have none left. `None` where it takes none anyway.
    fn keep_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn KeptDir>>> {
        let _ = dir;
        Ok(None)
    }

    /// What stands at this path itself; `NotFound` if nothing does.
    fn entry_kind(&self, path: &Path) -> io::Result<EntryKind>;

    /// The path without symbolic links and dots; the path must exist.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// Takes an exclusive advisory lock on a file, creating it if it is missing, and never waits.
    ///
    /// `note` replaces the file's contents once the lock is held. If another holder has it (in this process too),
    /// [`LockError::Held`] gives what the file says.
    fn lock(&self, path: &Path, note: &str) -> Result<Box<dyn LockGuard>, LockError>;

    /// How many threads reading hints of data files with so many bytes in all is worth; at least 1, which means that no thread is started. A file
    /// system that is to see operations in one order says 1.
    fn open_threads(&self, bytes: u64) -> usize {
        let _ = bytes;
        1
    }

    /// Who may do for a store what no write has to wait for. A file system that is to see operations in one order gives no threads.
    fn helpers(&self) -> Helpers {
        Helpers::None
    }

    /// Bytes that may still be written into files of this directory, if the file system tells.
    fn free_bytes(&self, dir: &Path) -> Option<u64> {
        let _ = dir;
        None
    }

    /// Wall-clock time.
    fn now(&self) -> Timestamp;

    /// Fills a buffer with random bytes that nobody can guess.
    fn random(&self, buf: &mut [u8]) -> io::Result<()>;

    /// This process's id.
    fn process_id(&self) -> u32;

    /// A number that differs in a forked child from what it was in the parent. Must cost no system call.
    fn process_generation(&self) -> u64;
}

/// Whether a call failed for want of a file descriptor, before it had asked the disk for anything: EMFILE or ENFILE.
pub(crate) fn lacks_descriptor(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23))
}

/// A directory that is open.
pub trait KeptDir: fmt::Debug + Send + Sync {
    /// The same as [`Vfs::sync_dir`].
    fn sync(&self) -> io::Result<()>;
}

/// An open file. All calls give an explicit offset; there is no cursor and no append mode.
#[allow(clippy::len_without_is_empty)] // The length is a system call that can fail, and nobody asks for emptiness.
pub trait VfsFile: fmt::Debug + Send + Sync {
    /// Reads up to `buf.len()` bytes; fewer at the end of the file, or when the system feels like it.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes up to `buf.len()` bytes, growing the file as needed. May write fewer.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;

    /// Length in bytes. Fails with `InvalidInput` if the file is not regular.
    fn len(&self) -> io::Result<u64>;

    /// Cuts the file, or grows it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves blocks for a range and grows the file over it if it is shorter; new bytes read as zeros.
    /// `Unsupported` where the file system can't.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Writes zeros over reserved space that was not written to since, so that a later [`VfsFile::sync_data`] of what is written there has no more to do than
    /// to bring the bytes to the disk. `Unsupported` where that is of no use: callers go on without.
    ///
    /// REQUIRES: the range was reserved by [`VfsFile::allocate`], lies within the file and reads as zeros.
    fn fill(&self, offset: u64, len: u64) -> io::Result<()> {
        let _ = (offset, len);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Brings all bytes, and what is needed to read them, to stable storage. After a failure the bytes that were not
    /// synced may be lost even if a later call succeeds.
    fn sync_data(&self) -> io::Result<()>;

    /// Has the system begin to bring a range of written bytes to the disk, so that a later [`VfsFile::sync_data`] has less to wait for. Promises
    /// nothing, and does nothing where the system has no such call.
    fn start_writing(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }

    /// A read-only view of the first `len` bytes, which may go beyond the file's present end. It shows later writes to the file. Bytes
    /// beyond the end must not be touched. `Unsupported` where there is none; callers then read.
    fn map(&self, len: u64) -> io::Result<Arc<dyn Mapping>>;

    /// Pages of 4 KiB of the file, from `offset` on, which is a multiple of that. What is written to them is seen by nobody else and never
    /// comes to the file. `Unsupported` where there is no such thing; callers then read. An error if the file is shorter.
    ///
    /// REQUIRES: nobody changes or cuts the file as long as they live.
    fn map_private(&self, offset: u64, pages: usize) -> io::Result<PageRun> {
        let _ = (offset, pages);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A window onto a range of the file, for writing by copying. `Unsupported` where there is none, and where the file system does not
    /// promise that what was allocated can be written: a full disk would be a signal there. Callers then write.
    ///
    /// REQUIRES: the range was reserved by [`VfsFile::allocate`], lies within the file, and is not cut off as long as the window is used.
    fn window(&self, offset: u64, len: u64) -> io::Result<Box<dyn Window>>;
}

/// A range of a file to copy into. What is copied is in the page cache, as what is written is: other processes and
/// mappings see it, it survives this process, and [`VfsFile::sync_data`] makes it durable.
pub trait Window: fmt::Debug + Send {
    /// Copies bytes to an offset of the file; `false`, and nothing is done, if they don't lie within the window.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> bool;

    /// By which another thread fetches pages of it before they are copied to; `None` where that is of no use.
    fn pages(&self) -> Option<Arc<dyn WindowPages>> {
        None
    }
}

/// The pages of a [`Window`]. They stay mapped as long as this lives, so it is not to be kept.
pub trait WindowPages: fmt::Debug + Send + Sync {
    /// Has the system fetch those before an offset of the file that were not fetched yet, so that copying there does not wait for that. Changes no byte,
    /// and promises nothing. An error, of the disk say, is passed over, and is not the signal that a fault would be.
    ///
    /// REQUIRES: the window may be written to.
    fn fetch(&self, to: u64);
}

/// A read-only view of a file, kept alive by its users.
pub trait Mapping: fmt::Debug + Send + Sync {
    /// The bytes `offset..offset + len`. The caller has made sure that the file is at least that long and
    /// that nobody writes to these bytes any more. `None` if the range is not in the mapping.
    fn bytes(&self, offset: u64, len: usize) -> Option<&[u8]>;

    /// Has the system fetch these bytes, in one go, so that reading them neither waits nor fails. `false` if it can't, or the disk could not read them:
    /// then they are to be read by a call, which tells an error. They may be dropped from memory again at any time; that is as with all that is mapped.
    fn make_ready(&self, offset: u64, len: usize) -> bool {
        let _ = (offset, len);
        false
    }
}

/// A lock, released when this is dropped or the process ends. Dropping it in a forked child leaves the parent's lock alone.
pub trait LockGuard: fmt::Debug + Send + Sync {}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody has it; this is what the lock file says (may be empty or stale).
    Held(String),
    /// It could not be tried.
    Io(io::Error),
}

/// Reads until the buffer is full or the file ends; gives the number of bytes read. Retries `Interrupted`.
pub fn read_full_at(file: &dyn VfsFile, mut buf: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while !buf.is_empty() {
        match file.read_at(buf, offset) {
            Ok(0) => break,
            Ok(n) => {
                buf = &mut buf[n..];
                offset += n as u64;
                done += n;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Writes all of the buffer. Retries `Interrupted`; a write of nothing is `WriteZero`.
pub fn write_all_at(file: &dyn VfsFile, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match file.write_at(buf, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                buf = &buf[n..];
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
