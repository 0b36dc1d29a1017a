//! What a reader beside a writer in another process has seen of the log, and whether it is still there.
//!
//! The one thing that a writer takes back are records that it could not append as a whole, or not sync: it cuts them off the end of the log,
//! and later appends others at the same place. A cut takes all that is behind it. So as long as the last record that a reader has
//! read is there, its *witness*, nothing that it has read was cut off.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::format::record::{self, MAX_HEADER_LEN, Placer, RecordHeader};
use crate::types::SeqNo;
use crate::util::lock::Mutex;
use crate::vfs::{VfsFile, read_full_at};

use super::data_file::DataFile;

/// A record that was read. Keeps its file's descriptor.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    file: Arc<dyn VfsFile>,
    placer: Placer,
    path: PathBuf,
    offset: u64,
    crc: u32,
    /// Its number.
    pub(crate) seq: SeqNo,
}

impl Witness {
    pub(crate) fn new(file: &DataFile, offset: u64, header: &RecordHeader) -> Witness {
        Witness {
            file: Arc::clone(file.file()),
            placer: file.placer(),
            path: file.path().to_owned(),
            offset,
            crc: header.crc,
            seq: header.seq,
        }
    }

    /// Fails with [`Error::Stale`] if the record is not there any more.
    pub(crate) fn check(&self) -> Result<()> {
        let mut bytes = [0; MAX_HEADER_LEN];
        let got = read_full_at(self.file.as_ref(), &mut bytes, self.offset)
            .map_err(|e| Error::io("read", &self.path, Some(self.offset), e))?;
        match record::peek_header(bytes.get(..got).unwrap_or_default(), self.placer, self.offset, u64::MAX) {
            Ok(header) if (header.crc, header.seq) == (self.crc, self.seq) => Ok(()),
            _ => Err(Error::Stale { path: self.path.clone(), offset: self.offset }),
        }
    }
}

/// What the files of a reader share. Records with greater numbers than it knows of were not there when it looked.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    last: Mutex<Option<Witness>>,
    limit: AtomicU64,
}

impl Seen {
    /// Now records up to this number are known.
    pub(crate) fn raise(&self, seq: SeqNo) {
        self.limit.fetch_max(seq.0, Ordering::AcqRel);
    }

    /// The last record that was read, if it is one that could be taken back.
    pub(crate) fn set_last(&self, last: Option<Witness>) {
        *self.last.lock() = last;
    }

    pub(crate) fn last(&self) -> Option<Witness> {
        self.last.lock().clone()
    }

    /// Whether a record with this number was known.
    pub(super) fn knows(&self, seq: SeqNo) -> bool {
        seq.0 <= self.limit.load(Ordering::Acquire)
    }

    /// Whether something was taken back.
    pub(super) fn is_cut(&self) -> bool {
        self.last().is_some_and(|last| matches!(last.check(), Err(Error::Stale { .. })))
    }
}
