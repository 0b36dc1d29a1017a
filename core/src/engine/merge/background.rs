//! The thread that merges by itself.
//!
//! It is woken: by a new data file, by many bytes that died, by the end of a merge by hand or of a pause. Then it sweeps what has expired, looks whether a merge is
//! worth its while ([`Store::merge_needed`]), and runs it. It waits for a time only where there is something to do: a moment after the first bytes that
//! died since its last look, until the window opens, after merges that failed or gave next to nothing back, longer and longer, and once a minute
//! where records expire, of which nobody tells. It is started by what first wakes it; a store of one data file has no such thread.
//!
//! 1. Reads and writes know nothing of it: what goes wrong is told by [`Store::last_background_merge`] and nowhere else.
//! 2. It gives way. A merge under way ends, without a trace, when a merge by hand waits or the window closes, but not between the publishing of outputs
//!    and the removal of sources; and anywhere when the store is closed or its last share is given up.
//! 3. It keeps the store's memory alive only while it works, and the store open never (`engine/share.rs`).
//!
//! Locking: its own lock is taken for moments, under any other, and nothing is taken under it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::stats::{BackgroundMerge, MergeReport, Stats};
use crate::types::Timestamp;
use crate::util::lock::{Condvar, Mutex};

use super::super::store::Store;
use super::control::Pace;
use super::{MergeOptions, MergePolicy, policy};

/// The first wait after a merge that failed; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Longest time between two looks at the clock outside of the window: somebody may set it.
const CLOCK: Duration = Duration::from_secs(60);
/// Sweeps take at most one part in so many of the time.
const SWEEPS: u32 = 20;
/// Shortest wait for the next.
const MOMENT: Duration = Duration::from_millis(1);
/// From the first bytes that died since a look to the next look: a few may be those that a trigger waited for, and no others may come.
const STIRRED: Duration = Duration::from_secs(1);
/// A store that was opened with something to merge is left alone for so long; a new data file ends it.
const SETTLE: Duration = Duration::from_secs(10);

/// What a store has of it.
#[derive(Debug, Default)]
pub(crate) struct Background {
    /// Whose it is. Not set where nothing is merged in the background.
    store: OnceLock<Weak<Store>>,
    shared: Arc<Shared>,
    /// Bytes that died since somebody looked, and how many are worth a look at once.
    killed: AtomicU64,
    enough: AtomicU64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Set with the state locked, so that nobody falls asleep meanwhile.
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    woken: bool,
    /// Something died since the last look.
    stirred: bool,
    /// Whatever failed before is tried again at once.
    retry: bool,
    thread: Option<JoinHandle<()>>,
    is_merging: bool,
    /// No sweep before: the last one took its share of the time.
    swept_until: Option<Timestamp>,
    merges: u64,
    failures: u64,
    last: Option<BackgroundMerge>,
}

/// What is to be done after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing before somebody wakes.
    Sleep,
    /// Look again then.
    Within(Duration),
    /// A merge failed, or was of little use: wait, whoever wakes, and longer each time.
    BackOff,
    Over,
}

impl Background {
    /// From here on it can be woken.
    pub(in crate::engine) fn attach(&self, store: &Arc<Store>) {
        let (policy, file) = (&store.config.merge, store.config.max_file_size);
        let by_share = file.saturating_mul(u64::from(policy.frag_merge_trigger)) / 100;
        self.enough.store((policy.dead_bytes_merge_trigger.min(by_share) / 4).max(1), Ordering::Relaxed);
        let _ = self.store.set(Arc::downgrade(store));
        if store.files.load().all().len() > 1 {
            self.start(SETTLE);
        }
    }

    /// There may be something to do.
    pub(in crate::engine) fn wake(&self) {
        self.notify(false);
    }

    /// The same, also after failures.
    pub(super) fn retry(&self) {
        self.notify(true);
    }

    fn notify(&self, retry: bool) {
        let has_thread = self.tell_thread(|state| {
            state.woken = true;
            state.retry |= retry;
        });
        if has_thread == Some(false) {
            self.start(Duration::ZERO);
        }
    }

    /// Leaves word for the thread, and says whether there is one. Nothing where there can be none.
    fn tell_thread(&self, word: impl FnOnce(&mut State)) -> Option<bool> {
        // In a forked child the thread, and whoever held its lock, may be the parent's.
        self.store.get()?.upgrade().filter(|store| !store.is_foreign())?;
        let mut state = self.shared.state.lock();
        word(&mut state);
        self.shared.changed.notify_one();
        Some(state.thread.is_some())
    }

