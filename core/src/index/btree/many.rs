//! Many lookups at once: their cache misses overlap.
//!
//! Group prefetching (Chen, Ailamaki, Gibbons, Mowry: "Improving hash join performance through prefetching", ICDE 2004): the keys
//! of a group take each step of a lookup together, and each step only asks for the lines that the next one reads.
//! Whoever is sent back by a change takes the way by itself.

use super::search::{State, View};
use crate::types::Location;
use crate::util::prefetch::prefetch;

/// Keys of a group. Each asks for some ten lines at once; more of them only wait in the processor's queue.
pub(super) const GROUP: usize = 16;

impl State {
    /// Looks up each key.
    pub(super) fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) {
        for (keys, out) in keys.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
            match self.root() {
                None => out.fill(None),
                Some(root) => self.get_group(root, keys, out),
            }
        }
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

    fn get_group(&self, root: View<'_>, keys: &[&[u8]], out: &mut [Option<Location>]) {
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
