//! Iteration over one moment of the store.
//!
//! A cursor over an ordered index walks it page by page and lays over each page what history says of keys that changed
//! since. One over an index without order has all keys sorted at once (`unordered`). Records are read when their page is asked
//! for; keys-only iteration reads none where the index keeps keys and nothing can expire.
//!
//! Short walks are the common ones: making a cursor allocates for its bounds alone, the first page is no longer than the limit, and
//! the records of a page are asked of memory before the first is waited for.

use std::ops::Bound;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::{Direction, KeyPage, Start};
use crate::log::{DataFile, Value, View};
use crate::types::{Location, SeqNo, Timestamp};

use super::ahead::{AHEAD, Ahead};
use super::files::Table;
use super::page::EntryPage;
use super::quick::Quick;
use super::range::{Changes, as_slice, merge, nearer, range, within};
use super::read::When;
use super::share::Share;
use super::store::Store;
use super::unordered::{self, Moment, SortedKeys};

/// Entries of the first page of a walk through the index, if nothing says how many are wanted; doubled with each further one up to
/// the last.
const FIRST_PAGE: usize = 16;
const LAST_PAGE: usize = 1024;
/// Bytes that a record has at least as a rule: who wants so many bytes does not want more records.
const LITTLE: usize = 64;

/// What a cursor covers.
#[derive(Clone, Debug)]
pub(crate) struct CursorOptions {
    pub(crate) prefix: Vec<u8>,
    pub(crate) start: Bound<Vec<u8>>,
    pub(crate) end: Bound<Vec<u8>>,
    pub(crate) reverse: bool,
    pub(crate) limit: u64,
    pub(crate) keys_only: bool,
}

impl CursorOptions {
    /// All records, ascending.
    pub(crate) fn all() -> CursorOptions {
        let (start, end) = (Bound::Unbounded, Bound::Unbounded);
        CursorOptions { prefix: Vec::new(), start, end, reverse: false, limit: u64::MAX, keys_only: false }
    }
}

/// A position in one moment of the store.
#[derive(Debug)]
pub(crate) struct Cursor {
    store: Share,
    seq: SeqNo,
    now: Timestamp,
    low: Bound<Vec<u8>>,
    high: Bound<Vec<u8>>,
    direction: Direction,
    keys_only: bool,
    /// Records have to be looked at to know whether a key is there.
    judges: bool,
    limit: u64,
    given: u64,
    /// Visible keys, in the cursor's direction.
    page: KeyPage,
    /// All of them, in place of pages, if the index has no order.
    sorted: Option<SortedKeys>,
    at: usize,
    /// Records of the page up to here were asked of memory.
    asked: usize,
    page_size: usize,
    /// Where the walk through the index goes on; the key is in `key`.
    next: Next,
    key: Vec<u8>,
    /// Memory for what changed under the walk.
    raw: KeyPage,
    changed: Changes,
    scratch: Vec<u8>,
    /// The last call failed at the record at `at`.
    damaged: bool,
    /// Records whose keys could not be read when all were sorted; told one by one.
    unreadable: Vec<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// From the bound of the range.
    Begin,
    /// From the key.
    Seek,
    /// Behind the key.
    Behind,
    Nothing,
}

impl Cursor {
    /// Over the store as it is now.
    pub(crate) fn new(store: &Arc<Store>, options: CursorOptions) -> Result<Cursor> {
        store.check_usable()?;
        Cursor::over(store, store.begin_snapshot(), store.vfs.now(), options)
    }

