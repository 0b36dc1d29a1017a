//! Merges in the background: when they run, what they give way to, how they end, and that nothing of the store fails or is lost because of them.
//!
//! Waiting is patient: where something is to happen in another thread, a test waits for it as long as it takes.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bitcask::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Durability, Error, MergeOptions, MergePolicy, Options, Timestamp};

use common::{IO_KINDS, KINDS, Map, Rng, check_accounts, dump, factor, index, open, quiet, report};

const HOUR: u64 = 3_600_000;

/// As the defaults are to files of 1 GiB.
fn policy() -> MergePolicy {
    MergePolicy::new().dead_bytes_merge_trigger(2048).dead_bytes_threshold(512).small_file_threshold(40)
}

fn on() -> Options {
    quiet().background_merge(true).merge(policy())
}

/// A store whose merges take hours.
fn open_slow(disk: &SimVfs, options: &Options) -> Db {
    open(disk.clone(), &options.clone().merge(policy().bytes_per_second(1))).expect("it opens")
}

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(300), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn merges(db: &Db) -> u64 {
    db.stats().expect("stats").background_merges
}

/// Until there were so many since the opening.
fn wait_for_merges(db: &Db, n: u64) {
    wait("a merge", || merges(db) >= n);
}

fn is_merging(db: &Db) -> bool {
    db.stats().expect("stats").is_merging_in_background
}

fn key(n: usize) -> Vec<u8> {
    format!("key{n:04}").into_bytes()
}

/// Writes over and over, with deletes.
fn fill(db: &Db, state: &mut Map, seed: u64, writes: usize) {
    let mut rng = Rng(seed);
    for n in 0..writes {
        let key = key(rng.below(100));
        if rng.below(4) == 0 {
            assert_eq!(db.delete(&key).expect("it writes"), state.remove(&key).is_some());
        } else {
            let value = format!("{seed}.{n}").repeat(1 + rng.below(30)).into_bytes();
            db.put(&key, &value).expect("it writes");
            state.insert(key, value);
        }
    }
}

fn check(db: &Db, state: &Map, what: &str) {
    assert!(dump(db).unwrap_or_else(|e| panic!("{what}: {e}")) == *state, "{what}: other contents");
    for n in 0..100 {
        let got = db.get(&key(n)).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(got.as_deref(), state.get(&key(n)).map(Vec::as_slice), "{what}: key {n}");
    }
    check_accounts(db);
}

/// Nothing is worth a merge any more.
fn settle(db: &Db) {
    wait("all is merged", || !is_merging(db) && db.merge_needed().expect("figures").is_none());
}

/// Under every kind of index and I/O, beside writes, also behind a reopening.
#[test]
fn what_is_dead_goes_by_itself() {
    for (kind, io) in KINDS.into_iter().flat_map(|kind| IO_KINDS.map(|io| (kind, io))) {
        let what = format!("{kind:?}, {io:?}");
        let (disk, mut state) = (SimVfs::new(3), Map::new());
        let options = on().index(kind).io(io);
        for round in 0..3 {
            let db = open(disk.clone(), &options).unwrap_or_else(|e| panic!("{what}: {e}"));
            check_contents(&db, &state, &what);
            fill(&db, &mut state, round, 1500);
            wait_for_merges(&db, 1);
            settle(&db);
            check(&db, &state, &what);
            let stats = db.stats().expect("stats");
            let live: usize = state.iter().map(|(key, value)| 31 + key.len() + value.len()).sum();
            assert!(stats.data_bytes < live as u64 * 3 + 4 * 4096, "{what}: {} for {live}", stats.data_bytes);
            let last = db.last_background_merge().expect("open").expect("there was one");
            let merged = last.outcome.expect("it succeeded");
            assert!(!merged.removed_files.is_empty() && stats.background_merge_failures == 0, "{what}: {stats:?}");
            if round == 1 { drop(db) } else { db.close().expect("it closes") }
        }
    }
}

