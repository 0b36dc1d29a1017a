//! How bytes get into the active file, and the space that is reserved for them ahead.
//!
//! Copying into a window and writing by a call put them into the page cache alike (DURABILITY). A window lies over reserved space
//! that is in the file, and is gone before that is cut off. Whether reserved space is filled before its turn: `ahead`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;
use crate::vfs::{Window, write_all_at};

use super::LogWriter;

/// Space is reserved in steps of at most this.
const ALLOCATION_STEP: u64 = 4 << 20;
/// Longer writes are made by a call even where there is a window: it moves whole pages without a fault for each.
const LONGEST_COPY: usize = 64 << 10;

impl LogWriter {
    /// Writes at the end, reserving space ahead. Does not move the end.
    ///
    /// To the page cache, by copy or by call: which of the two makes no difference to what survives what.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let need = self.end.saturating_add(bytes.len() as u64);
        if need > self.allocated {
            self.reserve(need);
        }
        if bytes.len() <= LONGEST_COPY && self.window.as_mut().is_some_and(|window| window.write(self.end, bytes)) {
            return Ok(());
        }
        write_all_at(self.active.file().as_ref(), bytes, self.end)
            .map_err(|e| self.active.io_error("write", self.end, e))
    }

    /// Reserves space for the file up to `need` and some more. Only saves the file system work later, so it may fail.
    fn reserve(&mut self, need: u64) {
        let step = (self.config.max_file_size / 16).clamp(4096, ALLOCATION_STEP);
        let to = need.saturating_add(step).min(self.config.max_file_size).max(need);
        match self.active.file().allocate(self.end, to - self.end) {
            Ok(()) => {
                self.allocated = to;
                if self.config.copies {
                    self.set_window(self.active.file().window(self.end, to - self.end).ok());
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Unsupported => self.allocated = u64::MAX,
            Err(_) => {}
        }
    }

    pub(super) fn set_window(&mut self, window: Option<Box<dyn Window>>) {
        self.is_copying.store(window.is_some(), Ordering::Relaxed);
        self.window = window;
    }

    /// Whether appends are copied into mapped space at the moment, for who doesn't hold the writer.
    pub(crate) fn is_copying(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_copying)
    }

    /// Gives reserved space back.
    pub(super) fn trim(&mut self) -> Result<()> {
        self.set_window(None);
        let long = self.active.file().len().map_err(|e| self.active.io_error("stat", self.end, e))? > self.end;
        if long {
            self.active.file().set_len(self.end).map_err(|e| self.active.io_error("truncate", self.end, e))?;
        }
        if self.allocated != u64::MAX {
            self.allocated = self.end;
        }
        Ok(())
    }
}
