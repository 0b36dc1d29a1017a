//! fjall: a log-structured merge tree. It has no cursor that deletes: retain and extract collect, then remove.

use std::path::Path;

use fjall::{KeyspaceCreateOptions, PersistMode, Readable, SingleWriterTxDatabase, SingleWriterTxKeyspace};
use fjall::{SingleWriterWriteTx, Snapshot};

use super::{CACHE, End, Engine, Reader, TABLE, Writer};
use crate::Result;
use crate::pairs::VALUE_LEN;

pub(super) struct Fjall {
    db: SingleWriterTxDatabase,
    keyspace: SingleWriterTxKeyspace,
}

impl Engine for Fjall {
    type Writer<'a> = FjallWriter<'a>;
    type Reader<'a> = FjallReader<'a>;

    fn open(_: &str, dir: &Path) -> Result<Fjall> {
        let db = SingleWriterTxDatabase::builder(dir).cache_size(CACHE as u64).open()?;
        let keyspace = db.keyspace(TABLE, KeyspaceCreateOptions::default)?;
        Ok(Fjall { db, keyspace })
    }

    fn write<R>(&self, sync: bool, work: impl FnOnce(&mut FjallWriter<'_>) -> Result<R>) -> Result<R> {
        let mut writer = FjallWriter { keyspace: &self.keyspace, transaction: self.db.write_tx() };
        let result = work(&mut writer)?;
        writer.transaction.commit()?;
        self.db.persist(if sync { PersistMode::SyncAll } else { PersistMode::Buffer })?;
        Ok(result)
    }

    fn reader(&self) -> Result<FjallReader<'_>> {
        Ok(FjallReader { keyspace: &self.keyspace, snapshot: self.db.read_tx() })
    }

    fn compact(self, _: &Path) -> Result<(Fjall, Option<&'static str>)> {
        // What redb's comparison makes of it.
        Ok((self, Some("compacts by itself, in the background")))
    }

    fn close(self) -> Result<()> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }
}

pub(super) struct FjallWriter<'a> {
    keyspace: &'a SingleWriterTxKeyspace,
    transaction: SingleWriterWriteTx<'a>,
}

impl FjallWriter<'_> {
    fn take(&mut self, pairs: fjall::Iter, mut take: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        let mut keys = Vec::new();
        for pair in pairs {
            let (key, value) = pair.into_inner()?;
            if take(&key, &value) {
                keys.push(key);
            }
        }
        let count = keys.len() as u64;
        for key in keys {
            self.transaction.remove(self.keyspace, key);
        }
        Ok(count)
    }
}

impl Writer for FjallWriter<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.transaction.insert(self.keyspace, key, value);
        Ok(())
    }

    fn has(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.transaction.get(self.keyspace, key)?.is_some_and(|value| value.len() == VALUE_LEN))
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.transaction.remove(self.keyspace, key);
        Ok(())
    }

    fn pop(&mut self, end: End) -> Result<Option<usize>> {
        let mut iter = self.transaction.iter(self.keyspace);
        let pair = match end {
            End::First => iter.next(),
            End::Last => iter.next_back(),
        };
        drop(iter);
        let Some(pair) = pair else { return Ok(None) };
        let (key, value) = pair.into_inner()?;
        self.transaction.remove(self.keyspace, key);
        Ok(Some(value.len()))
    }

    fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        let pairs = self.transaction.iter(self.keyspace);
        self.take(pairs, |key, value| !keep(key, value))
    }

    fn extract_if(&mut self, low: &[u8], high: &[u8], take: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        let pairs = self.transaction.range(self.keyspace, low..high);
        self.take(pairs, take)
    }
}

pub(super) struct FjallReader<'a> {
    keyspace: &'a SingleWriterTxKeyspace,
    snapshot: Snapshot,
}

impl Reader for FjallReader<'_> {
    fn get<R>(&mut self, key: &[u8], look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.snapshot.get(self.keyspace, key)?.map(|value| look(&value)))
    }

    fn range(&mut self, start: &[u8], limit: usize, mut look: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for pair in self.snapshot.range(self.keyspace, start..).take(limit) {
            let (key, value) = pair.into_inner()?;
            look(&key, &value);
        }
        Ok(())
    }

    fn count(&mut self) -> Result<u64> {
        Ok(self.snapshot.len(self.keyspace)? as u64)
    }
}
