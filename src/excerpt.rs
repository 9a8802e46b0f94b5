//! Which entries of all logs the stories need, so that they can be told without the rest.
//!
//! A [`Ledger`] knows of every entry which event it is about, and nothing of words, times and names of servers.
//! So it says where the entries stand that a story may cite ([`Wanted`]), and only those are read again, as plain
//! values: a few thousand of millions.
//!
//! **Invariant**: a story that is told from an [`Excerpt`] is the one that is told from the whole history.

use std::collections::{BTreeMap, BTreeSet};

use crate::anomaly::{Anomaly, Place};
use crate::bits::Bits;
use crate::deletion::Deletions;
use crate::event::Kind;
use crate::history::{ClientHistory, Entry, History, ServerHistory, Stored};
use crate::id::{ConversationId, EventId, Position};
use crate::intake::Number;
use crate::ledger::Ledger;
use crate::order::{Digest, Key};
use crate::report::Outcome;
use crate::story::told;
use crate::taken::{ClientLog, Seen, ServerLog};

/// Where a canonical index and its log's canonical order part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parting {
    server: String,
    expected: Digest,
    found: Digest,
    /// At which place, from 0.
    pub(crate) line: usize,
    /// What should be there.
    pub(crate) should: Option<EventId>,
    /// What is there.
    pub(crate) is: Option<EventId>,
}

impl Parting {
    pub(crate) fn is_of(&self, server: &str, expected: Digest, found: Digest) -> bool {
        self.server == server && (self.expected, self.found) == (expected, found)
    }
}

/// What of servers' canonical indexes is needed, which the ledger does not keep. Every key of every index that is
/// [needed](Indexes::needs) is to be [taken](Indexes::take).
#[derive(Debug)]
pub struct Indexes<'a> {
    ledger: &'a Ledger,
    compared: Vec<Compared>,
    /// Of events that are in no log, which only an index may place.
    strays: BTreeSet<EventId>,
    /// What indexes say of these, by server.
    keys: BTreeMap<usize, Vec<(ConversationId, Key)>>,
}

/// A server's index and its log, side by side.
#[derive(Debug)]
struct Compared {
    server: usize,
    conversation: ConversationId,
    /// The log's events of this conversation, in canonical order, as far as they were not compared yet.
    ours: Vec<Number>,
    parting: Parting,
    has_parted: bool,
}

impl<'a> Indexes<'a> {
    /// What the stories of these outcomes need.
    pub fn of(ledger: &'a Ledger, outcomes: &[Outcome]) -> Self {
        let anomalies: Vec<_> = outcomes.iter().flat_map(told).collect();
        let compared = anomalies.iter().filter_map(|anomaly| Compared::of(ledger, anomaly)).collect();
        let mut strays: BTreeSet<_> = anomalies.iter().flat_map(|anomaly| anomaly.events()).collect();
        for number in numbers(ledger, &strays.clone()).filter(|number| ledger.events.is_known(*number)) {
            strays.remove(&ledger.events.id(number));
        }
        Self { ledger, compared, strays, keys: BTreeMap::new() }
    }

    /// Whether a server's index is needed, by the server's number in the ledger.
    pub fn needs(&self, server: usize) -> bool {
        !self.strays.is_empty() || self.compared.iter().any(|compared| compared.server == server)
    }

    /// The next key of a server's index, with the conversation under which it stands.
    pub fn take(&mut self, server: usize, conversation: ConversationId, key: &Key) {
        let is_it =
            |compared: &&mut Compared| (compared.server, compared.conversation) == (server, conversation);
        let mut is_cited = self.strays.contains(&key.id);
        for compared in self.compared.iter_mut().filter(is_it) {
            is_cited |= compared.take(self.ledger, key);
        }
        if is_cited {
            self.keys.entry(server).or_default().push((conversation, *key));
        }
    }
}

impl Compared {
    fn of(ledger: &Ledger, anomaly: &Anomaly) -> Option<Self> {
        let Anomaly::WrongIndex { server: name, expected, found } = anomaly else { return None };
        let (server, log) = server(ledger, name)?;
        let events = &ledger.events;
        let mut held = Bits::new(events.numbers());
        log.events.iter().for_each(|event| _ = held.insert(*event));
        let index = log.canonical.as_ref();
        let ours = |conversation: &ConversationId| -> Vec<Number> {
            let place = events.conversations().binary_search_by_key(conversation, |(id, _)| *id);
            let transcript = place.map_or(0..0, |place| events.transcript(place));
            transcript.filter(|event| held.contains(*event)).collect()
        };
        let theirs = |conversation| {
            let index = index.and_then(|index| index.get(conversation));
            index.map_or_else(|| Digest::of([]), |sequence| sequence.digest())
        };
        let own = events.conversations().iter().map(|(conversation, _)| conversation);
        let all = own.chain(index.into_iter().flat_map(|index| index.keys()));
        let (conversation, mut ours) = all
            .filter(|conversation| theirs(conversation) == *found)
            .map(|conversation| (*conversation, ours(conversation)))
            .find(|(_, ours)| Digest::of(ours.iter().map(|event| events.id(*event))) == *expected)?;
        ours.reverse();
        let should = ours.last().map(|event| events.id(*event));
        let (expected, found) = (*expected, *found);
        let parting = Parting { server: name.clone(), expected, found, line: 0, should, is: None };
        Some(Self { server, conversation, ours, parting, has_parted: false })
    }

