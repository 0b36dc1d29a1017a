//! Verifies a whole list against the module's invariants.

use std::collections::BTreeMap;

use super::SkipList;
use super::arena::Word;
use super::list::List;
use super::node::{HEAD, Link, MAX_HEIGHT, NONE, head_of};

impl SkipList {
    /// Panics with what is wrong.
    ///
    /// REQUIRES: no `apply` at the same time.
    pub(super) fn check(&self) {
        let writer = self.writer.lock();
        let list = self.read();
        let nodes = list.check_levels(&writer.tails);
        let mut blocks: BTreeMap<u32, u32> = BTreeMap::new();
        let retired = writer.retired.iter().copied();
        for (block, words) in nodes.into_iter().chain(retired).map(|node| writer.block_of(&list, node)) {
            assert!(blocks.insert(block, words).is_none(), "two nodes at {block}");
        }
        if list.arena.chunks() > 0 {
            blocks.insert(1, HEAD);
        }
        writer.alloc.check(&list.arena, &blocks);
    }
}

impl<W: Word> List<W> {
    /// All nodes, which were found to be right.
    pub(super) fn check_levels(&self, tails: &[u32]) -> Vec<u32> {
        let (mut above, mut buffer): (Vec<u32>, _) = (Vec::new(), Vec::new());
        assert!(self.height.peek() <= u64::from(MAX_HEIGHT), "height");
        for level in (0..MAX_HEIGHT).rev() {
            let (mut nodes, mut last, mut link) = (Vec::new(), None::<Vec<u8>>, self.link(HEAD, level));
            let mut node = HEAD;
            while link != Link::END {
                let next = link.next();
                let key = self.arena.with_key(next, &mut buffer, <[u8]>::to_vec);
                if let Some(last) = &last {
                    assert!(*last < key, "order of {last:?} and {key:?} on level {level}");
                }
                let shared = last.map_or(0, |last| shared(&last, &key));
                assert_eq!((link.shared(), link.head()), (shared, head_of(&key, shared)), "link to {key:?} on {level}");
                assert!(self.arena.shape(next).0 > level, "node {next} is not as high as level {level}");
                nodes.push(next);
                (node, last, link) = (next, Some(key), self.link(next, level));
            }
            assert_eq!(tails[level as usize], node, "tail of level {level}");
            assert_eq!(u64::from(level) < self.height.peek(), !nodes.is_empty(), "height for level {level}");
            let high: Vec<u32> = nodes.iter().copied().filter(|n| self.arena.shape(*n).0 > level + 1).collect();
            assert!(high == above, "level {} has not the nodes that it should have", level + 1);
            above = nodes;
        }
        let (mut live, mut from) = (Vec::new(), 0);
        while let Some(node) = self.arena.next_live(from) {
            live.push(node);
            from = node + 1;
        }
        assert!(live.iter().all(|node| *node != NONE));
        assert!(self.arena.most_live() <= self.most.peek(), "most nodes of a chunk");
        let mut sorted = above.clone();
        sorted.sort_unstable();
        assert!(sorted == live, "live bits");
        assert_eq!(live.len() as u64, self.len.peek(), "len");
        above
    }
}

/// Counted one by one.
fn shared(a: &[u8], b: &[u8]) -> u32 {
    let byte = |key: &[u8], i: usize| key.get(i).copied().unwrap_or(0);
    (0..a.len().max(b.len())).find(|&i| byte(a, i) != byte(b, i)).map_or(0xffff, |i| i as u32)
}
