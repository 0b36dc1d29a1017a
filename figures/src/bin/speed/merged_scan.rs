//! A walk in the order of keys over values that the page cache does not have, before a merge and after it.
//!
//! Pairs are written in no order, so that a walk reads the log here and there. A merge lays them down in the order of their keys:
//! `merged_scan_gain` is how many times faster the same walk is then. Before each the store is closed, and the kernel is asked to forget the pages of its files.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use bitcask::{Db, EntryPage, IterOptions, MergeOptions};
use bitcask_figures::{Figures, Kind, Outcome, Pairs, fresh_dir, median, write_all};
use rustix::fs::{Advice, fadvise};

use super::ROUNDS;

pub(crate) const FIGURES: [&str; 1] = ["merged_scan*_gain"];

/// Records and bytes of a page.
const PAGE: (usize, usize) = (1024, 256 << 10);

pub(crate) fn measure(figures: &Figures, pairs: &Pairs, kind: &Kind) -> Outcome {
    let dir = fresh_dir("merged-scan")?;
    let db = Db::open(&dir, &kind.options())?;
    write_all(&db, pairs)?;
    db.close()?;
    let before = walk(&dir, kind, pairs.len())?;
    // A new file for the log, so that the old one can be merged.
    let db = Db::open(&dir, &kind.options())?;
    db.merge(&MergeOptions::new().everything(true))?;
    db.close()?;
    let after = walk(&dir, kind, pairs.len())?;
    figures.tell(&kind.of(FIGURES[0]), before / after, "times");
    Ok(std::fs::remove_dir_all(&dir)?)
}

/// Seconds of a walk over everything; the median.
fn walk(dir: &Path, kind: &Kind, pairs: usize) -> Outcome<f64> {
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        forget(dir)?;
        let db = Db::open(dir, &kind.options())?;
        let (mut page, mut records, mut sum) = (EntryPage::new(), 0, 0u64);
        let start = Instant::now();
        let mut iter = db.iter(&IterOptions::new())?;
        loop {
            iter.next_page(&mut page, PAGE.0, PAGE.1)?;
            if page.is_empty() {
                break;
            }
            records += page.len();
            sum = page.iter().fold(sum, |sum, (_, value)| sum + u64::from(value[0]));
        }
        seconds.push(start.elapsed().as_secs_f64());
        std::hint::black_box(sum);
        drop(iter);
        db.close()?;
        if records != pairs {
            return Err(format!("a walk gave {records} of {pairs} records").into());
        }
    }
    Ok(median(seconds))
}

/// Asks the kernel to forget the pages of all files.
fn forget(dir: &Path) -> Outcome {
    for entry in std::fs::read_dir(dir)? {
        let file = File::open(entry?.path())?;
        // Pages that are not on the disk stay.
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}
