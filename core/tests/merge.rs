//! Merges, of any files in any order: no key is lost and none comes back (P3).
//!
//! `BITCASK_MERGE_SCHEDULES=n` sets the number of random schedules, `BITCASK_MERGE_SEED=n` the first of them; a failure names its seed.

#[path = "merge/beside.rs"]
mod beside;
mod common;
#[path = "merge/cut_short.rs"]
mod cut_short;
#[path = "merge/deletes.rs"]
mod deletes;
#[path = "merge/hints.rs"]
mod hints;
#[path = "merge/late.rs"]
mod late;
#[path = "merge/lies.rs"]
mod lies;
#[path = "merge/many.rs"]
mod many;
#[path = "merge/readers.rs"]
mod readers;
#[path = "merge/saved.rs"]
mod saved;
#[path = "merge/schedules.rs"]
mod schedules;

use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, FileId, IndexKind, MergeOptions, MergePolicy};

use common::damage::{data_files, records};
use common::{IO_KINDS, KINDS, Map, Rng, at, check_accounts, dump, index, open, quiet, remove_hints};

fn all() -> MergeOptions {
    MergeOptions::new().everything(true)
}

fn key(n: usize) -> Vec<u8> {
    format!("key{n:04}").into_bytes()
}

fn put(db: &Db, state: &mut Map, key: Vec<u8>, value: Vec<u8>) {
    db.put(&key, &value).expect("it writes");
    state.insert(key, value);
}

/// Writes over and over, with deletes, into many files.
fn fill(db: &Db, state: &mut Map, seed: u64, writes: usize) {
    let mut rng = Rng(seed);
    for n in 0..writes {
        let key = key(rng.below(100));
        if rng.below(4) == 0 {
            assert_eq!(db.delete(&key).expect("it writes"), state.remove(&key).is_some());
        } else {
            put(db, state, key, format!("{seed}.{n}").repeat(1 + rng.below(30)).into_bytes());
        }
    }
}

fn check(db: &Db, state: &Map, what: &str) {
    let found = dump(db).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(found == *state, "{what}: other contents");
    for n in 0..100 {
        let got = db.get(&key(n)).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(got.as_deref(), state.get(&key(n)).map(Vec::as_slice), "{what}: key {n}");
    }
    check_accounts(db);
}

/// Bytes of all data files and hints.
fn space(disk: &SimVfs) -> usize {
    let ours = |path: &std::path::Path| path.extension().is_some_and(|e| e == "data" || e == "hint" || e == "tmp");
    disk.files().iter().filter(|(path, _)| ours(path)).map(|(_, bytes)| bytes.len()).sum()
}

/// Under every kind of index and I/O: what is dead goes, at once, and nothing else.
#[test]
fn what_is_dead_is_given_back() {
    for (kind, io) in KINDS.into_iter().flat_map(|kind| IO_KINDS.map(|io| (kind, io))) {
        let what = format!("{kind:?}, {io:?}");
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let options = quiet().index(kind).io(io);
        let db = open(disk.clone(), &options).expect("it opens");
        fill(&db, &mut state, 1, 1500);
        let before = space(&disk);
        let report = db.merge(&all()).expect("it merges");
        check(&db, &state, &what);
        let live: usize = state.iter().map(|(key, value)| 31 + key.len() + value.len()).sum();
        assert_eq!(common::dead(&db), (0, 0), "{what}");
        assert!(space(&disk) < live * 5 / 4 + 2000 && before > live * 5, "{what}: {} for {live}", space(&disk));
        assert_eq!(report.installed_records, state.len() as u64, "{what}: {report:?}");
        assert!(report.skipped_files.is_empty() && report.dropped_tombstones > 100, "{what}: {report:?}");
        assert!(report.created_bytes * 4 < report.removed_bytes, "{what}: {report:?}");
        fill(&db, &mut state, 2, 300);
        check(&db, &state, &what);
        db.close().expect("it closes");
        for n in 0..10 {
            let copy = disk.copy();
            if n % 2 == 1 {
                remove_hints(&copy);
            }
            let db = open(copy, &options.clone().index(index(n))).expect("it opens again");
            assert!(db.open_report().damage.is_empty() && db.open_report().unusable_hints.is_empty(), "{what}");
            check(&db, &state, &what);
            // The numbers go on where they were.
            db.put(b"x", b"y").expect("it writes");
        }
        let db = open(disk.clone(), &options).expect("it opens again");
        let used = db.open_report().index_from.is_some();
        assert!(used || !matches!(kind, IndexKind::BPTree), "{what}: {:?}", db.open_report());
        drop(db);
        // Delete everything, and nothing is left but an empty log.
        let db = open(disk.clone(), &options).expect("it opens again");
        for key in state.keys() {
            db.delete(key).expect("it writes");
        }
        db.merge(&all()).expect("it merges");
        assert_eq!((db.len().expect("len"), db.file_stats().expect("figures").len()), (0, 1), "{what}");
        assert!(db.merge(&all()).expect("it merges").removed_files.is_empty(), "{what}");
    }
}

