//! Sweeping: what has expired is deleted, so that it counts no more and merges give its space back.
//!
//! A sweep deletes by ordinary commits, in pieces: each key is deleted only if the index still names, when the commit's turn comes, the
//! record that was found expired. So a key that somebody writes meanwhile stays, recovery and readers in other processes know nothing of sweeps, what was
//! swept stays gone when the clock jumps back, and merges need no rule of their own for what has expired: to them it is alive until it is deleted.
//! A merge that takes a file away beside a sweep, or moves a record that was found expired, hides it from that sweep: then another is due at once.
//!
//! Of an ordered index a sweep takes a page of keys at a time; of another the locations of all keys, 8 bytes each. It reads the records' headers and
//! keys, in that order, and passes over records that it can't read. Under an ordered index a sweep that is cut off (somebody stops it, a commit fails) is gone on
//! with by the next one, so that sweeps that are often stopped come to an end.
//!
//! Sweeps may run at the same time, to no harm. Locking: the gate for moments.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::index::Start;
use crate::log::Encoded;
use crate::types::{Location, Timestamp};

use super::ahead::AHEAD;
use super::expiry::Cut;
use super::plan::{Plan, Still};
use super::read::KEY_HINT;
use super::store::Store;
use super::unordered;

/// Keys that are looked at, and at most deleted, at once.
const PAGE: usize = 1024;

/// One sweep.
struct Sweep<'a> {
    store: &'a Store,
    now: Timestamp,
    /// When the first of those that are left expires.
    next: u64,
    swept: u64,
    /// Of an ordered index: all keys up to this one are done.
    last: Option<Vec<u8>>,
}

impl Store {
    /// Deletes what has expired by now, and says how many keys that were. `tell` is called now and then with the bytes read since, and may stop it.
    /// Does nothing, and costs nothing, where nothing can have expired since the last one.
    pub(crate) fn sweep(&self, tell: &mut dyn FnMut(u64) -> Result<()>) -> Result<u64> {
        self.check_writable()?;
        // A store that has stopped writing says so to everybody who writes, and before anything is read.
        self.with_open_log(|log| log.check())?;
        let now = self.vfs.now();
        if !self.expiry.is_due(now) {
            return Ok(0);
        }
        let (number, cut) = {
            // Between two commits: what was published before is seen by the walk, and what is later tells when it expires.
            let _gate = self.gate.read();
            self.expiry.begin_sweep()
        };
        let (last, next) = cut.map_or((None, u64::MAX), |cut| (Some(cut.last), cut.first));
        let mut sweep = Sweep { store: self, now, next, swept: 0, last };
        if let Err(error) = sweep.run(tell) {
            if let Some(last) = sweep.last {
                self.expiry.cut_sweep(number, Cut { last, first: sweep.next });
            }
            return Err(error);
        }
        self.expiry.end_sweep(number, sweep.next);
        Ok(sweep.swept)
    }

    /// Whether anything in the store can expire.
    pub(crate) fn may_expire(&self) -> bool {
        self.expiry.is_possible()
    }
}

impl Sweep<'_> {
    fn run(&mut self, tell: &mut dyn FnMut(u64) -> Result<()>) -> Result<()> {
        if !self.store.index.capabilities().ordered {
            for piece in unordered::locations(self.store, |_| Ok(()))?.chunks(PAGE) {
                tell(self.piece(piece, |_| None)?)?;
            }
            return Ok(());
        }
        let (store, from, mut places) = (self.store, self.last.clone(), Vec::new());
        let start = from.as_ref().map_or(Start::Edge, |last| Start::After(last));
        store.for_each_page(start, PAGE, |page| {
            if page.is_empty() {
                return Ok(ControlFlow::Break(()));
            }
            places.clear();
            places.extend((0..page.len()).filter_map(|i| page.get(i)).map(|(_, location)| location));
            let read = self.piece(&places, |i| page.get(i).map(|(key, _)| key))?;
            // Before anybody is told, who may stop it.
            if let Some((key, _)) = page.last() {
                key.clone_into(self.last.get_or_insert_default());
            }
            tell(read)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Looks at the records of some keys, and deletes those that have expired. `key_of` gives the index's keys, where it keeps them. Says how many
    /// bytes were read.
    fn piece<'k>(&mut self, places: &[Location], key_of: impl Fn(usize) -> Option<&'k [u8]>) -> Result<u64> {
        let store = self.store;
        store.check_usable()?;
        let (mut scratch, mut read, mut doomed) = (Vec::new(), 0, Vec::new());
        let mut commit = Encoded::batch(0, 0);
        let files = store.files.load();
        for (i, &location) in places.iter().enumerate() {
            if let Some(&later) = places.get(i + AHEAD) {
                files.ask_for(later);
            }
            let known = key_of(i);
            let Some(file) = files.get(location.file()) else {
                self.missed();
                continue;
            };
            let head = match file.head(location, known.map_or(KEY_HINT, <[u8]>::len), &mut scratch) {
                Ok(head) => head,
                Err(Error::Corrupted { .. }) => continue,
                Err(error) => return Err(error),
            };
            read += (head.header.header_len() + head.key.len()) as u64;
            match store.expiry.end_of_header(&head.header) {
                Some(end) if self.now >= end && known.is_none_or(|key| key == head.key) => {
                    // Keys of records are no longer than keys may be.
                    commit.push(head.key, None).ok_or(Error::KeyTooLarge { len: head.key.len() })?;
                    doomed.push(location);
                }
                Some(end) => self.next = self.next.min(end.0),
                None => {}
            }
        }
        drop(files);
        let found = doomed.len() as u64;
        if found > 0 {
            let still = Still { places: doomed, count: Arc::new(AtomicU64::new(0)) };
            let count = Arc::clone(&still.count);
            let plan = Some(Box::new(Plan { still: Some(still), ..Plan::default() }));
            store.submit(super::write::Job { plan, ..store.job(commit, false) })?;
            let deleted = count.load(Ordering::Relaxed);
            self.swept += deleted;
            if deleted < found {
                self.missed();
            }
        }
        Ok(read)
    }

    /// A record was not looked at, or found expired and not deleted, because a merge has moved it or somebody else has written its key.
    fn missed(&mut self) {
        self.next = self.next.min(self.now.0);
    }
}
