//! One open data file: its header, its bytes by position, and records lent from them.
//!
//! Knows the format and no keys' meaning. Bytes below [`DataFile::end`] never change; the end only grows, but when the
//! writer takes back an append that nobody has seen. All methods are thread-safe.
//!
//! Reads go through a mapping where one is wanted and the system gives one: a record is then lent without a copy, and the mapping
//! lives as long as the last borrower. Only bytes below the end are touched through it. Else records are read into the caller's
//! buffer.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::mapped::MappedRecords;
use super::seen::Seen;
use super::sync_gate::SyncGate;
use super::value::{Lender, Pins, Value};
use crate::error::{Error, Result};
use crate::format::header::{CopyDamage, DATA_START, DataHeader, FileKind, HEADER_LEN, HeaderError};
use crate::format::names;
use crate::format::record::{self, Body, Brief, Invalid, Placer, RecordHeader};
use crate::types::{FileId, Location, SeqNo, Timestamp};
use crate::util::prefetch::prefetch_all;
use crate::vfs::{OpenMode, Vfs, VfsFile, read_full_at, write_all_at};

/// Records at least this long are read in two steps, so that little is read in vain.
const TWO_STEP_LEN: u64 = 64 << 10;

/// No data file is longer: a record begins below 4 GiB and takes little more than that, and marks and a seal may follow.
const MAX_LEN: u64 = 1 << 34;

/// An open data file.
#[derive(Debug)]
pub(crate) struct DataFile {
    header: DataHeader,
    placer: Placer,
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    map: Option<Pins>,
    end: AtomicU64,
    /// What a reader beside a writer knows of the log.
    seen: OnceLock<Arc<Seen>>,
}

/// What a new data file's header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewFile {
    pub(crate) id: FileId,
    pub(crate) kind: FileKind,
    pub(crate) store_id: u64,
    pub(crate) base_seq: SeqNo,
    pub(crate) earlier_synced: bool,
}

/// Why a file's header can't be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// Its creation was cut short: shorter than the headers, or nothing but zeros.
    Unfinished,
    /// It is damaged, foreign or of another version; or it could not be read.
    Bad(Error),
}

impl NewFile {
    /// What its headers say, with a number that no other file has. `path` is for errors.
    pub(super) fn header(&self, vfs: &dyn Vfs, path: &Path) -> Result<DataHeader> {
        let mut nonce = [0; 8];
        vfs.random(&mut nonce).map_err(|e| Error::io("random", path, None, e))?;
        Ok(DataHeader {
            required: 0,
            optional: 0,
            kind: self.kind,
            earlier_synced: self.earlier_synced,
            file_id: self.id,
            store_id: self.store_id,
            nonce: u64::from_le_bytes(nonce),
            created: vfs.now(),
            base_seq: self.base_seq,
        })
    }
}

impl Unusable {
    /// There is no file of that name.
    pub(crate) fn is_absence(&self) -> bool {
        let Unusable::Bad(Error::Io { op: "open", source, .. }) = self else { return false };
        source.kind() == io::ErrorKind::NotFound
    }
}

impl DataFile {
    /// Path of the data file with this id.
    pub(crate) fn path_of(dir: &Path, id: FileId) -> PathBuf {
        dir.join(names::data(id))
    }

    /// Creates a data file with its headers; [`DataFile::sync_created`] is to follow. Removes it again on failure.
    pub(crate) fn create(vfs: &dyn Vfs, dir: &Path, new: NewFile, map_len: u64) -> Result<DataFile> {
        Self::create_at(vfs, Self::path_of(dir, new.id), new, map_len)
    }

    /// The same under another name.
    pub(crate) fn create_at(vfs: &dyn Vfs, path: PathBuf, new: NewFile, map_len: u64) -> Result<DataFile> {
        let header = new.header(vfs, &path)?;
        let file = vfs.open(&path, OpenMode::CreateNew).map_err(|e| Error::io("create", &path, None, e))?;
        if let Err(e) = write_all_at(file.as_ref(), &header.encode_pair(), 0) {
            // If this fails too, open will recognise the file as unfinished or empty.
            let _ = vfs.remove(&path);
            return Err(Error::io("write", &path, Some(0), e));
        }
        Ok(Self::with(header, path, file, DATA_START, map_len))
    }

