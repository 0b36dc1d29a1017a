//! Merges that are stopped, paused, run out of space or find damage: nothing is lost, and a later one works.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Error, FileId, MergeOptions, OnDamage};

use super::common::damage::records;
use super::common::{Map, at, dead, index, open, quiet, remove_hints};
use super::{all, check, fill, key, put, space};

/// Stopped by its callback, by closing, by a full disk or a failed sync of its output, a merge leaves a store that goes on, and a later merge works.
#[test]
fn a_merge_that_is_cut_short_costs_nothing() {
    let calls = {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let db = open(disk, &quiet()).expect("it opens");
        fill(&db, &mut state, 1, 500);
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let count = move |_: &_| {
            counter.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        db.merge(&all().progress(count)).expect("it merges");
        calls.load(Ordering::Relaxed)
    };
    assert!(calls > 20, "{calls}");
    for stop in 0..calls {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let db = open(disk.clone(), &quiet().index(index(stop))).expect("it opens");
        fill(&db, &mut state, 1, 500);
        let (n, closing) = (AtomicUsize::new(0), (stop % 3 == 0).then(|| db.clone()));
        let outcome = db.merge(&all().progress(move |_| {
            if n.fetch_add(1, Ordering::Relaxed) < stop {
                return ControlFlow::Continue(());
            }
            match &closing {
                // From another thread, which waits for the merge to end.
                Some(db) => {
                    let db = db.clone();
                    std::thread::spawn(move || db.close());
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(()),
            }
        }));
        let db = if stop % 3 == 0 {
            // It may have been over before it saw.
            assert!(matches!(outcome, Ok(_) | Err(Error::Closed)), "{outcome:?}");
            while !matches!(db.get(b"k"), Err(Error::Closed)) {
                std::thread::yield_now();
            }
            drop(db);
            loop {
                match open(disk.clone(), &quiet()) {
                    Err(Error::Locked { .. }) => std::thread::yield_now(),
                    outcome => break outcome.expect("it opens again"),
                }
            }
        } else {
            assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
            db
        };
        check(&db, &state, "cut short");
        assert!(disk.files().iter().all(|(path, _)| path.extension().is_none_or(|e| e != "tmp")), "left behind");
        fill(&db, &mut state, 2, 100);
        let report = db.merge(&all()).expect("a later one works");
        assert!(report.skipped_files.is_empty());
        check(&db, &state, "after a later one");
        assert_eq!(dead(&db).0, 0);
    }
}

/// A full disk stops a merge, not the store.
#[test]
fn a_full_disk_stops_a_merge_and_nothing_else() {
    for (n, filter) in [
        Filter::any().kinds(&[OpKind::Write]).suffix(".data.tmp"),
        Filter::any().kinds(&[OpKind::Create]).suffix(".data.tmp"),
        Filter::any().kinds(&[OpKind::SyncData]).suffix(".data.tmp"),
        Filter::any().kinds(&[OpKind::Rename]).suffix(".data.tmp"),
    ]
    .into_iter()
    .enumerate()
    {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), &quiet()).expect("it opens");
        fill(&db, &mut state, 1, 500);
        let fault = if n == 2 { Fault::SyncFailureDroppingPages } else { Fault::Error(errno::ENOSPC) };
        vfs.inject(Plan { fault, filter, nth: 1, forever: true });
        let before = space(&disk);
        let error = db.merge(&all()).expect_err("the disk is full");
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        assert!(space(&disk) < before + 4096, "{n}: outputs were left: {} of {before}", space(&disk));
        check(&db, &state, "on a full disk");
        put(&db, &mut state, b"more".to_vec(), b"v".to_vec());
        vfs.heal();
        db.merge(&all()).expect("there is room again");
        check(&db, &state, "after it");
        assert_eq!(dead(&db).0, 0);
        drop(db);
        check(&open(disk.kill(), &quiet()).expect("it opens again"), &state, "reopened");
    }
}

