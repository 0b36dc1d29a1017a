//! A file system that holds back what the threads that verify want to read of a saved tree, until a test lets go of it or somebody else comes upon damage. Of
//! a table, where others wait for a piece that is being verified, it only makes them slow.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use bitcask::IndexKind;
use bitcask::vfs::sim::SimVfs;
use bitcask::vfs::{OpenMode, Vfs, VfsFile};

use super::NAME;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    inner: SimVfs,
    state: Arc<(Mutex<State>, Condvar)>,
    /// Where there is damage.
    damage: u64,
}

#[derive(Debug, Default)]
struct State {
    holds: bool,
    is_slow: bool,
    /// Threads of this name are held back too, and so many are.
    held_too: Option<&'static str>,
    held: usize,
    /// The threads have read something, or somebody else has come upon damage.
    is_begun: bool,
}

impl Held {
    pub(crate) fn new(disk: &SimVfs, kind: IndexKind, damage: u64) -> Held {
        let is_slow = kind == IndexKind::Hash;
        let state = State { holds: !is_slow, is_slow, ..State::default() };
        Held { inner: disk.clone(), state: Arc::new((Mutex::new(state), Condvar::new())), damage }
    }

    pub(crate) fn let_go(&self) {
        let mut state = self.state.0.lock().expect("the state");
        (state.holds, state.is_slow) = (false, false);
        self.state.1.notify_all();
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.state.0.lock().expect("the state").is_begun
    }

    pub(crate) fn hold_too(&self, name: &'static str) {
        self.state.0.lock().expect("the state").held_too = Some(name);
    }

    /// Waits till one of those is held back.
    pub(crate) fn wait_for_held(&self) {
        let is_held = (0..20_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            self.state.0.lock().expect("the state").held > 0
        });
        if !is_held {
            // So that the test ends.
            self.let_go();
        }
        assert!(is_held, "it had nothing to read");
    }

    /// Waits here if it is a thread that is held back.
    fn holds_back(&self) {
        let (state, changed) = &*self.state;
        let mut state = state.lock().expect("the state");
        if state.held_too.is_none() || std::thread::current().name() != state.held_too {
            return;
        }
        state.held += 1;
        while state.holds {
            state = changed.wait(state).expect("the state");
        }
        state.held -= 1;
    }

    fn verifies(&self) {
        let (state, changed) = &*self.state;
        let mut state = state.lock().expect("the state");
        while state.holds {
            state = changed.wait(state).expect("the state");
        }
        state.is_begun = true;
        let is_slow = state.is_slow;
        drop(state);
        if is_slow {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

impl Vfs for Held {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let file = self.inner.open(path, mode)?;
        if path.file_name().is_none_or(|name| name != NAME) {
            return Ok(file);
        }
        Ok(Arc::new(HeldFile { inner: file, vfs: self.clone() }))
    }

    bitcask::pass_on!(list rename remove create_dir sync_dir entry_kind canonicalize lock free_bytes now random process_id process_generation);
}

#[derive(Debug)]
struct HeldFile {
    inner: Arc<dyn VfsFile>,
    vfs: Held,
}

impl VfsFile for HeldFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if std::thread::current().name() == Some("bitcask-verify") {
            self.vfs.verifies();
        } else if (offset..offset + buf.len() as u64).contains(&self.vfs.damage) {
            // Who makes the index anew waits till they are over.
            self.vfs.let_go();
            self.vfs.state.0.lock().expect("the state").is_begun = true;
        }
        self.vfs.holds_back();
        self.inner.read_at(buf, offset)
    }

    // Not mapped, so that all is read by the call above.
    bitcask::pass_on!(write_at len set_len allocate fill sync_data map window);
}
