//! Optimistic transactions.

use std::ops::Bound;
use std::sync::Arc;

use crate::engine::{self, KeyRange, Store, Value};
use crate::error::Result;
use crate::options::WriteOptions;
use crate::types::SeqNo;

use super::batch::{bounded, prefixed};
use super::{Iter, IterOptions, Savepoint, check_key, check_value};

/// A transaction: reads show the store at its beginning with its own writes laid over; [`Transaction::commit`] makes the writes,
/// atomically, if nothing that was read has changed meanwhile. Else it is refused with [`Error::Conflict`](crate::Error::Conflict), and the caller
/// begins anew. Nobody waits for anybody in between, and no deadlock is possible.
///
/// **Isolation: serializable.** Committed transactions, batches and single writes together are as if made one after the other, in the order
/// of their sequence numbers; and nobody who began after a commit was acknowledged is placed before it. Read means: a key was
/// looked up, whether it was there or not, or an iterator went past the place where it is or would be (so there are no
/// phantoms, with every kind of index). Keys that are only written are not read: two transactions that write the same key without
/// reading it both commit, and the later one counts. [`Transaction::get_for_update`] makes a write depend on the key. A transaction that
/// wrote nothing always commits: it is as if made at its beginning.
///
/// When the store is closed, every call but [`Transaction::len`], [`Transaction::is_empty`] and [`Transaction::rollback`] gives
/// [`Error::Closed`](crate::Error::Closed). Dropping it discards it; that never touches the log. While it lives it costs what a [`Snapshot`](crate::Snapshot) does. For one thread at
/// a time.
///
/// ```
/// # fn main() -> bitcask::Result<()> {
/// # let dir = std::env::temp_dir().join(format!("bitcask-txn-{}", std::process::id()));
/// # let db = bitcask::Db::open(&dir, &bitcask::Options::new())?;
/// use bitcask::Error;
///
/// db.put(b"stock", b"7")?;
/// loop {
///     let mut txn = db.transaction()?;
///     let stock: u32 = txn.get(b"stock")?.and_then(|v| std::str::from_utf8(&v).ok()?.parse().ok()).unwrap_or(0);
///     txn.put(b"stock", (stock - 1).to_string().as_bytes())?;
///     txn.put(b"order:1", b"one")?;
///     match txn.commit() {
///         Err(Error::Conflict) => continue,
///         other => break other.map(|_| ())?,
///     }
/// }
/// assert_eq!(db.get(b"stock")?.as_deref(), Some(&b"6"[..]));
/// # db.close()?;
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Transaction {
    pub(super) inner: engine::Transaction,
}

impl Transaction {
    pub(super) fn new(store: &Arc<Store>) -> Result<Transaction> {
        Ok(Transaction { inner: engine::Transaction::new(store)? })
    }

    /// Number of the last commit that it sees.
    ///
    /// # Errors
    /// [`Error::TransactionFinished`](crate::Error::TransactionFinished).
    pub fn seq(&self) -> Result<SeqNo> {
        self.inner.check_open()?;
        Ok(self.inner.at()?.seq())
    }

