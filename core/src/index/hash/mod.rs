//! The fingerprint table: an index that doesn't keep keys.
//!
//! A key is known by a 128-bit fingerprint, its SipHash-1-3-128 (Aumasson & Bernstein 2012) under a secret key, and
//! an entry is the fingerprint with the [`Location`]: at most 24 bytes, however long the key is.
//!
//! # Structure
//! The low bits of a fingerprint select a segment by linear hashing (Litwin 1980): segments split one at a time, in
//! the order of their numbers, whenever the mean reaches 36 entries, and merge in the reverse order as keys go. Unlike
//! extendible hashing (Fagin et al. 1979) this needs no directory of pointers, which would cost a lookup a cache miss,
//! and no distribution of fingerprints can make it deeper than the number of keys warrants.
//!
//! ```text
//! fingerprint   | bits 127 .. d+3       | d+2 .. d | d-1 .. 0 |     d: depth of the segment
//!                 kept in the entry       group      segment
//! descriptors   [ 8 counts | place | version ] [ ...               16 bytes a segment
//! block         | number | group 0 | group 1 | ... | group 7 |     36 entries at most on average, no gaps
//! ```
//!
//! A segment's entries are packed without gaps in 8 groups, and its descriptor has the groups' sizes. An open-addressing
//! table (with Robin Hood displacement, say: Celis 1986) of the same memory would have to run 95 % full, where searches
//! are long; here a search sees the 2-8 entries of one group. Segment and group imply `d + 3` bits of the
//! fingerprint by position alone; the whole bytes among them are not stored: an entry takes 23 bytes from 32 segments
//! on, 22 from 8,192 on (262,144 keys), 21 from 2^21 on. A lookup misses the cache twice: descriptor and group.
//!
//! Small segments are cheap to change: an insert touches half a block, five cache lines, which are asked for at once.
//! Blocks are whole cache lines, in chunks by size (as slab.rs describes), named by number: nothing is a pointer and
//! nothing is larger than a page of descriptors or a chunk, so growing copies some KiB at a time, at any size. Beyond some
//! megabytes chunks lie on huge pages (`util/pieces.rs`), without which translating the block's address takes a third of a lookup.
//! What a lookup doesn't wait for is kept short, since the processor works on the next one while it waits for this one's
//! block, as far as its window of instructions reaches.
//!
//! # Collisions
//! Two keys with one fingerprint can't be told apart here: the later takes the earlier's entry. With `n` keys the
//! chance that there is such a pair is about `n^2 / 2^129`: 2^-69 for a billion keys; nobody without the key of
//! the hash can search for one. The key is drawn with a new index and saved with it. Lookups for keys that aren't there may be answered with another's location with
//! a chance of `n / 2^128`, therefore readers compare the key in the record.
//!
//! # Invariants
//! 1. A fingerprint is in the table at most once: in the segment that the directory says, or in the spill.
//! 2. An entry and its position together hold all 128 bits.
//! 3. A segment of `n` entries has a block of exactly the units that `n` entries need; an empty one has none.
//! 4. The number of segments follows the number of keys alone: between 31 and 36 keys each, but for the first.
//! 5. What has no room in its segment is in the spill, which under a keyed hash stays empty.
//!
//! # Locking
//! Readers share a lock (sharded, so that they don't write to each other's memory) with the writer's single changes, and check
//! a segment's version instead (`index/optimistic.rs`): a change locks the segments that it touches, most often one, for some tens
//! of nanoseconds. `apply` of several changes holds the lock exclusively for the whole call, which makes it atomic;
//! so does what moves or frees memory under readers (tables made longer, chunks given back: the latter only
//! when no reader is in the way, as long as they are few), and what is rare (the spill).

use super::image::Imaged;
use super::{Capabilities, Change, Direction, Index, IndexKind, KeyPage, Start, WalkPosition};
use crate::error::{Error, Result};
use crate::types::Location;
use crate::util::sip::Sip;

mod directory;
mod edit;
mod imaged;
mod plain;
mod saved;
mod segment;
mod slab;
mod snapshot;
mod sound;
mod state;
mod table;

#[cfg(test)]
mod check;
#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;

use table::Table;

/// Keys of one call that are hashed before the first of them is looked up or changed.
const AHEAD: usize = 32;

