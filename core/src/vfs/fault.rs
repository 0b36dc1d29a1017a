//! A file system whose operations fail as planned, around any other.
//!
//! Owns the counting of operations and the decision which of them fail; does the rest by the file system inside. A suite
//! runs its workload once without a plan to learn from [`FaultVfs::count`] how many operations there are to fail, and then
//! once for each. An operation that fails with an error does nothing to the file system inside; an operation that fails
//! counts like any other.
//!
//! Locking: one mutex around plans and counters, never held during an operation of the file system inside.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::op::OpKind;
use super::sim::SimVfs;
use super::{DirEntry, EntryKind, LockError, LockGuard, OpenMode, Vfs, VfsFile};
use file::FaultFile;

mod file;
#[cfg(test)]
mod tests;

/// Error numbers to fail with, as on Linux.
pub mod errno {
    /// Interrupted by a signal; to be tried again.
    pub const EINTR: i32 = 4;
    /// Input/output error.
    pub const EIO: i32 = 5;
    /// Too many open files.
    pub const EMFILE: i32 = 24;
    /// No space left on the device.
    pub const ENOSPC: i32 = 28;
    /// Read-only file system.
    pub const EROFS: i32 = 30;
    /// Disk quota exceeded.
    pub const EDQUOT: i32 = 122;
    /// All of them.
    pub const ALL: [i32; 6] = [EINTR, EIO, EMFILE, ENOSPC, EROFS, EDQUOT];
}

/// How much of a read or a write is done when it is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// At most this many bytes.
    Bytes(usize),
    /// Half of them, but at least one.
    Half,
}

impl Short {
    fn of(self, len: usize) -> usize {
        match self {
            Short::Bytes(n) => n.min(len),
            Short::Half => (len / 2).max(1).min(len),
        }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operation fails with this error number and has done nothing.
    Error(i32),
    /// A write writes less than it was given, without an error.
    ShortWrite(Short),
    /// A read reads less than there is, without an error.
    ShortRead(Short),
    /// `sync_data` fails with EIO, and if the files are those of the disk given to [`FaultVfs::over_sim`] their dirty pages
    /// count as clean from then on ([`SimVfs::fail_sync_dropping_pages`]).
    SyncFailureDroppingPages,
    /// `sync_dir` fails with EIO, and if the directory is of the disk given to [`FaultVfs::over_sim`] its changes count as written from
    /// then on ([`SimVfs::fail_sync_dropping_entries`]).
    SyncFailureDroppingEntries,
}

impl Fault {
    /// Whether an operation of this kind can fail this way. Others don't count for a plan with this fault.
    #[must_use]
    pub fn applies_to(self, kind: OpKind) -> bool {
        match self {
            Fault::Error(_) => true,
            Fault::ShortWrite(_) => kind == OpKind::Write,
            Fault::ShortRead(_) => kind == OpKind::Read,
            Fault::SyncFailureDroppingPages => kind == OpKind::SyncData,
            Fault::SyncFailureDroppingEntries => kind == OpKind::SyncDir,
        }
    }
}

/// A set of operations. The default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Bits of the kinds; `None` is all.
    kinds: Option<u32>,
    suffix: Option<String>,
}

impl Filter {
    /// All operations.
    #[must_use]
    pub fn any() -> Filter {
        Filter::default()
    }

    /// Only operations of these kinds.
    #[must_use]
    pub fn kinds(mut self, kinds: &[OpKind]) -> Filter {
        self.kinds = Some(kinds.iter().fold(0, |bits, kind| bits | kind.bit()));
        self
    }

    /// Only operations on paths that end so, such as `.data` or `LOCK`. A file's path is the one it was opened by; a rename
    /// has two, and either counts.
    #[must_use]
    pub fn suffix(mut self, suffix: &str) -> Filter {
        self.suffix = Some(suffix.to_owned());
        self
    }

    fn matches(&self, kind: OpKind, paths: &[&Path]) -> bool {
        self.kinds.is_none_or(|bits| bits & kind.bit() != 0)
            && self
                .suffix
                .as_ref()
                .is_none_or(|s| paths.iter().any(|path| path.as_os_str().as_encoded_bytes().ends_with(s.as_bytes())))
    }
}

/// One thing that goes wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What.
    pub fault: Fault,
    /// Which operations count.
    pub filter: Filter,
    /// How many of those, from the planning on, are spared first: 0 is the next one.
    pub nth: u64,
    /// Whether all later ones fail too.
    pub forever: bool,
}

impl Plan {
    /// The n-th operation, from 0, fails once.
    #[must_use]
    pub fn once(fault: Fault, nth: u64) -> Plan {
        Plan { fault, filter: Filter::any(), nth, forever: false }
    }

    /// The n-th operation, from 0, and all later ones fail.
    #[must_use]
    pub fn forever(fault: Fault, nth: u64) -> Plan {
        Plan { fault, filter: Filter::any(), nth, forever: true }
    }

    /// Of these operations only.
    #[must_use]
    pub fn of(mut self, filter: Filter) -> Plan {
        self.filter = filter;
        self
    }
}

/// A file system whose operations can be made to fail. Clones share plans and counters.
#[derive(Clone, Debug)]
pub struct FaultVfs {
    inner: Arc<dyn Vfs>,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct Faults {
    sim: Option<SimVfs>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Plans, each with the number of operations that have counted for it.
    plans: Vec<(Plan, u64)>,
    /// Operations by kind and by path, or both paths of a rename.
    counts: HashMap<(OpKind, PathBuf, Option<PathBuf>), u64>,
    fired: Vec<(OpKind, PathBuf)>,
}

impl FaultVfs {
    /// Wraps any file system; nothing fails yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Vfs>) -> FaultVfs {
        FaultVfs::over(inner, None)
    }

