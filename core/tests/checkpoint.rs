//! The saved index under a store: used where it can be believed, made anew where it can't, and never believed over the log.
//!
//! Whatever stands in `index.checkpoint`, and whenever it is found out, what the store answers is what the log says.

mod common;

use std::time::{Duration, Instant};

use bitcask::format::checkpoint::{CheckpointHead, HEAD_LEN};
use bitcask::vfs::EntryKind;
use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, Short, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Durability, Error, IndexKind, MergeOptions, OnDamage, Options, SeqNo};

use common::damage::data_files;
use common::{Counter, IO_KINDS, Map, Rng, at, dump, index, open, parallel, quiet};

const NAME: &str = "index.checkpoint";
const KINDS: [IndexKind; 2] = [IndexKind::BTree, IndexKind::Hash];

fn options(kind: IndexKind) -> Options {
    quiet().index(kind)
}

/// Writes some, with deletes, over several files.
fn fill(db: &Db, state: &mut Map, seed: u64, writes: usize) {
    let mut rng = Rng(seed);
    for n in 0..writes {
        let number = rng.below(400);
        let key = format!("key{number:04}{}", "+".repeat(number % 90)).into_bytes();
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
fn closed(kind: IndexKind, disk_seed: u64, seed: u64, writes: usize) -> (SimVfs, Map) {
    let (disk, mut state) = (SimVfs::new(disk_seed), Map::new());
    let db = open(disk.clone(), &options(kind)).expect("a new store");
    fill(&db, &mut state, seed, writes);
    db.close().expect("close");
    (disk, state)
}

/// Opens, compares, writes, and opens again. Says whether the saved index was begun with.
fn check(disk: &SimVfs, options: &Options, state: &Map, what: &str) -> bool {
    let db = open(disk.clone(), options).unwrap_or_else(|e| panic!("{what}: {e}"));
    let report = db.open_report().clone();
    assert!(report.damage.is_empty() && report.torn.is_empty(), "{what}: {report:?}");
    let found = dump(&db).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(found == *state, "{what}: other contents; {report:?}");
    for key in state.keys().take(3) {
        assert_eq!(db.get(key).expect("get").as_deref(), Some(&state[key][..]), "{what}");
    }
    let mut state = state.clone();
    fill(&db, &mut state, 99, 20);
    assert!(dump(&db).unwrap_or_else(|e| panic!("{what}: {e}")) == state, "{what}: other contents after writing");
    db.close().unwrap_or_else(|e| panic!("{what}: {e}"));
    drop(db);
    let db = open(disk.copy(), options).unwrap_or_else(|e| panic!("{what}, again: {e}"));
    assert!(db.open_report().index_from.is_some(), "{what}: not even a new one is used: {:?}", db.open_report());
    assert!(dump(&db).expect("it reads") == state, "{what}: other contents the next time");
    report.index_from.is_some()
}

#[test]
fn a_clean_opening_reads_no_record() {
    for kind in KINDS {
        for io in IO_KINDS {
            let (disk, state) = closed(kind, 1, 1, 700);
            let db = open(disk.clone(), &options(kind).io(io)).expect("open");
            let report = db.open_report();
            let read = (report.index_from, report.scanned_records, report.hint_records);
            assert_eq!(read, (Some(report.last_seq), 0, 0), "{report:?}");
            assert_eq!(report.unusable_index, None);
            drop(db);
            assert!(check(&disk, &options(kind).io(io), &state, "clean"));
        }
    }
}

/// Closing a store that nothing was written to writes no index again.
#[test]
fn what_did_not_change_is_not_saved_again() {
    for kind in KINDS {
        let (disk, _) = closed(kind, 1, 1, 700);
        let before = disk.bytes(&at(NAME)).expect("the index");
        for _ in 0..3 {
            let db = open(disk.clone(), &options(kind)).expect("open");
            dump(&db).expect("it reads");
            db.close().expect("close");
        }
        assert!(disk.bytes(&at(NAME)).expect("the index") == before);
        let db = open(disk.clone(), &options(kind)).expect("open");
        db.put(b"k", b"v").expect("put");
        db.close().expect("close");
        assert!(disk.bytes(&at(NAME)).expect("the index") != before);
    }
}

/// Readers beside a writer and on a disk that nobody may write to use it too, and change nothing.
#[test]
fn readers_use_it() {
    for kind in KINDS {
        let (disk, mut state) = closed(kind, 1, 1, 700);
        let writer = open(disk.clone(), &options(kind)).expect("open");
        let then = state.clone();
        let reader = open(disk.other_process(), &options(kind).read_only(true)).expect("open for reading");
        assert!(reader.open_report().index_from.is_some());
        fill(&writer, &mut state, 4, 100);
        writer.close().expect("close");
        drop(writer);
        let before = (disk.op_count(), disk.files());
        assert!(dump(&reader).expect("it reads") == then, "the index that it maps is another by now");
        let late = open(disk.other_process(), &options(kind).read_only(true)).expect("open for reading");
        assert!(late.open_report().index_from.is_some() && dump(&late).expect("it reads") == state);
        late.close().expect("close");
        reader.close().expect("close");
        assert!((disk.op_count(), disk.files()) == before);
    }
}

/// The log behind a saved index is read, whoever wrote it.
#[test]
fn an_older_index_is_read_on() {
    for kind in KINDS {
        let (disk, mut state) = closed(kind, 1, 1, 700);
        let old = disk.bytes(&at(NAME)).expect("the index");
        for round in 0..4 {
            let db = open(disk.clone(), &quiet().index(index(round))).expect("open");
            fill(&db, &mut state, 20 + round as u64, 150);
            db.close().expect("close");
            let copy = disk.copy();
            copy.plant(&at(NAME), &old);
            assert!(check(&copy, &options(kind), &state, "an older one"));
        }
    }
}

/// Behind a kill what was saved beside the writer is used, and only the end of the log is read.
#[test]
fn it_is_saved_beside_writers() {
    for kind in KINDS {
        let options = options(kind).checkpoint_bytes(1);
        let (disk, mut state) = (SimVfs::new(1), Map::new());
        let db = open(disk.clone(), &options).expect("a new store");
        // The thread is as fast as it is: until there is one, and then some more.
        let mut rounds = 0;
        while disk.bytes(&at(NAME)).is_err() || rounds < 10 {
            fill(&db, &mut state, 5 + rounds, 100);
            rounds += 1;
            assert!(rounds < 100_000, "it is never saved");
        }
        let db2 = open(disk.kill(), &options).expect("open");
        assert!(db2.open_report().index_from.is_some(), "{:?}", db2.open_report());
        assert!(dump(&db2).expect("it reads") == state);
        drop(db);
    }
}

/// Keys of a store of which an image is large.
const LARGE_KEYS: u32 = 45_000;

fn large_key(n: u32) -> Vec<u8> {
    format!("{:06}{}", n * 7919 % LARGE_KEYS, "k".repeat(400)).into_bytes()
}

/// A writer with so many keys that an image of its index is begun in a pause: one was due with the commit that this made.
fn with_a_large_index(disk: &SimVfs) -> (Db, u32) {
    let options = options(IndexKind::BTree).max_file_size(1 << 30).checkpoint_bytes(1);
    let db = open(disk.clone(), &options).expect("a new store");
    let mut batch = db.batch();
    for n in 0..LARGE_KEYS {
        batch.put(&large_key(n), b"v").expect("put");
    }
    batch.commit().expect("commit");
    assert!(db.stats().expect("stats").index_bytes > 16 << 20);
    (db, LARGE_KEYS)
}

/// Waits till it is saved, and says up to which commit it goes.
fn saved_beside(pauses: bool) -> SeqNo {
    let disk = SimVfs::new(1);
    let (db, keys) = with_a_large_index(&disk);
    let mut writes = 0_u32;
    let begun = Instant::now();
    while disk.bytes(&at(NAME)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it is never saved");
        if pauses {
            std::thread::sleep(Duration::from_millis(10));
        } else {
            writes += 1;
            db.put(&writes.to_be_bytes(), b"more").expect("put");
        }
    }
    let other = open(disk.kill(), &options(IndexKind::BTree)).expect("open");
    assert_eq!(other.len().expect("its length"), u64::from(keys + writes));
    other.open_report().index_from.expect("it is used")
}

#[test]
fn a_large_one_is_saved_in_a_pause_of_the_writers() {
    assert_eq!(saved_beside(true), SeqNo(1));
}

#[test]
fn a_large_one_is_saved_after_a_while_if_writers_never_pause() {
    // Not of the moment in which it was due: but a busy machine may give the writer a pause right then.
    assert!((0..5).any(|_| saved_beside(false) > SeqNo(1)));
}

/// Whether one waits when a merge ends, or is being written: behind the merge there is one that names its outputs.
#[test]
fn behind_a_merge_a_large_one_names_the_files_that_are_there() {
    let disk = SimVfs::new(1);
    let (db, keys) = with_a_large_index(&disk);
    for round in 0..10 {
        // So much of them that an image is due.
        let mut batch = db.batch();
        for n in 0..8000 {
            batch.put(&large_key(n), &[round]).expect("put");
        }
        batch.commit().expect("commit");
        std::thread::sleep(Duration::from_millis(60 + 10 * u64::from(round)));
        let merged = db.merge(&MergeOptions::new().everything(true)).expect("merge");
        assert!(!merged.removed_files.is_empty());
        let begun = Instant::now();
        let is_used = || {
            let db = open(disk.kill(), &options(IndexKind::BTree)).expect("open");
            assert_eq!(db.len().expect("its length"), u64::from(keys));
            db.open_report().index_from.is_some()
        };
        while !is_used() {
            assert!(begun.elapsed() < Duration::from_secs(120), "round {round}: the next opening reads all hints");
        }
    }
}

/// Nobody waits for the thread that waits for the pause.
#[test]
fn a_store_ends_while_a_large_one_waits_for_a_pause() {
    let ends: [fn(Db); 3] = [
        |db| db.close().expect("close"),
        drop,
        |db| {
            let (other, snapshot) = (db.clone(), db.snapshot().expect("a snapshot"));
            drop((db, other));
            drop(snapshot);
        },
    ];
    for end in ends {
        let disk = SimVfs::new(1);
        let (db, keys) = with_a_large_index(&disk);
        end(db);
        // It was saved by the end itself, or before.
        let db = open(disk, &options(IndexKind::BTree)).expect("nobody has it open");
        let report = db.open_report();
        assert_eq!((report.index_from, report.scanned_records), (Some(report.last_seq), 0), "{report:?}");
        assert_eq!(db.len().expect("its length"), u64::from(keys));
    }
}

/// A small store: every bit, and every length.
#[test]
fn no_flipped_bit_and_no_truncation_changes_what_is_read() {
    for kind in KINDS {
        let (disk, state) = closed(kind, 1, 1, 40);
        let bytes = disk.bytes(&at(NAME)).expect("the index");
        assert!(bytes.len() < 20_000, "a small one: {}", bytes.len());
        let (late, io) = (Counter::default(), |n: usize| IO_KINDS[n % 2]);
        parallel(bytes.len() * 2, |n| {
            let (copy, at_byte) = (disk.copy(), n / 2);
            if n % 2 == 0 {
                copy.flip_bit(&at(NAME), at_byte as u64, (at_byte % 8) as u8);
            } else {
                copy.truncate(&at(NAME), at_byte as u64);
            }
            let db = open(copy.clone(), &options(kind).io(io(at_byte))).expect("it opens");
            let begun = db.open_report().index_from.is_some();
            late.add(usize::from(begun && at_byte >= 4096));
            assert!(!begun || n % 2 == 0, "cut at {at_byte}, and believed");
            if n % 6 == 0 {
                // A writer finds it first.
                db.put(b"before all else", b"v").expect("put");
                assert!(db.delete(b"before all else").expect("delete"));
            }
            assert!(dump(&db).expect("it reads") == state, "byte {at_byte}, case {n}: other contents");
            if n % 64 == 0 {
                db.close().expect("close");
                check(&copy, &options(kind), &state, "once more");
            }
        });
        assert!(late.get() > 4000, "damage of pages is found when they are asked for: {}", late.get());
    }
}

#[test]
fn no_flipped_bit_of_a_larger_one_changes_what_is_read() {
    for kind in KINDS {
        let (disk, state) = closed(kind, 1, 1, 900);
        let len = disk.bytes(&at(NAME)).expect("the index").len();
        assert!(len > if kind == IndexKind::Hash { 3 } else { 5 } * 4096, "some pages: {len}");
        let mut rng = Rng(8);
        let bits: Vec<_> = (0..300).map(|_| rng.below(len * 8)).collect();
        parallel(bits.len(), |n| {
            let (copy, bit) = (disk.copy(), bits[n]);
            copy.flip_bit(&at(NAME), bit as u64 / 8, (bit % 8) as u8);
            check(&copy, &options(kind).io(IO_KINDS[n % 2]), &state, &format!("bit {bit}"));
        });
    }
}

/// Damage that is found when the store is open: many readers and a writer come upon it at once.
#[test]
fn damage_found_late_costs_time_and_nothing_else() {
    for kind in KINDS {
        for round in 0..20 {
            let (disk, state) = closed(kind, 1, 1, 700);
            disk.flip_bit(&at(NAME), 5000 + round * 300, 3);
            let options = options(kind).io(IO_KINDS[round as usize % 2]);
            let db = open(disk.clone(), &options).expect("open");
            assert!(db.open_report().index_from.is_some());
            let keys: Vec<_> = state.keys().collect();
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (db, keys, state) = (&db, &keys, &state);
                    scope.spawn(move || {
                        for i in 0..keys.len() {
                            let key = keys[(i + thread * 31) % keys.len()];
                            assert_eq!(db.get(key).expect("get").as_deref(), Some(&state[key][..]));
                        }
                    });
                }
                scope.spawn(|| (0..50).for_each(|n| db.put(format!("new{n}").as_bytes(), b"v").expect("put")));
            });
            let mut state = state.clone();
            state.extend((0..50).map(|n| (format!("new{n}").into_bytes(), b"v".to_vec())));
            assert!(dump(&db).expect("it reads") == state);
            db.close().expect("close");
            drop(db);
            assert!(check(&disk, &options, &state, "the one that was saved after it"));
        }
    }
}

