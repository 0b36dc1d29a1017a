//! The figures of data files: equal to a recount, whatever the store was opened from and whatever is done beside.

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::SimVfs;
use bitcask::{BulkOptions, Db, Durability, FileStats, IndexKind, MergeOptions, Options, Timestamp};

use common::craft::Craft;
use common::{IO_KINDS, KINDS, Rng, at, check_accounts, factor, open, quiet, remove_hints, report};

fn key(n: usize) -> Vec<u8> {
    format!("key{n:04}").into_bytes()
}

/// Overwrites, deletes and batches, with values whose lengths differ within size classes.
fn fill(db: &Db, seed: u64, writes: usize) {
    let mut rng = Rng(seed);
    for n in 0..writes {
        let key_of = key(rng.below(100));
        match rng.below(8) {
            0 => {
                db.delete(&key_of).expect("it writes");
            }
            1 => {
                let mut batch = db.batch();
                for _ in 0..3 {
                    batch.put(&key(rng.below(100)), &vec![7; rng.below(90)]).expect("it is added");
                }
                batch.commit().expect("it writes");
            }
            _ => {
                db.put(&key_of, format!("{seed}.{n}").repeat(1 + rng.below(9)).as_bytes()).expect("it writes");
            }
        }
    }
}

/// Openings of hints and data files, and readings of them.
fn looks(disk: &FaultVfs) -> u64 {
    let any = Filter::any().kinds(&[OpKind::Open, OpKind::Read]);
    disk.count(Fault::Error(5), &any.clone().suffix(".hint")) + disk.count(Fault::Error(5), &any.suffix(".data"))
}

/// Opens it, and asks first what needs the accounts and no exact bytes: nothing is read for it.
fn open_and_ask(disk: &SimVfs, options: &Options, what: &str) -> Db {
    let watched = FaultVfs::over_sim(disk);
    let db = open(watched.clone(), options).unwrap_or_else(|e| panic!("{what}: {e}"));
    let before = looks(&watched);
    db.merge_needed().expect("it knows");
    assert_eq!(looks(&watched), before, "{what}: the accounts are known when the store is open");
    check_accounts(&db);
    db
}

/// A disk with a store of several files, some of them merged, that was closed.
fn closed(options: &Options, seed: u64) -> SimVfs {
    let disk = SimVfs::new(seed);
    let db = open(disk.clone(), options).expect("it opens");
    fill(&db, seed, 250);
    let files: Vec<_> = db.file_stats().expect("figures").iter().take(3).map(|file| file.id).collect();
    db.merge(&MergeOptions::new().files(&files)).expect("it merges");
    check_accounts(&db);
    fill(&db, seed + 1, 120);
    check_accounts(&db);
    db.close().expect("it closes");
    disk
}

#[test]
fn they_are_known_after_every_way_to_open() {
    let started = Instant::now();
    let mut openings = 0;
    for (n, (kind, io)) in KINDS.iter().flat_map(|&kind| IO_KINDS.map(|io| (kind, io))).enumerate() {
        for checkpoint_bytes in [0, 8 << 10] {
            let options = quiet().index(kind).io(io).checkpoint_bytes(checkpoint_bytes);
            let disk = closed(&options, n as u64);
            let what = |how: &str| format!("{kind:?}, {io:?}, checkpoints every {checkpoint_bytes}, {how}");
            for other in [kind, IndexKind::Hash, IndexKind::BPTree] {
                open_and_ask(&disk.kill(), &options.clone().index(other), &what("closed"));
                openings += 1;
            }
            let hints_lost = disk.kill();
            remove_hints(&hints_lost);
            for name in ["index.checkpoint", "index.bptree"] {
                hints_lost.uproot(&at(name));
            }
            open_and_ask(&hints_lost, &options, &what("hints lost"));
            let db = open_and_ask(&disk.kill(), &options.clone().read_only(true), &what("to be read"));
            drop(db);
            // Killed in the midst of writing, behind a saved index or without.
            let killed = disk.kill();
            let db = open(killed.clone(), &options).expect("it opens");
            fill(&db, 77, 90);
            let killed = killed.kill();
            std::mem::forget(db);
            let db = open_and_ask(&killed, &options, &what("killed"));
            fill(&db, 78, 40);
            check_accounts(&db);
            openings += 3;
        }
    }
    report("figures", format_args!("{openings} openings"), started);
}

