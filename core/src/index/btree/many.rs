//! Many lookups at once: their cache misses overlap.
//!
//! Group prefetching (Chen, Ailamaki, Gibbons, Mowry: "Improving hash join performance through prefetching", ICDE 2004): the keys
//! of a group take each step of a lookup together, and each step only asks for the lines that the next one reads.
//! Whoever is sent back by a change takes the way by itself.
//!
//! Keys that ascend, as those of a range do, need no way of their own as long as they are in the leaf where the one before is.

use super::search::{State, View};
use crate::types::Location;
use crate::util::prefetch::prefetch;

/// Keys of a group. Each asks for some ten lines at once; more of them only wait in the processor's queue.
pub(super) const GROUP: usize = 16;
/// With so many keys in one leaf the next one is worth a way of its own: those behind it are likely to be there too.
const SEVERAL: usize = 8;

impl State {
    /// Looks up each key.
    pub(super) fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) {
        let len = keys.len().min(out.len());
        let (mut at, mut group) = (0, GROUP);
        while at < len {
            let Some(root) = self.root() else { return out[at..].fill(None) };
            let end = len.min(at + group);
            let leaf = self.get_group(root, &keys[at..end], &mut out[at..end]);
            at = end;
            if let Some(leaf) = leaf {
                at += self.get_behind(leaf, keys[end - 1], &keys[end..len], &mut out[end..len]);
            }
            group = if at - end >= SEVERAL { 1 } else { GROUP };
        }
    }

    /// Looks up keys in the leaf of the key before them, as long as they ascend and are there; says how many.
    fn get_behind<'k>(
        &self,
        leaf: View<'_>,
        mut last: &'k [u8],
        keys: &[&'k [u8]],
        out: &mut [Option<Location>],
    ) -> usize {
        let (page, mut low) = (leaf.page, 0);
        for (i, (&key, out)) in keys.iter().zip(out).enumerate() {
            if key <= last {
                return i;
            }
            let found = if low == 0 { page.find(key, &self.longs) } else { page.find_behind(low, key, &self.longs) };
            // What is behind all that the leaf has may be in another.
            if found.pos >= page.count() {
                return i;
            }
            let payload = found.exact_pos().map(|pos| page.payload(pos));
            if !page.is_leaf() || !leaf.holds() {
                return i;
            }
            *out = payload.map(Location::from_bits);
            (last, low) = (key, found.pos);
        }
        keys.len()
    }

    /// Asks for all that lookups of these keys read.
    pub(super) fn warm(&self, keys: &[&[u8]]) {
        for keys in keys.chunks(GROUP) {
            if let Some(root) = self.root() {
                let leaves = self.leaves(root, keys);
                let _ = lows(&leaves, keys);
            }
        }
    }

    /// The leaves where keys are, asked for.
    #[inline]
    fn leaves<'a>(&'a self, root: View<'a>, keys: &[&[u8]]) -> [Option<View<'a>>; GROUP] {
        let mut views = [Some(root); GROUP];
        let mut pages = [root.page; GROUP];
        for _ in 0..root.page.level() {
            for ((view, page), key) in views.iter().zip(&mut pages).zip(keys) {
                if let Some(View { page: parent, .. }) = view {
                    *page = self.pages.page(parent.child(parent.child_index(key, &self.longs)));
                    page.prefetch();
                }
            }
            for (view, page) in views.iter_mut().zip(&pages).take(keys.len()) {
                *view = view.and_then(|parent| parent.pass_to(page));
            }
        }
        views
    }

    /// Looks up the keys of a group, and gives the leaf of the last.
    fn get_group<'a>(&'a self, root: View<'a>, keys: &[&[u8]], out: &mut [Option<Location>]) -> Option<View<'a>> {
        let views = self.leaves(root, keys);
        let lows = lows(&views, keys);
        for (((view, low), key), out) in views.iter().zip(lows).zip(keys).zip(out) {
            let found = view.and_then(|leaf| {
                let pos = match leaf.page.strip_prefix(key) {
                    Ok(suffix) => leaf.page.find_from(low, suffix, key.len() - suffix.len(), &self.longs).exact_pos(),
                    Err(_) => None,
                };
                let payload = pos.map(|pos| leaf.page.payload(pos));
                (leaf.page.is_leaf() && leaf.holds()).then_some(payload)
            });
            *out = found.unwrap_or_else(|| self.get(key)).map(Location::from_bits);
        }
        keys.len().checked_sub(1).and_then(|last| views[last])
    }
}

/// Where in its leaf each key may be; what is there is asked for.
#[inline]
fn lows(leaves: &[Option<View<'_>>; GROUP], keys: &[&[u8]]) -> [usize; GROUP] {
    let mut lows = [0; GROUP];
    for ((leaf, low), key) in leaves.iter().zip(&mut lows).zip(keys) {
        if let Some(View { page, .. }) = leaf
            && let Ok(suffix) = page.strip_prefix(key)
        {
            *low = page.lower_bound(suffix);
            prefetch(page.place(page.slot(*low).0));
        }
    }
    lows
}

#[cfg(test)]
mod tests {
    use crate::index::btree::BTree;
    use crate::index::{Change, Index};
    use crate::types::Location;

    /// Keys that ascend are looked for in the leaf of the one before; those that don't, those that are not there and those of another leaf as any.
    #[test]
    fn keys_in_any_order_are_found_where_they_are() {
        let key = |n: u64| [&b"shared"[..], &n.to_be_bytes()].concat();
        let tree = BTree::new();
        for n in 0..4000 {
            tree.apply(&mut [Change { key: &key(2 * n), new: Some(Location::from_bits(n)), old: None }]).unwrap();
        }
        let all = |step: usize| (0..8100).step_by(step).collect::<Vec<u64>>();
        let mut orders: Vec<Vec<u64>> = [1, 2, 3, 7, 40, 500].map(all).into();
        orders.push((0..8100).rev().collect());
        orders.push((0..8100).map(|n| n / 3 * 3).collect());
        orders.push((0..8100).map(|n| if n % 50 == 49 { 8100 - n } else { n }).collect());
        orders.push((0..8100).map(|n| n * 7919 % 8100).collect());
        for order in orders {
            let keys: Vec<Vec<u8>> = order.iter().map(|&n| key(n)).collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let mut found = vec![Some(Location::from_bits(u64::MAX)); keys.len()];
            tree.get_many(&keys, &mut found).unwrap();
            for (n, found) in order.iter().zip(found) {
                let right = (n % 2 == 0 && *n < 8000).then(|| Location::from_bits(n / 2));
                assert_eq!(found, right, "key {n}");
            }
        }
    }
}
