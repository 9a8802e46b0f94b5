//! `tercet send TO TEXT`: one message, for scripts.
//!
//! Done means that as many servers as asked have it on disk. A message that has not come so far stays in the
//! device's outbox, and the exit status and the words say how far it came.

use std::io::{IsTerminal, Read};
use std::time::Duration;

use super::chat::{self, Wanted};
use super::complete;
use super::failure::{Failure, Outcome};
use super::home::Cluster;
use super::place::Place;
use super::screen;
use super::settings::Settings;
use super::visit::{self, Visit};
use crate::client::Client;
use crate::event::Conversation;
use crate::id::EventId;
use crate::limits::MESSAGE_MAX_BYTES;
use crate::text::{Name, count};

/// What `send` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// To whom: a name, or '#ROOM' (in quotes, since shells take # for a comment) if you have joined it.
    #[arg(value_name = "TO", add = complete::names())]
    to: Place,
    /// The message; `-`, or nothing, reads it from standard input.
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: Option<String>,
    /// Who you are [default: the profile's name, or the only account on this machine].
    #[arg(long = "as", value_name = "NAME", env = "TERCET_NAME", hide_env_values = true, add = complete::people())]
    me: Option<Name>,
    /// On how many servers it has to be [default: 2, or 1 in a cluster of one].
    #[arg(long, value_name = "N")]
    copies: Option<usize>,
    /// For how long to wait for that.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
    /// Write it to this device's outbox and return; the next chat, send or tail takes it along.
    #[arg(long, conflicts_with = "copies")]
    no_wait: bool,
    /// Print one JSON object that says what became of it: id, to, outcome, copies, servers, wanted.
    #[arg(long)]
    json: bool,
}

/// What became of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Fate {
    /// As many servers have it as asked.
    Sent,
    /// Some have it, but fewer.
    Risk,
    /// None has said that it has it.
    Unknown,
    /// It is in the outbox, as was asked.
    Kept,
}

impl Fate {
    fn of(copies: usize, wanted: usize) -> Self {
        match copies {
            enough if enough >= wanted => Self::Sent,
            0 => Self::Unknown,
            _ => Self::Risk,
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Sent | Self::Kept => Outcome::Done,
            Self::Risk => Outcome::Negative,
            Self::Unknown => Outcome::Unknown,
        }
    }
}

#[derive(serde::Serialize)]
struct Report {
    id: EventId,
    to: String,
    outcome: Fate,
    copies: usize,
    servers: usize,
    wanted: usize,
}

/// Sends it.
///
/// # Errors
/// When nothing could be written: no cluster, nobody of that name, a chat that has this device open.
pub fn run(settings: &Settings, args: &Args) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(settings.home())?;
    let me = settings.me(args.me.as_ref(), "tercet send TO TEXT --as NAME")?;
    let quorum = chat::quorum(settings, None);
    let text = text(args.text.as_deref())?;
    let patience = Duration::from_secs(args.wait);
    let report = |outcome| match outcome {
        Ok(report) => tell(args, &report),
        Err(failure) => Err(failure),
    };
    visit::run(async {
        let visit = Visit::open(&cluster, &me, patience, quorum).await?;
        let sent = match Wanted::new(args.copies, &visit.eyes.view) {
            Ok(wanted) => deliver(&visit, args, text, wanted).await,
            Err(failure) => Err(failure),
        };
        visit.close().await?;
        report(sent)
    })
}

async fn deliver(visit: &Visit, args: &Args, text: String, wanted: Wanted) -> Result<Report, Failure> {
    let conversation = visit.conversation(&args.to).await?;
    visit.session.say(conversation, text).await?.map_err(|error| {
        Failure::new(format!("not sent: {error}"))
            .next("correct that, then send it again; nothing was written")
    })?;
    let id = visit.session.ask(move |client| last_own(client, conversation)).await?;
    let id = id.ok_or_else(|| Failure::new("the message is not in this device's log"))?;
    if !args.no_wait {
        let _in_time = visit.waits_for(move |client| client.copies(&id) >= wanted.copies(client)).await?;
    }
    let (copies, wanted) =
        visit.session.ask(move |client| (client.copies(&id), wanted.copies(client))).await?;
    let outcome = if args.no_wait { Fate::Kept } else { Fate::of(copies, wanted) };
    let servers = visit.eyes.view.count();
    Ok(Report { id, to: args.to.to_string(), outcome, copies, servers, wanted })
}

/// This device's last message there. Nobody else writes with the device while we have its log.
fn last_own(client: &Client, conversation: Conversation) -> Option<EventId> {
    let mut keys = client.transcript(conversation)?.keys().rev();
    keys.find(|key| key.device == client.device()).map(|key| key.id)
}

fn tell(args: &Args, report: &Report) -> Result<Outcome, Failure> {
    let Report { to, copies, servers, wanted, .. } = report;
    const KEPT: &str = "it is kept on this machine and goes out with the next chat, send or tail";
    match report.outcome {
        Fate::Sent => screen::note(&format!("-- sent to {to}: on {copies} of {servers} servers")),
        Fate::Kept => screen::note(&format!("-- written for {to}; {KEPT}")),
        Fate::Risk => screen::warn(&format!(
            "-- at risk: on {copies} of {servers} servers after {} s, {wanted} were wanted; {KEPT}",
            args.wait
        )),
        Fate::Unknown => screen::warn(&format!(
            "-- not known to be sent: no server has acknowledged it within {}; {KEPT}",
            count(usize::try_from(args.wait).unwrap_or(usize::MAX), "second")
        )),
    }
    if args.json {
        screen::say(&serde_json::to_string(report).map_err(|error| Failure::of(&error))?)?;
    }
    Ok(report.outcome.outcome())
}

/// The message: what was given, or all of standard input without its last line end.
fn text(given: Option<&str>) -> Result<String, Failure> {
    let text = match given {
        Some(text) if text != "-" => text.to_owned(),
        _ => from_stdin()?,
    };
    if text.trim().is_empty() {
        return Err(Failure::new("there is nothing to send: the message is empty")
            .next("tercet send TO \"text\", or pipe the text in"));
    }
    Ok(text)
}

fn from_stdin() -> Result<String, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        screen::note("-- type the message; ctrl-D on a line of its own ends it");
    }
    let mut bytes = Vec::new();
    // Beyond the longest message, so that what is only a little too long is answered with its length.
    let most = u64::try_from(4 * MESSAGE_MAX_BYTES).unwrap_or(u64::MAX);
    stdin
        .lock()
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io("read standard input", &error))?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to() + 1;
        Failure::new(format!("the message is not UTF-8 (its byte {at})")).next("convert it: iconv -t UTF-8")
    })?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_message_has_its_exit_status() {
        for (copies, wanted, fate, code) in
            [(2, 2, Fate::Sent, 0), (3, 2, Fate::Sent, 0), (1, 2, Fate::Risk, 1), (0, 1, Fate::Unknown, 2)]
        {
            assert_eq!(Fate::of(copies, wanted), fate);
            assert_eq!(fate.outcome().exit_code(), code);
        }
        assert_eq!(Fate::Kept.outcome().exit_code(), 0);
    }
}