/// Without the accounts, or with those of another moment, they are counted.
#[test]
fn accounts_beside_an_index_that_are_not_its_own_are_passed_over() {
    let options = quiet().index(IndexKind::BPTree).checkpoint_bytes(8 << 10);
    let disk = closed(&options, 5);
    let path = at("index.accounts");
    let (older, whole) = (closed(&options, 6).bytes(&path).expect("accounts"), disk.bytes(&path).expect("accounts"));
    let mut cases: Vec<Option<Vec<u8>>> = vec![None, Some(Vec::new()), Some(older)];
    cases.extend((0..whole.len()).step_by(7).map(|len| Some(whole[..len].to_vec())));
    cases.extend((0..whole.len() * 8).step_by(31).map(|bit| {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Some(bytes)
    }));
    for bytes in cases {
        let disk = disk.kill();
        disk.uproot(&path);
        if let Some(bytes) = bytes {
            disk.plant(&path, &bytes);
        }
        let db = open(disk, &options).expect("it opens");
        assert!(db.open_report().index_from.is_some(), "the index itself is used");
        check_accounts(&db);
        fill(&db, 9, 30);
        check_accounts(&db);
    }
}

/// A hint that turns out to be damaged when much of it was told: its file is told once more, from records that the index is beyond.
#[test]
fn what_is_told_twice_is_counted_once() {
    let options = Options::new().durability(Durability::None).index(IndexKind::Hash).checkpoint_bytes(0);
    let disk = SimVfs::new(3);
    let db = open(disk.clone(), &options).expect("it opens");
    let fillers = |keys: std::ops::Range<u64>| {
        keys.for_each(|n| db.put(&n.to_le_bytes(), b"").expect("it writes"));
    };
    // Two lengths of one size class: of a key that was of another class before, and of one that is of another class behind it.
    db.put(b"first small", b"").expect("it writes");
    fillers(0..3000);
    db.put(b"first large", &[1; 60]).expect("it writes");
    db.put(b"first large", b"").expect("it writes");
    db.put(b"first small", &[1; 64]).expect("it writes");
    fillers(3000..12_000);
    db.close().expect("it closes");
    disk.uproot(&at("index.checkpoint"));
    let is_hint = |path: &std::path::Path| path.extension().is_some_and(|e| e == "hint");
    let (path, mut hint) = disk.files().into_iter().find(|(path, _)| is_hint(path)).expect("a hint");
    let last = hint.len() - 20;
    hint[last] ^= 1;
    disk.uproot(&path);
    disk.plant(&path, &hint);
    let db = open(disk, &options).expect("it opens");
    assert_eq!(db.open_report().unusable_hints.len(), 1);
    check_accounts(&db);
}

/// Without accounts nothing is known of the files, also where no key is left: their deletes go on hiding what is older.
#[test]
fn no_accounts_are_not_those_of_empty_files() {
    let options = quiet().index(IndexKind::BPTree).max_file_size(64 << 10);
    let disk = SimVfs::new(3);
    let db = open(disk.clone(), &options).expect("it opens");
    db.put(b"gone", b"value").expect("it writes");
    db.merge(&MergeOptions::new().everything(true)).expect("it merges");
    db.delete(b"gone").expect("it writes");
    db.close().expect("it closes");
    disk.uproot(&at("index.accounts"));
    let db = open(disk.clone(), &options).expect("it opens");
    assert!(db.open_report().index_from.is_some(), "the index itself is used");
    db.put(b"other", b"value").expect("it writes");
    check_accounts(&db);
    let files = db.file_stats().expect("figures");
    let of_the_delete = files.iter().find(|file| file.is_active).expect("a file").id;
    db.merge(&MergeOptions::new().files(&[of_the_delete])).expect("it merges");
    check_accounts(&db);
    db.close().expect("it closes");
    let db = open(disk, &options.index(IndexKind::Hash)).expect("it opens");
    assert_eq!(db.get(b"gone").expect("it reads"), None);
    check_accounts(&db);
}

