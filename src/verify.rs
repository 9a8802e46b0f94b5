//! `check(history) -> Report`: replays what devices saw and servers stored against the promise.
//!
//! It takes nothing on trust that it can recompute: signatures, canonical order, digests, who had which
//! receipt when. Absence of evidence is never taken for its opposite: what cannot be told is *unknown*, with
//! a sentence on what is missing. Each check counts what it examined, so that a check over nothing shows.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::slice;

use serde::Serialize;

use crate::anomaly::{Anomaly, Place};
use crate::directory::Directory;
use crate::event::{Conversation, Event, Kind};
use crate::evidence::{Evidence, Observer};
use crate::frame::DeviceCursor;
use crate::history::{Entry, History, ServerHistory};
use crate::id::{ConversationId, DeviceId, EventId, Incarnation, Position, ServerId};
use crate::order::{Digest, Key};
use crate::server::{Unfit, fits_ancestors};
use crate::text::count;

/// What a check, or all of them, came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was looked at is as promised.
    Valid,
    /// Something that is needed to tell is missing, or not settled yet.
    Unknown,
    /// A promise was broken.
    Violation,
}

/// One check's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What was checked, as a promise.
    pub check: &'static str,
    /// Where the promise stands: `P1` to `P6`, or a rule.
    pub promise: &'static str,
    /// How many things were looked at.
    pub examined: usize,
    /// What they are.
    pub unit: &'static str,
    /// What was found to be broken.
    pub anomalies: Vec<Anomaly>,
    /// What cannot be told, each as a sentence.
    pub unknowns: Vec<String>,
}

impl Outcome {
    fn new(check: &'static str, promise: &'static str, unit: &'static str) -> Self {
        Self { check, promise, examined: 0, unit, anomalies: Vec::new(), unknowns: Vec::new() }
    }

    /// What this check came to.
    pub fn verdict(&self) -> Verdict {
        match (self.anomalies.is_empty(), self.unknowns.is_empty()) {
            (false, _) => Verdict::Violation,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Valid,
        }
    }
}

/// A conversation as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// Which conversation.
    pub conversation: ConversationId,
    /// What a person calls it: its two accounts, or the directory.
    pub label: String,
    /// How many events all logs together hold of it.
    pub events: usize,
    /// Their canonical order's fingerprint.
    pub digest: Digest,
    /// How many logs and stores hold some of it.
    pub held_in: usize,
    /// How many of those hold all of it, and so have this digest.
    pub equal_in: usize,
}

/// What `verify` has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Device logs read.
    pub clients: usize,
    /// Server logs read.
    pub servers: usize,
    /// Distinct events found in any of them.
    pub events: usize,
    /// Each check's outcome.
    pub outcomes: Vec<Outcome>,
    /// Each conversation's.
    pub conversations: Vec<Settled>,
}

impl Report {
    /// The worst of all checks.
    pub fn verdict(&self) -> Verdict {
        self.outcomes.iter().map(Outcome::verdict).max().unwrap_or(Verdict::Unknown)
    }

    /// Everything that is broken.
    pub fn anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        self.outcomes.iter().flat_map(|outcome| &outcome.anomalies)
    }
}

/// Checks a history against the promise.
pub fn check(history: &History) -> Report {
    let evidence = Evidence::of(history);
    let outcomes = vec![
        completeness(&evidence),
        nothing_invented(&evidence),
        nothing_twice(&evidence),
        durable(&evidence),
        honest_copies(&evidence),
        causally_closed(&evidence),
        sender_order(&evidence),
        causal_display(&evidence),
        one_order(&evidence),
        everything_delivered(&evidence),
        honest_screens(&evidence),
    ];
    Report {
        clients: history.clients.len(),
        servers: history.servers.len(),
        events: evidence.events.len(),
        outcomes,
        conversations: conversations(&evidence),
    }
}

fn completeness(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("there is evidence to judge by", "evidence", "logs");
    let history = evidence.history;
    outcome.examined = history.clients.len() + history.servers.len();
    outcome.unknowns.extend(history.absent.iter().cloned());
    if history.clients.is_empty() {
        outcome.unknowns.push("no device log was found: nobody can say what was sent and seen".to_owned());
    }
    if history.servers.is_empty() {
        outcome.unknowns.push("no server's log was found: nobody can say what was stored".to_owned());
    }
    for observer in &evidence.observers {
        if observer.device.is_none() {
            outcome.unknowns.push(format!("{} does not say whose it is", observer.history.source));
        }
    }
    outcome
}

