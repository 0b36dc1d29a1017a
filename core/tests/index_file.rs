//! The index on disk under a store: used where it can be believed, rebuilt where it can't, and never believed over the log.
//!
//! Whatever stands under its name, what the store answers is what the log says.

mod common;

use std::path::Path;

use bitcask::vfs::EntryKind;
use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Error, IndexKind, OnDamage, Options};

use common::damage::data_files;
use common::{Map, Rng, at, dump, index, open, quiet};

const NAME: &str = "index.bptree";

fn options() -> Options {
    quiet().index(IndexKind::BPTree).checkpoint_bytes(Options::DEFAULT_CHECKPOINT_BYTES)
}

/// Writes some, with deletes, over several files.
fn fill(db: &Db, state: &mut Map, seed: u64, writes: usize) {
    let mut rng = Rng(seed);
    for n in 0..writes {
        let key = format!("key{:04}", rng.below(400)).into_bytes();
        if rng.below(5) == 0 {
            assert_eq!(db.delete(&key).expect("delete"), state.remove(&key).is_some());
        } else {
            let value = format!("{seed}.{n}").repeat(1 + rng.below(4)).into_bytes();
            db.put(&key, &value).expect("put");
            state.insert(key, value);
        }
    }
}

/// A closed store, and what is in it.
fn closed(disk_seed: u64, seed: u64) -> (SimVfs, Map) {
    let (disk, mut state) = (SimVfs::new(disk_seed), Map::new());
    let db = open(disk.clone(), &options()).expect("a new store");
    fill(&db, &mut state, seed, 700);
    db.close().expect("close");
    (disk, state)
}

