//! Pages of 4 KiB made of atomic words, and runs of them wherever they lie: in memory of their own, or in a private mapping of a file.
//!
//! Both the file system layer, which maps, and the indexes, which read and change, know this; neither knows the other.
//!
//! Invariant: a run's pages stay where they are as long as it or a part of it lives.

// A mapping is memory that the language knows nothing of.
#![allow(unsafe_code)]

use super::system::{HUGE_PAGE, forget, prefer_huge_pages};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
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
    is_mapped: bool,
}

impl PageRun {
    /// Pages of zeros in memory of their own.
    pub(crate) fn zeroed(len: usize) -> PageRun {
        // A vector is filled in place; an `Arc<[Page]>` is filled by copying every page from the stack.
        let pages: Vec<Page> = (0..len).map(|_| Page::new()).collect();
        let first = NonNull::from(pages.as_slice()).cast();
        PageRun { first, len, owner: Arc::new(pages), is_mapped: false }
    }

    /// The two halves of a huge page, if the system has one to give; of as many pages else. Memory of a half goes back when it is dropped.
    pub(crate) fn halves() -> [PageRun; 2] {
        let huge = Arc::new(Huge::new());
        [0, 1].map(|half| {
            let owner = Half { huge: Arc::clone(&huge), first: half * HALF };
            PageRun { first: owner.pages(), len: HALF, owner: Arc::new(owner), is_mapped: false }
        })
    }

    /// Pages of a mapped file.
    ///
    /// # Safety
    /// As long as `owner` lives, `first` is the aligned address of `len` pages that can be read and written, and nobody else reads
    /// or writes them but through runs.
    pub(crate) unsafe fn mapped(first: NonNull<Page>, len: usize, owner: Arc<dyn Send + Sync>) -> PageRun {
        PageRun { first, len, owner, is_mapped: true }
    }

    /// Whether pages that nobody changed are the page cache's, and not memory of this process.
    pub(crate) fn is_mapped(&self) -> bool {
        self.is_mapped
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
        // SAFETY: `owner` lives, so that the pages are there (see `mapped`; those of `zeroed` are the owner's, which does not move
        // them). They are atomic words, of which any bits are a value, and are shared as such.
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

/// Memory of a huge page, aligned like one, of zeros.
struct Huge(NonNull<Page>);

impl Huge {
    const LAYOUT: Layout = match Layout::from_size_align(HUGE_PAGE, HUGE_PAGE) {
        Ok(layout) => layout,
        Err(_) => panic!("a power of two"),
    };

    fn new() -> Huge {
        // SAFETY: the layout is not of size zero.
        let Some(memory) = NonNull::new(unsafe { alloc(Huge::LAYOUT) }) else { handle_alloc_error(Huge::LAYOUT) };
        // Before it is touched for the first time, which is when it is decided what backs it.
        prefer_huge_pages(memory.as_ptr(), HUGE_PAGE);
        // SAFETY: as long as the memory that was just allocated.
        unsafe { memory.as_ptr().write_bytes(0, HUGE_PAGE) };
        Huge(memory.cast())
    }
}

impl Drop for Huge {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout; who has a page of it has a half, which holds this.
        unsafe { dealloc(self.0.as_ptr().cast(), Huge::LAYOUT) };
    }
}

// SAFETY: memory that belongs to it, of atomic words.
unsafe impl Send for Huge {}
// SAFETY: as above.
unsafe impl Sync for Huge {}

/// What a run of half a huge page owns.
struct Half {
    huge: Arc<Huge>,
    /// Its first page.
    first: usize,
}

impl Half {
    fn pages(&self) -> NonNull<Page> {
        // SAFETY: within the memory, which has twice [`HALF`] pages.
        unsafe { self.huge.0.add(self.first) }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // SAFETY: the pages are this half's, and are whole ones of the system's where those are no larger; nobody has them any more.
        unsafe { forget(self.pages().as_ptr().cast(), HALF * PAGE_SIZE) };
    }
}

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
        let [low, high] = PageRun::halves();
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
        assert_eq!(part[0].word(HALF - 1), 9, "a part keeps all of its half");
    }
}
