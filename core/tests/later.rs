//! Writes whose outcome a callback or a future gets: each exactly once, whatever happens to the store.

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Durability, Error, Options, Result, SeqNo, WriteOptions, Written};

use common::{dump, open, quiet};

fn lazy() -> Options {
    quiet().durability(Durability::None).max_file_size(1 << 20)
}

fn plain() -> WriteOptions {
    WriteOptions::new()
}

fn send_to(sender: &Sender<Result<Written>>) -> impl FnOnce(Result<Written>) + Send + use<> {
    let sender = sender.clone();
    move |outcome| sender.send(outcome).expect("the test is there")
}

/// Queues a write whose callback holds the store's thread until the test lets it go. When this returns, it does.
fn hold(db: &Db) -> Sender<()> {
    let (release, held) = channel::<()>();
    let (tell, told) = channel();
    let callback = move |outcome: Result<Written>| {
        tell.send(outcome.map(|written| written.seq)).expect("the test is there");
        // Ends with an error if the test lets go by dropping it.
        let _ = held.recv();
    };
    db.put_async(b"held", b"1", plain(), callback).expect("it is queued");
    told.recv().expect("it is called").expect("it was written");
    release
}

fn closed(outcomes: &Receiver<Result<Written>>) -> usize {
    outcomes.iter().inspect(|outcome| assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}")).count()
}

#[test]
fn outcomes_come_in_order_and_buffers_may_be_used_again() {
    for durability in [Durability::None, Durability::Always] {
        let disk = SimVfs::new(1);
        let db = open(disk.clone(), &lazy().durability(durability)).expect("it opens");
        let (sender, outcomes) = channel();
        let mut key = *b"key000";
        for n in 0..300u32 {
            key[3..].copy_from_slice(format!("{n:03}").as_bytes());
            db.put_async(&key, &n.to_le_bytes(), plain(), send_to(&sender)).expect("it is queued");
        }
        key.fill(b'#');
        db.delete_async(b"key007", plain(), send_to(&sender)).expect("it is queued");
        db.delete_async(b"key007", plain(), send_to(&sender)).expect("it is queued");
        let mut batch = db.batch();
        batch.put(b"batch", b"1").expect("it takes it");
        batch.delete(b"key008").expect("it takes it");
        batch.commit_async(plain(), send_to(&sender)).expect("it is queued");
        assert!(matches!(batch.commit_async(plain(), send_to(&sender)), Err(Error::BatchFinished)));
        drop(sender);
        let told: Vec<_> = outcomes.iter().map(|outcome| outcome.expect("it was written")).collect();
        let numbers: Vec<_> = told.iter().map(|written| written.seq.0).collect();
        assert_eq!(numbers[..301], (1..=301).collect::<Vec<_>>());
        // The second removal found nothing. It is written all the same if it was in one group with the put.
        assert!([[301, 302], [302, 303]].contains(&[numbers[301], numbers[302]]), "{numbers:?}");
        assert!(told[300].existed && told.iter().filter(|written| written.existed).count() == 1);
        let contents = dump(&db).expect("it reads");
        assert_eq!(contents.len(), 299);
        assert_eq!(contents[&b"key299"[..]], 299u32.to_le_bytes());
        if durability == Durability::Always {
            assert_eq!(db.durable_seq().ok(), Some(told[302].seq));
            let left = disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced);
            assert_eq!(dump(&open(left, &quiet()).expect("it opens")).expect("it reads"), contents);
        }
    }
}

/// What waits while a group is written goes into one group, with one sync.
#[test]
fn what_waits_shares_a_sync() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(1));
    let db = open(vfs.clone(), &lazy().durability(Durability::Always)).expect("it opens");
    let release = hold(&db);
    let syncs = || vfs.count(Fault::SyncFailureDroppingPages, &Filter::any().suffix(".data"));
    let (before, (sender, outcomes)) = (syncs(), channel());
    for n in 0..100u8 {
        db.put_async(&[b'k', n], b"v", plain(), send_to(&sender)).expect("it is queued");
    }
    drop((sender, release));
    assert_eq!(outcomes.iter().filter(Result::is_ok).count(), 100);
    assert_eq!(syncs() - before, 1);
}

#[test]
fn what_is_known_at_once_is_told_at_once_and_never_called() {
    let disk = SimVfs::new(2);
    let db = open(disk.clone(), &lazy()).expect("it opens");
    let never = |outcome: Result<Written>| panic!("called with {outcome:?}");
    assert!(matches!(db.put_async(b"", b"1", plain(), never), Err(Error::KeyEmpty)));
    assert!(matches!(db.put_async(&[0; 65_536], b"1", plain(), never), Err(Error::KeyTooLarge { .. })));
    assert!(matches!(db.delete_async(b"", plain(), never), Err(Error::KeyEmpty)));
    let mut batch = db.batch();
    batch.put(b"a", b"1").expect("it takes it");
    db.close().expect("it closes");
    assert!(matches!(db.put_async(b"a", b"1", plain(), never), Err(Error::Closed)));
    assert!(matches!(batch.commit_async(plain(), never), Err(Error::Closed)));
    assert_eq!(batch.len(), 1, "it was not taken");
    let reader = open(disk, &lazy().read_only(true)).expect("it opens");
    assert!(matches!(reader.put_async(b"a", b"1", plain(), never), Err(Error::ReadOnly)));
}

