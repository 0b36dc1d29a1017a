//! Damage to the files of a store that was closed: every bit flipped, every length, bursts, blocks that changed places, and
//! hints of other times and stores.
//!
//! Checked (P4): no call panics; no key ever has a value that is wrong. A key has its right value, or reading it is an error,
//! or, only where opening reported damage, it is absent or has an older value. One damaged place costs no key but those
//! whose records it touches. What is wrong with a hint costs nothing. A sealed file that lost its end is reported.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bitcask::format::header::DATA_START;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Error, IterOptions, OnDamage};

use common::damage::{Found, data_files, files_with, records};
use common::history::{changes_of, write};
use common::workload::{Change, Step, value};
use common::{Counter, Map, Rng, factor, index, open, parallel, quiet, remove_hints, report};

/// A store to damage.
struct Golden {
    name: &'static str,
    disk: SimVfs,
    right: Map,
    /// Every value that a key ever had.
    ever: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    records: BTreeMap<PathBuf, Vec<Found>>,
    newest: PathBuf,
    /// Hints from before the last session.
    stale_hints: Vec<(PathBuf, Vec<u8>)>,
    closed: bool,
}

impl Golden {
    /// Runs two sessions on a new disk.
    fn new(name: &'static str, seed: u64, first: &[Step], second: &[Step], closed: bool, hints: bool) -> Golden {
        let disk = SimVfs::new(seed);
        let (mut right, mut ever) = (Map::new(), BTreeMap::<_, Vec<_>>::new());
        let mut run = |db: &Db, steps: &[Step]| {
            for step in steps {
                write(db, step).expect("it writes");
                let changes: Vec<Change> = changes_of(step);
                common::history::apply(&mut right, &changes);
                for (key, value) in changes {
                    ever.entry(key).or_default().extend(value);
                }
            }
        };
        let db = open(disk.clone(), &quiet()).expect("it opens");
        run(&db, first);
        db.close().expect("it closes");
        let stale_hints = files_with(&disk, "hint");
        let db = open(disk.clone(), &quiet()).expect("it opens again");
        run(&db, second);
        let disk = if closed {
            db.close().expect("it closes");
            disk.copy()
        } else {
            disk.crash(disk.op_count(), &CrashChoice::KeepAll)
        };
        if !hints {
            remove_hints(&disk);
        }
        let files = data_files(&disk);
        let newest = files.last().expect("there is a data file").0.clone();
        let records = files.into_iter().map(|(path, bytes)| (path, records(&bytes))).collect();
        Golden { name, disk, right, ever, records, newest, stale_hints, closed }
    }

    /// Keys of the records that lie in a range of a file. Where that takes both headers: all of the file's, and those of
    /// a batch that has a part in it.
    fn touched(&self, path: &Path, from: u64, to: u64, touched: &mut BTreeSet<Vec<u8>>) {
        let Some(records) = self.records.get(path) else { return };
        if from < 64 && to > 64 {
            let seqs: BTreeSet<_> = records.iter().map(|record| record.header.seq).collect();
            let lost = self.records.values().flatten().filter(|record| seqs.contains(&record.header.seq));
            touched.extend(lost.map(|record| record.key.clone()));
        }
        for record in records.iter().filter(|record| record.offset < to && record.end() > from) {
            touched.insert(record.key.clone());
        }
    }
}

/// A key that is written to a damaged store.
const EXTRA: &[u8] = b"written behind the damage";

/// How much may be wrong.
struct Case<'a> {
    golden: &'a Golden,
    what: String,
    /// Keys whose records are damaged.
    touched: BTreeSet<Vec<u8>>,
    /// The newest file has lost its end, which passes for a torn tail.
    tail: bool,
    /// Nothing that opening needs is damaged: it must succeed and report nothing.
    harmless: bool,
}

