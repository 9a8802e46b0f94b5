//! The chat's commands for rooms.

use std::time::Duration;

use super::people::{List, named};
use super::render::{Eyes, table};
use super::talk::{Done, Shared, perform};
use crate::client::{Client, Input};
use crate::cmd::failure::Failure;
use crate::cmd::place::{find_room, follows, rooms};
use crate::cmd::said::room_name;
use crate::cmd::session::Session;
use crate::content::{Charter, Past};
use crate::event::{Conversation, Kind};
use crate::id::RoomId;
use crate::text::{Name, count, inert};

/// How long `/join` waits to hear of a room, and for the beginning of one that the person was invited to.
const BEGINNING_MS: u64 = 3_000;
const POLL_MS: u64 = 50;

/// `/create`: begins a room and turns to it.
///
/// # Errors
/// If the session has ended, as for every command.
pub async fn create(
    session: &Session,
    eyes: &Eyes,
    shared: &Shared,
    charter: Charter,
) -> Result<Done, Failure> {
    let name = charter.name.clone();
    if charter.public && find(session, &name).await?.is_some() {
        return Ok(Done::Not(format!("there is a room #{name} already; /join #{name}")));
    }
    let what = if charter.public { "everybody may join" } else { "who is invited may join: /invite NAME" };
    let past = match charter.history {
        Past::Open => "",
        Past::SinceJoining => ", and reads what is said from then on",
    };
    if let Err(why) = perform(session, Input::Begin { charter }).await? {
        return Ok(Done::Not(why));
    }
    let Some(room) = session.ask(newest_of_own).await? else {
        return Ok(Done::Not(format!("#{name} could not be begun")));
    };
    shared.turn_to(Conversation::Room(room), format!("#{name}"));
    Ok(Done::Answer(vec![eyes.aside(&format!("#{name} is open: {what}{past}; just type"))]))
}

/// The room that this account has begun last.
fn newest_of_own(client: &Client) -> Option<RoomId> {
    let own = rooms(client)
        .filter_map(|(room, first)| (first.account() == client.account()).then_some((first.key(), room)));
    own.max().map(|(_, room)| room)
}

/// `/join`: follows a room, becomes a member and turns to it.
///
/// # Errors
/// See [`create`].
pub async fn join(session: &Session, eyes: &Eyes, shared: &Shared, name: Name) -> Result<Done, Failure> {
    let Some(room) = find_soon(session, &name).await? else {
        return Ok(Done::Not(format!(
            "there is no room #{name} here: /rooms lists them, /create #{name} begins it"
        )));
    };
    let account = eyes.account;
    let own = Conversation::direct(account, account);
    let is_new = !session.ask(move |client| follows(client, room)).await?;
    if is_new {
        let note = Input::Say { conversation: own, kind: Kind::Follow, body: room.as_bytes().to_vec() };
        if let Err(why) = perform(session, note).await? {
            return Ok(Done::Not(why));
        }
    }
    if !has_begun(session, room).await? {
        return Ok(Done::Not(
            "it is not here yet; it opens as soon as a server has it, then /join again".to_owned(),
        ));
    }
    let conversation = Conversation::Room(room);
    let (is_member, members, topic) = session
        .ask(move |client| {
            let thread = client.thread(conversation);
            (thread.is_member(account), thread.members_count(), topic_of(client, room))
        })
        .await?;
    if !is_member {
        let join = Input::Say { conversation, kind: Kind::Join, body: Vec::new() };
        if let Err(why) = perform(session, join).await? {
            return Ok(Done::Not(why));
        }
    }
    let name = session.ask(move |client| room_name(client, room)).await?;
    shared.turn_to(conversation, name.clone());
    if is_new {
        // Who is there and what was said is still to come.
        return Ok(Done::Answer(vec![
            eyes.aside(&format!("joined {name}; just type, /history for what was said before")),
        ]));
    }
    let members = count(members + usize::from(!is_member), "member");
    let about = topic.map_or_else(String::new, |topic| format!(", about: {}", inert(&topic)));
    Ok(Done::Answer(vec![eyes.aside(&format!("in {name}, {members}{about}; just type"))]))
}

