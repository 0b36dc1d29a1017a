//! What is broken in other Bitcask engines, each fault as a test here. The names are those of the project's comparison of
//! engines; each test tells the scenario.

mod common;
#[path = "peers/expiring.rs"]
mod expiring;
#[path = "peers/merging.rs"]
mod merging;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, Short, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Durability, EntryPage, Error, IoKind, IterOptions, OnDamage, Options, WriteOptions};

use common::damage::{data_files, files_with, records};
use common::{KINDS, Map, at, dump, open, parallel, quiet, remove_hints};

fn disk() -> SimVfs {
    SimVfs::new(42)
}

fn key(n: usize) -> Vec<u8> {
    format!("key{n:04}").into_bytes()
}

/// Puts keys `from..to`, each with a value of its own, and gives what the store holds then.
fn fill(db: &Db, from: usize, to: usize) -> Map {
    for n in from..to {
        db.put(&key(n), format!("value of {n}").as_bytes()).expect("it writes");
    }
    dump(db).expect("it reads")
}

fn one_file() -> Options {
    quiet().max_file_size(1 << 30)
}

fn get(db: &Db, key: &[u8]) -> Option<Vec<u8>> {
    db.get(key).expect("it reads").map(bitcask::Value::into_vec)
}

/// The machine after a power cut that lost everything not synced.
fn power_cut(disk: &SimVfs) -> SimVfs {
    disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced)
}

/// A value that looked like the engine's own mark of a deleted key was taken for one. Any bytes are a value.
#[test]
fn bc_1_no_value_means_deleted() {
    let disk = disk();
    let db = open(disk.clone(), &quiet()).expect("it opens");
    let foreign_store = {
        let other = SimVfs::new(9);
        fill(&open(other.clone(), &quiet()).expect("it opens"), 0, 5);
        data_files(&other).remove(0).1
    };
    let values: Vec<Vec<u8>> = vec![
        b"bitcask_tombstone".to_vec(),
        b"bitcask_tombstone2\0\0\0\x01".to_vec(),
        Vec::new(),
        vec![0; 5000],
        vec![0xFF; 100],
        b"BITCASKd".to_vec(),
        foreign_store,
    ];
    for (n, value) in values.iter().enumerate() {
        db.put(&key(n), value).expect("it writes");
        db.put(value.get(..60000.min(value.len())).filter(|v| !v.is_empty()).unwrap_or(b"k"), b"as a key")
            .expect("too");
    }
    let all = dump(&db).expect("it reads");
    for (n, value) in values.iter().enumerate() {
        assert_eq!(get(&db, &key(n)).as_ref(), Some(value));
    }
    db.close().expect("it closes");
    remove_hints(&disk);
    assert_eq!(dump(&open(disk, &quiet()).expect("it opens")).expect("it reads"), all);
}

/// A lock file left behind, empty or with the number of a process that lives, kept a store locked for ever. The lock is
/// the kernel's; what the file says is information.
#[test]
fn bc_5_what_a_lock_file_says_locks_nothing() {
    for note in ["", "1\n", "999999\n", "no number", &"9".repeat(5000)] {
        let disk = disk();
        disk.plant(&at("LOCK"), note.as_bytes());
        let db = open(disk.clone(), &quiet()).expect("a lock file is no lock");
        let Err(Error::Locked { pid, .. }) = open(disk.other_process(), &quiet()) else { panic!("two writers") };
        assert_eq!(pid, Some(1000), "the file names the holder");
        drop(db);
        open(disk.other_process(), &quiet()).expect("it is free again");
    }
}

/// Syncs of data files since the last call.
fn syncs(vfs: &FaultVfs, before: &mut u64) -> u64 {
    let now = vfs.count(Fault::SyncFailureDroppingPages, &Filter::any().suffix(".data"));
    std::mem::replace(before, now).abs_diff(now)
}

