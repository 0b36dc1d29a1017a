//! Writing: callers encode, the leader of the commit queue appends, syncs and publishes.
//!
//! Order within a group: make room in the index, append, sync if anybody asked for it; then for each commit announce to history, change
//! the index, become visible; answer. A reader therefore sees only what is as durable as its writer was promised, and what failed is seen
//! by nobody. Each commit is one change of the index, which readers see whole; a snapshot is never taken in the midst of a group.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::pending::Pending;
use super::plan::{Check, Plan};
use super::store::Store;
use crate::error::{Error, Result};
use crate::index::{Change, order};
use crate::log::{Encoded, LogWriter, NewFiles};
use crate::types::{Durability, Location, MAX_VALUE_LEN, SeqNo, Written};
use crate::util::few::Few;
use crate::util::lock::MutexGuard;

/// Most writes of a batch that the index is told of before they are encoded.
const ANNOUNCED: usize = 16;
/// Keys to be deleted of which the index is asked at once: a batch may have millions.
const ASKED_TOGETHER: usize = 1024;

/// One caller's commit.
#[derive(Debug)]
pub(crate) struct Job {
    pub(super) commit: Encoded,
    pub(super) sync: bool,
    /// Most commits have none.
    pub(super) plan: Option<Box<Plan>>,
    /// Why it is not done.
    pub(super) refused: Option<Error>,
    /// Nobody asks whether the key of its single write was there.
    pub(super) is_unasked: bool,
    /// Of a single write, where its key was when its turn came, and whether that had expired. Only where anything may expire.
    pub(super) before: Option<(Location, bool)>,
}

impl Job {
    /// What it counts in its group: bytes of log.
    pub(super) fn cost(&self) -> u64 {
        self.commit.log_len()
    }

    /// Answers it with an error. It writes nothing.
    pub(super) fn refuse(&mut self, error: Error) {
        self.commit = Encoded::batch(0, 0);
        self.refused = Some(error);
    }
}

impl AsMut<Encoded> for Job {
    fn as_mut(&mut self) -> &mut Encoded {
        &mut self.commit
    }
}

/// What became of it.
pub(crate) type Outcome = Result<Written>;

impl Store {
    pub(crate) fn put(&self, key: &[u8], value: &[u8], sync: bool, ttl: Option<Duration>) -> Outcome {
        self.check_writable()?;
        self.submit(self.put_job(key, value, sync, ttl)?)
    }

    /// As [`Store::put`], for who does not ask whether the key was there.
    pub(crate) fn put_unasked(&self, key: &[u8], value: &[u8], sync: bool, ttl: Option<Duration>) -> Result<()> {
        self.check_writable()?;
        let job = self.put_job(key, value, sync, ttl)?;
        self.submit(Job { is_unasked: true, ..job }).map(|_| ())
    }

    pub(crate) fn delete(&self, key: &[u8], sync: bool) -> Outcome {
        self.check_writable()?;
        self.submit(self.delete_job(key, sync)?)
    }

    pub(crate) fn commit(&self, pending: &Pending, sync: bool) -> Outcome {
        self.check_writable()?;
        self.submit(self.batch_job(pending, sync, None)?)
    }

    /// Commits if what is to be checked holds then, and says the commit's number.
    pub(super) fn commit_checked(&self, pending: &Pending, sync: bool, check: Check) -> Result<SeqNo> {
        self.check_writable()?;
        self.submit(self.batch_job(pending, sync, Some(check))?).map(|written| written.seq)
    }

    /// Brings everything acknowledged to stable storage.
    pub(crate) fn sync(&self) -> Result<()> {
        self.check_writable()?;
        // An empty batch writes nothing; its group is synced like any other.
        self.submit(self.job(Encoded::batch(0, 0), true)).map(|_| ())
    }

    pub(super) fn check_writable(&self) -> Result<()> {
        self.check_usable()?;
        if self.config.read_only { Err(Error::ReadOnly) } else { Ok(()) }
    }

    /// What is put for no time at all is deleted.
    pub(super) fn put_job(&self, key: &[u8], value: &[u8], sync: bool, ttl: Option<Duration>) -> Result<Job> {
        let Some(expiry) = self.expiry_of(ttl, None) else { return self.delete_job(key, sync) };
        self.index.warm(key);
        Ok(self.job(Encoded::single_until(key, Some(value), expiry).ok_or_else(too_large)?, sync))
    }

    pub(super) fn delete_job(&self, key: &[u8], sync: bool) -> Result<Job> {
        self.index.warm(key);
        Ok(self.job(Encoded::single(key, None).ok_or_else(too_large)?, sync))
    }

