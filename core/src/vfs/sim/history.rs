//! What was done to a simulated disk, and what of it is on stable storage after the first N operations.
//!
//! A [`Cursor`] splits the effect of a prefix of the history in two: the image of what is durable, and the operations
//! that are not. Invariant: for each object (the bytes of a file; the entries of a directory) the pending operations are
//! the newest ones on it, so that applying all of them in order gives what programs see, what failed syncs have dropped excepted.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use super::image::{Image, Ino, Node};
use crate::vfs::EntryKind;
use crate::vfs::op::OpKind;

/// One operation that changed the disk, or what of it is durable.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Write {
        ino: Ino,
        offset: u64,
        bytes: Arc<[u8]>,
    },
    SetLen {
        ino: Ino,
        len: u64,
    },
    Allocate {
        ino: Ino,
        offset: u64,
        end: u64,
    },
    SyncData {
        ino: Ino,
    },
    /// A new file or directory, and its entry.
    Create {
        dir: Ino,
        name: Arc<OsStr>,
        ino: Ino,
        kind: EntryKind,
    },
    Rename {
        dir: Ino,
        from: Arc<OsStr>,
        to: Arc<OsStr>,
        ino: Ino,
    },
    Remove {
        dir: Ino,
        name: Arc<OsStr>,
    },
    SyncDir {
        dir: Ino,
    },
    /// A sync failed, and the pages it should have written count as clean now.
    DropPages {
        ino: Ino,
    },
    /// A sync of the directory failed, and the changes that it should have written count as written now.
    DropEntries {
        dir: Ino,
    },
}

impl Op {
    /// The file whose bytes or length this changes.
    pub(super) fn data_of(&self) -> Option<Ino> {
        match self {
            Op::Write { ino, .. } | Op::SetLen { ino, .. } | Op::Allocate { ino, .. } => Some(*ino),
            _ => None,
        }
    }

    /// The directory whose entries this changes.
    pub(super) fn entry_of(&self) -> Option<Ino> {
        match self {
            Op::Create { dir, .. } | Op::Rename { dir, .. } | Op::Remove { dir, .. } => Some(*dir),
            _ => None,
        }
    }
}

/// The disk after the first `at` operations, divided into what is durable and what is not.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) at: usize,
    pub(super) durable: Image,
    /// Indexes of the operations that no sync has covered, in order.
    pub(super) pending: Vec<usize>,
}

impl Cursor {
    pub(super) fn new(durable: Image) -> Cursor {
        Cursor { at: 0, durable, pending: Vec::new() }
    }

    /// Goes forward to the state after `to` operations. It can't go back.
    pub(super) fn advance(&mut self, ops: &[Op], to: usize) {
        for (index, op) in ops.iter().enumerate().take(to).skip(self.at) {
            match op {
                Op::SyncData { ino } => self.settle(ops, |op| op.data_of() == Some(*ino)),
                Op::SyncDir { dir } => self.settle(ops, |op| op.entry_of() == Some(*dir)),
                // Changes of the length are in the file system's journal and not in the pages that were given up.
                Op::DropPages { ino: dropped } => {
                    self.pending.retain(|i| !matches!(&ops[*i], Op::Write { ino, .. } if ino == dropped));
                }
                Op::DropEntries { dir } => self.pending.retain(|i| ops[*i].entry_of() != Some(*dir)),
                _ => {
                    // The inode is there even if its name gets lost: a later rename may be what survives.
                    // After a kill its bytes may be durable although its name is not yet.
                    if let Op::Create { ino, kind, .. } = op
                        && matches!(self.durable.node(*ino), Node::Free)
                    {
                        self.durable.set_node(*ino, Node::empty(*kind));
                    }
                    self.pending.push(index);
                }
            }
        }
        self.at = self.at.max(to);
    }

    /// Makes the pending operations durable that a sync covers.
    fn settle(&mut self, ops: &[Op], covers: impl Fn(&Op) -> bool) {
        let durable = &mut self.durable;
        self.pending.retain(|i| {
            let covered = covers(&ops[*i]);
            if covered {
                durable.apply(&ops[*i]);
            }
            !covered
        });
    }
}

/// One operation of a history, to show and to choose by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpSummary {
    /// What was done.
    pub kind: OpKind,
    /// To what; the name it had then. Empty if it had none any more.
    pub path: PathBuf,
    /// The new name in a rename.
    pub to: Option<PathBuf>,
    /// First byte of a write or an allocation; 0 else.
    pub offset: u64,
    /// Bytes written or allocated; the new length in a `SetLen`; 0 else.
    pub len: u64,
}

/// Names the operations of a history that began with an image.
pub(super) fn summarize(start: &Image, ops: &[Op]) -> Vec<OpSummary> {
    let mut names: HashMap<Ino, PathBuf> = start.tree().into_iter().map(|(path, ino)| (ino, path)).collect();
    let mut path_of = |op: &Op| -> (PathBuf, Option<PathBuf>) {
        let known = |names: &HashMap<Ino, PathBuf>, ino: &Ino| names.get(ino).cloned().unwrap_or_default();
        match op {
            Op::Write { ino, .. }
            | Op::SetLen { ino, .. }
            | Op::Allocate { ino, .. }
            | Op::SyncData { ino }
            | Op::DropPages { ino }
            | Op::SyncDir { dir: ino }
            | Op::DropEntries { dir: ino } => (known(&names, ino), None),
            Op::Create { dir, name, ino, .. } => {
                let path = known(&names, dir).join(&**name);
                names.insert(*ino, path.clone());
                (path, None)
            }
            Op::Rename { dir, from, to, ino } => {
                let dir = known(&names, dir);
                let to = dir.join(&**to);
                names.retain(|_, path| *path != to);
                names.insert(*ino, to.clone());
                (dir.join(&**from), Some(to))
            }
            Op::Remove { dir, name } => {
                let path = known(&names, dir).join(&**name);
                names.retain(|_, p| *p != path);
                (path, None)
            }
        }
    };
    ops.iter()
        .map(|op| {
            let (path, to) = path_of(op);
            let (kind, offset, len) = match op {
                Op::Write { offset, bytes, .. } => (OpKind::Write, *offset, bytes.len() as u64),
                Op::SetLen { len, .. } => (OpKind::SetLen, 0, *len),
                Op::Allocate { offset, end, .. } => (OpKind::Allocate, *offset, end - offset),
                Op::SyncData { .. } => (OpKind::SyncData, 0, 0),
                Op::Create { kind: EntryKind::Directory, .. } => (OpKind::CreateDir, 0, 0),
                Op::Create { .. } => (OpKind::Create, 0, 0),
                Op::Rename { .. } => (OpKind::Rename, 0, 0),
                Op::Remove { .. } => (OpKind::Remove, 0, 0),
                Op::SyncDir { .. } => (OpKind::SyncDir, 0, 0),
                Op::DropPages { .. } => (OpKind::DropPages, 0, 0),
                Op::DropEntries { .. } => (OpKind::DropEntries, 0, 0),
            };
            OpSummary { kind, path, to, offset, len }
        })
        .collect()
}
