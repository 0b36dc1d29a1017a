//! Every operation of every workload fails, in every way, once and for ever; then the disk is well again, or not.
//!
//! Checked (P6): no call panics or says anything but that I/O failed; what a failed write would have written is nowhere, then
//! or later; everything acknowledged can be read all the time; a store that did not stop writing writes again when the disk
//! is well; one that stopped says so to every writer and syncs nothing more. A reopen after a kill shows everything
//! acknowledged, and a power cut behind it takes nothing of that; a power cut instead leaves a prefix with everything that
//! was acknowledged as durable (P2). The same for faults while a crashed store is recovered.

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, Short, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::vfs::trickle::TrickleVfs;
use bitcask::{Db, Durability, Error, IoKind, Options};

use common::history::{History, NEVER, apply, changes_of, record, step_on, syncs, write};
use common::threads::{Slow, ThreadsVfs};
use common::workload::{self, Change, Step, Workload};
use common::{Counter, Map, Rng, dump, factor, index, is_io, open, parallel, quiet, report};

/// A workload that goes on through whatever fails.
struct Run {
    disk: SimVfs,
    vfs: FaultVfs,
    options: Options,
    always: bool,
    /// The disk fails without an injected fault.
    fails_itself: bool,
    /// What is done beside its callers: by threads, of which some syncs take their time, or in turn.
    beside: Option<Beside>,
    db: Option<Db>,
    history: History,
    /// The store said that it stopped writing.
    stopped: bool,
    /// The commit by which it stopped, whose fate the next opening tells.
    unknown: Option<Vec<Change>>,
    /// Syncs of directories that had failed when the store was opened. One that fails later stops the writes, also where it was nobody's error.
    unsynced_names: usize,
    name: String,
}

#[derive(Clone, Copy)]
enum Beside {
    Threads(Slow),
    InTurn,
}

impl Run {
    fn new(options: &Options, always: bool, name: String, disk: SimVfs, vfs: FaultVfs) -> Run {
        let history = History::default();
        Run {
            disk,
            vfs,
            options: options.clone(),
            always,
            fails_itself: false,
            beside: None,
            db: None,
            history,
            stopped: false,
            unknown: None,
            unsynced_names: 0,
            name,
        }
    }

    fn failed_dir_syncs(&self) -> usize {
        self.vfs.fired_ops().iter().filter(|(kind, _)| *kind == OpKind::SyncDir).count()
    }

    fn fail(&self, why: impl std::fmt::Display) -> ! {
        panic!("{}: {why}\nfailed: {:?}", self.name, self.vfs.fired_ops())
    }

    /// An error of the disk, and none of ours.
    fn expect_io(&self, error: &Error) {
        if !is_io(error) || !(self.vfs.fired() || self.fails_itself) {
            self.fail(format!("an error that is not the disk's: {error:?}"));
        }
    }

    fn try_to_open(&self) -> bitcask::Result<Db> {
        match self.beside {
            Some(Beside::Threads(slow)) => open(ThreadsVfs::over(self.vfs.clone(), slow), &self.options),
            Some(Beside::InTurn) => open(ThreadsVfs::in_turn(self.vfs.clone()), &self.options),
            None => open(self.vfs.clone(), &self.options),
        }
    }

    /// Opens the store, at the second attempt with a disk that is well; what it shows must be what was acknowledged.
    fn open(&mut self) {
        self.unsynced_names = self.failed_dir_syncs();
        let db = match self.try_to_open() {
            Ok(db) => db,
            Err(error) => {
                self.expect_io(&error);
                self.vfs.heal();
                self.unsynced_names = self.failed_dir_syncs();
                self.try_to_open().unwrap_or_else(|e| self.fail(format!("still does not open: {e}")))
            }
        };
        if !db.open_report().damage.is_empty() {
            self.fail(format!("a fault passes for damage: {:?}", db.open_report().damage));
        }
        self.stopped = false;
        match dump(&db) {
            Ok(found) => self.resolve(&found),
            Err(error) => {
                self.expect_io(&error);
                self.vfs.heal();
                self.resolve(&dump(&db).unwrap_or_else(|e| self.fail(e)));
            }
        }
        self.db = Some(db);
    }