/// An option to sync that never synced. Each durability issues the syncs that it promises, and no more.
#[test]
fn bc_6_every_durability_syncs_as_it_says() {
    let hour = Duration::from_secs(3600);
    for durability in [Durability::None, Durability::Interval { every: hour, bytes: u64::MAX }, Durability::Always] {
        let always = u64::from(durability == Durability::Always);
        let vfs = FaultVfs::over_sim(&disk());
        let mut seen = 0;
        let db = open(vfs.clone(), &one_file().durability(durability)).expect("it opens");
        syncs(&vfs, &mut seen);
        for n in 0..100 {
            db.put(&key(n), b"v").expect("it writes");
        }
        assert_eq!(syncs(&vfs, &mut seen), 100 * always, "{durability:?}: puts");
        db.delete(&key(1)).expect("it writes");
        assert_eq!(syncs(&vfs, &mut seen), always, "{durability:?}: a delete");
        let mut batch = db.batch();
        batch.put(b"a", b"1").expect("it takes it");
        batch.put(b"b", b"2").expect("it takes it");
        batch.commit().expect("it writes");
        assert_eq!(syncs(&vfs, &mut seen), always, "{durability:?}: a batch");
        db.put_with(b"c", b"3", WriteOptions::new().sync(true)).expect("it writes");
        assert_eq!(syncs(&vfs, &mut seen), 1, "{durability:?}: a put that asks for it");
        db.put(b"d", b"4").expect("it writes");
        db.sync().expect("it syncs");
        assert_eq!(syncs(&vfs, &mut seen), 1, "{durability:?}: sync(), or the put before it");
        db.put(b"e", b"5").expect("it writes");
        db.close().expect("it closes");
        assert!(syncs(&vfs, &mut seen) >= 1, "{durability:?}: close");
    }
}

/// The same for an interval: by time, and by bytes.
#[test]
fn bc_6_an_interval_syncs_by_itself() {
    let (ms, hour) = (Duration::from_millis(1), Duration::from_secs(3600));
    // What is left to the next time is less than so many bytes: at most two of these records.
    let by_time = (Durability::Interval { every: ms, bytes: u64::MAX }, 20);
    let by_bytes = (Durability::Interval { every: hour, bytes: 100 }, 18);
    for (durability, least) in [by_time, by_bytes] {
        let disk = disk();
        let db = open(disk.clone(), &one_file().durability(durability)).expect("it opens");
        let all = fill(&db, 0, 20);
        // Waits for an event, however long the machine takes; it is there within milliseconds.
        let patience = Instant::now();
        loop {
            let synced = dump(&open(power_cut(&disk), &quiet()).expect("it opens")).expect("it reads");
            assert!(synced.iter().eq(all.iter().take(synced.len())), "{durability:?}: no prefix");
            if synced.len() >= least {
                break;
            }
            assert!(patience.elapsed() < Duration::from_secs(60), "{durability:?} never synced");
            std::thread::sleep(ms);
        }
    }
}

/// Opened to append, a file took every write at its end whatever offset it was given: after one partial write all later
/// offsets were wrong. A write that is cut short is gone on with at its place.
#[test]
fn bc_8_a_partial_write_moves_nothing() {
    let disk = disk();
    let vfs = FaultVfs::over_sim(&disk);
    // Written by calls: a copy is never cut short.
    let db = open(vfs.clone(), &one_file().io(IoKind::File)).expect("it opens");
    fill(&db, 0, 10);
    vfs.inject(Plan::once(Fault::ShortWrite(Short::Bytes(13)), 0));
    let all = fill(&db, 10, 110);
    assert!(vfs.fired());
    for n in 0..110 {
        assert_eq!(get(&db, &key(n)), Some(format!("value of {n}").into_bytes()));
    }
    assert_eq!(dump(&open(disk.kill(), &quiet()).expect("it opens")).expect("it reads"), all);
}

/// `Sync = true` issued no sync for 100 puts, nor for a batch that asked for one. What was acknowledged survives a power cut.
#[test]
fn rd_1_what_was_synced_survives_a_power_cut() {
    let disk = disk();
    let db = open(disk.clone(), &quiet().durability(Durability::Always)).expect("it opens");
    for n in 0..100 {
        db.put(&key(n), b"v").expect("it writes");
        let after = open(power_cut(&disk), &quiet()).expect("it opens");
        assert_eq!(after.len().expect("it counts"), n as u64 + 1);
    }
    drop(db);
    let db = open(disk.clone(), &quiet()).expect("it opens");
    let mut batch = db.batch();
    (0..50).for_each(|n| batch.delete(&key(n)).expect("it takes it"));
    batch.commit_with(WriteOptions::new().sync(true)).expect("it writes");
    assert_eq!(open(power_cut(&disk), &quiet()).expect("it opens").len().expect("it counts"), 50);
}

/// Commit twice, or commit and roll back, and the process died. It is an error, and the store goes on.
#[test]
fn rd_4_a_finished_batch_is_an_error() {
    let db = open(disk(), &quiet()).expect("it opens");
    let mut batch = db.batch();
    batch.put(b"k", b"v").expect("it takes it");
    batch.commit().expect("it writes");
    assert!(matches!(batch.commit(), Err(Error::BatchFinished)));
    assert!(matches!(batch.clear(), Err(Error::BatchFinished)));
    assert!(matches!(batch.delete(b"k"), Err(Error::BatchFinished)));
    drop(batch);
    let mut forgotten = db.batch();
    forgotten.put(b"k", b"other").expect("it takes it");
    drop(forgotten);
    assert_eq!(get(&db, b"k"), Some(b"v".to_vec()));
}

