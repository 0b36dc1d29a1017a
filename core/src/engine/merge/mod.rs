//! Merge: reclaims what is dead, online. docs/MERGE.md has the invariants and the argument; this is the order of the steps.
//!
//! Accounts (`super::accounts`) say what is alive where.
//!
//! 1. Choose files ([`policy`], or by hand), of a kind that may be merged ([`sources`]), and read each from end to end.
//! 2. Copy what is to stay into files with temporary names ([`deletes`], [`copy`]): sealed and synced.
//! 3. Give them their names, sync the directory, let the index name the copies ([`install`]).
//! 4. Sync the log, so that what made records dead is on stable storage.
//! 5. Remove the sources, one after the other, for good before deletes go.
//!
//! Up to the end of 2 nothing has changed; after 3 the sources hold nothing that is needed, and may stay as long as they like.
//!
//! Locking: `running` outside of all locks of the store. The log's lock and the gate are taken for moments, never across a sync or for more than
//! a few entries.

mod background;
mod control;
mod copy;
mod courtesy;
mod deletes;
mod install;
mod outputs;
mod outside;
mod policy;
mod settings;
mod sources;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;

use crate::util::lock::{Mutex, MutexGuard};

use crate::error::{Error, Result, Status};
use crate::log::{NewFiles, OutputConfig};
use crate::stats::{MergeNeed, MergeReport};
use crate::types::{FileId, IoKind, SeqNo};

use super::accounts::{Account, Ledger, Seqs, Totals};
use super::store::Store;
use background::Background;
use control::{Pace, Pause};
use copy::Copier;
use courtesy::Courtesy;
use deletes::Deletes;
pub use settings::{MergeOptions, MergePolicy};

/// What the merges of a store share.
#[derive(Debug, Default)]
pub(crate) struct Merging {
    /// Held by the merge that runs.
    running: Mutex<()>,
    /// The thread that holds it.
    runner: Mutex<Option<ThreadId>>,
    /// Merges by hand that wait for it.
    awaited: AtomicUsize,
    pub(super) pause: Pause,
    /// Between writers and the merge that runs.
    pub(super) courtesy: Courtesy,
    /// Files in which a merge found damage.
    damaged: Mutex<BTreeSet<FileId>>,
    /// Why no merge may run any more until the store is reopened: the directory may have files that it doesn't know of.
    stopped: OnceLock<Error>,
    pub(super) background: Background,
}

/// As long as it lives no merge begins.
#[derive(Debug)]
pub(super) struct Running<'a> {
    merging: &'a Merging,
    _running: MutexGuard<'a, ()>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *self.merging.runner.lock() = None;
    }
}

impl Merging {
    /// Waits for the merge that runs. A merge's own progress callback would wait for itself.
    pub(super) fn begin(&self) -> Result<Running<'_>> {
        self.check_thread()?;
        self.awaited.fetch_add(1, Ordering::Relaxed);
        let running = self.running.lock();
        self.awaited.fetch_sub(1, Ordering::Relaxed);
        Ok(self.run_by_this_thread(running))
    }

    /// No merge takes a file that has damage, and it may hold what deletes hide.
    pub(super) fn note_damage(&self, file: FileId) {
        self.damaged.lock().insert(file);
    }

    /// The same, unless one runs or is waited for.
    fn try_begin(&self) -> Option<Running<'_>> {
        let running = self.running.try_lock().filter(|_| !self.is_awaited())?;
        Some(self.run_by_this_thread(running))
    }

    fn run_by_this_thread<'a>(&'a self, running: MutexGuard<'a, ()>) -> Running<'a> {
        *self.runner.lock() = Some(std::thread::current().id());
        Running { merging: self, _running: running }
    }

    /// Whether somebody waits for the merge that runs.
    fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed) > 0
    }

    /// Fails in the progress callback of a merge.
    pub(super) fn check_thread(&self) -> Result<()> {
        match *self.runner.lock() == Some(std::thread::current().id()) {
            true => {
                Err(Error::invalid("the progress callback of a merge can't merge or close: it would wait for itself"))
            }
            false => Ok(()),
        }
    }
}

