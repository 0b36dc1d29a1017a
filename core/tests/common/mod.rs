//! What the suites share: workloads, the oracle that knows which states they may leave behind, and small helpers.
//!
//! One simulated disk serves all suites. Sizes are set by the environment: `BITCASK_LONG=n` makes every suite about n times
//! as large as in a normal test run; each prints the number of cases it went through.

#![allow(dead_code)] // Each suite is a crate of its own and uses its part.

pub(crate) mod craft;
pub(crate) mod damage;
pub(crate) mod history;
pub(crate) mod threads;
pub(crate) mod watched;
pub(crate) mod workload;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bitcask::vfs::Vfs;
use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Durability, Error, FileStats, IndexKind, IoKind, IterOptions, Options};

/// Where the store is on simulated disks.
pub(crate) const DIR: &str = "/db";

/// The contents of a store.
pub(crate) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A path in the store's directory.
pub(crate) fn at(name: &str) -> std::path::PathBuf {
    Path::new(DIR).join(name)
}

/// Options for looking at a store and for tests that count operations: nothing runs in the background.
pub(crate) fn quiet() -> Options {
    Options::new().durability(Durability::None).max_file_size(4096).checkpoint_bytes(0).background_merge(false)
}

/// Opens the store on a disk.
pub(crate) fn open(vfs: impl Vfs + 'static, options: &Options) -> bitcask::Result<Db> {
    Db::open_with_vfs(DIR, options, Arc::new(vfs))
}

/// All kinds of index.
pub(crate) const KINDS: [IndexKind; 5] =
    [IndexKind::BTree, IndexKind::Hash, IndexKind::Art, IndexKind::SkipList, IndexKind::BPTree];

/// Both I/O kinds.
pub(crate) const IO_KINDS: [IoKind; 2] = [IoKind::Mmap, IoKind::File];

/// The kinds of index in turn.
pub(crate) fn index(n: usize) -> IndexKind {
    KINDS[n % KINDS.len()]
}

/// All records, by iteration.
pub(crate) fn dump(db: &Db) -> bitcask::Result<Map> {
    let mut map = Map::new();
    for record in db.iter(&IterOptions::new())? {
        let (key, value) = record?;
        map.insert(key, value.into_vec());
    }
    assert_eq!(db.count(&IterOptions::new())?, map.len() as u64, "count() and iteration disagree");
    Ok(map)
}

/// What the store says of its files is what counting them anew gives.
pub(crate) fn check_accounts(db: &Db) {
    let look = || (db.file_stats().expect("figures"), db.recount().expect("it counts"));
    let ids = |files: &[FileStats]| files.iter().map(|file| file.id).collect::<Vec<_>>();
    // A merge in the background may put files in the place of others in between.
    let looks = (0..100).map(|_| look()).find(|(kept, counted)| ids(kept) == ids(counted));
    let (mut kept, mut counted) = looks.unwrap_or_else(look);
    for file in kept.iter_mut().chain(&mut counted).filter(|file| file.is_active) {
        // A sync in the background may have marked the log in between.
        file.bytes = 0;
    }
    assert_eq!(kept, counted, "the accounts are not what is in the files");
    assert_eq!(db.len().expect("len"), kept.iter().map(|file| file.live_records).sum::<u64>());
}

/// Dead records and deletes in all files.
pub(crate) fn dead(db: &Db) -> (u64, u64) {
    let files = db.file_stats().expect("figures");
    (files.iter().map(|file| file.dead_records).sum(), files.iter().map(|file| file.tombstones).sum())
}

/// How many times as large as normal the suites are to be.
pub(crate) fn factor() -> usize {
    number_from_env("BITCASK_LONG").unwrap_or(1).max(1)
}

pub(crate) fn number_from_env(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|n| n.parse().unwrap_or_else(|_| panic!("{name}={n} is no number")))
}

/// Tells a suite's size, past the test harness's capture, so that a figure in the documentation has a command behind it.
pub(crate) fn report(suite: &str, what: impl Display, since: Instant) {
    let _ = writeln!(std::io::stderr(), "{suite}: {what} in {:.1} s", since.elapsed().as_secs_f64());
}

/// Runs cases 0..n on all processors. A panic in one is the test's.
pub(crate) fn parallel(n: usize, each: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(n.max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= n {
                        return;
                    }
                    each(case);
                }
            });
        }
    });
}

/// Counts cases from many threads.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Random numbers from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }
}

/// Removes all hints from a disk, and the saved index, so that the next opening reads all of the log: they may change the time of opening
/// and nothing else.
pub(crate) fn remove_hints(disk: &SimVfs) {
    for (path, _) in disk.files() {
        if path.extension().is_some_and(|e| e == "hint" || e == "checkpoint") {
            disk.uproot(&path);
        }
    }
}

/// Whether an error is what a failing disk may give: the call failed, or writing has stopped.
pub(crate) fn is_io(error: &Error) -> bool {
    matches!(error, Error::Io { .. } | Error::WritesStopped { .. })
}
