//! Writing with durability `always`: one thread, and many that share syncs.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bitcask::{Db, Durability, Options};
use bitcask_figures::{Figures, KEY_LEN, Outcome, fresh_dir, median, random_bytes};

use super::ROUNDS;

const THREADS: usize = 64;
const TIME: Duration = Duration::from_secs(2);
/// With the record's header of 28 bytes and the key it makes 190.
const VALUE: usize = 190 - 28 - KEY_LEN;

pub(crate) fn measure(figures: &Figures) -> Outcome {
    let names = ["put_always_rate", "put_always_64_threads_rate", "group_commit_gain"];
    if !names.iter().any(|name| figures.wants(name)) {
        return Ok(());
    }
    let (mut ones, mut manies, mut gains) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (one, many) = (puts_with(1)?, puts_with(THREADS)?);
        ones.push(one);
        manies.push(many);
        gains.push(many / one);
    }
    figures.tell(names[0], median(ones), "keys/s");
    figures.tell(names[1], median(manies), "keys/s");
    figures.tell(names[2], median(gains), "times");
    Ok(())
}

/// Puts a second, by so many threads together.
fn puts_with(threads: usize) -> Outcome<f64> {
    let dir = fresh_dir("always")?;
    let db = Db::open(&dir, &Options::new().durability(Durability::Always))?;
    let (start, stop, done) = (Barrier::new(threads + 1), AtomicBool::new(false), AtomicU64::new(0));
    let value = random_bytes(4, VALUE);
    let seconds = std::thread::scope(|scope| -> Outcome<f64> {
        let writers: Vec<_> = (0..threads)
            .map(|thread| {
                let (db, start, stop, done, value) = (&db, &start, &stop, &done, &value);
                scope.spawn(move || -> bitcask::Result<()> {
                    let mut key = random_bytes(5 + thread as u64, KEY_LEN);
                    start.wait();
                    let mut puts = 0u64;
                    while !stop.load(Ordering::Relaxed) {
                        key[..8].copy_from_slice(&puts.to_le_bytes());
                        db.put(&key, value)?;
                        puts += 1;
                    }
                    done.fetch_add(puts, Ordering::Relaxed);
                    Ok(())
                })
            })
            .collect();
        start.wait();
        let began = Instant::now();
        std::thread::sleep(TIME);
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| "a writer panicked")??;
        }
        Ok(began.elapsed().as_secs_f64())
    })?;
    db.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(done.load(Ordering::Relaxed) as f64 / seconds)
}
