//! Bulk loads.

use bitcask::{BulkOptions, Error};

use crate::language::{self, Op, generated};
use crate::{Outcome, Runner, filled_key, ok};

impl Runner {
    pub(crate) fn bulk(&mut self, op: &Op) -> Result<Outcome, String> {
        let name = op.object("l").to_owned();
        if op.name == "bulk_new" {
            let atomic = op.option("atomic").map_or(Ok(true), language::yes)?;
            let options = BulkOptions::new().atomic(atomic).sync(op.yes("sync")?);
            return match self.store_of(op)?.bulk_load(options) {
                Ok(load) => {
                    self.loads.insert(name, Some(load));
                    ok(Ok(()))
                }
                Err(error) => Ok(Err(error)),
            };
        }
        // Taken out for the call, so that buffers can be lent meanwhile.
        let mut load = self.loads.remove(&name).ok_or("no such bulk load")?;
        let outcome = match (op.name.as_str(), load.as_mut()) {
            ("bulk_free", _) => return ok(Ok(())),
            ("bulk_put" | "bulk_put_ttl" | "bulk_fill" | "bulk_finish", None) => Ok(Err(Error::BatchFinished)),
            ("bulk_put", Some(load)) => ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| load.put(k, v))),
            ("bulk_put_ttl", Some(load)) => self.bulk_put_ttl(op, load),
            ("bulk_fill", Some(load)) => {
                let (count, prefix, len) = (op.number(0)?, op.bytes(1)?, op.number(2)?);
                ok((0..count).try_for_each(|i| {
                    self.lend2(filled_key(&prefix, i), generated(i as u64, len), |k, v| load.put(k, v))
                }))
            }
            ("bulk_finish", _) => ok(load.take().ok_or("it was finished")?.finish()),
            (other, _) => Err(format!("unknown operation {other}")),
        };
        self.loads.insert(name, load);
        outcome
    }
}
