//! Reads a data file's records in order, and finds the next valid one behind damage (FORMAT 3.3, 5 and 6).
//!
//! Knows one file at a time and no index. Memory: one window, and one key. Time is linear in the file's length also for
//! files that somebody made to be slow: resynchronisation has a budget of hashed bytes, and what it does not reach
//! is one damaged place.

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, FileKind};
use crate::format::record::{self, BodyHasher, Invalid, MAX_HEADER_LEN, RecordHeader};
use crate::types::SeqNo;
use crate::vfs::read_full_at;

use super::data_file::DataFile;

const WINDOW: usize = 256 << 10;
/// Resynchronisation may hash so many times the file's length, and a little more for small files.
const RESYNC_FACTOR: u64 = 16;

/// What stands at a place of a data file.
#[derive(Debug)]
pub(crate) enum Item {
    /// A valid record. Its key is [`Scanner::key`]; of commits and seals that is the value.
    Record { offset: u64, header: RecordHeader },
    /// No valid record up to the next item.
    Damage { offset: u64, len: u64, why: Invalid },
    /// The end of the records; nothing but preallocated space follows.
    End { offset: u64 },
}

/// Reads items from a position on.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    file: &'a DataFile,
    len: u64,
    at: u64,
    min_seq: SeqNo,
    /// Whether the file's mapping is read where it can be.
    maps: bool,
    /// The window, if it lies in the mapping.
    mapped: Option<&'a [u8]>,
    /// Else what was read.
    window: Vec<u8>,
    window_at: u64,
    key: Vec<u8>,
    budget: u64,
    /// From where on there are only zeros, once it was asked.
    zeros_from: Option<u64>,
}

