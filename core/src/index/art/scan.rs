//! Ordered scans.
//!
//! A scan keeps a list of what is still to be visited, last first, instead of calling itself: a tree may be as
//! deep as a key is long. It may run beside the writer's single changes, and then meets nodes that were replaced meanwhile.
//! These stay as they were, with all keys below them that stayed; and each item of the list covers keys that begin
//! with bytes of its own, which ascend (or descend). So a key that is there all the time is given once, in order.

use super::class::Kind;
use super::node::Entry;
use super::store::{NONE, Word};
use super::string;
use super::tree::Tree;
use crate::index::{Direction, KeyPage, Start};
use crate::types::Location;

/// What is still to be visited.
#[derive(Clone, Copy)]
enum Todo {
    /// What is below `no`, whose keys begin with the first `depth` bytes of the present key and, if there is one, this byte.
    Below { depth: u32, byte: Option<u8>, no: u32 },
    /// The children of node `no` with 256, from this byte on.
    Children { depth: u32, from: u8, no: u32 },
}

/// A scan on its way.
struct Scan<'a, W> {
    tree: &'a Tree<W>,
    forward: bool,
    key: Vec<u8>,
    todo: Vec<Todo>,
    left: usize,
    out: &'a mut KeyPage,
}

impl<W: Word> Tree<W> {
    /// Appends up to `max` entries from `start` on.
    pub(super) fn scan(&self, start: Start<'_>, direction: Direction, max: usize, out: &mut KeyPage) {
        let forward = direction == Direction::Forward;
        let mut scan = Scan { tree: self, forward, key: Vec::new(), todo: Vec::new(), left: max, out };
        let root = self.root.load() as u32;
        match start {
            Start::Edge => scan.todo.push(Todo::Below { depth: 0, byte: None, no: root }),
            Start::At(key) => scan.seek(root, key, true),
            Start::After(key) => scan.seek(root, key, false),
        }
        scan.run();
    }

    /// Appends the locations in a few chunks' worth of slots from a position on, until there are about `max`; returns the
    /// position to go on from, or nothing at the end.
    pub(super) fn walk(&self, position: u64, max: usize, out: &mut Vec<Location>) -> Option<u64> {
        let wanted = out.len().saturating_add(max);
        let (mut chunk, mut i) = (u32::try_from(position >> 32).ok()?, position as u32 as usize);
        while chunk < self.store.len() {
            if out.len() >= wanted {
                return Some(u64::from(chunk) << 32 | i as u64);
            }
            let Some(mut marks) = self.store.marks(chunk, i) else {
                (chunk, i) = (chunk + 1, 0);
                continue;
            };
            while marks != 0 {
                let no = self.store.number(chunk, i * 64 + marks.trailing_zeros() as usize);
                out.push(Location::from_bits(self.store.slot(no).word(0).load()));
                marks &= marks - 1;
            }
            i += 1;
        }
        None
    }

    /// A random entry's location; see [`Art::sample`](super::Art::sample).
    pub(super) fn sample(&self, random: &mut dyn FnMut() -> u64) -> Option<u64> {
        let no = self.store.random_leaf(random)?;
        Some(self.store.slot(no).word(0).load())
    }
}

