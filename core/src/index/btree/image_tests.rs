//! Images: what is made of one is the tree of the moment at which it began, whatever is changed meanwhile, and nothing that a file may hold
//! brings more than a wrong answer.

use super::tests::{apply, assert_same, location};
use super::*;
use crate::index::testing::{Image, InMemory, mix, saved};
use crate::types::MAX_KEY_LEN;
use crate::util::page::PAGE_SIZE;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

type Model = BTreeMap<Vec<u8>, Location>;

/// Takes an image; `between` is called between its pieces.
fn image(tree: &BTree, piece: u32, mut between: impl FnMut()) -> Image {
    let head = tree.begin_image().unwrap().expect("no other is under way");
    assert!(tree.begin_image().unwrap().is_none(), "one at a time");
    let (mut pages, mut tail) = (Vec::new(), Vec::new());
    for first in (0..head.pages).step_by(piece as usize) {
        between();
        tree.image_pages(first, piece, &mut pages);
    }
    loop {
        between();
        if !tree.image_tail(&mut tail) {
            break;
        }
    }
    tree.end_image();
    assert_eq!(pages.len(), head.pages as usize * PAGE_SIZE);
    Image { head, pages, tail }
}

fn resume(image: Image) -> BTree {
    BTree::resume(saved(image)).expect("it is an image")
}

/// Short and long keys, with prefixes in common; some too long for a page if `longs`.
fn key(n: u64, longs: bool) -> Vec<u8> {
    let mut key = format!("{:05x}", mix(n) & 0xf_ffff).into_bytes();
    let more = match mix(n) >> 60 {
        0 if longs => 513 + (mix(n) >> 20) as usize % 3000,
        1 => 100,
        _ => (mix(n) >> 40) as usize % 12,
    };
    key.extend(std::iter::repeat_n(b'k', more));
    key.extend(n.to_be_bytes());
    assert!(key.len() <= MAX_KEY_LEN);
    key
}

/// One to three changes, which put more than they remove or the other way round.
fn change(tree: &BTree, model: &mut Model, random: &mut u64, keys: u64, longs: bool, grow: bool) {
    *random = mix(*random);
    let changes: Vec<_> = (0..1 + *random % 3)
        .map(|i| {
            let n = mix(*random ^ i);
            let put = (n >> 32) % 10 < if grow { 8 } else { 2 };
            (key(n % keys, longs), put.then(|| location(n)))
        })
        .collect();
    apply(tree, model, &changes);
}