#[test]
fn another_stores_index_is_not_believed() {
    for kind in KINDS {
        let (disk, state) = closed(kind, 1, 1, 700);
        for (disk_seed, seed) in [(2, 1), (3, 7)] {
            let (other, _) = closed(kind, disk_seed, seed, 700);
            let copy = disk.copy();
            copy.plant(&at(NAME), &other.bytes(&at(NAME)).expect("the index"));
            assert!(!check(&copy, &options(kind), &state, "another store's"));
        }
    }
}

/// The log was put back from a copy: shorter than the index says, or grown since into another one.
#[test]
fn an_index_ahead_of_the_log_or_of_another_future_is_not_believed() {
    for kind in KINDS {
        for grown in [0, 1, 3, 40, 400] {
            let (disk, state) = closed(kind, 1, 1, 700);
            let copied = disk.copy();
            let db = open(disk.clone(), &options(kind)).expect("open");
            let mut future = state.clone();
            fill(&db, &mut future, 8, 150);
            db.close().expect("close");
            let index = disk.bytes(&at(NAME)).expect("the index");
            let mut state = state;
            copied.advance(5);
            let db = open(copied.clone(), &quiet()).expect("open");
            fill(&db, &mut state, 8 + u64::from(grown % 2 == 1), grown);
            db.close().expect("close");
            copied.plant(&at(NAME), &index);
            assert!(!check(&copied, &options(kind), &state, &format!("another future of {grown} writes")));
        }
    }
}

