//! What a merge believes of the files that it takes: what it reads in them, whatever was kept of them beside an index.

use bitcask::format::accounts::{AccountsHead, SavedAccount, decode, encode};
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, FileId, IndexKind, MergeOptions, SeqNo};

use super::common::{KINDS, at, check_accounts, open, quiet, remove_hints};
use super::{all, key};

fn active(db: &Db) -> FileId {
    db.file_stats().expect("figures").iter().find(|file| file.is_active).expect("one is written to").id
}

/// Puts until the next file has begun.
fn next_file(db: &Db, seed: usize) {
    let before = active(db);
    for n in 0.. {
        db.put(&key(seed * 100 + n), &[n as u8; 1000]).expect("it writes");
        if active(db) != before {
            return;
        }
    }
}

/// A key in one file and its delete in another, closed.
fn deleted() -> (SimVfs, FileId, FileId) {
    let disk = SimVfs::new(3);
    let db = open(disk.clone(), &quiet().index(IndexKind::BPTree)).expect("it opens");
    db.put(b"older", b"value").expect("it writes");
    next_file(&db, 0);
    let of_put = active(&db);
    db.put(b"gone", b"value").expect("it writes");
    next_file(&db, 1);
    let of_delete = active(&db);
    db.delete(b"gone").expect("it writes");
    next_file(&db, 2);
    db.close().expect("it closes");
    (disk, of_put, of_delete)
}

/// Has the accounts beside the index say something else of a file.
fn lie(disk: &SimVfs, of: FileId, what: impl Fn(&mut SavedAccount)) {
    lie_in(disk, |accounts| accounts.iter_mut().filter(|account| account.file == of.0).for_each(&what));
}

fn lie_in(disk: &SimVfs, what: impl Fn(&mut Vec<SavedAccount>)) {
    let path = at("index.accounts");
    let bytes = disk.bytes(&path).expect("accounts");
    let (head, accounts) = AccountsHead::decode(&bytes).expect("accounts");
    let mut accounts = decode(accounts).expect("accounts");
    what(&mut accounts);
    let mut encoded = Vec::new();
    encode(&accounts, &mut encoded);
    disk.plant(&path, &[&head.encode(&encoded)[..], &encoded].concat());
}

/// Merges it with what the accounts say, and cuts it at every operation: the key is gone, whatever finds it.
fn stays_deleted(disk: &SimVfs, merge: &MergeOptions, what: &str) {
    let disk = disk.copy();
    let db = open(disk.clone(), &quiet().index(IndexKind::BPTree)).expect("it opens");
    assert!(db.open_report().index_from.is_some(), "{what}: the index and its accounts are used");
    let from = disk.op_count();
    let report = db.merge(merge).expect("it merges");
    assert!(!report.removed_files.is_empty(), "{what}: {report:?}");
    for n in from..=disk.op_count() {
        for choice in [CrashChoice::LoseUnsynced, CrashChoice::KeepAll] {
            let cut = disk.crash(n, &choice);
            remove_hints(&cut);
            cut.uproot(&at("index.bptree"));
            let db = open(cut, &quiet().index(KINDS[n % KINDS.len()])).expect("it opens");
            assert_eq!(db.get(b"gone").expect("it reads"), None, "{what}: cut at {n}, {choice:?}: {report:?}");
            assert!(db.contains(b"older").expect("it looks"), "{what}: cut at {n}, {choice:?}");
            check_accounts(&db);
        }
    }
}

/// Accounts that say too little of a file that is merged let none of its deletes go.
#[test]
fn accounts_that_lie_of_a_source_bring_nothing_back() {
    let (disk, of_put, of_delete) = deleted();
    let alone = || MergeOptions::new().files(&[of_delete]);
    stays_deleted(&disk, &alone(), "without a lie");
    stays_deleted(&disk, &all(), "without a lie");
    let no_deletes = disk.copy();
    lie(&no_deletes, of_delete, |account| (account.tombstones, account.tombstone_bytes) = (0, 0));
    stays_deleted(&no_deletes, &alone(), "that it has no deletes");
    let old = disk.copy();
    lie(&old, of_delete, |account| account.seqs = Some((SeqNo::ZERO, SeqNo::ZERO)));
    stays_deleted(&old, &alone(), "that its records are older than all");
    let empty = disk.copy();
    lie(&empty, of_delete, |account| account.seqs = None);
    stays_deleted(&empty, &alone(), "that it has no records");
    // The delete's file would go first, and hide nothing.
    for (name, seqs) in [("are the newest", Some((SeqNo(1 << 40), SeqNo(1 << 40)))), ("are none", None)] {
        let new = disk.copy();
        lie(&new, of_put, |account| account.seqs = seqs);
        let both = MergeOptions::new().files(&[of_put, of_delete]);
        stays_deleted(&new, &both, &format!("that the records of what it hides {name}"));
    }
}

/// Nor does an account that is missing, of a file that is not merged and in which nothing lives.
#[test]
fn an_account_that_is_missing_brings_nothing_back() {
    let (disk, of_put, of_delete) = deleted();
    let db = open(disk.clone(), &quiet().index(IndexKind::BPTree)).expect("it opens");
    // What began the file, and what filled it.
    let first = (0..).take_while(|&n| db.contains(&key(n)).expect("it looks")).last().expect("one did");
    (100..110).chain([first]).for_each(|n| db.put(&key(n), b"newer").expect("it writes"));
    let live =
        db.file_stats().expect("figures").iter().find(|file| file.id == of_put).expect("it is there").live_records;
    assert_eq!(live, 0, "of a file with keys the account would be missed");
    db.close().expect("it closes");
    lie_in(&disk, |accounts| accounts.retain(|account| account.file != of_put.0));
    stays_deleted(&disk, &MergeOptions::new().files(&[of_delete]), "without an account");
}
