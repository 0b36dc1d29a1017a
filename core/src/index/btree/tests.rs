//! Random histories against the standard library's map, and the cases that a random one is unlikely to meet.

use super::*;
use crate::types::MAX_KEY_LEN;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

pub(super) type Model = BTreeMap<Vec<u8>, Location>;

fn check(tree: &BTree) {
    let writer = tree.writer.lock();
    tree.read().check(&writer);
}

pub(super) fn location(n: u64) -> Location {
    Location::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Applies to both and compares what they found.
pub(super) fn apply(tree: &BTree, model: &mut Model, changes: &[(Vec<u8>, Option<Location>)]) {
    let mut batch: Vec<Change<'_>> = changes.iter().map(|(key, new)| Change { key, new: *new, old: None }).collect();
    tree.apply(&mut batch).unwrap();
    for (change, (key, new)) in batch.iter().zip(changes) {
        let old = match new {
            Some(location) => model.insert(key.clone(), *location),
            None => model.remove(key),
        };
        assert_eq!(change.old, old, "old location of {}", show(key));
    }
    assert_eq!(tree.len(), model.len() as u64);
}

const PACKINGS: [Packing; 2] = [Packing::Tight, Packing::Roomy];

/// Built from the bottom up, a tree keeps all invariants, and goes on as any other.
#[test]
fn a_built_tree_is_like_a_grown_one() {
    let key = |family: usize, i: u64| match family {
        0 => i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec(),
        1 => format!("a/long/prefix/that/all/share/{i:09}").into_bytes(),
        // Prefixes that change from page to page, and lengths around those that are kept in words of their own.
        2 => [vec![b'a'; (i % 130) as usize], i.to_be_bytes().to_vec()].concat(),
        3 => [vec![(i % 3) as u8; 500 + (i % 40) as usize], i.to_be_bytes().to_vec()].concat(),
        _ => [vec![7; MAX_KEY_LEN - 8], i.to_be_bytes().to_vec()].concat(),
    };
    for (family, sizes) in [(0, 3000), (1, 3000), (2, 3000), (3, 900), (4, 40)].into_iter().enumerate() {
        let sizes = [0, 1, 2, 5, 6, 7, 90, 91, 92, sizes.1 / 2, sizes.1];
        for (n, packing) in sizes.into_iter().flat_map(|n| PACKINGS.map(|packing| (n, packing))) {
            let mut model: Model = (0..n).map(|i| (key(family, i), location(i))).collect();
            let tree = BTree::new();
            let built = tree.build(model.len(), packing, &mut model.iter().map(|(key, at)| (&key[..], *at))).unwrap();
            assert!(built, "family {family}, {n} keys");
            check(&tree);
            assert_eq!(tree.len(), model.len() as u64);
            assert_eq!(
                scan(&tree, Start::Edge, Direction::Forward, usize::MAX),
                scan_model(&model, Start::Edge, Direction::Forward, usize::MAX)
            );
            let again = !tree.is_empty() && tree.build(0, packing, &mut std::iter::empty()).unwrap();
            assert!(!again, "what has keys is not built over");
            let last = model.keys().next_back().cloned();
            if let Some(last) = last {
                let same = tree.build(1, packing, &mut std::iter::once((&last[..], location(1)))).unwrap();
                assert!(!same, "what is there is not appended");
            }
            // More keys between the others and at both ends, in one call that is sorted and one that is not; and others away.
            let more: Vec<_> =
                (0..n + 100).map(|i| (key(family, i * 7 % (2 * n + 100)), Some(location(n + i)))).collect();
            apply(&tree, &mut model, &more);
            check(&tree);
            let fewer: Vec<_> = (0..n).rev().map(|i| (key(family, i), (i % 5 == 0).then(|| location(i)))).collect();
            apply(&tree, &mut model, &fewer);
            check(&tree);
            assert_eq!(
                scan(&tree, Start::Edge, Direction::Reverse, usize::MAX),
                scan_model(&model, Start::Edge, Direction::Reverse, usize::MAX)
            );
        }
    }
}

/// Keys behind all that are there come into leaves of their own, with every invariant kept, and next to none of the time of [`BTree::apply`].
#[test]
fn a_tree_is_appended_to() {
    for (key_len, n) in [(8, 20_000), (60, 5_000), (400, 1_000), (MAX_KEY_LEN, 60)] {
        let key = |i: u64| [&i.to_be_bytes()[..], &vec![b'k'; key_len - 8]].concat();
        // At first a tree of one leaf, and in the end one of levels that must be split.
        let (tree, mut model, mut next) = (BTree::new(), Model::new(), 0);
        for packing in PACKINGS.into_iter().cycle() {
            if next >= n {
                break;
            }
            let count = 1 + next * 3 / 2;
            let new: Model = (next..next + count).map(|i| (key(i * 2), location(i))).collect();
            let added = tree.build(new.len(), packing, &mut new.iter().map(|(key, at)| (&key[..], *at))).unwrap();
            assert!(added, "{key_len}: {count} behind {next}");
            (model, next) = (model.into_iter().chain(new).collect(), next + count);
            check(&tree);
            assert_eq!(tree.len(), model.len() as u64);
            let between: Vec<_> = (0..20).map(|i| (key(i * next / 20 * 2 + 1), Some(location(i)))).collect();
            apply(&tree, &mut model, &between[..between.len() - 1]);
            check(&tree);
            assert_eq!(
                scan(&tree, Start::Edge, Direction::Reverse, usize::MAX),
                scan_model(&model, Start::Edge, Direction::Reverse, usize::MAX)
            );
        }
    }
}

fn put(tree: &BTree, key: &[u8], n: u64) {
    tree.apply(&mut [Change { key, new: Some(location(n)), old: None }]).unwrap();
}

fn delete(tree: &BTree, key: &[u8]) -> Option<Location> {
    let mut change = [Change { key, new: None, old: None }];
    tree.apply(&mut change).unwrap();
    change[0].old
}

fn scan(tree: &BTree, start: Start<'_>, direction: Direction, max: usize) -> Vec<(Vec<u8>, Location)> {
    let mut page = KeyPage::new();
    tree.scan(start, direction, max, &mut page).unwrap();
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

pub(super) fn assert_same(tree: &BTree, model: &Model) {
    check(tree);
    let all = scan(tree, Start::Edge, Direction::Forward, usize::MAX);
    assert!(all.iter().map(|(k, l)| (k, l)).eq(model.iter()), "contents");
    let mut walked = Vec::new();
    let mut position = WalkPosition::default();
    while tree.walk(&mut position, 50, &mut walked).unwrap() {}
    assert!(!tree.walk(&mut position, 50, &mut walked).unwrap(), "a walk that is over stays over");
    walked.sort_unstable();
    let mut locations: Vec<Location> = model.values().copied().collect();
    locations.sort_unstable();
    assert!(walked == locations, "walk");
}

/// Key `n` of a family. Families are chosen to be awkward: each has some habit that page layouts trip over.
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
        // Long shared prefixes, inside and outside of what fits in a page.
        8 => [vec![b'p'; 490], number.into_bytes()].concat(),
        9 => [vec![b'p'; 700], scrambled.to_le_bytes().to_vec()].concat(),
        10 => {
            let mut key = vec![b'k'; MAX_KEY_LEN - 4];
            key.extend(scrambled.to_be_bytes());
            key
        }
        // Around the lengths where the form of an entry changes.
        _ => {
            let len = [1, 3, 4, 5, 253, 254, 255, 257, 258, 511, 512, 513][n as usize % 12];
            let mut key = vec![(n / 12) as u8; len];
            key[len - 1] = (n / 24) as u8;
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
    },
    /// Mixed changes of one call, keys repeated.
    Batch(Vec<(u8, u32, bool)>),
    Gets(Vec<(u8, u32)>),
    Scan {
        start: Option<(u8, u32, bool)>,
        reverse: bool,
        max: usize,
    },
    DeleteAll,
}

fn family() -> impl Strategy<Value = u8> {
    0..12u8
}

fn step() -> impl Strategy<Value = Step> {
    let order = prop_oneof![Just(Order::Up), Just(Order::Down), Just(Order::Shuffled)];
    prop_oneof![
        8 => (family(), 0..2000u32, 1..600u32, order, prop::bool::weighted(0.6)).prop_map(
            |(family, from, count, order, put)| Step::Range { family, from, count, order, put }),
        4 => vec((family(), 0..300u32, any::<bool>()), 1..100).prop_map(Step::Batch),
        2 => vec((family(), 0..3000u32), 1..50).prop_map(Step::Gets),
        4 => (prop::option::weighted(0.9, (family(), 0..3000u32, any::<bool>())), any::<bool>(), 0..400usize)
            .prop_map(|(start, reverse, max)| Step::Scan { start, reverse, max }),
        1 => Just(Step::DeleteAll),
    ]
}

fn run(tree: &BTree, model: &mut Model, step: Step, clock: &mut u64) {
    let mut tick = || {
        *clock += 1;
        location(*clock)
    };
    match step {
        Step::Range { family, from, count, order, put } => {
            // 64 KiB keys in smaller numbers, or the time goes into copying them.
            let count = if family == 10 { count / 20 + 1 } else { count };
            let mut numbers: Vec<u32> = (from..from + count).collect();
            match order {
                Order::Up => {}
                Order::Down => numbers.reverse(),
                Order::Shuffled => numbers.sort_by_key(|n| n.wrapping_mul(0x85eb_ca6b)),
            }
            let changes: Vec<_> = numbers.iter().map(|n| (key(family, *n), put.then(&mut tick))).collect();
            apply(tree, model, &changes);
        }
        Step::Batch(changes) => {
            let changes: Vec<_> = changes.iter().map(|(f, n, put)| (key(*f, *n), put.then(&mut tick))).collect();
            apply(tree, model, &changes);
        }
        Step::Gets(keys) => {
            for (family, n) in keys {
                let key = key(family, n);
                assert_eq!(tree.get(&key).unwrap(), model.get(&key).copied(), "get {}", show(&key));
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
            let same = scan(tree, start, direction, max) == scan_model(model, start, direction, max);
            assert!(same, "scan {direction:?} of {max} from {:?}", at.as_deref().map(show));
        }
        Step::DeleteAll => {
            let changes: Vec<_> = model.keys().map(|k| (k.clone(), None)).collect();
            apply(tree, model, &changes);
            assert_eq!(tree.writer.lock().arena.used(), 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn histories_agree_with_the_standard_map(steps in vec(step(), 1..40)) {
        let (tree, mut model, mut clock) = (BTree::new(), Model::new(), 0);
        for step in steps {
            run(&tree, &mut model, step, &mut clock);
            assert_same(&tree, &model);
        }
    }

    #[test]
    fn histories_of_one_family_agree_with_the_standard_map(family in family(), steps in vec(step(), 1..40)) {
        let (tree, mut model, mut clock) = (BTree::new(), Model::new(), 0);
        for mut step in steps {
            match &mut step {
                Step::Range { family: f, .. } => *f = family,
                Step::Batch(changes) => changes.iter_mut().for_each(|c| c.0 = family),
                Step::Gets(keys) => keys.iter_mut().for_each(|k| k.0 = family),
                Step::Scan { start: Some(start), .. } => start.0 = family,
                _ => {}
            }
            run(&tree, &mut model, step, &mut clock);
            assert_same(&tree, &model);
        }
    }

    #[test]
    fn short_keys_of_few_bytes_agree_with_the_standard_map(
        keys in vec((vec(prop_oneof![Just(0u8), Just(1), Just(0xff)], 1..9), prop::bool::weighted(0.8)), 1..3000)
    ) {
        let (tree, mut model) = (BTree::new(), Model::new());
        for chunk in keys.chunks(500) {
            let changes: Vec<_> =
                chunk.iter().enumerate().map(|(i, (k, put))| (k.clone(), put.then(|| location(i as u64)))).collect();
            apply(&tree, &mut model, &changes);
            assert_same(&tree, &model);
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
        let tree = BTree::new();
        let mut peak = 0;
        for round in 0..6 {
            for n in order(20_000, round % 3) {
                put(&tree, &key(family, n), n.into());
            }
            check(&tree);
            if round == 0 {
                peak = tree.memory();
            }
            assert!(tree.memory() < peak * 5 / 4 + (1 << 20), "family {family} round {round}: {}", tree.memory());
            for n in order(20_000, (round + round / 2) % 3) {
                assert_eq!(delete(&tree, &key(family, n)), Some(location(n.into())));
            }
            check(&tree);
            assert_eq!((tree.len(), tree.writer.lock().arena.used()), (0, 0));
            assert!(tree.memory() < (1 << 20) + (1 << 17), "family {family}: {} when empty", tree.memory());
        }
    }
}

#[test]
fn thinning_out_merges_pages() {
    for family in [0, 2, 3, 8] {
        let tree = BTree::new();
        for n in order(30_000, 2) {
            put(&tree, &key(family, n), n.into());
        }
        let full = tree.writer.lock().arena.used();
        for n in order(30_000, 5).into_iter().filter(|n| !n.is_multiple_of(10)) {
            delete(&tree, &key(family, n));
        }
        check(&tree);
        let left = tree.writer.lock().arena.used();
        assert!(left <= full / 4, "family {family}: {left} pages of {full} for a tenth of the keys");
    }
}

/// What a call removes of a leaf goes at once: the tree is as small as if the keys had gone one by one, and each removal tells what was there.
#[test]
fn a_call_of_removals_gives_back_as_much_as_single_ones() {
    for family in [0, 2, 3, 8, 9] {
        let n = if family == 9 { 3000 } else { 30_000 };
        let (tree, mut model) = (BTree::new(), Model::new());
        let changes: Vec<_> = order(n, 2).into_iter().map(|n| (key(family, n), Some(location(n.into())))).collect();
        apply(&tree, &mut model, &changes);
        let full = tree.writer.lock().arena.used();
        // Nine of ten, with keys among them that are not there, and some that are named twice.
        let going = order(n + n / 10, 5).into_iter().filter(|n| !n.is_multiple_of(10));
        let twice = going.clone().filter(|n| n.is_multiple_of(7));
        let changes: Vec<_> = going.clone().chain(twice).map(|n| (key(family, n), None)).collect();
        for changes in changes.chunks(changes.len() / 3 + 1) {
            apply(&tree, &mut model, changes);
            assert_same(&tree, &model);
        }
        let left = tree.writer.lock().arena.used();
        assert!(left <= full / 4, "family {family}: {left} pages of {full} for a tenth of the keys");
        // A range, as it stands in order: whole leaves go.
        let changes: Vec<_> = model.keys().skip(5).take(model.len() - 10).map(|key| (key.clone(), None)).collect();
        apply(&tree, &mut model, &changes);
        assert_same(&tree, &model);
        let left = tree.writer.lock().arena.used();
        assert!(left <= 12, "family {family}: {left} pages for ten keys");
    }
}

#[test]
fn inner_pages_merge_around_a_long_separator() {
    let tree = BTree::new();
    for n in order(100_000, 2) {
        put(&tree, &key(9, n), n.into());
    }
    check(&tree);
    assert!(tree.read().height() >= 3, "too few keys for two inner pages below the root");
    for (i, n) in order(100_000, 5).into_iter().enumerate() {
        assert_eq!(delete(&tree, &key(9, n)), Some(location(n.into())));
        if i % 10_000 == 0 {
            check(&tree);
        }
    }
    check(&tree);
}

#[test]
fn sorted_inserts_fill_pages() {
    for (family, each) in [(0u8, 21), (3, 24)] {
        for how in [0, 1] {
            let tree = BTree::new();
            for n in order(100_000, how) {
                put(&tree, &key(family, n), n.into());
            }
            check(&tree);
            let bytes = u64::from(tree.writer.lock().arena.used()) * 4096 / 100_000;
            assert!(bytes <= each, "family {family} order {how}: {bytes} bytes a key");
        }
    }
}

/// Twenty-four bytes in no order.
fn random_key(n: u64) -> [u8; 24] {
    let mut key = [0; 24];
    for (i, part) in key.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *part = (3 * n + i as u64 + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            .to_le_bytes();
    }
    key
}

/// Behind a load of keys in no order, built or in one call, there is room for more of them; a load that came in order is packed.
#[test]
fn a_load_in_no_order_leaves_room_and_one_in_order_does_not() {
    const KEYS: u64 = 30_000;
    let mut keys: Vec<_> = (0..KEYS).map(random_key).collect();
    let pages = |tree: &BTree| u64::from(tree.writer.lock().arena.used());
    let apply = |tree: &BTree, keys: &[[u8; 24]]| {
        let mut changes: Vec<_> = keys.iter().map(|key| Change { key, new: Some(location(1)), old: None }).collect();
        tree.apply(&mut changes).unwrap();
        assert!(changes.iter().all(|change| change.old.is_none()));
    };
    let (called, called_in_order) = (BTree::new(), BTree::new());
    apply(&called, &keys);
    keys.sort_unstable();
    apply(&called_in_order, &keys);
    let [tight, roomy] = PACKINGS.map(|packing| {
        let tree = BTree::new();
        let mut entries = keys.iter().map(|key| (&key[..], location(1)));
        assert!(tree.build(keys.len(), packing, &mut entries).unwrap());
        tree
    });
    for tree in [&tight, &called_in_order] {
        assert!(pages(tree) * 4096 / KEYS <= 35, "{} pages are not packed", pages(tree));
    }
    for tree in [&roomy, &called] {
        let built = pages(tree);
        assert!((37..=41).contains(&(built * 4096 / KEYS)), "{built} pages");
        // Three keys of a hundred: no leaf is split. Then as many as in all they are left: leaves fill up one after the other.
        (KEYS..KEYS * 103 / 100).for_each(|n| put(tree, &random_key(n), n));
        check(tree);
        assert!(pages(tree) <= built + 1, "{built} pages became {}", pages(tree));
        (KEYS * 103 / 100..KEYS * 112 / 100).for_each(|n| put(tree, &random_key(n), n));
        check(tree);
        let more = pages(tree) - built;
        assert!((built / 20..built / 2).contains(&more), "{more} more than {built} pages");
    }
    // A call that names a key twice is none that builds.
    let (tree, mut model) = (BTree::new(), Model::new());
    let twice: Vec<_> = (0..600_u64).map(|n| (random_key(n % 500).to_vec(), Some(location(n)))).collect();
    self::apply(&tree, &mut model, &twice);
    assert_same(&tree, &model);
}

/// A change finds its leaf whatever page it is told to look at first, and what is told of a key is the leaf where it is.
#[test]
fn a_wrong_leaf_to_begin_with_does_no_harm() {
    let (tree, mut model) = (BTree::new(), Model::new());
    for i in 0..20_000_u64 {
        let random = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let key = random_key(random % 3000);
        // Of pages that are, were and never were: leaves and others.
        let page = if random.is_multiple_of(50) { NO_PAGE } else { (random / 7 % 200) as u32 };
        match random % 3 {
            0 => tree.warm(&key),
            _ => tree.warm_leaf.store(page, Ordering::Relaxed),
        }
        let new = (random / 11 % 3 > 0 || i < 3000).then(|| location(i));
        // At times nearly all go.
        let new = if i / 4000 % 2 == 1 { new.filter(|_| i.is_multiple_of(10)) } else { new };
        apply(&tree, &mut model, &[(key.to_vec(), new)]);
        if i.is_multiple_of(500) {
            assert_same(&tree, &model);
        }
    }
    assert_same(&tree, &model);
    (0..5000).for_each(|n| put(&tree, &random_key(n), n));
    assert!(tree.read().height() >= 2);
    let state = tree.read();
    for n in 0..5000 {
        let leaf = state.ask_for_leaf(&random_key(n));
        assert!(leaf != NO_PAGE && state.pages.page(leaf).find(&random_key(n), &state.longs).exact, "key {n}");
    }
}

/// Where a key was announced to be, a change of that key begins; of the next it says nothing.
#[test]
fn what_was_announced_is_for_one_change() {
    let tree = BTree::new();
    (0..1000).for_each(|n| put(&tree, &random_key(n), n));
    tree.warm(&random_key(7));
    assert_ne!(tree.warm_leaf.load(Ordering::Relaxed), NO_PAGE);
    put(&tree, &random_key(7), 8);
    assert_eq!(tree.warm_leaf.load(Ordering::Relaxed), NO_PAGE);
    check(&tree);
}

/// Pages of what came one by one in no order are used for the greater part, however leaves were split.
#[test]
fn random_inserts_fill_most_of_the_pages() {
    let tree = BTree::new();
    for n in 0..60_000 {
        put(&tree, &random_key(n), n);
    }
    check(&tree);
    let bytes = u64::from(tree.writer.lock().arena.used()) * 4096 / 60_000;
    assert!(bytes <= 44, "{bytes} bytes a key");
}

#[test]
fn old_locations_see_earlier_changes_of_the_call() {
    let (tree, mut model) = (BTree::new(), Model::new());
    let key = b"k".to_vec();
    let changes = [Some(location(1)), Some(location(2)), None, None, Some(location(3))].map(|new| (key.clone(), new));
    apply(&tree, &mut model, &changes);
    assert_same(&tree, &model);
    assert_eq!(tree.get(b"k").unwrap(), Some(location(3)));
}

#[test]
fn a_refused_call_changes_nothing() {
    let tree = BTree::new();
    let long = vec![1; MAX_KEY_LEN + 1];
    for bad in [&[] as &[u8], &long] {
        let mut changes = [b"good".as_slice(), bad].map(|key| Change { key, new: Some(location(1)), old: None });
        assert!(tree.apply(&mut changes).is_err());
        assert_eq!((tree.len(), tree.get(b"good").unwrap()), (0, None));
        assert_eq!(tree.get(bad).unwrap(), None);
        assert!(scan(&tree, Start::At(bad), Direction::Reverse, 9).is_empty());
    }
}

#[test]
fn long_keys_cost_what_they_are_long() {
    let tree = BTree::new();
    for n in order(500, 2) {
        put(&tree, &key(10, n), n.into());
    }
    check(&tree);
    // Separators of keys that differ in their last bytes only are as long as the keys, one a page.
    assert!(tree.memory() < 500 * 65_535 * 21 / 20 + (2 << 20), "{}", tree.memory());
    for n in order(500, 3) {
        delete(&tree, &key(10, n));
    }
    check(&tree);
    assert!(tree.memory() < 2 << 20, "{}", tree.memory());
}

#[test]
fn readers_run_beside_the_writer() {
    let tree = BTree::new();
    std::thread::scope(|s| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                s.spawn(|| {
                    while tree.len() < 20_000 {
                        // A call's keys come and go together.
                        let all = scan(&tree, Start::Edge, Direction::Forward, usize::MAX);
                        assert_eq!(all.len() % 10, 0);
                        assert!(all.is_sorted_by(|a, b| a.0 < b.0));
                    }
                })
            })
            .collect();
        for batch in order(20_000, 2).chunks(10) {
            let keys: Vec<_> = batch.iter().map(|n| key(2, *n)).collect();
            let mut changes: Vec<_> =
                keys.iter().map(|key| Change { key, new: Some(location(1)), old: None }).collect();
            tree.apply(&mut changes).unwrap();
        }
        readers.into_iter().for_each(|r| r.join().unwrap());
    });
    check(&tree);
}

/// What is appended load by load takes memory for its keys, and not for how often some came.
#[test]
fn appended_loads_take_no_memory_for_their_number() {
    let tree = BTree::new();
    for load in 0..40_u64 {
        let keys: Vec<[u8; 8]> = (0..100).map(|n| (load * 100 + n).to_be_bytes()).collect();
        let built = tree.build(keys.len(), Packing::Tight, &mut keys.iter().map(|key| (&key[..], location(load))));
        assert!(built.unwrap());
    }
    check(&tree);
    assert!(tree.memory() < 2 << 20, "{} bytes", tree.memory());
}
