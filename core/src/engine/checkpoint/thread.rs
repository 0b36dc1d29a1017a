//! The thread that saves an image beside writers: one at a time, made when a checkpoint is due.
//!
//! It has the store for the moment alone in which it begins an image, and is stopped before the store ends: by who gives up its last share (`share`), or closes it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;

use crate::error::Result;
use crate::index::image::ImageHead;
use crate::index::{Covered, Index};
use crate::log::{LogWriter, SyncGate};
use crate::util::lock::Mutex;
use crate::vfs::Vfs;

use super::{pause, write};
use crate::engine::durable::Durable;
use crate::engine::store::Store;
use crate::engine::sync::{ALL, sync_beside};

/// What the store and the thread know.
#[derive(Debug)]
pub(super) struct Shared {
    /// Bytes of log since the index was last saved, or was begun to be. Changed under the log's lock.
    unkept: AtomicU64,
    /// Loads that write files of their own.
    loads: AtomicUsize,
    pub(super) stop: AtomicBool,
    turn: Mutex<Turn>,
    /// How far the image goes that is in the directory, if it is known to be whole.
    kept: Mutex<Option<Covered>>,
}

#[derive(Debug, Default)]
struct Turn {
    /// A thread is at it, or waits for a pause.
    is_running: bool,
    /// It is to save another image behind the one that it saves: that names files that are no more.
    again: bool,
}

impl Shared {
    pub(super) fn new(kept: Option<Covered>) -> Shared {
        let (unkept, loads, stop) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        Shared { unkept, loads, stop, turn: Mutex::default(), kept: Mutex::new(kept) }
    }

