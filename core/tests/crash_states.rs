//! Power cuts and kills at every operation of every workload, and again during the recovery from them.
//!
//! Each workload runs once on a simulated disk that remembers everything. From its history the disk is built that each
//! kind of cut may leave behind each operation, and opened. Checked each time: opening succeeds and reports no damage (P4: a
//! torn tail is none); the contents are the effect of a prefix of the commits, with every one acknowledged as durable and
//! no part of a batch (P1, P2); what a mere kill leaves has everything acknowledged; writing goes on; the next opening,
//! under the other kind of index or without hints, shows the same. A cut during recovery keeps all this, and one behind it
//! changes nothing that was seen.
//!
//! `BITCASK_CRASH_STATES=n` sets the number of states of the whole suite.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bitcask::vfs::fault::{Fault, FaultVfs, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, OpSummary, SimVfs};
use bitcask::{IndexKind, IoKind, MergeOptions, Options};

use common::history::{History, NEVER, Recorded, apply, changes_of, record, step_on, write};
use common::threads::{Slow, ThreadsVfs};
use common::workload::{self, Step, Workload, value};
use common::{Counter, IO_KINDS, Map, Rng, dump, factor, index, number_from_env, open, quiet, remove_hints, report};

/// Openings that began with an index on disk.
static INDEXES_USED: AtomicUsize = AtomicUsize::new(0);

/// Workloads, and the suites of their own below.
const SHARES: usize = 24;
const NORMAL: usize = 199_000;

fn share() -> usize {
    number_from_env("BITCASK_CRASH_STATES").unwrap_or(NORMAL * factor()) / SHARES
}

/// What may be found on a disk, and how to name the case if something else is.
struct Expected<'a> {
    history: &'a History,
    from: usize,
    to: usize,
    what: &'a dyn Fn() -> String,
}

impl Expected<'_> {
    /// The number of commits that the contents are the effect of.
    fn prefix(&self, found: &Map) -> usize {
        self.history.prefix_of(found, self.from, self.to).unwrap_or_else(|| {
            panic!("{}: no allowed state; {}", (self.what)(), self.history.explain(found, self.from, self.to))
        })
    }

    fn fail(&self, why: impl std::fmt::Display) -> ! {
        panic!("{}: {why}", (self.what)())
    }
}

/// Opens a disk for looking and checks what is there. `n` chooses among the ways of doing it.
fn check(disk: &SimVfs, n: usize, expected: &Expected<'_>) {
    if n % 8 == 6 {
        remove_hints(disk);
    }
    let read_only = (n % 8 == 5).then(|| look_without_touching(disk, n, expected));
    let options = quiet().index(index(n)).io(IO_KINDS[n / 8 % 2]);
    let db = open(disk.clone(), &options).unwrap_or_else(|e| expected.fail(format!("it does not open: {e}")));
    let damage = &db.open_report().damage;
    if !damage.is_empty() {
        expected.fail(format!("a crash passes for damage: {damage:?}"));
    }
    INDEXES_USED.fetch_add(usize::from(db.open_report().index_from.is_some()), Ordering::Relaxed);
    let mut state = dump(&db).unwrap_or_else(|e| expected.fail(e));
    expected.prefix(&state);
    if read_only.flatten().is_some_and(|seen| seen != state) {
        expected.fail("a reader beside saw something else than the writer after it");
    }
    for key in expected.history.states[expected.to].keys() {
        let got = db.get(key).unwrap_or_else(|e| expected.fail(e)).map(bitcask::Value::into_vec);
        if got.as_ref() != state.get(key) {
            expected.fail(format!("get and iteration disagree at {}", String::from_utf8_lossy(key)));
        }
    }
    if n % 2 == 1 {
        return;
    }
    let steps = [
        Step::Put(b"key01".to_vec(), value(b"key01", 100_000 + n, 40)),
        Step::Batch(vec![(b"key02".to_vec(), None), (b"new".to_vec(), Some(value(b"new", n, 3900)))]),
        Step::Put(b"newer".to_vec(), value(b"newer", n, 500)),
        Step::Delete(b"key03".to_vec()),
    ];
    for step in &steps {
        write(&db, step).unwrap_or_else(|e| expected.fail(format!("writing goes on: {e}")));
        apply(&mut state, &changes_of(step));
    }
    let next = match n % 6 {
        0 => disk.kill(),
        2 => {
            db.sync().unwrap_or_else(|e| expected.fail(e));
            disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced)
        }
        _ => {
            db.close().unwrap_or_else(|e| expected.fail(e));
            let next = disk.copy();
            if n % 12 == 4 {
                remove_hints(&next);
            }
            next
        }
    };
    let db = open(next, &quiet().index(index(n / 2))).unwrap_or_else(|e| expected.fail(format!("the next time: {e}")));
    if !db.open_report().damage.is_empty() || dump(&db).unwrap_or_else(|e| expected.fail(e)) != state {
        expected.fail(format!("what was written after it is not what is read: {:?}", db.open_report()));
    }
}

