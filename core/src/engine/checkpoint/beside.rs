//! The accounts beside an index in a file of its own: the file `index.accounts` (FORMAT 12).
//!
//! Written behind each of the index's checkpoints, and of use only if it names the same place of the log as that. It is never synced: what is missing,
//! cut short or damaged costs whoever asks for the accounts first a count.

use std::path::Path;

use crate::error::{Error, Result};
use crate::format::accounts::AccountsHead;
use crate::format::names;
use crate::index::Covered;
use crate::vfs::{OpenMode, Vfs, read_full_at, write_all_at};

use super::super::store::Store;

impl Store {
    /// Writes the accounts of the moment that the index was just saved of.
    pub(super) fn keep_accounts(&self, covered: &Covered) {
        let _ = write(self.vfs.as_ref(), self.path(), covered, &self.accounts.encode());
    }
}

fn write(vfs: &dyn Vfs, dir: &Path, covered: &Covered, accounts: &[u8]) -> Result<()> {
    let path = dir.join(names::ACCOUNTS);
    let failed = |op, e| Error::io(op, &path, None, e);
    match vfs.remove(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed("remove", e)),
        _ => {}
    }
    let mut bytes = AccountsHead { covered: covered.0 }.encode(accounts).to_vec();
    bytes.extend_from_slice(accounts);
    let file = vfs.open(&path, OpenMode::CreateNew).map_err(|e| failed("create", e))?;
    write_all_at(file.as_ref(), &bytes, 0).map_err(|e| failed("write", e))
}

/// The accounts of the moment that an index goes to, if they are there and whole.
pub(crate) fn read_accounts(vfs: &dyn Vfs, dir: &Path, covered: &Covered) -> Option<Vec<u8>> {
    let file = vfs.open(&dir.join(names::ACCOUNTS), OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().ok()?).ok()?];
    if read_full_at(file.as_ref(), &mut bytes, 0).ok()? != bytes.len() {
        return None;
    }
    let (head, accounts) = AccountsHead::decode(&bytes)?;
    (head.covered == covered.0).then(|| accounts.to_vec())
}
