//! What merges give back: in the background so much that the space stays in bounds, and nothing before what replaced it is on stable storage.
//!
//! `BITCASK_LONG` runs the load for ten minutes.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Durability, FileId, IndexKind, MergeOptions, MergePolicy, Options};

use common::{IO_KINDS, KINDS, Map, Rng, check_accounts, dump, factor, open, quiet, report};

fn key(n: usize) -> Vec<u8> {
    format!("key{n:06}").into_bytes()
}

/// Two thousandths of the default; what the policy says in bytes is scaled likewise.
const FILE: u64 = 512 << 10;

fn policy() -> MergePolicy {
    MergePolicy::new()
        .dead_bytes_merge_trigger(FILE / 2)
        .dead_bytes_threshold(FILE / 8)
        .small_file_threshold(FILE / 100)
}

/// What a directory takes on the disk, files under way with it.
#[cfg(unix)]
fn disk_use(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    // A file that goes while it is looked at takes nothing.
    let blocks =
        |entry: std::io::Result<std::fs::DirEntry>| entry.and_then(|entry| entry.metadata()).map(|m| m.blocks());
    std::fs::read_dir(dir).expect("the directory").map(|entry| blocks(entry).unwrap_or(0) * 512).sum()
}

/// Overwrites keys at random, which are `live` bytes; gives the most that was taken beyond one file, in parts of what lives, and the merges.
#[cfg(unix)]
fn overwrite(dir: &Path, kind: IndexKind, live: u64, is_over: impl Fn(u64) -> bool) -> (f64, u64) {
    const LEN: usize = 8000;
    let keys = (live / LEN as u64) as usize;
    let options = Options::new().index(kind).durability(Durability::None).max_file_size(FILE).merge(policy());
    let db = Db::open(dir, &options).expect("it opens");
    let (mut rng, mut newest) = (Rng(kind as u64), vec![0_u64; keys]);
    let write = |db: &Db, newest: &mut Vec<u64>, n: usize, number: u64| {
        let mut value = vec![n as u8; LEN - 40];
        value[..8].copy_from_slice(&number.to_le_bytes());
        db.put(&key(n), &value).expect("it writes");
        newest[n] = number;
    };
    for n in 0..keys {
        write(&db, &mut newest, n, 0);
    }
    let (mut most, mut written, mut ahead) = (0.0_f64, 0, 0);
    while !is_over(written) {
        let n = rng.below(keys);
        written += 1;
        write(&db, &mut newest, n, written);
        ahead += LEN as u64;
        if written % 8 > 0 {
            continue;
        }
        // However slow the machine is and whatever else it does, a merge that is due is done before a quarter of a file is written beside it.
        loop {
            most = most.max((disk_use(dir).saturating_sub(FILE)) as f64 / live as f64);
            if db.merge_needed().expect("figures").is_none() {
                ahead = 0;
            }
            if ahead < FILE / 4 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    for (n, number) in newest.iter().enumerate() {
        let value = db.get(&key(n)).expect("it reads").expect("a value");
        assert_eq!(value[..8], number.to_le_bytes(), "{kind:?}, key {n}");
    }
    check_accounts(&db);
    let stats = db.stats().expect("stats");
    assert_eq!(stats.background_merge_failures, 0, "{stats:?}");
    db.close().expect("it closes");
    (most, stats.background_merges)
}

/// At the default triggers and thresholds no more than 1.7 times what lives is taken, and one file.
#[test]
#[cfg(unix)]
fn space_stays_in_bounds_under_overwrites() {
    const LIVE: u64 = 64 * FILE;
    // Where there is a file system in memory: a disk would only make it wait.
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    for kind in KINDS {
        let begin = Instant::now();
        let dir = base.join(format!("bitcask-reclaim-{kind:?}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let long = Duration::from_secs(600 / KINDS.len() as u64);
        let is_over = |written: u64| if factor() == 1 { written >= 14_000 } else { begin.elapsed() >= long };
        let (most, merges) = overwrite(&dir, kind, LIVE, is_over);
        report("space", format!("{kind:?}: at most {most:.2} of the live bytes and a file, {merges} merges"), begin);
        assert!(most <= 1.7, "{kind:?}: {most:.2}");
        assert!(merges >= 4, "{kind:?}: {merges} merges");
        std::fs::remove_dir_all(&dir).expect("it is removed");
    }
}

/// The writes that made records of the sources dead are brought to stable storage before the sources go: a loss of power at any moment leaves what
/// the writes up to some moment left.
#[test]
fn nothing_goes_before_what_replaced_it_lasts() {
    for (kind, io) in KINDS.into_iter().flat_map(|kind| IO_KINDS.map(|io| (kind, io))) {
        let disk = SimVfs::new(3);
        let options = quiet().index(kind).io(io);
        let db = open(disk.clone(), &options).expect("it opens");
        let mut state = Map::new();
        for n in 0..40 {
            db.put(&key(n), &[1; 200]).expect("it writes");
            state.insert(key(n), vec![1; 200]);
        }
        db.sync().expect("it syncs");
        let files = db.file_stats().expect("figures");
        let sealed: Vec<FileId> = files.iter().filter(|file| !file.is_active).map(|file| file.id).collect();
        assert!(sealed.len() >= 2, "{files:?}");
        let begin = disk.op_count();
        let mut states = vec![state.clone()];
        for n in 0..10 {
            if n % 3 == 0 {
                db.delete(&key(n)).expect("it writes");
                state.remove(&key(n));
            } else {
                db.put(&key(n), b"new").expect("it writes");
                state.insert(key(n), b"new".to_vec());
            }
            states.push(state.clone());
        }
        assert_eq!(db.file_stats().expect("figures").len(), files.len(), "else what was written is synced");
        let report = db.merge(&MergeOptions::new().files(&sealed)).expect("it merges");
        assert_eq!(report.removed_files, sealed);
        let mut lost = 0;
        for at in begin..=disk.op_count() {
            let db = open(disk.crash(at, &CrashChoice::LoseUnsynced), &options).expect("it opens");
            let found = dump(&db).expect("it reads");
            let kept = states.iter().position(|state| *state == found);
            let kept = kept.unwrap_or_else(|| panic!("{kind:?}, {io:?}, operation {at}: some writes without others"));
            lost += usize::from(kept == 0);
        }
        assert!(lost > 0, "nothing of it was synced before");
    }
}