#[test]
fn a_failed_write_is_told_to_its_callback() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let db = open(vfs.clone(), &lazy()).expect("it opens");
    let (sender, outcomes) = channel();
    vfs.inject(Plan::once(Fault::Error(errno::ENOSPC), 0).of(Filter::any().kinds(&[OpKind::Write])));
    db.put_async(b"a", &[1; 100_000], plain(), send_to(&sender)).expect("it is queued");
    let outcome = outcomes.recv().expect("it is called");
    assert!(matches!(outcome, Err(Error::Io { .. })), "{outcome:?}");
    db.put_async(b"b", b"2", plain(), send_to(&sender)).expect("it is queued");
    assert!(outcomes.recv().expect("it is called").is_ok(), "writing goes on");
    vfs.inject(Plan::once(Fault::SyncFailureDroppingPages, 0));
    db.put_async(b"c", b"3", plain().sync(true), send_to(&sender)).expect("it is queued");
    for _ in 0..2 {
        let outcome = outcomes.recv().expect("it is called");
        assert!(matches!(outcome, Err(Error::WritesStopped { .. })), "{outcome:?}");
        db.put_async(b"d", b"4", plain(), send_to(&sender)).expect("it is queued");
    }
}

#[test]
fn close_tells_what_is_queued_and_waits_for_it() {
    let disk = SimVfs::new(4);
    let db = open(disk.clone(), &lazy()).expect("it opens");
    let release = hold(&db);
    let (sender, outcomes) = channel();
    for n in 0..20u8 {
        db.put_async(&[n], b"1", plain(), send_to(&sender)).expect("it is queued");
    }
    drop(sender);
    std::thread::scope(|scope| {
        let closer = scope.spawn(|| db.close());
        while db.len().is_ok() {
            std::thread::yield_now();
        }
        // Nothing that is queued is written any more.
        drop(release);
        closer.join().expect("no panic").expect("it closes");
        assert_eq!(outcomes.try_iter().count(), 20, "all were told when close returned");
    });
    let left = dump(&open(disk, &lazy()).expect("it opens")).expect("it reads");
    assert_eq!(left.keys().collect::<Vec<_>>(), [b"held"]);
}

#[test]
fn dropping_the_store_tells_what_is_queued() {
    let disk = SimVfs::new(5);
    let db = open(disk.clone(), &lazy()).expect("it opens");
    let (sender, outcomes) = channel();
    let (store, release) = (db.clone(), hold(&db));
    drop(db);
    for n in 0..20u8 {
        store.put_async(&[n], b"1", plain(), send_to(&sender)).expect("it is queued");
    }
    drop(sender);
    // The thread is in the callback of the first and keeps the store until it returns; then it ends there.
    drop(store);
    drop(release);
    assert_eq!(closed(&outcomes), 20);
    let patience = Instant::now();
    let db = loop {
        match open(disk.clone(), &lazy()) {
            Err(Error::Locked { .. }) if patience.elapsed() < Duration::from_secs(60) => std::thread::yield_now(),
            opened => break opened.expect("it opens"),
        }
    };
    assert_eq!(dump(&db).expect("it reads").len(), 1);
    // And with an idle thread the store is closed when it was dropped.
    let (sender, outcomes) = channel();
    db.put_async(b"idle", b"1", plain(), send_to(&sender)).expect("it is queued");
    assert!(outcomes.recv().expect("it is called").is_ok());
    drop(db.clone());
    db.close().expect("it closes");
    open(disk, &lazy()).expect("it opens");
}

#[test]
fn a_callback_may_write_wait_and_close() {
    let disk = SimVfs::new(6);
    let db = open(disk.clone(), &lazy()).expect("it opens");
    let (sender, outcomes) = channel();
    let (store, last) = (db.clone(), send_to(&sender));
    let callback = move |outcome: Result<Written>| {
        let seq = outcome.expect("it was written").seq;
        store.put(b"from a callback", b"1").expect("it writes");
        assert_eq!(store.wait_durable(seq, Some(Duration::ZERO)).ok(), Some(true), "it would wait for itself");
        let next = store.clone();
        let close = move |outcome: Result<Written>| {
            outcome.expect("it was written");
            next.put_async(b"too late", b"1", plain(), last).expect("it is queued");
            next.close().expect("it closes");
            assert!(matches!(next.close(), Err(Error::Closed)));
        };
        store.put_async(b"queued", b"1", plain(), close).expect("it is queued");
    };
    db.put_async(b"first", b"1", plain(), callback).expect("it is queued");
    drop(sender);
    assert_eq!(closed(&outcomes), 1);
    let left = dump(&open(disk, &lazy()).expect("it opens")).expect("it reads");
    assert_eq!(left.keys().collect::<Vec<_>>(), [&b"first"[..], b"from a callback", b"queued"]);
}

