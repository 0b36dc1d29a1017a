//! The file: cuts at every operation in every way, damage in every place, other files in its place, and space given back.

use super::*;
use crate::vfs::sim::CrashChoice;

/// What a tree held at each checkpoint, and the operation by which the call had returned.
type Checkpoints = Vec<(u8, Map, usize)>;

/// A history with checkpoints now and then, splits, removals and long keys.
fn workload(disk: &SimVfs, pages: usize) -> Checkpoints {
    let (tree, _) = open_on(Arc::new(disk.clone()), pages);
    let (mut map, mut kept) = (Map::new(), vec![(0, Map::new(), 0)]);
    for round in 0..24_u64 {
        let batch: Vec<_> = (0..90_u64)
            .map(|i| {
                let n = (round * 7919 + i * 104_729) % 1500;
                let key = if n.is_multiple_of(97) { vec![n as u8; 700] } else { format!("key{n:06}").into_bytes() };
                (key, (i % 4 != 3 || round < 6).then_some(round * 1000 + i))
            })
            .collect();
        apply(&tree, &mut map, &batch);
        if round % 3 == 2 {
            let n = kept.len() as u8;
            tree.checkpoint(&covered(n)).expect("a checkpoint");
            kept.push((n, map.clone(), disk.op_count()));
        }
    }
    kept
}

/// Opens and checks that what is there is one of the checkpoints in the range.
fn look(disk: &SimVfs, kept: &Checkpoints, from: usize, what: &dyn Fn() -> String) {
    let (tree, _) = open_on(Arc::new(disk.clone()), 40);
    let n = tree.covered().map_or(0, |covered| covered.0[0]);
    let at = kept.iter().position(|(number, ..)| *number == n).expect("a checkpoint");
    assert!(at >= from, "{}: checkpoint {n} for at least {from}", what());
    tree.check();
    let found: Map = all(&tree, Direction::Forward, 100).into_iter().collect();
    assert!(found == kept[at].1, "{}: not what checkpoint {n} said", what());
    // It goes on from there, and the next checkpoint stays too.
    let (mut map, batch) =
        (found, [(b"key000007".to_vec(), Some(1)), (vec![9; 20], Some(2)), (b"key000012".to_vec(), None)]);
    apply(&tree, &mut map, &batch);
    tree.checkpoint(&covered(99)).expect("a checkpoint");
    drop(tree);
    let tree = open(&disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced), 40);
    assert_eq!(tree.covered(), Some(covered(99)));
    assert!(all(&tree, Direction::Reverse, 100).into_iter().collect::<Map>() == map, "{}: the next", what());
}

#[test]
fn a_cut_anywhere_leaves_a_checkpoint() {
    let disk = SimVfs::new(5);
    let kept = workload(&disk, 40);
    let mut seed = 0_u64;
    for at in 0..=disk.op_count() {
        let mut choices = vec![CrashChoice::LoseUnsynced, CrashChoice::KeepAll];
        let unsynced = disk.unsynced_ops(at);
        choices.extend((0..unsynced.min(3)).map(|k| CrashChoice::DropOne((k * 31 + at) % unsynced)));
        choices.extend((0..unsynced.min(2)).map(|k| CrashChoice::ZeroOne((k * 17 + at) % unsynced)));
        choices.extend(disk.last_write_len(at).map(|len| CrashChoice::CutLastWrite(at * 131 % len)));
        choices.push(CrashChoice::Entries(at as u64));
        for unit in [512, 4096] {
            seed += 1;
            choices.push(CrashChoice::Pages { seed, unit });
        }
        let from = kept.iter().rposition(|(_, _, op)| *op <= at).expect("the empty one");
        for choice in choices {
            look(&disk.crash(at, &choice), &kept, from, &|| format!("{choice:?} at {at} of {}", disk.op_count()));
        }
    }
}

fn small() -> (SimVfs, Map) {
    let disk = SimVfs::new(9);
    let (tree, _) = open_on(Arc::new(disk.clone()), 64);
    let mut map = Map::new();
    let batch: Vec<_> = (0..700_u64).map(|n| (format!("key{:05}", n * 7).into_bytes(), Some(n))).collect();
    apply(&tree, &mut map, &batch);
    apply(&tree, &mut map, &[(vec![5; 9000], Some(77))]);
    tree.checkpoint(&covered(1)).expect("a checkpoint");
    let batch: Vec<_> = (0..80_u64).map(|n| (format!("key{:05}", n * 31).into_bytes(), None)).collect();
    apply(&tree, &mut map, &batch);
    tree.checkpoint(&covered(2)).expect("a checkpoint");
    (disk, map)
}

