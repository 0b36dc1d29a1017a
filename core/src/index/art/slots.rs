//! Which slots of the [`Store`] are free: the writer's book.
//!
//! A slot that readers may still be looking at is retired first and freed after a grace period. Free slots of a
//! chunk are linked by their first words.
//!
//! Invariants:
//! 1. `partial` of a class are its chunks with free slots, by descending number: the lowest is filled first, so that
//!    high ones fall empty.
//! 2. A chunk without used slots is given back, except one in each class that has used ones, lest a class on the
//!    edge of a chunk asks the allocator for memory with each change.
//! 3. A class's new chunk has a quarter of the slots that it has already, so that little is lost at any size.
//!
//! Locking: none; the writer's.

use super::class::{Class, Kind};
use super::store::{CHUNK_WORDS, CHUNKS, NONE, Store, Word};

/// More retired words or slots than this are worth a grace period.
const MANY_RETIRED: usize = 1024;
const MANY_RETIRED_WORDS: usize = 16 << 10;

/// The class that has too few free slots for a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need(pub(super) Class);

/// The writer's side of a chunk.
#[derive(Clone, Default)]
struct Chunk {
    class: Option<Class>,
    /// Number of its first free slot, [`NONE`] if there is none. Each names the next in its first word.
    free: u32,
    /// Slots from here on were never used.
    fresh: u32,
    used: u32,
    slots: u32,
}

/// The slots of one class.
#[derive(Clone, Default)]
struct Slab {
    partial: Vec<u32>,
    /// Chunks, and their slots.
    chunks: u32,
    slots: u32,
    used: u32,
    /// The chunk without used slots that is kept, if one is.
    empty: Option<u32>,
}

/// See the file.
pub(super) struct Slots {
    chunks: Vec<Chunk>,
    /// Numbers of missing chunks.
    absent: Vec<u32>,
    slabs: Box<[Slab]>,
    retired: Vec<u32>,
    retired_words: usize,
    /// Chunks to be given back when no reader is inside.
    emptied: Vec<u32>,
    /// Chunks' numbers are below this; less than [`CHUNKS`] in tests.
    limit: u32,
    /// No reader is inside: what is retired is free at once.
    pub(super) alone: bool,
}

impl Slots {
    pub(super) fn new(limit: u32) -> Slots {
        Slots {
            // The store's chunk 0.
            chunks: vec![Chunk::default()],
            absent: Vec::new(),
            slabs: vec![Slab::default(); Class::COUNT].into(),
            retired: Vec::new(),
            retired_words: 0,
            emptied: Vec::new(),
            limit: limit.min(CHUNKS),
            alone: false,
        }
    }

    /// Sees to it that so many slots can be allocated, one of each class named.
    pub(super) fn reserve(&self, classes: &[Option<Class>]) -> Result<(), Need> {
        for (i, class) in classes.iter().enumerate() {
            let wanted = classes[..=i].iter().filter(|c| *c == class).count() as u32;
            let Some(class) = class else { continue };
            let slab = &self.slabs[class.index()];
            if slab.slots - slab.used < wanted {
                return Err(Need(*class));
            }
        }
        Ok(())
    }

    /// Takes a slot, whose words are whatever they were.
    ///
    /// REQUIRES: it was reserved.
    pub(super) fn alloc<W: Word>(&mut self, store: &Store<W>, class: Class) -> u32 {
        let slab = &mut self.slabs[class.index()];
        let Some(&number) = slab.partial.last() else {
            debug_assert!(false, "{class:?} was not reserved");
            return NONE;
        };
        if slab.empty == Some(number) {
            slab.empty = None;
        }
        slab.used += 1;
        let chunk = &mut self.chunks[number as usize];
        chunk.used += 1;
        if chunk.used == chunk.slots {
            slab.partial.pop();
        }
        if chunk.free == NONE {
            chunk.fresh += 1;
            return store.number(number, chunk.fresh as usize - 1);
        }
        let no = chunk.free;
        chunk.free = store.slot(no).word(0).load_relaxed() as u32;
        no
    }

    /// Gives up a slot that readers may be looking at and that no new reader will find.
    pub(super) fn retire<W: Word>(&mut self, store: &Store<W>, no: u32) {
        let at = store.slot(no);
        if at.kind == Kind::Leaf {
            store.mark(no, false);
        }
        if self.alone {
            self.free(store, no);
        } else {
            self.retired_words += at.words;
            self.retired.push(no);
        }
    }

    /// Whether it is time for a grace period.
    pub(super) fn many_retired(&self) -> bool {
        self.retired.len() >= MANY_RETIRED || self.retired_words >= MANY_RETIRED_WORDS
    }

    pub(super) fn any_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Whether chunks wait to be given back.
    pub(super) fn any_emptied(&self) -> bool {
        !self.emptied.is_empty()
    }

    /// Frees what is retired.
    ///
    /// REQUIRES: all readers that were inside when it was retired have left.
    pub(super) fn free_retired<W: Word>(&mut self, store: &Store<W>) {
        let mut retired = std::mem::take(&mut self.retired);
        for no in retired.drain(..) {
            self.free(store, no);
        }
        retired.shrink_to(MANY_RETIRED);
        self.retired = retired;
        self.retired_words = 0;
    }

    /// Gives the memory of empty chunks back.
    ///
    /// REQUIRES: no reader is inside, which having the store to itself says.
    pub(super) fn release<W: Word>(&mut self, store: &mut Store<W>) {
        for number in std::mem::take(&mut self.emptied) {
            store.remove(number);
            self.chunks[number as usize] = Chunk::default();
            self.absent.push(number);
        }
    }

