//! This thread's processor time, and the processor's counters.

use perf_event::events::Hardware;
use perf_event::{Builder, Counter, Group};
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of processor time that some work took this thread.
pub(super) fn cpu_nanos(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    };
    let start = now();
    work();
    now() - start
}

/// Instructions and cache misses, where they can be counted. Many virtual machines have no such counters.
pub(super) struct Counters(Option<(Group, Counter, Counter)>);

impl Counters {
    pub(super) fn new() -> Counters {
        Counters(Counters::open().ok())
    }

    fn open() -> std::io::Result<(Group, Counter, Counter)> {
        let mut group = Group::new()?;
        let instructions = Builder::new().group(&mut group).kind(Hardware::INSTRUCTIONS).build()?;
        let misses = Builder::new().group(&mut group).kind(Hardware::CACHE_MISSES).build()?;
        Ok((group, instructions, misses))
    }

    pub(super) fn start(&mut self) {
        self.0 = self.0.take().and_then(|mut counters| counters.0.enable().is_ok().then_some(counters));
    }

    pub(super) fn stop(&mut self) {
        self.0 = self.0.take().and_then(|mut counters| counters.0.disable().is_ok().then_some(counters));
    }

    /// Instructions and cache misses between all starts and stops.
    pub(super) fn read(&mut self) -> Option<(f64, f64)> {
        let (group, instructions, misses) = self.0.as_mut()?;
        let counts = group.read().ok()?;
        let (instructions, misses) = (counts[instructions] as f64, counts[misses] as f64);
        // Counters that exist but never count tell nothing.
        (instructions > 0.0).then_some((instructions, misses))
    }
}
