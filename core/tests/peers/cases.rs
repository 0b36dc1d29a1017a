//! What the tests of other engines ask, told anew: cases by which they found that keys were lost, or came back.

use std::time::Duration;

use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Error, FileId, IterOptions, MergeOptions, OnDamage, Options, Timestamp};

use super::common::damage::{data_files, files_with, records};
use super::common::{Map, at, dead, dump, open};
use super::{disk, fill, get, key, one_file, remove_advice, ways};

fn all_files() -> MergeOptions {
    MergeOptions::new().everything(true)
}

fn files(db: &Db) -> Vec<FileId> {
    db.file_stats().expect("figures").iter().map(|file| file.id).collect()
}

/// A value that fills a file.
fn large(n: usize) -> Vec<u8> {
    vec![n as u8; 4096]
}

/// Opens it with hints and saved indexes, and without.
fn opened_again(disk: &SimVfs, way: &Options) -> [Db; 2] {
    let bare = disk.copy();
    remove_advice(&bare);
    [open(disk.copy(), way).expect("it opens"), open(bare, way).expect("it opens")]
}

/// One record a file, deletes in files of their own, and all files but the last two merged.
#[test]
fn bc_case_a_deletes_in_files_of_their_own() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        for n in 0..8 {
            db.put(&key(n), &large(n)).expect("it writes");
        }
        for n in [2, 5] {
            assert!(db.delete(&key(n)).expect("it writes"));
            db.put(&key(10 + n), &large(n)).expect("it writes");
        }
        let all = dump(&db).expect("it reads");
        let ids = files(&db);
        assert_eq!(ids.len(), 12, "a record a file");
        db.merge(&MergeOptions::new().files(&ids[..ids.len() - 2])).expect("it merges");
        assert_eq!(dump(&db).expect("it reads"), all);
        db.close().expect("it closes");
        for db in opened_again(&disk, &way) {
            assert_eq!(dump(&db).expect("it reads"), all, "{way:?}");
        }
    }
}

/// Deleted, some of it put again, and one file of the midst merged.
#[test]
fn bc_case_b_one_file_of_the_midst_is_merged() {
    for way in ways() {
        let made = disk();
        let db = open(made.clone(), &way).expect("it opens");
        fill(&db, 0, 250);
        for n in 0..250 {
            assert!(db.delete(&key(n)).expect("it writes"));
        }
        let all = fill(&db, 100, 150);
        db.close().expect("it closes");
        let ids = files(&open(made.copy(), &way).expect("it opens"));
        assert!(ids.len() > 5, "{ids:?}");
        for id in ids {
            let disk = made.copy();
            let db = open(disk.clone(), &way).expect("it opens");
            db.merge(&MergeOptions::new().files(&[id])).expect("it merges");
            assert_eq!(dump(&db).expect("it reads"), all, "{way:?}: {id:?}");
            db.close().expect("it closes");
            for db in opened_again(&disk, &way) {
                assert_eq!(dump(&db).expect("it reads"), all, "{way:?}: {id:?}");
            }
        }
    }
}

/// Zeros in the midst of a file, and another one cut short: a merge keeps what is before and what is behind.
#[test]
fn bc_case_d_zeros_in_a_file_and_a_file_cut_short() {
    for way in ways() {
        let disk = disk();
        let options = way.clone().max_file_size(100 << 10).on_damage(OnDamage::Serve);
        let db = open(disk.clone(), &options).expect("it opens");
        let all: Map = (0..3000).map(|n| (key(n), vec![n as u8; 60])).collect();
        for (key, value) in &all {
            db.put(key, value).expect("it writes");
        }
        db.close().expect("it closes");
        let files = data_files(&disk);
        assert!(files.len() > 2);
        let mut lost = Vec::new();
        let (zeros, short) = (20_000..60_000, 540);
        for record in records(&files[0].1).into_iter().filter(|r| r.offset < zeros.end && r.end() > zeros.start) {
            lost.push(record.key);
        }
        for record in records(&files[1].1).into_iter().filter(|r| r.end() > short) {
            lost.push(record.key);
        }
        disk.overwrite(&files[0].0, zeros.start, &vec![0; 40_000]);
        disk.truncate(&files[1].0, short);
        disk.truncate(&files[1].0.with_extension("hint"), 19);
        for index in ["index.checkpoint", "index.bptree"] {
            disk.uproot(&at(index));
        }
        let check = |db: &Db, what: &str| {
            for (key, value) in &all {
                if lost.contains(key) {
                    assert!(!matches!(db.get(key), Ok(Some(_))), "{way:?}: {what}: a value out of nothing");
                } else {
                    assert_eq!(get(db, key).as_ref(), Some(value), "{way:?}: {what}");
                }
            }
        };
        let db = open(disk.clone(), &options).expect("it opens");
        check(&db, "before the merge");
        let report = db.merge(&all_files()).expect("it merges");
        assert_eq!(report.skipped_files.len(), 2, "{report:?}");
        check(&db, "after the merge");
        db.close().expect("it closes");
        remove_advice(&disk);
        check(&open(disk, &options).expect("it opens"), "opened again");
    }
}

