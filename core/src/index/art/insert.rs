//! Setting a key's location.
//!
//! A change that needs new nodes reserves their slots first, builds them aside, publishes them with one store, and
//! retires what they replace. Whatever fails, fails before the first of these.

use super::class::{Class, Kind};
use super::node::{Header, Slot};
use super::slots::Need;
use super::store::{NONE, Word};
use super::string;
use super::tree::Tree;
use super::writer::Writer;
use crate::index::order::shared_len;

impl<W: Word> Tree<W> {
    /// Sets a key's location and returns the one it had.
    pub(super) fn set(&self, writer: &mut Writer, key: &[u8], location: u64) -> Result<Option<u64>, Need> {
        let (mut slot, mut depth) = (Slot::ROOT, 0);
        loop {
            let no = self.read(slot);
            let at = self.store.slot(no);
            let rest = &key[depth..];
            match at.kind {
                Kind::Absent => {
                    // The tree is empty.
                    writer.slots.reserve(&[Some(Class::leaf(rest.len()))])?;
                    self.publish(slot, self.new_leaf(writer, rest, location));
                    break;
                }
                Kind::Leaf if string::leaf_is(&at, rest) => {
                    let old = at.word(0).load_relaxed();
                    at.word(0).publish(location);
                    return Ok(Some(old));
                }
                Kind::Leaf => {
                    self.split_leaf(writer, slot, no, rest, location)?;
                    break;
                }
                Kind::Prefix => {
                    let len = string::prefix_len(at.word(0).load_relaxed());
                    if rest.len() < len || !string::begins_with(&at, &rest[..len]) {
                        self.split_prefix(writer, slot, no, rest, location)?;
                        break;
                    }
                    (slot, depth) = (Slot::head(no), depth + len);
                }
                _ => {
                    let place = match rest.first() {
                        Some(byte) => at.position(*byte).map(|position| self.child_slot(no, position)),
                        None => Some(Slot::head(no)),
                    };
                    let Some(place) = place else {
                        self.add(writer, slot, no, rest, location)?;
                        break;
                    };
                    if self.read(place) == NONE {
                        self.fill(writer, no, place, rest, location)?;
                        break;
                    }
                    (slot, depth) = (place, depth + rest.len().min(1));
                }
            }
        }
        writer.len += 1;
        Ok(None)
    }

    /// Puts a leaf into a place of node `no` that is there and empty.
    fn fill(&self, writer: &mut Writer, no: u32, place: Slot, rest: &[u8], location: u64) -> Result<(), Need> {
        let bytes = rest.get(1..).unwrap_or_default();
        writer.slots.reserve(&[Some(Class::leaf(bytes.len()))])?;
        let leaf = self.new_leaf(writer, bytes, location);
        self.publish(place, leaf);
        if !rest.is_empty() {
            let head = self.store.slot(no).word(0);
            let header = Header::of(head.load_relaxed());
            head.publish(Header { live: header.live + 1, ..header }.word());
        }
        Ok(())
    }

    /// Adds a leaf for a byte that node `no`, which `slot` names, has no position for.
    fn add(&self, writer: &mut Writer, slot: Slot, no: u32, rest: &[u8], location: u64) -> Result<(), Need> {
        let Some((&byte, bytes)) = rest.split_first() else { return Ok(()) };
        let at = self.store.slot(no);
        let header = at.header();
        let capacity = at.kind.shape().map_or(256, |s| s.capacity);
        let leaf = Some(Class::leaf(bytes.len()));
        if header.count < capacity {
            writer.slots.reserve(&[leaf])?;
            at.append(byte, self.new_leaf(writer, bytes, location));
            return Ok(());
        }
        // Positions that lost their child make room for a copy of the same size.
        let kind = if header.live < capacity { at.kind } else { at.kind.larger() };
        writer.slots.reserve(&[leaf, Some(Class::node(kind))])?;
        let leaf = self.new_leaf(writer, bytes, location);
        let mut entries = std::mem::take(&mut writer.entries);
        entries.clear();
        at.each_child(|byte, child| entries.push((byte, child)));
        entries.push((byte, leaf));
        self.publish(slot, self.new_node(writer, kind, header.term, &entries));
        writer.entries = entries;
        writer.slots.retire(&self.store, no);
        Ok(())
    }

    /// Replaces a leaf by a node over it and a new one.
    fn split_leaf(&self, writer: &mut Writer, slot: Slot, no: u32, rest: &[u8], location: u64) -> Result<(), Need> {
        let at = self.store.slot(no);
        let mut own = std::mem::take(&mut writer.bytes);
        own.clear();
        string::copy_leaf(&at, &mut own);
        let (shared, own_tail) = own.split_at(shared_len(rest, &own));
        let tails = [(&rest[shared.len()..], location), (own_tail, at.word(0).load_relaxed())];
        let [new, old] = tails.map(|(tail, _)| Some(Class::leaf(tail.len().saturating_sub(1))));
        let wanted = [new, old, Some(Class::node(Kind::Node4)), Class::prefix(shared.len())];
        let reserved = writer.slots.reserve(&wanted);
        if reserved.is_ok() {
            let (mut term, mut entries, mut n) = (NONE, [(0, NONE); 2], 0);
            for (tail, location) in tails {
                if let Some((byte, bytes)) = tail.split_first() {
                    entries[n] = (*byte, self.new_leaf(writer, bytes, location));
                    n += 1;
                } else {
                    term = self.new_leaf(writer, &[], location);
                }
            }
            let node = self.new_node(writer, Kind::Node4, term, &entries[..n]);
            self.publish(slot, self.new_prefix(writer, shared, node));
            writer.slots.retire(&self.store, no);
        }
        writer.bytes = own;
        reserved
    }

    /// Replaces a prefix by what is shared of it, a node over the rest of it and a new leaf.
    fn split_prefix(&self, writer: &mut Writer, slot: Slot, no: u32, rest: &[u8], location: u64) -> Result<(), Need> {
        let at = self.store.slot(no);
        let head = at.word(0).load_relaxed();
        let mut own = std::mem::take(&mut writer.bytes);
        own.clear();
        string::copy(&at, string::prefix_len(head), &mut own);
        let shared = shared_len(rest, &own);
        let (byte, below) = (own[shared], &own[shared + 1..]);
        let new = rest.get(shared + 1..).unwrap_or_default();
        let (leaf, node) = (Class::leaf(new.len()), Class::node(Kind::Node4));
        let wanted = [Some(leaf), Some(node), Class::prefix(shared), Class::prefix(below.len())];
        let reserved = writer.slots.reserve(&wanted);
        if reserved.is_ok() {
            let below = self.new_prefix(writer, below, string::prefix_child(head));
            let leaf = self.new_leaf(writer, new, location);
            let node = match rest.get(shared) {
                Some(other) => self.new_node(writer, Kind::Node4, NONE, &[(byte, below), (*other, leaf)]),
                None => self.new_node(writer, Kind::Node4, leaf, &[(byte, below)]),
            };
            self.publish(slot, self.new_prefix(writer, &own[..shared], node));
            writer.slots.retire(&self.store, no);
        }
        writer.bytes = own;
        reserved
    }
}
