//! Locks, torn tails, damage and hints: what other engines do not open any more, or open to something else.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bitcask::{Db, Error, IterOptions, MergeOptions, OnDamage};

use super::common::damage::{files_with, records};
use super::common::{IO_KINDS, at, dump, index, open, parallel, quiet};
use super::{disk, fill, get, key, one_file, remove_advice, ways};

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

/// A torn last record made a store unusable, and garbage behind it a panic. It is cut off and reported.
#[test]
fn rd_5_a_torn_tail_is_cut_off_and_reported() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &one_file(&way)).expect("it opens");
        let all = fill(&db, 0, 50);
        db.put(b"torn", &[7; 300]).expect("it writes");
        let whole = disk.kill();
        let bytes = whole.bytes(&at("1.data")).expect("it is there");
        let last = records(&bytes).pop().expect("it has records");
        for keep in last.offset + 1..last.end() {
            let cut = whole.copy();
            cut.truncate(&at("1.data"), keep);
            let db = open(cut, &way).expect("a torn tail is no damage");
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
            let db = open(with, &way).expect("garbage behind the log is no damage");
            assert_eq!(db.len().expect("it counts"), 51);
            assert_eq!(db.open_report().torn.len(), 1);
        }
    }
}

/// A failed open kept the lock, and a backup copy's name passed for a data file. A failed open leaves nothing
/// locked, and only exact names count.
#[test]
fn rd_12_a_failed_open_lets_go_of_the_lock() {
    for way in ways() {
        let disk = disk();
        let all = fill(&open(disk.clone(), &one_file(&way)).expect("it opens"), 0, 20);
        let good = disk.bytes(&at("1.data")).expect("it is there");
        remove_advice(&disk);
        disk.flip_bit(&at("1.data"), 150, 3);
        for _ in 0..3 {
            assert!(matches!(open(disk.clone(), &way), Err(Error::Corrupted { .. })), "and not Locked");
            assert!(matches!(open(disk.other_process(), &way), Err(Error::Corrupted { .. })));
        }
        disk.plant(&at("1.data"), &good);
        for name in ["1.data.bak", "01.data", "+1.data", "1.DATA", "1.data~", "2.data ", "000000001.SEG"] {
            disk.plant(&at(name), b"a stranger's");
        }
        assert_eq!(dump(&open(disk.clone(), &way).expect("it opens")).expect("it reads"), all);
        assert_eq!(disk.bytes(&at("1.data.bak")).expect("it is there"), b"a stranger's");
    }
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

/// Readers stopped at a torn tail for ever while writers appended behind it: all was lost at the second restart.
#[test]
fn ax_4_what_is_written_after_a_torn_tail_stays() {
    for way in ways() {
        let disk = disk();
        fill(&open(disk.clone(), &one_file(&way)).expect("it opens"), 0, 10);
        remove_advice(&disk);
        let len = disk.bytes(&at("1.data")).expect("it is there").len() as u64;
        disk.overwrite(&at("1.data"), len, &[0xA5; 77]);
        let db = open(disk.clone(), &way).expect("it opens");
        let all = fill(&db, 10, 60);
        let mut disk = disk.kill();
        for _ in 0..3 {
            let db = open(disk.clone(), &way).expect("it opens");
            assert_eq!(dump(&db).expect("it reads"), all);
            disk = disk.kill();
        }
    }
}

/// A torn hint kept a store from opening. Hints of every length, and of nothing but rubbish, only cost time.
#[test]
fn ax_7_a_torn_hint_costs_only_time() {
    for way in ways() {
        let disk = disk();
        let all = fill(&open(disk.clone(), &one_file(&way)).expect("it opens"), 0, 20);
        let (path, bytes) = files_with(&disk, "hint").remove(0);
        disk.uproot(&at("index.checkpoint"));
        disk.uproot(&at("index.bptree"));
        parallel(bytes.len(), |len| {
            let torn = disk.copy();
            torn.truncate(&path, len as u64);
            let db = open(torn, &way).expect("it opens");
            assert_eq!(dump(&db).expect("it reads"), all);
            assert_eq!(db.open_report().unusable_hints.len(), 1);
        });
    }
}

/// Opened without hints, the writer began at offset 0 of a file that it appended to: a later put changed what other keys read.
#[test]
fn ax_8_opening_without_hints_changes_no_place() {
    for way in ways() {
        let disk = disk();
        fill(&open(disk.clone(), &one_file(&way)).expect("it opens"), 0, 20);
        for round in 0..5 {
            remove_advice(&disk);
            let db = open(disk.clone(), &way).expect("it opens");
            db.put(&key(100 + round), b"new").expect("it writes");
            for n in 0..20 {
                assert_eq!(get(&db, &key(n)), Some(format!("value of {n}").into_bytes()));
            }
        }
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
            remove_advice(&copy);
        }
        let db = open(copy, &quiet().index(index(n)).io(IO_KINDS[n / 5 % 2])).expect("it opens");
        assert_eq!(dump(&db).expect("it reads"), all);
    });
}

