//! A large saved index is verified while the store is in use: writes wait beside it meanwhile and are there for every reader, and damage that is
//! found at any time, before them or behind them, by a reader, a writer or the thread that verifies, costs time and nothing else.

mod common;
#[path = "unverified/held.rs"]
mod held;
#[path = "unverified/merging.rs"]
mod merging;

use std::ops::Bound;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Error, IndexKind, IterOptions, OnDamage, Options};

use common::{IO_KINDS, Map, Rng, at, dump, open, quiet};
use held::Held;

const NAME: &str = "index.checkpoint";
const KINDS: [IndexKind; 2] = [IndexKind::BTree, IndexKind::Hash];

fn key(kind: IndexKind, n: u64) -> Vec<u8> {
    // `hash` has no keys to fill its pages with.
    format!("{n:06}{}", "k".repeat(if kind == IndexKind::Hash { 0 } else { 400 })).into_bytes()
}

fn keys(kind: IndexKind) -> u64 {
    if kind == IndexKind::Hash { 180_000 } else { 14_000 }
}

/// A closed store with an index large enough, and what is in it.
fn closed(kind: IndexKind) -> (SimVfs, Map) {
    static MADE: [OnceLock<(SimVfs, Map)>; 2] = [const { OnceLock::new() }; 2];
    let (disk, state) = MADE[usize::from(kind == IndexKind::Hash)].get_or_init(|| make(kind));
    (disk.copy(), state.clone())
}

fn make(kind: IndexKind) -> (SimVfs, Map) {
    let (disk, mut state) = (SimVfs::new(7), Map::new());
    let db = open(disk.clone(), &options(kind)).expect("a new store");
    let (mut batch, keys) = (db.batch(), keys(kind));
    for n in 0..keys {
        let key = key(kind, n * 7919 % keys);
        batch.put(&key, b"v").expect("put");
        state.insert(key, b"v".to_vec());
    }
    batch.commit().expect("commit");
    db.close().expect("close");
    (disk, state)
}

fn options(kind: IndexKind) -> Options {
    quiet().index(kind).max_file_size(64 << 20)
}

/// What was saved is used, and nobody has looked at it yet but at the pages that opening needs.
fn open_held(disk: &SimVfs, kind: IndexKind, options: &Options, damage: u64) -> (Held, Db) {
    let held = Held::new(disk, kind, damage);
    let db = open(held.clone(), options).expect("open");
    assert!(db.open_report().index_from.is_some(), "{:?}", db.open_report());
    (held, db)
}

/// Single writes, with what they say was there, and batches.
fn write(db: &Db, state: &mut Map, kind: IndexKind, rng: &mut Rng, range: std::ops::Range<u64>) {
    let key = |rng: &mut Rng| {
        let n = range.start + rng.below((range.end - range.start) as usize) as u64;
        // Every fourth is none that was there at the beginning.
        [key(kind, n), if n.is_multiple_of(4) { b"+".to_vec() } else { Vec::new() }].concat()
    };
    match rng.below(4) {
        0 => {
            let key = key(rng);
            assert_eq!(db.delete(&key).expect("delete"), state.remove(&key).is_some());
        }
        1 => {
            let mut batch = db.batch();
            for _ in 0..rng.below(5) {
                let (key, value) = (key(rng), rng.next().to_le_bytes().to_vec());
                batch.put(&key, &value).expect("put");
                state.insert(key, value);
            }
            batch.commit().expect("commit");
        }
        _ => {
            let (key, value) = (key(rng), rng.next().to_le_bytes().to_vec());
            let written = db.put_seq(&key, &value, Default::default()).expect("put");
            assert_eq!(written.existed, state.insert(key, value).is_some());
        }
    }
    let key = key(rng);
    assert_eq!(db.get(&key).expect("get").as_deref(), state.get(&key).map(Vec::as_slice));
}

/// Ranges in both directions, with limits, from and up to somewhere.
fn assert_ranges(db: &Db, state: &Map, kind: IndexKind, rng: &mut Rng) {
    let (a, b) = (rng.below(keys(kind) as usize) as u64, rng.below(50) as u64);
    let (low, high) = (key(kind, a), key(kind, a + b));
    let bounds = (Bound::Excluded(&low[..]), Bound::Included(&high[..]));
    for reverse in [false, true] {
        let limit = rng.below(70) as u64;
        let options = IterOptions::new().start(bounds.0).end(bounds.1).reverse(reverse).limit(limit);
        let found: Vec<_> = db
            .iter(&options)
            .expect("iter")
            .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())).expect("an entry"))
            .collect();
        let own = state.range::<[u8], _>(bounds).map(|(key, value)| (key.clone(), value.clone()));
        let mut wanted: Vec<_> = own.collect();
        if reverse {
            wanted.reverse();
        }
        wanted.truncate(limit as usize);
        assert!(found == wanted, "{} of {} entries", found.len(), wanted.len());
    }
}

