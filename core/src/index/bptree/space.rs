//! Which pages of the file are whose.
//!
//! A page is free if it is none of these:
//! - *live*: the newest tree has it;
//! - *durable*: the tree of the last checkpoint has it, or its map;
//! - *held*: a newer tree let go of it, and a reader may still be on an older one.
//!
//! The lowest free page is given out first, so that the end of the file falls free as the tree shrinks.

/// Numbers below are the checkpoints' own.
pub(super) const FIRST_PAGE: u32 = 2;

/// A set of page numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn get(&self, no: u32) -> bool {
        self.0.get(no as usize / 64).is_some_and(|word| word >> (no % 64) & 1 == 1)
    }

    pub(super) fn set(&mut self, no: u32) {
        let word = no as usize / 64;
        if self.0.len() <= word {
            self.0.resize((word + 1).next_multiple_of(64), 0);
        }
        self.0[word] |= 1 << (no % 64);
    }

    pub(super) fn clear(&mut self, no: u32) {
        if let Some(word) = self.0.get_mut(no as usize / 64) {
            *word &= !(1 << (no % 64));
        }
    }

    fn word(&self, i: usize) -> u64 {
        self.0.get(i).copied().unwrap_or(0)
    }

    /// One more than the greatest number.
    pub(super) fn end(&self) -> u32 {
        let last = self.0.iter().rposition(|word| *word != 0);
        last.map_or(0, |i| i as u32 * 64 + 64 - self.0[i].leading_zeros())
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The first number from `from` on.
    pub(super) fn next(&self, from: u32) -> Option<u32> {
        let mut word = from as usize / 64;
        let mut bits = self.word(word) & (u64::MAX << (from % 64));
        while bits == 0 {
            word += 1;
            bits = *self.0.get(word)?;
        }
        Some(word as u32 * 64 + bits.trailing_zeros())
    }

    /// Adds the numbers of another set.
    pub(super) fn unite(&mut self, other: &Bits) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// As bytes: bit `n % 8` of byte `n / 8` is number `n`; without zeros at the end.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(bytes.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1));
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Bits {
        let word = |part: &[u8]| part.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        Bits(bytes.chunks(8).map(word).collect())
    }

    fn memory(&self) -> u64 {
        self.0.capacity() as u64 * 8
    }
}

/// The three sets.
#[derive(Debug, Default)]
pub(super) struct Space {
    pub(super) live: Bits,
    pub(super) durable: Bits,
    pub(super) held: Bits,
    /// All words before this have no free page.
    full: usize,
    /// Words that were looked at for nothing.
    #[cfg(test)]
    pub(super) walked: u64,
}

impl Space {
    pub(super) fn new(live: Bits, durable: Bits) -> Space {
        Space { live, durable, ..Space::default() }
    }

    /// Takes a free page for the newest tree. `None` if all numbers are taken (at 16 TiB).
    pub(super) fn take(&mut self) -> Option<u32> {
        let no = self.free_page()?;
        self.live.set(no);
        Some(no)
    }

    /// A free page, which stays free.
    pub(super) fn free_page(&mut self) -> Option<u32> {
        loop {
            let i = self.full;
            let mut taken = self.live.word(i) | self.durable.word(i) | self.held.word(i);
            if i == 0 {
                taken |= (1 << FIRST_PAGE) - 1;
            }
            if taken != u64::MAX {
                let no = i as u64 * 64 + u64::from(taken.trailing_ones());
                return u32::try_from(no).ok().filter(|no| *no < u32::MAX);
            }
            self.full += 1;
            #[cfg(test)]
            {
                self.walked += 1;
            }
        }
    }

    /// The newest tree has no use for a page any more, which readers may be on.
    pub(super) fn hold(&mut self, no: u32) {
        self.live.clear(no);
        self.held.set(no);
    }

    /// No reader is on a page any more.
    pub(super) fn release(&mut self, no: u32) {
        self.held.clear(no);
        self.note_let_go(no);
    }

    /// A page of a tree that was never shown.
    pub(super) fn untake(&mut self, no: u32) {
        self.live.clear(no);
        self.note_let_go(no);
    }

    /// The tree of a new checkpoint is the durable one.
    pub(super) fn set_durable(&mut self, durable: Bits) {
        self.durable = durable;
        self.full = 0;
    }

    /// One more than the greatest number that is not free.
    pub(super) fn end(&self) -> u32 {
        self.live.end().max(self.durable.end()).max(self.held.end()).max(FIRST_PAGE)
    }

    pub(super) fn memory(&self) -> u64 {
        self.live.memory() + self.durable.memory() + self.held.memory()
    }

    /// One set less has this page. While the last checkpoint has it, it isn't free: to look there again at each change would be to walk the whole
    /// file's sets for each.
    fn note_let_go(&mut self, no: u32) {
        if !self.durable.get(no) {
            self.full = self.full.min(no as usize / 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing a large file's pages one by one doesn't walk its sets each time, and what the checkpoint has is not given out.
    #[test]
    fn pages_of_the_checkpoint_are_not_looked_for() {
        let mut all = Bits::default();
        (FIRST_PAGE..64_000).for_each(|no| all.set(no));
        let mut space = Space::new(all.clone(), all.clone());
        assert_eq!(space.take(), Some(64_000));
        space.walked = 0;
        for no in (100..10_100).step_by(10) {
            // A page of the checkpoint's tree goes, a new one comes, and another is taken back at once.
            let new = space.take().expect("a page");
            assert!(new > 64_000, "page {new} is the checkpoint's");
            space.hold(no);
            space.release(no);
            let other = space.take().expect("a page");
            space.untake(other);
        }
        assert!(space.walked < 100, "{} words for 1000 changes", space.walked);
        // With the next checkpoint the old pages are free, the lowest first.
        space.set_durable(space.live.clone());
        assert_eq!(space.take(), Some(100));
        space.hold(100);
        space.release(100);
        assert_eq!(space.take(), Some(100), "it was nobody's");
    }
}
