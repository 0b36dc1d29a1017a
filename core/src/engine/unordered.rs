//! Iteration over an index without order: its keys are read from the records and sorted.
//!
//! All locations are taken at once, under the gate, and read in the order of the log; for keys that changed since the
//! snapshot history says what they were. What that takes of memory is bounded by the sort budget, and looked at before it is
//! taken: 8 bytes for each key of the store, and for each key in the range its length and [`ENTRY`] more; twice the latter for
//! keys that changed.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::{Error, Result};
use crate::index::WalkPosition;
use crate::types::{Location, SeqNo, Timestamp};

use super::ahead::AHEAD;
use super::range::{as_slice, within};
use super::ranges::KeyRange;
use super::read::KEY_HINT;
use super::store::Store;

/// Bytes that a key in the range takes besides its own.
const ENTRY: u64 = size_of::<(u64, Location)>() as u64;

/// A snapshot that lives, and its time.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) store: &'a Store,
    pub(super) seq: SeqNo,
    pub(super) now: Timestamp,
}

/// A range of keys.
pub(super) type Range<'a> = (&'a Bound<Vec<u8>>, &'a Bound<Vec<u8>>);

/// Keys in order, with their locations.
#[derive(Debug, Default)]
pub(super) struct SortedKeys {
    bytes: Vec<u8>,
    /// Where each key begins in `bytes`, times 2^16, and its length, which is below that.
    entries: Vec<(u64, Location)>,
}

impl SortedKeys {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, i: usize) -> Option<(&[u8], Location)> {
        let &(place, location) = self.entries.get(i)?;
        Some((key_at(&self.bytes, place), location))
    }
}

fn key_at(bytes: &[u8], place: u64) -> &[u8] {
    let start = (place >> 16) as usize;
    bytes.get(start..start + (place & 0xffff) as usize).unwrap_or_default()
}

/// Sorts the keys of a range. Records whose keys can't be read go to `unreadable`.
pub(super) fn sort(
    moment: Moment<'_>,
    range: Range<'_>,
    reverse: bool,
    unreadable: &mut Vec<Error>,
) -> Result<SortedKeys> {
    let store = moment.store;
    let budget = store.config.sort_budget;
    // Keys have at least a byte.
    let least = match range {
        (Bound::Unbounded, Bound::Unbounded) => ENTRY + 1,
        _ => 0,
    };
    let locations = locations(store, |keys| match keys.saturating_mul(8 + least) > budget {
        true => Err(over_budget(store)),
        false => Ok(()),
    })?;
    let mut left = budget.saturating_sub(locations.len() as u64 * 8);
    let changed = changed(moment, range);
    let of_changed: u64 = changed.keys().map(|key| key.len() as u64 + ENTRY).sum();
    left = left.checked_sub(of_changed).ok_or_else(|| over_budget(store))?;
    let mut sorted = SortedKeys::default();
    for_each_key(moment, locations, changed, range, unreadable, |key, location| {
        left = left.checked_sub(key.len() as u64 + ENTRY).ok_or_else(|| over_budget(store))?;
        sorted.entries.push((((sorted.bytes.len() as u64) << 16) | key.len() as u64, location));
        sorted.bytes.extend_from_slice(key);
        Ok(())
    })?;
    let SortedKeys { bytes, entries } = &mut sorted;
    entries.sort_unstable_by(|a, b| key_at(bytes, a.0).cmp(key_at(bytes, b.0)));
    if reverse {
        entries.reverse();
    }
    Ok(sorted)
}

/// The first key of the store, or the last. Takes no memory for keys.
pub(super) fn edge(moment: Moment<'_>, last: bool) -> Result<Option<(Vec<u8>, Location)>> {
    let locations = locations(moment.store, |_| Ok(()))?;
    let (mut best, mut unreadable) = (None::<(Vec<u8>, Location)>, Vec::new());
    let all = (&Bound::Unbounded, &Bound::Unbounded);
    for_each_key(moment, locations, changed(moment, all), all, &mut unreadable, |key, location| {
        match &mut best {
            Some((best, _)) if (key < &best[..]) == last => {}
            Some((best, at)) => {
                best.clear();
                best.extend_from_slice(key);
                *at = location;
            }
            None => best = Some((key.to_vec(), location)),
        }
        Ok(())
    })?;
    match unreadable.pop() {
        // Any of them may be the first.
        Some(error) => Err(error),
        None => Ok(best),
    }
}