fn assert_is(db: &Db, state: &Map, what: &str) {
    assert_eq!(db.stats().expect("stats").keys, state.len() as u64, "{what}");
    // Without an order it takes long.
    if db.stats().expect("stats").keys < 100_000 {
        assert!(dump(db).expect("it reads") == *state, "{what}");
    }
    let keys: Vec<_> = state.keys().step_by(97).collect();
    let values = db.multi_get(&keys).expect("multi_get");
    for (key, value) in keys.iter().zip(values) {
        assert_eq!(value.as_deref(), Some(&state[*key][..]), "{what}");
    }
}

/// Closes and opens again: what the next one finds is all that there was, whether the index was saved or not.
fn assert_stays(db: Db, disk: &SimVfs, options: &Options, state: &Map, what: &str) {
    db.close().expect("close");
    drop(db);
    let db = open(disk.clone(), options).expect("open");
    assert!(db.open_report().damage.is_empty(), "{what}");
    assert!(db.open_report().index_from.is_some(), "{what}: it was saved");
    assert_is(&db, state, what);
}

#[test]
fn writers_go_on_and_all_read_what_they_wrote() {
    for kind in KINDS {
        let (disk, mut state) = closed(kind);
        let (options, damage) = (options(kind).io(IO_KINDS[1]), 0);
        let (held, db) = open_held(&disk, kind, &options, damage);
        let (mut rng, before) = (Rng(11), state.clone());
        let (snapshot, mut later) = (db.snapshot().expect("a snapshot"), None);
        for round in 0..1500 {
            write(&db, &mut state, kind, &mut rng, 0..keys(kind));
            if kind == IndexKind::BTree && round % 20 == 0 {
                assert_ranges(&db, &state, kind, &mut rng);
            }
            if round == 700 {
                later = Some((db.snapshot().expect("a snapshot"), state.clone()));
            }
        }
        let assert_snapshots = |what: &str| {
            let later = later.as_ref().map(|(snapshot, state)| (snapshot, state)).expect("it was made");
            for (snapshot, state) in [(&snapshot, &before), later] {
                for n in (0..keys(kind)).step_by(113) {
                    let key = key(kind, n);
                    let found = snapshot.get(&key).expect("get");
                    assert_eq!(found.as_deref(), state.get(&key).map(Vec::as_slice), "{what}");
                }
            }
        };
        assert_eq!(db.stats().expect("stats").keys, state.len() as u64);
        assert_is(&db, &state, "held");
        assert_snapshots("held");
        // What waited is put in its place under the eyes of readers.
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let (db, state, is_over) = (&db, &state, &is_over);
                scope.spawn(move || {
                    let mut rng = Rng(100 + thread);
                    while !is_over.load(Ordering::Relaxed) {
                        let key = key(kind, rng.below(keys(kind) as usize) as u64);
                        assert_eq!(db.get(&key).expect("get").as_deref(), state.get(&key).map(Vec::as_slice));
                        assert_eq!(db.stats().expect("stats").keys, state.len() as u64);
                        if kind == IndexKind::BTree {
                            assert_ranges(db, state, kind, &mut rng);
                        }
                    }
                });
            }
            held.let_go();
            // Waits for the end of it.
            assert!(db.random_key().expect("random_key").is_some_and(|key| state.contains_key(&key)));
            is_over.store(true, Ordering::Relaxed);
        });
        assert_is(&db, &state, "verified");
        assert_snapshots("verified");
        (0..300).for_each(|_| write(&db, &mut state, kind, &mut rng, 0..keys(kind)));
        drop((snapshot, later));
        assert_stays(db, &disk, &options, &state, "verified");
    }
}

/// More than can wait waits itself.
#[test]
fn a_writer_of_much_waits_for_the_end() {
    for kind in KINDS {
        let (disk, mut state) = closed(kind);
        let (options, damage) = (options(kind).io(IO_KINDS[1]), 0);
        let (held, db) = open_held(&disk, kind, &options, damage);
        let mut batch = db.batch();
        for n in 0..40_000_u32 {
            let key = format!("more{n}").into_bytes();
            batch.put(&key, b"w").expect("put");
            state.insert(key, b"w".to_vec());
        }
        db.put(b"before", b"it").expect("put");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| batch.commit().expect("commit"));
            assert_eq!(db.get(b"before").expect("get").as_deref(), Some(&b"it"[..]));
            let is_there = db.get(b"more39999").expect("get").is_some();
            assert!(!is_there || kind == IndexKind::Hash, "it waits");
            held.let_go();
            writer.join().expect("the writer");
        });
        state.insert(b"before".to_vec(), b"it".to_vec());
        assert_is(&db, &state, "behind it");
        assert_stays(db, &disk, &options, &state, "behind it");
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Finder {
    Reader,
    Writer,
    Thread,
    Close,
}

