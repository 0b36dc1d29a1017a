//! The bytes of a simulated file: sparse pages, shared between copies until one of them is written to.
//!
//! Invariant: bytes at or beyond `len` are zero, except between [`Content::put`] and [`Content::clip`], which only the
//! building of a crashed disk uses.

use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE: usize = 4096;
const PAGE_U64: u64 = PAGE as u64;

/// A file's bytes. A clone shares all pages.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    len: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

impl Content {
    pub(super) fn from_bytes(bytes: &[u8]) -> Content {
        let mut content = Content::default();
        content.write(0, bytes);
        content
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads up to the end of the file; gives the number of bytes read.
    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let there = self.len.saturating_sub(offset);
        let n = buf.len().min(usize::try_from(there).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < n {
            let (page, at) = split(offset + done as u64);
            let step = (PAGE - at).min(n - done);
            match self.pages.get(&page) {
                Some(p) => buf[done..done + step].copy_from_slice(&p[at..at + step]),
                None => buf[done..done + step].fill(0),
            }
            done += step;
        }
        n
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).expect("a test file fits in memory")];
        self.read(&mut bytes, 0);
        bytes
    }

    /// Writes and grows the file over what was written.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.put(offset, bytes);
        self.grow(offset + bytes.len() as u64);
    }

    /// Writes without changing the length: pages may reach the disk when the new length did not.
    pub(super) fn put(&mut self, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let (page, at) = split(offset + done as u64);
            let step = (PAGE - at).min(bytes.len() - done);
            let page = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[at..at + step].copy_from_slice(&bytes[done..done + step]);
            done += step;
        }
    }

    /// Makes the file at least `len` bytes long.
    pub(super) fn grow(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    /// Cuts the file, or grows it with zeros.
    pub(super) fn set_len(&mut self, len: u64) {
        self.len = len;
        self.clip();
    }

    /// Forgets all bytes beyond the length.
    pub(super) fn clip(&mut self) {
        let (page, at) = split(self.len);
        if self.pages.last_key_value().is_none_or(|(last, _)| *last < page) {
            return;
        }
        self.pages.split_off(&(page + 1));
        if at == 0 {
            self.pages.remove(&page);
        } else if let Some(p) = self.pages.get_mut(&page)
            && p[at..].iter().any(|b| *b != 0)
        {
            Arc::make_mut(p)[at..].fill(0);
        }
    }
}

/// Number of the page that holds a byte, and the byte's place in it.
fn split(offset: u64) -> (u64, usize) {
    (offset / PAGE_U64, (offset % PAGE_U64) as usize)
}
