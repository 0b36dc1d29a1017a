//! What goes wrong late in a merge: when sources were read and found good, and when outputs have their names.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Error, FileId, MergeOptions};

use super::common::damage::records;
use super::common::{IO_KINDS, Map, open, quiet};
use super::{all, check, fill, put};

/// A byte that is another when it is copied than when its file was read through comes into no output: the merge fails, and nothing has changed. Of files
/// that are read through a mapping, which no simulated disk has, and of others.
#[test]
fn a_byte_that_flips_between_two_looks_ends_the_merge() {
    for io in IO_KINDS {
        let dir = std::env::temp_dir().join(format!("bitcask-merge-late-{io:?}-{}", std::process::id()));
        let db = Db::open(&dir, &quiet().io(io).max_file_size(64 << 20)).expect("it opens");
        let key = |n: usize| format!("key{n:05}").into_bytes();
        for n in (0..6000).chain((0..6000).step_by(3)) {
            db.put(&key(n), &[n as u8; 200]).expect("it writes");
        }
        let path = dir.join(format!("{}.data", db.file_stats().expect("figures")[0].id.0));
        let bytes = fs::read(&path).expect("the file");
        let hit = records(&bytes).into_iter().find(|record| record.key == key(5999)).expect("the last key");
        let (flip, flipped) = (path.clone(), Arc::new(AtomicBool::new(false)));
        let (told, at) = (Arc::clone(&flipped), hit.offset as usize + 100);
        // The last key is copied last, and the first bytes that are written tell that all was read.
        let merge = all().progress(move |progress| {
            if progress.bytes_written > 0 && !told.swap(true, Ordering::Relaxed) {
                write_at(&flip, at, bytes[at] ^ 4);
            }
            ControlFlow::Continue(())
        });
        let before = data_files(&dir);
        let error = db.merge(&merge).expect_err("a byte is another");
        assert!(flipped.load(Ordering::Relaxed), "{io:?}: it was never flipped");
        assert!(matches!(&error, Error::Corrupted { path: of, .. } if *of == path), "{io:?}: {error:?}");
        // One was begun for the log.
        let after = data_files(&dir);
        assert_eq!((after.len(), &after[..before.len()]), (before.len() + 1, &before[..]), "{io:?}");
        for n in (0..6000).filter(|&n| n != 5999) {
            assert_eq!(db.get(&key(n)).expect("it reads").as_deref(), Some(&[n as u8; 200][..]), "{io:?}: {n}");
        }
        assert!(matches!(db.get(&key(5999)), Err(Error::Corrupted { .. })), "{io:?}");
        // The next finds it at once, and keeps the file.
        assert_eq!(db.merge(&all()).expect("it merges").skipped_files.len(), 1, "{io:?}");
        drop(db);
        fs::remove_dir_all(&dir).expect("it is removed");
    }
}

/// What was mapped of a file that a merge has removed is so no more, and neither is its space kept, when the merge is over: also where the log asks for no space behind
/// the first.
#[cfg(target_os = "linux")]
#[test]
fn nothing_of_a_file_that_was_removed_stays_mapped() {
    for (max_file_size, len, puts) in [(4096, 100, 200), (1 << 20, 3000, 1500), (4 << 20, 5 << 20, 6)] {
        let dir = std::env::temp_dir().join(format!("bitcask-merge-mapped-{max_file_size}-{}", std::process::id()));
        let db = Db::open(&dir, &quiet().max_file_size(max_file_size)).expect("it opens");
        for n in 0..puts {
            db.put(format!("key{}", n % 5).as_bytes(), &vec![n as u8; len]).expect("it writes");
        }
        let report = db.merge(&all()).expect("it merges");
        assert!(report.removed_files.len() > 2, "{report:?}");
        let maps = fs::read_to_string("/proc/self/maps").expect("it reads");
        let ours = dir.to_string_lossy().into_owned();
        let left: Vec<_> = maps.lines().filter(|line| line.contains(&ours) && line.ends_with("(deleted)")).collect();
        assert!(left.is_empty(), "{max_file_size}: {left:#?}");
        drop(db);
        fs::remove_dir_all(&dir).expect("it is removed");
    }
}

fn write_at(path: &std::path::Path, at: usize, byte: u8) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(path).expect("the file");
    file.write_all_at(&[byte], at as u64).expect("it is written");
}