/// What a read-only opener sees, which must change nothing. `None` if there is no store yet.
fn look_without_touching(disk: &SimVfs, n: usize, expected: &Expected<'_>) -> Option<Map> {
    let before = (disk.op_count(), disk.tree());
    match open(disk.clone(), &quiet().index(index(n / 8)).read_only(true)) {
        Ok(db) => {
            let state = dump(&db).unwrap_or_else(|e| expected.fail(e));
            db.close().unwrap_or_else(|e| expected.fail(e));
            if (disk.op_count(), disk.tree()) != before {
                expected.fail(format!("a reader changed the disk: {:?}", disk.ops()));
            }
            Some(state)
        }
        Err(bitcask::Error::NoStore { .. }) => None,
        Err(e) => expected.fail(format!("it does not open for reading: {e}")),
    }
}

/// Opens a disk, cuts the recovery at some operations, and the disk again when it is done. Gives the number of states.
fn crash_in_recovery(disk: &SimVfs, n: usize, expected: &Expected<'_>, later_from: usize) -> usize {
    let mut rng = Rng(n as u64);
    let before = disk.op_count();
    let options = quiet().index(index(n));
    let db = open(disk.clone(), &options).unwrap_or_else(|e| expected.fail(format!("it does not open: {e}")));
    let seen = expected.prefix(&dump(&db).unwrap_or_else(|e| expected.fail(e)));
    let after = disk.op_count();
    let mut cuts: Vec<usize> = (before..after).collect();
    while cuts.len() > 6 {
        cuts.swap_remove(rng.below(cuts.len()));
    }
    cuts.sort_unstable();
    cuts.push(after);
    let mut states = 0;
    for at in cuts {
        let unsynced = disk.unsynced_ops(at);
        let unit = if rng.below(2) == 0 { 512 } else { 4096 };
        let mut choices = vec![
            CrashChoice::LoseUnsynced,
            CrashChoice::KeepAll,
            CrashChoice::Pages { seed: rng.next(), unit },
            CrashChoice::DropOne(rng.below(unsynced)),
            CrashChoice::Entries(rng.next()),
        ];
        if let Some(len) = disk.last_write_len(at) {
            choices.push(CrashChoice::CutLastWrite(rng.below(len)));
        }
        for choice in choices {
            let what = || {
                let ops = last_ops(disk, at);
                format!("{}, then {choice:?} at {at} of {before}..{after} in recovery\n{ops:#?}", (expected.what)())
            };
            // What was seen after an opening stays.
            let (from, to) = if at == after { (seen, seen) } else { (later_from, expected.to) };
            let again = Expected { history: expected.history, from, to, what: &what };
            check(&disk.crash(at, &choice), n + states, &again);
            states += 1;
        }
    }
    states
}

/// Places in a history with what is lost there, in order: each operation with all lost and with all kept, and `target`
/// in all.
fn cuts(disk: &SimVfs, target: usize) -> Vec<(usize, CrashChoice)> {
    let (mut must, mut more, mut rng) = (Vec::new(), Vec::new(), Rng(target as u64));
    for at in 0..=disk.op_count() {
        must.extend([(at, CrashChoice::LoseUnsynced), (at, CrashChoice::KeepAll)]);
        let (entries, pages) = (disk.unsynced_entries(at), disk.unsynced_pages(at, 512));
        for k in 0..disk.unsynced_ops(at) {
            more.extend([(at, CrashChoice::DropOne(k)), (at, CrashChoice::ZeroOne(k))]);
        }
        for len in 1..disk.last_write_len(at).unwrap_or(0) {
            if len <= 200 || len.is_multiple_of(61) {
                more.push((at, CrashChoice::CutLastWrite(len)));
            }
        }
        if entries <= 4 {
            must.extend((0..(1 << entries) - 1).map(|mask| (at, CrashChoice::Entries(mask))));
        } else {
            more.extend((0..24).map(|_| (at, CrashChoice::Entries(rng.next()))));
        }
        if pages <= 5 {
            more.extend((0..1 << pages).map(|mask| (at, CrashChoice::PageMask { unit: 512, mask })));
        }
        for _ in 0..6 {
            more.push((at, CrashChoice::Pages { seed: rng.next(), unit: 512 }));
            more.push((at, CrashChoice::Pages { seed: rng.next(), unit: 4096 }));
        }
    }
    while must.len() < target {
        if more.is_empty() {
            let unit = if rng.below(2) == 0 { 512 } else { 4096 };
            must.push((rng.below(disk.op_count() + 1), CrashChoice::Pages { seed: rng.next(), unit }));
        } else {
            must.push(more.swap_remove(rng.below(more.len())));
        }
    }
    must.sort_by_key(|(at, _)| *at);
    must
}

