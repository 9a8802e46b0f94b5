//! A conversation as people read it: each message with what became of it, a room's members and topic, and how far
//! everybody has read.
//!
//! It is a fold over the conversation's events in canonical order, so equal sets of events read alike
//! everywhere. A message keeps its place whatever happens to it; of two edits the later in the order counts, and
//! a message that was taken back stays so.

use std::collections::{BTreeMap, BTreeSet};

use crate::content::{Charter, Content};
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

/// A conversation, read to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// What the room is, if it is one and its beginning is here.
    pub charter: Option<Charter>,
    /// What the room is about, if somebody said so.
    pub topic: Option<String>,
    /// The room's members.
    pub members: BTreeSet<AccountId>,
    /// The messages, in canonical order.
    pub messages: Vec<Message>,
    /// How far each account has read: the place of the last event that it marked.
    pub read: BTreeMap<AccountId, Key>,
    places: BTreeMap<EventId, usize>,
    keys: BTreeMap<EventId, Key>,
}

impl Thread {
    /// Reads events, given in canonical order.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut thread = Self::default();
        events.into_iter().for_each(|event| thread.add(event));
        thread
    }

    /// A message by its event.
    pub fn message(&self, id: &EventId) -> Option<&Message> {
        self.places.get(id).map(|place| &self.messages[*place])
    }

    /// How many messages of others an account has not read, leaving out those whose authors it does not hear.
    pub fn unread(&self, account: AccountId, is_unheard: impl Fn(AccountId) -> bool) -> usize {
        let read = self.read.get(&account);
        let is_news = |message: &&Message| {
            message.author != account && message.text.is_some() && !is_unheard(message.author)
        };
        self.messages
            .iter()
            .rev()
            .take_while(|message| read.is_none_or(|read| message.key > *read))
            .filter(is_news)
            .count()
    }

    fn add(&mut self, event: &Event) {
        let author = event.account();
        self.keys.insert(event.id(), event.key());
        match (event.kind(), event.content()) {
            (Kind::Create, Content::Charter(charter)) => {
                self.charter = Some(charter);
                self.members.insert(author);
            }
            (Kind::Join, _) => _ = self.members.insert(author),
            (Kind::Leave, _) => _ = self.members.remove(&author),
            (Kind::Topic, Content::Text(topic)) => {
                self.topic = (!topic.is_empty()).then(|| topic.to_owned());
            }
            (Kind::Post, Content::Text(text)) => self.say(event, Some(text), None),
            (Kind::Reply, Content::About(target, text)) => self.say(event, Some(text), Some(target)),
            (Kind::File, Content::File(file)) => self.say(event, Some(&file.words()), None),
            (Kind::Post | Kind::Reply | Kind::File, _) => self.say(event, None, None),
            (Kind::Edit, Content::About(target, text)) => self.change(target, |message| {
                // Servers take no other edit; but a reader need not trust them for that.
                if message.author == author && message.text.is_some() {
                    (message.text, message.edited) = (Some(text.to_owned()), true);
                }
            }),
            (Kind::Delete, Content::About(target, _)) => self.change(target, |message| {
                if message.author == author {
                    (message.text, message.absent) = (None, false);
                }
            }),
            (Kind::React, Content::About(target, sign)) => self.change(target, |message| {
                message.reactions.entry(sign.to_owned()).or_default().insert(author);
            }),
            (Kind::Unreact, Content::About(target, sign)) => self.change(target, |message| {
                if let Some(people) = message.reactions.get_mut(sign) {
                    people.remove(&author);
                }
                message.reactions.retain(|_, people| !people.is_empty());
            }),
            (Kind::Read, Content::About(target, _)) => {
                if let Some(key) = self.keys.get(&target) {
                    let read = self.read.entry(author).or_insert(*key);
                    *read = (*key).max(*read);
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, event: &Event, text: Option<&str>, answers: Option<EventId>) {
        self.places.insert(event.id(), self.messages.len());
        self.messages.push(Message {
            key: event.key(),
            author: event.account(),
            text: text.map(str::to_owned),
            absent: text.is_none(),
            edited: false,
            answers,
            reactions: BTreeMap::new(),
        });
        // Whoever writes has read what is above.
        self.read.insert(event.account(), event.key());
    }

    fn change(&mut self, target: EventId, change: impl FnOnce(&mut Message)) {
        if let Some(place) = self.places.get(&target) {
            change(&mut self.messages[*place]);
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::clock::Time;
    use crate::content::about;
    use crate::event::{Conversation, Draft, account_of};
    use crate::id::DeviceId;

    fn key(person: u8) -> SigningKey {
        SigningKey::from_bytes(&[person; 32])
    }

    fn who(person: u8) -> AccountId {
        account_of(&key(person))
    }

    /// Events of two people, one millisecond apart, each naming what it is about as its parent.
    #[derive(Default)]
    struct Talk(Vec<Event>);

    impl Talk {
        fn does(&mut self, person: u8, kind: Kind, target: Option<EventId>, text: &str) -> EventId {
            let seq = self.0.len() as u64 + 1;
            let draft = Draft {
                device: DeviceId::new([person; 16]),
                seq,
                parents: target.into_iter().collect(),
                time: Time::from_millis(seq),
                conversation: Conversation::direct(who(1), who(2)),
                kind,
                body: target.map_or_else(|| text.as_bytes().to_vec(), |target| about(target, text)),
            };
            self.0.push(draft.sign(&key(person)).unwrap());
            self.0.last().unwrap().id()
        }

        fn says(&mut self, person: u8, text: &str) -> EventId {
            self.does(person, Kind::Post, None, text)
        }

        fn thread(&self) -> Thread {
            Thread::of(&self.0)
        }
    }

    #[test]
    fn a_message_says_what_its_last_edit_says_until_it_is_taken_back() {
        let mut talk = Talk::default();
        let hello = talk.says(1, "helo");
        talk.does(1, Kind::Edit, Some(hello), "hello");
        let thread = talk.thread();
        let message = thread.message(&hello).unwrap();
        assert_eq!((message.text.as_deref(), message.edited), (Some("hello"), true));
        talk.does(1, Kind::Delete, Some(hello), "");
        talk.does(1, Kind::Edit, Some(hello), "back again");
        assert_eq!(talk.thread().message(&hello).unwrap().text, None);
        assert_eq!(talk.thread().messages.len(), 1, "its place stays");
    }

    #[test]
    fn what_has_no_body_has_its_place_and_is_absent_until_it_is_taken_back() {
        let mut talk = Talk::default();
        let hello = talk.says(1, "hello");
        talk.0[0] = talk.0[0].without_body().unwrap();
        let absent = |talk: &Talk| {
            let thread = talk.thread();
            let message = thread.message(&hello).unwrap();
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
        let thread = talk.thread();
        let message = thread.message(&hello).unwrap();
        assert_eq!((message.text.as_deref(), message.edited), (Some("hello"), false));
    }

    #[test]
    fn reactions_are_counted_once_for_each_person_and_can_be_taken_back() {
        let mut talk = Talk::default();
        let hello = talk.says(1, "hello");
        for person in [1, 2, 2] {
            talk.does(person, Kind::React, Some(hello), "+1");
        }
        let reactions = |talk: &Talk| talk.thread().message(&hello).unwrap().reactions.clone();
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
        assert_eq!(
            (talk.thread().unread(who(2), |_| false), talk.thread().unread(who(1), |_| false)),
            (3, 0)
        );
        talk.does(2, Kind::Read, Some(two), "");
        assert_eq!(talk.thread().unread(who(2), |_| false), 1);
        assert_eq!(talk.thread().unread(who(2), |author| author == who(1)), 0, "who is not heard");
        talk.says(2, "I see");
        assert_eq!(
            (talk.thread().unread(who(2), |_| false), talk.thread().unread(who(1), |_| false)),
            (0, 1)
        );
    }
}
