//! Point reads: the index, then one access to the log.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::log::{DataFile, Value, View};
use crate::types::{Location, Timestamp};

use super::store::Store;

impl Store {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.check_usable()?;
        let Some(location) = self.index.get(key)? else { return Ok(None) };
        let file = self.file(location)?;
        let mut scratch = Vec::new();
        let view = file.view(location, self.config.verify_checksums, &mut scratch)?;
        if !self.holds_now(&file, &view, key)? {
            return Ok(None);
        }
        let (range, offset, mapped) = (view.value_range(), view.offset, view.mapped);
        Ok(Some(file.keep_value(range, offset, mapped, scratch)))
    }

    pub(crate) fn get_into(&self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        self.check_usable()?;
        let Some(location) = self.index.get(key)? else { return Ok(None) };
        let file = self.file(location)?;
        let mut scratch = Vec::new();
        let view = file.view(location, self.config.verify_checksums, &mut scratch)?;
        if !self.holds_now(&file, &view, key)? {
            return Ok(None);
        }
        let value = view.value();
        if let Some(target) = buf.get_mut(..value.len()) {
            target.copy_from_slice(value);
        }
        Ok(Some(value.len()))
    }

    pub(crate) fn contains(&self, key: &[u8]) -> Result<bool> {
        self.check_usable()?;
        Ok(self.index.get(key)?.is_some())
    }

    pub(super) fn file(&self, location: Location) -> Result<Arc<DataFile>> {
        self.files.get(location.file()).ok_or_else(|| {
            let path = DataFile::path_of(self.path(), location.file());
            Error::corrupted(&path, location.offset(), "the index names a data file that is not there")
        })
    }

    /// Whether a record is what the index said of this key. One that has expired counts as absent.
    fn holds_now(&self, file: &DataFile, view: &View<'_>, key: &[u8]) -> Result<bool> {
        // The clock is asked only where it matters.
        let now = if view.header.expiry.is_some() { self.vfs.now() } else { Timestamp::default() };
        self.holds(file, view, key, now)
    }

    /// The same as of a moment.
    pub(super) fn holds(&self, file: &DataFile, view: &View<'_>, key: &[u8], now: Timestamp) -> Result<bool> {
        if view.key() != key || !view.header.kind.is_put() {
            // An index that keeps no keys may take one key for another, with a chance of 2^-128.
            if !self.index.capabilities().keeps_keys && view.header.kind.is_put() {
                return Ok(false);
            }
            return Err(Error::corrupted(file.path(), view.offset, "the record holds another key than the index says"));
        }
        Ok(view.header.expiry.is_none_or(|expiry| now < expiry))
    }
}