/// A place in the pages, of none that opening looks at.
fn place(disk: &SimVfs, rng: &mut Rng) -> u64 {
    let len = disk.bytes(&at(NAME)).expect("it is there").len();
    let piece = 1 + rng.below(len / (1 << 20) - 2);
    (piece * (1 << 20) + rng.below(1 << 20)) as u64
}

#[test]
fn damage_behind_writes_costs_time_and_nothing_else() {
    for kind in KINDS {
        let (whole, before) = closed(kind);
        for (round, finder) in [Finder::Reader, Finder::Writer, Finder::Thread, Finder::Close].into_iter().enumerate() {
            for io in IO_KINDS {
                let what = format!("{kind:?} {finder:?} {io:?}");
                let (disk, mut state, mut rng) = (whole.copy(), before.clone(), Rng(5 + round as u64));
                let damage = place(&disk, &mut rng);
                disk.flip_bit(&at(NAME), damage, 2);
                let options = options(kind).io(io);
                let (held, db) = open_held(&disk, kind, &options, damage);
                let snapshot = db.snapshot().expect("a snapshot");
                // Few pages of the tree.
                let (some, all) = (0..60, 0..keys(kind));
                (0..200).for_each(|_| write(&db, &mut state, kind, &mut rng, some.clone()));
                match finder {
                    Finder::Reader => assert_is(&db, &state, &what),
                    Finder::Writer => {
                        for n in all.clone().step_by(if kind == IndexKind::Hash { 500 } else { 40 }) {
                            db.put(&key(kind, n), b"w").expect("put");
                            state.insert(key(kind, n), b"w".to_vec());
                        }
                    }
                    Finder::Thread => {
                        held.let_go();
                        while !held.is_begun() {
                            std::thread::yield_now();
                        }
                        (0..400).for_each(|_| write(&db, &mut state, kind, &mut rng, some.clone()));
                    }
                    Finder::Close => held.let_go(),
                }
                if finder != Finder::Close {
                    assert_is(&db, &state, &what);
                    for n in all.clone().step_by(211) {
                        let (key, found) = (key(kind, n), snapshot.get(&key(kind, n)).expect("get"));
                        assert_eq!(found.as_deref(), before.get(&key).map(Vec::as_slice), "{what}");
                    }
                    (0..200).for_each(|_| write(&db, &mut state, kind, &mut rng, all.clone()));
                    assert_is(&db, &state, &what);
                }
                held.let_go();
                drop(snapshot);
                assert_stays(db, &disk, &options, &state, &what);
            }
        }
    }
}

/// The log is read to make the index anew while others append to it.
#[test]
fn damage_found_in_the_midst_of_writes_loses_none() {
    for kind in KINDS {
        let (whole, before) = closed(kind);
        for round in 0..6 {
            let (disk, mut rng) = (whole.copy(), Rng(30 + round));
            let damage = place(&disk, &mut rng);
            disk.flip_bit(&at(NAME), damage, 6);
            // Small files, so that some are begun meanwhile.
            let options = options(kind).io(IO_KINDS[round as usize % 2]).max_file_size(64 << 10);
            let (held, db) = open_held(&disk, kind, &options, damage);
            let states: Vec<Map> = std::thread::scope(|scope| {
                let writers: Vec<_> = (0..3_u64)
                    .map(|writer| {
                        let db = &db;
                        scope.spawn(move || {
                            let mut own = Map::new();
                            for n in 0..600_u64 {
                                let key = format!("own{writer}.{}", n % 50).into_bytes();
                                assert_eq!(db.get(&key).expect("get").as_deref(), own.get(&key).map(Vec::as_slice));
                                if n % 7 == 6 {
                                    assert_eq!(db.delete(&key).expect("delete"), own.remove(&key).is_some());
                                } else {
                                    let value = n.to_string().repeat(1 + n as usize % 90).into_bytes();
                                    db.put(&key, &value).expect("put");
                                    own.insert(key, value);
                                }
                            }
                            own
                        })
                    })
                    .collect();
                scope.spawn(|| {
                    if round % 3 == 0 {
                        held.let_go();
                    }
                    for n in (0..keys(kind)).step_by(29) {
                        assert_eq!(db.get(&key(kind, n)).expect("get").as_deref(), Some(&b"v"[..]));
                    }
                });
                writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
            });
            let mut state = before.clone();
            states.into_iter().for_each(|own| state.extend(own));
            assert_is(&db, &state, "behind it");
            held.let_go();
            assert_stays(db, &disk, &options, &state, "behind it");
        }
    }
}

