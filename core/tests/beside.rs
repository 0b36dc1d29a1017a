//! A reader in another process beside a writer (P7), on the simulated disk: it refreshes between any two operations of the writer and in the
//! midst of each write, while the writer puts, removes, commits batches, changes files, fails and is opened again; and the writer goes on between any
//! two operations of the reader.
//!
//! Checked after every refresh: what the reader shows is the effect of a prefix of the commits, no shorter than the last time, with at least
//! everything that was acknowledged when the refresh began. Iterators and snapshots from before go on showing what they showed. The
//! reader changes nothing on the disk.

mod common;

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::SimVfs;
use bitcask::vfs::{DirEntry, OpenMode, Vfs, VfsFile};
use bitcask::{BulkOptions, Db, Durability, Error, IndexKind, Iter, IterOptions, MergeOptions, Options, Snapshot};

use common::history::{apply, changes_of, write};
use common::watched::{WatchedVfs, Watcher};
use common::workload::{self, Step};
use common::{Counter, DIR, IO_KINDS, KINDS, Map, Rng, at, dump, factor, open, parallel, quiet, report};

/// All states that the writer's store went through.
#[derive(Debug, Default)]
struct Written {
    states: Mutex<Vec<Map>>,
    /// Acknowledged are the first so many commits.
    acked: AtomicUsize,
}

/// A reader that looks at every moment.
struct Beside {
    db: Option<Db>,
    disk: SimVfs,
    options: Options,
    written: Arc<Written>,
    /// Number of commits that were seen.
    shown: usize,
    /// Moments that are kept for a while.
    kept: VecDeque<(Iter, Snapshot, Map)>,
    looks: usize,
}

fn rest(iter: &mut Iter) -> Map {
    iter.rewind();
    iter.map(|record| record.map(|(key, value)| (key, value.into_vec())).expect("it reads")).collect()
}

impl Beside {
    fn look(&mut self) {
        self.looks += 1;
        let acked = self.written.acked.load(Ordering::SeqCst);
        let operations = self.disk.op_count();
        let is_changed = match &self.db {
            None => {
                match open(self.disk.clone(), &self.options.clone().read_only(true)) {
                    Ok(db) => self.db = Some(db),
                    // The writer is just making it.
                    Err(Error::NoStore { .. }) if acked == 0 => return,
                    Err(Error::Io { .. }) if acked == 0 => return,
                    Err(error) => panic!("a reader does not open: {error}"),
                }
                true
            }
            Some(db) => db.refresh().expect("it refreshes").is_changed(),
        };
        let db = self.db.as_ref().expect("it is open");
        if is_changed || self.looks.is_multiple_of(50) {
            let state = dump(db).expect("it reads");
            let states = self.written.states.lock().expect("the states");
            let found = (self.shown.max(acked)..states.len()).find(|&n| states[n] == state);
            let Some(found) = found else {
                let near: Vec<_> = (0..states.len()).filter(|&n| states[n] == state).collect();
                panic!(
                    "it shows what {near:?} commits did; {} were shown, {acked} acknowledged, {} begun; look {}: {state:?}",
                    self.shown,
                    states.len() - 1,
                    self.looks
                );
            };
            // The longest prefix with this effect may be longer than the one that it read; the shortest is not.
            self.shown = found;
            drop(states);
            if self.looks.is_multiple_of(7) {
                self.kept.push_back((
                    db.iter(&IterOptions::new()).expect("an iterator"),
                    db.snapshot().expect("a snapshot"),
                    state,
                ));
            }
        } else {
            assert!(acked <= self.shown || self.same(acked), "nothing new although {acked} commits were acknowledged");
        }
        if self.kept.len() > 5 {
            let (mut iter, snapshot, state) = self.kept.pop_front().expect("one");
            assert_eq!(rest(&mut iter), state, "an iterator shows another moment");
            assert_eq!(snapshot.len().expect("a length"), state.len() as u64);
            for (key, value) in &state {
                let got = snapshot.get(key).expect("it reads").map(bitcask::Value::into_vec);
                assert_eq!(got.as_ref(), Some(value), "a snapshot shows another moment");
            }
        }
        assert_eq!(self.disk.op_count(), operations, "a reader changed the disk");
    }

    /// Whether so many commits came to what is shown.
    fn same(&self, commits: usize) -> bool {
        let states = self.written.states.lock().expect("the states");
        states[commits] == states[self.shown]
    }
}

