//! The slotted page, for reading: the one place, with `change`, that knows what the words of a page mean.
//!
//! A page is 1,024 words of 32 bits, all of them atomic, so that readers may look while the writer changes it
//! (`index/optimistic.rs`). No word depends on where the page lies. Bytes of keys lie in words as big-endian numbers, padded with
//! zeros: comparing words compares bytes.
//!
//! ```text
//! 0  version
//! 1  kind u8      1 leaf, 2 inner (0: free, see the arena)
//!    level u8     0 for leaves, a parent is one above its children
//!    count u16    entries
//! 2  prefix 10b   length of the prefix that all keys of the page share
//!    heap 11b     where the heap begins; it ends with the prefix
//!    dead 11b     words of the heap that belong to no entry
//! 3  link         leaf: next leaf; inner: the child left of the first separator
//! 4  back         leaf: previous leaf
//! 5  slots        pairs of entries, three words each: two heads, then the two entries' slots of 16 bits
//!    ... free ...
//!    cells        payload (leaf: location, two words, the low one first; inner: child), suffix from byte 4 on
//!    prefix bytes
//! ```
//! A head is the first four bytes of the key's suffix (the key behind the prefix). A slot has the cell's place in its low 10
//! bits and the suffix's length in the other 6: up to 61; 62 for a length in a word of its own behind the payload; 63 for
//! a long key, whose number follows in place of a suffix.
//!
//! Heads are halved without a branch. They lie together with their slots at a fixed place, so that all lines on the way
//! to a cell can be asked for as soon as the page's number is known ([`Page::prefetch`]): their cache misses wait neither for
//! each other nor for the header's, and a search in a cold leaf waits twice, for these and for the cell.
//!
//! Nothing here trusts a number: any content gives an answer, if a wrong one, in bounded time.

use super::long::LongKeys;
use crate::index::arena::{PAGE_SIZE, Page, WORDS};
use crate::index::order::shared_len;
use crate::util::prefetch::{LINE, prefetch};
use std::cmp::Ordering;

/// Bytes of a page behind its header.
pub(super) const USABLE: usize = PAGE_SIZE - HEADER * 4;
/// Keys longer than this are kept out of pages. At least five entries fit in any page.
pub(super) const MAX_INLINE: usize = PAGE_SIZE / 8;
/// Longest prefix that is cut.
pub(super) const MAX_PREFIX: usize = PAGE_SIZE / 8;
/// No page has more entries.
pub(super) const MAX_COUNT: usize = USABLE / (SLOT_PAIR * 2 + 4);

/// Words before the slots.
pub(super) const HEADER: usize = 5;
pub(super) const KIND: usize = 1;
pub(super) const SPACE: usize = 2;
pub(super) const LINK: usize = 3;
pub(super) const BACK: usize = 4;
pub(super) const LEAF: u32 = 1;
pub(super) const INNER: u32 = 2;
/// Words of two slots and their heads.
pub(super) const SLOT_PAIR: usize = 3;
pub(super) const HEAD: usize = 4;
pub(super) const PLACE_BITS: u32 = 10;
/// Codes of a slot from here on aren't lengths.
pub(super) const OWN_LENGTH: usize = 62;
pub(super) const LONG_KEY: usize = 63;

/// Where a key is in a page, or belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Position of the first entry that is not less.
    pub(super) pos: usize,
    /// That entry is the key.
    pub(super) exact: bool,
}

/// Where an entry's parts are.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    /// First word of the payload.
    pub(super) at: usize,
    /// First word of the suffix from its fifth byte on.
    pub(super) rest: usize,
    /// The suffix's length, or the number of a long key.
    pub(super) len: Result<usize, u32>,
}

impl Found {
    /// The position, if the entry there is the key.
    pub(super) fn exact_pos(self) -> Option<usize> {
        self.exact.then_some(self.pos)
    }
}

impl Cell {
    /// Words from the payload to the end of the suffix.
    pub(super) fn words(self) -> usize {
        self.rest - self.at + rest_words(self.len.unwrap_or(0))
    }
}

/// Bytes that the slots of so many entries take.
pub(super) fn slot_bytes(count: usize) -> usize {
    count.div_ceil(2) * SLOT_PAIR * 4
}

