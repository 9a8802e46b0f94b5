//! Rust source as the checks of this folder read it: without comments, and without what literals say.

use std::fs;
use std::path::{Path, PathBuf};

/// A path below the package's folder.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A file of the package.
pub fn read(relative: &str) -> String {
    fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The code alone: comments and the contents of literals become blanks, lines stay where they are.
pub fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kept, blanked) = next_piece(rest, first);
        code.push_str(&rest[..kept]);
        code.extend(rest[kept..kept + blanked].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[kept + blanked..];
    }
    code
}

/// How many bytes to keep and how many after them to blank. One of both is not 0.
fn next_piece(rest: &str, first: char) -> (usize, usize) {
    let upto = |end: &str| rest.find(end).unwrap_or(rest.len());
    match first {
        '/' if rest.starts_with("//") => (0, upto("\n")),
        '/' if rest.starts_with("/*") => (0, (upto("*/") + 2).min(rest.len())),
        '"' => (1, literal_bytes(&rest[1..], '"')),
        '\'' => (1, char_bytes(&rest[1..])),
        'r' if raw_marks(rest).is_some() => {
            let marks = raw_marks(rest).unwrap_or_default();
            let end = format!("\"{}", "#".repeat(marks));
            let body = &rest[marks + 2..];
            (marks + 2, body.find(&end).unwrap_or(body.len()) + end.len())
        }
        // A word is kept whole, so that its last letter is never taken for the `r` of a raw string.
        c if c.is_alphanumeric() || c == '_' => {
            (rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()), 0)
        }
        c => (c.len_utf8(), 0),
    }
}

/// The number of `#` if a raw string starts here.
fn raw_marks(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let marks = after.len() - after.trim_start_matches('#').len();
    after[marks..].starts_with('"').then_some(marks)
}

/// Bytes of a literal's contents with its closing mark.
fn literal_bytes(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// As [`literal_bytes`] for a character; 0 after the mark of a lifetime.
fn char_bytes(rest: &str) -> usize {
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => literal_bytes(rest, '\''),
        (Some(c), Some('\'')) => c.len_utf8() + 1,
        _ => 0,
    }
}
