//! Snapshots: made, read as stores are, dropped.

use crate::language::Op;
use crate::{Outcome, Runner, ok};

impl Runner {
    pub(crate) fn snapshot(&mut self, op: &Op) -> Result<Outcome, String> {
        let name = op.object("s").to_owned();
        if op.name == "snapshot_new" {
            return match self.store_of(op)?.snapshot() {
                Ok(snapshot) => {
                    self.snapshots.insert(name, snapshot);
                    ok(Ok(()))
                }
                Err(error) => Ok(Err(error)),
            };
        }
        let snapshot = self.snapshots.get(&name).ok_or("no such snapshot")?;
        match op.name.as_str() {
            "snapshot_free" => {
                self.snapshots.remove(&name);
                ok(Ok(()))
            }
            "snapshot_seq" => {
                self.keep_as(op, snapshot.seq())?;
                ok(Ok(()))
            }
            other => {
                let read = self.read(snapshot, other.trim_start_matches("snapshot_"), op)?;
                read.ok_or_else(|| format!("unknown operation {other}"))
            }
        }
    }
}
