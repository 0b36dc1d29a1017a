//! The records of a data file, found by the format alone, for tests that damage one and say what that may cost.

use std::path::PathBuf;

use bitcask::format::header::{DATA_START, DataHeader};
use bitcask::format::record::{MAX_HEADER_LEN, Placer, RecordHeader, peek_header};
use bitcask::vfs::sim::SimVfs;

/// A record at its place.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) offset: u64,
    pub(crate) header: RecordHeader,
    /// Empty for commits, marks and seals.
    pub(crate) key: Vec<u8>,
}

impl Found {
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.header.record_len()
    }
}

/// The header of a data file.
pub(crate) fn header(bytes: &[u8]) -> DataHeader {
    DataHeader::decode_pair(&bytes[..DATA_START as usize]).expect("a valid header").0
}

/// The records of an undamaged data file.
pub(crate) fn records(bytes: &[u8]) -> Vec<Found> {
    let placer = Placer::new(header(bytes).nonce);
    let (mut offset, mut found) = (DATA_START, Vec::new());
    while offset < bytes.len() as u64 {
        let rest = &bytes[offset as usize..];
        let Ok(header) = peek_header(&rest[..rest.len().min(MAX_HEADER_LEN)], placer, offset, rest.len() as u64) else {
            break;
        };
        let start = header.header_len();
        let key = rest[start..start + usize::from(header.key_len)].to_vec();
        found.push(Found { offset, header, key });
        offset += header.record_len();
    }
    found
}

/// The data files on a disk, by id.
pub(crate) fn data_files(disk: &SimVfs) -> Vec<(PathBuf, Vec<u8>)> {
    files_with(disk, "data")
}

/// The files on a disk with this extension, by the number in their name.
pub(crate) fn files_with(disk: &SimVfs, extension: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = disk.files();
    files.retain(|(path, _)| path.extension().is_some_and(|e| e == extension));
    files.sort_by_key(|(path, _)| {
        path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<u32>().ok()).unwrap_or(0)
    });
    files
}
