//! The table behind a handle type: slots that objects are put into and taken out of by any thread at any time.
//!
//! A slot is FREE, LIVE or CLOSING (and TAKEN for the moment in which its object is moved out), in a generation that
//! rises with every object; both are one atomic word. Invariants:
//!
//! 1. Slots never move and are never given back, so a lookup needs no lock.
//! 2. Whoever wants an object first adds itself to the slot's users, *then* looks whether the slot is LIVE in the right
//!    generation. Whoever frees first sets CLOSING, *then* looks for users. All of it is `SeqCst`, so at least one of the
//!    two sees the other.
//! 3. Once CLOSING, no new user gets at the object, so a counter that was seen at zero has no more real users; strays with
//!    an old generation come and go without touching the object. Whoever leaves a CLOSING slot without users takes the
//!    object out: the one that turns CLOSING into TAKEN, which can be only one, as the word holds the generation.
//! 4. Nothing blocks, not even on what another thread of the parent was in the middle of at a fork. Objects of a parent
//!    stay where they are in the child, CLOSING for ever: dropping a store would wait for threads and locks that are not
//!    there.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::SeqCst};

use crate::fork;
use crate::stripes::{STRIPES, Users, stripe};

/// Bits of a slot's index.
pub(crate) const INDEX_BITS: u32 = if usize::BITS >= 64 { 28 } else { 16 };

const PHASE: u64 = 3;
const FREE: u64 = 0;
const LIVE: u64 = 1;
const CLOSING: u64 = 2;
const TAKEN: u64 = 3;

const FIRST_CHUNK: usize = 64;
const CHUNKS: usize = (INDEX_BITS - FIRST_CHUNK.ilog2()) as usize;
const MAX_SLOTS: usize = (1 << INDEX_BITS) - FIRST_CHUNK;

/// All objects of one type. `U` counts an object's users; generations are looked at modulo `2^GENERATION_BITS`.
pub(crate) struct Table<T, U> {
    /// Chunk n holds `FIRST_CHUNK << n` slots.
    chunks: [AtomicPtr<Slot<T, U>>; CHUNKS],
    /// Slots handed out at least once.
    used: AtomicU32,
    /// Stacks of free slots, several so that threads don't meet: a count against ABA << 32 | index + 1 of the first.
    free: [FreeList; STRIPES],
}

#[repr(align(64))]
struct FreeList(AtomicU64);

/// All zero bytes are a FREE slot in generation 0, in which nothing is ever LIVE.
struct Slot<T, U> {
    /// Generation << 2 | phase.
    state: AtomicU64,
    /// The process generation in which the object was made.
    process: AtomicU32,
    /// While in a free list: the next slot's index + 1.
    next: AtomicU32,
    /// Where the slot goes back to, written before LIVE; here, so that whoever is in need not carry it.
    home: UnsafeCell<Home<T, U>>,
    users: U,
    object: UnsafeCell<MaybeUninit<T>>,
}

struct Home<T, U> {
    table: *const Table<T, U>,
    index: u32,
}

// SAFETY: the table lends `&T` to any thread and drops a `T` on any thread; its pointers are to slots that live for
// ever, and an object's cell is written only by the thread that alone holds the slot.
unsafe impl<T: Send + Sync, U: Sync> Sync for Table<T, U> {}
// SAFETY: as above; a table owns its slots.
unsafe impl<T: Send + Sync, U: Send> Send for Table<T, U> {}

/// Which generations a handle can tell apart, and whether a slot that has gone through all of them is used again.
pub(crate) const GENERATION_BITS: u32 = usize::BITS - INDEX_BITS - crate::handles::TAG_BITS;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;

impl<T: Send + Sync, U: Users> Table<T, U> {
    pub(crate) const fn new() -> Table<T, U> {
        Table {
            chunks: [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS],
            used: AtomicU32::new(0),
            free: [const { FreeList(AtomicU64::new(0)) }; STRIPES],
        }
    }

    /// Puts an object in and gives its slot and generation; gives it back if there is no slot left.
    pub(crate) fn insert(&self, object: T) -> Result<(usize, usize), T> {
        let mine = stripe();
        let recycled = (0..STRIPES).find_map(|n| self.pop(&self.free[(mine + n) % STRIPES]));
        let Some((index, slot)) = recycled.or_else(|| self.grow()) else { return Err(object) };
        let generation = (slot.state.load(SeqCst) >> 2) + 1;
        // SAFETY: a slot outside of the free lists and not yet LIVE belongs to the thread that took it out.
        unsafe {
            (*slot.object.get()).write(object);
            slot.home.get().write(Home { table: self, index });
        }
        slot.process.store(fork::generation(), Relaxed);
        slot.state.store(generation << 2 | LIVE, SeqCst);
        Ok((index as usize, (generation & GENERATION_MASK) as usize))
    }

