//! How things look in the chat. Pure: values in, one or more lines of text out.
//!
//! Whatever a person wrote goes through [`inert`], so no message can move the cursor or change a colour.
//! Styles are plain ANSI; the printer strips them where they are not wanted (`NO_COLOR`, no terminal).

use std::sync::{Arc, Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr;

use super::known::{Known, news};
use crate::clock::Time;
use crate::cmd::blocked::Blocked;
use crate::cmd::said::{ABSENT, Said, TAKEN_BACK};
use crate::cmd::session::{Change, Notice, Shown};
use crate::event::{Conversation, Event};
use crate::frame::Presence;
use crate::id::AccountId;
use crate::limits::SENT_AT;
use crate::net::link::Down;
use crate::text::inert;
use crate::thread::Message;

const MENTION: Style = AnsiColor::Magenta.on_default().bold();
const DIM: Style = Style::new().dimmed();
const OWN: Style = AnsiColor::Cyan.on_default();
const OTHER: Style = AnsiColor::Green.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// What comes before the later lines of a message.
const CONTINUED: &str = "\n      | ";

fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// What a person is told of a message on `copies` of `servers`: never a count of zero (rule 12).
pub fn copies(copies: usize, servers: usize) -> String {
    let text = format!("{copies}/{servers}");
    match copies {
        0 => styled(WARN, "not sent yet"),
        all if all >= servers => styled(GOOD, text),
        some if some >= SENT_AT.min(servers) => styled(GOOD, format!("{text} sent")),
        _ => styled(WARN, format!("{text} at risk")),
    }
}

/// What a person is called, which may change while they look; clones change together.
#[derive(Debug, Clone)]
pub struct Called(Arc<Mutex<String>>);

impl Called {
    /// Somebody of this name.
    pub fn new(name: String) -> Self {
        Self(Arc::new(Mutex::new(name)))
    }

    /// The present name.
    pub fn now(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// They have taken another.
    pub fn set(&self, name: &str) {
        name.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Names, conversations and times as this person sees them.
#[derive(Debug, Clone)]
pub struct Eyes {
    /// Whose eyes they are.
    pub account: AccountId,
    /// The servers.
    pub view: Known,
    /// Where clocks are read.
    pub zone: TimeZone,
    /// Whether a person sits before the screen: then what they are shown counts as read.
    pub reads: bool,
    /// The reorder window Δ: how long each line is held before it is shown, milliseconds.
    pub window_ms: u64,
    /// What the person is called.
    pub name: Called,
    /// Whom the person does not want to hear.
    pub blocked: Blocked,
}

impl Eyes {
    /// One message as a line: time, the other side's name if it is not of the current conversation, who,
    /// what; a late mark and the number of copies where due.
    pub fn message(&self, shown: &Shown, current: Option<Conversation>) -> String {
        let event = &shown.event;
        let own = event.account() == self.account;
        let who = styled(if own { OWN } else { OTHER }, inert(&shown.author));
        let elsewhere = current != Some(event.conversation());
        let heading =
            if elsewhere { styled(DIM, format!("[{}] ", inert(&shown.with))) } else { String::new() };
        let time = styled(DIM, self.clock(event));
        let mut line = match &shown.said {
            Said::Message { text, answers } => {
                format!("{time} {heading}{who}: {}{}", self.quote(answers.as_ref()), self.words(text, own))
            }
            Said::TakenBack => format!("{time} {heading}{who}: {}", styled(DIM, TAKEN_BACK)),
            Said::Absent => format!("{time} {heading}{who}: {}", styled(DIM, ABSENT)),
            other => format!(
                "{time} {heading}{}",
                styled(DIM, format!("* {} {}", inert(&shown.author), deed(other)))
            ),
        };
        if shown.late {
            line.push_str(&styled(WARN, "  (late: belongs further up, see /late or /history)"));
        }
        if let Some(held) = shown.copies {
            line.push_str("  ");
            line.push_str(&copies(held, self.view.count()));
        }
        line
    }

    /// One message as `/history` shows it: as it reads now, numbered from the end.
    pub fn past(
        &self,
        message: &Message,
        author: &str,
        answers: Option<&(String, String)>,
        reactions: &[(String, usize)],
        held: Option<usize>,
        number: usize,
    ) -> String {
        let own = message.author == self.account;
        let who = styled(if own { OWN } else { OTHER }, inert(author));
        let text = match &message.text {
            Some(text) => self.words(text, own),
            None => styled(DIM, if message.absent { ABSENT } else { TAKEN_BACK }),
        };
        let edited =
            if message.edited && message.text.is_some() { styled(DIM, " (edited)") } else { String::new() };
        let signs: String = reactions
            .iter()
            .map(|(sign, people)| match people {
                1 => format!("  {}", inert(sign)),
                more => format!("  {} x{more}", inert(sign)),
            })
            .collect();
        let held = held.map_or_else(String::new, |held| format!("  {}", copies(held, self.view.count())));
        format!(
            "{} {} {who}: {}{text}{edited}{signs}{held}",
            styled(DIM, format!("~{number:<3}")),
            styled(DIM, self.clock_at(message.key.time)),
            self.quote(answers)
        )
    }

    /// A message of somebody who is not to be heard, in `/history`.
    pub fn blocked(&self, message: &Message, number: usize) -> String {
        styled(DIM, format!("~{number:<3} {} (blocked)", self.clock_at(message.key.time)))
    }

    /// A message that stands before another one, in a line.
    pub fn before(&self, author: &str, text: Option<&str>) -> String {
        let text = shorten(&inert(text.unwrap_or(TAKEN_BACK)), 50);
        styled(DIM, format!("      after {}: {text}", inert(author)))
    }

    fn quote(&self, answers: Option<&(String, String)>) -> String {
        answers.map_or_else(String::new, |(who, said)| {
            styled(DIM, format!("({}: {}) ", inert(who), shorten(&inert(said), 30)))
        })
    }

    /// A message's text, with the person's own name made to stand out.
    fn words(&self, text: &str, own: bool) -> String {
        // A person may be shown a line of a message below the other; a script counts on one line for each.
        let text = match self.reads {
            true => text.trim_end_matches('\n').split('\n').map(inert).collect::<Vec<_>>().join(CONTINUED),
            false => inert(text),
        };
        if own || !mentions(&text, &self.name.now()) { text } else { styled(MENTION, text) }
    }

    /// A moment to the second, with its day.
    pub fn instant(&self, event: &Event) -> String {
        self.instant_at(event.time())
    }

    /// As [`Eyes::instant`].
    pub fn instant_at(&self, time: Time) -> String {
        let millis = i64::try_from(time.millis()).unwrap_or(i64::MAX);
        match Timestamp::from_millisecond(millis) {
            Ok(time) => time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            Err(_) => "a time outside the calendar".to_owned(),
        }
    }

    fn clock(&self, event: &Event) -> String {
        self.clock_at(event.time())
    }

    fn clock_at(&self, time: Time) -> String {
        let millis = i64::try_from(time.millis()).unwrap_or(i64::MAX);
        match Timestamp::from_millisecond(millis) {
            Ok(time) => time.to_zoned(self.zone.clone()).strftime("%H:%M").to_string(),
            Err(_) => "--:--".to_owned(),
        }
    }

    /// Messages that have reached more servers since they were shown.
    pub fn risen(&self, text: &str, messages: usize, held: usize) -> String {
        let what = match messages {
            1 => format!("\"{}\"", shorten(&inert(text), 40)),
            more => format!("{more} messages"),
        };
        format!("{} {what} {}", styled(DIM, "      ^"), copies(held, self.view.count()))
    }

    /// What is not a message; `None` if a person need not know.
    pub fn notice(&self, notice: &Notice) -> Option<String> {
        let server = |id| self.view.name_of(id);
        let line = match notice {
            Notice::Show(_)
            | Notice::Copies { .. }
            | Notice::SignedIn
            | Notice::Names(_)
            | Notice::Arrived { .. } => return None,
            Notice::Up { server: id, ahead_ms } if ahead_ms.abs() > 2_000 => styled(
                WARN,
                format!(
                    "-- server {} is up; its clock is {} s {} of this machine's",
                    server(*id),
                    ahead_ms.abs() / 1_000,
                    if *ahead_ms > 0 { "ahead" } else { "behind" }
                ),
            ),
            Notice::Up { server: id, .. } => styled(DIM, format!("-- server {} is up", server(*id))),
            Notice::Down { server: id, why } => {
                let style = if is_grave(why) { BAD } else { WARN };
                styled(style, format!("-- server {} is down: {}", server(*id), indented(&why.to_string())))
            }
            Notice::Rejected { server: id, why } => {
                styled(BAD, format!("-- server {} does not take a message yet: {why}", server(*id)))
            }
            Notice::LogLost { server: id, acked } => styled(
                WARN,
                format!(
                    "-- server {} came back without its log: {acked} messages are sent to it again",
                    server(*id)
                ),
            ),
            Notice::Waits { lines, told, quorum } => {
                styled(WARN, format!("-- {}", waits(*lines, *told, *quorum)))
            }
            Notice::Failed(why) => {
                styled(BAD, format!("-- stopped: {}; nothing more is sent, press Enter to leave", inert(why)))
            }
            Notice::View { before, now } => styled(DIM, format!("-- {}", news(before, now))),
            Notice::OutOfReach { quorum, servers } => styled(
                WARN,
                format!(
                    "-- nothing new can be shown: {quorum} servers must have told of a line, and the cluster has \
                     {servers}; leave and start again with --display-quorum {servers} or less"
                ),
            ),
            Notice::NameTaken => styled(
                BAD,
                format!(
                    "-- this name belongs to somebody else, who took it earlier; others see you as ?{} until you \
                     take another: /rename NEW",
                    self.account.short()
                ),
            ),
            Notice::AccountClosed => styled(BAD, "-- this account was deleted; nothing can be sent with it"),
            Notice::Called { account, why: Change::Lost | Change::Closed, .. }
                if *account == self.account =>
            {
                return None; // said by one of the above
            }
            Notice::Called { account, before, now, why } => {
                let own = *account == self.account;
                let style = if own && *why == Change::FellBack { BAD } else { DIM };
                styled(style, format!("-- {}", change(own, before, now, *why)))
            }
        };
        Some(line)
    }

    /// A hint or an answer of the program itself.
    pub fn aside(&self, text: &str) -> String {
        styled(DIM, format!("-- {text}"))
    }

    /// What the person typed, when it comes to nothing.
    pub fn typed(&self, text: &str) -> String {
        let lines = text.trim_end_matches('\n').split('\n').map(inert);
        format!("{}: {}", inert(&self.name.now()), lines.collect::<Vec<_>>().join(CONTINUED))
    }

    /// Whether somebody is here, if that is known.
    pub fn presence(&self, known: Option<(Presence, u64)>) -> String {
        match known {
            None => String::new(),
            Some((Presence::Here, _)) => styled(GOOD, "here"),
            Some((Presence::Away, since_ms)) => {
                styled(DIM, format!("away since {}", self.clock_at(Time::from_millis(since_ms))))
            }
            Some((Presence::Gone, _)) => styled(DIM, "gone"),
        }
    }

    /// What is as it should be.
    pub fn good(&self, text: &str) -> String {
        styled(GOOD, text)
    }

    /// What may be as it should be.
    pub fn doubtful(&self, text: &str) -> String {
        styled(WARN, text)
    }

    /// What is wrong.
    pub fn bad(&self, text: &str) -> String {
        styled(BAD, text)
    }

    /// Something that the person did wrong.
    pub fn complaint(&self, text: &str) -> String {
        styled(WARN, format!("-- {}", inert(text)))
    }

    /// One server in `/view`, as cells of [`table`].
    pub fn server(&self, index: usize, up: bool, owed: usize) -> Vec<String> {
        let Some(member) = self.view.servers().get(index).cloned() else { return Vec::new() };
        let sealed = if member.sealed { ", about to leave" } else { "" };
        let state = if up { styled(GOOD, "up") } else { styled(WARN, "down") };
        let owes = if owed == 0 { String::new() } else { format!("lacks {owed} of ours") };
        vec![
            inert(&member.name),
            inert(&member.address),
            state,
            format!("key {}{sealed}", member.id.short()),
            owes,
        ]
    }

    /// A moment as others write it: RFC 3339, UTC.
    pub fn rfc3339(time: Time) -> String {
        let millis = i64::try_from(time.millis()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(millis).map(|time| time.to_string()).unwrap_or_default()
    }
}

/// What has become of somebody's name.
fn change(own: bool, before: &str, now: &str, why: Change) -> String {
    let (before, now) = (inert(before), inert(now));
    match why {
        Change::Renamed if own => format!("you are called {now} now"),
        Change::Renamed => format!("{before} is called {now} now"),
        Change::FellBack if own => format!(
            "the name {before} belongs to somebody else, who took it earlier: you are called {now} again; /rename NEW \
             takes another"
        ),
        Change::FellBack => {
            format!(
                "{before} is called {now} again: the name {before} belongs to somebody else, who took it earlier"
            )
        }
        Change::Closed => format!("{before} has deleted the account"),
        Change::Lost => {
            format!("{before} is shown as {now}: the name belongs to somebody else, who took it earlier")
        }
    }
}

/// That lines wait for their quorum.
pub fn waits(lines: usize, told: usize, quorum: usize) -> String {
    match lines {
        1 => format!("1 message waits: only {told} of {quorum} servers have told of it"),
        _ => format!("{lines} messages wait: of none have more than {told} of {quorum} servers told"),
    }
}

/// What somebody did, when it was not to say something.
fn deed(said: &Said) -> String {
    match said {
        Said::Message { text, .. } => format!("said: {}", inert(text)),
        Said::TakenBack => format!("said: {TAKEN_BACK}"),
        Said::Absent => format!("said: {ABSENT}"),
        Said::Edit { before, text } => {
            format!("changed \"{}\" to: {}", shorten(&inert(before), 30), inert(text))
        }
        Said::Delete => "took a message back".to_owned(),
        Said::React { sign, to } => format!("reacts {} to \"{}\"", inert(sign), shorten(&inert(to), 40)),
        Said::Join => "joined".to_owned(),
        Said::Leave => "left".to_owned(),
        Said::Topic(topic) if topic.is_empty() => "took the topic away".to_owned(),
        Said::Topic(topic) => format!("set the topic: {}", inert(topic)),
        Said::Nothing => "did something that does not count".to_owned(),
        Said::Invite(room) => format!("invites to a room: /join #?{}", room.short()),
    }
}

/// Rows whose cells stand under each other, each row indented; cells may hold styles and are inert already.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let width = |cell: &String| anstream::adapter::strip_str(cell).to_string().width();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(width).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).filter(|(_, widest)| **widest > 0);
        let line: String =
            cells.map(|(cell, widest)| format!("  {cell}{}", " ".repeat(widest - width(cell)))).collect();
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// What each of several things is, beside it or, where that does not fit into the columns, below it.
pub fn explained(things: &[(&str, &str)], columns: Option<usize>) -> Vec<String> {
    let rows: Vec<_> =
        things.iter().map(|(thing, what)| vec![(*thing).to_owned(), (*what).to_owned()]).collect();
    let wide = table(&rows);
    let fits = columns.is_none_or(|columns| wide.iter().all(|line| line.width() <= columns));
    if fits {
        return wide;
    }
    const INDENT: &str = "      ";
    let most = columns.unwrap_or(usize::MAX).saturating_sub(INDENT.len()).max(1);
    let below = |(thing, what): &(&str, &str)| {
        let what = wrapped(what, most).into_iter().map(|line| format!("{INDENT}{line}"));
        std::iter::once(format!("  {thing}")).chain(what).collect::<Vec<_>>()
    };
    things.iter().flat_map(below).collect()
}

/// Text in lines of at most so many columns, broken between words.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Whether a text holds a name as a word of its own, case aside.
pub fn mentions(text: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let text = text.to_lowercase();
    text.match_indices(&name).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + found.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Whether a line is the program's word on what it does, as [`Eyes::aside`], [`Eyes::complaint`] and
/// [`Eyes::notice`] make them, and no message or answer.
pub fn is_aside(line: &str) -> bool {
    anstream::adapter::strip_str(line).to_string().starts_with("-- ")
}

/// Whether a person has to do something about it, however often it was said that the server is down.
pub fn is_grave(why: &Down) -> bool {
    matches!(why, Down::WrongKey { .. } | Down::Refused(_) | Down::Protocol(_))
}

/// Text of several lines, made inert, with the later lines set off from the next message.
fn indented(text: &str) -> String {
    text.lines().map(inert).collect::<Vec<_>>().join("\n     ")
}

/// At most `most` characters, with an ellipsis in place of the rest.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_zero_is_never_shown() {
        let cases = [(0, "not sent yet"), (1, "1/3 at risk"), (2, "2/3 sent"), (3, "3/3")];
        for (held, says) in cases {
            let shown = anstream::adapter::strip_str(&copies(held, 3)).to_string();
            assert_eq!(shown, says);
        }
        assert_eq!(anstream::adapter::strip_str(&copies(1, 1)).to_string(), "1/1");
    }

    #[test]
    fn a_name_is_mentioned_as_a_word_only() {
        let cases = [
            ("bob, are you there?", true),
            ("ask Bob", true),
            ("bobby is here", false),
            ("a kebob", false),
            ("@bob: yes", true),
            ("nobody", false),
        ];
        for (text, is_mention) in cases {
            assert_eq!(mentions(text, "bob"), is_mention, "{text:?}");
        }
    }

    #[test]
    fn what_does_not_fit_beside_a_thing_stands_below_it() {
        let things = [("/dm NAME", "talk to NAME; then just type"), ("/who", "everybody")];
        let wide = ["  /dm NAME  talk to NAME; then just type", "  /who      everybody"];
        assert_eq!(explained(&things, None), wide);
        assert_eq!(explained(&things, Some(40)), wide);
        let narrow =
            ["  /dm NAME", "      talk to NAME;", "      then just type", "  /who", "      everybody"];
        assert_eq!(explained(&things, Some(20)), narrow);
    }

    #[test]
    fn cells_stand_under_each_other_and_empty_columns_take_no_room() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["日本", "", "up"]), row(["a", "", ""])]), ["  日本  up", "  a"]);
    }

    #[test]
    fn words_of_the_program_are_told_from_messages() {
        for (line, aside) in [
            (styled(DIM, "-- server 1 is up"), true),
            ("-- talking to bob".to_owned(), true),
            (format!("{} {}: -- hello", styled(DIM, "12:34"), styled(OWN, "bob")), false),
            ("   bob   key 1234".to_owned(), false),
        ] {
            assert_eq!(is_aside(&line), aside, "{line:?}");
        }
    }

    #[test]
    fn long_text_is_cut_at_characters() {
        assert_eq!(shorten("añb", 3), "añb");
        assert_eq!(shorten("日本語日本語", 4), "日本語…");
    }
}
