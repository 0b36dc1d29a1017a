//! The protocols of the commit queue and of those who wait for a sync, under loom: the same files over its locks, in all
//! interleavings of few threads.

/// Loom's locks with the interface of ours. There is no time in a model: who waits with a limit is woken or deadlocks.
mod lock {
    use std::time::Duration;

    pub(super) use loom::sync::MutexGuard;

    #[derive(Debug)]
    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Mutex<T> {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }

    #[derive(Debug)]
    pub(super) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(super) fn new() -> Condvar {
            Condvar(loom::sync::Condvar::new())
        }

        pub(super) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).unwrap()
        }

        pub(super) fn wait_timeout_while<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            _timeout: Duration,
            mut condition: impl FnMut(&mut T) -> bool,
        ) -> MutexGuard<'a, T> {
            while condition(&mut guard) {
                guard = self.wait(guard);
            }
            guard
        }

        pub(super) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(super) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

#[allow(clippy::duplicate_mod)] // On purpose: over other locks.
#[path = "durable.rs"]
mod durable;
#[allow(clippy::duplicate_mod)]
#[path = "queue.rs"]
mod queue;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use loom::thread;

use crate::error::{Error, Result};
use crate::types::SeqNo;
use durable::Durable;
use queue::{CommitQueue, Limits};

fn model(bound: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.check(run);
}

/// Three callers, with groups of so many jobs: each is answered with its own, one group works at a time, and the queue is
/// idle in the end.
fn queue_of(limits: Limits) {
    model(3, move || {
        let queue = Arc::new(CommitQueue::<u64, u64>::new(limits));
        let working = Arc::new(AtomicBool::new(false));
        let submit = |queue: &CommitQueue<u64, u64>, working: &AtomicBool, jobs: Vec<u64>| {
            // As the store does with one commit.
            if jobs.len() == 1
                && let Some(_turn) = queue.try_lead()
            {
                assert!(!working.swap(true, SeqCst), "two leaders at once");
                working.store(false, SeqCst);
                return;
            }
            let expected: Vec<_> = jobs.iter().map(|job| job + 1).collect();
            let answers = queue.submit(jobs, 1, |jobs| {
                assert!(!working.swap(true, SeqCst), "two leaders at once");
                working.store(false, SeqCst);
                jobs.into_iter().map(|job| job + 1).collect()
            });
            assert_eq!(answers, Some(expected));
        };
        let threads = [vec![10], vec![20, 21]].map(|jobs| {
            let (queue, working) = (Arc::clone(&queue), Arc::clone(&working));
            thread::spawn(move || submit(&queue, &working, jobs))
        });
        // Of two calls of one caller the second may come in while the leader of the first answers others.
        submit(&queue, &working, vec![30]);
        submit(&queue, &working, vec![40, 41]);
        for thread in threads {
            thread.join().unwrap();
        }
        submit(&queue, &working, vec![50]);
        assert_eq!(queue.waiting(), 0);
    });
}

#[test]
fn the_queue_answers_each_caller_in_every_interleaving() {
    queue_of(Limits { jobs: 8, cost: 100, small: 100 });
    queue_of(Limits { jobs: 1, cost: 0, small: 0 });
}

/// A log of numbers and nothing else.
struct Log {
    appended: AtomicU64,
    syncing: AtomicBool,
    syncs: AtomicU64,
    fails: bool,
}

impl Log {
    fn new(fails: bool) -> Log {
        Log { appended: AtomicU64::new(0), syncing: AtomicBool::new(false), syncs: AtomicU64::new(0), fails }
    }

    fn append(&self) -> SeqNo {
        SeqNo(self.appended.fetch_add(1, SeqCst) + 1)
    }

    fn sync(&self) -> Result<SeqNo> {
        let covered = self.appended.load(SeqCst);
        self.syncs.fetch_add(1, SeqCst);
        if self.fails { Err(Error::Closed) } else { Ok(SeqNo(covered)) }
    }
}

#[test]
fn waiters_share_syncs_and_none_is_left_behind() {
    model(3, || {
        let (log, durable) = (Arc::new(Log::new(false)), Arc::new(Durable::new(SeqNo::ZERO)));
        let write = |log: &Log, durable: &Durable| {
            let seq = log.append();
            durable
                .wait(seq, || {
                    assert!(!log.syncing.swap(true, SeqCst), "two of them sync at once");
                    let outcome = log.sync();
                    log.syncing.store(false, SeqCst);
                    outcome
                })
                .unwrap();
            assert!(durable.covered() >= seq);
        };
        let threads = [(); 2].map(|()| {
            let (log, durable) = (Arc::clone(&log), Arc::clone(&durable));
            thread::spawn(move || write(&log, &durable))
        });
        write(&log, &durable);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(log.syncs.load(SeqCst) <= 3, "each syncs once at most");
    });
}

#[test]
fn a_failed_sync_is_told_to_every_waiter() {
    model(3, || {
        let (log, durable) = (Arc::new(Log::new(true)), Arc::new(Durable::new(SeqNo::ZERO)));
        let write = |log: &Log, durable: &Durable| {
            let seq = log.append();
            assert!(durable.wait(seq, || log.sync()).is_err());
        };
        let threads = [(); 2].map(|()| {
            let (log, durable) = (Arc::clone(&log), Arc::clone(&durable));
            thread::spawn(move || write(&log, &durable))
        });
        write(&log, &durable);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Who waits with a limit is woken by the sync that it asked for, or by one that covers it anyway, without its time running out: a model
/// has no time, so that a lost wake-up is a deadlock.
fn asked(fails: bool) {
    model(2, move || {
        let (log, durable) = (Arc::new(Log::new(fails)), Arc::new(Durable::new(SeqNo::ZERO)));
        let write = move |log: &Arc<Log>, durable: &Arc<Durable>| {
            let seq = log.append();
            let mut worker = None;
            let outcome = durable.wait_at_most(seq, std::time::Duration::ZERO, |seq| {
                let (log, durable) = (Arc::clone(log), Arc::clone(durable));
                worker = Some(thread::spawn(move || {
                    let outcome = log.sync().map(|covered| durable.advance(covered));
                    durable.answer(seq, outcome);
                }));
                Ok(())
            });
            assert_eq!(outcome.is_err(), fails, "{outcome:?}");
            assert!(fails || outcome.is_ok_and(|covered| covered));
            if let Some(worker) = worker {
                worker.join().unwrap();
            }
        };
        let other = {
            let (log, durable) = (Arc::clone(&log), Arc::clone(&durable));
            thread::spawn(move || write(&log, &durable))
        };
        write(&log, &durable);
        other.join().unwrap();
    });
}

#[test]
fn who_waits_with_a_limit_is_woken() {
    asked(false);
    asked(true);
}
