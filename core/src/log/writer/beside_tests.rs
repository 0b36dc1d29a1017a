//! What threads do for the writer, step by step: the tests wait for them where it matters.

use super::*;
use crate::format::header::DATA_START;
use crate::log::Beside;
use crate::log::encoded::Encoded;
use crate::vfs::Helpers;
use crate::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use crate::vfs::op::OpKind;
use crate::vfs::sim::SimVfs;

use super::tests::{behind_the_end, writer_with};

pub(super) const FILE: u64 = 64 << 10;
const STEP: u64 = 4096;
/// There is no such call.
const ENOSYS: i32 = 38;

pub(super) fn writer(vfs: &FaultVfs, copies: bool) -> (LogWriter, Arc<Beside>) {
    let beside = Beside::new(Helpers::Threads).unwrap();
    let with = |config: &mut LogConfig| {
        (config.max_file_size, config.copies) = (FILE, copies);
        config.beside = Some(Arc::clone(&beside));
    };
    (writer_with(vfs, with), beside)
}

pub(super) fn put(log: &mut LogWriter, n: usize) -> Result<SeqNo> {
    let mut files = NewFiles::new();
    let mut commits = [Encoded::single(format!("key{n:05}").as_bytes(), Some(&[0x55; 40])).unwrap()];
    log.append(&mut commits, &mut files).into_iter().next().unwrap()
}

/// Fills the file up to the last put that fits; gives how many puts that took.
pub(super) fn fill(log: &mut LogWriter) -> usize {
    let mut n = 0;
    while log.end + 200 < FILE {
        put(log, n).unwrap();
        n += 1;
    }
    n
}

/// Goes on from the `n`th put up to one that fails, and gives its error.
fn put_until_it_fails(log: &mut LogWriter, n: &mut usize) -> Error {
    loop {
        match put(log, *n) {
            Ok(_) => *n += 1,
            Err(error) => return error,
        }
    }
}

#[test]
fn on_a_full_disk_the_file_that_was_made_ahead_gives_its_space_back() {
    let disk = SimVfs::new(1);
    let vfs = FaultVfs::over_sim(&disk);
    let (mut log, beside) = writer(&vfs, false);
    let made = || disk.files().iter().filter(|(path, _)| path.to_string_lossy().ends_with(".data.tmp")).count();
    let n = fill(&mut log);
    beside.wait();
    assert_eq!(made(), 1);
    vfs.inject(Plan::once(Fault::Error(errno::ENOSPC), 0).of(Filter::any().kinds(&[OpKind::Write]).suffix(".data")));
    assert_eq!(put(&mut log, n).unwrap_err().status(), Status::DiskFull);
    assert_eq!(made(), 0);
    // It is made when it is needed, and ahead again from there on.
    let first = log.active().id();
    for n in 0.. {
        put(&mut log, n).unwrap();
        if log.active().id() != first {
            break;
        }
    }
    beside.wait();
    assert_eq!(made(), 1);
}

pub(super) fn count(vfs: &FaultVfs, kind: OpKind) -> u64 {
    vfs.count(Fault::Error(errno::EIO), &Filter::any().kinds(&[kind]))
}

#[test]
fn space_is_there_before_the_writer_is() {
    for copies in [false, true] {
        let vfs = FaultVfs::over_sim(&SimVfs::new(3));
        let (mut log, beside) = writer(&vfs, copies);
        // Not of the next file, which is made ahead meanwhile.
        let of_first = Filter::any().kinds(&[OpKind::Allocate]).suffix("/1.data");
        let reserved_of_first = || vfs.count(Fault::Error(errno::EIO), &of_first);
        put(&mut log, 0).unwrap();
        assert_eq!(reserved_of_first(), 1, "the first is the writer's own");
        let (mut n, mut reserved) = (1, 1);
        while log.end + STEP < FILE {
            let to = log.allocated;
            put(&mut log, n).unwrap();
            n += 1;
            beside.quick.wait();
            let made = reserved_of_first();
            if made > reserved {
                // Ahead, and more than the writer took.
                assert!(log.end < to && log.active.file().len().unwrap() == (to + STEP).min(FILE), "{n}");
                assert_eq!(log.allocated, to);
            }
            reserved = made;
            assert_eq!(log.window.is_some(), copies);
        }
        assert!(reserved > 10, "{reserved}");
        assert!(behind_the_end(&log).iter().all(|&byte| byte == 0));
        beside.stop();
        log.close().unwrap();
        assert_eq!(log.active.file().len().unwrap(), log.end, "what was reserved is given back");
    }
}

