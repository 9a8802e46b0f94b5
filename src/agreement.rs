//! The checks of P5: replicas and readers hold the same events, in one order.

use std::collections::{BTreeMap, BTreeSet};

use crate::anomaly::{Anomaly, Place};
use crate::content::Charter;
use crate::directory::Directory;
use crate::durability::{Store, stores};
use crate::event::Conversation;
use crate::evidence::{Evidence, Observer};
use crate::frame::DeviceCursor;
use crate::history::{Entry, ServerHistory};
use crate::id::{ConversationId, EventId, Position, RoomId};
use crate::order::{Digest, Key};
use crate::report::{Outcome, Settled};
use crate::text::count;

/// P5: replicas hold the same events in the same order.
pub(crate) fn one_order(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome =
        Outcome::new("every replica holds the same events in one canonical order", "P5", "conversations");
    let union = evidence.transcripts(evidence.events.keys());
    for server in &evidence.history.servers {
        let held: BTreeSet<_> = server.log.iter().map(|stored| stored.event.id()).collect();
        let own = evidence.transcripts(&held);
        if let Some(canonical) = &server.canonical {
            judge_index(evidence, server, &own, canonical, &mut outcome);
        } else if !server.live {
            outcome.unknowns.push(format!("the canonical index of {} could not be read", server.source));
        }
        let acked = acked_by(evidence, server);
        let owed = |key: &&Key| !held.contains(&key.id) && !acked.contains(&key.id);
        let lacking = union.values().flatten().filter(owed).count();
        outcome.examined += own.len();
        if lacking > 0 {
            outcome.unknowns.push(format!(
                "server {} lacks {} that other logs hold; it has not acked them, and fetches them from \
                 another server while both are up",
                evidence.history.name_of(server.server),
                count(lacking, "event")
            ));
        }
    }
    outcome
}

/// What devices hold receipts for, of this life of a server's log.
fn acked_by(evidence: &Evidence<'_>, store: &ServerHistory) -> BTreeSet<EventId> {
    let entries = evidence.history.clients.iter().flat_map(|client| &client.entries);
    entries
        .filter_map(|entry| match entry {
            Entry::Receipt { server, incarnation, id, .. }
                if (*server, *incarnation) == (store.server, store.incarnation) =>
            {
                Some(*id)
            }
            _ => None,
        })
        .collect()
}

fn judge_index(
    evidence: &Evidence<'_>,
    server: &ServerHistory,
    own: &BTreeMap<ConversationId, Vec<Key>>,
    canonical: &[(ConversationId, Key)],
    outcome: &mut Outcome,
) {
    let mut index: BTreeMap<ConversationId, Vec<Key>> = BTreeMap::new();
    for (conversation, key) in canonical {
        index.entry(*conversation).or_default().push(*key);
    }
    let none = Vec::new();
    let conversations: BTreeSet<_> = own.keys().chain(index.keys()).collect();
    for conversation in conversations {
        let (ours, theirs) =
            (own.get(conversation).unwrap_or(&none), index.get(conversation).unwrap_or(&none));
        if ours != theirs {
            outcome.anomalies.push(Anomaly::WrongIndex {
                server: evidence.history.name_of(server.server),
                expected: digest(ours),
                found: digest(theirs),
            });
        }
    }
}

/// P5: readers hold what their cursors have passed.
pub(crate) fn everything_delivered(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("every reader has what it was sent", "P5", "deliveries");
    let stores = stores(evidence);
    for observer in &evidence.observers {
        let Some(account) = observer.account else { continue };
        let mut unread = BTreeSet::new();
        let logs = evidence.observers.iter().filter(|other| other.device == observer.device);
        let is_only_log = logs.count() == 1;
        for (server, store) in &stores {
            let server = evidence.history.name_of(*server);
            let readings = Reading::all_of(observer, is_only_log, store);
            for reading in readings.values() {
                if let Some((cursor, at)) = reading.beyond(store, observer) {
                    let (server, tip) = (server.clone(), store.tip);
                    outcome.anomalies.push(Anomaly::TakenBack { server, cursor, tip, at });
                }
            }
            for stored in &store.history.log {
                let room = match stored.event.conversation() {
                    _ if Evidence::is_home(account, &stored.event) => None,
                    Conversation::Room(room) => Some(room),
                    _ => continue,
                };
                let follows = room.is_none_or(|room| observer.follows.contains(&room));
                let Some(reading) = readings.get(&room) else {
                    unread.extend(
                        (follows && evidence.may_read(account, &stored.event)).then(|| stored.event.id()),
                    );
                    continue;
                };
                outcome.examined += 1;
                let (event, position) = (stored.event.id(), stored.position);
                let entered = observer.entered.get(&event).copied();
                if let Some(cursor) = reading.passed_without(position, entered) {
                    let (reader, server) = (observer.name.clone(), server.clone());
                    outcome.anomalies.push(Anomaly::Undelivered { event, reader, server, position, cursor });
                } else if entered.is_none() && follows {
                    unread.insert(event);
                }
            }
        }
        if !unread.is_empty() {
            outcome.unknowns.push(format!(
                "{} has not read {} yet (run `tercet chat {}`)",
                observer.name,
                count(unread.len(), "event"),
                observer.name
            ));
        }
    }
    outcome
}