/// What became of the log's last commits, which were on no stable storage.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lost {
    OneOfMany,
    /// A bit of it.
    Last,
    /// All of it, so that the log seems to end before.
    LastIsZeros,
    InBatch,
    /// The commit record of a batch, and all behind.
    BatchEnd,
}

const LOST: [Lost; 5] = [Lost::OneOfMany, Lost::Last, Lost::LastIsZeros, Lost::InBatch, Lost::BatchEnd];

/// Where something is in the data files.
fn find(disk: &SimVfs, what: &[u8]) -> (std::path::PathBuf, u64) {
    let found = disk.files().into_iter().filter(|(path, _)| path.extension().is_some_and(|ext| ext == "data"));
    let found = found.filter_map(|(path, bytes)| Some((path, bytes.windows(what.len()).position(|at| at == what)?)));
    found.map(|(path, at)| (path, at as u64)).next_back().expect("it was written")
}

/// A damaged index is made anew of a log that is damaged itself, where nothing says that it was stable: the store knows that it had more.
#[test]
fn commits_that_the_log_has_lost_are_no_torn_tail() {
    // Of a table the thread may find it before the log is damaged.
    let kind = IndexKind::BTree;
    let (whole, _) = closed(kind);
    for (round, lost) in LOST.into_iter().enumerate() {
        for on_damage in [OnDamage::Serve, OnDamage::Refuse] {
            let what = format!("{kind:?} {lost:?} {on_damage:?}");
            let (disk, mut rng) = (whole.copy(), Rng(70 + round as u64));
            let damage = place(&disk, &mut rng);
            disk.flip_bit(&at(NAME), damage, 4);
            let options = options(kind).io(IO_KINDS[1]).on_damage(on_damage);
            let (held, db) = open_held(&disk, kind, &options, damage);
            let value = |n: u64| format!("the value of {n} that nobody else has");
            for n in 0..10 {
                db.put(&key(kind, n), value(n).as_bytes()).expect("put");
            }
            let mut batch = db.batch();
            let is_batch = matches!(lost, Lost::InBatch | Lost::BatchEnd);
            for n in 10..13 {
                batch.put(&key(kind, n), value(n).as_bytes()).expect("put");
            }
            if is_batch {
                batch.commit().expect("commit");
            }
            let victim = match lost {
                Lost::OneOfMany => 5,
                Lost::Last | Lost::LastIsZeros => 9,
                Lost::InBatch => 11,
                Lost::BatchEnd => 12,
            };
            let (path, place) = find(&disk, value(victim).as_bytes());
            let end = disk.bytes(&path).expect("it is there").len() as u64;
            match lost {
                Lost::OneOfMany | Lost::Last | Lost::InBatch => disk.flip_bit(&path, place, 1),
                Lost::LastIsZeros => {
                    let start = place - 28 - key(kind, victim).len() as u64;
                    disk.overwrite(&path, start, &vec![0; (end - start) as usize]);
                }
                Lost::BatchEnd => {
                    let start = (place + value(victim).len() as u64).next_multiple_of(4);
                    disk.overwrite(&path, start, &vec![0; (end - start) as usize]);
                }
            }
            // Somebody comes upon the damage of the index.
            let mut errors = (20..keys(kind)).rev().filter_map(|n| db.get(&key(kind, n)).err());
            if on_damage == OnDamage::Refuse {
                let error = errors.next().unwrap_or_else(|| panic!("it is told: {what}"));
                assert!(matches!(error, Error::Corrupted { .. }), "{what}: {error}");
            } else {
                assert!(errors.next().is_none(), "{what}");
                for n in (0..if is_batch { 13 } else { 10 }).filter(|&n| n != victim || lost == Lost::BatchEnd) {
                    let found = db.get(&key(kind, n)).expect("get");
                    assert_eq!(found.as_deref(), Some(value(n).as_bytes()), "{what}: {n}");
                }
            }
            held.let_go();
            // What is damaged is found again, and not saved as truth: at the opening, or when it is read where a hint says that it is there.
            let closed = db.close();
            drop(db);
            assert!(closed.is_ok() || on_damage == OnDamage::Refuse, "{what}: {closed:?}");
            match open(disk.clone(), &options) {
                Err(error) => {
                    assert!(
                        on_damage == OnDamage::Refuse && matches!(error, Error::Corrupted { .. }),
                        "{what}: {error}"
                    );
                }
                Ok(db) if db.open_report().damage.is_empty() => {
                    for n in 0..if is_batch { 13 } else { 10 } {
                        match db.get(&key(kind, n)) {
                            Err(error) => {
                                assert!(n == victim && matches!(error, Error::Corrupted { .. }), "{what}: {error}")
                            }
                            found => {
                                let found = found.expect("get");
                                assert_eq!(found.as_deref(), Some(value(n).as_bytes()), "{what}: {n}");
                            }
                        }
                    }
                }
                Ok(_) => {}
            }
        }
    }
}

