//! LMDB through heed: a memory-mapped copy-on-write B+tree.
//!
//! The one file here with `unsafe`: heed asks for it where a database is opened (nobody else may change the file), where
//! syncs are turned off, and where a cursor deletes what it stands on.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use heed::types::Bytes;
use heed::{CompactionOption, Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, PutFlags, RoTxn, RwTxn, WithTls};

use super::{End, Engine, Reader, Writer};
use crate::Result;
use crate::pairs::VALUE_LEN;

/// Greatest size of the file, as in redb's comparison.
const MAP_SIZE: usize = 4 << 30;

pub(super) struct Lmdb {
    env: Env,
    database: Database<Bytes, Bytes>,
    syncs: AtomicBool,
}

impl Engine for Lmdb {
    type Writer<'a> = LmdbWriter<'a>;
    type Reader<'a> = LmdbReader<'a>;

    fn open(_: &str, dir: &Path) -> Result<Lmdb> {
        // SAFETY: the directory is this process's own and is opened once at a time.
        let env = unsafe { EnvOpenOptions::new().map_size(MAP_SIZE).open(dir)? };
        let mut transaction = env.write_txn()?;
        let database = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Lmdb { env, database, syncs: AtomicBool::new(true) })
    }

    fn write<R>(&self, sync: bool, work: impl FnOnce(&mut LmdbWriter<'_>) -> Result<R>) -> Result<R> {
        if self.syncs.swap(sync, Ordering::Relaxed) != sync {
            let mode = if sync { FlagSetMode::Disable } else { FlagSetMode::Enable };
            // SAFETY: what is lost without syncs at a power cut is lost data of a benchmark.
            unsafe { self.env.set_flags(EnvFlags::NO_SYNC, mode)? };
        }
        let mut writer = LmdbWriter { database: self.database, transaction: self.env.write_txn()? };
        let result = work(&mut writer)?;
        writer.transaction.commit()?;
        Ok(result)
    }

    fn reader(&self) -> Result<LmdbReader<'_>> {
        Ok(LmdbReader { database: self.database, transaction: self.env.read_txn()? })
    }

    fn compact(self, dir: &Path) -> Result<(Lmdb, Option<&'static str>)> {
        // LMDB compacts by copying; the copy takes the place of the file.
        let copy = dir.join("copy.mdb");
        let mut file = File::create_new(&copy)?;
        self.env.copy_to_file(&mut file, CompactionOption::Enabled)?;
        file.sync_all()?;
        drop(file);
        self.close()?;
        fs::rename(copy, dir.join("data.mdb"))?;
        Ok((Lmdb::open("", dir)?, None))
    }

    fn close(self) -> Result<()> {
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

pub(super) struct LmdbWriter<'a> {
    database: Database<Bytes, Bytes>,
    transaction: RwTxn<'a>,
}

impl Writer for LmdbWriter<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.database.put(&mut self.transaction, key, value)?)
    }

    fn put_sorted<'p>(&mut self, pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>) -> Result<()> {
        for (key, value) in pairs {
            self.database.put_with_flags(&mut self.transaction, PutFlags::APPEND, key, value)?;
        }
        Ok(())
    }

    fn has(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.database.get(&self.transaction, key)?.is_some_and(|value| value.len() == VALUE_LEN))
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.database.delete(&mut self.transaction, key)?;
        Ok(())
    }

    fn pop(&mut self, end: End) -> Result<Option<usize>> {
        // The two iterators have different types.
        macro_rules! pop {
            ($iter:expr) => {{
                let mut iter = $iter;
                let len = iter.next().transpose()?.map(|(_, value)| value.len());
                if len.is_some() {
                    // SAFETY: nothing borrowed from the database is held.
                    unsafe { iter.del_current()? };
                }
                Ok(len)
            }};
        }
        match end {
            End::First => pop!(self.database.iter_mut(&mut self.transaction)?),
            End::Last => pop!(self.database.rev_iter_mut(&mut self.transaction)?),
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        let mut iter = self.database.iter_mut(&mut self.transaction)?;
        let mut removed = 0;
        while let Some(pair) = iter.next() {
            let (key, value) = pair?;
            if !keep(key, value) {
                // SAFETY: key and value are not used any more.
                unsafe { iter.del_current()? };
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn extract_if(&mut self, low: &[u8], high: &[u8], mut take: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        let range = (Bound::Included(low), Bound::Excluded(high));
        let mut iter = self.database.range_mut(&mut self.transaction, &range)?;
        let mut extracted = 0;
        while let Some(pair) = iter.next() {
            let (key, value) = pair?;
            if take(key, value) {
                // SAFETY: key and value are not used any more.
                unsafe { iter.del_current()? };
                extracted += 1;
            }
        }
        Ok(extracted)
    }
}

pub(super) struct LmdbReader<'a> {
    database: Database<Bytes, Bytes>,
    transaction: RoTxn<'a, WithTls>,
}

impl Reader for LmdbReader<'_> {
    fn get<R>(&mut self, key: &[u8], look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.database.get(&self.transaction, key)?.map(look))
    }

    fn range(&mut self, start: &[u8], limit: usize, mut look: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let range = (Bound::Included(start), Bound::Unbounded);
        for pair in self.database.range(&self.transaction, &range)?.take(limit) {
            let (key, value) = pair?;
            look(key, value);
        }
        Ok(())
    }

    fn count(&mut self) -> Result<u64> {
        Ok(self.database.stat(&self.transaction)?.entries as u64)
    }
}
