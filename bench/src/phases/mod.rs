//! The workload of redb's comparison, phase by phase in its order, on one store in one process.
//!
//! At 5 million pairs every count is that of redb's benchmark; with fewer the counts shrink as [`Scale`] says. The phases
//! depend on each other: each finds the store as the ones before it left it, so all run, or none.
//!
//! Rows that redb's benchmark has not are at the end: iteration over everything, opening again, memory.

mod load;
mod read;
mod remove;
mod tail;

use std::path::Path;
use std::time::Instant;

use crate::Result;
use crate::engine::{Engine, Task};
use crate::pairs::Pairs;
use crate::results::{Sample, Unit};

/// How much each phase does.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    bulk: u64,
    singles: u64,
    batches: u64,
    batch: u64,
    nosync: u64,
    reads: u64,
    scans: u64,
    scan_len: usize,
    pops: u64,
    sorted: u64,
    transactions: u64,
    /// The median of so many passes counts where a phase can be repeated.
    passes: usize,
}

impl Scale {
    /// For so many pairs of bulk load.
    #[must_use]
    pub fn of(bulk: u64) -> Scale {
        Scale {
            bulk,
            singles: 1000,
            batches: (bulk / 50_000).clamp(10, 100),
            batch: 1000,
            nosync: (bulk / 100).clamp(5_000, 50_000),
            reads: bulk / 5,
            scans: bulk / 10,
            scan_len: 10,
            pops: bulk / 10,
            sorted: bulk / 5,
            transactions: (bulk / 100).clamp(5_000, 50_000),
            passes: 3,
        }
    }

    /// Pairs when all that loads is done.
    fn elements(&self) -> u64 {
        self.bulk + self.singles + self.batches * self.batch + self.nosync
    }
}

/// One store's run through the phases.
pub struct Workload<'a> {
    /// How much.
    pub scale: Scale,
    /// An empty directory.
    pub dir: &'a Path,
}

impl Task for Workload<'_> {
    type Output = Vec<Sample>;

    fn run<E: Engine>(self, variant: &str) -> Result<Vec<Sample>> {
        let mut run = Run { scale: self.scale, pairs: Pairs::default(), samples: Vec::new() };
        let main = self.dir.join("main");
        std::fs::create_dir(&main)?;
        let engine = E::open(variant, &main)?;
        run.load(&engine)?;
        run.reads(&engine)?;
        run.removals(&engine)?;
        let engine = run.sizes(engine, &main)?;
        run.sorted(&engine)?;
        run.transactions(&engine)?;
        run.iteration(&engine)?;
        run.reopening(engine, variant, &main)?;
        std::fs::remove_dir_all(&main)?;
        let sorted = self.dir.join("sorted");
        std::fs::create_dir(&sorted)?;
        run.sorted_iteration::<E>(variant, &sorted)?;
        Ok(run.samples)
    }
}

/// The state that goes from phase to phase.
struct Run {
    scale: Scale,
    /// The pairs that come next.
    pairs: Pairs,
    samples: Vec<Sample>,
}

impl Run {
    fn rate(&mut self, row: impl Into<String>, unit: Unit, count: u64, seconds: f64, check: u64) {
        self.push(row, unit, Some(count as f64 / seconds), check, None);
    }

    fn absent(&mut self, row: &str, unit: Unit, why: &str) {
        self.push(row, unit, None, 0, Some(why));
    }

    fn push(&mut self, row: impl Into<String>, unit: Unit, value: Option<f64>, check: u64, note: Option<&str>) {
        self.samples.push(Sample { row: row.into(), unit, value, check, note: note.map(str::to_owned) });
    }
}

/// Does the work and tells how many seconds it took.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed().as_secs_f64(), result))
}