/// A batch or transaction that is dropped, rolled back or refused touches nothing on the disk.
#[test]
fn rd_4_what_is_not_committed_never_touches_the_log() {
    for kind in KINDS {
        let disk = disk();
        let db = open(disk.clone(), &quiet().index(kind)).expect("it opens");
        let all = fill(&db, 0, 20);
        let before = disk.op_count();
        let (mut batch, mut txn, mut late) =
            (db.batch(), db.transaction().expect("it begins"), db.transaction().expect("it begins"));
        batch.delete_all().expect("it takes it");
        batch.put(&key(1), b"never").expect("it takes it");
        txn.put(&key(1), b"never").expect("it takes it");
        txn.rollback().expect("it is discarded");
        assert!(matches!(txn.commit(), Err(Error::TransactionFinished)));
        late.get(&key(3)).expect("it reads");
        late.put(&key(4), b"never").expect("it takes it");
        drop((batch, txn));
        assert_eq!(disk.op_count(), before);
        db.put(&key(3), b"value of 3").expect("it writes");
        let before = disk.op_count();
        assert!(matches!(late.commit(), Err(Error::Conflict)));
        drop(late);
        assert_eq!(disk.op_count(), before, "a conflict writes nothing");
        assert_eq!(dump(&open(disk.kill(), &quiet()).expect("it opens")).expect("it reads"), all);
    }
}

/// A torn last record made a store unusable, and garbage behind it a panic. It is cut off and reported.
#[test]
fn rd_5_a_torn_tail_is_cut_off_and_reported() {
    let disk = disk();
    let db = open(disk.clone(), &one_file()).expect("it opens");
    let all = fill(&db, 0, 50);
    db.put(b"torn", &[7; 300]).expect("it writes");
    let whole = disk.kill();
    let bytes = whole.bytes(&at("1.data")).expect("it is there");
    let last = records(&bytes).pop().expect("it has records");
    for keep in last.offset + 1..last.end() {
        let cut = whole.copy();
        cut.truncate(&at("1.data"), keep);
        let db = open(cut, &quiet()).expect("a torn tail is no damage");
        assert_eq!(dump(&db).expect("it reads"), all);
        assert!(db.open_report().damage.is_empty());
        assert_eq!(db.open_report().torn.len(), 1, "cut at {keep}");
        assert_eq!(db.open_report().torn[0].offset, last.offset);
    }
    for garbage in [vec![0xFF; 40], vec![1; 5000], b"BITCASKd".repeat(30), vec![0, 0, 0, 9]] {
        let with = disk.kill();
        let end = last.end();
        with.truncate(&at("1.data"), end);
        with.overwrite(&at("1.data"), end, &garbage);
        let db = open(with, &quiet()).expect("garbage behind the log is no damage");
        assert_eq!(db.len().expect("it counts"), 51);
        assert_eq!(db.open_report().torn.len(), 1);
    }
}

/// A seek behind the end did nothing until a rewind, a put in the midst of an iteration waited for ever, and files that were made
/// meanwhile cost an iterator its records.
#[test]
fn rd_7_an_iterator_goes_on_whatever_happens() {
    for kind in KINDS {
        let db = open(disk(), &quiet().index(kind)).expect("it opens");
        let all = fill(&db, 0, 300);
        let mut iter = db.iter(&IterOptions::new()).expect("it iterates");
        let mut seen = Map::new();
        for record in iter.by_ref() {
            let (key, value) = record.expect("it reads");
            db.put(&key, &[1; 100]).expect("it writes");
            db.put(&[&key[..], b"!"].concat(), b"new").expect("it writes");
            seen.insert(key, value.into_vec());
        }
        assert_eq!(seen, all);
        assert!(iter.next().is_none() && iter.next().is_none());
        iter.seek(&key(299));
        assert_eq!(iter.next().expect("the last").expect("it reads").0, key(299));
        iter.seek(b"zzz");
        assert!(iter.next().is_none());
        iter.rewind();
        assert_eq!(iter.next().expect("the first").expect("it reads").0, key(0));
    }
}

