//! Verifies a whole tree against the module's invariants.

use std::collections::HashSet;

use super::BPTree;
use super::page::{Cell, Longs, Ptr};

/// What a walk from the root has seen.
#[derive(Default)]
struct Seen {
    pages: HashSet<u32>,
    keys: u64,
    last: Option<Vec<u8>>,
}

impl BPTree {
    /// Panics with what is wrong. No reader may be under way.
    pub(super) fn check(&self) {
        let mut writer = self.writer.lock();
        writer.reclaim(&self.shared);
        let version = self.shared.version();
        let mut seen = Seen::default();
        if version.height > 0 {
            let root = self.shared.page(version.root, version.height - 1).expect("the root");
            assert!(root.count() > 0, "a root without entries");
            self.check_page(version.root, version.height - 1, None, None, &mut seen);
        } else {
            assert_eq!(version.root, Ptr::NONE);
        }
        assert_eq!(seen.keys, version.len, "len");
        let live = &writer.space.live;
        assert_eq!(live.count(), seen.pages.len() as u64, "pages that leaked, or are in the tree and free");
        for &no in &seen.pages {
            assert!(live.get(no), "page {no} is in the tree and free");
        }
        assert_eq!(writer.space.held.count(), 0, "pages that are held for nobody");
        writer.check_dirty(&self.shared);
    }

    /// Keys of the page are at least `low` and below `high`.
    fn check_page(&self, ptr: Ptr, level: u8, low: Option<&[u8]>, high: Option<&[u8]>, seen: &mut Seen) {
        let no = ptr.no();
        assert!(seen.pages.insert(no), "page {no} is in the tree twice");
        let page = self.shared.page(ptr, level).expect("a page");
        page.check().expect("a sound page");
        let keys: Vec<Vec<u8>> = (0..page.count())
            .map(|pos| {
                if let Cell::Long(head, long) = page.cell(pos) {
                    for (ptr, _) in self.shared.chain(long).expect("a chain") {
                        assert!(seen.pages.insert(ptr.no()), "a long key of two entries");
                    }
                    assert!(self.shared.long(long).expect("a long key").starts_with(head));
                }
                page.key(pos, &self.shared).expect("a key")
            })
            .collect();
        for (i, key) in keys.iter().enumerate() {
            assert!(key.starts_with(page.prefix()), "prefix of page {no} at {i}");
            assert!(i == 0 || keys[i - 1] < *key, "order in page {no} at {i}");
            assert!(low.is_none_or(|low| low <= key.as_slice()), "page {no} entry {i} is below its separator");
            assert!(high.is_none_or(|high| key.as_slice() < high), "page {no} entry {i} is above its separator");
            let found = page.find(key, &self.shared).expect("a search");
            assert_eq!((found.pos, found.exact), (i, true), "search in page {no}");
        }
        if level == 0 {
            assert!(!keys.is_empty(), "leaf {no} is empty");
            assert!(seen.last.as_ref().is_none_or(|last| *last < keys[0]), "order between leaves at {no}");
            seen.last = keys.last().cloned();
            seen.keys += keys.len() as u64;
            return;
        }
        for i in 0..=keys.len() {
            let low = if i == 0 { low } else { Some(keys[i - 1].as_slice()) };
            let high = keys.get(i).map_or(high, |key| Some(key.as_slice()));
            self.check_page(page.child(i), level - 1, low, high, seen);
        }
    }
}
