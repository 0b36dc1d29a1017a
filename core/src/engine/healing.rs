//! An index that was made of a saved image: what is written before all of it is verified waits beside it, and if it turns out to be damaged it is
//! made anew.
//!
//! A large image is verified by a thread while the store is in use already. Pages that somebody asks for meanwhile are verified before he sees
//! them; what they say of each other is not known before the end, so till then nobody changes one. Writes go to a [`Delta`], which readers look into
//! first. When all is verified the index is *trusted*: from then on writes go to it again, and the thread makes in it what waits, some at a time. Then it is
//! *settled* and the delta empty for good.
//! Who needs the whole index at once, or brings more than a delta takes, calls `ready` and waits for that.
//!
//! Damage is found by some reader, by the writer or by the thread, which leaves it to who reads it or writes next: he makes the index anew from hints and log,
//! all others wait for it, and then it looks again. What waited in the delta is in the log. To callers the damage has cost time and nothing else.
//!
//! Locking: making it anew holds the gate, so that no commit changes the index meanwhile and the last visible one is the one to read up to.
//! Therefore nobody may come upon damage who holds the gate. The writer calls `reserve` before it takes it, which looks up the keys that are going to be
//! changed and notes them in the delta, so that behind the gate the index is not asked again; who walks, builds or relocates calls `ready`, after which nothing unverified is
//! left. A writer may be appending while another reads the log to make the index anew: what it reads beyond the last visible commit, whole or in part, it
//! leaves out. `settling` is for those who hold no gate. Behind both comes the delta's lock, then the index's own. A scan holds it, so that both are still. Who looks keys up asks the delta, lets
//! go, and asks the index: a page that must be read first is then nothing for which a writer waits. In that order, for an entry leaves the delta when the index has it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::index::image::{ImageHead, Imaged};
use crate::index::{
    Capabilities, Change, Covered, Direction, Index, IndexKind, KeyPage, Packing, Start, WalkPosition, check_keys,
};
use crate::types::{Location, SeqNo};

use super::checkpoint::PAGES_FOR_A_THREAD;
use super::delta::Delta;
use super::lock::{Mutex, RwLock};
use super::recovery::{self, Progress, ReplayConfig, Survey};
use super::store::Store;

/// Changes that are made in the index at once, for which all others wait: some hundred microseconds. Between two of them the thread rests, so that it does not
/// have the lock again before they had it, unless somebody waits for its end.
const SETTLED_AT_ONCE: usize = 32;
const REST: Duration = Duration::from_micros(100);

/// See the module.
#[derive(Debug)]
pub(super) struct Healing {
    index: Box<dyn Index>,
    /// It takes so long to verify that a thread does.
    is_large: bool,
    /// All of it is verified.
    is_trusted: AtomicBool,
    /// Nothing waits any more, and nothing ever will: the index is as any other.
    is_settled: AtomicBool,
    delta: RwLock<Delta>,
    /// Something came into the delta. Whoever looks one key up need not share its lock before.
    is_used: AtomicBool,
    /// Held by who moves what waits.
    settling: Mutex<()>,
    /// Who waits for the end of it.
    waiting: AtomicUsize,
    /// The thread that verifies came upon something: who writes next sees to it.
    has_failed: AtomicBool,
    /// Whose it is; not before opening is done.
    owner: OnceLock<Owner>,
}

#[derive(Debug)]
struct Owner {
    store: Weak<Store>,
    /// The last number that was in use when it was opened, and of the last commit that there was.
    found: (SeqNo, SeqNo),
}

impl Healing {
    pub(super) fn new(index: Box<dyn Index>) -> Healing {
        // A replay of what follows in the log may have had to verify it.
        let unseen = index.imaged().map_or(0, Imaged::unseen_pages);
        Healing {
            is_large: unseen >= PAGES_FOR_A_THREAD,
            is_trusted: AtomicBool::new(unseen == 0),
            is_settled: AtomicBool::new(unseen == 0),
            delta: RwLock::new(Delta::of(index.len())),
            is_used: AtomicBool::new(false),
            settling: Mutex::new(()),
            waiting: AtomicUsize::new(0),
            has_failed: AtomicBool::new(false),
            owner: OnceLock::new(),
            index,
        }
    }

    /// From here on it can be made anew. `applied` is the last commit that it has.
    pub(super) fn attach(&self, store: &Arc<Store>, applied: SeqNo) {
        let _ = self.owner.set(Owner { store: Arc::downgrade(store), found: (store.visible(), applied) });
    }

    /// Looks; if the index is damaged, makes it anew and looks again. What looks must have let go of the delta when it has done so.
    #[inline]
    fn look<T>(&self, mut look: impl FnMut(&dyn Index) -> Result<T>) -> Result<T> {
        match look(self.index.as_ref()) {
            Err(error) if self.index.is_damaged() => {
                self.heal(error)?;
                look(self.index.as_ref())
            }
            outcome => outcome,
        }
    }

