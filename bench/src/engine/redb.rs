//! redb: a copy-on-write B-tree in one file. Its own cursors for sorted loads, retain, extract and pop.

use std::ops::Bound;
use std::path::Path;

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use redb::{Table, TableDefinition};

use super::{CACHE, End, Engine, Reader, TABLE, Writer};
use crate::Result;
use crate::pairs::VALUE_LEN;

const DEFINITION: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(TABLE);

pub(super) struct Redb {
    db: Database,
}

impl Engine for Redb {
    type Writer<'a> = RedbWriter<'a>;
    type Reader<'a> = RedbReader;

    fn open(_: &str, dir: &Path) -> Result<Redb> {
        let redb = Redb { db: Database::builder().set_cache_size(CACHE).create(dir.join("redb"))? };
        // A reader needs the table to be there.
        let transaction = redb.db.begin_write()?;
        transaction.open_table(DEFINITION)?;
        transaction.commit()?;
        Ok(redb)
    }

    fn write<R>(&self, sync: bool, work: impl FnOnce(&mut RedbWriter<'_>) -> Result<R>) -> Result<R> {
        let mut transaction = self.db.begin_write()?;
        if !sync {
            transaction.set_durability(Durability::None)?;
        }
        let result = work(&mut RedbWriter { table: transaction.open_table(DEFINITION)? })?;
        transaction.commit()?;
        Ok(result)
    }

    fn reader(&self) -> Result<RedbReader> {
        Ok(RedbReader { table: self.db.begin_read()?.open_table(DEFINITION)? })
    }

    fn compact(mut self, _: &Path) -> Result<(Redb, Option<&'static str>)> {
        self.db.compact()?;
        Ok((self, None))
    }

    fn close(self) -> Result<()> {
        drop(self.db);
        Ok(())
    }
}

pub(super) struct RedbWriter<'a> {
    table: Table<'a, &'static [u8], &'static [u8]>,
}

impl Writer for RedbWriter<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.table.insert(key, value)?;
        Ok(())
    }

    fn put_sorted<'p>(&mut self, pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>) -> Result<()> {
        let mut cursor = self.table.upper_bound_mut(Bound::<&[u8]>::Unbounded)?;
        for (key, value) in pairs {
            cursor.insert_before(key, value)?;
        }
        Ok(cursor.close()?)
    }

    fn has(&mut self, key: &[u8]) -> Result<bool> {
        Ok(ReadableTable::get(&self.table, key)?.is_some_and(|value| value.value().len() == VALUE_LEN))
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.table.remove(key)?;
        Ok(())
    }

    fn pop(&mut self, end: End) -> Result<Option<usize>> {
        let popped = match end {
            End::First => self.table.pop_first()?,
            End::Last => self.table.pop_last()?,
        };
        Ok(popped.map(|(_, value)| value.value().len()))
    }

    fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        let mut removed = 0;
        self.table.retain(|key, value| {
            let keep = keep(key, value);
            removed += u64::from(!keep);
            keep
        })?;
        Ok(removed)
    }

    fn extract_if(&mut self, low: &[u8], high: &[u8], take: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        let mut extracted = 0;
        for pair in self.table.extract_from_if(low..high, take)? {
            pair?;
            extracted += 1;
        }
        Ok(extracted)
    }
}

pub(super) struct RedbReader {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl Reader for RedbReader {
    fn get<R>(&mut self, key: &[u8], look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        // The trait's method: the table's own of the same name counts references, which costs more.
        Ok(ReadableTable::get(&self.table, key)?.map(|value| look(value.value())))
    }

    fn range(&mut self, start: &[u8], limit: usize, mut look: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for pair in ReadableTable::range(&self.table, start..)?.take(limit) {
            let (key, value) = pair?;
            look(key.value(), value.value());
        }
        Ok(())
    }

    fn count(&mut self) -> Result<u64> {
        Ok(self.table.len()?)
    }
}