/// The last few bytes that a trigger waited for are enough, also when nothing is written behind them.
#[test]
fn the_last_bytes_count_when_nothing_follows() {
    for len in [48, 50, 52, 54, 56] {
        let db = open(SimVfs::new(3), &on()).expect("it opens");
        let put = |n: usize, with: u8| db.put(&key(n), &vec![with; len]).expect("it writes");
        for n in 0..60 {
            put(n, 0);
        }
        assert_eq!(db.file_stats().expect("figures").len(), 2, "one file is sealed");
        for n in 0.. {
            assert!(n < 40, "nothing is worth a merge: {:?}", db.file_stats());
            put(n, 1);
            // Whoever was woken by this one has looked, and does not look later for its sake.
            std::thread::sleep(Duration::from_millis(10));
            if db.merge_needed().expect("figures").is_some() || merges(&db) > 0 {
                break;
            }
        }
        settle(&db);
        assert_eq!((merges(&db), db.len().expect("len")), (1, 60), "values of {len} bytes");
        check_accounts(&db);
    }
}

fn check_contents(db: &Db, state: &Map, what: &str) {
    assert!(dump(db).unwrap_or_else(|e| panic!("{what}: {e}")) == *state, "{what}: other contents");
}

/// What expires goes too, in a store in which nothing is overwritten and nothing is deleted.
#[test]
fn what_expires_goes_by_itself() {
    for kind in KINDS {
        let disk = SimVfs::new(3);
        disk.set_now(Timestamp(1_700_000_000_000));
        let db = open(disk.clone(), &on().index(kind)).expect("it opens");
        let write = |numbers: std::ops::Range<usize>| {
            for n in numbers {
                db.put_with_ttl(&key(n), &[7; 100], Duration::from_secs(60)).expect("it writes");
            }
        };
        write(0..200);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!((merges(&db), db.len().expect("len")), (0, 200), "{kind:?}: nothing has expired");
        disk.advance(61_000);
        // A new data file wakes it.
        write(200..240);
        wait_for_merges(&db, 1);
        settle(&db);
        assert_eq!(db.len().expect("len"), 40, "{kind:?}");
        let stats = db.stats().expect("stats");
        assert!(stats.data_bytes < 5 * 4096, "{kind:?}: {stats:?}");
        check_accounts(&db);
    }
}

/// It can be switched off; a reader has none.
#[test]
fn it_can_be_switched_off() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk.clone(), &on().background_merge(false)).expect("it opens");
    fill(&db, &mut state, 1, 1000);
    assert!(db.merge_needed().expect("figures").is_some());
    let reader = open(disk.other_process(), &on().read_only(true)).expect("it opens");
    std::thread::sleep(Duration::from_millis(100));
    for db in [&db, &reader] {
        assert_eq!(db.stats().expect("stats").background_merges, 0);
        assert!(db.last_background_merge().expect("open").is_none());
    }
    // What was not merged then is by the next opening.
    drop((db, reader));
    let db = open(disk, &on()).expect("it opens");
    fill(&db, &mut state, 2, 40);
    wait_for_merges(&db, 1);
    check(&db, &state, "on again");
}

/// Closing, and giving up the last of what holds the store open, does not wait for the merge's end: the store can be opened again at once.
#[test]
fn closing_ends_it() {
    for n in 0..40 {
        let (disk, mut state) = (SimVfs::new(n), Map::new());
        let db = open_slow(&disk, &on().index(index(n as usize)));
        fill(&db, &mut state, n, 300);
        wait("a merge begins", || is_merging(&db));
        match n % 4 {
            0 => db.close().expect("it closes"),
            1 => drop(db),
            2 => {
                let (snapshot, batch) = (db.snapshot().expect("a snapshot"), db.batch());
                drop(db);
                drop(batch);
                assert_eq!(snapshot.len().expect("len"), state.len() as u64);
            }
            _ => {
                let iter = db.iter(&bitcask::IterOptions::new()).expect("an iterator");
                let clone = db.clone();
                drop(db);
                drop(clone);
                assert_eq!(iter.count(), state.len());
            }
        }
        let left = disk.files().into_iter().any(|(path, _)| path.extension().is_some_and(|e| e == "tmp"));
        assert!(!left, "{n}: a merge that was ended leaves a file");
        let db = open(disk, &on()).expect("it opens at once");
        check(&db, &state, "opened again");
    }
}

