//! A disk in memory that remembers everything done to it, and can be cut off the power after any operation.
//!
//! Owns the state that programs see and the history it came from. The bytes of a file are durable after a sync of the
//! file, its name after a sync of its directory, and neither brings the other: a file that was synced is gone after a
//! crash if the directory never was. [`SimVfs::crash`] builds the disks that a power cut at any operation may leave.
//!
//! What it does not model: symbolic links and permissions (plant an [`EntryKind::Other`](super::EntryKind::Other)),
//! renames from one directory to another (refused with `CrossesDevices`: an engine that needs them has to say first what
//! makes them durable), removed files taking space while they are open, and what a mapping shows to who asked for bytes before they
//! were written ([`SimVfs::set_maps`]).
//!
//! Locking: one mutex around a disk's state, held for the time of one operation. A [`SimVfs`] is a handle, and clones of
//! it are the same disk and the same process; [`SimVfs::crash`] and [`SimVfs::kill`] give independent disks that share
//! pages with the old one until they are written to.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::types::Timestamp;
use history::{Cursor, Op};
use image::Image;

mod calls;
mod content;
mod crash;
mod file;
mod history;
mod image;
mod mapping;
mod plant;
#[cfg(test)]
mod tests;

pub use crash::CrashChoice;
pub use history::OpSummary;
pub(in crate::vfs) use image::Ino;

/// What a new disk's clock says: some moment of 2023.
const START: Timestamp = Timestamp(1_700_000_000_000);

/// A process's view of a simulated disk. Clones are the same process on the same disk.
#[derive(Clone)]
pub struct SimVfs {
    disk: Arc<Mutex<Disk>>,
    process: Arc<Process>,
}

#[derive(Debug)]
struct Process {
    id: AtomicU32,
    generation: AtomicU64,
}

/// The disk, with the clock and the randomness of its machine.
#[derive(Clone)]
struct Disk {
    /// What programs see.
    visible: Image,
    /// The state that the history began with.
    start: Cursor,
    /// Somewhere in the history; where the last question about it was.
    probe: Cursor,
    ops: Vec<Op>,
    locks: HashSet<Ino>,
    capacity: Option<u64>,
    /// Whether files can be mapped.
    maps: bool,
    now: Timestamp,
    random: u64,
    /// Ids are given to processes from here on.
    next_process: u32,
}

impl Disk {
    fn new(image: Image, now: Timestamp, random: u64, capacity: Option<u64>, next_process: u32) -> Disk {
        let start = Cursor::new(image.clone());
        Disk {
            visible: image,
            probe: start.clone(),
            start,
            ops: Vec::new(),
            locks: HashSet::new(),
            capacity,
            maps: false,
            now,
            random,
            next_process,
        }
    }

    /// Does an operation and remembers it.
    fn record(&mut self, op: Op) {
        self.visible.apply(&op);
        self.ops.push(op);
    }

    /// Moves the probe to a place in the history, which is cheap for questions that go forward.
    fn probe(&mut self, at: usize) -> &Cursor {
        let at = at.min(self.ops.len());
        if self.probe.at > at {
            self.probe = self.start.clone();
        }
        self.probe.advance(&self.ops, at);
        &self.probe
    }

    /// How many of `grow` more bytes fit.
    fn room(&self, grow: u64) -> u64 {
        match self.capacity {
            Some(capacity) if grow > 0 => grow.min(capacity.saturating_sub(self.visible.used())),
            _ => grow,
        }
    }

    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(GOLDEN);
        mix(self.random)
    }

    fn start_process(&mut self) -> Arc<Process> {
        let id = self.next_process;
        self.next_process += 1;
        Arc::new(Process { id: AtomicU32::new(id), generation: AtomicU64::new(0) })
    }

    fn into_vfs(mut self) -> SimVfs {
        let process = self.start_process();
        SimVfs { disk: Arc::new(Mutex::new(self)), process }
    }
}

impl SimVfs {
    /// A machine with an empty disk, that is a root directory `/` and nothing in it. The seed decides its random numbers.
    #[must_use]
    pub fn new(seed: u64) -> SimVfs {
        Disk::new(Image::empty(), START, seed, None, 1000).into_vfs()
    }

    /// Operations recorded so far: all that changed the disk or what of it is durable.
    #[must_use]
    pub fn op_count(&self) -> usize {
        self.lock_disk().ops.len()
    }

    /// The operations recorded so far, in order.
    #[must_use]
    pub fn ops(&self) -> Vec<OpSummary> {
        let disk = self.lock_disk();
        history::summarize(&disk.start.durable, &disk.ops)
    }

    /// How many of the first `at` operations no sync among them has covered: the range of [`CrashChoice::DropOne`].
    #[must_use]
    pub fn unsynced_ops(&self, at: usize) -> usize {
        self.lock_disk().probe(at).pending.len()
    }

    /// How many of them change directories: the bits of [`CrashChoice::Entries`].
    #[must_use]
    pub fn unsynced_entries(&self, at: usize) -> usize {
        let mut disk = self.lock_disk();
        let pending = disk.probe(at).pending.clone();
        pending.iter().filter(|i| disk.ops[**i].entry_of().is_some()).count()
    }