#[test]
fn an_index_for_other_files_is_not_believed() {
    for kind in KINDS {
        let (disk, _) = closed(kind, 1, 1, 700);
        disk.uproot(&data_files(&disk)[0].0.clone());
        let want = dump(&open(disk.copy(), &quiet().index(IndexKind::Art)).expect("open")).expect("it reads");
        assert!(!check(&disk, &options(kind), &want, "a file less"));
    }
}

/// What was saved of one kind is nothing to another, whatever it says, and is replaced by what that saves.
#[test]
fn what_another_kind_saved_is_left_aside() {
    for (kind, other) in [(KINDS[0], KINDS[1]), (KINDS[1], KINDS[0])] {
        for io in IO_KINDS {
            let (disk, state) = closed(kind, 1, 1, 700);
            let db = open(disk.copy(), &options(other).io(io)).expect("open");
            let why = db.open_report().unusable_index.clone().expect("a reason");
            assert!(db.open_report().index_from.is_none() && why.contains("kind"), "{why}");
            drop(db);
            assert!(!check(&disk, &options(other).io(io), &state, "another kind's"));
            // And back again.
            let state = dump(&open(disk.copy(), &quiet().index(IndexKind::Art)).expect("open")).expect("it reads");
            assert!(!check(&disk, &options(kind), &state, "and back"));
        }
    }
}