#[test]
fn a_callback_that_panics_hurts_nobody_else() {
    let db = open(SimVfs::new(7), &lazy()).expect("it opens");
    let (sender, outcomes) = channel();
    let release = hold(&db);
    for n in 0..10u8 {
        db.put_async(&[n], b"1", plain(), |_| std::panic::resume_unwind(Box::new("on purpose"))).expect("queued");
        db.put_async(&[n], b"2", plain(), send_to(&sender)).expect("it is queued");
    }
    drop((release, sender));
    assert_eq!(outcomes.iter().filter(Result::is_ok).count(), 10);
    assert_eq!(db.len().ok(), Some(11));
    db.close().expect("it closes");
}

#[test]
fn who_brings_too_much_waits() {
    const LEN: usize = 4 << 20;
    let db = open(SimVfs::new(8), &lazy().max_file_size(1 << 30)).expect("it opens");
    let fitting = Db::ASYNC_BYTES / LEN as u64 - 1;
    let release = hold(&db);
    let (queued, under_way, most) = (AtomicU64::new(0), Arc::new(AtomicI64::new(0)), AtomicI64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..fitting + 6 {
                let under_way = Arc::clone(&under_way);
                let count = Arc::clone(&under_way);
                let callback = move |outcome: Result<Written>| {
                    outcome.expect("it was written");
                    count.fetch_sub(1, Ordering::SeqCst);
                };
                db.put_async(&n.to_le_bytes(), &vec![1; LEN], plain(), callback).expect("it is queued");
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                queued.fetch_add(1, Ordering::SeqCst);
            }
        });
        while queued.load(Ordering::SeqCst) < fitting {
            std::thread::yield_now();
        }
        // Time for what must not happen.
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(queued.load(Ordering::SeqCst), fitting);
        drop(release);
    });
    assert!(most.load(Ordering::SeqCst) <= fitting as i64 + 1);
    db.sync().expect("it syncs");
    assert_eq!(queued.load(Ordering::SeqCst), fitting + 6);
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn futures_need_no_runtime() {
    let db = open(SimVfs::new(9), &lazy()).expect("it opens");
    block_on(async {
        assert_eq!(db.put_future(b"a", b"1", plain()).await.expect("it writes").seq, SeqNo(1));
        let (second, third) = (db.put_future(b"b", b"2", plain()), db.put_future(b"c", b"3", plain().sync(true)));
        assert_eq!(third.await.expect("it writes").seq, SeqNo(3));
        assert_eq!(second.await.expect("it writes").seq, SeqNo(2));
        let removed = db.delete_future(b"a", plain()).await.expect("it writes");
        assert!(removed.existed);
        let mut batch = db.batch();
        batch.put(b"d", b"4").expect("it takes it");
        assert_eq!(batch.commit_future(plain()).await.expect("it writes").seq, SeqNo(5));
        assert!(matches!(batch.commit_future(plain()).await, Err(Error::BatchFinished)));
        assert!(matches!(db.put_future(b"", b"1", plain()).await, Err(Error::KeyEmpty)));
        let mut future = pin!(db.put_future(b"e", b"5", plain()));
        future.as_mut().await.expect("it writes");
        assert!(matches!(future.as_mut().await, Err(Error::InvalidArgument { .. })), "it is over");
    });
    // A dropped future takes nothing back.
    drop(db.put_future(b"f", b"6", plain()));
    block_on(db.put_future(b"g", b"7", plain())).expect("it writes");
    assert_eq!(dump(&db).expect("it reads").len(), 6);
    // It is woken from the store's thread.
    let release = hold(&db);
    let future = db.put_future(b"h", b"8", plain());
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| block_on(future));
        drop(release);
        assert!(waiter.join().expect("no panic").is_ok());
    });
}

/// Both kinds of callers at once: every write is told once, and numbers are nobody's twice.
#[test]
fn beside_writers_that_wait() {
    let db = open(SimVfs::new(10), &lazy().durability(Durability::Always)).expect("it opens");
    let numbers = Arc::new(Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let (db, numbers) = (&db, Arc::clone(&numbers));
            scope.spawn(move || {
                for n in 0..200u8 {
                    let key = [thread, n];
                    if thread % 2 == 0 {
                        let seq = db.put_seq(&key, b"1", plain()).expect("it writes").seq;
                        numbers.lock().expect("no panic").push(seq.0);
                    } else {
                        let numbers = Arc::clone(&numbers);
                        let callback = move |outcome: Result<Written>| {
                            numbers.lock().expect("no panic").push(outcome.expect("it was written").seq.0);
                        };
                        db.put_async(&key, b"2", plain(), callback).expect("it is queued");
                    }
                }
            });
        }
    });
    let (sender, outcomes) = channel();
    db.delete_async(b"missing", plain(), send_to(&sender)).expect("it is queued");
    assert!(outcomes.recv().expect("it is called").is_ok(), "all before it were told");
    let mut numbers = std::mem::take(&mut *numbers.lock().expect("no panic"));
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=800).collect::<Vec<_>>());
    assert_eq!(db.len().ok(), Some(800));
}
