//! What the calls that read promise beyond their answers: as of one moment, beside writers, with a disk that fails, with files that
//! are gone, under both I/O kinds.

mod common;

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bitcask::vfs::OsVfs;
use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, Short, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::trickle::TrickleVfs;
use bitcask::{Db, EntryPage, Error, IndexKind, IoKind, IterOptions, MAX_KEY_LEN, Options, Value, ValuePage};

use common::{IO_KINDS, KINDS, Map, Rng, dump, factor, quiet, report};

fn combinations() -> impl Iterator<Item = (IndexKind, IoKind)> {
    KINDS.into_iter().flat_map(|index| IO_KINDS.into_iter().map(move |io| (index, io)))
}

/// A directory of the test's own, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("bitcask-reading-{}-{name}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn data_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("the store's directory").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "data")).collect()
}

fn key(i: usize) -> Vec<u8> {
    format!("key{i:05}").into_bytes()
}

fn of(found: Option<(Vec<u8>, Value)>) -> Option<(Vec<u8>, Vec<u8>)> {
    found.map(|(key, value)| (key, value.into_vec()))
}

/// All calls agree with a map after each of many writes, rotations and reopenings.
#[test]
fn every_call_agrees_with_a_map() {
    let since = Instant::now();
    for (index, io) in combinations() {
        let dir = Dir::new(&format!("map-{index:?}-{io:?}"));
        let mut options = quiet().index(index).io(io);
        let mut db = Db::open(&dir.0, &options).expect("a new store");
        let (mut map, mut rng, mut page) = (Map::new(), Rng(7), ValuePage::new());
        for step in 0..400 * factor() {
            let k = key(rng.below(60));
            match rng.below(12) {
                0..8 => {
                    let value = vec![step as u8; [0, 1, 20, 300, 5000][rng.below(5)]];
                    db.put(&k, &value).expect("put");
                    map.insert(k, value);
                }
                8..11 => assert_eq!(db.delete(&k).expect("delete"), map.remove(&k).is_some()),
                _ => {
                    db.close().expect("close");
                    options = options.io(if rng.below(4) == 0 { IO_KINDS[rng.below(2)] } else { io });
                    db = Db::open(&dir.0, &options).expect("it opens again");
                }
            }
            let keys: Vec<_> = (0..rng.below(9)).map(|_| key(rng.below(70))).collect();
            let want: Vec<_> = keys.iter().map(|key| map.get(key).map(Vec::as_slice)).collect();
            let got = db.multi_get(&keys).expect("multi_get");
            assert!(got.iter().map(Option::as_deref).eq(want.iter().copied()));
            db.multi_get_into(&keys, &mut page).expect("multi_get_into");
            assert!(page.len() == keys.len() && page.iter().eq(want.iter().copied()));
            for (key, want) in keys.iter().zip(&want) {
                assert_eq!(db.value_size(key).expect("value_size"), want.map(|value| value.len() as u64));
                assert_eq!(db.get(key).expect("get").as_deref(), *want);
            }
            assert_eq!(of(db.first().expect("first")), map.iter().next().map(|(k, v)| (k.clone(), v.clone())));
            assert_eq!(of(db.last().expect("last")), map.iter().next_back().map(|(k, v)| (k.clone(), v.clone())));
            let (low, high) = (key(rng.below(60)), key(rng.below(60)));
            let range = IterOptions::new().start(Bound::Included(&low)).end(Bound::Excluded(&high));
            let inside = map.keys().filter(|key| **key >= low && **key < high).count();
            assert_eq!(db.count(&range).expect("count"), inside as u64);
        }
        assert_eq!(dump(&db).expect("it reads"), map);
    }
    report("reading", "400 writes under 4 combinations", since);
}

