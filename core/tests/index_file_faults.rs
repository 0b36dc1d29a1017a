//! The index on disk where the disk fails in the midst of a change: what the log has and the index could not take must not pass
//! for taken.

mod common;

use std::sync::Arc;

use bitcask::vfs::Vfs;
use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Durability, Error, IndexKind, Options};

use common::{DIR, Rng, dump};

fn options(kind: IndexKind) -> Options {
    // The smallest cache, and files so small that the large batch below makes a checkpoint due.
    Options::new()
        .index(kind)
        .index_budget(1 << 20)
        .durability(Durability::None)
        .max_file_size(1 << 20)
        .background_merge(false)
}

fn open(vfs: impl Vfs + 'static, kind: IndexKind) -> Db {
    Db::open_with_vfs(DIR, &options(kind), Arc::new(vfs)).expect("it opens")
}

fn key(n: u64) -> Vec<u8> {
    let mut key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
    key.extend_from_slice(&[b'k'; 40]);
    key
}

/// A batch whose changes the index can't all make, because pages of it can't be read, is in the log. The next opening, by whatever kind, finds it.
#[test]
fn a_checkpoint_claims_nothing_that_the_index_refused() {
    const KEYS: u64 = 60_000;
    let disk = SimVfs::new(5);
    let vfs = FaultVfs::over_sim(&disk);
    let db = open(vfs.clone(), IndexKind::BPTree);
    for start in (0..KEYS).step_by(1000) {
        let mut batch = db.batch();
        (start..start + 1000).for_each(|n| batch.put(&key(n), b"first").expect("it takes it"));
        batch.commit().expect("it writes");
    }
    let mut rng = Rng(3);
    let mut refused = 0;
    // Looking for the pages beforehand takes some hundred reads, and making the changes takes as many again.
    for nth in [100, 380, 420, 460, 500, 550, 600, 700] {
        let disk = disk.kill();
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), IndexKind::BPTree);
        let reads = Filter::any().kinds(&[OpKind::Read]).suffix("index.bptree");
        vfs.inject(Plan::once(Fault::Error(errno::EIO), nth).of(reads));
        // Larger than a file, so that a new one makes a checkpoint due; keys of all the tree, so that its pages are not all in the cache.
        let mut batch = db.batch();
        for _ in 0..400 {
            batch.put(&key(rng.next() % KEYS), &[b's'; 4000]).expect("it takes it");
        }
        match batch.commit() {
            Err(Error::WritesStopped { .. }) => refused += 1,
            Err(error) => assert!(common::is_io(&error), "{error}"),
            Ok(()) => {}
        }
        drop(db);
        let (one, other) = (open(disk.kill(), IndexKind::BPTree), open(disk.kill(), IndexKind::BTree));
        assert_eq!(dump(&one).expect("it reads"), dump(&other).expect("it reads"), "read number {nth} failed");
    }
    assert!(refused > 0, "the index refused nothing after the log had it: this tests nothing");
}
