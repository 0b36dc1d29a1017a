use std::collections::BTreeMap;

use super::*;
use crate::results::{self, Sample, Unit};

fn subject(id: &str, ours: bool) -> Subject {
    Subject { id: id.into(), name: id.replace(':', " "), ours, ordered: true, version: "1".into() }
}

/// A comparison of our default kind with a peer.
pub(crate) fn comparison(rows: &[(&str, Unit, f64, f64)]) -> Comparison {
    let sample = |row: &str, unit, value| Sample { row: row.into(), unit, value: Some(value), check: 1, note: None };
    let samples = [
        ("bitcask:btree".into(), rows.iter().map(|&(row, unit, ours, _)| sample(row, unit, ours)).collect()),
        ("peer".into(), rows.iter().map(|&(row, unit, _, peer)| sample(row, unit, peer)).collect()),
    ];
    let mut comparison = Comparison {
        command: "command".into(),
        date: "today".into(),
        machine: crate::machine::Machine::here(Path::new("/")),
        runtime: Some("Go 1".into()),
        keys: 1000,
        rounds: 1,
        subjects: vec![subject("bitcask:btree", true), subject("peer", false)],
        left_out: vec!["dbm.gnu (no such module)".into()],
        rows: results::rows(&samples).unwrap(),
        ratios: BTreeMap::new(),
    };
    ratios::fill(&mut comparison);
    comparison
}

#[test]
fn every_aim_has_its_row_among_those_that_are_compared() {
    for (language, row, _, _) in AIMS {
        assert!(Language::of(language).is_some(), "{language}");
        assert!(ratios::stem(row).is_some() || row.ends_with(" against one"), "{row}");
    }
}

#[test]
fn absolute_aims_are_met_by_values_and_relative_ones_by_ratios() {
    let go = Language::of("go").unwrap();
    let rows = [
        ("put, no sync", Unit::Nanos, 500.0, 2000.0),
        ("range of 10", Unit::Nanos, 1300.0, 2400.0),
        ("iteration, compacted", Unit::Keys, 20e6, 10e6),
        ("get, 4 goroutines", Unit::Keys, 3e6, 1e6),
        ("get", Unit::Nanos, 1.0, 1.0),
        ("get, 4 goroutines against one", Unit::Times, 1.0, 2.0),
    ];
    let comparison = comparison(&rows);
    let verdicts: Vec<_> = go.verdicts(&comparison).iter().map(|v| (v.row.row.clone(), v.measured, v.met)).collect();
    assert_eq!(
        verdicts,
        [
            ("put, no sync".to_string(), 500.0, true),
            ("range of 10".to_string(), 1300.0, false),
            ("iteration, compacted".to_string(), 20e6, false),
            ("get, 4 goroutines".to_string(), 3.0, true),
        ]
    );
    let aim = |row: &str| go.aim(&comparison, comparison.row(row).unwrap(), "bitcask:btree");
    assert_eq!(aim("range of 10"), Some(2.0));
    assert_eq!(aim("iteration, compacted"), Some(2.5));
    assert_eq!(aim("get, 4 goroutines"), Some(2.0));
    assert_eq!(aim("get"), None);
    let alone = comparison.row("get, 4 goroutines against one").unwrap();
    assert_eq!(ratios::of(&comparison, alone, "bitcask:btree"), None);
    assert_eq!(comparison.ratios.get("get_ratio_4_goroutines"), Some(&3.0));
    let python = Language::of("python").unwrap();
    assert!(python.verdicts(&comparison).iter().all(|verdict| verdict.row.unit != Unit::Times));
}

#[test]
fn what_a_program_offers_is_read() {
    let offer: Offer = serde_json::from_str(
        r#"{"runtime": "CPython 3", "subjects": [
            {"id": "a", "name": "A", "ours": true, "ordered": true, "version": "1"},
            {"id": "b", "name": "B", "ours": false, "ordered": false, "version": "", "missing": "No module"}]}"#,
    )
    .unwrap();
    assert_eq!((offer.subjects[0].subject.id.as_str(), &offer.subjects[0].missing), ("a", &None));
    assert_eq!(offer.subjects[1].missing.as_deref(), Some("No module"));
}
