//! The workloads that the crash and fault suites cut short, as data: the same steps run on any disk under any options.

use std::time::Duration;

use bitcask::{Durability, IndexKind, IoKind, Options};

use super::Rng;

/// A key and its new value, or `None` for a delete.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// One thing that a program does with the store.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(Vec<u8>, Vec<u8>),
    /// A put that returns when it is on stable storage.
    PutSync(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Batch(Vec<Change>),
    BatchSync(Vec<Change>),
    /// A batch that deletes all keys from one number on and before another, and then makes changes.
    Range(usize, usize, Vec<Change>),
    /// The same by a transaction, which looks at all of it before.
    Transaction(usize, usize, Vec<Change>),
    /// An atomic bulk load, of puts only.
    Load(Vec<Change>),
    LoadSync(Vec<Change>),
    Sync,
    /// Closes the store and opens it again.
    Reopen,
    /// Merges the data files that have a bit in this set, by their place among all; all of them with all bits.
    Merge(u64),
    /// The same, with these writes made while it runs, one each time that it tells of its progress.
    MergeBeside(u64, Vec<Step>),
    /// The clock goes on by so many milliseconds.
    Tick(u64),
    /// Puts, several as a batch, that expire a millisecond later, which the clock then goes on by.
    Expiring(Vec<(Vec<u8>, Vec<u8>)>),
    Sweep,
}

/// Steps, and the file size that they are made for.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) max_file_size: u64,
    pub(crate) steps: Vec<Step>,
}

impl Workload {
    pub(crate) fn options(&self, durability: Durability) -> Options {
        Options::new()
            .durability(durability)
            .max_file_size(self.max_file_size)
            .checkpoint_bytes(0)
            .background_merge(false)
    }

