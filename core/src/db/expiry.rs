//! Keys that expire: putting them, asking and changing when they do, and sweeping what did.
//!
//! **What has expired is absent**, for every call at once and from that moment on, without anybody doing anything for it: to reads, iterators
//! and counts, to changes that depend on what was there, to batches and transactions. Snapshots, iterators and transactions go by the
//! time at which they began. It never uncovers an older value. Only [`Db::len`] counts what is expired, until it is swept.
//!
//! Times are those of the system's clock. If it jumps, forwards or back, that changes what has expired and nothing else; what was swept
//! stays gone.

use std::time::Duration;

use crate::error::Result;
use crate::options::WriteOptions;
use crate::types::Ttl;

use super::{Batch, Db, Transaction, check_key, check_value};

impl Db {
    /// As [`Db::put`]; the key counts as absent after so much time from now on. Whole milliseconds, a part of one counting as one; no time
    /// at all ([`Duration::ZERO`]) is a delete; what is beyond the numbers' range is for ever. A later put without ttl has no expiry;
    /// [`Db::fetch_add`] and [`Db::update`] keep it. [`WriteOptions::ttl`] is the same for other calls that put.
    ///
    /// # Errors
    /// As [`Db::put`].
    pub fn put_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<()> {
        self.put_with(key, value, WriteOptions::new().ttl(ttl))
    }

    /// Has a key expire so much time from now on, in place of when it would have, and tells whether it is there. No time at all removes it. The
    /// record is written anew, with its value; if another writer changes the key meanwhile, what that wrote is what expires.
    ///
    /// # Errors
    /// As [`Db::compare_and_swap`].
    pub fn expire(&self, key: &[u8], ttl: Duration) -> Result<bool> {
        self.expire_with(key, ttl, WriteOptions::new())
    }

    /// As [`Db::expire`], with options for the write.
    ///
    /// # Errors
    /// As [`Db::expire`].
    pub fn expire_with(&self, key: &[u8], ttl: Duration, options: WriteOptions) -> Result<bool> {
        options.check_no_ttl()?;
        check_key(key)?;
        self.store().expire(key, ttl, options.sync)
    }

    /// Takes away a key's own expiry, and tells whether it had one. The record is written anew, as by [`Db::expire`]; by
    /// [`Options::expiry`](crate::Options::expiry) its age begins then.
    ///
    /// # Errors
    /// As [`Db::compare_and_swap`].
    pub fn persist(&self, key: &[u8]) -> Result<bool> {
        self.persist_with(key, WriteOptions::new())
    }

    /// As [`Db::persist`], with options for the write.
    ///
    /// # Errors
    /// As [`Db::persist`].
    pub fn persist_with(&self, key: &[u8], options: WriteOptions) -> Result<bool> {
        options.check_no_ttl()?;
        check_key(key)?;
        self.store().persist(key, options.sync)
    }

    /// How long a key is left: by its own expiry, else by [`Options::expiry`](crate::Options::expiry). [`Ttl::NoKey`] is said of a key that is not there, or
    /// has expired, and [`Ttl::NoExpiry`] of one that lives for ever. Reads no value.
    ///
    /// # Errors
    /// As [`Db::get`].
    pub fn ttl(&self, key: &[u8]) -> Result<Ttl> {
        check_key(key)?;
        self.store().ttl(key)
    }

    /// Deletes what has expired by now, and tells how many keys that were. Nothing needs it but [`Db::len`] and the disk: a merge can
    /// give back only what is deleted, and begins with a sweep of its own. Writes go on beside it, and a key that is written
    /// meanwhile stays.
    ///
    /// It looks at the header of every record, by the order of keys, or where the index has none with 8 bytes of memory for each key. If it is known
    /// from the last sweep that nothing can have expired since, it does nothing.
    ///
    /// # Errors
    /// As [`Db::delete`]: what was swept until then stays so. Records that are damaged are passed over.
    pub fn sweep_expired(&self) -> Result<u64> {
        self.store().sweep(&mut |_| Ok(()))
    }
}