/// How far one device said that it had read one server's log, of its home or of a room.
#[derive(Default)]
struct Reading {
    /// Each cursor of its log that went further than all before: position, entry number from 0.
    cursors: Vec<(Position, usize)>,
    /// What the server remembers of it; not necessarily in the device's log, which need not sync a cursor.
    remembered: Position,
}

impl Reading {
    /// By what it read: home, which every device does, and rooms. Of a device's two logs, one of them a copy,
    /// nobody can say which one the server remembers.
    fn all_of(
        observer: &Observer<'_>,
        is_only_log: bool,
        store: &Store<'_>,
    ) -> BTreeMap<Option<RoomId>, Self> {
        let log = (store.history.server, store.history.incarnation);
        let mut readings = BTreeMap::from([(None, Self::default())]);
        for (index, entry) in observer.history.entries.iter().enumerate() {
            let Entry::Cursor { server, incarnation, position, room } = entry else { continue };
            let cursors = &mut readings.entry(*room).or_default().cursors;
            if (*server, *incarnation) == log
                && cursors.last().is_none_or(|(furthest, _)| furthest < position)
            {
                cursors.push((*position, index));
            }
        }
        let own = |cursor: &&DeviceCursor| is_only_log && Some(cursor.device) == observer.device;
        for cursor in store.history.cursors.iter().filter(own) {
            let reading = readings.entry(cursor.room).or_default();
            reading.remembered = cursor.position.max(reading.remembered);
        }
        readings
    }

    /// The first cursor past the end of a log that was read to its end, and where it stands.
    fn beyond(&self, store: &Store<'_>, observer: &Observer<'_>) -> Option<(Position, Place)> {
        if store.history.live {
            return None;
        }
        let told = self.cursors.iter().find(|(cursor, _)| *cursor > store.tip);
        let told = told.map(|(cursor, index)| (*cursor, observer.history.place(*index)));
        let remembered =
            (self.remembered > store.tip).then(|| (self.remembered, store.history.place(self.remembered)));
        told.or(remembered)
    }

    /// The cursor that passed a position before the event there had entered the log, if one did.
    fn passed_without(&self, position: Position, entered: Option<usize>) -> Option<Position> {
        let first = self.cursors.partition_point(|(cursor, _)| *cursor < position);
        match (self.cursors.get(first), entered) {
            (Some((cursor, index)), entered) if entered.is_none_or(|entered| entered > *index) => {
                Some(*cursor)
            }
            (_, None) if self.remembered >= position => Some(self.remembered),
            _ => None,
        }
    }
}

/// Each conversation, with its digest and who holds all of it.
pub(crate) fn conversations(evidence: &Evidence<'_>) -> Vec<Settled> {
    let held_by_server = evidence.history.servers.iter().map(|server| {
        let ids: Vec<_> = server.log.iter().map(|stored| stored.event.id()).collect();
        evidence.transcripts(&ids)
    });
    let held_by_client =
        evidence.observers.iter().map(|observer| evidence.transcripts(observer.entered.keys()));
    let holders: Vec<_> = held_by_server.chain(held_by_client).collect();
    let directory = evidence.directory();
    let charters = evidence.charters();
    let settled = |(conversation, keys): (ConversationId, Vec<Key>)| {
        let held: Vec<_> = holders.iter().filter_map(|holder| holder.get(&conversation)).collect();
        let equal_in = held.iter().filter(|held| **held == &keys).count();
        let first = keys.first().and_then(|key| evidence.events.get(&key.id));
        let label =
            first.map_or_else(String::new, |event| label(event.conversation(), &directory, &charters));
        Settled {
            conversation,
            label,
            events: keys.len(),
            digest: digest(&keys),
            held_in: held.len(),
            equal_in,
        }
    };
    evidence.transcripts(evidence.events.keys()).into_iter().map(settled).collect()
}

/// What a person calls a conversation.
pub(crate) fn label(
    conversation: Conversation,
    directory: &Directory,
    charters: &BTreeMap<RoomId, Charter>,
) -> String {
    match conversation {
        Conversation::Directory => "directory".to_owned(),
        Conversation::Direct(low, high) => {
            let mut names = [directory.name(low), directory.name(high)];
            names.sort();
            names.join(", ")
        }
        Conversation::Room(room) => charters
            .get(&room)
            .map_or_else(|| format!("room {}", room.short()), |charter| format!("#{}", charter.name)),
    }
}

fn digest(keys: &[Key]) -> Digest {
    Digest::of(keys.iter().map(|key| key.id))
}
