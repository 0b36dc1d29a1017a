//! Syncing beside writers: only the question what to sync, and the answer, take the log's lock.

use crate::error::Result;
use crate::log::LogWriter;
use crate::types::SeqNo;

use super::durable::Durable;
use super::lock::Mutex;

/// For [`sync_beside`]: all that was appended, whatever its number.
pub(super) const ALL: SeqNo = SeqNo(u64::MAX);

/// Brings the log as it is now to stable storage, unless that is known of commit `seq` already. Tells `durable`, and says up to which commit.
/// A failure stops the log.
pub(super) fn sync_beside(log: &Mutex<LogWriter>, durable: &Durable, seq: SeqNo) -> Result<SeqNo> {
    let sync = {
        let log = log.lock();
        log.check()?;
        match log.background_sync() {
            Some(sync) if log.synced_seq() < seq => sync,
            _ => return Ok(log.synced_seq()),
        }
    };
    let outcome = sync.run();
    let covered = {
        let mut log = log.lock();
        log.synced_to(&sync, outcome)?;
        log.synced_seq()
    };
    durable.advance(covered);
    Ok(covered)
}