/// A look that began at a tree of which nobody knew yet whether it is one, and ends at one that is being changed, sees pages in the midst of
/// changes. Those are no damage.
#[test]
fn readers_under_way_when_a_saved_tree_begins_to_change_find_no_damage() {
    let (tree, mut model) = (BTree::new(), Model::new());
    for n in 0..2000 {
        apply(&tree, &mut model, &[(key(n, false), Some(location(n)))]);
    }
    let image = image(&tree, 64, || {});
    for round in 0..60_u64 {
        let tree = resume(image.clone());
        let (is_over, began) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for direction in [Direction::Forward, Direction::Reverse] {
                let (tree, is_over, began) = (&tree, &is_over, &began);
                scope.spawn(move || {
                    let mut page = KeyPage::new();
                    while !is_over.load(Ordering::Relaxed) {
                        page.clear();
                        began.fetch_add(1, Ordering::Relaxed);
                        let scanned = tree.scan(Start::Edge, direction, usize::MAX, &mut page);
                        let got = tree.get(&key(round, false));
                        let failed = scanned.and(got).err();
                        if failed.is_some() {
                            is_over.store(true, Ordering::Relaxed);
                        }
                        assert_eq!(failed.map(|e| e.to_string()), None, "round {round}");
                        assert!(page.len() >= 1000, "round {round}: {} of 1000 keys that stay", page.len());
                    }
                });
            }
            while began.load(Ordering::Relaxed) < 4 {
                std::thread::yield_now();
            }
            for i in 0..3000 {
                // Even ones stay.
                let n = mix(round << 32 | i) % 1000 * 2 + 1;
                let new = i.is_multiple_of(2).then(|| location(n));
                tree.apply(&mut [Change { key: &key(n, false), new, old: None }]).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(!tree.is_damaged(), "round {round}");
    }
}

/// What is looked at beside readers needs no look before the first change, and one that was stopped is made up for.
#[test]
fn a_saved_tree_is_looked_at_once_and_may_be_stopped() {
    let (tree, mut model) = (BTree::new(), Model::new());
    for n in 0..3000 {
        apply(&tree, &mut model, &[(key(n, true), Some(location(n)))]);
    }
    let image = image(&tree, 64, || {});
    let pages = image.head.pages;
    for looks in [&[true][..], &[true, false], &[false, true]] {
        let (tree, mut model) = (resume(image.clone()), model.clone());
        let mut is_done = false;
        for &stopped in looks {
            is_done |= !stopped;
            assert_eq!(tree.look_at_all(&AtomicBool::new(stopped)).unwrap(), is_done);
            assert_eq!(tree.unseen_pages(), if is_done { 0 } else { pages });
        }
        apply(&tree, &mut model, &[(key(1, true), None), (key(9000, true), Some(location(1)))]);
        assert_eq!(tree.unseen_pages(), 0);
        assert_same(&tree, &model);
    }
}

#[test]
fn an_image_is_of_the_moment_at_which_it_began() {
    for seed in 0..24_u64 {
        let (longs, keys) = (seed % 3 == 0, [40, 900, 6000][(seed / 3 % 3) as usize]);
        let (tree, mut model, mut random) = (BTree::new(), Model::new(), seed << 32);
        for _ in 0..keys {
            change(&tree, &mut model, &mut random, keys, longs, true);
        }
        let then = model.clone();
        let piece = 1 + (seed % 7) as u32;
        let image = image(&tree, piece, || {
            for _ in 0..keys / 30 {
                change(&tree, &mut model, &mut random, keys, longs, seed % 2 == 0);
            }
        });
        assert_same(&tree, &model);
        let resumed = resume(image.clone());
        assert_eq!(resumed.len(), then.len() as u64, "seed {seed}");
        // Read before anything makes it verify the whole.
        for (key, location) in &then {
            assert_eq!(resumed.get(key).unwrap(), Some(*location), "seed {seed}");
        }
        resumed.ready().unwrap();
        assert_same(&resumed, &then);
        // And once more without having been read, changed at once, and saved again.
        let (resumed, mut model) = (resume(image), then);
        for _ in 0..keys / 2 {
            change(&resumed, &mut model, &mut random, keys, longs, seed % 4 < 2);
        }
        assert_same(&resumed, &model);
        let again = resume(self::image(&resumed, 64, || {}));
        again.ready().unwrap();
        assert_same(&again, &model);
    }
}

#[test]
fn an_image_of_an_empty_tree_is_one() {
    let tree = BTree::new();
    let resumed = resume(image(&tree, 1, || {}));
    assert_eq!((resumed.get(b"k").unwrap(), resumed.len()), (None, 0));
    let mut model = Model::new();
    apply(&resumed, &mut model, &[(b"k".to_vec(), Some(location(1)))]);
    assert_same(&resumed, &model);
}

/// More pages than a chunk has, and a writer that runs while the image is read.
#[test]
fn an_image_is_read_beside_a_writer() {
    const KEYS: u64 = 100_000;
    let (tree, mut model) = (BTree::new(), Model::new());
    for n in 0..KEYS {
        let key = key(n, false);
        tree.apply(&mut [Change { key: &key, new: Some(location(n)), old: None }]).unwrap();
        model.insert(key, location(n));
    }
    let then = model.clone();
    let head = tree.begin_image().unwrap().expect("no other is under way");
    let (stop, mut pages, mut tail) = (AtomicBool::new(false), Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 1;
            while !stop.load(Ordering::Relaxed) {
                let grow = random % 64 < 32;
                change(&tree, &mut model, &mut random, KEYS, false, grow);
            }
        });
        tree.image_pages(0, head.pages, &mut pages);
        while tree.image_tail(&mut tail) {}
        stop.store(true, Ordering::Relaxed);
    });
    tree.end_image();
    assert_same(&tree, &model);
    assert!(head.pages as usize > 2 * super::super::PIECE_PAGES, "several chunks: {}", head.pages);
    let resumed = resume(Image { head, pages, tail });
    // Readers who come first, at the same time, all of them to chunks that are not there.
    let all: Vec<_> = then.iter().collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (all, resumed) = (&all, &resumed);
            scope.spawn(move || {
                for i in (thread..all.len()).step_by(97) {
                    assert_eq!(resumed.get(all[i].0).unwrap(), Some(*all[i].1));
                }
            });
        }
    });
    let mut found = KeyPage::new();
    resumed.scan(Start::Edge, Direction::Reverse, usize::MAX, &mut found).unwrap();
    assert!((0..found.len()).map(|i| found.get(i).unwrap()).eq(then.iter().rev().map(|(k, l)| (&k[..], *l))));
    let (mut random, mut model) = (9, then);
    for _ in 0..20_000 {
        let grow = random % 64 < 32;
        change(&resumed, &mut model, &mut random, KEYS, false, grow);
    }
    assert_same(&resumed, &model);
}

