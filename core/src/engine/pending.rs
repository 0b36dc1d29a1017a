//! The writes of a batch or transaction before its commit: the last write of each key, ranges that are deleted, and what takes
//! them back.
//!
//! A range deletes what is in the store at the commit, and what was written here before it. So each key is one of: written here,
//! after any range over it; hidden by a range; untouched.
//!
//! Keys are found by hash as long as nobody asks for their order, which most batches never do; then by a tree.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::types::Timestamp;

use super::ranges::{Added, KeyRange, KeyRanges};

/// One write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write<'a> {
    pub(crate) key: &'a [u8],
    /// `None` is a delete.
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) expiry: Option<Timestamp>,
}

/// A value that is to be written, and from when on it counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct New<'a> {
    pub(crate) value: &'a [u8],
    pub(crate) expiry: Option<Timestamp>,
}

impl New<'_> {
    pub(crate) fn is_alive(&self, now: Timestamp) -> bool {
        self.expiry.is_none_or(|expiry| now < expiry)
    }
}

/// A key and its new value, or `None` for a delete.
pub(super) type Own = (Arc<[u8]>, Option<Arc<[u8]>>);

/// What is to become of a key.
#[derive(Clone, Debug)]
enum Fate {
    Put(Arc<[u8]>, Option<Timestamp>),
    Delete,
    /// What was written was taken back, or is hidden by a range.
    Untouched,
}

impl Fate {
    fn value(&self) -> Option<&[u8]> {
        match self {
            Fate::Put(value, _) => Some(value),
            Fate::Delete | Fate::Untouched => None,
        }
    }

    fn expiry(&self) -> Option<Timestamp> {
        match self {
            Fate::Put(_, expiry) => *expiry,
            Fate::Delete | Fate::Untouched => None,
        }
    }

    fn is_untouched(&self) -> bool {
        matches!(self, Fate::Untouched)
    }
}

#[derive(Debug)]
struct Slot {
    key: Arc<[u8]>,
    fate: Fate,
}

/// Where each key's slot is.
#[derive(Debug)]
enum Positions {
    Hashed(HashMap<Arc<[u8]>, usize>),
    Sorted(BTreeMap<Arc<[u8]>, usize>),
}

impl Default for Positions {
    fn default() -> Positions {
        Positions::Hashed(HashMap::new())
    }
}

/// What takes a change back.
#[derive(Debug)]
enum Undo {
    Slot(usize, Fate),
    Range(Added),
}

/// A place to come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) u64);

/// Writes of different keys, and ranges. Owns copies of all bytes.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    slots: Vec<Slot>,
    positions: Positions,
    hidden: KeyRanges,
    /// Slots that are written.
    written: usize,
    bytes: u64,
    /// With the length that `undo` had, ascending in both.
    marks: Vec<(Mark, usize)>,
    next_mark: u64,
    /// Changes since the first mark. Nothing is noted without one.
    undo: Vec<Undo>,
}

