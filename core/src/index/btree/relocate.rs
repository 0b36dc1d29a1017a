//! New places for keys that are there, as a merge has them: no page is taken, and no entry moves.
//!
//! Changes mostly come in the order of keys and are many, so that a leaf is looked for once for all that are on it: the next key is on the same
//! leaf or on the one behind it, or else it is looked for from the root. Each change locks its leaf for itself, as any other does, so that no
//! reader waits longer than for one.

use super::edit::{Editor, Writer};
use super::{BTree, Change};
use crate::index::arena::{NO_PAGE, WORDS};
use crate::types::Location;
use crate::util::prefetch::prefetch;

/// Words of a line of memory.
const LINE: usize = 16;

impl BTree {
    /// Makes changes up to one for which readers have to be kept out first, and gives that and all behind it.
    ///
    /// REQUIRES: the writer is ready.
    pub(super) fn relocate_shared<'c, 'k>(
        &self,
        writer: &mut Writer,
        changes: &'c mut [Change<'k>],
        is_old: &dyn Fn(Location) -> bool,
    ) -> &'c mut [Change<'k>] {
        let state = self.read();
        let mut near = None;
        for i in 0..changes.len() {
            if !writer.budget.spend() {
                return &mut changes[i..];
            }
            let change = &mut changes[i];
            change.old = None;
            let Some(new) = change.new else { continue };
            let mut editor = Editor::shared(&state, writer);
            let Some((leaf, pos)) = editor.entry_near(near, change.key) else { continue };
            if near != Some(leaf) {
                editor.ask_for_next(leaf);
                near = Some(leaf);
            }
            let old = Location::from_bits(editor.page(leaf).payload(pos));
            if is_old(old) {
                editor.page_mut(leaf).set_payload(pos, new.to_bits());
                change.old = Some(old);
            }
        }
        &mut []
    }
}

impl Editor<'_> {
    /// Asks memory for the leaf behind one: most of it will be read.
    fn ask_for_next(&self, leaf: u32) {
        let next = self.page(leaf).next();
        if next != NO_PAGE {
            let page = self.page(next);
            (0..WORDS).step_by(LINE).for_each(|word| prefetch(page.place(word)));
        }
    }

    /// The leaf with a key, and where on it the key is. It is looked for first on a leaf, if one is given, and on the next.
    fn entry_near(&self, near: Option<u32>, key: &[u8]) -> Option<(u32, usize)> {
        let on = |leaf: u32| {
            let found = self.page(leaf).find(key, self.longs());
            found.exact.then_some((leaf, found.pos))
        };
        near.and_then(|leaf| {
            on(leaf).or_else(|| Some(self.page(leaf).next()).filter(|&next| next != NO_PAGE).and_then(on))
        })
        .or_else(|| self.leaf(key).and_then(on))
    }
}