// ---- P1 ---------------------------------------------------------------------------------------------

fn nothing_invented(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("nothing is invented or altered", "P1", "events");
    outcome.anomalies.extend(evidence.corrupt.iter().cloned());
    let mut authors: BTreeMap<DeviceId, Vec<&Observer<'_>>> = BTreeMap::new();
    for observer in &evidence.observers {
        observer.device.into_iter().for_each(|device| authors.entry(device).or_default().push(observer));
    }
    let mut judge = |id: &EventId, written_here: bool, at: Place| {
        outcome.examined += 1;
        let Some(event) = evidence.events.get(id) else { return };
        let logs = authors.get(&event.device()).map_or(&[][..], Vec::as_slice);
        // Without its author's log, an event's signature vouches for it, except in a log that claims it.
        if (logs.is_empty() && !written_here) || logs.iter().any(|author| wrote(author, event)) {
            return;
        }
        let author = logs.first().map_or_else(|| event.device().short(), |author| author.name.clone());
        outcome.anomalies.push(Anomaly::Invented { event: *id, author, at });
    };
    for server in &evidence.history.servers {
        for stored in &server.log {
            judge(&stored.event.id(), false, server.place(stored.position));
        }
    }
    for observer in &evidence.observers {
        for (index, id) in &observer.stands {
            let written_here = matches!(observer.history.entries[*index], Entry::Authored { .. });
            judge(id, written_here && observer.device.is_some(), observer.history.place(*index));
        }
    }
    for observer in &evidence.observers {
        for (index, id, _, _) in &observer.shown {
            if observer.entered.get(id).is_none_or(|entered| entered > index) {
                outcome
                    .anomalies
                    .push(Anomaly::ShownUnheld { event: *id, at: observer.history.place(*index) });
            }
        }
        let Some(account) = observer.account else { continue };
        for (id, index) in &observer.entered {
            if evidence.events.get(id).is_some_and(|event| {
                matches!(event.conversation(), Conversation::Direct(..)) && !Evidence::reads(account, event)
            }) {
                outcome.anomalies.push(Anomaly::Leaked { event: *id, at: observer.history.place(*index) });
            }
        }
    }
    outcome
}

fn wrote(author: &Observer<'_>, event: &Event) -> bool {
    author.account == Some(event.account())
        && author.device == Some(event.device())
        && author
            .entered
            .get(&event.id())
            .is_some_and(|index| matches!(author.history.entries[*index], Entry::Authored { .. }))
}

fn nothing_twice(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("nothing is stored or shown twice", "P1", "lines");
    let mut judge = |places: &mut dyn Iterator<Item = (EventId, Place)>| {
        let mut seen: BTreeMap<EventId, Place> = BTreeMap::new();
        for (event, second) in places {
            outcome.examined += 1;
            if let Some(first) = seen.get(&event) {
                outcome.anomalies.push(Anomaly::Twice { event, first: first.clone(), second });
            } else {
                seen.insert(event, second);
            }
        }
    };
    for server in &evidence.history.servers {
        judge(&mut server.log.iter().map(|stored| (stored.event.id(), server.place(stored.position))));
    }
    for observer in &evidence.observers {
        judge(&mut observer.stands.iter().map(|(index, id)| (*id, observer.history.place(*index))));
        judge(&mut observer.shown.iter().map(|(index, id, _, _)| (*id, observer.history.place(*index))));
    }
    let mut twins: BTreeMap<(DeviceId, u64), EventId> = BTreeMap::new();
    for event in evidence.events.values() {
        let one = *twins.entry((event.device(), event.seq())).or_insert(event.id());
        if one != event.id() {
            let (other, device) = (event.id(), event.device().short());
            outcome.anomalies.push(Anomaly::Fork { seq: event.seq(), one, other, device });
        }
    }
    outcome
}

// ---- P2 ---------------------------------------------------------------------------------------------

/// What a server has now, in one incarnation.
struct Store<'a> {
    held: BTreeSet<EventId>,
    log: BTreeMap<Position, EventId>,
    tip: Position,
    history: &'a ServerHistory,
}

