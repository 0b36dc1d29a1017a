//! Changes of an index that may not be changed yet: kept beside it, and looked at before it, until they can be made in it.
//!
//! Owns keys with where they were in the index and where they are now. Knows neither store nor log nor why the index has to wait.
//!
//! Invariants:
//! 1. What an entry says of the index is so: where a key was when it came here is where the index has it, for as long as the entry is here.
//! 2. A key is changed only if it has an entry. So who makes a change learns what was there without asking the index again.
//! 3. Index and entries together are one index with `keys` more keys than the index has by itself.
//!
//! Locking: none; the owner's. It holds both still while it looks at both.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::Bound;

use crate::error::Result;
use crate::index::{Change, Direction, Index, KeyPage, Start};
use crate::types::Location;

/// Of so many keys of the index one may be changed here: verifying it takes as long as some single writes of so many.
const KEYS_OF_INDEX: u64 = 32;
/// Bounds of that, and bytes for each key, with [`OVERHEAD`].
const FEWEST_KEYS: usize = 1 << 15;
const MOST_KEYS: usize = 1 << 20;
const BYTES_A_KEY: usize = 256;
/// About what an entry takes beside its key: nodes of the tree are half full where keys come in order, and the key has an allocation of its own.
const OVERHEAD: usize = 2 * (size_of::<Box<[u8]>>() + size_of::<Entry>()) + 2 * size_of::<usize>();

/// Where a key is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    inside: Option<Location>,
    now: Option<Location>,
}

impl Entry {
    fn is_changed(self) -> bool {
        self.inside != self.now
    }

    /// Keys that there are more for it than the index has.
    fn keys(self) -> i64 {
        i64::from(self.now.is_some()) - i64::from(self.inside.is_some())
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Delta {
    entries: BTreeMap<Box<[u8]>, Entry>,
    changed: usize,
    keys: i64,
    bytes: usize,
    /// So many entries are enough.
    most: usize,
}

impl Delta {
    /// For an index of so many keys.
    pub(super) fn of(len: u64) -> Delta {
        let most = usize::try_from(len / KEYS_OF_INDEX).unwrap_or(usize::MAX).clamp(FEWEST_KEYS, MOST_KEYS);
        Delta { most, ..Delta::default() }
    }

    /// Whether there is nothing in it that the index lacks.
    pub(super) fn is_same(&self) -> bool {
        self.changed == 0
    }

    /// Whether no more keys are to come.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.most || self.bytes >= self.most.saturating_mul(BYTES_A_KEY)
    }

    /// Bytes of memory, about.
    pub(super) fn memory(&self) -> u64 {
        self.bytes as u64
    }

    /// Keys that there are of both together, where the index has so many.
    pub(super) fn len_with(&self, inside: u64) -> u64 {
        inside.saturating_add_signed(self.keys)
    }

    /// Where the key is, if it has an entry.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Location>> {
        self.entries.get(key).map(|entry| entry.now)
    }

    /// Takes a key that is going to be changed, and is there in the index now.
    pub(super) fn expect(&mut self, key: &[u8], inside: Option<Location>) {
        let bytes = &mut self.bytes;
        self.entries.entry(key.into()).or_insert_with(|| {
            *bytes += key.len() + OVERHEAD;
            Entry { inside, now: inside }
        });
    }

    /// Changes a key, and says where it was; `false` if it has no entry.
    pub(super) fn change(&mut self, change: &mut Change<'_>) -> bool {
        let Some(entry) = self.entries.get_mut(change.key) else { return false };
        let before = *entry;
        change.old = before.now;
        entry.now = change.new;
        self.keys += entry.keys() - before.keys();
        self.changed += usize::from(entry.is_changed());
        self.changed -= usize::from(before.is_changed());
        true
    }

    /// Makes some of the changes in the index, which need not wait any more. On an error none of those that are left.
    pub(super) fn settle(&mut self, index: &dyn Index, most: usize) -> Result<()> {
        let some = self.entries.iter().take(most);
        let changed = some.filter(|(_, entry)| entry.is_changed());
        let mut changes: Vec<_> = changed.map(|(key, entry)| Change { key, new: entry.now, old: None }).collect();
        index.apply(&mut changes)?;
        for _ in 0..most {
            let Some((key, entry)) = self.entries.pop_first() else { break };
            self.forget(&key, entry);
        }
        Ok(())
    }

    /// Makes changes in the index itself, which need not wait any more. On an error none of them.
    pub(super) fn apply(&mut self, index: &dyn Index, changes: &mut [Change<'_>]) -> Result<()> {
        index.apply(changes)?;
        for change in changes {
            // Of several changes of a key the first.
            if let Some(entry) = self.entries.remove(change.key) {
                self.forget(change.key, entry);
                change.old = entry.now;
            }
        }
        Ok(())
    }

    fn forget(&mut self, key: &[u8], entry: Entry) {
        self.bytes -= key.len() + OVERHEAD;
        self.changed -= usize::from(entry.is_changed());
        self.keys -= entry.keys();
    }

    /// Whether there is nothing left.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// [`Index::scan`] of both together.
    pub(super) fn scan(
        &self,
        index: &dyn Index,
        start: Start<'_>,
        direction: Direction,
        max: usize,
        page: &mut KeyPage,
    ) -> Result<()> {
        if self.is_same() {
            return index.scan(start, direction, max, page);
        }
        let before = page.len();
        let end = before.saturating_add(max);
        let mut own = self.changed_from(start, direction).peekable();
        let (mut inside, mut at) = (KeyPage::new(), 0);
        index.scan(start, direction, max, &mut inside)?;
        let mut is_over = inside.len() < max;
        while page.len() < end {
            if at == inside.len() && !is_over {
                let last = inside.last().map(|(key, _)| key.to_vec()).unwrap_or_default();
                inside.clear();
                at = 0;
                let more = index.scan(Start::After(&last), direction, max, &mut inside);
                more.inspect_err(|_| page.truncate(before))?;
                is_over = inside.len() < max;
            }
            let order = match (inside.get(at), own.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((key, _)), Some((own, _))) => match direction {
                    Direction::Forward => key.cmp(own),
                    Direction::Reverse => key.cmp(own).reverse(),
                },
            };
            if order.is_lt() {
                if let Some((key, location)) = inside.get(at) {
                    page.push(key, &[], location);
                }
            } else if let Some((key, Some(location))) = own.next() {
                page.push(key, &[], location);
            }
            at += usize::from(order.is_le());
        }
        Ok(())
    }

    /// What was changed, in the direction of a scan and from where it begins.
    fn changed_from<'a>(
        &'a self,
        start: Start<'_>,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = (&'a [u8], Option<Location>)> + 'a> {
        let bound = match start {
            Start::Edge => Bound::Unbounded,
            Start::At(key) => Bound::Included(key),
            Start::After(key) => Bound::Excluded(key),
        };
        let changed = |entries: Range<'a, Box<[u8]>, Entry>| {
            entries.filter(|(_, entry)| entry.is_changed()).map(|(key, entry)| (&**key, entry.now))
        };
        match direction {
            Direction::Forward => Box::new(changed(self.entries.range::<[u8], _>((bound, Bound::Unbounded)))),
            Direction::Reverse => Box::new(changed(self.entries.range::<[u8], _>((Bound::Unbounded, bound))).rev()),
        }
    }
}