/// Bytes that a key's cell takes in a page with this prefix.
pub(super) fn cell_bytes(level: u8, key_len: usize, long: bool, prefix: usize) -> usize {
    let suffix = key_len - prefix;
    let key = match (long, suffix >= OWN_LENGTH) {
        (true, _) => 1,
        (false, true) => 1 + rest_words(suffix),
        (false, false) => rest_words(suffix),
    };
    (payload_words(level) + key) * 4
}

/// Bytes that a prefix takes.
pub(super) fn prefix_bytes(len: usize) -> usize {
    len.next_multiple_of(4)
}

/// Length of the prefix that two keys share, as far as prefixes are cut.
pub(super) fn shared_prefix(a: &[u8], b: &[u8]) -> usize {
    shared_len(&a[..a.len().min(MAX_PREFIX)], b)
}

pub(super) fn payload_words(level: u8) -> usize {
    if level == 0 { 2 } else { 1 }
}

/// Words of a suffix beyond its head.
pub(super) fn rest_words(suffix: usize) -> usize {
    suffix.saturating_sub(HEAD).div_ceil(4)
}

/// Up to four bytes as the word that they are in a page.
#[inline]
pub(super) fn word_of(bytes: &[u8]) -> u32 {
    if let Some(word) = bytes.first_chunk::<4>() {
        return u32::from_be_bytes(*word);
    }
    bytes.iter().zip([24, 16, 8]).fold(0, |word, (byte, shift)| word | u32::from(*byte) << shift)
}

/// The word of a position's head.
#[inline(always)]
pub(super) fn head_at(pos: usize) -> usize {
    HEADER + pos + pos / 2
}

/// The word with a position's slot, and by how much it is shifted there.
#[inline(always)]
pub(super) fn slot_at(pos: usize) -> (usize, usize) {
    (HEADER + pos / 2 * SLOT_PAIR + 2, pos % 2 * 16)
}

impl Page {
    /// Asks for the lines that a search needs before it comes to a cell.
    #[inline]
    pub(super) fn prefetch(&self) {
        /// Header and some hundred slots: most of what leaves have.
        const LINES: usize = 10;
        for line in 0..LINES {
            prefetch(self.place(line * LINE / 4));
        }
        // The prefix stands at the end.
        prefetch(self.place(WORDS - 1));
    }

    /// Asks for an entry's cell, which may begin in one line and end in the next.
    #[inline]
    pub(super) fn prefetch_cell(&self, pos: usize) {
        /// Words of most cells: a payload, and the rest of a key of 24 bytes.
        const MOST: usize = 7;
        let (at, _) = self.slot(pos);
        prefetch(self.place(at));
        prefetch(self.place(at + MOST - 1));
    }

    /// Asks for the line where a new cell goes.
    #[inline]
    pub(super) fn prefetch_top(&self) {
        prefetch(self.place(self.heap().saturating_sub(1)));
    }

    #[inline]
    pub(super) fn is_leaf(&self) -> bool {
        self.word(KIND) & 0xff == LEAF
    }

    pub(super) fn level(&self) -> u8 {
        (self.word(KIND) >> 8) as u8
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        (self.word(KIND) as usize >> 16).min(MAX_COUNT)
    }

    #[inline]
    pub(super) fn prefix_len(&self) -> usize {
        (self.word(SPACE) as usize & 0x3ff).min(MAX_PREFIX)
    }

    /// Where the heap begins.
    pub(super) fn heap(&self) -> usize {
        (self.word(SPACE) as usize >> 10) & 0x7ff
    }

    /// Words of the heap that belong to no entry.
    pub(super) fn dead(&self) -> usize {
        self.word(SPACE) as usize >> 21
    }

    /// Leaf: the next leaf, or [`NO_PAGE`](crate::index::arena::NO_PAGE).
    pub(super) fn next(&self) -> u32 {
        self.word(LINK)
    }

    /// Leaf: the previous leaf, or none as above.
    pub(super) fn prev(&self) -> u32 {
        self.word(BACK)
    }

    /// Inner: the child behind `i` separators.
    #[inline]
    pub(super) fn child(&self, i: usize) -> u32 {
        match i.checked_sub(1) {
            None => self.word(LINK),
            Some(pos) => self.word(self.slot(pos).0),
        }
    }

    /// Bytes that entries and prefix take, of [`USABLE`].
    pub(super) fn used(&self) -> usize {
        slot_bytes(self.count()) + (WORDS - self.heap().min(WORDS)).saturating_sub(self.dead()) * 4
    }

