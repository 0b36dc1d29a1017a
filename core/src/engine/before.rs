//! Whether the key of a single write was there before it, where records expire: the index alone does not know.
//!
//! The record is looked at when the write's turn comes, before anything is appended, so that no I/O is waited for under the gate. What
//! changes till then is rare: a write of the same key in front of it in the group, or a merge that moved the record. Then it is looked at again.

use crate::error::Result;
use crate::types::Location;

use super::read::When;
use super::store::Store;
use super::write::Job;

impl Store {
    /// Looks at what single writes are about to replace.
    ///
    /// REQUIRES: the log is locked.
    pub(super) fn look_before(&self, jobs: &mut [Job]) -> Result<()> {
        if !self.expiry.is_possible() {
            return Ok(());
        }
        for job in jobs.iter_mut().filter(|job| !job.commit.is_batch() && !job.is_unasked) {
            let Some((key, _)) = job.commit.writes().next() else { continue };
            if let Some(location) = self.index.get(key)? {
                job.before = Some((location, self.was_alive(location, key)));
            }
        }
        Ok(())
    }

    /// Whether a single write's key was there, whose record was at `old`.
    pub(super) fn existed(&self, job: &Job, old: Option<Location>) -> bool {
        match (old, job.before, job.commit.writes().next()) {
            (None, _, _) => false,
            (Some(_), None, _) if job.is_unasked || !self.expiry.is_possible() => true,
            (Some(old), Some((location, was_alive)), _) if old == location => was_alive,
            (Some(old), _, Some((key, _))) => self.was_alive(old, key),
            (Some(_), _, None) => true,
        }
    }

    /// A record that can't be read is one that was there.
    fn was_alive(&self, location: Location, key: &[u8]) -> bool {
        self.is_alive(location, key, When::Now).unwrap_or(true)
    }
}
