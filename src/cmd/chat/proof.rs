//! `/proof`: whether everybody holds the same conversation.
//!
//! Three witnesses: each server says what it holds; what each of the others has seen follows from their own signed
//! events, which name the heads that they had before them; and the words are for two people to read to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::timeout;

use super::render::{Eyes, table};
use super::talk::{Done, Shared};
use crate::client::Client;
use crate::cmd::failure::Failure;
use crate::cmd::session::Session;
use crate::digests::Compared;
use crate::event::Conversation;
use crate::id::{AccountId, EventId};
use crate::order::Digest;
use crate::text::{count, inert};
use crate::words::speak;

/// How long servers have to answer. One that does not is unknown, not wrong.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of the digest that are made words: six of them.
const SPOKEN_BYTES: usize = 12;
/// Most people whose words are looked at: those who wrote last. Each costs a walk through the conversation.
const PEOPLE: usize = 10;

/// What is here of a conversation.
struct Here {
    events: usize,
    words: String,
    /// By place in the view.
    connected: Vec<bool>,
    /// The others, each with how many of the events theirs do not follow.
    people: Vec<(String, usize)>,
}

/// Compares the conversation with every server's, and with what the others have signed.
///
/// # Errors
/// If the session has ended, as for every command.
pub async fn proof(session: &Session, eyes: &Eyes, shared: &Shared) -> Result<Done, Failure> {
    let Some((conversation, name)) = shared.current() else {
        return Ok(Done::Not("proof of which conversation? /dm NAME or /join #ROOM first".to_owned()));
    };
    let servers = eyes.view.servers().len();
    let mut answers = session.compare(conversation, servers).await?;
    let here = session.ask(move |client| here(client, conversation, servers)).await?;
    let mut compared = BTreeMap::new();
    let expected = here.connected.iter().filter(|connected| **connected).count();
    let all = async {
        while compared.len() < expected {
            let Some((server, said)) = answers.recv().await else { break };
            compared.insert(server, said);
        }
    };
    let _in_time = timeout(PATIENCE, all).await;
    Ok(Done::Answer(lines(eyes, &name, conversation, &here, &compared)))
}

fn lines(
    eyes: &Eyes,
    name: &str,
    conversation: Conversation,
    here: &Here,
    compared: &BTreeMap<usize, Compared>,
) -> Vec<String> {
    let what = if matches!(conversation, Conversation::Room(_)) { "in" } else { "with" };
    let events = count(here.events, "event");
    let mut lines = vec![
        eyes.aside(&format!("{events} {what} {}; whoever holds the same reads the same words:", inert(name))),
        format!("   {}", here.words),
    ];
    let members = eyes.view.servers();
    let servers = members.iter().zip(&here.connected).enumerate();
    let rows: Vec<_> = servers
        .map(|(index, (member, connected))| {
            let said = compared.get(&index).map_or(unanswered(*connected), |said| verdict(eyes, *said));
            vec![format!("server {}", inert(&member.name)), said]
        })
        .collect();
    lines.extend(table(&rows));
    let signed = |(name, lacking): &(String, usize)| {
        let what = match lacking {
            0 => "signed for all of it".to_owned(),
            some if *some == here.events => "has written nothing here yet".to_owned(),
            some => format!("signed for all but the last {some}"),
        };
        vec![inert(name), what]
    };
    lines.extend(table(&here.people.iter().map(signed).collect::<Vec<_>>()));
    lines
}

fn unanswered(connected: bool) -> String {
    if connected { "has not answered".to_owned() } else { "away".to_owned() }
}

fn verdict(eyes: &Eyes, said: Compared) -> String {
    match said {
        Compared::Equal => eyes.good("equal"),
        Compared::Behind(some) => eyes.doubtful(&format!("behind by {some}")),
        Compared::Ahead(some) => eyes.doubtful(&format!("ahead by {some}, which are still to come")),
        Compared::Differs(some) => {
            eyes.bad(&format!("differs: {} that are not these", count(to_usize(some), "event")))
        }
        Compared::TooLong => "too many events to compare".to_owned(),
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn here(client: &Client, conversation: Conversation, servers: usize) -> Here {
    let transcript = client.transcript(conversation);
    let digest = transcript.map_or_else(|| Digest::of([]), crate::order::Transcript::digest);
    Here {
        events: transcript.map_or(0, |transcript| transcript.keys().len()),
        words: speak(&digest.as_bytes()[..SPOKEN_BYTES]),
        connected: (0..servers).map(|index| client.is_up(index)).collect(),
        people: people(client, conversation),
    }
}

/// The other side, or the others who wrote here last, each with how many events no event of theirs follows.
fn people(client: &Client, conversation: Conversation) -> Vec<(String, usize)> {
    let ids: Vec<EventId> =
        client.transcript(conversation).into_iter().flat_map(|all| all.keys()).map(|key| key.id).collect();
    let mut last: Vec<AccountId> =
        conversation.other(client.account()).filter(|other| *other != client.account()).into_iter().collect();
    for author in ids.iter().rev().filter_map(|id| client.event(id)).map(|event| event.account()) {
        if last.len() == PEOPLE {
            break;
        }
        if author != client.account() && !last.contains(&author) {
            last.push(author);
        }
    }
    let own = |account: AccountId| {
        let is_own = |id: &&EventId| client.event(id).is_some_and(|event| event.account() == account);
        ids.iter().filter(is_own).copied().collect()
    };
    let lacking = |account| ids.len() - followed(client, own(account));
    last.into_iter().map(|account| (client.directory().name(account), lacking(account))).collect()
}

/// How many events these are and follow.
fn followed(client: &Client, mut open: Vec<EventId>) -> usize {
    let mut followed = BTreeSet::new();
    while let Some(next) = open.pop() {
        if followed.insert(next) {
            open.extend(client.event(&next).into_iter().flat_map(|event| event.parents()));
        }
    }
    followed.len()
}
