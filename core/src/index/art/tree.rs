//! The tree behind the lock, and the way from its root to a key.

use super::class::{Class, Kind};
use super::node::{Entry, Slot};
use super::store::{NONE, Store, Word};
use super::string;
use super::writer::Writer;

/// Gets that go down the tree side by side: what one waits for, the next has asked for meanwhile.
pub(super) const GROUP: usize = 8;

/// What readers see.
pub(super) struct Tree<W> {
    pub(super) store: Store<W>,
    /// Number of the root, in the low half: a leaf, a prefix or an inner node.
    pub(super) root: W,
}

/// A key on its way down.
#[derive(Clone, Copy)]
pub(super) struct Way<'k> {
    key: &'k [u8],
    depth: usize,
    no: u32,
}

/// What a step found.
pub(super) enum Step {
    On,
    End(Option<u64>),
}

impl<W: Word> Tree<W> {
    pub(super) fn new() -> Tree<W> {
        Tree { store: Store::new(), root: W::new(NONE.into()) }
    }

    /// The location of a key.
    #[inline]
    pub(super) fn get(&self, key: &[u8]) -> Option<u64> {
        let mut way = self.way(key);
        loop {
            if let Step::End(found) = self.step(&mut way) {
                return found;
            }
        }
    }

    /// The locations of up to [`GROUP`] keys.
    pub(super) fn get_group(&self, keys: &[&[u8]], out: &mut [Option<u64>]) {
        let mut ways = [Way { key: &[], depth: 0, no: NONE }; GROUP];
        for (way, key) in ways.iter_mut().zip(keys) {
            *way = self.way(key);
        }
        let n = keys.len().min(GROUP);
        let mut open = (1u32 << n) - 1;
        while open != 0 {
            for i in 0..n {
                if open >> i & 1 == 1
                    && let Step::End(found) = self.step(&mut ways[i])
                {
                    out[i] = found;
                    open &= !(1 << i);
                }
            }
        }
    }

    fn way<'k>(&self, key: &'k [u8]) -> Way<'k> {
        Way { key, depth: 0, no: self.root.load() as u32 }
    }

    /// One node further. Each step but the last, and one into a node's own leaf, takes a byte of the key at least.
    #[inline]
    fn step(&self, way: &mut Way<'_>) -> Step {
        let Some(at) = self.store.at(way.no) else { return Step::End(None) };
        let rest = way.key.get(way.depth..).unwrap_or_default();
        match at.kind {
            Kind::Absent => return Step::End(None),
            Kind::Leaf => return Step::End(string::leaf_is(&at, rest).then(|| at.word(0).load())),
            Kind::Prefix => {
                let head = at.word(0).load();
                let len = string::prefix_len(head);
                if rest.len() < len || !string::begins_with(&at, &rest[..len]) {
                    return Step::End(None);
                }
                way.depth += len;
                way.no = string::prefix_child(head);
            }
            _ => match rest.first() {
                Some(byte) => {
                    way.no = at.child(*byte);
                    way.depth += 1;
                }
                None => way.no = at.header().term,
            },
        }
        Step::On
    }

    /// The number in a place.
    #[inline]
    pub(super) fn read(&self, slot: Slot) -> u32 {
        slot.of(self.word(slot).load_relaxed())
    }

    /// Puts a number into a place, and with it what the number leads to before readers' eyes.
    pub(super) fn publish(&self, slot: Slot, no: u32) {
        let word = self.word(slot);
        word.publish(slot.set(word.load_relaxed(), no));
    }

    /// The place of the child at a position.
    pub(super) fn child_slot(&self, no: u32, position: usize) -> Slot {
        let (word, high) = self.store.slot(no).child_place(position);
        Slot { word: no + word as u32, high }
    }

    fn word(&self, slot: Slot) -> &W {
        if slot == Slot::ROOT { &self.root } else { self.store.slot(slot.word).word(0) }
    }

    /// A new leaf.
    ///
    /// REQUIRES: reserved, as of all the three.
    pub(super) fn new_leaf(&self, writer: &mut Writer, bytes: &[u8], location: u64) -> u32 {
        let no = writer.slots.alloc(&self.store, Class::leaf(bytes.len()));
        string::write_leaf(&self.store.slot(no), bytes, location);
        self.store.mark(no, true);
        no
    }

    /// What leads to `child` by these bytes: a prefix, or if there are none itself.
    pub(super) fn new_prefix(&self, writer: &mut Writer, bytes: &[u8], child: u32) -> u32 {
        let Some(class) = Class::prefix(bytes.len()) else { return child };
        let no = writer.slots.alloc(&self.store, class);
        let at = self.store.slot(no);
        string::write(&at, bytes);
        at.word(0).store_relaxed(string::prefix_head(child, bytes.len()));
        no
    }

    /// A new inner node.
    pub(super) fn new_node(&self, writer: &mut Writer, kind: Kind, term: u32, entries: &[Entry]) -> u32 {
        let no = writer.slots.alloc(&self.store, Class::node(kind));
        self.store.slot(no).write_node(term, entries);
        no
    }
}