    /// So many bytes of records died.
    pub(in crate::engine) fn killed(&self, bytes: u64) {
        let enough = self.enough.load(Ordering::Relaxed);
        if enough == 0 || bytes == 0 {
            return;
        }
        let before = self.killed.fetch_add(bytes, Ordering::Relaxed);
        if before < enough && before.saturating_add(bytes) >= enough {
            self.wake();
        } else if before == 0 {
            // There is little to do, if anything: not worth starting a thread.
            self.tell_thread(|state| state.stirred = true);
        }
    }

    /// Somebody looks now: what dies from here on is new.
    fn look(&self) {
        self.killed.store(0, Ordering::Relaxed);
    }

    /// Starts the thread, unless there is one or it is over.
    fn start(&self, wait: Duration) {
        let Some(store) = self.store.get() else { return };
        let mut state = self.shared.state.lock();
        if self.is_stopping() || state.thread.is_some() {
            return;
        }
        let (store, shared) = (Weak::clone(store), Arc::clone(&self.shared));
        match std::thread::Builder::new().name("bitcask-merge".into()).spawn(move || run(&store, &shared, wait)) {
            Ok(thread) => state.thread = Some(thread),
            // The next who wakes tries again.
            Err(e) => {
                drop(state);
                let what = format!("the thread that merges did not start: {e}");
                if let Some(store) = self.store.get().and_then(Weak::upgrade) {
                    store.note(&self.shared, Err(Error::Unsupported { what }));
                }
            }
        }
    }

    /// Stops the thread and waits for it. A merge under way ends at its next step.
    pub(in crate::engine) fn stop(&self) {
        let thread = {
            let mut state = self.shared.state.lock();
            self.shared.stop.store(true, Ordering::Release);
            self.shared.changed.notify_all();
            state.thread.take()
        };
        if let Some(thread) = thread {
            // It catches what panics.
            let _ = thread.join();
        }
    }

    /// Lets go of a thread that a fork left behind in the parent.
    pub(in crate::engine) fn forget(&self) {
        std::mem::forget(Arc::clone(&self.shared));
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }

    /// Adds what there is to tell.
    pub(in crate::engine) fn tell(&self, stats: &mut Stats) {
        let state = self.shared.state.lock();
        stats.background_merges = state.merges;
        stats.background_merge_failures = state.failures;
        stats.is_merging_in_background = state.is_merging;
    }
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Waits as long as `next` says, `back_off` where that says for nothing, or until somebody wakes. `false` when it is over.
    fn wait(&self, next: Next, back_off: Duration) -> bool {
        let mut state = self.state.lock();
        let is_stubborn = |state: &mut State| !self.is_stopping() && !state.retry;
        let sleeps = |state: &mut State| is_stubborn(state) && !state.woken;
        match next {
            Next::Over => return false,
            Next::BackOff => state = self.changed.wait_timeout_while(state, back_off, is_stubborn),
            Next::Within(time) => state = self.changed.wait_timeout_while(state, time, sleeps),
            Next::Sleep => {
                while sleeps(&mut state) && !state.stirred {
                    state = self.changed.wait(state);
                }
                state = self.changed.wait_timeout_while(state, STIRRED, sleeps);
            }
        }
        (state.woken, state.stirred, state.retry) = (false, false, false);
        !self.is_stopping()
    }
}

fn run(store: &Weak<Store>, shared: &Shared, wait: Duration) {
    let (mut next, mut back_off) = (Next::Within(wait), FIRST_WAIT);
    while shared.wait(next, back_off) {
        back_off = if next == Next::BackOff { (back_off * 2).min(LONGEST_WAIT) } else { FIRST_WAIT };
        let Some(store) = store.upgrade() else { return };
        store.merging.background.look();
        // A panic would be a bug. It is told, and ends the thread and nothing else.
        next = catch_unwind(AssertUnwindSafe(|| store.merge_in_background(shared))).unwrap_or_else(|_| {
            store.note(shared, Err(Error::Internal { what: "a merge in the background panicked".into() }));
            Next::Over
        });
    }
}

/// Whether a merge was worth its while.
fn gave_back(report: &MergeReport) -> bool {
    report.created_bytes < report.removed_bytes / 10 * 9
}

impl Store {
    /// What the last merge in the background came to.
    pub(crate) fn last_background_merge(&self) -> Result<Option<BackgroundMerge>> {
        self.check_usable()?;
        Ok(self.merging.background.shared.state.lock().last.clone())
    }

    fn note(&self, shared: &Shared, outcome: Result<MergeReport>) {
        let ended = self.vfs.now();
        let mut state = shared.state.lock();
        state.is_merging = false;
        match &outcome {
            Ok(_) => state.merges += 1,
            Err(_) => state.failures += 1,
        }
        state.last = Some(BackgroundMerge { ended, outcome });
    }

