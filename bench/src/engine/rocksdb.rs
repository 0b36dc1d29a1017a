//! RocksDB: a log-structured merge tree, through its optimistic transactions as in redb's comparison.
//!
//! As there, a transaction is committed and begun again every 100,000 writes, because one of millions takes memory
//! without bound; its bulk load, removals and retain are therefore not atomic, unlike the other stores'.

use std::mem;
use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, Direction, IteratorMode, OptimisticTransactionDB, OptimisticTransactionOptions, Options,
    SnapshotWithThreadMode, Transaction, WriteBufferManager, WriteOptions,
};

use super::{CACHE, End, Engine, Reader, Writer};
use crate::Result;
use crate::pairs::VALUE_LEN;

const WRITES_PER_TRANSACTION: u64 = 100_000;

type Store = OptimisticTransactionDB;

pub(super) struct RocksDb {
    db: Store,
}

impl Engine for RocksDb {
    type Writer<'a> = RocksWriter<'a>;
    type Reader<'a> = RocksReader<'a>;

    fn open(_: &str, dir: &Path) -> Result<RocksDb> {
        let cache = Cache::new_lru_cache(CACHE);
        let buffers = WriteBufferManager::new_write_buffer_manager_with_cache(CACHE / 2, false, cache.clone());
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&cache);
        blocks.set_bloom_filter(10.0, false);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(false);
        blocks.set_pin_top_level_index_and_filter(false);
        let mut options = Options::default();
        options.set_block_based_table_factory(&blocks);
        options.set_write_buffer_manager(&buffers);
        options.set_max_write_buffer_size_to_maintain((CACHE / 2) as i64);
        options.create_if_missing(true);
        options.increase_parallelism(std::thread::available_parallelism().map_or(1, |n| n.get() as i32));
        Ok(RocksDb { db: Store::open(&options, dir)? })
    }

    fn write<R>(&self, sync: bool, work: impl FnOnce(&mut RocksWriter<'_>) -> Result<R>) -> Result<R> {
        let mut options = WriteOptions::new();
        options.set_sync(sync);
        let mut transaction_options = OptimisticTransactionOptions::new();
        transaction_options.set_snapshot(true);
        let transaction = self.db.transaction_opt(&options, &transaction_options);
        let mut writer = RocksWriter { db: &self.db, transaction, writes: 0 };
        let result = work(&mut writer)?;
        writer.transaction.commit()?;
        Ok(result)
    }

    fn reader(&self) -> Result<RocksReader<'_>> {
        Ok(RocksReader { snapshot: self.db.snapshot() })
    }

    fn compact(self, _: &Path) -> Result<(RocksDb, Option<&'static str>)> {
        self.db.compact_range::<&[u8], &[u8]>(None, None);
        Ok((self, None))
    }

    fn close(self) -> Result<()> {
        drop(self.db);
        Ok(())
    }
}

pub(super) struct RocksWriter<'a> {
    db: &'a Store,
    transaction: Transaction<'a, Store>,
    writes: u64,
}

impl RocksWriter<'_> {
    fn count(&mut self) -> Result<()> {
        self.writes += 1;
        if self.writes == WRITES_PER_TRANSACTION {
            self.writes = 0;
            mem::replace(&mut self.transaction, self.db.transaction()).commit()?;
        }
        Ok(())
    }

    /// There is no cursor that deletes: collects, then deletes.
    fn take(
        &mut self,
        from: IteratorMode<'_>,
        high: Option<&[u8]>,
        mut take: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<u64> {
        let mut keys = Vec::new();
        for pair in self.transaction.iterator(from) {
            let (key, value) = pair?;
            if high.is_some_and(|high| *key >= *high) {
                break;
            }
            if take(&key, &value) {
                keys.push(key);
            }
        }
        for key in &keys {
            self.delete(key)?;
        }
        Ok(keys.len() as u64)
    }
}

impl Writer for RocksWriter<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.count()?;
        Ok(self.transaction.put(key, value)?)
    }

    fn has(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.transaction.get(key)?.is_some_and(|value| value.len() == VALUE_LEN))
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.count()?;
        Ok(self.transaction.delete(key)?)
    }

    fn pop(&mut self, end: End) -> Result<Option<usize>> {
        let mode = if end == End::First { IteratorMode::Start } else { IteratorMode::End };
        let pair = self.transaction.iterator(mode).next().transpose()?;
        let Some((key, value)) = pair else { return Ok(None) };
        self.delete(&key)?;
        Ok(Some(value.len()))
    }

    fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        self.take(IteratorMode::Start, None, |key, value| !keep(key, value))
    }

    fn extract_if(&mut self, low: &[u8], high: &[u8], take: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        self.take(IteratorMode::From(low, Direction::Forward), Some(high), take)
    }
}

pub(super) struct RocksReader<'a> {
    snapshot: SnapshotWithThreadMode<'a, Store>,
}

impl Reader for RocksReader<'_> {
    fn get<R>(&mut self, key: &[u8], look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.snapshot.get(key)?.map(|value| look(&value)))
    }

    fn range(&mut self, start: &[u8], limit: usize, mut look: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for pair in self.snapshot.iterator(IteratorMode::From(start, Direction::Forward)).take(limit) {
            let (key, value) = pair?;
            look(&key, &value);
        }
        Ok(())
    }

    fn count(&mut self) -> Result<u64> {
        Ok(self.snapshot.iterator(IteratorMode::Start).count() as u64)
    }
}
