//! The table of fingerprints behind its locks: which change is made beside readers, and which without.
//!
//! Knows no keys. What one change touches is read by `state` and changed by `edit`; this file decides under which hold.

use super::edit::{Editor, NeedsRebuild, Writer};
use super::state::State;
use crate::error::Result;
use crate::util::lock::{Mutex, MutexGuard};
use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Changes between two attempts to give back memory that readers may be looking at.
const PATIENCE: u32 = 64;

/// The table.
pub(super) struct Table {
    pub(super) state: ShardedLock<State>,
    pub(super) writer: Mutex<Writer>,
    pub(super) len: AtomicU64,
    /// Nothing is left to be looked at of what the table was made of.
    pub(super) is_ready: AtomicBool,
    /// Held by who looks at it, and taken before the other locks.
    pub(super) trusting: Mutex<()>,
}

impl Table {
    pub(super) fn new() -> Table {
        let (state, writer) = (ShardedLock::new(State::new()), Mutex::new(Writer::new()));
        Table { state, writer, len: AtomicU64::new(0), is_ready: AtomicBool::new(true), trusting: Mutex::new(()) }
    }

    pub(super) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// For lookups. A panic elsewhere leaves no segment locked and is no reason for another here.
    #[inline]
    pub(super) fn read(&self) -> ShardedLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> ShardedLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one change, beside readers if that can be; returns the location bits that were there.
    pub(super) fn set(&self, fingerprint: u128, new: Option<u64>) -> Result<Option<u64>> {
        let mut writer = self.ready_writer()?;
        let Ok(old) = self.set_shared(&mut writer, fingerprint, new) else {
            return Ok(self.exclusive(writer).set(fingerprint, new));
        };
        self.len.store(writer.len, Ordering::Release);
        if writer.overdue {
            self.exclusive(writer).catch_up();
        } else if writer.is_untidy() {
            self.tidy(writer);
        }
        Ok(old)
    }

    fn set_shared(
        &self,
        writer: &mut Writer,
        fingerprint: u128,
        new: Option<u64>,
    ) -> std::result::Result<Option<u64>, NeedsRebuild> {
        let state = self.read();
        if !state.spill.is_empty() || !writer.is_ready(&state) || !writer.budget.spend() {
            return Err(NeedsRebuild);
        }
        Editor::shared(&state, writer).change(fingerprint, new)
    }

    /// For several changes that readers see at once.
    pub(super) fn batch(&self) -> Result<Batch<'_>> {
        Ok(self.exclusive(self.ready_writer()?))
    }

    fn exclusive<'a>(&'a self, mut writer: MutexGuard<'a, Writer>) -> Batch<'a> {
        let state = self.write();
        writer.budget.refill();
        Batch { state, writer, len: &self.len }
    }

    /// Gives back memory, if no reader is in the way; waits for readers only if there is much of it.
    fn tidy(&self, mut writer: MutexGuard<'_, Writer>) {
        let (idle, used) = writer.slab.idle();
        if idle > used / 8 + (1 << 20) {
            drop(self.exclusive(writer));
        } else if writer.patience > 0 {
            writer.patience -= 1;
        } else {
            // A small table is tidied at once, so that its memory follows the number of keys.
            writer.patience = if writer.len < 4096 { 0 } else { PATIENCE };
            if let Ok(mut state) = self.state.try_write() {
                writer.give_back(&mut state);
            }
        }
    }

    /// Bytes allocated, this struct not included.
    pub(super) fn memory(&self) -> usize {
        let writer = self.writer.lock();
        writer.memory(&self.read())
    }

    #[cfg(test)]
    pub(super) fn exhaust_budget(&self) {
        self.writer.lock().budget.exhaust();
    }

    /// Verifies the invariants.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let writer = self.writer.lock();
        super::check::check(&self.read(), &writer);
    }
}

/// Changes that readers see at once, when this is dropped.
pub(super) struct Batch<'a> {
    state: ShardedLockWriteGuard<'a, State>,
    writer: MutexGuard<'a, Writer>,
    len: &'a AtomicU64,
}

impl Batch<'_> {
    /// Asks for what the next changes will touch.
    pub(super) fn prefetch(&self, fingerprints: &[u128]) {
        self.state.prefetch(fingerprints);
    }

    /// Makes one change; returns the location bits that were there.
    pub(super) fn set(&mut self, fingerprint: u128, new: Option<u64>) -> Option<u64> {
        if !self.writer.is_ready(&self.state) {
            self.writer.make_ready(&mut self.state);
        }
        let made = Editor::exclusive(&mut self.state, &mut self.writer).change(fingerprint, new);
        debug_assert!(made.is_ok(), "nothing is forbidden");
        made.unwrap_or(None)
    }

    /// Makes the split or merge that couldn't be made beside readers.
    fn catch_up(&mut self) {
        self.writer.make_ready(&mut self.state);
        Editor::exclusive(&mut self.state, &mut self.writer).catch_up();
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.writer.give_back(&mut self.state);
        // Before the locks are let go: who sees the number sees the entries.
        self.len.store(self.writer.len, Ordering::Release);
    }
}