    /// Finds out what became of the commit by which writing stopped.
    fn resolve(&mut self, found: &Map) {
        let unknown = self.unknown.take();
        if found != self.history.last() {
            self.history.push(unknown.unwrap_or_default(), 0, self.disk.op_count());
        }
        if found != self.history.last() {
            let n = self.history.commits.len();
            self.fail(format!("not what was acknowledged: {}", self.history.explain(found, n, n)));
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Tick(ms) => self.disk.advance(*ms),
            Step::Reopen => {
                if let Some(db) = self.db.take() {
                    match db.close() {
                        Ok(()) => self.history.durable_at(self.disk.op_count()),
                        Err(error) => self.expect_io(&error),
                    }
                }
                self.open();
            }
            step => self.write(step),
        }
    }

    fn write(&mut self, step: &Step) {
        let db = self.db.as_ref().expect("it is open");
        let (started, changes) = (self.disk.op_count(), changes_of(step));
        let outcome = write(db, step);
        if let Step::Expiring(_) = step {
            self.disk.advance(1);
        }
        match outcome {
            Ok(_) => {
                if self.stopped {
                    self.fail(format!("a write after writing had stopped: {step:?}"));
                }
                if !changes.is_empty() {
                    self.history.push(changes, started, self.disk.op_count());
                }
                if self.always || syncs(step) {
                    self.history.durable_at(self.disk.op_count());
                }
            }
            Err(error) => {
                self.expect_io(&error);
                let first = !self.stopped;
                if matches!(error, Error::WritesStopped { .. }) {
                    self.stopped = true;
                    if first {
                        self.unknown = Some(changes);
                    }
                } else if self.stopped {
                    self.fail(format!("it had stopped and says now: {error:?} to {step:?}"));
                }
                self.read_all();
            }
        }
    }

    /// Everything acknowledged can be read, or the disk fails to.
    fn read_all(&self) {
        let db = self.db.as_ref().expect("it is open");
        let now = self.history.last();
        for key in self.history.states.iter().rev().take(4).flat_map(Map::keys) {
            match db.get(key) {
                Ok(found) if found.as_deref() == now.get(key).map(Vec::as_slice) => {}
                Ok(found) => self.fail(format!("{} is {found:?}", String::from_utf8_lossy(key))),
                Err(error) => self.expect_io(&error),
            }
        }
    }

    /// After the workload: the disk is well.
    fn finish(mut self, n: usize) {
        self.vfs.heal();
        if self.db.is_none() {
            self.open();
        }
        let db = self.db.take().expect("it is open");
        let found = dump(&db).unwrap_or_else(|e| self.fail(format!("reading a well disk: {e}")));
        if found != *self.history.last() {
            let n = self.history.commits.len();
            self.fail(format!("what is read: {}", self.history.explain(&found, n, n)));
        }
        let vfs = self.vfs.clone();
        let syncs = || vfs.count(Fault::SyncFailureDroppingPages, &Filter::any().suffix(".data"));
        let before = (syncs(), self.stopped, self.history.commits.len());
        self.db = Some(db.clone());
        self.write(&Step::Put(b"key04".to_vec(), b"on a disk that is well".to_vec()));
        self.write(&Step::Sync);
        // A thread's sync may have failed before, which nobody was told yet.
        let is_told_now = self.beside.is_some() && self.vfs.fired() && self.stopped;
        let may_stop = before.1 || is_told_now || self.failed_dir_syncs() > self.unsynced_names;
        if !may_stop && (self.stopped || self.history.commits.len() == before.2) {
            self.fail("a store that had not stopped does not write on a well disk");
        }
        if self.stopped {
            let _ = db.close();
            // A thread that was on its way goes on where it was no sync that failed.
            let failed = |(kind, path): &(OpKind, PathBuf)| {
                *kind == OpKind::SyncData && path.to_string_lossy().ends_with(".data")
            };
            let is_over = self.beside.is_none() || self.vfs.fired_ops().iter().any(failed);
            if is_over && syncs() != before.0 {
                self.fail("a sync after one that failed");
            }
        }
        let killed = self.disk.kill();
        let (mut allowed, seen) = (self.history.clone(), killed.clone());
        let acked = allowed.commits.len();
        if let Some(unknown) = self.unknown.take() {
            allowed.push(unknown, 0, NEVER);
        }
        let (all, durable) = (allowed.commits.len(), allowed.durable(NEVER - 1));
        let again = self.look(&seen, n, &allowed, acked, all, "after a kill");
        if self.unsynced_names > 0 && forgets_removals(&self.disk) {
            // It went on since by what an opening could see.
            return;
        }
        self.go_on(&killed, n, &allowed, again);
        for choice in choices(&seen, n) {
            self.look(
                &seen.crash(seen.op_count(), &choice),
                n,
                &allowed,
                again,
                again,
                "after kill, reopen, power cut",
            );
        }
        for choice in choices(&self.disk, n) {
            let cut = self.disk.crash(self.disk.op_count(), &choice);
            self.look(&cut, n, &allowed, durable, all, "after a power cut");
        }
    }

