//! docs/LANGUAGES.md names the calls of each language; they have to be there, and none may be missing.
//!
//! A table whose head has the columns Rust, C, C++, Python and Go has names of calls between backticks in these columns: `Owner::call` in Rust and
//! C++, `Owner.call` in Python and Go (`bitcask.call` and `Call` without an owner), `bitcask_call` in C. All public calls of an owner that
//! the page names, and all of C and of Go's package, must be named in the language's column of some row, or in the page's text.
//!
//! Declarations are read as text, by the form that the repository's formatters give them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::text::{quoted, read, verdict};

const PAGE: &str = "docs/LANGUAGES.md";
const LANGUAGES: [&str; 5] = ["Rust", "C", "C++", "Python", "Go"];

type Names = BTreeSet<String>;

/// Compares the page with the sources.
pub(crate) fn check(root: &Path) -> Outcome {
    let page = read(&root.join(PAGE))?;
    let tables = tables(&page);
    let told = prose(&page);
    let (mut complaints, mut found) = (Vec::new(), 0);
    for (n, language) in LANGUAGES.into_iter().enumerate() {
        let declared = declared(root, language)?;
        for name in &tables[n] {
            if declared.contains(*name) {
                found += 1;
            } else {
                complaints.push(format!("{PAGE} names {name} in {language}, which is not there"));
            }
        }
        let owners: BTreeSet<&str> = tables[n].iter().filter_map(|name| owner(name)).collect();
        let is_missing = |name: &&String| {
            let is_named = [&tables[n], &told].iter().any(|names| names.contains(name.as_str()));
            owner(name).is_none_or(|owner| owners.contains(owner)) && !is_named
        };
        complaints.extend(declared.iter().filter(is_missing).map(|name| format!("{PAGE} lacks {name} in {language}")));
    }
    verdict(PAGE, found, ("call", "calls"), complaints)
}

fn owner(name: &str) -> Option<&str> {
    name.rsplit_once("::").or_else(|| name.rsplit_once('.')).map(|(owner, _)| owner)
}

/// The names in the columns of each language.
fn tables(page: &str) -> [BTreeSet<&str>; 5] {
    let (mut names, mut columns) = ([const { BTreeSet::new() }; 5], None);
    for line in page.lines() {
        if !line.starts_with('|') {
            columns = None;
            continue;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Some(columns) = &columns else {
            let places = LANGUAGES.map(|language| cells.iter().position(|cell| *cell == language));
            columns = Some(places);
            continue;
        };
        for (names, place) in names.iter_mut().zip(columns) {
            names.extend(place.and_then(|place| cells.get(place)).into_iter().flat_map(|cell| quoted(cell)));
        }
    }
    names
}

/// The names that stand outside of tables, which are of no language's column.
fn prose(page: &str) -> BTreeSet<&str> {
    page.lines().filter(|line| !line.starts_with('|')).flat_map(quoted).collect()
}

/// All public calls of a language.
fn declared(root: &Path, language: &str) -> Result<Names, String> {
    let (dir, extensions): (_, &[&str]) = match language {
        "Rust" => ("core/src", &["rs"]),
        "C" => ("include", &["h"]),
        "C++" => ("bindings/cpp/include/bitcask", &["hpp"]),
        "Python" => ("bindings/python/python/bitcask", &["py", "pyi"]),
        _ => ("bindings/go", &["go"]),
    };
    let mut texts = Vec::new();
    for path in files(&root.join(dir))? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let is_wanted = path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted));
        if is_wanted && !name.ends_with("_test.go") {
            texts.push(read(&path)?);
        }
    }
    let texts = texts.iter().map(String::as_str);
    Ok(match language {
        "Rust" => texts.flat_map(rust).collect(),
        "C" => texts.flat_map(c).collect(),
        "C++" => cpp(texts),
        "Python" => texts.flat_map(python).collect(),
        _ => texts.flat_map(go).collect(),
    })
}

