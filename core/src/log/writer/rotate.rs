//! From one file of the log to the next: the seal of the one, the headers of the other.

use std::sync::Arc;

use crate::error::Result;
use crate::format::header::{DATA_START, FileKind};
use crate::format::payload::Seal;
use crate::format::record::RecordKind;
use crate::log::data_file::{DataFile, NewFile};
use crate::log::encoded::{Place, marker};
use crate::log::hint_file::HintWriter;
use crate::log::sync_gate::SyncGate;
use crate::types::{SeqNo, Timestamp};
use crate::vfs::write_all_at;

use super::{LogPosition, LogWriter, NewFiles};

impl LogWriter {
    /// Seals the active file and begins another, unless there is nothing in it.
    pub(crate) fn begin_file(&mut self, files: &mut NewFiles) -> Result<()> {
        self.check()?;
        if self.end == DATA_START { Ok(()) } else { self.rotate(self.last_seq, files) }
    }

    /// Closes the active file with a seal and begins another.
    ///
    /// REQUIRES: `base_seq` is the number of the last complete commit.
    pub(super) fn rotate(&mut self, base_seq: SeqNo, files: &mut NewFiles) -> Result<()> {
        let (sealed, hint, seal) = (Arc::clone(&self.active), self.hint.take(), self.seal);
        match self.rotate_to(base_seq, files) {
            Ok(()) => {
                finish_hint(hint, &sealed, &seal);
                Ok(())
            }
            Err(error) => {
                self.hint = hint;
                Err(error)
            }
        }
    }

    /// Ends the active file with a seal, gives reserved space back and syncs it; gives where the seal begins.
    pub(super) fn seal_active(&mut self, base_seq: SeqNo) -> Result<u64> {
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
        self.sync_active()?;
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
                self.hint = Some(HintWriter::new(&self.config.vfs, &self.config.dir, &file));
                files.push(Arc::clone(&file));
                self.active = file;
                self.set_window(None);
                self.ahead.begin_file();
                (self.last_record, self.witness) = (0, 0);
                self.end = DATA_START;
                self.allocated = DATA_START;
                self.synced = LogPosition { file: id, offset: DATA_START };
                self.seal = Seal::default();
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
}

/// Seals a file of the log without records, and brings that to stable storage.
pub(crate) fn seal_empty(file: &DataFile, last_seq: SeqNo, now: Timestamp, gate: &SyncGate) -> Result<()> {
    let seal = Seal { length: DATA_START, ..Seal::default() };
    let mut bytes = Vec::new();
    let place = Place { file, offset: DATA_START, seq: last_seq, timestamp: now, synced: false };
    marker(&mut bytes, RecordKind::Seal, &seal.encode(), &place);
    write_all_at(file.file().as_ref(), &bytes, DATA_START).map_err(|e| file.io_error("write", DATA_START, e))?;
    file.set_end(DATA_START + bytes.len() as u64);
    gate.sync(file)
}

pub(super) fn finish_hint(hint: Option<HintWriter>, file: &DataFile, seal: &Seal) {
    if let Some(hint) = hint {
        // Advisory: a file without hint is scanned.
        let _ = hint.finish(file.end(), seal.max_seq, true, (seal.min_time, seal.max_time));
    }
}
