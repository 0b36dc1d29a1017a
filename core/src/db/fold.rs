//! Folds: all records, or keys, of one moment through a function. The words of the first Bitcask.

use crate::error::Result;

use super::{Db, EntryPage, IterOptions};

/// Records and bytes fetched at once.
const PAGE: (usize, usize) = (1024, 256 << 10);

impl Db {
    /// Goes through the records that the options say, as of one moment and in their order: calls `f` with what it gave for the record before (`init`
    /// for the first), and the record's key and value, and gives what it gave last. Both are lent for the call. The store may be read and
    /// written in it.
    ///
    /// # Errors
    /// As [`Db::iter`], and [`Iter::next_page`](crate::Iter::next_page).
    pub fn fold<A>(&self, options: &IterOptions, init: A, mut f: impl FnMut(A, &[u8], &[u8]) -> A) -> Result<A> {
        let (mut records, mut page, mut so_far) = (self.iter(options)?, EntryPage::new(), init);
        loop {
            records.next_page(&mut page, PAGE.0, PAGE.1)?;
            if page.is_empty() {
                return Ok(so_far);
            }
            for (key, value) in page.iter() {
                so_far = f(so_far, key, value);
            }
        }
    }

    /// [`Db::fold`] over keys alone; values are not read.
    ///
    /// # Errors
    /// As [`Db::fold`].
    pub fn fold_keys<A>(&self, options: &IterOptions, init: A, mut f: impl FnMut(A, &[u8]) -> A) -> Result<A> {
        self.fold(&options.clone().keys_only(true), init, |so_far, key, _| f(so_far, key))
    }
}
