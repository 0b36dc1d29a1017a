//! The pages of an arena as they were at one moment, read while the writer goes on.
//!
//! Copy on write, by page: before the writer first changes a page that was not read yet it keeps a copy. A bit for each page says which
//! of the two was first.
//!
//! Why each page is read as it was: the reader copies a page between two looks at its version and then takes its bit; the writer takes
//! the bit and then changes the page. Whoever finds the bit taken comes second. If the reader is first, its loads came before its taking of the
//! bit (release), which the writer's sees (acquire) before it stores anything. If the writer is first, its copy is in `kept` as soon as the lock can
//! be had, for it holds that from before it takes the bit.
//!
//! Locking: `kept`, for the time of one copy.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::arena::{KIND, Pages};
use crate::util::lock::Mutex;
use crate::util::page::{PAGE_SIZE, Page};

type Bytes = [u8; PAGE_SIZE];

/// One moment's pages.
pub(crate) struct Snapshot {
    /// Their number.
    end: u32,
    taken: Vec<AtomicU64>,
    kept: Mutex<HashMap<u32, Box<Bytes>>>,
}

impl Snapshot {
    /// Of this moment. REQUIRES: no change is under way, and from here on the writer calls [`Snapshot::keep`].
    pub(crate) fn new(end: u32) -> Snapshot {
        let taken = (0..end.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Snapshot { end, taken, kept: Mutex::default() }
    }

    /// Number of pages.
    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    /// Called by the writer before it changes a page.
    #[inline]
    pub(crate) fn keep(&self, no: u32, page: &Page) {
        if no < self.end && !self.is_taken(no) {
            self.keep_now(no, page);
        }
    }

    #[cold]
    fn keep_now(&self, no: u32, page: &Page) {
        let mut kept = self.kept.lock();
        if self.take(no) && page.word(KIND) != 0 {
            let mut bytes = Box::new([0; PAGE_SIZE]);
            page.copy_to(&mut bytes);
            kept.insert(no, bytes);
        }
    }

    /// Appends a page as it was; one that was free as zeros. To be asked once for each. REQUIRES: no exclusive change meanwhile.
    pub(crate) fn read(&self, pages: &Pages, no: u32, out: &mut Vec<u8>) {
        const ZEROS: Bytes = [0; PAGE_SIZE];
        let mut bytes = ZEROS;
        while !self.is_taken(no) {
            let page = pages.page(no);
            let seen = page.enter();
            page.copy_to(&mut bytes);
            let is_free = page.word(KIND) == 0;
            if page.valid(seen) && self.take(no) {
                return out.extend_from_slice(if is_free { &ZEROS } else { &bytes });
            }
        }
        match self.kept.lock().remove(&no) {
            Some(kept) => out.extend_from_slice(&kept[..]),
            None => out.extend_from_slice(&ZEROS),
        }
    }

    /// Bytes of the copies.
    pub(crate) fn memory(&self) -> u64 {
        (self.kept.lock().len() * PAGE_SIZE + self.taken.len() * 8) as u64
    }

    #[inline]
    fn is_taken(&self, no: u32) -> bool {
        self.bits(no).is_none_or(|bits| bits.load(Ordering::Acquire) & bit(no) != 0)
    }

    /// Whether this is the first to take the page.
    fn take(&self, no: u32) -> bool {
        self.bits(no).is_some_and(|bits| bits.fetch_or(bit(no), Ordering::AcqRel) & bit(no) == 0)
    }

    fn bits(&self, no: u32) -> Option<&AtomicU64> {
        self.taken.get(no as usize / 64)
    }
}

fn bit(no: u32) -> u64 {
    1 << (no % 64)
}
