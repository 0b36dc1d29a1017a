//! Runs the conformance cases of `tests/conformance/` through the public API. Their language is defined in the README
//! there; this file runs cases under each combination of kinds, those beside it know the operations on each kind of object, and none
//! knows a case.

#![allow(clippy::print_stdout, missing_docs)]

#[path = "conformance/atomic.rs"]
mod atomic;
#[path = "conformance/bulk.rs"]
mod bulk;
#[path = "conformance/durable.rs"]
mod durable;
#[path = "conformance/expiry.rs"]
mod expiry;
#[path = "conformance/language.rs"]
mod language;
#[path = "conformance/merge.rs"]
mod merge;
#[path = "conformance/open.rs"]
mod open;
#[path = "conformance/reads.rs"]
mod reads;
#[path = "conformance/snapshot.rs"]
mod snapshot;
#[path = "conformance/store.rs"]
mod store;
#[path = "conformance/transaction.rs"]
mod transaction;
#[path = "conformance/writes.rs"]
mod writes;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use bitcask::{Batch, BulkLoader, Error, IndexKind, IoKind, Iter, Savepoint, Snapshot, Transaction, Value};
use durable::Queued;
use language::{Case, Item, Op, word};
use open::Open;

/// The kinds of index by name; `index=next` goes on to the next of the list.
const KINDS: &[(&str, IndexKind)] = &[
    ("btree", IndexKind::BTree),
    ("hash", IndexKind::Hash),
    ("art", IndexKind::Art),
    ("skiplist", IndexKind::SkipList),
    ("bptree", IndexKind::BPTree),
];

const IO_KINDS: [(&str, IoKind); 2] = [("mmap", IoKind::Mmap), ("file", IoKind::File)];

/// What a case is run under.
#[derive(Clone, Copy)]
struct Combination {
    /// Position in [`KINDS`].
    kind: usize,
    /// Position in [`IO_KINDS`].
    io: usize,
}

impl Combination {
    fn all() -> impl Iterator<Item = Combination> {
        (0..KINDS.len()).flat_map(|kind| (0..IO_KINDS.len()).map(move |io| Combination { kind, io }))
    }

    fn kind_name(self) -> &'static str {
        KINDS[self.kind].0
    }

    fn io_name(self) -> &'static str {
        IO_KINDS[self.io].0
    }

    fn runs(self, case: &Case) -> bool {
        let allows = |option: &str, name: &str| {
            case.options.iter().find(|(option_, _)| option_ == option).is_none_or(|(_, value)| value == name)
        };
        let has_order = self.kind_name() != "hash";
        allows("index", self.kind_name()) && allows("io", self.io_name()) && (has_order || !case.has("ordered"))
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind_name(), self.io_name())
    }
}

#[test]
fn cases() {
    run_all(false);
}

#[test]
fn large_cases() {
    run_all(true);
}

/// A runner that passes a wrong case does not look.
#[test]
fn wrong_cases_fail() {
    let (passed, failures) = run_cases("wrong", Combination { kind: 0, io: 0 }, false);
    assert!(passed == 0 && failures.len() > 30, "{passed} passed");
}

/// Large cases one combination after the other: each needs much memory.
fn run_all(large: bool) {
    let run = |combination| {
        let (passed, failures) = run_cases("", combination, large);
        failures.iter().for_each(|failure| println!("{failure}"));
        println!("{combination}: {passed} passed, {} failed", failures.len());
        assert!(failures.is_empty() && passed > 0, "{} failed under {combination}", failures.len());
    };
    if large {
        return Combination::all().for_each(run);
    }
    std::thread::scope(|scope| {
        Combination::all().for_each(|combination| {
            scope.spawn(move || run(combination));
        });
    });
}

fn run_cases(folder: &str, combination: Combination, large: bool) -> (usize, Vec<String>) {
    let name = format!("{combination} {large} {folder}").replace(' ', "-");
    let root = std::env::temp_dir().join(format!("bitcask-conformance-{}-{name}", std::process::id()));
    let (mut passed, mut failures) = (0, Vec::new());
    let cases = language::read_cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance").join(folder));
    for case in &cases {
        if case.has("large") != large || !combination.runs(case) {
            continue;
        }
        fs::remove_dir_all(&root).ok();
        fs::create_dir(&root).expect("a directory for the case");
        let mut runner = Runner::new(&root, combination, case.has("reuse"));
        match runner.case(case).and_then(|()| runner.finish(case)) {
            Ok(()) => passed += 1,
            Err(failure) => {
                failures.push(failure);
                runner.finish(case).ok();
            }
        }
    }
    fs::remove_dir_all(&root).ok();
    (passed, failures)
}

/// A result is a list of items, or an error of the engine; a problem with the case itself is a panic's text.
type Outcome = Result<Vec<Item>, Error>;

struct Cursor {
    iter: Iter,
    keys_only: bool,
}

struct Runner {
    root: PathBuf,
    combination: Combination,
    reuse: bool,
    stores: HashMap<String, Open>,
    batches: HashMap<String, Batch>,
    /// `None`: it was finished, which the API lets nobody do twice.
    loads: HashMap<String, Option<BulkLoader>>,
    snapshots: HashMap<String, Snapshot>,
    transactions: HashMap<String, Transaction>,
    iters: HashMap<String, Cursor>,
    values: HashMap<String, Value>,
    queued: HashMap<String, Queued>,
    /// Sequence numbers that a case gave names.
    numbers: HashMap<String, u64>,
    savepoints: HashMap<String, Savepoint>,
}