#[test]
fn each_file_is_mapped_or_none_is() {
    for io in IO_KINDS {
        let dir = Dir::new(&format!("maps-{io:?}"));
        let vfs = FaultVfs::new(Arc::new(OsVfs));
        let maps = || vfs.count(Fault::Error(errno::EIO), &Filter::any().kinds(&[OpKind::Map]));
        let reads = || vfs.count(Fault::Error(errno::EIO), &Filter::any().kinds(&[OpKind::Read]));
        for _ in 0..2 {
            let db = Db::open_with_vfs(&dir.0, &quiet().io(io), Arc::new(vfs.clone())).expect("it opens");
            for i in 0..100 {
                db.put(&key(i), &[7; 100]).expect("put");
            }
            let stats = db.stats().expect("stats");
            assert!(stats.files > 2);
            let before = reads();
            for i in 0..100 {
                assert_eq!(db.get(&key(i)).expect("get").as_deref(), Some(&[7; 100][..]));
            }
            let in_gets = reads() - before;
            match io {
                IoKind::Mmap => assert_eq!((stats.mapped_files, in_gets), (stats.files, 0)),
                _ => assert_eq!((stats.mapped_files, in_gets, maps()), (0, 100, 0), "one pread a get, and no map"),
            }
            db.close().expect("close");
        }
    }
}

/// Where the system does not map, everything is read, and the figures say so.
#[test]
fn a_file_that_is_not_mapped_is_read() {
    let dir = Dir::new("unmapped");
    let vfs = FaultVfs::new(Arc::new(OsVfs));
    let db = Db::open_with_vfs(&dir.0, &quiet().io(IoKind::Mmap), Arc::new(vfs.clone())).expect("it opens");
    vfs.inject(Plan::forever(Fault::Error(errno::EMFILE), 0).of(Filter::any().kinds(&[OpKind::Map])));
    for i in 0..100 {
        db.put(&key(i), &[7; 100]).expect("put");
    }
    let stats = db.stats().expect("stats");
    assert!(stats.mapped_files == 1 && stats.files > 2, "{stats:?}");
    assert_eq!(db.multi_get(&(0..100).map(key).collect::<Vec<_>>()).expect("it reads").iter().flatten().count(), 100);
}

/// A record too large for others has a file of its own, which is mapped for the length of others: its key may go beyond that.
#[test]
fn keys_longer_than_a_data_file_are_read() {
    for (index, io) in combinations() {
        let dir = Dir::new(&format!("long-keys-{index:?}-{io:?}"));
        let options = quiet().index(index).io(io).max_file_size(Options::MIN_MAX_FILE_SIZE);
        let db = Db::open(&dir.0, &options).expect("a new store");
        let keys: Vec<_> = [MAX_KEY_LEN, 20_000, 5_000].iter().map(|&len| vec![b'k'; len]).collect();
        for key in &keys {
            db.put_with_ttl(key, b"value", Duration::from_secs(3600)).expect("put");
        }
        let of_key = |key: &[u8]| keys.iter().any(|k| k == key);
        for _ in 0..20 {
            assert!(of_key(&db.random_key().expect("random_key").expect("a key")));
        }
        for key in &keys {
            assert!(db.contains(key).expect("contains"));
            assert_eq!(db.value_size(key).expect("value_size"), Some(5));
        }
        assert_eq!(db.count(&IterOptions::new().prefix(b"kkk")).expect("count"), 3);
        assert_eq!(dump(&db).expect("it reads").len(), 3);
        assert_eq!(db.sweep_expired().expect("nothing has expired"), 0);
    }
}

/// A call, which says whether it gave what it should.
type Call<'a> = Box<dyn FnMut() -> Result<bool, Error> + 'a>;