/// A file with bytes that no record accounts for stays, with all that is readable in it; so do deletes that may hide what it holds.
#[test]
fn a_damaged_file_is_kept() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk.clone(), &quiet()).expect("it opens");
    fill(&db, &mut state, 1, 500);
    let ids: Vec<FileId> = db.file_stats().expect("figures").iter().map(|file| file.id).collect();
    let path = at(&format!("{}.data", ids[2].0));
    let records = records(&disk.bytes(&path).expect("the file"));
    // While it is open: the merge finds it.
    disk.flip_bit(&path, records[1].offset + 8, 3);
    let report = db.merge(&all()).expect("it merges");
    assert_eq!(report.skipped_files.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(report.removed_files.len(), ids.len() - 1);
    assert!(report.copied_tombstones > 0, "what they hide may be in the damaged place: {report:?}");
    let is_hit = |key: &Vec<u8>| *key == records[1].key;
    for (key, value) in state.iter().filter(|(key, _)| !is_hit(key)) {
        assert_eq!(db.get(key).expect("it reads").as_deref(), Some(&value[..]));
    }
    assert!(disk.bytes(&path).is_ok());
    db.close().expect("it closes");
    remove_hints(&disk);
    let db = open(disk, &quiet().on_damage(OnDamage::Serve)).expect("it opens");
    assert_eq!(db.open_report().damage.len(), 1);
    for n in (0..100).map(key).filter(|key| !is_hit(key)) {
        assert_eq!(db.get(&n).expect("it reads").as_deref(), state.get(&n).map(Vec::as_slice));
    }
    assert!(db.merge(&all()).expect("it merges").skipped_files.iter().any(|(id, _)| *id == ids[2]));
}

/// Paused, a merge waits where it is; a store that is closed ends it, and so does its callback.
#[test]
fn a_paused_merge_waits() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk, &quiet()).expect("it opens");
    fill(&db, &mut state, 1, 500);
    db.pause_merge().expect("it pauses");
    let (calls, bytes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (merging, counter, read) = (db.clone(), Arc::clone(&calls), Arc::clone(&bytes));
    let merge = std::thread::spawn(move || {
        merging.merge(&all().bytes_per_second(1 << 30).progress(move |at| {
            counter.fetch_add(1, Ordering::Relaxed);
            read.store(at.bytes_read as usize, Ordering::Relaxed);
            ControlFlow::Continue(())
        }))
    });
    fill(&db, &mut state, 2, 100);
    // It is asked again and again, and comes no further.
    while calls.load(Ordering::Relaxed) < 4 {
        std::thread::yield_now();
    }
    assert_eq!(bytes.load(Ordering::Relaxed), 0, "it went on");
    db.resume_merge().expect("it resumes");
    let report = merge.join().expect("no panic").expect("it merges");
    assert!(!report.removed_files.is_empty());
    check(&db, &state, "resumed");
    db.pause_merge().expect("it pauses");
    let left = AtomicUsize::new(3);
    let outcome = db.merge(&all().progress(move |_| match left.fetch_sub(1, Ordering::Relaxed) {
        0 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }));
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    let merging = db.clone();
    let merge = std::thread::spawn(move || merging.merge(&all()));
    db.close().expect("it closes");
    let outcome = merge.join().expect("no panic");
    assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
}

/// On a full disk deletes can't be written, so that what has expired stays; files in which nothing lives go all the same, and writes go on.
#[test]
fn a_full_disk_gets_space_back_though_something_has_expired() {
    let disk = SimVfs::new(3);
    let db = open(disk.clone(), &quiet()).expect("it opens");
    for n in 0..40 {
        db.put_with_ttl(&key(n), &[1; 50], Duration::from_millis(10)).expect("it writes");
    }
    for n in 0..2000 {
        db.put(&key(n % 10), &[2; 100]).expect("it writes");
    }
    disk.advance(1000);
    disk.set_capacity(Some(disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum()));
    while db.put(&key(1), &[3; 100]).is_ok() {}
    let report = db.merge(&MergeOptions::new()).expect("files go");
    assert!(report.removed_files.len() > 10 && report.swept_keys == 0, "{report:?}");
    db.put(&key(1), &[3; 100]).expect("there is room again");
}

/// Two sealed files of which a third lives, about 1400 bytes of each; and how many records of both live.
fn two_mostly_dead(db: &Db, state: &mut Map) -> (Vec<FileId>, u64) {
    let sealed = || db.file_stats().expect("figures").into_iter().filter(|file| !file.is_active).collect::<Vec<_>>();
    for n in 0.. {
        if sealed().len() == 2 {
            break;
        }
        put(db, state, key(if n % 3 == 0 { n } else { 99 }), vec![n as u8; 100]);
    }
    let files = sealed();
    assert!(files.iter().all(|file| (1300 - 136..=1360 + 136).contains(&file.live_bytes)), "{files:?}");
    (files.iter().map(|file| file.id).collect(), files.iter().map(|file| file.live_records).sum())
}

fn used(disk: &SimVfs) -> u64 {
    disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum()
}

