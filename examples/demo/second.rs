//! The second act: overwrites and deletes half of the files while merges run, and readers in other processes look. See README.md.
//!
//! `demo-second [--unmerged] WORK READER...`: waits for a first look of each reader, which tells of it in WORK/looks-READER. With
//! `--unmerged` nothing is merged, so that the check of the space can be seen to fail.
#![allow(clippy::print_stdout, clippy::print_stderr)] // It is for looking at.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bitcask::{Db, IterOptions, MergeOptions, Options};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// So that merges have several files to choose from.
const FILE_SIZE: u64 = 16 << 20;
/// The changes are spread over about this time, so that readers and merges meet many states between.
const SPREAD: Duration = Duration::from_secs(1);
/// So that a reader that never looks doesn't keep this waiting for ever.
const GIVE_UP: Duration = Duration::from_secs(300);
/// Looks of each reader between the first change and the last one, at least.
const LOOKS: u64 = 2;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let unmerged = args.first().is_some_and(|arg| arg == "--unmerged");
    args.drain(..usize::from(unmerged));
    let [work, readers @ ..] = &args[..] else {
        eprintln!("usage: demo-second [--unmerged] WORK READER...");
        return ExitCode::from(2);
    };
    match run(Path::new(work), readers, !unmerged) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("Rust: {error}");
            ExitCode::from(2)
        }
    }
}

/// What becomes of a file: 0 and 1 stay, 2 is overwritten, 3 is overwritten and then deleted.
fn fate(path: &[u8]) -> u64 {
    path.iter().map(|&byte| u64::from(byte)).sum::<u64>() % 4
}

/// The new contents of a file that is overwritten; never those it had.
fn turned(contents: &[u8]) -> Vec<u8> {
    b"turned:".iter().chain(contents.iter().rev()).copied().collect()
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Bytes that the store takes on the disk, and how long its data files are.
fn space(store: &Path) -> Outcome<(u64, u64)> {
    let (mut on_disk, mut data) = (0, 0);
    for entry in fs::read_dir(store)? {
        // A file that a merge removes between is none.
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        on_disk += metadata.blocks() * 512;
        if entry.path().extension().is_some_and(|extension| extension == "data") {
            data += metadata.len();
        }
    }
    Ok((on_disk, data))
}

struct Act<'a> {
    db: &'a Db,
    work: &'a Path,
    readers: &'a [String],
    began: Instant,
    /// What each file must be.
    files: BTreeMap<Vec<u8>, u64>,
}

impl Act<'_> {
    /// Waits until a condition holds for the number of looks in the midst of every reader, of which none is told of yet as `None`.
    fn await_looks(&self, enough: impl Fn(Option<u64>) -> bool) -> Outcome<()> {
        let looks = |reader: &String| fs::read_to_string(self.work.join(format!("looks-{reader}"))).ok()?.parse().ok();
        while let Some(late) = self.readers.iter().find(|reader| !enough(looks(reader))) {
            if self.began.elapsed() > GIVE_UP {
                return Err(format!("{late} does not look").into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// One change and how far we are, at once. Both are seen at the same moment or not at all.
    fn change(&self, phase: char, path: &[u8], value: Option<&[u8]>) -> Outcome<()> {
        let mut batch = self.db.batch();
        match value {
            Some(value) => batch.put(path, value)?,
            None if path.is_empty() => {}
            None => batch.delete(path)?,
        }
        batch.put(b"/demo/second", &[&[phase as u8, b' '], path].concat())?;
        batch.commit()?;
        Ok(())
    }

    /// All changes but for the end.
    fn write(&mut self) -> Outcome<()> {
        let paths =
            |from: u64| -> Vec<Vec<u8>> { self.files.keys().filter(|path| fate(path) >= from).cloned().collect() };
        let (overwritten, deleted) = (paths(2), paths(3));
        let pause = (SPREAD / (overwritten.len() + deleted.len() + 1) as u32).min(Duration::from_millis(1));
        self.change('1', b"", None)?;
        for path in overwritten {
            let contents = self.db.get(&path)?.ok_or("a file is gone that nobody deleted")?;
            let contents = turned(&contents);
            self.change('1', &path, Some(&contents))?;
            self.files.insert(path, digest(&contents));
            thread::sleep(pause);
        }
        self.change('2', b"", None)?;
        for path in deleted {
            self.change('2', &path, None)?;
            self.files.remove(&path);
            thread::sleep(pause);
        }
        self.await_looks(|looks| looks >= Some(LOOKS))
    }

    /// Every file of the store is what it must be. Gives the bytes of all records.
    fn compare(&self, db: &Db) -> Outcome<u64> {
        let (mut live, mut found) = (0, 0);
        for record in db.iter(&IterOptions::new())? {
            let (key, value) = record?;
            live += (key.len() + value.len()) as u64;
            if key[0] == b'/' {
                continue;
            }
            found += 1;
            if self.files.get(key.as_slice()) != Some(&digest(&value)) {
                return Err(format!("\"{}\": not what was written", key.escape_ascii()).into());
            }
        }
        if found != self.files.len() {
            return Err(format!("{} files are missing", self.files.len() - found).into());
        }
        Ok(live)
    }
}

fn run(work: &Path, readers: &[String], merges: bool) -> Outcome<bool> {
    let store: PathBuf = work.join("store");
    let before = space(&store)?;
    let options = Options::new().create_if_missing(false).max_file_size(FILE_SIZE).background_merge(merges);
    let db = Db::open(&store, &options)?;
    db.put(b"/demo/second", b"0 ")?;
    let mut files = BTreeMap::new();
    for record in db.iter(&IterOptions::new())? {
        let (key, value) = record?;
        if key[0] != b'/' {
            files.insert(key, digest(&value));
        }
    }
    let count = files.len();
    let mut act = Act { db: &db, work, readers, began: Instant::now(), files };
    fs::write(work.join("second"), "")?;
    act.await_looks(|looks| looks.is_some())?;

    // Merges go on all the time, one after the other, until the last change.
    let (stop, merged) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        let merger = scope.spawn(|| -> Outcome<()> {
            while merges && (!stop.load(Ordering::Relaxed) || merged.load(Ordering::Relaxed) == 0) {
                db.merge(&MergeOptions::new().everything(true))?;
                merged.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        let written = act.write();
        stop.store(true, Ordering::Relaxed);
        merger.join().map_err(|_| "the merges panicked")??;
        written
    })?;
    let took = start.elapsed();
    act.change('3', b"", None)?;
    if merges {
        db.merge(&MergeOptions::new().everything(true))?;
    }
    let live = act.compare(&db)?;
    db.close()?;
    let after = space(&store)?;
    act.compare(&Db::open(&store, &Options::new().read_only(true))?)?;

    println!(
        "Rust: overwrote or deleted {} of {count} files in {:.2} s; merges of all data files meanwhile: {}",
        act.files.keys().filter(|path| fate(path) >= 2).count() + count - act.files.len(),
        took.as_secs_f64(),
        merged.load(Ordering::Relaxed)
    );
    // A record has a header; no data file has more than a few bytes beside records.
    let room = live + 64 * (act.files.len() as u64 + 16) + 4096;
    if after.1 > room {
        eprintln!("Rust: the space was not given back: {} bytes of data files for {live} bytes of records", after.1);
        return Ok(false);
    }
    let mut told = fs::File::create(work.join("space"))?;
    writeln!(told, "before the second act\t{}\nafter it\t{}\nfiles and their names\t{live}", before.0, after.0)?;
    Ok(true)
}
