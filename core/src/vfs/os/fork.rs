//! What a fork changes: a number that rises in every child, and the lock files' descriptors, which a child must not keep.
//!
//! A child inherits a lock file's descriptor, and with it the lock: the kernel frees that when the last descriptor is closed, so
//! that a child which outlives a killed parent would keep the store locked. The handler closes them in the child.
//!
//! The handler runs between `fork` and its return, where only what is safe in a signal handler may be done: atomics and `close`.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// How many forks lie between this process and the one that loaded the library.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Stands for no descriptor.
const FREE: RawFd = -1;
/// Locks that are known to the handler; one more is kept by children too.
const MOST: usize = 1024;
static HELD: [AtomicI32; MOST] = [const { AtomicI32::new(FREE) }; MOST];

/// Differs in a forked child from what it was in the parent.
pub(super) fn generation() -> u64 {
    if is_watched() {
        GENERATION.load(Ordering::Relaxed)
    } else {
        // No handler could be registered (out of memory): slow is better than wrong.
        u64::from(std::process::id())
    }
}

/// Registers the handler the first time; afterwards one atomic load.
fn is_watched() -> bool {
    static WATCHED: OnceLock<bool> = OnceLock::new();
    // SAFETY: the handler is a function that lives as long as the program and does only what is allowed in a child of a process
    // with threads.
    *WATCHED.get_or_init(|| unsafe { libc::pthread_atfork(None, None, Some(in_child)) } == 0)
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for held in &HELD {
        let descriptor = held.swap(FREE, Ordering::Relaxed);
        if descriptor != FREE {
            // SAFETY: the descriptor is one of a `NotInherited`, which in this process forgets it instead of closing it again.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// A file that a forked child does not keep open. (Forked in the moment between the file's opening and this, it does.)
#[derive(Debug)]
pub(super) struct NotInherited {
    file: Option<File>,
    slot: Option<usize>,
    generation: u64,
}

impl NotInherited {
    pub(super) fn new(file: File) -> NotInherited {
        let generation = generation();
        let descriptor = file.as_raw_fd();
        let slot = HELD
            .iter()
            .position(|held| held.compare_exchange(FREE, descriptor, Ordering::Relaxed, Ordering::Relaxed).is_ok());
        NotInherited { file: Some(file), slot, generation }
    }

    /// The file; `None` in a forked child.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref().filter(|_| self.generation == generation())
    }
}

impl Drop for NotInherited {
    fn drop(&mut self) {
        let Some(slot) = self.slot else { return };
        if self.generation == generation() {
            // A fork from here on leaves the descriptor to the child. It is no longer the holder of anything then.
            HELD[slot].store(FREE, Ordering::Relaxed);
        } else if let Some(file) = self.file.take() {
            // Closed by the handler; the number may be another file's by now.
            let _ = std::os::fd::IntoRawFd::into_raw_fd(file);
        }
    }
}
