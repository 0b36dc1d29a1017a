//! What other engines' expiry does wrong.

use std::time::Duration;

use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{IterOptions, MergeOptions, Timestamp, Ttl};

use super::common::{KINDS, open, quiet};
use super::{disk, get, key, remove_advice, ways};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A sweep whose cursor stood still at the last key, if that had not expired, never ended, and every later read hung. Ours ends, finds all,
/// and leaves the rest, wherever among the keys those that expire are.
#[test]
fn rd_8_a_sweep_ends_and_finds_all() {
    for way in ways() {
        for expiring in [0..1, 2999..3000, 1023..1026, 0..0, 0..3000, 500..2500] {
            let disk = disk();
            let db = open(disk.clone(), &way.clone().max_file_size(1 << 20)).expect("it opens");
            let mut batch = db.batch();
            for n in 0..3000 {
                match expiring.contains(&n) {
                    true => batch.put_with_ttl(&key(n), b"goes", ms(5)).expect("put"),
                    false => batch.put(&key(n), b"stays").expect("put"),
                }
            }
            batch.commit().expect("commit");
            disk.advance(5);
            assert_eq!(db.sweep_expired().expect("sweep"), expiring.len() as u64);
            assert_eq!(db.len().expect("len"), 3000 - expiring.len() as u64);
            assert_eq!(get(&db, &key(1500)).is_some(), !expiring.contains(&1500));
        }
    }
}

/// An expired record of a batch that was never committed took the committed value away at the next opening. Nothing of such a batch
/// has an effect, its expiries included: at every cut in the midst of it.
#[test]
fn rd_9_the_expiry_of_a_batch_that_was_not_committed_has_no_effect() {
    let disk = SimVfs::new(9);
    let db = open(disk.clone(), &quiet()).expect("it opens");
    db.put(b"k", b"v1").expect("put");
    db.sync().expect("sync");
    let before = disk.op_count();
    let mut batch = db.batch();
    batch.put_with_ttl(b"k", b"v2", ms(1)).expect("put");
    batch.put_with_ttl(b"l", &[7; 9000], ms(1)).expect("put");
    batch.commit().expect("commit");
    db.sync().expect("sync");
    disk.advance(1000);
    let (mut kept, mut gone) = (0, 0);
    for cut in before..=disk.op_count() {
        for choice in [CrashChoice::LoseUnsynced, CrashChoice::KeepAll] {
            for way in ways() {
                let after = disk.crash(cut, &choice);
                let db = open(after, &way).expect("it opens");
                let found = get(&db, b"k");
                // The batch is whole when its commit is there, and then k has expired.
                assert!(found.is_none() || found.as_deref() == Some(b"v1"));
                kept += usize::from(found.is_some());
                gone += usize::from(found.is_none());
                assert_eq!(db.count(&IterOptions::new()).expect("count"), u64::from(found.is_some()));
            }
        }
    }
    assert!(
        kept > 2 * KINDS.len() && gone >= KINDS.len(),
        "cuts in the midst of the batch ({kept}) and behind it ({gone})"
    );
}

/// The time left of a key that the same batch deleted was told as "does not expire".
#[test]
fn rd_12_a_key_deleted_in_a_batch_has_no_time_left() {
    let db = open(disk(), &quiet()).expect("it opens");
    db.put_with_ttl(b"k", b"v", ms(100)).expect("put");
    let mut batch = db.batch();
    assert_eq!(batch.ttl(b"k").expect("ttl"), Ttl::Remaining(ms(100)));
    batch.delete(b"k").expect("delete");
    assert_eq!(batch.ttl(b"k").expect("ttl"), Ttl::NoKey);
    assert!(!batch.expire(b"k", ms(5)).expect("expire") && !batch.persist(b"k").expect("persist"));
    let mut txn = db.transaction().expect("a transaction");
    txn.delete(b"k").expect("delete");
    assert_eq!(txn.ttl(b"k").expect("ttl"), Ttl::NoKey);
}