/// Runs steps with a reader beside, and gives how often it looked. A failing step is none, if the store goes on.
fn run(steps: &[Step], options: &Options, reader: &Options, plan: Option<Plan>) -> usize {
    let disk = SimVfs::new(11);
    let watcher = Watcher::default();
    let faults = FaultVfs::new(Arc::new(disk.clone()));
    let vfs = WatchedVfs { inner: Arc::new(faults.clone()), watcher: watcher.clone() };
    let written = Arc::new(Written { states: Mutex::new(vec![Map::new()]), acked: AtomicUsize::new(0) });
    let beside = Arc::new(Mutex::new(Beside {
        db: None,
        disk: disk.other_process(),
        options: reader.clone(),
        written: Arc::clone(&written),
        shown: 0,
        kept: VecDeque::new(),
        looks: 0,
    }));
    let looking = Arc::clone(&beside);
    watcher.set(move || looking.lock().expect("the reader").look());
    let mut db = open(vfs.clone(), options).expect("it opens");
    if let Some(plan) = plan {
        faults.inject(plan);
    }
    for step in steps {
        match step {
            Step::Reopen => {
                let _ = db.close();
                drop(db);
                faults.heal();
                db = open(vfs.clone(), options).expect("it opens again");
            }
            Step::Tick(ms) => disk.advance(*ms),
            step => {
                let before = {
                    let mut states = written.states.lock().expect("the states");
                    let before = states.last().expect("a state").clone();
                    let mut after = before.clone();
                    apply(&mut after, &changes_of(step));
                    states.push(after);
                    before
                };
                match write(&db, step) {
                    Ok(_) => {}
                    // What a failed sync leaves may be read, and is there after a reopen.
                    Err(Error::WritesStopped { .. }) => {
                        db.close().expect_err("it is stopped");
                        faults.heal();
                        db = open(vfs.clone(), options).expect("it opens again");
                        if dump(&db).expect("it reads") == before {
                            take_back(&written, &beside, before);
                        }
                    }
                    Err(Error::Io { .. }) => take_back(&written, &beside, before),
                    Err(error) => panic!("{error}"),
                }
                let commits = written.states.lock().expect("the states").len() - 1;
                written.acked.store(commits, Ordering::SeqCst);
            }
        }
        watcher.look();
    }
    faults.heal();
    db.close().expect("it closes");
    watcher.look();
    watcher.clear();
    let beside = beside.lock().expect("the reader");
    let last = written.states.lock().expect("the states").last().cloned().expect("a state");
    assert_eq!(dump(beside.db.as_ref().expect("a reader")).expect("it reads"), last);
    beside.looks
}

/// The last commit failed: the writer took it back, and a reader that saw it goes back too.
fn take_back(written: &Written, beside: &Mutex<Beside>, before: Map) {
    let mut states = written.states.lock().expect("the states");
    states.pop();
    assert_eq!(states.last(), Some(&before));
    let mut beside = beside.lock().expect("the reader");
    beside.shown = beside.shown.min(states.len() - 1);
}

#[test]
fn at_every_operation_of_a_writer() {
    let (since, looks) = (Instant::now(), Counter::default());
    let workloads = workload::all(true);
    parallel(workloads.len() * 4, |n| {
        let workload = &workloads[n / 4];
        let durability = if n % 2 == 0 { Durability::None } else { Durability::Always };
        let options = workload.options(durability).io(IO_KINDS[n / 2 % 2]);
        let reader = options.clone().index(KINDS[n % KINDS.len()]);
        looks.add(run(&workload.steps, &options, &reader, None));
    });
    report("beside", format!("{} looks of a reader", looks.get()), since);
}

#[test]
fn at_every_operation_of_a_writer_that_fails() {
    let (since, looks) = (Instant::now(), Counter::default());
    let workloads = workload::all(true);
    let kinds = [
        OpKind::Write,
        OpKind::SyncData,
        OpKind::SetLen,
        OpKind::Create,
        OpKind::SyncDir,
        OpKind::Allocate,
        OpKind::Fill,
    ];
    parallel(workloads.len() * kinds.len() * 3, |n| {
        let workload = &workloads[n % workloads.len()];
        let (kind, nth) = (kinds[n / workloads.len() % kinds.len()], n / workloads.len() / kinds.len());
        let options = workload.options(Durability::None);
        let reader = options.clone().index(KINDS[n % KINDS.len()]);
        let plan = Plan::once(Fault::Error(errno::ENOSPC), (nth * 17) as u64).of(Filter::any().kinds(&[kind]));
        looks.add(run(&workload.steps, &options, &reader, Some(plan)));
    });
    report("beside", format!("{} looks of a reader beside a writer that fails", looks.get()), since);
}

