//! What goes wrong in merges: keys that come back, keys that are lost, stores that do not open any more.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, Short, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Error, FileId, IterOptions, MergeOptions, MergeReport, OnDamage};

use super::common::damage::{data_files, files_with, records};
use super::common::{Map, dead, dump, open, quiet};
use super::{disk, fill, get, key, one_file, power_cut, remove_advice, ways};

fn merge_all(db: &Db) -> MergeReport {
    db.merge(&MergeOptions::new().everything(true)).expect("it merges")
}

/// The ids of the data files that are not written to.
fn sealed(db: &Db) -> Vec<FileId> {
    db.file_stats().expect("figures").iter().filter(|file| !file.is_active).map(|file| file.id).collect()
}

/// A deleted key came back after a merge of the delete's file alone, because the file with its value had no hint and was taken for gone.
#[test]
fn bc_3_a_partial_merge_without_hints_brings_nothing_back() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        db.put(b"K", b"v1").expect("it writes");
        let disk = disk.kill();
        drop(db);
        remove_advice(&disk);
        let db = open(disk.clone(), &way).expect("it opens");
        fill(&db, 0, 200);
        assert!(db.delete(b"K").expect("it writes"));
        fill(&db, 200, 400);
        db.close().expect("it closes");
        remove_advice(&disk);
        for n in 0..sealed(&open(disk.clone(), &way).expect("it opens")).len() {
            let copy = disk.copy();
            let db = open(copy.clone(), &way).expect("it opens");
            let ids = sealed(&db);
            for id in [ids[n], ids[ids.len() - 1 - n]] {
                if sealed(&db).contains(&id) {
                    db.merge(&MergeOptions::new().files(&[id])).expect("it merges");
                }
                assert_eq!(get(&db, b"K"), None);
            }
            db.close().expect("it closes");
            remove_advice(&copy);
            let db = open(copy, &way).expect("it opens");
            assert_eq!((get(&db, b"K"), db.len().expect("len")), (None, 400), "file {n} merged");
        }
    }
}

/// A merge stopped reading at a damaged record and removed the file with all that was readable behind it.
#[test]
fn bc_4_a_merge_loses_nothing_behind_a_damaged_record() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &one_file(&way)).expect("it opens");
        let all = fill(&db, 0, 1000);
        let (path, bytes) = data_files(&disk).remove(0);
        let hit = &records(&bytes)[9];
        // The length of its value.
        disk.overwrite(&path, hit.offset + 10, &[bytes[hit.offset as usize + 10] ^ 1]);
        for _ in 0..2 {
            let report = merge_all(&db);
            assert_eq!(report.skipped_files.len(), 1, "{way:?}: {report:?}");
            assert!(report.removed_files.is_empty() && disk.bytes(&path).is_ok(), "{way:?}: {report:?}");
        }
        db.close().expect("it closes");
        let db = open(disk, &one_file(&way).on_damage(OnDamage::Serve)).expect("it opens");
        for (key, value) in all.iter().filter(|(key, _)| **key != hit.key) {
            assert_eq!(get(&db, key).as_ref(), Some(value), "{way:?}");
        }
    }
}

/// A crash while the result of a merge was put into place, twice, lost what the first attempt had placed.
#[test]
fn rd_2_a_merge_may_be_cut_short_again_and_again() {
    for way in ways() {
        let made = disk();
        let db = open(made.clone(), &way).expect("it opens");
        fill(&db, 0, 100);
        let all = fill(&db, 50, 300);
        db.close().expect("it closes");
        let (mut disk, mut cut) = (made, 0);
        for round in 0..60 {
            let db = open(disk.clone(), &way).expect("it opens");
            assert_eq!(dump(&db).expect("it reads"), all, "round {round}");
            let before = disk.op_count();
            merge_all(&db);
            assert_eq!(dump(&db).expect("it reads"), all, "round {round}");
            let made = disk.op_count() - before;
            if round % 7 != 6 {
                cut += 1;
                disk = disk
                    .crash(before + (round * 13) % (made + 1), &CrashChoice::Entries(0x5A5A_1234_9876 >> (round % 32)));
            }
        }
        assert!(cut > 40);
    }
}

