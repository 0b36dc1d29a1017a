//! Writing the file `index.checkpoint` (FORMAT 11): under another name, and renamed when all of it is on stable storage.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::format::checkpoint::{CheckpointHead, PAGES_START};
use crate::format::names;
use crate::index::image::{ImageHead, Imaged};
use crate::index::saved::piece_sum;
use crate::index::{Covered, PIECE_PAGES};
use crate::log::SyncGate;
use crate::util::page::PAGE_SIZE;
use crate::vfs::{OpenMode, Vfs, VfsFile, write_all_at};

use super::read::number_of;

/// Saves an image that has begun. `sync_log` brings the log to stable storage up to the place that `covered` names at least. Gives
/// up when it is told to.
pub(super) fn write(
    (vfs, dir, syncs): (&dyn Vfs, &Path, &SyncGate),
    image: &dyn Imaged,
    head: &ImageHead,
    covered: &Covered,
    accounts: &[u8],
    sync_log: impl FnOnce() -> Result<()>,
    stop: &AtomicBool,
) -> Result<()> {
    let temp = dir.join(names::temp(names::CHECKPOINT));
    let outcome = write_temp(vfs, &temp, image, head, (covered, accounts), stop).and_then(|()| {
        sync_log()?;
        let path = dir.join(names::CHECKPOINT);
        vfs.rename(&temp, &path).map_err(|e| Error::io("rename", &path, None, e))
    });
    if outcome.is_err() {
        let _ = vfs.remove(&temp);
        return outcome;
    }
    // Nothing relies on it but the time that an opening takes; that the directory could not be synced concerns others, and they hear of it.
    syncs.sync_dir(vfs, dir)
}

fn write_temp(
    vfs: &dyn Vfs,
    path: &Path,
    image: &dyn Imaged,
    head: &ImageHead,
    (covered, accounts): (&Covered, &[u8]),
    stop: &AtomicBool,
) -> Result<()> {
    match vfs.remove(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io("remove", path, None, e)),
        _ => {}
    }
    let Some(kind) = number_of(image.kind()) else {
        return Err(Error::Internal { what: "an image of a kind that is not saved".into() });
    };
    let mut nonce = [0; 8];
    vfs.random(&mut nonce).map_err(|e| Error::io("random", path, None, e))?;
    let nonce = u64::from_le_bytes(nonce);
    let file = vfs.open(path, OpenMode::CreateNew).map_err(|e| Error::io("create", path, None, e))?;
    let out = Out { file: file.as_ref(), path, stop };
    let table = out.pages(image, head.pages, nonce)?;
    let mut head = CheckpointHead {
        kind,
        nonce,
        len: head.len,
        pages: head.pages,
        table_crc: super::sum(nonce, &table),
        tail_len: 0,
        tail_crc: 0,
        own: head.own,
        covered: covered.0,
        accounts_len: 0,
        accounts_crc: 0,
    };
    out.put(&table, head.table_at())?;
    let tail_at = head.table_at() + table.len() as u64;
    (head.tail_len, head.tail_crc) = out.tail(image, nonce, tail_at)?;
    // None are believed where they would not be of the number of keys.
    let accounts = if u32::try_from(accounts.len()).is_ok() { accounts } else { &[] };
    (head.accounts_len, head.accounts_crc) = (accounts.len() as u32, super::sum(nonce, accounts));
    out.put(accounts, tail_at + head.tail_len)?;
    // The rest of its page is zeros, as no byte of it was ever written.
    out.put(&head.encode(), 0)?;
    file.sync_data().map_err(|e| Error::io("sync", path, None, e))
}

/// The file that is being written.
struct Out<'a> {
    file: &'a dyn VfsFile,
    path: &'a Path,
    stop: &'a AtomicBool,
}

impl Out<'_> {
    fn put(&self, bytes: &[u8], at: u64) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        write_all_at(self.file, bytes, at).map_err(|e| Error::io("write", self.path, Some(at), e))
    }

    /// Writes the pages; gives the table of their checksums.
    fn pages(&self, image: &dyn Imaged, pages: u32, nonce: u64) -> Result<Vec<u8>> {
        let (mut table, mut buf) = (Vec::new(), Vec::new());
        for (piece, first) in (0..pages).step_by(PIECE_PAGES).enumerate() {
            let count = (PIECE_PAGES as u32).min(pages - first);
            buf.clear();
            image.image_pages(first, count, &mut buf);
            if buf.len() != count as usize * PAGE_SIZE {
                return Err(Error::Internal { what: "an image of an index lacks pages".into() });
            }
            let mut sum = piece_sum(nonce, piece as u32);
            sum.update(&buf);
            table.extend_from_slice(&sum.finalize().to_le_bytes());
            // Nothing but free pages is left out: the file is zeros there.
            if buf.iter().any(|&byte| byte != 0) {
                self.put(&buf, PAGES_START + u64::from(first) * PAGE_SIZE as u64)?;
            }
        }
        Ok(table)
    }

    /// Writes the tail; gives its length and checksum.
    fn tail(&self, image: &dyn Imaged, nonce: u64, at: u64) -> Result<(u64, u32)> {
        let (mut sum, mut len, mut buf) = (crc32fast::Hasher::new(), 0, Vec::new());
        sum.update(&nonce.to_le_bytes());
        loop {
            buf.clear();
            let more = image.image_tail(&mut buf);
            sum.update(&buf);
            self.put(&buf, at + len)?;
            len += buf.len() as u64;
            if !more {
                return Ok((len, sum.finalize()));
            }
        }
    }
}
