//! Dots on a line for each row: where each subject is. Ours are full dots, the others rings. Scales are logarithmic.

use super::canvas::{self, Align, Canvas, FAINT, GRID, INK, Log};
use super::ratio_bars::count;
use super::text;
use crate::Result;
use crate::index;
use crate::results::{Comparison, Row, Subject, Unit};

const WIDTH: i32 = 860;
const TOP: i32 = 84;
const LINE: i32 = 22;

/// A block of rows with an axis of their own.
struct Panel<'a> {
    title: String,
    unit: Unit,
    rows: Vec<(String, &'a Row)>,
}

/// Rates of all phases.
pub(super) fn engines(comparison: &Comparison) -> Result<String> {
    let rates = comparison.rows.iter().filter(|row| row.unit.more_is_better());
    let rows = rates.map(|row| (text::label(row), row)).collect();
    let sizes =
        comparison.rows.iter().filter(|row| row.unit == Unit::Bytes).map(|row| (row.row.clone(), row)).collect();
    let times =
        comparison.rows.iter().filter(|row| row.unit == Unit::Nanos).map(|row| (row.row.clone(), row)).collect();
    let panels = [
        Panel { title: "a second (more is better)".into(), unit: Unit::Keys, rows },
        Panel { title: "time (less is better)".into(), unit: Unit::Nanos, rows: times },
        Panel { title: "bytes (less is better)".into(), unit: Unit::Bytes, rows: sizes },
    ];
    let about = format!("{} pairs of 24 + 150 bytes, {}", count(comparison.keys), text::rounds(comparison.rounds));
    draw(comparison, "libbitcask beside its peers", &about, &panels)
}

/// Times and bytes of the index kinds, a panel for each row and a line for each set of keys.
pub(super) fn index(comparison: &Comparison) -> Result<String> {
    let panel = |name: &str, title: &str, unit| {
        let row = |set: &str| Some((set.to_owned(), comparison.row(&index::row_name(name, set))?));
        Panel { title: title.into(), unit, rows: index::SETS.iter().filter_map(|set| row(set.name)).collect() }
    };
    let panels = [
        panel("get", "get", Unit::Nanos),
        panel("insert", "insert", Unit::Nanos),
        panel("bytes a key", "bytes a key", Unit::Bytes),
        panel("scan", "scan, a key", Unit::Nanos),
    ];
    let about = format!("{} keys, {}; less is better", count(comparison.keys), text::rounds(comparison.rounds));
    draw(comparison, "The indexes alone beside other maps", &about, &panels)
}

/// Rates and high latencies of the YCSB workloads.
pub(super) fn ycsb(comparison: &Comparison) -> Result<String> {
    let rows = |ending: &str| {
        let name = |workload: &str| format!("YCSB {workload}{ending}");
        let row = |workload: &str| Some((workload.to_owned(), comparison.row(&name(workload))?));
        ["A", "B", "C", "D", "E", "F"].iter().filter_map(|workload| row(workload)).collect()
    };
    let panels = [
        Panel { title: "operations a second (more is better)".into(), unit: Unit::Operations, rows: rows("") },
        Panel { title: "median latency".into(), unit: Unit::Nanos, rows: rows(" p50") },
        Panel { title: "latency that 0.1 % exceed".into(), unit: Unit::Nanos, rows: rows(" p99.9") },
    ];
    let about = format!(
        "{} records of 1 KB, one thread, no syncs, {}",
        count(comparison.keys),
        text::rounds(comparison.rounds)
    );
    draw(comparison, "YCSB A to F", &about, &panels)
}

fn draw(comparison: &Comparison, title: &str, about: &str, panels: &[Panel<'_>]) -> Result<String> {
    let panels: Vec<_> = panels.iter().filter(|panel| !panel.rows.is_empty()).collect();
    let of_panel = |panel: &Panel<'_>| panel.rows.len() as i32 * LINE + 62;
    let height = TOP + panels.iter().map(|panel| of_panel(panel)).sum::<i32>();
    let longest =
        panels.iter().flat_map(|panel| &panel.rows).map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let left = 30 + longest as i32 * 62 / 10;
    canvas::svg(WIDTH, height, |canvas| {
        canvas.text((16, 22), title, 17, INK, Align::Left)?;
        canvas.text((16, 42), about, 12, FAINT, Align::Left)?;
        let mut x = 16;
        for (n, subject) in comparison.subjects.iter().enumerate() {
            let (colour, _) = look(&comparison.subjects, n);
            canvas.dot((x + 5, 63), 5, colour, subject.ours)?;
            canvas.text((x + 16, 63), &subject.name, 12, INK, Align::Left)?;
            x += 36 + 7 * subject.name.len() as i32;
        }
        let mut top = TOP;
        for panel in &panels {
            draw_panel(canvas, comparison, panel, top, left)?;
            top += of_panel(panel);
        }
        Ok(())
    })
}

fn draw_panel(canvas: &Canvas<'_>, comparison: &Comparison, panel: &Panel<'_>, top: i32, left: i32) -> Result<()> {
    let all = || {
        panel.rows.iter().flat_map(|(_, row)| row.cells.values().filter_map(|cell| cell.median)).filter(|v| *v > 0.0)
    };
    let (low, high) = (all().fold(f64::INFINITY, f64::min) * 0.8, all().fold(0.0, f64::max) * 1.25);
    if !low.is_finite() {
        return Ok(());
    }
    let axis = Log::new((low, high), (left, WIDTH - 30));
    canvas.text((left, top + 8), &panel.title, 12, FAINT, Align::Left)?;
    let (first, bottom) = (top + 22, top + 24 + panel.rows.len() as i32 * LINE);
    let ticks = if panel.unit == Unit::Bytes { axis.binary_ticks() } else { axis.ticks() };
    for tick in ticks {
        let x = axis.at(tick);
        canvas.line((x, first), (x, bottom), GRID, 1)?;
        let label = text::value(panel.unit, tick).replace(".00", "").replace(".0", "");
        canvas.text((x, bottom + 10), &label, 11, FAINT, Align::Middle)?;
    }
    for (i, (label, row)) in panel.rows.iter().enumerate() {
        let y = first + LINE / 2 + i as i32 * LINE;
        canvas.text((left - 12, y), label, 12, INK, Align::Right)?;
        canvas.line((left, y), (WIDTH - 30, y), GRID, 1)?;
        // Ours last, so that nothing hides them.
        for n in (0..comparison.subjects.len()).rev() {
            let (colour, ours) = look(&comparison.subjects, n);
            let median = row.cells.get(&comparison.subjects[n].id).and_then(|cell| cell.median);
            if let Some(value) = median.filter(|value| *value > 0.0) {
                canvas.dot((axis.at(value), y), if ours { 6 } else { 5 }, colour, ours)?;
            }
        }
    }
    Ok(())
}

/// Colour of the n-th subject, and whether it is ours.
fn look(subjects: &[Subject], n: usize) -> (plotters::style::RGBColor, bool) {
    let ours = subjects[n].ours;
    let before = subjects[..n].iter().filter(|subject| subject.ours == ours).count();
    (canvas::colour(ours, before), ours)
}
