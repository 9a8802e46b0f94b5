//! A conversation as people read it: each message with what became of it, a room's members and topic, and how far
//! everybody has read.
//!
//! [`Thread`] is an index: it knows places and no words. A message is read from its event and those about it, and
//! from no others, so a page costs what the page costs, however long the conversation is.
//!
//! **Invariant**: an index depends on which events it was given and on nothing else, neither on the order in which they
//! came nor on how often; so equal sets of events read alike everywhere. A message keeps its place whatever happens
//! to it; of two edits the later in canonical order counts, and a message that was taken back stays so.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::content::Content;
use crate::event::{Event, Kind};
use crate::id::{AccountId, EventId};
use crate::order::Key;

/// One message, as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which event it is.
    pub key: Key,
    /// Who wrote it.
    pub author: AccountId,
    /// What it says now; `None` if it was taken back, or is not here.
    pub text: Option<String>,
    /// Whether it is not here though it was not taken back.
    pub absent: bool,
    /// Whether its author has changed it.
    pub edited: bool,
    /// What it answers.
    pub answers: Option<EventId>,
    /// Who reacted, by sign.
    pub reactions: BTreeMap<String, BTreeSet<AccountId>>,
}

impl Message {
    /// As it was said, of an event that is a message.
    fn of(event: &Event) -> Self {
        let (text, answers) = match event.content() {
            Content::Text(text) => (Some(text.to_owned()), None),
            Content::About(target, text) => (Some(text.to_owned()), Some(target)),
            Content::File(file) => (Some(file.words()), None),
            _ => (None, None),
        };
        Self {
            key: event.key(),
            author: event.account(),
            absent: text.is_none(),
            text,
            edited: false,
            answers,
            reactions: BTreeMap::new(),
        }
    }

    /// Something became of it; to be told in canonical order.
    fn becomes(&mut self, event: &Event) {
        let author = event.account();
        let is_own = self.author == author;
        match (event.kind(), event.content()) {
            // Servers take no edit of another's; but a reader need not trust them for that.
            (Kind::Edit, Content::About(_, text)) if is_own && self.text.is_some() => {
                (self.text, self.edited) = (Some(text.to_owned()), true);
            }
            (Kind::Delete, _) if is_own => (self.text, self.absent) = (None, false),
            (Kind::React, Content::About(_, sign)) => {
                self.reactions.entry(sign.to_owned()).or_default().insert(author);
            }
            (Kind::Unreact, Content::About(_, sign)) => {
                if let Some(people) = self.reactions.get_mut(sign) {
                    people.remove(&author);
                }
                self.reactions.retain(|_, people| !people.is_empty());
            }
            _ => {}
        }
    }
}

/// What there is to read in a conversation, and where. See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Thread {
    messages: BTreeSet<Key>,
    /// What became of messages, under each message in canonical order.
    about: BTreeSet<(EventId, Key)>,
    topic: Option<Key>,
    /// Where each account came to the room or left it last, and whether it came.
    comings: BTreeMap<AccountId, (Key, bool)>,
    members: usize,
    read: BTreeMap<AccountId, Key>,
}

impl Thread {
    /// Of nothing.
    pub const fn new() -> Self {
        Self {
            messages: BTreeSet::new(),
            about: BTreeSet::new(),
            topic: None,
            comings: BTreeMap::new(),
            members: 0,
            read: BTreeMap::new(),
        }
    }

    /// Takes an event in, also one whose body has come after it. `place` knows the places of its parents.
    pub fn add(&mut self, event: &Event, place: impl Fn(&EventId) -> Option<Key>) {
        let (author, key) = (event.account(), event.key());
        match event.kind() {
            Kind::Post | Kind::Reply | Kind::File => {
                self.messages.insert(key);
                // Whoever writes has read what is above.
                self.note_read(author, key);
            }
            Kind::Edit | Kind::Delete | Kind::React | Kind::Unreact => {
                self.about.extend(event.target().map(|target| (target, key)));
            }
            Kind::Read => {
                if let Some(marked) = event.target().and_then(|target| place(&target)) {
                    self.note_read(author, marked);
                }
            }
            Kind::Create | Kind::Join => self.note_coming(author, key, true),
            Kind::Leave => self.note_coming(author, key, false),
            Kind::Topic => self.topic = self.topic.max(Some(key)),
            Kind::Register | Kind::Close | Kind::Merge | Kind::Invite => {}
            Kind::Follow | Kind::Unfollow | Kind::Chunk => {}
        }
    }

