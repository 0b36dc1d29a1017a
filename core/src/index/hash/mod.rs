//! The fingerprint table: an index that doesn't keep keys.
//!
//! A key is known by a 128-bit fingerprint, its SipHash-1-3-128 (Aumasson & Bernstein 2012) under a secret key, and
//! an entry is the fingerprint with the [`Location`]: at most 24 bytes, however long the key is.
//!
//! # Structure
//! The low bits of a fingerprint select a segment by linear hashing (Litwin 1980): segments split one at a time, in
//! the order of their numbers, whenever the mean reaches 64 entries, and merge in the reverse order as keys go. Unlike
//! extendible hashing (Fagin et al. 1979) this needs no directory of pointers, which would cost a lookup a cache miss,
//! and no distribution of fingerprints can make it deeper than the number of keys warrants.
//!
//! ```text
//! fingerprint   | bits 127 .. d+4       | d+3 .. d | d-1 .. 0 |     d: depth of the segment
//!                 kept in the entry       group      segment
//! descriptors   [ 16 counts | place ] [ 16 counts | place ] ...     20 bytes a segment
//! block         | number | group 0 | group 1 | ... | group 15 |     64 entries on average, no gaps
//! ```
//!
//! A segment's entries are packed without gaps in 16 groups, and its descriptor has the groups' sizes. An open-addressing
//! table (with Robin Hood displacement, say: Celis 1986) of the same memory would have to run 95 % full, where searches
//! are long; here a search sees the 2-8 entries of one group. Segment and group imply `d + 4` bits of the
//! fingerprint by position alone; the whole bytes among them are not stored: an entry takes 23 bytes from 16 segments
//! on, 22 from 4,096 on (262,144 keys), 21 from 2^20 on. A lookup misses the cache twice: descriptor and group.
//!
//! Blocks are whole pairs of cache lines, in chunks by size (as slab.rs describes), named by number: nothing is a pointer and
//! nothing is larger than a page of descriptors or a chunk, so growing copies some KiB at a time, at any size.
//!
//! # Collisions
//! Two keys with one fingerprint can't be told apart here: the later takes the earlier's entry. With `n` keys the
//! chance that there is such a pair is about `n^2 / 2^129`: 2^-69 for a billion keys; nobody without the key of
//! the hash can search for one. Lookups for keys that aren't there may be answered with another's location with
//! a chance of `n / 2^128`, therefore readers compare the key in the record.
//!
//! # Invariants
//! 1. A fingerprint is in the table at most once: in the segment that the directory says, or in the spill.
//! 2. An entry and its position together hold all 128 bits.
//! 3. A segment of `n` entries has a block of exactly the units that `n` entries need; an empty one has none.
//! 4. The number of segments follows the number of keys alone: between 56 and 64 keys each, but for the first.
//! 5. What has no room in its segment is in the spill, which under a keyed hash stays empty.
//!
//! # Locking
//! One reader-writer lock around the table; `apply` holds it for the whole call, which makes it atomic.

use parking_lot::RwLock;
use siphasher::sip128::SipHasher13;

use super::{Capabilities, Change, Direction, Index, IndexKind, KeyPage, Start, WalkPosition};
use crate::error::{Error, Result};
use crate::types::Location;

mod directory;
mod paged;
mod segment;
mod slab;
mod table;
#[cfg(test)]
mod tests;

use table::Table;

/// Changes of one call whose cache lines are fetched ahead of the first of them.
const AHEAD: usize = 16;

/// The index. All methods may be called from any thread; `apply` and `walk` as [`Index`] says.
pub struct HashIndex {
    hasher: SipHasher13,
    table: RwLock<Table>,
}

impl HashIndex {
    /// An empty index. `key` must be random and secret: 16 bytes from the system's generator.
    #[must_use]
    pub fn new(key: [u8; 16]) -> HashIndex {
        HashIndex { hasher: SipHasher13::new_with_key(&key), table: RwLock::new(Table::new()) }
    }

    fn fingerprint(&self, key: &[u8]) -> u128 {
        self.hasher.hash(key).as_u128()
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
        Ok(self.table.read().get(fingerprint).map(Location::from_bits))
    }

    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        Ok(self.table.read().sample(random).map(Location::from_bits))
    }

    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()> {
        let mut table = self.table.write();
        for part in changes.chunks_mut(AHEAD) {
            let mut fingerprints = [0; AHEAD];
            for (fingerprint, change) in fingerprints.iter_mut().zip(part.iter()) {
                *fingerprint = self.fingerprint(change.key);
            }
            if part.len() > 1 {
                // The processor works on many misses at a time as long as none decides what comes next.
                let touched = fingerprints[..part.len()].iter().fold(0, |sum, &f| sum ^ table.touch(f));
                std::hint::black_box(touched);
            }
            for (change, fingerprint) in part.iter_mut().zip(fingerprints) {
                let old = match change.new {
                    Some(new) => table.set(fingerprint, new.to_bits()),
                    None => table.remove(fingerprint),
                };
                change.old = old.map(Location::from_bits);
            }
        }
        Ok(())
    }

    fn scan(&self, _: Start<'_>, _: Direction, _: usize, _: &mut KeyPage) -> Result<()> {
        let what = "the hash index keeps no keys and has no order; open the store with the btree index to scan";
        Err(Error::Unsupported { what: what.into() })
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        let table = self.table.read();
        let end = out.len().saturating_add(max.max(1));
        loop {
            match table.walk(position.0, max.max(1), |bits| out.push(Location::from_bits(bits))) {
                Some(next) => position.0 = next,
                None => {
                    position.0 = u64::MAX;
                    return Ok(false);
                }
            }
            if out.len() >= end {
                return Ok(true);
            }
        }
    }

    fn len(&self) -> u64 {
        self.table.read().len()
    }

    fn memory(&self) -> u64 {
        (size_of::<HashIndex>() + self.table.read().memory()) as u64
    }
}