impl Store<'_> {
    /// Whether a receipt speaks of this log and names a place that the log does not bear out.
    fn belies(&self, incarnation: Incarnation, id: &EventId, position: Position) -> bool {
        let unread = self.history.live && position > self.tip;
        self.history.incarnation == incarnation && !unread && self.log.get(&position) != Some(id)
    }
}

fn stores<'a>(evidence: &'a Evidence<'_>) -> BTreeMap<ServerId, Store<'a>> {
    let store = |history: &'a ServerHistory| {
        let log: BTreeMap<_, _> =
            history.log.iter().map(|stored| (stored.position, stored.event.id())).collect();
        let tip = log.last_key_value().map_or(0, |(position, _)| *position);
        Store { held: log.values().copied().collect(), log, tip, history }
    };
    evidence.history.servers.iter().map(|server| (server.server, store(server))).collect()
}

/// The most that a person was told of one message, and the receipts that stood behind it.
#[derive(Default)]
struct Told {
    copies: usize,
    index: usize,
    acks: BTreeMap<ServerId, Incarnation>,
}

fn durable(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("every acked event is on the disks that acked it", "P2", "receipts");
    let stores = stores(evidence);
    let mut unread: BTreeMap<ServerId, usize> = BTreeMap::new();
    for observer in &evidence.observers {
        let mut acks: BTreeMap<EventId, BTreeMap<ServerId, Incarnation>> = BTreeMap::new();
        let mut told: BTreeMap<EventId, Told> = BTreeMap::new();
        for (index, entry) in observer.history.entries.iter().enumerate() {
            match entry {
                Entry::Incarnation { server, .. } => {
                    acks.values_mut().for_each(|acks| {
                        acks.remove(server);
                    });
                }
                Entry::Receipt { server, incarnation, id, position } => {
                    outcome.examined += 1;
                    acks.entry(*id).or_default().insert(*server, *incarnation);
                    let Some(store) = stores.get(server) else {
                        *unread.entry(*server).or_default() += 1;
                        continue;
                    };
                    if store.belies(*incarnation, id, *position) {
                        outcome.anomalies.push(Anomaly::LostAck {
                            event: *id,
                            server: evidence.history.name_of(*server),
                            position: *position,
                            receipt: observer.history.place(index),
                        });
                    }
                }
                Entry::Level { id, copies, .. } => {
                    let most = told.entry(*id).or_default();
                    if *copies as usize >= most.copies {
                        let acks = acks.get(id).cloned().unwrap_or_default();
                        *most = Told { copies: *copies as usize, index, acks };
                    }
                }
                _ => {}
            }
        }
        for (event, most) in told {
            let at = observer.history.place(most.index);
            outcome.anomalies.extend(too_few(&stores, event, &most, at));
        }
    }
    outcome.unknowns.extend(unread.into_iter().map(|(server, receipts)| {
        format!(
            "the log of server {} was not read: {} cannot be checked",
            evidence.history.name_of(server),
            count(receipts, "receipt")
        )
    }));
    outcome
}

/// Whether copies are missing that neither a lost disk nor an unread log explains.
fn too_few(
    stores: &BTreeMap<ServerId, Store<'_>>,
    event: EventId,
    told: &Told,
    at: Place,
) -> Option<Anomaly> {
    let found = stores.values().filter(|store| store.held.contains(&event)).count();
    let (mut losses, mut unread) = (0, 0);
    for (server, incarnation) in &told.acks {
        match stores.get(server) {
            None => unread += 1,
            Some(store) if store.held.contains(&event) => {}
            Some(store) if store.history.incarnation != *incarnation => losses += 1,
            Some(store) => unread += usize::from(store.history.live),
        }
    }
    let told = told.copies;
    (found + losses + unread < told).then_some(Anomaly::TooFewCopies { event, told, found, losses, at })
}