    /// Wraps a simulated disk, of which a failing sync can drop dirty pages.
    #[must_use]
    pub fn over_sim(sim: &SimVfs) -> FaultVfs {
        FaultVfs::over(Arc::new(sim.clone()), Some(sim.clone()))
    }

    /// Wraps something that wraps a simulated disk, of which a failing sync can drop dirty pages.
    #[must_use]
    pub fn over_wrapped_sim(inner: Arc<dyn Vfs>, sim: &SimVfs) -> FaultVfs {
        FaultVfs::over(inner, Some(sim.clone()))
    }

    fn over(inner: Arc<dyn Vfs>, sim: Option<SimVfs>) -> FaultVfs {
        FaultVfs { inner, faults: Arc::new(Faults { sim, state: Mutex::default() }) }
    }

    /// Adds a plan. Where several want the same operation, the first added has it; each counts for itself.
    pub fn inject(&self, plan: Plan) {
        self.faults.state.lock().plans.push((plan, 0));
    }

    /// Forgets all plans; from now on nothing fails. Counters and [`FaultVfs::fired`] stay.
    pub fn heal(&self) {
        self.faults.state.lock().plans.clear();
    }

    /// Forgets plans, counters, and what failed.
    pub fn reset(&self) {
        *self.faults.state.lock() = State::default();
    }

    /// Operations so far of all those that a plan's fault and filter are about, whatever has failed.
    #[must_use]
    pub fn count(&self, fault: Fault, filter: &Filter) -> u64 {
        let state = self.faults.state.lock();
        let counted = state.counts.iter().filter(|((kind, path, to), _)| {
            fault.applies_to(*kind) && filter.matches(*kind, &[path, to.as_ref().unwrap_or(path)])
        });
        counted.map(|(_, n)| n).sum()
    }

    /// Operations so far, whatever has failed.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.faults.state.lock().counts.values().sum()
    }

    /// Whether anything has failed.
    #[must_use]
    pub fn fired(&self) -> bool {
        !self.faults.state.lock().fired.is_empty()
    }

    /// What has failed, in order: the kinds, and the paths as the callers gave them.
    #[must_use]
    pub fn fired_ops(&self) -> Vec<(OpKind, PathBuf)> {
        self.faults.state.lock().fired.clone()
    }

    /// Does an operation that can only fail as a whole.
    fn whole<T>(
        &self,
        kind: OpKind,
        path: &Path,
        to: Option<&Path>,
        op: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.faults.check(kind, path, to)?;
        op()
    }
}

impl Faults {
    /// Counts an operation and gives the fault that it is to have.
    fn next(&self, kind: OpKind, path: &Path, to: Option<&Path>) -> Option<Fault> {
        let mut state = self.state.lock();
        let State { plans, counts, fired } = &mut *state;
        *counts.entry((kind, path.to_owned(), to.map(Path::to_owned))).or_default() += 1;
        let mut chosen = None;
        for (plan, seen) in plans {
            if plan.fault.applies_to(kind) && plan.filter.matches(kind, &[path, to.unwrap_or(path)]) {
                if *seen == plan.nth || (*seen > plan.nth && plan.forever) {
                    chosen = chosen.or(Some(plan.fault));
                }
                *seen += 1;
            }
        }
        if chosen.is_some() {
            fired.push((kind, path.to_owned()));
        }
        chosen
    }

    /// The same where the only fault there can be is an error.
    fn check(&self, kind: OpKind, path: &Path, to: Option<&Path>) -> io::Result<()> {
        match self.next(kind, path, to) {
            Some(Fault::Error(errno)) => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(()),
        }
    }
}

impl Vfs for FaultVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let kind = if mode == OpenMode::CreateNew { OpKind::Create } else { OpKind::Open };
        let inner = self.whole(kind, path, None, || self.inner.open(path, mode))?;
        let ino = self.faults.sim.as_ref().and_then(|sim| sim.inode(path));
        Ok(Arc::new(FaultFile { inner, path: path.to_owned(), ino, faults: self.faults.clone() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.whole(OpKind::List, dir, None, || self.inner.list(dir))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole(OpKind::Rename, from, Some(to), || self.inner.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.whole(OpKind::Remove, path, None, || self.inner.remove(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.whole(OpKind::CreateDir, path, None, || self.inner.create_dir(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match self.faults.next(OpKind::SyncDir, dir, None) {
            Some(Fault::Error(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Some(Fault::SyncFailureDroppingEntries) => {
                if let Some(sim) = &self.faults.sim {
                    sim.fail_sync_dropping_entries(dir)?;
                }
                Err(io::Error::from_raw_os_error(errno::EIO))
            }
            _ => self.inner.sync_dir(dir),
        }
    }

    fn entry_kind(&self, path: &Path) -> io::Result<EntryKind> {
        self.whole(OpKind::EntryKind, path, None, || self.inner.entry_kind(path))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.whole(OpKind::Canonicalize, path, None, || self.inner.canonicalize(path))
    }

    fn lock(&self, path: &Path, note: &str) -> Result<Box<dyn LockGuard>, LockError> {
        self.faults.check(OpKind::Lock, path, None).map_err(LockError::Io)?;
        self.inner.lock(path, note)
    }

    crate::pass_on!(free_bytes now random process_id process_generation);
}
