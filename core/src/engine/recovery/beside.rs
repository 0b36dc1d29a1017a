//! Reading the log while a writer in another process appends to it.
//!
//! A reader must not take records from before and from behind a cut ([`Seen`](crate::log::Seen)) for one log. It can tell, because numbers
//! of failed appends are not used again, so that numbers in the log go up by one but where something was cut off:
//! 1. Where a number is left out, or a batch ends without its commit, the record before is looked at again, now that the one behind it
//!    was read. If it is still there, nothing before it was cut off meanwhile.
//! 2. So it is where the scanner has read further from the file: a new writer may have used the numbers again.

use std::sync::Arc;

use crate::error::Result;
use crate::format::record::RecordHeader;
use crate::log::{DataFile, Witness};

use super::replay::Replay;

impl Replay<'_> {
    /// Looks again at the record before this one where it may have been cut off meanwhile, and keeps this one.
    pub(super) fn follow(
        &mut self,
        file: &Arc<DataFile>,
        offset: u64,
        header: &RecordHeader,
        read_on: bool,
    ) -> Result<()> {
        let is_other_commit = self.open_batch.as_ref().is_none_or(|batch| batch.seq < header.seq);
        let is_cut_short = self.open_batch.is_some() && is_other_commit;
        if let Some(before) = &self.last
            && (read_on || is_cut_short || header.seq > before.seq.next())
        {
            before.check()?;
        }
        let before = self.last.replace(Witness::new(file, offset, header));
        if is_other_commit {
            self.before_batch = before;
        }
        Ok(())
    }
}