#[test]
fn where_none_can_be_reserved_ahead_the_writer_goes_on_by_itself() {
    for error in [errno::ENOSPC, ENOSYS] {
        let vfs = FaultVfs::over_sim(&SimVfs::new(3));
        let (mut log, beside) = writer(&vfs, true);
        put(&mut log, 0).unwrap();
        vfs.inject(Plan::forever(Fault::Error(error), 0).of(Filter::any().kinds(&[OpKind::Allocate])));
        for n in 1..200 {
            put(&mut log, n).unwrap();
            beside.quick.wait();
        }
        assert!(vfs.fired() && log.end > 2 * STEP);
        beside.stop();
        log.close().unwrap();
    }
}

#[test]
fn a_cut_takes_what_was_reserved_ahead_with_it() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let (mut log, beside) = writer(&vfs, false);
    let mut n = 0;
    while log.marks.space < log.allocated || n == 0 {
        put(&mut log, n).unwrap();
        n += 1;
    }
    // It was asked for, and may be there, under way or not begun.
    let end = log.end;
    vfs.inject(Plan::once(Fault::Error(errno::ENOSPC), 0).of(Filter::any().kinds(&[OpKind::Write])));
    put(&mut log, n).unwrap_err();
    assert_eq!((log.end, log.active.file().len().unwrap()), (end, end));
    beside.quick.wait();
    assert_eq!(log.active.file().len().unwrap(), end, "nobody reserves behind the writer's back");
    vfs.heal();
    for n in n..n + 100 {
        put(&mut log, n).unwrap();
    }
    beside.stop();
    log.close().unwrap();
    assert_eq!(log.active.file().len().unwrap(), log.end);
}

/// Fills files until the log goes on in one that was made ahead; gives how many puts that took.
fn fill_until_behind(log: &mut LogWriter, beside: &Beside) -> usize {
    for n in 0.. {
        put(log, n).unwrap();
        if !log.behind.is_empty() {
            return n + 1;
        }
        beside.slow.wait();
    }
    unreachable!("files end");
}

#[test]
fn the_log_goes_on_before_the_file_before_is_on_stable_storage() {
    for copies in [false, true] {
        let vfs = FaultVfs::over_sim(&SimVfs::new(3));
        let (mut log, beside) = writer(&vfs, copies);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (syncs, dirs) = (|| count(&vfs, OpKind::SyncData), || count(&vfs, OpKind::SyncDir));
        let mut n = fill(&mut log);
        beside.slow.wait();
        beside.slow.give(move || held.recv().unwrap());
        let (before, named, first) = (syncs(), dirs(), Arc::clone(log.active()));
        while Arc::ptr_eq(&first, log.active()) {
            put(&mut log, n).unwrap();
            n += 1;
        }
        assert_eq!((syncs(), dirs(), log.behind.len()), (before, named + 1, 1), "a put waited for more than the name");
        assert_eq!(first.file().len().unwrap(), first.end(), "what was reserved is given back");
        assert_eq!(log.window.is_some(), copies);
        assert!(!log.active().header().earlier_synced && log.active().header().base_seq == SeqNo(n as u64 - 1));
        assert!(log.synced < LogPosition { file: first.id(), offset: first.end() } && log.synced_seq() == SeqNo::ZERO);
        release.send(()).unwrap();
        beside.slow.wait();
        // The next one is told, and writes it down.
        put(&mut log, n).unwrap();
        assert_eq!(log.synced, LogPosition { file: log.active().id(), offset: DATA_START });
        assert_eq!((log.synced_seq(), log.behind.len()), (SeqNo(n as u64 - 1), 0));
        // The first file was given no hint; the second has one as soon as it is on stable storage.
        let second = log.active().id();
        let hint = crate::log::HintReader::path_of(&log.config.dir, second);
        while log.active().id() == second {
            beside.slow.wait();
            assert!(log.config.vfs.entry_kind(&hint).is_err());
            n += 1;
            put(&mut log, n).unwrap();
        }
        beside.slow.wait();
        assert!(log.config.vfs.entry_kind(&hint).is_ok());
        beside.stop();
        log.close().unwrap();
        let left = log.config.vfs.list(&log.config.dir).unwrap();
        assert!(left.iter().all(|entry| entry.name.as_ref().is_some_and(|name| !name.ends_with(".tmp"))), "{left:?}");
    }
}

#[test]
fn who_syncs_brings_all_files_before_along() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let (mut log, beside) = writer(&vfs, false);
    let mut n = fill_until_behind(&mut log, &beside);
    log.sync().unwrap();
    assert_eq!((log.synced, log.synced_seq(), log.behind.len()), (log.position(), log.last_seq, 0));
    // And beside writers.
    while log.behind.is_empty() {
        beside.slow.wait();
        put(&mut log, n).unwrap();
        n += 1;
    }
    let sync = log.background_sync().unwrap();
    log.synced_to(&sync, sync.run()).unwrap();
    assert_eq!((log.synced_seq(), log.behind.len()), (log.last_seq, 0));
    assert_eq!(log.synced.file, log.active().id());
    beside.stop();
    log.close().unwrap();
}