impl Pending {
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], expiry: Option<Timestamp>) {
        self.set(key, Fate::Put(value.into(), expiry));
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.set(key, Fate::Delete);
    }

    /// Deletes what is there, and will be when this is committed.
    pub(crate) fn delete_range(&mut self, range: KeyRange) {
        let inside = self.positions_in(&range);
        for at in inside {
            self.change(at, Fate::Untouched);
        }
        let added = self.hidden.add(range);
        if !self.marks.is_empty() {
            self.undo.push(Undo::Range(added));
        }
    }

    fn set(&mut self, key: &[u8], fate: Fate) {
        let found = match &self.positions {
            Positions::Hashed(map) => map.get(key),
            Positions::Sorted(map) => map.get(key),
        };
        if let Some(&at) = found {
            return self.change(at, fate);
        }
        let (at, key): (_, Arc<[u8]>) = (self.slots.len(), key.into());
        match &mut self.positions {
            Positions::Hashed(map) => map.insert(Arc::clone(&key), at),
            Positions::Sorted(map) => map.insert(Arc::clone(&key), at),
        };
        self.slots.push(Slot { key, fate: Fate::Untouched });
        self.change(at, fate);
    }

    /// Changes what becomes of a key, and notes how to take it back.
    fn change(&mut self, at: usize, fate: Fate) {
        let old = self.replace(at, fate);
        if !self.marks.is_empty() {
            self.undo.push(Undo::Slot(at, old));
        }
    }

    fn replace(&mut self, at: usize, fate: Fate) -> Fate {
        let slot = &mut self.slots[at];
        for (fate, add) in [(&slot.fate, false), (&fate, true)] {
            if fate.is_untouched() {
                continue;
            }
            let bytes = (slot.key.len() + fate.value().map_or(0, <[u8]>::len)) as u64;
            if add {
                self.bytes += bytes;
                self.written += 1;
            } else {
                self.bytes -= bytes;
                self.written -= 1;
            }
        }
        std::mem::replace(&mut slot.fate, fate)
    }

    /// Positions of the slots in a range. From here on keys are kept in order.
    fn positions_in(&mut self, range: &KeyRange) -> Vec<usize> {
        if let Positions::Hashed(map) = &mut self.positions {
            self.positions = Positions::Sorted(std::mem::take(map).into_iter().collect());
        }
        let Positions::Sorted(map) = &self.positions else { return Vec::new() };
        map.range::<[u8], _>(range.as_slices()).map(|(_, &at)| at).collect()
    }

    /// What becomes of a key: `None` if nothing here does, else its value or that it is deleted.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<New<'_>>> {
        let at = match &self.positions {
            Positions::Hashed(map) => map.get(key),
            Positions::Sorted(map) => map.get(key),
        };
        match at.map(|&at| &self.slots[at].fate) {
            Some(Fate::Put(value, expiry)) => Some(Some(New { value, expiry: *expiry })),
            Some(Fate::Delete) => Some(None),
            Some(Fate::Untouched) | None => self.hidden.contains(key).then_some(None),
        }
    }

    /// The writes of keys in a range as of a moment, ascending: what has expired then is as good as deleted.
    pub(super) fn own_in(&self, range: &KeyRange, now: Timestamp) -> Vec<Own> {
        let own = |slot: &Slot| match &slot.fate {
            Fate::Put(value, expiry) => {
                let value = expiry.is_none_or(|expiry| now < expiry).then(|| Arc::clone(value));
                Some((Arc::clone(&slot.key), value))
            }
            Fate::Delete => Some((Arc::clone(&slot.key), None)),
            Fate::Untouched => None,
        };
        match &self.positions {
            Positions::Sorted(map) => {
                map.range::<[u8], _>(range.as_slices()).filter_map(|(_, &at)| own(&self.slots[at])).collect()
            }
            Positions::Hashed(_) => {
                let mut all: Vec<Own> =
                    self.slots.iter().filter(|slot| range.contains(&slot.key)).filter_map(own).collect();
                all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
                all
            }
        }
    }

    /// Forgets everything, marks included.
    pub(crate) fn clear(&mut self) {
        *self = Pending { next_mark: self.next_mark, ..Pending::default() };
    }

    /// Number of keys written.
    pub(crate) fn len(&self) -> usize {
        self.written
    }

    /// Whether nothing is to be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.written == 0 && self.hidden.is_empty()
    }

    /// Bytes of all keys and values written together.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The writes, in the order of the keys' first writes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Write<'_>> {
        let written = self.slots.iter().filter(|slot| !slot.fate.is_untouched());
        written.map(|slot| Write { key: &slot.key, value: slot.fate.value(), expiry: slot.fate.expiry() })
    }

    /// The ranges to be deleted, of which the writes are no part.
    pub(super) fn hidden(&self) -> &KeyRanges {
        &self.hidden
    }

    /// A place to come back to.
    pub(crate) fn mark(&mut self) -> Mark {
        let mark = Mark(self.next_mark);
        self.next_mark += 1;
        self.marks.push((mark, self.undo.len()));
        mark
    }

    /// Takes back everything since a mark. It stays, later ones go.
    pub(crate) fn back_to(&mut self, mark: Mark) -> Result<()> {
        let at = self.find(mark)?;
        let len = self.marks[at].1;
        self.marks.truncate(at + 1);
        for undo in self.undo.split_off(len).into_iter().rev() {
            match undo {
                Undo::Slot(at, fate) => _ = self.replace(at, fate),
                Undo::Range(added) => self.hidden.undo(added),
            }
        }
        Ok(())
    }

    /// Forgets a mark and later ones, and keeps the writes.
    pub(crate) fn forget(&mut self, mark: Mark) -> Result<()> {
        let at = self.find(mark)?;
        self.marks.truncate(at);
        if self.marks.is_empty() {
            self.undo.clear();
        }
        Ok(())
    }

    fn find(&self, mark: Mark) -> Result<usize> {
        self.marks.binary_search_by_key(&mark.0, |(mark, _)| mark.0).map_err(|_| {
            Error::invalid(
                "no such savepoint: it was released, rolled back past, cleared, or is of another batch or transaction",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(pending: &Pending) -> Vec<(&[u8], Option<&[u8]>)> {
        pending.iter().map(|w| (w.key, w.value)).collect()
    }

    fn value<'a>(pending: &'a Pending, key: &[u8]) -> Option<&'a [u8]> {
        pending.get(key).flatten().map(|new| new.value)
    }

    fn range(low: &[u8], high: &[u8]) -> KeyRange {
        KeyRange { low: low.to_vec(), high: Some(high.to_vec()) }
    }

    #[test]
    fn the_last_write_of_a_key_counts_and_bytes_are_exact() {
        let mut pending = Pending::default();
        pending.put(b"a", b"123", None);
        pending.put(b"b", b"", None);
        pending.put(b"a", b"45678", None);
        pending.delete(b"b");
        assert_eq!((pending.len(), pending.bytes()), (2, 7));
        assert_eq!(writes(&pending), [(&b"a"[..], Some(&b"45678"[..])), (b"b", None)]);
        pending.clear();
        assert_eq!((pending.len(), pending.bytes(), pending.is_empty()), (0, 0, true));
    }

    #[test]
    fn a_range_hides_what_was_before_it_and_not_what_comes_behind() {
        let mut pending = Pending::default();
        pending.put(b"b", b"1", None);
        pending.put(b"d", b"1", None);
        pending.delete_range(range(b"a", b"d"));
        assert_eq!((pending.get(b"b"), pending.get(b"c"), pending.get(b"e")), (Some(None), Some(None), None));
        assert_eq!(value(&pending, b"d"), Some(&b"1"[..]));
        pending.put(b"c", b"2", None);
        pending.put(b"b", b"3", None);
        assert_eq!(value(&pending, b"b"), Some(&b"3"[..]));
        assert_eq!(writes(&pending), [(&b"b"[..], Some(&b"3"[..])), (b"d", Some(b"1")), (b"c", Some(b"2"))]);
        assert_eq!(pending.bytes(), 6);
        let all = KeyRange { low: Vec::new(), high: None };
        let own: Vec<_> = pending.own_in(&all, Timestamp(0)).into_iter().map(|(key, _)| key.to_vec()).collect();
        assert_eq!(own, [b"b", b"c", b"d"]);
    }

    #[test]
    fn marks_bring_back_every_state() {
        let mut pending = Pending::default();
        pending.put(b"k", b"0", None);
        let first = pending.mark();
        pending.put(b"k", b"1", None);
        pending.put(b"l", b"1", None);
        let second = pending.mark();
        pending.delete_range(range(b"a", b"z"));
        pending.put(b"l", b"2", None);
        pending.back_to(second).unwrap();
        assert_eq!(writes(&pending), [(&b"k"[..], Some(&b"1"[..])), (b"l", Some(b"1"))]);
        assert!(pending.hidden().is_empty());
        pending.delete(b"l");
        pending.back_to(first).unwrap();
        assert_eq!(writes(&pending), [(&b"k"[..], Some(&b"0"[..]))]);
        assert_eq!(pending.bytes(), 2);
        assert!(matches!(pending.back_to(second), Err(Error::InvalidArgument { .. })));
        pending.put(b"k", b"5", None);
        pending.back_to(first).unwrap();
        pending.forget(first).unwrap();
        assert!(pending.undo.is_empty() && pending.back_to(first).is_err());
        pending.put(b"k", b"6", None);
        assert!(pending.undo.is_empty(), "nothing is noted without a mark");
        let third = pending.mark();
        pending.clear();
        assert!(pending.back_to(third).is_err());
        assert_ne!(pending.mark(), third);
    }
}
