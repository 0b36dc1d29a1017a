//! Keys that expire, in stores, batches, transactions and bulk loads.

use std::time::Duration;

use bitcask::{Batch, Db, Error, Transaction, Ttl, WriteOptions};

use crate::language::{self, Item, Op, word};
use crate::{Outcome, Runner, number, ok, yes_no};

/// How much what is left may differ from what was given: time goes on, and a transaction counts from its beginning.
const SLACK: Duration = Duration::from_secs(600);

fn milliseconds(op: &Op, i: usize) -> Result<Duration, String> {
    Ok(Duration::from_millis(language::number(op.argument(i)?)?))
}

/// Whether so much is left, about.
fn left(ttl: Ttl, given: Duration) -> Vec<Item> {
    match ttl {
        Ttl::NoKey => vec![word("NOT_FOUND")],
        Ttl::NoExpiry => vec![word("forever")],
        Ttl::Remaining(left) => yes_no(left.abs_diff(given) < SLACK),
    }
}

impl Runner {
    pub(crate) fn expiry(&self, op: &Op) -> Result<Outcome, String> {
        let db = self.db(op.object("db"))?;
        Ok(match op.name.as_str() {
            "put_ttl" => {
                let ttl = milliseconds(op, 2)?;
                return ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| db.put_with_ttl(k, v, ttl)));
            }
            "put_if_absent_ttl" => {
                let options = WriteOptions::new().ttl(milliseconds(op, 2)?);
                self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| db.put_if_absent_with(k, v, options)).map(yes_no)
            }
            "compare_and_swap_ttl" => {
                let options = WriteOptions::new().ttl(milliseconds(op, 3)?);
                let old = op.argument(1)?;
                let (has_old, old) = (old != "none", if old == "none" { Vec::new() } else { op.bytes(1)? });
                let key = op.bytes(0)?;
                self.lend2(old, op.bytes(2)?, |old, new| {
                    self.lend(key, |k| db.compare_and_swap_with(k, has_old.then_some(old), Some(new), options))
                })
                .map(yes_no)
            }
            "fetch_add_ttl" => {
                let options = WriteOptions::new().ttl(milliseconds(op, 2)?);
                let delta = op.argument(1)?.parse().map_err(|_| "no number".to_owned())?;
                self.lend(op.bytes(0)?, |k| db.fetch_add_with(k, delta, options))
                    .map(|before| vec![word(&before.to_string())])
            }
            "expire" => {
                let ttl = milliseconds(op, 1)?;
                self.lend(op.bytes(0)?, |k| db.expire(k, ttl)).map(yes_no)
            }
            "persist" => self.lend(op.bytes(0)?, |k| db.persist(k)).map(yes_no),
            "ttl" => {
                let given = milliseconds(op, 1)?;
                self.lend(op.bytes(0)?, |k| db.ttl(k)).map(|ttl| left(ttl, given))
            }
            "sweep" => db.sweep_expired().map(number),
            "await_gone" => return ok(await_gone(db, &op.bytes(0)?)),
            other => return Err(format!("unknown operation {other}")),
        })
    }

    pub(crate) fn batch_expiry(&self, op: &Op, batch: &mut Batch) -> Result<Outcome, String> {
        Ok(match op.name.as_str() {
            "batch_put_ttl" => {
                let ttl = milliseconds(op, 2)?;
                return ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| batch.put_with_ttl(k, v, ttl)));
            }
            "batch_expire" => {
                let ttl = milliseconds(op, 1)?;
                self.lend(op.bytes(0)?, |k| batch.expire(k, ttl)).map(yes_no)
            }
            "batch_persist" => self.lend(op.bytes(0)?, |k| batch.persist(k)).map(yes_no),
            "batch_ttl" => {
                let given = milliseconds(op, 1)?;
                self.lend(op.bytes(0)?, |k| batch.ttl(k)).map(|ttl| left(ttl, given))
            }
            other => return Err(format!("unknown operation {other}")),
        })
    }

    pub(crate) fn txn_expiry(&self, op: &Op, txn: &mut Transaction) -> Result<Outcome, String> {
        Ok(match op.name.as_str() {
            "txn_put_ttl" => {
                let ttl = milliseconds(op, 2)?;
                return ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| txn.put_with_ttl(k, v, ttl)));
            }
            "txn_expire" => {
                let ttl = milliseconds(op, 1)?;
                self.lend(op.bytes(0)?, |k| txn.expire(k, ttl)).map(yes_no)
            }
            "txn_persist" => self.lend(op.bytes(0)?, |k| txn.persist(k)).map(yes_no),
            "txn_ttl" => {
                let given = milliseconds(op, 1)?;
                self.lend(op.bytes(0)?, |k| txn.ttl(k)).map(|ttl| left(ttl, given))
            }
            other => return Err(format!("unknown operation {other}")),
        })
    }

    pub(crate) fn bulk_put_ttl(&self, op: &Op, load: &mut bitcask::BulkLoader) -> Result<Outcome, String> {
        let ttl = milliseconds(op, 2)?;
        ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| load.put_with_ttl(k, v, ttl)))
    }
}

/// Waits until a key is not there.
fn await_gone(db: &Db, key: &[u8]) -> Result<(), Error> {
    while db.contains(key)? {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