    pub(super) fn batch_job(&self, pending: &Pending, sync: bool, check: Option<Check>) -> Result<Job> {
        // Of more, an index asks for group by group.
        if pending.len() <= ANNOUNCED {
            pending.iter().for_each(|write| self.index.warm(write.key));
        }
        let mut commit = Encoded::batch(pending.len(), pending.bytes());
        match self.deletes_by_key(pending) {
            Some(keys) => keys.into_iter().try_for_each(|key| commit.push(key, None)).ok_or_else(too_large)?,
            None => {
                for write in pending.iter() {
                    commit.push_until(write.key, write.value, write.expiry).ok_or_else(too_large)?;
                }
            }
        }
        let delete: Vec<_> = pending.hidden().iter().collect();
        let plan = (check.is_some() || !delete.is_empty()).then(|| Box::new(Plan { delete, check, still: None }));
        Ok(Job { plan, ..self.job(commit, sync) })
    }

    /// The keys of a batch that deletes many and puts none, in their order, if that is not the one that they have. What an ordered index is asked
    /// of them and told of them is side by side then, and it has nothing to sort while others wait. Puts stay as they came: records lie in the
    /// log in the order in which they may be read again.
    fn deletes_by_key<'p>(&self, pending: &'p Pending) -> Option<Vec<&'p [u8]>> {
        if !self.index.capabilities().ordered || pending.iter().any(|write| write.value.is_some()) {
            return None;
        }
        if let Some(keys) = pending.keys_in_order() {
            return Some(keys.collect());
        }
        let keys: Vec<_> = pending.iter().map(|write| write.key).collect();
        let sorted = order::by_key_of(&keys, |key| key)?;
        Some(sorted.into_iter().map(|i| keys[i as usize]).collect())
    }

    pub(super) fn job(&self, commit: Encoded, sync: bool) -> Job {
        let sync = sync || self.config.durability == Durability::Always;
        Job { commit, sync, plan: None, refused: None, is_unasked: false, before: None }
    }

    pub(super) fn submit(&self, job: Job) -> Outcome {
        // Most often nobody else writes, and one commit needs no lists.
        if let Some(_turn) = self.queue.try_lead() {
            return self.commit_one(job);
        }
        self.submit_all(vec![job]).pop().unwrap_or_else(|| Err(unanswered()))
    }

    /// Has commits made, in order and in one group, and says what became of each.
    pub(super) fn submit_all(&self, jobs: Vec<Job>) -> Vec<Outcome> {
        let (count, cost) = (jobs.len(), jobs.iter().map(Job::cost).sum());
        let answers = self.queue.submit(jobs, cost, |jobs| self.commit_group(jobs));
        answers.unwrap_or_else(|| vec![Err(unanswered()); count])
    }

    /// Does something with the log of a store that is open and stays so meanwhile.
    pub(super) fn with_open_log<R>(&self, work: impl FnOnce(&mut LogWriter) -> Result<R>) -> Result<R> {
        let log = self.log.as_ref().ok_or(Error::ReadOnly)?;
        // A child process must not wait for a lock that a thread of its parent may have held.
        self.check_usable()?;
        self.with_locked_log(log.lock(), work)
    }

    /// The same, if nobody has the log at the moment.
    pub(super) fn with_idle_log<R>(&self, work: impl FnOnce(&mut LogWriter) -> R) -> Option<R> {
        self.check_usable().ok()?;
        let log = self.log.as_ref()?.try_lock()?;
        self.with_locked_log(log, |log| Ok(work(log))).ok()
    }

    fn with_locked_log<R>(
        &self,
        log: MutexGuard<'_, LogWriter>,
        work: impl FnOnce(&mut LogWriter) -> Result<R>,
    ) -> Result<R> {
        let mut log = StopOnPanic(log);
        self.check_usable()?;
        let outcome = work(&mut log.0);
        self.durable.advance(log.0.synced_seq());
        outcome
    }

    fn commit_one(&self, mut job: Job) -> Outcome {
        let mut answer = None;
        self.commit_jobs(std::slice::from_mut(&mut job), |outcome| answer = Some(outcome));
        answer.unwrap_or_else(|| Err(unanswered()))
    }

    fn commit_group(&self, mut jobs: Vec<Job>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        self.commit_jobs(&mut jobs, |outcome| outcomes.push(outcome));
        outcomes
    }

    /// Tells what became of each job, in order.
    fn commit_jobs(&self, jobs: &mut [Job], mut answer: impl FnMut(Outcome)) {
        let Some(log) = &self.log else { return fail(&Error::ReadOnly, jobs, answer) };
        let mut log = StopOnPanic(self.merging.courtesy.first(log));
        let log = &mut *log.0;
        let synced = log.synced_seq();
        self.write_group(jobs, log, &mut answer);
        if log.synced_seq() != synced {
            self.durable.advance(log.synced_seq());
        }
    }

    fn write_group(&self, jobs: &mut [Job], log: &mut LogWriter, answer: &mut impl FnMut(Outcome)) {
        // Closed while they waited.
        let ready = self.check_usable().and_then(|()| log.check()).and_then(|()| self.settle_for_deletes(jobs));
        if ready.is_ok() {
            self.carry_out_plans(jobs);
        }
        let ready = ready.and_then(|()| self.drop_idle_deletes(jobs)).and_then(|()| self.look_before(jobs));
        if let Err(error) = ready.and_then(|()| self.reserve(jobs)) {
            return fail(&error, jobs, answer);
        }
        let mut files = NewFiles::new();
        let appended = log.append(jobs, &mut files);
        let bytes = jobs.iter().map(Job::cost).sum();
        let is_due = self.is_checkpoint_due(bytes, !files.is_empty());
        if !files.is_empty() {
            self.files.add(files);
            self.merging.background.wake();
        }
        // Before an index in a file of its own is saved here and now.
        let sync = (is_due && self.index.is_persistent()) || jobs.iter().any(|job| job.sync);
        if sync && let Err(error) = log.sync() {
            return fail(&error, jobs, answer);
        }
        self.publish(jobs, appended, log, answer);
        if !sync {
            self.count_unsynced(bytes);
        }
        if is_due {
            self.keep_index(log, false);
        }
    }

    /// Lets the index fail now rather than when the log has the commits.
    fn reserve(&self, jobs: &[Job]) -> Result<()> {
        self.index.reserve(&mut jobs.iter().flat_map(|job| job.commit.writes().map(|(key, _)| key)))
    }

    /// Whether the index is of a saved image of which not all is verified. What it has is there; that a key is not is not certain.
    fn is_unverified(&self) -> bool {
        self.index.imaged().is_some_and(|imaged| imaged.unseen_pages() > 0)
    }

    /// Has an index of which not all is verified ready for jobs that delete: wholly for ranges, which ask it what there is, and as far as it takes
    /// moments for keys.
    fn settle_for_deletes(&self, jobs: &[Job]) -> Result<()> {
        let by_range = |job: &Job| job.plan.as_ref().is_some_and(|plan| !plan.delete.is_empty());
        let (any_range, any_key) = (jobs.iter().any(by_range), jobs.iter().any(|job| job.commit.has_deletes()));
        if !(any_range || any_key) || !self.is_unverified() {
            return Ok(());
        }
        if any_range { self.index.ready() } else { self.reserve(jobs) }
    }

    /// Takes deletes of keys that are not there out of the commits.
    ///
    /// A delete stays if the group puts its key before: that put may fail or succeed, and the delete must hold either way. It
    /// stays too if damage may hide the key, or an index of which not all is verified: what is restored one day must not come back.
    fn drop_idle_deletes(&self, jobs: &mut [Job]) -> Result<()> {
        if !jobs.iter().any(|job| job.commit.has_deletes()) || self.has_damage() || self.is_unverified() {
            return Ok(());
        }
        let mut put: HashSet<Box<[u8]>> = HashSet::new();
        let track = jobs.len() > 1;
        for job in jobs {
            let mut keep: Vec<bool> = job.commit.writes().map(|(key, is_put)| is_put || put.contains(key)).collect();
            self.keep_what_is_there(&job.commit, &mut keep)?;
            if track {
                put.extend(job.commit.writes().filter(|(_, is_put)| *is_put).map(|(key, _)| key.into()));
            }
            if keep.contains(&false) {
                job.commit.retain(&keep);
            }
        }
        Ok(())
    }

    /// Sets those of `keep` that are false where the key of that write is in the index.
    fn keep_what_is_there(&self, commit: &Encoded, keep: &mut [bool]) -> Result<()> {
        let mut unknown = commit.writes().zip(keep).filter(|(_, keep)| !**keep);
        loop {
            // Looked up together, so that the index's cache misses overlap.
            let (keys, answers): (Vec<_>, Vec<_>) =
                unknown.by_ref().take(ASKED_TOGETHER).map(|((key, _), keep)| (key, keep)).unzip();
            if keys.is_empty() {
                return Ok(());
            }
            let mut found = vec![None; keys.len()];
            self.index.get_many(&keys, &mut found)?;
            answers.into_iter().zip(found).for_each(|(keep, found)| *keep = found.is_some());
        }
    }

    /// Puts what was appended into the index and makes it visible, commit by commit: readers see each whole or not at all.
    ///
    /// A commit that can't be put into the index stops the writer, because index and log would tell different stories; a reopen makes
    /// them one. Those before it are done, and are answered so.
    fn publish(
        &self,
        jobs: &[Job],
        appended: Few<Result<SeqNo>>,
        log: &mut LogWriter,
        answer: &mut impl FnMut(Outcome),
    ) {
        let _gate = self.gate.write();
        // A transaction that is alone here ends with this commit, or nothing was written: nobody else's snapshot is its own.
        let alone = jobs.len() == 1 && jobs[0].plan.as_ref().is_some_and(|plan| plan.holds_snapshot());
        let is_needed = self.history.is_needed_beside(usize::from(alone));
        let mut changes = Vec::new();
        let mut stopped = None;
        for job in jobs {
            self.expiry.comes(job.commit.first_expiry(), job.commit.written_at());
        }
        for (job, appended) in jobs.iter().zip(appended) {
            answer(match (job.refused.as_ref().or(stopped.as_ref()), appended) {
                (Some(error), _) => Err(error.clone()),
                (None, Err(error)) => Err(error),
                (None, Ok(seq)) => {
                    let applied = self.apply(&job.commit, seq, is_needed, &mut changes);
                    let written = |old| Written { seq, existed: !job.commit.is_batch() && self.existed(job, old) };
                    applied.map(written).map_err(|error| stopped.insert(log.stop(error)).clone())
                }
            });
        }
    }

    /// Puts one commit into the index and makes it visible. Says where its first key was before.
    ///
    /// REQUIRES: the gate is held for writing. `changes` is empty, and is again afterwards: its memory is used.
    fn apply<'a>(
        &self,
        commit: &'a Encoded,
        seq: SeqNo,
        announce: bool,
        changes: &mut Vec<Change<'a>>,
    ) -> Result<Option<Location>> {
        if commit.count() == 0 {
            return Ok(None);
        }
        if announce {
            for (key, _) in commit.changes() {
                self.history.announce(seq, key, self.index.get(key)?);
            }
        }
        // Most commits are one write, which needs no memory for this.
        let mut one = [Change { key: &[], new: None, old: None }];
        let as_changes = commit.changes().map(|(key, new)| Change { key, new, old: None });
        let made: &mut [Change<'a>] = if commit.count() == 1 {
            one.iter_mut().zip(as_changes).for_each(|(change, made)| *change = made);
            &mut one
        } else {
            changes.extend(as_changes);
            changes
        };
        let applied = self.index.apply(made);
        let old = made.first().and_then(|change| change.old);
        if applied.is_ok() {
            self.accounts.with(|ledger| {
                for (change, (location, len, is_put, expiry)) in made.iter().zip(commit.records()) {
                    let Some(location) = location else { continue };
                    let account = ledger.of(location.file());
                    if is_put {
                        account.put(location, len, seq, expiry)
                    } else {
                        account.delete(len, seq)
                    }
                    ledger.moved(change.old, change.new);
                }
            });
            // Outside of the accounts' lock: it may start a thread.
            let died = made.iter().filter_map(|change| change.old).map(Location::len_bound).sum();
            self.merging.background.killed(died);
        }
        changes.clear();
        applied?;
        self.visible.store(seq.0, Ordering::Release);
        Ok(old)
    }
}

/// A writer that a panic leaves in the midst of something takes no more writes: log and index may disagree.
struct StopOnPanic<'a>(MutexGuard<'a, LogWriter>);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let what = "a writing thread panicked";
            let _ = self.0.stop(Error::Internal { what: what.into() });
        }
    }
}

fn fail(error: &Error, jobs: &[Job], mut answer: impl FnMut(Outcome)) {
    jobs.iter().for_each(|_| answer(Err(error.clone())));
}

/// Only a bug leaves a job without an answer: the leader panicked.
fn unanswered() -> Error {
    Error::Internal { what: "another thread panicked in the midst of a write".into() }
}

pub(super) fn too_large() -> Error {
    // The facade checks both lengths; this is what remains on machines with small address spaces.
    Error::ValueTooLarge { len: MAX_VALUE_LEN }
}
