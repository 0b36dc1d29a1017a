//! What is demanded of saved pages before they are believed: of each by itself when it is fetched, and of all together before the first
//! change.
//!
//! A checksum says that a page is what somebody wrote; this says that whoever wrote it kept the module's invariants. So a file that was made
//! to mislead costs its reader wrong answers at most, and the writer nothing, for its code may rely on them.

use super::page::{
    BACK, HEADER, INNER, KIND, LEAF, LINK, LONG_KEY, MAX_COUNT, MAX_INLINE, MAX_PREFIX, NO_KEY_BYTES, OWN_LENGTH,
    SPACE, head_at, payload_words, rest_words, slot_bytes, word_of,
};
use super::search::State;
use crate::index::arena::{NO_PAGE, Page, WORDS};
use std::cmp::Ordering;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Higher trees have more pages than there are numbers.
const MAX_LEVEL: u8 = 31;

/// Whether a page at rest, of `end`, is free or by itself what a page of the tree may be.
pub(super) fn is_sound(page: &Page, end: u32) -> bool {
    if page.word(0) & 1 == 1 {
        return false;
    }
    let (kind, level) = (page.word(KIND) & 0xff, page.level());
    let is_page = |no: u32| no < end || no == NO_PAGE;
    let links = match kind {
        0 => return page.word(KIND) == 0,
        LEAF => level == 0 && page.count() > 0 && is_page(page.word(LINK)) && is_page(page.word(BACK)),
        INNER => (1..=MAX_LEVEL).contains(&level) && page.word(LINK) < end,
        _ => false,
    };
    links && has_sound_heap(page, end) && ascends(page)
}

/// Whether all parts of the page lie within it, and leave the gaps that it says.
fn has_sound_heap(page: &Page, end: u32) -> bool {
    let (count, prefix) = (page.word(KIND) as usize >> 16, page.word(SPACE) as usize & 0x3ff);
    if count > MAX_COUNT || prefix > MAX_PREFIX {
        return false;
    }
    let (heap, heap_end) = (page.heap(), WORDS - prefix.div_ceil(4));
    if HEADER + slot_bytes(count) / 4 > heap || heap > heap_end {
        return false;
    }
    let mut words = page.dead();
    for pos in 0..count {
        let (at, code) = page.slot(pos);
        let payload = at + payload_words(page.level());
        if at < heap || payload >= heap_end + usize::from(code < OWN_LENGTH) {
            return false;
        }
        let (rest, len) = match code {
            LONG_KEY => (payload + 1, 0),
            OWN_LENGTH => (payload + 1, page.word(payload) as usize),
            len => (payload, len),
        };
        let is_long = code == LONG_KEY;
        if len > MAX_INLINE || (!is_long && !(1..=MAX_INLINE).contains(&(prefix + len))) {
            return false;
        }
        let cell_end = rest + rest_words(len);
        if cell_end > heap_end || (code == OWN_LENGTH && len < OWN_LENGTH) {
            return false;
        }
        if page.level() > 0 && page.child(pos + 1) >= end {
            return false;
        }
        words += cell_end - at;
    }
    heap + words == heap_end
}

/// Whether the keys do, as far as the page alone tells: of two long ones with the same head it does not.
fn ascends(page: &Page) -> bool {
    (1..page.count()).all(|pos| {
        let (before, own) = (page.word(head_at(pos - 1)), page.word(head_at(pos)));
        before < own || (before == own && rest_ascends(page, pos))
    })
}

fn rest_ascends(page: &Page, pos: usize) -> bool {
    let (before, own) = (page.cell(pos - 1), page.cell(pos));
    let (Ok(before_len), Ok(own_len)) = (before.len, own.len) else { return true };
    let words = rest_words(before_len).min(rest_words(own_len));
    let differing = (0..words).map(|i| page.word(before.rest + i).cmp(&page.word(own.rest + i))).find(|o| o.is_ne());
    differing.unwrap_or(before_len.cmp(&own_len)) == Ordering::Less
}

/// What has been seen of a tree.
struct Walk<'a> {
    state: &'a State,
    pages: Vec<u64>,
    page_count: u32,
    longs: Vec<bool>,
    keys: u64,
    /// The leaf before, or none.
    leaf: u32,
    stop: &'a AtomicBool,
}

