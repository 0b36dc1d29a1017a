//! Single writes, figures and held values of a store, and damage to its files.

use std::collections::HashSet;
use std::fs;

use bitcask::{OpenReport, Stats, WriteOptions};

use crate::language::{self, Item, Op, generated, word};
use crate::{Outcome, Runner, filled_key, number, ok, yes_no};

impl Runner {
    /// The operations on a store that make no object.
    pub(crate) fn store(&self, op: &Op) -> Result<Outcome, String> {
        let db = self.db(op.object("db"))?;
        let sync = WriteOptions::new().sync(true);
        if let Some(outcome) = self.read(db, &op.name, op)? {
            return Ok(outcome);
        }
        Ok(match op.name.as_str() {
            "put" => return ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| db.put(k, v))),
            "put_sync" => return ok(self.lend2(op.bytes(0)?, op.bytes(1)?, |k, v| db.put_with(k, v, sync))),
            "random_key" => {
                let mut seen = HashSet::new();
                for _ in 0..op.number(0)? {
                    match db.random_key() {
                        Ok(Some(key)) => seen.insert(key),
                        Ok(None) => return Ok(Ok(vec![word("NOT_FOUND")])),
                        Err(error) => return Ok(Err(error)),
                    };
                }
                for key in &seen {
                    if !db.contains(key).map_err(|e| e.to_string())? {
                        return Err(format!("the random key {} is not there", language::hex(key)));
                    }
                }
                Ok(number(seen.len() as u64))
            }
            "delete" => self.lend(op.bytes(0)?, |k| db.delete(k)).map(yes_no),
            "delete_sync" => self.lend(op.bytes(0)?, |k| db.delete_with(k, sync)).map(yes_no),
            "sync" => return ok(db.sync()),
            "fill" => {
                let (count, prefix, len) = (op.number(0)?, op.bytes(1)?, op.number(2)?);
                return ok((0..count).try_for_each(|i| {
                    self.lend2(filled_key(&prefix, i), generated(i as u64, len), |k, v| db.put(k, v))
                }));
            }
            "refresh" => db.refresh().map(|refreshed| yes_no(refreshed.is_changed())),
            "opened" => Ok(number(opened(db.open_report(), op.argument(0)?)?)),
            "stat" => match db.stats() {
                Ok(stats) => Ok(number(figure(&stats, op.argument(0)?)?)),
                Err(error) => Err(error),
            },
            other => return Err(format!("unknown operation {other}")),
        })
    }

    /// A value that is held: `hold`, `held`, `release`.
    pub(crate) fn value(&mut self, op: &Op) -> Result<Outcome, String> {
        let name = op.object("v");
        match op.name.as_str() {
            "hold" => match self.lend(op.bytes(0)?, |k| self.store_of(op).map(|db| db.get(k)))? {
                Ok(Some(value)) => {
                    self.values.insert(name.to_owned(), value);
                    ok(Ok(()))
                }
                Ok(None) => Ok(Ok(vec![word("NOT_FOUND")])),
                Err(error) => Ok(Err(error)),
            },
            "held" => Ok(Ok(vec![Item::Bytes(self.values.get(name).ok_or("no such value")?.to_vec())])),
            _ => {
                self.values.remove(name).ok_or("no such value")?;
                ok(Ok(()))
            }
        }
    }

    pub(crate) fn flip(&self, op: &Op) -> Result<Outcome, String> {
        let (wanted, dir) = (op.bytes(0)?, self.root.join(op.option("dir").unwrap_or("store")));
        let mut places = 0;
        for id in 1..=64 {
            let path = dir.join(format!("{id}.data"));
            let Ok(contents) = fs::read(&path) else { continue };
            for at in (0..contents.len()).filter(|&at| contents[at..].starts_with(&wanted)) {
                language::flip_lowest_bit(&path, at as u64, contents[at]).map_err(|e| e.to_string())?;
                places += 1;
            }
        }
        Ok(Ok(number(places)))
    }
}

fn opened(report: &OpenReport, name: &str) -> Result<u64, String> {
    Ok(match name {
        "files" => report.files,
        "last_seq" => report.last_seq.0,
        "damage" => report.damage.len() as u64,
        "torn" => report.torn.len() as u64,
        "unusable_hints" => report.unusable_hints.len() as u64,
        other => return Err(format!("unknown figure {other}")),
    })
}

fn figure(stats: &Stats, name: &str) -> Result<u64, String> {
    Ok(match name {
        "keys" => stats.keys,
        "files" => stats.files,
        "mapped_files" => stats.mapped_files,
        "data_bytes" => stats.data_bytes,
        "index_bytes" => stats.index_bytes,
        "last_seq" => stats.last_seq,
        "damaged_places" => stats.damaged_places,
        "damaged_bytes" => stats.damaged_bytes,
        other => return Err(format!("unknown figure {other}")),
    })
}