    #[cold]
    fn heal(&self, error: Error) -> Result<()> {
        let Some(owner) = self.owner.get() else { return Err(error) };
        match owner.store.upgrade() {
            Some(store) => store.rebuild(self, owner.found),
            None => Err(error),
        }
    }

    #[inline]
    fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Acquire)
    }

    /// Verifies what is left to be, and makes in the index what waits; says whether that is done. Gives up, for now, when it is told to.
    fn settle(&self, stop: &AtomicBool) -> Result<bool> {
        let _one_at_a_time = self.settling.lock();
        if self.is_settled() {
            return Ok(true);
        }
        match self.index.imaged() {
            Some(imaged) if !imaged.look_at_all(stop)? => return Ok(false),
            _ => self.is_trusted.store(true, Ordering::Release),
        }
        loop {
            let mut delta = self.delta.write();
            if delta.is_empty() {
                // Under the lock: who changes something asks under it.
                self.is_settled.store(true, Ordering::Release);
                return Ok(true);
            }
            delta.settle(self.index.as_ref(), SETTLED_AT_ONCE)?;
            drop(delta);
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            if self.waiting.load(Ordering::Relaxed) == 0 {
                std::thread::sleep(REST);
            }
        }
    }

    /// Notes keys that are going to be changed. Waits only if they are too many.
    fn note(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        for key in keys {
            if !self.is_large || self.has_failed.load(Ordering::Acquire) {
                return self.ready();
            }
            if self.is_trusted.load(Ordering::Acquire) {
                return Ok(());
            }
            let (is_noted, is_full) = {
                let delta = self.delta.read();
                (delta.get(key).is_some(), delta.is_full())
            };
            if is_noted {
                continue;
            }
            if is_full {
                return self.ready();
            }
            // Nobody else changes it before the delta has it.
            let inside = self.look(|index| index.get(key))?;
            let mut delta = self.delta.write();
            if self.is_settled() {
                return Ok(());
            }
            self.is_used.store(true, Ordering::Release);
            delta.expect(key, inside);
        }
        Ok(())
    }

    /// Changes what was noted, beside the index or, if that is trusted, in it; `false` if it is settled.
    fn apply_beside(&self, changes: &mut [Change<'_>]) -> Result<bool> {
        let mut delta = self.delta.write();
        if self.is_settled() {
            return Ok(false);
        }
        if self.is_trusted.load(Ordering::Acquire) {
            return delta.apply(self.index.as_ref(), changes).map(|()| true);
        }
        for change in changes.iter() {
            if delta.get(change.key).is_none() {
                // Nothing was changed before the first that can fail.
                self.is_used.store(true, Ordering::Release);
                delta.expect(change.key, self.index.get(change.key)?);
            }
        }
        changes.iter_mut().for_each(|change| _ = delta.change(change));
        Ok(true)
    }
}

impl Store {
    /// Makes a damaged index anew, as of the last visible commit, which the log has, with all before it: whether on stable storage or not.
    fn rebuild(&self, healing: &Healing, (last, applied): (SeqNo, SeqNo)) -> Result<()> {
        let _gate = self.gate.write();
        let index = healing.index.as_ref();
        if !index.is_damaged() {
            // Another was faster.
            return Ok(());
        }
        self.saving.is_lost();
        self.accounts.forget();
        let files = self.files.load().all().to_vec();
        let survey = Survey { files, store_id: Some(self.store_id), ..Survey::default() };
        let until = self.visible();
        // Where nothing was written since, the last number in use may be that of a commit which never was whole.
        let owed = if until == last { applied } else { until };
        // Held until what waited is gone, so that nobody counts it twice.
        let mut delta = None;
        index.rebuild(&mut |fresh| {
            let replay = ReplayConfig {
                vfs: &self.vfs,
                dir: &self.dir,
                on_damage: self.config.on_damage,
                collect_hints: false,
                start: None,
                beside: self.config.read_only,
                last: None,
                live: None,
                until,
                owed,
                ledger: None,
                expires: self.expiry.records_flag(),
                progress: Progress::new(None),
            };
            let replayed = recovery::replay(&survey, fresh, replay)?;
            if !replayed.report.damage.is_empty() {
                // The next opening is to find it, and to say so.
                self.saving.refuse();
            }
            delta = Some(healing.delta.write());
            Ok(())
        })?;
        // All that waited is in the log.
        let mut delta = delta.unwrap_or_else(|| healing.delta.write());
        *delta = Delta::default();
        healing.is_trusted.store(true, Ordering::Release);
        healing.is_settled.store(true, Ordering::Release);
        Ok(())
    }
}

impl Imaged for Healing {
    fn begin_image(&self) -> Result<Option<ImageHead>> {
        match self.index.imaged() {
            Some(imaged) if self.is_settled() => imaged.begin_image(),
            // It would lack what waits.
            _ => Ok(None),
        }
    }

    fn image_pages(&self, first: u32, count: u32, out: &mut Vec<u8>) {
        if let Some(imaged) = self.index.imaged() {
            imaged.image_pages(first, count, out);
        }
    }

