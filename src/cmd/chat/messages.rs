//! The chat's commands about messages: to answer, change, react to and look into one, and to find what is unread.
//!
//! `~N` names the N-th last message of the conversation, as `/history` numbers them.

use super::command::Back;
use super::render::{Eyes, copies, table};
use super::talk::{Done, Shared, perform};
use crate::client::{Client, Input};
use crate::cmd::blocked::Blocked;
use crate::cmd::failure::Failure;
use crate::cmd::said::{ABSENT, TAKEN_BACK, label};
use crate::cmd::session::{Session, now_ms};
use crate::content::about;
use crate::event::{Conversation, Kind};
use crate::id::EventId;
use crate::limits::UNREAD_COUNTED_MAX;
use crate::order::Key;
use crate::text::{Name, count, count_upto, inert};
use crate::thread::Message;

/// Says something about a message: `/reply`, `/edit`, `/delete`, `/react`, `/unreact`.
///
/// # Errors
/// If the session has ended, as for every command.
pub async fn change(
    session: &Session,
    eyes: &Eyes,
    shared: &Shared,
    kind: Kind,
    back: Back,
    text: String,
) -> Result<Done, Failure> {
    let Some((conversation, _)) = shared.current() else { return Ok(Done::Not(NOWHERE.to_owned())) };
    let own_only = matches!(kind, Kind::Edit | Kind::Delete);
    let account = eyes.account;
    let found = session
        .ask(move |client| {
            let message = pick(client, conversation, back, |message| match own_only {
                true => message.author == account,
                // A reaction or an answer is to somebody else, unless a message is named.
                false => message.author != account,
            })?;
            if own_only && message.author != account {
                return Err("that message is not yours to change".to_owned());
            }
            let target = client.event(&message.key.id).map(|event| event.kind());
            if (kind, target) == (Kind::Edit, Some(Kind::File)) {
                return Err(UNCHANGEABLE.to_owned());
            }
            Ok(message.key.id)
        })
        .await?;
    let target = match found {
        Ok(target) => target,
        Err(why) => return Ok(Done::Not(why)),
    };
    let input = Input::Say { conversation, kind, body: about(target, &text) };
    Ok(match perform(session, input).await? {
        Ok(()) => Done::Answer(Vec::new()),
        Err(why) => Done::Not(why),
    })
}

/// What is said to whoever wants to edit a file.
const UNCHANGEABLE: &str = "that message shares a file, which cannot be changed; /delete takes it back";

/// What is said to whom nothing is current.
pub const NOWHERE: &str = "in which conversation? /dm NAME or /join #ROOM first";

/// The message that is meant: the N-th last, or the last that fits; never one that was taken back.
///
/// # Errors
/// A sentence for the person.
pub fn pick(
    client: &Client,
    conversation: Conversation,
    back: Back,
    fits: impl Fn(&Message) -> bool,
) -> Result<Message, String> {
    match meant(client, conversation, back, |message| message.text.is_some() && fits(message)) {
        Some(message) if message.text.is_some() => Ok(message),
        Some(message) if message.absent => Err("the words of that message are not here".to_owned()),
        Some(_) => Err("that message was taken back".to_owned()),
        None => Err("there is no such message here; /history numbers them".to_owned()),
    }
}

/// The N-th last message of a conversation, whatever became of it, or the last that fits.
pub fn meant(
    client: &Client,
    conversation: Conversation,
    back: Back,
    fits: impl Fn(&Message) -> bool,
) -> Option<Message> {
    let mut last = client.thread(conversation).messages().rev();
    let read = |key: Key| client.message(&key.id);
    match back {
        Back::Last => last.filter_map(read).find(fits),
        Back::Nth(number) => last.nth(number.saturating_sub(1)).and_then(read),
    }
}

