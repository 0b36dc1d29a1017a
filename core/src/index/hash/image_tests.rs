//! Images: what is made of one is the table of the moment at which it began, whatever is changed meanwhile, and nothing that a file may hold
//! brings more than a wrong answer.

use super::*;
use crate::index::PIECE_PAGES;
use crate::index::image::Imaged;
use crate::index::testing::{Image, InMemory, mix, saved};
use crate::util::page::PAGE_SIZE;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

type Model = BTreeMap<Vec<u8>, Location>;

/// Takes an image; `between` is called before each part of it is read.
fn image(index: &HashIndex, mut between: impl FnMut()) -> Image {
    let head = index.begin_image().unwrap().expect("no other is under way");
    assert!(index.begin_image().unwrap().is_none(), "one at a time");
    let snapshot = index.table.read().memory.snapshot.clone().expect("one is under way");
    let mut pages = vec![0; head.pages as usize * PAGE_SIZE];
    for part in snapshot.parts(&(0..pages.len())) {
        between();
        snapshot.read(&index.table.read(), &part, 0, &mut pages);
    }
    let mut tail = Vec::new();
    assert!(!index.image_tail(&mut tail));
    index.end_image();
    Image { head, pages, tail }
}

fn resume(image: Image) -> HashIndex {
    HashIndex::resume(saved(image)).expect("it is an image")
}

fn key(n: u64) -> Vec<u8> {
    format!("key {n}").into_bytes()
}

fn location(n: u64) -> Location {
    Location::from_bits(n)
}

fn apply(index: &HashIndex, model: &mut Model, changes: &[(u64, Option<u64>)]) {
    let keys: Vec<_> = changes.iter().map(|(n, _)| key(*n)).collect();
    let mut made: Vec<_> =
        changes.iter().zip(&keys).map(|((_, new), key)| Change { key, new: new.map(location), old: None }).collect();
    index.apply(&mut made).unwrap();
    for change in made {
        let old = match change.new {
            Some(new) => model.insert(change.key.to_vec(), new),
            None => model.remove(change.key),
        };
        assert_eq!(change.old, old);
    }
}

/// One to three changes, of which eight or two of ten put.
fn change(index: &HashIndex, model: &mut Model, random: &mut u64, keys: u64, grow: bool) {
    *random = mix(*random);
    let one = |i: u64| {
        let n = mix(*random ^ i);
        (n % keys, ((n >> 32) % 10 < if grow { 8 } else { 2 }).then_some(n))
    };
    let changes: Vec<_> = (0..1 + (*random % 4).saturating_sub(1)).map(one).collect();
    apply(index, model, &changes);
}

fn filled(keys: u64) -> (HashIndex, Model) {
    let (index, mut model) = (HashIndex::new(*b"sixteen key byte"), Model::new());
    let all: Vec<_> = (0..keys).map(|n| (n, Some(mix(n)))).collect();
    all.chunks(500).for_each(|changes| apply(&index, &mut model, changes));
    (index, model)
}

/// What a reader sees of a table, which may be one that nobody has looked at.
fn assert_reads(index: &HashIndex, model: &Model) {
    assert_eq!(index.len(), model.len() as u64);
    for (key, location) in model {
        assert_eq!(index.get(key).unwrap(), Some(*location));
    }
    assert_eq!(index.get(b"none of these").unwrap(), None);
}

/// And all of it.
fn assert_same(index: &HashIndex, model: &Model) {
    index.ready().unwrap();
    index.table.check();
    assert_reads(index, model);
    let (mut position, mut walked) = (WalkPosition::default(), Vec::new());
    while index.walk(&mut position, 100, &mut walked).unwrap() {}
    let sorted = |mut bits: Vec<u64>| {
        bits.sort_unstable();
        bits
    };
    let walked = sorted(walked.into_iter().map(Location::to_bits).collect());
    assert!(walked == sorted(model.values().map(|location| location.to_bits()).collect()));
}

#[test]
fn an_image_is_of_the_moment_at_which_it_began() {
    for seed in 0..24_u64 {
        let keys = [3, 40, 900, 20_000][(seed / 3 % 4) as usize];
        let ((index, mut model), mut random) = (filled(keys), seed << 32);
        let then = model.clone();
        let parts = keys / 200 + 2;
        let image = image(&index, || {
            for _ in 0..keys / parts / 2 + 1 {
                change(&index, &mut model, &mut random, keys * 3 / 2, seed % 2 == 0);
            }
        });
        assert_same(&index, &model);
        // Read before anything makes it verify the whole.
        assert_reads(&resume(image.clone()), &then);
        assert_same(&resume(image.clone()), &then);
        // And once more without having been read, changed at once, and saved again.
        let (resumed, mut model) = (resume(image), then);
        for _ in 0..keys / 2 {
            change(&resumed, &mut model, &mut random, keys * 2, seed % 4 < 2);
        }
        assert_same(&resumed, &model);
        assert_same(&resume(self::image(&resumed, || {})), &model);
    }
}

