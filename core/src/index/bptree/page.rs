//! The page: the one place that knows what the bytes of a page of the tree mean (FORMAT 10.2).
//!
//! A page has 4096 bytes, whatever it is for, and begins with a header that all kinds share. Numbers are little-endian.
//!
//! ```text
//!  0 crc u32      over file nonce, page number and everything behind this field; set when the page is written
//!  4 kind u8      1 leaf, 2 inner, 3 chain (a part of a long key), 4 map (pages in use)
//!  5 level u8     0 for leaves, a parent is one above its children; 0 in chains and maps
//!  6 count u16    leaf, inner: entries; chain, map: bytes behind the header
//!  8 stamp u64    number of this version of a page among all that were ever made in the file
//! 16 first u64    inner: the child left of the first separator; chain, map: the next of them
//! 24 prefix u16   length of the prefix that all keys of the page share
//! 26 heap u16     where the heap begins; it ends with the prefix
//! 28 dead u16     bytes of the heap that belong to no entry
//! 30 reserved u16
//! 32 slots        u16 each: where the entry's cell is, in key order
//!    ... free ...
//!    cells        payload u64 (leaf: location; inner: child), length, suffix (the key behind the prefix)
//!    prefix bytes
//! ```
//! The length is one byte up to 250; or 251 and a u16; or 255 for a long key, whose length u16, chain u64 and first 64
//! bytes (of the whole key) follow in place of a suffix.
//!
//! What was read from disk is believed only after [`Page::check`], which also makes sure that no method panics on it.

use std::cmp::Ordering;

use crate::error::Result;

pub(super) const PAGE_SIZE: usize = 4096;
pub(super) const HEADER: usize = 32;
/// Bytes of a page behind its header.
pub(super) const USABLE: usize = PAGE_SIZE - HEADER;
/// Keys longer than this are kept in chains. At least seven entries fit in any page.
pub(super) const MAX_INLINE: usize = 512;
/// Longest prefix that is cut.
pub(super) const MAX_PREFIX: usize = 255;
/// Bytes of a long key that lie in its entry.
pub(super) const LONG_HEAD: usize = 64;

pub(super) const LEAF: u8 = 1;
pub(super) const INNER: u8 = 2;
pub(super) const CHAIN: u8 = 3;
pub(super) const MAP: u8 = 4;

const SLOT: usize = 2;
const SHORT_MAX: usize = 250;
const MIDDLE: u8 = 251;
const LONG: u8 = 255;

/// Names one version of a page: its number, and the low half of its stamp, by which a page that is not the one meant
/// (a lost write, an older tree's) is found out. 0 is none: page 0 is not the tree's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Ptr(pub(super) u64);

impl Ptr {
    pub(super) const NONE: Ptr = Ptr(0);

    pub(super) fn new(no: u32, stamp: u64) -> Ptr {
        Ptr(u64::from(no) | (stamp << 32))
    }

    pub(super) fn no(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn stamp(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Where the rest of a long key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Long {
    pub(super) len: u16,
    pub(super) chain: Ptr,
}

/// A key to store: its bytes, or the first [`LONG_HEAD`] of them and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewKey<'a> {
    pub(super) known: &'a [u8],
    pub(super) long: Option<Long>,
}

/// Fetches long keys.
pub(super) trait Longs {
    fn long(&self, long: Long) -> Result<Vec<u8>>;
}

/// Where a key is in a page, or belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Position of the first entry that is not less.
    pub(super) pos: usize,
    /// That entry is the key.
    pub(super) exact: bool,
}

/// An entry, without the page's prefix.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Suffix(&'a [u8]),
    /// The first bytes of the whole key.
    Long(&'a [u8], Long),
}

/// 4096 bytes.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) bytes: [u8; PAGE_SIZE],
}

/// Bytes that a key takes in a page with this prefix, slot included.
pub(super) fn cost(known: usize, long: bool, prefix: usize) -> usize {
    // Of a long key fewer bytes may be known than the prefix has.
    let suffix = known.saturating_sub(prefix);
    SLOT + 8
        + match (long, suffix > SHORT_MAX) {
            (true, _) => 11 + LONG_HEAD,
            (false, true) => 3 + suffix,
            (false, false) => 1 + suffix,
        }
}

