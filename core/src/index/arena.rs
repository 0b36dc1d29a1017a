//! Pages of memory addressed by number.
//!
//! Owns the pages' memory and which of them are free; knows nothing of what is in a page. Numbers, not pointers, lead
//! from page to page, so that the bytes of an arena mean the same wherever they lie (a checkpoint can map them).
//!
//! Invariants:
//! 1. Growing never moves a page: memory is taken by chunks of `CHUNK_BYTES`.
//! 2. Byte 0 of a free page is zero; whoever allocates a page sets it to something else. `Arena::page` of a number
//!    that was never allocated, or whose chunk was given back, is a page of zeros.
//! 3. A chunk without used pages is given back, except one that is kept lest a store that sits on the edge of a chunk
//!    asks the allocator for memory with each change.
//!
//! Locking: none; the owner's.

/// Bytes of a page. Its number times this is its place in a mapped arena.
pub(crate) const PAGE_SIZE: usize = 4096;
/// Pages of a chunk.
const CHUNK_PAGES: usize = 256;
/// Bytes of a chunk.
const CHUNK_BYTES: usize = CHUNK_PAGES * PAGE_SIZE;
/// Number of no page.
pub(crate) const NO_PAGE: u32 = u32::MAX;

/// One page: bytes, aligned so that it straddles no page of the machine and no more cache lines than it must.
#[derive(Clone)]
#[repr(C, align(4096))]
pub(crate) struct Page {
    pub(crate) bytes: [u8; PAGE_SIZE],
}

static ABSENT: Page = Page { bytes: [0; PAGE_SIZE] };

/// A run of pages with consecutive numbers.
struct Chunk {
    /// All of its pages, or none if its memory was given back.
    pages: Box<[Page]>,
    /// First of its free pages, as an index into the chunk; each names the next in its bytes 4-7.
    free: u32,
    /// Pages from here on were never used.
    fresh: u32,
    used: u32,
}

/// Pages by number.
#[derive(Default)]
pub(crate) struct Arena {
    chunks: Vec<Chunk>,
    /// One bit a chunk: it is present and has a free page. The lowest is filled first, so that high ones fall empty.
    room: Vec<u64>,
    /// Chunks whose memory was given back.
    absent: Vec<u32>,
    /// See invariant 3.
    spare: Option<Box<[Page]>>,
    used: u32,
}

impl Arena {
    /// The page of this number.
    pub(crate) fn page(&self, no: u32) -> &Page {
        let (chunk, index) = split(no);
        self.chunks.get(chunk).and_then(|c| c.pages.get(index)).unwrap_or(&ABSENT)
    }

    /// The page of this number, to change it.
    ///
    /// REQUIRES: it is allocated.
    pub(crate) fn page_mut(&mut self, no: u32) -> &mut Page {
        let (chunk, index) = split(no);
        &mut self.chunks[chunk].pages[index]
    }

    /// Takes a page, whose bytes are whatever they were.
    ///
    /// REQUIRES: `has_room`.
    pub(crate) fn alloc(&mut self) -> u32 {
        let chunk = self.chunk_with_room();
        let c = &mut self.chunks[chunk];
        let index = if c.free == NO_PAGE {
            c.fresh += 1;
            c.fresh - 1
        } else {
            let index = c.free;
            c.free = c.pages[index as usize].link();
            index
        };
        c.used += 1;
        if c.used as usize == CHUNK_PAGES {
            self.room[chunk / 64] &= !(1 << (chunk % 64));
        }
        self.used += 1;
        chunk as u32 * CHUNK_PAGES as u32 + index
    }

