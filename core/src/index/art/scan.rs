//! Ordered scans.
//!
//! A scan asks for the children of a node together before it visits the first: each leaf is a wait for memory, and there are
//! as many as keys. It keeps a list of what is still to be visited, last first, instead of calling itself: a tree may be as
//! deep as a key is long. It may run beside the writer's single changes, and then meets nodes that were replaced meanwhile.
//! These stay as they were, with all keys below them that stayed; and each item of the list covers keys that begin
//! with bytes of its own, which ascend (or descend). So a key that is there all the time is given once, in order.

use super::class::Kind;
use super::store::{NONE, Word};
use super::string;
use super::tree::Tree;
use crate::index::{Direction, KeyPage, Start};
use crate::types::Location;

/// Bytes of a node with 256 by which its children are asked for ahead of the one that is visited: leaves, and nodes.
const LEAVES_AHEAD: usize = 16;
const NODES_AHEAD: usize = 3;
/// Bytes of a leaf that go to the page without a detour.
const SHORT: usize = 32;

/// What is still to be visited.
#[derive(Clone, Copy)]
enum Todo {
    /// What is below `no`, whose keys begin with the first `depth` bytes of the present key and, if there is one, this byte.
    Below { depth: u32, byte: Option<u8>, no: u32 },
    /// The children of node `no` with 256, from this byte on. `fresh`: the first of them were not asked for yet.
    Children { depth: u32, from: u8, fresh: bool, no: u32 },
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
                Todo::Children { depth, from, fresh, no } => {
                    let Some((byte, child)) = self.tree.store.slot(no).next_child(from, self.forward) else { continue };
                    self.prefetch_children(no, child, fresh, (from, byte));
                    let next = if self.forward { byte.checked_add(1) } else { byte.checked_sub(1) };
                    self.push_from(no, depth, next, false);
                    self.key.truncate(depth as usize);
                    self.key.push(byte);
                    self.visit(child);
                }
            }
        }
    }

    /// Asks for the children of a node with 256 some bytes ahead of those from `from` to `to`, where `child` is; `fresh`: and for
    /// those up to there.
    fn prefetch_children(&self, no: u32, child: u32, fresh: bool, (from, to): (u8, u8)) {
        let at = self.tree.store.slot(no);
        let is_leaf = self.tree.store.slot(child).kind == Kind::Leaf;
        let ahead = if is_leaf { LEAVES_AHEAD } else { NODES_AHEAD };
        // As places in the scan's order.
        let place = |byte: u8| usize::from(if self.forward { byte } else { 255 - byte });
        let first = if fresh { place(from) } else { place(from) + ahead };
        for place in (first..=place(to) + ahead).take_while(|place| *place < 256) {
            self.tree.store.prefetch(at.child_at(if self.forward { place } else { 255 - place }));
        }
    }

    /// Gives a leaf out, or lists what is below.
    fn visit(&mut self, mut no: u32) {
        while let Some(at) = self.tree.store.at(no) {
            let depth = self.key.len();
            match at.kind {
                Kind::Absent => return,
                Kind::Leaf => {
                    let (mut short, len) = ([0; SHORT], string::leaf_len(&at));
                    let location = Location::from_bits(at.word(0).load());
                    if len <= SHORT {
                        for (i, bytes) in short.chunks_exact_mut(8).enumerate().take(len.div_ceil(8)) {
                            bytes.copy_from_slice(&at.word(1 + i).load_relaxed().to_le_bytes());
                        }
                        self.out.push(&self.key, &short[..len], location);
                    } else {
                        string::copy_leaf(&at, &mut self.key);
                        self.out.push(&self.key, &[], location);
                    }
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

    fn push_from(&mut self, no: u32, depth: u32, from: Option<u8>, fresh: bool) {
        if let Some(from) = from {
            self.todo.push(Todo::Children { depth, from, fresh, no });
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
            return self.push_from(no, depth as u32, from, true);
        }
        // Sorted by where they are put: bytes differ. From both ends of the scan's order to the other.
        let (mut by_byte, mut there) = ([NONE; 256], [0u64; 4]);
        let forward = self.forward;
        at.each_child(|byte, child| {
            if behind.is_none_or(|b| if forward { byte > b } else { byte < b }) {
                by_byte[usize::from(byte)] = child;
                there[usize::from(byte / 64)] |= 1 << (byte % 64);
            }
        });
        let first = self.todo.len();
        for i in 0..4 {
            let i = if forward { 3 - i } else { i };
            while there[i] != 0 {
                let bit = if forward { 63 - there[i].leading_zeros() } else { there[i].trailing_zeros() };
                there[i] &= !(1 << bit);
                let byte = (i as u32 * 64 + bit) as u8;
                self.push_below(depth, Some(byte), by_byte[usize::from(byte)]);
            }
        }
        // What will be visited first is asked for first.
        for todo in self.todo[first..].iter().rev().take(self.left) {
            if let Todo::Below { no, .. } = todo {
                self.tree.store.prefetch(*no);
            }
        }
    }
}
