//! Loading much at once: into files of the load's own, beside other writers.
//!
//! A load that stays small is a batch like any other. A larger one that is to be atomic goes to files that nobody knows yet (`log/load.rs`),
//! as its pairs come; at the end they become the end of the log under the log's lock, and all keys come into the index in one change. One that need
//! not be atomic is cut into batches.
//!
//! Why not into the log itself: a batch must be contiguous there, so that every other writer, and whoever of them is to give the load its next
//! pair, would have to wait for its end. Memory holds the keys with their places ([`Entries`]), never the values.
//!
//! Locking: the log's lock is taken to begin, to create a file, to install and to remove files, each for moments but for the index's change. Files are
//! created and removed only while the store is open, and close sets that under the same lock: when it is closed, the directory may be another
//! process's, and opening removes what is left.

mod entries;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::index::Change;
use crate::log::{Encoded, Load, LogWriter, NewFiles};
use crate::types::{FileId, SeqNo, Timestamp};

use super::checkpoint::Loading;
use super::share::Share;
use super::store::Store;
use super::write::too_large;
use entries::Entries;

/// A load with fewer bytes than this is a batch in the log and no file of its own.
const SMALL: u64 = 16 << 20;
/// About how many bytes of log are a commit, where a load need not be atomic.
const PIECE: u64 = 1 << 20;

/// A load under way. For one thread at a time.
#[derive(Debug)]
pub(crate) struct Bulk {
    store: Share,
    is_atomic: bool,
    sync: bool,
    state: State,
    /// It writes files of its own.
    loading: Option<Loading>,
}

#[derive(Debug)]
enum State {
    /// What has come since the beginning or, if it is not atomic, since the last commit.
    Batch(Encoded),
    Files(Box<Load>, Entries),
    Failed(Error),
}

impl Bulk {
    pub(crate) fn new(store: &Arc<Store>, is_atomic: bool, sync: bool) -> Result<Bulk> {
        store.check_writable()?;
        let state = State::Batch(Encoded::batch(0, 0));
        Ok(Bulk { store: Share::of(store), is_atomic, sync, state, loading: None })
    }

    /// Adds a pair. After an error there is nothing but that error.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], expiry: Option<Timestamp>) -> Result<()> {
        self.store.check_usable()?;
        let outcome = match &mut self.state {
            State::Batch(batch) => {
                batch.push_until(key, Some(value), expiry).ok_or_else(too_large)?;
                let max_file_size = self.store.config.max_file_size;
                if self.is_atomic {
                    if batch.log_len() < SMALL.min(max_file_size / 4) { Ok(()) } else { self.move_to_files() }
                } else if batch.log_len() < PIECE.min(max_file_size / 4) {
                    Ok(())
                } else {
                    let batch = std::mem::replace(batch, Encoded::batch(0, 0));
                    self.store.submit(self.store.job(without_repeats(batch), false)).map(|_| ())
                }
            }
            State::Files(load, entries) => self.store.add_to_load(load, entries, (key, value, expiry)),
            State::Failed(error) => return Err(error.clone()),
        };
        outcome.map_err(|error| self.fail(error))
    }

    /// See [`Store::deadline`].
    pub(crate) fn deadline(&self, ttl: Duration) -> Option<Timestamp> {
        self.store.deadline(ttl)
    }

    /// Makes all of it visible.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.store.check_usable()?;
        let outcome = match &mut self.state {
            State::Batch(batch) => {
                let batch = std::mem::replace(batch, Encoded::batch(0, 0));
                let sync = self.sync;
                self.store.submit(self.store.job(without_repeats(batch), sync)).map(|_| ())
            }
            State::Files(load, entries) => self.store.install(load, entries),
            State::Failed(error) => return Err(error.clone()),
        };
        self.loading = None;
        outcome.map_err(|error| self.fail(error))
    }

    fn move_to_files(&mut self) -> Result<()> {
        let State::Batch(batch) = &mut self.state else { return Ok(()) };
        let batch = std::mem::replace(batch, Encoded::batch(0, 0));
        let load = self.store.with_open_log(LogWriter::begin_load)?;
        self.loading = Some(self.store.saving.begin_load());
        self.state = State::Files(Box::new(load), Entries::default());
        let State::Files(load, entries) = &mut self.state else { return Ok(()) };
        batch.pairs().try_for_each(|pair| self.store.add_to_load(load, entries, pair))
    }

    fn fail(&mut self, error: Error) -> Error {
        self.abandon(State::Failed(error.clone()));
        error
    }

    fn abandon(&mut self, state: State) {
        if let State::Files(load, _) = std::mem::replace(&mut self.state, state) {
            self.store.drop_load(*load);
        }
    }
}

