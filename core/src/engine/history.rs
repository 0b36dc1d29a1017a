//! What live snapshots may still see: the locations that were overwritten or deleted since the oldest of them.
//!
//! The index keeps only the newest location of a key. When a commit changes a key while snapshots live, the location
//! before it is kept here with the commit's number, until no snapshot is older. Without snapshots nothing is kept and
//! the only cost is one load per commit.
//!
//! Order: the writer announces changes here *before* it changes the index, and snapshots are registered under the same
//! gate; a reader looks into the index first and here second. So a reader that misses the old location in the
//! index finds it here.
//!
//! It also is what transactions are validated by: it knows of every change behind a live snapshot, by key and in order.
//!
//! A location that is kept here is in a file that the index may know no more. Whoever takes files away waits for
//! [`History::when_past`].

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::types::{Location, SeqNo};
use crate::util::lock::{Mutex, RwLock};

use super::reads::Reads;

/// What a key was before a commit: its location, or `None` for absent.
type Before = Option<Location>;

/// Something that waits for snapshots to go.
pub(crate) struct Job(pub(crate) Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

/// So many changes are dropped while the locks are held.
const AT_ONCE: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct History {
    /// Number of live snapshots.
    live: AtomicUsize,
    /// Live snapshots by sequence number, ascending, and how many of each. Nearly always there are few, and a new one is the last.
    snapshots: Mutex<Vec<(SeqNo, usize)>>,
    /// Number of changes kept, so that who needs none takes no lock. Changed with `kept` locked for writing.
    count: AtomicUsize,
    kept: RwLock<Kept>,
    /// What waits for all snapshots up to a commit to go, and how much that is.
    waiting: Mutex<Vec<(SeqNo, Job)>>,
    waits: AtomicUsize,
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
        let mut snapshots = self.snapshots.lock();
        match snapshots.binary_search_by_key(&seq, |&(seq, _)| seq) {
            Ok(at) => snapshots[at].1 += 1,
            Err(at) => snapshots.insert(at, (seq, 1)),
        }
        self.live.fetch_add(1, Ordering::SeqCst);
    }

    /// Registers a snapshot that lives once more, so that it lives until both are released. Needs no gate.
    ///
    /// REQUIRES: it is registered, and stays so for the length of the call.
    pub(crate) fn retain(&self, seq: SeqNo) {
        self.register(seq);
    }

    /// Ends a snapshot and drops what only it needed.
    pub(crate) fn release(&self, seq: SeqNo) {
        {
            let mut snapshots = self.snapshots.lock();
            if let Ok(at) = snapshots.binary_search_by_key(&seq, |&(seq, _)| seq) {
                snapshots[at].1 -= 1;
                if snapshots[at].1 == 0 {
                    snapshots.remove(at);
                }
                self.live.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.do_what_waited();
        // A change that is being announced now is needed by a snapshot that is not this one, or dropped with the next.
        while self.keeps_any() {
            // In pieces, and memory is given back outside of the locks: commits and new snapshots wait for them.
            let dropped = {
                let snapshots = self.snapshots.lock();
                // Still under the snapshots' lock: one registered meanwhile must not lose what it needs.
                let mut kept = self.kept.write();
                let dropped = match snapshots.first() {
                    Some(&(oldest, _)) => kept.take_up_to(oldest, AT_ONCE),
                    None => std::mem::take(&mut *kept),
                };
                self.count.store(kept.order.len(), Ordering::SeqCst);
                dropped
            };
            if dropped.order.is_empty() {
                return;
            }
        }
    }

    /// Has something done once no live snapshot is as old as commit `seq`, at once if none is now.
    ///
    /// A file that the index names no more from the moment on at which commit `seq` was the last may be taken away then:
    /// only such a snapshot may still read a location in it, from here or from a page that an iterator has fetched.
    ///
    /// REQUIRES: the commit gate is held for writing.
    pub(crate) fn when_past(&self, seq: SeqNo, job: Job) {
        {
            let snapshots = self.snapshots.lock();
            if snapshots.first().is_some_and(|&(oldest, _)| oldest <= seq) {
                let mut waiting = self.waiting.lock();
                waiting.push((seq, job));
                self.waits.store(waiting.len(), Ordering::SeqCst);
                return;
            }
        }
        (job.0)();
    }

    /// Does what waited for the oldest snapshot that there was.
    fn do_what_waited(&self) {
        if self.waits.load(Ordering::SeqCst) == 0 {
            return;
        }
        let due: Vec<_> = {
            let snapshots = self.snapshots.lock();
            let oldest = snapshots.first().map_or(SeqNo(u64::MAX), |&(oldest, _)| oldest);
            let mut waiting = self.waiting.lock();
            let (due, later) = std::mem::take(&mut *waiting).into_iter().partition(|&(seq, _)| seq < oldest);
            *waiting = later;
            self.waits.store(waiting.len(), Ordering::SeqCst);
            due
        };
        due.into_iter().for_each(|(_, job)| (job.0)());
    }

    /// Whether there is anything to lay over what the index says. Who has looked into the index and gets `false` has seen no
    /// change that a live snapshot must not see: it would have been announced before.
    pub(crate) fn keeps_any(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// Whether a commit has to announce its changes.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_needed_beside(0)
    }

    /// Whether a commit has to announce its changes, for the sake of others than so many snapshots that end with it.
    pub(crate) fn is_needed_beside(&self, own: usize) -> bool {
        self.live.load(Ordering::SeqCst) > own
    }

    /// Announces that commit `seq` is about to change a key.
    ///
    /// REQUIRES: the commit gate is held; ascending `seq`; each key once a commit.
    pub(crate) fn announce(&self, seq: SeqNo, key: &[u8], before: Before) {
        let key: Arc<[u8]> = key.into();
        let mut kept = self.kept.write();
        kept.keys.entry(Arc::clone(&key)).or_default().push_back((seq, before));
        kept.order.push_back((seq, key));
        self.count.store(kept.order.len(), Ordering::SeqCst);
    }

    /// Replaces the locations of keys that changed since the snapshot by what they were.
    ///
    /// REQUIRES: the locations were taken from the index after the snapshot was registered.
    pub(crate) fn lay_over<K: AsRef<[u8]>>(&self, keys: &[K], seq: SeqNo, locations: &mut [Before]) {
        if !self.keeps_any() {
            return;
        }
        let kept = self.kept.read();
        for (key, location) in keys.iter().zip(locations) {
            if let Some(before) = kept.keys.get(key.as_ref()).and_then(|changes| first_after(changes, seq)) {
                *location = before;
            }
        }
    }

    /// What a key was at the snapshot, if it changed since.
    ///
    /// REQUIRES: the index was asked for the key before, and after the snapshot was registered.
    pub(crate) fn before(&self, key: &[u8], seq: SeqNo) -> Option<Before> {
        if !self.keeps_any() {
            return None;
        }
        self.kept.read().keys.get(key).and_then(|changes| first_after(changes, seq))
    }

    /// Whether no commit behind the snapshot changed anything of what was read.
    ///
    /// REQUIRES: the snapshot lives, and no commit is under way.
    pub(super) fn is_unchanged(&self, reads: &Reads, seq: SeqNo) -> bool {
        if !self.keeps_any() {
            return true;
        }
        let kept = self.kept.read();
        let is_newer = |changes: &VecDeque<(SeqNo, Before)>| changes.back().is_some_and(|&(changed, _)| changed > seq);
        !reads.keys().any(|key| kept.keys.get(key).is_some_and(is_newer))
            && !reads.ranges().any(|range| kept.keys.range::<[u8], _>(range.as_slices()).any(|(_, c)| is_newer(c)))
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
    /// Takes out changes by commits that every live snapshot includes, the oldest first, at most so many.
    fn take_up_to(&mut self, oldest: SeqNo, max: usize) -> Kept {
        let mut taken = Kept::default();
        while taken.order.len() < max && self.order.front().is_some_and(|&(seq, _)| seq <= oldest) {
            let Some((seq, key)) = self.order.pop_front() else { break };
            if let Some(changes) = self.keys.get_mut(&key) {
                changes.pop_front();
                if changes.is_empty() {
                    self.keys.remove(&key);
                }
            }
            taken.order.push_back((seq, key));
        }
        taken
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
        assert!(history.is_needed_beside(1) && !history.is_needed_beside(2));
        history.announce(SeqNo(6), b"k", at(128));
        history.announce(SeqNo(8), b"k", at(256));
        history.announce(SeqNo(8), b"new", None);
        assert_eq!(seen(&history, 5), [(b"k".to_vec(), at(128)), (b"new".to_vec(), None)]);
        assert_eq!(seen(&history, 7), [(b"k".to_vec(), at(256)), (b"new".to_vec(), None)]);
        assert_eq!(seen(&history, 8), []);
        history.for_each_in(Bound::Included(b"z"), Bound::Excluded(b"a"), SeqNo(7), |_, _| panic!("inverted"));
        // What the index says now, and what a snapshot before 8 sees of it.
        let mut locations = [at(512), at(640), at(768)];
        history.lay_over(&[&b"k"[..], b"new", b"other"], SeqNo(7), &mut locations);
        assert_eq!(locations, [at(256), None, at(768)]);
        history.lay_over(&[&b"k"[..], b"new", b"other"], SeqNo(8), &mut locations);
        assert_eq!(locations, [at(256), None, at(768)], "the newest is what the index says");
        assert_eq!(history.before(b"k", SeqNo(5)), Some(at(128)));
        assert_eq!((history.before(b"new", SeqNo(7)), history.before(b"k", SeqNo(8))), (Some(None), None));
        let done = Arc::new(AtomicUsize::new(0));
        let wait_for = |seq: u64| {
            let done = Arc::clone(&done);
            history.when_past(SeqNo(seq), Job(Box::new(move || _ = done.fetch_add(1, Ordering::SeqCst))));
        };
        wait_for(4);
        assert_eq!(done.load(Ordering::SeqCst), 1, "no snapshot is as old");
        wait_for(5);
        wait_for(7);
        wait_for(9);
        history.retain(SeqNo(5));
        history.release(SeqNo(5));
        assert_eq!(history.kept(), 3);
        history.release(SeqNo(5));
        assert_eq!((history.kept(), done.load(Ordering::SeqCst)), (2, 2));
        history.release(SeqNo(7));
        assert_eq!(done.load(Ordering::SeqCst), 4);
        assert_eq!(history.kept(), 0);
        assert!(!history.is_needed() && !history.keeps_any());
    }

    #[test]
    fn much_is_dropped_in_pieces_and_all_of_it() {
        let history = History::default();
        history.register(SeqNo(0));
        history.register(SeqNo(3000));
        for seq in 1..=5000 {
            history.announce(SeqNo(seq), format!("k{}", seq % 700).as_bytes(), None);
        }
        history.release(SeqNo(0));
        assert_eq!(history.kept(), 2000);
        assert_eq!(seen(&history, 3000).len(), 700);
        history.release(SeqNo(3000));
        assert_eq!((history.kept(), history.keeps_any(), seen(&history, 0).len()), (0, false, 0));
    }
}
