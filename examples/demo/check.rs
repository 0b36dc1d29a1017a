//! Compares a store with the directory it was made of, in Rust. See README.md for what is checked and by which rules.
//!
//! `demo-check WORK DIRECTORY [EARLIER...]`
#![allow(clippy::print_stdout, clippy::print_stderr)] // It is for looking at.

use std::collections::HashSet;
use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use bitcask::{Db, IterOptions, MAX_KEY_LEN, MAX_VALUE_LEN, Options};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ME: &str = "rust";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let [work, root, earlier @ ..] = &args[..] else {
        eprintln!("usage: demo-check WORK DIRECTORY [EARLIER...]");
        return ExitCode::from(2);
    };
    match run(Path::new(work), Path::new(root), earlier.iter().filter_map(|name| name.to_str())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("Rust: {error}");
            ExitCode::from(2)
        }
    }
}

/// The directory that was stored. Paths are below its root, and bytes.
struct Tree {
    root: PathBuf,
    work: (u64, u64),
    paths: Vec<Vec<u8>>,
    not_regular: usize,
    left_out: usize,
}

impl Tree {
    fn walk(&mut self, below: &[u8]) {
        let Ok(entries) = fs::read_dir(self.full(below)) else {
            self.left_out += 1;
            return;
        };
        for entry in entries {
            // Does not follow links.
            let Ok((entry, metadata)) = entry.and_then(|entry| entry.metadata().map(|metadata| (entry, metadata)))
            else {
                self.left_out += 1;
                continue;
            };
            let name = entry.file_name();
            let path =
                if below.is_empty() { name.as_bytes().to_vec() } else { [below, b"/", name.as_bytes()].concat() };
            if metadata.is_dir() {
                if (metadata.dev(), metadata.ino()) != self.work {
                    self.walk(&path);
                }
            } else if metadata.is_file() {
                self.paths.push(path);
            } else {
                self.not_regular += 1;
            }
        }
    }

    fn full(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// The contents of a file; `None` if it can't be read or is not stored.
    fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        if path.len() > MAX_KEY_LEN {
            return None;
        }
        let full = self.full(path);
        // Nothing but a regular file is opened: a pipe would wait for its other end.
        if !fs::symlink_metadata(&full).ok()?.is_file() {
            return None;
        }
        let mut file = File::open(full).ok()?;
        let len = file.metadata().ok()?.len();
        if len > MAX_VALUE_LEN as u64 {
            return None;
        }
        let mut contents = Vec::with_capacity(len as usize + 1);
        file.read_to_end(&mut contents).ok()?;
        (contents.len() as u64 <= MAX_VALUE_LEN as u64).then_some(contents)
    }

    /// Whether a file, or if it is gone its nearest directory, changed at that time or later.
    fn changed_since(&self, path: &[u8], nanoseconds: i64) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        let nearest = path.ancestors().find_map(|path| fs::symlink_metadata(self.root.join(path)).ok());
        nearest.is_none_or(|metadata| metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec() >= nanoseconds)
    }
}

struct Differences<'a> {
    tree: &'a Tree,
    started: i64,
    count: usize,
    changed: usize,
}

impl Differences<'_> {
    /// Notes one, unless the file changed meanwhile.
    fn add(&mut self, path: &[u8], what: &str) {
        if self.tree.changed_since(path, self.started) {
            self.changed += 1;
        } else {
            self.note(&format!("\"{}\": {what}", path.escape_ascii()));
        }
    }

    fn note(&mut self, what: &str) {
        self.count += 1;
        if self.count <= 10 {
            eprintln!("Rust: {what}");
        }
    }
}

fn where_different(stored: &[u8], file: &[u8]) -> String {
    if stored.len() != file.len() {
        return format!("the store has {} bytes, the file {}", stored.len(), file.len());
    }
    let at = stored.iter().zip(file).take_while(|(a, b)| a == b).count();
    format!("other bytes from offset {at} on")
}

/// A key of the demonstration's own. Those are text.
fn own(db: &Db, key: &str) -> Outcome<String> {
    let value = db.get(key.as_bytes())?.ok_or_else(|| format!("the store has no {key}"))?;
    Ok(String::from_utf8_lossy(&value).into_owned())
}

