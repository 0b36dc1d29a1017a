//! The YCSB core workloads (Cooper et al. 2010) on one store in one process, one thread, values of 1 KB, no syncs.
//!
//! | | operations | keys |
//! |---|---|---|
//! | A | half reads, half updates | Zipfian |
//! | B | 95 % reads, 5 % updates | Zipfian |
//! | C | reads | Zipfian |
//! | D | 95 % reads, 5 % inserts | latest |
//! | E | 95 % scans of 1 to 100 records, 5 % inserts | Zipfian, lengths uniform |
//! | F | half reads, half read-modify-write | Zipfian |
//!
//! They run in the order A, B, C, F, D, E over one load, which is the order that its authors recommend, but that they load
//! again before E. One thread makes the sequence of operations, and so what must be read, the same for all stores. An update
//! writes the whole record. Every read is a transaction of its own, as a program's would be, and what is read is copied: YCSB's
//! clients give out records that are the caller's own.

mod zipf;

use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::Result;
use crate::engine::{Engine, Reader, Task, Writer};
use crate::results::{Sample, Unit};
use zipf::Zipf;

const VALUE: usize = 1000;
const LONGEST_SCAN: u64 = 100;
/// Values are stretches of a buffer of random bytes, so that making them costs next to nothing.
const POOL: usize = 1 << 20;

/// A mix of operations, in percent; the rest are reads.
struct Mix {
    name: &'static str,
    updates: u8,
    inserts: u8,
    scans: u8,
    modifies: u8,
    latest: bool,
}

const READ: Mix = Mix { name: "C", updates: 0, inserts: 0, scans: 0, modifies: 0, latest: false };
const MIXES: [Mix; 6] = [
    Mix { name: "A", updates: 50, ..READ },
    Mix { name: "B", updates: 5, ..READ },
    READ,
    Mix { name: "F", modifies: 50, ..READ },
    Mix { name: "D", inserts: 5, latest: true, ..READ },
    Mix { name: "E", inserts: 5, scans: 95, ..READ },
];

/// All six on a store with so many records, with half as many operations each.
pub struct Workloads<'a> {
    /// Records that are loaded.
    pub records: u64,
    /// An empty directory.
    pub dir: &'a Path,
}

impl Task for Workloads<'_> {
    type Output = Vec<Sample>;

    fn run<E: Engine>(self, variant: &str) -> Result<Vec<Sample>> {
        let engine = E::open(variant, self.dir)?;
        let mut client = Client::new(self.records);
        client.load(&engine)?;
        let mut samples = Vec::new();
        for mix in MIXES {
            if mix.scans > 0 && !engine.ordered() {
                samples.push(sample(format!("YCSB {}", mix.name), Unit::Operations, None, 0, Some("keeps no order")));
                continue;
            }
            client.run(&engine, &mix, self.records / 2, &mut samples)?;
        }
        engine.close()?;
        Ok(samples)
    }
}

struct Client {
    random: fastrand::Rng,
    pool: Vec<u8>,
    /// Records that are there.
    records: u64,
    /// Over the records that were loaded.
    popular: Zipf,
    /// Over all that are there.
    recent: Zipf,
    /// The record that was read last.
    record: [u8; VALUE],
    /// What was read.
    check: u64,
}

impl Client {
    fn new(records: u64) -> Client {
        let mut random = fastrand::Rng::with_seed(5);
        let mut pool = vec![0; POOL];
        random.fill(&mut pool);
        Client {
            random,
            pool,
            records: 0,
            popular: Zipf::new(records),
            recent: Zipf::new(records),
            record: [0; VALUE],
            check: 0,
        }
    }

    fn load(&mut self, engine: &impl Engine) -> Result<()> {
        for _ in 0..self.popular.len().div_ceil(1000) {
            engine.write(false, |writer| {
                for _ in 0..1000.min(self.popular.len() - self.records) {
                    let at = self.value();
                    writer.put(&key(self.records), &self.pool[at..at + VALUE])?;
                    self.records += 1;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn run<E: Engine>(&mut self, engine: &E, mix: &Mix, operations: u64, samples: &mut Vec<Sample>) -> Result<()> {
        // Three digits are kept, from a nanosecond to minutes.
        let mut latencies = Histogram::<u64>::new(3)?;
        self.check = 0;
        let start = Instant::now();
        let mut last = start;
        for _ in 0..operations {
            self.operation(engine, mix)?;
            let now = Instant::now();
            latencies.record((now - last).as_nanos() as u64)?;
            last = now;
        }
        let rate = operations as f64 / (last - start).as_secs_f64();
        let name = format!("YCSB {}", mix.name);
        samples.push(sample(name.clone(), Unit::Operations, Some(rate), self.check | 1, None));
        for (quantile, label) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"), (1.0, "max")] {
            let nanos = latencies.value_at_quantile(quantile) as f64;
            samples.push(sample(format!("{name} {label}"), Unit::Nanos, Some(nanos), 0, None));
        }
        Ok(())
    }

    fn operation(&mut self, engine: &impl Engine, mix: &Mix) -> Result<()> {
        let choice = self.random.u8(0..100);
        if choice < mix.inserts {
            let at = self.value();
            engine.put_one(false, &key(self.records), &self.pool[at..at + VALUE])?;
            self.records += 1;
            self.recent.grow(self.records);
            return Ok(());
        }
        let record = if mix.latest {
            self.records - 1 - self.recent.rank(&mut self.random)
        } else {
            // Popular records lie anywhere among the keys.
            mixed(self.popular.rank(&mut self.random)) % self.popular.len()
        };
        let key = key(record);
        let choice = choice - mix.inserts;
        if choice < mix.scans {
            let len = self.random.u64(1..=LONGEST_SCAN);
            return engine.reader()?.range(&key, len as usize, |_, value| self.read(value));
        }
        if choice >= mix.updates {
            let found = engine.reader()?.get(&key, |value| self.read(value))?;
            found.ok_or("a record is not there")?;
        }
        if choice < mix.updates + mix.modifies {
            let at = self.value();
            engine.put_one(false, &key, &self.pool[at..at + VALUE])?;
        }
        Ok(())
    }

    /// Copies a record, and adds its beginning to what was read; one of another length counts as nothing.
    fn read(&mut self, value: &[u8]) {
        if value.len() == VALUE {
            self.record.copy_from_slice(value);
            self.check = self.check.wrapping_add(self.record.first_chunk().map_or(0, |head| u64::from_le_bytes(*head)));
        }
        // Nobody looks at the rest, which must not be a reason not to copy it.
        std::hint::black_box(&self.record);
    }

    /// Where in the pool the next value begins.
    fn value(&mut self) -> usize {
        self.random.usize(0..=POOL - VALUE)
    }
}

/// Key of a record: its number mixed, so that keys don't ascend.
fn key(record: u64) -> [u8; 24] {
    let mut key = *b"user00000000000000000000";
    let mut rest = mixed(record);
    for digit in key[4..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// The finalizer of splitmix64, a permutation: different numbers stay different.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn sample(row: String, unit: Unit, value: Option<f64>, check: u64, note: Option<&str>) -> Sample {
    Sample { row, unit, value, check, note: note.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_different_and_of_one_length() {
        let keys: std::collections::HashSet<_> = (0..10_000).map(key).collect();
        assert_eq!(keys.len(), 10_000);
        assert!(keys.iter().all(|key| key[4..].iter().all(u8::is_ascii_digit)));
    }

    #[test]
    fn mixes_are_whole() {
        for mix in MIXES {
            assert!(mix.updates + mix.inserts + mix.scans + mix.modifies <= 100, "{}", mix.name);
        }
    }
}
