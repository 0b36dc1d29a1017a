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
use crate::format::names::{self, FileName};
use crate::index::art::Art;
use crate::index::bptree::BPTree;
use crate::index::btree::BTree;
use crate::index::hash::HashIndex;
use crate::index::skiplist::SkipList;
use crate::index::{Covered, Index, IndexKind};
use crate::log::{LogConfig, LogWriter};
use crate::stats::{OpenReport, Stats};
use crate::types::{Durability, IoKind, OnDamage, SeqNo};
use crate::util::lock::{Mutex, RwLock};
use crate::vfs::{EntryKind, LockError, LockGuard, OpenMode, Vfs};

use super::accounts::{Accounts, Ledger};
use super::checkpoint::{self, Opened, Saving};
use super::committer::Committer;
use super::durable::Durable;
use super::expiry::Expiry;
use super::files::Files;
use super::healing::Healing;
use super::history::History;
use super::interval::{IntervalSync, Pressure};
use super::merge::{MergePolicy, Merging};
use super::queue::{CommitQueue, Limits};
use super::recovery::{self, Callback, Progress, ReplayConfig, Replayed, Start, Survey, SurveyConfig};
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
        let dir = directory(path, config, vfs.as_ref())?;
        let lock = if config.read_only { None } else { Some(take_lock(&dir, vfs.as_ref())?) };
        // A reader beside a writer must not touch a page that the writer may cut off.
        let map_len = if config.read_only { 0 } else { map_len(config) };
        let mode = if config.read_only { OpenMode::Read } else { OpenMode::ReadWrite };
        let look = SurveyConfig { mode, map_len, on_damage: config.on_damage };
        let mut survey = recovery::survey(vfs.as_ref(), &dir, look)?;
        if !config.read_only {
            recovery::remove_temps(&survey, vfs.as_ref())?;
        }
        let Recovered { index, mut replayed, healing, covered, expires } = recover(&survey, &vfs, &dir, config, hooks)?;
        let tail = config.read_only.then(|| Mutex::new(Tail::new(&mut survey, &replayed)));
        let applied = replayed.applied;
        let accounts = Accounts::new(replayed.ledger.take());
        let mut store_id = survey.store_id.unwrap_or_default();
        let (log, report) = if config.read_only {
            (None, replayed.into_report(&survey))
        } else {
            if survey.store_id.is_none() {
                store_id = random_u64(vfs.as_ref(), &dir)?;
            }
            let log_config = LogConfig {
                vfs: Arc::clone(&vfs),
                dir: dir.clone(),
                store_id,
                max_file_size: config.max_file_size,
                map_len,
                // What is synced at once gains nothing from it: pwrite and fdatasync are faster than a fault and fdatasync.
                copies: map_len > 0 && config.durability != Durability::Always,
            };
            let (end, report) = recovery::repair(&mut survey, replayed, &log_config)?;
            let mut log = LogWriter::new(log_config, end);
            log.mark_recovered()?;
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
            is_copying,
            report,
            store_id,
            saving: Saving::new(covered),
        });
        if let Some(healing) = healing {
            healing.attach(&store);
        }
        if let Some(log) = &store.log
            && store.saves_index()
            && store.report.scanned_records + store.report.hint_records >= CHECKPOINT_RECORDS
        {
            let mut log = log.lock();
            // Everything that opening found is on stable storage, but perhaps the mark at the end.
            log.sync()?;
            store.keep_index(&log);
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
        let seed = random_u64(self.vfs.as_ref(), &self.dir)?;
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

    /// The last share is given up. In a forked child the thread is the parent's.
    pub(super) fn stop_background(&self) {
        if !self.is_foreign() {
            self.merging.background.stop();
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
            // Its hint's temporary file is the parent's too.
            std::mem::forget(self.log.take());
        } else if !self.closed.load(Ordering::Acquire) {
            // Nobody is left to be told; `close` tells.
            let _ = self.shut_down();
        }
    }
}

