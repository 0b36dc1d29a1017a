//! Makes the index name the copies, and takes the sources away.
//!
//! The index is changed in small steps, each under the log's lock and the gate, as a group of commits is: checkpoints and snapshots fall between
//! steps. An entry is changed if it still names a source: then it names the record that was copied, for nothing is written to sources. A newer
//! write names another file, and stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::index::{Change, KeyPage};
use crate::log::{self, DataFile, Finished, Item, LogWriter, Scanner};
use crate::types::{FileId, Location, SeqNo};

use super::super::history::Job;
use super::super::store::Store;
use super::super::sync::{ALL, sync_beside};
use super::control::Pace;
use super::sources::Source;
use super::{Account, Ledger, MergeReport};

/// Entries that are changed at once: writers wait for so many, which takes about a microsecond. Who finds a lock taken looks for it again for some
/// microseconds before it goes to sleep, and to be woken takes dozens.
const STEP: usize = 8;
/// Steps between two times that the thread lets others run, where there are more of them than processors.
const TURN: u32 = 16;

impl Store {
    /// Gives outputs their names, for good. On failure none of them is left.
    pub(super) fn publish_outputs(&self, finished: Vec<(Finished, Account)>) -> Result<Vec<(Arc<DataFile>, Account)>> {
        let mut published = Vec::new();
        let outcome = finished.into_iter().try_for_each(|(finished, account)| {
            // What a writer that stopped has left behind may be no file yet, which it could be no more with a later one.
            let id = finished.id();
            self.with_log(|log| log.check())?;
            let file = finished.publish().inspect_err(|_| published.push((id, None)))?;
            published.push((id, Some((Arc::new(file), account))));
            Ok(())
        });
        let outcome = outcome.and_then(|()| {
            // Whether the names are there after a loss of power nobody knows if this fails, also when they are removed.
            self.sync_dir()
        });
        let Err(error) = outcome else {
            return Ok(published.into_iter().filter_map(|(_, file)| file).collect());
        };
        for (id, _) in published {
            if let Err(e) = log::remove(self.vfs.as_ref(), self.path(), id) {
                // It has copies of records that later merges would not know of.
                let _ = self.merging.stopped.set(e);
            }
        }
        Err(error)
    }

    fn sync_dir(&self) -> Result<()> {
        self.syncs.sync_dir(self.vfs.as_ref(), self.path())
    }

    /// Makes the index name the copies.
    pub(super) fn install_copies(
        &self,
        output: &DataFile,
        sources: &BTreeSet<FileId>,
        pace: &mut Pace<'_>,
        report: &mut MergeReport,
    ) -> Result<()> {
        let mut scanner = Scanner::of_sealed(output);
        let (mut step, mut steps) = (KeyPage::new(), 0u32);
        loop {
            let item = scanner.next()?;
            match &item {
                Item::Record { offset, header } => {
                    pace.read(header.record_len())?;
                    if header.kind.is_put()
                        && let Some(location) = Location::new(output.id(), *offset, header.record_len())
                    {
                        step.push(scanner.key(), &[], location);
                    }
                }
                Item::Damage { offset, why, .. } => {
                    let what = format!("what was just written is damaged: {why}");
                    return Err(Error::corrupted(output.path(), *offset, what));
                }
                Item::End { .. } => {}
            }
            let is_over = matches!(item, Item::End { .. });
            if step.len() >= STEP || is_over {
                report.installed_records += self.install_step(&step, sources)?;
                step.clear();
                steps = steps.wrapping_add(1);
                if steps.is_multiple_of(TURN) {
                    std::thread::yield_now();
                }
            }
            if is_over {
                return Ok(());
            }
        }
    }