/// Everything that a reader or the writer may do, each of which must come to an end.
fn use_it(tree: &BTree, keys: u64) -> bool {
    let mut fine = true;
    let mut page = KeyPage::new();
    for n in 0..keys {
        fine &= tree.get(&key(n, true)).is_ok();
    }
    for direction in [Direction::Forward, Direction::Reverse] {
        page.clear();
        fine &= tree.scan(Start::Edge, direction, usize::MAX, &mut page).is_ok();
        assert!(page.len() as u64 <= 4 * keys, "a scan that finds more than there is");
        // In small pages, as iterators do: each goes on behind the last.
        let (mut last, mut steps) = (Vec::new(), 0);
        loop {
            page.clear();
            let start = if steps == 0 { Start::Edge } else { Start::After(&last) };
            fine &= tree.scan(start, direction, 3, &mut page).is_ok();
            steps += 1;
            assert!(steps <= 4 * keys, "a scan without end");
            match page.last() {
                Some((key, _)) => last = key.to_vec(),
                None => break,
            }
        }
    }
    let (mut position, mut out) = (WalkPosition::default(), Vec::new());
    while tree.walk(&mut position, 10, &mut out).unwrap_or(false) {}
    let (some, mut found) = ([&key(1, true)[..], &key(2, true)[..]], [None; 2]);
    fine &= tree.get_many(&some, &mut found).is_ok();
    let mut random = 1;
    let _ = tree.sample(&mut || {
        random = mix(random);
        random
    });
    for n in 0..keys / 4 {
        let changes = [(n * 3, Some(location(n))), (n * 5, None)];
        for (n, new) in changes {
            fine &= tree.apply(&mut [Change { key: &key(n % keys, true), new, old: None }]).is_ok();
        }
    }
    fine && !tree.is_damaged()
}