fn honest_copies(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("nobody is told of more copies than there are receipts", "P2", "notices");
    for observer in &evidence.observers {
        let mut current: BTreeMap<ServerId, Incarnation> = BTreeMap::new();
        let mut cursors: BTreeMap<ServerId, Position> = BTreeMap::new();
        let mut acks: BTreeMap<EventId, BTreeSet<ServerId>> = BTreeMap::new();
        for (index, entry) in observer.history.entries.iter().enumerate() {
            let at = || observer.history.place(index);
            match entry {
                Entry::Incarnation { server, incarnation, .. } => {
                    current.insert(*server, *incarnation);
                    cursors.remove(server);
                    acks.values_mut().for_each(|servers| {
                        servers.remove(server);
                    });
                }
                Entry::Receipt { server, incarnation, id, .. } => {
                    if current.get(server) == Some(incarnation) {
                        acks.entry(*id).or_default().insert(*server);
                    } else {
                        outcome.anomalies.push(Anomaly::StaleIncarnation {
                            at: at(),
                            server: evidence.history.name_of(*server),
                        });
                    }
                }
                Entry::Cursor { server, incarnation, position } => {
                    if current.get(server) != Some(incarnation) {
                        outcome.anomalies.push(Anomaly::StaleIncarnation {
                            at: at(),
                            server: evidence.history.name_of(*server),
                        });
                        continue;
                    }
                    let before = cursors.insert(*server, *position).unwrap_or(0);
                    if before > *position {
                        let (server, from, to) = (evidence.history.name_of(*server), before, *position);
                        outcome.anomalies.push(Anomaly::CursorBack { server, from, to, at: at() });
                    }
                }
                Entry::Level { id, copies, .. } => {
                    outcome.examined += 1;
                    let (told, receipts) = (*copies as usize, acks.get(id).map_or(0, BTreeSet::len));
                    if told > receipts || told == 0 {
                        outcome.anomalies.push(Anomaly::Boast { event: *id, told, receipts, at: at() });
                    }
                }
                _ => {}
            }
        }
    }
    outcome
}

// ---- P3, P4 -----------------------------------------------------------------------------------------

fn causally_closed(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("every log holds causes before effects", "P4", "events");
    let mut judge = |log: &mut dyn Iterator<Item = (EventId, Place)>| {
        let mut seen = BTreeSet::new();
        for (id, at) in log {
            outcome.examined += 1;
            let Some(event) = evidence.events.get(&id) else { continue };
            if let Some(parent) = event.parents().iter().find(|parent| !seen.contains(*parent)) {
                outcome.anomalies.push(Anomaly::NotClosed { event: id, parent: *parent, at });
            }
            seen.insert(id);
        }
    };
    for server in &evidence.history.servers {
        judge(&mut server.log.iter().map(|stored| (stored.event.id(), server.place(stored.position))));
    }
    for observer in &evidence.observers {
        judge(&mut observer.stands.iter().map(|(index, id)| (*id, observer.history.place(*index))));
    }
    for event in evidence.events.values() {
        for parent in event.parents().iter().filter_map(|id| evidence.events.get(id)) {
            let (event, parent, fits) =
                (event.id(), parent.id(), fits_ancestors(event, std::iter::once(parent.as_ref())));
            match fits {
                Ok(()) => {}
                Err(Unfit::ForeignParent) => {
                    outcome.anomalies.push(Anomaly::ForeignParent { event, parent });
                }
                Err(Unfit::NotAfterParents) => {
                    outcome.anomalies.push(Anomaly::TimeNotAfterParent { event, parent });
                }
            }
        }
    }
    outcome
}

fn sender_order(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("each sender's messages appear in the order of sending", "P3", "lines");
    for observer in &evidence.observers {
        let mut last: BTreeMap<(ConversationId, DeviceId), Key> = BTreeMap::new();
        // A late mark is no excuse here: what a device sent earlier is an ancestor, and so at hand.
        for (index, event) in displayed(evidence, observer) {
            outcome.examined += 1;
            let last = last.entry((event.conversation().id(), event.device())).or_insert(event.key());
            if last.seq > event.seq() {
                let (earlier, later, at) = (event.id(), last.id, observer.history.place(index));
                outcome.anomalies.push(Anomaly::SenderOrder { earlier, later, at });
            } else {
                *last = event.key();
            }
        }
    }
    outcome
}

