//! Phases that read: random keys by one thread and by several, random ranges.

use std::sync::Barrier;
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use super::{Run, timed};
use crate::Result;
use crate::engine::{Engine, Reader};
use crate::pairs::{self, Probe, VALUE_LEN};
use crate::results::{Unit, median};

const THREADS: [usize; 4] = [4, 8, 16, 32];

impl Run {
    pub(super) fn reads(&mut self, engine: &impl Engine) -> Result<()> {
        let scale = self.scale;
        let probes = pairs::probes(scale.elements());

        let some = &probes[..scale.reads as usize];
        let passes = (0..scale.passes).map(|_| {
            let mut reader = engine.reader()?;
            Ok(timed(|| get_all(&mut reader, some))?.0)
        });
        let seconds = middle(passes.collect::<Result<Vec<f64>>>()?);
        self.rate("random reads", Unit::Keys, scale.reads, seconds, 0);

        if engine.ordered() {
            let starts = &probes[..scale.scans as usize];
            let mut check = 0;
            let mut passes = Vec::new();
            for _ in 0..scale.passes {
                let mut reader = engine.reader()?;
                let (seconds, sum) = timed(|| ranges(&mut reader, starts, scale.scan_len))?;
                passes.push(seconds);
                check = sum;
            }
            self.rate("ranges of 10", Unit::Scans, scale.scans, middle(passes), check);
        } else {
            self.absent("ranges of 10", Unit::Scans, "keeps no order");
        }

        for threads in THREADS {
            let seconds = by_threads(engine, &probes, threads)?;
            let keys = (probes.len() / threads * threads) as u64;
            self.rate(format!("random reads, {threads} threads"), Unit::Keys, keys, seconds, 0);
        }
        Ok(())
    }
}

/// Reads all keys and compares what was read with what was written.
fn get_all(reader: &mut impl Reader, probes: &[Probe]) -> Result<()> {
    let mut right = 0;
    for probe in probes {
        let head = reader.get(&probe.key, pairs::head)?;
        right += usize::from(head == Some(probe.head));
    }
    if right == probes.len() { Ok(()) } else { Err("a value read is not the value written".into()) }
}

/// Reads ranges; gives the sum of how the values begin, mixed with their number.
fn ranges(reader: &mut impl Reader, starts: &[Probe], len: usize) -> Result<u64> {
    let (mut sum, mut count, mut bytes) = (0u64, 0, 0);
    for start in starts {
        reader.range(&start.key, len, |_, value| {
            sum = sum.wrapping_add(pairs::head(value));
            count += 1;
            bytes += value.len();
        })?;
    }
    if bytes != count * VALUE_LEN {
        return Err("a range has a value of another length than was written".into());
    }
    Ok(sum ^ count as u64)
}

/// Each thread reads its share of all keys once, with a reader of its own; seconds from the first start to the last end.
fn by_threads<E: Engine>(engine: &E, probes: &[Probe], threads: usize) -> Result<f64> {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = probes
            .chunks_exact(probes.len() / threads)
            .take(threads)
            .map(|share| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let start = Instant::now();
                    get_all(&mut engine.reader()?, share)?;
                    Ok((start, Instant::now()))
                })
            })
            .collect();
        let join = |worker: ScopedJoinHandle<'_, Result<_>>| worker.join().map_err(|_| "a reading thread panicked")?;
        let times = workers.into_iter().map(join).collect::<Result<Vec<(Instant, Instant)>>>()?;
        let (first, last) = (times.iter().map(|t| t.0).min(), times.iter().map(|t| t.1).max());
        Ok(first.zip(last).map_or(f64::NAN, |(first, last)| (last - first).as_secs_f64()))
    })
}

fn middle(seconds: Vec<f64>) -> f64 {
    median(&seconds).unwrap_or(f64::NAN)
}
