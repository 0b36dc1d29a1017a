//! The open store: ties index, log, commit queue and history together.
//!
//! Locking, from the outside in:
//! 1. The commit queue's leader is the one writer. (The thread that commits for others, `committer`, is a caller like any other, and holds no
//!    lock of its own meanwhile.)
//! 2. `log`, the writer's state: held by the leader, across I/O, and by whoever marks a sync or closes. Never by readers.
//! 3. `gate`: held for writing while a group of commits goes into history and index, and for reading while a snapshot
//!    is registered. Never across I/O.
//! 4. The index's own locks; and that of `durable`, under which nothing else is taken.
//!
//! Readers take 4, for moments only, and the table of files (`files`), which is no lock.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::index::{Index, IndexKind};
use crate::log::{Beside, GatedVfs, LogConfig, LogWriter, SyncGate};
use crate::stats::{OpenReport, Stats};
use crate::types::{Durability, IoKind, OnDamage, SeqNo};
use crate::util::lock::{Mutex, RwLock};
use crate::vfs::{LockGuard, OpenMode, Vfs};

use super::accounts::Accounts;
use super::checkpoint::Saving;
use super::committer::Committer;
use super::durable::Durable;
use super::expiry::Expiry;
use super::files::Files;
use super::history::History;
use super::home;
use super::indexed::{self, Indexed};
use super::interval::{IntervalSync, Pressure};
use super::merge::{MergePolicy, Merging};
use super::queue::{CommitQueue, Limits};
use super::recovery::{self, Callback, SurveyConfig};
use super::refresh::Tail;
use super::share::Shares;
use super::write::{Job, Outcome};

/// A group of commits has at most so many, and after the first at most so many bytes.
pub(super) const MAX_GROUP: usize = 1024;
pub(super) const MAX_GROUP_BYTES: u64 = 4 << 20;
/// A leader with no more bytes than this takes no more than this of others: what it does with them takes little longer. LevelDB's figure.
const SMALL_GROUP_BYTES: u64 = 128 << 10;
/// An index is saved after an opening that read so many records: the next one, after a crash, need not.
const CHECKPOINT_RECORDS: u64 = 100_000;

/// What the facade asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) index: IndexKind,
    pub(crate) durability: Durability,
    pub(crate) max_file_size: u64,
    pub(crate) create_if_missing: bool,
    pub(crate) read_only: bool,
    pub(crate) verify_checksums: bool,
    pub(crate) on_damage: OnDamage,
    pub(crate) io: IoKind,
    pub(crate) sort_budget: u64,
    pub(crate) index_budget: u64,
    pub(crate) checkpoint_bytes: u64,
    pub(crate) merge: MergePolicy,
    pub(crate) expiry: Option<Duration>,
    pub(crate) background_merge: bool,
}

/// What an opening is given beyond the configuration.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    /// Is told how far it is.
    pub(crate) progress: Option<Arc<Callback>>,
    /// Whether the store was closed.
    pub(crate) closed: Arc<AtomicBool>,
}

/// An open store.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) dir: PathBuf,
    pub(super) config: Config,
    pub(super) index: Arc<dyn Index>,
    pub(super) files: Arc<Files>,
    /// What is alive in them.
    pub(super) accounts: Accounts,
    pub(super) merging: Merging,
    pub(super) queue: CommitQueue<Job, Outcome>,
    pub(super) committer: Committer,
    /// What is on stable storage.
    pub(super) durable: Arc<Durable>,
    /// `None` if opened for reading only.
    pub(super) log: Option<Arc<Mutex<LogWriter>>>,
    /// What all syncs of data files and of the directory go through, and that one failed.
    pub(super) syncs: Arc<SyncGate>,
    /// Who does for the log what no write is to wait for.
    pub(super) beside: Option<Arc<Beside>>,
    /// The writer's, to be read without its lock.
    is_copying: Option<Arc<AtomicBool>>,
    pub(super) gate: RwLock<()>,
    pub(super) expiry: Expiry,
    pub(super) history: History,
    /// Number of the last commit that readers see.
    pub(super) visible: AtomicU64,
    /// How far in the log a reader is.
    pub(super) tail: Option<Mutex<Tail>>,
    /// Who uses it.
    pub(super) shares: Shares,
    /// Shared by all states that a reader loads.
    closed: Arc<AtomicBool>,
    generation: u64,
    pub(super) report: OpenReport,
    pub(super) store_id: u64,
    pub(super) saving: Saving,
    interval: Mutex<Option<IntervalSync>>,
    /// What the interval thread is told of appends.
    pressure: OnceLock<Arc<Pressure>>,
    /// Seeded when it is first used.
    random: OnceLock<Random>,
    lock: Mutex<Option<Box<dyn LockGuard>>>,
}

/// Random numbers that are good enough to pick keys with, and not for what has to be secret (SplitMix64: Steele, Lea and Flood,
/// OOPSLA 2014).
#[derive(Debug)]
pub(super) struct Random(AtomicU64);