/// Opening truncated any file at the first record that it could not read: one flipped bit of a length took 1000 keys. No
/// bytes that valid records follow are ever cut off, and with `Serve` 999 keys are there.
#[test]
fn lb_2_one_flipped_bit_takes_no_other_record() {
    for way in ways() {
        for hints in [true, false] {
            let disk = disk();
            let db = open(disk.clone(), &way.clone().max_file_size(1 << 14)).expect("it opens");
            let all = fill(&db, 0, 1000);
            db.close().expect("it closes");
            if !hints {
                remove_advice(&disk);
            }
            for offset in [128 + 8, 128 + 10, 128 + 13] {
                let damaged = disk.copy();
                damaged.flip_bit(&at("1.data"), offset, 1);
                let before = damaged.bytes(&at("1.data")).expect("it is there");
                if !hints {
                    assert!(matches!(open(damaged.clone(), &way), Err(Error::Corrupted { offset: 128, .. })));
                }
                let db = open(damaged.clone(), &way.clone().on_damage(OnDamage::Serve)).expect("it opens");
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
}

/// Reads compared no checksum: a flipped bit came back as data, and a file that had lost its end as zeros.
#[test]
fn hd_3_damaged_bytes_are_never_a_value() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &one_file(&way)).expect("it opens");
        db.put(b"first", &[5; 2000]).expect("it writes");
        db.put(b"second", &[6; 2000]).expect("it writes");
        db.close().expect("it closes");
        let db = open(disk.clone(), &one_file(&way)).expect("it opens");
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
}

/// A few wrong checksums made a store refuse to open as a whole. Any number of damaged records costs these records.
#[test]
fn lb_8_any_number_of_damaged_records_costs_only_themselves() {
    for (way, hints) in ways().flat_map(|way| [(way.clone(), true), (way, false)]) {
        let disk = disk();
        let options = one_file(&way);
        let all = fill(&open(disk.clone(), &options).expect("it opens"), 0, 1000);
        let file = at("1.data");
        let records = records(&disk.bytes(&file).expect("it is there"));
        let hit: Vec<_> = records.iter().filter(|record| !record.key.is_empty()).step_by(10).collect();
        assert_eq!(hit.len(), 100);
        for record in &hit {
            disk.flip_bit(&file, record.end() - 8, 2);
        }
        disk.uproot(&at("index.checkpoint"));
        disk.uproot(&at("index.bptree"));
        if !hints {
            remove_advice(&disk);
        }
        let db = open(disk, &options.on_damage(OnDamage::Serve)).expect("it opens");
        for (key, value) in &all {
            if hit.iter().any(|record| record.key == *key) {
                assert!(!matches!(db.get(key), Ok(Some(_))), "{way:?}: a damaged value");
            } else {
                assert_eq!(get(&db, key).as_ref(), Some(value), "{way:?}");
            }
        }
    }
}

/// Stores were known by the text of their path, so that `/d` and `/d/` were two. One directory has one lock, whatever it is called.
#[test]
fn lb_7_a_directory_is_one_store_whatever_it_is_called() {
    let temp = Temp::new("names");
    let dir = temp.0.join("store");
    let link = temp.0.join("link");
    std::fs::create_dir_all(&dir).expect("a directory");
    std::os::unix::fs::symlink(&dir, &link).expect("a link");
    let db = Db::open(&dir, &quiet()).expect("it opens");
    db.put(b"k", b"v").expect("it writes");
    for name in [dir.join(""), dir.join("."), dir.join("../store"), link.clone(), link.join("")] {
        let outcome = Db::open(&name, &quiet());
        assert!(matches!(outcome, Err(Error::Locked { .. })), "{}: {outcome:?}", name.display());
        let reader = Db::open(&name, &quiet().read_only(true)).expect("readers need no lock");
        assert_eq!(get(&reader, b"k"), Some(b"v".to_vec()));
    }
}

/// A directory that is a link to another file system, below a parent in which nothing can be made: opened, written, merged and opened again.
#[test]
fn cross_11_a_directory_on_another_file_system_below_one_that_is_read_only() {
    let temp = Temp::new("parent");
    let other = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
    let other = Temp::under(&other, "elsewhere");
    let (parent, dir) = (temp.0.join("parent"), temp.0.join("parent/store"));
    std::fs::create_dir_all(&parent).expect("a directory");
    std::os::unix::fs::symlink(&other.0, &dir).expect("a link");
    // Root may write there all the same; then what is in it tells.
    std::fs::set_permissions(&parent, Permissions::from_mode(0o555)).expect("it is ours");
    for way in ways() {
        let db = Db::open(&dir, &way).expect("it opens");
        fill(&db, 0, 300);
        let all = fill(&db, 0, 200);
        db.merge(&MergeOptions::new().everything(true)).expect("it merges");
        assert_eq!(dump(&db).expect("it reads"), all);
        db.close().expect("it closes");
        let db = Db::open(&dir, &way).expect("it opens again");
        assert_eq!(dump(&db).expect("it reads"), all);
        assert_eq!(std::fs::read_dir(&parent).expect("it lists").count(), 1, "something was made beside the store");
    }
    std::fs::set_permissions(&parent, Permissions::from_mode(0o755)).expect("it is ours");
}

/// A directory on the real disk that goes with the test.
struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Temp {
        Temp::under(Path::new(env!("CARGO_TARGET_TMPDIR")), name)
    }

    fn under(parent: &Path, name: &str) -> Temp {
        let path = parent.join(format!("bitcask-peers-{}-{name}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir_all(&path).expect("a directory");
        Temp(path)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