/// The files under a directory, without those of commands and tests, and of what Python has behind its methods.
fn files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))? {
        let path = entry.map_err(|error| format!("{}: {error}", dir.display()))?.path();
        match path.file_name().and_then(|name| name.to_str()) {
            Some("cmd" | "lib" | "tests" | "__pycache__" | "_aio.py") => {}
            _ if path.is_dir() => found.extend(files(&path)?),
            _ => found.push(path),
        }
    }
    Ok(found)
}

/// The identifier that a text begins with.
fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
}

/// The identifier that a text ends with.
fn last_word(text: &str) -> &str {
    text.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
}

fn rust(text: &str) -> Names {
    let (mut names, mut owner, mut of_trait, mut hidden) = (Names::new(), None, false, false);
    for line in text.lines() {
        if line.starts_with("impl") {
            let head = line.split(" where ").next().unwrap_or(line).trim_end_matches(['{', '}', ' ']);
            let (before, of) = head.rsplit_once(" for ").map_or((head, head), |(before, of)| (before, of));
            of_trait = before.len() != head.len();
            let of = if of_trait { of } else { of.rsplit(' ').next().unwrap_or(of) };
            owner = Some(word(of));
        } else if line.starts_with('}') {
            owner = None;
        }
        let Some(owner) = owner else { continue };
        let line = line.strip_prefix("    ").unwrap_or("");
        let call = line.strip_prefix("pub ").or(Some(line).filter(|_| of_trait && owner == "Iter"));
        if let Some(name) = call.map(|call| call.trim_start_matches("const ")).and_then(|call| call.strip_prefix("fn "))
            && !hidden
        {
            names.insert(format!("{owner}::{}", word(name)));
        }
        if !line.starts_with("#[") || line.contains("doc(hidden)") {
            hidden = line.contains("doc(hidden)");
        }
    }
    names
}

fn c(text: &str) -> Names {
    let declarations = text.lines().filter(|line| !line.starts_with([' ', '/', '#']));
    let names = declarations.filter_map(|line| Some(last_word(line.split_once('(')?.0)));
    names.filter(|name| name.starts_with("bitcask_")).map(str::to_owned).collect()
}

