//! Real processes on the real file system: a reader that follows writers which are killed in the midst of their work, and many that race to
//! open one store (P7).
//!
//! This test runs itself as its children.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bitcask::{Db, Durability, Error, IterOptions, Options};

use common::{Map, Rng, dump, factor, index, number_from_env, report};

const TASK: &str = "BITCASK_PROCESSES_TASK";
const KEYS: u64 = 23;

fn options() -> Options {
    Options::new().durability(Durability::None).max_file_size(20_000)
}

/// What commit `n` (from 1) writes. Every commit writes its number under one key, so that the contents tell how many there were.
fn commit(n: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut rng = Rng(n);
    let mut changes = vec![(b"number".to_vec(), Some(n.to_le_bytes().to_vec()))];
    // Some go over several files.
    let many = if rng.below(200) == 0 { 60 } else { rng.below(4) };
    for i in 0..many as u64 {
        let key = format!("key{}", (n + i) % KEYS).into_bytes();
        let long = if many > 4 { 900 } else { 300 };
        let value = (rng.below(5) > 0).then(|| vec![n as u8; rng.below(long)]);
        changes.retain(|(other, _)| *other != key);
        changes.push((key, value));
    }
    changes
}

fn number_of(state: &Map) -> u64 {
    state.get(&b"number"[..]).map_or(0, |bytes| u64::from_le_bytes(bytes[..].try_into().expect("eight bytes")))
}

fn temp(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::remove_dir_all(&dir).ok();
    std::fs::create_dir_all(&dir).expect("a directory");
    dir
}

