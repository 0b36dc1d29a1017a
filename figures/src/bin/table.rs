//! Prints the figures as a table, with the targets beside them, and writes them as JSON.
//!
//! `table JSON FIGURES...`: the files hold lines of name, value, unit and command, with tabs between. A target that is missed
//! is shown and no failure: this is one machine on one day.
#![allow(clippy::print_stdout)] // Standard output is what these programs are for.

use std::fmt::Write;

use bitcask_figures::Outcome;

/// What a figure should reach: at least, or at most.
enum Target {
    Least(f64),
    Most(f64),
}
use Target::{Least, Most};

const TARGETS: [(&str, Target); 14] = [
    ("put_nosync_rate", Least(400e3)),
    ("get_btree_rate", Least(500e3)),
    ("get_hash_rate", Least(800e3)),
    ("group_commit_gain", Least(20.0)),
    ("single_sync_overhead", Most(15.0)),
    ("open_hints_rate", Least(1e6)),
    ("merged_scan_gain", Least(3.0)),
    ("merge_rate", Least(0.5)),
    ("merge_p999_ratio", Most(2.0)),
    ("btree_bytes_per_key", Most(60.0)),
    ("hash_bytes_per_key", Most(32.0)),
    ("open_peak_ratio", Most(1.3)),
    ("python_get_extra_ns", Most(300.0)),
    ("go_get_extra_ns", Most(150.0)),
];

/// From this share of waiting on, in percent, rates are not to be believed.
const BUSY: f64 = 5.0;

fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let json_path = args.next().ok_or("usage: table JSON FIGURES...")?;
    let mut text = String::new();
    for path in args {
        text.push_str(&std::fs::read_to_string(path)?);
    }
    let figures: Option<Vec<Vec<&str>>> = text
        .lines()
        .map(|line| Some(line.split('\t').collect::<Vec<_>>()).filter(|fields| fields.len() == 4))
        .collect();
    let mut figures = figures.ok_or("a line has not four fields")?;
    // Those with a target first, in their order.
    figures.sort_by_key(|figure| TARGETS.iter().position(|(name, _)| *name == figure[0]).unwrap_or(TARGETS.len()));

    let mut json = String::new();
    println!("{:<34} {:>12} {:<7} {:>14}", "figure", "value", "unit", "target");
    for figure in &figures {
        let (name, value, unit, command) = (figure[0], figure[1].parse::<f64>()?, figure[2], figure[3]);
        let target = TARGETS.iter().find(|(of, _)| *of == name).map(|(_, target)| match *target {
            Least(bound) => (format!(">= {}", short(bound)), value >= bound),
            Most(bound) => (format!("<= {}", short(bound)), value <= bound),
        });
        let (bound, verdict) = match target {
            // A time below zero is a difference that drowned in other programs' work, and meets nothing.
            Some((bound, _)) if value < 0.0 => (bound, "NOISE"),
            Some((bound, met)) => (bound, if met { "met" } else { "MISSED" }),
            None => (String::new(), ""),
        };
        println!("{}", format!("{name:<34} {:>12} {unit:<7} {bound:>14} {verdict}", short(value)).trim_end());
        let comma = if json.is_empty() { "[\n" } else { ",\n" };
        let [name, unit, command] = [name, unit, command].map(quoted);
        write!(json, "{comma}  {{\"name\": {name}, \"value\": {value}, \"unit\": {unit}, \"command\": {command}}}")?;
    }
    let waited =
        figures.iter().find(|figure| figure[0] == "waited_for_processor").and_then(|f| f[1].parse::<f64>().ok());
    if let Some(waited) = waited.filter(|&waited| waited > BUSY) {
        println!(
            "\nThis machine was busy: the measuring thread spent {waited:.0} % of its time waiting for a processor. Rates and"
        );
        println!(
            "times, and whether they meet a target, say little; bytes are right. Measure again when nothing else runs."
        );
    }
    json.push_str(if json.is_empty() { "[]\n" } else { "\n]\n" });
    Ok(std::fs::write(json_path, json)?)
}

/// Three digits that count, or all in front of the point, in groups.
fn short(value: f64) -> String {
    if value.abs() < 1000.0 {
        let decimals = if value.abs() >= 100.0 {
            0
        } else if value.abs() >= 10.0 {
            1
        } else {
            2
        };
        return format!("{value:.decimals$}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(" ")
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted.push_str(&format!("\\u{:04x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
