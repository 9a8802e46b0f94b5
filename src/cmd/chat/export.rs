//! `/export FILE`: a conversation as a file, for people (Markdown) or programs (JSON Lines).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::render::Eyes;
use super::talk::{Done, Shared};
use crate::client::Client;
use crate::cmd::failure::Failure;
use crate::cmd::files;
use crate::cmd::said::{ABSENT, TAKEN_BACK};
use crate::cmd::session::Session;
use crate::event::Conversation;
use crate::id::EventId;
use crate::text::{count, inert};
use crate::thread::Message;

/// What Markdown or HTML might act on.
const MARKUP: &str = "\\`*_{}[]()<>#+-.!|~&$";

/// One message, as a JSON line has it.
#[derive(Debug, Clone, Serialize)]
struct Line {
    id: EventId,
    /// RFC 3339, UTC, by the author's clock.
    time: String,
    from: String,
    /// What it says now; null if it was taken back, or is not here.
    text: Option<String>,
    /// Whether it was taken back.
    deleted: bool,
    /// Whether it is not here though it was not taken back.
    #[serde(skip)]
    absent: bool,
    edited: bool,
    /// The message that it answers.
    answers: Option<EventId>,
    /// Whose that is, and when it was said, for people; not if they are blocked.
    #[serde(skip)]
    answered: Option<(String, String)>,
    /// Who reacted, by sign.
    reactions: BTreeMap<String, Vec<String>>,
    /// When, for people.
    #[serde(skip)]
    instant: String,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Markdown,
    JsonLines,
}

/// Writes the conversation to a file that does not exist yet, in canonical order; without those who are blocked.
///
/// # Errors
/// If the session has ended.
pub async fn export(session: &Session, eyes: &Eyes, shared: &Shared, path: PathBuf) -> Result<Done, Failure> {
    let Some((conversation, name)) = shared.current() else {
        return Ok(Done::Not("export which conversation? /dm NAME or /join #ROOM first".to_owned()));
    };
    let form = match path.extension().and_then(|end| end.to_str()) {
        Some("md") => Form::Markdown,
        Some("jsonl") => Form::JsonLines,
        _ => return Ok(Done::Not("the file's name must end in .md or .jsonl: /export talk.md".to_owned())),
    };
    let path = at_home(path);
    let eyes_in = eyes.clone();
    let (lines, left_out) = session.ask(move |client| lines(client, &eyes_in, conversation)).await?;
    let text = match form {
        Form::Markdown => markdown(&name, &lines),
        Form::JsonLines => json_lines(&lines).map_err(|error| Failure::of(&error))?,
    };
    let written = tokio::task::block_in_place(|| files::write_new(&path, text.as_bytes()));
    Ok(match written {
        Ok(true) => {
            let without = match left_out {
                0 => String::new(),
                some => format!(", without {} of people whom you block", count(some, "message")),
            };
            Done::Answer(vec![eyes.aside(&format!(
                "{} written to {}{without}",
                count(lines.len(), "message"),
                inert(&path.display().to_string())
            ))])
        }
        Ok(false) => {
            Done::Not(format!("{} exists; choose another name, it is left as it is", path.display()))
        }
        Err(failure) => Done::Not(failure.to_string()),
    })
}

/// `~/` as a shell reads it.
pub fn at_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

/// The messages, and how many more there are of people who are blocked.
fn lines(client: &Client, eyes: &Eyes, conversation: Conversation) -> (Vec<Line>, usize) {
    let name = |account| client.directory().name(account);
    let is_heard = |message: &Message| !eyes.blocked.holds(message.author);
    let all = client.thread(conversation).messages().filter_map(|key| client.message(&key.id));
    let answered = |id: EventId| {
        let message = client.message(&id).filter(is_heard)?;
        Some((name(message.author), eyes.instant_at(message.key.time)))
    };
    let lines: Vec<_> = all
        .filter(is_heard)
        .map(|message| Line {
            id: message.key.id,
            time: Eyes::rfc3339(message.key.time),
            from: name(message.author),
            deleted: message.text.is_none() && !message.absent,
            text: message.text,
            absent: message.absent,
            edited: message.edited,
            answers: message.answers,
            answered: message.answers.and_then(answered),
            reactions: message
                .reactions
                .iter()
                .map(|(sign, people)| (sign.clone(), people.iter().map(|account| name(*account)).collect()))
                .collect(),
            instant: eyes.instant_at(message.key.time),
        })
        .collect();
    let left_out = client.thread(conversation).count() - lines.len();
    (lines, left_out)
}

