//! The one writer's state: which pages are dirty, which are free, and how they come to the disk.
//!
//! A dirty page is in the cache and nowhere else. When there are more than half the budget they are written, the oldest first,
//! to their places in the file, which no tree on stable storage has; nothing needs a sync for that. A checkpoint writes the
//! rest, syncs, and only then writes down which tree it is.
//!
//! A sync that failed is never tried again and nothing is written to the file any more: what the kernel may have dropped could
//! pass for written. The tree goes on from memory; its stamps tell if a page is read back that is not the one written.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::Covered;
use crate::vfs::Vfs;

use super::cache::ByNumber;
use super::file::{self, IndexFile};
use super::meta::Meta;
use super::page::{MAP, Page, Ptr, USABLE};
use super::read::{Shared, Version};
use super::sort::Sorter;
use super::space::{Bits, FIRST_PAGE, Space};

/// Dirty pages that are written at a time when there are too many.
const PORTION: usize = 256;

/// Entries of the queue of dirty pages that may be there for nothing, beside as many as there are dirty pages.
const SPARE: usize = 1024;

/// More stamps than pages are made from one checkpoint to the next.
const BETWEEN_CHECKPOINTS: u64 = 1 << 24;

/// Where the file is to be, once one is needed.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) dir: PathBuf,
    pub(super) path: PathBuf,
    /// A name for the time of building.
    pub(super) temp: PathBuf,
}

