//! Real processes on the real file system, killed in the midst of their work.
//!
//! This test runs itself as a child, which writes and says over a pipe what the store acknowledged; the parent kills it with
//! SIGKILL at a random moment, opening included, and opens the store itself. Checked (P2, P7): the lock is free; everything
//! acknowledged is there and nothing else but the one commit that was under way, a batch whole or not at all; there is no
//! damage and nothing torn but what may be. While the child lives nobody else can write, and a reader sees a moment of it.
//! A directory goes through several lives, so that what a recovery left is recovered again.
//!
//! `BITCASK_KILL_ROUNDS=n` sets the number of kills.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use bitcask::{Db, Durability, Error, OnDamage, Options};

use common::history::{apply, changes_of, write};
use common::workload::{Step, value};
use common::{Map, Rng, dump, factor, index, number_from_env, report};

const CHILD: &str = "BITCASK_KILL9_CHILD";
const WORKLOADS: usize = 3;
const ROUNDS: usize = 210;
/// Kills that one directory goes through.
const LIVES: usize = 10;

/// Between fork and exec a new process has this one's files, with the locks on them: nobody has a store open then.
static SPAWN: RwLock<()> = RwLock::new(());

fn options(workload: usize, life: u64) -> Options {
    let durability = match life % 4 {
        0 => Durability::Always,
        1 => Durability::Interval { every: Duration::from_millis(1), bytes: 4096 },
        _ => Durability::None,
    };
    let max_file_size = [1 << 30, 30_000, 4096][workload];
    Options::new()
        .index(index(life as usize))
        .durability(durability)
        .max_file_size(max_file_size)
        // Saved all the time beside writers, or at close alone.
        .checkpoint_bytes(life % 3)
}

/// The step of this number; parent and child know it without telling.
fn step(workload: usize, n: u64) -> Step {
    let mut rng = Rng(n ^ ((workload as u64) << 48));
    let key = |rng: &mut Rng| format!("key{:03}", rng.below(60)).into_bytes();
    let at = n as usize * 100;
    let k = key(&mut rng);
    match (workload, rng.below(10)) {
        (1, 0..=7) => {
            let first = rng.below(60);
            let long = if rng.below(6) == 0 { 4000 } else { 200 };
            let change = |j: usize| {
                let k = format!("key{:03}", (first + j) % 60).into_bytes();
                let v = (j % 4 != 2).then(|| value(&k, at + j, 9 + (j * 37) % long));
                (k, v)
            };
            Step::Batch((0..1 + rng.below(14)).map(change).collect())
        }
        (_, 0..=2) => Step::Delete(k),
        (_, 3) if rng.below(8) == 0 => Step::PutSync(k.clone(), value(&k, at, 100)),
        (2, _) => Step::Put(k.clone(), value(&k, at, rng.below(1500))),
        _ => Step::Put(k.clone(), value(&k, at, rng.below(120))),
    }
}

/// Does nothing in a run of the suite: the parent calls it in a process of its own.
#[test]
fn child_that_is_killed() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let mut parts = task.splitn(4, ':');
    let mut number = || parts.next().and_then(|n| n.parse::<u64>().ok()).expect("a number");
    let (workload, life, first) = (number() as usize, number(), number());
    let dir = parts.next().expect("a directory");
    let db = Db::open(dir, &options(workload, life)).expect("it opens");
    let mut out = std::io::stdout();
    let mut tell = |what: String| out.write_all(what.as_bytes()).and_then(|()| out.flush()).is_ok();
    let mut go_on = tell("\nopen\n".to_owned());
    for n in first.. {
        if !go_on {
            return; // The parent is gone.
        }
        write(&db, &step(workload, n)).expect("it writes");
        go_on = tell(format!("ack {n}\n"));
    }
}

/// A child with what it said so far.
struct Child {
    process: std::process::Child,
    listener: std::thread::JoinHandle<()>,
    /// Acknowledged are the steps before this.
    next: Arc<AtomicU64>,
}

