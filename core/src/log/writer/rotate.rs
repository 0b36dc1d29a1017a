//! From one file of the log to the next: the seal of the one, the headers of the other.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::error::Result;
use crate::format::header::{DATA_START, FileKind};
use crate::format::payload::Seal;
use crate::format::record::RecordKind;
use crate::log::behind::Behind;
use crate::log::data_file::{DataFile, NewFile};
use crate::log::encoded::marker;
use crate::log::hint_file::HintWriter;
use crate::types::SeqNo;
use crate::util::lock::Mutex;

use super::next::Next;
use super::{LogWriter, NewFiles};

/// Sealed files that may not be on stable storage: a loss of power may take them all, and an opening after a kill writes them again. There are no more, because the
/// thread makes the next file behind the sync of the last but one: a writer that the disk does not keep up with waits for that.
const MOST_BEHIND: usize = 2;

impl LogWriter {
    /// Seals the active file and begins another, unless there is nothing in it.
    pub(crate) fn begin_file(&mut self, files: &mut NewFiles) -> Result<()> {
        self.check()?;
        if self.end == DATA_START { Ok(()) } else { self.rotate(self.last_seq, files) }
    }

    /// Closes the active file with a seal and begins another: that which was made ahead, waiting for the disk only until its name is there, or a new one.
    ///
    /// REQUIRES: `base_seq` is the number of the last complete commit.
    pub(super) fn rotate(&mut self, base_seq: SeqNo, files: &mut NewFiles) -> Result<()> {
        self.check()?;
        self.settle()?;
        if let Some(next) = self.take_next() {
            // What was waited for may be over now, or have failed.
            self.settle()?;
            return self.rotate_into(next, base_seq, files);
        }
        let (sealed, hint, seal) = (Arc::clone(&self.active), self.hint.take(), self.seal);
        match self.rotate_to(base_seq, files) {
            Ok(()) => {
                self.prepare_next(true);
                self.finish_hint(hint, &sealed, &seal);
                Ok(())
            }
            Err(error) => {
                self.hint = hint;
                Err(error)
            }
        }
    }