    /// Over a snapshot, of which it takes over one registration, whatever comes of it.
    pub(super) fn over(store: &Arc<Store>, seq: SeqNo, now: Timestamp, options: CursorOptions) -> Result<Cursor> {
        let (low, high) = range(&options.prefix, options.start, options.end);
        let mut cursor = Cursor {
            store: Share::of(store),
            seq,
            now,
            low,
            high,
            direction: if options.reverse { Direction::Reverse } else { Direction::Forward },
            keys_only: options.keys_only,
            // Where all keys are sorted at once they are looked at then.
            judges: store.index.capabilities().ordered && store.expiry.is_possible(),
            limit: options.limit,
            given: 0,
            page: KeyPage::new(),
            sorted: None,
            at: 0,
            asked: 0,
            page_size: first_page(options.limit, FIRST_PAGE),
            next: Next::Begin,
            key: Vec::new(),
            raw: KeyPage::new(),
            changed: Vec::new(),
            scratch: Vec::new(),
            damaged: false,
            unreadable: Vec::new(),
        };
        if !store.index.capabilities().ordered {
            let (range, mut unreadable) = ((&cursor.low, &cursor.high), Vec::new());
            let sorted = unordered::sort(Moment { store, seq, now }, range, options.reverse, &mut unreadable)?;
            (cursor.sorted, cursor.unreadable) = (Some(sorted), unreadable);
        }
        Ok(cursor)
    }

    /// The time that decides what has expired.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Number of visible keys from here on, up to the limit. Goes to the end.
    pub(super) fn count_rest(&mut self) -> Result<u64> {
        self.page_size = LAST_PAGE;
        let mut count = 0;
        while count < self.limit && self.has_entry()? {
            if self.judges {
                self.ask_ahead();
                count += u64::from(self.is_there()?);
                self.at += 1;
                continue;
            }
            count += (self.page.len() - self.at) as u64;
            self.at = self.page.len();
            self.store.check_usable()?;
        }
        Ok(count.min(self.limit))
    }

    pub(crate) fn rewind(&mut self) {
        self.restart(Next::Begin);
        self.at = 0;
    }

    pub(crate) fn seek(&mut self, key: &[u8]) {
        self.restart(Next::Seek);
        self.key.clear();
        self.key.extend_from_slice(key);
        if let Some(sorted) = &self.sorted {
            // First entry that is not before `key` in the cursor's direction.
            let before = |entry: &[u8]| match self.direction {
                Direction::Forward => entry < key,
                Direction::Reverse => entry > key,
            };
            let (mut from, mut to) = (0, sorted.len());
            while from < to {
                let middle = from + (to - from) / 2;
                match sorted.get(middle) {
                    Some((entry, _)) if before(entry) => from = middle + 1,
                    _ => to = middle,
                }
            }
            self.at = from;
        }
    }

    fn restart(&mut self, next: Next) {
        self.given = 0;
        self.asked = 0;
        self.damaged = false;
        if self.sorted.is_none() {
            self.page.clear();
            self.at = 0;
            self.page_size = first_page(self.limit, FIRST_PAGE);
            self.next = next;
        }
    }

    pub(crate) fn skip_damaged(&mut self) {
        if std::mem::take(&mut self.damaged) && self.unreadable.pop().is_none() {
            self.at += 1;
        }
    }

