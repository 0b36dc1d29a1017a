//! Waiting for stable storage, step by step; all interleavings of few threads are in `model_tests.rs`.

use std::time::Duration;

use super::durable::Durable;
use crate::error::Error;
use crate::types::SeqNo;

const LIMIT: Duration = Duration::from_millis(1);

fn refusal() -> Error {
    Error::Internal { what: "no thread started".into() }
}

#[test]
fn a_failure_is_not_that_of_who_comes_later() {
    let durable = Durable::new(SeqNo(3));
    assert!(durable.wait_at_most(SeqNo(4), LIMIT, |_| Err(refusal())).is_err());
    assert!(!durable.wait_at_most(SeqNo(4), LIMIT, |_| Ok(())).unwrap(), "the time was up, and nothing failed since");

    durable.answer(SeqNo(4), Ok(()));
    let ask = |seq| {
        durable.advance(seq);
        durable.answer(seq, Ok(()));
        Ok(())
    };
    assert!(durable.wait_at_most(SeqNo(4), LIMIT, ask).unwrap());
    assert_eq!(durable.covered(), SeqNo(4));
}

#[test]
fn a_failure_is_told_to_all_who_wait() {
    let durable = &Durable::new(SeqNo(3));
    let long = Duration::from_secs(600);
    std::thread::scope(|scope| {
        let (asked, is_asked) = std::sync::mpsc::channel();
        let first = scope.spawn(move || {
            durable.wait_at_most(SeqNo(5), long, |seq| {
                asked.send(seq).unwrap();
                Ok(())
            })
        });
        assert_eq!(is_asked.recv().unwrap(), SeqNo(5));
        // Covered by what was asked for, or asking again if that has failed by then; either way it waits for a failure.
        let second = scope.spawn(move || durable.wait_at_most(SeqNo(4), long, |_| Ok(())));
        while !second.is_finished() || !first.is_finished() {
            durable.answer(SeqNo(5), Err(refusal()));
            std::thread::yield_now();
        }
        assert!(first.join().unwrap().is_err());
        assert!(second.join().is_ok_and(|outcome| outcome.is_err()));
    });
}
