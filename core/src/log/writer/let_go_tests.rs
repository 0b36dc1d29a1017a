//! What the writer lets go of, and when: windows of files that it is done with, and at close all that would touch the directory later.

use super::beside_tests::{FILE, count, put, writer};
use super::tests::writer_with;
use super::*;
use crate::format::header::DATA_START;
use crate::format::hint::HintEntry;
use crate::format::record::RecordKind;
use crate::log::HintReader;
use crate::log::encoded::Encoded;
use crate::vfs::fault::{Fault, FaultVfs, Filter, Plan, errno};
use crate::vfs::op::OpKind;
use crate::vfs::sim::SimVfs;
use crate::vfs::{Helpers, WindowPages};

/// A window that takes nothing, and says what pages of it were asked for.
#[derive(Clone, Debug, Default)]
struct Told {
    asked: Arc<crate::util::lock::Mutex<Vec<u64>>>,
}

impl Window for Told {
    fn write(&mut self, _: u64, _: &[u8]) -> bool {
        false
    }

    fn pages(&self) -> Option<Arc<dyn WindowPages>> {
        Some(Arc::new(self.clone()))
    }
}

impl WindowPages for Told {
    fn fetch(&self, to: u64) {
        self.asked.lock().push(to);
    }
}

/// Who has it.
fn holders(told: &Told) -> usize {
    Arc::strong_count(&told.asked) - 1
}

#[test]
fn a_window_goes_with_its_file() {
    for helpers in [Helpers::None, Helpers::InTurn, Helpers::Threads] {
        let vfs = FaultVfs::over_sim(&SimVfs::new(3));
        let beside = Beside::new(helpers);
        let mut log = writer_with(&vfs, |config| config.beside = beside.clone());
        let wait = || beside.iter().for_each(|beside| beside.wait());
        for way in ["sealed", "cut", "another window", "never used"] {
            let told = Told::default();
            put(&mut log, 0).unwrap();
            log.set_window(Some(Box::new(told.clone())));
            assert_eq!(holders(&told), 1);
            match way {
                "sealed" => log.begin_file(&mut NewFiles::new()).unwrap(),
                "cut" => {
                    vfs.inject(Plan::once(Fault::Error(errno::EIO), 0).of(Filter::any().kinds(&[OpKind::Write])));
                    put(&mut log, 1).unwrap_err();
                    vfs.heal();
                }
                "another window" => log.set_window(None),
                _ => {
                    let window: Box<dyn Window> = Box::new(told.clone());
                    log.reserve.ask(reserve::Ask { file: Arc::clone(&log.active), from: 0, to: 0, window_from: None });
                    log.reserve.run();
                    drop(log.reserve.take().expect("no space at all is always there"));
                    log.set_window(Some(window));
                    log.trim().unwrap();
                }
            }
            wait();
            assert_eq!(holders(&told), 0, "{helpers:?}: {way}");
        }
        let told = Told::default();
        log.set_window(Some(Box::new(told.clone())));
        log.close().unwrap();
        assert_eq!(holders(&told), 0, "{helpers:?}: closed");
    }
}

#[test]
fn a_window_goes_by_a_close_that_fails() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let (mut log, _beside) = writer(&vfs, false);
    put(&mut log, 0).unwrap();
    let told = Told::default();
    log.set_window(Some(Box::new(told.clone())));
    vfs.inject(Plan::forever(Fault::Error(errno::EIO), 0).of(Filter::any().kinds(&[OpKind::SyncData])));
    log.close().unwrap_err();
    assert_eq!(holders(&told), 0);
}

#[test]
fn pages_are_asked_for_a_short_stretch_ahead_and_none_beyond_what_is_reserved() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let beside = Beside::new(Helpers::InTurn);
    let mut log = writer_with(&vfs, |config| (config.max_file_size, config.beside) = (64 << 20, beside));
    put(&mut log, 0).unwrap();
    let (told, from, reserved) = (Told::default(), log.end, log.allocated);
    log.set_window(Some(Box::new(told.clone())));
    let (mut seen, mut fetched) = (0, 0);
    let mut commits = [Encoded::single(b"key", Some(&[7; 3000])).unwrap()];
    while log.end + 4000 < reserved {
        log.append(&mut commits, &mut NewFiles::new()).into_iter().next().unwrap().unwrap();
        let asked = told.asked.lock().clone();
        for to in &asked[seen..] {
            assert!(*to > fetched && *to <= (log.end + (256 << 10)).min(reserved), "{to} at {}", log.end);
            fetched = *to;
        }
        seen = asked.len();
        assert!(log.end <= (from + (64 << 10) + 3100).max(fetched), "nobody fetched what is at {}", log.end);
    }
    assert!(fetched == reserved && (8..80).contains(&seen), "{seen} times, up to {fetched} of {reserved}");
    // Where long writes go, which are made by calls, no pages are fetched.
    let told = Told::default();
    log.set_window(Some(Box::new(told.clone())));
    let mut commits = [Encoded::single(b"key", Some(&vec![7; 100_000])).unwrap()];
    for _ in 0..5 {
        log.append(&mut commits, &mut NewFiles::new()).into_iter().next().unwrap().unwrap();
    }
    assert!(told.asked.lock().is_empty());
    log.close().unwrap();
}

