//! Hint files: written while the data file grows, read at open. Advisory in both directions: a failure to write one
//! is remembered and means that there is none; a hint that can't be read is passed over with a reason.

use std::collections::VecDeque;
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

use super::beside::Beside;
use super::data_file::DataFile;
use crate::util::lock::Mutex;

/// Blocks are written when so many bytes of them have come together.
const FLUSH_LEN: usize = 1 << 20;
/// So many such parts may wait for the thread that is to write them. It waits for no sync, and of the log there is more to write than of its hint: where it does not
/// keep up the system has writers wait, and the log's writer may as well wait for this.
const MOST_QUEUED: usize = 4;

/// Smallest and largest timestamp of the records covered.
type Times = (Timestamp, Timestamp);

/// Collects the hint of one data file.
///
/// What it writes is written by another thread where there is one ([`HintWriter::beside`]), whoever finishes it.
#[derive(Debug)]
pub(crate) struct HintWriter {
    builder: HintBlockBuilder,
    /// Finished blocks that nobody was given to write yet.
    blocks: Vec<u8>,
    file: Arc<HintFile>,
    broken: bool,
    beside: Option<Arc<Beside>>,
}

/// The file that it becomes, and finished blocks that are to be written to it next.
///
/// Locking: `queue` is taken for moments, also under `out`, which is held while something is written.
#[derive(Debug)]
struct HintFile {
    out: Mutex<Out>,
    queue: Mutex<VecDeque<Vec<u8>>>,
}

#[derive(Debug)]
struct Out {
    vfs: Arc<dyn Vfs>,
    temp: PathBuf,
    path: PathBuf,
    file: Option<Arc<dyn VfsFile>>,
    /// The temporary file is there, and is to be removed when this is dropped.
    is_there: bool,
    /// Where in the file the next block goes.
    end: u64,
    /// Where the blocks end of an older hint of the same file, which come first; 0 if there is none. They are copied when all others are there: they may
    /// be many, and neither an opening nor a write in between is to wait for them.
    older: u64,
    /// A write failed, or nobody wants it any more.
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
        let writer = Self::with_name(vfs, dir, number, HintBlockBuilder::new(header), (HINT_HEADER_LEN as u64, 0));
        writer.file.out.lock().path.clear();
        writer
    }

    /// The data file has got its name and this header.
    pub(super) fn rebind(&mut self, dir: &Path, header: &DataHeader) {
        self.builder.rebind(header);
        self.file.out.lock().path = dir.join(names::hint(header.file_id));
    }

    /// Goes on where a hint that was read to its end stopped.
    pub(crate) fn resume(vfs: &Arc<dyn Vfs>, dir: &Path, file: &DataFile, read: &HintReader) -> HintWriter {
        let builder = HintBlockBuilder::resume(&read.header, read.end);
        Self::with(vfs, dir, file, builder, (read.at, read.at))
    }

    /// From here on a thread writes, if there is one.
    pub(super) fn beside(mut self, beside: Option<&Arc<Beside>>) -> HintWriter {
        self.beside = beside.cloned();
        self
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
        let out = Out {
            vfs: Arc::clone(vfs),
            temp: dir.join(names::temp(&name)),
            path: dir.join(name),
            file: None,
            is_there: false,
            end,
            older,
            broken: false,
            generation: vfs.process_generation(),
        };
        let file = HintFile { out: Mutex::new(out), queue: Mutex::default() };
        HintWriter { builder, blocks: Vec::new(), file: Arc::new(file), broken: false, beside: None }
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
                self.flush();
            }
        }
    }

    /// Has the finished blocks written.
    fn flush(&mut self) {
        match &self.beside {
            Some(beside) => {
                let file = Arc::clone(&self.file);
                if file.add(std::mem::take(&mut self.blocks)) < MOST_QUEUED {
                    beside.quick.give(move || file.write_queued());
                } else {
                    file.write_queued();
                }
            }
            None => {
                let mut out = self.file.out.lock();
                out.write(&self.blocks, true);
                self.blocks.clear();
                self.broken |= out.broken;
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
        self.blocks.append(&mut self.builder.finish());
        self.file.write_queued();
        let mut out = self.file.out.lock();
        if self.broken || out.broken {
            let what = format!("{}: the hint was given up", out.path.display());
            return Err(Error::Unsupported { what });
        }
        let header = self.builder.header(covered, max_seq, sealed, times).encode();
        let file = out.finish(&self.blocks, &header)?;
        drop(out);
        self.blocks = Vec::new();
        Ok(WrittenHint { writer: self, file })
    }

    /// Removes what was written so far.
    pub(crate) fn discard(self) {}

    /// Bytes that wait for a thread.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.file.queue.lock().iter().map(Vec::len).sum()
    }

    /// Leaves what was written so far where it is.
    pub(super) fn leave(self) {
        let mut out = self.file.out.lock();
        (out.file, out.is_there) = (None, false);
    }
}

impl Drop for HintWriter {
    fn drop(&mut self) {
        // Here and now, for its name may be used again.
        self.file.out.lock().give_up();
    }
}

impl HintFile {
    /// Adds blocks to what is to be written; says in how many parts that is.
    fn add(&self, blocks: Vec<u8>) -> usize {
        let mut queue = self.queue.lock();
        queue.push_back(blocks);
        queue.len()
    }

    /// Writes what is to be written, in its order, whoever else does.
    fn write_queued(&self) {
        let mut out = self.out.lock();
        loop {
            let Some(blocks) = self.queue.lock().pop_front() else { return };
            // The disk is left to syncs and to the log: nobody waits for this one.
            out.write(&blocks, false);
        }
    }
}

impl Out {
    /// Writes blocks behind those that are there, or gives up. Has the disk begin with them, if whoever finishes the hint is waited for.
    fn write(&mut self, blocks: &[u8], starts: bool) {
        if self.broken {
            return;
        }
        let end = self.end;
        match self.put(blocks) {
            Ok(file) if starts => file.start_writing(end, blocks.len() as u64),
            Ok(_) => {}
            Err(_) => self.broken = true,
        }
    }

    fn put(&mut self, blocks: &[u8]) -> Result<Arc<dyn VfsFile>> {
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
        let len = blocks.len() as u64;
        write_all_at(file.as_ref(), blocks, self.end).map_err(|e| failed("write", e))?;
        self.end += len;
        Ok(file)
    }

    fn finish(&mut self, blocks: &[u8], header: &[u8]) -> Result<Arc<dyn VfsFile>> {
        let at = self.end;
        let file = self.put(blocks)?;
        file.start_writing(at, blocks.len() as u64);
        self.copy_older(file.as_ref())?;
        write_all_at(file.as_ref(), header, 0).map_err(|e| self.failed("write", e))?;
        Ok(file)
    }

    fn failed(&self, op: &'static str, e: std::io::Error) -> Error {
        Error::io(op, &self.temp, None, e)
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

    /// Removes what was written so far; nothing more is.
    fn give_up(&mut self) {
        self.broken = true;
        self.file = None;
        if std::mem::take(&mut self.is_there) && self.vfs.process_generation() == self.generation {
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
        self.file.sync_data().map_err(|e| self.writer.file.out.lock().failed("sync", e))?;
        self.writer.file.out.lock().file = None;
        Ok(SyncedHint { writer: self.writer })
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
    pub(super) fn publish(self) -> Result<()> {
        let mut out = self.writer.file.out.lock();
        out.vfs.rename(&out.temp, &out.path).map_err(|e| out.failed("rename", e))?;
        out.is_there = false;
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
