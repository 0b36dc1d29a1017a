//! Histories with all invariants verified after each step, memory, sampling, and readers beside the writer. What any kind
//! must do is tested in the conformance suite.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;

use super::alloc::{Alloc, SEPARATE, block_words};
use super::arena::{Arena, CHUNK_WORDS};
use super::*;
use crate::types::MAX_KEY_LEN;

type Model = BTreeMap<Vec<u8>, Location>;

fn location(n: u64) -> Location {
    Location::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn put(list: &SkipList, key: &[u8], n: u64) -> Option<Location> {
    let mut change = [Change { key, new: Some(location(n)), old: None }];
    list.apply(&mut change).unwrap();
    change[0].old
}

fn delete(list: &SkipList, key: &[u8]) -> Option<Location> {
    let mut change = [Change { key, new: None, old: None }];
    list.apply(&mut change).unwrap();
    change[0].old
}

fn scan(list: &SkipList, start: Start<'_>, direction: Direction, max: usize) -> Vec<(Vec<u8>, Location)> {
    let mut page = KeyPage::new();
    list.scan(start, direction, max, &mut page).unwrap();
    (0..page.len()).filter_map(|i| page.get(i)).map(|(k, l)| (k.to_vec(), l)).collect()
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn shuffled(n: u32, seed: u64) -> Vec<u32> {
    let (mut numbers, mut state): (Vec<u32>, _) = ((0..n).collect(), seed);
    for i in (1..numbers.len()).rev() {
        numbers.swap(i, (random(&mut state) % (i as u64 + 1)) as usize);
    }
    numbers
}

/// Key `n` of a family: alike in ways that the links' shared bytes and heads must tell apart.
fn key(family: u8, n: u32) -> Vec<u8> {
    let scrambled = n.wrapping_mul(0x9e37_79b1);
    match family % 8 {
        0 => format!("user:{n:010}:profile").into_bytes(),
        1 => scrambled.to_be_bytes().repeat(6),
        // The same but for zeros at the end: they differ by their length alone.
        2 => vec![0; 1 + n as usize % 300],
        3 => [b"end".to_vec(), vec![0; n as usize % 300]].concat(),
        4 => vec![0xff; 1 + n as usize % 300],
        // Zeros in the two bytes of a head, and behind them.
        5 => [vec![b'h'; n as usize % 7], vec![0; n as usize / 7 % 5], vec![(n / 35) as u8; n as usize % 2]].concat(),
        6 => [vec![b'l'; 2000], scrambled.to_be_bytes().to_vec()].concat(),
        _ => [vec![b'z'; MAX_KEY_LEN - 1], vec![n as u8]].concat(),
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Changes of keys one by one, ascending or not; removals if not `put`.
    Singles(u8, Vec<u32>, bool),
    Batch(Vec<(u8, u32, bool)>),
    Reverse(u8, u32, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..600u32;
    prop_oneof![
        6 => (0..8u8, vec(number(), 1..40), prop::bool::weighted(0.6)).prop_map(|(f, n, p)| Step::Singles(f, n, p)),
        2 => (0..8u8, number(), 1..60u32).prop_map(|(f, n, c)| Step::Singles(f, (n..n + c).collect(), true)),
        3 => vec((0..7u8, number(), prop::bool::weighted(0.6)), 2..30).prop_map(Step::Batch),
        3 => (0..8u8, number(), 0..200usize).prop_map(|(f, n, max)| Step::Reverse(f, n, max)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn histories_keep_all_invariants(seed: u64, steps in vec(step(), 1..60)) {
        let (list, mut model, mut clock) = (SkipList::new(seed), Model::new(), 0);
        for step in steps {
            let changes: Vec<(Vec<u8>, Option<Location>)> = match &step {
                Step::Singles(family, numbers, put) => {
                    numbers.iter().map(|n| (key(*family, *n), put.then_some(location(clock)))).collect()
                }
                Step::Batch(changes) => {
                    changes.iter().map(|(f, n, put)| (key(*f, *n), put.then_some(location(clock)))).collect()
                }
                Step::Reverse(family, n, max) => {
                    let bound = key(*family, *n);
                    let got = scan(&list, Start::After(&bound), Direction::Reverse, *max);
                    let want: Vec<_> =
                        model.range(..bound).rev().take(*max).map(|(k, l)| (k.clone(), *l)).collect();
                    prop_assert!(got == want, "{} entries for {}", got.len(), want.len());
                    continue;
                }
            };
            clock += 1;
            let changes: Vec<_> = changes.into_iter().filter(|(key, _)| !key.is_empty()).collect();
            let mut made: Vec<Change<'_>> = changes.iter().map(|(key, new)| Change { key, new: *new, old: None }).collect();
            let single = matches!(step, Step::Singles(..));
            made.chunks_mut(if single { 1 } else { usize::MAX }).for_each(|part| list.apply(part).unwrap());
            for (change, (key, new)) in made.iter().zip(&changes) {
                let old = match new {
                    Some(new) => model.insert(key.clone(), *new),
                    None => model.remove(key),
                };
                prop_assert_eq!(change.old, old);
            }
            list.check();
            prop_assert!(scan(&list, Start::Edge, Direction::Forward, usize::MAX).into_iter().eq(model.clone()));
            for key in model.keys() {
                prop_assert_eq!(list.get(key).unwrap(), model.get(key).copied());
            }
        }
    }
}

#[test]
fn blocks_are_cut_reused_and_given_back() {
    for words in 3..9_000 {
        let block = block_words(words);
        assert!(block >= words && (words <= 34 && block == words || block <= words * 9 / 8 + 1), "{words}: {block}");
        assert_eq!(block_words(block), block);
    }
    let (mut arena, mut alloc, mut state) = (Arena::<Memory>::new(), Alloc::new(), 1);
    let mut used: Vec<(u32, u32)> = Vec::new();
    for round in 0..30_000 {
        let grows = round / 5_000 % 2 == 0;
        if used.is_empty() || random(&mut state) % 10 < if grows { 7 } else { 3 } {
            let words = match random(&mut state) % 20 {
                0 => 3 + (random(&mut state) % 8_000) as u32,
                1..5 => 3 + (random(&mut state) % 100) as u32,
                _ => 3 + (random(&mut state) % 8) as u32,
            };
            let high = random(&mut state).is_multiple_of(8);
            if !alloc.has_room(words, high) {
                let (index, len) = alloc.next_chunk(words);
                arena.install(index, Chunk::new(len));
                alloc.add_chunk(&arena, index, len, high);
            }
            used.push((alloc.alloc(&arena, words, high).expect("there is room"), block_words(words)));
        } else {
            let (block, words) = used.swap_remove((random(&mut state) % used.len() as u64) as usize);
            alloc.free(&arena, block, words);
            while let Some(index) = alloc.surplus() {
                arena.remove(index);
            }
        }
        if round % 500 == 0 {
            let mut all: BTreeMap<u32, u32> = used.iter().copied().collect();
            all.insert(1, node::HEAD);
            alloc.check(&arena, &all);
        }
    }
    used.into_iter().for_each(|(block, words)| alloc.free(&arena, block, words));
    while let Some(index) = alloc.surplus() {
        arena.remove(index);
    }
    let chunk = CHUNK_WORDS as usize * 8;
    assert!(arena.memory() < 5 * chunk, "the first, two current and an empty one are left: {}", arena.memory());
}

/// High nodes get chunks of their own from some number of chunks on, and the chunk that makes up that number may be theirs.
#[test]
fn the_chunk_that_separates_high_nodes_has_room_for_them() {
    const WORDS: u32 = 30;
    let (mut arena, mut alloc) = (Arena::<Memory>::new(), Alloc::new());
    let mut add = |alloc: &mut Alloc, high| {
        let (index, len) = alloc.next_chunk(WORDS);
        arena.install(index, Chunk::new(len));
        alloc.add_chunk(&arena, index, len, high);
        assert!(alloc.has_room(WORDS, high), "chunk {index} was made for a node and has no room for it");
        arena.chunks() as usize
    };
    let mut chunks = 0;
    while chunks < SEPARATE - 1 || alloc.has_room(WORDS, false) {
        if !alloc.has_room(WORDS, false) {
            chunks = add(&mut alloc, false);
        }
        alloc.alloc(&Arena::<Memory>::new(), WORDS, false).expect("there is room");
    }
    assert_eq!(add(&mut alloc, true), SEPARATE);
    alloc.alloc(&Arena::<Memory>::new(), WORDS, true).expect("there is room");
}

#[test]
fn memory_follows_the_keys() {
    for batch in [1, 100] {
        let list = SkipList::new(3);
        let mut most = 0;
        for round in 0..4 {
            for part in shuffled(50_000, round).chunks(batch) {
                let keys: Vec<_> = part.iter().map(|n| key(1, *n)).collect();
                let mut changes: Vec<_> =
                    keys.iter().map(|key| Change { key, new: Some(location(1)), old: None }).collect();
                list.apply(&mut changes).unwrap();
            }
            list.check();
            most = if round == 0 { list.memory() } else { most };
            assert!(list.memory() <= most + most / 50 + (1 << 19), "round {round}: {} after {most}", list.memory());
            for part in shuffled(50_000, round + 9).chunks(batch) {
                let keys: Vec<_> = part.iter().map(|n| key(1, *n)).collect();
                let mut changes: Vec<_> = keys.iter().map(|key| Change { key, new: None, old: None }).collect();
                list.apply(&mut changes).unwrap();
            }
            list.check();
            assert!(list.memory() < 8 << 10, "{} when empty", list.memory());
        }
    }
}

#[test]
fn a_key_costs_what_the_documentation_says() {
    let list = SkipList::new(5);
    let before = list.memory();
    for n in 0..100_000 {
        put(&list, &key(1, n), 1);
    }
    let each = (list.memory() - before) as f64 / 100_000.0;
    assert!((50.0..60.0).contains(&each), "{each} bytes a key of 24");
}

#[test]
fn sampling_is_uniform() {
    let (list, mut state) = (SkipList::new(11), 5);
    assert_eq!(list.sample(&mut || 1).unwrap(), None);
    // Over more than one chunk, with keys of very different lengths.
    for n in 0..4_000 {
        let key = if n % 10 == 0 { key(6, n) } else { key(0, n) };
        list.apply(&mut [Change { key: &key, new: Some(Location::from_bits(n.into())), old: None }]).unwrap();
    }
    assert!(list.read().arena.chunks() > 1);
    let (mut hits, mut found, mut attempts) = (vec![0_u32; 4_000], 0, 0);
    while found < 400_000 {
        attempts += 1;
        assert!(attempts < 4_000_000, "{found} hits of {attempts} attempts");
        if let Some(location) = list.sample(&mut || random(&mut state)).unwrap() {
            hits[location.to_bits() as usize] += 1;
            found += 1;
        }
    }
    // 100 each are expected, with a deviation of 10.
    assert!(hits.iter().all(|h| (45..170).contains(h)), "{:?} to {:?}", hits.iter().min(), hits.iter().max());
    let long: u32 = hits.iter().step_by(10).sum();
    assert!((38_500..41_500).contains(&long), "{long} hits of a tenth of the keys");
}

/// Single changes beside readers who look for keys that don't change: nodes come, go and are made anew between those.
#[test]
fn readers_beside_single_changes() {
    for family in [0, 1] {
        let (list, done) = (SkipList::new(9), AtomicBool::new(false));
        let fixed: Vec<_> = (0..3_000).map(|n| key(family, n * 2)).collect();
        fixed.iter().zip(1..).for_each(|(key, n)| assert_eq!(put(&list, key, n), None));
        let expected: Model = fixed.iter().cloned().zip((1..).map(location)).collect();
        std::thread::scope(|s| {
            for reader in 0..2 {
                let (list, done, fixed, expected) = (&list, &done, &fixed, &expected);
                s.spawn(move || {
                    let mut state = reader;
                    while !done.load(Ordering::Relaxed) {
                        let n = (random(&mut state) % fixed.len() as u64) as usize;
                        assert_eq!(list.get(&fixed[n]).unwrap(), Some(location(n as u64 + 1)));
                        for direction in [Direction::Forward, Direction::Reverse] {
                            let got = scan(list, Start::At(&fixed[n]), direction, 200);
                            let forward = direction == Direction::Forward;
                            assert!(got.is_sorted_by(|a, b| if forward { a.0 < b.0 } else { a.0 > b.0 }));
                            let end = &got.last().expect("the first is there").0;
                            let low = if forward { &fixed[n] } else { end };
                            let high = if forward { end } else { &fixed[n] };
                            let wanted = expected.range(low.clone()..=high.clone()).count();
                            let found = got.iter().filter(|(k, l)| expected.get(k) == Some(l)).count();
                            assert_eq!(found, wanted, "{direction:?}");
                        }
                    }
                });
            }
            let mut state = 77;
            for _ in 0..150_000 {
                let odd = key(family, (random(&mut state) % 3_000) as u32 * 2 + 1);
                if random(&mut state).is_multiple_of(2) {
                    put(&list, &odd, 1)
                } else {
                    delete(&list, &odd)
                };
            }
            done.store(true, Ordering::Relaxed);
        });
        list.check();
    }
}
