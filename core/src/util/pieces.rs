//! Memory for large structures, handed out by pieces: each an allocation of its own, a part of a huge page, or some of the pages that
//! somebody lent (a saved index).
//!
//! A structure of tens of megabytes that is read at random spends as long on address translation as on its data; on pages of
//! 2 MiB the former all but goes. Which pieces lie in huge pages is decided by a [`Pool`]. Owns the memory and its release; knows nothing of what is
//! kept in it.
//!
//! Invariants:
//! 1. A piece never moves, and is as long as it was asked for.
//! 2. A region's bit is set if and only if no [`Part`] stands for that part of it; of lent pages bits mean nothing.
//! 3. A region lives as long as a pool names it or a piece lies in it; so do lent pages.
//!
//! Locking: none. Pieces may be shared and dropped by any threads.
#![allow(unsafe_code)]

mod pool;
#[cfg(test)]
mod tests;

pub(crate) use pool::Pool;

use super::huge::{HUGE_PAGE, Huge};
use super::page::{PAGE_SIZE, PageRun};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Parts of a region at most: as many bits as [`Region::free`] has.
const MOST_PARTS: usize = 128;

/// A huge page and which parts of it are free; or pages that were lent.
struct Region {
    memory: NonNull<u8>,
    /// Bytes of a part.
    part: usize,
    free: [AtomicU64; MOST_PARTS / 64],
    home: Home,
}

/// Whose memory a region is.
enum Home {
    /// Kept for what it does when it is dropped.
    Own(#[allow(dead_code)] Huge),
    Lent(PageRun),
}

// SAFETY: the memory belongs to the region, and its parts to the pieces, of which no two have the same.
unsafe impl Send for Region {}
// SAFETY: as above; the bits are atomic.
unsafe impl Sync for Region {}

impl Region {
    /// A huge page in so many parts, of which it is a multiple; none if it can't be had.
    fn new(parts: usize) -> Option<Region> {
        debug_assert!((1..=MOST_PARTS).contains(&parts) && HUGE_PAGE.is_multiple_of(parts), "{parts} parts");
        let huge = Huge::new()?;
        let bits = |first: usize| AtomicU64::new(low_bits(parts.saturating_sub(first)));
        Some(Region { memory: huge.first(), part: HUGE_PAGE / parts, free: [bits(0), bits(64)], home: Home::Own(huge) })
    }

    fn lent(&self) -> Option<&PageRun> {
        match &self.home {
            Home::Own(_) => None,
            Home::Lent(run) => Some(run),
        }
    }

    /// Takes the lowest free part. One thread takes at a time; others may give back meanwhile.
    fn take(self: &Arc<Region>) -> Option<Part> {
        let word = self.free.iter().position(|word| word.load(Ordering::Relaxed) != 0)?;
        let bit = self.free[word].load(Ordering::Relaxed).trailing_zeros();
        // Acquire: what the last piece there did to it comes before what the next one does.
        self.free[word].fetch_and(!(1 << bit), Ordering::Acquire);
        Some(Part { region: Arc::clone(self), index: word * 64 + bit as usize })
    }

