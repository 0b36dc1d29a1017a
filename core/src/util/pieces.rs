//! Memory for large structures, handed out by pieces: of its own allocation each as long as there are few, cut from huge pages
//! as soon as there are many.
//!
//! A structure of tens of megabytes that is read at random spends as long on address translation as on its data; on pages of
//! 2 MiB the former all but goes. A [`Pool`] gives pieces of one size, its *full* one, from regions of that size once its
//! pieces make up [`ENOUGH`] bytes, so that the rest of the last region is little beside them. Pieces of other
//! sizes are allocations of their own. Pieces may also be made of pages that were lent (a saved index: [`Lender`]), which no pool counts or moves. If its owner can move what it has, regions are filled as soon as there are pieces for a whole
//! one, and emptied when the rest has room in the others. Owns the memory and its release; knows nothing of what is kept in it.
//!
//! Invariants:
//! 1. A piece never moves, and is as long as it was asked for.
//! 2. A region's bit is set if and only if no piece has that part of it; of lent pages bits mean nothing.
//! 3. A region lives as long as the pool names it or a piece lies in it; so do lent pages.
//!
//! Locking: a pool is its owner's alone; pieces may outlive it, and be dropped by any thread.
#![allow(unsafe_code)]

use super::huge::{HUGE_PAGE, Huge};
use super::page::{PAGE_SIZE, PageRun};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Bytes of pieces from which on regions are used.
const ENOUGH: usize = 8 << 20;
/// Regions from which on an empty one is kept, for a structure that sits on the edge of one.
const SPARE_FROM: usize = 8;
/// Parts of a region at most: as many bits as [`Region::free`] has.
const MOST_PARTS: usize = 128;

/// A huge page and which parts of it are free; or pages that were lent.
struct Region {
    memory: NonNull<u8>,
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
    /// A huge page in so many parts; none if it can't be had.
    fn new(parts: usize) -> Option<Region> {
        let huge = Huge::new()?;
        let bits = |first: usize| AtomicU64::new(low_bits(parts.saturating_sub(first)));
        Some(Region { memory: huge.first(), free: [bits(0), bits(64)], home: Home::Own(huge) })
    }

    fn lent(&self) -> Option<&PageRun> {
        match &self.home {
            Home::Own(_) => None,
            Home::Lent(run) => Some(run),
        }
    }

    /// Takes the lowest free part. Only the pool's owner takes, others at most give back at the same time.
    fn take(&self) -> Option<usize> {
        let word = self.free.iter().position(|word| word.load(Ordering::Relaxed) != 0)?;
        let bit = self.free[word].load(Ordering::Relaxed).trailing_zeros();
        // Acquire: what the last piece there did to it comes before what the next one does.
        self.free[word].fetch_and(!(1 << bit), Ordering::Acquire);
        Some(word * 64 + bit as usize)
    }

    fn give(&self, part: usize) {
        self.free[part / 64].fetch_or(1 << (part % 64), Ordering::Release);
    }

