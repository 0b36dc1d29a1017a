//! Batches.

use bitcask::WriteOptions;

use crate::language::{Op, generated};
use crate::{Outcome, Runner, filled_key, number, ok};

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
            "batch_commit" => ok(batch.commit()),
            "batch_commit_sync" => ok(batch.commit_with(WriteOptions::new().sync(true))),
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
}
