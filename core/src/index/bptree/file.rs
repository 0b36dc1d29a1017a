//! The file of the tree: pages by number, and the checkpoints.
//!
//! Nothing that is read from it is believed before its checksum, which depends on the file, the page's number and the page's
//! stamp; a page that passes lies wholly within itself ([`Page::check`]).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::vfs::{EntryKind, OpenMode, Vfs, VfsFile, read_full_at, write_all_at};

use super::meta::Meta;
use super::page::{MAP, PAGE_SIZE, Page, Ptr};
use super::space::{Bits, FIRST_PAGE};

/// Neighbouring pages that are written with one call, at most.
const WRITE_PAGES: usize = 64;

/// An open file.
#[derive(Debug)]
pub(super) struct IndexFile {
    file: Arc<dyn VfsFile>,
    path: PathBuf,
    nonce: u64,
}

/// Why a file is not used: there is none, or a reason.
pub(super) type Unusable = Option<String>;

impl IndexFile {
    /// Makes a new file in the place of whatever file has the name. What is no file stays, and there is an error.
    pub(super) fn create(vfs: &dyn Vfs, path: &Path) -> Result<IndexFile> {
        if matches!(vfs.entry_kind(path), Ok(EntryKind::File)) {
            remove(vfs, path)?;
        }
        let mut nonce = [0; 8];
        vfs.random(&mut nonce).map_err(|e| Error::io("random", path, None, e))?;
        let file = vfs.open(path, OpenMode::CreateNew).map_err(|e| Error::io("create", path, None, e))?;
        Ok(IndexFile { file, path: path.to_owned(), nonce: u64::from_le_bytes(nonce) })
    }

    /// Opens the file and reads its newest checkpoint.
    pub(super) fn open(vfs: &dyn Vfs, path: &Path) -> Result<(IndexFile, Meta), Unusable> {
        let failed = |e: std::io::Error| Some(e.to_string());
        let file = match vfs.open(path, OpenMode::ReadWrite) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(None),
            Err(e) => return Err(failed(e)),
        };
        let mut newest: Option<Meta> = None;
        for no in 0..FIRST_PAGE {
            let mut page = [0; PAGE_SIZE];
            let got = read_full_at(file.as_ref(), &mut page, offset(no)).map_err(failed)?;
            if let Some(meta) = Meta::decode(&page[..got], no).map_err(Some)? {
                if newest.as_ref().is_some_and(|other| other.nonce != meta.nonce) {
                    return Err(Some("its two checkpoints are of two files".into()));
                }
                newest = newest.filter(|other| other.generation > meta.generation).or(Some(meta));
            }
        }
        let meta = newest.ok_or_else(|| Some("it has no valid checkpoint".to_owned()))?;
        if file.len().map_err(failed)? < offset(meta.pages) {
            return Err(Some("it is shorter than its checkpoint says".into()));
        }
        Ok((IndexFile { file, path: path.to_owned(), nonce: meta.nonce }, meta))
    }

    pub(super) fn nonce(&self) -> u64 {
        self.nonce
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Damage of a page.
    pub(super) fn damaged(&self, no: u32, what: &str) -> Error {
        Error::corrupted(
            &self.path,
            offset(no),
            format!("{what}; it is rebuilt from the log when the store is opened again"),
        )
    }

    /// Reads the page that this names.
    pub(super) fn read(&self, ptr: Ptr) -> Result<Page> {
        let page = self.read_any(ptr.no())?;
        if page.stamp() as u32 != ptr.stamp() {
            return Err(self.damaged(ptr.no(), "another version of the index page than the tree names"));
        }
        Ok(page)
    }

    /// Reads whatever page has this number.
    pub(super) fn read_any(&self, no: u32) -> Result<Page> {
        let mut page = Page::zeroed();
        let got = read_full_at(self.file.as_ref(), &mut page.bytes, offset(no))
            .map_err(|e| Error::io("read", &self.path, Some(offset(no)), e))?;
        if got < PAGE_SIZE {
            return Err(self.damaged(no, "the file ends before the index page does"));
        }
        if page.crc() != page.expected_crc(self.nonce, no) {
            return Err(self.damaged(no, "the checksum of the index page is wrong"));
        }
        page.check().map_err(|what| self.damaged(no, what))?;
        Ok(page)
    }

    /// Writes pages, which have ascending numbers, neighbours together. Says after each piece how many are written.
    pub(super) fn write(&self, pages: &[(u32, Arc<Page>)], mut written: impl FnMut(&[(u32, Arc<Page>)])) -> Result<()> {
        let mut buf = Vec::new();
        for piece in pages.chunk_by(|a, b| a.0 + 1 == b.0).flat_map(|run| run.chunks(WRITE_PAGES)) {
            buf.clear();
            for (no, page) in piece {
                let begin = buf.len();
                buf.extend_from_slice(&page.bytes);
                let crc = page.expected_crc(self.nonce, *no);
                buf[begin..begin + 4].copy_from_slice(&crc.to_le_bytes());
            }
            let at = offset(piece[0].0);
            write_all_at(self.file.as_ref(), &buf, at).map_err(|e| Error::io("write", &self.path, Some(at), e))?;
            written(piece);
        }
        Ok(())
    }

    pub(super) fn write_meta(&self, meta: &Meta) -> Result<()> {
        let at = offset((meta.generation & 1) as u32);
        write_all_at(self.file.as_ref(), &meta.encode(), at).map_err(|e| Error::io("write", &self.path, Some(at), e))
    }

    /// Takes the checkpoint before this one away, whose pages may be given out from now on: should this one be damaged one day, the
    /// older must not be taken for a tree that is still there.
    ///
    /// REQUIRES: this one is on stable storage. Needs no sync and may fail, for nobody looks at the other while this one is whole.
    pub(super) fn clear_other(&self, meta: &Meta) {
        let _ = write_all_at(self.file.as_ref(), &[0; PAGE_SIZE], offset((meta.generation & 1) as u32 ^ 1));
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io("sync", &self.path, None, e))
    }

    /// Gives space behind this many pages back. Only saves space, so it may fail.
    pub(super) fn trim(&self, pages: u32) {
        if self.file.len().is_ok_and(|len| len > offset(pages) + offset(64).max(offset(pages) / 8)) {
            let _ = self.file.set_len(offset(pages));
        }
    }

    /// The set of pages that a checkpoint's tree uses; and the same with the pages of the set itself.
    pub(super) fn read_map(&self, meta: &Meta) -> Result<(Bits, Bits)> {
        let (mut bytes, mut own, mut at) = (Vec::new(), Vec::new(), meta.map);
        while at != Ptr::NONE {
            let page = self.read(at)?;
            if page.kind() != MAP || at.no() >= meta.pages || bytes.len() as u64 * 8 > u64::from(meta.pages) {
                return Err(self.damaged(at.no(), "the set of index pages in use is none"));
            }
            bytes.extend_from_slice(page.content());
            own.push(at.no());
            at = page.first();
        }
        let used = Bits::from_bytes(&bytes);
        if used.end() > meta.pages {
            return Err(self.damaged(meta.map.no(), "the set of index pages in use has pages that are not there"));
        }
        let mut durable = used.clone();
        own.into_iter().for_each(|no| durable.set(no));
        Ok((used, durable))
    }
}

/// Removes the file of this name, if there is one.
pub(super) fn remove(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    match vfs.remove(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", path, None, e)),
        _ => Ok(()),
    }
}

/// Where a page is.
pub(super) fn offset(no: u32) -> u64 {
    u64::from(no) * PAGE_SIZE as u64
}