    /// Gives a page back.
    ///
    /// REQUIRES: it is allocated.
    pub(crate) fn free(&mut self, no: u32) {
        let (chunk, index) = split(no);
        let c = &mut self.chunks[chunk];
        debug_assert!(c.used > 0 && c.pages[index].bytes[0] != 0, "page {no} freed twice");
        c.pages[index].set_link(c.free);
        c.free = index as u32;
        c.used -= 1;
        self.used -= 1;
        if c.used > 0 {
            self.room[chunk / 64] |= 1 << (chunk % 64);
            return;
        }
        self.room[chunk / 64] &= !(1 << (chunk % 64));
        let mut pages = std::mem::take(&mut c.pages);
        self.absent.push(chunk as u32);
        if self.spare.is_none() {
            for page in &mut pages {
                page.bytes[0] = 0;
            }
            self.spare = Some(pages);
        }
    }

    /// Whether `pages` more can be allocated before the numbers run out (at 16 TiB).
    pub(crate) fn has_room(&self, pages: u64) -> bool {
        u64::from(self.used) + pages < u64::from(NO_PAGE)
    }

    /// Number of allocated pages.
    #[cfg(test)]
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// All allocated pages have numbers below this.
    pub(crate) fn end(&self) -> u32 {
        self.chunks.len() as u32 * CHUNK_PAGES as u32
    }

    /// Bytes allocated.
    pub(crate) fn memory(&self) -> u64 {
        let chunks = self.chunks.len() - self.absent.len() + usize::from(self.spare.is_some());
        let tables =
            self.chunks.capacity() * size_of::<Chunk>() + self.room.capacity() * 8 + self.absent.capacity() * 4;
        (chunks * CHUNK_BYTES + tables) as u64
    }

    fn chunk_with_room(&mut self) -> usize {
        if let Some(word) = self.room.iter().position(|w| *w != 0) {
            return word * 64 + self.room[word].trailing_zeros() as usize;
        }
        let pages = self.spare.take().unwrap_or_else(|| vec![ABSENT.clone(); CHUNK_PAGES].into_boxed_slice());
        let fresh = Chunk { pages, free: NO_PAGE, fresh: 0, used: 0 };
        let chunk = if let Some(chunk) = self.absent.pop() {
            self.chunks[chunk as usize] = fresh;
            chunk as usize
        } else {
            self.chunks.push(fresh);
            self.chunks.len() - 1
        };
        if self.room.len() <= chunk / 64 {
            self.room.push(0);
        }
        self.room[chunk / 64] |= 1 << (chunk % 64);
        chunk
    }
}

impl Page {
    fn link(&self) -> u32 {
        u32::from_le_bytes([self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7]])
    }

    fn set_link(&mut self, next: u32) {
        self.bytes[0] = 0;
        self.bytes[4..8].copy_from_slice(&next.to_le_bytes());
    }
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arena").field("pages", &self.used).field("bytes", &self.memory()).finish()
    }
}

fn split(no: u32) -> (usize, usize) {
    (no as usize / CHUNK_PAGES, no as usize % CHUNK_PAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_reused_and_chunks_given_back() {
        let mut arena = Arena::default();
        for round in 0..3 {
            let mut pages: Vec<u32> = (0..1000)
                .map(|i: u32| {
                    let no = arena.alloc();
                    arena.page_mut(no).bytes[0] = 1;
                    arena.page_mut(no).bytes[100..104].copy_from_slice(&i.to_le_bytes());
                    no
                })
                .collect();
            for (i, no) in pages.iter().enumerate() {
                assert_eq!(arena.page(*no).bytes[100..104], (i as u32).to_le_bytes());
            }
            assert_eq!(arena.used(), 1000);
            assert!(arena.memory() < 5 << 20);
            pages.sort_unstable();
            pages.dedup();
            assert_eq!(pages.len(), 1000);
            if round == 1 {
                pages.reverse();
            }
            for no in pages {
                arena.free(no);
                assert_eq!(arena.page(no).bytes[0], 0);
            }
            assert_eq!(arena.used(), 0);
            assert!(arena.memory() < (1 << 20) + 4096, "one spare chunk is kept: {}", arena.memory());
        }
    }
}
