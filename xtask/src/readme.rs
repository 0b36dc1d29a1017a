//! The programs on the pages for users are parts of programs in examples/, which are built and run: here, that they are the same.
//!
//! A part is between lines that end with `README begins.` and `README ends.`, indented or not. A page's blocks of a language are the parts of its program,
//! in their order. Lines that include something, and empty lines before the first of the others, are left out of a block, as they can't be within a
//! function.

use std::path::Path;

use crate::Outcome;
use crate::text::read;

/// Pages, languages of their blocks, and the programs.
const PROGRAMS: [(&str, &str, &str); 8] = [
    ("README.md", "rust", "examples/rust/readme.rs"),
    ("README.md", "python", "examples/python/readme.py"),
    ("README.md", "go", "examples/go/readme/main.go"),
    ("README.md", "cpp", "examples/cpp/readme.cpp"),
    ("README.md", "c", "examples/c/readme.c"),
    ("bindings/cpp/README.md", "cpp", "examples/cpp/tour.cpp"),
    ("bindings/python/README.md", "python", "examples/python/tour.py"),
    ("bindings/go/README.md", "go", "examples/go/tour/main.go"),
];

/// Compares all of them.
pub(crate) fn check(root: &Path) -> Outcome {
    let mut count = 0;
    for (page, language, path) in PROGRAMS {
        let (text, program) = (read(&root.join(page))?, read(&root.join(path))?);
        let (shown, run) = (blocks(&text, language), parts(&program));
        if shown.is_empty() || shown.len() != run.len() {
            let (shown, run) = (shown.len(), run.len());
            return Err(format!("{page} has {shown} blocks of {language}, {path} {run} parts between markers"));
        }
        for (shown, run) in shown.iter().zip(&run) {
            if let Some((shown, run)) = difference(shown, run) {
                return Err(format!("{page} and {path} differ:\n  {shown}\n  {run}"));
            }
        }
        count += shown.len();
    }
    Ok(format!("{count} programs on the pages for users are those that run"))
}

/// The blocks of a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<Vec<&'a str>> {
    let fence = format!("```{language}");
    let blocks = between(page, |line| line == fence, |line| line == "```").into_iter();
    blocks
        .map(|block| {
            let lines = block.into_iter().filter(|line| !line.starts_with("#include"));
            lines.skip_while(|line| line.is_empty()).collect()
        })
        .collect()
}

/// What is between the markers, without the indent of its first line.
fn parts(program: &str) -> Vec<Vec<&str>> {
    let is_begin = |line: &str| line.ends_with("README begins.");
    let parts = between(program, is_begin, |line| line.ends_with("README ends.")).into_iter();
    let blank = |line: &str| line.len() - line.trim_start().len();
    parts
        .map(|part| {
            let indent = part.first().map_or(0, |line| blank(line));
            part.into_iter().map(|line| &line[if blank(line) >= indent { indent } else { 0 }..]).collect()
        })
        .collect()
}

/// The lines between each first line and its last.
fn between(text: &str, is_begin: impl Fn(&str) -> bool, is_end: impl Fn(&str) -> bool) -> Vec<Vec<&str>> {
    let (mut found, mut lines) = (Vec::new(), text.lines());
    while lines.any(&is_begin) {
        found.push(lines.by_ref().take_while(|line| !is_end(line)).collect());
    }
    found
}

/// The first line that is another.
fn difference(one: &[&str], other: &[&str]) -> Option<(String, String)> {
    let line = |lines: &[&str], n: usize| lines.get(n).map_or("(nothing)".to_owned(), |line| (*line).to_owned());
    (0..one.len().max(other.len())).map(|n| (line(one, n), line(other, n))).find(|(one, other)| one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_parts_are_compared_line_by_line() {
        let page = "```c\n#include <x>\n\na;\n    b;\n\nc;\n```\n```rust\nno;\n```\n```c\nd;\n```\n";
        let shown = blocks(page, "c");
        assert_eq!(shown, [vec!["a;", "    b;", "", "c;"], vec!["d;"]]);
        assert!(blocks(page, "go").is_empty() && parts("int main() {}").is_empty());
        let program = "int main() {\n    // README begins.\n    a;\n        b;\n\n    c;\n    // README ends.\n    e;\n\
            // README begins.\nd;\n// README ends.\n}\n";
        let run = parts(program);
        assert_eq!(run, shown);
        assert_eq!(difference(&shown[0], &run[0]), None);
        let other = parts("# README begins.\na;\n    b;\n\nd;\n");
        assert_eq!(difference(&shown[0], &other[0]), Some(("c;".into(), "d;".into())));
        assert_eq!(difference(&shown[0], &run[0][..3]), Some(("c;".into(), "(nothing)".into())));
    }
}
