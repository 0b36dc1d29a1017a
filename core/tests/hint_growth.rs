//! A hint whose data file is written on: its older part is copied when the hint is finished, and neither by the opening nor by a write in between.

mod common;

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::SimVfs;
use bitcask::{IndexKind, Options};

use common::{Map, dump, open, quiet};

/// Long keys: few of them make a hint that is written in several parts.
fn key(n: u64) -> Vec<u8> {
    n.to_be_bytes().repeat(128)
}

fn options() -> Options {
    quiet().max_file_size(1 << 30).index(IndexKind::Art)
}

#[test]
fn an_older_hint_is_copied_at_the_end_and_not_before() {
    const FIRST: u64 = 300;
    let sim = SimVfs::new(11);
    let db = open(sim.clone(), &options()).expect("a new store opens");
    for n in 0..FIRST {
        db.put(&key(n), b"1").expect("put");
    }
    db.close().expect("close");

    let vfs = FaultVfs::over_sim(&sim);
    let count = |kind, suffix: &str| vfs.count(Fault::Error(errno::EIO), &Filter::any().kinds(&[kind]).suffix(suffix));
    let db = open(vfs.clone(), &options()).expect("it opens");
    let read_by_opening = count(OpKind::Read, ".hint");
    assert!(read_by_opening > 0 && db.open_report().hint_records == FIRST, "it was opened from the hint");
    let mut n = FIRST;
    while count(OpKind::Write, ".hint.tmp") < 3 {
        db.put(&key(n), b"2").expect("put");
        n += 1;
        assert!(n < 10_000, "no part of the hint was written");
    }
    assert_eq!(count(OpKind::Read, ".hint"), read_by_opening, "a write waited for the older hint to be copied");
    let wanted: Map = dump(&db).expect("iterates");
    db.close().expect("close");
    assert!(count(OpKind::Read, ".hint") > read_by_opening);

    let db = open(sim, &options()).expect("it opens again");
    let report = db.open_report();
    assert_eq!((report.files_from_hint, report.hint_records, report.scanned_records), (1, n, 0), "{report:?}");
    assert!(report.unusable_hints.is_empty(), "{report:?}");
    assert_eq!(dump(&db).expect("iterates"), wanted);
    assert_eq!(wanted.len() as u64, n);
}
