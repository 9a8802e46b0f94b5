//! From what was taken in to [`Ledger`]: which events are valid, and numbers that mean something.
//!
//! Events are numbered by conversation and canonical order. So a transcript is a range of numbers, "later in
//! canonical order" is a comparison of two numbers of one conversation, and what somebody holds is a set of
//! bits. Ids whose event nobody has come after all events, in the order of ids.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::anomaly::Anomaly;
use crate::bits::Bits;
use crate::clock::Time;
use crate::event::EventError;
use crate::id::{AccountId, DeviceId, EventId, ServerId};
use crate::intake::{self, Entry, Held, Intake, Number, Taken};
use crate::ledger::{Events, Ledger};
use crate::taken::{ClientLog, Seen, ServerLog};

impl Intake {
    /// The evidence of these logs, all of them taken in here; `names` are what people call the servers, and
    /// `absent` says what could not be read.
    pub fn settle(
        self,
        servers: Vec<ServerLog>,
        clients: Vec<ClientLog>,
        names: BTreeMap<ServerId, String>,
        absent: Vec<String>,
    ) -> Ledger {
        let taken = self.close();
        let mut settling = Settling { servers, clients, corrupt: Vec::new() };
        settling.refuse_wrong_signatures(&taken);
        let standing = settling.standing(&taken);
        let (events, numbers) = number(&taken, &standing);
        settling.renumber(&taken, &numbers);
        let Settling { servers, clients, corrupt } = settling;
        Ledger { names, absent, servers, clients, events, corrupt }
    }
}

struct Settling {
    servers: Vec<ServerLog>,
    clients: Vec<ClientLog>,
    corrupt: Vec<Anomaly>,
}

impl Settling {
    /// Finds what is no valid event in each log, in its order.
    fn refuse_wrong_signatures(&mut self, taken: &Taken) {
        for log in &self.servers {
            let wrong = log.log().filter(|(_, event)| !taken.is_right(*event));
            self.corrupt.extend(wrong.map(|(position, event)| {
                let (at, why) = (log.place(position), why(taken, event));
                Anomaly::Corrupt { at, why }
            }));
            self.corrupt.extend(gap(log));
        }
        for log in &mut self.clients {
            for (index, seen) in log.seen.iter_mut().enumerate() {
                if let Some(event) = seen.bytes().filter(|event| !taken.is_right(*event)) {
                    log.corrupt.push((index, why(taken, event)));
                    *seen = Seen::Nothing;
                }
            }
            log.corrupt.sort_by_key(|(index, _)| *index);
            let corrupt = std::mem::take(&mut log.corrupt).into_iter();
            self.corrupt.extend(corrupt.map(|(index, why)| Anomaly::Corrupt { at: log.place(index), why }));
        }
    }

    /// Which events stand in one of these logs with a right signature; what only a log had that was given
    /// up does not count.
    fn standing(&self, taken: &Taken) -> Vec<Bits> {
        let mut standing: Vec<_> = taken.shards.iter().map(|shard| Bits::new(shard.entries.len())).collect();
        let mut note = |event: Number| {
            if taken.is_right(event) {
                let (shard, local) = intake::place(taken.root(event));
                standing[shard].insert(u32::try_from(local).unwrap_or(u32::MAX));
            }
        };
        self.servers.iter().flat_map(|log| &log.events).for_each(|event| note(*event));
        self.clients.iter().flat_map(|log| &log.seen).filter_map(|seen| seen.stands()).for_each(note);
        standing
    }

    fn renumber(&mut self, taken: &Taken, numbers: &[Vec<Number>]) {
        let renumber = |event: &mut Number| {
            let (shard, local) = intake::place(taken.root(*event));
            *event = numbers[shard][local];
        };
        self.servers.iter_mut().flat_map(|log| &mut log.events).for_each(renumber);
        self.clients.iter_mut().flat_map(|log| &mut log.seen).filter_map(Seen::event_mut).for_each(renumber);
    }
}

fn why(taken: &Taken, event: Number) -> String {
    let (shard, local) = intake::place(taken.root(event));
    let author = taken.shards[shard].entries[local].held.map(|held| held.author);
    let account = taken.authors.iter().find(|(_, number)| Some(**number) == author);
    account.map_or_else(String::new, |((account, _), _)| EventError::Signature(*account).to_string())
}

/// The first place where a log's positions do not count 1, 2, 3.
fn gap(log: &ServerLog) -> Option<Anomaly> {
    let (expected, position) =
        (1..).zip(log.positions.as_ref()?).find(|(expected, position)| expected != *position)?;
    let why = format!("position {position} stands where {expected} should");
    Some(Anomaly::Corrupt { at: log.place(expected), why })
}

