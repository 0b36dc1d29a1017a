//! The stores that are compared, each behind one trait.
//!
//! An adapter uses its store as the store's own documentation (or redb's comparison, where it has one) would: with the
//! settings of that comparison, its own cursor where it has one for a phase, its own way to load what is sorted. What it
//! can't do it says ([`Engine::ordered`], [`Engine::compact`]); the phases then leave the row empty.
//!
//! The traits are generic, not objects: what is called in a loop is compiled into the loop, for every store alike.

mod bitcask;
mod fjall;
mod lmdb;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;

use std::path::Path;

use crate::Result;

/// Bytes of cache that a store with one of its own gets, as in redb's comparison.
const CACHE: usize = 4 << 30;
/// Name of the table or keyspace, for stores that have several.
const TABLE: &str = "x";

/// A store in a directory of its own.
pub trait Engine: Sized + Sync {
    /// A write transaction, or what comes nearest.
    type Writer<'a>: Writer
    where
        Self: 'a;
    /// A reader of one moment.
    type Reader<'a>: Reader
    where
        Self: 'a;

    /// Opens or creates the store; `variant` is what stands behind the colon of its id.
    fn open(variant: &str, dir: &Path) -> Result<Self>;

    /// Whether keys have an order that ranges can use.
    fn ordered(&self) -> bool {
        true
    }

    /// Makes the writes of `work` atomically; on stable storage at return if `sync`.
    fn write<R>(&self, sync: bool, work: impl FnOnce(&mut Self::Writer<'_>) -> Result<R>) -> Result<R>;

    /// As [`Engine::write`] with `sync`, for puts only and many of them: the store's own way to load, where it has one.
    fn load<R>(&self, work: impl FnOnce(&mut Self::Writer<'_>) -> Result<R>) -> Result<R> {
        self.write(true, work)
    }

    /// Makes one write.
    fn put_one(&self, sync: bool, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(sync, |writer| writer.put(key, value))
    }

    /// Reads two keys and writes two, in one transaction without sync; tells how many of those read are there.
    fn transact(&self, reads: [&[u8]; 2], writes: [(&[u8], &[u8]); 2]) -> Result<usize> {
        self.write(false, |writer| {
            let mut found = 0;
            for key in reads {
                found += usize::from(writer.has(key)?);
            }
            writes.iter().try_for_each(|(key, value)| writer.put(key, value))?;
            Ok(found)
        })
    }

    /// Begins to read the store as it is now.
    fn reader(&self) -> Result<Self::Reader<'_>>;

    /// Gives space back; or tells why there is no such operation.
    fn compact(self, dir: &Path) -> Result<(Self, Option<&'static str>)>;

    /// Closes the store so that it can be opened again at once.
    fn close(self) -> Result<()>;
}

/// An end of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The smallest key.
    First,
    /// The greatest.
    Last,
}

/// Writes of one transaction.
pub trait Writer {
    /// Stores a value.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Stores pairs whose keys ascend and are greater than all that are there.
    fn put_sorted<'p>(&mut self, pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>) -> Result<()> {
        for (key, value) in pairs {
            self.put(key, value)?;
        }
        Ok(())
    }

    /// Reads a key within the transaction: whether its value is there, and is one of ours.
    fn has(&mut self, key: &[u8]) -> Result<bool>;

    /// Removes a key.
    fn delete(&mut self, key: &[u8]) -> Result<()>;

    /// Removes the pair at an end, if there is any; tells the length of its value.
    fn pop(&mut self, end: End) -> Result<Option<usize>>;

    /// Removes in order what `keep` denies, and tells how much that was.
    fn retain(&mut self, keep: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64>;

    /// Removes in order, from `low` up to but without `high`, what `take` affirms, and tells how much that was.
    fn extract_if(&mut self, low: &[u8], high: &[u8], take: impl FnMut(&[u8], &[u8]) -> bool) -> Result<u64>;
}

/// Reads of one moment.
pub trait Reader {
    /// Shows a key's value where it lies.
    fn get<R>(&mut self, key: &[u8], look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>>;

    /// Shows up to `limit` pairs in order, from the first at or above `start`.
    fn range(&mut self, start: &[u8], limit: usize, look: impl FnMut(&[u8], &[u8])) -> Result<()>;

    /// Number of keys.
    fn count(&mut self) -> Result<u64>;
}

/// Work that is the same for any store.
pub trait Task {
    /// What it gives.
    type Output;
    /// Does it. `variant` goes to [`Engine::open`].
    fn run<E: Engine>(self, variant: &str) -> Result<Self::Output>;
}

/// What is known of a store before it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name on command lines and in JSON: `redb`, `bitcask:btree`.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Whether it is ours.
    pub ours: bool,
    /// Whether it keeps keys in order.
    pub ordered: bool,
    /// The package whose version is told.
    pub package: &'static str,
}

/// All of them, ours first. A kind of index that the library gains is a line here and one in [`bitcask`]'s list.
pub const ENGINES: &[Known] = &[
    Known { id: "bitcask:btree", name: "bitcask btree", ours: true, ordered: true, package: "bitcask" },
    Known { id: "bitcask:hash", name: "bitcask hash", ours: true, ordered: false, package: "bitcask" },
    Known { id: "bitcask:art", name: "bitcask art", ours: true, ordered: true, package: "bitcask" },
    Known { id: "bitcask:skiplist", name: "bitcask skiplist", ours: true, ordered: true, package: "bitcask" },
    Known { id: "bitcask:bptree", name: "bitcask bptree", ours: true, ordered: true, package: "bitcask" },
    Known { id: "redb", name: "redb", ours: false, ordered: true, package: "redb" },
    Known { id: "lmdb", name: "LMDB", ours: false, ordered: true, package: "heed" },
    Known { id: "fjall", name: "fjall", ours: false, ordered: true, package: "fjall" },
    #[cfg(feature = "rocksdb")]
    Known { id: "rocksdb", name: "RocksDB", ours: false, ordered: true, package: "rocksdb" },
];

/// The index kind that figures without a kind's name stand for.
pub const DEFAULT: &str = "bitcask:btree";

/// Finds a store by its id.
#[must_use]
pub fn known(id: &str) -> Option<&'static Known> {
    ENGINES.iter().find(|engine| engine.id == id)
}

/// Does a task with the store of this id.
pub fn with<T: Task>(id: &str, task: T) -> Result<T::Output> {
    let (engine, variant) = id.split_once(':').unwrap_or((id, ""));
    match engine {
        "bitcask" => task.run::<bitcask::Bitcask>(variant),
        "redb" => task.run::<redb::Redb>(variant),
        "lmdb" => task.run::<lmdb::Lmdb>(variant),
        "fjall" => task.run::<fjall::Fjall>(variant),
        #[cfg(feature = "rocksdb")]
        "rocksdb" => task.run::<rocksdb::RocksDb>(variant),
        _ => Err(format!("no store is called {id}").into()),
    }
}
