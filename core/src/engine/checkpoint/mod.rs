//! When the index is saved, and by whom.
//!
//! An index in a file of its own (`Index::is_persistent`) saves itself, under the log's lock, behind a sync. One in memory gives an image
//! (`index/image.rs`), which a thread made for it (`thread`) writes down beside writers. A small one is begun by the commit leader, which takes a
//! moment; a large one by the thread, when writers pause (`pause`). At close the closing thread does it, if anything has changed. Whatever of it fails costs the
//! next opening time and nothing else.
//!
//! An image is of the moment at which it began, when index and log agree; its place of the log is synced before the image gets its name. What
//! it costs is bounded by a rule: not before the log has grown by an eighth of what saving writes.
//!
//! Locking: those of the threads' handles for moments, and while a thread is made. A thread takes the log's lock: who waits for it holds none of the
//! store's locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::format::covered::Covered as Place;
use crate::index::{Covered, Index};
use crate::log::LogWriter;
use crate::util::lock::Mutex;

use super::recovery;
use super::store::Store;
use thread::{Shared, Thread};

mod beside;
mod look;
mod pause;
mod read;
mod thread;
mod write;

pub(super) use beside::read_accounts;
pub(super) use look::look_beside;
pub(super) use read::{Opened, open};
pub(super) use thread::Loading;

/// Bytes that saving may write for one of the log. With fewer an opening after a crash has more of the log to read: with ten million keys, and this,
/// some 50 MB, and what is written until the image begins (`pause`) and is there.
const WRITTEN_FOR_ONE: u64 = 8;

/// An index of fewer pages is looked at by the first write, in some milliseconds.
pub(super) const PAGES_FOR_A_THREAD: u32 = 1024;

/// What is saved, and what is being saved.
#[derive(Debug)]
pub(super) struct Saving {
    shared: Arc<Shared>,
    /// Saves it beside writers.
    thread: Thread,
    /// Looks at what the index was made of.
    looking: Mutex<Option<JoinHandle<()>>>,
    /// Making it anew found damage in the log.
    is_refused: AtomicBool,
}

impl Saving {
    /// `kept` is how far the image goes that the index was made of.
    pub(super) fn new(kept: Option<Covered>) -> Saving {
        let (thread, looking) = (Thread::default(), Mutex::new(None));
        Saving { shared: Arc::new(Shared::new(kept)), thread, looking, is_refused: AtomicBool::new(false) }
    }

    /// From here on it can be saved beside writers.
    pub(super) fn attach(&self, store: &Arc<Store>) {
        self.thread.attach(store);
    }

    /// A load begins.
    pub(super) fn begin_load(&self) -> Loading {
        Loading::new(&self.shared)
    }

    /// What the index has from here on is not all that the log has: nobody is to begin with it.
    pub(super) fn refuse(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    /// Whether that was said.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// The image in the directory was found damaged.
    pub(super) fn is_lost(&self) {
        self.shared.set_kept(None);
    }

    /// Has the threads give up, if there are any, and waits for them. REQUIRES: the caller holds none of the store's locks.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join();
        let looking = self.looking.lock().take();
        if let Some(looking) = looking {
            let _ = looking.join();
        }
    }

    /// Lets go of threads that a fork left behind in the parent.
    pub(super) fn forget(&mut self) {
        self.thread.forget();
        std::mem::forget(self.looking.get_mut().take());
    }
}

impl Store {
    /// Has a thread look at all of what the index was made of, where that takes so long that the first write should not have to.
    pub(super) fn look_at_index_beside(&self) {
        if self.index.imaged().is_none_or(|imaged| imaged.unseen_pages() < PAGES_FOR_A_THREAD) {
            return;
        }
        let (index, shared) = (Arc::clone(&self.index), Arc::clone(&self.saving.shared));
        // Who writes next makes a damaged one anew: a thread that does so would keep the store open.
        let look = |index: &dyn Index, shared: &Shared| _ = index.imaged().map(|i| i.look_at_all(&shared.stop));
        let thread = std::thread::Builder::new().name("bitcask-verify".into());
        match thread.spawn(move || look(index.as_ref(), &shared)) {
            Ok(thread) => *self.saving.looking.lock() = Some(thread),
            // Without one it takes its time here.
            Err(_) => look(self.index.as_ref(), &self.saving.shared),
        }
    }