/// A record of a batch that was never committed took the committed value with it: `k` was gone for the batch that was torn. Torn at any
/// byte, or left in the midst, it changes nothing.
#[test]
fn rd_9_a_torn_batch_takes_nothing_with_it() {
    let disk = disk();
    let db = open(disk.clone(), &one_file()).expect("it opens");
    db.put(b"k", b"v1").expect("it writes");
    let before = disk.op_count();
    let mut batch = db.batch();
    batch.put(b"k", b"v2").expect("it takes it");
    batch.delete_prefix(b"").expect("it takes it");
    batch.put(b"other", &[7; 90]).expect("it takes it");
    assert_eq!(get(&open(disk.kill(), &quiet()).expect("it opens"), b"k"), Some(b"v1".to_vec()));
    batch.commit().expect("it writes");
    assert_eq!(get(&db, b"k"), None);
    let at = (before..=disk.op_count()).find(|&at| disk.last_write_len(at).is_some_and(|len| len > 100));
    let at = at.expect("the batch is one write");
    let len = disk.last_write_len(at).expect("it is one");
    for keep in 0..len {
        let db = open(disk.crash(at, &CrashChoice::CutLastWrite(keep)), &quiet()).expect("it opens");
        // What ends in zeros is whole a little earlier: the space is reserved, and zero.
        let is_whole = keep + 12 > len && get(&db, b"other").is_some() && get(&db, b"k").is_none();
        assert!(is_whole || get(&db, b"k") == Some(b"v1".to_vec()), "cut at {keep} of {len}");
        assert_eq!(db.len().expect("it counts"), 1, "cut at {keep} of {len}");
    }
}

/// Once the disk was full, all later puts were acknowledged and lost. Here for disks that are full at every byte.
#[test]
fn rd_6_a_full_disk_loses_nothing() {
    for room in (0..400).step_by(7) {
        let disk = disk();
        let db = open(disk.clone(), &quiet().max_file_size(1 << 16)).expect("it opens");
        fill(&db, 0, 10);
        let used: u64 = disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum();
        disk.set_capacity(Some(used + room));
        let failed = (0..3).filter(|_| db.put(b"large", &[1; 6000]).is_err()).count();
        disk.set_capacity(None);
        let mut all = fill(&db, 10, 110);
        assert_eq!(failed, 3, "{room} bytes of room");
        assert_eq!(all.len(), 110);
        assert_eq!(dump(&open(disk.kill(), &quiet()).expect("it opens")).expect("it reads"), all);
        db.sync().expect("it syncs");
        all.remove(b"large".as_slice());
        assert_eq!(dump(&open(power_cut(&disk), &quiet()).expect("it opens")).expect("it reads"), all);
    }
}

/// The index kept the caller's slice, so that using the buffer again changed keys. Buffers are the caller's at once.
#[test]
fn rd_10_buffers_may_be_used_again_at_once() {
    for kind in KINDS {
        let db = open(disk(), &quiet().index(kind)).expect("it opens");
        let (mut key, mut value) = (*b"aaa", *b"111");
        db.put(&key, &value).expect("it writes");
        (key, value) = (*b"bbb", *b"222");
        db.put(&key, &value).expect("it writes");
        let mut batch = db.batch();
        key = *b"ccc";
        batch.put(&key, &value).expect("it takes it");
        (key, value) = (*b"ddd", *b"333");
        batch.commit().expect("it writes");
        assert_eq!(get(&db, &key), None);
        let expected = [("aaa", "111"), ("bbb", "222"), ("ccc", "222")];
        let expected: Map = expected.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        assert_eq!(dump(&db).expect("it reads"), expected, "{value:?}");
    }
}

/// A failed open kept the lock, and a backup copy's name passed for a data file. A failed open leaves nothing
/// locked, and only exact names count.
#[test]
fn rd_12_a_failed_open_lets_go_of_the_lock() {
    let disk = disk();
    let all = fill(&open(disk.clone(), &one_file()).expect("it opens"), 0, 20);
    let good = disk.bytes(&at("1.data")).expect("it is there");
    remove_hints(&disk);
    disk.flip_bit(&at("1.data"), 150, 3);
    for _ in 0..3 {
        assert!(matches!(open(disk.clone(), &quiet()), Err(Error::Corrupted { .. })), "and not Locked");
        assert!(matches!(open(disk.other_process(), &quiet()), Err(Error::Corrupted { .. })));
    }
    disk.plant(&at("1.data"), &good);
    for name in ["1.data.bak", "01.data", "+1.data", "1.DATA", "1.data~", "2.data ", "000000001.SEG"] {
        disk.plant(&at(name), b"a stranger's");
    }
    assert_eq!(dump(&open(disk.clone(), &quiet()).expect("it opens")).expect("it reads"), all);
    assert_eq!(disk.bytes(&at("1.data.bak")).expect("it is there"), b"a stranger's");
}

