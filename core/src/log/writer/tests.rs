//! What a failed append leaves behind: nothing.

use super::append::MAX_FAILURES;
use super::*;
use crate::format::header::{DATA_START, FileKind};
use crate::log::data_file::NewFile;
use crate::log::encoded::Encoded;
use crate::types::Location;
use crate::vfs::fault::{Fault, FaultVfs, Filter, Plan, Short, errno};
use crate::vfs::op::OpKind;
use crate::vfs::read_full_at;
use crate::vfs::sim::SimVfs;

fn writer(vfs: &FaultVfs) -> LogWriter {
    writer_with(vfs, |_| {})
}

pub(super) fn writer_with(vfs: &FaultVfs, change: impl FnOnce(&mut LogConfig)) -> LogWriter {
    let vfs: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let dir = PathBuf::from("/db");
    vfs.create_dir(&dir).unwrap();
    let mut config = LogConfig {
        vfs: Arc::clone(&vfs),
        dir: dir.clone(),
        store_id: 1,
        max_file_size: 4096,
        map_len: 0,
        copies: false,
        gate: Arc::default(),
        beside: None,
    };
    change(&mut config);
    let new = NewFile { id: FileId(1), kind: FileKind::Log, store_id: 1, base_seq: SeqNo::ZERO, earlier_synced: true };
    let file = DataFile::create(vfs.as_ref(), &dir, new, 0).unwrap();
    file.sync_created(&config.gate, vfs.as_ref(), &dir).unwrap();
    let end = LogEnd {
        active: Arc::new(file),
        last_seq: SeqNo::ZERO,
        last_id: FileId(1),
        seal: Seal::default(),
        hint: None,
        is_marked: false,
        witness: 0,
        synced: DATA_START,
    };
    LogWriter::new(config, end)
}

fn puts(keys: &[&[u8]]) -> Vec<Encoded> {
    keys.iter().map(|key| Encoded::single(key, Some(&[0x55; 40])).unwrap()).collect()
}

/// The bytes of the active file behind the log's end.
pub(super) fn behind_the_end(log: &LogWriter) -> Vec<u8> {
    let mut bytes = vec![0; 8192];
    let got = read_full_at(log.active.file().as_ref(), &mut bytes, log.end).unwrap();
    bytes.truncate(got);
    bytes
}

#[test]
fn a_failed_group_is_cut_back_wherever_its_write_stopped() {
    let whole: u64 = puts(&[b"one", b"two"]).iter().map(Encoded::log_len).sum();
    for cut in 1..whole {
        let vfs = FaultVfs::over_sim(&SimVfs::new(7));
        let mut log = writer(&vfs);
        let mut files = NewFiles::new();
        assert!(log.append(&mut puts(&[b"zero"]), &mut files)[0].is_ok());
        let end = log.end;

        // Part of it is written, and then the disk is full, also for each of the two alone.
        let writes = Filter::any().kinds(&[OpKind::Write]);
        vfs.inject(Plan::once(Fault::ShortWrite(Short::Bytes(cut as usize)), 0).of(writes.clone()));
        vfs.inject(Plan::forever(Fault::Error(errno::ENOSPC), 1).of(writes));
        let outcomes = log.append(&mut puts(&[b"one", b"two"]), &mut files);
        assert!(outcomes.iter().all(Result::is_err), "cut at {cut}: {outcomes:?}");
        assert_eq!(log.end, end);
        assert!(behind_the_end(&log).iter().all(|&b| b == 0), "cut at {cut}: a record that failed could come back");

        // There is space again: the log goes on where it was, with numbers that were not used.
        vfs.heal();
        let outcomes = log.append(&mut puts(&[b"three"]), &mut files);
        assert!(outcomes[0].as_ref().is_ok_and(|seq| seq.0 > 3), "cut at {cut}: {outcomes:?}");
        assert!(log.end > end);
    }
}

/// Each has its own outcome, but a full disk is not asked a hundred times: an attempt that fails costs a cut and a sync.
#[test]
fn of_a_group_on_a_full_disk_what_fits_is_written_and_few_are_tried() {
    let sim = SimVfs::new(7);
    let vfs = FaultVfs::over_sim(&sim);
    let (mut log, mut files) = (writer(&vfs), NewFiles::new());
    let sizes = |log: &mut LogWriter, files: &mut NewFiles, sizes: &[usize]| {
        let before = vfs.count(Fault::SyncFailureDroppingPages, &Filter::any());
        let mut commits: Vec<_> =
            sizes.iter().map(|len| Encoded::single(b"key", Some(&vec![0x55; *len])).unwrap()).collect();
        let outcomes: Vec<_> = log.append(&mut commits, files).iter().map(std::result::Result::is_ok).collect();
        (outcomes, vfs.count(Fault::SyncFailureDroppingPages, &Filter::any()) - before)
    };
    sim.set_capacity(Some(log.end + 200));
    let (outcomes, syncs) = sizes(&mut log, &mut files, &[600, 100, 700, 100, 600]);
    assert_eq!(outcomes, [false, true, false, false, false]);
    assert_eq!(syncs, 3, "for the group, for the first, and for what no longer fitted");
    let (outcomes, syncs) = sizes(&mut log, &mut files, &[600; 20]);
    assert_eq!((outcomes, syncs), (vec![false; 20], 2), "for the group and for the first");
    let descending: Vec<_> = (500..520).rev().collect();
    let (outcomes, syncs) = sizes(&mut log, &mut files, &descending);
    assert_eq!((outcomes, syncs), (vec![false; 20], 1 + u64::from(MAX_FAILURES)));
    sim.set_capacity(None);
    let (outcomes, syncs) = sizes(&mut log, &mut files, &[600, 100, 700]);
    assert_eq!((outcomes, syncs), (vec![true; 3], 0));
}