fn directory(path: &Path, config: Config, vfs: &dyn Vfs) -> Result<PathBuf> {
    match vfs.canonicalize(path) {
        Ok(dir) => match vfs.entry_kind(&dir) {
            Ok(EntryKind::Directory) if config.create_if_missing && !config.read_only => {
                if !has_data_file(&dir, vfs)? {
                    adopt_directory(&dir, vfs)?;
                }
                Ok(dir)
            }
            // Before anything is created in a directory that is somebody else's.
            Ok(EntryKind::Directory) if has_data_file(&dir, vfs)? => Ok(dir),
            Ok(EntryKind::Directory) => Err(Error::NoStore { path: dir }),
            Ok(_) => {
                let source = std::io::ErrorKind::NotADirectory.into();
                Err(Error::io("open", path, None, source))
            }
            Err(e) => Err(Error::io("open", path, None, e)),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            if !config.create_if_missing || config.read_only {
                return Err(Error::NoStore { path: path.to_owned() });
            }
            create_directory(path, vfs)
        }
        Err(e) => Err(Error::io("open", path, None, e)),
    }
}

fn has_data_file(dir: &Path, vfs: &dyn Vfs) -> Result<bool> {
    let entries = vfs.list(dir).map_err(|e| Error::io("list", dir, None, e))?;
    let is_data = |name: &String| matches!(FileName::parse(name), Some(FileName::Data(_)));
    Ok(entries.iter().any(|entry| entry.name.as_ref().is_some_and(is_data)))
}

/// Makes the name of a directory durable that a store is to be created in: whoever made it may have been killed before.
fn adopt_directory(dir: &Path, vfs: &dyn Vfs) -> Result<()> {
    let Some(parent) = dir.parent() else { return Ok(()) };
    match vfs.sync_dir(parent) {
        // A parent that we may not read is not one that we made the directory in.
        Err(e) if e.kind() != std::io::ErrorKind::PermissionDenied => Err(Error::io("sync", parent, None, e)),
        _ => Ok(()),
    }
}

fn create_directory(path: &Path, vfs: &dyn Vfs) -> Result<PathBuf> {
    match vfs.create_dir(path) {
        Ok(()) => {}
        // Another process was faster.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(Error::io("mkdir", path, None, e)),
    }
    let dir = vfs.canonicalize(path).map_err(|e| Error::io("open", path, None, e))?;
    if let Some(parent) = dir.parent() {
        vfs.sync_dir(parent).map_err(|e| Error::io("sync", parent, None, e))?;
    }
    Ok(dir)
}

fn take_lock(dir: &Path, vfs: &dyn Vfs) -> Result<Box<dyn LockGuard>> {
    let path = dir.join(names::LOCK);
    vfs.lock(&path, &format!("{}\n", vfs.process_id())).map_err(|e| match e {
        LockError::Held(note) => Error::Locked { path: dir.to_owned(), pid: note.trim().parse().ok() },
        LockError::Io(e) => Error::io("lock", &path, None, e),
    })
}

/// What opening made of the files.
struct Recovered {
    index: Arc<dyn Index>,
    replayed: Replayed,
    /// The index, if damage of it may still be found.
    healing: Option<Arc<Healing>>,
    /// How far the saved image goes that the index was made of.
    covered: Option<Covered>,
    /// A record that it names may have an expiry.
    expires: bool,
}

