//! The model: what a store with expiry holds, and everything that a program can do to both.

use std::collections::BTreeMap;
use std::time::Duration;

use bitcask::vfs::sim::SimVfs;
use bitcask::{
    BulkOptions, Db, Error, Iter, IterOptions, MergeOptions, Options, Snapshot, Timestamp, Transaction, Ttl, ValuePage,
    WriteOptions,
};

use crate::common::{IO_KINDS, KINDS, Map, Rng, open, quiet};

/// A record.
#[derive(Clone, Debug)]
struct Rec {
    value: Vec<u8>,
    expiry: Option<u64>,
    written: u64,
}

type State = BTreeMap<Vec<u8>, Rec>;

/// What an iterator has still to give.
type Rest = std::vec::IntoIter<(Vec<u8>, Vec<u8>)>;

#[derive(Clone)]
struct Moment {
    state: State,
    now: u64,
    age: Option<u64>,
}

impl Moment {
    fn end(&self, rec: &Rec) -> Option<u64> {
        rec.expiry.or(self.age.map(|age| rec.written + age))
    }

    fn get(&self, key: &[u8]) -> Option<&Rec> {
        self.state.get(key).filter(|rec| self.end(rec).is_none_or(|end| self.now < end))
    }

    fn visible(&self) -> Map {
        self.state.keys().filter_map(|key| Some((key.clone(), self.get(key)?.value.clone()))).collect()
    }

    fn ttl(&self, key: &[u8]) -> Ttl {
        match self.get(key) {
            None => Ttl::NoKey,
            Some(rec) => {
                self.end(rec).map_or(Ttl::NoExpiry, |end| Ttl::Remaining(Duration::from_millis(end - self.now)))
            }
        }
    }
}

pub(crate) struct World {
    disk: SimVfs,
    db: Db,
    options: Options,
    at: Moment,
    keys: Vec<Vec<u8>>,
    reader: Option<Db>,
    snapshots: Vec<(Snapshot, Moment)>,
    iters: Vec<(Iter, Rest)>,
    txns: Vec<(Transaction, Moment)>,
    writes: u64,
}

