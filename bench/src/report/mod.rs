//! What is shown of a comparison: a table on the terminal, and the documentation's page with its plots.

mod canvas;
mod dots;
mod markdown;
mod ratio_bars;
mod text;

use std::fs;
use std::path::Path;

use crate::Result;
use crate::cli::Args;
use crate::results::Comparison;

/// The three that a report is made of.
#[derive(Debug, Default)]
struct Kept {
    engines: Option<Comparison>,
    index: Option<Comparison>,
    ycsb: Option<Comparison>,
}

/// The table for a terminal.
#[must_use]
pub fn terminal(comparison: &Comparison) -> String {
    text::table(comparison)
}

/// Writes `BENCHMARKS.md` and its plots from the results that are kept; tells what was written.
///
/// # Errors
/// If there are no results, or they can't be read, or a file can't be written.
pub fn write(args: &Args) -> Result<String> {
    let kept = Kept {
        engines: load(&args.out.join("engines.json"))?,
        index: load(&args.out.join("index.json"))?,
        ycsb: load(&args.out.join("ycsb.json"))?,
    };
    if kept.engines.is_none() && kept.index.is_none() && kept.ycsb.is_none() {
        return Err(format!("no results in {}; `make bench` measures", args.out.display()).into());
    }
    let plots = args.docs.join("benchmarks");
    fs::create_dir_all(&plots)?;
    let mut written = Vec::new();
    for (name, svg) in drawings(&kept)? {
        let path = plots.join(name);
        fs::write(&path, svg)?;
        written.push(path);
    }
    let page = args.docs.join("BENCHMARKS.md");
    fs::write(&page, markdown::page(&kept))?;
    written.push(page);
    Ok(written.iter().map(|path| format!("wrote {}", path.display())).collect::<Vec<_>>().join("\n"))
}

/// All plots, with the names of their files.
fn drawings(kept: &Kept) -> Result<Vec<(&'static str, String)>> {
    let mut drawings = Vec::new();
    if let Some(engines) = &kept.engines {
        drawings.push(("ratios.svg", ratio_bars::draw(engines, "libbitcask against the best peer of the same run")?));
        drawings.push(("throughput.svg", dots::engines(engines)?));
    }
    if let Some(index) = &kept.index {
        drawings.push(("index.svg", dots::index(index)?));
    }
    if let Some(ycsb) = &kept.ycsb {
        drawings.push(("ycsb.svg", dots::ycsb(ycsb)?));
    }
    Ok(drawings)
}

fn load(path: &Path) -> Result<Option<Comparison>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}
