//! Point reads: the index, then one access to the log.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::log::{DataFile, Value, View};
use crate::types::{Location, Timestamp};

use super::files::{Table, TableGuard};
use super::store::Store;

/// The time that decides whether a record has expired.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Now,
    At(Timestamp),
}

impl Store {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.check_usable()?;
        let Some(location) = self.index.get(key)? else { return Ok(None) };
        self.value_at(location, key, When::Now, Vec::new())
    }

    pub(crate) fn get_into(&self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        self.check_usable()?;
        let Some(location) = self.index.get(key)? else { return Ok(None) };
        self.copy_at(location, key, When::Now, buf)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> Result<bool> {
        self.check_usable()?;
        Ok(self.index.get(key)?.is_some())
    }

    /// Length of a key's value, from the record's header. The value is not read.
    pub(crate) fn value_size(&self, key: &[u8]) -> Result<Option<u64>> {
        self.check_usable()?;
        let Some(location) = self.index.get(key)? else { return Ok(None) };
        self.size_at(location, key, When::Now)
    }

    /// The same of the record at a location, if that is the key's.
    pub(super) fn size_at(&self, location: Location, key: &[u8], when: When) -> Result<Option<u64>> {
        let Some((files, location)) = self.settle(location, key)? else { return Ok(None) };
        let file = self.file(&files, location)?;
        let mut scratch = Vec::new();
        let head = file.head(location, key.len(), &mut scratch)?;
        let header = head.header;
        if head.key != key || !header.kind.is_put() {
            // Damage of the key, or another key that an index without keys took for this one: the whole record tells.
            let view = file.view(location, true, &mut scratch)?;
            return Ok(self.holds_when(file, &view, key, when)?.then(|| view.value().len() as u64));
        }
        let expired = header.expiry.is_some_and(|expiry| self.time(when) >= expiry);
        Ok((!expired).then_some(u64::from(header.value_len)))
    }

    /// The key of a random record, each with the same chance.
    pub(crate) fn random_key(&self) -> Result<Option<Vec<u8>>> {
        self.check_usable()?;
        let random = self.random()?;
        let (mut scratch, mut misses) = (Vec::new(), 0);
        loop {
            self.check_usable()?;
            if self.index.is_empty() {
                return Ok(None);
            }
            let Some(location) = self.index.sample(&mut || random.next())? else { continue };
            let files = self.files.load();
            // A merge may have taken the file away since, and then there is another try.
            let file = match self.file(&files, location) {
                Err(error) if misses == MOST_MISSES => return Err(error),
                Err(_) => {
                    misses += 1;
                    continue;
                }
                Ok(file) => file,
            };
            misses = 0;
            let head = file.head(location, KEY_HINT, &mut scratch)?;
            if self.index.get(head.key)? == Some(location) {
                return Ok(Some(head.key.to_vec()));
            }
            // Written anew or deleted meanwhile, and then there is another try. Or damaged, which is told.
            file.view(location, true, &mut scratch)?;
        }
    }

    /// The value of the record at a location, if that is the key's. `scratch` becomes the value's where it has to be read.
    pub(super) fn value_at(
        &self,
        location: Location,
        key: &[u8],
        when: When,
        mut scratch: Vec<u8>,
    ) -> Result<Option<Value>> {
        let Some((files, location)) = self.settle(location, key)? else { return Ok(None) };
        let file = self.file(&files, location)?;
        let view = file.view(location, self.config.verify_checksums, &mut scratch)?;
        if !self.holds_when(file, &view, key, when)? {
            return Ok(None);
        }
        let (lent, range) = (file.lend(&view), view.value_range());
        Ok(Some(lent.unwrap_or_else(|| Value::owned(scratch, range))))
    }

    /// Copies the value of the record at a location as far as it fits, if that is the key's, and gives its length.
    pub(super) fn copy_at(&self, location: Location, key: &[u8], when: When, buf: &mut [u8]) -> Result<Option<usize>> {
        self.with_record(location, key, when, &mut Vec::new(), |view| {
            let value = view.value();
            if let Some(target) = buf.get_mut(..value.len()) {
                target.copy_from_slice(value);
            }
            value.len()
        })
    }

    /// Gives the record at a location, if that is the key's, to `take`.
    pub(super) fn with_record<R>(
        &self,
        location: Location,
        key: &[u8],
        when: When,
        scratch: &mut Vec<u8>,
        take: impl FnOnce(&View<'_>) -> R,
    ) -> Result<Option<R>> {
        let Some((files, location)) = self.settle(location, key)? else { return Ok(None) };
        let file = self.file(&files, location)?;
        let view = file.view(location, self.config.verify_checksums, scratch)?;
        Ok(if self.holds_when(file, &view, key, when)? { Some(take(&view)) } else { None })
    }

    /// The table with the file of a location that the index has just named for a key. A merge may have taken the file away since: then the
    /// index names another, and the record says the same, or a newer one does. `None` if the key is gone. A reader of a snapshot never comes
    /// to that, for it keeps the files.
    #[inline]
    fn settle(&self, location: Location, key: &[u8]) -> Result<Option<(TableGuard, Location)>> {
        let files = self.files.load();
        match files.get(location.file()) {
            Some(_) => Ok(Some((files, location))),
            None => self.settle_again(location, key),
        }
    }

    #[cold]
    fn settle_again(&self, mut location: Location, key: &[u8]) -> Result<Option<(TableGuard, Location)>> {
        loop {
            let Some(now) = self.index.get(key)? else { return Ok(None) };
            let files = self.files.load();
            // The index names what was there before the table was taken. A file that is not there any more it names no more.
            if files.get(now.file()).is_some() || now == location {
                return Ok(Some((files, now)));
            }
            location = now;
        }
    }

    pub(super) fn file<'a>(&self, files: &'a Table, location: Location) -> Result<&'a Arc<DataFile>> {
        files.get(location.file()).ok_or_else(|| {
            let path = DataFile::path_of(self.path(), location.file());
            Error::corrupted(&path, location.offset(), "the index names a data file that is not there")
        })
    }

    /// Whether a record is what the index said of this key. One that has expired counts as absent.
    fn holds_when(&self, file: &DataFile, view: &View<'_>, key: &[u8], when: When) -> Result<bool> {
        // The clock is asked only where it matters.
        let now = if view.header.expiry.is_some() { self.time(when) } else { Timestamp::default() };
        self.holds(file, view, key, now)
    }

    fn time(&self, when: When) -> Timestamp {
        match when {
            When::Now => self.vfs.now(),
            When::At(time) => time,
        }
    }

    /// The same as of a moment.
    pub(super) fn holds(&self, file: &DataFile, view: &View<'_>, key: &[u8], now: Timestamp) -> Result<bool> {
        if view.key() != key || !view.header.kind.is_put() {
            // An index that keeps no keys may take one key for another, with a chance of 2^-128.
            if !self.index.capabilities().keeps_keys && view.header.kind.is_put() {
                return Ok(false);
            }
            return Err(file.not_as_written(view.offset, "the record holds another key than the index says"));
        }
        Ok(view.header.expiry.is_none_or(|expiry| now < expiry))
    }
}

/// So often a file may be taken away under a random key before it is an error.
const MOST_MISSES: usize = 1000;

/// Bytes that are read with a record's header where the length of its key is not known.
pub(super) const KEY_HINT: usize = 220;