    /// The log has grown. Says by how much since the index was saved.
    pub(super) fn grow(&self, bytes: u64) -> u64 {
        self.unkept.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    pub(super) fn unkept(&self) -> u64 {
        self.unkept.load(Ordering::Relaxed)
    }

    pub(super) fn set_unkept(&self, bytes: u64) {
        self.unkept.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn is_loading(&self) -> bool {
        self.loads.load(Ordering::Relaxed) > 0
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn is_running(&self) -> bool {
        self.turn.lock().is_running
    }

    pub(super) fn kept(&self) -> Option<Covered> {
        *self.kept.lock()
    }

    pub(super) fn set_kept(&self, kept: Option<Covered>) {
        *self.kept.lock() = kept;
    }
}

/// A load is under way as long as this lives: there is no pause.
#[derive(Debug)]
pub(in crate::engine) struct Loading(Arc<Shared>);

impl Loading {
    pub(super) fn new(shared: &Arc<Shared>) -> Loading {
        shared.loads.fetch_add(1, Ordering::Relaxed);
        Loading(Arc::clone(shared))
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.0.loads.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The turn of one thread, given up when this is dropped, also by a panic.
struct Running {
    shared: Arc<Shared>,
    is_over: bool,
}

impl Running {
    /// If no other has it. Who has it is asked to do it `again` then.
    fn begin(shared: &Arc<Shared>, again: bool) -> Option<Running> {
        let mut turn = shared.turn.lock();
        if turn.is_running {
            turn.again |= again;
            return None;
        }
        *turn = Turn { is_running: true, again: false };
        Some(Running { shared: Arc::clone(shared), is_over: false })
    }

    /// An image was saved, or was not. Whether another is to be; else the turn is over.
    fn goes_on(&mut self) -> bool {
        let mut turn = self.shared.turn.lock();
        if std::mem::take(&mut turn.again) && !self.shared.is_stopped() {
            return true;
        }
        turn.is_running = false;
        self.is_over = true;
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.turn.lock().is_running = false;
        }
    }
}

/// The thread, if there is one, and whose index it saves.
#[derive(Debug, Default)]
pub(super) struct Thread {
    /// Not set as long as the store is being opened, nor where it is read only.
    store: OnceLock<Weak<Store>>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Thread {
    pub(super) fn attach(&self, store: &Arc<Store>) {
        let _ = self.store.set(Arc::downgrade(store));
    }

    /// Waits for its end. REQUIRES: it was told to stop.
    pub(super) fn join(&self) {
        let handle = self.handle.lock().take();
        if let Some(handle) = handle {
            // It may wait for a pause.
            handle.thread().unpark();
            // A store that could not be opened may end in the thread itself.
            if handle.thread().id() != std::thread::current().id() {
                let _ = handle.join();
            }
        }
    }

    pub(super) fn forget(&mut self) {
        std::mem::forget(self.handle.get_mut().take());
    }
}

impl Store {
    /// Has a thread save an image of what the index has now, or of what it has in the next pause; and `again`, if one is at it already. If none can be
    /// begun, or no thread be had, the next checkpoint is as due as this was.
    pub(super) fn save_beside(&self, log: &LogWriter, again: bool) {
        // Held to the end: who stops the thread finds it, or is seen here.
        let mut handle = self.saving.thread.handle.lock();
        let shared = &self.saving.shared;
        if shared.is_stopped() {
            return;
        }
        let Some(mut running) = Running::begin(shared, again) else { return };
        let store = self.saving.thread.store.get().cloned().unwrap_or_default();
        let unkept = shared.unkept();
        let first = if pause::is_worth_it(self.index.as_ref()) {
            None
        } else {
            let Some(begun) = self.begin_image(log, false) else { return };
            Some(begun)
        };
        let run = move || {
            let mut image = first;
            loop {
                let Some(begun) = image.take().or_else(|| pause::begin(&store, &running.shared)) else { return };
                begun.save(&running.shared);
                if !running.goes_on() {
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("bitcask-index".into()).spawn(run) {
            Ok(spawned) => *handle = Some(spawned),
            Err(_) => shared.set_unkept(unkept),
        }
    }

    /// Begins an image, which goes to what is `synced` of the log, or to its end.
    ///
    /// REQUIRES: the index has what all commits of the log did.
    pub(super) fn begin_image(&self, log: &LogWriter, synced: bool) -> Option<Begun> {
        let writer = Arc::clone(self.log.as_ref()?);
        let unkept = self.saving.shared.unkept();
        let covered = self.covered(log, synced)?;
        let Ok(Some(head)) = self.index.imaged()?.begin_image() else {
            self.saving.shared.set_unkept(unkept);
            return None;
        };
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

/// An image that has begun, and what it takes to save it. It does not keep the store open. When it is dropped the image ends, also by a panic: the writer
/// need keep no more pages.
pub(super) struct Begun {
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
        let sync_log = || sync_beside(&self.log, &self.durable, ALL).map(|_| ());
        if self.write(sync_log, &shared.stop).is_ok() {
            shared.set_kept(Some(self.covered));
        }
    }

    /// See [`write::write`].
    pub(super) fn write(&self, sync_log: impl FnOnce() -> Result<()>, stop: &AtomicBool) -> Result<()> {
        let Some(imaged) = self.index.imaged() else { return Ok(()) };
        let place = (self.vfs.as_ref(), self.dir.as_path(), self.syncs.as_ref());
        write::write(place, imaged, &self.head, &self.covered, &self.accounts, sync_log, stop)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(imaged) = self.index.imaged() {
            imaged.end_image();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_turn_and_who_comes_meanwhile_may_ask_for_another_image() {
        let shared = Arc::new(Shared::new(None));
        let mut first = Running::begin(&shared, true).expect("nobody has it");
        assert!(!first.goes_on(), "it is what was asked for");
        drop(first);

        let mut second = Running::begin(&shared, false).expect("nobody has it");
        assert!(Running::begin(&shared, false).is_none() && Running::begin(&shared, true).is_none());
        assert!(Running::begin(&shared, false).is_none() && second.goes_on());
        assert!(shared.is_running() && !second.goes_on() && !shared.is_running());
        let third = Running::begin(&shared, false).expect("the second's is over");
        drop(second);
        assert!(shared.is_running(), "it is the third's");
        drop(third);
        assert!(!shared.is_running(), "as behind a panic");

        let mut last = Running::begin(&shared, false).expect("nobody has it");
        assert!(Running::begin(&shared, true).is_none());
        shared.stop.store(true, Ordering::Relaxed);
        assert!(!last.goes_on());
    }
}
