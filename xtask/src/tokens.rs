//! Rust source as a flat list of what the checks look at: crate-relative module names, other names, each with its line.
//! Works on tokens, so that comments, strings and formatting don't matter, and the insides of macros do.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Something a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The first step of a path from the crate's root: `crate::X`, `super::X` that reaches the root, or in a `use` group.
    FromRoot(String),
    /// The two first steps of any other path: `std::fs`, `engine::Db`. In groups too.
    Pair(String, String),
    /// Any identifier or keyword.
    Word(String),
}

/// Lexes a file and lists its names. `depth` is how many modules the file is below the crate's root. Items under
/// `#[cfg(test)]` are left out: tests may look anywhere.
pub(crate) fn names(text: &str, depth: usize) -> Result<Vec<(usize, Name)>, String> {
    let stream: TokenStream = text.parse().map_err(|error| format!("does not lex: {error}"))?;
    let mut found = Vec::new();
    walk(&without_tests(stream), depth, &mut found);
    Ok(found)
}

fn walk(tokens: &[TokenTree], depth: usize, found: &mut Vec<(usize, Name)>) {
    let mut at = 0;
    while at < tokens.len() {
        let inline_module = at >= 2 && is_word(&tokens[at - 2], "mod");
        match &tokens[at] {
            TokenTree::Group(group) => {
                let inside = without_tests(group.stream());
                walk(&inside, depth + usize::from(inline_module && group.delimiter() == Delimiter::Brace), found);
            }
            TokenTree::Ident(word) => {
                let (line, word) = (word.span().start().line, word.to_string());
                found.push((line, Name::Word(word.clone())));
                let starts_path = at < 2 || !is_colons(tokens, at - 2);
                if starts_path && is_colons(tokens, at + 1) {
                    path(&word, tokens, at + 3, depth, found);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Takes a path's first word and what follows its `::`.
fn path(first: &str, tokens: &[TokenTree], mut next: usize, depth: usize, found: &mut Vec<(usize, Name)>) {
    let mut supers = usize::from(first == "super");
    while supers > 0 && tokens.get(next).is_some_and(|token| is_word(token, "super")) && is_colons(tokens, next + 1) {
        supers += 1;
        next += 3;
    }
    let from_root = first == "crate" || (supers > 0 && supers >= depth);
    if supers > 0 && !from_root || first == "self" {
        return;
    }
    for (line, second) in heads(tokens, next) {
        found.push((line, if from_root { Name::FromRoot(second) } else { Name::Pair(first.into(), second) }));
    }
}

/// The words that a path goes on with: one, or the first of each member of a group.
fn heads(tokens: &[TokenTree], at: usize) -> Vec<(usize, String)> {
    match tokens.get(at) {
        Some(TokenTree::Ident(word)) => vec![(word.span().start().line, word.to_string())],
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => members(group),
        _ => Vec::new(),
    }
}

fn members(group: &Group) -> Vec<(usize, String)> {
    let mut first = true;
    let mut heads = Vec::new();
    for token in group.stream() {
        match &token {
            TokenTree::Punct(mark) if mark.as_char() == ',' => first = true,
            TokenTree::Ident(word) if first => {
                heads.push((word.span().start().line, word.to_string()));
                first = false;
            }
            _ => first = false,
        }
    }
    heads
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn is_mark(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    is_mark(tokens.get(at), ':') && is_mark(tokens.get(at + 1), ':')
}

/// Leaves out each item behind an outer attribute `#[cfg(…test…)]`, up to its braces or semicolon.
fn without_tests(stream: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !is_mark(tokens.get(at), '#') || !tokens.get(at + 1).is_some_and(is_test_attribute) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += 2;
        while at < tokens.len() {
            let token = &tokens[at];
            at += 1;
            let braces = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
            if braces || is_mark(Some(token), ';') {
                break;
            }
        }
    }
    kept
}

fn is_test_attribute(token: &TokenTree) -> bool {
    let TokenTree::Group(attribute) = token else { return false };
    let mut inside = attribute.stream().into_iter();
    let is_cfg = inside.next().is_some_and(|first| is_word(&first, "cfg"));
    // `cfg(not(test))` is what ships; nothing here tells more than these two forms apart.
    let condition = inside.next().map(|group| group.to_string()).unwrap_or_default();
    is_cfg && (condition == "(test)" || condition.starts_with("(all (test") || condition.starts_with("(all(test"))
}
