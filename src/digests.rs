//! The digest of a conversation, as one log has it, and what it says when it is compared with ours.
//!
//! Equal sets of events are one sequence everywhere ([`crate::order`]), so equal digests mean the same conversation
//! to the last event. A server reads its log for a digest [`DIGEST_STEP`] places at a time, one step for each time
//! that it is asked, and remembers what it has read of the last few conversations.
//!
//! It does not know who may read what: whoever uses it asks `crate::readers` first.

use std::collections::VecDeque;

use crate::event::Conversation;
use crate::frame::ToClient;
use crate::id::{EventId, Position};
use crate::limits::{DIGEST_EVENTS_MAX, DIGEST_STEP, DIGESTS_KEPT};
use crate::log::{Log, Stream};
use crate::order::{Digest, Key, Transcript};

/// The digests of a server. See the module.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Digests(VecDeque<(Conversation, Read)>);

/// How far the log was read for a conversation, and what was found.
#[derive(Debug, Clone, Default, Hash)]
struct Read {
    upto: Position,
    /// Sorted, if there is a digest.
    keys: Vec<Key>,
    digest: Option<Digest>,
}

impl Digests {
    /// One step more of a conversation, and the answer to whoever asked.
    ///
    /// # Errors
    /// The log's.
    pub(crate) fn answer<L: Log>(
        &mut self,
        conversation: Conversation,
        durable: Position,
        log: &L,
    ) -> Result<ToClient, L::Error> {
        let known = self.0.iter().position(|(of, _)| *of == conversation).and_then(|at| self.0.remove(at));
        let (_, mut read) = known.unwrap_or((conversation, Read::default()));
        read.step(conversation, durable, log)?;
        let whole = read.upto >= durable || read.is_too_long();
        let digest = if whole { read.digest() } else { None };
        let answer = ToClient::Digest { conversation, events: read.keys.len() as u64, digest, whole };
        self.0.push_back((conversation, read));
        self.make_room();
        Ok(answer)
    }

    /// Forgets what was asked for longest ago; never what was asked for last, which is bounded by itself.
    fn make_room(&mut self) {
        let events = |all: &VecDeque<(Conversation, Read)>| all.iter().map(|(_, read)| read.keys.len()).sum();
        while self.0.len() > DIGESTS_KEPT || (self.0.len() > 1 && DIGEST_EVENTS_MAX < events(&self.0)) {
            self.0.pop_front();
        }
    }
}

/// What is said of a conversation that does not exist, or that whoever asks may not read.
pub(crate) fn nothing(conversation: Conversation) -> ToClient {
    ToClient::Digest { conversation, events: 0, digest: Some(Digest::of([])), whole: true }
}

impl Read {
    fn step<L: Log>(
        &mut self,
        conversation: Conversation,
        durable: Position,
        log: &L,
    ) -> Result<(), L::Error> {
        if self.is_too_long() {
            return Ok(());
        }
        let places = log.scan(stream_of(conversation), self.upto, durable, DIGEST_STEP)?;
        let last = places.last().map(|(position, _)| *position).filter(|_| places.len() == DIGEST_STEP);
        for (position, _) in places {
            let Some(event) = log.event(position)? else { continue };
            if event.conversation() == conversation {
                self.keys.push(event.key());
                self.digest = None;
            }
        }
        self.upto = last.unwrap_or(durable);
        Ok(())
    }

    fn is_too_long(&self) -> bool {
        self.keys.len() > DIGEST_EVENTS_MAX
    }

    /// `None` if there are more events than are compared.
    fn digest(&mut self) -> Option<Digest> {
        if self.digest.is_none() && !self.is_too_long() {
            self.keys.sort_unstable();
            self.digest = Some(Digest::of(self.keys.iter().map(|key| key.id)));
        }
        self.digest
    }
}

/// A stream that holds all of a conversation, possibly among others.
fn stream_of(conversation: Conversation) -> Stream {
    match conversation {
        Conversation::Directory => Stream::Directory,
        Conversation::Direct(low, _) => Stream::Inbox(low),
        Conversation::Room(room) => Stream::Room(room),
    }
}

/// What a server holds of a conversation, beside what is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The same events.
    Equal,
    /// All of ours but so many that it is not known to have, and no other.
    Behind(usize),
    /// So many more than are here.
    Ahead(u64),
    /// Others: it has so many.
    Differs(u64),
    /// More than can be compared.
    TooLong,
}

