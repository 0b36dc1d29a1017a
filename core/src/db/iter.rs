//! Iterators over the store at one moment.

use std::ops::Bound;
use std::sync::Arc;

use crate::engine::{Cursor, CursorOptions, Overlay, Store, Value};
use crate::error::Result;

pub use crate::engine::{EntryPage, ValuePage};

/// What an iterator covers and how. All of it can be combined.
#[derive(Clone, Debug)]
pub struct IterOptions {
    pub(super) inner: CursorOptions,
}

impl Default for IterOptions {
    fn default() -> IterOptions {
        IterOptions { inner: CursorOptions::all() }
    }
}

impl IterOptions {
    /// All keys with their values, ascending.
    #[must_use]
    pub fn new() -> IterOptions {
        IterOptions::default()
    }

    /// Only keys that begin with these bytes. Empty: all.
    #[must_use]
    pub fn prefix(mut self, prefix: &[u8]) -> IterOptions {
        self.inner.prefix = prefix.to_vec();
        self
    }

    /// Only keys at or above the lower bound. A bound need not be a valid key. The direction does not change which bound is which.
    #[must_use]
    pub fn start(mut self, bound: Bound<&[u8]>) -> IterOptions {
        self.inner.start = bound.map(<[u8]>::to_vec);
        self
    }

    /// Only keys at or below the upper bound. A range whose end lies before its start is empty.
    #[must_use]
    pub fn end(mut self, bound: Bound<&[u8]>) -> IterOptions {
        self.inner.end = bound.map(<[u8]>::to_vec);
        self
    }

    /// Descending order.
    #[must_use]
    pub fn reverse(mut self, yes: bool) -> IterOptions {
        self.inner.reverse = yes;
        self
    }

    /// At most so many records (from each `rewind` or `seek` on).
    #[must_use]
    pub fn limit(mut self, records: u64) -> IterOptions {
        self.inner.limit = records;
        self
    }

    /// Keys without values; values are empty then and are never read.
    #[must_use]
    pub fn keys_only(mut self, yes: bool) -> IterOptions {
        self.inner.keys_only = yes;
        self
    }
}

/// An iterator over one moment of the store, or of a batch or transaction laid over it. For one thread at a time; it keeps nobody from writing.
///
/// After an error it stays where it is: the next call tries the same record again, so a loop should end at an error or
/// move on by [`Iter::skip_damaged`].
#[derive(Debug)]
pub struct Iter {
    inner: Inner,
}

/// What it walks over.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // The large one is the usual one, and a short walk has no allocation to spare.
enum Inner {
    Stored(Cursor),
    /// With the writes of a batch or transaction.
    Laid(Box<Overlay>),
}

/// Calls a method that both have.
macro_rules! either {
    ($iter:ident.$method:ident($($argument:expr),*)) => {
        match &mut $iter.inner {
            Inner::Stored(cursor) => cursor.$method($($argument),*),
            Inner::Laid(overlay) => overlay.$method($($argument),*),
        }
    };
}

impl Iter {
    pub(super) fn new(store: &Arc<Store>, options: &IterOptions) -> Result<Iter> {
        Ok(Iter::over(Cursor::new(store, options.inner.clone())?))
    }

    pub(super) fn over(cursor: Cursor) -> Iter {
        Iter { inner: Inner::Stored(cursor) }
    }

    pub(super) fn laid(overlay: Overlay) -> Iter {
        Iter { inner: Inner::Laid(Box::new(overlay)) }
    }

    /// Goes back to the beginning of the range (the end in reverse).
    pub fn rewind(&mut self) {
        either!(self.rewind());
    }

    /// Goes to the first key of the range that is at or above `key`; in reverse at or below. `key` may be any bytes.
    pub fn seek(&mut self, key: &[u8]) {
        either!(self.seek(key));
    }

    /// Replaces the page's contents by the next records: at most `max_records` of them, and after the first no more
    /// than about `max_bytes` of keys and values. An empty page means the end.
    ///
    /// # Errors
    /// [`Error::Corrupted`](crate::Error::Corrupted) at a damaged record, [`Error::Closed`](crate::Error::Closed),
    /// [`Error::Forked`](crate::Error::Forked), [`Error::Io`](crate::Error::Io).
    pub fn next_page(&mut self, page: &mut EntryPage, max_records: usize, max_bytes: usize) -> Result<()> {
        either!(self.next_page(page, max_records, max_bytes))
    }

    /// Passes the record at which the last call failed with `Corrupted`, so that iteration can go on behind it. Does nothing otherwise.
    pub fn skip_damaged(&mut self) {
        either!(self.skip_damaged());
    }
}

impl Iterator for Iter {
    type Item = Result<(Vec<u8>, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        either!(self.next_record()).transpose()
    }
}
