//! The README's short programs are parts of programs in examples/, which are built and run: here, that they are the same.
//!
//! A part is between lines that end with `README begins.` and `README ends.`, indented or not. Of the README's blocks the first of each language
//! counts. Lines that include something, and empty lines before the first of the others, are left out of a block, as they can't be within a function.

use std::fs;
use std::path::Path;

use crate::Outcome;

const PAGE: &str = "README.md";
const PROGRAMS: [(&str, &str); 5] = [
    ("rust", "examples/rust/readme.rs"),
    ("python", "examples/python/readme.py"),
    ("go", "examples/go/readme/main.go"),
    ("cpp", "examples/cpp/readme.cpp"),
    ("c", "examples/c/readme.c"),
];

/// Compares all of them.
pub(crate) fn check(root: &Path) -> Outcome {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"));
    let page = read(PAGE)?;
    for (language, path) in PROGRAMS {
        let shown = block(&page, language).ok_or_else(|| format!("{PAGE} has no block of {language}"))?;
        let program = read(path)?;
        let run = part(&program).ok_or_else(|| format!("{path} has no part between the markers"))?;
        if let Some((shown, run)) = difference(&shown, &run) {
            return Err(format!("{PAGE} and {path} differ:\n  {shown}\n  {run}"));
        }
    }
    Ok(format!("{} programs of {PAGE} are those that run", PROGRAMS.len()))
}

/// The first block of a language.
fn block<'a>(page: &'a str, language: &str) -> Option<Vec<&'a str>> {
    let fence = format!("```{language}");
    let lines = page.lines().skip_while(|line| *line != fence).skip(1).take_while(|line| *line != "```");
    let lines: Vec<&str> =
        lines.filter(|line| !line.starts_with("#include")).skip_while(|line| line.is_empty()).collect();
    (!lines.is_empty()).then_some(lines)
}

/// What is between the markers, without the indent of its first line.
fn part(program: &str) -> Option<Vec<&str>> {
    let is_end = |line: &&str| !line.ends_with("README ends.");
    let lines = program.lines().skip_while(|line| !line.ends_with("README begins.")).skip(1).take_while(is_end);
    let lines: Vec<&str> = lines.collect();
    let indent = lines.first()?.len() - lines.first()?.trim_start().len();
    let without =
        |line: &'_ str| -> Option<usize> { (line.len() - line.trim_start().len() >= indent).then_some(indent) };
    Some(lines.iter().map(|line| &line[without(line).unwrap_or(0)..]).collect())
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
        let page = "```c\n#include <x>\n\na;\n    b;\n\nc;\n```\n```c\nno;\n```\n";
        let shown = block(page, "c").unwrap();
        assert_eq!(shown, ["a;", "    b;", "", "c;"]);
        assert_eq!(block(page, "go"), None);
        let run = part("int main() {\n    // README begins.\n    a;\n        b;\n\n    c;\n    // README ends.\n}\n")
            .unwrap();
        assert_eq!(difference(&shown, &run), None);
        assert_eq!(part("int main() {}"), None);
        let other = part("# README begins.\na;\n    b;\n\nd;\n").unwrap();
        assert_eq!(difference(&shown, &other), Some(("c;".into(), "d;".into())));
        assert_eq!(difference(&shown, &run[..3]), Some(("c;".into(), "(nothing)".into())));
    }
}