#[test]
fn loads_and_what_readers_catch_up_with_are_counted() {
    for (kind, io) in KINDS.iter().flat_map(|&kind| IO_KINDS.map(|io| (kind, io))) {
        let options = quiet().index(kind).io(io).max_file_size(64 << 10);
        let disk = SimVfs::new(3);
        let db = open(disk.clone(), &options).expect("it opens");
        let reader = open(disk.other_process(), &options.clone().read_only(true)).expect("it opens");
        check_accounts(&reader);
        for (seed, sorted) in [(1, true), (2, false), (3, true)] {
            // Beyond a quarter of a file it goes to files of its own.
            let mut load = db.bulk_load(BulkOptions::new().atomic(true)).expect("a load");
            let mut rng = Rng(seed);
            for n in 0..400 {
                let n = if sorted { n } else { rng.below(300) };
                load.put(&key(n), &vec![1; 100 + rng.below(200)]).expect("it loads");
            }
            load.finish().expect("it is done");
            check_accounts(&db);
            fill(&db, seed, 50);
            check_accounts(&db);
            reader.refresh().expect("it follows");
            check_accounts(&reader);
            assert_eq!(
                reader.file_stats().expect("figures").iter().map(|file| file.live_bytes).sum::<u64>(),
                db.file_stats().expect("figures").iter().map(|file| file.live_bytes).sum::<u64>()
            );
            fill(&db, seed + 9, 9);
            reader.refresh().expect("it follows");
            check_accounts(&reader);
        }
    }
}

/// More dead records of various lengths than a file's list may have.
#[test]
fn lists_that_are_given_up_are_made_good() {
    let options = Options::new().durability(Durability::None).index(IndexKind::Hash).checkpoint_bytes(0);
    let db = open(SimVfs::new(3), &options).expect("it opens");
    let write = |round: usize| {
        for n in 0..70_000_usize {
            db.put(&n.to_le_bytes(), &b"012345678901234567890123"[..4 * (n + round) % 24]).expect("it writes");
        }
    };
    write(0);
    write(1);
    check_accounts(&db);
    db.put(&[0; 8], b"0123").expect("it writes");
    check_accounts(&db);
}

/// Beside writers each file's figures are of some moment; when the writers are done they are exact, and so is what was kept meanwhile.
#[test]
fn they_are_asked_for_beside_writers() {
    for (kind, io) in KINDS.iter().flat_map(|&kind| IO_KINDS.map(|io| (kind, io))) {
        let options = quiet().index(kind).io(io);
        let db = open(SimVfs::new(3), &options).expect("it opens");
        fill(&db, 1, 100);
        let is_over = AtomicBool::new(false);
        let sum = |files: &[FileStats], of: fn(&FileStats) -> u64| files.iter().map(of).sum::<u64>();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for seed in 0..6 {
                    fill(&db, seed, 60);
                    db.merge(&MergeOptions::new().everything(seed % 2 == 0)).expect("it merges");
                }
                is_over.store(true, Ordering::Relaxed);
            });
            while !is_over.load(Ordering::Relaxed) {
                let files = db.file_stats().expect("figures");
                assert!(sum(&files, |file| file.live_records) <= 200);
                for file in &files {
                    assert!(file.live_bytes + file.dead_bytes + file.tombstone_bytes <= file.bytes, "{file:?}");
                    assert!(file.live_bytes >= 28 * file.live_records && file.dead_bytes >= 28 * file.dead_records);
                }
            }
        });
        check_accounts(&db);
        // Once more, from what was kept.
        check_accounts(&db);
    }
}

