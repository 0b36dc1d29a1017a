//! Pages of records and of values, filled with one call and read in place.

use std::ops::Range;

use crate::types::Location;

/// Records in the order of an iterator. Reused from page to page without allocating.
#[derive(Clone, Debug, Default)]
pub struct EntryPage {
    bytes: Vec<u8>,
    /// Ends of each key and value in `bytes`; a key begins where the value before it ends.
    ends: Vec<(usize, usize)>,
}

impl EntryPage {
    /// An empty page.
    #[must_use]
    pub fn new() -> EntryPage {
        EntryPage::default()
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none: the iterator is at its end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all keys and values together.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Key and value of the record at `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<(&[u8], &[u8])> {
        let &(key_end, value_end) = self.ends.get(i)?;
        let start = if i == 0 { 0 } else { self.ends[i - 1].1 };
        Some((&self.bytes[start..key_end], &self.bytes[key_end..value_end]))
    }

    /// All records.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((key_end, self.bytes.len()));
    }
}

/// The values of many keys in one buffer, in the order of the keys. Reused from call to call without allocating.
#[derive(Clone, Debug, Default)]
pub struct ValuePage {
    bytes: Vec<u8>,
    /// Where in `bytes` each key's value is, if the key is there.
    values: Vec<Option<(usize, usize)>>,
    pub(super) work: Work,
}

/// What looking up many keys takes besides, kept for the next call.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// Location of each key.
    pub(super) locations: Vec<Option<Location>>,
    /// Those that are there, with the keys' positions, in the order of the log.
    pub(super) order: Vec<(Location, usize)>,
}

impl ValuePage {
    /// An empty page.
    #[must_use]
    pub fn new() -> ValuePage {
        ValuePage::default()
    }

    /// Number of keys that were asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether none were.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of the key at `i`, or `None` if it is not in the store (or there is no such position).
    #[must_use]
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        self.bytes.get(self.range(i)?)
    }

    /// Where in [`ValuePage::bytes`] that value is.
    #[must_use]
    pub fn range(&self, i: usize) -> Option<Range<usize>> {
        let (start, end) = (*self.values.get(i)?)?;
        Some(start..end)
    }

    /// All values, in no particular order.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The values in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.reset(0);
    }

    /// Forgets everything and makes place for the values of `keys` keys, none of which is there yet.
    pub(super) fn reset(&mut self, keys: usize) {
        self.bytes.clear();
        self.values.clear();
        self.values.resize(keys, None);
    }

    pub(super) fn set(&mut self, i: usize, value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        if let Some(place) = self.values.get_mut(i) {
            *place = Some((start, self.bytes.len()));
        }
    }
}
