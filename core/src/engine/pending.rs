//! The writes of a batch before its commit: the last write of each key, in the order of the keys' first writes.

use std::collections::HashMap;
use std::sync::Arc;

/// One write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write<'a> {
    pub(crate) key: &'a [u8],
    /// `None` is a delete.
    pub(crate) value: Option<&'a [u8]>,
}

/// A key and its new value, or `None` for a delete.
type Owned = (Arc<[u8]>, Option<Box<[u8]>>);

/// Writes of different keys. Owns copies of all bytes.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    writes: Vec<Owned>,
    positions: HashMap<Arc<[u8]>, usize>,
    bytes: u64,
}

impl Pending {
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.set(key, Some(value.into()));
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.set(key, None);
    }

    fn set(&mut self, key: &[u8], value: Option<Box<[u8]>>) {
        self.bytes += value.as_ref().map_or(0, |v| v.len() as u64);
        if let Some(&at) = self.positions.get(key) {
            let old = std::mem::replace(&mut self.writes[at].1, value);
            self.bytes -= old.map_or(0, |v| v.len() as u64);
        } else {
            let key: Arc<[u8]> = key.into();
            self.bytes += key.len() as u64;
            self.positions.insert(Arc::clone(&key), self.writes.len());
            self.writes.push((key, value));
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Pending::default();
    }

    pub(crate) fn len(&self) -> usize {
        self.writes.len()
    }

    /// Bytes of all keys and values together.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Write<'_>> {
        self.writes.iter().map(|(key, value)| Write { key, value: value.as_deref() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_of_a_key_counts_and_bytes_are_exact() {
        let mut pending = Pending::default();
        pending.put(b"a", b"123");
        pending.put(b"b", b"");
        pending.put(b"a", b"45678");
        pending.delete(b"b");
        assert_eq!((pending.len(), pending.bytes()), (2, 7));
        let writes: Vec<_> = pending.iter().map(|w| (w.key, w.value)).collect();
        assert_eq!(writes, [(&b"a"[..], Some(&b"45678"[..])), (b"b", None)]);
        pending.clear();
        assert_eq!((pending.len(), pending.bytes()), (0, 0));
    }
}