/// Numbers all events and ids; also answers which number each entry of each shard has.
fn number(taken: &Taken, standing: &[Bits]) -> (Events, Vec<Vec<Number>>) {
    let mut conversations: Vec<_> = taken
        .conversations
        .iter()
        .map(|(conversation, number)| (conversation.id(), *conversation, *number))
        .collect();
    conversations.sort_unstable();
    let mut ranks = vec![0; conversations.len()];
    for (rank, (.., number)) in (0..).zip(&conversations) {
        ranks[*number as usize] = rank;
    }
    let mut authors = vec![None; taken.authors.len()];
    for (author, number) in &taken.authors {
        authors[*number as usize] = Some(*author);
    }
    let authors: Vec<_> = authors.into_iter().flatten().collect();

    let mut known = Vec::new();
    let mut named = Vec::new();
    for (shard, part) in taken.shards.iter().enumerate() {
        for (local, Entry { id, held }) in part.entries.iter().enumerate() {
            let number = intake::number(shard, local);
            match held {
                Some(held) if standing[shard].contains(u32::try_from(local).unwrap_or(u32::MAX)) => {
                    let conversation = ranks[held.conversation as usize];
                    known.push(Known { conversation, number, time: held.time, id, held });
                }
                _ => named.push((*id, number)),
            }
        }
    }
    known.sort_unstable_by(|one, other| one.order(other, &authors));
    named.sort_unstable();

    let mut numbers: Vec<_> = taken.shards.iter().map(|shard| vec![0; shard.entries.len()]).collect();
    let all = known.iter().map(|known| known.number).chain(named.iter().map(|(_, number)| *number));
    for (new, old) in (0..).zip(all) {
        let (shard, local) = intake::place(old);
        numbers[shard][local] = new;
    }
    let table = conversations.iter().map(|(id, conversation, _)| (*id, *conversation));
    let mut events = Events::new(table, authors, known.len());
    for Known { conversation, number, id, held, .. } in known {
        let (shard, local) = intake::place(number);
        let part = &taken.shards[shard];
        let parents = part.parents[held.parents.0 as usize..].iter().take(held.parents.1.into());
        let parents = parents.map(|parent| {
            let (shard, local) = intake::place(*parent);
            numbers[shard][local]
        });
        let target = part.targets.get(&local).map(|target| {
            let (shard, local) = intake::place(*target);
            numbers[shard][local]
        });
        events.push(conversation, id, held, parents, part.bodies.get(&local).cloned(), target);
    }
    named.into_iter().for_each(|(id, _)| events.push_named(id));
    (events, numbers)
}

/// An event, with what places it.
struct Known<'a> {
    /// The conversation's rank among all.
    conversation: u32,
    number: Number,
    time: Time,
    id: &'a EventId,
    held: &'a Held,
}

