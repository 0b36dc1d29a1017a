//! The oracle: what was written, what of it was acknowledged, and what was acknowledged as durable, each with the number
//! of disk operations done by then. It says which states a store may be in after a cut at any operation.
//!
//! Promise P2: the state is the effect of a prefix of the commits that holds at least all that were acknowledged as durable.
//! P1 follows, for no two writes write the same value.

use bitcask::vfs::Vfs;
use bitcask::vfs::sim::SimVfs;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitcask::{BulkOptions, Db, FileId, IterOptions, MergeOptions, Options, WriteOptions};

use super::workload::{Change, Step, Workload, key};
use super::{Map, dump, open};

/// A number of operations that no history reaches.
pub(crate) const NEVER: usize = usize::MAX;

/// One commit, with the numbers of operations done when it began, when it was acknowledged, and when all before the end of
/// it was acknowledged as durable.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) changes: Vec<Change>,
    pub(crate) started: usize,
    pub(crate) acked: usize,
    pub(crate) durable: usize,
}

/// All commits in their order, and the state after each.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) commits: Vec<Commit>,
    /// `states[n]` is the effect of the first n commits.
    pub(crate) states: Vec<Map>,
}

impl Default for History {
    fn default() -> History {
        History { commits: Vec::new(), states: vec![Map::new()] }
    }
}

pub(crate) fn apply(state: &mut Map, changes: &[Change]) {
    for (key, value) in changes {
        match value {
            Some(value) => state.insert(key.clone(), value.clone()),
            None => state.remove(key),
        };
    }
}

impl History {
    pub(crate) fn push(&mut self, changes: Vec<Change>, started: usize, acked: usize) {
        let mut state = self.last().clone();
        apply(&mut state, &changes);
        self.states.push(state);
        self.commits.push(Commit { changes, started, acked, durable: NEVER });
    }

    /// Everything acknowledged so far is durable from operation `op` on.
    pub(crate) fn durable_at(&mut self, op: usize) {
        for commit in self.commits.iter_mut().rev().take_while(|commit| commit.durable == NEVER) {
            commit.durable = op;
        }
    }

    pub(crate) fn last(&self) -> &Map {
        self.states.last().expect("there is a state before the first commit")
    }

    /// How many commits may have left anything on the disk in the first `at` operations, or are done without a trace.
    pub(crate) fn started(&self, at: usize) -> usize {
        self.commits.iter().filter(|commit| commit.started < at).count().max(self.acked(at))
    }

    pub(crate) fn acked(&self, at: usize) -> usize {
        self.commits.iter().take_while(|commit| commit.acked <= at).count()
    }

    pub(crate) fn durable(&self, at: usize) -> usize {
        self.commits.iter().take_while(|commit| commit.durable <= at).count()
    }

    /// The longest prefix of `from..=to` commits whose effect is this state.
    pub(crate) fn prefix_of(&self, state: &Map, from: usize, to: usize) -> Option<usize> {
        (from..=to).rev().find(|&n| self.states[n] == *state)
    }

    /// What to say of a state that is none: the nearest thing to it.
    pub(crate) fn explain(&self, state: &Map, from: usize, to: usize) -> String {
        if let Some(n) = self.prefix_of(state, 0, self.commits.len()) {
            return format!("it is the effect of {n} commits, {from} to {to} are allowed");
        }
        let differences = |n: usize| -> Vec<String> {
            let (want, mut out) = (&self.states[n], Vec::new());
            for key in want.keys().chain(state.keys().filter(|k| !want.contains_key(*k))) {
                if want.get(key) != state.get(key) {
                    let show = |v: Option<&Vec<u8>>| v.map(|v| format!("{} bytes", v.len()));
                    let (w, s) = (show(want.get(key)), show(state.get(key)));
                    out.push(format!("{}: {s:?} for {w:?}", String::from_utf8_lossy(key)));
                }
            }
            out
        };
        let best = (from..=to).min_by_key(|&n| differences(n).len()).unwrap_or(0);
        format!("{from} to {to} commits are allowed; it differs from {best} of them in {:?}", differences(best))
    }
}

/// A workload that was run on a disk, from before the store was created to after it was closed.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) disk: SimVfs,
    pub(crate) history: History,
}

