//! Pages of records and of values, filled with one call and read in place.

use std::ops::Range;

use crate::log::{DataFile, Lender, Plain, View};
use crate::types::{FileId, Location};

/// Records in the order of an iterator. Reused from page to page without allocating.
///
/// Records are lent from the mapped data files where the system maps files, and keep the files' mappings alive until the page is
/// filled anew or dropped, also after the store is closed; else they are copies. What they say never changes.
#[derive(Clone, Debug, Default)]
pub struct EntryPage {
    entries: Vec<Entry>,
    lenders: Vec<Lending>,
    /// Records that lie in no mapping.
    copies: Vec<u8>,
    byte_len: usize,
}

/// Where a record's key is, with its value right behind it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// In the mapping of a file, or in `copies`.
    start: u64,
    len: usize,
    key_len: u16,
    /// Which of `lenders`, or [`COPIED`].
    lender: u32,
}

impl Entry {
    /// Key and value, in what all of the entry's file is in, or all copies.
    #[inline]
    fn content<'a>(&self, memory: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let start = usize::try_from(self.start).ok()?;
        memory.get(start..)?.get(..self.len)?.split_at_checked(self.key_len.into())
    }
}

const COPIED: u32 = u32::MAX;

/// A mapping that records are lent from.
#[derive(Clone, Debug)]
struct Lending {
    /// Whose it is.
    file: FileId,
    lender: Lender,
    /// Where the last record ends that is lent from it.
    end: u64,
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
        self.entries.len()
    }

    /// Whether there are none: the iterator is at its end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all keys and values together.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.byte_len
    }

    /// Key and value of the record at `i`.
    #[must_use]
    #[inline]
    pub fn get(&self, i: usize) -> Option<(&[u8], &[u8])> {
        self.content(self.entries.get(i)?)
    }

    /// All records.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // Mostly a record lies where the one before does.
        let mut last = (COPIED, &self.copies[..]);
        self.entries.iter().filter_map(move |entry| {
            if last.0 != entry.lender {
                last = (entry.lender, self.memory(entry.lender)?);
            }
            entry.content(last.1)
        })
    }

    #[inline]
    fn content(&self, entry: &Entry) -> Option<(&[u8], &[u8])> {
        match self.lenders.get(entry.lender as usize) {
            Some(lending) => lending.lender.bytes(entry.start, entry.len)?.split_at_checked(entry.key_len.into()),
            None => entry.content(&self.copies),
        }
    }

    /// What records lie in.
    fn memory(&self, lender: u32) -> Option<&[u8]> {
        match self.lenders.get(lender as usize) {
            Some(lending) => lending.lender.bytes(0, usize::try_from(lending.end).ok()?),
            None => Some(&self.copies),
        }
    }

    /// Forgets everything, keeps the memory and no file.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.lenders.clear();
        self.copies.clear();
        self.byte_len = 0;
    }

    /// Makes place for so many more records.
    pub(super) fn reserve(&mut self, records: usize) {
        self.entries.reserve(records);
    }

    /// Appends a copy of a record.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        let start = self.copies.len() as u64;
        self.copies.extend_from_slice(key);
        self.copies.extend_from_slice(value);
        self.append(Entry { start, len: key.len() + value.len(), key_len: key.len() as u16, lender: COPIED });
    }

    /// Appends a record of a file: lends it, if it lies in the file's mapping.
    #[inline]
    pub(super) fn take(&mut self, file: &DataFile, view: &View<'_>) {
        match if view.mapped { self.lender(file) } else { None } {
            Some(lender) => {
                let content = view.content_range();
                let len = (content.end - content.start) as usize;
                self.append_lent(Entry { start: content.start, len, key_len: view.header.key_len, lender });
            }
            None => self.push(view.key(), view.value()),
        }
    }

    /// Appends a record of a file that is among those that lend.
    #[inline(always)]
    pub(super) fn lend(&mut self, lender: u32, record: &Plain<'_>) {
        let (len, key_len) = (record.content.len(), record.key_len as u16);
        self.append_lent(Entry { start: record.start, len, key_len, lender });
    }

    #[inline(always)]
    fn append_lent(&mut self, entry: Entry) {
        if let Some(lending) = self.lenders.get_mut(entry.lender as usize) {
            lending.end = lending.end.max(entry.start + entry.len as u64);
        }
        self.append(entry);
    }

    #[inline]
    fn append(&mut self, entry: Entry) {
        self.byte_len += entry.len;
        self.entries.push(entry);
    }

    /// The place of a file's mapping among those that are held. Mostly it is the last that was asked for.
    #[inline]
    pub(super) fn lender(&mut self, file: &DataFile) -> Option<u32> {
        let id = file.id();
        match self.entries.last().and_then(|entry| self.lenders.get(entry.lender as usize)) {
            Some(last) if last.file == id => self.entries.last().map(|entry| entry.lender),
            _ => self.lender_anew(file),
        }
    }

    fn lender_anew(&mut self, file: &DataFile) -> Option<u32> {
        let id = file.id();
        let at = match self.lenders.iter().position(|lending| lending.file == id) {
            Some(at) => at,
            None => {
                self.lenders.push(Lending { file: id, lender: file.lender()?, end: 0 });
                self.lenders.len() - 1
            }
        };
        u32::try_from(at).ok()
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
