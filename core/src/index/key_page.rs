//! What a scan gives: keys one behind the other, with their locations.
//!
//! Owns the layout of a page and how it grows; knows nothing of the index that fills it. Kinds write keys where they stay, by parts, since
//! most of them keep a key without what it shares with its neighbours.

use crate::types::Location;

/// Keys with their locations, in the order of a scan. Reused from page to page without allocating.
#[derive(Clone, Debug, Default)]
pub struct KeyPage {
    /// The keys, one behind the other. What lies behind the last means nothing: it is there so that keys can be put together in place.
    bytes: Vec<u8>,
    /// End of each key in `bytes`, and its location.
    entries: Vec<(usize, Location)>,
}

impl KeyPage {
    /// An empty page.
    #[must_use]
    pub fn new() -> KeyPage {
        KeyPage::default()
    }

    /// Forgets all entries, keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Makes place for so many more entries, if their keys are not long.
    pub fn reserve(&mut self, entries: usize) {
        /// Bytes that most keys take at most.
        const KEY: usize = 32;
        self.entries.reserve(entries);
        self.room(entries * KEY);
    }

    /// Appends an entry whose key is `prefix` followed by `suffix`.
    #[inline]
    pub fn push(&mut self, prefix: &[u8], suffix: &[u8], location: Location) {
        let len = prefix.len() + suffix.len();
        let (start, end) = self.room(len).split_at_mut(prefix.len());
        start.copy_from_slice(prefix);
        end[..suffix.len()].copy_from_slice(suffix);
        self.took(len, location);
    }

    /// Appends an entry whose key is the first `prefix.0` bytes of some words in big-endian order, followed by the first `suffix.0` bytes of others.
    ///
    /// Each word is written where it stays. A key that is put together elsewhere and then copied as a whole has the processor wait until its
    /// parts have left for the cache, and thereby for the memory of all that was read before.
    #[inline]
    pub(crate) fn push_words(
        &mut self,
        prefix: (usize, impl Fn(usize) -> u32),
        suffix: (usize, impl Fn(usize) -> u32),
        location: Location,
    ) {
        const WORD: usize = size_of::<u32>();
        // The last word of each part may go beyond it.
        let room = self.room(prefix.0 + suffix.0 + WORD);
        for (i, place) in room.as_chunks_mut().0.iter_mut().take(prefix.0.div_ceil(WORD)).enumerate() {
            *place = (prefix.1)(i).to_be_bytes();
        }
        for (i, place) in room[prefix.0..].as_chunks_mut().0.iter_mut().take(suffix.0.div_ceil(WORD)).enumerate() {
            *place = (suffix.1)(i).to_be_bytes();
        }
        self.took(prefix.0 + suffix.0, location);
    }

    /// Place behind the last key, for `len` bytes at least.
    #[inline]
    fn room(&mut self, len: usize) -> &mut [u8] {
        let (start, end) = (self.key_bytes(), self.key_bytes() + len);
        if self.bytes.len() < end {
            self.grow(end);
        }
        &mut self.bytes[start..]
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        /// Bytes that are made zeros in advance at most: of a large page half may never be used. It is copied as seldom all the same, for
        /// the vector takes twice the memory each time.
        const AHEAD: usize = 1 << 20;
        self.bytes.resize(len.max(self.bytes.len() + self.bytes.len().min(AHEAD)), 0);
    }

    /// The next `len` bytes are a key.
    #[inline]
    fn took(&mut self, len: usize, location: Location) {
        self.entries.push((self.key_bytes() + len, location));
    }

    /// Forgets the entries from the one at `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.entries.truncate(len);
    }

    /// Number of entries in front of the first for which `holds` is false, if there are none behind it for which it is true.
    pub fn partition_point(&self, holds: impl Fn(&[u8]) -> bool) -> usize {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from + (to - from) / 2;
            match self.get(middle) {
                Some((key, _)) if holds(key) => from = middle + 1,
                _ => to = middle,
            }
        }
        from
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all keys together.
    #[must_use]
    #[inline]
    pub fn key_bytes(&self) -> usize {
        self.entries.last().map_or(0, |&(end, _)| end)
    }

    /// The entry at `i`.
    #[must_use]
    #[inline]
    pub fn get(&self, i: usize) -> Option<(&[u8], Location)> {
        let &(end, location) = self.entries.get(i)?;
        let start = if i == 0 { 0 } else { self.entries[i - 1].0 };
        Some((&self.bytes[start..end], location))
    }

    /// The location of the entry at `i`.
    #[must_use]
    #[inline]
    pub fn location(&self, i: usize) -> Option<Location> {
        self.entries.get(i).map(|&(_, location)| location)
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<(&[u8], Location)> {
        self.get(self.len().checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a large page what is not used is little, however it got there; keys are what they were.
    #[test]
    fn a_page_grows_by_a_mebibyte_at_most() {
        let (mut page, key) = (KeyPage::new(), |n: u32| n.to_be_bytes().repeat(250));
        for n in 0..6000 {
            let location = Location::from_bits(u64::from(n));
            if n % 2 == 0 {
                page.push(&key(n)[..7], &key(n)[7..], location);
            } else {
                page.push_words((8, |_| n), (992, |_| n), location);
            }
            let (used, there) = (page.key_bytes(), page.bytes.len());
            assert!(there <= used * 2 + 8 && there <= used + (1 << 20) + 8, "{there} bytes for {used}");
        }
        for n in 0..6000 {
            let (found, location) = page.get(n as usize).expect("an entry");
            assert!(found == key(n) && location == Location::from_bits(u64::from(n)), "entry {n}");
        }
        // One that is longer than what it would grow by.
        let mut page = KeyPage::new();
        page.push(&[], &[1; 3 << 20], Location::from_bits(1));
        assert_eq!(page.bytes.len(), 3 << 20);
    }
}
