//! Making a load's files the end of the log.
//!
//! A load claims its sequence number when it begins, far ahead of the last one in use: numbers need only ascend, and what others commit
//! meanwhile stays below. Its files get their places in the log, and with that their numbers and headers, when it is complete.
//!
//! Each step of [`LogWriter::install`] leaves a log that opening knows from batches over several files: one that ends with a seal, or in the midst
//! of a batch that is incomplete and cut off. The last name makes the batch complete. Names are synced one by one and in order, so that
//! none is there without those before it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::{DataHeader, FileKind};
use crate::format::names;
use crate::log::data_file::{DataFile, NewFile};
use crate::log::hint_file::HintWriter;
use crate::log::load::{Load, Part};
use crate::types::{FileId, SeqNo};
use crate::vfs::{OpenMode, write_all_at};

use super::{LogWriter, NewFiles};

/// Commits that others may make while a load is under way, before it has to be numbered anew.
#[cfg(not(test))]
const AHEAD: u64 = 1 << 32;
#[cfg(test)]
const AHEAD: u64 = 2;
/// Temporary names that are tried, where one is taken.
const ATTEMPTS: u32 = 64;

/// What loads have taken for themselves.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Greatest sequence number.
    seq: SeqNo,
    /// Temporary names so far.
    names: u32,
}

impl LogWriter {
    /// A load without records.
    pub(crate) fn begin_load(&mut self) -> Result<Load> {
        self.check()?;
        Ok(Load::new(self.claim()?, self.config.vfs.now(), self.config.max_file_size))
    }

    /// A sequence number for a load, ahead of all that are in use.
    pub(crate) fn claim(&mut self) -> Result<SeqNo> {
        let last = self.used_seq.max(self.claims.seq).0;
        // Behind it there must be some for others.
        let Some(seq) = last.checked_add(AHEAD).filter(|seq| *seq < u64::MAX - AHEAD) else {
            return Err(Error::Unsupported { what: "all sequence numbers are used up".into() });
        };
        self.claims.seq = SeqNo(seq);
        Ok(SeqNo(seq))
    }

    /// Whether a load's number is still ahead of all that were used; else it must be numbered anew.
    pub(crate) fn is_ahead(&self, load: &Load) -> bool {
        load.seq > self.used_seq
    }

    /// A name for a file that gets its own later.
    pub(super) fn temp_name(&mut self) -> (FileId, PathBuf) {
        // The greatest numbers, which files of the log get to in no lifetime.
        let number = FileId(FileId::MAX.0 - self.claims.names % (FileId::MAX.0 / 2));
        self.claims.names = self.claims.names.wrapping_add(1);
        (number, self.config.dir.join(names::temp(&names::data(number))))
    }

    /// Gives a load its next file, without headers and under a temporary name.
    pub(crate) fn add_part(&mut self, load: &mut Load) -> Result<()> {
        self.check()?;
        for _ in 0..ATTEMPTS {
            let (number, temp) = self.temp_name();
            let vfs = self.config.vfs.as_ref();
            let new = NewFile {
                id: number,
                kind: FileKind::Log,
                store_id: self.config.store_id,
                base_seq: SeqNo::ZERO,
                earlier_synced: true,
            };
            let header = new.header(vfs, &temp)?;
            let file = match vfs.open(&temp, OpenMode::CreateNew) {
                Ok(file) => file,
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(Error::io("create", &temp, None, e)),
            };
            let hint = HintWriter::unnamed(&self.config.vfs, &self.config.dir, &header, number);
            load.add(Part::new(file, temp, header, hint));
            return Ok(());
        }
        Err(Error::Unsupported { what: format!("{ATTEMPTS} temporary names for a load are taken") })
    }

    /// Makes a complete load the end of the log; gives the number of its first file. On failure all of it is taken back.
    ///
    /// REQUIRES: it is ahead ([`LogWriter::is_ahead`]).
    pub(crate) fn install(&mut self, load: &mut Load, files: &mut NewFiles) -> Result<FileId> {
        self.check()?;
        debug_assert!(self.is_ahead(load), "numbers ascend");
        let room = u64::from(FileId::MAX.0) - u64::from(self.last_id.0);
        if load.parts.len() as u64 > room {
            return Err(Error::Unsupported { what: "all file ids of the format are used up".into() });
        }
        let (before, first) = (self.before(), FileId(self.last_id.0 + 1));
        let (sealed, hint, seal) = (Arc::clone(&self.active), self.hint.take(), self.seal);
        let mut made = NewFiles::new();
        let mut outcome = self.seal_active(self.last_seq).map(|_| ());
        if outcome.is_ok() {
            let added = load.parts.iter_mut().try_for_each(|part| self.add_to_log(part, &mut made));
            outcome = added.map_err(|error| self.take_back(before, made.split_off(0), error));
        }
        if let Err(error) = outcome {
            self.hint = hint;
            return Err(error);
        }
        self.finish_hint(hint, &sealed, &seal);
        let mut parts = std::mem::take(&mut load.parts);
        if let (Some(last), Some(file)) = (parts.pop(), made.last()) {
            self.active = Arc::clone(file);
            self.end = last.end;
            self.set_allocated(last.end);
            self.ahead.begin_file();
            (self.last_record, self.witness) = (last.last_record, last.last_record);
            self.seal = last.seal;
            self.hint = last.hint.map(|hint| hint.beside(self.config.beside.as_ref()));
            self.synced = self.position();
            (self.last_seq, self.used_seq, self.synced_seq) = (load.seq, load.seq, load.seq);
        }
        for (part, file) in parts.into_iter().zip(&made) {
            self.finish_hint(part.hint, file, &part.seal);
        }
        files.append(&mut made);
        Ok(first)
    }

    /// Gives a part the next place in the log: its header first, then its name.
    fn add_to_log(&mut self, part: &mut Part, made: &mut NewFiles) -> Result<()> {
        // A number is not used twice, also if this fails half-way.
        self.last_id = FileId(self.last_id.0 + 1);
        part.header = DataHeader { file_id: self.last_id, base_seq: self.last_seq, ..part.header };
        write_all_at(part.file.as_ref(), &part.header.encode_pair(), 0)
            .map_err(|e| part.failed("write", Some(0), e))?;
        part.file.sync_data().map_err(|e| part.failed("sync", None, e))?;
        let (vfs, dir) = (&self.config.vfs, &self.config.dir);
        let path = DataFile::path_of(dir, self.last_id);
        let renamed = vfs.rename(&part.temp, &path).map_err(|e| part.failed("rename", None, e));
        if renamed.is_err() && vfs.entry_kind(&path).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            return renamed;
        }
        let file = Arc::clone(&part.file);
        made.push(Arc::new(DataFile::renamed(part.header, path, file, part.end, self.config.map_len)));
        renamed?;
        if let Some(hint) = &mut part.hint {
            hint.rebind(dir, &part.header);
        }
        self.config.gate.sync_dir(vfs.as_ref(), dir)
    }
}
