//! Conversations as they are read: from an index, and, to compare, from their beginning to their end.

use std::cell::Cell;

use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::clock::Time;
use crate::content::about;
use crate::content::{Charter, Past};
use crate::event::{Conversation, Draft, Origin, account_of};
use crate::id::{DeviceId, RoomId};

fn key(person: u8) -> SigningKey {
    SigningKey::from_bytes(&[person; 32])
}

fn who(person: u8) -> AccountId {
    account_of(&key(person))
}

/// Events of a room, one millisecond apart, each naming what it is about as its parent; and how many of them were
/// looked at.
struct Talk {
    events: Vec<Event>,
    places: BTreeMap<EventId, usize>,
    looked: Cell<usize>,
}

impl Default for Talk {
    /// A room that person 0 has begun.
    fn default() -> Self {
        let mut talk = Self { events: Vec::new(), places: BTreeMap::new(), looked: Cell::new(0) };
        let charter = Charter { name: "lab".parse().unwrap(), public: true, history: Past::Open };
        talk.writes(0, Kind::Create, BTreeSet::new(), charter.encode());
        talk
    }
}

impl Talk {
    fn does(&mut self, person: u8, kind: Kind, target: Option<EventId>, text: &str) -> EventId {
        let parents = BTreeSet::from([target.unwrap_or(self.events[0].id())]);
        let body = target.map_or_else(|| text.as_bytes().to_vec(), |target| about(target, text));
        self.writes(person, kind, parents, body)
    }

    fn writes(&mut self, person: u8, kind: Kind, parents: BTreeSet<EventId>, body: Vec<u8>) -> EventId {
        let (device, seq) = (DeviceId::new([person; 16]), self.events.len() as u64 + 1);
        let first = Origin { account: who(0), device: DeviceId::new([0; 16]), seq: 1 };
        let (conversation, time) = (Conversation::Room(RoomId::of(first)), Time::from_millis(seq));
        let draft = Draft { device, seq, parents, time, conversation, kind, body };
        let event = draft.sign(&key(person)).unwrap();
        let id = event.id();
        self.places.insert(id, self.events.len());
        self.events.push(event);
        id
    }

    fn says(&mut self, person: u8, text: &str) -> EventId {
        self.does(person, Kind::Post, None, text)
    }

    fn find<'a>(&'a self) -> impl Fn(&EventId) -> Option<&'a Event> {
        move |id| {
            self.looked.set(self.looked.get() + 1);
            self.places.get(id).map(|place| &self.events[*place])
        }
    }

    fn thread(&self) -> Thread {
        self.indexed(0..self.events.len())
    }

    /// The index of these events, taken in in this order.
    fn indexed(&self, order: impl IntoIterator<Item = usize>) -> Thread {
        let mut thread = Thread::new();
        let place = |id: &EventId| self.places.get(id).map(|place| self.events[*place].key());
        order.into_iter().for_each(|number| thread.add(&self.events[number], place));
        thread
    }

    fn message(&self, id: &EventId) -> Option<Message> {
        self.thread().message(id, self.find())
    }

    fn unread(&self, person: u8, is_unheard: impl Fn(AccountId) -> bool) -> usize {
        self.thread().unread(who(person), is_unheard, self.find()).count()
    }
}

#[test]
fn a_message_says_what_its_last_edit_says_until_it_is_taken_back() {
    let mut talk = Talk::default();
    let hello = talk.says(1, "helo");
    talk.does(1, Kind::Edit, Some(hello), "hello");
    let message = talk.message(&hello).unwrap();
    assert_eq!((message.text.as_deref(), message.edited), (Some("hello"), true));
    talk.does(1, Kind::Delete, Some(hello), "");
    talk.does(1, Kind::Edit, Some(hello), "back again");
    assert_eq!(talk.message(&hello).unwrap().text, None);
    assert_eq!(talk.thread().count(), 1, "its place stays");
}

