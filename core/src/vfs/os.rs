//! The real operating system.
//!
//! Owns every system call of the engine, and with them all of its `unsafe` that is not index or foreign interface.
//! Knows nothing of what the files hold.
//!
//! Invariants:
//! 1. No call blocks on what stands at a path: opens are non-blocking, follow no symbolic link at the last component and
//!    refuse all but regular files after a look at the open descriptor, so nothing can be swapped in between.
//! 2. No descriptor survives an `exec`.

// The engine's system calls are made here so that they are made nowhere else.
#![allow(unsafe_code)]

use std::fs::{self, File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{DirEntry, EntryKind, Helpers, KeptDir, LockError, LockGuard, Mapping, OpenMode, Vfs, VfsFile, Window};
use crate::types::Timestamp;
use crate::util::page::PageRun;

mod fork;
mod lock;
mod private;
mod space;
#[cfg(test)]
mod tests;
mod window;

const OPEN_FLAGS: i32 = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;

/// Below this hints are read before a thread is there to do it.
const WORTH_THREADS: u64 = 16 << 20;

fn open_dir(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC).open(dir)
}

#[derive(Debug)]
struct OsDir(File);

impl KeptDir for OsDir {
    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// The real file system, clock and random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsVfs;

impl OsVfs {
    /// The one there is; it has no state of its own.
    #[must_use]
    pub fn new() -> OsVfs {
        OsVfs
    }
}

impl Vfs for OsVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OPEN_FLAGS);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(OsFile { file: open_regular(&options, path)? }))
    }

    fn free_bytes(&self, dir: &Path) -> Option<u64> {
        space::free_bytes(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = match entry.file_type() {
                Ok(t) => kind_of(t),
                // Where the listing has no types this looks at the entry, which may be gone by now.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            entries.push(DirEntry { name: entry.file_name().into_string().ok(), kind });
        }
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        open_dir(dir)?.sync_all()
    }

    fn keep_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn KeptDir>>> {
        Ok(Some(Box::new(OsDir(open_dir(dir)?))))
    }

    fn entry_kind(&self, path: &Path) -> io::Result<EntryKind> {
        Ok(kind_of(fs::symlink_metadata(path)?.file_type()))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn lock(&self, path: &Path, note: &str) -> Result<Box<dyn LockGuard>, LockError> {
        lock::lock(path, note)
    }

    fn open_threads(&self, bytes: u64) -> usize {
        if bytes < WORTH_THREADS { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) }
    }

    fn helpers(&self) -> Helpers {
        Helpers::Threads
    }

    fn now(&self) -> Timestamp {
        // A clock before 1970 is a clock that was never set.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)).min(Timestamp::MAX)
    }

    fn random(&self, buf: &mut [u8]) -> io::Result<()> {
        fill_random(buf)
    }

    fn process_id(&self) -> u32 {
        std::process::id()
    }

    fn process_generation(&self) -> u64 {
        fork::generation()
    }
}

/// An open regular file.
#[derive(Debug)]
struct OsFile {
    file: File,
}

impl VfsFile for OsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        let meta = self.file.metadata()?;
        match refusal(meta.file_type()) {
            None => Ok(meta.len()),
            Some(e) => Err(e),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        // The system call refuses an empty range; to the caller it is one more case with nothing to do.
        if len == 0 { Ok(()) } else { space::allocate(&self.file, offset, len) }
    }

    fn fill(&self, offset: u64, len: u64) -> io::Result<()> {
        space::fill(&self.file, offset, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn start_writing(&self, offset: u64, len: u64) {
        start_writing(&self.file, offset, len);
    }

    fn map(&self, len: u64) -> io::Result<Arc<dyn Mapping>> {
        map(&self.file, len)
    }

    fn map_private(&self, offset: u64, pages: usize) -> io::Result<PageRun> {
        private::open(&self.file, offset, pages)
    }

    fn window(&self, offset: u64, len: u64) -> io::Result<Box<dyn Window>> {
        window::open(&self.file, offset, len)
    }
}

/// Opens a path as told and refuses what is no regular file, whatever the system says of it.
fn open_regular(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let e = match options.open(path) {
        Ok(file) => {
            return match refusal(file.metadata()?.file_type()) {
                None => Ok(file),
                Some(e) => Err(e),
            };
        }
        Err(e) => e,
    };
    // A symbolic link, a directory to write to and a socket fail in the open itself, each with an error of its own.
    if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists)
        && let Ok(meta) = fs::symlink_metadata(path)
        && let Some(refused) = refusal(meta.file_type())
    {
        return Err(refused);
    }
    Err(e)
}

