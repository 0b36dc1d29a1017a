//! Figures of the hash index alone: time a key, bytes a key as the allocator counts them, peak while growing.
//!
//! `cargo run --release --example hash_figures [keys ...]`: keys are 24 random bytes, one thread, one key a call. Times are
//! processor time, the median over batches and in brackets the fastest tenth, so that other work on the machine counts
//! for less; making the key is in them (some 5 ns). The `std` lines say what the machine can do at that hour.
#![allow(unsafe_code, clippy::print_stdout)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bitcask::index::hash::HashIndex;
use bitcask::index::{Change, Index};
use bitcask::{FileId, Location};
use parking_lot::RwLock;
use siphasher::sip128::SipHasher13;

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

/// Processor time of this thread, so that other work on the machine counts for less.
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call only writes the struct, which lives.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Processor time of one `operation` in nanoseconds, as the median over batches, and the fastest tenth of batches.
fn time(n: u64, mut operation: impl FnMut(u64)) -> (f64, f64) {
    const BATCH: u64 = 5_000;
    let mut batches = Vec::new();
    for start in (0..n).step_by(BATCH as usize) {
        let end = n.min(start + BATCH);
        let begin = cpu();
        (start..end).for_each(&mut operation);
        batches.push((cpu() - begin).as_nanos() as f64 / (end - start) as f64);
    }
    batches.sort_unstable_by(f64::total_cmp);
    (batches[batches.len() / 2], batches[batches.len() / 10])
}

/// The structure under test, and what it is held against.
trait Subject {
    fn set(&self, key: &[u8], new: Option<Location>) -> Option<Location>;
    fn get(&self, key: &[u8]) -> Option<Location>;
}

impl Subject for HashIndex {
    fn set(&self, key: &[u8], new: Option<Location>) -> Option<Location> {
        let mut change = [Change { key, new, old: None }];
        self.apply(&mut change).expect("apply");
        change[0].old
    }

    fn get(&self, key: &[u8]) -> Option<Location> {
        Index::get(self, key).expect("get")
    }
}

/// The standard library's table under the same lock and the same hash, which its own hashing only hands on.
struct Yardstick(SipHasher13, RwLock<HashMap<u128, Location, BuildHasherDefault<Low>>>);

impl Subject for Yardstick {
    fn set(&self, key: &[u8], new: Option<Location>) -> Option<Location> {
        let (fingerprint, mut map) = (self.0.hash(key).as_u128(), self.1.write());
        match new {
            Some(new) => map.insert(fingerprint, new),
            None => map.remove(&fingerprint),
        }
    }

    fn get(&self, key: &[u8]) -> Option<Location> {
        self.1.read().get(&self.0.hash(key).as_u128()).copied()
    }
}

#[derive(Default)]
struct Low(u64);

impl Hasher for Low {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u128(&mut self, number: u128) {
        self.0 = number as u64;
    }
}

fn measure<S: Subject>(name: &str, n: u64, new: impl Fn() -> S, memory: impl Fn(&S) -> Option<u64>) {
    // Another order than that of the inserts: steps of a prime that doesn't divide n.
    let step = [1_000_003, 1_000_033].into_iter().find(|&p| !n.is_multiple_of(p)).unwrap_or(1);
    let place = |i: u64| i * step % n;
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let subject = new();
    let insert = time(n, |i| {
        let new = Location::new(FileId(1), i * 4 % (1 << 32), 200);
        assert_eq!(subject.set(&key(i), new), None);
    });
    let (bytes, peak) = (LIVE.load(Relaxed) - before, PEAK.load(Relaxed) - before);
    if let Some(own) = memory(&subject) {
        assert!(own.abs_diff(bytes as u64) < 4096, "counts {own}, allocated {bytes}");
    }
    let hit = time(n, |i| assert!(subject.get(&key(place(i))).is_some()));
    let miss = time(n, |i| assert!(subject.get(&key(n + i)).is_none()));
    let remove = time(n, |i| assert!(subject.set(&key(place(i)), None).is_some()));
    let left = LIVE.load(Relaxed) - before;
    print!("{name:>5} {n:>9} keys");
    for (what, (median, fast)) in [("insert", insert), ("get", hit), ("miss", miss), ("remove", remove)] {
        print!("  {what} {median:4.0} ({fast:.0})");
    }
    let (size, peak) = (bytes as f64 / n as f64, peak as f64 / bytes as f64);
    println!(" ns | {size:.2} bytes/key, peak {peak:.3} of final, {left} bytes when emptied");
}

/// Inserts in calls of a thousand changes each, and lookups of several keys a call.
fn measure_batches(n: u64) {
    const CALL: u64 = 1000;
    let index = HashIndex::new(*b"a key for figure");
    let begin = cpu();
    for start in (0..n).step_by(CALL as usize) {
        let keys: Vec<_> = (start..n.min(start + CALL)).map(key).collect();
        let change = |key| Change { key, new: Some(Location::from_bits(start)), old: None };
        let mut changes: Vec<_> = keys.iter().map(|key| change(key)).collect();
        index.apply(&mut changes).expect("apply");
    }
    let nanos = (cpu() - begin).as_nanos() as f64 / n as f64;
    print!(" hash {n:>9} keys  insert {nanos:4.0} ns in calls of {CALL}, get");
    for call in [16, 100, 1000] {
        let mut found = vec![None; call as usize];
        let begin = cpu();
        for start in (0..n).step_by(call as usize) {
            let keys: Vec<_> = (start..n.min(start + call)).map(key).collect();
            let keys: Vec<_> = keys.iter().map(|key| &key[..]).collect();
            index.get_many(&keys, &mut found[..keys.len()]).expect("get_many");
            assert!(found[..keys.len()].iter().all(Option::is_some));
        }
        print!(" {:.0} ns in calls of {call}", (cpu() - begin).as_nanos() as f64 / n as f64);
    }
    println!();
}

fn main() {
    let counts: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    for n in if counts.is_empty() { vec![1_000_000, 1_500_000, 3_000_000] } else { counts } {
        let key = *b"a key for figure";
        measure("hash", n, || HashIndex::new(key), |index| Some(index.memory()));
        measure_batches(n);
        let map = || Yardstick(SipHasher13::new_with_key(&key), RwLock::default());
        measure("std", n, map, |_| None);
    }
}
