//! Random schedules of puts, deletes, expiries, merges of any files, lost and outdated hints and saved indexes, kills and power cuts, also in
//! the midst of merges and of openings; and the newest record of each key whatever is merged in what order.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Error, FileId, MergeOptions, Options, Timestamp};

use super::common::history::merge_options;
use super::common::{
    Counter, IO_KINDS, KINDS, Map, Rng, check_accounts, dump, factor, index, number_from_env, open, parallel, quiet,
    remove_hints, report,
};
use super::{check, fill, key};

/// A value, and from when on it counts as absent.
type Entry = (Vec<u8>, Option<u64>);

/// What a schedule does with a store whose every write is on stable storage when something is lost.
struct Schedule {
    rng: Rng,
    disk: SimVfs,
    db: Db,
    /// What is there, expired or not; the clock at 0 shows all of it.
    state: BTreeMap<Vec<u8>, Entry>,
    now: u64,
    /// Hints and saved indexes as they were when the store was opened last.
    old: Vec<(PathBuf, Vec<u8>)>,
    writes: usize,
    log: Vec<String>,
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Whether a file is made anew where it is lost: hints, and indexes that were saved.
fn is_advice(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "hint" || e == "checkpoint" || e == "bptree" || e == "accounts")
}

impl Schedule {
    fn new(seed: u64) -> Schedule {
        let (disk, mut rng, now) = (SimVfs::new(seed), Rng(seed), 1_000_000);
        disk.set_now(Timestamp(now));
        let db = open(disk.clone(), &quiet().index(index(rng.below(5)))).expect("it opens");
        Schedule { rng, disk, db, state: BTreeMap::new(), now, old: Vec::new(), writes: 0, log: Vec::new() }
    }

    fn options(&mut self) -> Options {
        let io = IO_KINDS[self.rng.below(2)];
        // With the index saved all the time, or as a rule, or at the end alone.
        let checkpoint = [0, 1, 3000][self.rng.below(3)];
        quiet().index(index(self.rng.below(5))).io(io).checkpoint_bytes(checkpoint)
    }

    fn is_expired(&self, entry: &Entry) -> bool {
        entry.1.is_some_and(|expiry| expiry <= self.now)
    }