impl Random {
    pub(super) fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Store {
    /// Opens, recovers, and starts what runs in the background.
    pub(crate) fn open(path: &Path, config: Config, vfs: Arc<dyn Vfs>, hooks: &Hooks) -> Result<Arc<Store>> {
        let dir = home::directory(path, config, vfs.as_ref())?;
        let lock = if config.read_only { None } else { Some(home::take_lock(&dir, vfs.as_ref())?) };
        // A reader beside a writer must not touch a page that the writer may cut off.
        let map_len = if config.read_only { 0 } else { map_len(config) };
        let mode = if config.read_only { OpenMode::Read } else { OpenMode::ReadWrite };
        let look = SurveyConfig { mode, map_len, on_damage: config.on_damage };
        let mut survey = recovery::survey(vfs.as_ref(), &dir, look)?;
        if !config.read_only {
            recovery::remove_temps(&survey, vfs.as_ref())?;
        }
        let syncs = Arc::new(SyncGate::default());
        if !config.read_only {
            syncs.keep_dir(vfs.as_ref(), &dir)?;
        }
        let gated: Arc<dyn Vfs> = Arc::new(GatedVfs::new(&vfs, &syncs));
        let Indexed { index, mut replayed, healing, covered, expires } =
            indexed::index(&survey, &gated, &dir, config, hooks)?;
        // Where each write waits for the disk, who writes may do all of it.
        let has_helpers = !config.read_only && config.durability != Durability::Always;
        let beside = has_helpers.then(|| Beside::new(vfs.helpers())).flatten();
        let tail = config.read_only.then(|| Mutex::new(Tail::new(&mut survey, &replayed)));
        let applied = replayed.applied;
        let accounts = Accounts::new(replayed.ledger.take());
        let mut store_id = survey.store_id.unwrap_or_default();
        let (log, report) = if config.read_only {
            (None, replayed.into_report(&survey))
        } else {
            if survey.store_id.is_none() {
                store_id = indexed::random_u64(vfs.as_ref(), &dir)?;
            }
            let log_config = LogConfig {
                vfs: Arc::clone(&vfs),
                dir: dir.clone(),
                store_id,
                max_file_size: config.max_file_size,
                map_len,
                // What is synced at once gains nothing from it: pwrite and fdatasync are faster than a fault and fdatasync.
                copies: map_len > 0 && config.durability != Durability::Always,
                gate: Arc::clone(&syncs),
                beside: beside.clone(),
            };
            let (end, report) = recovery::repair(&mut survey, replayed, &log_config)?;
            let mut log = LogWriter::new(log_config, end);
            log.mark_recovered().inspect_err(|_| beside.iter().for_each(|beside| beside.stop()))?;
            (Some(Arc::new(Mutex::new(log))), report)
        };
        let is_copying = log.as_ref().map(|log| log.lock().is_copying());
        let files = Arc::new(Files::default());
        files.add(survey.files);
        let store = Arc::new(Store {
            generation: vfs.process_generation(),
            queue: CommitQueue::new(Limits { jobs: MAX_GROUP, cost: MAX_GROUP_BYTES, small: SMALL_GROUP_BYTES }),
            committer: Committer::default(),
            // Opening brought all that it found there.
            durable: Arc::new(Durable::new(report.last_seq)),
            gate: RwLock::new(()),
            expiry: Expiry::new(config.expiry, expires),
            history: History::default(),
            visible: AtomicU64::new(if config.read_only { applied.0 } else { report.last_seq.0 }),
            tail,
            shares: Shares::default(),
            closed: Arc::clone(&hooks.closed),
            interval: Mutex::new(None),
            pressure: OnceLock::new(),
            random: OnceLock::new(),
            lock: Mutex::new(lock),
            vfs,
            dir,
            config,
            index,
            files,
            accounts,
            merging: Merging::default(),
            log,
            syncs,
            beside,
            is_copying,
            report,
            store_id,
            saving: Saving::new(covered),
        });
        if !config.read_only {
            store.saving.attach(&store);
        }
        if let Some(healing) = healing {
            healing.attach(&store, applied);
        }
        if let Some(log) = &store.log
            && store.saves_index()
            && store.report.scanned_records + store.report.hint_records >= CHECKPOINT_RECORDS
        {
            let mut log = log.lock();
            // Everything that opening found is on stable storage, but perhaps the mark at the end.
            log.sync()?;
            store.keep_index(&log, false);
        }
        if let (Durability::Interval { every, bytes }, Some(log)) = (config.durability, &store.log) {
            let interval = IntervalSync::start(log, &store.durable, every, bytes)?;
            let _ = store.pressure.set(Arc::clone(interval.pressure()));
            *store.interval.lock() = Some(interval);
        }
        if !config.read_only {
            store.look_at_index_beside();
            if store.config.background_merge {
                store.merging.background.attach(&store);
            }
        }
        Ok(store)
    }

    /// Whether this process got the store by a fork: its locks may be held by threads that are not here.
    pub(super) fn is_foreign(&self) -> bool {
        self.vfs.process_generation() != self.generation
    }

    /// Every public call begins with this.
    pub(crate) fn check_usable(&self) -> Result<()> {
        if self.is_foreign() {
            return Err(Error::Forked);
        }
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Counts bytes that were appended without a sync.
    pub(super) fn count_unsynced(&self, bytes: u64) {
        if let Some(pressure) = self.pressure.get() {
            pressure.appended(bytes);
        }
    }

    pub(crate) fn visible(&self) -> SeqNo {
        SeqNo(self.visible.load(Ordering::Acquire))
    }

    /// Begins a snapshot of what is visible now; history is to be told when it ends.
    pub(super) fn begin_snapshot(&self) -> SeqNo {
        let _gate = self.gate.read();
        let seq = self.visible();
        self.history.register(seq);
        seq
    }

    pub(crate) fn len(&self) -> Result<u64> {
        self.check_usable()?;
        Ok(self.index.len())
    }

    pub(crate) fn stats(&self) -> Result<Stats> {
        self.check_usable()?;
        let (files, mapped_files, data_bytes) = self.files.load().totals();
        let mut stats = Stats {
            keys: self.index.len(),
            files,
            mapped_files,
            mapped_appends: self.is_copying.as_ref().is_some_and(|is| is.load(Ordering::Relaxed)),
            data_bytes,
            index_bytes: self.index.memory(),
            last_seq: self.visible().0,
            damaged_places: self.report.damage.len() as u64,
            damaged_bytes: self.report.damage.iter().map(|damage| damage.len).sum(),
            ..Stats::default()
        };
        self.merging.background.tell(&mut stats);
        Ok(stats)
    }

    /// The random numbers that keys are sampled with.
    pub(super) fn random(&self) -> Result<&Random> {
        if let Some(random) = self.random.get() {
            return Ok(random);
        }
        let seed = indexed::random_u64(self.vfs.as_ref(), &self.dir)?;
        Ok(self.random.get_or_init(|| Random(AtomicU64::new(seed))))
    }

    /// The state that the directory has now, for a reader that can't catch up.
    pub(super) fn load_anew(&self) -> Result<Arc<Store>> {
        let hooks = Hooks { progress: None, closed: Arc::clone(&self.closed) };
        Store::open(&self.dir, self.config, Arc::clone(&self.vfs), &hooks)
    }

    pub(crate) fn open_report(&self) -> &OpenReport {
        &self.report
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn close(&self) -> Result<()> {
        self.check_usable()?;
        self.merging.check_thread()?;
        if self.closed.swap(true, Ordering::AcqRel) {
            return Err(Error::Closed);
        }
        self.shut_down()
    }

    /// The last share is given up. In a forked child the threads are the parent's.
    pub(super) fn stop_background(&self) {
        if !self.is_foreign() {
            self.merging.background.stop();
            self.saving.stop();
        }
    }

    /// Waits for the writer under way, answers who waits for an answer, syncs, and lets go of the lock whatever happens.
    fn shut_down(&self) -> Result<()> {
        // A merge that runs sees that the store is closed, and so does one that begins later: its turn is not kept, for a
        // callback that `committer` is to wait for may want it.
        self.merging.background.stop();
        drop(self.merging.begin());
        if let Some(interval) = self.interval.lock().take() {
            interval.stop();
        }
        self.committer.stop();
        self.saving.stop();
        let outcome = self.log.as_ref().map_or(Ok(()), |log| {
            let mut log = log.lock();
            log.close()?;
            self.durable.advance(log.synced_seq());
            self.keep_index_at_close(&mut log);
            Ok(())
        });
        *self.lock.lock() = None;
        outcome
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.is_foreign() {
            // The parent's: its thread does not exist here, and its log is not ours to touch. Closing the lock's
            // descriptor leaves the parent's lock alone.
            if let Some(interval) = self.interval.get_mut().take() {
                interval.forget();
            }
            self.committer.forget();
            self.merging.background.forget();
            self.saving.forget();
            // Its hint's temporary file is the parent's too, and so are the threads beside it.
            std::mem::forget((self.log.take(), self.beside.take()));
        } else if !self.closed.load(Ordering::Acquire) {
            // Nobody is left to be told; `close` tells.
            let _ = self.shut_down();
        }
    }
}

/// Bytes of address space for each data file, with room to grow; 0 maps nothing. Where a store does not fit the address space
/// nothing is mapped either.
fn map_len(config: Config) -> u64 {
    match config.io {
        IoKind::Mmap if cfg!(target_pointer_width = "64") => config.max_file_size,
        IoKind::Mmap | IoKind::File => 0,
    }
}