/// Wakes the thread that merges in the background when this goes.
struct Wakes<'a>(&'a Background);

impl Drop for Wakes<'_> {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl Store {
    /// Runs a merge; waits for one that runs.
    pub(crate) fn merge(&self, options: &MergeOptions) -> Result<MergeReport> {
        self.check_usable()?;
        if self.config.read_only {
            return Err(Error::ReadOnly);
        }
        // When it is over.
        let _wakes = Wakes(&self.merging.background);
        let _running = self.merging.begin()?;
        self.run_merge(options, &mut Pace::new(self, options), None)
    }

    /// `swept`: how many keys the sweep before it has deleted. Without, it begins with one.
    ///
    /// REQUIRES: [`Merging::begin`].
    fn run_merge(&self, options: &MergeOptions, pace: &mut Pace<'_>, swept: Option<u64>) -> Result<MergeReport> {
        self.check_mergeable()?;
        pace.look()?;
        // What has expired is dead from here on, to the policy too.
        let swept_keys = match swept {
            Some(keys) => keys,
            None => self.sweep_if_there_is_room(pace)?,
        };
        let groups = match &options.files {
            Some(files) => {
                self.check_ids(files)?;
                let files: BTreeSet<_> = files.iter().copied().collect();
                if self.active_file().is_some_and(|active| files.contains(&active)) {
                    self.begin_file()?;
                }
                vec![files]
            }
            None if options.everything => {
                self.begin_file()?;
                let active = self.active_file();
                let files = self.files.load();
                let sealed = files.all().iter().map(|file| file.id()).filter(|&id| Some(id) != active);
                vec![sealed.collect()]
            }
            None => match self.plan()? {
                Some(plan) => plan.groups.into_iter().map(|group| group.into_iter().collect()).collect(),
                None => Vec::new(),
            },
        };
        let mut report = MergeReport { swept_keys, ..MergeReport::default() };
        let total = groups.iter().map(|group| self.bytes_of(group)).sum();
        pace.progress.bytes_total = total;
        pace.look()?;
        let outcome = self.merge_groups(groups, pace, &mut report);
        // Once for all groups, also behind one that failed; but in a forked child nothing is written.
        let is_changed = !report.removed_files.is_empty() && self.check_usable().is_ok();
        let kept = if is_changed { self.keep_index_after_merge() } else { Ok(()) };
        outcome.and(kept)?;
        report.bytes_read = pace.progress.bytes_read;
        report.bytes_written = pace.progress.bytes_written;
        Ok(report)
    }

    /// Deletes what has expired. On a full disk nothing can be deleted, and files in which nothing lives can go all the same.
    fn sweep_if_there_is_room(&self, pace: &mut Pace<'_>) -> Result<u64> {
        match self.sweep(&mut |bytes| pace.read(bytes)) {
            Err(error) if error.status() == Status::DiskFull => Ok(0),
            outcome => outcome,
        }
    }

    /// Merges one group after the other. Of one that finds no room either half may need less, down to single files; a file that finds none is passed
    /// over.
    fn merge_groups(&self, groups: Vec<BTreeSet<FileId>>, pace: &mut Pace<'_>, report: &mut MergeReport) -> Result<()> {
        let (mut left, mut full) = (groups, Ok(()));
        // The last is the next.
        left.reverse();
        while let Some(group) = left.pop() {
            let before = report.clone();
            match self.merge_group(&group, pace, report) {
                // Unless it is more than a lack of room.
                Err(error) if error.status() == Status::DiskFull && self.check_mergeable().is_ok() => {
                    // With outputs that stay there would be less room for the halves.
                    let is_undone = report.created_files == before.created_files;
                    if is_undone {
                        *report = MergeReport { skipped_files: std::mem::take(&mut report.skipped_files), ..before };
                    }
                    match self.halves(&group, &report.skipped_files).filter(|_| is_undone) {
                        Some((older, newer)) => left.extend([newer, older]),
                        None => full = Err(error),
                    }
                }
                outcome => outcome?,
            }
        }
        full
    }

    /// The older and the newer half of what of a group was not skipped, if there is more than one file of it. The older first: deletes of the newer
    /// have less left to hide then.
    fn halves(
        &self,
        group: &BTreeSet<FileId>,
        skipped: &[(FileId, String)],
    ) -> Option<(BTreeSet<FileId>, BTreeSet<FileId>)> {
        let is_skipped = |id: FileId| skipped.iter().any(|&(skipped, _)| skipped == id);
        let mut older: Vec<FileId> = group.iter().copied().filter(|&id| !is_skipped(id)).collect();
        let first_seq = |id| self.accounts.look(|ledger| ledger.get(id).and_then(Account::seqs)).flatten();
        older.sort_by_cached_key(|&id| (first_seq(id), id));
        let newer = older.split_off(older.len() / 2);
        (!older.is_empty()).then(|| (older.into_iter().collect(), newer.into_iter().collect()))
    }

    pub(crate) fn pause_merge(&self, paused: bool) -> Result<()> {
        self.check_usable()?;
        self.merging.pause.set(paused);
        if !paused {
            self.merging.background.retry();
        }
        Ok(())
    }

    /// Why a merge would be worth its while now, if it would.
    pub(crate) fn merge_needed(&self) -> Result<Option<MergeNeed>> {
        self.check_usable()?;
        let plan = self.plan()?;
        Ok(plan.map(|plan| MergeNeed {
            reason: plan.reason,
            files: plan.groups.into_iter().flatten().collect(),
            reclaimable_bytes: plan.reclaimable,
            is_in_window: policy::is_in_window(&self.config.merge, self.vfs.now()),
        }))
    }

    fn plan(&self) -> Result<Option<policy::Plan>> {
        let mut files = self.rough_stats()?;
        let table = self.files.load();
        let active = self.active_file().and_then(|id| table.get(id));
        let base_seq = active.map_or(SeqNo::ZERO, |file| file.header().base_seq);
        let damaged = self.merging.damaged.lock();
        for file in &mut files {
            file.is_damaged |= damaged.contains(&file.id);
            // A batch goes on from it in the file that the log ends in: it is no source before that file has ended too.
            file.is_active |= !file.is_merged && file.max_seq > base_seq;
        }
        let born = |id| table.get(id).map_or(SeqNo::ZERO, |file| sources::born(file));
        Ok(policy::plan(&files, &born, &self.config.merge, self.config.max_file_size, self.misses_files()))
    }

    fn check_mergeable(&self) -> Result<()> {
        self.check_usable()?;
        self.with_log(|log| log.check())?;
        match self.merging.stopped.get() {
            // What failed before: removing a file, or bringing that to stable storage.
            Some(cause) => Err(cause.clone()),
            None => Ok(()),
        }
    }

    fn merge_group(&self, wanted: &BTreeSet<FileId>, pace: &mut Pace<'_>, report: &mut MergeReport) -> Result<()> {
        self.check_mergeable()?;
        // The one before may have failed where it could give way no more.
        pace.gives_way(true);
        pace.check()?;
        // Before they are read, and again behind that, which may take long.
        self.check_room(wanted)?;
        let (sources, mut skipped) = self.sources(wanted, pace)?;
        report.skipped_files.append(&mut skipped);
        if sources.is_empty() {
            return Ok(());
        }
        let ids: BTreeSet<_> = sources.iter().map(|source| source.file.id()).collect();
        self.check_room(&ids)?;
        let mut outside = self.outside(&sources)?;
        let dead = sources.iter().map(|source| self.totals_of(source.file.id()).dead_records).sum::<u64>();
        let config = self.output_config()?;
        let mut finished = Deletes::new(self, config.clone()).copy(&sources, &mut outside, pace, report)?;
        let mut copier = Copier::new(self, config, &sources);
        copier.copy_live(pace, report)?;
        finished.append(&mut copier.finish()?);
        pace.look()?;
        pace.gives_way(false);
        let outputs = self.publish_outputs(finished)?;
        // Under the log's lock: neither is an index saved in between, with files that it has no accounts of, nor is anything counted anew.
        self.with_log(|_| {
            self.files.add(outputs.iter().map(|(file, _)| Arc::clone(file)));
            self.accounts.with(|ledger| {
                for (file, account) in &outputs {
                    ledger.put_in(file.id(), account.clone());
                }
            });
            Ok(())
        })?;
        for (file, _) in &outputs {
            report.created_files.push(file.id());
            report.created_bytes += file.end();
            pace.look()?;
            self.install_copies(file, &ids, pace, report)?;
        }
        pace.look()?;
        self.sync_log_beside()?;
        self.check_unnamed(&sources)?;
        self.remove_sources(&sources, pace, report)?;
        report.dropped_records += dead;
        Ok(())
    }

    /// Fails if the live records of files don't fit on the disk, where that is known beforehand: writers need the space that is left. Hints need not
    /// fit.
    fn check_room(&self, wanted: &BTreeSet<FileId>) -> Result<()> {
        let table = self.files.load();
        let (mut is_any, mut bytes) = (false, 0);
        for file in table.all().iter().filter(|file| wanted.contains(&file.id()) && !self.is_damaged(file)) {
            let totals = self.totals_of(file.id());
            is_any |= totals.live_records > 0;
            bytes += totals.live_bytes.min(file.end());
        }
        // With headers and seal, about.
        let needed = if is_any { bytes + (1 << 10) } else { 0 };
        match self.vfs.free_bytes(self.path()).filter(|&free| free < needed) {
            Some(free) => {
                let why = format!("a merge needs {needed} bytes for what it copies, and {free} are free");
                Err(Error::io("merge in", self.path(), None, std::io::Error::new(ErrorKind::StorageFull, why)))
            }
            None => Ok(()),
        }
    }

    /// The index names other files now than the last checkpoint of it says, and than one that is being made.
    fn keep_index_after_merge(&self) -> Result<()> {
        if !self.saves_index() {
            return Ok(());
        }
        // One that saves itself does so here and now; of another an image begins, in the next pause if it is large, and a thread syncs beside writers.
        let saves_itself = self.index.is_persistent();
        if saves_itself {
            self.sync_log_beside()?;
        } else {
            // While something of it is unverified no image begins. Before the log's lock, for it may take long.
            self.index.ready()?;
        }
        self.with_log(|log| {
            if saves_itself {
                log.sync()?;
                self.durable.advance(log.synced_seq());
            }
            self.keep_index(log, true);
            Ok(())
        })
    }

    /// Seals the file that the log ends in, so that it can be merged.
    fn begin_file(&self) -> Result<()> {
        // Writers then wait for the sync of little more than the seal.
        self.sync_log_beside()?;
        self.with_open_log(|log| {
            let mut files = NewFiles::new();
            let outcome = log.begin_file(&mut files);
            self.files.add(files);
            outcome
        })
    }

    fn bytes_of(&self, group: &BTreeSet<FileId>) -> u64 {
        self.files.load().all().iter().filter(|file| group.contains(&file.id())).map(|file| file.end()).sum()
    }

    /// A file's account in figures; zeros if it has none.
    fn totals_of(&self, file: FileId) -> Totals {
        self.accounts.look(|ledger| ledger.get(file).map(Account::totals)).flatten().unwrap_or_default()
    }

    /// How outputs are made of what is alive from now on.
    fn output_config(&self) -> Result<OutputConfig> {
        // What is before the file that the log ends in is on stable storage then, and the index has it. Seldom is there anything left to wait for.
        self.sync_log_beside()?;
        let base_seq = self.with_open_log(|log| {
            log.sync_behind()?;
            Ok(log.active().header().base_seq)
        })?;
        Ok(OutputConfig {
            base_seq,
            vfs: Arc::clone(&self.vfs),
            dir: self.path().to_owned(),
            store_id: self.store_id,
            max_file_size: self.config.max_file_size,
            maps: self.config.io == IoKind::Mmap && cfg!(target_pointer_width = "64"),
        })
    }
}