    /// What the clock shows.
    fn visible(&self) -> Map {
        let shown = self.state.iter().filter(|(_, entry)| !self.is_expired(entry));
        shown.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    fn set_now(&mut self, now: u64) {
        self.now = now;
        self.disk.set_now(Timestamp(now));
    }

    /// What a sweep leaves.
    fn swept(&mut self) {
        let now = self.now;
        self.state.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| now < expiry));
    }

    fn value(&mut self) -> Vec<u8> {
        format!("{} ", self.writes).repeat(1 + self.rng.below(250)).into_bytes()
    }

    fn write(&mut self) {
        self.writes += 1;
        // Few keys, and in many files: what may come back is everywhere.
        let key = key(self.rng.below(8));
        let ttl = 1 + self.rng.below(40) as u64;
        match self.rng.below(14) {
            0..=3 => {
                let was_there = self.state.get(&key).is_some_and(|entry| !self.is_expired(entry));
                assert_eq!(self.db.delete(&key).expect("it writes"), was_there);
                self.state.remove(&key);
            }
            4 => self.batch(),
            5..=6 => {
                let value = self.value();
                self.db.put_with_ttl(&key, &value, ms(ttl)).expect("it writes");
                self.state.insert(key, (value, Some(self.now + ttl)));
            }
            7 => {
                let there = self.visible().remove(&key);
                assert_eq!(self.db.expire(&key, ms(ttl)).expect("it writes"), there.is_some());
                if let Some(value) = there {
                    self.state.insert(key, (value, Some(self.now + ttl)));
                }
            }
            8 => {
                let there = self.state.get(&key).filter(|entry| entry.1.is_some() && !self.is_expired(entry)).cloned();
                assert_eq!(self.db.persist(&key).expect("it writes"), there.is_some());
                if let Some((value, _)) = there {
                    self.state.insert(key, (value, None));
                }
            }
            _ => {
                let value = self.value();
                self.db.put(&key, &value).expect("it writes");
                self.state.insert(key, (value, None));
            }
        }
    }

    fn batch(&mut self) {
        let mut batch = self.db.batch();
        for n in 0..2 + self.rng.below(3) {
            let (key, value) = (key(n), vec![self.writes as u8; 900 + n]);
            match self.rng.below(4) {
                0 => {
                    batch.put(&key, &value).expect("it takes it");
                    self.state.insert(key, (value, None));
                }
                1 => {
                    let ttl = 1 + self.rng.below(40) as u64;
                    batch.put_with_ttl(&key, &value, ms(ttl)).expect("it takes it");
                    self.state.insert(key, (value, Some(self.now + ttl)));
                }
                _ => {
                    batch.delete(&key).expect("it takes it");
                    self.state.remove(&key);
                }
            }
        }
        batch.commit().expect("it writes");
    }

    fn choice(&mut self, disk: &SimVfs, at: usize) -> CrashChoice {
        match self.rng.below(6) {
            0 => CrashChoice::LoseUnsynced,
            1 => CrashChoice::KeepAll,
            2 => CrashChoice::DropOne(self.rng.below(disk.unsynced_ops(at))),
            3 => CrashChoice::Pages { seed: self.rng.next(), unit: 512 },
            _ => CrashChoice::Entries(self.rng.next()),
        }
    }

    /// The disk after a power cut at some operation from this one on.
    fn cut(&mut self, disk: &SimVfs, from: usize, what: &str) -> SimVfs {
        let at = from + self.rng.below(disk.op_count() - from + 1);
        let choice = self.choice(disk, at);
        self.log.push(format!("{what} cut at {at} of {from}..{}: {choice:?}", disk.op_count()));
        disk.crash(at, &choice)
    }

    fn merge(&mut self) {
        let set = if self.rng.below(5) == 0 { u64::MAX } else { self.rng.next() };
        self.db.sync().expect("it syncs");
        let before = self.disk.op_count();
        let options = merge_options(&self.db, set).expect("figures");
        let expired = self.state.values().filter(|entry| self.is_expired(entry)).count();
        let report = self.db.merge(&options).expect("it merges");
        assert_eq!(report.swept_keys, expired as u64);
        self.log.push(format!("merged {:?} to {:?}", report.removed_files, report.created_files));
        if self.rng.below(3) == 0 {
            let disk = self.cut(&self.disk.clone(), before, "merge");
            // Which of the deletes of its sweep are there nobody knows.
            self.reopen(disk, true);
        } else {
            self.swept();
        }
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..=53 => self.write(),
            // The clock goes either way.
            54..=57 => {
                let by = self.rng.below(60) as u64;
                let now = if self.rng.below(3) == 0 { self.now - by } else { self.now + by };
                self.set_now(now);
                assert_eq!(dump(&self.db).expect("it reads"), self.visible(), "at {}", self.now);
            }
            58..=59 => {
                self.db.sweep_expired().expect("it sweeps");
                self.swept();
            }
            60..=84 => self.merge(),
            85..=88 => {
                self.log.push("killed".into());
                self.reopen(self.disk.kill(), false);
            }
            89..=92 => {
                self.db.sync().expect("it syncs");
                let disk = self.cut(&self.disk.clone(), self.disk.op_count(), "power");
                self.reopen(disk, false);
            }
            _ => {
                self.db.close().expect("it closes");
                self.log.push("closed".into());
                self.reopen(self.disk.copy(), false);
            }
        }
    }

    /// Takes hints and saved indexes away, or puts older ones there.
    fn lose(&mut self, disk: &SimVfs) {
        let old = std::mem::take(&mut self.old);
        match self.rng.below(4) {
            0 => {
                for (path, _) in disk.files() {
                    if is_advice(&path) && self.rng.below(2) == 0 {
                        self.log.push(format!("lost {}", path.display()));
                        disk.uproot(&path);
                    }
                }
            }
            1 => {
                for (path, bytes) in old {
                    if self.rng.below(2) == 0 {
                        self.log.push(format!("an older {}", path.display()));
                        disk.plant(&path, &bytes);
                    }
                }
            }
            _ => {}
        }
    }

    /// Opens what is left of it, at the second attempt if the first is cut short as well. Whether of what had expired some may have been swept.
    fn reopen(&mut self, mut disk: SimVfs, may_be_swept: bool) {
        self.lose(&disk);
        if self.rng.below(5) == 0 {
            disk.settle();
            let (from, options) = (disk.op_count(), self.options());
            drop(open(disk.clone(), &options).expect("it opens"));
            disk = self.cut(&disk, from, "opening");
            self.lose(&disk);
        }
        let options = self.options();
        self.db = open(disk.clone(), &options).expect("it opens again");
        self.disk = disk;
        assert!(self.db.open_report().damage.is_empty(), "{:?}", self.db.open_report());
        self.disk.set_now(Timestamp(0));
        let found = dump(&self.db).expect("it reads");
        if may_be_swept {
            let now = self.now;
            self.state.retain(|key, (_, expiry)| expiry.is_none_or(|at| now < at) || found.contains_key(key));
        }
        let all: Map = self.state.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect();
        assert_eq!(found, all, "after a reopen");
        self.disk.set_now(Timestamp(self.now));
        assert_eq!(dump(&self.db).expect("it reads"), self.visible(), "after a reopen, at {}", self.now);
        check_accounts(&self.db);
        self.old = self.disk.files().into_iter().filter(|(path, _)| is_advice(path)).collect();
    }
}

