//! Random histories of everything that a program can do, against a `BTreeMap`.
//!
//! Each combination of an index kind and an I/O kind has as many histories. Each runs under some set of options, with closings and kills, and keys that are made to be
//! confused: prefixes of each other and runs of 0x00 and 0xFF. Checked: every answer; iterators over every kind of range, in
//! both directions, by record and by page; iterators and snapshots held across writes show the moment of their creation (P8),
//! and iterators made from a snapshot that of the snapshot; batches and transactions read their own writes, range deletes and
//! rollbacks included; a transaction's commit is refused exactly if something that it read was changed.
//!
//! `BITCASK_MODEL_CASES=n` sets the number of histories a combination. A history that fails is shown at its shortest;
//! `PROPTEST_RNG_SEED` repeats a run.

mod common;
#[path = "model/steps.rs"]
mod steps;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Instant;

use proptest::collection::vec;
use proptest::test_runner::{Config, TestRunner};

use bitcask::vfs::sim::SimVfs;
use bitcask::{
    Batch, BulkOptions, Db, EntryPage, Error, IndexKind, IoKind, Iter, IterOptions, Options, Savepoint, Snapshot,
    Transaction, Value, ValuePage, WriteOptions,
};

use common::{Counter, Map, factor, number_from_env, open, report};
use steps::{Act, Key, Range, Step, options, step};

/// An iterator, the state at its creation and what is still to come.
struct Held {
    iter: Iter,
    range: Range,
    state: Map,
    rest: std::vec::IntoIter<(Key, Vec<u8>)>,
}

impl Held {
    fn new(db: &Db, range: &Range, state: &Map) -> Held {
        Held::over(db.iter(&range.options()).expect("an iterator"), range, state)
    }

    fn over(iter: Iter, range: &Range, state: &Map) -> Held {
        Held { iter, range: range.clone(), state: state.clone(), rest: range.of(state, None).into_iter() }
    }

    fn seek(&mut self, key: Option<&Key>) {
        match key {
            Some(key) => self.iter.seek(key),
            None => self.iter.rewind(),
        }
        self.rest = self.range.of(&self.state, key).into_iter();
    }

    /// Whether there is more.
    fn record(&mut self) -> bool {
        let got = self.iter.next().map(|record| record.expect("a record"));
        let want = self.rest.next();
        assert_eq!(
            got.as_ref().map(|(key, value)| (&key[..], &value[..])),
            want.as_ref().map(|(k, v)| (&k[..], &v[..]))
        );
        want.is_some()
    }

    fn page(&mut self, records: usize, bytes: usize) -> bool {
        let mut page = EntryPage::new();
        self.iter.next_page(&mut page, records, bytes).expect("a page");
        assert!(page.len() <= records, "{} records in a page of {records}", page.len());
        assert!(records == 0 || page.is_empty() == self.rest.as_slice().is_empty(), "an empty page is the end");
        for (key, value) in page.iter() {
            let want = self.rest.next();
            assert_eq!(Some((key, value)), want.as_ref().map(|(k, v)| (&k[..], &v[..])));
        }
        !page.is_empty()
    }
}

/// What a batch or transaction has written: its effect on any state is that of doing it all in order.
#[derive(Default)]
struct Own {
    done: Vec<Done>,
    marks: Vec<(Savepoint, usize)>,
}

enum Done {
    Put(Key, Vec<u8>),
    Delete(Key),
    DeleteRange(Range),
}

impl Own {
    fn over(&self, base: &Map) -> Map {
        let mut state = base.clone();
        for done in &self.done {
            match done {
                Done::Put(key, value) => _ = state.insert(key.clone(), value.clone()),
                Done::Delete(key) => _ = state.remove(key),
                Done::DeleteRange(range) => state.retain(|key, _| !range.covers(key, None)),
            }
        }
        state
    }

    /// Whether a read of the key gives what was written here.
    fn hides(&self, key: &Key) -> bool {
        self.done.iter().any(|done| match done {
            Done::Put(own, _) | Done::Delete(own) => own == key,
            Done::DeleteRange(range) => range.covers(key, None),
        })
    }

