//! How lookups scale with threads, with and without a writer that makes single changes in a loop.
//!
//! `cargo run --release --example index_scaling -- [keys] [milliseconds a figure] [threads...]`; the default is 3 million keys of
//! 24 random bytes, 1,000 ms, and 1, 2, 8 and 32 readers. The figures of one kind are taken in turns, three times; each printed
//! one is the median. `gets/s` is by the clock and needs processors that do nothing else; `CPU ns` is the
//! readers' own processor time a lookup. Readers that are in each other's way, or the writer's, need more of it: the time a
//! lookup with one reader, against that with two, times two is what two readers get on two processors of their own (`x`).
#![allow(clippy::print_stdout, unsafe_code, missing_docs)]

use bitcask::Location;
use bitcask::index::btree::BTree;
use bitcask::index::hash::HashIndex;
use bitcask::index::{Change, Index};
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Nanoseconds that this thread ran.
fn cpu() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// splitmix64
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn key(n: u64) -> [u8; 24] {
    let mut key = [0; 24];
    for (i, part) in key.chunks_exact_mut(8).enumerate() {
        part.copy_from_slice(&mix(3 * n + i as u64).to_le_bytes());
    }
    key
}

fn set(index: &dyn Index, n: u64, new: Option<u64>) {
    let new = new.map(Location::from_bits);
    index.apply(&mut [Change { key: &key(n), new, old: None }]).expect("apply");
}

#[derive(Clone, Copy, Default)]
struct Figure {
    gets_a_second: f64,
    cpu_ns: f64,
    changes_a_second: f64,
}

fn run(index: &dyn Index, keys: u64, readers: usize, writer: bool, time: Duration) -> Figure {
    let (stop, start) = (AtomicBool::new(false), Barrier::new(readers + 1 + usize::from(writer)));
    let (stop, start) = (&stop, &start);
    std::thread::scope(|s| {
        let readers: Vec<_> = (0..readers as u64)
            .map(|reader| {
                s.spawn(move || {
                    start.wait();
                    let (begin, mut gets) = (cpu(), 0u64);
                    while !stop.load(Ordering::Relaxed) {
                        for _ in 0..64 {
                            gets += 1;
                            // Of the keys that are always there.
                            let n = mix(gets << 8 | reader) % keys;
                            assert!(black_box(index.get(&key(n))).is_ok_and(|found| found.is_some()));
                        }
                    }
                    (gets, cpu() - begin)
                })
            })
            .collect();
        let writer = writer.then(|| {
            s.spawn(move || {
                start.wait();
                let mut changes = 0;
                while !stop.load(Ordering::Relaxed) {
                    // A new key, a removed one, a replaced one.
                    let n = changes / 3;
                    match changes % 3 {
                        0 => set(index, keys + n % 100_000, Some(n)),
                        1 => set(index, keys + mix(n) % 100_000, None),
                        _ => set(index, mix(n) % keys, Some(n)),
                    }
                    changes += 1;
                }
                changes
            })
        });
        start.wait();
        let begin = Instant::now();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let ends: Vec<_> = readers.into_iter().map(|r| r.join().expect("reader")).collect();
        let seconds = begin.elapsed().as_secs_f64();
        let (gets, cpu) = ends.iter().fold((0, 0), |sum, end| (sum.0 + end.0, sum.1 + end.1));
        let changes = writer.map_or(0, |w| w.join().expect("writer"));
        Figure {
            gets_a_second: gets as f64 / seconds,
            cpu_ns: cpu as f64 / gets as f64,
            changes_a_second: changes as f64 / seconds,
        }
    })
}

fn measure(name: &str, index: &dyn Index, keys: u64, threads: &[usize], time: Duration) {
    (0..keys).for_each(|n| set(index, n, Some(n)));
    let cases: Vec<(usize, bool)> = [false, true].iter().flat_map(|w| threads.iter().map(|t| (*t, *w))).collect();
    let mut rounds = vec![Vec::new(); cases.len()];
    for _ in 0..3 {
        for ((readers, writer), figures) in cases.iter().zip(&mut rounds) {
            figures.push(run(index, keys, *readers, *writer, time));
        }
    }
    let mut alone = 0.0;
    for ((readers, writer), figures) in cases.into_iter().zip(&mut rounds) {
        figures.sort_by(|a, b| a.cpu_ns.total_cmp(&b.cpu_ns));
        let Figure { gets_a_second, cpu_ns, changes_a_second } = figures[1];
        if readers == 1 {
            alone = cpu_ns;
        }
        let (gets, changes) = (gets_a_second / 1e6, changes_a_second / 1e3);
        let (with, times) = (if writer { "writer" } else { "-" }, alone / cpu_ns * readers.min(2) as f64);
        println!("{name:6} {readers:>7} {with:>7} {gets:>8.2} {cpu_ns:>8.0} {times:>6.2} {changes:>10.0}");
    }
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse::<u64>().ok());
    let (keys, time) = (numbers.next().unwrap_or(3_000_000), Duration::from_millis(numbers.next().unwrap_or(1000)));
    let threads: Vec<usize> = numbers.map(|n| n as usize).collect();
    let threads = if threads.is_empty() { vec![1, 2, 8, 32] } else { threads };
    println!("kind   readers  beside M gets/s   CPU ns      x K changes/s");
    measure("btree", &BTree::new(), keys, &threads, time);
    measure("hash", &HashIndex::new(*b"a key for figure"), keys, &threads, time);
}
