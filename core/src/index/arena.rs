//! Pages of memory addressed by number.
//!
//! Owns the pages' memory (`Pages`, which readers and the writer share) and which of them are free (`Arena`, the writer's
//! alone); knows nothing of what is in a page beyond its first words. Numbers, not pointers, lead from page to page, so that
//! the words of an arena mean the same wherever they lie (a checkpoint can map them).
//!
//! Invariants:
//! 1. Growing never moves a page: memory comes by chunks of `CHUNK_BYTES` or, of a large arena, by two of them at once, of which the other is spare
//!    till it is wanted. A chunk is published once, while others read. It is given back, and the table of chunks made larger, only with the pages held exclusively.
//! 2. Word 0 of a page is its version (`optimistic`), which goes on counting when the page is freed and taken again.
//! 3. Word 1 of a free page is zero; whoever takes a page sets it to something else. `Pages::page` of a number
//!    that was never taken, or whose chunk was given back, is a page of zeros.
//! 4. One chunk without used pages is kept lest a store that sits on the edge of a chunk asks the allocator for
//!    memory with each change; what is empty beyond that is `Arena::surplus` until the owner can give it back.
//! 5. Two chunks that came together go together: of one whose other is in use the memory is spare, counted (`Arena::memory`), zeros, and the next to be used.
//!
//! Locking: none; the owner's. What takes `&Pages` may run beside readers, what takes `&mut Pages` may not.

use super::optimistic::{self, Seen};
use super::saved::SavedPages;
use crate::util::page::{HALF, PageRun};
pub(crate) use crate::util::page::{PAGE_SIZE, Page, WORDS};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Pages of a chunk.
pub(crate) const CHUNK_PAGES: usize = 256;
/// Most chunks: beyond, pages would have no number.
const MOST_CHUNKS: usize = NO_PAGE as usize / CHUNK_PAGES;
/// Bytes of a chunk.
const CHUNK_BYTES: usize = CHUNK_PAGES * PAGE_SIZE;
/// Chunks from which on new ones are halves of huge pages: of a large arena that is read at random, each page is a walk of the page table else.
const LARGE: u32 = if cfg!(test) { 2 } else { 8 };
/// Most threads that fetch saved pages together.
const MOST_FETCHERS: usize = 4;
/// Number of no page.
pub(crate) const NO_PAGE: u32 = u32::MAX;
/// The word that is zero in a free page.
pub(crate) const KIND: usize = 1;
/// A free page's successor in its chunk's list.
const NEXT_FREE: usize = 2;

static ABSENT: Page = Page::new();

impl Page {
    /// Begins a look, see [`optimistic::enter`].
    #[inline]
    pub(crate) fn enter(&self) -> Seen {
        optimistic::enter_waiting(self.place(0))
    }

    /// Whether what was read since [`Page::enter`] belongs together.
    #[inline]
    pub(crate) fn valid(&self, seen: Seen) -> bool {
        optimistic::valid(self.place(0), seen)
    }

    /// Begins a change; `false` if it has begun already.
    #[inline]
    pub(crate) fn lock(&self) -> bool {
        optimistic::lock(self.place(0))
    }

    /// Ends a change.
    #[inline]
    pub(crate) fn unlock(&self) {
        optimistic::unlock(self.place(0));
    }

    /// Whether a change has begun and not ended.
    #[cfg(test)]
    pub(crate) fn is_locked(&self) -> bool {
        self.word(0) & 1 == 1
    }
}

/// A run of pages with consecutive numbers.
type Chunk = PageRun;

/// The memory.
#[derive(Default)]
pub(crate) struct Pages {
    chunks: Vec<OnceLock<Chunk>>,
    /// See [`Pages::end`].
    end: AtomicU32,
    /// Chunks that are not there may come from here.
    saved: Option<Box<SavedPages>>,
}

impl Pages {
    /// The page of this number.
    #[inline]
    pub(crate) fn page(&self, no: u32) -> &Page {
        let (chunk, index) = split(no);
        match self.chunks.get(chunk).and_then(OnceLock::get).and_then(|pages| pages.get(index)) {
            Some(page) => page,
            None => self.absent(chunk, index),
        }
    }

