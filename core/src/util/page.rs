//! Pages of 4 KiB made of atomic words, and runs of them wherever they lie: in memory of their own, or in a private mapping of a file.
//!
//! Both the file system layer, which maps, and the indexes, which read and change, know this; neither knows the other.
//!
//! Invariant: a run's pages stay where they are as long as it or a part of it lives.

// A mapping is memory that the language knows nothing of.
#![allow(unsafe_code)]

use super::huge::{HUGE_PAGE, Huge};
use std::fmt;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes of a page. Its number times this is its place in a mapped arena.
pub(crate) const PAGE_SIZE: usize = 4096;
/// Words of a page.
pub(crate) const WORDS: usize = PAGE_SIZE / 4;

/// One page: words, aligned so that it straddles no page of the machine and no more cache lines than it must.
#[repr(C, align(4096))]
pub struct Page {
    words: [AtomicU32; WORDS],
}

impl Page {
    pub(crate) const fn new() -> Page {
        Page { words: [const { AtomicU32::new(0) }; WORDS] }
    }

    /// A word. Any index will do, so that one read in the middle of a change does no harm.
    #[inline(always)]
    pub(crate) fn word(&self, at: usize) -> u32 {
        self.words[at % WORDS].load(Ordering::Relaxed)
    }

    /// Changes a word. REQUIRES: no reader can reach the page, or it is locked.
    #[inline(always)]
    pub(crate) fn set_word(&self, at: usize, value: u32) {
        self.words[at % WORDS].store(value, Ordering::Relaxed);
    }

    /// The place of a word, to prefetch.
    #[inline(always)]
    pub(crate) fn place(&self, at: usize) -> &AtomicU32 {
        &self.words[at % WORDS]
    }

    /// The words as bytes, in the machine's order.
    pub(crate) fn copy_to(&self, out: &mut [u8; PAGE_SIZE]) {
        for (word, out) in self.words.iter().zip(out.as_chunks_mut::<4>().0) {
            *out = word.load(Ordering::Relaxed).to_ne_bytes();
        }
    }

