//! Records of one file where they lie in its mapping, for who reads many of them.
//!
//! Knows puts that never end and no other record: what it has no answer for is read one by one, by `DataFile::view`.

use crate::format::record::{self, Placer};
use crate::types::Location;
use crate::util::prefetch::prefetch_all;

/// The records of a mapped file, up to where it ended when this was asked for. An append that is taken back meanwhile was seen by nobody, so that
/// nobody has a location to look there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MappedRecords<'a> {
    bytes: &'a [u8],
    placer: Placer,
}

impl<'a> MappedRecords<'a> {
    pub(super) fn new(bytes: &'a [u8], placer: Placer) -> MappedRecords<'a> {
        MappedRecords { bytes, placer }
    }

    #[inline(always)]
    fn at(&self, location: Location) -> Option<&'a [u8]> {
        let start = usize::try_from(location.offset()).ok()?;
        let len = usize::try_from(location.len_bound()).ok()?;
        let bytes = self.bytes.get(start..)?;
        Some(&bytes[..len.min(bytes.len())])
    }

    /// Asks memory for the record at a location, which is about to be read behind others: of a long one for its beginning. All lines of several
    /// are more than a processor waits for at a time, and those of the record that is read now would stand in line behind them.
    #[inline(always)]
    pub(crate) fn ask_for(&self, location: Location) {
        const BEGINNING: usize = 512;
        if let Some(bytes) = self.at(location) {
            prefetch_all(bytes.get(..BEGINNING).unwrap_or(bytes));
        }
    }

    /// The record at a location, if it is a valid put that never ends. Nothing is no verdict: `DataFile::view` tells what it is.
    #[inline(always)]
    pub(crate) fn plain(&self, location: Location, verify: bool) -> Option<Plain<'a>> {
        let (bytes, offset) = (self.at(location)?, location.offset());
        let header = record::check_put(bytes, self.placer, offset, verify).filter(|header| header.expiry.is_none())?;
        let content = bytes.get(record::HEADER_LEN..header.value_range().end)?;
        Some(Plain { content, key_len: header.key_len.into(), start: offset + record::HEADER_LEN as u64 })
    }
}

/// A valid put in a mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain<'a> {
    /// Key and value, side by side.
    pub(crate) content: &'a [u8],
    pub(crate) key_len: usize,
    /// Where the key is in the file.
    pub(crate) start: u64,
}

impl<'a> Plain<'a> {
    #[inline(always)]
    pub(crate) fn key(&self) -> &'a [u8] {
        self.content.get(..self.key_len).unwrap_or_default()
    }
}
