//! The protocol under loom: every interleaving, and every value that a relaxed load may see, of one writer and one reader.
//!
//! Words hold what a change writes to all of them alike, so that a mixture shows. Each model has a twin with one step of the
//! protocol left out, which must fail: that is how the models show that they look where it matters.

use super::{Budget, Word, enter, lock, unlock, valid};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering, fence};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Word for AtomicU32 {
    fn load(&self, order: Ordering) -> u32 {
        AtomicU32::load(self, order)
    }

    fn store(&self, value: u32, order: Ordering) {
        AtomicU32::store(self, value, order);
    }

    fn fence(order: Ordering) {
        fence(order);
    }
}

/// A version in the writer's hands. What the writer loads is what it stored last, since nobody else stores: taken from a copy, since
/// loom tries fewer interleavings around a thread that loads what it is about to store.
struct Own<'a>(&'a AtomicU32, Cell<u32>);

impl Own<'_> {
    fn new(version: &AtomicU32) -> Own<'_> {
        Own(version, Cell::new(0))
    }
}

impl Word for Own<'_> {
    fn load(&self, _: Ordering) -> u32 {
        self.1.get()
    }

    fn store(&self, value: u32, order: Ordering) {
        self.1.set(value);
        self.0.store(value, order);
    }

    fn fence(order: Ordering) {
        fence(order);
    }
}

/// A step of the protocol that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// The odd version, and the fence behind it.
    Lock,
    /// The fence between the odd version and the stores.
    LockFence,
    /// Release, as the change ends.
    Release,
    /// Acquire, as the look begins.
    Acquire,
    /// The fence between the loads and the second look at the version.
    ValidFence,
    /// The look at the parent with the child's version in hand.
    HandOver,
    /// Locks of both pages until both are changed.
    TwoPhase,
}

