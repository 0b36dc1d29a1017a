//! Figures of reading a whole store: what a call costs, by index kind and I/O kind.
//!
//! `cargo run --release --example read_figures [pairs] [btree|hash ...] [mmap|file ...] [dir=PATH]`: pairs of 24 random bytes and 150, the
//! page cache warm, one thread. Times are processor time in nanoseconds, the median over batches and in brackets the fastest tenth,
//! so that other work on the machine counts for less; making the key is in them (some 5 ns). A second run with the
//! same directory opens what the first has written.
#![allow(unsafe_code, clippy::print_stdout)]

use std::ops::Bound;
use std::path::PathBuf;
use std::time::Duration;

use bitcask::{Db, Durability, EntryPage, IndexKind, IoKind, IterOptions, Options, ValuePage};

/// Key number `n`: 24 bytes that look random (splitmix64).
fn key(n: u64) -> [u8; 24] {
    let mut key = [0; 24];
    for (i, part) in key.chunks_exact_mut(8).enumerate() {
        part.copy_from_slice(&mix(3 * n + i as u64 + 1).to_le_bytes());
    }
    key
}

fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Processor time of this thread.
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call only writes the struct, which lives.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Prints what one of `n` operations takes, `per` things each.
fn time(name: &str, n: u64, batch: u64, per: u64, mut operation: impl FnMut(u64)) {
    let mut batches = Vec::new();
    for start in (0..n).step_by(batch as usize) {
        let end = n.min(start + batch);
        let begin = cpu();
        (start..end).for_each(&mut operation);
        batches.push((cpu() - begin).as_nanos() as f64 / (end - start) as f64 / per as f64);
    }
    batches.sort_unstable_by(f64::total_cmp);
    println!("  {name:<34} {:7.0} ({:.0})", batches[batches.len() / 2], batches[batches.len() / 10]);
}

fn figures(dir: &PathBuf, pairs: u64, gets: u64, kind: IndexKind, io: IoKind) {
    let db = Db::open(dir, &Options::new().index(kind).io(io).durability(Durability::None)).expect("it opens");
    let pick = |i: u64| key(((u128::from(mix(i ^ 0xabcd)) * u128::from(pairs)) >> 64) as u64);
    println!("{kind:?}, {io:?}, {pairs} pairs:");
    let mut buf = [0; 256];
    // Warm: every page is touched once.
    for i in 0..pairs {
        assert_eq!(db.get_into(&key(i), &mut buf).expect("it reads"), Some(150));
    }
    let batch = (gets / 40).max(100);
    time("get_into", gets, batch, 1, |i| assert_eq!(db.get_into(&pick(i), &mut buf).expect("it reads"), Some(150)));
    time("get", gets, batch, 1, |i| {
        assert_eq!(db.get(&pick(i)).expect("it reads").map_or(0, |v| v[149]), 0);
    });
    time("get of a missing key", gets, batch, 1, |i| {
        assert!(db.get_into(&pick(i)[..23], &mut buf).expect("it reads").is_none());
    });
    time("contains", gets, batch, 1, |i| assert!(db.contains(&pick(i)).expect("it reads")));
    time("value_size", gets, batch, 1, |i| assert_eq!(db.value_size(&pick(i)).expect("it reads"), Some(150)));
    let mut page = ValuePage::new();
    for many in [10, 100, 1000] {
        let mut keys = vec![[0; 24]; many];
        time(&format!("multi_get_into of {many}, a key"), gets / many as u64, batch / many as u64, many as u64, |i| {
            for (k, key) in keys.iter_mut().enumerate() {
                *key = pick(i * many as u64 + k as u64);
            }
            db.multi_get_into(&keys, &mut page).expect("it reads");
            assert!(page.get(many - 1).is_some_and(|value| value.len() == 150));
        });
    }
    if kind == IndexKind::Hash {
        return;
    }
    let mut page = EntryPage::new();
    time("seek and 10 records, with iterator", gets / 4, batch / 4, 1, |i| {
        let mut iter = db.iter(&IterOptions::new().start(Bound::Included(&pick(i))).limit(10)).expect("it reads");
        iter.next_page(&mut page, 10, usize::MAX).expect("it reads");
        assert!(!page.is_empty());
    });
    let mut iter = db.iter(&IterOptions::new()).expect("it reads");
    time("seek and 10 records, same iterator", gets / 4, batch / 4, 1, |i| {
        iter.seek(&pick(i));
        iter.next_page(&mut page, 10, usize::MAX).expect("it reads");
        assert!(!page.is_empty());
    });
    let mut iter = db.iter(&IterOptions::new()).expect("it reads");
    time("iteration, a record", pairs / 1000, 100, 1000, |_| {
        iter.next_page(&mut page, 1000, usize::MAX).expect("it reads");
        assert_eq!(page.len(), 1000);
    });
    let mut iter = db.iter(&IterOptions::new().keys_only(true)).expect("it reads");
    time("iteration of keys, a key", pairs / 1000, 100, 1000, |_| {
        iter.next_page(&mut page, 1000, usize::MAX).expect("it reads");
        assert_eq!(page.len(), 1000);
    });
}

