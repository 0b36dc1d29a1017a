//! Bytes on the disk change: every bit of every file, every length, blocks that are zero or in each other's places, hints that
//! are old or another's.
//!
//! Directories that the engine made on a simulated disk, closed in order, with their hints and without, are damaged in one
//! place each and opened under both policies and both indexes, for writing and for reading. Checked (P4, P5): nothing
//! panics; a key gives its value, or `Corrupted`, or, where the report tells of damage or of a torn tail, an older one or
//! none; nothing is read that was never written for the key; one flipped bit costs at most the record it is in, and none at
//! all in a hint; a log that was cut shorter gives a prefix (P2). Some stores are written to and opened once more: what was
//! seen stays, and what was written is there.
//!
//! `BITCASK_DAMAGE_FACTOR=n` damages n times as many directories.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Durability, Error, IterOptions, OnDamage};

use common::damage::{data_files, files_with, records};
use common::history::{History, step_on};
use common::workload::{Change, Step, Workload, value};
use common::{Counter, Rng, at, factor, index, number_from_env, open, parallel, quiet, remove_hints, report};

/// A directory before the damage.
struct Golden {
    name: String,
    disk: SimVfs,
    history: History,
    /// Each key with everything ever written for it.
    written: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
    /// Hints that were there before and are there no more.
    stale: Vec<(PathBuf, Vec<u8>)>,
}

fn goldens() -> Vec<Golden> {
    let factor = number_from_env("BITCASK_DAMAGE_FACTOR").unwrap_or_else(factor).max(1);
    (0..factor as u64).flat_map(|seed| (0..3).map(move |kind| golden(kind, seed))).collect()
}

fn golden(kind: u64, seed: u64) -> Golden {
    let mut rng = Rng(seed << 8 | kind);
    let key = |rng: &mut Rng| format!("key{:02}", rng.below(13)).into_bytes();
    let (name, max_file_size, count) =
        [("files", 4096, 62), ("batches", 4096, 15), ("one file", 1 << 20, 44)][kind as usize];
    let mut steps = Vec::new();
    for i in 0..count {
        let k = key(&mut rng);
        let len = if kind == 0 && i % 9 == 4 { 620 } else { rng.below(70) };
        let batch = |rng: &mut Rng, of: usize, len: usize| -> Vec<Change> {
            let change = |j: usize| (format!("key{:02}", (i + j) % 13).into_bytes(), j);
            let mut changes: Vec<_> =
                (0..of).map(change).map(|(k, j)| (k.clone(), Some(value(&k, i * 100 + j, len)))).collect();
            changes[rng.below(of)].1 = None;
            changes
        };
        steps.push(match (kind, rng.below(12)) {
            (1, 0..=8) => Step::Batch(batch(&mut rng, 2 + i % 6, if i % 5 == 2 { 700 } else { 40 })),
            (_, 0 | 1) => Step::Delete(k),
            (_, 2) => Step::Batch(batch(&mut rng, 3, 20)),
            (2, 3) => Step::PutSync(k.clone(), value(&k, i, len)),
            (2, 4) => Step::Sync,
            _ => Step::Put(k.clone(), value(&k, i, len)),
        });
        if i % 16 == 13 {
            steps.push(Step::Reopen);
        }
    }
    let workload = Workload { name, max_file_size, steps };
    // Each disk has its own random numbers, or their files would have the same nonces.
    let (disk, options) = (SimVfs::new(100 + (seed << 8 | kind)), workload.options(Durability::None));
    let (mut history, mut hints) = (History::default(), BTreeSet::new());
    let mut db = open(disk.clone(), &options).expect("a new store opens");
    for step in &workload.steps {
        step_on(&mut db, &disk, &disk, &options, false, step, &mut history);
        hints.extend(files_with(&disk, "hint"));
    }
    db.close().expect("it closes");
    // What a saved index spares an opening to read is the business of `checkpoint.rs`.
    disk.uproot(&at("index.checkpoint"));
    disk.settle();
    let now = files_with(&disk, "hint");
    assert!(!now.is_empty(), "closing leaves hints");
    let stale = hints.into_iter().filter(|hint| !now.contains(hint)).collect();
    let mut written: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (key, value) in history.commits.iter().flat_map(|commit| &commit.changes) {
        written.entry(key.clone()).or_default().extend(value.clone());
    }
    Golden { name: format!("{name} {seed}"), disk, history, written, stale }
}

