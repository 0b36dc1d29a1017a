//! Hint files: written while the data file grows, read at open. Advisory in both directions: a failure to write one
//! is remembered and means that there is none; a hint that can't be read is passed over with a reason.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, DataHeader};
use crate::format::hint::{
    BLOCK_HEADER_LEN, HINT_HEADER_LEN, HintBlock, HintBlockBuilder, HintEntry, HintHeader, block_len,
};
use crate::format::names;
use crate::types::{FileId, SeqNo, Timestamp};
use crate::vfs::{OpenMode, Vfs, VfsFile, read_full_at, write_all_at};

use super::data_file::DataFile;

/// Blocks are written when so many bytes of them have come together.
const FLUSH_LEN: usize = 1 << 20;

/// Smallest and largest timestamp of the records covered.
type Times = (Timestamp, Timestamp);

/// Collects the hint of one data file.
#[derive(Debug)]
pub(crate) struct HintWriter {
    vfs: Arc<dyn Vfs>,
    temp: PathBuf,
    path: PathBuf,
    builder: HintBlockBuilder,
    /// Finished blocks that are not in the file yet.
    blocks: Vec<u8>,
    file: Option<Arc<dyn VfsFile>>,
    /// The temporary file is there, and is to be removed when this is dropped.
    is_there: bool,
    /// Where in the file the next block goes.
    end: u64,
    /// Where the blocks end of an older hint of the same file, which come first; 0 if there is none. They are copied when all others are there: they may
    /// be many, and neither an opening nor a write in between is to wait for them.
    older: u64,
    broken: bool,
    /// Of the process that it belongs to: in a forked child the file is the parent's.
    generation: u64,
}

impl HintWriter {
    pub(crate) fn new(vfs: &Arc<dyn Vfs>, dir: &Path, file: &DataFile) -> HintWriter {
        Self::with(vfs, dir, file, HintBlockBuilder::new(file.header()), (HINT_HEADER_LEN as u64, 0))
    }

    /// For a data file that is not under its name yet: [`HintWriter::rebind`] is to follow. `number` is one that nobody else
    /// has a temporary file with.
    pub(super) fn unnamed(vfs: &Arc<dyn Vfs>, dir: &Path, header: &DataHeader, number: FileId) -> HintWriter {
        let mut writer = Self::with_name(vfs, dir, number, HintBlockBuilder::new(header), (HINT_HEADER_LEN as u64, 0));
        writer.path.clear();
        writer
    }

    /// The data file has got its name and this header.
    pub(super) fn rebind(&mut self, dir: &Path, header: &DataHeader) {
        self.builder.rebind(header);
        self.path = dir.join(names::hint(header.file_id));
    }

    /// Goes on where a hint that was read to its end stopped.
    pub(crate) fn resume(vfs: &Arc<dyn Vfs>, dir: &Path, file: &DataFile, read: &HintReader) -> HintWriter {
        let builder = HintBlockBuilder::resume(&read.header, read.end);
        Self::with(vfs, dir, file, builder, (read.at, read.at))
    }

    fn with(
        vfs: &Arc<dyn Vfs>,
        dir: &Path,
        file: &DataFile,
        builder: HintBlockBuilder,
        (end, older): (u64, u64),
    ) -> HintWriter {
        Self::with_name(vfs, dir, file.id(), builder, (end, older))
    }

    fn with_name(
        vfs: &Arc<dyn Vfs>,
        dir: &Path,
        id: FileId,
        builder: HintBlockBuilder,
        (end, older): (u64, u64),
    ) -> HintWriter {
        let name = names::hint(id);
        HintWriter {
            vfs: Arc::clone(vfs),
            temp: dir.join(names::temp(&name)),
            path: dir.join(name),
            builder,
            blocks: Vec::new(),
            file: None,
            is_there: false,
            end,
            older,
            broken: false,
            generation: vfs.process_generation(),
        }
    }