/// All that a history can come to; gives the number of states.
fn cut_everywhere(name: &str, recorded: &Recorded, target: usize) -> usize {
    let Recorded { disk, history } = recorded;
    let mut states = 0;
    // A third of the states come from cuts during recovery.
    for (n, (at, choice)) in cuts(disk, target * 2 / 3).into_iter().enumerate() {
        let durable = history.durable(at);
        let from = match choice {
            CrashChoice::KeepAll => history.acked(at),
            CrashChoice::CutLastWrite(_) => history.acked(at - 1).max(durable),
            _ => durable,
        };
        let what = || format!("{name}: {choice:?} at {at} of {}\n{:#?}", disk.op_count(), last_ops(disk, at));
        let expected = Expected { history, from, to: history.started(at), what: &what };
        check(&disk.crash(at, &choice), n, &expected);
        states += 1;
        if states < target && n % 40 == 7 {
            states += crash_in_recovery(&disk.crash(at, &choice), n, &expected, from);
        }
    }
    states
}

fn last_ops(disk: &SimVfs, at: usize) -> Vec<String> {
    let ops = disk.ops();
    let line = |i: usize| ops.get(i).map(|op| format!("{i}: {:?} {:?} {} {}", op.kind, op.path, op.offset, op.len));
    (at.saturating_sub(12)..(at + 2).min(ops.len())).filter_map(line).collect()
}

/// Kills the process before each of its operations; what it acknowledged stays, through the recovery and a power cut after
/// it. Gives the number of states.
fn kill_everywhere(name: &str, workload: &Workload, options: &Options, always: bool, target: usize) -> usize {
    let mut states = 0;
    let total = {
        let disk = SimVfs::new(7);
        let vfs = FaultVfs::over_sim(&disk);
        run_until_it_fails(workload, options, always, &vfs, &disk);
        vfs.total() as usize
    };
    let step = (total * 25 / target.max(1)).max(1);
    for n in (0..total).step_by(step) {
        let disk = SimVfs::new(7);
        let vfs = FaultVfs::over_sim(&disk);
        vfs.inject(Plan::forever(Fault::Error(errno::EIO), n as u64));
        let (history, killed) = run_until_it_fails(workload, options, always, &vfs, &disk);
        let at = disk.op_count();
        let what = || format!("{name}: killed before call {n}\n{:#?}", last_ops(&disk, at));
        let (from, to) = (history.acked(NEVER - 1), history.commits.len());
        let expected = Expected { history: &history, from, to, what: &what };
        check(&killed.kill(), n, &expected);
        states += 1 + crash_in_recovery(&killed, n, &expected, history.durable(NEVER - 1));
    }
    states
}

/// Runs a workload until an operation fails, which is when the process is killed: the disk is as it was then.
fn run_until_it_fails(
    workload: &Workload,
    options: &Options,
    always: bool,
    vfs: &FaultVfs,
    disk: &SimVfs,
) -> (History, SimVfs) {
    let mut history = History::default();
    let Ok(mut db) = open(vfs.clone(), options) else { return (history, disk.kill()) };
    for step in &workload.steps {
        match step {
            Step::Reopen => {
                if db.close().is_err() {
                    return (history, disk.kill());
                }
                history.durable_at(disk.op_count());
                match open(vfs.clone(), options) {
                    Ok(again) => db = again,
                    Err(_) => return (history, disk.kill()),
                }
            }
            step => {
                let started = disk.op_count();
                let done = write(&db, step).is_ok();
                if let Step::Expiring(_) = step {
                    disk.advance(1);
                }
                if !changes_of(step).is_empty() {
                    history.push(changes_of(step), started, if done { disk.op_count() } else { NEVER });
                }
                if !done {
                    return (history, disk.kill());
                }
                if always || common::history::syncs(step) {
                    history.durable_at(disk.op_count());
                }
            }
        }
        // The first failure of an advisory operation, such as writing a hint, is nobody's error.
        if vfs.fired() {
            return (history, disk.kill());
        }
    }
    (history, disk.kill())
}

