//! Figures of what it costs to know what is alive in each file: single puts that overwrite, openings from hints and from a saved index, and asking.
//!
//! `cargo run --release --example accounts_figures -- [keys] [phase] [directory]`; the default is 2 million keys of 24 bytes, and all phases.
//! Phases: `puts` overwrites single records without sync, with values of one length and of many, for the index kinds `hash` and `btree`; `open` opens, five times
//! each, a store from its hints alone, after it was written and after all of it was merged, and from its saved index; `ask` asks for the figures of
//! all files, for the first time after an opening and behind 10,000 overwrites. The best of the runs counts. The page cache is warm.
#![allow(clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::time::Instant;

use bitcask::{Db, Durability, IndexKind, MergeOptions, Options};

/// splitmix64
fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn key(n: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&mix(n).to_be_bytes());
    key[8..16].copy_from_slice(&n.to_be_bytes());
    key
}

fn options(kind: IndexKind) -> Options {
    Options::new().durability(Durability::None).index(kind).max_file_size(64 << 20)
}

/// Lengths of values that fall into two size classes.
fn len(n: u64, various: bool) -> usize {
    if various { 60 + (mix(n) % 60) as usize } else { 100 }
}

fn fill(dir: &Path, options: &Options, keys: u64, various: bool) -> bitcask::Result<()> {
    let _ = std::fs::remove_dir_all(dir);
    let db = Db::open(dir, options)?;
    for from in (0..keys).step_by(10_000) {
        let mut batch = db.batch();
        for n in from..(from + 10_000).min(keys) {
            batch.put(&key(n), &[7; 128][..len(n, various)])?;
        }
        batch.commit()?;
    }
    db.close()
}

/// Nanoseconds a put, the best of several runs.
fn puts(db: &Db, keys: u64, various: bool) -> bitcask::Result<f64> {
    let (mut best, count) = (f64::MAX, 100_000);
    for round in 0..20_u64 {
        let start = Instant::now();
        for n in 0..count {
            let n = round * count + n;
            db.put(&key(mix(n) % keys), &[8; 128][..len(n, various)])?;
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / count as f64);
    }
    Ok(best)
}

fn opening(dir: &Path, options: &Options, what: &str, keys: u64) -> bitcask::Result<()> {
    let mut best = f64::MAX;
    for _ in 0..5 {
        if !what.contains("saved") {
            let _ = std::fs::remove_file(dir.join("index.checkpoint"));
        }
        let start = Instant::now();
        let db = Db::open(dir, options)?;
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(db.len()?, keys);
        db.close()?;
    }
    println!("open, {what:<20} {:>10.2} ms {:>8.0} ns/key", best * 1e3, best * 1e9 / keys as f64);
    Ok(())
}

fn main() -> bitcask::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let keys = args.first().map_or(2_000_000, |n| n.parse().expect("a number of keys"));
    let phase = args.get(1).map_or("all", String::as_str);
    let dir = args.get(2).map_or_else(
        || std::env::temp_dir().join(format!("bitcask-accounts-{}", std::process::id())),
        std::path::PathBuf::from,
    );
    if matches!(phase, "puts" | "all") {
        for kind in [IndexKind::Hash, IndexKind::BTree] {
            for various in [false, true] {
                fill(&dir, &options(kind).checkpoint_bytes(0), keys / 4, various)?;
                let db = Db::open(&dir, &options(kind).checkpoint_bytes(0))?;
                let ns = puts(&db, keys / 4, various)?;
                println!("puts, {kind:?}, {:<12} {ns:>10.0} ns", if various { "many lengths" } else { "one length" });
                db.close()?;
            }
        }
    }
    if matches!(phase, "open" | "all") {
        let options = options(IndexKind::BTree);
        fill(&dir, &options, keys, true)?;
        opening(&dir, &options, "saved index", keys)?;
        opening(&dir, &options, "hints", keys)?;
        let db = Db::open(&dir, &options)?;
        db.merge(&MergeOptions::new().everything(true))?;
        db.close()?;
        opening(&dir, &options, "hints, merged", keys)?;
    }
    if matches!(phase, "ask" | "all") {
        let options = options(IndexKind::BTree);
        fill(&dir, &options, keys, true)?;
        let db = Db::open(&dir, &options)?;
        let ask = |what: &str| {
            let start = Instant::now();
            db.file_stats().map(|_| println!("ask, {what:<21} {:>10.2} ms", start.elapsed().as_secs_f64() * 1e3))
        };
        ask("all alive")?;
        for round in 0..2 {
            for n in 0..10_000 {
                db.put(&key(mix(n * 2 + round) % keys), &[8; 128][..len(n, true)])?;
            }
            ask("10,000 overwritten")?;
        }
        db.close()?;
    }
    std::fs::remove_dir_all(&dir).map_err(|e| bitcask::Error::Internal { what: e.to_string() })
}
