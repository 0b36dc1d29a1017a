//! The README's program in Rust. What is between markers stands in README.md, one part a block (`cargo run -p xtask -- readme`).
//! It works in the directory that it is started in.

#![allow(clippy::print_stdout)] // It is for looking at.

use std::time::Duration;

use bitcask::{Ttl, WriteOptions};

fn main() -> bitcask::Result<()> {
    // README begins.
    use bitcask::{Db, IterOptions, Options};

    let db = Db::open("store", &Options::new())?;
    db.put(b"user:1", b"Ada")?;
    let mut batch = db.batch();
    batch.put(b"user:2", b"Grace")?;
    batch.commit()?;
    for record in db.iter(&IterOptions::new().prefix(b"user:"))? {
        let (key, value) = record?;
        println!("{} {}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
    }
    db.close()?;
    // README ends.
    keys_that_expire(&Db::open("store", &Options::new())?)
}

fn keys_that_expire(db: &bitcask::Db) -> bitcask::Result<()> {
    // README begins.
    db.put_with_ttl(b"session:7", b"Ada", Duration::from_secs(1800))?; // gone after half an hour
    db.put_if_absent_with(b"lock", b"me", WriteOptions::new().ttl(Duration::from_secs(10)))?; // a lock that nobody keeps for ever
    db.expire(b"user:1", Duration::from_secs(60))?;
    db.persist(b"user:1")?;
    match db.ttl(b"session:7")? {
        Ttl::Remaining(left) => println!("{} minutes", left.as_secs().div_ceil(60)),
        Ttl::NoExpiry | Ttl::NoKey => println!("no session"),
    }
    // README ends.
    Ok(())
}
