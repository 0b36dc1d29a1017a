//! Figures of a store whose index is on disk: what memory it takes, how fast it is written, opened and read.
//!
//! `cargo run --release --example bptree_figures -- [keys] [budget in MiB] [directory] [keys a batch]`; the default is 2 million random keys
//! of 24 bytes with values of 16, a budget of 64 MiB, a new directory below the system's one for temporary files, and batches of
//! 10,000. Memory is resident memory that is no file's (`RssAnon` of /proc/self/status): mapped data files are the page cache's.
//! Times are wall-clock.
#![allow(clippy::print_stdout, missing_docs)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bitcask::{Db, Durability, IndexKind, IterOptions, Options};

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

fn rate(count: u64, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64() / 1000.0
}

fn read(db: &Db, keys: u64, count: u64) -> f64 {
    let since = Instant::now();
    for i in 0..count {
        let n = mix(i ^ 0x5555) % keys;
        assert!(db.get(&key(n)).expect("get").is_some(), "key {n}");
    }
    rate(count, since)
}

fn main() -> bitcask::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(default, |n| n.parse().expect("a number"));
    let (keys, budget) = (number(2_000_000), number(64));
    let dir = arguments
        .next()
        .map_or_else(|| std::env::temp_dir().join(format!("bptree-figures-{}", std::process::id())), PathBuf::from);
    let batch_len: u64 = arguments.next().map_or(10_000, |n| n.parse().expect("a number"));
    let interval = Durability::Interval { every: Duration::from_millis(100), bytes: 16 << 20 };
    let options = Options::new().index(IndexKind::BPTree).durability(interval).index_budget(budget << 20);
    println!(
        "{keys} keys of 24 bytes, {budget} MiB, {batch_len} a batch; anonymous memory at the start {:.1} MiB",
        anonymous()
    );

    let since = Instant::now();
    let db = Db::open(&dir, &options)?;
    let mut most = 0.0_f64;
    let mut n = 0;
    while n < keys {
        let mut batch = db.batch();
        for _ in 0..batch_len.min(keys - n) {
            batch.put(&key(n), &mix(n).to_le_bytes().repeat(2))?;
            n += 1;
        }
        batch.commit()?;
        most = most.max(anonymous());
        if n % (keys / 10).max(1) < batch_len {
            println!("  {n:>10} keys: {:.0} K/s so far, memory {:.1} MiB", rate(n, since), anonymous());
        }
    }
    println!("load            {:>9.1} K/s, memory at most {most:.1} MiB", rate(keys, since));
    let since = Instant::now();
    db.close()?;
    println!("close           {:>9.1} ms", since.elapsed().as_secs_f64() * 1000.0);
    drop(db);
    let file = std::fs::metadata(dir.join("index.bptree")).map_or(0, |file| file.len());
    println!("index file      {:>9.1} bytes a key", file as f64 / keys as f64);

    for _ in 0..3 {
        let since = Instant::now();
        let db = Db::open(&dir, &options)?;
        let opened = since.elapsed().as_secs_f64() * 1000.0;
        assert!(db.open_report().index_from.is_some(), "{:?}", db.open_report());
        assert_eq!(db.len()?, keys);
        println!("open, clean     {opened:>9.1} ms, memory {:.1} MiB", anonymous());
        db.close()?;
    }
    let db = Db::open(&dir, &options)?;
    read(&db, keys, keys.min(300_000));
    println!("point reads     {:>9.1} K/s, memory {:.1} MiB", read(&db, keys, keys.min(1_000_000)), anonymous());
    let (since, mut scanned) = (Instant::now(), 0);
    for record in db.iter(&IterOptions::new().keys_only(true))? {
        record?;
        scanned += 1;
        if scanned == keys.min(2_000_000) {
            break;
        }
    }
    println!("keys in order   {:>9.1} K/s, memory {:.1} MiB", rate(scanned, since), anonymous());
    let (since, updates) = (Instant::now(), keys.min(200_000));
    for i in 0..updates {
        db.put(&key(mix(i) % keys), b"another value..")?;
    }
    println!("single puts     {:>9.1} K/s, memory {:.1} MiB", rate(updates, since), anonymous());
    db.close()?;
    drop(db);

    std::fs::remove_file(dir.join("index.bptree")).expect("the index file");
    let since = Instant::now();
    let db = Db::open(&dir, &options)?;
    println!("rebuild         {:>9.1} K keys/s, memory {:.1} MiB", rate(keys, since), anonymous());
    assert_eq!(db.len()?, keys);
    db.close()?;
    drop(db);
    let file = std::fs::metadata(dir.join("index.bptree")).map_or(0, |file| file.len());
    println!("index file      {:>9.1} bytes a key", file as f64 / keys as f64);
    std::fs::remove_dir_all(&dir).expect("the directory of the figures");
    Ok(())
}