    /// The index's next key; whether it is the one where they part.
    fn take(&mut self, ledger: &Ledger, key: &Key) -> bool {
        if self.has_parted {
            return false;
        }
        if self.ours.last().is_some_and(|event| ledger.events.key(*event) == *key) {
            self.ours.pop();
            self.parting.line += 1;
            self.parting.should = self.ours.last().map(|event| ledger.events.id(*event));
        } else {
            self.parting.is = Some(key.id);
            self.has_parted = true;
        }
        self.has_parted
    }
}

/// Which entries and rows are to be read again.
#[derive(Debug)]
pub struct Wanted<'a> {
    ledger: &'a Ledger,
    entries: Vec<BTreeSet<usize>>,
    positions: Vec<BTreeSet<Position>>,
    events: BTreeSet<Number>,
    partings: Vec<Parting>,
    keys: BTreeMap<usize, Vec<(ConversationId, Key)>>,
}

impl<'a> Wanted<'a> {
    /// What the stories of these outcomes cite.
    pub fn of(indexes: Indexes<'a>, outcomes: &[Outcome]) -> Self {
        let Indexes { ledger, compared, keys, .. } = indexes;
        let mut wanted = Self {
            ledger,
            entries: vec![BTreeSet::new(); ledger.clients.len()],
            positions: vec![BTreeSet::new(); ledger.servers.len()],
            events: naming(ledger),
            partings: compared.into_iter().map(|compared| compared.parting).collect(),
            keys,
        };
        let anomalies: Vec<_> = outcomes.iter().flat_map(told).collect();
        let named = anomalies.iter().flat_map(|anomaly| anomaly.events());
        let parted = wanted.partings.iter().flat_map(|parting| parting.should.into_iter().chain(parting.is));
        wanted.events.extend(numbers(ledger, &named.chain(parted).collect()));
        for (server, log) in ledger.servers.iter().enumerate() {
            if let Some((last, _)) = log.log().last() {
                wanted.position(server, last);
            }
        }
        for anomaly in anomalies {
            anomaly.places().into_iter().for_each(|place| wanted.place(place));
            wanted.behind(anomaly);
        }
        wanted.twins();
        wanted.all_about_events();
        wanted
    }

    /// The entries of a device's log, by numbers from 0, of the log with this number in the ledger.
    pub fn entries(&self, client: usize) -> &BTreeSet<usize> {
        &self.entries[client]
    }

    /// The positions of a server's log.
    pub fn positions(&self, server: usize) -> &BTreeSet<Position> {
        &self.positions[server]
    }

    /// What was read, by the logs' numbers in the ledger.
    pub fn excerpt(self, clients: Vec<Vec<(usize, Entry)>>, servers: Vec<Vec<Stored>>) -> Excerpt {
        let Self { ledger, events, partings, mut keys, .. } = self;
        let deletions = Deletions::among(&ledger.events, ledger.events.all());
        let deleted = events.into_iter().filter(|event| ledger.events.is_known(*event));
        let deleted = deleted.filter(|event| deletions.about(&ledger.events, *event).is_some());
        let (mut numbers, mut read) = (Vec::new(), Vec::new());
        for (log, entries) in ledger.clients.iter().zip(clients) {
            let (own, entries) = entries.into_iter().unzip();
            numbers.push((own, log.seen.len()));
            read.push(ClientHistory { source: log.source.clone(), entries });
        }
        let servers = ledger.servers.iter().zip(servers).enumerate();
        let servers = servers.map(|(number, (log, stored))| ServerHistory {
            source: log.source.clone(),
            server: log.life.0,
            incarnation: log.life.1,
            live: log.live,
            log: stored,
            canonical: keys.remove(&number),
            cursors: log.cursors.clone(),
            view: log.view.clone(),
        });
        let servers = servers.collect();
        let history =
            History { names: ledger.names.clone(), clients: read, servers, absent: ledger.absent.clone() };
        let deleted = deleted.map(|event| ledger.events.id(event)).collect();
        Excerpt { history, numbers, deleted, partings }
    }

