//! Memory of the size of a huge page, aligned like one, from the allocator of the process.
//!
//! It goes back as a whole: of a part the system may keep as much as it likes (pages of the heap may be larger than those it is asked about), and who
//! allocates memory for the process would know nothing of it. Knows nothing of what is kept in it.

#![allow(unsafe_code)]

pub(crate) use super::system::HUGE_PAGE;
use super::system::prefer_huge_pages;
use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;

const LAYOUT: Layout = match Layout::from_size_align(HUGE_PAGE, HUGE_PAGE) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};

/// [`HUGE_PAGE`] bytes.
pub(crate) struct Huge(NonNull<u8>);

impl Huge {
    /// Memory with whatever is in it; none if so much can't be had in one piece.
    pub(crate) fn new() -> Option<Huge> {
        #[cfg(test)]
        if tests::DENIED.get() {
            return None;
        }
        // SAFETY: the layout is not of size zero.
        let memory = NonNull::new(unsafe { alloc(LAYOUT) })?;
        // Before it is touched for the first time, which is when it is decided what backs it.
        prefer_huge_pages(memory.as_ptr(), HUGE_PAGE);
        Some(Huge(memory))
    }

    /// Memory of zeros.
    pub(crate) fn zeroed() -> Option<Huge> {
        let huge = Huge::new()?;
        // SAFETY: so much was just allocated, and nobody else has it.
        unsafe { huge.0.as_ptr().write_bytes(0, HUGE_PAGE) };
        Some(huge)
    }

    /// Its first byte. What is there is for who holds this to share out, and stays where it is as long as this lives.
    pub(crate) fn first(&self) -> NonNull<u8> {
        self.0
    }
}

impl Drop for Huge {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout; who uses it holds this.
        unsafe { dealloc(self.0.as_ptr(), LAYOUT) };
    }
}

// SAFETY: memory that belongs to it; nothing is read or written through this but by who has it alone.
unsafe impl Send for Huge {}
// SAFETY: a shared one gives the address alone.
unsafe impl Sync for Huge {}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        /// This thread gets none.
        pub(crate) static DENIED: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn it_is_aligned_and_zeros_where_it_says_so() {
        let other = Huge::new().expect("memory");
        // SAFETY: so much is there, and it is this test's.
        unsafe { other.first().as_ptr().write_bytes(7, HUGE_PAGE) };
        drop(other);
        let huge = Huge::zeroed().expect("memory");
        assert!(huge.first().addr().get().is_multiple_of(HUGE_PAGE));
        // SAFETY: as above, and all of it was written.
        let bytes = unsafe { std::slice::from_raw_parts(huge.first().as_ptr(), HUGE_PAGE) };
        assert!(bytes.iter().all(|byte| *byte == 0));
    }
}
