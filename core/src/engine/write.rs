//! Writing: callers encode, the leader of the commit queue appends, syncs and publishes.
//!
//! Order within a group: append, sync if anybody asked for it, announce to history, change the index, become visible,
//! answer. A reader therefore sees only what is as durable as its writer was promised, and a failed group is seen by nobody.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::index::Change;
use crate::log::{Appended, Encoded, LogWriter, NewFiles};
use crate::options::Durability;
use crate::types::{Location, MAX_VALUE_LEN, SeqNo};

use super::pending::Pending;
use super::store::Store;

/// One caller's commit.
#[derive(Debug)]
pub(crate) struct Job {
    commit: Encoded,
    sync: bool,
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

    fn commit_group(&self, jobs: Vec<Job>) -> Vec<Outcome> {
        let Some(log) = &self.log else { return jobs.iter().map(|_| Err(Error::ReadOnly)).collect() };
        let mut log = log.lock();
        // Closed while they waited.
        if let Err(error) = self.check_usable().and_then(|()| log.check()) {
            return jobs.iter().map(|_| Err(error.clone())).collect();
        }
        let sync = jobs.iter().any(|job| job.sync);
        let mut commits: Vec<Encoded> = jobs.into_iter().map(|job| job.commit).collect();
        let existed = match self.drop_idle_deletes(&mut commits) {
            Ok(existed) => existed,
            Err(error) => return commits.iter().map(|_| Err(error.clone())).collect(),
        };
        self.write_group(&mut log, &mut commits, sync)
            .into_iter()
            .zip(existed)
            .map(|(outcome, existed)| outcome.map(|()| existed))
            .collect()
    }

    /// Takes deletes of keys that are not there out of the commits, and says of each commit whether it has changes left.
    fn drop_idle_deletes(&self, commits: &mut [Encoded]) -> Result<Vec<bool>> {
        let mut changed: HashMap<Box<[u8]>, bool> = HashMap::new();
        let track = commits.len() > 1;
        let mut existed = Vec::with_capacity(commits.len());
        for commit in commits.iter_mut() {
            let mut keep = Vec::new();
            for i in 0..commit.count() {
                let (key, is_put) = commit.write(i);
                let kept = is_put
                    || match changed.get(key) {
                        Some(&there) => there,
                        None => self.index.get(key)?.is_some(),
                    };
                // Within a commit keys differ; only earlier commits of the group can have changed this one.
                if track && kept {
                    changed.insert(key.into(), is_put);
                }
                keep.push(kept);
            }
            if keep.contains(&false) {
                commit.retain(&keep);
            }
            existed.push(commit.count() > 0);
        }
        Ok(existed)
    }

    fn write_group(&self, log: &mut LogWriter, commits: &mut [Encoded], sync: bool) -> Vec<Result<()>> {
        let mut files = NewFiles::new();
        let idle: Vec<bool> = commits.iter().map(|commit| commit.count() == 0).collect();
        let mut writing: Vec<Encoded> = commits.iter_mut().filter(|c| c.count() > 0).map(std::mem::take).collect();
        let appended = log.append(&mut writing, &mut files);
        self.files.add(files);
        let synced = if sync { log.sync() } else { log.check() };
        let outcomes = match synced {
            Err(error) => appended.iter().map(|_| Err(error.clone())).collect(),
            Ok(()) => self.publish(log, &writing, appended),
        };
        if !sync {
            self.count_unsynced(writing.iter().map(|commit| commit.bytes().len() as u64).sum());
        }
        let after = log.check();
        let mut outcomes = outcomes.into_iter();
        idle.into_iter()
            .map(|idle| if idle { after.clone() } else { outcomes.next().unwrap_or(Err(Error::Closed)) })
            .collect()
    }

    /// Puts what was appended into the index and makes it visible, all at once.
    fn publish(&self, log: &mut LogWriter, commits: &[Encoded], appended: Vec<Result<Appended>>) -> Vec<Result<()>> {
        let mut changes = Vec::new();
        for (commit, appended) in commits.iter().zip(&appended) {
            let Ok(appended) = appended else { continue };
            let mut locations = appended.locations.iter();
            for i in 0..commit.count() {
                let (key, is_put) = commit.write(i);
                let location = locations.next().copied();
                changes.push((appended.seq, Change { key, new: location.filter(|_| is_put), old: None }));
            }
        }
        if let Err(error) = self.apply(changes) {
            // Index and log would tell different stories; a reopen makes them one.
            let error = log.stop(error);
            return appended.iter().map(|_| Err(error.clone())).collect();
        }
        appended.into_iter().map(|outcome| outcome.map(|_| ())).collect()
    }

    fn apply(&self, changes: Vec<(SeqNo, Change<'_>)>) -> Result<()> {
        let Some(&(last, _)) = changes.last() else { return Ok(()) };
        let _gate = self.gate.write();
        if self.history.is_needed() {
            let mut before: HashMap<&[u8], Option<Location>> = HashMap::new();
            for (seq, change) in &changes {
                let old = match before.get(change.key) {
                    Some(&old) => old,
                    None => self.index.get(change.key)?,
                };
                self.history.announce(*seq, change.key, old);
                before.insert(change.key, change.new);
            }
        }
        let mut changes: Vec<Change<'_>> = changes.into_iter().map(|(_, change)| change).collect();
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
