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
use crate::languages::{LANGUAGES, Language};
use crate::ratios;
use crate::results::Comparison;

/// What a report is made of.
#[derive(Debug, Default)]
struct Kept {
    engines: Option<Comparison>,
    index: Option<Comparison>,
    ycsb: Option<Comparison>,
    languages: Vec<(Language, Comparison)>,
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
    let mut kept = Kept {
        engines: load(&args.out.join("engines.json"))?,
        index: load(&args.out.join("index.json"))?,
        ycsb: load(&args.out.join("ycsb.json"))?,
        languages: Vec::new(),
    };
    for language in LANGUAGES {
        let comparison = load(&args.out.join(format!("{}.json", language.id)))?;
        kept.languages.extend(comparison.map(|comparison| (language, comparison)));
    }
    let nothing = kept.engines.is_none() && kept.index.is_none() && kept.ycsb.is_none() && kept.languages.is_empty();
    if nothing {
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
fn drawings(kept: &Kept) -> Result<Vec<(String, String)>> {
    let mut drawings = Vec::new();
    if let Some(engines) = &kept.engines {
        let title = "libbitcask against the best peer of the same run";
        let bars = ratio_bars::draw(engines, title, |row, id| ratios::aim(&row.row, id))?;
        drawings.push(("ratios.svg".into(), bars));
        drawings.push(("throughput.svg".into(), dots::engines(engines)?));
    }
    if let Some(index) = &kept.index {
        drawings.push(("index.svg".into(), dots::index(index)?));
    }
    if let Some(ycsb) = &kept.ycsb {
        drawings.push(("ycsb.svg".into(), dots::ycsb(ycsb)?));
    }
    for (language, comparison) in &kept.languages {
        let title = format!("libbitcask from {} against the best peer of the same run", language.name);
        let bars = ratio_bars::draw(comparison, &title, |row, id| language.aim(comparison, row, id))?;
        drawings.push((format!("{}.svg", language.id), bars));
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
