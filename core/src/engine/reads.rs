//! What a transaction has read: the keys, whether they were there or not, and the ranges that its iterators went through.

use std::collections::HashSet;
use std::sync::Arc;

use crate::util::lock::Mutex;

use super::ranges::{KeyRange, KeyRanges};

/// Shared by the transaction and its iterators, which add to it, and the leader, who validates it. Nothing else is locked under it
/// but history.
pub(super) type SharedReads = Arc<Mutex<Reads>>;

/// The read set.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    keys: HashSet<Box<[u8]>>,
    ranges: KeyRanges,
}

impl Reads {
    pub(super) fn add_key(&mut self, key: &[u8]) {
        if !self.keys.contains(key) {
            self.keys.insert(key.into());
        }
    }

    pub(super) fn add_range(&mut self, range: KeyRange) {
        self.ranges.add(range);
    }

    /// Whether a change of this key concerns it.
    pub(super) fn covers(&self, key: &[u8]) -> bool {
        self.keys.contains(key) || self.ranges.contains(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(|key| &key[..])
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = KeyRange> + '_ {
        self.ranges.iter()
    }
}
