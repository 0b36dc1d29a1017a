//! Deletes go as soon as nothing is left that they hide, and not before: none is copied for ever, and no key comes back.

use bitcask::format::header::{DataHeader, FileKind};
use bitcask::format::payload::Seal;
use bitcask::format::record::RecordKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, FileId, MergeOptions, MergePolicy, Options, SeqNo, Timestamp};

use super::common::craft::Craft;
use super::common::{IO_KINDS, KINDS, Map, Rng, at, dead, dump, factor, open, quiet, remove_hints};
use super::{all, check, key, put};

/// Deletes in the sealed files.
fn tombstones(db: &Db) -> u64 {
    let files = db.file_stats().expect("figures");
    files.iter().filter(|file| !file.is_active).map(|file| file.tombstones).sum()
}

fn active(db: &Db) -> FileId {
    db.file_stats().expect("figures").iter().find(|file| file.is_active).expect("one is written to").id
}

/// Writes what is of no interest until the next file has begun; gives the file that ended.
fn next_file(db: &Db) -> FileId {
    let before = active(db);
    for n in 0.. {
        db.put(format!("filler {before} {n}").as_bytes(), &[7; 500]).expect("it writes");
        if active(db) != before {
            break;
        }
    }
    before
}

/// A load whose deletes are all of keys that never come again, merged by the policy in groups: as many deletes are left in the end as in the beginning.
#[test]
fn deletes_of_keys_that_are_long_gone_vanish() {
    for (n, kind) in KINDS.into_iter().enumerate() {
        for reopens in [false, true] {
            let what = format!("{kind:?}, reopened: {reopens}");
            let (mut disk, mut state, mut rng) = (SimVfs::new(3), Map::new(), Rng(n as u64 + 17));
            let options = quiet().index(kind).merge(MergePolicy::new().small_file_threshold(1000));
            let mut db = open(disk.clone(), &options).expect("it opens");
            // What is never written again: no merge has a reason to take these files.
            for n in 0..40 {
                put(&db, &mut state, format!("cold {n}").into_bytes(), vec![1; 300]);
            }
            let (mut most_early, mut most_late, mut deleted, mut groups) = (0, 0, 0_u64, 0);
            let rounds = 40 * factor().min(10);
            for round in 0..rounds {
                for n in 0..60 {
                    let number = round * 60 + n;
                    put(&db, &mut state, key(rng.below(60)), vec![number as u8; 150 + rng.below(100)]);
                    put(&db, &mut state, format!("passing {number}").into_bytes(), vec![2; 60]);
                    if let Some(gone) = number.checked_sub(20) {
                        let gone = format!("passing {gone}").into_bytes();
                        assert!(db.delete(&gone).expect("it writes"));
                        state.remove(&gone);
                        deleted += 1;
                    }
                }
                for _ in 0..4 {
                    let report = db.merge(&MergeOptions::new()).expect("it merges");
                    groups += report.created_files.len();
                    if report.removed_files.is_empty() {
                        break;
                    }
                }
                let now = tombstones(&db);
                let most = if round < rounds / 2 { &mut most_early } else { &mut most_late };
                *most = now.max(*most);
                if reopens && round % 3 == 2 {
                    check(&db, &state, &what);
                    db.close().expect("it closes");
                    disk = disk.copy();
                    if round % 2 == 0 {
                        remove_hints(&disk);
                    }
                    db = open(disk.clone(), &options).expect("it opens again");
                }
            }
            check(&db, &state, &what);
            assert!(groups > rounds, "{what}: it is merged in groups");
            assert!(most_late <= most_early + 20 && most_late < deleted / 8, "{what}: {most_early}, {most_late}");
        }
    }
}

/// A store of many files that overlap: merged ones whose numbers reach from the first to the last, logs, files of deletes, with keys and their deletes in all.
fn overlapping(options: &Options) -> (SimVfs, Db, Map) {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk.clone(), options).expect("it opens");
    let gone = |n: usize| format!("gone {n}").into_bytes();
    let mut logs = Vec::new();
    for n in 0..6 {
        put(&db, &mut state, format!("stays {n}").into_bytes(), vec![n as u8; 50]);
        db.put(&gone(n), &[n as u8; 50]).expect("it writes");
        logs.push(next_file(&db));
    }
    for files in [[logs[0], logs[3]], [logs[1], logs[2]]] {
        db.merge(&MergeOptions::new().files(&files)).expect("it merges");
    }
    // A file of deletes of what lies in a merged file and in a log; and deletes in logs.
    let deletes = [[0, 4], [1, 5], [3, 2]].map(|keys| {
        keys.into_iter().for_each(|n| assert!(db.delete(&gone(n)).expect("it writes")));
        next_file(&db)
    });
    let report = db.merge(&MergeOptions::new().files(&deletes[..1])).expect("it merges");
    assert_eq!(report.copied_tombstones, 2, "{report:?}");
    db.sync().expect("it syncs");
    for (key, value) in dump(&db).expect("it reads") {
        state.insert(key, value);
    }
    assert!((0..6).all(|n| !state.contains_key(&gone(n))));
    (disk, db, state)
}