/// Whether the pages, each of which is sound, are one tree with all that are used, of so many keys: the module's invariants 1 to 6. No answer if
/// it was told to stop.
pub(super) fn is_tree(state: &State, used: u32, keys: u64, stop: &AtomicBool) -> bool {
    let root = state.root.load(Relaxed);
    if root == NO_PAGE {
        return used == 0 && keys == 0 && state.longs.is_empty();
    }
    let bits = vec![0; (state.pages.end() as usize).div_ceil(64)];
    let longs = vec![false; state.longs.slots()];
    let mut walk = Walk { state, pages: bits, page_count: 0, longs, keys: 0, leaf: NO_PAGE, stop };
    let level = state.pages.page(root).level();
    walk.subtree(root, level, None, None)
        && state.pages.page(walk.leaf).next() == NO_PAGE
        && state.pages.page(root).count() > 0
        && walk.page_count == used
        && walk.keys == keys
        && walk.longs.iter().filter(|seen| **seen).count() == state.longs.count()
}

impl Walk<'_> {
    /// Keys are at least `low` and below `high`.
    fn subtree(&mut self, no: u32, level: u8, low: Option<&[u8]>, high: Option<&[u8]>) -> bool {
        let page = self.state.pages.page(no);
        let (word, bit) = (no as usize / 64, 1_u64 << (no % 64));
        let is_new = self.pages.get_mut(word).is_some_and(|bits| std::mem::replace(bits, *bits | bit) & bit == 0);
        let kind = if level == 0 { LEAF } else { INNER };
        if self.stop.load(Relaxed) || !is_new || page.word(KIND) & 0xff != kind || page.level() != level {
            return false;
        }
        self.page_count += 1;
        let count = page.count();
        // Of inner pages all keys are needed, of leaves the first and the last.
        let edges = [0, count.saturating_sub(1)];
        let inside = count == 0
            || edges.iter().all(|&pos| {
                let mut buf = NO_KEY_BYTES;
                let key = page.whole_key(pos, &mut buf, &self.state.longs);
                low.is_none_or(|low| low <= key) && high.is_none_or(|high| key < high)
            });
        if !inside || !self.has_sound_longs(page) {
            return false;
        }
        if level == 0 {
            let before = std::mem::replace(&mut self.leaf, no);
            self.keys += count as u64;
            return page.prev() == before && (before == NO_PAGE || self.state.pages.page(before).next() == no);
        }
        let (mut left, mut right) = (NO_KEY_BYTES, NO_KEY_BYTES);
        (0..=count).all(|i| {
            let low = if i == 0 { low } else { Some(page.whole_key(i - 1, &mut left, &self.state.longs)) };
            let high = if i == count { high } else { Some(page.whole_key(i, &mut right, &self.state.longs)) };
            self.subtree(page.child(i), level - 1, low, high)
        })
    }

    /// Whether each long key of the page is one, is nobody else's, and is where it belongs.
    fn has_sound_longs(&mut self, page: &Page) -> bool {
        let longs = &self.state.longs;
        if longs.is_empty() {
            return (0..page.count()).all(|pos| page.slot(pos).1 != LONG_KEY);
        }
        let mut prefix = NO_KEY_BYTES;
        let len = page.copy_prefix(&mut prefix);
        (0..page.count()).all(|pos| {
            let Err(no) = page.cell(pos).len else { return true };
            let whole = longs.get(no);
            let is_own = self.longs.get_mut(no as usize).is_some_and(|seen| !std::mem::replace(seen, true));
            let fits = whole.len() > MAX_INLINE
                && whole.starts_with(&prefix[..len])
                && page.word(head_at(pos)) == word_of(&whole[len..]);
            let (mut before, mut behind) = (NO_KEY_BYTES, NO_KEY_BYTES);
            is_own
                && fits
                && (pos == 0 || page.whole_key(pos - 1, &mut before, longs) < whole)
                && (pos + 1 == page.count() || whole < page.whole_key(pos + 1, &mut behind, longs))
        })
    }
}