    /// How many units of `unit` bytes they write to: the bits of [`CrashChoice::PageMask`].
    #[must_use]
    pub fn unsynced_pages(&self, at: usize, unit: u32) -> usize {
        let disk = &mut *self.lock_disk();
        disk.probe(at);
        crash::changed_units(&disk.probe, &disk.ops, unit).len()
    }

    /// The length of operation `at - 1` if it is a write: the range of [`CrashChoice::CutLastWrite`].
    #[must_use]
    pub fn last_write_len(&self, at: usize) -> Option<usize> {
        match self.lock_disk().ops.get(at.checked_sub(1)?) {
            Some(Op::Write { bytes, .. }) => Some(bytes.len()),
            _ => None,
        }
    }

    /// The machine after a power cut behind the first `at` operations (at most all): a new disk that is durable as it is,
    /// without a history, nothing open and nothing locked, and a new process on it. Cheap, and cheapest for `at`s that go
    /// forward; this disk is left as it is.
    #[must_use]
    pub fn crash(&self, at: usize, choice: &CrashChoice) -> SimVfs {
        let disk = &mut *self.lock_disk();
        disk.probe(at);
        let image = crash::build(&disk.probe, &disk.ops, choice);
        let random = mix(disk.random ^ mix(at as u64));
        let mut new = Disk::new(image, disk.now, random, disk.capacity, disk.next_process);
        new.maps = disk.maps;
        new.into_vfs()
    }

    /// The machine after the end of all processes, with a new one: nothing is lost, nothing is locked, and what was not
    /// synced still is not. An independent copy. Its history begins with the operations that are not durable.
    ///
    /// Unlike [`CrashChoice::KeepAll`] it still shows pages, and names, that a failed sync gave up.
    #[must_use]
    pub fn kill(&self) -> SimVfs {
        let mut old = self.lock_disk();
        let all = old.ops.len();
        let Cursor { durable, pending, .. } = old.probe(all).clone();
        let mut new = Disk::new(durable, old.now, mix(old.random), old.capacity, old.next_process);
        new.maps = old.maps;
        new.visible = old.visible.clone();
        new.ops = pending.into_iter().map(|i| old.ops[i].clone()).collect();
        drop(old);
        new.into_vfs()
    }

    /// Another process on the same disk, beside this one.
    #[must_use]
    pub fn other_process(&self) -> SimVfs {
        let process = self.lock_disk().start_process();
        SimVfs { disk: self.disk.clone(), process }
    }

    /// Makes this process appear to be a forked child of what it was: another id, another generation.
    pub fn fork(&self) {
        let id = self.lock_disk().start_process().id.load(Ordering::Relaxed);
        self.process.id.store(id, Ordering::Relaxed);
        self.process.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// A sync of this file has failed and the kernel took its dirty pages for clean: reads go on showing them, no later
    /// sync writes them, and a power cut loses them, unless they are written once more. The caller of the sync gets its
    /// error from elsewhere ([`fault`](super::fault)).
    pub fn fail_sync_dropping_pages(&self, path: &Path) -> io::Result<()> {
        let ino = self.lock_disk().visible.resolve(path)?;
        self.drop_dirty_pages(ino);
        Ok(())
    }

    /// The same by number: open files outlive their names.
    pub(in crate::vfs) fn drop_dirty_pages(&self, ino: Ino) {
        self.lock_disk().record(Op::DropPages { ino });
    }

    /// A sync of this directory has failed, and the kernel took its changes for written: programs go on seeing names that came, and not those
    /// that went, but no later sync writes that, and after a power cut the directory is as it was before, unless the same names are changed once
    /// more. The caller of the sync gets its error from elsewhere ([`fault`](super::fault)).
    pub fn fail_sync_dropping_entries(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.lock_disk();
        let dir = disk.visible.resolve(dir)?;
        disk.visible.entries(dir)?;
        disk.record(Op::DropEntries { dir });
        Ok(())
    }

    /// The number of what stands at a path.
    pub(in crate::vfs) fn inode(&self, path: &Path) -> Option<Ino> {
        self.lock_disk().visible.resolve(path).ok()
    }

    /// The kernel forgets clean pages: what failed syncs gave up, pages and names, is now read as it is on the disk.
    pub fn drop_caches(&self) {
        let disk = &mut *self.lock_disk();
        let all = disk.ops.len();
        disk.probe(all);
        let mut image = disk.probe.durable.clone();
        disk.probe.pending.iter().for_each(|i| image.apply(&disk.ops[*i]));
        disk.visible = image;
    }

    /// Bytes that fit on the disk, counted by the lengths of all files; `None` is without limit. A write that does not fit
    /// goes as far as it can, and the next fails with `StorageFull` (ENOSPC).
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock_disk().capacity = bytes;
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Timestamp) {
        self.lock_disk().now = now;
    }

    /// Moves the clock forward.
    pub fn advance(&self, milliseconds: u64) {
        let mut disk = self.lock_disk();
        disk.now = Timestamp(disk.now.0.saturating_add(milliseconds)).min(Timestamp::MAX);
    }

    fn lock_disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock()
    }
}

impl fmt::Debug for SimVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimVfs").field("process", &self.process).finish_non_exhaustive()
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(GOLDEN);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
