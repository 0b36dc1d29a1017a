//! Group commit: concurrent callers hand in jobs, one of them does the work of all that wait.
//!
//! Owns who works and who waits, and nothing else: it knows neither bytes nor files. A job has a cost in units of the
//! caller's choosing, by which groups are bounded. The idea is LevelDB's writer queue.
//!
//! Protocol, held by the one mutex:
//! 1. A caller that finds no leader becomes the leader and works on its own job at once; it never waits for company.
//! 2. A caller that finds a leader queues its job and waits.
//! 3. A leader that is done takes no second turn (its caller wants to go on): it makes the first waiter the leader, which takes
//!    its own job and those behind it, up to the limits, in order.
//! 4. Each job is answered exactly once, also when the work panics: waiters get `None` then.
//!
//! Jobs are worked on in the order in which they came in; between two groups nobody else works.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// The queue. `J` is a job, `R` its answer.
#[derive(Debug)]
pub(crate) struct CommitQueue<J, R> {
    state: Mutex<State<J, R>>,
    max_jobs: usize,
    max_cost: u64,
}

#[derive(Debug)]
struct State<J, R> {
    has_leader: bool,
    waiting: VecDeque<(J, u64, Arc<Waiter<R>>)>,
}

#[derive(Debug)]
struct Waiter<R> {
    turn: Mutex<Turn<R>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Turn<R> {
    Wait,
    Lead,
    Done(Option<R>),
}

impl<R> Waiter<R> {
    fn new() -> Arc<Waiter<R>> {
        Arc::new(Waiter { turn: Mutex::new(Turn::Wait), changed: Condvar::new() })
    }

    fn set(&self, turn: Turn<R>) {
        *self.turn.lock() = turn;
        self.changed.notify_one();
    }

    /// Waits for an answer; `None` means: lead.
    fn wait(&self) -> Option<Option<R>> {
        let mut turn = self.turn.lock();
        loop {
            match std::mem::replace(&mut *turn, Turn::Wait) {
                Turn::Wait => self.changed.wait(&mut turn),
                Turn::Lead => return None,
                Turn::Done(answer) => return Some(answer),
            }
        }
    }
}

impl<J, R> CommitQueue<J, R> {
    /// A queue whose groups have at most `max_jobs` jobs and, after the first, at most `max_cost` together.
    pub(crate) fn new(max_jobs: usize, max_cost: u64) -> CommitQueue<J, R> {
        CommitQueue {
            state: Mutex::new(State { has_leader: false, waiting: VecDeque::new() }),
            max_jobs: max_jobs.max(1),
            max_cost,
        }
    }

    /// Has a job done, by this thread or another, and gives its answer. `work` gets a group of jobs in order and answers them in
    /// that order. Gives `None` if the work panicked in another thread.
    pub(crate) fn submit(&self, job: J, cost: u64, work: impl FnOnce(Vec<J>) -> Vec<R>) -> Option<R> {
        let mut state = self.state.lock();
        if !state.has_leader {
            state.has_leader = true;
            drop(state);
            let _end = EndOfTurn { queue: self };
            return work(vec![job]).pop();
        }
        let me = Waiter::new();
        state.waiting.push_back((job, cost, Arc::clone(&me)));
        drop(state);
        if let Some(answer) = me.wait() {
            return answer;
        }
        // This thread leads now; its own job is the first of the queue.
        let _end = EndOfTurn { queue: self };
        let (jobs, mut waiters) = self.take_group();
        let mut followers = Answers { waiters: waiters.split_off(waiters.len().min(1)).into() };
        let mut answers = work(jobs).into_iter();
        let mine = answers.next();
        for answer in answers {
            if let Some(waiter) = followers.waiters.pop_front() {
                waiter.set(Turn::Done(Some(answer)));
            }
        }
        mine
    }

    fn take_group(&self) -> (Vec<J>, Vec<Arc<Waiter<R>>>) {
        let mut state = self.state.lock();
        let (mut jobs, mut waiters, mut total) = (Vec::new(), Vec::new(), 0u64);
        while let Some(&(_, cost, _)) = state.waiting.front() {
            total = total.saturating_add(cost);
            if !jobs.is_empty() && (jobs.len() >= self.max_jobs || total > self.max_cost) {
                break;
            }
            if let Some((job, _, waiter)) = state.waiting.pop_front() {
                jobs.push(job);
                waiters.push(waiter);
            }
        }
        (jobs, waiters)
    }
}

/// Passes the lead on when a turn ends, also by a panic.
struct EndOfTurn<'a, J, R> {
    queue: &'a CommitQueue<J, R>,
}

impl<J, R> Drop for EndOfTurn<'_, J, R> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        match state.waiting.front() {
            // Told under the lock, so that the new leader finds its job in front.
            Some((_, _, next)) => next.set(Turn::Lead),
            None => state.has_leader = false,
        }
    }
}

/// Followers of a turn that have no answer yet; they get `None` if the turn ends without one.
struct Answers<R> {
    waiters: VecDeque<Arc<Waiter<R>>>,
}

impl<R> Drop for Answers<R> {
    fn drop(&mut self) {
        for waiter in self.waiters.drain(..) {
            waiter.set(Turn::Done(None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_job_is_answered_once_in_groups_within_the_limits() {
        let queue = CommitQueue::<usize, usize>::new(5, 12);
        let (working, groups) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let order = Mutex::new(vec![Vec::new(); 8]);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (queue, working, groups, order) = (&queue, &working, &groups, &order);
                scope.spawn(move || {
                    for i in 0..500 {
                        let answer = queue.submit(thread * 1000 + i, 3, |jobs| {
                            assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0, "two leaders at once");
                            assert!(jobs.len() <= 4, "a group of {} breaks the cost limit", jobs.len());
                            groups.fetch_add(1, Ordering::SeqCst);
                            std::thread::yield_now();
                            for job in &jobs {
                                order.lock()[job / 1000].push(job % 1000);
                            }
                            working.fetch_sub(1, Ordering::SeqCst);
                            jobs.into_iter().map(|job| job + 1).collect()
                        });
                        assert_eq!(answer, Some(thread * 1000 + i + 1));
                    }
                });
            }
        });
        assert!(groups.load(Ordering::SeqCst) <= 4000);
        for jobs in order.into_inner() {
            assert_eq!(jobs, (0..500).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panicking_leader_leaves_the_queue_usable() {
        let queue = CommitQueue::<u32, u32>::new(10, 10);
        std::thread::scope(|scope| {
            for i in 0..40 {
                let queue = &queue;
                scope.spawn(move || {
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        queue.submit(i, 1, |jobs| {
                            std::thread::yield_now();
                            assert!(!jobs.contains(&7), "on purpose");
                            jobs
                        })
                    }));
                    if let Ok(Some(answer)) = outcome {
                        assert_eq!(answer, i);
                    }
                });
            }
        });
        assert_eq!(queue.submit(1, 1, |jobs| jobs), Some(1));
    }
}
