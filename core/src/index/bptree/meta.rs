//! What a checkpoint says of the tree: its root and how far it covers the log (FORMAT 10.1). Bytes only.
//!
//! Pages 0 and 1 hold one each, in turn: a checkpoint of generation g is in page g mod 2, so that the one before it stays as
//! it is until the new one is on stable storage.

use crate::index::Covered;

use super::page::{PAGE_SIZE, Ptr};

/// Bytes of a checkpoint's page that mean something.
pub(super) const META_LEN: usize = 256;

const MAGIC: &[u8; 8] = b"BITCASKi";
const VERSION: u16 = 1;
const CRC_AT: usize = 20;
const COVERED_AT: usize = 128;
/// Higher trees have more pages than there are numbers.
const MAX_HEIGHT: u8 = 32;

/// The contents of a checkpoint's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    /// Random, of this file alone; part of every page's checksum.
    pub(super) nonce: u64,
    pub(super) generation: u64,
    pub(super) root: Ptr,
    pub(super) height: u8,
    /// Number of keys.
    pub(super) len: u64,
    /// The first page of the set of pages in use.
    pub(super) map: Ptr,
    /// Stamps from here on were not given to pages of this tree.
    pub(super) stamp: u64,
    /// The file has at least so many pages.
    pub(super) pages: u32,
    pub(super) covered: Covered,
}

impl Meta {
    pub(super) fn encode(&self) -> [u8; PAGE_SIZE] {
        let mut page = [0; PAGE_SIZE];
        let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(10, &(META_LEN as u16).to_le_bytes());
        put(24, &self.nonce.to_le_bytes());
        put(32, &self.generation.to_le_bytes());
        put(40, &self.root.0.to_le_bytes());
        put(48, &self.len.to_le_bytes());
        put(56, &self.map.0.to_le_bytes());
        put(64, &self.stamp.to_le_bytes());
        put(72, &self.pages.to_le_bytes());
        put(76, &[self.height]);
        put(COVERED_AT, &self.covered.0);
        let crc = crc(&page[..META_LEN], (self.generation & 1) as u32);
        page[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads the checkpoint of page `no`: `None` if there is none, or why a later release's can't be used.
    pub(super) fn decode(page: &[u8], no: u32) -> Result<Option<Meta>, String> {
        let Some(bytes) = page.get(..META_LEN).filter(|bytes| bytes.starts_with(MAGIC)) else { return Ok(None) };
        let u32_at = |at: usize| bytes[at..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
        let u64_at = |at: usize| bytes[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        if u32_at(CRC_AT) != crc(bytes, no) {
            return Ok(None);
        }
        let (version, required) = (u32_at(8) as u16, u32_at(12));
        if version != VERSION || u32_at(8) >> 16 != META_LEN as u32 {
            return Err(format!("it is of version {version}, this release knows version {VERSION}"));
        }
        if required != 0 {
            return Err(format!(
                "it needs a feature that this release does not have: bit {}",
                required.trailing_zeros()
            ));
        }
        let mut covered = Covered([0; Covered::LEN]);
        covered.0.copy_from_slice(&bytes[COVERED_AT..COVERED_AT + Covered::LEN]);
        let meta = Meta {
            nonce: u64_at(24),
            generation: u64_at(32),
            root: Ptr(u64_at(40)),
            height: bytes[76],
            len: u64_at(48),
            map: Ptr(u64_at(56)),
            stamp: u64_at(64),
            pages: u32_at(72),
            covered,
        };
        let empty = meta.root == Ptr::NONE;
        let sound = meta.generation & 1 == u64::from(no)
            && empty == (meta.height == 0)
            && empty == (meta.len == 0)
            && meta.height <= MAX_HEIGHT
            && meta.root.no() < meta.pages.max(1)
            && meta.map.no() < meta.pages.max(1);
        if sound { Ok(Some(meta)) } else { Err("a field has a value that is not allowed".into()) }
    }
}

/// Over the page's number and its bytes without this field.
fn crc(bytes: &[u8], no: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&no.to_le_bytes());
    hasher.update(&bytes[..CRC_AT]);
    hasher.update(&bytes[CRC_AT + 4..META_LEN]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        Meta {
            nonce: 7,
            generation: 9,
            root: Ptr::new(5, 6),
            height: 2,
            len: 100,
            map: Ptr::new(8, 9),
            stamp: 77,
            pages: 10,
            covered: Covered([3; Covered::LEN]),
        }
    }

    #[test]
    fn a_checkpoint_comes_back_and_no_flipped_bit_does() {
        let page = meta().encode();
        assert_eq!(Meta::decode(&page, 1), Ok(Some(meta())));
        assert_eq!(Meta::decode(&page, 0), Ok(None), "a page at another place");
        for bit in 0..META_LEN * 8 {
            let mut page = page;
            page[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Meta::decode(&page, 1), Ok(None), "bit {bit}");
        }
        for len in 0..META_LEN {
            assert_eq!(Meta::decode(&page[..len], 1), Ok(None));
        }
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        let refused = |change: &dyn Fn(&mut Meta)| {
            let mut meta = meta();
            change(&mut meta);
            Meta::decode(&meta.encode(), 1).is_err()
        };
        assert!(refused(&|meta| meta.height = 0));
        assert!(refused(&|meta| meta.root = Ptr::NONE));
        assert!(refused(&|meta| meta.len = 0));
        assert!(refused(&|meta| meta.height = 33));
        assert!(refused(&|meta| meta.pages = 5));
        let mut later = meta().encode();
        later[8] = 2;
        let crc = crc(&later, 1);
        later[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        assert!(Meta::decode(&later, 1).is_err_and(|why| why.contains("version 2")));
    }
}
