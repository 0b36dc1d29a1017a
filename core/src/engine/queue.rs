//! Group commit: concurrent callers hand in jobs, one of them does the work of all that wait.
//!
//! Owns who works and who waits, and nothing else: it knows neither bytes nor files. A job has a cost in units of the
//! caller's choosing, by which groups are bounded. The idea is LevelDB's writer queue, with its rule for small leaders.
//!
//! Protocol, held by the one mutex:
//! 1. A caller that finds no leader becomes the leader and works on its own jobs at once; it never waits for company.
//! 2. A caller that finds a leader queues its jobs and waits.
//! 3. A leader that is done takes no second turn (its caller wants to go on): it makes the first waiter the leader, which takes
//!    its own jobs and those behind it, up to the limits, in order. A leader with little to do takes little more, so that it does
//!    not wait for what takes long. It answers before it passes the lead on, so that those whom it wakes come back in time for the next group; but
//!    if at least as many wait already as it has served, they go on while it answers. Always passing the lead on first would have the callers fall into two
//!    halves, each of which waits for the other's sync.
//! 4. Each job is answered exactly once, also when the work panics: waiters get `None` then.
//!
//! Jobs are worked on in the order in which they came in; between two groups nobody else works. What one caller hands in at once stays
//! together. A model of all interleavings is in `model_tests.rs`, which compiles this file over other locks.

use std::collections::VecDeque;
use std::sync::Arc;

use super::lock::{Condvar, Mutex};

/// How much a group may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most jobs, unless the leader itself brings more.
    pub(crate) jobs: usize,
    /// Most cost after the leader's.
    pub(crate) cost: u64,
    /// A leader that costs no more than this takes no more than this of others.
    pub(crate) small: u64,
}

/// The queue. `J` is a job, `R` its answer.
#[derive(Debug)]
pub(crate) struct CommitQueue<J, R> {
    state: Mutex<State<J, R>>,
    limits: Limits,
}

#[derive(Debug)]
struct State<J, R> {
    has_leader: bool,
    waiting: VecDeque<Entry<J, R>>,
}

/// What one caller handed in.
#[derive(Debug)]
struct Entry<J, R> {
    jobs: Vec<J>,
    cost: u64,
    waiter: Arc<Waiter<R>>,
}

#[derive(Debug)]
struct Waiter<R> {
    turn: Mutex<Turn<R>>,
    changed: Condvar,
}

/// Those of a group, with the number of their jobs.
type Waiters<R> = VecDeque<(usize, Arc<Waiter<R>>)>;

#[derive(Debug)]
enum Turn<R> {
    Wait,
    Lead,
    Done(Option<Vec<R>>),
}

impl<R> Waiter<R> {
    fn new() -> Arc<Waiter<R>> {
        Arc::new(Waiter { turn: Mutex::new(Turn::Wait), changed: Condvar::new() })
    }

    fn set(&self, turn: Turn<R>) {
        *self.turn.lock() = turn;
        self.changed.notify_one();
    }

    /// Waits for answers; `None` means: lead.
    fn wait(&self) -> Option<Option<Vec<R>>> {
        let mut turn = self.turn.lock();
        loop {
            match std::mem::replace(&mut *turn, Turn::Wait) {
                Turn::Wait => turn = self.changed.wait(turn),
                Turn::Lead => return None,
                Turn::Done(answers) => return Some(answers),
            }
        }
    }
}

impl<J, R> CommitQueue<J, R> {
    pub(crate) fn new(limits: Limits) -> CommitQueue<J, R> {
        CommitQueue { state: Mutex::new(State { has_leader: false, waiting: VecDeque::new() }), limits }
    }

    /// Has jobs done, by this thread or another, and gives their answers in order. `work` gets a group of jobs in order and answers
    /// them in that order. Gives `None` if the work panicked in another thread.
    pub(crate) fn submit(&self, jobs: Vec<J>, cost: u64, work: impl FnOnce(Vec<J>) -> Vec<R>) -> Option<Vec<R>> {
        let mut state = self.state.lock();
        if !state.has_leader {
            state.has_leader = true;
            drop(state);
            let _end = EndOfTurn { queue: self };
            return Some(work(jobs));
        }
        let me = Waiter::new();
        state.waiting.push_back(Entry { jobs, cost, waiter: Arc::clone(&me) });
        drop(state);
        if let Some(answers) = me.wait() {
            return answers;
        }
        // This thread leads now; its own jobs are the first of the queue.
        let mut followers = Followers { waiters: VecDeque::new() };
        let mut end = Some(EndOfTurn { queue: self });
        let (jobs, waiters) = self.take_group();
        followers.waiters = waiters;
        let served = followers.waiters.len();
        let mine = followers.waiters.pop_front().map_or(0, |(count, _)| count);
        let mut answers = work(jobs).into_iter();
        if self.state.lock().waiting.len() >= served {
            end = None;
        }
        let mine = answers.by_ref().take(mine).collect();
        while let Some((count, waiter)) = followers.waiters.pop_front() {
            let theirs: Vec<R> = answers.by_ref().take(count).collect();
            waiter.set(Turn::Done((theirs.len() == count).then_some(theirs)));
        }
        drop(end);
        Some(mine)
    }

    /// Has the caller lead, if nobody does: it works, in order with all jobs, until it drops what it gets here, and hands in nothing meanwhile.
    /// For work that needs none of what jobs of several callers need.
    pub(crate) fn try_lead(&self) -> Option<EndOfTurn<'_, J, R>> {
        let mut state = self.state.lock();
        if state.has_leader {
            return None;
        }
        state.has_leader = true;
        Some(EndOfTurn { queue: self })
    }

    /// Callers that wait behind the leader.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Takes the jobs of the first waiter and of those that go with it.
    fn take_group(&self) -> (Vec<J>, Waiters<R>) {
        let mut state = self.state.lock();
        let (mut jobs, mut waiters) = (Vec::new(), VecDeque::new());
        let mut left = None;
        while let Some(entry) = state.waiting.front() {
            left = match left {
                None if entry.cost <= self.limits.small => Some(self.limits.small),
                None => Some(self.limits.cost),
                Some(_) if jobs.len() + entry.jobs.len() > self.limits.jobs => break,
                Some(left) if entry.cost > left => break,
                Some(left) => Some(left - entry.cost),
            };
            if let Some(mut entry) = state.waiting.pop_front() {
                waiters.push_back((entry.jobs.len(), entry.waiter));
                jobs.append(&mut entry.jobs);
            }
        }
        (jobs, waiters)
    }
}

/// Passes the lead on when a turn ends, also by a panic.
#[derive(Debug)]
pub(crate) struct EndOfTurn<'a, J, R> {
    queue: &'a CommitQueue<J, R>,
}

impl<J, R> Drop for EndOfTurn<'_, J, R> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        match state.waiting.front() {
            // Told under the lock, so that the new leader finds its jobs in front.
            Some(next) => next.waiter.set(Turn::Lead),
            None => state.has_leader = false,
        }
    }
}

/// Followers of a turn that have no answer yet; they get `None` if the turn ends without one.
struct Followers<R> {
    waiters: Waiters<R>,
}

impl<R> Drop for Followers<R> {
    fn drop(&mut self) {
        for (_, waiter) in self.waiters.drain(..) {
            waiter.set(Turn::Done(None));
        }
    }
}
