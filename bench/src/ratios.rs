//! Ours against the best peer of the same run, under names that stay; and what is aimed at.

use crate::engine;
use crate::results::{Comparison, Row, Unit};

/// Rows with the stem of their ratios' names. A name is the stem and the index kind; the stem alone is the default kind.
const STEMS: &[(&str, &str)] = &[
    ("bulk load", "bulk_ratio"),
    ("single durable writes", "single_sync_ratio"),
    ("durable batches of 1000", "batch_sync_ratio"),
    ("single writes, no sync", "nosync_ratio"),
    ("random reads", "read_ratio"),
    ("ranges of 10", "range_ratio"),
    ("random reads, 4 threads", "read_ratio_4_threads"),
    ("random reads, 8 threads", "read_ratio_8_threads"),
    ("random reads, 16 threads", "read_ratio_16_threads"),
    ("random reads, 32 threads", "read_ratio_32_threads"),
    ("removals", "remove_ratio"),
    ("retain", "retain_ratio"),
    ("extract_if", "extract_ratio"),
    ("pop", "pop_ratio"),
    ("uncompacted size", "size_ratio"),
    ("compaction", "compact_ratio"),
    ("compacted size", "compacted_size_ratio"),
    ("sorted load", "sorted_ratio"),
    ("iteration, random load", "iterate_random_ratio"),
    ("iteration, sorted load", "iterate_ratio"),
    ("transactions", "transaction_ratio"),
    ("open, clean, to the first get", "open_ratio"),
    ("memory of the process", "memory_ratio"),
    ("put, no sync", "put_ratio"),
    ("get", "get_ratio"),
    ("get, into a buffer", "get_into_ratio"),
    ("get, by itself", "get_alone_ratio"),
    ("get, 1000 keys a call", "get_many_ratio"),
    ("get, 4 threads", "get_ratio_4_threads"),
    ("get, 4 goroutines", "get_ratio_4_goroutines"),
    ("range of 10", "short_range_ratio"),
    ("iteration", "walk_ratio"),
    ("range of 10, compacted", "short_range_compacted_ratio"),
    ("iteration, compacted", "walk_compacted_ratio"),
    ("YCSB A", "ycsb_a_ratio"),
    ("YCSB B", "ycsb_b_ratio"),
    ("YCSB C", "ycsb_c_ratio"),
    ("YCSB D", "ycsb_d_ratio"),
    ("YCSB E", "ycsb_e_ratio"),
    ("YCSB F", "ycsb_f_ratio"),
];

/// What is aimed at, by the ratio's name.
pub const AIMS: &[(&str, f64)] = &[
    ("read_ratio_btree", 2.0),
    ("read_ratio_art", 2.0),
    ("read_ratio_hash", 4.0),
    ("range_ratio", 1.5),
    ("read_ratio_threads", 2.0),
    ("bulk_ratio", 4.0),
    ("single_sync_ratio", 1.2),
    ("batch_sync_ratio", 2.0),
    ("nosync_ratio", 6.0),
    ("remove_ratio", 5.0),
    ("retain_ratio", 1.0),
    ("extract_ratio", 1.0),
    ("pop_ratio", 1.0),
    ("sorted_ratio", 1.0),
    ("iterate_ratio", 1.0),
    ("compact_ratio", 1.0),
    ("transaction_ratio", 2.0),
    ("ycsb_a_ratio", 1.5),
    ("ycsb_b_ratio", 1.5),
    ("ycsb_c_ratio", 1.5),
    ("ycsb_d_ratio", 1.5),
    ("ycsb_e_ratio", 1.5),
    ("ycsb_f_ratio", 1.5),
];

/// The stem of a row's ratios.
#[must_use]
pub fn stem(row: &str) -> Option<&'static str> {
    STEMS.iter().find(|(name, _)| *name == row).map(|(_, stem)| *stem)
}

/// What is aimed at with one of our subjects in a row.
#[must_use]
pub fn aim(row: &str, id: &str) -> Option<f64> {
    let stem = stem(row)?;
    let find = |name: &str| AIMS.iter().find(|(aim, _)| *aim == name).map(|(_, aim)| *aim);
    // Reads by several threads have one aim, for the best ordered kind; it is shown with the default one.
    let shared = if of_threads(stem) { "read_ratio_threads" } else { stem };
    find(&format!("{stem}_{}", kind(id))).or_else(|| if id == engine::DEFAULT { find(shared) } else { None })
}

/// Whether a row counts for the ratio of reads by several threads.
fn of_threads(stem: &str) -> bool {
    stem.starts_with("read_ratio_")
}

/// Fills in the ratios of a comparison of stores.
pub fn fill(comparison: &mut Comparison) {
    let mut ratios = std::mem::take(&mut comparison.ratios);
    let mut threads = Vec::new();
    for row in &comparison.rows {
        let Some(stem) = stem(&row.row) else { continue };
        for subject in comparison.subjects.iter().filter(|subject| subject.ours) {
            let Some(ratio) = of(comparison, row, &subject.id) else { continue };
            ratios.insert(format!("{stem}_{}", kind(&subject.id)), ratio);
            if subject.id == engine::DEFAULT {
                ratios.insert(stem.to_owned(), ratio);
            }
        }
        if of_threads(stem) {
            threads.push(best_ordered(comparison, row));
        }
    }
    // The worst over the numbers of threads.
    if let Some(worst) = threads.into_iter().collect::<Option<Vec<f64>>>().and_then(|t| t.into_iter().reduce(f64::min))
    {
        ratios.insert("read_ratio_threads".into(), worst);
    }
    comparison.ratios = ratios;
}

/// One of ours against the best peer of a row; none where the row compares a store with itself.
#[must_use]
pub fn of(comparison: &Comparison, row: &Row, id: &str) -> Option<f64> {
    if row.unit == Unit::Times {
        return None;
    }
    let ours = row.cells.get(id)?.median?;
    let (_, peer) = row.best(|id| comparison.subject(id).is_some_and(|subject| !subject.ours))?;
    Some(row.ratio(ours, peer))
}

fn best_ordered(comparison: &Comparison, row: &Row) -> Option<f64> {
    let ours = comparison.subjects.iter().filter(|subject| subject.ours && subject.ordered);
    ours.filter_map(|subject| of(comparison, row, &subject.id)).reduce(f64::max)
}

/// The index kind of one of our ids.
fn kind(id: &str) -> &str {
    id.split_once(':').map_or(id, |(_, kind)| kind)
}
