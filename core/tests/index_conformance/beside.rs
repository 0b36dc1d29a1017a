//! Readers beside the writer. The writer makes a certain number of steps, and readers run for as long as that takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bitcask::Location;
use bitcask::index::{Change, Direction, Index, Start};

use crate::common::{Rng, factor};
use crate::each_kind;
use crate::keys::key;
use crate::subject::{Entry, Key, location, scan, scan_all};

const FIXED: usize = 3_000;
const PAIRS: usize = 40;
const READERS: u64 = 3;

/// Keys that stay as they are, with locations that only they have.
struct Fixed {
    keys: Vec<Key>,
    entries: BTreeMap<Key, Location>,
}

impl Fixed {
    fn new(index: &dyn Index, family: u8) -> Fixed {
        let keys: Vec<Key> = (0..FIXED as u32).map(|n| key(family, 2 * n)).collect();
        let entries: BTreeMap<Key, Location> = keys.iter().cloned().zip((0..).map(Fixed::location)).collect();
        for (key, location) in &entries {
            index.apply(&mut [Change { key, new: Some(*location), old: None }]).expect("apply");
        }
        Fixed { keys, entries }
    }

    fn location(n: usize) -> Location {
        location(1_000_000 + n as u64)
    }

    /// Whether a scan is in order and has all fixed keys of what it went over.
    fn check(&self, kind: &str, got: &[Entry], direction: Direction, complete: bool) {
        let forward = direction == Direction::Forward;
        assert!(got.is_sorted_by(|a, b| if forward { a.0 < b.0 } else { a.0 > b.0 }), "{kind}: order {direction:?}");
        let found = got.iter().filter(|(key, location)| self.entries.get(key) == Some(location)).count();
        let wanted = match (got.first(), got.last()) {
            _ if complete => self.entries.len(),
            (Some((a, _)), Some((b, _))) => self.entries.range(a.min(b).clone()..=a.max(b).clone()).count(),
            _ => 0,
        };
        assert_eq!(found, wanted, "{kind}: keys that nobody touched, {direction:?}");
    }
}

/// Two keys that come and go in one call and get the same location: neighbours, or far from each other.
fn pair(n: usize) -> [Key; 2] {
    let other = if n.is_multiple_of(2) { "a" } else { "z" };
    [format!("{other}pair{n:04}a").into_bytes(), format!("apair{n:04}b").into_bytes()]
}

/// A pair is seen together, at one location, or not at all: all pairs in a scan of everything, or those of neighbours.
fn check_pairs(kind: &str, got: &[Entry], neighbours: bool) {
    let entries: BTreeMap<&[u8], Location> = got.iter().map(|(key, location)| (&key[..], *location)).collect();
    for n in (0..PAIRS).filter(|n| !neighbours || n.is_multiple_of(2)) {
        let [one, other] = pair(n).map(|key| entries.get(&key[..]));
        assert_eq!(one, other, "{kind}: pair {n} seen in part");
    }
}

fn read(kind: &str, index: &dyn Index, fixed: &Fixed, random: &mut Rng, round: usize) {
    for _ in 0..50 {
        let n = random.below(FIXED);
        let got = index.get(&fixed.keys[n]).expect("get");
        assert_eq!(got, Some(Fixed::location(n)), "{kind}: a key that nobody touched");
    }
    if !index.capabilities().ordered {
        return;
    }
    let direction = if round.is_multiple_of(2) { Direction::Forward } else { Direction::Reverse };
    let from = &fixed.keys[random.below(FIXED)];
    let start = if round.is_multiple_of(3) { Start::At(from) } else { Start::After(from) };
    fixed.check(kind, &scan(index, start, direction, 1 + random.below(100)), direction, false);
    let whole = scan(index, Start::Edge, direction, usize::MAX);
    fixed.check(kind, &whole, direction, true);
    check_pairs(kind, &whole, false);
    check_pairs(kind, &scan(index, Start::At(b"apair"), Direction::Forward, 2 * PAIRS), true);
    fixed.check(kind, &scan_all(index, direction, 37 + round % 100), direction, true);
}

/// Single changes between the fixed keys, and now and then a batch of pairs.
fn write(index: &dyn Index, family: u8, steps: usize) {
    let mut random = Rng(u64::from(family) + 1);
    for step in 0..steps {
        if step.is_multiple_of(20) {
            let (new, first) = (random.below(3) > 0, random.below(PAIRS));
            let keys: Vec<Key> = (first..PAIRS.min(first + 4)).flat_map(pair).collect();
            let new = new.then(|| location(step as u64));
            let mut changes: Vec<_> = keys.iter().map(|key| Change { key, new, old: None }).collect();
            index.apply(&mut changes).expect("apply");
            continue;
        }
        // Runs in which keys come, and runs in which they go, so that pages fill and empty.
        let new = (random.below(10) < [9, 1][step / 4_000 % 2]).then(|| location(step as u64));
        let mut between = key(family, 2 * random.below(FIXED) as u32 + 1);
        if step.is_multiple_of(5) {
            between.extend(vec![b'+'; random.below(300)]);
        }
        index.apply(&mut [Change { key: &between, new, old: None }]).expect("apply");
    }
}

#[test]
fn readers_run_beside_the_writer() {
    each_kind(|kind, new| {
        for family in [0, 1, 6] {
            let index = new();
            let fixed = Fixed::new(&*index, family);
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let readers: Vec<_> = (0..READERS)
                    .map(|reader| {
                        let (index, fixed, done) = (&*index, &fixed, &done);
                        scope.spawn(move || {
                            let mut random = Rng(reader + 100);
                            let mut round = reader as usize;
                            // At least once, however fast the writer is.
                            loop {
                                read(kind, index, fixed, &mut random, round);
                                round += 1;
                                if done.load(Ordering::Relaxed) {
                                    return;
                                }
                            }
                        })
                    })
                    .collect();
                write(&*index, family, 16_000 * factor());
                done.store(true, Ordering::Relaxed);
                readers.into_iter().for_each(|reader| reader.join().expect("a reader"));
            });
            for (n, key) in fixed.keys.iter().enumerate() {
                assert_eq!(index.get(key).expect("get"), Some(Fixed::location(n)), "{kind}");
            }
        }
    });
}