    /// An entry's place and length code.
    #[inline]
    pub(super) fn slot(&self, pos: usize) -> (usize, usize) {
        let (at, shift) = slot_at(pos);
        let slot = (self.word(at) as usize >> shift) & 0xffff;
        (slot & ((1 << PLACE_BITS) - 1), slot >> PLACE_BITS)
    }

    /// Leaf: an entry's location bits.
    #[inline]
    pub(super) fn payload(&self, pos: usize) -> u64 {
        self.payload_at(self.slot(pos).0)
    }

    #[inline]
    pub(super) fn payload_at(&self, at: usize) -> u64 {
        u64::from(self.word(at)) | u64::from(self.word(at + 1)) << 32
    }

    /// An entry's payload: location bits, or a child.
    pub(super) fn any_payload(&self, pos: usize) -> u64 {
        if self.is_leaf() { self.payload(pos) } else { u64::from(self.child(pos + 1)) }
    }

    #[inline]
    pub(super) fn cell(&self, pos: usize) -> Cell {
        let (at, code) = self.slot(pos);
        let rest = at + if self.is_leaf() { 2 } else { 1 };
        match code {
            OWN_LENGTH => Cell { at, rest: rest + 1, len: Ok((self.word(rest) as usize).min(MAX_INLINE)) },
            LONG_KEY => Cell { at, rest: rest + 1, len: Err(self.word(rest)) },
            len => Cell { at, rest, len: Ok(len) },
        }
    }

    /// Writes the page's prefix to the beginning of `out` and returns its length.
    pub(super) fn copy_prefix(&self, out: &mut KeyBytes) -> usize {
        let len = self.prefix_len();
        let first = WORDS - len.div_ceil(4);
        for (i, four) in out.as_chunks_mut::<4>().0.iter_mut().take(len.div_ceil(4)).enumerate() {
            *four = self.word(first + i).to_be_bytes();
        }
        len
    }

    /// The `i`-th word of the prefix, which has this length.
    #[inline]
    pub(super) fn prefix_word(&self, len: usize, i: usize) -> u32 {
        self.word(WORDS - len.div_ceil(4) + i)
    }

    /// The `i`-th word of the suffix of a key that isn't long.
    #[inline]
    pub(super) fn suffix_word(&self, pos: usize, cell: Cell, i: usize) -> u32 {
        self.word(if i == 0 { head_at(pos) } else { cell.rest + i - 1 })
    }

    /// Writes a key that isn't long behind the prefix in `out`, and returns its whole length.
    #[inline]
    pub(super) fn copy_suffix(&self, pos: usize, cell: Cell, prefix: usize, out: &mut KeyBytes) -> usize {
        let len = cell.len.unwrap_or(0);
        let out = &mut out[prefix.min(MAX_PREFIX)..];
        let (fours, _) = out.as_chunks_mut::<4>();
        fours[0] = self.word(head_at(pos)).to_be_bytes();
        for (i, four) in fours[1..].iter_mut().take(rest_words(len)).enumerate() {
            *four = self.word(cell.rest + i).to_be_bytes();
        }
        prefix + len
    }

    /// A whole key, put together in `out` unless it is long.
    pub(super) fn whole_key<'a>(&self, pos: usize, out: &'a mut KeyBytes, longs: &'a LongKeys) -> &'a [u8] {
        let (cell, prefix) = (self.cell(pos), self.copy_prefix(out));
        if let Err(long) = cell.len {
            return longs.get(long);
        }
        let len = self.copy_suffix(pos, cell, prefix, out);
        &out[..len]
    }

    /// The place of a key.
    #[inline]
    pub(super) fn find(&self, key: &[u8], longs: &LongKeys) -> Found {
        match self.strip_prefix(key) {
            Ok(suffix) => self.find_from(self.lower_bound(suffix), suffix, key.len() - suffix.len(), longs),
            Err(pos) => Found { pos, exact: false },
        }
    }