/// A merge made its output in another directory, which renaming could not reach where the store was a mount point, and removed the originals.
#[test]
fn rd_3_a_merge_names_nothing_outside_of_the_directory() {
    for way in ways() {
        let disk = disk();
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), &way).expect("it opens");
        fill(&db, 0, 300);
        let all = fill(&db, 0, 200);
        merge_all(&db);
        assert!(disk.ops().iter().all(|op| op.path.starts_with("/db") || op.path == Path::new("/")));
        // And where renaming fails nothing is removed.
        fill(&db, 0, 100);
        vfs.inject(Plan {
            fault: Fault::Error(errno::EROFS),
            filter: Filter::any().kinds(&[OpKind::Rename]).suffix(".data.tmp"),
            nth: 0,
            forever: true,
        });
        let error = db.merge(&MergeOptions::new().everything(true)).expect_err("it can't rename");
        assert!(matches!(error, Error::Io { op: "rename", .. }), "{error:?}");
        assert_eq!(dump(&db).expect("it reads"), all);
        vfs.heal();
        merge_all(&db);
        drop(db);
        assert_eq!(dump(&open(power_cut(&disk), &way).expect("it opens")).expect("it reads"), all);
    }
}

/// An iterator across a merge used its old positions in the new files.
#[test]
fn rd_7_an_iterator_goes_on_across_a_merge() {
    for way in ways() {
        let db = open(disk(), &way).expect("it opens");
        let all = fill(&db, 0, 500);
        let mut iter = db.iter(&IterOptions::new()).expect("an iterator");
        let mut seen = Map::new();
        for round in 0..10 {
            for record in iter.by_ref().take(50) {
                let (key, value) = record.expect("a record");
                seen.insert(key, value.into_vec());
            }
            fill(&db, round * 40, round * 40 + 60);
            merge_all(&db);
        }
        assert!(iter.next().is_none());
        assert_eq!(seen, all, "{way:?}");
        iter.seek(&key(250));
        assert_eq!(iter.next().expect("a record").expect("it reads").0, key(250), "after the end it can be sent back");
    }
}

/// A merge that was due while another ran made both fail, for ever.
#[test]
fn rd_11_merges_that_are_asked_for_at_the_same_time_all_succeed() {
    for way in ways() {
        let db = open(disk(), &way).expect("it opens");
        for round in 0..20 {
            let all = fill(&db, round, round + 100);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| merge_all(&db));
                }
            });
            assert_eq!(dump(&db).expect("it reads"), all);
        }
        assert_eq!(dead(&db).0, 0);
    }
}

/// A store that was closed during a merge let go of its lock, and the merge rewrote the directory under the next holder.
#[test]
fn rd_12_closing_ends_a_merge_before_the_lock_is_free() {
    for round in 0..30 {
        let disk = disk();
        let db = open(disk.clone(), &quiet()).expect("it opens");
        fill(&db, 0, 300);
        let all = fill(&db, 0, 200);
        let merging = db.clone();
        let merge = std::thread::spawn(move || merging.merge(&MergeOptions::new().everything(true)));
        for _ in 0..round * 50 {
            std::thread::yield_now();
        }
        db.close().expect("it closes");
        let at = disk.op_count();
        let outcome = merge.join().expect("no panic");
        assert!(matches!(outcome, Ok(_) | Err(Error::Closed)), "{outcome:?}");
        assert_eq!(disk.op_count(), at, "something was written after the close");
        assert_eq!(dump(&open(disk, &quiet()).expect("it opens")).expect("it reads"), all);
    }
}

