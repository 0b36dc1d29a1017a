//! Sizes of slots, and what lies in a slot of each.
//!
//! A chunk of memory holds slots of one class, so a number's chunk tells what the number names before a byte of it
//! is read. Three sorts: leaves and prefixes, which hold a string and come in [`STRING_SIZES`], and inner nodes.

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: the number names no slot.
    Absent,
    /// A location and the rest of its key.
    Leaf,
    /// Bytes that all keys below share, and one inner node.
    Prefix,
    /// Up to 4 children.
    Node4,
    /// Up to 10: a decimal digit's worth, in one cache line.
    Node10,
    /// Up to 24, in two cache lines.
    Node24,
    /// Up to 48: header and key bytes in one cache line, children in three.
    Node48,
    /// One child for each byte.
    Node256,
}

/// Number of sizes that a string's slot may have.
const STRINGS: usize = 89;

/// Words of a string's slot: each number up to 16, then eight sizes to each doubling, so that a ninth is lost at most.
const STRING_SIZES: [u16; STRINGS] = {
    let mut sizes = [0; STRINGS];
    let mut i = 0;
    while i < STRINGS {
        sizes[i] = if i < 16 {
            i as u16 + 1
        } else {
            (1 << (4 + (i - 16) / 8)) + ((i - 16) as u16 % 8 + 1) * (2 << ((i - 16) / 8))
        };
        i += 1;
    }
    // The longest key needs 8194.
    sizes[STRINGS - 1] = 8200;
    sizes
};

/// Inner nodes from small to large.
const NODES: [Kind; 5] = [Kind::Node4, Kind::Node10, Kind::Node24, Kind::Node48, Kind::Node256];
const NODE_SIZES: [u16; 5] = [4, 8, 16, 32, 129];

/// A leaf of at most so many words keeps its string's length in one byte.
const ONE_BYTE_LENGTH: usize = 32;

/// Shape of an inner node with fewer than 256 children: a header word, `key_words` words of key bytes, and children.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) key_words: usize,
    pub(super) capacity: usize,
}

impl Kind {
    /// The shape of a node with fewer than 256 children; `None` for anything else.
    #[inline]
    pub(super) fn shape(self) -> Option<Shape> {
        match self {
            Kind::Node4 => Some(Shape { key_words: 1, capacity: 4 }),
            Kind::Node10 => Some(Shape { key_words: 2, capacity: 10 }),
            Kind::Node24 => Some(Shape { key_words: 3, capacity: 24 }),
            Kind::Node48 => Some(Shape { key_words: 6, capacity: 48 }),
            Kind::Absent | Kind::Leaf | Kind::Prefix | Kind::Node256 => None,
        }
    }

    /// The kind that a node of so many children is built as when this one's slots are used up.
    pub(super) fn larger(self) -> Kind {
        match self {
            Kind::Node4 => Kind::Node10,
            Kind::Node10 => Kind::Node24,
            Kind::Node24 => Kind::Node48,
            _ => Kind::Node256,
        }
    }

    /// The kind to shrink to once so many children are left, if it is time. Well below the smaller kind's
    /// capacity, lest a node at the border is copied with each change.
    pub(super) fn smaller(self, children: usize) -> Option<Kind> {
        match self {
            Kind::Node10 if children <= 3 => Some(Kind::Node4),
            Kind::Node24 if children <= 7 => Some(Kind::Node10),
            Kind::Node48 if children <= 18 => Some(Kind::Node24),
            Kind::Node256 if children <= 36 => Some(Kind::Node48),
            _ => None,
        }
    }
}

/// A class of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// Number of classes.
    pub(super) const COUNT: usize = 2 * STRINGS + NODES.len();

    /// All classes.
    pub(super) fn all() -> impl DoubleEndedIterator<Item = Class> {
        (0..Class::COUNT as u8).map(Class)
    }

    /// The class of a leaf with this much of its key left.
    pub(super) fn leaf(len: usize) -> Class {
        let words = match len {
            0 => 1,
            len if len < (ONE_BYTE_LENGTH - 1) * 8 => 1 + (len + 8) / 8,
            len => 1 + (len + 9) / 8,
        };
        Class(string_class(words))
    }

    /// The class of a prefix of this length; a prefix of no bytes is no prefix.
    pub(super) fn prefix(len: usize) -> Option<Class> {
        (len > 0).then(|| Class(string_class(1 + len.div_ceil(8)) + STRINGS as u8))
    }

    /// The class of an inner node.
    ///
    /// REQUIRES: `kind` is one.
    pub(super) fn node(kind: Kind) -> Class {
        let at = NODES.iter().position(|k| *k == kind);
        debug_assert!(at.is_some());
        Class((2 * STRINGS + at.unwrap_or(0)) as u8)
    }

    /// What is in its slots.
    pub(super) fn kind(self) -> Kind {
        match self.index() {
            i if i < STRINGS => Kind::Leaf,
            i if i < 2 * STRINGS => Kind::Prefix,
            i => NODES[i - 2 * STRINGS],
        }
    }

    /// Words of a slot.
    pub(super) fn words(self) -> usize {
        let i = self.index();
        usize::from(if i < 2 * STRINGS { STRING_SIZES[i % STRINGS] } else { NODE_SIZES[i - 2 * STRINGS] })
    }

    /// Its number, from 0.
    pub(super) fn index(self) -> usize {
        self.0.into()
    }
}

/// By how much a leaf's last word is shifted right to see its string's length, in a slot of so many words.
#[inline]
pub(super) fn length_shift(words: usize) -> u32 {
    if words <= ONE_BYTE_LENGTH { 56 } else { 48 }
}

/// The smallest size that has so many words.
fn string_class(words: usize) -> u8 {
    if words <= 16 {
        return (words - 1) as u8;
    }
    let top = (words - 1).ilog2() as usize;
    let step = (words - 1 - (1 << top)) >> (top - 3);
    (16 + (top - 4) * 8 + step) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::MAX_KEY_LEN;

    #[test]
    fn a_string_fits_its_slot_with_little_room_to_spare() {
        for len in 0..=MAX_KEY_LEN {
            let (leaf, prefix) = (Class::leaf(len), Class::prefix(len.max(1)).unwrap());
            assert_eq!((leaf.kind(), prefix.kind()), (Kind::Leaf, Kind::Prefix));
            let tail = if len == 0 { 0 } else { (64 - length_shift(leaf.words()) as usize) / 8 };
            let (room, need) = ((leaf.words() - 1) * 8, len + tail);
            assert!(need <= room && room <= need.next_multiple_of(8) + need / 8 + 8, "leaf of {len}: {room}");
            assert!(tail != 1 || len < 256);
            let room = (prefix.words() - 1) * 8;
            assert!(
                len.max(1) <= room && room <= len.max(1).next_multiple_of(8) + len / 8 + 8,
                "prefix of {len}: {room}"
            );
        }
    }

    #[test]
    fn nodes_fit_their_slots() {
        for (kind, words) in NODES.iter().zip(NODE_SIZES) {
            assert_eq!((Class::node(*kind).kind(), Class::node(*kind).words()), (*kind, words.into()));
            let used = kind.shape().map_or(1 + 128, |s| {
                assert!(s.capacity <= s.key_words * 8);
                1 + s.key_words + s.capacity / 2
            });
            assert!(used <= words.into());
            for children in 0..=256 {
                let Some(small) = kind.smaller(children) else { continue };
                assert!(small.larger() == *kind);
                assert!(small.shape().is_some_and(|s| s.capacity > children));
            }
        }
    }
}
