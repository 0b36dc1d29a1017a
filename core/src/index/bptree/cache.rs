//! Pages in memory, by number, within a budget.
//!
//! Clean pages are evicted by second chance (Corbató 1968: a hand goes round, and a page that was used since it last came by
//! is spared once). Dirty pages, whose bytes are nowhere else, stay until the writer says that they are written.
//!
//! Locking: shards with a lock each, held for a few instructions and never across I/O. Pages never change; whoever has
//! one keeps it as long as it likes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::page::{PAGE_SIZE, Page, Ptr};
use crate::util::lock::Mutex;

/// What a page in memory takes with its entry here.
pub(super) const PAGE_COST: u64 = PAGE_SIZE as u64 + 96;

/// Page numbers are no adversary's: the tree gives them out itself.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u32(u32::from(b)));
    }

    fn write_u32(&mut self, n: u32) {
        self.0 = (self.0 ^ u64::from(n)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }
}

pub(super) type ByNumber<V> = HashMap<u32, V, BuildHasherDefault<Spread>>;

#[derive(Debug)]
struct Frame {
    no: u32,
    /// The low half of the page's, which a [`Ptr`] has too.
    stamp: u32,
    page: Arc<Page>,
    dirty: bool,
    /// Used since the hand last came by.
    used: bool,
}

#[derive(Debug, Default)]
struct Shard {
    places: ByNumber<u32>,
    frames: Vec<Frame>,
    hand: usize,
    clean: usize,
}

impl Shard {
    /// The frame of the page that this names, if it is dirty.
    fn dirty(&self, ptr: Ptr) -> Option<&Frame> {
        let frame = &self.frames[*self.places.get(&ptr.no())? as usize];
        (frame.dirty && frame.stamp == ptr.stamp()).then_some(frame)
    }
}

/// The cache.
#[derive(Debug)]
pub(super) struct Cache {
    shards: Box<[Mutex<Shard>]>,
    /// Frames of a shard.
    limit: usize,
    pages: AtomicU64,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").field("kind", &self.kind()).field("stamp", &self.stamp()).finish_non_exhaustive()
    }
}

impl Cache {
    /// A cache of about so many pages.
    pub(super) fn new(pages: usize) -> Cache {
        let shards = (pages / 64).clamp(1, 64).next_power_of_two();
        Cache {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            limit: pages.div_ceil(shards).max(1),
            pages: AtomicU64::new(0),
        }
    }

    fn shard(&self, no: u32) -> &Mutex<Shard> {
        &self.shards[no as usize & (self.shards.len() - 1)]
    }

    /// The page that this names, if it is here.
    pub(super) fn get(&self, ptr: Ptr) -> Option<Arc<Page>> {
        let mut shard = self.shard(ptr.no()).lock();
        let place = *shard.places.get(&ptr.no())? as usize;
        let frame = &mut shard.frames[place];
        frame.used = true;
        (frame.stamp == ptr.stamp()).then(|| Arc::clone(&frame.page))
    }

    /// Whatever page has this number here.
    pub(super) fn by_number(&self, no: u32) -> Option<Arc<Page>> {
        let shard = self.shard(no).lock();
        Some(Arc::clone(&shard.frames[*shard.places.get(&no)? as usize].page))
    }

    /// The page that this names, if it is here and dirty.
    pub(super) fn dirty(&self, ptr: Ptr) -> Option<Arc<Page>> {
        let shard = self.shard(ptr.no()).lock();
        shard.dirty(ptr).map(|frame| Arc::clone(&frame.page))
    }

    pub(super) fn is_dirty(&self, ptr: Ptr) -> bool {
        self.shard(ptr.no()).lock().dirty(ptr).is_some()
    }

    /// Keeps a page that was read, if there is room or a clean page to give up.
    pub(super) fn add_clean(&self, no: u32, page: &Arc<Page>) {
        let mut shard = self.shard(no).lock();
        if shard.places.contains_key(&no) || (shard.frames.len() >= self.limit && !self.evict(&mut shard)) {
            return;
        }
        self.add(
            &mut shard,
            Frame { no, stamp: page.stamp() as u32, page: Arc::clone(page), dirty: false, used: false },
        );
    }

    /// Keeps a new page, if need be beyond the budget.
    pub(super) fn add_dirty(&self, no: u32, page: Arc<Page>) {
        let mut shard = self.shard(no).lock();
        debug_assert!(!shard.places.contains_key(&no), "page {no} is here already");
        while shard.frames.len() >= self.limit && self.evict(&mut shard) {}
        self.add(&mut shard, Frame { no, stamp: page.stamp() as u32, page, dirty: true, used: true });
    }

    /// The page of this number was written.
    pub(super) fn mark_clean(&self, no: u32) {
        let mut shard = self.shard(no).lock();
        if let Some(&place) = shard.places.get(&no) {
            shard.clean += usize::from(std::mem::take(&mut shard.frames[place as usize].dirty));
        }
    }

    /// Forgets a page; says whether it was dirty.
    pub(super) fn remove(&self, no: u32) -> bool {
        let mut shard = self.shard(no).lock();
        let Some(&place) = shard.places.get(&no) else { return false };
        let dirty = shard.frames[place as usize].dirty;
        self.take(&mut shard, place as usize);
        dirty
    }

    /// Pages here.
    pub(super) fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    fn add(&self, shard: &mut Shard, frame: Frame) {
        shard.places.insert(frame.no, shard.frames.len() as u32);
        shard.clean += usize::from(!frame.dirty);
        shard.frames.push(frame);
        self.pages.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self, shard: &mut Shard, place: usize) {
        let gone = shard.frames.swap_remove(place);
        shard.places.remove(&gone.no);
        shard.clean -= usize::from(!gone.dirty);
        if let Some(moved) = shard.frames.get(place) {
            shard.places.insert(moved.no, place as u32);
        }
        self.pages.fetch_sub(1, Ordering::Relaxed);
        if shard.frames.is_empty() {
            // A tree that fell empty gives its tables back too.
            *shard = Shard::default();
        }
    }

    /// Gives up a clean page; false if there is none.
    fn evict(&self, shard: &mut Shard) -> bool {
        if shard.clean == 0 {
            return false;
        }
        // Once round to take the chances away, and once more to take the first without one.
        for _ in 0..2 * shard.frames.len() {
            shard.hand = if shard.hand + 1 < shard.frames.len() { shard.hand + 1 } else { 0 };
            let frame = &mut shard.frames[shard.hand];
            if frame.dirty {
                continue;
            }
            if !frame.used {
                let place = shard.hand;
                self.take(shard, place);
                return true;
            }
            frame.used = false;
        }
        false
    }
}
