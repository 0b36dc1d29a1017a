//! libbitcask, under any of its index kinds.
//!
//! Durability `None`, and a sync where a phase asks for one: what the peers do too. A single write is a put, which is
//! atomic by itself. Whatever takes several writes is one batch, and what
//! loads is an atomic bulk load. The library has no operations of its own for retain,
//! extract and pop: they are an iterator, and a batch of what it found.

use std::ops::Bound;
use std::path::Path;

use bitcask::{
    Batch, BulkLoader, BulkOptions, Db, Durability, EntryPage, IndexKind, Iter, IterOptions, MergeOptions, Options,
    WriteOptions,
};

use super::{End, Engine, Reader, Writer};
use crate::Result;
use crate::pairs::VALUE_LEN;

/// The kinds that this build of the library knows, and whether they keep an order.
const KINDS: &[(&str, IndexKind, bool)] = &[
    ("btree", IndexKind::BTree, true),
    ("hash", IndexKind::Hash, false),
    ("art", IndexKind::Art, true),
    ("skiplist", IndexKind::SkipList, true),
    ("bptree", IndexKind::BPTree, true),
];

/// Records and bytes of one page of an iteration over everything.
const PAGE: (usize, usize) = (1024, 256 << 10);

pub(super) struct Bitcask {
    db: Db,
    ordered: bool,
}

impl Engine for Bitcask {
    type Writer<'a> = BitcaskWriter<'a>;
    type Reader<'a> = BitcaskReader<'a>;

    fn open(variant: &str, dir: &Path) -> Result<Bitcask> {
        let Some(&(_, kind, ordered)) = KINDS.iter().find(|(name, ..)| *name == variant) else {
            return Err(format!("this libbitcask has no index of kind {variant}").into());
        };
        let db = Db::open(dir, &Options::new().index(kind).durability(Durability::None))?;
        Ok(Bitcask { db, ordered })
    }

    fn ordered(&self) -> bool {
        self.ordered
    }

    fn write<R>(&self, sync: bool, work: impl FnOnce(&mut BitcaskWriter<'_>) -> Result<R>) -> Result<R> {
        let mut writer = BitcaskWriter { db: &self.db, batch: self.db.batch(), bulk: None, ends: None };
        let result = work(&mut writer)?;
        // What iterators show would have to be kept for them over the commit.
        writer.ends = None;
        writer.batch.commit_with(WriteOptions::new().sync(sync))?;
        Ok(result)
    }

    fn load<R>(&self, work: impl FnOnce(&mut BitcaskWriter<'_>) -> Result<R>) -> Result<R> {
        let bulk = self.db.bulk_load(BulkOptions::new().sync(true))?;
        let mut writer = BitcaskWriter { db: &self.db, batch: self.db.batch(), bulk: Some(bulk), ends: None };
        let result = work(&mut writer)?;
        writer.bulk.map_or(Ok(()), BulkLoader::finish)?;
        Ok(result)
    }

    fn put_one(&self, sync: bool, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.db.put_with(key, value, WriteOptions::new().sync(sync))?)
    }

    fn transact(&self, reads: [&[u8]; 2], writes: [(&[u8], &[u8]); 2]) -> Result<usize> {
        let mut transaction = self.db.transaction()?;
        let mut found = 0;
        for key in reads {
            found += usize::from(transaction.get(key)?.is_some_and(|value| value.len() == VALUE_LEN));
        }
        writes.iter().try_for_each(|(key, value)| transaction.put(key, value))?;
        transaction.commit()?;
        Ok(found)
    }

    fn reader(&self) -> Result<BitcaskReader<'_>> {
        Ok(BitcaskReader { db: &self.db, page: EntryPage::new() })
    }

    fn compact(self, _: &Path) -> Result<(Bitcask, Option<&'static str>)> {
        self.db.merge(&MergeOptions::new().everything(true))?;
        Ok((self, None))
    }

    fn close(self) -> Result<()> {
        Ok(self.db.close()?)
    }
}