/// A failing read is an error with its place, of every call, and the next one works.
#[test]
fn a_failing_read_is_an_error_of_the_call() {
    for index in KINDS {
        let dir = Dir::new(&format!("eio-{index:?}"));
        let vfs = FaultVfs::new(Arc::new(OsVfs));
        let options = quiet().index(index).io(IoKind::File);
        let db = Db::open_with_vfs(&dir.0, &options, Arc::new(vfs.clone())).expect("it opens");
        for i in 0..100 {
            db.put(&key(i), &[7; 100]).expect("put");
        }
        let keys: Vec<_> = (0..100).map(key).collect();
        let (mut page, mut buf) = (ValuePage::new(), [0; 200]);
        let mut calls: Vec<(&str, Call<'_>)> = vec![
            ("get", Box::new(|| Ok(db.get(&keys[3])?.is_some()))),
            ("get_into", Box::new(|| Ok(db.get_into(&keys[3], &mut buf)? == Some(100)))),
            ("value_size", Box::new(|| Ok(db.value_size(&keys[3])? == Some(100)))),
            ("multi_get", Box::new(|| Ok(db.multi_get(&keys)?.iter().flatten().count() == 100))),
            (
                "multi_get_into",
                Box::new(|| {
                    let outcome = db.multi_get_into(&keys, &mut page);
                    assert!(outcome.is_ok() || page.is_empty(), "no values after an error");
                    outcome.map(|()| page.iter().flatten().count() == 100)
                }),
            ),
            ("first", Box::new(|| Ok(db.first()?.is_some_and(|(key, _)| key == keys[0])))),
            ("last", Box::new(|| Ok(db.last()?.is_some_and(|(key, _)| key == keys[99])))),
            ("random_key", Box::new(|| Ok(db.random_key()?.is_some()))),
            ("iter", Box::new(|| Ok(db.iter(&IterOptions::new())?.collect::<Result<Vec<_>, _>>()?.len() == 100))),
            (
                "next_page",
                Box::new(|| {
                    let mut page = EntryPage::new();
                    db.iter(&IterOptions::new())?.next_page(&mut page, 100, usize::MAX)?;
                    Ok(page.len() == 100)
                }),
            ),
        ];
        for (name, call) in &mut calls {
            let reads = Filter::any().kinds(&[OpKind::Read]);
            vfs.reset();
            assert!(call().expect("a disk that is well"), "{name}");
            let total = vfs.count(Fault::Error(errno::EIO), &reads);
            assert!(total > 0, "{name} reads nothing");
            for nth in [0, total / 2, total - 1] {
                vfs.reset();
                vfs.inject(Plan::once(Fault::Error(errno::EIO), nth).of(reads.clone()));
                match call() {
                    Err(error @ Error::Io { op: "read", .. }) => {
                        assert_eq!(error.os_error(), Some(errno::EIO), "{name}");
                        assert!(error.offset().is_some_and(|at| at >= 128), "{name}: {error:?}");
                        assert!(error.path().is_some_and(|path| path.extension().is_some()), "{name}: {error:?}");
                    }
                    // A page ends where the disk fails; the next call would tell.
                    Ok(_) if nth > 0 && *name == "next_page" => {}
                    other => panic!("{name} under {index:?}, read {nth} of {total}: {other:?}"),
                }
                vfs.reset();
                assert!(call().expect("a disk that is well again"), "{name}");
            }
            vfs.reset();
            vfs.inject(Plan::forever(Fault::ShortRead(Short::Bytes(5)), 0));
            assert!(call().expect("short reads are no errors"), "{name}");
        }
    }
}

#[test]
fn a_trickle_of_bytes_is_read_to_the_end() {
    for index in KINDS {
        let dir = Dir::new(&format!("trickle-{index:?}"));
        let vfs = TrickleVfs::with(Arc::new(OsVfs), 3, 3);
        let options = quiet().index(index).io(IoKind::File);
        let db = Db::open_with_vfs(&dir.0, &options, Arc::new(vfs)).expect("it opens");
        let keys: Vec<_> = (0..30).map(key).chain([vec![b'x'; 3000]]).collect();
        for key in &keys {
            db.put(key, &[7; 400]).expect("put");
        }
        assert!(db.multi_get(&keys).expect("multi_get").iter().all(|value| value.as_deref() == Some(&[7; 400][..])));
        assert!(keys.iter().all(|key| db.value_size(key).is_ok_and(|size| size == Some(400))));
        assert_eq!(db.last().expect("last").map(|(key, _)| key), keys.last().cloned());
        assert_eq!(db.count(&IterOptions::new().prefix(b"key")).expect("count"), 30);
        assert!(db.random_key().expect("random_key").is_some_and(|random| keys.contains(&random)));
    }
}