/// Only lookups that find something, which ask for nothing more: who writes next sees to what the thread found.
#[test]
fn what_the_thread_found_is_mended_by_the_next_write() {
    for kind in KINDS {
        let (disk, mut rng) = (closed(kind).0, Rng(90));
        let damage = place(&disk, &mut rng);
        disk.flip_bit(&at(NAME), damage, 3);
        let options = options(kind).io(IO_KINDS[1]).checkpoint_bytes(1 << 10);
        let (held, db) = open_held(&disk, kind, &options, damage);
        let before = disk.bytes(&at(NAME)).expect("it is there");
        held.let_go();
        // Once it is mended the index is saved again.
        let is_saved = (0..2000).any(|n: u32| {
            db.put(&key(kind, 0), &n.to_le_bytes().repeat(2000)).expect("put");
            std::thread::sleep(std::time::Duration::from_millis(1));
            disk.bytes(&at(NAME)).is_ok_and(|now| now != before)
        });
        assert!(is_saved, "{kind:?}");
        assert_eq!(db.stats().expect("stats").keys, keys(kind));
    }
}

/// That a key is not there is not certain yet: the delete goes to the log, as it has to if the key is there after all.
#[test]
fn no_delete_is_left_out_on_the_word_of_an_unverified_index() {
    let (disk, kind) = (closed(IndexKind::BTree).0, IndexKind::BTree);
    let (held, db) = open_held(&disk, kind, &options(kind).io(IO_KINDS[1]), u64::MAX);
    let last = || db.stats().expect("stats").last_seq;
    let before = last();
    assert!(!db.delete(b"none").expect("delete"));
    assert_eq!(last(), before + 1);
    std::thread::scope(|scope| {
        // Waits for the end, for it asks what there is.
        let deleted = scope.spawn(|| {
            let mut batch = db.batch();
            batch
                .delete_range(Bound::Included(&key(kind, 5)[..]), Bound::Excluded(&key(kind, 9)[..]))
                .expect("a range");
            batch.commit().expect("commit");
        });
        held.let_go();
        deleted.join().expect("the deleter");
    });
    assert_eq!(db.stats().expect("stats").keys, keys(kind) - 4);
    let before = last();
    assert!(!db.delete(b"none").expect("delete"));
    assert_eq!(last(), before, "nothing to write");
}

/// A page that a reader waits for is no page that writers wait for.
#[test]
fn writers_wait_for_no_page_of_a_reader() {
    let kind = IndexKind::BTree;
    for many in [false, true] {
        let disk = closed(kind).0;
        let (held, db) = open_held(&disk, kind, &options(kind).io(IO_KINDS[1]), u64::MAX);
        db.put(&key(kind, 3), b"w").expect("put");
        held.hold_too("held");
        // Of many pages one was not read yet.
        let asked: Vec<_> = (0..keys(kind)).skip(100).step_by(40).map(|n| key(kind, n)).collect();
        std::thread::scope(|scope| {
            let reads = || match many {
                true => db.multi_get(&asked).expect("multi_get").pop().flatten(),
                false => asked.iter().fold(None, |_, key| db.get(key).expect("get")),
            };
            let reader = std::thread::Builder::new().name("held".into()).spawn_scoped(scope, reads).expect("a thread");
            held.wait_for_held();
            let (tell, told) = std::sync::mpsc::channel();
            let db = &db;
            scope.spawn(move || {
                db.put(&key(kind, 4), b"w").expect("put");
                let _ = tell.send(());
            });
            let is_written = told.recv_timeout(std::time::Duration::from_secs(20)).is_ok();
            held.let_go();
            assert_eq!(reader.join().expect("the reader").as_deref(), Some(&b"v"[..]));
            assert!(is_written, "it waited: {many}");
        });
    }
}