/// Closing at any moment of merges that run as fast as they can.
#[test]
fn closing_at_any_moment() {
    for n in 0..100 {
        let (disk, mut state) = (SimVfs::new(n), Map::new());
        let options = on().index(index(n as usize));
        for round in 0..3 {
            let db = open(disk.clone(), &options).unwrap_or_else(|e| panic!("{n}.{round}: {e}"));
            check_contents(&db, &state, "opened");
            fill(&db, &mut state, n * 3 + round, 50 + n as usize * 4);
            if n % 2 == 0 { db.close().expect("it closes") } else { drop(db) }
        }
        let db = open(disk, &on()).expect("it opens");
        check(&db, &state, "at last");
    }
}

/// A pause holds merges in the background too.
#[test]
fn it_can_be_paused() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let db = open(disk, &on()).expect("it opens");
    db.pause_merge().expect("it pauses");
    fill(&db, &mut state, 1, 1000);
    std::thread::sleep(Duration::from_millis(100));
    let stats = db.stats().expect("stats");
    assert!(stats.background_merges == 0 && !stats.is_merging_in_background, "{stats:?}");
    db.resume_merge().expect("it goes on");
    wait_for_merges(&db, 1);
    check(&db, &state, "resumed");
}

/// Merges run in the hours of the window, whatever the clock does; what is under way at its end leaves no trace.
#[test]
fn it_keeps_to_the_window() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let day = 86_400_000 * 20_000;
    disk.set_now(Timestamp(day + 12 * HOUR));
    let at_night = policy().window(Some((22, 4)));
    let db = open(disk.clone(), &on().merge(at_night)).expect("it opens");
    let stands_still = |what: &str| {
        std::thread::sleep(Duration::from_millis(100));
        let stats = db.stats().expect("stats");
        assert!(!stats.is_merging_in_background, "{what}: {stats:?}");
        stats.background_merges
    };
    fill(&db, &mut state, 1, 500);
    assert_eq!(stands_still("at noon"), 0);
    disk.set_now(Timestamp(day + 23 * HOUR));
    fill(&db, &mut state, 2, 100);
    wait_for_merges(&db, 1);
    settle(&db);
    // Back, and over midnight.
    disk.set_now(Timestamp(day + 21 * HOUR));
    let before = stands_still("an hour before");
    fill(&db, &mut state, 3, 500);
    assert_eq!(stands_still("an hour before"), before);
    disk.set_now(Timestamp(day + 27 * HOUR));
    fill(&db, &mut state, 4, 100);
    wait_for_merges(&db, before + 1);
    settle(&db);
    db.close().expect("it closes");
    // One under way when the clock jumps out of the window.
    let db = open(disk.clone(), &on().merge(at_night.bytes_per_second(1))).expect("it opens");
    fill(&db, &mut state, 5, 300);
    wait("a merge begins", || is_merging(&db));
    disk.set_now(Timestamp(day + 40 * HOUR));
    wait("it ends", || !is_merging(&db));
    let stats = db.stats().expect("stats");
    assert_eq!((stats.background_merges, stats.background_merge_failures), (0, 0), "to give way is no failure");
    check(&db, &state, "behind the window");
    // By hand at any time.
    assert!(!db.merge(&MergeOptions::new()).expect("it merges").removed_files.is_empty());
    check(&db, &state, "by hand");
}

