//! What the checks that read text share: files, names in documentation, and what is said in the end.

use std::fs;
use std::path::Path;

use crate::Outcome;

pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// What stands between backticks, which come in pairs within a line.
pub(crate) fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// What a check of the names on a page comes to: `found` of these things, a singular and a plural, are there. A page that names none is not what it was.
pub(crate) fn verdict(page: &str, found: usize, (one, many): (&str, &str), mut complaints: Vec<String>) -> Outcome {
    if found == 0 {
        complaints.push(format!("{page} names no {one}"));
    }
    if complaints.is_empty() {
        Ok(format!("{found} {many} that {page} names are there"))
    } else {
        Err(complaints.join("\n"))
    }
}
