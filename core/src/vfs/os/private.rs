//! Mapping pages of a file for one process alone: what is written to them is nobody else's and never the file's.

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::util::page::{PAGE_SIZE, PageRun};

/// See [`VfsFile::map_private`](crate::vfs::VfsFile::map_private).
pub(super) fn open(file: &File, offset: u64, pages: usize) -> io::Result<PageRun> {
    let len = pages.checked_mul(PAGE_SIZE).ok_or(io::ErrorKind::InvalidInput)?;
    if cfg!(not(target_pointer_width = "64")) || pages == 0 || !offset.is_multiple_of(PAGE_SIZE as u64) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // Touching what is behind the end of the file would be a signal.
    if offset.checked_add(len as u64).is_none_or(|end| file.metadata().is_ok_and(|meta| meta.len() < end)) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // SAFETY: what makes a mapping unsound is somebody changing its bytes or cutting the file. This library replaces such files by
    // renaming and never changes one in place; what others do to the files in spite of the lock is documented as not covered.
    let mut map = unsafe { memmap2::MmapOptions::new().offset(offset).len(len).no_reserve_swap().map_copy(file)? };
    let first = NonNull::new(map.as_mut_ptr().cast()).ok_or(io::ErrorKind::Unsupported)?;
    if !first.addr().get().is_multiple_of(PAGE_SIZE) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: the address is that of a mapping of so many bytes, which can be read and written, is aligned, as was just looked at, and
    // lives as long as its owner. The owner hands its bytes to nobody.
    Ok(unsafe { PageRun::mapped(first, pages, Arc::new(Owner(map))) })
}

/// Keeps the mapping.
struct Owner(#[allow(dead_code)] memmap2::MmapMut);