/// Memory that is given back while an image is read is in it, and numbers that are given out again mean in it what they did.
#[test]
fn what_goes_meanwhile_is_in_the_image() {
    for keys in [300, 30_000] {
        let (index, mut model) = filled(keys);
        let then = model.clone();
        let mut step = 0;
        let image = image(&index, || {
            let changes: Vec<_> = match step {
                0 => (0..keys).map(|n| (n, None)).collect(),
                1 => (0..keys).map(|n| (n + keys, Some(n))).collect(),
                _ => Vec::new(),
            };
            step += 1;
            changes.chunks(700).for_each(|changes| apply(&index, &mut model, changes));
        });
        assert!(step > 2);
        assert_same(&index, &model);
        assert_same(&resume(image), &then);
    }
}

#[test]
fn an_image_of_an_empty_table_is_one() {
    let (index, mut model) = filled(0);
    let image = image(&index, || {});
    assert_eq!(image.head.pages, 1);
    let resumed = resume(image);
    assert_eq!((resumed.get(b"k").unwrap(), resumed.len()), (None, 0));
    apply(&resumed, &mut model, &[(1, Some(1))]);
    assert_same(&resumed, &model);
}

/// What has no room in its segment is saved too.
#[test]
fn the_spill_is_in_the_image() {
    let index = HashIndex::new([7; 16]);
    for n in 0..2000_u64 {
        assert_eq!(index.table.set(u128::from(n) << 64, Some(n)).unwrap(), None);
    }
    assert!(!index.table.read().spill.is_empty());
    let resumed = resume(image(&index, || {}));
    for looked_at in [false, true] {
        assert!((0..2000).all(|n: u64| resumed.table.read().get(u128::from(n) << 64) == Some(n)));
        if !looked_at {
            resumed.ready().unwrap();
            resumed.table.check();
        }
    }
}

/// More pages than a piece has, a writer that runs while the image is read, and readers who come first to what is made of it.
#[test]
fn an_image_is_read_beside_a_writer() {
    const KEYS: u64 = 100_000;
    let (index, mut model) = filled(KEYS);
    let then = model.clone();
    let head = index.begin_image().unwrap().expect("no other is under way");
    let (stop, mut pages, mut tail) = (AtomicBool::new(false), Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 1;
            while !stop.load(Ordering::Relaxed) {
                let grow = random % 64 < 32;
                change(&index, &mut model, &mut random, KEYS, grow);
            }
        });
        for first in (0..head.pages).step_by(PIECE_PAGES) {
            index.image_pages(first, PIECE_PAGES as u32, &mut pages);
        }
        assert!(!index.image_tail(&mut tail));
        stop.store(true, Ordering::Relaxed);
    });
    index.end_image();
    assert_same(&index, &model);
    assert!(head.pages as usize > 2 * PIECE_PAGES, "several pieces: {}", head.pages);
    assert_eq!(pages.len(), head.pages as usize * PAGE_SIZE);
    let resumed = resume(Image { head, pages, tail });
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
    let (mut random, mut model) = (9, then);
    for _ in 0..5_000 {
        let grow = random % 64 < 32;
        change(&resumed, &mut model, &mut random, KEYS, grow);
    }
    assert_same(&resumed, &model);
}

