//! Storage of segments: blocks of whole units, named by number, densely packed by size.
//!
//! A block of `u` units is one of many in a chunk of about [`CHUNK_BYTES`]. All chunks of a size form a stack, of which
//! only the last chunk has free blocks: freeing one moves the last block of that size into the hole. So nothing
//! is ever lost to fragments, whatever sizes come and go. The first four bytes of a block name its owner, which the
//! caller writes and is told of when the block moves; the other bytes are the caller's.
//!
//! Invariants:
//! 1. In a size's stack, all chunks but the last are full of used blocks; the last has at least one.
//! 2. A chunk's number stays while it lives; numbers of freed chunks are in `free` and are given out again.
//! 3. A new chunk holds at most an eighth of the blocks that its size has already, so that the slack is bounded at
//!    any size of the table.

use super::paged::Paged;

/// Unit of block sizes: two cache lines. With one, blocks move half again as often; half a byte a key is saved.
pub(super) const UNIT: usize = 128;
/// Bytes at the start of a block that hold its owner's number.
pub(super) const OWNER_BYTES: usize = 4;
/// Most bytes a chunk.
const CHUNK_BYTES: usize = 16 << 10;
const SLOT_BITS: u32 = 8;

/// A block's name: chunk number and, in the low 8 bits, the block's number in the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// No block.
    pub(super) const NONE: Place = Place(u32::MAX);

    fn new(chunk: u32, slot: u32) -> Place {
        Place((chunk << SLOT_BITS) | slot)
    }

    #[inline]
    fn chunk(self) -> u32 {
        self.0 >> SLOT_BITS
    }

    #[inline]
    fn slot(self) -> u32 {
        self.0 & ((1 << SLOT_BITS) - 1)
    }
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Box<[u8]>,
    /// Bytes a block; 0 in a freed chunk.
    block: u32,
}

impl Chunk {
    fn slots(&self) -> u32 {
        (self.bytes.len() as u32).checked_div(self.block).unwrap_or(0)
    }

    #[inline]
    fn range(&self, slot: u32) -> std::ops::Range<usize> {
        let start = slot as usize * self.block as usize;
        start..start + self.block as usize
    }
}

/// The chunks of one block size.
#[derive(Debug, Default)]
struct Class {
    chunks: Vec<u32>,
    /// Blocks used in the last chunk.
    used: u32,
    /// Blocks used in all.
    blocks: u32,
}

/// The storage.
#[derive(Debug)]
pub(super) struct Slab {
    chunks: Paged<Chunk>,
    free: Vec<u32>,
    /// By units - 1.
    classes: Vec<Class>,
    /// Bytes of all chunks.
    bytes: usize,
}

impl Slab {
    pub(super) fn new() -> Slab {
        Slab { chunks: Paged::new(), free: Vec::new(), classes: Vec::new(), bytes: 0 }
    }

    /// The bytes of a block.
    #[inline]
    pub(super) fn block(&self, place: Place) -> &[u8] {
        let chunk = self.chunks.get(place.chunk());
        &chunk.bytes[chunk.range(place.slot())]
    }

    /// The bytes of a block, to change.
    #[inline]
    pub(super) fn block_mut(&mut self, place: Place) -> &mut [u8] {
        let chunk = self.chunks.get_mut(place.chunk());
        let range = chunk.range(place.slot());
        &mut chunk.bytes[range]
    }

    /// A block of `units` (from 1), its content undefined but for the owner. `None` when all numbers are taken
    /// (some 256 GiB).
    pub(super) fn alloc(&mut self, units: usize, owner: u32) -> Option<Place> {
        if self.classes.len() < units {
            self.classes.reserve_exact(units - self.classes.len());
            self.classes.resize_with(units, Class::default);
        }
        let class = &mut self.classes[units - 1];
        let full = class.chunks.last().is_none_or(|&last| class.used == self.chunks.get(last).slots());
        if full {
            let most = (CHUNK_BYTES / (units * UNIT)).clamp(1, 1 << SLOT_BITS);
            let slots = (class.blocks as usize / 8).clamp(1, most);
            let bytes = vec![0; slots * units * UNIT].into_boxed_slice();
            let chunk = Chunk { bytes, block: (units * UNIT) as u32 };
            let number = match self.free.pop() {
                Some(number) => number,
                None if self.chunks.len() < Place::NONE.chunk() as usize => {
                    self.chunks.push(Chunk::default());
                    self.chunks.len() as u32 - 1
                }
                None => return None,
            };
            self.bytes += chunk.bytes.len();
            *self.chunks.get_mut(number) = chunk;
            class.chunks.push(number);
            class.used = 0;
        }
        let place = Place::new(*class.chunks.last()?, class.used);
        class.used += 1;
        class.blocks += 1;
        self.block_mut(place)[..OWNER_BYTES].copy_from_slice(&owner.to_le_bytes());
        Some(place)
    }