#[test]
fn random_schedules_lose_no_key_and_bring_none_back() {
    let schedules = number_from_env("BITCASK_MERGE_SCHEDULES").unwrap_or(2000 * factor());
    let first = number_from_env("BITCASK_MERGE_SEED").unwrap_or(0);
    let (since, steps) = (Instant::now(), Counter::default());
    parallel(schedules, |n| {
        let seed = first + n;
        let outcome = std::panic::catch_unwind(|| {
            let mut schedule = Schedule::new(seed as u64);
            for _ in 0..60 {
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| schedule.step()));
                if let Err(panic) = outcome {
                    report("merge", format!("seed {seed}: {:#?}", schedule.log), since);
                    std::panic::resume_unwind(panic);
                }
            }
            schedule.reopen(schedule.disk.kill(), false);
            steps.add(61);
        });
        assert!(outcome.is_ok(), "BITCASK_MERGE_SEED={seed} BITCASK_MERGE_SCHEDULES=1");
    });
    report("merge", format!("{schedules} schedules, {} steps", steps.get()), since);
}

/// The newest record of a key counts, whatever lies in which merged file and in what order: copies of one record, deletes, and logs that are
/// older than what was merged.
#[test]
fn merged_files_tell_the_newest_whatever_their_order() {
    for (n, kind) in KINDS.iter().cycle().take(10 * factor().max(2)).enumerate() {
        let (disk, mut state) = (SimVfs::new(n as u64), Map::new());
        let options = quiet().index(*kind);
        let db = open(disk.clone(), &options).expect("it opens");
        let mut rng = Rng(n as u64 * 7 + 1);
        for round in 0..6 {
            fill(&db, &mut state, n as u64 * 100 + round, 120);
            let files: Vec<FileId> = db.file_stats().expect("figures").iter().map(|file| file.id).collect();
            // Some of the files, so that older ones stay beside what is made of newer ones.
            let some: Vec<FileId> = files.into_iter().filter(|_| rng.below(3) == 0).collect();
            // Cut short when the copies have their names and the sources are still there.
            let is_cut = rng.below(2) == 0;
            let stop = if is_cut { rng.below(40) } else { usize::MAX };
            let told = AtomicUsize::new(0);
            let options = MergeOptions::new().files(&some).progress(move |_| {
                if told.fetch_add(1, Ordering::Relaxed) < stop {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
            match db.merge(&options) {
                Ok(_) | Err(Error::Cancelled) => {}
                Err(error) => panic!("{error}"),
            }
            for lost in [false, true] {
                let copy = disk.kill();
                if lost {
                    remove_hints(&copy);
                }
                let db = open(copy, &quiet().index(index(round as usize))).expect("it opens");
                check(&db, &state, "opened anew");
            }
        }
    }
}
