//! What a typed line means. Pure: text in, [`Line`] out.

use crate::cmd::similar::nearest;
use crate::text::{Name, NameError};

/// A line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing was typed.
    Nothing,
    /// A message for the current conversation.
    Say(String),
    /// `/dm NAME`: talk to them from here on.
    Dm(Name),
    /// `/history [N]`: the last N messages of the conversation.
    History(usize),
    /// `/view`: the servers.
    View,
    /// `/who`: the accounts.
    Who,
    /// `/help`.
    Help,
    /// `/quit`.
    Quit,
}

/// Why a line means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A command that does not exist.
    #[error(
        "there is no command /{word}; {}/help lists them, and a message that starts with a slash is typed //...",
        .meant.map(|meant| format!("did you mean /{meant}? ")).unwrap_or_default()
    )]
    Unknown {
        /// What was typed, made inert.
        word: String,
        /// What may have been meant.
        meant: Option<&'static str>,
    },
    /// A command without what it needs.
    #[error("usage: {0}")]
    Usage(&'static str),
    /// A name that is not one.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// How many messages `/history` shows unless told otherwise.
pub const HISTORY_DEFAULT: usize = 20;

/// Every command with its usage and what it does, as `/help` lists them.
pub const COMMANDS: [(&str, &str, &str); 6] = [
    ("dm", "/dm NAME", "talk to NAME; then just type"),
    ("history", "/history [N]", "the last N messages here, in their true order"),
    ("who", "/who", "everybody who has an account"),
    ("view", "/view", "the servers and their state"),
    ("help", "/help", "this list"),
    ("quit", "/quit", "leave (also ctrl-D); what is not safe yet goes out next time"),
];

/// Understands one line.
///
/// # Errors
/// See [`LineError`].
pub fn parse(line: &str) -> Result<Line, LineError> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.trim().is_empty() {
        return Ok(Line::Nothing);
    }
    let Some(command) = line.strip_prefix('/') else {
        return Ok(Line::Say(line.to_owned()));
    };
    if command.starts_with('/') {
        return Ok(Line::Say(command.to_owned()));
    }
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    match (word, rest) {
        ("dm", "") => Err(LineError::Usage("/dm NAME")),
        ("dm", name) => Ok(Line::Dm(name.parse()?)),
        ("history", "") => Ok(Line::History(HISTORY_DEFAULT)),
        ("history", number) => {
            number.parse().map(Line::History).map_err(|_| LineError::Usage("/history [N]"))
        }
        ("view", "") => Ok(Line::View),
        ("who", "") => Ok(Line::Who),
        ("help", _) => Ok(Line::Help),
        ("quit" | "exit", "") => Ok(Line::Quit),
        (word, _) => match COMMANDS.iter().find(|(name, _, _)| *name == word) {
            Some((_, usage, _)) => Err(LineError::Usage(usage)),
            None => Err(LineError::Unknown {
                word: crate::text::inert(word),
                meant: nearest(word, COMMANDS.map(|(name, _, _)| name)),
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let cases = [
            ("", Line::Nothing),
            ("  \t", Line::Nothing),
            ("hello there", Line::Say("hello there".to_owned())),
            ("  indented", Line::Say("  indented".to_owned())),
            ("//etc/fstab", Line::Say("/etc/fstab".to_owned())),
            ("/dm bob", Line::Dm("bob".parse().unwrap())),
            ("/dm   |trey| ", Line::Dm("|trey|".parse().unwrap())),
            ("/history", Line::History(HISTORY_DEFAULT)),
            ("/history 5", Line::History(5)),
            ("/who", Line::Who),
            ("/view", Line::View),
            ("/help me", Line::Help),
            ("/quit", Line::Quit),
        ];
        for (text, meant) in cases {
            assert_eq!(parse(text), Ok(meant), "{text:?}");
        }
    }

    #[test]
    fn lines_that_mean_nothing_say_what_would() {
        let cases = [
            ("/dm", "usage: /dm NAME"),
            ("/history many", "usage: /history [N]"),
            ("/history -1", "usage: /history [N]"),
            ("/who is it", "usage: /who"),
            ("/hsitory", "no command /hsitory; did you mean /history? /help lists them"),
            ("/fly", "no command /fly; /help lists them"),
            ("/dm a b", "holds ' '"),
            ("/\u{1b}[2J", "no command /␛[2J"),
        ];
        for (text, says) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn every_command_in_the_help_is_understood() {
        for (name, usage, _) in COMMANDS {
            let line = usage.replace("[N]", "3").replace("NAME", "bob");
            assert!(parse(&line).is_ok(), "/{name}: {line:?} is not understood");
        }
    }
}
