//! Files that a merge made: complete by their nature, so that all damage in them is corruption.

use std::sync::Arc;

use crate::error::Result;
use crate::format::record::RecordKind;
use crate::log::{DataFile, Item, Scanner};
use crate::types::SeqNo;

use super::replay::Replay;

impl Replay<'_> {
    /// Reads the output of a merge: complete by its nature, so that all damage is corruption.
    pub(super) fn merged_file(&mut self, file: &Arc<DataFile>) -> Result<()> {
        let mut progress = self.read_hint(file)?;
        let mut scanner = Scanner::new(file, progress.at, SeqNo::ZERO);
        loop {
            match scanner.next()? {
                Item::Record { offset, header } => {
                    self.report.scanned_records += u64::from(header.kind.has_key());
                    self.config.progress.at(offset, self.records())?;
                    progress.sealed = header.kind == RecordKind::Seal;
                    if header.kind.has_key() {
                        progress.tell(offset, &header, scanner.key());
                        self.expires(header.expiry.is_some());
                        self.change(file, offset, &header, scanner.key())?;
                    }
                    self.last_seq = self.last_seq.max(header.seq);
                }
                Item::Damage { offset, len, why } => {
                    self.damaged(file, offset, len, why)?;
                    // A hint over it would hide it from the next open.
                    progress.hint = None;
                }
                Item::End { offset, .. } => {
                    if progress.sealed {
                        self.collect(file, progress);
                    } else {
                        self.lost_end(file, offset)?;
                    }
                    return Ok(());
                }
            }
        }
    }
}
