//! Phases after the removals: size and compaction, a sorted load, iteration over everything, opening again, memory.

use std::fs;
use std::path::Path;

use super::{Run, timed};
use crate::Result;
use crate::engine::{Engine, Reader, Writer};
use crate::machine;
use crate::pairs::{self, KEY_LEN, VALUE_LEN, Value};
use crate::results::{Unit, median};

/// Long enough to come behind every random key.
type LongKey = [u8; KEY_LEN + 8];

impl Run {
    pub(super) fn sizes<E: Engine>(&mut self, engine: E, dir: &Path) -> Result<E> {
        self.push("uncompacted size", Unit::Bytes, Some(size(dir)? as f64), 0, None);
        let (seconds, (engine, why_not)) = timed(|| engine.compact(dir))?;
        if let Some(why_not) = why_not {
            self.absent("compaction", Unit::Nanos, why_not);
            self.absent("compacted size", Unit::Bytes, why_not);
        } else {
            self.push("compaction", Unit::Nanos, Some(seconds * 1e9), 0, None);
            self.push("compacted size", Unit::Bytes, Some(size(dir)? as f64), 0, None);
        }
        Ok(engine)
    }

    pub(super) fn sorted(&mut self, engine: &impl Engine) -> Result<()> {
        let pairs = self.ascending();
        let (seconds, ()) = timed(|| load_sorted(engine, &pairs))?;
        self.rate("sorted load", Unit::Keys, self.scale.sorted, seconds, 0);
        Ok(())
    }

    /// Transactions of two reads and two writes, without sync. Each finds both of its reads.
    pub(super) fn transactions(&mut self, engine: &impl Engine) -> Result<()> {
        // New ones first, so that all stores have the same ones to read, whatever removals left.
        let new = self.pairs.take(self.scale.transactions * 2);
        engine.write(true, |writer| new.iter().try_for_each(|(key, value)| writer.put(key, value)))?;
        let values = self.pairs.take(new.len() as u64);
        let mut order: Vec<usize> = (0..new.len()).collect();
        fastrand::Rng::with_seed(7).shuffle(&mut order);
        let (seconds, found) = timed(|| {
            let mut found = 0;
            for (reads, writes) in order.chunks_exact(2).zip(order.chunks_exact(2).rev()) {
                let pair = |i: usize| (&new[i].0[..], &values[i].1[..]);
                found += engine.transact([&new[reads[0]].0, &new[reads[1]].0], [pair(writes[0]), pair(writes[1])])?;
            }
            Ok(found)
        })?;
        if found != new.len() {
            return Err(format!("transactions found {found} of {} keys", new.len()).into());
        }
        self.rate("transactions", Unit::Transactions, self.scale.transactions, seconds, found as u64);
        Ok(())
    }

    /// All pairs, which were written in no order, by key.
    pub(super) fn iteration(&mut self, engine: &impl Engine) -> Result<()> {
        let (seconds, (count, check)) = self.iterate(engine)?;
        self.rate("iteration, random load", Unit::Keys, count, seconds, check);
        // While the store is full and open; the pages of mapped files are the kernel's and don't count.
        let memory = machine::private_memory();
        self.push("memory of the process", Unit::Bytes, memory.map(|bytes| bytes as f64), 0, None);
        Ok(())
    }

    pub(super) fn reopening<E: Engine>(&mut self, engine: E, variant: &str, dir: &Path) -> Result<()> {
        engine.close()?;
        let probe = self.pairs.pair();
        let mut passes = Vec::new();
        for _ in 0..self.scale.passes {
            let (seconds, engine) = timed(|| {
                let engine = E::open(variant, dir)?;
                engine.reader()?.get(&probe.0, |_| ())?;
                Ok(engine)
            })?;
            engine.close()?;
            passes.push(seconds * 1e9);
        }
        self.push("open, clean, to the first get", Unit::Nanos, median(&passes), 0, None);
        Ok(())
    }

    pub(super) fn sorted_iteration<E: Engine>(&mut self, variant: &str, dir: &Path) -> Result<()> {
        let engine = E::open(variant, dir)?;
        let pairs = self.ascending();
        load_sorted(&engine, &pairs)?;
        drop(pairs);
        let (seconds, (count, check)) = self.iterate(&engine)?;
        if count != self.scale.sorted {
            return Err(format!("{count} of {} sorted pairs are there", self.scale.sorted).into());
        }
        self.rate("iteration, sorted load", Unit::Keys, count, seconds, check);
        engine.close()
    }

    /// Walks over everything; gives seconds, the number of pairs and the sum of how the values begin.
    fn iterate(&self, engine: &impl Engine) -> Result<(f64, (u64, u64))> {
        let mut passes = Vec::new();
        let (mut count, mut sum) = (0u64, 0u64);
        for _ in 0..self.scale.passes {
            (count, sum) = (0, 0);
            let mut bytes = 0;
            let mut reader = engine.reader()?;
            let (seconds, ()) = timed(|| {
                reader.range(&[0], usize::MAX, |_, value| {
                    sum = sum.wrapping_add(pairs::head(value));
                    count += 1;
                    bytes += value.len();
                })
            })?;
            if bytes as u64 != count * VALUE_LEN as u64 {
                return Err("a value has another length than was written".into());
            }
            passes.push(seconds);
        }
        Ok((median(&passes).unwrap_or(f64::NAN), (count, sum ^ count)))
    }

    /// Pairs whose keys ascend, behind all random ones.
    fn ascending(&mut self) -> Vec<(LongKey, Value)> {
        let pair = |i: u64| {
            let mut key = [0xff; KEY_LEN + 8];
            key[KEY_LEN..].copy_from_slice(&i.to_be_bytes());
            (key, self.pairs.value())
        };
        (0..self.scale.sorted).map(pair).collect()
    }
}

fn load_sorted(engine: &impl Engine, pairs: &[(LongKey, Value)]) -> Result<()> {
    engine.load(|writer| writer.put_sorted(pairs.iter().map(|(key, value)| (&key[..], &value[..]))))
}

/// Length of all files in a directory and below.
fn size(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A file may go while a store tidies up in the background.
        let Ok(meta) = entry.metadata() else { continue };
        bytes += if meta.is_dir() { size(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}