impl Case<'_> {
    fn fail(&self, why: impl std::fmt::Display) -> ! {
        panic!("{}, {}: {why}", self.golden.name, self.what)
    }

    fn check(&self, disk: &SimVfs, n: usize, on_damage: OnDamage) {
        let options = quiet().index(index(n + 1)).on_damage(on_damage).read_only(n % 4 == 3);
        let db = match open(disk.clone(), &options) {
            Ok(db) => db,
            Err(Error::NoStore { .. }) if n % 4 == 3 && !self.harmless => return,
            Err(Error::Corrupted { path, .. }) if on_damage == OnDamage::Refuse && !self.harmless => {
                if !path.starts_with(common::DIR) {
                    self.fail(format!("refused with the path {}", path.display()));
                }
                return;
            }
            Err(error) => self.fail(format!("{on_damage:?}: {error:?}")),
        };
        self.look(&db);
        if n % 97 == 0 && n % 4 != 3 {
            self.go_on(db, disk, n, on_damage);
        }
    }

    /// Every key has its right value, or says that it hasn't.
    fn look(&self, db: &Db) {
        let report = db.open_report();
        if self.harmless && !report.damage.is_empty() {
            self.fail(format!("reported although all is there: {:?}", report.damage));
        }
        let told = !report.damage.is_empty() || self.tail;
        for (key, ever) in &self.golden.ever {
            let right = self.golden.right.get(key);
            let allowed = self.touched.contains(key);
            match db.get(key) {
                Ok(found) if found.as_deref() == right.map(Vec::as_slice) => {}
                Ok(None) if told && allowed => {}
                Ok(Some(found)) if told && allowed && ever.iter().any(|old| old[..] == found[..]) => {}
                Err(Error::Corrupted { .. }) if allowed => {}
                other => {
                    let other = other.map(|v| v.map(|v| v.len()));
                    let key = String::from_utf8_lossy(key);
                    self.fail(format!("{key} (touched: {allowed}) is {other:?} long, report {report:?}"));
                }
            }
        }
        let mut iter = db.iter(&IterOptions::new()).unwrap_or_else(|e| self.fail(e));
        let mut seen = BTreeSet::new();
        loop {
            match iter.next() {
                None => break,
                Some(Ok((key, _))) if key == EXTRA => {}
                Some(Ok((key, value))) => {
                    let known = self.golden.ever.get(&key).is_some_and(|ever| ever.iter().any(|v| v[..] == value[..]));
                    let right = self.golden.right.get(&key).is_some_and(|right| right[..] == value[..]);
                    let allowed = told && self.touched.contains(&key);
                    if !(right || known && allowed) {
                        self.fail(format!("iteration gives {} another value", String::from_utf8_lossy(&key)));
                    }
                    seen.insert(key);
                }
                Some(Err(Error::Corrupted { .. })) => iter.skip_damaged(),
                Some(Err(error)) => self.fail(format!("iteration: {error:?}")),
            }
        }
        if let Some(lost) = self.golden.right.keys().find(|k| !self.touched.contains(*k) && !seen.contains(*k)) {
            self.fail(format!("iteration leaves out {}", String::from_utf8_lossy(lost)));
        }
    }

    /// Writing goes on, and the next opening finds things no worse.
    fn go_on(&self, db: Db, disk: &SimVfs, n: usize, on_damage: OnDamage) {
        db.put(EXTRA, b"is there").unwrap_or_else(|e| self.fail(e));
        db.close().unwrap_or_else(|e| self.fail(e));
        match open(disk.clone(), &quiet().index(index(n)).on_damage(on_damage)) {
            Ok(db) => {
                self.look(&db);
                let got = db.get(EXTRA);
                if !matches!(&got, Ok(Some(v)) if &v[..] == b"is there") {
                    self.fail(format!("a write behind it: {got:?}"));
                }
            }
            Err(error) => self.fail(format!("the second opening: {error:?}")),
        }
    }
}