    /// A page whose chunk is not there: it is fetched, if it was saved.
    #[cold]
    fn absent(&self, chunk: usize, index: usize) -> &Page {
        let (Some(saved), Some(slot)) = (&self.saved, self.chunks.get(chunk)) else { return &ABSENT };
        if !saved.is_trusted()
            && let Some(run) = saved.fetch(chunk)
        {
            // Another reader may have been faster.
            let _ = slot.set(run);
        }
        slot.get().and_then(|pages| pages.get(index)).unwrap_or(&ABSENT)
    }

    /// Pages as they were saved.
    pub(crate) fn resume(saved: SavedPages) -> Pages {
        let end = saved.end();
        let chunks = (end as usize).div_ceil(CHUNK_PAGES) + 1;
        let mut table = Vec::new();
        table.resize_with(chunks, OnceLock::new);
        Pages { chunks: table, end: AtomicU32::new(end), saved: Some(Box::new(saved)) }
    }

    /// Fetches all chunks of what was saved, with several threads where that is worth it; false if not all are there, or it was told to stop.
    pub(crate) fn fetch_all(&self, stop: &AtomicBool) -> bool {
        let chunks = (self.end() as usize).div_ceil(CHUNK_PAGES);
        let (next, is_missing) = (AtomicUsize::new(0), AtomicBool::new(false));
        let fetch = || {
            while !stop.load(Ordering::Relaxed) && !is_missing.load(Ordering::Relaxed) {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= chunks {
                    break;
                }
                self.page((chunk * CHUNK_PAGES) as u32);
                if self.chunks.get(chunk).is_none_or(|slot| slot.get().is_none()) {
                    is_missing.store(true, Ordering::Relaxed);
                }
            }
        };
        let threads = self.saved().map_or(1, SavedPages::threads).min(MOST_FETCHERS).min(chunks);
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Without a thread the others have more to do.
                let _ = std::thread::Builder::new().name("bitcask-verify".into()).spawn_scoped(scope, fetch);
            }
            fetch();
        });
        !stop.load(Ordering::Relaxed) && !is_missing.load(Ordering::Relaxed)
    }

    /// What they were saved as, if they were.
    #[inline]
    pub(crate) fn saved(&self) -> Option<&SavedPages> {
        self.saved.as_deref()
    }

    /// Saved pages about which not all is known yet: no look at them may go where it was before.
    #[inline]
    pub(crate) fn is_untrusted(&self) -> bool {
        self.saved.as_ref().is_some_and(|saved| !saved.is_trusted())
    }

    /// Bytes allocated. Mapped pages that were not changed are the file's.
    pub(crate) fn memory(&self) -> u64 {
        let own = self.chunks.iter().filter(|chunk| chunk.get().is_some_and(|run| !run.is_mapped())).count();
        let saved = self.saved().map_or(0, |saved| saved.private_pages() * PAGE_SIZE as u64 + saved.memory());
        (own * CHUNK_BYTES + self.chunks.capacity() * size_of::<OnceLock<Chunk>>()) as u64 + saved
    }

    /// Told before a page is changed.
    #[inline]
    pub(crate) fn touch(&self, no: u32) {
        if let Some(saved) = &self.saved {
            saved.touch(no);
        }
    }

    /// All pages taken have numbers below this.
    pub(crate) fn end(&self) -> u32 {
        self.end.load(Ordering::Relaxed)
    }
}

/// What the writer knows of a chunk.
#[derive(Clone, Copy)]
struct Use {
    /// First of its free pages, as an index into the chunk; each names the next.
    free: u32,
    /// Pages from here on were never used.
    fresh: u32,
    used: u32,
    /// Its memory is there.
    present: bool,
}

const ABSENT_CHUNK: Use = Use { free: NO_PAGE, fresh: 0, used: 0, present: false };

/// Which pages are free.
#[derive(Default)]
pub(crate) struct Arena {
    /// As many as the table of chunks is long.
    chunks: Vec<Use>,
    /// One bit a chunk: it is present and has a free page. The lowest is filled first, so that high ones fall empty.
    room: Vec<u64>,
    present: u32,
    /// Present chunks without used pages.
    empty: u32,
    used: u32,
    /// Halves of huge pages of which the others are in use, for the next chunks.
    spare: Vec<Chunk>,
}

const _: () = assert!(HALF == CHUNK_PAGES, "a chunk is half a huge page");

