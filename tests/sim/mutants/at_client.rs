//! Seams of a client: what it hears, what it finds in its log when it starts, what it sends.

use serde_bytes::ByteBuf;
use tercet::client::{Effects, Input};
use tercet::event::Event;
use tercet::frame::{ToClient, ToServer};
use tercet::history::Entry;
use tercet::id::{EventId, ServerId};
use tercet::limits::SENT_AT;

use super::forgery::forged;
use crate::mutants::Mutant;
use crate::world::World;

impl World {
    /// What the machine gets to hear.
    pub fn altered_arrival(&mut self, client: usize, input: Input) -> Vec<Input> {
        match (self.swarm.mutant, input) {
            (Some(Mutant::NeverVoids), Input::Up { server, incarnation }) => {
                let known = self.memory.first_incarnations.entry((format!("client {client}"), server));
                vec![Input::Up { server, incarnation: *known.or_insert(incarnation) }]
            }
            (Some(Mutant::LogsStaleReceipts), Input::Up { server, incarnation }) => {
                let known = self.memory.first_incarnations.entry((format!("client {client}"), server));
                known.or_insert(incarnation);
                vec![Input::Up { server, incarnation }]
            }
            (
                Some(Mutant::CountsOneServerAsTwo),
                Input::Frame { server, frame: frame @ ToClient::Receipts(_) },
            ) => {
                let servers = self.view.servers();
                let next = self.view.index_of(server).map_or(0, |index| (index + 1) % servers.len());
                let other = Input::Frame { server: servers[next].id, frame: frame.clone() };
                vec![Input::Frame { server, frame }, other]
            }
            (Some(Mutant::KeepsWhatComesAgain), Input::Frame { server, frame }) => {
                self.keep_again(client, server, &frame);
                vec![Input::Frame { server, frame }]
            }
            (
                Some(Mutant::SwallowsFrames | Mutant::ReordersFrames | Mutant::KeepsCursor),
                Input::Frame { server, frame: ToClient::Feed { room, items, after: _, upto, caught_up } },
            ) => {
                let frame = ToClient::Feed { room, items, after: 0, upto, caught_up };
                vec![Input::Frame { server, frame }]
            }
            (Some(Mutant::IgnoresViews), Input::Frame { frame: ToClient::View(_), .. }) => vec![],
            (_, input) => self.miscounted(client, input),
        }
    }

    fn keep_again(&mut self, client: usize, server: ServerId, frame: &ToClient) {
        let ToClient::Feed { items, .. } = frame else { return };
        let Some(index) = self.view.index_of(server) else { return };
        let incarnation = self.servers[index].disk.incarnation;
        let at_ms = self.clock_ms(self.clients[client].skew_ms);
        let host = &mut self.clients[client];
        let Some(machine) = &host.machine else { return };
        let known = items.iter().filter(|item| machine.event(&item.id).is_some());
        let again = known.filter_map(|item| item.event.clone());
        let entries = again.map(|event| Entry::Received { event, server, incarnation, at_ms }).collect();
        host.tape.append(entries);
    }

    /// What a device that starts finds in its log.
    pub fn handed_over(&self, client: usize) -> Vec<Entry> {
        let mut entries = self.clients[client].tape.entries().to_vec();
        match self.swarm.mutant {
            Some(Mutant::ReusesNumbers) => {
                let is_own = |entry: &Entry| matches!(entry, Entry::Authored { .. });
                entries.truncate(entries.iter().rposition(is_own).unwrap_or(entries.len()));
            }
            Some(Mutant::LosesItsOutbox) => {
                let acked: Vec<_> =
                    self.view.servers().iter().flat_map(|member| acks(&entries, member.id)).collect();
                entries.extend(acked);
            }
            Some(Mutant::ShowsAllAgain) => entries.retain(|entry| !matches!(entry, Entry::Displayed { .. })),
            _ => {}
        }
        entries
    }

