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

use crate::error::{Error, Result};
use crate::types::{Location, MAX_KEY_LEN};

pub mod arena;
pub mod art;
pub mod bptree;
pub mod btree;
pub mod hash;
pub mod image;
mod kept;
mod optimistic;
pub(crate) mod order;
pub mod saved;
pub mod skiplist;
mod snapshot;
#[cfg(test)]
mod testing;

/// Pages that have a checksum together in an image.
pub const PIECE_PAGES: usize = arena::CHUNK_PAGES;

/// The kinds of index. All work over the same files; a directory may be opened with another kind each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IndexKind {
    /// B+tree of slotted, prefix-truncated pages in memory: ordered. The default.
    #[default]
    BTree,
    /// Table of keyed 128-bit fingerprints: the fewest bytes a key and the fastest point reads. Iteration sorts on demand.
    Hash,
    /// Adaptive radix tree in memory: ordered, with the fastest ordered point reads.
    Art,
    /// Skip list in memory: ordered, and readers take no lock that the writer holds while it makes a change.
    SkipList,
    /// B+tree on disk with a bounded cache in memory, for key sets beyond memory: ordered, and there again when the store is
    /// opened the next time.
    BPTree,
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

/// What is to be expected of keys that come behind those of [`Index::build`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// They come behind all others: pages are filled.
    Tight,
    /// They come between the others: pages are left some room.
    Roomy,
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
    /// The keys, one behind the other. What lies behind the last means nothing: it is there so that keys can be put together in place.
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
        self.entries.clear();
    }

    /// Makes place for so many more entries, if their keys are not long.
    pub fn reserve(&mut self, entries: usize) {
        /// Bytes that most keys take at most.
        const KEY: usize = 32;
        self.entries.reserve(entries);
        self.room(entries * KEY);
    }

    /// Appends an entry whose key is `prefix` followed by `suffix`.
    #[inline]
    pub fn push(&mut self, prefix: &[u8], suffix: &[u8], location: Location) {
        let len = prefix.len() + suffix.len();
        let (start, end) = self.room(len).split_at_mut(prefix.len());
        start.copy_from_slice(prefix);
        end[..suffix.len()].copy_from_slice(suffix);
        self.took(len, location);
    }

    /// Appends an entry whose key is the first `prefix.0` bytes of some words in big-endian order, followed by the first `suffix.0` bytes of others.
    ///
    /// Each word is written where it stays. A key that is put together elsewhere and then copied as a whole has the processor wait until its
    /// parts have left for the cache, and thereby for the memory of all that was read before.
    #[inline]
    pub(crate) fn push_words(
        &mut self,
        prefix: (usize, impl Fn(usize) -> u32),
        suffix: (usize, impl Fn(usize) -> u32),
        location: Location,
    ) {
        const WORD: usize = size_of::<u32>();
        // The last word of each part may go beyond it.
        let room = self.room(prefix.0 + suffix.0 + WORD);
        for (i, place) in room.as_chunks_mut().0.iter_mut().take(prefix.0.div_ceil(WORD)).enumerate() {
            *place = (prefix.1)(i).to_be_bytes();
        }
        for (i, place) in room[prefix.0..].as_chunks_mut().0.iter_mut().take(suffix.0.div_ceil(WORD)).enumerate() {
            *place = (suffix.1)(i).to_be_bytes();
        }
        self.took(prefix.0 + suffix.0, location);
    }

    /// Place behind the last key, for `len` bytes at least.
    #[inline]
    fn room(&mut self, len: usize) -> &mut [u8] {
        let (start, end) = (self.key_bytes(), self.key_bytes() + len);
        if self.bytes.len() < end {
            self.grow(end);
        }
        &mut self.bytes[start..]
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        /// Bytes that are made zeros in advance at most: of a large page half may never be used. It is copied as seldom all the same, for
        /// the vector takes twice the memory each time.
        const AHEAD: usize = 1 << 20;
        self.bytes.resize(len.max(self.bytes.len() + self.bytes.len().min(AHEAD)), 0);
    }

    /// The next `len` bytes are a key.
    #[inline]
    fn took(&mut self, len: usize, location: Location) {
        self.entries.push((self.key_bytes() + len, location));
    }

    /// Forgets the entries from the one at `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.entries.truncate(len);
    }

    /// Number of entries in front of the first for which `holds` is false, if there are none behind it for which it is true.
    pub fn partition_point(&self, holds: impl Fn(&[u8]) -> bool) -> usize {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from + (to - from) / 2;
            match self.get(middle) {
                Some((key, _)) if holds(key) => from = middle + 1,
                _ => to = middle,
            }
        }
        from
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
    #[inline]
    pub fn key_bytes(&self) -> usize {
        self.entries.last().map_or(0, |&(end, _)| end)
    }

    /// The entry at `i`.
    #[must_use]
    #[inline]
    pub fn get(&self, i: usize) -> Option<(&[u8], Location)> {
        let &(end, location) = self.entries.get(i)?;
        let start = if i == 0 { 0 } else { self.entries[i - 1].0 };
        Some((&self.bytes[start..end], location))
    }

    /// The location of the entry at `i`.
    #[must_use]
    #[inline]
    pub fn location(&self, i: usize) -> Option<Location> {
        self.entries.get(i).map(|&(_, location)| location)
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<(&[u8], Location)> {
        self.get(self.len().checked_sub(1)?)
    }
}

