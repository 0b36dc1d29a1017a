//! Reading: what a store answers about keys and ranges, and iterators.

use std::ops::Bound;

use bitcask::{Db, EntryPage, Iter, IterOptions, Result, Snapshot, Value, ValuePage};

use crate::language::{self, Item, Op, bytes, generated, word};
use crate::{Cursor, Outcome, Runner, filled_key, list, number, ok, record, value_or_not, yes_no};

/// Options that say what an iterator is made of.
const OVER: [&str; 4] = ["of", "snapshot", "batch", "txn"];

type Record = (Vec<u8>, Value);

/// What can be read, by one set of operations.
pub(crate) trait Reads {
    fn get(&self, key: &[u8]) -> Result<Option<Value>>;
    fn get_into(&self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>>;
    fn contains(&self, key: &[u8]) -> Result<bool>;
    fn value_size(&self, key: &[u8]) -> Result<Option<u64>>;
    fn multi_get(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Value>>>;
    fn multi_get_into(&self, keys: &[Vec<u8>], page: &mut ValuePage) -> Result<()>;
    fn first(&self) -> Result<Option<Record>>;
    fn last(&self) -> Result<Option<Record>>;
    fn len(&self) -> Result<u64>;
    fn count(&self, options: &IterOptions) -> Result<u64>;
    fn iter(&self, options: &IterOptions) -> Result<Iter>;
}

macro_rules! reads {
    ($type:ty) => {
        impl Reads for $type {
            fn get(&self, key: &[u8]) -> Result<Option<Value>> {
                <$type>::get(self, key)
            }
            fn get_into(&self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
                <$type>::get_into(self, key, buf)
            }
            fn contains(&self, key: &[u8]) -> Result<bool> {
                <$type>::contains(self, key)
            }
            fn value_size(&self, key: &[u8]) -> Result<Option<u64>> {
                <$type>::value_size(self, key)
            }
            fn multi_get(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Value>>> {
                <$type>::multi_get(self, keys)
            }
            fn multi_get_into(&self, keys: &[Vec<u8>], page: &mut ValuePage) -> Result<()> {
                <$type>::multi_get_into(self, keys, page)
            }
            fn first(&self) -> Result<Option<Record>> {
                <$type>::first(self)
            }
            fn last(&self) -> Result<Option<Record>> {
                <$type>::last(self)
            }
            fn len(&self) -> Result<u64> {
                <$type>::len(self)
            }
            fn count(&self, options: &IterOptions) -> Result<u64> {
                <$type>::count(self, options)
            }
            fn iter(&self, options: &IterOptions) -> Result<Iter> {
                <$type>::iter(self, options)
            }
        }
    };
}

reads!(Db);
reads!(Snapshot);

impl Runner {
    /// The operation of this name; `None` if it is none that reads.
    pub(crate) fn read(&self, from: &dyn Reads, name: &str, op: &Op) -> std::result::Result<Option<Outcome>, String> {
        Ok(Some(match name {
            "get" => self.lend(op.bytes(0)?, |k| from.get(k)).map(value_or_not),
            "get_into" => {
                let mut buffer = vec![0x55; op.number(1)?];
                let found = self.lend(op.bytes(0)?, |k| from.get_into(k, &mut buffer));
                found.map(|len| match len {
                    None => vec![word("NOT_FOUND")],
                    Some(len) if len > buffer.len() => vec![word("BUFFER_TOO_SMALL"), word(&len.to_string())],
                    Some(len) => vec![Item::Bytes(buffer[..len].to_vec())],
                })
            }
            "value_size" => {
                self.lend(op.bytes(0)?, |k| from.value_size(k)).map(|size| size.map_or(vec![word("NOT_FOUND")], number))
            }
            "multi_get" => {
                let keys = op.all_bytes()?;
                self.multi_get(from, keys)
                    .map(|values| list(values.into_iter().map(|value| value.map_or(word("NOT_FOUND"), Item::Bytes))))
            }
            "multi_filled" => {
                let (count, prefix, len) = (op.number(0)?, op.bytes(1)?, op.number(2)?);
                let keys = (0..count).map(|i| filled_key(&prefix, i)).collect();
                self.multi_get(from, keys).map(|values| {
                    let same = |(i, value): (usize, &Option<Vec<u8>>)| *value == Some(generated(i as u64, len));
                    number(values.iter().enumerate().filter(|value| same(*value)).count() as u64)
                })
            }
            "first" => from.first().map(one),
            "last" => from.last().map(one),
            "count_range" => from.count(&self.iter_options(op)?).map(number),
            "contains" => self.lend(op.bytes(0)?, |k| from.contains(k)).map(yes_no),
            "len" => from.len().map(number),
            "filled" => {
                let (count, prefix, len) = (op.number(0)?, op.bytes(1)?, op.number(2)?);
                let mut same = 0;
                for i in 0..count {
                    match self.lend(filled_key(&prefix, i), |k| from.get(k)) {
                        Ok(value) => same += u64::from(value.is_some_and(|v| *v == *generated(i as u64, len))),
                        Err(error) => return Ok(Some(Err(error))),
                    }
                }
                Ok(number(same))
            }
            "iter" => self.listing(op, |options| from.iter(options))?,
            "count" => self.count(op, from)?,
            _ => return Ok(None),
        }))
    }

    /// `iter`: all records, by the loop that anybody would write.
    pub(crate) fn listing(
        &self,
        op: &Op,
        open: impl FnOnce(&IterOptions) -> Result<Iter>,
    ) -> std::result::Result<Outcome, String> {
        let keys_only = op.yes("keys_only")?;
        Ok(open(&self.iter_options(op)?).and_then(|iter| {
            let records = iter.collect::<Result<Vec<_>>>()?;
            Ok(list(records.into_iter().map(|(key, value)| record(key, value.into_vec(), keys_only))))
        }))
    }

    /// Both forms of the call, which must agree. The keys' buffers are overwritten before the results are looked at.
    fn multi_get(&self, from: &dyn Reads, mut keys: Vec<Vec<u8>>) -> bitcask::Result<Vec<Option<Vec<u8>>>> {
        let mut page = ValuePage::new();
        let (values, copied) = (from.multi_get(&keys), from.multi_get_into(&keys, &mut page));
        if self.reuse {
            keys.iter_mut().for_each(|key| key.fill(0xaa));
        }
        let values: Vec<_> = values?.into_iter().map(|value| value.map(Value::into_vec)).collect();
        copied?;
        let same = page.len() == values.len() && page.iter().zip(&values).all(|(a, b)| a == b.as_deref());
        assert!(same, "multi_get and multi_get_into differ");
        Ok(values)
    }

    fn iter_options(&self, op: &Op) -> std::result::Result<IterOptions, String> {
        let mut options = IterOptions::new();
        for (name, value) in op.options.iter().filter(|(name, _)| !OVER.contains(&name.as_str())) {
            options = match name.as_str() {
                "prefix" => self.lend(bytes(value)?, |b| options.prefix(b)),
                "ge" => self.lend(bytes(value)?, |b| options.start(Bound::Included(b))),
                "gt" => self.lend(bytes(value)?, |b| options.start(Bound::Excluded(b))),
                "le" => self.lend(bytes(value)?, |b| options.end(Bound::Included(b))),
                "lt" => self.lend(bytes(value)?, |b| options.end(Bound::Excluded(b))),
                "reverse" => options.reverse(language::yes(value)?),
                "limit" => options.limit(language::number(value)?),
                "keys_only" => options.keys_only(language::yes(value)?),
                _ => return Err(format!("unknown option {name}={value}")),
            };
        }
        Ok(options)
    }

    /// Page by page, so that both ways of reading an iterator are run.
    fn count(&self, op: &Op, from: &dyn Reads) -> std::result::Result<Outcome, String> {
        let (options, reverse) = (self.iter_options(op)?, op.yes("reverse")?);
        let (mut page, mut count, mut last) = (EntryPage::new(), 0, None::<Vec<u8>>);
        let mut iter = match from.iter(&options) {
            Ok(iter) => iter,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            if let Err(error) = iter.next_page(&mut page, 100, 64 << 10) {
                return Ok(Err(error));
            }
            if page.is_empty() {
                return Ok(Ok(number(count)));
            }
            for i in 0..page.len() {
                let (key, _) = page.get(i).ok_or("a page is shorter than it says")?;
                if last.as_deref().is_some_and(|last| if reverse { key >= last } else { key <= last }) {
                    return Err(format!("wrong order at {}", language::hex(key)));
                }
                last = Some(key.to_vec());
                count += 1;
            }
        }
    }

    fn open_iter(&self, op: &Op, options: &IterOptions) -> std::result::Result<Result<Iter>, String> {
        Ok(if let Some(name) = op.option("snapshot") {
            self.snapshots.get(name).ok_or("no such snapshot")?.iter(options)
        } else if let Some(name) = op.option("batch") {
            self.batches.get(name).ok_or("no such batch")?.iter(options)
        } else if let Some(name) = op.option("txn") {
            self.transactions.get(name).ok_or("no such transaction")?.iter(options)
        } else {
            self.store_of(op)?.iter(options)
        })
    }

    pub(crate) fn step(&mut self, op: &Op) -> std::result::Result<Outcome, String> {
        let name = op.object("it").to_owned();
        if op.name == "iter_open" {
            let options = self.iter_options(op)?;
            return match self.open_iter(op, &options)? {
                Ok(iter) => {
                    self.iters.insert(name, Cursor { iter, keys_only: op.yes("keys_only")? });
                    ok(Ok(()))
                }
                Err(error) => Ok(Err(error)),
            };
        }
        let mut cursor = self.iters.remove(&name).ok_or("no such iterator")?;
        let outcome = match op.name.as_str() {
            "iter_free" => return ok(Ok(())),
            "iter_next" => {
                let records = cursor.iter.by_ref().take(op.number(0)?).collect::<Result<Vec<_>>>();
                Ok(records.map(|records| {
                    list(records.into_iter().map(|(key, value)| record(key, value.into_vec(), cursor.keys_only)))
                }))
            }
            "iter_seek" => {
                self.lend(op.bytes(0)?, |k| cursor.iter.seek(k));
                ok(Ok(()))
            }
            "iter_skip_damaged" => {
                cursor.iter.skip_damaged();
                ok(Ok(()))
            }
            "iter_rewind" => {
                cursor.iter.rewind();
                ok(Ok(()))
            }
            other => Err(format!("unknown operation {other}")),
        };
        self.iters.insert(name, cursor);
        outcome
    }
}

fn one(found: Option<Record>) -> Vec<Item> {
    vec![found.map_or(word("NOT_FOUND"), |(key, value)| Item::Pair(key, value.into_vec()))]
}