    /// Takes over another page's words. REQUIRES: as [`Page::set_word`].
    pub(crate) fn copy_from_page(&self, other: &Page) {
        for (own, word) in self.words.iter().zip(&other.words) {
            own.store(word.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Takes over bytes, in the machine's order. REQUIRES: as [`Page::set_word`].
    pub(crate) fn copy_from_bytes(&self, bytes: &[u8; PAGE_SIZE]) {
        for (word, bytes) in self.words.iter().zip(bytes.as_chunks::<4>().0) {
            word.store(u32::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

/// Consecutive pages.
pub struct PageRun {
    first: NonNull<Page>,
    len: usize,
    /// Kept for what it does when it is dropped.
    #[allow(dead_code)]
    owner: Arc<dyn Send + Sync>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Own,
    /// One of [`PageRun::halves`].
    Half,
    Mapped,
}

impl PageRun {
    /// Pages of zeros in memory of their own.
    pub(crate) fn zeroed(len: usize) -> PageRun {
        // A vector is filled in place; an `Arc<[Page]>` is filled by copying every page from the stack.
        let pages: Vec<Page> = (0..len).map(|_| Page::new()).collect();
        let first = NonNull::from(pages.as_slice()).cast();
        PageRun { first, len, owner: Arc::new(pages), kind: Kind::Own }
    }

    /// The two halves of what lies on a huge page, if the system has one to give, of zeros; `None` if so much memory can't be had in one
    /// piece. It goes back when both are dropped.
    pub(crate) fn halves() -> Option<[PageRun; 2]> {
        let huge = Arc::new(Huge::zeroed()?);
        let pages = huge.first().cast::<Page>();
        Some([0, HALF].map(|at| {
            // SAFETY: within the memory, which has twice [`HALF`] pages.
            let first = unsafe { pages.add(at) };
            PageRun { first, len: HALF, owner: Arc::clone(&huge) as Arc<dyn Send + Sync>, kind: Kind::Half }
        }))
    }

    /// Pages of a mapped file.
    ///
    /// # Safety
    /// As long as `owner` lives, `first` is the aligned address of `len` pages that can be read and written, and nobody else reads
    /// or writes them but through runs.
    pub(crate) unsafe fn mapped(first: NonNull<Page>, len: usize, owner: Arc<dyn Send + Sync>) -> PageRun {
        PageRun { first, len, owner, kind: Kind::Mapped }
    }

    /// Whether pages that nobody changed are the page cache's, and not memory of this process.
    pub(crate) fn is_mapped(&self) -> bool {
        self.kind == Kind::Mapped
    }

    /// Whether it is one of [`PageRun::halves`], whose memory stays as long as the other is there.
    pub(crate) fn is_half(&self) -> bool {
        self.kind == Kind::Half && self.len == HALF
    }

    /// Whether both hold the same memory: halves of one whole, or parts of one run.
    pub(crate) fn holds_with(&self, other: &PageRun) -> bool {
        Arc::ptr_eq(&self.owner, &other.owner)
    }

    /// Makes all pages zeros. REQUIRES: as [`Page::set_word`], of each.
    pub(crate) fn clear(&self) {
        self.iter().flat_map(|page| &page.words).for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// Some of the pages; `None` if they are not all there.
    pub(crate) fn part(&self, range: Range<usize>) -> Option<PageRun> {
        let pages = self.get(range)?;
        Some(PageRun { first: NonNull::from(pages).cast(), len: pages.len(), owner: Arc::clone(&self.owner), ..*self })
    }
}

impl Deref for PageRun {
    type Target = [Page];

    #[inline(always)]
    fn deref(&self) -> &[Page] {
        // SAFETY: `owner` lives, so that the pages are there (see `mapped`; those of `zeroed` and `halves` are the owner's, which does not
        // move them). They are atomic words, of which any bits are a value, and are shared as such.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

// SAFETY: the pages are atomic words, and the owner can be sent and shared.
unsafe impl Send for PageRun {}
// SAFETY: as above.
unsafe impl Sync for PageRun {}

impl fmt::Debug for PageRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageRun").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Pages of each of [`PageRun::halves`].
pub(crate) const HALF: usize = HUGE_PAGE / PAGE_SIZE / 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_same_pages_and_outlive_the_whole() {
        let run = PageRun::zeroed(5);
        let part = run.part(1..4).unwrap();
        run[2].set_word(7, 9);
        assert_eq!((part.len(), part[1].word(7)), (3, 9));
        assert!(run.part(3..6).is_none() && part.part(2..4).is_none());
        drop(run);
        part[1].set_word(WORDS + 8, 10);
        let (mut bytes, other) = ([0; PAGE_SIZE], PageRun::zeroed(1));
        part[1].copy_to(&mut bytes);
        other[0].copy_from_bytes(&bytes);
        assert_eq!((other[0].word(7), other[0].word(8), other[0].word(9)), (9, 10, 0));
    }

    #[test]
    fn halves_are_zeros_of_their_own_and_outlive_each_other() {
        let [low, high] = PageRun::halves().expect("memory");
        assert!(low.is_half() && high.is_half() && low.holds_with(&high));
        assert_eq!((low.len(), high.len()), (HALF, HALF));
        let is_zero = |run: &PageRun| run.iter().all(|page| (0..WORDS).all(|at| page.word(at) == 0));
        assert!(is_zero(&low) && is_zero(&high) && !low.is_mapped());
        (0..HALF).for_each(|i| low[i].set_word(i, 7));
        assert!(is_zero(&high));
        (0..HALF).for_each(|i| high[i].set_word(i, 9));
        let part = high.part(HALF - 1..HALF).unwrap();
        drop(low);
        assert!((0..HALF).all(|i| high[i].word(i) == 9));
        drop(high);
        assert!(!part.is_half() && !PageRun::zeroed(HALF).is_half());
        assert_eq!(part[0].word(HALF - 1), 9, "a part keeps all of its half");
        part.clear();
        assert!(is_zero(&part) && !part.holds_with(&PageRun::zeroed(1)));
    }
}
