//! Sequence numbers of writes, which of them are on stable storage, and waiting for that.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Durability, Error, Options, SeqNo, WriteOptions};

use common::{dump, open, quiet};

fn lazy() -> Options {
    quiet().durability(Durability::None).max_file_size(1 << 20)
}

fn put(db: &Db, n: u64) -> SeqNo {
    db.put_seq(format!("key{n}").as_bytes(), &[0x55; 50], WriteOptions::new()).expect("it writes").seq
}

fn syncs(vfs: &FaultVfs) -> u64 {
    vfs.count(Fault::SyncFailureDroppingPages, &Filter::any().suffix(".data"))
}

/// Keys that are there after a power cut that lost everything not synced.
fn after_power_cut(disk: &SimVfs) -> u64 {
    let disk = disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced);
    open(disk, &quiet()).expect("it opens").len().expect("it counts")
}

#[test]
fn a_write_tells_its_number_and_what_was_there() {
    let db = open(SimVfs::new(1), &lazy()).expect("it opens");
    let options = WriteOptions::new();
    let told = |written: bitcask::Written| (written.seq.0, written.existed);
    assert_eq!(db.last_seq().expect("it is open"), SeqNo::ZERO);
    assert_eq!(told(db.delete_seq(b"a", options).expect("it writes")), (0, false), "nothing to rest on");
    assert_eq!(told(db.put_seq(b"a", b"1", options).expect("it writes")), (1, false));
    assert_eq!(told(db.put_seq(b"a", b"2", options).expect("it writes")), (2, true));
    assert_eq!(told(db.delete_seq(b"b", options).expect("it writes")), (2, false), "rests on the last commit");
    assert_eq!(told(db.delete_seq(b"a", options).expect("it writes")), (3, true));
    let mut batch = db.batch();
    assert_eq!(told(batch.commit_seq(options).expect("it writes")), (3, false), "empty");
    let mut batch = db.batch();
    batch.put(b"x", b"1").expect("it takes it");
    batch.delete(b"a").expect("it takes it");
    assert_eq!(told(batch.commit_seq(options).expect("it writes")), (4, false));
    assert!(matches!(batch.commit_seq(options), Err(Error::BatchFinished)));
    assert_eq!(db.last_seq().expect("it is open"), SeqNo(4));
}

/// What writes nothing needs no room, and no other file.
#[test]
fn a_sync_behind_a_file_that_is_longer_than_its_limit_makes_no_other() {
    let (disk, mut seen) = (SimVfs::new(1), Vec::new());
    let vfs = FaultVfs::over_sim(&disk);
    let db = open(vfs.clone(), &quiet().durability(Durability::None).max_file_size(4096)).expect("it opens");
    db.put(b"long", &[7; 10_000]).expect("it writes");
    vfs.inject(Plan::forever(Fault::Error(errno::ENOSPC), 0).of(Filter::any().kinds(&[
        OpKind::Write,
        OpKind::Create,
        OpKind::Allocate,
    ])));
    for _ in 0..2 {
        db.sync().expect("there is nothing to write");
        assert!(!db.delete(b"missing").expect("nor here"));
        seen.push(db.stats().expect("stats").files);
    }
    assert_eq!(seen, [1, 1]);
    vfs.heal();
    db.put(b"k", b"v").expect("there is space again");
    assert_eq!(db.stats().expect("stats").files, 2);
}

#[test]
fn numbers_of_failed_writes_are_nobodys() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(1));
    let db = open(vfs.clone(), &lazy()).expect("it opens");
    assert_eq!(put(&db, 1), SeqNo(1));
    vfs.inject(Plan::once(Fault::Error(errno::ENOSPC), 0).of(Filter::any().kinds(&[OpKind::Write])));
    assert!(db.put(b"fails", &[0; 100_000]).is_err());
    let missing = db.delete_seq(b"missing", WriteOptions::new()).expect("it writes");
    assert_eq!(missing.seq, SeqNo(1), "what failed is not what it rests on");
    assert_eq!(db.wait_durable(missing.seq, None).ok(), Some(true));
    assert_eq!(put(&db, 2), SeqNo(3));
    assert_eq!(db.wait_durable(SeqNo(2), None).ok(), Some(true), "it is below a commit that is durable");
}