impl Runner {
    fn new(root: &Path, combination: Combination, reuse: bool) -> Runner {
        Runner {
            root: root.to_owned(),
            combination,
            reuse,
            stores: HashMap::new(),
            batches: HashMap::new(),
            loads: HashMap::new(),
            snapshots: HashMap::new(),
            transactions: HashMap::new(),
            iters: HashMap::new(),
            values: HashMap::new(),
            queued: HashMap::new(),
            numbers: HashMap::new(),
            savepoints: HashMap::new(),
        }
    }

    fn case(&mut self, case: &Case) -> Result<(), String> {
        for op in &case.ops {
            let got = match self.run(op) {
                Ok(outcome) => outcome.unwrap_or_else(|error| vec![word(error.status().name())]),
                Err(problem) => vec![word(&format!("<{problem}>"))],
            };
            if !language::equal(&got, op.expected("rust")) {
                return Err(format!(
                    "{}:{}: {} [{}]: {}: got {}, expected {}",
                    case.file,
                    op.line,
                    case.name,
                    self.combination,
                    op.text,
                    language::show(&got),
                    language::shorten(&op.expected("rust").join(" "))
                ));
            }
        }
        Ok(())
    }

    /// Frees what the case left open: children first, then the stores.
    fn finish(&mut self, case: &Case) -> Result<(), String> {
        self.iters.clear();
        self.transactions.clear();
        self.snapshots.clear();
        self.batches.clear();
        self.loads.clear();
        self.queued.values_mut().for_each(Queued::wait);
        self.queued.clear();
        self.values.clear();
        for (name, open) in self.stores.drain() {
            if !open.closed {
                open.db.close().map_err(|e| format!("{}: {}: closing {name} at the end: {e}", case.file, case.name))?;
            }
        }
        Ok(())
    }

    /// Lends bytes to a call from a buffer that, if the case says so, is overwritten as soon as the call has returned.
    fn lend<R>(&self, data: Vec<u8>, call: impl FnOnce(&[u8]) -> R) -> R {
        let mut buffer = data;
        let result = call(&buffer);
        if self.reuse {
            buffer.fill(0xaa);
            std::hint::black_box(&buffer);
        }
        result
    }

    fn lend2<R>(&self, a: Vec<u8>, b: Vec<u8>, call: impl FnOnce(&[u8], &[u8]) -> R) -> R {
        self.lend(a, |a| self.lend(b, |b| call(a, b)))
    }

    fn run(&mut self, op: &Op) -> Result<Outcome, String> {
        match op.name.as_str() {
            "open" => self.open(op, op.options.clone()),
            "reopen" => self.reopen(op),
            "close" => self.close(op),
            "flip" => self.flip(op),
            "hold" | "held" | "release" => self.value(op),
            "batch_commit_seq" => self.numbered(op),
            name if name.starts_with("batch_") => self.batch(op),
            name if name.starts_with("bulk_") => self.bulk(op),
            name if name.starts_with("snapshot_") => self.snapshot(op),
            name if name.starts_with("txn_") => self.transaction(op),
            name if name.starts_with("iter_") => self.step(op),
            name if name.starts_with("async_") || name == "outcome" => self.queue(op),
            "put_seq" | "delete_seq" | "last_seq" | "durable_seq" | "compare" | "wait_durable" => self.numbered(op),
            "compare_and_swap" | "put_if_absent" | "fetch_add" | "update_append" | "update_delete" => self.atomic(op),
            "put_ttl"
            | "put_if_absent_ttl"
            | "compare_and_swap_ttl"
            | "fetch_add_ttl"
            | "expire"
            | "persist"
            | "ttl"
            | "sweep"
            | "await_gone" => self.expiry(op),
            name if name.starts_with("merge") || name.starts_with("file_") => self.merge(op),
            _ => self.store(op),
        }
    }
}

fn ok(result: Result<(), Error>) -> Result<Outcome, String> {
    Ok(result.map(|()| vec![word("OK")]))
}

fn yes_no(yes: bool) -> Vec<Item> {
    vec![word(if yes { "yes" } else { "no" })]
}

fn number(n: u64) -> Vec<Item> {
    vec![word(&n.to_string())]
}

fn value_or_not(value: Option<Value>) -> Vec<Item> {
    vec![value.map_or(word("NOT_FOUND"), |value| Item::Bytes(value.into_vec()))]
}

fn record(key: Vec<u8>, value: Vec<u8>, keys_only: bool) -> Item {
    if keys_only && value.is_empty() { Item::Bytes(key) } else { Item::Pair(key, value) }
}

fn list(items: impl Iterator<Item = Item>) -> Vec<Item> {
    let items: Vec<_> = items.collect();
    if items.is_empty() { vec![word("none")] } else { items }
}

fn filled_key(prefix: &[u8], i: usize) -> Vec<u8> {
    [prefix, &(i as u32).to_be_bytes()].concat()
}
