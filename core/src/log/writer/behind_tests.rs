//! Sealed files that are not on stable storage yet, and what others do meanwhile.

use super::beside_tests::{FILE, count, fill, put, writer};
use super::tests::writer_with;
use super::*;
use crate::format::header::DATA_START;
use crate::log::encoded::Encoded;
use crate::vfs::Helpers;
use crate::vfs::fault::FaultVfs;
use crate::vfs::op::OpKind;
use crate::vfs::sim::SimVfs;

/// A writer that does what threads would, late and in one order, with a file behind it that is not on stable storage.
fn writer_with_one_behind(vfs: &FaultVfs, max_file_size: u64) -> (LogWriter, usize) {
    let with = |config: &mut LogConfig| {
        (config.max_file_size, config.beside) = (max_file_size, Beside::new(Helpers::InTurn));
    };
    let mut log = writer_with(vfs, with);
    let mut n = 0;
    while log.behind.is_empty() {
        put(&mut log, n).unwrap();
        n += 1;
    }
    assert!(log.synced.file < log.active.id() && log.synced_seq() == SeqNo::ZERO);
    (log, n)
}

/// The first file is left behind like any other, also where no space is asked for behind the first.
#[test]
fn the_first_file_is_left_behind_whatever_its_size() {
    for max_file_size in [4096, 8192, FILE] {
        let vfs = FaultVfs::over_sim(&SimVfs::new(3));
        let (mut log, _) = writer_with_one_behind(&vfs, max_file_size);
        assert_eq!((log.active.id(), log.behind.len()), (FileId(2), 1), "{max_file_size}");
        assert!(!log.active.header().earlier_synced);
        log.close().unwrap();
    }
}

#[test]
fn a_sync_from_before_the_log_went_on_is_written_down_with_what_came_since() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let (mut log, beside) = writer(&vfs, false);
    fill(&mut log);
    beside.wait();
    let sync = log.background_sync().unwrap();
    let outcome = sync.run();
    while log.behind.is_empty() {
        put(&mut log, 0).unwrap();
    }
    beside.wait();
    let (end, start) = (log.end, LogPosition { file: log.active.id(), offset: DATA_START });
    assert!(sync.position < start && end > DATA_START);
    log.synced_to(&sync, outcome).unwrap();
    assert_eq!((log.synced, log.behind.len()), (start, 0));
    assert!(log.end > end && log.last_record == end, "no mark says it");
    let end = log.end;
    log.synced_to(&sync, Ok(())).unwrap();
    assert_eq!(log.end, end, "once is enough");
    log.close().unwrap();
}

/// The disk does not keep up: the thread is still with the file before the last when the next one is full.
#[test]
fn a_writer_that_is_two_files_ahead_waits_and_leaves_no_third() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let (mut log, beside) = writer(&vfs, false);
    fill(&mut log);
    beside.wait();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (full, is_full) = std::sync::mpsc::channel::<()>();
    beside.slow.give(move || held.recv().unwrap());
    let syncs = count(&vfs, OpKind::SyncData);
    let writer = std::thread::spawn(move || {
        let second = FileId(log.active.id().0 + 1);
        while log.active.id() < second || log.end + 200 < FILE {
            put(&mut log, 0).unwrap();
        }
        full.send(()).unwrap();
        while log.active.id() == second {
            put(&mut log, 0).unwrap();
            assert!(log.behind.len() <= 2);
        }
        log
    });
    is_full.recv().unwrap();
    assert_eq!(count(&vfs, OpKind::SyncData), syncs, "a file was filled behind one that is not on stable storage");
    // Whichever of the two comes first, the writer's next file or this.
    std::thread::sleep(std::time::Duration::from_millis(5));
    release.send(()).unwrap();
    let mut log = writer.join().unwrap();
    // It waited for the file that was being made, and not for the sync of its own.
    assert!(!log.active.header().earlier_synced, "the writer made a file of its own");
    log.sync().unwrap();
    assert_eq!((log.synced_seq(), log.behind.len()), (log.last_seq, 0));
    log.close().unwrap();
}

/// Files that were synced, renamed, and directories that were synced, in order.
fn order(vfs: &SimVfs, from: usize) -> Vec<String> {
    let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let ops = vfs.ops();
    let told = ops[from..].iter().filter(|op| matches!(op.kind, OpKind::SyncData | OpKind::SyncDir | OpKind::Rename));
    told.map(|op| format!("{:?} {}", op.kind, name(&op.path))).collect()
}

fn at(order: &[String], what: &str) -> usize {
    order.iter().position(|told| told == what).unwrap_or_else(|| panic!("no {what}: {order:#?}"))
}

#[test]
fn a_load_gets_its_names_when_all_before_it_is_on_stable_storage() {
    let disk = SimVfs::new(3);
    let vfs = FaultVfs::over_sim(&disk);
    let (mut log, _) = writer_with_one_behind(&vfs, 8192);
    let mut load = log.begin_load().unwrap();
    for n in 0..200 {
        let key = format!("load{n:04}");
        if load.needs_part(key.len() as u64 + 100) {
            load.seal().unwrap();
            log.add_part(&mut load).unwrap();
        }
        load.put(key.as_bytes(), &[5; 100], None).unwrap();
    }
    load.complete().unwrap();
    let from = disk.op_count();
    log.install(&mut load, &mut NewFiles::new()).unwrap();
    assert!(log.behind.is_empty());
    let order = order(&disk, from);
    let first = order.iter().position(|told| told.starts_with("Rename")).unwrap();
    for what in ["SyncData 1.data", "SyncData 2.data"] {
        assert!(at(&order, what) < first, "{what} behind the load's name: {order:#?}");
    }
    assert_eq!((log.synced, log.synced_seq()), (log.position(), log.last_seq));
    // And the log goes on.
    for n in 0..200 {
        put(&mut log, n).unwrap();
    }
    log.close().unwrap();
}

#[test]
fn a_batch_over_files_has_all_before_it_on_stable_storage() {
    let disk = SimVfs::new(3);
    let vfs = FaultVfs::over_sim(&disk);
    let (mut log, _) = writer_with_one_behind(&vfs, 4096);
    let mut batch = Encoded::batch(40, 40 * 300);
    for n in 0..40 {
        batch.push(format!("batch{n}").as_bytes(), Some(&[9; 300])).unwrap();
    }
    let (from, mut files) = (disk.op_count(), NewFiles::new());
    log.append(&mut [batch], &mut files).into_iter().next().unwrap().unwrap();
    assert!(files.len() > 2 && log.behind.is_empty());
    let order = order(&disk, from);
    // A header of the batch's files says that all before is there.
    assert!(files.iter().all(|file| file.header().earlier_synced));
    let made = at(&order, &format!("SyncData {}.data", files[0].id().0));
    for what in ["SyncData 1.data", "SyncData 2.data"] {
        assert!(at(&order, what) < made, "{what}: {order:#?}");
    }
    log.close().unwrap();
}