fn goldens() -> Vec<Golden> {
    let key = |n: usize| format!("k{n}").into_bytes();
    let put = |n: usize, write: usize, len: usize| Step::Put(key(n), value(&key(n), write, len));
    let batch = |i: usize, len: usize| {
        let change = |j: usize| (key(j + 3), (j % 4 != 3).then(|| value(&key(j + 3), 1000 * i + j, len)));
        Step::Batch((0..5).map(change).collect())
    };
    let small = [put(0, 1, 30), put(1, 2, 0), batch(1, 20), put(0, 3, 10), Step::Delete(key(1)), put(2, 4, 90)];
    let more = [put(9, 5, 60), batch(2, 9), Step::Delete(key(2)), put(9, 6, 5)];
    let large: Vec<Step> = (0..22).map(|n| put(n * 5 % 13, 100 + n, 60 + n * 97 % 500)).chain(small.clone()).collect();
    let larger = [vec![batch(7, 900), Step::Delete(key(5)), batch(8, 1400)], large[3..7].to_vec()].concat();
    vec![
        Golden::new("one file", 1, &small, &more, true, true),
        Golden::new("one file without hint", 2, &small, &more, true, false),
        Golden::new("several files", 3, &large, &larger, true, true),
        Golden::new("several files without hints", 4, &large, &larger, true, false),
        Golden::new("not closed", 5, &small, &more, false, true),
    ]
}

const POLICIES: [OnDamage; 2] = [OnDamage::Refuse, OnDamage::Serve];

/// What damage to `from..to` of a file may cost.
fn case<'a>(golden: &'a Golden, path: &Path, from: u64, to: u64, len: u64, what: String) -> Case<'a> {
    let mut touched = BTreeSet::new();
    golden.touched(path, from, to, &mut touched);
    let Some(records) = golden.records.get(path) else { return Case { golden, what, touched, tail: false, harmless: true } };
    // The last record is the mark that says that all before it was synced. Where it is hit, or never was, the log ends at the
    // damage, or at the beginning of the batch that is cut apart there.
    let reaches_mark = records.last().is_some_and(|mark| to > mark.offset || to >= len);
    let tail = *path == golden.newest && (!golden.closed || reaches_mark);
    let cut = records.iter().find(|record| record.end() > from).map(|record| record.header.seq);
    if let (true, Some(cut)) = (tail, cut) {
        let lost = golden.records.values().flatten().filter(|record| record.header.seq >= cut);
        touched.extend(lost.map(|record| record.key.clone()));
    }
    Case { golden, what, touched, tail, harmless: false }
}

#[test]
fn every_bit() {
    let (start, count) = (Instant::now(), Counter::default());
    for golden in goldens() {
        for (path, bytes) in golden.disk.files() {
            parallel(bytes.len(), |offset| {
                for bit in 0..8 {
                    let disk = golden.disk.copy();
                    disk.flip_bit(&path, offset as u64, bit);
                    let what = || format!("{} byte {offset} bit {bit}", path.display());
                    let (offset, len) = (offset as u64, bytes.len() as u64);
                    // The last record's own bytes are no end of the file that went missing.
                    let case = case(&golden, &path, offset, offset + 1, len + 1, what());
                    for (n, policy) in POLICIES.into_iter().enumerate() {
                        let n = offset as usize * 2 + n + usize::from(bit);
                        case.check(&disk.copy(), n, policy);
                        count.add(1);
                    }
                }
            });
        }
    }
    report("bit damage", format!("bits: {} cases", count.get()), start);
}

#[test]
fn every_length() {
    let (start, count) = (Instant::now(), Counter::default());
    for golden in goldens() {
        for (path, bytes) in golden.disk.files() {
            parallel(bytes.len(), |keep| {
                let len = bytes.len() as u64;
                let what = format!("{} cut to {keep} of {len} bytes", path.display());
                let mut case = case(&golden, &path, keep as u64, len, len, what);
                if keep < DATA_START as usize {
                    golden.touched(&path, 0, len, &mut case.touched);
                }
                for (n, policy) in POLICIES.into_iter().enumerate() {
                    let disk = golden.disk.copy();
                    disk.truncate(&path, keep as u64);
                    let read_only = quiet().on_damage(policy).read_only(true);
                    if !case.tail && !case.harmless {
                        match open(disk.copy(), &read_only) {
                            Ok(db) if db.open_report().damage.is_empty() => case.fail("a lost end is not reported"),
                            Ok(_) if policy == OnDamage::Refuse => case.fail("a lost end is not refused"),
                            _ => {}
                        }
                    }
                    case.check(&disk, keep + n, policy);
                    count.add(1);
                }
            });
        }
    }
    report("bit damage", format!("lengths: {} cases", count.get()), start);
}

