//! A value that outlives the call that found it.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::vfs::Mapping;

/// The bytes of a value, pinned: they stay readable as long as this lives, whatever is written, also after the
/// store is closed. Lent from the mapped data file where the system maps files, else a copy. Thread-safe.
#[derive(Clone)]
pub struct Value {
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    Mapped { map: Arc<dyn Mapping>, offset: u64, len: usize },
    Owned { bytes: Vec<u8>, range: Range<usize> },
}

impl Value {
    pub(crate) fn empty() -> Value {
        Value::owned(Vec::new(), 0..0)
    }

    pub(crate) fn mapped(map: Arc<dyn Mapping>, offset: u64, len: usize) -> Value {
        Value { bytes: Bytes::Mapped { map, offset, len } }
    }

    pub(crate) fn owned(bytes: Vec<u8>, range: Range<usize>) -> Value {
        Value { bytes: Bytes::Owned { bytes, range } }
    }

    /// The bytes as a vector of their own.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        match self.bytes {
            Bytes::Owned { mut bytes, range } => {
                bytes.truncate(range.end);
                bytes.drain(..range.start.min(bytes.len()));
                bytes
            }
            Bytes::Mapped { .. } => self.to_vec(),
        }
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped { map, offset, len } => map.bytes(*offset, *len).unwrap_or_default(),
            Bytes::Owned { bytes, range } => bytes.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?})", String::from_utf8_lossy(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owned_value_is_its_range() {
        let value = Value::owned(b"headvaluepad".to_vec(), 4..9);
        assert_eq!(&value[..], b"value");
        assert_eq!(value.into_vec(), b"value");
        assert_eq!(Value::empty().into_vec(), b"");
    }
}