    fn place(&mut self, place: &Place) {
        if let Some(client) = self.ledger.clients.iter().position(|log| log.source == place.source) {
            if let Some(index) = usize::try_from(place.entry).ok().and_then(|entry| entry.checked_sub(1)) {
                self.entry(client, index);
            }
        } else if let Some(server) = self.ledger.servers.iter().position(|log| log.source == place.source) {
            self.position(server, place.entry);
        }
    }

    fn entry(&mut self, client: usize, index: usize) {
        if let Some(seen) = self.ledger.clients[client].seen.get(index) {
            self.entries[client].insert(index);
            self.events.extend(seen.event());
        }
    }

    fn position(&mut self, server: usize, position: Position) {
        let log = &self.ledger.servers[server];
        // Positions ascend, or what breaks that is told by its place.
        let found = match &log.positions {
            None => usize::try_from(position).ok().and_then(|position| position.checked_sub(1)),
            Some(positions) => positions.iter().position(|of| *of == position),
        };
        if let Some(event) = found.and_then(|index| log.events.get(index)) {
            self.positions[server].insert(position);
            self.events.insert(*event);
        }
    }

    /// Entries that a story looks up without naming an event of them.
    fn behind(&mut self, anomaly: &Anomaly) {
        match anomaly {
            Anomaly::LostAck { server: name, position, .. } => {
                if let Some((number, _)) = server(self.ledger, name) {
                    self.position(number, *position);
                }
            }
            Anomaly::StaleIncarnation { at, .. } => self.last_before(at, |log, index, seen| {
                let current = log.seen.get(index).and_then(|seen| life(*seen));
                let noted = match seen {
                    Seen::Incarnation { life } => Some(life),
                    _ => None,
                };
                let server = |life: u16| log.lives[usize::from(life)].0;
                noted.map(server).is_some_and(|noted| current.map(server) == Some(noted))
            }),
            Anomaly::CursorBack { server: name, from, at, .. } => {
                let ledger = self.ledger;
                self.last_before(at, |log, _, seen| match seen {
                    Seen::Cursor { life, position, .. } => {
                        position == *from && ledger.name_of(log.lives[usize::from(life)].0) == *name
                    }
                    _ => false,
                });
            }
            Anomaly::UnjustifiedLate { event, at } => {
                let events = &self.ledger.events;
                let late = numbers(self.ledger, &[*event].into()).next();
                let Some(late) = late.filter(|late| events.is_known(*late)) else { return };
                let place = events.conversation(late);
                self.last_before(at, |_, _, seen| match seen {
                    Seen::Displayed { event, .. } => {
                        events.is_known(event) && events.conversation(event) == place
                    }
                    _ => false,
                });
            }
            Anomaly::Early { at, .. } => {
                let at = Place { entry: at.entry.saturating_add(1), ..at.clone() };
                self.last_before(&at, |_, _, seen| matches!(seen, Seen::Opened { .. }));
            }
            Anomaly::AfterSeal { .. } | Anomaly::NotDrained { .. } => {
                for (client, log) in self.ledger.clients.iter().enumerate() {
                    let is_view = |seen: &Seen| matches!(seen, Seen::View { .. });
                    self.entries[client].extend(log.seen.iter().rposition(is_view));
                }
            }
            Anomaly::Undelivered { reader, server: name, position, cursor, .. } => {
                let Some((number, store)) = server(self.ledger, name) else { return };
                self.position(number, *position);
                for (client, log) in self.ledger.clients.iter().enumerate() {
                    let is_it = |seen: &Seen| {
                        matches!(*seen, Seen::Cursor { life, position, .. }
                            if position == *cursor && log.lives[usize::from(life)] == store.life)
                    };
                    if log.name == *reader {
                        self.entries[client].extend(log.seen.iter().position(is_it));
                    }
                }
            }
            _ => {}
        }
    }

    /// The last entry before a place in a device's log that is meant; it is told that place's index, and the entry.
    fn last_before(&mut self, at: &Place, is_it: impl Fn(&ClientLog, usize, Seen) -> bool) {
        let ledger = self.ledger;
        let Some(client) = ledger.clients.iter().position(|log| log.source == at.source) else { return };
        let log = &ledger.clients[client];
        let end = usize::try_from(at.entry).unwrap_or(usize::MAX).saturating_sub(1);
        let before = &log.seen[..end.min(log.seen.len())];
        if let Some(index) = before.iter().rposition(|seen| is_it(log, end, *seen)) {
            self.entry(client, index);
        }
    }

    /// Events that share their number with a wanted one: both are called by their ids then.
    fn twins(&mut self) {
        let events = &self.ledger.events;
        let origin = |event: Number| (events.author_number(event), events.seq(event));
        let known = self.events.iter().filter(|event| events.is_known(**event));
        let origins: BTreeSet<_> = known.map(|event| origin(*event)).collect();
        self.events.extend(events.all().filter(|event| origins.contains(&origin(*event))));
    }

