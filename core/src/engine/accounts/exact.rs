//! Exact figures for who asks: the lengths of dead records are read, and a file is gone through where it is not known which they are.
//!
//! Going through a file, beside writers: from a moment between two commits on what dies in the file and comes to life is written down; each record
//! of the file up to then is looked up in the index; then, between two commits again, what happened last to a record counts, and if nothing did, what
//! was found. Nothing happened to it between the two moments then, so that it does not matter when it was looked at.
//!
//! Figures of a file are of one moment of the call; where a file is gone through, of a later one than the others'.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::format::header::DATA_START;
use crate::index::KeyPage;
use crate::log::{DataFile, HintReader, Item, Scanner};
use crate::stats::FileStats;
use crate::types::{FileId, Location, SeqNo, Timestamp};

use super::super::store::Store;
use super::{Account, Ledger};

/// Keys that the index is asked for at once.
const ASKED: usize = 64;

/// Of the live records of a file those that have expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// A put that was met in a file.
#[derive(Clone, Copy, Debug)]
struct Put {
    location: Location,
    len: u64,
    expiry: Option<Timestamp>,
    is_live: bool,
}

impl Store {
    /// Figures of each data file, by ascending id.
    pub(crate) fn file_stats(&self) -> Result<Vec<FileStats>> {
        self.check_usable()?;
        let _turn = self.accounts.turn();
        let now = self.vfs.now();
        let (mut ledger, files) = loop {
            self.ledger()?;
            let _gate = self.gate.read();
            // What was made anew meanwhile is counted anew.
            if let Some(ledger) = self.accounts.look(Ledger::clone) {
                break (ledger, self.files.load().all().to_vec());
            }
        };
        let mut expired = HashMap::new();
        for file in &files {
            let Some(account) = ledger.get(file.id()) else { continue };
            let has_expired = account.expiring.records > 0 && account.expiring.first <= now;
            // The accounts know no ages.
            let has_expired = has_expired || (self.expiry.is_by_age() && account.totals().live_records > 0);
            if has_expired || !(account.is_exact() || account.is_listed()) {
                let Some((account, gone)) = self.go_through(file, now)? else { continue };
                ledger.put_in(file.id(), account);
                expired.insert(file.id(), gone);
            } else if !account.is_exact() {
                self.read_lengths(file, &mut ledger)?;
            }
        }
        Ok(self.figures(&files, &ledger, &expired))
    }

    /// Reads the lengths of the dead records that are on a file's list.
    fn read_lengths(&self, file: &DataFile, ledger: &mut Ledger) -> Result<()> {
        let account = ledger.of(file.id());
        let mut listed = account.listed.clone();
        listed.sort_unstable();
        let mut lens = Vec::with_capacity(listed.len());
        for location in listed {
            match file.record_header(location) {
                Ok(header) => lens.push((location, header.record_len())),
                Err(error @ (Error::Io { .. } | Error::Stale { .. })) => return Err(error),
                // Damage: about as long as others of its class.
                Err(_) => {}
            }
        }
        let read = account.listed.len();
        let resolve = |account: &mut Account| {
            account.listed.drain(..read);
            account.is_lost |= lens.len() < read;
            lens.iter().for_each(|&(location, len)| account.resolve(location, len));
        };
        let before = account.listed.clone();
        resolve(account);
        self.accounts.with(|ledger| {
            // It may have been given up or been made anew since.
            let Some(account) = ledger.accounts.get_mut(&file.id()) else { return };
            if account.listed.starts_with(&before) {
                resolve(account);
                ledger.listed -= read;
            }
        });
        Ok(())
    }

    /// Goes through a file: its account, exact, and what of it has expired. `None` if the file went meanwhile.
    fn go_through(&self, file: &DataFile, now: Timestamp) -> Result<Option<(Account, Expired)>> {
        let watch = Watch::begin(self, file.id());
        let Some((end, last)) = watch.begun else { return Ok(None) };
        let puts = self.puts_of(file, end, last)?;
        let gate = self.gate.read();
        let mut outcome = None;
        self.accounts.with(|ledger| {
            let Some(account) = ledger.accounts.get_mut(&file.id()) else { return };
            let Some(events) = account.events.take() else { return };
            ledger.listed -= account.listed.len();
            let gone = account.settle(puts, &events, now);
            ledger.listed += account.listed.len();
            outcome = Some((account.clone(), gone));
        });
        drop(gate);
        let Some((mut account, gone)) = outcome else { return Ok(None) };
        // What died since and was not gone through.
        if !account.is_exact() && account.is_listed() {
            let mut ledger = Ledger::default();
            ledger.put_in(file.id(), account);
            self.read_lengths(file, &mut ledger)?;
            account = std::mem::take(ledger.of(file.id()));
        }
        Ok(Some((account, gone)))
    }

