//! Damage or a torn tail: what decides it is whether the place is before the stable point (FORMAT 5).

use crate::error::Result;
use crate::format::header::DATA_START;
use crate::format::payload::SyncPoint;
use crate::format::record::{Invalid, RecordKind};
use crate::log::{DataFile, Item, LogPosition, Scanner};
use crate::stats::Damage;
use crate::types::{OnDamage, SeqNo};

use super::replay::Replay;

impl Replay<'_> {
    pub(super) fn stable_to(&mut self, position: LogPosition) {
        self.stable = self.stable.max(position);
    }

    /// Whether commits are missing yet that the log is known to have. One that was begun is.
    pub(super) fn is_owed_more(&self) -> bool {
        let complete = self.open_batch.as_ref().map_or(self.log_seq, |batch| SeqNo(batch.seq.0.saturating_sub(1)));
        complete < self.config.owed
    }

    /// Whether damage at a position of the `i`th log file is before the stable point. Looks ahead if need be.
    pub(super) fn is_stable(&mut self, position: LogPosition, i: usize) -> Result<bool> {
        if position < self.stable {
            return Ok(true);
        }
        if !self.looked_ahead {
            self.looked_ahead = true;
            let later: Vec<_> = self.logs.iter().skip(i).cloned().collect();
            for file in later {
                if file.header().earlier_synced {
                    self.stable_to(LogPosition { file: file.id(), offset: 0 });
                }
                let start = if file.id() == position.file { position.offset } else { DATA_START };
                self.look_ahead(&file, start)?;
            }
        }
        Ok(position < self.stable)
    }

    pub(super) fn look_ahead(&mut self, file: &DataFile, start: u64) -> Result<()> {
        let mut scanner = Scanner::new(file, start, self.log_seq);
        loop {
            match scanner.next()? {
                Item::Record { offset, header } => {
                    let here = LogPosition { file: file.id(), offset };
                    if header.synced {
                        self.stable_to(here);
                    }
                    if header.kind == RecordKind::SyncMark
                        && let Some(point) = SyncPoint::decode(scanner.key())
                    {
                        self.stable_to(here.min(LogPosition { file: point.file, offset: point.offset }));
                    }
                }
                Item::Damage { .. } => {}
                Item::End { .. } => return Ok(()),
            }
        }
    }

    pub(super) fn damaged(&mut self, file: &DataFile, offset: u64, len: u64, why: Invalid) -> Result<()> {
        self.damage(file, offset, len, &why.to_string())
    }

    pub(super) fn lost_end(&mut self, file: &DataFile, offset: u64) -> Result<()> {
        self.damage(file, offset, 0, "the file ends without its seal: its last records are missing")
    }

    pub(super) fn damage(&mut self, file: &DataFile, offset: u64, len: u64, what: &str) -> Result<()> {
        if self.config.on_damage == OnDamage::Refuse {
            return Err(crate::log::damage_error(file, offset, len, what));
        }
        self.report.damage.push(Damage { path: file.path().to_owned(), offset, len, what: what.into() });
        Ok(())
    }
}
