//! Iteration over one moment of the store.
//!
//! A cursor over an ordered index walks it page by page and lays over each page what history says of keys that changed
//! since. One over an index without order has all keys sorted at once (`unordered`). Records are read when their page is asked
//! for; keys-only iteration reads none where the index keeps keys.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::{Direction, KeyPage, Start};
use crate::log::{DataFile, Value, View};
use crate::types::{Location, SeqNo, Timestamp};

use super::page::EntryPage;
use super::store::Store;
use super::unordered::{self, SortedKeys};

/// Entries of the first page of a walk through the index, doubled with each further one up to the last.
const FIRST_PAGE: usize = 16;
const LAST_PAGE: usize = 1024;

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
    store: Arc<Store>,
    seq: SeqNo,
    now: Timestamp,
    low: Bound<Vec<u8>>,
    high: Bound<Vec<u8>>,
    direction: Direction,
    keys_only: bool,
    limit: u64,
    given: u64,
    /// Visible keys, in the cursor's direction.
    page: KeyPage,
    /// All of them, in place of pages, if the index has no order.
    sorted: Option<SortedKeys>,
    at: usize,
    page_size: usize,
    /// Where the walk through the index goes on.
    next: Next,
    file: Option<Arc<DataFile>>,
    scratch: Vec<u8>,
    /// The last call failed at the record at `at`.
    damaged: bool,
    /// Records whose keys could not be read when all were sorted; told one by one.
    unreadable: Vec<Error>,
}

#[derive(Debug)]
enum Next {
    /// From the bound of the range.
    Begin,
    /// From this key.
    Seek(Vec<u8>),
    /// Behind this key.
    After(Vec<u8>),
    Nothing,
}

impl Cursor {
    pub(crate) fn new(store: &Arc<Store>, options: CursorOptions) -> Result<Cursor> {
        store.check_usable()?;
        let (low, high) = range(&options);
        let (mut sorted, mut unreadable) = (None, Vec::new());
        let seq = if store.index.capabilities().ordered {
            let _gate = store.gate.read();
            let seq = store.visible();
            store.history.register(seq);
            seq
        } else {
            sorted = Some(unordered::sort(store, (&low, &high), options.reverse, &mut unreadable)?);
            SeqNo::ZERO
        };
        Ok(Cursor {
            store: Arc::clone(store),
            seq,
            now: store.vfs.now(),
            low,
            high,
            direction: if options.reverse { Direction::Reverse } else { Direction::Forward },
            keys_only: options.keys_only,
            limit: options.limit,
            given: 0,
            page: KeyPage::new(),
            sorted,
            at: 0,
            page_size: FIRST_PAGE,
            next: Next::Begin,
            file: None,
            scratch: Vec::new(),
            damaged: false,
            unreadable,
        })
    }

    /// Number of visible keys in the range, up to the limit.
    pub(crate) fn count(store: &Arc<Store>, options: CursorOptions) -> Result<u64> {
        let limit = options.limit;
        let mut cursor = match range(&options) {
            (Bound::Unbounded, Bound::Unbounded) => return Ok(store.len()?.min(limit)),
            (low, high) if !store.index.capabilities().ordered => {
                store.check_usable()?;
                return Ok(unordered::count(store, (&low, &high))?.min(limit));
            }
            _ => Cursor::new(store, options)?,
        };
        let mut count = 0;
        cursor.page_size = LAST_PAGE;
        while count < limit && cursor.has_entry()? {
            count += (cursor.page.len() - cursor.at) as u64;
            cursor.at = cursor.page.len();
            store.check_usable()?;
        }
        Ok(count.min(limit))
    }