/// The lock object was made and never taken. A second writer is refused, in this process and in another.
#[test]
fn ax_1_there_is_one_writer() {
    let disk = disk();
    let db = open(disk.clone(), &quiet()).expect("it opens");
    assert!(matches!(open(disk.clone(), &quiet()), Err(Error::Locked { pid: Some(1000), .. })));
    assert!(matches!(open(disk.other_process(), &quiet()), Err(Error::Locked { pid: Some(1000), .. })));
    open(disk.other_process(), &quiet().read_only(true)).expect("readers need no lock");
    let iter = db.iter(&IterOptions::new()).expect("it iterates");
    db.close().expect("it closes");
    let second = open(disk.other_process(), &quiet()).expect("close unlocks, whoever still has a handle");
    drop((iter, db));
    assert!(matches!(open(disk.clone(), &quiet()), Err(Error::Locked { .. })), "the first's handles unlock nothing");
    drop(second);
    open(disk.kill(), &quiet()).expect("it opens after a kill");
}

/// A crash inside a batch left the replay inside it: 100 of 100 later puts were lost at the next opening but one.
#[test]
fn ax_2_a_torn_batch_swallows_nothing_behind_it() {
    let first = disk();
    let db = open(first.clone(), &one_file()).expect("it opens");
    fill(&db, 0, 5);
    let before = first.op_count();
    let mut batch = db.batch();
    (0..20).for_each(|n| batch.put(&key(1000 + n), b"in a batch").expect("it takes it"));
    batch.commit().expect("it writes");
    let at = (before..=first.op_count()).find(|&at| first.last_write_len(at).is_some_and(|len| len > 800));
    let at = at.expect("the batch is one write");
    for keep in [30, 200, 500, 800] {
        let disk = first.crash(at, &CrashChoice::CutLastWrite(keep));
        let db = open(disk.clone(), &quiet()).expect("it opens");
        assert_eq!(db.len().expect("it counts"), 5);
        let all = fill(&db, 100, 200);
        let again = disk.kill();
        assert_eq!(dump(&open(again.clone(), &quiet()).expect("it opens")).expect("it reads"), all);
        assert_eq!(dump(&open(again, &quiet()).expect("and again")).expect("it reads"), all);
    }
}

/// A batch over several files was forgotten by the replay, and its writes were seen before the commit.
#[test]
fn ax_3_a_batch_over_several_files_counts_and_is_seen_at_commit() {
    let disk = disk();
    let db = open(disk.clone(), &quiet()).expect("it opens");
    let before = fill(&db, 0, 3);
    let mut batch = db.batch();
    (0..100).for_each(|n| batch.put(&key(n), &[n as u8; 300]).expect("it takes it"));
    assert_eq!(dump(&db).expect("it reads"), before);
    batch.commit().expect("it writes");
    let all = dump(&db).expect("it reads");
    assert_eq!((all.len(), db.stats().expect("it counts").files > 5), (100, true));
    for n in 0..2 {
        let after = disk.kill();
        if n == 1 {
            remove_hints(&after);
        }
        assert_eq!(dump(&open(after, &quiet()).expect("it opens")).expect("it reads"), all);
    }
    db.close().expect("it closes");
    assert_eq!(dump(&open(power_cut(&disk), &quiet()).expect("it opens")).expect("it reads"), all);
}

/// Readers stopped at a torn tail for ever while writers appended behind it: all was lost at the second restart.
#[test]
fn ax_4_what_is_written_after_a_torn_tail_stays() {
    let disk = disk();
    fill(&open(disk.clone(), &one_file()).expect("it opens"), 0, 10);
    remove_hints(&disk);
    let len = disk.bytes(&at("1.data")).expect("it is there").len() as u64;
    disk.overwrite(&at("1.data"), len, &[0xA5; 77]);
    let db = open(disk.clone(), &quiet()).expect("it opens");
    let all = fill(&db, 10, 60);
    let mut disk = disk.kill();
    for _ in 0..3 {
        let db = open(disk.clone(), &quiet()).expect("it opens");
        assert_eq!(dump(&db).expect("it reads"), all);
        disk = disk.kill();
    }
}

/// A torn hint kept a store from opening. Hints of every length, and of nothing but rubbish, only cost time.
#[test]
fn ax_7_a_torn_hint_costs_only_time() {
    let disk = disk();
    let all = fill(&open(disk.clone(), &one_file()).expect("it opens"), 0, 20);
    let (path, bytes) = files_with(&disk, "hint").remove(0);
    disk.uproot(&at("index.checkpoint"));
    parallel(bytes.len(), |len| {
        let torn = disk.copy();
        torn.truncate(&path, len as u64);
        let db = open(torn, &quiet()).expect("it opens");
        assert_eq!(dump(&db).expect("it reads"), all);
        assert_eq!(db.open_report().unusable_hints.len(), 1);
    });
}

