//! The quick way to read the records of a page: a loop over those that need no second look.
//!
//! It passes no judgement: where a record is none of these (damaged, gone, copied, of another key, one that may expire) the loop ends before it, and
//! who called it reads it anew and says what it is. It knows nothing of snapshots and takes no lock; the table of files that [`Ahead`] holds
//! keeps mapped what is lent.

use crate::index::KeyPage;
use crate::types::Location;

use super::ahead::Ahead;
use super::page::EntryPage;
use super::unordered::SortedKeys;

/// Entries by position, as the index gave them or all of them sorted.
pub(super) trait Entries {
    fn get(&self, i: usize) -> Option<(&[u8], Location)>;

    #[inline]
    fn location(&self, i: usize) -> Option<Location> {
        self.get(i).map(|(_, location)| location)
    }
}

impl Entries for KeyPage {
    #[inline]
    fn get(&self, i: usize) -> Option<(&[u8], Location)> {
        KeyPage::get(self, i)
    }

    // Without a look at the key.
    #[inline]
    fn location(&self, i: usize) -> Option<Location> {
        KeyPage::location(self, i)
    }
}

impl Entries for SortedKeys {
    #[inline]
    fn get(&self, i: usize) -> Option<(&[u8], Location)> {
        SortedKeys::get(self, i)
    }
}

/// Reading of records that are what nearly all are: lent from a mapping, valid, of the key that the index says, and without an end.
pub(super) struct Quick {
    /// Position behind the last entry to read.
    pub(super) end: usize,
    pub(super) max_bytes: usize,
    pub(super) verify: bool,
    pub(super) is_by_age: bool,
}

impl Quick {
    /// Appends records from the one at `at` on, until the page is full or one is none of these; says how many.
    pub(super) fn read<'a>(
        &self,
        entries: &impl Entries,
        at: usize,
        ahead: &mut Ahead<'a>,
        out: &mut EntryPage,
    ) -> usize {
        let mut i = at;
        while i < self.end && (out.is_empty() || out.byte_len() < self.max_bytes) {
            let Some((file, asked)) = ahead.get(i, self.end, |i| entries.location(i)) else { break };
            // Verified once, by who asks for its age; those behind it are asked for by now.
            if self.is_by_age {
                break;
            }
            let Some(view) = file.view_asked(asked, self.verify) else { break };
            if view.header.expiry.is_some() || entries.get(i).is_none_or(|(key, _)| key != view.key()) {
                break;
            }
            out.take(file, &view);
            i += 1;
        }
        i - at
    }
}
