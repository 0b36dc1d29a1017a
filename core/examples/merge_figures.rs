//! Figures of merge: how fast it copies, and what writers and readers notice of it.
//!
//! `cargo run --release --example merge_figures [pairs] [btree|hash ...] [dir=PATH]`: pairs of 24 random bytes and 150, half of them
//! overwritten, in files of 64 MiB. Then
//! - `merge_rate`: all is merged, and the bytes that came of it are copied from one file to another by 1 MiB pieces with an fdatasync; live bytes
//!   a second of the first over those of the second, both on this machine's clock;
//! - `merge_p999_ratio`: 99.9th percentile of a put and of a get in a load of both, one thread, beside merges without end over the same without.
#![allow(clippy::print_stdout)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bitcask::{Db, Durability, IndexKind, MergeOptions, Options};

fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Key number `n`: 24 bytes that look random (splitmix64).
fn key(n: u64) -> [u8; 24] {
    let mut key = [0; 24];
    for (i, part) in key.chunks_exact_mut(8).enumerate() {
        part.copy_from_slice(&mix(3 * n + i as u64 + 1).to_le_bytes());
    }
    key
}

fn fill(db: &Db, pairs: u64) {
    for n in 0..pairs {
        db.put(&key(n), &[n as u8; 150]).expect("it writes");
    }
    for n in 0..pairs / 2 {
        db.put(&key(mix(n) % pairs), &[n as u8; 150]).expect("it writes");
    }
}

/// Copies `bytes` of a file to another, and brings them to stable storage.
fn copy(dir: &Path, bytes: u64) -> Duration {
    let (from, to) = (dir.join("copied"), dir.join("copy"));
    let mut buf = vec![1; 1 << 20];
    let mut file = std::fs::File::create(&from).expect("it creates");
    for _ in 0..bytes >> 20 {
        file.write_all(&buf).expect("it writes");
    }
    let begin = Instant::now();
    let (mut from, mut to) =
        (std::fs::File::open(&from).expect("it opens"), std::fs::File::create(&to).expect("it creates"));
    loop {
        let got = from.read(&mut buf).expect("it reads");
        if got == 0 {
            break;
        }
        to.write_all(&buf[..got]).expect("it writes");
    }
    to.sync_data().expect("it syncs");
    begin.elapsed()
}

fn rate(dir: &Path, kind: IndexKind, pairs: u64) {
    let db = Db::open(dir, &options(kind)).expect("it opens");
    fill(&db, pairs);
    db.sync().expect("it syncs");
    let begin = Instant::now();
    let report = db.merge(&MergeOptions::new().everything(true)).expect("it merges");
    let took = begin.elapsed();
    let plain = copy(dir, report.created_bytes);
    let speed = |time: Duration| report.created_bytes as f64 / time.as_secs_f64() / 1e6;
    println!(
        "{kind:?}: merged {} to {} bytes in {took:.2?}, {:.0} MB/s of live bytes, {:.0} ns a live record; plain copy {:.0} MB/s",
        report.removed_bytes,
        report.created_bytes,
        speed(took),
        took.as_nanos() as f64 / report.copied_records as f64,
        speed(plain)
    );
    println!("{{\"name\": \"merge_rate\", \"index\": \"{kind:?}\", \"value\": {:.3}}}", speed(took) / speed(plain));
    db.close().expect("it closes");
}

fn options(kind: IndexKind) -> Options {
    Options::new().index(kind).durability(Durability::None).max_file_size(64 << 20)
}

/// 99.9th percentiles of a put and a get, in nanoseconds.
fn load(db: &Db, pairs: u64, operations: u64, seed: u64) -> (u64, u64) {
    let (mut puts, mut gets) = (Vec::new(), Vec::new());
    for n in 0..operations {
        let key = key(mix(seed + n) % pairs);
        let begin = Instant::now();
        if n % 2 == 0 {
            db.put(&key, &[n as u8; 150]).expect("it writes");
            puts.push(begin.elapsed().as_nanos() as u64);
        } else {
            db.get(&key).expect("it reads");
            gets.push(begin.elapsed().as_nanos() as u64);
        }
    }
    let p999 = |times: &mut Vec<u64>| {
        times.sort_unstable();
        times[times.len() * 999 / 1000]
    };
    (p999(&mut puts), p999(&mut gets))
}

fn beside(dir: &Path, kind: IndexKind, pairs: u64) {
    let db = Db::open(dir, &options(kind)).expect("it opens");
    let operations = pairs.min(1_000_000);
    load(&db, pairs, operations / 4, 1);
    let without = load(&db, pairs, operations, 2);
    let (over, merges) = (AtomicBool::new(false), AtomicU64::new(0));
    let with = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                db.merge(&MergeOptions::new().everything(true)).expect("it merges");
                merges.fetch_add(1, Ordering::Relaxed);
            }
        });
        let with = load(&db, pairs, operations, 3);
        over.store(true, Ordering::Relaxed);
        with
    });
    println!(
        "{kind:?}: p99.9 of put and get {without:?} ns without, {with:?} ns beside {} merges",
        merges.into_inner()
    );
    for (name, ratio) in [("put", with.0 as f64 / without.0 as f64), ("get", with.1 as f64 / without.1 as f64)] {
        println!(
            "{{\"name\": \"merge_p999_ratio\", \"index\": \"{kind:?}\", \"of\": \"{name}\", \"value\": {ratio:.2}}}"
        );
    }
    db.close().expect("it closes");
}

fn main() {
    let (mut pairs, mut kinds, mut base) = (1_000_000, Vec::new(), std::env::temp_dir());
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "btree" => kinds.push(IndexKind::BTree),
            "hash" => kinds.push(IndexKind::Hash),
            "art" => kinds.push(IndexKind::Art),
            "skiplist" => kinds.push(IndexKind::SkipList),
            "bptree" => kinds.push(IndexKind::BPTree),
            arg => match arg.strip_prefix("dir=") {
                Some(dir) => base = PathBuf::from(dir),
                None => pairs = arg.parse().expect("a number of pairs"),
            },
        }
    }
    if kinds.is_empty() {
        kinds = vec![IndexKind::BTree, IndexKind::Hash];
    }
    for kind in kinds {
        let dir = base.join(format!("bitcask-merge-figures-{}", std::process::id()));
        std::fs::create_dir(&dir).expect("a new directory");
        rate(&dir, kind, pairs);
        beside(&dir, kind, pairs);
        std::fs::remove_dir_all(&dir).expect("it is removed");
    }
}