/// Opened without hints, the writer began at offset 0 of a file that it appended to: a later put changed what other keys read.
#[test]
fn ax_8_opening_without_hints_changes_no_place() {
    let disk = disk();
    fill(&open(disk.clone(), &one_file()).expect("it opens"), 0, 20);
    for round in 0..5 {
        remove_hints(&disk);
        let db = open(disk.clone(), &quiet()).expect("it opens");
        db.put(&key(100 + round), b"new").expect("it writes");
        for n in 0..20 {
            assert_eq!(get(&db, &key(n)), Some(format!("value of {n}").into_bytes()));
        }
    }
}

/// No value and an empty value were confused, and a put after a commit was a panic.
#[test]
fn ax_9_an_empty_value_is_a_value() {
    let disk = disk();
    let db = open(disk.clone(), &quiet()).expect("it opens");
    db.put(b"empty", b"").expect("it writes");
    db.put(b"gone", b"").expect("it writes");
    assert!(db.delete(b"gone").expect("it writes"));
    let mut batch = db.batch();
    batch.put(b"empty too", b"").expect("it takes it");
    batch.commit().expect("it writes");
    assert!(matches!(batch.put(b"late", b""), Err(Error::BatchFinished)));
    for db in [db, open(disk.kill(), &quiet()).expect("it opens")] {
        assert_eq!((get(&db, b"empty"), get(&db, b"gone")), (Some(Vec::new()), None));
        assert!(db.contains(b"empty too").expect("it looks") && !db.contains(b"gone").expect("it looks"));
        assert_eq!(db.get_into(b"empty", &mut []).expect("it reads"), Some(0));
    }
}

/// Recovery by several threads gave another result each time, and mostly a wrong one. Here a hundred recoveries of a
/// store with deletes and overwrites in every file, several at once, are all the same.
#[test]
fn lb_1_recovery_has_one_result() {
    let disk = disk();
    let db = open(disk.clone(), &quiet()).expect("it opens");
    for n in 0..3000 {
        // The clock goes backwards: times decide nothing.
        disk.set_now(bitcask::Timestamp(2_000_000_000_000 - n as u64 * 1000));
        if n % 5 == 4 {
            db.delete(&key(n % 101)).expect("it writes");
        } else {
            db.put(&key(n % 101), format!("{n}").as_bytes()).expect("it writes");
        }
    }
    let all = dump(&db).expect("it reads");
    let left = disk.kill();
    parallel(100, |n| {
        let copy = left.kill();
        if n % 2 == 0 {
            remove_hints(&copy);
        }
        let db = open(copy, &quiet().index(common::index(n))).expect("it opens");
        assert_eq!(dump(&db).expect("it reads"), all);
    });
}

/// Opening truncated any file at the first record that it could not read: one flipped bit of a length took 1000 keys. No
/// bytes that valid records follow are ever cut off, and with `Serve` 999 keys are there.
#[test]
fn lb_2_one_flipped_bit_takes_no_other_record() {
    for hints in [true, false] {
        let disk = disk();
        let db = open(disk.clone(), &quiet().max_file_size(1 << 14)).expect("it opens");
        let all = fill(&db, 0, 1000);
        db.close().expect("it closes");
        if !hints {
            remove_hints(&disk);
        }
        for offset in [128 + 8, 128 + 10, 128 + 13] {
            let damaged = disk.copy();
            damaged.flip_bit(&at("1.data"), offset, 1);
            let before = damaged.bytes(&at("1.data")).expect("it is there");
            if !hints {
                assert!(matches!(open(damaged.clone(), &quiet()), Err(Error::Corrupted { offset: 128, .. })));
            }
            let db = open(damaged.clone(), &quiet().on_damage(OnDamage::Serve)).expect("it opens");
            for (key, value) in &all {
                match db.get(key) {
                    Ok(Some(found)) => assert_eq!(&found[..], &value[..]),
                    Ok(None) => assert!(!hints && *key == b"key0000"),
                    Err(e) => assert!(hints && *key == b"key0000" && matches!(e, Error::Corrupted { .. }), "{e}"),
                }
            }
            drop(db);
            assert!(damaged.bytes(&at("1.data")).expect("it is there") == before, "the evidence was changed");
        }
    }
}