/// The disk as a reader sees it, whose writer may go on before each operation.
#[derive(Clone, Debug)]
struct Overtaken {
    inner: SimVfs,
    writer: Watcher,
}

impl Vfs for Overtaken {
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.writer.look();
        self.inner.list(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        self.writer.look();
        self.inner.open(path, mode)
    }

    bitcask::pass_on!(rename remove sync_dir create_dir entry_kind canonicalize lock free_bytes now random process_id process_generation);
}

/// Writes one commit, which may be larger than a data file, and tells `written` of it. Now and then loads or merges.
fn one_more(db: &Db, rng: &mut Rng, written: &Written) {
    let mut after = written.states.lock().expect("the states").last().expect("a state").clone();
    let (mut batch, mut load) = (db.batch(), db.bulk_load(BulkOptions::new()).expect("a load"));
    let is_load = rng.below(8) == 0;
    for _ in 0..[1, 1, 3, 8][rng.below(4)] {
        let key = vec![b'a' + rng.below(12) as u8];
        if !is_load && rng.below(4) == 0 {
            batch.delete(&key).expect("a delete");
            after.remove(&key);
            continue;
        }
        let value = vec![rng.below(256) as u8; [0, 30, 500, 2000, 6000][rng.below(5)]];
        if is_load {
            load.put(&key, &value).expect("a put");
        } else {
            batch.put(&key, &value).expect("a put");
        }
        after.insert(key, value);
    }
    written.states.lock().expect("the states").push(after);
    if is_load {
        load.finish().expect("finish");
    } else {
        batch.commit().expect("commit");
    }
    written.acked.fetch_add(1, Ordering::SeqCst);
    if rng.below(5) == 0 {
        db.merge(&MergeOptions::new().everything(rng.below(2) == 0)).expect("merge");
    }
}

/// A writer that goes on in the midst of a look: files and hints come and go between the listing and what is read.
#[test]
fn a_writer_that_overtakes_a_reader_who_looks() {
    parallel(KINDS.len() * 24 * factor(), |seed| {
        let options = quiet().max_file_size(Options::MIN_MAX_FILE_SIZE).index(KINDS[seed % KINDS.len()]);
        let disk = SimVfs::new(seed as u64);
        let db = open(disk.clone(), &options).expect("it opens");
        let written = Arc::new(Written { states: Mutex::new(vec![Map::new()]), acked: AtomicUsize::new(0) });
        let mut rng = Rng(seed as u64 + 1);
        one_more(&db, &mut rng, &written);
        let writer = Watcher::default();
        let beside = Overtaken { inner: disk.other_process(), writer: writer.clone() };
        let reader = options.clone().read_only(true).index(KINDS[seed / KINDS.len() % KINDS.len()]);
        let writes = (db.clone(), Arc::clone(&written));
        // No more than a look can keep up with.
        let allowed = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&allowed);
        writer.set(move || {
            if rng.below(6) == 0 && left.load(Ordering::SeqCst) > 0 {
                left.fetch_sub(1, Ordering::SeqCst);
                one_more(&writes.0, &mut rng, &writes.1);
            }
        });
        let mut reading: Option<Db> = None;
        let mut shown = 0;
        for look in 0..60 {
            let acked = written.acked.load(Ordering::SeqCst);
            allowed.store(4, Ordering::SeqCst);
            match &reading {
                Some(db) if look % 10 != 9 => {
                    db.refresh().unwrap_or_else(|e| panic!("seed {seed}, look {look}: {e}"));
                }
                _ => {
                    reading =
                        Some(open(beside.clone(), &reader).unwrap_or_else(|e| panic!("seed {seed}, look {look}: {e}")))
                }
            }
            allowed.store(0, Ordering::SeqCst);
            let state = dump(reading.as_ref().expect("a reader")).expect("it reads");
            let states = written.states.lock().expect("the states");
            let found = (acked.max(shown)..states.len()).find(|&n| states[n] == state);
            let Some(found) = found else {
                let near: Vec<_> = (0..states.len()).filter(|&n| states[n] == state).collect();
                panic!(
                    "seed {seed}, look {look}: it shows what {near:?} commits did; {acked} were acknowledged, {shown} shown"
                );
            };
            shown = found;
        }
        writer.clear();
        db.close().expect("it closes");
    });
}