#[test]
fn what_has_no_body_has_its_place_and_is_absent_until_it_is_taken_back() {
    let mut talk = Talk::default();
    let hello = talk.says(1, "hello");
    talk.events[1] = talk.events[1].without_body().unwrap();
    let absent = |talk: &Talk| {
        let message = talk.message(&hello).unwrap();
        (message.text.clone(), message.absent)
    };
    assert_eq!(absent(&talk), (None, true));
    talk.does(2, Kind::Delete, Some(hello), "");
    assert_eq!(absent(&talk), (None, true), "it is not theirs");
    talk.does(1, Kind::Delete, Some(hello), "");
    assert_eq!(absent(&talk), (None, false));
}

#[test]
fn nobody_changes_what_another_said() {
    let mut talk = Talk::default();
    let hello = talk.says(1, "hello");
    talk.does(2, Kind::Edit, Some(hello), "good bye");
    talk.does(2, Kind::Delete, Some(hello), "");
    let message = talk.message(&hello).unwrap();
    assert_eq!((message.text.as_deref(), message.edited), (Some("hello"), false));
}

#[test]
fn reactions_are_counted_once_for_each_person_and_can_be_taken_back() {
    let mut talk = Talk::default();
    let hello = talk.says(1, "hello");
    for person in [1, 2, 2] {
        talk.does(person, Kind::React, Some(hello), "+1");
    }
    let reactions = |talk: &Talk| talk.message(&hello).unwrap().reactions;
    assert_eq!(reactions(&talk), BTreeMap::from([("+1".to_owned(), BTreeSet::from([who(1), who(2)]))]));
    talk.does(1, Kind::Unreact, Some(hello), "+1");
    talk.does(2, Kind::Unreact, Some(hello), "+1");
    assert_eq!(reactions(&talk), BTreeMap::new());
}

#[test]
fn what_others_said_after_the_last_mark_is_unread() {
    let mut talk = Talk::default();
    talk.says(1, "one");
    let two = talk.says(1, "two");
    talk.says(1, "three");
    assert_eq!((talk.unread(2, |_| false), talk.unread(1, |_| false)), (3, 0));
    talk.does(2, Kind::Read, Some(two), "");
    assert_eq!(talk.unread(2, |_| false), 1);
    assert_eq!(talk.unread(2, |author| author == who(1)), 0, "who is not heard");
    talk.says(2, "I see");
    assert_eq!((talk.unread(2, |_| false), talk.unread(1, |_| false)), (0, 1));
}

/// A room of so many messages, with as many members who came, marked and reacted here and there.
fn room(messages: usize) -> Talk {
    let mut talk = Talk::default();
    for number in 0..messages {
        let person = u8::try_from(number % 200).unwrap();
        talk.does(person, Kind::Join, None, "");
        let said = talk.says(person, "as before");
        talk.does(person, Kind::Read, Some(said), "");
        if number % 10 == 0 {
            talk.does(person, Kind::React, Some(said), "+1");
        }
    }
    talk
}

/// How many events it takes to read the last twenty messages, and to tell who is there and what is unread.
fn looked_at(talk: &Talk) -> usize {
    let thread = talk.thread();
    talk.looked.set(0);
    let page = thread.messages().rev().take(20).filter_map(|key| thread.message(&key.id, talk.find()));
    assert_eq!(page.count(), 20);
    assert!(thread.members_count() > 0 && thread.is_member(who(1)) && thread.read(who(1)).is_some());
    let newest = talk.events.last().unwrap().account();
    assert_eq!(thread.unread(newest, |_| false, talk.find()).count(), 0);
    talk.looked.get()
}

#[test]
fn a_page_costs_as_much_in_a_long_conversation_as_in_a_short_one() {
    assert_eq!(looked_at(&room(40)), 22, "each message, and one reaction to each tenth");
    assert_eq!(looked_at(&room(800)), 22);
}

