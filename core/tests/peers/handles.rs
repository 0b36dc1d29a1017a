//! Iterators, snapshots, values and stores: in any number, closed in any order.

use std::sync::Arc;

use bitcask::{EntryPage, Error, IterOptions};

use super::common::{Map, dump, open, quiet};
use super::{disk, fill, key, ways};

/// A seek behind the end did nothing until a rewind, a put in the midst of an iteration waited for ever, and files that were made
/// meanwhile cost an iterator its records.
#[test]
fn rd_7_an_iterator_goes_on_whatever_happens() {
    for way in ways() {
        let db = open(disk(), &way).expect("it opens");
        let all = fill(&db, 0, 300);
        let mut iter = db.iter(&IterOptions::new()).expect("it iterates");
        let mut seen = Map::new();
        for record in iter.by_ref() {
            let (key, value) = record.expect("it reads");
            db.put(&key, &[1; 100]).expect("it writes");
            db.put(&[&key[..], b"!"].concat(), b"new").expect("it writes");
            seen.insert(key, value.into_vec());
        }
        assert_eq!(seen, all);
        assert!(iter.next().is_none() && iter.next().is_none());
        iter.seek(&key(299));
        assert_eq!(iter.next().expect("the last").expect("it reads").0, key(299));
        iter.seek(b"zzz");
        assert!(iter.next().is_none());
        iter.rewind();
        assert_eq!(iter.next().expect("the first").expect("it reads").0, key(0));
    }
}

/// An open fold held back every deletion of files, there could be one only, and what it set aside grew without bounds. Any number of
/// iterators and snapshots live side by side, each shows its own moment, and they may go in any order.
#[test]
fn bc_9_any_number_of_moments_live_side_by_side() {
    for way in ways() {
        let db = open(disk(), &way).expect("it opens");
        let mut moments = Vec::new();
        for n in 0..40 {
            fill(&db, n, n + 3);
            db.delete(&key(n / 2)).expect("it writes");
            let iter = db.iter(&IterOptions::new()).expect("it iterates");
            moments.push((iter, db.snapshot().expect("a snapshot"), dump(&db).expect("it reads")));
        }
        while !moments.is_empty() {
            let (iter, snapshot, want) = moments.swap_remove(moments.len() * 2 / 3);
            let seen: Map =
                iter.map(|record| record.expect("it reads")).map(|(key, value)| (key, value.into_vec())).collect();
            assert_eq!(seen, want);
            assert_eq!(snapshot.len().expect("it counts"), want.len() as u64);
            assert!(snapshot.list_keys().expect("it iterates").iter().eq(want.keys()));
        }
    }
}

/// Going on with an iterator after the store was closed was a crash. Any order of closing and dropping is safe.
#[test]
fn lb_5_things_may_be_closed_in_any_order() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        fill(&db, 0, 50);
        let mut iter = db.iter(&IterOptions::new()).expect("it iterates");
        let mut batch = db.batch();
        batch.put(b"k", b"v").expect("it takes it");
        let value = db.get(&key(7)).expect("it reads").expect("it is there");
        iter.next().expect("there is one").expect("it reads");
        db.close().expect("it closes");
        assert!(matches!(db.close(), Err(Error::Closed)));
        assert!(matches!(iter.next(), Some(Err(Error::Closed))));
        iter.rewind();
        iter.seek(b"key");
        assert!(matches!(iter.next_page(&mut EntryPage::new(), 9, 99), Err(Error::Closed)));
        assert!(matches!(batch.commit(), Err(Error::Closed)));
        assert!(matches!(db.get(b"k"), Err(Error::Closed)));
        assert!(matches!(db.put(b"k", b"v"), Err(Error::Closed)));
        assert!(matches!(db.delete(b"k"), Err(Error::Closed)));
        assert!(matches!(db.sync(), Err(Error::Closed)));
        assert!(matches!(db.iter(&IterOptions::new()), Err(Error::Closed)));
        drop(db);
        assert_eq!(&value[..], b"value of 7", "a value outlives its store");
        drop(batch);
        drop(iter);
        assert_eq!(open(disk, &way).expect("it opens").len().expect("it counts"), 50);
    }
}

/// Clones of a handle write and close the same store, from any thread.
#[test]
fn clones_are_one_store() {
    let db = open(disk(), &quiet()).expect("it opens");
    let other = db.clone();
    let threads: Vec<_> = (0..4)
        .map(|t| {
            let db = Arc::new(other.clone());
            std::thread::spawn(move || (0..200).for_each(|n| db.put(&key(t * 1000 + n), b"v").expect("it writes")))
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().expect("no panic"));
    assert_eq!(db.len().expect("it counts"), 800);
    db.close().expect("it closes");
    assert!(matches!(other.get(b"k"), Err(Error::Closed)));
}
