//! The writes of a batch or transaction before its commit: the last write of each key, ranges that are deleted, and what takes
//! them back.
//!
//! A range deletes what is in the store at the commit, and what was written here before it. So each key is one of: written here,
//! after any range over it; hidden by a range; untouched.
//!
//! Keys and values lie one behind the other in one piece of memory, so that a write needs no allocation of its own, and millions of
//! them are let go of at once. What was overwritten lies there too, until it is more than what counts.

mod ends;
mod keys;

use crate::error::{Error, Result};
use crate::types::Timestamp;

use super::ranges::{Added, KeyRange, KeyRanges};
use keys::Places;

/// Overwritten bytes that are not worth a copy of the others.
const SLACK: u64 = 64 << 10;

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
pub(super) type Own = (Box<[u8]>, Option<Box<[u8]>>);

/// Where a key or value lies.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    len: usize,
}

/// What is to become of a key.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Put(Span, Option<Timestamp>),
    Delete,
    /// What was written was taken back, or is hidden by a range.
    Untouched,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    key: Span,
    fate: Fate,
}

impl Slot {
    /// Bytes of key and value, as far as they are written.
    fn bytes(&self) -> u64 {
        match self.fate {
            Fate::Put(value, _) => (self.key.len + value.len) as u64,
            Fate::Delete => self.key.len as u64,
            Fate::Untouched => 0,
        }
    }