impl Golden {
    fn disk(&self, hints: bool) -> SimVfs {
        let disk = self.disk.copy();
        if !hints {
            remove_hints(&disk);
        }
        disk
    }

    fn last_file(&self) -> PathBuf {
        data_files(&self.disk).pop().expect("a data file").0
    }
}

/// What a key gave: `Err` is `Corrupted`.
type Found = Vec<Result<Option<Vec<u8>>, ()>>;

/// What damage may cost.
#[derive(Clone, Copy, Debug)]
enum Cost<'a> {
    /// Nothing: opening succeeds and all is right.
    Nothing,
    /// One record of this key, or of none; served if damage is to be.
    Record(Option<&'a [u8]>),
    /// What the report tells of.
    Reported,
    /// Besides, some last commits, of which there need not be a trace.
    Tail,
}

/// A damaged disk.
struct Case<'a> {
    golden: &'a Golden,
    disk: &'a SimVfs,
    /// Chooses among the ways of looking.
    turn: usize,
    cost: Cost<'a>,
    what: &'a dyn Fn() -> String,
}

impl Case<'_> {
    fn fail(&self, why: impl std::fmt::Display) -> ! {
        panic!("{}, {}, turn {}: {why}", self.golden.name, (self.what)(), self.turn)
    }

    fn serves(&self) -> bool {
        self.turn.is_multiple_of(2)
    }

    fn check(&self) {
        let policy = if self.serves() { OnDamage::Serve } else { OnDamage::Refuse };
        let read_only = self.turn % 5 == 4;
        let options = quiet().index(index(self.turn / 2)).on_damage(policy).read_only(read_only);
        let db = match open(self.disk.clone(), &options) {
            Ok(db) => db,
            Err(Error::Corrupted { .. }) if !matches!(self.cost, Cost::Nothing) => {
                if self.serves() && matches!(self.cost, Cost::Record(_)) {
                    self.fail("a single bit keeps the store from being served");
                }
                return;
            }
            Err(Error::ForeignFile { .. }) if matches!(self.cost, Cost::Reported | Cost::Tail) => return,
            // Nothing is left of the only file.
            Err(Error::NoStore { .. }) if read_only && matches!(self.cost, Cost::Tail) => return,
            Err(e) => self.fail(format!("it does not open: {e:?}")),
        };
        let found = self.look(&db);
        self.judge(&db, &found);
        if self.turn % 7 == 3 && !read_only {
            self.go_on(db, found);
        }
    }

    /// All keys by `get`, and that iteration says the same.
    fn look(&self, db: &Db) -> Found {
        let keys: Vec<_> = self.golden.written.keys().collect();
        let mut found: Found = Vec::with_capacity(keys.len());
        for key in &keys {
            found.push(match db.get(key) {
                Ok(value) => Ok(value.map(bitcask::Value::into_vec)),
                Err(Error::Corrupted { .. }) => Err(()),
                Err(e) => self.fail(e),
            });
        }
        let damaged = found.iter().filter(|f| f.is_err()).count();
        let mut iter = match db.iter(&IterOptions::new()) {
            Ok(iter) => iter,
            Err(Error::Corrupted { .. }) if damaged > 0 => return found,
            Err(e) => self.fail(format!("no iterator: {e}")),
        };
        let (mut seen, mut errors) = (0, 0);
        while let Some(record) = iter.next() {
            match record {
                Ok((key, value)) => {
                    let Ok(at) = keys.binary_search(&&key) else { self.fail(format!("a key from nowhere: {key:?}")) };
                    if found[at].as_ref().ok().and_then(Option::as_deref) != Some(&value[..]) {
                        self.fail(format!("get and iteration disagree at {}", String::from_utf8_lossy(&key)));
                    }
                    seen += 1;
                }
                Err(Error::Corrupted { .. }) if errors < damaged => {
                    errors += 1;
                    iter.skip_damaged();
                }
                Err(e) => self.fail(format!("iteration: {e}")),
            }
        }
        if seen != found.iter().filter(|f| matches!(f, Ok(Some(_)))).count() {
            self.fail(format!("iteration shows {seen} of {found:?}"));
        }
        found
    }

    fn judge(&self, db: &Db, found: &Found) {
        for ((key, written), found) in self.golden.written.iter().zip(found) {
            if let Ok(Some(value)) = found
                && !written.contains(value)
            {
                self.fail(format!("{} has a value that was never written for it", String::from_utf8_lossy(key)));
            }
        }
        let (report, states) = (db.open_report(), &self.golden.history.states);
        let as_after = |commits: usize| {
            let mut all = self.golden.written.keys().zip(found);
            all.all(|(key, found)| found.as_ref().map_or(true, |found| found.as_ref() == states[commits].get(key)))
        };
        let is_right = as_after(states.len() - 1);
        let touched = |may: Option<&[u8]>| {
            let last = &states[states.len() - 1];
            let mut all = self.golden.written.keys().zip(found);
            all.all(|(key, found)| may == Some(&key[..]) || found.as_ref().is_ok_and(|f| f.as_ref() == last.get(key)))
        };
        let fine = match self.cost {
            Cost::Nothing => touched(None) && report.damage.is_empty() && report.torn.is_empty(),
            Cost::Record(key) => touched(key) && (is_right || self.serves() && !report.damage.is_empty()),
            Cost::Reported | Cost::Tail if is_right => true,
            Cost::Reported if report.torn.is_empty() => self.serves() && !report.damage.is_empty(),
            Cost::Reported | Cost::Tail => {
                (0..states.len()).any(as_after) || self.serves() && !report.damage.is_empty()
            }
        };
        if !fine {
            self.fail(format!("{:?} for {:?}; {report:?}; found {found:?}", self.cost, states[states.len() - 1]));
        }
    }

    /// Writes more and opens again.
    fn go_on(&self, db: Db, mut found: Found) {
        for (i, len) in [90, 3000, 200, 17].into_iter().enumerate() {
            let at = (self.turn + i * 3) % found.len();
            let key = self.golden.written.keys().nth(at).expect("so many keys");
            let new = value(key, 1_000_000 + i, len);
            db.put(key, &new).unwrap_or_else(|e| self.fail(format!("writing goes on: {e}")));
            found[at] = Ok(Some(new));
        }
        let next = if self.turn.is_multiple_of(3) {
            db.close().unwrap_or_else(|e| self.fail(e));
            self.disk.copy()
        } else {
            self.disk.kill()
        };
        let options = quiet().index(index(self.turn / 4)).on_damage(OnDamage::Serve);
        let db = open(next, &options).unwrap_or_else(|e| self.fail(format!("the next time: {e}")));
        let again = self.look(&db);
        for ((key, before), after) in self.golden.written.keys().zip(&found).zip(&again) {
            if before.is_ok() && before != after {
                let key = String::from_utf8_lossy(key);
                self.fail(format!("{key} was {before:?} and is {after:?}; {:?}", db.open_report()));
            }
        }
    }
}

