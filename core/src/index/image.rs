//! Images: what a kind of index in memory gives to be saved, and what it is made of again.
//!
//! Knows no file. An image is pages, which are numbered from 0, and a tail of bytes; whoever writes it down adds checksums and says what it
//! is an image of.

use std::sync::atomic::AtomicBool;

use super::Index;
use super::saved::PageSource;
use crate::error::Result;

/// Bytes that a kind says of itself in an image's head.
pub const OWN_LEN: usize = 48;

/// What an image is, but for its pages and its tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageHead {
    /// Number of keys.
    pub len: u64,
    /// Number of pages.
    pub pages: u32,
    /// What else the kind needs.
    pub own: [u8; OWN_LEN],
}

/// An image that was written down.
pub struct SavedImage {
    /// Its head.
    pub head: ImageHead,
    /// Part of each piece's checksum.
    pub nonce: u64,
    /// Checksums of pieces of [`PIECE_PAGES`](super::PIECE_PAGES) pages.
    pub sums: Vec<u32>,
    /// Where the pages are.
    pub source: Box<dyn PageSource>,
    /// The tail, verified.
    pub tail: Vec<u8>,
}

impl std::fmt::Debug for SavedImage {
    /// Without the tail, in which a kind may keep a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SavedImage").field("head", &self.head).field("source", &self.source).finish_non_exhaustive()
    }
}

/// An index of which images can be made. One image at a time.
pub trait Imaged: Index {
    /// Begins an image of what the index has now. `None` while another is under way.
    ///
    /// REQUIRES: no `apply` at the same time. Later there may be.
    fn begin_image(&self) -> Result<Option<ImageHead>>;

    /// Appends pages of the image, 4 KiB each. Each is asked for once, by whole pieces of [`PIECE_PAGES`](super::PIECE_PAGES), the last up to the
    /// end.
    fn image_pages(&self, first: u32, count: u32, out: &mut Vec<u8>);

    /// Appends a part of the image's tail; false if there is no more.
    fn image_tail(&self, out: &mut Vec<u8>) -> bool;

    /// Ends the image, complete or not.
    fn end_image(&self);

    /// Looks at all of what it was made of, beside readers, as it else does before the first change (`Index::ready`); false if it was told to
    /// stop before. An error if damage was found, as the next call of anything says too.
    fn look_at_all(&self, stop: &AtomicBool) -> Result<bool>;

    /// Number of pages among which there may be some that were not looked at yet.
    fn unseen_pages(&self) -> u32;

    /// Bytes that an image of what the index has now would take, about.
    fn image_bytes(&self) -> u64;
}