#[test]
fn the_durable_number_follows_the_syncs() {
    let disk = SimVfs::new(2);
    let vfs = FaultVfs::over_sim(&disk);
    let db = open(vfs.clone(), &lazy()).expect("it opens");
    let durable = |db: &Db| db.durable_seq().expect("it is open").0;
    for n in 1..=5 {
        put(&db, n);
    }
    assert_eq!((durable(&db), after_power_cut(&disk)), (0, 0));
    let before = syncs(&vfs);
    assert_eq!(db.wait_durable(SeqNo(3), None).ok(), Some(true));
    assert_eq!((durable(&db), after_power_cut(&disk)), (5, 5), "one sync brings all there");
    assert_eq!(db.wait_durable(SeqNo(5), None).ok(), Some(true));
    assert_eq!(db.wait_durable(SeqNo::ZERO, Some(Duration::ZERO)).ok(), Some(true));
    assert_eq!(syncs(&vfs) - before, 1, "and there is nothing more to sync");
    put(&db, 6);
    assert_eq!(durable(&db), 5);
    assert_eq!(db.wait_durable(SeqNo(6), Some(Duration::from_secs(600))).ok(), Some(true), "by another thread");
    assert_eq!((durable(&db), after_power_cut(&disk)), (6, 6));
    put(&db, 7);
    db.put_with(b"synced", b"1", WriteOptions::new().sync(true)).expect("it writes");
    assert_eq!((durable(&db), after_power_cut(&disk)), (8, 8));
    put(&db, 9);
    db.sync().expect("it syncs");
    assert_eq!(durable(&db), 9);
    // A new file begins when the one before it is on stable storage.
    for n in 10..20_000 {
        put(&db, n);
    }
    let sealed = durable(&db);
    assert!(sealed > 9 && sealed < 20_000, "{sealed}");
    assert!(after_power_cut(&disk) >= sealed);
    db.close().expect("it closes");
    assert!(matches!(db.durable_seq(), Err(Error::Closed)));
    let db = open(disk.clone(), &lazy()).expect("it opens");
    assert_eq!(db.durable_seq().expect("it is open"), db.last_seq().expect("it is open"), "what opening found");
    drop(db);
    let db = open(disk.clone(), &lazy().durability(Durability::Always)).expect("it opens");
    assert_eq!(put(&db, 1), db.durable_seq().expect("it is open"));
}

#[test]
fn what_can_not_be_waited_for_is_an_error() {
    let disk = SimVfs::new(3);
    let db = open(disk.clone(), &lazy()).expect("it opens");
    put(&db, 1);
    for timeout in [None, Some(Duration::ZERO)] {
        assert!(matches!(db.wait_durable(SeqNo(2), timeout), Err(Error::InvalidArgument { .. })));
    }
    db.close().expect("it closes");
    assert!(matches!(db.wait_durable(SeqNo(1), None), Err(Error::Closed)));
    let reader = open(disk, &lazy().read_only(true)).expect("it opens");
    assert_eq!(reader.last_seq().expect("it is open"), SeqNo(1));
    assert!(matches!(reader.durable_seq(), Err(Error::ReadOnly)));
    assert!(matches!(reader.wait_durable(SeqNo(1), None), Err(Error::ReadOnly)));
}

