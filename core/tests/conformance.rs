//! Runs the conformance cases of `tests/conformance/` through the public API. Their language is defined in the README
//! there; this file knows that language and this API, and no case.

#![allow(clippy::print_stdout, missing_docs)]

#[path = "conformance/language.rs"]
mod language;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bitcask::{
    Batch, Db, Durability, EntryPage, Error, IndexKind, IoKind, Iter, IterOptions, OnDamage, Options, Value, ValuePage,
    WriteOptions,
};
use language::{Case, Item, Op, bytes, generated, word};

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

struct Open {
    db: Db,
    closed: bool,
    options: Vec<(String, String)>,
}

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
    iters: HashMap<String, Cursor>,
    values: HashMap<String, Value>,
}

impl Runner {
    fn new(root: &Path, combination: Combination, reuse: bool) -> Runner {
        Runner {
            root: root.to_owned(),
            combination,
            reuse,
            stores: HashMap::new(),
            batches: HashMap::new(),
            iters: HashMap::new(),
            values: HashMap::new(),
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
        self.batches.clear();
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
            "open" => return self.open(op, op.options.clone()),
            "reopen" => return self.reopen(op),
            "flip" => return self.flip(op),
            name if name.starts_with("batch_") => return self.batch(op),
            name if name.starts_with("iter_") => return self.step(op),
            "held" => {
                let value = self.values.get(op.object("v")).ok_or("no such value")?;
                return Ok(Ok(vec![Item::Bytes(value.to_vec())]));
            }
            "release" => {
                self.values.remove(op.object("v")).ok_or("no such value")?;
                return ok(Ok(()));
            }
            _ => {}
        }
        let name = if op.name == "hold" { op.option("of").unwrap_or("db") } else { op.object("db") };
        let db = self.stores.get(name).ok_or("no such store")?.db.clone();
        let sync = WriteOptions::new().sync(true);
        Ok(match op.name.as_str() {
            "close" => {
                let closed = db.close();
                self.stores.get_mut(name).ok_or("no such store")?.closed = true;
                return ok(closed);
            }
            "put" => return ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| db.put(k, v))),
            "put_sync" => return ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| db.put_with(k, v, sync))),
            "get" => self
                .lend(op.bytes(0)?, |k| db.get(k))
                .map(|v| vec![v.map_or(word("NOT_FOUND"), |v| Item::Bytes(v.into_vec()))]),
            "hold" => match self.lend(op.bytes(0)?, |k| db.get(k)) {
                Ok(Some(value)) => {
                    self.values.insert(op.object("v").to_owned(), value);
                    return ok(Ok(()));
                }
                Ok(None) => Ok(vec![word("NOT_FOUND")]),
                Err(error) => Err(error),
            },
            "get_into" => {
                let mut buffer = vec![0x55; op.number(1)?];
                let found = self.lend(op.bytes(0)?, |k| db.get_into(k, &mut buffer));
                found.map(|len| match len {
                    None => vec![word("NOT_FOUND")],
                    Some(len) if len > buffer.len() => vec![word("BUFFER_TOO_SMALL"), word(&len.to_string())],
                    Some(len) => vec![Item::Bytes(buffer[..len].to_vec())],
                })
            }
            "value_size" => {
                self.lend(op.bytes(0)?, |k| db.value_size(k)).map(|size| size.map_or(vec![word("NOT_FOUND")], number))
            }
            "multi_get" => {
                let keys = op.all_bytes()?;
                return Ok(self
                    .multi_get(&db, keys)
                    .map(|values| list(values.into_iter().map(|value| value.map_or(word("NOT_FOUND"), Item::Bytes)))));
            }
            "multi_filled" => {
                let (count, prefix, len) = (op.number(0)?, op.bytes(1)?, op.number(2)?);
                let keys = (0..count).map(|i| filled_key(&prefix, i)).collect();
                self.multi_get(&db, keys).map(|values| {
                    let same = |(i, value): (usize, &Option<Vec<u8>>)| *value == Some(generated(i as u64, len));
                    number(values.iter().enumerate().filter(|value| same(*value)).count() as u64)
                })
            }
            "first" => db.first().map(one),
            "last" => db.last().map(one),
            "count_range" => db.count(&self.iter_options(op)?).map(number),
            "random_key" => {
                let mut seen = HashSet::new();
                for _ in 0..op.number(0)? {
                    match db.random_key() {
                        Ok(Some(key)) => seen.insert(key),
                        Ok(None) => return Ok(Ok(vec![word("NOT_FOUND")])),
                        Err(error) => return Ok(Err(error)),
                    };
                }
                for key in &seen {
                    if !db.contains(key).map_err(|e| e.to_string())? {
                        return Err(format!("the random key {} is not there", language::hex(key)));
                    }
                }
                Ok(number(seen.len() as u64))
            }
            "contains" => self.lend(op.bytes(0)?, |k| db.contains(k)).map(yes_no),
            "delete" => self.lend(op.bytes(0)?, |k| db.delete(k)).map(yes_no),
            "delete_sync" => self.lend(op.bytes(0)?, |k| db.delete_with(k, sync)).map(yes_no),
            "len" => db.len().map(number),
            "sync" => return ok(db.sync()),
            "stat" => {
                let stats = match db.stats() {
                    Ok(stats) => stats,
                    Err(error) => return Ok(Err(error)),
                };
                Ok(number(match op.argument(0)? {
                    "keys" => stats.keys,
                    "files" => stats.files,
                    "mapped_files" => stats.mapped_files,
                    "data_bytes" => stats.data_bytes,
                    "index_bytes" => stats.index_bytes,
                    "last_seq" => stats.last_seq,
                    "damaged_places" => stats.damaged_places,
                    "damaged_bytes" => stats.damaged_bytes,
                    other => return Err(format!("unknown figure {other}")),
                }))
            }
            "iter" => {
                let options = self.iter_options(op)?;
                let keys_only = op.yes("keys_only")?;
                db.iter(&options).and_then(|iter| {
                    let records = iter.collect::<Result<Vec<_>, _>>()?;
                    Ok(list(records.into_iter().map(|(key, value)| record(key, value.into_vec(), keys_only))))
                })
            }
            "count" => return self.count(op, &db),
            "fill" => {
                let (count, prefix, len) = (op.number(0)?, op.bytes(1)?, op.number(2)?);
                return ok((0..count).try_for_each(|i| {
                    self.lend2(filled_key(&prefix, i), generated(i as u64, len), |k, v| db.put(k, v))
                }));
            }
            "filled" => {
                let (count, prefix, len) = (op.number(0)?, op.bytes(1)?, op.number(2)?);
                let mut same = 0;
                for i in 0..count {
                    match self.lend(filled_key(&prefix, i), |k| db.get(k)) {
                        Ok(value) => same += u64::from(value.is_some_and(|v| *v == *generated(i as u64, len))),
                        Err(error) => return Ok(Err(error)),
                    }
                }
                Ok(number(same))
            }
            other => return Err(format!("unknown operation {other}")),
        })
    }

    /// Both forms of the call, which must agree. The keys' buffers are overwritten before the results are looked at.
    fn multi_get(&self, db: &Db, mut keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut page = ValuePage::new();
        let (values, copied) = (db.multi_get(&keys), db.multi_get_into(&keys, &mut page));
        if self.reuse {
            keys.iter_mut().for_each(|key| key.fill(0xaa));
        }
        let values: Vec<_> = values?.into_iter().map(|value| value.map(Value::into_vec)).collect();
        copied?;
        let same = page.len() == values.len() && page.iter().zip(&values).all(|(a, b)| a == b.as_deref());
        assert!(same, "multi_get and multi_get_into differ");
        Ok(values)
    }

    fn open(&mut self, op: &Op, chosen: Vec<(String, String)>) -> Result<Outcome, String> {
        let mut options = Options::new().index(KINDS[self.combination.kind].1).io(IO_KINDS[self.combination.io].1);
        let (mut dir, mut interval) = ("store", (None, None));
        for (name, value) in &chosen {
            options = match (name.as_str(), value.as_str()) {
                ("dir", value) => {
                    dir = value;
                    options
                }
                ("index", "next") => options.index(KINDS[(self.combination.kind + 1) % KINDS.len()].1),
                ("index", name) => {
                    let kind = KINDS.iter().find(|(known, _)| *known == name);
                    options.index(kind.ok_or_else(|| format!("unknown kind {name}"))?.1)
                }
                ("io", "mmap") => options.io(IoKind::Mmap),
                ("io", "file") => options.io(IoKind::File),
                ("index_budget", n) => options.index_budget(language::number(n)?),
                ("sort_budget", n) => options.sort_budget(language::number(n)?),
                ("durability", "none") => options.durability(Durability::None),
                ("durability", "always") => options.durability(Durability::Always),
                ("durability", "interval") => options,
                ("interval_ms", n) => {
                    interval.0 = Some(language::number(n)?);
                    options
                }
                ("interval_bytes", n) => {
                    interval.1 = Some(language::number(n)?);
                    options
                }
                ("max_file_size", n) => options.max_file_size(language::number(n)?),
                ("create", _) => options.create_if_missing(language::yes(value)?),
                ("read_only", _) => options.read_only(language::yes(value)?),
                ("verify", _) => options.verify_checksums(language::yes(value)?),
                ("on_damage", "refuse") => options.on_damage(OnDamage::Refuse),
                ("on_damage", "serve") => options.on_damage(OnDamage::Serve),
                _ => return Err(format!("unknown option {name}={value}")),
            };
        }
        match interval {
            (Some(ms), Some(bytes)) => {
                options = options.durability(Durability::Interval { every: Duration::from_millis(ms), bytes });
            }
            (None, None) => {}
            _ => return Err("interval_ms and interval_bytes go together".to_owned()),
        }
        match Db::open(self.root.join(dir), &options) {
            Ok(db) => {
                self.stores.insert(op.object("db").to_owned(), Open { db, closed: false, options: chosen.clone() });
                ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn reopen(&mut self, op: &Op) -> Result<Outcome, String> {
        let open = self.stores.get_mut(op.object("db")).ok_or("no such store")?;
        let mut options = open.options.clone();
        // A later option overrides an earlier one, but a durability does not override a limit's.
        if op.option("durability").is_some() {
            options.retain(|(name, _)| !name.starts_with("interval_"));
        }
        options.retain(|(name, _)| op.option(name).is_none());
        options.extend(op.options.iter().cloned());
        let closed = open.db.close();
        open.closed = true;
        match closed {
            Ok(()) => self.open(op, options),
            Err(error) => Ok(Err(error)),
        }
    }

    fn iter_options(&self, op: &Op) -> Result<IterOptions, String> {
        let mut options = IterOptions::new();
        for (name, value) in op.options.iter().filter(|(name, _)| name != "of") {
            options = match name.as_str() {
                "prefix" => self.lend(bytes(value)?, |b| options.prefix(b)),
                "ge" => self.lend(bytes(value)?, |b| options.start(Bound::Included(b))),
                "gt" => self.lend(bytes(value)?, |b| options.start(Bound::Excluded(b))),
                "le" => self.lend(bytes(value)?, |b| options.end(Bound::Included(b))),
                "lt" => self.lend(bytes(value)?, |b| options.end(Bound::Excluded(b))),
                "reverse" => options.reverse(language::yes(value)?),
                "limit" => options.limit(language::number(value)?),
                "keys_only" => options.keys_only(language::yes(value)?),
                _ => return Err(format!("unknown option {name}={value}")),
            };
        }
        Ok(options)
    }

    /// Page by page, so that both ways of reading an iterator are run.
    fn count(&self, op: &Op, db: &Db) -> Result<Outcome, String> {
        let (options, reverse) = (self.iter_options(op)?, op.yes("reverse")?);
        let (mut page, mut count, mut last) = (EntryPage::new(), 0, None::<Vec<u8>>);
        let mut iter = match db.iter(&options) {
            Ok(iter) => iter,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            if let Err(error) = iter.next_page(&mut page, 100, 64 << 10) {
                return Ok(Err(error));
            }
            if page.is_empty() {
                return Ok(Ok(number(count)));
            }
            for i in 0..page.len() {
                let (key, _) = page.get(i).ok_or("a page is shorter than it says")?;
                if last.as_deref().is_some_and(|last| if reverse { key >= last } else { key <= last }) {
                    return Err(format!("wrong order at {}", language::hex(key)));
                }
                last = Some(key.to_vec());
                count += 1;
            }
        }
    }

    fn batch(&mut self, op: &Op) -> Result<Outcome, String> {
        let name = op.object("b").to_owned();
        if op.name == "batch_new" {
            let store = self.stores.get(op.option("of").unwrap_or("db")).ok_or("no such store")?;
            self.batches.insert(name, store.db.batch());
            return ok(Ok(()));
        }
        // Taken out for the call, so that buffers can be lent meanwhile.
        let mut batch = self.batches.remove(&name).ok_or("no such batch")?;
        let outcome = match op.name.as_str() {
            "batch_free" => return ok(Ok(())),
            "batch_put" => ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| batch.put(k, v))),
            "batch_delete" => ok(self.lend(op.bytes(0)?, |k| batch.delete(k))),
            "batch_clear" => ok(batch.clear()),
            "batch_len" => Ok(Ok(number(batch.len() as u64))),
            "batch_commit" => ok(batch.commit()),
            "batch_commit_sync" => ok(batch.commit_with(WriteOptions::new().sync(true))),
            "batch_fill" => {
                let (count, prefix, len) = (op.number(0)?, op.bytes(1)?, op.number(2)?);
                ok((0..count).try_for_each(|i| {
                    self.lend2(filled_key(&prefix, i), generated(i as u64, len), |k, v| batch.put(k, v))
                }))
            }
            other => Err(format!("unknown operation {other}")),
        };
        self.batches.insert(name, batch);
        outcome
    }

    fn step(&mut self, op: &Op) -> Result<Outcome, String> {
        let name = op.object("it").to_owned();
        if op.name == "iter_open" {
            let db = &self.stores.get(op.option("of").unwrap_or("db")).ok_or("no such store")?.db;
            return match db.iter(&self.iter_options(op)?) {
                Ok(iter) => {
                    self.iters.insert(name, Cursor { iter, keys_only: op.yes("keys_only")? });
                    ok(Ok(()))
                }
                Err(error) => Ok(Err(error)),
            };
        }
        let mut cursor = self.iters.remove(&name).ok_or("no such iterator")?;
        let outcome = match op.name.as_str() {
            "iter_free" => return ok(Ok(())),
            "iter_next" => {
                let records = cursor.iter.by_ref().take(op.number(0)?).collect::<Result<Vec<_>, _>>();
                Ok(records.map(|records| {
                    list(records.into_iter().map(|(key, value)| record(key, value.into_vec(), cursor.keys_only)))
                }))
            }
            "iter_seek" => {
                self.lend(op.bytes(0)?, |k| cursor.iter.seek(k));
                ok(Ok(()))
            }
            "iter_rewind" => {
                cursor.iter.rewind();
                ok(Ok(()))
            }
            other => Err(format!("unknown operation {other}")),
        };
        self.iters.insert(name, cursor);
        outcome
    }

    fn flip(&self, op: &Op) -> Result<Outcome, String> {
        let (wanted, dir) = (op.bytes(0)?, self.root.join(op.option("dir").unwrap_or("store")));
        let mut places = 0;
        for id in 1..=64 {
            let path = dir.join(format!("{id}.data"));
            let Ok(contents) = fs::read(&path) else { continue };
            for at in (0..contents.len()).filter(|&at| contents[at..].starts_with(&wanted)) {
                language::flip_lowest_bit(&path, at as u64, contents[at]).map_err(|e| e.to_string())?;
                places += 1;
            }
        }
        Ok(Ok(number(places)))
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

fn one(found: Option<(Vec<u8>, Value)>) -> Vec<Item> {
    vec![found.map_or(word("NOT_FOUND"), |(key, value)| Item::Pair(key, value.into_vec()))]
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