impl Arena {
    /// Which of saved pages are free. REQUIRES: they are all there, and nobody has changed any.
    pub(crate) fn resume(memory: &Pages) -> Arena {
        let (len, end) = (memory.chunks.len(), memory.end() as usize);
        let mut arena = Arena { chunks: vec![ABSENT_CHUNK; len], room: vec![0; len.div_ceil(64)], ..Arena::default() };
        for chunk in 0..end.div_ceil(CHUNK_PAGES) {
            let base = chunk * CHUNK_PAGES;
            let fresh = CHUNK_PAGES.min(end - base);
            let mut own = Use { present: true, fresh: fresh as u32, ..ABSENT_CHUNK };
            for index in (0..fresh).rev() {
                let page = memory.page((base + index) as u32);
                if page.word(KIND) != 0 {
                    own.used += 1;
                } else {
                    memory.touch((base + index) as u32);
                    page.set_word(NEXT_FREE, own.free);
                    own.free = index as u32;
                }
            }
            arena.present += 1;
            arena.empty += u32::from(own.used == 0);
            arena.used += own.used;
            if (own.used as usize) < CHUNK_PAGES {
                arena.room[chunk / 64] |= 1 << (chunk % 64);
            }
            arena.chunks[chunk] = own;
        }
        arena
    }

    /// Whether `pages` more can be taken beside readers; else [`Arena::grow_table`] first.
    #[inline]
    pub(crate) fn is_ready(&self, pages: u32) -> bool {
        let free = self.present * CHUNK_PAGES as u32 - self.used;
        free >= pages || (self.present as usize) < self.chunks.len()
    }

    /// Makes the table of chunks long enough for `pages` more, unless it is.
    pub(crate) fn grow_table(&mut self, memory: &mut Pages, pages: u64) {
        let wanted = (u64::from(self.used) + pages).div_ceil(CHUNK_PAGES as u64) as usize + 1;
        if wanted <= self.chunks.len() {
            return;
        }
        let len = wanted.max(self.chunks.len() * 2).clamp(8, MOST_CHUNKS);
        memory.chunks.reserve_exact(len - memory.chunks.len());
        memory.chunks.resize_with(len, OnceLock::new);
        self.chunks.reserve_exact(len - self.chunks.len());
        self.chunks.resize(len, ABSENT_CHUNK);
        self.room.resize(len.div_ceil(64), 0);
    }

    /// Takes a page, whose words are whatever they were.
    ///
    /// REQUIRES: `is_ready`.
    pub(crate) fn alloc(&mut self, memory: &Pages) -> u32 {
        let chunk = self.chunk_with_room(memory);
        let c = &mut self.chunks[chunk];
        let base = (chunk * CHUNK_PAGES) as u32;
        let index = if c.free == NO_PAGE {
            c.fresh += 1;
            c.fresh - 1
        } else {
            let index = c.free;
            c.free = memory.page(base + index).word(NEXT_FREE);
            index
        };
        self.empty -= u32::from(c.used == 0);
        c.used += 1;
        if c.used as usize == CHUNK_PAGES {
            self.room[chunk / 64] &= !(1 << (chunk % 64));
        }
        self.used += 1;
        let no = base + index;
        if no >= memory.end() {
            memory.end.store(no + 1, Ordering::Relaxed);
        }
        no
    }

    /// Gives a page back.
    ///
    /// REQUIRES: it is taken, and locked if readers may be on their way to it.
    pub(crate) fn free(&mut self, memory: &Pages, no: u32) {
        let (chunk, index) = split(no);
        let page = memory.page(no);
        let c = &mut self.chunks[chunk];
        debug_assert!(c.used > 0 && page.word(KIND) != 0, "page {no} freed twice");
        page.set_word(KIND, 0);
        page.set_word(NEXT_FREE, c.free);
        c.free = index as u32;
        c.used -= 1;
        self.empty += u32::from(c.used == 0);
        self.used -= 1;
        self.room[chunk / 64] |= 1 << (chunk % 64);
    }

    /// Chunks that [`Arena::give_back`] would free.
    #[inline]
    pub(crate) fn surplus(&self) -> u32 {
        self.empty.saturating_sub(1)
    }

    /// Chunks that have used pages.
    pub(crate) fn in_use(&self) -> u32 {
        self.present - self.empty
    }