/// Of what is merged together no delete stays, and none is missing wherever the power is cut.
#[test]
fn deletes_of_what_the_same_merge_takes_go_with_it() {
    for (n, (kind, io)) in [(KINDS[0], IO_KINDS[0]), (KINDS[1], IO_KINDS[1])].into_iter().enumerate() {
        let (disk, db, state) = overlapping(&quiet().index(kind).io(io));
        let before = disk.op_count();
        let report = db.merge(&all()).expect("it merges");
        assert!(report.removed_files.len() > 7 && report.dropped_tombstones == 6, "{report:?}");
        assert_eq!((report.copied_tombstones, dead(&db)), (0, (0, 0)), "{report:?}");
        check(&db, &state, "merged");
        for at in before..=disk.op_count() {
            let masks = (1_u64 << disk.unsynced_entries(at).min(3)) - 1;
            let entries = (0..masks).map(CrashChoice::Entries);
            for (choice, i) in [CrashChoice::LoseUnsynced, CrashChoice::KeepAll].into_iter().chain(entries).zip(n..) {
                let what = format!("{kind:?}, cut at {at}, {choice:?}");
                let cut = disk.crash(at, &choice);
                if i % 2 == 0 {
                    remove_hints(&cut);
                }
                let options = quiet().index(KINDS[(at + i) % KINDS.len()]);
                let db = open(cut.clone(), &options).expect("it opens");
                check(&db, &state, &what);
                // What was cut short is done by the next one.
                for _ in 0..2 {
                    // Beside copies and their originals deletes may be kept once more.
                    db.merge(&all()).expect("it merges");
                }
                assert_eq!(dead(&db), (0, 0), "{what}");
                drop(db);
                check(&open(cut.kill(), &options).expect("it opens"), &state, &what);
            }
        }
    }
}

/// Merged files may have puts and deletes in any mixture, though no merge of this release makes such: a delete whose file goes before that of what it
/// hides stays.
#[test]
fn a_delete_outlives_what_goes_after_its_file() {
    let merged = |id, base| {
        let header = Craft::new(id).header;
        Craft::with(DataHeader { kind: FileKind::Merged, earlier_synced: false, base_seq: SeqNo(base), ..header })
    };
    let sealed = |craft: Craft, count, min: u64, max: u64| {
        let (min_seq, max_seq, time) = (SeqNo(min), SeqNo(max), Timestamp(5));
        let length = craft.bytes.len() as u64;
        let seal = Seal { count, length, min_seq, max_seq, min_time: time, max_time: time };
        craft.record(RecordKind::Seal, max, &[], &seal.encode())
    };
    for base in [0, 60] {
        let with_delete = merged(1, 0).put(1, b"a", b"1").record(RecordKind::Delete, 100, b"gone", b"");
        let with_put = merged(2, base).put(2, b"b", b"2").put(50, b"gone", b"value");
        let disk = SimVfs::new(3);
        disk.plant(&at("1.data"), &sealed(with_delete, 2, 1, 100).bytes);
        disk.plant(&at("2.data"), &sealed(with_put, 2, 2, 50).bytes);
        for files in [&[FileId(1)][..], &[FileId(1), FileId(2)]] {
            let disk = disk.copy();
            let db = open(disk.clone(), &quiet()).expect("it opens");
            assert!(db.open_report().damage.is_empty(), "{:?}", db.open_report());
            let before = disk.op_count();
            let report = db.merge(&MergeOptions::new().files(files)).expect("it merges");
            assert_eq!((report.removed_files.len(), report.copied_tombstones), (files.len(), 1), "{report:?}");
            for cut in (before..=disk.op_count()).map(|at| disk.crash(at, &CrashChoice::LoseUnsynced)) {
                let db = open(cut, &quiet()).expect("it opens");
                assert_eq!(db.get(b"gone").expect("it reads"), None, "{files:?}");
                assert_eq!(dump(&db).expect("it reads").len(), 2, "{files:?}");
            }
            // Nothing is left for it to hide when both files are gone.
            db.merge(&all()).expect("it merges");
            assert_eq!(dead(&db), (0, 0));
        }
    }
}

