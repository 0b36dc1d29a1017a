//! Which segment a fingerprint belongs to: linear hashing (Litwin 1980), and the segments' descriptors by number.
//!
//! With `s` segments and `2^d <= s < 2^(d+1)`, a fingerprint's low `d + 1` bits are its segment's number; if there is
//! no such segment yet, its low `d` bits are. Segments split in the order of their numbers, `s - 2^d` being next, and
//! merge in the reverse order. So the directory has no table of its own and its depth is bounded by the number of
//! keys, however their fingerprints are distributed.
//!
//! Invariants:
//! 1. There is at least one segment.
//! 2. All fingerprints in segment `i` have the low [`Count::depth`]`(i)` bits of `i`.
//! 3. Descriptors lie in pages of [`PAGE`], all but the first whole; the first grows by eighths while it is alone. Descriptors
//!    behind the last segment are empty. Pages that were saved come when they are first asked for.
//! 4. Pages come, go and move only while the directory is held exclusively. The number of segments changes beside
//!    readers: it is stored while the segments that split or merge are locked.

use super::saved::Saved;
use super::segment::Descriptor;
use crate::util::page::PageRun;
use crate::util::pieces::Piece;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// Descriptors a page; a power of two.
pub(super) const PAGE: usize = 1024;
/// Most segments. At some 36 keys each it isn't reached in any memory.
pub(super) const MAX_SEGMENTS: u32 = 1 << 28;

/// A number of segments, from 1, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) u32);

impl Count {
    /// The number of the segment that a fingerprint belongs to.
    #[inline]
    pub(super) fn address(self, fingerprint: u128) -> u32 {
        let d = self.0.max(1).ilog2();
        let whole = fingerprint as u32 & low_bits(d + 1);
        if whole < self.0 { whole } else { fingerprint as u32 & low_bits(d) }
    }

    /// How many low bits the fingerprints in segment `i` share.
    #[inline]
    pub(super) fn depth(self, i: u32) -> u32 {
        let d = self.0.max(1).ilog2();
        let split = self.0 - (1 << d);
        if i < split || i >> d != 0 { d + 1 } else { d }
    }

    /// The segment that splits next; the new one gets this count as its number.
    pub(super) fn next_split(self) -> Option<u32> {
        (self.0 < MAX_SEGMENTS).then(|| self.0 - (1 << self.0.ilog2()))
    }

    /// The segment into which the last one merges.
    pub(super) fn next_merge(self) -> Option<u32> {
        let last = self.0.checked_sub(1).filter(|&last| last > 0)?;
        Some(last - (1 << last.ilog2()))
    }
}

/// The segments' descriptors.
#[derive(Debug)]
pub(super) struct Directory {
    pages: Vec<OnceLock<Piece<Descriptor>>>,
    /// Descriptors in all pages.
    room: u32,
    count: AtomicU32,
    /// Pages that are not there may come from here.
    saved: Option<Arc<Saved>>,
}

static NONE: Descriptor = Descriptor::new();

impl Directory {
    /// One empty segment.
    pub(super) fn new() -> Directory {
        Directory { pages: vec![empty(2)], room: 2, count: AtomicU32::new(1), saved: None }
    }

    /// As it was saved.
    pub(super) fn resume(saved: Arc<Saved>) -> Directory {
        let count = saved.count().0;
        let mut pages = Vec::new();
        pages.resize_with((count as usize).div_ceil(PAGE), OnceLock::new);
        let room = Directory::room_for(count);
        Directory { pages, room, count: AtomicU32::new(count), saved: Some(saved) }
    }

    /// Descriptors that pages for so many segments have at least: what is saved.
    pub(super) fn room_for(count: u32) -> u32 {
        if count as usize <= PAGE { count } else { count.next_multiple_of(PAGE as u32) }
    }

    /// The number of segments, to find one; see [`Directory::is_still`].
    #[inline]
    pub(super) fn count(&self) -> Count {
        Count(self.count.load(Ordering::Acquire))
    }

    /// Whether the number of segments hasn't changed. Asked with a segment's version in hand (an acquire load), it says
    /// that at that moment the segment was the one for the fingerprints of its number.
    #[inline]
    pub(super) fn is_still(&self, count: Count) -> bool {
        self.count.load(Ordering::Relaxed) == count.0
    }