fn child(test: &str, dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(TASK, dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child")
}

/// Does nothing in a run of the suite: the parent calls it in a process of its own.
#[test]
fn child_that_writes() {
    let Some(dir) = std::env::var_os(TASK) else { return };
    let db = Db::open(dir, &options()).expect("it opens");
    let mut out = std::io::stdout();
    for n in number_of(&dump(&db).expect("it reads")) + 1.. {
        let mut batch = db.batch();
        for (key, value) in commit(n) {
            match value {
                Some(value) => batch.put(&key, &value),
                None => batch.delete(&key),
            }
            .expect("it takes it");
        }
        batch.commit().expect("it commits");
        if writeln!(out, "\nack {n}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn killed(mut writer: Child, what: &str) {
    writer.kill().expect("kill");
    let status = writer.wait().expect("wait");
    assert_eq!(status.signal(), Some(9), "{what}: the child ended by itself: {status}");
}

#[test]
fn a_reader_follows_writers_that_are_killed() {
    let kills = number_from_env("BITCASK_KILL_ROUNDS").unwrap_or(12 * factor());
    let seed = number_from_env("BITCASK_KILL_SEED").map_or_else(|| u64::from(std::process::id()), |n| n as u64);
    let (since, mut rng) = (Instant::now(), Rng(seed));
    let root = temp("beside");
    let dir = root.join("db");
    let what = format!("BITCASK_KILL_SEED={seed}");
    // States are made as far as they are needed.
    let mut states = vec![Map::new()];
    let mut reader: Option<Db> = None;
    let (mut shown, mut refreshes, mut changed, mut reloads) = (0, 0u64, 0u64, 0u64);
    let acked = Arc::new(AtomicU64::new(0));
    for kill in 0..kills {
        let mut writer = Some(child("child_that_writes", &dir));
        let pipe = writer.as_mut().and_then(|writer| writer.stdout.take());
        let (heard, mut pipe) = (Arc::clone(&acked), BufReader::new(pipe.expect("a pipe")));
        let listener = std::thread::spawn(move || {
            let mut line = String::new();
            while pipe.read_line(&mut line).is_ok_and(|len| len > 0) {
                if let Some(n) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("ack ")) {
                    heard.store(n.parse::<u64>().expect("a number"), Ordering::SeqCst);
                }
                line.clear();
            }
        });
        let lives_until = Instant::now() + Duration::from_millis(rng.below(250) as u64);
        loop {
            let is_over = Instant::now() > lives_until && (kill > 0 || acked.load(Ordering::SeqCst) > 0);
            if is_over && let Some(writer) = writer.take() {
                killed(writer, &what);
            }
            let before = acked.load(Ordering::SeqCst);
            let Some(db) = &reader else {
                match Db::open(&dir, &options().read_only(true).index(index(seed as usize))) {
                    Ok(db) => reader = Some(db),
                    Err(Error::NoStore { .. } | Error::Io { .. }) if before == 0 => {}
                    Err(error) => panic!("{what}: {error}"),
                }
                continue;
            };
            let old = (rng.below(20) == 0).then(|| (db.iter(&IterOptions::new()).expect("an iterator"), shown));
            let refreshed = db.refresh().unwrap_or_else(|e| panic!("{what}: kill {kill}: {e}"));
            refreshes += 1;
            changed += u64::from(refreshed.is_changed());
            reloads += u64::from(refreshed.reloaded);
            let state = dump(db).unwrap_or_else(|e| panic!("{what}: kill {kill}: {e}"));
            let number = number_of(&state);
            while (states.len() as u64) <= number {
                let mut next = states.last().expect("a state").clone();
                common::history::apply(&mut next, &commit(states.len() as u64));
                states.push(next);
            }
            assert!(state == states[number as usize], "{what}: kill {kill}: not the state after {number} commits");
            assert!(number >= shown && number >= before, "{what}: {number} after {shown}, {before} acknowledged");
            if let Some((old, number)) = old {
                let old: Map = old.map(|record| record.map(|(k, v)| (k, v.into_vec())).expect("it reads")).collect();
                assert!(old == states[number as usize], "{what}: an iterator shows another moment than {number}");
            }
            shown = number;
            std::thread::sleep(Duration::from_micros(rng.below(300) as u64));
            if writer.is_none() {
                break;
            }
        }
        listener.join().expect("the listener");
        assert!(shown <= acked.load(Ordering::SeqCst) + 1, "{what}: more than was written");
    }
    drop(reader);
    std::fs::remove_dir_all(&root).expect("it goes");
    assert!(changed > 0, "{what}: the reader never saw anything new");
    report(
        "processes",
        format!("{kills} kills, {shown} commits, {refreshes} refreshes, {changed} with news, {reloads} anew"),
        since,
    );
}

/// Does nothing in a run of the suite: the parent calls it in a process of its own.
#[test]
fn child_that_races() {
    let Some(dir) = std::env::var_os(TASK) else { return };
    let mut go = [0];
    std::io::stdin().read_exact(&mut go).expect("a start");
    let opened = Db::open(dir, &options());
    let outcome = match &opened {
        Ok(_) => format!("open {}", std::process::id()),
        Err(Error::Locked { pid, .. }) => format!("locked {}", pid.unwrap_or(0)),
        Err(error) => format!("failed {error}"),
    };
    let mut out = std::io::stdout();
    writeln!(out, "\n{outcome}").and_then(|()| out.flush()).expect("it is heard");
    // Until all others have tried.
    std::io::stdin().read_to_end(&mut Vec::new()).expect("an end");
}

#[test]
fn of_many_that_race_to_open_one_writes_and_all_others_are_told_who() {
    let (since, root) = (Instant::now(), temp("race"));
    const RACERS: usize = 50;
    for round in 0..2 * factor() {
        let dir = root.join(format!("db{}", round / 2));
        let mut racers: Vec<_> = (0..RACERS).map(|_| child("child_that_races", &dir)).collect();
        for racer in &mut racers {
            racer.stdin.as_mut().expect("a pipe").write_all(b"x").expect("it starts");
        }
        let mut pipes = Vec::new();
        let outcome = |racer: &mut Child| {
            let mut pipe = BufReader::new(racer.stdout.take().expect("a pipe"));
            let mut line = String::new();
            while !["open ", "locked ", "failed "].iter().any(|word| line.starts_with(word)) {
                line.clear();
                assert!(pipe.read_line(&mut line).expect("a line") > 0, "it ended without an outcome");
            }
            pipes.push(pipe);
            line.trim_end().to_owned()
        };
        let outcomes: Vec<_> = racers.iter_mut().map(outcome).collect();
        let winners: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.strip_prefix("open ")).collect();
        let [winner] = winners[..] else { panic!("{} writers: {outcomes:?}", winners.len()) };
        let told = outcomes.iter().filter(|outcome| outcome.strip_prefix("locked ") == Some(winner)).count();
        assert_eq!(told, RACERS - 1, "{outcomes:?}");
        for mut racer in racers {
            drop(racer.stdin.take());
            assert!(racer.wait().expect("wait").success());
        }
    }
    std::fs::remove_dir_all(&root).expect("it goes");
    report("processes", format!("{RACERS} racers"), since);
}