    /// Frees the memory of all empty chunks but one.
    pub(crate) fn give_back(&mut self, memory: &mut Pages) {
        // What follows goes through all chunks.
        if self.surplus() == 0 && self.used > 0 {
            return;
        }
        // The lowest is kept: it is the next to be filled.
        let empty = self.chunks.iter_mut().enumerate().filter(|(_, c)| c.present && c.used == 0).skip(1);
        for (chunk, c) in empty {
            if let Some(run) = memory.chunks[chunk].take().filter(PageRun::is_half) {
                match self.spare.iter().position(|other| other.holds_with(&run)) {
                    Some(other) => drop((self.spare.swap_remove(other), run)),
                    None => {
                        run.clear();
                        self.spare.push(run);
                    }
                }
            }
            *c = ABSENT_CHUNK;
            self.room[chunk / 64] &= !(1 << (chunk % 64));
            (self.present, self.empty) = (self.present - 1, self.empty - 1);
        }
        let last = self.chunks.iter().rposition(|c| c.used > 0);
        *memory.end.get_mut() = last.map_or(0, |chunk| (chunk * CHUNK_PAGES) as u32 + self.chunks[chunk].fresh);
    }

    /// Whether `pages` more can be taken before the numbers run out (at 16 TiB).
    pub(crate) fn has_room(&self, pages: u64) -> bool {
        u64::from(self.used) + pages < u64::from(NO_PAGE) - CHUNK_PAGES as u64
    }

    /// Number of pages taken.
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// Bytes allocated, without the pages that have numbers, but with spare ones.
    pub(crate) fn memory(&self) -> u64 {
        let spare = self.spare.capacity() * size_of::<Chunk>() + self.spare.len() * CHUNK_BYTES;
        (self.chunks.capacity() * size_of::<Use>() + self.room.capacity() * 8 + spare) as u64
    }

    fn new_chunk(&mut self) -> Chunk {
        if let Some(chunk) = self.spare.pop() {
            return chunk;
        }
        let halves = if self.present < LARGE { None } else { PageRun::halves() };
        // Where there is no room for two of them there may be for one.
        let Some([chunk, spare]) = halves else { return PageRun::zeroed(CHUNK_PAGES) };
        self.spare.push(spare);
        chunk
    }

    fn chunk_with_room(&mut self, memory: &Pages) -> usize {
        if let Some(word) = self.room.iter().position(|w| *w != 0) {
            return word * 64 + self.room[word].trailing_zeros() as usize;
        }
        let absent = self.chunks.iter().position(|c| !c.present);
        debug_assert!(absent.is_some(), "is_ready was not asked");
        let chunk = absent.unwrap_or(0);
        memory.chunks[chunk].get_or_init(|| self.new_chunk());
        self.chunks[chunk] = Use { present: true, ..ABSENT_CHUNK };
        (self.present, self.empty) = (self.present + 1, self.empty + 1);
        self.room[chunk / 64] |= 1 << (chunk % 64);
        chunk
    }
}