    /// Lends the object; `None` if there is none there in this generation.
    #[inline]
    pub(crate) fn enter(&self, index: usize, generation: usize) -> Option<Entered<'_, T, U>> {
        let slot = self.slot(index)?;
        let user = slot.users.mine();
        user.fetch_add(1, SeqCst);
        let entered = Entered { slot, user };
        let state = slot.state.load(SeqCst);
        let live = state & PHASE == LIVE && (state >> 2 & GENERATION_MASK) as usize == generation;
        live.then_some(entered)
    }

    /// As [`Table::enter`], and nobody gets in any more: at most one caller gets the object. It is dropped once all
    /// who are in have left.
    pub(crate) fn close(&self, index: usize, generation: usize) -> Option<Entered<'_, T, U>> {
        let entered = self.enter(index, generation)?;
        // The slot isn't used again as long as this is in, so a LIVE one is still in the same generation.
        let state = entered.slot.state.load(SeqCst);
        let closing = state & !PHASE | CLOSING;
        let first =
            state & PHASE == LIVE && entered.slot.state.compare_exchange(state, closing, SeqCst, SeqCst).is_ok();
        first.then_some(entered)
    }

    /// The slot with this index, if its chunk exists.
    fn slot(&self, index: usize) -> Option<&Slot<T, U>> {
        if index >= MAX_SLOTS {
            return None;
        }
        let (chunk, place, _) = locate(index);
        let chunk = self.chunks[chunk].load(Acquire);
        // SAFETY: a chunk that is there has all the slots that `locate` counts for it, and stays.
        (!chunk.is_null()).then(|| unsafe { &*chunk.add(place) })
    }

    fn grow(&self) -> Option<(u32, &Slot<T, U>)> {
        let more = |used: u32| ((used as usize) < MAX_SLOTS).then_some(used + 1);
        let index = self.used.fetch_update(SeqCst, SeqCst, more).ok()?;
        if self.slot(index as usize).is_none() {
            let (chunk, _, len) = locate(index as usize);
            let layout = Layout::array::<Slot<T, U>>(len).ok()?;
            // SAFETY: slots have a size. Zeroed memory costs nothing until it is touched, and is a chunk of FREE slots.
            let new = unsafe { alloc_zeroed(layout) }.cast::<Slot<T, U>>();
            if new.is_null() {
                handle_alloc_error(layout);
            }
            if self.chunks[chunk].compare_exchange(std::ptr::null_mut(), new, SeqCst, SeqCst).is_err() {
                // SAFETY: allocated above with this layout; another thread was first, so nobody has seen it.
                unsafe { dealloc(new.cast(), layout) };
            }
        }
        Some((index, self.slot(index as usize)?))
    }

    fn pop(&self, list: &FreeList) -> Option<(u32, &Slot<T, U>)> {
        let mut head = list.0.load(SeqCst);
        loop {
            let index = (head as u32).checked_sub(1)?;
            let slot = self.slot(index as usize)?;
            let below = slot.next.load(Relaxed);
            match list.0.compare_exchange_weak(head, counted(head, below), SeqCst, SeqCst) {
                Ok(_) => return Some((index, slot)),
                Err(now) => head = now,
            }
        }
    }

    fn push(&self, index: u32, slot: &Slot<T, U>) {
        let list = &self.free[stripe()].0;
        let mut head = list.load(SeqCst);
        loop {
            slot.next.store(head as u32, Relaxed);
            match list.compare_exchange_weak(head, counted(head, index + 1), SeqCst, SeqCst) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

impl<T: Send + Sync, U: Users> Slot<T, U> {
    /// Takes the object out and drops it, if nobody is in and nobody else does. `closing` was seen after leaving.
    #[cold]
    fn take(&self, closing: u64) {
        let foreign = self.process.load(Relaxed) != fork::generation();
        let taken = closing & !PHASE | TAKEN;
        if foreign || !self.users.none() || self.state.compare_exchange(closing, taken, SeqCst, SeqCst).is_err() {
            return;
        }
        // SAFETY: the slot was LIVE, so both cells were written; this thread alone turned CLOSING into TAKEN, and by
        // invariant 3 nobody has a reference. The table is there: tables are static, or outlive the call in a test.
        let (object, table, index) = unsafe {
            let home = &*self.home.get();
            ((*self.object.get()).assume_init_read(), &*home.table, home.index)
        };
        self.state.store(closing & !PHASE | FREE, SeqCst);
        // With 64-bit pointers a slot whose generations are used up is left alone: one in 4 billion objects. With 32 bits
        // they start over, or handles would run out: one that was freed 4,096 objects ago may pass for a new one.
        if usize::BITS < 64 || (closing >> 2) & GENERATION_MASK != GENERATION_MASK {
            table.push(index, self);
        }
        drop(object);
    }
}

/// Chunk, place in it, and the chunk's length.
fn locate(index: usize) -> (usize, usize, usize) {
    let shifted = index + FIRST_CHUNK;
    let chunk = (shifted.ilog2() - FIRST_CHUNK.ilog2()) as usize;
    let len = FIRST_CHUNK << chunk;
    (chunk, shifted - len, len)
}

/// The next value of a free list's head.
fn counted(head: u64, first: u32) -> u64 {
    ((head >> 32) + 1) << 32 | u64::from(first)
}

/// A lent object: one more user of its slot, for as long as this lives.
pub(crate) struct Entered<'a, T: Send + Sync, U: Users> {
    slot: &'a Slot<T, U>,
    user: &'a AtomicU32,
}

impl<T: Send + Sync, U: Users> Entered<'_, T, U> {
    /// Whether the object was made in this process and not in a parent of it.
    pub(crate) fn is_here(&self) -> bool {
        self.slot.process.load(Relaxed) == fork::generation()
    }
}

impl<T: Send + Sync, U: Users> Drop for Entered<'_, T, U> {
    #[inline]
    fn drop(&mut self) {
        self.user.fetch_sub(1, SeqCst);
        let state = self.slot.state.load(SeqCst);
        if state & PHASE == CLOSING {
            self.slot.take(state);
        }
    }
}

impl<T: Send + Sync, U: Users> Deref for Entered<'_, T, U> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this is one of the slot's users and saw it LIVE after becoming one (invariant 2), so the object is
        // there, and nobody takes it out before this leaves.
        unsafe { (*self.slot.object.get()).assume_init_ref() }
    }
}

#[cfg(test)]
mod tests;
