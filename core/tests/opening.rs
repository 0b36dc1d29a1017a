//! Opening with threads that read hints ahead: the same contents and the same report as without, whatever thread is slow (P5).

mod common;

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bitcask::vfs::sim::SimVfs;
use bitcask::vfs::{OpenMode, Vfs, VfsFile};
use bitcask::{Db, Error, OpenReport, Options};

use common::{KINDS, Map, Rng, at, dump, open, quiet, report, workload};

/// A file system that says that threads are worth it, and whose reads of hints take now this long and now that.
#[derive(Clone)]
struct Threads {
    inner: SimVfs,
    threads: usize,
    seed: u64,
    reads: Arc<AtomicU64>,
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Threads")
    }
}

impl Threads {
    fn wait(&self) {
        let mut rng = Rng(self.seed ^ self.reads.fetch_add(1, Ordering::Relaxed));
        match rng.below(8) {
            0 => std::thread::sleep(Duration::from_micros(rng.below(400) as u64)),
            1..=3 => std::thread::yield_now(),
            _ => {}
        }
    }
}

impl Vfs for Threads {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let file = self.inner.open(path, mode)?;
        if path.extension().is_none_or(|extension| extension != "hint") {
            return Ok(file);
        }
        self.wait();
        Ok(Arc::new(SlowFile { inner: file, vfs: self.clone() }))
    }

    fn open_threads(&self, _bytes: u64) -> usize {
        self.threads
    }

    bitcask::pass_on!(list rename remove create_dir sync_dir entry_kind canonicalize lock free_bytes now random process_id process_generation);
}

#[derive(Debug)]
struct SlowFile {
    inner: Arc<dyn VfsFile>,
    vfs: Threads,
}

impl VfsFile for SlowFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.vfs.wait();
        self.inner.read_at(buf, offset)
    }

    bitcask::pass_on!(write_at len set_len allocate fill sync_data map window);
}

/// A store of many files in which keys are written again and again, removed, and written by batches over several files. One hint is
/// missing, one is cut short and one has a damaged block.
fn crafted() -> SimVfs {
    let disk = SimVfs::new(21);
    let options = quiet().max_file_size(200_000);
    let db = open(disk.clone(), &options).expect("it opens");
    let mut rng = Rng(5);
    let key = |n: usize| format!("a key of some length {n:05}").into_bytes();
    for n in 0..30_000 {
        match rng.below(40) {
            0 => {
                let mut batch = db.batch();
                for i in 0..rng.below(60) {
                    batch.put(&key(rng.below(3000)), &workload::value(b"b", n * 100 + i, 30)).expect("it takes it");
                }
                batch.commit().expect("it commits");
            }
            1..=7 => drop(db.delete(&key(rng.below(3000))).expect("it removes")),
            _ => db.put(&key(rng.below(3000)), &workload::value(b"p", n, 12 + rng.below(40))).expect("it writes"),
        }
    }
    db.close().expect("it closes");
    if disk.bytes(&at("index.checkpoint")).is_ok() {
        disk.uproot(&at("index.checkpoint"));
    }
    disk.uproot(&at("3.hint"));
    let len = disk.bytes(&at("5.hint")).expect("a hint").len() as u64;
    disk.truncate(&at("5.hint"), len * 2 / 3);
    disk.flip_bit(&at("7.hint"), len - 100, 2);
    disk
}

fn seen(db: &Db) -> (Map, OpenReport) {
    (dump(db).expect("it reads"), db.open_report().clone())
}

#[test]
fn threads_change_nothing_of_what_is_found() {
    let (since, disk) = (Instant::now(), crafted());
    let options =
        |n: usize, read_only: bool| quiet().max_file_size(200_000).index(KINDS[n % KINDS.len()]).read_only(read_only);
    let mut rounds = 0;
    for read_only in [true, false] {
        let (contents, found) = seen(&open(disk.copy(), &options(0, read_only)).expect("it opens"));
        assert!(found.files > 8 && found.files_from_hint > 5 && found.unusable_hints.len() == 2, "{found:?}");
        for seed in 0..if read_only { 100 } else { 25 } {
            let vfs = Threads { inner: disk.copy(), threads: 2 + seed % 4, seed: seed as u64, reads: Arc::default() };
            let db = open(vfs, &options(seed, read_only)).expect("it opens");
            let (now, report) = seen(&db);
            assert!(now == contents, "seed {seed}: other contents");
            assert_eq!(report, found, "seed {seed}");
            rounds += 1;
        }
    }
    report("opening", format!("{rounds} openings by threads"), since);
}

#[test]
fn stopping_ends_the_threads() {
    let disk = crafted();
    for stop in 0..3 {
        let vfs = Threads { inner: disk.copy(), threads: 4, seed: stop, reads: Arc::default() };
        let calls = AtomicU64::new(0);
        let options = Options::new().max_file_size(200_000).background_merge(false).on_progress(move |_| {
            if calls.fetch_add(1, Ordering::Relaxed) < stop.min(1) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        assert!(matches!(open(vfs.clone(), &options), Err(Error::Cancelled)));
        let reads = vfs.reads.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(vfs.reads.load(Ordering::Relaxed), reads, "a thread goes on");
    }
}
