//! Plans hit what they say and nothing else.

use super::*;
use crate::vfs::{read_full_at, write_all_at};

const EIO: Fault = Fault::Error(errno::EIO);

fn path(name: &str) -> PathBuf {
    Path::new("/").join(name)
}

fn setup() -> (SimVfs, FaultVfs) {
    let sim = SimVfs::new(1);
    sim.plant(&path("a.data"), b"0123456789");
    let vfs = FaultVfs::over_sim(&sim);
    (sim, vfs)
}

/// Something of everything; gives which operations failed with what.
fn workload(vfs: &dyn Vfs) -> Vec<(usize, Option<i32>)> {
    let mut failed = Vec::new();
    let mut step = 0;
    let mut note = |r: Result<(), io::Error>| {
        if let Err(e) = r {
            failed.push((step, e.raw_os_error()));
        }
        step += 1;
    };
    let a = SimVfs::new(0);
    a.plant(&path("spare"), b"");
    let spare = a.open(&path("spare"), OpenMode::ReadWrite).unwrap();
    let opened = vfs.open(&path("a.data"), OpenMode::ReadWrite);
    let file = opened.as_ref().map_or(spare.clone(), Arc::clone);
    note(opened.map(drop));
    note(vfs.open(&path("b.tmp"), OpenMode::CreateNew).map(drop));
    note(vfs.list(&path("")).map(drop));
    note(vfs.create_dir(&path("dir")));
    note(vfs.sync_dir(&path("")));
    note(vfs.entry_kind(&path("a.data")).map(drop));
    note(vfs.canonicalize(&path("a.data")).map(drop));
    note(match vfs.lock(&path("LOCK"), "x") {
        Err(LockError::Io(e)) => Err(e),
        _ => Ok(()),
    });
    note(file.read_at(&mut [0; 4], 0).map(drop));
    note(file.write_at(b"abcd", 0).map(drop));
    note(file.len().map(drop));
    note(file.set_len(20));
    note(file.allocate(0, 30));
    note(file.sync_data());
    note(vfs.rename(&path("a.data"), &path("c.data")));
    note(vfs.remove(&path("c.data")));
    failed
}

#[test]
fn every_operation_can_fail_once_with_every_error() {
    let (_, vfs) = setup();
    assert_eq!(workload(&vfs), []);
    assert!(!vfs.fired());
    let total = vfs.count(EIO, &Filter::any());
    assert_eq!((total, vfs.total()), (16, 16));
    for n in 0..total {
        for errno in errno::ALL {
            let (_, vfs) = setup();
            vfs.inject(Plan::once(Fault::Error(errno), n));
            let failed = workload(&vfs);
            assert_eq!(failed.first(), Some(&(n as usize, Some(errno))));
            assert_eq!(vfs.fired_ops().len(), 1);
        }
    }
}

#[test]
fn a_lasting_fault_lasts_until_it_is_healed() {
    let (sim, vfs) = setup();
    vfs.inject(Plan::forever(Fault::Error(errno::ENOSPC), 3));
    let failed = workload(&vfs);
    assert_eq!(failed.len(), 13);
    assert!(failed.iter().all(|(step, e)| *step >= 3 && *e == Some(errno::ENOSPC)));
    vfs.heal();
    assert!(vfs.fired());
    assert!(vfs.list(&path("")).is_ok());
    assert_eq!(sim.bytes(&path("a.data")).unwrap(), b"0123456789", "a failed operation did something");
    vfs.reset();
    assert!(!vfs.fired() && vfs.total() == 0);
}

#[test]
fn filters_choose_by_kind_and_by_path() {
    let (_, vfs) = setup();
    let writes = Filter::any().kinds(&[OpKind::Write, OpKind::SetLen]);
    vfs.inject(Plan::once(EIO, 1).of(writes.clone()));
    assert_eq!(workload(&vfs), [(11, Some(errno::EIO))]);
    assert_eq!(vfs.count(EIO, &writes), 2);
    assert_eq!(vfs.fired_ops(), [(OpKind::SetLen, path("a.data"))]);

    let (_, vfs) = setup();
    vfs.inject(Plan::forever(EIO, 0).of(Filter::any().suffix(".tmp")));
    assert_eq!(workload(&vfs), [(1, Some(errno::EIO))]);

    // The new name of a rename counts as well as the old one.
    let (_, vfs) = setup();
    let renames = Filter::any().kinds(&[OpKind::Rename]).suffix("c.data");
    vfs.inject(Plan::once(EIO, 0).of(renames.clone()));
    assert_eq!(workload(&vfs).first(), Some(&(14, Some(errno::EIO))));
    assert_eq!(vfs.count(EIO, &renames), 1);
}

