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
    ///
    /// All of it is one loop, so that what is found out of a record stays in registers: what is written to memory in parts and read as a whole
    /// has the processor wait for all records before.
    pub(super) fn read(&self, entries: &impl Entries, at: usize, ahead: &mut Ahead<'_>, out: &mut EntryPage) -> usize {
        let mut i = at;
        while i < self.end && (out.is_empty() || out.byte_len() < self.max_bytes) {
            ahead.ask(i, self.end, |i| entries.location(i));
            // Verified once, by who asks for its age; those behind it are asked for by now.
            if self.is_by_age {
                break;
            }
            let Some((key, location)) = entries.get(i) else { break };
            let Some(lane) = ahead.lane(location.file()) else { break };
            let Some(plain) = lane.records.plain(location, self.verify) else { break };
            if !is_same(key, plain.key()) {
                break;
            }
            let Some(lender) = lane.lender(out) else { break };
            out.lend(lender, &plain);
            i += 1;
        }
        i - at
    }
}

/// Whether two keys are the same. Short ones, as most are, are compared here and now: to call somebody costs more.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    const SHORT: usize = 64;
    if a.len() != b.len() {
        return false;
    }
    let ((words, rest), (others, _)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    if words.is_empty() || a.len() > SHORT {
        return a == b;
    }
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    for (one, other) in words.iter().zip(others) {
        if word(one) != word(other) {
            return false;
        }
    }
    // The last eight bytes, of which some may have been looked at.
    rest.is_empty() || a.last_chunk().map(word) == b.last_chunk().map(word)
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn keys_of_all_lengths_are_the_same_or_not() {
        let key: Vec<u8> = (0..90_u8).map(|i| i.wrapping_mul(7)).collect();
        for len in 0..key.len() {
            let mut other = key[..len].to_vec();
            assert!(is_same(&key[..len], &other), "{len} bytes");
            assert!(!is_same(&key[..len + 1], &other), "{len} bytes, and one more");
            for at in 0..len {
                other[at] ^= 1;
                assert!(!is_same(&key[..len], &other), "{len} bytes, another at {at}");
                other[at] ^= 1;
            }
        }
    }
}
