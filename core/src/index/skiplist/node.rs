//! Layout of nodes and links, and comparing keys with them.
//!
//! ```text
//!            n-2        n-1         n         n+1        n+2                  n+3
//!  ... | link 2 | link 1 | link 0 | location | height len key[0..5] | key[5..13] | ...
//!
//!  link     | next (32 bits) | shared (16) | head (16) |       low bits to high bits
//!  n + 2    | height (8) | length (16) | key (40) |            high bits to low bits
//! ```
//! A node's number is that of its link 0; links of higher levels lie before it, so that all else is at fixed places
//! (as in RocksDB's InlineSkipList) and a step touches one word of the node it comes to. Key bytes are big-endian in their
//! words, zeros behind the last: eight of them compare as one number.
//!
//! Keys compare as if zeros without end followed them; the lengths decide between keys that are the same so. `shared` is in
//! this sense the number of bytes in which the two keys of a link agree, and [`ENDLESS`] if they never differ.

use std::cmp::Ordering;

use super::arena::{Arena, Word};

/// Number of no node.
pub(super) const NONE: u32 = 0;
/// Most links of a node: one for four keys, then each for half as many, up to the most nodes that there are numbers for.
pub(super) const MAX_HEIGHT: u32 = 28;
/// Number of the head: links and nothing else, at the beginning of the first chunk. Before all keys.
pub(super) const HEAD: u32 = MAX_HEIGHT;
/// See the module. Greater than any place in which two keys can differ.
pub(super) const ENDLESS: u32 = 0xffff;
/// Words between a node's number and its key.
const KEY: u32 = 2;
/// Bytes before the key in its first word.
const META: usize = 3;
const KEY_BITS: u64 = (1 << (64 - 8 * META)) - 1;

/// A link as one word: a true statement about two keys, whenever it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link(pub(super) u64);

impl Link {
    /// The end of a list.
    pub(super) const END: Link = Link(0);

    pub(super) fn new(next: u32, shared: u32, head: u16) -> Link {
        Link(u64::from(next) | u64::from(shared) << 32 | u64::from(head) << 48)
    }

    #[inline]
    pub(super) fn next(self) -> u32 {
        self.0 as u32
    }

    /// Bytes that the two keys share. 0 if the first is the head, which has no key.
    #[inline]
    pub(super) fn shared(self) -> u32 {
        (self.0 >> 32) as u32 & ENDLESS
    }

    /// The two bytes of the next node's key behind those.
    #[inline]
    pub(super) fn head(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

/// Words of a node.
pub(super) fn node_words(height: u32, key_len: usize) -> u32 {
    height + 1 + key_words(key_len)
}

fn key_words(len: usize) -> u32 {
    (META + len).div_ceil(8) as u32
}

/// Two bytes of a key at `at`, as a number; zeros behind its end.
#[inline]
pub(super) fn head_of(key: &[u8], at: u32) -> u16 {
    let byte = |i: usize| key.get(i).copied().unwrap_or(0);
    u16::from_be_bytes([byte(at as usize), byte(at as usize + 1)])
}

/// Word `i` of a key as nodes have it, without height and length.
#[inline]
fn key_word(key: &[u8], i: usize) -> u64 {
    if i == 0 {
        let mut bytes = [0; 8];
        let len = key.len().min(8 - META);
        bytes[META..META + len].copy_from_slice(&key[..len]);
        return u64::from_be_bytes(bytes);
    }
    let rest = key.get(i * 8 - META..).unwrap_or(&[]);
    if let Some(bytes) = rest.first_chunk() {
        return u64::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(bytes)
}

impl<W: Word> Arena<W> {
    /// Where a node's link of a level is.
    #[inline]
    pub(super) fn link(&self, node: u32, level: u32) -> &W {
        self.word(node - level)
    }

    #[inline]
    pub(super) fn location(&self, node: u32) -> &W {
        self.word(node + 1)
    }

    /// A node's height and the length of its key.
    #[inline]
    pub(super) fn shape(&self, node: u32) -> (u32, usize) {
        let word = self.word(node + KEY).peek();
        ((word >> 56) as u32, (word >> 40) as usize & 0xffff)
    }

    /// Writes everything but the links.
    pub(super) fn write_node(&self, node: u32, height: u32, key: &[u8], location: u64) {
        self.location(node).put(location);
        let meta = u64::from(height) << 56 | (key.len() as u64) << 40;
        for (i, word) in self.words_from(node + KEY).iter().take(key_words(key.len()) as usize).enumerate() {
            word.put(key_word(key, i) | if i == 0 { meta } else { 0 });
        }
    }

    /// Whether a node's key is less than `key`, the same or greater, and how many bytes they share, as links count it.
    ///
    /// REQUIRES: they share `from` bytes.
    pub(super) fn compare(&self, node: u32, key: &[u8], from: u32) -> (Ordering, u32) {
        let words = self.words_from(node + KEY);
        let (_, len) = self.shape(node);
        let (own, most) = (key_words(len) as usize, key_words(len.max(key.len())) as usize);
        for i in (from as usize + META) / 8..most {
            let mut word = words.get(i).filter(|_| i < own).map_or(0, W::peek);
            if i == 0 {
                word &= KEY_BITS;
            }
            let other = key_word(key, i);
            if word != other {
                let shared = i * 8 + (word ^ other).leading_zeros() as usize / 8 - META;
                return (word.cmp(&other), (shared as u32).min(ENDLESS));
            }
        }
        (len.cmp(&key.len()), ENDLESS)
    }

    /// Two bytes of a node's key at `at`, as [`head_of`] gives them.
    pub(super) fn node_head(&self, node: u32, at: u32) -> u16 {
        let words = self.words_from(node + KEY);
        let own = key_words(self.shape(node).1) as usize;
        let byte = |at: usize| {
            let word = words.get(at / 8).filter(|_| at / 8 < own).map_or(0, W::peek);
            word.to_be_bytes()[at % 8]
        };
        u16::from_be_bytes([byte(at as usize + META), byte(at as usize + META + 1)])
    }

    /// Calls `each` with a node's key. `buffer` is room for it.
    #[inline]
    pub(super) fn with_key<T>(&self, node: u32, buffer: &mut Vec<u8>, each: impl FnOnce(&[u8]) -> T) -> T {
        let (_, len) = self.shape(node);
        let bytes = key_words(len) as usize * 8;
        if buffer.len() < bytes {
            buffer.resize(bytes, 0);
        }
        for (to, word) in buffer[..bytes].chunks_exact_mut(8).zip(self.words_from(node + KEY)) {
            to.copy_from_slice(&word.peek().to_be_bytes());
        }
        each(&buffer[META..META + len])
    }
}