    /// What is written behind a reopening stays over a power cut, whatever failed to be synced before it.
    fn go_on(&self, killed: &SimVfs, n: usize, allowed: &History, again: usize) {
        let disk = killed.kill();
        let db = open(disk.clone(), &quiet().index(index(n))).unwrap_or_else(|e| self.fail(e));
        let mut history = allowed.clone();
        history.commits.truncate(again);
        history.states.truncate(again + 1);
        let step = Step::PutSync(b"key05".to_vec(), b"behind the reopening".to_vec());
        write(&db, &step).unwrap_or_else(|e| self.fail(format!("a well disk behind a reopening: {e}")));
        history.push(changes_of(&step), 0, 0);
        for choice in choices(&disk, n) {
            let cut = disk.crash(disk.op_count(), &choice);
            self.look(&cut, n, &history, again + 1, again + 1, "after kill, reopen, write, power cut");
        }
    }

    /// Opens a disk and gives the prefix of the commits that is there.
    fn look(&self, disk: &SimVfs, n: usize, allowed: &History, from: usize, to: usize, when: &str) -> usize {
        let options = quiet().index(index(n));
        let db = open(disk.clone(), &options).unwrap_or_else(|e| self.fail(format!("{when} it does not open: {e}")));
        let damage = &db.open_report().damage;
        if !damage.is_empty() {
            self.fail(format!("{when} a fault passes for damage: {damage:?}"));
        }
        let found = dump(&db).unwrap_or_else(|e| self.fail(format!("{when}: {e}")));
        let prefix = allowed.prefix_of(&found, from, to);
        prefix.unwrap_or_else(|| self.fail(format!("{when}: {}", allowed.explain(&found, from, to))))
    }
}

/// Whether data files may come back of which the directory says that they are gone. No opening can know of them, and what was done since counts on
/// their absence (docs/MERGE.md, invariant 10).
fn forgets_removals(disk: &SimVfs) -> bool {
    let (mut pending, ops) = (false, disk.ops());
    ops.iter().any(|op| {
        match op.kind {
            OpKind::Remove => pending |= op.path.extension().is_some_and(|e| e == "data"),
            OpKind::SyncDir => pending = false,
            _ => {}
        }
        op.kind == OpKind::DropEntries && pending
    })
}

fn choices(disk: &SimVfs, n: usize) -> [CrashChoice; 3] {
    let mut rng = Rng(n as u64);
    let unsynced = disk.unsynced_ops(disk.op_count());
    let other = match n % 3 {
        0 => CrashChoice::KeepAll,
        1 => CrashChoice::DropOne(rng.below(unsynced)),
        _ => CrashChoice::Entries(rng.next()),
    };
    [CrashChoice::LoseUnsynced, CrashChoice::Pages { seed: rng.next(), unit: 512 }, other]
}

/// Plans for the n-th operation, of the ways to fail those that this number has its turn with.
fn plans(n: u64) -> Vec<Vec<Plan>> {
    let error = Fault::Error;
    let mut plans = vec![vec![Plan::once(error(errno::EIO), n)], vec![Plan::forever(error(errno::ENOSPC), n)]];
    match n % 6 {
        0 => plans.push(vec![Plan::forever(error(errno::EIO), n)]),
        1 => plans.push(vec![Plan::once(error(errno::EMFILE), n)]),
        2 => plans.push(vec![Plan::once(error(errno::EROFS), n), Plan::forever(error(errno::EROFS), n)]),
        3 => plans.push(vec![Plan::once(error(errno::EDQUOT), n)]),
        4 => plans.push(vec![Plan::once(error(errno::EINTR), n)]),
        // Two failures: the second hits the mending of the first.
        _ => plans.push(vec![Plan::once(error(errno::ENOSPC), n), Plan::once(error(errno::EIO), n + 1)]),
    }
    if n.is_multiple_of(3) {
        plans.push(vec![Plan::once(error(errno::ENOSPC), n), Plan::once(error(errno::EIO), n + 2)]);
    }
    plans
}