/// A merge put old values over newer ones, and undid deletes, that came while it ran.
#[test]
fn ax_5_writes_beside_a_merge_stay() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        let all = Arc::new(std::sync::Mutex::new(fill(&db, 0, 400)));
        let (writing, state) = (db.clone(), Arc::clone(&all));
        let next = std::sync::atomic::AtomicUsize::new(0);
        let options = MergeOptions::new().everything(true).progress(move |_| {
            let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut state = state.lock().expect("no panic");
            writing.put(&key(n * 3 % 400), b"newer").expect("it writes");
            state.insert(key(n * 3 % 400), b"newer".to_vec());
            writing.delete(&key((n * 3 + 1) % 400)).expect("it writes");
            state.remove(&key((n * 3 + 1) % 400));
            ControlFlow::Continue(())
        });
        let report = db.merge(&options).expect("it merges");
        assert!(report.copied_records > report.installed_records, "{way:?}: nothing came in between: {report:?}");
        drop(options);
        let all = all.lock().expect("no panic").clone();
        assert_eq!(dump(&db).expect("it reads"), all, "{way:?}");
        assert_eq!(dump(&open(disk.kill(), &way).expect("it opens")).expect("it reads"), all, "{way:?}");
    }
}

/// A hint that named files which a merge had removed made every later scan and merge fail.
#[test]
fn ax_6_hints_of_files_that_are_gone_are_nobodys() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        fill(&db, 0, 300);
        let all = fill(&db, 0, 200);
        let hints = files_with(&disk, "hint");
        assert!(hints.len() > 3);
        merge_all(&db);
        db.close().expect("it closes");
        for (path, bytes) in hints {
            disk.plant(&path, &bytes);
        }
        let db = open(disk.clone(), &way).expect("it opens");
        assert_eq!(dump(&db).expect("it reads"), all);
        merge_all(&db);
        assert_eq!(dump(&db).expect("it reads"), all);
        drop(db);
        assert_eq!(dump(&open(disk, &way).expect("it opens")).expect("it reads"), all);
    }
}

/// Merging the file with the deletes dropped them, and without a checkpoint of the index the keys came back.
#[test]
fn lb_4_deletes_stay_as_long_as_they_hide_something() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        fill(&db, 0, 50);
        fill(&db, 100, 300);
        for n in 0..50 {
            assert!(db.delete(&key(n)).expect("it writes"));
        }
        let all = fill(&db, 300, 400);
        let deletes: Vec<FileId> =
            db.file_stats().expect("figures").iter().filter(|file| file.tombstones > 0).map(|file| file.id).collect();
        let report = db.merge(&MergeOptions::new().files(&deletes)).expect("it merges");
        assert_eq!((report.copied_tombstones, report.dropped_tombstones), (50, 0));
        db.close().expect("it closes");
        remove_advice(&disk);
        let db = open(disk.clone(), &way).expect("it opens");
        assert_eq!(dump(&db).expect("it reads"), all);
        // Merged with what they hide they go.
        assert_eq!(merge_all(&db).dropped_tombstones, 50);
        assert_eq!(dead(&db).1, 0);
        drop(db);
        assert_eq!(dump(&open(disk, &way).expect("it opens")).expect("it reads"), all);
    }
}

/// An iterator during a compaction passed over live records that had been moved.
#[test]
fn hd_2_an_iterator_beside_merges_shows_every_key() {
    for way in ways() {
        let db = open(disk(), &way).expect("it opens");
        fill(&db, 0, 1000);
        fill(&db, 300, 600);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..30).for_each(|_| _ = merge_all(&db)));
            for _ in 0..2 {
                scope.spawn(|| (0..20).for_each(|_| assert_eq!(dump(&db).expect("it reads").len(), 1000)));
            }
        });
    }
}