impl Without {
    fn lock(self, version: &Own<'_>) {
        match self {
            Without::Lock => {}
            Without::LockFence => version.store(version.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
            _ => assert!(lock(version)),
        }
    }

    fn unlock(self, version: &Own<'_>) {
        match self {
            Without::Lock => version.store(version.load(Ordering::Relaxed) + 2, Ordering::Release),
            Without::Release => version.store(version.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
            _ => unlock(version),
        }
    }

    fn enter(self, version: &AtomicU32) -> Option<super::Seen> {
        match self {
            Without::Acquire => Some(super::Seen(version.load(Ordering::Relaxed))).filter(|seen| seen.0 & 1 == 0),
            _ => enter(version),
        }
    }

    fn valid(self, version: &AtomicU32, seen: super::Seen) -> bool {
        match self {
            Without::ValidFence => version.load(Ordering::Relaxed) == seen.0,
            _ => valid(version, seen),
        }
    }
}

fn holds(model: impl Fn() + Send + Sync + 'static) -> bool {
    catch_unwind(AssertUnwindSafe(|| loom::model(model))).is_ok()
}

/// One page of two words, changed twice.
fn one_page(without: Without) -> bool {
    holds(move || {
        let page = Arc::new([const { 0 }; 3].map(|_: u32| AtomicU32::new(0)));
        let shared = page.clone();
        let writer = loom::thread::spawn(move || {
            let [version, a, b] = &*shared;
            let version = Own::new(version);
            for n in 1..=2 {
                without.lock(&version);
                a.store(n, Ordering::Relaxed);
                b.store(n, Ordering::Relaxed);
                without.unlock(&version);
            }
        });
        let [version, a, b] = &*page;
        if let Some(seen) = without.enter(version) {
            let (a, b) = (a.load(Ordering::Relaxed), b.load(Ordering::Relaxed));
            if without.valid(version, seen) {
                assert_eq!(a, b, "torn");
                assert_eq!(a, seen.0 / 2, "another version's");
            }
        }
        writer.join().expect("writer");
    })
}

/// A parent that names one of two children; the key's payload moves from child 0 to child 1, as in a split or a shift.
fn hand_over(without: Without) -> bool {
    holds(move || {
        // Version and content: of the parent which child, of a child the payload, 0 for none.
        let pages = Arc::new([0, 7, 0].map(|content| [AtomicU32::new(0), AtomicU32::new(content)]));
        let shared = pages.clone();
        let writer = loom::thread::spawn(move || {
            let [parent, left, right] = shared.each_ref().map(|[version, content]| (Own::new(version), content));
            if without == Without::TwoPhase {
                for (page, content) in [(left, 0), (right, 7), (parent, 1)] {
                    assert!(lock(&page.0));
                    page.1.store(content, Ordering::Relaxed);
                    unlock(&page.0);
                }
                return;
            }
            for (page, content) in [(&right, 7), (&left, 0), (&parent, 1)] {
                without.lock(&page.0);
                page.1.store(content, Ordering::Relaxed);
            }
            [left, right, parent].iter().for_each(|page| without.unlock(&page.0));
        });
        let look = || {
            let parent = &pages[0];
            let parent_seen = without.enter(&parent[0])?;
            let child = pages.get(1 + parent[1].load(Ordering::Relaxed) as usize)?;
            if without == Without::HandOver && !without.valid(&parent[0], parent_seen) {
                return None;
            }
            let child_seen = without.enter(&child[0])?;
            if without != Without::HandOver && !without.valid(&parent[0], parent_seen) {
                return None;
            }
            let payload = child[1].load(Ordering::Relaxed);
            without.valid(&child[0], child_seen).then_some(payload)
        };
        if let Some(payload) = look() {
            assert_eq!(payload, 7, "the key was there all the time");
        }
        writer.join().expect("writer");
    })
}

/// A number outside of pages (a root, a number of segments) stored while the pages that it concerns are locked.
fn number(without: Without) -> bool {
    holds(move || {
        let state = Arc::new((AtomicU32::new(0), [7, 0].map(|content| [AtomicU32::new(0), AtomicU32::new(content)])));
        let shared = state.clone();
        let writer = loom::thread::spawn(move || {
            let (number, pages) = &*shared;
            let versions = pages.each_ref().map(|page| Own::new(&page[0]));
            versions.iter().for_each(|version| without.lock(version));
            pages[0][1].store(0, Ordering::Relaxed);
            pages[1][1].store(7, Ordering::Relaxed);
            number.store(1, Ordering::Release);
            versions.iter().for_each(|version| without.unlock(version));
        });
        let (number, pages) = &*state;
        let look = || {
            let no = number.load(Ordering::Acquire);
            let page = pages.get(no as usize)?;
            let seen = without.enter(&page[0])?;
            if without != Without::HandOver && number.load(Ordering::Relaxed) != no {
                return None;
            }
            let payload = page[1].load(Ordering::Relaxed);
            without.valid(&page[0], seen).then_some(payload)
        };
        if let Some(payload) = look() {
            assert_eq!(payload, 7, "the key was there all the time");
        }
        writer.join().expect("writer");
    })
}

#[test]
fn a_look_at_a_page_sees_one_change_or_another() {
    assert!(one_page(Without::Nothing));
    let unnoticed: Vec<_> =
        [Without::Lock, Without::LockFence, Without::Release, Without::Acquire, Without::ValidFence]
            .into_iter()
            .filter(|w| one_page(*w))
            .collect();
    assert!(unnoticed.is_empty(), "the model doesn't notice that these are missing: {unnoticed:?}");
}

#[test]
fn a_look_through_a_parent_finds_what_moves_between_children() {
    assert!(hand_over(Without::Nothing));
    let unnoticed: Vec<_> = [Without::Lock, Without::HandOver, Without::TwoPhase, Without::Release]
        .into_iter()
        .filter(|w| hand_over(*w))
        .collect();
    assert!(unnoticed.is_empty(), "the model doesn't notice that these are missing: {unnoticed:?}");
}

#[test]
fn a_look_through_a_number_finds_what_moves_between_pages() {
    assert!(number(Without::Nothing));
    let unnoticed: Vec<_> = [Without::Lock, Without::HandOver].into_iter().filter(|w| number(*w)).collect();
    assert!(unnoticed.is_empty(), "the model doesn't notice that these are missing: {unnoticed:?}");
}

#[test]
fn a_budget_ends_and_is_refilled() {
    let mut budget = Budget::new();
    assert!(budget.spend());
    budget.exhaust();
    assert!(!budget.spend() && !budget.spend());
    budget.refill();
    assert!(budget.spend());
}
