//! Pauses of the writers, in which large images begin.
//!
//! Whoever writes beside an image copies each page before its first change, and shares the disk with it. A burst, as a load and the writes right behind it, goes
//! faster if the image begins after it; what that costs is that an opening after a crash in that time has more of the log to read. Where writers
//! don't pause an image begins all the same.

use std::sync::Weak;
use std::time::Duration;

use super::thread::{Begun, Shared};
use crate::engine::store::Store;
use crate::index::Index;

/// A smaller image is written soon, and begins at once.
const LARGE_IMAGE: u64 = 16 << 20;
/// Between two looks. A pause is when no commit came in between, none is under way and no load either.
const BETWEEN: Duration = Duration::from_millis(100);
/// At the last of so many looks, after two seconds, an image begins whether there is a pause or not.
const MOST_LOOKS: u32 = 20;

/// Whether an image of the index is to begin in a pause.
pub(super) fn is_worth_it(index: &dyn Index) -> bool {
    index.imaged().is_some_and(|imaged| imaged.image_bytes() >= LARGE_IMAGE)
}

/// Waits for a pause, and begins an image. Nothing if none can be begun, or the thread is to stop, which wakes it up.
pub(super) fn begin(store: &Weak<Store>, shared: &Shared) -> Option<Begun> {
    let mut before = shared.unkept();
    for look in 1..=MOST_LOOKS {
        // Who stops it wakes it up, also before it sleeps.
        std::thread::park_timeout(BETWEEN);
        if shared.is_stopped() {
            return None;
        }
        let now = shared.unkept();
        if look == MOST_LOOKS {
            let store = store.upgrade()?;
            return store.with_open_log(|log| Ok(store.begin_image(log, false))).ok()?;
        }
        if now == before && !shared.is_loading() {
            let store = store.upgrade()?;
            // Whoever has the log writes, or may have just done so.
            let begun = store.with_idle_log(|log| (shared.unkept() == now).then(|| store.begin_image(log, false)));
            if let Some(Some(begun)) = begun {
                return begun;
            }
        }
        before = now;
    }
    None
}
