//! Which words are free: the writer's book of the arena.
//!
//! Blocks of up to 34 words are of exactly the words asked for, longer ones of up to an eighth more. Free blocks are in a
//! list for each size and chunk, threaded through their first words; a size's bit set names the chunks that have one, and the
//! lowest is filled first, so that high ones fall empty. What fits in no free block of its size comes from the unused end
//! of the current chunk, else from an empty chunk, else it is cut from a larger free block.
//!
//! Nodes that every search comes through, the high ones, have chunks of their own once there are some: a search then
//! stays in few pages of the machine until its last steps. They are the other of two [`Side`]s, which share nothing but the
//! empty chunks.
//!
//! Invariants:
//! 1. Every word of a chunk is in a block in use, in a free block, behind `fresh`, or in a remainder too small for any
//!    node. `used` counts those of the first sort.
//! 2. A chunk whose last block is freed is as new: no free block is in any list. Remainders are whole again.
//! 3. Chunks in `empties` have memory and no block in use.
//!
//! Locking: the writer's.

use super::arena::{Arena, CHUNK_WORDS, Word};
use super::node::HEAD;

/// Words of the smallest node.
const MIN_WORDS: u32 = 3;
/// Classes of exactly one size.
const EXACT: u32 = 32;
const CLASSES: usize = 97;
/// Words of the largest block; a node of the longest key and all links is smaller.
const MAX_WORDS: u32 = words_of(CLASSES as u32 - 1);
/// Words of the smallest first chunk.
const FIRST_WORDS: u32 = 512;
/// Chunks that there are numbers for.
const MAX_CHUNKS: u64 = 1 << (32 - CHUNK_WORDS.trailing_zeros());
/// Chunks from which on high nodes get their own: a chunk more or less is little then.
pub(super) const SEPARATE: usize = 16;
/// End of a list of free blocks. No block begins at the last word of a chunk.
const NO_BLOCK: u16 = u16::MAX;

/// Class of a block that holds so many words.
fn class_of(words: u32) -> u32 {
    if words < MIN_WORDS + EXACT {
        return words.saturating_sub(MIN_WORDS);
    }
    let top = (words - 1).ilog2();
    EXACT + (top - 5) * 8 + ((words - 1) >> (top - 3)) - 8
}

/// Words of a block of a class.
const fn words_of(class: u32) -> u32 {
    if class < EXACT {
        return class + MIN_WORDS;
    }
    let class = class - EXACT;
    (class % 8 + 9) << (2 + class / 8)
}

/// Words that a block for so many really has.
pub(super) fn block_words(words: u32) -> u32 {
    words_of(class_of(words))
}

/// What is known of a chunk.
#[derive(Clone)]
struct Book {
    /// Its words; 0 if it has no memory.
    len: u32,
    /// Words from here on were never in a block.
    fresh: u32,
    used: u32,
    side: u8,
    /// First free block of each class, as an offset.
    free: [u16; CLASSES],
}

impl Book {
    fn new(len: u32, side: usize) -> Book {
        // Number 0 is no node's. In other chunks the first word may well be used, which isn't worth a case of its own.
        Book { len, fresh: 1, used: 0, side: side as u8, free: [NO_BLOCK; CLASSES] }
    }
}

/// The chunks of low nodes, or of high ones.
#[derive(Default)]
struct Side {
    /// By class: chunks with a free block.
    rooms: Vec<Vec<u64>>,
    /// Classes whose bit sets aren't empty.
    classes: u128,
    /// The chunk that isn't full yet.
    current: Option<u32>,
}

/// See the module.
pub(super) struct Alloc {
    books: Vec<Book>,
    sides: [Side; 2],
    empties: Vec<u32>,
    /// Chunks without memory.
    absent: Vec<u32>,
}

impl Alloc {
    pub(super) fn new() -> Alloc {
        let (books, empties, absent) = (Vec::new(), Vec::new(), Vec::new());
        Alloc { books, sides: Default::default(), empties, absent }
    }

    /// Whether blocks of so many words in all can be numbered, in whatever order they come.
    pub(super) fn can_number(&self, words: u64) -> bool {
        let more = words / u64::from(CHUNK_WORDS - MAX_WORDS) + 2;
        (self.books.len() - self.absent.len()) as u64 + more <= MAX_CHUNKS
    }

    /// Whether `alloc` of so many words succeeds.
    pub(super) fn has_room(&self, words: u32, high: bool) -> bool {
        let (class, side) = (class_of(words), self.side(high));
        !self.empties.is_empty() || self.sides[side].classes >> class != 0 || self.fits(side, words_of(class)).is_some()
    }

