//! Ordered scans both ways, the walk over all nodes in the arena's order, and sampling.
//!
//! A scan forward follows the lowest level. There are no links back, which would cost every key eight bytes and every
//! change a second store that readers could see without the first. A scan in reverse goes by stretches: one search for the
//! key it came from tells, on a level that suits the number of entries wanted, a node some way before it; from there it
//! runs forward and gives what it met in reverse. A search is thus paid once for some [`STRETCH`] entries.

use super::arena::Word;
use super::list::{At, List, Step};
use super::node::{HEAD, NONE};
use crate::index::{Direction, KeyPage, Start};
use crate::types::Location;

/// Most entries of a stretch of a reverse scan.
const STRETCH: usize = 64;

/// Nodes of a stretch: the last that were pushed.
struct Stretch {
    nodes: [u32; STRETCH],
    pushed: usize,
}

impl Stretch {
    fn push(&mut self, node: u32) {
        self.nodes[self.pushed % STRETCH] = node;
        self.pushed += 1;
    }

    /// Newest first.
    fn reversed(&self) -> impl Iterator<Item = u32> {
        (0..self.pushed.min(STRETCH)).map(|i| self.nodes[(self.pushed - 1 - i) % STRETCH])
    }
}

impl<W: Word> List<W> {
    /// Appends up to `max` entries from `start` on.
    pub(super) fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) {
        match direction {
            Direction::Forward => self.scan_forward(start, max, page),
            Direction::Reverse => self.scan_reverse(start, max, page),
        }
    }

    fn scan_forward(&self, start: Start<'_>, max: usize, page: &mut KeyPage) {
        let mut node = match start {
            Start::Edge => self.link(HEAD, 0).next(),
            Start::At(key) => match self.seek(Some(key), 0).1 {
                Step::Found(node) | Step::Stop(node) => node,
                Step::Next(at) => at.node,
            },
            Start::After(key) => match self.seek(Some(key), 0).1 {
                Step::Found(node) => self.link(node, 0).next(),
                Step::Stop(node) => node,
                Step::Next(at) => at.node,
            },
        };
        let mut buffer = Vec::new();
        for _ in 0..max {
            if node == NONE {
                return;
            }
            let next = self.link(node, 0).next();
            // The next node's line is on its way while this one's key is copied.
            std::hint::black_box(self.arena.word(next).peek());
            self.emit(node, &mut buffer, page);
            node = next;
        }
    }

    fn scan_reverse(&self, start: Start<'_>, max: usize, page: &mut KeyPage) {
        let (mut left, mut buffer, mut bound) = (max, Vec::new(), None);
        match start {
            Start::Edge => {}
            Start::After(key) => bound = Some(key.to_vec()),
            Start::At(key) => {
                if let Some(node) = self.find(key).filter(|_| left > 0) {
                    self.emit(node, &mut buffer, page);
                    left -= 1;
                }
                bound = Some(key.to_vec());
            }
        }
        while left > 0 {
            // On average there are four nodes from one of level 1 to the next, and twice as many with each level.
            let level = (left.min(STRETCH / 2) as u32).ilog2().saturating_sub(1);
            let (at, _) = self.seek(bound.as_deref(), level);
            let mut stretch = Stretch { nodes: [NONE; STRETCH], pushed: 0 };
            self.run(at, bound.as_deref(), &mut stretch);
            let first = stretch.pushed < STRETCH;
            let before = (first && at.node != HEAD).then_some(at.node);
            let mut last = NONE;
            for node in stretch.reversed().chain(before).take(left) {
                self.emit(node, &mut buffer, page);
                left -= 1;
                last = node;
            }
            if first && at.node == HEAD {
                return;
            }
            let mut next = bound.take().unwrap_or_default();
            next.clear();
            self.arena.with_key(last, &mut buffer, |key| next.extend_from_slice(key));
            bound = Some(next);
        }
    }

    /// The last node before a bound among those of a level and above, and what lies behind it. No bound is behind all keys.
    fn seek(&self, bound: Option<&[u8]>, lowest: u32) -> (At, Step) {
        let mut at = At::start(bound.unwrap_or(&[]));
        let mut level = self.height.get() as u32;
        while level > lowest {
            match self.step_to(at, level - 1, bound) {
                Step::Next(next) => at = next,
                step if level - 1 == lowest => return (at, step),
                Step::Found(node) if lowest == 0 => return (at, Step::Found(node)),
                Step::Found(_) | Step::Stop(_) => level -= 1,
            }
        }
        (at, Step::Stop(NONE))
    }

    /// Collects all nodes from behind `at` to before the bound.
    fn run(&self, mut at: At, bound: Option<&[u8]>, stretch: &mut Stretch) {
        while let Step::Next(next) = self.step_to(at, 0, bound) {
            stretch.push(next.node);
            at = next;
        }
    }

    fn step_to(&self, at: At, level: u32, bound: Option<&[u8]>) -> Step {
        match (bound, self.link(at.node, level).next()) {
            (Some(bound), _) => self.step(at, level, bound),
            (None, NONE) => Step::Stop(NONE),
            (None, next) => Step::Next(At { node: next, ..at }),
        }
    }

    fn emit(&self, node: u32, buffer: &mut Vec<u8>, page: &mut KeyPage) {
        let location = Location::from_bits(self.arena.location(node).get());
        self.arena.with_key(node, buffer, |key| page.push(&[], key, location));
    }

    /// Appends the locations of live nodes from number `from` on, until there are `max`; returns the number to go on
    /// from, or nothing at the end.
    pub(super) fn walk(&self, mut from: u32, max: usize, out: &mut Vec<Location>) -> Option<u32> {
        for _ in 0..max {
            let node = self.arena.next_live(from)?;
            out.push(Location::from_bits(self.arena.location(node).get()));
            from = node + 1;
        }
        Some(from)
    }

    /// A uniformly random entry, by rejection: a random chunk, and a random one of as many nodes as any chunk has had. None
    /// if there is no such node.
    pub(super) fn sample(&self, random: &mut dyn FnMut() -> u64) -> Option<Location> {
        let below = |n: u64, random: &mut dyn FnMut() -> u64| (u128::from(random()) * u128::from(n) >> 64) as u32;
        let index = below(u64::from(self.arena.chunks()), random);
        let nth = below(self.most.peek(), random);
        let node = self.arena.nth_live(index, nth)?;
        Some(Location::from_bits(self.arena.location(node).get()))
    }
}
