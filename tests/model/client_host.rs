//! What stands around a client's machine: its log, its clock, its crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use tercet::client::{self, Action, Client, Effects};
use tercet::event::{Event, Kind};
use tercet::frame::{ToClient, ToServer};
use tercet::history::Entry;
use tercet::id::{EventId, Incarnation, Position, ServerId};
use tercet::limits::REORDER_WINDOW_MS;
use tercet::order::{Digest, Key};

use crate::disk::Tape;
use crate::node::{Host, Letter};
use crate::scope::{EPOCH_MS, Plant, Scope, TICK_MS};

#[derive(Clone)]
pub struct ClientHost {
    pub index: usize,
    pub machine: Client,
    pub tape: Tape,
    pub ticks: u8,
    /// What no honest peer should have been told.
    complaint: Option<String>,
}

impl Hash for ClientHost {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.index, &self.machine, &self.tape, self.ticks, &self.complaint).hash(state);
    }
}

#[derive(Hash)]
pub enum Input {
    Say,
    Up { server: usize, incarnation: Incarnation },
    Down { server: usize },
    Frame { server: usize, letter: Letter<ToClient> },
    Tick,
    Crash { all_survives: bool },
}

/// A frame, and to which server.
pub type Output = (usize, Letter<ToServer>);

/// What the judge asks of a client.
pub struct Facts {
    pub held: BTreeSet<EventId>,
    pub digest: Option<Digest>,
    pub receipts: Vec<(ServerId, Incarnation, EventId, Position)>,
    /// The last of each server and incarnation.
    pub cursors: BTreeMap<(ServerId, Incarnation), Position>,
    /// The most copies that were told of any message.
    pub most_copies: u32,
    /// Whether a message's last level is one copy.
    pub at_risk: bool,
    pub late: bool,
    /// Whether the next tick would do anything.
    pub waits: bool,
    pub twice: Option<String>,
    pub not_closed: Option<String>,
    pub overstated: Option<String>,
    pub misplaced: Option<String>,
    pub complaint: Option<String>,
}

impl ClientHost {
    pub fn new(scope: &Scope, index: usize) -> Self {
        let (machine, effects) = Client::resume(EPOCH_MS, scope.client_config(index), &[]).unwrap();
        let mut host = Self { index, machine, tape: Tape::default(), ticks: 0, complaint: None };
        host.carry_out(scope, effects);
        host
    }

    fn now_ms(&self) -> u64 {
        EPOCH_MS + u64::from(self.ticks) * TICK_MS
    }

    fn take(&mut self, input: client::Input, effects: &mut Effects) {
        if let Err(error) = self.machine.step(self.now_ms(), input, effects) {
            self.complaint = Some(format!("it cannot be said: {error}"));
        }
    }

    fn carry_out(&mut self, scope: &Scope, effects: Effects) -> Vec<Output> {
        let must_sync = effects.must_sync() && scope.plant != Some(Plant::NeverSyncs);
        self.tape.append(effects.log);
        // Where no device crashes, nobody can tell what was synced.
        if must_sync || scope.client_crashes == 0 {
            self.tape.sync();
        }
        let mut outputs = Vec::new();
        for action in effects.actions {
            match action {
                Action::Send { server, frame } => {
                    let server = self.machine.view().index_of(server).unwrap();
                    outputs.push((server, Letter::new(frame)));
                }
                Action::Drop { why, .. } => self.complaint = Some(format!("it drops a server: {why}")),
                Action::Rejected { why, .. } => self.complaint = Some(format!("it is refused: {why}")),
                Action::Show { .. } | Action::Copies { .. } | Action::LogLost { .. } => {}
                Action::View(_) | Action::Waits { .. } => {}
            }
        }
        outputs
    }
}

impl Host for ClientHost {
    type Input = Input;
    type Output = Output;
    type Facts = Facts;

