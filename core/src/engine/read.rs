//! Point reads: the index, then one access to the log.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::index::below;
use crate::log::{DataFile, Value, View};
use crate::types::{Location, Timestamp, Ttl};

use super::cursor::{Cursor, CursorOptions};
use super::files::{Table, TableGuard};
use super::page::EntryPage;
use super::store::{Random, Store};

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
        let Some(location) = self.index.get(key)? else { return Ok(false) };
        self.is_alive(location, key, When::Now)
    }

    /// Whether the record that the index has just named for a key has not expired. Looks at it only where one may have.
    #[inline]
    pub(super) fn is_alive(&self, location: Location, key: &[u8], when: When) -> Result<bool> {
        if !self.expiry.is_possible() {
            return Ok(true);
        }
        Ok(self.life_at(location, key, when)?.is_some())
    }

    /// How long a key is left.
    pub(crate) fn ttl(&self, key: &[u8]) -> Result<Ttl> {
        self.check_usable()?;
        let Some(location) = self.index.get(key)? else { return Ok(Ttl::NoKey) };
        let now = self.vfs.now();
        let life = self.life_at(location, key, When::At(now))?;
        Ok(life.map_or(Ttl::NoKey, |life| Ttl::until(life.end, now)))
    }

    /// Length of a key's value, from the record's header. The value is not read.
    pub(crate) fn value_size(&self, key: &[u8]) -> Result<Option<u64>> {
        self.check_usable()?;
        let Some(location) = self.index.get(key)? else { return Ok(None) };
        self.size_at(location, key, When::Now)
    }

    /// The same of the record at a location, if that is the key's.
    pub(super) fn size_at(&self, location: Location, key: &[u8], when: When) -> Result<Option<u64>> {
        Ok(self.life_at(location, key, when)?.map(|life| life.value_len))
    }

    /// What its header says of the record at a location, if that is the key's and has not expired.
    pub(super) fn life_at(&self, location: Location, key: &[u8], when: When) -> Result<Option<Life>> {
        let Some((files, location)) = self.settle(location, key)? else { return Ok(None) };
        let file = self.file(&files, location)?;
        let mut scratch = Vec::new();
        let head = file.head(location, key.len(), &mut scratch)?;
        let header = head.header;
        if head.key != key || !header.kind.is_put() {
            // Damage of the key, or another key that an index without keys took for this one: the whole record tells.
            let view = file.view(location, true, &mut scratch)?;
            let life = Life { value_len: view.value().len() as u64, end: self.expiry.end_of(&view) };
            return Ok(self.holds_when(file, &view, key, when)?.then_some(life));
        }
        let life = Life { value_len: header.value_len.into(), end: self.expiry.end_of_header(&header) };
        Ok((!self.is_over(life.end, when)).then_some(life))
    }

    /// The key of a random record, each with the same chance.
    pub(crate) fn random_key(self: &Arc<Self>) -> Result<Option<Vec<u8>>> {
        self.check_usable()?;
        let random = self.random()?;
        let (mut scratch, mut misses, mut expired) = (Vec::new(), 0, 0);
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
                if !self.is_over(self.expiry.end_of_header(&head.header), When::Now) {
                    return Ok(Some(head.key.to_vec()));
                }
                expired += 1;
                if expired == MOST_EXPIRED {
                    return self.random_key_of_all(random);
                }
                continue;
            }
            // Written anew or deleted meanwhile, and then there is another try. Or damaged, which is told.
            file.view(location, true, &mut scratch)?;
        }
    }

    /// The same where nearly all keys that the index has have expired: goes through all.
    fn random_key_of_all(self: &Arc<Self>, random: &Random) -> Result<Option<Vec<u8>>> {
        let mut keys = Cursor::new(self, CursorOptions { keys_only: true, ..CursorOptions::all() })?;
        let (mut page, mut seen, mut chosen) = (EntryPage::new(), 0, None);
        loop {
            keys.next_page(&mut page, 1024, usize::MAX)?;
            if page.is_empty() {
                return Ok(chosen);
            }
            for (key, _) in page.iter() {
                seen += 1;
                // Each so far is the one with the same chance.
                if below(random.next(), seen) == 0 {
                    chosen = Some(key.to_vec());
                }
            }
        }
    }

    /// The value of the record at a location, if that is the key's. `scratch` becomes the value's where it has to be read.
    pub(super) fn value_at(
        &self,
        location: Location,
        key: &[u8],
        when: When,
        scratch: Vec<u8>,
    ) -> Result<Option<Value>> {
        Ok(self.record_at(location, key, when, scratch, |_| ())?.map(|(value, ())| value))
    }

    /// The same, with what `more` makes of the record.
    #[inline]
    pub(super) fn record_at<R>(
        &self,
        location: Location,
        key: &[u8],
        when: When,
        mut scratch: Vec<u8>,
        more: impl FnOnce(&View<'_>) -> R,
    ) -> Result<Option<(Value, R)>> {
        let Some((files, location)) = self.settle(location, key)? else { return Ok(None) };
        let file = self.file(&files, location)?;
        let view = file.view(location, self.config.verify_checksums, &mut scratch)?;
        if !self.holds_when(file, &view, key, when)? {
            return Ok(None);
        }
        let (lent, range, more) = (file.lend(&view), view.value_range(), more(&view));
        Ok(Some((lent.unwrap_or_else(|| Value::owned(scratch, range)), more)))
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
    pub(super) fn holds_when(&self, file: &DataFile, view: &View<'_>, key: &[u8], when: When) -> Result<bool> {
        if view.key() != key || !view.header.kind.is_put() {
            // An index that keeps no keys may take one key for another, with a chance of 2^-128.
            if !self.index.capabilities().keeps_keys && view.header.kind.is_put() {
                return Ok(false);
            }
            return Err(file.not_as_written(view.offset, "the record holds another key than the index says"));
        }
        Ok(!self.is_over(self.expiry.end_of(view), when))
    }

    /// Whether what ends then, if ever, has ended. The clock is asked only where it matters.
    #[inline]
    fn is_over(&self, end: Option<Timestamp>, when: When) -> bool {
        end.is_some_and(|end| end <= self.time(when))
    }

    pub(super) fn time(&self, when: When) -> Timestamp {
        match when {
            When::Now => self.vfs.now(),
            When::At(time) => time,
        }
    }
}

/// What is known of a record that has not expired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) value_len: u64,
    /// From when on it counts as absent.
    pub(super) end: Option<Timestamp>,
}

impl Ttl {
    /// The time left of what ends then.
    pub(super) fn until(end: Option<Timestamp>, now: Timestamp) -> Ttl {
        match end {
            Some(end) => Ttl::Remaining(Duration::from_millis(end.0.saturating_sub(now.0))),
            None => Ttl::NoExpiry,
        }
    }
}

/// So many records of those drawn may have expired before all are gone through.
const MOST_EXPIRED: usize = 64;
/// So often a file may be taken away under a random key before it is an error.
const MOST_MISSES: usize = 1000;

/// Bytes that are read with a record's header where the length of its key is not known.
pub(super) const KEY_HINT: usize = 220;