/// As [`find`]; a chat that has just started hears of the rooms first.
async fn find_soon(session: &Session, name: &Name) -> Result<Option<RoomId>, Failure> {
    for _ in 0..BEGINNING_MS / POLL_MS {
        let knows_all = session.ask(Client::is_caught_up).await?;
        let found = find(session, name).await?;
        if found.is_some() || knows_all {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
    Ok(None)
}

/// Waits a little for the beginning of a room to come.
async fn has_begun(session: &Session, room: RoomId) -> Result<bool, Failure> {
    for _ in 0..BEGINNING_MS / POLL_MS {
        if session.ask(move |client| client.transcript(Conversation::Room(room)).is_some()).await? {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
    Ok(false)
}

/// `/leave`: is no member any more, and follows the room no longer.
///
/// # Errors
/// See [`create`].
pub async fn leave(
    session: &Session,
    eyes: &Eyes,
    shared: &Shared,
    name: Option<Name>,
) -> Result<Done, Failure> {
    let room = match name {
        Some(name) => find(session, &name).await?,
        None => current(shared),
    };
    let Some(room) = room else { return Ok(Done::Not("leave which room? /leave #ROOM".to_owned())) };
    let (conversation, own) = (Conversation::Room(room), Conversation::direct(eyes.account, eyes.account));
    let leave = Input::Say { conversation, kind: Kind::Leave, body: Vec::new() };
    let note = Input::Say { conversation: own, kind: Kind::Unfollow, body: room.as_bytes().to_vec() };
    for input in [leave, note] {
        if let Err(why) = perform(session, input).await? {
            return Ok(Done::Not(why));
        }
    }
    let name = session.ask(move |client| room_name(client, room)).await?;
    if current(shared) == Some(room) {
        shared.turn_away();
    }
    Ok(Done::Answer(vec![eyes.aside(&format!("left {name}"))]))
}

const CLOSED: &str = "closed";

/// Who may join a room, and whether they read its past.
fn kind_of(charter: &Charter) -> &'static str {
    match (charter.public, charter.history) {
        (true, Past::Open) => "public",
        (false, Past::Open) => "private",
        (true, Past::SinceJoining) => "public, closed",
        (false, Past::SinceJoining) => "private, closed",
    }
}

/// `/rooms`: every room that the person may join.
///
/// # Errors
/// See [`create`].
pub async fn list(session: &Session, eyes: &Eyes) -> Result<Done, Failure> {
    let rows: Vec<_> =
        session
            .ask(|client| {
                let mut all: Vec<_> = rooms(client)
                    .map(|(room, first)| {
                        let members = client.thread(Conversation::Room(room)).members_count();
                        let charter = first.charter();
                        let joined = follows(client, room);
                        // Of a room that is not followed only its beginning is here.
                        let members = if joined { count(members, "member") } else { String::new() };
                        vec![
                            inert(&room_name(client, room)),
                            charter.as_ref().map_or("private", kind_of).to_owned(),
                            if joined { "joined" } else { "" }.to_owned(),
                            members,
                            inert(&topic_of(client, room).unwrap_or_default()),
                        ]
                    })
                    .collect();
                let is_known = |room: &RoomId| client.transcript(Conversation::Room(*room)).is_some();
                let unknown = client.invited().filter(|room| !is_known(room));
                all.extend(unknown.map(|room| {
                    vec![format!("#?{}", room.short()), "private".to_owned(), "invited".to_owned()]
                }));
                all.sort();
                all.dedup();
                all
            })
            .await?;
    let heading = match rows.len() {
        0 => "no rooms yet; /create #NAME [private] [closed] opens one".to_owned(),
        some if rows.iter().any(|row| row[1].ends_with(CLOSED)) => {
            format!("{}; of a closed one you read what is said from your coming on", count(some, "room"))
        }
        some => count(some, "room"),
    };
    Ok(Done::Answer(std::iter::once(eyes.aside(&heading)).chain(table(&rows)).collect()))
}

/// `/members`: who is in the room, or those whose names hold a text, case aside.
///
/// # Errors
/// See [`create`].
pub async fn members(session: &Session, eyes: &Eyes, shared: &Shared, text: &str) -> Result<Done, Failure> {
    let Some(room) = current(shared) else {
        return Ok(Done::Not("/members is for a room; /join #ROOM".to_owned()));
    };
    let wanted = text.to_owned();
    let members = session
        .ask(move |client| named(client, client.thread(Conversation::Room(room)).members(), &wanted))
        .await?;
    let list = List { of: "member", with: text, command: "/members" };
    Ok(Done::Answer(list.lines(session, eyes, members, |_, presence| vec![presence])))
}

/// `/topic`: what the room is about, or what it is to be about.
///
/// # Errors
/// See [`create`].
pub async fn topic(
    session: &Session,
    eyes: &Eyes,
    shared: &Shared,
    text: Option<String>,
) -> Result<Done, Failure> {
    let Some(room) = current(shared) else {
        return Ok(Done::Not("/topic is for a room; /join #ROOM".to_owned()));
    };
    let conversation = Conversation::Room(room);
    if let Some(text) = text {
        let input = Input::Say { conversation, kind: Kind::Topic, body: text.into_bytes() };
        return Ok(match perform(session, input).await? {
            Ok(()) => Done::Answer(Vec::new()),
            Err(why) => Done::Not(why),
        });
    }
    let topic = session.ask(move |client| topic_of(client, room)).await?;
    let words = topic.map_or_else(
        || "no topic; /topic TEXT sets one".to_owned(),
        |topic| format!("topic: {}", inert(&topic)),
    );
    Ok(Done::Answer(vec![eyes.aside(&words)]))
}

/// `/invite`: lets somebody into the room.
///
/// # Errors
/// See [`create`].
pub async fn invite(session: &Session, eyes: &Eyes, shared: &Shared, name: Name) -> Result<Done, Failure> {
    let Some(room) = current(shared) else {
        return Ok(Done::Not("/invite is for a room; /join #ROOM first".to_owned()));
    };
    let asked = name.to_string();
    let Some(guest) = session.ask(move |client| client.directory().account(&asked)).await? else {
        return Ok(Done::Not(format!("there is nobody called {name} here: /who lists everybody")));
    };
    let conversation = Conversation::direct(eyes.account, guest);
    let input = Input::Say { conversation, kind: Kind::Invite, body: room.as_bytes().to_vec() };
    Ok(match perform(session, input).await? {
        Ok(()) => Done::Answer(vec![eyes.aside(&format!("{name} is invited"))]),
        Err(why) => Done::Not(why),
    })
}

/// What a room is about, if somebody said so.
fn topic_of(client: &Client, room: RoomId) -> Option<String> {
    let topic = client.thread(Conversation::Room(room)).topic()?;
    let text = client.event(&topic)?.text()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// The room that is typed into.
fn current(shared: &Shared) -> Option<RoomId> {
    match shared.current() {
        Some((Conversation::Room(room), _)) => Some(room),
        _ => None,
    }
}

async fn find(session: &Session, name: &Name) -> Result<Option<RoomId>, Failure> {
    let name = name.clone();
    session.ask(move |client| find_room(client, &name)).await
}