    /// Takes a block and returns the number of its first word.
    pub(super) fn alloc<W: Word>(&mut self, arena: &Arena<W>, words: u32, high: bool) -> Option<u32> {
        let (class, side) = (class_of(words), self.side(high));
        let words = words_of(class);
        let listed = self.sides[side].classes >> class;
        let block = if listed & 1 != 0 {
            self.pop(arena, side, class)?
        } else if let Some(current) = self.fits(side, words) {
            self.cut(current, words)
        } else if let Some(empty) = self.empties.pop() {
            self.open(arena, side, empty);
            self.cut(empty, words)
        } else {
            let larger = (listed != 0).then(|| class + listed.trailing_zeros())?;
            let block = self.pop(arena, side, larger)?;
            self.spare(arena, block + words, words_of(larger) - words);
            block
        };
        self.books[(block / CHUNK_WORDS) as usize].used += words;
        Some(block)
    }

    /// Gives a block back.
    pub(super) fn free<W: Word>(&mut self, arena: &Arena<W>, block: u32, words: u32) {
        let class = class_of(words);
        let index = block / CHUNK_WORDS;
        let book = &mut self.books[index as usize];
        book.used -= words_of(class);
        if book.used > 0 {
            self.push(arena, block, class);
            return;
        }
        let side = usize::from(book.side);
        let listed: Vec<u32> = (0..CLASSES as u32).filter(|&c| book.free[c as usize] != NO_BLOCK).collect();
        *book = Book::new(book.len, side);
        listed.into_iter().for_each(|class| self.set_room(side, index, class, false));
        if self.sides[side].current != Some(index) {
            self.empties.push(index);
        }
    }

    /// Which chunk to make, and of how many words, so that a block of `words` fits.
    pub(super) fn next_chunk(&self, words: u32) -> (u32, u32) {
        let words = words_of(class_of(words));
        match self.books.as_slice() {
            [] => (0, FIRST_WORDS.max((HEAD + 1 + words).next_power_of_two())),
            [only] if only.len < CHUNK_WORDS => {
                (0, (only.len * 2).max((only.fresh + words).next_power_of_two()).min(CHUNK_WORDS))
            }
            books => (self.absent.last().copied().unwrap_or(books.len() as u32), CHUNK_WORDS),
        }
    }

    /// Notes that `next_chunk` was installed.
    pub(super) fn add_chunk<W: Word>(&mut self, arena: &Arena<W>, index: u32, len: u32, high: bool) {
        // The side that `alloc` will look at, which counts this chunk.
        let side = side_of(high, self.books.len().max(index as usize + 1));
        match self.books.get_mut(index as usize) {
            Some(book) if book.len > 0 => book.len = len,
            Some(book) => {
                *book = Book::new(len, side);
                self.absent.pop();
                self.open(arena, side, index);
            }
            None => {
                self.books.push(Book::new(len, side));
                if index == 0 {
                    (self.books[0].fresh, self.books[0].used) = (HEAD + 1, HEAD);
                }
                self.open(arena, side, index);
            }
        }
    }

    /// A chunk whose memory can be taken away: one that is empty is kept lest a store that sits on the edge of a chunk asks for
    /// memory again and again.
    pub(super) fn surplus(&mut self) -> Option<u32> {
        if self.empties.len() < 2 {
            return None;
        }
        let index = self.empties.pop()?;
        self.books[index as usize].len = 0;
        self.absent.push(index);
        Some(index)
    }

    /// Whether there is a surplus.
    pub(super) fn has_surplus(&self) -> bool {
        self.empties.len() > 1
    }

    /// Whether there is more memory than what an index takes with its first key, short keys provided.
    pub(super) fn is_large(&self) -> bool {
        self.books.first().is_some_and(|book| book.len > FIRST_WORDS)
    }

    /// Bytes allocated for the book itself.
    pub(super) fn memory(&self) -> usize {
        let bits: usize = self.sides.iter().flat_map(|side| &side.rooms).map(|r| r.capacity() * 8).sum();
        let rooms: usize = self.sides.iter().map(|side| side.rooms.capacity() * size_of::<Vec<u64>>()).sum();
        let lists = (self.empties.capacity() + self.absent.capacity()) * size_of::<u32>();
        self.books.capacity() * size_of::<Book>() + bits + rooms + lists
    }

    fn side(&self, high: bool) -> usize {
        side_of(high, self.books.len())
    }

    /// The current chunk of a side, if it has so many words left.
    fn fits(&self, side: usize, words: u32) -> Option<u32> {
        let current = self.sides[side].current?;
        let book = self.books.get(current as usize)?;
        (book.len - book.fresh >= words).then_some(current)
    }

    /// The next fresh words of a chunk.
    ///
    /// REQUIRES: it has so many.
    fn cut(&mut self, index: u32, words: u32) -> u32 {
        let book = &mut self.books[index as usize];
        book.fresh += words;
        index * CHUNK_WORDS + book.fresh - words
    }