    /// The value of a key: its own write, or else what the store had at its beginning, which the commit then rests on.
    ///
    /// # Errors
    /// [`Error::TransactionFinished`](crate::Error::TransactionFinished) after a commit or conflict; else as [`Db::get`](crate::Db::get).
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.inner.check_open()?;
        check_key(key)?;
        self.inner.get(key, false)
    }

    /// As [`Transaction::get`], and the commit rests on the key in any case: also where the transaction wrote it before, without having
    /// read it.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    pub fn get_for_update(&self, key: &[u8]) -> Result<Option<Value>> {
        self.inner.check_open()?;
        check_key(key)?;
        self.inner.get(key, true)
    }

    /// Whether a key is there. As [`Transaction::get`], but reads no value.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        self.inner.check_open()?;
        check_key(key)?;
        self.inner.contains(key)
    }

    /// An iterator over what the transaction sees now; its later writes change nothing of it. The commit rests on what the iterator has been
    /// through: from its beginning, or where it was sent, up to the last record that it gave, or to the end if it came there.
    ///
    /// # Errors
    /// [`Error::TransactionFinished`](crate::Error::TransactionFinished); else as [`Db::iter`](crate::Db::iter).
    pub fn iter(&self, options: &IterOptions) -> Result<Iter> {
        self.inner.check_open()?;
        Ok(Iter::laid(self.inner.iter(options.inner.clone())?))
    }

    /// Adds a put. Key and value are copied.
    ///
    /// # Errors
    /// [`Error::TransactionFinished`](crate::Error::TransactionFinished); [`Error::KeyEmpty`](crate::Error::KeyEmpty), [`Error::KeyTooLarge`](crate::Error::KeyTooLarge), [`Error::ValueTooLarge`](crate::Error::ValueTooLarge).
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.inner.check_open()?;
        check_key(key)?;
        check_value(value)?;
        self.inner.put(key, value, None);
        Ok(())
    }

    /// Adds a delete; the key need not exist, and is not read by this.
    ///
    /// # Errors
    /// As [`Transaction::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.inner.check_open()?;
        check_key(key)?;
        self.inner.pending.delete(key);
        Ok(())
    }

    /// Deletes all keys between two bounds that are there at the commit. Reads none of them. As [`Batch::delete_range`](crate::Batch::delete_range).
    ///
    /// # Errors
    /// As [`Batch::delete_range`](crate::Batch::delete_range), with [`Error::TransactionFinished`](crate::Error::TransactionFinished).
    pub fn delete_range(&mut self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<()> {
        self.delete_in(bounded(start, end))
    }

    /// Deletes all keys that begin with these bytes, as [`Transaction::delete_range`]. Empty: all keys.
    ///
    /// # Errors
    /// As [`Transaction::delete_range`].
    pub fn delete_prefix(&mut self, prefix: &[u8]) -> Result<()> {
        self.delete_in(prefixed(prefix))
    }

    fn delete_in(&mut self, range: Option<KeyRange>) -> Result<()> {
        self.inner.check_open()?;
        if let Some(range) = range {
            self.inner.pending.delete_range(range);
        }
        Ok(())
    }

    /// Marks the present state of the writes. As [`Batch::savepoint`](crate::Batch::savepoint).
    ///
    /// # Errors
    /// [`Error::TransactionFinished`](crate::Error::TransactionFinished).
    pub fn savepoint(&mut self) -> Result<Savepoint> {
        self.inner.check_open()?;
        Ok(Savepoint(self.inner.pending.mark()))
    }

    /// Takes back all writes since a savepoint. What was read stays read.
    ///
    /// # Errors
    /// As [`Batch::rollback_to`](crate::Batch::rollback_to), with [`Error::TransactionFinished`](crate::Error::TransactionFinished).
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.inner.check_open()?;
        self.inner.pending.back_to(savepoint.0)
    }

    /// Forgets a savepoint and later ones, and keeps all writes.
    ///
    /// # Errors
    /// As [`Transaction::rollback_to`].
    pub fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        self.inner.check_open()?;
        self.inner.pending.forget(savepoint.0)
    }

    /// Number of different keys written so far, without those that ranges delete; 0 when it is over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.pending.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.pending.is_empty()
    }

    /// Makes all writes, atomically, if nothing that was read has changed; gives the commit's number. Without writes
    /// that is the last commit that was seen; if all writes were deletes of missing keys, which write nothing, the last before it.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict): nothing was written, and the transaction is over. [`Error::TransactionFinished`](crate::Error::TransactionFinished) the second time. Else as
    /// [`Batch::commit`](crate::Batch::commit): nothing was written, and the commit may be tried again.
    pub fn commit(&mut self) -> Result<SeqNo> {
        self.commit_with(WriteOptions::new())
    }

    /// As [`Transaction::commit`], with options.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn commit_with(&mut self, options: WriteOptions) -> Result<SeqNo> {
        self.inner.check_open()?;
        options.check_no_ttl()?;
        self.inner.commit(options.sync)
    }

    /// Discards everything, as dropping it does; it is over then. Of a closed store too.
    ///
    /// # Errors
    /// [`Error::TransactionFinished`](crate::Error::TransactionFinished).
    pub fn rollback(&mut self) -> Result<()> {
        self.inner.at()?;
        self.inner.end();
        Ok(())
    }
}
