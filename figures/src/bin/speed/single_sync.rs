//! What a single durable write costs beyond what it can't do without: a `pwrite` and an `fdatasync` on a file that was filled
//! with zeros before.
//!
//! Both take turns in slices, so that a busy moment of the machine hits both, and the middle one of all syncs counts.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use bitcask::{Db, Durability, Options};
use bitcask_figures::{Figures, KEY_LEN, Outcome, VALUE_LEN, fresh_dir, median, random_bytes};

const SLICES: usize = 20;
const SLICE: usize = 100;
/// What the store writes for a pair: header, key, value and padding.
const RECORD: usize = (28 + KEY_LEN + VALUE_LEN).next_multiple_of(4);

pub(crate) fn measure(figures: &Figures) -> Outcome {
    let names = ["bare_sync_us", "single_sync_us", "single_sync_overhead"];
    if !names.iter().any(|name| figures.wants(name)) {
        return Ok(());
    }
    let dir = fresh_dir("single-sync")?;
    let db = Db::open(&dir, &Options::new().durability(Durability::Always))?;
    let file = File::create(dir.with_extension("bare"))?;
    file.write_all_at(&vec![0; SLICES * SLICE * RECORD], 0)?;
    file.sync_all()?;
    let (record, mut key, value) = (random_bytes(1, RECORD), random_bytes(2, KEY_LEN), random_bytes(3, VALUE_LEN));
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for slice in 0..SLICES {
        for n in slice * SLICE..(slice + 1) * SLICE {
            let start = Instant::now();
            file.write_all_at(&record, (n * RECORD) as u64)?;
            file.sync_data()?;
            bare.push(start.elapsed().as_secs_f64() * 1e6);
        }
        for n in slice * SLICE..(slice + 1) * SLICE {
            key[..8].copy_from_slice(&(n as u64).to_le_bytes());
            let start = Instant::now();
            db.put(&key, &value)?;
            ours.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    db.close()?;
    std::fs::remove_dir_all(&dir)?;
    std::fs::remove_file(dir.with_extension("bare"))?;
    let (bare, ours) = (median(bare), median(ours));
    figures.tell(names[0], bare, "µs");
    figures.tell(names[1], ours, "µs");
    figures.tell(names[2], (ours / bare - 1.0) * 100.0, "%");
    Ok(())
}
