//! The facade: what Rust users see, and all that the C ABI and the Python package are built from.
//!
//! Thin on purpose. It checks arguments and that the store is open in this process, and hands narrow
//! configurations to the engine.

mod atomic;
mod batch;
mod bulk;
mod durable;
mod expiry;
mod fold;
mod future;
mod iter;
mod later;
mod snapshot;
mod transaction;

use std::path::Path;
use std::sync::Arc;

pub use batch::{Batch, Savepoint};
pub use bulk::{BulkLoader, BulkOptions};
pub use future::WriteFuture;
pub use iter::{EntryPage, Iter, IterOptions, ValuePage};
pub use snapshot::Snapshot;
pub use transaction::Transaction;

use crate::engine::MergeOptions;
use crate::engine::{self, Handle, State};
use crate::error::{Error, Result};
use crate::options::{Options, WriteOptions};
use crate::stats::{BackgroundMerge, FileStats, MergeNeed, MergeReport, OpenReport, Refreshed, Stats};
use crate::types::{MAX_KEY_LEN, MAX_VALUE_LEN};
use crate::vfs::{OsVfs, Vfs};

pub use crate::engine::Value;

/// An open store. Cheap to clone; all clones are the same store. Thread-safe.
///
/// Dropping the last clone (iterators, batches included) closes the store, but a failure can then not be told: call
/// [`Db::close`].
#[derive(Clone, Debug)]
pub struct Db {
    handle: Handle,
}

impl Db {
    /// Opens the store in a directory, creating it if the options say so, and recovers what is there.
    ///
    /// # Errors
    /// [`Error::Locked`] if it is open for writing elsewhere, [`Error::NoStore`], [`Error::Corrupted`] (see
    /// [`OnDamage`](crate::OnDamage)), [`Error::UnsupportedVersion`], [`Error::UnsupportedFeature`], [`Error::ForeignFile`],
    /// [`Error::InvalidArgument`], [`Error::Io`].
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Db> {
        Db::open_with_vfs(path, options, Arc::new(OsVfs))
    }

    /// As [`Db::open`], on a file system of the caller's choice.
    pub fn open_with_vfs(path: impl AsRef<Path>, options: &Options, vfs: Arc<dyn Vfs>) -> Result<Db> {
        options.validate()?;
        let config = engine::Config {
            index: options.index,
            durability: options.durability,
            max_file_size: options.max_file_size,
            create_if_missing: options.create_if_missing,
            read_only: options.read_only,
            verify_checksums: options.verify_checksums,
            on_damage: options.on_damage,
            io: options.io,
            sort_budget: options.sort_budget,
            index_budget: options.index_budget,
            checkpoint_bytes: options.checkpoint_bytes,
            merge: options.merge,
            expiry: options.expiry,
            background_merge: options.background_merge,
        };
        Ok(Db { handle: Handle::open(path.as_ref(), config, vfs, options.progress.clone())? })
    }