/// A store of one file with so many keys, and a reader of it.
fn with_reader(options: &Options) -> (SimVfs, Db, Db) {
    let disk = SimVfs::new(3);
    let db = open(disk.clone(), options).expect("it opens");
    for n in 0..20 {
        db.put(format!("key{n:02}").as_bytes(), format!("first {n}").as_bytes()).expect("it writes");
    }
    let reader = open(disk.other_process(), &options.clone().read_only(true)).expect("it opens");
    (disk, db, reader)
}

#[test]
fn what_a_writer_takes_back_and_writes_over_is_never_mixed() {
    for kind in KINDS {
        let options = quiet().max_file_size(1 << 20).index(kind);
        let (disk, db, reader) = with_reader(&options);
        let before = disk.bytes(&at("1.data")).expect("the file");
        // Two futures of the same file: as after an append that failed, and the next one.
        let other = disk.copy();
        let old_len = db.stats().expect("figures").data_bytes;
        for n in 0..5 {
            db.put(b"key03", format!("taken back {n}").as_bytes()).expect("it writes");
            db.put(format!("gone{n}").as_bytes(), b"gone").expect("it writes");
        }
        assert_eq!(reader.refresh().expect("it refreshes").records, 10);
        assert_eq!(reader.get(b"key03").expect("it reads").as_deref(), Some(&b"taken back 4"[..]));
        let old = reader.snapshot().expect("a snapshot");
        drop(db);

        // Cut back: reading what is gone is an error that tells to refresh.
        disk.truncate(&at("1.data"), old_len);
        let gone = reader.get(b"key03");
        assert!(matches!(gone, Err(Error::Stale { .. })), "{kind:?}: {gone:?}");
        assert!(matches!(old.get(b"gone0"), Err(Error::Stale { .. })));
        assert_eq!(reader.get(b"key04").expect("it reads").as_deref(), Some(&b"first 4"[..]));
        let refreshed = reader.refresh().expect("it refreshes");
        assert!(refreshed.reloaded, "{kind:?}: {refreshed:?}");
        assert_eq!(reader.get(b"key03").expect("it reads").as_deref(), Some(&b"first 3"[..]));
        assert_eq!(reader.get(b"gone0").expect("it reads"), None);
        assert!(matches!(old.get(b"gone0"), Err(Error::Stale { .. })), "an old moment's record does not come back");
        assert_eq!(
            disk.bytes(&at("1.data")).expect("the file").get(..old_len as usize),
            before.get(..old_len as usize)
        );

        // And written over, by the same numbers.
        let other = other.kill();
        let writer = open(other.clone(), &options).expect("it opens");
        for n in 0..5 {
            writer.put(b"gone0", format!("instead of it {n}").as_bytes()).expect("it writes");
            writer.put(b"key03", format!("really {n}").as_bytes()).expect("it writes");
        }
        let now = dump(&writer).expect("it reads");
        drop(writer);
        disk.overwrite(&at("1.data"), 0, &other.bytes(&at("1.data")).expect("the file"));
        assert!(reader.refresh().expect("it refreshes").is_changed());
        assert_eq!(now, dump(&reader).expect("it reads"));
    }
}

#[test]
fn a_record_that_is_newer_than_the_reader_is_not_read_in_place_of_another() {
    let options = quiet().max_file_size(1 << 20);
    let (disk, db, _) = with_reader(&options);
    let end = db.stats().expect("figures").data_bytes;
    let other = disk.copy();
    db.put(b"key03", b"taken back").expect("it writes");
    let reader = open(disk.other_process(), &options.clone().read_only(true)).expect("it opens");
    drop(db);
    // The same place, key and length.
    let other = other.kill();
    let writer = open(other.clone(), &options).expect("it opens");
    writer.put(b"key03", b"much newer").expect("it writes");
    drop(writer);
    let later = other.bytes(&at("1.data")).expect("the file");
    disk.truncate(&at("1.data"), end);
    disk.overwrite(&at("1.data"), 0, &later);
    match reader.get(b"key03") {
        Ok(Some(value)) => assert_eq!(&value[..], b"taken back"),
        Ok(None) => panic!("it is not there"),
        Err(error) => assert!(matches!(error, Error::Stale { .. }), "{error}"),
    }
    let refreshed = reader.refresh().expect("it refreshes");
    assert!(refreshed.reloaded);
    assert_eq!(reader.get(b"key03").expect("it reads").as_deref(), Some(&b"much newer"[..]));
}

