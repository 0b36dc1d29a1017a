//! Walks over the keys of an ordered index as it is while they go on.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::index::{Direction, KeyPage, Start};

use super::store::Store;

impl Store {
    /// Gives the index's entries from `start` on, ascending, in pages of `size`, until `each` has enough. Between two pages the index may change: what is
    /// there all the time is given once.
    ///
    /// REQUIRES: the index is ordered.
    pub(super) fn for_each_page(
        &self,
        start: Start<'_>,
        size: usize,
        mut each: impl FnMut(&KeyPage) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (mut page, mut last) = (KeyPage::new(), None::<Vec<u8>>);
        loop {
            page.clear();
            let from = last.as_ref().map_or(start, |key| Start::After(key));
            self.index.scan(from, Direction::Forward, size, &mut page)?;
            if each(&page)?.is_break() {
                return Ok(());
            }
            match page.last() {
                Some((key, _)) if page.len() == size => key.clone_into(last.get_or_insert_default()),
                _ => return Ok(()),
            }
        }
    }
}
