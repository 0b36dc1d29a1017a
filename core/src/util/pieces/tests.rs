//! Pieces: their own, kept, given back; pools that come and go.

use super::pool::{ENOUGH, SPARE_FROM};
use super::*;
use crate::util::huge::tests::DENIED;
use std::sync::OnceLock;

const FULL: usize = 2048;

fn pool() -> Pool<AtomicU64> {
    Pool::new(FULL)
}

fn many(pool: &mut Pool<AtomicU64>, n: usize) -> Vec<Piece<AtomicU64>> {
    (0..n).map(|_| pool.take(FULL, || AtomicU64::new(7))).collect()
}

/// Beyond the threshold pieces come from regions; each is new, is no other's, and goes back to be had again.
#[test]
fn pieces_are_new_and_their_own() {
    let (mut pool, loose) = (pool(), ENOUGH / (FULL * 8));
    for round in 0..3 {
        let pieces = many(&mut pool, loose + 300);
        assert_eq!(pool.regions.len(), 3, "300 parts of 128 to a region");
        for (i, piece) in pieces.iter().enumerate() {
            assert_eq!(piece.len(), FULL);
            assert!(piece.iter().all(|word| word.load(Ordering::Relaxed) == 7), "round {round}: {i} is used");
            piece.iter().for_each(|word| word.store(i as u64, Ordering::Relaxed));
        }
        for (i, piece) in pieces.iter().enumerate() {
            assert!(piece.iter().all(|word| word.load(Ordering::Relaxed) == i as u64), "{i} is shared");
        }
        let bytes = (loose + 3 * 128) * FULL * 8;
        assert!((bytes..bytes + 1024).contains(&pool.memory()), "{}", pool.memory());
        pieces.into_iter().for_each(|piece| pool.give(piece));
        assert!(pool.memory() < 1024, "{} bytes are kept", pool.memory());
    }
}

#[test]
fn a_part_given_back_is_the_next_to_be_had() {
    let mut pool = pool();
    let mut pieces = many(&mut pool, ENOUGH / (FULL * 8) + 128);
    let regions = pool.regions.len();
    let place = |piece: &Piece<AtomicU64>| piece.as_ptr().addr();
    let gone = pieces.remove(ENOUGH / (FULL * 8) + 64);
    let was = place(&gone);
    pool.give(gone);
    let again = pool.take(FULL, || AtomicU64::new(7));
    assert_eq!((place(&again), pool.regions.len()), (was, regions));
    assert_eq!(place(&pieces[ENOUGH / (FULL * 8)]) % HUGE_PAGE, 0, "a region is a huge page");
}

/// A piece holds its region, whether or not there is a pool.
#[test]
fn pieces_outlive_their_pool() {
    let mut pool = pool();
    let last = many(&mut pool, ENOUGH / (FULL * 8) + 1).pop().expect("many");
    assert!(last.home.is_some());
    drop(pool);
    last[FULL - 1].store(9, Ordering::Relaxed);
    assert_eq!(last[FULL - 1].load(Ordering::Relaxed), 9);
}

/// Pieces that can be moved leave no more than a region's parts and an eighth of the used ones free, however they come and go.
#[test]
fn movable_pieces_settle() {
    let mut pool = Pool::<AtomicU64>::of_movable(FULL);
    let mut pieces: Vec<OnceLock<Piece<AtomicU64>>> = Vec::new();
    let copy = |word: &AtomicU64| AtomicU64::new(word.load(Ordering::Relaxed));
    let check = |pool: &Pool<AtomicU64>, pieces: &[OnceLock<Piece<AtomicU64>>]| {
        let there: Vec<_> = pieces.iter().enumerate().filter_map(|(i, p)| Some((i, p.get()?))).collect();
        for (i, piece) in &there {
            assert!(piece.iter().all(|word| word.load(Ordering::Relaxed) == *i as u64), "piece {i}");
        }
        let (bytes, used) = (FULL * 8, there.len());
        assert_eq!(pool.used(), used * bytes);
        assert_eq!(pool.free, pool.regions.iter().map(|region| region.free_parts()).sum::<usize>());
        let most = used + used / 8 + 128;
        assert!(pool.memory() <= most * bytes + 1024, "{} for {used} pieces", pool.memory());
        let loose = there.iter().filter(|(_, piece)| piece.home.is_none()).count();
        assert!(used * bytes < ENOUGH || loose < 128, "{loose} of {used} are loose");
        assert!(used * bytes >= ENOUGH / 2 || pool.regions.is_empty(), "{used} pieces need no region");
    };
    let put = |pool: &mut Pool<AtomicU64>, i: usize| OnceLock::from(pool.take(FULL, || AtomicU64::new(i as u64)));
    for i in 0..3000 {
        let piece = put(&mut pool, i);
        pieces.push(piece);
        if pool.is_unsettled() {
            pool.settle(&mut pieces, copy);
        }
        if i % 100 == 0 {
            check(&pool, &pieces);
        }
    }
    // Every third comes back meanwhile.
    for i in (0..3000).map(|i| i * 1777 % 3000) {
        pool.give(pieces[i].take().expect("each is given once"));
        if i % 3 == 0 && pieces.len() < 4000 {
            let piece = put(&mut pool, pieces.len());
            pieces.push(piece);
        }
        if pool.is_unsettled() {
            pool.settle(&mut pieces, copy);
        }
        if i % 10 == 0 {
            check(&pool, &pieces);
        }
    }
    for i in 3000..4000 {
        pool.give(pieces[i].take().expect("each is given once"));
        if pool.is_unsettled() {
            pool.settle(&mut pieces, copy);
        }
        if i % 10 == 0 {
            check(&pool, &pieces);
        }
    }
    check(&pool, &pieces);
    assert!(pool.memory() < 1024, "{} bytes for nothing", pool.memory());
}

