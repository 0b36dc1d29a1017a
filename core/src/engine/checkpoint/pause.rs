//! Pauses of the writers, in which large images begin.
//!
//! Whoever writes beside an image copies each page before its first change, and shares the disk with it. A load and the writes right behind it, or any other
//! burst, go faster if it comes after them; what it costs is that an opening after a crash in that time has more of the log to read. Where
//! writers don't pause an image begins all the same.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use crate::index::Index;

/// A smaller image is written in some milliseconds, and begins at once.
const LARGE_IMAGE: u64 = 16 << 20;
/// For so long the log does not grow in a pause.
const PAUSE: Duration = Duration::from_millis(50);
/// So many times that long one is waited for: two seconds.
const MOST_LOOKS: u32 = 40;

/// Whether an image of the index is to begin in a pause.
pub(super) fn is_worth_it(index: &dyn Index) -> bool {
    index.imaged().is_some_and(|imaged| imaged.image_bytes() >= LARGE_IMAGE)
}

/// Waits for a pause; false if the thread is to stop, which wakes it up.
pub(super) fn wait(shared: &Shared) -> bool {
    let mut before = shared.unkept.load(Ordering::Relaxed);
    for _ in 0..MOST_LOOKS {
        if shared.stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::park_timeout(PAUSE);
        let now = shared.unkept.load(Ordering::Relaxed);
        if now == before {
            break;
        }
        before = now;
    }
    !shared.stop.load(Ordering::Relaxed)
}
