//! Reading many records, some of which memory is asked for ahead of the one that is read.
//!
//! What records of one file have in common (its mapping, what their checksums begin with, that the page holds it) is found out once and kept in
//! a *lane*, so that asking for a record and finding it are a few instructions on its location.

use crate::log::{DataFile, MappedRecords};
use crate::types::{FileId, Location};

use super::files::Table;
use super::page::EntryPage;

/// Records that are asked of memory ahead of the one that is read: as many as together have about as many cache lines as a
/// processor waits for at a time.
pub(super) const AHEAD: usize = 10;
/// Lanes, by the lowest bits of a file's id. Two files that share one take turns, which costs a look into the table.
const LANES: usize = 4;

/// Mapped files that records are read from, and which records were asked for, by their position among all that are read.
pub(super) struct Ahead<'a> {
    files: &'a Table,
    lanes: [Option<Lane<'a>>; LANES],
    /// Position of the next record to ask for.
    next: usize,
}

/// A mapped file.
#[derive(Clone, Copy)]
pub(super) struct Lane<'a> {
    id: FileId,
    file: &'a DataFile,
    pub(super) records: MappedRecords<'a>,
    /// Which of the page's lenders it is, once a record was lent.
    lender: Option<u32>,
}

impl Lane<'_> {
    /// Which of the page's lenders the file is.
    ///
    /// REQUIRES: all calls are about one page.
    #[inline(always)]
    pub(super) fn lender(&mut self, page: &mut EntryPage) -> Option<u32> {
        if self.lender.is_none() {
            self.lender = page.lender(self.file);
        }
        self.lender
    }
}

impl<'a> Ahead<'a> {
    /// Before the record at a position.
    pub(super) fn new(files: &'a Table, next: usize) -> Ahead<'a> {
        Ahead { files, lanes: [None; LANES], next }
    }

    /// Asks for the record at `i` and those behind it, as far as `end`.
    #[inline(always)]
    pub(super) fn ask(&mut self, i: usize, end: usize, location: impl Fn(usize) -> Option<Location>) {
        while self.next < end.min(i + AHEAD) {
            if let Some(location) = location(self.next)
                && let Some(lane) = self.lane(location.file())
            {
                lane.records.ask_for(location);
            }
            self.next += 1;
        }
    }

    /// The lane of a file; nothing if the table has no such file, or its records are read by calls.
    #[inline(always)]
    pub(super) fn lane(&mut self, id: FileId) -> Option<&mut Lane<'a>> {
        let lane = &mut self.lanes[id.0 as usize % LANES];
        if lane.as_ref().is_none_or(|lane| lane.id != id) {
            *lane = open(self.files, id);
        }
        lane.as_mut()
    }
}

#[cold]
fn open(files: &Table, id: FileId) -> Option<Lane<'_>> {
    let file = files.get(id)?;
    Some(Lane { id, file, records: file.mapped_records()?, lender: None })
}
