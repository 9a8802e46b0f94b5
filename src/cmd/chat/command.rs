//! What a typed line means. Pure: text in, [`Line`] out.

use std::path::PathBuf;

use crate::cmd::similar::nearest;
use crate::content::{Charter, Past};
use crate::event::Kind;
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
    /// `/history [N] [~M]`: the last N messages of the conversation, or N up to the M-th last.
    History(usize, Back),
    /// `/view`: the servers.
    View,
    /// `/create #ROOM [private] [closed]`: begins a room; of a closed one, members read what is said from their coming
    /// on.
    Create(Charter),
    /// `/join #ROOM`.
    Join(Name),
    /// `/leave [#ROOM]`.
    Leave(Option<Name>),
    /// `/rooms`.
    Rooms,
    /// `/members [TEXT]`: those whose names hold the text.
    Members(String),
    /// `/topic [TEXT]`.
    Topic(Option<String>),
    /// `/invite NAME`.
    Invite(Name),
    /// `/reply`, `/edit`, `/delete`, `/react`, `/unreact`: something about a message.
    About(Kind, Back, String),
    /// `/why [~N]`: what vouches for a message.
    Why(Back),
    /// `/proof`: whether everybody holds the same conversation.
    Proof,
    /// `/search TEXT`.
    Search(String),
    /// `/unread`.
    Unread,
    /// `/next`.
    Next,
    /// `/seen NAME`.
    Seen(Name),
    /// `/late`: what was shown late here.
    Late,
    /// `/export FILE`.
    Export(PathBuf),
    /// `/share FILE`.
    Share(PathBuf),
    /// `/save [~N] [PATH]`: writes a shared file.
    Save(Back, Option<PathBuf>),
    /// `/block NAME`.
    Block(Name),
    /// `/unblock NAME`.
    Unblock(Name),
    /// `/who`: the accounts.
    Who,
    /// `/accounts [TEXT]`: those whose names hold the text.
    Accounts(String),
    /// `/whoami`.
    WhoAmI,
    /// `/rename NEW`.
    Rename(Name),
    /// `/help`.
    Help,
    /// `/quit`.
    Quit,
}

impl Line {
    /// Whether what it brings about is a line of the conversation, so that what was typed need not stay as well.
    pub fn appears(&self) -> bool {
        match self {
            Self::Nothing | Self::Say(_) | Self::Topic(Some(_)) => true,
            Self::About(kind, ..) => kind.is_shown(),
            _ => false,
        }
    }
}

/// Which message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// The last that fits.
    Last,
    /// The N-th last of all, from 1.
    Nth(usize),
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
/// How many it shows at most: all of it is for `/export`.
pub const HISTORY_MAX: usize = 1_000;