/// Runs a workload on a new disk without faults, whose files can be mapped. `after_step` is called after each step, for workloads with a thread in the background.
pub(crate) fn record(workload: &Workload, options: &Options, always: bool, after_step: impl Fn(&SimVfs)) -> Recorded {
    let disk = SimVfs::new(7);
    disk.set_maps(true);
    let mut history = History::default();
    let mut db = open(disk.clone(), options).expect("a new store opens");
    for step in &workload.steps {
        step_on(&mut db, &disk, &disk, options, always, step, &mut history);
        after_step(&disk);
    }
    db.close().expect("it closes");
    history.durable_at(disk.op_count());
    Recorded { disk, history }
}

/// Does one step that must succeed; `disk` counts the operations of `vfs`.
pub(crate) fn step_on(
    db: &mut Db,
    vfs: &(impl Vfs + Clone + 'static),
    disk: &SimVfs,
    options: &Options,
    always: bool,
    step: &Step,
    history: &mut History,
) {
    let started = disk.op_count();
    let durable = match step {
        Step::Reopen => {
            db.close().expect("it closes");
            history.durable_at(disk.op_count());
            *db = open(vfs.clone(), options).expect("it opens again");
            assert_eq!(dump(db).expect("it reads"), *history.last(), "a reopen changed the contents");
            return;
        }
        Step::Tick(ms) => return disk.advance(*ms),
        Step::Sweep => {
            write(db, step).expect("it sweeps");
            assert_eq!(dump(db).expect("it reads"), *history.last(), "a sweep changed the contents");
            assert_eq!(db.len().expect("len"), history.last().len() as u64, "what had expired is deleted");
            return;
        }
        Step::MergeBeside(set, writes) => {
            merge_beside(db, disk, always, *set, writes, history);
            assert_eq!(dump(db).expect("it reads"), *history.last(), "a merge changed the contents");
            return;
        }
        Step::Merge(_) => {
            write(db, step).expect("it merges");
            assert_eq!(dump(db).expect("it reads"), *history.last(), "a merge changed the contents");
            return;
        }
        Step::Sync => {
            db.sync().expect("it syncs");
            true
        }
        step => {
            let existed = write(db, step).expect("it writes");
            let changes = changes_of(step);
            if let Step::Expiring(_) = step {
                disk.advance(1);
            }
            if let Step::Delete(key) = step {
                assert_eq!(existed, history.last().contains_key(key), "delete tells whether the key was there");
            }
            for (key, value) in &changes {
                let got = db.get(key).expect("it reads").map(bitcask::Value::into_vec);
                assert_eq!(got, *value, "what was just written");
            }
            history.push(changes, started, disk.op_count());
            always || syncs(step)
        }
    };
    if durable {
        history.durable_at(disk.op_count());
    }
}

/// What a step writes, with only the last write of each key.
pub(crate) fn changes_of(step: &Step) -> Vec<Change> {
    match step {
        Step::Put(key, value) | Step::PutSync(key, value) => vec![(key.clone(), Some(value.clone()))],
        Step::Delete(key) => vec![(key.clone(), None)],
        Step::Batch(changes) | Step::BatchSync(changes) | Step::Load(changes) | Step::LoadSync(changes) => {
            changes.clone()
        }
        Step::Range(from, to, changes) | Step::Transaction(from, to, changes) => {
            let mut all: BTreeMap<_, _> = (*from..*to).map(|n| (key(n), None)).collect();
            all.extend(changes.iter().cloned());
            all.into_iter().collect()
        }
        Step::Expiring(puts) => puts.iter().map(|(key, _)| (key.clone(), None)).collect(),
        Step::Sync | Step::Reopen | Step::Tick(_) | Step::Sweep | Step::Merge(_) | Step::MergeBeside(..) => Vec::new(),
    }
}

/// Whether a step asks for its own durability.
pub(crate) fn syncs(step: &Step) -> bool {
    matches!(step, Step::PutSync(..) | Step::BatchSync(_) | Step::LoadSync(_) | Step::Sync)
}

/// Does a step that writes or syncs; gives what a delete says.
pub(crate) fn write(db: &Db, step: &Step) -> bitcask::Result<bool> {
    let options = WriteOptions::new().sync(syncs(step));
    match step {
        Step::Put(key, value) | Step::PutSync(key, value) => db.put_with(key, value, options).map(|()| true),
        Step::Delete(key) => db.delete(key),
        Step::Batch(changes) | Step::BatchSync(changes) => {
            let mut batch = db.batch();
            for (key, value) in changes {
                match value {
                    Some(value) => batch.put(key, value)?,
                    None => batch.delete(key)?,
                }
            }
            batch.commit_with(options).map(|()| true)
        }
        Step::Range(from, to, changes) => {
            let mut batch = db.batch();
            // What is written before it is hidden by it, or forgotten.
            batch.put(&key(*from), b"hidden")?;
            if from < to {
                batch.delete_range(Bound::Included(&key(*from)), Bound::Excluded(&key(*to)))?;
            } else {
                batch.clear()?;
            }
            for (key, value) in changes {
                match value {
                    Some(value) => batch.put(key, value)?,
                    None => batch.delete(key)?,
                }
            }
            batch.commit_with(options).map(|()| true)
        }
        Step::Transaction(from, to, changes) => {
            let mut txn = db.transaction()?;
            let range = IterOptions::new().start(Bound::Included(&key(*from))).end(Bound::Excluded(&key(*to)));
            txn.iter(&range)?.try_for_each(|record| record.map(|_| ()))?;
            if from < to {
                txn.delete_range(Bound::Included(&key(*from)), Bound::Excluded(&key(*to)))?;
            }
            let before = txn.savepoint()?;
            txn.put(b"taken back", b"1")?;
            txn.delete_prefix(b"")?;
            txn.rollback_to(before)?;
            for (key, value) in changes {
                txn.get(key)?;
                match value {
                    Some(value) => txn.put(key, value)?,
                    None => txn.delete(key)?,
                }
            }
            txn.commit_with(options).map(|_| true)
        }
        Step::Load(changes) | Step::LoadSync(changes) => {
            let mut load = db.bulk_load(BulkOptions::new().sync(syncs(step)))?;
            for (key, value) in changes {
                load.put(key, value.as_deref().unwrap_or_default())?;
            }
            load.finish().map(|()| true)
        }
        Step::Sync => db.sync().map(|()| true),
        Step::Sweep => db.sweep_expired().map(|_| true),
        Step::Expiring(puts) => {
            let ttl = Duration::from_millis(1);
            if let [(key, value)] = &puts[..] {
                return db.put_with_ttl(key, value, ttl).map(|()| true);
            }
            let mut batch = db.batch();
            puts.iter().try_for_each(|(key, value)| batch.put_with_ttl(key, value, ttl))?;
            batch.commit().map(|()| true)
        }
        Step::Merge(set) | Step::MergeBeside(set, _) => {
            // Counting what is in the files may fail by itself; it is the merge that has to say what is wrong.
            db.merge(&merge_options(db, *set).unwrap_or_default()).map(|_| true)
        }
        Step::Reopen | Step::Tick(_) => Ok(true),
    }
}

/// The files with a bit in the set, by their place among all.
pub(crate) fn merge_options(db: &Db, set: u64) -> bitcask::Result<MergeOptions> {
    if set == u64::MAX {
        return Ok(MergeOptions::new().everything(true));
    }
    let files = db.file_stats()?;
    let chosen: Vec<FileId> =
        files.iter().enumerate().filter(|(i, _)| set >> (i % 64) & 1 == 1).map(|(_, file)| file.id).collect();
    Ok(MergeOptions::new().files(&chosen))
}

/// A merge with a write, that must succeed, each time that it tells of its progress; the rest of the writes after it.
fn merge_beside(db: &Db, disk: &SimVfs, always: bool, set: u64, writes: &[Step], history: &mut History) {
    let owned = writes.to_vec();
    let state = Arc::new(Mutex::new((std::mem::take(history), owned.into_iter())));
    let write_next = {
        let (state, db, disk) = (Arc::clone(&state), db.clone(), disk.clone());
        move || {
            let (history, writes) = &mut *state.lock().expect("no panic before");
            let Some(step) = writes.next() else { return false };
            let started = disk.op_count();
            write(&db, &step).expect("it writes beside a merge");
            if let Step::Expiring(_) = step {
                disk.advance(1);
            }
            history.push(changes_of(&step), started, disk.op_count());
            if always || syncs(&step) {
                history.durable_at(disk.op_count());
            }
            true
        }
    };
    let beside = write_next.clone();
    let options = merge_options(db, set).expect("figures").progress(move |_| {
        beside();
        ControlFlow::Continue(())
    });
    db.merge(&options).expect("it merges");
    drop(options);
    while write_next() {}
    *history = std::mem::take(&mut state.lock().expect("no panic").0);
}
