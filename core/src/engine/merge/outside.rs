//! The files outside of a merge, as far as its deletes may have something to hide in them: docs/MERGE.md, invariant 7.
//!
//! What is alive hides itself, so that only dead puts count. Of a file is known whether it has any, and a number below which no record can have killed
//! them; where that is not enough the file's hint says exactly which keys it has, or its records where it has none. They are read if that costs little, measured by
//! what the merge reads and by what there is to be gained.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::header::DATA_START;
use crate::log::{DataFile, HintReader, Item, Scanner};
use crate::types::SeqNo;

use super::super::store::Store;
use super::control::Pace;
use super::deletes::Delete;

/// Bytes that a hint has for a record, about.
const HINTED: u64 = 64;
/// Records whose hints are read for each delete that may go.
const RECORDS_A_DELETE: u64 = 32;

/// A file in which a delete may have something to hide.
#[derive(Debug)]
pub(super) struct Pin {
    pub(super) file: Arc<DataFile>,
    /// Not above the number of any record that a dead put of it was overwritten or deleted by.
    pub(super) first_death: SeqNo,
    /// Puts and deletes, where all of them are known.
    pub(super) records: Option<u64>,
}

/// What deletes may have to hide outside of a merge.
#[derive(Debug)]
pub(super) struct Outside {
    pins: Vec<Pin>,
    first_death: SeqNo,
    /// Bytes of hints that may still be read.
    budget: u64,
}

impl Outside {
    /// `is_blind`: there are files of which nothing is known.
    pub(super) fn new(pins: Vec<Pin>, is_blind: bool, budget: u64) -> Outside {
        let first = pins.iter().map(|pin| pin.first_death).min().unwrap_or(SeqNo(u64::MAX));
        Outside { pins, first_death: if is_blind { SeqNo::ZERO } else { first }, budget }
    }

    /// Deletes below this number hide nothing here.
    pub(super) fn first_death(&self) -> SeqNo {
        self.first_death
    }

    /// Takes those away that hide nothing here, of deletes that go if they don't.
    pub(super) fn retain_hiding(
        &mut self,
        store: &Store,
        deletes: &mut Vec<Delete>,
        pace: &mut Pace<'_>,
    ) -> Result<()> {
        let last = deletes.iter().map(|delete| delete.seq).max().unwrap_or_default();
        let pins: Vec<&Pin> = self.pins.iter().filter(|pin| pin.first_death <= last).collect();
        let records = pins.iter().try_fold(0_u64, |sum, pin| Some(sum.saturating_add(pin.records?)));
        let Some(records) = records.filter(|_| self.first_death > SeqNo::ZERO) else { return Ok(()) };
        let cost = records.saturating_mul(HINTED);
        if cost > self.budget || records > RECORDS_A_DELETE.saturating_mul(deletes.len() as u64) {
            return Ok(());
        }
        self.budget -= cost;
        let mut asked = Asked::new(deletes);
        for pin in pins {
            let outcome = match asked.by_hint(store, &pin.file, pace)? {
                // Where it has none that can be used.
                None if pin.file.end() <= self.budget => {
                    self.budget -= pin.file.end();
                    asked.by_records(&pin.file, pace)?
                }
                outcome => outcome,
            };
            if outcome.is_none() {
                return Ok(());
            }
        }
        let mut hides = asked.hides.into_iter();
        deletes.retain(|_| hides.next().unwrap_or(true));
        Ok(())
    }
}

/// Deletes that files are asked for: which of them hide something there.
struct Asked<'a> {
    deletes: &'a [Delete],
    by_key: HashMap<&'a [u8], usize>,
    hides: Vec<bool>,
}

impl<'a> Asked<'a> {
    fn new(deletes: &'a [Delete]) -> Asked<'a> {
        let by_key = deletes.iter().zip(0..).map(|(delete, i)| (&*delete.key, i)).collect();
        Asked { deletes, by_key, hides: vec![false; deletes.len()] }
    }

    fn put(&mut self, key: &[u8], seq: SeqNo) {
        if let Some(&i) = self.by_key.get(key)
            && self.deletes.get(i).is_some_and(|delete| seq < delete.seq)
            && let Some(hides) = self.hides.get_mut(i)
        {
            *hides = true;
        }
    }

    /// Asks a file's hint. `None` if it can't be read, or speaks for less than the file.
    fn by_hint(&mut self, store: &Store, file: &DataFile, pace: &mut Pace<'_>) -> Result<Option<()>> {
        let opened = HintReader::open(store.vfs.as_ref(), store.path(), file);
        let Ok(Some(mut reader)) = opened else { return Ok(None) };
        if !reader.header().sealed || reader.header().covered != file.end() {
            return Ok(None);
        }
        let entries = reader.header().entries;
        let mut read = 0;
        loop {
            let Ok(block) = reader.next_block() else { return Ok(None) };
            let Some(block) = block else { return Ok((read == entries).then_some(())) };
            let before = read;
            for entry in block.entries() {
                let Ok(entry) = entry else { return Ok(None) };
                read += 1;
                if entry.kind.is_put() {
                    self.put(entry.key, entry.seq);
                }
            }
            pace.read((read - before) * HINTED)?;
        }
    }

    /// Asks its records. `None` if some of it can't be read.
    fn by_records(&mut self, file: &DataFile, pace: &mut Pace<'_>) -> Result<Option<()>> {
        let mut scanner = Scanner::new(file, DATA_START, SeqNo::ZERO);
        loop {
            match scanner.next() {
                Ok(Item::Record { header, .. }) => {
                    if header.kind.is_put() {
                        self.put(scanner.key(), header.seq);
                    }
                    pace.read(header.record_len())?;
                }
                Ok(Item::Damage { .. }) | Err(Error::Io { .. }) => return Ok(None),
                Ok(Item::End { offset }) => return Ok((offset == file.end()).then_some(())),
                Err(error) => return Err(error),
            }
        }
    }
}