    /// REQUIRES: room for them; the segments that this concerns are locked.
    pub(super) fn set_count(&self, count: u32) {
        debug_assert!(count > 0 && self.get(count - 1).is_some(), "no descriptors for {count} segments");
        self.count.store(count, Ordering::Release);
    }

    #[inline]
    pub(super) fn get(&self, i: u32) -> Option<&Descriptor> {
        match self.pages.get(i as usize / PAGE)?.get() {
            Some(page) => page.get(i as usize % PAGE),
            None => self.absent(i),
        }
    }

    /// One whose page is not there: it is fetched, if it was saved.
    #[cold]
    fn absent(&self, i: u32) -> Option<&Descriptor> {
        let (page, slot) = (i as usize / PAGE, self.pages.get(i as usize / PAGE)?);
        if let Some(fetched) = self.saved.as_ref()?.descriptors(page) {
            // Another reader may have been faster.
            let _ = slot.set(fetched);
        }
        slot.get()?.get(i as usize % PAGE)
    }

    /// The descriptor of a segment, an empty one if there is none of this number.
    #[inline]
    pub(super) fn descriptor(&self, i: u32) -> &Descriptor {
        self.get(i).unwrap_or(&NONE)
    }

    /// How many segments there is room for.
    #[inline]
    pub(super) fn capacity(&self) -> u32 {
        self.room
    }

    /// Makes room for one more segment, and by the way for some that will follow.
    pub(super) fn grow(&mut self) {
        match self.pages.as_mut_slice() {
            [only] if (self.room as usize) < PAGE => {
                let room = self.room as usize;
                self.room = (room + (room / 8).max(2)).min(PAGE) as u32;
                resize(only, self.room);
            }
            pages => {
                let more = (pages.len() / 16).max(1);
                self.pages.reserve_exact(more);
                self.pages.extend((0..more).map(|_| empty(PAGE)));
                self.room = (self.pages.len() * PAGE) as u32;
            }
        }
    }

    /// Whether [`Directory::shrink`] would give back much.
    pub(super) fn is_sparse(&self) -> bool {
        let (count, capacity) = (self.count().0 as usize, self.capacity() as usize);
        capacity > count + count / 4 + if capacity > PAGE { PAGE } else { 4 }
    }

    /// Gives back pages behind the last segment.
    pub(super) fn shrink(&mut self) {
        let count = self.count().0 as usize;
        let pages = (count + count / 16).div_ceil(PAGE);
        self.pages.truncate(pages);
        if self.pages.capacity() > 2 * pages {
            self.pages.shrink_to(pages);
        }
        self.room = self.room.min((self.pages.len() * PAGE) as u32);
        if let [only] = self.pages.as_mut_slice()
            && self.room as usize > count + count / 4 + 4
        {
            self.room = (count + (count / 8).max(1)) as u32;
            resize(only, self.room);
        }
    }

    /// Bytes of all descriptors.
    pub(super) fn bytes(&self) -> usize {
        self.room as usize * size_of::<Descriptor>()
    }

    /// Bytes allocated; not those of saved pages.
    pub(super) fn memory(&self) -> usize {
        let own = self.pages.iter().filter_map(OnceLock::get).filter(|page| page.lent().is_none());
        own.map(|page| size_of_val(&page[..])).sum::<usize>()
            + self.pages.capacity() * size_of::<OnceLock<Piece<Descriptor>>>()
    }

    /// The saved pages that descriptors lie in.
    pub(super) fn lent(&self) -> impl Iterator<Item = &PageRun> {
        self.pages.iter().filter_map(|page| page.get()?.lent())
    }
}

fn empty(len: usize) -> OnceLock<Piece<Descriptor>> {
    OnceLock::from(Piece::from((0..len).map(|_| Descriptor::new()).collect::<Box<[_]>>()))
}

/// Gives a page another length. REQUIRES: it is there.
fn resize(page: &mut OnceLock<Piece<Descriptor>>, len: u32) {
    let new = empty(len as usize);
    if let (Some(old), Some(new)) = (page.get(), new.get()) {
        old.iter().zip(new.iter()).for_each(|(old, new)| new.set(old.get()));
    }
    *page = new;
}

/// A mask of the low `n` bits.
#[inline]
fn low_bits(n: u32) -> u32 {
    (1u32 << n) - 1
}