/// The index. All methods may be called from any thread; `apply` and `walk` as [`Index`] says.
pub struct HashIndex {
    key: [u8; 16],
    hasher: Sip,
    table: Table,
}

impl HashIndex {
    /// An empty index. `key` must be random and secret: 16 bytes from the system's generator.
    #[must_use]
    pub fn new(key: [u8; 16]) -> HashIndex {
        HashIndex { key, hasher: Sip::new(key), table: Table::new() }
    }

    #[inline]
    fn fingerprint(&self, key: &[u8]) -> u128 {
        self.hasher.hash(key)
    }

    /// The fingerprints of the first keys, of which there are at most [`AHEAD`].
    fn fingerprints<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> [u128; AHEAD] {
        let mut fingerprints = [0; AHEAD];
        for (fingerprint, key) in fingerprints.iter_mut().zip(keys) {
            *fingerprint = self.fingerprint(key);
        }
        fingerprints
    }
}

impl std::fmt::Debug for HashIndex {
    /// Without the hash's key, which is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HashIndex").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Index for HashIndex {
    fn kind(&self) -> IndexKind {
        IndexKind::Hash
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ordered: false, keeps_keys: false }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Location>> {
        let fingerprint = self.fingerprint(key);
        let state = self.table.read();
        match state.get(fingerprint) {
            Some(found) => Ok(Some(Location::from_bits(found))),
            None => state.verdict().map(|()| None),
        }
    }

    fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) -> Result<()> {
        for (keys, out) in keys.chunks(AHEAD).zip(out.chunks_mut(AHEAD)) {
            let fingerprints = self.fingerprints(keys.iter().copied());
            let state = self.table.read();
            state.get_many(&fingerprints[..keys.len()], out);
            state.verdict()?;
        }
        Ok(())
    }

    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()> {
        super::check_keys(changes)?;
        if let [change] = changes {
            let old = self.table.set(self.fingerprint(change.key), change.new.map(Location::to_bits))?;
            change.old = old.map(Location::from_bits);
            return Ok(());
        }
        if changes.is_empty() {
            return Ok(());
        }
        let mut batch = self.table.batch()?;
        for part in changes.chunks_mut(AHEAD) {
            let fingerprints = self.fingerprints(part.iter().map(|change| change.key));
            batch.prefetch(&fingerprints[..part.len()]);
            for (change, fingerprint) in part.iter_mut().zip(fingerprints) {
                change.old = batch.set(fingerprint, change.new.map(Location::to_bits)).map(Location::from_bits);
            }
        }
        Ok(())
    }

    fn scan(&self, _: Start<'_>, _: Direction, _: usize, _: &mut KeyPage) -> Result<()> {
        let what = "the hash index keeps no keys and has no order; open the store with the btree index to scan";
        Err(Error::Unsupported { what: what.into() })
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        let state = self.table.read();
        let (before, end) = (out.len(), out.len().saturating_add(max.max(1)));
        let mut next = position.0;
        while next != WalkPosition::OVER && out.len() < end {
            next = state.walk(next, max.max(1), out).unwrap_or(WalkPosition::OVER);
        }
        state.verdict().inspect_err(|_| out.truncate(before))?;
        position.0 = next;
        Ok(next != WalkPosition::OVER)
    }

    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        let state = self.table.read();
        let drawn = state.sample(random).map(Location::from_bits);
        state.verdict()?;
        Ok(drawn)
    }

    fn len(&self) -> u64 {
        self.table.len()
    }

    fn memory(&self) -> u64 {
        (size_of::<HashIndex>() + self.table.memory()) as u64
    }

    fn imaged(&self) -> Option<&dyn Imaged> {
        Some(self)
    }

    fn ready(&self) -> Result<()> {
        self.table.ready()
    }

    fn reserve(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        // A replay that finds nothing has no need of it.
        if keys.next().is_none() { Ok(()) } else { self.table.ready() }
    }

    fn is_damaged(&self) -> bool {
        self.table.read().verdict().is_err()
    }

    fn rebuild(&self, fill: &mut dyn FnMut(&dyn Index) -> Result<()>) -> Result<()> {
        // Of the same hash: lookups under way have their fingerprints already.
        let fresh = HashIndex::new(self.key);
        fill(&fresh)?;
        self.table.take_over(&fresh.table);
        Ok(())
    }
}
