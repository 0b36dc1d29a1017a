//! An index that was made of a saved image: what is written before all of it is verified waits beside it, and if it turns out to be damaged it is
//! made anew (`rebuild`).
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
use crate::index::image::Imaged;
use crate::index::{Change, Index};
use crate::types::SeqNo;

use super::checkpoint::PAGES_FOR_A_THREAD;
use super::delta::Delta;
use super::lock::{Mutex, RwLock};
use super::store::Store;

mod index;
mod rebuild;

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