/// Compares a key with a long one, which is fetched only if its first bytes don't decide.
pub(super) fn compare_long(key: &[u8], head: &[u8], long: Long, longs: &impl Longs) -> Result<Ordering> {
    let n = key.len().min(head.len());
    match key[..n].cmp(&head[..n]) {
        Ordering::Equal if n < head.len() => Ok(Ordering::Less),
        Ordering::Equal => Ok(key.cmp(&longs.long(long)?)),
        order => Ok(order),
    }
}

/// Reading.
impl Page {
    pub(super) fn zeroed() -> Page {
        Page { bytes: [0; PAGE_SIZE] }
    }

    pub(super) fn kind(&self) -> u8 {
        self.bytes[4]
    }

    pub(super) fn level(&self) -> u8 {
        self.bytes[5]
    }

    pub(super) fn count(&self) -> usize {
        self.u16_at(6)
    }

    pub(super) fn stamp(&self) -> u64 {
        self.u64_at(8)
    }

    /// Inner: the first child. Chain and map: the next page.
    pub(super) fn first(&self) -> Ptr {
        Ptr(self.u64_at(16))
    }

    pub(super) fn prefix(&self) -> &[u8] {
        &self.bytes[PAGE_SIZE - self.u16_at(24)..]
    }

    /// Chain, map: what it carries.
    pub(super) fn content(&self) -> &[u8] {
        &self.bytes[HEADER..HEADER + self.count()]
    }

    /// Bytes that entries and prefix take, of [`USABLE`].
    pub(super) fn used(&self) -> usize {
        self.count() * SLOT + PAGE_SIZE - self.u16_at(26) - self.u16_at(28)
    }

    pub(super) fn payload(&self, pos: usize) -> u64 {
        self.u64_at(self.offset(pos))
    }

    /// Inner: the child behind `i` separators.
    pub(super) fn child(&self, i: usize) -> Ptr {
        match i.checked_sub(1) {
            None => self.first(),
            Some(pos) => Ptr(self.payload(pos)),
        }
    }

    pub(super) fn cell(&self, pos: usize) -> Cell<'_> {
        self.cell_at(self.offset(pos))
    }

    /// The place of a key.
    pub(super) fn find(&self, key: &[u8], longs: &impl Longs) -> Result<Found> {
        let prefix = self.prefix();
        let Some(suffix) = key.strip_prefix(prefix) else {
            return Ok(Found { pos: if key < prefix { 0 } else { self.count() }, exact: false });
        };
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            let order = match self.cell(middle) {
                Cell::Suffix(other) => suffix.cmp(other),
                Cell::Long(head, long) => compare_long(key, head, long, longs)?,
            };
            match order {
                Ordering::Greater => low = middle + 1,
                Ordering::Equal => return Ok(Found { pos: middle, exact: true }),
                Ordering::Less => high = middle,
            }
        }
        Ok(Found { pos: low, exact: false })
    }

    /// The whole key of an entry.
    pub(super) fn key(&self, pos: usize, longs: &impl Longs) -> Result<Vec<u8>> {
        match self.cell(pos) {
            Cell::Suffix(suffix) => Ok([self.prefix(), suffix].concat()),
            Cell::Long(_, long) => longs.long(long),
        }
    }

    fn cell_at(&self, at: usize) -> Cell<'_> {
        let at = at + 8;
        match self.bytes[at] {
            LONG => {
                let long = Long { len: self.u16_at(at + 1) as u16, chain: Ptr(self.u64_at(at + 3)) };
                Cell::Long(&self.bytes[at + 11..at + 11 + LONG_HEAD], long)
            }
            MIDDLE => Cell::Suffix(&self.bytes[at + 3..at + 3 + self.u16_at(at + 1)]),
            len => Cell::Suffix(&self.bytes[at + 1..at + 1 + usize::from(len)]),
        }
    }

    fn cell_size(&self, at: usize) -> usize {
        8 + match self.bytes[at + 8] {
            LONG => 11 + LONG_HEAD,
            MIDDLE => 3 + self.u16_at(at + 9),
            len => 1 + usize::from(len),
        }
    }

    fn offset(&self, pos: usize) -> usize {
        self.u16_at(HEADER + pos * SLOT)
    }

    fn u16_at(&self, at: usize) -> usize {
        self.bytes[at..].first_chunk().map_or(0, |b| u16::from_le_bytes(*b).into())
    }

    fn u64_at(&self, at: usize) -> u64 {
        self.bytes[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
    }
}

