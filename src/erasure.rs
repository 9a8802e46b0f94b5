//! Which bodies leave the disks: what its author has taken back, and what stood in its place.
//!
//! ```text
//! post "helo" <-- edit "hello" <-- delete        a log that holds the deletion holds neither text;
//!                                                the events stay, and verify without
//! chunk <-- chunk <-- file <-- delete            nor any byte of the file, nor what it was called
//! ```
//!
//! A log forgets these bodies in the batch that brings the deletion, so no log that holds a deletion holds what it
//! is about. A deletion comes after its message in every log (rule 4); an edit may come after either.
//!
//! **A file's parts** are told from what is signed, so that everybody tells the same ones, with their bodies or
//! without: the chunks that its device wrote right before it, each a parent of the next. All come before the file, and
//! so before its deletion. A deletion takes them all, also if another file names them: else it would depend on
//! which of two events comes first.
//!
//! **A body that is not here** is not thereby deleted: whoever has honoured a deletion hands the event on without
//! it, and the deletion itself comes later. An event is taken without its body on anybody's word, since its
//! signature vouches for all the rest, and is *hollow* until the deletion or the body has come; who holds a hollow
//! event asks everybody else for the body. So nobody can make others forget what was not deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use crate::event::{Event, Kind};
use crate::id::{AccountId, EventId, Position};
use crate::limits::FILE_PARTS_MAX;

/// By what deletion an event loses its body: of itself, of what it is an edit of; a chunk by that of its file, which
/// counts as one of each part. Without its body an edit does not say which of its parents it is about.
pub fn messages_of(event: &Event) -> Vec<EventId> {
    match (event.kind(), event.target()) {
        (Kind::Edit, Some(target)) => vec![target],
        (Kind::Edit, None) => event.parents().to_vec(),
        (Kind::Chunk, _) => vec![event.id()],
        (kind, _) if kind.is_message() => vec![event.id()],
        _ => Vec::new(),
    }
}

/// Whether an event is the part of a file right before another part, or before the file itself. See the module.
pub fn is_part_before(part: &Event, next: &Event) -> bool {
    let (part_of, next_of) = (part.origin(), next.origin());
    part.kind() == Kind::Chunk
        && (part_of.account, part_of.device) == (next_of.account, next_of.device)
        && part_of.seq.checked_add(1) == Some(next_of.seq)
        && next.parents().contains(&part.id())
}

/// A file's parts, the last first, as far as they are found: at most [`FILE_PARTS_MAX`]. `before` answers the part
/// right before one of them, or before the file.
///
/// # Errors
/// Those of `before`.
pub fn parts<Part: Clone, Fail>(
    file: Part,
    mut before: impl FnMut(Part) -> Result<Option<Part>, Fail>,
) -> Result<Vec<Part>, Fail> {
    let (mut parts, mut next) = (Vec::new(), file);
    while parts.len() < FILE_PARTS_MAX
        && let Some(part) = before(next)?
    {
        parts.push(part.clone());
        next = part;
    }
    Ok(parts)
}

/// The deletions that somebody holds: what was taken back, and by whom. With a file, its parts were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Deletions(BTreeSet<(EventId, AccountId)>);

impl Deletions {
    /// Those among these events.
    pub fn among<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let (mut deletes, mut files) = (Vec::new(), BTreeMap::new());
        for event in events {
            match event.kind() {
                Kind::Delete => deletes.push(event),
                Kind::File | Kind::Chunk => _ = files.insert(event.id(), event),
                _ => {}
            }
        }
        let mut deletions = Self::default();
        deletes.into_iter().for_each(|delete| _ = deletions.note(delete, |id| files.get(id).copied()));
        deletions
    }

    /// Takes notice of an event; `find` knows those that came before it. Returns what it takes back: nothing, if it is
    /// no deletion; else a message, and with a file its parts.
    pub fn note<'a>(&mut self, event: &Event, find: impl Fn(&EventId) -> Option<&'a Event>) -> Vec<EventId> {
        let Some(target) = event.target().filter(|_| event.kind() == Kind::Delete) else { return Vec::new() };
        let mut taken_back = vec![target];
        if let Some(file) = find(&target).filter(|target| target.kind() == Kind::File) {
            let before = |next: &'a Event| {
                let mut parents = next.parents().iter().filter_map(&find);
                Ok::<_, Infallible>(parents.find(|part| is_part_before(part, next)))
            };
            taken_back.extend(parts(file, before).unwrap_or_default().into_iter().map(Event::id));
        }
        self.0.extend(taken_back.iter().map(|id| (*id, event.account())));
        taken_back
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
    use crate::content::{SharedFile, about, chunk};
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

    /// A file in two parts.
    fn shares(person: u8, seq: u64) -> [Event; 3] {
        let says = |seq, before: Option<&Event>, kind, body| {
            let key = SigningKey::from_bytes(&[person; 32]);
            let draft = Draft {
                device: DeviceId::new([person; 16]),
                seq,
                parents: before.map(Event::id).into_iter().collect(),
                time: Time::from_millis(seq),
                conversation: Conversation::direct(account_of(&key), account_of(&key)),
                kind,
                body,
            };
            draft.sign(&key).unwrap()
        };
        let first = says(seq, None, Kind::Chunk, chunk(None, b"one"));
        let last = says(seq + 1, Some(&first), Kind::Chunk, chunk(Some(first.id()), b"two"));
        let file =
            SharedFile { last: last.id(), hash: *blake3::hash(b"onetwo").as_bytes(), bytes: 6, name: "n" };
        let file = says(seq + 2, Some(&last), Kind::File, file.encode());
        [first, last, file]
    }

    #[test]
    fn a_file_goes_with_all_its_parts_with_their_bodies_or_without() {
        let [first, last, file] = shares(1, 1);
        let [other, ..] = shares(1, 5);
        let delete = says(1, 4, Kind::Delete, Some(&file), "");
        let mut log = [&first, &last, &file, &delete].map(|event| Arc::new(event.clone()));
        forget(&mut log);
        assert_eq!(log.each_ref().map(|event| event.has_body()), [false, false, false, true]);
        assert_eq!(hollow(&log, 0, 9), []);
        fill(&mut log, Arc::new(first.clone()));
        assert!(!log[0].has_body(), "what was deleted is not put back");
        let without = [&first, &last, &file].map(|event| event.without_body().unwrap());
        let deletions = Deletions::among(without.iter().chain([&delete]));
        assert!(without.iter().all(|event| deletions.excuse(event)) && !deletions.excuse(&other));
        assert!(!Deletions::among(&without).excuse(&first), "nobody has taken it back");
        let theirs = says(2, 4, Kind::Delete, Some(&file), "");
        assert!(!Deletions::among(without.iter().chain([&theirs])).excuse(&first));
    }

    #[test]
    fn parts_end_where_the_device_wrote_something_else_and_at_the_most_that_a_file_has() {
        let [first, last, file] = shares(1, 1);
        assert!(
            is_part_before(&last, &file) && is_part_before(&first, &last) && !is_part_before(&first, &file)
        );
        let [_, _, others] = shares(2, 1);
        assert!(!is_part_before(&last, &others) && !is_part_before(&file, &first));
        let endless = parts(0, |next| Ok::<_, Infallible>(Some(next + 1))).unwrap();
        assert_eq!(endless.len(), FILE_PARTS_MAX);
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