    /// Adds the next record of the file.
    pub(crate) fn push(&mut self, entry: &HintEntry<'_>) {
        if self.broken {
            return;
        }
        if !self.builder.push(entry) {
            self.broken = true;
        }
        if self.builder.is_full() {
            self.blocks.append(&mut self.builder.finish());
            if self.blocks.len() >= FLUSH_LEN {
                self.broken |= self.flush().is_err();
            }
        }
    }

    /// Writes the hint for the file's bytes up to `covered`, under its name.
    ///
    /// REQUIRES: these bytes are on stable storage and hold no incomplete batch.
    pub(crate) fn finish(self, covered: u64, max_seq: SeqNo, sealed: bool, times: Times) -> Result<()> {
        self.write(covered, max_seq, sealed, times)?.sync()?.publish()
    }

    /// The first part of [`HintWriter::finish`]: all of it is written, and the disk has begun with it.
    pub(super) fn write(mut self, covered: u64, max_seq: SeqNo, sealed: bool, times: Times) -> Result<WrittenHint> {
        if self.broken {
            let what = format!("{}: the hint was given up", self.path.display());
            return Err(Error::Unsupported { what });
        }
        self.blocks.append(&mut self.builder.finish());
        let header = self.builder.header(covered, max_seq, sealed, times).encode();
        let file = self.flush()?;
        self.copy_older(file.as_ref())?;
        write_all_at(file.as_ref(), &header, 0).map_err(|e| self.failed("write", e))?;
        self.blocks = Vec::new();
        Ok(WrittenHint { writer: self, file })
    }

    fn failed(&self, op: &'static str, e: std::io::Error) -> Error {
        Error::io(op, &self.temp, None, e)
    }

    /// Removes what was written so far.
    pub(crate) fn discard(self) {}

    /// Leaves what was written so far where it is.
    pub(super) fn leave(mut self) {
        self.is_there = false;
    }

    fn flush(&mut self) -> Result<Arc<dyn VfsFile>> {
        let failed = |op, e| Error::io(op, &self.temp, None, e);
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let _ = self.vfs.remove(&self.temp);
                let file = self.vfs.open(&self.temp, OpenMode::CreateNew).map_err(|e| failed("create", e))?;
                (self.file, self.is_there) = (Some(Arc::clone(&file)), true);
                file
            }
        };
        let len = self.blocks.len() as u64;
        write_all_at(file.as_ref(), &self.blocks, self.end).map_err(|e| failed("write", e))?;
        // Whoever finishes the hint waits for what the disk does not have yet.
        file.start_writing(self.end, len);
        self.end += len;
        self.blocks.clear();
        Ok(file)
    }

    fn copy_older(&self, to: &dyn VfsFile) -> Result<()> {
        let mut at = HINT_HEADER_LEN as u64;
        if self.older <= at {
            return Ok(());
        }
        let failed = |op, e| Error::io(op, &self.path, None, e);
        let from = self.vfs.open(&self.path, OpenMode::Read).map_err(|e| failed("open", e))?;
        let mut buf = vec![0; usize::try_from(self.older - at).unwrap_or(usize::MAX).min(FLUSH_LEN)];
        while at < self.older {
            let want = usize::try_from(self.older - at).unwrap_or(usize::MAX).min(buf.len());
            let got = read_full_at(from.as_ref(), &mut buf[..want], at).map_err(|e| failed("read", e))?;
            if got == 0 {
                return Err(failed("read", std::io::ErrorKind::UnexpectedEof.into()));
            }
            write_all_at(to, &buf[..got], at).map_err(|e| failed("write", e))?;
            // The disk works while the next part is read.
            to.start_writing(at, got as u64);
            at += got as u64;
        }
        Ok(())
    }
}

impl Drop for HintWriter {
    fn drop(&mut self) {
        if self.is_there && self.vfs.process_generation() == self.generation {
            // Open removes it otherwise.
            let _ = self.vfs.remove(&self.temp);
        }
    }
}

/// A hint that is written in full, under a temporary name; dropped, it is removed.
#[derive(Debug)]
pub(super) struct WrittenHint {
    writer: HintWriter,
    file: Arc<dyn VfsFile>,
}

