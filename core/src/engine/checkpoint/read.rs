//! Making an index of the file `index.checkpoint` (FORMAT 11).
//!
//! Reads the head, the table of checksums, the tail and the accounts, and verifies them; pages are fetched when the index asks for them, from a private
//! mapping or, where most of them are going to be changed at once, by reading. Nothing is believed that doesn't fit the file's length.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::checkpoint::{CheckpointHead, HEAD_LEN, KIND_BTREE, KIND_HASH, PAGES_START};
use crate::format::names;
use crate::index::btree::BTree;
use crate::index::hash::HashIndex;
use crate::index::image::{ImageHead, SavedImage};
use crate::index::saved::PageSource;
use crate::index::{Covered, Index, IndexKind, PIECE_PAGES};
use crate::types::IoKind;
use crate::util::page::{PAGE_SIZE, PageRun};
use crate::vfs::{OpenMode, Vfs, VfsFile, read_full_at};

/// An index that was saved.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) index: Box<dyn Index>,
    /// How far in the log it goes.
    pub(crate) covered: Covered,
    /// The accounts of the data files.
    pub(crate) accounts: Vec<u8>,
    /// So much follows in the log that most of it is going to be changed.
    pub(crate) is_behind: bool,
}

/// With a change to one of so many pages, or more, most are going to be changed at once. A tree's pages are then read into memory, by several threads: a
/// copy of each costs the one who makes the changes a fault and the lock of the process's memory. A table has half as many pages, and gains nothing.
const PAGES_FOR_A_CHANGE: u64 = 8;

/// Number of a kind in the file, if it can be saved there.
pub(super) fn number_of(kind: IndexKind) -> Option<u8> {
    match kind {
        IndexKind::BTree => Some(KIND_BTREE),
        IndexKind::Hash => Some(KIND_HASH),
        _ => None,
    }
}

/// The index that was saved; `None` if there is no file, or why it is of no use. `changes` tells about how many follow in the log behind what it goes
/// to, of an index of so many keys.
pub(crate) fn open(
    vfs: &dyn Vfs,
    dir: &Path,
    (kind, io): (IndexKind, IoKind),
    changes: impl Fn(&Covered, u64) -> u64,
) -> Result<Option<Opened>, String> {
    let Some(number) = number_of(kind) else { return Ok(None) };
    let path = dir.join(names::CHECKPOINT);
    let file = match vfs.open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    let mut bytes = [0; HEAD_LEN];
    read(file.as_ref(), &mut bytes, 0)?;
    let head = CheckpointHead::decode(&bytes)?;
    if head.kind != number {
        return Err(format!("it is of index kind {}, and not {number}", head.kind));
    }
    let pieces = u64::from(head.pages).div_ceil(PIECE_PAGES as u64);
    let tail_at = head.table_at() + 4 * pieces;
    let len = file.len().map_err(|e| e.to_string())?;
    let accounts_len = u64::from(head.accounts_len);
    if tail_at.checked_add(head.tail_len).and_then(|at| at.checked_add(accounts_len)) != Some(len) {
        return Err("it has not the length that its head says".into());
    }
    let table = part(file.as_ref(), head.table_at(), 4 * pieces, (head.nonce, head.table_crc))?;
    let tail = part(file.as_ref(), tail_at, head.tail_len, (head.nonce, head.tail_crc))?;
    let accounts = part(file.as_ref(), tail_at + head.tail_len, accounts_len, (head.nonce, head.accounts_crc))?;
    let covered = Covered(head.covered);
    let changes = changes(&covered, head.len);
    let is_behind = changes > 0 && changes >= u64::from(head.pages) / PAGES_FOR_A_CHANGE;
    let map = match io {
        IoKind::Mmap if !is_behind || kind != IndexKind::BTree => {
            file.map_private(PAGES_START, head.pages as usize).ok()
        }
        _ => None,
    };
    let threads = vfs.open_threads(u64::from(head.pages) * PAGE_SIZE as u64);
    let saved = SavedImage {
        head: ImageHead { len: head.len, pages: head.pages, own: head.own },
        nonce: head.nonce,
        sums: table.as_chunks::<4>().0.iter().map(|sum| u32::from_le_bytes(*sum)).collect(),
        source: Box::new(Source { file, path, map, threads }),
        tail,
    };
    let index: Box<dyn Index> = match kind {
        IndexKind::BTree => Box::new(BTree::resume(saved)?),
        IndexKind::Hash => Box::new(HashIndex::resume(saved)?),
        _ => return Ok(None),
    };
    Ok(Some(Opened { index, covered, accounts, is_behind }))
}

fn read(file: &dyn VfsFile, buf: &mut [u8], at: u64) -> Result<(), String> {
    match read_full_at(file, buf, at) {
        Ok(n) if n == buf.len() => Ok(()),
        Ok(_) => Err("it is cut short".into()),
        Err(e) => Err(e.to_string()),
    }
}

/// A part of the file whose checksum is known, which is less than the file.
fn part(file: &dyn VfsFile, at: u64, len: u64, (nonce, crc): (u64, u32)) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| "it is too large for this machine")?];
    read(file, &mut bytes, at)?;
    if super::sum(nonce, &bytes) == crc { Ok(bytes) } else { Err("a checksum is wrong".into()) }
}

/// The pages in the file.
#[derive(Debug)]
struct Source {
    file: Arc<dyn VfsFile>,
    path: PathBuf,
    /// All of them, if they are mapped.
    map: Option<PageRun>,
    threads: usize,
}

/// Pages that are read at once: what they are read into stays in the processor's cache.
const PAGES_AT_ONCE: usize = 16;

impl PageSource for Source {
    fn threads(&self) -> usize {
        self.threads
    }

    fn is_mapped(&self) -> bool {
        self.map.is_some()
    }

    fn fetch(&self, first: u32, count: usize) -> Result<PageRun> {
        let range = first as usize..first as usize + count;
        if let Some(map) = &self.map {
            return map.part(range).ok_or_else(|| self.damaged("pages are missing"));
        }
        let at = PAGES_START + u64::from(first) * PAGE_SIZE as u64;
        let (run, mut bytes) = (PageRun::zeroed(count), vec![0; PAGE_SIZE * count.min(PAGES_AT_ONCE)]);
        let mut at = at;
        for pages in run.chunks(PAGES_AT_ONCE) {
            let bytes = &mut bytes[..pages.len() * PAGE_SIZE];
            let read = read_full_at(self.file.as_ref(), bytes, at);
            if read.map_err(|e| Error::io("read", &self.path, Some(at), e))? < bytes.len() {
                return Err(self.damaged("the file is shorter than it was"));
            }
            for (page, bytes) in pages.iter().zip(bytes.as_chunks::<PAGE_SIZE>().0) {
                page.copy_from_bytes(bytes);
            }
            at += bytes.len() as u64;
        }
        Ok(run)
    }

    fn damaged(&self, what: &str) -> Error {
        Error::corrupted(&self.path, 0, format!("{what}; the index is made anew from the log"))
    }
}
