//! A batch that no single file holds: written file by file, and taken back as a whole if any of it fails.
//!
//! Nobody sees a part: the index is told when the commit record is in the log, and hints of the batch's files wait till it is on
//! stable storage.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::DATA_START;
use crate::format::payload::{BatchDigest, Seal};
use crate::log::data_file::DataFile;
use crate::log::encoded::Encoded;
use crate::types::SeqNo;

use super::{LogPosition, LogWriter, NewFiles};

/// What the writer goes back to if a batch fails.
#[derive(Debug)]
pub(super) struct Before {
    active: Arc<DataFile>,
    end: u64,
    seal: Seal,
    last_record: u64,
}

impl LogWriter {
    pub(super) fn before(&self) -> Before {
        Before { active: Arc::clone(&self.active), end: self.end, seal: self.seal, last_record: self.last_record }
    }

    /// Writes a batch that no single file holds. On failure all of it is taken back, with the files made for it.
    pub(super) fn append_over_files(&mut self, commit: &mut Encoded, files: &mut NewFiles) -> Result<SeqNo> {
        self.take_number()?;
        let (seq, timestamp) = (self.used_seq, self.config.vfs.now());
        let before = self.before();
        let (mut digest, mut made, mut hints) = (BatchDigest::new(), NewFiles::new(), Vec::new());
        let mut rest = commit.split_off(0);
        let outcome = loop {
            let room = self.config.max_file_size.saturating_sub(self.end);
            let mut part = rest;
            let mut fitting = part.count_fitting(room);
            if fitting == 0 && self.end == DATA_START {
                // A record that is larger than a file gets one for itself.
                fitting = 1;
            }
            rest = part.split_off(fitting);
            let last = rest.count() == 0;
            if part.count() > 0 || last {
                let place = self.place(self.end, seq, timestamp);
                part.place(place, &mut digest, last);
                if let Err(error) = self.write(part.bytes()) {
                    break Err(error);
                }
                self.note(&part, self.end, seq, timestamp);
                self.set_end(self.end + part.bytes().len() as u64);
                // The caller tells the index.
                commit.absorb(&part);
            }
            if last {
                break Ok(());
            }
            // Hints must not cover an incomplete batch, so they wait.
            hints.push((Arc::clone(&self.active), self.hint.take(), self.seal));
            if let Err(error) = self.rotate_to(self.last_seq, &mut made) {
                break Err(error);
            }
        };
        match outcome {
            Ok(()) => {
                self.last_seq = seq;
                files.append(&mut made);
                if !hints.is_empty() {
                    // A hint says of the batch that it is complete, so its end has to be there for good first.
                    self.sync_active()?;
                }
                for (file, hint, seal) in hints {
                    self.finish_hint(hint, &file, &seal);
                }
                Ok(seq)
            }
            Err(error) => {
                for hint in hints.into_iter().filter_map(|(_, hint, _)| hint) {
                    hint.discard();
                }
                Err(self.take_back(before, made, error))
            }
        }
    }

    /// Takes the log back to where it was before a failed batch or load: removes the files made for it, and cuts back the one it began in.
    pub(super) fn take_back(&mut self, before: Before, made: NewFiles, error: Error) -> Error {
        if self.stopped.is_some() {
            return error;
        }
        if let Some(hint) = self.hint.take() {
            hint.discard();
        }
        let Before { active, end, seal, last_record } = before;
        // The newest first: what a crash leaves is then a log that ends in an incomplete batch.
        for file in made.iter().rev() {
            if let Err(e) = self.config.vfs.remove(file.path()) {
                return self.stop(Error::io("remove", file.path(), None, e));
            }
        }
        if !made.is_empty()
            && let Err(error) = self.config.gate.sync_dir(self.config.vfs.as_ref(), &self.config.dir)
        {
            return self.stop(error);
        }
        self.active = active;
        self.ahead.begin_file();
        self.last_record = last_record;
        self.seal = seal;
        self.synced = self.synced.min(LogPosition { file: self.active.id(), offset: end });
        self.cut_back(end, error)
    }
}
