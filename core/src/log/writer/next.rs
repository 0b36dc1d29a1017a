//! The next file of the log, made before it is needed: under a temporary name, with its headers on stable storage and its first space reserved.
//!
//! All that rotation has to do then is to write the headers once more, with the number of the last commit, which nobody knew before, and to
//! rename the file. Of the headers either version may be on the disk after a loss of power, for they lie in one sector: both are those of
//! this file, the older one says of fewer commits that they were complete.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, DataHeader, FileKind};
use crate::log::data_file::NewFile;
use crate::util::lock::{Condvar, Mutex, MutexGuard};
use crate::vfs::{OpenMode, Vfs, VfsFile, Window, write_all_at};

use super::LogWriter;

/// A file that is to be the log's next.
#[derive(Debug)]
pub(super) struct Next {
    vfs: Arc<dyn Vfs>,
    pub(super) temp: PathBuf,
    pub(super) file: Arc<dyn VfsFile>,
    pub(super) header: DataHeader,
    /// Space is reserved up to this.
    pub(super) allocated: u64,
    pub(super) window: Option<Box<dyn Window>>,
    /// The name is there.
    is_temporary: bool,
    generation: u64,
}

/// Where it is while nobody needs it.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Empty,
    /// A thread has it.
    Making,
    Ready(Next),
    /// It could not be made: rotation finds out why. Tried again for the next file.
    Failed,
}

/// Shared with the thread.
///
/// Locking: its own lock is taken for moments, but by who needs the file while a thread has it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl Slot {
    /// Runs what gives the file that is being made.
    fn make(&self, work: impl FnOnce() -> Result<Next>) {
        let mut made = Made { slot: self, next: None };
        made.next = work().ok();
    }

    /// The stage, when no thread has what belongs there.
    fn settled(&self) -> MutexGuard<'_, Stage> {
        let mut stage = self.stage.lock();
        while matches!(*stage, Stage::Making) {
            stage = self.changed.wait(stage);
        }
        stage
    }

    /// Removes what is there. REQUIRES: nobody makes another.
    pub(super) fn clear(&self) {
        *self.settled() = Stage::Empty;
    }
}

/// Says that it is over, also by a panic.
struct Made<'a> {
    slot: &'a Slot,
    next: Option<Next>,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        *self.slot.stage.lock() = self.next.take().map_or(Stage::Failed, Stage::Ready);
        self.slot.changed.notify_all();
    }
}

impl LogWriter {
    /// Has the next file made, if it `is_due`, or its number changed, if others were given out.
    pub(super) fn prepare_next(&mut self, is_due: bool) {
        let Some(beside) = self.config.beside.clone() else { return };
        let Ok(id) = self.next_id() else { return };
        let mut stage = self.next.stage.lock();
        match std::mem::take(&mut *stage) {
            Stage::Empty if is_due => {
                *stage = Stage::Making;
                drop(stage);
                let (_, temp) = self.temp_name();
                let (step, copies) = (self.step().min(self.config.max_file_size), self.config.copies);
                // The writer goes on in it before all earlier is synced, and knows the last commit's number only then.
                let (kind, store_id) = (FileKind::Log, self.config.store_id);
                let new = NewFile { id, kind, store_id, base_seq: self.last_seq, earlier_synced: false };
                let (vfs, slot) = (Arc::clone(&self.config.vfs), Arc::clone(&self.next));
                beside.ahead(move || {
                    slot.make(|| Next::make(vfs, temp, new, DATA_START + step, copies));
                });
            }
            Stage::Ready(mut next) if next.header.file_id != id => {
                *stage = Stage::Making;
                drop(stage);
                let slot = Arc::clone(&self.next);
                beside.ahead(move || {
                    next.header.file_id = id;
                    slot.make(|| next.write_header().map(|()| next));
                });
            }
            other => *stage = other,
        }
    }

    /// The next file, if one was made. Where a thread has it, to wait takes less time than to make another: that would have to wait for the same syncs, and
    /// for that of the file that is full.
    pub(super) fn take_next(&mut self) -> Option<Next> {
        let id = self.next_id().ok()?;
        drop(self.next.settled());
        self.prepare_next(false);
        let mut stage = self.next.settled();
        match std::mem::take(&mut *stage) {
            Stage::Ready(next) if next.header.file_id == id => Some(next),
            Stage::Failed => None,
            other => {
                *stage = other;
                None
            }
        }
    }
}

impl Next {
    fn make(vfs: Arc<dyn Vfs>, temp: PathBuf, new: NewFile, to: u64, copies: bool) -> Result<Next> {
        let header = new.header(vfs.as_ref(), &temp)?;
        let file = vfs.open(&temp, OpenMode::CreateNew).map_err(|e| Error::io("create", &temp, None, e))?;
        let generation = vfs.process_generation();
        let mut next =
            Next { vfs, temp, file, header, allocated: DATA_START, window: None, is_temporary: true, generation };
        next.write_header()?;
        // Behind the headers: a file of zeros has lost them. Without space or window the writer finds out why.
        if next.file.allocate(DATA_START, to - DATA_START).is_ok() {
            next.allocated = to;
            if copies {
                next.window = next.file.window(DATA_START, to - DATA_START).ok();
            }
        }
        Ok(next)
    }

    /// Brings the headers to stable storage.
    fn write_header(&mut self) -> Result<()> {
        self.put_header()?;
        self.file.sync_data().map_err(|e| Error::io("sync", &self.temp, None, e))
    }

    /// Writes the headers.
    pub(super) fn put_header(&mut self) -> Result<()> {
        write_all_at(self.file.as_ref(), &self.header.encode_pair(), 0)
            .map_err(|e| Error::io("write", &self.temp, Some(0), e))
    }

    /// Gives it its name. After an error it is under one of the two, or under both.
    pub(super) fn rename(&mut self, path: &Path) -> Result<()> {
        self.vfs.rename(&self.temp, path).map_err(|e| Error::io("rename", &self.temp, None, e))?;
        self.is_temporary = false;
        Ok(())
    }

    /// Takes the name away again.
    pub(super) fn rename_back(&mut self, path: &Path) -> Result<()> {
        self.vfs.rename(path, &self.temp).map_err(|e| Error::io("rename", path, None, e))?;
        self.is_temporary = true;
        Ok(())
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        if self.is_temporary && self.vfs.process_generation() == self.generation {
            // Open removes it otherwise.
            let _ = self.vfs.remove(&self.temp);
        }
    }
}
