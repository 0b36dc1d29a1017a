//! The directory that a store lives in: found or made, and locked for one writer.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::format::names::{self, FileName};
use crate::vfs::{EntryKind, LockError, LockGuard, Vfs};

use super::store::Config;

/// The directory of a store that is there, or of one that is to be made.
pub(super) fn directory(path: &Path, config: Config, vfs: &dyn Vfs) -> Result<PathBuf> {
    match vfs.canonicalize(path) {
        Ok(dir) => match vfs.entry_kind(&dir) {
            Ok(EntryKind::Directory) if config.create_if_missing && !config.read_only => {
                if !has_data_file(&dir, vfs)? {
                    adopt_directory(&dir, vfs)?;
                }
                Ok(dir)
            }
            // Before anything is created in a directory that is somebody else's.
            Ok(EntryKind::Directory) if has_data_file(&dir, vfs)? => Ok(dir),
            Ok(EntryKind::Directory) => Err(Error::NoStore { path: dir }),
            Ok(_) => {
                let source = std::io::ErrorKind::NotADirectory.into();
                Err(Error::io("open", path, None, source))
            }
            Err(e) => Err(Error::io("open", path, None, e)),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            if !config.create_if_missing || config.read_only {
                return Err(Error::NoStore { path: path.to_owned() });
            }
            create_directory(path, vfs)
        }
        Err(e) => Err(Error::io("open", path, None, e)),
    }
}

fn has_data_file(dir: &Path, vfs: &dyn Vfs) -> Result<bool> {
    let entries = vfs.list(dir).map_err(|e| Error::io("list", dir, None, e))?;
    let is_data = |name: &String| matches!(FileName::parse(name), Some(FileName::Data(_)));
    Ok(entries.iter().any(|entry| entry.name.as_ref().is_some_and(is_data)))
}

/// Makes the name of a directory durable that a store is to be created in: whoever made it may have been killed before.
fn adopt_directory(dir: &Path, vfs: &dyn Vfs) -> Result<()> {
    let Some(parent) = dir.parent() else { return Ok(()) };
    match vfs.sync_dir(parent) {
        // A parent that we may not read is not one that we made the directory in.
        Err(e) if e.kind() != std::io::ErrorKind::PermissionDenied => Err(Error::io("sync", parent, None, e)),
        _ => Ok(()),
    }
}

fn create_directory(path: &Path, vfs: &dyn Vfs) -> Result<PathBuf> {
    match vfs.create_dir(path) {
        Ok(()) => {}
        // Another process was faster.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(Error::io("mkdir", path, None, e)),
    }
    let dir = vfs.canonicalize(path).map_err(|e| Error::io("open", path, None, e))?;
    if let Some(parent) = dir.parent() {
        vfs.sync_dir(parent).map_err(|e| Error::io("sync", parent, None, e))?;
    }
    Ok(dir)
}

/// Held as long as the store is open for writing; `Error::Locked` names who holds it.
pub(super) fn take_lock(dir: &Path, vfs: &dyn Vfs) -> Result<Box<dyn LockGuard>> {
    let path = dir.join(names::LOCK);
    vfs.lock(&path, &format!("{}\n", vfs.process_id())).map_err(|e| match e {
        LockError::Held(note) => Error::Locked { path: dir.to_owned(), pid: note.trim().parse().ok() },
        LockError::Io(e) => Error::io("lock", &path, None, e),
    })
}
