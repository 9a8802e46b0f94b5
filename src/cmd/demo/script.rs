//! What the people of a demo say: a TSV of room, time, nick and text, turned into direct conversations.
//!
//! Of each room the two people who say most talk to each other, in the file's order. Pure.

use std::collections::BTreeMap;

use crate::limits::MESSAGE_MAX_BYTES;
use crate::text::Name;

/// One thing to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who says it.
    pub from: Name,
    /// To whom.
    pub to: Name,
    /// What.
    pub text: String,
}

/// Why a text is no script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// A line without its four columns.
    #[error("line {0} has not four columns: room, time, nick and text, each parted by a tab")]
    Columns(usize),
    /// A nick that cannot be a name.
    #[error("line {line}: {why}")]
    Nick {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: crate::text::NameError,
    },
    /// A text that cannot be a message.
    #[error("line {line}: the text has {bytes} bytes; a message has 1 to {MESSAGE_MAX_BYTES}")]
    Text {
        /// Which line, from 1.
        line: usize,
        /// Its length.
        bytes: usize,
    },
    /// Nobody talks to anybody.
    #[error("in no room do two people talk")]
    Empty,
}

/// Reads a script. Lines that start with `#` are comments.
///
/// # Errors
/// The first line that is wrong.
pub fn parse(text: &str) -> Result<Vec<Line>, ScriptError> {
    let mut rooms: BTreeMap<&str, Vec<Said<'_>>> = BTreeMap::new();
    let mut order = Vec::new();
    for (index, row) in text.lines().enumerate() {
        let line = index + 1;
        if row.starts_with('#') || row.trim().is_empty() {
            continue;
        }
        let mut columns = row.splitn(4, '\t');
        let (Some(room), Some(_time), Some(nick), Some(said)) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            return Err(ScriptError::Columns(line));
        };
        if said.is_empty() || said.len() > MESSAGE_MAX_BYTES {
            return Err(ScriptError::Text { line, bytes: said.len() });
        }
        if !rooms.contains_key(room) {
            order.push(room);
        }
        rooms.entry(room).or_default().push(Said { line, nick: nick.trim(), text: said });
    }
    let mut lines = Vec::new();
    for room in order {
        let said = rooms.remove(room).unwrap_or_default();
        let Some((one, other)) = most_talkative(&said) else { continue };
        for Said { line, nick, text } in said {
            let to = match nick {
                nick if nick == one => other,
                nick if nick == other => one,
                _ => continue,
            };
            let name = |nick: &str| nick.parse().map_err(|why| ScriptError::Nick { line, why });
            lines.push(Line { from: name(nick)?, to: name(to)?, text: text.to_owned() });
        }
    }
    if lines.is_empty() { Err(ScriptError::Empty) } else { Ok(lines) }
}

/// One row of a script, as it stands there.
struct Said<'a> {
    line: usize,
    nick: &'a str,
    text: &'a str,
}

/// The two who say most; of equals, those that come first in the alphabet.
fn most_talkative<'a>(said: &[Said<'a>]) -> Option<(&'a str, &'a str)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in said {
        *counts.entry(row.nick).or_default() += 1;
    }
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_by_key(|(nick, count)| (std::cmp::Reverse(*count), *nick));
    match ranked.as_slice() {
        [(one, _), (other, _), ..] => Some((one, other)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_who_say_most_talk_to_each_other() {
        let text = "# room\ttime\tnick\ttext\n\
                    a\t1\tzoe\thi\na\t2\tbob\thello\tthere\na\t3\tzoe\tbye\na\t4\tmax\t?\na\t5\tbob\tso long\n\
                    b\t1\talone\techo\n";
        let said: Vec<_> = parse(text)
            .unwrap()
            .into_iter()
            .map(|line| format!("{}>{}: {}", line.from, line.to, line.text))
            .collect();
        assert_eq!(said, ["zoe>bob: hi", "bob>zoe: hello\tthere", "zoe>bob: bye", "bob>zoe: so long"]);
    }

    #[test]
    fn what_is_no_script_names_the_line() {
        let cases = [
            ("", "no room"),
            ("a\t1\tbob\thi", "no room"),
            ("# head\na\t1\tbob", "line 2 has not four columns"),
            ("a\t1\tb ob\thi\na\t2\tbob\thi", "line 1: the name \"b ob\""),
            ("a\t1\tbob\t", "line 1: the text has 0 bytes"),
        ];
        for (text, says) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn the_dialogue_that_comes_with_the_program_is_a_script() {
        let lines = parse(super::super::DIALOGUE).unwrap();
        assert!(lines.len() >= 40);
        assert!(lines.iter().all(|line| ["alice", "bob"].contains(&line.from.as_str())));
    }
}