    fn note_read(&mut self, account: AccountId, upto: Key) {
        let read = self.read.entry(account).or_insert(upto);
        *read = upto.max(*read);
    }

    fn note_coming(&mut self, account: AccountId, key: Key, comes: bool) {
        let before = self.comings.get(&account).copied();
        if before.is_none_or(|(last, _)| last < key) {
            self.comings.insert(account, (key, comes));
            self.members += usize::from(comes);
            self.members -= usize::from(before.is_some_and(|(_, came)| came));
        }
    }

    /// The messages, in canonical order.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = Key> + ExactSizeIterator {
        self.messages.iter().copied()
    }

    /// How many messages there are. One that was taken back is one.
    pub fn count(&self) -> usize {
        self.messages.len()
    }

    /// The messages behind a place.
    pub fn behind(&self, place: Option<Key>) -> impl DoubleEndedIterator<Item = Key> {
        let from = place.map_or(Bound::Unbounded, Bound::Excluded);
        self.messages.range((from, Bound::Unbounded)).copied()
    }

    /// The message right before a place.
    pub fn before(&self, place: Key) -> Option<Key> {
        self.messages.range(..place).next_back().copied()
    }

    /// A message as it reads now; `None` if it is none of these. `find` knows the events.
    pub fn message<'a>(&self, id: &EventId, find: impl Fn(&EventId) -> Option<&'a Event>) -> Option<Message> {
        let mut message = Message::of(find(id).filter(|event| self.messages.contains(&event.key()))?);
        self.about(id).filter_map(find_by_key(&find)).for_each(|event| message.becomes(event));
        Some(message)
    }

    /// Whether a message says something: its words are here, and were not taken back.
    pub fn says<'a>(&self, id: &EventId, find: impl Fn(&EventId) -> Option<&'a Event>) -> bool {
        find(id).is_some_and(Event::has_body) && !self.is_taken_back(id, find)
    }

    /// Whether the author of a message has taken it back.
    pub fn is_taken_back<'a>(&self, id: &EventId, find: impl Fn(&EventId) -> Option<&'a Event>) -> bool {
        let author = find(id).map(Event::account);
        let is_deletion = |event: &Event| event.kind() == Kind::Delete && Some(event.account()) == author;
        self.about(id).filter_map(find_by_key(&find)).any(is_deletion)
    }

    /// What became of a message, in canonical order.
    fn about(&self, id: &EventId) -> impl Iterator<Item = Key> {
        let (id, first) = (*id, Key::FIRST);
        self.about.range((id, first)..).take_while(move |(of, _)| *of == id).map(|(_, key)| *key)
    }

    /// How far an account has read: up to the last event that it marked, or its own last message.
    pub fn read(&self, account: AccountId) -> Option<Key> {
        self.read.get(&account).copied()
    }

    /// The messages of others that an account has not read, leaving out those whose authors it does not hear.
    pub fn unread<'a>(
        &self,
        account: AccountId,
        is_unheard: impl Fn(AccountId) -> bool,
        find: impl Fn(&EventId) -> Option<&'a Event>,
    ) -> impl Iterator<Item = Key> {
        let is_news = move |key: &Key| {
            let author = find(&key.id).map(Event::account).filter(|author| *author != account);
            author.is_some_and(|author| !is_unheard(author)) && self.says(&key.id, &find)
        };
        self.behind(self.read(account)).filter(is_news)
    }

    /// The event that says what the room is about.
    pub fn topic(&self) -> Option<EventId> {
        self.topic.map(|key| key.id)
    }

    /// The room's members.
    pub fn members(&self) -> impl Iterator<Item = AccountId> {
        self.comings.iter().filter(|(_, (_, came))| *came).map(|(account, _)| *account)
    }

    /// How many members the room has.
    pub fn members_count(&self) -> usize {
        self.members
    }

    /// Whether an account is a member of the room.
    pub fn is_member(&self, account: AccountId) -> bool {
        self.comings.get(&account).is_some_and(|(_, came)| *came)
    }
}

fn find_by_key<'a>(find: &impl Fn(&EventId) -> Option<&'a Event>) -> impl Fn(Key) -> Option<&'a Event> {
    move |key| find(&key.id)
}

#[cfg(test)]
mod tests;