    /// The keys that are written and by no later range deleted.
    fn written(&self) -> BTreeMap<&Key, Option<&Vec<u8>>> {
        let mut written = BTreeMap::new();
        for done in &self.done {
            match done {
                Done::Put(key, value) => _ = written.insert(key, Some(value)),
                Done::Delete(key) => _ = written.insert(key, None),
                Done::DeleteRange(range) => written.retain(|key, _| !range.covers(key, None)),
            }
        }
        written
    }

    /// Keys whose records change when it is done over a state.
    fn changes(&self, base: &Map) -> Vec<Key> {
        let after = self.over(base);
        let written = self.written();
        let put = after.keys().filter(|key| matches!(written.get(key), Some(Some(_))));
        put.chain(base.keys().filter(|key| !after.contains_key(*key))).cloned().collect()
    }
}

fn whole() -> Range {
    let (start, end) = (Bound::Unbounded, Bound::Unbounded);
    Range { prefix: Vec::new(), start, end, reverse: false, limit: None, keys_only: false }
}

/// A transaction, the state at its beginning, and what it did.
struct Begun {
    txn: Transaction,
    base: Map,
    /// The number of changes of the store by then.
    begun: usize,
    own: Own,
    keys: Vec<Key>,
    /// Ranges with the place that the iterator was sent to and the last key that it gave; `None` if it came to the end.
    ranges: Vec<(Range, Option<Key>, Option<Key>)>,
}

impl Begun {
    /// Whether the commit rests on a key.
    fn has_read(&self, key: &Key) -> bool {
        self.keys.contains(key)
            || self.ranges.iter().any(|(range, seek, last)| {
                let passed = last.as_ref().is_none_or(|last| if range.reverse { key >= last } else { key <= last });
                range.covers(key, seek.as_ref()) && passed
            })
    }
}

