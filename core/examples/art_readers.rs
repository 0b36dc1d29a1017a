//! How gets of the radix tree scale from one reader to two, without and with a writer beside them.
//!
//! `cargo run --release --example art_readers -- [keys] [seconds]`; the default is 1 million and 2. Gets a second are by the
//! clock on the wall, which means something on cores that do nothing else, and by the readers' own processor time, which
//! is what a get costs them wherever they run. Each line is the median of three rounds, taken in turns. At last the same
//! keys one by one and sixteen at once, in processor time, the best of five rounds in turns.
#![allow(clippy::print_stdout, unsafe_code, missing_docs)]

use bitcask::Location;
use bitcask::index::art::Art;
use bitcask::index::{Change, Index};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn key(n: u64) -> [u8; 24] {
    let mut key = [0; 24];
    for (i, part) in key.chunks_exact_mut(8).enumerate() {
        let mut z = (n * 3 + i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        part.copy_from_slice(&(z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb).to_le_bytes());
    }
    key
}

/// Seconds that this thread ran.
fn thread_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn put(art: &Art, n: u64, there: bool) {
    let new = there.then(|| Location::from_bits(n));
    art.apply(&mut [Change { key: &key(n), new, old: None }]).expect("a change");
}

/// Gets a second of wall-clock time, and nanoseconds of processor time a get.
fn round(art: &Art, keys: u64, readers: u64, writer: bool, time: Duration) -> (f64, f64) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if writer {
            scope.spawn(|| {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    // Keys of its own come and go: leaves move, nodes grow and shrink.
                    put(art, keys + n % 100_000, n / 100_000 % 2 == 0);
                    n += 1;
                }
            });
        }
        let (start, stop) = (Instant::now(), &stop);
        let reader = |seed: u64| {
            move || {
                let (mut gets, mut n, begin) = (0u64, seed, thread_time());
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..256 {
                        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        let found = art.get(&key((n >> 33) % keys)).expect("a get");
                        assert!(black_box(found).is_some());
                    }
                    gets += 256;
                }
                (gets, thread_time() - begin)
            }
        };
        let threads: Vec<_> = (0..readers).map(|seed| scope.spawn(reader(seed))).collect();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let done: Vec<(u64, f64)> = threads.into_iter().map(|t| t.join().expect("a reader")).collect();
        let gets: u64 = done.iter().map(|d| d.0).sum();
        let ran: f64 = done.iter().map(|d| d.1).sum();
        (gets as f64 / start.elapsed().as_secs_f64(), ran * 1e9 / gets as f64)
    })
}

/// Nanoseconds a key of gets one by one, and of several at once.
fn one_by_one_and_many(art: &Art, keys: u64) -> (f64, f64) {
    let wanted: Vec<[u8; 24]> =
        (0..keys).map(|n| key(n.wrapping_mul(6_364_136_223_846_793_005) % keys.next_power_of_two() % keys)).collect();
    let timed = |work: &mut dyn FnMut()| {
        let begin = thread_time();
        work();
        (thread_time() - begin) * 1e9 / keys as f64
    };
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let one = timed(&mut || wanted.iter().for_each(|key| assert!(art.get(key).is_ok_and(|l| l.is_some()))));
        let many = timed(&mut || {
            for keys in wanted.chunks(16) {
                let slices: [&[u8]; 16] = std::array::from_fn(|i| keys.get(i).map_or(&[][..], |key| key));
                let mut found = [None; 16];
                art.get_many(&slices[..keys.len()], &mut found).expect("get_many");
                assert!(found[..keys.len()].iter().all(Option::is_some));
            }
        });
        best = (best.0.min(one), best.1.min(many));
    }
    best
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|a| a.parse::<u64>().ok());
    let keys = arguments.next().unwrap_or(1_000_000);
    let time = Duration::from_secs(arguments.next().unwrap_or(2));
    let art = Art::new();
    (0..keys).for_each(|n| put(&art, n, true));
    let cases = [(1, false), (2, false), (1, true), (2, true)];
    let mut rounds = [(); 4].map(|()| Vec::new());
    for _ in 0..3 {
        for (of_case, (readers, writer)) in rounds.iter_mut().zip(cases) {
            of_case.push(round(&art, keys, readers, writer, time));
        }
    }
    println!("readers  writer       gets/s  ns a get (processor)");
    for (mut of_case, (readers, writer)) in rounds.into_iter().zip(cases) {
        of_case.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (rate, ns) = of_case[1];
        println!("{readers:>7}  {:>6}  {rate:>11.0}  {ns:>8.0}", if writer { "yes" } else { "no" });
    }
    let (one, many) = one_by_one_and_many(&art, keys);
    println!("one by one {one:.0} ns, sixteen at once {many:.0} ns a key");
}
