//! Copies that the writer leaves for who reads an image, of parts of at most 4 KiB each.
//!
//! A part has a bit, which the first takes who has to do with it: the reader, who then has read it, or the writer, who leaves a copy
//! before it changes anything. Whoever finds the bit taken comes second.
//!
//! What it costs the writer is meant to be one copy and no more, for a put waits for it:
//! - Copies are looked for under many locks, each of 64 parts, which the reader holds for the moment in which it takes one copy away. With one lock for
//!   all of them the writer would stand behind a reader that the system has just put to sleep.
//! - The memory is the reader's: it makes some ahead, touches it, uses what it got back again, and frees it in the end, in large pieces. So the two
//!   meet neither in the allocator nor in the system's book of the process's memory, which have locks of their own. The writer makes some only
//!   where the reader has not kept up.
//!
//! Locking: a shelf's for the time of one copy; `spare` for moments, and the writer passes it by when it is held.

use crate::util::lock::Mutex;
use crate::util::page::{PAGE_SIZE, Page, PageRun};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Pages that are to be ready: more than a writer can use while the reader copies one piece of the image and writes it down.
const READY: usize = 2048;
/// Pages that the reader makes at a time.
const RUN: usize = 256;

/// The parts of one moment that were taken, and the copies that wait to be fetched.
pub(crate) struct Kept {
    taken: Vec<AtomicU64>,
    /// As many as `taken` has words: copies, with the numbers of their parts.
    shelves: Vec<Mutex<Vec<(u32, PageRun)>>>,
    /// Memory for copies, page by page.
    spare: Mutex<Vec<PageRun>>,
    /// The reader's alone: memory of copies that it has fetched.
    back: Mutex<Vec<PageRun>>,
    /// Pages of memory in all.
    made: AtomicU32,
}

impl Kept {
    /// Nothing is taken yet of so many parts.
    pub(crate) fn new(parts: u32) -> Kept {
        let words = parts.div_ceil(64);
        Kept {
            taken: (0..words).map(|_| AtomicU64::new(0)).collect(),
            shelves: (0..words).map(|_| Mutex::default()).collect(),
            spare: Mutex::default(),
            back: Mutex::default(),
            made: AtomicU32::new(0),
        }
    }

    /// Whether the part was taken, or is none.
    #[inline]
    pub(crate) fn is_taken(&self, part: u32) -> bool {
        self.bits(part).is_none_or(|bits| bits.load(Ordering::Acquire) & bit(part) != 0)
    }

    /// Takes a part; false if somebody was first.
    pub(crate) fn take(&self, part: u32) -> bool {
        self.bits(part).is_some_and(|bits| bits.fetch_or(bit(part), Ordering::AcqRel) & bit(part) == 0)
    }

    /// Of the writer: takes a part, if nobody was first, and leaves what `copy` makes of a page with anything in it, unless that says that there is
    /// nothing to be left.
    #[cold]
    pub(crate) fn keep(&self, part: u32, copy: impl FnOnce(&Page) -> bool) {
        let Some(shelf) = self.shelves.get(part as usize / 64) else { return };
        let page = self.spare.try_lock().and_then(|mut spare| spare.pop()).unwrap_or_else(|| self.make(1));
        // Held from before the bit is taken: who finds that taken has to wait for the copy.
        let mut shelf = shelf.lock();
        if self.take(part) && page.first().is_some_and(copy) {
            shelf.push((part, page));
            return;
        }
        drop(shelf);
        match self.spare.try_lock() {
            Some(mut spare) => spare.push(page),
            None => drop(self.made.fetch_sub(1, Ordering::Relaxed)),
        }
    }

    /// Of the reader, of a part that the writer has taken: gives what it left to `read`, and says whether there was anything.
    pub(crate) fn fetch(&self, part: u32, read: impl FnOnce(&Page)) -> bool {
        let Some(shelf) = self.shelves.get(part as usize / 64) else { return false };
        let copy = {
            let mut shelf = shelf.lock();
            shelf.iter().position(|(kept, _)| *kept == part).map(|at| shelf.swap_remove(at).1)
        };
        let Some(copy) = copy else { return false };
        if let Some(page) = copy.first() {
            read(page);
        }
        self.back.lock().push(copy);
        true
    }