#[test]
fn a_reader_keeps_what_it_has_when_files_go_and_loads_anew() {
    let options = quiet();
    let disk = SimVfs::new(5);
    let db = open(disk.clone(), &options).expect("it opens");
    for n in 0..60 {
        db.put(b"old", &workload::value(b"old", n, 300)).expect("it writes");
    }
    for n in 0..60 {
        db.put(format!("key{n:02}").as_bytes(), &workload::value(b"v", n, 200)).expect("it writes");
    }
    db.delete(b"old").expect("it removes");
    db.close().expect("it closes");
    for kind in KINDS {
        let disk = disk.copy();
        let reader = open(disk.other_process(), &options.clone().read_only(true).index(kind)).expect("it opens");
        let mut iter = reader.iter(&IterOptions::new()).expect("an iterator");
        let before = dump(&reader).expect("it reads");
        let files = reader.stats().expect("figures").files;
        assert!(files > 5);
        assert!(!reader.refresh().expect("it refreshes").is_changed());
        // What a merge would find to be dead.
        disk.uproot(&at("1.data"));
        disk.uproot(&at("1.hint"));
        assert_eq!(dump(&reader).expect("it reads"), before, "descriptors are kept");
        let reloaded = (0..files).any(|_| reader.refresh().expect("it refreshes").reloaded);
        assert!(reloaded, "{kind:?}: a file that is gone was not noticed in {files} refreshes");
        assert_eq!(reader.stats().expect("figures").files, files - 1);
        assert_eq!(dump(&reader).expect("it reads"), before);
        assert_eq!(rest(&mut iter), before, "an old iterator goes on");
        reader.close().expect("it closes");
        assert!(matches!(iter.next(), Some(Err(Error::Closed))), "old moments end with the store");
        assert!(matches!(reader.refresh(), Err(Error::Closed)));
    }
}

#[test]
fn all_files_gone_is_an_error_and_the_reader_goes_on() {
    let (disk, db, reader) = with_reader(&quiet());
    drop(db);
    let before = dump(&reader).expect("it reads");
    for (path, _) in disk.files() {
        disk.uproot(&path);
    }
    let mut outcomes = (0..3).map(|_| reader.refresh());
    assert!(outcomes.any(|outcome| matches!(outcome, Err(Error::NoStore { .. }))));
    assert_eq!(dump(&reader).expect("it reads"), before);
}

#[test]
fn damage_behind_the_end_that_was_read_is_told_by_refresh() {
    let options = quiet().max_file_size(1 << 20);
    let (disk, db, reader) = with_reader(&options);
    let end = db.stats().expect("figures").data_bytes;
    db.put(b"damaged", b"value").expect("it writes");
    disk.flip_bit(&at("1.data"), end + 30, 3);
    assert!(!reader.refresh().expect("it refreshes").is_changed(), "the writer may be in the midst of it");
    db.sync().expect("it syncs");
    db.put(b"later", b"value").expect("it writes");
    let damaged = reader.refresh();
    assert!(matches!(damaged, Err(Error::Corrupted { .. })), "{damaged:?}");
    assert_eq!(dump(&reader).expect("it reads").len(), 20);
    let serving =
        open(disk.other_process(), &options.read_only(true).on_damage(bitcask::OnDamage::Serve)).expect("it opens");
    assert_eq!(serving.get(b"later").expect("it reads").as_deref(), Some(&b"value"[..]));
}

#[test]
fn refreshing_a_writer_does_nothing() {
    let (_, db, _) = with_reader(&quiet());
    let refreshed = db.refresh().expect("it is one");
    assert!(!refreshed.is_changed());
    assert_eq!(refreshed.last_seq.0, 20);
    db.close().expect("it closes");
    assert!(matches!(db.refresh(), Err(Error::Closed)));
}

