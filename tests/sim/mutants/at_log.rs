//! Seams between a client's machine and its log: which entries are written, in which order, and what is shown.

use std::collections::{BTreeMap, BTreeSet};

use serde_bytes::ByteBuf;
use tercet::client::{Action, Effects};
use tercet::event::{Conversation, Event, Kind, account_of};
use tercet::evidence::Evidence;
use tercet::history::Entry;
use tercet::id::{DeviceId, EventId, ServerId};

use super::forgery::forged;
use crate::mutants::Mutant;
use crate::world::World;

impl World {
    /// Makes of a step's effects what the mutant makes of them.
    pub fn alter_effects(&mut self, client: usize, effects: &mut Effects) {
        let Some(mutant) = self.swarm.mutant else { return };
        let log = std::mem::take(&mut effects.log);
        effects.log = match mutant {
            Mutant::NeverLogsSome
            | Mutant::ShowsOneMore
            | Mutant::TellsOfNoCopies
            | Mutant::LogsStaleReceipts
            | Mutant::KeepsTwice
            | Mutant::KeepsAltered
            | Mutant::CursorJumpsAhead
            | Mutant::CursorGoesBack
            | Mutant::ShowsTwice
            | Mutant::SkipsALine
            | Mutant::ShowsEarly
            | Mutant::ShowsBeforeTheQuorum
            | Mutant::ForgetsLateMarks
            | Mutant::MarksLateWrongly => {
                log.into_iter().flat_map(|entry| self.written_as(mutant, client, entry)).collect()
            }
            Mutant::CountsWhoLeaves => self.counting_who_leaves(client, log),
            Mutant::CountsReceiptsNotServers => self.counting_receipts(client, log),
            Mutant::KeepsWhatIsOthers => self.with_what_is_others(client, log),
            Mutant::ShowsItsOwnAtOnce => self.showing_own_at_once(client, log),
            Mutant::TellsBeforeTheReceipt => first(log, |entry| matches!(entry, Entry::Level { .. })),
            Mutant::CursorBeforeEntries => first(log, |entry| matches!(entry, Entry::Cursor { .. })),
            Mutant::ShowsBeforeItLogs => first(log, |entry| matches!(entry, Entry::Displayed { .. })),
            Mutant::HoldsNothingBack => backwards(log, |entry| match entry {
                Entry::Received { .. } => Some(()),
                _ => None,
            }),
            Mutant::ShowsRepliesFirst => backwards(log, |entry| match entry {
                Entry::Displayed { .. } => Some(()),
                _ => None,
            }),
            Mutant::ShowsADeviceBackwards => backwards(log, |entry| match entry {
                Entry::Displayed { id, .. } => self.author(client, id),
                _ => None,
            }),
            _ => log,
        };
        show_what_is_logged(effects);
    }

    fn author(&self, client: usize, id: &EventId) -> Option<DeviceId> {
        self.clients[client].machine.as_ref()?.event(id).map(|event| event.device())
    }

    /// One entry, as the mutant writes it: not at all, otherwise, or with another.
    fn written_as(&mut self, mutant: Mutant, client: usize, entry: Entry) -> Vec<Entry> {
        let sometimes = self.rng.u32(..4) == 0;
        match (mutant, entry) {
            (Mutant::NeverLogsSome, Entry::Authored { .. }) if sometimes => vec![],
            (Mutant::ShowsOneMore, Entry::Level { id, copies, servers }) => {
                vec![Entry::Level { id, copies: copies + 1, servers }]
            }
            (Mutant::TellsOfNoCopies, Entry::Authored { event, at_ms }) => {
                let id = Event::from_own_store(&event).unwrap().id();
                let servers = u32::try_from(self.servers.len()).unwrap();
                vec![Entry::Authored { event, at_ms }, Entry::Level { id, copies: 0, servers }]
            }
            (Mutant::LogsStaleReceipts, Entry::Receipt { server, incarnation, id, position }) => {
                let known = self.memory.first_incarnations.get(&(format!("client {client}"), server));
                let incarnation = *known.unwrap_or(&incarnation);
                vec![Entry::Receipt { server, incarnation, id, position }]
            }
            (Mutant::KeepsTwice, entry @ Entry::Received { .. })
            | (Mutant::ShowsTwice, entry @ Entry::Displayed { .. }) => vec![entry.clone(), entry],
            (Mutant::KeepsAltered, Entry::Received { event, server, incarnation, at_ms }) if sometimes => {
                vec![Entry::Received { event: ByteBuf::from(forged(&event)), server, incarnation, at_ms }]
            }
            (Mutant::CursorJumpsAhead, Entry::Cursor { server, incarnation, position, room }) => {
                vec![Entry::Cursor { server, incarnation, position: position + 3, room }]
            }
            (Mutant::CursorGoesBack, Entry::Cursor { server, incarnation, position, room }) if sometimes => {
                let back = Entry::Cursor { server, incarnation, position: position - 1, room };
                vec![Entry::Cursor { server, incarnation, position, room }, back]
            }
            (Mutant::SkipsALine, Entry::Displayed { .. }) if sometimes => vec![],
            (Mutant::ShowsEarly | Mutant::ShowsBeforeTheQuorum, Entry::Opened { at_ms, servers, .. }) => {
                let quorum = u32::try_from(self.swarm.quorum).unwrap();
                vec![Entry::Opened { at_ms, servers, window_ms: self.swarm.window_ms, quorum }]
            }
            (Mutant::ForgetsLateMarks, Entry::Displayed { id, at_ms, .. }) => {
                vec![Entry::Displayed { id, at_ms, late: false }]
            }
            (Mutant::MarksLateWrongly, Entry::Displayed { id, at_ms, late }) => {
                vec![Entry::Displayed { id, at_ms, late: late || sometimes }]
            }
            (_, entry) => vec![entry],
        }
    }