/// Descriptors and mappings of this process, and its resident memory in bytes.
#[cfg(target_os = "linux")]
fn held() -> (usize, usize, u64) {
    let fds = std::fs::read_dir("/proc/self/fd").expect("descriptors").count();
    let maps = std::fs::read_to_string("/proc/self/maps").expect("mappings");
    let maps = maps.lines().filter(|line| line.contains(".data")).count();
    let statm = std::fs::read_to_string("/proc/self/statm").expect("memory");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("pages");
    (fds, maps, pages * 4096)
}

/// Nothing is left over from merges: not with snapshots, iterators and values that end.
#[test]
#[cfg(target_os = "linux")]
fn descriptors_mappings_and_memory_stay_flat_over_merges() {
    const ALONE: &str = "BITCASK_FIGURES_ALONE";
    if std::env::var_os(ALONE).is_none() {
        // In a process of its own, which no other test takes memory of.
        let name = "descriptors_mappings_and_memory_stay_flat_over_merges";
        let test = std::env::current_exe().expect("this test");
        let status = Command::new(test).args(["--exact", name, "--nocapture"]).env(ALONE, "1").status();
        assert!(status.expect("it runs").success());
        return;
    }
    let started = Instant::now();
    // Where there is a file system in memory: a disk would only make it wait.
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let merges = 334 * factor();
    for (n, kind) in [IndexKind::BTree, IndexKind::Hash, IndexKind::BPTree].into_iter().enumerate() {
        let dir = base.join(format!("bitcask-figures-{n}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let options = quiet().index(kind).max_file_size(32 << 10).checkpoint_bytes(16 << 10);
        let db = Db::open(&dir, &options).expect("it opens");
        let mut flat = (0, 0, 0);
        for merge in 0..merges {
            let snapshot = db.snapshot().expect("a snapshot");
            fill(&db, merge as u64, 60);
            let value = snapshot.get(&key(1)).expect("it reads");
            let files: Vec<_> = db.file_stats().expect("figures").iter().map(|file| file.id).collect();
            let some: Vec<_> = files.into_iter().skip(merge % 2).collect();
            db.merge(&MergeOptions::new().files(&some)).expect("it merges");
            drop((snapshot, value));
            if merge == merges / 4 {
                flat = held();
            }
        }
        let now = held();
        assert!(
            now.0 <= flat.0 + 4 && now.1 <= flat.1 + 4,
            "{kind:?}: descriptors and mappings: {flat:?}, then {now:?}"
        );
        assert!(now.2 <= flat.2 + (8 << 20), "{kind:?}: memory: {flat:?}, then {now:?}");
        check_accounts(&db);
        db.close().expect("it closes");
        std::fs::remove_dir_all(&dir).expect("it is removed");
    }
    report("figures", format_args!("3 × {merges} merges"), started);
}

/// Records that expire, by the clock at the time of asking: which may go back.
#[test]
fn what_has_expired_is_told_as_the_clock_says() {
    const NOW: u64 = 1_700_000_000_000;
    for (kind, io) in KINDS.iter().flat_map(|&kind| IO_KINDS.map(|io| (kind, io))) {
        let mut file = Craft::new(1);
        for n in 0..40_u64 {
            let expiry = (n % 2 == 0).then_some(Timestamp(NOW + n * 1000));
            file = file.put_until(n + 1, &key(n as usize % 30), &vec![1; 10 + n as usize], expiry);
        }
        let disk = SimVfs::new(3);
        disk.plant(&at("1.data"), &file.bytes);
        disk.set_now(Timestamp(NOW));
        let options = quiet().index(kind).io(io).checkpoint_bytes(8 << 10);
        let mut db = open(disk.clone(), &options).expect("it opens");
        for round in 0..2 {
            for (passed, expired) in [(0, 0), (9_999, 0), (10_000, 1), (31_500, 11), (90_000, 15), (12_000, 2)] {
                disk.set_now(Timestamp(NOW + passed));
                let files = db.file_stats().expect("figures");
                assert_eq!(files, db.recount().expect("it counts"), "{kind:?}, {io:?}, round {round}, {passed}");
                let found = files.iter().map(|file| file.expired_records).sum::<u64>();
                assert_eq!(found, expired, "{kind:?}, {io:?}, round {round}, {passed}");
                assert!(files.iter().all(|file| file.expired_bytes >= 36 * file.expired_records));
            }
            disk.set_now(Timestamp(NOW));
            db.close().expect("it closes");
            db = open(disk.clone(), &options).expect("it opens");
        }
        // Overwritten and deleted ones don't count.
        db.put(&key(12), b"new").expect("it writes");
        db.delete(&key(14)).expect("it writes");
        disk.set_now(Timestamp(NOW + 90_000));
        let files = db.file_stats().expect("figures");
        assert_eq!(files, db.recount().expect("it counts"));
        assert_eq!(files.iter().map(|file| file.expired_records).sum::<u64>(), 13);
        db.merge(&MergeOptions::new().everything(true)).expect("it merges");
        assert_eq!(db.file_stats().expect("figures"), db.recount().expect("it counts"));
    }
}

/// However they were written, and whether each has an expiry or the store an age.
#[test]
fn what_has_expired_is_told_of_writes_of_every_kind() {
    const NOW: u64 = 1_700_000_000_000;
    let seconds = Duration::from_secs;
    for (kind, io) in KINDS.iter().flat_map(|&kind| IO_KINDS.map(|io| (kind, io))) {
        for age in [None, Some(seconds(40))] {
            let mut options = quiet().index(kind).io(io).max_file_size(16 << 10).checkpoint_bytes(8 << 10);
            if let Some(age) = age {
                options = options.expiry(age);
            }
            let disk = SimVfs::new(3);
            disk.set_now(Timestamp(NOW));
            let db = open(disk.clone(), &options).expect("it opens");
            let mut load = db.bulk_load(BulkOptions::new()).expect("a load");
            for n in 0..200 {
                load.put_with_ttl(&key(n), &vec![1; 20 + n], seconds(10 + n as u64 % 3)).expect("it loads");
            }
            load.finish().expect("it is done");
            for n in 0..40 {
                db.put_with_ttl(&key(n), &vec![2; n], seconds(20)).expect("it writes");
            }
            let mut batch = db.batch();
            batch.put_with_ttl(b"a", b"1", seconds(30)).expect("it is added");
            batch.put(b"b", b"1").expect("it is added");
            batch.commit().expect("it writes");
            let expired = |db: &Db, passed: u64| {
                disk.set_now(Timestamp(NOW + passed * 1000));
                let files = db.file_stats().expect("figures");
                assert_eq!(files, db.recount().expect("it counts"), "{kind:?}, {io:?}, {age:?}, {passed} s");
                files.iter().map(|file| file.expired_records).sum::<u64>()
            };
            let told = |db: &Db| [0, 10, 12, 20, 30, 40].map(|passed| expired(db, passed));
            // Of the 160 that are left of the load 53, 54 and 53 go after 10, 11 and 12 seconds.
            let by_age = u64::from(age.is_some());
            assert_eq!(told(&db), [0, 53, 160, 200, 201, 201 + by_age], "{kind:?}, {io:?}, {age:?}");
            disk.set_now(Timestamp(NOW));
            db.close().expect("it closes");
            let db = open(disk.clone(), &options).expect("it opens");
            assert_eq!(told(&db), [0, 53, 160, 200, 201, 201 + by_age], "{kind:?}, {io:?}, {age:?}: opened again");
        }
    }
}