    /// Makes a chunk without blocks the current one, and lists what is left of the former.
    fn open<W: Word>(&mut self, arena: &Arena<W>, side: usize, index: u32) {
        self.books[index as usize].side = side as u8;
        let Some(former) = self.sides[side].current.replace(index) else { return };
        let book = &mut self.books[former as usize];
        let fresh = std::mem::replace(&mut book.fresh, book.len);
        let left = book.len - fresh;
        if book.used == 0 {
            *book = Book::new(book.len, side);
            self.empties.push(former);
        } else {
            self.spare(arena, former * CHUNK_WORDS + fresh, left);
        }
    }

    /// Lists words that aren't in use, in as few blocks as there can be.
    fn spare<W: Word>(&mut self, arena: &Arena<W>, mut block: u32, mut words: u32) {
        while words >= MIN_WORDS {
            let class = class_of(words.min(MAX_WORDS));
            let class = if words_of(class) > words { class - 1 } else { class };
            self.push(arena, block, class);
            block += words_of(class);
            words -= words_of(class);
        }
    }

    fn push<W: Word>(&mut self, arena: &Arena<W>, block: u32, class: u32) {
        let index = block / CHUNK_WORDS;
        let book = &mut self.books[index as usize];
        let first = std::mem::replace(&mut book.free[class as usize], (block % CHUNK_WORDS) as u16);
        arena.word(block).put(u64::from(first));
        if first == NO_BLOCK {
            let side = usize::from(book.side);
            self.set_room(side, index, class, true);
        }
    }

    /// REQUIRES: the side has a free block of the class.
    fn pop<W: Word>(&mut self, arena: &Arena<W>, side: usize, class: u32) -> Option<u32> {
        let rooms = self.sides[side].rooms.get(class as usize)?;
        let word = rooms.iter().position(|w| *w != 0)?;
        let index = word as u32 * 64 + rooms[word].trailing_zeros();
        let first = &mut self.books[index as usize].free[class as usize];
        let block = index * CHUNK_WORDS + u32::from(*first);
        *first = arena.word(block).peek() as u16;
        if *first == NO_BLOCK {
            self.set_room(side, index, class, false);
        }
        Some(block)
    }

    fn set_room(&mut self, side: usize, index: u32, class: u32, room: bool) {
        let side = &mut self.sides[side];
        if side.rooms.is_empty() {
            side.rooms.resize(CLASSES, Vec::new());
        }
        let rooms = &mut side.rooms[class as usize];
        if rooms.len() <= index as usize / 64 {
            rooms.resize(index as usize / 64 + 1, 0);
        }
        let bit = 1 << (index % 64);
        let word = &mut rooms[index as usize / 64];
        *word = if room { *word | bit } else { *word & !bit };
        let any = rooms.iter().any(|w| *w != 0);
        let bit = 1 << class;
        side.classes = if any { side.classes | bit } else { side.classes & !bit };
    }
}

/// Where nodes of this height live when there are so many chunks.
fn side_of(high: bool, chunks: usize) -> usize {
    usize::from(high && chunks >= SEPARATE)
}

#[cfg(test)]
impl Alloc {
    /// Panics if the book is wrong, given all blocks in use: number and words.
    pub(super) fn check<W: Word>(&self, arena: &Arena<W>, blocks: &std::collections::BTreeMap<u32, u32>) {
        assert_eq!(self.books.len(), arena.chunks() as usize, "chunks");
        for (index, book) in (0..).zip(&self.books) {
            let base = index * CHUNK_WORDS;
            assert_eq!(book.len as usize, arena.words_from(base).len(), "words of chunk {index}");
            assert_eq!(book.len == 0, self.absent.contains(&index), "absence of chunk {index}");
            let mut all: Vec<(u32, u32)> =
                blocks.range(base..=base + (CHUNK_WORDS - 1)).map(|(block, words)| (block - base, *words)).collect();
            assert_eq!(book.used, all.iter().map(|(_, words)| words).sum::<u32>(), "used words of chunk {index}");
            let side = &self.sides[usize::from(book.side)];
            let empty = book.len > 0 && book.used == 0 && side.current != Some(index);
            assert_eq!(empty, self.empties.contains(&index), "emptiness of chunk {index}");
            for (class, first) in (0..).zip(book.free) {
                let room =
                    side.rooms.get(class as usize).and_then(|r| r.get(index as usize / 64)).copied().unwrap_or(0);
                assert_eq!(room >> (index % 64) & 1 == 1, first != NO_BLOCK, "room of chunk {index} class {class}");
                let mut block = first;
                while block != NO_BLOCK {
                    all.push((block.into(), words_of(class)));
                    block = arena.word(base + u32::from(block)).peek() as u16;
                }
            }
            all.sort_unstable();
            let mut end = 0;
            for (block, words) in all {
                assert!(block >= end, "blocks overlap in chunk {index}");
                end = block + words;
            }
            assert!(end <= if book.len == 0 { 0 } else { book.fresh }, "end of chunk {index}");
        }
        for side in &self.sides {
            for (class, rooms) in side.rooms.iter().enumerate() {
                assert_eq!(side.classes >> class & 1 == 1, rooms.iter().any(|w| *w != 0), "class {class}");
            }
        }
    }
}