/// A value is what it was, whatever becomes of key, file and store.
#[test]
fn a_value_outlives_everything() {
    for (index, io) in combinations() {
        let dir = Dir::new(&format!("pinned-{index:?}-{io:?}"));
        let db = Db::open(&dir.0, &quiet().index(index).io(io)).expect("it opens");
        let want: Vec<Vec<u8>> = (0..40).map(|i| vec![i as u8; i * 50]).collect();
        for (i, value) in want.iter().enumerate() {
            db.put(&key(i), value).expect("put");
        }
        let keys: Vec<_> = (0..40).map(key).collect();
        let mut held = db.multi_get(&keys).expect("multi_get");
        held.extend(keys.iter().map(|key| db.get(key).expect("get")));
        held.extend(db.iter(&IterOptions::new()).expect("iter").map(|record| Some(record.expect("a record").1)));
        held.extend(held.clone());
        for key in &keys {
            db.put(key, b"another").expect("put");
        }
        db.close().expect("close");
        drop(db);
        data_files(&dir.0).into_iter().for_each(|path| std::fs::remove_file(path).expect("a data file"));
        // The same names, with other bytes in them.
        let other = Db::open(&dir.0, &quiet().index(index).io(io)).expect("a new store");
        (0..100).for_each(|i| other.put(&key(i), &[0xEE; 900]).expect("put"));
        let read = std::thread::spawn(move || held.into_iter().map(|v| v.map(|v| v.to_vec())).collect::<Vec<_>>());
        for (i, value) in read.join().expect("no panic").into_iter().enumerate() {
            assert_eq!(value.as_deref(), Some(&want[i % 40][..]), "{i} under {index:?}, {io:?}");
        }
    }
}

/// A page shows what was there when it was filled, whatever becomes of store and files, and lets go of them when it is filled anew.
#[test]
fn a_page_of_records_outlives_everything() {
    for (index, io) in combinations() {
        let dir = Dir::new(&format!("page-{index:?}-{io:?}"));
        let db = Db::open(&dir.0, &quiet().index(index).io(io)).expect("it opens");
        let want: Map = (0..60).map(|i| (key(i * 7 % 60), vec![i as u8; i * 40])).collect();
        for i in 0..60 {
            let key = key(i * 7 % 60);
            db.put(&key, &want[&key]).expect("put");
        }
        assert!(data_files(&dir.0).len() > 3);
        let mut page = EntryPage::new();
        let mut iter = db.iter(&IterOptions::new()).expect("iter");
        iter.next_page(&mut page, usize::MAX, usize::MAX).expect("a page");
        let shows = |page: &EntryPage, what: &str| {
            let want = || want.iter().map(|(key, value)| (&key[..], &value[..]));
            assert!(page.iter().eq(want()), "{what} under {index:?}, {io:?}");
            assert!((0..page.len()).map(|i| page.get(i).expect("a record")).eq(want()), "{what}");
            assert_eq!(page.get(60), None);
            assert_eq!(page.byte_len(), want().map(|(key, value)| key.len() + value.len()).sum::<usize>());
        };
        shows(&page, "a page");
        want.keys().for_each(|key| db.put(key, b"another").expect("put"));
        let copy = page.clone();
        iter.next_page(&mut page, 5, usize::MAX).expect("the end");
        assert!(page.is_empty() && page.get(0).is_none() && page.byte_len() == 0);
        drop(iter);
        db.close().expect("close");
        drop(db);
        data_files(&dir.0).into_iter().for_each(|path| std::fs::remove_file(path).expect("a data file"));
        let other = Db::open(&dir.0, &quiet().index(index).io(io)).expect("a new store");
        (0..100).for_each(|i| other.put(&key(i), &[0xEE; 900]).expect("put"));
        std::thread::scope(|scope| scope.spawn(|| shows(&copy, "a copy")).join().expect("no panic"));
        // Keys alone are nobody's but the page's.
        other
            .iter(&IterOptions::new().keys_only(true))
            .expect("iter")
            .next_page(&mut page, 3, usize::MAX)
            .expect("keys");
        assert!(page.iter().eq((0..3).map(key).collect::<Vec<_>>().iter().map(|key| (&key[..], &b""[..]))));
        page = copy;
        shows(&page, "the copy");
    }
}

