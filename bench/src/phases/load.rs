//! Phases that fill the store: one transaction of everything, single writes, batches, writes without sync.

use super::{Run, timed};
use crate::Result;
use crate::engine::{Engine, Reader, Writer};
use crate::pairs::{Key, Value};
use crate::results::Unit;

impl Run {
    pub(super) fn load(&mut self, engine: &impl Engine) -> Result<()> {
        let scale = self.scale;
        let pairs = &mut self.pairs;
        // Drawn within the time, as in redb's benchmark: all of them would be a gigabyte.
        let (seconds, ()) = timed(|| {
            engine.load(|writer| {
                for _ in 0..scale.bulk {
                    let (key, value) = pairs.pair();
                    writer.put(&key, &value)?;
                }
                Ok(())
            })
        })?;
        self.rate("bulk load", Unit::Keys, scale.bulk, seconds, 0);

        let pairs = self.pairs.take(scale.singles);
        let (seconds, ()) = timed(|| singles(engine, true, &pairs))?;
        self.rate("single durable writes", Unit::Transactions, scale.singles, seconds, 0);

        let pairs = self.pairs.take(scale.batches * scale.batch);
        let (seconds, ()) = timed(|| {
            for batch in pairs.chunks(scale.batch as usize) {
                put_all(engine, batch)?;
            }
            Ok(())
        })?;
        self.rate("durable batches of 1000", Unit::Keys, pairs.len() as u64, seconds, 0);

        let pairs = self.pairs.take(scale.nosync);
        let (seconds, ()) = timed(|| singles(engine, false, &pairs))?;
        self.rate("single writes, no sync", Unit::Transactions, scale.nosync, seconds, 0);

        let (seconds, len) = timed(|| engine.reader()?.count())?;
        if len != scale.elements() {
            return Err(format!("{len} keys are there instead of {}", scale.elements()).into());
        }
        self.push("len()", Unit::Nanos, Some(seconds * 1e9), len, None);
        Ok(())
    }

    /// Puts so many new pairs in place of what a phase removed, outside of all times.
    pub(super) fn refill(&mut self, engine: &impl Engine, count: u64) -> Result<()> {
        let pairs = &mut self.pairs;
        engine.write(true, |writer| {
            for _ in 0..count {
                let (key, value) = pairs.pair();
                writer.put(&key, &value)?;
            }
            Ok(())
        })
    }
}

fn singles(engine: &impl Engine, sync: bool, pairs: &[(Key, Value)]) -> Result<()> {
    pairs.iter().try_for_each(|(key, value)| engine.put_one(sync, key, value))
}

fn put_all(engine: &impl Engine, pairs: &[(Key, Value)]) -> Result<()> {
    engine.write(true, |writer| pairs.iter().try_for_each(|(key, value)| writer.put(key, value)))
}
