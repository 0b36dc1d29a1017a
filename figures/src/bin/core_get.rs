//! The core's side of the comparison with the languages: `languages/get.py` and `languages/get.go` do the same.
//!
//! - `core_get prepare [KEYS]` writes a store, and its keys in a random order to a file, below `target/figures/languages`.
//! - `core_get STORE KEYS` opens it, gets every key twice, and prints the nanoseconds of a get of the second round.
#![allow(clippy::print_stdout)] // Standard output is what these programs are for.

use std::path::Path;
use std::time::Instant;

use bitcask::{Db, Durability, Options};
use bitcask_figures::{KEY_LEN, KINDS, Outcome, Pairs, VALUE_LEN, fresh_dir, write_all};

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["prepare"] => prepare(1_000_000),
        ["prepare", keys] => prepare(keys.parse()?),
        [store, keys] => measure(Path::new(store), Path::new(keys)),
        _ => Err("usage: core_get prepare [KEYS] | core_get STORE KEYS".into()),
    }
}

fn prepare(keys: usize) -> Outcome {
    let dir = fresh_dir("languages")?;
    std::fs::create_dir(&dir)?;
    let pairs = Pairs::new(keys);
    let db = Db::open(dir.join("store"), &KINDS[0].options())?;
    write_all(&db, &pairs)?;
    db.close()?;
    pairs.save_shuffled(&dir.join("keys"))?;
    Ok(())
}

fn measure(store: &Path, keys: &Path) -> Outcome {
    let keys = std::fs::read(keys)?;
    let db = Db::open(store, &Options::new().durability(Durability::None).create_if_missing(false))?;
    let mut buf = [0; VALUE_LEN];
    let mut nanoseconds = 0.0;
    for _ in 0..2 {
        let start = Instant::now();
        for key in keys.chunks_exact(KEY_LEN) {
            if db.get_into(key, &mut buf)? != Some(VALUE_LEN) {
                return Err("a key is missing".into());
            }
        }
        nanoseconds = start.elapsed().as_nanos() as f64 * KEY_LEN as f64 / keys.len() as f64;
    }
    println!("{nanoseconds:.1}");
    Ok(db.close()?)
}