fn causal_display(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("nothing appears before what its author had seen", "P4", "lines");
    for observer in &evidence.observers {
        let mut seen = BTreeSet::new();
        for (index, event) in displayed(evidence, observer) {
            outcome.examined += 1;
            seen.insert(event.id());
            for cause in evidence.shown_ancestors(event) {
                if !seen.contains(&cause) {
                    let at = observer.history.place(index);
                    outcome.anomalies.push(Anomaly::EffectBeforeCause { event: event.id(), cause, at });
                }
            }
        }
    }
    outcome
}

// ---- P5 ---------------------------------------------------------------------------------------------

fn one_order(evidence: &Evidence<'_>) -> Outcome {
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
                "server {} lacks {} that other logs hold; it has not acked them, so its authors still owe them \
                 to it (run their chats while it is up)",
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

fn everything_delivered(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("every reader has what it was sent", "P5", "deliveries");
    let stores = stores(evidence);
    for observer in &evidence.observers {
        let Some(account) = observer.account else { continue };
        let mut unread = BTreeSet::new();
        let logs = evidence.observers.iter().filter(|other| other.device == observer.device);
        let is_only_log = logs.count() == 1;
        for (server, store) in &stores {
            let server = evidence.history.name_of(*server);
            let reading = Reading::of(observer, is_only_log, store);
            if let Some((cursor, at)) = reading.beyond(store, observer) {
                let (server, tip) = (server.clone(), store.tip);
                outcome.anomalies.push(Anomaly::TakenBack { server, cursor, tip, at });
            }
            for stored in &store.history.log {
                if !Evidence::reads(account, &stored.event) {
                    continue;
                }
                outcome.examined += 1;
                let (event, position) = (stored.event.id(), stored.position);
                let entered = observer.entered.get(&event).copied();
                if let Some(cursor) = reading.passed_without(position, entered) {
                    let (reader, server) = (observer.name.clone(), server.clone());
                    outcome.anomalies.push(Anomaly::Undelivered { event, reader, server, position, cursor });
                } else if entered.is_none() {
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

/// How far one device said that it had read one server's log.
struct Reading {
    /// Each cursor of its log that went further than all before: position, entry number from 0.
    cursors: Vec<(Position, usize)>,
    /// What the server remembers of it; not necessarily in the device's log, which need not sync a cursor.
    remembered: Position,
}

impl Reading {
    /// Of a device's two logs, one of them a copy, nobody can say which one the server remembers.
    fn of(observer: &Observer<'_>, is_only_log: bool, store: &Store<'_>) -> Self {
        let log = (store.history.server, store.history.incarnation);
        let mut cursors: Vec<(Position, usize)> = Vec::new();
        for (index, entry) in observer.history.entries.iter().enumerate() {
            if let Entry::Cursor { server, incarnation, position } = entry
                && (*server, *incarnation) == log
                && cursors.last().is_none_or(|(furthest, _)| furthest < position)
            {
                cursors.push((*position, index));
            }
        }
        let own = |cursor: &&DeviceCursor| is_only_log && Some(cursor.device) == observer.device;
        let own = store.history.cursors.iter().filter(own);
        Self { cursors, remembered: own.map(|cursor| cursor.position).max().unwrap_or(0) }
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

fn conversations(evidence: &Evidence<'_>) -> Vec<Settled> {
    let held_by_server = evidence.history.servers.iter().map(|server| {
        let ids: Vec<_> = server.log.iter().map(|stored| stored.event.id()).collect();
        evidence.transcripts(&ids)
    });
    let held_by_client =
        evidence.observers.iter().map(|observer| evidence.transcripts(observer.entered.keys()));
    let holders: Vec<_> = held_by_server.chain(held_by_client).collect();
    let directory = evidence.directory();
    let settled = |(conversation, keys): (ConversationId, Vec<Key>)| {
        let held: Vec<_> = holders.iter().filter_map(|holder| holder.get(&conversation)).collect();
        let equal_in = held.iter().filter(|held| **held == &keys).count();
        let first = keys.first().and_then(|key| evidence.events.get(&key.id));
        let label = first.map_or_else(String::new, |event| label(event.conversation(), &directory));
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

fn label(conversation: Conversation, directory: &Directory) -> String {
    match conversation {
        Conversation::Directory => "directory".to_owned(),
        Conversation::Direct(low, high) => {
            let mut names = [directory.name(low), directory.name(high)];
            names.sort();
            names.join(", ")
        }
        Conversation::Room(room) => format!("room {}", room.short()),
    }
}

// ---- P6 ---------------------------------------------------------------------------------------------

fn honest_screens(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("screens follow the canonical order, or say \"late\"", "P6", "lines");
    for observer in &evidence.observers {
        let mut windows = windows(observer).into_iter().peekable();
        let mut window_ms = 0;
        let mut furthest: BTreeMap<ConversationId, Key> = BTreeMap::new();
        let mut hand = Hand::of(observer);
        for (index, id, late, at_ms) in &observer.shown {
            while let Some((_, ms)) = windows.next_if(|(opened, _)| opened < index) {
                window_ms = ms;
            }
            let Some(event) = evidence.events.get(id) else { continue };
            outcome.examined += 1;
            let (key, at) = (event.key(), observer.history.place(*index));
            let due_ms = key.time.millis().saturating_add(window_ms);
            if *at_ms <= due_ms {
                let by_ms = due_ms - at_ms + 1;
                outcome.anomalies.push(Anomaly::Early { event: *id, by_ms, at: at.clone() });
            }
            let front = furthest.entry(event.conversation().id()).or_insert(key);
            for skipped in hand.show(evidence, *index, event) {
                let (event, shown, at) = (skipped, *id, at.clone());
                outcome.anomalies.push(Anomaly::Skipped { event, shown, at });
            }
            match (*front > key, late) {
                (true, false) => {
                    outcome.anomalies.push(Anomaly::Unmarked { event: *id, after: front.id, at });
                }
                (false, true) => outcome.anomalies.push(Anomaly::UnjustifiedLate { event: *id, at }),
                (true, true) | (false, false) => {}
            }
            *front = key.max(*front);
        }
    }
    outcome
}

/// What a display has at hand and has not shown.
struct Hand<'a> {
    /// What is still to come to hand, in the log's order.
    coming: Peekable<slice::Iter<'a, (usize, EventId)>>,
    entered: &'a BTreeMap<EventId, usize>,
    held: BTreeMap<ConversationId, BTreeSet<Key>>,
}

impl<'a> Hand<'a> {
    fn of(observer: &'a Observer<'_>) -> Self {
        Self { coming: observer.stands.iter().peekable(), entered: &observer.entered, held: BTreeMap::new() }
    }

    /// Shows an event at an entry of the log; returns what should have been shown before it. What is among
    /// its causes is left to [`causal_display`].
    fn show(&mut self, evidence: &Evidence<'_>, index: usize, event: &Event) -> Vec<EventId> {
        while let Some((entered, id)) = self.coming.next_if(|(entered, _)| *entered < index) {
            if self.entered.get(id) != Some(entered) {
                continue; // a second time: another check's
            }
            let Some(event) = evidence.events.get(id).filter(|event| event.kind() == Kind::Post) else {
                continue;
            };
            self.held.entry(event.conversation().id()).or_default().insert(event.key());
        }
        let Some(held) = self.held.get_mut(&event.conversation().id()) else { return Vec::new() };
        let after = held.split_off(&event.key());
        let before = std::mem::replace(held, after);
        held.remove(&event.key());
        if before.is_empty() {
            return Vec::new();
        }
        let causes = evidence.shown_ancestors(event);
        before.into_iter().map(|key| key.id).filter(|id| !causes.contains(id)).collect()
    }
}

/// The reorder windows of a log: from which entry on, how many milliseconds.
fn windows(observer: &Observer<'_>) -> Vec<(usize, u64)> {
    let entries = observer.history.entries.iter().enumerate();
    entries
        .filter_map(|(index, entry)| match entry {
            Entry::Opened { window_ms, .. } => Some((index, *window_ms)),
            _ => None,
        })
        .collect()
}

// ---- small words ------------------------------------------------------------------------------------

/// What a display showed, as far as it can be decoded: entry and event.
fn displayed<'a>(
    evidence: &'a Evidence<'_>,
    observer: &'a Observer<'_>,
) -> impl Iterator<Item = (usize, &'a Event)> {
    observer.shown.iter().filter_map(|(index, id, _, _)| {
        let event = evidence.events.get(id)?;
        (event.kind() == Kind::Post).then_some((*index, event.as_ref()))
    })
}

fn digest(keys: &[Key]) -> Digest {
    Digest::of(keys.iter().map(|key| key.id))
}