#[test]
fn members_are_those_whose_last_word_is_that_they_came() {
    let mut talk = Talk::default();
    for (person, kind) in
        [(1, Kind::Join), (2, Kind::Join), (1, Kind::Leave), (3, Kind::Leave), (2, Kind::Join)]
    {
        talk.does(person, kind, None, "");
    }
    let (thread, expected) = (talk.thread(), (BTreeSet::from([who(0), who(2)]), 2));
    assert_eq!((thread.members().collect::<BTreeSet<_>>(), thread.members_count()), expected);
    assert_eq!([0, 1, 2, 3].map(|person| thread.is_member(who(person))), [true, false, true, false]);
}

/// What a person does next, and to which of the messages.
fn deeds() -> impl Strategy<Value = Vec<(u8, u8, prop::sample::Index)>> {
    prop::collection::vec((1..4_u8, 0..11_u8, any::<prop::sample::Index>()), 0..24)
}

fn acted(deeds: &[(u8, u8, prop::sample::Index)]) -> Talk {
    let mut talk = Talk::default();
    let mut said = Vec::new();
    for (person, deed, which) in deeds {
        let target = (!said.is_empty()).then(|| said[which.index(said.len())]);
        let (kind, text) = match (deed, target) {
            (0, _) => (Kind::Join, ""),
            (1, _) => (Kind::Leave, ""),
            (2, _) => (Kind::Topic, "other things"),
            (3..=5, _) | (_, None) => (Kind::Post, "hello"),
            (6, _) => (Kind::Reply, "yes"),
            (7, _) => (Kind::Edit, "changed"),
            (8, _) => (Kind::Delete, ""),
            (9, _) => (Kind::React, "+1"),
            _ => (Kind::Read, ""),
        };
        let is_about = !matches!(kind, Kind::Join | Kind::Leave | Kind::Topic | Kind::Post);
        let id = talk.does(*person, kind, target.filter(|_| is_about), text);
        said.extend(kind.is_message().then_some(id));
    }
    talk
}

/// The whole conversation as one reads it who goes through all of it, event by event.
fn folded(events: &[Event]) -> (Vec<Message>, BTreeSet<AccountId>, BTreeMap<AccountId, Key>) {
    let (mut messages, mut members, mut read) = (Vec::<Message>::new(), BTreeSet::new(), BTreeMap::new());
    for event in events {
        let of = |target| messages_at(&messages, target);
        match event.kind() {
            Kind::Create | Kind::Join => _ = members.insert(event.account()),
            Kind::Leave => _ = members.remove(&event.account()),
            kind if kind.is_message() => {
                messages.push(Message::of(event));
                read.insert(event.account(), event.key());
            }
            Kind::Read => {
                let marked = messages[of(event.target()).unwrap()].key;
                let before = read.entry(event.account()).or_insert(marked);
                *before = marked.max(*before);
            }
            _ => {
                if let Some(place) = of(event.target()) {
                    messages[place].becomes(event);
                }
            }
        }
    }
    (messages, members, read)
}

fn messages_at(messages: &[Message], target: Option<EventId>) -> Option<usize> {
    messages.iter().position(|message| Some(message.key.id) == target)
}

proptest! {
    #[test]
    fn an_index_reads_as_the_whole_does_in_whatever_order_it_came(
        deeds in deeds(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 24),
    ) {
        let talk = acted(&deeds);
        let thread = talk.thread();
        let (messages, members, read) = folded(&talk.events);
        let read_here = thread.messages().filter_map(|key| thread.message(&key.id, talk.find()));
        prop_assert_eq!(&read_here.collect::<Vec<_>>(), &messages);
        prop_assert_eq!((thread.members().collect::<BTreeSet<_>>(), thread.members_count()), (members.clone(), members.len()));
        for person in 1..4 {
            prop_assert_eq!(thread.read(who(person)), read.get(&who(person)).copied());
            let is_news = |message: &&Message| {
                message.author != who(person)
                    && message.text.is_some()
                    && read.get(&who(person)).is_none_or(|read| message.key > *read)
            };
            prop_assert_eq!(talk.unread(person, |_| false), messages.iter().filter(is_news).count());
        }
        let events = talk.events.len();
        let shuffled = order.iter().map(|index| index.index(events)).chain((0..events).rev());
        prop_assert_eq!(talk.indexed(shuffled), thread);
    }
}