fn flip_every_bit(hints: bool) {
    let (since, cases) = (Instant::now(), Counter::default());
    for golden in &goldens() {
        let disk = golden.disk(hints);
        for (path, bytes) in disk.files() {
            let is_data = path.extension().is_some_and(|e| e == "data");
            let records = if is_data { records(&bytes) } else { Vec::new() };
            parallel(bytes.len(), |offset| {
                let hit = records.iter().find(|r| (r.offset..r.end()).contains(&(offset as u64)));
                let key = hit.map(|r| &r.key[..]).filter(|key| !key.is_empty());
                let cost = if is_data { Cost::Record(key) } else { Cost::Nothing };
                for bit in 0..8 {
                    let disk = disk.copy();
                    disk.flip_bit(&path, offset as u64, bit);
                    let what = || format!("bit {bit} of byte {offset} of {}, hints {hints}", path.display());
                    Case { golden, disk: &disk, turn: offset * 9 + usize::from(bit), cost, what: &what }.check();
                }
            });
            cases.add(bytes.len() * 8);
        }
    }
    let with = if hints { "with" } else { "without" };
    report("bit_damage", format!("{} bits {with} hints", cases.get()), since);
}

#[test]
fn every_bit_without_hints() {
    flip_every_bit(false);
}

#[test]
fn every_bit_with_hints() {
    flip_every_bit(true);
}

