//! Space that a file reserves: how, and what the kinds of file systems make of it.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What is known of a file system. What is not in the list is taken for one that writes elsewhere than where it reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ext4,
    Xfs,
    Tmpfs,
    Other,
}

impl Kind {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn of(file: &File) -> io::Result<Kind> {
        use std::os::fd::AsRawFd;

        let mut stat = std::mem::MaybeUninit::<libc::statfs>::uninit();
        // SAFETY: the descriptor is open for the whole call, and `stat` is a place for what is written to it.
        if unsafe { libc::fstatfs(file.as_raw_fd(), stat.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, and so filled it in.
        let number = unsafe { stat.assume_init() }.f_type;
        // Their numbers differ in width from system to system.
        #[allow(clippy::unnecessary_cast)]
        let known = [
            (libc::EXT4_SUPER_MAGIC as i64, Kind::Ext4),
            (libc::XFS_SUPER_MAGIC as i64, Kind::Xfs),
            (libc::TMPFS_MAGIC as i64, Kind::Tmpfs),
        ];
        #[allow(clippy::unnecessary_cast)]
        Ok(known.iter().find(|(magic, _)| *magic == number as i64).map_or(Kind::Other, |(_, kind)| *kind))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn of(_: &File) -> io::Result<Kind> {
        Ok(Kind::Other)
    }

    /// Whether there is room for what is first written to reserved space, whatever happened since.
    pub(super) fn keeps_what_it_reserved(self) -> bool {
        matches!(self, Kind::Ext4 | Kind::Tmpfs)
    }

    /// Whether it marks reserved blocks that were not written to yet, and has a journal to commit when that changes.
    fn marks_what_it_reserved(self) -> bool {
        matches!(self, Kind::Ext4 | Kind::Xfs)
    }
}

/// Bytes that this process may still write to the file system of a directory, if that counts them. Quotas, and space that was reserved beforehand, it
/// knows nothing of.
pub(super) fn free_bytes(dir: &Path) -> Option<u64> {
    let dir = std::ffi::CString::new(dir.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero and lives as long as the call, and `stat` is a place for what is written to it.
    if unsafe { libc::statvfs(dir.as_ptr(), stat.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call succeeded, and so filled it in.
    let stat = unsafe { stat.assume_init() };
    // SAFETY: it asks for a number and can't fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    // What is kept back for root is root's.
    let free = if is_root { stat.f_bfree } else { stat.f_bavail };
    // Their width differs from system to system.
    #[allow(clippy::unnecessary_cast)]
    bytes_of(stat.f_blocks as u64, free as u64, stat.f_frsize as u64)
}

/// Blocks in bytes. A file system that counts none (ramfs, a tmpfs without limit, many in user space) says zeros, and is not full.
fn bytes_of(all: u64, free: u64, size: u64) -> Option<u64> {
    if all == 0 || size == 0 { None } else { free.checked_mul(size) }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn allocate(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let (Ok(offset), Ok(len)) = (libc::off_t::try_from(offset), libc::off_t::try_from(len)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    loop {
        // SAFETY: the descriptor is open for the whole call because `file` is borrowed; no memory is passed.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, len) } == 0 {
            return Ok(());
        }
        let e = io::Error::last_os_error();
        match e.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => return Err(io::ErrorKind::Unsupported.into()),
            _ => return Err(e),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn allocate(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// See [`VfsFile::fill`](crate::vfs::VfsFile::fill).
pub(super) fn fill(file: &File, mut offset: u64, len: u64) -> io::Result<()> {
    const PIECE: u64 = 64 << 10;

    if !Kind::of(file)?.marks_what_it_reserved() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let zeros = vec![0; PIECE.min(len) as usize];
    let end = offset.saturating_add(len);
    while offset < end {
        let piece = PIECE.min(end - offset);
        file.write_all_at(&zeros[..piece as usize], offset)?;
        offset += piece;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::bytes_of;

    #[test]
    fn who_counts_no_blocks_is_not_full() {
        for (all, free, size) in [(0, 0, 4096), (0, 7, 4096), (10, 0, 0), (10, 3, 0), (0, 0, 0)] {
            assert_eq!(bytes_of(all, free, size), None, "{free} of {all} blocks of {size}");
        }
        assert_eq!(bytes_of(10, 0, 4096), Some(0));
        assert_eq!(bytes_of(10, 3, 4096), Some(3 * 4096));
        assert_eq!(bytes_of(u64::MAX, u64::MAX, 2), None);
    }
}
