//! Merges: how fast they copy beside a plain copy of a file, and what reads and writes notice of them.
//!
//! In files of 64 MiB of which a third is dead, all of them merged:
//! - `merge_rate`: live bytes a second over those of copying as many from file to file in pieces of 1 MiB, with a sync at the end;
//! - `merge_p999_ratio`: the 99.9th percentile of a put or a get, whichever is worse, in a load of both by one thread, beside merges without
//!   end over the same without.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bitcask::{Db, MergeOptions};
use bitcask_figures::{Figures, Kind, Outcome, Pairs, fresh_dir, median, write_all};

use super::ROUNDS;

pub(crate) const FIGURES: [&str; 2] = ["merge*_rate", "merge*_p999_ratio"];

const FILE_SIZE: u64 = 64 << 20;
/// Puts and gets of a load, at most.
const OPERATIONS: usize = 400_000;

pub(crate) fn measure(figures: &Figures, pairs: &Pairs, kind: &Kind) -> Outcome {
    let dir = fresh_dir("merging")?;
    let db = Db::open(&dir, &kind.options().max_file_size(FILE_SIZE).background_merge(false))?;
    write_all(&db, pairs)?;
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for key in pairs.shuffled().skip(round).take(pairs.len() / 2) {
            db.put(key, &[round as u8; 150])?;
        }
        if figures.wants(&kind.of(FIGURES[0])) {
            rates.push(rate(&db, &dir)?);
        }
        if figures.wants(&kind.of(FIGURES[1])) {
            let without = load(&db, pairs)?;
            let with = beside_merges(&db, pairs)?;
            ratios.push((with.0 / without.0).max(with.1 / without.1));
        }
    }
    figures.tell(&kind.of(FIGURES[0]), median(rates), "copies");
    figures.tell(&kind.of(FIGURES[1]), median(ratios), "times");
    db.close()?;
    Ok(std::fs::remove_dir_all(&dir)?)
}

fn rate(db: &Db, dir: &Path) -> Outcome<f64> {
    db.sync()?;
    let start = Instant::now();
    let report = db.merge(&MergeOptions::new().everything(true))?;
    let merge = start.elapsed();
    Ok(copy(dir, report.created_bytes)?.as_secs_f64() / merge.as_secs_f64())
}

/// The time of a plain copy of so many bytes.
fn copy(dir: &Path, bytes: u64) -> Outcome<Duration> {
    let (source, target) = (dir.with_extension("source"), dir.with_extension("copy"));
    let mut buf = vec![1; 1 << 20];
    let mut file = File::create(&source)?;
    for at in (0..bytes).step_by(buf.len()) {
        file.write_all(&buf[..(bytes - at).min(1 << 20) as usize])?;
    }
    file.sync_data()?;
    let start = Instant::now();
    let (mut from, mut to) = (File::open(&source)?, File::create(&target)?);
    loop {
        let got = from.read(&mut buf)?;
        if got == 0 {
            break;
        }
        to.write_all(&buf[..got])?;
    }
    to.sync_data()?;
    let took = start.elapsed();
    std::fs::remove_file(source)?;
    std::fs::remove_file(target)?;
    Ok(took)
}

/// The 99.9th percentiles of a put and a get, in nanoseconds.
fn load(db: &Db, pairs: &Pairs) -> Outcome<(f64, f64)> {
    let (mut puts, mut gets) = (Vec::new(), Vec::new());
    for (n, key) in pairs.shuffled().take(OPERATIONS).enumerate() {
        let start = Instant::now();
        if n % 2 == 0 {
            db.put(key, &[n as u8; 150])?;
            puts.push(start.elapsed());
        } else {
            let found = db.get(key)?;
            gets.push(start.elapsed());
            found.ok_or("a key is missing")?;
        }
    }
    let p999 = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() * 999 / 1000).map_or(f64::NAN, |time| time.as_nanos() as f64)
    };
    Ok((p999(&mut puts), p999(&mut gets)))
}

fn beside_merges(db: &Db, pairs: &Pairs) -> Outcome<(f64, f64)> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let merger = scope.spawn(|| -> bitcask::Result<()> {
            while !is_over.load(Ordering::Relaxed) {
                db.merge(&MergeOptions::new().everything(true))?;
            }
            Ok(())
        });
        let loaded = load(db, pairs);
        is_over.store(true, Ordering::Relaxed);
        merger.join().map_err(|_| "the merges panicked")??;
        loaded
    })
}
