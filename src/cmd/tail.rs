//! `tercet tail`: settled lines of conversations, for scripts.
//!
//! Without `--follow` the last lines are read from the transcript, as `/history` does, and the chat's display
//! does not move. With it this is a display of its own: it starts with what was shown before, goes on with
//! what this device has not shown yet, and then with each line as its place is settled.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::chat::render::waits;
use super::failure::{Failure, Outcome};
use super::home::Cluster;
use super::place::Place;
use super::said::{Said, kind_name};
use super::screen;
use super::session::{Shown, now_ms};
use super::settings::Settings;
use super::visit::{self, Visit};
use super::{chat, complete};
use crate::client::Client;
use crate::event::{Conversation, Event, Kind};
use crate::history::Entry;
use crate::id::EventId;
use crate::limits::REORDER_WINDOW_MS;
use crate::order::Key;
use crate::store::DeviceLog;
use crate::text::Name;

/// What `tail` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only the conversation with this person, or in '#ROOM' [default: all conversations].
    #[arg(value_name = "WITH", add = complete::names())]
    with: Option<Place>,
    /// Who you are [default: the profile's name, or the only account on this machine].
    #[arg(long = "as", value_name = "NAME", env = "TERCET_NAME", hide_env_values = true, add = complete::people())]
    me: Option<Name>,
    /// How many lines to begin with.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// Go on with new lines as their places are settled. They count as shown: a chat does not show them again.
    #[arg(short, long)]
    follow: bool,
    /// Print each line as a JSON object: id, time, with, kind, about, from, own, text, deleted, late, copies, servers.
    ///
    /// `with` is a person or '#ROOM'. `kind` is post, reply, file, edit, delete, react, join, leave, topic or
    /// invite, and `about` the id of the message that a reply, edit, delete or react is about, else null. `text` is
    /// what was said, the sign of a react, the room of an invite, or a file's name and size; null where there is
    /// none, and for a message or file that was taken back: of those `deleted` is true.
    #[arg(long)]
    json: bool,
    /// Print only lines of which so many servers have told [default: the profile's, or as this device last].
    #[arg(long, value_name = "SERVERS")]
    display_quorum: Option<usize>,
    /// For how long to wait for a server.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
}

/// A line as `--json` prints it.
#[derive(serde::Serialize)]
struct Line<'a> {
    id: EventId,
    /// When it was written, by its author's clock: RFC 3339, UTC.
    time: String,
    /// The other side of the conversation, or the room with its `#`.
    with: &'a str,
    kind: &'static str,
    /// The message that it is about.
    about: Option<EventId>,
    from: &'a str,
    own: bool,
    text: Option<String>,
    /// Whether it was taken back.
    deleted: bool,
    late: bool,
    /// How many servers have it, if this device wrote it.
    copies: Option<usize>,
    servers: usize,
}

/// Prints lines.
///
/// # Errors
/// No cluster, nobody of that name, a chat that has this device open.
pub fn run(settings: &Settings, args: &Args) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(settings.home())?;
    let me = settings.me(args.me.as_ref(), "tercet tail --as NAME")?;
    let quorum = chat::quorum(settings, args.display_quorum);
    let patience = Duration::from_secs(args.wait);
    visit::run(async {
        if args.follow {
            let (visit, shown) = Visit::following(&cluster, &me, patience, quorum).await?;
            let followed = follow(&visit, shown, args).await;
            visit.close().await?;
            return followed.map(|()| Outcome::Done);
        }
        let visit = Visit::open(&cluster, &me, patience, quorum).await?;
        let outcome = last(&visit, args).await;
        visit.close().await?;
        outcome
    })
}

/// Prints the last lines once the servers have been heard, or the time is up.
async fn last(visit: &Visit, args: &Args) -> Result<Outcome, Failure> {
    let conversation = conversation(visit, args).await?;
    let caught_up = visit.waits_for(Client::is_caught_up).await?;
    if caught_up {
        settle(visit, conversation).await?;
        let has_all = visit.waits_for(|client| client.waiting_for_quorum().0 == 0).await?;
        if !has_all {
            let ((lines, told), quorum) =
                visit.session.ask(|client| (client.waiting_for_quorum(), client.quorum())).await?;
            screen::warn(&format!("-- {}", waits(lines, told, quorum)));
        }
    }
    let (number, blocked) = (args.lines, visit.eyes.blocked.clone());
    let heard = move |event: &Event| !blocked.holds(event.account());
    let lines = visit.session.ask(move |client| newest(client, conversation, number, heard)).await?;
    for shown in &lines {
        print(visit, args, shown, conversation)?;
    }
    if caught_up {
        return Ok(Outcome::Done);
    }
    screen::warn(
        "-- no server answered; these lines are what this machine has (see `tercet cluster status`)",
    );
    Ok(Outcome::Unknown)
}

