//! All that commands print, so that colour, closed pipes and terminals are thought of once.
//!
//! Results go to standard output ([`say`]), everything about the doing to standard error ([`note`], [`warn`]
//! for what went wrong, [`detail`] for the curious).
//! anstream drops colours when the reader is no terminal or NO_COLOR is set.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::failure::Failure;

/// Names, headings.
pub const BOLD: Style = Style::new().bold();
/// Good.
pub const GREEN: Style = AnsiColor::Green.on_default();
/// Worth a look.
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Bad.
pub const RED: Style = AnsiColor::Red.on_default();
/// Beside the point.
pub const DIM: Style = Style::new().dimmed();
/// As it is.
pub const PLAIN: Style = Style::new();

/// Prints a result, with a line end.
///
/// # Errors
/// [`Failure::reader_gone`] when the reader has closed the pipe; others when output cannot be written.
pub fn say(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::reader_gone()),
        Err(error) => Err(Failure::io("write to standard output", &error)),
    }
}

/// How much a person wants to hear about the doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Words {
    /// `-q`: what went wrong and nothing else.
    Few,
    /// What there is to know.
    Some,
    /// `-v`: also what usually need not be known.
    Many,
}

static WORDS: AtomicU8 = AtomicU8::new(Words::Some as u8);

/// Sets how much is said from here on.
pub fn set_words(words: Words) {
    WORDS.store(words as u8, Ordering::Relaxed);
}

/// Tells the person something about the doing, unless they want to hear little.
pub fn note(text: &str) {
    if WORDS.load(Ordering::Relaxed) >= Words::Some as u8 {
        warn(text);
    }
}

/// Tells the person what they need to know only when they ask for it with `-v`.
pub fn detail(text: &str) {
    if WORDS.load(Ordering::Relaxed) >= Words::Many as u8 {
        warn(text);
    }
}

/// Tells the person what went wrong. If standard error is closed, nobody wants to know.
pub fn warn(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// How wide the terminal is, in columns; `None` if standard output is none.
pub fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// The one place where a failure is shown.
pub fn render(failure: &Failure) {
    warn(&format!("{RED}tercet:{RED:#} {failure}"));
    if let Some(next) = failure.next_step() {
        warn(&format!("{BOLD}next:{BOLD:#} {next}"));
    }
}

/// Columns of text, each as wide as its widest cell on a terminal.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<(String, Style)>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| ((*heading).to_owned(), BOLD)).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<(String, Style)>) {
        self.rows.push(cells);
    }

    /// The table as lines, without a line end at the end.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell_width = |row: &Vec<(String, Style)>, column| {
            row.get(column).map_or(0, |(text, _): &(String, Style)| text.width())
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().map(|row| cell_width(row, column)).max().unwrap_or(0))
            .collect();
        let line = |row: &Vec<(String, Style)>| {
            let mut line = String::new();
            for (column, (text, style)) in row.iter().enumerate() {
                line.push_str(&format!("{style}{text}{style:#}"));
                if column + 1 < row.len() {
                    line.push_str(&" ".repeat(widths[column] - text.width() + 2));
                }
            }
            line
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_whatever_they_hold() {
        let mut table = Table::new(&["name", "state"]);
        table.row(vec![("日本".to_owned(), PLAIN), ("up".to_owned(), GREEN)]);
        table.row(vec![("a".to_owned(), PLAIN), ("dead".to_owned(), RED)]);
        let plain = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(plain, "name  state\n日本  up\na     dead");
    }
}