const BLOCK: usize = 512;

#[test]
fn every_length_and_blocks_that_are_zero_or_elsewhere() {
    let (since, cases) = (Instant::now(), Counter::default());
    for golden in &goldens() {
        for hints in [true, false] {
            let (disk, last) = (golden.disk(hints), golden.last_file());
            let cost = |path: &Path| match path.extension() {
                Some(e) if e == "data" => {
                    if path == last {
                        Cost::Tail
                    } else {
                        Cost::Reported
                    }
                }
                _ => Cost::Nothing,
            };
            let check = |turn: usize, cost: Cost<'_>, what: &dyn Fn() -> String, damage: &dyn Fn(&SimVfs)| {
                let disk = disk.copy();
                damage(&disk);
                Case { golden, disk: &disk, turn, cost, what }.check();
                cases.add(1);
            };
            let mut blocks = Vec::new();
            for (path, bytes) in disk.files() {
                let starts = (0..bytes.len()).step_by(BLOCK);
                blocks.extend(
                    starts.map(|at| (path.clone(), at as u64, bytes[at..bytes.len().min(at + BLOCK)].to_vec())),
                );
                parallel(bytes.len(), |len| {
                    let what = || format!("{} is cut to {len} bytes, hints {hints}", path.display());
                    for turn in [len, len + 3] {
                        check(turn, cost(&path), &what, &|disk| disk.truncate(&path, len as u64));
                    }
                });
            }
            parallel(blocks.len(), |a| {
                let (path, at, bytes) = &blocks[a];
                let what = || format!("zeros at {at} of {}, hints {hints}", path.display());
                for turn in 0..20 {
                    check(turn, cost(path), &what, &|disk| disk.overwrite(path, *at, &vec![0; bytes.len()]));
                }
                for (b, (other, other_at, other_bytes)) in blocks.iter().enumerate().skip(a + 1) {
                    let len = bytes.len().min(other_bytes.len());
                    let what = || format!("{path:?} at {at} and {other:?} at {other_at} swapped, hints {hints}");
                    let swap = |disk: &SimVfs| {
                        disk.overwrite(path, *at, &other_bytes[..len]);
                        disk.overwrite(other, *other_at, &bytes[..len]);
                    };
                    let cost = match (cost(path), cost(other)) {
                        (Cost::Nothing, Cost::Nothing) => Cost::Nothing,
                        _ => Cost::Reported,
                    };
                    check(a + b, cost, &what, &swap);
                    check(a + b + 3, cost, &what, &swap);
                }
            });
        }
    }
    report("bit_damage", format!("{} lengths and blocks", cases.get()), since);
}

#[test]
fn hints_that_are_old_or_of_something_else() {
    let (since, cases, goldens) = (Instant::now(), Counter::default(), goldens());
    let all: Vec<_> =
        goldens.iter().flat_map(|g| files_with(&g.disk, "hint").into_iter().chain(g.stale.clone())).collect();
    for golden in &goldens {
        let data = data_files(&golden.disk);
        parallel(all.len(), |i| {
            let (from, hint) = &all[i];
            for (file, bytes) in &data {
                for (turn, planted) in [hint, &hint[..hint.len() - 1].to_vec(), bytes].into_iter().enumerate() {
                    let disk = golden.disk(i.is_multiple_of(2));
                    disk.plant(&file.with_extension("hint"), planted);
                    let what = || format!("{} as the hint of {}, {turn}", from.display(), file.display());
                    for turn in [i, i + 1, i + 2, i + 3, turn * 7 + 3, turn * 14 + 10] {
                        let disk = disk.copy();
                        Case { golden, disk: &disk, turn, cost: Cost::Nothing, what: &what }.check();
                        cases.add(1);
                    }
                }
            }
        });
    }
    report("bit_damage", format!("{} foreign hints", cases.get()), since);
}