/// Waits until the window of the newest line has passed: before that another may still belong above it.
async fn settle(visit: &Visit, conversation: Option<Conversation>) -> Result<(), Failure> {
    let newest = visit.session.ask(move |client| newest(client, conversation, 1, |_| true)).await?;
    let due_ms =
        newest.first().map_or(0, |shown| shown.event.time().millis().saturating_add(REORDER_WINDOW_MS));
    let wait_ms = due_ms.saturating_sub(now_ms()).min(REORDER_WINDOW_MS);
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    Ok(())
}

/// Prints what was shown before and then each line that comes, until nobody reads or the session ends.
async fn follow(
    visit: &Visit,
    mut shown: mpsc::UnboundedReceiver<Shown>,
    args: &Args,
) -> Result<(), Failure> {
    let conversation = conversation(visit, args).await?;
    let log = visit.session.log().to_owned();
    // What the session shows while this is read is in both: it is printed here, and not again below.
    let before = displayed(&log)?;
    let (number, blocked) = (args.lines, visit.eyes.blocked.clone());
    let past = move |event: &Event| before.contains(&event.id()) && !blocked.holds(event.account());
    let lines = visit.session.ask(move |client| newest(client, conversation, number, past)).await?;
    let mut printed: BTreeSet<EventId> = BTreeSet::new();
    for line in &lines {
        printed.insert(line.event.id());
        print(visit, args, line, conversation)?;
    }
    while let Some(line) = shown.recv().await {
        let wanted = conversation.is_none_or(|wanted| line.event.conversation() == wanted);
        let is_heard = !visit.eyes.blocked.holds(line.event.account());
        if wanted && is_heard && !printed.remove(&line.event.id()) {
            print(visit, args, &line, conversation)?;
        }
    }
    Ok(())
}

async fn conversation(visit: &Visit, args: &Args) -> Result<Option<Conversation>, Failure> {
    match &args.with {
        Some(place) => visit.conversation(place).await.map(Some),
        None => Ok(None),
    }
}

fn displayed(log: &std::path::Path) -> Result<BTreeSet<EventId>, Failure> {
    let entries = DeviceLog::read(log).map_err(|error| Failure::of(&error))?;
    let id = |entry: &Entry| match entry {
        Entry::Displayed { id, .. } => Some(*id),
        _ => None,
    };
    Ok(entries.iter().filter_map(id).collect())
}

/// The last `number` lines of one conversation or all, in canonical order.
fn newest(
    client: &Client,
    conversation: Option<Conversation>,
    number: usize,
    wanted: impl Fn(&Event) -> bool,
) -> Vec<Shown> {
    let here = |candidate: &Conversation| conversation.is_none_or(|wanted| wanted == *candidate);
    let line = |key: Key| -> Option<(Key, &Arc<Event>)> {
        let wanted = |event: &Event| event.kind().is_shown() && !client.is_kept(event) && wanted(event);
        let event = client.event(&key.id).filter(|event| wanted(event) && client.is_vouched(&key.id))?;
        Some((key, event))
    };
    let transcripts = client.conversations().filter(|(candidate, _)| here(candidate));
    let mut last: Vec<_> = transcripts
        .flat_map(|(_, transcript)| transcript.keys().rev().filter_map(line).take(number).collect::<Vec<_>>())
        .collect();
    last.sort_unstable_by_key(|(key, _)| *key);
    let skipped = last.len().saturating_sub(number);
    last.drain(..skipped);
    let show = |event: &Arc<Event>| {
        let mut shown = Shown::of(client, event, false);
        let gone = |id: &EventId| client.message(id).is_some_and(|message| message.text.is_none());
        shown.said = shown.said.without(event, gone);
        shown
    };
    last.into_iter().map(|(_, event)| show(event)).collect()
}

/// What `text` of a JSON line is.
fn words(shown: &Shown) -> Option<String> {
    match &shown.said {
        Said::Message { text, .. } | Said::Edit { text, .. } | Said::Topic(text) => Some(text.clone()),
        Said::React { sign, .. } => Some(sign.clone()),
        Said::Invite(room) => Some(format!("#?{}", room.short())),
        Said::TakenBack | Said::Absent | Said::Delete | Said::Join | Said::Leave | Said::Nothing => None,
    }
}

fn print(
    visit: &Visit,
    args: &Args,
    shown: &Shown,
    conversation: Option<Conversation>,
) -> Result<(), Failure> {
    if !args.json {
        return screen::say(&visit.eyes.message(shown, conversation));
    }
    let millis = i64::try_from(shown.event.time().millis()).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(millis).map(|time| time.to_string()).unwrap_or_default();
    let line = Line {
        id: shown.event.id(),
        time,
        with: &shown.with,
        kind: kind_name(shown.event.kind()),
        about: shown.event.target().filter(|_| shown.event.kind() != Kind::File),
        from: &shown.author,
        own: shown.event.account() == visit.eyes.account,
        text: words(shown),
        deleted: matches!(shown.said, Said::TakenBack),
        late: shown.late,
        copies: shown.copies,
        servers: visit.eyes.view.count(),
    };
    screen::say(&serde_json::to_string(&line).map_err(|error| Failure::of(&error))?)
}