/// A merge by hand does not wait for one in the background.
#[test]
fn it_gives_way_to_a_merge_by_hand() {
    for n in 0..20 {
        let (disk, mut state) = (SimVfs::new(n), Map::new());
        let db = open_slow(&disk, &on().index(index(n as usize)));
        fill(&db, &mut state, n, 300);
        wait("a merge begins", || is_merging(&db));
        let merged = db.merge(&MergeOptions::new().everything(true)).expect("it merges");
        assert!(merged.removed_files.len() > 2, "{merged:?}");
        check(&db, &state, "by hand");
        assert_eq!(db.stats().expect("stats").background_merge_failures, 0);
    }
}

/// A full disk fails the merge and nothing else; it is tried again, but not over and over.
#[test]
fn a_failure_is_told_and_tried_again_later() {
    let (disk, mut state) = (SimVfs::new(3), Map::new());
    let faulty = FaultVfs::over_sim(&disk);
    let db = open(faulty.clone(), &on()).expect("it opens");
    faulty.inject(Plan::forever(Fault::Error(errno::ENOSPC), 0).of(Filter::any().suffix(".data.tmp")));
    for round in 0..20 {
        fill(&db, &mut state, round, 100);
        check_contents(&db, &state, "beside failures");
    }
    wait("a failure", || db.stats().expect("stats").background_merge_failures > 0);
    let begin = Instant::now();
    fill(&db, &mut state, 50, 1000);
    let stats = db.stats().expect("stats");
    // Once more for each second.
    assert!(stats.background_merge_failures <= 8 + begin.elapsed().as_secs(), "{stats:?}");
    // Files in which nothing is alive go all the same: that needs no room.
    let last = || db.last_background_merge().expect("open").expect("there was one").outcome;
    wait("it is told", || matches!(last(), Err(Error::Io { .. })));
    check(&db, &state, "with a full disk");
    let before = merges(&db);
    faulty.heal();
    db.resume_merge().expect("open");
    wait_for_merges(&db, before + 1);
    settle(&db);
    check(&db, &state, "with room again");
    assert!(last().is_ok());
}

/// Any operation of a merge in the background fails: reads go on, and writes unless the log's own sync failed; all is there after a reopening.
#[test]
fn a_failing_disk_takes_nothing_with_it() {
    let (mut fired, mut stopped) = (0, 0);
    for n in 0..150_u64 {
        let (disk, mut state) = (SimVfs::new(n), Map::new());
        let faulty = FaultVfs::over_sim(&disk);
        let options = on().index(index(n as usize));
        let db = open(faulty.clone(), &options).expect("it opens");
        db.pause_merge().expect("it pauses");
        fill(&db, &mut state, n / 5, 200);
        let fault = [Fault::Error(errno::EIO), Fault::Error(errno::ENOSPC)][n as usize % 2];
        faulty.inject(Plan::once(fault, n).of(Filter::any()));
        db.resume_merge().expect("it goes on");
        wait("it ends", || {
            let stats = db.stats().expect("stats");
            stats.background_merges + stats.background_merge_failures > 0 && !stats.is_merging_in_background
        });
        fired += usize::from(faulty.fired());
        faulty.heal();
        check_contents(&db, &state, "behind a failure");
        match db.put(b"key0000", b"after") {
            Ok(()) => {
                state.insert(b"key0000".to_vec(), b"after".to_vec());
            }
            Err(Error::WritesStopped { .. }) => stopped += 1,
            Err(error) => panic!("{n}: {error}"),
        }
        check_contents(&db, &state, "a write later");
        drop(db);
        let db = open(disk, &options).unwrap_or_else(|e| panic!("{n}: {e}"));
        check(&db, &state, "opened again");
    }
    assert!(fired > 100 && stopped < 20, "{fired} faults, {stopped} stopped writing");
}

