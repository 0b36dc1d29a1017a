//! Numbers of commits, what of them is durable, and writes that are queued.

use std::cmp::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bitcask::{SeqNo, WriteOptions, Written};

use crate::language::{self, Op, word};
use crate::{Outcome, Runner, ok, yes_no};

/// A write that was queued, and its outcome once somebody asked.
pub(crate) struct Queued {
    is_delete: bool,
    coming: Receiver<bitcask::Result<Written>>,
    /// An error as its status's name.
    outcome: Option<Result<Written, &'static str>>,
}

impl Queued {
    pub(crate) fn wait(&mut self) {
        if self.outcome.is_none() {
            let outcome = self.coming.recv().map_err(|_| "<the callback was dropped>");
            self.outcome = Some(outcome.and_then(|outcome| outcome.map_err(|error| error.status().name())));
        }
    }
}

impl Runner {
    /// Operations that give a number a name, or use one.
    pub(crate) fn numbered(&mut self, op: &Op) -> Result<Outcome, String> {
        let options = WriteOptions::new().sync(op.yes("sync")?);
        let told = match op.name.as_str() {
            "compare" => {
                let order = match self.named(op, 0)?.cmp(&self.named(op, 1)?) {
                    Ordering::Less => "less",
                    Ordering::Equal => "same",
                    Ordering::Greater => "more",
                };
                return Ok(Ok(vec![word(order)]));
            }
            "wait_durable" => {
                let seq = SeqNo(self.named(op, 0)? + op.option("plus").map_or(Ok(0), language::number)?);
                let timeout = op.option("timeout_ms").map(language::number).transpose()?.map(Duration::from_millis);
                return Ok(self.db(op.object("db"))?.wait_durable(seq, timeout).map(yes_no));
            }
            "batch_commit_seq" => self
                .batches
                .get_mut(op.object("b"))
                .ok_or("no such batch")?
                .commit_seq(options)
                .map(|written| (written.seq, false)),
            name => {
                let db = self.db(op.object("db"))?;
                let both = |written: Written| (written.seq, written.existed);
                let read = |seq| (seq, false);
                match name {
                    "put_seq" => self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| db.put_seq(k, v, options)).map(both),
                    "delete_seq" => self.lend(op.bytes(0)?, |k| db.delete_seq(k, options)).map(both),
                    "last_seq" => db.last_seq().map(read),
                    _ => db.durable_seq().map(read),
                }
            }
        };
        let (seq, existed) = match told {
            Ok(told) => told,
            Err(error) => return Ok(Err(error)),
        };
        self.keep_as(op, seq)?;
        if op.name == "delete_seq" { Ok(Ok(yes_no(existed))) } else { ok(Ok(())) }
    }

    pub(crate) fn keep(&mut self, name: &str, seq: SeqNo) {
        self.numbers.insert(name.to_owned(), seq.0);
    }

    /// Keeps a number under the name that the option `as` gives.
    pub(crate) fn keep_as(&mut self, op: &Op, seq: SeqNo) -> Result<(), String> {
        let name = op.option("as").ok_or("no name for the number")?;
        self.keep(name, seq);
        Ok(())
    }

    /// The number that an argument names.
    fn named(&self, op: &Op, i: usize) -> Result<u64, String> {
        let name = op.argument(i)?;
        self.numbers.get(name).copied().ok_or_else(|| format!("no number {name}"))
    }

    /// Queued writes, and their outcomes.
    pub(crate) fn queue(&mut self, op: &Op) -> Result<Outcome, String> {
        let name = op.object("w").to_owned();
        if op.name == "outcome" {
            let queued = self.queued.get_mut(&name).ok_or("no such queued write")?;
            queued.wait();
            let (is_delete, outcome) = (queued.is_delete, queued.outcome.ok_or("no outcome")?);
            return match outcome {
                Err(status) => Ok(Ok(vec![word(status)])),
                Ok(written) => {
                    if let Some(number) = op.option("as") {
                        self.keep(number, written.seq);
                    }
                    if is_delete { Ok(Ok(yes_no(written.existed))) } else { ok(Ok(())) }
                }
            };
        }
        let options = WriteOptions::new().sync(op.yes("sync")?);
        let (sender, coming) = channel();
        let answer = sender.clone();
        let callback = move |outcome| {
            answer.send(outcome).ok();
        };
        let at_once = match op.name.as_str() {
            "async_put" => {
                let db = self.store_of(op)?;
                self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| db.put_async(k, v, options, callback))
            }
            "async_delete" => {
                let db = self.store_of(op)?;
                self.lend(op.bytes(0)?, |k| db.delete_async(k, options, callback))
            }
            "async_commit" => {
                let batch = self.batches.get_mut(op.option("of").unwrap_or("b")).ok_or("no such batch")?;
                batch.commit_async(options, callback)
            }
            other => return Err(format!("unknown operation {other}")),
        };
        if let Err(error) = at_once {
            sender.send(Err(error)).map_err(|error| error.to_string())?;
        }
        self.queued.insert(name, Queued { is_delete: op.name == "async_delete", coming, outcome: None });
        ok(Ok(()))
    }
}
