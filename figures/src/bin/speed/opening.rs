//! Opening a store of several files: from its hints, and from the data files alone.

use std::path::Path;

use bitcask::{Db, Options};
use bitcask_figures::{Figures, Kind, Outcome, Pairs, fresh_dir, median, write_all};

use super::{ROUNDS, rate};

pub(crate) const FIGURES: [&str; 2] = ["open_hints*_rate", "open_scan*_rate"];

/// A million pairs make seven of these.
const FILE_SIZE: u64 = 32 << 20;

pub(crate) fn measure(figures: &Figures, pairs: &Pairs, kind: &Kind) -> Outcome {
    let dir = fresh_dir("opening")?;
    let db = Db::open(&dir, &kind.options().max_file_size(FILE_SIZE))?;
    write_all(&db, pairs)?;
    db.close()?;
    let options = kind.options().max_file_size(FILE_SIZE);
    let hints = open(&dir, pairs, &options, |db| db.open_report().scanned_records == 0)?;
    figures.tell(&kind.of("open_hints*_rate"), hints, "keys/s");
    if figures.wants(&kind.of("open_scan*_rate")) {
        // Read-only, because a store that is opened for writing makes the missing hints when it is closed.
        remove_hints(&dir)?;
        let scan = open(&dir, pairs, &options.read_only(true), |db| db.open_report().hint_records == 0)?;
        figures.tell(&kind.of("open_scan*_rate"), scan, "keys/s");
    }
    Ok(std::fs::remove_dir_all(&dir)?)
}

fn remove_hints(dir: &Path) -> Outcome {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "hint") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The rate of opening, and a check that it went the way that is measured.
fn open(dir: &Path, pairs: &Pairs, options: &Options, as_meant: impl Fn(&Db) -> bool) -> Outcome<f64> {
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        // Closing saves the index, which would spare what is measured here.
        match std::fs::remove_file(dir.join("index.checkpoint")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut db = None;
        rates.push(rate(pairs.len(), || {
            db = Some(Db::open(dir, options)?);
            Ok(())
        })?);
        let db = db.ok_or("not opened")?;
        if !as_meant(&db) || db.len()? != pairs.len() as u64 {
            return Err(format!("opened otherwise than meant: {:?}", db.open_report()).into());
        }
        db.close()?;
    }
    Ok(median(rates))
}
