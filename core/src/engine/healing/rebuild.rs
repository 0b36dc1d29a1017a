//! Making an index anew that turned out to be damaged.

use super::{Delta, Healing};
use crate::engine::recovery::{self, Progress, ReplayConfig, Survey};
use crate::engine::store::Store;
use crate::error::Result;
use crate::types::SeqNo;
use std::sync::atomic::Ordering;

impl Store {
    /// Makes a damaged index anew, as of the last visible commit, which the log has, with all before it: whether on stable storage or not.
    pub(super) fn rebuild(&self, healing: &Healing, (last, applied): (SeqNo, SeqNo)) -> Result<()> {
        let _gate = self.gate.write();
        let index = healing.index.as_ref();
        if !index.is_damaged() {
            // Another was faster.
            return Ok(());
        }
        self.saving.is_lost();
        self.accounts.forget();
        let files = self.files.load().all().to_vec();
        let survey = Survey { files, store_id: Some(self.store_id), ..Survey::default() };
        let until = self.visible();
        // Where nothing was written since, the last number in use may be that of a commit which never was whole.
        let owed = if until == last { applied } else { until };
        // Held until what waited is gone, so that nobody counts it twice.
        let mut delta = None;
        index.rebuild(&mut |fresh| {
            let replay = ReplayConfig {
                vfs: &self.vfs,
                dir: &self.dir,
                on_damage: self.config.on_damage,
                collect_hints: false,
                start: None,
                beside: self.config.read_only,
                last: None,
                live: None,
                until,
                owed,
                ledger: None,
                expires: self.expiry.records_flag(),
                progress: Progress::new(None),
            };
            let replayed = recovery::replay(&survey, fresh, replay)?;
            if !replayed.report.damage.is_empty() {
                // The next opening is to find it, and to say so.
                self.saving.refuse();
            }
            delta = Some(healing.delta.write());
            Ok(())
        })?;
        // All that waited is in the log.
        let mut delta = delta.unwrap_or_else(|| healing.delta.write());
        *delta = Delta::default();
        healing.is_trusted.store(true, Ordering::Release);
        healing.is_settled.store(true, Ordering::Release);
        Ok(())
    }
}