    /// The same, of a key that all entries before `low` are less than. It is most often at `low` or little behind it.
    #[inline]
    pub(super) fn find_behind(&self, low: usize, key: &[u8], longs: &LongKeys) -> Found {
        /// As many heads as halving would look at.
        const NEAR: usize = 6;
        let suffix = match self.strip_prefix(key) {
            Ok(suffix) => suffix,
            Err(pos) => return Found { pos, exact: false },
        };
        let (count, head) = (self.count(), word_of(suffix));
        let near = (low..count.min(low + NEAR)).find(|&pos| self.word(head_at(pos)) >= head);
        let low = near.unwrap_or_else(|| self.lower_bound(suffix));
        self.find_from(low, suffix, key.len() - suffix.len(), longs)
    }

    /// The key behind the page's prefix; or, if it doesn't share that, where it belongs.
    #[inline]
    pub(super) fn strip_prefix<'k>(&self, key: &'k [u8]) -> Result<&'k [u8], usize> {
        let len = self.prefix_len();
        if len == 0 {
            return Ok(key);
        }
        let (own, suffix) = key.split_at(len.min(key.len()));
        let first = WORDS - len.div_ceil(4);
        for (i, part) in own.chunks(4).enumerate() {
            // Bytes of the prefix beyond the key's end don't count yet.
            let prefix = self.word(first + i) & (u32::MAX << (8 * (4 - part.len())));
            let part = word_of(part);
            if part != prefix {
                return Err(if part < prefix { 0 } else { self.count() });
            }
        }
        if own.len() < len { Err(0) } else { Ok(suffix) }
    }

    /// The place of a suffix among the entries from its [`Page::lower_bound`] on.
    #[inline]
    pub(super) fn find_from(&self, mut low: usize, suffix: &[u8], prefix: usize, longs: &LongKeys) -> Found {
        let (count, head) = (self.count(), word_of(suffix));
        // Most often one entry has this head or none.
        let mut high = low;
        while high < count && self.word(head_at(high)) == head {
            high += 1;
            if high - low == 4 {
                high += self.equal_heads(high, count, head);
                break;
            }
        }
        while low < high {
            let middle = low.midpoint(high);
            match self.compare(middle, suffix, prefix, longs) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Found { pos: middle, exact: true },
                Ordering::Greater => high = middle,
            }
        }
        Found { pos: low, exact: false }
    }

    /// Number of heads less than a suffix's: halved without a branch, since a guess is wrong half the time.
    #[inline]
    pub(super) fn lower_bound(&self, suffix: &[u8]) -> usize {
        let (mut base, mut n, head) = (0, self.count(), word_of(suffix));
        while n > 1 {
            let half = n / 2;
            base += if self.word(head_at(base + half - 1)) < head { half } else { 0 };
            n -= half;
        }
        base + usize::from(n == 1 && self.word(head_at(base)) < head)
    }

    /// How many entries from `pos` on have this head, of which those before `count` ascend.
    #[cold]
    fn equal_heads(&self, pos: usize, count: usize, head: u32) -> usize {
        let (mut low, mut high) = (pos, count);
        while low < high {
            let middle = low.midpoint(high);
            if self.word(head_at(middle)) == head { low = middle + 1 } else { high = middle }
        }
        low - pos
    }

    /// Compares an entry with a suffix of the same head.
    #[inline]
    fn compare(&self, pos: usize, suffix: &[u8], prefix: usize, longs: &LongKeys) -> Ordering {
        let cell = self.cell(pos);
        let len = match cell.len {
            Ok(len) => len,
            Err(long) => return longs.get(long).get(prefix..).unwrap_or(&[]).cmp(suffix),
        };
        let (fours, tail) = suffix.get(HEAD..).unwrap_or(&[]).as_chunks::<4>();
        let words = rest_words(len);
        for (i, four) in fours.iter().take(words).enumerate() {
            let (own, wanted) = (self.word(cell.rest + i), u32::from_be_bytes(*four));
            if own != wanted {
                return own.cmp(&wanted);
            }
        }
        if words > fours.len() && !tail.is_empty() {
            let order = self.word(cell.rest + fours.len()).cmp(&word_of(tail));
            if order != Ordering::Equal {
                return order;
            }
        }
        len.cmp(&suffix.len())
    }
}

/// Room for a key that isn't long, whatever a page in the middle of a change says of its length.
pub(super) type KeyBytes = [u8; MAX_PREFIX + MAX_INLINE + 8];

/// See [`KeyBytes`].
pub(super) const NO_KEY_BYTES: KeyBytes = [0; MAX_PREFIX + MAX_INLINE + 8];
