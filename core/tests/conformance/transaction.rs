//! Transactions.

use bitcask::WriteOptions;

use crate::language::Op;
use crate::{Outcome, Runner, number, ok, value_or_not, yes_no};

impl Runner {
    pub(crate) fn transaction(&mut self, op: &Op) -> Result<Outcome, String> {
        let name = op.object("t").to_owned();
        if op.name == "txn_new" {
            return match self.store_of(op)?.transaction() {
                Ok(transaction) => {
                    self.transactions.insert(name, transaction);
                    ok(Ok(()))
                }
                Err(error) => Ok(Err(error)),
            };
        }
        // Taken out for the call, so that buffers can be lent meanwhile.
        let mut txn = self.transactions.remove(&name).ok_or("no such transaction")?;
        let outcome = match op.name.as_str() {
            "txn_free" => return ok(Ok(())),
            "txn_get" => Ok(self.lend(op.bytes(0)?, |k| txn.get(k)).map(value_or_not)),
            "txn_get_for_update" => Ok(self.lend(op.bytes(0)?, |k| txn.get_for_update(k)).map(value_or_not)),
            "txn_contains" => Ok(self.lend(op.bytes(0)?, |k| txn.contains(k)).map(yes_no)),
            "txn_iter" => self.listing(op, |options| txn.iter(options)),
            "txn_put" => ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| txn.put(k, v))),
            "txn_delete" => ok(self.lend(op.bytes(0)?, |k| txn.delete(k))),
            "txn_delete_range" => self.lend_range(op, |start, end| txn.delete_range(start, end)),
            "txn_delete_prefix" => ok(self.lend(op.bytes(0)?, |prefix| txn.delete_prefix(prefix))),
            "txn_savepoint" => self.mark(op, txn.savepoint()),
            "txn_rollback_to" => ok(txn.rollback_to(self.savepoint(op)?)),
            "txn_release" => ok(txn.release(self.savepoint(op)?)),
            "txn_len" => Ok(Ok(number(txn.len() as u64))),
            "txn_put_ttl" | "txn_expire" | "txn_persist" | "txn_ttl" => self.txn_expiry(op, &mut txn),
            "txn_rollback" => ok(txn.rollback()),
            "txn_seq" | "txn_commit" => {
                let seq = match op.name.as_str() {
                    "txn_seq" => txn.seq(),
                    _ => txn.commit_with(WriteOptions::new().sync(op.yes("sync")?)),
                };
                if let (Ok(seq), Some(number)) = (&seq, op.option("as")) {
                    self.keep(number, *seq);
                }
                ok(seq.map(|_| ()))
            }
            other => Err(format!("unknown operation {other}")),
        };
        self.transactions.insert(name, txn);
        outcome
    }
}
