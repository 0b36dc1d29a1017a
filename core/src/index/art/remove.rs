//! Removing a key: its leaf, and the nodes that are too large or too many without it.
//!
//! A node left with one entry goes: what it leads to gets the node's bytes, and those of a prefix above it. So every
//! inner node has two entries at least, and a prefix is never followed by a prefix or a leaf.
//!
//! A removal can't fail: when numbers have run out, nodes stay as large and as many as they are.

use super::class::{Class, Kind};
use super::node::{Entry, Slot};
use super::slots::Need;
use super::store::{NONE, Word};
use super::string;
use super::tree::Tree;
use super::writer::Writer;

/// The inner node over a leaf.
#[derive(Clone, Copy)]
struct Over {
    no: u32,
    /// Where its number is.
    slot: Slot,
    /// The prefix that this place is in, if it is in one, and where that one's number is.
    prefix: Option<(u32, Slot)>,
}

impl<W: Word> Tree<W> {
    /// Removes a key and returns the location it had.
    pub(super) fn remove(&self, writer: &mut Writer, key: &[u8]) -> Result<Option<u64>, Need> {
        let (mut slot, mut depth) = (Slot::ROOT, 0);
        let (mut over, mut prefix) = (None, None);
        loop {
            let no = self.read(slot);
            let at = self.store.slot(no);
            let rest = &key[depth..];
            match at.kind {
                Kind::Absent => return Ok(None),
                Kind::Leaf => {
                    if !string::leaf_is(&at, rest) {
                        return Ok(None);
                    }
                    let location = at.word(0).load_relaxed();
                    match over {
                        Some(over) => self.remove_leaf(writer, over, slot)?,
                        None => self.publish(slot, NONE),
                    }
                    writer.slots.retire(&self.store, no);
                    writer.len -= 1;
                    return Ok(Some(location));
                }
                Kind::Prefix => {
                    let len = string::prefix_len(at.word(0).load_relaxed());
                    if rest.len() < len || !string::begins_with(&at, &rest[..len]) {
                        return Ok(None);
                    }
                    prefix = Some((no, slot));
                    (slot, depth) = (Slot::head(no), depth + len);
                }
                _ => {
                    let place = match rest.first() {
                        Some(byte) => at.position(*byte).map(|position| self.child_slot(no, position)),
                        None => Some(Slot::head(no)),
                    };
                    let Some(place) = place else { return Ok(None) };
                    over = Some(Over { no, slot, prefix: prefix.take() });
                    (slot, depth) = (place, depth + rest.len().min(1));
                }
            }
        }
    }

    /// Takes the leaf at `place` out of the node.
    fn remove_leaf(&self, writer: &mut Writer, over: Over, place: Slot) -> Result<(), Need> {
        let at = self.store.slot(over.no);
        let mut header = at.header();
        let leaf = self.read(place);
        let is_term = place == Slot::head(over.no);
        if is_term {
            header.term = NONE;
        } else {
            header.live -= 1;
        }
        if header.entries() == 1 && !writer.sparse {
            return self.collapse(writer, over, leaf);
        }
        if let Some(kind) = at.kind.smaller(header.live).filter(|_| !writer.sparse) {
            writer.slots.reserve(&[Some(Class::node(kind))])?;
            let mut entries = std::mem::take(&mut writer.entries);
            self.entries_without(over.no, leaf, &mut entries);
            self.publish(over.slot, self.new_node(writer, kind, header.term, &entries));
            writer.entries = entries;
            writer.slots.retire(&self.store, over.no);
            return Ok(());
        }
        if !is_term {
            self.publish(place, NONE);
        }
        at.word(0).publish(header.word());
        Ok(())
    }

    /// Replaces a node by the one entry that is left beside `leaf`.
    fn collapse(&self, writer: &mut Writer, over: Over, leaf: u32) -> Result<(), Need> {
        // The bytes on the way: the prefix above, the entry's own byte, and what follows it.
        let mut bytes = std::mem::take(&mut writer.bytes);
        bytes.clear();
        if let Some((prefix, _)) = over.prefix {
            let at = self.store.slot(prefix);
            string::copy(&at, string::prefix_len(at.word(0).load_relaxed()), &mut bytes);
        }
        let mut entries = std::mem::take(&mut writer.entries);
        self.entries_without(over.no, leaf, &mut entries);
        let left = match entries.first() {
            Some((byte, child)) => {
                bytes.push(*byte);
                *child
            }
            None => self.store.slot(over.no).header().term,
        };
        writer.entries = entries;
        let at = self.store.slot(left);
        let head = at.word(0).load_relaxed();
        let is_leaf = at.kind == Kind::Leaf;
        match at.kind {
            Kind::Leaf => string::copy_leaf(&at, &mut bytes),
            Kind::Prefix => string::copy(&at, string::prefix_len(head), &mut bytes),
            _ => {}
        }
        let class = if is_leaf { Some(Class::leaf(bytes.len())) } else { Class::prefix(bytes.len()) };
        let reserved = writer.slots.reserve(&[class]);
        if reserved.is_ok() {
            let child = if at.kind == Kind::Prefix { string::prefix_child(head) } else { left };
            let new =
                if is_leaf { self.new_leaf(writer, &bytes, head) } else { self.new_prefix(writer, &bytes, child) };
            self.publish(over.prefix.map_or(over.slot, |(_, slot)| slot), new);
            let retired = [Some(over.no), over.prefix.map(|(no, _)| no), (child != left || is_leaf).then_some(left)];
            retired.into_iter().flatten().for_each(|no| writer.slots.retire(&self.store, no));
        }
        writer.bytes = bytes;
        reserved
    }

    /// The node's entries but for the one that leads to `leaf`.
    fn entries_without(&self, no: u32, leaf: u32, entries: &mut Vec<Entry>) {
        entries.clear();
        self.store.slot(no).each_child(|byte, child| {
            if child != leaf {
                entries.push((byte, child));
            }
        });
    }
}
