//! Iteration over one moment of the store with writes laid over it that are not committed: what a batch or transaction would
//! leave if nobody else wrote.
//!
//! The writes are those at the overlay's making; later ones change nothing of it. What a transaction's iterator has been through
//! is told to its read set: from where it began or was sent to, up to the last record given, or to the range's end where
//! it found no more. What it looked at ahead of that is none of the caller's business and causes no conflict.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::error::Result;
use crate::log::Value;

use super::cursor::{Cursor, CursorOptions};
use super::page::EntryPage;
use super::pending::{Own, Pending};
use super::range::range;
use super::ranges::{KeyRange, KeyRanges, behind};
use super::reads::SharedReads;
use super::share::Share;
use super::store::Store;

/// A position in it.
#[derive(Debug)]
pub(crate) struct Overlay {
    store: Share,
    cursor: Cursor,
    /// The store's next record that is not hidden, and whether there are no more.
    stored: Option<(Vec<u8>, Value)>,
    ended: bool,
    /// Writes in the range, in the direction of the walk.
    own: Vec<Own>,
    at: usize,
    hidden: KeyRanges,
    reverse: bool,
    keys_only: bool,
    limit: u64,
    given: u64,
    track: Option<Track>,
}

/// What of a transaction's range was read.
#[derive(Debug)]
struct Track {
    reads: SharedReads,
    range: KeyRange,
    /// What is left of the range in the direction of the walk; `None` once it is empty.
    rest: Option<KeyRange>,
}

impl Overlay {
    /// Lays writes over what `cursor` makes of the options.
    pub(crate) fn new(
        store: &Arc<Store>,
        pending: &Pending,
        options: CursorOptions,
        reads: Option<SharedReads>,
        cursor: impl FnOnce(CursorOptions) -> Result<Cursor>,
    ) -> Result<Overlay> {
        let CursorOptions { reverse, keys_only, limit, .. } = options;
        let (low, high) = range(&options.prefix, options.start.clone(), options.end.clone());
        let all = KeyRange::new(low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice));
        let cursor = cursor(CursorOptions { limit: u64::MAX, ..options })?;
        let mut own = all.as_ref().map(|range| pending.own_in(range, cursor.now())).unwrap_or_default();
        if reverse {
            own.reverse();
        }
        let track = reads.zip(all).map(|(reads, range)| Track { reads, rest: Some(range.clone()), range });
        Ok(Overlay {
            store: Share::of(store),
            cursor,
            stored: None,
            ended: false,
            own,
            at: 0,
            hidden: pending.hidden().clone(),
            reverse,
            keys_only,
            limit,
            given: 0,
            track,
        })
    }

    pub(crate) fn rewind(&mut self) {
        self.cursor.rewind();
        self.restart(0);
        if let Some(track) = &mut self.track {
            track.rest = Some(track.range.clone());
        }
    }

    pub(crate) fn seek(&mut self, key: &[u8]) {
        self.cursor.seek(key);
        let reverse = self.reverse;
        self.restart(self.own.partition_point(|(own, _)| if reverse { **own > *key } else { **own < *key }));
        if let Some(track) = &mut self.track {
            let mut rest = track.range.clone();
            if reverse {
                let end = behind(key);
                rest.high = Some(rest.high.map_or(end.clone(), |high| high.min(end)));
            } else {
                rest.low = rest.low.max(key.to_vec());
            }
            track.rest = rest.filled();
        }
    }

    fn restart(&mut self, at: usize) {
        (self.stored, self.ended, self.at, self.given) = (None, false, at, 0);
    }

    pub(crate) fn skip_damaged(&mut self) {
        self.cursor.skip_damaged();
    }

    /// Fills a page; an empty one is the end.
    pub(crate) fn next_page(&mut self, out: &mut EntryPage, max_records: usize, max_bytes: usize) -> Result<()> {
        out.clear();
        while out.len() < max_records && (out.is_empty() || out.byte_len() < max_bytes) {
            match self.next_record() {
                Ok(Some((key, value))) => out.push(&key, &value),
                Ok(None) => break,
                // What was read so far is given first; the next call fails.
                Err(_) if !out.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next record.
    pub(crate) fn next_record(&mut self) -> Result<Option<(Vec<u8>, Value)>> {
        self.store.check_usable()?;
        if self.given >= self.limit {
            return Ok(None);
        }
        let found = self.find()?;
        match &found {
            Some((key, _)) => self.given(key),
            None => self.all_given(),
        }
        Ok(found)
    }

    fn find(&mut self) -> Result<Option<(Vec<u8>, Value)>> {
        loop {
            while self.stored.is_none() && !self.ended {
                match self.cursor.next_record()? {
                    Some((key, _)) if self.hidden.contains(&key) => {}
                    Some(record) => self.stored = Some(record),
                    None => self.ended = true,
                }
            }
            let order = match (self.own.get(self.at), &self.stored) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((own, _)), Some((stored, _))) if self.reverse => stored[..].cmp(own),
                (Some((own, _)), Some((stored, _))) => (**own).cmp(stored),
            };
            if order == Ordering::Greater {
                return Ok(self.stored.take());
            }
            if order == Ordering::Equal {
                self.stored = None;
            }
            let Some((key, value)) = self.own.get(self.at) else { continue };
            self.at += 1;
            if let Some(value) = value {
                let bytes = if self.keys_only { Vec::new() } else { value.to_vec() };
                let len = bytes.len();
                return Ok(Some((key.to_vec(), Value::owned(bytes, 0..len))));
            }
        }
    }

    /// The walk has been up to this key.
    fn given(&mut self, key: &[u8]) {
        self.given += 1;
        let Some(track) = &mut self.track else { return };
        let Some(rest) = track.rest.take() else { return };
        let next = behind(key);
        let (read, left) = if self.reverse {
            (KeyRange { low: key.to_vec(), high: rest.high }, KeyRange { low: rest.low, high: Some(key.to_vec()) })
        } else {
            (KeyRange { low: rest.low, high: Some(next.clone()) }, KeyRange { low: next, high: rest.high })
        };
        track.rest = left.filled();
        track.reads.lock().add_range(read);
    }

    /// The walk has been through all of it.
    fn all_given(&mut self) {
        if let Some(track) = &mut self.track
            && let Some(rest) = track.rest.take()
        {
            track.reads.lock().add_range(rest);
        }
    }
}
