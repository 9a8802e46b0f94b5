//! What a command ends with: an [`Outcome`] if it ran, a [`Failure`] if it could not.
//!
//! A failure names the thing (the server, the file and its line, the address) and the next step. There is
//! no `From<io::Error>`: an error of the operating system does not know what it was about, so whoever
//! meets it has to say ([`Failure::io`]).

use std::error::Error;
use std::fmt;
use std::io;

use crate::text::{NameError, inert, os_error};
use crate::view::ViewError;

/// What the program's exit statuses mean: the one place that says so. The help, the manual and the README are
/// compared with it.
pub const EXIT_STATUS: [(u8, &str); 4] = [
    (0, "done. verify, demo, chaos: valid; send: on as many servers as asked"),
    (
        1,
        "a negative finding. verify: a broken promise; chat in a script: messages that are not safe, or a line \
         that could not be carried out; send, account rename, account delete: at risk, on fewer servers than \
         asked",
    ),
    (
        2,
        "not known. verify: not enough evidence; chat in a script, tail: no server answered; send: no server has \
         acknowledged the message",
    ),
    (3, "could not run: bad arguments, no cluster, a file or port that cannot be had"),
];

/// The next step where a folder cannot be had.
pub const OTHER_FOLDER: &str = "give a folder that you may write to, with --dir or TERCET_DIR";

/// A command ran; what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or valid.
    Done,
    /// A negative finding: a broken promise, a message that is not safe.
    Negative,
    /// Not enough evidence.
    Unknown,
}

impl Outcome {
    /// The program's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Negative => 1,
            Self::Unknown => 2,
        }
    }
}

/// A command could not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    what: String,
    next: Option<String>,
    reader_gone: bool,
}

impl Failure {
    /// A failure that says what is wrong with what.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), next: None, reader_gone: false }
    }

    /// A failure that says what an error and its causes say.
    pub fn of(error: &dyn Error) -> Self {
        let mut what = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !what.ends_with(&text) {
                what = format!("{what}: {text}");
            }
            cause = error.source();
        }
        Self::new(what)
    }

    /// The operating system refused: "cannot `doing`: `error`", with the next step for the common reasons.
    pub fn io(doing: impl fmt::Display, error: &io::Error) -> Self {
        let failure = Self::new(format!("cannot {}: {}", inert(&doing.to_string()), os_error(error)));
        match error.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::ReadOnlyFilesystem => failure.next(OTHER_FOLDER),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                failure.next("free some space on that disk, then try again")
            }
            _ => failure,
        }
    }

    /// Nobody reads our output any more (`tercet ... | head`): no failure that anyone wants to hear of.
    pub fn reader_gone() -> Self {
        Self { reader_gone: true, ..Self::new("nobody reads the output") }
    }

    /// The same failure with this next step in place of any it had.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next = Some(step.into());
        self
    }

    /// The same failure with this next step if it has none.
    #[must_use]
    pub fn or_next(self, step: &str) -> Self {
        if self.next.is_some() { self } else { self.next(step) }
    }

    /// The same failure with one more line of detail.
    #[must_use]
    pub fn detail(mut self, line: &str) -> Self {
        self.what.push_str("\n  ");
        self.what.push_str(line);
        self
    }

    /// What went wrong; further lines are details.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    pub fn next_step(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// See [`Failure::reader_gone`].
    pub fn is_reader_gone(&self) -> bool {
        self.reader_gone
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        Self::of(&error)
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::of(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("the log cannot be read")]
        struct Outer(#[source] NameError);
        assert_eq!(
            Failure::of(&Outer(NameError::Empty)).what(),
            "the log cannot be read: a name must not be empty"
        );
    }

    #[test]
    fn errors_of_the_operating_system_name_the_thing_and_the_next_step() {
        let failure = Failure::io("write /x/y", &io::Error::from_raw_os_error(13));
        assert_eq!(failure.what(), "cannot write /x/y: permission denied");
        assert!(failure.next_step().unwrap().contains("--dir"));
    }
}
