//! What is in the directory: which names are ours, and the headers of the data files. Reads only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::{CopyDamage, FileKind, HEADER_LEN};
use crate::format::names::{self, FileName};
use crate::log::{DataFile, Unusable};
use crate::stats::Damage;
use crate::types::{FileId, OnDamage};
use crate::vfs::{EntryKind, OpenMode, Vfs};

/// The files of a store.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Usable data files, by ascending id.
    pub(crate) files: Vec<Arc<DataFile>>,
    /// A last data file whose creation was cut short.
    pub(crate) unfinished: Option<PathBuf>,
    /// Names of unfinished work.
    pub(crate) temps: Vec<PathBuf>,
    /// Hints whose data files are gone.
    pub(crate) orphans: Vec<PathBuf>,
    /// The greatest id in any name, or 0.
    pub(crate) last_id: u32,
    /// The store's id, if it has a file.
    pub(crate) store_id: Option<u64>,
    /// Damage of headers.
    pub(crate) damage: Vec<Damage>,
}

/// How to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SurveyConfig {
    pub(crate) mode: OpenMode,
    pub(crate) map_len: u64,
    pub(crate) on_damage: OnDamage,
}

/// A reader looks so often at most for a moment in which no file comes or goes.
const MAX_TRIES: usize = 1000;

/// Lists the directory and opens its data files.
pub(crate) fn survey(vfs: &dyn Vfs, dir: &Path, config: SurveyConfig) -> Result<Survey> {
    if config.mode != OpenMode::Read {
        return look(vfs, dir, config);
    }
    // A writer in another process may add and remove names meanwhile. A listing may then miss a file that was added and another that it
    // replaced; two that are the same don't.
    let mut tries = 0;
    loop {
        tries += 1;
        let before = data_files(vfs, dir)?;
        match look(vfs, dir, config) {
            Ok(found) if tries >= MAX_TRIES || before == data_files(vfs, dir)? => return Ok(found),
            Err(Error::Io { op: "open", source, .. })
                if tries < MAX_TRIES && source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
}

/// The ids of the data files that the directory names, ascending.
pub(crate) fn data_files(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<FileId>> {
    let entries = vfs.list(dir).map_err(|e| Error::io("list", dir, None, e))?;
    let mut ids: Vec<_> = entries
        .iter()
        .filter_map(|entry| match FileName::parse(entry.name.as_ref()?) {
            Some(FileName::Data(id)) => Some(id),
            _ => None,
        })
        .collect();
    ids.sort_unstable();
    Ok(ids)
}

fn look(vfs: &dyn Vfs, dir: &Path, config: SurveyConfig) -> Result<Survey> {
    let mut found = Survey::default();
    let (mut ids, mut hints, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for entry in vfs.list(dir).map_err(|e| Error::io("list", dir, None, e))? {
        let Some(name) = entry.name else { continue };
        match FileName::parse(&name) {
            Some(FileName::Data(id)) => ids.push(id),
            Some(FileName::Hint(id)) => {
                hints.push(id);
                if entry.kind == EntryKind::File {
                    plain.push(id);
                }
            }
            Some(FileName::Temp) if entry.kind == EntryKind::File => found.temps.push(dir.join(name)),
            _ => {}
        }
    }
    ids.sort_unstable();
    // A hint without its file, which a merge took away, counts: what gets its number must not get the hint.
    found.last_id = ids.iter().chain(&hints).max().map_or(0, |id| id.0);
    let is_alone = |id: &&FileId| ids.binary_search(id).is_err();
    found.orphans = plain.iter().filter(is_alone).map(|&id| dir.join(names::hint(id))).collect();
    // From the last one back to the last of the log, which grows; all others are mapped as they are.
    let mut is_behind_the_log = true;
    for &id in ids.iter().rev() {
        // What has a hint was once more than begun.
        let may_be_new = is_behind_the_log && !hints.contains(&id);
        let map_len = if is_behind_the_log { config.map_len } else { config.map_len.min(1) };
        found.open(vfs, dir, id, may_be_new, SurveyConfig { map_len, ..config })?;
        let is_merged =
            found.files.last().is_some_and(|file| file.id() == id && file.header().kind == FileKind::Merged);
        is_behind_the_log &= is_merged;
    }
    found.files.reverse();
    found.damage.reverse();
    Ok(found)
}

impl Survey {
    fn open(&mut self, vfs: &dyn Vfs, dir: &Path, id: FileId, may_be_new: bool, config: SurveyConfig) -> Result<()> {
        let path = DataFile::path_of(dir, id);
        let (file, damaged_copy) = match DataFile::open(vfs, dir, id, config.mode, config.map_len) {
            Ok(opened) => opened,
            Err(Unusable::Unfinished) if may_be_new => {
                self.unfinished = Some(path);
                return Ok(());
            }
            Err(Unusable::Unfinished) => {
                return self.unusable(Error::corrupted(&path, 0, "the file has no header"), config);
            }
            Err(Unusable::Bad(error)) => return self.unusable(error, config),
        };
        let store_id = *self.store_id.get_or_insert(file.header().store_id);
        if store_id != file.header().store_id {
            return Err(Error::ForeignFile { path });
        }
        if let Some(copy) = damaged_copy {
            self.damage.push(header_damage(&path, copy));
        }
        self.files.push(Arc::new(file));
        Ok(())
    }

    /// A file whose records can't be read at all: nobody knows which keys it held.
    fn unusable(&mut self, error: Error, config: SurveyConfig) -> Result<()> {
        match error {
            Error::Corrupted { path, offset, what } if config.on_damage == OnDamage::Serve => {
                self.damage.push(Damage { path, offset, len: 0, what });
                Ok(())
            }
            Error::Corrupted { path, offset, what } => {
                let what = format!("{what}; open with on_damage = serve to use the other files");
                Err(Error::Corrupted { path, offset, what })
            }
            error => Err(error),
        }
    }

    /// The files of the log, in its order.
    pub(crate) fn log_files(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        self.files.iter().filter(|file| file.header().kind == FileKind::Log)
    }

    /// The outputs of merges.
    pub(crate) fn merged_files(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        self.files.iter().filter(|file| file.header().kind == FileKind::Merged)
    }
}

/// Removes unfinished work, before new work gets the same names, and hints that a merge left without their files.
pub(crate) fn remove_temps(survey: &Survey, vfs: &dyn Vfs) -> Result<()> {
    for path in &survey.temps {
        match vfs.remove(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", path, None, e)),
            _ => {}
        }
    }
    for path in &survey.orphans {
        // Nobody believes them: without their file's nonce they are another's. What can't be removed is only in the way.
        let _ = vfs.remove(path);
    }
    Ok(())
}

/// Damage to one of the two copies costs no record.
fn header_damage(path: &Path, copy: CopyDamage) -> Damage {
    let what = match copy {
        CopyDamage::First => "the first copy of the file header is damaged; the second is used",
        CopyDamage::Second => "the second copy of the file header is damaged",
        CopyDamage::Differ => "the two copies of the file header differ; the first is used",
    };
    Damage { path: path.to_owned(), offset: copy.offset(), len: HEADER_LEN as u64, what: what.into() }
}
