//! What is broken in other Bitcask engines, each fault as a test here. The names are those of the project's comparison of
//! engines; each test tells the scenario.

#[path = "peers/batches.rs"]
mod batches;
#[path = "peers/cases.rs"]
mod cases;
mod common;
#[path = "peers/expiring.rs"]
mod expiring;
#[path = "peers/handles.rs"]
mod handles;
#[path = "peers/merging.rs"]
mod merging;
#[path = "peers/opening.rs"]
mod opening;
#[path = "peers/values.rs"]
mod values;
#[path = "peers/writing.rs"]
mod writing;

use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::{Db, Options};

use common::{IO_KINDS, KINDS, Map, at, dump, quiet, remove_hints};

fn disk() -> SimVfs {
    SimVfs::new(42)
}

fn key(n: usize) -> Vec<u8> {
    format!("key{n:04}").into_bytes()
}

/// Puts keys `from..to`, each with a value of its own, and gives what the store holds then.
fn fill(db: &Db, from: usize, to: usize) -> Map {
    for n in from..to {
        db.put(&key(n), format!("value of {n}").as_bytes()).expect("it writes");
    }
    dump(db).expect("it reads")
}

fn one_file(way: &Options) -> Options {
    way.clone().max_file_size(1 << 30)
}

/// Each kind of index with each kind of I/O.
fn ways() -> impl Iterator<Item = Options> {
    KINDS.into_iter().flat_map(|kind| IO_KINDS.map(|io| quiet().index(kind).io(io)))
}

fn get(db: &Db, key: &[u8]) -> Option<Vec<u8>> {
    db.get(key).expect("it reads").map(bitcask::Value::into_vec)
}

/// Takes away all that an opening could use in place of the log.
fn remove_advice(disk: &SimVfs) {
    remove_hints(disk);
    disk.uproot(&at("index.bptree"));
}

/// The machine after a power cut that lost everything not synced.
fn power_cut(disk: &SimVfs) -> SimVfs {
    disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced)
}
