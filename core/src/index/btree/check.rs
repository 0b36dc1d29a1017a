//! Verifies a whole tree against the module's invariants.

use super::edit::Writer;
use super::page::{NO_KEY_BYTES, head_at, word_of};
use super::search::State;
use crate::index::arena::{NO_PAGE, Page};
use std::collections::HashSet;

/// What a walk from the root has seen.
#[derive(Default)]
struct Seen {
    pages: HashSet<u32>,
    longs: HashSet<u32>,
    leaves: Vec<u32>,
    keys: u64,
    last: Option<Vec<u8>>,
}

impl State {
    fn page(&self, no: u32) -> &Page {
        self.pages.page(no)
    }

    fn root_no(&self) -> u32 {
        self.root.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Number of levels of a tree that isn't empty.
    pub(super) fn height(&self) -> u8 {
        self.page(self.root_no()).level() + 1
    }

    /// Panics with what is wrong.
    pub(super) fn check(&self, writer: &Writer) {
        let mut seen = Seen::default();
        if self.root_no() != NO_PAGE {
            let root = self.page(self.root_no());
            assert!(root.count() > 0, "a root without entries");
            self.check_page(self.root_no(), root.level(), None, None, &mut seen);
        }
        assert_eq!(seen.keys, writer.len, "len");
        assert_eq!(seen.pages.len(), writer.arena.used() as usize, "leaked pages");
        assert_eq!(seen.longs.len(), self.longs.count(), "leaked long keys");
        for (i, no) in seen.leaves.iter().enumerate() {
            let page = self.page(*no);
            let at = |i: Option<usize>| i.and_then(|i| seen.leaves.get(i)).copied().unwrap_or(NO_PAGE);
            assert_eq!(page.prev(), at(i.checked_sub(1)), "link back from leaf {no}");
            assert_eq!(page.next(), at(Some(i + 1)), "link from leaf {no}");
        }
    }

    /// Keys of the page are at least `low` and below `high`.
    fn check_page(&self, no: u32, level: u8, low: Option<&[u8]>, high: Option<&[u8]>, seen: &mut Seen) {
        assert!(seen.pages.insert(no), "page {no} is in the tree twice");
        let page = self.page(no);
        assert_eq!((page.level(), page.is_leaf()), (level, level == 0), "level of page {no}");
        page.check_heap();
        let keys: Vec<Vec<u8>> = (0..page.count()).map(|i| self.check_key(no, i, seen)).collect();
        for (i, key) in keys.iter().enumerate() {
            assert!(i == 0 || keys[i - 1] < *key, "order in page {no} at {i}");
            assert!(low.is_none_or(|low| low <= key.as_slice()), "page {no} entry {i} is below its separator");
            assert!(high.is_none_or(|high| key.as_slice() < high), "page {no} entry {i} is above its separator");
            let found = page.find(key, &self.longs);
            assert_eq!((found.pos, found.exact), (i, true), "search in page {no}");
        }
        if level == 0 {
            assert!(!keys.is_empty(), "leaf {no} is empty");
            assert!(seen.last.as_ref().is_none_or(|last| *last < keys[0]), "order between leaves at {no}");
            seen.last = keys.last().cloned();
            seen.keys += keys.len() as u64;
            seen.leaves.push(no);
            return;
        }
        for i in 0..=keys.len() {
            let low = if i == 0 { low } else { Some(keys[i - 1].as_slice()) };
            let high = keys.get(i).map_or(high, |k| Some(k.as_slice()));
            self.check_page(page.child(i), level - 1, low, high, seen);
        }
    }

    fn check_key(&self, no: u32, pos: usize, seen: &mut Seen) -> Vec<u8> {
        let page = self.page(no);
        let (cell, mut key) = (page.cell(pos), NO_KEY_BYTES);
        let prefix = page.copy_prefix(&mut key);
        let Err(long) = cell.len else {
            let len = page.copy_suffix(pos, cell, prefix, &mut key);
            return key[..len].to_vec();
        };
        assert!(seen.longs.insert(long), "long key {long} is in two entries");
        let whole = self.longs.get(long);
        assert!(whole.starts_with(&key[..prefix]), "prefix of page {no} entry {pos}");
        assert_eq!(page.word(head_at(pos)), word_of(&whole[prefix..]), "head of page {no} entry {pos}");
        whole.to_vec()
    }
}