    fn step(&mut self, scope: &Scope, input: &Input) -> Vec<Output> {
        let mut effects = Effects::default();
        match input {
            Input::Say => {
                let (conversation, body) = (scope.conversation(), b"said".to_vec());
                self.take(client::Input::Say { conversation, kind: Kind::Post, body }, &mut effects);
            }
            Input::Up { server, incarnation } => {
                let (server, incarnation) = (scope.server_id(*server), *incarnation);
                self.take(client::Input::Up { server, incarnation }, &mut effects);
            }
            Input::Down { server } => {
                self.take(client::Input::Down { server: scope.server_id(*server) }, &mut effects);
            }
            Input::Frame { server, letter } => {
                let (server, mut frame) = (scope.server_id(*server), letter.frame().clone());
                if let (Some(Plant::SwallowsFeeds), ToClient::Feed { after, .. }) = (scope.plant, &mut frame)
                {
                    *after = 0;
                }
                self.take(client::Input::Frame { server, frame }, &mut effects);
            }
            Input::Tick => {
                self.ticks += 1;
                // Every server that is connected has answered a ping meanwhile.
                for server in 0..scope.servers {
                    if self.machine.is_up(server) {
                        let (server, frame) = (scope.server_id(server), ToClient::Pong);
                        self.take(client::Input::Frame { server, frame }, &mut effects);
                    }
                }
                self.take(client::Input::Tick, &mut effects);
            }
            Input::Crash { all_survives } => {
                self.tape.crash(*all_survives);
                let config = scope.client_config(self.index);
                match Client::resume(self.now_ms(), config, self.tape.entries()) {
                    Ok((machine, opening)) => (self.machine, effects) = (machine, opening),
                    Err(error) => self.complaint = Some(format!("it cannot resume: {error}")),
                }
            }
        }
        self.carry_out(scope, effects)
    }

    fn facts(&self, scope: &Scope) -> Facts {
        let events: Vec<_> = self.tape.entries().iter().filter_map(event).collect();
        let mut facts = Facts {
            held: events.iter().map(Event::id).collect(),
            digest: self.machine.transcript(scope.conversation()).map(|transcript| transcript.digest()),
            receipts: Vec::new(),
            cursors: BTreeMap::new(),
            most_copies: 0,
            at_risk: false,
            late: false,
            waits: self.machine.unsettled() > 0,
            twice: None,
            not_closed: not_closed(&events),
            overstated: None,
            misplaced: misplaced(self.tape.entries(), &events),
            complaint: self.complaint.clone(),
        };
        if facts.held.len() < events.len() {
            facts.twice = Some("an event stands twice in its log".to_owned());
        }
        let mut acks: BTreeMap<EventId, BTreeSet<ServerId>> = BTreeMap::new();
        let mut levels: BTreeMap<EventId, u32> = BTreeMap::new();
        for entry in self.tape.entries() {
            match entry {
                Entry::Incarnation { server, .. } => {
                    acks.values_mut().for_each(|acks| {
                        acks.remove(server);
                    });
                }
                Entry::Receipt { server, incarnation, id, position } => {
                    acks.entry(*id).or_default().insert(*server);
                    facts.receipts.push((*server, *incarnation, *id, *position));
                }
                Entry::Cursor { server, incarnation, position, .. } => {
                    facts.cursors.insert((*server, *incarnation), *position);
                }
                Entry::Level { id, copies, .. } => {
                    let receipts = acks.get(id).map_or(0, BTreeSet::len);
                    if *copies as usize > receipts {
                        facts.overstated = Some(format!("{copies} copies told, {receipts} receipts"));
                    }
                    facts.most_copies = facts.most_copies.max(*copies);
                    levels.insert(*id, *copies);
                }
                Entry::Displayed { late, .. } => facts.late |= late,
                _ => {}
            }
        }
        facts.at_risk = levels.values().any(|copies| *copies == 1);
        facts
    }
}

fn event(entry: &Entry) -> Option<Event> {
    match entry {
        Entry::Authored { event, .. } | Entry::Received { event, .. } => Event::from_own_store(event).ok(),
        _ => None,
    }
}

/// The first event in a log before one of its parents.
pub fn not_closed<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<String> {
    let mut seen = BTreeSet::new();
    for event in events {
        if event.parents().iter().any(|parent| !seen.contains(parent)) {
            return Some(format!("event {} stands before a parent", event.id().short()));
        }
        seen.insert(event.id());
    }
    None
}

/// What is wrong with the lines as they were shown: twice, too early, or out of order without a mark.
fn misplaced(entries: &[Entry], events: &[Event]) -> Option<String> {
    let mut shown = BTreeSet::new();
    let mut furthest: Option<Key> = None;
    for entry in entries {
        let Entry::Displayed { id, late, at_ms } = entry else { continue };
        let Some(key) = events.iter().find(|event| event.id() == *id).map(Event::key) else {
            return Some(format!("{} is shown and not held", id.short()));
        };
        let is_late = furthest.is_some_and(|furthest| furthest > key);
        let is_early = *at_ms <= key.time.millis() + REORDER_WINDOW_MS;
        if !shown.insert(*id) || is_early || *late != is_late {
            return Some(format!("{} is shown out of place or twice", id.short()));
        }
        furthest = furthest.max(Some(key));
    }
    None
}