/// Compares, and tells whether all is the same; an error is for what kept it from comparing.
fn run<'a>(work: &Path, root: &Path, earlier: impl Iterator<Item = &'a str>) -> Outcome<bool> {
    let metadata = fs::metadata(work)?;
    let work_id = (metadata.dev(), metadata.ino());
    let mut tree = Tree { root: root.into(), work: work_id, paths: Vec::new(), not_regular: 0, left_out: 0 };
    tree.walk(b"");
    let start = Instant::now();
    let db = Db::open(work.join("store"), &Options::new().create_if_missing(false))?;
    let opened = start.elapsed();
    // A second earlier, because the kernel's clock for files is coarse.
    let started = own(&db, "/demo/started")?.parse::<i64>()? - 1_000_000_000;
    let mut differences = Differences { tree: &tree, started, count: 0, changed: 0 };

    // Every file has its key, with its bytes.
    let (mut compared, mut bytes, mut left_out) = (HashSet::new(), 0, tree.left_out);
    let start = Instant::now();
    for path in &tree.paths {
        let Some(contents) = tree.read(path) else {
            left_out += 1;
            continue;
        };
        compared.insert(path.as_slice());
        bytes += contents.len();
        match db.get(path) {
            Ok(Some(value)) if value[..] == contents[..] => {}
            Ok(Some(value)) => differences.add(path, &where_different(&value, &contents)),
            Ok(None) => differences.add(path, "missing in the store"),
            Err(error) => differences.note(&format!("\"{}\": {error}", path.escape_ascii())),
        }
    }
    let took = start.elapsed();

    // Every key has its file.
    for record in db.iter(&IterOptions::new().keys_only(true))? {
        let (key, _) = record?;
        if key[0] != b'/' && !compared.contains(key.as_slice()) {
            differences.add(&key, "in the store, but no file that is stored");
        }
    }

    // One folder, by its prefix, in order.
    let folder = db.get(b"/demo/folder")?.ok_or("the store has no /demo/folder")?;
    let mut listed = Vec::new();
    if !folder.is_empty() {
        for record in db.iter(&IterOptions::new().prefix(&folder).keys_only(true))? {
            listed.push(record?.0);
        }
        if !listed.is_sorted() {
            differences.note("the folder is not listed in order");
        }
        let in_listing: HashSet<&[u8]> = listed.iter().map(Vec::as_slice).collect();
        let in_folder = compared.iter().copied().filter(|path| path.starts_with(&folder)).collect();
        for path in in_listing.symmetric_difference(&in_folder) {
            differences.add(path, "only in one of folder and listing");
        }
    }

    // Nothing that was acknowledged before the kill is lost.
    let acknowledged: u64 = fs::read_to_string(work.join("acknowledged"))?.parse()?;
    let progress: u64 = own(&db, "/demo/progress")?.parse()?;
    if progress < acknowledged {
        differences.note(&format!("write {acknowledged} was acknowledged, the store has {progress}"));
    }

    for name in earlier {
        if own(&db, &format!("/demo/added-by/{name}"))? != format!("added by {name}") {
            differences.note(&format!("the key of {name} holds something else"));
        }
    }
    db.put(format!("/demo/added-by/{ME}").as_bytes(), format!("added by {ME}").as_bytes())?;
    db.close()?;

    println!(
        "Rust: compared {} files, {:.1} MB in {:.2} s; {} has {} keys; left out {} not regular, {left_out} unreadable or too large; {} \
         changed meanwhile",
        compared.len(),
        bytes as f64 / 1e6,
        took.as_secs_f64(),
        if folder.is_empty() { "no folder".into() } else { String::from_utf8_lossy(&folder) },
        listed.len(),
        tree.not_regular,
        differences.changed
    );
    if differences.count > 10 {
        eprintln!("Rust: and {} more", differences.count - 10);
    }
    if differences.count > 0 {
        return Ok(false);
    }
    let mut results = OpenOptions::new().append(true).create(true).open(work.join("results"))?;
    let (took, opened) = (took.as_secs_f64(), opened.as_secs_f64());
    writeln!(results, "Rust\t{}\t{bytes}\t{took}\t{opened}", compared.len())?;
    Ok(true)
}