    /// Brings a new file's headers and its name to stable storage. No record may be written to it before that.
    pub(crate) fn sync_created(&self, gate: &SyncGate, vfs: &dyn Vfs, dir: &Path) -> Result<()> {
        gate.sync(self)?;
        gate.sync_dir(vfs, dir)
    }

    /// Opens an existing data file and reads its header. The end is the file's length.
    pub(crate) fn open(
        vfs: &dyn Vfs,
        dir: &Path,
        id: FileId,
        mode: OpenMode,
        map_len: u64,
    ) -> Result<(DataFile, Option<CopyDamage>), Unusable> {
        let path = Self::path_of(dir, id);
        let bad = |op, e| Unusable::Bad(Error::io(op, &path, None, e));
        let file = vfs.open(&path, mode).map_err(|e| bad("open", e))?;
        let len = file.len().map_err(|e| bad("stat", e))?;
        if len > MAX_LEN {
            return Err(Unusable::Bad(Error::corrupted(&path, MAX_LEN, "the file is longer than a data file can be")));
        }
        let mut bytes = [0; 2 * HEADER_LEN];
        let got = read_full_at(file.as_ref(), &mut bytes, 0).map_err(|e| bad("read", e))?;
        let (header, damage) = match DataHeader::decode_pair(&bytes[..got]) {
            Ok(found) => found,
            Err(error) => return Err(Self::unusable(&path, len, &bytes[..got], error)),
        };
        if header.file_id != id {
            let what = format!("the header belongs to data file {}; was the file renamed?", header.file_id);
            return Err(Unusable::Bad(Error::corrupted(&path, 0, what)));
        }
        Ok((Self::with(header, path, file, len, map_len), damage))
    }

    fn unusable(path: &Path, len: u64, start: &[u8], error: HeaderError) -> Unusable {
        Unusable::Bad(match error {
            HeaderError::Version(version) => Error::UnsupportedVersion { path: path.to_owned(), version },
            HeaderError::Feature(feature) => Error::UnsupportedFeature { path: path.to_owned(), feature },
            HeaderError::BadField(name) => {
                Error::corrupted(path, 0, format!("the header field {name} has a value that is not allowed"))
            }
            HeaderError::NotAHeader => {
                // Space is reserved only when the headers are on stable storage: a longer file of zeros has lost them.
                let zeros = start.iter().all(|&b| b == 0);
                if len < DATA_START || (len == DATA_START && zeros) {
                    return Unusable::Unfinished;
                }
                Error::corrupted(path, 0, "both copies of the file header are damaged")
            }
        })
    }

    /// A file that was written under another name and has been given its own. Its header is the one that it has now.
    pub(super) fn renamed(
        header: DataHeader,
        path: PathBuf,
        file: Arc<dyn VfsFile>,
        end: u64,
        map_len: u64,
    ) -> DataFile {
        Self::with(header, path, file, end, map_len)
    }

    fn with(header: DataHeader, path: PathBuf, file: Arc<dyn VfsFile>, end: u64, map_len: u64) -> DataFile {
        // Reading works without a mapping, so a failure to map is none.
        let map = if map_len == 0 { None } else { file.map(map_len.max(end)).ok().map(Pins::new) };
        let placer = Placer::new(header.nonce);
        DataFile { header, placer, path, file, map, end: AtomicU64::new(end), seen: OnceLock::new() }
    }

    pub(crate) fn id(&self) -> FileId {
        self.header.file_id
    }

    pub(crate) fn header(&self) -> &DataHeader {
        &self.header
    }

