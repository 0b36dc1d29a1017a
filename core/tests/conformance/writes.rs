//! Batches, and what they share with transactions: ranges and savepoints.

use std::ops::Bound;

use bitcask::{Savepoint, WriteOptions};

use crate::language::{Op, bytes, generated};
use crate::{Outcome, Runner, filled_key, number, ok, value_or_not};

impl Runner {
    pub(crate) fn batch(&mut self, op: &Op) -> Result<Outcome, String> {
        let name = op.object("b").to_owned();
        if op.name == "batch_new" {
            let batch = self.store_of(op)?.batch();
            self.batches.insert(name, batch);
            return ok(Ok(()));
        }
        // Taken out for the call, so that buffers can be lent meanwhile.
        let mut batch = self.batches.remove(&name).ok_or("no such batch")?;
        let outcome = match op.name.as_str() {
            "batch_free" => return ok(Ok(())),
            "batch_put" => ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| batch.put(k, v))),
            "batch_delete" => ok(self.lend(op.bytes(0)?, |k| batch.delete(k))),
            "batch_clear" => ok(batch.clear()),
            "batch_len" => Ok(Ok(number(batch.len() as u64))),
            "batch_byte_len" => Ok(Ok(number(batch.byte_len()))),
            "batch_get" => Ok(self.lend(op.bytes(0)?, |k| batch.get(k)).map(value_or_not)),
            "batch_iter" => self.listing(op, |options| batch.iter(options)),
            "batch_delete_range" => self.lend_range(op, |start, end| batch.delete_range(start, end)),
            "batch_delete_prefix" => ok(self.lend(op.bytes(0)?, |prefix| batch.delete_prefix(prefix))),
            "batch_savepoint" => self.mark(op, batch.savepoint()),
            "batch_rollback_to" => ok(batch.rollback_to(self.savepoint(op)?)),
            "batch_release" => ok(batch.release(self.savepoint(op)?)),
            "batch_commit" => ok(batch.commit()),
            "batch_commit_sync" => ok(batch.commit_with(WriteOptions::new().sync(true))),
            "batch_put_ttl" | "batch_expire" | "batch_persist" | "batch_ttl" => self.batch_expiry(op, &mut batch),
            "batch_fill" => {
                let (count, prefix, len) = (op.number(0)?, op.bytes(1)?, op.number(2)?);
                ok((0..count).try_for_each(|i| {
                    self.lend2(filled_key(&prefix, i), generated(i as u64, len), |k, v| batch.put(k, v))
                }))
            }
            other => Err(format!("unknown operation {other}")),
        };
        self.batches.insert(name, batch);
        outcome
    }

    /// Hands the range of the options `ge` and `lt` to a call.
    pub(crate) fn lend_range(
        &self,
        op: &Op,
        call: impl FnOnce(Bound<&[u8]>, Bound<&[u8]>) -> bitcask::Result<()>,
    ) -> Result<Outcome, String> {
        if let Some((name, _)) = op.options.iter().find(|(name, _)| name != "ge" && name != "lt") {
            return Err(format!("unknown option {name}"));
        }
        let (start, end) = (op.option("ge").map(bytes).transpose()?, op.option("lt").map(bytes).transpose()?);
        ok(self.lend2(start.clone().unwrap_or_default(), end.clone().unwrap_or_default(), |low, high| {
            let low = start.map_or(Bound::Unbounded, |_| Bound::Included(low));
            let high = end.map_or(Bound::Unbounded, |_| Bound::Excluded(high));
            call(low, high)
        }))
    }

    /// Keeps a savepoint under the name that the option `as` gives.
    pub(crate) fn mark(&mut self, op: &Op, savepoint: bitcask::Result<Savepoint>) -> Result<Outcome, String> {
        let name = op.option("as").ok_or("no name for the savepoint")?;
        ok(savepoint.map(|savepoint| {
            self.savepoints.insert(name.to_owned(), savepoint);
        }))
    }

    /// The savepoint that the first argument names.
    pub(crate) fn savepoint(&self, op: &Op) -> Result<Savepoint, String> {
        Ok(*self.savepoints.get(op.argument(0)?).ok_or("no such savepoint")?)
    }
}