    /// Copies the first `len` bytes but the owner of one block to another.
    pub(super) fn copy(&mut self, from: Place, to: Place, len: usize) {
        if from.chunk() == to.chunk() {
            let chunk = self.chunks.get_mut(from.chunk());
            let (from, to) = (chunk.range(from.slot()).start, chunk.range(to.slot()).start);
            chunk.bytes.copy_within(from + OWNER_BYTES..from + len, to + OWNER_BYTES);
            return;
        }
        // Lifted out for a moment, since a vector lends only one of its elements for writing.
        let source = std::mem::take(self.chunks.get_mut(from.chunk()));
        let start = source.range(from.slot()).start;
        self.block_mut(to)[OWNER_BYTES..len].copy_from_slice(&source.bytes[start + OWNER_BYTES..start + len]);
        *self.chunks.get_mut(from.chunk()) = source;
    }

    /// Frees a block. The last block of that size moves into its place; returns the owner of the moved one, if any,
    /// which now lives at `place`.
    pub(super) fn free(&mut self, place: Place) -> Option<u32> {
        let block = self.chunks.get(place.chunk()).block as usize;
        let class = self.classes.get(block / UNIT - 1)?;
        let &last_chunk = class.chunks.last()?;
        let last = Place::new(last_chunk, class.used - 1);
        let mut moved = None;
        if last != place {
            let mut owner = [0; OWNER_BYTES];
            owner.copy_from_slice(&self.block(last)[..OWNER_BYTES]);
            self.copy(last, place, block);
            self.block_mut(place)[..OWNER_BYTES].copy_from_slice(&owner);
            moved = Some(u32::from_le_bytes(owner));
        }
        let class = self.classes.get_mut(block / UNIT - 1)?;
        class.used -= 1;
        class.blocks -= 1;
        if class.used == 0 {
            class.chunks.pop();
            class.used = class.chunks.last().map_or(0, |&c| self.chunks.get(c).slots());
            if class.chunks.capacity() > 4 * (class.chunks.len() + 1) {
                class.chunks.shrink_to(2 * class.chunks.len());
            }
            self.release(last_chunk);
        }
        moved
    }

    fn release(&mut self, number: u32) {
        let chunk = std::mem::take(self.chunks.get_mut(number));
        self.bytes -= chunk.bytes.len();
        self.free.push(number);
        if self.free.len() == self.chunks.len() {
            *self = Slab::new();
        }
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        let stacks: usize = self.classes.iter().map(|c| c.chunks.capacity() * size_of::<u32>()).sum();
        let classes = self.classes.capacity() * size_of::<Class>();
        self.bytes + self.chunks.memory() + self.free.capacity() * size_of::<u32>() + classes + stacks
    }

    /// Verifies the invariants; returns the number of blocks used.
    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        let (mut blocks, mut bytes, mut live) = (0, 0, 0);
        for (i, class) in self.classes.iter().enumerate() {
            let mut room = 0;
            for &number in &class.chunks {
                let chunk = self.chunks.get(number);
                assert_eq!(chunk.block as usize, (i + 1) * UNIT);
                room += chunk.slots();
                bytes += chunk.bytes.len();
                live += 1;
            }
            let last = class.chunks.last().map_or(0, |&c| self.chunks.get(c).slots());
            assert!(class.used <= last && (class.used > 0 || last == 0));
            assert_eq!(class.blocks, room - last + class.used);
            blocks += class.blocks as usize;
        }
        assert_eq!(bytes, self.bytes);
        assert_eq!(live + self.free.len(), self.chunks.len());
        blocks
    }
}
