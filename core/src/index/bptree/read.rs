//! What readers share: the newest tree, the pages in memory, and the file for the others. Reads only.
//!
//! A reader takes the newest [`Version`] once and walks pages that never change. It waits for nobody: the lock around the
//! version is held for a moment, those of the cache too, and a page that is not in memory it reads itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::index::{Direction, KeyPage, Start};
use crate::types::Location;
use crate::util::lock::RwLock;

use super::cache::Cache;
use super::file::IndexFile;
use super::page::{CHAIN, Cell, Long, Longs, Page, Ptr, USABLE};

/// More entries or children than any page has: each takes a slot, a payload and a length.
const MAX_WAYS: usize = USABLE / 11 + 1;

/// A tree, as one call of `apply` left it.
#[derive(Clone, Debug, Default)]
pub(super) struct Version {
    /// [`Ptr::NONE`] if there are no keys.
    pub(super) root: Ptr,
    /// Number of levels; 0 if there are no keys.
    pub(super) height: u8,
    /// Number of keys.
    pub(super) len: u64,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) cache: Cache,
    /// Once there is one.
    pub(super) file: OnceLock<IndexFile>,
    current: RwLock<Arc<Version>>,
    /// A page was not what it should be. The file is given up; the next opening begins another.
    damaged: AtomicBool,
}

impl Shared {
    pub(super) fn new(pages: usize, version: Version) -> Shared {
        Shared {
            cache: Cache::new(pages),
            file: OnceLock::new(),
            current: RwLock::new(Arc::new(version)),
            damaged: AtomicBool::new(false),
        }
    }

    pub(super) fn version(&self) -> Arc<Version> {
        Arc::clone(&self.current.read())
    }