    /// Goes on in a file that was made ahead. The sealed one is brought to stable storage by a thread, or by whoever is to say of something behind
    /// it that it is there.
    fn rotate_into(&mut self, mut next: Next, base_seq: SeqNo, files: &mut NewFiles) -> Result<()> {
        // A number is not used twice.
        self.last_id = next.header.file_id;
        next.header.base_seq = base_seq;
        next.put_header()?;
        let unsealed = self.append_seal(base_seq)?;
        let path = DataFile::path_of(&self.config.dir, self.last_id);
        if let Err(error) = next.rename(&path) {
            let there = self.config.vfs.entry_kind(&path);
            if there.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
                return Err(self.cut_back(unsealed, error));
            }
            // Open finds an empty file behind a sealed one.
            return Err(self.stop(error));
        }
        // Before there are records in it: a name whose sync failed may be lost for good (assumption 4 of DURABILITY), and they with it.
        if let Err(error) = self.config.gate.sync_dir(self.config.vfs.as_ref(), &self.config.dir) {
            // Where the disk was not even asked nothing is lost. If the name stays all the same, open finds an empty file behind the end.
            let is_asked = self.config.gate.check().is_err();
            if !is_asked && next.rename_back(&path).is_ok() {
                return Err(self.cut_back(unsealed, error));
            }
            return Err(self.stop(error));
        }
        let file = DataFile::renamed(next.header, path, Arc::clone(&next.file), DATA_START, self.config.map_len);
        let (file, window, allocated) = (Arc::new(file), next.window.take(), next.allocated);
        let hint = self.new_hint(&file);
        let (hint, seal) = (self.hint.replace(hint), self.seal);
        let behind = Arc::new(Behind {
            gate: Arc::clone(&self.config.gate),
            sealed: Arc::clone(&self.active),
            next: Arc::clone(&file),
            seq: base_seq,
            synced: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        self.behind.push_back(Arc::clone(&behind));
        debug_assert!(self.behind.len() <= MOST_BEHIND, "the next file was made behind the sync of the last but one");
        files.push(Arc::clone(&file));
        self.begin(file);
        self.set_allocated(allocated);
        self.set_window(window);
        let finish = move || {
            // Else whoever needs it is told of the failure, and the hint goes.
            if behind.sync().is_ok() {
                finish_hint(hint, &behind.sealed, &seal);
            }
        };
        // A store that has filled a file will fill another. Before the sync, which may take longer than that.
        self.prepare_next(true);
        match &self.config.beside {
            Some(beside) => beside.slow.give(finish),
            None => finish(),
        }
        Ok(())
    }

    /// The log goes on in a new file.
    fn begin(&mut self, file: Arc<DataFile>) {
        self.active = file;
        self.ahead.begin_file();
        self.last_record = 0;
        self.end = DATA_START;
        self.seal = Seal::default();
    }

    /// Ends the active file with a seal, gives reserved space back and syncs it; gives where the seal begins.
    pub(super) fn seal_active(&mut self, base_seq: SeqNo) -> Result<u64> {
        let unsealed = self.append_seal(base_seq)?;
        self.sync_active()?;
        Ok(unsealed)
    }

    /// The same without the sync.
    fn append_seal(&mut self, base_seq: SeqNo) -> Result<u64> {
        let unsealed = self.end;
        let seal = Seal { length: self.end, ..self.seal };
        let mut bytes = Vec::new();
        // The number of the last record before it, which in the midst of a batch is not a complete commit's.
        let seq = self.seal.max_seq.max(base_seq);
        marker(&mut bytes, RecordKind::Seal, &seal.encode(), &self.place(self.end, seq, self.config.vfs.now()));
        if let Err(error) = self.write(&bytes) {
            return Err(self.cut_back(unsealed, error));
        }
        self.set_end(self.end + bytes.len() as u64);
        if let Err(error) = self.trim() {
            return Err(self.cut_back(unsealed, error));
        }
        Ok(unsealed)
    }

    pub(super) fn rotate_to(&mut self, base_seq: SeqNo, files: &mut NewFiles) -> Result<()> {
        self.check()?;
        let id = self.next_id()?;
        let unsealed = self.seal_active(base_seq)?;
        // A number is not used twice, also if creating the file fails half-way.
        self.last_id = id;
        let new = NewFile { id, kind: FileKind::Log, store_id: self.config.store_id, base_seq, earlier_synced: true };
        let vfs = self.config.vfs.as_ref();
        match DataFile::create(vfs, &self.config.dir, new, self.config.map_len) {
            Ok(file) => {
                if let Err(error) = file.sync_created(&self.config.gate, vfs, &self.config.dir) {
                    // Open recognises the file as empty.
                    return Err(self.stop(error));
                }
                let file = Arc::new(file);
                self.hint = Some(self.new_hint(&file));
                files.push(Arc::clone(&file));
                self.set_window(None);
                self.begin(file);
                self.set_allocated(DATA_START);
                (self.synced, self.witness) = (self.position(), 0);
                Ok(())
            }
            Err(error) => {
                // What is left of it would be damage once a later file stands behind it.
                let left = vfs.entry_kind(&DataFile::path_of(&self.config.dir, id));
                let gone = left.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound);
                if !gone {
                    return Err(self.stop(error));
                }
                if let Err(error) = self.config.gate.sync_dir(vfs, &self.config.dir) {
                    return Err(self.stop(error));
                }
                Err(self.cut_back(unsealed, error))
            }
        }
    }

    pub(super) fn new_hint(&self, file: &DataFile) -> HintWriter {
        HintWriter::new(&self.config.vfs, &self.config.dir, file).beside(self.config.beside.as_ref())
    }

    /// Finishes the hint of a sealed file, or has that done.
    ///
    /// REQUIRES: the file is on stable storage, and holds no part of a batch that may not be there.
    pub(super) fn finish_hint(&self, hint: Option<HintWriter>, file: &Arc<DataFile>, seal: &Seal) {
        let (file, seal) = (Arc::clone(file), *seal);
        match &self.config.beside {
            Some(beside) => beside.slow.give(move || finish_hint(hint, &file, &seal)),
            None => finish_hint(hint, &file, &seal),
        }
    }
}

fn finish_hint(hint: Option<HintWriter>, file: &DataFile, seal: &Seal) {
    if let Some(hint) = hint {
        // Advisory: a file without hint is scanned.
        let _ = hint.finish(file.end(), seal.max_seq, true, (seal.min_time, seal.max_time));
    }
}