    /// Forgets all slots.
    pub(super) fn clear(&mut self) {
        *self = Slots { alone: self.alone, ..Slots::new(self.limit) };
    }

    /// Adds a chunk for a class; `None` if numbers have run out.
    pub(super) fn grow<W: Word>(&mut self, store: &mut Store<W>, class: Class) -> Option<()> {
        let number = match self.absent.pop() {
            Some(number) => number,
            None if (self.chunks.len() as u32) < self.limit => {
                self.chunks.push(Chunk::default());
                self.chunks.len() as u32 - 1
            }
            None => return None,
        };
        let words = class.words();
        let slab = &mut self.slabs[class.index()];
        let wanted = (slab.slots as usize * words / 4).clamp(W::FIRST_CHUNK.max(words), CHUNK_WORDS);
        let slots = (wanted / words) as u32;
        slab.slots += slots;
        slab.chunks += 1;
        slab.insert(number);
        self.chunks[number as usize] = Chunk { class: Some(class), free: NONE, fresh: 0, used: 0, slots };
        store.add(number, class, slots);
        Some(())
    }

    /// Chunks that can still be added.
    pub(super) fn chunks_left(&self) -> u64 {
        u64::from(self.limit) - self.chunks.len() as u64 + self.absent.len() as u64
    }

    /// Slots of a class that are in use or retired.
    pub(super) fn used(&self, class: Class) -> u32 {
        self.slabs[class.index()].used
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> u64 {
        let lists = self.slabs.iter().map(|s| s.partial.capacity()).sum::<usize>()
            + self.absent.capacity()
            + self.retired.capacity()
            + self.emptied.capacity();
        (lists * 4 + self.chunks.capacity() * size_of::<Chunk>() + size_of_val(&*self.slabs)) as u64
    }

    fn free<W: Word>(&mut self, store: &Store<W>, no: u32) {
        let number = no / CHUNK_WORDS as u32;
        let chunk = &mut self.chunks[number as usize];
        let Some(class) = chunk.class.filter(|_| chunk.used > 0) else {
            debug_assert!(false, "slot {no} freed twice");
            return;
        };
        let slab = &mut self.slabs[class.index()];
        store.slot(no).word(0).store_relaxed(chunk.free.into());
        chunk.free = no;
        if chunk.used == chunk.slots {
            slab.insert(number);
        }
        chunk.used -= 1;
        slab.used -= 1;
        let emptied = (chunk.used == 0).then_some(number);
        if slab.used == 0 {
            // The one that was kept, and this one.
            for number in slab.empty.take().into_iter().chain(emptied) {
                self.give_up(class, number);
            }
            return;
        }
        let Some(kept) = slab.empty.or(emptied) else { return };
        slab.empty = Some(kept);
        if slab.partial.len() > 1 {
            slab.empty = None;
            self.give_up(class, kept);
            if let Some(number) = emptied.filter(|n| *n != kept) {
                let slab = &mut self.slabs[class.index()];
                if slab.partial.len() > 1 { self.give_up(class, number) } else { slab.empty = Some(number) }
            }
        }
    }

    /// Takes an empty chunk out of use.
    fn give_up(&mut self, class: Class, number: u32) {
        let slab = &mut self.slabs[class.index()];
        slab.remove(number);
        slab.slots -= self.chunks[number as usize].slots;
        slab.chunks -= 1;
        self.emptied.push(number);
    }

    /// Slots in use and not retired, by class.
    #[cfg(test)]
    pub(super) fn live<W: Word>(&self, store: &Store<W>) -> Vec<u32> {
        let mut live: Vec<u32> = self.slabs.iter().map(|s| s.used).collect();
        for no in &self.retired {
            let class = self.chunks[*no as usize / CHUNK_WORDS].class.expect("a retired slot's chunk");
            assert_eq!(class.words(), store.slot(*no).words);
            live[class.index()] -= 1;
        }
        live
    }

    /// Panics with what is wrong in the book.
    #[cfg(test)]
    pub(super) fn check(&self) {
        for class in Class::all() {
            let slab = &self.slabs[class.index()];
            let own = |c: &&Chunk| c.class == Some(class);
            let listed: Vec<&Chunk> = slab.partial.iter().map(|n| &self.chunks[*n as usize]).collect();
            assert!(listed.iter().all(|c| c.class == Some(class) && c.used < c.slots), "{class:?}");
            assert!(slab.partial.is_sorted_by(|a, b| a > b), "{class:?}");
            let chunks: Vec<&Chunk> = self.chunks.iter().filter(own).collect();
            let waiting = self.emptied.iter().filter(|n| self.chunks[**n as usize].class == Some(class)).count();
            assert_eq!(chunks.len() - waiting, slab.chunks as usize, "{class:?}");
            assert_eq!(chunks.iter().map(|c| c.used).sum::<u32>(), slab.used, "{class:?}");
            let free = chunks.iter().filter(|c| c.used < c.slots).count();
            assert_eq!(free - waiting, listed.len(), "{class:?}");
            let empty = listed.iter().filter(|c| c.used == 0).count();
            assert_eq!(empty, usize::from(slab.empty.is_some()), "{class:?}");
        }
    }
}

impl Slab {
    fn insert(&mut self, number: u32) {
        let at = self.partial.partition_point(|n| *n > number);
        self.partial.insert(at, number);
    }

    fn remove(&mut self, number: u32) {
        if let Ok(at) = self.partial.binary_search_by(|n| number.cmp(n)) {
            self.partial.remove(at);
        }
    }
}