    fn image_tail(&self, out: &mut Vec<u8>) -> bool {
        self.index.imaged().is_some_and(|imaged| imaged.image_tail(out))
    }

    fn end_image(&self) {
        if let Some(imaged) = self.index.imaged() {
            imaged.end_image();
        }
    }

    fn look_at_all(&self, stop: &AtomicBool) -> Result<bool> {
        self.settle(stop).inspect_err(|_| self.has_failed.store(true, Ordering::Release))
    }

    fn unseen_pages(&self) -> u32 {
        match self.index.imaged() {
            Some(imaged) if !self.is_settled() => imaged.unseen_pages().max(1),
            _ => 0,
        }
    }

    fn image_bytes(&self) -> u64 {
        self.index.imaged().map_or(0, Imaged::image_bytes)
    }
}

impl Index for Healing {
    fn kind(&self) -> IndexKind {
        self.index.kind()
    }

    fn capabilities(&self) -> Capabilities {
        self.index.capabilities()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Location>> {
        if self.is_settled() {
            return self.index.get(key);
        }
        if !self.is_used.load(Ordering::Acquire) {
            return self.look(|index| index.get(key));
        }
        self.look(|index| {
            // Not held meanwhile: a page may have to be read, and writers wait for who holds it. What is gone from there by then the index has.
            let beside = self.delta.read().get(key);
            beside.map_or_else(|| index.get(key), Ok)
        })
    }

    fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) -> Result<()> {
        if self.is_settled() {
            return self.index.get_many(keys, out);
        }
        if !self.is_used.load(Ordering::Acquire) {
            return self.look(|index| index.get_many(keys, out));
        }
        self.look(|index| {
            // As above; but one commit may change several of them, and is to be seen as a whole. Before the index is trusted nobody changes it, so that
            // what the delta had is all that can be newer. Behind that no page has to be read.
            let beside: Vec<_> = {
                let delta = self.delta.read();
                keys.iter().map(|key| delta.get(key)).collect()
            };
            index.get_many(keys, out)?;
            let delta = self.delta.read();
            if !self.is_trusted.load(Ordering::Acquire) {
                drop(delta);
                out.iter_mut().zip(beside).for_each(|(out, beside)| *out = beside.unwrap_or(*out));
                return Ok(());
            }
            index.get_many(keys, out)?;
            for (key, out) in keys.iter().zip(out.iter_mut()) {
                *out = delta.get(key).unwrap_or(*out);
            }
            Ok(())
        })
    }

    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()> {
        check_keys(changes)?;
        if !self.is_settled() && self.apply_beside(changes)? { Ok(()) } else { self.index.apply(changes) }
    }

    fn relocate(&self, changes: &mut [Change<'_>], is_old: &dyn Fn(Location) -> bool) -> Result<()> {
        debug_assert!(self.is_settled(), "`ready` was not called");
        self.index.relocate(changes, is_old)
    }

    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()> {
        if self.is_settled() {
            return self.index.scan(start, direction, max, page);
        }
        self.look(|index| self.delta.read().scan(index, start, direction, max, page))
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        debug_assert!(self.is_settled(), "`ready` was not called");
        self.index.walk(position, max, out)
    }

    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        if !self.is_settled() && !self.delta.read().is_same() {
            self.ready()?;
        }
        self.look(|index| index.sample(random))
    }

    fn len(&self) -> u64 {
        if self.is_settled() {
            return self.index.len();
        }
        let delta = self.delta.read();
        delta.len_with(self.index.len())
    }

    fn memory(&self) -> u64 {
        self.index.memory() + self.delta.read().memory()
    }

    fn is_persistent(&self) -> bool {
        self.index.is_persistent()
    }

    fn covered(&self) -> Option<Covered> {
        self.index.covered()
    }

    fn checkpoint(&self, covered: &Covered) -> Result<()> {
        self.index.checkpoint(covered)
    }

    fn reserve(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        if self.is_settled() { Ok(()) } else { self.note(keys) }
    }

    fn imaged(&self) -> Option<&dyn Imaged> {
        self.index.imaged().map(|_| self as &dyn Imaged)
    }

    fn ready(&self) -> Result<()> {
        if self.is_settled() {
            return Ok(());
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let settled = self.look(|_| self.settle(&AtomicBool::new(false)).map(|_| ()));
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        settled
    }

    fn is_damaged(&self) -> bool {
        self.index.is_damaged()
    }

    fn build(
        &self,
        len: usize,
        packing: Packing,
        entries: &mut dyn Iterator<Item = (&[u8], Location)>,
    ) -> Result<bool> {
        debug_assert!(self.is_settled(), "`ready` was not called");
        self.index.build(len, packing, entries)
    }

    fn packet(&self) -> usize {
        self.index.packet()
    }

    fn warm(&self, key: &[u8]) {
        // Before that nothing is looked up where it is not asked for: it may be damaged.
        if self.is_settled() {
            self.index.warm(key);
        }
    }
}
