//! A bar for each of ours in each row: right of the middle where it beats the best peer, left where it loses. A tick
//! shows what is aimed at.

use super::canvas::{self, Align, Canvas, FAINT, GRID, INK, Log};
use super::text;
use crate::Result;
use crate::ratios;
use crate::results::{Comparison, Row};

const WIDTH: i32 = 860;
const LEFT: i32 = 220;
/// The axis ends here; bars that would go on are cut, and their number tells. A number has room left of it.
const LEAST: f64 = 0.02;
const ROOM: i32 = 48;
const RIGHT: i32 = WIDTH - 70;
const TOP: i32 = 84;
const BAR: i32 = 11;
const GAP: i32 = 12;

pub(super) fn draw(comparison: &Comparison, title: &str, aim: impl Fn(&Row, &str) -> Option<f64>) -> Result<String> {
    let ours: Vec<_> = comparison.subjects.iter().filter(|subject| subject.ours).collect();
    let rows: Vec<(&Row, Vec<Option<f64>>)> = comparison
        .rows
        .iter()
        .filter(|row| ratios::stem(&row.row).is_some())
        .map(|row| (row, ours.iter().map(|subject| ratios::of(comparison, row, &subject.id)).collect::<Vec<_>>()))
        .filter(|(_, bars)| bars.iter().any(Option::is_some))
        .collect();
    let of_row = |bars: &[Option<f64>]| bars.iter().filter(|bar| bar.is_some()).count() as i32 * BAR + GAP;
    let height = TOP + rows.iter().map(|(_, bars)| of_row(bars)).sum::<i32>() + 30;

    let all = || rows.iter().flat_map(|(_, bars)| bars.iter().flatten().copied());
    let (low, high) = (all().fold(0.4, f64::min).max(LEAST) * 0.9, all().fold(8.0, f64::max) * 1.1);
    let axis = Log::new((low, high), (LEFT + ROOM, RIGHT));
    canvas::svg(WIDTH, height, |canvas| {
        canvas.text((16, 22), title, 17, INK, Align::Left)?;
        let about = format!(
            "{} pairs of 24 + 150 bytes, {}; the upright tick is the aim",
            count(comparison.keys),
            text::rounds(comparison.rounds)
        );
        canvas.text((16, 42), &about, 12, FAINT, Align::Left)?;
        let mut x = 16;
        for (n, subject) in ours.iter().enumerate() {
            canvas.bar((x, 57), (x + 11, 68), canvas::colour(true, n))?;
            canvas.text((x + 17, 63), &subject.name, 12, INK, Align::Left)?;
            x += 40 + 7 * subject.name.len() as i32;
        }
        grid(canvas, &axis, height - 24)?;
        let mut y = TOP;
        for (row, bars) in &rows {
            let middle = y + of_row(bars) / 2 - GAP / 2;
            canvas.text((LEFT - 10, middle), &row.row, 12, INK, Align::Right)?;
            for (n, (subject, bar)) in ours.iter().zip(bars).enumerate() {
                let Some(ratio) = *bar else { continue };
                let (from, to) = (axis.at(1.0).min(axis.at(ratio)), axis.at(1.0).max(axis.at(ratio)));
                canvas.bar((from, y + 1), (to, y + BAR - 1), canvas::colour(true, n))?;
                let (at, align) = if ratio < 1.0 { (from - 5, Align::Right) } else { (to + 5, Align::Left) };
                let mut at = at;
                if let Some(aim) = aim(row, &subject.id) {
                    let aim = axis.at(aim);
                    canvas.line((aim, y - 2), (aim, y + BAR + 2), INK, 2)?;
                    // The number makes way for the tick.
                    if ratio >= 1.0 && (at - 4..at + 34).contains(&aim) {
                        at = aim + 6;
                    }
                }
                canvas.text(
                    (at, y + BAR / 2),
                    &text::ratio(ratio),
                    11,
                    if ratio < 1.0 { INK } else { FAINT },
                    align,
                )?;
                y += BAR;
            }
            y += GAP;
        }
        Ok(())
    })
}

fn grid(canvas: &Canvas<'_>, axis: &Log, bottom: i32) -> Result<()> {
    for tick in axis.ticks() {
        let x = axis.at(tick);
        let one = (tick - 1.0).abs() < 1e-9;
        canvas.line((x, TOP - 6), (x, bottom), if one { INK } else { GRID }, 1)?;
        canvas.text((x, bottom + 11), &format!("{tick} ×"), 11, FAINT, Align::Middle)?;
    }
    Ok(())
}

/// A number of pairs as `5 M` or `100 K`.
pub(super) fn count(keys: u64) -> String {
    match keys {
        n if n.is_multiple_of(1_000_000) => format!("{} M", n / 1_000_000),
        n if n.is_multiple_of(1000) => format!("{} K", n / 1000),
        n => n.to_string(),
    }
}
