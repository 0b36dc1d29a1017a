//! The table of data files, by id.
//!
//! Read by every get and changed once a file: a reader takes the present table without waiting and without writing to memory that
//! other readers write to (arc-swap: a slot of the thread's own says what it is reading), a change replaces the table.
//!
//! A file that a merge has taken away is retired first if a snapshot may still name it: it is found by its id, and counts for nothing else.

use std::sync::Arc;

use crate::log::DataFile;
use crate::types::{FileId, Location};
use crate::util::lock::Mutex;
use arc_swap::{ArcSwap, Guard};

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Files {
    table: ArcSwap<Table>,
    /// Held by who changes the table.
    change: Mutex<()>,
}

/// The files at one moment.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By ascending id.
    sorted: Vec<Arc<DataFile>>,
    /// The ids alone, so that looking for one touches no file.
    ids: Vec<FileId>,
    /// Files that only snapshots name.
    retired: Vec<Arc<DataFile>>,
}

/// A table that stays as it is while this lives. For the length of a call: a thread has few slots.
pub(crate) type TableGuard = Guard<Arc<Table>>;

impl Files {
    /// The present table.
    pub(crate) fn load(&self) -> TableGuard {
        self.table.load()
    }

    pub(crate) fn add(&self, new: impl IntoIterator<Item = Arc<DataFile>>) {
        let _change = self.change.lock();
        let mut sorted = self.table.load().sorted.clone();
        sorted.extend(new);
        sorted.sort_by_key(|file| file.id());
        let retired = self.table.load().retired.clone();
        self.set(sorted, retired);
    }

    /// Takes files out of the table that the index names no more, but for who asks for one by its id.
    pub(crate) fn retire(&self, gone: &[FileId]) {
        let _change = self.change.lock();
        let table = self.table.load();
        let is_gone = |file: &&Arc<DataFile>| gone.contains(&file.id());
        let sorted = table.sorted.iter().filter(|file| !is_gone(file)).cloned().collect();
        let retired = table.retired.iter().chain(table.sorted.iter().filter(is_gone)).cloned().collect();
        self.set(sorted, retired);
    }

    /// Lets go of retired files. Who has a table, or a value of theirs, can still read them.
    pub(crate) fn let_go(&self, gone: &[FileId]) {
        let _change = self.change.lock();
        let table = self.table.load();
        let retired = table.retired.iter().filter(|file| !gone.contains(&file.id())).cloned().collect();
        self.set(table.sorted.clone(), retired);
    }

    fn set(&self, sorted: Vec<Arc<DataFile>>, retired: Vec<Arc<DataFile>>) {
        let ids = sorted.iter().map(|file| file.id()).collect();
        self.table.store(Arc::new(Table { sorted, ids, retired }));
    }
}

impl Table {
    pub(crate) fn get(&self, id: FileId) -> Option<&Arc<DataFile>> {
        // Ids without gaps, as before the first merge, say the position.
        let first = self.ids.first()?.0;
        let guess = usize::try_from(id.0.wrapping_sub(first)).unwrap_or(usize::MAX);
        let at = if self.ids.get(guess) == Some(&id) { Ok(guess) } else { self.ids.binary_search(&id) };
        match at {
            Ok(at) => self.sorted.get(at),
            Err(_) => self.retired.iter().find(|file| file.id() == id),
        }
    }

    /// All of them that are not retired, by ascending id.
    pub(crate) fn all(&self) -> &[Arc<DataFile>] {
        &self.sorted
    }

    /// Asks for the record at a location before it is read.
    pub(crate) fn ask_for(&self, location: Location) {
        if let Some(file) = self.get(location.file()) {
            let _ = file.ask_for(location);
        }
    }

    /// Number of files, how many of them are mapped, and their bytes.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        let mapped = self.sorted.iter().filter(|file| file.is_mapped()).count();
        (self.sorted.len() as u64, mapped as u64, self.sorted.iter().map(|file| file.end()).sum())
    }
}
