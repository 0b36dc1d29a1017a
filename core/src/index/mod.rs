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
mod key_page;
mod optimistic;
pub(crate) mod order;
pub mod saved;
pub mod skiplist;
mod snapshot;
#[cfg(test)]
mod testing;

pub use key_page::KeyPage;

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