/// Names of temporary files in the directory.
fn temps(log: &LogWriter) -> Vec<String> {
    let entries = log.config.vfs.list(&log.config.dir).unwrap();
    entries.into_iter().filter_map(|entry| entry.name).filter(|name| name.ends_with(".tmp")).collect()
}

#[test]
fn closing_makes_no_next_file() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let (mut log, _beside) = writer(&vfs, false);
    let before = log.end;
    put(&mut log, 0).unwrap();
    let len = log.end - before;
    while log.end + 2 * len < FILE / 2 {
        put(&mut log, 0).unwrap();
    }
    // The mark that closing writes is what crosses the half.
    let short = Encoded::single(b"key00000", Some(&[1; 40])).unwrap().log_len();
    let fill = usize::try_from(FILE / 2 - log.end - short).unwrap() / 4 * 4;
    let mut commits = [Encoded::single(b"key00000", Some(&vec![1; 40 + fill])).unwrap()];
    log.append(&mut commits, &mut NewFiles::new()).into_iter().next().unwrap().unwrap();
    assert!(log.end <= FILE / 2 && log.end + 20 > FILE / 2, "{} of {FILE}", log.end);
    let (created, removed) = (count(&vfs, OpKind::Create), count(&vfs, OpKind::Remove));
    log.close().unwrap();
    assert!(log.end > FILE / 2);
    assert_eq!(temps(&log), [""; 0]);
    drop(log);
    // The first file was given no hint.
    assert_eq!((count(&vfs, OpKind::Create), count(&vfs, OpKind::Remove)), (created, removed));
}

#[test]
fn nothing_touches_the_directory_behind_a_close_that_fails() {
    for helpers in [Helpers::None, Helpers::InTurn, Helpers::Threads] {
        let vfs = FaultVfs::over_sim(&SimVfs::new(3));
        let beside = Beside::new(helpers);
        let with = |config: &mut LogConfig| (config.max_file_size, config.beside) = (FILE, beside.clone());
        let mut log = writer_with(&vfs, with);
        while log.end < FILE * 3 / 4 {
            put(&mut log, 0).unwrap();
        }
        fill_hint(&mut log, 3);
        beside.iter().for_each(|beside| beside.wait());
        let wanted = if helpers == Helpers::None { 1 } else { 2 };
        assert_eq!(temps(&log).len(), wanted, "{helpers:?}: a hint, and the next file");
        vfs.inject(Plan::forever(Fault::Error(errno::EIO), 0).of(Filter::any().kinds(&[OpKind::SyncData])));
        log.close().unwrap_err();
        assert_eq!(temps(&log), [""; 0], "{helpers:?}");
        let total = vfs.total();
        drop(log);
        assert_eq!(vfs.total(), total, "{helpers:?}: the directory may be another process's");
    }
}

/// Gives the active file a hint of entries with long keys, of about so many MiB.
fn fill_hint(log: &mut LogWriter, mib: u64) -> (u64, u64) {
    let (key, start) = (vec![7; 32 << 10], log.end);
    let hint = log.new_hint(&log.active);
    let hint = log.hint.insert(hint);
    let entries = mib * 32;
    for n in 0..entries {
        let (offset, seq) = (start + n * 40_000, SeqNo(10_000 + n));
        let kind = RecordKind::Put;
        hint.push(&HintEntry { kind, offset, value_len: 8, seq, expiry: None, key: &key });
    }
    (entries, start + entries * 40_000)
}

#[test]
fn a_hint_that_no_thread_writes_takes_little_memory_and_is_whole() {
    let vfs = FaultVfs::over_sim(&SimVfs::new(3));
    let (mut log, beside) = writer(&vfs, false);
    let (release, held) = std::sync::mpsc::channel::<()>();
    beside.quick.give(move || held.recv().unwrap());
    let (entries, end) = fill_hint(&mut log, 20);
    let hint = log.hint.take().unwrap();
    assert!(hint.queued() <= 5 << 20, "{} bytes wait for the thread", hint.queued());
    assert!(temps(&log).iter().any(|name| name.ends_with(".hint.tmp")), "the writer wrote some itself");
    // Whoever finishes it writes what still waits; the thread finds nothing to do then.
    log.active.set_end(end);
    let times = (Timestamp(1), Timestamp(1));
    hint.finish(end, SeqNo(20_000), false, times).unwrap();
    release.send(()).unwrap();
    beside.wait();
    let mut reader = HintReader::open(log.config.vfs.as_ref(), &log.config.dir, &log.active).unwrap().unwrap();
    let (mut found, mut last) = (0, DATA_START);
    while let Some(block) = reader.next_block().unwrap() {
        for entry in block.entries() {
            let entry = entry.unwrap();
            assert!(entry.offset >= last);
            last = entry.offset;
            found += 1;
        }
    }
    assert_eq!(found, entries);
    log.active.set_end(log.end);
    log.close().unwrap();
}