/// A number below `n`, by 64 random bits; 0 for `n` = 0. Some come `n` / 2^64 more often than others, which nobody can tell.
pub(crate) fn below(random: u64, n: u64) -> u64 {
    ((u128::from(random) * u128::from(n)) >> 64) as u64
}

/// Position of a [`Index::walk`]; opaque to callers.
#[derive(Clone, Debug, Default)]
pub struct WalkPosition(pub(crate) u64);

impl WalkPosition {
    /// Where every kind's walk is when it is over.
    pub(crate) const OVER: u64 = u64::MAX;
}

/// Refuses changes of keys that are empty or too long: what every `apply` does before the first change.
pub(crate) fn check_keys(changes: &[Change<'_>]) -> Result<()> {
    let bad = changes.iter().map(|change| change.key.len()).find(|len| !(1..=MAX_KEY_LEN).contains(len));
    match bad {
        None => Ok(()),
        Some(0) => Err(Error::KeyEmpty),
        Some(len) => Err(Error::KeyTooLarge { len }),
    }
}

/// [`Index::relocate`] by a look and a change of each key.
pub(crate) fn relocate_each<I: Index + ?Sized>(
    index: &I,
    changes: &mut [Change<'_>],
    is_old: &dyn Fn(Location) -> bool,
) -> Result<()> {
    changes.iter_mut().for_each(|change| change.old = None);
    for change in changes {
        if index.get(change.key)?.is_some_and(is_old) {
            index.apply(std::slice::from_mut(change))?;
        }
    }
    Ok(())
}

/// How far in the log an index goes that outlives the process. The engine writes and judges it; to the index it is bytes
/// that belong to its contents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Covered(pub [u8; Covered::LEN]);

impl Covered {
    /// Length in bytes.
    pub const LEN: usize = 128;
}

impl std::fmt::Debug for Covered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Covered")
    }
}

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

    /// What [`Index::get`] says of each of `keys`, in their order. Kinds that gain by it fetch what several lookups need at once.
    ///
    /// Each answer is right at some moment of the call; not all need be at the same one.
    ///
    /// REQUIRES: `out` is as long as `keys`.
    fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) -> Result<()> {
        debug_assert_eq!(keys.len(), out.len(), "an answer for each key");
        for (key, out) in keys.iter().zip(out) {
            *out = self.get(key)?;
        }
        Ok(())
    }

    /// Makes all changes in order, atomically, and fills in each `old`.
    ///
    /// REQUIRES: one caller at a time.
    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()>;

    /// Gives each key that is at a place for which `is_old` holds the new one of its change, and fills in `old`: nothing where the key is elsewhere or not
    /// there, which is then left as it was. One by one and not as a whole: a reader may see some of them and not the others. After an error those
    /// that were made have their `old`.
    ///
    /// Fast where keys ascend. What is there only changes its place, so that nothing is split and nothing joined.
    ///
    /// REQUIRES: one caller at a time, and no `apply` beside it.
    fn relocate(&self, changes: &mut [Change<'_>], is_old: &dyn Fn(Location) -> bool) -> Result<()> {
        relocate_each(self, changes, is_old)
    }

    /// Appends up to `max` entries to `page` in the scan's direction, from `start` on; fewer only at the end. Ordered kinds only.
    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()>;

    /// Appends about `max` locations in no order, each entry that is there from the first call to the last exactly once; `false` when the walk is over.
    ///
    /// REQUIRES: no `apply` from the first call of a walk to its last (engines hold their commit lock).
    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool>;

    /// One attempt to draw an entry at random: its location, or `None` for "try again". All entries are equally likely to be
    /// drawn. An index without entries always says `None`. `random` gives 64 random bits a call.
    ///
    /// How likely an attempt succeeds depends on how full the kind's memory is, not on the number of keys.
    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>>;

    /// Number of keys.
    fn len(&self) -> u64;

    /// Whether there are no keys.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held, as allocated.
    fn memory(&self) -> u64;

    /// Whether checkpoints make it outlive the process. What follows is for such kinds, and does nothing in the others.
    fn is_persistent(&self) -> bool {
        false
    }

    /// How far the index went that was found at open, if its contents are those of a checkpoint.
    fn covered(&self) -> Option<Covered> {
        None
    }

    /// Writes the contents down as those that `covered` speaks of. A failure loses nothing but the checkpoint.
    ///
    /// REQUIRES: no `apply` at the same time; all changes up to the place that `covered` names, and no others, are applied; the log up to
    /// there is on stable storage.
    fn checkpoint(&self, covered: &Covered) -> Result<()> {
        let _ = covered;
        Ok(())
    }

    /// Makes sure, as far as it can be, that an `apply` of changes of these keys won't fail. Called before the changes come to the log.
    fn reserve(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        let _ = keys;
        Ok(())
    }

    /// What makes images of it, of the kinds that can be saved so.
    fn imaged(&self) -> Option<&dyn image::Imaged> {
        None
    }

    /// Makes sure that all of a saved image is verified that the index was made of. After that no call fails for damage of it.
    fn ready(&self) -> Result<()> {
        Ok(())
    }

    /// Takes what `fill` puts into an empty index of this kind in place of what it has, at once and as a whole. Readers may be about.
    ///
    /// REQUIRES: no `apply` at the same time.
    fn rebuild(&self, fill: &mut dyn FnMut(&dyn Index) -> Result<()>) -> Result<()> {
        let _ = fill;
        Err(Error::Internal { what: "an index that is not made of a saved one is never damaged".into() })
    }

    /// Whether its file was found damaged, so that it has to be built anew at the next opening.
    fn is_damaged(&self) -> bool {
        false
    }

    /// From here to [`Index::end_build`] the index, which is empty, may put off all changes, fill in no `old` and show nothing of them. Says whether it
    /// does.
    fn begin_build(&self) -> bool {
        false
    }

    /// Does what was put off, and tells each entry that came of it.
    fn end_build(&self, each: &mut dyn FnMut(Location)) -> Result<()> {
        let _ = each;
        Ok(())
    }

    /// Puts these entries into it, none of whose keys is there, at once for every reader: where it is empty, or all of them come behind what it has, and that
    /// is faster than [`Index::apply`]. Where not, it says `false` and has done nothing but ask for an entry. `len` is their number. An error leaves it as it was.
    ///
    /// REQUIRES: keys ascend strictly, and are of a length that keys may have; one caller at a time, and no `apply` beside it.
    fn build(
        &self,
        len: usize,
        packing: Packing,
        entries: &mut dyn Iterator<Item = (&[u8], Location)>,
    ) -> Result<bool> {
        let _ = (len, packing, entries);
        Ok(false)
    }

    /// Asks for the memory that a change of this key, which is about to come, will read. Only makes that faster, and only where it does.
    fn warm(&self, key: &[u8]) {
        let _ = key;
    }

    /// Changes that a replay of the log hands over at once, so that they are worth sorting.
    fn packet(&self) -> usize {
        2048
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a large page what is not used is little, however it got there; keys are what they were.
    #[test]
    fn a_page_grows_by_a_mebibyte_at_most() {
        let (mut page, key) = (KeyPage::new(), |n: u32| n.to_be_bytes().repeat(250));
        for n in 0..6000 {
            let location = Location::from_bits(u64::from(n));
            if n % 2 == 0 {
                page.push(&key(n)[..7], &key(n)[7..], location);
            } else {
                page.push_words((8, |_| n), (992, |_| n), location);
            }
            let (used, there) = (page.key_bytes(), page.bytes.len());
            assert!(there <= used * 2 + 8 && there <= used + (1 << 20) + 8, "{there} bytes for {used}");
        }
        for n in 0..6000 {
            let (found, location) = page.get(n as usize).expect("an entry");
            assert!(found == key(n) && location == Location::from_bits(u64::from(n)), "entry {n}");
        }
        // One that is longer than what it would grow by.
        let mut page = KeyPage::new();
        page.push(&[], &[1; 3 << 20], Location::from_bits(1));
        assert_eq!(page.bytes.len(), 3 << 20);
    }
}