/// Leaves the last write of each key: history is to be told of a key once a commit.
fn without_repeats(mut batch: Encoded) -> Encoded {
    if !batch.writes().is_sorted_by(|a, b| a.0 < b.0) {
        let mut last = HashMap::with_capacity(batch.count());
        last.extend(batch.writes().enumerate().map(|(i, (key, _))| (key, i)));
        if last.len() < batch.count() {
            let keep: Vec<bool> = batch.writes().enumerate().map(|(i, (key, _))| last.get(key) == Some(&i)).collect();
            batch.retain(&keep);
        }
    }
    batch
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.abandon(State::Failed(Error::BatchFinished));
    }
}

impl Store {
    fn add_to_load(
        &self,
        load: &mut Load,
        entries: &mut Entries,
        (key, value, expiry): (&[u8], &[u8], Option<Timestamp>),
    ) -> Result<()> {
        if load.needs_part(key.len() as u64 + value.len() as u64) {
            load.seal()?;
            self.with_open_log(|log| log.add_part(load))?;
        }
        let (location, len) = load.put(key, value, expiry)?.ok_or_else(too_large)?;
        entries.push(key, location, len, expiry);
        Ok(())
    }

    /// Makes a load part of the log and of what readers see.
    fn install(&self, load: &mut Load, entries: &mut Entries) -> Result<()> {
        load.complete()?;
        // Outside of the lock; where neighbours in the index are no neighbours by key it helps nobody.
        if self.index.capabilities().ordered {
            entries.sort();
        }
        loop {
            let later = self.with_open_log(|log| {
                if log.is_ahead(load) {
                    return self.install_now(log, load, entries).map(|()| None);
                }
                // Another load was faster that began later, or very much was written.
                log.claim().map(Some)
            })?;
            match later {
                Some(seq) => load.renumber(seq)?,
                None => return Ok(()),
            }
        }
    }

    fn install_now(&self, log: &mut LogWriter, load: &mut Load, entries: &mut Entries) -> Result<()> {
        self.make_room(entries)?;
        let (seq, bytes, mut files) = (load.seq(), load.len(), NewFiles::new());
        let first = log.install(load, &mut files)?;
        entries.settle(first);
        let is_due = self.is_checkpoint_due(bytes, true);
        self.files.add(files);
        let times = (load.first_expiry(), load.written_at());
        self.publish_load(seq, first, times, entries).map_err(|error| log.stop(error))?;
        self.merging.background.wake();
        if is_due {
            self.keep_index(log, false);
        }
        Ok(())
    }

    /// Lets the index fail now rather than when the log has the load.
    fn make_room(&self, entries: &Entries) -> Result<()> {
        match (self.index.is_persistent(), self.index.is_empty()) {
            (false, _) => self.index.ready(),
            // It will be built beside what it is.
            (true, true) => self.index.reserve(&mut std::iter::empty()),
            (true, false) => self.index.reserve(&mut entries.iter().map(|(key, _)| key)),
        }
    }

    /// Puts all entries into the index, at once for every reader.
    fn publish_load(
        &self,
        seq: SeqNo,
        first: FileId,
        (first_expiry, written_at): (Option<Timestamp>, Timestamp),
        entries: &mut Entries,
    ) -> Result<()> {
        let _gate = self.gate.write();
        self.expiry.comes(first_expiry, Some(written_at));
        if self.history.is_needed() {
            // Each key once.
            entries.sort();
            for (key, _) in entries.iter() {
                self.history.announce(seq, key, self.index.get(key)?);
            }
        }
        let counted: Vec<_> = entries.take_counted(first, seq).collect();
        let is_built =
            entries.are_sorted() && self.index.build(entries.len(), entries.packing(), &mut entries.iter())?;
        let mut changes = Vec::new();
        if !is_built {
            changes.reserve(entries.len());
            changes.extend(entries.iter().map(|(key, location)| Change { key, new: Some(location), old: None }));
            self.index.apply(&mut changes)?;
        }
        self.accounts.with(|ledger| {
            counted.into_iter().for_each(|(file, account)| ledger.put_in(file, account));
            match is_built {
                true => entries.iter().for_each(|(_, location)| ledger.moved(None, Some(location))),
                false => changes.iter().for_each(|change| ledger.moved(change.old, change.new)),
            }
            ledger.names_are_counted();
        });
        self.visible.store(seq.0, Ordering::Release);
        Ok(())
    }

    fn drop_load(&self, load: Load) {
        if self.is_foreign() {
            return load.leave();
        }
        let Some(log) = &self.log else { return };
        // Not to be closed meanwhile.
        let _log = log.lock();
        if self.check_usable().is_ok() { load.remove(self.vfs.as_ref()) } else { load.leave() }
    }
}
