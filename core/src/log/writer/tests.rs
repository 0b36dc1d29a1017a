//! What a failed append leaves behind: nothing.

use super::*;
use crate::vfs::fault::{Fault, FaultVfs, Filter, Plan, Short, errno};
use crate::vfs::op::OpKind;
use crate::vfs::read_full_at;
use crate::vfs::sim::SimVfs;

fn writer(vfs: &FaultVfs) -> LogWriter {
    let vfs: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let dir = PathBuf::from("/db");
    vfs.create_dir(&dir).unwrap();
    let config = LogConfig {
        vfs: Arc::clone(&vfs),
        dir: dir.clone(),
        store_id: 1,
        max_file_size: 4096,
        map_len: 0,
        copies: false,
    };
    let new = NewFile { id: FileId(1), kind: FileKind::Log, store_id: 1, base_seq: SeqNo::ZERO, earlier_synced: true };
    let file = DataFile::create(vfs.as_ref(), &dir, new, 0).unwrap();
    file.sync_created(vfs.as_ref(), &dir).unwrap();
    let end = LogEnd {
        active: Arc::new(file),
        last_seq: SeqNo::ZERO,
        last_id: FileId(1),
        seal: Seal::default(),
        hint: None,
        is_marked: false,
        witness: 0,
    };
    LogWriter::new(config, end)
}

fn puts(keys: &[&[u8]]) -> Vec<Encoded> {
    keys.iter().map(|key| Encoded::single(key, Some(&[0x55; 40])).unwrap()).collect()
}

/// The bytes of the active file behind the log's end.
fn behind_the_end(log: &LogWriter) -> Vec<u8> {
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
