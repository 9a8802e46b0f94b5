//! Which bodies leave the disks: what its author has taken back, and what stood in its place.
//!
//! ```text
//! post "helo" <-- edit "hello" <-- delete        a log that holds the deletion holds neither text;
//!                                                the events stay, and verify without
//! ```
//!
//! A log forgets these bodies in the batch that brings the deletion, so no log that holds a deletion holds what it
//! is about. A deletion comes after its message in every log (rule 4); an edit may come after either.
//!
//! **A body that is not here** is not thereby deleted: whoever has honoured a deletion hands the event on without
//! it, and the deletion itself comes later. An event is taken without its body on anybody's word, since its
//! signature vouches for all the rest, and is *hollow* until the deletion or the body has come; who holds a hollow
//! event asks everybody else for the body. So nobody can make others forget what was not deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::event::{Event, Kind};
use crate::id::{AccountId, EventId, Position};

/// The messages by whose deletion an event loses its body: itself, or what it is an edit of. Without its body an
/// edit does not say which of its parents that is.
pub fn messages_of(event: &Event) -> Vec<EventId> {
    match (event.kind(), event.target()) {
        (Kind::Edit, Some(target)) => vec![target],
        (Kind::Edit, None) => event.parents().to_vec(),
        (kind, _) if kind.is_message() => vec![event.id()],
        _ => Vec::new(),
    }
}

/// The deletions that somebody holds: what was taken back, and by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Deletions(BTreeSet<(EventId, AccountId)>);

impl Deletions {
    /// Those among these events.
    pub fn among<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut deletions = Self::default();
        events.into_iter().for_each(|event| deletions.note(event));
        deletions
    }

    /// Takes notice of an event.
    pub fn note(&mut self, event: &Event) {
        if let Some(target) = event.target().filter(|_| event.kind() == Kind::Delete) {
            self.0.insert((target, event.account()));
        }
    }

    /// Whether an event may stand without its body: its author has taken it back, or the message that it edits.
    pub fn excuse(&self, event: &Event) -> bool {
        let is_held = |message: EventId| self.0.contains(&(message, event.account()));
        !self.0.is_empty() && messages_of(event).into_iter().any(is_held)
    }
}

/// What [`crate::log::Write::Append`] does to the bodies of a log that is in memory, after the event was put at its
/// end. A store does it by its indexes.
pub fn forget(log: &mut [Arc<Event>]) {
    if !log.last().is_some_and(|last| matches!(last.kind(), Kind::Delete | Kind::Edit)) {
        return;
    }
    let deletions = Deletions::among(log.iter().map(AsRef::as_ref));
    for event in log.iter_mut().filter(|event| event.has_body() && deletions.excuse(event)) {
        if let Some(without) = event.without_body() {
            *event = Arc::new(without);
        }
    }
}

/// What [`crate::log::Write::Body`] does to such a log.
pub fn fill(log: &mut [Arc<Event>], whole: Arc<Event>) {
    let is_deleted = Deletions::among(log.iter().map(AsRef::as_ref)).excuse(&whole);
    let hollow = log.iter_mut().find(|event| event.id() == whole.id() && !event.has_body());
    if let Some(event) = hollow.filter(|_| whole.has_body() && !is_deleted) {
        *event = whole;
    }
}

/// What [`crate::log::Log::hollow`] answers for such a log.
pub fn hollow(log: &[Arc<Event>], after: Position, limit: usize) -> Vec<(Position, EventId)> {
    if log.iter().all(|event| event.has_body()) {
        return Vec::new();
    }
    let deletions = Deletions::among(log.iter().map(AsRef::as_ref));
    let is_hollow = |event: &Event| !event.has_body() && !deletions.excuse(event);
    let hollow = (1..).zip(log).filter(|(position, event)| *position > after && is_hollow(event));
    hollow.map(|(position, event)| (position, event.id())).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::clock::Time;
    use crate::content::about;
    use crate::event::{Conversation, Draft, account_of};
    use crate::id::DeviceId;

    fn says(person: u8, seq: u64, kind: Kind, target: Option<&Event>, text: &str) -> Event {
        let key = |person| SigningKey::from_bytes(&[person; 32]);
        let draft = Draft {
            device: DeviceId::new([person; 16]),
            seq,
            parents: target.map(Event::id).into_iter().collect(),
            time: Time::from_millis(seq),
            conversation: Conversation::direct(account_of(&key(1)), account_of(&key(2))),
            kind,
            body: target.map_or_else(|| text.as_bytes().to_vec(), |target| about(target.id(), text)),
        };
        draft.sign(&key(person)).unwrap()
    }

    #[test]
    fn a_deletion_takes_the_message_and_its_edits_and_nothing_else() {
        let post = says(1, 1, Kind::Post, None, "helo");
        let edit = says(1, 2, Kind::Edit, Some(&post), "hello");
        let reply = says(2, 3, Kind::Reply, Some(&post), "hi");
        let other = says(1, 4, Kind::Post, None, "more");
        let delete = says(1, 5, Kind::Delete, Some(&post), "");
        let late = says(1, 6, Kind::Edit, Some(&post), "hello!");
        let mut log = [&post, &edit, &reply, &other, &delete, &late].map(|event| Arc::new(event.clone()));
        let deletions = Deletions::among(log.iter().map(AsRef::as_ref));
        forget(&mut log[..5]);
        forget(&mut log);
        assert_eq!(log.each_ref().map(|event| event.has_body()), [false, false, true, true, true, false]);
        assert!(log.iter().filter(|event| !event.has_body()).all(|event| deletions.excuse(event)));
        assert_eq!((log[1].id(), hollow(&log, 0, 9)), (edit.id(), vec![]));
        fill(&mut log, Arc::new(post));
        assert!(!log[0].has_body(), "what was deleted is not put back");
    }

    #[test]
    fn what_lacks_its_body_without_a_deletion_is_hollow_until_the_body_comes() {
        let (post, reply) = (says(1, 1, Kind::Post, None, "hello"), says(2, 2, Kind::Post, None, "hi"));
        let mut log = [&post, &reply].map(|event| Arc::new(event.without_body().unwrap()));
        assert_eq!(hollow(&log, 0, 9), [(1, post.id()), (2, reply.id())]);
        assert_eq!((hollow(&log, 0, 1).len(), hollow(&log, 1, 9)), (1, vec![(2, reply.id())]));
        fill(&mut log, Arc::new(post.clone()));
        assert_eq!((log[0].as_ref(), hollow(&log, 0, 9)), (&post, vec![(2, reply.id())]));
    }

    #[test]
    fn nobody_but_the_author_takes_a_message_back() {
        let post = says(1, 1, Kind::Post, None, "hello");
        let theirs = says(2, 2, Kind::Delete, Some(&post), "");
        let edit = says(2, 3, Kind::Edit, Some(&post), "good bye").without_body().unwrap();
        let mine = says(1, 4, Kind::Delete, Some(&post), "");
        assert!(!Deletions::among([&theirs]).excuse(&post));
        assert!(Deletions::among([&mine]).excuse(&post) && !Deletions::among([&mine]).excuse(&edit));
        assert!(!Deletions::default().excuse(&post));
    }
}
