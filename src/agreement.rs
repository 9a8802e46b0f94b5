//! The checks of P5: replicas and readers hold the same events, in one order.

use std::collections::{BTreeMap, BTreeSet};

use crate::anomaly::{Anomaly, Place};
use crate::bits::Bits;
use crate::content::Charter;
use crate::directory::Directory;
use crate::durability::{Store, stores};
use crate::event::Conversation;
use crate::frame::DeviceCursor;
use crate::id::{Position, RoomId};
use crate::ledger::{Following, Ledger};
use crate::order::Sequencer;
use crate::report::{Outcome, Settled};
use crate::succession::Succession;
use crate::taken::{ClientLog, Seen, ServerLog};
use crate::text::count;

/// P5: replicas hold the same events in the same order.
pub(crate) fn one_order(ledger: &Ledger) -> Outcome {
    let mut outcome = Outcome::new("every replica has the same events in one order", "P5", "transcripts");
    let succession = Succession::of(ledger);
    for server in &ledger.servers {
        let mut held = Bits::new(ledger.events.numbers());
        for event in &server.events {
            held.insert(*event);
        }
        let counts = ledger.events.counts(&held);
        if server.canonical.is_some() {
            judge_index(ledger, server, &held, &counts, &mut outcome);
        } else if !server.live {
            outcome.unknowns.push(format!("the canonical index of {} could not be read", server.source));
        }
        outcome.examined += counts.iter().filter(|count| **count > 0).count();
        let lacking = lacking(ledger, server, &held);
        if lacking > 0 && succession.is_to_hold_all(server.life.0) {
            outcome.unknowns.push(format!(
                "server {} lacks {} that other logs hold; it has not acked them, and fetches them from \
                 another server while both are up",
                ledger.name_of(server.life.0),
                count(lacking, "event")
            ));
        }
    }
    outcome
}

/// How many events a server has neither stored nor, in this life of its log, acked.
fn lacking(ledger: &Ledger, server: &ServerLog, held: &Bits) -> usize {
    let not_held = ledger.events.all().filter(|event| !held.contains(*event));
    if not_held.clone().next().is_none() {
        return 0;
    }
    let mut acked = Bits::new(ledger.events.numbers());
    for log in &ledger.clients {
        for seen in &log.seen {
            if let Seen::Receipt { life, event, .. } = *seen
                && log.lives[usize::from(life)] == server.life
            {
                acked.insert(event);
            }
        }
    }
    not_held.filter(|event| !acked.contains(*event)).count()
}

fn judge_index(ledger: &Ledger, server: &ServerLog, held: &Bits, counts: &[usize], outcome: &mut Outcome) {
    let (events, none) = (&ledger.events, Sequencer::default().end());
    let index = server.canonical.as_ref();
    let own = events.conversations().iter().zip(counts).filter(|(_, count)| **count > 0);
    let own = own.map(|((id, _), _)| *id);
    let conversations: BTreeSet<_> =
        own.chain(index.iter().flat_map(|index| index.keys().copied())).collect();
    for conversation in conversations {
        let place = events.conversations().binary_search_by_key(&conversation, |(id, _)| *id).ok();
        let partial = place
            .filter(|place| counts[*place] < events.transcript(*place).len())
            .map(|place| events.sequence_of(events.transcript(place).filter(|event| held.contains(*event))));
        let whole = || place.map_or(&none, |place| events.sequence(place));
        let ours = partial.as_ref().unwrap_or_else(whole);
        let theirs = index.and_then(|index| index.get(&conversation)).unwrap_or(&none);
        if ours != theirs {
            outcome.anomalies.push(Anomaly::WrongIndex {
                server: ledger.name_of(server.life.0),
                expected: ours.digest(),
                found: theirs.digest(),
            });
        }
    }
}

/// P5: readers hold what their cursors have passed.
pub(crate) fn everything_delivered(ledger: &Ledger) -> Outcome {
    let mut outcome = Outcome::new("every reader has what it was sent", "P5", "deliveries");
    let events = &ledger.events;
    let stores = stores(ledger);
    let beginnings = ledger.public_beginnings();
    for log in &ledger.clients {
        let Some(account) = log.account else { continue };
        let is_read = ledger.read_by(account);
        let mut following = Following::of(events);
        log.stands().for_each(|(_, event)| following.take(event));
        // What each conversation is read as: home, or a room; `None` if it is not for this device.
        let places = events.conversations().iter().map(|(_, conversation)| match conversation {
            Conversation::Room(room) => log.places.iter().position(|place| *place == Some(*room)),
            _ => Some(0),
        });
        let places: Vec<_> =
            places.zip(&is_read).map(|(place, is_read)| place.filter(|_| *is_read)).collect();
        let follows = events.conversations().iter().zip(&is_read).map(|((_, conversation), is_read)| {
            *is_read && !matches!(conversation, Conversation::Room(room) if !following.now.contains_key(room))
        });
        let follows: Vec<_> = follows.collect();
        let mut unread = Bits::new(events.known());
        let logs = ledger.clients.iter().filter(|other| other.device == log.device);
        let is_only_log = logs.count() == 1;
        let entered = entered(ledger, log);
        for (server, store) in &stores {
            let name = || ledger.name_of(*server);
            let mut readings = Reading::all_of(log, is_only_log, store);
            for reading in &readings {
                if let Some((cursor, at)) = reading.beyond(store, log) {
                    let (server, tip) = (name(), store.tip);
                    outcome.anomalies.push(Anomaly::TakenBack { server, cursor, tip, at });
                }
            }
            for (position, event) in store.log.log() {
                if !events.is_known(event) {
                    continue;
                }
                let conversation = events.conversation(event);
                let is_home = beginnings.contains(event);
                let follows = is_home || follows[conversation];
                let place = if is_home { Some(0) } else { places[conversation] };
                let Some(reading) = place.and_then(|place| readings.get_mut(place)) else {
                    // A room that is followed, and of which nothing has come yet.
                    if follows && entered[event as usize] == NEVER {
                        unread.insert(event);
                    }
                    continue;
                };
                outcome.examined += 1;
                let entered = entered[event as usize];
                if let Some(cursor) = reading.passed_without(position, entered) {
                    let (event, reader, server) = (events.id(event), log.name.clone(), name());
                    outcome.anomalies.push(Anomaly::Undelivered { event, reader, server, position, cursor });
                } else if entered == NEVER && follows {
                    unread.insert(event);
                }
            }
        }
        let unread = unread.count();
        if unread > 0 {
            outcome.unknowns.push(format!(
                "{} has not read {} yet (run `tercet chat {}`)",
                log.name,
                count(unread, "event"),
                log.name
            ));
        }
    }
    outcome
}

