//! Keys and separators too long for a page, by number.
//!
//! A page holds such a key's number and its first four bytes behind the page's prefix; the whole key lies here, so that
//! moving it between pages moves four bytes whatever the pages' prefixes. Each is allocated at its exact length.
//! Numbers are reused; each is owned by one entry of one page.
//!
//! While an image is made, what a number had at its beginning is kept until the image has read it.
//!
//! Saved form: the number of slots (u32), then for each the key's length (u32, 0 for none) and its bytes, little-endian.

use std::collections::HashMap;

use super::page::MAX_INLINE;
use crate::types::MAX_KEY_LEN;

/// Long keys by number.
#[derive(Default)]
pub(super) struct LongKeys {
    slots: Vec<Box<[u8]>>,
    free: Vec<u32>,
    bytes: u64,
    image: Option<Box<LongImage>>,
}

/// How far an image got.
struct LongImage {
    /// Numbers of slots that it reads next, up to those there were.
    next: usize,
    end: usize,
    has_begun: bool,
    /// What slots had that changed before they were read.
    kept: HashMap<usize, Box<[u8]>>,
}

impl LongKeys {
    /// The key of this number; none of that number is an empty one, as a reader may ask for in the middle of a change.
    pub(super) fn get(&self, no: u32) -> &[u8] {
        self.slots.get(no as usize).map_or(&[], |key| key)
    }

    /// Keeps a copy of a key.
    pub(super) fn insert(&mut self, key: &[u8]) -> u32 {
        self.bytes += key.len() as u64;
        if let Some(no) = self.free.pop() {
            self.replace(no as usize, key.into());
            return no;
        }
        self.slots.push(key.into());
        self.slots.len() as u32 - 1
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, no: u32) {
        let Some(slot) = self.slots.get(no as usize) else { return };
        debug_assert!(!slot.is_empty(), "long key {no} removed twice");
        self.bytes -= slot.len() as u64;
        self.replace(no as usize, Box::default());
        self.free.push(no);
        if self.free.len() == self.slots.len() {
            *self = LongKeys { image: self.image.take(), ..LongKeys::default() };
        }
    }

    fn replace(&mut self, no: usize, new: Box<[u8]>) {
        let Some(slot) = self.slots.get_mut(no) else { return };
        let old = std::mem::replace(slot, new);
        if let Some(image) = &mut self.image
            && (image.next..image.end).contains(&no)
        {
            image.kept.entry(no).or_insert(old);
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Numbers are below this.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Number of keys.
    pub(super) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> u64 {
        self.bytes + (self.slots.capacity() * size_of::<Box<[u8]>>() + self.free.capacity() * 4) as u64
    }

    /// Begins an image of what there is now.
    pub(super) fn begin_image(&mut self) {
        let (end, kept) = (self.slots.len(), HashMap::new());
        self.image = Some(Box::new(LongImage { next: 0, end, has_begun: false, kept }));
    }

    pub(super) fn end_image(&mut self) {
        self.image = None;
    }

    /// Whether reading the image changes nothing here: there are none in it.
    pub(super) fn has_empty_image(&self) -> bool {
        self.image.as_ref().is_none_or(|image| image.end == 0)
    }

    /// Appends some of the image's saved form; false if all of it is read.
    pub(super) fn read_image(&mut self, out: &mut Vec<u8>) -> bool {
        /// Readers wait for so much.
        const PIECE: usize = 64 << 10;
        let Some(image) = &mut self.image else { return false };
        if !image.has_begun {
            image.has_begun = true;
            out.extend_from_slice(&(image.end as u32).to_le_bytes());
        }
        let wanted = out.len() + PIECE;
        while image.next < image.end && out.len() < wanted {
            let kept = image.kept.remove(&image.next);
            let key = kept.as_deref().or(self.slots.get(image.next).map(|key| &key[..])).unwrap_or_default();
            out.extend_from_slice(&(key.len() as u32).to_le_bytes());
            out.extend_from_slice(key);
            image.next += 1;
        }
        image.next < image.end
    }

    /// From the saved form; `None` if it is none.
    pub(super) fn resume(mut bytes: &[u8]) -> Option<LongKeys> {
        let mut longs = LongKeys::default();
        for no in 0..take_u32(&mut bytes)? {
            let len = take_u32(&mut bytes)? as usize;
            let key = bytes.split_off(..len)?;
            match len {
                0 => longs.free.push(no),
                _ if len <= MAX_INLINE || len > MAX_KEY_LEN => return None,
                _ => longs.bytes += len as u64,
            }
            longs.slots.push(key.into());
        }
        if longs.free.len() == longs.slots.len() {
            longs = LongKeys::default();
        }
        bytes.is_empty().then_some(longs)
    }
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    bytes.split_off(..4)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}
