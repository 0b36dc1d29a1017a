//! Inner nodes.
//!
//! ```text
//! 4, 10, 24, 48   word 0   header: number of the leaf whose key ends here (32 bits), positions in use (8),
//!                          entries that have a child (16)
//!                 word 1   key bytes, eight to a word, position 0 the lowest byte of the first
//!                 then     numbers of children, two to a word
//! 256             word 0   header without positions
//!                 word 1   numbers of children, by byte
//! ```
//!
//! A node is read while it is changed. What makes that whole:
//! 1. A position's key byte, once counted, never changes. A removed entry leaves a position without child, which the
//!    same byte takes again; another byte needs a position of its own or a copy of the node.
//! 2. An entry is added by storing first its child, then its byte, then the count that includes it.
//! 3. A reader loads the count first; what it finds behind it is not there.
//!
//! So a reader sees of each entry what was there at some moment of its call.

use super::class::Kind;
use super::store::{At, NONE, Word};

/// A place that holds a number: half a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Number of the word; [`NONE`] is the root's.
    pub(super) word: u32,
    pub(super) high: bool,
}

impl Slot {
    /// Where the root's number is.
    pub(super) const ROOT: Slot = Slot { word: NONE, high: false };

    /// The low half of the first word of `no`: a node's leaf, a prefix's child.
    pub(super) fn head(no: u32) -> Slot {
        Slot { word: no, high: false }
    }

    /// The number in a word that has this place.
    #[inline]
    pub(super) fn of(self, word: u64) -> u32 {
        if self.high { (word >> 32) as u32 } else { word as u32 }
    }

    /// The word with another number in this place.
    pub(super) fn set(self, word: u64, no: u32) -> u64 {
        if self.high { u64::from(no) << 32 | word & 0xffff_ffff } else { word & !0xffff_ffff | u64::from(no) }
    }
}

/// A node's first word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The leaf whose key ends here.
    pub(super) term: u32,
    /// Positions in use.
    pub(super) count: usize,
    /// Entries that have a child.
    pub(super) live: usize,
}

impl Header {
    #[inline]
    pub(super) fn of(word: u64) -> Header {
        Header { term: word as u32, count: (word >> 32 & 0xff) as usize, live: (word >> 40 & 0xffff) as usize }
    }

    pub(super) fn word(self) -> u64 {
        u64::from(self.term) | (self.count as u64) << 32 | (self.live as u64) << 40
    }

    /// Entries with children and the leaf that ends here.
    pub(super) fn entries(self) -> usize {
        self.live + usize::from(self.term != NONE)
    }
}

/// A byte and the child for it.
pub(super) type Entry = (u8, u32);

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

