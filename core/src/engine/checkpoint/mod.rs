//! When the index is saved, and by whom.
//!
//! An index in a file of its own (`Index::is_persistent`) saves itself, under the log's lock, behind a sync. One in memory gives an image
//! (`index/image.rs`): the commit leader begins it, which takes a moment, and a thread made for it writes it down beside writers. At close
//! the closing thread does, if anything has changed. Whatever of it fails costs the next opening time and nothing else.
//!
//! An image is of the moment at which it began, when index and log agree; its place of the log is synced before the image gets its name. What
//! it costs is bounded by a rule: not before the log has grown by an eighth of what saving writes; and a large one waits for writers to pause (`pause`).
//!
//! Locking: `thread` for moments, but by who stops it: that waits for the thread, which takes the log's lock, so it must not hold that.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;

use crate::format::covered::Covered as Place;
use crate::index::image::ImageHead;
use crate::index::{Covered, Index};
use crate::log::{LogWriter, SyncGate};
use crate::util::lock::Mutex;
use crate::vfs::Vfs;

use super::durable::Durable;
use super::recovery;
use super::store::Store;
use super::sync::{ALL, sync_beside};

mod beside;
mod look;
mod pause;
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
    /// Whose index it is. Not set as long as it is being opened.
    store: OnceLock<Weak<Store>>,
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
    /// Bytes of log since the index was last saved, or was begun to be.
    unkept: AtomicU64,
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
        Saving { store: OnceLock::new(), shared, thread, looking, is_refused: AtomicBool::new(false) }
    }

    /// From here on a thread may wait before it begins an image.
    pub(super) fn attach(&self, store: &Arc<Store>) {
        let _ = self.store.set(Arc::downgrade(store));
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
                // It may wait for a pause.
                thread.thread().unpark();
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
        let unkept = self.saving.shared.unkept.fetch_add(bytes, Ordering::Relaxed) + bytes;
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
        if self.index.is_persistent() {
            if let Some(covered) = self.covered(log, true) {
                self.saving.shared.unkept.store(0, Ordering::Relaxed);
                if self.index.checkpoint(&covered).is_ok() {
                    self.keep_accounts(&covered);
                }
            }
        } else if self.config.checkpoint_bytes > 0 {
            self.save_beside(log);
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
        let place = if synced { log.covered() } else { log.covers() };
        recovery::covered(&place, self.store_id, self.files.load().all(), self.expiry.has_records())
    }

    /// Has a thread save an image of what the index has now, or of what it has in the next pause. Where none can be begun, or no thread be had, the next
    /// checkpoint is as due as this was.
    fn save_beside(&self, log: &LogWriter) {
        let shared = Arc::clone(&self.saving.shared);
        // Held to the end: who stops the thread finds it, or is seen here.
        let mut thread = self.saving.thread.lock();
        if shared.stop.load(Ordering::Relaxed) || shared.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let running = Running(shared);
        let builder = std::thread::Builder::new().name("bitcask-index".into());
        let waiting = self.saving.store.get().filter(|_| pause::is_worth_it(self.index.as_ref())).cloned();
        let spawned = match waiting {
            Some(store) => builder.spawn(move || {
                if pause::wait(&running.0)
                    && let Some(begun) = begin_in_pause(&store)
                {
                    begun.save(&running.0);
                }
            }),
            None => {
                let Some(begun) = self.begin_image(log) else { return };
                let index = Arc::clone(&self.index);
                builder.spawn(move || begun.save(&running.0)).inspect_err(|_| end_image(index.as_ref()))
            }
        };
        if let Ok(spawned) = spawned {
            *thread = Some(spawned);
        }
    }

    /// Begins an image.
    ///
    /// REQUIRES: the index has what all commits of the log did.
    fn begin_image(&self, log: &LogWriter) -> Option<Begun> {
        let writer = Arc::clone(self.log.as_ref()?);
        let covered = self.covered(log, false)?;
        let head = self.index.imaged()?.begin_image().ok()??;
        self.saving.shared.unkept.store(0, Ordering::Relaxed);
        Some(Begun {
            index: Arc::clone(&self.index),
            head,
            covered,
            accounts: self.accounts.encode(),
            log: writer,
            durable: Arc::clone(&self.durable),
            syncs: Arc::clone(&self.syncs),
            vfs: Arc::clone(&self.vfs),
            dir: self.dir.clone(),
        })
    }
}

/// What a thread that waited does then. It has the store for this moment alone, and is stopped before that ends (`share`).
fn begin_in_pause(store: &Weak<Store>) -> Option<Begun> {
    let store = store.upgrade()?;
    store.with_open_log(|log| Ok(store.begin_image(log))).ok()?
}

fn end_image(index: &dyn Index) {
    index.imaged().iter().for_each(|imaged| imaged.end_image());
}

/// An image that has begun, and what it takes to save it. It does not keep the store open.
struct Begun {
    index: Arc<dyn Index>,
    head: ImageHead,
    covered: Covered,
    accounts: Vec<u8>,
    log: Arc<Mutex<LogWriter>>,
    durable: Arc<Durable>,
    syncs: Arc<SyncGate>,
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
}

impl Begun {
    fn save(self, shared: &Shared) {
        let Some(imaged) = self.index.imaged() else { return };
        let sync_log = || sync_beside(&self.log, &self.durable, ALL).map(|_| ());
        let place = (self.vfs.as_ref(), self.dir.as_path(), self.syncs.as_ref());
        if write::write(place, imaged, &self.head, &self.covered, &self.accounts, sync_log, &shared.stop).is_ok() {
            *shared.kept.lock() = Some(self.covered);
        }
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