/// Opens a damaged file: the newest checkpoint with what it had, the one before it, or nothing; never something else.
fn unharmed(disk: &SimVfs, map: &Map, what: &dyn Fn() -> String) -> bool {
    let (tree, why) = open_on(Arc::new(disk.clone()), 64);
    let Some(at) = tree.covered() else {
        assert!(tree.is_empty() && why.is_some(), "{}", what());
        return false;
    };
    assert!(at == covered(1) || at == covered(2), "{}", what());
    tree.check();
    if at == covered(2) {
        assert!(all(&tree, Direction::Forward, 50).into_iter().collect::<Map>() == *map, "{}", what());
    }
    true
}

#[test]
fn no_truncation_is_believed() {
    let (disk, map) = small();
    let len = disk.bytes(&path()).expect("the file").len() as u64;
    let step = |at: u64| if at % 4096 < 300 { 1 } else { 61 };
    let (mut at, mut used) = (0, 0);
    while at < len {
        let copy = disk.copy();
        copy.truncate(&path(), at);
        used += u32::from(unharmed(&copy, &map, &|| format!("cut at {at} of {len}")));
        at += step(at);
    }
    assert!(used < 5000, "what is behind the pages in use may be missing");
    assert!(unharmed(&disk, &map, &|| "whole".into()));
}

#[test]
fn no_flipped_bit_is_believed() {
    let (disk, map) = small();
    let len = disk.bytes(&path()).expect("the file").len() as u64;
    for page in 0..len / 4096 {
        for n in 0..64_u64 {
            // The header densely, the rest here and there.
            let at = page * 4096 + if n < 32 { n } else { (n * 2_654_435_761 + page * 40_503) % 4096 };
            let copy = disk.copy();
            copy.flip_bit(&path(), at, (n % 8) as u8);
            unharmed(&copy, &map, &|| format!("bit {} of byte {at}", n % 8));
        }
    }
}

#[test]
fn swapped_and_stale_pages_are_not_believed() {
    let (disk, map) = small();
    let bytes = disk.bytes(&path()).expect("the file");
    let pages = bytes.len() / 4096;
    for a in 2..pages {
        for b in [2, (a + 1) % pages, pages - 1] {
            if b < 2 || a == b {
                continue;
            }
            let copy = disk.copy();
            copy.overwrite(&path(), a as u64 * 4096, &bytes[b * 4096..][..4096]);
            unharmed(&copy, &map, &|| format!("page {b} in the place of {a}"));
        }
    }
    // A page as it was before: its checksum is right, its stamp is not.
    let older = disk.copy();
    let tree = open(&disk, 64);
    let mut now = map.clone();
    for round in 0..6_u64 {
        let batch: Vec<_> = (0..700_u64).map(|n| (format!("key{:05}", n * 7).into_bytes(), Some(n + round))).collect();
        apply(&tree, &mut now, &batch);
        tree.checkpoint(&covered(1 + round as u8 % 2)).expect("a checkpoint");
    }
    drop(tree);
    let old = older.bytes(&path()).expect("the file");
    let mut found = 0;
    for no in 2..old.len() / 4096 {
        let copy = disk.copy();
        copy.overwrite(&path(), no as u64 * 4096, &old[no * 4096..][..4096]);
        found += u32::from(!unharmed(&copy, &now, &|| format!("page {no} as it was")));
    }
    assert!(found > 3, "{found}");
}

/// Damage in a file too large to be verified at open: readers get an error that says where, and the file is gone at the
/// next opening.
#[test]
fn damage_in_a_large_file_is_an_error_and_then_a_new_file() {
    let disk = SimVfs::new(9);
    let (tree, _) = open_on(Arc::new(disk.clone()), 64);
    let mut map = Map::new();
    for round in 0..40_u64 {
        let batch: Vec<_> =
            (0..1500).map(|n| ([&(n * 40 + round).to_be_bytes()[..], &[7; 120]].concat(), Some(n))).collect();
        apply(&tree, &mut map, &batch);
    }
    tree.checkpoint(&covered(1)).expect("a checkpoint");
    drop(tree);
    let meta = disk.bytes(&path()).expect("the file").len() / 4096;
    assert!(meta > VERIFIED_PAGES as usize, "{meta} pages");
    for page in 2..meta as u64 {
        if page % 5 != 0 {
            disk.flip_bit(&path(), page * 4096 + 2000, 1);
        }
    }
    let (tree, why) = open_on(Arc::new(disk.clone()), 64);
    if why.is_none() {
        let damaged = map.keys().find_map(|key| tree.get(key).err()).expect("a key in a damaged page");
        assert!(
            matches!(&damaged, Error::Corrupted { path: at, offset, .. } if *at == path() && *offset >= 8192),
            "{damaged}"
        );
        assert!(tree.is_damaged());
        assert!(tree.checkpoint(&covered(2)).is_err());
        assert!(disk.bytes(&path()).is_err(), "the file is gone");
        drop(tree);
    }
    assert!(open_on(Arc::new(disk.clone()), 64).0.is_empty());
}