fn workload_suite(workload: &Workload) {
    let (start, count) = (Instant::now(), Counter::default());
    for (way, options, always) in workload.ways() {
        let name = format!("{}, written {way}", workload.name);
        let recorded = record(workload, &options, always, |_| {});
        count.add(cut_everywhere(&name, &recorded, share() / 6));
        count.add(kill_everywhere(&name, workload, &options, always, share() / 18));
    }
    let used = INDEXES_USED.load(Ordering::Relaxed);
    report(
        "crash states",
        format!("{}: {} states; {used} indexes of all so far used", workload.name, count.get()),
        start,
    );
}

macro_rules! workload_tests {
    ($($name:ident = $nth:literal;)*) => { $(#[test] fn $name() { workload_suite(&workload::all(false)[$nth]) })* };
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

#[test]
fn expiry() {
    workload_suite(&workload::expiry(36));
}

#[test]
fn expiry_beside_merges() {
    workload_suite(&workload::expiry_beside_merges(36));
}

#[test]
fn ranges_and_transactions() {
    workload_suite(&workload::ranges(40));
}

/// The index is saved by a thread beside the writer, as often as it can be: what it does comes at any moment between the writer's operations.
#[test]
fn checkpoint_beside_writers() {
    let (start, count) = (Instant::now(), Counter::default());
    for seed in 0..4 {
        let workload = workload::mixed("mixed, the index saved beside", 300, 4096, 40 + seed);
        let kind = [IndexKind::BTree, IndexKind::Hash][seed as usize % 2];
        let options = workload.options(bitcask::Durability::None).index(kind).checkpoint_bytes(1);
        let recorded = record(&workload, &options, false, |_| {});
        let ops = recorded.disk.ops();
        let saved =
            ops.iter().filter(|op| op.kind == OpKind::Rename && op.path.ends_with("index.checkpoint.tmp")).count();
        assert!(saved > 3, "the index was saved {saved} times");
        count.add(cut_everywhere(workload.name, &recorded, share() / 4));
    }
    report("crash states", format!("index saved beside: {} states", count.get()), start);
}

/// Files that the log went on behind before they were on stable storage: a file got its name, and was written to, before the last sync of the one
/// before it.
fn left_behind(disk: &SimVfs) -> usize {
    let ops = disk.ops();
    let path = |op: &OpSummary| op.path.to_string_lossy().into_owned();
    let is_change = |op: &OpSummary| matches!(op.kind, OpKind::Write | OpKind::SetLen) && path(op).ends_with(".data");
    let mut count = 0;
    for (at, op) in ops.iter().enumerate() {
        if op.kind != OpKind::Rename || !path(op).ends_with(".data.tmp") {
            continue;
        }
        // The seal, or the cut behind it, was the last that happened to the one before.
        let Some(sealed) = ops[..at].iter().rev().find(|op| is_change(op)).map(path) else { continue };
        let behind = &ops[at..];
        let wrote = behind.iter().position(|op| is_change(op) && path(op) != sealed);
        let synced = behind.iter().position(|op| op.kind == OpKind::SyncData && path(op) == sealed);
        count += usize::from(matches!((wrote, synced), (Some(wrote), Some(synced)) if wrote < synced));
    }
    count
}

/// The log goes on in the next file while a thread brings the one before to stable storage, makes the next, reserves space and writes hints: what they do comes at
/// any moment between the writer's operations, and late.
#[test]
fn rotation_beside_writers() {
    let (start, count) = (Instant::now(), Counter::default());
    let mut left = 0;
    // Whether a thread is late is its own affair; the same with one that always is comes next.
    for seed in 0..6 {
        let file = [4096, 8192][seed % 2];
        let workload = workload::mixed("mixed, files sealed beside", 160, file, 70 + seed as u64);
        let io = [IoKind::Mmap, IoKind::File][seed / 2 % 2];
        let options = workload.options(bitcask::Durability::None).io(io);
        let disk = SimVfs::new(7);
        let vfs = ThreadsVfs::over(disk.clone(), Slow(".data", Duration::from_millis([0, 1, 4][seed % 3])));
        let recorded = record_over(&vfs, disk, &workload, &options);
        left += left_behind(&recorded.disk);
        count.add(cut_everywhere(&format!("{}, {seed}", workload.name), &recorded, share() / 6));
        count.add(merge_after_cuts(&recorded, 150));
    }
    report("crash states", format!("files sealed beside: {} states, {left} files left behind", count.get()), start);
}

fn record_over(vfs: &ThreadsVfs, disk: SimVfs, workload: &Workload, options: &Options) -> Recorded {
    let mut history = History::default();
    let mut db = open(vfs.clone(), options).expect("a new store opens");
    for step in &workload.steps {
        step_on(&mut db, vfs, &disk, options, false, step, &mut history);
    }
    db.close().expect("it closes");
    history.durable_at(disk.op_count());
    Recorded { disk, history }
}

/// The same in one order: the writer does what threads would, and a sealed file is brought to stable storage only when the next one is to be, or somebody needs
/// it: a sync, a merge, a load, a batch over several files, an index that is saved, a close. Every operation in between is one that the power fails at.
#[test]
fn rotation_in_turn() {
    let (start, count) = (Instant::now(), Counter::default());
    let mut left = 0;
    // Those that go on in a next file in ways of their own.
    let mut workloads = workload::all(true);
    let wanted =
        ["rotate", "batch over files", "mixed", "bulk load", "checkpoint", "merge", "delete, merge, merge, reopen"];
    workloads.retain(|workload| wanted.contains(&workload.name));
    assert_eq!(workloads.len(), wanted.len());
    let shares = workloads.len() + 1;
    for (n, workload) in workloads.iter().enumerate() {
        let ways: Vec<_> = workload.ways().into_iter().filter(|(_, _, always)| !always).collect();
        let (way, options, _) = &ways[n % ways.len()];
        let name = format!("{}, written {way}, files sealed in turn", workload.name);
        let disk = SimVfs::new(7);
        let recorded = record_over(&ThreadsVfs::in_turn(disk.clone()), disk, workload, options);
        left += left_behind(&recorded.disk);
        count.add(cut_everywhere(&name, &recorded, share() / shares));
    }
    // An index that is saved beside syncs the log that it speaks of, with all that is behind the writer.
    let workload = workload::mixed("mixed, the index saved beside, files sealed in turn", 80, 4096, 44);
    let options = workload.options(bitcask::Durability::None).checkpoint_bytes(1);
    let disk = SimVfs::new(7);
    let recorded = record_over(&ThreadsVfs::in_turn(disk.clone()), disk, &workload, &options);
    let is_save = |op: &&OpSummary| op.kind == OpKind::Rename && op.path.ends_with("index.checkpoint.tmp");
    assert!(recorded.disk.ops().iter().filter(is_save).count() > 3);
    count.add(cut_everywhere(workload.name, &recorded, share() / shares));
    assert!(left > 8, "the log went on before a file was on stable storage {left} times");
    report("crash states", format!("files sealed in turn: {} states, {left} files left behind", count.get()), start);
}

/// What a cut leaves of sealed files has no bytes that are not accounted for: a merge takes all of them, and changes nothing.
fn merge_after_cuts(recorded: &Recorded, states: usize) -> usize {
    let mut rng = Rng(states as u64);
    for n in 0..states {
        let at = rng.below(recorded.disk.op_count() + 1);
        let unit = [512, 4096][n % 2];
        let choice = CrashChoice::Pages { seed: rng.next(), unit };
        let what = || format!("{choice:?} at {at}\n{:#?}", last_ops(&recorded.disk, at));
        let db = open(recorded.disk.crash(at, &choice), &quiet().index(index(n)));
        let db = db.unwrap_or_else(|e| panic!("{}: {e}", what()));
        let before = dump(&db).unwrap_or_else(|e| panic!("{}: {e}", what()));
        let merged = db.merge(&MergeOptions::new().everything(true)).unwrap_or_else(|e| panic!("{}: {e}", what()));
        // The older headers of the last file say less of the one before.
        let is_left = |(_, why): &(bitcask::FileId, String)| why.contains("a batch goes on from it");
        assert!(merged.skipped_files.iter().all(is_left), "{}: {merged:?}", what());
        assert_eq!(dump(&db).expect("it reads"), before, "{}", what());
    }
    states
}
