//! Optimistic transactions: reads at a snapshot, writes kept aside, validated at the commit.
//!
//! A commit is refused if anything that was read changed between the snapshot and the commit's place in the log: a key that was
//! looked up, there or not, or any key of a range that was gone through. So what was read is what would be read at the commit's
//! place, and the transaction is as if it ran there at once: transactions that write are serializable in the order of the log,
//! with all single writes and batches. One that wrote nothing is as if it ran at its snapshot, and needs no validation.
//!
//! The index keeps no numbers of commits. History does: it has every change behind a live snapshot (see there), by key and in
//! order, and the transaction's snapshot lives until its commit is answered.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::log::Value;
use crate::types::SeqNo;

use super::atomic::Found;
use super::cursor::CursorOptions;
use super::overlay::Overlay;
use super::pending::{New, Pending};
use super::plan::Check;
use super::reads::SharedReads;
use super::share::Share;
use super::snapshot::Snapshot;
use super::store::Store;

/// A transaction. For one thread at a time.
#[derive(Debug)]
pub(crate) struct Transaction {
    store: Share,
    /// `None` when it is over.
    at: Option<Snapshot>,
    pub(crate) pending: Pending,
    reads: SharedReads,
}

impl Transaction {
    pub(crate) fn new(store: &Arc<Store>) -> Result<Transaction> {
        let at = Some(Snapshot::new(store)?);
        Ok(Transaction { store: Share::of(store), at, pending: Pending::default(), reads: SharedReads::default() })
    }

    /// What it reads: the store at this moment.
    pub(crate) fn at(&self) -> Result<&Snapshot> {
        self.at.as_ref().ok_or(Error::TransactionFinished)
    }

    /// Every call but a rollback begins with this, those too that only remember something: nobody is to go on with what can't be committed any
    /// more.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.store.check_usable()?;
        self.at().map(drop)
    }

    /// A key's value: its own write, or what the snapshot has, which the commit then rests on. With `rest` on that in either case.
    pub(crate) fn get(&self, key: &[u8], rest: bool) -> Result<Option<Value>> {
        let at = self.at()?;
        match self.read(key, rest)? {
            Some(new) => Ok(new.filter(|new| new.is_alive(at.now())).map(|new| owned(new.value))),
            None => at.get(key),
        }
    }

    /// The same with what is known of its expiry.
    pub(crate) fn find(&self, key: &[u8], rest: bool) -> Result<Option<Found>> {
        let at = self.at()?;
        match self.read(key, rest)? {
            Some(new) => Ok(new.and_then(|new| self.store.found_own(new, at.now()))),
            None => at.find(key),
        }
    }

    /// Its own write of a key, if there is one; notes what the commit rests on.
    fn read(&self, key: &[u8], rest: bool) -> Result<Option<Option<New<'_>>>> {
        self.store.check_usable()?;
        let own = self.pending.get(key);
        if rest || own.is_none() {
            self.reads.lock().add_key(key);
        }
        Ok(own)
    }

    /// Puts a value for a time that begins now.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], ttl: Option<Duration>) {
        self.store.put_in(&mut self.pending, key, value, ttl);
    }

    /// Whether a key is there. As [`Transaction::get`].
    pub(crate) fn contains(&self, key: &[u8]) -> Result<bool> {
        let at = self.at()?;
        match self.read(key, false)? {
            Some(new) => Ok(new.is_some_and(|new| new.is_alive(at.now()))),
            None => at.contains(key),
        }
    }

    pub(crate) fn iter(&self, options: CursorOptions) -> Result<Overlay> {
        let at = self.at()?;
        let reads = Some(Arc::clone(&self.reads));
        Overlay::new(&self.store, &self.pending, options, reads, |options| at.cursor(options))
    }

    /// Validates and writes. After a conflict it is over; after another failure it may be tried again.
    pub(crate) fn commit(&mut self, sync: bool) -> Result<SeqNo> {
        let seq = self.at()?.seq();
        self.store.check_usable()?;
        let outcome = if self.pending.is_empty() {
            Ok(seq)
        } else {
            self.store.commit_checked(&self.pending, sync, Check::Unread(seq, Arc::clone(&self.reads)))
        };
        if matches!(outcome, Ok(_) | Err(Error::Conflict)) {
            self.end();
        }
        outcome
    }

    /// Forgets all writes and lets go of the snapshot.
    pub(crate) fn end(&mut self) {
        self.at = None;
        self.pending.clear();
        self.reads = SharedReads::default();
    }
}

/// A value that is nobody else's yet.
pub(super) fn owned(value: &[u8]) -> Value {
    Value::owned(value.to_vec(), 0..value.len())
}