    fn free_parts(&self) -> usize {
        self.free.iter().map(|word| word.load(Ordering::Relaxed).count_ones() as usize).sum()
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
        Lender(Arc::new(Region { memory, free: Default::default(), home: Home::Lent(run) }))
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
        Some(Piece { items, home: Some((Arc::clone(&self.0), 0)) })
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
    /// The region that it is a part of; none if it is an allocation of its own.
    home: Option<(Arc<Region>, usize)>,
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
        self.home.as_ref()?.0.lent()
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
        match self.home.take() {
            // SAFETY: made by `Box::into_raw`, and dropped once.
            None => drop(unsafe { Box::from_raw(self.items.as_ptr()) }),
            Some((region, part)) => {
                // SAFETY: the items were written in `Pool::take`, and nobody sees them from here on; of lent ones nothing is dropped (`Plain`).
                unsafe { self.items.as_ptr().drop_in_place() };
                region.give(part);
            }
        }
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Piece<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Piece").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Pieces of items.
pub(crate) struct Pool<T> {
    /// Items of a full piece, and how many of these a region has; 0 if it can't be parted so.
    full: usize,
    parts: usize,
    /// Pieces are put into regions by [`Pool::settle`] only, but for parts that fell free.
    late: bool,
    regions: Vec<Arc<Region>>,
    /// Free parts of all regions.
    free: usize,
    /// Bytes of pieces outside of regions, and how many of these are full.
    loose: usize,
    loose_full: usize,
    _items: std::marker::PhantomData<fn() -> T>,
}

impl<T> Pool<T> {
    /// Bytes of a full piece.
    const fn bytes_of(len: usize) -> usize {
        len * size_of::<T>()
    }

    /// A pool whose full pieces have so many items. If a huge page is not a multiple of one, or of more than [`MOST_PARTS`], all
    /// pieces are allocations of their own.
    pub(crate) fn new(full: usize) -> Pool<T> {
        let bytes = Pool::<T>::bytes_of(full);
        let whole = bytes > 0 && HUGE_PAGE.is_multiple_of(bytes) && bytes.is_multiple_of(align_of::<T>());
        let parts = if whole && HUGE_PAGE / bytes <= MOST_PARTS { HUGE_PAGE / bytes } else { 0 };
        let (regions, late, free, loose, loose_full) = (Vec::new(), false, 0, 0, 0);
        Pool { full, parts, late, regions, free, loose, loose_full, _items: std::marker::PhantomData }
    }

    /// A pool for pieces that its owner can move: no region is taken before there are pieces for all of it, and none is kept for
    /// the sake of few. See [`Pool::settle`].
    pub(crate) fn of_movable(full: usize) -> Pool<T> {
        Pool { late: true, ..Pool::new(full) }
    }

    /// A piece of `len` new items.
    pub(crate) fn take(&mut self, len: usize, new: impl Fn() -> T) -> Piece<T> {
        let region = !self.late && self.used() >= ENOUGH;
        self.take_filled(len, region, |_| new())
    }

    /// A piece of the items that `item` gives; in a region that is taken for it, if need be and `region` says so.
    fn take_filled(&mut self, len: usize, region: bool, mut item: impl FnMut(usize) -> T) -> Piece<T> {
        let Some((region, part)) = (if len == self.full { self.part(region) } else { None }) else {
            self.loose += Pool::<T>::bytes_of(len);
            self.loose_full += usize::from(len == self.full);
            return Piece::from((0..len).map(item).collect::<Box<[T]>>());
        };
        // SAFETY: the part lies in the region, aligned as T demands (see `new`), and is this piece's alone since its bit is cleared.
        let items = unsafe {
            let first = region.memory.add(part * Pool::<T>::bytes_of(len)).cast::<T>();
            for i in 0..len {
                first.add(i).write(item(i));
            }
            NonNull::slice_from_raw_parts(first, len)
        };
        Piece { items, home: Some((region, part)) }
    }

    /// A part of a region, of a new one only if `new`, and if there is memory for it.
    fn part(&mut self, new: bool) -> Option<(Arc<Region>, usize)> {
        if self.free == 0 {
            if !new || self.parts == 0 {
                return None;
            }
            self.regions.push(Arc::new(Region::new(self.parts)?));
            self.free += self.parts;
        }
        // The latest first: the older are full, most often.
        let (part, region) = self.regions.iter().rev().find_map(|region| Some((region.take()?, region.clone())))?;
        self.free -= 1;
        Some((region, part))
    }

    /// Takes a piece back.
    pub(crate) fn give(&mut self, piece: Piece<T>) {
        let Some(home) = piece.home.as_ref().map(|(region, _)| region.clone()) else {
            self.loose -= Pool::<T>::bytes_of(piece.len());
            self.loose_full -= usize::from(piece.len() == self.full);
            return;
        };
        drop(piece);
        let Some(at) = self.regions.iter().position(|region| Arc::ptr_eq(region, &home)) else { return };
        self.free += 1;
        let spared = if self.regions.len() > SPARE_FROM { self.parts } else { 0 };
        if home.free_parts() == self.parts && self.free >= self.parts + spared {
            self.regions.remove(at);
            self.free -= self.parts;
        }
    }

    /// Bytes of all pieces.
    fn used(&self) -> usize {
        self.loose + (self.regions.len() * self.parts - self.free) * Pool::<T>::bytes_of(self.full)
    }

    /// There are pieces for a whole region.
    fn is_crowded(&self) -> bool {
        self.parts > 0 && self.loose_full >= self.parts && self.used() >= ENOUGH
    }

    /// The pieces have room in one region less, or are so few that they need none.
    fn is_sparse(&self) -> bool {
        let used = self.regions.len() * self.parts - self.free;
        !self.regions.is_empty() && (self.free >= self.parts + used / 8 || self.used() < ENOUGH / 2)
    }

    /// Whether [`Pool::settle`] would move pieces.
    #[inline]
    pub(crate) fn is_unsettled(&self) -> bool {
        self.late && (self.is_crowded() || self.is_sparse())
    }

    /// Moves pieces into regions that they fill, and out of ones that they don't. `pieces` are all that there are of this pool, `copy`
    /// gives an item anew.
    ///
    /// Costs the copying of about a region for each by which the pool has grown or shrunk.
    pub(crate) fn settle(&mut self, pieces: &mut [OnceLock<Piece<T>>], copy: impl Fn(&T) -> T) {
        while self.is_sparse() {
            // Which has the least to move. What is in it has room in the others, unless all are on their way out.
            let at = (0..self.regions.len()).max_by_key(|&at| self.regions[at].free_parts()).unwrap_or(0);
            let closed = self.regions.remove(at);
            self.free -= closed.free_parts();
            for piece in pieces.iter_mut().filter_map(OnceLock::get_mut) {
                if piece.home.as_ref().is_some_and(|(region, _)| Arc::ptr_eq(region, &closed)) {
                    *piece = self.take_filled(piece.len(), false, |i| copy(&piece[i]));
                }
            }
        }
        if !self.is_crowded() {
            return;
        }
        for piece in pieces.iter_mut().filter_map(OnceLock::get_mut) {
            if piece.home.is_some() || piece.len() != self.full {
                continue;
            }
            if self.free == 0 && self.loose_full < self.parts {
                return;
            }
            let moved = self.take_filled(piece.len(), true, |i| copy(&piece[i]));
            let is_denied = moved.home.is_none();
            self.give(std::mem::replace(piece, moved));
            if is_denied {
                return;
            }
        }
    }

    /// Bytes allocated.
    pub(crate) fn memory(&self) -> usize {
        self.loose + self.regions.len() * HUGE_PAGE + self.regions.capacity() * size_of::<Arc<Region>>()
    }
}

impl<T> std::fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("regions", &self.regions.len()).field("loose", &self.loose).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::huge::tests::DENIED;
    use super::*;

    const FULL: usize = 2048;

    fn pool() -> Pool<AtomicU64> {
        Pool::new(FULL)
    }

    fn many(pool: &mut Pool<AtomicU64>, n: usize) -> Vec<Piece<AtomicU64>> {
        (0..n).map(|_| pool.take(FULL, || AtomicU64::new(7))).collect()
    }

    /// Beyond the threshold pieces come from regions; each is new, is no other's, and goes back to be had again.
    #[test]
    fn pieces_are_new_and_their_own() {
        let (mut pool, loose) = (pool(), ENOUGH / (FULL * 8));
        for round in 0..3 {
            let pieces = many(&mut pool, loose + 300);
            assert_eq!(pool.regions.len(), 3, "300 parts of 128 to a region");
            for (i, piece) in pieces.iter().enumerate() {
                assert_eq!(piece.len(), FULL);
                assert!(piece.iter().all(|word| word.load(Ordering::Relaxed) == 7), "round {round}: {i} is used");
                piece.iter().for_each(|word| word.store(i as u64, Ordering::Relaxed));
            }
            for (i, piece) in pieces.iter().enumerate() {
                assert!(piece.iter().all(|word| word.load(Ordering::Relaxed) == i as u64), "{i} is shared");
            }
            let bytes = (loose + 3 * 128) * FULL * 8;
            assert!((bytes..bytes + 1024).contains(&pool.memory()), "{}", pool.memory());
            pieces.into_iter().for_each(|piece| pool.give(piece));
            assert!(pool.memory() < 1024, "{} bytes are kept", pool.memory());
        }
    }

    #[test]
    fn a_part_given_back_is_the_next_to_be_had() {
        let mut pool = pool();
        let mut pieces = many(&mut pool, ENOUGH / (FULL * 8) + 128);
        let regions = pool.regions.len();
        let place = |piece: &Piece<AtomicU64>| piece.as_ptr().addr();
        let gone = pieces.remove(ENOUGH / (FULL * 8) + 64);
        let was = place(&gone);
        pool.give(gone);
        let again = pool.take(FULL, || AtomicU64::new(7));
        assert_eq!((place(&again), pool.regions.len()), (was, regions));
        assert_eq!(place(&pieces[ENOUGH / (FULL * 8)]) % HUGE_PAGE, 0, "a region is a huge page");
    }

    /// A piece holds its region, whether or not there is a pool.
    #[test]
    fn pieces_outlive_their_pool() {
        let mut pool = pool();
        let last = many(&mut pool, ENOUGH / (FULL * 8) + 1).pop().expect("many");
        assert!(last.home.is_some());
        drop(pool);
        last[FULL - 1].store(9, Ordering::Relaxed);
        assert_eq!(last[FULL - 1].load(Ordering::Relaxed), 9);
    }

    /// Pieces that can be moved leave no more than a region's parts and an eighth of the used ones free, however they come and go.
    #[test]
    fn movable_pieces_settle() {
        let mut pool = Pool::<AtomicU64>::of_movable(FULL);
        let mut pieces: Vec<OnceLock<Piece<AtomicU64>>> = Vec::new();
        let copy = |word: &AtomicU64| AtomicU64::new(word.load(Ordering::Relaxed));
        let check = |pool: &Pool<AtomicU64>, pieces: &[OnceLock<Piece<AtomicU64>>]| {
            let there: Vec<_> = pieces.iter().enumerate().filter_map(|(i, p)| Some((i, p.get()?))).collect();
            for (i, piece) in &there {
                assert!(piece.iter().all(|word| word.load(Ordering::Relaxed) == *i as u64), "piece {i}");
            }
            let (bytes, used) = (FULL * 8, there.len());
            assert_eq!(pool.used(), used * bytes);
            assert_eq!(pool.free, pool.regions.iter().map(|region| region.free_parts()).sum::<usize>());
            let most = used + used / 8 + 128;
            assert!(pool.memory() <= most * bytes + 1024, "{} for {used} pieces", pool.memory());
            let loose = there.iter().filter(|(_, piece)| piece.home.is_none()).count();
            assert!(used * bytes < ENOUGH || loose < 128, "{loose} of {used} are loose");
            assert!(used * bytes >= ENOUGH / 2 || pool.regions.is_empty(), "{used} pieces need no region");
        };
        let put = |pool: &mut Pool<AtomicU64>, i: usize| OnceLock::from(pool.take(FULL, || AtomicU64::new(i as u64)));
        for i in 0..3000 {
            let piece = put(&mut pool, i);
            pieces.push(piece);
            if pool.is_unsettled() {
                pool.settle(&mut pieces, copy);
            }
            if i % 100 == 0 {
                check(&pool, &pieces);
            }
        }
        // Every third comes back meanwhile.
        for i in (0..3000).map(|i| i * 1777 % 3000) {
            pool.give(pieces[i].take().expect("each is given once"));
            if i % 3 == 0 && pieces.len() < 4000 {
                let piece = put(&mut pool, pieces.len());
                pieces.push(piece);
            }
            if pool.is_unsettled() {
                pool.settle(&mut pieces, copy);
            }
            if i % 10 == 0 {
                check(&pool, &pieces);
            }
        }
        for i in 3000..4000 {
            pool.give(pieces[i].take().expect("each is given once"));
            if pool.is_unsettled() {
                pool.settle(&mut pieces, copy);
            }
            if i % 10 == 0 {
                check(&pool, &pieces);
            }
        }
        check(&pool, &pieces);
        assert!(pool.memory() < 1024, "{} bytes for nothing", pool.memory());
    }

    /// Where no huge page can be had all pieces are allocations of their own.
    #[test]
    fn pieces_do_without_regions() {
        let (mut pool, loose) = (pool(), ENOUGH / (FULL * 8));
        DENIED.set(true);
        let pieces = many(&mut pool, loose + 300);
        assert!(pool.regions.is_empty() && pieces.iter().all(|piece| piece.home.is_none()));
        assert_eq!(pool.memory(), (loose + 300) * FULL * 8);
        let mut movable = Pool::<AtomicU64>::of_movable(FULL);
        let mut pieces: Vec<_> =
            (0..loose + 300).map(|i| OnceLock::from(movable.take(FULL, || AtomicU64::new(i as u64)))).collect();
        assert!(movable.is_unsettled());
        let copied = AtomicU64::new(0);
        let copy = |word: &AtomicU64| {
            copied.fetch_add(1, Ordering::Relaxed);
            AtomicU64::new(word.load(Ordering::Relaxed))
        };
        movable.settle(&mut pieces, copy);
        assert_eq!(movable.memory(), (loose + 300) * FULL * 8);
        assert!(copied.load(Ordering::Relaxed) <= FULL as u64, "it does not try with each piece");
        DENIED.set(false);
        movable.settle(&mut pieces, copy);
        assert!(!movable.is_unsettled() && !movable.regions.is_empty());
        for (i, piece) in pieces.iter().filter_map(OnceLock::get).enumerate() {
            assert!(piece.iter().all(|word| word.load(Ordering::Relaxed) == i as u64), "piece {i}");
        }
    }

    #[test]
    fn an_empty_region_is_kept_by_a_large_pool_only() {
        let mut pool = pool();
        let mut pieces = many(&mut pool, ENOUGH / (FULL * 8) + 128 * (SPARE_FROM + 1));
        for _ in 0..128 {
            pool.give(pieces.pop().expect("many"));
        }
        assert_eq!(pool.regions.len(), SPARE_FROM + 1, "one is spared");
        for _ in 0..128 {
            pool.give(pieces.pop().expect("many"));
        }
        assert_eq!(pool.regions.len(), SPARE_FROM, "two are not");
    }

    /// Sizes that a huge page has no whole number of.
    #[test]
    fn odd_sizes_are_allocations_of_their_own() {
        for full in [0, 3, 1 << 10, HUGE_PAGE] {
            let mut pool = Pool::<AtomicU64>::new(full);
            let pieces: Vec<_> =
                (0..2 * ENOUGH / (full.max(64) * 8)).map(|_| pool.take(full, || AtomicU64::new(7))).collect();
            assert!(pieces.iter().all(|piece| piece.home.is_none() && piece.len() == full), "{full}");
            assert_eq!(pool.memory(), pieces.len() * full * 8);
        }
        assert!(Piece::<AtomicU64>::default().is_empty());
    }

    /// Pieces of lent pages are that memory, hold it, and are no pool's.
    #[test]
    fn lent_pages_are_shared_and_held() {
        let run = PageRun::zeroed(2);
        let (lender, mut pool) = (Lender::new(run.part(0..2).unwrap()), pool());
        let piece = lender.piece::<AtomicU64>(PAGE_SIZE, FULL / 4).unwrap();
        piece[3].store(5 | 6 << 32, Ordering::Relaxed);
        let words = [run[1].word(6), run[1].word(7)];
        assert_eq!(words, if cfg!(target_endian = "little") { [5, 6] } else { [6, 5] });
        assert!(piece.lent().is_some_and(|run| run.len() == 2) && pool.take(3, || AtomicU64::new(0)).lent().is_none());
        for (at, len) in [(PAGE_SIZE, 513), (2 * PAGE_SIZE + 8, 0), (4, 1), (8, usize::MAX)] {
            assert!(lender.piece::<AtomicU64>(at, len).is_none(), "{len} at {at}");
        }
        drop((lender, run));
        pool.give(std::mem::take(&mut { piece }));
        assert_eq!(pool.free, 0);
    }

    /// Items that own something are dropped once, in a region or out of it.
    #[test]
    fn items_are_dropped() {
        let (counted, mut pool) = (Arc::new(()), Pool::<(Arc<()>, [u64; 1023])>::new(4));
        let item = || (counted.clone(), [0; 1023]);
        let pieces: Vec<_> = (0..ENOUGH / (4 * 8192) + 3).map(|_| pool.take(4, item)).collect();
        assert_eq!((pool.regions.len(), Arc::strong_count(&counted)), (1, pieces.len() * 4 + 1));
        drop(pieces);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}
