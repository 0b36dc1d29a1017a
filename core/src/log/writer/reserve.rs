//! Space that another thread reserves before the writer is there, and pages of the writer's window that it fetches.
//!
//! The writer asks for space when half of what it has is used, takes it when the rest is, and goes on by itself where nothing was reserved: the thread
//! was late, or could not. It asks for pages of the window a short stretch ahead of where it is, and faults them in itself where the thread was late. Nobody
//! reserves space of a file, or fetches pages of it, behind its back: before it cuts a file it calls the thread off.
//!
//! Locking: its own lock is taken for moments, but by who calls off, or takes what is being reserved, which waits for it.

use std::sync::Arc;

use crate::log::data_file::DataFile;
use crate::util::lock::{Condvar, Mutex};
use crate::vfs::{Window, WindowPages};

/// What is to be reserved.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) file: Arc<DataFile>,
    /// Space is reserved up to this.
    pub(super) from: u64,
    pub(super) to: u64,
    /// Where a window is to begin, if there is to be one.
    pub(super) window_from: Option<u64>,
}

/// What was reserved.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) to: u64,
    pub(super) window: Option<Box<dyn Window>>,
}

/// What the writer and the thread share.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    step: Step,
    /// Pages that are to be fetched, up to an offset of the file.
    pages: Option<(Arc<dyn WindowPages>, u64)>,
    is_fetching: bool,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Idle,
    Asked(Ask),
    Running,
    /// Without anything if it failed: who needs it finds out why.
    Done(Option<Reserved>),
}

impl Reserve {
    /// Asks for space. [`Reserve::run`] is to be called then by the thread.
    pub(super) fn ask(&self, ask: Ask) {
        self.state.lock().step = Step::Asked(ask);
    }

    /// Asks for pages. [`Reserve::fetch`] is to be called then by the thread.
    pub(super) fn ask_for_pages(&self, pages: Arc<dyn WindowPages>, to: u64) {
        self.state.lock().pages = Some((pages, to));
    }

    /// What was asked for, if it is there or is just being done.
    pub(super) fn take(&self) -> Option<Reserved> {
        let mut state = self.state.lock();
        while matches!(state.step, Step::Running) {
            state = self.changed.wait(state);
        }
        match std::mem::take(&mut state.step) {
            Step::Done(reserved) => reserved,
            _ => None,
        }
    }

    /// After this the thread does not touch the file. Gives what nobody took.
    pub(super) fn call_off(&self) -> Option<Reserved> {
        let mut state = self.state.lock();
        state.pages = None;
        while state.is_fetching {
            state = self.changed.wait(state);
        }
        drop(state);
        self.take()
    }

    /// Reserves the space that was asked for, if that is still wanted.
    pub(super) fn run(&self) {
        let mut state = self.state.lock();
        let ask = match std::mem::take(&mut state.step) {
            Step::Asked(ask) => ask,
            // It was called off.
            other => {
                state.step = other;
                return;
            }
        };
        state.step = Step::Running;
        drop(state);
        let mut done = Done { reserve: self, reserved: None };
        done.reserved = reserve(&ask);
    }

    /// Fetches the pages that were asked for, if that is still wanted.
    pub(super) fn fetch(&self) {
        let mut state = self.state.lock();
        let Some((pages, to)) = state.pages.take() else { return };
        state.is_fetching = true;
        drop(state);
        let _fetched = Fetched { reserve: self };
        pages.fetch(to);
    }
}

/// Says that space is there, also by a panic.
struct Done<'a> {
    reserve: &'a Reserve,
    reserved: Option<Reserved>,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.reserve.state.lock().step = Step::Done(self.reserved.take());
        self.reserve.changed.notify_all();
    }
}

/// The same of pages.
struct Fetched<'a> {
    reserve: &'a Reserve,
}

impl Drop for Fetched<'_> {
    fn drop(&mut self) {
        self.reserve.state.lock().is_fetching = false;
        self.reserve.changed.notify_all();
    }
}

fn reserve(ask: &Ask) -> Option<Reserved> {
    let file = ask.file.file();
    file.allocate(ask.from, ask.to - ask.from).ok()?;
    // Without a window the writer writes by calls.
    let window = ask.window_from.and_then(|from| file.window(from, ask.to - from).ok());
    Some(Reserved { to: ask.to, window })
}
