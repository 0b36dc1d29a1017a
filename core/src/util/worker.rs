//! A thread that does jobs for others, one after the other, in the order in which it was given them.
//!
//! It is started by the first job and ends when it is told to, behind the last. Where there is no thread, because the system gives none or it was stopped, a
//! job is done by who brings it, so that each is done once, whatever happens. A job that panics is over; the next one follows.
//!
//! There are two kinds without a thread, for runs that are to be the same each time: one does each job at once, the other when the next one comes, or somebody waits.
//!
//! Locking: the one lock is taken for moments, under any other, and nothing is taken under it. No job runs under it.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::lock::{Condvar, Mutex, MutexGuard};

type Job = Box<dyn FnOnce() + Send>;

/// The thread, if it was started, and what it has to do. Dropping it leaves the thread alone.
#[derive(Debug)]
pub(crate) struct Worker {
    name: &'static str,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    thread: Thread,
    /// Jobs that were queued, and those of them that are over.
    queued: u64,
    over: u64,
    /// It ends when the queue is empty.
    stop: bool,
}

#[derive(Default)]
enum Thread {
    #[default]
    No,
    Runs(Option<JoinHandle<()>>),
    /// There is to be none: a job waits until the next one comes.
    Late,
    /// There is none: who brings a job does it.
    Gone,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("queued", &self.queued).field("over", &self.over).finish_non_exhaustive()
    }
}

impl Worker {
    /// `name` is the thread's.
    pub(crate) fn new(name: &'static str) -> Worker {
        Worker { name, shared: Arc::default() }
    }

    /// One that does each job at once.
    pub(crate) fn at_once() -> Worker {
        Worker::without(Thread::Gone)
    }

    /// One that does a job when the next one comes, or somebody waits for it.
    pub(crate) fn late() -> Worker {
        Worker::without(Thread::Late)
    }

    fn without(thread: Thread) -> Worker {
        let state = Mutex::new(State { thread, ..State::default() });
        Worker { name: "", shared: Arc::new(Shared { state, changed: Condvar::new() }) }
    }

    /// Has a job done behind those that were given before.
    pub(crate) fn give(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.state.lock();
        if matches!(state.thread, Thread::Late) {
            state = self.shared.do_queued(state);
        }
        if matches!(state.thread, Thread::No) {
            let shared = Arc::clone(&self.shared);
            let spawned = match state.stop {
                false => std::thread::Builder::new().name(self.name.into()).spawn(move || run(&shared)).ok(),
                true => None,
            };
            // One that the system did not give is not asked for again: who writes would ask each time.
            state.thread = spawned.map_or(Thread::Gone, |thread| Thread::Runs(Some(thread)));
        }
        if matches!(state.thread, Thread::Gone) {
            drop(state);
            return run_one(job);
        }
        state.queue.push_back(Box::new(job));
        state.queued += 1;
        self.shared.changed.notify_all();
    }

    /// Waits until all that was given before is done.
    pub(crate) fn wait(&self) {
        let mut state = self.shared.state.lock();
        if matches!(state.thread, Thread::Late) {
            state = self.shared.do_queued(state);
        }
        let wanted = state.queued;
        while state.over < wanted {
            state = self.shared.changed.wait(state);
        }
    }

    /// Waits until all that was given is done, and ends the thread.
    pub(crate) fn stop(&self) {
        let mut state = self.shared.state.lock();
        state.stop = true;
        if matches!(state.thread, Thread::Late) {
            state = self.shared.do_queued(state);
            state.thread = Thread::Gone;
        }
        let thread = if let Thread::Runs(thread) = &mut state.thread { thread.take() } else { None };
        self.shared.changed.notify_all();
        drop(state);
        if let Some(thread) = thread {
            // It catches what panics.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Does all that there is to do. No job runs under the lock.
    fn do_queued<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while let Some(job) = state.queue.pop_front() {
            drop(state);
            run_one(job);
            state = self.state.lock();
            state.over += 1;
            self.changed.notify_all();
        }
        state
    }
}

/// What a job leaves undone by a panic shows where somebody needs it.
fn run_one(job: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(job));
}

fn run(shared: &Shared) {
    let mut state = shared.state.lock();
    loop {
        state = shared.do_queued(state);
        if state.stop {
            state.thread = Thread::Gone;
            return;
        }
        state = shared.changed.wait(state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn jobs_are_done_in_order_and_all_before_the_end() {
        let (worker, done) = (Worker::new("test"), Arc::new(Mutex::new(Vec::new())));
        worker.wait();
        let here = std::thread::current().id();
        for n in 0..100 {
            let done = Arc::clone(&done);
            worker.give(move || {
                assert!(n != 50, "a job that panics");
                done.lock().push((n, std::thread::current().id() == here));
            });
        }
        worker.wait();
        let wanted: Vec<_> = (0..100).filter(|n| *n != 50).map(|n| (n, false)).collect();
        assert_eq!(*done.lock(), wanted);
        let later = Arc::clone(&done);
        worker.give(move || later.lock().push((100, false)));
        worker.stop();
        assert_eq!(done.lock().len(), 100);
        // Who comes too late does it himself.
        let later = Arc::clone(&done);
        worker.give(move || later.lock().push((101, std::thread::current().id() == here)));
        assert_eq!(done.lock().last(), Some(&(101, true)));
        worker.stop();
        worker.wait();
    }

    #[test]
    fn one_without_a_thread_is_late_by_one_job() {
        let (worker, done) = (Worker::late(), Arc::new(Mutex::new(Vec::new())));
        let give = |n| {
            let done = Arc::clone(&done);
            worker.give(move || {
                assert!(n != 1, "a job that panics");
                done.lock().push(n);
            });
        };
        give(0);
        assert!(done.lock().is_empty());
        give(1);
        assert_eq!(*done.lock(), [0]);
        give(2);
        worker.wait();
        assert_eq!(*done.lock(), [0, 2]);
        give(3);
        worker.stop();
        assert_eq!(*done.lock(), [0, 2, 3]);
        give(4);
        assert_eq!(*done.lock(), [0, 2, 3, 4]);
        let (at_once, later) = (Worker::at_once(), Arc::clone(&done));
        at_once.give(move || later.lock().push(5));
        assert_eq!(done.lock().last(), Some(&5));
    }

    #[test]
    fn one_that_was_never_started_ends_at_once() {
        let (worker, done) = (Worker::new("test"), Arc::new(AtomicU32::new(0)));
        worker.stop();
        let later = Arc::clone(&done);
        worker.give(move || {
            later.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.load(Ordering::Relaxed), 1);
    }
}