    /// All puts of a file before a place with numbers up to one, in their order, and whether the index names them.
    fn puts_of(&self, file: &DataFile, end: u64, last: SeqNo) -> Result<Vec<Put>> {
        let mut found = Found { store: self, page: KeyPage::new(), asked: Vec::new(), puts: Vec::new() };
        // Hints know no ages.
        let hinted = if self.expiry.is_by_age() { None } else { found.read_hint(file, end, last)? };
        let from = hinted.unwrap_or(DATA_START);
        let mut scanner = Scanner::new(file, from, SeqNo::ZERO);
        loop {
            match scanner.next()? {
                Item::Record { offset, .. } if offset >= end => break,
                Item::Record { offset, header } if header.kind.is_put() && header.seq <= last => {
                    if let Some(location) = Location::new(file.id(), offset, header.record_len()) {
                        found.put(scanner.key(), location, header.record_len(), self.expiry.end_of_header(&header))?;
                    }
                }
                Item::Record { .. } | Item::Damage { .. } => {}
                Item::End { .. } => break,
            }
        }
        found.ask()?;
        Ok(found.puts)
    }
}

/// Has it written down what happens to a file's records, as long as it lives.
struct Watch<'a> {
    store: &'a Store,
    file: FileId,
    /// The end of the file and the number of the last commit when it began.
    begun: Option<(u64, SeqNo)>,
}

impl<'a> Watch<'a> {
    fn begin(store: &'a Store, file: FileId) -> Watch<'a> {
        let _gate = store.gate.read();
        let mut begun = None;
        store.accounts.with(|ledger| {
            if let Some(account) = ledger.accounts.get_mut(&file) {
                account.events = Some(Vec::new());
                let end = store.files.load().get(file).map_or(0, |file| file.end());
                begun = Some((end, store.visible()));
            }
        });
        Watch { store, file, begun }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.store.accounts.with(|ledger| {
            if let Some(account) = ledger.accounts.get_mut(&self.file) {
                account.events = None;
            }
        });
    }
}

/// Puts of a file, of which the last are still to be looked up.
struct Found<'a> {
    store: &'a Store,
    page: KeyPage,
    asked: Vec<Option<Location>>,
    puts: Vec<Put>,
}

impl Found<'_> {
    fn put(&mut self, key: &[u8], location: Location, len: u64, expiry: Option<Timestamp>) -> Result<()> {
        self.page.push(key, &[], location);
        self.puts.push(Put { location, len, expiry, is_live: false });
        if self.page.len() < ASKED { Ok(()) } else { self.ask() }
    }

    fn ask(&mut self) -> Result<()> {
        let keys: Vec<&[u8]> = (0..self.page.len()).filter_map(|i| self.page.get(i)).map(|(key, _)| key).collect();
        self.asked.clear();
        self.asked.resize(keys.len(), None);
        self.store.index.get_many(&keys, &mut self.asked)?;
        let from = self.puts.len() - keys.len();
        for (put, found) in self.puts[from..].iter_mut().zip(&self.asked) {
            put.is_live = *found == Some(put.location);
        }
        self.page.clear();
        Ok(())
    }

    /// What the file's hint says, and up to where; nothing if it can't be used.
    fn read_hint(&mut self, file: &DataFile, end: u64, last: SeqNo) -> Result<Option<u64>> {
        let opened = HintReader::open(self.store.vfs.as_ref(), self.store.path(), file);
        let Ok(Some(mut reader)) = opened else { return Ok(None) };
        let mut entries = 0;
        while let Ok(block) = reader.next_block() {
            let Some(block) = block else {
                if entries == reader.header().entries {
                    return Ok(Some(reader.header().covered));
                }
                break;
            };
            for entry in block.entries().map_while(Result::ok) {
                entries += 1;
                if entry.kind.is_put()
                    && entry.offset < end
                    && entry.seq <= last
                    && let Some(location) = Location::new(file.id(), entry.offset, entry.record_len())
                {
                    self.put(entry.key, location, entry.record_len(), entry.expiry)?;
                }
            }
        }
        self.page.clear();
        self.puts.clear();
        Ok(None)
    }
}

impl Account {
    /// Takes over what was found of the file's records, and what has happened since.
    fn settle(&mut self, mut puts: Vec<Put>, events: &[(Location, bool)], now: Timestamp) -> Expired {
        let mut last: HashMap<Location, bool> = events.iter().copied().collect();
        for put in &mut puts {
            put.is_live = last.remove(&put.location).unwrap_or(put.is_live);
        }
        self.puts.iter_mut().for_each(|class| (class.dead, class.dead_bytes) = (0, 0));
        let mut expired = Expired::default();
        for put in &puts {
            if !put.is_live {
                self.resolve(put.location, put.len);
            } else if put.expiry.is_some_and(|at| at <= now) {
                expired.records += 1;
                expired.bytes += put.len;
            }
        }
        // Those that came since and died; and those that are alive and had time to expire count from the next call on.
        self.listed = last.into_iter().filter(|&(_, is_live)| !is_live).map(|(location, _)| location).collect();
        self.is_lost = false;
        expired
    }
}
