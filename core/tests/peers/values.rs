//! What may be a key and a value, and whose the bytes are.

use bitcask::vfs::sim::SimVfs;
use bitcask::{Error, MergeOptions};

use super::common::damage::data_files;
use super::common::{Map, dump, open};
use super::{disk, fill, get, key, one_file, remove_advice, ways};

/// A value that looked like the engine's own mark of a deleted key was taken for one. Any bytes are a value.
#[test]
fn bc_1_no_value_means_deleted() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        let foreign_store = {
            let other = SimVfs::new(9);
            fill(&open(other.clone(), &way).expect("it opens"), 0, 5);
            data_files(&other).remove(0).1
        };
        let values: Vec<Vec<u8>> = vec![
            b"bitcask_tombstone".to_vec(),
            b"bitcask_tombstone2\0\0\0\x01".to_vec(),
            Vec::new(),
            vec![0; 5000],
            vec![0xFF; 100],
            b"BITCASKd".to_vec(),
            foreign_store,
        ];
        for (n, value) in values.iter().enumerate() {
            db.put(&key(n), value).expect("it writes");
            db.put(value.get(..60000.min(value.len())).filter(|v| !v.is_empty()).unwrap_or(b"k"), b"as a key")
                .expect("too");
        }
        let all = dump(&db).expect("it reads");
        for (n, value) in values.iter().enumerate() {
            assert_eq!(get(&db, &key(n)).as_ref(), Some(value));
        }
        db.close().expect("it closes");
        remove_advice(&disk);
        assert_eq!(dump(&open(disk, &way).expect("it opens")).expect("it reads"), all);
    }
}

/// No value and an empty value were confused, and a put after a commit was a panic.
#[test]
fn ax_9_an_empty_value_is_a_value() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        db.put(b"empty", b"").expect("it writes");
        db.put(b"gone", b"").expect("it writes");
        assert!(db.delete(b"gone").expect("it writes"));
        let mut batch = db.batch();
        batch.put(b"empty too", b"").expect("it takes it");
        batch.commit().expect("it writes");
        assert!(matches!(batch.put(b"late", b""), Err(Error::BatchFinished)));
        for db in [db, open(disk.kill(), &way).expect("it opens")] {
            assert_eq!((get(&db, b"empty"), get(&db, b"gone")), (Some(Vec::new()), None));
            assert!(db.contains(b"empty too").expect("it looks") && !db.contains(b"gone").expect("it looks"));
            assert_eq!(db.get_into(b"empty", &mut []).expect("it reads"), Some(0));
        }
    }
}

/// An empty value passed for corruption, and all behind it was thrown away after an unclean end.
#[test]
fn hd_1_an_empty_value_ends_no_log() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &one_file(&way)).expect("it opens");
        fill(&db, 0, 10);
        db.put(b"k", b"").expect("it writes");
        let all = fill(&db, 10, 1000);
        assert_eq!(all.len(), 1001);
        assert_eq!(dump(&open(disk.kill(), &way).expect("it opens")).expect("it reads"), all);
    }
}

/// The index kept the caller's slice, so that using the buffer again changed keys. Buffers are the caller's at once.
#[test]
fn rd_10_buffers_may_be_used_again_at_once() {
    for way in ways() {
        let db = open(disk(), &way).expect("it opens");
        let (mut key, mut value) = (*b"aaa", *b"111");
        db.put(&key, &value).expect("it writes");
        (key, value) = (*b"bbb", *b"222");
        db.put(&key, &value).expect("it writes");
        let mut batch = db.batch();
        key = *b"ccc";
        batch.put(&key, &value).expect("it takes it");
        (key, value) = (*b"ddd", *b"333");
        batch.commit().expect("it writes");
        assert_eq!(get(&db, &key), None);
        let expected = [("aaa", "111"), ("bbb", "222"), ("ccc", "222")];
        let expected: Map = expected.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        assert_eq!(dump(&db).expect("it reads"), expected, "{value:?}");
    }
}

/// A key that was too long crashed who gave it. It is an error of its call, like an empty one, and everything goes on.
#[test]
fn bc_10_a_key_that_can_not_be_is_an_error_of_its_call() {
    let (longest, too_long) = (vec![b'k'; 65_535], vec![b'k'; 65_536]);
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        db.put(&longest, b"v").expect("it writes");
        for round in 0..3 {
            assert!(matches!(db.put(&too_long, b"v"), Err(Error::KeyTooLarge { .. })));
            assert!(matches!(db.put(b"", b"v"), Err(Error::KeyEmpty)));
            let mut batch = db.batch();
            assert!(matches!(batch.put(&too_long, b"v"), Err(Error::KeyTooLarge { .. })));
            assert!(matches!(batch.delete(b""), Err(Error::KeyEmpty)));
            batch.put(&key(round), b"v").expect("it takes it");
            batch.commit().expect("it writes");
            db.merge(&MergeOptions::new().everything(true)).expect("it merges");
            assert_eq!((get(&db, &longest), db.len().expect("len")), (Some(b"v".to_vec()), round as u64 + 2));
        }
        let again = open(disk.kill(), &way).expect("it opens");
        assert_eq!((get(&again, &longest), again.len().expect("len")), (Some(b"v".to_vec()), 4));
    }
}

/// Records around the sizes at which something changes: blocks of a log, classes of lengths, files, ways of writing.
#[test]
fn rd_values_of_every_length_around_what_may_matter() {
    let edges = [128, 512, 4096, 32 << 10, 64 << 10, 128 << 10];
    let lens: Vec<usize> = (0..70).chain(edges.into_iter().flat_map(|edge| edge - 60..edge + 3)).collect();
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        for (n, &len) in lens.iter().enumerate() {
            db.put(&key(n), &vec![n as u8; len]).expect("it writes");
        }
        let after = disk.kill();
        remove_advice(&after);
        for db in [db, open(after, &way).expect("it opens")] {
            let mut buffer = vec![0; 140 << 10];
            for (n, &len) in lens.iter().enumerate().rev() {
                assert_eq!(get(&db, &key(n)), Some(vec![n as u8; len]), "{len} bytes");
                assert_eq!(db.get_into(&key(n), &mut buffer).expect("it reads"), Some(len));
                assert_eq!(db.value_size(&key(n)).expect("it reads"), Some(len as u64));
            }
        }
    }
}
