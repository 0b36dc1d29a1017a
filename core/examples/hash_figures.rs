//! Figures of the hash index alone: time a key, bytes a key as the allocator counts them, peak while growing.
//!
//! `cargo run --release --example hash_figures [keys ...]`; keys are 24 random bytes, one thread, one key a call.
#![allow(unsafe_code, clippy::print_stdout)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use bitcask::Location;
use bitcask::index::hash::HashIndex;
use bitcask::index::{Change, Index};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator with its arguments unchanged; the counters are only read.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Key number `n`: 24 bytes that look random (splitmix64).
fn key(n: u64) -> [u8; 24] {
    let mut key = [0; 24];
    for (i, part) in key.chunks_exact_mut(8).enumerate() {
        let mut z = (3 * n + i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    key
}

/// Resident bytes of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn nanos(start: Instant, n: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / n as f64
}

fn measure(n: u64) {
    // A stride coprime to n visits all keys in another order than they were inserted in.
    let stride = n / 2 + 1 + n % 2;
    let stride = (stride..).find(|s| (2..1000).all(|d| !s.is_multiple_of(d) || !n.is_multiple_of(d))).unwrap_or(1);
    let (before, resident_before) = (LIVE.load(Relaxed), resident());
    PEAK.store(before, Relaxed);
    let index = HashIndex::new(*b"a key for figure");

    let (mut slowest, mut start_one) = (0, Instant::now());
    let start = start_one;
    for i in 0..n {
        let mut change =
            [Change { key: &key(i), new: Location::new(bitcask::FileId(1), i * 4 % (1 << 32), 200), old: None }];
        index.apply(&mut change).expect("insert");
        if i % 16 == 15 {
            let now = Instant::now();
            slowest = slowest.max((now - start_one).as_nanos());
            start_one = now;
        }
    }
    let insert = nanos(start, n);
    let (bytes, peak) = (LIVE.load(Relaxed) - before, PEAK.load(Relaxed) - before);
    let resident_bytes = resident().saturating_sub(resident_before);
    assert_eq!((index.memory() as usize, index.len()), (bytes + size_of::<HashIndex>(), n));

    let order = || (0..n).scan(0, move |at, _| Some(std::mem::replace(at, (*at + stride * 7) % n)));
    let start = Instant::now();
    for i in order() {
        black_box(key(i));
    }
    let overhead = nanos(start, n);
    let start = Instant::now();
    let found = order().filter(|&i| matches!(index.get(&key(i)), Ok(Some(_)))).count() as u64;
    let hit = nanos(start, n) - overhead;
    assert_eq!(found, n);
    let start = Instant::now();
    let missed = (n..2 * n).filter(|&i| matches!(index.get(&key(i)), Ok(None))).count() as u64;
    let miss = nanos(start, n) - overhead;
    assert_eq!(missed, n);

    let start = Instant::now();
    for i in order() {
        index.apply(&mut [Change { key: &key(i), new: None, old: None }]).expect("remove");
    }
    let remove = nanos(start, n) - overhead;
    let left = index.memory();
    println!(
        "{n:>9} keys: insert {:4.0} ns (slowest 16: {:.0} us)  get {hit:4.0}  miss {miss:4.0}  remove {remove:4.0}  | {:.2} bytes/key \
         (resident {:.2}), peak {:.3} of final, {left} bytes when emptied",
        insert - overhead,
        slowest as f64 / 1e3,
        bytes as f64 / n as f64,
        resident_bytes as f64 / n as f64,
        peak as f64 / bytes as f64,
    );
}

fn main() {
    let counts: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    for n in if counts.is_empty() { vec![1_000_000, 1_500_000, 3_000_000] } else { counts } {
        measure(n);
    }
}
