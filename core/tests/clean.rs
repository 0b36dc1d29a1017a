//! Opening what a writer closed: nothing is to be repaired, so that nobody waits for the disk; and what is written then is as durable as ever.

mod common;

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Durability, IndexKind, Options};

use common::{IO_KINDS, Map, Rng, dump, open, quiet};

fn options(kind: IndexKind) -> Options {
    quiet().index(kind)
}

/// A closed store of several files.
fn closed(options: &Options) -> (SimVfs, Map) {
    let (disk, mut state) = (SimVfs::new(1), Map::new());
    let db = open(disk.clone(), options).expect("a new store");
    let mut rng = Rng(3);
    for n in 0..300 {
        let (key, value) = (format!("key{:04}", rng.below(150)).into_bytes(), format!("value{n}").repeat(3));
        db.put(&key, value.as_bytes()).expect("put");
        state.insert(key, value.into_bytes());
    }
    db.close().expect("close");
    (disk, state)
}

fn failing_syncs(disk: &SimVfs) -> FaultVfs {
    let vfs = FaultVfs::over_sim(disk);
    let syncs = Filter::any().kinds(&[OpKind::SyncData, OpKind::SyncDir]);
    vfs.inject(Plan::forever(Fault::Error(errno::EIO), 0).of(syncs));
    vfs
}

#[test]
fn opening_and_closing_sync_nothing_where_nothing_is_new() {
    for kind in [IndexKind::BTree, IndexKind::Art, IndexKind::Hash, IndexKind::SkipList] {
        for io in IO_KINDS {
            let options = options(kind).io(io);
            let (disk, state) = closed(&options);
            for _ in 0..3 {
                let vfs = failing_syncs(&disk);
                let before = disk.files();
                let db = open(vfs.clone(), &options).expect("it needs no sync");
                assert!(dump(&db).expect("it reads") == state);
                assert_eq!(db.durable_seq().expect("durable"), db.last_seq().expect("last"));
                db.close().expect("nor does closing");
                assert!(!vfs.fired() && disk.files() == before, "{kind:?}");
            }
            // And what is written is synced with the mark that was not.
            let vfs = failing_syncs(&disk);
            let db = open(vfs.clone(), &options).expect("it needs no sync");
            db.put(b"new", b"v").expect("put");
            assert!(db.sync().is_err() && vfs.fired(), "what is said to be durable was synced");
        }
    }
}

/// Whatever else is there to be repaired is repaired and synced, also behind such a mark.
#[test]
fn a_log_that_is_not_as_it_was_closed_is_synced() {
    let options = options(IndexKind::BTree);
    let (disk, state) = closed(&options);
    let (last, bytes) = common::damage::data_files(&disk).pop().expect("a file");
    for more in [&[0_u8; 8][..], b"torn, not a record"] {
        let copy = disk.copy();
        copy.plant(&last, &[&bytes[..], more].concat());
        assert!(open(failing_syncs(&copy), &options).is_err(), "it is cut and synced");
        assert!(dump(&open(copy, &options).expect("open")).expect("it reads") == state);
    }
    let copy = disk.copy();
    copy.truncate(&last, bytes.len() as u64 - 4);
    assert!(open(failing_syncs(&copy), &options).is_err(), "the mark is torn");
}

/// At every moment behind such an opening the power may fail: the mark that closing left was not synced, nor did opening sync it.
#[test]
fn what_is_acknowledged_behind_it_survives() {
    let plain = options(IndexKind::BTree).max_file_size(16 << 10);
    let (origin, state) = closed(&plain);
    for io in IO_KINDS {
        let options = plain.clone().durability(Durability::Always).io(io);
        let disk = origin.kill();
        let mut acked = vec![(0, state.clone())];
        for round in 0..3 {
            let db = open(disk.clone(), &options).expect("open");
            for n in 0..=round {
                let mut state = acked.last().expect("a state").1.clone();
                let (key, value) = (format!("new{round}.{n}").into_bytes(), vec![b'v'; 300 * n]);
                db.put(&key, &value).expect("put");
                state.insert(key, value);
                acked.push((disk.op_count(), state));
            }
            db.close().expect("close");
        }
        for at in 0..=disk.op_count() {
            let done = acked.iter().rposition(|(acked, _)| *acked <= at).expect("the first");
            let mut choices = vec![CrashChoice::LoseUnsynced, CrashChoice::KeepAll];
            choices.extend((0..disk.unsynced_ops(at)).flat_map(|k| [CrashChoice::DropOne(k), CrashChoice::ZeroOne(k)]));
            choices.extend((0..2).map(|seed| CrashChoice::Pages { seed: 2 * at as u64 + seed, unit: 64 }));
            for choice in choices {
                let what = format!("{io:?}, behind operation {at}: {choice:?}");
                let db = open(disk.crash(at, &choice), &options).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert!(db.open_report().damage.is_empty(), "{what}: {:?}", db.open_report());
                let found = dump(&db).expect("it reads");
                let next = acked.get(done + 1).is_some_and(|(_, next)| found == *next);
                assert!(found == acked[done].1 || next, "{what}: {} keys", found.len());
            }
        }
    }
}
