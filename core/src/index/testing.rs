//! What tests of several kinds share: an image as bytes, with a source that has them in memory; and numbers that look random.

use super::PIECE_PAGES;
use super::image::{ImageHead, SavedImage};
use super::saved::{PageSource, piece_sum};
use crate::error::{Error, Result};
use crate::util::page::{PAGE_SIZE, PageRun};

#[derive(Debug)]
pub(super) struct InMemory(pub(super) Vec<u8>);

impl PageSource for InMemory {
    fn fetch(&self, first: u32, count: usize) -> Result<PageRun> {
        let run = PageRun::zeroed(count);
        for (page, bytes) in run.iter().zip(self.0.as_chunks::<PAGE_SIZE>().0.iter().skip(first as usize)) {
            page.copy_from_bytes(bytes);
        }
        Ok(run)
    }

    fn threads(&self) -> usize {
        3
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Unsupported { what: what.into() }
    }
}

/// An image as bytes.
#[derive(Clone)]
pub(super) struct Image {
    pub(super) head: ImageHead,
    pub(super) pages: Vec<u8>,
    pub(super) tail: Vec<u8>,
}

/// What a saved file would give of an image.
pub(super) fn saved(image: Image) -> SavedImage {
    let sum = |(i, piece): (usize, &[u8])| {
        let mut sum = piece_sum(5, i as u32);
        sum.update(piece);
        sum.finalize()
    };
    let sums = image.pages.chunks(PIECE_PAGES * PAGE_SIZE).enumerate().map(sum).collect();
    SavedImage { head: image.head, nonce: 5, sums, source: Box::new(InMemory(image.pages)), tail: image.tail }
}

/// splitmix64
pub(super) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