fn split(no: u32) -> (usize, usize) {
    (no as usize / CHUNK_PAGES, no as usize % CHUNK_PAGES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::huge::tests::DENIED;

    /// Takes all pages of so many chunks more, and writes to each.
    fn fill(arena: &mut Arena, memory: &mut Pages, chunks: usize) {
        for _ in 0..chunks * CHUNK_PAGES {
            if !arena.is_ready(1) {
                arena.grow_table(memory, 1);
            }
            let no = arena.alloc(memory);
            let page = memory.page(no);
            assert!((0..WORDS).all(|at| at == NEXT_FREE || page.word(at) == 0), "page {no} is used");
            page.set_word(KIND, 1);
            (KIND + 1..WORDS).for_each(|at| page.set_word(at, no));
        }
    }

    fn empty(arena: &mut Arena, memory: &Pages, chunk: usize) {
        (0..CHUNK_PAGES).for_each(|index| arena.free(memory, (chunk * CHUNK_PAGES + index) as u32));
    }

    /// Chunks' worth of memory, with or without numbers.
    fn chunks(arena: &Arena, memory: &Pages) -> usize {
        ((arena.memory() + memory.memory()) / CHUNK_BYTES as u64) as usize
    }

    fn check(memory: &Pages, chunks: &[usize]) {
        for no in chunks.iter().flat_map(|chunk| chunk * CHUNK_PAGES..(chunk + 1) * CHUNK_PAGES) {
            assert!((KIND + 1..WORDS).all(|at| memory.page(no as u32).word(at) == no as u32), "page {no}");
        }
    }

    /// Of a large arena memory comes two chunks at once, stays as long as one of them is used, is counted as long, and is used before other.
    #[test]
    fn halves_of_huge_pages_are_counted_and_used_again() {
        let (mut arena, mut memory) = (Arena::default(), Pages::default());
        fill(&mut arena, &mut memory, 2);
        assert_eq!(chunks(&arena, &memory), 2, "a small one has no spare");
        fill(&mut arena, &mut memory, 1);
        assert_eq!((chunks(&arena, &memory), arena.spare.len()), (4, 1));
        fill(&mut arena, &mut memory, 1);
        assert_eq!((chunks(&arena, &memory), arena.spare.len()), (4, 0), "the spare one is used");
        fill(&mut arena, &mut memory, 4);
        assert_eq!((chunks(&arena, &memory), arena.spare.len()), (8, 0));
        // The first is kept as it is; of the others the second's memory goes, and that of the third and the fifth is half a huge page each.
        [0, 1, 3, 5].into_iter().for_each(|chunk| empty(&mut arena, &memory, chunk));
        assert_eq!(arena.surplus(), 3);
        arena.give_back(&mut memory);
        assert_eq!((chunks(&arena, &memory), arena.spare.len(), arena.surplus()), (7, 2, 0));
        check(&memory, &[2, 4, 6, 7]);
        assert_eq!(memory.page(3 * CHUNK_PAGES as u32).word(9), 0, "given back");
        // The other half of one goes, and so does the huge page; and that of the other is used again.
        empty(&mut arena, &memory, 4);
        arena.give_back(&mut memory);
        assert_eq!((chunks(&arena, &memory), arena.spare.len()), (5, 1));
        let kept = (0..CHUNK_PAGES as u32).map(|no| memory.page(no));
        kept.for_each(|page| {
            (0..WORDS).for_each(|at| {
                if at != NEXT_FREE {
                    page.set_word(at, 0)
                }
            })
        });
        fill(&mut arena, &mut memory, 2);
        assert_eq!((chunks(&arena, &memory), arena.spare.len(), arena.in_use()), (5, 0, 5));
        check(&memory, &[0, 1, 2, 6, 7]);
        // Nearly all goes: what is left is small, with the spare half of the one chunk's huge page.
        [0, 1, 6, 7].into_iter().for_each(|chunk| empty(&mut arena, &memory, chunk));
        arena.give_back(&mut memory);
        assert_eq!((arena.present, arena.spare.len(), chunks(&arena, &memory)), (2, 1, 3));
        check(&memory, &[2]);
        empty(&mut arena, &memory, 2);
        arena.give_back(&mut memory);
        assert_eq!((arena.spare.len(), chunks(&arena, &memory), memory.end()), (0, 1, 0));
    }

    #[test]
    fn a_large_arena_does_without_huge_pages() {
        let (mut arena, mut memory) = (Arena::default(), Pages::default());
        DENIED.set(true);
        fill(&mut arena, &mut memory, 5);
        DENIED.set(false);
        assert_eq!((chunks(&arena, &memory), arena.spare.len()), (5, 0));
        fill(&mut arena, &mut memory, 1);
        assert_eq!((chunks(&arena, &memory), arena.spare.len()), (7, 1));
        check(&memory, &[0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn pages_are_reused_and_chunks_given_back() {
        let (mut arena, mut memory) = (Arena::default(), Pages::default());
        for round in 0..3 {
            let mut taken: Vec<u32> = (0..1000)
                .map(|i: u32| {
                    if !arena.is_ready(1) {
                        arena.grow_table(&mut memory, 1);
                    }
                    let no = arena.alloc(&memory);
                    memory.page(no).set_word(KIND, 1);
                    memory.page(no).set_word(100, i);
                    no
                })
                .collect();
            for (i, no) in taken.iter().enumerate() {
                assert_eq!(memory.page(*no).word(100), i as u32);
            }
            assert_eq!((arena.used(), memory.end()), (1000, 1000));
            assert!(arena.memory() + memory.memory() < 5 << 20);
            taken.sort_unstable();
            taken.dedup();
            assert_eq!(taken.len(), 1000);
            if round == 1 {
                taken.reverse();
            }
            for no in taken {
                arena.free(&memory, no);
                assert_eq!(memory.page(no).word(KIND), 0);
            }
            assert_eq!((arena.used(), arena.surplus(), arena.in_use()), (0, 3, 0));
            arena.give_back(&mut memory);
            assert_eq!((arena.surplus(), memory.end()), (0, 0));
            let bytes = arena.memory() + memory.memory();
            assert!(bytes < (1 << 20) + 4096, "one spare chunk is kept: {bytes}");
            assert_eq!(memory.page(999).word(100), 0, "given back");
        }
    }
}