/// An index that fails in the midst of a page: what was read is given, and nothing is passed over.
#[test]
fn an_index_that_fails_in_the_midst_of_a_page_loses_no_record() {
    let dir = Dir::new("index-eio");
    let vfs = FaultVfs::new(Arc::new(OsVfs));
    let options = quiet().max_file_size(64 << 20).index(IndexKind::BPTree).index_budget(Options::MIN_INDEX_BUDGET);
    let db = Db::open_with_vfs(&dir.0, &options, Arc::new(vfs.clone())).expect("it opens");
    let keys: Vec<_> = (0..20_000).map(|i| [key(i), vec![b'.'; 100]].concat()).collect();
    for keys in keys.chunks(1000) {
        let mut batch = db.batch();
        keys.iter().for_each(|key| batch.put(key, b"v").expect("put"));
        batch.commit().expect("commit");
    }
    let reads = Filter::any().kinds(&[OpKind::Read]);
    let mut given_first = 0;
    for options in [IterOptions::new(), IterOptions::new().keys_only(true), IterOptions::new().reverse(true)] {
        for nth in (0..200).step_by(9) {
            vfs.reset();
            vfs.inject(Plan::once(Fault::Error(errno::EIO), nth).of(reads.clone()));
            let (mut page, mut seen, mut failed) = (EntryPage::new(), Vec::new(), 0);
            let mut iter = db.iter(&options).expect("iter");
            loop {
                match iter.next_page(&mut page, 3000, usize::MAX) {
                    Ok(()) if page.is_empty() => break,
                    Ok(()) => {
                        given_first += usize::from(page.len() < 3000 && seen.len() + page.len() < keys.len());
                        seen.extend(page.iter().map(|(key, _)| key.to_vec()));
                    }
                    Err(Error::Io { .. }) => failed += 1,
                    Err(error) => panic!("{error:?}"),
                }
            }
            assert!(failed <= 1, "the fault was for once");
            seen.sort_unstable();
            assert!(seen == keys, "{} keys of {}, read {nth}, {options:?}", seen.len(), keys.len());
        }
    }
    assert!(given_first > 0, "no page was cut short by an error");
}

/// Batches that write two keys alike: whatever reads both together sees both of one batch.
#[test]
fn many_keys_are_read_as_of_one_moment() {
    let since = Instant::now();
    for (index, io) in combinations() {
        let dir = Dir::new(&format!("moment-{index:?}-{io:?}"));
        let db = Db::open(&dir.0, &quiet().max_file_size(1 << 20).index(index).io(io)).expect("it opens");
        let (first, last) = (b"a".to_vec(), b"z".to_vec());
        let write = |n: u64| {
            let mut batch = db.batch();
            batch.put(&first, &n.to_le_bytes()).expect("put");
            batch.put(&last, &n.to_le_bytes()).expect("put");
            // One of a pair is there, never both and never none.
            batch.put(&[b'm', n as u8 % 2], b"").expect("put");
            batch.delete(&[b'm', 1 - n as u8 % 2]).expect("delete");
            batch.commit().expect("commit");
        };
        write(0);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (1..3000 * factor() as u64).for_each(write);
                done.store(true, Ordering::Release);
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    // What lies between makes the lookups take a while.
                    let mut keys = vec![b"missing".to_vec(); 40];
                    (keys[0], keys[39]) = (first.clone(), last.clone());
                    (keys[10], keys[30]) = (b"m\0".to_vec(), b"m\x01".to_vec());
                    let mut page = ValuePage::new();
                    while !done.load(Ordering::Acquire) {
                        let values = db.multi_get(&keys).expect("multi_get");
                        assert_eq!(values[0], values[39], "{index:?}, {io:?}");
                        assert!(values[10].is_some() != values[30].is_some());
                        db.multi_get_into(&keys, &mut page).expect("multi_get_into");
                        assert_eq!(page.get(0), page.get(39));
                        assert!(page.get(0).is_some() && page.get(10).is_some() != page.get(30).is_some());
                        assert_eq!(db.count(&IterOptions::new().prefix(b"m")).expect("count"), 1);
                        assert_eq!(db.first().expect("first").map(|(key, _)| key), Some(first.clone()));
                        assert_eq!(db.last().expect("last").map(|(key, _)| key), Some(last.clone()));
                        assert_eq!(db.value_size(&first).expect("value_size"), Some(8));
                        assert!(db.random_key().expect("random_key").is_some());
                    }
                });
            }
        });
        assert_eq!(db.len().expect("len"), 3);
    }
    report("reading", "3000 batches beside readers under 4 combinations", since);
}