/// Number of keys in a range. Takes no memory for keys.
pub(super) fn count(moment: Moment<'_>, range: Range<'_>) -> Result<u64> {
    let locations = locations(moment.store, |_| Ok(()))?;
    let (mut count, mut unreadable) = (0, Vec::new());
    for_each_key(moment, locations, changed(moment, range), range, &mut unreadable, |_, _| {
        count += 1;
        Ok(())
    })?;
    unreadable.pop().map_or(Ok(count), Err)
}

/// Calls `each` for the keys of a range that the index has now, those that have expired among them. A record whose key can't be read may be one of them, and is the error.
///
/// REQUIRES: nothing is written meanwhile.
pub(super) fn for_each_key_now(store: &Store, range: &KeyRange, mut each: impl FnMut(&[u8])) -> Result<()> {
    let locations = locations(store, |_| Ok(()))?;
    let (low, high) = range.bounds();
    // At this time nothing has expired.
    let (moment, mut unreadable) = (Moment { store, seq: store.visible(), now: Timestamp(0) }, Vec::new());
    for_each_key(moment, locations, BTreeMap::new(), (&low, &high), &mut unreadable, |key, _| {
        each(key);
        Ok(())
    })?;
    unreadable.pop().map_or(Ok(()), Err)
}

/// Where all keys are at this moment, in the order of the log. `allow` is asked first whether there may be so many.
pub(super) fn locations(store: &Store, allow: impl Fn(u64) -> Result<()>) -> Result<Vec<Location>> {
    allow(store.index.len())?;
    // What is damaged is to be found now, and not under the gate.
    store.index.ready()?;
    let mut locations = Vec::new();
    {
        let _gate = store.gate.read();
        let keys = store.index.len();
        allow(keys)?;
        locations.reserve_exact(usize::try_from(keys).unwrap_or(0));
        let mut position = WalkPosition::default();
        while store.index.walk(&mut position, usize::MAX, &mut locations)? {}
    }
    locations.sort_unstable();
    Ok(locations)
}

/// What the keys were at the snapshot that changed since. The index is looked at first (see `history`).
fn changed(moment: Moment<'_>, (low, high): Range<'_>) -> BTreeMap<Vec<u8>, Option<Location>> {
    let mut changed = BTreeMap::new();
    if moment.store.history.keeps_any() {
        moment.store.history.for_each_in(as_slice(low), as_slice(high), moment.seq, |key, before| {
            changed.insert(key.to_vec(), before);
        });
    }
    changed
}

fn for_each_key(
    Moment { store, now, .. }: Moment<'_>,
    locations: Vec<Location>,
    changed: BTreeMap<Vec<u8>, Option<Location>>,
    (low, high): Range<'_>,
    unreadable: &mut Vec<Error>,
    mut each: impl FnMut(&[u8], Location) -> Result<()>,
) -> Result<()> {
    let (mut scratch, mut key) = (Vec::new(), Vec::new());
    let files = store.files.load();
    for (i, &location) in locations.iter().enumerate() {
        if let Some(&later) = locations.get(i + AHEAD) {
            files.ask_for(later);
        }
        let file = store.file(&files, location)?;
        key.clear();
        let found = file.head(location, KEY_HINT, &mut scratch).map(|head| {
            key.extend_from_slice(head.key);
            store.expiry.end_of_header(&head.header)
        });
        let found = match found {
            // Where the index confirms the key, the record's checksum can wait until the value is read. It does not where
            // the key was changed meanwhile, or where the record's key is damaged.
            Ok(end) if store.index.get(&key)? == Some(location) => Ok(end),
            Ok(end) => file.view(location, store.config.verify_checksums, &mut scratch).map(|_| end),
            Err(error) => Err(error),
        };
        match found {
            Ok(end) => {
                let expired = end.is_some_and(|end| now >= end);
                if !expired && within(&key, high, false) && within(&key, low, true) && !changed.contains_key(&key) {
                    each(&key, location)?;
                }
            }
            Err(error @ Error::Corrupted { .. }) => unreadable.push(error),
            Err(error) => return Err(error),
        }
    }
    for (key, location) in changed {
        let Some(location) = location else { continue };
        // Made since the table was taken, perhaps.
        let files = store.files.load();
        match store.file(&files, location)?.head(location, key.len(), &mut scratch) {
            Ok(head) if store.expiry.end_of_header(&head.header).is_some_and(|end| now >= end) => {}
            Ok(_) => each(&key, location)?,
            Err(error @ Error::Corrupted { .. }) => unreadable.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn over_budget(store: &Store) -> Error {
    let budget = store.config.sort_budget;
    Error::Unsupported {
        what: format!(
            "this index kind has no order, and sorting the keys takes more than the sort budget of {budget} bytes; open the \
             store with an ordered kind (btree), iterate over a narrower range, or raise sort_budget"
        ),
    }
}