/// Checks every read of a store or a snapshot.
macro_rules! check_reads {
    ($db:expr, $moment:expr, $keys:expr) => {{
        let (db, moment) = (&$db, &$moment);
        let visible = moment.visible();
        for key in $keys {
            let want = visible.get(key);
            assert_eq!(db.get(key).expect("get").as_deref(), want.map(Vec::as_slice), "{key:?}");
            assert_eq!(db.contains(key).expect("contains"), want.is_some(), "{key:?}");
            assert_eq!(db.value_size(key).expect("size"), want.map(|value| value.len() as u64));
            let mut buf = [0; 64];
            assert_eq!(db.get_into(key, &mut buf).expect("get_into"), want.map(Vec::len));
        }
        let many = db.multi_get($keys).expect("multi_get");
        let mut page = ValuePage::new();
        db.multi_get_into($keys, &mut page).expect("multi_get_into");
        for (i, (key, value)) in $keys.iter().zip(many).enumerate() {
            assert_eq!(value.as_deref(), visible.get(key).map(Vec::as_slice));
            assert_eq!(page.get(i), visible.get(key).map(Vec::as_slice));
        }
        let edge = |found: Option<(Vec<u8>, bitcask::Value)>| found.map(|(key, value)| (key, value.into_vec()));
        let pair = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        assert_eq!(edge(db.first().expect("first")), visible.first_key_value().map(pair));
        assert_eq!(edge(db.last().expect("last")), visible.last_key_value().map(pair));
        assert_eq!(db.count(&IterOptions::new()).expect("count"), visible.len() as u64);
        for (reverse, keys_only) in [(false, false), (true, false), (false, true), (true, true)] {
            let options = IterOptions::new().reverse(reverse).keys_only(keys_only);
            let mut want: Vec<_> =
                visible.iter().map(|(key, value)| (key, if keys_only { &[][..] } else { &value[..] })).collect();
            if reverse {
                want.reverse();
            }
            let got: Vec<_> = db.iter(&options).expect("iter").map(|record| record.expect("a record")).collect();
            assert_eq!(got.iter().map(|(key, value)| (key, &value[..])).collect::<Vec<_>>(), want);
            let (mut iter, mut page, mut paged) =
                (db.iter(&options).expect("iter"), bitcask::EntryPage::new(), Vec::new());
            loop {
                iter.next_page(&mut page, 3, usize::MAX).expect("a page");
                if page.is_empty() {
                    break;
                }
                paged.extend(page.iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
            }
            assert_eq!(paged.iter().map(|(key, value)| (key, &value[..])).collect::<Vec<_>>(), want);
            let few = options.prefix(b"k1").limit(2);
            let want = visible.keys().filter(|key| key.starts_with(b"k1")).count().min(2);
            assert_eq!(db.iter(&few).expect("iter").count(), want);
            assert_eq!(db.count(&few).expect("count"), want as u64);
        }
    }};
}

impl World {
    pub(crate) fn new(seed: u64, disk: SimVfs) -> World {
        let n = seed as usize;
        let age = (n / 10 % 3 == 2).then_some(400);
        let mut options = quiet().index(KINDS[n % KINDS.len()]).io(IO_KINDS[n / KINDS.len() % 2]).max_file_size(8192);
        if let Some(age) = age {
            options = options.expiry(Duration::from_millis(age));
        }
        if n % 4 == 1 {
            options = options.checkpoint_bytes(2000);
        }
        let db = open(disk.clone(), &options).expect("a new store");
        let at = Moment { state: State::new(), now: super::START, age };
        let keys = (0..24).map(|n| format!("k{n}").into_bytes()).collect();
        let (reader, snapshots, iters, txns) = (None, Vec::new(), Vec::new(), Vec::new());
        World { disk, db, options, at, keys, reader, snapshots, iters, txns, writes: 0 }
    }

    fn key(&self, rng: &mut Rng) -> Vec<u8> {
        self.keys[rng.below(self.keys.len())].clone()
    }

    /// Eight bytes, so that any of them is a counter.
    fn value(&mut self) -> Vec<u8> {
        self.writes += 1;
        self.writes.to_le_bytes().to_vec()
    }

    fn ttl(rng: &mut Rng) -> u64 {
        [0, 1, 50, 200, 1000, 100_000][rng.below(6)]
    }

    /// What a put for so long comes to.
    fn put(at: &mut Moment, key: &[u8], value: Vec<u8>, ttl: Option<u64>) {
        if ttl == Some(0) {
            at.state.remove(key);
        } else {
            let expiry = ttl.map(|ttl| at.now + ttl);
            at.state.insert(key.to_vec(), Rec { value, expiry, written: at.now });
        }
    }

    fn set_now(&mut self, now: u64) {
        self.at.now = now;
        self.disk.set_now(Timestamp(now));
    }

    fn reopen(&mut self, disk: SimVfs) {
        self.reader = None;
        self.snapshots.clear();
        self.iters.clear();
        self.txns.clear();
        self.disk = disk;
        self.db = open(self.disk.clone(), &self.options).expect("it opens");
        assert!(self.db.open_report().damage.is_empty());
    }

    pub(crate) fn step(&mut self, rng: &mut Rng) {
        let (key, value) = (self.key(rng), self.value());
        match rng.below(30) {
            0..=2 => {
                let existed = self.db.put_seq(&key, &value, WriteOptions::new()).expect("put").existed;
                assert_eq!(existed, self.at.get(&key).is_some());
                World::put(&mut self.at, &key, value, None);
            }
            3..=6 => {
                let ttl = World::ttl(rng);
                self.db.put_with_ttl(&key, &value, Duration::from_millis(ttl)).expect("put");
                World::put(&mut self.at, &key, value, Some(ttl));
            }
            7 => {
                assert_eq!(self.db.delete(&key).expect("delete"), self.at.get(&key).is_some());
                self.at.state.remove(&key);
            }
            8 => {
                let ttl = World::ttl(rng);
                let there = self.at.get(&key).map(|rec| rec.value.clone());
                assert_eq!(self.db.expire(&key, Duration::from_millis(ttl)).expect("expire"), there.is_some());
                if let Some(value) = there {
                    World::put(&mut self.at, &key, value, Some(ttl));
                }
            }
            9 => {
                let there = self.at.get(&key).filter(|rec| rec.expiry.is_some()).map(|rec| rec.value.clone());
                assert_eq!(self.db.persist(&key).expect("persist"), there.is_some());
                if let Some(value) = there {
                    World::put(&mut self.at, &key, value, None);
                }
            }
            10 => {
                let ttl = World::ttl(rng);
                let options = WriteOptions::new().ttl(Duration::from_millis(ttl));
                let absent = self.at.get(&key).is_none();
                assert_eq!(self.db.put_if_absent_with(&key, &value, options).expect("put"), absent);
                if absent {
                    World::put(&mut self.at, &key, value, Some(ttl));
                }
            }
            11 => {
                let old = self.at.get(&key).cloned();
                let before =
                    old.as_ref().map_or(0, |rec| i64::from_le_bytes(rec.value[..].try_into().expect("8 bytes")));
                assert_eq!(self.db.fetch_add(&key, 3).expect("add"), before);
                let (expiry, written) = (old.and_then(|rec| rec.expiry), self.at.now);
                self.at.state.insert(key, Rec { value: (before + 3).to_le_bytes().to_vec(), expiry, written });
            }
            12 => {
                let old = self.at.get(&key).cloned();
                let mut seen = None;
                self.db
                    .update(&key, |present| {
                        seen = present.map(<[u8]>::to_vec);
                        Some(value.clone())
                    })
                    .expect("update");
                assert_eq!(seen, old.as_ref().map(|rec| rec.value.clone()));
                let (expiry, written) = (old.and_then(|rec| rec.expiry), self.at.now);
                self.at.state.insert(key, Rec { value, expiry, written });
            }
            13 => {
                let expected = self.at.get(&key).map(|rec| rec.value.clone());
                let new = (rng.below(2) == 0).then_some(value);
                assert!(self.db.compare_and_swap(&key, expected.as_deref(), new.as_deref()).expect("swap"));
                match new {
                    Some(value) => World::put(&mut self.at, &key, value, None),
                    None => _ = self.at.state.remove(&key),
                }
            }
            14 | 15 => self.batch(rng),
            16 => {
                let mut load = self.db.bulk_load(BulkOptions::new().atomic(rng.below(2) == 0)).expect("a load");
                for _ in 0..rng.below(5) {
                    let (key, value, ttl) = (self.key(rng), self.value(), World::ttl(rng).max(1));
                    load.put_with_ttl(&key, &value, Duration::from_millis(ttl)).expect("put");
                    World::put(&mut self.at, &key, value, Some(ttl));
                }
                load.finish().expect("finish");
            }
            17..=19 => {
                let by = [1, 50, 150, 100_000][rng.below(4)];
                let now = if rng.below(3) == 0 { self.at.now - by } else { self.at.now + by };
                self.set_now(now);
            }
            20 => self.snapshots.push((self.db.snapshot().expect("a snapshot"), self.at.clone())),
            21 => {
                let rest: Vec<_> = self.at.visible().into_iter().collect();
                self.iters.push((self.db.iter(&IterOptions::new()).expect("an iterator"), rest.into_iter()));
            }
            22 => self.txns.push((self.db.transaction().expect("a transaction"), self.at.clone())),
            23 => {
                let now = self.at.clone();
                let expired = self.at.state.keys().filter(|key| now.get(key).is_none()).count() as u64;
                assert_eq!(self.db.sweep_expired().expect("sweep"), expired);
                self.at.state.retain(|key, _| now.get(key).is_some());
                assert_eq!(self.db.len().expect("len"), self.at.state.len() as u64);
            }
            24 => {
                let now = self.at.clone();
                let everything = rng.below(2) == 0;
                self.db.merge(&MergeOptions::new().everything(everything)).expect("merge");
                self.at.state.retain(|key, _| now.get(key).is_some());
            }
            25 => match rng.below(4) {
                0 => {
                    self.db.close().expect("close");
                    self.reopen(self.disk.copy());
                }
                1 => self.reopen(self.disk.kill()),
                2 => {
                    self.db.close().expect("close");
                    let disk = self.disk.copy();
                    crate::common::remove_hints(&disk);
                    self.reopen(disk);
                }
                _ => {}
            },
            26 => {
                if self.reader.is_none() {
                    let options = self.options.clone().read_only(true);
                    self.reader = Some(open(self.disk.other_process(), &options).expect("a reader"));
                }
                if let Some(reader) = &self.reader {
                    reader.refresh().expect("refresh");
                    check_reads!(reader, self.at, &self.keys);
                }
            }
            27 => self.end_transaction(rng),
            28 => {
                while let Some((iter, rest)) = self.iters.pop() {
                    let got: Vec<_> =
                        iter.map(|record| record.expect("a record")).map(|(k, v)| (k, v.into_vec())).collect();
                    assert_eq!(got, rest.collect::<Vec<_>>());
                }
            }
            _ => self.check(),
        }
        if rng.below(6) == 0 && !self.snapshots.is_empty() {
            let at = rng.below(self.snapshots.len());
            let (snapshot, moment) = self.snapshots.swap_remove(at);
            check_reads!(snapshot, moment, &self.keys);
        }
    }

    /// A batch with all that it can do, and what it says of itself.
    fn batch(&mut self, rng: &mut Rng) {
        let (mut batch, mut after) = (self.db.batch(), self.at.clone());
        for _ in 0..1 + rng.below(5) {
            let (key, value, ttl) = (self.key(rng), self.value(), World::ttl(rng));
            let time = Duration::from_millis(ttl);
            match rng.below(6) {
                0 => {
                    batch.put(&key, &value).expect("put");
                    World::put(&mut after, &key, value, None);
                }
                1 => {
                    batch.put_with_ttl(&key, &value, time).expect("put");
                    World::put(&mut after, &key, value, Some(ttl));
                }
                2 => {
                    batch.delete(&key).expect("delete");
                    after.state.remove(&key);
                }
                3 => {
                    let there = after.get(&key).map(|rec| rec.value.clone());
                    assert_eq!(batch.expire(&key, time).expect("expire"), there.is_some());
                    if let Some(value) = there {
                        World::put(&mut after, &key, value, Some(ttl));
                    }
                }
                4 => {
                    let there = after.get(&key).filter(|rec| rec.expiry.is_some()).map(|rec| rec.value.clone());
                    assert_eq!(batch.persist(&key).expect("persist"), there.is_some());
                    if let Some(value) = there {
                        World::put(&mut after, &key, value, None);
                    }
                }
                _ => {
                    batch.delete_prefix(&key).expect("delete_prefix");
                    // Also what has expired.
                    after.state.retain(|other, _| !other.starts_with(&key));
                }
            }
            // The clock goes on between the calls.
            if rng.below(3) == 0 {
                let now = self.at.now + [1, 60][rng.below(2)];
                self.set_now(now);
                after.now = now;
            }
        }
        for key in &self.keys {
            assert_eq!(batch.get(key).expect("get").as_deref(), after.get(key).map(|rec| &rec.value[..]));
            // A put that is not committed has its whole age.
            if self.at.age.is_none() {
                assert_eq!(batch.ttl(key).expect("ttl"), after.ttl(key));
            }
        }
        let own: Map = batch
            .iter(&IterOptions::new())
            .expect("iter")
            .map(|r| r.expect("a record"))
            .map(|(k, v)| (k, v.into_vec()))
            .collect();
        assert_eq!(own, after.visible());
        let is_new = |key: &Vec<u8>, rec: &Rec| {
            self.at.state.get(key).is_none_or(|old| old.value != rec.value || old.expiry != rec.expiry)
        };
        let (now, changed): (_, Vec<_>) =
            (self.at.now, after.state.iter().filter(|(k, r)| is_new(k, r)).map(|(k, _)| k.clone()).collect());
        batch.commit().expect("commit");
        for key in changed {
            after.state.entry(key).and_modify(|rec| rec.written = now);
        }
        // A value that was put once more, as it was, is as old as the commit too.
        for (key, rec) in &mut after.state {
            if self.at.state.get(key).is_some_and(|old| old.written == rec.written) {
                continue;
            }
            rec.written = now;
        }
        self.at = after;
    }

    /// A transaction reads at its own time, and its writes are there when it commits.
    fn end_transaction(&mut self, rng: &mut Rng) {
        let Some((mut txn, begun)) = self.txns.pop() else { return };
        let (key, other, value, ttl) = (self.key(rng), self.key(rng), self.value(), 1 + World::ttl(rng));
        assert_eq!(txn.get(&key).expect("get").as_deref(), begun.get(&key).map(|rec| &rec.value[..]));
        assert_eq!(txn.contains(&key).expect("contains"), begun.get(&key).is_some());
        assert_eq!(txn.ttl(&key).expect("ttl"), begun.ttl(&key));
        txn.put_with_ttl(&other, &value, Duration::from_millis(ttl)).expect("put");
        let end = self.at.now + ttl;
        assert_eq!(txn.get(&other).expect("get").is_some(), begun.now < end);
        match txn.commit() {
            Ok(_) => World::put(&mut self.at, &other, value, Some(ttl)),
            Err(Error::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn check(&self) {
        check_reads!(self.db, self.at, &self.keys);
        for key in &self.keys {
            assert_eq!(self.db.ttl(key).expect("ttl"), self.at.ttl(key), "{key:?}");
        }
        let visible = self.at.visible();
        match self.db.random_key().expect("random") {
            Some(key) => assert!(visible.contains_key(&key)),
            None => assert!(visible.is_empty()),
        }
    }
}
