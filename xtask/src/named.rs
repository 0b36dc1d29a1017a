//! Documentation names tests; they have to be there.
//!
//! In docs/PEERS.md what stands between backticks and has the form `file::name` is a test: the file is seen from core/tests, from core if it begins with
//! `src/`, and from the root if it begins with `tests/`; `.rs` is left out. The name is that of a function, of a case, or of what a macro makes a function of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::text::{quoted, read, verdict};

const PAGE: &str = "docs/PEERS.md";

/// Looks for all of them.
pub(crate) fn check(root: &Path) -> Outcome {
    let page = read(&root.join(PAGE))?;
    let (mut complaints, mut found) = (Vec::new(), 0);
    for (file, name) in named(&page) {
        let path = root.join(path_of(file));
        match read(&path) {
            Ok(text) if has(&text, &path, name) => found += 1,
            Ok(_) => complaints.push(format!("{PAGE} names {file}::{name}, which is not in {}", path.display())),
            Err(error) => complaints.push(format!("{PAGE} names {file}::{name}: {error}")),
        }
    }
    verdict(PAGE, found, ("test", "tests"), complaints)
}

/// The tests that a page names: files and names.
fn named(page: &str) -> BTreeSet<(&str, &str)> {
    page.lines().flat_map(quoted).filter_map(|quoted| quoted.split_once("::")).collect()
}

fn path_of(file: &str) -> PathBuf {
    match file {
        _ if file.starts_with("tests/") => PathBuf::from(file),
        _ if file.starts_with("src/") => PathBuf::from(format!("core/{file}.rs")),
        _ => PathBuf::from(format!("core/tests/{file}.rs")),
    }
}

/// Whether a file has a test of this name.
fn has(text: &str, path: &Path, name: &str) -> bool {
    let lines = || text.lines().map(str::trim);
    let behind = |line: &str, before: &str| {
        let rest = line.strip_prefix(before).and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-'))
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("case") => lines().any(|line| behind(line, "case ")),
        Some("c") => lines().any(|line| behind(line, "static void ")),
        _ => {
            let is_test = |pair: &[&str]| pair[0].starts_with("#[") && behind(pair[1], "fn ");
            let made = |line: &str| behind(line, "") && line.ends_with(';') && line[name.len()..].starts_with(" = ");
            lines().collect::<Vec<_>>().windows(2).any(is_test) || lines().any(made)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_between_backticks() {
        let page = "| `a/b::one`, `tests/c/x.c::two` | `no name` and ``\n`src/x::three` text `unpaired";
        let found: Vec<_> = named(page).into_iter().collect();
        assert_eq!(found, [("a/b", "one"), ("src/x", "three"), ("tests/c/x.c", "two")]);
        assert_eq!(path_of("a/b"), Path::new("core/tests/a/b.rs"));
        assert_eq!(path_of("src/x"), Path::new("core/src/x.rs"));
        assert_eq!(path_of("tests/c/x.c"), Path::new("tests/c/x.c"));
    }

    #[test]
    fn a_test_is_a_function_with_an_attribute_or_what_a_macro_makes() {
        let rust = "#[test]\nfn one() {}\n\nfn two() {}\nmake! {\n    three = 3;\n}\n#[cfg(x)]\nfn one_more() {}\n";
        let is = |name| has(rust, Path::new("x.rs"), name);
        assert!(is("one") && is("three") && is("one_more"));
        assert!(!is("two") && !is("on") && !is("one_") && !is("thre") && !is("four"));
        let cases = "case first-one\nput 1\ncase second large\n";
        assert!(["first-one", "second"].iter().all(|name| has(cases, Path::new("x.case"), name)));
        assert!(["first", "put", "third"].iter().all(|name| !has(cases, Path::new("x.case"), name)));
        let c = "static void nulls(bitcask_db *db) {\n";
        assert!(has(c, Path::new("x.c"), "nulls") && !has(c, Path::new("x.c"), "null"));
    }
}
