//! The kernel's lock on a file (flock): one holder over all processes, freed with the process.
//!
//! Invariants:
//! 1. Only the process that took a lock gives it back, by an explicit unlock: a descriptor that somebody inherited does not keep it.
//! 2. A forked child never unlocks: that would act on the open file description, which it shares with its parent, and take the
//!    parent's lock away. It closes its copy (see [`fork`](super::fork)), which leaves the parent's lock alone.

use std::fs::{OpenOptions, TryLockError};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use super::fork::NotInherited;
use super::{OPEN_FLAGS, open_regular};
use crate::vfs::{LockError, LockGuard};

/// What a refused locker is told of the lock file at most, in bytes.
const NOTE_LIMIT: usize = 64;
/// So many milliseconds a refused locker waits for the holder's note.
const NOTE_TRIES: usize = 20;

/// See [`Vfs::lock`](crate::vfs::Vfs::lock).
pub(super) fn lock(path: &Path, note: &str) -> Result<Box<dyn LockGuard>, LockError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(OPEN_FLAGS);
    let file = open_regular(&options, path).map_err(LockError::Io)?;
    let held = NotInherited::new(file);
    let Some(file) = held.file() else { return Err(LockError::Held(String::new())) };
    match file.try_lock() {
        Ok(()) => {
            // The note is for people; a full disk must not keep a store from being opened.
            let _ = file.set_len(0).and_then(|()| file.write_all_at(note.as_bytes(), 0));
            Ok(Box::new(OsLock { held }))
        }
        Err(TryLockError::WouldBlock) => {
            let mut buf = [0; NOTE_LIMIT];
            let mut n = file.read_at(&mut buf, 0).unwrap_or(0);
            // The holder writes it when it has the lock.
            for _ in 0..NOTE_TRIES {
                if n > 0 {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
                n = file.read_at(&mut buf, 0).unwrap_or(0);
            }
            Err(LockError::Held(String::from_utf8_lossy(&buf[..n]).into_owned()))
        }
        Err(TryLockError::Error(e)) => Err(LockError::Io(e)),
    }
}

#[derive(Debug)]
struct OsLock {
    held: NotInherited,
}

impl LockGuard for OsLock {}

impl Drop for OsLock {
    fn drop(&mut self) {
        if let Some(file) = self.held.file() {
            // So that the next holder is not taken for this one before it has written its own.
            let _ = file.set_len(0);
            // If this fails the closing of the descriptor, which follows, does it.
            let _ = file.unlock();
        }
    }
}