/// Where no huge page can be had all pieces are allocations of their own.
#[test]
fn pieces_do_without_regions() {
    let (mut pool, loose) = (pool(), ENOUGH / (FULL * 8));
    DENIED.set(true);
    let pieces = many(&mut pool, loose + 300);
    assert!(pool.regions.is_empty() && pieces.iter().all(|piece| piece.home.is_none()));
    assert_eq!(pool.memory(), (loose + 300) * FULL * 8);
    let mut movable = Pool::<AtomicU64>::of_movable(FULL);
    let mut pieces: Vec<_> =
        (0..loose + 300).map(|i| OnceLock::from(movable.take(FULL, || AtomicU64::new(i as u64)))).collect();
    assert!(movable.is_unsettled());
    let copied = AtomicU64::new(0);
    let copy = |word: &AtomicU64| {
        copied.fetch_add(1, Ordering::Relaxed);
        AtomicU64::new(word.load(Ordering::Relaxed))
    };
    movable.settle(&mut pieces, copy);
    assert_eq!(movable.memory(), (loose + 300) * FULL * 8);
    assert!(copied.load(Ordering::Relaxed) <= FULL as u64, "it does not try with each piece");
    DENIED.set(false);
    movable.settle(&mut pieces, copy);
    assert!(!movable.is_unsettled() && !movable.regions.is_empty());
    for (i, piece) in pieces.iter().filter_map(OnceLock::get).enumerate() {
        assert!(piece.iter().all(|word| word.load(Ordering::Relaxed) == i as u64), "piece {i}");
    }
}

#[test]
fn an_empty_region_is_kept_by_a_large_pool_only() {
    let mut pool = pool();
    let mut pieces = many(&mut pool, ENOUGH / (FULL * 8) + 128 * (SPARE_FROM + 1));
    for _ in 0..128 {
        pool.give(pieces.pop().expect("many"));
    }
    assert_eq!(pool.regions.len(), SPARE_FROM + 1, "one is spared");
    for _ in 0..128 {
        pool.give(pieces.pop().expect("many"));
    }
    assert_eq!(pool.regions.len(), SPARE_FROM, "two are not");
}

/// Sizes that a huge page has no whole number of.
#[test]
fn odd_sizes_are_allocations_of_their_own() {
    for full in [0, 3, 1 << 10, HUGE_PAGE] {
        let mut pool = Pool::<AtomicU64>::new(full);
        let pieces: Vec<_> =
            (0..2 * ENOUGH / (full.max(64) * 8)).map(|_| pool.take(full, || AtomicU64::new(7))).collect();
        assert!(pieces.iter().all(|piece| piece.home.is_none() && piece.len() == full), "{full}");
        assert_eq!(pool.memory(), pieces.len() * full * 8);
    }
    assert!(Piece::<AtomicU64>::default().is_empty());
}

/// Pieces of lent pages are that memory, hold it, and are no pool's.
#[test]
fn lent_pages_are_shared_and_held() {
    let run = PageRun::zeroed(2);
    let (lender, mut pool) = (Lender::new(run.part(0..2).unwrap()), pool());
    let piece = lender.piece::<AtomicU64>(PAGE_SIZE, FULL / 4).unwrap();
    piece[3].store(5 | 6 << 32, Ordering::Relaxed);
    let words = [run[1].word(6), run[1].word(7)];
    assert_eq!(words, if cfg!(target_endian = "little") { [5, 6] } else { [6, 5] });
    assert!(piece.lent().is_some_and(|run| run.len() == 2) && pool.take(3, || AtomicU64::new(0)).lent().is_none());
    for (at, len) in [(PAGE_SIZE, 513), (2 * PAGE_SIZE + 8, 0), (4, 1), (8, usize::MAX)] {
        assert!(lender.piece::<AtomicU64>(at, len).is_none(), "{len} at {at}");
    }
    drop((lender, run));
    pool.give(std::mem::take(&mut { piece }));
    assert_eq!(pool.free, 0);
}

/// Items that own something are dropped once, in a region or out of it.
#[test]
fn items_are_dropped() {
    let (counted, mut pool) = (Arc::new(()), Pool::<(Arc<()>, [u64; 1023])>::new(4));
    let item = || (counted.clone(), [0; 1023]);
    let pieces: Vec<_> = (0..ENOUGH / (4 * 8192) + 3).map(|_| pool.take(4, item)).collect();
    assert_eq!((pool.regions.len(), Arc::strong_count(&counted)), (1, pieces.len() * 4 + 1));
    drop(pieces);
    assert_eq!(Arc::strong_count(&counted), 1);
}
