//! `/proof`: whether everybody holds the same conversation.
//!
//! Three witnesses: each server says what it holds; what each of the others has seen follows from their own signed
//! events, which name the heads that they had before them; and the words are for two people to read to each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::render::{Eyes, table};
use super::talk::{Done, Shared};
use crate::client::Client;
use crate::cmd::failure::Failure;
use crate::cmd::session::Session;
use crate::digests::Compared;
use crate::event::{Conversation, Event};
use crate::id::{AccountId, EventId};
use crate::order::Digest;
use crate::text::{count, inert};
use crate::words::speak;

/// How long servers have to answer. One that does not is unknown, not wrong.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of the digest that are made words: six of them.
const SPOKEN_BYTES: usize = 12;
/// Most people whose words are looked at: those who wrote last.
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
    let events = || {
        let keys = client.transcript(conversation).into_iter().flat_map(|all| all.keys().rev());
        keys.filter_map(|key| client.event(&key.id)).map(Arc::as_ref)
    };
    let mut last: Vec<AccountId> =
        conversation.other(client.account()).filter(|other| *other != client.account()).into_iter().collect();
    for author in events().map(Event::account) {
        if last.len() == PEOPLE {
            break;
        }
        if author != client.account() && !last.contains(&author) {
            last.push(author);
        }
    }
    let lacking = lacking(&last, events());
    last.into_iter().map(|account| client.directory().name(account)).zip(lacking).collect()
}

/// Of each of some people, at most [`PEOPLE`]: how many events they neither wrote nor follow with what they wrote. The
/// events come the last first, so each comes after all that follow it.
fn lacking<'a>(people: &[AccountId], events: impl Iterator<Item = &'a Event>) -> Vec<usize> {
    let mut lacking = vec![0; people.len()];
    // Who follows the events that are still to come, one bit each.
    let mut followed: BTreeMap<EventId, u16> = BTreeMap::new();
    for event in events {
        let own = people.iter().position(|person| *person == event.account()).map_or(0, |place| 1 << place);
        let by = followed.remove(&event.id()).unwrap_or(0) | own;
        lacking
            .iter_mut()
            .enumerate()
            .filter(|(place, _)| by & (1 << place) == 0)
            .for_each(|(_, some)| *some += 1);
        for parent in event.parents() {
            *followed.entry(*parent).or_default() |= by;
        }
    }
    lacking
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::clock::Time;
    use crate::event::{Draft, Kind, account_of};
    use crate::id::DeviceId;

    #[test]
    fn who_wrote_lacks_what_came_after_and_beside_it() {
        let keys = [1, 2].map(|person| SigningKey::from_bytes(&[person; 32]));
        let people = [account_of(&keys[0]), account_of(&keys[1])];
        let mut events: Vec<Event> = Vec::new();
        // Each with its author and the places of its parents: 1 and 2 are beside each other, 3 follows both.
        for (author, parents) in [(0, &[][..]), (0, &[0]), (1, &[0]), (1, &[1, 2]), (0, &[3])] {
            let seq = events.len() as u64 + 1;
            let draft = Draft {
                device: DeviceId::new([1; 16]),
                seq,
                parents: parents.iter().map(|place: &usize| events[*place].id()).collect::<BTreeSet<_>>(),
                time: Time::from_millis(seq),
                conversation: Conversation::direct(people[0], people[1]),
                kind: Kind::Post,
                body: b"hello".to_vec(),
            };
            events.push(draft.sign(&keys[author]).unwrap());
        }
        let nobody = AccountId::new([9; 32]);
        let lacking = |upto: usize| lacking(&[people[0], people[1], nobody], events[..upto].iter().rev());
        assert_eq!(lacking(0), [0, 0, 0]);
        assert_eq!(lacking(2), [0, 2, 2]);
        assert_eq!(lacking(3), [1, 1, 3]);
        assert_eq!(lacking(4), [2, 0, 4]);
        assert_eq!(lacking(5), [0, 1, 5]);
    }
}