fn json_lines(lines: &[Line]) -> Result<String, serde_json::Error> {
    lines.iter().map(|line| serde_json::to_string(line).map(|line| line + "\n")).collect()
}

/// A heading, and for each message a paragraph with its author and time and its words as a quotation, which reads
/// as it was typed: nothing in it is markup.
fn markdown(name: &str, lines: &[Line]) -> String {
    let mut text = format!("# {}\n", literal(name));
    for line in lines {
        let edited = if line.edited && line.text.is_some() { ", edited" } else { "" };
        let answered = line.answered.as_ref();
        let answers = answered.map_or_else(String::new, |(who, at)| format!(", to {} at {at}", literal(who)));
        let _infallible = write!(text, "\n**{}** {}{answers}{edited}\n", literal(&line.from), line.instant);
        match &line.text {
            None => {
                let why = if line.absent { ABSENT } else { TAKEN_BACK };
                let _infallible = write!(text, "\n*{why}*\n");
            }
            Some(said) => {
                text.push('\n');
                for said in said.lines() {
                    // Two spaces at its end break a line in Markdown.
                    let _infallible = writeln!(text, "> {}  ", literal(said));
                }
            }
        }
        for (sign, people) in &line.reactions {
            let people: Vec<_> = people.iter().map(|name| literal(name)).collect();
            let _infallible = write!(text, "\n{} {}\n", literal(sign), people.join(", "));
        }
    }
    text
}

/// Text of which Markdown changes nothing.
fn literal(text: &str) -> String {
    let mut escaped = String::new();
    for c in inert(text).chars() {
        if MARKUP.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u8, from: &str, text: Option<&str>) -> Line {
        Line {
            id: EventId::new([number; 32]),
            time: "2026-01-01T12:00:00Z".to_owned(),
            from: from.to_owned(),
            text: text.map(str::to_owned),
            deleted: text.is_none(),
            absent: false,
            edited: false,
            answers: None,
            answered: None,
            reactions: BTreeMap::new(),
            instant: "2026-01-01 12:00:00".to_owned(),
        }
    }

    #[test]
    fn markdown_reads_as_it_was_typed() {
        let mut answer = line(2, "bob", Some("<b>no</b>\n# not a heading\u{1b}"));
        answer.answers = Some(EventId::new([1; 32]));
        answer.answered = Some(("alice".to_owned(), "2026-01-01 12:00:00".to_owned()));
        answer.edited = true;
        answer.reactions.insert("+1".to_owned(), vec!["alice".to_owned()]);
        let text = markdown("#lab", &[line(1, "alice", Some("*yes*?")), answer, line(3, "al_ice", None)]);
        assert_eq!(
            text,
            "# \\#lab\n\
             \n**alice** 2026-01-01 12:00:00\n\n> \\*yes\\*?  \n\
             \n**bob** 2026-01-01 12:00:00, to alice at 2026-01-01 12:00:00, edited\n\n\
             > \\<b\\>no\\</b\\>  \n> \\# not a heading␛  \n\n\\+1 alice\n\
             \n**al\\_ice** 2026-01-01 12:00:00\n\n*(taken back)*\n"
        );
    }

    #[test]
    fn each_json_line_is_one_message() {
        let text = json_lines(&[line(1, "alice", Some("two\nlines")), line(2, "bob", None)]).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["text"], &lines[1]["text"]), (&"two\nlines".into(), &serde_json::Value::Null));
        assert_eq!((&lines[0]["deleted"], &lines[1]["deleted"]), (&false.into(), &true.into()));
        assert_eq!(lines[0].as_object().unwrap().len(), 8);
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        assert_eq!(at_home("talk.md".into()), PathBuf::from("talk.md"));
        assert!(!at_home("~/talk.md".into()).starts_with("~") || std::env::home_dir().is_none());
    }
}