impl<W: Word> At<'_, W> {
    /// REQUIRES: an inner node.
    #[inline]
    pub(super) fn header(&self) -> Header {
        Header::of(self.word(0).load())
    }

    /// The position of a byte, with or without a child.
    #[inline]
    pub(super) fn position(&self, byte: u8) -> Option<usize> {
        let Some(shape) = self.kind.shape() else { return Some(byte.into()) };
        let count = self.header().count;
        let wanted = u64::from(byte) * LOW;
        for i in 0..shape.key_words {
            if i * 8 >= count {
                break;
            }
            // The lowest zero byte of the difference has the lowest high bit set (Mycroft's test).
            let difference = self.word(1 + i).load() ^ wanted;
            let zeros = difference.wrapping_sub(LOW) & !difference & HIGH;
            if zeros != 0 {
                let position = i * 8 + zeros.trailing_zeros() as usize / 8;
                return (position < count).then_some(position);
            }
        }
        None
    }

    /// Where in the node the child at a position is: its word, and whether in the high half.
    #[inline]
    pub(super) fn child_place(&self, position: usize) -> (usize, bool) {
        let first = 1 + self.kind.shape().map_or(0, |s| s.key_words);
        (first + position / 2, position % 2 == 1)
    }

    /// The child at a position, or [`NONE`].
    #[inline]
    pub(super) fn child_at(&self, position: usize) -> u32 {
        let (word, high) = self.child_place(position);
        Slot { word: 0, high }.of(self.word(word).load())
    }

    /// The child for a byte, or [`NONE`].
    #[inline]
    pub(super) fn child(&self, byte: u8) -> u32 {
        self.position(byte).map_or(NONE, |position| self.child_at(position))
    }

    /// Calls with each byte that has a child, in no order.
    pub(super) fn each_child(&self, mut call: impl FnMut(u8, u32)) {
        let mut give = |byte: u8, child: u32| {
            if child != NONE {
                call(byte, child);
            }
        };
        if self.kind.shape().is_none() {
            return (0..=255u8).for_each(|byte| give(byte, self.child_at(byte.into())));
        }
        for i in 0..self.header().count {
            give((self.word(1 + i / 8).load() >> (i % 8 * 8)) as u8, self.child_at(i));
        }
    }

    /// Of a node with 256 children: the first that is there, from this byte on upwards or downwards.
    pub(super) fn next_child(&self, from: u8, upwards: bool) -> Option<Entry> {
        let there = |byte: u8| {
            let child = self.child_at(byte.into());
            (child != NONE).then_some((byte, child))
        };
        if upwards { (from..=255).find_map(there) } else { (0..=from).rev().find_map(there) }
    }

    /// Fills a node that no reader can reach yet.
    ///
    /// REQUIRES: `entries` fit and their bytes differ.
    pub(super) fn write_node(&self, term: u32, entries: &[Entry]) {
        let count = entries.len();
        if self.kind == Kind::Node256 {
            (1..self.words).for_each(|i| self.word(i).store_relaxed(0));
        } else {
            for (i, keys) in entries.chunks(8).enumerate() {
                let word = keys.iter().rev().fold(0, |word, (byte, _)| word << 8 | u64::from(*byte));
                self.word(1 + i).store_relaxed(word);
            }
        }
        for (i, (byte, child)) in entries.iter().enumerate() {
            let position = if self.kind == Kind::Node256 { (*byte).into() } else { i };
            let (word, high) = self.child_place(position);
            self.word(word).store_relaxed(Slot { word: 0, high }.set(self.word(word).load_relaxed(), *child));
        }
        let header = Header { term, count: if self.kind == Kind::Node256 { 0 } else { count }, live: count };
        self.word(0).store_relaxed(header.word());
    }

    /// Adds an entry at the next position.
    ///
    /// REQUIRES: a node with fewer than 256 children, a position that is free, a byte that has none.
    pub(super) fn append(&self, byte: u8, child: u32) {
        let mut header = self.header();
        let i = header.count;
        let (word, high) = self.child_place(i);
        let children = self.word(word);
        children.publish(Slot { word: 0, high }.set(children.load_relaxed(), child));
        let (keys, shift) = (self.word(1 + i / 8), i % 8 * 8);
        keys.publish(keys.load_relaxed() & !(0xff << shift) | u64::from(byte) << shift);
        (header.count, header.live) = (i + 1, header.live + 1);
        self.word(0).publish(header.word());
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::Class;
    use super::super::slots::Slots;
    use super::super::store::Store;
    use super::*;
    use std::sync::atomic::AtomicU64;

    fn node(store: &mut Store<AtomicU64>, slots: &mut Slots, kind: Kind) -> u32 {
        slots.grow(store, Class::node(kind)).unwrap();
        let no = slots.alloc(store, Class::node(kind));
        // What a slot's last owner may have left.
        (0..store.slot(no).words).for_each(|i| store.slot(no).word(i).store_relaxed(0x0102_0304_0506_0700));
        no
    }

    #[test]
    fn every_byte_is_found_at_any_position_and_no_other() {
        let (mut store, mut slots) = (Store::new(), Slots::new(u32::MAX));
        for kind in [Kind::Node4, Kind::Node10, Kind::Node24, Kind::Node48, Kind::Node256] {
            let capacity = kind.shape().map_or(256, |s| s.capacity);
            for (step, first) in [(1, 0), (1, 200), (255, 255), (7, 0), (129, 64)] {
                let entries: Vec<Entry> = (0..capacity).map(|i| ((first + i * step) as u8, 1 + i as u32)).collect();
                for written in [capacity, capacity / 2, 0] {
                    let no = node(&mut store, &mut slots, kind);
                    let at = store.slot(no);
                    at.write_node(9, &entries[..written]);
                    if kind != Kind::Node256 {
                        entries[written..].iter().for_each(|(byte, child)| at.append(*byte, *child));
                    }
                    let there = if kind == Kind::Node256 { written } else { capacity };
                    for byte in 0..=255u8 {
                        let wanted = entries[..there].iter().find(|e| e.0 == byte).map_or(NONE, |e| e.1);
                        assert_eq!(at.child(byte), wanted, "{kind:?} {byte}");
                    }
                    let mut all = Vec::new();
                    at.each_child(|byte, child| all.push((byte, child)));
                    all.sort_unstable();
                    let mut wanted = entries[..there].to_vec();
                    wanted.sort_unstable();
                    assert_eq!(all, wanted);
                    assert_eq!((at.header().term, at.header().live), (9, there));
                }
            }
        }
    }
}
