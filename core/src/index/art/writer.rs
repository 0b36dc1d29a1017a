//! What the writer has besides the tree.

use super::class::{Class, Kind};
use super::node::Entry;
use super::slots::{Need, Slots};
use super::store::{CHUNKS, NONE, Word};
use super::tree::Tree;
use crate::index::Change;
use crate::types::Location;

/// Chunks of a class that are smaller than the largest, at most, until it has four of those.
const SMALL_CHUNKS: u64 = 32;
/// Words that the largest chunk of any class uses, at least: three slots of the longest.
const USED_WORDS: u64 = 3 * 8200;

/// What is kept of the memory for a string from one change to the next.
const KEPT_BYTES: usize = 1024;

/// See the file.
pub(super) struct Writer {
    pub(super) slots: Slots,
    /// Number of keys.
    pub(super) len: u64,
    /// Numbers ran out in this call: removals do without new nodes.
    pub(super) sparse: bool,
    /// A string and a node's entries, while it works.
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
}

impl Writer {
    pub(super) fn new() -> Writer {
        Writer { slots: Slots::new(CHUNKS), len: 0, sparse: false, bytes: Vec::new(), entries: Vec::new() }
    }

    /// Adds slots for a change that failed for want of them, so that it can be tried again, and leaves numbers for
    /// so many chunks if it is a removal; `false` if numbers have run out.
    pub(super) fn make_room<W: Word>(
        &mut self,
        tree: &mut Tree<W>,
        need: Need,
        change: &Change<'_>,
        left: u64,
    ) -> bool {
        if change.new.is_none() && self.slots.chunks_left() <= left {
            self.sparse = true;
            return true;
        }
        self.slots.grow(&mut tree.store, need.0).is_some()
    }

    /// Gives the memory of empty chunks back.
    pub(super) fn give_back<W: Word>(&mut self, tree: &mut Tree<W>) {
        self.sparse = false;
        if self.len == 0 {
            // Nodes without entries may be left of times when numbers had run out.
            tree.root.publish(NONE.into());
            tree.store.clear();
            self.slots.clear();
            (self.bytes, self.entries) = (Vec::new(), Vec::new());
        } else {
            self.slots.release(&mut tree.store);
        }
    }

    /// Chunks that puts of keys of these lengths take in one call, at most; `removals` if the call has some.
    ///
    /// A put takes a leaf, a copy of the leaf or of two parts of the prefix that it splits, a new node and a copy of one.
    /// Copied strings are of any length up to the longest that there is, but not all: strings of a class are never
    /// more than the words of all strings suffice for.
    pub(super) fn chunks_for(&self, puts: impl Iterator<Item = usize>, removals: bool) -> u64 {
        let (mut n, mut words) = (0, 0);
        let mut longest = [0, 0];
        for len in puts {
            n += 1;
            words += (Class::leaf(len).words() + Class::prefix(len).map_or(0, Class::words)) as u64;
            longest[0] = longest[0].max(Class::leaf(len).words());
            longest[1] = longest[1].max(Class::prefix(len).map_or(0, Class::words));
        }
        if n == 0 {
            return 0;
        }
        let is_prefix = |class: Class| class.kind() == Kind::Prefix;
        let strings = || Class::all().filter(|c| matches!(c.kind(), Kind::Leaf | Kind::Prefix));
        for class in strings().filter(|c| self.slots.used(*c) > 0) {
            words += u64::from(self.slots.used(class)) * class.words() as u64;
            let longest = &mut longest[usize::from(is_prefix(class))];
            *longest = (*longest).max(class.words());
        }
        // A removal makes one string of several.
        let most = |class| if removals { longest[0] + longest[1] + 1 } else { longest[usize::from(is_prefix(class))] };
        let mut taken = 0;
        // A class may be larger by an eighth than the longest string needs.
        for class in strings().filter(|c| c.words() <= most(*c) * 9 / 8) {
            taken += (2 * n * class.words() as u64).min(2 * words);
        }
        // A node of 24 and more has had two puts at least since it was of the size below.
        let nodes = || Class::all().filter(|c| !matches!(c.kind(), Kind::Leaf | Kind::Prefix));
        let there: u64 = nodes().map(|c| u64::from(self.slots.used(c))).sum();
        for class in nodes() {
            let grown = if matches!(class.kind(), Kind::Node4 | Kind::Node10) { n } else { n.min(there + n / 2 + 1) };
            taken += grown * class.words() as u64;
        }
        taken / USED_WORDS + SMALL_CHUNKS * Class::COUNT as u64
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> u64 {
        let scratch = self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>();
        self.slots.memory() + scratch as u64
    }
}

impl<W: Word> Tree<W> {
    /// Makes a change, or says what slots it needs first.
    pub(super) fn change(&self, writer: &mut Writer, change: &mut Change<'_>) -> Result<(), Need> {
        let done = match change.new {
            Some(location) => self.set(writer, change.key, location.to_bits()),
            None => self.remove(writer, change.key),
        };
        writer.bytes.clear();
        writer.bytes.shrink_to(KEPT_BYTES);
        change.old = done?.map(Location::from_bits);
        Ok(())
    }
}