    /// Whether records are known to be damaged, which the index lacks.
    pub(super) fn has_damage(&self) -> bool {
        !self.report.damage.is_empty() || self.saving.is_refused()
    }

    /// Whether the index is of a kind that is saved at all.
    pub(super) fn saves_index(&self) -> bool {
        self.index.is_persistent() || self.index.imaged().is_some()
    }

    /// Whether it is time to save the index, after so many more bytes of log.
    pub(super) fn is_checkpoint_due(&self, bytes: u64, has_new_file: bool) -> bool {
        let every = self.config.checkpoint_bytes;
        let unkept = self.saving.shared.grow(bytes);
        if every == 0 || (unkept < every && !has_new_file) || self.has_damage() {
            return false;
        }
        self.index.is_persistent()
            || self.index.imaged().is_some_and(|imaged| {
                // While it is looked at there is none.
                unkept >= imaged.image_bytes() / WRITTEN_FOR_ONE
                    && imaged.unseen_pages() == 0
                    && !self.saving.shared.is_running()
            })
    }

    /// Saves the index, or has it saved. `is_outdated`: what is being saved at the moment is not enough, for it names files that are no more.
    ///
    /// REQUIRES: the index has what all commits of the log did. If it saves itself, they are on stable storage.
    pub(super) fn keep_index(&self, log: &LogWriter, is_outdated: bool) {
        if self.index.is_persistent() {
            if let Some(covered) = self.covered(log, true)
                && self.index.checkpoint(&covered).is_ok()
            {
                self.keep_accounts(&covered);
            }
        } else if self.config.checkpoint_bytes > 0 && self.index.imaged().is_some() {
            self.save_beside(log, is_outdated);
        }
    }

    /// The same for the last time: nothing runs beside any more.
    ///
    /// REQUIRES: [`Saving::stop`] was called; the log was closed.
    pub(super) fn keep_index_at_close(&self, log: &mut LogWriter) {
        if !self.saves_index() {
            return;
        }
        let imaged = self.index.imaged();
        if imaged.is_some()
            && let Some(covered) = self.covered(log, false)
            && self.saving.shared.kept().is_some_and(|kept| is_enough(&kept, &covered))
        {
            return;
        }
        // Where nothing was written closing synced nothing, and the index goes to behind the mark.
        if log.ends_as_found() && log.sync().is_err() {
            return;
        }
        if imaged.is_none() {
            return self.keep_index(log, false);
        }
        // What is damaged is made anew now, or by the next opening. That takes long, and nothing is saved of it where the log is known to be damaged; whether it
        // is may come out on the way.
        if self.has_damage() || self.index.ready().is_err() {
            return;
        }
        if let Some(begun) = self.begin_image(log, true) {
            let _ = begun.write(|| Ok(()), &AtomicBool::new(false));
        }
    }

    /// The place of the log up to which the index has everything: that which is synced, or its end. Nothing if none is to be saved.
    fn covered(&self, log: &LogWriter, synced: bool) -> Option<Covered> {
        // Known damage is to be found again by the next opening. A log that stopped may have what the index refused.
        if self.has_damage() || log.check().is_err() {
            return None;
        }
        self.saving.shared.set_unkept(0);
        let place = if synced { log.covered() } else { log.covers() };
        recovery::covered(&place, self.store_id, self.files.load().all(), self.expiry.has_records())
    }
}

/// Whether an image that goes to one place is as good as one that goes to another: there is no commit between them, and the files are the same.
fn is_enough(kept: &Covered, wanted: &Covered) -> bool {
    match (Place::decode(&kept.0), Place::decode(&wanted.0)) {
        (Some(kept), Some(wanted)) => (kept.seq, kept.file, kept.files) == (wanted.seq, wanted.file, wanted.files),
        _ => false,
    }
}

/// Of a part of the file: with another file's nonce it is another.
fn sum(nonce: u64, bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&nonce.to_le_bytes());
    sum.update(bytes);
    sum.finalize()
}