/// `/history`: the last messages, or those up to one, as they read now, numbered from the end, with a line where the
/// unread begin.
///
/// # Errors
/// See [`change`].
pub async fn history(
    session: &Session,
    eyes: &Eyes,
    shared: &Shared,
    number: usize,
    upto: Back,
) -> Result<Done, Failure> {
    let Some((conversation, name)) = shared.current() else {
        return Ok(Done::Not("whose history? /dm NAME or /join #ROOM first".to_owned()));
    };
    let (eyes_in, account) = (eyes.clone(), eyes.account);
    let newer = if let Back::Nth(nth) = upto { nth.saturating_sub(1) } else { 0 };
    let (mut lines, total, kept) = session
        .ask(move |client| {
            let thread = client.thread(conversation);
            let (read, total) = (thread.read(account), thread.count());
            let mut page: Vec<_> = thread.messages().rev().skip(newer).take(number).collect();
            page.reverse();
            let mut lines = Vec::new();
            for (place, message) in page.iter().filter_map(|key| client.message(&key.id)).enumerate() {
                let is_unread = message.author != account
                    && !eyes_in.blocked.holds(message.author)
                    && read.is_none_or(|read| message.key > read);
                let before_was_read = place == 0 || read.is_some_and(|read| page[place - 1] <= read);
                let is_first_of_all = place == 0 && newer + page.len() == total;
                if is_unread && before_was_read && !is_first_of_all {
                    lines.push(eyes_in.aside("unread from here"));
                }
                lines.push(line(client, &eyes_in, &message, newer + page.len() - place));
            }
            (lines, total, client.kept(conversation))
        })
        .await?;
    let what = if conversation_is_room(conversation) { "in" } else { "with" };
    let shown = match total {
        0 => format!("nothing {what} {name} yet"),
        all if newer >= all => {
            return Ok(Done::Not(format!("there is no ~{} here, of {}", newer + 1, count(all, "message"))));
        }
        all if newer > 0 => {
            let first = all.min(newer.saturating_add(number));
            format!("~{first} to ~{} of {all} messages {what} {name}, in their true order", newer + 1)
        }
        all if all <= number => format!("{} {what} {name}, all in their true order", count(all, "message")),
        all if number == 1 => format!("the last of {all} messages {what} {name}"),
        all => format!("the last {number} of {all} messages {what} {name}, in their true order"),
    };
    lines.insert(0, eyes.aside(&shown));
    if kept > 0 {
        let (messages, are) = (count(kept, "earlier message"), if kept == 1 { "is" } else { "are" });
        lines.insert(1, eyes.aside(&format!("({messages} {are} not for those who joined later)")));
    }
    // Of what was here, these lines have shown also what the display still holds.
    if newer == 0 {
        mark_read(session, eyes, conversation, 0).await?;
    }
    Ok(Done::Answer(lines))
}

/// What stands in place of a message's words that are not here.
fn gone(message: &Message) -> &'static str {
    if message.absent { ABSENT } else { TAKEN_BACK }
}

fn conversation_is_room(conversation: Conversation) -> bool {
    matches!(conversation, Conversation::Room(_))
}

/// A message as it reads now, the so-manieth last.
pub fn line(client: &Client, eyes: &Eyes, message: &Message, number: usize) -> String {
    if eyes.blocked.holds(message.author) {
        return eyes.blocked(message, number);
    }
    let name = |account| client.directory().name(account);
    let answers = message
        .answers
        .and_then(|target| client.message(&target))
        .map(|target| (name(target.author), target.text.clone().unwrap_or_else(|| gone(&target).to_owned())));
    let own = client.event(&message.key.id).filter(|event| event.device() == client.device());
    let reactions: Vec<_> =
        message.reactions.iter().map(|(sign, people)| (sign.clone(), people.len())).collect();
    eyes.past(
        message,
        &name(message.author),
        answers.as_ref(),
        &reactions,
        own.map(|event| client.copies(&event.id())),
        number,
    )
}

/// `/late`: the messages that were shown below their place, each where it belongs.
///
/// # Errors
/// See [`change`].
pub async fn late(session: &Session, eyes: &Eyes, shared: &Shared) -> Result<Done, Failure> {
    let Some((conversation, _)) = shared.current() else { return Ok(Done::Not(NOWHERE.to_owned())) };
    let (eyes_in, late) = (eyes.clone(), shared.late(conversation));
    let (number, lines) = session
        .ask(move |client| {
            let thread = client.thread(conversation);
            let mut found: Vec<_> = late.iter().filter_map(|id| client.message(id)).collect();
            found.sort_unstable_by_key(|message| message.key);
            let places = found.iter().flat_map(|message| {
                let before = thread.before(message.key).and_then(|key| client.message(&key.id));
                let after = before.map(|before| {
                    let is_heard = !eyes_in.blocked.holds(before.author);
                    let text = if is_heard { before.text.as_deref() } else { Some("(blocked)") };
                    eyes_in.before(&client.directory().name(before.author), text)
                });
                let number = thread.behind(Some(message.key)).count() + 1;
                after.into_iter().chain([line(client, &eyes_in, message, number)])
            });
            (found.len(), places.collect::<Vec<_>>())
        })
        .await?;
    let heading = match number {
        0 => "nothing here was shown late since this chat began".to_owned(),
        some => {
            format!("{} shown late since this chat began, each below what it follows", count(some, "message"))
        }
    };
    Ok(Done::Answer(std::iter::once(eyes.aside(&heading)).chain(lines).collect()))
}

