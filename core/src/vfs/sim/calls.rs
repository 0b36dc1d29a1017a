//! What programs can do with a simulated disk: the calls of the seam, as a POSIX system does them.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::file::{SimFile, SimLock};
use super::history::Op;
use super::image::{Image, Ino};
use super::{Disk, SimVfs};
use crate::types::Timestamp;
use crate::vfs::{DirEntry, EntryKind, LockError, LockGuard, OpenMode, Vfs, VfsFile};

/// What a refused locker is told of the lock file at most, in bytes.
const NOTE_LIMIT: usize = 64;

impl Vfs for SimVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let mut disk = self.lock_disk();
        let ino = if mode == OpenMode::CreateNew {
            create(&mut disk, path, EntryKind::File)?
        } else {
            regular(&disk.visible, path)?
        };
        Ok(Arc::new(SimFile { disk: self.disk.clone(), ino, writable: mode != OpenMode::Read }))
    }

    fn free_bytes(&self, _: &Path) -> Option<u64> {
        let disk = self.lock_disk();
        disk.capacity.map(|capacity| capacity.saturating_sub(disk.visible.used()))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let disk = self.lock_disk();
        let entries = disk.visible.entries(disk.visible.resolve(dir)?)?;
        let entry = |(name, ino): (&Arc<OsStr>, &Ino)| DirEntry {
            name: name.to_str().map(String::from),
            kind: disk.visible.kind(*ino),
        };
        Ok(entries.iter().map(entry).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.lock_disk();
        let ino = disk.visible.resolve(from)?;
        let (dir, from) = disk.visible.parent(from)?;
        let (to_dir, to) = disk.visible.parent(to)?;
        if dir != to_dir {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        if let Some(there) = disk.visible.entries(dir)?.get(&to) {
            match (disk.visible.kind(ino), disk.visible.kind(*there)) {
                (EntryKind::Directory, EntryKind::Directory) if *there != ino => {
                    // The system replaces an empty one; nothing here needs that.
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                (EntryKind::Directory, EntryKind::Directory) => {}
                (EntryKind::Directory, _) => return Err(io::ErrorKind::NotADirectory.into()),
                (_, EntryKind::Directory) => return Err(io::ErrorKind::IsADirectory.into()),
                _ => {}
            }
        }
        disk.record(Op::Rename { dir, from, to, ino });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.lock_disk();
        let ino = disk.visible.resolve(path)?;
        if disk.visible.kind(ino) == EntryKind::Directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let (dir, name) = disk.visible.parent(path)?;
        disk.record(Op::Remove { dir, name });
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        create(&mut self.lock_disk(), path, EntryKind::Directory)?;
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.lock_disk();
        let dir = disk.visible.resolve(dir)?;
        disk.visible.entries(dir)?;
        disk.record(Op::SyncDir { dir });
        Ok(())
    }

    fn entry_kind(&self, path: &Path) -> io::Result<EntryKind> {
        let disk = self.lock_disk();
        Ok(disk.visible.kind(disk.visible.resolve(path)?))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.lock_disk().visible.canonical(path)
    }

    fn lock(&self, path: &Path, note: &str) -> Result<Box<dyn LockGuard>, LockError> {
        let mut disk = self.lock_disk();
        let found = match regular(&disk.visible, path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => create(&mut disk, path, EntryKind::File),
            found => found,
        };
        let ino = found.map_err(LockError::Io)?;
        if !disk.locks.insert(ino) {
            let mut buf = [0; NOTE_LIMIT];
            let n = disk.visible.content(ino).map_or(0, |content| content.read(&mut buf, 0));
            return Err(LockError::Held(String::from_utf8_lossy(&buf[..n]).into_owned()));
        }
        if disk.visible.content(ino).is_some_and(|content| content.len() > 0) {
            disk.record(Op::SetLen { ino, len: 0 });
        }
        // As on the real disk a note that does not fit is cut.
        let fits = usize::try_from(disk.room(note.len() as u64)).unwrap_or(usize::MAX);
        if fits > 0 {
            disk.record(Op::Write { ino, offset: 0, bytes: Arc::from(&note.as_bytes()[..fits]) });
        }
        Ok(Box::new(SimLock { disk: self.disk.clone(), ino }))
    }

    fn now(&self) -> Timestamp {
        self.lock_disk().now
    }

    fn random(&self, buf: &mut [u8]) -> io::Result<()> {
        let mut disk = self.lock_disk();
        for chunk in buf.chunks_mut(8) {
            chunk.copy_from_slice(&disk.next_random().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }

    fn process_id(&self) -> u32 {
        self.process.id.load(Ordering::Relaxed)
    }

    fn process_generation(&self) -> u64 {
        self.process.generation.load(Ordering::Relaxed)
    }
}

/// Makes a new file or directory; the name must be free.
fn create(disk: &mut Disk, path: &Path, kind: EntryKind) -> io::Result<Ino> {
    // The root, and paths that end in dots, have no last name; they exist or their parents don't.
    if path.file_name().is_none() {
        disk.visible.resolve(path)?;
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let (dir, name) = disk.visible.parent(path)?;
    if disk.visible.entries(dir)?.contains_key(&name) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let ino = disk.visible.next_ino();
    disk.record(Op::Create { dir, name, ino, kind });
    Ok(ino)
}

/// The regular file at a path.
pub(super) fn regular(image: &Image, path: &Path) -> io::Result<Ino> {
    let ino = image.resolve(path)?;
    let what = match image.kind(ino) {
        EntryKind::File => return Ok(ino),
        EntryKind::Directory => "a directory",
        EntryKind::Other => "something else",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{what}, not a regular file")))
}
