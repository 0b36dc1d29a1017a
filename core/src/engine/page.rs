//! A page of records, filled with one call and read in place.

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