/// `/why`: where a message stands and what vouches for it.
///
/// # Errors
/// See [`change`].
pub async fn why(session: &Session, eyes: &Eyes, shared: &Shared, back: Back) -> Result<Done, Failure> {
    let Some((conversation, _)) = shared.current() else { return Ok(Done::Not(NOWHERE.to_owned())) };
    let eyes_in = eyes.clone();
    let told = session
        .ask(move |client| {
            let message = pick(client, conversation, back, |_| true)?;
            explain(client, &eyes_in, message.key.id).ok_or_else(|| "that message is not here".to_owned())
        })
        .await?;
    Ok(match told {
        Ok(lines) => Done::Answer(lines),
        Err(why) => Done::Not(why),
    })
}

fn explain(client: &Client, eyes: &Eyes, id: EventId) -> Option<Vec<String>> {
    let event = client.event(&id)?;
    let holders = client.holders(&id);
    let names: Vec<_> = eyes
        .view
        .servers()
        .iter()
        .enumerate()
        .filter(|(place, _)| holders.contains(place))
        .map(|(_, member)| inert(&member.name))
        .collect();
    let own = event.account() == client.account() && event.device() == client.device();
    let names = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
    let disks = match own {
        true => format!("{}  known to be on: {names}", copies(client.copies(&id), eyes.view.count())),
        // Receipts go to the author: what a reader knows of is no count.
        false => format!("known to be on: {names}"),
    };
    let parents: Vec<_> = event
        .parents()
        .iter()
        .map(|parent| {
            let said = client.event(parent).map(|event| match event.text() {
                _ if client.is_taken_back(event) => TAKEN_BACK,
                None if !event.has_body() => ABSENT,
                text => text.filter(|text| !text.is_empty()).unwrap_or("(no text)"),
            });
            let said = said.unwrap_or("(no text)");
            format!("   after    {} {}", parent.short(), super::render::shorten(&inert(said), 50))
        })
        .collect();
    let author = inert(&client.directory().name(event.account()));
    let mut lines = vec![
        eyes.aside(&format!("event {}", id.short())),
        format!(
            "   author   {author}, key {}, device {}, number {}",
            event.account().short(),
            event.device().short(),
            event.seq()
        ),
        format!("   time     {}", eyes.instant(event)),
        format!("   disks    {disks}"),
    ];
    lines.extend(parents);
    Some(lines)
}

/// `/unread`: the conversations in which somebody said something new.
///
/// # Errors
/// See [`change`].
pub async fn unread(session: &Session, eyes: &Eyes, shared: &Shared) -> Result<Done, Failure> {
    mark_current(session, eyes, shared).await?;
    let waiting = waiting(session, eyes, shared).await?;
    let mut lines = vec![eyes.aside(&match waiting.len() {
        0 => "nothing unread".to_owned(),
        some => format!("unread in {}; /next goes there", count(some, "conversation")),
    })];
    let row = |(_, name, unread): &(Conversation, String, usize)| vec![inert(name), unread_count(*unread)];
    lines.extend(table(&waiting.iter().map(row).collect::<Vec<_>>()));
    Ok(Done::Answer(lines))
}

/// `/next`: turns to a conversation with something unread.
///
/// # Errors
/// See [`change`].
pub async fn next(session: &Session, eyes: &Eyes, shared: &Shared) -> Result<Done, Failure> {
    mark_current(session, eyes, shared).await?;
    let Some((conversation, name, unread)) = waiting(session, eyes, shared).await?.into_iter().next() else {
        return Ok(Done::Answer(vec![eyes.aside("nothing unread")]));
    };
    shared.turn_to(conversation, name);
    history(session, eyes, shared, unread.min(UNREAD_COUNTED_MAX), Back::Last).await
}