impl<W: Word> Scan<'_, W> {
    /// Goes down to `start`, and puts what lies beside the way, in the scan's direction, on the list.
    fn seek(&mut self, root: u32, start: &[u8], inclusive: bool) {
        let (mut no, mut depth) = (root, 0);
        self.key.extend_from_slice(start);
        while let Some(at) = self.tree.store.at(no) {
            let rest = &start[depth..];
            match at.kind {
                Kind::Absent => return,
                Kind::Leaf | Kind::Prefix => {
                    let mut own = Vec::new();
                    let head = at.word(0).load();
                    if at.kind == Kind::Leaf {
                        string::copy_leaf(&at, &mut own);
                    } else {
                        string::copy(&at, string::prefix_len(head), &mut own);
                    }
                    if at.kind == Kind::Prefix && rest.starts_with(&own) {
                        (no, depth) = (string::prefix_child(head), depth + own.len());
                        continue;
                    }
                    let beyond = if self.forward { own.as_slice() > rest } else { own.as_slice() < rest };
                    if beyond || (inclusive && at.kind == Kind::Leaf && own == rest) {
                        self.todo.push(Todo::Below { depth: depth as u32, byte: None, no });
                    }
                    return;
                }
                _ => {
                    let term = at.header().term;
                    let Some(byte) = rest.first() else {
                        if self.forward {
                            self.push_children(no, depth, None);
                        }
                        if inclusive {
                            self.push_below(depth, None, term);
                        }
                        return;
                    };
                    if !self.forward {
                        self.push_below(depth, None, term);
                    }
                    self.push_children(no, depth, Some(*byte));
                    (no, depth) = (at.child(*byte), depth + 1);
                }
            }
        }
    }

    fn run(&mut self) {
        while self.left > 0 {
            let Some(todo) = self.todo.pop() else { return };
            match todo {
                Todo::Below { depth, byte, no } => {
                    self.key.truncate(depth as usize);
                    self.key.extend(byte);
                    self.visit(no);
                }
                Todo::Children { depth, from, no } => {
                    let Some((byte, child)) = self.tree.store.slot(no).next_child(from, self.forward) else { continue };
                    self.push_from(no, depth, if self.forward { byte.checked_add(1) } else { byte.checked_sub(1) });
                    self.key.truncate(depth as usize);
                    self.key.push(byte);
                    self.visit(child);
                }
            }
        }
    }

    /// Gives a leaf out, or lists what is below.
    fn visit(&mut self, mut no: u32) {
        while let Some(at) = self.tree.store.at(no) {
            let depth = self.key.len();
            match at.kind {
                Kind::Absent => return,
                Kind::Leaf => {
                    string::copy_leaf(&at, &mut self.key);
                    self.out.push(&self.key, &[], Location::from_bits(at.word(0).load()));
                    self.left -= 1;
                    return;
                }
                Kind::Prefix => {
                    let head = at.word(0).load();
                    string::copy(&at, string::prefix_len(head), &mut self.key);
                    no = string::prefix_child(head);
                }
                _ => {
                    let term = at.header().term;
                    if !self.forward {
                        self.push_below(depth, None, term);
                    }
                    self.push_children(no, depth, None);
                    if self.forward {
                        self.push_below(depth, None, term);
                    }
                    return;
                }
            }
        }
    }

    fn push_below(&mut self, depth: usize, byte: Option<u8>, no: u32) {
        if no != NONE {
            self.todo.push(Todo::Below { depth: depth as u32, byte, no });
        }
    }

    fn push_from(&mut self, no: u32, depth: u32, from: Option<u8>) {
        if let Some(from) = from {
            self.todo.push(Todo::Children { depth, from, no });
        }
    }

    /// Lists a node's children, those behind byte `behind` only if there is one.
    fn push_children(&mut self, no: u32, depth: usize, behind: Option<u8>) {
        let at = self.tree.store.slot(no);
        if at.kind == Kind::Node256 {
            let from = match (behind, self.forward) {
                (None, forward) => Some(if forward { 0 } else { u8::MAX }),
                (Some(byte), true) => byte.checked_add(1),
                (Some(byte), false) => byte.checked_sub(1),
            };
            return self.push_from(no, depth as u32, from);
        }
        let mut sorted: [Entry; 48] = [(0, NONE); 48];
        let mut n = 0;
        let forward = self.forward;
        at.each_child(|byte, child| {
            if behind.is_none_or(|b| if forward { byte > b } else { byte < b }) {
                sorted[n] = (byte, child);
                n += 1;
            }
        });
        let sorted = &mut sorted[..n];
        // Bytes differ, so what else is in an entry decides nothing.
        sorted.sort_unstable_by_key(|entry| if forward { !entry.0 } else { entry.0 });
        for (byte, child) in sorted {
            self.push_below(depth, Some(*byte), *child);
        }
    }
}
