//! The output of a merge: a data file of kind merged, made under a temporary name.
//!
//! Knows the format and no keys' meaning: records are handed in with what their headers said, and get a place, checksums for it and
//! an entry in the hint. Nothing of it counts before [`Finished::publish`], which is called when its bytes are on stable storage; dropped
//! before that, it leaves nothing behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, FileKind};
use crate::format::hint::HintEntry;
use crate::format::names;
use crate::format::payload::Seal;
use crate::format::record::{Body, RecordFields, RecordHeader, RecordKind, encode_header};
use crate::types::{FileId, Location, SeqNo, Timestamp};
use crate::vfs::{OpenMode, Vfs, write_all_at};

use super::data_file::{DataFile, NewFile, Unusable};
use super::encoded::{Place, marker};
use super::hint_file::{HintReader, HintWriter, SyncedHint, WrittenHint};

/// Records are written when so many bytes of them have come together: few enough to stay in a processor's cache till then.
const BUFFER: usize = 256 << 10;
/// The disk is asked to begin when so many bytes are written.
const BEGUN: u64 = 8 << 20;

/// Where outputs go.
#[derive(Clone, Debug)]
pub(crate) struct OutputConfig {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) dir: PathBuf,
    pub(crate) store_id: u64,
    pub(crate) max_file_size: u64,
    /// All commits up to this one are on stable storage, and every put that is copied was the newest record of its key behind them.
    pub(crate) base_seq: SeqNo,
    /// Whether files are read through a mapping.
    pub(crate) maps: bool,
}

/// An output in the making.
#[derive(Debug)]
pub(crate) struct Output {
    config: OutputConfig,
    file: DataFile,
    hint: HintWriter,
    temp: Temp,
    buf: Vec<u8>,
    /// Up to where the disk was asked to begin.
    begun: u64,
    /// Where the next record goes.
    end: u64,
    seal: Seal,
}

/// Removes the file of this name unless it is taken away in time.
#[derive(Debug)]
struct Temp {
    vfs: Arc<dyn Vfs>,
    generation: u64,
    path: Option<PathBuf>,
}

impl Temp {
    /// In a forked child the file is the parent's.
    fn is_foreign(&self) -> bool {
        self.vfs.process_generation() != self.generation
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if let Some(path) = self.path.as_ref().filter(|_| !self.is_foreign()) {
            // Open removes it otherwise.
            let _ = self.vfs.remove(path);
        }
    }
}

impl Output {
    /// REQUIRES: the id is used for nothing else, and greater than those of all files that records are copied from.
    pub(crate) fn create(config: OutputConfig, id: FileId) -> Result<Output> {
        let path = config.dir.join(names::temp(&names::data(id)));
        // Left behind by a merge whose cleaning up failed.
        let _ = config.vfs.remove(&path);
        let (store_id, base_seq) = (config.store_id, config.base_seq);
        let new = NewFile { id, kind: FileKind::Merged, store_id, base_seq, earlier_synced: false };
        let file = DataFile::create_at(config.vfs.as_ref(), path.clone(), new, 0)?;
        Ok(Output {
            hint: HintWriter::new(&config.vfs, &config.dir, &file),
            temp: Temp { vfs: Arc::clone(&config.vfs), generation: config.vfs.process_generation(), path: Some(path) },
            config,
            file,
            buf: Vec::with_capacity(BUFFER),
            begun: 0,
            end: DATA_START,
            seal: Seal::default(),
        })
    }

    /// Whether a record of this length may still go into this file. The first may always.
    pub(crate) fn has_room(&self, len: u64) -> bool {
        self.end == DATA_START || self.end + len <= self.config.max_file_size.min(Location::OFFSET_LIMIT)
    }

    pub(crate) fn id(&self) -> FileId {
        self.file.id()
    }

    /// Where the next record goes.
    pub(crate) fn len(&self) -> u64 {
        self.end
    }

