//! A sound, and a hint on the desktop, when somebody wants something of the person. Only if they asked for it.
//!
//! The hint names who wrote, never what they wrote: it may be shown on a locked screen. Terminals know one of two
//! sequences for it; inside tmux they must be handed through, which tmux does if its `allow-passthrough` is on. The
//! sound needs nothing.

use std::time::{Duration, Instant};

use super::render::{Eyes, mentions};
use crate::cmd::session::Shown;
use crate::cmd::settings::Bell;
use crate::event::Conversation;
use crate::text::inert;

/// What has come while nobody looked comes all at once, and rings once.
const QUIET: Duration = Duration::from_secs(2);

/// Rings as this person wants it, on their terminal.
#[derive(Debug)]
pub struct Ringer {
    bell: Bell,
    terminal: Terminal,
    rang: Option<Instant>,
}

/// What the terminal understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Terminal {
    hint: Hint,
    in_tmux: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// Nothing but the sound.
    None,
    /// `OSC 9`: iTerm2, kitty, WezTerm, Ghostty, Windows Terminal.
    Nine,
    /// `OSC 777`: rxvt, foot.
    Notify,
}

impl Terminal {
    fn of(term: &str, in_tmux: bool) -> Self {
        let hint = match term {
            "dumb" | "linux" | "" => Hint::None,
            term if term.starts_with("rxvt") || term.starts_with("foot") => Hint::Notify,
            _ => Hint::Nine,
        };
        Self { hint, in_tmux }
    }

    /// What rings, with a hint that this person has written.
    fn ring(self, from: &str) -> String {
        let from = inert(from).replace(';', ",");
        let hint = match self.hint {
            Hint::None => return "\x07".to_owned(),
            Hint::Nine => format!("\x1b]9;tercet: {from}\x1b\\"),
            Hint::Notify => format!("\x1b]777;notify;tercet;{from}\x1b\\"),
        };
        let hint = match self.in_tmux {
            true => format!("\x1bPtmux;{}\x1b\\", hint.replace('\x1b', "\x1b\x1b")),
            false => hint,
        };
        format!("\x07{hint}")
    }
}

impl Ringer {
    /// For a chat on this process's terminal.
    pub fn new(bell: Bell) -> Self {
        let term = std::env::var("TERM").unwrap_or_default();
        let in_tmux = std::env::var_os("TMUX").is_some();
        Self { bell, terminal: Terminal::of(&term, in_tmux), rang: None }
    }

    /// Never rings.
    pub fn silent() -> Self {
        Self { bell: Bell::None, terminal: Terminal::of("", false), rang: None }
    }

    /// What comes before a line that is to ring; nothing before the others.
    pub fn ring(&mut self, eyes: &Eyes, shown: &Shown, now: Instant) -> String {
        if !is_for(self.bell, eyes, shown) || self.rang.is_some_and(|rang| now < rang + QUIET) {
            return String::new();
        }
        self.rang = Some(now);
        self.terminal.ring(&shown.author)
    }
}

fn is_for(bell: Bell, eyes: &Eyes, shown: &Shown) -> bool {
    let event = &shown.event;
    if event.account() == eyes.account || !event.kind().is_message() {
        return false;
    }
    let is_direct = matches!(event.conversation(), Conversation::Direct(..));
    match bell {
        Bell::None => false,
        Bell::Direct => is_direct,
        Bell::Mentions => is_direct || event.text().is_some_and(|text| mentions(text, &eyes.name.now())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_terminal_is_rung_as_it_understands_it() {
        let table = [
            ("linux", false, "\x07"),
            ("xterm-256color", false, "\x07\x1b]9;tercet: bob\x1b\\"),
            ("foot", false, "\x07\x1b]777;notify;tercet;bob\x1b\\"),
            ("tmux-256color", true, "\x07\x1bPtmux;\x1b\x1b]9;tercet: bob\x1b\x1b\\\x1b\\"),
        ];
        for (term, in_tmux, rings) in table {
            assert_eq!(Terminal::of(term, in_tmux).ring("bob"), rings, "{term}");
        }
    }

    #[test]
    fn a_name_cannot_end_the_hint_or_begin_another() {
        let rings = Terminal::of("foot", false).ring("b\x1b\\\x07;x");
        assert_eq!(rings, "\x07\x1b]777;notify;tercet;b␛\\␇,x\x1b\\");
    }
}