#[test]
fn bursts_and_swapped_blocks() {
    let (start, count) = (Instant::now(), Counter::default());
    for golden in goldens() {
        let files = golden.disk.files();
        parallel(6_000 * factor(), |n| {
            let mut rng = Rng(n as u64);
            let disk = golden.disk.copy();
            let (path, bytes) = &files[rng.below(files.len())];
            let from = rng.below(bytes.len());
            let len = (1 + rng.below(if n % 3 == 0 { 700 } else { 40 })).min(bytes.len() - from);
            let range = |from: usize| (from as u64, (from + len) as u64);
            let case = if n % 4 == 3 {
                // Two blocks change places, or one is in both: a write that went astray.
                let (other, others) = &files[rng.below(files.len())];
                let to = rng.below(others.len().saturating_sub(len) + 1);
                let len = len.min(others.len() - to);
                disk.overwrite(other, to as u64, &bytes[from..from + len]);
                let what = format!("{} bytes of {} at {from} now in {} at {to}", len, path.display(), other.display());
                let mut both = case(&golden, other, range(to).0, range(to).1, others.len() as u64, what);
                if n % 8 == 7 && other != path {
                    disk.overwrite(path, from as u64, &others[to..to + len]);
                    let back = case(&golden, path, range(from).0, range(from).1, bytes.len() as u64, String::new());
                    both.touched.extend(back.touched);
                    both.tail |= back.tail;
                    both.harmless &= back.harmless;
                    if both.tail || (from < 64 && from + len > 64) || (to < 64 && to + len > 64) {
                        // The newest header or mark, by which damage is told from a torn tail, may be what is hit.
                        both.touched.extend(golden.ever.keys().cloned());
                        both.tail = true;
                    }
                    both.what.push_str(" and back");
                }
                both
            } else {
                let mut junk: Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
                match n % 4 {
                    0 => junk.fill(0),
                    1 => junk.fill(0xFF),
                    _ => {}
                }
                disk.overwrite(path, from as u64, &junk);
                let what = format!("{len} bytes of {} at {from} overwritten, {n}", path.display());
                case(&golden, path, range(from).0, range(from).1, bytes.len() as u64, what)
            };
            case.check(&disk, n, POLICIES[n / 4 % 2]);
            count.add(1);
        });
    }
    report("bit damage", format!("bursts and blocks: {} cases", count.get()), start);
}

/// Hints of other files, other stores and other times change nothing.
#[test]
fn wrong_hints() {
    let (start, count) = (Instant::now(), Counter::default());
    let goldens = goldens();
    let mut hints: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for golden in &goldens {
        hints.extend(golden.stale_hints.iter().cloned());
        hints.extend(files_with(&golden.disk, "hint"));
        hints.extend(data_files(&golden.disk));
    }
    for golden in &goldens {
        for (path, _) in data_files(&golden.disk) {
            for (n, (from, bytes)) in hints.iter().enumerate() {
                let disk = golden.disk.copy();
                disk.plant(&path.with_extension("hint"), bytes);
                let what = format!("hint {n}, {}, for {}", from.display(), path.display());
                let touched = BTreeSet::new();
                let case = Case { golden, what, touched, tail: false, harmless: true };
                for (m, policy) in POLICIES.into_iter().enumerate() {
                    case.check(&disk.copy(), n * 2 + m, policy);
                    count.add(1);
                }
            }
        }
    }
    report("bit damage", format!("wrong hints: {} cases", count.get()), start);
}
