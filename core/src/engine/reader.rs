//! What an open store is to the facade: a writer's one state for good, or a reader's present one.
//!
//! A reader mostly catches up in place ([`Store::catch_up`]). Where it can't, a new state is loaded beside the old one and put in its place.
//! Iterators and snapshots hold the state that they were made from, with its index and the descriptors of its files, so
//! that they go on whatever is loaded later and whatever the writer removes.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::stats::{OpenReport, Refreshed};
use crate::util::lock::Mutex;
use crate::vfs::Vfs;
use arc_swap::{ArcSwap, Guard};

use super::recovery::Callback;
use super::refresh::CaughtUp;
use super::share::Share;
use super::store::{Config, Hooks, Store};

/// So often a reader begins anew when the writer takes back what it has just read.
const MAX_TRIES: usize = 100;

/// An open store. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) enum Handle {
    Writer(Share),
    Reader(Arc<Reader>),
}

/// A store that was opened for reading only.
#[derive(Debug)]
pub(crate) struct Reader {
    present: ArcSwap<Store>,
    /// Held by who refreshes.
    refreshing: Mutex<()>,
    path: PathBuf,
    report: OpenReport,
}

/// A state, for the length of a call.
pub(crate) enum State<'a> {
    Fixed(&'a Arc<Store>),
    Present(Guard<Arc<Store>>),
}

impl Deref for State<'_> {
    type Target = Arc<Store>;

    #[inline]
    fn deref(&self) -> &Arc<Store> {
        match self {
            State::Fixed(store) => store,
            State::Present(store) => store,
        }
    }
}

impl Handle {
    pub(crate) fn open(
        path: &Path,
        config: Config,
        vfs: Arc<dyn Vfs>,
        progress: Option<Arc<Callback>>,
    ) -> Result<Handle> {
        let hooks = Hooks { progress, ..Hooks::default() };
        if !config.read_only {
            return Ok(Handle::Writer(Share::of(&Store::open(path, config, vfs, &hooks)?)));
        }
        let store = settle(|| Store::open(path, config, Arc::clone(&vfs), &hooks))?;
        Ok(Handle::Reader(Arc::new(Reader {
            path: store.path().to_owned(),
            report: store.open_report().clone(),
            present: ArcSwap::new(store),
            refreshing: Mutex::new(()),
        })))
    }

    #[inline]
    pub(crate) fn store(&self) -> State<'_> {
        match self {
            Handle::Writer(store) => State::Fixed(store.store()),
            Handle::Reader(reader) => State::Present(reader.present.load()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Handle::Writer(store) => store.path(),
            Handle::Reader(reader) => &reader.path,
        }
    }

    pub(crate) fn open_report(&self) -> &OpenReport {
        match self {
            Handle::Writer(store) => store.open_report(),
            Handle::Reader(reader) => &reader.report,
        }
    }

    pub(crate) fn refresh(&self) -> Result<Refreshed> {
        match self {
            Handle::Writer(store) => {
                store.check_usable()?;
                Ok(Refreshed { last_seq: store.visible(), ..Refreshed::default() })
            }
            Handle::Reader(reader) => reader.refresh(),
        }
    }
}

impl Reader {
    fn refresh(&self) -> Result<Refreshed> {
        // In a forked child the lock may be held by a thread that is not here.
        self.present.load().check_usable()?;
        let _one_at_a_time = self.refreshing.lock();
        let store = self.present.load_full();
        match store.catch_up() {
            Ok(CaughtUp::To { records }) => Ok(Refreshed { records, reloaded: false, last_seq: store.visible() }),
            Ok(CaughtUp::NotPossible) | Err(Error::Stale { .. }) => {
                let new = settle(|| store.load_anew())?;
                // Closed meanwhile.
                new.check_usable()?;
                let report = new.open_report();
                let records = report.hint_records + report.scanned_records;
                let refreshed = Refreshed { records, reloaded: true, last_seq: new.visible() };
                self.present.store(new);
                Ok(refreshed)
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads again if the writer took back what was read, and once if something looked damaged: a file's header may have been half there.
fn settle(open: impl Fn() -> Result<Arc<Store>>) -> Result<Arc<Store>> {
    let mut tries = 0;
    loop {
        tries += 1;
        match open() {
            Err(Error::Stale { .. }) if tries < MAX_TRIES => {}
            Err(Error::Corrupted { .. }) if tries == 1 => {}
            outcome => return outcome,
        }
    }
}