    /// Options for each way in which the store is written, and whether every write is synced. Kinds of index in memory write nothing; the
    /// one on disk has a file of its own.
    pub(crate) fn ways(&self) -> [(&'static str, Options, bool); 5] {
        // An interval whose time never comes, so that only `sync()` syncs.
        let interval = Durability::Interval { every: Duration::from_secs(3600), bytes: u64::MAX };
        let on_disk = |options: &Options| options.clone().index(IndexKind::BPTree).checkpoint_bytes(64 << 20);
        let (copied, synced) = (self.options(Durability::None).io(IoKind::Mmap), self.options(Durability::Always));
        [
            ("by copy, index on disk", on_disk(&copied), false),
            ("with a sync, index on disk", on_disk(&synced), true),
            ("by copy", copied, false),
            ("by call", self.options(interval).io(IoKind::File), false),
            ("with a sync", synced, true),
        ]
    }
}

/// A value that says for which key and by which write it was written, and has about this length. Never the same twice.
pub(crate) fn value(key: &[u8], write: usize, len: usize) -> Vec<u8> {
    let mut value = key.to_vec();
    value.extend_from_slice(format!("={write}.").as_bytes());
    let mut rng = Rng(write as u64);
    while value.len() < len {
        value.extend_from_slice(&rng.next().to_le_bytes());
    }
    value
}

pub(crate) fn key(n: usize) -> Vec<u8> {
    format!("key{n:02}").into_bytes()
}

fn numbered(keys: usize, writes: usize, len: impl Fn(usize) -> usize) -> Vec<Step> {
    (0..writes).map(|n| Step::Put(key(n * 7 % keys), value(&key(n * 7 % keys), n, len(n)))).collect()
}

/// All workloads. `small` makes them about half as long, for suites that run each of them thousands of times.
pub(crate) fn all(small: bool) -> Vec<Workload> {
    let n = |full: usize| if small { full / 2 } else { full };
    vec![
        put(n(40)),
        overwrite(n(60)),
        delete(n(60)),
        batch(n(24)),
        batch_over_files(n(10)),
        rotate(n(48)),
        sync(n(50)),
        reopen(n(40)),
        mixed("mixed", n(100), 4096, 3),
        mixed("mixed in one file", n(100), 1 << 20, 9),
        bulk_load(n(14)),
        checkpoint(n(60)),
        merge(n(60)),
        merge_beside_writes(n(60)),
        delete_merge_merge_reopen(n(40)),
    ]
}

/// Values that expire over ones that don't, alone and in batches over several files, with sweeps and merges of everything and of some files.
pub(crate) fn expiry(n: usize) -> Workload {
    let mut steps = Vec::new();
    for i in 0..n {
        let k = key(i * 5 % 9);
        let expiring = |j: usize| {
            let k = key((i * 3 + j) % 9);
            (k.clone(), value(&k, 3000 + i * 10 + j, 200 + j * 400))
        };
        steps.push(Step::Put(k.clone(), value(&k, i, i % 5 * 150)));
        match i % 6 {
            0 | 3 => steps.push(Step::Expiring(vec![(k.clone(), value(&k, 1000 + i, 60))])),
            1 => steps.push(Step::Expiring((0..1 + i % 5).map(expiring).collect())),
            2 => steps.push(Step::Sweep),
            4 => steps.push(Step::Delete(key(i % 9))),
            _ => steps.push(Step::Batch(changes(i, 3, 90))),
        }
        match i % 9 {
            2 => steps.push(Step::Merge(u64::MAX)),
            4 => steps.push(Step::Sync),
            6 => steps.push(Step::Merge(0x5555_5555 << (i % 2))),
            7 => steps.push(Step::Reopen),
            _ => {}
        }
    }
    Workload { name: "expiry", max_file_size: 4096, steps }
}

/// Merges of data of which some has expired, with writes beside them that expire at once, sweeps, and deletes of what had expired.
pub(crate) fn expiry_beside_merges(n: usize) -> Workload {
    let mut steps = Vec::new();
    for i in 0..n {
        let k = key(i * 3 % 11);
        steps.push(Step::Put(k.clone(), value(&k, i, i % 4 * 250)));
        let late = key((i * 5 + 2) % 11);
        match i % 3 {
            0 => steps.push(Step::Expiring(vec![(late.clone(), value(&late, 5000 + i, 300))])),
            1 => steps.push(Step::Delete(late)),
            _ => steps.push(Step::Batch(changes(i, 3, 120))),
        }
        if i % 12 == 11 {
            let write = |j: usize| {
                let k = key((i + j * 5) % 11);
                let number = 10_000 + i * 50 + j;
                match j {
                    // One sync, and early: what comes behind it is lost if the merge does not see to it.
                    3 => Step::PutSync(k.clone(), value(&k, number, 100)),
                    5 => {
                        Step::Expiring((0..3).map(|n| (key(n * 4), value(&key(n * 4), number * 10 + n, 400))).collect())
                    }
                    8 => Step::Sweep,
                    _ => match j % 3 {
                        0 => Step::Expiring(vec![(k.clone(), value(&k, number, 90))]),
                        1 => Step::Delete(k),
                        _ => Step::Put(k.clone(), value(&k, number, j % 4 * 300)),
                    },
                }
            };
            let set = [0b11_0110, u64::MAX, 0b10_1011][i / 12 % 3];
            steps.push(Step::MergeBeside(set, (0..14).map(write).collect()));
        }
    }
    Workload { name: "expiry beside merges", max_file_size: 4096, steps }
}

fn put(n: usize) -> Workload {
    let mut steps = numbered(1000, n, |n| n % 11 * 23);
    // The empty value is a value, and zeros are one too.
    steps.push(Step::Put(key(70), Vec::new()));
    steps.push(Step::Put(key(71), vec![0; 600]));
    steps.push(Step::Put(vec![0], vec![0xFF; 5]));
    Workload { name: "put", max_file_size: 1 << 20, steps }
}

fn overwrite(n: usize) -> Workload {
    let steps = numbered(5, n, |n| n % 7 * 40);
    Workload { name: "overwrite", max_file_size: 1 << 20, steps }
}

fn delete(n: usize) -> Workload {
    let mut steps = Vec::new();
    for i in 0..n {
        let k = key(i * 5 % 12);
        if i % 3 == 2 {
            steps.push(Step::Delete(k));
        } else {
            steps.push(Step::Put(k.clone(), value(&k, i, i % 5 * 30)));
        }
    }
    steps.push(Step::Delete(b"never there".to_vec()));
    Workload { name: "delete", max_file_size: 1 << 20, steps }
}

/// A batch of `len` changes, every fourth of them a delete.
fn changes(i: usize, len: usize, value_len: usize) -> Vec<Change> {
    let change = |j: usize| {
        let k = key((i * 3 + j) % 14);
        let v = value(&k, i * 100 + j, value_len);
        (k, (j % 4 != 3).then_some(v))
    };
    (0..len).map(change).collect()
}

fn batch(n: usize) -> Workload {
    let mut steps = Vec::new();
    for i in 0..n {
        steps.push(Step::Batch(changes(i, i % 7, 50)));
        if i.is_multiple_of(3) {
            steps.push(Step::Put(key(i % 14), value(&key(i % 14), 9000 + i, 20)));
        }
        if i % 8 == 5 {
            steps.push(Step::BatchSync(changes(i + 1, 3, 10)));
        }
    }
    Workload { name: "batch", max_file_size: 1 << 20, steps }
}

fn batch_over_files(n: usize) -> Workload {
    let mut steps = Vec::new();
    for i in 0..n {
        steps.push(Step::Put(key(40), value(&key(40), 5000 + i, 700)));
        // Three to five files, and now and then a record that is larger than a file.
        let mut batch = changes(i, 8 + i % 3, 1300);
        if i % 4 == 1 {
            batch[2].1 = Some(value(&batch[2].0, 7000 + i, 5000));
        }
        steps.push(Step::Batch(batch));
        if i % 3 == 2 {
            steps.push(Step::Sync);
        }
    }
    Workload { name: "batch over files", max_file_size: 4096, steps }
}

/// Loads that stay small, take a file, several, and one that a record is too large for; of keys that ascend and do not, over others
/// and, the first, into nothing.
fn bulk_load(n: usize) -> Workload {
    let puts = |i: usize, len: usize, value_len: usize| -> Vec<Change> {
        let put = |j: usize| (key(j * 5 % 23), Some(value(&key(j * 5 % 23), i * 100 + j, value_len)));
        (0..len).map(put).collect()
    };
    let mut first = puts(0, 12, 500);
    first.sort();
    let mut steps = vec![Step::Load(first)];
    for i in 1..n {
        let mut load = puts(i, 4 + i % 5, 80 + i % 4 * 400);
        if i % 5 == 2 {
            load[1].1 = Some(value(&load[1].0, 7000 + i, 5000));
        }
        steps.push(if i % 4 == 1 { Step::LoadSync(load) } else { Step::Load(load) });
        match i % 3 {
            0 => steps.push(Step::Put(key(i % 23), value(&key(i % 23), 9000 + i, 300))),
            1 => steps.push(Step::Delete(key(5))),
            _ => steps.push(Step::Reopen),
        }
    }
    Workload { name: "bulk load", max_file_size: 4096, steps }
}

fn rotate(n: usize) -> Workload {
    let mut steps = numbered(9, n, |n| n % 5 * 310);
    steps.insert(n / 2, Step::Put(key(50), value(&key(50), 8000, 9000)));
    steps.push(Step::Delete(key(50)));
    Workload { name: "rotate", max_file_size: 4096, steps }
}

fn sync(n: usize) -> Workload {
    let mut steps = Vec::new();
    for i in 0..n {
        let k = key(i % 10);
        let v = value(&k, i, i % 4 * 60);
        steps.push(match i % 5 {
            1 => Step::PutSync(k, v),
            4 => Step::Sync,
            _ => Step::Put(k, v),
        });
    }
    Workload { name: "sync", max_file_size: 1 << 20, steps }
}

fn reopen(n: usize) -> Workload {
    let mut steps = Vec::new();
    for i in 0..n {
        let k = key(i % 9);
        steps.push(if i % 6 == 5 { Step::Delete(k) } else { Step::Put(k.clone(), value(&k, i, 300)) });
        if i % 4 == 3 {
            steps.push(Step::Reopen);
        }
        if i % 7 == 6 {
            steps.push(Step::Batch(changes(i, 3, 30)));
            steps.push(Step::Reopen);
            steps.push(Step::Reopen);
        }
    }
    Workload { name: "reopen", max_file_size: 4096, steps }
}

/// Saved indexes one after the other, of changes here and there, of which some are of keys too long for a page of one.
fn checkpoint(n: usize) -> Workload {
    let long = |i: usize| [key(i % 3), vec![b'l'; 600]].concat();
    let mut steps = Vec::new();
    for i in 0..n {
        let k = if i % 5 == 4 { long(i) } else { key(i * 7 % 40) };
        steps.push(if i % 9 == 8 { Step::Delete(k) } else { Step::Put(k.clone(), value(&k, i, i % 3 * 90)) });
        if i % 10 == 9 {
            steps.push(Step::Reopen);
        }
        if i % 20 == 15 {
            steps.push(Step::Batch(changes(i, 5, 40)));
            steps.push(Step::Sync);
        }
    }
    Workload { name: "checkpoint", max_file_size: 4096, steps }
}

pub(crate) fn mixed(name: &'static str, n: usize, max_file_size: u64, seed: u64) -> Workload {
    let mut rng = Rng(seed);
    let mut steps = Vec::new();
    for i in 0..n {
        let k = key(rng.below(16));
        let len = if rng.below(12) == 0 { 3000 } else { rng.below(250) };
        let v = value(&k, i, len);
        steps.push(match rng.below(20) {
            0..=7 => Step::Put(k, v),
            8..=10 => Step::Delete(k),
            11 | 12 => Step::PutSync(k, v),
            13..=15 => Step::Batch(changes(i, rng.below(9), rng.below(400))),
            16 => Step::BatchSync(changes(i, rng.below(5), 40)),
            17 => Step::Sync,
            18 => Step::Tick(rng.below(100_000) as u64),
            _ => Step::Reopen,
        });
    }
    Workload { name, max_file_size, steps }
}

fn merge(n: usize) -> Workload {
    let mut steps = Vec::new();
    for i in 0..n {
        let k = key(i * 7 % 13);
        steps.push(if i % 5 == 3 { Step::Delete(k) } else { Step::Put(k.clone(), value(&k, i, i % 5 * 190)) });
        if i % 9 == 4 {
            steps.push(Step::Batch(changes(i, 5, 500)));
        }
        if i % 12 == 11 {
            steps.push(Step::Merge(if i % 24 == 23 { u64::MAX } else { 0b0110_1101 >> (i / 12) }));
        }
    }
    Workload { name: "merge", max_file_size: 4096, steps }
}

fn merge_beside_writes(n: usize) -> Workload {
    let mut steps = Vec::new();
    for i in 0..n {
        let k = key(i * 3 % 11);
        steps.push(Step::Put(k.clone(), value(&k, i, i % 4 * 300)));
        if i % 15 == 14 {
            let write = |j: usize| {
                let k = key((i + j * 5) % 11);
                match j % 4 {
                    1 => Step::Delete(k),
                    3 => Step::PutSync(k.clone(), value(&k, 20_000 + i * 50 + j, 100)),
                    _ => Step::Put(k.clone(), value(&k, 10_000 + i * 50 + j, j % 3 * 400)),
                }
            };
            let all = if i % 30 == 29 { u64::MAX } else { 0b11_0110 };
            steps.push(Step::MergeBeside(all, (0..12).map(write).collect()));
        }
    }
    Workload { name: "merge beside writes", max_file_size: 4096, steps }
}

/// Batches and transactions that delete ranges and write into them again: of no key, of some, of so many that they go over files.
pub(crate) fn ranges(n: usize) -> Workload {
    let mut steps = numbered(30, 30, |n| n % 4 * 150);
    for i in 0..n {
        let (from, len) = (i * 11 % 30, [1, 4, 0, 30][i % 4]);
        let mut changes = changes(i, i % 6, if i % 5 == 3 { 900 } else { 60 });
        if i % 3 == 0 {
            // Behind the range, so that it is there the next time.
            changes.push((key(30 + i % 9), Some(value(&key(30 + i % 9), 40_000 + i, 80))));
        }
        let to = from + len;
        steps.push(if i % 2 == 0 { Step::Range(from, to, changes) } else { Step::Transaction(from, to, changes) });
        for j in 0..4 {
            let k = key((i * 5 + j * 7) % 36);
            steps.push(Step::Put(k.clone(), value(&k, 50_000 + i * 10 + j, j * 100)));
        }
        match i % 10 {
            4 => steps.push(Step::Sync),
            9 => steps.push(Step::Reopen),
            _ => {}
        }
    }
    Workload { name: "ranges and transactions", max_file_size: 4096, steps }
}

/// Deletes whose puts are in other files, in every order of merging them.
fn delete_merge_merge_reopen(n: usize) -> Workload {
    let mut steps = Vec::new();
    for i in 0..n {
        let k = key(i % 10);
        steps.push(Step::Put(k.clone(), value(&k, i, 900)));
        if i % 10 == 9 {
            let round = (i / 10) as u64;
            steps.extend((0..9).filter(|j| j % 2 == 0).map(|j| Step::Delete(key(j))));
            steps.push(Step::Put(key(30), value(&key(30), 9000 + i, 3000)));
            steps.push(Step::Merge([0b1010, 0b1100, 0b0011, u64::MAX][round as usize % 4]));
            steps.push(Step::Merge([0b0101, 0b1_1000, u64::MAX, 0b11][round as usize % 4]));
            if round % 2 == 1 {
                steps.push(Step::Reopen);
            }
        }
    }
    steps.push(Step::Merge(u64::MAX));
    Workload { name: "delete, merge, merge, reopen", max_file_size: 4096, steps }
}