/// After one write that failed half-way, 100 later puts were acknowledged and unreadable. The same at a rotation.
#[test]
fn lb_3_a_failed_write_moves_no_later_one() {
    for nth in 0..12 {
        let disk = disk();
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), &quiet().io(IoKind::File)).expect("it opens");
        fill(&db, 0, 75);
        let data = Filter::any().kinds(&[OpKind::Write]).suffix(".data");
        vfs.inject(Plan { fault: Fault::ShortWrite(Short::Half), filter: data.clone(), nth, forever: false });
        let full = Fault::Error(errno::ENOSPC);
        vfs.inject(Plan { fault: full, filter: data, nth: nth + 1, forever: false });
        let failed = (75..95).filter(|&n| db.put(&key(n), &[1; 100]).is_err()).count();
        assert_eq!(failed, 1);
        let all = fill(&db, 100, 200);
        assert_eq!(all.len(), 75 + 19 + 100);
        assert_eq!(dump(&open(disk.kill(), &quiet()).expect("it opens")).expect("it reads"), all);
    }
}

/// Going on with an iterator after the store was closed was a crash. Any order of closing and dropping is safe.
#[test]
fn lb_5_things_may_be_closed_in_any_order() {
    for kind in KINDS {
        let disk = disk();
        let db = open(disk.clone(), &quiet().index(kind)).expect("it opens");
        fill(&db, 0, 50);
        let mut iter = db.iter(&IterOptions::new()).expect("it iterates");
        let mut batch = db.batch();
        batch.put(b"k", b"v").expect("it takes it");
        let value = db.get(&key(7)).expect("it reads").expect("it is there");
        iter.next().expect("there is one").expect("it reads");
        db.close().expect("it closes");
        assert!(matches!(db.close(), Err(Error::Closed)));
        assert!(matches!(iter.next(), Some(Err(Error::Closed))));
        iter.rewind();
        iter.seek(b"key");
        assert!(matches!(iter.next_page(&mut EntryPage::new(), 9, 99), Err(Error::Closed)));
        assert!(matches!(batch.commit(), Err(Error::Closed)));
        assert!(matches!(db.get(b"k"), Err(Error::Closed)));
        assert!(matches!(db.put(b"k", b"v"), Err(Error::Closed)));
        assert!(matches!(db.delete(b"k"), Err(Error::Closed)));
        assert!(matches!(db.sync(), Err(Error::Closed)));
        assert!(matches!(db.iter(&IterOptions::new()), Err(Error::Closed)));
        drop(db);
        assert_eq!(&value[..], b"value of 7", "a value outlives its store");
        drop(batch);
        drop(iter);
        assert_eq!(open(disk, &quiet()).expect("it opens").len().expect("it counts"), 50);
    }
}

/// Close did not sync, nor did anything sync directories. What was there at close survives a power cut, whatever the durability.
#[test]
fn lb_6_close_is_durable() {
    let disk = disk();
    let db = open(disk.clone(), &quiet()).expect("it opens");
    let all = fill(&db, 0, 300);
    db.close().expect("it closes");
    assert_eq!(dump(&open(power_cut(&disk), &quiet()).expect("it opens")).expect("it reads"), all);
    // Each directory entry alone may have got there or not.
    for mask in 0..64 {
        let cut = disk.crash(disk.op_count(), &CrashChoice::Entries(mask));
        assert_eq!(dump(&open(cut, &quiet()).expect("it opens")).expect("it reads"), all);
    }
}

/// An open fold held back every deletion of files, there could be one only, and what it set aside grew without bounds. Any number of
/// iterators and snapshots live side by side, each shows its own moment, and they may go in any order.
#[test]
fn bc_9_any_number_of_moments_live_side_by_side() {
    for kind in KINDS {
        let db = open(disk(), &quiet().index(kind)).expect("it opens");
        let mut moments = Vec::new();
        for n in 0..40 {
            fill(&db, n, n + 3);
            db.delete(&key(n / 2)).expect("it writes");
            let iter = db.iter(&IterOptions::new()).expect("it iterates");
            moments.push((iter, db.snapshot().expect("a snapshot"), dump(&db).expect("it reads")));
        }
        while !moments.is_empty() {
            let (iter, snapshot, want) = moments.swap_remove(moments.len() * 2 / 3);
            let seen: Map =
                iter.map(|record| record.expect("it reads")).map(|(key, value)| (key, value.into_vec())).collect();
            assert_eq!(seen, want);
            assert_eq!(snapshot.len().expect("it counts"), want.len() as u64);
            assert!(snapshot.list_keys().expect("it iterates").iter().eq(want.keys()));
        }
    }
}