#[test]
fn a_failed_sync_is_told_to_all_who_wait_now_and_later() {
    for timeout in [None, Some(Duration::from_secs(600))] {
        let vfs = FaultVfs::over_sim(&SimVfs::new(4));
        let db = open(vfs.clone(), &lazy()).expect("it opens");
        let durable = put(&db, 1);
        db.sync().expect("it syncs");
        let lost = put(&db, 2);
        vfs.inject(Plan::once(Fault::SyncFailureDroppingPages, 0));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let outcome = db.wait_durable(lost, timeout);
                    assert!(matches!(outcome, Err(Error::WritesStopped { .. })), "{outcome:?}");
                });
            }
        });
        assert_eq!(vfs.fired_ops().len(), 1, "a failed sync is not tried again");
        assert!(matches!(db.put(b"later", b"1"), Err(Error::WritesStopped { .. })));
        assert!(matches!(db.wait_durable(lost, timeout), Err(Error::WritesStopped { .. })));
        assert_eq!(db.wait_durable(durable, timeout).ok(), Some(true), "that was promised before");
        assert_eq!(db.durable_seq().ok(), Some(durable));
        assert!(db.get(b"key1").expect("it reads").is_some());
    }
}

#[test]
fn waiters_share_syncs_beside_writers() {
    let disk = SimVfs::new(5);
    let vfs = FaultVfs::over_sim(&disk);
    let db = open(vfs.clone(), &lazy().max_file_size(1 << 30)).expect("it opens");
    let (before, next) = (syncs(&vfs), AtomicU64::new(1));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (db, next) = (&db, &next);
            scope.spawn(move || {
                for _ in 0..100 {
                    let seq = put(db, next.fetch_add(1, Ordering::Relaxed));
                    let timeout = (thread % 2 == 0).then_some(Duration::from_secs(600));
                    assert_eq!(db.wait_durable(seq, timeout).ok(), Some(true));
                    assert!(db.durable_seq().expect("it is open") >= seq);
                }
            });
        }
    });
    assert_eq!(after_power_cut(&disk), 800);
    assert!(syncs(&vfs) - before <= 800, "nobody syncs twice for one write");
}

/// An interval's thread that fails to sync tells the next write, and is not heard of again.
#[test]
fn a_sync_in_the_interval_that_fails_stops_writing() {
    let ms = Duration::from_millis(1);
    for durability in [
        Durability::Interval { every: ms, bytes: u64::MAX },
        Durability::Interval { every: Duration::from_secs(3600), bytes: 100 },
    ] {
        let vfs = FaultVfs::over_sim(&SimVfs::new(6));
        let db = open(vfs.clone(), &lazy().durability(durability)).expect("it opens");
        put(&db, 0);
        db.sync().expect("it syncs");
        vfs.inject(Plan::once(Fault::SyncFailureDroppingPages, 0).of(Filter::any().suffix(".data")));
        let (patience, mut n) = (Instant::now(), 1);
        let error = loop {
            n += 1;
            match db.put(format!("key{n}").as_bytes(), b"1") {
                Ok(()) => std::thread::sleep(ms),
                Err(error) => break error,
            }
            assert!(patience.elapsed() < Duration::from_secs(60), "{durability:?}: nobody was told");
        };
        assert!(matches!(error, Error::WritesStopped { .. }), "{error:?}");
        assert!(error.to_string().contains("sync"), "it tells the cause: {error}");
        let fired = vfs.fired_ops().len();
        assert_eq!(db.durable_seq().ok(), Some(SeqNo(1)));
        assert!(matches!(db.put(b"again", b"1"), Err(Error::WritesStopped { .. })));
        assert_eq!(dump(&db).expect("it reads").len() as u64, n - 1, "reads go on");
        assert!(db.close().is_err());
        assert_eq!(vfs.fired_ops().len(), fired);
    }
}

/// The real file system and its threads: numbers last over a reopen.
#[test]
fn numbers_last() {
    let dir = std::env::temp_dir().join(format!("bitcask-durable-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    for round in 0..3 {
        let db = Db::open(&dir, &Options::new().durability(Durability::None)).expect("it opens");
        assert_eq!(db.last_seq().expect("it is open"), SeqNo(round * 10));
        for n in 0..10 {
            let seq = put(&db, n);
            assert_eq!(db.wait_durable(seq, Some(Duration::from_secs(600))).ok(), Some(true));
        }
        db.close().expect("it closes");
    }
    std::fs::remove_dir_all(&dir).expect("it is there");
}