/// Believing.
impl Page {
    /// What the crc is to be at this place of this file.
    pub(super) fn expected_crc(&self, nonce: u64, no: u32) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&nonce.to_le_bytes());
        hasher.update(&no.to_le_bytes());
        hasher.update(&self.bytes[4..]);
        hasher.finalize()
    }

    pub(super) fn crc(&self) -> u32 {
        self.bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
    }

    /// Whether everything in the page lies in the page: says what does not.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match (self.kind(), self.level()) {
            (CHAIN | MAP, 0) if self.count() <= USABLE => return Ok(()),
            (LEAF, 0) => {}
            (INNER, level) if level > 0 => {}
            _ => return Err("a page of no known kind"),
        }
        let (prefix, heap) = (self.u16_at(24), self.u16_at(26));
        let slots_end = HEADER + self.count() * SLOT;
        if prefix > MAX_PREFIX || slots_end > heap || heap > PAGE_SIZE - prefix {
            return Err("a page whose parts overlap");
        }
        let (end, mut live) = (PAGE_SIZE - prefix, 0);
        for pos in 0..self.count() {
            let at = self.offset(pos);
            // The smallest cell has 9 bytes; one of these kinds has its length within the page then.
            if at < heap || at + 9 > end {
                return Err("an entry outside of its page");
            }
            let length = self.bytes[at + 8];
            if (length == MIDDLE && at + 11 > end) || (length > MIDDLE && length != LONG) {
                return Err("an entry with an impossible length");
            }
            let size = self.cell_size(at);
            if at + size > end {
                return Err("an entry that goes beyond its page");
            }
            if let Cell::Long(_, long) = self.cell_at(at)
                && usize::from(long.len) <= MAX_INLINE
            {
                return Err("a short key that passes for a long one");
            }
            live += size;
        }
        if live + self.u16_at(28) != end - heap {
            return Err("a page with bytes that nobody accounts for");
        }
        Ok(())
    }
}

/// Changing.
impl Page {
    /// An empty page of the tree with this prefix.
    pub(super) fn new(level: u8, prefix: &[u8]) -> Page {
        let mut page = Page::zeroed();
        page.bytes[4] = if level == 0 { LEAF } else { INNER };
        page.bytes[5] = level;
        page.set_u16(24, prefix.len());
        page.set_u16(26, PAGE_SIZE - prefix.len());
        page.bytes[PAGE_SIZE - prefix.len()..].copy_from_slice(prefix);
        page
    }

    /// A page that carries bytes and names the next of its sort.
    ///
    /// REQUIRES: at most [`USABLE`] bytes.
    pub(super) fn carrier(kind: u8, content: &[u8], next: Ptr) -> Page {
        let mut page = Page::zeroed();
        page.bytes[4] = kind;
        page.set_u16(6, content.len());
        page.set_first(next);
        page.bytes[HEADER..HEADER + content.len()].copy_from_slice(content);
        page
    }

    pub(super) fn set_stamp(&mut self, stamp: u64) {
        self.bytes[8..16].copy_from_slice(&stamp.to_le_bytes());
    }

    pub(super) fn set_first(&mut self, ptr: Ptr) {
        self.bytes[16..24].copy_from_slice(&ptr.0.to_le_bytes());
    }

    pub(super) fn set_payload(&mut self, pos: usize, payload: u64) {
        let at = self.offset(pos);
        self.bytes[at..at + 8].copy_from_slice(&payload.to_le_bytes());
    }

