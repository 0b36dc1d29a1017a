//! Writing: callers encode, the leader of the commit queue appends, syncs and publishes.
//!
//! Order within a group: append, sync if anybody asked for it, announce to history, change the index, become visible,
//! answer. A reader therefore sees only what is as durable as its writer was promised, and a failed group is seen by nobody.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::index::Change;
use crate::log::{Encoded, NewFiles};
use crate::types::{Durability, Location, MAX_VALUE_LEN, SeqNo};

use super::pending::Pending;
use super::store::Store;

/// One caller's commit.
#[derive(Debug)]
pub(crate) struct Job {
    commit: Encoded,
    sync: bool,
}

impl AsMut<Encoded> for Job {
    fn as_mut(&mut self) -> &mut Encoded {
        &mut self.commit
    }
}

/// What became of it: whether the key of a single delete was there.
pub(crate) type Outcome = Result<bool>;

impl Store {
    pub(crate) fn put(&self, key: &[u8], value: &[u8], sync: bool) -> Result<()> {
        self.check_writable()?;
        let commit = Encoded::single(key, Some(value)).ok_or_else(too_large)?;
        self.submit(commit, sync).map(|_| ())
    }

    pub(crate) fn delete(&self, key: &[u8], sync: bool) -> Result<bool> {
        self.check_writable()?;
        let commit = Encoded::single(key, None).ok_or_else(too_large)?;
        self.submit(commit, sync)
    }

    pub(crate) fn commit(&self, pending: &Pending, sync: bool) -> Result<()> {
        self.check_writable()?;
        let mut commit = Encoded::batch(pending.len(), pending.bytes());
        for write in pending.iter() {
            commit.push(write.key, write.value).ok_or_else(too_large)?;
        }
        self.submit(commit, sync).map(|_| ())
    }

    /// Brings everything acknowledged to stable storage.
    pub(crate) fn sync(&self) -> Result<()> {
        self.check_writable()?;
        // An empty batch writes nothing; its group is synced like any other.
        self.submit(Encoded::batch(0, 0), true).map(|_| ())
    }

    fn check_writable(&self) -> Result<()> {
        self.check_usable()?;
        if self.config.read_only { Err(Error::ReadOnly) } else { Ok(()) }
    }

    fn submit(&self, commit: Encoded, sync: bool) -> Outcome {
        let sync = sync || self.config.durability == Durability::Always;
        let cost = commit.log_len();
        let answer = self.queue.submit(Job { commit, sync }, cost, |jobs| self.commit_group(jobs));
        // Only a bug leaves a job without an answer: the leader panicked.
        answer.unwrap_or_else(|| Err(Error::invalid("another thread's write ended in a bug of this library")))
    }

    fn commit_group(&self, mut jobs: Vec<Job>) -> Vec<Outcome> {
        let fail = |error: &Error, jobs: &[Job]| jobs.iter().map(|_| Err(error.clone())).collect();
        let Some(log) = &self.log else { return fail(&Error::ReadOnly, &jobs) };
        let mut log = log.lock();
        // Closed while they waited.
        let ready = self.check_usable().and_then(|()| log.check()).and_then(|()| self.drop_idle_deletes(&mut jobs));
        if let Err(error) = ready {
            return fail(&error, &jobs);
        }
        let mut files = NewFiles::new();
        let appended = log.append(&mut jobs, &mut files);
        if !files.is_empty() {
            self.files.add(files);
        }
        let sync = jobs.iter().any(|job| job.sync);
        let done = if sync { log.sync() } else { Ok(()) }.and_then(|()| {
            // Index and log would tell different stories; a reopen makes them one.
            self.publish(&jobs, &appended).map_err(|error| log.stop(error))
        });
        if let Err(error) = done {
            return fail(&error, &jobs);
        }
        if !sync {
            self.count_unsynced(jobs.iter().map(|job| job.commit.log_len()).sum());
        }
        jobs.iter().zip(appended).map(|(job, outcome)| outcome.map(|_| job.commit.count() > 0)).collect()
    }

    /// Takes deletes of keys that are not there out of the commits.
    fn drop_idle_deletes(&self, jobs: &mut [Job]) -> Result<()> {
        if !jobs.iter().any(|job| job.commit.has_deletes()) {
            return Ok(());
        }
        // What earlier commits of the group make of keys. Within a commit keys differ.
        let mut changed: HashMap<Box<[u8]>, bool> = HashMap::new();
        let track = jobs.len() > 1;
        for job in jobs {
            let mut keep = Vec::with_capacity(job.commit.count());
            for (key, is_put) in job.commit.writes() {
                let kept = is_put
                    || match changed.get(key) {
                        Some(&there) => there,
                        None => self.index.get(key)?.is_some(),
                    };
                keep.push(kept);
            }
            if track {
                for ((key, is_put), _) in job.commit.writes().zip(&keep).filter(|(_, kept)| **kept) {
                    changed.insert(key.into(), is_put);
                }
            }
            if keep.contains(&false) {
                job.commit.retain(&keep);
            }
        }
        Ok(())
    }

    /// Puts what was appended into the index and makes it visible, all at once.
    fn publish(&self, jobs: &[Job], appended: &[Result<SeqNo>]) -> Result<()> {
        let mut changes = Vec::with_capacity(jobs.len());
        let mut last = None;
        let written = jobs.iter().zip(appended).filter_map(|(job, outcome)| Some((job, *outcome.as_ref().ok()?)));
        for (job, seq) in written.clone().filter(|(job, _)| job.commit.count() > 0) {
            changes.extend(job.commit.changes().map(|(key, new)| Change { key, new, old: None }));
            last = Some(seq);
        }
        let Some(last) = last else { return Ok(()) };
        let _gate = self.gate.write();
        if self.history.is_needed() {
            let mut before: HashMap<&[u8], Option<Location>> = HashMap::new();
            for (job, seq) in written {
                for (key, new) in job.commit.changes() {
                    let old = match before.get(key) {
                        Some(&old) => old,
                        None => self.index.get(key)?,
                    };
                    self.history.announce(seq, key, old);
                    before.insert(key, new);
                }
            }
        }
        self.index.apply(&mut changes)?;
        self.visible.store(last.0, Ordering::Release);
        Ok(())
    }

    /// The interval thread's work.
    pub(crate) fn sync_in_background(&self) -> Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let Some(sync) = log.lock().background_sync() else { return Ok(()) };
        let outcome = sync.run();
        log.lock().synced_to(&sync, outcome)
    }
}

fn too_large() -> Error {
    // The facade checks both lengths; this is what remains on machines with small address spaces.
    Error::ValueTooLarge { len: MAX_VALUE_LEN }
}