#[test]
fn short_writes_and_reads_are_short_and_no_errors() {
    let (sim, vfs) = setup();
    let file = vfs.open(&path("a.data"), OpenMode::ReadWrite).unwrap();
    vfs.inject(Plan::once(Fault::ShortWrite(Short::Bytes(3)), 0));
    vfs.inject(Plan::once(Fault::ShortWrite(Short::Half), 1));
    vfs.inject(Plan::once(Fault::ShortRead(Short::Half), 0));
    assert_eq!(file.write_at(b"abcdef", 0).unwrap(), 3);
    assert_eq!(file.write_at(b"g", 3).unwrap(), 1);
    assert_eq!(file.write_at(b"hijk", 4).unwrap(), 4);
    assert_eq!(file.read_at(&mut [0; 8], 0).unwrap(), 4);
    assert_eq!(file.read_at(&mut [0; 8], 0).unwrap(), 8);
    assert_eq!(sim.bytes(&path("a.data")).unwrap(), b"abcghijk89");
    assert_eq!(vfs.count(Fault::ShortWrite(Short::Half), &Filter::any()), 3);
    assert_eq!(vfs.fired_ops().len(), 3);
}

#[test]
fn the_helpers_ride_out_short_moves_and_interrupts() {
    let (sim, vfs) = setup();
    let file = vfs.open(&path("a.data"), OpenMode::ReadWrite).unwrap();
    vfs.inject(Plan::once(Fault::Error(errno::EINTR), 0));
    vfs.inject(Plan::forever(Fault::ShortWrite(Short::Half), 0));
    vfs.inject(Plan::forever(Fault::ShortRead(Short::Bytes(1)), 0));
    write_all_at(&*file, b"abcdefghij", 0).unwrap();
    let mut buf = [0; 20];
    assert_eq!(read_full_at(&*file, &mut buf, 0).unwrap(), 10);
    assert_eq!(&buf[..10], b"abcdefghij");
    assert_eq!(sim.bytes(&path("a.data")).unwrap(), b"abcdefghij");
}

#[test]
fn a_failed_sync_gives_the_dirty_pages_up_even_of_a_renamed_file() {
    use crate::vfs::sim::CrashChoice::KeepAll;

    let (sim, vfs) = setup();
    let file = vfs.open(&path("a.data"), OpenMode::ReadWrite).unwrap();
    vfs.rename(&path("a.data"), &path("b.data")).unwrap();
    vfs.inject(Plan::once(Fault::SyncFailureDroppingPages, 0));
    file.write_at(b"lost", 0).unwrap();
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(errno::EIO));
    file.write_at(b"kept", 4).unwrap();
    file.sync_data().unwrap();
    assert_eq!(sim.bytes(&path("b.data")).unwrap(), b"lostkept89");
    let after = sim.crash(sim.op_count(), &KeepAll);
    assert_eq!(after.bytes(&path("b.data")).unwrap(), b"0123kept89");

    // The disk may lie behind another wrapper.
    let slow = Arc::new(crate::vfs::trickle::TrickleVfs::with(Arc::new(sim.clone()), 1, 0));
    let wrapped = FaultVfs::over_wrapped_sim(slow, &sim);
    wrapped.inject(Plan::once(Fault::SyncFailureDroppingPages, 0));
    let file = wrapped.open(&path("b.data"), OpenMode::ReadWrite).unwrap();
    assert_eq!(file.write_at(b"xy", 0).unwrap(), 1);
    assert!(file.sync_data().is_err());
    assert_eq!(sim.ops().last().unwrap().kind, OpKind::DropPages);
    let dropped = sim.op_count();

    // Without a simulated disk it is just an error.
    let plain = FaultVfs::new(Arc::new(sim.clone()));
    plain.inject(Plan::forever(Fault::SyncFailureDroppingPages, 0));
    let file = plain.open(&path("b.data"), OpenMode::ReadWrite).unwrap();
    assert!(file.sync_data().is_err());
    assert_eq!(sim.op_count(), dropped);
}

#[test]
fn a_failed_sync_of_a_directory_gives_its_names_up() {
    use crate::vfs::sim::CrashChoice::KeepAll;

    let (sim, vfs) = setup();
    vfs.sync_dir(&path("")).unwrap();
    vfs.inject(Plan::once(Fault::SyncFailureDroppingEntries, 0));
    vfs.open(&path("new.data"), OpenMode::CreateNew).unwrap().sync_data().unwrap();
    assert_eq!(vfs.sync_dir(&path("")).unwrap_err().raw_os_error(), Some(errno::EIO));
    assert_eq!(vfs.fired_ops(), [(OpKind::SyncDir, path(""))]);
    vfs.sync_dir(&path("")).unwrap();
    let after = sim.crash(sim.op_count(), &KeepAll);
    assert!(sim.bytes(&path("new.data")).is_ok() && after.bytes(&path("new.data")).is_err());
    assert_eq!(vfs.count(Fault::SyncFailureDroppingEntries, &Filter::any()), 3);

    // Without a simulated disk it is just an error.
    let before = sim.op_count();
    let plain = FaultVfs::new(Arc::new(sim.clone()));
    plain.inject(Plan::forever(Fault::SyncFailureDroppingEntries, 0));
    assert!(plain.sync_dir(&path("")).is_err());
    assert_eq!(sim.op_count(), before);
}
