//! Who comes first at the log's lock, where a merge takes it for a moment again and again.
//!
//! A lock of the standard library goes to whoever finds it free. A writer that found it taken looks for about a microsecond whether it is free, and if a
//! merge still has it or has taken it again, goes to sleep: to be woken takes it fifty times as long as the merge had the lock. So a writer
//! that has to wait says so and looks for longer, and a merge does not take the lock before that writer has had it.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::util::lock::{Mutex, MutexGuard};

/// Looks at the writers that wait, before the lock is taken all the same: they may come one after the other without end.
const LOOKS: u32 = 200;
/// After so many of them others may run in between: a writer that waits may have no processor.
const SHORT_LOOKS: u32 = 50;
/// How often a writer tries to get the lock before it goes to sleep, and looks away in between: a few microseconds in all, where a merge has it for one.
const TRIES: u32 = 64;
const PAUSES: u32 = 8;

/// Writers that wait for the log.
#[derive(Debug, Default)]
pub(crate) struct Courtesy {
    waiting: AtomicU32,
}

impl Courtesy {
    /// Takes the lock for a writer.
    #[inline]
    pub(crate) fn first<'a, T>(&self, lock: &'a Mutex<T>) -> MutexGuard<'a, T> {
        lock.try_lock().unwrap_or_else(|| {
            // Only a hint to the other thread: nothing is read because of it.
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let guard = tries(lock).unwrap_or_else(|| lock.lock());
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            guard
        })
    }

    /// Takes the lock behind writers that wait for it.
    pub(super) fn last<'a, T>(&self, lock: &'a Mutex<T>) -> MutexGuard<'a, T> {
        let mut looks = 0;
        while self.waiting.load(Ordering::Relaxed) > 0 && looks < LOOKS {
            if looks < SHORT_LOOKS {
                std::hint::spin_loop()
            } else {
                std::thread::yield_now()
            }
            looks += 1;
        }
        lock.lock()
    }
}

fn tries<T>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    (0..TRIES).find_map(|_| {
        (0..PAUSES).for_each(|_| std::hint::spin_loop());
        lock.try_lock()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    #[test]
    fn a_writer_that_waits_is_counted_until_it_has_the_lock_and_others_get_it_all_the_same() {
        let (courtesy, lock) = (Courtesy::default(), Mutex::new(0));
        *courtesy.first(&lock) += 1;
        assert_eq!(courtesy.waiting.load(Ordering::Relaxed), 0);
        let held = lock.lock();
        let has_it = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut guard = courtesy.first(&lock);
                has_it.store(true, Ordering::Relaxed);
                *guard += 1;
            });
            while courtesy.waiting.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            assert!(!has_it.load(Ordering::Relaxed), "it has the lock beside its holder");
            drop(held);
            *courtesy.last(&lock) += 1;
        });
        assert_eq!((courtesy.waiting.load(Ordering::Relaxed), *lock.lock()), (0, 3));
        // Writers without end don't keep it from anybody.
        courtesy.waiting.store(1, Ordering::Relaxed);
        assert_eq!(*courtesy.last(&lock), 3);
    }
}
