//! A process that has no file descriptor to spare: writes that need another file fail, the store goes on when there is one again.
//!
//! This test runs itself as its child, under a limit of few descriptors.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use bitcask::{BulkOptions, Db, Durability, Error, MergeOptions, Options};

const TASK: &str = "BITCASK_DESCRIPTORS_TASK";
const KEYS: u32 = 300;

fn options(durability: Durability) -> Options {
    Options::new().durability(durability).max_file_size(4096).background_merge(false)
}

/// Does nothing in a run of the suite: the parent calls it in a process of its own.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(TASK) else { return };
    for (n, durability) in [Durability::Always, Durability::None].into_iter().enumerate() {
        for spare in [0, 1, 2] {
            without_descriptors(&PathBuf::from(&dir).join(format!("{n}-{spare}")), durability, spare);
        }
    }
}

fn without_descriptors(dir: &Path, durability: Durability, spare: usize) {
    let db = Db::open(dir, &options(durability)).expect("open");
    let mut written = Vec::new();
    let mut put = |db: &Db, n: u32| db.put(&n.to_be_bytes(), &[n as u8; 100]).inspect(|()| written.push(n));
    (0..100).for_each(|n| put(&db, n).expect("put"));
    // What the threads have under way would have some of them back.
    db.sync().expect("sync");
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len() - spare);
    let refused = |error: &Error| {
        assert!(
            !matches!(error, Error::WritesStopped { .. }),
            "{durability:?}, {spare} spare: the store has stopped: {error}"
        );
    };
    let failures = (100..KEYS).filter(|n| put(&db, *n).inspect_err(refused).is_err()).count();
    assert!(spare > 0 || failures > 100, "{durability:?}: {failures} writes failed");
    let mut batch = db.batch();
    (0..100_u32).for_each(|n| batch.put(&n.to_be_bytes(), &[n as u8; 100]).expect("a batch takes it"));
    let _ = batch.commit().inspect_err(refused);
    let loaded = db.bulk_load(BulkOptions::new()).and_then(|mut load| {
        load.put(&0_u32.to_be_bytes(), &[0; 100])?;
        load.finish()
    });
    let _ = loaded.inspect_err(refused);
    let _ = db.merge(&MergeOptions::new().everything(true)).inspect_err(refused);
    drop(taken);
    (KEYS..KEYS + 100).for_each(|n| put(&db, n).expect("there are descriptors again"));
    db.merge(&MergeOptions::new().everything(true)).expect("a merge");
    db.close().expect("close");
    drop(db);
    let db = Db::open(dir, &options(durability)).expect("open again");
    assert_eq!(db.len().expect("its length"), written.len() as u64);
    for n in written {
        assert_eq!(db.get(&n.to_be_bytes()).expect("get").as_deref(), Some(&[n as u8; 100][..]));
    }
}

#[test]
fn a_process_without_descriptors_loses_a_write_and_not_the_store() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("descriptors-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let program = std::env::current_exe().expect("this program");
    let limited = "ulimit -n 128 && exec \"$0\" --exact child --nocapture --test-threads=1";
    let child = Command::new("sh").arg("-c").arg(limited).arg(program).env(TASK, &dir).output().expect("a child");
    let told = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && told.contains("1 passed"), "{told}");
    std::fs::remove_dir_all(&dir).ok();
}