/// What another kind saved, and what a head says that is not so, is refused by its head.
#[test]
fn a_head_that_says_what_is_not_so_is_not_believed() {
    for kind in KINDS {
        let (disk, state) = closed(kind, 1, 1, 700);
        let bytes = disk.bytes(&at(NAME)).expect("the index");
        let head = CheckpointHead::decode(bytes.first_chunk::<HEAD_LEN>().expect("a head")).expect("a head");
        let mut own = head.own;
        own[0] ^= 1;
        let mut far = head.own;
        far[3] = 1;
        for (what, head) in [
            ("kind", CheckpointHead { kind: 9, ..head }),
            ("nonce", CheckpointHead { nonce: head.nonce + 1, ..head }),
            ("pages", CheckpointHead { pages: head.pages + 1, ..head }),
            ("fewer pages", CheckpointHead { pages: head.pages - 1, ..head }),
            ("most pages", CheckpointHead { pages: u32::MAX - 1, ..head }),
            ("tail", CheckpointHead { tail_len: u64::MAX, ..head }),
            ("root", CheckpointHead { own, ..head }),
            ("a root far off", CheckpointHead { own: far, ..head }),
            ("covered", CheckpointHead { covered: [7; 128], ..head }),
        ] {
            for io in IO_KINDS {
                let copy = disk.copy();
                copy.overwrite(&at(NAME), 0, &head.encode());
                // A root that is another page of the tree can be told by the whole alone, which a writer looks at.
                if what != "root" {
                    assert!(!check(&copy, &options(kind).io(io), &state, what) || what == "nonce");
                }
            }
        }
    }
}