    /// Of the reader, now and then: has memory ready for the writer, which may still have to copy `unread` parts.
    pub(crate) fn make_ready(&self, unread: u32) {
        let mut ready = std::mem::take(&mut *self.back.lock());
        let (wanted, there) = (READY.min(unread as usize), self.spare.lock().len());
        while there + ready.len() < wanted {
            let run = self.make(RUN.min(wanted - there - ready.len()));
            ready.extend((0..run.len()).filter_map(|i| run.part(i..i + 1)));
        }
        self.spare.lock().append(&mut ready);
    }

    fn make(&self, pages: usize) -> PageRun {
        self.made.fetch_add(pages as u32, Ordering::Relaxed);
        PageRun::zeroed(pages)
    }

    /// Bytes allocated.
    pub(crate) fn memory(&self) -> u64 {
        let shelf = 8 + size_of::<Mutex<Vec<(u32, PageRun)>>>();
        u64::from(self.made.load(Ordering::Relaxed)) * PAGE_SIZE as u64 + (self.taken.len() * shelf) as u64
    }

    fn bits(&self, part: u32) -> Option<&AtomicU64> {
        self.taken.get(part as usize / 64)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("memory", &self.memory()).finish_non_exhaustive()
    }
}

fn bit(part: u32) -> u64 {
    1 << (part % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_takes_a_part_first_has_it() {
        let kept = Kept::new(130);
        assert!(!kept.is_taken(129) && kept.take(129) && !kept.take(129));
        assert!(kept.is_taken(129) && kept.is_taken(192), "what is no part is taken");
        assert!(!kept.is_taken(128) && !kept.is_taken(1));
        kept.keep(129, |_| panic!("the reader was first"));
        kept.keep(192, |_| panic!("no part"));
        assert!(!kept.fetch(129, |_| panic!("nothing was left")));

        for (part, word) in [(65, 7), (64, 8)] {
            kept.keep(part, |page| {
                page.set_word(1023, word);
                true
            });
        }
        kept.keep(3, |_| false);
        assert!(kept.is_taken(65) && kept.is_taken(64) && kept.is_taken(3));
        let read = |part| {
            let mut read = None;
            kept.fetch(part, |page| read = Some(page.word(1023)));
            read
        };
        assert_eq!((read(3), read(65), read(64), read(65)), (None, Some(7), Some(8), None));
    }

    #[test]
    fn memory_is_ready_before_it_is_needed_and_used_again() {
        let kept = Kept::new(10_000);
        kept.make_ready(10_000);
        let made = || kept.made.load(Ordering::Relaxed) as usize;
        assert_eq!(made(), READY);
        for round in 0..3 {
            let parts = || (0..READY as u32).map(|i| round * READY as u32 + i);
            parts().for_each(|part| kept.keep(part, |_| true));
            assert_eq!((kept.spare.lock().len(), made()), (0, READY), "none was made by the writer");
            assert!(parts().all(|part| kept.fetch(part, |_| {})));
            kept.make_ready(10_000);
            assert_eq!(made(), READY, "what came back serves");
        }
        // Nothing to be copied, or somebody was first: nothing is lost.
        kept.keep(0, |_| true);
        kept.keep(9_999, |_| false);
        assert_eq!((kept.spare.lock().len(), made()), (READY, READY));
        // A reader that holds the memory does not stop the writer.
        let held = kept.spare.lock();
        kept.keep(9_000, |_| true);
        kept.keep(9_000, |_| panic!("taken"));
        drop(held);
        assert!(kept.fetch(9_000, |_| {}));
        assert_eq!(made(), READY + 1);
        assert!(kept.memory() > ((READY + 1) * PAGE_SIZE) as u64);

        let small = Kept::new(3);
        small.make_ready(2);
        assert_eq!(small.made.load(Ordering::Relaxed), 2, "no more than can be needed");
    }
}
