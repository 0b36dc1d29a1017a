//! Which deletes of the sources stay: docs/MERGE.md, invariant 7.
//!
//! They go into files of their own. A file without puts is nothing that other deletes could have to hide, is removed after all sources with puts, so that no
//! delete in it has to stay because of these, and is not copied again when nothing is left that it hides.

use crate::error::Result;
use crate::format::record::record_len;
use crate::log::{Finished, Item, OutputConfig, Scanner};
use crate::types::{SeqNo, Timestamp};

use super::super::store::Store;
use super::control::Pace;
use super::outputs::Outputs;
use super::outside::Outside;
use super::sources::Source;
use super::{Account, MergeReport};

/// Memory of a run that is sorted.
const RUN_BYTES: usize = 32 << 20;

/// Copies deletes.
pub(super) struct Deletes<'a> {
    store: &'a Store,
    run: Vec<Delete>,
    run_bytes: usize,
    outputs: Outputs<'a>,
}

/// A delete that is to be copied.
#[derive(Debug)]
pub(super) struct Delete {
    pub(super) key: Box<[u8]>,
    pub(super) seq: SeqNo,
    timestamp: Timestamp,
    /// It may have something to hide in a source that goes after its own.
    outlives_source: bool,
}

impl<'a> Deletes<'a> {
    pub(super) fn new(store: &'a Store, config: OutputConfig) -> Deletes<'a> {
        Deletes { store, run: Vec::new(), run_bytes: 0, outputs: Outputs::new(store, config) }
    }

    /// Copies those deletes of the sources that still hide something, and gives the files, on stable storage.
    pub(super) fn copy(
        mut self,
        sources: &[Source],
        outside: &mut Outside,
        pace: &mut Pace<'_>,
        report: &mut MergeReport,
    ) -> Result<Vec<(Finished, Account)>> {
        for source in sources {
            let first_death = outside.first_death();
            let hides_nothing = |seq| seq < first_death && seq <= source.later_puts;
            if source.tombstones == 0 || hides_nothing(source.last_delete) {
                report.dropped_tombstones += source.tombstones;
                continue;
            }
            let mut scanner = Scanner::of_sealed(&source.file);
            loop {
                let header = match scanner.next()? {
                    Item::Record { header, .. } => header,
                    Item::Damage { .. } => continue,
                    Item::End { .. } => break,
                };
                pace.read(header.record_len())?;
                if !header.kind.is_delete() {
                    continue;
                }
                // A key that is there again hides what is older by itself.
                if hides_nothing(header.seq) || self.store.index.get(scanner.key())?.is_some() {
                    report.dropped_tombstones += 1;
                    continue;
                }
                let key: Box<[u8]> = scanner.key().into();
                self.run_bytes += key.len() + 64;
                let (seq, timestamp, outlives_source) = (header.seq, header.timestamp, header.seq > source.later_puts);
                self.run.push(Delete { key, seq, timestamp, outlives_source });
                if self.run_bytes >= RUN_BYTES {
                    self.copy_run(outside, pace, report)?;
                }
            }
        }
        self.copy_run(outside, pace, report)?;
        self.outputs.finish()
    }

    /// Of each key the newest delete: it hides what the others do.
    fn copy_run(&mut self, outside: &mut Outside, pace: &mut Pace<'_>, report: &mut MergeReport) -> Result<()> {
        self.run_bytes = 0;
        let mut run = std::mem::take(&mut self.run);
        let all = run.len() as u64;
        run.sort_unstable_by(|a, b| (&a.key, b.seq).cmp(&(&b.key, a.seq)));
        run.dedup_by(|older, kept| {
            let is_same = older.key == kept.key;
            kept.outlives_source |= is_same && older.outlives_source;
            is_same
        });
        let (mut copied, mut others): (Vec<_>, Vec<_>) = run.into_iter().partition(|delete| delete.outlives_source);
        outside.retain_hiding(self.store, &mut others, pace)?;
        copied.append(&mut others);
        copied.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        report.copied_tombstones += copied.len() as u64;
        report.dropped_tombstones += all - copied.len() as u64;
        for Delete { key, seq, timestamp, .. } in copied {
            let len = record_len(key.len() as u16, 0, false);
            let (output, account) = self.outputs.for_record(len)?;
            output.push_delete(&key, seq, timestamp)?;
            account.delete(len, seq);
            pace.wrote(len)?;
        }
        Ok(())
    }
}
