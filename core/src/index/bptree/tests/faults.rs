//! Failing disks: every operation fails once and for ever, in the midst of splits and of checkpoints.

use super::*;
use crate::vfs::fault::{Fault, FaultVfs, Filter, Plan, Short, errno};
use crate::vfs::op::OpKind;
use crate::vfs::sim::CrashChoice;

fn batch(round: u64) -> Vec<(Vec<u8>, Option<u64>)> {
    (0..70_u64)
        .map(|i| {
            let n = (round * 7919 + i * 104_729) % 2500;
            let key = if n % 101 == 7 { vec![n as u8; 5000] } else { format!("some key {n:06}").into_bytes() };
            (key, (i % 5 != 4).then_some(round * 1000 + i))
        })
        .collect()
}

/// Does what a store does: makes room, and if that works, applies. What fails changed nothing.
fn change(tree: &BPTree, map: &mut Map, batch: &[(Vec<u8>, Option<u64>)]) -> Result<()> {
    tree.reserve(&mut batch.iter().map(|(key, _)| &key[..]))?;
    let mut changes: Vec<Change<'_>> =
        batch.iter().map(|(key, new)| Change { key, new: new.map(location), old: None }).collect();
    tree.apply(&mut changes)?;
    for (key, new) in batch {
        match new {
            Some(new) => map.insert(key.clone(), *new),
            None => map.remove(key),
        };
    }
    Ok(())
}

/// What a run under a plan went through.
struct Run {
    vfs: FaultVfs,
    failed_applies: usize,
}

fn run(plans: &[Plan]) -> Run {
    let disk = SimVfs::new(21);
    let vfs = FaultVfs::over_sim(&disk);
    plans.iter().for_each(|plan| vfs.inject(plan.clone()));
    let what = || format!("{plans:?}, failed: {:?}", vfs.fired_ops());
    let (tree, _) = open_on(Arc::new(vfs.clone()), 24);
    let (mut map, mut kept, mut failed_applies) = (Map::new(), vec![(None, Map::new())], 0);
    for round in 0..40 {
        if let Err(error) = change(&tree, &mut map, &batch(round)) {
            assert!(vfs.fired() && matches!(error, Error::Io { .. } | Error::Corrupted { .. }), "{}: {error}", what());
            failed_applies += 1;
        }
        if round % 8 == 7 {
            match tree.checkpoint(&covered(round as u8)) {
                Ok(()) => kept = vec![(Some(covered(round as u8)), map.clone())],
                // Who knows what of it is there.
                Err(_) => {
                    assert!(vfs.fired(), "{}", what());
                    kept.push((Some(covered(round as u8)), map.clone()));
                }
            }
        }
    }
    vfs.heal();
    // What failed is nowhere, what did not is there.
    if tree.is_damaged() {
        // A sync failed, the kernel lost pages, and the tree came upon one: an error, not an answer.
        assert!(plans.iter().any(|plan| plan.fault == Fault::SyncFailureDroppingPages), "{}", what());
    } else {
        let found = all(&tree, Direction::Forward, 64).into_iter().collect::<Map>();
        assert!(found == map, "{}: not what was acknowledged", what());
        assert_eq!(tree.len(), map.len() as u64);
        tree.check();
    }
    drop(tree);
    // And on the disk is a checkpoint that was asked for, whole.
    for after in [
        disk.kill(),
        disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced),
        disk.crash(disk.op_count(), &CrashChoice::KeepAll),
    ] {
        let (tree, _) = open_on(Arc::new(after), 24);
        let at = tree.covered();
        let map = kept.iter().find(|(covered, _)| *covered == at);
        let (_, map) = map.unwrap_or_else(|| panic!("{}: checkpoint {:?}", what(), at.map(|at| at.0[0])));
        tree.check();
        assert!(all(&tree, Direction::Forward, 64).into_iter().collect::<Map>() == *map, "{}: after it", what());
    }
    Run { vfs, failed_applies }
}

#[test]
fn every_operation_fails_once_and_for_ever() {
    let clean = run(&[]);
    let of = |fault| clean.vfs.count(fault, &Filter::any());
    let mut failed = 0;
    for n in 0..clean.vfs.total() {
        let fault = Fault::Error([errno::EIO, errno::ENOSPC, errno::EINTR][n as usize % 3]);
        failed += run(&[Plan::once(fault, n)]).failed_applies;
        if n % 3 == 0 {
            failed += run(&[Plan::forever(Fault::Error(errno::ENOSPC), n)]).failed_applies;
        }
    }
    for n in 0..of(Fault::ShortWrite(Short::Half)) {
        let full = Plan {
            fault: Fault::Error(errno::ENOSPC),
            filter: Filter::any().kinds(&[OpKind::Write]),
            nth: n + 1,
            forever: false,
        };
        failed += run(&[Plan::once(Fault::ShortWrite(Short::Bytes(700)), n), full]).failed_applies;
    }
    for n in 0..of(Fault::SyncFailureDroppingPages) {
        for plan in [Plan::once(Fault::SyncFailureDroppingPages, n), Plan::forever(Fault::SyncFailureDroppingPages, n)]
        {
            failed += run(&[plan]).failed_applies;
        }
    }
    assert!(failed > 100, "the disk failed and nobody noticed: {failed}");
}