/// The power fails at any operation, with writes beside merges: what was acknowledged is there, and nothing that was deleted.
#[test]
fn power_failures_beside_writes() {
    let begin = Instant::now();
    let mut cases = 0;
    for n in 0..5 * factor() as u64 {
        let disk = SimVfs::new(n);
        let options = on().index(index(n as usize)).durability(Durability::Always);
        let db = open(disk.clone(), &options).expect("it opens");
        // What is there, from that operation on.
        let mut states = vec![(disk.op_count(), Map::new())];
        let mut rng = Rng(n);
        for _ in 0..200 {
            let mut state = states.last().expect("one").1.clone();
            let key = key(rng.below(40));
            if rng.below(4) == 0 {
                db.delete(&key).expect("it writes");
                state.remove(&key);
            } else {
                let value = vec![rng.below(256) as u8; rng.below(200)];
                db.put(&key, &value).expect("it writes");
                state.insert(key, value);
            }
            states.push((disk.op_count(), state));
        }
        wait_for_merges(&db, 1);
        settle(&db);
        let operations = disk.op_count();
        drop(db);
        for _ in 0..40 {
            let at = states[0].0 + rng.below(operations - states[0].0);
            let choice = match rng.below(3) {
                0 => CrashChoice::LoseUnsynced,
                1 => CrashChoice::KeepAll,
                _ => CrashChoice::Pages { seed: rng.next(), unit: 4096 },
            };
            let crashed = disk.crash(at, &choice);
            let what = format!("seed {n}, operation {at}, {choice:?}");
            let db = open(crashed, &options).unwrap_or_else(|e| panic!("{what}: {e}"));
            let found = dump(&db).unwrap_or_else(|e| panic!("{what}: {e}"));
            let acknowledged = states.partition_point(|(operation, _)| *operation <= at);
            let possible = &states[acknowledged - 1..states.len().min(acknowledged + 1)];
            assert!(possible.iter().any(|(_, state)| *state == found), "{what}: none of the possible contents");
            check_accounts(&db);
            cases += 1;
        }
    }
    report("background, power failures", format!("{cases} cases"), begin);
}

/// A forked child is told that the store is not its own, and waits for nobody when it gives it up. (The simulated disk forks files and locks, and no
/// threads: what is under way in them goes on to its next step.)
#[test]
fn a_forked_child_waits_for_nobody() {
    for n in 0..10 {
        let (disk, mut state) = (SimVfs::new(n), Map::new());
        let db = open_slow(&disk, &on());
        fill(&db, &mut state, n, 300);
        wait("a merge begins", || is_merging(&db));
        let parent = disk.kill();
        disk.fork();
        assert!(matches!(db.stats(), Err(Error::Forked)));
        assert!(matches!(db.close(), Err(Error::Forked)));
        // Nobody is there to be waited for.
        drop(db);
        let db = open(parent, &on()).expect("it opens");
        check(&db, &state, "the parent's");
    }
}

/// Readers and writers of all keys beside merges without end.
#[test]
fn readers_and_writers_beside_it() {
    let begin = Instant::now();
    let db = open(SimVfs::new(7), &on()).expect("it opens");
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|seed| {
            let (db, stop) = (db.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let (mut rng, mut reads, mut newest) = (Rng(seed), 0_u64, vec![0_u64; 100]);
                while !stop.load(Ordering::Relaxed) {
                    let n = rng.below(100);
                    if let Some(value) = db.get(&key(n)).expect("it reads") {
                        let number = u64::from_le_bytes(value[..8].try_into().expect("8 bytes"));
                        assert!(number >= newest[n], "an older value came back");
                        newest[n] = number;
                    }
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    let (mut state, mut rng) = (Map::new(), Rng(1));
    for number in 1..=8000 * factor() as u64 {
        let key = key(rng.below(100));
        let mut value = number.to_le_bytes().to_vec();
        value.resize(8 + rng.below(200), 7);
        db.put(&key, &value).expect("it writes");
        state.insert(key, value);
    }
    wait_for_merges(&db, 1);
    stop.store(true, Ordering::Relaxed);
    let reads: u64 = readers.into_iter().map(|reader| reader.join().expect("no panic")).sum();
    check(&db, &state, "at the end");
    let stats = db.stats().expect("stats");
    assert!(stats.background_merge_failures == 0, "{stats:?}");
    report("background, beside", format!("{} merges, {reads} reads", stats.background_merges), begin);
}