    /// What leaves of what the machine wants to send.
    pub fn altered_frame(&mut self, client: usize, server: ServerId, frame: ToServer) -> ToServer {
        match (self.swarm.mutant, frame) {
            (Some(Mutant::TakesForgedUploads), ToServer::Upload { events }) if client == 0 => {
                let mut lies = |bytes: &ByteBuf| match self.rng.u32(..5) {
                    0 => ByteBuf::from(forged(bytes)),
                    _ => bytes.clone(),
                };
                ToServer::Upload { events: events.iter().map(&mut lies).collect() }
            }
            (Some(Mutant::NobodyAsksForBodies), ToServer::Fetch { mut ids }) => {
                let machine = self.clients[client].machine.as_ref();
                ids.retain(|id| machine.is_some_and(|machine| machine.event(id).is_none()));
                ToServer::Fetch { ids }
            }
            (Some(Mutant::DropsForks | Mutant::Thief), ToServer::Upload { mut events }) => {
                let Some(there) = self.view.index_of(server) else { return ToServer::Upload { events } };
                let disk = &self.servers[there].disk;
                let is_due = |(by, event): &mut (usize, Event)| {
                    *by == client && event.parents().iter().all(|parent| disk.holds(parent))
                };
                let stolen = self.memory.stolen.extract_if(.., is_due);
                events.extend(stolen.map(|(_, event)| ByteBuf::from(event.bytes())));
                ToServer::Upload { events }
            }
            (Some(mutant), ToServer::Upload { events }) => {
                let newest = events.len() - 1;
                let all = events.into_iter().enumerate();
                let kept = all.filter(|(index, bytes)| {
                    let Ok(event) = Event::from_own_store(bytes) else { return false };
                    self.uploads(mutant, client, server, event.id(), *index == newest)
                });
                ToServer::Upload { events: kept.map(|(_, bytes)| bytes).collect() }
            }
            (Some(Mutant::KeepsCursor), ToServer::Follow { room: None, after: 0, bodies }) => {
                let furthest = self.memory.furthest.get(&(client, server)).copied().unwrap_or(0);
                let tip = self.view.index_of(server).map_or(0, |index| self.servers[index].disk.tip());
                ToServer::Follow { room: None, after: furthest.min(tip), bodies }
            }
            (Some(Mutant::KeepsCursor), ToServer::Cursor { room: None, position }) => {
                self.memory.furthest.insert((client, server), position);
                ToServer::Cursor { room: None, position }
            }
            (_, frame) => self.with_twins(client, frame),
        }
    }

    /// Whether an event is uploaded that should be.
    fn uploads(
        &mut self,
        mutant: Mutant,
        client: usize,
        server: ServerId,
        id: EventId,
        newest: bool,
    ) -> bool {
        let host = &self.clients[client];
        let conn = self.view.index_of(server).and_then(|index| host.outlet(index));
        let Some(conn) = conn else { return true };
        match mutant {
            Mutant::ForgetsAfterSent => {
                host.machine.as_ref().is_none_or(|machine| machine.copies(&id) < SENT_AT)
            }
            Mutant::NeverResends => *self.memory.uploaded.entry((client, server, id)).or_insert(conn) == conn,
            Mutant::ResendsOnlyNewest => newest,
            Mutant::UploadsItsOwnOnly => {
                let event = host.machine.as_ref().and_then(|machine| machine.event(&id));
                event.is_none_or(|event| event.device() == host.device)
            }
            Mutant::GivesUpWhoPutsOff => !self.memory.rejected.contains(&(client, server)),
            _ => true,
        }
    }

    /// A server has put an event off.
    pub fn note_rejection(&mut self, client: usize, server: ServerId) {
        self.memory.rejected.insert((client, server));
    }

    /// Whether a device goes on without the sync that is due.
    pub fn skips_sync(&self, effects: &Effects) -> bool {
        match self.swarm.mutant {
            Some(Mutant::NeverSyncs) => true,
            Some(Mutant::SyncsItsOwnOnly) => {
                let is_own = |entry: &Entry| matches!(entry, Entry::Authored { .. } | Entry::Begun { .. });
                !effects.log.iter().any(is_own)
            }
            _ => false,
        }
    }

    /// The reorder window that the machine heeds, milliseconds.
    pub fn window_ms(&self) -> u64 {
        if self.swarm.mutant == Some(Mutant::ShowsEarly) { 0 } else { self.swarm.window_ms }
    }

    /// The quorum that a machine heeds.
    pub fn quorum_of(&self, client: usize) -> usize {
        let less = usize::from(self.swarm.mutant == Some(Mutant::ShowsBeforeTheQuorum));
        if self.swarm.shows_all { 1 } else { self.asks_for(client) - less }
    }

    /// Whether a device sends first and writes its log then.
    pub fn acts_first(&self) -> bool {
        self.swarm.mutant == Some(Mutant::SendsBeforeItLogs)
    }
}

/// Receipts for everything in a device's log, from a server's last known incarnation.
fn acks(entries: &[Entry], of: ServerId) -> Vec<Entry> {
    let known = entries.iter().rev().find_map(|entry| match entry {
        Entry::Incarnation { server, incarnation, .. } if *server == of => Some(*incarnation),
        _ => None,
    });
    let Some(incarnation) = known else { return Vec::new() };
    let own = entries.iter().filter_map(|entry| match entry {
        Entry::Authored { event, .. } => Event::from_own_store(event).ok(),
        _ => None,
    });
    own.map(|event| Entry::Receipt { server: of, incarnation, id: event.id(), position: 1 }).collect()
}