/// What a saved index hides from an opening the read says, and without the index it is found at every opening.
#[test]
fn damage_of_the_log_is_not_hidden_for_good() {
    for kind in KINDS {
        let (disk, state) = closed(kind, 1, 1, 700);
        disk.flip_bit(&data_files(&disk)[0].0, 2000, 3);
        let serve = options(kind).on_damage(OnDamage::Serve);
        let db = open(disk.clone(), &serve).expect("open");
        assert!(db.open_report().index_from.is_some());
        let damaged = state.keys().filter(|key| matches!(db.get(key), Err(Error::Corrupted { .. }))).count();
        let fine = state.iter().filter(|(key, value)| db.get(key).is_ok_and(|got| got.as_deref() == Some(&value[..])));
        let fine = fine.count();
        assert!(damaged <= 1 && fine + damaged == state.len(), "{damaged} damaged, {fine} fine of {}", state.len());
        db.close().expect("close");
        drop(db);
        disk.uproot(&at(NAME));
        common::remove_hints(&disk);
        for _ in 0..3 {
            assert!(matches!(open(disk.copy(), &options(kind)), Err(Error::Corrupted { .. })));
            let db = open(disk.clone(), &serve).expect("open");
            assert_eq!((db.open_report().damage.len(), db.open_report().index_from), (1, None));
            db.put(b"k", b"v").expect("put");
            db.close().expect("close");
            common::remove_hints(&disk);
        }
    }
}

