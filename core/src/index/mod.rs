//! The keydir: maps each key to the [`Location`] of its newest record.
//!
//! One fallible, cursor-based interface, [`Index`], for kinds in memory and on disk, ordered and not. An index knows
//! no files and no records; keys and locations are all it sees. A kind owns its own locking: readers may run at any
//! time beside the one writer and each other.
//!
//! Invariants that every kind keeps:
//! 1. `apply` is atomic: a reader sees all changes of a call or none, and after an error none.
//! 2. `len` is the number of keys, in O(1).
//! 3. Bytes handed in are copied; nothing borrows from the caller after a call.

use crate::error::Result;
use crate::types::Location;

pub mod arena;
pub mod btree;
pub mod hash;
pub mod skiplist;

/// The kinds of index. All work over the same files; a directory may be opened with another kind each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IndexKind {
    /// B+tree of slotted, prefix-truncated pages in memory: ordered. The default.
    #[default]
    BTree,
    /// Table of keyed 128-bit fingerprints: the fewest bytes a key and the fastest point reads. Iteration sorts on demand.
    Hash,
    /// Skip list: ordered, and readers take no lock that the writer holds while it makes a change.
    SkipList,
}

/// What a kind can do beyond point operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// [`Index::scan`] works, in key order. Without it, ordered iteration collects [`Index::walk`] and sorts.
    pub ordered: bool,
    /// The keys themselves are kept, so that iterating keys reads no record.
    pub keeps_keys: bool,
}

/// One change of an index, and what it found.
#[derive(Debug)]
pub struct Change<'a> {
    /// The key, 1 to 65,535 bytes.
    pub key: &'a [u8],
    /// The new location, or `None` to remove the key.
    pub new: Option<Location>,
    /// Out: where the key was before this change (earlier changes of the same call included).
    pub old: Option<Location>,
}

/// Direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Ascending bytewise order.
    Forward,
    /// Descending.
    Reverse,
}

/// Where a scan begins.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// At the first key in the scan's direction.
    Edge,
    /// At this key or, if it is missing, the next in the scan's direction.
    At(&'a [u8]),
    /// Behind this key, in the scan's direction.
    After(&'a [u8]),
}

/// Keys with their locations, in the order of a scan. Reused from page to page without allocating.
#[derive(Clone, Debug, Default)]
pub struct KeyPage {
    bytes: Vec<u8>,
    /// End of each key in `bytes`, and its location.
    entries: Vec<(usize, Location)>,
}

impl KeyPage {
    /// An empty page.
    #[must_use]
    pub fn new() -> KeyPage {
        KeyPage::default()
    }

    /// Forgets all entries, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// Appends an entry whose key is `prefix` followed by `suffix`.
    pub fn push(&mut self, prefix: &[u8], suffix: &[u8], location: Location) {
        self.bytes.extend_from_slice(prefix);
        self.bytes.extend_from_slice(suffix);
        self.entries.push((self.bytes.len(), location));
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all keys together.
    #[must_use]
    pub fn key_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The entry at `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<(&[u8], Location)> {
        let &(end, location) = self.entries.get(i)?;
        let start = if i == 0 { 0 } else { self.entries[i - 1].0 };
        Some((&self.bytes[start..end], location))
    }
}

/// A number below `n`, from a random one: the high half of the product, which favours none by more than `n` in 2^64.
pub(crate) fn below(random: u64, n: u64) -> u64 {
    ((u128::from(random) * u128::from(n)) >> 64) as u64
}

/// Position of a [`Index::walk`]; opaque to callers.
#[derive(Clone, Debug, Default)]
pub struct WalkPosition(pub(crate) u64);

/// The interface of all kinds. See the module's invariants.
pub trait Index: std::fmt::Debug + Send + Sync {
    /// Which kind this is.
    fn kind(&self) -> IndexKind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The location of a key's newest record.
    ///
    /// A kind that keeps no keys may, with a chance below 2^-64, answer for another key; callers compare the key in the record.
    fn get(&self, key: &[u8]) -> Result<Option<Location>>;

    /// [`Index::get`] for many keys at once; fills in `out`, which has as many places as there are keys.
    fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) -> Result<()> {
        for (key, out) in keys.iter().zip(out) {
            *out = self.get(key)?;
        }
        Ok(())
    }

    /// One attempt to take an entry at random, each with the same chance: its location, or `None` if the attempt hit no entry; callers try
    /// again. `random` gives random numbers of 64 bits.
    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>>;

    /// Makes all changes in order, atomically, and fills in each `old`.
    ///
    /// REQUIRES: one caller at a time.
    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()>;

    /// Appends up to `max` entries to `page` in the scan's direction, from `start` on; fewer only at the end. Ordered kinds only.
    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()>;

    /// Appends about `max` locations in no order, each entry that is there from the first call to the last exactly once; `false` when the walk is over.
    ///
    /// REQUIRES: no `apply` from the first call of a walk to its last (engines hold their commit lock).
    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool>;

    /// Number of keys.
    fn len(&self) -> u64;

    /// Whether there are no keys.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held, as allocated.
    fn memory(&self) -> u64;
}
