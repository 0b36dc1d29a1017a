//! Laying out a simulated disk before a test, damaging it, and looking at it.
//!
//! All that changes the disk from here goes past the history: it first settles the disk, that is it makes everything so
//! far durable and begins a new history from there.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use super::history::Cursor;
use super::image::{Ino, Node, ROOT};
use super::{Disk, SimVfs};
use crate::vfs::EntryKind;

impl SimVfs {
    /// Makes everything that can be seen durable and forgets the history; operations count from 0 again.
    pub fn settle(&self) {
        self.lock_disk().settle();
    }

    /// Puts a file with these bytes at a path, replacing what is there and making missing directories. Names need not be
    /// UTF-8. Settles the disk. Open files of a replaced one keep what they have.
    ///
    /// # Panics
    /// If the path has no name, or goes through something that is no directory.
    pub fn plant(&self, path: &Path, bytes: &[u8]) {
        self.plant_node(path, Node::File(Arc::new(Content::from_bytes(bytes))));
    }

    /// Puts an empty file, an empty directory, or something else (think of a FIFO or a symbolic link) at a path, as
    /// [`SimVfs::plant`] does.
    ///
    /// # Panics
    /// As [`SimVfs::plant`].
    pub fn plant_kind(&self, path: &Path, kind: EntryKind) {
        self.plant_node(path, Node::empty(kind));
    }

    /// Takes away what stands at a path, directories with all that is in them. Settles the disk. Nothing there is fine.
    pub fn uproot(&self, path: &Path) {
        self.change(|disk| {
            if let Ok((dir, name)) = disk.visible.parent(path)
                && let Some(entries) = disk.visible.entries_mut(dir)
            {
                entries.remove(&name);
            }
        });
    }

    /// All bytes of a file.
    pub fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let disk = self.lock_disk();
        let ino = super::calls::regular(&disk.visible, path)?;
        Ok(disk.visible.content(ino).map_or_else(Vec::new, Content::to_vec))
    }

    /// Every regular file with its bytes, by path.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let disk = self.lock_disk();
        let tree = disk.visible.tree();
        let mut files: Vec<_> =
            tree.into_iter().filter_map(|(path, ino)| Some((path, disk.visible.content(ino)?.to_vec()))).collect();
        files.sort();
        files
    }

    /// Everything but the root with what it is, by path.
    #[must_use]
    pub fn tree(&self) -> Vec<(PathBuf, EntryKind)> {
        let disk = self.lock_disk();
        let named = disk.visible.tree().into_iter().filter(|(_, ino)| *ino != ROOT);
        let mut tree: Vec<_> = named.map(|(path, ino)| (path, disk.visible.kind(ino))).collect();
        tree.sort_by(|a, b| a.0.cmp(&b.0));
        tree
    }

    /// Flips one bit (0 to 7) of a file, in place: files that are open show it. Settles the disk.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) {
        let mut byte = [0];
        assert_eq!(self.read_raw(path, offset, &mut byte), 1, "no byte at {offset} of {}", path.display());
        self.overwrite(path, offset, &[byte[0] ^ (1 << bit)]);
    }

    /// Overwrites bytes of a file, in place: files that are open show it. Grows the file if it must. Settles the disk.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) {
        self.damage(path, |content| content.write(offset, bytes));
    }

    /// Cuts a file, or grows it with zeros, in place. Settles the disk.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn truncate(&self, path: &Path, len: u64) {
        self.damage(path, |content| content.set_len(len));
    }

    /// An independent copy of the disk as programs see it, settled, with nothing open or locked and a new process: the
    /// cheap way to damage one image in many ways.
    #[must_use]
    pub fn copy(&self) -> SimVfs {
        let disk = self.lock_disk();
        let mut image = disk.visible.clone();
        image.sweep();
        let mut new = Disk::new(image, disk.now, disk.random, disk.capacity, disk.next_process);
        new.maps = disk.maps;
        new.into_vfs()
    }

    fn read_raw(&self, path: &Path, offset: u64, buf: &mut [u8]) -> usize {
        let disk = self.lock_disk();
        let ino = disk.visible.resolve(path);
        ino.ok().and_then(|ino| disk.visible.content(ino)).map_or(0, |content| content.read(buf, offset))
    }

    fn damage(&self, path: &Path, change: impl FnOnce(&mut Content)) {
        self.change(|disk| {
            let ino = super::calls::regular(&disk.visible, path).expect("a regular file to damage");
            change(disk.visible.content_mut(ino).expect("a regular file has content"));
        });
    }

    fn plant_node(&self, path: &Path, node: Node) {
        self.change(|disk| {
            let mut names: Vec<&OsStr> = path
                .components()
                .filter_map(|c| match c {
                    Component::Normal(name) => Some(name),
                    _ => None,
                })
                .collect();
            let last = names.pop().expect("a path with a name");
            let mut dir = ROOT;
            for name in names {
                let there = disk.visible.entries(dir).expect("a directory").get(name).copied();
                dir = there.unwrap_or_else(|| enter(disk, dir, name, Node::empty(EntryKind::Directory)));
            }
            enter(disk, dir, last, node);
        });
    }

    /// Changes the visible disk and lets a new history begin with the result.
    fn change(&self, change: impl FnOnce(&mut Disk)) {
        let mut disk = self.lock_disk();
        change(&mut disk);
        disk.settle();
    }
}

/// Adds an entry to a directory; gives the new inode.
fn enter(disk: &mut Disk, dir: Ino, name: &OsStr, node: Node) -> Ino {
    let ino = disk.visible.next_ino();
    disk.visible.set_node(ino, node);
    disk.visible.entries_mut(dir).expect("a directory").insert(Arc::from(name), ino);
    ino
}

impl Disk {
    fn settle(&mut self) {
        self.ops.clear();
        self.start = Cursor::new(self.visible.clone());
        self.probe = self.start.clone();
    }
}
