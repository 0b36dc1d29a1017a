//! Numbers for people, and the table on the terminal.

use crate::ratios;
use crate::results::{Cell, Comparison, Row, Unit};

/// Three significant digits, with the unit that fits.
pub(super) fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Keys | Unit::Transactions | Unit::Scans | Unit::Operations => {
            scaled(value, 1000.0, &["", " K", " M", " G"])
        }
        Unit::Nanos => scaled(value, 1000.0, &[" ns", " µs", " ms", " s"]),
        Unit::Bytes => scaled(value, 1024.0, &[" B", " KiB", " MiB", " GiB"]),
        Unit::Count => scaled(value, f64::INFINITY, &[""]),
        Unit::Times => format!("{value:.2} ×"),
    }
}

fn scaled(value: f64, step: f64, suffixes: &[&str]) -> String {
    let mut scaled = value;
    let mut suffix = 0;
    while scaled >= step && suffix + 1 < suffixes.len() {
        scaled /= step;
        suffix += 1;
    }
    let digits = match scaled {
        s if s < 10.0 => 2,
        s if s < 100.0 => 1,
        _ => 0,
    };
    format!("{scaled:.digits$}{}", suffixes[suffix])
}

/// A ratio as `2.31 ×`.
pub(super) fn ratio(ratio: f64) -> String {
    match ratio {
        r if r < 0.001 => format!("{r:.5} ×"),
        r if r < 0.1 => format!("{r:.3} ×"),
        r => format!("{} ×", scaled(r, f64::INFINITY, &[""])),
    }
}

/// How many rounds the numbers are of.
pub(super) fn rounds(rounds: usize) -> String {
    if rounds == 1 { "one round".into() } else { format!("medians of {rounds} rounds") }
}

/// What rates of this unit count; empty where the numbers have their units with them.
pub(super) fn rate_of(unit: Unit) -> &'static str {
    match unit {
        Unit::Keys => "keys/s",
        Unit::Transactions => "writes/s",
        Unit::Scans => "ranges/s",
        Unit::Operations => "operations/s",
        Unit::Nanos | Unit::Bytes | Unit::Count | Unit::Times => "",
    }
}

/// Name of a row with its unit.
pub(super) fn label(row: &Row) -> String {
    match rate_of(row.unit) {
        "" => row.row.clone(),
        unit => format!("{} ({unit})", row.row),
    }
}

/// A cell; a dash where nothing was measured.
pub(super) fn cell(row: &Row, cell: Option<&Cell>) -> String {
    cell.and_then(|cell| cell.median).map_or_else(|| "-".into(), |median| value(row.unit, median))
}

/// A table with a column for each subject, and one for each of ours against the best peer.
pub(super) fn table(comparison: &Comparison) -> String {
    let mut lines = vec![header(comparison)];
    for row in &comparison.rows {
        let mut line = vec![label(row)];
        line.extend(comparison.subjects.iter().map(|subject| cell(row, row.cells.get(&subject.id))));
        line.extend(
            comparison
                .subjects
                .iter()
                .filter(|subject| subject.ours)
                .map(|subject| ratios::of(comparison, row, &subject.id).map_or_else(|| "-".into(), ratio)),
        );
        lines.push(line);
    }
    let columns = lines[0].len();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate();
        let cells =
            cells.map(|(i, (cell, &width))| if i == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text += "\n";
    }
    text + "\nThe last columns: ours against the best of the others, above 1 if ours is better.\n"
}

fn header(comparison: &Comparison) -> Vec<String> {
    let mut header = vec![rounds(comparison.rounds)];
    header.extend(comparison.subjects.iter().map(|subject| subject.name.clone()));
    let ours = comparison.subjects.iter().filter(|subject| subject.ours);
    header.extend(ours.map(|subject| subject.name.trim_start_matches("bitcask ").to_owned() + " / best"));
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_their_unit() {
        assert_eq!(value(Unit::Keys, 788_000.0), "788 K");
        assert_eq!(value(Unit::Keys, 1_554_000.0), "1.55 M");
        assert_eq!(value(Unit::Nanos, 81_000.0), "81.0 µs");
        assert_eq!(value(Unit::Bytes, 1.5 * 1024.0 * 1024.0 * 1024.0), "1.50 GiB");
        assert_eq!(value(Unit::Count, 1234.0), "1234");
        assert_eq!((ratio(0.5), ratio(0.004)), ("0.50 ×".into(), "0.004 ×".into()));
    }
}
