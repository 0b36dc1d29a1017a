//! The list: the way to a key, and the one writer's changes beside readers.
//!
//! Readers need [`List`] alone; what only the writer knows is in [`Writer`].
//!
//! Invariants of a search: `At::node` is before the key, and `At::shared` is the number of bytes that the two share.

use std::cmp::Ordering;

use super::alloc::{Alloc, block_words};
use super::arena::{Arena, Chunk, Word};
use super::node::{ENDLESS, HEAD, HIGH, Link, MAX_HEIGHT, NONE, head_of, node_words};

/// What readers see.
pub(super) struct List<W> {
    pub(super) arena: Arena<W>,
    /// Levels that have a node. Searches begin at the highest; to begin too low takes longer and finds the same.
    pub(super) height: W,
    pub(super) len: W,
    /// Most live nodes that a chunk had since the list was empty.
    pub(super) most: W,
}

/// A place in a search for a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// The last node that is known to be before the key.
    pub(super) node: u32,
    /// Bytes that it shares with the key.
    pub(super) shared: u32,
    /// The two bytes of the key behind those.
    pub(super) head: u16,
}

impl At {
    /// Where every search begins. Nothing is before the head, so that it need not have a key to share.
    pub(super) fn start(key: &[u8]) -> At {
        At { node: HEAD, shared: 0, head: head_of(key, 0) }
    }

    fn new(node: u32, key: &[u8], shared: u32) -> At {
        At { node, shared, head: head_of(key, shared) }
    }
}

/// What a link says of a key.
pub(super) enum Step {
    /// The next node is before the key.
    Next(At),
    /// It is behind the key, or [`NONE`].
    Stop(u32),
    /// It has the key.
    Found(u32),
}

impl<W: Word> List<W> {
    pub(super) fn new() -> List<W> {
        List { arena: Arena::new(), height: W::new(0), len: W::new(0), most: W::new(0) }
    }

    /// The link of a node.
    #[inline]
    pub(super) fn link(&self, node: u32, level: u32) -> Link {
        Link(self.arena.link(node, level).get())
    }

    /// Follows one link or doesn't. Most decisions need the link's word alone, for which see the module's head.
    #[inline]
    pub(super) fn step(&self, at: At, level: u32, key: &[u8]) -> Step {
        let link = self.link(at.node, level);
        let next = link.next();
        if next == NONE || link.shared() < at.shared {
            return Step::Stop(next);
        }
        if link.shared() > at.shared {
            return Step::Next(At { node: next, ..at });
        }
        match link.head().cmp(&at.head) {
            Ordering::Greater => Step::Stop(next),
            Ordering::Less => {
                let one_more = u32::from(link.head() >> 8 == at.head >> 8);
                Step::Next(At::new(next, key, (at.shared + one_more).min(ENDLESS)))
            }
            Ordering::Equal => match self.arena.compare(next, key, at.shared) {
                (Ordering::Less, shared) => Step::Next(At::new(next, key, shared)),
                (Ordering::Equal, _) => Step::Found(next),
                (Ordering::Greater, _) => Step::Stop(next),
            },
        }
    }

    /// The node of a key.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        let mut at = At::start(key);
        let mut level = self.height.get() as u32;
        while level > 0 {
            match self.step(at, level - 1, key) {
                Step::Next(next) => at = next,
                Step::Stop(_) => level -= 1,
                Step::Found(node) => return Some(node),
            }
        }
        None
    }

    /// Forgets all nodes, and returns their memory.
    pub(super) fn clear(&mut self) -> Vec<Chunk<W>> {
        [&self.height, &self.len, &self.most].into_iter().for_each(|word| word.put(0));
        std::mem::replace(&mut self.arena, Arena::new()).into_chunks()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<u64> {
        self.find(key).map(|node| self.arena.location(node).get())
    }
}

/// What the writer alone knows.
pub(super) struct Writer {
    pub(super) alloc: Alloc,
    /// Last node of each level, or the head.
    pub(super) tails: [u32; MAX_HEIGHT as usize],
    /// Nodes that are in no list any more, but that readers may still be at.
    pub(super) retired: Vec<u32>,
    pub(super) retired_words: u64,
    /// Where the last search left each level.
    path: [At; MAX_HEIGHT as usize],
    random: u64,
}

impl Writer {
    pub(super) fn new(seed: u64) -> Writer {
        let (tails, path) = ([HEAD; MAX_HEIGHT as usize], [At::start(&[]); MAX_HEIGHT as usize]);
        Writer { alloc: Alloc::new(), tails, retired: Vec::new(), retired_words: 0, path, random: seed }
    }

    /// Forgets all nodes, and gives up the memory for the book of them.
    pub(super) fn clear(&mut self) {
        *self = Writer::new(self.random);
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.alloc.memory() + self.retired.capacity() * size_of::<u32>()
    }

    /// The height of a new node: 1 for three nodes of four, and each level more for half of those that are left. At
    /// most one level is opened at a time, lest a lucky draw makes all searches begin too high.
    pub(super) fn draw_height<W: Word>(&mut self, list: &List<W>) -> u32 {
        // splitmix64
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let height = if z & 3 == 0 { 2 + (z >> 2).trailing_zeros() } else { 1 };
        height.min(list.height.peek() as u32 + 1).min(MAX_HEIGHT)
    }

