//! Feeds records into the index, in packets. The newest sequence number wins, whatever order files come in.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::{Change, Index};
use crate::log::{DataFile, LogPosition};
use crate::types::{FileId, Location, SeqNo};

use super::super::accounts::{Counted, Ledger};
use super::ahead::Packet;

/// Bytes of key for each change of a packet, on average; a packet with longer keys is handed over earlier.
const KEY_BYTES: usize = 64;

/// Changes that an index takes at once that is read meanwhile: readers wait for them.
const LIVE_PACKET: usize = 2048;

/// An index that is read meanwhile: it takes what the log did commit by commit.
pub(crate) trait Live: std::fmt::Debug {
    /// Takes whole commits, in the order of the log, with what the accounts need of each change.
    fn publish(&self, changes: &mut [Change<'_>], records: &[Counted]) -> Result<()>;

    /// Some of a file's records are told once more.
    fn counts_anew(&self);
}

/// Collects changes for the index.
#[derive(Debug)]
pub(super) struct Applier<'a> {
    index: &'a dyn Index,
    live: Option<&'a dyn Live>,
    /// Changes are handed to the index when so many have come together.
    packet: usize,
    keys: Vec<u8>,
    changes: Vec<(Range<usize>, Option<Location>)>,
    /// What a live index needs to count of each.
    records: Vec<Counted>,
    /// What is in the files and alive, if it is to be counted here.
    ledger: Option<Ledger>,
    /// What lies before this in its file is counted already.
    counted_to: Option<LogPosition>,
    /// Files whose records were told more than once.
    counted_anew: Vec<FileId>,
    /// The index puts changes off and does not tell what they change.
    is_put_off: bool,
    /// The greatest number of a change.
    applied: SeqNo,
    /// The merged files, whose records may be newer than one that is read later.
    merged: HashMap<FileId, Arc<DataFile>>,
    /// Deletes met in merged files, whose puts may come later, from merged files and from the log.
    tombstones: HashMap<Box<[u8]>, SeqNo>,
    /// The greatest number in merged files: what is newer need not be compared.
    merged_to: SeqNo,
    reading_merged: bool,
    /// Later commits are passed over.
    until: SeqNo,
}

impl<'a> Applier<'a> {
    pub(super) fn new(
        index: &'a dyn Index,
        live: Option<&'a dyn Live>,
        merged: HashMap<FileId, Arc<DataFile>>,
        until: SeqNo,
        (ledger, counted_to): (Option<Ledger>, Option<LogPosition>),
    ) -> Applier<'a> {
        Applier {
            index,
            live,
            packet: if live.is_some() { index.packet().min(LIVE_PACKET) } else { index.packet() },
            keys: Vec::new(),
            changes: Vec::new(),
            records: Vec::new(),
            ledger: ledger.filter(|_| live.is_none()),
            counted_to,
            counted_anew: Vec::new(),
            is_put_off: false,
            applied: SeqNo::ZERO,
            merged,
            tombstones: HashMap::new(),
            merged_to: SeqNo::ZERO,
            reading_merged: true,
            until,
        }
    }

    /// The greatest number of a change that was handed in.
    pub(super) fn applied(&self) -> SeqNo {
        self.applied
    }

    /// Changes are put off from here on ([`Index::begin_build`]).
    pub(super) fn put_off(&mut self) {
        self.is_put_off = true;
    }

    /// Does what was put off.
    pub(super) fn end_build(&mut self) -> Result<()> {
        let ledger = &mut self.ledger;
        self.index.end_build(&mut |location| {
            if let Some(ledger) = ledger {
                ledger.moved(None, Some(location));
            }
        })?;
        if let Some(ledger) = ledger {
            ledger.names_are_counted();
        }
        Ok(())
    }

    /// What was counted.
    pub(super) fn into_ledger(mut self) -> Option<Ledger> {
        if let Some(ledger) = &mut self.ledger {
            self.counted_anew.iter().for_each(|&file| ledger.counted_anew(file));
        }
        self.ledger
    }

