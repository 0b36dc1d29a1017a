//! Reading many records, some of which memory is asked for ahead of the one that is read.
//!
//! What is found out when a record is asked for (its file, where in the mapping it is) is kept until it is read.

use std::array;

use crate::log::{Asked, DataFile};
use crate::types::{FileId, Location};

use super::files::Table;

/// Records that are asked of memory ahead of the one that is read: as many as together have about as many cache lines as a
/// processor waits for at a time.
pub(super) const AHEAD: usize = 10;
/// Places of the ring: a power of two, more than there are records ahead.
const PLACES: usize = 16;

/// Records that were asked for, by their position among all that are read.
pub(super) struct Ahead<'a> {
    files: &'a Table,
    /// The file of the record before, which is most often the next one's.
    last: Option<(FileId, &'a DataFile)>,
    ring: [Option<(&'a DataFile, Asked<'a>)>; PLACES],
    /// Position of the next record to ask for.
    next: usize,
}

impl<'a> Ahead<'a> {
    /// Before the record at a position.
    pub(super) fn new(files: &'a Table, next: usize) -> Ahead<'a> {
        Ahead { files, last: None, ring: array::from_fn(|_| None), next }
    }

    /// Asks for those behind the record at `i` as far as `end`, and gives that at `i`: nothing if it lies in no mapping of a file that
    /// the table has.
    #[inline]
    pub(super) fn get(
        &mut self,
        i: usize,
        end: usize,
        location: impl Fn(usize) -> Option<Location>,
    ) -> Option<(&'a DataFile, Asked<'a>)> {
        while self.next < end.min(i + AHEAD) {
            self.ring[self.next % PLACES] = location(self.next).and_then(|location| self.ask_for(location));
            self.next += 1;
        }
        self.ring[i % PLACES]
    }

    #[inline]
    fn ask_for(&mut self, location: Location) -> Option<(&'a DataFile, Asked<'a>)> {
        let id = location.file();
        let file = match self.last {
            Some((last, file)) if last == id => file,
            _ => {
                let file: &DataFile = self.files.get(id)?;
                self.last = Some((id, file));
                file
            }
        };
        Some((file, file.ask_for(location)?))
    }
}

const _: () = assert!(PLACES > AHEAD, "a record must not be forgotten before it is read");
