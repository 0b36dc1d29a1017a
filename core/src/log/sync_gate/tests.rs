//! One failure stops all, whoever met it.

use std::path::Path;
use std::sync::Arc;

use super::SyncGate;
use crate::error::Error;
use crate::format::header::FileKind;
use crate::log::{DataFile, GatedVfs, NewFile};
use crate::types::{FileId, SeqNo};
use crate::vfs::Vfs;
use crate::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use crate::vfs::op::OpKind;
use crate::vfs::sim::SimVfs;

fn root() -> &'static Path {
    Path::new("/")
}

fn store() -> (FaultVfs, DataFile) {
    let vfs = FaultVfs::over_sim(&SimVfs::new(1));
    let new = NewFile { id: FileId(1), kind: FileKind::Log, store_id: 1, base_seq: SeqNo::ZERO, earlier_synced: true };
    let file = DataFile::create(&vfs, root(), new, 0).unwrap();
    (vfs, file)
}

fn syncs(vfs: &FaultVfs) -> u64 {
    let kinds = Filter::any().kinds(&[OpKind::SyncData, OpKind::SyncDir]);
    vfs.count(Fault::Error(errno::EIO), &kinds)
}

#[test]
fn a_failed_sync_of_the_directory_is_everybodys() {
    for fault in [Fault::Error(errno::EIO), Fault::SyncFailureDroppingEntries] {
        let ((vfs, file), gate) = (store(), Arc::new(SyncGate::default()));
        gate.sync(&file).unwrap();
        gate.sync_dir(&vfs, root()).unwrap();
        gate.check().unwrap();
        let inner: Arc<dyn Vfs> = Arc::new(vfs.clone());
        let gated = GatedVfs::new(&inner, &gate);
        vfs.inject(Plan::once(fault, 0).of(Filter::any().kinds(&[OpKind::SyncDir])));
        // Of somebody who knows no gate, and to whom it may mean nothing.
        assert_eq!(gated.sync_dir(root()).unwrap_err().raw_os_error(), Some(errno::EIO));
        let tried = syncs(&vfs);
        let outcomes =
            [gate.sync_dir(&vfs, root()), gate.sync(&file), gate.check(), file.sync_created(&gate, &vfs, root())];
        for outcome in outcomes {
            let error = outcome.expect_err("nothing is synced any more");
            let Error::WritesStopped { cause } = &error else { panic!("{error:?}") };
            assert_eq!((cause.path(), cause.os_error()), (Some(root()), Some(errno::EIO)));
            assert!(error.to_string().contains("/: sync of the directory failed"), "{error}");
        }
        assert!(gated.sync_dir(root()).is_err());
        assert_eq!(syncs(&vfs), tried, "a sync after one that failed");
    }
}

#[test]
fn after_a_failed_sync_of_data_no_directory_is_synced() {
    let ((vfs, file), gate) = (store(), SyncGate::default());
    vfs.inject(Plan::once(Fault::SyncFailureDroppingPages, 0));
    assert!(gate.sync(&file).is_err());
    let tried = syncs(&vfs);
    assert!(
        matches!(gate.sync_dir(&vfs, root()), Err(Error::WritesStopped { cause }) if cause.path() == Some(file.path()))
    );
    assert_eq!(syncs(&vfs), tried);
}

#[test]
fn a_directory_that_could_not_be_opened_has_lost_nothing() {
    for number in [errno::EMFILE, 23] {
        let ((vfs, _), gate) = (store(), SyncGate::default());
        vfs.inject(Plan::once(Fault::Error(number), 0).of(Filter::any().kinds(&[OpKind::SyncDir])));
        assert!(matches!(gate.sync_dir(&vfs, root()), Err(Error::Io { op: "sync of the directory", .. })));
        gate.check().unwrap();
        gate.sync_dir(&vfs, root()).unwrap();
    }
}
