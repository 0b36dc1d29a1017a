//! Keys and separators too long for a page, by number.
//!
//! A page holds such a key's number and its first four bytes behind the page's prefix; the whole key lies here, so that
//! moving it between pages moves four bytes whatever the pages' prefixes. Each is allocated at its exact length.
//! Numbers are reused; each is owned by one entry of one page.

/// Long keys by number.
#[derive(Default)]
pub(super) struct LongKeys {
    slots: Vec<Box<[u8]>>,
    free: Vec<u32>,
    bytes: u64,
}

impl LongKeys {
    /// The key of this number; none of that number is an empty one, as a reader may ask for in the middle of a change.
    pub(super) fn get(&self, no: u32) -> &[u8] {
        self.slots.get(no as usize).map_or(&[], |key| key)
    }

    /// Keeps a copy of a key.
    pub(super) fn insert(&mut self, key: &[u8]) -> u32 {
        self.bytes += key.len() as u64;
        if let Some(no) = self.free.pop() {
            self.slots[no as usize] = key.into();
            return no;
        }
        self.slots.push(key.into());
        self.slots.len() as u32 - 1
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, no: u32) {
        let Some(slot) = self.slots.get_mut(no as usize) else { return };
        debug_assert!(!slot.is_empty(), "long key {no} removed twice");
        self.bytes -= slot.len() as u64;
        *slot = Box::default();
        self.free.push(no);
        if self.free.len() == self.slots.len() {
            *self = LongKeys::default();
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Number of keys.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> u64 {
        self.bytes + (self.slots.capacity() * size_of::<Box<[u8]>>() + self.free.capacity() * 4) as u64
    }
}
