//! Verifies a whole tree against the module's invariants. By a list, not by calling itself: trees may be deep.

use super::class::{Class, Kind};
use super::store::{NONE, Word};
use super::string;
use super::tree::Tree;
use super::writer::Writer;
use std::collections::HashSet;

impl<W: Word> Tree<W> {
    /// Panics with what is wrong. `exact`: numbers never ran out, so that all nodes are as few and as small as they should be.
    pub(super) fn check(&self, writer: &Writer, exact: bool) {
        writer.slots.check();
        let mut seen = HashSet::new();
        let mut found = vec![0; Class::COUNT];
        let mut keys = 0;
        let mut todo = vec![(self.root.load() as u32, None)];
        while let Some((no, above)) = todo.pop() {
            if no == NONE {
                assert_eq!(above, None, "a child that is nothing");
                continue;
            }
            assert!(seen.insert(no), "node {no} is in the tree twice");
            let at = self.store.slot(no);
            let class = match at.kind {
                Kind::Absent => panic!("node {no} is in no chunk"),
                Kind::Leaf => {
                    keys += 1;
                    assert_ne!(above, Some(Kind::Prefix), "leaf {no} is below a prefix");
                    let len = string::leaf_len(&at);
                    let mut bytes = Vec::new();
                    string::copy_leaf(&at, &mut bytes);
                    assert!(bytes.len() == len && string::leaf_is(&at, &bytes), "leaf {no}");
                    Class::leaf(len)
                }
                Kind::Prefix => {
                    assert_ne!(above, Some(Kind::Prefix), "prefix {no} is below a prefix");
                    let head = at.word(0).load();
                    todo.push((string::prefix_child(head), Some(Kind::Prefix)));
                    Class::prefix(string::prefix_len(head)).expect("a prefix of no bytes")
                }
                kind => {
                    let header = at.header();
                    let mut bytes = [false; 256];
                    at.each_child(|byte, child| {
                        let twice = std::mem::replace(&mut bytes[usize::from(byte)], true);
                        assert!(!twice, "byte {byte} is in node {no} twice");
                        assert_eq!(at.child(byte), child, "byte {byte} of node {no}");
                        todo.push((child, Some(kind)));
                    });
                    assert_eq!(bytes.iter().filter(|b| **b).count(), header.live, "entries of node {no}");
                    if let Some(shape) = kind.shape() {
                        assert!(header.live <= header.count && header.count <= shape.capacity, "count of node {no}");
                        // Of some nodes only: it takes longer than all the rest.
                        let absent = (0..=255u8).filter(|byte| no % 61 < 8 && !bytes[usize::from(*byte)]);
                        assert!({ absent }.all(|byte| at.child(byte) == NONE), "node {no}");
                    }
                    if header.term != NONE {
                        let term = self.store.slot(header.term);
                        assert_eq!((term.kind, string::leaf_len(&term)), (Kind::Leaf, 0), "leaf of node {no}");
                        todo.push((header.term, Some(kind)));
                    }
                    assert!(!exact || header.entries() >= 2, "node {no} has {} entries", header.entries());
                    assert!(!exact || kind.smaller(header.live).is_none(), "node {no} is large for {}", header.live);
                    Class::node(kind)
                }
            };
            assert_eq!((class.kind(), class.words()), (at.kind, at.words), "class of node {no}");
            found[class.index()] += 1;
        }
        assert_eq!(keys, writer.len, "len");
        assert_eq!(found, writer.slots.live(&self.store), "slots in use, by class");
        let marked = (0..self.store.len())
            .flat_map(|chunk| (0..).map_while(move |i| self.store.marks(chunk, i)).enumerate().map(move |m| (chunk, m)))
            .flat_map(|(chunk, (i, marks))| {
                (0..64).filter(move |b| marks >> b & 1 == 1).map(move |b| (chunk, i * 64 + b))
            })
            .map(|(chunk, slot)| self.store.number(chunk, slot))
            .inspect(|no| assert!(seen.contains(no), "leaf {no} has a mark and is not in the tree"))
            .count();
        assert_eq!(marked as u64, keys, "marks");
    }
}
