//! Reading files of a simulated disk through mappings, where [`SimVfs::set_maps`] lets them be mapped.
//!
//! Each look copies the bytes, unless a copy that says the same is there: so a mapping shows the file as it is when it is looked at, and what was lent
//! before stays as it was. On a real machine it would change; nobody can tell the difference who keeps to the rule of [`Mapping::bytes`], and
//! asks for no bytes that are still written to.
//!
//! What is beyond the end of the file is a signal there for who touches it. Here it is [`BEYOND`], of which no record and no checksum is made.
//!
//! Invariant: a copy stays where it is, unchanged, as long as the mapping lives. Locking: the index of the copies first, then the disk.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::image::Ino;
use super::{Disk, SimVfs};
use crate::vfs::Mapping;

/// What stands beyond the end of the file.
const BEYOND: u8 = 0xA5;
/// A processor's page: the last one of a file can be touched to its end.
const PAGE: u64 = 4096;

impl SimVfs {
    /// Lets files be mapped, or not, which is how a disk begins: what is read through a mapping is no operation that could be made to fail.
    /// Disks that are made of this one do the same.
    pub fn set_maps(&self, yes: bool) {
        self.lock_disk().maps = yes;
    }
}

/// Maps a file.
pub(super) fn map(disk: &Arc<Mutex<Disk>>, ino: Ino, len: u64) -> io::Result<Arc<dyn Mapping>> {
    if !disk.lock().maps {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(Arc::new(SimMapping { disk: Arc::clone(disk), ino, len, latest: Mutex::default(), copies: Copies::default() }))
}

struct SimMapping {
    disk: Arc<Mutex<Disk>>,
    ino: Ino,
    len: u64,
    /// The number of copies, and which is the last of those that begin at an offset.
    latest: Mutex<(usize, HashMap<u64, usize>)>,
    copies: Copies,
}

impl SimMapping {
    /// Whether this range is in the mapping.
    fn has(&self, offset: u64, len: usize) -> bool {
        offset.checked_add(len as u64).is_some_and(|end| end <= self.len)
    }
}

impl Mapping for SimMapping {
    fn bytes(&self, offset: u64, len: usize) -> Option<&[u8]> {
        if !self.has(offset, len) {
            return None;
        }
        let mut latest = self.latest.lock();
        let (count, by_offset) = &mut *latest;
        let mut now = vec![BEYOND; len];
        if let Some(content) = self.disk.lock().visible.content(self.ino) {
            content.read(&mut now, offset);
        }
        let last = by_offset.get(&offset).and_then(|&i| self.copies.get(i)?.get(..len));
        if last == Some(&now[..]) {
            return last;
        }
        by_offset.insert(offset, *count);
        *count += 1;
        Some(self.copies.put(*count - 1, now.into()))
    }

    fn make_ready(&self, offset: u64, len: usize) -> bool {
        let end = self.disk.lock().visible.content(self.ino).map_or(0, |content| content.len());
        self.has(offset, len) && offset + len as u64 <= end.next_multiple_of(PAGE)
    }
}

impl fmt::Debug for SimMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimMapping").field("ino", &self.ino).field("len", &self.len).finish_non_exhaustive()
    }
}

type Shelf = Box<[OnceLock<Box<[u8]>>]>;

/// Bytes by number, which are lent out as long as this lives: on shelves, each with twice the places of the one before, so that none ever moves.
#[derive(Default)]
struct Copies {
    shelves: [OnceLock<Shelf>; 32],
}

impl Copies {
    /// Shelf, place on it, and how many that has.
    fn place(i: usize) -> (usize, usize, usize) {
        let size = 1 << (i + 1).ilog2();
        ((i + 1).ilog2() as usize, i + 1 - size, size)
    }

    fn get(&self, i: usize) -> Option<&[u8]> {
        let (shelf, at, _) = Copies::place(i);
        Some(self.shelves.get(shelf)?.get()?.get(at)?.get()?)
    }

    fn put(&self, i: usize, bytes: Box<[u8]>) -> &[u8] {
        let (shelf, at, size) = Copies::place(i);
        let shelf = self.shelves[shelf].get_or_init(|| (0..size).map(|_| OnceLock::new()).collect());
        shelf[at].get_or_init(|| bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::vfs::{OpenMode, Vfs, VfsFile, write_all_at};

    fn new(sim: &SimVfs) -> Arc<dyn VfsFile> {
        sim.open(Path::new("/f"), OpenMode::CreateNew).expect("a new file")
    }

    #[test]
    fn a_mapping_shows_what_is_written_later_and_what_was_lent_stays() {
        let sim = SimVfs::new(1);
        let file = new(&sim);
        assert_eq!(file.map(10).expect_err("nobody asked for it").kind(), io::ErrorKind::Unsupported);
        sim.set_maps(true);
        write_all_at(&*file, b"hello", 3).expect("a write");
        let map = file.map(1 << 20).expect("a mapping");
        let hello = map.bytes(3, 5).expect("it is mapped");
        assert_eq!(hello, b"hello");
        assert!(std::ptr::eq(hello, map.bytes(3, 5).expect("it is mapped")), "copied without need");
        write_all_at(&*file, b"HE", 3).expect("a write");
        assert_eq!((hello, map.bytes(3, 3)), (&b"hello"[..], Some(&b"HEl"[..])));
        write_all_at(&*file, b"later", 100).expect("a write");
        assert_eq!(map.bytes(99, 6), Some(&b"\0later"[..]));
        // Many that stay where they are.
        let lent: Vec<_> = (0..90).map(|at| map.bytes(at, 9).expect("it is mapped")).collect();
        for (at, lent) in lent.into_iter().enumerate() {
            assert_eq!(lent, &sim.bytes(Path::new("/f")).expect("bytes")[at..at + 9]);
        }
    }

    #[test]
    fn what_is_beyond_is_not_there() {
        let sim = SimVfs::new(1);
        sim.set_maps(true);
        let file = new(&sim);
        write_all_at(&*file, b"hello", 0).expect("a write");
        let map = file.map(1 << 20).expect("a mapping");
        assert_eq!(map.bytes(4, 2), Some(&[b'o', BEYOND][..]));
        assert_eq!(map.bytes((1 << 20) - 1, 2), None);
        assert_eq!(map.bytes(u64::MAX, 2), None);
        assert_eq!(map.bytes(3, usize::MAX), None);
        assert!(map.make_ready(0, PAGE as usize) && !map.make_ready(0, PAGE as usize + 1));
        assert!(!map.make_ready(u64::MAX, 1));
    }

    #[test]
    fn a_file_without_a_name_stays_mapped_and_later_disks_map_too() {
        let sim = SimVfs::new(1);
        sim.set_maps(true);
        let file = new(&sim);
        write_all_at(&*file, b"hello", 0).expect("a write");
        let map = file.map(5).expect("a mapping");
        for later in [sim.copy(), sim.kill(), sim.crash(sim.op_count(), &super::super::CrashChoice::KeepAll)] {
            let file = later.open(Path::new("/f"), OpenMode::Read).expect("it is there");
            assert_eq!(file.map(5).expect("a mapping").bytes(0, 5), Some(&b"hello"[..]));
        }
        sim.remove(Path::new("/f")).expect("it is removed");
        drop(file);
        assert_eq!(map.bytes(0, 5), Some(&b"hello"[..]));
    }
}