/// What rosedb's own tests ask: a put ends the expiry, expire, ttl and persist work within a batch, and all of it survives merge and reopen.
#[test]
fn rd_expiries_in_batches_and_over_merges() {
    for way in ways() {
        let disk = disk();
        let options = way.clone();
        let db = open(disk.clone(), &options).expect("it opens");
        db.put_with_ttl(b"again", b"1", ms(50)).expect("put");
        db.put(b"again", b"2").expect("put");
        db.put(b"plain", b"3").expect("put");
        let mut batch = db.batch();
        batch.put_with_ttl(b"a", b"4", ms(50)).expect("put");
        assert!(batch.expire(b"plain", ms(70)).expect("expire"));
        batch.put_with_ttl(b"b", b"5", ms(50)).expect("put");
        assert!(batch.persist(b"b").expect("persist"));
        assert_eq!(batch.ttl(b"b").expect("ttl"), Ttl::NoExpiry);
        batch.commit().expect("commit");
        db.merge(&MergeOptions::new().everything(true)).expect("merge");
        db.close().expect("close");
        for without_hints in [false, true] {
            let disk = disk.copy();
            if without_hints {
                remove_advice(&disk);
            }
            let db = open(disk.clone(), &options).expect("it opens");
            assert_eq!(db.ttl(b"again").expect("ttl"), Ttl::NoExpiry);
            assert_eq!(db.ttl(b"plain").expect("ttl"), Ttl::Remaining(ms(70)));
            disk.advance(50);
            let found: Vec<_> = db.list_keys().expect("keys");
            assert_eq!(found, [&b"again"[..], b"b", b"plain"]);
        }
    }
}

/// Times in seconds decided what had expired, and what a merge kept; a clock that was set back changed data. Ours are milliseconds, and a clock changes what has
/// expired and nothing else.
#[test]
fn bc_11_a_clock_that_is_set_changes_what_has_expired_and_nothing_else() {
    for way in ways() {
        let disk = disk();
        disk.set_now(Timestamp(1_000_000));
        let db = open(disk.clone(), &way.clone().expiry(ms(1000))).expect("it opens");
        db.put(b"k", b"1").expect("put");
        disk.set_now(Timestamp(500_000));
        db.put(b"k", b"2").expect("put");
        db.put(b"l", b"3").expect("put");
        assert_eq!(get(&db, b"k").as_deref(), Some(&b"2"[..]), "the later write, whatever its time says");
        disk.set_now(Timestamp(500_999));
        db.merge(&MergeOptions::new().everything(true)).expect("merge");
        assert_eq!(get(&db, b"k").as_deref(), Some(&b"2"[..]));
        disk.set_now(Timestamp(501_000));
        assert_eq!((get(&db, b"k"), get(&db, b"l")), (None, None), "to the millisecond");
        disk.set_now(Timestamp(0));
        assert_eq!(get(&db, b"k").as_deref(), Some(&b"2"[..]));
        disk.set_now(Timestamp(999_000));
        db.merge(&MergeOptions::new().everything(true)).expect("merge");
        disk.set_now(Timestamp(0));
        assert_eq!(db.len().expect("len"), 0, "what was swept stays gone");
    }
}

/// Times were added in 32 bits: a long expiry wrapped round and was over at once.
#[test]
fn lb_8_long_times_do_not_wrap() {
    let disk = disk();
    disk.set_now(Timestamp(u64::from(u32::MAX) * 1000));
    for age in [1 << 32, 1 << 40, 1 << 50] {
        let db = open(disk.clone(), &quiet().expiry(Duration::from_secs(age))).expect("it opens");
        db.put(b"k", b"v").expect("put");
        db.put_with_ttl(b"l", b"v", Duration::from_secs(age)).expect("put");
        assert!(get(&db, b"k").is_some() && get(&db, b"l").is_some());
        assert_eq!(db.sweep_expired().expect("sweep"), 0);
        db.close().expect("close");
    }
}
