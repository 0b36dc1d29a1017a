//! Random histories against the map.

use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use bitcask::index::{Direction, Start};

use crate::common::{Rng, factor, number_from_env, report};
use crate::keys::{FAMILIES, key, longest, zipfian};
use crate::subject::{Key, Subject};

const STEPS: usize = 200;

/// A key by family and number; the family behind the last is that of the longest.
type Name = (u8, u32);

#[derive(Clone, Debug)]
enum Step {
    /// Mixed changes of one call.
    Batch(Vec<(Name, bool)>),
    /// Calls of one change each, over neighbouring keys, ascending or descending; removals if not `put`.
    Range {
        first: Name,
        count: u32,
        descending: bool,
        put: bool,
    },
    /// Calls of one change each, to few keys often.
    Skewed(u8, u64),
    Get(Name),
    /// From a key or its neighbourhood, or from the edge.
    Scan {
        start: Option<(Name, u8, bool)>,
        reverse: bool,
        max: usize,
    },
    /// Removes all, in one call or one by one.
    Clear(bool),
    Check,
}

fn name(family: u8) -> impl Strategy<Value = Name> {
    prop_oneof![
        // Most of a history's keys are of one family, so that they meet.
        60 => (Just(family), 0..400_u32),
        10 => (0..FAMILIES, 0..60_u32),
        1 => (Just(FAMILIES), 0..30_u32),
    ]
}

fn step(family: u8) -> impl Strategy<Value = Step> {
    let put = || prop::bool::weighted(0.6);
    let max = prop_oneof![3 => 0..5_usize, 3 => 5..60_usize, 1 => Just(usize::MAX)];
    prop_oneof![
        30 => vec((name(family), put()), 1..3).prop_map(Step::Batch),
        15 => vec((name(family), put()), 2..24).prop_map(Step::Batch),
        15 => (name(family), 1..40_u32, any::<bool>(), put()).prop_map(|(first, count, descending, put)| Step::Range {
            first, count, descending, put
        }),
        4 => any::<u64>().prop_map(move |seed| Step::Skewed(family, seed)),
        20 => name(family).prop_map(Step::Get),
        30 => (prop::option::weighted(0.85, (name(family), any::<u8>(), any::<bool>())), any::<bool>(), max)
            .prop_map(|(start, reverse, max)| Step::Scan { start, reverse, max }),
        1 => any::<bool>().prop_map(Step::Clear),
        1 => Just(Step::Check),
    ]
}

fn history() -> impl Strategy<Value = Vec<Option<Step>>> {
    // An option is shrunk to nothing, so that a history that fails becomes short though its length is fixed.
    (0..FAMILIES).prop_flat_map(|family| vec(prop::option::weighted(0.9999, step(family)), STEPS))
}

fn key_of((family, n): Name) -> Key {
    if family == FAMILIES { longest(n) } else { key(family, n) }
}

/// A key, or one that is next to it or near to it.
fn near(name: Name, how: u8) -> Key {
    let mut key = key_of(name);
    match how % 6 {
        0 => key.push(0),
        1 => drop(key.pop()),
        2 => key.push(0xff),
        3 => *key.last_mut().expect("a key isn't empty") ^= 1,
        _ => {}
    }
    key
}

fn run(subject: &mut Subject, step: &Step) {
    match step {
        Step::Batch(changes) => {
            let keys: Vec<(Key, bool)> = changes.iter().map(|(name, put)| (key_of(*name), *put)).collect();
            subject.apply(&keys.iter().map(|(key, put)| (&key[..], *put)).collect::<Vec<_>>());
        }
        Step::Range { first: (family, from), count, descending, put } => {
            // The longest in smaller numbers, or the time goes into copying them.
            let count = if *family == FAMILIES { count / 16 + 1 } else { *count };
            for i in 0..count {
                let n = if *descending { from + (count - 1 - i) } else { from + i };
                subject.apply(&[(&key_of((*family, n)), *put)]);
            }
        }
        Step::Skewed(family, seed) => {
            let mut random = Rng(*seed);
            for _ in 0..30 {
                let key = key(*family, zipfian(random.next(), 300));
                subject.apply(&[(&key, random.below(4) > 0)]);
            }
        }
        Step::Get(name) => subject.get(&key_of(*name)),
        Step::Scan { start, reverse, max } => {
            let direction = if *reverse { Direction::Reverse } else { Direction::Forward };
            let from = start.map(|(name, how, _)| near(name, how));
            let start = match (&from, start) {
                (Some(key), Some((_, _, true))) => Start::At(key),
                (Some(key), _) => Start::After(key),
                _ => Start::Edge,
            };
            subject.scan(start, direction, *max);
        }
        Step::Clear(at_once) => {
            let keys: Vec<Key> = subject.model.keys().cloned().collect();
            let changes: Vec<_> = keys.iter().map(|key| (&key[..], false)).collect();
            changes.chunks(if *at_once { usize::MAX } else { 1 }).for_each(|part| subject.apply(part));
        }
        Step::Check => subject.check(),
    }
}

#[test]
fn random_histories() {
    let cases = number_from_env("BITCASK_MODEL_CASES").unwrap_or(256 * factor());
    let seed = number_from_env("PROPTEST_RNG_SEED").map_or_else(rand_seed, |seed| seed as u64);
    crate::each_kind(|kind, new| {
        let since = Instant::now();
        let config = Config {
            cases: cases as u32,
            failure_persistence: None,
            max_shrink_iters: 20_000,
            rng_seed: RngSeed::Fixed(seed),
            ..Config::default()
        };
        let result = TestRunner::new(config).run(&history(), |history| {
            let mut subject = Subject::new(kind, new());
            history.iter().flatten().for_each(|step| run(&mut subject, step));
            subject.check();
            Ok(())
        });
        if let Err(error) = result {
            panic!("{kind}, with PROPTEST_RNG_SEED={seed}: {error}");
        }
        report("index_conformance", format_args!("{kind}: {cases} histories of {STEPS} steps, seed {seed}"), since);
    });
}

/// A seed that the standard library draws for its hash tables.
fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(1) >> 1
}
