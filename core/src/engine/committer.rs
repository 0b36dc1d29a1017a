//! The thread that commits for callers who don't wait: they queue a write with what is to be called when it is done.
//!
//! Started by the first such write, stopped with the store. It leads groups in the commit queue like any other caller, so that writes of
//! both kinds share appends and syncs; what waits here goes into one group as far as the limits allow, in order.
//!
//! 1. What was queued is answered exactly once, by this thread, with no lock held: also if the store is closed or dropped meanwhile (with
//!    `Closed`), if the commit panics, and if an answer before it did. What was refused is not answered: the call said why.
//! 2. What is queued and unanswered has at most [`MAX_IN_FLIGHT`] bytes; who brings more waits, but not in an answer, which
//!    would wait for itself.
//! 3. The thread keeps the store alive only while it works on a group. If it is the last who does, the store ends in it.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::{JoinHandle, ThreadId};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::log::Encoded;
use crate::types::{SeqNo, Written};

use super::lock::{Condvar, Mutex};
use super::pending::Pending;
use super::store::{MAX_GROUP, MAX_GROUP_BYTES, Store};
use super::write::{Job, Outcome};

/// Most bytes of log that are queued and unanswered, with [`OVERHEAD`] for each write.
pub(crate) const MAX_IN_FLIGHT: u64 = 64 << 20;
/// About what a write takes in memory beside its bytes.
const OVERHEAD: u64 = 256;

/// What is called with the outcome.
pub(crate) type Answer = Box<dyn FnOnce(Outcome) + Send>;

/// The queue, and the thread if it was started.
#[derive(Debug, Default)]
pub(crate) struct Committer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is work, or it is over.
    work: Condvar,
    /// Something was answered, or it is over.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Later>,
    in_flight: u64,
    stop: bool,
    thread: Option<JoinHandle<()>>,
    id: Option<ThreadId>,
}

/// A write that somebody is told of.
struct Later {
    job: Job,
    answer: Answer,
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").field("job", &self.job).finish_non_exhaustive()
    }
}

impl Later {
    fn in_flight(&self) -> u64 {
        self.job.cost() + OVERHEAD
    }
}

impl Committer {
    /// Queues a write, when there is room unless `at_once`.
    fn push(&self, store: &Arc<Store>, later: Later, at_once: bool) -> Result<()> {
        let bytes = later.in_flight();
        let mut state = self.shared.state.lock();
        let waits = !at_once && state.id != Some(std::thread::current().id());
        while waits && !state.stop && state.in_flight > 0 && state.in_flight + bytes > MAX_IN_FLIGHT {
            state = self.shared.room.wait(state);
        }
        if state.stop {
            return Err(Error::Closed);
        }
        if state.id.is_none() {
            let (store, shared) = (Arc::downgrade(store), Arc::clone(&self.shared));
            let run = move || run(&store, &shared);
            let thread = std::thread::Builder::new().name("bitcask-commit".into()).spawn(run).map_err(|e| {
                Error::Unsupported { what: format!("the thread that commits for others did not start: {e}") }
            })?;
            state.id = Some(thread.thread().id());
            state.thread = Some(thread);
        }
        state.in_flight += bytes;
        state.queue.push_back(later);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Whether this is the thread that answers.
    pub(crate) fn is_own_thread(&self) -> bool {
        self.shared.state.lock().id == Some(std::thread::current().id())
    }

    /// Ends the thread and waits for it, and with it for the last answer. In that thread itself: when it comes back to its queue.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut state = self.shared.state.lock();
            state.stop = true;
            self.shared.work.notify_all();
            self.shared.room.notify_all();
            let is_own = state.id == Some(std::thread::current().id());
            state.thread.take().filter(|_| !is_own)
        };
        if let Some(thread) = thread {
            // It catches what panics.
            let _ = thread.join();
        }
    }

    /// Lets go of a thread that a fork left behind in the parent, with what it was to answer.
    pub(crate) fn forget(&self) {
        std::mem::forget(Arc::clone(&self.shared));
    }
}

impl Shared {
    /// The next group; `None` when it is over.
    fn next(&self) -> Option<Vec<Later>> {
        let mut state = self.state.lock();
        while state.queue.is_empty() && !state.stop {
            state = self.work.wait(state);
        }
        if state.stop {
            let left = std::mem::take(&mut state.queue);
            drop(state);
            answer(left.into_iter().map(|later| (later.answer, Err(Error::Closed))));
            return None;
        }
        let (mut group, mut cost) = (Vec::new(), 0);
        while let Some(later) = state.queue.front() {
            cost += later.job.cost();
            if !group.is_empty() && (group.len() >= MAX_GROUP || cost > MAX_GROUP_BYTES) {
                break;
            }
            group.extend(state.queue.pop_front());
        }
        Some(group)
    }

    fn answered(&self, bytes: u64) {
        self.state.lock().in_flight -= bytes;
        self.room.notify_all();
    }
}

fn run(store: &Weak<Store>, shared: &Shared) {
    while let Some(group) = shared.next() {
        let bytes = group.iter().map(Later::in_flight).sum();
        let (jobs, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|later| (later.job, later.answer)).unzip();
        // Held until all are answered, so that the store doesn't end in between.
        let store = store.upgrade();
        let outcomes = match &store {
            Some(store) => catch_unwind(AssertUnwindSafe(|| store.submit_all(jobs))).unwrap_or_default(),
            None => vec![Err(Error::Closed); answers.len()],
        };
        let panicked = || Err(Error::Internal { what: "a write panicked".into() });
        let outcomes = outcomes.into_iter().chain(std::iter::repeat_with(panicked));
        answer(answers.into_iter().zip(outcomes));
        shared.answered(bytes);
    }
}

fn answer(answers: impl Iterator<Item = (Answer, Outcome)>) {
    for (answer, outcome) in answers {
        // The caller's bug; the others are answered all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| answer(outcome)));
    }
}

impl Store {
    pub(crate) fn put_later(
        self: &Arc<Self>,
        key: &[u8],
        value: &[u8],
        sync: bool,
        ttl: Option<Duration>,
        answer: Answer,
    ) -> Result<()> {
        self.check_writable()?;
        let job = self.put_job(key, value, sync, ttl)?;
        self.committer.push(self, Later { job, answer }, false)
    }

    pub(crate) fn delete_later(self: &Arc<Self>, key: &[u8], sync: bool, answer: Answer) -> Result<()> {
        self.check_writable()?;
        let job = self.delete_job(key, sync)?;
        self.committer.push(self, Later { job, answer }, false)
    }

    pub(crate) fn commit_later(self: &Arc<Self>, pending: &Pending, sync: bool, answer: Answer) -> Result<()> {
        self.check_writable()?;
        let job = self.batch_job(pending, sync, None)?;
        self.committer.push(self, Later { job, answer }, false)
    }

    /// Has the thread sync, and tells `durable`.
    pub(super) fn sync_later(self: &Arc<Self>, seq: SeqNo) -> Result<()> {
        let durable = Arc::clone(&self.durable);
        let answer: Answer = Box::new(move |outcome: Result<Written>| durable.answer(seq, outcome.map(|_| ())));
        let job = self.job(Encoded::batch(0, 0), true);
        self.committer.push(self, Later { job, answer }, true)
    }
}
