//! Pieces of one owner, in huge pages as soon as there are many of them.
//!
//! A [`Pool`] gives pieces of one size, its *full* one, from regions once its pieces make up [`ENOUGH`] bytes, so that the rest of the last
//! region is little beside them. Pieces of other sizes are allocations of their own. If its owner can move what it has, regions are filled as soon as
//! there are pieces for a whole one, and emptied when the rest has room in the others.
//!
//! Invariant: `free` is the number of free parts of all regions, but for those of pieces that were dropped and not given back.
//!
//! Locking: a pool is its owner's alone; pieces may outlive it.

use super::{MOST_PARTS, Part, Piece, Region};
use crate::util::huge::HUGE_PAGE;
use std::sync::{Arc, OnceLock};

/// Bytes of pieces from which on regions are used.
pub(super) const ENOUGH: usize = 8 << 20;
/// Regions from which on an empty one is kept, for a structure that sits on the edge of one.
pub(super) const SPARE_FROM: usize = 8;

/// Pieces of items.
pub(crate) struct Pool<T> {
    /// Items of a full piece, and how many of these a region has; 0 if it can't be parted so.
    full: usize,
    parts: usize,
    /// Pieces are put into regions by [`Pool::settle`] only, but for parts that fell free.
    late: bool,
    pub(super) regions: Vec<Arc<Region>>,
    /// Free parts of all regions.
    pub(super) free: usize,
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
    fn take_filled(&mut self, len: usize, region: bool, item: impl FnMut(usize) -> T) -> Piece<T> {
        if len == self.full
            && let Some(part) = self.part(region)
        {
            return part.fill(len, item);
        }
        self.loose += Pool::<T>::bytes_of(len);
        self.loose_full += usize::from(len == self.full);
        Piece::from((0..len).map(item).collect::<Box<[T]>>())
    }

    /// A part of a region, of a new one only if `new`, and if there is memory for it.
    fn part(&mut self, new: bool) -> Option<Part> {
        if self.free == 0 {
            if !new || self.parts == 0 {
                return None;
            }
            self.regions.push(Arc::new(Region::new(self.parts)?));
            self.free += self.parts;
        }
        // The latest first: the older are full, most often.
        let part = self.regions.iter().rev().find_map(Region::take)?;
        self.free -= 1;
        Some(part)
    }

    /// Takes a piece back.
    pub(crate) fn give(&mut self, piece: Piece<T>) {
        let Some(home) = piece.region().cloned() else {
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
    pub(super) fn used(&self) -> usize {
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
                if piece.region().is_some_and(|region| Arc::ptr_eq(region, &closed)) {
                    *piece = self.take_filled(piece.len(), false, |i| copy(&piece[i]));
                }
            }
        }
        if !self.is_crowded() {
            return;
        }
        for piece in pieces.iter_mut().filter_map(OnceLock::get_mut) {
            if piece.region().is_some() || piece.len() != self.full {
                continue;
            }
            if self.free == 0 && self.loose_full < self.parts {
                return;
            }
            let moved = self.take_filled(piece.len(), true, |i| copy(&piece[i]));
            let is_denied = moved.region().is_none();
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
