//! The reader in a process of its own: this test runs itself as a child, which opens the store read-only beside the writers and follows.
//!
//! The parent says what was acknowledged, a line for each round; the child refreshes, looks by one of the ways, checks, and says that it
//! did. A child that finds something wrong panics: what it says goes to the test's standard error, and the parent misses its answer.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use bitcask::{Db, IndexKind, IoKind, IterOptions, Options};

use crate::common::{IO_KINDS, KINDS, Rng};
use crate::{Acked, Seen, all_keys, by_get, by_iterator, by_multi_get, check};

const TASK: &str = "BITCASK_ISOLATION_CHILD";

/// Follows the store at `dir` in a process of its own, as long as `goes_on` with the number of rounds done says so.
pub(crate) fn follow(
    dir: &Path,
    (kind, io): (IndexKind, IoKind),
    seed: u64,
    acked: &Acked,
    goes_on: &dyn Fn(u64) -> bool,
) {
    let number = |found: Option<usize>| found.expect("one of them");
    let (kind, io) = (number(KINDS.iter().position(|k| *k == kind)), number(IO_KINDS.iter().position(|k| *k == io)));
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "child::child_that_follows", "--nocapture", "--test-threads=1"]);
    command.env(TASK, format!("{kind}:{io}:{seed}:{}", dir.display()));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
    let (mut input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    let mut answers = BufReader::new(output).lines().map(|line| line.expect("it reads"));
    // Among what the test harness of the child says.
    let mut heard = |what: &str| answers.any(|line| line == what);
    let mut alive = heard("open");
    let mut rounds = 0;
    while alive && goes_on(rounds) {
        let told = acked.now().map(|n| n.to_string()).join(" ");
        alive = writeln!(input, "{told}").is_ok() && heard("checked");
        rounds += 1;
    }
    drop(input);
    let status = child.wait().expect("wait");
    assert!(alive && status.success(), "the process beside: {status}, after {rounds} rounds");
}

/// Does nothing in a run of the suite: the parent calls it in a process of its own.
#[test]
fn child_that_follows() {
    let Ok(task) = std::env::var(TASK) else { return };
    let mut parts = task.splitn(4, ':');
    let mut number = || parts.next().and_then(|n| n.parse::<u64>().ok()).expect("a number");
    let (kind, io, seed) = (KINDS[number() as usize], IO_KINDS[number() as usize], number());
    let dir = parts.next().expect("a directory");
    let db = Db::open(dir, &Options::new().index(kind).io(io).read_only(true)).expect("it opens beside");
    let (mut rng, keys, mut seen) = (Rng(seed), all_keys(), Seen::default());
    let mut out = std::io::stdout();
    let mut tell = |what: &str| out.write_all(what.as_bytes()).and_then(|()| out.flush()).is_ok();
    let mut go_on = tell("\nopen\n");
    let mut lines = std::io::stdin().lines();
    while go_on && let Some(line) = lines.next() {
        let line = line.expect("it reads");
        let mut before = line.split(' ').map(|n| n.parse::<i64>().expect("a number"));
        let least = seen.map(|seen| seen.max(before.next().expect("one for each")));
        db.refresh().expect("it refreshes");
        let way = rng.below(4);
        let map = match way {
            0 => by_multi_get(&db, &keys),
            1 => by_get(&db.snapshot().expect("a snapshot"), &keys),
            2 => by_iterator(db.snapshot().expect("a snapshot").iter(&IterOptions::new().reverse(true))),
            _ => by_iterator(db.iter(&IterOptions::new())),
        };
        seen = check(&map, &least, &format!("seed {seed}, {kind:?} {io:?}, another process, way {way}"));
        go_on = tell("checked\n");
    }
}
