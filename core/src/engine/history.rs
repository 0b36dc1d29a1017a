//! What live snapshots may still see: the locations that were overwritten or deleted since the oldest of them.
//!
//! The index keeps only the newest location of a key. When a commit changes a key while snapshots live, the location
//! before it is kept here with the commit's number, until no snapshot is older. Without snapshots nothing is kept and
//! the only cost is one load per commit.
//!
//! Order: the writer announces changes here *before* it changes the index, and snapshots are registered under the same
//! gate; a reader looks into the index first and here second. So a reader that misses the old location in the
//! index finds it here.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::types::{Location, SeqNo};

/// What a key was before a commit: its location, or `None` for absent.
type Before = Option<Location>;

#[derive(Debug, Default)]
pub(crate) struct History {
    /// Number of live snapshots.
    live: AtomicUsize,
    /// Live snapshots: sequence number → how many.
    snapshots: Mutex<BTreeMap<SeqNo, usize>>,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Per key, ascending: (commit that changed it, what it was before).
    keys: BTreeMap<Arc<[u8]>, VecDeque<(SeqNo, Before)>>,
    /// All changes in the order of commits, for dropping.
    order: VecDeque<(SeqNo, Arc<[u8]>)>,
}

impl History {
    /// Registers a snapshot of everything up to `seq`.
    ///
    /// REQUIRES: the commit gate is held, and `seq` is the last commit applied to the index.
    pub(crate) fn register(&self, seq: SeqNo) {
        *self.snapshots.lock().entry(seq).or_insert(0) += 1;
        self.live.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends a snapshot and drops what only it needed.
    pub(crate) fn release(&self, seq: SeqNo) {
        let mut snapshots = self.snapshots.lock();
        if let Some(count) = snapshots.get_mut(&seq) {
            *count -= 1;
            if *count == 0 {
                snapshots.remove(&seq);
            }
            self.live.fetch_sub(1, Ordering::SeqCst);
        }
        let oldest = snapshots.first_key_value().map_or(SeqNo(u64::MAX), |(&seq, _)| seq);
        // Still under the snapshots' lock: one registered meanwhile must not lose what it needs.
        self.kept.write().drop_up_to(oldest);
    }

    /// Whether a commit has to announce its changes.
    pub(crate) fn is_needed(&self) -> bool {
        self.live.load(Ordering::SeqCst) > 0
    }

    /// Announces that commit `seq` is about to change a key.
    ///
    /// REQUIRES: the commit gate is held; ascending `seq`; each key once a commit.
    pub(crate) fn announce(&self, seq: SeqNo, key: &[u8], before: Before) {
        let key: Arc<[u8]> = key.into();
        let mut kept = self.kept.write();
        kept.keys.entry(Arc::clone(&key)).or_default().push_back((seq, before));
        kept.order.push_back((seq, key));
    }

    /// Replaces the locations of keys that changed since the snapshot by what they were.
    ///
    /// REQUIRES: the locations were taken from the index after the snapshot was registered.
    pub(crate) fn lay_over<K: AsRef<[u8]>>(&self, keys: &[K], seq: SeqNo, locations: &mut [Before]) {
        let kept = self.kept.read();
        if kept.keys.is_empty() {
            return;
        }
        for (key, location) in keys.iter().zip(locations) {
            if let Some(before) = kept.keys.get(key.as_ref()).and_then(|changes| first_after(changes, seq)) {
                *location = before;
            }
        }
    }

    /// Calls `each` for every key in the range that changed since the snapshot, ascending, with what it was.
    pub(crate) fn for_each_in(
        &self,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        seq: SeqNo,
        mut each: impl FnMut(&[u8], Before),
    ) {
        if is_inverted(low, high) {
            return;
        }
        for (key, changes) in self.kept.read().keys.range::<[u8], _>((low, high)) {
            if let Some(before) = first_after(changes, seq) {
                each(key, before);
            }
        }
    }

    #[cfg(test)]
    fn kept(&self) -> usize {
        self.kept.read().order.len()
    }
}

fn first_after(changes: &VecDeque<(SeqNo, Before)>, seq: SeqNo) -> Option<Before> {
    let at = changes.partition_point(|&(changed, _)| changed <= seq);
    changes.get(at).map(|&(_, before)| before)
}

/// `BTreeMap::range` panics on these.
fn is_inverted(low: Bound<&[u8]>, high: Bound<&[u8]>) -> bool {
    match (low, high) {
        (Bound::Included(l), Bound::Included(h)) => l > h,
        (Bound::Included(l) | Bound::Excluded(l), Bound::Included(h) | Bound::Excluded(h)) => l >= h,
        _ => false,
    }
}

impl Kept {
    /// Drops changes by commits that every live snapshot includes.
    fn drop_up_to(&mut self, oldest: SeqNo) {
        while self.order.front().is_some_and(|&(seq, _)| seq <= oldest) {
            let Some((_, key)) = self.order.pop_front() else { return };
            if let Some(changes) = self.keys.get_mut(&key) {
                changes.pop_front();
                if changes.is_empty() {
                    self.keys.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::FileId;

    fn at(offset: u64) -> Before {
        Location::new(FileId(1), offset, 32)
    }

    fn seen(history: &History, seq: u64) -> Vec<(Vec<u8>, Before)> {
        let mut seen = Vec::new();
        history.for_each_in(Bound::Excluded(b"a"), Bound::Unbounded, SeqNo(seq), |key, before| {
            seen.push((key.to_vec(), before));
        });
        seen
    }

    #[test]
    fn a_snapshot_sees_what_was_there_and_the_last_release_drops_it() {
        let history = History::default();
        assert!(!history.is_needed());
        history.register(SeqNo(5));
        history.register(SeqNo(7));
        assert!(history.is_needed());
        history.announce(SeqNo(6), b"k", at(128));
        history.announce(SeqNo(8), b"k", at(256));
        history.announce(SeqNo(8), b"new", None);
        assert_eq!(seen(&history, 5), [(b"k".to_vec(), at(128)), (b"new".to_vec(), None)]);
        assert_eq!(seen(&history, 7), [(b"k".to_vec(), at(256)), (b"new".to_vec(), None)]);
        assert_eq!(seen(&history, 8), []);
        history.for_each_in(Bound::Included(b"z"), Bound::Excluded(b"a"), SeqNo(7), |_, _| panic!("inverted"));
        history.release(SeqNo(5));
        assert_eq!(history.kept(), 2);
        history.release(SeqNo(7));
        assert_eq!(history.kept(), 0);
        assert!(!history.is_needed());
    }
}
