//! What a run gives: samples from the processes, rows from the samples, ratios from the rows. Plain data, kept as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Keys a second.
    Keys,
    /// Transactions a second.
    Transactions,
    /// Range reads a second.
    Scans,
    /// Operations a second.
    Operations,
    /// Nanoseconds.
    Nanos,
    /// Bytes.
    Bytes,
    /// A count of anything, of which fewer is better.
    Count,
    /// So many times as fast as something else of the same subject.
    Times,
}

impl Unit {
    /// Whether more is better.
    #[must_use]
    pub fn more_is_better(self) -> bool {
        matches!(self, Unit::Keys | Unit::Transactions | Unit::Scans | Unit::Operations | Unit::Times)
    }
}

/// What a process measured once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// The row it belongs to.
    pub row: String,
    /// What `value` counts.
    pub unit: Unit,
    /// `None` if it could not be measured; then `note` says why.
    pub value: Option<f64>,
    /// A sum over what was read, or a count of what was changed: equal for all stores, or something is wrong. 0 if there is none.
    pub check: u64,
    /// What a reader must know of this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One subject's part of a row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cell {
    /// The median of the samples; `None` if there are none.
    pub median: Option<f64>,
    /// One of each round.
    pub samples: Vec<f64>,
    /// What a reader must know of this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A row of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub row: String,
    /// What its numbers count.
    pub unit: Unit,
    /// By the subject's id.
    pub cells: BTreeMap<String, Cell>,
}

/// One subject of a comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// Its name on command lines and in JSON.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Whether it is ours.
    pub ours: bool,
    /// Whether it keeps keys in order.
    pub ordered: bool,
    /// Version of its package.
    pub version: String,
}

/// A whole comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// The command that gives it.
    pub command: String,
    /// When it began, UTC.
    pub date: String,
    /// Where it ran.
    pub machine: Machine,
    /// What the stores are called from, if that isn't this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Pairs or keys.
    pub keys: u64,
    /// Rounds that the medians are of.
    pub rounds: usize,
    /// Ours first.
    pub subjects: Vec<Subject>,
    /// Peers that could not be measured here, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// In the order of the workload.
    pub rows: Vec<Row>,
    /// Ours against the best peer, above 1 if ours is better.
    pub ratios: BTreeMap<String, f64>,
}

impl Comparison {
    /// A row by its name.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.row == name)
    }

    /// The subject with this id.
    #[must_use]
    pub fn subject(&self, id: &str) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.id == id)
    }
}

impl Row {
    /// The best median among the subjects that `among` affirms, with its id.
    pub fn best(&self, among: impl Fn(&str) -> bool) -> Option<(&str, f64)> {
        let better = |a: f64, b: f64| if self.unit.more_is_better() { a > b } else { a < b };
        self.cells.iter().filter(|(id, _)| among(id)).filter_map(|(id, cell)| Some((id.as_str(), cell.median?))).fold(
            None,
            |best: Option<(&str, f64)>, cell| match best {
                Some(best) if !better(cell.1, best.1) => Some(best),
                _ => Some(cell),
            },
        )
    }

    /// How many times better `value` is than `other`.
    #[must_use]
    pub fn ratio(&self, value: f64, other: f64) -> f64 {
        if self.unit.more_is_better() { value / other } else { other / value }
    }
}

/// The middle one; of an even number the lower of the two.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

/// Joins the samples of all rounds of all subjects; rows come in the order in which they were first seen.
///
/// # Errors
/// Where checks of one row differ: then one of the stores gave wrong answers, and no number is worth anything.
pub fn rows(samples: &[(String, Vec<Sample>)]) -> crate::Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let mut checks: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for (id, samples) in samples {
        for sample in samples {
            if sample.check != 0 {
                let &mut (check, other) = checks.entry(&sample.row).or_insert((sample.check, id));
                if check != sample.check {
                    let row = &sample.row;
                    return Err(format!("{row}: {id} gave other answers than {other}").into());
                }
            }
            let at = rows.iter().position(|row| row.row == sample.row).unwrap_or_else(|| {
                rows.push(Row { row: sample.row.clone(), unit: sample.unit, cells: BTreeMap::new() });
                rows.len() - 1
            });
            let cell = rows[at].cells.entry(id.clone()).or_default();
            cell.samples.extend(sample.value);
            cell.median = median(&cell.samples);
            cell.note = cell.note.take().or_else(|| sample.note.clone());
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(row: &str, value: f64, check: u64) -> Sample {
        Sample { row: row.into(), unit: Unit::Keys, value: Some(value), check, note: None }
    }

    #[test]
    fn rows_hold_medians_and_tell_the_best() {
        let samples = [
            ("a".to_string(), vec![sample("x", 3.0, 7)]),
            ("b".to_string(), vec![sample("x", 2.0, 7)]),
            ("a".to_string(), vec![sample("x", 1.0, 7)]),
            ("a".to_string(), vec![sample("x", 9.0, 7)]),
        ];
        let rows = rows(&samples).unwrap();
        assert_eq!(rows[0].cells["a"].median, Some(3.0));
        assert_eq!(rows[0].best(|_| true), Some(("a", 3.0)));
        assert_eq!(rows[0].best(|id| id != "a"), Some(("b", 2.0)));
        assert_eq!(rows[0].ratio(3.0, 2.0), 1.5);
    }

    #[test]
    fn less_time_is_better() {
        let row = Row { row: "x".into(), unit: Unit::Nanos, cells: BTreeMap::new() };
        assert_eq!(row.ratio(5.0, 10.0), 2.0);
    }

    #[test]
    fn answers_that_differ_are_an_error() {
        let samples = [("a".to_string(), vec![sample("x", 1.0, 7)]), ("b".to_string(), vec![sample("x", 1.0, 8)])];
        assert!(rows(&samples).is_err());
    }
}
