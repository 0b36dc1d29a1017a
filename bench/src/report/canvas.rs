//! A drawing surface for plots that can be read on a light page and on a dark one: no background, and inks that a style
//! sheet within the drawing changes where the reader prefers dark. The colours of series are of middle lightness.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Result;

/// Text.
pub(super) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
/// Text of less weight.
pub(super) const FAINT: RGBColor = RGBColor(0x59, 0x63, 0x6e);
/// Lines of a grid.
pub(super) const GRID: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);

const DARK: &str = "<style>@media (prefers-color-scheme: dark) {\
 [fill=\"#1F2328\"] { fill: #f0f6fc } [fill=\"#59636E\"] { fill: #9198a1 }\
 [stroke=\"#1F2328\"] { stroke: #f0f6fc } [stroke=\"#D1D9E0\"] { stroke: #3d444d } }</style>";

/// Colours of subjects, ours and others. Told apart by lightness too.
const OURS: [RGBColor; 5] = [
    RGBColor(0x1f, 0x6f, 0xeb),
    RGBColor(0x0a, 0xa5, 0xb5),
    RGBColor(0x7b, 0x61, 0xff),
    RGBColor(0x2d, 0xa4, 0x4e),
    RGBColor(0x54, 0xae, 0xff),
];
const OTHERS: [RGBColor; 6] = [
    RGBColor(0xd1, 0x24, 0x2f),
    RGBColor(0xe1, 0x6f, 0x24),
    RGBColor(0xbf, 0x87, 0x00),
    RGBColor(0xc2, 0x55, 0xa5),
    RGBColor(0x8c, 0x6d, 0x57),
    RGBColor(0x80, 0x88, 0x92),
];

/// The colour of the n-th of ours or of the others.
pub(super) fn colour(ours: bool, n: usize) -> RGBColor {
    if ours { OURS[n % OURS.len()] } else { OTHERS[n % OTHERS.len()] }
}

/// Which end of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Middle,
    Right,
}

/// A surface of some size, in pixels.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws, and gives the SVG.
pub(super) fn svg(width: i32, height: i32, draw: impl FnOnce(&Canvas<'_>) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width as u32, height as u32)).into_drawing_area();
        let canvas = Canvas { area };
        draw(&canvas)?;
        canvas.area.present().map_err(told)?;
    }
    let Some(head) = svg.find("<svg").and_then(|start| Some(start + svg[start..].find('>')? + 1)) else {
        return Err("the plotting library gave no SVG".into());
    };
    svg.insert_str(head, DARK);
    Ok(svg)
}

impl Canvas<'_> {
    pub(super) fn text(&self, at: (i32, i32), text: &str, size: i32, colour: RGBColor, align: Align) -> Result<()> {
        let across = match align {
            Align::Left => HPos::Left,
            Align::Middle => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = ("sans-serif", size).into_font().color(&colour).pos(Pos::new(across, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), at, style)).map_err(told)
    }

    pub(super) fn bar(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Result<()> {
        self.area.draw(&Rectangle::new([from, to], colour.filled())).map_err(told)
    }

    pub(super) fn line(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor, width: u32) -> Result<()> {
        self.area.draw(&PathElement::new([from, to], colour.stroke_width(width))).map_err(told)
    }

    /// A full dot, or a ring.
    pub(super) fn dot(&self, at: (i32, i32), radius: i32, colour: RGBColor, full: bool) -> Result<()> {
        let style = if full { colour.filled() } else { colour.stroke_width(2) };
        self.area.draw(&Circle::new(at, radius, style)).map_err(told)
    }
}

fn told(error: impl std::fmt::Display) -> Box<dyn std::error::Error + Send + Sync> {
    format!("drawing failed: {error}").into()
}

/// A logarithmic axis over a stretch of pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log {
    low: f64,
    high: f64,
    from: i32,
    to: i32,
}

impl Log {
    pub(super) fn new((low, high): (f64, f64), (from, to): (i32, i32)) -> Log {
        Log { low, high, from, to }
    }

    pub(super) fn at(&self, value: f64) -> i32 {
        let share = (value.clamp(self.low, self.high) / self.low).ln() / (self.high / self.low).ln();
        self.from + (share * f64::from(self.to - self.from)).round() as i32
    }

    /// Where lines of the grid go: 1, 2, 5 of each power of ten, or fewer where they would stand too close.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let steps: &[f64] = match f64::from(self.to - self.from) / decades {
            pixels if pixels > 150.0 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        all.filter(|tick| (self.low * 0.999..=self.high * 1.001).contains(tick)).collect()
    }

    /// The same for bytes: powers of two.
    pub(super) fn binary_ticks(&self) -> Vec<f64> {
        let doublings = (self.high / self.low).log2();
        let step = (70.0 * doublings / f64::from(self.to - self.from)).ceil().max(1.0) as usize;
        let powers = self.low.log2().ceil() as i32..=self.high.log2().floor() as i32;
        powers.step_by(step).map(|power| 2f64.powi(power)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_puts_equal_factors_at_equal_distances() {
        let axis = Log::new((1.0, 100.0), (0, 400));
        assert_eq!((axis.at(1.0), axis.at(10.0), axis.at(100.0), axis.at(1e9)), (0, 200, 400, 400));
        assert_eq!(axis.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(axis.binary_ticks(), [1.0, 4.0, 16.0, 64.0]);
    }

    #[test]
    fn drawings_change_their_inks_in_the_dark() {
        let svg = svg(100, 50, |canvas| {
            canvas.text((10, 10), "x", 12, INK, Align::Left)?;
            canvas.text((10, 10), "x", 12, FAINT, Align::Left)?;
            canvas.line((0, 0), (9, 9), INK, 1)?;
            canvas.line((0, 0), (9, 9), GRID, 1)
        })
        .unwrap();
        let body = svg.split("</style>").nth(1).unwrap();
        for ink in ["fill=\"#1F2328\"", "fill=\"#59636E\"", "stroke=\"#1F2328\"", "stroke=\"#D1D9E0\""] {
            assert!(body.contains(ink), "{ink} is not in {body}");
        }
    }
}