/// A batch or a transaction, for what both can do.
enum Draft<'a> {
    Batch(&'a mut Batch),
    Txn(&'a mut Transaction),
}

macro_rules! draft {
    ($draft:expr, $method:ident($($argument:expr),*)) => {
        match $draft {
            Draft::Batch(batch) => batch.$method($($argument),*),
            Draft::Txn(txn) => txn.$method($($argument),*),
        }
    };
}

/// Does something in a batch or transaction over a state, checks what it says, and tells what was read: keys and ranges.
fn act_in(
    draft: &mut Draft<'_>,
    own: &mut Own,
    base: &Map,
    act: &Act,
    value: &mut dyn FnMut(usize) -> Vec<u8>,
    keys: &mut Vec<Key>,
    ranges: &mut Vec<(Range, Option<Key>, Option<Key>)>,
) {
    let state = own.over(base);
    match act {
        Act::Put(key, len) => {
            let value = value(*len);
            draft!(draft, put(key, &value)).expect("put");
            own.done.push(Done::Put(key.clone(), value));
        }
        Act::Delete(key) => {
            draft!(draft, delete(key)).expect("delete");
            own.done.push(Done::Delete(key.clone()));
        }
        Act::DeleteRange(start, end) => {
            let (s, e) = (start.as_ref().map(Vec::as_slice), end.as_ref().map(Vec::as_slice));
            draft!(draft, delete_range(s, e)).expect("delete_range");
            own.done.push(Done::DeleteRange(Range { start: start.clone(), end: end.clone(), ..whole() }));
        }
        Act::DeletePrefix(prefix) => {
            match draft {
                Draft::Batch(batch) if prefix.is_empty() => batch.delete_all(),
                Draft::Batch(batch) => batch.delete_prefix(prefix),
                Draft::Txn(txn) => txn.delete_prefix(prefix),
            }
            .expect("delete_prefix");
            own.done.push(Done::DeleteRange(Range { prefix: prefix.clone(), ..whole() }));
        }
        Act::Savepoint => {
            let mark = draft!(draft, savepoint()).expect("savepoint");
            own.marks.push((mark, own.done.len()));
        }
        Act::Rollback(which) if !own.marks.is_empty() => {
            let at = which.index(own.marks.len());
            let gone = own.marks.split_off(at + 1);
            let (mark, len) = own.marks[at];
            draft!(draft, rollback_to(mark)).expect("rollback");
            own.done.truncate(len);
            for (mark, _) in gone {
                assert!(matches!(draft!(draft, rollback_to(mark)), Err(Error::InvalidArgument { .. })));
            }
        }
        Act::Release(which) if !own.marks.is_empty() => {
            let gone = own.marks.split_off(which.index(own.marks.len()));
            draft!(draft, release(gone[0].0)).expect("release");
            for (mark, _) in gone {
                assert!(matches!(draft!(draft, rollback_to(mark)), Err(Error::InvalidArgument { .. })));
            }
        }
        Act::Rollback(_) | Act::Release(_) => {}
        Act::Get(key) => {
            let got = draft!(draft, get(key)).expect("get");
            assert_eq!(got.as_deref(), state.get(key).map(Vec::as_slice));
            if !own.hides(key) {
                keys.push(key.clone());
            }
        }
        Act::GetForUpdate(key) => {
            let got = match draft {
                Draft::Batch(batch) => batch.get(key),
                Draft::Txn(txn) => txn.get_for_update(key),
            };
            assert_eq!(got.expect("get").as_deref(), state.get(key).map(Vec::as_slice));
            keys.push(key.clone());
        }
        Act::Contains(key) => {
            if let Draft::Txn(txn) = draft {
                assert_eq!(txn.contains(key).expect("contains"), state.contains_key(key));
                if !own.hides(key) {
                    keys.push(key.clone());
                }
            }
        }
        Act::Iterate(range, seek, count) => {
            let mut held = Held::over(draft!(draft, iter(&range.options())).expect("an iterator"), range, &state);
            if seek.is_some() {
                held.seek(seek.as_ref());
            }
            let all = range.of(&state, seek.as_ref());
            let wanted = if *count == 0 { usize::MAX } else { usize::from(*count) };
            // A page that is as long as wanted, or one by one.
            let ended = if count % 2 == 0 && wanted < usize::MAX {
                wanted > 0 && held.page(wanted, usize::MAX) && all.len() < wanted
            } else {
                !(0..wanted).all(|_| held.record())
            };
            let given = wanted.min(all.len());
            // The limit is no end: what is behind it was not looked at.
            let ended = (ended || all.is_empty()) && range.limit.is_none_or(|limit| given < usize::from(limit));
            if ended {
                ranges.push((range.clone(), seek.clone(), None));
            } else if given > 0 {
                ranges.push((range.clone(), seek.clone(), Some(all[given - 1].0.clone())));
            }
        }
    }
    let size: usize = own.written().iter().map(|(key, value)| key.len() + value.map_or(0, Vec::len)).sum();
    assert_eq!(draft!(draft, len()), own.written().len());
    if let Draft::Batch(batch) = draft {
        assert_eq!(batch.byte_len(), size as u64);
    }
}

struct World {
    disk: SimVfs,
    db: Db,
    options: Options,
    state: Map,
    held: Vec<Held>,
    snapshots: Vec<(Snapshot, Map)>,
    txns: Vec<Begun>,
    /// Number of changes of keys, and of each key's last.
    changes: usize,
    changed: BTreeMap<Key, usize>,
    conflicts: usize,
    commits: usize,
    writes: usize,
    steps: usize,
    /// After so many steps what is in the files is counted anew, which takes longer than the steps.
    counts_every: usize,
}

impl World {
    fn new(options: Options) -> World {
        let disk = SimVfs::new(11);
        disk.set_maps(true);
        let db = open(disk.clone(), &options).expect("a new store");
        World {
            disk,
            db,
            options,
            state: Map::new(),
            held: Vec::new(),
            snapshots: Vec::new(),
            txns: Vec::new(),
            changes: 0,
            changed: BTreeMap::new(),
            conflicts: 0,
            commits: 0,
            writes: 0,
            steps: 0,
            counts_every: 8,
        }
    }

    fn value(&mut self, len: usize) -> Vec<u8> {
        number(&mut self.writes, len)
    }

    /// Notes that keys were changed.
    fn note(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.changes += 1;
        self.changed.extend(keys.into_iter().map(|key| (key, self.changes)));
    }

    fn commit_txn(&mut self, mut held: Begun, sync: bool) {
        let is_stale = |(key, at): (&Key, &usize)| *at > held.begun && held.has_read(key);
        let conflict = self.changed.iter().any(is_stale) && !held.txn.is_empty();
        let outcome = held.txn.commit_with(WriteOptions::new().sync(sync));
        if conflict {
            assert!(matches!(outcome, Err(Error::Conflict)), "{outcome:?} where something read was changed");
            self.conflicts += 1;
        } else {
            outcome.expect("nothing that was read has changed");
            self.note(held.own.changes(&self.state));
            self.state = held.own.over(&self.state);
            self.commits += 1;
        }
        assert!(matches!(held.txn.commit(), Err(Error::TransactionFinished)));
        assert!(matches!(held.txn.get(b"a"), Err(Error::TransactionFinished)));
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Put(key, len, sync) => {
                let value = self.value(*len);
                self.db.put_with(key, &value, WriteOptions::new().sync(*sync)).expect("put");
                self.state.insert(key.clone(), value);
                self.note([key.clone()]);
            }
            Step::Delete(key, sync) => {
                let existed = self.db.delete_with(key, WriteOptions::new().sync(*sync)).expect("delete");
                assert_eq!(existed, self.state.remove(key).is_some());
                if existed {
                    self.note([key.clone()]);
                }
            }
            Step::Batch(changes, sync) => {
                let (mut batch, mut own) = (self.db.batch(), Own::default());
                for (key, len) in changes {
                    if let Some(len) = len {
                        let value = self.value(*len);
                        batch.put(key, &value).expect("put");
                        own.done.push(Done::Put(key.clone(), value));
                    } else {
                        batch.delete(key).expect("delete");
                        own.done.push(Done::Delete(key.clone()));
                    }
                }
                self.note(own.changes(&self.state));
                self.state = own.over(&self.state);
                batch.commit_with(WriteOptions::new().sync(*sync)).expect("commit");
                assert!(matches!(batch.commit(), Err(Error::BatchFinished)));
            }
            Step::FullBatch(acts) => {
                let (mut batch, mut own) = (self.db.batch(), Own::default());
                for act in acts {
                    let mut value = |len| number(&mut self.writes, len);
                    let (mut keys, mut ranges) = (Vec::new(), Vec::new());
                    act_in(
                        &mut Draft::Batch(&mut batch),
                        &mut own,
                        &self.state,
                        act,
                        &mut value,
                        &mut keys,
                        &mut ranges,
                    );
                }
                batch.commit().expect("commit");
                self.note(own.changes(&self.state));
                self.state = own.over(&self.state);
            }
            Step::Begin => self.txns.push(Begun {
                txn: self.db.transaction().expect("a transaction"),
                base: self.state.clone(),
                begun: self.changes,
                own: Own::default(),
                keys: Vec::new(),
                ranges: Vec::new(),
            }),
            Step::Within(which, acts) if !self.txns.is_empty() => {
                let Begun { txn, base, own, keys, ranges, .. } = which.get_mut(&mut self.txns);
                for act in acts {
                    let mut value = |len| number(&mut self.writes, len);
                    act_in(&mut Draft::Txn(txn), own, base, act, &mut value, keys, ranges);
                }
            }
            Step::Commit(which, sync) if !self.txns.is_empty() => {
                let held = self.txns.swap_remove(which.index(self.txns.len()));
                self.commit_txn(held, *sync);
            }
            Step::Abandon(which) if !self.txns.is_empty() => {
                let mut held = self.txns.swap_remove(which.index(self.txns.len()));
                if self.writes.is_multiple_of(2) {
                    held.txn.rollback().expect("rollback");
                    assert!(matches!(held.txn.put(b"a", b""), Err(Error::TransactionFinished)));
                }
            }
            Step::Within(..) | Step::Commit(..) | Step::Abandon(_) => {}
            Step::LeaveBatch(changes) => {
                let mut batch = self.db.batch();
                for (key, len) in changes {
                    batch.put(key, &vec![1; len.unwrap_or(0)]).expect("put");
                }
                if changes.len().is_multiple_of(2) {
                    batch.clear().expect("clear");
                    batch.commit().expect("an empty batch");
                }
            }
            Step::Load(pairs, atomic, sync, leave) => {
                let mut load = self.db.bulk_load(BulkOptions::new().atomic(*atomic).sync(*sync)).expect("a load");
                let mut loaded = Map::new();
                for (key, len) in pairs {
                    let value = self.value(*len);
                    load.put(key, &value).expect("put");
                    if *atomic {
                        let before = self.db.get(key).expect("get");
                        assert_eq!(before.as_deref(), self.state.get(key).map(Vec::as_slice), "seen too early");
                    }
                    if !leave {
                        loaded.insert(key.clone(), value);
                    }
                }
                if *leave {
                    drop(load);
                } else {
                    load.finish().expect("finish");
                }
                self.note(loaded.keys().cloned());
                self.state.extend(loaded);
            }
            Step::Sync => self.db.sync().expect("sync"),
            Step::Merge(set) => {
                let options = common::history::merge_options(&self.db, *set).expect("figures");
                self.db.merge(&options).expect("merge");
                common::check_accounts(&self.db);
            }
            Step::Reopen => {
                self.db.close().expect("close");
                assert!(matches!(self.db.get(b"a"), Err(Error::Closed)));
                for held in &mut self.txns {
                    assert!(matches!(held.txn.get(b"a"), Err(Error::Closed)) || held.own.hides(&b"a".to_vec()));
                    assert!(matches!(held.txn.commit(), Err(Error::Closed)));
                }
                for (snapshot, _) in &self.snapshots {
                    assert!(matches!(snapshot.get(b"a"), Err(Error::Closed)));
                    assert!(matches!(snapshot.len(), Err(Error::Closed)));
                    assert!(matches!(snapshot.iter(&IterOptions::new()), Err(Error::Closed)));
                }
                self.reopen(self.disk.clone());
            }
            Step::Kill => self.reopen(self.disk.kill()),
            Step::Get(key, len) => self.get(key, *len),
            Step::Iterate(range, seek, pages) => {
                let mut all = Held::new(&self.db, range, &self.state);
                assert_eq!(self.db.count(&range.options()).expect("count"), all.rest.len() as u64);
                if seek.is_some() {
                    all.seek(seek.as_ref());
                }
                for &(records, bytes) in pages {
                    all.page(usize::from(records), usize::from(bytes));
                }
                if pages.len().is_multiple_of(2) {
                    while all.page(3, 500) {}
                } else {
                    while all.record() {}
                }
                assert!(!all.record(), "the end stays the end");
            }
            Step::Hold(range) => self.held.push(Held::new(&self.db, range, &self.state)),
            Step::Advance(which, n, by_page) if !self.held.is_empty() => {
                let held = which.get_mut(&mut self.held);
                if *by_page {
                    held.page(usize::from(*n), 2000);
                } else {
                    (0..*n).all(|_| held.record());
                }
            }
            Step::Seek(which, key) if !self.held.is_empty() => which.get_mut(&mut self.held).seek(key.as_ref()),
            Step::Release(which) if !self.held.is_empty() => {
                let mut held = self.held.swap_remove(which.index(self.held.len()));
                while held.record() {}
            }
            Step::TakeSnapshot => {
                self.snapshots.push((self.db.snapshot().expect("a snapshot"), self.state.clone()));
            }
            Step::LookBack(which, key, len, range) if !self.snapshots.is_empty() => {
                let (snapshot, state) = which.get(&self.snapshots);
                look_back(snapshot, state, key, *len);
                let held = Held::over(snapshot.iter(&range.options()).expect("an iterator"), range, state);
                assert_eq!(snapshot.count(&range.options()).expect("count"), held.rest.len() as u64);
                self.held.push(held);
            }
            Step::DropSnapshot(which) if !self.snapshots.is_empty() => {
                let (snapshot, state) = self.snapshots.swap_remove(which.index(self.snapshots.len()));
                let all: Map = records(snapshot.iter(&IterOptions::new()).expect("an iterator"));
                assert_eq!(all, state);
            }
            Step::Advance(..) | Step::Seek(..) | Step::Release(_) | Step::LookBack(..) | Step::DropSnapshot(_) => {}
        }
        assert_eq!(self.db.len().expect("len"), self.state.len() as u64);
        self.steps += 1;
        if self.steps.is_multiple_of(self.counts_every) {
            common::check_accounts(&self.db);
        }
    }

    fn get(&self, key: &Key, len: usize) {
        let want = self.state.get(key);
        let got = self.db.get(key).expect("get");
        assert_eq!(got.as_deref(), want.map(Vec::as_slice));
        assert_eq!(self.db.contains(key).expect("contains"), want.is_some());
        assert_eq!(self.db.value_size(key).expect("value_size"), want.map(|value| value.len() as u64));
        let keys = [key, &b"a"[..], &[0xFF], key].map(<[u8]>::to_vec);
        let got = self.db.multi_get(&keys).expect("multi_get");
        assert!(got.iter().map(Option::as_deref).eq(keys.iter().map(|key| self.state.get(key).map(Vec::as_slice))));
        let mut page = ValuePage::new();
        self.db.multi_get_into(&keys, &mut page).expect("multi_get_into");
        assert!(page.iter().eq(got.iter().map(Option::as_deref)));
        let as_owned = |found: Option<(Key, Value)>| found.map(|(key, value)| (key, value.into_vec()));
        let of_state = |found: Option<(&Key, &Vec<u8>)>| found.map(|(key, value)| (key.clone(), value.clone()));
        assert_eq!(as_owned(self.db.first().expect("first")), of_state(self.state.first_key_value()));
        assert_eq!(as_owned(self.db.last().expect("last")), of_state(self.state.last_key_value()));
        let random = self.db.random_key().expect("random_key");
        assert_eq!(random.is_some(), !self.state.is_empty());
        assert!(random.is_none_or(|key| self.state.contains_key(&key)));
        let mut buf = vec![0xEE; len];
        assert_eq!(self.db.get_into(key, &mut buf).expect("get_into"), want.map(Vec::len));
        if let Some(value) = want.filter(|value| value.len() <= len) {
            assert_eq!(buf[..value.len()], value[..]);
        }
    }

    /// Opens the disk of this store, which is closed or dead, under the other index now and then.
    fn reopen(&mut self, disk: SimVfs) {
        self.held.clear();
        self.snapshots.clear();
        self.txns.clear();
        if self.writes.is_multiple_of(3) {
            self.options = self.options.clone().index(common::index(self.writes / 3));
        }
        self.db = open(disk.clone(), &self.options).expect("it opens again");
        self.disk = disk;
        assert!(self.db.open_report().damage.is_empty() && self.db.open_report().torn.is_empty());
        assert_eq!(common::dump(&self.db).expect("it reads"), self.state);
        common::check_accounts(&self.db);
    }
}

