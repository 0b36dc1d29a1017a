//! One moment of the store, kept for as long as somebody wants it.
//!
//! A snapshot is a sequence number that history knows of. It is taken under the gate, between two groups of commits,
//! together with the number of keys, which is then exact. Reads ask the index first and history second (see `history`).
//! It owns a registration and nothing else: many may live, at no cost but the memory of what changes meanwhile.

use std::ops::Bound;
use std::sync::Arc;

use crate::error::Result;
use crate::log::Value;
use crate::types::{Location, SeqNo, Timestamp};

use super::atomic::Found;
use super::cursor::{Cursor, CursorOptions};
use super::page::ValuePage;
use super::range::range;
use super::read::When;
use super::share::Share;
use super::store::Store;
use super::unordered::{self, Moment};

/// A moment. Thread-safe.
#[derive(Debug)]
pub(crate) struct Snapshot {
    store: Share,
    seq: SeqNo,
    keys: u64,
    now: Timestamp,
}

impl Snapshot {
    pub(crate) fn new(store: &Arc<Store>) -> Result<Snapshot> {
        store.check_usable()?;
        let now = store.vfs.now();
        let _gate = store.gate.read();
        let seq = store.visible();
        store.history.register(seq);
        Ok(Snapshot { store: Share::of(store), seq, keys: store.index.len(), now })
    }

    /// The last commit that it shows.
    pub(crate) fn seq(&self) -> SeqNo {
        self.seq
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> Result<u64> {
        self.store.check_usable()?;
        Ok(self.keys)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        let Some(location) = self.locate(key)? else { return Ok(None) };
        self.store.value_at(location, key, When::At(self.now), Vec::new())
    }

    pub(crate) fn get_into(&self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        let Some(location) = self.locate(key)? else { return Ok(None) };
        self.store.copy_at(location, key, When::At(self.now), buf)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> Result<bool> {
        let Some(location) = self.locate(key)? else { return Ok(false) };
        self.store.is_alive(location, key, When::At(self.now))
    }

    pub(crate) fn value_size(&self, key: &[u8]) -> Result<Option<u64>> {
        let Some(location) = self.locate(key)? else { return Ok(None) };
        self.store.size_at(location, key, When::At(self.now))
    }

    pub(crate) fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        self.store.multi_get_at(keys, Some((self.seq, self.now)))
    }

    pub(crate) fn multi_get_into<K: AsRef<[u8]>>(&self, keys: &[K], page: &mut ValuePage) -> Result<()> {
        self.store.multi_get_into_at(keys, Some((self.seq, self.now)), page)
    }

    /// A cursor over it, which keeps the moment by itself.
    pub(crate) fn cursor(&self, options: CursorOptions) -> Result<Cursor> {
        self.store.check_usable()?;
        self.store.history.retain(self.seq);
        Cursor::over(&self.store, self.seq, self.now, options)
    }

    /// Number of keys in the range, up to the limit.
    pub(crate) fn count(&self, options: CursorOptions) -> Result<u64> {
        self.store.check_usable()?;
        if options.is_all() && !self.store.expiry.is_possible() {
            return Ok(self.keys.min(options.limit));
        }
        if !self.store.index.capabilities().ordered {
            let (low, high) = range(&options.prefix, options.start, options.end);
            return Ok(unordered::count(self.moment(), (&low, &high))?.min(options.limit));
        }
        self.cursor(options)?.count_rest()
    }

    /// The first record, or the last.
    pub(crate) fn edge(&self, last: bool) -> Result<Option<(Vec<u8>, Value)>> {
        self.store.check_usable()?;
        if self.store.index.capabilities().ordered {
            return self.cursor(CursorOptions { reverse: last, limit: 1, ..CursorOptions::all() })?.next_record();
        }
        let Some((key, location)) = unordered::edge(self.moment(), last)? else { return Ok(None) };
        let value = self.store.value_at(location, &key, When::At(self.now), Vec::new())?;
        Ok(value.map(|value| (key, value)))
    }

    /// A key's value, its own expiry, and from when on it counts as absent.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<Found>> {
        let Some(location) = self.locate(key)? else { return Ok(None) };
        self.store.found_at(location, key, When::At(self.now))
    }

    /// The time that decides what has expired.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Where a key's record is.
    fn locate(&self, key: &[u8]) -> Result<Option<Location>> {
        self.store.check_usable()?;
        let newest = self.store.index.get(key)?;
        Ok(self.store.history.before(key, self.seq).unwrap_or(newest))
    }

    fn moment(&self) -> Moment<'_> {
        Moment { store: &self.store, seq: self.seq, now: self.now }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // In a forked child a thread that is not here may hold history's locks.
        if !self.store.is_foreign() {
            self.store.history.release(self.seq);
        }
    }
}

impl CursorOptions {
    /// Whether nothing bounds the range.
    pub(crate) fn is_all(&self) -> bool {
        self.prefix.is_empty() && self.start == Bound::Unbounded && self.end == Bound::Unbounded
    }
}