    pub(crate) fn placer(&self) -> Placer {
        self.placer
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &Arc<dyn VfsFile> {
        &self.file
    }

    /// Where the records end. Reads of published locations lie below it.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Tells where the records end now. For the writer and for recovery.
    pub(crate) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Cuts off space that is reserved behind its end.
    pub(crate) fn give_back(&self) -> Result<()> {
        let end = self.end();
        if self.file.len().map_err(|e| self.io_error("stat", end, e))? > end {
            self.file.set_len(end).map_err(|e| self.io_error("truncate", end, e))?;
        }
        Ok(())
    }

    /// An I/O error of this file.
    pub(crate) fn io_error(&self, op: &'static str, offset: u64, source: io::Error) -> Error {
        Error::io(op, &self.path, Some(offset), source)
    }

    /// The record at a location, with one access: lent from the mapping, or read into `scratch`. Its header's checksum is
    /// always compared, the whole record's with `verify`.
    #[inline]
    pub(crate) fn view<'a>(&'a self, location: Location, verify: bool, scratch: &'a mut Vec<u8>) -> Result<View<'a>> {
        match self.ask_for(location).and_then(|asked| self.view_asked(asked, verify)) {
            Some(view) => Ok(view),
            None => self.view_slowly(location, verify, scratch),
        }
    }

    /// Asks memory for the record at a location, which is about to be read, and says where it is. Does nothing where records are read
    /// by calls.
    #[inline]
    pub(crate) fn ask_for(&self, location: Location) -> Option<Asked<'_>> {
        let offset = location.offset();
        let bytes = self.mapped(offset, self.end().saturating_sub(offset).min(location.len_bound()))?;
        ask_memory(bytes);
        Some(Asked { bytes, offset })
    }