impl Child {
    fn start(workload: usize, life: u64, first: u64, dir: &Path) -> Child {
        let task = format!("{workload}:{life}:{first}:{}", dir.display());
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "child_that_is_killed", "--nocapture", "--test-threads=1"]).env(CHILD, task);
        let mut process = {
            let _nobody_has_a_store_open = SPAWN.write().expect("the lock");
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a child")
        };
        let next = Arc::new(AtomicU64::new(first));
        let (heard, mut pipe) = (Arc::clone(&next), BufReader::new(process.stdout.take().expect("a pipe")));
        let listener = std::thread::spawn(move || {
            let mut line = String::new();
            while pipe.read_line(&mut line).is_ok_and(|len| len > 0) {
                if let Some(n) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("ack ")) {
                    heard.store(n.parse::<u64>().expect("a number") + 1, Ordering::SeqCst);
                }
                line.clear();
            }
        });
        Child { process, listener, next }
    }

    fn next(&self) -> u64 {
        self.next.load(Ordering::SeqCst)
    }

    /// Waits until something was acknowledged.
    fn wait_for_work(&mut self, first: u64) {
        while self.next() == first {
            assert!(self.process.try_wait().expect("wait").is_none(), "the child ended by itself");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Gives the number of the first step that was not acknowledged.
    fn kill(mut self) -> u64 {
        self.process.kill().expect("kill");
        let status = self.process.wait().expect("wait");
        assert_eq!(status.signal(), Some(9), "the child ended by itself: {status}");
        self.listener.join().expect("the listener");
        self.next.load(Ordering::SeqCst)
    }
}

/// What others see while the child has the store: no writer can open it, a reader sees what was acknowledged, or more.
fn look_beside(child: &Child, dir: &Path, options: &Options) -> (u64, Map) {
    let _guard = SPAWN.read().expect("the lock");
    match Db::open(dir, options) {
        Err(Error::Locked { pid, .. }) => assert_eq!(pid, Some(child.process.id())),
        other => panic!("two writers: {other:?}"),
    }
    let acked = child.next();
    let reader = Db::open(dir, &options.clone().read_only(true)).expect("a reader beside opens");
    let state = dump(&reader).expect("it reads");
    reader.close().expect("it closes");
    (acked, state)
}

fn run(workload: usize, name: &str) {
    let rounds = number_from_env("BITCASK_KILL_ROUNDS").unwrap_or(ROUNDS * factor()).div_ceil(WORKLOADS);
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("kill9-{}-{workload}", std::process::id()));
    std::fs::create_dir_all(&root).expect("a directory");
    let seed = number_from_env("BITCASK_KILL_SEED").map_or_else(|| u64::from(std::process::id()), |n| n as u64);
    let (since, mut rng) = (Instant::now(), Rng(seed));
    let (mut steps, mut early, mut unacknowledged, mut torn) = (0, 0, 0, 0);
    let (mut base, mut first, mut dir) = (Map::new(), 0, root.clone());
    for round in 0..rounds {
        if round % LIVES == 0 {
            std::fs::remove_dir_all(&dir).expect("it goes");
            std::fs::create_dir_all(&root).expect("a directory");
            (base, dir) = (Map::new(), root.join(format!("db{round}")));
            std::fs::create_dir(&dir).expect("a directory");
        }
        let what = format!("{name}, round {round}, BITCASK_KILL_SEED={seed}");
        let options = options(workload, round as u64);
        let mut child = Child::start(workload, round as u64, first, &dir);
        let mut beside = None;
        if rng.below(5) > 0 {
            child.wait_for_work(first);
            beside = (rng.below(4) == 0).then(|| look_beside(&child, &dir, &options));
            std::thread::sleep(Duration::from_micros(rng.below(25_000) as u64));
        } else {
            std::thread::sleep(Duration::from_micros(rng.below(12_000) as u64));
        }
        let next = child.kill();
        (steps, early) = (steps + next - first, early + u64::from(next == first));

        let guard = SPAWN.read().expect("the lock");
        let db = Db::open(&dir, &options.on_damage(OnDamage::Refuse).index(index(round / 2)));
        let db = db.unwrap_or_else(|e| panic!("{what}: it does not open: {e}"));
        let found = dump(&db).unwrap_or_else(|e| panic!("{what}: {e}"));
        let opened = db.open_report();
        assert!(opened.damage.is_empty(), "{what}: {opened:?}");
        torn += opened.torn.len();
        // One end in three is a close; the next child finds the others as a recovery left them.
        if round.is_multiple_of(3) {
            db.close().unwrap_or_else(|e| panic!("{what}: {e}"));
        }
        drop(db);
        drop(guard);

        let mut was_seen = false;
        for n in first..=next {
            if n == next {
                if found == base {
                    was_seen |= beside.as_ref().is_some_and(|(from, seen)| n >= *from && *seen == base);
                    break;
                }
                unacknowledged += 1;
            }
            was_seen |= beside.as_ref().is_some_and(|(from, seen)| n >= *from && *seen == base);
            apply(&mut base, &changes_of(&step(workload, n)));
        }
        was_seen |= beside.as_ref().is_none_or(|(_, seen)| *seen == base);
        if found != base {
            let wrong: Vec<_> = (base.keys().chain(found.keys())).filter(|k| base.get(*k) != found.get(*k)).collect();
            panic!("{what}: steps {first} to {next} were acknowledged; wrong are {wrong:?}; {}", dir.display());
        }
        assert!(was_seen, "{what}: a reader beside saw what never was");
        first = next + 1;
    }
    std::fs::remove_dir_all(&root).expect("it goes");
    let what = format!(
        "{rounds} kills, {early} before the first of {steps} steps, {unacknowledged} steps done but unacknowledged, {torn} torn"
    );
    report("kill9", format!("{name}: {what}"), since);
}

#[test]
fn puts_and_deletes() {
    run(0, "puts and deletes");
}

#[test]
fn batches() {
    run(1, "batches");
}

#[test]
fn rotation() {
    run(2, "rotation");
}