    #[inline]
    fn store(&self) -> State<'_> {
        self.handle.store()
    }

    /// Catches up with the writer in another process, if the store was opened for reading only: what was written and acknowledged there before this
    /// call is shown from now on, each commit whole. What is new is read and nothing else; only where the writer took something back, or
    /// files came or went (a merge), all is loaded anew, beside what is shown until that is done. Iterators, snapshots and values go on
    /// showing what they showed. With nothing new it costs a few system calls. In a store that is open for writing it does nothing.
    ///
    /// Threads that refresh at once wait for each other; reads go on meanwhile.
    ///
    /// # Errors
    /// [`Error::Corrupted`] where the log is damaged (the state before stays, and can be read), [`Error::Closed`], [`Error::Forked`],
    /// [`Error::Io`], [`Error::NoStore`] if the directory has no data files any more.
    pub fn refresh(&self) -> Result<Refreshed> {
        self.handle.refresh()
    }

    /// The value of a key, or `None`. The value does not keep anybody from writing.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the record is damaged, [`Error::KeyEmpty`], [`Error::KeyTooLarge`], [`Error::Closed`],
    /// [`Error::Forked`], [`Error::Io`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        check_key(key)?;
        self.store().get(key)
    }

    /// Copies a key's value into `buf` as far as it fits, and gives the value's whole length; `None` if there is no such key. If the length exceeds
    /// the buffer's, what the buffer holds is unspecified.
    ///
    /// # Errors
    /// As [`Db::get`].
    pub fn get_into(&self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        check_key(key)?;
        self.store().get_into(key, buf)
    }

    /// Whether a key is there. Reads no value, and nothing but the index where nothing can expire.
    ///
    /// # Errors
    /// As [`Db::get`].
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        check_key(key)?;
        self.store().contains(key)
    }

    /// Length of a key's value in bytes, or `None` if there is no such key. Reads no value, and so finds no damage in it.
    ///
    /// # Errors
    /// As [`Db::get`].
    pub fn value_size(&self, key: &[u8]) -> Result<Option<u64>> {
        check_key(key)?;
        self.store().value_size(key)
    }

    /// The values of many keys as of one moment, in the order of the keys. A key may be given twice. The records are read in the order
    /// of the log, which is faster than one by one.
    ///
    /// # Errors
    /// As [`Db::get`], of the first key that fails: then there are no values at all.
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        keys.iter().try_for_each(|key| check_key(key.as_ref()))?;
        self.store().multi_get(keys)
    }

    /// As [`Db::multi_get`], copying the values into one buffer: with a page that is used again nothing is allocated.
    ///
    /// # Errors
    /// As [`Db::multi_get`]; the page is empty then.
    pub fn multi_get_into<K: AsRef<[u8]>>(&self, keys: &[K], page: &mut ValuePage) -> Result<()> {
        page.clear();
        keys.iter().try_for_each(|key| check_key(key.as_ref()))?;
        self.store().multi_get_into(keys, page)
    }

    /// The record with the least key, or `None` in an empty store. Without order (`hash`) this reads all keys.
    ///
    /// # Errors
    /// As [`Db::iter`].
    pub fn first(&self) -> Result<Option<(Vec<u8>, Value)>> {
        engine::Snapshot::new(&self.store())?.edge(false)
    }

    /// The record with the greatest key, or `None` in an empty store. Without order (`hash`) this reads all keys.
    ///
    /// # Errors
    /// As [`Db::iter`].
    pub fn last(&self) -> Result<Option<(Vec<u8>, Value)>> {
        engine::Snapshot::new(&self.store())?.edge(true)
    }

    /// Number of keys that an iterator with these options would give now. Reads no values, and no keys where the index keeps them;
    /// without bounds and prefix in O(1). Where something may expire it looks at the header of each record.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`]; and as [`Db::iter`] where the index keeps no keys.
    pub fn count(&self, options: &IterOptions) -> Result<u64> {
        let store = self.store();
        if options.inner.is_all() && !store.may_expire() {
            return Ok(store.len()?.min(options.inner.limit));
        }
        engine::Snapshot::new(&store)?.count(options.inner.clone())
    }

    /// A key at random, each with the same chance, or `None` in an empty store.
    ///
    /// # Errors
    /// As [`Db::get`], where the record that was picked is damaged.
    pub fn random_key(&self) -> Result<Option<Vec<u8>>> {
        self.store().random_key()
    }

    /// Stores a value under a key, replacing any other. Key and value are copied before this returns.
    ///
    /// # Errors
    /// [`Error::KeyEmpty`], [`Error::KeyTooLarge`], [`Error::ValueTooLarge`], [`Error::ReadOnly`], [`Error::Closed`], [`Error::Forked`],
    /// [`Error::Io`] (the write did not happen; later ones may work), [`Error::WritesStopped`].
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put_with(key, value, WriteOptions::new())
    }

    /// As [`Db::put`], with options for this write.
    ///
    /// # Errors
    /// As [`Db::put`].
    pub fn put_with(&self, key: &[u8], value: &[u8], options: WriteOptions) -> Result<()> {
        options.check_put()?;
        check_key(key)?;
        check_value(value)?;
        self.store().put_unasked(key, value, options.sync, options.ttl)
    }

    /// Removes a key and tells whether it was there. Removing a missing key writes nothing.
    ///
    /// # Errors
    /// As [`Db::put`].
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.delete_with(key, WriteOptions::new())
    }

    /// As [`Db::delete`], with options for this write.
    ///
    /// # Errors
    /// As [`Db::put`].
    pub fn delete_with(&self, key: &[u8], options: WriteOptions) -> Result<bool> {
        options.check_no_ttl()?;
        check_key(key)?;
        self.store().delete(key, options.sync).map(|written| written.existed)
    }

    /// An empty batch: writes that take effect together or not at all.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::new(&self.store())
    }

    /// Begins to load many pairs at once: in the memory of their keys only, whatever their values take, and faster than a batch.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Closed`], [`Error::Forked`].
    pub fn bulk_load(&self, options: BulkOptions) -> Result<BulkLoader> {
        BulkLoader::new(&self.store(), options)
    }

    /// Begins a transaction: it reads the store as it is now, and what it writes takes effect at its commit, if nothing of what it
    /// read has changed until then.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`].
    pub fn transaction(&self) -> Result<Transaction> {
        Transaction::new(&self.store())
    }

    /// An iterator over the store as it is now, whatever is written meanwhile.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`]; where the index has no order (`hash`), [`Error::Io`] and [`Error::Corrupted`], because keys are
    /// read from the log, and [`Error::Unsupported`] if sorting them takes more than
    /// [`Options::sort_budget`].
    pub fn iter(&self, options: &IterOptions) -> Result<Iter> {
        Iter::new(&self.store(), options)
    }

    /// The store as it is now, to be read for as long as one wants, whatever is written meanwhile. In O(1), and at no cost to
    /// writers but the memory that [`Snapshot`] tells of.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`].
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::new(&self.store())
    }

    /// All keys at one moment, in order. Takes the memory of all of them: [`Db::iter`] with [`IterOptions::keys_only`] does not.
    ///
    /// # Errors
    /// As [`Db::iter`].
    pub fn list_keys(&self) -> Result<Vec<Vec<u8>>> {
        self.snapshot()?.list_keys()
    }

    /// Number of keys, in O(1). What has expired counts until it is swept ([`Db::sweep_expired`]); [`Db::count`] counts what is there.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`].
    pub fn len(&self) -> Result<u64> {
        self.store().len()
    }

    /// Whether there are no keys. What has expired counts until it is swept.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Brings everything acknowledged so far to stable storage.
    ///
    /// # Errors
    /// [`Error::WritesStopped`] after a sync that failed, now or earlier; [`Error::Closed`], [`Error::Forked`], [`Error::ReadOnly`].
    pub fn sync(&self) -> Result<()> {
        self.store().sync()
    }

    /// Figures of the store as it is now.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`].
    pub fn stats(&self) -> Result<Stats> {
        self.store().stats()
    }

    /// Figures of each data file as it is now, by ascending number. They are kept while the store is written; what is not, lengths of overwritten
    /// records and what has expired, is read from hints and data files by this call, beside writers. Only where the index had to be made
    /// anew does the next call count all files, while writers wait.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`], [`Error::Io`].
    pub fn file_stats(&self) -> Result<Vec<FileStats>> {
        self.store().file_stats()
    }

    /// [`Db::file_stats`] counted anew: reads every record of every file, while writers wait. For checking.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`], [`Error::Io`].
    pub fn recount(&self) -> Result<Vec<FileStats>> {
        self.store().recount()
    }

    /// Reclaims what is dead: copies what is alive out of some data files into new ones, and removes them. Reads and writes go on beside it. Returns
    /// when it is done, or at once if nothing is worth it. One merge runs at a time; a second call waits for the first.
    ///
    /// A data file that has bytes which no record accounts for is left as it is, and told in the report.
    ///
    /// # Errors
    /// [`Error::Cancelled`] by the callback, [`Error::InvalidArgument`] for a file that is not there or in a merge's own callback, [`Error::ReadOnly`], [`Error::Closed`] (also
    /// if the store is closed meanwhile), [`Error::Forked`], [`Error::WritesStopped`], [`Error::Corrupted`], [`Error::Io`]. The store is
    /// as it was then, but for files that are done already.
    pub fn merge(&self, options: &MergeOptions) -> Result<MergeReport> {
        self.store().merge(options)
    }

    /// Whether, and why, a merge would be worth its while by the store's [`MergePolicy`](crate::MergePolicy).
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`].
    #[doc(alias = "needs_merge")]
    pub fn merge_needed(&self) -> Result<Option<MergeNeed>> {
        self.store().merge_needed()
    }

    /// What the last merge in the background came to ([`Options::background_merge`]); `None` before the first. How many there were is in [`Stats`].
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`].
    pub fn last_background_merge(&self) -> Result<Option<BackgroundMerge>> {
        self.store().last_background_merge()
    }

    /// Makes merges wait where they are, those that come later too, and those in the background.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`].
    pub fn pause_merge(&self) -> Result<()> {
        self.store().pause_merge(true)
    }

    /// Lets merges go on. One in the background that failed is tried again at once.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`].
    pub fn resume_merge(&self) -> Result<()> {
        self.store().pause_merge(false)
    }

    /// What opening found and did.
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        self.handle.open_report()
    }

    /// The directory, as the file system names it.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.handle.path()
    }

    /// Syncs, closes and unlocks. Every later call on any clone gives [`Error::Closed`], a second close too. Calls
    /// under way in other threads end first.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Forked`], [`Error::InvalidArgument`] in a merge's own callback, which it would wait for; or the failure of the
    /// last sync: then the store is closed all the same.
    pub fn close(&self) -> Result<()> {
        self.store().close()
    }
}

pub(crate) fn check_key(key: &[u8]) -> Result<()> {
    match key.len() {
        0 => Err(Error::KeyEmpty),
        len if len > MAX_KEY_LEN => Err(Error::KeyTooLarge { len }),
        _ => Ok(()),
    }
}

pub(crate) fn check_value(value: &[u8]) -> Result<()> {
    if value.len() as u64 > MAX_VALUE_LEN as u64 {
        return Err(Error::ValueTooLarge { len: value.len() });
    }
    Ok(())
}
