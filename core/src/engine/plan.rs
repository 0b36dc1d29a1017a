//! What a commit asks of the leader before it is appended: that something is still as it was, and that ranges of keys are
//! deleted.
//!
//! Both are answered as of the moment of the commit: the leader alone writes, and holds the log, so that nothing changes between
//! the answer and the commit. Commits before this one in the same group are in no index yet. They are looked through one by one:
//! what they are about to write counts as changed, also where it then fails, which refuses more than has to be and never less;
//! and what they put into a range is deleted with the rest.
//!
//! A commit that is refused is answered with the reason, writes nothing, and hinders no other of the group.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::index::{KeyPage, Start};
use crate::log::Encoded;
use crate::types::{Location, SeqNo};

use super::ranges::KeyRange;
use super::reads::SharedReads;
use super::store::Store;
use super::unordered;
use super::write::Job;

/// Keys that a page of the index has at most.
const PAGE: usize = 1024;

/// The plan of a commit.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Keys to be deleted, but for those that the commit writes itself.
    pub(super) delete: Vec<KeyRange>,
    pub(super) check: Option<Check>,
    /// Writes whose keys are no longer where they were are left out.
    pub(super) still: Option<Still>,
}

/// Where the keys of a commit's writes were, in their order.
#[derive(Debug)]
pub(super) struct Still {
    pub(super) places: Vec<Location>,
    /// How many of them still were there.
    pub(super) count: Arc<AtomicU64>,
}

/// What must be so, or the commit is a conflict.
#[derive(Debug)]
pub(super) enum Check {
    /// The key of the commit's one write is where it was.
    Place(Option<Location>),
    /// Nothing of this was changed by a commit behind the snapshot, which lives.
    Unread(SeqNo, SharedReads),
}

impl Plan {
    /// Whether it has a snapshot of its own that lives until the commit is answered, and is of no use after it.
    pub(super) fn holds_snapshot(&self) -> bool {
        matches!(self.check, Some(Check::Unread(..)))
    }
}

impl Store {
    /// Does what the jobs' plans ask for.
    ///
    /// REQUIRES: the log is locked.
    pub(super) fn carry_out_plans(&self, jobs: &mut [Job]) {
        for i in 0..jobs.len() {
            let (earlier, rest) = jobs.split_at_mut(i);
            let Some(job) = rest.first_mut() else { return };
            let Some(plan) = job.plan.take() else { continue };
            if let Err(error) = self.carry_out(&plan, earlier, &mut job.commit) {
                job.refuse(error);
            }
            job.plan = Some(plan);
        }
    }

    fn carry_out(&self, plan: &Plan, earlier: &[Job], commit: &mut Encoded) -> Result<()> {
        let mut written = earlier.iter().flat_map(|job| job.commit.writes());
        let holds = match &plan.check {
            None => true,
            Some(Check::Place(place)) => match commit.writes().next() {
                Some((key, _)) => self.index.get(key)? == *place && written.all(|(other, _)| other != key),
                None => true,
            },
            Some(Check::Unread(seq, reads)) => {
                let reads = reads.lock();
                written.all(|(key, _)| !reads.covers(key)) && self.history.is_unchanged(&reads, *seq)
            }
        };
        if !holds {
            return Err(Error::Conflict);
        }
        if let Some(still) = &plan.still {
            self.leave_out_moved(still, earlier, commit)?;
        }
        if plan.delete.is_empty() {
            return Ok(());
        }
        let doomed = self.doomed(&plan.delete, earlier, commit)?;
        for i in 0..doomed.len() {
            let Some((key, _)) = doomed.get(i) else { break };
            // Keys of the index are no longer than keys may be.
            commit.push(key, None).ok_or(Error::KeyTooLarge { len: key.len() })?;
        }
        Ok(())
    }

    /// Leaves the writes of keys that are where they were.
    fn leave_out_moved(&self, still: &Still, earlier: &[Job], commit: &mut Encoded) -> Result<()> {
        let written: HashSet<&[u8]> = earlier.iter().flat_map(|job| job.commit.writes()).map(|(key, _)| key).collect();
        let keep: Vec<bool> = commit
            .writes()
            .zip(&still.places)
            .map(|((key, _), place)| Ok(self.index.get(key)? == Some(*place) && !written.contains(key)))
            .collect::<Result<_>>()?;
        still.count.store(keep.iter().filter(|keep| **keep).count() as u64, Ordering::Relaxed);
        commit.retain(&keep);
        Ok(())
    }

    /// The keys in the ranges that are there when this commit's turn comes and that it does not write itself.
    fn doomed(&self, ranges: &[KeyRange], earlier: &[Job], commit: &Encoded) -> Result<KeyPage> {
        let own: HashSet<&[u8]> = commit.writes().map(|(key, _)| key).collect();
        let mut doomed = KeyPage::new();
        let nowhere = Location::from_bits(0);
        for range in ranges {
            self.for_each_key_in(range, |key| {
                if !own.contains(key) {
                    doomed.push(key, &[], nowhere);
                }
            })?;
        }
        // What the index has was found already, also what has expired: a range leaves nothing that a clock could bring back.
        let mut seen = HashSet::new();
        for (key, is_put) in earlier.iter().flat_map(|job| job.commit.writes()) {
            let inside = is_put && !own.contains(key) && ranges.iter().any(|range| range.contains(key));
            if inside && self.index.get(key)?.is_none() && seen.insert(key) {
                doomed.push(key, &[], nowhere);
            }
        }
        Ok(doomed)
    }

    fn for_each_key_in(&self, range: &KeyRange, mut each: impl FnMut(&[u8])) -> Result<()> {
        if !self.index.capabilities().ordered {
            return unordered::for_each_key_now(self, range, each);
        }
        self.for_each_page(Start::At(&range.low), PAGE, |page| {
            for (key, _) in (0..page.len()).map_while(|i| page.get(i)) {
                if !range.contains(key) {
                    return Ok(ControlFlow::Break(()));
                }
                each(key);
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}