/// Whatever the log went through, it knows the record that ends where all is on stable storage.
#[test]
fn the_last_record_before_the_covered_place_is_known() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(7));
    let (mut log, mut files) = (writer(&vfs), NewFiles::new());
    let check = |log: &LogWriter, what: &str| {
        let covered = log.covered();
        assert_eq!(covered.position, log.synced, "{what}");
        assert!(log.synced_seq() <= covered.seq, "{what}");
        if covered.position.offset == DATA_START {
            assert_eq!(covered.witness, 0, "{what}");
            return;
        }
        let at = Location::new(covered.file.id(), covered.witness, 0).unwrap();
        let header = covered.file.record_header(at).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(covered.witness + header.record_len(), covered.position.offset, "{what}");
    };
    let batch = |n: usize| {
        let mut batch = Encoded::batch(n, 0);
        (0..n).for_each(|i| batch.push(&[i as u8; 30], Some(&[0x55; 400])).unwrap());
        batch
    };
    check(&log, "nothing");
    let mut put = |log: &mut LogWriter, commits: &mut [Encoded]| {
        let outcomes = log.append(commits, &mut files);
        outcomes.into_iter().filter(std::result::Result::is_ok).count()
    };
    assert_eq!(put(&mut log, &mut puts(&[b"one", b"two"])), 2);
    check(&log, "not synced yet");
    log.sync().unwrap();
    check(&log, "a group");
    assert_eq!(put(&mut log, &mut [batch(2), Encoded::batch(0, 0)]), 2);
    log.sync().unwrap();
    check(&log, "a batch, and an empty one");
    assert_eq!(put(&mut log, &mut puts(&[b"three"])), 1);
    let sync = log.background_sync().unwrap();
    assert_eq!(put(&mut log, &mut puts(&[b"four"])), 1);
    log.synced_to(&sync, sync.run()).unwrap();
    check(&log, "synced beside");
    log.sync().unwrap();
    check(&log, "a mark");
    let before = log.position();
    vfs.inject(Plan::once(Fault::Error(errno::ENOSPC), 0).of(Filter::any().kinds(&[OpKind::Write])));
    assert_eq!(put(&mut log, &mut puts(&[b"five"])), 0);
    assert_eq!(log.position(), before);
    check(&log, "a failed append");
    // The third write is in another file.
    vfs.inject(Plan::once(Fault::Error(errno::ENOSPC), 3).of(Filter::any().kinds(&[OpKind::Write])));
    assert_eq!(put(&mut log, &mut [batch(30)]), 0);
    assert_eq!(log.position(), before);
    assert!(log.covered().witness > 0);
    check(&log, "a failed batch over several files");
    assert_eq!(put(&mut log, &mut [batch(30)]), 1);
    assert!(log.position().file > before.file);
    log.sync().unwrap();
    check(&log, "a batch over several files");
    log.rotate(log.last_seq, &mut NewFiles::new()).unwrap();
    check(&log, "a new file");
    assert_eq!(put(&mut log, &mut puts(&[b"six"])), 1);
    log.close().unwrap();
    assert!(log.position() > log.synced, "a mark is behind");
    check(&log, "closed");
}

fn fills(vfs: &FaultVfs) -> u64 {
    vfs.count(Fault::Error(errno::EIO), &Filter::any().kinds(&[OpKind::Fill]))
}

#[test]
fn space_is_filled_ahead_for_who_syncs_each_commit() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(11));
    let mut log = writer(&vfs);
    let mut files = NewFiles::new();
    for n in 0..8_u8 {
        assert!(log.append(&mut puts(&[&[n]]), &mut files)[0].is_ok());
        assert!(behind_the_end(&log).iter().all(|&byte| byte == 0), "{n}");
        log.sync().unwrap();
        assert_eq!(fills(&vfs), u64::from(n > 0), "{n}: what was filled by one serves the next");
    }
    // What is filled goes with what is reserved.
    log.close().unwrap();
    assert!(behind_the_end(&log).is_empty());
}

#[test]
fn nothing_is_filled_for_who_syncs_now_and_then() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(11));
    let mut log = writer(&vfs);
    for n in 0..8_u8 {
        assert!(log.append(&mut puts(&[&[n]]), &mut NewFiles::new())[0].is_ok());
        assert!(log.append(&mut puts(&[&[n]]), &mut NewFiles::new())[0].is_ok());
        log.sync().unwrap();
    }
    assert_eq!(fills(&vfs), 0);
}

#[test]
fn filling_that_fails_is_no_failure_and_not_tried_again() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(11));
    let mut log = writer(&vfs);
    vfs.inject(Plan::forever(Fault::Error(errno::EIO), 0).of(Filter::any().kinds(&[OpKind::Fill])));
    for n in 0..8_u8 {
        assert!(log.append(&mut puts(&[&[n]]), &mut NewFiles::new())[0].is_ok());
        log.sync().unwrap();
    }
    assert!(vfs.fired());
    assert_eq!(fills(&vfs), 1);
}