    /// The record that was asked for here, if it is a valid put. Nothing is no verdict: [`DataFile::view`] tells what it is.
    #[inline]
    pub(crate) fn view_asked<'a>(&self, asked: Asked<'a>, verify: bool) -> Option<View<'a>> {
        let Asked { bytes, offset } = asked;
        let header = record::check_put(bytes, self.placer, offset, verify)?;
        Some(View { header, bytes, offset, mapped: true })
    }

    /// All its records where they lie, for who reads many. Nothing where records are read by calls, or where one goes beyond the mapping.
    pub(crate) fn mapped_records(&self) -> Option<MappedRecords<'_>> {
        Some(MappedRecords::new(self.mapped(0, self.end())?, self.placer))
    }

    /// Any record: one that is read by calls, is no valid put, goes beyond what its location says, or beyond the mapping, because its file
    /// was made for a record too large for others.
    fn view_slowly<'a>(&'a self, location: Location, verify: bool, scratch: &'a mut Vec<u8>) -> Result<View<'a>> {
        let offset = location.offset();
        let left = self.end().saturating_sub(offset);
        if let Some(start) = self.mapped(offset, left.min(record::MAX_HEADER_LEN as u64)) {
            let header = self.peek(start, offset, left)?;
            if let Some(bytes) = self.mapped(offset, header.record_len()) {
                return self.viewed(header, bytes, verify, offset, true);
            }
        }
        let bound = left.min(location.len_bound());
        let bytes = if bound < TWO_STEP_LEN {
            self.read(scratch, offset, bound)?
        } else {
            let start = self.read(scratch, offset, left.min(record::MAX_HEADER_LEN as u64))?;
            let len = self.peek(start, offset, left)?.record_len();
            self.read(scratch, offset, len)?
        };
        self.viewed(self.peek(bytes, offset, left)?, bytes, verify, offset, false)
    }

    #[inline]
    fn viewed<'a>(
        &self,
        header: RecordHeader,
        bytes: &'a [u8],
        verify: bool,
        offset: u64,
        mapped: bool,
    ) -> Result<View<'a>> {
        if verify {
            record::check_body(&header, bytes).map_err(|e| self.not_as_written(offset, e.to_string()))?;
        }
        let len = usize::try_from(header.record_len()).unwrap_or(usize::MAX);
        let Some(bytes) = bytes.get(..len) else {
            return Err(self.cut_off(offset));
        };
        Ok(View { header: Brief::from(&header), bytes, offset, mapped })
    }

    /// Header and key of the record at a location; its value is not touched. The header's own checksum is compared, which does not cover
    /// the key: who does not know the key has to confirm it. `key_hint` is about how long the key is, so that one access does.
    pub(crate) fn head<'a>(
        &'a self,
        location: Location,
        key_hint: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Head<'a>> {
        let offset = location.offset();
        let left = self.end().saturating_sub(offset);
        let wanted = left.min((record::MAX_HEADER_LEN + key_hint) as u64);
        let (header, bytes) = match self.mapped(offset, wanted) {
            Some(bytes) => {
                let header = self.peek(bytes, offset, left)?;
                // A key may go beyond the mapping of a file that was made for its record alone.
                match self.mapped(offset, header.key_range().end) {
                    Some(bytes) => (header, bytes),
                    None => (header, self.read(scratch, offset, header.key_range().end)?),
                }
            }
            None => {
                let header = self.peek(self.read(scratch, offset, wanted)?, offset, left)?;
                if header.key_range().end > wanted {
                    self.read(scratch, offset, header.key_range().end)?;
                }
                (header, &scratch[..])
            }
        };
        let start = header.header_len();
        match bytes.get(start..start + usize::from(header.key_len)) {
            Some(key) => Ok(Head { header, key }),
            None => Err(self.cut_off(offset)),
        }
    }

    /// Lends a view's value for longer than the view lives, if it lies in the mapping. Else it is in the buffer that it was read into.
    pub(crate) fn lend(&self, view: &View<'_>) -> Option<Value> {
        let range = view.value_range();
        self.map.as_ref().filter(|_| view.mapped).map(|map| map.lend(view.offset + range.start as u64, range.len()))
    }

    /// Lends the mapping, to find a view's bytes in it again when the view is gone.
    pub(crate) fn lender(&self) -> Option<Lender> {
        self.map.as_ref().map(Pins::lender)
    }

    /// All of a record that was viewed: its header, and key, value and padding with what sums them up wherever they stand; checks them.
    pub(crate) fn content<'a>(&self, view: &View<'a>) -> Result<Content<'a>, Invalid> {
        // Of a copy, which is not to be optimized away: a byte that changes in the mapping meanwhile is no other to the sum than to who reads the field.
        let mut start = [0; record::MAX_HEADER_LEN];
        let len = view.bytes.len().min(start.len());
        start[..len].copy_from_slice(&view.bytes[..len]);
        let start = std::hint::black_box(start);
        let header = record::peek_header(&start[..len], self.placer, view.offset, view.bytes.len() as u64)?;
        let body = record::verify_body(&header, view.bytes)?;
        let end = usize::try_from(header.record_len()).unwrap_or(usize::MAX);
        let content = view.bytes.get(header.header_len()..end).ok_or(Invalid::Truncated)?;
        Ok((header, body, content))
    }

    /// The same of a put that was asked for here. Nothing is no verdict: [`DataFile::view`] tells what it is.
    #[inline]
    pub(crate) fn content_asked<'a>(&self, asked: Asked<'a>) -> Option<Content<'a>> {
        let header = record::check_whole_put(asked.bytes, self.placer, asked.offset)?;
        let end = usize::try_from(header.record_len()).ok()?;
        Some((header, header.body(), asked.bytes.get(header.header_len()..end)?))
    }

    /// The header of the record at a location.
    pub(crate) fn record_header(&self, location: Location) -> Result<RecordHeader> {
        let offset = location.offset();
        let left = self.end().saturating_sub(offset);
        let wanted = left.min(record::MAX_HEADER_LEN as u64);
        if let Some(bytes) = self.mapped(offset, wanted) {
            return self.peek(bytes, offset, left);
        }
        let mut scratch = Vec::new();
        self.peek(self.read(&mut scratch, offset, wanted)?, offset, left)
    }

    /// The file is shorter than it was when it was opened.
    fn cut_off(&self, offset: u64) -> Error {
        self.not_as_written(offset, "the record is cut off by the end of the file")
    }

    /// A record that is not what it was when it was put into the index: damage, or the writer in another process took it back.
    #[cold]
    pub(crate) fn not_as_written(&self, offset: u64, what: impl Into<String>) -> Error {
        match self.seen.get() {
            Some(seen) if seen.is_cut() => self.stale(offset),
            _ => Error::corrupted(&self.path, offset, what),
        }
    }

    #[cold]
    fn stale(&self, offset: u64) -> Error {
        Error::Stale { path: self.path.clone(), offset }
    }

    /// From now on a record that this does not know of is an error: the file is read beside a writer in another process.
    pub(crate) fn read_beside(&self, seen: &Arc<Seen>) {
        let _ = self.seen.set(Arc::clone(seen));
    }

    /// Whether records are read through a mapping.
    pub(crate) fn is_mapped(&self) -> bool {
        self.map.is_some()
    }

    #[inline]
    fn mapped(&self, offset: u64, len: u64) -> Option<&[u8]> {
        self.map.as_ref()?.bytes(offset, usize::try_from(len).ok()?)
    }

    /// These bytes in the mapping, if there is one and the system has made sure that they can be read there: an error of the disk is found by who reads
    /// them by a call then.
    pub(super) fn ready(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.map.as_ref()?.ready(offset, len)
    }

    fn read<'a>(&self, scratch: &'a mut Vec<u8>, offset: u64, len: u64) -> Result<&'a [u8]> {
        let len = usize::try_from(len)
            .map_err(|_| Error::Unsupported { what: "the record does not fit this machine's memory".into() })?;
        scratch.clear();
        scratch.resize(len, 0);
        let got = read_full_at(self.file.as_ref(), scratch, offset).map_err(|e| self.io_error("read", offset, e))?;
        scratch.truncate(got);
        Ok(scratch)
    }

    #[inline]
    fn peek(&self, bytes: &[u8], offset: u64, left: u64) -> Result<RecordHeader> {
        match record::peek_header(bytes, self.placer, offset, left) {
            Ok(header) if self.seen.get().is_none_or(|seen| seen.knows(header.seq)) => Ok(header),
            Ok(_) => Err(self.stale(offset)),
            Err(e) => Err(self.not_as_written(offset, e.to_string())),
        }
    }
}