    /// A file's records are told once more from the beginning.
    pub(super) fn count_anew(&mut self, file: FileId) {
        if let Some(ledger) = &mut self.ledger {
            ledger.count_anew(file);
            self.counted_anew.push(file);
        }
        if let Some(live) = self.live {
            live.counts_anew();
        }
    }

    /// From now on records come in the order of their numbers.
    pub(super) fn merged_files_done(&mut self) {
        self.reading_merged = false;
    }

    /// A put (with its location) or delete.
    pub(super) fn change(&mut self, key: &[u8], new: Option<Location>, record: Counted) -> Result<()> {
        let Counted { seq, file, offset, .. } = record;
        if seq > self.until {
            return Ok(());
        }
        let is_counted = self.counted_to.is_some_and(|to| to.file == file && offset < to.offset);
        if let Some(ledger) = self.ledger.as_mut().filter(|_| !is_counted) {
            ledger.count(new, &record);
        }
        if self.reading_merged && !self.merged.is_empty() {
            self.merged_to = self.merged_to.max(seq);
        }
        if seq <= self.merged_to && !self.is_newest(key, new.is_some(), seq, file)? {
            return Ok(());
        }
        // A live index takes whole commits.
        if self.live.is_some() && self.is_full() && self.records.last().map(|record| record.seq) != Some(seq) {
            self.flush()?;
        }
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        self.changes.push((start..self.keys.len(), new));
        self.applied = self.applied.max(seq);
        if self.live.is_some() {
            self.records.push(record);
        } else if self.is_full() {
            self.flush()?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.changes.len() >= self.packet || self.keys.len() >= self.packet * KEY_BYTES
    }

    /// A packet of a hint.
    pub(super) fn packet(&mut self, packet: &Packet) -> Result<()> {
        self.flush()?;
        self.applied = self.applied.max(packet.max_seq);
        let mut changes: Vec<Change<'_>> = packet.iter().map(|(key, new)| Change { key, new, old: None }).collect();
        self.index.reserve(&mut std::iter::empty())?;
        self.index.apply(&mut changes)?;
        if let Some(ledger) = &mut self.ledger {
            ledger.absorb(packet.file, &packet.account);
            if !self.is_put_off {
                ledger.moved_to(packet.file, &changes);
            }
        }
        Ok(())
    }

    /// Hands over what was collected.
    pub(super) fn flush(&mut self) -> Result<()> {
        let mut changes: Vec<Change<'_>> = self
            .changes
            .iter()
            .map(|(key, new)| Change { key: self.keys.get(key.clone()).unwrap_or_default(), new: *new, old: None })
            .collect();
        match self.live {
            Some(live) => live.publish(&mut changes, &self.records)?,
            None => {
                // A full disk is to be told before it takes memory beyond all budgets.
                self.index.reserve(&mut std::iter::empty())?;
                self.index.apply(&mut changes)?;
                if let Some(ledger) = self.ledger.as_mut().filter(|_| !self.is_put_off) {
                    changes.iter().for_each(|change| ledger.moved(change.old, change.new));
                }
            }
        }
        drop(changes);
        self.records.clear();
        self.keys.clear();
        self.changes.clear();
        Ok(())
    }

    /// Compares with what the index has, if that is from a merged file; within the log the later is the newer.
    fn is_newest(&mut self, key: &[u8], is_put: bool, seq: SeqNo, file: FileId) -> Result<bool> {
        self.flush()?;
        if self.tombstones.get(key).is_some_and(|&deleted| deleted >= seq) {
            return Ok(false);
        }
        if self.reading_merged && !is_put {
            self.tombstones.insert(key.into(), seq);
        }
        let Some(old) = self.index.get(key)? else { return Ok(true) };
        let Some(merged) = self.merged.get(&old.file()) else { return Ok(true) };
        match merged.record_header(old) {
            Ok(old) => Ok((old.seq, merged.id()) < (seq, file)),
            // Nobody knows which is the newer.
            Err(error @ Error::Io { .. }) => Err(error),
            // A damaged record may be the newer: reading the key is the error then.
            Err(_) => Ok(false),
        }
    }
}