/// Members of classes, with those that are inherited. Those that return a result instead of throwing are what their namesakes are.
fn cpp<'a>(texts: impl Iterator<Item = &'a str>) -> Names {
    let mut classes: BTreeMap<&str, (Vec<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for text in texts {
        let (mut class, mut is_public, mut in_head) = ("", false, false);
        for line in text.lines() {
            let head = line.strip_prefix("class ").or_else(|| line.strip_prefix("struct "));
            if let Some(head) = head.filter(|_| !line.ends_with(';')) {
                class = word(head.trim_start_matches("[[nodiscard]] "));
                (is_public, in_head) = (line.starts_with("struct "), true);
            }
            let (bases, members) = classes.entry(class).or_default();
            if in_head {
                bases.extend(line.split("public ").skip(1).map(word));
                in_head = !line.ends_with('{');
                continue;
            }
            match line {
                "public:" => is_public = true,
                "private:" | "protected:" => is_public = false,
                _ if line.starts_with('}') => is_public = false,
                _ => {}
            }
            let Some(member) = line.strip_prefix("    ").filter(|member| is_public && !member.starts_with(' ')) else {
                continue;
            };
            let Some((before, _)) = member.split_once('(') else { continue };
            let name = last_word(before);
            let is_call = !before.contains(['=', '~', '/', '#']) && !before.contains("operator") && before != name;
            let is_ours = !["", class, "begin", "end", "handle", "explicit"].contains(&name) || class == "IterOptions";
            if is_call && is_ours && name != class && !name.is_empty() && !name.starts_with("try_") {
                members.insert(name);
            }
        }
    }
    let mut names = Names::new();
    for (class, (bases, members)) in &classes {
        let inherited = bases.iter().filter_map(|base| classes.get(base)).flat_map(|(_, members)| members);
        names.extend(members.iter().chain(inherited).map(|member| format!("{class}::{member}")));
    }
    names
}

fn python(text: &str) -> Names {
    let (mut names, mut owner) = (Names::new(), "bitcask");
    for line in text.lines() {
        if let Some(class) = line.strip_prefix("class ") {
            owner = word(class);
        } else if line.starts_with("def ") {
            owner = "bitcask";
        }
        let line = if owner == "bitcask" { line } else { line.strip_prefix("    ").unwrap_or("") };
        let call = line.strip_prefix("def ").map(word);
        let field =
            line.split_once(": ").map(|(name, _)| name).filter(|name| owner != "bitcask" && word(name) == *name);
        if let Some(name) = call.or(field).filter(|name| !name.is_empty() && !name.starts_with('_')) {
            names.insert(format!("{owner}.{name}"));
        }
    }
    names
}

fn go(text: &str) -> Names {
    let mut names = Names::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("func ")) {
        let (owner, call) = match line.strip_prefix('(').and_then(|method| method.split_once(") ")) {
            Some((receiver, call)) => (Some(last_word(receiver.trim_end_matches("[P]"))), call),
            None => (None, line),
        };
        let is_public = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase());
        let name = word(call);
        match owner {
            Some(owner) if is_public(owner) && is_public(name) => names.insert(format!("{owner}.{name}")),
            None if is_public(name) => names.insert(name.to_owned()),
            _ => false,
        };
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &Names) -> Vec<&str> {
        names.iter().map(String::as_str).collect()
    }

    #[test]
    fn names_are_in_the_columns_of_tables_that_have_the_languages() {
        let page = "| task | Rust | C | C++ | Python | Go |\n|---|---|---|---|---|---|\n| `no` | `A::b`, `A::c` | – | x | `p.q`, text | `R` |\n\n\
                    | other | what |\n|---|---|\n| `no` | `no` |\n\nText of `D::e`.\n";
        assert_eq!(prose(page).into_iter().collect::<Vec<_>>(), ["D::e"], "another column names nothing");
        let tables = tables(page);
        assert_eq!(
            tables.map(|names| names.into_iter().collect::<Vec<_>>().join(" ")),
            ["A::b A::c", "", "", "p.q", "R"]
        );
        assert_eq!([owner("A::b"), owner("p.q"), owner("R"), owner("bitcask_x")], [Some("A"), Some("p"), None, None]);
    }

    #[test]
    fn declarations_are_found_as_they_are_written() {
        let text = "impl Db {\n    pub fn get(&self) {\n    }\n    #[doc(hidden)]\n    pub fn no(&self) {}\n    pub(crate) fn no2() {}\n    fn no3() {}\n}\n\
                    impl<T> From<T> for Other {\n    fn no() {}\n}\nimpl Iterator for Iter {\n    fn next(&mut self) {}\n}\npub fn no() {}\n";
        assert_eq!(list(&rust(text)), ["Db::get", "Iter::next"]);
        let text = "// bitcask_no(x)\nint32_t bitcask_open(const char *path,\n                 int no(void));\nconst char *bitcask_version(void);\n";
        assert_eq!(list(&c(text)), ["bitcask_open", "bitcask_version"]);
        let text = "template <class Of>\nclass Base {\npublic:\n    Of& put(int x) {\n        no(x);\n    }\n    Result<void> try_put(int x);\n};\n\
                    class Store : public Base<Store>,\n              public Other<Store> {\npublic:\n    explicit Store(int x);\n    ~Store();\n    void close() {}\n\
                    private:\n    void no() {}\n};\nstruct Plain {\n    bool is() const { return true; }\n};\n";
        assert_eq!(list(&cpp([text].into_iter())), ["Base::put", "Plain::is", "Store::close", "Store::put"]);
        let text = "def open(path):\n    no: int = 1\n\nclass Store(Mapping):\n    x: int\n    \"\"\"Text: more.\"\"\"\n    def get(self): ...\n    def _no(self): ...\n";
        assert_eq!(list(&python(text)), ["Store.get", "Store.x", "bitcask.open"]);
        let text = "func Open(path string) {\nfunc (db *DB) Put() {\nfunc (db *DB) no() {\nfunc (o opt) No() {\nfunc Fold[A any](of A) {\n";
        assert_eq!(list(&go(text)), ["DB.Put", "Fold", "Open"]);
    }
}