/// The error for what is no regular file.
fn refusal(t: FileType) -> Option<io::Error> {
    let what = if t.is_file() {
        return None;
    } else if t.is_symlink() {
        "a symbolic link"
    } else if t.is_dir() {
        "a directory"
    } else if t.is_fifo() {
        "a FIFO"
    } else if t.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Some(io::Error::new(io::ErrorKind::InvalidInput, format!("{what}, not a regular file")))
}

fn kind_of(t: FileType) -> EntryKind {
    if t.is_file() {
        EntryKind::File
    } else if t.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Other
    }
}

/// An error of the disk is kept by the kernel for the next sync of the file.
#[cfg(target_os = "linux")]
fn start_writing(file: &File, offset: u64, len: u64) {
    use std::os::fd::AsRawFd;

    if let (Ok(offset), Ok(len)) = (libc::off64_t::try_from(offset), libc::off64_t::try_from(len)) {
        // SAFETY: the descriptor is open for the whole call because `file` is borrowed; no memory is passed.
        unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn start_writing(_: &File, _: u64, _: u64) {}

/// A shared, read-only mapping.
#[derive(Debug)]
struct OsMapping {
    map: memmap2::Mmap,
}

impl Mapping for OsMapping {
    fn bytes(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.map.get(start..start.checked_add(len)?)
    }

    /// An error of the disk in this is an error, and not the signal that it would be in a fault.
    #[cfg(target_os = "linux")]
    fn make_ready(&self, offset: u64, len: usize) -> bool {
        let start = usize::try_from(offset)
            .ok()
            .filter(|start| start.checked_add(len).is_some_and(|end| end <= self.map.len()));
        // Kernels before 5.14 don't know it.
        start.is_some_and(|start| self.map.advise_range(memmap2::Advice::PopulateRead, start, len).is_ok())
    }
}

#[cfg(target_pointer_width = "64")]
fn map(file: &File, len: u64) -> io::Result<Arc<dyn Mapping>> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: what makes a mapping unsound is somebody changing bytes that are borrowed, or cutting the file under
    // them. `Mapping::bytes` makes its callers promise that the range is in the file and is not written to any more;
    // what another process does to the files in spite of the lock is documented as not covered. The mapping may go
    // beyond the end of the file: a slice of it is made in `bytes` only, of a range that is not beyond.
    let map = unsafe { memmap2::MmapOptions::new().len(len).map(file)? };
    Ok(Arc::new(OsMapping { map }))
}

// A store of a few files would not fit in the address space; callers read instead.
#[cfg(not(target_pointer_width = "64"))]
fn map(_: &File, _: u64) -> io::Result<Arc<dyn Mapping>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn fill_random(mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        // SAFETY: pointer and length are those of one exclusive slice.
        let n = unsafe { libc::getrandom(buf.as_mut_ptr().cast(), buf.len(), 0) };
        if let Ok(n) = usize::try_from(n) {
            buf = &mut buf[n..];
            continue;
        }
        let e = io::Error::last_os_error();
        match e.raw_os_error() {
            Some(libc::EINTR) => {}
            // An old kernel, or a sandbox that does not know the call.
            Some(libc::ENOSYS | libc::EPERM) => return read_urandom(buf),
            _ => return Err(e),
        }
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn fill_random(buf: &mut [u8]) -> io::Result<()> {
    read_urandom(buf)
}

fn read_urandom(buf: &mut [u8]) -> io::Result<()> {
    io::Read::read_exact(&mut File::open("/dev/urandom")?, buf)
}
