//! Writers that keep sums, readers of every kind that check them, with files that change, merges and saved indexes beside them: no reader
//! ever sees a part of a commit, an older state than it saw before, or less than what was acknowledged when it began.
//!
//! Each of the writers has 25 of 100 accounts for its batches, so that it knows what is in them, and moves amounts between them;
//! a check sum of the accounts' places and amounts, and the number of its commits, go with each batch. Other accounts are for transactions,
//! of which two may want the same at once, and one counter is for all. An account with nothing in it is not there.
//!
//! Each kind of index is tried with each I/O kind, 6 seconds (`BITCASK_ISOLATION_SECONDS`), by 4 writers, 4 readers, a reader in another
//! process, and a thread that merges.

#[path = "isolation/child.rs"]
mod child;
mod common;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Durability, Error, IndexKind, IoKind, IterOptions, MergeOptions, Options, Snapshot, WriteOptions};

use common::{IO_KINDS, KINDS, Map, Rng, factor, number_from_env, open, quiet, report};

const WRITERS: usize = 4;
const READERS: usize = 4;
/// Accounts of a writer, and those for transactions.
const OWN: usize = 25;
const SHARED: usize = 12;
/// What every reader and writer has done at least when the test ends.
const ENOUGH: u64 = 40;

fn own(writer: usize, n: usize) -> Vec<u8> {
    format!("own/{writer}/{n:02}").into_bytes()
}

fn shared(n: usize) -> Vec<u8> {
    format!("shared/{n:02}").into_bytes()
}

fn sum_key(writer: usize) -> Vec<u8> {
    format!("sum/{writer}").into_bytes()
}

fn count_key(writer: usize) -> Vec<u8> {
    format!("count/{writer}").into_bytes()
}

const COUNTER: &[u8] = b"counter";

/// All keys that there may be.
fn all_keys() -> Vec<Vec<u8>> {
    let accounts = (0..WRITERS).flat_map(|writer| (0..OWN).map(move |n| own(writer, n)));
    let others = (0..WRITERS).flat_map(|writer| [sum_key(writer), count_key(writer)]);
    accounts.chain((0..SHARED).map(shared)).chain(others).chain([COUNTER.to_vec()]).collect()
}

/// An amount and something behind it, so that files fill up.
fn money(amount: i64, rng: &mut Rng) -> Vec<u8> {
    let mut value = amount.to_le_bytes().to_vec();
    value.resize(8 + rng.below(300), b'.');
    value
}

fn amount(map: &Map, key: &[u8]) -> i64 {
    map.get(key).map_or(0, |value| i64::from_le_bytes(value[..8].try_into().expect("eight bytes")))
}

/// What is known to be in the store, for readers to find there.
#[derive(Debug, Default)]
struct Acked {
    counts: [AtomicU64; WRITERS],
    counter: AtomicU64,
}

/// Numbers that only grow.
type Seen = [i64; WRITERS + 1];

impl Acked {
    fn now(&self) -> Seen {
        let at = |i: usize| self.counts.get(i).unwrap_or(&self.counter).load(Ordering::SeqCst) as i64;
        std::array::from_fn(at)
    }
}

/// Checks one moment of the store, which is to show at least `least`; gives what it shows.
fn check(map: &Map, least: &Seen, what: &str) -> Seen {
    let total: i64 =
        (0..WRITERS).flat_map(|writer| (0..OWN).map(move |n| own(writer, n))).map(|k| amount(map, &k)).sum();
    assert_eq!(total, 0, "{what}: the sum of all accounts");
    for writer in 0..WRITERS {
        let sum: i64 = (0..OWN).map(|n| (n as i64 + 1) * amount(map, &own(writer, n))).sum();
        assert_eq!(sum, amount(map, &sum_key(writer)), "{what}: the accounts of {writer} are of several commits");
    }
    assert_eq!((0..SHARED).map(|n| amount(map, &shared(n))).sum::<i64>(), 0, "{what}: the sum of what is shared");
    assert!(map.iter().all(|(key, _)| !key.starts_with(b"shared") || amount(map, key) != 0), "{what}: an empty one");
    let seen = std::array::from_fn(|i| amount(map, &if i < WRITERS { count_key(i) } else { COUNTER.to_vec() }));
    for (seen, least) in seen.iter().zip(least) {
        assert!(seen >= least, "{what}: {seen} for {least}, an older state than was there before");
    }
    seen
}