#[test]
fn a_file_of_another_tree_or_of_nothing_is_replaced() {
    for bytes in [Vec::new(), vec![0; 8192], vec![0xFF; 50_000], b"BITCASKi".to_vec()] {
        let disk = SimVfs::new(2);
        disk.plant(&path(), &bytes);
        let (tree, why) = open_on(Arc::new(disk.clone()), 16);
        assert!(why.is_some() && tree.covered().is_none());
        let mut map = Map::new();
        apply(&tree, &mut map, &[(b"k".to_vec(), Some(1))]);
        tree.checkpoint(&covered(3)).expect("a checkpoint");
        drop(tree);
        compare(&open(&disk, 16), &map);
    }
    let disk = SimVfs::new(2);
    disk.plant_kind(&path(), crate::vfs::EntryKind::Directory);
    let (tree, why) = open_on(Arc::new(disk.clone()), 16);
    assert!(why.is_some());
    apply(&tree, &mut Map::new(), &[(b"k".to_vec(), Some(1))]);
    assert!(tree.checkpoint(&covered(3)).is_err(), "a directory is not replaced");
    drop(BPTree::create(Arc::new(disk.clone()), "/".into(), NAME, MIN_BUDGET));
    assert!(disk.tree().len() == 1, "nor removed");
}

/// The file keeps its size while keys come and go, and gives it back when they are gone; memory stays within the budget.
#[test]
fn space_and_memory_come_back() {
    let disk = SimVfs::new(4);
    let (tree, _) = open_on(Arc::new(disk.clone()), 64);
    let mut map = Map::new();
    let mut sizes = Vec::new();
    for round in 0..12_u64 {
        for part in 0..16_u64 {
            let batch: Vec<_> = (0..1000_u64)
                .map(|n| {
                    ((part * 1000 + n).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes().to_vec(), Some(round * 7 + n))
                })
                .collect();
            apply(&tree, &mut map, &batch);
            assert!(tree.memory() < 80 * PAGE_COST + (64 << 10), "{} bytes", tree.memory());
        }
        tree.checkpoint(&covered(round as u8)).expect("a checkpoint");
        sizes.push(disk.bytes(&path()).expect("the file").len());
    }
    assert!(sizes[11] <= sizes[3] + sizes[3] / 4, "{sizes:?}");
    compare(&tree, &map);
    let batch: Vec<_> = map.keys().map(|key| (key.clone(), None)).collect();
    for part in batch.chunks(500) {
        apply(&tree, &mut map, part);
    }
    for n in 0..3 {
        apply(&tree, &mut map, &[(b"one".to_vec(), Some(n))]);
        tree.checkpoint(&covered(n as u8)).expect("a checkpoint");
    }
    let len = disk.bytes(&path()).expect("the file").len();
    assert!(len < sizes[11] / 2, "{len} of {}", sizes[11]);
    assert!(tree.memory() < 8 * PAGE_COST + (64 << 10), "{} bytes", tree.memory());
    compare(&tree, &map);
}

/// A reader of an older tree finds all of it, whatever is written meanwhile.
#[test]
fn readers_keep_the_tree_that_they_began_with() {
    let disk = SimVfs::new(4);
    let (tree, _) = open_on(Arc::new(disk.clone()), 32);
    let mut map = Map::new();
    let key = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes().to_vec();
    let first: Vec<_> = (0..3000_u64).map(|n| (key(n), Some(1))).collect();
    apply(&tree, &mut map, &first);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // One scan is one tree: all keys have the same location.
                    let mut page = KeyPage::new();
                    tree.scan(Start::Edge, Direction::Forward, usize::MAX, &mut page).expect("a scan");
                    let first = page.get(0).expect("an entry").1;
                    assert!(entries(&page).iter().all(|(_, at)| *at == first.to_bits()), "a part of an apply");
                    assert_eq!(page.len(), 3000);
                }
            });
        }
        for round in 2..60_u64 {
            let batch: Vec<_> = (0..3000_u64).map(|n| (key(n), Some(round))).collect();
            apply(&tree, &mut map, &batch);
            if round % 5 == 0 {
                tree.checkpoint(&covered(round as u8)).expect("a checkpoint");
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    compare(&tree, &map);
}

/// All entries come, about equally often.
#[test]
fn samples_are_even() {
    let disk = SimVfs::new(4);
    let (tree, _) = open_on(Arc::new(disk.clone()), 64);
    let mut random = 7_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random ^ (random >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD)
    };
    assert_eq!(tree.sample(&mut next).expect("a sample"), None);
    let batch: Vec<_> =
        (0..2000_u64).map(|n| (format!("{}{n}", "x".repeat(n as usize % 50)).into_bytes(), Some(n))).collect();
    apply(&tree, &mut Map::new(), &batch);
    let mut seen = vec![0_u32; 2000];
    for _ in 0..100_000 {
        let at = tree.sample(&mut next).expect("a sample").expect("an entry");
        seen[at.to_bits() as usize] += 1;
    }
    // 50 each on average, with a deviation of 7.
    assert!(seen.iter().all(|&n| (15..100).contains(&n)), "{:?} to {:?}", seen.iter().min(), seen.iter().max());
}

