//! Where the slots of keys are that come in an order: ascending, descending, or from both ends of a range by turns.
//!
//! Who goes through a store and deletes what it finds, or takes from its ends, needs no hash of each key to know that it is a new one: it
//! lies in the *gap*, above all keys that came from below and below all that came from above. The two runs are all that is kept; a key that
//! is outside of the gap is looked for in one of them, and if it is not there either, the order is none and somebody else has to take over.
//!
//! Knows slots by their numbers alone; whoever asks has the keys.

use std::cmp::Ordering;

use super::keys::FEW;
use crate::index::order::{head, shared_len};

/// Slots of different keys.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Their keys ascend, and are below the gap. Behind the first [`FEW`] slots, which were there when this was made, numbers ascend too.
    low: Vec<usize>,
    /// Their keys descend, and are above the gap. The same of their numbers.
    high: Vec<usize>,
}

impl Ends {
    /// Of [`FEW`] slots at most, and a key that has none of them, which gets the next: the gap is where that lies.
    pub(super) fn of<'k>(key: &[u8], count: usize, key_of: impl Fn(usize) -> &'k [u8]) -> Ends {
        debug_assert!(count <= FEW);
        let mut low: Vec<usize> = (0..count).collect();
        low.sort_unstable_by_key(|&slot| key_of(slot));
        let mut high = low.split_off(low.partition_point(|&slot| key_of(slot) < key));
        high.reverse();
        let mut ends = Ends { low, high };
        ends.add(key, count, key_of);
        ends
    }

    /// Adds the slot of a key, if the key lies in the gap.
    pub(super) fn add<'k>(&mut self, key: &[u8], slot: usize, key_of: impl Fn(usize) -> &'k [u8]) -> bool {
        let (below, above) = (self.low.last().map(|&slot| key_of(slot)), self.high.last().map(|&slot| key_of(slot)));
        if below.is_some_and(|below| below >= key) || above.is_some_and(|above| above <= key) {
            return false;
        }
        if is_nearer_below(below, key, above) {
            self.low.push(slot)
        } else {
            self.high.push(slot)
        }
        true
    }

    /// The slot of a key.
    pub(super) fn find<'k>(&self, key: &[u8], key_of: impl Fn(usize) -> &'k [u8]) -> Option<usize> {
        let order = |&slot: &usize| key_of(slot).cmp(key);
        let (side, found) = match self.low.last() {
            Some(last) if order(last) != Ordering::Less => (&self.low, self.low.binary_search_by(order)),
            _ => (&self.high, self.high.binary_search_by(|slot| order(slot).reverse())),
        };
        found.ok().and_then(|at| side.get(at).copied())
    }

    /// Forgets the slots from `from` on.
    pub(super) fn truncate(&mut self, from: usize) {
        for side in [&mut self.low, &mut self.high] {
            while side.pop_if(|slot| *slot >= from).is_some() {}
            if from < FEW {
                side.retain(|&slot| slot < from);
            }
        }
    }

    /// All slots in the order of their keys.
    pub(super) fn in_order(&self) -> impl Iterator<Item = usize> {
        self.low.iter().chain(self.high.iter().rev()).copied()
    }
}

/// Whether a key in a gap is nearer to its lower end. A guess that is wrong costs order, and nothing else.
fn is_nearer_below(below: Option<&[u8]>, key: &[u8], above: Option<&[u8]>) -> bool {
    let (Some(below), Some(above)) = (below, above) else { return above.is_none() };
    let shared = shared_len(below, above);
    let [below, key, above] = [below, key, above].map(|key| head(key, shared));
    key.saturating_sub(below) <= above.saturating_sub(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(ends: &Ends) -> Vec<usize> {
        ends.in_order().collect()
    }

    /// All keys one by one, as far as they are taken.
    fn taken(keys: &[&[u8]]) -> (Ends, usize) {
        let key_of = |slot: usize| keys[slot];
        let mut ends = Ends::of(keys[FEW], FEW, key_of);
        let mut count = FEW + 1;
        while count < keys.len() && ends.add(keys[count], count, key_of) {
            count += 1;
        }
        (ends, count)
    }

    #[test]
    fn runs_and_both_ends_by_turns_are_an_order() {
        let keys: Vec<Vec<u8>> = (0..200_u32).map(|i| [b"key".as_slice(), &i.to_be_bytes()].concat()).collect();
        let up: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let down: Vec<&[u8]> = keys.iter().rev().map(Vec::as_slice).collect();
        let turns: Vec<&[u8]> = (0..100).flat_map(|i| [up[i], down[i]]).collect();
        for keys in [&up, &down, &turns] {
            let (mut ends, count) = taken(keys);
            assert_eq!(count, keys.len());
            assert!(keys.iter().all(|key| !ends.add(key, count, |slot| keys[slot])), "each is there");
            let inner = slots(&ends);
            assert!(inner.is_sorted_by(|&a, &b| keys[a] < keys[b]) && inner.len() == count);
            for (slot, key) in keys.iter().enumerate() {
                assert_eq!(ends.find(key, |slot| keys[slot]), Some(slot));
            }
            assert_eq!(ends.find(b"other", |slot| keys[slot]), None);
            assert_eq!(ends.find(b"", |slot| keys[slot]), None);
        }
    }

    #[test]
    fn what_is_outside_of_the_gap_is_not_taken() {
        let names: Vec<Vec<u8>> = (0..20_u8).map(|i| vec![i, 7]).collect();
        let mut keys: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        keys.push(&[3, 8]);
        let (mut ends, count) = taken(&keys);
        assert_eq!((count, ends.find(&[3, 8], |slot| keys[slot])), (20, None));
        assert!(!ends.add(&[3, 7], 20, |slot| keys[slot]), "it is there");
        assert_eq!(ends.find(&[3, 7], |slot| keys[slot]), Some(3));
    }

    #[test]
    fn what_is_forgotten_widens_the_gap() {
        // The first ones come in no order.
        let numbers = (0..30_u8).map(|i| if usize::from(i) < FEW { i ^ 5 } else { i });
        let names: Vec<Vec<u8>> = numbers.map(|n| if n % 2 == 0 { vec![n] } else { vec![255 - n] }).collect();
        let keys: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        for from in 0..keys.len() {
            let (mut ends, count) = taken(&keys);
            assert_eq!(count, keys.len());
            ends.truncate(from);
            let mut left = slots(&ends);
            assert!(left.is_sorted_by(|&a, &b| keys[a] < keys[b]));
            left.sort_unstable();
            assert_eq!(left, (0..from).collect::<Vec<_>>());
            assert_eq!(ends.find(keys[from], |slot| keys[slot]), None);
            assert!(from < FEW || ends.add(keys[from], from, |slot| keys[slot]), "slot {from} again");
        }
    }
}