    /// Fills a page; an empty one is the end.
    pub(crate) fn next_page(&mut self, out: &mut EntryPage, max_records: usize, max_bytes: usize) -> Result<()> {
        self.store.check_usable()?;
        self.damaged = false;
        out.clear();
        self.expect(max_records.min(max_bytes / LITTLE));
        let files = self.store.files.load();
        while out.len() < max_records && (out.is_empty() || out.byte_len() < max_bytes) {
            let outcome = match self.has_entry() {
                Ok(true) if self.keys_only => self.push_keys(out, max_records, max_bytes),
                Ok(true) => self.read_records(&files, out, max_records, max_bytes),
                Ok(false) => break,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => {}
                // What was read so far is given first; the next call fails.
                Err(_) if !out.is_empty() => {
                    self.damaged = false;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Position behind the last entry that is at hand and may be given with `wanted` more.
    fn end_of(&self, wanted: usize) -> usize {
        let left = usize::try_from(self.limit - self.given).unwrap_or(usize::MAX);
        let entries = self.sorted.as_ref().map_or(self.page.len(), SortedKeys::len);
        entries.min(self.at.saturating_add(wanted.min(left)))
    }

    /// Gives the keys at hand.
    fn push_keys(&mut self, out: &mut EntryPage, max_records: usize, max_bytes: usize) -> Result<()> {
        let end = self.end_of(max_records - out.len());
        out.reserve(end - self.at);
        while self.at < end && (out.is_empty() || out.byte_len() < max_bytes) {
            let is_there = !self.judges || {
                self.ask_ahead();
                self.is_there()?
            };
            let Some((key, _)) = entry(&self.sorted, &self.page, self.at) else { break };
            if is_there {
                out.push(key, &[]);
            }
            self.at += 1;
            self.given += u64::from(is_there);
        }
        Ok(())
    }

    /// Whether the record of the entry at `at` has not expired.
    fn is_there(&mut self) -> Result<bool> {
        let Some((key, location)) = entry(&self.sorted, &self.page, self.at) else { return Ok(false) };
        let found = self.store.life_at(location, key, When::At(self.now));
        self.damaged = found.is_err();
        Ok(found?.is_some())
    }

    /// Reads the records of the entries at hand.
    fn read_records(&mut self, files: &Table, out: &mut EntryPage, max_records: usize, max_bytes: usize) -> Result<()> {
        let end = self.end_of(max_records - out.len());
        out.reserve(end - self.at);
        let now = self.now;
        let quick = Quick {
            end,
            max_bytes,
            verify: self.store.config.verify_checksums,
            is_by_age: self.store.expiry.is_by_age(),
        };
        let mut ahead = Ahead::new(files, self.at);
        while self.at < end && (out.is_empty() || out.byte_len() < max_bytes) {
            let read_here = match &self.sorted {
                None => quick.read(&self.page, self.at, &mut ahead, out),
                Some(sorted) => quick.read(sorted, self.at, &mut ahead, out),
            };
            self.at += read_here;
            self.given += read_here as u64;
            if self.at == end || (!out.is_empty() && out.byte_len() >= max_bytes) {
                break;
            }
            // What the quick way does not read is read anew, and told what it is.
            let Some((key, location)) = entry(&self.sorted, &self.page, self.at) else { break };
            let found = read(&self.store, location, key, now, &mut self.scratch, |file, view| out.take(file, view));
            match found {
                Ok(found) => {
                    self.at += 1;
                    self.given += u64::from(found.is_some());
                }
                Err(error) => {
                    self.damaged = true;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The next record, its value pinned.
    pub(crate) fn next_record(&mut self) -> Result<Option<(Vec<u8>, Value)>> {
        self.store.check_usable()?;
        self.damaged = false;
        while self.has_entry()? {
            if !self.keys_only || self.judges {
                self.ask_ahead();
            }
            if self.keys_only && self.judges && !self.is_there()? {
                self.at += 1;
                continue;
            }
            let Some((key, location)) = entry(&self.sorted, &self.page, self.at) else { break };
            let record = if self.keys_only {
                Some((key.to_vec(), Value::empty()))
            } else {
                let mut scratch = Vec::new();
                let found = read(&self.store, location, key, self.now, &mut scratch, |file, view| {
                    (file.lend(view), view.value_range())
                });
                match found {
                    Ok(found) => {
                        found.map(|(lent, range)| (key.to_vec(), lent.unwrap_or_else(|| Value::owned(scratch, range))))
                    }
                    Err(error) => {
                        self.damaged = true;
                        return Err(error);
                    }
                }
            };
            self.at += 1;
            if record.is_some() {
                self.given += 1;
                return Ok(record);
            }
        }
        Ok(None)
    }

    /// Asks for the records that are read next.
    fn ask_ahead(&mut self) {
        let end = self.end_of(AHEAD);
        self.asked = self.asked.max(self.at);
        if self.asked < end {
            let files = self.store.files.load();
            for i in self.asked..end {
                if let Some((_, location)) = entry(&self.sorted, &self.page, i) {
                    files.ask_for(location);
                }
            }
            self.asked = end;
        }
    }

    /// Says of a walk that begins how many records are wanted of it at first.
    fn expect(&mut self, records: usize) {
        if matches!(self.next, Next::Begin | Next::Seek) {
            self.page_size = first_page(self.limit, records);
        }
    }

    /// Whether there is an entry at `at`, after fetching more if need be.
    fn has_entry(&mut self) -> Result<bool> {
        if let Some(error) = self.unreadable.last() {
            self.damaged = true;
            return Err(error.clone());
        }
        if self.given >= self.limit {
            return Ok(false);
        }
        while entry(&self.sorted, &self.page, self.at).is_none() {
            if self.sorted.is_some() || self.next == Next::Nothing {
                return Ok(false);
            }
            self.fetch()?;
        }
        Ok(true)
    }

    /// Takes the next page from the index and lays history over it.
    fn fetch(&mut self) -> Result<()> {
        let reverse = self.direction == Direction::Reverse;
        let (near, far) = if reverse { (&self.high, &self.low) } else { (&self.low, &self.high) };
        let start = match self.next {
            Next::Begin => as_slice(near),
            Next::Seek => nearer(as_slice(near), &self.key, reverse),
            Next::Behind => Bound::Excluded(&self.key[..]),
            Next::Nothing => return Ok(()),
        };
        let from = match start {
            Bound::Unbounded => Start::Edge,
            Bound::Included(key) => Start::At(key),
            Bound::Excluded(key) => Start::After(key),
        };
        (self.at, self.asked) = (0, 0);
        self.page.clear();
        self.page.reserve(self.page_size);
        if let Err(error) = self.store.index.scan(from, self.direction, self.page_size, &mut self.page) {
            // The next call asks again, from the same place.
            self.page.clear();
            return Err(error);
        }
        let last = self.page.last().map(|(key, _)| key);
        let ended = self.page.len() < self.page_size || last.is_some_and(|key| !within(key, far, reverse));
        self.changed.clear();
        if self.store.history.keeps_any() {
            // The stretch of keys that this page speaks for.
            let stop = match last {
                Some(last) if !ended => Bound::Included(last),
                _ => as_slice(far),
            };
            let (low, high) = if reverse { (stop, start) } else { (start, stop) };
            self.store.history.for_each_in(low, high, self.seq, |key, before| {
                self.changed.push((key.to_vec(), before));
            });
        }
        self.next = match last {
            Some(last) if !ended => {
                self.key.clear();
                self.key.extend_from_slice(last);
                Next::Behind
            }
            _ => Next::Nothing,
        };
        if !self.changed.is_empty() {
            if reverse {
                self.changed.reverse();
            }
            std::mem::swap(&mut self.page, &mut self.raw);
            self.page.clear();
            merge(&self.raw, &self.changed, far, reverse, &mut self.page);
        } else if ended {
            let inside = self.page.partition_point(|key| within(key, far, reverse));
            self.page.truncate(inside);
        }
        self.page_size = (self.page_size * 2).clamp(FIRST_PAGE, LAST_PAGE);
        Ok(())
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // In a forked child a thread that is not here may hold history's locks.
        if !self.store.is_foreign() {
            self.store.history.release(self.seq);
        }
    }
}

/// Entries of the first page, where at most so many records are given in all, and so many are wanted now.
fn first_page(limit: u64, wanted: usize) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).min(wanted).clamp(1, LAST_PAGE)
}

/// The visible entry at a position of the page, or of all.
fn entry<'a>(sorted: &'a Option<SortedKeys>, page: &'a KeyPage, i: usize) -> Option<(&'a [u8], Location)> {
    match sorted {
        Some(sorted) => sorted.get(i),
        None => page.get(i),
    }
}

/// Reads a record that the snapshot sees. `None` if it has expired.
fn read<R>(
    store: &Store,
    location: Location,
    key: &[u8],
    now: Timestamp,
    scratch: &mut Vec<u8>,
    take: impl FnOnce(&DataFile, &View<'_>) -> R,
) -> Result<Option<R>> {
    // The present table: the file may have been made since the walk began.
    let files = store.files.load();
    let file = store.file(&files, location)?;
    let view = file.view(location, store.config.verify_checksums, scratch)?;
    if !store.holds_when(file, &view, key, When::At(now))? {
        return Ok(None);
    }
    Ok(Some(take(file, &view)))
}
