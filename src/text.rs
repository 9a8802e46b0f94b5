//! Words from people: names that are well formed, and text that a terminal can be shown.
//!
//! A message is kept and signed exactly as it was typed; what could move a cursor, change a colour or
//! turn the direction of writing is made visible only where it is shown ([`inert`]).

use std::fmt;
use std::str::FromStr;

use crate::limits::NAME_MAX_BYTES;

/// An account's name: 1 to [`NAME_MAX_BYTES`] bytes, no white space, nothing invisible, and not starting
/// with a character that a command or a room starts with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a name is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No characters at all.
    #[error("a name must not be empty")]
    Empty,
    /// More than [`NAME_MAX_BYTES`] bytes.
    #[error("a name has at most {NAME_MAX_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// A character that names may not hold.
    #[error("the name {name:?} holds {character:?}; use letters, digits and punctuation without spaces")]
    Character {
        /// The whole name.
        name: String,
        /// The first character that is at fault.
        character: char,
    },
    /// A first character with a meaning of its own.
    #[error("the name {0:?} starts with '/', '#', '-' or '.', which have meanings of their own")]
    Start(String),
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_MAX_BYTES {
            return Err(NameError::TooLong(text.len()));
        }
        if text.starts_with(['/', '#', '-', '.']) {
            return Err(NameError::Start(text.to_owned()));
        }
        let at_fault = |c: &char| c.is_whitespace() || is_active(*c) || *c == '/' || *c == '\\';
        match text.chars().find(at_fault) {
            Some(character) => Err(NameError::Character { name: text.to_owned(), character }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a terminal might act on a character instead of showing it: controls (C0, DEL, C1), and the
/// invisible ones that reorder or hide text.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{61c}' | '\u{180e}')
}

/// Text that a terminal only shows: C0 controls become their pictures (`␛`), others `\u{...}`.
///
/// A zero-width joiner between visible characters stays, since emoji are made with it.
pub fn inert(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{200d}' => shown.push(c),
            '\u{7f}' => shown.push('\u{2421}'),
            c if (c as u32) < 0x20 => shown.extend(char::from_u32(0x2400 + c as u32)),
            c if is_active(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// An operating system's error as people write it: "connection refused", without Rust's "(os error 111)".
pub fn os_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

/// "1 message", "2 messages".
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// As [`count`], of what was counted up to one more than `most`: "1000+ messages".
pub fn count_upto(number: usize, most: usize, noun: &str) -> String {
    if number > most { format!("{most}+ {noun}s") } else { count(number, noun) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_no_further_is_said_to_be_more() {
        let cases = [(0, "0 lines"), (1, "1 line"), (7, "7 lines"), (8, "7+ lines"), (9, "7+ lines")];
        for (number, words) in cases {
            assert_eq!(count_upto(number, 7, "line"), words);
        }
    }

    #[test]
    fn names_that_people_use_are_taken() {
        for name in ["alice", "|trey|", "Zoë", "李雷", "x", "[away]_bob^", &"n".repeat(NAME_MAX_BYTES)] {
            assert_eq!(name.parse::<Name>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_could_mislead_are_refused() {
        let too_long = "n".repeat(NAME_MAX_BYTES + 1);
        for name in [
            "",
            "a b",
            "a\n",
            "\u{1b}[31mred",
            "al\u{202e}ice",
            "\u{200b}",
            "/dm",
            "#room",
            "..",
            "a/b",
            "-x",
            &too_long,
        ] {
            let error = name.parse::<Name>().unwrap_err().to_string();
            assert!(!error.contains('\u{1b}') && !error.contains('\u{202e}'), "{error:?} is not inert");
        }
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_survives() {
        let hostile = "\u{1b}]0;owned\u{7}\r\n\u{9b}31m\u{202e}\u{7f}\u{feff}plain";
        let shown = inert(hostile);
        assert!(shown.chars().all(|c| !is_active(c)), "{shown:?}");
        assert!(shown.starts_with('␛') && shown.ends_with("plain"), "{shown:?}");
    }

    #[test]
    fn ordinary_text_is_shown_as_it_is() {
        for text in ["hello", "naïve ☕ 日本語", "👩‍💻 at work", "e\u{301}"] {
            assert_eq!(inert(text), text);
        }
    }
}