/// A delete stays as long as what it hides lies in another file, merged or not, whether that file has anything else that is dead or not; and goes when that
/// file has gone.
#[test]
fn a_delete_stays_as_long_as_what_it_hides() {
    for (n, kind) in KINDS.into_iter().enumerate() {
        for is_merged in [false, true] {
            let what = format!("{kind:?}, merged: {is_merged}");
            let (disk, options) = (SimVfs::new(n as u64), quiet().index(kind));
            let mut db = open(disk.clone(), &options).expect("it opens");
            db.put(b"gone", b"value").expect("it writes");
            let mut of_put = next_file(&db);
            if is_merged {
                of_put = db.merge(&MergeOptions::new().files(&[of_put])).expect("it merges").created_files[0];
            }
            assert!(db.delete(b"gone").expect("it writes"));
            let mut of_delete = next_file(&db);
            // Over and over, also in files of deletes alone.
            for round in 0..3 {
                let report = db.merge(&MergeOptions::new().files(&[of_delete])).expect("it merges");
                assert_eq!((report.copied_tombstones, report.dropped_tombstones), (1, 0), "{what}: {report:?}");
                let files = db.file_stats().expect("figures");
                let holds = files.iter().find(|file| file.tombstones > 0).expect("it is in a file");
                assert_eq!((holds.live_records, holds.dead_records), (0, 0), "{what}: a file of its own");
                of_delete = holds.id;
                drop(db);
                let copy = disk.kill();
                if round == 1 {
                    remove_hints(&copy);
                }
                db = open(copy, &options).expect("it opens");
                assert_eq!(db.get(b"gone").expect("it reads"), None, "{what}");
                drop(db);
                db = open(disk.clone(), &options).expect("it opens");
            }
            db.merge(&MergeOptions::new().files(&[of_put])).expect("it merges");
            let report = db.merge(&MergeOptions::new().files(&[of_delete])).expect("it merges");
            assert_eq!((report.copied_tombstones, report.dropped_tombstones), (0, 1), "{what}: {report:?}");
            assert_eq!(db.get(b"gone").expect("it reads"), None, "{what}");
        }
    }
}

/// Numbers of commits that a loss of power took are used again. A merged file that was made when they were known says nothing of those that have them then.
#[test]
fn numbers_that_are_used_again_hide_what_was_copied_before() {
    let (disk, options) = (SimVfs::new(3), quiet());
    let db = open(disk.clone(), &options).expect("it opens");
    db.put(b"gone", b"value").expect("it writes");
    let of_put = next_file(&db);
    db.sync().expect("it syncs");
    for n in 0..5 {
        db.put(b"lost", &[n]).expect("it writes");
    }
    let begin = disk.op_count();
    db.merge(&MergeOptions::new().files(&[of_put])).expect("it merges");
    let mut reused = 0;
    for at in begin..=disk.op_count() {
        let cut = disk.crash(at, &CrashChoice::LoseUnsynced);
        let db = open(cut.clone(), &options).expect("it opens");
        reused += usize::from(db.get(b"lost").expect("it reads").is_none());
        let files = db.file_stats().expect("figures");
        let is_merged = files.iter().any(|file| file.is_merged);
        assert!(db.delete(b"gone").expect("it writes"));
        let of_delete = next_file(&db);
        // What was copied goes where it is there still, and leaves the copy.
        let left: Vec<FileId> = files.iter().map(|file| file.id).filter(|&id| id == of_put).collect();
        for files in [&left[..], &[of_delete]] {
            db.merge(&MergeOptions::new().files(files)).expect("it merges");
        }
        drop(db);
        let db = open(cut.kill(), &options).expect("it opens");
        assert_eq!(db.get(b"gone").expect("it reads"), None, "cut at {at}, merged file: {is_merged}");
    }
    assert!(reused > 0, "nothing was lost");
}

/// Where files of the log are lost, numbers go on behind those that a merge relied on.
#[test]
fn numbers_go_on_behind_what_merged_files_rely_on() {
    let (disk, options) = (SimVfs::new(3), quiet());
    let db = open(disk.clone(), &options).expect("it opens");
    db.put(b"key", b"value").expect("it writes");
    let first = next_file(&db);
    for _ in 0..3 {
        next_file(&db);
    }
    db.merge(&MergeOptions::new().files(&[first])).expect("it merges");
    let files = db.file_stats().expect("figures");
    let last = db.last_seq().expect("a number");
    let relied_on = files.iter().filter(|file| file.is_active).map(|file| file.min_seq).max().expect("an active file");
    db.close().expect("it closes");
    for file in files.iter().filter(|file| !file.is_merged) {
        disk.uproot(&at(&format!("{}.data", file.id)));
    }
    let db = open(disk, &options).expect("it opens");
    assert_eq!(db.get(b"key").expect("it reads").as_deref(), Some(&b"value"[..]));
    let now = db.last_seq().expect("a number");
    assert!(now <= last && now.0 + 1 >= relied_on.0, "{now:?} of {last:?}, relied on what is before {relied_on:?}");
}