/// Compares a server's answer with what is here; `is_there` says which of ours the server is known to have.
pub fn compare(
    ours: &Transcript,
    is_there: impl Fn(&EventId) -> bool,
    events: u64,
    digest: Option<Digest>,
) -> Compared {
    let Some(digest) = digest else { return Compared::TooLong };
    if digest == ours.digest() {
        return Compared::Equal;
    }
    let known: Vec<_> = ours.keys().map(|key| key.id).filter(is_there).collect();
    let here = ours.keys().len();
    match events.checked_sub(here as u64) {
        Some(more @ 1..) => Compared::Ahead(more),
        _ if Digest::of(known.iter().copied()) == digest => Compared::Behind(here - known.len()),
        _ => Compared::Differs(events),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;
    use std::sync::Arc;

    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::clock::Time;
    use crate::event::{Draft, Event, Kind, Origin, account_of};
    use crate::frame::DeviceCursor;
    use crate::id::DeviceId;

    /// A log of one inbox.
    #[derive(Default)]
    struct Inbox(Vec<Arc<Event>>);

    impl Log for Inbox {
        type Error = Infallible;

        fn position(&self, _: &EventId) -> Result<Option<Position>, Infallible> {
            Ok(None)
        }

        fn first_of(&self, _: Origin) -> Result<Option<EventId>, Infallible> {
            Ok(None)
        }

        fn event(&self, position: Position) -> Result<Option<Arc<Event>>, Infallible> {
            Ok(usize::try_from(position - 1).ok().and_then(|at| self.0.get(at)).cloned())
        }

        fn scan(
            &self,
            _: Stream,
            after: Position,
            upto: Position,
            limit: usize,
        ) -> Result<Vec<(Position, EventId)>, Infallible> {
            let all = (1..).zip(&self.0).filter(|(at, _)| (after + 1..=upto).contains(at));
            Ok(all.map(|(at, event)| (at, event.id())).take(limit).collect())
        }

        fn hollow(&self, _: Position, _: usize) -> Result<Vec<(Position, EventId)>, Infallible> {
            Ok(Vec::new())
        }

        fn cursors(&self) -> Result<Vec<DeviceCursor>, Infallible> {
            Ok(Vec::new())
        }

        fn view(&self) -> Result<Option<Vec<u8>>, Infallible> {
            Ok(None)
        }
    }

    fn key(person: u8) -> SigningKey {
        SigningKey::from_bytes(&[person; 32])
    }

    fn with(other: u8) -> Conversation {
        Conversation::direct(account_of(&key(1)), account_of(&key(other)))
    }

    /// The first person says something to another, later the higher the number.
    fn said(to: u8, number: u64) -> Arc<Event> {
        let draft = Draft {
            device: DeviceId::new([1; 16]),
            seq: number,
            parents: BTreeSet::new(),
            time: Time::from_millis(number),
            conversation: with(to),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        Arc::new(draft.sign(&key(1)).unwrap())
    }

    fn transcript<'a>(events: impl IntoIterator<Item = &'a Arc<Event>>) -> Transcript {
        let mut transcript = Transcript::default();
        events.into_iter().for_each(|event| transcript.insert(event));
        transcript
    }

    /// Asks until the answer is whole: how often, how many events, and their digest.
    fn ask(digests: &mut Digests, to: u8, log: &Inbox) -> (usize, u64, Option<Digest>) {
        for asked in 1.. {
            let Ok(answer) = digests.answer(with(to), log.0.len() as u64, log);
            let ToClient::Digest { events, digest, whole, .. } = answer else { unreachable!() };
            assert!(whole || digest.is_none(), "half of a conversation has no digest");
            if whole {
                return (asked, events, digest);
            }
        }
        unreachable!()
    }

    #[test]
    fn a_log_has_the_digest_of_one_conversation_whatever_order_it_came_in() {
        let mut log = Inbox::default();
        let mut events: Vec<_> = (1..=DIGEST_STEP as u64).map(|number| said(2, number)).collect();
        log.0.extend(events.iter().rev().cloned());
        log.0.push(said(3, 5_000));
        let mut digests = Digests::default();
        let digest = transcript(&events).digest();
        assert_eq!(ask(&mut digests, 2, &log), (2, events.len() as u64, Some(digest)));
        assert_eq!(ask(&mut digests, 2, &log).0, 1, "what was read is remembered");
        events.push(said(2, 9_000));
        log.0.extend(events.last().cloned());
        let digest = transcript(&events).digest();
        assert_eq!(ask(&mut digests, 2, &log), (1, events.len() as u64, Some(digest)));
        assert_eq!(ask(&mut digests, 3, &log).1, 1);
    }

    #[test]
    fn few_conversations_are_remembered() {
        let log = Inbox(vec![said(2, 1)]);
        let mut digests = Digests::default();
        for to in 2..40 {
            ask(&mut digests, to, &log);
        }
        assert_eq!(digests.0.len(), DIGESTS_KEPT);
    }

    #[test]
    fn what_a_server_holds_is_told_from_what_is_here() {
        let events: Vec<_> = (1..=5).map(|number| said(2, number)).collect();
        let ours = transcript(&events[..4]);
        let of = |some: &[Arc<Event>]| (some.len() as u64, Some(transcript(some).digest()));
        let first_three: Vec<_> = events[..3].iter().map(|event| event.id()).collect();
        let cases = [
            (of(&events[..4]), Compared::Equal),
            (of(&events[..3]), Compared::Behind(1)),
            (of(&events), Compared::Ahead(1)),
            (of(&events[1..4]), Compared::Differs(3)),
            (of(&events[1..5]), Compared::Differs(4)),
            (of(&[]), Compared::Differs(0)),
            ((1, None), Compared::TooLong),
        ];
        for ((number, digest), says) in cases {
            assert_eq!(compare(&ours, |id| first_three.contains(id), number, digest), says);
        }
        assert_eq!(compare(&ours, |_| false, 0, of(&[]).1), Compared::Behind(4));
    }
}
