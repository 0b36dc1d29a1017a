//! Syncs that were none, writes that failed half-way and full disks.

use std::time::{Duration, Instant};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, Short, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::CrashChoice;
use bitcask::{Durability, Error, IoKind, WriteOptions};

use super::common::{IO_KINDS, KINDS, dump, open, quiet};
use super::{disk, fill, get, key, one_file, power_cut, ways};

/// Syncs of data files since the last call.
fn syncs(vfs: &FaultVfs, before: &mut u64) -> u64 {
    let now = vfs.count(Fault::SyncFailureDroppingPages, &Filter::any().suffix(".data"));
    std::mem::replace(before, now).abs_diff(now)
}

/// An option to sync that never synced. Each durability issues the syncs that it promises, and no more.
#[test]
fn bc_6_every_durability_syncs_as_it_says() {
    let hour = Duration::from_secs(3600);
    let all = [Durability::None, Durability::Interval { every: hour, bytes: u64::MAX }, Durability::Always];
    for (io, durability) in IO_KINDS.into_iter().flat_map(|io| all.map(|durability| (io, durability))) {
        let always = u64::from(durability == Durability::Always);
        let vfs = FaultVfs::over_sim(&disk());
        let mut seen = 0;
        let db = open(vfs.clone(), &one_file(&quiet()).io(io).durability(durability)).expect("it opens");
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
        let db = open(disk.clone(), &one_file(&quiet()).durability(durability)).expect("it opens");
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
    for way in ways() {
        let disk = disk();
        let vfs = FaultVfs::over_sim(&disk);
        // Written by calls: a copy is never cut short.
        let db = open(vfs.clone(), &one_file(&way).io(IoKind::File)).expect("it opens");
        fill(&db, 0, 10);
        vfs.inject(Plan::once(Fault::ShortWrite(Short::Bytes(13)), 0));
        let all = fill(&db, 10, 110);
        assert!(vfs.fired());
        for n in 0..110 {
            assert_eq!(get(&db, &key(n)), Some(format!("value of {n}").into_bytes()));
        }
        assert_eq!(dump(&open(disk.kill(), &way).expect("it opens")).expect("it reads"), all);
    }
}

/// `Sync = true` issued no sync for 100 puts, nor for a batch that asked for one. What was acknowledged survives a power cut.
#[test]
fn rd_1_what_was_synced_survives_a_power_cut() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way.clone().durability(Durability::Always)).expect("it opens");
        for n in 0..100 {
            db.put(&key(n), b"v").expect("it writes");
            let after = open(power_cut(&disk), &way).expect("it opens");
            assert_eq!(after.len().expect("it counts"), n as u64 + 1);
        }
        drop(db);
        let db = open(disk.clone(), &way).expect("it opens");
        let mut batch = db.batch();
        (0..50).for_each(|n| batch.delete(&key(n)).expect("it takes it"));
        batch.commit_with(WriteOptions::new().sync(true)).expect("it writes");
        assert_eq!(open(power_cut(&disk), &way).expect("it opens").len().expect("it counts"), 50);
    }
}

/// Once the disk was full, all later puts were acknowledged and lost. Here for disks that are full at every byte.
#[test]
fn rd_6_a_full_disk_loses_nothing() {
    for way in ways() {
        for room in (0..400).step_by(7) {
            let disk = disk();
            let db = open(disk.clone(), &way.clone().max_file_size(1 << 16)).expect("it opens");
            fill(&db, 0, 10);
            let used: u64 = disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum();
            disk.set_capacity(Some(used + room));
            let failed = (0..3).filter(|_| db.put(b"large", &[1; 6000]).is_err()).count();
            disk.set_capacity(None);
            let mut all = fill(&db, 10, 110);
            assert_eq!(failed, 3, "{room} bytes of room");
            assert_eq!(all.len(), 110);
            assert_eq!(dump(&open(disk.kill(), &way).expect("it opens")).expect("it reads"), all);
            db.sync().expect("it syncs");
            all.remove(b"large".as_slice());
            assert_eq!(dump(&open(power_cut(&disk), &way).expect("it opens")).expect("it reads"), all);
        }
    }
}

