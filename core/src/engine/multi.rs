//! Many keys at once, as of one moment.
//!
//! All locations are looked up first, then the records are read in the order of the log, so that what lies together is read
//! together, whatever the order of the keys. A moment is a snapshot for the length of the call: no part of a batch is seen, no
//! writer waits for the lookups to end, and no merge takes a file away.

use crate::error::{Error, Result};
use crate::log::{Value, View};
use crate::types::{Location, SeqNo, Timestamp};

use super::ahead::AHEAD;
use super::page::{ValuePage, Work};
use super::read::When;
use super::store::Store;

/// A snapshot and its time; `None` is now.
type At = Option<(SeqNo, Timestamp)>;

/// Keys that the index is asked for with one call.
const TOGETHER: usize = 64;

impl Store {
    pub(crate) fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        self.multi_get_at(keys, None)
    }

    /// As of a snapshot that lives, or of now.
    pub(super) fn multi_get_at<K: AsRef<[u8]>>(&self, keys: &[K], at: At) -> Result<Vec<Option<Value>>> {
        let when = self.one_time(at);
        let mut values = vec![None; keys.len()];
        let mut work = Work::default();
        let _moment = self.look_up(keys, at, &mut work)?;
        self.read_in_order(keys, &work, &mut Vec::new(), |store, i, location, scratch| {
            values[i] = store.value_at(location, keys[i].as_ref(), when, std::mem::take(scratch))?;
            Ok(())
        })?;
        Ok(values)
    }

    pub(crate) fn multi_get_into<K: AsRef<[u8]>>(&self, keys: &[K], page: &mut ValuePage) -> Result<()> {
        self.multi_get_into_at(keys, None, page)
    }

    /// As of a snapshot that lives, or of now.
    pub(super) fn multi_get_into_at<K: AsRef<[u8]>>(&self, keys: &[K], at: At, page: &mut ValuePage) -> Result<()> {
        let when = self.one_time(at);
        let mut work = std::mem::take(&mut page.work);
        page.reset(keys.len());
        let outcome = self.look_up(keys, at, &mut work).and_then(|_moment| {
            let mut scratch = Vec::new();
            self.read_in_order(keys, &work, &mut scratch, |store, i, location, scratch| {
                let set = |view: &View<'_>| page.set(i, view.value());
                store.with_record(location, keys[i].as_ref(), when, scratch, set).map(|_| ())
            })
        });
        page.work = work;
        if outcome.is_err() {
            page.reset(0);
        }
        outcome
    }

    /// The time for all keys of a call. The clock is asked only where it matters.
    fn one_time(&self, at: At) -> When {
        match at {
            Some((_, time)) => When::At(time),
            None if self.expiry.is_possible() => When::At(self.vfs.now()),
            None => When::Now,
        }
    }

    /// Fills in where the keys were at one moment. As long as what it gives lives, the files stay where they are.
    fn look_up<K: AsRef<[u8]>>(&self, keys: &[K], at: At, work: &mut Work) -> Result<Option<Moment<'_>>> {
        self.check_usable()?;
        work.locations.clear();
        work.locations.resize(keys.len(), None);
        // A single lookup is of one moment by itself.
        let moment = (keys.len() > 1 && at.is_none()).then(|| Moment::begin(self));
        for (keys, out) in keys.chunks(TOGETHER).zip(work.locations.chunks_mut(TOGETHER)) {
            let mut bytes: [&[u8]; TOGETHER] = [&[]; TOGETHER];
            for (bytes, key) in bytes.iter_mut().zip(keys) {
                *bytes = key.as_ref();
            }
            self.index.get_many(&bytes[..keys.len()], out)?;
        }
        if let Some(seq) = at.map(|(seq, _)| seq).or(moment.as_ref().map(|moment| moment.seq)) {
            self.history.lay_over(keys, seq, &mut work.locations);
        }
        work.order.clear();
        let found = work.locations.iter().enumerate();
        work.order.extend(found.filter_map(|(i, location)| location.map(|location| (location, i))));
        work.order.sort_unstable();
        Ok(moment)
    }

    /// Reads all that were found. The error of the first key, in the caller's order, is the error of the call.
    fn read_in_order<K>(
        &self,
        keys: &[K],
        work: &Work,
        scratch: &mut Vec<u8>,
        mut read: impl FnMut(&Store, usize, Location, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let mut failed: Option<(usize, Error)> = None;
        let files = self.files.load();
        for (n, &(location, i)) in work.order.iter().enumerate() {
            if n == 0 {
                work.order.iter().take(AHEAD).for_each(|&(location, _)| files.ask_for(location));
            }
            if let Some(&(later, _)) = work.order.get(n + AHEAD) {
                files.ask_for(later);
            }
            // Keys behind one that failed can't change the outcome.
            if failed.as_ref().is_none_or(|&(first, _)| i < first)
                && let Err(error) = read(self, i, location, scratch)
            {
                failed = Some((i, error));
            }
        }
        debug_assert!(work.order.len() <= keys.len());
        failed.map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// A snapshot for the length of a call.
struct Moment<'a> {
    store: &'a Store,
    seq: SeqNo,
}

impl<'a> Moment<'a> {
    fn begin(store: &'a Store) -> Moment<'a> {
        Moment { store, seq: store.begin_snapshot() }
    }
}

impl Drop for Moment<'_> {
    fn drop(&mut self) {
        self.store.history.release(self.seq);
    }
}