#[test]
fn what_is_no_file_is_left_alone() {
    for kind in KINDS {
        for entry in [EntryKind::Directory, EntryKind::Other] {
            let (disk, state) = closed(kind, 1, 1, 700);
            disk.plant_kind(&at(NAME), entry);
            let db = open(disk.clone(), &options(kind)).expect("open");
            assert!(db.open_report().unusable_index.is_some());
            assert!(dump(&db).expect("it reads") == state);
            db.put(b"k", b"v").expect("put");
            db.close().expect("close");
            drop(db);
            assert!(dump(&open(disk, &options(kind)).expect("open")).expect("it reads").len() == state.len() + 1);
        }
    }
}

/// A disk that fails while the index is saved costs nobody anything; when it is well again the index is saved.
#[test]
fn a_failure_of_saving_is_nobodys_error() {
    for kind in KINDS {
        for fault in [errno::ENOSPC, errno::EIO] {
            for (op, forever) in [
                (OpKind::Create, false),
                (OpKind::Write, false),
                (OpKind::Write, true),
                (OpKind::SyncData, true),
                (OpKind::Rename, true),
            ] {
                let (disk, mut state) = closed(kind, 1, 1, 700);
                let vfs = FaultVfs::over_sim(&disk);
                let db = open(vfs.clone(), &options(kind)).expect("open");
                fill(&db, &mut state, 3, 50);
                let filter = Filter::any().kinds(&[op]).suffix("index.checkpoint.tmp");
                let plan =
                    if forever { Plan::forever(Fault::Error(fault), 0) } else { Plan::once(Fault::Error(fault), 1) };
                vfs.inject(if op == OpKind::Create { Plan::once(Fault::Error(fault), 0) } else { plan }.of(filter));
                db.close().expect("close");
                drop(db);
                assert!(vfs.fired(), "{op:?} of it never happens");
                let left = disk.files().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "tmp"));
                assert_eq!(left.count(), 0, "{op:?}");
                vfs.heal();
                // The one before is there, and the log behind it.
                assert!(check(&disk, &options(kind), &state, &format!("{op:?} failed")));
            }
        }
    }
}

/// The same beside a writer, which goes on.
#[test]
fn a_failure_of_saving_beside_writers_is_not_theirs() {
    for kind in KINDS {
        for op in [OpKind::Create, OpKind::Write, OpKind::SyncData, OpKind::Rename] {
            let (disk, mut state) = (SimVfs::new(1), Map::new());
            let vfs = FaultVfs::over_sim(&disk);
            let filter = Filter::any().kinds(&[op]).suffix("index.checkpoint.tmp");
            vfs.inject(Plan::forever(Fault::Error(errno::ENOSPC), 0).of(filter.clone()));
            let options = options(kind).checkpoint_bytes(1).durability(Durability::None);
            let db = open(vfs.clone(), &options).expect("open");
            let mut rounds = 0;
            while vfs.count(Fault::Error(errno::ENOSPC), &filter) < 3 {
                fill(&db, &mut state, rounds, 50);
                rounds += 1;
                assert!(rounds < 100_000, "{op:?}: it is never tried");
            }
            assert!(dump(&db).expect("it reads") == state && disk.bytes(&at(NAME)).is_err());
            vfs.heal();
            while disk.bytes(&at(NAME)).is_err() {
                fill(&db, &mut state, rounds, 50);
                rounds += 1;
                assert!(rounds < 100_000, "{op:?}: it is never saved");
            }
            db.close().expect("close");
            drop(db);
            assert!(check(&disk, &options, &state, "saved at last"));
        }
    }
}