impl Batch {
    /// As [`Batch::put`]; the key counts as absent after so much time from this call on, see [`Db::put_with_ttl`]. No time at all is a delete.
    ///
    /// # Errors
    /// As [`Batch::put`].
    pub fn put_with_ttl(&mut self, key: &[u8], value: &[u8], ttl: Duration) -> Result<()> {
        self.check_open()?;
        check_key(key)?;
        check_value(value)?;
        self.store.put_in(&mut self.pending, key, value, Some(ttl));
        Ok(())
    }

    /// Puts the value that the key has now once more, to expire so much time from this call on, and tells whether the key is there. No time at all
    /// deletes it. What others write until the commit is overwritten: a [`Transaction`] would notice.
    ///
    /// # Errors
    /// As [`Batch::get`].
    pub fn expire(&mut self, key: &[u8], ttl: Duration) -> Result<bool> {
        let Some(found) = self.find(key)? else { return Ok(false) };
        self.store.put_in(&mut self.pending, key, &found.value, Some(ttl));
        Ok(true)
    }

    /// Puts the value that the key has now once more, without expiry of its own, and tells whether it had one. As [`Batch::expire`].
    ///
    /// # Errors
    /// As [`Batch::get`].
    pub fn persist(&mut self, key: &[u8]) -> Result<bool> {
        let Some(found) = self.find(key)?.filter(|found| found.expiry.is_some()) else { return Ok(false) };
        self.store.put_in(&mut self.pending, key, &found.value, None);
        Ok(true)
    }

    /// How long a key would be left if the batch were committed now.
    ///
    /// # Errors
    /// As [`Batch::get`].
    pub fn ttl(&self, key: &[u8]) -> Result<Ttl> {
        Ok(self.find(key)?.map_or(Ttl::NoKey, |found| found.ttl))
    }
}

impl Transaction {
    /// As [`Transaction::put`]; the key counts as absent after so much time from this call on, see [`Db::put_with_ttl`]. No time at all is a
    /// delete. The transaction's own reads go by the time at which it began.
    ///
    /// # Errors
    /// As [`Transaction::put`].
    pub fn put_with_ttl(&mut self, key: &[u8], value: &[u8], ttl: Duration) -> Result<()> {
        self.inner.check_open()?;
        check_key(key)?;
        check_value(value)?;
        self.inner.put(key, value, Some(ttl));
        Ok(())
    }