/// A key that does something when it is looked at for the second time: the first is the check of its length.
struct Trap<'a> {
    bytes: Vec<u8>,
    looks: Cell<u32>,
    action: Option<&'a dyn Fn()>,
}

impl AsRef<[u8]> for Trap<'_> {
    fn as_ref(&self) -> &[u8] {
        self.looks.set(self.looks.get() + 1);
        if let Some(action) = self.action.filter(|_| self.looks.get() == 2) {
            action();
        }
        &self.bytes
    }
}

/// The same without chance: the batch is committed when the first key was looked up and the last was not.
#[test]
fn a_batch_in_the_midst_of_the_lookups_is_not_seen() {
    for (index, io) in combinations() {
        let dir = Dir::new(&format!("midst-{index:?}-{io:?}"));
        let db = Db::open(&dir.0, &quiet().index(index).io(io)).expect("it opens");
        let write = |value: &[u8], present: &[u8], absent: &[u8]| {
            let mut batch = db.batch();
            [&b"a"[..], b"z", present].iter().for_each(|key| batch.put(key, value).expect("put"));
            batch.delete(absent).expect("delete");
            batch.commit().expect("commit");
        };
        let commit = || write(b"new", b"y", b"x");
        let trapped = |n: usize| -> Vec<Trap<'_>> {
            let bytes = |i| match i {
                0 => b"a".to_vec(),
                199 => b"z".to_vec(),
                198 => b"y".to_vec(),
                197 => b"x".to_vec(),
                _ => key(i),
            };
            (0..200)
                .map(|i| Trap {
                    bytes: bytes(i),
                    looks: Cell::new(0),
                    action: (i == n).then_some(&commit as &dyn Fn()),
                })
                .collect()
        };
        let mut page = ValuePage::new();
        for copied in [false, true] {
            write(b"old", b"x", b"y");
            let keys = trapped(100);
            let values: Vec<Option<Vec<u8>>> = if copied {
                db.multi_get_into(&keys, &mut page).expect("multi_get_into");
                page.iter().map(|value| value.map(<[u8]>::to_vec)).collect()
            } else {
                db.multi_get(&keys).expect("multi_get").into_iter().map(|v| v.map(Value::into_vec)).collect()
            };
            assert_eq!(db.get(b"z").expect("get").as_deref(), Some(&b"new"[..]), "the batch was committed");
            let [first, x, y, last] = [0, 197, 198, 199].map(|i| values[i].as_deref());
            assert_eq!([first, x, y, last], [Some(&b"old"[..]), Some(b"old"), None, Some(b"old")], "{index:?}, {io:?}");
        }
    }
}

/// The error is that of the first key that fails in the order of the keys, not of the log.
#[test]
fn the_first_key_that_fails_gives_the_error() {
    for (index, io) in combinations() {
        let dir = Dir::new(&format!("first-{index:?}-{io:?}"));
        let db = Db::open(&dir.0, &Options::new().index(index).io(io)).expect("it opens");
        let marks = [[0x91; 32], [0x92; 32], [0x93; 32]];
        for (i, mark) in marks.iter().enumerate() {
            db.put(&key(i), mark).expect("put");
        }
        let path = data_files(&dir.0).remove(0);
        let place = |mark: &[u8; 32]| {
            let bytes = std::fs::read(&path).expect("the data file");
            bytes.windows(32).position(|window| window == mark).expect("the value") as u64
        };
        let (second, third) = (place(&marks[1]), place(&marks[2]));
        for at in [second, third] {
            use std::os::unix::fs::FileExt;
            std::fs::OpenOptions::new().write(true).open(&path).expect("the file").write_all_at(b"!", at).expect("it");
        }
        for (order, want) in [([0, 1, 2], second), ([2, 1, 0], third), ([2, 0, 1], third), ([1, 2, 2], second)] {
            let mut page = ValuePage::new();
            for error in [
                db.multi_get(&order.map(key)).expect_err("damage"),
                db.multi_get_into(&order.map(key), &mut page).expect_err("damage"),
            ] {
                let offset = error.offset().expect("a place");
                assert!(offset < want && want - offset < 100, "{error:?}, the value is at {want}");
                assert!(page.is_empty());
            }
        }
        assert_eq!(db.multi_get(&[key(0)]).expect("undamaged")[0].as_deref(), Some(&marks[0][..]));
    }
}