    /// Sets the location of a key, and returns the former one. A new key's node gets this height.
    ///
    /// REQUIRES: there is room for the node.
    pub(super) fn put<W: Word>(&mut self, list: &List<W>, key: &[u8], location: u64, height: u32) -> Option<u64> {
        if let Some(node) = self.path_for_put(list, key, height) {
            let word = list.arena.location(node);
            let old = word.peek();
            word.set(location);
            return Some(old);
        }
        let block = self.alloc.alloc(&list.arena, node_words(height, key.len()), height >= HIGH);
        // `None` would say that the key is new and in the list.
        let Some(block) = block else { panic!("a node without the room that was made for it") };
        let node = block + height - 1;
        list.arena.write_node(node, height, key, location);
        let path = &self.path[..height as usize];
        for (level, at) in (0..).zip(path) {
            let next = Link(list.arena.link(at.node, level).peek());
            list.arena.link(node, level).put(between(list, key, *at, next).0);
        }
        // From the bottom up: whoever comes to the node on a high level can go on on the lower ones, and the node is in the
        // list once it is in the lowest.
        for (level, at) in (0..).zip(path) {
            if list.arena.link(node, level).peek() == Link::END.0 {
                self.tails[level as usize] = node;
            }
            list.arena.link(at.node, level).set(Link::new(node, at.shared, at.head).0);
        }
        if u64::from(height) > list.height.peek() {
            list.height.set(u64::from(height));
        }
        let live = list.arena.mark(node, true);
        list.most.put(list.most.peek().max(live));
        list.len.set(list.len.peek() + 1);
        None
    }

    /// Takes a key out, and returns its location. Its node is retired.
    pub(super) fn remove<W: Word>(&mut self, list: &List<W>, key: &[u8]) -> Option<u64> {
        let node = self.find_path(list, key, false)?;
        let (height, _) = list.arena.shape(node);
        // From the top down: the node is in the list until it has left the lowest.
        for level in (0..height).rev() {
            let at = self.path[level as usize];
            let here = list.arena.link(at.node, level);
            let (to, from) = (Link(here.peek()), Link(list.arena.link(node, level).peek()));
            debug_assert_eq!(to.next(), node, "the path leads to the node");
            if from == Link::END {
                self.tails[level as usize] = at.node;
                here.set(Link::END.0);
                continue;
            }
            let shared = to.shared().min(from.shared());
            let head = if shared == from.shared() { from.head() } else { list.arena.node_head(from.next(), shared) };
            here.set(Link::new(from.next(), shared, head).0);
        }
        let mut levels = list.height.peek() as u32;
        while levels > 0 && list.arena.link(HEAD, levels - 1).peek() == Link::END.0 {
            levels -= 1;
        }
        list.height.set(u64::from(levels));
        list.arena.mark(node, false);
        list.len.set(list.len.peek() - 1);
        self.retired.push(node);
        self.retired_words += u64::from(self.block_of(list, node).1);
        Some(list.arena.location(node).peek())
    }

    /// Makes the words of retired nodes free.
    ///
    /// REQUIRES: no reader has been inside since before the first of them left the list.
    pub(super) fn reclaim<W: Word>(&mut self, list: &List<W>) {
        while let Some(node) = self.retired.pop() {
            let (block, words) = self.block_of(list, node);
            self.alloc.free(&list.arena, block, words);
        }
        self.retired_words = 0;
    }

    /// The block of a node, and its words.
    pub(super) fn block_of<W: Word>(&self, list: &List<W>, node: u32) -> (u32, u32) {
        let (height, len) = list.arena.shape(node);
        (node + 1 - height, block_words(node_words(height, len)))
    }

    fn path_for_put<W: Word>(&mut self, list: &List<W>, key: &[u8], height: u32) -> Option<u32> {
        let tail = self.tails[0];
        if tail != HEAD && list.arena.compare(tail, key, 0).0 == Ordering::Less {
            // Ascending keys: no search at all.
            for (at, tail) in self.path.iter_mut().zip(self.tails).take(height as usize) {
                *at = At::start(key);
                if tail != HEAD {
                    *at = At::new(tail, key, list.arena.compare(tail, key, 0).1);
                }
            }
            return None;
        }
        self.find_path(list, key, true)
    }

    /// Notes where each level is left on the way to a key; returns its node. `early`: a path isn't needed if there is one.
    fn find_path<W: Word>(&mut self, list: &List<W>, key: &[u8], early: bool) -> Option<u32> {
        let (mut at, mut found) = (At::start(key), None);
        let levels = list.height.peek() as u32;
        self.path[levels as usize..].fill(at);
        let mut level = levels;
        while level > 0 {
            match list.step(at, level - 1, key) {
                Step::Next(next) => {
                    at = next;
                    continue;
                }
                Step::Found(node) if early => return Some(node),
                Step::Found(node) => found = Some(node),
                Step::Stop(_) => {}
            }
            level -= 1;
            self.path[level as usize] = at;
        }
        found
    }
}

/// The link from `key`, which goes behind `at`, to the node that `next` leads to now.
fn between<W: Word>(list: &List<W>, key: &[u8], at: At, next: Link) -> Link {
    if next == Link::END || next.shared() < at.shared {
        return next;
    }
    let (_, shared) = list.arena.compare(next.next(), key, at.shared);
    Link::new(next.next(), shared, list.arena.node_head(next.next(), shared))
}