/// A whole store in the order of its keys, which is that of the log.
fn sorted(dir: &PathBuf, pairs: u64, io: IoKind) {
    let db = Db::open(dir, &Options::new().io(io).durability(Durability::None)).expect("it opens");
    if db.is_empty().expect("it is open") {
        for start in (0..pairs).step_by(1000) {
            let mut batch = db.batch();
            for i in start..pairs.min(start + 1000) {
                let mut key = [0xff; 32];
                key[..8].copy_from_slice(&i.to_be_bytes());
                batch.put(&key, &[7; 150]).expect("it is open");
            }
            batch.commit().expect("it writes");
        }
    }
    println!("BTree, {io:?}, {pairs} pairs loaded in order:");
    let mut page = EntryPage::new();
    for pass in ["first pass", "second pass"] {
        let mut iter = db.iter(&IterOptions::new()).expect("it reads");
        time(&format!("iteration, a record, {pass}"), pairs / 1000, 20, 1000, |_| {
            iter.next_page(&mut page, 1000, 256 << 10).expect("it reads");
            let sum: u64 = page.iter().map(|(_, value)| u64::from(value[0])).sum();
            assert_eq!(sum, 7000);
        });
    }
    db.close().expect("it closes");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let pairs = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(1_000_000);
    let own = std::env::temp_dir().join(format!("bitcask-read-figures-{}", std::process::id()));
    let given = arguments.iter().find_map(|a| a.strip_prefix("dir=")).map(PathBuf::from);
    let dir = given.clone().unwrap_or_else(|| own.clone());
    {
        let db = Db::open(&dir, &Options::new().index(IndexKind::Hash).durability(Durability::None)).expect("it opens");
        let value = [0; 150];
        if db.len().expect("it is open") < pairs {
            for start in (0..pairs).step_by(1000) {
                let mut batch = db.batch();
                for i in start..pairs.min(start + 1000) {
                    batch.put(&key(i), &value).expect("it is open");
                }
                batch.commit().expect("it writes");
            }
        }
        db.close().expect("it closes");
    }
    for (kind_name, kind) in [("btree", IndexKind::BTree), ("hash", IndexKind::Hash)] {
        for (io_name, io) in [("mmap", IoKind::Mmap), ("file", IoKind::File)] {
            let chosen = |name, of: [&str; 2]| has(name) || !of.iter().any(|name| has(name));
            if chosen(kind_name, ["btree", "hash"]) && chosen(io_name, ["mmap", "file"]) {
                figures(&dir, pairs, pairs.min(1_000_000), kind, io);
            }
        }
    }
    for (io_name, io) in [("mmap", IoKind::Mmap), ("file", IoKind::File)] {
        if (has("btree") || !has("hash")) && (has(io_name) || !["mmap", "file"].iter().any(|name| has(name))) {
            sorted(&dir.with_extension("sorted"), pairs, io);
        }
    }
    if given.is_none() {
        std::fs::remove_dir_all(dir.with_extension("sorted")).ok();
        std::fs::remove_dir_all(&dir).expect("its own directory");
    }
}
