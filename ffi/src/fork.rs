//! How a process notices that it is a forked child: a number that fork itself raises, as asking for the process id
//! would cost a system call in every call.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Rises by one in every child. A parent's objects are known by their number.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Relaxed)
}

/// Has fork count from now on. To be called before the first object is made that a child must not touch.
pub(crate) fn watch() {
    #[cfg(unix)]
    {
        extern "C" fn in_child() {
            GENERATION.fetch_add(1, Relaxed);
        }
        static WATCHED: Once = Once::new();
        // SAFETY: the handler does one atomic addition, which is allowed in a child of a threaded process. It fails only
        // without memory; the engine then still has its own check.
        WATCHED.call_once(|| unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        });
    }
}