/// A page that is used again takes no more memory.
#[test]
fn a_page_of_values_keeps_its_memory() {
    let dir = Dir::new("page");
    let db = Db::open(&dir.0, &Options::new()).expect("it opens");
    (0..200).for_each(|i| db.put(&key(i), &[i as u8; 100]).expect("put"));
    let keys: Vec<_> = (0..200).map(key).collect();
    let mut page = ValuePage::new();
    db.multi_get_into(&keys, &mut page).expect("it reads");
    let memory = page.bytes().as_ptr();
    for part in [&keys[..], &keys[50..150], &keys[..1], &[], &keys[..]] {
        db.multi_get_into(part, &mut page).expect("it reads");
        assert_eq!(page.len(), part.len());
        assert!(page.bytes().is_empty() || page.bytes().as_ptr() == memory);
        assert_eq!(page.range(part.len()), None);
    }
    assert_eq!(page.get(199), Some(&[199; 100][..]));
}

/// Each key has the same chance, whatever its length and the shape of the index.
#[test]
fn random_keys_are_uniform() {
    for index in KINDS {
        let dir = Dir::new(&format!("random-{index:?}"));
        let db = Db::open(&dir.0, &Options::new().index(index)).expect("it opens");
        // Short ones first, so that pages hold a few keys or hundreds.
        let long = |i: usize| if i < 250 { 0 } else { [0, 50, 450, 700][i % 4] };
        let keys: Vec<Vec<u8>> = (0..500).map(|i| [key(i), vec![b'x'; long(i)]].concat()).collect();
        keys.iter().for_each(|key| db.put(key, b"").expect("put"));
        (0..2000).for_each(|i| db.put(&[b"gone".to_vec(), key(i)].concat(), b"").expect("put"));
        (0..2000).for_each(|i| assert!(db.delete(&[b"gone".to_vec(), key(i)].concat()).expect("delete")));
        let mut counts: HashMap<Vec<u8>, u32> = HashMap::new();
        for _ in 0..100_000 {
            *counts.entry(db.random_key().expect("random_key").expect("a key")).or_default() += 1;
        }
        // 200 expected, with a standard deviation of 14.
        let (least, most) = (counts.values().min().copied(), counts.values().max().copied());
        assert!(counts.len() == 500 && least > Some(120) && most < Some(280), "{index:?}: {least:?} to {most:?}");
    }
}

/// The sort budget is what the documentation says, to the byte, and the error says what to do.
#[test]
fn the_sort_budget_is_exact() {
    let dir = Dir::new("budget");
    let open = |budget| Db::open(&dir.0, &Options::new().index(IndexKind::Hash).sort_budget(budget)).expect("it opens");
    let db = open(0);
    (0..100).for_each(|i| db.put(&key(i), b"value").expect("put"));
    let refused = |db: &Db, options: &IterOptions| match db.iter(options) {
        Err(Error::Unsupported { what }) => {
            assert!(what.contains("sort_budget") && what.contains("btree"), "{what}");
            true
        }
        other => {
            other.expect("no other error");
            false
        }
    };
    let tenth = IterOptions::new().start(Bound::Included(&key(10))).end(Bound::Excluded(&key(20)));
    db.close().expect("close");
    // 8 for each of the store, and 8 + 16 for each in the range.
    for (options, exact) in [(IterOptions::new(), 100 * 8 + 100 * 24), (tenth, 100 * 8 + 10 * 24)] {
        for (budget, want) in [(exact - 1, true), (exact, false), (0, true)] {
            let db = open(budget);
            assert_eq!(refused(&db, &options), want, "{budget} of {exact}");
            db.close().expect("close");
        }
    }
}
