//! Figures of the kinds of index: time of an insert, a get and a scanned key, and bytes a key, for three sets of keys.
//!
//! `cargo run --release --example index_figures -- [kinds...] [keys...] [sets...]`; the default is all kinds, 1 and 3 million
//! keys, and all sets. A set is named by the beginning of its name.
//! Bytes are what a counting allocator saw the index take and not give back. Times are the thread's processor time,
//! which on a machine that does nothing else is the time that passes; gets and scans are the best of three rounds.
#![allow(clippy::print_stdout, unsafe_code, missing_docs)]

use bitcask::index::btree::BTree;
use bitcask::index::hash::HashIndex;
use bitcask::index::skiplist::SkipList;
use bitcask::index::{Change, Direction, Index, KeyPage, Start};
use bitcask::{FileId, Location};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The kinds by name; one is added by one line.
const KINDS: &[(&str, fn() -> Box<dyn Index>)] = &[
    ("btree", || Box::new(BTree::new())),
    ("hash", || Box::new(HashIndex::new(*b"a key for figure"))),
    ("skiplist", || Box::new(SkipList::new(1))),
];

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: forwards to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Nanoseconds that this thread ran.
fn now() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn per_key(count: usize, mut work: impl FnMut()) -> f64 {
    let start = now();
    work();
    (now() - start) / count as f64
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

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
    }
}

fn random24(_: u64, random: &mut Random) -> Vec<u8> {
    [random.next(), random.next(), random.next()].iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn profile(i: u64, _: &mut Random) -> Vec<u8> {
    format!("user:{i:010}:profile").into_bytes()
}

fn url(i: u64, random: &mut Random) -> Vec<u8> {
    const HOSTS: [&str; 8] =
        ["example.com", "news.test", "shop.example", "a.org", "wiki.net", "blog.io", "maps.dev", "photos.eu"];
    const PARTS: [&str; 6] = ["item", "p", "user", "article", "static/img", "q"];
    let host = HOSTS[(random.next() % 8) as usize];
    let part = PARTS[(random.next() % 6) as usize];
    format!("https://www.{host}/{part}/{:x}{:06}", random.next() % 4096, i).into_bytes()
}

fn location(i: usize) -> Location {
    Location::new(FileId(1 + (i >> 20) as u32), (i as u64 & 0xf_ffff) * 64, 64).unwrap_or(Location::from_bits(0))
}

type MakeKey = fn(u64, &mut Random) -> Vec<u8>;

fn measure(kind: &str, new: fn() -> Box<dyn Index>, name: &str, count: usize, sorted: bool, make: MakeKey) {
    let mut random = Random(1);
    let mut keys: Vec<Vec<u8>> = (0..count as u64).map(|i| make(i, &mut random)).collect();
    if sorted {
        keys.sort_unstable();
    } else {
        random.shuffle(&mut keys);
    }
    let key_len = keys.iter().map(Vec::len).sum::<usize>() as f64 / count as f64;
    // Keys side by side in the order of use, so that fetching them isn't measured.
    let flat = |keys: &[Vec<u8>]| -> (Vec<u8>, Vec<usize>) {
        let ends = keys.iter().scan(0, |end, k| {
            *end += k.len();
            Some(*end)
        });
        (keys.concat(), ends.collect())
    };
    let (inserted, insert_ends) = flat(&keys);
    random.shuffle(&mut keys);
    let (wanted, get_ends) = flat(&keys);
    drop(keys);

    let before = ALLOCATED.load(Ordering::Relaxed);
    let index = new();
    let insert = per_key(count, || {
        let mut begin = 0;
        for (i, end) in insert_ends.iter().enumerate() {
            let mut change = [Change { key: &inserted[begin..*end], new: Some(location(i)), old: None }];
            index.apply(&mut change).expect("insert");
            begin = *end;
        }
    });
    let bytes = ALLOCATED.load(Ordering::Relaxed) - before;
    assert!((bytes as u64).abs_diff(index.memory()) * 50 <= bytes as u64, "memory() is {} of {bytes}", index.memory());

    let gets = || {
        let mut begin = 0;
        for end in &get_ends {
            assert!(black_box(index.get(&wanted[begin..*end])).is_ok_and(|l| l.is_some()));
            begin = *end;
        }
    };
    let get = (0..3).map(|_| per_key(count, gets)).fold(f64::MAX, f64::min);

    let scans = || {
        let mut page = KeyPage::new();
        let mut last = Vec::new();
        let mut scanned = 0;
        loop {
            page.clear();
            let from = if last.is_empty() { Start::Edge } else { Start::After(&last) };
            index.scan(from, Direction::Forward, 100, &mut page).expect("scan");
            scanned += page.len();
            let Some((key, _)) = page.len().checked_sub(1).and_then(|i| page.get(i)) else { break };
            last.clear();
            last.extend_from_slice(key);
        }
        assert_eq!(scanned, count);
    };
    let scan = if index.capabilities().ordered {
        let best = (0..3).map(|_| per_key(count, scans)).fold(f64::MAX, f64::min);
        format!("{best:.1}")
    } else {
        "-".into()
    };

    let remove = per_key(count, || {
        let mut begin = 0;
        for end in &get_ends {
            let mut change = [Change { key: &wanted[begin..*end], new: None, old: None }];
            index.apply(&mut change).expect("remove");
            begin = *end;
        }
    });
    assert!(index.is_empty());

    let per_key = bytes as f64 / count as f64;
    println!(
        "{kind:9} {name:16} {count:>9} {key_len:>6.1} {insert:>9.0} {get:>7.0} {scan:>9} {remove:>9.0} {per_key:>10.2}"
    );
}

fn main() {
    let (counts, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|a| a.parse::<usize>().is_ok());
    let counts: Vec<usize> = counts.iter().filter_map(|a| a.parse().ok()).collect();
    let counts = if counts.is_empty() { vec![1_000_000, 3_000_000] } else { counts };
    let (kinds, names): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| KINDS.iter().any(|(kind, _)| kind == name));
    println!("kind      keys                 count  len B insert ns  get ns  scan/key remove ns  bytes/key");
    for count in counts {
        let sets: [(&str, bool, MakeKey); 4] = [
            ("random 24 B", false, random24),
            ("user profiles", false, profile),
            ("URLs", false, url),
            ("profiles sorted", true, profile),
        ];
        for (name, sorted, make) in sets {
            if !names.is_empty() && !names.iter().any(|n| name.starts_with(n.as_str())) {
                continue;
            }
            for (kind, new) in KINDS {
                if kinds.is_empty() || kinds.iter().any(|k| k == kind) {
                    measure(kind, *new, name, count, sorted, make);
                }
            }
        }
    }
}
