//! A write's outcome as a future, of the standard library's kind and without a runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::engine::Answer;
use crate::error::{Error, Result};
use crate::types::Written;

/// The outcome of a write that was queued ([`Db::put_future`](crate::Db::put_future)). Dropping it does not take the write back.
#[must_use = "the write is made, but nobody is told if it fails"]
#[derive(Debug)]
pub struct WriteFuture {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Done(Result<Written>),
    /// It was given out.
    Taken,
}

/// Queues a write whose answer is the future's.
pub(super) fn of(queue: impl FnOnce(Answer) -> Result<()>) -> WriteFuture {
    let state = Arc::new(Mutex::new(State::Waiting(None)));
    let theirs = Arc::clone(&state);
    let answer: Answer = Box::new(move |outcome| settle(&theirs, outcome));
    if let Err(error) = queue(answer) {
        settle(&state, Err(error));
    }
    WriteFuture { state }
}

fn settle(state: &Mutex<State>, outcome: Result<Written>) {
    let before = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *state, State::Done(outcome))
    };
    // Whatever a waker does, it does it without our lock.
    if let State::Waiting(Some(waker)) = before {
        waker.wake();
    }
}

impl Future for WriteFuture {
    type Output = Result<Written>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Written>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(outcome) => Poll::Ready(outcome),
            State::Waiting(_) => {
                *state = State::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
            State::Taken => {
                let what = "the future of a write was polled after it was ready";
                Poll::Ready(Err(Error::invalid(what)))
            }
        }
    }
}
