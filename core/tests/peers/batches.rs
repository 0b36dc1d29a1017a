//! Batches that are torn, dropped, or finished twice.

use bitcask::Error;
use bitcask::vfs::sim::CrashChoice;

use super::common::{dump, open, quiet};
use super::{disk, fill, get, key, one_file, power_cut, remove_advice, ways};

/// Commit twice, or commit and roll back, and the process died. It is an error, and the store goes on.
#[test]
fn rd_4_a_finished_batch_is_an_error() {
    let db = open(disk(), &quiet()).expect("it opens");
    let mut batch = db.batch();
    batch.put(b"k", b"v").expect("it takes it");
    batch.commit().expect("it writes");
    assert!(matches!(batch.commit(), Err(Error::BatchFinished)));
    assert!(matches!(batch.clear(), Err(Error::BatchFinished)));
    assert!(matches!(batch.delete(b"k"), Err(Error::BatchFinished)));
    drop(batch);
    let mut forgotten = db.batch();
    forgotten.put(b"k", b"other").expect("it takes it");
    drop(forgotten);
    assert_eq!(get(&db, b"k"), Some(b"v".to_vec()));
}

/// A batch or transaction that is dropped, rolled back or refused touches nothing on the disk.
#[test]
fn rd_4_what_is_not_committed_never_touches_the_log() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        let all = fill(&db, 0, 20);
        let before = disk.op_count();
        let (mut batch, mut txn, mut late) =
            (db.batch(), db.transaction().expect("it begins"), db.transaction().expect("it begins"));
        batch.delete_all().expect("it takes it");
        batch.put(&key(1), b"never").expect("it takes it");
        txn.put(&key(1), b"never").expect("it takes it");
        txn.rollback().expect("it is discarded");
        assert!(matches!(txn.commit(), Err(Error::TransactionFinished)));
        late.get(&key(3)).expect("it reads");
        late.put(&key(4), b"never").expect("it takes it");
        drop((batch, txn));
        assert_eq!(disk.op_count(), before);
        db.put(&key(3), b"value of 3").expect("it writes");
        let before = disk.op_count();
        assert!(matches!(late.commit(), Err(Error::Conflict)));
        drop(late);
        assert_eq!(disk.op_count(), before, "a conflict writes nothing");
        assert_eq!(dump(&open(disk.kill(), &way).expect("it opens")).expect("it reads"), all);
    }
}

/// A record of a batch that was never committed took the committed value with it: `k` was gone for the batch that was torn. Torn at any
/// byte, or left in the midst, it changes nothing.
#[test]
fn rd_9_a_torn_batch_takes_nothing_with_it() {
    for (turn, way) in ways().enumerate() {
        let disk = disk();
        let db = open(disk.clone(), &one_file(&way)).expect("it opens");
        db.put(b"k", b"v1").expect("it writes");
        let before = disk.op_count();
        let mut batch = db.batch();
        batch.put(b"k", b"v2").expect("it takes it");
        batch.delete_prefix(b"").expect("it takes it");
        batch.put(b"other", &[7; 90]).expect("it takes it");
        assert_eq!(get(&open(disk.kill(), &way).expect("it opens"), b"k"), Some(b"v1".to_vec()));
        batch.commit().expect("it writes");
        assert_eq!(get(&db, b"k"), None);
        let at = (before..=disk.op_count()).find(|&at| disk.last_write_len(at).is_some_and(|len| len > 100));
        let at = at.expect("the batch is one write");
        let len = disk.last_write_len(at).expect("it is one");
        // Each way has its turn with the bytes.
        for keep in (turn..len).step_by(10) {
            let db = open(disk.crash(at, &CrashChoice::CutLastWrite(keep)), &way).expect("it opens");
            // What ends in zeros is whole a little earlier: the space is reserved, and zero.
            let is_whole = keep + 12 > len && get(&db, b"other").is_some() && get(&db, b"k").is_none();
            assert!(is_whole || get(&db, b"k") == Some(b"v1".to_vec()), "cut at {keep} of {len}");
            assert_eq!(db.len().expect("it counts"), 1, "cut at {keep} of {len}");
        }
    }
}

/// A crash inside a batch left the replay inside it: 100 of 100 later puts were lost at the next opening but one.
#[test]
fn ax_2_a_torn_batch_swallows_nothing_behind_it() {
    for way in ways() {
        let first = disk();
        let db = open(first.clone(), &one_file(&way)).expect("it opens");
        fill(&db, 0, 5);
        let before = first.op_count();
        let mut batch = db.batch();
        (0..20).for_each(|n| batch.put(&key(1000 + n), b"in a batch").expect("it takes it"));
        batch.commit().expect("it writes");
        let at = (before..=first.op_count()).find(|&at| first.last_write_len(at).is_some_and(|len| len > 800));
        let at = at.expect("the batch is one write");
        for keep in [30, 200, 500, 800] {
            let disk = first.crash(at, &CrashChoice::CutLastWrite(keep));
            let db = open(disk.clone(), &way).expect("it opens");
            assert_eq!(db.len().expect("it counts"), 5);
            let all = fill(&db, 100, 200);
            let again = disk.kill();
            assert_eq!(dump(&open(again.clone(), &way).expect("it opens")).expect("it reads"), all);
            assert_eq!(dump(&open(again, &way).expect("and again")).expect("it reads"), all);
        }
    }
}

/// A batch over several files was forgotten by the replay, and its writes were seen before the commit.
#[test]
fn ax_3_a_batch_over_several_files_counts_and_is_seen_at_commit() {
    for way in ways() {
        let disk = disk();
        let db = open(disk.clone(), &way).expect("it opens");
        let before = fill(&db, 0, 3);
        let mut batch = db.batch();
        (0..100).for_each(|n| batch.put(&key(n), &[n as u8; 300]).expect("it takes it"));
        assert_eq!(dump(&db).expect("it reads"), before);
        batch.commit().expect("it writes");
        let all = dump(&db).expect("it reads");
        assert_eq!((all.len(), db.stats().expect("it counts").files > 5), (100, true));
        for n in 0..2 {
            let after = disk.kill();
            if n == 1 {
                remove_advice(&after);
            }
            assert_eq!(dump(&open(after, &way).expect("it opens")).expect("it reads"), all);
        }
        db.close().expect("it closes");
        assert_eq!(dump(&open(power_cut(&disk), &way).expect("it opens")).expect("it reads"), all);
    }
}