/// A commit that failed kept its lock: all writers waited for ever. Here the disk fails each operation of a commit, and others
/// write on.
#[test]
fn gl_1_a_failed_commit_holds_up_nobody() {
    for nth in 0..3 {
        let disk = disk();
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), &quiet().io(IoKind::File)).expect("it opens");
        fill(&db, 0, 5);
        let mut txn = db.transaction().expect("it begins");
        txn.get(&key(1)).expect("it reads");
        (0..60).for_each(|n| txn.put(&key(n), &[n as u8; 200]).expect("it takes it"));
        let data = Filter::any().kinds(&[OpKind::Write]).suffix(".data");
        vfs.inject(Plan { fault: Fault::Error(errno::ENOSPC), filter: data, nth, forever: false });
        assert!(matches!(txn.commit(), Err(Error::Io { .. })), "write {nth}");
        assert!(vfs.fired());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let db = &db;
                scope.spawn(move || db.put(&key(100 + thread), b"v").expect("it writes"));
            }
        });
        assert_eq!(db.len().expect("it counts"), 9);
        txn.commit().expect("it may be tried again: nothing that it read has changed");
        assert_eq!(db.len().expect("it counts"), 64);
        let all = dump(&db).expect("it reads");
        assert_eq!(dump(&open(disk.kill(), &quiet()).expect("it opens")).expect("it reads"), all);
    }
}

/// An empty value passed for corruption, and all behind it was thrown away after an unclean end.
#[test]
fn hd_1_an_empty_value_ends_no_log() {
    let disk = disk();
    let db = open(disk.clone(), &one_file()).expect("it opens");
    fill(&db, 0, 10);
    db.put(b"k", b"").expect("it writes");
    let all = fill(&db, 10, 1000);
    assert_eq!(all.len(), 1001);
    assert_eq!(dump(&open(disk.kill(), &quiet()).expect("it opens")).expect("it reads"), all);
}

/// Reads compared no checksum: a flipped bit came back as data, and a file that had lost its end as zeros.
#[test]
fn hd_3_damaged_bytes_are_never_a_value() {
    let disk = disk();
    let db = open(disk.clone(), &one_file()).expect("it opens");
    db.put(b"first", &[5; 2000]).expect("it writes");
    db.put(b"second", &[6; 2000]).expect("it writes");
    db.close().expect("it closes");
    let db = open(disk.clone(), &one_file()).expect("it opens");
    for offset in [170, 1000, 2000] {
        disk.flip_bit(&at("1.data"), offset, 7);
        let e = db.get(b"first").expect_err("a flipped bit is no value");
        assert!(matches!(&e, Error::Corrupted { path, offset: 128, .. } if path == Path::new("/db/1.data")), "{e}");
        assert!(db.get_into(b"first", &mut [0; 4000]).is_err());
        disk.flip_bit(&at("1.data"), offset, 7);
        assert_eq!(get(&db, b"first"), Some(vec![5; 2000]));
    }
    disk.truncate(&at("1.data"), 3000);
    assert!(matches!(db.get(b"second"), Err(Error::Corrupted { .. })), "cut off is not zeros");
    assert_eq!(get(&db, b"first"), Some(vec![5; 2000]));
}

/// After a full disk position and offset differed: 300 of 300 later reads gave wrong bytes and no error.
#[test]
fn hd_4_reads_are_right_while_and_after_the_disk_is_full() {
    let disk = disk();
    let db = open(disk.clone(), &quiet()).expect("it opens");
    let mut all = fill(&db, 0, 20);
    for round in 0..30usize {
        let used: u64 = disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum();
        disk.set_capacity(Some(used + 50 + round as u64 * 13));
        for n in 0..20 {
            let (key, value) = (key(n), vec![round as u8; 40 + n * 30]);
            if db.put(&key, &value).is_ok() {
                all.insert(key, value);
            }
            assert_eq!(dump(&db).expect("it reads"), all);
        }
        disk.set_capacity(None);
        let (key, value) = (key(round), format!("round {round}").into_bytes());
        db.put(&key, &value).expect("it writes again");
        all.insert(key, value);
    }
    assert_eq!(dump(&db).expect("it reads"), all);
    assert_eq!(dump(&open(disk.kill(), &quiet()).expect("it opens")).expect("it reads"), all);
}

/// Clones of a handle write and close the same store, from any thread.
#[test]
fn clones_are_one_store() {
    let db = open(disk(), &quiet()).expect("it opens");
    let other = db.clone();
    let threads: Vec<_> = (0..4)
        .map(|t| {
            let db = Arc::new(other.clone());
            std::thread::spawn(move || (0..200).for_each(|n| db.put(&key(t * 1000 + n), b"v").expect("it writes")))
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().expect("no panic"));
    assert_eq!(db.len().expect("it counts"), 800);
    db.close().expect("it closes");
    assert!(matches!(other.get(b"k"), Err(Error::Closed)));
}