/// Every command with its usage and what it does, as `/help` lists them.
pub const COMMANDS: [(&str, &str, &str); 33] = [
    ("dm", "/dm NAME", "talk to NAME; then just type"),
    ("history", "/history [N] [~M]", "the last N messages here in true order, or N to ~M"),
    ("rooms", "/rooms", "the rooms that you may join"),
    ("join", "/join #ROOM", "join a room and talk there"),
    ("leave", "/leave [#ROOM]", "leave it"),
    ("create", "/create #ROOM [private]", "open a room; or closed: newcomers read no past"),
    ("invite", "/invite NAME", "let NAME into this room"),
    ("members", "/members [TEXT]", "who is in this room, or those whose names hold TEXT"),
    ("topic", "/topic [TEXT]", "what this room is about"),
    ("reply", "/reply [~N] TEXT", "answer the last message, or ~N of /history"),
    ("react", "/react [~N] SIGN", "react to a message, with +1 for instance"),
    ("unreact", "/unreact [~N] SIGN", "take that back"),
    ("edit", "/edit [~N] TEXT", "put TEXT in place of a message of yours"),
    ("delete", "/delete [~N]", "take a message of yours back"),
    ("unread", "/unread", "where there is something new"),
    ("next", "/next", "go there"),
    ("search", "/search TEXT", "the messages here that hold TEXT"),
    ("late", "/late", "what was shown late here, and where it belongs"),
    ("seen", "/seen NAME", "how far NAME has read here"),
    ("why", "/why [~N]", "what a message follows, and on which disks it is"),
    ("proof", "/proof", "compare this with every server, and with the others"),
    ("share", "/share FILE", "let the others here have FILE, up to 1 MiB"),
    ("save", "/save [~N] [PATH]", "write a shared file to this folder, or to PATH"),
    ("export", "/export FILE", "write all of it to FILE.md or FILE.jsonl"),
    ("block", "/block NAME", "hear nothing from NAME on this machine"),
    ("unblock", "/unblock NAME", "hear them again"),
    ("who", "/who", "everybody who has an account"),
    ("accounts", "/accounts [TEXT]", "those whose names hold TEXT, with their keys' words"),
    ("whoami", "/whoami", "your name, and your key in words to compare"),
    ("rename", "/rename NEW", "be called NEW; nobody else gets the old name"),
    ("view", "/view", "the servers and their state"),
    ("help", "/help", "this list"),
    ("quit", "/quit", "leave, as ctrl-D; what is not safe goes out later"),
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
        ("dm", room) if room.starts_with('#') => Err(LineError::Usage("/join #ROOM; /dm is for people")),
        ("dm", name) => Ok(Line::Dm(name.parse()?)),
        ("history", rest) => history(rest).ok_or(LineError::Usage("/history [N] [~M]")),
        ("view", "") => Ok(Line::View),
        ("create", rest) => create(rest),
        ("join", room) if !room.is_empty() => Ok(Line::Join(room_name(room)?)),
        ("leave", "") => Ok(Line::Leave(None)),
        ("leave", room) => Ok(Line::Leave(Some(room_name(room)?))),
        ("rooms", "") => Ok(Line::Rooms),
        ("members", text) => Ok(Line::Members(text.to_owned())),
        ("topic", "") => Ok(Line::Topic(None)),
        ("topic", text) => Ok(Line::Topic(Some(text.to_owned()))),
        ("invite", name) if !name.is_empty() => Ok(Line::Invite(name.parse()?)),
        ("reply", rest) => about(Kind::Reply, rest, "/reply [~N] TEXT"),
        ("edit", rest) => about(Kind::Edit, rest, "/edit [~N] TEXT"),
        ("react", rest) => about(Kind::React, rest, "/react [~N] SIGN"),
        ("unreact", rest) => about(Kind::Unreact, rest, "/unreact [~N] SIGN"),
        ("delete", rest) => match back(rest) {
            Some((back, "")) => Ok(Line::About(Kind::Delete, back, String::new())),
            _ => Err(LineError::Usage("/delete [~N]")),
        },
        ("why", rest) => match back(rest) {
            Some((back, "")) => Ok(Line::Why(back)),
            _ => Err(LineError::Usage("/why [~N]")),
        },
        ("proof", "") => Ok(Line::Proof),
        ("search", text) if !text.is_empty() => Ok(Line::Search(text.to_owned())),
        ("unread", "") => Ok(Line::Unread),
        ("next", "") => Ok(Line::Next),
        ("seen", name) if !name.is_empty() => Ok(Line::Seen(name.parse()?)),
        ("late", "") => Ok(Line::Late),
        ("share", file) if !file.is_empty() => Ok(Line::Share(file.into())),
        ("save", rest) => match back(rest) {
            Some((back, "")) => Ok(Line::Save(back, None)),
            Some((back, path)) => Ok(Line::Save(back, Some(path.into()))),
            None => Err(LineError::Usage("/save [~N] [PATH]")),
        },
        ("export", file) if !file.is_empty() => Ok(Line::Export(file.into())),
        ("block", name) if !name.is_empty() => Ok(Line::Block(name.parse()?)),
        ("unblock", name) if !name.is_empty() => Ok(Line::Unblock(name.parse()?)),
        ("who", "") => Ok(Line::Who),
        ("accounts", text) => Ok(Line::Accounts(text.to_owned())),
        ("whoami", "") => Ok(Line::WhoAmI),
        ("rename", name) if !name.is_empty() => Ok(Line::Rename(name.parse()?)),
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

fn history(rest: &str) -> Option<Line> {
    let (number, upto) = match rest.find('~') {
        Some(at) => (rest[..at].trim(), back(&rest[at..])?),
        None => (rest, (Back::Last, "")),
    };
    let number = if number.is_empty() { HISTORY_DEFAULT } else { number.parse().ok()? };
    let (upto, after) = upto;
    after.is_empty().then_some(Line::History(number.min(HISTORY_MAX), upto))
}

fn room_name(text: &str) -> Result<Name, NameError> {
    text.strip_prefix('#').unwrap_or(text).parse()
}

fn create(rest: &str) -> Result<Line, LineError> {
    let mut words = rest.split_whitespace();
    let usage = LineError::Usage("/create #ROOM [private] [closed]");
    let Some(name) = words.next() else { return Err(usage) };
    let mut charter = Charter { name: room_name(name)?, public: true, history: Past::Open };
    for word in words {
        match word {
            "private" => charter.public = false,
            "closed" => charter.history = Past::SinceJoining,
            _ => return Err(usage),
        }
    }
    Ok(Line::Create(charter))
}

/// Which message, and what comes after that.
fn back(text: &str) -> Option<(Back, &str)> {
    let Some(rest) = text.strip_prefix('~') else { return Some((Back::Last, text)) };
    let (number, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let number = number.parse().ok().filter(|number| *number > 0)?;
    Some((Back::Nth(number), rest.trim()))
}

fn about(kind: Kind, rest: &str, usage: &'static str) -> Result<Line, LineError> {
    match back(rest) {
        Some((back, text)) if !text.is_empty() => Ok(Line::About(kind, back, text.to_owned())),
        _ => Err(LineError::Usage(usage)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
            ("/history", Line::History(HISTORY_DEFAULT, Back::Last)),
            ("/history 5", Line::History(5, Back::Last)),
            ("/history 1000000", Line::History(HISTORY_MAX, Back::Last)),
            ("/history ~7", Line::History(HISTORY_DEFAULT, Back::Nth(7))),
            ("/history 5  ~12000 ", Line::History(5, Back::Nth(12_000))),
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
            ("/dm #lab", "usage: /join #ROOM"),
            ("/export", "usage: /export FILE"),
            ("/history many", "usage: /history [N] [~M]"),
            ("/history -1", "usage: /history [N]"),
            ("/history ~0", "usage: /history [N]"),
            ("/history ~3 5", "usage: /history [N]"),
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
    fn the_readme_has_every_command_in_its_table_and_no_other() {
        let readme = include_str!("../../../README.md");
        let after = readme.split("| About | Commands |").nth(1).unwrap();
        let table = after.split("\n\n").next().unwrap();
        let named = table.split("`/").skip(1).filter_map(|rest| rest.split([' ', '`']).next());
        let named: BTreeSet<_> = named.filter(|name| *name != "/").collect();
        assert_eq!(named, COMMANDS.map(|(name, ..)| name).into());
    }

    #[test]
    fn every_command_in_the_help_is_understood() {
        for (name, usage, _) in COMMANDS {
            let line = usage
                .replace("[N]", "3")
                .replace("NAME", "bob")
                .replace("NEW", "rob")
                .replace(['[', ']'], "")
                .replace("~N", "~2")
                .replace("~M", "~2")
                .replace("FILE", "talk.md");
            assert!(parse(&line).is_ok(), "/{name}: {line:?} is not understood");
        }
    }
}