/// A writer: batches of its own accounts, transactions over the shared ones, one counter.
fn write(db: &Db, writer: usize, seed: u64, acked: &Acked, goes_on: &dyn Fn(u64) -> bool) {
    let mut rng = Rng(seed * 100 + writer as u64);
    let (mut accounts, mut commits) = ([0_i64; OWN], 0);
    while goes_on(commits) {
        move_own(db, writer, &mut accounts, commits as i64 + 1, &mut rng);
        commits += 1;
        acked.counts[writer].store(commits, Ordering::SeqCst);
        if commits.is_multiple_of(2) {
            while !transfer(db, &mut rng) {}
        }
        if commits.is_multiple_of(3) {
            // Also written by others meanwhile, none of whose additions must be lost.
            db.fetch_add(COUNTER, 1).expect("it adds");
            acked.counter.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Moves amounts between a writer's accounts, by one batch: that names the accounts, or clears all and writes them anew.
fn move_own(db: &Db, writer: usize, accounts: &mut [i64; OWN], count: i64, rng: &mut Rng) {
    let mut changed = BTreeMap::new();
    for _ in 0..1 + rng.below(4) {
        let (from, to, amount) = (rng.below(OWN), rng.below(OWN), rng.below(1000) as i64);
        // Now and then all of it.
        let amount = if rng.below(4) == 0 { accounts[from] } else { amount };
        accounts[from] -= amount;
        accounts[to] += amount;
        changed.extend([(from, accounts[from]), (to, accounts[to])]);
    }
    let mut batch = db.batch();
    if rng.below(5) == 0 {
        batch.delete_prefix(format!("own/{writer}/").as_bytes()).expect("it takes it");
        changed = accounts.iter().copied().enumerate().collect();
        changed.retain(|_, amount| *amount != 0);
    }
    // What was changed twice has its last amount.
    for n in changed.into_keys() {
        match accounts[n] {
            0 => batch.delete(&own(writer, n)),
            amount => batch.put(&own(writer, n), &money(amount, rng)),
        }
        .expect("it takes it");
    }
    let sum: i64 = accounts.iter().enumerate().map(|(n, amount)| (n as i64 + 1) * amount).sum();
    batch.put(&sum_key(writer), &sum.to_le_bytes()).expect("it takes it");
    batch.put(&count_key(writer), &count.to_le_bytes()).expect("it takes it");
    batch.commit_with(WriteOptions::new().sync(rng.below(200) == 0)).expect("it commits");
}

/// Moves an amount between shared accounts, by a transaction; says whether it was not in conflict.
fn transfer(db: &Db, rng: &mut Rng) -> bool {
    let (from, to, moved) = (rng.below(SHARED), rng.below(SHARED), rng.below(50) as i64);
    if from == to {
        return true;
    }
    let mut txn = db.transaction().expect("it begins");
    for (n, change) in [(from, -moved), (to, moved)] {
        let old = txn.get(&shared(n)).expect("it reads");
        let new = old.map_or(0, |value| i64::from_le_bytes(value[..8].try_into().expect("eight bytes"))) + change;
        match new {
            0 => txn.delete(&shared(n)),
            new => txn.put(&shared(n), &money(new, rng)),
        }
        .expect("it takes it");
    }
    match txn.commit() {
        Ok(_) => true,
        Err(Error::Conflict) => false,
        Err(error) => panic!("{error}"),
    }
}

fn by_get(snapshot: &Snapshot, keys: &[Vec<u8>]) -> Map {
    let get = |key: &Vec<u8>| Some((key.clone(), snapshot.get(key).expect("it reads")?.into_vec()));
    keys.iter().filter_map(get).collect()
}

fn by_multi_get(db: &Db, keys: &[Vec<u8>]) -> Map {
    let values = db.multi_get(keys).expect("it reads");
    keys.iter().cloned().zip(values).filter_map(|(key, value)| Some((key, value?.into_vec()))).collect()
}

fn by_iterator(iter: bitcask::Result<bitcask::Iter>) -> Map {
    let records = iter.expect("an iterator").map(|record| record.expect("it reads"));
    records.map(|(key, value)| (key, value.into_vec())).collect()
}

/// A reader, by one way after the other.
fn read(db: &Db, seed: u64, acked: &Acked, goes_on: &dyn Fn(u64) -> bool) {
    let (mut rng, mut keys, mut rounds) = (Rng(seed), all_keys(), 0);
    let mut seen = Seen::default();
    // A moment that is kept for a while, and what it showed.
    let mut kept: Option<(Snapshot, Map)> = None;
    while goes_on(rounds) {
        let turn = rng.below(keys.len());
        keys.rotate_left(turn);
        let before = acked.now();
        let least = std::array::from_fn(|i| seen[i].max(before[i]));
        let way = rng.below(5);
        let map = match way {
            0 => by_get(&db.snapshot().expect("a snapshot"), &keys),
            1 => by_multi_get(db, &keys),
            2 => by_iterator(db.iter(&IterOptions::new().reverse(rng.below(2) == 0))),
            3 => by_iterator(db.transaction().expect("it begins").iter(&IterOptions::new())),
            _ => {
                let snapshot = db.snapshot().expect("a snapshot");
                let map = by_iterator(snapshot.iter(&IterOptions::new()));
                assert_eq!(snapshot.len().ok(), Some(map.len() as u64));
                if rng.below(4) == 0 {
                    kept = Some((snapshot, map.clone()));
                }
                map
            }
        };
        seen = check(&map, &least, &format!("seed {seed}, way {way}"));
        if let Some((snapshot, map)) = &kept
            && rng.below(3) == 0
        {
            let again = if rng.below(2) == 0 {
                by_get(snapshot, &keys)
            } else {
                by_iterator(snapshot.iter(&IterOptions::new().reverse(true)))
            };
            assert!(again == *map, "seed {seed}: a snapshot shows something else than before");
        }
        rounds += 1;
    }
}

/// A directory that goes with the test.
struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Temp {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("isolation-{}-{name}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        Temp(path)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn stress(kind: IndexKind, io: IoKind, seed: u64) {
    let begun = Instant::now();
    let seconds = number_from_env("BITCASK_ISOLATION_SECONDS").unwrap_or(6 * factor()) as u64;
    let end = begun + Duration::from_secs(seconds);
    let temp = Temp::new(&format!("{kind:?}-{io:?}"));
    let interval = Durability::Interval { every: Duration::from_millis(50), bytes: 64 << 10 };
    let options =
        Options::new().index(kind).io(io).max_file_size(64 << 10).durability(interval).checkpoint_bytes(100_000);
    let db = Db::open(&temp.0, &options).expect("it opens");
    let (acked, failed, merges, checks) =
        (Acked::default(), AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    // So long, and until each has done enough; nobody goes on when somebody has failed.
    let goes_on = |done: u64| (Instant::now() < end || done < ENOUGH) && !failed.load(Ordering::Relaxed);
    let reads_on = |done: u64| {
        checks.fetch_add(1, Ordering::Relaxed);
        goes_on(done)
    };
    let (db, dir, options, acked, failed) = (&db, temp.0.as_path(), &options, &acked, &failed);
    let rounds_beside = &AtomicU64::new(0);
    thread::scope(|scope| {
        let guarded = |run: &dyn Fn()| {
            let told = Told(failed);
            run();
            std::mem::forget(told);
        };
        for writer in 0..WRITERS {
            scope.spawn(move || guarded(&|| write(db, writer, seed, acked, &goes_on)));
        }
        for reader in 0..READERS as u64 {
            let reads_on = &reads_on;
            scope.spawn(move || guarded(&|| read(db, seed * 10 + reader, acked, reads_on)));
        }
        let merges = &merges;
        scope.spawn(move || {
            guarded(&|| {
                child::follow(dir, (kind, io), seed, acked, &|done| {
                    rounds_beside.store(done, Ordering::Relaxed);
                    goes_on(done)
                });
            });
        });
        scope.spawn(move || {
            guarded(&|| {
                while goes_on(merges.load(Ordering::Relaxed) * 10) {
                    let all = merges.load(Ordering::Relaxed).is_multiple_of(3);
                    db.merge(&MergeOptions::new().everything(all)).expect("it merges");
                    merges.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(5));
                }
            });
        });
    });
    let told = acked.now();
    let keys = all_keys();
    let last = by_multi_get(db, &keys);
    assert_eq!(check(&last, &told, "at the end"), told, "something was lost, or done that nobody did");
    db.close().expect("it closes");
    let again = Db::open(dir, options).expect("it opens again");
    assert!(again.open_report().damage.is_empty());
    assert!(by_multi_get(&again, &keys) == last && by_iterator(again.iter(&IterOptions::new())) == last);
    let (commits, checks) = (told[..WRITERS].iter().sum::<i64>(), checks.load(Ordering::Relaxed));
    let merges = merges.load(Ordering::Relaxed);
    let beside = rounds_beside.load(Ordering::Relaxed);
    let what = format!("{commits} batches, {checks} checks, {beside} by another process, {merges} merges");
    report("isolation", format!("{kind:?}, {io:?}: {what}"), begun);
}

/// Tells the others when a thread fails.
struct Told<'a>(&'a AtomicBool);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_reader_sees_a_part_of_a_commit() {
    let seed = std::process::id().into();
    for kind in KINDS {
        for io in IO_KINDS {
            stress(kind, io, seed);
        }
    }
}

/// A transaction that is alone in its group tells history nothing, for the one snapshot that there is ends with it. If its append fails it
/// does not end, and what others do before it is tried again must count.
#[test]
fn a_transaction_is_validated_when_it_is_tried_again() {
    for kind in KINDS {
        let vfs = FaultVfs::over_sim(&SimVfs::new(5));
        let db = open(vfs.clone(), &quiet().index(kind).io(IoKind::File).max_file_size(1 << 20)).expect("it opens");
        db.put(b"a", b"1").expect("it writes");
        db.put(b"b", b"1").expect("it writes");
        for changed in [None, Some(&b"a"[..]), Some(b"c")] {
            let mut txn = db.transaction().expect("it begins");
            let old = txn.get(b"a").expect("it reads").map(bitcask::Value::into_vec);
            assert!(txn.get(b"c").expect("it reads").is_none());
            txn.put(b"b", b"2").expect("it takes it");
            txn.delete_range(Bound::Included(b"x"), Bound::Unbounded).expect("it takes it");
            vfs.inject(Plan::once(Fault::Error(errno::ENOSPC), 0).of(Filter::any().kinds(&[OpKind::Write])));
            assert!(matches!(txn.commit(), Err(Error::Io { .. })));
            assert_eq!(db.get(b"b").expect("it reads").as_deref(), Some(&b"1"[..]), "nothing was written");
            if let Some(key) = changed {
                db.put(key, b"other").expect("it writes");
                assert!(txn.get(b"c").expect("it reads").is_none(), "it shows what it showed");
                assert_eq!(txn.get(b"a").expect("it reads").map(bitcask::Value::into_vec), old);
                assert!(matches!(txn.commit(), Err(Error::Conflict)), "{kind:?}: {key:?} was changed behind its back");
                assert!(matches!(txn.commit(), Err(Error::TransactionFinished)));
                assert_eq!(db.get(b"b").expect("it reads").as_deref(), Some(&b"1"[..]));
            } else {
                txn.commit().expect("nothing has changed");
                assert_eq!(db.get(b"b").expect("it reads").as_deref(), Some(&b"2"[..]));
                db.put(b"b", b"1").expect("it writes");
            }
        }
    }
}

/// An iterator of a transaction lives by itself, and shows its moment also when the transaction was alone with its commit.
#[test]
fn an_iterator_of_a_transaction_does_not_see_its_commit() {
    for kind in KINDS {
        let db = open(SimVfs::new(6), &quiet().index(kind)).expect("it opens");
        for n in 0..300 {
            db.put(format!("k{n:03}").as_bytes(), b"old").expect("it writes");
        }
        let mut txn = db.transaction().expect("it begins");
        let mut iter = txn.iter(&IterOptions::new()).expect("an iterator");
        assert!(iter.next().expect("a record").is_ok());
        for n in 0..300 {
            let key = format!("k{n:03}").into_bytes();
            if n % 2 == 0 { txn.put(&key, b"new") } else { txn.delete(&key) }.expect("it takes it");
        }
        txn.commit().expect("nobody else writes");
        let rest: Vec<_> = iter.map(|record| record.expect("it reads")).collect();
        assert_eq!(rest.len(), 299, "{kind:?}");
        assert!(rest.iter().all(|(_, value)| value[..] == *b"old"), "{kind:?}");
        assert_eq!(db.len().ok(), Some(150));
    }
}