impl Place {
    pub(super) fn new(vfs: Arc<dyn Vfs>, dir: PathBuf, name: &str) -> Place {
        let (path, temp) = (dir.join(name), dir.join(format!("{name}.tmp")));
        Place { vfs, dir, path, temp }
    }
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None`: everything stays in memory.
    pub(super) place: Option<Place>,
    pub(super) space: Space,
    /// The next page's.
    stamp: u64,
    /// The last checkpoint, and whether this process brought it to stable storage.
    last: Option<(Meta, bool)>,
    /// Dirty pages, the oldest first, each once; with some that are none any more. Their stamps tell these from what came by their numbers since.
    dirty: VecDeque<Ptr>,
    dirty_pages: usize,
    dirty_limit: usize,
    /// Older trees and the pages that the next one let go of, the oldest first.
    older: VecDeque<(Arc<Version>, Vec<u32>)>,
    /// Changes that wait for a tree to be built of them.
    pub(super) sorter: Option<Sorter>,
    /// Pages that the calls of `apply` until the next `reserve` need.
    pins: ByNumber<Arc<Page>>,
    /// The tree is not the last checkpoint's.
    pub(super) changed: bool,
    /// Why nothing is written any more.
    given_up: Option<Error>,
    /// The last attempt to make room failed.
    is_full: bool,
    /// Entries of `dirty` that compactions looked at.
    #[cfg(test)]
    pub(super) walked: u64,
}

impl Writer {
    /// A writer of an empty tree.
    pub(super) fn new(place: Option<Place>, pages: usize) -> Writer {
        let dirty_limit = if place.is_some() { pages / 2 } else { usize::MAX };
        Writer {
            place,
            space: Space::default(),
            stamp: 1,
            last: None,
            dirty: VecDeque::new(),
            dirty_pages: 0,
            dirty_limit,
            older: VecDeque::new(),
            sorter: None,
            pins: ByNumber::default(),
            changed: true,
            given_up: None,
            is_full: false,
            #[cfg(test)]
            walked: 0,
        }
    }

    /// A writer of a checkpoint's tree.
    pub(super) fn resume(place: Place, pages: usize, meta: Meta, live: Bits, durable: Bits) -> Writer {
        // Stamps of pages that were written after the checkpoint and are in no tree must not come back: a page that the disk
        // lost would pass for them.
        let stamp = meta.stamp.saturating_add(BETWEEN_CHECKPOINTS);
        let space = Space::new(live, durable);
        Writer { space, stamp, changed: false, last: Some((meta, false)), ..Writer::new(Some(place), pages) }
    }

    pub(super) fn covered(&self) -> Option<Covered> {
        self.last.as_ref().map(|(meta, _)| meta.covered)
    }

    pub(super) fn memory(&self) -> u64 {
        let sorter = self.sorter.as_ref().map_or(0, Sorter::memory);
        (self.dirty.capacity() * size_of::<Ptr>() + self.pins.capacity() * 16) as u64 + self.space.memory() + sorter
    }

    /// The page of the tree that is being changed.
    pub(super) fn load(&self, shared: &Shared, ptr: Ptr, level: u8) -> Result<Arc<Page>> {
        match self.pins.get(&ptr.no()) {
            Some(page) if page.stamp() as u32 == ptr.stamp() => Ok(Arc::clone(page)),
            _ => shared.page(ptr, level),
        }
    }

    /// Keeps a page for the next calls of `apply`, up to a fraction of the budget.
    pub(super) fn pin(&mut self, ptr: Ptr, page: Arc<Page>) {
        if self.pins.len() < self.dirty_limit / 4 {
            self.pins.insert(ptr.no(), page);
        }
    }

    pub(super) fn unpin(&mut self) {
        self.pins.clear();
    }

    /// Gives a page its number and stamp.
    pub(super) fn emit(&mut self, shared: &Shared, mut page: Page) -> Result<Ptr> {
        let no = self.space.take().ok_or_else(|| Error::Unsupported {
            what: "the index has as many pages as it can number (16 TiB)".into(),
        })?;
        let ptr = Ptr::new(no, self.stamp);
        page.set_stamp(self.stamp);
        self.stamp += 1;
        shared.cache.add_dirty(no, Arc::new(page));
        self.dirty.push_back(ptr);
        self.dirty_pages += 1;
        if self.dirty_pages > self.dirty_limit && !self.is_full {
            // The log has the change already, so it must not fail: without room on the disk it takes memory, and the next write
            // fails before it comes to the log.
            self.is_full = self.write_out(shared, PORTION).is_err();
        }
        Ok(ptr)
    }

    /// Forgets a page that no tree has.
    pub(super) fn forget(&mut self, shared: &Shared, no: u32) {
        if shared.cache.remove(no) {
            self.dirty_pages -= 1;
        }
    }

    /// Shows a new tree, which has no use for some pages of the one before it.
    pub(super) fn publish(&mut self, shared: &Shared, version: Version, let_go: Vec<u32>) {
        for no in &let_go {
            self.pins.remove(no);
        }
        let old = shared.publish(version);
        self.older.push_back((old, let_go));
        self.changed = true;
        self.reclaim(shared);
    }

    /// Frees what only trees had on which no reader is any more.
    pub(super) fn reclaim(&mut self, shared: &Shared) {
        // A tree that is not the newest gets no new readers, so being its only owner is final.
        while let Some((version, _)) = self.older.front_mut() {
            if Arc::get_mut(version).is_none() {
                return;
            }
            let let_go = self.older.pop_front().map(|(_, let_go)| let_go).unwrap_or_default();
            for no in let_go {
                self.forget(shared, no);
                self.space.release(no);
            }
        }
        self.compact(shared);
    }

    /// Takes out of `dirty` what is not dirty any more, when that is more than the half: each entry that goes pays for one that stays.
    fn compact(&mut self, shared: &Shared) {
        if self.dirty.len() > 2 * self.dirty_pages + SPARE {
            #[cfg(test)]
            {
                self.walked += self.dirty.len() as u64;
            }
            self.dirty.retain(|ptr| shared.cache.is_dirty(*ptr));
            debug_assert_eq!(self.dirty.len(), self.dirty_pages, "each dirty page is known once");
        }
        // Far more than it grows to between two compactions.
        if self.dirty.capacity() > 8 * self.dirty.len().max(SPARE) {
            self.dirty.shrink_to(2 * self.dirty.len() + SPARE);
        }
    }

    /// Makes room for so many dirty pages. Fails if the disk does.
    pub(super) fn make_room(&mut self, shared: &Shared, pages: usize) -> Result<()> {
        self.is_full = false;
        // What must be synced before the first page is written is synced here: an `apply` that writes pages waits for no sync, and none fails
        // under it.
        if self.given_up.is_none() && self.dirty_pages.saturating_add(pages) > self.dirty_limit / 4 * 3 {
            self.ready(shared)?;
        }
        while self.dirty_pages > 0 && self.dirty_pages.saturating_add(pages) > self.dirty_limit {
            self.write_out(shared, PORTION)?;
        }
        Ok(())
    }

    /// Writes up to so many dirty pages, the oldest.
    fn write_out(&mut self, shared: &Shared, max: usize) -> Result<()> {
        self.ready(shared)?;
        let Some(file) = shared.file.get() else { return Ok(()) };
        let mut pages = Vec::with_capacity(max.min(self.dirty_pages));
        while pages.len() < max
            && let Some(ptr) = self.dirty.pop_front()
        {
            if let Some(page) = shared.cache.dirty(ptr) {
                pages.push((ptr.no(), page));
            }
        }
        if pages.is_empty() {
            debug_assert_eq!(self.dirty_pages, 0, "dirty pages that nobody knows of");
            self.dirty_pages = 0;
        }
        pages.sort_unstable_by_key(|(no, _)| *no);
        let mut done = 0;
        let outcome = file.write(&pages, |piece| {
            piece.iter().for_each(|(no, _)| shared.cache.mark_clean(*no));
            done += piece.len();
        });
        self.dirty_pages -= done;
        for (no, page) in pages[done..].iter().rev() {
            self.dirty.push_front(Ptr::new(*no, page.stamp()));
        }
        outcome
    }

    /// Sees to it that there is a file, and that its checkpoint is on stable storage: pages of the one before it may be overwritten
    /// then.
    fn ready(&mut self, shared: &Shared) -> Result<()> {
        if let Some(error) = &self.given_up {
            return Err(error.clone());
        }
        let Some(place) = &self.place else {
            return Err(Error::Internal { what: "an index without a file was to be written".into() });
        };
        if shared.file.get().is_none() {
            let file = IndexFile::create(place.vfs.as_ref(), &place.path)?;
            let _ = shared.file.set(file);
        }
        if let (Some((meta, confirmed)), Some(file)) = (&mut self.last, shared.file.get())
            && !*confirmed
        {
            // A process before this one may have seen its sync fail: only writing makes the kernel write what it takes for clean.
            file.write_meta(meta)?;
            if let Err(error) = file.sync() {
                self.given_up = Some(error.clone());
                return Err(error);
            }
            *confirmed = true;
            file.clear_other(meta);
        }
        Ok(())
    }

    /// Writes the newest tree down as the one that `covered` speaks of.
    pub(super) fn checkpoint(&mut self, shared: &Shared, covered: &Covered) -> Result<()> {
        if self.place.is_none() || (!self.changed && self.last.is_some()) {
            return Ok(());
        }
        self.ready(shared)?;
        let (Some(place), Some(file)) = (self.place.clone(), shared.file.get()) else { return Ok(()) };
        while self.dirty_pages > 0 {
            self.write_out(shared, usize::MAX)?;
        }
        let mut durable = self.space.live.clone();
        let mut own = Vec::new();
        let outcome = self.write_map(file, &durable, &mut own);
        // They are the checkpoint's and not the tree's.
        own.iter().for_each(|&no| self.space.untake(no));
        let map = outcome?;
        own.iter().for_each(|&no| durable.set(no));
        let version = shared.version();
        let generation = self.last.as_ref().map_or(0, |(meta, _)| meta.generation) + 1;
        let meta = Meta {
            nonce: file.nonce(),
            generation,
            root: version.root,
            height: version.height,
            len: version.len,
            map,
            stamp: self.stamp,
            pages: durable.end().max(FIRST_PAGE),
            covered: *covered,
        };
        self.sync(file)?;
        if self.last.is_none() {
            place.vfs.sync_dir(&place.dir).map_err(|e| Error::io("sync", &place.dir, None, e))?;
        }
        if let Err(error) = file.write_meta(&meta) {
            // Who knows what of it is there: both trees stay as they are.
            self.space.durable.unite(&durable);
            return Err(error);
        }
        self.sync(file)?;
        file.clear_other(&meta);
        self.space.set_durable(durable);
        self.last = Some((meta, true));
        self.changed = false;
        file.trim(self.space.end());
        Ok(())
    }

    fn sync(&mut self, file: &IndexFile) -> Result<()> {
        file.sync().inspect_err(|error| self.given_up = Some(error.clone()))
    }

    /// Writes the set of pages in use; `own` gets the pages that it takes.
    fn write_map(&mut self, file: &IndexFile, used: &Bits, own: &mut Vec<u32>) -> Result<Ptr> {
        let bytes = used.to_bytes();
        let (mut next, mut pages) = (Ptr::NONE, Vec::new());
        for part in bytes.chunks(USABLE).rev() {
            let no = self.space.take().ok_or_else(|| Error::Internal { what: "no index page is free".into() })?;
            own.push(no);
            let mut page = Page::carrier(MAP, part, next);
            page.set_stamp(self.stamp);
            next = Ptr::new(no, self.stamp);
            self.stamp += 1;
            pages.push((no, Arc::new(page)));
        }
        pages.sort_unstable_by_key(|(no, _)| *no);
        file.write(&pages, |_| {})?;
        Ok(next)
    }

    /// The file is not what was written: the next opening is to find none.
    pub(super) fn abandon(&mut self, error: Error) {
        if self.given_up.is_some() {
            return;
        }
        if let Some(place) = &self.place {
            discard(place.vfs.as_ref(), &place.path);
        }
        self.given_up = Some(error);
    }
}

/// Removes a file that must not be believed. Whatever fails, or comes back after a loss of power: it would not be believed anyway.
pub(super) fn discard(vfs: &dyn Vfs, path: &Path) {
    if matches!(vfs.entry_kind(path), Ok(crate::vfs::EntryKind::File)) {
        let _ = file::remove(vfs, path);
    }
}

#[cfg(test)]
impl Writer {
    /// Every dirty page is known once, and their number is right.
    pub(super) fn check_dirty(&self, shared: &Shared) {
        let known = self.dirty.iter().filter(|ptr| shared.cache.is_dirty(**ptr)).count();
        assert_eq!(known, self.dirty_pages, "dirty pages");
    }

    /// Pages that are kept for the next `apply`.
    pub(super) fn pinned(&self) -> usize {
        self.pins.len()
    }

    /// Length of the queue of dirty pages, its capacity, and how many there are.
    pub(super) fn queue(&self) -> (usize, usize, usize) {
        (self.dirty.len(), self.dirty.capacity(), self.dirty_pages)
    }
}
