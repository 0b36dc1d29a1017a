//! What the index is to be told of a load: keys and places, kept aside till it is done.
//!
//! 16 bytes and the key for each pair, and while they are sorted 16 more.

use crate::index::Packing;
use crate::index::order::{head, shared_len};
use crate::types::{FileId, Location, SeqNo, Timestamp};

use super::super::accounts::{Account, Ledger};

/// Bits of an entry's first word that are the key's length; the others say where it begins.
const LEN_BITS: u32 = 16;

/// Keys with their places, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Entries {
    keys: Vec<u8>,
    /// Place and length of the key, and the location.
    entries: Vec<(u64, Location)>,
    /// They are not in strictly ascending order.
    is_unsorted: bool,
    /// How many came that were not greater than the one before.
    steps_back: usize,
    /// The records of all pairs, none of them alive yet.
    counted: Ledger,
}

impl Entries {
    /// Adds one, and the length and expiry of its record.
    pub(super) fn push(&mut self, key: &[u8], location: Location, len: u64, expiry: Option<Timestamp>) {
        self.counted.of(location.file()).put(location, len, SeqNo::ZERO, expiry);
        if self.entries.last().is_some_and(|&last| self.key(last) >= key) {
            self.is_unsorted = true;
            self.steps_back += 1;
        }
        let start = self.keys.len() as u64;
        self.keys.extend_from_slice(key);
        self.entries.push((start << LEN_BITS | key.len() as u64, location));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Turns files numbered within the load, from 1, into those that they have become, from `first` on.
    pub(super) fn settle(&mut self, first: FileId) {
        let shift = u64::from(first.0 - 1) << Location::FILE_SHIFT;
        for (_, location) in &mut self.entries {
            *location = Location::from_bits(location.to_bits() + shift);
        }
    }

    /// The accounts of the load's files, of which the first has become this one and all records have this number.
    pub(super) fn take_counted(&mut self, first: FileId, seq: SeqNo) -> impl Iterator<Item = (FileId, Account)> {
        std::mem::take(&mut self.counted).into_renumbered(first.0 - 1, seq)
    }

    /// Brings them into the order of their keys and leaves the last of each key.
    pub(super) fn sort(&mut self) {
        if !self.is_unsorted {
            return;
        }
        // Most comparisons are of the first eight bytes in which keys may differ; those lie with what is moved.
        let shared = self.shared();
        let mut order: Vec<(u64, usize)> =
            self.entries.iter().enumerate().map(|(i, &entry)| (head(self.key(entry), shared), i)).collect();
        order.sort_unstable_by(|a, b| {
            let rest = |i: usize| &self.key(self.entries[i])[shared..];
            a.0.cmp(&b.0).then_with(|| rest(a.1).cmp(rest(b.1))).then(a.1.cmp(&b.1))
        });
        let mut sorted: Vec<(u64, Location)> = Vec::with_capacity(order.len());
        for (_, i) in order {
            let entry = self.entries[i];
            match sorted.last_mut() {
                Some(last) if self.key(*last) == self.key(entry) => *last = entry,
                _ => sorted.push(entry),
            }
        }
        (self.entries, self.is_unsorted) = (sorted, false);
    }

    /// Whether each key is greater than the one before it.
    pub(super) fn are_sorted(&self) -> bool {
        !self.is_unsorted
    }

    /// What is to be expected of later keys: that they come as these did.
    pub(super) fn packing(&self) -> Packing {
        /// In no order it is every second; of sorted pieces, one a piece.
        const ORDERED: usize = 16;
        if self.steps_back > self.len() / ORDERED { Packing::Roomy } else { Packing::Tight }
    }

    /// Bytes that all keys begin with.
    fn shared(&self) -> usize {
        let Some(&first) = self.entries.first() else { return 0 };
        let first = self.key(first);
        self.entries.iter().fold(first.len(), |shared, &entry| shared_len(&first[..shared], self.key(entry)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Location)> {
        self.entries.iter().map(|&entry| (self.key(entry), entry.1))
    }

    fn key(&self, entry: (u64, Location)) -> &[u8] {
        let start = (entry.0 >> LEN_BITS) as usize;
        &self.keys[start..start + (entry.0 & ((1 << LEN_BITS) - 1)) as usize]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorted_they_are_what_a_map_would_be(
            keys in proptest::collection::vec(("[ab]{0,3}", "[\u{0}ab]{0,10}"), 0..60),
            ascending: bool,
        ) {
            let mut keys: Vec<Vec<u8>> = keys.into_iter().map(|(a, b)| ["pre", &a, &b].concat().into_bytes()).collect();
            if ascending {
                keys.sort();
                keys.dedup();
            }
            let mut entries = Entries::default();
            let mut map = std::collections::BTreeMap::new();
            for (i, key) in keys.iter().enumerate() {
                let offset = 128 + 4 * i as u64;
                entries.push(key, Location::new(FileId(1 + i as u32 % 3), offset, 64).unwrap(), 64, None);
                map.insert(key.clone(), Location::new(FileId(7 + i as u32 % 3), offset, 64).unwrap());
            }
            prop_assert!(!ascending || !entries.is_unsorted);
            entries.settle(FileId(7));
            entries.sort();
            let found: Vec<_> = entries.iter().map(|(key, location)| (key.to_vec(), location)).collect();
            prop_assert_eq!(found, map.into_iter().collect::<Vec<_>>());
        }
    }
}
