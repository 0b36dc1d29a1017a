//! Sets of keys as ranges: what a batch deletes, what a transaction has read.
//!
//! Ranges are half-open, `low` and all from there to before `high`: behind any key `k` the next possible one is `k` and a zero
//! byte, so that every pair of bounds has such a form.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Keys from `low` on and before `high`; without `high` all of them. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub(super) low: Vec<u8>,
    pub(super) high: Option<Vec<u8>>,
}

impl KeyRange {
    /// `None` if there is no key between the bounds.
    pub(crate) fn new(low: Bound<&[u8]>, high: Bound<&[u8]>) -> Option<KeyRange> {
        let low = match low {
            Bound::Unbounded => Vec::new(),
            Bound::Included(low) => low.to_vec(),
            Bound::Excluded(low) => behind(low),
        };
        let high = match high {
            Bound::Unbounded => None,
            Bound::Included(high) => Some(behind(high)),
            Bound::Excluded(high) => Some(high.to_vec()),
        };
        KeyRange { low, high }.filled()
    }

    /// This, unless it is empty.
    pub(super) fn filled(self) -> Option<KeyRange> {
        self.high.as_ref().is_none_or(|high| self.low < *high).then_some(self)
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        *self.low <= *key && is_before(key, self.high.as_deref())
    }

    pub(super) fn as_slices(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Included(&self.low), self.high.as_deref().map_or(Bound::Unbounded, Bound::Excluded))
    }

    pub(super) fn bounds(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        (Bound::Included(self.low.clone()), self.high.clone().map_or(Bound::Unbounded, Bound::Excluded))
    }
}

/// The next possible key.
pub(super) fn behind(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

fn is_before(key: &[u8], high: Option<&[u8]>) -> bool {
    high.is_none_or(|high| key < high)
}

/// Ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyRanges {
    /// High by low.
    by_low: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// What adding a range did, to be undone.
#[derive(Debug)]
pub(super) struct Added {
    low: Vec<u8>,
    replaced: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl KeyRanges {
    pub(super) fn is_empty(&self) -> bool {
        self.by_low.is_empty()
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        let up_to = (Bound::Unbounded, Bound::Included(key));
        self.by_low.range::<[u8], _>(up_to).next_back().is_some_and(|(_, high)| is_before(key, high.as_deref()))
    }

    /// Adds a range, joined with those that it overlaps or touches.
    pub(super) fn add(&mut self, KeyRange { mut low, mut high }: KeyRange) -> Added {
        let up_to = (Bound::Unbounded, Bound::Included(&low[..]));
        if let Some((before, end)) = self.by_low.range::<[u8], _>(up_to).next_back()
            && end.as_ref().is_none_or(|end| *end >= low)
        {
            low = before.clone();
        }
        let mut replaced = Vec::new();
        while let Some((next, _)) = self.by_low.range::<[u8], _>((Bound::Included(&low[..]), Bound::Unbounded)).next()
            && high.as_ref().is_none_or(|high| next <= high)
        {
            let next = next.clone();
            let Some(end) = self.by_low.remove(&next) else { break };
            high = match (high, &end) {
                (Some(high), Some(end)) => Some(high.max(end.clone())),
                _ => None,
            };
            replaced.push((next, end));
        }
        self.by_low.insert(low.clone(), high);
        Added { low, replaced }
    }

    /// Takes back the last addition that was not taken back.
    pub(super) fn undo(&mut self, added: Added) {
        self.by_low.remove(&added.low);
        self.by_low.extend(added.replaced);
    }

    /// All of them, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = KeyRange> + '_ {
        self.by_low.iter().map(|(low, high)| KeyRange { low: low.clone(), high: high.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Keys of up to two bytes of three values: all of them.
    fn keys() -> Vec<Vec<u8>> {
        let bytes = [0, 1, 0xFF];
        let mut keys: Vec<Vec<u8>> = bytes.iter().map(|b| vec![*b]).collect();
        keys.extend(bytes.iter().flat_map(|a| bytes.iter().map(|b| vec![*a, *b])));
        keys.sort();
        keys
    }

    fn bounds() -> Vec<Bound<Vec<u8>>> {
        let some = keys().into_iter().flat_map(|key| [Bound::Included(key.clone()), Bound::Excluded(key)]);
        some.chain([Bound::Unbounded, Bound::Included(Vec::new())]).collect()
    }

    fn within(key: &[u8], low: &Bound<Vec<u8>>, high: &Bound<Vec<u8>>) -> bool {
        let above = match low {
            Bound::Unbounded => true,
            Bound::Included(low) => *key >= **low,
            Bound::Excluded(low) => *key > **low,
        };
        above
            && match high {
                Bound::Unbounded => true,
                Bound::Included(high) => *key <= **high,
                Bound::Excluded(high) => *key < **high,
            }
    }

    #[test]
    fn every_pair_of_bounds_has_a_half_open_form() {
        for low in bounds() {
            for high in bounds() {
                let range = KeyRange::new(low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice));
                for key in keys() {
                    let contains = range.as_ref().is_some_and(|range| range.contains(&key));
                    assert_eq!(contains, within(&key, &low, &high), "{low:?} {high:?} {key:?}");
                }
            }
        }
    }

    #[test]
    fn ranges_are_the_union_of_what_was_added_and_additions_are_undone() {
        let keys = keys();
        let mut seed = 1_u64;
        let mut next = |n: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % n
        };
        for _ in 0..3000 {
            let mut ranges = KeyRanges::default();
            let mut states = vec![BTreeSet::new()];
            let mut added = Vec::new();
            for _ in 0..1 + next(6) {
                let (low, high) = (keys[next(keys.len())].clone(), keys[next(keys.len())].clone());
                let high = if next(8) == 0 { None } else { Some(high) };
                let Some(range) = (KeyRange { low, high }).filled() else { continue };
                let mut state = states[states.len() - 1].clone();
                state.extend(keys.iter().filter(|key| range.contains(key)).cloned());
                added.push(ranges.add(range));
                states.push(state);
                let all: Vec<_> = ranges.iter().collect();
                for pair in all.windows(2) {
                    assert!(pair[0].high.as_ref().is_some_and(|high| *high < pair[1].low), "{all:?} overlap or touch");
                }
            }
            while let Some(state) = states.pop() {
                let now: BTreeSet<_> = keys.iter().filter(|key| ranges.contains(key)).cloned().collect();
                assert_eq!(now, state);
                if let Some(last) = added.pop() {
                    ranges.undo(last);
                }
            }
            assert!(ranges.is_empty());
        }
    }
}
