//! Phases that remove: half of everything by key, every other by retain, a sixth by extract_if, some from the ends.

use std::time::Instant;

use super::{Run, timed};
use crate::Result;
use crate::engine::{End, Engine, Writer};
use crate::pairs::{KEY_LEN, Pairs, VALUE_LEN};
use crate::results::Unit;

/// A store that needs more seconds a pop than this for the first hundredth is not asked for the rest; the sample counts.
const PATIENCE: f64 = 200e-6;
/// Nor is one for more than it has done in so many seconds: popping may get slower with every pop.
const LIMIT: f64 = 10.0;

impl Run {
    pub(super) fn removals(&mut self, engine: &impl Engine) -> Result<()> {
        let elements = self.scale.elements();
        let deletes = elements / 2;
        let mut first = Pairs::default();
        let keys: Vec<_> = (0..deletes).map(|_| first.pair().0).collect();
        let (seconds, ()) = timed(|| engine.write(true, |writer| keys.iter().try_for_each(|key| writer.delete(key))))?;
        drop(keys);
        self.rate("removals", Unit::Keys, deletes, seconds, 0);
        let left = elements - deletes;

        let (seconds, removed) = timed(|| {
            engine.write(true, |writer| {
                let mut at = 0u64;
                writer.retain(|_, _| {
                    at += 1;
                    !at.is_multiple_of(2)
                })
            })
        })?;
        if removed != left / 2 {
            return Err(format!("retain removed {removed} of {left} keys").into());
        }
        self.rate("retain", Unit::Keys, removed, seconds, removed);
        self.refill(engine, removed)?;

        // A third of all keys lie in this range; every other of them goes.
        let (low, high) = ([0x55; KEY_LEN], [0xaa; KEY_LEN]);
        let (seconds, extracted) = timed(|| {
            engine.write(true, |writer| {
                let mut at = 0u64;
                writer.extract_if(&low, &high, |_, value| {
                    at += 1;
                    at.is_multiple_of(2) && value.len() == VALUE_LEN
                })
            })
        })?;
        self.rate("extract_if", Unit::Keys, extracted, seconds, extracted);
        self.refill(engine, extracted)?;
        self.pops(engine, left)
    }

    /// Takes pairs from both ends by turns. Afterwards the same pairs are gone whatever was measured.
    fn pops(&mut self, engine: &impl Engine, len: u64) -> Result<()> {
        let pops = self.scale.pops;
        let mut popped = 0;
        if engine.ordered() {
            let sample = pops / 100;
            let start = Instant::now();
            let mut too_slow = None;
            engine.write(true, |writer| {
                while popped < pops {
                    let end = if popped.is_multiple_of(2) { End::First } else { End::Last };
                    if writer.pop(end)? != Some(VALUE_LEN) {
                        return Err("a pop gave no value, or another than was written".into());
                    }
                    popped += 1;
                    let seconds = start.elapsed().as_secs_f64();
                    if (popped == sample && seconds > PATIENCE * sample as f64) || (popped < pops && seconds > LIMIT) {
                        too_slow = Some(seconds);
                        break;
                    }
                }
                Ok(())
            })?;
            let seconds = too_slow.unwrap_or_else(|| start.elapsed().as_secs_f64());
            let note = too_slow.map(|_| format!("measured on {popped} pops"));
            self.push("pop", Unit::Keys, Some(popped as f64 / seconds), 0, note.as_deref());
        } else {
            self.absent("pop", Unit::Keys, "keeps no order");
        }
        if popped < pops {
            let (front, back) = (pops.div_ceil(2) - popped.div_ceil(2), pops / 2 - popped / 2);
            let last = len - popped - back;
            let removed = engine.write(true, |writer| {
                let mut at = 0;
                writer.retain(|_, _| {
                    at += 1;
                    at > front && at <= last
                })
            })?;
            if removed != front + back {
                return Err(format!("{removed} keys went from the ends instead of {}", front + back).into());
            }
        }
        self.refill(engine, pops)
    }
}
