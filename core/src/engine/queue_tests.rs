//! The commit queue with real threads; all interleavings of few are in `model_tests.rs`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use super::queue::{CommitQueue, Limits};

fn one<R>(answers: Option<Vec<R>>) -> Option<R> {
    answers.map(|mut answers| {
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    })
}

#[test]
fn every_job_is_answered_once_in_groups_within_the_limits() {
    let queue = CommitQueue::<usize, usize>::new(Limits { jobs: 5, cost: 12, small: 0 });
    let (working, groups) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let order = Mutex::new(vec![Vec::new(); 8]);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (queue, working, groups, order) = (&queue, &working, &groups, &order);
            scope.spawn(move || {
                for i in 0..500 {
                    // Now and then two jobs at once.
                    let jobs: Vec<_> = (0..=(i + thread) % 2).map(|n| thread * 10_000 + 2 * i + n).collect();
                    let answers = queue.submit(jobs.clone(), 3, |jobs| {
                        assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0, "two leaders at once");
                        assert!(jobs.len() <= 5, "a group of {} breaks the limit", jobs.len());
                        groups.fetch_add(1, Ordering::SeqCst);
                        std::thread::yield_now();
                        for job in &jobs {
                            order.lock().unwrap()[job / 10_000].push(job % 10_000);
                        }
                        working.fetch_sub(1, Ordering::SeqCst);
                        jobs.into_iter().map(|job| job + 1).collect()
                    });
                    assert_eq!(answers, Some(jobs.iter().map(|job| job + 1).collect()));
                }
            });
        }
    });
    assert!(groups.load(Ordering::SeqCst) <= 4000);
    for (thread, jobs) in order.into_inner().unwrap().into_iter().enumerate() {
        let expected: Vec<_> = (0..500).flat_map(|i| (0..=(i + thread) % 2).map(move |n| 2 * i + n)).collect();
        assert_eq!(jobs, expected);
    }
}

#[test]
fn a_panicking_leader_leaves_the_queue_usable() {
    let queue = CommitQueue::<u32, u32>::new(Limits { jobs: 10, cost: 10, small: 10 });
    std::thread::scope(|scope| {
        for i in 0..40 {
            let queue = &queue;
            scope.spawn(move || {
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    queue.submit(vec![i], 1, |jobs| {
                        std::thread::yield_now();
                        assert!(!jobs.contains(&7), "on purpose");
                        jobs
                    })
                }));
                if let Ok(Some(answer)) = outcome {
                    assert_eq!(answer, [i]);
                }
            });
        }
    });
    assert_eq!(one(queue.submit(vec![1], 1, |jobs| jobs)), Some(1));
}

/// The groups that come of jobs with these costs, all of which wait when the first of them becomes the leader.
fn groups(limits: Limits, costs: &[u64]) -> Vec<Vec<usize>> {
    let queue = CommitQueue::<usize, usize>::new(limits);
    let groups = Mutex::new(Vec::new());
    let work = |jobs: Vec<usize>| {
        groups.lock().unwrap().push(jobs.clone());
        jobs
    };
    std::thread::scope(|scope| {
        let (queue, work) = (&queue, &work);
        let (release, held) = channel::<()>();
        let (leads, led) = channel();
        scope.spawn(move || {
            queue.submit(vec![usize::MAX], 0, |jobs| {
                leads.send(()).unwrap();
                held.recv().unwrap();
                jobs
            })
        });
        led.recv().unwrap();
        for (i, cost) in costs.iter().enumerate() {
            scope.spawn(move || assert_eq!(one(queue.submit(vec![i], *cost, work)), Some(i)));
            while queue.waiting() <= i {
                std::thread::yield_now();
            }
        }
        release.send(()).unwrap();
    });
    groups.into_inner().unwrap()
}

#[test]
fn a_small_leader_waits_for_no_large_follower() {
    let limits = Limits { jobs: 4, cost: 1000, small: 100 };
    let as_one = |costs: &[u64]| groups(limits, costs);
    assert_eq!(as_one(&[1, 1, 1]), [vec![0, 1, 2]]);
    assert_eq!(as_one(&[1, 1, 1, 1, 1]), [vec![0, 1, 2, 3], vec![4]], "by number");
    assert_eq!(as_one(&[100, 60, 40, 1]), [vec![0, 1, 2], vec![3]], "as much again as is small");
    assert_eq!(as_one(&[1, 101, 1]), [vec![0], vec![1, 2]], "the large one leads for itself, and takes others");
    assert_eq!(as_one(&[101, 900, 100]), [vec![0, 1, 2]]);
    assert_eq!(as_one(&[101, 900, 101]), [vec![0, 1], vec![2]]);
    assert_eq!(as_one(&[5000, 1001, 1]), [vec![0], vec![1, 2]], "what is beyond every limit has its turn");
}
