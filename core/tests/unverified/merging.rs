//! Merges and bulk loads beside an index of which not all is verified, whole or damaged: what they change waits for it, or finds the damage, and
//! loses nothing.

use bitcask::{BulkOptions, Db, IndexKind, MergeOptions};

use super::common::{IO_KINDS, Map, Rng, check_accounts};
use super::{KINDS, NAME, assert_is, assert_stays, at, closed, key, keys, open_held, options, place, write};

/// Does something in a thread of its own, with writes beside it, and lets the verification go on when they are made. The index is whole, or damaged somewhere.
fn beside(what: &str, work: impl Fn(&Db, IndexKind, &mut Map) + Sync, seed: u64) {
    for kind in KINDS {
        for is_damaged in [false, true] {
            for io in IO_KINDS {
                let what = format!("{what}, {kind:?}, damaged: {is_damaged}, {io:?}");
                let ((disk, mut state), mut rng) = (closed(kind), Rng(seed));
                disk.set_maps(true);
                let before = state.clone();
                let damage = if is_damaged { place(&disk, &mut rng) } else { u64::MAX };
                if is_damaged {
                    disk.flip_bit(&at(NAME), damage, 3);
                }
                let options = options(kind).io(io);
                let (held, db) = open_held(&disk, kind, &options, damage);
                let snapshot = db.snapshot().expect("a snapshot");
                // Few pages of the tree.
                (0..100).for_each(|_| write(&db, &mut state, kind, &mut rng, 0..60));
                let mut worked = Map::new();
                std::thread::scope(|scope| {
                    let worker = scope.spawn(|| work(&db, kind, &mut worked));
                    (0..200).for_each(|_| write(&db, &mut state, kind, &mut rng, 0..60));
                    held.let_go();
                    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                });
                state.append(&mut worked);
                assert_is(&db, &state, &what);
                check_accounts(&db);
                for n in (0..keys(kind)).step_by(173) {
                    let (key, found) = (key(kind, n), snapshot.get(&key(kind, n)).expect("get"));
                    assert_eq!(found.as_deref(), before.get(&key).map(Vec::as_slice), "{what}");
                }
                drop(snapshot);
                (0..100).for_each(|_| write(&db, &mut state, kind, &mut rng, 0..keys(kind)));
                assert_stays(db, &disk, &options, &state, &what);
            }
        }
    }
}

#[test]
fn a_merge_of_all_files_beside_it() {
    let merge = |db: &Db, kind, _: &mut Map| {
        let report = db.merge(&MergeOptions::new().everything(true)).expect("it merges");
        assert!(!report.removed_files.is_empty(), "{report:?}");
        assert!(report.copied_records + 400 > keys(kind), "{report:?}");
    };
    beside("a merge", merge, 51);
}

#[test]
fn a_load_beside_it() {
    let load = |db: &Db, kind, loaded: &mut Map| {
        let mut load = db.bulk_load(BulkOptions::new()).expect("a load");
        // Some that are there, and others; so many that they go to files of their own.
        for n in (100..keys(kind) + 3000).step_by(if kind == IndexKind::Hash { 41 } else { 3 }) {
            let (key, value) = (key(kind, n), n.to_string().repeat(900).into_bytes());
            load.put(&key, &value).expect("put");
            loaded.insert(key, value);
        }
        load.finish().expect("finish");
    };
    beside("a load", load, 52);
}