/// A value that was never there before.
fn number(writes: &mut usize, len: usize) -> Vec<u8> {
    *writes += 1;
    let mut value = writes.to_string().into_bytes();
    value.resize(len, (*writes % 251) as u8);
    value
}

fn records(iter: Iter) -> Map {
    iter.map(|record| record.expect("a record")).map(|(key, value)| (key, value.into_vec())).collect()
}

/// Everything that a snapshot says of a key and of the whole.
fn look_back(snapshot: &Snapshot, state: &Map, key: &Key, len: usize) {
    let want = state.get(key);
    assert_eq!(snapshot.get(key).expect("get").as_deref(), want.map(Vec::as_slice));
    assert_eq!(snapshot.contains(key).expect("contains"), want.is_some());
    assert_eq!(snapshot.value_size(key).expect("value_size"), want.map(|value| value.len() as u64));
    let mut buf = vec![0xEE; len];
    assert_eq!(snapshot.get_into(key, &mut buf).expect("get_into"), want.map(Vec::len));
    if let Some(value) = want.filter(|value| value.len() <= len) {
        assert_eq!(buf[..value.len()], value[..]);
    }
    let keys: Vec<&[u8]> = state.keys().take(5).map(Vec::as_slice).chain([&key[..], &[0xFF], b"a", key]).collect();
    let wanted: Vec<_> = keys.iter().map(|key| state.get(*key).map(Vec::as_slice)).collect();
    let got = snapshot.multi_get(&keys).expect("multi_get");
    assert_eq!(got.iter().map(Option::as_deref).collect::<Vec<_>>(), wanted);
    let mut page = ValuePage::new();
    snapshot.multi_get_into(&keys[..1], &mut page).expect("multi_get_into");
    assert_eq!(page.get(0), wanted[0]);
    assert_eq!(snapshot.len().expect("len"), state.len() as u64);
    assert_eq!(snapshot.is_empty().expect("is_empty"), state.is_empty());
    let of = |found: Option<(Key, Value)>| found.map(|(key, value)| (key, value.into_vec()));
    let end = |found: Option<(&Key, &Vec<u8>)>| found.map(|(key, value)| (key.clone(), value.clone()));
    assert_eq!(of(snapshot.first().expect("first")), end(state.first_key_value()));
    assert_eq!(of(snapshot.last().expect("last")), end(state.last_key_value()));
    assert!(snapshot.list_keys().expect("list_keys").iter().eq(state.keys()));
}