    /// The first record of the store, or the last.
    pub(crate) fn edge(store: &Arc<Store>, last: bool) -> Result<Option<(Vec<u8>, Value)>> {
        store.check_usable()?;
        if store.index.capabilities().ordered {
            return Cursor::new(store, CursorOptions { reverse: last, limit: 1, ..CursorOptions::all() })?
                .next_record();
        }
        let Some((key, location)) = unordered::edge(store, last)? else { return Ok(None) };
        Ok(store.value_at(location, &key, Vec::new())?.map(|value| (key, value)))
    }

    pub(crate) fn rewind(&mut self) {
        self.restart(Next::Begin);
        self.at = 0;
    }

    pub(crate) fn seek(&mut self, key: &[u8]) {
        self.restart(Next::Seek(key.to_vec()));
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
        self.damaged = false;
        if self.sorted.is_none() {
            self.page.clear();
            self.at = 0;
            self.page_size = FIRST_PAGE;
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
        while out.len() < max_records && (out.is_empty() || out.byte_len() < max_bytes) && self.has_entry()? {
            let Some((key, location)) = entry(&self.sorted, &self.page, self.at) else { break };
            if self.keys_only {
                out.push(key, &[]);
            } else {
                let outcome =
                    read(&self.store, &mut self.file, location, key, self.now, &mut self.scratch, |_, view| {
                        out.push(key, view.value());
                    });
                match outcome {
                    Ok(Some(())) => {}
                    Ok(None) => {
                        self.at += 1;
                        continue;
                    }
                    // What was read so far is given first; the next call fails.
                    Err(_) if !out.is_empty() => return Ok(()),
                    Err(error) => {
                        self.damaged = true;
                        return Err(error);
                    }
                }
            }
            self.at += 1;
            self.given += 1;
        }
        Ok(())
    }

    /// The next record, its value pinned.
    pub(crate) fn next_record(&mut self) -> Result<Option<(Vec<u8>, Value)>> {
        self.store.check_usable()?;
        self.damaged = false;
        while self.has_entry()? {
            let Some((key, location)) = entry(&self.sorted, &self.page, self.at) else { break };
            let record = if self.keys_only {
                Some((key.to_vec(), Value::empty()))
            } else {
                let mut scratch = Vec::new();
                let found = read(&self.store, &mut self.file, location, key, self.now, &mut scratch, |_, view| {
                    (view.value_range(), view.offset, view.mapped)
                });
                match found {
                    Ok(found) => found.and_then(|(range, offset, mapped)| {
                        let file = self.file.as_ref()?;
                        Some((key.to_vec(), file.keep_value(range, offset, mapped, scratch)))
                    }),
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
            if self.sorted.is_some() || matches!(self.next, Next::Nothing) {
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
        let start = match &self.next {
            Next::Begin => near.clone(),
            Next::Seek(key) => nearer(near, key, reverse),
            Next::After(key) => Bound::Excluded(key.clone()),
            Next::Nothing => return Ok(()),
        };
        let from = match &start {
            Bound::Unbounded => Start::Edge,
            Bound::Included(key) => Start::At(key),
            Bound::Excluded(key) => Start::After(key),
        };
        let mut raw = KeyPage::new();
        self.store.index.scan(from, self.direction, self.page_size, &mut raw)?;
        let last = raw.len().checked_sub(1).and_then(|i| raw.get(i)).map(|(key, _)| key.to_vec());
        let ended = raw.len() < self.page_size || last.as_ref().is_some_and(|key| !within(key, far, reverse));
        // The stretch of keys that this page speaks for.
        let stop = match (&last, ended) {
            (Some(last), false) => Bound::Included(last.clone()),
            _ => far.clone(),
        };
        let (low, high) = if reverse { (&stop, &start) } else { (&start, &stop) };
        let mut changed = Vec::new();
        self.store.history.for_each_in(as_slice(low), as_slice(high), self.seq, |key, before| {
            changed.push((key.to_vec(), before));
        });
        if reverse {
            changed.reverse();
        }
        self.page.clear();
        self.at = 0;
        merge(&raw, &changed, far, reverse, &mut self.page);
        self.next = match last {
            Some(last) if !ended => Next::After(last),
            _ => Next::Nothing,
        };
        self.page_size = (self.page_size * 2).min(LAST_PAGE);
        Ok(())
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // In a forked child a thread that is not here may hold history's locks.
        if self.sorted.is_none() && !self.store.is_foreign() {
            self.store.history.release(self.seq);
        }
    }
}

/// Lays the changes over the raw page, both in the cursor's direction, up to the far bound.
fn merge(
    raw: &KeyPage,
    changed: &[(Vec<u8>, Option<Location>)],
    far: &Bound<Vec<u8>>,
    reverse: bool,
    out: &mut KeyPage,
) {
    let mut changed = changed.iter().peekable();
    let mut at = 0;
    loop {
        let stored = raw.get(at).filter(|(key, _)| within(key, far, reverse));
        let order = match (stored, changed.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some((other, _))) if reverse => other[..].cmp(key),
            (Some((key, _)), Some((other, _))) => key.cmp(other),
        };
        if order == Ordering::Less {
            if let Some((key, location)) = stored {
                out.push(key, &[], location);
            }
        } else if let Some((key, Some(location))) = changed.next() {
            out.push(key, &[], *location);
        }
        // An equal key: the change is what the snapshot sees.
        if order != Ordering::Greater {
            at += 1;
        }
    }
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
    cache: &mut Option<Arc<DataFile>>,
    location: Location,
    key: &[u8],
    now: Timestamp,
    scratch: &mut Vec<u8>,
    take: impl FnOnce(&DataFile, &View<'_>) -> R,
) -> Result<Option<R>> {
    let file = cached(store, cache, location)?;
    let view = file.view(location, store.config.verify_checksums, scratch)?;
    if !store.holds(file, &view, key, now)? {
        return Ok(None);
    }
    Ok(Some(take(file, &view)))
}

/// The file of a location; neighbours tend to share it.
pub(super) fn cached<'a>(
    store: &Store,
    cache: &'a mut Option<Arc<DataFile>>,
    location: Location,
) -> Result<&'a Arc<DataFile>> {
    let file = match cache.take() {
        Some(file) if file.id() == location.file() => file,
        _ => Arc::clone(store.file(&store.files.load(), location)?),
    };
    Ok(cache.insert(file))
}

/// Whether a key has not passed a bound on its far side.
pub(super) fn within(key: &[u8], far: &Bound<Vec<u8>>, reverse: bool) -> bool {
    match far {
        Bound::Unbounded => true,
        Bound::Included(bound) => {
            if reverse {
                key >= bound
            } else {
                key <= bound
            }
        }
        Bound::Excluded(bound) => {
            if reverse {
                key > bound
            } else {
                key < bound
            }
        }
    }
}

/// The bound or the key, whichever comes later in the direction of the walk.
fn nearer(near: &Bound<Vec<u8>>, key: &[u8], reverse: bool) -> Bound<Vec<u8>> {
    let bound_wins = match near {
        Bound::Unbounded => false,
        Bound::Included(bound) | Bound::Excluded(bound) => {
            if reverse {
                bound[..] <= *key
            } else {
                bound[..] >= *key
            }
        }
    };
    if bound_wins { near.clone() } else { Bound::Included(key.to_vec()) }
}

/// The options' prefix and bounds as one range.
fn range(options: &CursorOptions) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let (mut low, mut high) = (options.start.clone(), options.end.clone());
    if !options.prefix.is_empty() {
        low = nearer(&low, &options.prefix, false);
        if let Some(next) = successor(&options.prefix) {
            let closer = match &high {
                Bound::Unbounded => false,
                Bound::Included(bound) | Bound::Excluded(bound) => *bound < next,
            };
            if !closer {
                high = Bound::Excluded(next);
            }
        }
    }
    (low, high)
}

/// The least key that is above all keys with this prefix; `None` if the prefix is all 0xFF.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xFF)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}