/// Puts one by one, each of which gives page numbers back and takes them again: the queue of dirty pages stays within what it is to be, and looking
/// through it is paid for by what was put into it.
#[test]
fn the_queue_of_dirty_pages_stays_short() {
    let key = |n: u64| [&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[..], &[7; 230]].concat();
    for pages in [64, 8192] {
        let disk = SimVfs::new(4);
        let (tree, _) = open_on(Arc::new(disk.clone()), pages);
        let mut map = Map::new();
        for part in 0..10_u64 {
            let batch: Vec<_> = (0..1000).map(|n| (key(part * 1000 + n), Some(n))).collect();
            apply(&tree, &mut map, &batch);
        }
        tree.checkpoint(&covered(1)).expect("a checkpoint");
        let height = u64::from(tree.shared.version().height);
        assert!(height >= 3, "{height} levels");
        tree.writer.lock().walked = 0;
        let puts = 20_000;
        for n in 0..puts {
            apply(&tree, &mut map, &[(key(n * 37 % 300), Some(n))]);
            let (len, capacity, dirty) = tree.writer.lock().queue();
            assert!(len <= 2 * dirty + 1024, "{len} entries for {dirty} dirty pages after {n} puts");
            assert!(capacity <= 8 * (dirty + 1024), "room for {capacity} entries for {dirty} dirty pages");
        }
        let walked = tree.writer.lock().walked;
        assert!(walked <= 3 * puts * height, "{walked} entries in {puts} puts");
        compare(&tree, &map);
    }
}

/// Pages of the checkpoint before the last one were given out: with the last one damaged there is no tree any more, also if it was another
/// process that wrote it.
#[test]
fn an_older_checkpoint_is_not_gone_back_to() {
    let (disk, mut map) = small();
    let newest = |disk: &SimVfs, slot: u64| {
        disk.flip_bit(&path(), slot * 4096 + 50, 1);
        open_on(Arc::new(disk.clone()), 64)
    };
    let (tree, why) = newest(&disk.copy(), 0);
    assert!(tree.covered().is_none() && why.is_some_and(|why| why.contains("no valid checkpoint")));
    // A crash lost the zeros, which nobody synced: who writes pages of the older tree sees to it first.
    let disk = disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced);
    assert_eq!(newest(&disk.copy(), 0).0.covered(), Some(covered(1)), "it is still there");
    let tree = open(&disk, 16);
    for round in 0..4_u64 {
        let batch: Vec<_> = (0..700_u64).map(|n| (format!("key{:05}", n * 7).into_bytes(), Some(n + round))).collect();
        apply(&tree, &mut map, &batch);
    }
    drop(tree);
    let (tree, why) = newest(&disk.copy(), 0);
    assert!(tree.covered().is_none() && why.is_some_and(|why| why.contains("no valid checkpoint")));
}

/// A walk finds all that stays, and no page that was given back under it.
#[test]
fn a_walk_goes_beside_a_writer() {
    let (tree, mut map) = (BPTree::in_memory(), Map::new());
    let key = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes().to_vec();
    let first: Vec<_> = (0..3000_u64).map(|n| (key(n), Some(n))).collect();
    apply(&tree, &mut map, &first);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let (mut position, mut found) = (WalkPosition::default(), Vec::new());
                while tree.walk(&mut position, 1, &mut found).expect("a walk") {}
            }
        });
        for n in 0..40_000_u64 {
            apply(&tree, &mut map, &[(key(n % 3000), Some(n))]);
        }
        done.store(true, Ordering::Relaxed);
    });
    compare(&tree, &map);
}
