//! When the index is saved, and by whom.
//!
//! An index in a file of its own (`Index::is_persistent`) saves itself, under the log's lock, behind a sync. One in memory gives an image
//! (`index/image.rs`): the commit leader begins it, which takes a moment, and a thread made for it writes it down beside writers. At close
//! the closing thread does, if anything has changed. Whatever of it fails costs the next opening time and nothing else.
//!
//! An image is of the moment at which it began, when index and log agree; its place of the log is synced before the image gets its name. What
//! it costs is bounded by a rule: not before the log has grown by an eighth of what saving writes.
//!
//! Locking: `thread` for moments, but by who stops it: that waits for the thread, which takes the log's lock, so it must not hold that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::error::Result;
use crate::format::covered::Covered as Place;
use crate::index::{Covered, Index};
use crate::log::LogWriter;
use crate::util::lock::Mutex;
use crate::vfs::Vfs;

use super::recovery;
use super::store::Store;
use super::sync::{ALL, sync_beside};

mod beside;
mod look;
mod read;
mod write;

pub(super) use beside::read_accounts;
pub(super) use look::look_beside;
pub(super) use read::{Opened, open};

/// Bytes that saving may write for one of the log. With fewer an opening after a crash has more of the log to read: with ten million keys, and this,
/// some 50 MB.
const WRITTEN_FOR_ONE: u64 = 8;

/// An index of fewer pages is looked at by the first write, in some milliseconds.
pub(super) const PAGES_FOR_A_THREAD: u32 = 1024;

/// What is saved, and what is being saved.
#[derive(Debug)]
pub(super) struct Saving {
    /// Bytes of log since the index was last saved, or was begun to be.
    unkept: AtomicU64,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Looks at what the index was made of.
    looking: Mutex<Option<JoinHandle<()>>>,
    /// Making it anew found damage in the log.
    is_refused: AtomicBool,
}

/// What the store and the thread know.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    is_running: AtomicBool,
    /// How far the image goes that is in the directory, if it is known to be whole.
    kept: Mutex<Option<Covered>>,
}

impl Saving {
    /// `kept` is how far the image goes that the index was made of.
    pub(super) fn new(kept: Option<Covered>) -> Saving {
        let shared = Arc::new(Shared { kept: Mutex::new(kept), ..Shared::default() });
        let (thread, looking) = (Mutex::new(None), Mutex::new(None));
        Saving { unkept: AtomicU64::new(0), shared, thread, looking, is_refused: AtomicBool::new(false) }
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
        *self.shared.kept.lock() = None;
    }

    /// Has the threads give up, if there are any, and waits for them. REQUIRES: the caller does not hold the log.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in [&self.thread, &self.looking] {
            let thread = thread.lock().take();
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
    }

    /// Lets go of threads that a fork left behind in the parent.
    pub(super) fn forget(&mut self) {
        for thread in [&mut self.thread, &mut self.looking] {
            if let Some(thread) = thread.get_mut().take() {
                std::mem::forget(thread);
            }
        }
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
        let unkept = self.saving.unkept.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if every == 0 || (unkept < every && !has_new_file) || self.has_damage() {
            return false;
        }
        self.index.is_persistent()
            || self.index.imaged().is_some_and(|imaged| {
                // While it is looked at there is none.
                unkept >= imaged.image_bytes() / WRITTEN_FOR_ONE
                    && imaged.unseen_pages() == 0
                    && !self.saving.shared.is_running.load(Ordering::Acquire)
            })
    }

    /// Saves the index, or has it saved.
    ///
    /// REQUIRES: the index has what all commits of the log did. If it saves itself, they are on stable storage.
    pub(super) fn keep_index(&self, log: &LogWriter) {
        let unkept = self.saving.unkept.load(Ordering::Relaxed);
        if self.index.is_persistent() {
            if let Some(covered) = self.covered(log, true)
                && self.index.checkpoint(&covered).is_ok()
            {
                self.keep_accounts(&covered);
            }
        } else if self.config.checkpoint_bytes > 0
            && self.index.imaged().is_some()
            && let Some(covered) = self.covered(log, false)
        {
            // A thread that can't be had is a checkpoint that isn't made.
            if !self.save_beside(covered).unwrap_or(false) {
                // None was begun: the next is as due as this was.
                self.saving.unkept.fetch_add(unkept, Ordering::Relaxed);
            }
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
            && self.saving.shared.kept.lock().as_ref().is_some_and(|kept| is_enough(kept, &covered))
        {
            return;
        }
        // Where nothing was written closing synced nothing, and the index goes to behind the mark.
        if log.ends_as_found() && log.sync().is_err() {
            return;
        }
        let Some(imaged) = imaged else { return self.keep_index(log) };
        // What is damaged is made anew now, or by the next opening. That takes long, and nothing is saved of it where the log is known to be damaged; whether it
        // is may come out on the way.
        if self.has_damage() || self.index.ready().is_err() {
            return;
        }
        let Some(covered) = self.covered(log, true) else { return };
        if let Ok(Some(head)) = imaged.begin_image() {
            let place = (self.vfs.as_ref(), self.dir.as_path(), self.syncs.as_ref());
            let accounts = self.accounts.encode();
            let _ = write::write(place, imaged, &head, &covered, &accounts, || Ok(()), &AtomicBool::new(false));
        }
    }

    /// The place of the log up to which the index has everything: that which is synced, or its end. Nothing if none is to be saved.
    fn covered(&self, log: &LogWriter, synced: bool) -> Option<Covered> {
        // Known damage is to be found again by the next opening. A log that stopped may have what the index refused.
        if self.has_damage() || log.check().is_err() {
            return None;
        }
        self.saving.unkept.store(0, Ordering::Relaxed);
        let place = if synced { log.covered() } else { log.covers() };
        recovery::covered(&place, self.store_id, self.files.load().all(), self.expiry.has_records())
    }

    /// Says whether an image was begun.
    fn save_beside(&self, covered: Covered) -> Result<bool> {
        let (Some(log), Some(imaged)) = (&self.log, self.index.imaged()) else { return Ok(false) };
        let shared = Arc::clone(&self.saving.shared);
        // Held to the end: who stops the thread finds it, or is seen here.
        let mut thread = self.saving.thread.lock();
        if shared.stop.load(Ordering::Relaxed) || shared.is_running.swap(true, Ordering::AcqRel) {
            return Ok(false);
        }
        let running = Running(shared);
        let Some(head) = imaged.begin_image()? else { return Ok(false) };
        let accounts = self.accounts.encode();
        let (vfs, dir): (Arc<dyn Vfs>, _) = (Arc::clone(&self.vfs), self.dir.clone());
        let (index, log): (Arc<dyn Index>, _) = (Arc::clone(&self.index), Arc::clone(log));
        let (durable, syncs) = (Arc::clone(&self.durable), Arc::clone(&self.syncs));
        let run = move || {
            let Some(imaged) = index.imaged() else { return };
            let sync_log = || sync_beside(&log, &durable, ALL).map(|_| ());
            let place = (vfs.as_ref(), dir.as_path(), syncs.as_ref());
            if write::write(place, imaged, &head, &covered, &accounts, sync_log, &running.0.stop).is_ok() {
                *running.0.kept.lock() = Some(covered);
            }
        };
        match std::thread::Builder::new().name("bitcask-index".into()).spawn(run) {
            Ok(spawned) => *thread = Some(spawned),
            Err(_) => imaged.end_image(),
        }
        Ok(true)
    }
}

/// Says when it is over, also by a panic.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
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