    /// Every entry and row about a wanted event.
    fn all_about_events(&mut self) {
        let mut wanted = Bits::new(self.ledger.events.numbers());
        self.events.iter().for_each(|event| _ = wanted.insert(*event));
        let is_about = |event: Number| wanted.contains(event);
        for (entries, log) in self.entries.iter_mut().zip(&self.ledger.clients) {
            let about = log.seen.iter().enumerate().filter(|(_, seen)| seen.event().is_some_and(is_about));
            entries.extend(about.map(|(index, _)| index));
            // It says whose log it is.
            entries.insert(0);
        }
        for (positions, log) in self.positions.iter_mut().zip(&self.ledger.servers) {
            positions.extend(log.log().filter(|(_, event)| is_about(*event)).map(|(position, _)| position));
        }
    }
}

/// What of a history the stories need.
#[derive(Debug)]
pub struct Excerpt {
    /// The logs, of which most was left out.
    pub(crate) history: History,
    /// Of each device's log, which entries these are, by numbers from 0, and how many there are in all.
    numbers: Vec<(Vec<usize>, usize)>,
    deleted: BTreeSet<EventId>,
    /// Where indexes are wrong.
    pub(crate) partings: Vec<Parting>,
}

impl Excerpt {
    /// The excerpt of a history that is at hand, with its ledger.
    pub fn of(history: &History, ledger: &Ledger, outcomes: &[Outcome]) -> Self {
        let wanted = Wanted::of(indexes(history, ledger, outcomes), outcomes);
        let clients = history.clients.iter().enumerate().map(|(number, client)| {
            let entries = wanted.entries(number).iter();
            entries.filter_map(|index| Some((*index, client.entries.get(*index)?.clone()))).collect()
        });
        let servers = history.servers.iter().enumerate();
        let servers = servers.map(|(number, server)| server.rows(wanted.positions(number)));
        let (clients, servers) = (clients.collect(), servers.collect());
        wanted.excerpt(clients, servers)
    }

    pub(crate) fn numbers(&self, client: usize) -> Option<(&[usize], usize)> {
        self.numbers.get(client).map(|(numbers, length)| (numbers.as_slice(), *length))
    }

    pub(crate) fn is_deleted(&self, event: &EventId) -> bool {
        self.deleted.contains(event)
    }
}

/// Where the indexes of a history that is at hand are wrong.
pub(crate) fn partings(history: &History, ledger: &Ledger, outcomes: &[Outcome]) -> Vec<Parting> {
    let indexes = indexes(history, ledger, outcomes);
    indexes.compared.into_iter().map(|compared| compared.parting).collect()
}

fn indexes<'a>(history: &History, ledger: &'a Ledger, outcomes: &[Outcome]) -> Indexes<'a> {
    let mut indexes = Indexes::of(ledger, outcomes);
    for (number, server) in history.servers.iter().enumerate() {
        if indexes.needs(number) {
            let keys = server.canonical.iter().flatten();
            keys.for_each(|(conversation, key)| indexes.take(number, *conversation, key));
        }
    }
    indexes
}

impl ServerHistory {
    /// The rows at these positions.
    pub(crate) fn rows(&self, positions: &BTreeSet<Position>) -> Vec<Stored> {
        self.log.iter().filter(|stored| positions.contains(&stored.position)).cloned().collect()
    }
}

/// What names are made of: who is called what, which rooms there are, and one event of each device.
fn naming(ledger: &Ledger) -> BTreeSet<Number> {
    let events = &ledger.events;
    let mut authors = Bits::new(events.authors().len());
    let is_naming = |event: &Number| {
        let is_first = authors.insert(events.author_number(*event));
        is_first || matches!(events.kind(*event), Kind::Register | Kind::Close | Kind::Create)
    };
    events.all().filter(is_naming).collect()
}

/// The numbers of ids, as far as any log names them.
fn numbers<'a>(ledger: &'a Ledger, ids: &BTreeSet<EventId>) -> impl Iterator<Item = Number> + use<'a> {
    let ids = ids.clone();
    let all = (0..).take(ledger.events.numbers());
    all.filter(move |number| ids.contains(&ledger.events.id(*number)))
}

/// The first server that is called so.
fn server<'a>(ledger: &'a Ledger, name: &str) -> Option<(usize, &'a ServerLog)> {
    ledger.servers.iter().enumerate().find(|(_, log)| ledger.name_of(log.life.0) == name)
}

/// The life of a server's log that an entry counts on.
fn life(seen: Seen) -> Option<u16> {
    match seen {
        Seen::Receipt { life, .. } | Seen::Cursor { life, .. } | Seen::Told { life, .. } => Some(life),
        _ => None,
    }
}