pub(super) struct BitcaskWriter<'a> {
    db: &'a Db,
    batch: Batch,
    bulk: Option<BulkLoader>,
    ends: Option<Ends>,
}

/// Iterators from both ends, for pops. They show the store as it was before the batch, so pops go on where the last left
/// off, and end where the two meet.
struct Ends {
    first: Pages,
    last: Pages,
    left: u64,
}

/// An iterator and the page that it is at.
struct Pages {
    iter: Iter,
    page: EntryPage,
    at: usize,
}

impl Pages {
    fn new(iter: Iter) -> Pages {
        Pages { iter, page: EntryPage::new(), at: 0 }
    }

    fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        if self.at == self.page.len() {
            self.iter.next_page(&mut self.page, PAGE.0, PAGE.1)?;
            self.at = 0;
        }
        self.at += 1;
        Ok(self.page.get(self.at - 1))
    }
}

impl BitcaskWriter<'_> {
    /// Iterators don't see what the batch has, so what walks must come first.
    fn must_be_first(&self) -> Result<()> {
        if self.batch.is_empty() { Ok(()) } else { Err("a walk behind other writes of the same batch".into()) }
    }

    /// Shows all pairs of a range in order and deletes what `take` affirms.
    fn take(&mut self, options: &IterOptions, mut take: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        self.must_be_first()?;
        let mut iter = self.db.iter(options)?;
        let mut page = EntryPage::new();
        let mut taken = 0;
        loop {
            iter.next_page(&mut page, PAGE.0, PAGE.1)?;
            if page.is_empty() {
                return Ok(taken);
            }
            for (key, value) in page.iter() {
                if take(key, value) {
                    self.batch.delete(key)?;
                    taken += 1;
                }
            }
        }
    }
}

impl Writer for BitcaskWriter<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        match &mut self.bulk {
            Some(bulk) => bulk.put(key, value)?,
            None => self.batch.put(key, value)?,
        }
        Ok(())
    }

    fn has(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.db.get(key)?.is_some_and(|value| value.len() == VALUE_LEN))
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        Ok(self.batch.delete(key)?)
    }

    fn pop(&mut self, end: End) -> Result<Option<usize>> {
        let ends = match &mut self.ends {
            Some(ends) => ends,
            none => {
                if !self.batch.is_empty() {
                    return Err("a pop behind other writes of the same batch".into());
                }
                let first = Pages::new(self.db.iter(&IterOptions::new())?);
                let last = Pages::new(self.db.iter(&IterOptions::new().reverse(true))?);
                none.insert(Ends { first, last, left: self.db.len()? })
            }
        };
        if ends.left == 0 {
            return Ok(None);
        }
        let pages = if end == End::First { &mut ends.first } else { &mut ends.last };
        let Some((key, value)) = pages.next()? else { return Ok(None) };
        ends.left -= 1;
        self.batch.delete(key)?;
        Ok(Some(value.len()))
    }

    fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        self.take(&IterOptions::new(), |key, value| !keep(key, value))
    }

    fn extract_if(&mut self, low: &[u8], high: &[u8], take: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64> {
        self.take(&IterOptions::new().start(Bound::Included(low)).end(Bound::Excluded(high)), take)
    }
}

pub(super) struct BitcaskReader<'a> {
    db: &'a Db,
    page: EntryPage,
}

impl Reader for BitcaskReader<'_> {
    fn get<R>(&mut self, key: &[u8], look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.db.get(key)?.map(|value| look(&value)))
    }

    fn range(&mut self, start: &[u8], limit: usize, mut look: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let options = IterOptions::new().start(Bound::Included(start)).limit(limit as u64);
        let mut iter = self.db.iter(&options)?;
        let mut left = limit;
        while left > 0 {
            iter.next_page(&mut self.page, left.min(PAGE.0), PAGE.1)?;
            if self.page.is_empty() {
                break;
            }
            self.page.iter().for_each(|(key, value)| look(key, value));
            left -= self.page.len();
        }
        Ok(())
    }

    fn count(&mut self) -> Result<u64> {
        Ok(self.db.len()?)
    }
}