    /// Tells of as many copies as there ever were receipts.
    fn counting_receipts(&self, client: usize, mut log: Vec<Entry>) -> Vec<Entry> {
        let mut counts: BTreeMap<EventId, u32> = BTreeMap::new();
        for entry in self.clients[client].tape.entries().to_vec().iter_mut().chain(&mut log) {
            match entry {
                Entry::Receipt { id, .. } => *counts.entry(*id).or_default() += 1,
                Entry::Level { id, copies, .. } => *copies = counts.get(id).copied().unwrap_or(0),
                _ => {}
            }
        }
        log
    }

    /// Tells of as many copies as servers ever had, sealed and retired ones among them.
    fn counting_who_leaves(&self, client: usize, mut log: Vec<Entry>) -> Vec<Entry> {
        let mut holders: BTreeMap<EventId, BTreeSet<ServerId>> = BTreeMap::new();
        for entry in self.clients[client].tape.entries().to_vec().iter_mut().chain(&mut log) {
            match entry {
                Entry::Incarnation { server, .. } => {
                    holders.values_mut().for_each(|holders| _ = holders.remove(server));
                }
                Entry::Receipt { id, server, .. } => _ = holders.entry(*id).or_default().insert(*server),
                Entry::Level { id, copies, .. } => {
                    *copies = u32::try_from(holders.get(id).map_or(0, BTreeSet::len)).unwrap();
                }
                _ => {}
            }
        }
        log
    }

    /// Now and then, an event that some server has for others.
    fn with_what_is_others(&mut self, client: usize, mut log: Vec<Entry>) -> Vec<Entry> {
        let account = account_of(&self.clients[client].key);
        let server = self.rng.usize(..self.servers.len());
        let disk = &self.servers[server].disk;
        let stray = disk.events().find(|event| {
            !Evidence::is_home(account, event) && matches!(event.conversation(), Conversation::Direct(..))
        });
        if let Some(event) = stray.filter(|_| self.rng.u32(..4) == 0) {
            let (event, incarnation) = (ByteBuf::from(event.bytes()), disk.incarnation);
            log.push(Entry::Received { event, server: self.server_id(server), incarnation, at_ms: 0 });
        }
        log
    }

    /// The person's own lines as soon as they are written, and not again when they are due.
    fn showing_own_at_once(&self, client: usize, log: Vec<Entry>) -> Vec<Entry> {
        let shown = self.clients[client].tape.entries().iter().filter_map(|entry| match entry {
            Entry::Displayed { id, .. } => Some(*id),
            _ => None,
        });
        let mut shown: BTreeSet<_> = shown.collect();
        let mut altered = Vec::new();
        for entry in log {
            match &entry {
                Entry::Displayed { id, .. } if !shown.insert(*id) => {}
                Entry::Authored { event, at_ms } => {
                    let (event, at_ms) = (Event::from_own_store(event).unwrap(), *at_ms);
                    altered.push(entry);
                    if event.kind() == Kind::Post && shown.insert(event.id()) {
                        altered.push(Entry::Displayed { id: event.id(), late: false, at_ms });
                    }
                }
                _ => altered.push(entry),
            }
        }
        altered
    }
}

/// Those entries first, in their order.
fn first(log: Vec<Entry>, which: impl Fn(&Entry) -> bool) -> Vec<Entry> {
    let (mut first, rest): (Vec<_>, Vec<_>) = log.into_iter().partition(which);
    first.extend(rest);
    first
}

/// The entries of each group change places, the last of them first.
fn backwards<G: Ord>(mut log: Vec<Entry>, group: impl Fn(&Entry) -> Option<G>) -> Vec<Entry> {
    let mut groups: BTreeMap<G, Vec<usize>> = BTreeMap::new();
    for (index, entry) in log.iter().enumerate() {
        if let Some(group) = group(entry) {
            groups.entry(group).or_default().push(index);
        }
    }
    for indexes in groups.into_values() {
        for (one, other) in indexes.iter().zip(indexes.iter().rev()).take(indexes.len() / 2) {
            log.swap(*one, *other);
        }
    }
    log
}

/// The screen shows what the log says, in its order.
fn show_what_is_logged(effects: &mut Effects) {
    let is_line = |action: &Action| matches!(action, Action::Show { .. });
    let lines: BTreeMap<_, _> = effects
        .actions
        .extract_if(.., |action| is_line(action))
        .filter_map(|action| match action {
            Action::Show { event, .. } => Some((event.id(), event)),
            _ => None,
        })
        .collect();
    for entry in &effects.log {
        if let Entry::Displayed { id, late, .. } = entry
            && let Some(event) = lines.get(id)
        {
            effects.actions.push(Action::Show { event: event.clone(), late: *late });
        }
    }
}
