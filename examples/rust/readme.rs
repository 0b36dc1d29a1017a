//! The README's program in Rust. What is between the markers stands in README.md (`cargo run -p xtask -- readme`).
//! It works in the directory that it is started in.

#![allow(clippy::print_stdout)] // It is for looking at.

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
    Ok(())
}
