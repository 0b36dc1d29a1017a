//! Bytes in words: what leaves and prefixes hold.
//!
//! ```text
//! leaf    word 0  location
//!              1  bytes of the key, the first the lowest, then zeros ...
//!           last  ... and in the top byte (in slots of more than 32 words: two bytes) how many they are
//!         A leaf of one word has none.
//! prefix  word 0  low half: number of the child; next 16 bits: how many bytes
//!              1  bytes ...
//! ```
//!
//! All but a leaf's location and a prefix's child stay as they are from publication to reclamation.

use super::class::length_shift;
use super::store::{At, Word};

/// Low half of a prefix's first word.
#[inline]
pub(super) fn prefix_child(head: u64) -> u32 {
    head as u32
}

/// Length of a prefix.
#[inline]
pub(super) fn prefix_len(head: u64) -> usize {
    (head >> 32 & 0xffff) as usize
}

/// First word of a prefix.
pub(super) fn prefix_head(child: u32, len: usize) -> u64 {
    u64::from(child) | (len as u64) << 32
}

/// Length of a leaf's string.
#[inline]
pub(super) fn leaf_len<W: Word>(at: &At<'_, W>) -> usize {
    if at.words == 1 { 0 } else { (at.word(at.words - 1).load_relaxed() >> length_shift(at.words)) as usize }
}

/// Whether a leaf's string is this one.
#[inline]
pub(super) fn leaf_is<W: Word>(at: &At<'_, W>, bytes: &[u8]) -> bool {
    leaf_len(at) == bytes.len() && begins_with(at, bytes)
}

/// Whether the words from the slot's second on begin with these bytes.
///
/// REQUIRES: the slot is long enough.
#[inline]
pub(super) fn begins_with<W: Word>(at: &At<'_, W>, bytes: &[u8]) -> bool {
    let (words, tail) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        if at.word(1 + i).load_relaxed() != u64::from_le_bytes(*word) {
            return false;
        }
    }
    tail.is_empty()
        || (at.word(1 + words.len()).load_relaxed() ^ partial_word(tail)).unbounded_shl(64 - 8 * tail.len() as u32) == 0
}

/// Fills the words from the slot's second on.
pub(super) fn write<W: Word>(at: &At<'_, W>, bytes: &[u8]) {
    let (words, tail) = bytes.as_chunks::<8>();
    for i in 1..at.words {
        let word = words.get(i - 1).map_or_else(
            || if i - 1 == words.len() { partial_word(tail) } else { 0 },
            |word| u64::from_le_bytes(*word),
        );
        at.word(i).store_relaxed(word);
    }
}

/// Fills a leaf. Its mark is the caller's.
pub(super) fn write_leaf<W: Word>(at: &At<'_, W>, bytes: &[u8], location: u64) {
    write(at, bytes);
    at.word(0).store_relaxed(location);
    if at.words > 1 {
        let last = at.word(at.words - 1);
        last.store_relaxed(last.load_relaxed() | (bytes.len() as u64) << length_shift(at.words));
    }
}

/// Appends a leaf's string.
pub(super) fn copy_leaf<W: Word>(at: &At<'_, W>, out: &mut Vec<u8>) {
    copy(at, leaf_len(at), out);
}

/// Appends a string of this length.
pub(super) fn copy<W: Word>(at: &At<'_, W>, len: usize, out: &mut Vec<u8>) {
    let end = out.len() + len;
    for i in 1..=len.div_ceil(8) {
        out.extend_from_slice(&at.word(i).load_relaxed().to_le_bytes());
    }
    out.truncate(end);
}

/// Fewer than eight bytes as a number, the first the lowest.
#[inline]
fn partial_word(bytes: &[u8]) -> u64 {
    // Loads that overlap: they agree where they do, and there are no more than three.
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let shift = 8 * (bytes.len() - 4);
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << shift;
    }
    match *bytes {
        [] => 0,
        [a] => a.into(),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c, ..] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::Class;
    use super::super::slots::Slots;
    use super::super::store::Store;
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn what_is_written_is_read_and_nothing_else_matches() {
        let (mut store, mut slots) = (Store::<AtomicU64>::new(), Slots::new(u32::MAX));
        let bytes: Vec<u8> = (0..700u32).map(|i| (i * 7 % 251) as u8 | 1).collect();
        for len in 0..bytes.len() {
            for class in [Class::leaf(len), Class::prefix(len.max(1)).unwrap()] {
                slots.grow(&mut store, class).unwrap();
                let no = slots.alloc(&store, class);
                let at = store.slot(no);
                (0..at.words).for_each(|i| at.word(i).store_relaxed(u64::MAX));
                let (own, mut read) = (&bytes[..len], Vec::new());
                if class == Class::leaf(len) {
                    write_leaf(&at, own, 77);
                    copy_leaf(&at, &mut read);
                    assert_eq!(Word::load(at.word(0)), 77);
                    assert!(leaf_is(&at, own) && !leaf_is(&at, &bytes[..len + 1]));
                    assert!(len == 0 || !leaf_is(&at, &bytes[..len - 1]));
                } else {
                    write(&at, own);
                    copy(&at, len, &mut read);
                }
                assert_eq!(read, own);
                assert!(begins_with(&at, own));
                for i in 0..len {
                    let mut other = own.to_vec();
                    other[i] ^= 0x80;
                    assert!(!begins_with(&at, &other), "byte {i} of {len}");
                }
            }
        }
    }
}