/// The conversations with something unread, but for the one before the person's eyes: what is new there is shown.
async fn waiting(
    session: &Session,
    eyes: &Eyes,
    shared: &Shared,
) -> Result<Vec<(Conversation, String, usize)>, Failure> {
    let blocked = eyes.blocked.clone();
    let current = shared.current().map(|(conversation, _)| conversation).filter(|_| eyes.reads);
    let mut waiting = session.ask(move |client| waiting_for(client, &blocked)).await?;
    waiting.retain(|(conversation, _, _)| Some(*conversation) != current);
    Ok(waiting)
}

fn waiting_for(client: &Client, blocked: &Blocked) -> Vec<(Conversation, String, usize)> {
    let followed: Vec<_> = client.followed().collect();
    let is_open = |conversation: &Conversation| match conversation {
        Conversation::Directory => false,
        Conversation::Direct(..) => true,
        Conversation::Room(room) => followed.contains(room),
    };
    let conversations = client.conversations().map(|(conversation, _)| conversation).filter(is_open);
    let all = conversations.map(|conversation| {
        let unread = client.unread(conversation, client.account(), |author| blocked.holds(author));
        (conversation, label(client, conversation), as_far_as_counted(unread))
    });
    all.filter(|(_, _, unread)| *unread > 0).collect()
}

/// Counts unread messages, up to one more than is told.
fn as_far_as_counted(unread: impl Iterator<Item = Key>) -> usize {
    unread.take(UNREAD_COUNTED_MAX + 1).count()
}

fn unread_count(unread: usize) -> String {
    count_upto(unread, UNREAD_COUNTED_MAX, "message")
}

/// `/seen`: how far somebody has read the conversation.
///
/// # Errors
/// See [`change`].
pub async fn seen(session: &Session, eyes: &Eyes, shared: &Shared, name: Name) -> Result<Done, Failure> {
    let Some((conversation, _)) = shared.current() else { return Ok(Done::Not(NOWHERE.to_owned())) };
    let asked = name.to_string();
    let told = session
        .ask(move |client| {
            let account = client.directory().account(&asked)?;
            let read = client.thread(conversation).read(account);
            let unread = as_far_as_counted(client.unread(conversation, account, |_| false));
            Some((account, read.and_then(|key| client.event(&key.id).cloned()).map(|event| (event, unread))))
        })
        .await?;
    let presence = told.as_ref().and_then(|(account, _)| session.presence(*account));
    let line = match told.map(|(_, read)| read) {
        None => return Ok(Done::Not(format!("there is nobody called {name} here: /who lists everybody"))),
        Some(None) => format!("{name} has not marked anything here as read"),
        Some(Some((_, 0))) => format!("{name} has read everything here"),
        Some(Some((event, unread))) => {
            format!("{name} has read up to {}; {} since", eyes.instant(&event), unread_count(unread))
        }
    };
    let mut lines = vec![eyes.aside(&line)];
    if presence.is_some() {
        lines.push(eyes.aside(&format!("{name} is {}", eyes.presence(presence))));
    }
    Ok(Done::Answer(lines))
}

/// Marks the current conversation as read: the person who types has it before their eyes.
///
/// # Errors
/// See [`change`].
pub async fn mark_current(session: &Session, eyes: &Eyes, shared: &Shared) -> Result<(), Failure> {
    match shared.current() {
        Some((conversation, _)) => mark_read(session, eyes, conversation, eyes.window_ms).await,
        None => Ok(()),
    }
}

/// Marks a conversation as read, for oneself on all devices and for others to see; only if a person reads it, and only
/// as far as lines are shown that are held for so long.
///
/// # Errors
/// See [`change`].
pub async fn mark_read(
    session: &Session,
    eyes: &Eyes,
    conversation: Conversation,
    held_ms: u64,
) -> Result<(), Failure> {
    if !eyes.reads {
        return Ok(());
    }
    let account = eyes.account;
    let shown_until_ms = now_ms().saturating_sub(held_ms);
    let last = session
        .ask(move |client| {
            let is_others = |id: &EventId| client.event(id).is_some_and(|event| event.account() != account);
            let is_shown = |key: &Key| held_ms == 0 || key.time.millis() < shown_until_ms;
            let last = client
                .thread(conversation)
                .messages()
                .rev()
                .filter(is_shown)
                .map(|key| key.id)
                .find(is_others);
            last.filter(|_| {
                client.unread(conversation, account, |_| false).next().is_some_and(|key| is_shown(&key))
            })
        })
        .await?;
    if let Some(target) = last {
        let input = Input::Say { conversation, kind: Kind::Read, body: about(target, "") };
        let _unmarked = perform(session, input).await?; // it can be marked another time
    }
    Ok(())
}
