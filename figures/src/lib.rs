//! What the programs that measure have in common: the data, the place on disk, how a figure is told.
//!
//! - `bin/speed.rs` measures rates; it runs on the system's own allocator.
//! - `bin/memory.rs` counts bytes; a program of its own, because its allocator counts and so costs time.
//! - `bin/core_get.rs` is the core's side of the comparison with the languages.
//! - `bin/table.rs` puts what all of them told into a table and a JSON file.
//!
//! A figure is a line on standard output: name, value, unit, command, with tabs between. `scripts/figures.sh` collects them.

mod data;
mod tell;

pub use data::{KEY_LEN, Pairs, VALUE_LEN, random_bytes};
pub use tell::{Figures, median};

use std::path::{Path, PathBuf};

use bitcask::{Db, Durability, IndexKind, Options};

/// Whatever went wrong ends a program; there is nothing to tell apart.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// A kind of index that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The kind.
    pub index: IndexKind,
    /// Its name in the names of figures.
    pub name: &'static str,
    /// The same for figures that have no name in them for the default kind.
    suffix: &'static str,
}

/// All that are measured.
pub const KINDS: [Kind; 2] = [
    Kind { index: IndexKind::BTree, name: "btree", suffix: "" },
    Kind { index: IndexKind::Hash, name: "hash", suffix: "_hash" },
];

impl Kind {
    /// The name of a figure: `{}` becomes the kind's name, `*` its suffix.
    #[must_use]
    pub fn of(&self, figure: &str) -> String {
        figure.replace("{}", self.name).replace('*', self.suffix)
    }

    /// Options that leave syncing to the close.
    #[must_use]
    pub fn options(&self) -> Options {
        Options::new().index(self.index).durability(Durability::None)
    }
}

/// Puts all pairs.
///
/// # Errors
/// The store's.
pub fn write_all(db: &Db, pairs: &Pairs) -> bitcask::Result<()> {
    pairs.iter().try_for_each(|(key, value)| db.put(key, value))
}

/// The directory that all is measured in: `figures` below cargo's target directory, so the disk is the one that is
/// built on. Started from the root of the repository, as `cargo run` there does.
#[must_use]
pub fn work_dir() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join("figures")
}

/// An absent directory of this name below [`work_dir`]; what was there is removed.
///
/// # Errors
/// What the operating system says.
pub fn fresh_dir(name: &str) -> std::io::Result<PathBuf> {
    let dir = work_dir();
    std::fs::create_dir_all(&dir)?;
    let dir = dir.join(name);
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(dir),
    }
}

/// Bytes of all files of a directory: as long as they say they are, and as allocated.
///
/// # Errors
/// What the operating system says.
pub fn disk_bytes(dir: &Path) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(dir)? {
        let metadata = entry?.metadata()?;
        sum = (sum.0 + metadata.len(), sum.1 + metadata.blocks() * 512);
    }
    Ok(sum)
}
