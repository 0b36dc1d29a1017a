//! Writing without syncs, reading and scanning what was written, closing, and the room on disk.

use std::path::PathBuf;
use std::time::Instant;

use bitcask::{Db, EntryPage, IterOptions};
use bitcask_figures::{Figures, Kind, Outcome, Pairs, VALUE_LEN, disk_bytes, fresh_dir, median, write_all};

use super::{ROUNDS, median_rate, rate};

pub(crate) const FIGURES: [&str; 8] = [
    "put_nosync*_rate",
    "get_{}_rate",
    "get_{}_lent_rate",
    "scan_{}_rate",
    "scan_{}_keys_rate",
    "close*_time",
    "disk*_bytes_per_pair",
    "disk*_allocated_per_pair",
];

/// Each round writes a store anew; the last one is read, too.
pub(crate) fn measure(figures: &Figures, pairs: &Pairs, kind: &Kind) -> Outcome {
    let (mut puts, mut closes, mut dir) = (Vec::new(), Vec::new(), PathBuf::new());
    for round in 1..=ROUNDS {
        dir = fresh_dir("speed")?;
        let db = Db::open(&dir, &kind.options())?;
        puts.push(rate(pairs.len(), || Ok(write_all(&db, pairs)?))?);
        if round == ROUNDS {
            figures.tell(&kind.of("put_nosync*_rate"), median(puts.clone()), "keys/s");
            read(figures, &db, pairs, kind)?;
        }
        let start = Instant::now();
        db.close()?;
        closes.push(start.elapsed().as_secs_f64() * 1e3);
    }
    figures.tell(&kind.of("close*_time"), median(closes), "ms");
    let (bytes, allocated) = disk_bytes(&dir)?;
    figures.tell(&kind.of("disk*_bytes_per_pair"), bytes as f64 / pairs.len() as f64, "bytes");
    figures.tell(&kind.of("disk*_allocated_per_pair"), allocated as f64 / pairs.len() as f64, "bytes");
    Ok(std::fs::remove_dir_all(&dir)?)
}

fn read(figures: &Figures, db: &Db, pairs: &Pairs, kind: &Kind) -> Outcome {
    let tell = |name: &str, run: &dyn Fn() -> Outcome| -> Outcome {
        let name = kind.of(name);
        if figures.wants(&name) {
            figures.tell(&name, median_rate(pairs.len(), run)?, "keys/s");
        }
        Ok(())
    };
    tell("get_{}_rate", &|| {
        let mut buf = [0; VALUE_LEN];
        for key in pairs.shuffled() {
            if db.get_into(key, &mut buf)? != Some(VALUE_LEN) {
                return Err("a key is missing".into());
            }
        }
        Ok(())
    })?;
    tell("get_{}_lent_rate", &|| {
        for key in pairs.shuffled() {
            if db.get(key)?.is_none_or(|value| value.len() != VALUE_LEN) {
                return Err("a key is missing".into());
            }
        }
        Ok(())
    })?;
    tell("scan_{}_rate", &|| scan(db, &IterOptions::new(), pairs.len()))?;
    tell("scan_{}_keys_rate", &|| scan(db, &IterOptions::new().keys_only(true), pairs.len()))
}

fn scan(db: &Db, options: &IterOptions, expected: usize) -> Outcome {
    let (mut iter, mut page, mut seen) = (db.iter(options)?, EntryPage::new(), 0);
    loop {
        iter.next_page(&mut page, 1024, 256 << 10)?;
        if page.is_empty() {
            break;
        }
        seen += page.len();
    }
    if seen == expected { Ok(()) } else { Err(format!("a scan saw {seen} records of {expected}").into()) }
}
