//! A value that outlives the call that found it.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::vfs::Mapping;

/// Counters that share the values of one mapping among them.
const PINS: usize = 8;

/// Keeps a mapping alive. Each lent value counts in one pin, and threads that lend at the same time count in different ones: a counter
/// that all of them wrote to would go from processor to processor with every get.
#[derive(Debug)]
struct Pin {
    map: Arc<dyn Mapping>,
    /// Makes the counters of two pins lie in different cache lines, in pairs of which processors fetch.
    _apart: [u64; 12],
}

/// A mapping that values are lent from.
#[derive(Debug)]
pub(crate) struct Pins {
    map: Arc<dyn Mapping>,
    pins: [Arc<Pin>; PINS],
}

impl Pins {
    pub(crate) fn new(map: Arc<dyn Mapping>) -> Pins {
        let pins = std::array::from_fn(|_| Arc::new(Pin { map: Arc::clone(&map), _apart: [0; 12] }));
        Pins { map, pins }
    }

    /// See [`Mapping::bytes`].
    pub(crate) fn bytes(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.map.bytes(offset, len)
    }

    /// The same of bytes that [`Mapping::make_ready`] has had fetched.
    pub(super) fn ready(&self, offset: u64, len: usize) -> Option<&[u8]> {
        if self.map.make_ready(offset, len) { self.map.bytes(offset, len) } else { None }
    }

    /// Lends a value. The caller has read it there.
    pub(crate) fn lend(&self, offset: u64, len: usize) -> Value {
        Value { bytes: Bytes::Mapped { pin: Arc::clone(&self.pins[slot()]), offset, len } }
    }

    /// Lends the whole mapping.
    pub(crate) fn lender(&self) -> Lender {
        Lender { pin: Arc::clone(&self.pins[slot()]) }
    }
}

/// Keeps a mapping alive for who remembers where in it something is.
#[derive(Clone, Debug)]
pub(crate) struct Lender {
    pin: Arc<Pin>,
}

impl Lender {
    /// See [`Mapping::bytes`].
    #[inline]
    pub(crate) fn bytes(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.pin.map.bytes(offset, len)
    }
}

/// This thread's counter.
fn slot() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SLOT: usize = NEXT.fetch_add(1, Ordering::Relaxed) % PINS;
    }
    // A value may be read while the thread's own data are taken down.
    SLOT.try_with(|slot| *slot).unwrap_or(0)
}

/// The bytes of a value, pinned: they stay readable as long as this lives, whatever is written, also after the
/// store is closed. Lent from the mapped data file where the system maps files, else a copy. Thread-safe.
#[derive(Clone)]
pub struct Value {
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    Mapped { pin: Arc<Pin>, offset: u64, len: usize },
    Owned { bytes: Vec<u8>, range: Range<usize> },
}

impl Value {
    pub(crate) fn empty() -> Value {
        Value::owned(Vec::new(), 0..0)
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
            Bytes::Mapped { pin, offset, len } => pin.map.bytes(*offset, *len).unwrap_or_default(),
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