/// In an entry's place for an event that never entered a log.
const NEVER: u32 = u32::MAX;

/// Where each event entered a log, by entry number from 0.
fn entered(ledger: &Ledger, log: &ClientLog) -> Vec<u32> {
    let mut entered = vec![NEVER; ledger.events.known()];
    for (index, event) in log.stands() {
        let first = &mut entered[event as usize];
        *first = (*first).min(u32::try_from(index).unwrap_or(NEVER));
    }
    entered
}

/// How far one device said that it had read one server's log, of its home or of a room.
#[derive(Default)]
struct Reading {
    /// Each cursor of its log that went further than all before: position, entry number from 0.
    cursors: Vec<(Position, u32)>,
    /// The first cursor that had passed the position asked for last.
    next: usize,
    /// What the server remembers of it; not necessarily in the device's log, which need not sync a cursor.
    remembered: Position,
}

impl Reading {
    /// One for each of [`ClientLog::places`]. Of a device's two logs, one of them a copy, nobody can say which one
    /// the server remembers.
    fn all_of(log: &ClientLog, is_only_log: bool, store: &Store<'_>) -> Vec<Self> {
        let mut readings: Vec<Self> = log.places.iter().map(|_| Self::default()).collect();
        for (index, seen) in (0..).zip(&log.seen) {
            if let Seen::Cursor { life, place, position } = seen
                && log.lives[usize::from(*life)] == store.log.life
                && let Some(reading) = readings.get_mut(*place as usize)
                && reading.cursors.last().is_none_or(|(furthest, _)| furthest < position)
            {
                reading.cursors.push((*position, index));
            }
        }
        let own = |cursor: &&DeviceCursor| is_only_log && Some(cursor.device) == log.device;
        for cursor in store.log.cursors.iter().filter(own) {
            let place = log.places.iter().position(|place| *place == cursor.room);
            if let Some(reading) = place.and_then(|place| readings.get_mut(place)) {
                reading.remembered = cursor.position.max(reading.remembered);
            }
        }
        readings
    }

    /// The first cursor past the end of a log that was read to its end, and where it stands.
    fn beyond(&self, store: &Store<'_>, log: &ClientLog) -> Option<(Position, Place)> {
        if store.log.live {
            return None;
        }
        let told = self.cursors.iter().find(|(cursor, _)| *cursor > store.tip);
        let told = told.map(|(cursor, index)| (*cursor, log.place(*index as usize)));
        let remembered =
            (self.remembered > store.tip).then(|| (self.remembered, store.log.place(self.remembered)));
        told.or(remembered)
    }

    /// The cursor that passed a position before the event there had entered the log, if one did. Asked for
    /// ascending positions, it need not search.
    fn passed_without(&mut self, position: Position, entered: u32) -> Option<Position> {
        if self.next > 0 && self.cursors[self.next - 1].0 >= position {
            self.next = self.cursors.partition_point(|(cursor, _)| *cursor < position);
        }
        while self.cursors.get(self.next).is_some_and(|(cursor, _)| *cursor < position) {
            self.next += 1;
        }
        match self.cursors.get(self.next) {
            Some((cursor, index)) if entered == NEVER || entered > *index => Some(*cursor),
            _ if entered == NEVER && self.remembered >= position => Some(self.remembered),
            _ => None,
        }
    }
}

/// Each conversation, with its digest and who holds all of it.
pub(crate) fn conversations(ledger: &Ledger) -> Vec<Settled> {
    let events = &ledger.events;
    let held_by = |holds: &mut dyn Iterator<Item = u32>| {
        let mut held = Bits::new(events.numbers());
        holds.for_each(|event| _ = held.insert(event));
        events.counts(&held)
    };
    let servers = ledger.servers.iter().map(|server| held_by(&mut server.events.iter().copied()));
    let clients = ledger.clients.iter().map(|log| held_by(&mut log.stands().map(|(_, event)| event)));
    let holders: Vec<_> = servers.chain(clients).collect();
    let (directory, charters) = (ledger.directory(), ledger.charters());
    let settled = |(place, (conversation, what)): (usize, &(_, Conversation))| {
        let count = events.transcript(place).len();
        let holding = |least: usize| holders.iter().filter(|counts| counts[place] >= least).count();
        (count > 0).then(|| Settled {
            conversation: *conversation,
            label: label(*what, &directory, &charters),
            events: count,
            digest: events.sequence(place).digest(),
            held_in: holding(1),
            equal_in: holding(count),
        })
    };
    events.conversations().iter().enumerate().filter_map(settled).collect()
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
        Conversation::Room(room) => match charters.get(&room) {
            Some(charter) => format!("#{}", charter.name),
            None => format!("room {}", room.short()),
        },
    }
}
