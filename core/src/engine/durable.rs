//! Which commits are on stable storage, and who waits for that.
//!
//! Knows numbers and neither log nor files: how to sync is the caller's. Protocol, held by the one mutex:
//! 1. `covered` only grows, and is told by whoever synced: a leader, the thread of the interval, a waiter, close.
//! 2. Of those who wait without a limit one syncs, for all; it begins after its own commit was appended, so that it is done with one.
//!    Those whose commits came too late for that sync wait for the next one, which one of them runs.
//! 3. Who waits with a limit must not sync itself, for a sync can't be broken off: it asks another thread, unless what was asked for
//!    covers it already.
//! 4. A failure that is answered is that of all who wait then with a limit, and of nobody who comes later: that a log stopped
//!    is the log's to say, to whoever asks next.
//!
//! A model of all interleavings is in `model_tests.rs`, which compiles this file over other locks.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::types::SeqNo;

use super::lock::{Condvar, Mutex};

/// The number, and who waits.
#[derive(Debug)]
pub(crate) struct Durable {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// All commits up to this one are on stable storage.
    covered: SeqNo,
    /// A waiter syncs.
    syncing: bool,
    /// Who is to be told of a change; telling nobody would still be a system call.
    waiting: usize,
    /// The greatest number that another thread was asked to sync, and has not answered.
    asked: Option<SeqNo>,
    /// How many syncs that were asked for failed, and why the last one did.
    failures: u64,
    failed: Option<Error>,
}

impl Durable {
    pub(crate) fn new(covered: SeqNo) -> Durable {
        let state = State { covered, syncing: false, waiting: 0, asked: None, failures: 0, failed: None };
        Durable { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn covered(&self) -> SeqNo {
        self.state.lock().covered
    }

    /// Tells that all commits up to this one are on stable storage.
    pub(crate) fn advance(&self, covered: SeqNo) {
        let mut state = self.state.lock();
        if covered > state.covered {
            state.covered = covered;
            self.tell(&state);
        }
    }

    /// Waits until a commit is on stable storage, syncing if nobody does. `sync` brings there what was appended before it was called, and
    /// says up to which commit.
    pub(crate) fn wait(&self, seq: SeqNo, sync: impl FnOnce() -> Result<SeqNo>) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            if state.covered >= seq {
                return Ok(());
            }
            if !state.syncing {
                break;
            }
            state.waiting += 1;
            state = self.changed.wait(state);
            state.waiting -= 1;
        }
        state.syncing = true;
        drop(state);
        let _end = EndOfSync { durable: self };
        let covered = sync()?;
        self.advance(covered);
        if covered < seq {
            return Err(Error::Internal { what: format!("a sync ended at commit {covered}, before {seq}") });
        }
        Ok(())
    }

    /// Waits until a commit is on stable storage, but no longer than `timeout`; says whether it is. `ask` has another thread sync what was
    /// appended, which is to give [`Durable::answer`] the outcome with the number that `ask` got.
    pub(crate) fn wait_at_most(
        &self,
        seq: SeqNo,
        timeout: Duration,
        ask: impl FnOnce(SeqNo) -> Result<()>,
    ) -> Result<bool> {
        let mut state = self.state.lock();
        let before = state.failures;
        let is_over = |state: &State| state.covered >= seq || state.failures != before;
        if !is_over(&state) && state.asked.is_none_or(|asked| asked < seq) {
            state.asked = Some(seq);
            drop(state);
            if let Err(error) = ask(seq) {
                self.answer(seq, Err(error));
            }
            state = self.state.lock();
        }
        if !is_over(&state) {
            state.waiting += 1;
            state = self.changed.wait_timeout_while(state, timeout, |state| !is_over(state));
            state.waiting -= 1;
        }
        match &state.failed {
            _ if state.covered >= seq => Ok(true),
            Some(error) if state.failures != before => Err(error.clone()),
            _ => Ok(false),
        }
    }

    /// Takes the outcome of a sync that was asked for. One that succeeded has told what it covers before.
    pub(crate) fn answer(&self, asked: SeqNo, outcome: Result<()>) {
        let mut state = self.state.lock();
        state.asked = state.asked.filter(|latest| *latest != asked);
        if let Err(error) = outcome {
            state.failures += 1;
            state.failed = Some(error);
            self.tell(&state);
        }
    }

    fn tell(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }
}

/// Lets others sync when a waiter is done, also by a panic.
struct EndOfSync<'a> {
    durable: &'a Durable,
}

impl Drop for EndOfSync<'_> {
    fn drop(&mut self) {
        let mut state = self.durable.state.lock();
        state.syncing = false;
        self.durable.tell(&state);
    }
}
