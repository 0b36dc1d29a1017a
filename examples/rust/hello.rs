//! The store in Rust: open, put, get, a batch, all keys with a prefix, close.
//!
//! `cargo run -p bitcask-examples --bin hello -- DIRECTORY`
#![allow(clippy::print_stdout)] // It is for looking at.

use std::error::Error;

use bitcask::{Db, IterOptions, Options, WriteOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("usage: hello DIRECTORY")?;
    let db = Db::open(directory, &Options::new())?;
    db.put(b"user:1", b"Ada")?;
    if let Some(value) = db.get(b"user:1")? {
        println!("user:1 is {}", String::from_utf8_lossy(&value));
    }

    // All of it or nothing, after any crash.
    let mut batch = db.batch();
    batch.put(b"user:2", b"Grace")?;
    batch.put(b"user:3", b"Edsger")?;
    batch.delete(b"user:1")?;
    batch.commit_with(WriteOptions::new().sync(true))?;

    for record in db.iter(&IterOptions::new().prefix(b"user:"))? {
        let (key, value) = record?;
        println!("{}: {}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
    }
    db.close()?;
    Ok(())
}