/// Five files of one record: two cut short, two other hints cut short, one value changed. What three records were is gone, and nothing else.
#[test]
fn bc_case_e_five_files_of_which_three_are_damaged() {
    // In the head of a file, or in its record.
    for (way, cuts) in ways().flat_map(|way| [(way.clone(), [15, 5]), (way, [128 + 15, 128 + 5])]) {
        let disk = disk();
        let options = way.clone().on_damage(OnDamage::Serve);
        let db = open(disk.clone(), &options).expect("it opens");
        for n in 0..6 {
            db.put(&key(n), &large(n)).expect("it writes");
        }
        db.close().expect("it closes");
        let (files, hints) = (data_files(&disk), files_with(&disk, "hint"));
        for (n, cut) in cuts.into_iter().enumerate() {
            disk.truncate(&files[n].0, cut);
            disk.truncate(&hints[n + 2].0, 20);
        }
        disk.flip_bit(&files[4].0, 2000, 1);
        for index in ["index.checkpoint", "index.bptree"] {
            disk.uproot(&at(index));
        }
        let check = |db: &Db, what: &str| {
            for n in 0..6 {
                match n {
                    0 | 1 | 4 => assert!(!matches!(db.get(&key(n)), Ok(Some(_))), "{way:?}: {what}: {n}"),
                    _ => assert_eq!(get(db, &key(n)), Some(large(n)), "{way:?}: {what}: {n}"),
                }
            }
        };
        let db = open(disk.clone(), &options).expect("it opens");
        check(&db, "before the merge");
        db.merge(&all_files()).expect("it merges");
        check(&db, "after the merge");
        db.close().expect("it closes");
        check(&open(disk, &options).expect("it opens"), "opened again");
    }
}

/// A fold that had begun shows the old set, whatever is deleted, changed and new, and whether the files change meanwhile; the next one shows the new.
#[test]
fn bc_case_g_a_fold_shows_the_set_of_its_beginning() {
    for (way, size) in ways().flat_map(|way| [(way.clone(), 4096), (way, 1 << 20)]) {
        let db = open(disk(), &way.clone().max_file_size(size)).expect("it opens");
        let old = fill(&db, 0, 100);
        let mut changed = false;
        let seen = db.fold(&IterOptions::new(), Map::new(), |mut seen: Map, key_of, value| {
            if !std::mem::replace(&mut changed, true) {
                db.delete(&key(50)).expect("it writes");
                db.put(&key(60), b"changed").expect("it writes");
                fill(&db, 100, 200);
            }
            seen.insert(key_of.to_vec(), value.to_vec());
            seen
        });
        assert_eq!(seen.expect("it folds"), old, "{way:?}");
        let new = db.fold_keys(&IterOptions::new(), 0, |n, _| n + 1).expect("it folds");
        assert_eq!((new, get(&db, &key(60)).as_deref()), (199, Some(&b"changed"[..])), "{way:?}");
    }
}

/// A store that was closed and opened again while a fold of the first opening was still there: written, deleted and merged under it.
#[test]
fn bc_case_i_opened_again_under_a_fold() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        fill(&db, 0, 100);
        let mut fold = db.iter(&IterOptions::new()).expect("an iterator");
        assert_eq!(fold.next().expect("a record").expect("it reads").0, key(0));
        let kept = db.snapshot().expect("a snapshot");
        for round in 0..5 {
            fill(&db, round, 100);
        }
        for n in 0..40 {
            db.delete(&key(n)).expect("it writes");
        }
        let all = dump(&db).expect("it reads");
        db.close().expect("it closes");
        let again = open(disk.clone(), &way).expect("it opens while the fold is there");
        again.merge(&all_files()).expect("it merges");
        assert!(matches!(fold.next(), Some(Err(Error::Closed))), "what is closed shows nothing");
        assert!(kept.get(&key(1)).is_err());
        assert_eq!(dump(&again).expect("it reads"), all);
        drop((fold, kept, db));
        assert_eq!(dump(&again).expect("it reads"), all);
    }
}