/// Asks memory for a record that has at most these bytes, of which a long one may lack a third: what it may not have is not asked for.
#[inline(always)]
fn ask_memory(bytes: &[u8]) {
    const LONG: usize = 512;
    let len = if bytes.len() > LONG { bytes.len() - bytes.len() / 3 } else { bytes.len() };
    prefetch_all(bytes.get(..len).unwrap_or(bytes));
}

/// A record's header, and key, value and padding with what sums them up.
pub(crate) type Content<'a> = (RecordHeader, Body, &'a [u8]);

/// What [`DataFile::head`] gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) header: RecordHeader,
    pub(crate) key: &'a [u8],
}

/// Where a record is in the mapping, of which memory was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// From the record's beginning on, as many as it has at most.
    bytes: &'a [u8],
    offset: u64,
}

/// A valid record, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) header: Brief,
    /// The whole record, and perhaps what stands behind it.
    bytes: &'a [u8],
    pub(crate) offset: u64,
    /// Whether the bytes are the mapping's.
    pub(crate) mapped: bool,
}

impl<'a> View<'a> {
    #[inline]
    pub(crate) fn key(&self) -> &'a [u8] {
        self.bytes.get(self.header.key_range()).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn value(&self) -> &'a [u8] {
        self.bytes.get(self.value_range()).unwrap_or_default()
    }

    /// When the record was written.
    #[inline]
    pub(crate) fn timestamp(&self) -> Timestamp {
        record::timestamp_of(self.bytes)
    }

    /// Where key and value are in the file, side by side.
    #[inline]
    pub(crate) fn content_range(&self) -> Range<u64> {
        self.offset + self.header.key_range().start as u64..self.offset + self.value_range().end as u64
    }

    /// Where the value is in the record.
    #[inline]
    pub(crate) fn value_range(&self) -> Range<usize> {
        self.header.value_range()
    }
}
