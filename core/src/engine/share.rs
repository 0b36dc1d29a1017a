//! A user's share in an open store: what handles, snapshots, cursors, batches, transactions and loads hold.
//!
//! Threads that work for the store in the background hold it too, but have no share: when the last share goes, they are stopped
//! and waited for, so that the store ends there and then, in the thread that gave up the share, and can be opened again at once.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::store::Store;

/// How many shares there are.
#[derive(Debug, Default)]
pub(super) struct Shares(AtomicUsize);

/// See the module.
#[derive(Debug)]
pub(crate) struct Share(Arc<Store>);

impl Share {
    /// One share more.
    ///
    /// REQUIRES: somebody else has one for the length of the call, or it is the first.
    pub(crate) fn of(store: &Arc<Store>) -> Share {
        store.shares.0.fetch_add(1, Ordering::Relaxed);
        Share(Arc::clone(store))
    }

    #[inline]
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.0
    }
}

impl Clone for Share {
    fn clone(&self) -> Share {
        Share::of(&self.0)
    }
}

impl Deref for Share {
    type Target = Arc<Store>;

    #[inline]
    fn deref(&self) -> &Arc<Store> {
        &self.0
    }
}

impl Drop for Share {
    /// REQUIRES: who gives up the last one holds none of the store's locks, which the threads may want.
    fn drop(&mut self) {
        if self.0.shares.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.stop_background();
        }
    }
}