/// Reads the files into an index: one that is there already as far as it can be believed, else a new one.
fn recover(survey: &Survey, vfs: &Arc<dyn Vfs>, dir: &Path, config: Config, hooks: &Hooks) -> Result<Recovered> {
    let expires = AtomicBool::new(false);
    let replay = |index: &dyn Index, start: Option<Start>, ledger: Option<Ledger>| {
        let (on_damage, collect_hints, until) = (config.on_damage, !config.read_only, SeqNo(u64::MAX));
        let (beside, progress) = (config.read_only, Progress::new(hooks.progress.clone()));
        let config = ReplayConfig {
            vfs,
            dir,
            on_damage,
            collect_hints,
            start,
            beside,
            last: None,
            live: None,
            until,
            ledger,
            expires: &expires,
            progress,
        };
        recovery::replay(survey, index, config)
    };
    // What replaying what follows came to; nothing if the index was found damaged by it.
    let resume = |index: &dyn Index, covered: &Covered, accounts: &[u8]| -> Result<Result<Replayed>, String> {
        let start = recovery::start(survey, covered)?;
        match replay(index, Some(start), Ledger::decode(accounts, &survey.files, index.len())) {
            Err(error) if index.is_damaged() => Err(error.to_string()),
            outcome => Ok(outcome),
        }
    };
    let mut unusable = None;
    match config.index {
        IndexKind::BPTree if !config.read_only => {
            let (index, why) = BPTree::open(Arc::clone(vfs), dir.to_owned(), names::BPTREE, config.index_budget);
            unusable = why;
            match index.covered().map(|covered| {
                let accounts = checkpoint::read_accounts(vfs.as_ref(), dir, &covered).unwrap_or_default();
                resume(&index, &covered, &accounts)
            }) {
                Some(Ok(replayed)) => {
                    let (index, replayed) = (Arc::new(index), replayed?);
                    let expires = expires.into_inner();
                    return Ok(Recovered { index, replayed, healing: None, covered: None, expires });
                }
                Some(Err(why)) => unusable = Some(why),
                None => {}
            }
        }
        kind => {
            match checkpoint::open(vfs.as_ref(), dir, (kind, config.io), |to, keys| {
                recovery::changes_behind(survey, to, keys)
            }) {
                Ok(None) => {}
                Ok(Some(Opened { index, covered, accounts, is_behind })) => {
                    // A file system that is to see operations in one order has one thread.
                    let looks = is_behind && vfs.open_threads(u64::MAX) > 1;
                    let work = || resume(index.as_ref(), &covered, &accounts);
                    match checkpoint::look_beside(index.as_ref(), looks, work) {
                        Ok(replayed) => {
                            let (healing, replayed) = (Arc::new(Healing::new(index)), replayed?);
                            let index = Arc::clone(&healing);
                            let (healing, covered, expires) = (Some(healing), Some(covered), expires.into_inner());
                            return Ok(Recovered { index, replayed, healing, covered, expires });
                        }
                        Err(why) => unusable = Some(why),
                    }
                }
                Err(why) => unusable = Some(why),
            }
        }
    }
    let index = new_index(config, vfs, dir)?;
    let mut replayed = replay(index.as_ref(), None, Some(Ledger::default()))?;
    replayed.report.unusable_index = unusable;
    Ok(Recovered { index, replayed, healing: None, covered: None, expires: expires.into_inner() })
}

fn new_index(config: Config, vfs: &Arc<dyn Vfs>, dir: &Path) -> Result<Arc<dyn Index>> {
    Ok(match config.index {
        IndexKind::BTree => Arc::new(BTree::new()),
        IndexKind::Art => Arc::new(Art::new()),
        IndexKind::Hash => {
            let mut key = [0; 16];
            vfs.random(&mut key).map_err(|e| Error::io("random", dir, None, e))?;
            Arc::new(HashIndex::new(key))
        }
        IndexKind::SkipList => Arc::new(SkipList::new(random_u64(vfs.as_ref(), dir)?)),
        // A writer gives out the file's pages again under the eyes of whoever reads it beside.
        IndexKind::BPTree if config.read_only => Arc::new(BPTree::in_memory()),
        IndexKind::BPTree => {
            Arc::new(BPTree::create(Arc::clone(vfs), dir.to_owned(), names::BPTREE, config.index_budget))
        }
    })
}

fn random_u64(vfs: &dyn Vfs, dir: &Path) -> Result<u64> {
    let mut bytes = [0; 8];
    vfs.random(&mut bytes).map_err(|e| Error::io("random", dir, None, e))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Bytes of address space for each data file, with room to grow; 0 maps nothing. Where a store does not fit the address space
/// nothing is mapped either.
fn map_len(config: Config) -> u64 {
    match config.io {
        IoKind::Mmap if cfg!(target_pointer_width = "64") => config.max_file_size,
        IoKind::Mmap | IoKind::File => 0,
    }
}