impl<'a> Scanner<'a> {
    /// A scanner of `file` from offset `at` on. In log files no record may have a number below `min_seq`.
    pub(crate) fn new(file: &'a DataFile, at: u64, min_seq: SeqNo) -> Scanner<'a> {
        let len = file.end();
        Scanner {
            file,
            len,
            at,
            min_seq,
            maps: false,
            mapped: None,
            window: Vec::new(),
            window_at: 0,
            key: Vec::new(),
            budget: len.saturating_mul(RESYNC_FACTOR).saturating_add(1 << 20),
            zeros_from: None,
        }
    }

    /// A scanner of all records of a file that nobody writes to any more: it reads them in the mapping, if the file has one, and spares the copy.
    pub(crate) fn of_sealed(file: &'a DataFile) -> Scanner<'a> {
        Scanner { maps: true, ..Scanner::new(file, DATA_START, SeqNo::ZERO) }
    }

    /// The key of the record last given; for batch commits and seals, which have none, the value.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Where the bytes begin that were last read from the file.
    pub(crate) fn window(&self) -> u64 {
        self.window_at
    }

    /// The next item. After `End` it is given again and again.
    pub(crate) fn next(&mut self) -> Result<Item> {
        let offset = self.at;
        let found = match self.windowed_put(offset) {
            Some(header) => Ok(header),
            None => self.valid_record(offset)?,
        };
        match found {
            Ok(header) => {
                self.at = offset + header.record_len();
                if self.file.header().kind == FileKind::Log {
                    self.min_seq = header.seq;
                }
                Ok(Item::Record { offset, header })
            }
            Err(_) if self.is_zero_from(offset)? => Ok(Item::End { offset }),
            Err(why) => {
                self.at = self.resync(offset, why)?;
                Ok(Item::Damage { offset, len: self.at - offset, why })
            }
        }
    }

    /// Where the next valid record begins, or the zeros to the end, or the end.
    fn resync(&mut self, from: u64, why: Invalid) -> Result<u64> {
        if matches!(why, Invalid::BadCrc | Invalid::BadPadding)
            && let Ok(header) = self.peek(from)?
        {
            let next = from + header.record_len();
            if self.peek(next)?.is_ok() || self.is_zero_from(next)? {
                return Ok(next);
            }
        }
        let mut at = from.next_multiple_of(record::ALIGN);
        if at == from {
            at += record::ALIGN;
        }
        // Zeros up to the end are no damage.
        let zeros_from = self.zeros_from()?.max(at).min(self.len);
        while at < zeros_from && self.budget > 0 {
            self.budget = self.budget.saturating_sub(1);
            if self.valid_record(at)?.is_ok() {
                return Ok(at);
            }
            at += record::ALIGN;
        }
        Ok(zeros_from.max(at.min(self.len)).min(self.len))
    }

    /// [`Scanner::valid_record`] of a put of which the window has all, as nearly all records are: in one piece. `None` is no verdict.
    #[inline]
    fn windowed_put(&mut self, offset: u64) -> Option<RecordHeader> {
        let start = usize::try_from(offset.checked_sub(self.window_at)?).ok()?;
        let bytes = bytes_of(self.mapped, &self.window).get(start..)?;
        let header = record::check_whole_put(bytes, self.file.placer(), offset)?;
        if header.seq < self.min_seq && self.file.header().kind == FileKind::Log {
            return None;
        }
        let from = header.header_len();
        let key = bytes.get(from..from + usize::from(header.key_len))?;
        self.key.clear();
        self.key.extend_from_slice(key);
        self.budget = self.budget.saturating_sub(header.record_len() - from as u64);
        Some(header)
    }

    /// Checks the record at a place in full and keeps its key.
    fn valid_record(&mut self, offset: u64) -> Result<Result<RecordHeader, Invalid>> {
        let header = match self.peek(offset)? {
            Ok(header) => header,
            Err(why) => return Ok(Err(why)),
        };
        let mut hasher = BodyHasher::new(&header);
        self.budget = self.budget.saturating_sub(hasher.missing());
        // What stands where the key would: the value, of the two kinds with a payload.
        let kept = if header.kind.has_key() { u64::from(header.key_len) } else { u64::from(header.value_len) };
        self.key.clear();
        let mut at = offset + header.header_len() as u64;
        while hasher.missing() > 0 {
            let want = usize::try_from(hasher.missing()).unwrap_or(usize::MAX).min(WINDOW);
            self.fill(at, want)?;
            let piece = self.windowed(at, want);
            if piece.is_empty() {
                return Ok(Err(Invalid::Truncated));
            }
            let (piece_len, still) = (piece.len() as u64, kept.saturating_sub(self.key.len() as u64));
            hasher.update(piece);
            let key_part = usize::try_from(still).unwrap_or(usize::MAX).min(piece.len());
            let start = (at - self.window_at) as usize;
            self.key.extend_from_slice(&bytes_of(self.mapped, &self.window)[start..start + key_part]);
            at += piece_len;
        }
        Ok(hasher.finish().map(|_| header))
    }

    /// Reads the header at a place. A number that goes backwards in a log is as wrong as a checksum.
    fn peek(&mut self, offset: u64) -> Result<Result<RecordHeader, Invalid>> {
        let left = self.len.saturating_sub(offset);
        self.fill(offset, MAX_HEADER_LEN)?;
        let bytes = self.windowed(offset, MAX_HEADER_LEN);
        let header = record::peek_header(bytes, self.file.placer(), offset, left);
        Ok(match header {
            Ok(header) if header.seq < self.min_seq && self.file.header().kind == FileKind::Log => {
                Err(Invalid::BadCheck)
            }
            other => other,
        })
    }

    /// Sees to it that the window holds `want` bytes at `at`, or what there is up to the end.
    fn fill(&mut self, at: u64, want: usize) -> Result<()> {
        let have = self.window_at + bytes_of(self.mapped, &self.window).len() as u64;
        let need = at.saturating_add(want as u64).min(self.len);
        if at >= self.window_at && need <= have {
            return Ok(());
        }
        let len = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX).min(WINDOW);
        self.window_at = at;
        self.mapped = if self.maps { self.file.ready(at, len) } else { None };
        if self.mapped.is_some() {
            return Ok(());
        }
        self.window.resize(len, 0);
        let got = read_full_at(self.file.file().as_ref(), &mut self.window, at)
            .map_err(|e| self.file.io_error("read", at, e));
        match got {
            Ok(got) => self.window.truncate(got),
            Err(error) => {
                self.window.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    fn windowed(&self, at: u64, want: usize) -> &[u8] {
        let start = usize::try_from(at.saturating_sub(self.window_at)).unwrap_or(usize::MAX);
        let bytes = bytes_of(self.mapped, &self.window).get(start..).unwrap_or_default();
        &bytes[..want.min(bytes.len())]
    }

    fn is_zero_from(&mut self, offset: u64) -> Result<bool> {
        Ok(offset >= self.len || offset >= self.zeros_from()?)
    }

    /// The first multiple of 4 from which on everything is zero up to the end of the file. Looked for once.
    pub(crate) fn zeros_from(&mut self) -> Result<u64> {
        if let Some(found) = self.zeros_from {
            return Ok(found);
        }
        let mut end = self.len;
        let mut buf = vec![0; 64 << 10];
        while end > 0 {
            let start = end.saturating_sub(buf.len() as u64);
            let want = (end - start) as usize;
            let got = read_full_at(self.file.file().as_ref(), &mut buf[..want], start)
                .map_err(|e| self.file.io_error("read", start, e))?;
            if let Some(last) = buf[..got].iter().rposition(|&b| b != 0) {
                end = (start + last as u64 + 1).next_multiple_of(record::ALIGN);
                break;
            }
            end = start;
        }
        self.zeros_from = Some(end);
        Ok(end)
    }
}

/// The window's bytes.
#[inline]
fn bytes_of<'w>(mapped: Option<&'w [u8]>, read: &'w [u8]) -> &'w [u8] {
    mapped.unwrap_or(read)
}

/// An error that says that damage keeps a file from being used.
pub(crate) fn damage_error(file: &DataFile, offset: u64, len: u64, why: &str) -> Error {
    Error::corrupted(
        file.path(),
        offset,
        format!(
            "{why} ({len} bytes up to the next valid record); open with on_damage = serve to use all that is undamaged"
        ),
    )
}