    fn install_step(&self, step: &KeyPage, sources: &BTreeSet<FileId>) -> Result<u64> {
        let Some(log) = &self.log else { return Err(Error::ReadOnly) };
        let entries = (0..step.len()).filter_map(|i| step.get(i));
        let mut changes: Vec<_> = entries.map(|(key, new)| Change { key, new: Some(new), old: None }).collect();
        // A place is moved in the index itself. Waited for without the log.
        self.index.ready()?;
        let log = self.merging.courtesy.last(log);
        self.check_usable()?;
        log.check()?;
        self.index.reserve(&mut changes.iter().map(|change| change.key))?;
        let gate = self.gate.write();
        // One by one, which readers need not wait for: each says the same as before.
        let outcome = self.index.relocate(&mut changes, &|old| sources.contains(&old.file()));
        if outcome.is_ok() {
            // One that was made anew since the outputs are there names copies already: they live, and are counted.
            let is_named = |change: &Change<'_>| self.index.get(change.key).is_ok_and(|found| found == change.new);
            changes.retain(|change| change.old.is_some() || !is_named(change));
        }
        let installed = changes.iter().filter(|change| change.old.is_some()).count() as u64;
        self.accounts.with(|ledger| {
            for change in &changes {
                match (change.old, change.new) {
                    (Some(_), _) => ledger.moved(change.old, change.new),
                    // A newer record of the key was there, or the key is gone.
                    (None, Some(new)) if outcome.is_ok() => ledger.never_lived(new),
                    _ => {}
                }
            }
        });
        drop((gate, log));
        outcome?;
        Ok(installed)
    }

    /// Brings to stable storage all that the index knows, beside writers. What made records of the sources dead is then as lasting as
    /// their going.
    pub(super) fn sync_log_beside(&self) -> Result<()> {
        let Some(log) = &self.log else { return Err(Error::ReadOnly) };
        sync_beside(log, &self.durable, ALL).map(|_| ())
    }

    /// Makes sure that the index names no source any more. By the argument of docs/MERGE.md it can't; should it all the same, by a bug, then a file
    /// too many is better than one too few.
    pub(super) fn check_unnamed(&self, sources: &[Source]) -> Result<()> {
        let named = |ledger: &Ledger| {
            let is_named = |id| ledger.get(id).is_some_and(|account| account.totals().live_records > 0);
            sources.iter().map(|source| source.file.id()).find(|&id| is_named(id))
        };
        if named(&self.ledger()?).is_none() {
            return Ok(());
        }
        // Or the accounts are wrong.
        self.accounts.forget();
        match named(&self.ledger()?) {
            None => Ok(()),
            Some(id) => {
                let what = format!("the index names data file {id}, of which all was copied; the file stays");
                Err(Error::Internal { what })
            }
        }
    }

    /// Takes the sources away, in their order. Those that go before one with deletes are gone for good when that is taken: what comes back after a loss of
    /// power must not be older than a delete that does not.
    ///
    /// REQUIRES: the index names none of them, and [`Store::sync_log_beside`] succeeded since.
    pub(super) fn remove_sources(
        &self,
        sources: &[Source],
        pace: &mut Pace<'_>,
        report: &mut MergeReport,
    ) -> Result<()> {
        if let Some(beside) = &self.beside {
            // A hint that came behind its file would stay, and a window would keep its space.
            beside.wait();
        }
        let mut left = sources;
        while !left.is_empty() {
            pace.look()?;
            // Also not of those that nothing is waited for: after a failure the directory is left as it is.
            self.syncs.check()?;
            let others = left.iter().skip(1).take_while(|source| source.tombstones == 0).count();
            let (together, behind) = left.split_at(1 + others);
            let mut gone = 0;
            let removed = together.iter().try_for_each(|source| {
                log::remove(self.vfs.as_ref(), self.path(), source.file.id()).inspect(|()| gone += 1)
            });
            let synced = self.sync_dir();
            if synced.is_ok() {
                for source in together.iter().take(gone) {
                    report.removed_files.push(source.file.id());
                    report.removed_bytes += source.file.end();
                    self.retire(source.file.id());
                }
            }
            // Whether the others are there after a loss of power nobody knows.
            synced.and(removed).inspect_err(|error| _ = self.merging.stopped.set(error.clone()))?;
            left = behind;
        }
        Ok(())
    }

    /// Takes a file out of the table once no snapshot needs it.
    fn retire(&self, id: FileId) {
        let _gate = self.gate.write();
        self.accounts.with(|ledger| ledger.remove(id));
        self.files.retire(&[id]);
        let files = Arc::clone(&self.files);
        let seq = SeqNo(self.visible.load(Ordering::Acquire));
        self.history.when_past(seq, Job(Box::new(move || files.let_go(&[id]))));
    }

    pub(super) fn with_log<R>(&self, f: impl FnOnce(&mut LogWriter) -> Result<R>) -> Result<R> {
        match &self.log {
            Some(log) => f(&mut log.lock()),
            None => Err(Error::ReadOnly),
        }
    }
}