    fn is_written(&self) -> bool {
        !matches!(self.fate, Fate::Untouched)
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

/// A mark, and the lengths of what was there at that moment.
#[derive(Clone, Copy, Debug)]
struct Marked {
    mark: Mark,
    undo: usize,
    slots: usize,
    memory: usize,
}

/// Writes of different keys, and ranges. Owns copies of all bytes.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Keys and values.
    memory: Vec<u8>,
    slots: Vec<Slot>,
    places: Places,
    hidden: KeyRanges,
    /// Slots that are written.
    written: usize,
    bytes: u64,
    /// Ascending in all that they say.
    marks: Vec<Marked>,
    next_mark: u64,
    /// Changes since the first mark. Nothing is noted without one.
    undo: Vec<Undo>,
}

fn at(memory: &[u8], span: Span) -> &[u8] {
    &memory[span.start..span.start + span.len]
}

impl Pending {
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], expiry: Option<Timestamp>) {
        if self.memory.capacity() == 0 {
            // A handful of small ones is what many transactions have.
            self.memory.reserve(4 * (key.len() + value.len()).min(1 << 10));
            self.slots.reserve(4);
        }
        let slot = self.slot(key);
        let value = self.keep(value);
        self.change(slot, Fate::Put(value, expiry));
        self.tidy();
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        let slot = self.slot(key);
        self.change(slot, Fate::Delete);
        self.tidy();
    }

    /// Deletes what is there, and will be when this is committed.
    pub(crate) fn delete_range(&mut self, range: KeyRange) {
        let key_of = |slot: usize| at(&self.memory, self.slots[slot].key);
        let inside = self.places.sorted(&range, self.slots.len(), key_of);
        for slot in inside {
            self.change(slot, Fate::Untouched);
        }
        let added = self.hidden.add(range);
        if !self.marks.is_empty() {
            self.undo.push(Undo::Range(added));
        }
        self.tidy();
    }

    fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.memory.len();
        self.memory.extend_from_slice(bytes);
        Span { start, len: bytes.len() }
    }

    /// The slot of a key, a new one if it has none.
    fn slot(&mut self, key: &[u8]) -> usize {
        let slot = self.slots.len();
        let key_of = |slot: usize| at(&self.memory, self.slots[slot].key);
        self.places.find_or_add(key, slot, key_of).unwrap_or_else(|| {
            let key = self.keep(key);
            self.slots.push(Slot { key, fate: Fate::Untouched });
            slot
        })
    }

    /// Changes what becomes of a key, and notes how to take it back.
    fn change(&mut self, slot: usize, fate: Fate) {
        let old = self.replace(slot, fate);
        if !self.marks.is_empty() {
            self.undo.push(Undo::Slot(slot, old));
        }
    }

    fn replace(&mut self, slot: usize, fate: Fate) -> Fate {
        let slot = &mut self.slots[slot];
        self.bytes -= slot.bytes();
        self.written -= usize::from(slot.is_written());
        let old = std::mem::replace(&mut slot.fate, fate);
        self.bytes += slot.bytes();
        self.written += usize::from(slot.is_written());
        old
    }

    /// Gives up what was overwritten, and slots that say nothing, once that is more than half. Not while there are marks, which may bring it
    /// back. So it costs a write no more than another copy of its bytes.
    fn tidy(&mut self) {
        if !self.marks.is_empty() || self.memory.len() as u64 <= SLACK + 2 * self.bytes {
            return;
        }
        let old = std::mem::take(&mut self.memory);
        self.places = Places::default();
        for slot in std::mem::take(&mut self.slots) {
            if slot.is_written() {
                let new = self.slot(at(&old, slot.key));
                self.slots[new].fate = match slot.fate {
                    Fate::Put(value, expiry) => Fate::Put(self.keep(at(&old, value)), expiry),
                    other => other,
                };
            }
        }
    }

    /// What becomes of a key: `None` if nothing here does, else its value or that it is deleted.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<New<'_>>> {
        let key_of = |slot: usize| at(&self.memory, self.slots[slot].key);
        match self.places.find(key, self.slots.len(), key_of).map(|slot| self.slots[slot].fate) {
            Some(Fate::Put(value, expiry)) => Some(Some(New { value: at(&self.memory, value), expiry })),
            Some(Fate::Delete) => Some(None),
            Some(Fate::Untouched) | None => self.hidden.contains(key).then_some(None),
        }
    }

    /// The writes of keys in a range as of a moment, ascending: what has expired then is as good as deleted.
    pub(super) fn own_in(&self, range: &KeyRange, now: Timestamp) -> Vec<Own> {
        let own = |slot: &Slot| {
            let key = at(&self.memory, slot.key).into();
            match slot.fate {
                Fate::Put(value, expiry) => {
                    let new = New { value: at(&self.memory, value), expiry };
                    Some((key, new.is_alive(now).then(|| new.value.into())))
                }
                Fate::Delete => Some((key, None)),
                Fate::Untouched => None,
            }
        };
        if let Some(inside) = self.places.in_range(range) {
            return inside.into_iter().filter_map(|slot| own(&self.slots[slot])).collect();
        }
        let inside = self.slots.iter().filter(|slot| range.contains(at(&self.memory, slot.key)));
        let mut all: Vec<Own> = inside.filter_map(own).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
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

    /// The writes, in about the order of the keys' first writes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Write<'_>> {
        self.slots.iter().filter_map(|slot| {
            let (value, expiry) = match slot.fate {
                Fate::Put(value, expiry) => (Some(at(&self.memory, value)), expiry),
                Fate::Delete => (None, None),
                Fate::Untouched => return None,
            };
            Some(Write { key: at(&self.memory, slot.key), value, expiry })
        })
    }

    /// The keys of all writes in their order, if that is known without sorting.
    pub(super) fn keys_in_order(&self) -> Option<impl Iterator<Item = &[u8]>> {
        let written = |slot: usize| self.slots.get(slot).filter(|slot| slot.is_written());
        Some(self.places.in_order()?.filter_map(written).map(|slot| at(&self.memory, slot.key)))
    }

    /// The ranges to be deleted, of which the writes are no part.
    pub(super) fn hidden(&self) -> &KeyRanges {
        &self.hidden
    }

    /// A place to come back to.
    pub(crate) fn mark(&mut self) -> Mark {
        let mark = Mark(self.next_mark);
        self.next_mark += 1;
        let (undo, slots, memory) = (self.undo.len(), self.slots.len(), self.memory.len());
        self.marks.push(Marked { mark, undo, slots, memory });
        mark
    }

    /// Takes back everything since a mark. It stays, later ones go.
    pub(crate) fn back_to(&mut self, mark: Mark) -> Result<()> {
        let index = self.find(mark)?;
        let marked = self.marks[index];
        self.marks.truncate(index + 1);
        for undo in self.undo.split_off(marked.undo).into_iter().rev() {
            match undo {
                Undo::Slot(slot, fate) => _ = self.replace(slot, fate),
                Undo::Range(added) => self.hidden.undo(added),
            }
        }
        // Nothing that is left names what came later.
        let key_of = |slot: usize| at(&self.memory, self.slots[slot].key);
        self.places.truncate(marked.slots, self.slots.len(), key_of);
        self.slots.truncate(marked.slots);
        self.memory.truncate(marked.memory);
        Ok(())
    }

    /// Forgets a mark and later ones, and keeps the writes.
    pub(crate) fn forget(&mut self, mark: Mark) -> Result<()> {
        let index = self.find(mark)?;
        self.marks.truncate(index);
        if self.marks.is_empty() {
            self.undo.clear();
            self.tidy();
        }
        Ok(())
    }

    fn find(&self, mark: Mark) -> Result<usize> {
        self.marks.binary_search_by_key(&mark.0, |marked| marked.mark.0).map_err(|_| {
            Error::invalid(
                "no such savepoint: it was released, rolled back past, cleared, or is of another batch or transaction",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

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

    #[test]
    fn what_was_overwritten_or_taken_back_is_given_up() {
        let mut pending = Pending::default();
        let value = [7; 10_000];
        for i in 0..1000_u32 {
            pending.put(b"counter", &value, None);
            pending.put(&i.to_be_bytes(), b"", None);
        }
        assert_eq!((pending.len(), pending.bytes()), (1001, 7 + 10_000 + 4000));
        assert!(pending.memory.len() < 150_000, "{}", pending.memory.len());
        let mark = pending.mark();
        let len = pending.memory.len();
        for i in 0..1000_u32 {
            pending.put(&(1 << 16 | i).to_be_bytes(), &value, None);
            pending.back_to(mark).unwrap();
        }
        assert_eq!((pending.len(), pending.memory.len()), (1001, len));
        pending.delete_range(KeyRange { low: Vec::new(), high: None });
        pending.forget(mark).unwrap();
        assert_eq!((pending.len(), pending.slots.len(), pending.memory.len()), (0, 0, 0));
        pending.put(b"k", &[7; 100_000], None);
        pending.delete(b"k");
        assert_eq!((pending.len(), pending.slots.len(), pending.memory.len()), (1, 1, 1));
    }

    /// Every way to keep places, against maps that are copied at each mark.
    #[test]
    fn it_is_a_map_with_marks() {
        type Model = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
        let step =
            (0..12_u8, prop::collection::vec(0..4_u8, 1..4), prop::collection::vec(any::<u8>(), 0..9), 0..4_usize);
        let histories = prop::collection::vec(step, 0..120);
        proptest!(ProptestConfig::with_cases(256), |(history in histories, long in any::<bool>())| {
            let mut pending = Pending::default();
            let (mut model, mut hidden): (Model, Vec<KeyRange>) = Default::default();
            let mut marks: Vec<(Mark, Model, Vec<KeyRange>)> = Vec::new();
            for (what, key, value, which) in history {
                // Long ones are overwritten often enough to be given up.
                let value = if long { value.repeat(3000) } else { value };
                match what {
                    0..=4 => {
                        pending.put(&key, &value, None);
                        model.insert(key, Some(value));
                    }
                    5 | 6 => {
                        pending.delete(&key);
                        model.insert(key, None);
                    }
                    7 => {
                        let mut high = key.clone();
                        high.push(3);
                        let range = KeyRange { low: key, high: Some(high) };
                        model.retain(|key, _| !range.contains(key));
                        pending.delete_range(range.clone());
                        hidden.push(range);
                    }
                    8 => marks.push((pending.mark(), model.clone(), hidden.clone())),
                    9 | 10 if which < marks.len() => {
                        marks.truncate(which + 1);
                        let (mark, old, ranges) = &marks[which];
                        pending.back_to(*mark).unwrap();
                        (model, hidden) = (old.clone(), ranges.clone());
                    }
                    11 if which < marks.len() => {
                        pending.forget(marks[which].0).unwrap();
                        marks.truncate(which);
                    }
                    _ => {}
                }
                let all = KeyRange { low: Vec::new(), high: None };
                let own = pending.own_in(&all, Timestamp(0));
                let own: Vec<_> = own.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
                let expected: Vec<_> = model.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
                prop_assert_eq!(&own, &expected);
                let mut iter = writes(&pending);
                iter.sort_unstable();
                prop_assert_eq!(iter, expected);
                let bytes: usize = model.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, Vec::len)).sum();
                prop_assert_eq!((pending.len(), pending.bytes()), (model.len(), bytes as u64));
                for a in 0..4 {
                    let probe = [a, 2];
                    let gone = hidden.iter().any(|range| range.contains(&probe));
                    let expected = model.get(&probe[..]).map(|v| v.as_deref()).or(gone.then_some(None));
                    prop_assert_eq!(pending.get(&probe).map(|new| new.map(|new| new.value)), expected);
                }
            }
        });
    }
}
