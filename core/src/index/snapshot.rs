//! The pages of an arena as they were at one moment, read while the writer goes on.
//!
//! Copy on write, by page: before the writer first changes a page that was not read yet it keeps a copy (`kept`). A bit for each page says which
//! of the two was first.
//!
//! Why each page is read as it was: the reader copies a page between two looks at its version and then takes its bit; the writer takes
//! the bit and then changes the page. Whoever finds the bit taken comes second. If the reader is first, its loads came before its taking of the
//! bit (release), which the writer's sees (acquire) before it stores anything. If the writer is first, its copy can be fetched as soon as the lock of its shelf can
//! be had, for it holds that from before it takes the bit.
//!
//! Locking: none; those of `kept`.

use super::arena::{KIND, Pages};
use super::kept::Kept;
use crate::util::page::{PAGE_SIZE, Page};

/// One moment's pages.
pub(crate) struct Snapshot {
    /// Their number.
    end: u32,
    kept: Kept,
}

impl Snapshot {
    /// Of this moment. REQUIRES: no change is under way, and from here on the writer calls [`Snapshot::keep`].
    pub(crate) fn new(end: u32) -> Snapshot {
        Snapshot { end, kept: Kept::new(end) }
    }

    /// Number of pages.
    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    /// Called by the writer before it changes a page.
    #[inline]
    pub(crate) fn keep(&self, no: u32, page: &Page) {
        if no < self.end && !self.kept.is_taken(no) {
            self.kept.keep(no, |kept| {
                let is_used = page.word(KIND) != 0;
                if is_used {
                    kept.copy_from_page(page);
                }
                is_used
            });
        }
    }

    /// Called by the reader before it reads pages from this one on.
    pub(crate) fn make_ready(&self, first: u32) {
        self.kept.make_ready(self.end.saturating_sub(first));
    }

    /// Appends a page as it was; one that was free as zeros. To be asked once for each. REQUIRES: no exclusive change meanwhile.
    pub(crate) fn read(&self, pages: &Pages, no: u32, out: &mut Vec<u8>) {
        const ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
        let mut bytes = ZEROS;
        while !self.kept.is_taken(no) {
            let page = pages.page(no);
            let seen = page.enter();
            page.copy_to(&mut bytes);
            let is_free = page.word(KIND) == 0;
            if page.valid(seen) && self.kept.take(no) {
                return out.extend_from_slice(if is_free { &ZEROS } else { &bytes });
            }
        }
        let was_kept = self.kept.fetch(no, |kept| kept.copy_to(&mut bytes));
        out.extend_from_slice(if was_kept { &bytes } else { &ZEROS });
    }

    /// Bytes of the copies.
    pub(crate) fn memory(&self) -> u64 {
        self.kept.memory()
    }
}
