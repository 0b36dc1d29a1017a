//! The table by itself: who gets an object, and when it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::stripes::{One, Striped};

/// Counts its drops, and knows whether it is still there: by a flag outside of it, as a slot keeps the bytes of an object
/// that was moved out.
struct Probe {
    number: usize,
    alive: &'static AtomicBool,
    drops: Arc<AtomicUsize>,
}

impl Probe {
    fn new(number: usize, drops: &Arc<AtomicUsize>) -> Probe {
        Probe { number, alive: Box::leak(Box::new(AtomicBool::new(true))), drops: Arc::clone(drops) }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        assert!(self.alive.swap(false, Relaxed), "dropped twice");
        self.drops.fetch_add(1, Relaxed);
    }
}

fn insert<U: Users>(table: &Table<Probe, U>, number: usize, drops: &Arc<AtomicUsize>) -> (usize, usize) {
    table.insert(Probe::new(number, drops)).ok().expect("a free slot")
}

fn lives_and_goes<U: Users>() {
    let table: Table<Probe, U> = Table::new();
    let drops = Arc::default();
    let (index, generation) = insert(&table, 7, &drops);
    assert!(generation != 0);
    assert_eq!(table.enter(index, generation).map(|probe| probe.number), Some(7));
    assert!(table.enter(index, generation + 1).is_none());
    assert!(table.enter(index + 1, generation).is_none(), "a slot that never was used");
    assert!(table.enter(1 << 20, generation).is_none(), "a chunk that is not there");
    assert!(table.enter(usize::MAX, generation).is_none());

    let inside = table.enter(index, generation);
    let closing = table.close(index, generation);
    assert_eq!(closing.as_ref().map(|probe| probe.number), Some(7));
    assert!(table.close(index, generation).is_none(), "closed twice");
    assert!(table.enter(index, generation).is_none(), "used after close");
    drop(closing);
    assert_eq!(drops.load(Relaxed), 0, "somebody is inside");
    assert_eq!(inside.as_ref().map(|probe| probe.number), Some(7));
    drop(inside);
    assert_eq!(drops.load(Relaxed), 1);

    let (index_again, generation_again) = insert(&table, 8, &drops);
    assert_eq!((index_again, generation_again), (index, generation + 1), "the slot is used again");
    assert!(table.enter(index, generation).is_none());
    drop(table.close(index_again, generation_again));
    assert_eq!(drops.load(Relaxed), 2);
}

#[test]
fn an_object_lives_until_it_is_closed_and_the_last_has_left() {
    lives_and_goes::<One>();
    lives_and_goes::<Striped>();
}

#[test]
fn many_objects_have_slots_of_their_own() {
    let table: Table<Probe, One> = Table::new();
    let drops = Arc::default();
    let handles: Vec<_> = (0..10_000).map(|number| insert(&table, number, &drops)).collect();
    for (number, &(index, generation)) in handles.iter().enumerate() {
        assert_eq!(table.enter(index, generation).map(|probe| probe.number), Some(number));
    }
    for &(index, generation) in &handles {
        assert!(table.close(index, generation).is_some());
    }
    assert_eq!(drops.load(Relaxed), handles.len());
    let mut again: Vec<_> = (0..10_000).map(|number| insert(&table, number, &drops).0).collect();
    again.sort_unstable();
    again.dedup();
    assert_eq!(again.len(), 10_000, "no slot is handed out twice");
    assert!(again.iter().all(|index| *index < 10_000), "and none was lost");
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_slot_whose_generations_are_used_up_is_left_alone() {
    let table: Table<Probe, One> = Table::new();
    let drops = Arc::default();
    let (index, generation) = insert(&table, 1, &drops);
    drop(table.close(index, generation));
    let slot = table.slot(index).unwrap();
    slot.state.store((GENERATION_MASK - 1) << 2 | FREE, SeqCst);
    let last = insert(&table, 2, &drops);
    assert_eq!(last, (index, GENERATION_MASK as usize));
    drop(table.close(last.0, last.1));
    assert_ne!(insert(&table, 3, &drops).0, index);
}

#[test]
fn chunks_cover_every_index_once() {
    let mut expected = (0, 0);
    for index in 0..200_000 {
        let (chunk, place, len) = locate(index);
        assert_eq!((chunk, place), expected);
        expected = if place + 1 == len { (chunk + 1, 0) } else { (chunk, place + 1) };
    }
    assert_eq!(locate(MAX_SLOTS - 1).0, CHUNKS - 1);
}

/// Threads make, use and close objects of one small set, each other's too. Every object is dropped once, nobody sees one
/// that is dropped or another than the handle's, and every handle is closed by one thread only.
fn storm<U: Users>(rounds: usize) {
    const THREADS: usize = 4;
    const PLACES: usize = 8;
    let table: Table<Probe, U> = Table::new();
    // A handle in two words, so that half of the looks find a mix: a made-up handle.
    let places: [(AtomicUsize, AtomicUsize); PLACES] = Default::default();
    let drops: Arc<AtomicUsize> = Arc::default();
    let (made, closed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (table, places, drops, made, closed) = (&table, &places, &drops, &made, &closed);
            scope.spawn(move || {
                let mut random = thread as u64 * 2 + 1;
                for _ in 0..rounds {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let place = &places[(random >> 40) as usize % PLACES];
                    let (index, generation) = (place.0.load(Relaxed), place.1.load(Relaxed));
                    match (random >> 60) % 4 {
                        0 => {
                            let (index, generation) = insert(table, thread, drops);
                            made.fetch_add(1, Relaxed);
                            place.0.store(index, Relaxed);
                            place.1.store(generation, Relaxed);
                        }
                        1 => {
                            closed.fetch_add(usize::from(table.close(index, generation).is_some()), Relaxed);
                        }
                        _ => {
                            if let Some(probe) = table.enter(index, generation) {
                                assert!(probe.alive.load(Relaxed), "the object is gone");
                                std::hint::spin_loop();
                                assert!(probe.alive.load(Relaxed), "the object went meanwhile");
                            }
                        }
                    }
                }
            });
        }
    });
    assert_eq!(drops.load(Relaxed), closed.load(Relaxed), "dropped as often as closed");
    assert!(closed.load(Relaxed) <= made.load(Relaxed));
    // What was overwritten before anybody closed it is still there; nothing is left over or dropped twice.
    let left = table.used.load(Relaxed) as usize;
    let live = (0..left).filter(|index| table.slot(*index).unwrap().state.load(Relaxed) & PHASE == LIVE).count();
    assert_eq!(live, made.load(Relaxed) - closed.load(Relaxed));
    let stuck = (0..left).filter(|index| table.slot(*index).unwrap().state.load(Relaxed) & PHASE >= CLOSING).count();
    assert_eq!(stuck, 0, "everybody has left, so nothing waits to be dropped");
}

#[test]
fn a_storm_of_threads_drops_every_object_once() {
    storm::<One>(if cfg!(miri) { 300 } else { 300_000 });
    storm::<Striped>(if cfg!(miri) { 300 } else { 300_000 });
}