/// Readers who are under way when a saved table begins to change find what is there and no damage.
#[test]
fn readers_go_on_when_a_saved_table_begins_to_change() {
    let (index, model) = filled(4000);
    let image = image(&index, || {});
    for round in 0..20_u64 {
        let (index, is_over) = (resume(image.clone()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let (index, is_over, model) = (&index, &is_over, &model);
                scope.spawn(move || {
                    let mut n = thread * 1000;
                    while !is_over.load(Ordering::Relaxed) {
                        // Even ones stay.
                        n = (n + 2) % 4000;
                        let key = key(n);
                        assert_eq!(index.get(&key).unwrap(), Some(model[&key]), "round {round}");
                    }
                });
            }
            for i in 0..4000 {
                let n = mix(round << 32 | i) % 2000 * 2 + 1;
                let new = i.is_multiple_of(2).then(|| location(n));
                index.apply(&mut [Change { key: &key(n), new, old: None }]).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(!index.is_damaged(), "round {round}");
        index.table.check();
    }
}

/// What is looked at beside readers needs no look before the first change, and one that was stopped is made up for.
#[test]
fn a_saved_table_is_looked_at_once_and_may_be_stopped() {
    let (index, model) = filled(3000);
    let image = image(&index, || {});
    for looks in [&[true][..], &[true, false], &[false, true]] {
        let (index, mut model) = (resume(image.clone()), model.clone());
        let mut is_done = false;
        for &stopped in looks {
            is_done |= !stopped;
            assert_eq!(index.look_at_all(&AtomicBool::new(stopped)).unwrap(), is_done);
            assert_eq!(index.unseen_pages(), if is_done { 0 } else { image.head.pages });
        }
        apply(&index, &mut model, &[(1, None), (9000, Some(1))]);
        assert_eq!(index.unseen_pages(), 0);
        assert_same(&index, &model);
    }
}

/// Every page is verified before it is used: what a piece's checksum does not fit is an error, and not an answer.
#[test]
fn a_damaged_piece_is_found_by_whoever_comes_to_it() {
    let (index, model) = filled(60_000);
    let image = image(&index, || {});
    let len = image.pages.len();
    assert!(len > PIECE_PAGES * PAGE_SIZE);
    // Of a descriptor, of the second piece, and of the last page.
    for place in [5, PIECE_PAGES * PAGE_SIZE + 5, len - 1] {
        let mut saved = saved(image.clone());
        let mut pages = image.pages.clone();
        pages[place] ^= 4;
        saved.source = Box::new(InMemory(pages));
        let index = HashIndex::resume(saved).unwrap();
        let (mut errors, mut last) = (0, true);
        for (key, location) in &model {
            match index.get(key) {
                Ok(found) => assert_eq!(found, Some(*location), "an answer that is not so"),
                Err(_) => errors += 1,
            }
            last = index.get(b"none of these").is_ok();
        }
        assert!(errors > 100 && !last && index.is_damaged(), "{errors} at {place}");
        let mut change = [Change { key: b"k", new: Some(location(1)), old: None }];
        assert!(index.apply(&mut change).is_err() && index.reserve(&mut [&b"k"[..]].into_iter()).is_err());
        assert!(index.begin_image().is_err(), "no image is made of it");
        let mut found = [None; 2];
        assert!(index.get_many(&[b"a", b"b"], &mut found).is_err() && index.sample(&mut || 1).is_err());
        let (mut position, mut out) = (WalkPosition::default(), Vec::new());
        assert!(index.walk(&mut position, 10, &mut out).is_err() && out.is_empty());
        // What it is made of again takes its place.
        index
            .rebuild(&mut |fresh| {
                for (key, location) in &model {
                    fresh.apply(&mut [Change { key, new: Some(*location), old: None }])?;
                }
                Ok(())
            })
            .unwrap();
        assert_same(&index, &model);
    }
}

/// Everything that a reader or the writer may do, each of which must come to an end.
fn use_it(index: &HashIndex, keys: u64) -> bool {
    let mut fine = (0..keys).all(|n| index.get(&key(n)).is_ok());
    let (mut position, mut out) = (WalkPosition::default(), Vec::new());
    while index.walk(&mut position, 10, &mut out).unwrap_or(false) {}
    let (some, mut found) = ([&key(1)[..], &key(2)], [None; 2]);
    fine &= index.get_many(&some, &mut found).is_ok();
    let mut random = 1;
    let _ = index.sample(&mut || {
        random = mix(random);
        random
    });
    for n in 0..keys {
        for (n, new) in [(n * 3 % keys, Some(location(n))), (n * 5 % keys, None), (n + keys, Some(location(n)))] {
            fine &= index.apply(&mut [Change { key: &key(n), new, old: None }]).is_ok();
        }
    }
    if fine && !index.is_damaged() {
        index.table.check();
    }
    fine && !index.is_damaged()
}

/// Pages and tails that were made to mislead, with the right checksums.
#[test]
fn crafted_pages_bring_no_panic_and_no_endless_loop() {
    const KEYS: u64 = 500;
    let (index, _) = filled(KEYS);
    let image = image(&index, || {});
    let count = index.table.read().directory.count().0 as usize;
    assert!(count > 8 && image.pages.len() > 3 * PAGE_SIZE);
    let (mut refused, mut late, mut used) = (0, 0, 0);
    for seed in 0..1500_u64 {
        let mut image = image.clone();
        let at = |n: u64| mix(seed * 31 + n) as usize;
        match seed % 6 {
            // A bit of a descriptor, of anything, a word somewhere else.
            0 => image.pages[at(1) % (count * 16)] ^= 1 << (at(2) % 8),
            1 => image.pages[at(1) % (KEYS as usize * 23)] ^= 1 << (at(2) % 8),
            2 => {
                let (from, to) = (at(1) % (count * 2) * 8, at(2) % (count * 2) * 8);
                image.pages.copy_within(from..from + 8, to);
            }
            // One descriptor twice, with another's counts or with its own.
            3 => {
                let (from, to) = (at(1) % count * 16, at(2) % count * 16);
                image.pages.copy_within(from..from + 12, to);
            }
            4 => {
                let at_bit = at(1) % (image.tail.len() * 8);
                image.tail[at_bit / 8] ^= 1 << (at_bit % 8);
            }
            _ => image.tail.truncate(at(1) % image.tail.len()),
        }
        match HashIndex::resume(saved(image)) {
            Ok(index) if use_it(&index, KEYS) => used += 1,
            Ok(_) => late += 1,
            Err(_) => refused += 1,
        }
    }
    // Locations, the key and what is no part of any block can be anything.
    assert!(refused > 250 && late > 300 && used > 50, "{refused} refused, {late} late, {used} used");
}

/// A head or a tail that says what can't be is refused.
#[test]
fn a_head_that_says_what_can_not_be_is_refused() {
    let (index, _) = filled(500);
    let image = image(&index, || {});
    let with = |change: &dyn Fn(&mut Image)| {
        let mut image = image.clone();
        change(&mut image);
        HashIndex::resume(saved(image))
    };
    assert!(with(&|_| {}).is_ok());
    let count = |count: u32| move |image: &mut Image| image.head.own[..4].copy_from_slice(&count.to_le_bytes());
    for bad in [0, u32::MAX, (1 << 28) + 1, 1 << 28, 5000] {
        assert!(with(&count(bad)).is_err(), "{bad} segments");
    }
    assert!(with(&|image| image.head.own[4] = 1).is_err());
    assert!(with(&|image| image.head.pages = 1).is_err(), "the chunks lie behind its end");
    assert!(with(&|image| image.tail.truncate(15)).is_err(), "without a key");
    assert!(with(&|image| image.tail.push(0)).is_err(), "a part of a spilled entry");
    let spilled = [[1; 24], [1; 24]].concat();
    assert!(with(&|image| image.tail.extend_from_slice(&spilled)).is_err(), "a fingerprint twice");
    // Found when all is looked at.
    assert!(with(&|image| image.head.len += 1).unwrap().ready().is_err());
    assert!(with(&|image| image.tail.extend_from_slice(&spilled[..24])).unwrap().ready().is_err());
}

/// Pages of a mapped file that nobody changed are not this process's memory; here all are read, and changed ones are counted once.
#[test]
fn what_was_not_fetched_takes_no_memory() {
    let (index, mut model) = filled(60_000);
    let whole = index.memory();
    let resumed = resume(image(&index, || {}));
    assert!(resumed.memory() < 64 << 10, "{} of {whole}", resumed.memory());
    resumed.get(&key(1)).unwrap();
    assert!(resumed.memory() <= (3 << 20) + (64 << 10), "{} of {whole}", resumed.memory());
    resumed.ready().unwrap();
    let ready = resumed.memory();
    assert!(ready > whole * 9 / 10 && ready < whole + (2 << 20), "{ready} of {whole}");
    apply(&resumed, &mut model, &[(1, Some(9))]);
    let changed = resumed.memory() - ready;
    assert!(changed < PAGE_SIZE as u64, "what was read is counted already: {changed}");
    // All of it goes with the keys.
    let all: Vec<_> = (0..60_000).map(|n| (n, None)).collect();
    all.chunks(1000).for_each(|changes| apply(&resumed, &mut model, changes));
    assert_same(&resumed, &model);
}

/// The key of the hash is a secret.
#[test]
fn the_key_is_in_the_tail_and_in_no_message() {
    let (index, _) = filled(10);
    let image = image(&index, || {});
    assert_eq!(&image.tail[..16], b"sixteen key byte");
    let saved = saved(image);
    assert!(!format!("{saved:?}{index:?}").contains("115, 105, 120"), "{saved:?}");
}