/// The same for the n-th write: it is cut short, and what follows is a full disk.
fn write_plans(n: u64) -> Vec<Vec<Plan>> {
    let short = |short, n| Plan::once(Fault::ShortWrite(short), n);
    let full = Plan { fault: Fault::Error(errno::ENOSPC), filter: writes(), nth: n + 1, forever: false };
    vec![
        vec![short(Short::Half, n)],
        vec![short(Short::Half, n), full.clone()],
        vec![short(Short::Bytes(31), n), Plan { forever: true, ..full }],
    ]
}

/// And for the n-th sync: it fails, and the pages are lost.
fn sync_plans(n: u64) -> Vec<Vec<Plan>> {
    let fault = Fault::SyncFailureDroppingPages;
    vec![vec![Plan::once(fault, n)], vec![Plan::forever(fault, n)]]
}

/// And for the n-th sync of a directory: it fails, and the names are lost.
fn dir_sync_plans(n: u64) -> Vec<Vec<Plan>> {
    let fault = Fault::SyncFailureDroppingEntries;
    vec![vec![Plan::once(fault, n)], vec![Plan::forever(fault, n)]]
}

fn writes() -> Filter {
    Filter::any().kinds(&[OpKind::Write])
}

fn run(workload: &Workload, way: &str, options: &Options, always: bool, plans: Vec<Plan>) -> (FaultVfs, Run) {
    let disk = SimVfs::new(11);
    let vfs = FaultVfs::over_sim(&disk);
    let name = format!("{}, written {way}: {plans:?}", workload.name);
    plans.into_iter().for_each(|plan| vfs.inject(plan));
    let mut run = Run::new(options, always, name, disk, vfs.clone());
    run.open();
    workload.steps.iter().for_each(|step| run.step(step));
    (vfs, run)
}

/// Faults while a thread brings the file before to stable storage, makes the next one, reserves space and writes hints: which operation one hits is
/// another in each run. The name says what failed.
#[test]
fn files_sealed_beside() {
    let beside = |n: usize| Beside::Threads(Slow(".data", Duration::from_micros([0, 300, 1500][n % 3])));
    sealed_beside("files sealed beside", 19, &beside);
}

/// The same in one order, in which a sealed file is as late as can be.
#[test]
fn files_sealed_in_turn() {
    let (stopped, background) = sealed_beside("files sealed in turn", 13, &|_| Beside::InTurn);
    assert!(stopped > 20 && background > 100, "{stopped} stopped, {background} by a file made ahead");
}

/// Runs each `step`th operation's faults. Gives how many runs stopped, and how many by a file that was made ahead.
fn sealed_beside(name: &str, step: usize, beside: &(dyn Fn(usize) -> Beside + Sync)) -> (u64, u64) {
    let (start, count) = (Instant::now(), Counter::default());
    let (stopped, background) = (Counter::default(), Counter::default());
    parallel(4, |seed| {
        let workload = workload::mixed("mixed", 80, [4096, 8192][seed % 2], 90 + seed as u64);
        let options = workload.options(Durability::None).io([IoKind::Mmap, IoKind::File][seed / 2]);
        let run = |plans: Vec<Plan>, n: usize| {
            let disk = SimVfs::new(11);
            let vfs = FaultVfs::over_sim(&disk);
            let name = format!("{name} {seed}, run {n}: {plans:?}");
            plans.into_iter().for_each(|plan| vfs.inject(plan));
            let mut run = Run::new(&options, false, name, disk, vfs.clone());
            run.beside = Some(beside(n));
            run.open();
            workload.steps.iter().for_each(|step| run.step(step));
            stopped.add(usize::from(run.stopped));
            let failed = vfs.fired_ops();
            background.add(usize::from(failed.iter().any(|op| format!("{op:?}").contains(".data.tmp"))));
            run.finish(n);
            count.add(1);
            vfs
        };
        let clean = run(Vec::new(), 0);
        let of = |fault| clean.count(fault, &Filter::any());
        (0..clean.total())
            .step_by(step)
            .for_each(|n| plans(n).into_iter().for_each(|plans| drop(run(plans, n as usize))));
        (0..of(Fault::SyncFailureDroppingPages))
            .step_by(2)
            .for_each(|n| sync_plans(n).into_iter().for_each(|plans| drop(run(plans, n as usize))));
    });
    report("io faults", format!("{name}: {} runs, {} stopped", count.get(), stopped.get()), start);
    (stopped.get(), background.get())
}