    /// Inner: replaces the child behind `i` separators.
    pub(super) fn set_child(&mut self, i: usize, ptr: Ptr) {
        match i.checked_sub(1) {
            None => self.set_first(ptr),
            Some(pos) => self.set_payload(pos, ptr.0),
        }
    }

    /// Inserts an entry at the position that `find` gave; `false` if it doesn't fit or doesn't share the prefix.
    pub(super) fn insert(&mut self, pos: usize, key: NewKey<'_>, payload: u64) -> bool {
        let (prefix, count) = (self.u16_at(24), self.count());
        if !key.known.starts_with(self.prefix()) {
            return false;
        }
        let need = cost(key.known.len(), key.long.is_some(), prefix);
        let slots_end = HEADER + count * SLOT;
        let free = self.u16_at(26) - slots_end;
        if need > free {
            if need > free + self.u16_at(28) {
                return false;
            }
            self.compact();
        }
        let at = self.u16_at(26) - (need - SLOT);
        self.set_u16(26, at);
        self.write_cell(at, key, prefix, payload);
        let slot = HEADER + pos * SLOT;
        self.bytes.copy_within(slot..slots_end, slot + SLOT);
        self.set_u16(slot, at);
        self.set_u16(6, count + 1);
        true
    }

    /// Removes an entry.
    pub(super) fn remove(&mut self, pos: usize) {
        let count = self.count();
        let dead = self.u16_at(28) + self.cell_size(self.offset(pos));
        self.set_u16(28, dead);
        let slot = HEADER + pos * SLOT;
        self.bytes.copy_within(slot + SLOT..HEADER + count * SLOT, slot);
        self.set_u16(6, count - 1);
    }

    /// Appends an entry behind all others.
    ///
    /// REQUIRES: it fits, shares the prefix, and nothing was removed from the page.
    pub(super) fn push(&mut self, key: NewKey<'_>, payload: u64) {
        let (prefix, count) = (self.u16_at(24), self.count());
        let at = self.u16_at(26) - (cost(key.known.len(), key.long.is_some(), prefix) - SLOT);
        self.write_cell(at, key, prefix, payload);
        self.set_u16(HEADER + count * SLOT, at);
        self.set_u16(26, at);
        self.set_u16(6, count + 1);
    }

    /// Closes the gaps in the heap.
    fn compact(&mut self) {
        let old = self.clone();
        let mut heap = PAGE_SIZE - self.u16_at(24);
        for pos in 0..self.count() {
            let from = old.offset(pos);
            let size = old.cell_size(from);
            heap -= size;
            self.bytes[heap..heap + size].copy_from_slice(&old.bytes[from..from + size]);
            self.set_u16(HEADER + pos * SLOT, heap);
        }
        self.set_u16(26, heap);
        self.set_u16(28, 0);
    }

    fn write_cell(&mut self, at: usize, key: NewKey<'_>, prefix: usize, payload: u64) {
        self.bytes[at..at + 8].copy_from_slice(&payload.to_le_bytes());
        let at = at + 8;
        if let Some(long) = key.long {
            self.bytes[at] = LONG;
            self.set_u16(at + 1, usize::from(long.len));
            self.bytes[at + 3..at + 11].copy_from_slice(&long.chain.0.to_le_bytes());
            self.bytes[at + 11..at + 11 + LONG_HEAD].copy_from_slice(&key.known[..LONG_HEAD]);
            return;
        }
        let suffix = &key.known[prefix..];
        let begin = if suffix.len() <= SHORT_MAX {
            self.bytes[at] = suffix.len() as u8;
            at + 1
        } else {
            self.bytes[at] = MIDDLE;
            self.set_u16(at + 1, suffix.len());
            at + 3
        };
        self.bytes[begin..begin + suffix.len()].copy_from_slice(suffix);
    }

    fn set_u16(&mut self, at: usize, value: usize) {
        self.bytes[at..at + 2].copy_from_slice(&(value as u16).to_le_bytes());
    }
}