    /// Reads a key as [`Transaction::get_for_update`] does and puts it once more, to expire so much time from this call on. Tells whether it is there. No
    /// time at all deletes it.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    pub fn expire(&mut self, key: &[u8], ttl: Duration) -> Result<bool> {
        self.inner.check_open()?;
        check_key(key)?;
        let Some(found) = self.inner.find(key, true)? else { return Ok(false) };
        self.inner.put(key, &found.value, Some(ttl));
        Ok(true)
    }

    /// Reads a key as [`Transaction::get_for_update`] does and takes away its own expiry. Tells whether it had one.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    pub fn persist(&mut self, key: &[u8]) -> Result<bool> {
        self.inner.check_open()?;
        check_key(key)?;
        let Some(found) = self.inner.find(key, true)?.filter(|found| found.expiry.is_some()) else { return Ok(false) };
        self.inner.put(key, &found.value, None);
        Ok(true)
    }

    /// How long a key is left, from the time on at which the transaction began. Reads it as [`Transaction::get`] does.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    pub fn ttl(&self, key: &[u8]) -> Result<Ttl> {
        self.inner.check_open()?;
        check_key(key)?;
        Ok(self.inner.find(key, false)?.map_or(Ttl::NoKey, |found| found.ttl))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use crate::util::lock::Mutex;
    use crate::vfs::sim::SimVfs;
    use crate::{Db, Durability, Error, IndexKind, MergeOptions, Options, Timestamp};

    /// More keys than a sweep looks at at once.
    const KEYS: u64 = 2500;

    fn open(disk: &SimVfs, kind: IndexKind) -> Db {
        let options = Options::new().index(kind).durability(Durability::None).max_file_size(4096);
        let options = options.checkpoint_bytes(0).background_merge(false);
        Db::open_with_vfs("/db", &options, Arc::new(disk.clone())).unwrap()
    }

    fn live(db: &Db) -> u64 {
        db.file_stats().unwrap().iter().map(|file| file.live_records).sum()
    }

    /// A merge in the midst of a sweep takes the files away whose records the sweep was to look at: they are looked at when they have expired.
    #[test]
    fn a_sweep_beside_a_merge_forgets_nothing() {
        for kind in [IndexKind::BTree, IndexKind::Hash, IndexKind::Art, IndexKind::SkipList, IndexKind::BPTree] {
            let disk = SimVfs::new(3);
            disk.set_now(Timestamp(1000));
            let db = open(&disk, kind);
            for n in 0..KEYS {
                // Those that are looked at first expire last, in the order of keys and in that of the log.
                let ttl = if n == 0 { 50 } else { 5000 - n };
                db.put_with_ttl(&n.to_be_bytes(), b"value", Duration::from_millis(ttl)).unwrap();
            }
            disk.set_now(Timestamp(1060));
            // Its own sweep is over, and it waits, when the other begins, which it would else know more than.
            let (begun, has_begun) = channel();
            let (go, may_go) = channel::<()>();
            let gate = Mutex::new((begun, Some(may_go)));
            let options = MergeOptions::new().everything(true).progress(move |progress| {
                let mut gate = gate.lock();
                if progress.bytes_total > 0
                    && let Some(may_go) = gate.1.take()
                {
                    gate.0.send(()).unwrap();
                    let _ = may_go.recv();
                }
                ControlFlow::Continue(())
            });
            let merging = db.clone();
            let mut merge = Some(std::thread::spawn(move || merging.merge(&options)));
            has_begun.recv().unwrap();
            db.put_with_ttl(b"due", b"value", Duration::from_millis(1)).unwrap();
            disk.set_now(Timestamp(1062));
            let mut told = 0;
            let swept = db.store().sweep(&mut |_| {
                told += 1;
                if let Some(merge) = merge.take() {
                    go.send(()).unwrap();
                    assert!(merge.join().unwrap()?.removed_files.len() > 5);
                }
                Ok(())
            });
            assert!(swept.unwrap() <= 1 && told > 1, "{kind:?}: it had more to look at");
            disk.set_now(Timestamp(1000 + 5000 - 2000));
            db.sweep_expired().unwrap();
            // All that are due, though the first piece knows of none before 1000 later.
            assert_eq!(live(&db), 1999, "{kind:?}");
        }
    }

    /// Sweeps that are stopped after each piece come to the end all the same, where keys have an order; what they stop at is nobody's loss.
    #[test]
    fn a_sweep_that_is_stopped_is_gone_on_with() {
        for kind in [IndexKind::BTree, IndexKind::Art, IndexKind::SkipList, IndexKind::BPTree] {
            let disk = SimVfs::new(3);
            disk.set_now(Timestamp(1000));
            let db = open(&disk, kind);
            for n in 0..KEYS {
                // The first of the first piece, one of each other, and the last of all.
                let ttl = if n % 1030 == 0 || n == KEYS - 1 { 50 } else { 5000 };
                db.put_with_ttl(&n.to_be_bytes(), b"value", Duration::from_millis(ttl)).unwrap();
            }
            disk.set_now(Timestamp(1060));
            let stop = || Error::invalid("stopped");
            let mut rounds = 0;
            while let Err(error) = db.store().sweep(&mut |_| Err(stop())) {
                assert_eq!(error.status(), stop().status(), "{kind:?}");
                // Keys that come where it was are swept when they are due.
                db.put_with_ttl(&[0; 8][..1 + rounds], b"value", Duration::from_millis(1000)).unwrap();
                rounds += 1;
                assert!(rounds < 6, "{kind:?}: it begins anew each time");
            }
            assert_eq!(live(&db), KEYS - 4 + rounds as u64, "{kind:?}");
            disk.set_now(Timestamp(1060 + 999));
            assert_eq!(db.sweep_expired().unwrap(), 0);
            disk.set_now(Timestamp(1060 + 1000));
            assert_eq!(db.sweep_expired().unwrap(), rounds as u64, "{kind:?}");
        }
    }
}
