//! The documentation's page: every row, what won and what lost.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::ratio_bars::count;
use super::{Kept, text};
use crate::languages::{Language, Verdict};
use crate::results::{Comparison, Row};
use crate::{index, ratios};

/// Each line of a `String` written to can't fail.
macro_rules! line {
    ($text:expr) => { $text.push('\n') };
    ($text:expr, $($arg:tt)*) => {{ let _ = writeln!($text, $($arg)*); }};
}

pub(super) fn page(kept: &Kept) -> String {
    let mut text = String::from("# Benchmarks\n\n");
    line!(
        text,
        "This page and its plots are written by `make bench-report` from what `make bench` measured; a change by hand is lost"
    );
    line!(
        text,
        "with the next run. What is measured and how is in [bench/README.md](../bench/README.md). The best number of a row is bold. A ratio is"
    );
    line!(text, "libbitcask against the best peer of the same run: **win** above 1, **loss** below.");
    if let Some(engines) = &kept.engines {
        line!(text, "\n## Beside other stores\n");
        about(&mut text, engines, "pairs of 24 + 150 bytes");
        line!(text, "\n![Ratios](benchmarks/ratios.svg)\n");
        table(&mut text, engines, ratios::aim);
        losses(&mut text, engines);
        aims(&mut text, engines);
        line!(text, "\n![Throughput](benchmarks/throughput.svg)");
    }
    if let Some(index) = &kept.index {
        line!(text, "\n## The indexes alone\n");
        about(&mut text, index, "keys");
        line!(text, "\n![Indexes](benchmarks/index.svg)\n");
        table(&mut text, index, |_, _| None);
        index_aims(&mut text, index);
        losses(&mut text, index);
        if index.rows.iter().all(|row| !row.row.contains("cache misses")) {
            line!(text, "\nInstructions and cache misses are missing: this machine does not let a program count them.");
        }
    }
    if let Some(ycsb) = &kept.ycsb {
        line!(text, "\n## YCSB\n");
        about(&mut text, ycsb, "records of 1 KB");
        line!(text, "\n![YCSB](benchmarks/ycsb.svg)\n");
        table(&mut text, ycsb, ratios::aim);
        losses(&mut text, ycsb);
        aims(&mut text, ycsb);
    }
    for (language, comparison) in &kept.languages {
        line!(text, "\n## {}\n", language.name);
        about(&mut text, comparison, "pairs of 24 + 150 bytes");
        line!(text, "\n![{}](benchmarks/{}.svg)\n", language.name, language.id);
        table(&mut text, comparison, |_, _| None);
        losses(&mut text, comparison);
        language_aims(&mut text, *language, comparison);
    }
    text
}

