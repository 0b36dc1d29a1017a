//! Where the slot of each key is.
//!
//! Knows slots by their numbers alone; whoever asks has the keys.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::ends::Ends;
use crate::engine::ranges::KeyRange;
use crate::util::sip::Sip;

/// Up to so many keys are looked through one by one.
pub(super) const FEW: usize = 8;

/// The slots of different keys, numbered from 0 as they came.
#[derive(Debug, Default)]
pub(super) enum Places {
    /// Not more than [`FEW`].
    #[default]
    Few,
    /// As long as they come in an order.
    Ends(Ends),
    /// As long as nobody asks for their order.
    Hashed(Hashed),
    Sorted(BTreeMap<Box<[u8]>, usize>),
}

/// Hashes with numbers of slots. Who chooses the keys can't know the secret that they are hashed with.
pub(super) struct Hashed {
    secret: Sip,
    slots: HashTable<(u64, usize)>,
}

impl Hashed {
    fn new() -> Hashed {
        let random = RandomState::new();
        let mut key = [0; 16];
        for (i, half) in key.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *half = random.hash_one(i).to_le_bytes();
        }
        Hashed { secret: Sip::new(key), slots: HashTable::new() }
    }

    /// Half of the 128 bits: chance may give two keys the same, and then they are compared.
    fn hash(&self, key: &[u8]) -> u64 {
        self.secret.hash(key) as u64
    }

    fn find<'k>(&self, hash: u64, key: &[u8], key_of: impl Fn(usize) -> &'k [u8]) -> Option<usize> {
        let is_it = |&(other, slot): &(u64, usize)| other == hash && key_of(slot) == key;
        self.slots.find(hash, is_it).map(|&(_, slot)| slot)
    }

    fn add(&mut self, hash: u64, slot: usize) {
        self.slots.insert_unique(hash, (hash, slot), |(hash, _)| *hash);
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashed").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

impl Places {
    /// The slot of a key, of as many as there are.
    pub(super) fn find<'k>(&self, key: &[u8], count: usize, key_of: impl Fn(usize) -> &'k [u8]) -> Option<usize> {
        match self {
            Places::Few => (0..count).find(|&slot| key_of(slot) == key),
            Places::Ends(ends) => ends.find(key, key_of),
            Places::Hashed(hashed) => hashed.find(hashed.hash(key), key, key_of),
            Places::Sorted(map) => map.get(key).copied(),
        }
    }

    /// The slot of a key; or, if it has none, it gets the next one, numbered `count`, and `None` is said.
    pub(super) fn find_or_add<'k>(
        &mut self,
        key: &[u8],
        count: usize,
        key_of: impl Fn(usize) -> &'k [u8],
    ) -> Option<usize> {
        match self {
            Places::Hashed(hashed) => {
                let hash = hashed.hash(key);
                let found = hashed.find(hash, key, key_of);
                if found.is_none() {
                    hashed.add(hash, count);
                }
                return found;
            }
            Places::Ends(ends) => {
                if ends.add(key, count, &key_of) {
                    return None;
                }
            }
            Places::Few | Places::Sorted(_) => {}
        }
        let found = self.find(key, count, &key_of);
        if found.is_none() {
            match self {
                Places::Few if count < FEW => {}
                Places::Few => *self = Places::Ends(Ends::of(key, count, key_of)),
                Places::Ends(_) => {
                    let mut hashed = Hashed::new();
                    for slot in 0..count {
                        hashed.add(hashed.hash(key_of(slot)), slot);
                    }
                    hashed.add(hashed.hash(key), count);
                    *self = Places::Hashed(hashed);
                }
                Places::Hashed(_) => {}
                Places::Sorted(map) => _ = map.insert(key.into(), count),
            }
        }
        found
    }

    /// Forgets the slots from `from` on, of as many as there are.
    pub(super) fn truncate<'k>(&mut self, from: usize, count: usize, key_of: impl Fn(usize) -> &'k [u8]) {
        match self {
            Places::Few => {}
            Places::Ends(ends) => ends.truncate(from),
            Places::Hashed(hashed) => {
                for slot in from..count {
                    let hash = hashed.hash(key_of(slot));
                    if let Ok(entry) = hashed.slots.find_entry(hash, |&(_, other)| other == slot) {
                        entry.remove();
                    }
                }
            }
            Places::Sorted(map) => (from..count).for_each(|slot| _ = map.remove(key_of(slot))),
        }
    }

    /// All slots in the order of their keys, if that is known without sorting.
    pub(super) fn in_order(&self) -> Option<impl Iterator<Item = usize>> {
        match self {
            Places::Ends(ends) => Some(ends.in_order()),
            Places::Few | Places::Hashed(_) | Places::Sorted(_) => None,
        }
    }

    /// From here on keys are kept in order. The slots of those in a range, ascending.
    pub(super) fn sorted<'k>(
        &mut self,
        range: &KeyRange,
        count: usize,
        key_of: impl Fn(usize) -> &'k [u8],
    ) -> Vec<usize> {
        if !matches!(self, Places::Sorted(_)) {
            *self = Places::Sorted((0..count).map(|slot| (key_of(slot).into(), slot)).collect());
        }
        self.in_range(range).unwrap_or_default()
    }

    /// The slots of the keys in a range, ascending, if keys are kept in order.
    pub(super) fn in_range(&self, range: &KeyRange) -> Option<Vec<usize>> {
        match self {
            Places::Sorted(map) => Some(map.range::<[u8], _>(range.as_slices()).map(|(_, &slot)| slot).collect()),
            Places::Few | Places::Ends(_) | Places::Hashed(_) => None,
        }
    }
}