/// A sync that failed is never tried again.
#[test]
fn a_failed_sync_is_the_last() {
    let disk = SimVfs::new(21);
    let vfs = FaultVfs::over_sim(&disk);
    let (tree, _) = open_on(Arc::new(vfs.clone()), 64);
    let mut map = Map::new();
    for round in 0..10 {
        change(&tree, &mut map, &batch(round)).expect("it applies");
    }
    vfs.inject(Plan::once(Fault::SyncFailureDroppingPages, 0));
    assert!(tree.checkpoint(&covered(1)).is_err());
    let syncs = || vfs.count(Fault::SyncFailureDroppingPages, &Filter::any());
    let before = syncs();
    for _ in 0..3 {
        assert!(tree.checkpoint(&covered(2)).is_err());
    }
    assert_eq!(syncs(), before);
}

/// A full disk fails what would need room on it, before anything is changed; when there is room again it goes on.
#[test]
fn a_full_disk_fails_the_write_and_nothing_else() {
    let disk = SimVfs::new(21);
    let (tree, _) = open_on(Arc::new(disk.clone()), 24);
    let (mut map, mut refused) = (Map::new(), 0);
    for round in 0..120 {
        disk.set_capacity(if round % 30 < 15 { None } else { Some(60_000) });
        if let Err(error) = change(&tree, &mut map, &batch(round)) {
            assert_eq!(error.status(), crate::Status::DiskFull, "{error}");
            refused += 1;
        }
    }
    assert!(refused > 10, "{refused}");
    disk.set_capacity(None);
    change(&tree, &mut map, &batch(7)).expect("it goes on");
    compare(&tree, &map);
    tree.checkpoint(&covered(1)).expect("a checkpoint");
    compare(&open(&disk, 24), &map);
}

/// Room was made for a group of commits: each is applied then although nothing can be read any more, however many there are and whatever
/// readers made of the cache meanwhile.
#[test]
fn what_there_was_room_for_is_applied_without_reading() {
    let disk = SimVfs::new(21);
    let key = |n: u64| [&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[..], &[7; 120]].concat();
    let mut map = Map::new();
    let batch: Vec<_> = (0..8000_u64).map(|n| (key(n), Some(n))).collect();
    let tree = open_on(Arc::new(disk.clone()), 256).0;
    batch.chunks(500).for_each(|part| change(&tree, &mut map, part).expect("it applies"));
    tree.checkpoint(&covered(1)).expect("a checkpoint");
    drop(tree);
    let vfs = FaultVfs::over_sim(&disk);
    let (tree, _) = open_on(Arc::new(vfs.clone()), 256);
    let group: Vec<_> = (0..8_u64).map(|n| (key(n * 900), n + 1)).collect();
    tree.reserve(&mut group.iter().map(|(key, _)| &key[..])).expect("room");
    assert_eq!(all(&tree, Direction::Forward, 5000).len(), 8000);
    let reads = Filter::any().kinds(&[OpKind::Read]);
    vfs.inject(Plan { fault: Fault::Error(errno::EIO), filter: reads, nth: 0, forever: true });
    for (key, new) in group {
        let mut one = [Change { key: &key, new: Some(location(new)), old: None }];
        tree.apply(&mut one).expect("it reads nothing");
        map.insert(key, new);
    }
    assert!(!vfs.fired(), "{:?}", vfs.fired_ops());
    assert_eq!(tree.writer.lock().pinned(), 0, "no page is kept that no tree has");
    vfs.heal();
    compare(&tree, &map);
}

/// An `apply` may write pages of a tree that an earlier process left, but doesn't wait for the sync that has to come first.
#[test]
fn an_apply_syncs_nothing() {
    let disk = SimVfs::new(21);
    let mut map = Map::new();
    let tree = open_on(Arc::new(disk.clone()), 24).0;
    for round in 0..10 {
        change(&tree, &mut map, &batch(round)).expect("it applies");
    }
    tree.checkpoint(&covered(1)).expect("a checkpoint");
    drop(tree);
    let vfs = FaultVfs::over_sim(&disk);
    let (tree, _) = open_on(Arc::new(vfs.clone()), 24);
    let of = |kind| vfs.count(Fault::Error(errno::EIO), &Filter::any().kinds(&[kind]));
    let batch: Vec<_> = (0..2500_u64).map(|n| (format!("some key {n:06}").into_bytes(), Some(n))).collect();
    tree.reserve(&mut batch.iter().map(|(key, _)| &key[..])).expect("room");
    let (syncs, writes) = (of(OpKind::SyncData), of(OpKind::Write));
    let mut changes: Vec<Change<'_>> =
        batch.iter().map(|(key, new)| Change { key, new: new.map(location), old: None }).collect();
    tree.apply(&mut changes).expect("apply");
    assert!(of(OpKind::Write) > writes, "it was to write");
    assert_eq!(of(OpKind::SyncData), syncs);
    map.extend(batch.into_iter().filter_map(|(key, new)| Some((key, new?))));
    compare(&tree, &map);
}
