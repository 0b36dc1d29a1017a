//! Looking at all of a saved index while something else is being done with it, or before.

use std::sync::atomic::{AtomicBool, Ordering};

use super::PAGES_FOR_A_THREAD;
use crate::index::Index;

/// Does some work on an index, all of which is looked at meanwhile by a thread if `looks` and if that takes some milliseconds: work whose first change would have to wait for that. What
/// is found damaged is said by the index.
pub(crate) fn look_beside<R>(index: &dyn Index, looks: bool, work: impl FnOnce() -> R) -> R {
    let imaged = index.imaged().filter(|imaged| looks && imaged.unseen_pages() >= PAGES_FOR_A_THREAD);
    let Some(imaged) = imaged else { return work() };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let look = || drop(imaged.look_at_all(&stop));
        // Without a thread the first change looks.
        let _ = std::thread::Builder::new().name("bitcask-verify".into()).spawn_scoped(scope, look);
        // Also by a panic.
        let _over = Over(&stop);
        work()
    })
}

/// Says that nobody needs the look any more.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