/// A file of which all has expired goes without a copy of anything, though its keys live on in a newer one.
#[test]
fn bc_case_l_an_expired_file_goes_as_a_whole() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        for n in 0..3 {
            db.put_with_ttl(&key(n), &vec![1; 1200], Duration::from_millis(5)).expect("it writes");
        }
        let expired = files(&db);
        db.put(&key(9), &large(9)).expect("it writes");
        db.put(&key(0), b"newer").expect("it writes");
        disk.advance(5);
        let report = db.merge(&MergeOptions::new().files(&expired)).expect("it merges");
        assert_eq!((report.swept_keys, report.copied_records), (2, 0), "{way:?}: {report:?}");
        assert_eq!((report.removed_files, report.created_files), (expired, Vec::new()), "{way:?}");
        assert_eq!((get(&db, &key(0)), db.len().expect("len")), (Some(b"newer".to_vec()), 2), "{way:?}");
        db.close().expect("it closes");
        disk.set_now(Timestamp(0));
        for db in opened_again(&disk, &way) {
            assert_eq!((get(&db, &key(0)), db.len().expect("len")), (Some(b"newer".to_vec()), 2), "{way:?}");
        }
    }
}

/// An empty data file that has the greatest number: writing goes on. With a hint, which only a file that was whole once has, it is damage that is told.
#[test]
fn bc_case_o_empty_files_with_the_greatest_number() {
    for (way, hint) in ways().flat_map(|way| [(way.clone(), false), (way, true)]) {
        let disk = disk();
        fill(&open(disk.clone(), &way).expect("it opens"), 0, 50);
        disk.plant(&at("900.data"), b"");
        if hint {
            disk.plant(&at("900.hint"), &[0; 18]);
            let outcome = open(disk.clone(), &way);
            assert!(matches!(&outcome, Err(Error::Corrupted { path, .. }) if *path == at("900.data")), "{outcome:?}");
        }
        let way = if hint { way.on_damage(OnDamage::Serve) } else { way };
        for round in 0..3 {
            let db = open(disk.clone(), &way).expect("it opens");
            let all = fill(&db, 50 + round, 100);
            assert_eq!(all.len(), 100);
            db.close().expect("it closes");
            assert_eq!(dump(&open(disk.copy(), &way).expect("it opens")).expect("it reads"), all, "{way:?}");
        }
    }
}

/// Merges of a store in which nothing is, all is alive, all is dead, and some is; twice each, and opened again in between.
#[test]
fn rd_cases_of_what_a_merge_may_find() {
    for way in ways() {
        for (puts, overwritten, deleted) in [(0, 0, 0), (200, 0, 0), (200, 200, 0), (200, 0, 200), (200, 70, 60)] {
            let disk = disk();
            let db = open(disk.clone(), &way).expect("it opens");
            fill(&db, 0, puts);
            for n in 0..overwritten {
                db.put(&key(n), b"new").expect("it writes");
            }
            for n in 0..deleted {
                assert!(db.delete(&key(puts - 1 - n)).expect("it writes"));
            }
            let all = dump(&db).expect("it reads");
            assert_eq!(all.len(), puts - deleted);
            for round in 0..2 {
                let report = db.merge(&all_files()).expect("it merges");
                assert_eq!(report.copied_records, all.len() as u64, "{way:?}: {report:?}");
                assert_eq!((dead(&db), dump(&db).expect("it reads")), ((0, 0), all.clone()), "{way:?}: {round}");
            }
            db.close().expect("it closes");
            for db in opened_again(&disk, &way) {
                assert_eq!(dump(&db).expect("it reads"), all, "{way:?}");
                db.merge(&all_files()).expect("it merges");
                assert_eq!(dump(&db).expect("it reads"), all, "{way:?}");
                fill(&db, 500, 503);
                assert_eq!(db.len().expect("len"), all.len() as u64 + 3, "{way:?}");
            }
        }
    }
}

/// An option, and the sizes of files, may be others with each opening.
#[test]
fn ax_cases_of_files_that_change_often() {
    for way in ways() {
        let (disk, mut all) = (disk(), Map::new());
        for round in 0..6 {
            let way = if round % 2 == 0 { way.clone() } else { one_file(&way) };
            let db = open(disk.clone(), &way).expect("it opens");
            assert_eq!(dump(&db).expect("it reads"), all, "{way:?}");
            let mut batch = db.batch();
            for n in 0..30 {
                batch.put(&key(n), &vec![round as u8; 300]).expect("it takes it");
            }
            batch.delete(&key(round * 4)).expect("it takes it");
            batch.commit().expect("it writes");
            db.put(&key(100 + round), b"v").expect("it writes");
            if round % 3 == 2 {
                db.merge(&all_files()).expect("it merges");
            }
            all = dump(&db).expect("it reads");
            assert_eq!((all.len(), all.get(&key(round * 4))), (29 + round + 1, None), "{way:?}");
            db.close().expect("it closes");
        }
    }
}
