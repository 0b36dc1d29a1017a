//! Which module may know which: the layers of the design, held by a test.
//!
//! - Inside core/src, imports go down only, and not sideways except among the data modules at the bottom.
//! - Nothing but the file system layer's own files names the operating system (files, clocks).
//! - `unsafe` is written in a few listed files and nowhere else.
//! - Other crates use the core's public interface; its hidden modules are for its tests and tools.
//!
//! Names are looked at, not resolved: a type that came by `pub use` through a lower module is that module's. Names that the
//! crate's root re-exports count as the module's they are from.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::text::read;
use crate::tokens::{Name, names};

/// Top to bottom. A module may import from any row below its own.
const LAYERS: &[&[&str]] = &[
    &["db"],
    &["options"],
    &["admin"],
    &["engine"],
    &["log", "index"],
    &["format", "vfs"],
    &["error", "types", "clock", "stats", "util"],
];

/// What the rows don't say: files (by the beginnings of their names, the first that fits) that know less than they could. Of the
/// indexes one is a file.
const NARROWER: &[(&str, &[&str])] =
    &[("index/bptree/", &["error", "types", "util", "vfs"]), ("index", &["error", "types", "util"])];

/// Behind the seam, and what asks nothing of files: the only ones in which the operating system may be named.
const SEAM: &[&str] = &["vfs/os", "util/system.rs"];
const SYSTEM_WORDS: &[&str] = &["libc", "memmap2", "SystemTime", "Instant"];
const SYSTEM_PAIRS: &[(&str, &str)] = &[("std", "fs"), ("std", "net"), ("std", "env")];

/// Files of core/src (or beginnings of their names) that exist for what only `unsafe` can do.
const UNSAFE: &[&str] = &[
    "format/record/sums.rs",
    "vfs/os",
    "index/hash/plain.rs",
    "util/huge.rs",
    "util/page.rs",
    "util/pieces.rs",
    "util/prefetch.rs",
    "util/system.rs",
];

/// Files that only tests see, though their names don't say so.
const TEST_FILES: &[&str] = &["index/testing.rs", "vfs/testdir.rs"];

/// Crates over the core, with the name that they know it by.
const USERS: &[(&str, &str)] = &[("ffi/src", "engine"), ("bindings/python/src", "bitcask"), ("cli/src", "bitcask")];

/// Runs all checks on the tree.
pub(crate) fn check(root: &Path) -> Outcome {
    let lib = read(&root.join("core/src/lib.rs"))?;
    let roots = Roots::of(&lib)?;
    let mut complaints = Vec::new();
    let mut files = 0;
    for path in sources(&root.join("core/src"))? {
        let inside = path.strip_prefix(root.join("core/src")).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        complaints.extend(check_core(&inside, &read(&path)?, &roots)?);
        files += 1;
    }
    for (folder, alias) in USERS {
        for path in sources(&root.join(folder))? {
            let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            complaints.extend(check_user(&shown, &read(&path)?, alias, &roots)?);
            files += 1;
        }
    }
    if complaints.is_empty() { Ok(format!("layers hold in {files} files")) } else { Err(complaints.join("\n")) }
}

/// What the crate's root says of its modules.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    /// Re-exported name: the module it is from.
    reexports: HashMap<String, String>,
    /// Modules that are public for tests and tools only.
    hidden: Vec<String>,
}

impl Roots {
    /// Reads lib.rs, by its lines: `pub use module::{A, B};`, and `#[doc(hidden)]` over `pub mod module;`.
    pub(crate) fn of(lib: &str) -> Result<Roots, String> {
        let mut roots = Roots::default();
        for (_, name) in names(lib, 0)? {
            if let Name::Pair(module, name) = name {
                roots.reexports.insert(name, module);
            }
        }
        for pair in lib.lines().map(str::trim).collect::<Vec<_>>().windows(2) {
            if let ("#[doc(hidden)]", Some(module)) = (pair[0], pair[1].strip_prefix("pub mod ")) {
                roots.hidden.push(module.trim_end_matches(';').into());
            }
        }
        Ok(roots)
    }
}

/// Complaints about one file of core/src.
pub(crate) fn check_core(file: &str, text: &str, roots: &Roots) -> Result<Vec<String>, String> {
    let modules = module_path(file);
    let Some(own) = modules.first().filter(|_| !is_test(file)) else { return Ok(Vec::new()) };
    let mut complaints = Vec::new();
    if row(own).is_none() {
        complaints.push(format!("core/src/{file}: module {own} has no place in the layers; give it one in xtask"));
    }
    for (line, name) in names(text, modules.len()).map_err(|error| format!("core/src/{file} {error}"))? {
        let complaint = match &name {
            Name::FromRoot(target) => import(file, own, roots.reexports.get(target).unwrap_or(target)),
            Name::Pair(first, second) => {
                let named = SYSTEM_PAIRS.contains(&(first, second)) && !SEAM.iter().any(|seam| file.starts_with(seam));
                named.then(|| format!("{first}::{second} belongs behind the vfs seam"))
            }
            Name::Word(word) if SYSTEM_WORDS.contains(&word.as_str()) => {
                (!SEAM.iter().any(|seam| file.starts_with(seam))).then(|| format!("{word} belongs behind the vfs seam"))
            }
            Name::Word(word) if word == "unsafe" => {
                let listed = UNSAFE.iter().any(|start| file.starts_with(start));
                (!listed).then(|| "unsafe in a file that is not listed for it".into())
            }
            Name::Word(_) => None,
        };
        complaints.extend(complaint.map(|what| format!("core/src/{file}:{line}: {what}")));
    }
    complaints.dedup();
    Ok(complaints)
}

/// Complaints about one file of a crate over the core.
pub(crate) fn check_user(file: &str, text: &str, alias: &str, roots: &Roots) -> Result<Vec<String>, String> {
    let found = names(text, 0).map_err(|error| format!("{file} {error}"))?;
    let hidden = found.into_iter().filter_map(|(line, name)| match name {
        Name::Pair(first, second) if first == alias && roots.hidden.contains(&second) => {
            Some(format!("{file}:{line}: {first}::{second} is not part of the core's public interface"))
        }
        _ => None,
    });
    Ok(hidden.collect())
}

/// What is wrong with a file of module `own` importing from module `target`, if anything.
fn import(file: &str, own: &str, target: &str) -> Option<String> {
    if own == target {
        return None;
    }
    let (Some(from), Some(to)) = (row(own), row(target)) else {
        // Macros and the root's own names are nobody's; a module without a place is complained about in its own files.
        return None;
    };
    let bottom = LAYERS.len() - 1;
    if from > to || (from == to && from != bottom) {
        return Some(format!("{own} imports from {target}, which is not below it"));
    }
    let narrow = NARROWER.iter().find(|(start, _)| file.starts_with(start))?.1;
    (!narrow.contains(&target)).then(|| format!("{own} imports from {target}; it may know {} only", narrow.join(", ")))
}

fn row(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// `db/batch.rs` is [db, batch], `db/mod.rs` and `db.rs` are [db], `lib.rs` is [].
fn module_path(file: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    if matches!(parts[..], ["lib"]) || parts.last() == Some(&"mod") {
        parts.pop();
    }
    parts
}

fn is_test(file: &str) -> bool {
    TEST_FILES.contains(&file) || file.ends_with("tests.rs") || file.split('/').any(|part| part == "tests")
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(found) };
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
