//! The state of a simulated disk at one moment: inodes, and directories that give them names.
//!
//! Knows nothing of time: what is durable and what is not is `history`'s business, which keeps one image of what is
//! on stable storage, while the disk itself keeps another of what programs see. Both number inodes alike. An inode lives
//! on when its last name goes, because open files and lost removals still need it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use super::history::Op;
use crate::vfs::EntryKind;

/// Number of an inode. The root directory is 0.
pub(crate) type Ino = u32;

pub(super) const ROOT: Ino = 0;

/// What an inode is.
#[derive(Clone, Debug)]
pub(super) enum Node {
    File(Arc<Content>),
    Dir(Arc<BTreeMap<Arc<OsStr>, Ino>>),
    Other,
    /// Nothing any more, or not yet.
    Free,
}

impl Node {
    pub(super) fn empty(kind: EntryKind) -> Node {
        match kind {
            EntryKind::File => Node::File(Arc::default()),
            EntryKind::Directory => Node::Dir(Arc::default()),
            EntryKind::Other => Node::Other,
        }
    }
}

/// A whole disk. A clone is one reference count.
#[derive(Clone, Debug)]
pub(super) struct Image {
    nodes: Arc<Vec<Node>>,
}

impl Image {
    pub(super) fn empty() -> Image {
        Image { nodes: Arc::new(vec![Node::empty(EntryKind::Directory)]) }
    }

    /// The number that the next new inode gets.
    pub(super) fn next_ino(&self) -> Ino {
        Ino::try_from(self.nodes.len()).expect("fewer than 2^32 inodes")
    }

    pub(super) fn node(&self, ino: Ino) -> &Node {
        self.nodes.get(ino as usize).unwrap_or(&Node::Free)
    }

    pub(super) fn kind(&self, ino: Ino) -> EntryKind {
        match self.node(ino) {
            Node::File(_) => EntryKind::File,
            Node::Dir(_) => EntryKind::Directory,
            Node::Other | Node::Free => EntryKind::Other,
        }
    }

    /// Puts a node at a number, making room.
    pub(super) fn set_node(&mut self, ino: Ino, node: Node) {
        let nodes = Arc::make_mut(&mut self.nodes);
        let at = ino as usize;
        if nodes.len() <= at {
            nodes.resize(at + 1, Node::Free);
        }
        nodes[at] = node;
    }

    pub(super) fn content(&self, ino: Ino) -> Option<&Content> {
        match self.node(ino) {
            Node::File(content) => Some(content),
            _ => None,
        }
    }

    pub(super) fn content_mut(&mut self, ino: Ino) -> Option<&mut Content> {
        match Arc::make_mut(&mut self.nodes).get_mut(ino as usize) {
            Some(Node::File(content)) => Some(Arc::make_mut(content)),
            _ => None,
        }
    }

    pub(super) fn entries(&self, ino: Ino) -> io::Result<&BTreeMap<Arc<OsStr>, Ino>> {
        match self.node(ino) {
            Node::Dir(entries) => Ok(entries),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn entries_mut(&mut self, ino: Ino) -> Option<&mut BTreeMap<Arc<OsStr>, Ino>> {
        match Arc::make_mut(&mut self.nodes).get_mut(ino as usize) {
            Some(Node::Dir(entries)) => Some(Arc::make_mut(entries)),
            _ => None,
        }
    }

    /// Does to this image what an operation does to the disk. Syncs change nothing that can be seen.
    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Write { ino, offset, bytes } => {
                if let Some(content) = self.content_mut(*ino) {
                    content.write(*offset, bytes);
                }
            }
            Op::SetLen { ino, len } => {
                if let Some(content) = self.content_mut(*ino) {
                    content.set_len(*len);
                }
            }
            Op::Allocate { ino, end, .. } => {
                if let Some(content) = self.content_mut(*ino) {
                    content.grow(*end);
                }
            }
            Op::Create { dir, name, ino, kind } => {
                if matches!(self.node(*ino), Node::Free) {
                    self.set_node(*ino, Node::empty(*kind));
                }
                if let Some(entries) = self.entries_mut(*dir) {
                    entries.insert(name.clone(), *ino);
                }
            }
            Op::Rename { dir, from, to, ino } => {
                if let Some(entries) = self.entries_mut(*dir) {
                    // Where an earlier change was lost another file may have the old name; it keeps it.
                    if entries.get(from) == Some(ino) {
                        entries.remove(from);
                    }
                    entries.insert(to.clone(), *ino);
                }
            }
            Op::Remove { dir, name } => {
                if let Some(entries) = self.entries_mut(*dir) {
                    entries.remove(name);
                }
            }
            Op::SyncData { .. } | Op::SyncDir { .. } | Op::DropPages { .. } | Op::DropEntries { .. } => {}
        }
    }

    /// The inode at a path. Relative paths begin at the root.
    pub(super) fn resolve(&self, path: &Path) -> io::Result<Ino> {
        Ok(self.walk(path)?.0)
    }

    /// The path without dots.
    pub(super) fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(self.walk(path)?.1)
    }

    fn walk(&self, path: &Path) -> io::Result<(Ino, PathBuf)> {
        let mut at = vec![ROOT];
        let mut names = PathBuf::from("/");
        for component in path.components() {
            let entries = self.entries(at[at.len() - 1])?;
            match component {
                Component::Normal(name) => {
                    at.push(*entries.get(name).ok_or(io::ErrorKind::NotFound)?);
                    names.push(name);
                }
                Component::ParentDir if at.len() > 1 => {
                    at.pop();
                    names.pop();
                }
                _ => {}
            }
        }
        Ok((at[at.len() - 1], names))
    }

    /// The directory that holds a path's last name, and that name; nothing need stand there.
    pub(super) fn parent(&self, path: &Path) -> io::Result<(Ino, Arc<OsStr>)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let dir = self.resolve(path.parent().unwrap_or(Path::new("")))?;
        self.entries(dir)?;
        Ok((dir, Arc::from(name)))
    }

    /// Paths of everything that has a name, with its number; directories before what is in them.
    pub(super) fn tree(&self) -> Vec<(PathBuf, Ino)> {
        let mut found = vec![(PathBuf::from("/"), ROOT)];
        let mut next = 0;
        while next < found.len() {
            let (path, ino) = found[next].clone();
            if let Node::Dir(entries) = self.node(ino) {
                found.extend(entries.iter().map(|(name, ino)| (path.join(OsString::from(name)), *ino)));
            }
            next += 1;
        }
        found
    }

    /// Total length of all files that have a name.
    pub(super) fn used(&self) -> u64 {
        self.tree().iter().filter_map(|(_, ino)| self.content(*ino)).map(Content::len).sum()
    }

    /// Frees what has no name. Nothing may be open.
    pub(super) fn sweep(&mut self) {
        let mut reached = vec![false; self.nodes.len()];
        let mut todo = vec![ROOT];
        let mut count = 0;
        while let Some(ino) = todo.pop() {
            if let Some(seen) = reached.get_mut(ino as usize)
                && !*seen
            {
                *seen = true;
                count += 1;
                if let Node::Dir(entries) = self.node(ino) {
                    todo.extend(entries.values());
                }
            }
        }
        if count < reached.len() {
            let nodes = Arc::make_mut(&mut self.nodes);
            for (node, reached) in nodes.iter_mut().zip(reached) {
                if !reached {
                    *node = Node::Free;
                }
            }
            while matches!(nodes.last(), Some(Node::Free)) {
                nodes.pop();
            }
        }
    }
}
