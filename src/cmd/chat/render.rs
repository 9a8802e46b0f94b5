//! How things look in the chat. Pure: values in, one or more lines of text out.
//!
//! Whatever a person wrote goes through [`inert`], so no message can move the cursor or change a colour.
//! Styles are plain ANSI; the printer strips them where they are not wanted (`NO_COLOR`, no terminal).

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cmd::session::{Notice, Shown};
use crate::event::{Conversation, Event};
use crate::id::AccountId;
use crate::limits::SENT_AT;
use crate::net::link::Down;
use crate::text::inert;
use crate::view::View;

const DIM: Style = Style::new().dimmed();
const OWN: Style = AnsiColor::Cyan.on_default();
const OTHER: Style = AnsiColor::Green.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

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

/// Names, conversations and times as this person sees them.
#[derive(Debug, Clone)]
pub struct Eyes {
    /// Whose eyes they are.
    pub account: AccountId,
    /// The servers.
    pub view: View,
    /// Where clocks are read.
    pub zone: TimeZone,
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
        let mut line = format!(
            "{} {heading}{who}: {}",
            styled(DIM, self.clock(event)),
            inert(event.text().unwrap_or_default())
        );
        if shown.late {
            line.push_str(&styled(WARN, "  (late: belongs further up, see /history)"));
        }
        if let Some(held) = shown.copies {
            line.push_str("  ");
            line.push_str(&copies(held, self.view.servers().len()));
        }
        line
    }

    fn clock(&self, event: &Event) -> String {
        let millis = i64::try_from(event.time().millis()).unwrap_or(i64::MAX);
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
        format!("{} {what} {}", styled(DIM, "      ^"), copies(held, self.view.servers().len()))
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
            Notice::Failed(why) => {
                styled(BAD, format!("-- stopped: {}; nothing more is sent, press Enter to leave", inert(why)))
            }
            Notice::NameTaken => styled(BAD, "-- this name belongs to somebody else"),
        };
        Some(line)
    }

    /// A hint or an answer of the program itself.
    pub fn aside(&self, text: &str) -> String {
        styled(DIM, format!("-- {text}"))
    }

    /// Something that the person did wrong.
    pub fn complaint(&self, text: &str) -> String {
        styled(WARN, format!("-- {}", inert(text)))
    }

    /// One server in `/view`.
    pub fn server(&self, index: usize, up: bool, owed: usize) -> String {
        let Some(member) = self.view.servers().get(index) else { return String::new() };
        let state = if up { styled(GOOD, "up  ") } else { styled(WARN, "down") };
        let owes = if owed == 0 { String::new() } else { format!("  lacks {owed} of ours") };
        format!(
            "   {:<8} {:<22} {state}  key {}{owes}",
            inert(&member.name),
            inert(&member.address),
            member.id.short()
        )
    }
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
fn shorten(text: &str, most: usize) -> String {
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
    fn long_text_is_cut_at_characters() {
        assert_eq!(shorten("añb", 3), "añb");
        assert_eq!(shorten("日本語日本語", 4), "日本語…");
    }
}
