//! Random histories against the standard library's map, the cases that a random one is unlikely to meet, and readers
//! beside the writer.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

type Model = BTreeMap<Vec<u8>, Location>;

fn check(art: &Art) {
    let writer = art.writer.lock();
    art.read().check(&writer, true);
    // The book of the writer's own tables may be as old as the last chunk that came or went.
    let now = art.read().store.memory() + writer.memory();
    assert!(art.memory().abs_diff(now) <= now / 50 + 8192, "memory is {} and not {now}", art.memory());
}

fn location(n: u64) -> Location {
    Location::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn set(art: &Art, key: &[u8], new: Option<Location>) -> Option<Location> {
    let mut change = [Change { key, new, old: None }];
    art.apply(&mut change).unwrap();
    change[0].old
}

fn put(art: &Art, key: &[u8], n: u64) -> Option<Location> {
    set(art, key, Some(location(n)))
}

fn delete(art: &Art, key: &[u8]) -> Option<Location> {
    set(art, key, None)
}

/// Applies to both, in one call or one by one, and compares what they found.
fn apply(art: &Art, model: &mut Model, changes: &[(Vec<u8>, Option<Location>)], at_once: bool) {
    let mut batch: Vec<Change<'_>> = changes.iter().map(|(key, new)| Change { key, new: *new, old: None }).collect();
    if at_once {
        art.apply(&mut batch).unwrap();
    } else {
        batch.chunks_mut(1).for_each(|change| art.apply(change).unwrap());
    }
    for (change, (key, new)) in batch.iter().zip(changes) {
        let old = match new {
            Some(location) => model.insert(key.clone(), *location),
            None => model.remove(key),
        };
        assert_eq!(change.old, old, "old location of {}", show(key));
    }
    assert_eq!(art.len(), model.len() as u64);
}

fn scan(art: &Art, start: Start<'_>, direction: Direction, max: usize) -> Vec<(Vec<u8>, Location)> {
    let mut page = KeyPage::new();
    art.scan(start, direction, max, &mut page).unwrap();
    (0..page.len()).map(|i| page.get(i).map(|(k, l)| (k.to_vec(), l)).unwrap()).collect()
}

fn scan_model(model: &Model, start: Start<'_>, direction: Direction, max: usize) -> Vec<(Vec<u8>, Location)> {
    let forward = direction == Direction::Forward;
    let wanted = |key: &[u8]| match (start, forward) {
        (Start::Edge, _) => true,
        (Start::At(s), true) => key >= s,
        (Start::At(s), false) => key <= s,
        (Start::After(s), true) => key > s,
        (Start::After(s), false) => key < s,
    };
    let own = |(k, l): (&Vec<u8>, &Location)| (k.clone(), *l);
    if forward {
        model.iter().filter(|(k, _)| wanted(k)).take(max).map(own).collect()
    } else {
        model.iter().rev().filter(|(k, _)| wanted(k)).take(max).map(own).collect()
    }
}

fn show(key: &[u8]) -> String {
    format!("{:?}... ({} bytes)", &key[..key.len().min(40)], key.len())
}

fn assert_same(art: &Art, model: &Model) {
    check(art);
    let all = scan(art, Start::Edge, Direction::Forward, usize::MAX);
    assert!(all.iter().map(|(k, l)| (k, l)).eq(model.iter()), "contents");
    let back = scan(art, Start::Edge, Direction::Reverse, usize::MAX);
    assert!(back.iter().map(|(k, l)| (k, l)).eq(model.iter().rev()), "contents in reverse");
    let mut walked = Vec::new();
    let mut position = WalkPosition::default();
    while art.walk(&mut position, 50, &mut walked).unwrap() {}
    assert!(!art.walk(&mut position, 50, &mut walked).unwrap(), "a walk that is over stays over");
    walked.sort_unstable();
    let mut locations: Vec<Location> = model.values().copied().collect();
    locations.sort_unstable();
    assert!(walked == locations, "walk");
}

/// Key `n` of a family. Families are chosen to be awkward, each in its way.
fn key(family: u8, n: u32) -> Vec<u8> {
    let number = format!("{n:010}");
    let scrambled = n.wrapping_mul(0x9e37_79b1);
    match family % 12 {
        0 => number.into_bytes(),
        1 => (u32::MAX - n).to_be_bytes().to_vec(),
        2 => scrambled.to_be_bytes().repeat(6),
        3 => format!("user:{number}:profile").into_bytes(),
        // Each a prefix of the next.
        4 => vec![b'a'; 1 + n as usize % 1200],
        5 => vec![0; 1 + n as usize % 600],
        6 => vec![0xff; 1 + n as usize % 600],
        // Runs of zeros and 0xff with something behind.
        7 => [vec![if n.is_multiple_of(2) { 0 } else { 0xff }; n as usize % 9 + 1], vec![(n / 16) as u8]].concat(),
        // Long shared prefixes, which split at many places.
        8 => [vec![b'p'; 490], number.into_bytes()].concat(),
        9 => [vec![b'p'; (n % 700) as usize], scrambled.to_le_bytes().to_vec()].concat(),
        10 => {
            let mut key = vec![b'k'; MAX_KEY_LEN - 4];
            key.extend(scrambled.to_be_bytes());
            key
        }
        // Around the lengths where a leaf's slot is larger, or its length's form another.
        _ => {
            let len = [1, 7, 8, 9, 15, 16, 17, 119, 246, 247, 248, 249, 255, 256, 257, 513][n as usize % 16];
            let mut key = vec![(n / 16) as u8; len];
            key[len - 1] = (n / 32) as u8;
            key
        }
    }
}

#[derive(Clone, Debug)]
enum Order {
    Up,
    Down,
    Shuffled,
}

#[derive(Clone, Debug)]
enum Step {
    /// Changes of a range of a family's keys; removals if not `put`.
    Range {
        family: u8,
        from: u32,
        count: u32,
        order: Order,
        put: bool,
        at_once: bool,
    },
    /// Mixed changes, keys repeated.
    Batch(Vec<(u8, u32, bool)>, bool),
    Gets(Vec<(u8, u32)>),
    Scan {
        start: Option<(u8, u32, bool)>,
        reverse: bool,
        max: usize,
    },
    DeleteAll(bool),
}

fn family() -> impl Strategy<Value = u8> {
    // 64 KiB keys are slow to copy: fewer.
    prop_oneof![40 => 0..10u8, 1 => Just(10u8), 8 => Just(11u8)]
}

/// Small steps for long histories, large ones for short.
fn step(large: u32) -> impl Strategy<Value = Step> {
    let order = prop_oneof![Just(Order::Up), Just(Order::Down), Just(Order::Shuffled)];
    prop_oneof![
        8 => (family(), 0..2000u32, 1..large, order, prop::bool::weighted(0.6), any::<bool>()).prop_map(
            |(family, from, count, order, put, at_once)| Step::Range { family, from, count, order, put, at_once }),
        4 => (vec((family(), 0..300u32, any::<bool>()), 1..(large as usize / 6 + 2)), any::<bool>())
            .prop_map(|(changes, at_once)| Step::Batch(changes, at_once)),
        2 => vec((family(), 0..3000u32), 1..50).prop_map(Step::Gets),
        4 => (prop::option::weighted(0.9, (family(), 0..3000u32, any::<bool>())), any::<bool>(), 0..400usize)
            .prop_map(|(start, reverse, max)| Step::Scan { start, reverse, max }),
        1 => any::<bool>().prop_map(Step::DeleteAll),
    ]
}

fn run(art: &Art, model: &mut Model, step: Step, clock: &mut u64) {
    let mut tick = || {
        *clock += 1;
        location(*clock)
    };
    match step {
        Step::Range { family, from, count, order, put, at_once } => {
            let count = if family == 10 { count / 20 + 1 } else { count };
            let mut numbers: Vec<u32> = (from..from + count).collect();
            match order {
                Order::Up => {}
                Order::Down => numbers.reverse(),
                Order::Shuffled => numbers.sort_by_key(|n| n.wrapping_mul(0x85eb_ca6b)),
            }
            let changes: Vec<_> = numbers.iter().map(|n| (key(family, *n), put.then(&mut tick))).collect();
            apply(art, model, &changes, at_once);
        }
        Step::Batch(changes, at_once) => {
            let changes: Vec<_> = changes.iter().map(|(f, n, put)| (key(*f, *n), put.then(&mut tick))).collect();
            apply(art, model, &changes, at_once);
        }
        Step::Gets(keys) => {
            let keys: Vec<_> = keys.iter().map(|(family, n)| key(*family, *n)).collect();
            let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let mut many = vec![None; keys.len()];
            art.get_many(&slices, &mut many).unwrap();
            for (key, many) in keys.iter().zip(many) {
                let wanted = model.get(key).copied();
                assert_eq!((art.get(key).unwrap(), many), (wanted, wanted), "get {}", show(key));
            }
        }
        Step::Scan { start, reverse, max } => {
            let at = start.map(|(family, n, _)| key(family, n));
            let start = match (&at, start) {
                (Some(key), Some((_, _, true))) => Start::At(key),
                (Some(key), Some((_, _, false))) => Start::After(key),
                _ => Start::Edge,
            };
            let direction = if reverse { Direction::Reverse } else { Direction::Forward };
            let same = scan(art, start, direction, max) == scan_model(model, start, direction, max);
            assert!(same, "scan {direction:?} of {max} from {:?}", at.as_deref().map(show));
        }
        Step::DeleteAll(at_once) => {
            let changes: Vec<_> = model.keys().map(|k| (k.clone(), None)).collect();
            apply(art, model, &changes, at_once);
            assert!(changes.is_empty() || art.memory() <= Art::new().memory(), "{} when empty", art.memory());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn histories_agree_with_the_standard_map(steps in vec(step(30), 200)) {
        let (art, mut model, mut clock) = (Art::new(), Model::new(), 0);
        for step in steps {
            run(&art, &mut model, step, &mut clock);
            check(&art);
        }
        assert_same(&art, &model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn large_steps_agree_with_the_standard_map(steps in vec(step(600), 1..30)) {
        let (art, mut model, mut clock) = (Art::new(), Model::new(), 0);
        for step in steps {
            run(&art, &mut model, step, &mut clock);
            assert_same(&art, &model);
        }
    }

    #[test]
    fn histories_of_one_family_agree_with_the_standard_map(family in family(), steps in vec(step(600), 1..30)) {
        let (art, mut model, mut clock) = (Art::new(), Model::new(), 0);
        for mut step in steps {
            match &mut step {
                Step::Range { family: f, .. } => *f = family,
                Step::Batch(changes, _) => changes.iter_mut().for_each(|c| c.0 = family),
                Step::Gets(keys) => keys.iter_mut().for_each(|k| k.0 = family),
                Step::Scan { start: Some(start), .. } => start.0 = family,
                _ => {}
            }
            run(&art, &mut model, step, &mut clock);
            assert_same(&art, &model);
        }
    }

    #[test]
    fn short_keys_of_few_bytes_agree_with_the_standard_map(
        keys in vec((vec(prop_oneof![Just(0u8), Just(1), Just(0xff)], 1..9), prop::bool::weighted(0.7)), 1..3000),
        starts in vec((vec(prop_oneof![Just(0u8), Just(1), Just(0xff)], 0..9), any::<bool>(), any::<bool>()), 10),
    ) {
        let (art, mut model) = (Art::new(), Model::new());
        for (i, chunk) in keys.chunks(300).enumerate() {
            let changes: Vec<_> =
                chunk.iter().enumerate().map(|(i, (k, put))| (k.clone(), put.then(|| location(i as u64)))).collect();
            apply(&art, &mut model, &changes, i % 2 == 0);
            assert_same(&art, &model);
            for (key, at, forward) in &starts {
                let start = if *at { Start::At(key) } else { Start::After(key) };
                let direction = if *forward { Direction::Forward } else { Direction::Reverse };
                prop_assert_eq!(scan(&art, start, direction, 20), scan_model(&model, start, direction, 20));
            }
        }
    }
}

fn order(n: u32, how: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..n).collect();
    match how {
        0 => {}
        1 => numbers.reverse(),
        how => numbers.sort_by_key(|n| n.wrapping_add(how).wrapping_mul(0x85eb_ca6b)),
    }
    numbers
}

#[test]
fn memory_is_given_back_and_reused() {
    for family in [0, 2, 3, 8, 9] {
        let art = Art::new();
        let empty = art.memory();
        let mut peak = 0;
        for round in 0..6 {
            for n in order(20_000, round % 3) {
                put(&art, &key(family, n), n.into());
            }
            check(&art);
            let keys = art.len();
            if round == 0 {
                peak = art.memory();
            }
            assert!(art.memory() < peak * 5 / 4 + (1 << 20), "family {family} round {round}: {}", art.memory());
            for (i, n) in order(20_000, (round + round / 2) % 3).into_iter().enumerate() {
                delete(&art, &key(family, n));
                if i % 5000 == 0 {
                    check(&art);
                }
            }
            check(&art);
            assert_eq!((keys > 0, art.len()), (true, 0));
            assert!(art.memory() <= empty, "family {family}: {} when empty, {empty} when new", art.memory());
        }
    }
}

#[test]
fn what_a_tenth_of_the_keys_takes_is_found_again() {
    // Whole stretches of keys go: their slots' chunks fall empty.
    let art = Art::new();
    for n in 0..200_000 {
        put(&art, &key(3, n), n.into());
    }
    let full = art.memory();
    for n in 20_000..200_000 {
        delete(&art, &key(3, n));
    }
    check(&art);
    // A chunk or two of each class are not full.
    assert!(art.memory() < full / 8 + (1 << 20), "{} of {full}", art.memory());
}

#[test]
fn nodes_grow_and_shrink_through_all_sizes() {
    for how in 0..4 {
        for stem in [&b""[..], b"stem", &[7; 300]] {
            let (art, mut model) = (Art::new(), Model::new());
            let key = |byte: u32| [stem, &[byte as u8], b"tail"].concat();
            let ends = stem.to_vec();
            for round in 0..3 {
                for byte in order(256, how) {
                    apply(&art, &mut model, &[(key(byte), Some(location(byte.into())))], false);
                    if byte == 99 && !ends.is_empty() {
                        apply(&art, &mut model, &[(ends.clone(), Some(location(1)))], false);
                    }
                    assert_same(&art, &model);
                }
                for (i, byte) in order(256, how + round).into_iter().enumerate() {
                    apply(&art, &mut model, &[(key(byte), None)], false);
                    // The same byte and another take the place of one that went.
                    if i % 7 == 0 {
                        apply(&art, &mut model, &[(key(byte), Some(location(5)))], false);
                        apply(&art, &mut model, &[(key(byte), None)], false);
                    }
                    if byte == 50 {
                        apply(&art, &mut model, &[(ends.clone(), None)][..usize::from(!ends.is_empty())], false);
                    }
                    assert_same(&art, &model);
                }
                assert_eq!(art.len(), 0);
            }
        }
    }
}

#[test]
fn old_locations_see_earlier_changes_of_the_call() {
    let (art, mut model) = (Art::new(), Model::new());
    let key = b"k".to_vec();
    let changes = [Some(location(1)), Some(location(2)), None, None, Some(location(3))].map(|new| (key.clone(), new));
    apply(&art, &mut model, &changes, true);
    assert_same(&art, &model);
    assert_eq!(art.get(b"k").unwrap(), Some(location(3)));
}

#[test]
fn a_refused_call_changes_nothing() {
    let art = Art::new();
    let long = vec![1; MAX_KEY_LEN + 1];
    art.apply(&mut []).unwrap();
    for bad in [&[] as &[u8], &long] {
        let mut changes = [b"good".as_slice(), bad].map(|key| Change { key, new: Some(location(1)), old: None });
        assert!(art.apply(&mut changes).is_err() && art.apply(&mut changes[1..]).is_err());
        assert_eq!((art.len(), art.get(b"good").unwrap()), (0, None));
        assert_eq!(art.get(bad).unwrap(), None);
        assert!(scan(&art, Start::At(bad), Direction::Reverse, 9).is_empty());
    }
}

#[test]
fn when_numbers_run_out_puts_fail_whole_and_removals_work() {
    let art = Art::new();
    let limit = 100;
    art.writer.lock().slots = slots::Slots::new(limit);
    let mut n = 0;
    // Every length: each has a class of its own.
    let key = |n: u32| [key(2, n), vec![n as u8; n as usize % 300]].concat();
    while set_or_fail(&art, &key(n), n) {
        n += 1;
    }
    assert!(n > 400, "{n}");
    let consistent = |art: &Art, there: std::ops::Range<u32>| {
        art.read().check(&art.writer.lock(), false);
        assert_eq!(art.len(), u64::from(there.end - there.start));
        assert!(there.clone().all(|n| art.get(&key(n)).unwrap() == Some(location(n.into()))));
        assert_eq!(scan(art, Start::Edge, Direction::Forward, usize::MAX).len(), there.len());
        assert!(art.read().store.len() <= limit);
    };
    consistent(&art, 0..n);
    // A call of several is refused before its first change.
    let keys: Vec<_> = (n..n + 50).map(key).collect();
    let mut changes: Vec<_> = keys.iter().map(|key| Change { key, new: Some(location(1)), old: None }).collect();
    assert!(art.apply(&mut changes).is_err());
    consistent(&art, 0..n);
    let keys: Vec<_> = (0..n).map(key).collect();
    for i in 0..n / 2 {
        assert_eq!(delete(&art, &keys[i as usize]), Some(location(i.into())));
        if i % 200 == 0 {
            consistent(&art, i + 1..n);
        }
    }
    let mut changes: Vec<_> = keys.iter().map(|key| Change { key, new: None, old: None }).collect();
    art.apply(&mut changes).unwrap();
    consistent(&art, n..n);
    assert!(put(&art, b"again", 1).is_none());
    check(&art);
}

fn set_or_fail(art: &Art, key: &[u8], n: u32) -> bool {
    art.apply(&mut [Change { key, new: Some(location(n.into())), old: None }]).is_ok()
}

#[test]
fn what_a_call_is_said_to_need_is_enough() {
    for (family, seed) in (0..12).flat_map(|family| [(family, 1), (family, 2)]) {
        let art = Art::new();
        for n in order(3000, seed).into_iter().filter(|n| n.is_multiple_of(3)) {
            put(&art, &key(if family == 10 { 0 } else { family }, n), n.into());
        }
        let count = if family == 10 { 100 } else { 3000 };
        let keys: Vec<_> = order(count, seed + 1).into_iter().map(|n| key(family, n)).collect();
        let puts = |i: usize| !i.is_multiple_of(5) || seed == 1;
        let mut changes: Vec<_> = (keys.iter().enumerate())
            .map(|(i, key)| Change { key, new: puts(i).then(|| location(1)), old: None })
            .collect();
        let before = art.read().store.len();
        let lens = keys.iter().enumerate().filter(|(i, _)| puts(*i)).map(|(_, k)| k.len());
        let said = art.writer.lock().chunks_for(lens, seed == 2);
        art.apply(&mut changes).unwrap();
        let took = u64::from(art.read().store.len() - before);
        assert!(took <= said && said < 10_000, "family {family}: {took} chunks, said {said}");
        check(&art);
    }
}

#[test]
fn long_keys_cost_what_they_are_long() {
    let art = Art::new();
    // Nothing shared: each has its own leaf.
    let key = |n: u32| [&n.to_le_bytes()[..], &vec![9; MAX_KEY_LEN - 4]].concat();
    for n in order(300, 2) {
        put(&art, &key(n), n.into());
    }
    check(&art);
    assert!(art.memory() < 300 * 65_535 * 11 / 10 + (1 << 20), "{}", art.memory());
    // All but the end shared: it is there once.
    for n in 0..300u32 {
        delete(&art, &key(n));
        put(&art, &self::key(10, n), n.into());
    }
    check(&art);
    assert!(art.memory() < 1 << 20, "{}", art.memory());
}

/// As deep as a tree can be: nothing here may call itself once a level.
#[test]
fn a_tree_as_deep_as_a_key_is_long() {
    for how in [0, 1] {
        let art = Art::new();
        let bytes = vec![b'x'; MAX_KEY_LEN];
        // Shortest first, every length at first: as many levels. Longest first splits a long prefix each time.
        let mut lens: Vec<usize> = (1..=8000).chain((8000..=MAX_KEY_LEN).skip(1).step_by(9)).collect();
        lens.push(MAX_KEY_LEN);
        lens.dedup();
        if how == 1 {
            lens = lens.into_iter().rev().step_by(8).collect();
        }
        for len in &lens {
            assert_eq!(put(&art, &bytes[..*len], *len as u64), None);
        }
        check(&art);
        let mut page = KeyPage::new();
        art.scan(Start::After(&bytes[..60_000]), Direction::Forward, 20, &mut page).unwrap();
        assert!(page.len() == 20 && page.get(0).unwrap().0.len() > 60_000);
        art.scan(Start::Edge, Direction::Reverse, 20, &mut page).unwrap();
        assert!(page.len() == 40 && page.get(20).unwrap().0.len() == MAX_KEY_LEN);
        for len in lens.iter().rev().step_by(2) {
            assert_eq!(delete(&art, &bytes[..*len]), Some(location(*len as u64)));
        }
        check(&art);
        for len in &lens {
            delete(&art, &bytes[..*len]);
        }
        assert_eq!((art.len(), art.memory()), (0, Art::new().memory()));
    }
}

#[test]
fn zipfian_changes_agree_with_the_standard_map() {
    let (art, mut model) = (Art::new(), Model::new());
    let mut random = Random(5);
    for i in 0..60_000u64 {
        // A crude Zipf: a key of rank r comes with a chance of about 1 / r.
        let rank = (2f64.powf(random.below(1 << 20) as f64 / (1 << 20) as f64 * 14.0)) as u32;
        let new = (random.below(4) > 0).then(|| location(i));
        apply(&art, &mut model, &[(key((rank % 4) as u8 * 3, rank), new)], random.below(2) == 0);
    }
    assert_same(&art, &model);
}

#[test]
fn every_entry_is_sampled_as_often_as_any_other() {
    let art = Art::new();
    assert_eq!(art.sample(&mut || 1).unwrap(), None);
    let n = 400;
    for i in 0..n {
        // Leaves of several sizes.
        put(&art, &[key(2, i), vec![1; i as usize % 50]].concat(), i.into());
    }
    for i in n..2 * n {
        put(&art, &key(2, i), i.into());
    }
    for i in n..2 * n {
        delete(&art, &key(2, i));
    }
    let (mut random, mut counts, mut tries) = (Random(1), BTreeMap::new(), 0u32);
    while counts.values().sum::<u32>() < 200 * n {
        tries += 1;
        if let Some(location) = art.sample(&mut || random.next()).unwrap() {
            *counts.entry(location).or_insert(0) += 1;
        }
    }
    assert!(tries < 200 * n * 64, "{tries} tries");
    assert_eq!(counts.len(), n as usize);
    // Six standard deviations.
    assert!(counts.values().all(|c| c.abs_diff(200) < 85), "{counts:?}");
}

/// splitmix64
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Keys that stay must be found at their place by every get, scan and sample, whatever changes around them.
#[test]
fn readers_beside_the_writer_find_every_key_that_stays() {
    let rounds = if cfg!(debug_assertions) { 6 } else { 20 };
    for family in [1u8, 2, 3, 7, 9, 11] {
        let art = Art::new();
        let stays = |n: u32| n.is_multiple_of(3);
        let mut stay = Model::new();
        for n in (0..3000).filter(|n| stays(*n)) {
            stay.insert(key(family, n), location(n.into()));
        }
        for (key, location) in &stay {
            set(&art, key, Some(*location));
        }
        let go: Vec<_> =
            (0..3000).filter(|n| !stays(*n)).map(|n| key(family, n)).filter(|k| !stay.contains_key(k)).collect();
        let stop = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                let mut random = Random(family.into());
                while !stop.load(Ordering::Relaxed) {
                    for (key, location) in &stay {
                        assert_eq!(art.get(key).unwrap(), Some(*location), "{}", show(key));
                    }
                    art.sample(&mut || random.next()).unwrap();
                    assert!(art.len() >= stay.len() as u64);
                }
            });
            s.spawn(|| {
                let mut forward = true;
                while !stop.load(Ordering::Relaxed) {
                    let direction = if forward { Direction::Forward } else { Direction::Reverse };
                    let all = scan(&art, Start::Edge, direction, usize::MAX);
                    let ordered = all.is_sorted_by(|a, b| if forward { a.0 < b.0 } else { a.0 > b.0 });
                    assert!(ordered, "a key twice or out of order");
                    let there = all.iter().filter(|(k, l)| stay.get(k) == Some(l)).count();
                    assert_eq!(there, stay.len(), "keys are missing from a scan");
                    let from = stay.keys().nth(all.len() * 7 % stay.len()).unwrap();
                    let part = scan(&art, Start::At(from), direction, 40);
                    assert_eq!(part[0], (from.clone(), stay[from]));
                    forward = !forward;
                }
            });
            let mut random = Random(9);
            for round in 0..rounds {
                for _ in 0..4000 {
                    let key = &go[random.below(go.len() as u64) as usize];
                    let new = (random.below(3) != round % 3).then(|| location(random.next() | 1 << 63));
                    set(&art, key, new);
                }
                for keys in go.chunks(100) {
                    let new = (random.below(2) == 0).then(|| location(7));
                    let mut changes: Vec<_> = keys.iter().map(|key| Change { key, new, old: None }).collect();
                    art.apply(&mut changes).unwrap();
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        check(&art);
    }
}

/// A value that grows is never seen to fall back, wherever its leaf is moved.
#[test]
fn a_reader_never_sees_an_older_location_after_a_newer_one() {
    let art = Art::new();
    let key = b"key that is changed".to_vec();
    let stop = AtomicBool::new(false);
    art.apply(&mut [Change { key: &key, new: Some(Location::from_bits(0)), old: None }]).unwrap();
    std::thread::scope(|s| {
        s.spawn(|| {
            let mut last = Location::from_bits(0);
            while !stop.load(Ordering::Relaxed) {
                let now = art.get(&key).unwrap().expect("the key is always there");
                assert!(now >= last);
                last = now;
            }
        });
        for n in 1..40_000u64 {
            // The leaf gets a neighbour, and loses it.
            let at = 1 + (n / 4) as usize % (key.len() - 1);
            let other = [&key[..at], b"\xff other"].concat();
            match n % 4 {
                0 => set(&art, &other, Some(Location::from_bits(n))),
                2 => set(&art, &other, None),
                _ => set(&art, &key, Some(Location::from_bits(n))),
            };
        }
        stop.store(true, Ordering::Relaxed);
    });
    check(&art);
}

#[test]
fn readers_see_all_changes_of_a_call_or_none() {
    let art = Art::new();
    std::thread::scope(|s| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                s.spawn(|| {
                    while art.len() < 20_000 {
                        let all = scan(&art, Start::Edge, Direction::Forward, usize::MAX);
                        assert_eq!(all.len() % 10, 0);
                    }
                })
            })
            .collect();
        for batch in order(20_000, 2).chunks(10) {
            let keys: Vec<_> = batch.iter().map(|n| key(2, *n)).collect();
            let mut changes: Vec<_> =
                keys.iter().map(|key| Change { key, new: Some(location(1)), old: None }).collect();
            art.apply(&mut changes).unwrap();
        }
        readers.into_iter().for_each(|r| r.join().unwrap());
    });
    check(&art);
}
