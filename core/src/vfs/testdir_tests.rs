//! What tests on the real disk share: a directory for one test, gone afterwards, and the rule about forks and locks.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// A child has copies of all descriptors, those of locks too, until it ends or executes another program: while one test
/// forks, no other may count on a lock being free. Tests that do either hold this.
pub(crate) static FORK_OR_LOCK: Mutex<()> = Mutex::new(());

/// Removed with all its contents on drop.
#[derive(Debug)]
pub(crate) struct TestDir(PathBuf);

impl TestDir {
    pub(crate) fn new() -> TestDir {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let name = format!("bitcask-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return TestDir(path),
                // Left over from a run that was killed and had the same process id.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => panic!("{}: {e}", path.display()),
            }
        }
    }
}

impl Deref for TestDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
