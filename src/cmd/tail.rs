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

use super::complete;
use super::failure::{Failure, Outcome};
use super::home::Cluster;
use super::screen;
use super::session::{Shown, now_ms};
use super::settings::Settings;
use super::visit::{self, Visit};
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
    /// Only the conversation with this person [default: all conversations].
    #[arg(value_name = "WITH", add = complete::names())]
    with: Option<Name>,
    /// Who you are [default: the profile's name, or the only account on this machine].
    #[arg(long = "as", value_name = "NAME", env = "TERCET_NAME", hide_env_values = true, add = complete::people())]
    me: Option<Name>,
    /// How many lines to begin with.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// Go on with new lines as their places are settled. They count as shown: a chat does not show them again.
    #[arg(short, long)]
    follow: bool,
    /// Print each line as a JSON object: id, time, with, from, own, text, late, copies, servers.
    #[arg(long)]
    json: bool,
    /// For how long to wait for a server.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
}

/// A message as `--json` prints it.
#[derive(serde::Serialize)]
struct Line<'a> {
    id: EventId,
    /// When it was written, by its author's clock: RFC 3339, UTC.
    time: String,
    /// The other side of the conversation.
    with: &'a str,
    from: &'a str,
    own: bool,
    text: &'a str,
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
    let patience = Duration::from_secs(args.wait);
    visit::run(async {
        if args.follow {
            let (visit, shown) = Visit::following(&cluster, &me, patience).await?;
            follow(&visit, shown, args).await?;
            visit.close().await?;
            return Ok(Outcome::Done);
        }
        let visit = Visit::open(&cluster, &me, patience).await?;
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
    }
    let number = args.lines;
    let lines = visit.session.ask(move |client| newest(client, conversation, number, |_| true)).await?;
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
    let (number, known) = (args.lines, Arc::new(before));
    let past = Arc::clone(&known);
    let lines = visit
        .session
        .ask(move |client| newest(client, conversation, number, |key| past.contains(&key.id)))
        .await?;
    let mut printed: BTreeSet<EventId> = BTreeSet::new();
    for line in &lines {
        printed.insert(line.event.id());
        print(visit, args, line, conversation)?;
    }
    while let Some(line) = shown.recv().await {
        let wanted = conversation.is_none_or(|wanted| line.event.conversation() == wanted);
        if wanted && !printed.remove(&line.event.id()) {
            print(visit, args, &line, conversation)?;
        }
    }
    Ok(())
}

async fn conversation(visit: &Visit, args: &Args) -> Result<Option<Conversation>, Failure> {
    match &args.with {
        Some(name) => visit.conversation(name).await.map(Some),
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

/// The last `number` messages of one conversation or all, in canonical order.
fn newest(
    client: &Client,
    conversation: Option<Conversation>,
    number: usize,
    wanted: impl Fn(&Key) -> bool,
) -> Vec<Shown> {
    let here = |candidate: &Conversation| conversation.is_none_or(|wanted| wanted == *candidate);
    let post = |key: &Key| -> Option<Arc<Event>> {
        client.event(&key.id).filter(|event| event.kind() == Kind::Post).cloned()
    };
    let transcripts = client.conversations().filter(|(candidate, _)| here(candidate));
    let mut last: Vec<(Key, Arc<Event>)> = transcripts
        .flat_map(|(_, transcript)| {
            let keys = transcript.keys().rev().filter(&wanted);
            keys.filter_map(|key| Some((key, post(&key)?))).take(number).collect::<Vec<_>>()
        })
        .collect();
    last.sort_unstable_by_key(|(key, _)| *key);
    let skipped = last.len().saturating_sub(number);
    last.drain(..skipped);
    last.iter().map(|(_, event)| Shown::of(client, event, false)).collect()
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
        from: &shown.author,
        own: shown.event.account() == visit.eyes.account,
        text: shown.event.text().unwrap_or_default(),
        late: shown.late,
        copies: shown.copies,
        servers: visit.eyes.view.servers().len(),
    };
    screen::say(&serde_json::to_string(&line).map_err(|error| Failure::of(&error))?)
}
