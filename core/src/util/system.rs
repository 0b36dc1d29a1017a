//! What the operating system can do for the process's own memory. Nothing here touches a file, and nothing changes a byte.
#![allow(unsafe_code)]

/// Bytes of a huge page, where there are any.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// Asks that `len` bytes from `start` on be backed by huge pages: a walk of the page table is what a random read of
/// some hundred megabytes waits for besides the memory itself. A hint, for which the kernel may have no ear.
pub(crate) fn prefer_huge_pages(start: *mut u8, len: usize) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: the advice is about how pages are backed, not about what is in them, and for a range that isn't mapped the call fails.
    unsafe {
        libc::madvise(start.cast(), len, libc::MADV_HUGEPAGE);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (start, len);
}