/// When, where, what, by which command.
fn about(text: &mut String, comparison: &Comparison, what: &str) {
    let machine = &comparison.machine;
    line!(text, "| | |");
    line!(text, "|---|---|");
    line!(text, "| command | `{}` |", comparison.command);
    line!(text, "| date | {} |", comparison.date);
    line!(text, "| size | {} {what}, {} |", count(comparison.keys), text::rounds(comparison.rounds));
    let memory = machine.memory as f64 / f64::from(1 << 30);
    line!(
        text,
        "| machine | {}, {} cores, {memory:.0} GiB, {}, {} |",
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.filesystem
    );
    line!(text, "| load before | {:.2} |", machine.load_before);
    line!(text, "| compiler | {} |", machine.rustc);
    if let Some(runtime) = &comparison.runtime {
        line!(text, "| called from | {runtime} |");
    }
    // Several of ours are one package.
    let mut versions: Vec<String> = Vec::new();
    for subject in &comparison.subjects {
        let name = subject.name.split(' ').next().unwrap_or_default();
        let name = if subject.ours { "libbitcask" } else { name };
        let version = format!("{name} {}", subject.version);
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    line!(text, "| versions | {} |", versions.join(", "));
    if !comparison.left_out.is_empty() {
        line!(text, "| left out | {} |", comparison.left_out.join(", "));
    }
}

fn table(text: &mut String, comparison: &Comparison, aim: impl Fn(&str, &str) -> Option<f64>) {
    let ours: Vec<_> = comparison.subjects.iter().filter(|subject| subject.ours).collect();
    let with_aims = comparison.rows.iter().any(|row| ours.iter().any(|subject| aim(&row.row, &subject.id).is_some()));
    let mut header: Vec<String> = vec![String::new()];
    header.extend(comparison.subjects.iter().map(|subject| subject.name.clone()));
    header.extend(ours.iter().map(|subject| format!("{} / best peer", subject.name.trim_start_matches("bitcask "))));
    if with_aims {
        header.push("aim".into());
    }
    line!(text, "| {} |", header.join(" | "));
    line!(text, "|---|{}", "---:|".repeat(header.len() - 1));
    let mut notes = Notes::default();
    for row in &comparison.rows {
        let best = row.best(|_| true).map(|(_, best)| text::value(row.unit, best));
        let mut cells = vec![text::label(row)];
        cells.extend(comparison.subjects.iter().map(|subject| cell(row, &subject.id, best.as_deref(), &mut notes)));
        cells.extend(ours.iter().map(|subject| verdict(ratios::of(comparison, row, &subject.id))));
        if with_aims {
            let aims = ours.iter().filter_map(|subject| {
                let aim = aim(&row.row, &subject.id)?;
                let kind = subject.name.trim_start_matches("bitcask ");
                Some(format!("{kind} {}", text::ratio(aim)))
            });
            cells.push(aims.collect::<Vec<_>>().join(", "));
        }
        line!(text, "| {} |", cells.join(" | "));
    }
    notes.write(text);
}

fn cell(row: &Row, id: &str, best: Option<&str>, notes: &mut Notes) -> String {
    let cell = row.cells.get(id);
    let mut shown = text::cell(row, cell);
    if best == Some(shown.as_str()) {
        shown = format!("**{shown}**");
    }
    match cell.and_then(|cell| cell.note.as_deref()) {
        Some(note) => format!("{shown} {}", notes.sign(note)),
        None => shown,
    }
}

fn verdict(ratio: Option<f64>) -> String {
    match ratio {
        None => "-".into(),
        Some(ratio) if ratio >= 1.0 => format!("win {}", text::ratio(ratio)),
        Some(ratio) => format!("loss {}", text::ratio(ratio)),
    }
}

/// Notes below a table, each with a small number.
#[derive(Default)]
struct Notes(BTreeMap<String, usize>);

impl Notes {
    fn sign(&mut self, note: &str) -> String {
        let next = self.0.len() + 1;
        format!("<sup>{}</sup>", self.0.entry(note.to_owned()).or_insert(next))
    }

    fn write(&self, text: &mut String) {
        let mut notes: Vec<_> = self.0.iter().map(|(note, number)| (number, note)).collect();
        notes.sort_unstable();
        if !notes.is_empty() {
            let notes: Vec<String> = notes.iter().map(|(number, note)| format!("<sup>{number}</sup> {note}")).collect();
            line!(text, "\n{}.", notes.join("; "));
        }
    }
}

/// Every row in which a peer beats some of ours.
fn losses(text: &mut String, comparison: &Comparison) {
    let mut found = Vec::new();
    for row in &comparison.rows {
        let Some((peer, _)) = row.best(|id| comparison.subject(id).is_some_and(|subject| !subject.ours)) else {
            continue;
        };
        let ours = comparison.subjects.iter().filter(|subject| subject.ours);
        let beaten: Vec<_> = ours
            .filter_map(|subject| Some((subject, ratios::of(comparison, row, &subject.id)?)))
            .filter(|(_, ratio)| *ratio < 1.0)
            .map(|(subject, ratio)| format!("{} ({})", subject.name, text::ratio(ratio)))
            .collect();
        if !beaten.is_empty() {
            let peer = comparison.subject(peer).map_or(peer, |subject| &subject.name);
            found.push(format!("- {}: {peer} beats {}", row.row, beaten.join(", ")));
        }
    }
    if found.is_empty() {
        line!(text, "\nNo peer wins a row.");
    } else {
        line!(text, "\nWhere a peer wins:\n\n{}", found.join("\n"));
    }
}

/// The ratios that are aimed at, by the names that they have in the JSON.
fn aims(text: &mut String, comparison: &Comparison) {
    let measured: Vec<_> =
        ratios::AIMS.iter().filter_map(|(name, aim)| Some((name, *aim, *comparison.ratios.get(*name)?))).collect();
    if measured.is_empty() {
        return;
    }
    line!(text, "\n| ratio | measured | aim | |\n|---|---:|---:|---|");
    for (name, aim, ratio) in measured {
        line!(text, "| `{name}` | {} | {} | {} |", text::ratio(ratio), text::ratio(aim), met(ratio >= aim));
    }
}

fn index_aims(text: &mut String, comparison: &Comparison) {
    line!(text, "\n| index | row | measured | at most | |\n|---|---|---:|---:|---|");
    for row in &comparison.rows {
        for subject in comparison.subjects.iter().filter(|subject| subject.ours) {
            let median = row.cells.get(&subject.id).and_then(|cell| cell.median);
            if let (Some(aim), Some(median)) = (index::aim(&row.row, &subject.id), median) {
                let (shown, most) = (text::value(row.unit, median), text::value(row.unit, aim));
                line!(text, "| {} | {} | {shown} | {most} | {} |", subject.name, row.row, met(median <= aim));
            }
        }
    }
}

fn language_aims(text: &mut String, language: Language, comparison: &Comparison) {
    line!(text, "\n| row | kind | measured | aim | |\n|---|---|---:|---:|---|");
    for Verdict { row, subject, measured, aim, most, ratio, met: is } in language.verdicts(comparison) {
        let shown = |value| {
            if ratio { text::ratio(value) + " the best peer" } else { text::value(row.unit, value) }
        };
        let bound = if most { "at most" } else { "at least" };
        let kind = subject.name.trim_start_matches("bitcask ");
        let (measured, aim) = (shown(measured), shown(aim));
        line!(text, "| {} | {kind} | {measured} | {bound} {aim} | {} |", text::label(row), met(is));
    }
}

fn met(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}
