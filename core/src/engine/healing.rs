//! An index that was made of a saved image, and is made anew if that turns out to be damaged.
//!
//! Pages of an image are verified when they are first asked for, which may be long after the store was opened. So damage is found by some
//! reader, or by the writer before its first change: it makes the index anew from hints and log, all others wait for it, and then it looks
//! again. To callers the damage has cost time and nothing else.
//!
//! Locking: making it anew holds the gate, so that no commit changes the index meanwhile and the last visible one is the one to read up to.
//! Therefore nobody may come upon damage who holds the gate: the writer calls `reserve` before it takes it, and who walks calls `ready`. After
//! either nothing unverified is left.

use std::sync::{Arc, OnceLock, Weak};

use crate::error::{Error, Result};
use crate::index::image::Imaged;
use crate::index::{Capabilities, Change, Covered, Direction, Index, IndexKind, KeyPage, Packing, Start, WalkPosition};
use crate::types::Location;

use super::recovery::{self, Progress, ReplayConfig, Survey};
use super::store::Store;

/// See the module.
#[derive(Debug)]
pub(super) struct Healing {
    index: Box<dyn Index>,
    /// Whose it is; not before opening is done.
    store: OnceLock<Weak<Store>>,
}

impl Healing {
    pub(super) fn new(index: Box<dyn Index>) -> Healing {
        Healing { index, store: OnceLock::new() }
    }

    /// From here on it can be made anew.
    pub(super) fn attach(&self, store: &Arc<Store>) {
        let _ = self.store.set(Arc::downgrade(store));
    }

    /// Looks; if the index is damaged, makes it anew and looks again.
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
        match self.store.get().and_then(Weak::upgrade) {
            Some(store) => store.rebuild(self.index.as_ref()),
            None => Err(error),
        }
    }
}

impl Store {
    /// Makes a damaged index anew, as of the last visible commit.
    fn rebuild(&self, index: &dyn Index) -> Result<()> {
        let _gate = self.gate.write();
        if !index.is_damaged() {
            // Another was faster.
            return Ok(());
        }
        self.saving.is_lost();
        self.accounts.forget();
        let files = self.files.load().all().to_vec();
        let survey = Survey { files, store_id: Some(self.store_id), ..Survey::default() };
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
                until: self.visible(),
                ledger: None,
                expires: self.expiry.records_flag(),
                progress: Progress::new(None),
            };
            let replayed = recovery::replay(&survey, fresh, replay)?;
            if !replayed.report.damage.is_empty() {
                // The next opening is to find it, and to say so.
                self.saving.refuse();
            }
            Ok(())
        })
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
        self.look(|index| index.get(key))
    }

    fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) -> Result<()> {
        self.look(|index| index.get_many(keys, out))
    }

    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()> {
        self.index.apply(changes)
    }

    fn relocate(&self, changes: &mut [Change<'_>], is_old: &dyn Fn(Location) -> bool) -> Result<()> {
        self.index.relocate(changes, is_old)
    }

    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()> {
        self.look(|index| index.scan(start, direction, max, page))
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        self.index.walk(position, max, out)
    }

    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        self.look(|index| index.sample(random))
    }

    fn len(&self) -> u64 {
        self.index.len()
    }

    fn memory(&self) -> u64 {
        self.index.memory()
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
        // Of such an index it is enough to know that there are keys.
        if keys.next().is_some() { self.ready() } else { Ok(()) }
    }

    fn imaged(&self) -> Option<&dyn Imaged> {
        self.index.imaged()
    }

    fn ready(&self) -> Result<()> {
        self.look(|index| index.ready())
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
        self.index.build(len, packing, entries)
    }

    fn packet(&self) -> usize {
        self.index.packet()
    }

    fn warm(&self, key: &[u8]) {
        self.index.warm(key);
    }
}