    /// Appends a copy of a put or delete: what its header says, and its key, value and padding, which `body` sums up.
    pub(crate) fn push(&mut self, header: &RecordHeader, body: &Body, content: &[u8]) -> Result<()> {
        let kind = if header.kind.is_put() { RecordKind::Put } else { RecordKind::Delete };
        let (seq, timestamp, expiry) = (header.seq, header.timestamp, header.expiry);
        let fields = RecordFields { kind, seq, timestamp, expiry, synced: false };
        self.begin(&fields, body, content.get(..usize::from(body.key_len)).unwrap_or_default());
        if content.len() >= BUFFER {
            self.flush()?;
            self.write(content, self.written())?;
        } else {
            self.buf.extend_from_slice(content);
        }
        if self.buf.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Appends a delete whose record is not at hand.
    pub(crate) fn push_delete(&mut self, key: &[u8], seq: SeqNo, timestamp: Timestamp) -> Result<()> {
        let Some(body) = Body::new(key, &[]) else { return Ok(()) };
        let fields = RecordFields { kind: RecordKind::Delete, seq, timestamp, expiry: None, synced: false };
        self.begin(&fields, &body, key);
        for part in [key, body.padding()] {
            self.buf.extend_from_slice(part);
        }
        if self.buf.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Appends a record's header, and counts the whole record.
    fn begin(&mut self, fields: &RecordFields, body: &Body, key: &[u8]) {
        let &RecordFields { kind, seq, timestamp, expiry, .. } = fields;
        let offset = self.end;
        self.buf.extend_from_slice(encode_header(fields, body, self.file.placer(), offset).as_slice());
        self.hint.push(&HintEntry { kind, offset, value_len: body.value_len, seq, expiry, key });
        self.seal.add(seq, timestamp);
        self.end = offset + body.record_len(expiry.is_some());
    }

    /// What is buffered stands before `end`, or before a large record that goes there next.
    fn flush(&mut self) -> Result<()> {
        self.write(&self.buf, self.written())?;
        self.buf.clear();
        let (begun, written) = (self.begun, self.written());
        if written - begun >= BEGUN {
            // Else it would have nothing to do till the end, and the end would wait for all of it.
            self.file.file().start_writing(begun, written - begun);
            self.begun = written;
        }
        Ok(())
    }

    /// How far the file is written.
    fn written(&self) -> u64 {
        self.file.end()
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        write_all_at(self.file.file().as_ref(), bytes, offset).map_err(|e| self.file.io_error("write", offset, e))?;
        self.file.set_end(offset + bytes.len() as u64);
        Ok(())
    }

    /// Seals it, writes its hint, and has the disk begin with what it was not asked for yet.
    pub(crate) fn seal(mut self) -> Result<Sealed> {
        let seal = Seal { length: self.end, ..self.seal };
        let (offset, seq, timestamp) = (self.end, seal.max_seq, self.config.vfs.now());
        let place = Place { file: &self.file, offset, seq, timestamp, synced: false };
        marker(&mut self.buf, RecordKind::Seal, &seal.encode(), &place);
        self.flush()?;
        let (begun, end) = (self.begun, self.written());
        self.file.file().start_writing(begun, end - begun);
        let Output { file, hint, temp, config, .. } = self;
        // Advisory, and its errors with it.
        let hint = hint.write(end, seal.max_seq, true, (seal.min_time, seal.max_time)).ok();
        Ok(Sealed { config, file, hint, temp })
    }
}

/// A complete output that may not be on stable storage yet.
#[derive(Debug)]
pub(crate) struct Sealed {
    config: OutputConfig,
    file: DataFile,
    hint: Option<WrittenHint>,
    temp: Temp,
}

impl Sealed {
    /// Brings it to stable storage. Of several that were written one after the other the first waits for most of what the others would have to
    /// wait for: the disk is at work on all of them, and a file system has one journal for all. Its files are closed then.
    pub(crate) fn sync(self) -> Result<Finished> {
        // A failure concerns this file alone, of which nothing counts yet. It is not tried again: the file goes.
        self.file.file().sync_data().map_err(|e| Error::io("sync", self.file.path(), None, e))?;
        let Sealed { config, file, hint, temp } = self;
        let hint = hint.and_then(|hint| hint.sync().ok());
        Ok(Finished { config, id: file.id(), path: file.path().to_owned(), hint, temp })
    }
}

/// A complete output on stable storage, still under its temporary name, and not open.
#[derive(Debug)]
pub(crate) struct Finished {
    config: OutputConfig,
    id: FileId,
    path: PathBuf,
    hint: Option<SyncedHint>,
    temp: Temp,
}

impl Finished {
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Gives it its name, with its hint, and opens it. The directory is still to be synced.
    pub(crate) fn publish(mut self) -> Result<DataFile> {
        let Finished { config, id, path: unnamed, hint, temp } = &mut self;
        let (vfs, dir, id) = (config.vfs.as_ref(), &config.dir, *id);
        let path = DataFile::path_of(dir, id);
        vfs.rename(unnamed, &path).map_err(|e| Error::io("rename", unnamed, None, e))?;
        temp.path = None;
        if let Some(hint) = hint.take() {
            let _ = hint.publish();
        }
        match DataFile::open(vfs, dir, id, OpenMode::ReadWrite, u64::from(config.maps)) {
            Ok((file, None)) => Ok(file),
            outcome => {
                let what = match outcome {
                    Err(Unusable::Bad(error)) => error,
                    _ => Error::corrupted(&path, 0, "the header is not as it was written"),
                };
                remove(vfs, dir, id)?;
                Err(what)
            }
        }
    }
}

/// Removes a data file's name and that of its hint, which goes first: alone it would be an unfinished file's some day. The directory is to be synced.
pub(crate) fn remove(vfs: &dyn Vfs, dir: &Path, id: FileId) -> Result<()> {
    for path in [HintReader::path_of(dir, id), DataFile::path_of(dir, id)] {
        match vfs.remove(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", &path, None, e)),
            _ => {}
        }
    }
    Ok(())
}