#[test]
fn a_sync_that_fails_behind_the_writer_stops_it_and_none_follows() {
    for suffix in ["1.data", "268435455.data.tmp"] {
        let vfs = FaultVfs::over_sim(&SimVfs::new(3));
        let (mut log, beside) = writer(&vfs, false);
        let mut n = fill(&mut log);
        beside.slow.wait();
        let filter = Filter::any().kinds(&[OpKind::SyncData]).suffix(suffix);
        vfs.inject(Plan::once(Fault::Error(errno::EIO), 0).of(filter));
        while log.behind.is_empty() {
            let outcome = put(&mut log, n);
            // Who goes on in the next file may hear of it already.
            assert!(outcome.is_ok() || !log.behind.is_empty(), "{suffix}: {outcome:?}");
            n += 1;
        }
        beside.slow.wait();
        let syncs = count(&vfs, OpKind::SyncData);
        for _ in 0..3 {
            let error = put(&mut log, n).unwrap_err();
            assert!(vfs.fired() && matches!(error, Error::WritesStopped { .. }), "{suffix}: {error:?}");
        }
        log.sync().unwrap_err();
        assert_eq!((count(&vfs, OpKind::SyncData), log.synced_seq()), (syncs, SeqNo::ZERO), "{suffix}");
        beside.stop();
        log.close().unwrap_err();
    }
}

/// What is written to a file whose name is lost would be lost with it, whoever writes it.
#[test]
fn a_name_that_does_not_come_to_the_disk_stops_the_writer_before_a_record_is_behind_it() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let (mut log, beside) = writer(&vfs, false);
    let mut n = fill(&mut log);
    beside.slow.wait();
    vfs.inject(Plan::once(Fault::Error(errno::EIO), 0).of(Filter::any().kinds(&[OpKind::SyncDir])));
    let error = put_until_it_fails(&mut log, &mut n);
    assert!(vfs.fired() && matches!(error, Error::WritesStopped { .. }), "{error:?}");
    assert_eq!(log.last_seq, SeqNo(n as u64), "what was acknowledged");
    let next = DataFile::open(log.config.vfs.as_ref(), &log.config.dir, FileId(2), crate::vfs::OpenMode::Read, 0);
    let (next, _) = next.expect("the next file has its name");
    let mut bytes = [0; 16];
    next.file().read_at(&mut bytes, DATA_START).unwrap();
    assert_eq!(bytes, [0; 16], "a record behind a name that may be lost");
    assert!(matches!(put(&mut log, n), Err(Error::WritesStopped { .. })));
    beside.stop();
    log.close().unwrap_err();
}

/// Without a descriptor the disk is asked for nothing: nothing is lost, and one put fails.
#[test]
fn a_name_for_which_there_is_no_descriptor_is_taken_back() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let (mut log, beside) = writer(&vfs, false);
    let mut n = fill(&mut log);
    beside.slow.wait();
    vfs.inject(Plan::once(Fault::Error(errno::EMFILE), 0).of(Filter::any().kinds(&[OpKind::SyncDir])));
    let first = Arc::clone(log.active());
    let error = put_until_it_fails(&mut log, &mut n);
    assert!(vfs.fired() && matches!(error, Error::Io { .. }), "{error:?}");
    assert!(Arc::ptr_eq(&first, log.active()) && first.file().len().unwrap() == log.end, "the seal is cut off");
    let names = |log: &LogWriter| -> Vec<_> {
        log.config.vfs.list(&log.config.dir).unwrap().into_iter().filter_map(|entry| entry.name).collect()
    };
    assert!(names(&log).iter().all(|name| name != "2.data" && !name.ends_with(".data.tmp")), "{:?}", names(&log));
    put(&mut log, n).unwrap();
    assert_eq!((log.last_seq, log.active().id()), (SeqNo(n as u64 + 1), FileId(3)), "a number is not used twice");
    beside.stop();
    log.close().unwrap();
}

#[test]
fn a_number_that_others_got_is_not_the_next_files() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let (mut log, beside) = writer(&vfs, false);
    let mut n = fill_until_behind(&mut log, &beside);
    let active = log.active().id();
    let taken = log.take_id().unwrap();
    assert!(taken > active);
    while log.active().id() == active {
        beside.slow.wait();
        put(&mut log, n).unwrap();
        n += 1;
    }
    assert_eq!((log.active().id().0, log.behind.len()), (taken.0 + 1, 1), "made ahead, with another number");
    assert_eq!(log.active().header().file_id, log.active().id());
    let reopened =
        DataFile::open(log.config.vfs.as_ref(), &log.config.dir, log.active().id(), crate::vfs::OpenMode::Read, 0);
    assert_eq!(reopened.unwrap().0.header(), log.active().header());
    beside.stop();
    log.close().unwrap();
}