/// Copies are in the order of the keys where the index has one.
#[test]
fn copies_are_in_the_order_of_the_keys() {
    for kind in KINDS.into_iter().filter(|&kind| kind != IndexKind::Hash) {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let db = open(disk.clone(), &quiet().index(kind)).expect("it opens");
        fill(&db, &mut state, 1, 800);
        db.merge(&all()).expect("it merges");
        let copied: Vec<_> = data_files(&disk).iter().flat_map(|(_, bytes)| records(bytes)).map(|r| r.key).collect();
        let copied: Vec<_> = copied.into_iter().filter(|key| !key.is_empty()).collect();
        assert!(copied.iter().eq(state.keys()), "{kind:?}");
        // And where few of the keys are in the sources, which are read then.
        for n in 0..1000 {
            put(&db, &mut state, format!("other{n}").into_bytes(), Vec::new());
        }
        db.merge(&all()).expect("it merges");
        for n in 0..30 {
            put(&db, &mut state, key(n * 37 % 100), vec![7; 100]);
        }
        let stats = db.file_stats().expect("figures");
        let source = stats.iter().filter(|file| !file.is_merged).max_by_key(|file| file.live_records).expect("a file");
        assert!((10..100).contains(&source.live_records), "{stats:?}");
        let made = db.merge(&MergeOptions::new().files(&[source.id])).expect("it merges").created_files;
        let path = at(&format!("{}.data", made[0].0));
        let copied: Vec<_> = records(&disk.bytes(&path).expect("the output")).into_iter().map(|r| r.key).collect();
        assert!(copied[..copied.len() - 1].is_sorted() && copied.len() as u64 == source.live_records + 1, "{kind:?}");
        check(&db, &state, "a small merge");
    }
}

/// Files and space stay what they are over many merges.
#[test]
fn nothing_piles_up() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk.clone(), &quiet()).expect("it opens");
    let mut most = (0, 0);
    for round in 0..200 {
        fill(&db, &mut state, round, 60);
        db.merge(&all()).expect("it merges");
        let now = (disk.files().len(), space(&disk));
        if round < 20 {
            most = (most.0.max(now.0), most.1.max(now.1));
        }
        assert!(now.0 <= most.0 + 4 && now.1 <= most.1 * 2, "round {round}: {now:?} after {most:?}");
    }
    check(&db, &state, "after all");
}

/// The policy finds what is worth it, and a merge of that leaves nothing to do.
#[test]
fn a_merge_by_policy_takes_what_is_worth_it() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let options = quiet().merge(MergePolicy::new().small_file_threshold(0));
    let db = open(disk.clone(), &options).expect("it opens");
    for n in 0..100 {
        put(&db, &mut state, key(n), vec![1; 400]);
    }
    assert_eq!(db.merge_needed().expect("figures"), None);
    assert!(db.merge(&MergeOptions::new()).expect("nothing to do").removed_files.is_empty());
    for n in 0..9 {
        put(&db, &mut state, key(n), vec![2; 400]);
    }
    let need = db.merge_needed().expect("figures").expect("the first file is dead");
    assert_eq!(need.files, [FileId(1)], "{need:?}");
    assert!(need.reclaimable_bytes > 3000 && need.reason.contains("data file 1"), "{need:?}");
    assert_eq!(db.merge(&MergeOptions::new()).expect("it merges").removed_files, need.files);
    assert_eq!(db.merge_needed().expect("figures"), None);
    check(&db, &state, "by policy");
}