impl Known<'_> {
    /// By conversation, and within it as [`crate::order::Key`] sorts.
    fn order(&self, other: &Self, authors: &[(AccountId, DeviceId)]) -> Ordering {
        let tie = |event: &Self| (authors[event.held.author as usize].1, event.held.seq, *event.id);
        let coarse = (self.conversation, self.time).cmp(&(other.conversation, other.time));
        coarse.then_with(|| tie(self).cmp(&tie(other)))
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::event::{Claim, Conversation, Draft, Event, Kind, account_of};
    use crate::history::Entry;
    use crate::id::{AccountId, Incarnation, Seq};
    use crate::order::Key;
    use crate::taken::{ClientIntake, ServerIntake};

    fn event(with: u8, device: u8, seq: Seq, ms: u64, parents: &[&Event]) -> Event {
        let key = SigningKey::from_bytes(&[9; 32]);
        let draft = Draft {
            device: DeviceId::new([device; 16]),
            seq,
            parents: parents.iter().map(|parent| parent.id()).collect(),
            time: Time::from_millis(ms),
            conversation: Conversation::direct(account_of(&key), AccountId::new([with; 32])),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        draft.sign(&key).unwrap()
    }

    fn forged(event: &Event) -> Vec<u8> {
        let mut bytes = event.bytes().to_vec();
        let at = bytes.len() - event.body().len() - 10;
        bytes[at] ^= 1;
        bytes
    }

    fn server(intake: &Intake, number: u8, events: &[&[u8]]) -> ServerLog {
        let life = (ServerId::new([number; 32]), Incarnation::new([number; 16]));
        let mut log = ServerIntake::new(intake, format!("store {number}"), life, false);
        for (position, bytes) in (1..).zip(events) {
            log.claimed(position, &Claim::of(bytes).unwrap());
        }
        log.finish()
    }

    fn settle(intake: Intake, servers: Vec<ServerLog>) -> Ledger {
        intake.settle(servers, Vec::new(), BTreeMap::new(), Vec::new())
    }

    /// Two conversations with a chain each and two concurrent events of one instant.
    fn some() -> Vec<Event> {
        let mut all = Vec::new();
        for with in [1, 2] {
            let first = event(with, 1, 1, 10, &[]);
            let twins = [event(with, 3, 1, 20, &[&first]), event(with, 2, 1, 20, &[&first])];
            let last = event(with, 1, 2, 30, &[&twins[0], &twins[1]]);
            all.extend([last, first]);
            all.extend(twins);
        }
        all
    }

    #[test]
    fn numbers_are_in_canonical_order_whoever_came_first() {
        let all = some();
        let mut expected: Vec<(crate::id::ConversationId, Key)> =
            all.iter().map(|event| (event.conversation().id(), event.key())).collect();
        expected.sort_unstable();
        for turn in 0..all.len() {
            let mut order: Vec<_> = all.iter().map(Event::bytes).collect();
            order.rotate_left(turn);
            let intake = Intake::default();
            // A name that nobody has the event of comes after all events.
            let stray = intake.name(&EventId::new([0; 32]));
            let log = server(&intake, 1, &order);
            assert_ne!(log.events[0], stray);
            let ledger = settle(intake, vec![log]);
            let events = &ledger.events;
            let found: Vec<_> = events
                .all()
                .map(|event| (events.conversations()[events.conversation(event)].0, events.key(event)))
                .collect();
            assert_eq!(found, expected);
            assert_eq!((events.known(), events.numbers()), (all.len(), all.len() + 1));
            assert_eq!(events.id(8), EventId::new([0; 32]));
            for event in events.all() {
                let parents: Vec<_> = events.parents(event).iter().map(|parent| events.id(*parent)).collect();
                let original = all.iter().find(|original| original.id() == events.id(event)).unwrap();
                assert_eq!(parents, original.parents());
            }
            assert_eq!(ledger.corrupt, []);
        }
    }

    #[test]
    fn one_right_signature_makes_an_event_and_each_wrong_one_is_told() {
        let event = event(1, 1, 1, 10, &[]);
        let forged = forged(&event);
        for order in [[event.bytes(), &forged], [&forged[..], event.bytes()]] {
            let intake = Intake::default();
            let logs = (1..).zip(order).map(|(number, bytes)| server(&intake, number, &[bytes])).collect();
            let ledger = settle(intake, logs);
            assert_eq!(ledger.events.known(), 1);
            let place = 1 + order.iter().position(|bytes| *bytes == forged).unwrap();
            let why = EventError::Signature(event.account()).to_string();
            let at = crate::anomaly::Place { source: format!("store {place}"), entry: 1 };
            assert_eq!(ledger.corrupt, [Anomaly::Corrupt { at, why }]);
            let stored: Vec<_> = ledger.servers.iter().map(|log| log.events[0]).collect();
            assert_eq!(stored, [0, 0], "the id stands in both");
        }
        let intake = Intake::default();
        let log = server(&intake, 1, &[&forged]);
        let ledger = settle(intake, vec![log]);
        assert_eq!((ledger.events.known(), ledger.corrupt.len()), (0, 1));
    }

    #[test]
    fn what_only_a_log_had_that_was_given_up_does_not_count() {
        let (one, other) = (event(1, 1, 1, 10, &[]), event(1, 1, 2, 20, &[]));
        let intake = Intake::default();
        let _given_up = server(&intake, 1, &[one.bytes(), other.bytes()]);
        let kept = server(&intake, 2, &[one.bytes()]);
        let ledger = settle(intake, vec![kept]);
        assert_eq!((ledger.events.known(), ledger.events.numbers()), (1, 2));
        assert_eq!(ledger.events.id(0), one.id());
    }

    #[test]
    fn a_reader_that_stops_half_way_leaves_no_signature_unchecked() {
        let event = event(1, 1, 1, 10, &[]);
        let intake = Intake::default();
        let mut stopped = ClientIntake::new(&intake, "a log".to_owned());
        stopped.entry(&Entry::Authored { event: event.bytes().to_vec().into(), at_ms: 0 });
        let log = server(&intake, 1, &[event.bytes()]);
        drop(stopped);
        let ledger = settle(intake, vec![log]);
        assert_eq!((ledger.events.known(), ledger.corrupt.len()), (1, 0));
    }
}