/// After one write that failed half-way, 100 later puts were acknowledged and unreadable. The same at a rotation.
#[test]
fn lb_3_a_failed_write_moves_no_later_one() {
    for way in ways() {
        for nth in 0..12 {
            let disk = disk();
            let vfs = FaultVfs::over_sim(&disk);
            let db = open(vfs.clone(), &way.clone().io(IoKind::File)).expect("it opens");
            fill(&db, 0, 75);
            let data = Filter::any().kinds(&[OpKind::Write]).suffix(".data");
            vfs.inject(Plan { fault: Fault::ShortWrite(Short::Half), filter: data.clone(), nth, forever: false });
            let full = Fault::Error(errno::ENOSPC);
            vfs.inject(Plan { fault: full, filter: data, nth: nth + 1, forever: false });
            let failed = (75..95).filter(|&n| db.put(&key(n), &[1; 100]).is_err()).count();
            assert_eq!(failed, 1);
            let all = fill(&db, 100, 200);
            assert_eq!(all.len(), 75 + 19 + 100);
            assert_eq!(dump(&open(disk.kill(), &way).expect("it opens")).expect("it reads"), all);
        }
    }
}

/// Close did not sync, nor did anything sync directories. What was there at close survives a power cut, whatever the durability.
#[test]
fn lb_6_close_is_durable() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        let all = fill(&db, 0, 300);
        db.close().expect("it closes");
        assert_eq!(dump(&open(power_cut(&disk), &way).expect("it opens")).expect("it reads"), all);
        // Each directory entry alone may have got there or not.
        for mask in 0..64 {
            let cut = disk.crash(disk.op_count(), &CrashChoice::Entries(mask));
            assert_eq!(dump(&open(cut, &way).expect("it opens")).expect("it reads"), all);
        }
    }
}

/// After a full disk position and offset differed: 300 of 300 later reads gave wrong bytes and no error.
#[test]
fn hd_4_reads_are_right_while_and_after_the_disk_is_full() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
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
        assert_eq!(dump(&open(disk.kill(), &way).expect("it opens")).expect("it reads"), all);
    }
}

/// A commit that failed kept its lock: all writers waited for ever. Here the disk fails each operation of a commit, and others
/// write on.
#[test]
fn gl_1_a_failed_commit_holds_up_nobody() {
    for (kind, nth) in KINDS.into_iter().flat_map(|kind| [0, 1, 2].map(|nth| (kind, nth))) {
        let disk = disk();
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), &quiet().index(kind).io(IoKind::File)).expect("it opens");
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

/// An overwrite was two appends, a mark that the old value is gone and then the new one: cut off between them, or on a full disk, the key had neither.
#[test]
fn bc_2_an_overwrite_leaves_the_old_value_or_the_new() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        db.put(b"k", b"the old").expect("it writes");
        // The old value is in another file than the new.
        fill(&db, 0, 100);
        db.sync().expect("it syncs");
        let before = disk.op_count();
        db.put(b"k", b"and the new").expect("it writes");
        db.sync().expect("it syncs");
        let (mut old, mut new) = (0, 0);
        for at in before..=disk.op_count() {
            let mut choices = vec![CrashChoice::LoseUnsynced, CrashChoice::KeepAll];
            choices.extend((0..disk.last_write_len(at).unwrap_or(0)).map(CrashChoice::CutLastWrite));
            for choice in choices {
                let found = get(&open(disk.crash(at, &choice), &way).expect("it opens"), b"k");
                let found = found.unwrap_or_else(|| panic!("{way:?}: {choice:?} at {at}: it has neither"));
                assert!(found == b"the old" || found == b"and the new", "{way:?}: {choice:?} at {at}");
                *if found == b"the old" { &mut old } else { &mut new } += 1;
            }
        }
        assert!(old > 10 && new > 1, "{old} times the old value, {new} times the new");
        for room in (0..80).step_by(3) {
            let full = disk.crash(before, &CrashChoice::KeepAll);
            let db = open(full.clone(), &way).expect("it opens");
            let used: u64 = full.files().iter().map(|(_, bytes)| bytes.len() as u64).sum();
            full.set_capacity(Some(used + room));
            let want = if db.put(b"k", b"and the new").is_ok() { &b"and the new"[..] } else { b"the old" };
            assert_eq!(get(&db, b"k").as_deref(), Some(want), "{way:?}: {room} bytes of room");
            full.set_capacity(None);
            let again = open(full.kill(), &way).expect("it opens");
            assert_eq!(get(&again, b"k").as_deref(), Some(want), "{way:?}: {room} bytes of room");
        }
    }
}