#[test]
fn progress_is_told_and_break_and_panic_leave_nothing_behind() {
    let options = Options::new().durability(Durability::None).max_file_size(4 << 20);
    let disk = SimVfs::new(9);
    let db = open(disk.clone(), &options).expect("it opens");
    for n in 0..300 {
        db.put(format!("key{n}").as_bytes(), &vec![7; 100_000]).expect("it writes");
    }
    drop(db);
    if disk.bytes(&at("index.checkpoint")).is_ok() {
        disk.uproot(&at("index.checkpoint"));
    }
    for index in [IndexKind::BTree, IndexKind::Hash] {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        let listening = options.clone().index(index).on_progress(move |progress| {
            hears.lock().expect("the list").push(*progress);
            ControlFlow::Continue(())
        });
        drop(open(disk.copy(), &listening).expect("it opens"));
        let heard = std::mem::take(&mut *heard.lock().expect("the list"));
        assert!((4..20).contains(&heard.len()), "{} calls", heard.len());
        assert!(heard.windows(2).all(|two| two[0].bytes_done <= two[1].bytes_done && two[0].records <= two[1].records));
        let (first, last) = (heard[0], heard[heard.len() - 1]);
        assert_eq!((first.bytes_done, first.records, last.bytes_done, last.records), (0, 0, last.bytes_total, 300));
        assert!(last.bytes_total > 30_000_000);

        for stop in 0..heard.len() as u64 {
            let disk = disk.copy();
            for panics in [false, true] {
                let calls = AtomicU64::new(0);
                let stopping = options.clone().index(index).on_progress(move |_| {
                    if calls.fetch_add(1, Ordering::Relaxed) < stop {
                        return ControlFlow::Continue(());
                    }
                    assert!(!panics, "meant to panic");
                    ControlFlow::Break(())
                });
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open(disk.clone(), &stopping)));
                match outcome {
                    Ok(opened) => assert!(!panics && matches!(opened, Err(Error::Cancelled)), "{opened:?}"),
                    Err(_) => assert!(panics),
                }
            }
            let db = open(disk.clone(), &options).expect("it is not locked");
            assert_eq!(db.len().expect("a length"), 300);
        }
    }
}

#[test]
fn a_reader_needs_no_right_to_write() {
    let (disk, db, _) = with_reader(&quiet());
    let faults = FaultVfs::new(Arc::new(disk.other_process()));
    let writing = [
        OpKind::Create,
        OpKind::Rename,
        OpKind::Remove,
        OpKind::CreateDir,
        OpKind::SyncDir,
        OpKind::Lock,
        OpKind::Write,
        OpKind::SetLen,
        OpKind::Allocate,
        OpKind::Fill,
        OpKind::SyncData,
    ];
    faults.inject(Plan::forever(Fault::Error(errno::EROFS), 0).of(Filter::any().kinds(&writing)));
    let reader = Db::open_with_vfs(DIR, &quiet().read_only(true), Arc::new(faults.clone())).expect("it opens");
    for n in 0..100 {
        db.put(format!("more{n}").as_bytes(), &[1; 100]).expect("it writes");
        assert_eq!(reader.refresh().expect("it refreshes").records, 1);
    }
    assert_eq!(dump(&reader).expect("it reads"), dump(&db).expect("it reads"));
    reader.close().expect("it closes");
    assert!(!faults.fired());
}

#[test]
fn readers_read_while_one_refreshes() {
    let options = quiet().max_file_size(20_000);
    for kind in KINDS {
        let (disk, db, reader) = with_reader(&options.clone().index(kind));
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..2000u64 {
                    let mut batch = db.batch();
                    for key in ["a", "b", "c"] {
                        batch.put(key.as_bytes(), &n.to_le_bytes()).expect("it takes it");
                    }
                    batch.commit().expect("it commits");
                }
                done.store(true, Ordering::SeqCst);
            });
            for thread in 0..2 {
                let (reader, done) = (reader.clone(), &done);
                scope.spawn(move || {
                    let mut rng = Rng(thread);
                    let mut last = 0;
                    while !done.load(Ordering::SeqCst) {
                        let Ok(values) = reader.multi_get(&["a", "b", "c"]) else { panic!("it reads") };
                        let numbers: Vec<_> = (values.iter().flatten())
                            .map(|value| u64::from_le_bytes(value[..].try_into().expect("eight bytes")))
                            .collect();
                        assert!(numbers.windows(2).all(|two| two[0] == two[1]), "a part of a batch: {numbers:?}");
                        let now = numbers.first().copied().unwrap_or(0);
                        assert!(now >= last, "it went back from {last} to {now}");
                        last = now;
                        if rng.below(3) == 0 {
                            reader.refresh().expect("it refreshes");
                        }
                    }
                });
            }
        });
        reader.refresh().expect("it refreshes");
        assert_eq!(dump(&reader).expect("it reads"), dump(&db).expect("it reads"));
        drop(disk);
    }
}
