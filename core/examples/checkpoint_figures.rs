//! Figures of a saved index: how long a store with many keys takes to open, closed cleanly and killed, and what saving costs writers beside.
//!
//! `cargo run --release --example checkpoint_figures -- [keys] [kind] [directory] [phase]`; the default is 10 million random keys
//! of 24 bytes with values of 16, the kind `btree` (or `hash`), a new directory below the system's one for temporary files, which is removed in the end, and all phases. Phases:
//! `fill` writes in batches of 10,000 and closes; `clean` opens five times, up to the first get; `killed` writes as much as comes to a checkpoint's distance and
//! kills itself, and `after` opens once behind it, with all that a killed writer leaves to do; `beside` puts single records without sync while the index is saved and files are rotated, and
//! tells how long the first has to wait, the distribution of the others' latencies, how often the writer was put to sleep (Linux), and what three reads at random places of plain memory as large as the index take
//! at the same hour, which is what the machine alone adds to a put. Without a phase all of them run, each in a process of its own. The page cache is warm.
#![allow(clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bitcask::{Db, Durability, IndexKind, Options};

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

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn put(db: &Db, from: u64, to: u64, keys: u64) -> bitcask::Result<()> {
    for start in (from..to).step_by(BATCH as usize) {
        let mut batch = db.batch();
        for n in start..(start + BATCH).min(to) {
            batch.put(&key(n % keys), &mix(n).to_le_bytes().repeat(2))?;
        }
        batch.commit()?;
    }
    Ok(())
}

fn fill(dir: &Path, options: &Options, keys: u64) -> bitcask::Result<()> {
    let start = Instant::now();
    let db = Db::open(dir, options)?;
    put(&db, 0, keys, keys)?;
    println!("fill             {:>10.0} ms", ms(start));
    let start = Instant::now();
    let stats = db.stats()?;
    db.close()?;
    println!("close            {:>10.0} ms, index {} MiB in memory", ms(start), stats.index_bytes >> 20);
    Ok(())
}

fn open(dir: &Path, options: &Options, keys: u64, what: &str, times: u64) -> bitcask::Result<()> {
    for round in 0..times {
        let start = Instant::now();
        let db = Db::open(dir, options)?;
        let opened = ms(start);
        let found = db.get(&key(mix(round) % keys))?.is_some();
        let first = ms(start);
        let report = db.open_report();
        let (read, stats) = (report.scanned_records + report.hint_records, db.stats()?);
        println!(
            "{what:16} {first:>10.2} ms to the first get, opened in {opened:.2} ms; index {} KiB private, {read} records read, saved index {}, found {found}",
            stats.index_bytes >> 10,
            if report.index_from.is_some() { "used" } else { "not used" }
        );
        db.close()?;
    }
    Ok(())
}

fn beside(dir: &Path, options: &Options, keys: u64) -> bitcask::Result<()> {
    let db = Db::open(dir, &options.clone().max_file_size(64 << 20))?;
    let mut nanos = Vec::new();
    let start = Instant::now();
    db.put(&key(0), &[7; 150])?;
    println!("first put        {:>10.1} ms, right behind the opening", ms(start));
    let slept = sleeps();
    let start = Instant::now();
    for n in 0..2_000_000 {
        let (key, value) = (key(mix(n) % keys), [7; 150]);
        let begin = Instant::now();
        db.put(&key, &value)?;
        nanos.push(begin.elapsed().as_nanos() as u64);
    }
    let stats = db.stats()?;
    let (elapsed, slept) = (ms(start), sleeps().saturating_sub(slept));
    println!(
        "beside           {elapsed:>10.0} ms for {} puts, {} files, asleep {slept} times",
        nanos.len(),
        stats.files
    );
    distribution("put ns", nanos);
    floor(stats.index_bytes);
    db.close()
}

fn distribution(what: &str, mut nanos: Vec<u64>) {
    nanos.sort_unstable();
    let at = |q: f64| nanos[((nanos.len() - 1) as f64 * q) as usize];
    println!("{what:16} p50 {} p99 {} p99.9 {} p99.99 {} max {}", at(0.5), at(0.99), at(0.999), at(0.9999), at(1.0));
}

/// How often this thread waited for something so far.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// What the machine makes of three cache misses.
fn floor(bytes: u64) {
    let memory: Vec<u64> = (0..bytes / 8).collect();
    let mut sum = 0_u64;
    let reads = (0..2_000_000).map(|n| {
        let begin = Instant::now();
        for i in 0..3 {
            sum = sum.wrapping_add(memory[(mix(n * 3 + i) % memory.len() as u64) as usize]);
        }
        begin.elapsed().as_nanos() as u64
    });
    let nanos = reads.collect();
    std::hint::black_box(sum);
    distribution("memory ns", nanos);
}

fn main() -> bitcask::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let keys = args.first().and_then(|keys| keys.parse().ok()).unwrap_or(10_000_000);
    let own = std::env::temp_dir().join(format!("checkpoint-figures-{}", std::process::id()));
    let kind = match args.get(1).map(String::as_str) {
        Some("hash") => IndexKind::Hash,
        _ => IndexKind::BTree,
    };
    let dir = args.get(2).map_or(own.clone(), Into::into);
    let options = Options::new().index(kind).durability(Durability::None);
    match args.get(3).map(String::as_str) {
        Some("fill") => return fill(&dir, &options, keys),
        Some("clean") => return open(&dir, &options, keys, "open", 5),
        Some("after") => return open(&dir, &options, keys, "open after a kill", 1),
        Some("killed") => {
            let db = Db::open(&dir, &options)?;
            // Records of 68 bytes up to just before the next checkpoint; the index takes some 40 bytes a key, of which an eighth is the distance.
            put(&db, 0, (64 << 20).max(keys * 5) / 72, keys)?;
            std::process::abort();
        }
        Some("beside") => return beside(&dir, &options, keys),
        _ => {}
    }
    let program = std::env::current_exe().unwrap_or_default();
    for phase in ["fill", "clean", "killed", "after", "clean", "beside"] {
        println!("-- {phase}");
        let run = Command::new(&program)
            .arg(keys.to_string())
            .arg(format!("{kind:?}").to_lowercase())
            .arg(&dir)
            .arg(phase)
            .status();
        assert!(phase == "killed" || run.is_ok_and(|status| status.success()), "{phase} failed");
    }
    let _ = std::fs::remove_dir_all(own);
    Ok(())
}