/// Names of all data files and temporary ones, sorted.
fn data_files(dir: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("it lists").map(|entry| entry.expect("an entry").path());
    // The log's next file, which a thread makes ahead, has one of the greatest numbers until it gets its own.
    let is_ahead = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("2684354"));
    // And it may be in the midst of a hint.
    let is_data = |path: &PathBuf| [".data", ".data.tmp"].iter().any(|end| path.to_string_lossy().ends_with(end));
    let ours = |path: &PathBuf| is_data(path) && !is_ahead(path);
    let mut found: Vec<_> = entries.filter(ours).collect();
    found.sort();
    found
}

/// Whether the names of outputs, or those that are gone of sources, are as they show themselves after a loss of power is not known when the directory could
/// not be synced, and the next sync would tell nobody. So nothing is written any more till the store is reopened; all can be read.
#[test]
fn a_directory_that_can_not_be_synced_stops_writes() {
    for (nth, fault) in [0, 1].into_iter().flat_map(|nth| {
        [Fault::Error(errno::EIO), Fault::SyncFailureDroppingEntries].into_iter().map(move |fault| (nth, fault))
    }) {
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let vfs = FaultVfs::over_sim(&disk);
        let db = open(vfs.clone(), &quiet()).expect("it opens");
        fill(&db, &mut state, 1, 500);
        db.sync().expect("it syncs");
        let ids: Vec<FileId> = db.file_stats().expect("figures").iter().map(|file| file.id).collect();
        let sealed = MergeOptions::new().files(&ids[..ids.len() - 1]);
        let filter = Filter::any().kinds(&[OpKind::SyncDir]);
        vfs.inject(Plan { fault, filter: filter.clone(), nth, forever: false });
        let first = db.merge(&sealed).expect_err("the directory can't be synced");
        let Error::WritesStopped { cause } = &first else { panic!("{first:?}") };
        assert!(matches!(&**cause, Error::Io { op: "sync of the directory", .. }), "{first:?}");
        assert!(cause.path() == Some(db.path()) && first.to_string().contains("reopen it"), "{first}");
        vfs.heal();
        let left: Vec<FileId> = db.file_stats().expect("figures").iter().map(|file| file.id).collect();
        if nth == 0 {
            assert_eq!(left, ids, "outputs were left, or sources are gone");
        }
        check(&db, &state, "after a merge that failed");
        let syncs = vfs.count(fault, &filter);
        for error in [
            db.put(b"more", b"v").expect_err("writes are stopped"),
            db.sync().expect_err("syncs are too"),
            db.merge(&sealed).expect_err("merges are too"),
            db.merge(&all()).expect_err("merges are too"),
            db.close().expect_err("nothing is closed cleanly"),
        ] {
            assert_eq!(error.to_string(), first.to_string());
        }
        assert_eq!(vfs.count(fault, &filter), syncs, "a sync after one that failed");
        for choice in [CrashChoice::LoseUnsynced, CrashChoice::KeepAll] {
            let db = open(disk.crash(disk.op_count(), &choice), &quiet()).expect("it opens after a power cut");
            check(&db, &state, "after a power cut");
        }
        let db = open(disk, &quiet()).expect("it opens again");
        check(&db, &state, "reopened");
        put(&db, &mut state, b"more".to_vec(), b"v".to_vec());
        db.merge(&all()).expect("it merges");
        check(&db, &state, "merged");
    }
}

/// A directory has to be opened to be synced. Without a descriptor for that the disk was asked for nothing: the merge fails, and the next does not.
#[test]
fn a_directory_that_can_not_be_opened_fails_one_merge() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let vfs = FaultVfs::over_sim(&disk);
    let db = open(vfs.clone(), &quiet()).expect("it opens");
    fill(&db, &mut state, 1, 500);
    let files = db.file_stats().expect("figures").len();
    let filter = Filter::any().kinds(&[OpKind::SyncDir]);
    vfs.inject(Plan { fault: Fault::Error(errno::EMFILE), filter, nth: 1, forever: false });
    let error = db.merge(&all()).expect_err("no descriptor is left");
    assert!(matches!(error, Error::Io { op: "sync of the directory", .. }), "{error:?}");
    put(&db, &mut state, b"more".to_vec(), b"v".to_vec());
    db.merge(&all()).expect("it merges");
    assert!(db.file_stats().expect("figures").len() < files);
    check(&db, &state, "merged");
}
