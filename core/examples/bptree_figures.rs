//! Figures of a store whose index is on disk: what memory it takes, how fast it is written, built, opened and read.
//!
//! `cargo run --release --example bptree_figures -- [keys] [budget in MiB] [directory] [phase]`; the default is 2 million random keys of 24 bytes
//! with values of 16, a budget of 64 MiB, and a new directory below the system's one for temporary files, which is removed in the end.
//! The phase `log` only writes the log, in batches of 10,000 under the index `hash`; `index` builds the index of such a directory and measures it; `write` writes
//! the log under the index on disk. Without one it is `write` and then `index`. Phases in processes of their own don't share memory.
//!
//! Memory is resident memory that is no file's (`RssAnon` of /proc/self/status): mapped data files are the page cache's. Rates are by wall-clock and,
//! behind it, by the main thread's processor time, which is what a machine that does nothing else would show of a warm page cache.
#![allow(clippy::print_stdout, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bitcask::{Db, Durability, IndexKind, IterOptions, Options};

const BATCH: u64 = 10_000;

/// splitmix64
fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn key(n: u64) -> [u8; 24] {
    let mut key = [0; 24];
    for (i, part) in key.chunks_mut(8).enumerate() {
        part.copy_from_slice(&mix(n * 3 + i as u64).to_le_bytes());
    }
    key
}

/// MiB of memory that is no file's.
fn anonymous() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

/// Both clocks.
struct Clock(Instant, f64);

impl Clock {
    fn start() -> Clock {
        Clock(Instant::now(), Clock::processor())
    }

    /// Seconds that this thread ran.
    fn processor() -> f64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        text.split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
    }

    fn tell(&self, what: &str, count: u64) {
        let (wall, processor) = (self.0.elapsed().as_secs_f64(), Clock::processor() - self.1);
        let rate = |seconds: f64| count as f64 / seconds / 1000.0;
        let (by_wall, by_processor, memory) = (rate(wall), rate(processor), anonymous());
        println!("{what:16} {by_wall:>9.1} K/s, by processor time {by_processor:>9.1} K/s, memory {memory:>6.1} MiB");
    }
}

fn write(dir: &Path, options: &Options, keys: u64) -> bitcask::Result<()> {
    let clock = Clock::start();
    let db = Db::open(dir, options)?;
    let (mut n, mut most) = (0, 0.0_f64);
    while n < keys {
        let mut batch = db.batch();
        for _ in 0..BATCH.min(keys - n) {
            batch.put(&key(n), &mix(n).to_le_bytes().repeat(2))?;
            n += 1;
        }
        batch.commit()?;
        most = most.max(anonymous());
        if n % (keys / 4).max(1) < BATCH {
            clock.tell(&format!("  {n}"), n);
        }
    }
    clock.tell("load", keys);
    println!("memory at most   {most:>9.1} MiB");
    db.close()
}

fn file_len(dir: &Path) -> u64 {
    std::fs::metadata(dir.join("index.bptree")).map_or(0, |file| file.len())
}

fn measure(dir: &Path, options: &Options, keys: u64) -> bitcask::Result<()> {
    if file_len(dir) > 0 {
        println!("index file       {:>9.1} bytes a key, as it was written", file_len(dir) as f64 / keys as f64);
        std::fs::remove_file(dir.join("index.bptree")).expect("the index file");
    }
    let clock = Clock::start();
    let db = Db::open(dir, options)?;
    clock.tell("build", keys);
    assert_eq!(db.len()?, keys);
    db.close()?;
    drop(db);
    println!("index file       {:>9.1} bytes a key, as it was built", file_len(dir) as f64 / keys as f64);
    for _ in 0..5 {
        let since = Instant::now();
        let db = Db::open(dir, options)?;
        let opened = since.elapsed().as_secs_f64() * 1000.0;
        assert!(db.open_report().index_from.is_some(), "{:?}", db.open_report());
        assert_eq!(db.len()?, keys);
        println!("open, clean      {opened:>9.1} ms,                                memory {:>6.1} MiB", anonymous());
        db.close()?;
    }
    let db = Db::open(dir, options)?;
    for round in 0..3 {
        let (clock, count) = (Clock::start(), keys.min(300_000));
        for i in 0..count {
            let n = mix(i ^ (round << 32)) % keys;
            assert!(db.get(&key(n))?.is_some(), "key {n}");
        }
        clock.tell("point reads", count);
    }
    let (clock, mut scanned) = (Clock::start(), 0);
    for record in db.iter(&IterOptions::new().keys_only(true))? {
        record?;
        scanned += 1;
        if scanned == keys.min(1_000_000) {
            break;
        }
    }
    clock.tell("keys in order", scanned);
    let (clock, updates) = (Clock::start(), keys.min(50_000));
    for i in 0..updates {
        db.put(&key(mix(i) % keys), b"another value..")?;
    }
    clock.tell("single puts", updates);
    db.close()
}

fn main() -> bitcask::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(default, |n| n.parse().expect("a number"));
    let (keys, budget) = (number(2_000_000), number(64));
    let dir = arguments
        .next()
        .map_or_else(|| std::env::temp_dir().join(format!("bptree-figures-{}", std::process::id())), PathBuf::from);
    let phase = arguments.next();
    let interval = Durability::Interval { every: Duration::from_millis(100), bytes: 16 << 20 };
    let options = Options::new().index(IndexKind::BPTree).durability(interval).index_budget(budget << 20);
    println!("{keys} keys of 24 bytes, budget {budget} MiB; memory at the start {:.1} MiB", anonymous());
    match phase.as_deref() {
        Some("log") => write(&dir, &options.index(IndexKind::Hash), keys),
        Some("write") => write(&dir, &options, keys),
        Some("index") => measure(&dir, &options, keys),
        _ => {
            write(&dir, &options, keys)?;
            measure(&dir, &options, keys)?;
            std::fs::remove_dir_all(&dir).expect("the directory of the figures");
            Ok(())
        }
    }
}