fn random_histories(kind: IndexKind, io: IoKind) {
    let cases = number_from_env("BITCASK_MODEL_CASES").unwrap_or(256 * factor());
    let (since, steps, held) = (Instant::now(), Counter::default(), Counter::default());
    let (commits, conflicts) = (Counter::default(), Counter::default());
    let config =
        Config { cases: cases as u32, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let result = TestRunner::new(config).run(&(options(kind, io), vec(step(), 200)), |(options, history)| {
        let mut world = World::new(options);
        if matches!(history.first(), Some(Step::Put(_, len, _)) if len % 4 == 0) {
            world.counts_every = 1;
        }
        for step in &history {
            world.step(step);
            held.add(world.held.len());
        }
        for mut held in std::mem::take(&mut world.held) {
            while held.record() {}
        }
        world.step(&Step::Reopen);
        commits.add(world.commits);
        conflicts.add(world.conflicts);
        steps.add(history.len());
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let open = held.get() / steps.get().max(1);
    report(
        "model",
        format!(
            "{kind:?}, {io:?}: {cases} histories, {} steps, {open} iterators open on average, {} transactions and {} conflicts",
            steps.get(),
            commits.get(),
            conflicts.get()
        ),
        since,
    );
}

macro_rules! combinations {
    ($($name:ident = $kind:ident, $io:ident;)*) => {
        $(#[test] fn $name() { random_histories(IndexKind::$kind, IoKind::$io) })*
    };
}

combinations! {
    btree_mmap = BTree, Mmap;
    btree_file = BTree, File;
    hash_mmap = Hash, Mmap;
    hash_file = Hash, File;
    art_mmap = Art, Mmap;
    art_file = Art, File;
    skiplist_mmap = SkipList, Mmap;
    skiplist_file = SkipList, File;
    bptree_mmap = BPTree, Mmap;
    bptree_file = BPTree, File;
}