/// Pages that were made to mislead, with the right checksums.
#[test]
fn crafted_pages_bring_no_panic_and_no_endless_loop() {
    const KEYS: u64 = 700;
    let (tree, mut model, mut random) = (BTree::new(), Model::new(), 77);
    for _ in 0..KEYS {
        change(&tree, &mut model, &mut random, KEYS, true, true);
    }
    let image = image(&tree, 64, || {});
    let words = image.pages.len() / 4;
    let (mut refused, mut used) = (0, 0);
    for seed in 0..1500_u64 {
        let mut image = image.clone();
        for i in 0..1 + seed % 3 {
            let at = |n: u64| (mix(seed * 31 + i * 7 + n) as usize) % words;
            let page = at(1) / (PAGE_SIZE / 4) * PAGE_SIZE;
            match seed % 6 {
                // A bit, a word, or a field of a page's head.
                0 => image.pages[at(1) * 4 + 1] ^= 1 << (at(2) % 8),
                1 => image.pages.copy_within(at(1) * 4..at(1) * 4 + 4, at(2) * 4),
                2 => image.pages[page + at(3) % 20] ^= 1 << (at(2) % 8),
                // A link or a child that leads to another page.
                3 => image.pages[page + 12 + at(3) % 2 * 4] = (at(2) % image.head.pages as usize) as u8,
                4 => {
                    let other = at(2) / (PAGE_SIZE / 4) * PAGE_SIZE;
                    image.pages.copy_within(other..other + PAGE_SIZE, page);
                }
                _ => image.tail[at(2) % 64] ^= 1 << (at(3) % 8),
            }
        }
        match BTree::resume(saved(image)) {
            Ok(tree) if use_it(&tree, KEYS) => used += 1,
            Ok(_) => refused += 1,
            Err(_) => refused += 1,
        }
    }
    // Locations and what is no part of any page can be anything.
    assert!(refused > 700 && used > 50, "{refused} refused, {used} used");
}

/// Every page is verified before it is used: what a chunk's checksum does not fit is an error, and not an answer.
#[test]
fn a_damaged_piece_is_found_by_whoever_comes_to_it() {
    let (tree, mut model) = (BTree::new(), Model::new());
    for n in 0..60_000 {
        apply(&tree, &mut model, &[(key(n, false), Some(location(n)))]);
    }
    let image = image(&tree, 64, || {});
    for place in [0, PAGE_SIZE * 300 + 5, image.pages.len() - 1] {
        let mut saved = saved(image.clone());
        let mut pages = image.pages.clone();
        pages[place] ^= 4;
        saved.source = Box::new(InMemory(pages));
        let tree = BTree::resume(saved).unwrap();
        let outcomes: Vec<_> = model.iter().map(|(key, location)| (tree.get(key), *location)).collect();
        let found = outcomes.iter().position(|(found, _)| found.is_err()).expect("somebody comes to it");
        assert!(outcomes[..found].iter().all(|(found, location)| *found.as_ref().unwrap() == Some(*location)));
        assert!(outcomes[found..].iter().all(|(found, _)| found.is_err()) && tree.is_damaged());
        let mut change = [Change { key: b"k", new: Some(location(1)), old: None }];
        assert!(tree.apply(&mut change).is_err() && tree.reserve(&mut [&b"k"[..]].into_iter()).is_err());
        assert!(tree.begin_image().is_err(), "no image is made of it");
        let nowhere = super::super::arena::Pages::default();
        let zeros = (0..PAGE_SIZE / 4).all(|at| nowhere.page(9).word(at) == 0);
        assert!(zeros, "what stands for pages that are not there was written to");
        // What it is made of again takes its place.
        tree.rebuild(&mut |fresh| {
            for (key, location) in &model {
                fresh.apply(&mut [Change { key, new: Some(*location), old: None }])?;
            }
            Ok(())
        })
        .unwrap();
        assert_same(&tree, &model);
    }
}

/// Pages of a mapped file that nobody changed are not this process's memory; here all are read, and changed ones are counted once.
#[test]
fn what_was_not_fetched_takes_no_memory() {
    let (tree, mut model) = (BTree::new(), Model::new());
    for n in 0..60_000 {
        apply(&tree, &mut model, &[(key(n, false), Some(location(n)))]);
    }
    let whole = tree.memory();
    let resumed = resume(image(&tree, 64, || {}));
    assert!(resumed.memory() < 64 << 10, "{} of {whole}", resumed.memory());
    resumed.get(&key(1, false)).unwrap();
    assert!(resumed.memory() <= 4 << 20, "{} of {whole}", resumed.memory());
    resumed.ready().unwrap();
    assert!(resumed.memory() < whole + (1 << 20), "{} of {whole}", resumed.memory());
}