    fn free_parts(&self) -> usize {
        self.free.iter().map(|word| word.load(Ordering::Relaxed).count_ones() as usize).sum()
    }
}

/// A part of a region, nobody else's as long as this lives.
struct Part {
    region: Arc<Region>,
    index: usize,
}

impl Part {
    /// A piece of `len` items in it, which `item` gives.
    ///
    /// REQUIRES: the region is a pool's, whose parts have room for them and are aligned for them.
    fn fill<T>(self, len: usize, mut item: impl FnMut(usize) -> T) -> Piece<T> {
        let bytes = self.region.part;
        assert!(len * size_of::<T>() <= bytes && bytes.is_multiple_of(align_of::<T>()), "{len} items in {bytes} bytes");
        // SAFETY: the part lies in the region, as long and aligned as was just checked (a huge page is aligned beyond any T), and is this
        // piece's alone since its bit is cleared.
        let items = unsafe {
            let first = self.region.memory.add(self.index * bytes).cast::<T>();
            for i in 0..len {
                first.add(i).write(item(i));
            }
            NonNull::slice_from_raw_parts(first, len)
        };
        Piece { items, home: Some(self) }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Release: see `Region::take`.
        self.region.free[self.index / 64].fetch_or(1 << (self.index % 64), Ordering::Release);
    }
}

/// The lowest `n` bits, all 64 at most.
fn low_bits(n: usize) -> u64 {
    if n >= 64 { u64::MAX } else { (1 << n) - 1 }
}

/// What a piece of lent pages may consist of.
///
/// # Safety
/// Any bits are a value, sharing it is sharing memory that anybody may change (atomics, and structures of nothing else, without padding), and
/// nothing is to be done when it is dropped.
pub(crate) unsafe trait Plain: Sync {}

// SAFETY: an atomic number.
unsafe impl Plain for AtomicU64 {}

/// Pages that are somebody else's, and of which pieces are made.
pub(crate) struct Lender(Arc<Region>);

impl Lender {
    pub(crate) fn new(run: PageRun) -> Lender {
        let memory = NonNull::from(&*run).cast();
        Lender(Arc::new(Region { memory, part: 0, free: Default::default(), home: Home::Lent(run) }))
    }

    /// `len` items from byte `at` on; none if they are not all there, or not aligned. Two pieces may share memory.
    pub(crate) fn piece<T: Plain>(&self, at: usize, len: usize) -> Option<Piece<T>> {
        let pages = self.0.lent()?.len();
        let end = len.checked_mul(size_of::<T>())?.checked_add(at)?;
        if end > pages * PAGE_SIZE || !at.is_multiple_of(align_of::<T>()) || align_of::<T>() > PAGE_SIZE {
            return None;
        }
        // SAFETY: within the pages, which are aligned beyond T and stay where they are as long as the run lives, which the piece's home
        // holds; T is of a kind that any memory is one of, which others may share.
        let items = NonNull::slice_from_raw_parts(unsafe { self.0.memory.add(at).cast::<T>() }, len);
        Some(Piece { items, home: Some(Part { region: Arc::clone(&self.0), index: 0 }) })
    }
}

impl std::fmt::Debug for Lender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lender").field(&self.0.lent()).finish()
    }
}

/// Items side by side, somewhere.
pub(crate) struct Piece<T> {
    items: NonNull<[T]>,
    /// Where it lies; none if it is an allocation of its own.
    home: Option<Part>,
}

// SAFETY: a piece owns its items as a box does.
unsafe impl<T: Send> Send for Piece<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Piece<T> {}

impl<T> Default for Piece<T> {
    /// No items.
    fn default() -> Piece<T> {
        Piece::from(Box::<[T]>::default())
    }
}

impl<T> From<Box<[T]>> for Piece<T> {
    fn from(items: Box<[T]>) -> Piece<T> {
        Piece { items: NonNull::from(Box::leak(items)), home: None }
    }
}

impl<T> Piece<T> {
    /// The pages that it lies in, if they are lent.
    pub(crate) fn lent(&self) -> Option<&PageRun> {
        self.home.as_ref()?.region.lent()
    }

    /// The huge page or the lent pages that it lies in.
    fn region(&self) -> Option<&Arc<Region>> {
        self.home.as_ref().map(|part| &part.region)
    }
}

impl<T> Deref for Piece<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: the items were written when the piece was made, and live in memory that is its own till it is dropped.
        unsafe { self.items.as_ref() }
    }
}

impl<T> Drop for Piece<T> {
    fn drop(&mut self) {
        if self.home.is_none() {
            // SAFETY: made by `Box::leak`, and dropped once.
            drop(unsafe { Box::from_raw(self.items.as_ptr()) });
        } else {
            // SAFETY: the items were written in `Part::fill`, and nobody sees them from here on; of lent ones nothing is dropped (`Plain`). The part
            // goes after them.
            unsafe { self.items.as_ptr().drop_in_place() };
        }
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Piece<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Piece").field("len", &self.len()).finish_non_exhaustive()
    }
}