    /// Merges if it is worth its while now.
    fn merge_in_background(&self, shared: &Shared) -> Next {
        // Whoever ends a pause, or a merge by hand, wakes.
        if self.merging.pause.is_set() || self.files.load().all().len() < 2 {
            return Next::Sleep;
        }
        let Some(_running) = self.merging.try_begin() else { return Next::Sleep };
        let options = MergeOptions::new().bytes_per_second(self.config.merge.bytes_per_second);
        let look = || Ok((self.sweep_in_background(shared, &options)?, self.merge_needed()?));
        let swept_keys = match look() {
            Ok((keys, Some(need))) if need.is_in_window => keys,
            Ok((_, Some(_))) => return Next::Within(self.until_window()),
            // Nobody wakes when something expires.
            Ok((_, None)) if self.may_expire() => return Next::Within(self.until_sweep(shared)),
            Ok((_, None)) => return Next::Sleep,
            Err(error) => return self.failed(shared, error),
        };
        shared.state.lock().is_merging = true;
        match self.run_merge(&options, &mut Pace::in_background(self, &options), Some(swept_keys)) {
            Ok(report) => {
                let was_of_use = gave_back(&report);
                self.note(shared, Ok(report));
                // More may have died meanwhile.
                if was_of_use { Next::Within(Duration::ZERO) } else { Next::BackOff }
            }
            Err(error) => self.failed(shared, error),
        }
    }

    /// Deletes what has expired, if it is due: to the figures it is alive until then.
    fn sweep_in_background(&self, shared: &Shared, options: &MergeOptions) -> Result<u64> {
        let begun = self.vfs.now();
        if !self.rest_from_sweeps(shared).is_zero() || !self.expiry.is_due(begun) || !self.is_window_open() {
            return Ok(0);
        }
        let outcome = self.sweep_if_there_is_room(&mut Pace::in_background(self, options));
        // It may have been paused.
        let now = self.vfs.now();
        let took = Duration::from_millis(now.0.saturating_sub(begun.0)).max(MOMENT);
        let wait = took.saturating_mul(SWEEPS).min(LONGEST_WAIT);
        shared.state.lock().swept_until = Some(Timestamp(now.0.saturating_add(wait.as_millis() as u64)));
        outcome
    }

    /// How long the next sweep has to wait because of the last. A clock that was set back must not make it wait for longer.
    fn rest_from_sweeps(&self, shared: &Shared) -> Duration {
        let until = shared.state.lock().swept_until.map_or(0, |until| until.0);
        let rest = Duration::from_millis(until.saturating_sub(self.vfs.now().0));
        if rest > LONGEST_WAIT { Duration::ZERO } else { rest }
    }

    /// How long to wait until a sweep may be worth another look.
    fn until_sweep(&self, shared: &Shared) -> Duration {
        if self.expiry.is_due(self.vfs.now()) && self.is_window_open() {
            self.rest_from_sweeps(shared).clamp(MOMENT, CLOCK)
        } else {
            CLOCK
        }
    }

    fn until_window(&self) -> Duration {
        until_window(&self.config.merge, self.vfs.now().0)
    }

    fn is_window_open(&self) -> bool {
        policy::is_in_window(&self.config.merge, self.vfs.now())
    }

    fn failed(&self, shared: &Shared, error: Error) -> Next {
        match error {
            Error::Closed | Error::Forked => {
                shared.state.lock().is_merging = false;
                Next::Over
            }
            // It gave way: to a merge by hand, which wakes when it ends, or because the window closed.
            Error::Cancelled => {
                shared.state.lock().is_merging = false;
                Next::Within(self.until_window())
            }
            error => {
                self.note(shared, Err(error));
                Next::BackOff
            }
        }
    }

    /// Whether a merge in the background is to go on. `gives_way`: not if somebody else is to have its turn.
    pub(super) fn check_background(&self, gives_way: bool) -> Result<()> {
        if self.merging.background.is_stopping() {
            return Err(Error::Closed);
        }
        if gives_way && (self.merging.is_awaited() || !self.is_window_open()) {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}

/// How long to wait until a merge may be worth another look because of the window alone.
fn until_window(policy: &MergePolicy, now: u64) -> Duration {
    const HOUR: u64 = 3_600_000;
    let Some((from, _)) = policy.window else { return CLOCK };
    let (opens, day) = (u64::from(from) * HOUR, 24 * HOUR);
    Duration::from_millis((opens + day - now % day) % day).clamp(Duration::from_millis(1), CLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_looked_at_when_the_window_opens_and_once_a_minute() {
        let policy = MergePolicy::new().window(Some((22, 4)));
        let at = |hour: u64, second: u64| until_window(&policy, 86_400_000 * 7 + hour * 3_600_000 + second * 1000);
        assert_eq!(at(21, 3590), Duration::from_secs(10));
        assert_eq!(at(21, 3500), Duration::from_secs(60));
        assert_eq!(at(5, 0), Duration::from_secs(60));
        assert_eq!(at(22, 0), Duration::from_millis(1));
    }
}