/// A copy that failed half-way was logged, and the source deleted; merged deletes were not synced before their sources went.
#[test]
fn hd_5_sources_go_when_copies_are_on_stable_storage() {
    for way in ways() {
        let disk = disk();
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), &way).expect("it opens");
        fill(&db, 0, 300);
        for n in 0..100 {
            db.delete(&key(n)).expect("it writes");
        }
        let all = dump(&db).expect("it reads");
        db.sync().expect("it syncs");
        // Only half of a piece is written, and then nothing more.
        vfs.inject(Plan {
            fault: Fault::ShortWrite(Short::Half),
            filter: Filter::any().kinds(&[OpKind::Write]).suffix(".data.tmp"),
            nth: 1,
            forever: false,
        });
        vfs.inject(Plan {
            fault: Fault::Error(errno::EIO),
            filter: Filter::any().kinds(&[OpKind::Write]).suffix(".data.tmp"),
            nth: 2,
            forever: true,
        });
        let before = data_files(&disk).len();
        let error = db.merge(&MergeOptions::new().everything(true)).expect_err("it can't write");
        assert!(matches!(error, Error::Io { op: "write", .. }), "{error:?}");
        assert!(data_files(&disk).len() >= before);
        vfs.heal();
        let from = disk.op_count();
        merge_all(&db);
        for at in from..=disk.op_count() {
            let cut = disk.crash(at, &CrashChoice::LoseUnsynced);
            remove_advice(&cut);
            assert_eq!(dump(&open(cut, &way).expect("it opens")).expect("it reads"), all, "cut at {at}");
        }
    }
}

/// That a file was to go was noted in its mode, which copies of a directory lose, and no directory was synced. Here names and bytes are all that there is:
/// a copy of them from any moment of a merge is the store, and before a file with deletes goes those that go before it are gone for good.
#[test]
fn bc_7_a_copy_of_the_files_from_any_moment_of_a_merge_is_the_store() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        fill(&db, 0, 200);
        for n in 0..50 {
            db.delete(&key(n)).expect("it writes");
        }
        let all = dump(&db).expect("it reads");
        db.sync().expect("it syncs");
        let (from, stats) = (disk.op_count(), db.file_stats().expect("figures"));
        let has_deletes = |path: &Path| {
            let is_it = |id: FileId| path.file_stem().is_some_and(|stem| stem.to_str() == Some(&id.0.to_string()));
            stats.iter().any(|file| file.tombstones > 0 && is_it(file.id))
        };
        assert!(merge_all(&db).removed_files.len() > 2);
        let (mut last, mut beside, mut with_deletes) = (None, 0, 0);
        for op in &disk.ops()[from..] {
            let is_removal = op.kind == OpKind::Remove && op.path.extension().is_some_and(|e| e == "data");
            if is_removal && has_deletes(&op.path) {
                assert_ne!(last, Some(OpKind::Remove), "{way:?}: {:?} and its deletes went beside another", op.path);
                with_deletes += 1;
            } else if is_removal && last == Some(OpKind::Remove) {
                beside += 1;
            }
            if is_removal || op.kind == OpKind::SyncDir {
                last = Some(op.kind);
            }
        }
        assert_eq!(last, Some(OpKind::SyncDir));
        assert!(with_deletes > 0 && beside > 0, "{way:?}: {with_deletes} had deletes, {beside} went beside others");
        for n in from..=disk.op_count() {
            let copy = SimVfs::new(7);
            for (path, bytes) in disk.crash(n, &CrashChoice::KeepAll).files() {
                copy.plant(&path, &bytes);
            }
            assert_eq!(dump(&open(copy, &way).expect("it opens")).expect("it reads"), all, "{way:?}: at {n}");
        }
    }
}

/// All was merged into one file, however large. Outputs end where files end.
#[test]
fn lb_8_what_is_merged_is_split_by_size() {
    for way in ways() {
        let db = open(disk(), &way).expect("it opens");
        fill(&db, 0, 500);
        let all = fill(&db, 0, 500);
        let report = merge_all(&db);
        assert!(report.created_files.len() > 4, "{way:?}: {report:?}");
        let files = db.file_stats().expect("figures");
        assert!(files.iter().all(|file| file.bytes <= 4096 + 64), "{way:?}: {files:?}");
        assert_eq!(dump(&db).expect("it reads"), all);
    }
}