/// What does not fit is not begun, nor read, so that the space that is left stays for writers; what fits is merged.
#[test]
fn a_merge_that_does_not_fit_is_not_begun() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk.clone(), &quiet()).expect("it opens");
    let (files, _) = two_mostly_dead(&db, &mut state);
    // Less than what lives in either.
    disk.set_capacity(Some(used(&disk) + 1100));
    let (before, most) = (disk.op_count(), Arc::new(AtomicUsize::new(0)));
    let read = Arc::clone(&most);
    let merge = MergeOptions::new().files(&files).progress(move |at| {
        read.fetch_max(at.bytes_read as usize, Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    let error = db.merge(&merge).expect_err("it does not fit");
    assert_eq!(error.status(), bitcask::Status::DiskFull, "{error}");
    assert!(error.to_string().contains("are free"), "{error}");
    let is_output = |path: &std::path::Path| path.to_string_lossy().ends_with(".data.tmp");
    assert!(!disk.ops().iter().skip(before).any(|op| is_output(&op.path)), "an output was begun");
    assert_eq!(most.load(Ordering::Relaxed), 0, "a file was read in vain");
    put(&db, &mut state, b"more".to_vec(), b"v".to_vec());
    check(&db, &state, "on a full disk");
    disk.set_capacity(Some(used(&disk) + 50_000));
    let report = db.merge(&merge).expect("it fits");
    assert_eq!((&report.removed_files, report.created_files.len()), (&files, 1));
    assert!(most.load(Ordering::Relaxed) > 0);
    check(&db, &state, "merged");
}

/// Files that don't fit together are merged one by one, the oldest first, whether the file system told beforehand or not; what was copied in vain is in no
/// figure.
#[test]
fn of_a_merge_that_does_not_fit_either_half_is_tried() {
    for is_told in [true, false] {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), &quiet()).expect("it opens");
        let (files, live) = two_mostly_dead(&db, &mut state);
        if is_told {
            disk.set_capacity(Some(used(&disk) + 3000));
        } else {
            // Behind the header, when all is copied.
            let filter = Filter::any().kinds(&[OpKind::Write]).suffix(".data.tmp");
            vfs.inject(Plan::once(Fault::Error(errno::ENOSPC), 1).of(filter));
        }
        let merge = MergeOptions::new().files(&files);
        let report = db.merge(&merge).expect("each fits by itself");
        assert_eq!(vfs.fired(), !is_told);
        assert_eq!((&report.removed_files, report.created_files.len()), (&files, 2), "{is_told}: {report:?}");
        assert_eq!((report.copied_records, report.installed_records), (live, live), "{is_told}: {report:?}");
        check(&db, &state, "merged");
        drop(db);
        check(&open(disk.kill(), &quiet()).expect("it opens again"), &state, "reopened");
    }
}

/// A file that is skipped is told once, however often the others are tried.
#[test]
fn what_is_skipped_is_told_once() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let vfs = FaultVfs::over_sim(&disk);
    let db = open(vfs.clone(), &quiet()).expect("it opens");
    fill(&db, &mut state, 1, 500);
    let ids: Vec<FileId> = db.file_stats().expect("figures").iter().map(|file| file.id).collect();
    let path = at(&format!("{}.data", ids[2].0));
    let records = records(&disk.bytes(&path).expect("the file"));
    disk.flip_bit(&path, records[1].offset + 8, 3);
    let filter = Filter::any().kinds(&[OpKind::Write]).suffix(".data.tmp");
    vfs.inject(Plan::once(Fault::Error(errno::ENOSPC), 1).of(filter));
    let report = db.merge(&all()).expect("it merges the others");
    assert!(vfs.fired());
    assert_eq!(report.skipped_files.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(report.removed_files.len(), ids.len() - 1, "{report:?}");
}

/// A file that the disk can't read stays, and is reported; the others are merged, and deletes of what it may hold are kept.
#[test]
fn a_file_that_can_not_be_read_keeps_no_other_from_being_merged() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let vfs = FaultVfs::over_sim(&disk);
    let db = open(vfs.clone(), &quiet().io(bitcask::IoKind::File)).expect("it opens");
    fill(&db, &mut state, 1, 500);
    let ids: Vec<FileId> = db.file_stats().expect("figures").iter().map(|file| file.id).collect();
    let filter = Filter::any().kinds(&[OpKind::Read]).suffix(&format!("/{}.data", ids[2].0));
    vfs.inject(Plan { fault: Fault::Error(errno::EIO), filter, nth: 0, forever: true });
    let report = db.merge(&all()).expect("it merges the others");
    assert_eq!(report.skipped_files.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(report.removed_files.len(), ids.len() - 1);
    assert!(report.copied_tombstones > 0, "what they hide may be in it: {report:?}");
    vfs.heal();
    check(&db, &state, "it can be read again");
    drop(db);
    let copy = disk.kill();
    remove_hints(&copy);
    check(&open(copy, &quiet()).expect("it opens again"), &state, "reopened");
}