/// An index that is made anew of a log with damage lacks what the damage hides. It is not saved, so that the next opening finds the damage and says so.
#[test]
fn what_was_made_anew_of_a_damaged_log_is_not_saved() {
    for kind in KINDS {
        let options = options(kind).on_damage(OnDamage::Serve);
        let (disk, _) = closed(kind, 1, 1, 700);
        for (path, _) in disk.files().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "hint")) {
            disk.uproot(&path);
        }
        disk.flip_bit(&data_files(&disk)[0].0, 1000, 3);
        disk.flip_bit(&at(NAME), 5000, 3);
        let db = open(disk.clone(), &options).expect("open");
        assert!(db.open_report().index_from.is_some() && db.open_report().damage.is_empty(), "not looked at yet");
        dump(&db).expect("it reads");
        db.put(b"one", b"more").expect("put");
        db.close().expect("close");
        drop(db);
        let db = open(disk.clone(), &options).expect("open");
        assert_eq!(db.open_report().damage.len(), 1, "{:?}", db.open_report());
    }
}

/// A large index is looked at beside readers and before any writer asks; what that finds costs time and nothing else.
#[test]
fn a_large_one_is_looked_at_in_the_background() {
    for kind in KINDS {
        let options = options(kind).max_file_size(64 << 20).io(bitcask::IoKind::File);
        let (disk, mut state) = (SimVfs::new(1), Map::new());
        let db = open(disk.clone(), &options).expect("a new store");
        let mut batch = db.batch();
        // `hash` has no keys to fill its pages with.
        let (keys, more) = if kind == IndexKind::Hash { (180_000, 0) } else { (14_000, 400) };
        for n in 0..keys {
            let key = format!("{:06}{}", n * 7919 % keys, "k".repeat(more)).into_bytes();
            batch.put(&key, b"v").expect("put");
            state.insert(key, b"v".to_vec());
        }
        batch.commit().expect("commit");
        let assert_reads = |db: &Db| match kind {
            IndexKind::Hash => {
                assert_eq!(db.stats().expect("stats").keys, keys);
                for (key, value) in state.iter().step_by(500) {
                    assert_eq!(db.get(key).expect("get").as_deref(), Some(&value[..]));
                }
            }
            _ => assert!(dump(db).expect("it reads") == state),
        };
        db.close().expect("close");
        drop(db);
        for is_damaged in [false, true] {
            let vfs = FaultVfs::over_sim(&disk);
            // Head, table, tail and a piece or two are read without it.
            let reads = Filter::any().kinds(&[OpKind::Read]).suffix(NAME);
            let fault = if is_damaged { Fault::Error(errno::EIO) } else { Fault::ShortRead(Short::Half) };
            vfs.inject(Plan::once(fault, 5).of(reads));
            let db = open(vfs.clone(), &options).expect("open");
            assert!(db.open_report().index_from.is_some());
            while !vfs.fired() {
                std::thread::yield_now();
            }
            if is_damaged {
                assert_reads(&db);
            }
            db.put(b"one", b"more").expect("put");
            assert!(db.delete(b"one").expect("delete"));
            assert_reads(&db);
            // In the midst of it, or behind it.
            let other = open(disk.copy(), &options).expect("open");
            other.close().expect("close");
        }
    }
}