/// Opens, compares, writes, and opens again. Says whether the index was used.
fn check(disk: &SimVfs, state: &Map, what: &str) -> bool {
    let db = open(disk.clone(), &options()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let report = db.open_report().clone();
    assert!(report.damage.is_empty() && report.torn.is_empty(), "{what}: {report:?}");
    let found = dump(&db).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(found == *state, "{what}: other contents; {report:?}");
    let mut state = state.clone();
    fill(&db, &mut state, 99, 20);
    db.close().unwrap_or_else(|e| panic!("{what}: {e}"));
    drop(db);
    let db = open(disk.copy(), &options()).unwrap_or_else(|e| panic!("{what}, again: {e}"));
    assert!(db.open_report().index_from.is_some(), "{what}: not even a new one is used: {:?}", db.open_report());
    assert!(
        dump(&db).unwrap_or_else(|e| panic!("{what}, again: {e}")) == state,
        "{what}: other contents the next time"
    );
    report.index_from.is_some()
}

#[test]
fn a_clean_opening_reads_no_record() {
    let (disk, state) = closed(1, 1);
    let db = open(disk.clone(), &options()).expect("open");
    let report = db.open_report();
    assert_eq!((report.index_from, report.scanned_records, report.hint_records), (Some(report.last_seq), 0, 0));
    assert_eq!(report.unusable_index, None);
    drop(db);
    assert!(check(&disk, &state, "clean"));
}

/// Behind a kill only what came after the last file was begun is read.
#[test]
fn an_opening_after_a_kill_reads_the_end_of_the_log() {
    let (disk, mut state) = (SimVfs::new(1), Map::new());
    let db = open(disk.clone(), &options()).expect("a new store");
    fill(&db, &mut state, 5, 700);
    let killed = disk.kill();
    let db = open(killed.clone(), &options()).expect("open");
    let report = db.open_report().clone();
    assert!(report.index_from.is_some() && report.scanned_records < 200, "{report:?}");
    assert!(dump(&db).expect("it reads") == state);
    drop(db);
    assert!(check(&killed, &state, "after a kill"));
}

/// Other kinds write the log on, and the index of before is used from where it ends.
#[test]
fn other_kinds_leave_it_behind_and_it_catches_up() {
    let (disk, mut state) = closed(1, 1);
    for n in 0..4 {
        let db = open(disk.clone(), &quiet().index(index(n))).expect("open");
        fill(&db, &mut state, 50 + n as u64, 100);
        db.close().expect("close");
    }
    assert!(check(&disk, &state, "behind"));
}

#[test]
fn no_truncation_is_believed() {
    let (disk, state) = closed(1, 1);
    let len = disk.bytes(&at(NAME)).expect("the index").len() as u64;
    for cut in (0..len).step_by(509).chain([1, 255, 256, 4095, 4096, len - 1]) {
        let copy = disk.copy();
        copy.truncate(&at(NAME), cut);
        check(&copy, &state, &format!("cut at {cut} of {len}"));
    }
}

#[test]
fn no_flipped_bit_is_believed() {
    let (disk, state) = closed(1, 1);
    let len = disk.bytes(&at(NAME)).expect("the index").len() as u64;
    for page in 0..len / 4096 {
        for n in 0..24_u64 {
            let copy = disk.copy();
            let byte = page * 4096 + if n < 12 { n * 3 } else { n * 173 % 4096 };
            copy.flip_bit(&at(NAME), byte, (n % 8) as u8);
            check(&copy, &state, &format!("bit {} of byte {byte}", n % 8));
        }
    }
}

#[test]
fn another_stores_index_is_not_believed() {
    let (disk, state) = closed(1, 1);
    for (disk_seed, seed) in [(2, 1), (3, 7)] {
        let (other, _) = closed(disk_seed, seed);
        let copy = disk.copy();
        copy.plant(&at(NAME), &other.bytes(&at(NAME)).expect("the index"));
        assert!(!check(&copy, &state, "another store's"));
    }
}

/// An older index of this store is as good as it was; the log says the rest.
#[test]
fn an_older_index_is_read_on() {
    let (disk, mut state) = closed(1, 1);
    let old = disk.bytes(&at(NAME)).expect("the index");
    for round in 0..3 {
        let db = open(disk.clone(), &options()).expect("open");
        fill(&db, &mut state, 20 + round, 150);
        db.close().expect("close");
        let copy = disk.copy();
        copy.plant(&at(NAME), &old);
        assert!(check(&copy, &state, "an older one"));
    }
}

/// The log was put back from a copy: shorter than the index says, or grown since into another one.
#[test]
fn an_index_ahead_of_the_log_or_of_another_future_is_not_believed() {
    for grown in [0, 1, 3, 40, 400] {
        let (disk, state) = closed(1, 1);
        let copied = disk.copy();
        let db = open(disk.clone(), &options()).expect("open");
        let mut future = state.clone();
        fill(&db, &mut future, 8, 150);
        db.close().expect("close");
        let index = disk.bytes(&at(NAME)).expect("the index");
        let mut state = state;
        // The other future has records of the same length at the same places.
        copied.advance(5);
        let db = open(copied.clone(), &quiet()).expect("open");
        fill(&db, &mut state, 8 + u64::from(grown % 2 == 1), grown);
        db.close().expect("close");
        copied.plant(&at(NAME), &index);
        assert!(!check(&copied, &state, &format!("another future of {grown} writes")));
    }
}

/// A file that the index may name is gone, or one is there that it does not know.
#[test]
fn an_index_for_other_files_is_not_believed() {
    let (disk, _) = closed(1, 1);
    let first = data_files(&disk)[0].0.clone();
    disk.uproot(&first);
    let want = dump(&open(disk.copy(), &quiet()).expect("open")).expect("it reads");
    assert!(!check(&disk, &want, "a file less"));
}

/// A file of the log before the one that the index goes to is shorter than it was: what is missing is said, and not hidden by the index.
#[test]
fn a_file_cut_short_before_the_place_is_noticed() {
    let (disk, _) = closed(1, 1);
    let files = data_files(&disk);
    assert!(files.len() > 2);
    let (first, len) = (&files[0].0, disk.bytes(&files[0].0).expect("a file").len() as u64);
    for cut in [len - 4, len - 100, len / 2] {
        let copy = disk.copy();
        copy.truncate(first, cut);
        assert!(matches!(open(copy.copy(), &options()), Err(Error::Corrupted { .. })), "cut at {cut} of {len}");
        let db = open(copy, &options().on_damage(OnDamage::Serve)).expect("open");
        assert_eq!(db.open_report().index_from, None, "cut at {cut} of {len}");
    }
}

/// The log file was copied while a batch was written, and is as long as it was: zeros are behind. The record that completes the batch tells.
#[test]
fn a_batch_of_which_only_the_beginning_is_there_is_noticed() {
    for before in [0, 5] {
        let (disk, mut state) = (SimVfs::new(1), Map::new());
        let db = open(disk.clone(), &options()).expect("a new store");
        fill(&db, &mut state, 3, before);
        let mut batch = db.batch();
        for n in 0..20_u64 {
            batch.put(format!("batch{n}").as_bytes(), b"a value").expect("put");
        }
        batch.commit().expect("commit");
        db.close().expect("close");
        drop(db);
        let (file, _) = data_files(&disk)[0].clone();
        let bytes = disk.bytes(&file).expect("a file");
        let at = bytes.windows(7).position(|part| part == b"batch11").expect("a key") - 28;
        disk.overwrite(&file, at as u64, &vec![0; bytes.len() - at]);
        common::remove_hints(&disk);
        let db = open(disk.clone(), &options()).expect("open");
        assert_eq!(db.open_report().index_from, None, "{:?}", db.open_report());
        assert!(dump(&db).expect("it reads") == state, "all of the batch is gone, as without an index");
    }
}

#[test]
fn what_is_no_file_is_left_alone() {
    for kind in [EntryKind::Directory, EntryKind::Other] {
        let (disk, state) = closed(1, 1);
        disk.plant_kind(&at(NAME), kind);
        let db = open(disk.clone(), &options()).expect("open");
        assert!(db.open_report().unusable_index.is_some());
        assert!(dump(&db).expect("it reads") == state);
        db.put(b"k", b"v").expect("put");
        db.close().expect("close");
        assert!(disk.tree().iter().any(|(path, found)| path == Path::new(&at(NAME)) && *found == kind));
    }
}

/// Damage that an opening reports is reported by each, index or not; what an index hides from an opening the read says.
#[test]
fn damage_is_not_hidden_for_good() {
    let (disk, state) = closed(1, 1);
    // A record in the midst of the first file.
    disk.flip_bit(&data_files(&disk)[0].0, 2000, 3);
    let serve = options().on_damage(OnDamage::Serve);
    let db = open(disk.clone(), &serve).expect("open");
    assert!(db.open_report().index_from.is_some());
    let damaged = state.keys().filter(|key| matches!(db.get(key), Err(Error::Corrupted { .. }))).count();
    let fine =
        state.iter().filter(|(key, value)| db.get(key).is_ok_and(|got| got.as_deref() == Some(&value[..]))).count();
    assert!(damaged <= 1 && fine + damaged == state.len(), "{damaged} damaged, {fine} fine of {}", state.len());
    db.close().expect("close");
    drop(db);
    // Without the index and the hint that knows the keys it is found at every opening, and no index is made of what is left.
    disk.uproot(&at(NAME));
    common::remove_hints(&disk);
    for _ in 0..3 {
        assert!(matches!(open(disk.copy(), &options()), Err(Error::Corrupted { .. })));
        let db = open(disk.clone(), &serve).expect("open");
        assert_eq!(db.open_report().damage.len(), 1, "{:?}", db.open_report());
        assert_eq!(db.open_report().index_from, None);
        db.put(b"k", b"v").expect("put");
        db.close().expect("close");
        common::remove_hints(&disk);
    }
}

#[test]
fn a_reader_beside_does_not_touch_it() {
    let (disk, mut state) = closed(1, 1);
    let writer = open(disk.clone(), &options()).expect("open");
    fill(&writer, &mut state, 4, 100);
    let before = (disk.op_count(), disk.files());
    let reader = open(disk.other_process(), &options().read_only(true)).expect("open for reading");
    assert!(dump(&reader).expect("it reads") == state);
    assert_eq!(reader.open_report().index_from, None);
    reader.close().expect("close");
    assert!((disk.op_count(), disk.files()) == before);
}

#[test]
fn the_budget_has_a_least_value() {
    let disk = SimVfs::new(1);
    let small = options().index_budget(Options::MIN_INDEX_BUDGET - 1);
    assert!(matches!(open(disk.clone(), &small), Err(Error::InvalidArgument { .. })));
    open(disk, &options().index_budget(Options::MIN_INDEX_BUDGET)).expect("the least budget");
}