impl WrittenHint {
    /// Brings it to stable storage, and closes it.
    pub(super) fn sync(self) -> Result<SyncedHint> {
        self.file.sync_data().map_err(|e| self.writer.failed("sync", e))?;
        let WrittenHint { mut writer, .. } = self;
        writer.file = None;
        Ok(SyncedHint { writer })
    }
}

/// A hint on stable storage, still under a temporary name; dropped, it is removed.
#[derive(Debug)]
pub(super) struct SyncedHint {
    writer: HintWriter,
}

impl SyncedHint {
    /// Gives it its name.
    ///
    /// REQUIRES: the bytes that it speaks for are on stable storage and hold no incomplete batch.
    pub(super) fn publish(mut self) -> Result<()> {
        let HintWriter { vfs, temp, path, .. } = &self.writer;
        vfs.rename(temp, path).map_err(|e| self.writer.failed("rename", e))?;
        self.writer.is_there = false;
        Ok(())
    }
}

/// Reads a hint block by block.
#[derive(Debug)]
pub(crate) struct HintReader {
    file: Arc<dyn VfsFile>,
    header: HintHeader,
    /// Where the next block begins in the hint file.
    at: u64,
    number: u64,
    /// Up to where in the data file the blocks read so far speak.
    end: u64,
    buf: Vec<u8>,
}

impl HintReader {
    /// Opens the hint of a data file. `Ok(None)` if there is none; an error says why it can't be used.
    pub(crate) fn open(vfs: &dyn Vfs, dir: &Path, data: &DataFile) -> Result<Option<HintReader>, String> {
        let path = Self::path_of(dir, data.id());
        let file = match vfs.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        let mut start = [0; HINT_HEADER_LEN];
        let got = read_full_at(file.as_ref(), &mut start, 0).map_err(|e| e.to_string())?;
        let header = HintHeader::decode(&start[..got]).map_err(|e| e.to_string())?;
        if header.data != *data.header() {
            return Err("it belongs to another data file".into());
        }
        let len = data.end();
        if header.covered > len || (header.sealed && header.covered != len) || header.covered < DATA_START {
            return Err(format!("it covers {} bytes, the data file has {len}", header.covered));
        }
        Ok(Some(HintReader { file, header, at: HINT_HEADER_LEN as u64, number: 0, end: DATA_START, buf: Vec::new() }))
    }

    pub(crate) fn path_of(dir: &Path, id: FileId) -> PathBuf {
        dir.join(names::hint(id))
    }

    pub(crate) fn header(&self) -> &HintHeader {
        &self.header
    }

    /// Up to where in the data file the blocks read so far speak.
    pub(crate) fn reached(&self) -> u64 {
        self.end
    }

    /// Passes over all blocks unread, so that what follows can be collected behind them.
    pub(crate) fn skip(&mut self) -> Result<(), String> {
        self.at = self.file.len().map_err(|e| e.to_string())?;
        self.number = self.header.blocks;
        self.end = self.header.covered;
        Ok(())
    }

    /// The next block, checked in full; `None` after the last.
    pub(crate) fn next_block(&mut self) -> Result<Option<HintBlock<'_>>, String> {
        if self.number == self.header.blocks {
            self.end = self.header.covered;
            return Ok(None);
        }
        self.buf.resize(BLOCK_HEADER_LEN, 0);
        self.read(BLOCK_HEADER_LEN)?;
        let len = block_len(&self.buf).map_err(|e| e.to_string())?;
        self.buf.resize(len, 0);
        self.read(len)?;
        let block = HintBlock::decode(&self.buf, &self.header, self.number).map_err(|e| e.to_string())?;
        self.end = block.check(self.end).map_err(|e| e.to_string())?;
        self.at += len as u64;
        self.number += 1;
        Ok(Some(block))
    }

    fn read(&mut self, len: usize) -> Result<(), String> {
        let got = read_full_at(self.file.as_ref(), &mut self.buf, self.at).map_err(|e| e.to_string())?;
        if got < len { Err("it is cut off".into()) } else { Ok(()) }
    }
}