/// After a failed write of the log nothing was written until the store was opened again; and a write that was durable and seen was told as failed, for
/// the change of files behind it had failed. Who is told of an error finds nothing of it, and the next one writes.
#[test]
fn gl_2_a_failure_takes_one_write_and_stays_away_from_the_others() {
    for kind in KINDS {
        for op in [OpKind::Write, OpKind::Create] {
            for nth in 0.. {
                let disk = disk();
                let vfs = FaultVfs::over_sim(&disk);
                let options = quiet().index(kind).io(IoKind::File);
                let db = open(vfs.clone(), &options).expect("it opens");
                let mut all = fill(&db, 0, 3);
                let filter = Filter::any().kinds(&[op]).suffix(".data");
                vfs.inject(Plan { fault: Fault::Error(errno::ENOSPC), filter, nth, forever: false });
                let mut failed = 0;
                for n in 3..30 {
                    let value = vec![n as u8; 700];
                    match db.put(&key(n), &value) {
                        Ok(()) => _ = all.insert(key(n), value),
                        Err(error) => {
                            assert!(matches!(error, Error::Io { .. }), "{kind:?}, {op:?} {nth}: {error:?}");
                            failed += 1;
                        }
                    }
                    assert_eq!(get(&db, &key(n)).as_ref(), all.get(&key(n)), "{kind:?}, {op:?} {nth}");
                }
                assert_eq!(failed, usize::from(vfs.fired()), "{kind:?}, {op:?} {nth}");
                assert_eq!(dump(&db).expect("it reads"), all, "{kind:?}, {op:?} {nth}");
                let again = open(disk.kill(), &options).expect("it opens");
                assert_eq!(dump(&again).expect("it reads"), all, "{kind:?}, {op:?} {nth}");
                if !vfs.fired() {
                    assert!(nth >= 4, "{op:?}: files changed {nth} times");
                    break;
                }
            }
        }
    }
}

/// Writers whose writes were put together shared one error. Here what does not fit fails alone.
#[test]
fn gl_3_writers_that_write_together_fail_alone() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way.clone().max_file_size(8 << 20)).expect("it opens");
        fill(&db, 0, 10);
        let used: u64 = disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum();
        disk.set_capacity(Some(used + (300 << 10)));
        std::thread::scope(|scope| {
            for thread in 1..5 {
                let db = &db;
                scope.spawn(move || {
                    for n in 0..50 {
                        db.put(&key(thread * 100 + n), b"it fits").expect("what fits is written");
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..10 {
                    let error = db.put(b"large", &vec![1; 1 << 20]).expect_err("it does not fit");
                    assert!(matches!(error, Error::Io { .. }), "{error:?}");
                }
            });
        });
        disk.set_capacity(None);
        let all = dump(&db).expect("it reads");
        assert_eq!((all.len(), all.get(&b"large"[..])), (10 + 4 * 50, None));
        assert_eq!(dump(&open(disk.kill(), &way).expect("it opens")).expect("it reads"), all);
    }
}