    /// Shows a new tree to all who come, and gives the one before it.
    pub(super) fn publish(&self, version: Version) -> Arc<Version> {
        let version = Arc::new(version);
        std::mem::replace(&mut *self.current.write(), version)
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    /// A page of the tree, of this level.
    pub(super) fn page(&self, ptr: Ptr, level: u8) -> Result<Arc<Page>> {
        let page = self.any_page(ptr)?;
        if page.kind() == CHAIN || page.level() != level {
            return Err(self.wrong(ptr, "an index page of another level than the tree says"));
        }
        Ok(page)
    }

    fn any_page(&self, ptr: Ptr) -> Result<Arc<Page>> {
        if let Some(page) = self.cache.get(ptr) {
            return Ok(page);
        }
        let Some(file) = self.file.get() else {
            return Err(Error::Internal { what: format!("index page {} is nowhere", ptr.no()) });
        };
        let page = file.read(ptr).inspect_err(|error| self.note(error))?;
        let page = Arc::new(page);
        self.cache.add_clean(ptr.no(), &page);
        Ok(page)
    }

    fn wrong(&self, ptr: Ptr, what: &str) -> Error {
        self.damaged.store(true, Ordering::Release);
        match self.file.get() {
            Some(file) => file.damaged(ptr.no(), what),
            None => Error::Internal { what: what.into() },
        }
    }

    fn note(&self, error: &Error) {
        if matches!(error, Error::Corrupted { .. }) {
            self.damaged.store(true, Ordering::Release);
        }
    }

    /// The pages of a long key, in order.
    pub(super) fn chain(&self, long: Long) -> Result<Vec<(Ptr, Arc<Page>)>> {
        let (mut at, mut missing, mut pages) = (long.chain, usize::from(long.len), Vec::new());
        while missing > 0 {
            let page = self.any_page(at)?;
            let len = page.content().len();
            if page.kind() != CHAIN || len != missing.min(USABLE) {
                return Err(self.wrong(at, "a part of a long key is none"));
            }
            missing -= len;
            let next = page.first();
            pages.push((at, page));
            at = next;
        }
        Ok(pages)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Location>> {
        let version = self.version();
        let mut at = version.root;
        for level in (0..version.height).rev() {
            let page = self.page(at, level)?;
            let found = page.find(key, self)?;
            if level == 0 {
                return Ok(found.exact.then(|| Location::from_bits(page.payload(found.pos))));
            }
            at = page.child(found.pos + usize::from(found.exact));
        }
        Ok(None)
    }

    /// Appends up to `max` entries from `start` on.
    pub(super) fn scan(&self, start: Start<'_>, direction: Direction, mut max: usize, out: &mut KeyPage) -> Result<()> {
        let version = self.version();
        let forward = direction == Direction::Forward;
        let (key, skip) = match start {
            Start::Edge => (None, false),
            Start::At(key) => (Some(key), false),
            Start::After(key) => (Some(key), true),
        };
        let edge = |page: &Page| if forward { 0 } else { page.count() };
        // The inner pages above, each with the child that the walk is in.
        let mut way: Vec<(Arc<Page>, usize)> = Vec::new();
        let (mut at, mut level) = (version.root, version.height);
        let mut first = true;
        while max > 0 {
            // Down to a leaf: to the key's at first, to the nearest after that.
            let mut leaf = None;
            while level > 0 {
                level -= 1;
                let page = self.page(at, level)?;
                let pos = match key.filter(|_| first) {
                    None => edge(&page),
                    Some(key) => {
                        let found = page.find(key, self)?;
                        // Within a leaf a reverse scan begins with the entry before its position.
                        let behind = if level > 0 { found.exact } else { found.exact && forward == skip };
                        found.pos + usize::from(behind)
                    }
                };
                if level == 0 {
                    leaf = Some((page, pos));
                } else {
                    at = page.child(pos);
                    way.push((page, pos));
                }
            }
            first = false;
            let Some((leaf, pos)) = leaf else { return Ok(()) };
            let range = if forward { pos..leaf.count() } else { 0..pos };
            let take = range.len().min(max);
            max -= take;
            if forward {
                (range.start..range.start + take).try_for_each(|i| self.copy(&leaf, i, out))?;
            } else {
                (range.end - take..range.end).rev().try_for_each(|i| self.copy(&leaf, i, out))?;
            }
            // Up to where there is a way on.
            let on = loop {
                let Some((page, i)) = way.last_mut() else { break None };
                if forward && *i < page.count() {
                    *i += 1;
                } else if !forward && *i > 0 {
                    *i -= 1;
                } else {
                    way.pop();
                    continue;
                }
                break Some((page.child(*i), page.level()));
            };
            let Some(on) = on else { return Ok(()) };
            (at, level) = on;
        }
        Ok(())
    }

    fn copy(&self, leaf: &Page, pos: usize, out: &mut KeyPage) -> Result<()> {
        let location = Location::from_bits(leaf.payload(pos));
        match leaf.cell(pos) {
            Cell::Suffix(suffix) => out.push(leaf.prefix(), suffix, location),
            Cell::Long(_, long) => out.push(&self.long(long)?, &[], location),
        }
        Ok(())
    }

    /// The location of an entry chosen evenly among all, or `None` from an empty tree. `random` gives random numbers.
    ///
    /// Goes down by one of as many ways as any page can have and begins again if the page has no such way, so that all
    /// entries are equally likely (Olken and Rotem, "Random sampling from B+ trees", VLDB 1989): some ten attempts on the
    /// usual key sets, of which all but one end in pages of the upper levels or the first leaf they come to.
    pub(super) fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        let version = self.version();
        if version.len == 0 {
            return Ok(None);
        }
        'attempt: loop {
            let mut at = version.root;
            for level in (0..version.height).rev() {
                let page = self.page(at, level)?;
                let ways = page.count() + usize::from(level > 0);
                // The root is on every way.
                let most = if level + 1 == version.height { ways } else { MAX_WAYS };
                let i = ((u128::from(random()) * most as u128) >> 64) as usize;
                if i >= ways {
                    continue 'attempt;
                }
                if level == 0 {
                    return Ok(Some(Location::from_bits(page.payload(i))));
                }
                at = page.child(i);
            }
        }
    }
}

impl Longs for Shared {
    fn long(&self, long: Long) -> Result<Vec<u8>> {
        let pages = self.chain(long)?;
        Ok(pages.iter().flat_map(|(_, page)| page.content()).copied().collect())
    }
}

/// For those that look at all pages.
impl Shared {
    /// Whatever page has this number.
    pub(super) fn by_number(&self, no: u32) -> Result<Arc<Page>> {
        match (self.cache.by_number(no), self.file.get()) {
            (Some(page), _) => Ok(page),
            (None, Some(file)) => Ok(Arc::new(file.read_any(no).inspect_err(|error| self.note(error))?)),
            (None, None) => Err(Error::Internal { what: format!("index page {no} is nowhere") }),
        }
    }

    /// Reads all pages below one and counts the keys.
    pub(super) fn count(&self, at: Ptr, height: u8) -> Result<u64> {
        let Some(level) = height.checked_sub(1) else { return Ok(0) };
        let page = self.page(at, level)?;
        for pos in 0..page.count() {
            if let Cell::Long(_, long) = page.cell(pos) {
                self.chain(long)?;
            }
        }
        if level == 0 {
            return Ok(page.count() as u64);
        }
        (0..=page.count()).map(|i| self.count(page.child(i), level)).sum()
    }
}
