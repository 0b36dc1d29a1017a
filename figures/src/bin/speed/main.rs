//! Rates of one thread on 24-byte keys with 150-byte values, page cache warm, and of group commit. Medians of three.
//!
//! `cargo run --release -p bitcask-figures --bin speed -- [--keys N] [NAME...]`

mod group_commit;
mod merged_scan;
mod merging;
mod opening;
mod single_sync;
mod single_thread;

use std::cell::LazyCell;
use std::time::Instant;

use bitcask::IndexKind;
use bitcask_figures::{Figures, KINDS, Outcome, Pairs, median};

const ROUNDS: usize = 3;

fn main() -> Outcome {
    let figures = Figures::from_args("speed")?;
    let pairs = LazyCell::new(|| Pairs::new(figures.keys()));
    for kind in &KINDS {
        if figures.want_any(kind, &single_thread::FIGURES) {
            single_thread::measure(&figures, &pairs, kind)?;
        }
        if figures.want_any(kind, &opening::FIGURES) {
            opening::measure(&figures, &pairs, kind)?;
        }
        if kind.index == IndexKind::BTree && figures.want_any(kind, &merged_scan::FIGURES) {
            merged_scan::measure(&figures, &pairs, kind)?;
        }
        if figures.want_any(kind, &merging::FIGURES) {
            merging::measure(&figures, &pairs, kind)?;
        }
    }
    if let Some(share) = waited_for_processor() {
        figures.tell("waited_for_processor", share * 100.0, "%");
    }
    single_sync::measure(&figures)?;
    group_commit::measure(&figures)
}

/// Which part of the time that this thread wanted to run it had to wait, because others ran. Rates are too low by about so much.
fn waited_for_processor() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let mut fields = text.split_whitespace().map_while(|field| field.parse::<f64>().ok());
    let (ran, waited) = (fields.next()?, fields.next()?);
    Some(waited / (ran + waited))
}

/// Keys a second of one run over so many.
fn rate(count: usize, run: impl FnOnce() -> Outcome) -> Outcome<f64> {
    let start = Instant::now();
    run()?;
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// The median of three.
fn median_rate(count: usize, mut run: impl FnMut() -> Outcome) -> Outcome<f64> {
    let rates: Outcome<Vec<f64>> = (0..ROUNDS).map(|_| rate(count, &mut run)).collect();
    Ok(median(rates?))
}