fn workload_suite(workload: &Workload) {
    let (start, count) = (Instant::now(), Counter::default());
    for (way, options, always) in workload.ways() {
        let run = |plans| run(workload, way, &options, always, plans);
        let (vfs, clean) = run(Vec::new());
        clean.finish(0);
        let of = |fault| vfs.count(fault, &Filter::any());
        let mut cases: Vec<Vec<Plan>> = (0..vfs.total()).flat_map(plans).collect();
        cases.extend((0..of(Fault::ShortWrite(Short::Half))).flat_map(write_plans));
        cases.extend((0..of(Fault::SyncFailureDroppingPages)).flat_map(sync_plans));
        // The first is of the directory that the store is made in.
        cases.extend((1..of(Fault::SyncFailureDroppingEntries)).flat_map(dir_sync_plans));
        parallel(cases.len(), |n| run(cases[n].clone()).1.finish(n));
        count.add(cases.len());
    }
    report("io faults", format!("{}: {} runs", workload.name, count.get()), start);
}

macro_rules! workload_tests {
    ($($name:ident = $nth:literal;)*) => { $(#[test] fn $name() { workload_suite(&workload::all(true)[$nth]) })* };
}

workload_tests! {
    put = 0;
    overwrite = 1;
    delete = 2;
    batch = 3;
    batch_over_files = 4;
    rotate = 5;
    sync = 6;
    reopen = 7;
    mixed = 8;
    mixed_in_one_file = 9;
    bulk_load = 10;
    checkpoint = 11;
    merge = 12;
    merge_beside_writes = 13;
    delete_merge_merge_reopen = 14;
}

/// What expires, sweeps, and merges that begin with one.
#[test]
fn expiry() {
    workload_suite(&workload::expiry(9));
}

#[test]
fn expiry_beside_merges() {
    workload_suite(&workload::expiry_beside_merges(13));
}

/// All workloads, and those with what expires.
fn with_expiry() -> Vec<Workload> {
    let mut workloads = workload::all(true);
    workloads.extend([workload::expiry(18), workload::expiry_beside_merges(24)]);
    workloads
}

/// Faults at every operation of the recovery from a crash: it fails cleanly or succeeds, and the next one finds the same.
#[test]
fn recovery() {
    let (start, count) = (Instant::now(), Counter::default());
    let workloads = with_expiry();
    parallel(workloads.len(), |w| {
        let workload = &workloads[w];
        let options = workload.options(Durability::None);
        let recorded = record(workload, &options, false, |_| {});
        let (disk, history) = (&recorded.disk, &recorded.history);
        let mut rng = Rng(w as u64);
        for image in 0..10 * factor() {
            let at = rng.below(disk.op_count() + 1);
            let choice = match image % 4 {
                0 => CrashChoice::LoseUnsynced,
                1 => CrashChoice::CutLastWrite(rng.below(disk.last_write_len(at).unwrap_or(1))),
                2 => CrashChoice::Pages { seed: rng.next(), unit: 512 },
                _ => CrashChoice::DropOne(rng.below(disk.unsynced_ops(at))),
            };
            let (from, to) = (history.durable(at), history.started(at));
            let crashed = || disk.crash(at, &choice);
            let total = {
                let vfs = FaultVfs::over_sim(&crashed());
                drop(open(vfs.clone(), &quiet()).expect("it opens"));
                vfs.total()
            };
            let cases =
                (0..total).flat_map(plans).chain((0..4).flat_map(write_plans)).chain((0..4).flat_map(sync_plans));
            for (n, plans) in cases.enumerate() {
                let name = format!("{}: {choice:?} at {at}, recovered with {plans:?}", workload.name);
                let disk = crashed();
                let vfs = FaultVfs::over_sim(&disk);
                plans.into_iter().for_each(|plan| vfs.inject(plan));
                let mut run = Run::new(&quiet(), false, name, disk.clone(), vfs.clone());
                let seen = match open(vfs.clone(), &quiet()) {
                    Ok(db) => dump(&db).ok(),
                    Err(error) => {
                        run.expect_io(&error);
                        None
                    }
                };
                vfs.heal();
                run.history = history.clone();
                let prefix = seen.map(|seen| {
                    history.prefix_of(&seen, from, to).unwrap_or_else(|| {
                        run.fail(history.explain(&seen, from, to));
                    })
                });
                let (from, to) = prefix.map_or((from, to), |n| (n, n));
                let killed = disk.kill();
                let cut = disk.crash(disk.op_count(), &choices(&disk, n)[n % 3]);
                run.look(&killed, n, history, from, to, "after a kill");
                run.look(&cut, n, history, from, to, "after a power cut");
                count.add(1);
            }
        }
    });
    report("io faults", format!("recovery: {} runs", count.get()), start);
}

/// A disk that really gets full: writes go as far as they can. When there is room again everything goes on.
#[test]
fn a_full_disk() {
    let (start, count) = (Instant::now(), Counter::default());
    let workloads = with_expiry();
    parallel(workloads.len(), |w| {
        let workload = &workloads[w];
        let options = workload.options(Durability::None);
        for capacity in (0..40).map(|n| n * 397 + 3) {
            let disk = SimVfs::new(5);
            let vfs = FaultVfs::over_sim(&disk);
            let name = format!("{} on {capacity} bytes", workload.name);
            let mut run = Run::new(&options, false, name, disk.clone(), vfs);
            run.fails_itself = true;
            disk.set_capacity(Some(capacity));
            match open(disk.clone(), &options) {
                Ok(db) => drop(db),
                Err(error) => assert!(is_io(&error), "{}: {error:?}", run.name),
            }
            disk.set_capacity(None);
            run.open();
            disk.set_capacity(Some(capacity.max(300)));
            for (i, step) in workload.steps.iter().enumerate() {
                if i % 16 == 15 || matches!(step, Step::Reopen) {
                    disk.set_capacity(None);
                }
                run.step(step);
                disk.set_capacity(Some(capacity.max(300)));
            }
            disk.set_capacity(None);
            assert!(!run.stopped, "{}: a full disk is no reason to stop for ever", run.name);
            run.finish(capacity as usize);
            count.add(1);
        }
    });
    report("io faults", format!("a full disk: {} runs", count.get()), start);
}

/// A file system that moves a byte at a time and interrupts every third call changes nothing, not a byte of the files.
#[test]
fn a_trickle() {
    for workload in workload::all(false) {
        let options = workload.options(Durability::Always);
        let plain = record(&workload, &options, true, |_| {});
        for (bytes, interrupt) in [(1, 3), (7, 2), (31, 0)] {
            let disk = SimVfs::new(7);
            let vfs = TrickleVfs::with(Arc::new(disk.clone()), bytes, interrupt);
            let mut history = History::default();
            let mut db = open(vfs.clone(), &options).expect("it opens");
            for step in &workload.steps {
                step_on(&mut db, &vfs, &disk, &options, true, step, &mut history);
            }
            db.close().expect("it closes");
            assert_eq!(history.last(), plain.history.last());
            assert!(disk.files() == plain.disk.files(), "{}: other bytes through a trickle", workload.name);
            let db = open(vfs, &quiet().index(index(bytes))).expect("it opens again");
            let mut expected = history.last().clone();
            assert_eq!(dump(&db).expect("it reads"), expected, "{}", workload.name);
            let changes = vec![(b"key01".to_vec(), None), (b"k".to_vec(), Some(vec![7; 9000]))];
            write(&db, &Step::Batch(changes.clone())).expect("it writes");
            apply(&mut expected, &changes);
            assert_eq!(dump(&db).expect("it reads"), expected);
        }
    }
}