/// The system's own mapping: real files, a real store, changed copy on write and saved again.
#[test]
fn on_the_real_file_system() {
    for kind in KINDS {
        let dir = std::env::temp_dir().join(format!("bitcask-checkpoint-{kind:?}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).expect("a directory");
        let options = Options::new().index(kind).durability(Durability::None);
        let mut state = Map::new();
        for round in 0..4_u64 {
            let db = Db::open(&dir, &options).expect("open");
            assert_eq!(db.open_report().index_from.is_some(), round > 0, "{:?}", db.open_report());
            let untouched = db.stats().expect("stats").index_bytes;
            if round > 0 {
                assert!(untouched < 1 << 20, "mapped pages are the file's: {untouched}");
            }
            let mut rng = Rng(round);
            let mut batch = db.batch();
            for n in 0..30_000_u64 {
                let key = format!("{:08}", rng.below(60_000)).into_bytes();
                if n % 4 == 0 {
                    batch.delete(&key).expect("delete");
                    state.remove(&key);
                } else {
                    batch.put(&key, format!("{round}.{n}").as_bytes()).expect("put");
                    state.insert(key, format!("{round}.{n}").into_bytes());
                }
            }
            batch.commit().expect("commit");
            assert!(dump(&db).expect("it reads") == state, "round {round}");
            db.close().expect("close");
        }
        let reader = Db::open(&dir, &options.clone().read_only(true)).expect("open for reading");
        assert!(reader.open_report().index_from.is_some() && dump(&reader).expect("it reads") == state);
        drop(reader);
        // A bit of the last page, which is found when it is come to.
        let mut bytes = std::fs::read(dir.join(NAME)).expect("the index");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(dir.join(NAME), &bytes).expect("damage");
        let db = Db::open(&dir, &options).expect("open");
        assert!(db.open_report().index_from.is_some() && dump(&db).expect("it reads") == state);
        drop(db);
        std::fs::remove_dir_all(&dir).expect("it goes");
    }
}

/// What a kill leaves behind a saved index: a few changes are made to it as it is mapped; with many it is read into memory, all of it at once. Either way
/// it is the same store.
#[test]
fn a_long_tail_has_it_read_and_a_short_one_mapped() {
    const KEYS: usize = 200_000;
    let key = |n: usize| format!("{n:08}-{:015}", n * 7919 % 1_000_003).into_bytes();
    for kind in KINDS {
        let dir = std::env::temp_dir().join(format!("bitcask-tail-{kind:?}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).expect("a directory");
        let options = Options::new().index(kind).durability(Durability::None);
        let first = dir.join("first");
        let write = |db: &Db, changes: usize| {
            let mut batch = db.batch();
            for n in 0..changes {
                // All over the index, the last of them new.
                let n = n * KEYS / changes + usize::from(n + 1 == changes) * KEYS;
                batch.put(&key(n), b"changed").expect("put");
            }
            batch.commit().expect("commit");
        };
        let db = Db::open(&first, &options).expect("a new store");
        let mut batch = db.batch();
        (0..KEYS).for_each(|n| batch.put(&key(n), b"written").expect("put"));
        batch.commit().expect("commit");
        db.close().expect("close");
        let image = std::fs::metadata(first.join(NAME)).expect("it was saved").len();
        for (changes, is_read) in [(10, false), (KEYS / 4, true)] {
            // As it is while it is open, which a kill leaves as it is.
            let (open, killed) = (dir.join(format!("open-{changes}")), dir.join(format!("killed-{changes}")));
            copy(&first, &open);
            let db = Db::open(&open, &options).expect("open");
            write(&db, changes);
            copy(&open, &killed);
            drop(db);
            for options in [options.clone().read_only(true), options.clone()] {
                let db = Db::open(&killed, &options).expect("open what a kill left");
                let report = db.open_report();
                assert!(report.index_from.is_some() && report.scanned_records == changes as u64, "{report:?}");
                let bytes = db.stats().expect("stats").index_bytes;
                let (least, most) = if is_read { (image * 8 / 10, image * 13 / 10) } else { (0, image / 2) };
                assert!((least..=most).contains(&bytes), "{kind:?}, {changes} changes: {bytes} of {image} in memory");
                assert_eq!(db.len().expect("len"), KEYS as u64 + 1);
                for n in (0..KEYS).step_by(7).chain([(changes - 1) * KEYS / changes + KEYS]) {
                    let is_changed = n >= KEYS || (n % (KEYS / changes) == 0 && n / (KEYS / changes) + 1 < changes);
                    let wanted: &[u8] = if is_changed { b"changed" } else { b"written" };
                    assert_eq!(db.get(&key(n)).expect("get").as_deref(), Some(wanted), "{kind:?}, {changes}, {n}");
                }
                db.close().expect("close");
            }
        }
        std::fs::remove_dir_all(&dir).expect("it goes");
    }
}

/// Copies a directory's files.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("list") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copy");
    }
}
