//! How bytes get into the active file, and the space that is reserved for them ahead.
//!
//! Copying into a window and writing by a call put them into the page cache alike (DURABILITY). A window lies over reserved space
//! that is in the file, and is not used any more when that is cut off. Whether reserved space is filled before its turn: `ahead`. Who reserves it where
//! there are threads for that: `reserve`.
//!
//! Each write makes one comparison, with `Marks::next`; what lies behind it is looked at when the log gets there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;
use crate::format::header::DATA_START;
use crate::vfs::{Window, write_all_at};

use super::LogWriter;
use super::reserve::Ask;

/// Space is reserved in steps of at most this.
const ALLOCATION_STEP: u64 = 4 << 20;
/// Longer writes are made by a call even where there is a window: it moves whole pages without a fault for each.
const LONGEST_COPY: usize = 64 << 10;
/// Pages of the window are fetched so far ahead at most, when half of them are used. A sync in between writes those that nobody copied to as zeros, and has
/// the kernel fault each in once more: so they are to be few.
const PAGES_AHEAD: u64 = 256 << 10;
/// The first so many of a window are the writer's own.
const PAGES_BEFORE: u64 = 64 << 10;

/// Offsets of the active file behind which a write has something to look at; `u64::MAX` for none.
#[derive(Debug)]
pub(super) struct Marks {
    /// The least of those below.
    next: u64,
    /// Where more space is to be asked for, or taken: at most `allocated`.
    pub(super) space: u64,
    /// Where more of the window is to be fetched.
    pages: u64,
    /// Where the next file is to be made, if that was not done yet.
    file: u64,
}

impl Marks {
    /// For a log that ends at `end`; `file` is where the next file is to be made.
    pub(super) fn new(end: u64, file: u64) -> Marks {
        Marks { next: end, space: end, pages: u64::MAX, file }
    }

    fn find_next(&mut self) {
        self.next = self.space.min(self.pages).min(self.file);
    }
}

impl LogWriter {
    /// Writes at the end, reserving space ahead. Does not move the end.
    ///
    /// To the page cache, by copy or by call: which of the two makes no difference to what survives what.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let need = self.end.saturating_add(bytes.len() as u64);
        if need > self.marks.next {
            self.look_ahead(need, bytes.len());
        }
        if bytes.len() <= LONGEST_COPY && self.window.as_mut().is_some_and(|window| window.write(self.end, bytes)) {
            return Ok(());
        }
        write_all_at(self.active.file().as_ref(), bytes, self.end)
            .map_err(|e| self.active.io_error("write", self.end, e))
    }

    /// Before a write of `len` bytes that ends at `need`, behind a mark.
    #[cold]
    fn look_ahead(&mut self, need: u64, len: usize) {
        if need > self.marks.file {
            self.marks.file = u64::MAX;
            self.prepare_next(true);
        }
        if need > self.marks.space {
            self.look_at_space(need);
        }
        if need > self.marks.pages {
            self.look_at_pages(need, len);
        }
        self.marks.find_next();
    }

    /// Takes space where there is none left, and has some reserved where half of it is used.
    fn look_at_space(&mut self, need: u64) {
        if need <= self.allocated {
            self.marks.space = self.allocated;
            self.ask();
            return;
        }
        match self.reserve.take() {
            Some(reserved) if reserved.to >= need => {
                self.set_allocated(reserved.to);
                self.set_window(reserved.window);
            }
            too_little => {
                self.let_go(too_little.and_then(|reserved| reserved.window));
                self.reserve_here(need);
            }
        }
    }

    /// Has pages of the window fetched.
    fn look_at_pages(&mut self, need: u64, len: usize) {
        if len > LONGEST_COPY {
            // It does not go there.
            self.marks.pages = need;
            return;
        }
        self.marks.pages = u64::MAX;
        let (Some(window), Some(beside)) = (&self.window, &self.config.beside) else { return };
        let Some(pages) = window.pages() else { return };
        // Nothing of it is a hole: space is reserved up to there.
        let to = need.saturating_add(PAGES_AHEAD).min(self.allocated);
        if to < self.allocated {
            self.marks.pages = need + PAGES_AHEAD / 2;
        }
        self.reserve.ask_for_pages(pages, to);
        let reserve = Arc::clone(&self.reserve);
        beside.quick.give(move || reserve.fetch());
    }

    pub(super) fn step(&self) -> u64 {
        (self.config.max_file_size / 16).clamp(4096, ALLOCATION_STEP)
    }

    /// Has the next space reserved.
    fn ask(&mut self) {
        let to = self.allocated.saturating_add(self.step()).min(self.config.max_file_size);
        let Some(beside) = self.config.beside.as_ref().filter(|_| to > self.allocated) else { return };
        // A record that begins in the space before has its place in one window.
        let window_from = self.allocated.saturating_sub(LONGEST_COPY as u64).max(DATA_START);
        let file = Arc::clone(&self.active);
        let window_from = self.config.copies.then_some(window_from);
        self.reserve.ask(Ask { file, from: self.allocated, to, window_from });
        let reserve = Arc::clone(&self.reserve);
        beside.quick.give(move || reserve.run());
    }

    /// Space of the active file is reserved up to `to`.
    pub(super) fn set_allocated(&mut self, to: u64) {
        self.allocated = to;
        let asks = self.config.beside.is_some() && to < self.config.max_file_size;
        self.marks.space = if asks { to.saturating_sub(self.step() / 2).max(self.end) } else { to };
        self.marks.find_next();
    }

    /// Reserves space for the file up to `need` and some more. Only saves the file system work later, so it may fail.
    fn reserve_here(&mut self, need: u64) {
        let to = need.saturating_add(self.step()).min(self.config.max_file_size).max(need);
        match self.active.file().allocate(self.end, to - self.end) {
            Ok(()) => {
                self.set_allocated(to);
                if self.config.copies {
                    self.set_window(self.active.file().window(self.end, to - self.end).ok());
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Unsupported => self.set_allocated(u64::MAX),
            Err(_) => {}
        }
    }

    pub(super) fn set_window(&mut self, window: Option<Box<dyn Window>>) {
        self.is_copying.store(window.is_some(), Ordering::Relaxed);
        let has_pages = self.config.beside.is_some() && window.as_ref().is_some_and(|window| window.pages().is_some());
        // Who writes little does so without a thread.
        self.marks.pages = if has_pages { self.end.saturating_add(PAGES_BEFORE) } else { u64::MAX };
        self.marks.find_next();
        let old = std::mem::replace(&mut self.window, window);
        self.let_go(old);
    }

    /// A window that is not used any more. To take it out of the process takes longer than to write into it; but it goes now, for it would keep the space of a
    /// file that is removed.
    pub(super) fn let_go(&self, window: Option<Box<dyn Window>>) {
        if let (Some(window), Some(beside)) = (window, &self.config.beside) {
            beside.quick.give(move || drop(window));
        }
    }

    /// The thread touches the active file no more, before it is cut, and nothing is written through a window.
    pub(super) fn call_off(&mut self) {
        let reserved = self.reserve.call_off();
        self.let_go(reserved.and_then(|reserved| reserved.window));
        self.set_window(None);
    }

    /// Whether appends are copied into mapped space at the moment, for who doesn't hold the writer.
    pub(crate) fn is_copying(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_copying)
    }

    /// Gives reserved space back.
    pub(super) fn trim(&mut self) -> Result<()> {
        self.call_off();
        self.active.give_back()?;
        if self.allocated != u64::MAX {
            self.set_allocated(self.end);
        }
        Ok(())
    }
}
